"""A file that a person exported is read right or refused with its line, and nothing is dropped silently or lost."""

import http.server
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pandas as pd
import pytest

from mlbot.data.source import PUBLIC, PublicSet, choose, fetch, load_source
from mlbot.data.table import (
    Columns,
    count_intents,
    export_csv,
    read_utterances,
    refuse_hopeless,
    rows_sha256,
    sample_file,
    snapshot,
)
from mlbot.errors import InputError
from mlbot.settings import load_settings

SETTINGS = load_settings()
DATA = SETTINGS.data
GOOD = "text,intent\ncaf\u00e9 bill,expense\nnew badge,badge\nlost badge,badge\nhotel bill,expense\n"


def read(path, **columns):
    return read_utterances(path, Columns(**columns), DATA)


def reasons(found):
    return found.set_aside["reason"].tolist()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_each_encoding_of_a_spreadsheet_gives_the_same_rows(csv_file, encoding):
    rows = read(csv_file(GOOD.encode(encoding))).rows
    assert rows["text"].tolist() == ["caf\u00e9 bill", "new badge", "lost badge", "hotel bill"]


def test_a_code_page_is_reported(csv_file):
    assert "read as cp1252" in str(read(csv_file(GOOD.encode("cp1252"))))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "mixed"])
def test_line_ends_do_not_matter(csv_file, end):
    content = GOOD.replace("\n", "\r\n", 2) if end == "mixed" else GOOD.replace("\n", end)
    assert len(read(csv_file(content)).rows) == 4


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_the_separator_is_the_one_of_the_header(csv_file, separator):
    assert len(read(csv_file(GOOD.replace(",", separator))).rows) == 4


def test_a_quoted_field_may_hold_lines_separators_and_quotes(csv_file):
    found = read(csv_file('text,intent\n"two\nlines, ""quoted""",a\nplain,b\n'))
    assert found.rows["text"].tolist() == ['two lines, "quoted"', "plain"]
    assert found.rows["line"].tolist() == [2, 4]


@pytest.mark.parametrize("content, says", [
    (b"text,intent\nfirst,a\nsec\x00ond,b\n", "line 3"),
    (b"text,intent\nfirst,a\n\xe9t\xe9 caf\xc3\xa9,b\n", "line 3"),  # a mixture of encodings
    (b"text,intent\nfirst,a\n\x81\x8d,b\n", "line 3"),
    (b'text,intent\nfirst,a\n"never closed,b\nthird,c\n', "line 3"),
    (b'text,intent\nfirst,a\n"closed" too early,b\n', "line 3"),
    (b"text,intent\nfirst,a\none, two,b\nlast,a\n", "line 3 has 3 fields"),
    (b"text,intent\nfirst\n", "line 2 has 1 field"),
    (b"", "empty"),
    (b"text,intent\n", "no labelled row"),
    (b"text,intent\n,\n", "no labelled row"),
    (b"text,intent,text\na,b,c\n", "'text' occurs 2 times"),
    (b"utterance,label\na,b\n", 'column "text" and "intent" not found; found: utterance, label\n'
     "  do: name the column: --text COLUMN --intent COLUMN"),
    (b"PK\x03\x04\x14\x00\x06\x00\x08\x00", "xl"),
])
def test_a_broken_file_is_refused_by_line(csv_file, content, says):
    with pytest.raises(InputError) as caught:
        read(csv_file(content, name="xl.csv"))
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 6 and "\n  do: " in str(caught.value)


def test_a_missing_column_names_the_option_that_maps_it(csv_file):
    with pytest.raises(InputError) as caught:
        read(csv_file("text,label\na,b\n"))
    assert str(caught.value) == 'utterances.csv: column "intent" not found; found: text, label\n' \
                                "  do: name the column: --intent COLUMN"


def test_columns_may_stand_in_any_order_and_have_other_names(csv_file):
    found = read(csv_file("job,label,utterance\nbuyer,a,new card\nsales,b,new card\n"),
                 text="utterance", label="label", context=("job",))
    assert found.rows[["text", "intent", "job"]].values.tolist() == [["new card", "a", "buyer"], ["new card", "b", "sales"]]
    assert "texts with another intent in another context" in str(found)


def test_a_context_column_of_the_settings_may_be_missing_in_another_file_and_is_reported(csv_file):
    path = csv_file(GOOD)
    _, columns = choose(SETTINGS, data=str(path))
    assert "trained without: role, location" in str(read_utterances(path, columns, DATA))
    with pytest.raises(InputError, match="--context"):
        read_utterances(path, choose(SETTINGS, data=str(path), context="job")[1], DATA)


@pytest.mark.parametrize("rows, says", [
    ("a,x\nb,x\n", "one intent only"),
    ("a,x\nb,x\nc,y\n", "y 1"),
])
def test_too_little_to_learn_from_is_refused(csv_file, rows, says):
    counts = count_intents(read(csv_file(f"text,intent\n{rows}")).rows, DATA)
    with pytest.raises(InputError, match=says):
        refuse_hopeless(counts, DATA, "utterances.csv")


def test_an_endless_text_is_set_aside_and_the_rest_is_read(csv_file):
    found = read(csv_file("text,intent\nfirst,a\n" + "x" * 140_000 + ",b\nthird,b\n"))
    assert len(found.rows) == 2 and reasons(found) == ["text longer than 5,000 characters"]


def test_columns_that_are_not_used_are_named(csv_file):
    found = read(csv_file("text,intent,job,split\na,x,j,train\nb,y,j,test\n"))
    assert "2  columns not used: job, split" in str(found)


def test_a_group_column_that_is_named_must_be_there_and_one_of_the_settings_too(csv_file):
    path = csv_file(GOOD)
    with pytest.raises(InputError, match="--group COLUMN"):
        read_utterances(path, choose(SETTINGS, data=str(path), group="person")[1], DATA)
    settings = replace(SETTINGS, split=replace(SETTINGS.split, group="person"))
    found = read_utterances(path, choose(settings, data=str(path))[1], DATA)
    assert "no group column, each text is its own group: person" in str(found)
    assert choose(SETTINGS, "company:3")[1].group == "wording" and choose(SETTINGS, "sample")[1].group == ""
    with pytest.raises(InputError, match="one of them"):
        choose(SETTINGS, str(path), split_column="split", group="person")


def test_the_company_has_its_own_columns_whatever_a_project_calls_its_own(tmp_path, monkeypatch):
    (tmp_path / "settings.ini").write_text("[data]\ntext = utterance\nlabel = class\ncontext = job person\n"
                                           "[split]\ncolumn = split\ngroup = customer\n")
    (tmp_path / "company").mkdir()
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    found = load_source("company:0", choose(settings, "company:0")[1], settings)
    assert found.context == ("role", "location") and "group" in found.rows and len(found.rows) == 950


def test_a_mistyped_source_gets_a_suggestion():
    with pytest.raises(InputError, match=r"did you mean sample\?"):
        load_source("sampel", Columns(), SETTINGS)


def test_rows_over_several_lines_are_reported(csv_file):
    found = read(csv_file('text,intent\n"one\ntwo",a\nthree,b\n'))
    assert "1  rows over several lines" in str(found) and "line 2" in str(found)
    assert "several lines" not in str(read(csv_file("text,intent\none,a\ntwo,b\n", "b.csv")))


@pytest.mark.parametrize("options", [
    {"context": ("intent",)}, {"context": ("side",)}, {"context": ("digest",)}, {"context": ("role", "role")},
    {"context": ("self",)}, {"context": ("a=b",)}, {"text": "utterance", "label": "utterance"},
    {"context": ("split",), "side": "split"}, {"context": ("group",)},
    {"group": "text"}, {"context": ("who",), "group": "who"},
])
def test_a_column_that_cannot_be_context_is_refused(options):
    with pytest.raises(InputError):
        Columns(**options)


def test_out_of_scope_is_found_in_any_spelling(csv_file):
    found = read(csv_file("text,intent\n" + "what,OOS\nhm,OOS\nbye,oos\none,a\ntwo,b\n"))
    assert "3  rows out of scope (oos)" in str(found) and set(found.rows["intent"]) == {"oos", "a", "b"}


def test_rows_without_text_or_label_are_set_aside_with_their_reason(csv_file):
    content = f"text,intent\ngood,a\n,a\n\u200b,a\nno label,\nblank label,  \n{'x' * 6000},a\nother,b\n"
    found = read(csv_file(content))
    assert len(found.rows) == 2
    assert sorted(reasons(found)) == ["no label", "no label", "no text", "no text", "text longer than 5,000 characters"]
    assert len(found.rows) + len(found.set_aside) == 7
    assert "2  rows set aside: no label" in str(found)


def test_spellings_of_a_label_are_joined_and_reported_never_a_new_class(csv_file):
    found = read(csv_file("text,intent\na,leave\nb,leave\nc, Leave\nd,LEAVE\ne,badge\n"))
    assert set(found.rows["intent"]) == {"leave", "badge"}
    assert "2  spellings of a label joined" in str(found)


def test_one_text_under_two_intents_is_reported_with_counts_and_the_policy_applied(csv_file):
    path = csv_file("text,intent\nmy card,a\nMy card!,b\nmy card,a\nother,b\n")
    found = read(path)
    assert "texts under several intents: 'my card' (a 2, b 1)" in str(found) and len(found.rows) == 4
    found = read_utterances(path, Columns(), replace(DATA, conflicts="set_aside"))
    assert len(found.rows) == 1 and reasons(found) == ["one text, several intents"] * 3


def test_duplicates_and_small_intents_are_counted(csv_file):
    found = str(read(csv_file("text,intent\none,a\nOne?,a\ntwo,b\n")))
    assert "1  exact duplicates" in found and "2  intents with fewer than 10 rows: a 2, b 1" in found


@pytest.mark.long
def test_a_million_rows_need_at_most_three_times_their_file(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("text,intent,role,location\n")
        file.writelines(f"utterance number {n} about the badge that was lost in building {n % 977},intent_{n % 150},"
                        "engineer,berlin\n" for n in range(1_000_000))
    code = ("import resource, sys; from pathlib import Path\n"
            "from mlbot.data.table import *; from mlbot.settings import load_settings\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "values, _ = read_columns(Path(sys.argv[1]), Columns(context=('role', 'location')))\n"
            "found = build_utterances(values, Columns(context=('role', 'location')), load_settings().data, '')\n"
            "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, len(found.rows))")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    used, rows = map(int, done.stdout.split())
    assert rows == 1_000_000
    assert used <= 3 * path.stat().st_size, f"{used / path.stat().st_size:.1f} times the file"


def test_formulas_are_harmless_in_tables_for_people(tmp_path):
    export_csv(tmp_path / "t.csv", pd.DataFrame({"text": ["=cmd()", "+1", "-1", "@x", "plain"]}))
    assert (tmp_path / "t.csv").read_text().split() == ["text", "'=cmd()", "'+1", "'-1", "'@x", "plain"]


def test_the_snapshot_depends_on_content_and_not_on_order(csv_file):
    lines = GOOD.splitlines()
    shuffled = "\n".join([lines[0], *lines[:0:-1]]) + "\n"
    first, second = read(csv_file(GOOD)), read(csv_file(shuffled, "b.csv"))
    assert snapshot(first) == snapshot(second)
    assert snapshot(first) != snapshot(read(csv_file(GOOD.replace("hotel", "motel"), "c.csv")))


def test_an_unknown_source_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("MLBOT_DATA_HOME", str(tmp_path))
    with pytest.raises(InputError, match="mlbot data fetch banking77"):
        load_source("banking77", Columns(), SETTINGS)
    with pytest.raises(InputError, match="no such file"):
        load_source("nowhere.csv", Columns(), SETTINGS)


class Home(http.server.BaseHTTPRequestHandler):
    """The public home of two small sets, one of which ends early."""

    rows = {"train.csv": "text,category\n\"hi, you\",greet\n", "test.csv": "text,category\nbye,leave\n",
            "full.json": json.dumps({"train": [["hi", "greet"]], "oos_test": [["what", "oos"]]})}

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        body = self.rows[name].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + (5 if "/cut/" in self.path else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def home():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Home)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def small_set(base, sha256=None, files=(("train", "train.csv"), ("test", "test.csv"))):
    rows = [("hi, you", "greet", "train"), ("bye", "leave", "test")]
    return {"small": PublicSet("small", base, files, "CC0", "nobody", sha256 or rows_sha256(rows))}


def test_a_public_set_is_fetched_checked_and_kept(home, tmp_path):
    file = fetch("small", tmp_path, small_set(home))
    assert file == tmp_path / "small" / "data.csv"
    assert file.read_text() == 'text,intent,split\n"hi, you",greet,train\nbye,leave,test\n'
    assert fetch("small", tmp_path, small_set("http://127.0.0.1:9/")) == file  # not fetched again


def test_a_set_in_json_is_fetched_too(home, tmp_path):
    sha256 = rows_sha256([("hi", "greet", "train"), ("what", "oos", "oos_test")])
    assert fetch("small", tmp_path, small_set(home, sha256, (("", "full.json"),))).exists()


@pytest.mark.parametrize("base, sha256, says", [
    ("cut/", None, "ended"), ("", "0" * 64, "other rows than expected"), ("http://127.0.0.1:9/", None, "cannot fetch"),
])
def test_a_cut_changed_or_unreachable_download_stores_nothing(home, tmp_path, base, sha256, says):
    with pytest.raises(InputError, match=says):
        fetch("small", tmp_path, small_set(base if base.startswith("http") else home + base, sha256))
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_the_public_sets_at_hand_have_the_digest_that_a_fetch_asks_for(public, name):
    rows = pd.read_csv(public(name), keep_default_na=False, dtype=str).values.tolist()
    assert rows_sha256(map(tuple, rows)) == PUBLIC[name].sha256


def test_the_sample_is_balanced_enough_to_learn_from():
    found = read_utterances(sample_file(), Columns(context=("role", "location")), DATA)
    assert count_intents(found.rows, DATA).min() >= 30 and not len(found.set_aside)
    assert os.path.getsize(sample_file()) < 100_000
