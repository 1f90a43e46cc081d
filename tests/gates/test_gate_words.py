"""What a gate says: one line, one row of a table and one error for each kind of verdict, with all numbers that decided."""

import math
from dataclasses import replace
from datetime import date

import pytest
from scipy.stats import norm

from mlbot.errors import GateFailed, NoVerdict
from mlbot.gates.record import RECORD, Shown, as_plain
from mlbot.gates.verdict import NO_VERDICT, PASS, TOO_CLOSE, Waiver, judge, judge_family
from mlbot.gates.words import (
    HEADER,
    MARKS,
    error_of,
    remarks,
    rows_missing,
    settling,
    verdict_cells,
    verdict_line,
    verdict_markdown,
    verdict_table,
)
from mlbot.settings import Target
from mlbot.stats.metrics import mean_of
from mlbot.stats.scores import Score, census, gain, reading, share


def scored(hits, n, metric="x"):
    return share(metric, [True] * hits + [False] * (n - hits))


WRONG = Score("wrong", 0.03, 1000, 0.02, 0.04, 0.022, 0.039, better="lower")
LOSS = gain("champion", [True] * 40 + [False] * 10 + [True] * 450, [False] * 40 + [True] * 10 + [True] * 450)
GOOD, MIXED = scored(410, 500), [scored(1, 90, "bad"), scored(24, 50, "close"), scored(60, 60, "good"), scored(2, 3, "tiny"),
                                 scored(0, 0, "lost")]
FAMILY = judge_family("intents", MIXED, Target(0.5, 0.9, min_n=5), {"gone": 0.4, "lost": 0.3}, 216, {"close": 0.95})
WAIVED = replace(judge("x", scored(50, 100), Target(0.8)), waiver=Waiver("x", "Ann", "a demo", date(2026, 2, 2), "m", "d"))
SEEDS = [scored(300, 500), scored(409, 500), scored(301, 500)]
X, W = "x 0.820 (n=500, 95 % 0.783 to 0.852)", "wrong 0.030 (n=1,000, 95 % 0.020 to 0.040)"
KEEPS = [  # verdict, its line, the last three cells of its row
    (judge("x", GOOD, Target(0.75)), f"{X} reaches its floor 0.750", "≥ 0.750", "-", "✓ pass"),
    (judge("x", GOOD, Target(0.9, 0.95)), f"{X} is below its floor 0.900", "≥ 0.900", "0.950 missed", "✕ fail"),
    (judge("x", GOOD, Target(0.8)), f"{X} is too close to its floor 0.800 to call; needs about 1,940 more labelled test rows "
     "to settle", "≥ 0.800", "-", "≈ too close to call"),
    (judge("x", GOOD, Target(0.82)), f"{X} is too close to its floor 0.820 to call; the two are equal, so more labels cannot "
     "settle it", "≥ 0.820", "-", "≈ too close to call"),
    (judge("x", GOOD, Target(0.82001, too_close="fail")), f"{X} is too close to its floor 0.820 to call; no realistic number "
     "of labels settles it", "≥ 0.820", "-", "≈ too close to call (counts as fail)"),
    (judge("x", GOOD), f"{X} has no floor", "-", "-", "✓ pass"),
    (judge("x", GOOD, Target(stretch=0.9)), f"{X} has no floor; stretch 0.900 missed", "-", "0.900 missed", "✓ pass"),
    (judge("x", GOOD, Target(0.7, 0.8)), f"{X} reaches its floor 0.700; stretch 0.800 too close to call", "≥ 0.700",
     "0.800 ≈", "✓ pass"),
    (judge("x", GOOD, Target(0.7, 0.75)), f"{X} reaches its floor 0.700; stretch 0.750 reached", "≥ 0.700", "0.750 reached",
     "✓ pass"),
    (judge("x", GOOD, Target(0.7, 0.0)), f"{X} reaches its floor 0.700; stretch 0.000 reached", "≥ 0.700", "0.000 reached",
     "✓ pass"),
    (judge("x", scored(0, 0), Target(0.9)), "x was not measured (n=0)", "≥ 0.900", "-", "? no verdict"),
    (judge("x", scored(0, 0)), "x was not asked: there is nothing to judge", "-", "-", "- not asked"),
    (judge("x", GOOD, Target(0.7, min_n=2000)), f"{X} rests on too little for a verdict (expected: n of 2,000 or more)",
     "≥ 0.700", "-", "? no verdict"),
    (judge("wrong", WRONG, Target(ceiling=0.05)), f"{W} keeps its ceiling 0.050", "≤ 0.050", "-", "✓ pass"),
    (judge("wrong", WRONG, Target(ceiling=0.01)), f"{W} is above its ceiling 0.010", "≤ 0.010", "-", "✕ fail"),
    (judge("x", GOOD, Target(0.7), sealed=PASS), f"{X}; the sealed part keeps the floor 0.700", "≥ 0.700", "-",
     "✓ pass (sealed)"),
    (judge("wrong", WRONG, Target(ceiling=0.05), sealed="fail"), f"{W}; the sealed part misses the ceiling 0.050", "≤ 0.050",
     "-", "✕ fail (sealed)"),
    (judge("x", GOOD, Target(0.9), sealed=PASS), f"{X} is below its floor 0.900", "≥ 0.900", "-", "✕ fail (sealed)"),
    (judge("x", GOOD, Target(), sealed=PASS), f"{X} has no floor", "-", "-", "✓ pass (sealed)"),
    (judge("x", GOOD, Target(0.7), seeds=SEEDS), f"{X} reaches its floor 0.700; flaky: 2 of 3 other seeds say otherwise",
     "≥ 0.700", "-", "✓ pass (flaky)"),
    (judge("x", GOOD, Target(0.7, 0.9), seeds=SEEDS), f"{X} reaches its floor 0.700; stretch 0.900 missed; flaky: 2 of 3 "
     "other seeds say otherwise", "≥ 0.700", "0.900 missed", "✓ pass (flaky)"),
    (replace(judge("x", GOOD, Target(0.7)), outcome="no verdict"), f"{X} rests on too little for a verdict (expected: n of 1 "
     "or more)", "≥ 0.700", "-", "? no verdict"),
    (WAIVED, "x 0.500 (n=100, 95 % 0.399 to 0.601) is below its floor 0.800; waived by Ann until 2026-02-02: a demo",
     "≥ 0.800", "-", "✕ fail (waived)"),
    (judge("champion", LOSS, Target(0.0)), "champion -0.060 (n=500, 95 % -0.087 to -0.032) is below its floor 0.000",
     "≥ +0.000", "-", "✕ fail"),
    (judge("size", reading("size", 6.2531, unit="MB"), Target(ceiling=100)), "size 6.253 MB keeps its ceiling 100.000",
     "≤ 100.000", "-", "✓ pass"),
    (FAMILY, "intents: bad 0.011 (n=90, 95 % 0.001 to 0.069) is below its floor 0.500; of 6 parts 1 failed, 1 too close to "
     "call, 2 without a verdict, 2 below the stretch, 1 with too few rows to be judged", "≥ 0.500", "2 below", "✕ fail"),
    (judge_family("intents", [scored(60, 60, "a")], Target(0.5)), "intents: a 1.000 (n=60, 95 % 0.925 to 1.000) reaches its "
     "floor 0.500; of 1 parts all pass", "≥ 0.500", "-", "✓ pass"),
    (judge_family("slices", [scored(60, 60, "role/a")], Target(), {"role": 0.0}), "slices: role/a 1.000 (n=60, 95 % 0.925 to "
     "1.000) reaches its floor 0.000; of 1 parts all pass", "-", "-", "✓ pass"),
    (judge_family("intents", [scored(1, 2, "a")], Target(0.5, min_n=5)), "intents: a 0.500 (n=2, 95 % 0.027 to 0.973) rests "
     "on too little for a verdict (expected: n of 5 or more)", "≥ 0.500", "-", "? no verdict"),
]


@pytest.mark.parametrize("verdict, line, limit, stretch, outcome", KEEPS)
def test_a_verdict_is_one_line_and_one_row_with_the_numbers_that_decided(verdict, line, limit, stretch, outcome):
    assert verdict_line(verdict) == f"gate: {line}" and verdict_cells(verdict)[4:] == (limit, stretch, outcome)
    shown = Shown(verdict)._repr_mimebundle_()
    assert shown["text/plain"] == f"{outcome[0]} gate: {line}" and set(shown) == {RECORD, "text/plain", "text/html"}


@pytest.mark.parametrize("verdict, cells", [
    (judge("x", GOOD, Target(0.75)), ("x", "0.820", "500", "0.783 to 0.852")),
    (judge("wrong", WRONG, Target(ceiling=0.05)), ("wrong", "0.030", "1,000", "0.020 to 0.040")),
    (judge("champion", LOSS, Target(0.0)), ("champion (gain)", "-0.060", "500", "-0.087 to -0.032")),
    (judge("size", reading("size", 6.2531, unit="MB"), Target(ceiling=100)), ("size (MB)", "6.253", "-", "-")),
    (judge("x", scored(0, 0), Target(0.9)), ("x", "-", "0", "-")),
    (judge("x", scored(1, 1)), ("x", "1.000", "1", "0.055 to 1.000")),
    (judge("x", census("x", [True] * 5)), ("x", "1.000", "5", "-")),
    (FAMILY, ("intents: bad", "0.011", "90", "0.001 to 0.069"))])
def test_a_row_shows_value_and_rows_and_unit_and_a_dash_for_what_is_not_there(verdict, cells):
    assert verdict_cells(verdict)[:4] == cells


def test_the_words_of_a_score_are_inert_in_a_notebook():
    hostile = judge("<b>", scored(9, 10, "<b>"), Target(0.5))
    assert Shown(hostile)._repr_mimebundle_()["text/html"].startswith("<pre>") and "<b>" not in \
        Shown(hostile)._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("verdict, kind, wanted, do", [
    (judge("x", GOOD, Target(0.9)), GateFailed, "x of at least 0.900", "floors are set in"),
    (judge("wrong", WRONG, Target(ceiling=0.01)), GateFailed, "wrong of at most 0.010", "ceilings are set in"),
    (judge("x", scored(0, 0), Target(0.9)), NoVerdict, "x of at least 0.900", "label more"),
    (FAMILY, GateFailed, "bad of at least 0.500", "floors are set in"),
    (judge("y", replace(GOOD, metric="x"), Target()), GateFailed, "a number", "improve the data or the model")])
def test_the_error_of_a_red_gate_says_what_was_wanted_and_where_it_is_asked(verdict, kind, wanted, do):
    problem = error_of(verdict)
    assert type(problem) is kind and problem.expected == wanted and do in problem.action
    assert problem.found == verdict_line(verdict)


def test_remarks_name_each_open_member_the_gravest_first_and_count_the_rest():
    """Members that failed, could not be judged, are too close or late; then the small ones; then what would settle."""
    bad, lost, gone, close, small = remarks([FAMILY])
    assert bad == "intents: bad 0.011 (n=90, 95 % 0.001 to 0.069) is below its floor 0.500, and misses its stretch 0.900"
    assert (lost, gone) == ("intents: lost was not measured (n=0)", "intents: gone was not measured (n=0)")
    assert close == ("intents: close 0.480 (n=50, 95 % 0.339 to 0.624) is too close to its floor 0.500 to call; needs about "
                     "4,319 more labelled test rows to settle, and misses its stretch 0.950")
    assert small == "intents: not judged, with fewer than 5 rows: tiny 0.667 (n=3)"
    few = remarks([FAMILY], few=1)
    assert few[:2] == [bad, "intents: and 3 more (1 failed, 1 too close to call, 2 without a verdict, 2 below the stretch, "
                       "1 with too few rows to be judged)"]
    assert remarks([FAMILY], few=4) == [bad, lost, gone, close, small]
    late = judge_family("slices", [scored(50, 90, "a"), scored(90, 90, "b")], Target(0.1, 0.9))
    assert remarks([late]) == ["slices: a 0.556 (n=90, 95 % 0.447 to 0.659) misses its stretch 0.900"]


def test_remarks_name_five_members_and_nothing_about_a_stretch_that_nobody_asked():
    said = remarks([judge_family("f", [scored(1, 90, f"m{at}") for at in range(7)], Target(0.5))])
    assert said == [f"f: m{at} 0.011 (n=90, 95 % 0.001 to 0.069) is below its floor 0.500" for at in range(5)] + [
        "f: and 2 more (7 failed)"]


def test_remarks_on_small_members_are_sorted_by_value_and_cut():
    tiny = [scored(hits, 4, f"m{hits}") for hits in (3, 0, 2, 1)]
    cut = remarks([judge_family("f", [scored(40, 40, "a"), *tiny], Target(0.5, min_n=5))], few=2)
    assert cut == ["f: not judged, with fewer than 5 rows: m0 0.000 (n=4), m1 0.250 (n=4) and 2 more"]
    slices = [scored(40, 40, "role/z"), scored(2, 4, "size/b"), scored(1, 4, "role/a")]  # farther below is not lower
    assert remarks([judge_family("slices", slices, Target(0.5, min_n=5), {"role": 0.1})])[0].endswith(
        ": role/a 0.250 (n=4), size/b 0.500 (n=4)")
    only = remarks([judge_family("f", [scored(40, 40, "a"), *tiny[:3]], Target(0.5, min_n=5))], few=3)
    assert only == ["f: not judged, with fewer than 5 rows: m0 0.000 (n=4), m2 0.500 (n=4), m3 0.750 (n=4)"]
    assert remarks([judge_family("f", [scored(40, 40, "a"), scored(0, 0, "b")], Target(0.5))]) == [
        "f: not judged, with fewer than 1 rows: b"]


def test_remarks_say_what_would_settle_a_verdict_and_who_waived_it():
    close = judge("x", GOOD, Target(0.8))
    assert remarks([close]) == ["x: too close to call; needs about 1,940 more labelled test rows to settle"]
    assert remarks([replace(close, sealed=PASS)]) == remarks([judge("x", GOOD, Target(0.7))]) == []
    assert remarks([WAIVED]) == ["x: red, and waived by Ann until 2026-02-02: a demo"]


def test_the_rows_that_are_missing_are_those_that_settle_less_those_that_are_there():
    assert rows_missing(GOOD, 0.8) == 1940 and rows_missing(GOOD, None) is rows_missing(GOOD, 0.82) is None
    assert rows_missing(replace(GOOD, at_least=0.8199, at_most=0.8201), 0.8) == 1  # already sure: one is the least
    half = 0.1 * 10 / (1 + norm.ppf(0.8) / norm.ppf(0.95))  # with which a hundred times as many rows settle it
    wide = [replace(GOOD, n=10, at_least=0.82 - part * half, at_most=0.82 + part * half) for part in (0.9999, 1.001)]
    assert [rows_missing(score, 0.72) for score in wide] == [990, None]  # more is no usual number
    assert settling(GOOD, None) == "no realistic number of labels settles it"


def test_a_table_is_aligned_and_has_a_header_and_markdown_has_one_too():
    verdicts = [judge("x", GOOD, Target(0.75)), WAIVED]
    table = verdict_table(verdicts).splitlines()
    assert HEADER == ("gate", "value", "n", "95 %", "limit", "stretch", "verdict")
    assert table[0].split() == " ".join(HEADER).split() and len(table) == 3
    assert not any(line != line.rstrip() for line in table)
    assert len({line.index(cell) for line, cell in zip(table, ("limit", "≥ 0.750", "≥ 0.800"), strict=True)}) == 1
    assert table[1].startswith("x     0.820  500  0.783 to 0.852  ≥ 0.750")
    head, rule, row, inert = verdict_markdown([*verdicts[:1], judge("a|b\n*c*", scored(9, 10), Target(0.5))]).splitlines()
    assert head == f"| {' | '.join(HEADER)} |" and rule == "| --- | --- | --- | --- | --- | --- | --- |"
    assert row == "| x | 0.820 | 500 | 0.783 to 0.852 | ≥ 0.750 | - | ✓ pass |"
    assert "*c*" not in inert and "&#124;" in inert


def test_a_record_holds_nothing_that_json_cannot():
    assert as_plain({"a": (1, [math.nan, math.inf, 0.5]), "day": date(2026, 2, 3), "no": None, "yes": True}) == \
        {"a": [1, [None, None, 0.5]], "day": "2026-02-03", "no": None, "yes": True}
    assert RECORD == "application/vnd.mlbot.verdict.v2+json"  # stored notebooks are read by this name
    assert set(MARKS) == {"pass", "fail", "too close to call", "no verdict", "not asked"} and MARKS[TOO_CLOSE] == "≈"


def test_a_score_without_an_interval_says_why_and_one_where_nothing_moved_claims_no_more():
    """It was called not measured, and two runs of one row were surely not worse."""
    alike = judge("stars", mean_of("stars", [5] * 30), Target(4))
    assert verdict_line(alike) == "gate: stars 5.000 (n=30) has no interval: all 30 rows have the same value, " \
                                  "on no known scale"
    assert "mean_of(..., scale=(1, 5))" in str(error_of(alike)) and alike.outcome == NO_VERDICT
    below = judge("x", scored(50, 100), Target(0.8))
    assert "read the report" in error_of(below).action and "report" not in error_of(below, "the call of gate(...)").action
    few = judge("stars", mean_of("stars", [5, 4]), Target(4))
    assert "its 2 rows are too few" in verdict_line(few) and error_of(few).action == "collect more rows"
    same = judge("x against last green", gain("x", [True], [True]), Target(0))
    assert verdict_line(same).endswith("is the same as before: nothing moved") and same.outcome == PASS
