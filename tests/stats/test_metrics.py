"""Metrics of any model: the values are those of scikit-learn, what cannot be measured never passes, bad input is refused."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from mlbot.errors import InputError
from mlbot.gates.record import as_record, read_record
from mlbot.gates.verdict import NO_VERDICT, PASS, judge
from mlbot.settings import Target
from mlbot.stats import metrics as of
from mlbot.stats.scores import (
    Sample,
    Score,
    accuracy,
    bootstrap,
    calibration_error,
    macro_f1,
    mean_score,
    recall_by_intent,
    share,
)

DICE = np.random.default_rng(11)
N = 60
TRUE = DICE.random(N) < 0.3
SCORE = np.round(DICE.normal(TRUE * 1.0), 1)  # with ties
CHANCE = 1 / (1 + np.exp(-SCORE))
SAID = SCORE > 0.4
CLASSES = ["a", "b", "c"]
NAMES = DICE.choice(CLASSES, N)
MATRIX = DICE.dirichlet([1.0, 1.0, 1.0], N)
GUESS = np.where(DICE.random(N) < 0.6, NAMES, "a")
TAGS, TAGGED = (DICE.random((2, N, 4)) < 0.4).astype(int)
PRICE = DICE.normal(100, 20, N)
OFFER = PRICE + DICE.normal(1, 5, N)
WEIGHTS = DICE.integers(1, 6, N).astype(float)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Values are compared here; intervals are judged by benchmarks/coverage.py."""
    monkeypatch.setattr(of, "DRAWS", 60)


SAME = {
    "accuracy": (lambda **kw: accuracy(NAMES, GUESS, **kw), lambda **kw: sk.accuracy_score(NAMES, GUESS, **kw)),
    "macro_f1": (lambda **kw: macro_f1(NAMES, GUESS, draws=60, **kw),
                 lambda **kw: sk.f1_score(NAMES, GUESS, average="macro", **kw)),
    "roc_auc": (lambda **kw: of.roc_auc(TRUE, SCORE, **kw), lambda **kw: sk.roc_auc_score(TRUE, SCORE, **kw)),
    "average_precision": (lambda **kw: of.average_precision(TRUE, SCORE, **kw),
                          lambda **kw: sk.average_precision_score(TRUE, SCORE, **kw)),
    "brier_score": (lambda **kw: of.brier_score(TRUE, CHANCE, **kw), lambda **kw: sk.brier_score_loss(TRUE, CHANCE, **kw)),
    "brier_score of a matrix": (lambda **kw: of.brier_score(NAMES, MATRIX, CLASSES, **kw),
                                lambda **kw: sk.brier_score_loss(NAMES, MATRIX, labels=CLASSES, **kw)),
    "log_loss": (lambda **kw: of.log_loss(TRUE, CHANCE, **kw), lambda **kw: sk.log_loss(TRUE, CHANCE, **kw)),
    "log_loss of a matrix": (lambda **kw: of.log_loss(NAMES, MATRIX, CLASSES, **kw),
                             lambda **kw: sk.log_loss(NAMES, MATRIX, labels=CLASSES, **kw)),
    "precision": (lambda **kw: of.precision(TRUE, SAID, **kw), lambda **kw: sk.precision_score(TRUE, SAID, **kw)),
    "recall": (lambda **kw: of.recall(TRUE, SAID, **kw), lambda **kw: sk.recall_score(TRUE, SAID, **kw)),
    "f1": (lambda **kw: of.f1(TRUE, SAID, **kw), lambda **kw: sk.f1_score(TRUE, SAID, **kw)),
    "f1 of a name": (lambda **kw: of.f1(NAMES, GUESS, positive="b", **kw),
                     lambda **kw: sk.f1_score(NAMES, GUESS, labels=["b"], average="macro", **kw)),
    "balanced_accuracy": (lambda **kw: of.balanced_accuracy(TRUE, SAID, **kw),
                          lambda **kw: sk.balanced_accuracy_score(TRUE, SAID, **kw)),
    "macro_recall": (lambda **kw: of.macro_recall(NAMES, GUESS, **kw),
                     lambda **kw: sk.recall_score(NAMES, GUESS, average="macro", **kw)),
    "matthews_corrcoef": (lambda **kw: of.matthews_corrcoef(TRUE, SAID, **kw),
                          lambda **kw: sk.matthews_corrcoef(TRUE, SAID, **kw)),
    "top_k_accuracy": (lambda **kw: of.top_k_accuracy(NAMES, MATRIX, CLASSES, k=2, **kw),
                       lambda **kw: sk.top_k_accuracy_score(NAMES, MATRIX, k=2, labels=CLASSES, **kw)),
    "subset_accuracy": (lambda **kw: of.subset_accuracy(TAGS, TAGGED, **kw),
                        lambda **kw: sk.accuracy_score(TAGS, TAGGED, **kw)),
    "hamming_loss": (lambda **kw: of.hamming_loss(TAGS, TAGGED, **kw), lambda **kw: sk.hamming_loss(TAGS, TAGGED, **kw)),
    "micro F1": (lambda **kw: of.multilabel_f1(TAGS, TAGGED, **kw),
                 lambda **kw: sk.f1_score(TAGS, TAGGED, average="micro", **kw)),
    "macro F1 of labels": (lambda **kw: of.multilabel_f1(TAGS, TAGGED, "macro", **kw),
                           lambda **kw: sk.f1_score(TAGS, TAGGED, average="macro", **kw)),
    "mean_absolute_error": (lambda **kw: of.mean_absolute_error(PRICE, OFFER, **kw),
                            lambda **kw: sk.mean_absolute_error(PRICE, OFFER, **kw)),
    "median_absolute_error": (lambda **kw: of.median_absolute_error(PRICE, OFFER, **kw),
                              lambda **kw: sk.median_absolute_error(PRICE, OFFER, **kw)),
    "root_mean_squared_error": (lambda **kw: of.root_mean_squared_error(PRICE, OFFER, **kw),
                                lambda **kw: sk.root_mean_squared_error(PRICE, OFFER, **kw)),
    "r2": (lambda **kw: of.r2(PRICE, OFFER, **kw), lambda **kw: sk.r2_score(PRICE, OFFER, **kw)),
    "quantile_loss": (lambda **kw: of.quantile_loss(PRICE, OFFER, 0.9, **kw),
                      lambda **kw: sk.mean_pinball_loss(PRICE, OFFER, alpha=0.9, **kw)),
}


@pytest.mark.parametrize("name", SAME)
def test_a_value_is_that_of_scikit_learn_with_and_without_weights(name):
    """And the score is the same again when it is computed from the rows it keeps."""
    ours, theirs = SAME[name]
    for weights in (None, WEIGHTS):
        score = ours(weights=weights)
        assert score.value == pytest.approx(theirs(sample_weight=weights), abs=1e-12)
        assert score.low <= score.at_least <= score.value <= score.at_most <= score.high
        assert json.loads(json.dumps(score.sample.kind)) == score.sample.kind
        assert of.statistic_of(score.sample)(np.ones(len(score.sample))) == pytest.approx(score.value, abs=1e-12)
        if "macro_f1" != name:
            assert of.metric_from(score.sample) == score


def test_ranking_scores_are_the_means_of_scikit_learns():
    dice = np.random.default_rng(3)
    relevance, score = dice.integers(0, 3, (20, 6)), np.round(dice.normal(size=(20, 6)), 1)
    relevance[:, 0] = 1
    query = np.repeat([f"q{at:02}" for at in range(20)], 6)
    for k in (None, 3):
        found = of.ndcg(relevance.ravel(), score.ravel(), query, k)
        assert found.value == pytest.approx(sk.ndcg_score(relevance, score, k=k)) and found.n == 20
    clear, hits = np.tile([[3.0, 2.0, 1.0]], (10, 1)), np.tile([[0, 1, 1]], (10, 1))
    query = np.repeat(np.arange(10), 3)
    assert of.mean_reciprocal_rank(hits.ravel(), clear.ravel(), query).value == 0.5
    assert of.mean_reciprocal_rank(hits.ravel(), clear.ravel(), query, k=1).value == 0.0
    assert of.recall_at_k(hits.ravel(), clear.ravel(), query, 2).value == 0.5
    assert of.precision_at_k(hits.ravel(), clear.ravel(), query, 3).value == pytest.approx(2 / 3)


def test_a_tie_is_no_merit():
    assert of.mean_reciprocal_rank([1, 0], [0.5, 0.5], ["x", "x"]).value == 0.5
    assert of.top_k_accuracy(["a"], [[0.5, 0.5]], ["a", "b"], k=1).value == 0.0
    assert of.roc_auc([0, 1] * 10, [0.5] * 20).value == 0.5


def test_thresholds_are_those_of_the_curve():
    precise, found, _ = sk.precision_recall_curve(TRUE, SCORE)
    assert of.precision_at_recall(TRUE, SCORE, 0.7).value == pytest.approx(precise[found >= 0.7].max())
    assert of.recall_at_precision(TRUE, SCORE, 0.5).value == pytest.approx(found[precise >= 0.5].max())
    assert of.recall_at_precision(TRUE, -SCORE, 0.99).value == 0.0


@pytest.mark.parametrize("score", [
    lambda: of.roc_auc([1] * 30, np.arange(30.0)), lambda: of.average_precision([0] * 30, np.arange(30.0)),
    lambda: of.precision([1, 0], [0, 0]), lambda: of.recall([0, 0], [0, 1]), lambda: of.f1([0, 0], [0, 0]),
    lambda: of.matthews_corrcoef([1] * 9, [1] * 9), lambda: of.r2([2.0] * 20, np.arange(20.0)),
    lambda: of.mean_absolute_error([], []), lambda: of.balanced_accuracy([], []), lambda: of.mean_of("x", []),
    lambda: of.percentile_of("x", []), lambda: of.ndcg([], [], []), lambda: of.brier_score(np.zeros(0, bool), []),
    lambda: of.mean_absolute_error([1.0] * 50, [1.0] * 50), lambda: of.mean_of("x", [3.0] * 50),
    lambda: of.r2([1.0, 2.0], [1.0, 2.0]), lambda: of.mean_absolute_error([1.0] * 5, np.arange(5.0)),
    lambda: of.percentile_of("x", np.arange(20.0), 95), lambda: of.interval_coverage([], [], []), lambda: of.roc_auc([], []),
    lambda: of.mean_absolute_error(np.arange(50.0), np.zeros(50), groups=["x"] * 50), lambda: of.bias([], [])])
def test_what_cannot_be_measured_never_passes_and_its_record_can_be_read(score):
    """One class, no row, a constant truth, all errors equal, a single group: no number, or one without bounds."""
    found = score()
    assert not found.measured
    floor, ceiling = (None, 1e9) if found.better == "lower" else (-1e9, None)
    verdict = judge("x", found, Target(floor=floor, ceiling=ceiling))
    assert verdict.outcome == NO_VERDICT
    assert read_record(json.loads(json.dumps(as_record(verdict)))).outcome == NO_VERDICT


@pytest.mark.parametrize("score", [
    lambda: of.roc_auc([0] * 40 + [1] * 5, np.arange(45.0)), lambda: of.f1([1, 0] * 9, [1, 0] * 9),
    lambda: of.balanced_accuracy([1, 0] * 9, [1, 0] * 9), lambda: of.matthews_corrcoef([1, 0] * 9, [1, 0] * 9),
    lambda: of.average_precision([0] * 40 + [1] * 5, np.arange(45.0)), lambda: of.multilabel_f1([[1, 0]] * 12, [[1, 0]] * 12),
    lambda: of.mean_of("stars", [5.0] * 12, (1, 5)), lambda: of.ndcg([1, 0] * 12, [2, 1] * 12, np.repeat(range(12), 2)),
    lambda: of.brier_score([1, 0] * 9, [1.0, 0.0] * 9), lambda: of.macro_recall(["a", "b", "c"] * 5, ["a", "b", "c"] * 5)])
def test_a_perfect_score_of_few_rows_is_not_certain(score):
    found = score()
    assert found.value in (0, 1, 5) and not found.open
    assert found.high - found.low > 0.05 and found.at_most - found.at_least > 0.03


def test_five_positives_among_many_negatives_count_as_five():
    rare = of.roc_auc([0] * 2000 + [1] * 5, np.arange(2005.0))
    assert rare.value == 1 and rare.low < 0.6
    assert of.recall([0] * 2000 + [1] * 5, [0] * 2000 + [1] * 5).n == 5


@pytest.mark.parametrize(("call", "error"), [
    (lambda: accuracy([0, 1], ["0", "1"]), "labels of two kinds: truth holds number, predicted holds text"),
    (lambda: accuracy([1, 2], [True, False]), "labels of two kinds"),
    (lambda: accuracy(["a", 1], ["a", 1]), "labels of two kinds"),
    (lambda: of.roc_auc(["ham", "spam"], [0.1, 0.2]), "labels are 'ham', 'spam'"),
    (lambda: of.roc_auc(["ham", "spam"], [0.1, 0.2], positive="spma"), "the positive label 'spma' is not among the labels"),
    (lambda: of.roc_auc([0, 1], [0.1, np.nan]), r"score is missing in 1 of 2 rows \(counted from 0: 1\)"),
    (lambda: of.roc_auc([0, 1], [0.1, np.inf]), "score is infinite"),
    (lambda: of.roc_auc([0, 1], ["0.1", "0.2"]), "score holds text"),
    (lambda: of.roc_auc([0, 1], [0.1]), "truth has 2, score has 1"),
    (lambda: of.roc_auc([0, 1], [0.1, 0.2], groups=["x", None]), "groups is missing in 1 of 2 rows"),
    (lambda: of.roc_auc([0, 1], [0.1, 0.2], weights=[1, -1]), "a weight is negative"),
    (lambda: share("x", [True, False], weights=[0, 0]), "all are 0"),
    (lambda: of.brier_score([0, 1], [0.1, 1.2]), "not between 0 and 1"),
    (lambda: of.log_loss(["a", "b"], [[0.4, 0.4], [0.5, 0.5]], ["a", "b"]), "does not add up to 1"),
    (lambda: of.log_loss(["a", "z"], [[0.5, 0.5]] * 2, ["a", "b"]), "no column for the label 'z'"),
    (lambda: of.log_loss(["a", "b"], [[0.5, 0.5]] * 2, ["a", "b", "c"]), r"shape \(2, 2\) and 3 classes"),
    (lambda: of.hamming_loss([[1, 2]], [[1, 0]]), "matrices of shapes"),
    (lambda: of.multilabel_f1([[1]], [[1]], "weighted"), "average is 'weighted'"),
    (lambda: of.ndcg([1, 0], [2, 1], ["x", "y"]), "1 of 2 queries have no relevant candidate, such as y"),
    (lambda: of.ndcg([1, 0], [2, 1], ["x", "x"], k=0), "k is 0"),
    (lambda: of.mean_of("stars", [0, 3], (1, 5)), "stars is 0 to 3"),
    (lambda: of.percentile_of("x", [1, 2], 100), "the percentile of x is 100"),
    (lambda: of.metric_of("x", lambda values: 1.0, [1, 2], weights=[1, 2]), "weights for a function that takes none"),
    (lambda: of.metric_from(Sample({"metric": "roc_au"}, {"value": np.ones(3)})), "'roc_au' of a sample is unknown"),
    (lambda: of.metric_from(Sample({"metric": "metric_of", "name": "x"}, {"value": np.ones(3)})), "is not stored")])
def test_bad_input_is_refused_and_says_what_is_wrong(call, error):
    with pytest.raises(InputError, match=error) as caught:
        call()
    assert len(str(caught.value).splitlines()) <= 6


LABELS = {"texts": (["a", "b", "b"], ["a", "b", "a"]), "numbers": ([0, 1, 1], [0, 1, 0]),
          "flags": ([False, True, True], [False, True, False]), "fractions": ([0.5, 1.5, 1.5], [0.5, 1.5, 0.5]),
          "tuples of text": (("a", "b", "b"), ("a", "b", "a"))}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("column", ["list", "numpy", "object", "pandas", "nullable", "categorical", "polars"])
def test_labels_of_any_kind_in_any_column_are_compared(labels, column):
    def made(values):
        values = list(values)
        if column == "polars":
            return pytest.importorskip("polars").Series(values)
        kinds = {"list": list, "numpy": np.array, "object": lambda part: np.array(part, object), "pandas": pd.Series,
                 "nullable": lambda part: pd.Series(part).convert_dtypes(),
                 "categorical": lambda part: pd.Series(part, dtype="category")}
        return kinds[column](values)
    truth, predicted = map(made, labels)
    assert accuracy(truth, predicted).value == 2 / 3
    assert [score.value for score in recall_by_intent(truth, predicted)] == [0.5, 1.0]
    assert macro_f1(truth, predicted).value == pytest.approx(2 / 3)


@pytest.mark.parametrize("values", [pd.Series([1, 2, None], dtype="Int64"), pd.Series(["a", "b", None]), [1, 2, None],
                                    pd.Series(["2026-01-05", "2026-01-06", None], dtype="datetime64[ns]"),
                                    np.ma.array([1, 2, 3], mask=[False, False, True]), ["a", "b", pd.NA]])
def test_a_missing_value_of_any_kind_is_refused_with_its_row(values):
    with pytest.raises(InputError, match=r"predicted is missing in 1 of 3 rows \(counted from 0: 2\)"):
        accuracy(np.zeros(3), values)


def test_pandas_columns_in_another_order_are_refused_and_others_compared_by_place():
    truth = pd.Series(["a", "b", "c"], index=[10, 11, 12])
    with pytest.raises(InputError, match="truth and predicted have the same index in another order"):
        accuracy(truth, truth.sort_values(ascending=False))
    with pytest.raises(InputError, match="truth and weight have the same index in another order"):
        of.mean_absolute_error(pd.Series([1.0, 2.0], [0, 1]), [1.0, 2.0], weights=pd.Series([1.0, 2.0], [1, 0]))
    assert accuracy(truth, pd.Series(["a", "b", "c"])).value == 1.0


def test_a_row_of_weight_zero_does_not_count():
    plain, zero = share("x", [True] * 9 + [False]), share("x", [True] * 9 + [False] * 5, weights=[1] * 10 + [0] * 4)
    assert (zero.value, zero.n) == (plain.value, plain.n) and zero.effective <= plain.effective
    assert of.mean_of("x", [1, 2, 3], weights=[1, 1, 0]).value == 1.5


def test_groups_widen_every_interval():
    """Each row four times over is no new row."""
    again = np.repeat(np.arange(N), 4)
    for call, columns in [(of.roc_auc, (TRUE, SCORE)), (of.f1, (TRUE, SAID)), (of.mean_absolute_error, (PRICE, OFFER)),
                          (of.balanced_accuracy, (TRUE, SAID)), (of.median_absolute_error, (PRICE, OFFER)),
                          (of.multilabel_f1, (TAGS, TAGGED)), (of.r2, (PRICE, OFFER))]:
        columns = [column[again] for column in columns]
        alone, together = (call(*columns, groups=groups) for groups in (None, again))
        assert alone.value == together.value and together.high - together.low > 1.4 * (alone.high - alone.low), call


def test_a_record_of_a_verdict_holds_no_row_and_replace_keeps_them():
    score = of.roc_auc(TRUE, SCORE)
    bare = Score(**asdict(score))
    assert bare == score and repr(bare) == repr(score) and bare.sample is None and "sample" not in score.as_dict()
    assert as_record(judge("x", bare, Target(floor=0.1))) == as_record(judge("x", score, Target(floor=0.1)))
    assert judge("x", score, Target(floor=0.1)).outcome == PASS
    assert replace(score, metric="auc").sample is score.sample


def test_labels_of_a_share_are_kept_without_a_copy():
    flags = np.array([True, False])
    assert share("x", flags).sample.columns["right"].base is None and len(share("x", flags).sample) == 2
    assert calibration_error([0.5] * 200, [1, 0] * 100).sample.kind == {"metric": "calibration_error"}


def test_your_own_function_is_drawn_by_weights_or_by_rows():
    def mean(values, sample_weight):
        return np.average(values, weights=sample_weight)
    fast, slow = of.metric_of("x", mean, PRICE), of.metric_of("x", lambda values: values.mean(), PRICE)
    assert fast.value == pytest.approx(slow.value) and fast.low == pytest.approx(slow.low) and math.isfinite(fast.low)
    assert of.metric_of("x", lambda values: 3.0, PRICE).open
    assert not of.metric_of("x", lambda values: 0.5, PRICE, within=(0, 1)).open
    assert of.metric_from(replace(fast.sample)) == fast


def test_the_places_of_a_percentile_are_those_of_the_binomial_distribution():
    from scipy.stats import binom
    for n, level, risk in ((100, 0.95, 0.05), (59, 0.95, 0.05), (40, 0.5, 0.025), (72, 0.95, 0.025)):
        for part in (level, 1 - level):
            wanted = max((place for place in range(1, n + 1) if binom.cdf(place - 1, n, part) <= risk), default=0)
            assert of.place_below(n, part, risk) == wanted
    assert of.percentile_of("x", np.arange(59.0), 95).at_most == 58
    assert not of.percentile_of("x", np.arange(58.0), 95).measured
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0])
    assert of.weighted_quantile(values, weights, 0.5) == 1.5 and of.weighted_quantile(values, weights, 0.6) == 2.0


def test_bias_has_no_sign_and_may_be_nothing():
    high, low = of.bias(PRICE, PRICE + OFFER - PRICE + 9), of.bias(PRICE, PRICE - (OFFER - PRICE) - 9)
    assert high.value == pytest.approx(low.value) and 0 < high.low < 10 < high.high
    balanced = of.bias([0.0] * 40, [1.0, -1.0] * 20)
    assert balanced.value == balanced.low == 0 and 0.2 < balanced.at_most < 0.6


ALIKE = {
    "a mean": lambda n: of.mean_of("x", np.ones(n)), "a mean on a scale": lambda n: of.mean_of("x", np.ones(n), (0, 5)),
    "errors": lambda n: of.mean_absolute_error(np.ones(n), np.full(n, 0.5)),
    "squared errors": lambda n: of.root_mean_squared_error(np.ones(n), np.full(n, 0.5)),
    "a bias": lambda n: of.bias(np.ones(n), np.full(n, 0.5)), "no error": lambda n: of.bias(np.ones(n), np.ones(n)),
    "a perfect fit": lambda n: of.r2(np.arange(n), np.arange(n)),
    "a function": lambda n: of.metric_of("x", np.mean, np.full(n, 500.0)),
    "right answers": lambda n: accuracy(np.ones(n, int), np.ones(n, int)),
    "a probability": lambda n: of.brier_score(np.ones(n, int), np.full(n, 0.9)),
    "two groups of the same mean": lambda n: of.mean_of("x", np.arange(2 * n) % 2 + 0.0, groups=np.arange(2 * n) // 2),
    "draws that are all equal": lambda n: bootstrap("x", lambda weights: 500.0, np.arange(n)),
    "zeros": lambda n: mean_score("x", np.zeros(n), np.arange(n), (0.0, 1.0)),
    "no change": lambda n: mean_score("x", np.zeros(n), np.arange(n), (-1.0, 1.0)),
}


@pytest.mark.parametrize("n", [1, 2, 3, 25, 100])
@pytest.mark.parametrize("what", ALIKE)
def test_rows_that_are_all_alike_never_show_that_there_is_no_noise(what, n):
    """Their bootstrap has no spread at all; the interval is what such rows can rule out, or there is none."""
    score = ALIKE[what](n)
    assert not score.measured or score.low < score.high


def test_a_weight_that_outweighs_all_others_leaves_one_row():
    """A constant on a scale: the interval was that of a hundred rows."""
    heavy = np.r_[1e6, np.ones(99)]
    even, one = (of.mean_of("x", np.full(100, 0.5), (0, 1), weights=weights) for weights in (np.ones(100), heavy))
    assert even.high == pytest.approx(0.5 + 0.5 * (1 - 0.025 ** (1 / 100))) and one.high > 0.95
    labels = np.arange(100) % 2
    assert macro_f1(labels, labels, weights=heavy).low < 0.1 < 0.9 < macro_f1(labels, labels).low
    sides = of.roc_auc(labels, labels.astype(float), weights=heavy)
    assert sides.low < 0.1 < 0.9 < of.roc_auc(labels, labels.astype(float)).low


@pytest.mark.parametrize("score, why, action", [
    (of.mean_of("x", [5.0]), "its 1 row is too few", "collect more rows"),
    (of.percentile_of("x", range(9)), "its 9 rows are too few", "collect more rows"),
    (of.mean_of("x", range(30), groups=[0, 1] * 15), "its 30 rows, which count as 2, are too few", "collect more rows"),
    (of.mean_of("x", [5.0] * 30), "all 30 rows have the same value, on no known scale", "mean_of(..., scale=(1, 5))"),
    (of.metric_of("x", np.max, [5.0] * 30), "its 30 rows, drawn again, always give the same value", "find out why")])
def test_a_score_says_why_it_has_no_interval(score, why, action):
    found, do = of.why_no_interval(score)
    assert found.startswith(why) and action in do and not score.measured
