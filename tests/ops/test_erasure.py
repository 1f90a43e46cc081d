"""Forgotten means forgotten: a person who came in by every door is in no byte of the project when she is erased."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import shutil
import sqlite3
import subprocess
import tarfile
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from mlbot.bot import conversation as _bot
from mlbot.bot.conversation import HELD
from mlbot.bot.events import Event, EventLog
from mlbot.bot.frames import Act
from mlbot.bot.identity import Identity
from mlbot.data.carried import push_ledger, shared_ledger
from mlbot.data.ledger import digests_of, ledger_file, write_digests
from mlbot.data.table import sample_file
from mlbot.errors import InputError
from mlbot.ops.bundle import bundle_models, pack
from mlbot.ops.erasure import (
    PLACES,
    ErasureRequest,
    Job,
    Search,
    erase_everywhere,
    in_files,
    in_models,
    look_again,
    read_proofs,
    search_for,
    texts_in,
    words_in,
)
from mlbot.serve.service import Ask, BotService, prediction_for
from mlbot.settings import load_settings
from mlbot.storage import open_objects
from mlbot.text.clean import clean, pseudonym

NAME = "Ursula Brumbelquist"
WORDS = ("zylophant", "qwortle", "brumbelquist", "fnordling", "ursula", "glimmerwax", "E-90817", "ursula.b@example.org")
URSULA, GRACE = Identity(NAME, "sales", "berlin"), Identity("Grace", agent=True)
SETTINGS = """
[gates]
people = 50
[data]
source = store
person = person
suspects = 0
few_rows = 0
[places]
carried = carried
[tracking]
mlflow = sqlite:///mlflow.db
[bot]
processes = processes.toml
[model]
folds = 2
[targets]
accuracy.floor = 0.1
intents.floor = 0
slices.floor = 0
champion.margin = 0.5
"""
PROCESSES = """
[card_order]
title = "Company card"
slots = ["mail", "number"]
confirm = true
[card_order.slot.mail]
kind = "email"
[card_order.slot.number]
kind = "pattern"
pattern = "E-[0-9]{5}"
wanted = "a number such as E-12345"
"""


def everything(root: Path):
    """Each file of a project, and each file in its archives, as bytes."""
    for path in sorted(root.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            yield str(path), data
            if data[:2] == b"\x1f\x8b":
                yield f"{path} unpacked", gzip.decompress(data)
            if data[:4] == b"PK\3\4":
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    yield from ((f"{path} {name}", archive.read(name)) for name in archive.namelist())
            if data[:4] == b"PAR1":
                yield f"{path} decoded", "\n".join(texts_in(data, "x.parquet")).encode()


def places_of(root: Path, words=WORDS) -> list[str]:
    """Where any of the words stands, in any case, in UTF-8 or UTF-16; her pseudonym, too."""
    asked = [word.lower() for word in (*words, pseudonym(NAME))]
    found = []
    for name, data in everything(root):
        low = data.lower()
        found += [f"{name}: {word}" for word in asked if word.encode() in low or word.encode("utf-16-le") in low]
    return found


@pytest.fixture
def store(project, write_settings):
    """A project with a store of its own, and no results of others."""
    (project / "settings.ini").write_text(SETTINGS)
    (project / "processes.toml").write_text(PROCESSES)
    return project


def add_rows(project, mlbot, name, rows, person):
    with open(project / name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text", "intent", "role", "location", "person"], *([*row, person] for row in rows)])
    done = mlbot("data", "add", name)
    assert done.returncode == 0, done.stderr


def speak(project) -> BotService:
    """A chat with slots, a hand-over, predictions, feedback and labels; the service that has the log open."""
    backend = BotService(load_settings(project))
    backend.live.follow()
    talk = backend.bot.start(URSULA, NAME)
    for at, act in enumerate((Act("please qwortle my card, I am brumbelquist"), Act(person=True))):
        backend.bot.act(talk.id, URSULA, act, str(at))
    _bot.take(backend.bot, talk.id, GRACE)
    _bot.reply(backend.bot, talk.id, GRACE, "dear Ursula, the qwortle is a glimmerwax")
    second = backend.bot.start(URSULA)
    found = backend.bot.read(second.id, URSULA)
    state = _bot.replace(found.state, pending=_bot_pending())
    backend.bot.written(found, [Event("turn", second.id, {"messages": [], "state": state.as_dict()}, found.person, turn=1)])
    for at, text in enumerate(("ursula.b@example.org", "E-90817")):
        backend.bot.act(second.id, URSULA, Act(text), str(at))
    assert backend.bot.log.held(second.id) and HELD in json.dumps([event.body for event in backend.log.read()])
    asked = prediction_for(backend, Ask("where is the fnordling form", {"role": "sales"}, person=NAME))
    prediction_for(backend, Ask("where is the usual form"))
    backend.recorder.flush()
    backend.log.append(Event("feedback", asked.request_id, {"useful": False, "comment": "no fnordling at all"}))
    for event in backend.log.read(("turn", "asked")):
        if event.body.get("intent"):
            backend.log.append(Event("label", f"e{event.number}", {"intent": "card_order"}, pseudonym("Grace")))
    return backend


def _bot_pending():
    from mlbot.bot.frames import Pending
    return Pending("slot", "card_order", ("mail",))


def leave_copies(project) -> None:
    """What crashes, colleagues and earlier versions leave behind."""
    models = project / "models"
    champion = (models / "champion").read_text().strip()
    shutil.copytree(models / champion, models / f".damaged-{champion}-1")
    (project / ".week.csv.ab12cd34").write_text("text\nthe zylophant is ill\n")
    (project / ".ipynb_checkpoints").mkdir()
    (project / ".ipynb_checkpoints" / "x.ipynb").write_text('{"cells": [{"outputs": [{"text": "a\\nzylophant"}]}]}')
    part = next((project / "data").glob("*.parquet"))
    shutil.copy(part, part.with_name("part-00000-lost-race.snappy.parquet"))  # of a writer that another was faster than
    cell = {"cell_type": "code", "source": "x", "metadata": {}, "id": "abcd1234", "execution_count": 1,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "the zylophant"}]}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (project / "nbs" / "look.ipynb").write_text(json.dumps(notebook))
    report = next((project / "mlartifacts").rglob("report.html"))
    report.write_text(report.read_text() + "<td>the zylophant ate my badge number 0</td>")  # as changes are shown
    folder = project / "out" / f"mlbot-bundle-{champion}"
    bundle_models(models, folder / "models")
    for name in ("install.sh", "bundle.json"):
        (folder / name).write_text("{}")
    pack(folder, folder.with_name(f"{folder.name}.tar.gz"))


def test_a_person_who_came_in_by_every_door_is_in_no_byte_of_the_project(store, mlbot):
    """FAULTS, personal data: rows, old files, the write-ahead log, golden answers, runs, reports, vocabularies, labels."""
    rows = [[row[name] for name in ("text", "intent", "role", "location")]
            for row in csv.DictReader(open(sample_file(), newline="", encoding="utf-8"))]
    add_rows(store, mlbot, "others.csv", rows, "Bo")
    intent = rows[0][1]
    hers = [f"the zylophant {word} my badge number {at}" for at, word in enumerate("ate lost hid broke took bent".split())]
    add_rows(store, mlbot, "week.csv", [[text, intent, "sales", "berlin"] for text in hers], NAME)
    (store / "fix.csv").write_text(f"text,intent,new\n{hers[0]},{intent},{rows[-1][1]}\n")
    assert mlbot("data", "relabel", "fix.csv", "--why", "it was wrong").returncode == 0
    assert mlbot("run").returncode == 0 and mlbot("track").returncode == 0
    backend = speak(store)
    assert mlbot("label", "--to", "labels.csv").returncode == 0 and mlbot("label", "--to", "labels.jsonl").returncode == 0
    done = mlbot("data", "feedback", "labels.csv", "--context", "role", "location", "--author", "author")
    assert done.returncode == 0, done.stderr
    leave_copies(store)
    told = {name for name in ("data", "events", "runs", "models", "carried", "out", "mlartifacts", "labels.csv", "week.csv")
            if any(f"{store / name}" in place for place in places_of(store))}
    assert told == {"data", "events", "runs", "models", "carried", "out", "mlartifacts", "labels.csv", "week.csv"}
    with closing(sqlite3.connect(store / "events" / "events.db")) as reader:  # and the service has it open as well
        reader.execute("SELECT count(*) FROM events").fetchone()
        first = mlbot("data", "erase", "--person", NAME.upper(), "--why", "request 7")
        assert first.returncode == 1 and "the champion" in first.stdout, first.stdout + first.stderr
        assert not [place for place in places_of(store) if "/events/" in place or "/data/" in place or "/runs/" in place]
        again = mlbot("run")
        assert again.returncode == 0, again.stdout + again.stderr
        last = mlbot("data", "erase", "--again", "--files")
        assert last.returncode == 0, last.stdout
        assert places_of(store) == []
    assert mlbot("data", "erase", "--check").returncode == 0
    assert backend.log.read(("asked",))[0].body["text"] == "where is the usual form"  # of somebody else, and still there
    backend.log.close()
    proof, = read_proofs(load_settings(store))
    assert not proof["open"] and [place["place"] for place in proof["looks"][0]["places"]] == [place.name for place in PLACES]
    with open(store / "week.csv", "a") as file:
        file.write(f"{hers[1]},{intent},sales,berlin,x\n")
    check = mlbot("data", "erase", "--check")
    assert check.returncode == 1 and "week.csv holds something" in check.stdout


TEXT = "where did the wobbling zylophant go"


def quick(root: Path, *rows, log=False):
    """A project with a store of a few rows (text, person), as many of others, and the champion `000000000001`."""
    from mlbot.data.store import append, batch_rows
    from mlbot.data.table import Columns, read_utterances
    (root / "settings.ini").write_text("[data]\nsource = store\nperson = person\n[places]\ncarried = carried\n")
    others = [(f"a usual card of kind {at}", "Bo") for at in range(3)]
    with open(root / "in.csv", "w", newline="", encoding="utf-8") as file:
        named = ((text, "card", person) for text, person in [*rows, *others])
        csv.writer(file).writerows([["text", "intent", "person"], *named])
    settings = load_settings(root)
    found = read_utterances(root / "in.csv", Columns(person="person"), settings.data)
    append(batch_rows(found), settings.places.data, {"source": "in.csv"})
    (root / "in.csv").unlink()
    return settings


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


WAYS = {"plain.txt": TEXT.encode(), "upper.log": TEXT.upper().encode(), "utf16.csv": f"text\n{TEXT}\n".encode("utf-16"),
        "bom.csv": f"text\n{TEXT}\n".encode("utf-8-sig"), "letters.json": b'{"t": "a \\u007aylophant"}',
        "lines.ipynb": json.dumps({"text": "end\nzylophant\there"}).encode(),
        "page.html": b"<td>&#122;ylophant&nbsp;here</td>",
        "packed.json.gz": gzip.compress(TEXT.encode()), "cut.txt": b"the wobbling zylo... and zylophant",
        "name.safetensors": (22).to_bytes(8, "little") + b'{"zylophant":{"x":"y"}}',
        "printed.ipynb": json.dumps({"text": json.dumps({"t": "end\nzylophant\there"})}).encode(),
        "in_json_in_json.json": json.dumps(json.dumps(json.dumps("a\nzylophant"))).encode(),
        "access.log": b"GET /search?text=my%20zylophant%20b HTTP/1.1", "packed.csv.bz2": bz2.compress(TEXT.encode()),
        "packed.csv.xz": lzma.compress(TEXT.encode() * 9)}


def table_files() -> dict[str, bytes]:
    """Tables whose texts lie in lists, in records, as bytes, or side by side without a space."""
    import numpy as np
    from arro3.core import Array, DataType, Field, Table, list_array, struct_array
    from arro3.io import write_ipc, write_ipc_stream, write_parquet
    texts, ends = Array(["my zylophant", "hello"], DataType.string()), Array(np.array([0, 1, 2], np.int32))
    record = struct_array([texts], fields=[Field("content", DataType.string())])
    columns = {"list": list_array(ends, texts), "record": record, "messages": list_array(ends, record),
               "bytes": Array([b"my zylophant", b"hello"], DataType.binary())}
    found = {}
    for name, column in columns.items():
        with io.BytesIO() as file:
            write_parquet(Table.from_pydict({"x": column}), file)
            found[f"{name}.parquet"] = file.getvalue()
    for name, write, packed in (("plain.arrow", write_ipc_stream, None), ("lz4.feather", write_ipc, "lz4"),
                                ("zstd.arrow", write_ipc, "zstd")):
        with io.BytesIO() as file:
            write(Table.from_pydict({"text": texts}), file, compression=packed)
            found[name] = file.getvalue()
    with io.BytesIO() as file, io.BytesIO() as both:
        np.save(file, np.array(["my zylophant", "x"]))
        np.savez_compressed(both, text=np.array(["my zylophant"], object), n=np.arange(9.0))
        found |= {"texts.npy": file.getvalue(), "texts.npz": both.getvalue()}
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w:xz") as archive:
            entry = tarfile.TarInfo("a.txt")
            entry.size = len(TEXT)
            archive.addfile(entry, io.BytesIO(TEXT.encode()))
        found["all.tar.xz"] = file.getvalue()
    return found


def test_a_text_is_found_in_lists_records_arrays_and_columns_without_a_space():
    """FAULTS, personal data: each format in which a command, or a colleague, writes rows."""
    search = search_for([TEXT], ["a usual card"], b"k" * 16)
    hidden = [name for name, data in table_files().items() if not any(search.hits(text) for text in texts_in(data, name))]
    assert hidden == []


@pytest.mark.parametrize("kind, start", [("zstd", b"(\xb5/\xfd"), ("7z", b"7z\xbc\xaf'\x1c"), ("lz4", b'\x04"M\x18'),
                                         ("rar", b"Rar!\x1a")])
def test_an_archive_that_cannot_be_opened_is_named(tmp_path, kind, start):
    settings = quick(tmp_path, (TEXT, "Ann"))
    (tmp_path / "old.bin").write_bytes(start + b"something packed")
    assert f"old.bin cannot be searched (it is packed with {kind})" in in_files(Job(settings, Search(b"k" * 16))).left[0]


def test_a_file_of_training_data_in_yaml_makes_no_word_anybodys(tmp_path):
    """Rasa's nlu.yml and Markdown lie beside the documents of the project, whose words are nobody's."""
    settings = quick(tmp_path, (TEXT, "Ann"), ("zylophant", "Ann"))
    (tmp_path / "nlu.yml").write_text(f"nlu:\n- intent: card\n  examples: |\n    - {TEXT}\n    - zylophant\n")
    (tmp_path / "nlu.md").write_text(f"## intent:card\n- {TEXT}\n- a usual card\n")
    model = settings.places.models / "000000000002"
    model.mkdir(parents=True)
    (model / "vocabulary.json").write_text('{"words": ["zylophant"], "char_ngrams": []}')
    done = erase_everywhere(settings, ErasureRequest("ann", who="Eve", why="request 7"))
    assert not model.exists() and [line.partition(" ")[0] for line in done.left] == ["nlu.md", "nlu.yml"]


def test_a_name_and_a_short_text_are_found_as_a_field_of_any_table(tmp_path):
    """A row whose text others have sent as well has nothing of hers but the name beside it."""
    from arro3.core import Array, DataType, Table
    from arro3.io import write_parquet
    settings = quick(tmp_path, ("a usual card of kind 1", "Ann Zylander"), ("a card", "Ann Zylander"))
    rows = [{"text": "a usual card of kind 1", "who": "Ann Zylander"}, {"text": "a usual card of kind 2", "who": "Bo"}]
    (tmp_path / "week.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "week.txt").write_text("A card!\nI need a card\n")
    columns = {name: Array([row[name] for row in rows], DataType.string()) for name in rows[0]}
    write_parquet(Table.from_pydict(columns), str(tmp_path / "week.parquet"))
    with zipfile.ZipFile(tmp_path / "week.xlsx", "w") as book:
        book.writestr("xl/sharedStrings.xml", "<sst><si><t>a usual card</t></si><si><t>ann zylander</t></si></sst>")
    (settings.places.runs / "r").mkdir(parents=True)
    (settings.places.runs / "r" / "run.json").write_text('{"who": "Ann Zylander", "text": "a card"}')
    done = erase_everywhere(settings, ErasureRequest("ann zylander", who="Eve", why="request 7"))
    assert [line.partition(" ")[0] for line in done.left] == ["week.jsonl", "week.parquet", "week.txt", "week.xlsx"]
    again, = look_again(settings, files=True)
    assert [line.partition(" ")[0] for line in again.left] == ["week.parquet", "week.xlsx"]
    assert (tmp_path / "week.jsonl").read_text() == json.dumps(rows[1]) + "\n"
    assert (tmp_path / "week.txt").read_text() == "I need a card\n"
    assert (settings.places.runs / "r" / "run.json").exists()  # who released what is kept


def test_names_of_files_and_links_out_of_the_project_are_looked_at(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "old.csv").write_text(f"text\n{TEXT}\n")
    (tmp_path / "project").mkdir()
    settings = quick(tmp_path / "project", (TEXT, "Ann"))
    (tmp_path / "project" / "zylophant.png").write_bytes(b"a picture")
    for name, to in (("disk", "shared"), ("one.csv", "shared/old.csv"), ("inside", "project/data"), ("gone", "nowhere")):
        (tmp_path / "project" / name).symlink_to(tmp_path / to)
    done = erase_everywhere(settings, ErasureRequest("ann", who="Eve", why="request 7"), files=True)
    assert done.left == ["a file in project that is named after it: give it another name",
                         "disk is a link out of the project, and holds something there: take it out there",
                         "one.csv is a link out of the project, and holds something there: take it out there"]
    assert TEXT in (tmp_path / "shared" / "old.csv").read_text()


@pytest.mark.parametrize("name", WAYS)
def test_a_text_is_found_however_a_file_writes_it(name):
    search = search_for([TEXT], ["a usual card"], b"k" * 16)
    assert any(search.hits(text) for text in texts_in(WAYS[name], name))
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"deep/{name}", WAYS[name])
        assert any(search.hits(text) for text in texts_in(gzip.compress(buffer.getvalue()), "x.gz"))


@pytest.mark.parametrize("hers, others, found", [
    ("reset my old badge", "please reset my old badge now", False),   # others say the same words in the same order
    ("reset my old badge", "my old badge, reset", True),
    ("a new card", "I want a new card", False),
    ("my zylophant", "my card", True),                                # a word of her own
    ("\u0926\u093f\u0928 \u0915\u0940 \u0930\u0938\u0940\u0926", "\u0926\u093e\u0928 \u0915\u0940 \u0930\u0938\u0940\u0926",
     True)])
def test_what_others_say_too_is_not_hers(hers, others, found):
    search = search_for([hers], [others], b"k" * 16)
    assert bool(search.hits(f"so: {hers}!")) == found and not search.hits(others)
    assert search.is_hers(hers.upper())  # as the whole field of a table it is hers in any case


def test_a_search_holds_no_word_and_differs_from_project_to_project():
    one, other = (search_for([TEXT], [], key * 16, pseudonym(NAME)) for key in (b"a", b"b"))
    told = repr(one)
    assert not any(word in told for word in (*TEXT.split(), pseudonym(NAME)) if len(word) > 3)
    assert one.subject != other.subject
    assert one.words and not one.words & other.words and words_in("a_B-c") == ["a", "b", "c"]


def test_models_that_know_her_words_go_and_the_champion_stays_until_the_next(tmp_path):
    """FAULTS: vocabularies and golden answers kept texts, and no command cleared them."""
    settings = quick(tmp_path, (TEXT, "Ann"))
    models = settings.places.models
    for at, words in enumerate((["zylophant", "card"], ["zylophant"], ["card"]), 1):
        folder = models / f"00000000000{at}"
        folder.mkdir(parents=True)
        terms = {"words": words, "char_ngrams": ["zylo"], "interactions": ["role=x\tcard"]}
        (folder / "vocabulary.json").write_text(json.dumps(terms))
        (folder / "manifest.json").write_text("{}")
    (models / "golden").mkdir()
    golden = [{"text": TEXT, "intent": "card", "context": {}, "confidence": 1}, {"text": "a usual card of kind 1"}]
    (models / "golden" / "000000000001.json").write_text(json.dumps(golden))
    (models / ".damaged-000000000002-5").mkdir()
    (models / ".damaged-000000000002-5" / "vocabulary.json").write_text('{"words": ["zylophant"]')
    (models / "champion").write_text("000000000001\n")
    done = erase_everywhere(settings, ErasureRequest("ann", who="Eve", why="request 7"))
    assert {path.name for path in models.glob("[.0]*")} == {"000000000001", "000000000003"}
    assert [told["text"] for told in json.loads((models / "golden" / "000000000001.json").read_text())] == [golden[1]["text"]]
    assert done.left == ["the champion 000000000001 knows words that only this person used: release one that does not "
                         "(mlbot run), then: mlbot data erase --again"] and done.proof["open"]
    (models / "champion").write_text("000000000003\n")
    again, = look_again(settings)
    assert not again.left and {path.name for path in models.glob("[.0]*")} == {"000000000003"}
    assert look_again(settings) == []  # no request is open


def test_runs_lose_what_holds_something_and_keep_their_numbers(tmp_path):
    settings = quick(tmp_path, (TEXT, "Ann"), ("a card", "Ann"))
    run = settings.places.runs / "2026-01-05_120000"
    (run / "model").mkdir(parents=True)
    (run / "train.csv").write_text(f"text,intent\n{TEXT},card\n")
    (run / "test.csv").write_text("text,intent\na card,card\n")              # a text of common words, as a field of its own
    (run / "validation.csv").write_text("text,intent\nI need a card,card\n")
    (run / "report.html").write_text(f"<td>{TEXT}</td>")
    (run / "2_train.ipynb").write_text(json.dumps({"cells": [{"outputs": [{"text": f"x\n{TEXT[:36]}..."}]}]}))
    (run / "model" / "vocabulary.json").write_text('{"words": ["zylophant"], "char_ngrams": []}')
    for name in ("run.json", "verdicts.json"):
        (run / name).write_text('{"accuracy": 0.9}')
    done = erase_everywhere(settings, ErasureRequest("ann", who="Eve", why="request 7"))
    assert names(run) == {"run.json", "verdicts.json", "validation.csv", "forgotten.json"} and not done.left
    assert json.loads((run / "forgotten.json").read_text())["files"] == [
        "2_train.ipynb", "model/vocabulary.json", "report.html", "test.csv", "train.csv"]


def test_files_of_people_are_named_and_lose_rows_only_when_asked(tmp_path):
    settings = quick(tmp_path, (TEXT, "Ann"))
    rows = f'text;who\r\n"{TEXT}\r\non two lines";x\r\nkept;Bo\r\nanother;ANN\r\n'
    (tmp_path / "mine.csv").write_bytes(rows.encode("utf-16"))
    (tmp_path / "labels.jsonl").write_text(json.dumps({"text": TEXT}) + "\n" + '{"text": "kept\u2028here"}\n')
    (tmp_path / "picture.html").write_text(f"<p>{TEXT}")
    (tmp_path / ".mine.csv.abcd1234").write_text(TEXT)
    (tmp_path / "notes.md").write_text("nothing of it")
    done = erase_everywhere(settings, ErasureRequest("ann", who="Eve", why="request 7"))
    assert len(done.left) == 3 and "mine.csv holds something: mlbot data erase --again --files takes it out" in done.left[1]
    assert not (tmp_path / ".mine.csv.abcd1234").exists()  # an unfinished copy is nobody's
    again, = look_again(settings, files=True)
    assert again.left == ["picture.html holds something: take it out, or delete it"]
    assert (tmp_path / "mine.csv").read_bytes().decode("utf-16") == "text;who\r\nkept;Bo\r\n"
    assert (tmp_path / "labels.jsonl").read_text() == '{"text": "kept\u2028here"}\n'


def test_carried_models_golden_answers_and_bundles_go_too(tmp_path):
    settings = quick(tmp_path, (TEXT, "Ann"))
    carried = tmp_path / "carried"
    for at, words in ((1, "zylophant"), (2, "card")):
        folder = carried / "models" / f"00000000000{at}"
        folder.mkdir(parents=True)
        (folder / "vocabulary.json").write_text(json.dumps({"words": [words]}))
        (carried / "releases").mkdir(exist_ok=True)
        (carried / "releases" / f"0000000{at}.json").write_text(json.dumps({"when": "x", "model": f"00000000000{at}"}))
    (carried / "golden").mkdir()
    (carried / "golden" / "000000000002.json").write_text(json.dumps([{"text": TEXT}, {"text": "a card"}]))
    bundle = tmp_path / "out" / "mlbot-bundle-000000000001"
    shutil.copytree(carried / "models", bundle / "models")
    for name in ("bundle.json", "install.sh"):
        (bundle / name).write_text("{}")
    pack(bundle, bundle.with_name(f"{bundle.name}.tar.gz"))
    done = erase_everywhere(settings, ErasureRequest("ann", who="Eve", why="request 7"))
    assert not done.left and not list((tmp_path / "out").iterdir())
    assert names(carried) == {"models/000000000002/vocabulary.json", "golden/000000000002.json", "releases/00000001.json",
                              "releases/00000002.json"}
    assert json.loads((carried / "golden" / "000000000002.json").read_text()) == [{"text": "a card"}]


def test_a_text_is_forgotten_in_store_log_and_files_whoever_said_it(tmp_path):
    settings = quick(tmp_path, (TEXT, "Ann"))
    log = EventLog(tmp_path / "events" / "events.db")
    log.append(Event("asked", "r1", {"text": f"{TEXT}?"}), Event("asked", "r2", {"text": "a card"}))
    done = erase_everywhere(settings, ErasureRequest(utterance=TEXT, who="Eve", why="request 8"))
    assert done.rows == 1 and done.events == 1 and not done.left
    assert [event.body["text"] for event in log.read(("asked",))] == ["[erased]", "a card"]
    log.close()


def test_what_git_keeps_is_named(tmp_path):
    settings = quick(tmp_path, (TEXT, "Ann"))
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(tmp_path)]
    (tmp_path / "mine.csv").write_text(f"text\n{TEXT}\n")
    for words in (["init", "-q"], ["add", "mine.csv"], ["commit", "-qm", "data"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    (tmp_path / "mine.csv").unlink()
    done = erase_everywhere(settings, ErasureRequest("ann", who="Eve", why="request 7"))
    assert done.left == ["1 objects of the git repository: git filter-repo, then push with force; clones keep theirs"]


def test_a_request_that_dies_midway_is_taken_up_again(tmp_path, monkeypatch):
    """The store has lost her rows by then, and still the files of runs are found."""
    from mlbot.ops import erasure
    settings = quick(tmp_path, (TEXT, "Ann"))
    settings.places.runs.mkdir()
    (settings.places.runs / "report.html").write_text(TEXT)

    def dies(job):
        raise KeyboardInterrupt
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(erasure, "search_places", dies)
        erase_everywhere(settings, ErasureRequest("ann", who="Eve", why="request 7"))
    assert (settings.places.runs / "report.html").exists() and read_proofs(settings)[0]["open"]
    done = erase_everywhere(settings, ErasureRequest("Ann", who="Eve", why="request 7, again"))
    assert not done.left and not (settings.places.runs / "report.html").exists()
    assert [proof["open"] for proof in read_proofs(settings)] == [False, False]
    with pytest.raises(InputError, match="no version has a row of that person"):
        erase_everywhere(settings, ErasureRequest("Ann", who="Eve", why="request 8"))


def test_a_proof_says_no_word_is_private_and_shows_a_change(tmp_path):
    settings = quick(tmp_path, (TEXT, "Ann Zylander"))
    with pytest.raises(InputError, match="the reason says what is to be forgotten"):
        erase_everywhere(settings, ErasureRequest("Ann Zylander", why="Mrs. ZYLANDER asked"))
    done = erase_everywhere(settings, ErasureRequest("Ann Zylander", who="Eve", why="request 7"))
    folder = tmp_path / "erased"
    for path in folder.iterdir():
        words = ("wobbling", "zylophant", "zylander", pseudonym("Ann Zylander"))
        assert not [word for word in words if word in path.read_text().lower()], path
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert folder.stat().st_mode & 0o777 == 0o700
    assert all(place.name in done.file.with_suffix(".md").read_text() for place in PLACES)
    done.file.write_text(done.file.read_text().replace('"open": false', '"open": true'))
    with pytest.raises(InputError, match="was changed"):
        read_proofs(settings)


def test_files_of_writers_that_lost_a_race_go_at_once_and_those_of_others_stay(tmp_path, monkeypatch):
    """FAULTS: parquet files of lost races younger than an hour stayed for ever."""
    from mlbot.data import store
    from mlbot.data.store import open_table
    settings = quick(tmp_path, (TEXT, "Ann"))
    part = next((tmp_path / "data").glob("*.parquet"))
    lost, later = (part.with_name(f"part-0000{at}-aaaa-c000.snappy.parquet") for at in (7, 8))
    shutil.copy(part, lost)
    inner = store.destroy_old_files

    def slowly(url, gone):
        shutil.copy(lost, later)  # another writer begins after the erasure was decided
        inner(url, gone)
    monkeypatch.setattr(store, "destroy_old_files", slowly)
    store.erase_utterances(settings.places.data, {"why": "request"}, "Ann")
    assert not lost.exists() and later.exists() and open_table(settings.places.data).version() > 1


def test_a_writer_that_had_begun_before_an_erasure_begins_again(tmp_path):
    """So that its file, which the erasure destroys, is never part of a version."""
    from mlbot.data.store import append, erase_utterances, rows_at
    settings = quick(tmp_path, (TEXT, "Ann"))
    rows = rows_at(settings.places.data)[0].head(1).assign(batch="9" * 16, text="a late card", person="", reason="")
    times = []

    def place(rows, table):
        if not times:
            erase_utterances(settings.places.data, {"why": "request"}, "Ann")
        times.append(table.version())
        return rows
    append(rows, settings.places.data, {"source": "late.csv"}, place)
    assert len(times) == 2 and "a late card" in set(rows_at(settings.places.data)[0]["text"])


def test_rows_from_chats_keep_whose_text_it_is_beside_who_labels(tmp_path):
    """FAULTS: such rows carried the labeller, so that erasing the author left them.

    The author takes the text along; a labeller who goes leaves it, and nobody stands behind the label any more.
    """
    from mlbot.bot.labelling import batch
    from mlbot.data.store import append, batch_rows, erase_utterances, rows_at
    log = EventLog(tmp_path / "events.db")
    body = {"intent": "card", "confidence": 0.5, "ranking": [["card", 0.5]], "model": "m", "request": "r"}
    log.append(Event("asked", "r1", {"text": "my zylophant", **body}, pseudonym("Ann")),
               Event("asked", "r2", {"text": "your card", **body}, pseudonym("Bo")))
    log.append(*(Event("label", about, {"intent": "card"}, pseudonym("Grace")) for about in ("e1", "e2")))
    told = batch(log)
    log.close()
    assert [(row.person, row.author) for row in told] == [(f"pseudonym:{pseudonym('Grace')}", f"pseudonym:{pseudonym(name)}")
                                                          for name in ("Ann", "Bo")]
    from mlbot.data.feedback import with_authors
    from mlbot.data.table import Columns, read_utterances
    with open(tmp_path / "labels.csv", "w", newline="", encoding="utf-8") as file:
        rows = ((row.text, row.intent, row.person, row.author) for row in told)
        csv.writer(file).writerows([["text", "intent", "person", "author"], *rows])
    columns = Columns(person="person", context=("author",))
    found = read_utterances(tmp_path / "labels.csv", columns, load_settings().data)
    url = str(tmp_path / "data")
    append(batch_rows(with_authors(found, "author")), url, {})
    rows = rows_at(url)[0].set_index("text")
    assert rows["author"].to_dict() == {"my zylophant": pseudonym("Ann"), "your card": pseudonym("Bo")}
    assert set(rows["person"]) == {pseudonym("Grace")}
    assert erase_utterances(url, {"why": "x"}, "Ann")[0] == 1 and set(rows_at(url)[0]["text"]) == {"your card"}
    assert erase_utterances(url, {"why": "x"}, "Grace")[0] == 0
    assert rows_at(url)[0][["text", "person", "author"]].to_numpy().tolist() == [["your card", "", pseudonym("Bo")]]


def test_every_place_of_the_table_is_looked_at_in_its_order():
    from mlbot.ops.erasure import LOOKS
    assert [look.__name__.removeprefix("in_") for look in LOOKS] == [
        {"kept results": "results"}.get(place.name, place.name) for place in PLACES]
    assert all(place.holds and place.searched and place.cleared for place in PLACES)


def test_a_damaged_archive_is_left_and_named(tmp_path):
    settings = quick(tmp_path, (TEXT, "Ann"))
    (tmp_path / "old.zip").write_bytes(b"PK\3\4 broken")
    job = Job(settings, Search(b"k" * 16, words=frozenset({"x"})))
    assert "old.zip cannot be searched" in in_files(job).left[0] and not in_models(job).left


@pytest.mark.skipif(os.name != "posix", reason="rights of files are those of POSIX")
def test_what_holds_texts_is_for_its_owner_alone(tmp_path):
    """Folders of the store and of runs are 0700 where we make them, exported labels 0600; a folder that is there stays."""
    from mlbot.bot.labelling import Labelled
    from mlbot.cli.data import write_labels
    from mlbot.run.folder import new_run
    quick(tmp_path, (TEXT, "Ann"))
    run = new_run(tmp_path / "runs")
    write_labels([Labelled(TEXT, "card", "", "", "x")], tmp_path / "labels.csv")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data", run.parent, tmp_path / "labels.csv")}
    assert modes == {"data": 0o700, "runs": 0o700, "labels.csv": 0o600}
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    new_run(tmp_path / "shared")
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755


def test_a_large_file_is_searched_in_parts(tmp_path, monkeypatch):
    from mlbot.ops import erasure
    monkeypatch.setattr(erasure, "LARGE", 10)
    monkeypatch.setattr(erasure, "STEP", 8)
    monkeypatch.setattr(erasure, "OVERLAP", 16)
    settings = quick(tmp_path, (TEXT, "Ann"))
    for at, end in enumerate(("txt", "log", "csv")):
        (tmp_path / f"large.{end}").write_text("x" * at + " " * 20 + "zylophant" + " y" * 20)
    job = Job(settings, search_for([TEXT], [], b"k" * 16))
    assert in_files(job).found == 3


FORMATS = {"csv": "x.csv", "tsv": "x.tsv", "excel": "x.xlsx", "json": "x.json", "jsonl": "x.jsonl", "parquet": "x.parquet",
           "rasa": "x.yml", "doccano": "d.jsonl", "prodigy": "p.jsonl", "label_studio": "l.json", "dataset": "hf",
           "folder": "each"}


def test_every_format_of_data_export_is_searched(tmp_path, mlbot):
    """The first and the last word of each text too, where a format puts texts side by side."""
    hers = ["zylophant went where", "they gave it to qwortle", "glimmerwax", "is there any fnordling", "wobbling brumbel"]
    (tmp_path / "settings.ini").write_text("[data]\nsource = store\nperson = person\n")
    settings = load_settings(tmp_path)
    words = "first second third fourth fifth sixth seventh eighth ninth tenth".split()
    add = "".join(f"{one} of {other} and {one},{intent},Bo\n" for one, other in zip(words, words[::-1], strict=True)
                  for intent, one in (("travel", f"trip {one}"), ("card", f"{one} money")))
    add += "".join(f"{text},card,Ann\n" for text in hers)
    (tmp_path / "in.csv").write_text(f"text,intent,person\n{add}")
    assert mlbot("data", "add", "in.csv", cwd=tmp_path).returncode == 0
    for kind, name in FORMATS.items():
        done = mlbot("data", "export", "store", "--to", f"out/{name}", "--format", kind, "--side",
                     "train" if kind in ("rasa", "folder") else "all", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    found = erase_everywhere(settings, ErasureRequest("ann", who="Eve", why="request 7"))
    hidden = [name for name in FORMATS.values() if not any(f"out/{name}" in line for line in found.left)]
    assert hidden == [], found.left


def test_ledgers_that_are_carried_lose_her_texts_too(tmp_path):
    settings = quick(tmp_path, (TEXT, "Ann"))
    digests = digests_of([clean(TEXT), "a usual card of kind 0"])
    write_digests(digests, ledger_file(settings.places.models, "000000000001"))
    objects = open_objects(settings.places.carried)
    assert push_ledger(settings.places.models, "000000000001", objects)
    done = erase_everywhere(settings, ErasureRequest("ann", who="Eve", why="request 7"))
    assert done.ledgers == 2 and not done.left
    assert shared_ledger("000000000001", objects).tolist() == digests_of(["a usual card of kind 0"]).tolist()


@pytest.mark.parametrize("where", ["here", "carried"])
def test_a_damaged_ledger_ends_an_erasure_before_her_rows_are_gone(tmp_path, where):
    """Without the rows nobody knows the digests, so a second try could not take them out."""
    settings = quick(tmp_path, (TEXT, "Ann"))
    file = ledger_file(settings.places.models, "000000000001")
    if where == "carried":
        file = Path(settings.places.carried) / "ledgers" / "000000000001.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"damaged")
    request = ErasureRequest("ann", who="Eve", why="request 7")
    with pytest.raises(InputError, match="is damaged"):
        erase_everywhere(settings, request)
    assert read_proofs(settings)[0]["open"]
    file.unlink()
    done = erase_everywhere(settings, request)
    assert done.rows == 1 and not done.left
