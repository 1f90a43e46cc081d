"""A label that a person corrects is changed once, with who and why; what does not fit is named by its line and left alone."""

import json
import os
import re
from dataclasses import replace

import pytest

from mlbot.data.checks import as_table, check_conflicts
from mlbot.data.ledger import audit_model, digests_of
from mlbot.data.relabel import Correction, read_corrections, relabel, relabel_file, relabel_store
from mlbot.data.split import QUARANTINE, split
from mlbot.data.store import append, batch_rows, commits, open_table, read_locked, read_store, rows_at
from mlbot.data.table import Columns, export_csv, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.settings import load_settings
from tests.data.test_store import placed, rows_of, writer

DATA = load_settings().data
LINES = """text,intent,new
new badge please,badge,payment
NO such words,badge,payment
hotel bill,badge,payment
taxi receipt,expense,expence
i lost my card,Badge ,payment
i lost my card,badge,expense
pay my bill,payment,
"""


@pytest.fixture
def store(project, mlbot, csv_file):
    """A project with a store of one batch, and a file of corrections."""
    (project / "settings.ini").write_text("[data]\nsource = store\n")
    rows = ("new badge please,badge", "New badge please!,badge", "i lost my card,badge", "hotel bill,expense",
            "taxi receipt,expense", "pay my bill,payment", "where is my money,payment")
    assert mlbot("data", "add", csv_file("\n".join(["text,intent", *rows]), "week.csv")).returncode == 0
    return project, csv_file(LINES, "checked.csv")


def test_what_fits_is_applied_in_one_commit_and_the_rest_is_named_by_its_line(store, mlbot):
    project, file = store
    before = rows_at(str(project / "data"))[0]
    unasked = mlbot("data", "relabel", file)
    assert unasked.returncode == 2 and "without a reason" in unasked.stderr and rows_at(str(project / "data"))[1] == 1
    done = mlbot("data", "relabel", file, "--who", "Ann", "--why", "second look")
    assert done.returncode == 2 and "4 lines were not applied" in done.stderr, done.stderr
    assert "relabelled: 3 rows, by 2 lines of checked.csv; 0 lines were so already; 4 were not applied" in done.stdout
    assert dict(re.findall(r"line (\d): (.+)", done.stdout)) == {
        "3": "no row has that text", "4": "its intent is 'expense', not 'badge'", "5": "no row has the intent 'expence'",
        "7": "line 6 says 'payment' of the same text"}
    after, version = rows_at(str(project / "data"))
    before, after = (rows.sort_values("line").reset_index(drop=True) for rows in (before, after))
    assert after["intent"].tolist() == ["payment"] * 3 + ["expense"] * 2 + ["payment"] * 2
    assert after.drop(columns="intent").equals(before.drop(columns="intent"))
    newest = commits(open_table(str(project / "data")))[0]
    assert (newest.what, newest.rows, newest.source) == ("relabel", 3, "checked.csv")
    assert (newest.who, newest.why) == ("Ann", "second look")
    assert json.loads((project / "data.lock").read_text())["version"] == version == 2
    assert rows_at(str(project / "data"), 1)[0].sort_values("line")["intent"].tolist() == before["intent"].tolist()
    assert "relabelled       2  badge is now payment" in mlbot("data", "diff", "1", "2").stdout
    lock = (project / "data.lock").read_text()
    (project / "data.lock").write_text(lock.replace('"version": 2', '"version": 1'))  # as if it was cut off before the lock
    begun = project / "data" / "_delta_log" / "00000000000000000009.json#1"
    begun.touch()
    os.utime(begun, (0, 0))
    again = mlbot("data", "relabel", file, "--why", "again")
    assert (project / "data.lock").read_text() == lock and not begun.exists()
    assert "relabelled: 0 rows, by 0 lines of checked.csv; 2 lines were so already" in again.stdout
    assert rows_at(str(project / "data"))[1] == 2                                # nothing changed, so there is no commit


def test_an_intent_that_the_data_does_not_have_is_let_in_only_when_asked(store, mlbot, csv_file):
    project, _ = store
    file = csv_file("text,old,new\nhotel bill,expense,travel\n", "new.csv")
    assert mlbot("data", "relabel", file, "--why", "x").returncode == 2
    done = mlbot("data", "relabel", file, "--why", "x", "--new-intents")
    assert done.returncode == 0 and "travel" in set(rows_at(str(project / "data"))[0]["intent"]), done.stderr


def test_no_side_moves_and_no_ledger_becomes_untrue(tmp_path):
    """A third of the sample gets another label: the same texts are trained on, and no model of before has seen the test."""
    url, columns = str(tmp_path / "store"), Columns(context=("role", "location"))
    append(batch_rows(read_utterances(sample_file(), columns, DATA)), url, {}, placed)
    old = read_locked(tmp_path, url, columns, DATA).rows
    trained = digests_of(split(read_store(url, columns, DATA), DATA).train["text"])
    intents = sorted(set(old["intent"]))
    asked = [Correction(at, row.text, row.intent, intents[intents.index(row.intent) - 1]) for at, row in
             enumerate(old.iloc[::3].itertuples())]
    changed, done = relabel_store(url, asked, {"who": "Ann"})
    assert changed >= len(asked) - len(done.problems) > 100
    sides = split(read_store(url, columns, DATA), DATA)
    assert (digests_of(sides.train["text"]) == trained).all()
    assert audit_model("m", trained, sides.test, sides.train).exact == 0
    again, new = append(batch_rows(read_utterances(sample_file(), columns, DATA)), url, {}, placed)
    assert (again, new) == (1, False)                                            # the old file brings no old label back


def test_a_context_that_the_file_names_is_the_only_one_that_changes_and_quarantine_is_no_hiding_place(tmp_path):
    url = str(tmp_path / "store")
    rows = rows_of(["new card", "new card", "old card"], "1" * 16, role=["buyer", "clerk", ""]).assign(intent="a")
    append(rows.assign(reason=["", "", QUARANTINE], line=[2, 3, 4]), url, {})
    append(rows_of(["one text", "two texts"], "2" * 16), url, {})
    asked = [Correction(2, "new card", "a", "b", (("role", "clerk"),)), Correction(3, "old card", "a", "b"),
             Correction(4, "new card", "a", "b", (("role", "boss"),))]
    assert relabel_store(url, asked, {})[0] == 2
    found = rows_at(url)[0].query("batch == '1111111111111111'").sort_values("line")
    assert found["intent"].tolist() == ["a", "b", "b"] and found["reason"].tolist() == ["", "", QUARANTINE]


def test_labels_change_while_another_writer_appends_and_nothing_is_lost(tmp_path):
    url = str(tmp_path / "store")
    append(rows_of([f"text {at}" for at in range(20)], "0" * 16), url, {})
    other = writer(url, "w", 0, 40)
    for at in range(20):
        old = rows_at(url)[0].query(f"text == 'text {at}'")["intent"].iloc[0]
        assert relabel_store(url, [Correction(2, f"text {at}", old, "b" if old == "a" else "a")], {})[0] == 1
    assert other.wait(100) == 0
    rows = rows_at(url)[0]
    assert len(rows) == 20 + 80 and rows["batch"].nunique() == 41
    assert rows[rows["batch"] == "0" * 16].set_index("text")["intent"].to_dict() == {
        f"text {at}": "ba"[at % 2] for at in range(20)}


def test_the_list_of_a_run_is_filled_in_and_sent_back(tmp_path):
    """Lines with an empty `new` ask for nothing; a cell that a spreadsheet would run comes back with its apostrophe."""
    rows = rows_of(["=new card", "new card", "my pin"]).assign(intent=["badge", "payment", "payment"], line=[2, 3, 4])
    table = as_table(check_conflicts(rows, []))
    assert table["intent"].tolist() == ["badge", "payment"] and table["new"].tolist() == ["", ""]
    export_csv(tmp_path / "checks.csv", table.assign(new=["payment", ""]))
    asked = read_corrections(tmp_path / "checks.csv", Columns())
    assert [(item.line, item.old, item.new) for item in asked] == [(2, "badge", "payment")]
    assert relabel(rows, asked).labels.tolist() == ["payment", "", ""]


def test_a_plain_file_gets_a_corrected_copy(project, mlbot, csv_file):
    (project / "settings.ini").write_text("[data]\nsource = utterances.csv\nlabel = label\n")
    rows = ["7;\"new badge; please\";badge", "8;hotel bill;badge", "9;taxi receipt;expense"]
    file = csv_file("\n".join(["id;text;label", *rows]), "utterances.csv")
    fixes = csv_file("text,old,new\nHotel bill!,badge,Expense\nmy pin,badge,expense\n", "fixes.csv")
    done = mlbot("data", "relabel", fixes, "--in", file, "--to", "corrected.csv")
    assert done.returncode == 2 and "line 3: no row has that text" in done.stdout, done.stderr
    corrected = file.read_text().replace("8;hotel bill;badge", "8;hotel bill;expense")
    assert (project / "corrected.csv").read_text() == corrected  # in the spelling of the other rows; nothing else moves
    twice = mlbot("data", "relabel", fixes, "--in", file, "--to", "corrected.csv")
    assert twice.returncode == 2 and "would replace a file" in twice.stderr
    assert mlbot("data", "relabel", fixes, "--in", file).returncode == 2         # where to?


def test_rows_that_are_named_by_a_number_are_found_in_the_files_of_the_numbers(store, mlbot, csv_file):
    project, _ = store
    week = csv_file("id,text,intent\nL1,hotel bill,expense\nL2,i lost my card,badge\n", "weeks.csv")
    file = csv_file("id,intent\nL1,payment\nP9,payment\n", "relabelled.csv")
    done = mlbot("data", "relabel", file, "--id", "id", "--of", week, "--why", "a new team")
    assert done.returncode == 2 and "line 3: id is in none of the other files" in done.stdout
    assert rows_at(str(project / "data"))[0].set_index("text")["intent"]["hotel bill"] == "payment"


@pytest.mark.parametrize("content, met", [("", "the file is empty"), ("text,intent\nx,y\n", "no column of the new intent"),
                                          ("words,intent,new\nx,y,z\n", "no column of the text"),
                                          ("text,intent,new\nx,y\n", "line 2 has 2 fields")])
def test_a_file_that_is_no_list_of_corrections_changes_nothing(store, mlbot, csv_file, content, met):
    project, _ = store
    done = mlbot("data", "relabel", csv_file(content, "bad.csv"), "--why", "x")
    assert done.returncode == 2 and met in done.stderr and rows_at(str(project / "data"))[1] == 1
    with pytest.raises(InputError):
        relabel_file(project / "none.csv", project / "to.csv", [], replace(Columns(), label="intent"))
