"""Decisions follow from costs, context and robustness are measured honestly, and each of their gates can be red."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbot.errors import InputError
from mlbot.model.decide import (
    CLARIFY,
    CONFIRM,
    DECISIONS,
    EXECUTE,
    HANDOFF,
    OUT_OF_SCOPE,
    cost_score,
    decide,
    decision_table,
    expected_costs,
    real_costs,
    risk_coverage,
    thresholds,
)
from mlbot.settings import Costs
from mlbot.stats.context import ambiguous, ceiling, shuffle_context, worth_of_context
from mlbot.stats.invariance import CHANGES, robustness, spelling
from mlbot.stats.scores import area_under_roc, oos_auroc
from mlbot.text.clean import checked

COSTS = Costs()
SHARES = st.floats(0, 1)


@given(right=SHARES, rest=SHARES, wrong=st.floats(3.01, 1000))
def test_no_other_decision_is_expected_to_cost_less(right, rest, wrong):
    costs = replace(COSTS, wrong=wrong)
    among = right + (1 - right) * rest
    second = among - right
    chances = np.array([[right, second, 0.0, 1 - among]])
    best = np.sort(chances[0])[::-1]
    found = expected_costs(best[:1], best[:3].sum(keepdims=True), costs)[:, 0]
    chosen = decide(chances, np.ones(1), 0.0, costs)[0]
    assert found[DECISIONS.index(chosen)] == pytest.approx(found.min())


def test_thresholds_are_where_two_decisions_cost_the_same():
    found = thresholds(COSTS)
    at = found[EXECUTE]
    assert expected_costs(at, 1, COSTS)[0] == pytest.approx(expected_costs(at, 1, COSTS)[1])
    at = found[CONFIRM]
    assert expected_costs(at, 0, COSTS)[1] == pytest.approx(COSTS.handoff)
    assert expected_costs(0, found[CLARIFY], COSTS)[2] == pytest.approx(COSTS.handoff)


def test_the_dearer_a_wrong_process_the_less_is_executed_and_nothing_out_of_scope_is():
    chances = np.random.default_rng(0).dirichlet([0.3] * 6, 500)
    executed = [(decide(chances, np.ones(500), 0, Costs(wrong=wrong)) == EXECUTE).mean() for wrong in (4, 8, 20)]
    assert executed[0] > executed[1] > executed[2] > 0
    assert set(decide(chances, np.full(500, 0.2), 0.5, COSTS)) == {OUT_OF_SCOPE}
    unsure = decide(chances, np.full(500, 0.6), 0.5, COSTS)
    assert EXECUTE not in unsure  # the chance to be in scope counts


def test_a_decision_costs_what_it_did_and_the_table_adds_up():
    decisions = [EXECUTE, EXECUTE, CONFIRM, CONFIRM, CLARIFY, CLARIFY, HANDOFF, OUT_OF_SCOPE]
    right, among = [1, 0, 1, 0, 0, 0, 1, 0], [1, 1, 1, 0, 1, 0, 1, 0]
    spent = real_costs(decisions, right, among, COSTS)
    assert spent.tolist() == [0, 10, 0.5, 3.5, 1, 4, 3, 3]
    table = {row["decision"]: row for row in decision_table(decisions, right, spent)}
    assert table["all"]["cost"] == cost_score(spent).value == spent.mean() and table[CONFIRM]["right"] == 0.5
    assert sum(table[name]["n"] for name in DECISIONS) == table["all"]["n"] == 8
    low, high = (cost_score(np.full(50, 3.0), most=most) for most in (0, 10))  # what was never seen, but can be
    assert low.low < 3 == low.high < high.high < 3.6 and not cost_score([]).measured


def test_the_curve_gains_by_handing_over_the_unsure_only():
    dice = np.random.default_rng(1)
    sure = dice.random(2000)
    honest = risk_coverage(sure, dice.random(2000) < sure)
    blind = risk_coverage(sure, dice.random(2000) < 0.5)
    assert honest[-1].right - honest[0].right > 0.15 and abs(blind[-1].right - blind[0].right) < 0.05
    assert honest[0].n == 2000 and risk_coverage([], []) == []


def test_the_area_with_weights_is_that_of_repeated_rows():
    inside, outside = [0.9, 0.5, 0.5, 0.1], [0.5, 0.3]
    twice = area_under_roc(inside, outside, [2, 1, 0, 1], [1, 3])
    assert twice == pytest.approx(area_under_roc([0.9, 0.9, 0.5, 0.1], [0.5, 0.3, 0.3, 0.3]))
    assert not oos_auroc([], [0.1]).measured
    by_groups = oos_auroc(np.r_[np.ones(40), 0.2], np.zeros(40), ["same"] * 40 + ["other"], np.arange(40))
    alone = oos_auroc(np.r_[np.ones(40), 0.2], np.zeros(40))
    assert by_groups.value == alone.value == 1.0 and by_groups.n == 81


def test_context_is_worth_something_where_words_are_torn_and_nothing_when_it_is_mixed():
    dice = np.random.default_rng(0)
    frame = pd.DataFrame({"text": dice.choice(["card", "leave"], 800), "role": dice.choice(["a", "b"], 800), "place": "x"})
    frame["intent"] = np.where(frame["text"] == "leave", "leave", "card " + frame["role"])

    def answer(rows):
        return np.where(rows["text"] == "leave", "leave", "card " + rows["role"])
    right, alone = answer(frame) == frame["intent"], np.where(frame["text"] == "leave", "leave", "card a") == frame["intent"]
    mixed = answer(shuffle_context(frame, ["role", "place"])) == frame["intent"]
    all_rows, torn, plain = worth_of_context(frame["text"], frame["role"], frame["intent"], alone, right, mixed)
    assert all_rows.lift == torn.lift == 1 and plain.lift is None and plain.words_alone == 1
    assert abs(torn.shuffled - 0.5) < 0.1 and abs(torn.words_ceiling - 0.5) < 0.1 and torn.ceiling == 1
    assert torn.n == ambiguous(frame["text"], frame["intent"]).sum() == (frame["text"] == "card").sum()
    assert np.isnan(ceiling([], [])) and "100% of what context could add" in str(torn)
    with pytest.raises(InputError, match="different lengths"):
        worth_of_context(frame["text"], frame["role"][:5], frame["intent"], alone, right, mixed)


@given(st.text(min_size=1, max_size=60))
def test_a_change_leaves_a_text_that_can_be_answered_and_is_the_same_every_time(text):
    if not text.strip() or not text.isprintable():
        return
    for change in CHANGES:
        changed = change(text)
        assert changed == change(text)
        try:
            checked(text)
        except InputError:
            continue
        assert checked(changed, 10_000)
    assert abs(len(spelling(text)) - len(text)) <= 1


def test_a_model_that_only_hears_shouting_is_not_robust():
    rows = pd.DataFrame({"text": ["New card please."] * 30 + ["sick today"] * 30, "role": ["a", "b"] * 30})

    def answer(frame):
        return [str(text.isupper()) + role for text, role in zip(frame["text"], frame["role"], strict=True)]
    scores = robustness(answer, rows, ["role"])
    found = {score.metric: score.value for score in scores}
    assert found["upper_case"] == 0 and found["greeting"] == 1 and 0.2 < found["other_role"] < 0.8
    assert all(score.n == 60 for score in scores)


def test_each_new_gate_can_be_red(project, write_settings, quick_company, mlbot):
    limits = {"robust.floor": 0.999, "false_alarms.ceiling": 0.001, "oos_auroc.floor": 0.9999, "cost.ceiling": 0.1,
              "context.floor": 0.9}
    lines = "".join(f"{name} = {value}\n" for name, value in limits.items())
    write_settings(project, f"{quick_company}[targets]\n{lines}")
    done = mlbot("run", "--no-release")
    run = max((project / "runs").iterdir())
    outcomes = {item["gate"]: item["outcome"] for item in json.loads((run / "verdicts.json").read_text())["verdicts"]}
    assert done.returncode == 1
    assert {name.partition(".")[0]: outcomes[name.partition(".")[0]] for name in limits} == \
        {name.partition(".")[0]: "fail" for name in limits}
    page = (run / "report.html").read_text()
    assert "What would the bot do?" in page and "What is context worth?" in page
    assert "best intent right" in page and "person alone would cost 3 a message" in page


@pytest.mark.long
def test_a_perfect_model_with_blank_groups_and_very_long_texts_is_judged(project, mlbot):
    whats = ("badge", "leave", "room")
    rows = [f"{what} number {at} please {at * at},{what},{'ab'[at % 2]}," for at in range(60) for what in whats]
    rows += [f"{what} {'x' * 4985},{what},a," for what in whats]
    (project / "rows.csv").write_text("text,intent,role,team\n" + "\n".join(rows) + "\n")
    done = mlbot("run", "--data", "rows.csv", "--group", "team", "--context", "role", "--no-release")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"oos_auroc .* not asked", done.stdout) and re.search(r"cost .* pass", done.stdout)
    assert "robust: " in done.stdout and "nan" not in (max((project / "runs").glob("2*")) / "report.html").read_text()
