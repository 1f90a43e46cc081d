"""What goes out comes back: each format gives the reader the same rows, keeps sides apart, and says what it cannot hold."""

import json
import os
import zipfile

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbot.data.export import EXPORT_FORMATS, WRITERS, choose_rows, export_rows, format_named, refuse_changed, write_workbook
from mlbot.data.source import choose, load_source
from mlbot.data.table import read_table, sample_file
from mlbot.errors import InputError
from mlbot.settings import load_settings
from mlbot.text.clean import normalise

SETTINGS = load_settings()
TEXTS = ["=cmd|'/c calc'!A1", "'=1+1", "''@x", "'tis late", "-5 degrees", "+49 30", "@home", 'say "hi", please; now|then',
         "'", '"', "- a list", "#no comment", "caf\u00e9 \U0001f600 \u0928\u092e", "a: b", "{x}", "[1, 2]", '["a", "b"]',
         "null", "~", "true", "1.0", "_x0041_ is no A", "<b>&amp;</b>", "%YAML", "back\\slash \\n", "!tag", "*star",
         "&anchor", "| pipe", "> fold", "sep=;", "PAR1", "\u00e4" * 300]
INTENTS = ["+plus", "card order", "a=b", "[vip] pay", "caf\u00e9", "null", "3"]
ROWS = pd.DataFrame({"text": TEXTS, "intent": [INTENTS[at % len(INTENTS)] for at in range(len(TEXTS))],
                     "role": ["", "-", "@hq", "sales"] * 8 + ["it"], "job title": ["x, y"] * len(TEXTS),
                     "side": ["train", "test", "train", "validation"] * 8 + ["test"]})


def name_for(kind: str) -> str:
    return "rows" + (EXPORT_FORMATS[kind].endings or ("",))[0]


def as_read(place, **given) -> pd.DataFrame:
    """The rows of a file as a run reads them."""
    return load_source(*choose(SETTINGS, str(place), **given), SETTINGS).rows


@pytest.mark.parametrize("kind", EXPORT_FORMATS)
def test_a_run_reads_from_each_format_the_rows_that_were_written(kind, tmp_path):
    """Formulas, quotes, marks of YAML and XML, other scripts: text, intent, context and side come back as they were."""
    rows = choose_rows(ROWS, kind)
    lost = export_rows(rows, tmp_path / name_for(kind), kind)
    told = EXPORT_FORMATS[kind]
    given = {"context": 'role "job title"', "split_column": told.side} if told.side else {}
    found = as_read(tmp_path / name_for(kind), **given)
    names = ["text", "intent", *(["role", "job title", "side"] if told.side else [])]
    want = sorted(map(tuple, rows[names].to_numpy()))
    assert sorted(map(tuple, found[names].to_numpy())) == want
    assert [finding.what for finding in lost] == ([] if told.side else ["columns that the format has no place for, left out"])
    assert os.listdir(tmp_path) == [name_for(kind)]  # nothing beside it is left


@given(st.lists(st.tuples(st.text(max_size=20).map(normalise).filter(bool), st.sampled_from(["a", "null"])), max_size=8))
@settings(deadline=None, max_examples=5)
def test_drawn_texts_come_back_or_are_refused_or_said(drawn):
    """No format changes a text in silence."""
    import tempfile
    from pathlib import Path
    rows = pd.DataFrame([*drawn, ("first", "a"), ("second", "null")], columns=["text", "intent"])
    with tempfile.TemporaryDirectory() as place:
        for kind in ("csv", "tsv", "excel", "jsonl", "rasa", "folder"):
            file = Path(place) / kind / name_for(kind)
            lost = sum(finding.n for finding in export_rows(rows, file, kind))
            table = read_table(file)
            assert sum(1 for _ in table.rows()) == len(rows) - lost, kind


def test_no_format_without_sides_gets_test_rows_by_itself():
    """Where rows cannot say their side, only training rows go out, and all are refused; elsewhere the column says it."""
    for kind, told in EXPORT_FORMATS.items():
        rows = choose_rows(ROWS, kind)
        assert len(rows) == (len(ROWS) if told.side else (ROWS["side"] == "train").sum()), kind
        assert ("side" in rows) == bool(told.side)
        assert "side" not in choose_rows(ROWS, kind, "test") and len(choose_rows(ROWS, kind, "test")) == 9
        if not told.side:
            with pytest.raises(InputError, match="cannot say which rows are test rows"):
                choose_rows(ROWS, kind, "all")
    with pytest.raises(InputError, match="no row of the side 'test'"):
        choose_rows(ROWS[ROWS["side"] == "train"], "csv", "test")


def test_a_format_that_would_lose_something_writes_nothing(tmp_path):
    """A column that a labelling tool has another use for; a text that Rasa reads as an entity; an intent that is no file."""
    skipped = ROWS.assign(answer="ignore")
    with pytest.raises(InputError, match="doccano gives back 33 of 33 rows otherwise"):
        export_rows(skipped, tmp_path / "a.jsonl", "doccano")
    with pytest.raises(InputError, match="no files can be called after 1 intents: a/b"):
        export_rows(pd.DataFrame({"text": ["x", "y"], "intent": ["a/b", "c"]}), tmp_path / "folder", "folder")
    assert os.listdir(tmp_path) == []
    marked = pd.DataFrame({"text": ["fly to [Rome](city)", "fly home", "stay"], "intent": ["go", "go", "stay"]})
    (said,) = export_rows(marked, tmp_path / "nlu.yml", "rasa")
    assert said.n == 1 and sorted(as_read(tmp_path / "nlu.yml")["text"]) == ["fly home", "stay"]


def test_a_writer_that_changes_a_row_is_noticed(tmp_path, monkeypatch):
    """The check is made on the file, not on what we meant to write."""
    monkeypatch.setitem(WRITERS, "csv", lambda path, rows: rows.assign(intent="same").to_csv(path, index=False))
    with pytest.raises(InputError, match="gives back"):
        export_rows(ROWS, tmp_path / "rows.csv", "csv")
    assert os.listdir(tmp_path) == []
    for cut in (b"", b"text,intent\n", "\u00e4".encode("utf-16")):
        (tmp_path / "rows.csv").write_bytes(cut)
        with pytest.raises(InputError, match="gives back"):
            refuse_changed(tmp_path / "rows.csv", ROWS, "csv")


@pytest.mark.parametrize("kind", ["csv", "dataset"])
def test_nothing_is_replaced_unasked_and_no_other_thing_at_all(kind, tmp_path):
    """--force replaces a file, or a folder of data: no store, no project."""
    place = tmp_path / name_for(kind)
    export_rows(ROWS, place, kind)
    with pytest.raises(InputError, match="is there already"):
        export_rows(ROWS.head(4), place, kind)
    export_rows(ROWS.head(4), place, kind, force=True)
    assert sum(1 for _ in read_table(place).rows()) == 4 and len(os.listdir(tmp_path)) == 1
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "settings.ini").write_text("[data]")
    for other in ("csv", "dataset", "folder"):
        with pytest.raises(InputError, match="holds something else than data"):
            export_rows(ROWS, mine, other, force=True)
    assert os.listdir(mine) == ["settings.ini"]


def test_an_export_that_fails_at_the_last_step_leaves_the_folder_of_before(tmp_path, monkeypatch):
    """The old folder is back in its place when the new one cannot take its name."""
    export_rows(ROWS, tmp_path / "rows", "dataset")

    def full(*given):
        raise OSError("no space left")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        export_rows(ROWS.head(4), tmp_path / "rows", "dataset", force=True)
    assert os.listdir(tmp_path) == ["rows"] and sum(1 for _ in read_table(tmp_path / "rows").rows()) == len(ROWS)


def test_no_cell_of_a_table_is_a_formula(tmp_path):
    """CSV and TSV have an apostrophe before it; a workbook holds text only, and has it too, as it may be saved as CSV."""
    for kind in ("csv", "tsv"):
        export_rows(ROWS, tmp_path / name_for(kind), kind)
        cells = [cell for line in (tmp_path / name_for(kind)).read_text().splitlines()
                 for cell in line.replace('"', "").split("\t" if kind == "tsv" else ",")[:1]]
        assert not [cell for cell in cells if cell[:1] in "=+-@" and cell]
    export_rows(ROWS, tmp_path / "rows.xlsx", "excel")
    sheet = zipfile.ZipFile(tmp_path / "rows.xlsx").read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<c ") == sheet.count('<c t="inlineStr">') == (len(ROWS) + 1) * 5 and "<f>" not in sheet
    assert ">=cmd" not in sheet and ">'=cmd" in sheet


def test_a_workbook_that_no_program_opens_is_refused(tmp_path):
    long = pd.DataFrame({"text": ["x" * 40_000], "intent": ["a"]})
    with pytest.raises(InputError, match="the longest cell of 40,000 characters"):
        write_workbook(tmp_path / "rows.xlsx", long)


@pytest.mark.parametrize("name, asked, why", [
    ("rows", "", "names no format"), ("rows.txt", "", "names no format"), ("rows.csv", "rasa", "does not end as"),
    ("rows.csv", "exel", "no format 'exel'")])
def test_a_format_that_is_not_clear_is_asked_for(name, asked, why, tmp_path):
    with pytest.raises(InputError, match=why):
        format_named(tmp_path / name, asked)


def test_a_store_leaves_with_the_sides_for_life(project, mlbot, tmp_path):
    """What was for testing in the store is for testing in the file; what is set aside stays, and the command says so."""
    assert mlbot("data", "add", sample_file(), "--context", "role", "location").returncode == 0
    done = mlbot("data", "export", "store", "--context", "role", "--to", "out/rows.json")
    assert done.returncode == 0, done.stderr
    assert "note:   test rows are in it" in done.stdout and "--split-column side" in done.stdout
    records = json.loads((project / "out" / "rows.json").read_text())
    assert set(records[0]) == {"text", "intent", "role", "side"}
    tested = {record["text"] for record in records if record["side"] == "test"}
    assert len(tested) > 50
    assert mlbot("data", "export", "store", "--to", "nlu.yml").returncode == 0
    assert not tested & set(as_read(project / "nlu.yml")["text"])
    assert "is there already" in mlbot("data", "export", "store", "--to", "nlu.yml").stderr
    again = mlbot("data", "export", "out/rows.json", "--to", "out/rows.json", "--force")
    assert again.returncode == 2 and "would replace the data it is made from" in again.stderr
    shown = mlbot("data", "show", *done.stdout.split("data show ")[1].split())
    assert shown.returncode == 0 and f"{len(records)}  rows" in shown.stdout
