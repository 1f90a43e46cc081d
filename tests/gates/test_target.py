"""A stretch climbs by the calendar and stays within what is possible; a step that the test cannot see is said."""

from datetime import date, timedelta

import pytest

from mlbot.errors import InputError
from mlbot.gates.target import check_members, check_slicings, feasibility, on_day, plan, steps_until
from mlbot.settings import Target
from mlbot.stats.bounds import rows_to_see

START = date(2026, 1, 5)


def climbing(stretch=0.8, step=0.01, **parts):
    return Target(0.7, stretch, start=START, step=step, **{"count": 10, **parts})


def test_the_stretch_takes_a_step_on_the_day_and_not_before():
    """On the first day nothing has climbed; each `every` days one step, at most `count`."""
    target = climbing(every=3, count=2)
    assert [steps_until(target, START + timedelta(days=day)) for day in (-1, 0, 2, 3, 5, 6, 9, 300)] == \
        [0, 0, 0, 1, 1, 2, 2, 2]
    assert steps_until(Target(0.7, 0.8), START) == 0


def test_a_target_of_a_day_has_a_number_and_no_schedule():
    assert on_day(climbing(every=3, min_n=50, too_close="fail"), START + timedelta(days=7)) == \
        Target(0.7, 0.82, min_n=50, too_close="fail")
    assert on_day(climbing(), START + timedelta(days=49)).stretch == 0.87  # and not 0.8700000000000001


def test_a_stretch_ends_at_its_cap_and_a_share_at_one():
    """A rising stretch stops below its cap, a falling one above; a time or a size may be above 1 and never below 0."""
    late = date(2030, 1, 1)
    assert on_day(climbing(cap=0.85), late).stretch == 0.85 and on_day(climbing(cap=0.95), late).stretch == 0.9
    assert on_day(climbing(0.95), late).stretch == 1.0
    falling = Target(ceiling=6.0, stretch=5.0, start=START, step=-0.5, count=20)
    assert on_day(falling, START + timedelta(days=7)).stretch == 4.5 and on_day(falling, late).stretch == 0.0
    capped = Target(ceiling=6.0, stretch=5.0, start=START, step=-0.5, count=20, cap=3.0)
    assert on_day(capped, late).stretch == 3.0 and on_day(capped, START).stretch == 5.0


def test_the_plan_lists_each_day_on_which_the_stretch_changes_and_no_other():
    week = timedelta(days=7)
    assert plan(climbing(count=3)) == [(START, 0.8), (START + week, 0.81), (START + 2 * week, 0.82), (START + 3 * week, 0.83)]
    assert plan(climbing(step=0.1, count=9, cap=0.95)) == [(START, 0.8), (START + week, 0.9), (START + 2 * week, 0.95)]


def test_a_step_that_the_test_rows_cannot_show_is_said_with_what_would_be_needed():
    """Exactly so many rows are enough; without a step, without rows and after the last step there is nothing to say."""
    needed = rows_to_see(0.01, 0.1)
    assert feasibility("accuracy", climbing(), needed) == "" != feasibility("accuracy", climbing(), needed - 1)
    assert feasibility("accuracy", climbing(every=14), 882) == (
        "accuracy: a step of 0.010 in 14 days cannot be seen on 882 test rows; they show 0.026, and 6,181 would be needed "
        "(10 % of answers differing)")
    assert "a step of 0.200" in feasibility("x", climbing(0.2, 0.2, count=1), 3)  # more than usually differ
    assert feasibility("x", Target(0.7), 1) == feasibility("x", climbing(), 0) == ""
    last = START + timedelta(days=70)
    assert feasibility("x", climbing(), 1, last) == "" != feasibility("x", climbing(), 1, last - timedelta(days=1))


def test_a_target_of_a_member_that_is_not_there_is_refused_with_the_names_there_are():
    check_members({"intents.VPN": Target(0.1), "slices.rol": Target(0.1), "accuracy": Target(0.1)}, "intents", ["vpn"])
    with pytest.raises(InputError) as refused:
        check_members({"intents.vpm": Target(0.1)}, "intents", ["vpn", "Mailbox"])
    assert refused.value.expected == "one of: Mailbox, vpn (did you mean vpn?)" and refused.value.place == ""
    with pytest.raises(InputError, match="^settings.ini: "):
        check_members({"intents.vpm": Target(0.1)}, "intents", ["vpn"], "settings.ini")


def test_a_slicing_that_is_nearly_a_usual_one_is_a_mistake_and_another_one_is_your_own():
    check_slicings({"slices.role": Target(0.1), "slices.shoe_size/44": Target(0.1), "intents.rol": Target(0.1)}, "slices",
                   ["role", "language"])
    with pytest.raises(InputError) as refused:
        check_slicings({"slices.rol": Target(0.1)}, "slices", ["role", "language"])
    assert refused.value.expected == "one of: role, language (did you mean role?)" and refused.value.place == ""
    with pytest.raises(InputError, match="^settings.ini: "):
        check_slicings({"slices.rol/x": Target(0.1)}, "slices", ["role"], "settings.ini")
    check_slicings({"slices.rate": Target(0.1)}, "slices", ["role"])  # four letters, two of them shared: no slip
