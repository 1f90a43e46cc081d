"""What was stored is there once, in each version that had it, on a disk and in storage accounts, until it is forgotten."""

import base64
import email.utils
import hashlib
import hmac
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.store import (
    append,
    batch_rows,
    commits,
    erase_utterances,
    is_store,
    open_table,
    place_rows,
    pseudonym,
    read_rows,
    read_store,
    remove_batch,
    rewrite_labels,
    rows_at,
)
from mlbot.data.table import Columns, read_utterances, sample_file, snapshot
from mlbot.errors import InputError, NoVerdict
from mlbot.settings import load_settings
from mlbot.text.clean import digest
from tests.serving import ask_server, free_port, server

DATA = load_settings().data
AZURITE = "3.35.0"


def placed(rows, table):
    return place_rows(rows, table, 25)


def rows_of(texts, batch="", **columns):
    """Rows as `batch_rows` gives them."""
    frame = pd.DataFrame({"text": texts, "intent": (["a", "b"] * len(texts))[:len(texts)], **columns}, dtype=object)
    name = batch or hashlib.sha256("".join(texts).encode()).hexdigest()[:16]
    return frame.assign(digest=np.fromiter(map(digest, texts), np.uint64, len(texts)), reason="", batch=name)


def keys_of(port):
    """The environment in which a port of this machine is S3."""
    return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "topsecret"}


@pytest.fixture
def s3(monkeypatch, moto):
    """The address of a table on moto's S3 server."""
    ask_server("POST", moto, "/moto-api/reset")
    ask_server("PUT", moto, "/bucket", {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"})
    for name, value in keys_of(moto).items():
        monkeypatch.setenv(name, value)
    return "s3://bucket/utterances"


def azurite_program():
    """Azurite's program, fetched from npm once; skips, visibly, where there is no npm."""
    home = Path.home() / ".cache" / "mlbot" / f"azurite-{AZURITE}"
    program = home / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not program.is_file():
        if not shutil.which("npm") or not shutil.which("node"):
            pytest.skip("Azurite needs node and npm, which are not here")
        home.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(home), f"azurite@{AZURITE}"],
                              capture_output=True, text=True, timeout=300)
        if not program.is_file():
            pytest.skip(f"npm cannot fetch azurite: {done.stderr[-200:]}")
    return program


@pytest.fixture
def azure(monkeypatch, tmp_path):
    """The address of a table on Azurite.

    Azurite before 3.37 ignores `startFrom` when it lists blobs, so the third append of deltalake finds a version that it has
    not asked for. In emulator mode the listing is filtered on this side; its address comes from the environment alone.
    """
    port, account = free_port(), "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # published, no secret
    command = ["node", str(azurite_program()), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location",
               str(tmp_path / "az"), "--disableTelemetry", "--skipApiVersionCheck", "--silent"]
    with server(command, port):
        date, version = email.utils.formatdate(usegmt=True), "2021-10-04"
        text = f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{version}\n/{account}/{account}/tables\nrestype:container"
        signed = base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), "sha256")).decode()
        ask_server("PUT", port, f"/{account}/tables?restype=container", {
            "x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {account}:{signed}"})
        monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
        yield "abfss://tables@devstoreaccount1.dfs.core.windows.net/utterances"


@pytest.fixture(params=["folder", "s3", "azure"])
def url(request, tmp_path):
    """A store that does not exist yet, on a disk and in two storage accounts."""
    return str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue(request.param)


def test_batches_versions_history_removal_and_erasure_work_wherever_the_store_is(url):
    sample = read_utterances(sample_file(), Columns(context=("role", "location")), DATA)
    whole = batch_rows(sample)
    parts = [whole.iloc[at::5].assign(batch=f"{at}" * 16).reset_index(drop=True) for at in range(5)]
    for at, part in enumerate(parts):
        version, new = append(part, url, {"source": f"{at}.csv", "who": "Ann", "why": f"week {at}"}, placed)
        assert new and append(part, url, {}, placed) == (version, False)
    read = read_store(url, Columns(context=("role", "location")), DATA)
    assert snapshot(read) == snapshot(sample) and set(read.rows["batch"]) == {f"{at}" * 16 for at in range(5)}
    history = commits(open_table(url))
    assert [(item.what, item.rows, item.source, item.who, item.why) for item in history] == [
        ("add", len(parts[at]), f"{at}.csv", "Ann", f"week {at}") for at in (4, 3, 2, 1, 0)]
    assert len(rows_at(url, history[2].version)[0]) == sum(map(len, parts[:3]))
    assert remove_batch(url, "33", {"why": "sent by mistake"}) == len(parts[3])
    assert (rows_at(url)[0]["reason"] == "").sum() == len(whole) - len(parts[3])
    assert (rows_at(url, history[0].version)[0]["reason"] == "").sum() == len(whole)
    append(rows_of(["my name is nobody", "i live nowhere"], "p" * 16, person=[pseudonym("Ann Smith")] * 2), url, {}, placed)
    held = open_table(url).version()
    n, gone = erase_utterances(url, {"who": "Eve", "why": "request 7"}, person="ANN  SMITH")
    assert n == 2 and set(gone) == {digest("my name is nobody"), digest("i live nowhere")}
    assert "my name is nobody" not in set(rows_at(url)[0]["text"]) and commits(open_table(url))[0].what == "erase"
    intents = rows_at(url)[0]["intent"]
    n = rewrite_labels(url, lambda rows: rows["intent"].map({intents.iloc[0]: "another"}).fillna(""), {"who": "Ann"})
    assert n == (intents == intents.iloc[0]).sum() == (rows_at(url)[0]["intent"] == "another").sum()
    assert (commits(open_table(url))[0].what, commits(open_table(url))[0].who) == ("relabel", "Ann")
    with pytest.raises(InputError, match="cannot be read any more"):
        rows_at(url, held)
    with pytest.raises(InputError, match="no version 999"):
        rows_at(url, 999)
    with pytest.raises(InputError, match="0 batches begin with"):
        remove_batch(url, "zz", {})


def test_what_was_erased_is_in_no_file_any_more(tmp_path):
    """Looks into each file that is left, decoded: data, checkpoints and the log itself."""
    from arro3.core import Table
    from arro3.io import read_parquet
    url = str(tmp_path / "store")
    for at in range(4):
        texts = [f"batch {at} says {word}" for word in ("one", "two", "three")] + (["aaa SECRET of ann"] if at == 1 else [])
        append(rows_of(texts, f"{at}" * 16, person=["", "", ""] + ([pseudonym("ann")] if at == 1 else [])), url, {}, placed)
    open_table(url).create_checkpoint()
    erase_utterances(url, {"why": "request"}, person="ann")
    open_table(url).create_checkpoint()
    for path in Path(url).rglob("*"):
        if path.is_file():
            words = path.read_bytes().decode("utf-8", "replace")
            if path.suffix == ".parquet":
                table = Table.from_arrow(read_parquet(str(path)))
                words = " ".join(str(table.column(name).to_pylist()) for name in table.column_names)
                assert len(words) > 50
            assert "SECRET" not in words and pseudonym("ann") not in words, path


WRITER = """
import sys
from tests.data.test_store import rows_of, placed
from mlbot.data.store import append
url, name, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for at in range(first, last):
    rows = rows_of([f"{name} says {at} and {word}" for word in ("this", "that")], f"{name}{at:015}")
    append(rows, url, {"source": name}, placed if name == "p" else None)
    print(at, flush=True)
"""


def writer(url, name, first, last):
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen([sys.executable, "-c", WRITER, url, name, str(first), str(last)], stdout=subprocess.PIPE,
                            text=True, cwd=root, env={**os.environ, "PYTHONPATH": root})


@pytest.mark.long
def test_two_writers_that_are_killed_at_random_lose_nothing_that_they_were_told_is_stored(tmp_path):
    """Two writers of 200 batches each, now one and now the other is killed: each acknowledged batch is there once."""
    url, luck, told, running, kills = str(tmp_path / "store"), random.Random(0), {"a": 0, "b": 0}, {}, {"a": 0, "b": 0}
    append(rows_of(["the first text", "the second text"], "0" * 16), url, {})
    while min(told.values()) < 200:
        running |= {name: writer(url, name, told[name], 200) for name in told if name not in running and told[name] < 200}
        victim, heard = min(running, key=lambda name: (kills[name], name)), []
        if sum(kills.values()) < 8:  # each is killed four times, somewhere after its next batches
            heard = [running[victim].stdout.readline() for _ in range(luck.randrange(1, 20))]
            time.sleep(luck.uniform(0, 0.05))
            running[victim].send_signal(signal.SIGKILL)
            kills[victim] += 1
        said = [*heard, *running.pop(victim).communicate()[0].split()]
        told[victim] = max([told[victim], *(int(line) + 1 for line in said)])
    assert set(kills.values()) == {4}
    counts = read_rows(open_table(url), ["batch"])["batch"].value_counts()
    assert len(counts) == 401 and set(counts) == {2}
    assert len([item for item in commits(open_table(url)) if item.what == "add"]) == 401


def test_two_writers_at_one_time_agree_about_the_sides(tmp_path):
    """Both send texts that are near each other: whoever comes second sees what the first one decided."""
    url = str(tmp_path / "store")
    append(rows_of(["the first text", "the second text"], "0" * 16), url, {}, placed)
    both = [writer(url, "p", 0, 12), writer(url, "p", 12, 24)]
    assert [process.wait(200) for process in both] == [0, 0]
    rows = read_rows(open_table(url))
    said = rows[rows["text"].str.startswith("p says")]
    assert len(said) == 48 and len(set(said["life"])) == 1  # "p says 7 and this", "p says 8 and that": all near


def test_a_store_that_cannot_be_reached_is_no_verdict_and_changes_nothing(project, mlbot):
    (project / "settings.ini").write_text("[data]\nsource = store\n[places]\ndata = s3://nowhere/utterances\n")
    gone = keys_of(free_port())
    for command in (["run"], ["data", "add", sample_file()]):
        done = mlbot(*command, env=gone)
        assert done.returncode == 3 and "the store does not answer" in done.stderr, done.stderr
        assert "topsecret" not in done.stderr and "Traceback" not in done.stderr and "\x1b" not in done.stderr
    assert not list((project / "models").glob("[!.]*")) and not (project / "data.lock").exists()


def test_a_server_that_stops_midway_is_no_verdict(s3, monkeypatch):
    append(rows_of(["one text", "two texts"], "0" * 16), s3, {})
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NoVerdict, match="does not answer"):
        append(rows_of(["three texts", "four texts"], "1" * 16), s3, {})


def test_the_commands_of_the_store(project, mlbot, csv_file):
    """Added, read back by version, compared, taken back, forgotten; git holds one small file."""
    (project / "settings.ini").write_text("[data]\nsource = store\ncontext = role location\nperson = who\n")
    header, *lines = sample_file().read_text().splitlines()
    halves = [[f"{line},{'ann' if at % 40 == 0 else 'bob'}" for at, line in enumerate(lines[start::2])] for start in (0, 1)]
    files = [csv_file("\n".join([f"{header},who", *half, *extra]), f"{at}.csv")
             for at, (half, extra) in enumerate(zip(halves, ([",x,,,bob", "no label,,,,bob"], []), strict=True))]
    assert mlbot("data", "log").returncode == 2 and mlbot("run").returncode == 2
    first = mlbot("data", "add", files[0], "--who", "Ann", "--why", "week 1")
    assert first.returncode == 0 and "is version 1 of data" in first.stdout, first.stderr
    lock = json.loads((project / "data.lock").read_text())
    assert lock["version"] == 1 and lock["rows"] == len(halves[0]) and lock["store"] == "data"
    assert sorted(rows_at(str(project / "data"))[0].query("reason != ''")["reason"]) == ["no label", "no text"]
    assert "1  rows set aside when they were added: no label" in mlbot("data", "show").stdout
    assert mlbot("data", "add", files[1], "--week", "2026-W02").returncode == 0
    again = mlbot("data", "add", files[1])
    assert again.returncode == 0 and "nothing stored: these rows are already there, since version 2" in again.stdout
    log = mlbot("data", "log").stdout
    assert "1.csv  week 2026-W02" in log and "*    2" in log and "1.csv" in log and "week 1" in log and "Ann" in log
    change = mlbot("data", "diff", "1", "2").stdout
    assert f"version 1: {len(halves[0])} rows; version 2: {len(lines)} rows" in change
    assert "came" in change and "went" not in change
    assert f"{len(halves[0]):,}  rows" in mlbot("data", "show", "--version", "1").stdout
    assert mlbot("data", "show", "--version", "77").returncode == 2
    assert mlbot("data", "lock", "--version", "1").returncode == 0
    assert f"{len(halves[0]):,}  rows" in mlbot("data", "show").stdout                    # the locked version is what counts
    (project / "data.lock").write_text((project / "data.lock").read_text().replace('"digest": "', '"digest": "f'))
    other = mlbot("run")
    assert other.returncode == 2 and "holds other rows than data.lock says" in other.stderr
    batch = next(word for word in log.split() if len(word) == 16)
    assert mlbot("data", "remove", batch[:6], "--why", "wrong file").returncode == 0
    lock = (project / "data.lock").read_text()
    (project / "data.lock").write_text(lock.replace('"version": 3', '"version": 2'))  # as if it was cut off before the lock
    begun = project / "data" / "_delta_log" / "00000000000000000009.json#1"
    begun.touch()
    os.utime(begun, (0, 0))
    again = mlbot("data", "remove", batch[:6], "--why", "wrong file")
    assert not begun.exists()
    assert again.returncode == 0 and "was removed before" in again.stdout and (project / "data.lock").read_text() == lock
    assert mlbot("data", "erase", "--why", "x").returncode == 2
    done = mlbot("data", "erase", "--person", "ann", "--why", "request 7")
    assert done.returncode == 1 and "in all versions" in done.stdout  # the files that were added are here, too
    assert "left:   1.csv holds something" in done.stdout
    assert mlbot("data", "erase", "--again", "--files").returncode == 0
    assert "request 7" in mlbot("data", "log").stdout and "ann" not in mlbot("data", "log").stdout.splitlines()[0]
    text = rows_at(str(project / "data"))[0]["text"].iloc[0]
    assert "erased: 0 rows" not in mlbot("data", "erase", "--utterance", text, "--why", "request 8").stdout
    assert text not in set(rows_at(str(project / "data"))[0]["text"])
    assert is_store(project / "data") and not is_store(project)


def test_a_batch_that_cannot_be_read_leaves_the_store_as_it_is(project, mlbot, csv_file):
    (project / "settings.ini").write_text("[data]\nsource = store\n")
    good = csv_file("text,intent\nnew badge,badge\nlost badge please,badge\nhotel bill,expense\ntaxi receipt,expense\n")
    assert mlbot("data", "add", good).returncode == 0
    before = rows_at(str(project / "data"))
    done = mlbot("data", "add", csv_file("text,intent\nx,y,z\n", "bad.csv"))
    assert done.returncode == 2 and "line 2 has 3 fields" in done.stderr
    after = rows_at(str(project / "data"))
    assert after[1] == before[1] and after[0].equals(before[0])


def test_columns_that_a_batch_lacks_are_empty_and_those_that_nobody_has_are_named(tmp_path):
    url = str(tmp_path / "store")
    append(rows_of(["one text", "two texts"], "0" * 16, role=["r", "r"]), url, {})
    append(rows_of(["three badges", "four badges"], "1" * 16, group=["ann", "ann"]), url, {})
    rows = read_store(url, Columns(context=("role",)), DATA).rows
    assert dict(zip(rows["text"], rows["role"], strict=True)) == {"one text": "r", "two texts": "r", "three badges": "",
                                                                  "four badges": ""}
    assert sorted(rows["group"]) == ["", "", "ann", "ann"]
    with pytest.raises(InputError, match="no batch has the column 'site'"):
        read_store(url, Columns(context=("site",)), DATA)
    assert "trained without: site" in str(read_store(url, Columns(context=("site",), strict=False), DATA))
    alone = str(tmp_path / "alone")
    append(rows_of(["one text", "two texts"], "0" * 16), alone, {})
    with pytest.raises(InputError, match="no batch has a group column"):
        read_store(alone, Columns(group="who"), DATA)
    with pytest.raises(InputError, match="batches without a split column"):
        read_store(alone, Columns(side="split"), DATA)


def test_a_removed_batch_comes_back_to_its_old_sides(tmp_path):
    url = str(tmp_path / "store")
    texts = [f"please reset account {at}" for at in range(2)] + ["where is my badge", "a room for six"]
    for at, text in enumerate(texts):
        append(rows_of([text], f"{at}" * 16), url, {}, placed)
    before = rows_at(url)[0].set_index("text")["life"]
    for at in range(4):
        remove_batch(url, f"{at}" * 16, {})
    with pytest.raises(InputError, match="0 batches begin with"):
        remove_batch(url, "0" * 16, {})
    assert append(rows_of([texts[0]], "0" * 16), url, {}, placed)[1]
    assert not append(rows_of([texts[0]], "0" * 16), url, {}, placed)[1]
    append(rows_of(texts[::-1], "9" * 16), url, {}, placed)
    now = rows_at(url)[0].query("batch == '9999999999999999'").set_index("text")["life"]
    assert now.to_dict() == before.to_dict()


def test_erasing_destroys_what_is_asked_and_nothing_else(tmp_path):
    url, forgotten = str(tmp_path / "store"), []
    ann, bob = pseudonym("ann"), pseudonym("bob")
    append(rows_of(["only ann", "ann and bob", "nobody said this"], "1" * 16, person=[ann, ann, ""]), url, {}, placed)
    append(rows_of(["ann and bob", "more of ann"], "2" * 16, person=[bob, ann]), url, {}, placed)
    remove_batch(url, "2", {})
    held = open_table(url).version()
    for person in (" ", "\u200b", "anne"):
        with pytest.raises(InputError):
            erase_utterances(url, {}, person, forget=forgotten.append)
    assert open_table(url).version() == held and len(rows_at(url, 1)[0]) == 3 and not forgotten
    n, gone = erase_utterances(url, {}, "Ann", forget=forgotten.append)
    assert n == 3 and set(gone) == set(forgotten[0]) == {digest("only ann"), digest("more of ann")}  # and bob said one
    assert sorted(rows_at(url)[0]["text"]) == ["ann and bob", "nobody said this"]
    with pytest.raises(InputError, match="no version has"):
        erase_utterances(str(tmp_path / "nothing"), {}, "ann")
    assert not (tmp_path / "nothing").exists()


def test_odd_names_of_columns_and_empty_batches_are_refused_or_read(tmp_path):
    url = str(tmp_path / "store")
    append(rows_of(["one text", "two texts"], "1" * 16, **{'x"y': ["a", "b"], "role": ["r", "s"]}), url, {}, placed)
    assert rows_at(url)[0]['x"y'].tolist() == ["a", "b"]
    with pytest.raises(InputError, match="differ by more than case"):
        append(rows_of(["three texts"], "2" * 16, Role=["r"]), url, {}, placed)
    with pytest.raises(InputError, match="without a row"):
        append(rows_of(["x"]).iloc[:0], url, {}, placed)


def test_what_was_stored_before_a_rule_of_masking_came_is_cleaned_when_it_is_read(tmp_path):
    url = str(tmp_path / "store")
    append(rows_of(["mail  ann@example.org please", "two texts"], "1" * 16), url, {}, placed)
    rows = read_store(url, Columns(), DATA).rows
    assert rows["text"].tolist() == ["mail [email] please", "two texts"]
    assert rows["digest"].tolist() == [digest(text) for text in rows["text"]]


WIRE = """
import os, signal, socket, sys, threading
to, cut_after, told = int(sys.argv[1]), float(sys.argv[2]), [0, 0]
door = socket.create_server(("127.0.0.1", 0))

def end(*_):
    os.write(1, f"{told[0]} {told[1]}\\n".encode())
    os._exit(0)

def carry(one, other, way):
    try:
        while body := one.recv(4096):
            told[way] += len(body)
            if sum(told) > cut_after:
                end()
            other.sendall(body)
    except OSError:
        pass
    for side in (one, other):
        try:
            side.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

signal.signal(signal.SIGTERM, end)
print(door.getsockname()[1], flush=True)
while True:
    caller, server = door.accept()[0], socket.create_connection(("127.0.0.1", to))
    for ends in ((caller, server, 0), (server, caller, 1)):
        threading.Thread(target=carry, args=ends, daemon=True).start()
"""


@contextmanager
def wired(monkeypatch, cut_after=math.inf):
    """In this block the storage account is at the end of a wire, which is cut after so many bytes.

    Yields what holds, after the block, how many bytes went up and down. The wire is a process: a read holds up all threads.
    """
    direct, wire = os.environ["AWS_ENDPOINT_URL"], SimpleNamespace(up=0, down=0)
    command = [sys.executable, "-c", WIRE, direct.rpartition(":")[2], str(cut_after)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{int(process.stdout.readline())}")
    try:
        yield wire
    finally:
        monkeypatch.setenv("AWS_ENDPOINT_URL", direct)
        process.terminate()
        wire.up, wire.down = map(int, process.communicate(timeout=20)[0].split()[:2])


def made_up(number, rows=4000):
    """A batch of different texts."""
    luck = np.random.default_rng(number)
    words = [f"w{at:03}" for at in range(900)]
    return rows_of([" ".join([*luck.choice(words, 8), str(number), str(at)]) for at in range(rows)], f"{number:016}")


@pytest.mark.long
def test_a_batch_uploads_its_own_bytes_only_however_many_are_there(s3, monkeypatch):
    """Measured on the wire to a storage account: the eighth batch costs what the second one did, but for a few requests."""
    uploaded = []
    for number in range(8):
        with wired(monkeypatch) as wire:
            append(made_up(number), s3, {"source": f"{number}.csv"})
        uploaded.append(wire.up)
    as_csv = len(made_up(7)[["text", "intent"]].to_csv(index=False))
    print(f"bytes sent for batches of {as_csv:,} bytes of CSV: {', '.join(f'{n:,}' for n in uploaded)}")
    assert uploaded[7] <= 1.1 * uploaded[1] and uploaded[7] <= as_csv
    with wired(monkeypatch) as wire:
        assert append(made_up(3), s3, {})[1] is False
    assert wire.up < 0.25 * as_csv                                            # sent again: requests, and no row


@pytest.mark.long
def test_an_account_that_goes_away_while_a_batch_is_added_has_it_whole_or_not_at_all(s3, monkeypatch):
    append(made_up(0, 200), s3, {}, placed)
    with wired(monkeypatch) as wire:
        append(made_up(1, 200), s3, {}, placed)
    whole, told, batches = wire.up + wire.down, [], 2
    for number, part in enumerate((0.1, 0.5, 0.8, 0.97), start=2):
        with wired(monkeypatch, part * whole):
            try:
                append(made_up(number, 200), s3, {}, placed)
                told.append("stored")
            except NoVerdict:
                told.append("no verdict")
        counts = read_rows(open_table(s3), ["batch"])["batch"].value_counts()
        assert set(counts) == {200} and len(counts) in ((batches + 1,) if told[-1] == "stored" else (batches, batches + 1))
        append(made_up(number, 200), s3, {}, placed)                          # sent again when the account is back
        batches += 1
        assert read_rows(open_table(s3), ["batch"])["batch"].nunique() == batches
    assert told.count("no verdict") >= 3


def test_an_account_that_goes_away_midway_through_a_run_leaves_nothing_half_trained(s3, project, mlbot, monkeypatch):
    (project / "settings.ini").write_text(f"[data]\nsource = store\nsuspects = 0\n[places]\ndata = {s3}\n")
    columns = Columns(context=("role", "location"))
    append(batch_rows(read_utterances(sample_file(), columns, DATA)), s3, {}, placed)
    with wired(monkeypatch) as wire:
        read_store(s3, columns, DATA)
    whole = wire.up + wire.down
    with wired(monkeypatch, 0.6 * whole) as wire:
        done = mlbot("run", env={"AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"]})
    assert wire.up + wire.down > 0.6 * whole                                  # it had begun
    assert done.returncode == 3 and "the store does not answer" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not list((project / "models").glob("[!.]*"))
    assert not list(project.glob("runs/*/model")) and not list(project.glob("runs/*/train.csv"))


def test_whoever_has_added_data_and_gets_the_demo_is_told(project, mlbot):
    """`mlbot data add`, then a command without a source: it would be the demo's data, without a word."""
    (project / "settings.ini").write_text("")
    assert "is a store" not in mlbot("data", "show").stdout
    assert mlbot("data", "add", str(sample_file())).returncode == 0
    told = mlbot("data", "show")
    assert told.stdout.startswith("company, snapshot") and "data is a store, and this is the demo's data" in told.stdout
    assert "is a store" in mlbot("run", "--until", "prepare").stdout
    assert "is a store" not in mlbot("data", "show", "store").stdout
    (project / "settings.ini").write_text("[data]\nsource = store\n")
    assert "is a store" not in mlbot("data", "show").stdout
