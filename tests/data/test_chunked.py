"""Data larger than memory: the tables are those of a split in memory, whoever does the work and in however many parts."""

import json
import random
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import psutil
import pytest

from mlbot.data.chunked import prepare
from mlbot.data.company import LAST_WEEK, labelled_rows
from mlbot.data.split import apart, split
from mlbot.data.table import Columns, build_utterances, export_csv, read_utterances
from mlbot.errors import InputError
from mlbot.settings import load_settings
from mlbot.text import minhash
from mlbot.text.clean import digest

SETTINGS = load_settings()
LOOSE = replace(SETTINGS.data, tiny="set_aside")
TABLES = ("train", "validation", "test", "out_of_scope")


def read_tables(folder):
    """The tables of a prepared folder, every value as text; a table without rows is empty."""
    found = {}
    for name in (*TABLES, "set_aside"):
        files = [pd.read_csv(file, keep_default_na=False, dtype=str) for file in sorted((folder / name).iterdir())]
        found[name] = pd.concat(files, ignore_index=True) if files else pd.DataFrame()
    return found


@cache
def in_memory(file, columns, data):
    """The rows of a file, and their split in memory; several tests ask for the same."""
    utterances = read_utterances(file, columns, data)
    return utterances, split(utterances, data, SETTINGS.split.test_percent, bool(columns.side), SETTINGS.split.near_percent)


def assert_same(done, file, columns, data=SETTINGS.data):
    """The prepared tables are those that a split in memory gives, row by row; and so are the findings."""
    utterances, sides = in_memory(file, columns, data)
    found = read_tables(done.folder)
    for name in TABLES:
        assert found[name].values.tolist() == getattr(sides, name).astype(str).values.tolist(), name
    aside = pd.concat([utterances.set_aside, sides.set_aside])
    reasons = sorted(zip(aside["line"].astype(str), aside["reason"], strict=True))
    assert sorted(zip(found["set_aside"].get("line", []), found["set_aside"].get("reason", []), strict=True)) == reasons
    assert done.findings == utterances.findings and done.sides.findings() == sides.findings


@pytest.fixture(scope="module")
def company_file(tmp_path_factory):
    """All labelled rows of the company, and after them rows that leave: no label, no text, several lines, personal data."""
    file = tmp_path_factory.mktemp("company") / "company.csv"
    names = ["text", "intent", "role", "location", "wording"]
    rows = [[getattr(row, name) for name in names] for row in labelled_rows(LAST_WEEK)]
    rows += [[text, intent, "", "", ""] for text, intent in [
        ("where is my parcel", ""), ("  ", "leave"), ("write\nto ann@example.com", "leave "), ("x" * 6000, "leave"),
        ("one of a kind", "alone")]]
    export_csv(file, pd.DataFrame(rows, columns=names))
    return file


@pytest.mark.parametrize("chunk, exact, block", [(10**6, 10**6, 10**6), (700, 10**6, 10**6), (700, 0, 10**6), (1999, 0, 900)])
@pytest.mark.parametrize("group", ["", "wording"])
def test_the_tables_are_those_of_a_split_in_memory(chunk, exact, block, group, company_file, tmp_path, monkeypatch):
    monkeypatch.setattr(minhash, "KEY_BLOCK", block)
    columns = Columns(context=("role", "location"), group=group)
    done = prepare([company_file], tmp_path / "tables", columns, LOOSE, SETTINGS.split, chunk=chunk, exact=exact)
    assert_same(done, company_file, columns, LOOSE)
    assert len(list((done.folder / "train").iterdir())) == max(1, -(-len(pd.read_csv(company_file)) // chunk))
    said = json.loads((done.folder / "prepare.json").read_text())
    assert said["findings"][0]["n"] == done.findings[0].n
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]  # nothing else is left


@pytest.mark.parametrize("name", ["clinc150", "banking77"])
def test_a_published_split_is_kept(name, tmp_path, public):
    columns = Columns(side="split")
    done = prepare([public(name)], tmp_path / "tables", columns, SETTINGS.data, SETTINGS.split, chunk=3000)
    assert_same(done, public(name), columns)


@pytest.mark.long
def test_processes_and_a_dask_cluster_give_the_identical_tables(company_file, tmp_path):
    from distributed import LocalCluster
    columns = Columns(context=("role", "location"))
    made = {}
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        for workers in ("1", "2", cluster.scheduler_address):
            done = prepare([company_file], tmp_path / f"by-{len(made)}", columns, LOOSE, SETTINGS.split, workers, 1500, 0)
            made[workers] = {file.relative_to(done.folder): file.read_bytes() for file in done.folder.rglob("*.*")}
    one, two, dask = made.values()
    assert len(one) > 10 and one == two == dask


def test_files_of_any_encoding_and_line_ends_are_read_alike(tmp_path):
    rows = [f'text {at} "quoted",intent {at % 3}' if at % 7 else f'"a, ""b""\r\n{at} ä",intent 1' for at in range(90)]
    written = {}
    for encoding in ("utf-8-sig", "utf-16", "cp1252"):
        for number, end in enumerate(("\n", "\r\n", "\r")):
            file = tmp_path / f"{encoding}-{number}.csv"
            file.write_bytes(end.join(["text,intent", *rows, ""]).encode(encoding))
            done = prepare([file], tmp_path / f"{encoding}-{number}", Columns(), SETTINGS.data, SETTINGS.split, chunk=40)
            written[encoding, number] = read_tables(done.folder)["train"]["text"].tolist()
            assert_same(done, file, Columns())
    assert len(set(map(tuple, written.values()))) == 1 and "a, \"b\" 7 ä" in sum(written.values(), [])


def test_empty_lines_at_the_border_of_chunks_do_not_shift_the_lines(tmp_path):
    file = tmp_path / "rows.csv"
    rows = (f'"text {at}\nand more",intent {at % 2}\n' + "\n" * (at % 3) for at in range(60))
    file.write_text("text,intent\n\n" + "".join(rows))
    done = prepare([file], tmp_path / "tables", Columns(), SETTINGS.data, SETTINGS.split, chunk=7)
    assert_same(done, file, Columns())


@pytest.mark.parametrize("above, types", [("", "string,discrete\n,class\n"), ("", "string,string\n"), ("# exported\n", "")])
def test_what_stands_above_and_below_the_header_is_no_row(above, types, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(f"{above}text,intent\n{types}" + "".join(f"text {at},intent {at % 3}\n" for at in range(60)))
    done = prepare([file], tmp_path / "tables", Columns(), SETTINGS.data, SETTINGS.split, chunk=7)
    assert_same(done, file, Columns())
    found = read_tables(done.folder)
    assert sum(len(found[name]) for name in (*TABLES, "set_aside")) == 60 and not found["test"].empty


def test_each_part_of_a_table_has_the_same_columns(company_file, tmp_path):
    done = prepare([company_file], tmp_path / "tables", Columns(), LOOSE, SETTINGS.split, chunk=900)
    for name in (*TABLES, "set_aside"):
        assert len({file.read_text().splitlines()[0] for file in (done.folder / name).iterdir()}) <= 1, name
    assert len(list((done.folder / "set_aside").iterdir())) > 3


def test_many_files_are_one_set_and_a_row_says_where_it_comes_from(tmp_path):
    for number in range(3):
        (tmp_path / f"week{number}.csv").write_text("text,intent\n" + "".join(
            f"word{at} of number {at * 7 + number},intent {at % 2}\n" for at in range(60)))
    files = [tmp_path / f"week{number}.csv" for number in range(3)]
    done = prepare(files, tmp_path / "tables", Columns(), SETTINGS.data, SETTINGS.split, chunk=50)
    found = pd.concat(read_tables(done.folder).values())
    assert found["batch"].value_counts().to_dict() == dict.fromkeys(["week0.csv", "week1.csv", "week2.csv"], 60)
    (tmp_path / "other.csv").write_text("text,intent,wording\na,b,c\n")
    with pytest.raises(InputError, match="other columns than in week0.csv"):
        prepare([*files, tmp_path / "other.csv"], tmp_path / "more", Columns(group="wording", need_group=False),
                SETTINGS.data, SETTINGS.split)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("line, met", [("a,b,c", "line 92 has 3 fields"), ('"open,b', "line 92: unexpected end of data"),
                                       ("a,train,", "line 92: split is ''")])
def test_what_cannot_be_used_is_named_with_its_line_and_leaves_nothing(line, met, workers, tmp_path):
    side = "split" in met
    header, rest = ("text,intent,split", ",train") if side else ("text,intent", "")
    file = tmp_path / "rows.csv"
    file.write_text("\n".join([header, *(f"text {at},intent {at % 2}{rest}" for at in range(90)), line]) + "\n")
    with pytest.raises(InputError) as caught:
        prepare([file], tmp_path / "tables", Columns(side="split" if side else ""), SETTINGS.data, SETTINGS.split, workers,
                chunk=20)
    assert met in str(caught.value) and [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_hopeless_data_a_folder_that_is_there_and_a_cluster_that_is_not_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mlbot.data.chunked.PATIENCE", 1)
    file = tmp_path / "rows.csv"
    file.write_text("text,intent\n" + "".join(f"text {at},same\n" for at in range(90)))
    for words, met in (((tmp_path / "tables",), "one intent only"), ((tmp_path,), "the folder is there already"),
                       ((tmp_path / "tables", "tcp://127.0.0.1:9"), "no Dask scheduler answers"),
                       ((tmp_path / "new" / "tables",), "one intent only"),
                       *(((tmp_path / "tables", word), f"workers '{word}'") for word in ("0", "-1", "many"))):
        with pytest.raises(InputError, match=met):
            prepare([file], words[0], Columns(), SETTINGS.data, SETTINGS.split, *words[1:])
    file.write_text("text,intent\n")
    with pytest.raises(InputError, match="no labelled row"):
        prepare([file], tmp_path / "tables", Columns(), SETTINGS.data, SETTINGS.split)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.long
def test_a_killed_worker_is_no_verdict_and_a_terminated_command_leaves_nothing(tmp_path, project, monkeypatch):
    rows = "".join(f"word{at} and {at * at},intent {at % 2}\n" for at in range(300_000))
    (project / "rows.csv").write_text("text,intent\n" + rows)
    command = [sys.executable, "-m", "mlbot", "data", "prepare", "rows.csv", "--to", "tables", "--workers", "2"]
    for kill_worker, code, says in ((True, 3, "a worker process died"), (False, 143, "")):
        program = psutil.Popen(command, stderr=subprocess.PIPE, text=True, cwd=project)
        while not list(project.glob(".tables-*/chunk-*")):
            assert program.poll() is None, program.communicate()[1]
            time.sleep(0.05)
        workers = [child for child in program.children(recursive=True) if "LokyProcess" in " ".join(child.cmdline())]
        workers[0].kill() if kill_worker else program.terminate()
        error = program.communicate(timeout=120)[1]
        assert program.returncode == code and says in error, error
        assert not list(project.glob("*tables*"))


def test_who_wrote_a_text_stands_in_no_table(project, mlbot):
    rows = "".join(f"word{at} and {at * at},intent {at % 2},Ann Smith\n" for at in range(80))
    (project / "rows.csv").write_text("text,intent,author\n" + rows + "no label,,Ann Smith\n")
    with open(project / "settings.ini", "a") as settings:
        settings.write("person = author\n")
    mlbot("data", "prepare", "rows.csv", "--to", "tables", cwd=project)
    done = mlbot("run", "--data", "rows.csv", "--no-release", cwd=project)
    files = [file for file in (project / "tables").rglob("*.csv")] + list((project / "runs").rglob("*.csv"))
    assert len(files) >= 7 and "rows to train on" in done.stdout + next((project / "runs").glob("*/prepare.json")).read_text()
    assert not [file for file in files if "Smith" in file.read_text()]


def test_the_command_says_what_it_found_and_where_the_tables_are(project, mlbot):
    rows = "".join(f"word{at} and {at * at},intent {at % 2}\n" for at in range(200))
    (project / "rows.csv").write_text("text,intent\n" + rows)
    done = mlbot("data", "prepare", "rows.csv", "--to", "tables", "--workers", "2", "--intent", "intent", cwd=project)
    assert done.returncode == 0 and "rows to train on" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("mlbot run --data rows.csv --intent intent")
    found = read_tables(project / "tables")
    assert len(found["train"]) + len(found["test"]) + len(found["set_aside"]) == 200
    again = mlbot("data", "prepare", "rows.csv", "--to", "tables", cwd=project)
    assert again.returncode == 2 and "there already" in again.stderr


def test_minhash_misses_next_to_nothing_and_invents_nothing(company_file):
    texts = sorted({row.text.lower() for row in labelled_rows(LAST_WEEK)})
    exact = set(map(tuple, minhash.linked(texts).tolist()))
    found = set(map(tuple, minhash.minhash_pairs(texts).tolist()))
    assert found <= exact and len(found) > 0.998 * len(exact) > 900
    test, train = texts[::4], [text for at, text in enumerate(texts) if at % 4]
    sure, near = minhash.near_across(train, test, wanted="both")
    likely, tested = minhash.near_across(train, test, exact=0, wanted="both")
    assert not (likely & ~sure).any() and likely.sum() > 0.998 * sure.sum() > 100
    assert not (tested & ~near).any() and tested.sum() > 0.99 * near.sum()


@pytest.mark.parametrize("percent", [50, 60, 65])
def test_who_asks_for_less_similarity_gets_it(company_file, percent):
    texts = sorted({row.text.lower() for row in labelled_rows(LAST_WEEK)})[::2]
    exact, found = (set(map(tuple, pairs(texts, percent).tolist())) for pairs in (minhash.linked, minhash.minhash_pairs))
    assert found <= exact and len(found) > 0.98 * len(exact) > 150


def test_the_gate_finds_what_the_split_has_left_only_if_something_was_done_to_it(monkeypatch):
    """Above EXACT, where rows out of scope are many: the gate does not ask more exactly than the split has done."""
    chance = random.Random(0)
    texts = [f"please cancel my order {''.join(chance.choices('abcdefghij', k=9))}" for _ in range(1500)]
    texts += [text[:-2] + "".join(chance.choices("abcdefghij", k=2)) for text in texts]
    values = {"text": texts, "intent": [chance.choice(["a", "b", *["oos"] * 6]) for _ in texts], "line": range(3000)}
    monkeypatch.setattr("mlbot.data.split.EXACT", 2000)
    monkeypatch.setattr(minhash.near_across, "__defaults__", (70, 2000, "first"))
    sides = split(build_utterances(values, Columns(), SETTINGS.data, "x"), SETTINGS.data)
    asked, across = [], minhash.near_across
    monkeypatch.setattr("mlbot.data.split.near_across", lambda *words: asked.append(words[3]) or across(*words))
    assert len(sides.test) > 50 and apart(sides.train, sides.test).all()
    assert asked == [200]  # texts, up to which the gate joins exactly; the split did so up to 2,000
    leak = sides.test.head(3).assign(text=lambda rows: rows["text"] + "x", digest=lambda rows: rows["text"].map(digest))
    assert not apart(pd.concat([sides.train, leak]), sides.test)[:3].any()


def test_thousands_of_texts_of_one_template_are_no_quadratic_work(monkeypatch):
    templated = [f"please reset the password of account {at}" for at in range(6000)]
    compared, similar = [], minhash.similar
    monkeypatch.setattr(minhash, "similar", lambda one, *more: compared.append(len(one)) or similar(one, *more))
    beside, candidates = [], minhash.candidate_pairs

    def counted(*words):
        found = candidates(*words)
        beside.append(np.bincount(found[0]).max(initial=0))
        return found
    monkeypatch.setattr(minhash, "candidate_pairs", counted)
    assert minhash.near_across(templated[1500:], templated[:1500])[0].all()
    assert max(beside) == 32  # of 1,500, for each key
    assert sum(compared) < 4500 * 1500 / 4
