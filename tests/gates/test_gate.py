"""The rules of a verdict, for any numbers: they never turn round, and nothing that was not measured is green."""

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbot.errors import GateFailed, InputError, NoVerdict
from mlbot.gates.gating import gate, sealed_outcome
from mlbot.gates.record import as_record, read_record
from mlbot.gates.release import require_green
from mlbot.gates.target import feasibility, on_day, plan
from mlbot.gates.verdict import (
    FAIL,
    NO_VERDICT,
    NOT_ASKED,
    PASS,
    TOO_CLOSE,
    Rules,
    Waiver,
    against,
    judge,
    judge_family,
    stretch_of,
)
from mlbot.gates.words import remarks, verdict_cells, verdict_line
from mlbot.settings import Target, read_targets
from mlbot.stats.scores import Score, census, gain, reading, share

ORDER = {FAIL: 0, TOO_CLOSE: 1, PASS: 2}
DAY = date(2026, 2, 2)


def scored(hits, n, metric="x", better="higher"):
    return share(metric, [True] * hits + [False] * (n - hits), better=better)


@given(st.integers(1, 400), st.data())
def test_a_verdict_is_monotone_in_the_value_and_in_the_floor(n, data):
    one, other = sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n))))
    low, high = sorted((data.draw(st.floats(0, 1)), data.draw(st.floats(0, 1))))
    assert ORDER[judge("x", scored(one, n), Target(low)).outcome] <= ORDER[judge("x", scored(other, n), Target(low)).outcome]
    assert ORDER[judge("x", scored(one, n), Target(high)).outcome] <= ORDER[judge("x", scored(one, n), Target(low)).outcome]


@given(st.integers(1, 400), st.data())
def test_a_share_of_wrong_under_a_ceiling_is_judged_like_a_share_of_right_over_a_floor(n, data):
    hits, floor = data.draw(st.integers(0, n)), data.draw(st.integers(0, 100)) / 100
    right, wrong = scored(hits, n), scored(n - hits, n, better="lower")
    mirrored = replace(wrong, at_least=1 - right.at_most, at_most=1 - right.at_least)  # free of rounding
    assert math.isclose(wrong.at_least, mirrored.at_least, abs_tol=1e-9)
    assert judge("x", right, Target(floor)).outcome == judge("x", mirrored, Target(ceiling=1 - floor)).outcome


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_the_gain_turns_round_with_the_models(rows):
    before, after = (np.array(column) for column in zip(*rows, strict=True))
    one, other = gain("x", before, after), gain("x", after, before)
    assert math.isclose(one.value, -other.value, abs_tol=1e-12)
    assert math.isclose(one.at_least, -other.at_most, abs_tol=1e-6)
    assert one.at_least <= one.value <= one.at_most


NUMBERS = st.one_of(st.floats(), st.sampled_from([math.nan, math.inf, -math.inf]))


@given(NUMBERS, st.integers(0, 50), NUMBERS, NUMBERS, st.floats(0, 1), st.sampled_from(["higher", "lower"]))
def test_nothing_measured_is_ever_green(value, n, low, high, limit, better):
    score = Score("x", value, n, low, high, better=better)
    verdict = judge("x", score, Target(limit) if better == "higher" else Target(ceiling=limit))
    if n == 0 or not all(map(math.isfinite, (value, low, high))):
        assert verdict.outcome == NO_VERDICT and verdict.red and not verdict.green and verdict.stops
        assert judge("x", score).outcome == NOT_ASKED and not judge("x", score).green


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.floats(0.01, 0.99))
def test_a_member_more_never_turns_a_family_red(hits, floor):
    scores = [scored(item, 30, f"m{at}") for at, item in enumerate(hits)]
    alone, together = judge_family("f", scores, Target(floor)), judge_family("f", [*scores, scored(30, 30, "good")],
                                                                             Target(floor))
    assert not (together.outcome == FAIL and alone.outcome != FAIL)
    assert alone.outcome == min((part.outcome for part in alone.parts), key=[FAIL, TOO_CLOSE, PASS].index)


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0, 1), st.booleans(), st.booleans())
def test_a_record_reads_back_as_the_verdict_it_was(hits, more, floor, strict, family):
    target = Target(floor, 0.9, start=None, min_n=5, too_close="fail" if strict else "pass")
    score = scored(hits, hits + more)
    verdict = judge_family("f", [score, scored(3, 9, "y")], target, rows=70) if family else judge("x", score, target)
    waiver = Waiver("x", "Ann", "why", DAY, "m", "d")
    assert read_record(as_record(replace(verdict, waiver=waiver, model="m"))) == replace(verdict, waiver=waiver, model="m")


@pytest.mark.parametrize("change", [
    {"outcome": PASS}, {"rows": "all"}, {"score": None}, {"target": {"floor": 0.1}}, {"sealed": "fine"}, {"parts": [1]},
    {"waiver": {"gate": "x"}}, {"seeds": 3}, {"more": 1}])
def test_a_record_that_does_not_fit_its_numbers_is_no_verdict(change):
    record = as_record(judge("x", scored(10, 100), Target(0.8)))
    with pytest.raises(NoVerdict, match="does not fit its own numbers"):
        read_record({**record, **change})


def test_a_record_whose_bounds_were_moved_is_no_verdict():
    record = as_record(judge("x", scored(10, 100), Target(0.8)))
    record["score"]["at_least"], record["outcome"] = 0.9, PASS
    with pytest.raises(NoVerdict):
        read_record(record)


def test_a_family_with_a_hidden_member_is_no_verdict():
    record = as_record(judge_family("f", [scored(1, 90, "bad"), scored(89, 90, "good")], Target(0.5)))
    record["outcome"] = PASS
    with pytest.raises(NoVerdict):
        read_record(record)


def test_too_close_passes_with_the_number_of_labels_that_would_settle_it_and_strict_fails():
    close = judge("accuracy", scored(410, 500), Target(0.8))
    assert close.outcome == TOO_CLOSE and close.green and not close.stops
    assert "needs about 1,940 more labelled test rows to settle" in verdict_line(close)
    strict = judge("accuracy", scored(410, 500), Target(0.8, too_close="fail"))
    assert strict.red and strict.stops and not strict.green
    assert "more labels cannot settle it" in verdict_line(judge("accuracy", scored(400, 500), Target(0.8)))


def test_what_was_counted_and_is_no_sample_is_never_too_close():
    assert judge("texts_apart", census("texts_apart", [True] * 3), Target(1.0, min_n=20)).outcome == PASS
    assert judge("texts_apart", census("texts_apart", [True] * 999 + [False]), Target(1.0)).outcome == FAIL
    assert judge("model_size", reading("model_size", 3.0), Target(ceiling=2.0)).outcome == FAIL


def test_a_floor_for_what_should_be_small_is_refused():
    with pytest.raises(InputError, match="lower is better"):
        judge("x", scored(1, 9, better="lower"), Target(0.5))
    with pytest.raises(InputError, match="higher is better"):
        judge("x", scored(1, 9), Target(ceiling=0.5))


def test_a_family_is_red_when_one_member_surely_is_and_not_for_bad_luck():
    small = [scored(3, 10, f"intent {at}") for at in range(60)]  # 60 intents at .3, each with ten rows: no single one is sure
    assert judge_family("intents", small[:1], Target(0.6)).outcome == TOO_CLOSE
    assert judge_family("intents", [*small, scored(5, 60, "bad")], Target(0.6)).outcome == FAIL
    assert judge_family("intents", [], Target(0.6)).outcome == NO_VERDICT
    rng = np.random.default_rng(0)
    reds = sum(judge_family("intents", [scored(int(rng.binomial(30, 0.6)), 30, str(at)) for at in range(40)], Target(0.6)).red
               for _ in range(300))
    assert reds / 300 <= 0.05 + 0.03


def test_a_floor_for_one_member_counts_for_that_member_and_its_loss_is_no_verdict():
    rules = Rules(DAY, read_targets({"intents.floor": "0.2", "intents.Leave.floor": "0.9"}, ""))
    floors = rules.within("intents", "floor")
    target = rules.target("intents")
    assert judge_family("intents", [scored(50, 100, "Leave"), scored(50, 100, "other")], target, floors).outcome == FAIL
    assert judge_family("intents", [scored(50, 100, "other")], target, floors).outcome == NO_VERDICT
    lenient = judge_family("intents", [scored(50, 100, "other")], Target(0.1), {}, 100)
    assert against(lenient, Rules(DAY, {"intents": Target(0.2), "intents.leave": Target(0.9)})).outcome == NO_VERDICT


def test_a_notebook_may_ask_for_more_and_never_for_less():
    rules = Rules(DAY, {"x": Target(0.8, min_n=50), "f": Target(0.8)}, too_close="fail")
    assert against(judge("x", scored(60, 100), Target(0.1)), rules).outcome == FAIL
    assert against(judge("x", scored(82, 100), Target(0.1)), rules).red                        # too close, and strict
    assert against(judge("x", scored(40, 40), Target(0.1)), rules).outcome == NO_VERDICT       # 40 rows, 50 wanted
    assert against(judge("x", scored(99, 100), Target(0.999)), rules).outcome != PASS          # more than the rules ask
    assert against(judge("x", scored(82, 100), Target(0.1, too_close="pass")), rules).red  # its own leniency does not count
    assert against(judge("x", scored(40, 40), Target(0.1, min_n=5)), rules).outcome == NO_VERDICT
    assert against(judge_family("f", [scored(30, 100, "a")], Target(0.1)), rules).outcome == FAIL
    assert against(judge_family("f", [scored(30, 100, "a")], Target(0.1), {"a": 0.0}), rules).outcome == FAIL


WAIVER = Waiver("x", "Ann", "why", DAY, "m1", "d1")


@pytest.mark.parametrize("change, day, stops", [
    ({}, DAY, False), ({}, DAY + timedelta(days=1), True), ({"model": "m2"}, DAY, True), ({"data": "d2"}, DAY, True),
    ({"gate": "y"}, DAY, True)])
def test_a_waiver_holds_for_its_gate_model_data_and_days_and_for_nothing_else(change, day, stops):
    rules = Rules(day, {"x": Target(0.8)}, waivers=(replace(WAIVER, **change),), model="m1", data="d1")
    verdict = replace(judge("x", scored(10, 100), Target(0.8)), model="m1")
    again = against(verdict, rules)
    assert again.stops == stops and again.red and again.outcome == FAIL
    if stops:
        with pytest.raises(GateFailed):
            require_green([verdict], rules)
    else:
        require_green([verdict], rules)
        assert "waived by Ann until 2026-02-02: why" in verdict_line(again)


def test_a_waiver_that_only_the_record_knows_does_not_count():
    forged = replace(judge("x", scored(10, 100), Target(0.8)), model="m1", waiver=WAIVER)
    assert not forged.stops and against(forged, Rules(DAY, {"x": Target(0.8)}, model="m1", data="d1")).stops
    other = replace(forged, model="m1")
    assert against(other, Rules(DAY, {"x": Target(0.8)}, waivers=(WAIVER,), model="m2", data="d1")).stops


def test_what_was_not_measured_cannot_be_waived():
    rules = Rules(DAY, {"x": Target(0.8)}, waivers=(WAIVER,), model="m1", data="d1")
    lost = replace(judge("x", scored(0, 0), Target(0.8)), model="m1")
    assert against(lost, rules).outcome == NO_VERDICT and against(lost, rules).stops


def test_the_sealed_part_tells_one_bit_and_decides(capsys):
    assert sealed_outcome(scored(10, 100), Target(0.8)) == FAIL
    assert sealed_outcome(scored(80, 100), Target(0.8)) == PASS  # too close: not surely missed
    assert sealed_outcome(scored(80, 100), Target(0.8, too_close="fail")) == FAIL
    assert sealed_outcome(scored(0, 0), Target(0.8)) == FAIL and sealed_outcome(None, Target(0.8)) == ""
    sealed = Rules(DAY, {"accuracy": Target(0.8)}, sealed=True)
    assert against(judge("accuracy", scored(99, 100), Target(0.8)), sealed).outcome == NO_VERDICT  # it was not asked
    assert against(judge("accuracy", scored(10, 100), Target(0.8), sealed=PASS), sealed).outcome == FAIL
    unsealed = Rules(DAY, {"accuracy": Target(0.8)})
    assert against(judge("accuracy", scored(82, 100), Target(0.8), sealed=FAIL), unsealed).outcome == TOO_CLOSE
    with pytest.raises(GateFailed, match="the sealed part misses the floor"):
        gate("x", scored(99, 100), floor=0.8, sealed=scored(123, 457))
    said = capsys.readouterr().out
    assert "457" not in said and "0.269" not in said


def test_a_gate_whose_verdict_changes_with_the_seed_is_called_flaky():
    score, target = scored(390, 500), Target(0.8)
    verdict = judge("x", score, target, seeds=[scored(480, 500), scored(391, 500)])
    assert "flaky: 1 of 2 other seeds say otherwise" in verdict_line(verdict)
    assert "flaky" not in verdict_line(judge("x", score, target, seeds=[scored(391, 500)]))


def test_the_champion_is_asked_only_when_there_is_one():
    nobody, somebody = Rules(DAY, {"champion": Target(-0.0)}), Rules(DAY, {"champion": Target(-0.0)}, champion="c")
    empty = gain("champion", [], [])
    assert judge("champion", empty, nobody.target("champion")).outcome == NOT_ASKED
    assert judge("champion", empty, somebody.target("champion")).outcome == NO_VERDICT
    worse = gain("champion", [True] * 40 + [False] * 10 + [True] * 450, [False] * 40 + [True] * 10 + [True] * 450)
    assert judge("champion", worse, somebody.target("champion")).outcome == FAIL
    assert judge("champion", worse, Target(-0.10)).outcome == PASS  # a margin of ten points


def test_a_stretch_climbs_by_the_day_and_says_when_it_cannot_be_seen():
    target = read_targets({"accuracy.floor": "0.8", "accuracy.stretch": "0.8", "accuracy.start": "2026-01-05",
                           "accuracy.step": "0.02", "accuracy.every": "14", "accuracy.count": "10", "accuracy.cap": "0.85"},
                          "")["accuracy"]
    heights = [on_day(target, date(2026, 1, 5) + timedelta(days=days)).stretch for days in (-1, 0, 13, 14, 28, 42, 400)]
    assert heights == [0.8, 0.8, 0.8, 0.82, 0.84, 0.85, 0.85]
    assert [height for _, height in plan(target)] == [0.8, 0.82, 0.84, 0.85]
    assert "cannot be seen on 800 test rows" in feasibility("accuracy", replace(target, step=0.01), 800)
    assert feasibility("accuracy", replace(target, step=0.05, cap=None), 800) == ""
    assert feasibility("accuracy", replace(target, step=0.01), 800, date(2027, 1, 1)) == ""  # it does not climb any more
    falling = Target(ceiling=0.2, stretch=0.2, start=date(2026, 1, 5), step=-0.01, count=30, cap=0.1)
    assert on_day(falling, date(2027, 1, 1)).stretch == 0.1


def test_a_member_that_was_not_measured_is_no_verdict_and_cannot_be_waived():
    lost, nan = scored(0, 0, "vip"), Score("vip", math.nan, 50, 0.0, 1.0)
    assert judge_family("f", [scored(90, 100, "a"), lost], Target(0.5), {"vip": 0.9}).outcome == NO_VERDICT
    assert judge_family("f", [scored(90, 100, "a"), nan], Target(0.5)).outcome == NO_VERDICT
    both = judge_family("x", [scored(1, 100, "a")], Target(0.5), {"vip": 0.9})
    assert both.outcome == FAIL and replace(both, waiver=WAIVER).stops


def test_a_challenger_that_only_heals_has_a_record_that_reads():
    rng = np.random.default_rng(0)
    for _ in range(60):
        groups, before = rng.integers(0, 250, 800), rng.random(800) < 0.9
        better = gain("champion", before, before | (rng.random(800) < 0.2), groups)
        assert read_record(as_record(judge("champion", better, Target(0.0)))).outcome in (PASS, TOO_CLOSE)


ALL = Rules(DAY, {"intents": Target(0.5, min_n=5), "slices": Target(0.5, min_n=5)})


def test_a_slicing_has_a_floor_and_a_stretch_of_its_own_and_a_missed_one_is_named():
    rules = Rules(DAY, read_targets({"slices.floor": "0.6", "slices.language.floor": "0", "slices.language.stretch": "0.6",
                                     "slices.language/fr.floor": "0.3"}, ""))
    scores = [scored(1, 18, "language/es"), scored(8, 21, "language/fr"), scored(70, 80, "language/en"),
              scored(70, 80, "role/x")]
    verdict = judge_family("slices", scores, rules.target("slices"), rules.within("slices", "floor"), 80,
                           rules.within("slices", "stretch"))
    parts = {part.score.metric: part for part in verdict.parts}
    assert verdict.outcome == PASS and not verdict.red and against(verdict, rules) == replace(verdict, target=verdict.target)
    assert [part.floor for part in verdict.parts] == [0.0, 0.3, 0.0, 0.6]
    assert parts["language/es"].late and not parts["language/fr"].late and parts["role/x"].stretch is None
    assert stretch_of(verdict) == FAIL and "1 below" in verdict_cells(verdict)
    assert remarks([verdict]) == ["slices: language/es 0.056 (n=18, 95 % 0.003 to 0.294) misses its stretch 0.600"]
    assert judge_family("slices", scores, Target(0.6)).outcome == FAIL


def test_a_floor_that_asks_nothing_does_not_make_the_others_laxer():
    """Members without a floor are not on trial, and must not count among those that are."""
    weak = scored(14, 40, "a/weak")
    alone = judge_family("slices", [weak], Target(0.5))
    many = judge_family("slices", [weak, *(scored(9, 9, f"b/{at}") for at in range(30))], Target(0.5), {"b": 0.0})
    assert alone.outcome == many.outcome == FAIL


def test_members_with_too_few_rows_are_named_and_a_family_of_them_is_no_verdict():
    few = judge_family("intents", [scored(0, 4, "gone"), scored(9, 9, "fine")], Target(0.5, min_n=5))
    assert few.outcome == PASS and remarks([few]) == ["intents: not judged, with fewer than 5 rows: gone 0.000 (n=4)"]
    nobody = judge_family("intents", [scored(0, 4, "gone"), scored(4, 4, "fine")], Target(0.5, min_n=5), rows=8)
    assert nobody.outcome == NO_VERDICT and against(nobody, ALL).outcome == NO_VERDICT
    lax = judge_family("intents", [scored(0, 40, "bad")], Target(0.5, min_n=99), rows=40)
    assert against(lax, ALL).outcome == FAIL  # its own minimum does not hide a member


def test_one_score_cannot_stand_for_a_family_nor_one_member_stand_twice():
    for name in ("intents", "slices"):
        with pytest.raises(NoVerdict, match=f"gate {name} judges"):
            require_green([judge(name, scored(90, 100), Target(0.5))], Rules(DAY, {name: Target(0.5)}), rows=100)
    named = Rules(DAY, {"intents": Target(0.2), "intents.vip": Target(0.9)})
    assert against(judge("intents", scored(99, 100), Target(0.2)), named).outcome == NO_VERDICT
    with pytest.raises(InputError, match="got a twice"):
        gate("f", [scored(9, 10, "a"), scored(9, 10, "a")], floor=0.1)
    twice = as_record(judge_family("f", [scored(9, 10, "a"), scored(9, 10, "b")], Target(0.5)))
    twice["parts"][1]["score"]["metric"] = "a"
    with pytest.raises(NoVerdict):
        read_record(twice)


def test_a_release_asks_for_all_rows_of_each_family_and_for_each_gate():
    part = judge_family("intents", [scored(90, 100, "a")], Target(0.5), rows=100)
    with pytest.raises(NoVerdict, match="intents of 100 rows"):
        require_green([part], Rules(DAY, {"intents": Target(0.5)}), rows=150)
    half = judge_family("slices", [scored(40, 50, "role/a")], Target(0.5), rows=100)
    with pytest.raises(NoVerdict, match="slices of 50 rows"):
        require_green([half], Rules(DAY, {"slices": Target(0.5)}), rows=100)
    with pytest.raises(NoVerdict, match="rests on 100 rows"):
        require_green([judge("accuracy", scored(90, 100), Target(0.5))], Rules(DAY, {"accuracy": Target(0.5)}), rows=150)
    with pytest.raises(NoVerdict, match="no notebook judged slices"):
        require_green([part], ALL, rows=100)
    both = [part, judge_family("slices", [scored(90, 100, "role/a")], Target(0.5), rows=100)]
    require_green(both, ALL, rows=100)


def test_a_floor_that_was_raised_by_hand_for_a_member_stays_raised():
    raised = judge_family("f", [scored(60, 100, "a"), scored(99, 100, "b")], Target(0.5), {"a": 0.9})
    assert raised.outcome == FAIL and against(raised, Rules(DAY, {"f": Target(0.5)})).outcome == FAIL


def test_a_family_cannot_show_its_best_member_as_its_worst():
    record = as_record(judge_family("f", [scored(60, 100, "a"), scored(99, 100, "b")], Target(0.5)))
    record["score"] = record["parts"][1]["score"]
    with pytest.raises(NoVerdict):
        read_record(record)


def test_rows_cannot_be_worth_more_than_they_are():
    record = as_record(judge("x", scored(90, 100), Target(0.8)))
    record["score"]["effective"] = 100_000.0
    with pytest.raises(NoVerdict):
        read_record(record)


def test_the_bit_of_the_sealed_part_counts_only_for_what_the_settings_ask():
    rules = Rules(DAY, {"accuracy": Target(0.8)}, too_close="fail", sealed=True)
    strict, lenient = Target(0.8, too_close="fail"), Target(0.8)
    assert against(judge("accuracy", scored(99, 100), strict, sealed=PASS), rules).outcome == PASS
    assert against(judge("accuracy", scored(99, 100), lenient, sealed=PASS), rules).outcome == NO_VERDICT
    assert against(judge("accuracy", scored(99, 100), Target(0.5), sealed=PASS), rules).outcome == NO_VERDICT


def test_what_is_exact_shows_no_interval_and_a_gain_shows_its_sign():
    cells = verdict_cells(judge("model_size", reading("model_size", 6.2531, unit="MB"), Target(ceiling=100)))
    assert cells[:4] == ("model_size (MB)", "6.253", "-", "-")
    better = gain("champion", [False] * 10 + [True] * 90, [True] * 100)
    assert verdict_cells(judge("champion", better, Target(0.0)))[1] == "+0.100"
    assert not judge("x", Score("x", 0.9, 5, 0.9, 0.9), Target(0.5, min_n=20)).green  # equal bounds do not make it exact


def test_each_intent_of_the_test_is_judged_by_itself_and_a_slash_in_a_name_is_no_slicing():
    together = judge_family("intents", [scored(90, 100, "all of them")], Target(0.5), rows=100)
    rules = Rules(DAY, {"intents": Target(0.5)})
    require_green([together], rules, 100, ["all of them"])
    with pytest.raises(NoVerdict, match="did not judge leave, vpn"):
        require_green([together], rules, 100, ["vpn", "leave"])
    lenient = judge_family("intents", [scored(20, 100, "hr/leave"), scored(99, 100, "hr")], Target(0.6), {"hr": 0.1})
    assert lenient.outcome == FAIL


def test_the_interval_of_a_gain_has_its_value_inside():
    for broke, healed in ((9, 0), (0, 9), (5, 4), (1, 0)):
        before = [True] * broke + [False] * healed + [True] * 90
        after = [False] * broke + [True] * healed + [True] * 90
        score = gain("x", before, after)
        assert score.low < score.value < score.high and score.at_least <= score.value <= score.at_most


@pytest.mark.parametrize("limit", [False, True, float("nan"), 80, "0.8"])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(InputError, match="gate x: floor is"):
        gate("x", scored(9, 10), floor=limit)


def test_a_red_gate_says_where_its_limit_is_set(monkeypatch):
    from mlbot.gates import gating
    monkeypatch.setattr(gating, "_stopped", {})  # no other test gets to know of it
    low = share("accuracy", [True] * 10 + [False] * 90)
    for rules, where in ((Rules(date(2026, 1, 5), {"accuracy": Target(0.8)}), "settings.ini [targets]"),
                         (None, "the call of gate(...)")):
        with pytest.raises(GateFailed) as error:
            gate("accuracy", low, rules, floor=0.8)
        assert f"floors are set in {where}" in error.value.action


def test_rows_in_an_account_are_looked_for_in_the_folder_that_against_names(monkeypatch):
    from mlbot.gates import gating

    class Empty:
        def get(self, name):
            asked.append(name)
    asked: list[str] = []
    monkeypatch.setattr(gating, "kept_place", lambda place: (asked.append(place) or Empty(), place))
    with pytest.raises(InputError, match="nothing is kept there"):
        gating.run_before("accuracy", "s3://bucket/old/week_1.parquet")
    assert asked == ["s3://bucket/old", "week_1.parquet"]
