"""What scores are in each single case, where it can be worked out by hand."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from mlbot.errors import InputError
from mlbot.stats import scores as evaluate
from mlbot.stats.scores import (
    Score,
    accuracy,
    area_under_roc,
    bootstrap,
    bounded,
    calibration_error,
    census,
    corrected_levels,
    drawn_again,
    error_ends,
    gain,
    macro_f1,
    mean_score,
    median_order,
    median_score,
    most_confused,
    names_of,
    never_seen,
    oos_auroc,
    reading,
    recall_by_intent,
    share,
    silently_wrong,
    wider_levels,
)

NORMAL = NormalDist()
HALF, TENTH = 0.025 ** 0.1, 0.05 ** 0.1  # of ten rows that are all right: what they leave open at either risk


def ends_of(score):
    """The interval and the bounds."""
    return score.low, score.high, score.at_least, score.at_most


def test_a_share_is_open_when_nothing_is_known_but_that_it_is_one():
    assert Score("x", 0.5, 9, 0.0, 1.0).open and not Score("x", 0.5, 9, 0.0, 1.0, exact=True).open
    assert not Score("x", 0.5, 9, 0.0, 0.9).open and not Score("x", 0.5, 9, 0.1, 1.0).open
    assert not Score("x", 0.5, 9, 0.1, 0.9).open and Score("x", 0.5, 9, 0, 1).interval == "-"


def test_an_interval_is_shown_where_it_was_measured_and_is_neither_exact_nor_open():
    assert Score("x", 0.5, 9, 0.1, 0.9).interval == "0.100 to 0.900"
    assert Score("x", 0.5, 9, 0.1, 0.9, exact=True).interval == Score("x", math.nan, 9, 0.1, 0.9).interval == "-"
    assert str(Score("x", 0.5, 9, 0.0, 1.0)) == "x 0.500 (n=9)"
    assert str(Score("x", 0.5, 1, 0.1, 0.9)) == "x 0.500 (n=1, 95 % 0.100 to 0.900)"
    assert str(Score("x", 0.5, 2, 0.5, 0.5, exact=True)) == "x 0.500 (n=2)"
    assert str(Score("x", 0.5, 1, 0.5, 0.5, exact=True)) == "x 0.500"
    assert str(Score("x", 0.5, 0, 0, 1, exact=True)) == "x 0.500 (n=0)"
    assert str(Score("x", 0.5, 9, 0.1, 0.9, unit="gain")) == "x +0.500 (n=9, 95 % +0.100 to +0.900)"


def test_more_is_better_unless_told_otherwise():
    assert census("x", [True]).better == share("x", [True]).better == "higher" and reading("x", 1).better == "lower"
    assert census("x", [True], "lower").better == "lower" and mean_score("x", [1.0], [0], (0.0, 1.0)).better == "higher"


def test_one_missing_name_among_others_is_refused():
    assert [column.tolist() for column in names_of(["a", "b"], ["b", "c"])] == [["a", "b"], ["b", "c"]]
    for truth, predicted, place in ((["a", None], ["a", "b"], "truth"), (["a", "b"], ["a", math.nan], "predicted")):
        with pytest.raises(InputError, match=rf"{place} is missing in 1 of 2 rows \(counted from 0: 1\)"):
            names_of(truth, predicted)
    with pytest.raises(InputError, match="labels of two kinds: truth holds text, predicted holds number and text"):
        names_of(["a", "b"], [1, "b"])
    with pytest.raises(InputError, match="rows: truth has 1, predicted has 2"):
        names_of(["a"], ["a", "b"])


def test_right_answers_are_those_with_the_true_name():
    score = accuracy(["a", "b", "b", "c"], ["a", "b", "c", "b"])
    assert (score.metric, score.value, score.n) == ("accuracy", 0.5, 4)
    found = recall_by_intent(["a", "a", "b", "b", "b"], ["a", "a", "a", "b", "b"])
    assert [(item.metric, item.value, item.n, item.effective) for item in found] == [("b", 2 / 3, 3, 3), ("a", 1.0, 2, 2)]


def test_two_groups_have_levels_beyond_what_a_float_tells_from_certainty():
    assert wider_levels(2) == [1e-12, 1 - 1e-12, 1e-12, 1 - 1e-12]
    assert wider_levels(1) == wider_levels(0) == [0.025, 0.975, 0.05, 0.95]
    assert wider_levels(10**9) == pytest.approx([0.025, 0.975, 0.05, 0.95])


def test_a_group_that_moves_nothing_does_not_hide_the_skew_of_the_others():
    """Without each group in turn the value is off by 1, 1, -2 and 0, so its skew is -6 out of 6 times 6 to the power 1.5."""
    skew = -6 / (6 * 6 ** 1.5)
    step = NORMAL.inv_cdf(0.9)
    found, = corrected_levels(np.array([-1.0, 1.0]), 0.0, np.array([0.0, 0.0, 3.0, 1.0]), 4, [0.9])
    assert found == pytest.approx(NORMAL.cdf(step / (1 - skew * step)))


def test_a_strong_skew_bends_a_level_tenfold_at_most():
    left_out = np.array([0.0] * 99 + [-100.0])  # a skew of 0.164 for a hundred groups, and of 1.64 for one
    found, = corrected_levels(np.array([-1.0, 1.0]), 0.0, left_out, 1, [NORMAL.cdf(0.6)])
    assert found == pytest.approx(NORMAL.cdf(6), abs=1e-11) and found < 1


def test_draws_are_the_same_for_the_same_seed_and_each_group_is_left_out_once():
    drawn, left_out = drawn_again(lambda weights: weights @ [1, 10, 100], np.array(["a", "b", "c"]), 40, 3)
    assert left_out.tolist() == [110, 101, 11] and {sum(map(int, str(int(number)))) for number in drawn} == {3}
    assert drawn.tolist() == drawn_again(lambda weights: weights @ [1, 10, 100], np.array(["a", "b", "c"]), 40, 3)[0].tolist()
    assert max(int(number) // 100 for number in drawn) >= 2 and max(int(number) % 10 for number in drawn) >= 2


def test_what_no_group_has_shown_may_be_anywhere_on_the_scale():
    assert never_seen(10, 0.5).tolist() == pytest.approx([HALF - 0.5, 1.5 - HALF, TENTH - 0.5, 1.5 - TENTH])
    assert never_seen(10, 0.5, (-1.0, 4.0)).tolist() == pytest.approx([
        0.5 - 1.5 * (1 - HALF), 0.5 + 3.5 * (1 - HALF), 0.5 - 1.5 * (1 - TENTH), 0.5 + 3.5 * (1 - TENTH)])


def test_bounds_are_the_wider_of_the_drawn_and_the_unseen_within_what_is_possible():
    def found(ends, within=(-math.inf, math.inf)):
        return bounded("x", 0.5, 20, 10, np.array(ends), "lower", within, (0.0, 1.0))
    inner = found([0.49, 0.51, 0.49, 0.51])
    assert ends_of(inner) == pytest.approx((HALF / 2, 1 - HALF / 2, TENTH / 2, 1 - TENTH / 2))
    assert (inner.metric, inner.value, inner.n, inner.effective, inner.better) == ("x", 0.5, 20, 10.0, "lower")
    assert ends_of(found([-3, 5, -2, 4])) == (-3, 5, -2, 4)
    assert ends_of(found([-3, 5, -2, 4], (-1.0, 2.0))) == (-1, 2, -1, 2)
    assert ends_of(found([0.49, 5, 0.49, 4])) == pytest.approx((HALF / 2, 5, TENTH / 2, 4))


def test_a_bootstrap_of_two_groups_has_an_interval_and_of_one_all_that_is_possible():
    values = np.array([0.0, 1.0])
    two = bootstrap("x", lambda weights: float(weights @ values / weights.sum()), np.arange(2), within=(0.0, 1.0))
    assert (two.n, two.effective, two.value) == (2, 2.0, 0.5) and ends_of(two) == pytest.approx((0, 1, 0, 1))
    one = bootstrap("x", lambda weights: 0.5, np.zeros(2), within=(-2.0, 3.0), better="lower")
    assert ends_of(one) == (-2, 3, -2, 3) and (one.effective, one.better) == (1.0, "lower")
    alone = bootstrap("x", lambda weights: 0.5, np.zeros(1))
    assert (alone.n, alone.value, alone.low, alone.high) == (1, 0.5, -math.inf, math.inf)
    drawn = []
    bootstrap("x", lambda weights: drawn.append(weights) or 0.5, np.arange(2))
    assert len(drawn) == 1 + 1000 + 2  # the value, the draws, and without each
    none = bootstrap("x", lambda weights: 0.5, np.zeros(0))
    assert ends_of(none) == (0, 1, 0, 1) and (none.n, none.better) == (0, "higher")


def test_a_mean_has_the_ends_of_its_scale():
    """Ten rows of 1 on a scale up to 3: what was not seen may be anywhere from 0 to 3."""
    found = mean_score("x", [1] * 10, np.arange(10), (0.0, 3.0))
    assert ends_of(found) == pytest.approx((HALF, 3 - 2 * HALF, TENTH, 3 - 2 * TENTH))
    assert (found.metric, found.value, found.n, found.effective, found.better) == ("x", 1.0, 10, 10.0, "higher")
    within = mean_score("x", [1] * 10, np.arange(10), (0.0, 3.0), "lower", (0.9, 1.1))
    assert ends_of(within) == (0.9, 1.1, 0.9, 1.1) and within.better == "lower"
    mixed = mean_score("x", [0, 1, 2, 3], list("aabb"), (0.0, 3.0))
    assert (mixed.value, mixed.effective, mixed.n) == (1.5, 2.0, 4)
    values, groups = np.arange(30) % 7, np.arange(30)
    assert mean_score("x", values, groups, (0, 6)) == mean_score("x", values, groups, (0, 6), draws=1000, seed=0)
    drawn = [mean_score("x", values, groups, (0, 6), draws=draws, seed=seed)
             for draws, seed in ((999, 0), (1001, 0), (1000, 1))]
    assert mean_score("x", values, groups, (0, 6)) not in drawn


def test_a_mean_of_nothing_but_zeros_is_not_surely_zero():
    """It was an interval of no width, unless less was better."""
    zeros = mean_score("x", [0.0] * 10, list("aabbccddee"), (0.0, 1.0))
    assert (zeros.value, zeros.n, zeros.effective, zeros.better) == (0.0, 10, 5.0, "higher")
    assert ends_of(zeros) == pytest.approx((0, 1 - 0.025 ** (1 / 5), 0, 1 - 0.05 ** (1 / 5)))
    lower = mean_score("x", [0.0] * 10, np.arange(10), (0.0, 1.0), "lower")
    assert ends_of(lower) == pytest.approx((0, 1 - HALF, 0, 1 - TENTH)) and lower.value == 0.0
    some = mean_score("x", [0.0] * 9 + [1.0], np.arange(10), (0.0, 1.0))
    assert some.value == pytest.approx(0.1) and some.high > 0.3
    none = mean_score("x", [], [], (0.0, 1.0), "lower")
    assert math.isnan(none.value) and ends_of(none) == (0, 1, 0, 1) and (none.n, none.better) == (0, "lower")


def test_macro_f1_is_the_mean_over_all_intents_that_occur():
    """Of a, two of three are found among two; of b none of one, and c is none: 0.8, 0 and 0."""
    found = macro_f1(["a", "a", "a", "b"], ["a", "a", "b", "c"], ["p", "p", "q", "r"])
    assert (found.metric, found.value, found.n, found.effective) == ("macro_f1", pytest.approx(0.8 / 3), 4, 3.0)
    assert ends_of(found) == (0, 1, 0, 1)
    assert macro_f1(["a", "b"], ["a", "a"]).value == pytest.approx(1 / 3)
    none = macro_f1([], [])
    assert math.isnan(none.value) and none.n == 0


def test_macro_f1_has_an_interval_from_ten_rows_an_intent_on_within_0_and_1():
    truth = ["a", "b"] * 10
    perfect = macro_f1(truth, truth)
    assert perfect.value == perfect.high == 1.0 and 0.5 < perfect.low < perfect.at_least < 1
    wrong = macro_f1(truth, ["b", "a"] * 10)
    assert wrong.value == wrong.low == 0.0 and 0 < wrong.at_most < wrong.high < 0.5 and wrong.metric == "macro_f1"
    assert macro_f1(truth[1:], truth[1:]).open and macro_f1(["a"] * 9, ["a"] * 9).open
    assert not macro_f1(["a"] * 10, ["a"] * 10).open


def test_macro_f1_of_a_draw_counts_the_intents_that_are_in_it():
    truth, guess = ["a"] * 16 + ["b"] * 4, ["a"] * 15 + ["b"] * 5
    found = macro_f1(truth, guess, [0] * 8 + [1] * 8 + [2] * 4)
    assert found.low < found.value < found.high == 1.0 and found.effective == 3.0
    assert found == macro_f1(truth, guess, [0] * 8 + [1] * 8 + [2] * 4, 1000, 0)


def test_macro_f1_is_drawn_a_thousand_times_from_seed_0_unless_told_otherwise(monkeypatch):
    asked = []

    def recorded(metric, statistic, groups, *rest, within, weights):
        asked.append((metric, *rest, within))
        return Score(metric, 1.0, len(groups), 0.0, 1.0)
    monkeypatch.setattr(evaluate, "bootstrap", recorded)
    macro_f1(["a"] * 20, ["a"] * 20)
    macro_f1(["a"] * 20, ["a"] * 20, None, 50, 7)
    assert asked == [("macro_f1", 1000, 0, (0.0, 1.0)), ("macro_f1", 50, 7, (0.0, 1.0))]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [0.5, 0.08])  # in spreads: 31 and 4.9, so its sign is sure
def test_a_gap_whose_sign_is_sure_moves_the_error_both_ways_and_another_one_upwards(sign, size):
    """Off by 0, 0.02 and -0.02, and by 0.1, 0.2 and 0 whatever the sign: sums up to 0.22, differences down to -0.18."""
    gaps = np.array([sign * size, 0.0])
    drawn = np.array([[sign * size, 0.1], [sign * (size + 0.02), -0.2], [sign * (size - 0.02), 0.0]])
    found = error_ends(size, gaps, drawn)
    assert found.tolist() == pytest.approx([size - 0.214, size + 0.176, size - 0.208, size + 0.172])


def test_a_gap_within_three_spreads_may_have_either_sign():
    """A spread of 0.0163: a gap of 0.045 is less than three of them."""
    found = error_ends(0.045, np.array([0.045]), np.array([[0.045], [0.065], [0.025]]))
    assert found.tolist() == pytest.approx([0.045 - 0.02, 0.045 + 0.02, 0.045 - 0.02, 0.045 + 0.02], abs=1e-9)


def test_the_calibration_error_has_an_interval_from_two_hundred_groups_on():
    dice = np.random.default_rng(2)
    sure = dice.uniform(0.5, 1, 400)
    right = dice.random(400) < sure - 0.2
    found = calibration_error(sure, right, np.repeat(range(200), 2))
    assert 0 < found.low < found.at_least < found.value < found.at_most < found.high < 1 and found.high - found.low > 0.08
    assert (found.metric, found.n, found.effective, found.better) == ("calibration_error", 400, 200.0, "lower")
    few = calibration_error(sure, right, np.append(np.repeat(range(199), 2), [0, 0]))
    assert ends_of(few) == (0, 1, 0, 1) and few.value == found.value and few.effective == 199.0
    assert (few.metric, few.better) == ("calibration_error", "lower")
    assert calibration_error(sure, right) == calibration_error(sure, right, None, 1000, 0)
    assert calibration_error(sure, right) not in [calibration_error(sure, right, None, *how)
                                                  for how in ((999, 0), (1001, 0), (1000, 1))]


def test_the_two_highest_bins_are_two():
    assert calibration_error([0.85, 0.95], [True, False]).value == pytest.approx((0.15 + 0.95) / 2)
    assert calibration_error([0.95, 1.0], [True, False]).value == pytest.approx((1.0 - 0.05) / 2)


def test_a_wrong_answer_is_silent_from_the_threshold_on():
    found = [silently_wrong([sure], [right], 0.5).value for sure in (0.4, 0.5, 0.6, math.nan) for right in (False, True)]
    assert found == [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]


def test_the_calibration_error_is_between_none_and_all():
    worst, best = (calibration_error([1.0] * 200, [right] * 200) for right in (False, True))
    assert worst.value == worst.high == worst.at_most == 1.0 and 0.9 < worst.low < 1
    assert best.value == best.low == best.at_least == 0.0 and 0 < best.high < 0.1
    none = calibration_error([], [])
    assert math.isnan(none.value) and (none.n, none.low, none.high) == (0, 0.0, 1.0)


def test_the_area_counts_what_is_below_and_half_of_what_is_equal():
    assert [area_under_roc([score], [0.3, 0.5]) for score in (0.1, 0.3, 0.4, 0.5, 0.6)] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert area_under_roc([0.1, 0.6], [0.3, 0.5], [1, 3], [2, 2]) == 0.75
    with np.errstate(all="raise"):  # without a row it does not divide
        assert all(math.isnan(area_under_roc([0.5], [0.5], *weights)) for weights in (([0], [1]), ([1], [0]), ([0], [0])))


def test_the_area_is_between_none_and_all():
    inside, outside = np.linspace(0.6, 0.9, 20), np.linspace(0.1, 0.4, 20)
    best, worst = oos_auroc(inside, outside), oos_auroc(outside, inside)
    assert best.value == best.high == 1.0 and 0.8 < best.low < 1
    assert worst.value == worst.low == 0.0 and 0 < worst.high < 0.2 and worst.metric == "oos_auroc"
    dice = np.random.default_rng(1)
    rows = dice.random(20) + 0.3, dice.random(20)
    assert oos_auroc(*rows) not in [oos_auroc(*rows, draws=999), oos_auroc(*rows, draws=1001), oos_auroc(*rows, seed=1)]


def test_a_draw_without_a_row_of_one_side_says_one_half(monkeypatch):
    assert oos_auroc([], [0.5]).metric == oos_auroc([0.5], []).metric == "oos_auroc"
    monkeypatch.setattr(evaluate, "bootstrap", lambda metric, statistic, groups, *rest, **more: (statistic, groups, rest))
    statistic, groups, rest = oos_auroc([0.9, 0.2], [0.1, 0.3], ["p", "q"], ["p", "q"], 7, 8)
    assert groups.tolist() == ["in p", "in q", "out p", "out q"] and rest == (7, 8)
    drawn = [1, 1, 1, 1], [0, 1, 1, 1], [0, 1, 0, 1], [1, 2, 0, 0], [0, 0, 1, 1]
    assert [statistic(np.array(weights)) for weights in drawn] == [0.75, 0.5, 0.0, 0.5, 0.5]


@pytest.mark.parametrize("n, risk, place", [
    (1, 0.5, 1), (1, 0.4, 0), (2, 0.25, 1), (2, 0.24, 0), (2, 0.75, 2), (4, 0.05, 0), (5, 0.05, 1), (5, 0.025, 0),
    (6, 0.025, 1), (8, 0.05, 2), (10, 0.025, 2)])
def test_the_place_of_a_bound_of_a_median_is_counted_by_tosses_of_a_coin(n, risk, place):
    """Of five tosses none is a head with a chance of 1 in 32, of eight at most one with 9 in 256."""
    assert median_order(n, risk) == place


def test_the_bounds_of_a_median_are_open_where_the_values_are_too_few():
    assert math.isnan(median_score("x", []).value)
    five = median_score("x", [5.0, 3.0, 4.0, 1.0, 2.0])
    assert five.value == 3.0 and ends_of(five) == (0.0, math.inf, 1.0, 5.0)
    four = median_score("x", [4.0, 3.0, 2.0, 1.0])
    assert four.value == 2.5 and ends_of(four) == (0.0, math.inf, 0.0, math.inf)
    six = median_score("x", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert ends_of(six) == (1, 6, 1, 6) and (six.better, six.unit, six.n) == ("lower", "loops", 6)
    eight = median_score("x", list(range(1, 9)))
    assert ends_of(eight) == (1, 8, 2, 7)


def test_a_gain_of_one_row_counts_what_broke_and_what_healed():
    worse, better = gain("g", [True, True], [True, False]), gain("g", [False, True], [True, True])
    assert (worse.value, better.value) == (-0.5, 0.5) and worse.low < -0.5 < worse.high and better.low < 0.5 < better.high
    same = gain("g", [True, False], [True, False])
    assert same.value == 0.0 and (same.unit, same.n, same.effective) == ("gain", 2, 2)


def test_confusions_come_by_number_and_then_by_name():
    found = most_confused(list("bbaac"), list("aaccb"), list("12345"), 2)
    assert [(item.intent, item.predicted, item.n, item.of, item.example) for item in found] == [
        ("a", "c", 2, 2, "3"), ("b", "a", 2, 2, "1")]
    found = most_confused(list("abbcc"), list("baabb"), list("12345"))
    assert [(item.intent, item.predicted, item.n) for item in found] == [("b", "a", 2), ("c", "b", 2), ("a", "b", 1)]


def test_confusions_need_a_text_for_each_row():
    with pytest.raises(ValueError, match="zip"):
        most_confused(["a", "b"], ["b", "b"], ["one"])
    assert share("x", [True, False]).value == 0.5 and most_confused(["a"], ["a"], ["one"]) == []
