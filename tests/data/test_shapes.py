"""The shapes in which people keep texts and intents: each is read, and nothing is lost or made up on the way."""

import csv
import io
import json
import zipfile

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
    "api of a builder.json": json.dumps({"intents": [{"name": f"projects/x/{at}", "displayName": intent, "trainingPhrases": [
        {"parts": [{"text": text}]} for text in texts]} for at, (intent, texts) in enumerate(TEXTS.items())]}),
    "below other objects.json": json.dumps({"metadata": {"language": "en"}, "assets": {
        "intents": [{"category": name} for name in TEXTS], "utterances": [{"text": t, "intent": i} for t, i in PAIRS]}}),
    "a list a language.json": json.dumps({"intents": [{"name": intent, "utterances": {"en": texts, "de": []}}
                                                      for intent, texts in TEXTS.items()]}),
    "rows by number.json": json.dumps({str(at): {"text": pair[0], "intent": pair[1]} for at, pair in enumerate(PAIRS)}),
    "a name for each text.json": json.dumps(dict(PAIRS)),
    "classes by number.json": json.dumps({
        "features": [{"name": "label", "type": {"names": list(TEXTS)}}],
        "rows": [{"row": {"text": text, "label": NUMBERS[intent]}} for text, intent in PAIRS]}),
    "one after the other.json": "\n".join(json.dumps({"text": text, "intent": intent}, indent=1) for text, intent in PAIRS),
    "answers of labellers.jsonl": lines({"fields": {"text": text}, "responses": {"intent": [
        {"value": intent, "status": "submitted"}, {"value": "other", "status": "discarded"}]}} for text, intent in PAIRS),
    "answers a labeller.jsonl": lines({"fields": {"text": text}, "responses": [
        {"values": {"intent": {"value": "other"}}, "status": "discarded"}, {"values": None, "status": "pending"},
        {"user_id": "u", "values": {"intent": {"value": intent}}, "status": "submitted"}]} for text, intent in PAIRS),
    "a name beside the number.jsonl": lines({"source": text, "intent": NUMBERS[intent], "intent-metadata": {
        "class-name": intent}} for text, intent in PAIRS),
    "one value for all rows.jsonl": lines({"textContent": text, "annotation": {"name": intent}, "labels": {"use": "training"}}
                                          for text, intent in PAIRS),
    "messages in parts.jsonl": lines({"contents": [{"role": "user", "parts": [{"text": text}]},
                                                   {"role": "model", "parts": [{"text": intent}]}]}
                                     for text, intent in PAIRS),
    "names and lists.yaml": "".join(f"{intent}:\n" + "".join(f"- {json.dumps(text)}\n" for text in texts)
                                    for intent, texts in TEXTS.items()),
    "documents.yaml": "".join(f"---\ntype: intent\nname: {intent}\nutterances: {json.dumps(texts)}\n"
                              for intent, texts in TEXTS.items()),
    "headings of names.lu": "".join(f"# {intent}\n" + "".join(f"- {text}\n" for text in texts)
                                    for intent, texts in TEXTS.items()),
    "labels behind.txt": "".join(f"{text} __label__{intent}\n" for text, intent in PAIRS),
    "a title above.csv": "Export of May, all requests\n\n" + table([("Text", "Intent"), *PAIRS]),
    "a comment above.csv": "# exported by a tool\n# on 1 May, do not edit\n" + table([("Wortlaut", "Anliegen"), *PAIRS]),
    "a header for groups above.csv": table([("Request", "", "Meta"), ("text", "intent", "day"),
                                            *((*pair, "1") for pair in PAIRS)]),
    "a table in Markdown.md": "| text | intent |\n| --- | :---: |\n" + "".join(f"| {text} | {name} |\n" for text,
                                                                               name in PAIRS),
    "two files joined.csv": table([("text", "intent"), *PAIRS[:7]]) + "\ufeff" + table([("text", "intent"), *PAIRS[7:]]),
    "phrases in a cell.csv": table([("Intent", "Phrases"), *((name, "|".join(texts)) for name, texts in TEXTS.items())]),
    "lines in a cell.csv": table([("intent", "text"), *((name, "".join(f"- {text}\n" for text in texts))
                                                       for name, texts in TEXTS.items())]),
    "sentences below data.json": json.dumps({"intents": [{"name": name,
                                                          "data": {"sentences": [{"text": text} for text in texts]},
                                                          "rules": []} for name, texts in TEXTS.items()]}),
    "inputs of an intent.json": json.dumps({"version": 1, "intents": [
        {"key": "k", "name": name, "inputs": [{"text": text, "voice": None, "slots": []} for text in texts]}
        for name, texts in TEXTS.items()]}),
    "the label an object with a name.json": json.dumps([{"id": 1, "said": {"text": text},
                                                         "annotation": {"intent": {"name": name}}}
                                                        for text, name in PAIRS]),
    "tags of a helpdesk.json": json.dumps({"conversations": [
        {"id": "7", "source": {"body": text}, "tags": {"type": "list", "tags": [{"type": "tag", "id": "1", "name": name}]}}
        for text, name in PAIRS]}),
    "numbers and names.csv": table([("text", "label", "label_text"), *((text, NUMBERS[name], name) for text, name in PAIRS)]),
}


@pytest.fixture(scope="module")
def data():
    return load_settings().data


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_is_read_to_its_last_row(tmp_path, data, name):
    file = tmp_path / name
    file.write_text(SHAPES[name])
    found = read_utterances(file, Columns(guess=("text", "intent")), data)
    assert sorted(zip(found.rows.text, found.rows.intent, strict=True)) == sorted(PAIRS)
    assert len(found.set_aside) == ("joined" in name)  # its second header


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_quotes_behind_backslashes_are_read_and_other_backslashes_stay(tmp_path, data, separator):
    """As Spark and MySQL write them; a path in another file keeps its backslash."""
    rows = [(text + ' \\"now\\"', intent) for text, intent in PAIRS]
    written = "".join(f'"{text}"{separator}{name}\n' for text, name in rows)
    (tmp_path / "spark.csv").write_text(f"text{separator}intent\n{written}")
    (tmp_path / "path.csv").write_text(table([("text", "intent"), *((text + "\\", name) for text, name in PAIRS)]))
    wanted = {"spark.csv": [f'{text} "now"' for text, _ in PAIRS], "path.csv": [text + "\\" for text, _ in PAIRS]}
    assert {name: read_utterances(tmp_path / name, Columns(), data).rows["text"].tolist() for name in wanted} == wanted
    with pytest.raises(InputError, match="no cell can be replaced"):  # its quotes are written in another way
        relabel_file(tmp_path / "spark.csv", tmp_path / "new.csv", [Correction(1, "hi", "badge", "room")], Columns())


def test_an_object_about_one_intent_has_its_name_and_not_those_of_its_languages(tmp_path):
    """As some builders write each intent into a file of its own."""
    (tmp_path / "badge.json").write_text(json.dumps({"name": "badge", "utterances": {"en": ["lost it"], "de": ["verloren"]}}))
    rows = [cells[:2] for _, cells in read_table(tmp_path / "badge.json").rows(2)]
    assert rows == [["lost it", "badge"], ["verloren", "badge"]]


@pytest.mark.parametrize("text", ["<table><tr><td>a</td></tr></table>", "\n<html>", "<!DOCTYPE html>"])
def test_a_web_page_is_called_one(tmp_path, data, text):
    (tmp_path / "rows.html").write_text(text)
    with pytest.raises(InputError, match="a web page"):
        read_utterances(tmp_path / "rows.html", Columns(), data)


WRITTEN = {"de": ("möchte meine Bestellung für Müller löschen, Größe ändern", ["cp1252", "mac-roman", "cp850"]),
           "fr": ("je veux être remboursé, c'est déjà annulé à Besançon", ["cp1252", "mac-roman", "cp850"]),
           "pl": ("chcę anulować zamówienie, proszę o zwrot pieniędzy", ["cp1250", "iso-8859-2"]),
           "cs": ("chci zrušit příkaz, kdy přijde zásilka", ["cp1250", "iso-8859-2"]),
           "tr": ("siparişi iptal etmek istiyorum, çağrı", ["cp1254"]),
           "ru": ("где моя посылка, хочу отменить заказ", ["cp1251", "koi8-r", "cp866", "mac-cyrillic"]),
           "el": ("θέλω να ακυρώσω την παραγγελία", ["cp1253"]),
           "ja": ("荷物はどこですか、返金してください", ["cp932", "euc-jp"]),
           "zh": ("请问我的订单什么时候可以退款", ["gb18030"]), "ko": ("주문을 취소해 주세요, 언제 환불 되나요", ["cp949"])}


@pytest.mark.parametrize("text, encoding", [(text, encoding) for text, known in WRITTEN.values() for encoding in known])
def test_the_encoding_is_the_one_that_makes_words_of_a_file(tmp_path, text, encoding):
    """What an old Mac or a Polish spreadsheet writes decodes as the Windows code page, too, into other words."""
    file = tmp_path / "old.csv"
    file.write_bytes(f"text;intent\n{text};a\nhello;b\n".encode(encoding))
    table = read_table(file)
    assert [cells[0] for _, cells in table.rows()] == [text, "hello"] and table.notes[0].examples[0] in text


def test_bytes_of_which_no_encoding_makes_words_are_refused_and_so_are_files_of_other_programs(tmp_path):
    """Never a wrong text that looks right."""
    for content, says in ((b"text,intent\na\x9d\x81b,x\nq\x8d\x90\xffq,y\n", "line 2 holds bytes"),
                          (b"SQLite format 3\0", "SQLite"), (b"<!DOCTYPE html><p>Sign in</p>", "a web page"),
                          (b"PAR2" + b"\x80\x04\x95", "bytes"), (b'[\n{"text": "hi"},\n]\n', "line [23] is not JSON"),
                          (b"Hi\nhello, you\n", "the first line has no ','"),
                          (b"text,intent\nhi,a\nho,b\nhi you,a\nho you,b\nTotal: 4\n",
                           "line 6 has 1 field, the header has 2\n.*\n.*complete or remove"),
                          (b'[{"text": "hi", "intent": [{"id": 1}]}, {"text": "ho", "intent": [{"id": 2}]}]',
                           "no labelled row: 2 the label is an object")):
        (tmp_path / "file.dat").write_bytes(content)
        with pytest.raises(InputError, match=says):
            read_utterances(tmp_path / "file.dat", Columns(guess=("text", "intent")), load_settings().data)


def test_an_archive_and_xml_say_what_they_are_and_what_to_name(tmp_path, data):
    """The exports of Lex and Dialogflow are archives of a folder, others of one file."""
    for names, says in ((["Bot/a.json", "Bot/b.json"], "a zip archive of 2 files.*\n.*\n.*then name the folder"),
                        (["export/data.csv", "__MACOSX/data.csv"],
                         "a zip archive of 1 file.*\n.*\n.*then name export/data.csv")):
        with zipfile.ZipFile(tmp_path / "bot.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "text,intent\n")
        with pytest.raises(InputError, match=says):
            read_utterances(tmp_path / "bot.zip", Columns(), data)
    (tmp_path / "data.xml").write_text("<data><row><text>hi</text></row></data>")
    with pytest.raises(InputError, match="data.xml: XML"):
        read_utterances(tmp_path / "data.xml", Columns(), data)


def test_a_cell_with_several_of_the_labels_or_an_object_is_no_intent(tmp_path, data):
    (tmp_path / "several.csv").write_text(table([("text", "intent"), *PAIRS, ("both", "room|badge"), ("odd", '{"id": 3}')]))
    found = read_utterances(tmp_path / "several.csv", Columns(), data)
    assert set(found.rows.intent) == {*TEXTS, '{"id": 3}'} and found.set_aside.reason.tolist() == ["several labels"]
    (tmp_path / "objects.jsonl").write_text(lines([*({"text": t, "intent": i} for t, i in PAIRS),
                                                   {"text": "odd", "intent": [{"id": 3}]}]))
    found = read_utterances(tmp_path / "objects.jsonl", Columns(), data)
    assert set(found.rows.intent) == set(TEXTS) and found.set_aside.reason.tolist() == ["the label is an object, not a name"]


def bots(home) -> None:
    """Exports that are spread over files: by intent, by intent and language, and one beside files that only look like it."""
    def put(name, content):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content if isinstance(content, str) else json.dumps(content))
    for at, (intent, texts) in enumerate(TEXTS.items()):
        put(f"es/intents/i{at}.json", {"name": intent, "responses": [{"messages": [{"speech": ["Sure!", "Done."]}]}]})
        put(f"es/intents/i{at}_usersays_en.json", [{"data": [{"text": text[:3]}, {"text": text[3:]}]} for text in texts])
        put(f"cx/intents/{intent}/trainingPhrases/en.json", {"trainingPhrases": [{"parts": [{"text": t}]} for t in texts]})
        put(f"lex/Intents/{intent}/Intent.json", {"name": intent, "sampleUtterances": [{"utterance": t} for t in texts]})
        block = "".join(f"    - {text}\n" for text in texts)
        put(f"rasa/data/nlu/{intent}.yml", f"nlu:\n- intent: {intent}\n  examples: |\n{block}")
        put(f"tables/{intent}.csv", "text\n" + "".join(f'"{text}"\n' for text in texts))
    put("es/agent.json", {"language": "en"})
    put("rasa/domain.yml", 'responses:\n  utter_a:\n  - text: "Hello there"\n  utter_b:\n  - text: "Bye now"\n')
    for side, rows in {"train": PAIRS[::2], "test": PAIRS[1::2]}.items():
        put(f"slots/{side}/seq.in", "".join(text + "\n" for text, _ in rows))
        put(f"slots/{side}/label", "".join(intent + "\n" for _, intent in rows))


@pytest.mark.parametrize("name", ["es", "cx", "lex", "lex/Intents", "rasa", "rasa/data/nlu", "tables", "slots"])
def test_an_export_that_is_spread_over_files_is_read_from_its_folder(tmp_path, data, name):
    """And answers of the bot, entities or settings in it never become training data."""
    bots(tmp_path)
    rows = read_utterances(tmp_path / name, Columns(guess=("text", "intent")), data).rows
    assert sorted(zip(rows.text, rows.intent, strict=True)) == sorted(PAIRS)


def test_sheets_of_sides_are_read_together_and_other_sheets_are_named(monkeypatch, tmp_path):
    from mlbot.data import table as reader
    sheets = {"train": [["Text", "Intent"], ["hi", "greet"]], "test": [["Text", "Intent"], ["bye", "part"]]}
    monkeypatch.setattr(reader, "_sheets_in", lambda path, sheet: sheets)
    read = reader.sheet_table(tmp_path, "", lambda header: "Intent" in header)
    assert [cells for _, cells in read.rows()] == [["hi", "greet", "train"], ["bye", "part", "test"]]
    sheets["Old"] = sheets.pop("test")
    read = reader.sheet_table(tmp_path, "", lambda header: "Intent" in header)
    assert len(list(read.rows())) == 1 and any(note.examples == ("Old",) for note in read.notes)
    sheets["train"] = [list(pair) for pair in PAIRS]
    del sheets["Old"]
    assert len(list(reader.sheet_table(tmp_path, "", lambda header: False).rows())) == len(PAIRS)


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
