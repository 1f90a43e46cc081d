"""The log is append-only, one writer a turn, bounded in its waits, and forgets a person for good."""

import json
import multiprocessing
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from mlbot.bot.events import ERASED, MOST_KEPT, Event, EventLog, LogError, Taken, is_emptied, set_pragma
from mlbot.errors import InputError
from mlbot.origin import install_command
from mlbot.text.clean import key, pseudonym


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
    address = f"postgresql://mlbot@/postgres?host={folder}"
    for _ in range(200):  # its socket is there before it answers
        try:
            psycopg.connect(address).close()
            break
        except psycopg.OperationalError:
            time.sleep(0.1)
    yield address
    server.send_signal(signal.SIGINT)  # at once, also while a test that failed holds connections
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def log(request, tmp_path):
    if request.param == "sqlite":
        found = EventLog(tmp_path / "events.db")
    else:
        found = EventLog(request.getfixturevalue("postgres"))
        with found.connections.one() as connection:
            connection.execute("TRUNCATE events, held RESTART IDENTITY")
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
    assert [event.number for event in log.read(numbers=(1, 3, 99))] == [1, 3] and len(log.read(after=1, until=3)) == 2


def test_a_long_log_is_read_in_parts_that_give_what_one_reading_gives(log, monkeypatch):
    assert list(log.each()) == []
    moment = iter(range(1, 100))
    monkeypatch.setattr(log, "clock", lambda: float(next(moment)))
    for batch in range(3):  # each at a later second
        log.append_many([Event(("asked", "turn")[number % 2], f"r{batch} {number}") for number in range(1_250)])
    sizes, read = [], log.read
    monkeypatch.setattr(log, "read", lambda *words, **more: sizes.append(len(read(*words, **more))) or read(*words, **more))
    assert list(log.each()) == read() and max(sizes) <= 1_000 and sum(sizes) == 3_750
    sizes.clear()
    late = list(log.each(("turn",), since=2.0))
    assert late == read(("turn",), since=2.0) and len(late) == 1_250 and len(sizes) == 3  # none of the numbers before


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


def test_predictions_of_a_person_and_the_feedback_on_them_are_forgotten(log):
    """FAULTS: asked events carried no person, so nobody could find them."""
    log.append(Event("asked", "r1", {"text": "a private wish"}, pseudonym("Ada")), Event("asked", "r2", {"text": "of Bob"}))
    log.append(Event("feedback", "r1", {"comment": "said by Ada"}), Event("feedback", "r2", {"comment": "said by Bob"}))
    log.append(Event("asked.more", "r3", {"text": "one of many"}, pseudonym("Ada")),
                   Event("feedback", "r3", {"comment": "x"}))
    assert [event.about for event in log.events_of("ada")] == ["r1", "r1", "r3", "r3"]
    assert log.forget("ada") == 4
    assert [(event.kind, event.about) for event in log.read()] == [("asked", "r2"), ("feedback", "r2"), ("forgotten", "")]


def test_what_an_agent_wrote_to_others_is_blanked_and_their_conversation_goes_on(log):
    said = [{"sender": "agent", "name": "Grace", "text": "my words"}, {"sender": "person", "text": "kept"},
            {"sender": "system", "text": "Grace had to leave. Another person will take over."}]
    log.append(Event("opened", "c1", {"messages": []}, pseudonym("Ada"), turn=0))
    body = {"agent": "Grace", "messages": said, "state": {"agent": "Grace"}}
    log.append(Event("agent", "c1", body, pseudonym("Ada"), turn=1))
    log.append(Event("handoff.initiate", "c1", {"attachments": [{"content": [{"from": "agent", "name": "grace ",
                                                                              "text": "my words"}]}]}, pseudonym("Ada")))
    log.append(Event("label", "e2", {"intent": "x"}, pseudonym("Grace")))
    assert log.forget("GRACE") == 3
    told = json.dumps([event.body for event in log.read()])
    assert "my words" not in told and "race" not in told and "kept" in told and told.count(ERASED) >= 6
    assert len(log.read(about="c1")) == 3


def test_a_text_is_forgotten_whoever_said_it(log):
    log.append(Event("opened", "c1", {"messages": []}, pseudonym("Ada"), turn=0))
    body = {"act": {"text": "the bad words"}, "messages": [{"sender": "person", "text": "the bad words"}]}
    log.append(Event("turn", "c1", body, pseudonym("Ada"), turn=1))
    log.append(Event("asked", "r1", {"text": "The bad words!"}), Event("asked", "r2", {"text": "good words"}))
    assert log.forget(is_theirs=lambda text: key(text) == "the bad words") == 2
    assert [event.body.get("text") for event in log.read(("asked",))] == [ERASED, "good words"]
    assert log.read(("turn",))[0].body["messages"][0]["text"] == ERASED


def bytes_of(folder) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(Path(folder).iterdir()))


def test_texts_leave_the_disk_also_while_others_have_the_log_open(tmp_path):
    """FAULTS: the write-ahead log kept texts while a reader was open, and nobody looked again.

    A reader between two transactions holds nothing back. While a transaction still reads the old state SQLite must keep it;
    then the log remembers, and the next look takes it from the disk.
    """
    log, other = EventLog(tmp_path / "events.db"), EventLog(tmp_path / "events.db")
    log.append(Event("opened", "c1", {"secret": "unheard-of words" * 900}, pseudonym("Ada"), turn=0))  # on pages of its own
    assert other.read() and log.forget("ada") == 1 and log.look_again()
    assert b"unheard-of" not in bytes_of(tmp_path)
    log.append(Event("opened", "c2", {"secret": "unheard-of words" * 900}, pseudonym("Ada"), turn=0))
    with closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchone()[0] == 2
        log.dialect = replace(log.dialect, is_gone=impatient)
        assert log.forget("ada") == 1 and not log.look_again() and b"unheard-of" in bytes_of(tmp_path)
        reader.execute("COMMIT")
        assert other.look_again() and b"unheard-of" not in bytes_of(tmp_path)
    assert all(event.body["gone"] for event in log.read(("forgotten",)))
    log.close()
    other.close()


def impatient(connection) -> bool:
    """As SQLite is asked by a program that does not wait for readers."""
    connection.execute("PRAGMA busy_timeout = 0")
    return is_emptied(connection)


def test_values_are_held_beside_the_log_until_they_are_needed_no_more(log):
    person = pseudonym("Ada")
    log.append(Event("turn", "c1", {"text": "[email]"}, person, turn=1), hold={"c1": {"email": "ada@example.org"}})
    assert log.held("c1") == {"email": "ada@example.org"} and log.held("c2") == {}
    log.append(Event("turn", "c1", turn=2), hold={"c1": {}, "p1": {"email": "ada@example.org"}})
    assert log.held("c1") == {} and log.held("p1")
    with pytest.raises(Taken):
        log.append(Event("turn", "c1", turn=2), hold={"p1": {}})
    assert log.held("p1")
    log.drop_held(log.clock() - 60)
    assert log.held("p1")
    log.drop_held(log.clock() + 60)
    assert log.held("p1") == {} and "example.org" not in json.dumps([event.body for event in log.read()])


@pytest.mark.skipif(os.name != "posix", reason="rights of files are those of POSIX")
def test_the_log_is_for_its_owner_alone(tmp_path):
    """FAULTS: events.db was 0644. A log of before loses the rights of others, a stricter umask stays."""
    place = tmp_path / "events" / "events.db"
    log = EventLog(place)
    log.append(Event("turn", "c1", {"text": "private"}))
    assert {path.name: path.stat().st_mode & 0o777 for path in place.parent.iterdir()} == dict.fromkeys(
        ("events.db", "events.db-wal", "events.db-shm"), 0o600)
    assert place.parent.stat().st_mode & 0o777 == 0o700
    log.close()
    place.chmod(0o664)
    place.parent.chmod(0o750)
    EventLog(place).close()
    assert place.stat().st_mode & 0o777 == 0o600 and place.parent.stat().st_mode & 0o777 == 0o750


def test_a_password_stands_in_no_message():
    """Neither as it is in the address, nor as the driver says it."""
    for address in ("oracle://u:sec/ret@nohost.invalid/db", "postgresql://u:sec%zzret@127.0.0.1:1/db",
                    "postgresql://u:sec%2Fret@127.0.0.1:1/db?sslmode=disable"):
        with pytest.raises(LogError) as refused:
            EventLog(address)
        assert "sec" not in str(refused.value) and "u:***@" in str(refused.value)


def test_a_log_that_somebody_else_is_making_is_waited_for_a_while_only(tmp_path):
    other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        set_pragma(sqlite3.connect(tmp_path / "events.db", timeout=0), "journal_mode = WAL", seconds=0.2)


def test_a_place_that_cannot_be_is_an_error_of_the_log(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LogError, match="cannot be opened"):
        EventLog(tmp_path / "file" / "events.db")


def test_a_locked_log_is_waited_for_and_then_an_error(tmp_path):
    log = EventLog(tmp_path / "events.db")
    log.append(Event("asked", "r1"))
    other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with log.connections.one() as connection:
        connection.execute("PRAGMA busy_timeout = 50")
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
    with pytest.raises(LogError, match="names no file"):
        EventLog("sqlite://")


BEFORE = {"sqlite": """CREATE TABLE events (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, at FLOAT NOT NULL, kind VARCHAR(40) NOT NULL,
    about VARCHAR(80) NOT NULL, turn INTEGER, person VARCHAR(16) NOT NULL, once VARCHAR(200), body TEXT NOT NULL,
    UNIQUE (about, turn), UNIQUE (once))""",
          "postgres": """CREATE TABLE events (
    number BIGSERIAL NOT NULL, at FLOAT NOT NULL, kind VARCHAR(40) NOT NULL, about VARCHAR(80) NOT NULL, turn INTEGER,
    person VARCHAR(16) NOT NULL, once VARCHAR(200), body TEXT NOT NULL, PRIMARY KEY (number), UNIQUE (about, turn),
    UNIQUE (once))"""}
OLD_ROW = ("INSERT INTO events (at, kind, about, turn, person, once, body) VALUES "
           "(5.5, 'turn', 'c1', 1, 'ada', 'run:p1', '{\"text\": \"\u00fc\"}')")


@pytest.mark.parametrize("kind", BEFORE)
def test_a_log_of_the_version_before_goes_on(kind, tmp_path, request):
    """What SQLAlchemy had made and filled is read, counted on, and its rules still hold, under the address of then, too."""
    indexes = [f"CREATE INDEX ix_events_{name} ON events ({name})" for name in ("kind", "person", "at")]
    lines = [BEFORE[kind], *indexes, OLD_ROW]
    if kind == "sqlite":
        place = tmp_path / "events.db"
        with closing(sqlite3.connect(place)) as old:
            old.execute("PRAGMA journal_mode = WAL")
            for line in lines:
                old.execute(line)
            old.commit()
    else:
        address = request.getfixturevalue("postgres")
        place = address.replace("postgresql:", "postgresql+psycopg:")
        with psycopg.connect(address, autocommit=True) as old:
            for line in ["DROP TABLE IF EXISTS events", *lines]:
                old.execute(line)
    log = EventLog(place)
    first, = log.read()
    assert first == Event("turn", "c1", {"text": "ü"}, "ada", 1, "run:p1", 1, 5.5)
    assert log.append(Event("turn", "c1", turn=2))[0].number == 2
    for taken in (Event("turn", "c1", turn=1), Event("other", "c9", once="run:p1")):
        with pytest.raises(Taken):
            log.append(taken)
    log.close()


@pytest.mark.parametrize("kind", BEFORE)
def test_servers_that_start_at_once_make_one_table_and_none_fails(kind, tmp_path, request):
    """Eight of them open a log that is not there yet, at the same moment, five times."""
    for number in range(5):
        place = tmp_path / f"{number}.db" if kind == "sqlite" else request.getfixturevalue("postgres")
        if kind == "postgres":
            with psycopg.connect(place, autocommit=True) as other:
                other.execute("DROP TABLE IF EXISTS events")
        together = threading.Barrier(8)

        def begin(server, place=place, together=together):
            together.wait()
            log = EventLog(place)
            log.append(Event("turn", "c1", turn=server))
            return log
        with ThreadPoolExecutor(8) as threads:
            logs = list(threads.map(begin, range(8)))
        assert sorted(event.turn for event in logs[0].read()) == list(range(8))
        for log in logs:
            log.close()


def test_a_database_that_was_away_is_found_again(postgres):
    """A connection that the database has ended is replaced by a new one, and the next writer notices nothing."""
    log = EventLog(postgres)
    for _ in range(3):
        with log.connections.one() as connection:
            number = connection.info.backend_pid
        with psycopg.connect(postgres, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (number,))
            while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (number,)).fetchone():
                time.sleep(0.01)
        about = secrets.token_hex(8)
        log.append(Event("asked", about))
        assert [event.kind for event in log.read(about=about)] == ["asked"]
    log.close()


def test_a_connection_that_breaks_while_writing_is_an_error_and_writes_nothing(postgres):
    """The database ends a connection in the middle of a transaction: a LogError, no half of the events, and life goes on."""
    log, about = EventLog(postgres), secrets.token_hex(8)
    with pytest.raises(LogError, match="out of reach"), log.writing() as connection:
        connection.execute("INSERT INTO events (at, kind, about, person, body) VALUES (1, 'asked', %s, '', '{}')", (about,))
        with psycopg.connect(postgres, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        connection.execute("SELECT pg_sleep(5)")
    assert log.read(about=about) == []
    log.append(Event("asked", about))
    assert len(log.read(about=about)) == 1
    log.close()


def test_writers_of_many_threads_share_few_connections_and_lose_nothing(log):
    """Twenty threads write and read at once; no more connections are open than allowed, and each turn is there once."""
    def write(thread: int) -> None:
        for turn in range(10):
            log.append(Event("turn", f"c{thread}", turn=turn))
            assert len(log.read(about=f"c{thread}")) == turn + 1
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(write, range(20)))
    events = log.read(("turn",))
    assert len({(event.about, event.turn) for event in events}) == len(events) == 200
    assert [event.number for event in events] == sorted(event.number for event in events)
    assert len(log.connections.kept) <= MOST_KEPT


def test_a_writer_who_is_killed_leaves_nothing_half_and_blocks_nobody(tmp_path):
    """A process dies inside its transaction: what it had begun is gone, and the next one writes at once."""
    place = tmp_path / "events.db"
    code = ("import os, sys; from mlbot.bot.events import Event, EventLog, row_of, inserting; log = EventLog(sys.argv[1])\n"
            "with log.writing() as connection:\n"
            "    connection.execute(inserting(1, log.dialect), row_of(Event('half'), 1.0)); os.kill(os.getpid(), 9)")
    assert subprocess.run([sys.executable, "-c", code, place]).returncode == -9
    log, began = EventLog(place), time.monotonic()
    log.append(Event("whole"))
    assert [event.kind for event in log.read()] == ["whole"] and time.monotonic() - began < 4
    log.close()


def test_without_the_driver_of_postgresql_the_error_says_what_to_install(monkeypatch):
    """Six lines at most, the command to copy, and no password in them."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError) as problem:
        EventLog("postgresql://ann:topsecret@db/mlbot")
    told = str(problem.value)
    assert install_command("postgres") in told and "topsecret" not in told and len(told.splitlines()) <= 6


def test_a_log_on_a_file_loads_no_driver_of_another_database(tmp_path):
    """Who keeps the log in a file pays neither for psycopg nor for SQLAlchemy."""
    code = ("import sys; from mlbot.bot.events import EventLog; EventLog(sys.argv[1]); "
            "print(sorted({'psycopg', 'sqlalchemy'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "events.db"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
