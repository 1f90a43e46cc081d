"""The meter promises only what the rows of the test carry, and counts each model that was judged on them once."""

import json
import math

import numpy as np
import pytest
from scipy.stats import binom

from mlbot.gates.test_budget import (
    MeterReading,
    decisions,
    decisions_carried,
    log_models,
    note_decision,
    reading_line,
    rows_for_limit,
    rows_for_value,
    same_test_rows,
    served,
    shared,
    smallest_digests,
    tail,
)
from mlbot.settings import Meter

HIDDEN, SEEN = Meter(0.05, 0.99, "none", 0), Meter(0.05, 0.99, "full", 0)


@pytest.mark.parametrize("passes, models", [(0, 16), (1, 4 + 6), (2, 4 + 6 + 4), (3, 4 + 6 + 4 + 1), (4, 16), (9, 16)])
def test_whoever_sees_each_outcome_may_choose_among_all_paths_of_outcomes(passes, models):
    """Four decisions have 16 paths; fewer, when the test retires after some passes. Unseen outcomes leave four models."""
    assert log_models(4, passes=passes) == pytest.approx(math.log(models), abs=1e-12)
    assert log_models(4, "none", passes) == math.log(4)


def test_the_rows_for_a_limit_are_the_first_from_which_on_the_exact_tails_are_small_enough():
    for models in (2, 3, 8, 9, 20):
        rows = rows_for_limit(0.1, 0.95, math.log(models), 0.8)
        assert tail(rows, 0.1, 0.8) <= 0.05 / models < tail(rows - 1, 0.1, 0.8)
        assert rows < rows_for_value(0.1, 0.95, math.log(models))  # exact tails need fewer
    assert rows_for_limit(0.5, 0.01, 0.0, 0.5) == 1  # hardly anything is promised, and one row keeps it
    assert rows_for_value(0.5, 0.5, 0.0) == 2 and rows_for_limit(0.5, 0.5, 0.0, 0.5) == 1  # off by .5 half of the time


@pytest.mark.parametrize("n, tolerance, limit", [(40, 0.1, 0.5), (40, 0.1, 0.25), (40, 0.1, 0.75), (37, 0.1, 0.8),
                                                 (20, 0.05, 0.6), (60, 0.05, 0.8), (5, 0.05, 0.85)])
def test_a_tail_is_the_likelier_side_of_the_binomial_its_end_included(n, tolerance, limit):
    """Off by exactly the tolerance counts, also where binary fractions fall just beside it (0.55 * 20, 0.85 * 60)."""
    short = binom.cdf(math.floor(round((limit - tolerance) * n, 9)), n, limit)
    long = binom.sf(math.ceil(round((limit + tolerance) * n, 9)) - 1, n, limit)
    assert tail(n, tolerance, limit) == pytest.approx(max(short, long), rel=1e-9)


def test_a_limit_at_an_end_is_moved_inside_by_the_tolerance():
    """A model that is always right has no chance in it, so the promise is made for one that is nearly so."""
    assert tail(50, 0.1, 1.0) == tail(50, 0.1, 0.9) > 0 and tail(50, 0.1, 0.0) == tail(50, 0.1, 0.1) > 0


@pytest.mark.parametrize("meter, limit", [(HIDDEN, 0.8), (SEEN, 0.8), (Meter(0.05, 0.99, "full", 2), 0.8)])
def test_so_many_decisions_are_carried_that_one_more_would_break_the_promise(meter, limit):
    def risk(count):
        return (1 - meter.reliability) / math.exp(log_models(count, meter.feedback, meter.passes))
    count = decisions_carried(900, meter, limit)
    assert count > 1 and risk(count) >= tail(900, 0.05, limit) > risk(count + 1)


def test_no_rows_carry_no_decision_and_many_rows_at_most_what_is_asked():
    assert decisions_carried(0, Meter(0.05, 0.0, "none", 0), 0.5) == 0 and decisions_carried(100, SEEN, 0.8) == 0
    assert decisions_carried(1, Meter(0.5, 0.01, "none", 0), 0.5) == 1  # one row, next to no promise
    assert decisions_carried(1, Meter(0.5, 0.5, "none", 0), 0.5) == 1  # exactly at the risk that is allowed
    assert decisions_carried(100_000, HIDDEN, 0.8, most=7) == 7
    assert decisions_carried(100_000, HIDDEN, 0.8) == 10_000


def test_a_sketch_is_the_128_smallest_digests_and_tells_how_much_two_test_sets_share():
    """Small sets are compared as they are; of large ones only what both sketches reach."""
    assert smallest_digests([5, 3, 3, np.uint64(1)]) == [1, 3, 5]
    assert smallest_digests(range(1000, 0, -1)) == list(range(1, 129))
    assert shared([], [1]) == shared([], []) == shared([1, 2], []) == 0.0
    assert shared([1, 2, 3, 9], [1, 2, 3]) == 0.75 and shared([1, 2], [1, 2, 3, 9]) == 1.0
    full, wide = list(range(128)), list(range(0, 256, 2))
    assert shared(full, wide) == 64 / 128 and shared(wide, full) == 64 / 64  # above 127 the other sketch says nothing
    assert shared(full, full[:64]) == 0.5 and shared([*range(100), 500], full) == 1.0  # above 127 it says nothing
    assert math.isnan(shared([500, 501], full)) and same_test_rows([500, 501], full)  # nobody can tell, so it counts


def test_the_line_of_the_meter_ends_in_what_to_do_when_nothing_is_left():
    assert reading_line(MeterReading(1882, 1002, 2005), SEEN) == (
        "test set: 1,882 different texts can judge 2,005 models within 0.050, 99 % reliable (each outcome seen); "
        "1,002 were judged, 1,003 left")
    assert reading_line(MeterReading(882, 4, 5), HIDDEN).endswith("(no outcome seen); 4 were judged, 1 left")
    retiring = reading_line(MeterReading(882, 7, 5), Meter(0.05, 0.999, "full", 2))
    assert "99.9 % reliable (each outcome seen, retired after 2 passes); 7 were judged, 0 left; the test set is used up: " \
        "label more test rows, ask for less (settings.ini [meter]), or seal a part (sealed_percent)" in retiring
    assert "retired" not in reading_line(MeterReading(882, 4, 5), Meter(0.05, 0.99, "none", 2))
    assert reading_line(MeterReading(9, 1, 0), SEEN) == (
        "test set: 9 different texts are too few to judge even one model within 0.050, 99 % reliable (each outcome seen): "
        "label more test rows, or ask for less (settings.ini [meter])")


def write(models, *lines):
    (models / "decisions.jsonl").write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n"
                                                    for line in lines))


def test_a_damaged_line_of_the_decisions_loses_that_decision_only(tmp_path):
    assert decisions(tmp_path) == []
    write(tmp_path, {"model": 7, "test": ["3"]}, "cut {\n", "[1]\n", {"model": "b"}, {"model": "c", "test": ["x"]},
          {"model": "d", "test": [4], "outcomes": {"accuracy": "pass"}})
    whole = [{"model": "7", "test": [3]}, {"model": "d", "test": [4], "outcomes": {"accuracy": "pass"}}]
    assert decisions(tmp_path) == whole
    (tmp_path / "decisions.jsonl").write_bytes(b"\xff\xfe\n" + (tmp_path / "decisions.jsonl").read_bytes())
    assert decisions(tmp_path) == whole


def test_a_decision_counts_for_a_test_set_that_shares_more_than_half_of_its_rows(tmp_path):
    write(tmp_path, {"model": "half", "test": [1, 2, 8, 9]}, {"model": "more", "test": [1, 2, 3]},
          {"model": "none", "test": []}, {"model": "part", "test": [1, 2]})
    assert served(tmp_path, [1, 2, 3, 4]) == {"more", "part"}  # of which more than half is still here


def test_a_model_is_noted_once_with_its_outcomes_and_a_line_that_was_cut_is_ended(tmp_path):
    models = tmp_path / "new" / "models"
    assert note_decision(models, "m1", [], {}, SEEN, 0.8) == MeterReading(0, 1, 0) and not models.exists()
    rows = [30, 10, 20, 10]
    assert note_decision(models, "m1", rows, {"macro_f1": "pass", "accuracy": "fail"}, HIDDEN, None).texts == 3
    file = models / "decisions.jsonl"
    line, = map(json.loads, file.read_text().splitlines())
    assert {name: line[name] for name in ("model", "outcomes", "test", "rows", "number", "before", "actor")} == {
        "model": "m1", "outcomes": {"accuracy": "fail", "macro_f1": "pass"}, "test": [10, 20, 30], "rows": 3, "number": 1,
        "before": "", "actor": "unknown"}
    assert note_decision(models, "m1", rows, {}, SEEN, 0.8).served == 1 and len(decisions(models)) == 1
    file.write_text(file.read_text() + '{"model": "m')
    assert note_decision(models, "m2", rows, {}, SEEN, 0.8).served == 2
    assert [item["model"] for item in decisions(models)] == ["m1", "m2"] and "\n\n" not in file.read_text()


def test_without_a_limit_the_promise_is_made_for_the_hardest_one(tmp_path):
    """A share of one half varies most, so it carries the fewest decisions."""
    rows = range(1200)
    carried = {limit: note_decision(tmp_path, "m", rows, {}, HIDDEN, limit).carried for limit in (None, 0.5, 0.9)}
    assert carried[None] == carried[0.5] == decisions_carried(1200, HIDDEN, 0.5) < carried[0.9]
