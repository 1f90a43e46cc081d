"""Tables that were made for eyes: an intent that stands once, a column an intent, marks. Read by what they hold, and said."""

import csv
import io
import json
import random

import pytest

from mlbot.data.chunked import prepare
from mlbot.data.relabel import Correction, relabel_file
from mlbot.data.row_layout import heads_blocks
from mlbot.data.source import choose, load_source
from mlbot.data.table import Columns, read_utterances
from mlbot.errors import InputError
from mlbot.ops.label_files import read_labels
from mlbot.ops.project import inspect_file
from mlbot.settings import load_settings

TEXTS = {"room": ["book a room for noon", "i need a room", "is a room free", "reserve the big room", "a room, please"],
         "leave": ["take friday off", "two days of vacation", "i will be away", "holiday in june", "day off tomorrow",
                   "a week off",
                   "my holiday in spring"],
         "badge": ["my badge is lost", "new badge please", "the door does not open", "badge for a guest", "hi"]}
PAIRS = sorted((text, intent) for intent, texts in TEXTS.items() for text in texts)
BLOCKS = [(intent if at == 0 else "", text) for intent, texts in TEXTS.items() for at, text in enumerate(texts)]
FREE = Columns(guess=("text", "intent"))


def table(rows, separator=",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator="\n").writerows(rows)
    return file.getvalue()


def ticks(yes, no, intents=tuple(TEXTS)) -> list:
    return [("text", *intents), *((text, *(yes if name == intent else no for name in TEXTS)) for text, intent in PAIRS)]


def side_by_side(columns=TEXTS) -> list:
    most = max(map(len, columns.values()))
    return [list(columns), *([texts[at] if at < len(texts) else "" for texts in columns.values()] for at in range(most))]


LAYOUTS = {
    "merged": table([("label", "text"), *BLOCKS]),
    "merged, headings": table([("Intent", "Utterance"), *(row for intent, texts in TEXTS.items()
                                                           for row in [(intent, ""), *(("", text) for text in texts)])]),
    "merged, no header": table(BLOCKS),
    "merged, other names": table([("Was sie sagen", "Worum es geht"), *((text, name) for name, text in BLOCKS)], ";"),
    "merged, a department above": table([("dept", "label", "text"), *(("hr" * (name == "room"), name, text)
                                                                     for name, text in BLOCKS)]),
    "merged, empty rows between": table([("label", "text"), *(row for name, text in BLOCKS
                                                              for row in [("", "")] * bool(name) + [(name, text)])]),
    "0 and 1": table(ticks("1", "0")), "1.0 and 0.0": table(ticks("1.0", "0.0")), "crosses": table(ticks("x", "")),
    "true and false": table(ticks("TRUE", "FALSE")), "ticks": table(ticks("✓", "")), "ja and nein": table(ticks("ja", "nein"),
                                                                                                          ";"),
    "get_dummies": table(ticks("True", "False", [f"label_{name}" for name in TEXTS])),
    "a column an intent": table(side_by_side()),
    "a column an intent, numbered": table([["Nr", *side_by_side()[0]],
                                           *([at, *row] for at, row in enumerate(side_by_side()[1:], 1))]),
    "a column an intent, short lines": "".join(",".join(f'"{cell}"' for cell in row if cell) + "\n" for row in side_by_side(
        dict(sorted(TEXTS.items(), key=lambda item: -len(item[1]))))),
}


@pytest.fixture(scope="module")
def data():
    return load_settings().data


@pytest.fixture
def written(tmp_path):
    def write(content, name="data.csv"):
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name
    return write


def pairs(found) -> list:
    return sorted(zip(found.rows.text, found.rows.intent, strict=True))


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_read_to_its_last_row_and_said(name, written, data):
    found = read_utterances(written(LAYOUTS[name]), FREE, data)
    assert pairs(found) == PAIRS
    said = "first row of their block" if name.startswith("merged") else "read as intents, one a column"
    assert sum(said in finding.what for finding in found.findings) == 1


def test_a_department_that_was_merged_is_filled_down_as_context(written, data):
    found = read_utterances(written(LAYOUTS["merged, a department above"]), Columns(label="label", context=("dept",)), data)
    assert set(found.rows.dept) == {"hr"}


@pytest.mark.parametrize("name", ["merged", "0 and 1", "a column an intent"])
def test_parts_projects_and_labels_read_the_same_layout(name, written, data, tmp_path):
    """Whoever reads a file reads it alike: a run in parts, `new`, `label --read`."""
    place, settings = written(LAYOUTS[name]), load_settings()
    prepare([place], tmp_path / "parts", FREE, data, settings.split, chunk=7)
    answers, notes = inspect_file("my-bot-x", place)
    assert any("block" in note or "one a column" in note for note in notes)
    again = Columns(answers.text, answers.intent)
    assert pairs(read_utterances(place, again, data)) == PAIRS
    labels, left = read_labels(place)
    assert sorted((one.text, one.intent) for one in labels) == PAIRS and not left


def test_one_intent_that_stands_once_is_one_intent_and_not_one_row(written, data):
    rows = [("label", "text"), *BLOCKS[:5]]
    assert len(read_utterances(written(table(rows)), FREE, data).rows) == 5


def test_a_folder_of_such_tables_is_filled_down_too(tmp_path, data):
    for intent, texts in TEXTS.items():
        (tmp_path / f"{intent}.csv").write_text(table([("label", "text"), *((intent * (not at), text)
                                                                           for at, text in enumerate(texts))]))
    assert pairs(read_utterances(tmp_path, FREE, data)) == PAIRS


@pytest.mark.parametrize("seed", range(20))
def test_rows_that_nobody_has_labelled_stay_without_a_label(seed):
    """Also where they are most rows: labels at random places, or from the first row on."""
    draw = random.Random(seed)
    rows = draw.sample(PAIRS, len(PAIRS))
    spread = [intent if at == 0 or draw.random() < 0.4 else "" for at, (_, intent) in enumerate(rows)]
    begun = [intent if at < 4 else "" for at, (_, intent) in enumerate(rows)]
    texts = [text for text, _ in rows]
    assert not heads_blocks(begun, texts)
    assert not heads_blocks(spread, texts) or len(set(filter(None, spread))) == sum(map(bool, spread))


@pytest.mark.parametrize("name", ["data.jsonl", "data.json"])
def test_records_that_nobody_has_labelled_are_never_filled_down(name, written, data):
    """A label tool exports what is not labelled yet, too."""
    records = [json.dumps({"text": text, "label": [intent] if intent else []}) for intent, text in BLOCKS]
    found = read_utterances(written("\n".join(records) if name.endswith("l") else f"[{','.join(records)}]", name), FREE, data)
    assert len(found.rows) == len(TEXTS) and set(found.set_aside.reason) == {"no label"}


def test_names_that_recur_are_filled_down_where_the_texts_tell_them():
    half = [(intent, texts[part::2]) for part in (0, 1) for intent, texts in TEXTS.items()] * 3
    names = [intent if at == 0 else "" for intent, texts in half for at, _ in enumerate(texts)]
    assert heads_blocks(names, [text for _, texts in half for text in texts])


def test_texts_and_comments_are_never_filled_down(written, data):
    rows = [("comment", "label", "text"), *((f"asked twice, number {at}" * (at % 5 == 0), intent, text)
                                            for at, (text, intent) in enumerate(PAIRS))]
    found = read_utterances(written(table(rows)), Columns(label="label", context=("comment",)), data)
    assert (found.rows.comment == "").sum() > len(PAIRS) / 2


@pytest.mark.parametrize("rows, each", [
    ([["leave", "room", "badge"], *zip(*(texts[:5] for texts in TEXTS.values()), strict=True)], 15),
    ([["text", "vip", "solved", "leave"], *((text, at % 2, at % 3 == 0, intent == "leave") for at, (text, intent)
                                            in enumerate(PAIRS))], None)])
def test_columns_that_may_be_intents_are_so_on_request_only(rows, each, written, data):
    """Equal columns of texts can be subjects and messages, and marks can be anything. The error says what to type."""
    place = written(table(rows))
    with pytest.raises(InputError, match=r"is an intent: --intent '\*'"):
        read_utterances(place, FREE, data)
    with pytest.raises(InputError, match=r"is an intent: --intent '\*'"):
        inspect_file("my-bot-x", place)
    found = read_utterances(place, Columns(label="*", guess=("text",)), data)
    assert len(found.rows) + len(found.set_aside) == (each or len(PAIRS))
    assert each or set(found.set_aside.reason) == {"several labels", "no label"}
    settings = load_settings()
    assert pairs(load_source(*choose(settings, data=str(place), intent="*"), settings)) == pairs(found)
    answers, _ = inspect_file("my-bot-x", place, intent="*")
    assert pairs(read_utterances(place, Columns(answers.text, answers.intent), data)) == pairs(found)


def test_what_cannot_be_intents_is_refused_and_columns_with_a_label_stay_as_they_are(written, data):
    with pytest.raises(InputError, match="no columns that can each be an intent"):
        read_utterances(written(table([("text", "intent"), *PAIRS])), Columns(label="*"), data)
    rows = [("text", "label", "vip", "solved"), *((*pair, at % 2, 1 - at % 2) for at, pair in enumerate(PAIRS))]
    assert pairs(read_utterances(written(table(rows)), FREE, data)) == PAIRS
    faq = [("question", "answer"), *((text, f"{text}: see page {at}") for at, (text, _) in enumerate(PAIRS))]
    with pytest.raises(InputError, match="--intent COLUMN$"):
        read_utterances(written(table(faq)), FREE, data)


@pytest.mark.parametrize("name", ["merged", "0 and 1", "a column an intent"])
def test_a_label_in_such_a_table_is_not_rewritten(name, written, tmp_path):
    with pytest.raises(InputError, match="no cell can be replaced"):
        relabel_file(written(LAYOUTS[name]), tmp_path / "new.csv", [Correction(2, "i need a room", "badge", "room")],
                     Columns(label="label" if name == "merged" else "intent"))
