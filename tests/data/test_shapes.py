"""The shapes in which people keep texts and intents: each is read, and nothing is lost or made up on the way."""

import csv
import io
import json

import pytest

from mlbot.data.guess import headless
from mlbot.data.relabel import Correction, relabel_file
from mlbot.data.table import Columns, choose_sheet, header_row, read_table, read_utterances
from mlbot.errors import InputError
from mlbot.settings import load_settings

TEXTS = {"room": ["book a room for noon", "i need a room", "is a room free", "reserve the big room", "a room, please"],
         "leave": ["take friday off", "two days of vacation", "i will be away", "holiday in june", "day off tomorrow"],
         "badge": ["my badge is lost", "new badge please", "the door does not open", "badge for a guest", "hi"]}
PAIRS = [(text, intent) for intent, texts in TEXTS.items() for text in texts]
NUMBERS = {"room": 0, "leave": 1, "badge": 2}


def lines(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def table(rows, separator=",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator="\n").writerows(rows)
    return file.getvalue()


def chat(text, intent) -> dict:
    return {"messages": [{"role": "system", "content": "Name the intent."}, {"role": "user", "content": text},
                         {"role": "assistant", "content": intent}]}


SHAPES = {
    "tags and patterns.json": json.dumps({"intents": [{"tag": intent, "patterns": texts, "responses": ["Sure!"]}
                                                      for intent, texts in TEXTS.items()]}),
    "samples of a skill.json": json.dumps({"interactionModel": {"languageModel": {"invocationName": "office", "intents": [
        *({"name": intent, "slots": [], "samples": texts} for intent, texts in TEXTS.items()),
        {"name": "Stop", "samples": []}]}}}),
    "parts of texts.json": json.dumps({"language": "en", "intents": {
        intent: {"utterances": [{"data": [{"text": text[:4]}, {"text": text[4:], "entity": "x"}]} for text in texts]}
        for intent, texts in TEXTS.items()}}),
    "a list of texts for each name.json": json.dumps(TEXTS),
    "pairs.json": json.dumps(PAIRS),
    "records by side.json": json.dumps({"train": [{"text": text, "label": intent} for text, intent in PAIRS[::2]],
                                        "test": [{"text": text, "label": intent} for text, intent in PAIRS[1::2]]}),
    "entities beside utterances.json": json.dumps({"intents": [{"name": name} for name in TEXTS], "entities": [{}],
                                                   "utterances": [{"text": text, "intent": name} for text, name in PAIRS]}),
    "columns and data.json": json.dumps({"columns": ["text", "intent"], "index": list(range(15)), "data": PAIRS}),
    "columns.json": json.dumps({"words": [text for text, _ in PAIRS], "kind": [intent for _, intent in PAIRS]}),
    "pairs.jsonl": lines(PAIRS),
    "pairs with scores.jsonl": lines([text, {"cats": {name: float(name == intent) for name in TEXTS}}]
                                     for text, intent in PAIRS),
    "scores.jsonl": lines({"text": text, "cats": {name: float(name == intent) for name in TEXTS}, "answer": "accept"}
                          for text, intent in PAIRS),
    "chats.jsonl": lines(chat(*pair) for pair in PAIRS),
    "chats with an object.jsonl": lines(chat(text, json.dumps({"intent": intent})) for text, intent in PAIRS),
    "prompts.jsonl": lines({"prompt": text, "completion": intent} for text, intent in PAIRS),
    "labels before.txt": "".join(f"__label__{intent} {text}\n" for text, intent in PAIRS),
    "headings.md": "".join(f"## intent:{intent}\n" + "".join(f"- {text}\n" for text in texts) + "\n"
                           for intent, texts in TEXTS.items()) + "## synonym:room\n- chamber\n",
    "no header.csv": table(PAIRS),
    "no header, label first.tsv": table([(intent, text) for text, intent in PAIRS], "\t"),
    "numbers and names.csv": table([("text", "label", "label_text"), *((text, NUMBERS[name], name) for text, name in PAIRS)]),
}


@pytest.fixture(scope="module")
def data():
    return load_settings().data


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_is_read_to_its_last_row(tmp_path, data, name):
    file = tmp_path / name
    file.write_text(SHAPES[name])
    rows = read_utterances(file, Columns(guess=("text", "intent")), data).rows
    assert sorted(zip(rows.text, rows.intent, strict=True)) == sorted(PAIRS)


def test_records_by_side_keep_their_side(tmp_path, data):
    file = tmp_path / "sides.json"
    file.write_text(SHAPES["records by side.json"])
    rows = read_utterances(file, Columns(guess=("text", "intent"), side="split"), data).rows
    assert rows.side.value_counts().to_dict() == {"train": 8, "test": 7}


def test_rejected_scores_are_left_out_and_accept_is_never_an_intent(tmp_path, data):
    file = tmp_path / "scores.jsonl"
    file.write_text(lines({"text": text, "cats": {intent: 1.0}, "answer": "reject" if text == "hi" else "accept"}
                          for text, intent in PAIRS))
    found = read_utterances(file, Columns(guess=("text", "intent")), data)
    assert set(found.rows.intent) == set(TEXTS) and len(found.rows) == 14
    assert any("rejected by the labeller" in finding.what for finding in found.findings)


def test_titles_above_the_header_of_a_sheet_are_passed_over():
    sheet = [["Requests of May", ""], [], ["as of today", ""], ["Text", "Intent"], ["hi", "greet"]]
    assert header_row(sheet, lambda header: "Intent" in header) == 3
    assert choose_sheet({"Notes": [["read me"]], "May": sheet}, lambda header: "Intent" in header) == "May"
    assert header_row([["nothing"], ["fits"]], lambda header: False) == 0


def test_a_header_with_unusual_names_stays_a_header(tmp_path):
    assert headless([["Wortlaut", "Anliegen genau"], *PAIRS]) == []
    file = tmp_path / "odd.csv"
    file.write_text(table([("Wortlaut", "Art der Sache"), *PAIRS]))
    assert read_table(file).header == ["Wortlaut", "Art der Sache"]


def test_a_label_that_is_no_cell_of_its_own_is_not_rewritten(tmp_path):
    file = tmp_path / "scores.jsonl"
    file.write_text(SHAPES["scores.jsonl"])
    with pytest.raises(InputError):
        relabel_file(file, tmp_path / "new.jsonl", [Correction(2, "hi", "badge", "room")], Columns(label="label"))
    assert not (tmp_path / "new.jsonl").exists()
