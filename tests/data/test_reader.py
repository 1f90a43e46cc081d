"""Whatever people hand over is read by one reader: each door reads each file alike, or refuses it alike."""

import ast
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

import nbformat
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbot.data.checks import catalogue_intents, check_catalogue
from mlbot.data.chunked import prepare
from mlbot.data.relabel import Correction, read_corrections, relabel_file
from mlbot.data.source import choose, load_production, load_source
from mlbot.data.table import Columns, export_csv, harmless, read_table, read_utterances, side_named, without_apostrophe
from mlbot.errors import InputError
from mlbot.ops.label_files import read_labels
from mlbot.ops.project import answers_for, inspect_file, write_project
from mlbot.run.folder import load_table, save_table
from mlbot.settings import as_words, load_settings, parse_text, words_of

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = load_settings()
HEADER = ("Text", "Intent ", "new", "split")
ROWS = [("lost my badge, again", "badge", "key", "train"), ("caf\u00e9 bill", "pay, \"bonus\"", "", "Train"),
        ("-5 degrees here", "+plus", "", "val"), ("it's \"cold\"", "a=b", "", "dev"), ("'tis late", "badge", "", "TEST"),
        ("open the door", "[vip] pay", "", "testing"), ("shut the door", "chat:hello", "", "train")]
RECORDS = [dict(zip(HEADER, row, strict=True)) for row in ROWS]


def delimited(separator: str, end: str = "\r\n", rows=(HEADER, *ROWS)) -> str:
    """The rows as a spreadsheet writes them, and mlbot: with formulas made harmless."""
    def cell(text):
        return '"' + text.replace('"', '""') + '"' if any(letter in text for letter in f'{separator}"\r\n') else text
    return "".join(separator.join(cell(harmless(text)) for text in row) + end for row in rows)


def workbook(*sheets, names=("Data",)) -> bytes:
    """A small .xlsx file with these sheets of text."""
    buffer, space = io.BytesIO(), "http://schemas.openxmlformats.org"
    office = f"{space}/officeDocument/2006/relationships"
    with zipfile.ZipFile(buffer, "w") as archive:
        types = "".join(f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/vnd.openxmlformats-'
                        'officedocument.spreadsheetml.worksheet+xml"/>' for n in range(1, len(sheets) + 1))
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{space}/package/2006/content-types">'
                         '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
                         '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
                         f'spreadsheetml.sheet.main+xml"/>{types}</Types>')
        archive.writestr("_rels/.rels", f'<Relationships xmlns="{space}/package/2006/relationships"><Relationship Id="r" '
                         f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>')
        listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(names, 1))
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{space}/spreadsheetml/2006/main" xmlns:r="{office}">'
                         f"<sheets>{listed}</sheets></workbook>")
        links = "".join(f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>'
                        for n in range(1, len(sheets) + 1))
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{space}/package/2006/relationships">{links}'
                         "</Relationships>")
        for number, rows in enumerate(sheets, 1):
            cells = "".join("<row>" + "".join(f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'
                                              for text in row) + "</row>" for row in rows)
            archive.writestr(f"xl/worksheets/sheet{number}.xml", f'<worksheet xmlns="{space}/spreadsheetml/2006/main">'
                             f"<sheetData>{cells}</sheetData></worksheet>")
    return buffer.getvalue()


def parquet() -> bytes:
    from arro3.core import Array, DataType, Table
    from arro3.io import write_parquet
    buffer = io.BytesIO()
    columns = {name: Array([row[at] for row in ROWS], type=DataType.string()) for at, name in enumerate(HEADER)}
    write_parquet(Table.from_pydict(columns), buffer)
    return buffer.getvalue()


LINES = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS)
FILES = {
    "comma.csv": delimited(",").encode(),
    "mark.csv": delimited(",").encode("utf-8-sig"),
    "wide.csv": delimited(";").encode("utf-16"),
    "europe.csv": delimited(";").encode("cp1252"),
    "told.csv": ("sep=;\r\n" + delimited(";")).encode("cp1252"),
    "bars.txt": delimited("|", "\n").encode(),
    "old_mac.csv": delimited(",", "\r").encode(),
    "tabs.tsv": delimited("\t", "\n").encode(),
    "empty_cells.csv": delimited(",", ",,\n", [(*HEADER, ""), *ROWS]).replace("split,,,", "split,").encode(),
    "unused.csv": delimited(",", "\n", [(*HEADER, "note", "note", ""), *((*row, "x", "y", "") for row in ROWS)]).encode(),
    "other_order.csv": delimited(",", "\n", [HEADER[::-1], *(row[::-1] for row in ROWS)]).encode(),
    "lines.jsonl": LINES.encode(),
    "wide.jsonl": LINES.encode("utf-16"),
    "lines.csv": LINES.encode(),  # content decides, not the name
    "list.json": json.dumps(RECORDS).encode(),
    "columns.json": json.dumps({name: {str(n): row[at] for n, row in enumerate(ROWS)}
                                for at, name in enumerate(HEADER)}).encode(),
    "below.json": json.dumps({"version": 1, "rows": RECORDS}, indent=1).encode(),
    "book.xlsx": workbook([HEADER, *([harmless(cell) for cell in row] for row in ROWS)]),
    "second_sheet.xlsx": workbook([("About",), ("read me",)], [HEADER, *ROWS], names=("Notes", "Data")),
    "table.parquet": parquet(),
}


def by_run(file: Path):
    """What `mlbot run`, `data show`, `data add`, `data feedback`, `search` and `benchmark` read."""
    found = read_utterances(file, Columns(side="split"), SETTINGS.data).rows
    return sorted(zip(found["text"], found["intent"], found["side"], strict=True))


def by_prepare(file: Path):
    folder = file.parent / "prepared"
    done = prepare([file], folder, Columns(side="split"), replace(SETTINGS.data, tiny="set_aside"), SETTINGS.split)
    found = pd.concat(load_table(part) for part in sorted(done.folder.rglob("*.csv")))
    return sorted(zip(found["text"], found["intent"], found["side"], strict=True))


def by_source(file: Path):
    source, columns = choose(SETTINGS, str(file), split_column="split")
    found = load_source(source, columns, SETTINGS).rows
    return sorted(zip(found["text"], found["intent"], found["side"], strict=True))


def by_production(file: Path):
    found = load_production("sample", str(file), Columns(side="split"), SETTINGS).rows
    return sorted(zip(found["text"], found["intent"], strict=True))


def by_relabel(file: Path):
    return [(item.text, item.old, item.new) for item in read_corrections(file, Columns())]


def by_catalogue(file: Path):
    return sorted(catalogue_intents(file))


def by_label(file: Path):
    return sorted((row.text, row.intent) for row in read_labels(file)[0])


def by_new(file: Path):
    found = answers_for("my-bot", file)
    return found.text, found.intent, found.split_column


INTENTS = sorted({row[1] for row in ROWS})
SIDED = sorted((text, intent, side_named(side)) for text, intent, _, side in ROWS)
DOORS = {by_run: SIDED, by_prepare: SIDED, by_source: SIDED, by_production: sorted(row[:2] for row in SIDED),
         by_relabel: [("lost my badge, again", "badge", "key")], by_catalogue: INTENTS,
         by_label: sorted(row[:2] for row in SIDED), by_new: ("Text", "Intent", "split")}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize("name", FILES)
def test_each_door_reads_each_file_with_the_same_result(csv_file, name, door):
    """Encodings, separators, headers, sides, formula apostrophes and formats: two ways that stay equal."""
    assert door(csv_file(FILES[name], name)) == DOORS[door]


BROKEN = {
    "zero.csv": (b"Text,Intent,new,split\nok,a,,train\nbad\x00,b,,test\n", "line 3 holds bytes that are not utf-8 text"),
    "zero.jsonl": (LINES.encode() + b'{"Text": "\x00"}\n', f"line {len(ROWS) + 1} holds bytes"),
    "mixed.csv": (b"Text,Intent,new,split\r\nok,a,,train\r\n\xe9t\xe9 caf\xc3\xa9,b,,test\r\n", "line 3 holds bytes"),
    "mixed_old_mac.csv": (b"Text,Intent,new,split\rok,a,,train\r\xe9t\xe9 caf\xc3\xa9,b,,test\r", "line 3 holds bytes"),
    "quote.csv": (b'Text,Intent,new,split\nok,a,,train\n"open,b,,test\nmore,c,,test\n', "line 3: unexpected end of data"),
    "fields.csv": (b"Text,Intent,new,split\nok, then,a,,train\n", "line 2 has 5 fields, the header has 4"),
    "broken.jsonl": (b'{"Text": "a", "Intent": "b"}\n{"Text": \n', "line 2 is not JSON"),
    "words.jsonl": (b"Text,Intent\na,b\n", "line 1 is not JSON"),
    "list.jsonl": (b'["Text", "Intent", 3]\n', "line 1 is not an object"),
    "number.json": (b"17\n", "JSON without records"),
    "cut.parquet": (b"PAR1" + bytes(40), "a Parquet file that cannot be read"),
    "cut.xlsx": (workbook([HEADER])[:300], "that is not whole"),
    "archive.zip": (b"PK\x05\x06" + bytes(18), "a zip archive"),
    "packed.csv": (b"\x1f\x8b\x08\x00" + bytes(30), "a file packed with gzip"),
    "domain.yml": (b"intents:\n- a\n", "YAML without the list nlu"),
    "broken.yml": (b"nlu:\n- intent: [\n", "is not YAML"),
    "empty.csv": (b"", "the file is empty"),
}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize("name", BROKEN)
def test_each_door_refuses_a_broken_file_with_the_same_words(csv_file, name, door):
    content, says = BROKEN[name]
    if door is by_catalogue and name in ("quote.csv", "fields.csv", "empty.csv"):
        pytest.skip("a list of names may be a plain text")
    with pytest.raises(InputError) as caught:
        door(csv_file(content, name))
    assert says in caught.value.found and len(str(caught.value).splitlines()) <= 6


# separators: JSONL is split at LF only

@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_jsonl_is_split_at_lf_only(csv_file, letter):
    text = f"please order{letter}a new badge"
    found, left = read_labels(csv_file(f'{{"text": "{text}", "label": ["badge"]}}\r\n\n', "a.jsonl"))
    assert [(row.text, row.intent) for row in found] == [(text, "badge")] and not left


# formulas: the apostrophe comes off again

@given(st.text(alphabet="'=+-@\t\r\nab ", max_size=6))
def test_each_text_survives_export_and_import(text):
    """Also one that begins with an apostrophe by itself."""
    assert without_apostrophe(harmless(text)) == text
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


TRICKY = ["=SUM(A1) is wrong", "'=quoted", "''@twice", "'tis late", "-5 degrees", "@hq", "+49 prefix", "'", "plain"]


def test_formulas_come_back_from_tables_of_a_run_and_from_exports(tmp_path):
    table = pd.DataFrame({"text": TRICKY, "intent": ["+plus", "-"] * 4 + ["=eq"], "=column": "x", "line": range(9)})
    for write in (save_table, lambda table, file: export_csv(file, table)):
        write(table, tmp_path / "t.csv")
        written = (tmp_path / "t.csv").read_text().split("\n")
        assert not any(line.lstrip('"').startswith(("=", "+", "-", "@")) for line in written)
        back = load_table(tmp_path / "t.csv")
        assert back["text"].tolist() == TRICKY and list(back) == list(table) and back["line"].tolist() == list(range(9))
    export_csv(tmp_path / "t.csv", table)
    assert [cells[0] for _, cells in read_table(tmp_path / "t.csv").rows()] == TRICKY


def test_labels_with_formulas_reach_the_store_as_they_were(project, mlbot, csv_file):
    """`label --read`, then `data feedback`: texts, intents, context and people without an apostrophe."""
    from mlbot.data.store import rows_at
    from mlbot.text.clean import pseudonym
    (project / "settings.ini").write_text("[data]\nsource = store\ncontext = role location\n")
    said = [("=SUM(A1) gives an error", "desk", "sales"), ("please raise my pay", "-minus", "@hq"),
            ("+49 prefix", "desk", "-")]
    csv_file("\n".join(json.dumps({"text": text, "label": [intent], "meta": {"role": role, "annotator": "+zoe"}})
                       for text, intent, role in said), "labels.jsonl")
    assert mlbot("label", "--read", "labels.jsonl").returncode == 0
    done = mlbot("data", "feedback", "labels.csv", "--context", "role", "location", "--person", "person")
    assert done.returncode == 0, done.stderr
    rows, _ = rows_at(str(project / "data"))
    assert sorted(zip(rows["text"], rows["intent"], rows["role"], strict=True)) == sorted(said)
    assert set(rows["person"]) == {pseudonym("+zoe")}


# doccano and others: each row that is left out is counted with its reason

TOOLS = {
    "doccano.jsonl": ([{"id": 1, "text": "lost it", "label": ["badge"], "Comments": []}, {"text": "no", "label": []}],
                      {"no label": 1}),
    "doccano_data.jsonl": ([{"id": 1, "data": "lost it", "label": ["badge"]}, {"data": "x", "label": ["a", "b"]}],
                           {"several labels": 1}),
    "doccano_old.jsonl": ([{"text": "lost it", "labels": ["badge"], "meta": {}}, {"text": "x", "labels": []}],
                          {"no label": 1}),
    "doccano_numbers.jsonl": ([{"text": "lost it", "annotations": [{"label": "badge", "user": 1}]},
                               {"text": "x", "annotations": [{"label": 3, "user": 1}]}],
                              {"labelled by a number: export it with the names of labels": 1}),
    "prodigy.jsonl": ([{"text": "lost it", "accept": ["badge"], "answer": "accept"},
                       {"text": "x", "accept": [], "answer": "ignore"},
                       {"text": "y", "accept": ["a", "b"], "answer": "accept"}],
                      {"skipped by the labeller": 1, "several labels": 1}),
    "prodigy_binary.jsonl": ([{"text": "lost it", "label": "badge", "answer": "accept"},
                              {"text": "x", "label": "badge", "answer": "reject"}], {"rejected by the labeller": 1}),
    "studio.json": ([{"id": 1, "data": {"text": "lost it"}, "annotations": [{"completed_by": 1, "result": [
        {"type": "choices", "from_name": "sentiment", "value": {"choices": ["badge"]}}]}]},
        {"id": 2, "data": {"text": "x"}, "annotations": [{"was_cancelled": True, "result": []}]},
        {"id": 3, "data": {"text": "y"}, "annotations": []}], {"skipped by the labeller": 1, "no label": 1}),
    "studio_min.json": ([{"id": 1, "text": "lost it", "sentiment": "badge", "annotator": 1, "annotation_id": 1},
                         {"id": 2, "text": "x", "sentiment": {"choices": ["a", "b"]}, "annotator": 1, "annotation_id": 2}],
                        {"several labels": 1}),
}


@pytest.mark.parametrize("name", TOOLS)
def test_a_label_tool_s_row_is_a_label_or_left_out_with_its_reason(csv_file, name):
    records, reasons = TOOLS[name]
    text = json.dumps(records) if name.endswith(".json") else "\n".join(map(json.dumps, records))
    found, left = read_labels(csv_file(text, name))
    assert [(row.text, row.intent) for row in found] == [("lost it", "badge")] and left == reasons


def test_label_studio_s_table_is_known_by_its_columns(csv_file):
    file = csv_file('id,text,sentiment,annotator,annotation_id,created_at,lead_time\n1,lost it,badge,7,1,2026,1.2\n'
                    '2,two,"{""choices"": [""badge"", ""key""]}",7,2,2026,1.2\n', "labels.csv")
    found, left = read_labels(file)
    assert [(row.text, row.intent, row.person) for row in found] == [("lost it", "badge", "7")]
    assert left == {"several labels": 1}


def test_the_command_says_what_it_left_out(project, mlbot, csv_file):
    csv_file('{"id": 2, "text": "no label yet", "label": []}\n', "none.jsonl")
    done = mlbot("label", "--read", "none.jsonl")
    assert done.returncode == 3 and "0 labels, 1 rows left out" in done.stdout and "rows left out: no label" in done.stdout
    assert "label --read" in done.stdout.split("next:")[1] and not (project / "labels.csv").exists()


def test_a_run_sets_such_rows_aside_with_their_reason_in_memory_and_in_parts(csv_file, tmp_path):
    records = [*({"text": f"lost {n}", "label": ["badge"]} for n in range(9)),
               *({"text": f"open {n}", "label": "door"} for n in range(9)),
               {"text": "both", "label": ["badge", "door"]}, {"text": "no", "label": "door", "answer": "reject"}]
    file = csv_file("\n".join(map(json.dumps, records)), "a.jsonl")
    found = read_utterances(file, Columns(label="label"), SETTINGS.data)
    assert sorted(found.set_aside["reason"]) == ["rejected by the labeller", "several labels"]
    assert found.set_aside["line"].tolist() == [19, 20] and len(found.rows) == 18
    done = prepare([file], tmp_path / "out", Columns(label="label"), SETTINGS.data, SETTINGS.split, chunk=7)
    assert {str(note) for note in done.findings if "set aside" in note.what} == {str(note) for note in found.findings
                                                                                if "set aside" in note.what}
    aside = pd.concat(load_table(part) for part in (done.folder / "set_aside").iterdir())
    assert {"several labels", "rejected by the labeller"} <= set(aside["reason"])


# catalogue: read and normalised as labels are

NAMES = ["faq/ask/name", "desk move", "chat:hello", "a=b", "pay, bonus", "<b>bold</b>", "it's \"quoted\"", "[a].b#c;d%e",
         "-minus", "=eq", "#tag", "caf\u00e9"]
WRITTEN = [name if name != "caf\u00e9" else "cafe\u0301" for name in NAMES]  # as macOS writes it
WRITTEN[1] = "Desk   move "
LISTS = {
    "plain.txt": "\n".join(WRITTEN).encode(),
    "plain_crlf.txt": "\r\n".join(["# what the bot can do", *WRITTEN, ""]).encode("utf-16"),
    "headed.txt": "\n".join(["Intent", *WRITTEN]).encode("utf-8-sig"),
    "cat.csv": delimited(",", "\n", [("intent",), *((name,) for name in WRITTEN)]).encode(),
    "europe.csv": delimited(";", "\r\n", [("owner", "Label"), *(("ann", name) for name in WRITTEN)]).encode(),
    "book.xlsx": workbook([("owner", "intent"), *(("ann", name) for name in WRITTEN)]),
    "list.jsonl": "".join(json.dumps({"intent": name}) + "\n" for name in WRITTEN).encode(),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_catalogue_is_read_and_normalised_as_labels_are(csv_file, name):
    known = catalogue_intents(csv_file(LISTS[name], name))
    assert [word.casefold() for word in known] == NAMES
    assert check_catalogue(NAMES, known) == []


# columns and sides

def test_mlbot_new_sees_says_and_keeps_a_published_split(project, mlbot, csv_file):
    sides = ["train", "Train", "val", "dev", "test", "oos_test"] * 3
    rows = [f"{word} the door {n},{word},{side}" for n, side in enumerate(sides) for word in ("open", "shut")]
    csv_file("\n".join(["text,intent,split", *rows]), "mine.csv")
    done = mlbot("new", "my-bot", "--data", "mine.csv", "--no-run")
    assert done.returncode == 0 and "split: split" in done.stdout, done.stderr
    settings = load_settings(project / "my-bot")
    source, columns = choose(settings)
    assert set(load_source(source, columns, settings).rows["side"]) == {"train", "validation", "test"}


@pytest.mark.parametrize("values, why", [(["a", "b"], "it holds 'a'"), (["train", "dev"], "it has no test rows"),
                                         (["train", ""], "it holds ''")])
def test_mlbot_new_says_why_a_split_cannot_be_used(csv_file, values, why):
    file = csv_file("text,intent,split\n" + "".join(f"t{n},i,{value}\n" for n, value in enumerate(values)))
    found, said = inspect_file("my-bot", file)
    assert found.split_column == "" and any(why in line for line in said)


@pytest.mark.parametrize("header, values, given, side", [
    ("split", ("train", "dev", "test"), {}, "split"), ("Partition", ("Train", "val", "Test"), {}, "Partition"),
    ("split", ("train", "dev", "test"), {"split_column": "none"}, ""), ("split", ("train", "x", "test"), {}, ""),
    ("fold", ("train", "train", "train"), {}, ""), ("set", ("train", "dev", "test"), {"context": "set"}, ""),
    ("split", ("train", "dev", "test"), {"group": "split"}, "")])
def test_a_run_uses_the_published_split_of_a_file_unless_told_otherwise(header, values, given, side, csv_file):
    file = csv_file(f"text,intent,{header}\n" + "".join(f"t{n},i,{value}\n" for n, value in enumerate(values)), "theirs.csv")
    source, columns = choose(SETTINGS, str(file), **given)
    found = load_source(source, columns, SETTINGS)
    assert columns.side == side and ("a published split is used" in str(found)) == bool(side)
    assert not side or found.rows["side"].tolist() == ["train", "validation", "test"]


def test_a_run_without_the_split_says_that_there_is_one(csv_file):
    file = csv_file("text,intent,split\na,x,train\nb,y,test\n")
    assert "a published split, not used without --split-column: split" in str(read_utterances(file, Columns(), SETTINGS.data))
    assert "a published split" not in str(read_utterances(file, Columns(side="split"), SETTINGS.data))


def test_a_context_column_may_hold_spaces(tmp_path, csv_file, monkeypatch):
    """`--context 'Job Title'` writes settings that can hold it, and the run reads them."""
    file = csv_file("Text,Intent,Job  Title,role\n" + "".join(f"open {n},a,boss,x\nshut {n},b,clerk,y\n" for n in range(3)))
    answers = answers_for("my-bot", file, context=["job title", "role"])
    assert answers.context == '"Job Title" role'
    monkeypatch.setattr("mlbot.ops.project.export_package", lambda root: None)
    monkeypatch.setattr("mlbot.ops.project.carry_wheel", lambda root: None)
    write_project(tmp_path / "my-bot", answers, file)
    settings = load_settings(tmp_path / "my-bot")
    assert settings.data.context == ("Job Title", "role")
    source, columns = choose(settings)
    assert set(load_source(source, columns, settings).rows["Job Title"]) == {"boss", "clerk"}
    assert choose(settings, source, context=as_words(["Job Title"]))[1].context == ("Job Title",)


@given(st.lists(st.text(alphabet="ab \"'#=;%[", min_size=1).map(lambda word: " ".join(word.split()) or "x"), unique=True))
def test_any_list_of_words_survives_the_settings(words):
    assert words_of(as_words(words)) == tuple(words)
    assert words_of(parse_text(f"[data]\ncontext = {as_words(words)}", "")["data"]["context"]) == tuple(words)


def test_only_used_columns_matter(csv_file):
    found = read_utterances(csv_file("text,intent,note,note,,\na,x,1,2,,\nb,y,,,,\n"), Columns(), SETTINGS.data)
    assert len(found.rows) == 2 and "4  columns not used: note, note, (no name), (no name)" in str(found)
    with pytest.raises(InputError, match="'intent' occurs 2 times"):
        read_utterances(csv_file("text,intent,intent\na,x,y\n"), Columns(), SETTINGS.data)
    with pytest.raises(InputError, match="'text' occurs 2 times"):
        read_utterances(csv_file("Text,TEXT,intent\na,x,y\n"), Columns(), SETTINGS.data)
    both = read_utterances(csv_file("Text,text,intent\na,b,y\nc,d,z\n"), Columns(), SETTINGS.data)
    assert both.rows["text"].tolist() == ["b", "d"]  # the exact name counts first


# formats

NLU = """version: '3.1'
nlu:
- intent: faq/ask
  examples: |
    - to [Rome](city)
    - [now]{"entity": "t"}!
- lookup: city
  examples: |
    - Rome
- intent: bye
  examples:
  - text: |
      - see you
"""


def test_rasa_s_entities_are_words_and_other_entries_are_counted(csv_file):
    file = csv_file(NLU, "nlu.yml")
    table = read_table(file)
    assert list(table.rows()) == [(5, ["to Rome", "faq/ask", ""]), (6, ["now!", "faq/ask", ""]), (13, ["see you", "bye", ""])]
    assert any("no intents" in note.what and note.examples == ("lookup 1",) for note in table.notes)


def test_a_sheet_is_named_or_found_by_its_columns_and_said(csv_file):
    book = workbook([("text", "intent"), ("a", "x")], [("Text", "Label"), ("b", "y")], names=("One", "Two Sheets"))
    file = csv_file(book, "book.xlsx")
    assert next(read_table(f"{file}#Two Sheets").rows()) == (2, ["b", "y"])
    table = read_table(file, lambda header: "Label" in header)
    assert next(table.rows()) == (2, ["b", "y"]) and "sheet 'Two Sheets'" in table.notes[0].what
    with pytest.raises(InputError, match="no sheet 'Three'"):
        read_table(f"{file}#Three")
    assert choose(SETTINGS, f"{file}#One")[0] == f"{file}#One"
    assert len(load_source(f"{file}#One", Columns(), SETTINGS).rows) == 1


@pytest.mark.parametrize("name, module", [("book.xlsx", "python_calamine"), ("table.parquet", "arro3.io"),
                                          ("nlu.yml", "yaml")])
def test_a_format_whose_library_is_missing_names_the_extra(csv_file, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"\[formats\]"):
        read_table(csv_file(FILES.get(name, b"nlu:\n- intent: a\n"), name))


def test_a_project_keeps_a_file_in_its_own_format(tmp_path, csv_file, monkeypatch):
    monkeypatch.setattr("mlbot.ops.project.export_package", lambda root: None)
    monkeypatch.setattr("mlbot.ops.project.carry_wheel", lambda root: None)
    file = csv_file(FILES["book.xlsx"], "Meine Daten.XLSX")
    answers, said = inspect_file("my-bot", file)
    write_project(tmp_path / "my-bot", answers, file)
    settings = load_settings(tmp_path / "my-bot")
    assert settings.data.source == "utterances.xlsx"
    assert len(load_source(*choose(settings), settings).rows) == len(ROWS)
    assert any("a spreadsheet, sheet 'Data'" in line for line in said)


# relabel: only those cells

@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(("xlsx", "parquet", "json"))])
def test_relabel_changes_only_those_cells(csv_file, tmp_path, name):
    """Line ends, encoding, mark, quotes, separator and all other bytes stay."""
    file, to = csv_file(FILES[name], name), tmp_path / "new"
    fixes = [Correction(2, "caf\u00e9 bill", 'pay, "bonus"', "+plus"), Correction(3, "open the door", "[vip] pay", "badge")]
    n, _ = relabel_file(file, to, fixes, Columns())
    assert n == 2
    before, after = ([line for line in path.read_bytes().replace(b"\r", b"\n").split(b"\n")] for path in (file, to))
    assert len(before) == len(after) and sum(a != b for a, b in zip(before, after, strict=True)) == 2
    assert [end for end in file.read_bytes() if end in b"\r\n"] == [end for end in to.read_bytes() if end in b"\r\n"]
    changed = [(text, {"caf\u00e9 bill": "+plus", "open the door": "badge"}.get(text, intent), side_named(side))
               for text, intent, _, side in ROWS]
    assert by_run(to.rename(tmp_path / f"new-{name}")) == sorted(changed)


def test_relabel_says_what_it_cannot_rewrite(csv_file, tmp_path):
    fix = [Correction(2, "open the door", "[vip] pay", "\u65e5\u672c")]
    for name, says in (("book.xlsx", "no cell can be replaced"), ("europe.csv", "cannot be written in cp1252")):
        with pytest.raises(InputError, match=says):
            relabel_file(csv_file(FILES[name], name), tmp_path / "new", fix, Columns(), other=True)
        assert not (tmp_path / "new").exists()


# targets of intents whatever they are called

WEIRD = ["chat:hello", "a=b", "x = y", "[vip] pay", "#tag", ";semi", "Desk.Move", "50 % more", "floor", "faq/ask",
         "caf\u00e9", "\u00c4rger: \u00dc = 1", "<b>", "q?", "a.floor", "true"]


@pytest.mark.parametrize("intent", WEIRD)
@pytest.mark.parametrize("delimiter", [" = ", ": ", "="])
def test_an_intent_of_any_name_can_have_a_target(tmp_path, intent, delimiter):
    from mlbot.gates.target import check_members
    decomposed = intent.replace("\u00e9", "e\u0301")
    (tmp_path / "settings.ini").write_text(f"[data]\nsource = x.csv\n[targets]\nintents.{decomposed}.floor{delimiter}0.5\n",
                                           encoding="utf-8-sig")
    settings = load_settings(tmp_path)
    assert settings.targets[f"intents.{intent.lower()}"].floor == 0.5
    check_members(settings.targets, "intents", [intent])


def test_a_line_of_targets_that_is_none_is_refused_with_its_number(tmp_path):
    for text, says in (("[targets]\nintents.a\n", "line 2: intents.a has no value"),
                       ("[targets]\na.floor = 0.1\nA.floor: 0.2\n", "line 3: a.floor already exists")):
        (tmp_path / "settings.ini").write_text(text)
        with pytest.raises(InputError, match=says):
            load_settings(tmp_path)


# consoles, locales, paths, owners, umasks

SAYS = "from mlbot.files import any_console; any_console(); import sys; print('caf\\u00e9 \\u2713 \\udcc3'); " \
       "print('\\u2713', file=sys.stderr)"


@pytest.mark.parametrize("console", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "cp1252"}, {},
                                     {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}], ids=str)
def test_a_console_of_any_encoding_shows_what_it_can(console):
    done = subprocess.run([sys.executable, "-c", SAYS], env={**os.environ, **console}, capture_output=True)
    assert done.returncode == 0 and done.stdout.startswith(b"caf"), done.stderr


def test_a_command_works_in_a_locale_without_umlauts(tmp_path):
    """Names of files and texts on the command line beyond ASCII are what they are, whatever the locale."""
    (tmp_path / "settings.ini").write_text("[data]\nsource = d\u00e4ta {x}%20[1].csv\ncontext =\n", encoding="utf-8")
    (tmp_path / "d\u00e4ta {x}%20[1].csv").write_text("text,intent\ncaf\u00e9,\u00fcber \u2713\nb,y\n", encoding="utf-8")
    poor = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "mlbot", "data", "show"]
    done = subprocess.run(command, cwd=tmp_path, env=poor, capture_output=True, text=True)
    assert done.returncode == 0 and "2  intents" in done.stdout and "d\\xe4ta" in done.stdout, done.stderr


def text_calls(path: Path):
    """The calls in a module or notebook that open text without saying in which encoding."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        source = "\n".join("\n".join("pass" if line.startswith(("%", "!")) else line for line in cell.source.split("\n"))
                           for cell in cells if cell.cell_type == "code")
    else:
        source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = {word.arg: word.value for word in node.keywords}
        words = [arg.value for arg in [*node.args, *given.values()] if isinstance(arg, ast.Constant)]
        modes = [word for word in words if isinstance(word, str)]
        binary = any("b" in mode and len(mode) <= 3 for mode in modes) or "binary" in given
        of_package = name == "read_text" and modes == ["direct_url.json"]  # importlib.metadata reads UTF-8
        plain = name in ("read_text", "write_text") and not of_package or name == "open" and isinstance(node.func, ast.Name) \
            or name in ("run", "Popen", "check_output", "run_program") and "text" in given
        if plain and not binary and "encoding" not in given and None not in given:
            yield f"{path.name}: {ast.unparse(node)[:90]}"


OURS = [*sorted((ROOT / "mlbot").rglob("*.py")), *sorted((ROOT / "nbs" / "pipeline").glob("*.ipynb")),
        *sorted((ROOT / "nbs" / "explore").glob("*.ipynb"))]


def test_every_text_is_opened_in_a_named_encoding():
    """A machine whose locale is not UTF-8 reads and writes the same files."""
    assert [call for path in OURS for call in text_calls(path)] == []


def test_a_text_that_is_opened_without_an_encoding_is_found(tmp_path):
    (tmp_path / "a.py").write_text("open('x')\nPath('x').read_text()\nopen('x', 'rb')\nrun(['git'], text=True)\n")
    assert len(list(text_calls(tmp_path / "a.py"))) == 3


def test_a_run_folder_may_hold_braces_and_anything_else(notebook, tmp_path):
    from mlbot.run.kernel import Watch, execute_notebook
    from mlbot.run.notebook import parse_notebook, read_notebook
    out = tmp_path / "{a} b%20[c]'q#\u00fc{}"
    out.mkdir()
    watch = Watch(deadline=1e12, output_limit=1e7)
    assert execute_notebook(read_notebook(notebook("print(1)")), out / "1_gate.ipynb", {"run": str(out)}, tmp_path,
                            watch) is None
    cells = parse_notebook((out / "1_gate.ipynb").read_text(encoding="utf-8")).cells
    assert any("print(1)" in cell.source and cell.outputs for cell in cells)


@pytest.mark.parametrize("name", ["a%20b", "a[1]", "a|b", "a^b", "a\\b"])
def test_a_store_in_a_path_that_its_library_cannot_read_is_refused_by_name(tmp_path, name):
    from mlbot.data.store import open_table
    with pytest.raises(InputError, match="places"):
        open_table(str(tmp_path / name / "data"))


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], cwd=root, check=True, capture_output=True)


def test_untracked_files_of_any_name_are_code_too(tmp_path):
    from mlbot.ops.workflows import uncommitted
    from mlbot.run.folder import code_version, untracked_code
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("x")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "x")
    before = code_version(tmp_path)["changed"]
    for name in ("\u00fcnl\u00f6st.py", 'quo"ted.py', "new\nline.py"):
        (tmp_path / name).write_text("x = 1")
        assert tmp_path / name in untracked_code(tmp_path) and name in uncommitted(tmp_path)
    assert before == "" and code_version(tmp_path)["changed"]


def test_a_clone_of_somebody_else_is_called_that(tmp_path, monkeypatch):
    """git refuses it; that is not "no repository"."""
    from mlbot.run.folder import git_trouble
    assert git_trouble(tmp_path) == ""
    git(tmp_path, "init", "-q")
    assert git_trouble(tmp_path) == ""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert "belongs to another user" in git_trouble(tmp_path) and "safe.directory" in git_trouble(tmp_path)


def test_a_folder_called_mlbot_beside_the_caller_hides_nothing(tmp_path):
    (tmp_path / "mlbot").mkdir()
    code = "from mlbot.settings import PACKAGE; print((PACKAGE / 'settings.py').is_file())"
    for words in (["-m", "mlbot", "--version"], ["-c", code]):
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["pandas.py", "numpy/__init__.py", "mlbot.py"])
def test_a_module_that_hides_a_library_is_named_before_the_run(tmp_path, name):
    from mlbot.run.request import refuse_hiding
    refuse_hiding(tmp_path)
    refuse_hiding(ROOT)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=f"{name} hides the library"):
        refuse_hiding(tmp_path)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o027, 0o002])
def test_the_umask_is_honoured(tmp_path, mask):
    import numpy as np

    from mlbot.files import write_atomic
    from mlbot.model.artefact import Artefact, write_artefact
    from mlbot.storage import create_file
    before = os.umask(mask)
    try:
        write_atomic(tmp_path / "text.txt", lambda file: file.write("x"))
        write_atomic(tmp_path / "bytes", lambda file: file.write(b"x"), binary=True)
        create_file(tmp_path / "once", b"x")
        folder = write_artefact(Artefact({}, {}, {"w": np.zeros(1, np.float32)}), tmp_path / "model")
    finally:
        os.umask(before)
    for file in (tmp_path / "text.txt", tmp_path / "bytes", tmp_path / "once", folder / "manifest.json"):
        assert file.stat().st_mode & 0o777 == 0o666 & ~mask
    assert folder.stat().st_mode & 0o777 == 0o777 & ~mask
    (tmp_path / "text.txt").chmod(0o600)
    write_atomic(tmp_path / "text.txt", lambda file: file.write("y"))
    assert (tmp_path / "text.txt").stat().st_mode & 0o777 == 0o600  # what a person has closed stays closed


def test_a_search_changes_one_line_of_the_settings_and_no_line_end(tmp_path):
    from mlbot.files import edit_text
    from mlbot.model.search import checked_values
    file = tmp_path / "settings.ini"
    targets = "[targets]\r\nintents.a=b.floor = 0.4\r\nintents.a=c.floor = 0.4\r\n"
    file.write_bytes(("\ufeff[model]\r\npenalty = 1.0\r\nfolds = 3\r\n" + targets).encode())
    edit_text(file, lambda text: checked_values(text, "model", {"penalty": 2.5}))
    assert file.read_bytes() == ("\ufeff[model]\r\npenalty = 2.5\r\nfolds = 3\r\n" + targets).encode()
