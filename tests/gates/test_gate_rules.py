"""What the rules ask of a verdict, and what a release asks of all of them: nothing is left out, and nothing is laxer."""

import math
from dataclasses import replace
from datetime import date, timedelta

import pytest

from mlbot.errors import GateFailed, InputError, NoVerdict
from mlbot.gates import gating as gates
from mlbot.gates.gating import checked_limit, checked_scores, gate, sealed_outcome, verdicts
from mlbot.gates.record import as_record, read_record
from mlbot.gates.release import gates_asked, require_green
from mlbot.gates.verdict import (
    FAIL,
    NO_VERDICT,
    NOT_ASKED,
    PASS,
    TOO_CLOSE,
    Part,
    Rules,
    Waiver,
    against,
    compare,
    family_verdict,
    gravity,
    judge,
    judge_family,
    named_for,
    outcome_of,
    stretch_of,
    stricter,
)
from mlbot.settings import Target
from mlbot.stats.scores import Score, census, share

DAY = date(2026, 2, 2)


def scored(hits, n, metric="x", better="higher"):
    return share(metric, [True] * hits + [False] * (n - hits), better=better)


def bounded(least, most, **parts):
    return Score("x", (least + most) / 2, 100, least, most, least, most, **parts)


@pytest.mark.parametrize("least, most, outcome", [
    (0.5, 0.9, PASS), (0.4999, 0.9, TOO_CLOSE), (0.1, 0.5, TOO_CLOSE), (0.1, 0.4999, FAIL), (0.5, 0.5, PASS)])
def test_a_bound_that_is_exactly_at_the_limit_reaches_it(least, most, outcome):
    """And for what should be small: at most the ceiling keeps it."""
    assert compare(bounded(least, most), 0.5) == outcome
    assert compare(bounded(1 - most, 1 - least, better="lower"), 0.5) == outcome


def test_a_score_has_a_verdict_from_the_least_number_of_rows_on():
    target = Target(0.5, min_n=100)
    assert outcome_of(scored(99, 99), target) == NO_VERDICT and outcome_of(scored(100, 100), target) == PASS
    assert outcome_of(census("x", [True]), target) == PASS  # a complete count is never too small
    assert outcome_of(scored(0, 0), target) == NO_VERDICT and outcome_of(scored(0, 0), Target(min_n=9)) == NOT_ASKED
    assert outcome_of(scored(1, 1), Target(min_n=9)) == PASS  # nothing is asked


def test_the_sealed_part_decides_unless_the_score_itself_fails_or_was_not_measured():
    for score, sealed, outcome in ((scored(90, 100), FAIL, FAIL), (scored(51, 100), PASS, PASS), (scored(9, 100), PASS, FAIL),
                                   (scored(0, 0), PASS, NO_VERDICT), (scored(90, 100), "", PASS)):
        verdict = judge("x", score, Target(0.5), sealed)
        assert (verdict.outcome, verdict.rows, verdict.sealed) == (outcome, score.n, sealed)
        assert (verdict.model, verdict.parts, verdict.seeds, verdict.waiver) == ("", (), (), None)
    target = Target(0.5, too_close="fail")
    assert [sealed_outcome(scored(hits, 100), target) for hits in (90, 51, 9)] == [PASS, FAIL, FAIL]
    assert [sealed_outcome(scored(hits, 100), Target(0.5)) for hits in (90, 51, 9)] == [PASS, PASS, FAIL]


def test_red_stops_and_green_was_asked():
    close, strict = (judge("x", scored(51, 100), Target(0.5, too_close=word)) for word in ("pass", "fail"))
    assert (close.red, close.green, strict.red, strict.green) == (False, True, True, False)
    nothing = judge("x", scored(0, 0))
    assert not nothing.red and not nothing.green and not nothing.stops
    waiver = Waiver("x", "Ann", "why", DAY, "m", "d")
    failed, lost = judge("x", scored(1, 100), Target(0.5)), judge("x", scored(0, 0), Target(0.5))
    assert failed.stops and not replace(failed, waiver=waiver).stops and replace(lost, waiver=waiver).stops


def test_the_stretch_of_a_family_is_missed_with_one_member_and_that_of_a_score_by_its_bounds():
    assert stretch_of(judge("x", scored(90, 100), Target(0.5))) == ""
    assert stretch_of(judge("x", scored(0, 0), Target(0.5, 0.9))) == ""
    late = judge_family("f", [scored(99, 100, "a"), scored(50, 100, "b")], Target(0.1, 0.9))
    assert stretch_of(late) == FAIL and stretch_of(judge_family("f", [scored(99, 100, "a")], Target(0.1, 0.9))) == ""


@pytest.mark.parametrize("named, metric, gate_name, asked", [
    ({}, "role/x", "slices", 0.5), ({"role": 0.1}, "Role/X", "slices", 0.1),
    ({"role": 0.1, "role/x": 0.9}, "role/x", "slices", 0.9), ({"role": 0.1}, "role/x", "intents", 0.5),
    ({"role/x": 0.9}, "Role/x", "intents", 0.9), ({"role": 0.1}, "role", "intents", 0.1)])
def test_a_member_is_asked_by_its_own_name_then_by_its_slicing_then_as_all(named, metric, gate_name, asked):
    assert named_for(named, metric, 0.5, gate_name) == asked and named_for({"role": 0.1}, "role/x", 0.5) == 0.1


def test_the_gravest_member_stands_for_its_family():
    """Failed before not measured before too close before passed before not asked; then late ones, the farthest below, the
    largest, by name."""
    good = scored(90, 100, "a")
    parts = [Part(good, 0.5, NOT_ASKED), Part(good, 0.5, PASS), Part(good, 0.5, TOO_CLOSE), Part(good, 0.5, NO_VERDICT),
             Part(good, 0.5, FAIL)]
    assert [part.outcome for part in sorted(parts, key=gravity)] == [FAIL, NO_VERDICT, TOO_CLOSE, PASS, NOT_ASKED]
    late, low, asked_less, large, named = (Part(score, floor, PASS, None, is_late) for score, floor, is_late in (
        (scored(99, 100, "z"), 0.1, True), (scored(80, 100, "y"), 0.7, False), (scored(70, 100, "x"), 0.5, False),
        (scored(140, 200, "w"), 0.5, False), (scored(70, 100, "a"), 0.5, False)))
    assert sorted([named, large, asked_less, low, late], key=gravity) == [late, low, large, named, asked_less]
    assert gravity(Part(scored(50, 100), None, PASS))[2] == 0.5  # nothing asked: above 0


def test_a_family_takes_floor_and_stretch_of_its_worst_member_and_without_members_nothing_is_green():
    worst = Part(scored(10, 100, "b"), 0.5, FAIL, 0.8)
    verdict = family_verdict("f", (Part(scored(90, 100, "a"), 0.4, PASS, 0.7), worst), Target(0.1, 0.2, min_n=7), 200)
    assert (verdict.gate, verdict.score, verdict.outcome, verdict.rows) == ("f", worst.score, FAIL, 200)
    assert verdict.target == Target(0.5, 0.8, min_n=7)
    assert family_verdict("f", (), Target(0.0), 5).outcome == NO_VERDICT and family_verdict("f", (), Target(), 5).rows == 5
    assert family_verdict("f", (), Target(), 5).outcome == NOT_ASKED
    nobody = family_verdict("f", (), Target(), 5).score
    assert (nobody.metric, nobody.n, nobody.low, nobody.high) == ("f", 0, 0.0, 1.0) and math.isnan(nobody.value)
    small = Part(scored(1, 2, "a"), 0.5, NOT_ASKED)
    assert family_verdict("f", (small,), Target(0.5), 2).outcome == NO_VERDICT
    unasked = replace(small, floor=None)
    assert family_verdict("f", (unasked,), Target(), 2).outcome == NOT_ASKED
    assert family_verdict("f", (unasked, small), Target(), 2).outcome == NO_VERDICT  # one of them was asked for
    assert family_verdict("f", (replace(small, floor=0.0),), Target(), 2).outcome == NOT_ASKED


def test_a_member_is_judged_from_the_least_number_of_rows_on_or_when_it_is_named():
    scores = [scored(0, 4, "a"), scored(5, 5, "b"), scored(9, 9, "C")]
    outcomes = [part.outcome for part in judge_family("f", scores, Target(0.5, min_n=5)).parts]
    assert outcomes == [NOT_ASKED, PASS, PASS]
    named = judge_family("f", scores, Target(0.5, min_n=6), {"b": 0.4, "c": 0.3}).parts
    assert [(part.floor, part.outcome) for part in named] == [(0.5, NOT_ASKED), (0.4, PASS), (0.3, PASS)]
    assert [part.outcome for part in judge_family("f", [scored(0, 0, "a"), scored(1, 1, "b")], Target(0.5)).parts] == \
        [NOT_ASKED, PASS]
    assert [part.outcome for part in judge_family("f", [scored(1, 1, "a")], Target()).parts] == [NOT_ASKED]
    even = judge_family("f", [scored(5, 10, "a"), scored(4, 10, "b")], Target(0.5)).parts
    assert [part.outcome for part in even] == [PASS, TOO_CLOSE]  # on its floor is no worse than it


def test_a_member_fails_when_so_few_hits_are_luck_in_less_than_one_of_twenty_families():
    alone = judge_family("f", [scored(4, 15, "a")], Target(0.5)).parts[0]  # probability .059
    surely = judge_family("f", [scored(3, 15, "a")], Target(0.5)).parts[0]  # .018
    among = judge_family("f", [scored(3, 15, "a"), *(scored(9, 9, str(at)) for at in range(2))], Target(0.5)).parts[0]
    assert (alone.outcome, surely.outcome, among.outcome) == (TOO_CLOSE, FAIL, TOO_CLOSE)  # three times .018
    assert not judge_family("f", [scored(4, 15, "a")], Target(0.1, 0.5)).parts[0].late
    assert judge_family("f", [scored(3, 15, "a")], Target(0.1, 0.5)).parts[0].late


def test_a_named_member_that_is_missing_is_no_verdict_unless_its_floor_asks_nothing():
    floors = {"role": 0.1, "gone": 0.2, "zero": 0.0, "ago": 0.3}
    parts = judge_family("slices", [scored(9, 9, "Role/x")], Target(), floors).parts
    assert [(part.score.metric, part.score.n, part.floor, part.outcome) for part in parts] == [
        ("Role/x", 9, 0.1, PASS), ("ago", 0, 0.3, NO_VERDICT), ("gone", 0, 0.2, NO_VERDICT)]
    assert (parts[1].score.low, parts[1].score.high) == (0.0, 1.0) and math.isnan(parts[1].score.value)
    assert judge_family("f", [scored(9, 9, "a")], Target(), rows=70).rows == 70
    assert judge_family("f", [scored(9, 9, "a")], Target()).rows == 0


def test_the_rules_of_a_day_fill_in_what_a_target_leaves_open():
    rules = Rules(DAY, {"x": Target(0.8), "y": Target(0.8, min_n=3, too_close="pass"), "champion": Target(-0.01),
                        "x.Big": Target(0.7, 0.9), "x.small": Target(stretch=0.6), "xy.z": Target(0.1)}, "fail", 50)
    assert rules.target("x") == Target(0.8, min_n=50, too_close="fail")
    assert rules.target("y") == Target(0.8, min_n=3, too_close="pass")
    assert rules.target("champion") == Target() and rules.target("other") == Target(min_n=50, too_close="fail")
    assert replace(rules, champion="c").target("champion").floor == -0.01
    assert rules.within("x", "floor") == {"big": 0.7} and rules.within("x", "stretch") == {"big": 0.9, "small": 0.6}
    assert Rules(DAY) == Rules(DAY, {}, "pass", None, (), "", "", "", False)


def test_the_first_waiver_that_covers_a_gate_today_is_the_one():
    one, other = (Waiver("x", who, "why", DAY, "m", "d") for who in ("Ann", "Bo"))
    rules = Rules(DAY, waivers=(replace(one, until=DAY - timedelta(days=1)), one, other), model="m", data="d")
    assert rules.waiver("x", "m") == one and rules.waiver("y", "m") is rules.waiver("x", "n") is None
    assert replace(rules, data="e").waiver("x", "m") is None


def test_of_two_targets_the_stricter_part_of_each_counts():
    one, other = Target(0.5, 0.9, 0.3, min_n=5), Target(0.6, 0.8, 0.2, min_n=9, too_close="fail")
    both = Target(0.6, 0.9, 0.2, min_n=9, too_close="fail")
    assert stricter(one, other) == both and stricter(other, one) == replace(both, stretch=0.8)
    assert stricter(Target(0.9), Target(0.5, 0.8)) == Target(0.9, 0.9)  # a stretch never asks for less than the limit
    assert stricter(Target(ceiling=1.0), Target(ceiling=3.0, stretch=2.0)) == Target(ceiling=1.0, stretch=1.0)
    assert stricter(Target(), Target(0.0, 0.0, 0.0)) == stricter(Target(0.0, 0.0, 0.0), Target()) == Target(0.0, 0.0, 0.0)
    for mine, theirs, both in (("pass", "", "pass"), ("", "pass", "pass"), ("fail", "pass", "fail"), ("pass", "fail", "fail"),
                               ("", "", "")):
        assert stricter(Target(too_close=mine), Target(too_close=theirs)).too_close == both


def test_a_verdict_that_is_judged_again_keeps_what_it_is_about():
    """Its model, other seeds and rows; a waiver is looked up anew, for its own model only, and only when it is red."""
    waiver = Waiver("x", "Ann", "why", DAY, "m", "d")
    rules = Rules(DAY, {"x": Target(0.8)}, waivers=(waiver, replace(waiver, model="")), model="m", data="d")
    red = replace(judge("x", scored(10, 100), Target(0.2), seeds=[scored(90, 100)]), model="m")
    again = against(red, rules)
    assert (again.waiver, again.model, again.seeds, again.rows) == (waiver, "m", red.seeds, 100)
    assert against(replace(red, model="other"), rules).waiver is None  # a model that is not on trial
    assert against(replace(red, model=""), rules).waiver == replace(waiver, model="")
    green = against(replace(judge("x", scored(99, 100), Target()), model="m"), rules)
    assert green.outcome == PASS and green.waiver is None and green.target.floor == 0.8
    family = judge_family("f", [scored(90, 100, "a")], Target(), rows=140)
    assert against(family, Rules(DAY, {"f": Target(0.5)})).rows == 140


def test_the_sealed_bit_counts_only_where_a_part_is_sealed_and_the_limit_is_the_same():
    sealed, plain = Rules(DAY, {"accuracy": Target(0.8)}, sealed=True), Rules(DAY, {"accuracy": Target(0.8)})
    good = judge("accuracy", scored(99, 100), Target(0.8, too_close="pass"), sealed=PASS)
    assert against(good, sealed).outcome == against(good, sealed).sealed == PASS and against(good, plain).sealed == ""
    other = judge("macro_f1", scored(99, 100), Target(0.8))
    assert against(other, Rules(DAY, {"macro_f1": Target(0.8)}, sealed=True)).outcome == PASS  # only accuracy is sealed
    without = judge("accuracy", scored(99, 100), Target(0.8))
    assert against(without, sealed).outcome == NO_VERDICT and against(without, plain).outcome == PASS
    assert against(judge("accuracy", scored(1, 100), Target(0.8)), sealed).outcome == FAIL


def test_floors_that_a_notebook_raised_for_a_member_stay_and_lower_ones_do_not():
    rules = Rules(DAY, {"f": Target(0.5), "f.b": Target(0.7)})
    verdict = judge_family("f", [scored(80, 100, "A"), scored(90, 100, "b"), scored(95, 100, "c")], Target(0.1),
                           {"a": 0.6, "b": 0.2})
    assert [part.floor for part in against(verdict, rules).parts] == [0.6, 0.7, 0.5]
    lost = judge_family("f", [scored(90, 100, "a"), scored(0, 0, "b")], Target(0.1), {"gone": 0.9, "b": 0.1})
    again = against(lost, rules)
    assert {part.score.metric: part.outcome for part in again.parts} == {"a": PASS, "b": NO_VERDICT, "gone": NO_VERDICT}
    by_hand = against(judge_family("f", [scored(80, 100, "a")], Target(0.6)), Rules(DAY))
    assert by_hand.parts[0].floor == 0.6  # also where the settings ask nothing
    small = judge_family("f", [scored(3, 3, "tiny"), scored(90, 100, "b")], Target(0.9, min_n=5))
    assert [part.floor for part in against(small, rules).parts][0] == 0.5  # what it did not judge, it did not raise


def test_a_member_that_was_not_measured_stays_in_the_family_and_one_that_never_was_there_is_not_made_up():
    nan = Score("b", math.nan, 50, 0.0, 1.0)
    verdict = judge_family("f", [scored(90, 100, "a"), nan], Target(0.1), {"gone": 0.1})
    again = against(verdict, Rules(DAY, {"f": Target(0.5)}))
    assert [(part.score.metric, part.outcome) for part in again.parts] == [("a", PASS), ("b", NO_VERDICT)]


@pytest.mark.parametrize("part, limit, fine", [
    ("floor", 1, True), ("floor", -1.0, True), ("floor", 1.01, False), ("floor", None, True), ("stretch", 0.5, True),
    ("floor", True, False), ("floor", math.inf, False), ("floor", math.nan, False), ("floor", "1", False),
    ("ceiling", 0, True), ("ceiling", 250.0, True), ("ceiling", -0.1, False), ("ceiling", False, False)])
def test_a_limit_by_hand_is_a_share_and_a_ceiling_any_number_from_0_on(part, limit, fine):
    if fine:
        assert checked_limit("x", part, limit) is limit
        return
    with pytest.raises(InputError, match=f"gate x: {part} is") as refused:
        checked_limit("x", part, limit)
    assert ("share" in refused.value.expected) == (part != "ceiling")


@pytest.mark.parametrize("given", [None, 0.5, "x", [0.5], {"a": 1}])
def test_a_gate_takes_a_score_or_a_list_of_scores(given):
    one = scored(9, 10)
    assert checked_scores("x", one) == [one] and checked_scores("x", (one,)) == [one] and checked_scores("x", []) == []
    with pytest.raises(InputError, match="gate x got a "):
        checked_scores("x", given)
    with pytest.raises(InputError, match="gate x got b twice"):
        checked_scores("x", [scored(9, 10, name) for name in "abbcc"])


def test_in_a_notebook_a_verdict_is_displayed_and_elsewhere_it_is_printed(monkeypatch, capsys):
    import IPython
    import IPython.display
    displayed = []
    monkeypatch.setattr(IPython.display, "display", displayed.append)
    for kernel in (None, object()):
        monkeypatch.setattr(IPython, "get_ipython", lambda kernel=kernel: kernel)
        gates.show(gates.Shown(judge("x", scored(9, 10), Target(0.5))))
        assert capsys.readouterr().out.startswith("✓ gate: x 0.900") == (kernel is None) and len(displayed) == bool(kernel)


def test_a_gate_shows_its_verdict_keeps_it_and_stops_a_red_run(monkeypatch, capsys):
    monkeypatch.setattr(gates, "_verdicts", {})
    waiver = Waiver("x", "Ann", "why", DAY, "m", "d")
    rules = Rules(DAY, {"x": Target(0.8), "f.a": Target(stretch=0.95)}, waivers=(waiver,), model="m", data="d")
    gate("x", scored(10, 100), rules)  # red, waived, shown
    gate("x", scored(10, 100), replace(rules, day=DAY), floor=0.1)
    assert "waived by Ann" in capsys.readouterr().out and len(verdicts()) == 1 and verdicts()[0].model == "m"
    with pytest.raises(GateFailed, match="below its floor 0.990"):
        gate("y", scored(50, 100), rules, floor=0.99)
    assert verdicts()[1].outcome == FAIL and verdicts()[1].waiver is None  # kept, although it stopped the run
    gate("x", scored(99, 100), rules, stretch=0.9, seeds=[scored(1, 100)])
    assert verdicts()[0].waiver is None and verdicts()[0].target.stretch == 0.9 and verdicts()[0].seeds == (FAIL,)
    gate("f", [scored(50, 60, "a"), scored(50, 50, "b")], rules, floor=0.5)
    family = verdicts()[2]
    assert family.rows == 110 and [part.stretch for part in family.parts] == [0.95, None] and family.parts[0].late
    gate("f", [scored(50, 60, "a")], floor=0.5, rows=200)
    assert verdicts()[2].rows == 200 and len(verdicts()) == 3
    gate("w", scored(1, 100, better="lower"), ceiling=0.2, sealed=scored(1, 99, "w", "lower"))
    assert verdicts()[3].sealed == PASS and verdicts()[3].target.ceiling == 0.2


@pytest.mark.parametrize("change", [
    {"gate": 5}, {"rows": 1.5}, {"model": None}, {"sealed": "perhaps"}, {"outcome": FAIL}])
def test_a_record_holds_words_and_whole_numbers_where_a_gate_writes_them(change):
    record = as_record(judge("x", scored(90, 100), Target(0.5)))
    assert read_record(record).outcome == PASS
    with pytest.raises(NoVerdict):
        read_record({**record, **change})


def test_what_rows_are_worth_may_be_rounded_up_in_the_last_digits_only():
    record = as_record(judge("x", scored(90, 100), Target(0.1)))
    record["score"]["effective"] = 100 * (1 + 5e-10)
    assert read_record(record).outcome == PASS
    record["score"]["effective"] = 100 * (1 + 1e-8)
    with pytest.raises(NoVerdict):
        read_record(record)


@pytest.mark.parametrize("change", [{"at_least": 0.91}, {"at_most": 0.89}, {"effective": 0.0}, {"effective": 101.0}])
def test_a_record_with_bounds_beside_its_value_or_more_rows_than_there_are_is_refused(change):
    record = as_record(judge("x", scored(90, 100), Target(0.1)))
    record["score"].update(change)
    with pytest.raises(NoVerdict):
        read_record(record)
    family = as_record(judge_family("f", [scored(90, 100, "a"), scored(90, 100, "b")], Target(0.1)))
    family["parts"][1]["score"].update(change)
    with pytest.raises(NoVerdict):
        read_record(family)


def test_a_record_keeps_its_days():
    waiver = Waiver("x", "Ann", "why", DAY, "m", "d")
    verdict = replace(judge("x", scored(10, 100), Target(0.5, 0.9, start=DAY, step=0.1, count=2)), waiver=waiver)
    again = read_record(as_record(verdict))
    assert again == verdict and again.waiver.until == again.target.start == DAY


ASKED = Rules(DAY, {"x": Target(0.5)})


def let_ship(given, rules, rows=None, intents=None):
    """`require_green` beside a target that asks how good the model is, which every release needs, and which is reached."""
    named = {verdict.gate for verdict in given}
    n = 100 if rows is None else rows
    more = [] if "accuracy" in named else [judge("accuracy", scored(n, n, "accuracy"), Target(0.1))]
    require_green([*given, *more], replace(rules, targets={"accuracy": Target(0.1), **rules.targets}), rows, intents or ())


def test_a_release_needs_a_green_verdict_of_each_gate_that_is_asked():
    good = judge("x", scored(90, 100), Target())
    let_ship([good], ASKED)
    with pytest.raises(NoVerdict, match="no notebook judged y, z\n"):
        let_ship([good], Rules(DAY, {"x": Target(0.5), "y": Target(0.5), "z.a": Target(0.5)}))
    with pytest.raises(NoVerdict, match="no notebook judged anything"):
        require_green([], Rules(DAY))
    assert gates_asked(["intents.a", "x", "intents", "slices.role/b.c"]) == ["intents", "x", "slices"]
    lost, failed = judge("x", scored(0, 0), Target(0.5)), judge("y", scored(1, 100), Target(0.5))
    with pytest.raises(GateFailed):  # of two red ones the one that says something about quality
        let_ship([lost, failed], ASKED)
    with pytest.raises(NoVerdict, match="x was not measured"):  # else the first one
        let_ship([lost, judge("y", scored(0, 0), Target(0.5))], ASKED)


def test_a_release_needs_each_intent_and_all_rows_of_the_test():
    family = judge_family("intents", [scored(50, 60, "a"), scored(40, 40, "b")], Target(0.1), rows=100)
    rules = Rules(DAY, {"intents": Target(0.1)})
    let_ship([family], rules, 100, ["b", "a"])
    let_ship([family], rules, None, ["a"])
    with pytest.raises(NoVerdict, match="gate intents did not judge c, d, e\n"):
        let_ship([family], rules, 100, ["e", "d", "c", "f", "a"])
    for rows in (99, 101):
        with pytest.raises(NoVerdict, match="gate intents judges intents of 100 rows"):
            let_ship([family], rules, rows)
    with pytest.raises(NoVerdict, match="gate intents rests on 99 rows"):
        let_ship([replace(family, rows=99)], rules, 100)
    unasked = judge_family("intents", [], Target())
    let_ship([unasked], Rules(DAY), 100, ["a"])


def test_slices_cover_the_test_at_least_once_and_each_score_covers_it_exactly():
    slices = judge_family("slices", [scored(60, 60, "role/a"), scored(60, 60, "size/b")], Target(0.1), rows=100)
    rules = Rules(DAY, {"slices": Target(0.1)})
    let_ship([slices], rules, 100)
    let_ship([replace(slices, rows=120)], rules, 120)
    with pytest.raises(NoVerdict, match="gate slices rests on 99 rows"):
        let_ship([replace(slices, rows=99)], rules, 100)
    with pytest.raises(NoVerdict, match="gate slices judges slices of 120 rows"):
        let_ship([replace(slices, rows=121)], rules, 121)
    for name in ("same_answer", "accuracy", "macro_f1", "calibration_error"):
        verdict = judge(name, scored(90, 100), Target(0.1))
        let_ship([verdict], Rules(DAY, {name: Target(0.1)}, champion="c"), 100)
        for rows in (99, 101):
            with pytest.raises(NoVerdict, match=f"gate {name} rests on 100 rows"):
                let_ship([verdict], Rules(DAY, {name: Target(0.1)}, champion="c"), rows)
    let_ship([judge("my_own", scored(90, 100), Target(0.1))], Rules(DAY, {"my_own": Target(0.1)}), 55)
    with pytest.raises(NoVerdict, match="no target asks how good the model is"):
        require_green([judge("accuracy", scored(0, 0))], Rules(DAY), 55)


NOT_ENOUGH = ("data texts_apart sent_again same_answer model_size training_time latency_ratio language values small_talk "
              "lost_wishes polite_over champion conversation_champion").split()
ONE_ANSWER = ("robust oos_recall false_alarms calibration_error silently_wrong promise production_gap handed_over "
              "wrong_process wrong_value").split()


@pytest.mark.parametrize("name", [*NOT_ENOUGH, *ONE_ANSWER])
def test_a_gate_that_a_useless_model_passes_is_no_verdict_on_quality(name):
    """One that always gives the same answer, or never starts anything, is robust, never wrong and hands nobody over."""
    green = judge(name, scored(100, 100, name), Target(0.9))
    rules = Rules(DAY, {name: Target(0.9)}, champion="c")
    with pytest.raises(NoVerdict, match="no target asks how good the model is"):
        require_green([green], rules)
    let_ship([green], rules)


def test_the_champion_is_compared_on_the_rows_that_were_asked_for_where_any_were():
    verdicts = [judge("champion", scored(90, 100), Target(0.1)), judge("accuracy", scored(90, 100), Target(0.5))]
    rules = Rules(DAY, {"accuracy": Target(0.5), "champion": Target(0.1)}, champion="c")
    for compared in (None, 100):
        require_green(verdicts, rules, compared=compared)
    for compared in (0, 99, 101):
        with pytest.raises(NoVerdict, match="gate champion rests on 100 rows"):
            require_green(verdicts, rules, compared=compared)


def test_the_leak_gate_looks_at_the_sealed_part_too_and_never_at_less_than_the_test():
    apart = judge("texts_apart", census("texts_apart", [True] * 120), Target(1.0))
    rules = Rules(DAY, {"texts_apart": Target(1.0)})
    for rows in (100, 120):
        let_ship([apart], rules, rows)
    with pytest.raises(NoVerdict, match="gate texts_apart rests on 120 rows"):
        let_ship([apart], rules, 121)


def test_one_member_with_a_floor_or_a_ceiling_of_zero_asks_how_good_the_model_is():
    family = judge_family("intents", [scored(50, 60, "a"), scored(40, 40, "b")], Target(), {"a": 0.5}, rows=100)
    require_green([family], Rules(DAY, {"intents.a": Target(0.5)}))
    none_wrong = judge("my_errors", replace(scored(0, 100, "my_errors"), better="lower"),
                       Target(ceiling=0.0, too_close="pass"))
    require_green([none_wrong], Rules(DAY))
