"""The log is append-only, one writer a turn, bounded in its waits, and forgets a person for good."""

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from mlbot.errors import InputError
from mlbot.events import Event, EventLog, LogError, Taken
from mlbot.text import pseudonym


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """The address of a PostgreSQL server of its own on this machine; skips, visibly, where none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "/nowhere")]
    if not found[-1].is_file():
        pytest.skip("PostgreSQL is not here (Debian: apt install postgresql)")
    programs, folder = found[-1].parent, Path(tempfile.mkdtemp(prefix="mlbot-pg-"))
    who = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    if who:
        shutil.chown(folder, "postgres", "postgres")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **who}
    place = ["-D", folder / "data"]
    subprocess.run([programs / "initdb", *place, "-U", "mlbot", "-A", "trust", "--no-sync"], check=True, **quiet)
    server = subprocess.Popen([programs / "postgres", *place, "-k", folder, "-c", "listen_addresses=", "-F"], **quiet)
    for _ in range(100):
        if (folder / ".s.PGSQL.5432").exists():
            break
        time.sleep(0.1)
    yield f"postgresql+psycopg://mlbot@/postgres?host={folder}"
    server.terminate()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def log(request, tmp_path):
    if request.param == "sqlite":
        found = EventLog(tmp_path / "events.db")
    else:
        found = EventLog(request.getfixturevalue("postgres"))
        with found.engine.begin() as connection:
            connection.exec_driver_sql("TRUNCATE events RESTART IDENTITY")
    yield found
    found.close()


def test_events_come_back_in_their_order_by_every_condition(log):
    for number in range(1, 4):
        log.append(Event("turn", "c1", {"n": number, "text": "ü\n\"{}"}, "ada", turn=number))
    log.append(Event("asked", "r1", once="x"))
    assert [event.body["n"] for event in log.read(("turn",), about="c1")] == [1, 2, 3]
    assert log.read(about="c1")[0].body["text"] == "ü\n\"{}"
    assert [event.kind for event in log.read(after=3)] == ["asked"] and len(log.read(person="ada")) == 3
    assert [event.body["n"] for event in log.read(("turn",), last=2)] == [2, 3] and log.read(once=("x",))[0].about == "r1"
    assert log.read(since=log.clock() + 10) == []


def test_a_turn_and_a_once_are_taken_once_and_what_comes_with_them_is_not_written(log):
    log.append(Event("turn", "c1", turn=1), Event("process.asked", "p1", once="run:p1"))
    with pytest.raises(Taken):
        log.append(Event("turn", "c1", turn=1), Event("process.asked", "p2", once="run:p2"))
    with pytest.raises(Taken):
        log.append(Event("turn", "c1", turn=2), Event("process.asked", "p1", once="run:p1"))
    assert [event.about for event in log.read()] == ["c1", "p1"]
    log.append_many([Event("asked", f"r{number}", {"n": number}) for number in range(300)])
    assert [event.body["n"] for event in log.read(("asked",))] == list(range(300))
    with pytest.raises(Taken):
        log.append_many([Event("asked", "r301"), Event("turn", "c1", turn=1)])
    assert len(log.read(("asked",))) == 300


def write_turns(place, results):
    log, won = EventLog(place), 0
    for turn in range(1, 41):
        try:
            log.append(Event("turn", "c1", {"who": multiprocessing.current_process().name}, turn=turn))
            won += 1
        except Taken:
            pass
    results.put(won)
    log.close()


def test_of_several_processes_that_write_one_turn_exactly_one_wins(tmp_path):
    EventLog(tmp_path / "events.db").close()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    writers = [context.Process(target=write_turns, args=(tmp_path / "events.db", results)) for _ in range(2)]
    for writer in writers:
        writer.start()
    won = [results.get(timeout=60) for _ in writers]
    for writer in writers:
        writer.join()
    log = EventLog(tmp_path / "events.db")
    assert sum(won) == 40 and [event.turn for event in log.read(("turn",))] == list(range(1, 41))
    log.close()


def test_a_person_is_forgotten_on_the_disk_too_with_the_whole_conversation(log, tmp_path):
    secret = "the very private reason of my leave"
    log.append(Event("opened", "c1", {"role": "sales"}, pseudonym("Ada"), turn=0))
    log.append(Event("turn", "c1", {"text": secret}, pseudonym("Ada"), turn=1))
    log.append(Event("turn", "c1", {"text": "a wish", "request": "r9"}, pseudonym("Ada"), turn=3))
    log.append(Event("feedback", "r9", {"comment": secret}), Event("feedback", "r8", {"comment": "of others"}))
    log.append(Event("label", "e2", {"intent": "x"}, "agent"), Event("label", "e2", {"intent": "x"}, pseudonym("Ada")))
    log.append(Event("agent", "c1", {"text": f"about {secret}"}, "grace", turn=2))
    log.append(Event("turn", "c2", {"text": "kept"}, pseudonym("Bob"), turn=1))
    assert log.forget(" ada ") == 6
    assert [event.kind for event in log.read()] == ["feedback", "label", "turn", "forgotten"]
    log.close()
    assert not any(secret.encode() in path.read_bytes() for path in Path(tmp_path).iterdir())
    with pytest.raises(InputError, match="without a name"):
        log.forget("  ")


def test_a_locked_log_is_waited_for_and_then_an_error(tmp_path):
    log = EventLog(tmp_path / "events.db")
    log.append(Event("asked", "r1"))
    other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with log.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 50")
    with pytest.raises(LogError, match="locked"):
        log.append(Event("asked", "r2"))
    assert len(log.read()) == 1  # readers do not wait
    other.execute("ROLLBACK")
    other.close()
    log.append(Event("asked", "r2"))
    assert len(log.read()) == 2
    log.close()


def test_a_damaged_log_and_a_wrong_address_are_clear_errors(tmp_path):
    (tmp_path / "events.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(LogError, match="cannot be opened"):
        EventLog(tmp_path / "events.db")
    with pytest.raises(LogError, match="cannot be opened") as problem:
        EventLog("nonsense://host/db")
    assert "[service]" in str(problem.value)
