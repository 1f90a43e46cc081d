"""Named bytes are whole, one creator of a name wins, and no name leads out of the place: on a disk and in accounts."""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlbot.errors import InputError, NoVerdict
from mlbot.storage import open_objects
from tests.data.test_store import azure, free_port, keys_of, s3  # noqa: F401  the accounts


@pytest.fixture(params=["folder", "s3", "azure"])
def address(request, tmp_path):
    """A place for objects, on a disk and in two storage accounts."""
    return str(tmp_path / "shared") if request.param == "folder" else request.getfixturevalue(request.param)


def test_what_is_put_is_read_listed_replaced_and_removed_wherever_it_is(address):
    """The five things that are asked of a place mean the same everywhere."""
    objects = open_objects(address)
    assert objects.get("models/champion") is None and objects.names() == []
    large = os.urandom(6_000_000)  # more than one part of an upload
    objects.put("models/a/weights.bin", large)
    objects.put("models/ab", b"")
    objects.put("models/champion", b"one")
    objects.put("models/champion", b"two")
    assert objects.get("models/a/weights.bin") == large and objects.get("models/ab") == b""
    assert objects.get("models/champion") == b"two" and objects.get("models/a") is None
    assert objects.names() == ["models/a/weights.bin", "models/ab", "models/champion"]
    assert objects.names("models/a") == ["models/a/weights.bin", "models/ab"]
    assert objects.names("models/a/") == ["models/a/weights.bin"] and objects.names("nothing/") == []
    assert not objects.create("models/champion", b"three") and objects.get("models/champion") == b"two"
    objects.delete("models/champion")
    objects.delete("models/champion")
    assert objects.get("models/champion") is None and objects.create("models/champion", b"three")
    assert open_objects(address).get("models/champion") == b"three"


CREATOR = """
import sys
from mlbot.storage import open_objects
objects = open_objects(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
won = [turn for turn in range(60) if objects.create(f"turns/{turn}", sys.argv[2].encode() * 2000)]
print(*won)
"""


def test_of_several_who_create_one_name_exactly_one_is_first(address):
    """Three processes race for sixty names: each has one winner, who is the one whose bytes are there, whole."""
    who = ["a", "b", "c"]
    racing = [subprocess.Popen([sys.executable, "-c", CREATOR, address, name], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True) for name in who]
    for process in racing:
        assert process.stdout.readline() == "ready\n"
    for process in racing:
        process.stdin.write("go\n")
        process.stdin.flush()
    won = {name: process.communicate()[0].split() for name, process in zip(who, racing, strict=True)}
    assert sorted(map(int, sum(won.values(), []))) == list(range(60))
    objects = open_objects(address)
    assert all(objects.get(f"turns/{turn}") == name.encode() * 2000 for name in who for turn in won[name])
    assert len(objects.names()) == 60


def test_a_reader_never_sees_half_of_what_is_replaced(tmp_path):
    """Whoever reads while others write sees one of the values, whole."""
    objects, seen, stop = open_objects(tmp_path), set(), threading.Event()
    values = [bytes([65 + number]) * 500_000 for number in range(4)]
    objects.put("x", values[0])

    def read():
        while not stop.is_set():
            seen.add(objects.get("x"))
    thread = threading.Thread(target=read)
    thread.start()
    for number in range(40):
        objects.put("x", values[number % 4])
    stop.set()
    thread.join()
    assert seen <= set(values) and objects.names() == ["x"]


OUTSIDE = ("../secret", "a/../../secret", "/etc/passwd", "", ".", "a/.b", "a//b", "a/", "a\\..\\b", "a\x00b", "a\n",
           "x" * 501, "C:/x", "%2e%2e/x")


def test_no_name_leads_out_of_the_place(tmp_path, s3):  # noqa: F811
    """What is asked of such a name is refused, and nothing is read or written."""
    (tmp_path / "secret").write_text("topsecret")
    for objects in (open_objects(tmp_path / "shared"), open_objects(s3)):
        asks = (objects.get, objects.delete, lambda name, to=objects: to.put(name, b"x"),
                lambda name, to=objects: to.create(name, b"x"))
        for ask, name in itertools.product(asks, OUTSIDE):
            with pytest.raises(InputError, match="cannot be the name"):
                ask(name)
        for prefix in ("../", "/etc/", "a/../../", "a//"):
            with pytest.raises(InputError, match="cannot be the name"):
                objects.names(prefix)
        assert objects.names() == [] == objects.names("..")
    assert (tmp_path / "secret").read_text() == "topsecret" and not (tmp_path / "shared").exists()


def test_an_account_that_does_not_answer_is_no_verdict_and_its_keys_are_not_shown(monkeypatch):
    """Nothing is said about what is in it, and nothing secret either."""
    for name, value in keys_of(free_port()).items():
        monkeypatch.setenv(name, value)
    objects = open_objects("s3://nowhere/shared")
    for ask in (lambda: objects.get("x"), lambda: objects.put("x", b""), lambda: objects.create("x", b""),
                lambda: objects.names(), lambda: objects.delete("x")):
        with pytest.raises(NoVerdict, match="the account does not answer") as caught:
            ask()
        assert "topsecret" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_bucket_that_is_not_there_is_not_an_empty_one(s3):  # noqa: F811
    """A typo in the address is told, instead of finding nothing."""
    objects = open_objects("s3://no-such-bucket/shared")
    for ask in (lambda: objects.get("x"), lambda: objects.names()):
        with pytest.raises(NoVerdict, match="does not answer"):
            ask()


def test_an_unknown_address_is_refused(tmp_path):
    """Only a folder and known schemes are places."""
    for address in ("ftp://server/x", "http://server/x", "://x"):
        with pytest.raises(InputError, match="is not known"):
            open_objects(address)
    assert open_objects(Path(tmp_path)).names() == []


def test_only_half_written_files_are_swept_and_none_of_your_own(tmp_path):
    """The fault: any old file whose name ended in a dot and eight letters, such as `.env.template`, was taken away."""
    begun, yours = tmp_path / ".manifest.json.0a1b2c3d", tmp_path / ".env.template"
    for path in (begun, yours):
        path.write_text("something")
        os.utime(path, (0, 0))
    open_objects(tmp_path).names()
    assert yours.exists() and not begun.exists()
