"""Scores agree with the libraries people know, and intervals hold what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm
from scipy.stats import t as student
from sklearn.metrics import accuracy_score, f1_score, recall_score

from mlbot.errors import InputError
from mlbot.gates.verdict import TOO_CLOSE, judge
from mlbot.gates.words import verdict_line
from mlbot.settings import Target
from mlbot.stats.bounds import wilson
from mlbot.stats.scores import (
    accuracy,
    bootstrap,
    calibration_error,
    corrected_levels,
    drawn_again,
    false_alarms,
    gain,
    macro_f1,
    mean_score,
    median_order,
    median_score,
    most_confused,
    out_of_scope_recall,
    recall_by_intent,
    share,
    silently_wrong,
    wider_levels,
)

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.choice(list("abcde"), 300)
GUESS = np.where(RANDOM.random(300) < 0.7, TRUTH, RANDOM.choice(list("abcdef"), 300))


def test_values_are_those_of_scikit_learn():
    assert accuracy(TRUTH, GUESS).value == accuracy_score(TRUTH, GUESS)
    assert np.isclose(macro_f1(TRUTH, GUESS).value, f1_score(TRUTH, GUESS, average="macro"))
    recalls = {score.metric: score.value for score in recall_by_intent(TRUTH, GUESS)}
    assert np.allclose([recalls[name] for name in "abcde"], recall_score(TRUTH, GUESS, labels=list("abcde"), average=None))


@given(st.integers(1, 5000), st.data())
def test_the_interval_is_wilson_s_with_the_continuity_correction(n, data):
    hits = data.draw(st.integers(0, n))
    theirs = binomtest(hits, n).proportion_ci(method="wilsoncc")
    assert np.allclose(wilson(hits, n), (theirs.low, theirs.high), atol=1e-9)


@pytest.mark.parametrize("metric", [macro_f1, lambda t, g: calibration_error(np.full(len(t), 0.7), t == g)])
def test_a_bootstrap_repeats_and_holds_its_value(metric):
    first = metric(TRUTH, GUESS)
    assert first == metric(TRUTH, GUESS) and first.low <= first.value + 0.05 and first.low < first.high


@pytest.mark.parametrize("flags", [[float("nan")] * 3, ["False", "no"], [2, -1], [True, None], [1, 0]])
def test_a_share_counts_nothing_but_true_and_false(flags):
    with pytest.raises(InputError):
        share("x", flags)


@pytest.mark.parametrize("truth, predicted", [(["a", "b"], ["a"]), (["a", "b"], ["a", None]), ([None], [None]),
                                              (["a"], [float("nan")])])
def test_a_missing_label_or_prediction_is_refused(truth, predicted):
    for metric in (accuracy, macro_f1, recall_by_intent):
        with pytest.raises(InputError):
            metric(truth, predicted)


def test_confusions_are_counted_with_an_example():
    worst = most_confused(["a", "a", "a", "b"], ["b", "b", "a", "c"], ["one", "two", "three", "four"])
    assert [(item.intent, item.predicted, item.n, item.of, item.example) for item in worst] == \
        [("a", "b", 2, 3, "one"), ("b", "c", 1, 1, "four")]


def counted(weights):
    """How many rows a draw has."""
    return float(weights.sum())


def test_a_draw_has_as_many_groups_as_there_are_and_whole_ones():
    """Five groups of two rows: every draw has ten rows, and both rows of a group are in it equally often."""
    groups = np.repeat(list("abcde"), 2)
    drawn, left_out = drawn_again(counted, groups, 200, 0)
    assert (drawn == 10).all() and left_out.tolist() == [8.0] * 5
    seen = []
    drawn_again(lambda weights: seen.append(weights) or 0.0, groups, 50, 1)
    assert all((weights[::2] == weights[1::2]).all() for weights in seen) and len({tuple(row) for row in seen}) > 40


@pytest.mark.parametrize("count, left", [(1, 1), (999, 999), (1000, 500), (1200, 600), (1501, 501)])
def test_at_most_a_thousand_groups_are_left_out_in_turn_evenly_spread(count, left):
    out = []
    _, left_out = drawn_again(lambda weights: out.append(np.flatnonzero(weights == 0)) or 0.0, np.arange(count), 0, 0)
    places = [int(rows[0]) for rows in out]
    assert len(left_out) == left and places == list(range(0, count, -(-count // left)))


def test_ties_count_half_in_the_bias_and_skew_bends_the_levels():
    """By hand: of four draws two are below and two equal, so three quarters are; three groups stand for twelve."""
    level, = corrected_levels(np.array([0.0, 0.0, 1.0, 1.0]), 1.0, np.zeros(3), 3, [0.5])
    assert level == pytest.approx(norm.cdf(2 * norm.ppf(0.75)))
    low, high = corrected_levels(np.array([-1.0, 1.0]), 0.0, np.array([0.0, 0.0, 3.0]), 12, [0.025, 0.975])
    skew = -6 / (6 * 6 ** 1.5) / 2
    steps = norm.ppf([0.025, 0.975])
    assert (low, high) == pytest.approx(tuple(norm.cdf(steps / (1 - skew * steps))))
    ends = corrected_levels(np.zeros(4), 1.0, np.zeros(3), 3, [0.5])  # all draws below: as if half a one were not
    assert ends == pytest.approx([norm.cdf(2 * norm.ppf(1 - 0.5 / 4))])


def test_few_groups_have_the_levels_of_student_s_t():
    assert wider_levels(10) == pytest.approx(norm.cdf(student.ppf([0.025, 0.975, 0.05, 0.95], 9) * np.sqrt(10 / 9)))
    assert wider_levels(1) == [0.025, 0.975, 0.05, 0.95]


def test_the_interval_of_a_bootstrap_is_made_of_the_levels_that_are_asked():
    """Without bias and skew the ends are the quantiles of the draws; one-sided bounds lie within the interval."""
    groups, values = np.arange(400), np.random.default_rng(3).normal(0, 1, 400)

    def mean(weights):
        return float(weights @ values / weights.sum())
    score = bootstrap("x", mean, groups, 2000, 5)
    drawn, left_out = drawn_again(mean, groups, 2000, 5)
    levels = corrected_levels(drawn, score.value, left_out, 400, wider_levels(400))
    assert (score.low, score.high, score.at_least, score.at_most) == pytest.approx(tuple(np.quantile(drawn, levels)))
    assert score.low < score.at_least < score.value < score.at_most < score.high and score.effective == 400


def test_what_was_seen_in_no_group_may_still_come():
    """All right, and yet not surely: the ends stay as far off as for a share of as many rows."""
    score = bootstrap("x", lambda weights: 1.0, np.arange(50), 20, within=(0.0, 1.0))
    assert (score.low, score.at_least) == pytest.approx((0.025 ** (1 / 50), 0.05 ** (1 / 50)))
    assert score.high == score.at_most == score.value == 1.0
    ranged = bootstrap("x", lambda weights: 0.5, np.arange(50), 20, within=(-9.0, 9.0))
    assert ranged.high == pytest.approx(0.5 + 1 - 0.025 ** (1 / 50))
    alone = bootstrap("x", lambda weights: 0.5, ["a"] * 9, 20, within=(0.0, 1.0))
    assert (alone.low, alone.high, alone.effective, alone.n) == (0.0, 1.0, 1.0, 9)


def test_a_gain_that_was_not_measured_may_be_anything():
    nothing = gain("champion", np.zeros(0, bool), np.zeros(0, bool))
    assert (nothing.low, nothing.high, nothing.unit, nothing.n) == (-1.0, 1.0, "gain", 0) and not nothing.measured
    empty = share("x", np.zeros(0, bool))
    assert (empty.low, empty.high, empty.at_least, empty.at_most) == (0.0, 1.0, 0.0, 1.0) and not empty.measured


def test_a_confidence_at_the_threshold_is_sure():
    """The bot acts from the threshold on; below it, it asks."""
    assert silently_wrong([0.5, 0.49], [False, False], 0.5).value == 0.5
    assert out_of_scope_recall([0.5, 0.49], 0.5).value == false_alarms([0.5, 0.49], 0.5).value == 0.5
    assert silently_wrong([float("nan")], [False], 0.5).value == 1.0


def test_macro_f1_has_an_interval_from_ten_rows_an_intent_on():
    """Below it covers too little, and a gate with a floor says that it is too close to call."""
    truth = np.repeat(["a", "b"], [10, 10])
    guess = np.where(np.arange(20) % 5, truth, "a")
    enough, few = macro_f1(truth, guess, draws=50), macro_f1(truth[1:], guess[1:], draws=50)
    assert not enough.open and enough.interval != "-" and few.open and few.interval == "-" and "95 %" not in str(few)
    assert few.value == pytest.approx(f1_score(truth[1:], guess[1:], average="macro")) and few.measured
    for limit in (0.1, 0.99):
        verdict = judge("macro_f1", few, Target(floor=limit))
        assert verdict.outcome == TOO_CLOSE and "too few rows for an interval" in verdict_line(verdict)


def test_a_calibrated_model_has_its_error_in_the_interval_and_a_wrong_one_is_caught():
    """A bootstrap of the error itself left the error of a calibrated model out almost always."""
    dice, covered = np.random.default_rng(0), 0
    for _ in range(40):
        sure = dice.beta(6, 1.5, 300)
        score = calibration_error(sure, dice.random(300) < sure, draws=200)
        covered += score.low <= 0.002 <= score.high
        assert score.low <= score.at_least <= score.value <= score.at_most <= score.high
    assert covered >= 38
    wrong = calibration_error(np.full(400, 0.9), dice.random(400) < 0.6, draws=200)
    assert wrong.at_least > 0.2 and wrong.at_most < 0.4
    assert calibration_error(sure[:199], sure[:199] > 0.5).open and not calibration_error(sure[:200], sure[:200] > 0.5).open


def test_a_confidence_on_an_edge_belongs_to_the_class_above_and_certainty_to_the_last():
    """0.2 and 0.29 are one class, in which two gaps cancel; 0.19 is another."""
    assert calibration_error([0.2, 0.29], [0, 0]).value == pytest.approx(0.245)
    assert calibration_error([0.5, 0.5], [0, 1]).value == pytest.approx(0) == calibration_error([1.0, 0.95], [1, 0.95]).value
    assert calibration_error([0.19, 0.21], [0.29, 0.11]).value == pytest.approx(0.1)


@given(st.integers(1, 400), st.sampled_from([0.025, 0.05]))
def test_the_bounds_of_a_median_are_values_in_their_order(n, risk):
    place = median_order(n, risk)
    assert binom.cdf(place - 1, n, 0.5) <= risk < binom.cdf(place, n, 0.5)


def test_a_median_of_few_times_has_open_ends():
    score = median_score("latency_ratio", list(range(1, 21)))
    assert (score.value, score.low, score.high, score.at_least, score.at_most) == (10.5, 6, 15, 6, 15)
    assert median_score("x", [1.0, 2.0, 3.0]).at_most == np.inf and median_score("x", [1.0, 2.0, 3.0]).at_least == 0
    assert not median_score("x", []).measured and median_score("x", [2.0]).value == 2.0


def test_a_mean_of_few_that_differ_has_a_wide_interval_and_one_of_none_has_no_loss():
    """Of 150 rows two got worse: not surely so. Where no row changed, nothing did, and one in fifty may yet."""
    dice, covered = np.random.default_rng(2), 0
    for seed in range(60):
        values = dice.choice([-1.0, 0.0, 1.0], 100, p=[0.04, 0.94, 0.02])
        score = mean_score("code", values, np.arange(100), (-1, 1), draws=200, seed=seed)
        covered += score.low <= -0.02 <= score.high
        assert score.value == pytest.approx(values.mean()) and score.n == score.effective == 100
    assert covered >= 56
    assert mean_score("code", np.repeat([-1.0, 0.0], [2, 148]), np.arange(150), (-1, 1), draws=200).high > 0
    same = mean_score("code", np.zeros(150), np.arange(150), (-1, 1))
    assert (same.at_least, same.value, same.at_most, same.n) == (0.0, 0.0, 0.0, 150)
    assert -same.low == same.high == pytest.approx(1 - 0.025 ** (1 / 150))
    nothing = mean_score("cost", [], [], (0, 1), "lower")
    assert not nothing.measured and nothing.better == "lower"
    grouped = mean_score("code", np.repeat([1.0, 0.0], 20), np.repeat(range(4), 10), (-1, 1), draws=200)
    assert grouped.effective == 4 and grouped.high - grouped.low > 0.5
