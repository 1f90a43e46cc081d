"""Slips that everybody makes once in a notebook: each is an error with its way out, and none is a number that looks right."""

from datetime import timedelta
from enum import Enum

import numpy as np
import pytest

from mlbot import gates
from mlbot.errors import InputError
from mlbot.gates import gating

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 2, 60)
CHANCE = np.clip(0.3 * TRUTH + 0.7 * RNG.random(60), 0, 1)
ONE_HOT, OTHER = np.eye(3)[[0, 1, 2] * 20], np.eye(3)[[1, 2, 0] * 20]
ONES, QUERIES = np.ones(60), np.repeat(range(30), 2)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """A kernel that has judged nothing yet, whatever other tests have judged in this one."""
    for name in ("_verdicts", "_stopped", "_replaced"):
        monkeypatch.setattr(gating, name, {})


@pytest.mark.parametrize("call, says", [
    (lambda: gates.roc_auc(TRUTH, np.c_[1 - CHANCE, CHANCE]), "probability[:, 1]"),
    (lambda: gates.accuracy(ONE_HOT, OTHER), "as argmax does"), (lambda: gates.macro_f1(ONE_HOT, OTHER), "as argmax does"),
    (lambda: gates.accuracy(TRUTH, CHANCE), "score >= 0.5"), (lambda: gates.share("x", ONE_HOT > 0), "one flag a row"),
    (lambda: gates.mean_of("x", ONE_HOT), "one value a row"), (lambda: gates.percentile_of("x", ONE_HOT), "one value a row"),
    (lambda: gates.ndcg(ONE_HOT, ONE_HOT, range(60)), "one value a row"),
    (lambda: gates.mean_absolute_error(ONE_HOT, ONE_HOT), "one value a row"),
    (lambda: gates.accuracy(dict(enumerate(TRUTH)), dict(enumerate(1 - TRUTH))), "in the order of the rows"),
    (lambda: gates.f1({0, 1}, {0, 1}), "no order"), (lambda: gates.accuracy("yes", "yes"), "a single str"),
    (lambda: gates.mean_absolute_error(TRUTH, 0.5), "a single float"), (lambda: gates.mean_of("x", 3.0), "a single float"),
    (lambda: gates.accuracy(TRUTH, TRUTH, groups="user"), "a single str"),
    (lambda: gates.ndcg(TRUTH, CHANCE, QUERIES, weights=range(60)), "weights differ between the rows of a query")])
def test_a_matrix_where_a_column_belongs_is_no_sample_of_rows(call, says):
    """Cells are not rows: one-hot labels that were all wrong had an accuracy of a third."""
    with pytest.raises(InputError) as caught:
        call()
    assert says in str(caught.value)


def test_a_matrix_of_one_column_is_that_column():
    """`predict` of many libraries gives one; subtracting it from a column would compare each row with every other."""
    assert gates.mean_absolute_error(TRUTH[:, None], CHANCE).value == gates.mean_absolute_error(TRUTH, CHANCE).value
    assert gates.roc_auc(TRUTH[:, None], CHANCE[:, None]).value == gates.roc_auc(TRUTH, CHANCE).value


def as_objects(column, convert):
    """A column of objects, as pandas and polars hold arrays, members of an enumeration and numbers of other libraries."""
    found = np.empty(len(column), object)
    for at, item in enumerate(column):
        found[at] = convert(item)
    return found


class Sparse:
    """A matrix that has `toarray` and neither a length nor items, as those of scipy."""

    def __init__(self, matrix):
        self.matrix = np.asarray(matrix)

    def toarray(self):
        return self.matrix

    def __iter__(self):
        raise TypeError("no rows")


SIDE = Enum("SIDE", "no yes")


@pytest.mark.parametrize("held", [
    lambda column: as_objects(column, np.array), lambda column: (int(item) for item in column),
    lambda column: as_objects(column, lambda item: np.array([item])), lambda column: Sparse(np.asarray(column)[:, None])])
def test_rows_are_read_from_whatever_holds_them(held):
    """Arrays of one number, generators and sparse columns: some were a TypeError, and others were compared as objects."""
    said = TRUTH ^ (CHANCE > 0.8)
    for metric, other in ((gates.accuracy, said), (gates.f1, said), (gates.roc_auc, 1000 * CHANCE.round(3))):
        assert metric(held(TRUTH), held(other)) == metric(TRUTH, other.astype(int))
    assert gates.accuracy(TRUTH, said, groups=held(QUERIES), weights=held(1 + QUERIES)) == gates.accuracy(
        TRUTH, said, groups=QUERIES, weights=1 + QUERIES)
    sides = [as_objects(column, lambda item: SIDE.yes if item else SIDE.no) for column in (TRUTH, said)]
    assert gates.recall(*sides, positive=SIDE.yes) == gates.recall(TRUTH, said)


def test_tags_of_a_row_may_be_a_set_and_matrices_may_be_sparse():
    """Each is the same table of rows and labels; a set for each row was refused."""
    truth, said = RNG.random((60, 3)) < 0.5, RNG.random((60, 3)) < 0.5
    sets = [[{"abc"[at] for at in np.flatnonzero(row)} for row in side] for side in (truth, said)]
    for metric in (gates.multilabel_f1, gates.hamming_loss, gates.subset_accuracy):
        found = metric(truth, said).value
        assert metric(*sets).value == metric(Sparse(truth), Sparse(said)).value == pytest.approx(found)
        assert metric(*([tuple(row) for row in side] for side in sets)).value == pytest.approx(found)


def test_spans_of_time_are_seconds():
    """They were refused, although durations are what a percentile is for."""
    found = gates.percentile_of("wait", [timedelta(milliseconds=at) for at in range(1000)], percent=50)
    assert (found.unit, round(found.value, 2)) == ("s", 0.5)
    assert gates.mean_absolute_error(np.arange(60, dtype="m8[m]"), np.zeros(60, "m8[s]")).value == pytest.approx(29.5 * 60)


@pytest.mark.parametrize("call, says", [
    (lambda: gates.mean_of("x", ONES, better="hihger"), "higher or lower"),
    (lambda: gates.percentile_of("x", ONES, percent=0.95), "such as 95"),
    (lambda: gates.quantile_loss(TRUTH, CHANCE, 90), "between 0 and 1"),
    (lambda: gates.precision_at_recall(TRUTH, CHANCE, recall=1.5), "between 0 and 1"),
    (lambda: gates.recall_at_precision(TRUTH, CHANCE, precision=80), "between 0 and 1"),
    (lambda: gates.top_k_accuracy([0, 1, 2] * 20, ONE_HOT, classes=[0, 1, 2], k=3), "every row is right"),
    (lambda: gates.interval_coverage(CHANCE, CHANCE + 0.1, CHANCE - 0.1), "low is above high in 60 rows"),
    (lambda: gates.ndcg([-1, 1] * 30, CHANCE, QUERIES), "0 or more"),
    (lambda: gates.calibration_error(100 * ONES, ONES > 0), "from 0 to 1"),
    (lambda: gates.calibration_error(np.nan * ONES, ONES > 0), "missing in 60 of 60"),
    (lambda: gates.mean_of("x", 1e308 * ONES), "squared"), (lambda: gates.metric_of("x", lambda: 1), "no column"),
    (lambda: gates.metric_of("x", lambda column: column, CHANCE), "one number"),
    (lambda: gates.ndcg(TRUTH, CHANCE, [0] * 60, k="3"), "a whole number"),
    (lambda: gates.precision_at_k(TRUTH, CHANCE, [0] * 60, k=2.5), "a whole number")])
def test_an_option_or_a_value_off_its_scale_is_refused(call, says):
    """A quantile of 90 had a loss of -8.9, and a percentile of 0.95 was the smallest value."""
    with pytest.raises(InputError) as caught:
        call()
    assert says in str(caught.value)


@pytest.mark.parametrize("metric", [gates.accuracy, gates.macro_f1, gates.recall_by_intent,
                                    lambda truth, said, **given: gates.calibration_error(0.5 * ONES, truth == said, **given)])
@pytest.mark.parametrize("given, says", [
    ({"groups": ["a"] * 59}, "60"), ({"groups": [None] * 60}, "group"), ({"groups": [float("nan")] * 60}, "group"),
    ({"groups": ONE_HOT}, "group"), ({"weights": ["a"] * 60}, "weight"), ({"weights": ONE_HOT}, "weight")])
def test_groups_and_weights_fit_the_rows_or_are_refused(metric, given, says):
    """Groups that were one row short were taken as they came, and made another interval."""
    with pytest.raises(InputError) as caught:
        metric(TRUTH, TRUTH, **given)
    assert says in str(caught.value)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e90])
def test_the_size_of_weights_does_not_matter(size):
    """Only their proportions do; very small ones gave no value at all."""
    weights = 1 + RNG.random(60)
    for metric in (gates.roc_auc, gates.average_precision, gates.brier_score):
        plain, scaled = (metric(TRUTH, CHANCE, weights=factor * weights).value for factor in (1, size))
        assert scaled == pytest.approx(plain)


def test_an_intent_whose_rows_all_have_weight_0_is_left_out():
    """It has no row that counts; the call ended in an error about the weights of the others."""
    found = gates.recall_by_intent(["a"] * 30 + ["b"] * 30, ["a"] * 60, weights=[1] * 30 + [0] * 30)
    assert [score.metric for score in found] == ["a"]


@pytest.mark.parametrize("written", ["Pay", " pay", "ｐａｙ"])
def test_labels_that_differ_in_writing_only_are_no_wrong_answers(written):
    """An accuracy of 0 would send somebody to look for a fault in the model; one right label, and they are two labels."""
    with pytest.raises(InputError, match="in writing only"):
        gates.accuracy(["pay"] * 30, [written] * 30)
    assert gates.accuracy(["pay"] * 30, ["pay"] + [written] * 29).value == pytest.approx(1 / 30)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x1b[31m", "x" * 121, 3])
def test_a_gate_has_a_name_that_can_be_read(name):
    """It stands in logs and reports, and names a file; a line break in it would forge a line."""
    with pytest.raises(InputError, match="one line of text"):
        gates.gate(name, gates.accuracy(TRUTH, TRUTH), floor=0.5)


def test_rows_that_cannot_be_kept_and_runs_that_are_not_there_are_errors_of_the_call(tmp_path, capsys):
    """Each was a traceback, or spoke of names of objects."""
    score, ids = gates.accuracy(TRUTH, TRUTH), range(60)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be kept"):
        gates.gate("one", score, floor=0.5, against="last green", ids=ids, kept=tmp_path / "file")
    with pytest.raises(InputError, match="'last green'"):
        gates.gate("one", score, floor=0.5, against="last gren", ids=ids)
    gates.gate("one", score, floor=0.5, against="last green", ids=ids, kept=tmp_path / "kept")
    named = (tmp_path / "kept" / "one.parquet").rename(tmp_path / "my run.parquet")
    gates.gate("one", score, floor=0.5, against=named, ids=ids)
    assert "one against my run" in capsys.readouterr().out


def test_ids_stay_the_same_in_each_type_that_a_table_gives_them(tmp_path, capsys):
    """A missing row turns whole numbers into fractions, and an index of two levels holds tuples."""
    score, kept = gates.accuracy(TRUTH, TRUTH), {"floor": 0.5, "against": "last green", "kept": tmp_path}
    for ids in (range(60), np.arange(60.0), list(map(str, range(60)))):
        gates.gate("one", score, ids=ids, **kept)
    for ids in ([(at // 2, at % 2) for at in range(60)], [(at / 2 - at % 2 / 2, str(at % 2)) for at in range(60)]):
        gates.gate("pairs", score, ids=ids, **kept)
    assert capsys.readouterr().out.count("(n=60, 95 %") == 5 + 3
    with pytest.raises(InputError, match="1 of 60 ids are missing"):
        gates.gate("one", score, ids=[None, *range(59)], **kept)


def test_renamed_labels_and_another_unit_are_no_gain(tmp_path):
    """Judged by today's labels each old prediction was wrong, and the worst model was surely better than the one before."""
    kept = {"against": "last green", "kept": tmp_path, "ids": range(60)}
    gates.gate("one", gates.accuracy(TRUTH, TRUTH), floor=0.5, **kept)
    with pytest.raises(InputError, match="60 of 60 rows have another truth"):
        gates.gate("one", gates.accuracy(1 - TRUTH, 1 - TRUTH), floor=0.5, **kept)
    gates.gate("two", gates.mean_absolute_error(ONES, CHANCE), ceiling=2, **kept)
    with pytest.raises(InputError, match="60 of 60 rows have another truth"):
        gates.gate("two", gates.mean_absolute_error(ONES / 1000, CHANCE), ceiling=2, **kept)
