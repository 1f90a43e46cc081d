"""Which intents gain by a few more messages: curves find planted difficulties, and advice goes to the weakest gates."""

import numpy as np
import pytest

from mlbot.stats.growth import Curves, Point, advise, fit_curves, points_of


def drawn(dice, hard, slope, sizes=(8, 16, 32), asked=12):
    """Points of intents with these difficulties."""
    return [Point(f"i{at}", size, asked - int(dice.binomial(asked, min(1, difficulty * (size + 1) ** -slope))), asked)
            for at, difficulty in enumerate(hard) for size in sizes]


@pytest.mark.parametrize("slope", [0.2, 0.6])
def test_the_slope_and_the_difficulties_that_were_planted_are_found(slope):
    dice, usual = np.random.default_rng(1), 20 ** slope
    hard = dice.uniform(0.05, 0.5, 60) * usual
    curves = fit_curves(drawn(dice, hard, slope))
    assert abs(curves.slope - slope) < 0.2
    found = np.array([1 - curves.recall(f"i{at}") for at in range(60)])
    true = hard * 33 ** -slope
    assert np.corrcoef(found, true)[0, 1] > 0.75 and abs(found.mean() - true.mean()) < 0.03


def test_an_intent_with_few_held_out_rows_is_shrunk_to_the_others():
    dice = np.random.default_rng(2)
    many = drawn(dice, [2.0] * 20, 0.5)
    curves = fit_curves([*many, Point("lucky", 32, 1, 1), Point("unlucky", 32, 0, 1)])
    usual = np.mean([curves.recall(f"i{at}") for at in range(20)])
    assert usual - 0.25 < curves.recall("unlucky") < usual < curves.recall("lucky") < 1.0


def test_the_messages_go_to_the_weakest_gates_and_most_to_those_that_gain_most():
    curves = Curves(0.5, 1.0, {"hard": 2.0, "small": 1.0, "fine": 0.2, "strict": 1.0},
                    {"hard": 100, "small": 3, "fine": 50, "strict": 50})
    plan = advise(curves, {"strict": 0.95}, messages=10, weakest=3)
    assert sum(one.messages for one in plan) == 10 and "fine" not in {one.intent for one in plan}
    assert plan[0].intent == "small" and plan[0].messages > 5
    assert advise(curves, {"strict": 0.95}, messages=1, weakest=1)[0].intent == "strict", "its floor is far above it"


def test_an_intent_that_nobody_has_asked_about_is_as_hard_as_usual_and_without_errors_nothing_gains_much():
    points = points_of(["a"] * 10 + ["b"] * 10, [True] * 20, ["a"] * 30 + ["b"] * 30)
    curves = fit_curves(points)
    assert curves.gain("a", 10) < 0.01 and fit_curves([]) is None
    assert [one.intent for one in advise(curves, {}, 10, intents=["a", "new"], weakest=1)] == ["new"]
