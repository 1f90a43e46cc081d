"""A promise holds for rows like those that certified it, and a record of it is never believed when it is damaged."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from mlbot.errors import InputError
from mlbot.model.promised import (
    NONE,
    PROMISE_HOLDS,
    WITHDRAWN,
    Promised,
    Ways,
    keep_promised,
    promise_at_release,
    promise_file,
    read_promised,
    renew,
    ways_of,
    why_it_asks,
    withdraw,
)
from mlbot.stats.bounds import probability_of_at_most
from mlbot.stats.certified import (
    BETTER_BETS,
    WORSE_BETS,
    Certified,
    certify,
    evidence_against,
    fewest_rows,
    levels_of,
    recertify,
    wealth_of,
)
from mlbot.stats.conformal import ALL, least_probability, limits_of, of_intent, smallest_set

NAME = "0123456789ab"
GIVEN = Certified(0.02, 0.95, 0.85, 1_000, 700, 6, levels=(0.95, 0.9, 0.85, 0.8))
PROMISED = Promised(NAME, GIVEN, since=1.0, holds=0.9, limits={"": 0.1})


def production(dice, n: int):
    """Answers like those of a model that is a little too sure: the surer it is, the more often it is right."""
    sure = dice.beta(5, 1, n)
    return sure, dice.random(n) < 1 - 0.5 * (1 - sure)


def test_a_certified_threshold_breaks_its_promise_in_at_most_one_of_twenty_draws():
    """Where a threshold that merely looks right on the same rows breaks it about every second time."""
    dice = np.random.default_rng(0)
    sure, right = production(dice, 200_000)
    order = np.argsort(-sure)
    error = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)

    def broken(threshold):
        return threshold is not None and error[np.count_nonzero(sure >= threshold) - 1] > 0.05
    certified, point = 0, 0
    for _ in range(150):
        drawn = dice.integers(len(sure), size=600)
        some, fine = sure[drawn], right[drawn]
        certified += broken(certify(some, fine, 0.05, 0.95).threshold)
        falling = np.argsort(-some)
        looks = np.flatnonzero(np.cumsum(~fine[falling]) <= 0.05 * np.arange(1, 601))
        point += broken(some[falling[looks[-1]]])
    assert probability_of_at_most(150 - certified, 150, 0.95) > 0.01 and point > 150 / 4


def test_too_few_rows_and_rows_of_one_group_certify_nothing():
    sure = np.linspace(0.99, 0.5, 140)
    assert certify(sure, np.ones(140, bool), 0.02, 0.95).threshold is None and fewest_rows(0.02, 0.95) == 149
    twice = np.repeat(sure, 2)
    assert certify(twice, np.ones(280, bool), 0.02, 0.95).threshold is not None
    assert certify(twice, np.ones(280, bool), 0.02, 0.95, np.repeat(np.arange(140), 2)).threshold is None
    assert "asks before it starts anything" in str(certify(sure, np.ones(140, bool), 0.02, 0.95))


def test_the_levels_are_chosen_without_looking_at_a_label():
    dice = np.random.default_rng(1)
    sure, right = production(dice, 900)
    found = {certify(sure, flags, 0.05, 0.95).levels for flags in (right, ~right, np.ones(900, bool))}
    assert found == {levels_of(sure, 0.05, 0.95)}


def test_messages_out_of_scope_that_would_be_started_break_the_promise():
    sure, right = np.full(400, 0.99), np.ones(400, bool)
    assert certify(sure, right, 0.02, 0.95).threshold == 0.99
    outside = np.append(sure, np.full(40, 0.99)), np.append(right, np.zeros(40, bool))
    assert certify(*outside, 0.02, 0.95).threshold is None
    declined = np.append(sure, np.zeros(40)), np.append(right, np.zeros(40, bool))
    assert certify(*declined, 0.02, 0.95).threshold == 0.99


def test_a_promise_that_holds_is_withdrawn_in_at_most_one_of_twenty_worlds_however_often_it_is_looked_at():
    dice = np.random.default_rng(2)
    gone = sum(evidence_against(dice.random(2_000) < 0.02, 0.02) >= 20 for _ in range(200))
    assert probability_of_at_most(200 - gone, 200, 0.95) > 0.01
    assert all(evidence_against(dice.random(600) < 0.10, 0.02) >= 20 for _ in range(50))


def test_a_promise_is_not_earned_by_answers_as_wrong_as_the_limit():
    dice = np.random.default_rng(3)
    sure = np.full(1_500, 0.9)
    earned = sum(recertify(sure, dice.random(1_500) < 0.05, (0.9,), 0.05, 0.95).threshold is not None for _ in range(200))
    assert probability_of_at_most(200 - earned, 200, 0.95) > 0.01
    assert recertify(sure[:200], np.zeros(200, bool), (0.9,), 0.05, 0.95).threshold == 0.9


def test_labels_drawn_with_other_probabilities_count_as_the_messages_they_stand_for():
    """Unsure messages are drawn more often and are wrong more often: unweighted, they would withdraw a fair promise."""
    dice = np.random.default_rng(4)
    unsure = dice.random(60_000) < 0.1
    wrong, chance = dice.random(60_000) < np.where(unsure, 0.11, 0.01), np.where(unsure, 0.5, 0.1)  # 2 % of all
    drawn = dice.random(60_000) < chance
    weights = chance.min() / chance[drawn]
    assert evidence_against(wrong[drawn], 0.02, weights) < 20 <= evidence_against(wrong[drawn], 0.02)
    assert (wealth_of([True, False], 0.02, WORSE_BETS, [1.0, 0.2])[1] > 1 > wealth_of([False], 0.02, WORSE_BETS)[1])
    assert wealth_of([True], 0.02, BETTER_BETS)[1] < 1


def test_what_the_bot_may_start_follows_from_the_record_and_the_settings():
    assert ways_of(None, 0.0, 0.95) == Ways() and ways_of(PROMISED, 0.0, 0.95).starts is None
    assert ways_of(PROMISED, 0.02, 0.95).starts == 0.85
    for promised, wrong, sure in ((None, 0.02, 0.95), (PROMISED, 0.01, 0.95), (PROMISED, 0.02, 0.99),
                                  (withdraw(PROMISED, "wrong", 2.0), 0.02, 0.95),
                                  (replace(PROMISED, certified=replace(GIVEN, threshold=None)), 0.02, 0.95)):
        assert ways_of(promised, wrong, sure).starts == math.inf and "asks before" in why_it_asks(promised, wrong, sure)
    assert ways_of(PROMISED, 0.02, 0.95, 0.9).limits == {"": 0.1} and not ways_of(PROMISED, 0.02, 0.95, 0.8).limits


def test_versions_follow_each_other_and_only_one_server_writes_the_next(tmp_path):
    keep_promised(tmp_path, PROMISED, expected=0)
    gone = withdraw(PROMISED, "9 of 60 were wrong", 2.0)
    keep_promised(tmp_path, gone, expected=1)
    with pytest.raises(InputError, match="has changed in the meantime"):
        keep_promised(tmp_path, withdraw(PROMISED, "8 of 50 were wrong", 2.1), expected=1)
    back = renew(gone, replace(GIVEN, threshold=0.95, levels=()), 3.0)
    keep_promised(tmp_path, back, expected=2)
    found = read_promised(tmp_path, NAME)
    assert found == back and [told["state"] for told in found.before] == [PROMISE_HOLDS, WITHDRAWN] and found.certified.levels
    assert promise_at_release(tmp_path, replace(PROMISED, holds=0.8)).certified.threshold == 0.95  # production knows more


@pytest.mark.parametrize("change", [
    {"certified": {}}, {"certified": None}, {"version": 0}, {"model": "another00000"}, {"since": float("nan")}, {"more": 1},
    {"limits": {"": "many"}}, {"before": None}])
def test_a_damaged_record_promises_nothing(tmp_path, change):
    keep_promised(tmp_path, PROMISED)
    told = json.loads(promise_file(tmp_path, NAME).read_text()) | change
    promise_file(tmp_path, NAME).write_text(json.dumps(told))
    assert read_promised(tmp_path, NAME) is None
    promise_file(tmp_path, NAME).write_text("[" * 100_000)
    assert read_promised(tmp_path, NAME) is None


def test_nothing_certified_is_a_state_of_its_own():
    none = replace(PROMISED, certified=replace(GIVEN, threshold=None))
    assert none.state == NONE and withdraw(none, "x", 2.0).state == NONE


def test_a_choice_holds_the_truth_as_often_as_asked_on_new_rows():
    dice = np.random.default_rng(5)
    rows = dice.dirichlet([0.7] * 6, 3_000)
    truth = np.array([dice.choice(6, p=row) for row in rows])
    of_truth = rows[np.arange(3_000), truth]
    least = least_probability(of_truth[:1_000], 0.8)
    held = of_truth[1_000:] >= least
    assert 0.76 < held.mean() < 0.84
    assert least_probability([0.3] * 3, 0.9) == 0.0  # so few rows say nothing, and all are offered


def test_a_language_and_an_intent_with_enough_rows_have_limits_of_their_own():
    of_truth = np.append(np.full(200, 0.5), np.full(60, 0.1))
    languages, intents = np.array(["en"] * 200 + ["de"] * 60), ["badge"] * 200 + ["laptop"] * 60
    found = limits_of(of_truth, languages, intents, 0.9)
    assert found["de"] == 0.1 and found["en"] == 0.5 and found[ALL] == 0.1 and found[of_intent("laptop")] == 0.1
    ranking = [("phone", 0.4), ("badge", 0.3), ("laptop", 0.2), ("screen", 0.1)]
    assert smallest_set(ranking, found | {ALL: 0.35}, "en") == ("phone", "laptop")
    assert smallest_set(ranking, found, "de") == ("phone", "badge", "laptop", "screen")
