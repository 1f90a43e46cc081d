"""Files that people write by hand, line by line, are read as they mean them; what leaves a doubt is not guessed."""

import pytest

from mlbot.data.line_layout import HEADINGS, MARKED, layout_of_lines, records_of_lines
from mlbot.data.row_layout import types_below
from mlbot.data.table import Columns, read_table, read_utterances
from mlbot.errors import InputError
from mlbot.settings import load_settings

INTENTS = {"book_room": ["book a room for six", "reserve a meeting room: tomorrow at 10", "i need a room, please"],
           "leave": ["i want to take leave", "request holiday: next week", "days off in may -> june"],
           "badge": ["my badge is lost", "[urgent] new badge", "badge doesn't open the door"]}
PAIRS = [(text, intent) for intent, texts in INTENTS.items() for text in texts]


def below(head, line, between="\n"):
    """Texts below headings; `head` and `line` are formats."""
    blocks = ("\n".join([head.format(intent), *map(line.format, texts)]) + "\n" for intent, texts in INTENTS.items())
    return between.join(blocks)


HAND = {
    "colon.txt": "".join(f"{intent}: {text}\n" for text, intent in PAIRS),
    "colon-crlf.txt": "".join(f"{intent} : {text}\r\n" for text, intent in PAIRS),
    "without-ending": "".join(f"{intent}: {text}\n\n" for text, intent in PAIRS),
    "brackets.txt": "".join(f"[{intent}] {text}\n" for text, intent in PAIRS if "[" not in text),
    "parentheses.text": "".join(f"({intent}) {text}\n" for text, intent in PAIRS),
    "arrow.txt": "".join(f"{text} -> {intent}\n" for text, intent in PAIRS),
    "double-arrow.txt": "".join(f"{text} => {intent}\n" for text, intent in PAIRS),
    "hash.txt": below("# {}", "{}"), "hashes.txt": below("## {}", "- {}"), "ini.txt": below("[{}]", "{}"),
    "chatito.chatito": below("%[{}]('training': '3')", "    {}"), "heading.txt": below("{}:", "{}", ""),
    "some.chatette": below("%[{}]", "    {}"),
    "remarks.txt": "# my notes\n// May\n" + "".join(f"{intent}: {text}\n" for text, intent in PAIRS) + "\n# end\n",
    "bullets.txt": below("{}:", "  * {}"), "indented.txt": below("{}", "\t{}", ""),
}


@pytest.mark.parametrize("name", HAND)
def test_a_file_written_by_hand_is_read_and_said(tmp_path, name):
    (tmp_path / name).write_bytes(HAND[name].encode())
    found = read_utterances(tmp_path / name, Columns(), load_settings().data)
    wanted = {(text, intent) for text, intent in PAIRS if name != "brackets.txt" or "[" not in text}
    assert set(zip(found.rows["text"], found.rows["intent"], strict=True)) == wanted
    assert "file read as lines: " in str(found)
    with pytest.raises(InputError):  # the same text as a table is none
        (tmp_path / "same.csv").write_bytes(HAND[name].encode())
        read_utterances(tmp_path / "same.csv", Columns(), load_settings().data)


DOUBTFUL = {
    "a table": "text,intent\nbook: a room,room\nbook: two rooms,room\nlost: badge,badge\nlost: my badge,badge\n",
    "a table with remarks": "# exported\n# on Monday\ntext\tintent\na room\troom\nrooms\troom\nbadge\tbadge\n",
    "no table, no intents": "Dear team:\nplease find below: the list\nall the best: Ann\n",
    "each name once": "a: one\nb: two\nc: three\nd: four\ne: five\n",
    "one intent": "a: one\na: two\na: three\na: four\n",
    "times": "10:30 a room\n11:30 a room\n10:30 two rooms\n11:30 rooms\n",
    "a heading without texts": "# a\n# b\none\n# c\ntwo\n",
    "plain texts": "i want leave\nbadge lost\nbook a room\nanother text\n",
    "JSON": '{"text": "a", "intent": "b"}\n{"text": "c", "intent": "b"}\n',
    "YAML": "version: 3\nnlu: []\nrules: []\nstories: []\n",
    "mail": "From: ann\nTo: bo\nFrom: bo\nTo: ann\nSubject: x, y\n\n> quoted\n",
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_leaves_a_doubt_has_no_layout(name):
    assert layout_of_lines(DOUBTFUL[name].split("\n")) == ""


def test_a_later_line_without_a_mark_is_set_aside_and_the_others_stay(tmp_path):
    text = HAND["colon.txt"] * 40 + "a line that somebody forgot to mark\n"
    (tmp_path / "rows.txt").write_text(text)
    found = read_utterances(tmp_path / "rows.txt", Columns(), load_settings().data)
    assert len(found.rows) == 40 * len(PAIRS) and found.set_aside["text"].tolist() == ["a line that somebody forgot to mark"]


def test_the_beginning_of_a_long_file_decides_and_what_comes_later_breaks_nothing(tmp_path):
    """Its first lines hold one intent only, and later ones have no mark, or a heading without texts."""
    first = "".join(f"badge: my badge number {at} is lost\n" for at in range(700)) + HAND["colon.txt"] * 300
    for name, text, n in (("marked.txt", first + "no mark\n" * 900, 700 + 300 * len(PAIRS)),
                          ("headed.txt", HAND["hash.txt"] * 300 + "# last\n# empty\n", 300 * len(PAIRS))):
        (tmp_path / name).write_text(text)
        table = read_table(tmp_path / name)
        assert sum(bool(cells[1]) for _, cells in table.rows(2)) == n, name


def test_every_layout_can_be_found():
    found = {layout_of_lines(text.replace("\r", "").split("\n")) for text in HAND.values()}
    assert found == {*MARKED, *HEADINGS}
    assert [record["text"] for _, record in records_of_lines(["# a", "- b", "", "+ c"], "# intent")] == ["b", "c"]


@pytest.mark.parametrize(("types", "n"), [("string,string", 1), ("#VARCHAR(200),#VARCHAR(20)", 1), ("text,category", 1),
                                          ("string,discrete\nmeta,class", 2), ("a text,category", 0), (",class", 0)])
def test_types_below_a_header_are_no_text(tmp_path, types, n):
    rows = "".join(f'"{text}",{intent}\n' for text, intent in PAIRS)
    (tmp_path / "rows.csv").write_text(f"utterance,intent\n{types}\n{rows}")
    table = read_table(tmp_path / "rows.csv")
    assert len(list(table.rows(2))) == len(PAIRS) + types.count("\n") + 1 - n
    assert [note.n for note in table.notes if "types" in note.what] == [n] * bool(n)
    assert (table.delimited is None) == bool(n)  # what is not a row keeps corrections from the right line
    assert types_below([]) == 0


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_fields_in_apostrophes_are_read_and_corrected_in_place(tmp_path, separator):
    from mlbot.data.relabel import relabelled_text
    from mlbot.data.table import find_delimited
    rows = [("it's a room, or a desk; really", "room"), ("badge", "badge"), ("'quoted'", "badge")]
    quoted = [separator.join("'" + cell.replace("'", "''") + "'" for cell in row) for row in [("text", "intent"), *rows]]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(quoted) + "\n")
    found = read_utterances(file, Columns(), load_settings().data).rows
    assert sorted(zip(found["text"], found["intent"], strict=True)) == sorted(rows)
    text = relabelled_text(file.read_text(), find_delimited(file), 1, ["desk", "", "it's"])
    assert text.split("\n")[1].endswith("'desk'") and text.split("\n")[3].endswith("'it''s'")
    assert text.split("\n")[2] == quoted[2]


def test_a_table_without_quotes_may_have_names_with_an_apostrophe(tmp_path):
    (tmp_path / "rows.csv").write_text("text,intent,'note'\n'tis a room,room,x\n'tis rooms,room,y\nbadge,badge,z\n")
    assert read_table(tmp_path / "rows.csv").header == ["text", "intent", "'note'"]


def test_toml_and_other_formats(tmp_path):
    (tmp_path / "intents.toml").write_text("".join(f"[intents.{name}]\nexamples = {texts!r}\n" for name, texts in {
        name: [text.replace("'", "") for text in texts] for name, texts in INTENTS.items()}.items()))
    assert len(read_utterances(tmp_path / "intents.toml", Columns(), load_settings().data).rows) == len(PAIRS)
    (tmp_path / "broken.toml").write_text("[badge\n")
    (tmp_path / "weka.arff").write_text("% by Weka\n@RELATION r\n@attribute text string\n")
    for name, words in (("broken.toml", "TOML that cannot be read"), ("weka.arff", "an ARFF file")):
        with pytest.raises(InputError, match=words):
            read_table(tmp_path / name)
