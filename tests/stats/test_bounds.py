"""The bounds of a score are those of the books, and hold what they promise."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special as scipy_special
from scipy.integrate import quad
from scipy.stats import binom, binomtest, false_discovery_control, norm
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import t as student

from mlbot.gates.test_budget import decisions_carried, tail
from mlbot.settings import Meter
from mlbot.stats.bounds import (
    benjamini_hochberg,
    binomial_mid_p,
    by_hand,
    crossing,
    design_effect,
    difference_bounds,
    difference_interval,
    e_value,
    effective_rows,
    healed_bound,
    holm,
    intraclass,
    power_above,
    probability_of_at_most,
    probability_of_no_loss,
    rows_above,
    rows_to_see,
    rows_to_settle,
    share_at_least,
    share_at_most,
    share_by_bets,
    smallest_seen,
    special,
    widened,
    wilson,
)
from mlbot.stats.scores import accuracy, bootstrap, corrected_levels, gain, share


@given(st.integers(1, 3000), st.data())
def test_the_bounds_of_a_share_are_those_of_clopper_and_pearson(n, data):
    hits = data.draw(st.integers(0, n))
    theirs = binomtest(hits, n).proportion_ci(0.90, method="exact")  # two sides of 5 %
    assert np.allclose((share_at_least(hits, n), share_at_most(hits, n)), (theirs.low, theirs.high), atol=1e-7)
    assert np.isclose(probability_of_at_most(hits, n, 0.8), binom.cdf(hits, n, 0.8), atol=1e-9)


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_test_of_pairs_is_mid_p_mcnemar(broke, healed):
    n = broke + healed
    theirs = binom.cdf(healed, n, 0.5) - binom.pmf(healed, n, 0.5) / 2 if n else 0.5
    assert np.isclose(probability_of_no_loss(broke, healed), theirs, atol=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_many_at_once_are_corrected_as_scipy_does(chances):
    assert np.allclose(benjamini_hochberg(chances), false_discovery_control(chances, method="bh"))
    adjusted = holm(chances)
    assert all(old <= new <= 1 for old, new in zip(chances, adjusted, strict=True))
    assert min(adjusted) == min(1.0, len(chances) * min(chances))


def test_bounds_are_wrong_in_at_most_one_case_in_twenty():
    rng, wrong = np.random.default_rng(0), np.zeros(2)
    for hits in rng.binomial(200, 0.83, 4000):
        wrong += share_at_least(hits, 200) > 0.83, share_at_most(hits, 200) < 0.83
    assert max(wrong) / 4000 <= 0.05


def test_rows_of_one_group_count_for_what_they_are_worth():
    """Twenty groups of ten rows that agree: as many wrong verdicts as twenty rows would give, not as two hundred."""
    rng, groups, wrong = np.random.default_rng(1), np.repeat(range(40), 10), np.zeros(2)
    for _ in range(1000):
        flags = np.repeat(rng.random(40) < 0.8, 10)
        wrong += share("x", flags, groups).at_least > 0.8, share("x", flags).at_least > 0.8
    assert wrong[0] / 1000 <= 0.07 < 0.2 < wrong[1] / 1000
    assert share("x", flags, groups).effective == pytest.approx(40, rel=0.1)
    assert design_effect(np.array([True, False]), np.array([1, 2])) == 1.0


@pytest.mark.parametrize("times, least, most", [(40, 0.85, 1), pytest.param(200, 0.90, 0.99, marks=pytest.mark.long)])
def test_a_bootstrap_of_groups_holds_its_level(times, least, most):
    rng, hit = np.random.default_rng(2), 0
    for seed in range(times):
        values, groups = np.repeat(rng.normal(0, 1, 60), 5) + rng.normal(0, 0.1, 300), np.repeat(range(60), 5)
        score = bootstrap("x", lambda weights, values=values: float(weights @ values / weights.sum()), groups, 400, seed)
        hit += score.low <= 0 <= score.high
    assert least <= hit / times <= most


def test_the_rows_that_show_a_difference_are_those_of_the_formula():
    assert rows_to_see(0.02, 0.06) == pytest.approx(920, abs=15) and rows_to_see(0.01, 0.15) > 9000
    assert smallest_seen(rows_to_see(0.02, 0.06), 0.06) == pytest.approx(0.02, abs=1e-3)


def test_the_rows_that_settle_a_verdict_are_those_with_which_its_bound_is_at_the_limit_four_times_in_five():
    """On the limit, and without rows, no number of rows settles anything; a surer answer needs more of them."""
    half = (0.85 - 0.79) / 2 * (1 + norm.ppf(0.8) / norm.ppf(0.95))
    for limit in (0.80, 0.84):  # on both sides
        assert rows_to_settle(0.82, 0.79, 0.85, 500, limit) == math.ceil(500 * (half / 0.02) ** 2) == 2571
    assert rows_to_settle(0.82, 0.79, 0.85, 500, 0.80, power=0.5) == pytest.approx(500 * 1.5**2, abs=1)
    assert rows_to_settle(0.8, 0.7, 0.9, 500, 0.8) is rows_to_settle(0.9, 0.7, 0.9, 0, 0.8) is None


def test_the_rows_that_tell_two_models_apart_are_those_of_the_textbook():
    """By Lachenbruch's formula for McNemar's test; a difference that the discordance cannot hold is still a number."""
    sure, found = norm.ppf(0.95), norm.ppf(0.9)
    exact = ((sure * math.sqrt(0.1) + found * math.sqrt(0.1 - 0.03**2)) / 0.03) ** 2
    assert rows_to_see(0.03, 0.1, power=0.9) == math.ceil(exact) and rows_to_see(0.01, 0.1) == 6181
    assert rows_to_see(0.5, 0.1) == math.ceil((sure * math.sqrt(0.1) / 0.5) ** 2)
    for power in (0.8, 0.9):
        seen = smallest_seen(500, 0.1, power)
        assert rows_to_see(seen - 1e-6, 0.1, power) > 500 >= rows_to_see(seen + 1e-6, 0.1, power)
    assert smallest_seen(500, 0.1) == smallest_seen(500, 0.1, 0.8)
    assert smallest_seen(1, 0.1) == pytest.approx(0.1)  # nothing smaller than all that differs


def test_a_crossing_is_found_to_the_last_digits_and_is_an_end_where_there_is_none():
    assert crossing(lambda at: 0.3 - at, 0.0, 1.0) == pytest.approx(0.3, abs=1e-15)
    assert [crossing(lambda at, end=end: end, 2.0, 3.0) for end in (1.0, -1.0)] == pytest.approx([3.0, 2.0])


def test_the_shown_interval_of_a_gain_is_that_of_the_literature():
    """Two polls of 1,600 people (Agresti): 150 left, 86 came, and approval fell by 2.1 to 5.9 points."""
    assert difference_interval(150, 86, 1600) == pytest.approx((-0.0587, -0.0212), abs=5e-5)
    low, high = difference_interval(30, 12, 500)
    half = norm.ppf(0.975) * math.sqrt(43 - 18**2 / 502) / 502
    assert (low, high) == pytest.approx((-18 / 502 - half, -18 / 502 + half), abs=1e-12)
    assert difference_interval(1, 0, 1)[0] == -1.0 and difference_interval(0, 1, 1)[1] == 1.0  # no gain is beyond all rows


def test_no_changed_row_is_no_change_and_bounds_are_never_inside_the_mid_p_ones():
    """The bounds of a gain are the wider ones of mid-p and the shown interval, on the side of zero that mid-p says."""
    assert difference_bounds(0, 0, 50) == (0.0, 0.0) and healed_bound(0, 7, 0.025) == 1.0
    assert difference_bounds(9, 4, 100) == difference_bounds(9, 4, 100, 0.025) != difference_bounds(9, 4, 100, 0.05)
    for broke, healed, n in ((1, 0, 50), (0, 1, 50), (9, 4, 100), (0, 6, 100), (30, 4, 200)):
        least, most = difference_bounds(broke, healed, n)
        mirrored = difference_bounds(healed, broke, n)
        assert (least, most) == pytest.approx((-mirrored[1], -mirrored[0]))
        changed = (broke + healed) / n
        shares = 1 - healed_bound(healed, broke, 0.025), healed_bound(broke, healed, 0.025)
        inner = [(2 * share - 1) * changed for share in shares]
        assert least <= inner[0] + 1e-9 and most >= inner[1] - 1e-9
        assert (least > 0) == (inner[0] > 0) and (most < 0) == (inner[1] < 0)
    least, _ = difference_bounds(0, 6, 100)
    assert least == pytest.approx(min(0.06 * (2 * 0.05 ** (1 / 6) - 1), difference_interval(0, 6, 100, 0.05)[0]))


def test_chances_at_the_ends_are_certain():
    assert {probability_of_at_most(*asked) for asked in ((5, 5, 0.99), (6, 5, 0.99), (0, 5, 0.0))} == {1.0}
    assert probability_of_at_most(1, 5, -0.2) == 1.0  # a floor below 0 asks nothing
    assert probability_of_at_most(4, 5, 1.0) == 0.0 and probability_of_at_most(4, 5, 1.5) == 0.0
    assert probability_of_at_most(0.5, 5, 0.9) < probability_of_at_most(1, 5, 0.9)  # rows of groups count in parts
    assert share_at_least(0, 5) == 0.0 < share_at_least(0.5, 5) and share_at_most(5, 5) == 1.0 > share_at_most(4.5, 5)
    assert binomial_mid_p(0.5, 4, 0.5) == probability_of_at_most(0.5, 4, 0.5) / 2  # no fewer than a part of one
    assert binomial_mid_p(0, 4, 0.5) == 0.5**4 / 2 and binomial_mid_p(1, 4, 0.5) == 0.5**4 + 4 * 0.5**4 / 2


def test_the_design_effect_is_that_of_cluster_sampling():
    """Variance of a mean of clusters over that of rows, with the usual correction for few clusters, and never below 1."""
    values, groups = np.array([1, 0, 1, 1, 1, 1, 0, 0]), np.array(list("aabbbccc"))
    gaps = values - 5 / 8
    sums = [gaps[groups == name].sum() for name in "abc"]
    assert design_effect(values, groups) == pytest.approx(max(1, 3 / 2 * sum(np.square(sums)) / (gaps @ gaps)))
    pairs = np.array([1, 1, 1, 0, 0, 0, 1, 0]), np.array(list("aabbccdd"))
    assert design_effect(*pairs) == pytest.approx(4 / 3 * (1 + 0 + 1 + 0) / (8 / 4))
    assert design_effect(np.array([1, 0, 1, 0]), np.array([1, 1, 2, 2])) == 1.0  # groups that are all alike
    assert design_effect(np.array([]), np.array([])) == 0.0
    assert design_effect(np.array([True, True, False]), np.array([1, 1, 1])) == 3.0
    assert design_effect(np.array([True, True, True]), np.array([1, 2, 3])) == 1.0


def test_holm_multiplies_the_smallest_by_all_and_goes_down_and_never_past_one():
    assert holm([0.6, 0.01, 0.5, 0.04, 0.04]) == pytest.approx([1.0, 0.05, 1.0, 0.16, 0.16]) and holm([]) == []
    assert holm([0.02, 0.019]) == pytest.approx([0.038, 0.038])  # the order of the chances is kept


def test_the_evidence_is_the_mean_likelihood_ratio_over_all_ways_to_be_worse():
    for broke, healed in ((12, 8), (3, 0), (0, 3), (0, 0), (40, 22)):
        mean, _ = quad(lambda share, b=broke, h=healed: share**h * (1 - share) ** b, 0, 0.5, epsabs=0)
        assert e_value(broke, healed) == pytest.approx(2 ** (broke + healed + 1) * mean, rel=1e-9)
    assert 1e300 < e_value(10**6, 0) < math.inf


def test_evidence_that_may_be_looked_at_any_time_stays_calm_and_then_wakes():
    rng, alarms = np.random.default_rng(3), 0
    for _ in range(300):
        broke = np.cumsum(rng.random(400) < 0.5)
        alarms += any(e_value(int(b), n - int(b)) >= 20 for n, b in enumerate(broke, 1) if n % 10 == 0)
    assert alarms / 300 <= 0.05
    assert e_value(70, 30) > 20 > e_value(50, 50)


def test_accuracy_counts_by_group_and_a_gain_too():
    truth, groups = ["a"] * 40, np.repeat(range(4), 10)
    guess = ["a"] * 30 + ["b"] * 10
    assert accuracy(truth, guess, groups).at_least < accuracy(truth, guess).at_least
    before, after = np.array([True] * 40), np.array([True] * 30 + [False] * 10)
    assert gain("x", before, after).at_most < 0 < gain("x", before, after, groups).at_most + 1e-9


def test_the_interval_of_a_bootstrap_is_bca_as_scipy_s():
    """On skewed values BCa and the plain percentiles are far apart; ours is near scipy's."""
    values = np.exp(np.random.default_rng(5).normal(0, 1.6, 40))
    score = bootstrap("x", lambda weights: float(weights @ values / weights.sum()), np.arange(40), 4000, 7)
    theirs, plain = (scipy_bootstrap((values,), np.mean, n_resamples=4000, method=method, rng=np.random.default_rng(8))
                     .confidence_interval for method in ("BCa", "percentile"))
    gap = theirs.high - plain.high
    assert gap > 0.2 and abs(score.high - theirs.high) < gap / 3 and abs(score.low - theirs.low) < gap / 3


def test_leaving_out_some_of_the_groups_gives_the_interval_of_leaving_out_all():
    values = np.exp(np.random.default_rng(6).normal(0, 1, 1400))
    draws = np.random.default_rng(7).choice(values, (2000, 1400)).mean(axis=1)
    left_out = (values.sum() - values) / 1399
    every, some = (corrected_levels(draws, values.mean(), part, 1400, [0.025, 0.975]) for part in (left_out, left_out[::2]))
    assert np.allclose(every, some, atol=0.004)


def test_the_bound_of_a_difference_is_where_the_mid_p_is_the_risk():
    for broke, healed in ((3, 9), (12, 4), (1, 0)):
        bound = healed_bound(broke, healed, 0.025)
        n = broke + healed
        assert binom.cdf(healed, n, bound) - binom.pmf(healed, n, bound) / 2 == pytest.approx(0.025, abs=1e-6)


def test_a_single_group_or_groups_that_all_agree_are_worth_one_row_each():
    assert share("x", [True] * 30 + [False] * 10, ["a"] * 40).effective == 1
    assert share("x", [True] * 40, np.repeat(["a", "b"], 20)).effective == 2
    assert share("x", [True] * 40, np.repeat(["a", "b"], 20)).at_least < 0.5


def test_the_meter_counts_far_tails_on_both_sides():
    assert tail(2000, 0.1, 0.5) == pytest.approx(max(binom.cdf(800, 2000, 0.5), binom.sf(1199, 2000, 0.5)), rel=1e-6)
    assert tail(2000, 0.1, 0.2) == pytest.approx(binom.sf(599, 2000, 0.2), rel=1e-6) and 0 < tail(2000, 0.1, 0.2) < 1e-20
    meter = Meter(0.05, 0.95, "full", 0)
    assert decisions_carried(900, meter, 1.0) == decisions_carried(900, meter, 0.95) < 10_000  # an end knows no chance
    assert decisions_carried(10**7, meter, 0.8) < 10_000  # what underflows is not promised


def test_a_part_of_the_groups_is_scaled_to_all_of_them():
    """Ten times the same values: a tenth of them, left out one by one, says exactly what all of them say."""
    base = np.exp(np.random.default_rng(9).normal(0, 1.5, 60))
    values = np.tile(base, 10)
    draws = np.random.default_rng(10).choice(values, (2000, 600)).mean(axis=1)
    left_out = (values.sum() - values) / 599
    every, some = (corrected_levels(draws, values.mean(), part, 600, [0.025, 0.975]) for part in (left_out, left_out[:60]))
    assert np.allclose(every, some, atol=1e-9)


def test_the_rows_that_settle_a_score_are_those_of_the_formula():
    """The half of the distance between the bounds shrinks with the root of the rows, plus what power asks."""
    half = 0.03 * (1 + norm.ppf(0.8) / norm.ppf(0.95))
    assert rows_to_settle(0.82, 0.79, 0.85, 500, 0.80) == np.ceil(500 * (half / 0.02) ** 2)
    assert rows_to_settle(0.78, 0.75, 0.81, 500, 0.80) == np.ceil(500 * (half / 0.02) ** 2)
    assert rows_to_settle(0.82, 0.79, 0.85, 501, 0.80, power=0.5) == np.ceil(501 * (0.03 / 0.02) ** 2)
    assert rows_to_settle(0.8, 0.7, 0.9, 100, 0.8) is None and rows_to_settle(0.9, 0.7, 1.0, 0, 0.8) is None


@pytest.mark.parametrize("difference, discordance, power", [(0.02, 0.06, 0.8), (0.01, 0.15, 0.9), (0.05, 0.05, 0.5)])
def test_the_power_of_a_comparison_is_that_of_the_published_formula(difference, discordance, power):
    """N = (z_alpha sqrt(d) + z_beta sqrt(d - D^2))^2 / D^2, one-sided at 5 %."""
    spread = norm.ppf(0.95) * discordance ** 0.5 + norm.ppf(power) * max(discordance - difference ** 2, 0) ** 0.5
    n = rows_to_see(difference, discordance, power)
    assert n == np.ceil((spread / difference) ** 2)
    assert smallest_seen(n, discordance, power) == pytest.approx(difference, rel=0.01)


def test_a_pair_of_models_whose_difference_can_be_seen_is_told_apart_in_four_of_five_cases():
    """The formula tried out: two points, six percent of answers differ."""
    n, dice = rows_to_see(0.02, 0.06), np.random.default_rng(0)
    changed = dice.multinomial(n, [0.04, 0.02, 0.94], 2_000)
    seen = [probability_of_no_loss(int(broke), int(healed)) < 0.05 for broke, healed, _ in changed]
    assert 0.76 < np.mean(seen) < 0.84


def test_where_a_falling_function_crosses_zero_is_found_and_an_end_where_it_does_not():
    assert crossing(lambda at: 0.3 - at, 0.0, 1.0) == pytest.approx(0.3)
    assert crossing(lambda at: 1.0, 0.0, 1.0) == pytest.approx(1.0)
    assert crossing(lambda at: -1.0, 0.0, 1.0) == pytest.approx(0.0)


def test_groups_that_agree_are_worth_what_analysis_of_variance_says():
    """By hand: three groups of two; means 1, 0 and 1/2 around 1/2."""
    values, groups = np.array([1, 1, 0, 0, 1, 0.0]), np.array([0, 0, 1, 1, 2, 2])
    between, within = 2 * (0.25 + 0.25 + 0) / 2, 0.5 / 3
    assert intraclass(values, groups) == pytest.approx((between - within) / (between + within))
    assert intraclass(np.array([1.0, 0, 1, 0]), np.array([0, 0, 1, 1])) == 0.0  # they differ within: no less than nothing
    sizes = np.array([0, 0, 0, 1, 1, 2])  # sizes that differ: the usual one is (6 - 14 / 6) / 2
    flags = np.array([1, 1, 1, 0, 0, 1.0])
    between = (3 * (1 / 3) ** 2 + 2 * (2 / 3) ** 2 + (1 / 3) ** 2) / 2
    assert intraclass(flags, sizes) == pytest.approx(between / (between + ((6 - 14 / 6) / 2 - 1) * 0)) == 1.0
    worst = 14 / 6  # all of one group alike: Kish
    assert design_effect(flags, sizes) == pytest.approx(max(worst, 3 / 2 * (1 + (4 / 3) ** 2 + (1 / 3) ** 2) / (4 / 3)))


def test_few_groups_are_worth_less_by_the_squared_ratio_of_student_s_quantiles():
    flags, groups = np.repeat(np.arange(12) % 4 > 0, 5), np.repeat(range(12), 5)
    ratio = student.ppf(0.975, 59) / student.ppf(0.975, 11)
    assert effective_rows(flags, groups) == pytest.approx(60 / design_effect(flags, groups) * ratio ** 2)
    assert effective_rows(np.repeat([True, False], 5), np.repeat([0, 1], 5)) == 1.0  # never less than one row
    assert effective_rows(flags, np.arange(60)) == 60 and effective_rows(np.ones(60), groups) == 12
    assert effective_rows(flags, np.zeros(60)) == 1.0


@pytest.mark.parametrize("count, kind", [(10, "equal"), (40, "mostly one")])
def test_shares_of_groups_of_any_sizes_hold_their_bounds(count, kind):
    """Few groups, some of them large: the bounds are wrong in at most one case in twenty, or little more."""
    dice, wrong = np.random.default_rng(count), np.zeros(2)
    for _ in range(400):
        sizes = np.full(count, 5) if kind == "equal" else np.where(dice.random(count) < 0.8, 1, dice.integers(2, 12, count))
        groups = np.repeat(range(count), sizes)
        flags = dice.random(len(groups)) < dice.beta(0.9 * 0.05, 0.1 * 0.05, count)[groups]
        score = share("x", flags, groups)
        wrong += score.at_least > 0.9, score.at_most < 0.9
    assert max(wrong) / 400 <= 0.07


def test_the_interval_of_a_gain_has_half_a_pair_more_in_each_cell():
    low, high = difference_interval(4, 9, 98)
    gap, half = 5 / 100, norm.ppf(0.975) * np.sqrt(14 - 25 / 100) / 100
    assert (low, high) == pytest.approx((gap - half, gap + half))
    assert difference_interval(4, 9, 98, 0.1)[0] == pytest.approx(gap - half * norm.ppf(0.95) / norm.ppf(0.975))
    assert difference_interval(0, 1, 1)[1] == 1.0 and difference_interval(1, 0, 1)[0] == -1.0


def test_a_gain_is_bounded_with_what_is_unknown_about_how_many_rows_change():
    """One-sided bounds at 2.5 %, on 60 rows of which few change: each is wrong in at most so many cases, or few more."""
    draws, wrong = np.random.default_rng(4).multinomial(60, [0.06, 0.03, 0.91], 4_000), np.zeros(2)
    for (broke, healed, _), times in zip(*np.unique(draws, axis=0, return_counts=True), strict=True):
        least, most = difference_bounds(int(broke), int(healed), 60)
        wrong += times * np.array([broke + healed > 0 and least > -0.03, most < -0.03])
    assert max(wrong) / 4_000 <= 0.035
    for broke, healed in ((6, 0), (20, 6), (0, 6), (6, 20), (3, 2)):  # on which side of zero: what the test says
        least, most = difference_bounds(broke, healed, 500)
        assert (most < 0) == (probability_of_no_loss(broke, healed) < 0.025) and least <= (healed - broke) / 500 <= most
        assert (least > 0) == (probability_of_no_loss(healed, broke) < 0.025)


BETAS = [(a, b, x) for a in (0.5, 1, 3, 40, 900) for b in (0.5, 1, 7, 300) for x in (-0.1, 0, 0.02, 0.3, 0.5, 0.97, 1, 1.5)]


def test_without_scipy_the_functions_are_those_of_scipy():
    """Each by its name, on and beside the edges of what it is defined for."""
    own = by_hand()
    for a, b, x in BETAS:
        assert own.betainc(a, b, x) == pytest.approx(scipy_special.betainc(a, b, min(max(x, 0), 1)), rel=1e-9, abs=1e-13)
        assert own.betaln(a, b) == pytest.approx(scipy_special.betaln(a, b), rel=1e-9, abs=1e-12)
    assert isinstance(own.betainc(2, 3, -0.1), float) and isinstance(own.betainc(2, 3, 1.5), float)
    for a, b in ((0.5, 7), (3, 1), (40, 300)):
        for chance in (0.001, 0.05, 0.5, 0.975):
            assert own.betaincinv(a, b, chance) == pytest.approx(scipy_special.betaincinv(a, b, chance), rel=1e-9)
    for n in (1, 5, 60):
        for k in (0, 1, n - 1, n):
            for right in (0.01, 0.3, 0.5, 0.99):
                assert own.bdtr(k, n, right) == pytest.approx(scipy_special.bdtr(k, n, right), rel=1e-9, abs=1e-13)
                assert own.bdtrc(k, n, right) == pytest.approx(scipy_special.bdtrc(k, n, right), rel=1e-9, abs=1e-13)
    assert own.bdtrc(0, 0, 0.3) == 0 and own.bdtrc(-1, 5, 0.3) == 1 and own.bdtrc(5, 5, 0.3) == 0 == own.bdtrc(6, 5, 0.3)
    for degrees in (1, 4, 30, 1_000):
        for chance in (0.025, 0.3, 0.975):
            assert float(own.stdtrit(degrees, chance)) == pytest.approx(student.ppf(chance, degrees), rel=1e-7)
    for n, right, risk in ((20, 0.8, 0.05), (200, 0.5, 0.01), (3, 0.9, 0.5), (5, 0.1, 0.05)):
        fewest = max((k for k in range(n) if binom.cdf(k, n, right) <= risk), default=0)
        assert own.bdtrik(risk, n, right) == fewest, (n, right)


@pytest.mark.parametrize("n, value, floor", [(1, 0.9, 0.5), (40, 0.9, 0.8), (200, 0.85, 0.8), (30, 0.5, 0.01),
                                             (30, 0.5, 0.001), (4, 0.99, 0.9), (10, 0.6, 0.0)])
def test_the_power_is_the_share_of_samples_whose_bound_reaches_the_floor(n, value, floor):
    reached = [share_at_least(hits, n) >= floor for hits in range(n + 1)]
    assert power_above(n, value, floor) == pytest.approx(float(binom.pmf(np.arange(n + 1), n, value) @ reached), abs=1e-12)


def test_a_side_that_is_a_little_longer_is_no_skew():
    """At exactly 1.25 times half the width the half counts, above it the side does."""
    even, longer = rows_to_settle(0.75, 0.5, 0.9, 10_000, 0.25), rows_to_settle(0.75, 0.499, 0.9, 10_000, 0.25)
    assert longer / even == pytest.approx((0.251 / 0.2) ** 2, rel=0.001)


@pytest.mark.parametrize("groups, same", [(np.zeros(40), True), (np.arange(40), True), (np.arange(40) // 4, False),
                                          (np.arange(40) // 20, False)])
def test_one_group_or_one_row_a_group_costs_no_quantile(groups, same):
    values = (np.arange(40) * 7 % 10 < 6) * 1.0
    assert (effective_rows(values, groups) == 40 / design_effect(values, groups)) == same


@pytest.mark.parametrize("means, counted", [((0.0, 0.0), [1]), ((0.5, 1.0), [1, 1, 0]), ((0.5, 0.9), [1, 0.5])])
def test_bets_grow_as_the_formula_says(means, counted):
    """The same money, step by step: the stake of each label rests on the labels before it alone."""
    counted = np.resize(counted, 48)
    right, kept = np.array([1, 1, 0, 1, 1, 1, 0, 1] * 6) * counted, []
    for at in np.linspace(0, 1, 501):
        centre, up, down = means[0] - at * means[1], 0.0, 0.0
        past, squares = [centre], 0.25
        for one, all_of in zip(right, counted, strict=True):
            mean, step = sum(past) / len(past), one - at * all_of
            stake = mean / (max(squares / len(past) - (mean - centre) ** 2, 1e-9) + mean ** 2)
            up += math.log1p(min(max(stake, 0), 0.5 / max(1 - centre, 1e-9)) * step)
            down += math.log1p(max(min(stake, 0), -0.5 / max(1 + centre, 1e-9)) * step)
            past.append(step)
            squares += (step - centre) ** 2
        if np.logaddexp(up, down) - math.log(2) < math.log(20):
            kept.append(at)
    found = share_by_bets(right - means[0], counted - means[1], means)
    assert found == pytest.approx((max(kept[0] - 0.002, 0), min(kept[-1] + 0.002, 1)), abs=1e-9)


def test_labels_of_two_lengths_are_refused():
    with pytest.raises(ValueError):
        share_by_bets(np.ones(3), np.ones(2))


@pytest.mark.parametrize("n", [1, 2, 3, 10, 37])
def test_wilson_is_that_of_scipy_for_each_number_of_hits(n):
    for hits in range(n + 1):
        theirs = binomtest(hits, n).proportion_ci(method="wilsoncc")
        assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12), hits


def test_groups_that_are_all_of_one_value_are_one_row_each():
    assert intraclass(np.ones(4), np.array([0, 0, 1, 1])) == 1.0
    assert design_effect(np.ones(6), np.array([1, 1, 1, 2, 2, 2])) == 3.0 == design_effect(np.zeros(6), np.zeros(6)) / 2


def test_the_design_effect_is_the_larger_of_two_estimates():
    """Each of them is the larger one in some draw."""
    dice, larger = np.random.default_rng(5), set()
    for _ in range(40):
        of_row = np.repeat(np.arange(5), dice.integers(1, 8, 5))
        values = (dice.random(len(of_row)) < dice.random(5)[of_row]) * 1.0
        sizes, gaps = np.bincount(of_row), values - values.mean()
        if np.ptp(values) == 0 or len(of_row) == 5:
            continue
        sums = np.bincount(of_row, gaps)
        spread = 5 / 4 * float(sums @ sums) / float(gaps @ gaps)
        kin = 1 + intraclass(values, of_row) * (float(sizes @ sizes) / len(values) - 1)
        larger.add(spread > kin)
        assert design_effect(values, of_row) == pytest.approx(max(1, spread, kin), rel=1e-12)
    assert larger == {True, False}


@pytest.mark.parametrize("value, floor", [(0.9, 0.8), (0.95, 0.9), (0.6, 0.5), (0.99, 0.5)])
def test_one_row_less_would_not_show_it(value, floor):
    rows = rows_above(value, floor)
    assert isinstance(rows, int) and power_above(rows, value, floor) >= 0.8 > power_above(rows - 1, value, floor)


def test_a_bound_never_changes_its_side_of_zero():
    assert widened(0.0, 0.2) == 0.0 and widened(0.0, -0.1) == -0.1 and widened(-0.1, 0.2) == -0.1
    assert widened(0.2, -0.1) == 1e-9 and widened(0.2, 0.1) == 0.1


def test_where_scipy_is_missing_the_functions_by_hand_take_its_place(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    special.cache_clear()
    try:
        assert special().__name__ == "by hand" and share_at_least(9, 10) == pytest.approx(0.6058, abs=1e-4)
    finally:
        special.cache_clear()


def test_a_bet_is_won_and_lost_as_by_hand():
    """One label rules nothing out, because half of the money is safe; after many, most values are out."""
    assert share_by_bets(np.ones(1), np.ones(1)) == (0.0, 1.0)
    low, high = share_by_bets(np.ones(200), np.ones(200))
    assert 0.9 < low < 1 == high
    flipped = share_by_bets(np.zeros(200), np.ones(200))
    assert flipped[0] == 0 and flipped[1] == pytest.approx(1 - low, abs=0.02)
    stricter = share_by_bets(np.arange(200) % 2 * 1.0, np.ones(200), risk=0.001)
    usual = share_by_bets(np.arange(200) % 2 * 1.0, np.ones(200))
    assert stricter[0] < usual[0] < 0.5 < usual[1] < stricter[1]


def test_a_bet_is_never_lost_at_the_truth_more_often_than_its_risk():
    """The money of a fair game reaches twenty times the stake in at most one of twenty cases."""
    dice, out = np.random.default_rng(6), 0
    for _ in range(100):
        guess = dice.uniform(0.6, 1, 60)
        right = (dice.random(60) < guess * 0.8).astype(float)
        low, high = share_by_bets(right - guess, np.zeros(60), (0.8, 1.0))
        out += not low <= 0.64 <= high
    assert out <= 5


def test_the_fewest_hits_agree_with_counting():
    """The most hits that a binomial variable stays at or below with no more than the risk, by its distribution itself."""
    from scipy.stats import binom

    from mlbot.stats.bounds import fewest_hits
    for n in (5, 30, 200):
        for limit in (0.5, 0.9):
            for risk in (0.01, 0.05, 0.5):
                known = [k for k in range(n) if binom.cdf(k, n, limit) <= risk]
                assert fewest_hits(risk, n, limit) == max(known, default=0), (n, limit, risk)
