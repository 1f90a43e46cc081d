"""A file that is refused is told everything that is wrong with it, with counts and lines, in one answer."""

import json
import random

import pytest

from mlbot.data.source import choose, load_source
from mlbot.data.table import Columns, read_utterances
from mlbot.errors import InputError
from mlbot.run.judge import as_error
from mlbot.settings import load_settings

SETTINGS = load_settings()
GOOD = [f"open the door number {n},open,train" for n in range(4)] + [f"shut the gate number {n},shut,test" for n in range(4)]


WITH_SIDES = Columns(side="split")


def refused(file, columns: Columns = WITH_SIDES) -> InputError:
    """The error with which a file is refused."""
    with pytest.raises(InputError) as caught:
        read_utterances(file, columns, SETTINGS.data)
    return caught.value


def test_every_kind_of_problem_is_in_the_answer(csv_file):
    """Rows that do not fit, sides that are none, intents with one row: each with its count and its first lines."""
    rows = [*GOOD, "hi, there,open,train", "oh, no, dear,shut,test", "paint it,paint,tset", "x,open,tset"]
    told = str(refused(csv_file("\n".join(["text,intent,split", *rows]))))
    assert "utterances.csv: 3 problems" in told
    assert "2 rows with another number of fields than the header, 3 (lines 10, 11): put quotes around a text" in told
    assert "2 rows of the side 'tset' (lines 12, 13)" in told and "1 intent with fewer than 2 rows that fit (paint 1)" in told
    assert "--tiny set_aside" in told and told.splitlines()[-1] == "  do: correct the file, then run the command again"


def test_a_missing_column_and_broken_rows_are_said_together(csv_file):
    """The column that you named is not there, and a row does not fit either."""
    file = csv_file("\n".join(["text,intent,split", *GOOD, "hi, there,open,train"]))
    told = str(refused(file, Columns(label="topic", side="split")))
    assert "2 problems" in told and 'column "topic" not found' in told and "1 row with another number of fields" in told


def test_lines_of_json_are_counted(csv_file):
    """Lines that are no objects, wherever they are."""
    lines = [json.dumps({"text": f"open it {n}", "intent": "open"}) for n in range(5)]
    lines[2:2] = ["not json", "[1, 2]"]
    problem = refused(csv_file("\n".join([*lines, '{"text": '] + lines), "x.jsonl"), Columns())
    assert "line 3 is not JSON" in problem.found  # the one kind of problem: as it was met


def test_one_problem_is_told_as_before(csv_file):
    """A list of one would only be longer."""
    file = csv_file("\n".join(["text,intent,split", *GOOD, "hi, there,open,train"]))
    assert refused(file).found.startswith("line 10 has 4 fields")


def test_what_an_unclosed_quote_swallows_is_not_judged(csv_file):
    """Nothing is said of intents whose rows were not looked at."""
    rows = [GOOD[0], 'open "it,open,train', '"never closed,open,train', *GOOD]
    told = str(refused(csv_file("\n".join(["text,intent,split", *rows]))))
    assert "fewer than" not in told and "line 4" in told


def test_all_of_it_reaches_the_terminal_through_a_notebook():
    """An error of a notebook keeps its lines."""
    class Output(dict):
        __getattr__ = dict.__getitem__
    problem = InputError("2 problems\n  1. one\n  2. two", "", "correct it", "mine.csv")
    found = as_error(Output(ename="InputError", evalue=str(problem), traceback=[]), "1_prepare.ipynb, cell 5")
    assert str(found) == "1_prepare.ipynb, cell 5: mine.csv: 2 problems\n  1. one\n  2. two\n  do: correct it"


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_never_ends_in_anything_but_an_answer(csv_file, seed):
    """Bytes removed, doubled and changed anywhere: rows or an InputError, never a traceback."""
    luck = random.Random(seed)
    text = "\n".join(["text,intent,split", *GOOD, '"a, b",open,train', "x,y", "oh,no,dear,me"])
    for _ in range(luck.randrange(1, 9)):
        at = luck.randrange(len(text))
        text = text[:at] + luck.choice(["", ",", '"', "\n", ";", "\t", text[at] * 2]) + text[at + 1:]
    file = csv_file(text)
    try:
        assert len(load_source(*choose(SETTINGS, str(file), split_column="split"), SETTINGS).rows)
    except InputError as problem:
        assert len(str(problem).splitlines()) <= 8


def test_tiny_intents_are_set_aside_on_request(project, mlbot, csv_file):
    """Refused by the rules of the settings, with the whole command that lets the run go on; an unknown rule is refused."""
    rows = [f"{verb} the {noun},{verb}" for verb in ("open", "lend") for noun in
            ("badge", "room", "ledger", "bicycle", "drawer", "printer", "camera", "locker", "ticket", "window")]
    csv_file("\n".join(["text,intent", *rows, "paint it blue,paint"]), "mine.csv")
    done = mlbot("run", "--data", "mine.csv", "--until", "prepare")
    assert done.returncode == 2 and "go on with 2 intents" in done.stderr and "--tiny set_aside" in done.stderr
    command = done.stdout.splitlines()[-1].partition(" run ")[2].split()
    assert command == ["--data", str(project / "mine.csv"), "--until", "prepare", "--tiny", "set_aside"]
    done = mlbot("run", *command)
    assert done.returncode == 0 and "intent with too few training rows" in done.stdout
    assert "1 intent that the model does not learn: paint" in done.stdout
    assert mlbot("run", "--data", "mine.csv", "-p", "tiny=sometimes", "--until", "prepare").returncode == 2
