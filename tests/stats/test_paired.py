"""Two samples of one metric, paired by id: better is positive whatever the metric; a row without a pair is left out."""

import numpy as np
import pytest

from mlbot.errors import InputError
from mlbot.stats import metrics as of
from mlbot.stats import paired
from mlbot.stats.bounds import LOSS_RISK, probability_of_no_loss
from mlbot.stats.paired import BETTER, UNKNOWN, UNSURE, WORSE, difference
from mlbot.stats.scores import accuracy, calibration_error, gain, macro_f1, share

DICE = np.random.default_rng(5)
N = 240
IDS = np.array([f"row {at:03}" for at in range(N)])
TRUE = (np.arange(N) % 3 == 0).astype(int)
OLD = DICE.normal(TRUE * 1.0)
NEW = OLD + DICE.normal((TRUE - 0.5) * 1.2, 0.2)  # each positive rises, each negative falls
PRICE = DICE.normal(100, 20, N)
FAR, NEAR = PRICE + DICE.normal(0, 6, N), PRICE + DICE.normal(0, 2, N)
MANY = DICE.choice(["a", "b", "c"], N)
HALF, MOST = (np.where(DICE.random(N) < part, MANY, "a") for part in (0.5, 0.8))
MATRIX = {name: np.where(MANY[:, None] == np.array(["a", "b", "c"]), peak, (1 - peak) / 2) for name, peak in
          (("far", 0.4), ("near", 0.7))}


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Intervals are judged by benchmarks/coverage.py."""
    monkeypatch.setattr(of, "DRAWS", 200)
    monkeypatch.setattr(paired, "DRAWS", 200)


def chance(score):
    return 1 / (1 + np.exp(0.5 - score))


PAIRS = {
    "accuracy": (accuracy(MANY, HALF), accuracy(MANY, MOST)), "macro_f1": (macro_f1(MANY, HALF), macro_f1(MANY, MOST)),
    "share": (share("polite", MANY == HALF), share("polite", MANY == MOST)),
    "roc_auc": (of.roc_auc(TRUE, OLD), of.roc_auc(TRUE, NEW)),
    "average_precision": (of.average_precision(TRUE, OLD), of.average_precision(TRUE, NEW)),
    "precision": (of.precision(TRUE, OLD > 0.5), of.precision(TRUE, NEW > 0.5)),
    "recall": (of.recall(TRUE, OLD > 0.5), of.recall(TRUE, NEW > 0.5)),
    "f1": (of.f1(TRUE, OLD > 0.5), of.f1(TRUE, NEW > 0.5)),
    "balanced_accuracy": (of.balanced_accuracy(TRUE, OLD > 0.5), of.balanced_accuracy(TRUE, NEW > 0.5)),
    "matthews_corrcoef": (of.matthews_corrcoef(TRUE, OLD > 0.5), of.matthews_corrcoef(TRUE, NEW > 0.5)),
    "log_loss": (of.log_loss(TRUE, chance(OLD)), of.log_loss(TRUE, chance(NEW))),
    "brier_score": (of.brier_score(MANY, MATRIX["far"], ["a", "b", "c"]),
                    of.brier_score(MANY, MATRIX["near"], ["a", "b", "c"])),
    "mean_absolute_error": (of.mean_absolute_error(PRICE, FAR), of.mean_absolute_error(PRICE, NEAR)),
    "root_mean_squared_error": (of.root_mean_squared_error(PRICE, FAR), of.root_mean_squared_error(PRICE, NEAR)),
    "r2": (of.r2(PRICE, FAR), of.r2(PRICE, NEAR)), "bias": (of.bias(PRICE, PRICE + 5 + NEAR / 99), of.bias(PRICE, NEAR)),
    "median_absolute_error": (of.median_absolute_error(PRICE, FAR), of.median_absolute_error(PRICE, NEAR)),
    "grades": (of.mean_of("g", np.clip(OLD, -3, 3), (-3, 4)), of.mean_of("g", np.clip(OLD + 0.5, -3, 4), (-3, 4))),
    "durations": (of.percentile_of("s", FAR, 90), of.percentile_of("s", FAR - 9, 90)),
    "hamming_loss": (of.hamming_loss(np.eye(3, dtype=int)[TRUE], np.eye(3, dtype=int)[(OLD > 0.5) * 1]),
                     of.hamming_loss(np.eye(3, dtype=int)[TRUE], np.eye(3, dtype=int)[(NEW > 0.5) * 1])),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_better_model_is_better_whichever_way_the_metric_goes_and_the_order_of_rows_does_not_matter(name):
    before, after = PAIRS[name]
    order = np.random.default_rng(6).permutation(N)  # one of its own: a draw that tests share depends on their order
    found = difference(before.sample, after.sample.taken(order), IDS, IDS[order])
    assert found.outcome == BETTER and found.score.unit == "gain" and found.p_value > 0.9
    assert found.score.value == pytest.approx(abs(after.value - before.value)) and found.score.low > 0
    back = difference(after.sample.taken(order), before.sample, IDS[order], IDS)
    assert back.outcome == WORSE and back.score.value == pytest.approx(-found.score.value) and back.p_value < LOSS_RISK
    same = difference(after.sample, after.sample, IDS, IDS)
    assert same.outcome == UNSURE and (same.score.at_least, same.score.at_most) == (0, 0) and not same.worse + same.better


def test_right_and_wrong_is_the_test_of_mcnemar_with_the_rows_that_broke():
    before, after = (np.repeat(right, [80, 20, 6, 14]) for right in ([1, 0, 1, 0], [1, 1, 0, 0]))
    ids = np.arange(120)
    found = difference(share("x", before == 1).sample, share("x", after == 1).sample, ids, ids)
    assert found.score == gain("x", before == 1, after == 1)
    assert [row.id for row in found.worse] == list(range(100, 106)) and len(found.better) == 20
    assert found.p_value == pytest.approx(probability_of_no_loss(6, 20))
    lower = share("refused", before == 1, better="lower").sample, share("refused", after == 1, better="lower").sample
    assert difference(*lower, ids, ids).score.value == -found.score.value and len(difference(*lower, ids, ids).worse) == 20


def test_pairs_see_what_two_intervals_hide():
    before, after = of.mean_absolute_error(PRICE, PRICE + (FAR - PRICE) * 1.05), of.mean_absolute_error(PRICE, FAR)
    assert before.low < after.high  # the intervals overlap
    assert difference(before.sample, after.sample, IDS, IDS).outcome == BETTER


def test_ids_without_a_pair_and_double_ids_are_left_out_and_counted():
    before, after = accuracy(["a"] * 6, ["a"] * 6), accuracy(["a"] * 6, ["b"] * 6)
    found = difference(before.sample, after.sample, ["1", "2", "3", "3", "4", "9"], ["4", "3", "2", "7", "8", "8"])
    assert (found.score.n, found.only_before, found.only_after, found.repeated) == (2, 2, 1, 2)
    assert [row.id for row in found.worse] == ["2", "4"]
    assert "2 only before; 1 only after; 2 ids occur twice" in str(found)


def test_without_a_pair_nothing_is_measured():
    for score in (accuracy(["a"], ["a"]), of.roc_auc([0, 1], [0.1, 0.9]), of.mean_absolute_error([1.0], [2.0])):
        ids = np.arange(len(score.sample))
        found = difference(score.sample, score.sample, ids, ids + 50)
        assert found.outcome == UNKNOWN and np.isnan(found.p_value) and found.score.n == 0


def test_a_label_that_changed_is_said_and_both_are_judged_by_the_new_one():
    before, after = accuracy(["a", "b", "b"], ["a", "b", "a"]), accuracy(["a", "a", "b"], ["a", "a", "b"])
    found = difference(before.sample, after.sample, [1, 2, 3], [1, 2, 3])
    assert found.relabelled == 1 and "1 labels changed" in str(found)
    assert found.score.value == pytest.approx(2 / 3) and {row.id for row in found.better} == {2, 3}


def test_rows_of_one_group_are_one_piece_of_evidence():
    groups, healed = np.repeat(np.arange(30), 8), np.repeat(np.arange(30) % 3 > 0, 8)  # of a group all rows heal, or none
    wrong = np.where(MANY == "a", "b", "a")
    after = np.where(healed, MANY, wrong)
    for call in (accuracy, of.macro_recall):
        alone, grouped = (difference(call(MANY, wrong, groups=by).sample, call(MANY, after, groups=by).sample, IDS, IDS).score
                          for by in (None, groups))
        assert grouped.value == alone.value and grouped.n == alone.n
        assert grouped.high - grouped.low > 2.4 * (alone.high - alone.low)


def test_a_few_rows_that_all_got_better_are_no_proof():
    ids = np.arange(4)
    for call in (lambda values: of.mean_of("x", values, (0, 1)), lambda values: share("x", np.array(values) > 0.5)):
        found = difference(call([0.0, 0.1, 0.2, 0.1]).sample, call([0.8, 0.9, 0.9, 1.0]).sample, ids, ids)
        assert found.outcome in (UNSURE, UNKNOWN)


def test_a_ranking_pairs_its_queries_by_itself():
    relevance, query = np.tile([1, 0, 0], 40), np.repeat(np.arange(40), 3)
    bad, good = np.tile([1.0, 2.0, 3.0], 40), np.tile([3.0, 2.0, 1.0], 40)
    mixed = np.where(query % 4 > 0, good, bad)
    found = difference(of.ndcg(relevance, bad, query).sample, of.ndcg(relevance, mixed, query).sample)
    assert found.outcome == BETTER and len(found.better) == 30 and found.score.n == 40


@pytest.mark.parametrize(("call", "error"), [
    (lambda: difference(accuracy([1], [1]).sample, of.recall([1], [1]).sample, [1], [1]), "one metric"),
    (lambda: difference(of.recall([1, 0], [1, 0], positive=1).sample, of.recall([1, 0], [1, 0], positive=0).sample,
                        [1, 2], [1, 2]), "one metric"),
    (lambda: difference(accuracy([1], [1]).sample, accuracy([1], [1]).sample), "no ids for 1 rows"),
    (lambda: difference(accuracy([1], [1]).sample, accuracy([1], [1]).sample, [1, 2], [1]), "2 ids for 1 rows"),
    (lambda: difference(accuracy([1], [1]).sample, accuracy([1], [1]).sample, [1], ["1"]), "of the kind number"),
    (lambda: difference(accuracy([1], [1]).sample, accuracy([1], [1]).sample, [None], ["1"]), "ids_before is missing")])
def test_samples_that_cannot_be_compared_are_refused(call, error):
    with pytest.raises(InputError, match=error):
        call()


def test_a_calibration_error_is_compared_too():
    right = (np.arange(N) % 2).astype(float)
    before, after = calibration_error(np.full(N, 0.9), right), calibration_error(np.full(N, 0.55), right)
    assert difference(before.sample, after.sample, IDS, IDS).outcome == BETTER


def test_a_p_value_and_the_bound_say_the_same():
    for by in np.linspace(-3, 3, 13):
        after = of.mean_absolute_error(PRICE, FAR + by)
        found = difference(of.mean_absolute_error(PRICE, FAR).sample, after.sample, IDS, IDS)
        assert (found.p_value < LOSS_RISK) == (found.score.at_most < 0) == (found.outcome == WORSE)


@pytest.mark.parametrize("score", [
    lambda change: of.mean_of("x", PRICE * change), lambda change: of.mean_of("x", PRICE * change, scale=(0, 1000)),
    lambda change: of.root_mean_squared_error(PRICE, PRICE + change), lambda change: of.metric_of("x", np.max,
                                                                                                  np.full(N, change)),
    lambda change: of.roc_auc(TRUE, TRUE * 1.0 * change), lambda change: accuracy(TRUE, TRUE)])
@pytest.mark.parametrize("new", [1.0, 0.5, 2.0])
def test_a_gain_without_noise_on_these_rows_may_be_another_one_on_others(score, new):
    """Where nothing moved, both bounds are zero, so that no unchanged model is blocked; the interval is never a point."""
    found = difference(score(1.0).sample, score(new).sample, IDS, IDS).score
    assert found.low < found.value < found.high
    assert found.value or found.at_least == found.at_most == 0
