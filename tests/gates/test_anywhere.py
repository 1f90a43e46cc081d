"""A gate in any notebook: three lines, labels of any kind, no project, and a comparison with the last green run."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mlbot.errors import GateFailed, InputError, NoVerdict
from mlbot.gates import Score, accuracy, gate, gating, share, verdicts
from mlbot.gates.gating import LAST_GREEN, run_before
from mlbot.gates.kept import Kept, as_parquet, from_parquet, storable_sample

IDS = np.arange(1000)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """A kernel that has judged nothing yet, in a folder of its own."""
    for name in ("_verdicts", "_stopped", "_replaced"):
        monkeypatch.setattr(gating, name, {})
    for name in ("MLBOT_NOTEBOOK", "MLBOT_GATES", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def answers(right: int, n: int = 1000):
    """A score of `right` correct answers: which are right, so that fewer right answers means that some broke."""
    return accuracy(["x"] * n, ["x"] * right + ["y"] * (n - right))


def kept(gate_name: str = "accuracy") -> str:
    """The score of the last green run in words, '' where nothing is kept."""
    before = run_before(gate_name, LAST_GREEN).kept
    return before.said if before else ""


@pytest.mark.parametrize("truth, predicted", [
    ([0, 1, 1], [0, 1, 0]), (["a", "b", "b"], ["a", "b", "a"]), ([True, False, False], [True, False, True]),
    (np.array([0, 1, 1]), np.array([0, 1, 0])), (pd.Series([0, 1, 1]), [0, 1, 0]),
    (pd.Series(["a", "b", "b"], dtype="category"), pd.Series(["a", "b", "a"], dtype="string")),
    ((2.0, 1.0, 1.0), (2.0, 1.0, 2.0))])
def test_labels_of_any_kind_are_judged_in_three_lines(truth, predicted, capsys):
    gate("accuracy", accuracy(truth, predicted), floor=0.1)
    assert "accuracy 0.667 (n=3" in capsys.readouterr().out
    with pytest.raises(GateFailed):
        gate("accuracy", accuracy(list(truth) * 99, list(predicted) * 99), floor=0.9)


def test_a_gate_needs_numpy_and_nothing_else(tmp_path):
    """What `pip install mlbot-ci` brings is enough: everything heavier is hidden, and the verdict is the same."""
    program = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("scipy", "pandas", "sklearn", "matplotlib", "IPython", "arro3", "obstore", "pydantic"):
            raise ImportError(name)
if "hide" in sys.argv:
    sys.meta_path.insert(0, Hidden())
from mlbot.gates import accuracy, gate, macro_f1
gate("accuracy", accuracy([0, 1] * 50, [0, 1] * 45 + [1, 1] * 5), floor=0.8)
gate("macro_f1", macro_f1([0, 1] * 50, [0, 1] * 45 + [1, 1] * 5, groups=[at // 2 for at in range(100)]), floor=0.8)
gate("accuracy", accuracy([0, 1] * 50, [0, 1] * 25 + [1, 0] * 25), floor=0.8)
"""
    hidden, usual = (subprocess.run([sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True)
                     for words in (["hide"], []))
    assert hidden.returncode == usual.returncode == 1 and hidden.stdout == usual.stdout
    assert "accuracy 0.950 (n=100, 95 % " in usual.stdout and "is below its floor 0.800" in usual.stdout
    assert "the call of gate(...)" in hidden.stderr  # no settings are there in which to change a floor


def test_gates_of_notebooks_need_no_more_than_their_extra(tmp_path):
    """`pytest --gates` with a parameter, in an environment without tables, models and pictures; it needed pandas."""
    (tmp_path / "one.ipynb").write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
        {"cell_type": "code", "id": "a", "execution_count": None, "outputs": [], "metadata": {"tags": ["parameters"]},
         "source": "right = 50"},
        {"cell_type": "code", "id": "b", "execution_count": None, "outputs": [], "metadata": {},
         "source": "from mlbot.gates import accuracy, gate"},
        {"cell_type": "code", "id": "c", "execution_count": None, "outputs": [], "metadata": {},
         "source": "gate('accuracy', accuracy([1] * 100, [1] * right + [0] * (100 - right)), floor=0.8)"}]}))
    program = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("scipy", "pandas", "sklearn", "matplotlib", "pydantic", "sqlalchemy", "fastapi"):
            raise ImportError(name)
sys.meta_path.insert(0, Hidden())
import pytest
sys.exit(pytest.main(["-p", "no:cacheprovider", "-q", "--gates", "one.ipynb", *sys.argv[1:]]))
"""
    red, green = (subprocess.run([sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True)
                  for words in ([], ["-P", "right=99"]))
    assert (red.returncode, green.returncode) == (1, 0), red.stdout + green.stdout
    assert "No: 1 red of 1 gate" in red.stdout and "Yes: no gate is red of 1 gate" in green.stdout


@pytest.mark.parametrize("given, found", [
    (0.93, "got a float"), (np.float64(0.93), "got a float64"), ("0.9", "got a str")])
def test_a_number_without_its_rows_is_refused_and_a_metric_named(given, found):
    with pytest.raises(InputError, match=found) as refused:
        gate("auc", given, floor=0.8)
    assert "mlbot.gates" in refused.value.action


@pytest.mark.parametrize("limits", [{"floor": 80}, {"ceiling": 80}, {"floor": 1.5}, {"floor": np.nan}, {"stretch": 95}])
def test_a_limit_in_percent_is_refused_for_a_share(limits):
    with pytest.raises(InputError, match="gate accuracy: "):
        gate("accuracy", share("accuracy", IDS < 900), **limits)


def test_the_first_run_is_kept_and_one_that_is_surely_worse_is_red_and_not_kept(capsys):
    gate("accuracy", answers(800), floor=0.7, against="last green", ids=IDS)
    assert "nothing is kept in .gates/accuracy.parquet yet" in capsys.readouterr().out and kept().startswith("accuracy 0.800")
    gate("accuracy", answers(803), floor=0.7, against="last green", ids=IDS)
    assert "better 3: 802, 801, 800" in capsys.readouterr().out and kept().startswith("accuracy 0.803")
    with pytest.raises(GateFailed, match="against last green -0.033 .* is surely worse"):
        gate("accuracy", answers(770), floor=0.7, against="last green", ids=IDS)
    assert "worse 33: 770, 771" in capsys.readouterr().out and kept().startswith("accuracy 0.803")
    assert [item.gate for item in verdicts()] == ["accuracy", "accuracy against last green"]


def test_a_loss_within_the_margin_is_accepted():
    gate("accuracy", answers(800), against="last green", ids=IDS)
    gate("accuracy", answers(770), against="last green", ids=IDS, margin=0.05)
    assert kept().startswith("accuracy 0.770")


def test_rows_are_paired_by_id_in_any_order_and_new_rows_are_left_out(capsys):
    gate("accuracy", answers(800), against="last green", ids=IDS)
    back = np.arange(1099, -1, -1)  # reversed, and 100 rows more
    gate("accuracy", accuracy(["x"] * 1100, np.where(back < 798, "x", "y")), against="last green", ids=back)
    out = capsys.readouterr().out
    assert "worse 2: 798, 799" in out and "rows 100 only in this run" in out


def test_what_earlier_gates_kept_is_put_back_when_a_later_one_is_red():
    gate("accuracy", answers(800), against="last green", ids=IDS)
    gate("other", answers(900), against="last green", ids=IDS)
    gate("accuracy", answers(820), against="last green", ids=IDS)  # the next run of the notebook
    assert kept().startswith("accuracy 0.820")
    with pytest.raises(GateFailed):
        gate("other", answers(500), floor=0.8, against="last green", ids=IDS)
    assert kept().startswith("accuracy 0.800") and kept("other").startswith("accuracy 0.900")
    gate("third", answers(900), against="last green", ids=IDS)
    assert not kept("third")  # the run was red already
    gate("accuracy", answers(821), against="last green", ids=IDS)  # and the next one is a run of its own
    assert kept().startswith("accuracy 0.821")


def test_looking_keeps_nothing():
    gate("accuracy", answers(800), against="last green", ids=IDS, keep=False)
    assert not kept()


def test_a_file_is_compared_with_and_never_written(tmp_path):
    rows = Kept(storable_sample(answers(800).sample), IDS.astype(str))
    file = tmp_path / "may.parquet"
    file.write_bytes(as_parquet(rows))
    before = file.read_bytes()
    with pytest.raises(GateFailed, match="accuracy against may -0.100"):
        gate("accuracy", answers(700), against=file, ids=IDS)
    gate("accuracy", answers(810), against=str(file), ids=IDS)
    assert file.read_bytes() == before and not (tmp_path / ".gates").exists()
    with pytest.raises(InputError, match="nothing is kept there"):
        gate("accuracy", answers(700), against="june.parquet", ids=IDS)


@pytest.mark.parametrize("ids, found", [
    (None, "0 ids for 1,000 rows"), (IDS[:9], "9 ids for 1,000 rows"), (IDS // 2, "500 ids name several rows, such as '0'")])
def test_ids_that_do_not_name_the_rows_are_refused(ids, found):
    with pytest.raises(InputError, match=found):
        gate("accuracy", answers(800), against="last green", ids=ids)
    assert not verdicts()


def test_rows_of_another_notebook_another_metric_or_none_at_all_are_not_compared_with(monkeypatch):
    monkeypatch.setenv("MLBOT_GATES", "shared")
    monkeypatch.setenv("MLBOT_NOTEBOOK", "sales.ipynb")
    gate("accuracy", answers(800), against="last green", ids=IDS)
    with pytest.raises(InputError, match="metric"):
        gate("accuracy", share("accuracy", IDS < 800), against="last green", ids=IDS)
    with pytest.raises(NoVerdict, match="not measured"):
        gate("accuracy", answers(800), against="last green", ids=IDS + 5000)
    monkeypatch.setenv("MLBOT_NOTEBOOK", "support.ipynb")
    with pytest.raises(InputError, match="from the notebook 'sales'"):
        gate("accuracy", answers(800), against="last green", ids=IDS)


def test_a_score_without_rows_and_a_family_cannot_be_compared():
    for score in (Score("accuracy", 0.8, 1000, 0.7, 0.9), [share("a", IDS < 9)]):
        with pytest.raises(InputError, match="does not know its rows"):
            gate("accuracy", score, against="last green", ids=IDS)


def test_a_damaged_file_is_named_and_stays_as_it_is(tmp_path):
    gate("accuracy", answers(800), against="last green", ids=IDS)
    file = tmp_path / ".gates" / "accuracy.parquet"
    whole = file.read_bytes()
    for damaged in (whole[:-20], b"", b"PAR1" * 9, whole[:40] + b"\0" * 40 + whole[80:]):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read") as refused:
            gate("accuracy", answers(800), against="last green", ids=IDS)
        assert str(file.name) in refused.value.place and file.read_bytes() == damaged


def test_labels_that_parquet_does_not_know_are_kept_as_texts():
    days = np.array(["2026-11-29", "2026-11-30"], "datetime64[D]")
    score = accuracy(np.tile(days, 50), np.repeat(days, 50), groups=np.repeat(days, 50))
    again = from_parquet(as_parquet(Kept(score.sample, np.arange(100).astype(str))), "x")
    assert again.sample.columns["truth"][:2].tolist() == ["2026-11-29", "2026-11-30"] and len(set(again.sample.groups)) == 2


def test_names_for_people_editors_and_the_cache_of_results_are_the_same():
    """A name that only `__getattr__` knows would be missing from the key of a stored result."""
    import mlbot.gates
    from mlbot.run.dependencies import load_module
    told = load_module("mlbot.gates", ()).imported
    assert set(told) - {"import_module"} == set(mlbot.gates.PUBLIC) == set(mlbot.gates.__all__)
    for name, (module, there) in told.items():
        if name in mlbot.gates.PUBLIC:
            assert module == f"mlbot.{mlbot.gates.PUBLIC[name]}" and there == name and callable(getattr(mlbot.gates, name))
