"""Each number of a score is the one its name promises: value, rows, interval, one-sided bounds, what rows are worth."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from mlbot.errors import InputError
from mlbot.stats import scores as evaluate
from mlbot.stats.bounds import difference_bounds, difference_interval, effective_rows, share_at_least, share_at_most
from mlbot.stats.scores import (
    Score,
    accuracy,
    area_under_roc,
    bootstrap,
    calibration_error,
    census,
    corrected_levels,
    false_alarms,
    gain,
    macro_f1,
    most_confused,
    oos_auroc,
    out_of_scope_recall,
    reading,
    recall_by_intent,
    share,
    silently_wrong,
    time_ratio,
    wilson,
)


def test_a_score_shows_its_rows_and_its_interval_and_a_gain_its_sign():
    score = Score("x", 0.7, 1200, 0.6, 0.8)
    assert (score.at_least, score.at_most, score.effective, score.better, score.unit, score.exact) == \
        (0.6, 0.8, 1200.0, "higher", "", False)  # where nothing else is given
    assert str(score) == "x 0.700 (n=1,200, 95 % 0.600 to 0.800)" and score.interval == "0.600 to 0.800"
    plus = Score("g", 0.05, 90, -0.01, 0.11, unit="gain")
    assert (plus.number, plus.interval) == ("+0.050", "-0.010 to +0.110")
    assert str(Score("t", 3.25, 40, 3, 4, unit="loops")) == "t 3.250 loops (n=40, 95 % 3.000 to 4.000)"
    assert Score("x", None, 5, 0.0, 1.0).as_dict()["value"] is None  # as JSON gives it back


def test_a_complete_count_shows_no_interval_and_a_single_reading_no_rows():
    counted = census("x", [True, True, False, True])
    assert str(counted) == "x 0.750 (n=4)" and counted.interval == "-" and counted.exact
    assert (counted.value, counted.low, counted.high, counted.at_least, counted.at_most) == (0.75,) * 5
    assert str(census("x", [True])) == "x 1.000" and str(share("x", [True])).startswith("x 1.000 (n=1, 95 %")
    empty = census("x", [])
    assert not empty.measured and empty.n == 0 and empty.interval == "-" and census("x", [True], "lower").better == "lower"
    size = reading("size", 6.25, unit="MB")
    assert (size.value, size.n, size.low, size.high, size.better, size.exact) == (6.25, 1, 6.25, 6.25, "lower", True)
    assert str(size) == "size 6.250 MB" and reading("speed", 2).unit == "" and reading("s", 2, "higher").better == "higher"


@pytest.mark.parametrize("score, measured", [
    (Score("x", 0.5, 1, 0.2, 0.9), True), (Score("x", 0.5, 0, 0, 1), False), (Score("x", math.nan, 9, 0, 1), False),
    (Score("x", 0.5, 9, 0, 1, math.nan, 1), False), (Score("x", 0.5, 9, 0, 1, 0, math.inf), False)])
def test_what_rests_on_nothing_or_is_no_number_is_not_measured(score, measured):
    assert score.measured == measured and (score.interval == "-") == (not measured)


def test_a_score_as_json_has_null_for_what_is_no_number_and_keeps_the_rest():
    data = Score("x", math.nan, 3, 0.0, 1.0, unit="gain").as_dict()
    assert data == {"metric": "x", "value": None, "n": 3, "low": 0.0, "high": 1.0, "at_least": 0.0, "at_most": 1.0,
                    "effective": 3.0, "better": "higher", "unit": "gain", "exact": False}


def test_an_interval_ends_exactly_at_none_and_at_all():
    assert wilson(0, 7)[0] == 0.0 < wilson(0, 7)[1] < 1.0 == wilson(7, 7)[1] and wilson(0, 0) == (0.0, 1.0)
    assert wilson(0.5, 7)[0] < 0.5 / 7 and 6.5 / 7 < wilson(6.5, 7)[1]  # rows of groups count in parts


def test_a_share_has_the_bounds_of_its_effective_rows():
    flags = np.repeat([True, False, True, True], 25)
    score = share("x", flags, np.repeat(list("abcd"), 25), "lower")
    effective = effective_rows(flags, np.repeat(list("abcd"), 25))
    assert 1 < effective < 4  # never more than there are groups
    assert (score.value, score.n, score.better) == (0.75, 100, "lower") and score.effective == pytest.approx(effective)
    assert (score.low, score.high) == pytest.approx(wilson(0.75 * effective, effective))
    assert score.at_least == pytest.approx(share_at_least(0.75 * effective, effective))
    assert score.at_most == pytest.approx(share_at_most(0.75 * effective, effective))
    assert share("x", flags).effective == 100 and share("x", flags).better == "higher"
    empty = share("x", [], better="lower")
    assert (empty.n, empty.low, empty.high, empty.better) == (0, 0.0, 1.0, "lower") and math.isnan(empty.value)


def test_intents_are_listed_worst_first_then_the_larger_then_by_name():
    truth = ["d"] * 2 + ["a"] * 2 + ["b"] * 4 + ["c"] * 2
    found = recall_by_intent(truth, ["x"] * 2 + ["a", "x"] + ["b", "b", "x", "x"] + ["c", "x"])
    assert [(score.metric, score.value, score.n) for score in found] == \
        [("d", 0, 2), ("b", 0.5, 4), ("a", 0.5, 2), ("c", 0.5, 2)]
    grouped, = recall_by_intent(["a"] * 4, ["a"] * 4, [1, 1, 2, 2])
    assert grouped.effective == 2


def test_the_levels_of_bca_are_those_of_efron():
    """z0 from the share of draws below the value, ties counted half; acceleration from the jackknife."""
    normal = NormalDist()
    draws, left_out = np.array([1.0, 2, 2, 3, 3, 6, 7, 8, 9, 9]), np.array([4.0, 5, 5, 9])
    gaps = left_out.mean() - left_out
    bias, skew = normal.inv_cdf(0.3 + 0.2 / 2), (gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5)
    expected = [normal.cdf(bias + (bias + z) / (1 - skew * (bias + z))) for z in map(normal.inv_cdf, (0.025, 0.95))]
    assert corrected_levels(draws, 3.0, left_out, 4, [0.025, 0.95]) == pytest.approx(expected, abs=1e-12)
    part = corrected_levels(draws, 3.0, left_out, 16, [0.025, 0.95])  # four of sixteen groups were left out in turn
    skew /= 2
    assert part == pytest.approx([normal.cdf(bias + (bias + z) / (1 - skew * (bias + z)))
                                  for z in map(normal.inv_cdf, (0.025, 0.95))], abs=1e-12)


def test_the_levels_stay_finite_where_all_draws_are_on_one_side_or_nothing_varies():
    normal, draws = NormalDist(), np.arange(10.0)
    low, = corrected_levels(draws, -1.0, np.ones(3), 3, [0.5])  # none below: counted as half a draw of ten
    high, = corrected_levels(draws, 99.0, np.ones(3), 3, [0.5])
    assert low == pytest.approx(normal.cdf(2 * normal.inv_cdf(0.05))) and high == pytest.approx(1 - low)
    assert corrected_levels(draws, 4.5, np.ones(3), 3, [0.025, 0.5]) == pytest.approx([0.025, 0.5])
    extreme, = corrected_levels(draws, 99.0, np.array([0.0] * 400 + [1e6]), 401, [0.999999])
    assert 0.999 < extreme <= 1


def test_a_bootstrap_draws_as_many_groups_as_there_are_and_bounds_at_five_percent():
    """The same seed draws the same groups, another seed others; the one-sided bounds lie within the interval."""
    groups = np.array(["b", "a", "b", "c", "a", "d"])
    values = np.array([1.0, 4.0, 2.0, 8.0, 1.0, 0.0])

    def mean(weights):
        return float(weights @ values / weights.sum())
    score = bootstrap("x", mean, groups, draws=300, seed=5, better="lower")
    assert score.low <= score.at_least < score.value < score.at_most <= score.high
    assert (score.value, score.n, score.effective, score.better) == (pytest.approx(16 / 6), 6, 4.0, "lower")
    assert score == bootstrap("x", mean, groups, draws=300, seed=5, better="lower") != bootstrap("x", mean, groups, 300, 6)
    assert bootstrap("x", mean, groups) == bootstrap("x", mean, groups, draws=1000, seed=0, better="higher")


def test_a_bootstrap_leaves_out_at_most_a_thousand_of_many_groups_and_is_there_for_none_and_for_one():
    calls = []

    def counting(weights):
        calls.append(weights.sum())
        return float(weights.sum())
    bootstrap("x", counting, np.arange(1000), draws=10)
    assert len(calls) == 1 + 10 + 500 and calls[0] == 1000 and calls[11:] == [999] * 500
    one = bootstrap("x", lambda weights: 0.5, np.zeros(5), draws=10)
    assert (one.value, one.n, one.low, one.high, one.effective) == (0.5, 5, -math.inf, math.inf, 1.0)
    none = bootstrap("x", counting, np.array([]), better="lower")
    assert math.isnan(none.value) and (none.n, none.low, none.high, none.better) == (0, 0.0, 1.0, "lower")


def test_the_value_of_a_bootstrap_is_never_outside_its_interval():
    """A maximum is at the end of all its draws."""
    values = np.array([0.0, 1.0, 2.0, 50.0])
    for sign in (1, -1):
        score = bootstrap("x", lambda weights, sign=sign: sign * float(values[weights > 0].max()), np.arange(4), 50)
        assert score.low <= score.value <= score.high and score.at_least <= score.value <= score.at_most


def test_rows_of_a_group_are_drawn_together_in_each_metric():
    truth, guess = np.array(["a", "b"] * 20), np.array((["a", "b"] * 5 + ["b", "a"] * 5) * 2)
    groups = np.repeat(range(4), 10)
    assert macro_f1(truth, guess, groups).effective == 4 and macro_f1(truth, guess).effective == 40
    assert macro_f1(truth, guess, seed=1) == macro_f1(truth, guess, None, 1000, 1) != macro_f1(truth, guess)
    sure, right = np.linspace(0.3, 0.9, 40), truth == guess
    error = calibration_error(sure, right, groups)
    assert (error.effective, error.better, error.metric) == (4, "lower", "calibration_error")
    assert calibration_error(sure, right) == calibration_error(sure, right, None, 1000, 0)
    for score in (accuracy(truth, guess, groups), silently_wrong(sure, right, 0.5, groups), false_alarms(sure, 0.5, groups),
                  out_of_scope_recall(sure, 0.5, groups)):
        assert score.effective < 40


def test_the_calibration_error_is_the_mean_gap_of_ten_bins():
    """A confidence of 1 belongs to the last bin, one of 0.1 to the second."""
    sure, right = [1.0, 0.95, 0.1, 0.19, 0.05], [False, True, True, False, False]
    bins = abs(1 - 1.95) + abs(1 - 0.29) + abs(0 - 0.05)
    assert calibration_error(sure, right).value == pytest.approx(bins / 5)


def test_at_the_threshold_an_answer_is_given():
    """The bot answers from the threshold on, so a wrong answer exactly there is silently wrong; no number counts as sure."""
    sure = [0.5, 0.5, 0.49, math.nan]
    assert silently_wrong(sure, [False, True, False, False], 0.5).value == 0.5
    assert out_of_scope_recall(sure, 0.5).value == false_alarms(sure, 0.5).value == 0.25
    assert (silently_wrong(sure, [True] * 4, 0.5).better, false_alarms(sure, 0.5).better,
            out_of_scope_recall(sure, 0.5).better) == ("lower", "lower", "higher")
    assert [score.metric for score in (silently_wrong(sure, [True] * 4, 0.5), false_alarms(sure, 0.5),
                                       out_of_scope_recall(sure, 0.5))] == ["silently_wrong", "false_alarms", "oos_recall"]


def test_the_area_under_the_curve_is_that_of_mann_and_whitney_with_ties_and_weights():
    rng = np.random.default_rng(1)
    inside, outside = rng.integers(2, 9, 60) / 10, rng.integers(0, 7, 45) / 10
    theirs = mannwhitneyu(inside, outside).statistic / 60 / 45
    assert area_under_roc(inside, outside) == pytest.approx(theirs)
    here, there = rng.integers(0, 3, 60), rng.integers(0, 3, 45)
    weighted = area_under_roc(inside, outside, here, there)
    assert weighted == pytest.approx(area_under_roc(np.repeat(inside, here), np.repeat(outside, there)))
    assert math.isnan(area_under_roc([0.5], [0.5], [0], [1])) and math.isnan(area_under_roc([0.5], [0.5], [1], [0]))


def test_the_area_is_drawn_by_groups_of_both_sides_and_is_not_measured_without_one():
    inside, outside = [0.9, 0.8, 0.4, 0.7], [0.1, 0.5, 0.45]
    score = oos_auroc(inside, outside)
    assert (score.metric, score.n, score.effective) == ("oos_auroc", 7, 7.0) and score.value == pytest.approx(10 / 12)
    assert oos_auroc(inside, outside, list("aabb"), list("aab")).effective == 4.0  # the same name on both sides is another
    assert oos_auroc(inside, outside, None, list("aab")).effective == 6.0
    assert oos_auroc(inside, outside) == oos_auroc(inside, outside, None, None, 1000, 0)
    for none in (oos_auroc([], outside), oos_auroc(inside, [])):
        assert (none.n, none.low, none.high) == (0, 0.0, 1.0) and math.isnan(none.value)
    alone = oos_auroc([0.9], [0.1], draws=200)  # half of the draws have one side only: they say one half
    assert alone.value == 1.0 and alone.low <= 0.5


def test_a_time_is_the_median_in_loops_with_bounds_by_order(monkeypatch):
    """Ten calls that take 1 to 10 times as long as the loop before them."""
    now = [0.0]
    monkeypatch.setattr(evaluate.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(evaluate, "reference_loop", lambda: now.__setitem__(0, now[0] + 2.0))
    items = [3, 1, 2, 5, 4, 10, 8, 9, 7, 6]
    score = time_ratio("t", lambda item: now.__setitem__(0, now[0] + 2.0 * item), items)
    assert score.value == 5.5 and score.n == 10 and (score.better, score.unit) == ("lower", "loops")
    assert (score.low, score.high, score.at_least, score.at_most) == (2.0, 9.0, 2.0, 9.0)  # exact order statistics
    few = time_ratio("t", lambda item: now.__setitem__(0, now[0] + 2.0 * item), [1, 3])
    assert (few.low, few.high) == (0.0, math.inf)  # two measurements bound no median
    none = time_ratio("t", print, [])
    assert math.isnan(none.value) and (none.n, none.low, none.high) == (0, 0.0, math.inf)
    assert (none.better, none.unit) == ("lower", "loops")


def test_the_reference_loop_does_a_thousand_steps_of_work():
    assert evaluate.reference_loop() == sum(at * at % 7 for at in range(1000)) == 2001


def test_a_gain_counts_what_broke_and_what_healed_and_keeps_its_sign():
    before = np.repeat([True, False, True, False], [80, 2, 6, 12])
    after = np.repeat([True, True, False, False], [80, 2, 6, 12])
    score = gain("g", before, after)
    assert (score.value, score.n, score.effective, score.unit, score.better) == (-0.04, 100, 100.0, "gain", "higher")
    assert (score.at_least, score.at_most) == pytest.approx(difference_bounds(6, 2, 100, 0.025))
    assert (score.low, score.high) == pytest.approx(difference_interval(6, 2, 100))
    assert gain("g", before, after, risk=0.2).at_most < score.at_most
    nothing = gain("g", [], [])
    assert math.isnan(nothing.value) and (nothing.n, nothing.low, nothing.high, nothing.unit) == (0, -1.0, 1.0, "gain")
    with pytest.raises(InputError, match="truth has 2, predicted has 1"):
        accuracy(["a", "b"], ["a"])
    with pytest.raises(InputError, match="2 answers before and 1 after"):
        gain("g", [True, False], [True])


def test_a_gain_by_groups_rests_on_as_many_rows_as_the_groups_are_worth():
    before, after = np.repeat([True, True, False, True], 10), np.repeat([True, False, True, True], 10)
    groups = np.repeat(range(4), 10)
    score = gain("g", before, after, groups)
    worth = 40 / effective_rows(after.astype(int) - before, groups)
    assert score.effective == pytest.approx(40 / worth) and 1 < score.effective < 4 and score.value == 0.0
    assert (score.at_least, score.at_most) == pytest.approx(difference_bounds(10 / worth, 10 / worth, 40 / worth))
    for one_sided in (gain("g", [True] * 9, [False] * 9), gain("g", [False] * 9, [True] * 9)):
        assert one_sided.low <= one_sided.value <= one_sided.high
        assert one_sided.at_least <= one_sided.value <= one_sided.at_most


def test_confusions_are_the_most_frequent_ones_first_then_by_name_and_at_most_a_few():
    truth, guess = list("aabbccdd"), list("bbaadcca")
    found = most_confused(truth, guess, [f"text {at}" for at in range(8)])
    assert [(item.intent, item.predicted, item.n, item.of, item.example) for item in found] == [
        ("a", "b", 2, 2, "text 0"), ("b", "a", 2, 2, "text 2"), ("c", "d", 1, 2, "text 4"), ("d", "a", 1, 2, "text 7"),
        ("d", "c", 1, 2, "text 6")]
    assert most_confused(truth, guess, truth, few=2) == [*most_confused(truth, guess, truth)][:2]
    many = [f"i{at:02}" for at in range(12)]
    assert len(most_confused(many, many[1:] + many[:1], many)) == 10


@pytest.mark.parametrize("metric", [share, census])
def test_flags_are_true_or_false_and_nothing_else(metric):
    with pytest.raises(InputError, match="x: the flags are of type int64"):
        metric("x", [1, 0])
    assert metric("x", []).n == 0 and metric("x", np.array([True])).value == 1.0
    for pair in (([1], [True]), ([True], [1])):
        with pytest.raises(InputError):
            gain("x", *pair)
