"""What the monitor counts and says in each single case: a message, a label, a share, a canary."""

import json
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from mlbot.bot.events import Event
from mlbot.bot.labelling import ASKED, LABELS, Item, is_drawn
from mlbot.bot.monitor import (
    MONITORED_EVENTS,
    CanaryTrial,
    Drift,
    LoggedAnswer,
    OverviewTally,
    Share,
    add_row,
    audited,
    band_of,
    count_item,
    days_of,
    drift_of,
    estimates,
    guesses,
    length_of,
    overview,
    profile_file,
    profile_of,
    quality_of,
    read_profile,
    rightness,
    share_of,
    surely_below,
    tally_of,
    too_many,
    trial_of,
    write_profile,
)
from mlbot.model.decide import CONFIRM, DECISIONS, EXECUTE, HANDOFF, OUT_OF_SCOPE
from mlbot.settings import Monitor
from mlbot.stats.bounds import share_by_bets, wilson

DRAWN, PLAIN = (4, 7, 8, 11, 12, 13), (1, 2, 3, 5, 6, 9)  # numbers of messages that chance puts into the audit, or not
DAY = 24 * 3600
NO_PROFILE = {"profile": {}, "test": None}


def asked(number, text="", intent="card", confidence=0.5, kind="asked", at=0.0, **more):
    """An answer in the log."""
    body = {"text": text or f"text {number}", "intent": intent, "confidence": confidence, "ranking": [[intent, confidence]],
            "model": "m1", "request": f"r{number}", "decision": EXECUTE, "role": "", "location": "", **more}
    return Event(kind, f"r{number}", body, number=number, at=at)


def label(number, intent, who="p1", **more):
    """A label of it."""
    return Event("label", f"e{number}", {"intent": intent, **more}, who, number=1000 + number)


def test_chance_draws_the_messages_that_these_tests_are_about():
    assert all(is_drawn(f"e{number}") for number in DRAWN) and not any(is_drawn(f"e{number}") for number in PLAIN)


@pytest.mark.parametrize("words, says", [
    (0, "1 to 3"), (1, "1 to 3"), (3, "1 to 3"), (4, "4 to 7"), (7, "4 to 7"), (8, "8 to 12"), (12, "8 to 12"),
    (13, "13 to 25"), (25, "13 to 25"), (26, "over 25"), (90, "over 25")])
def test_the_length_of_a_text_is_a_band_of_words(words, says):
    assert length_of("w " * words) == says


@pytest.mark.parametrize("confidence, says", [
    (0.0, 0.0), (0.29, 0.0), (0.3, 0.3), (0.49, 0.3), (0.5, 0.5), (0.69, 0.5), (0.7, 0.7), (0.89, 0.7), (0.9, 0.9),
    (1.0, 0.9), (-1.0, 0.0), (math.nan, 0.0)])
def test_confidence_is_a_band_from_its_lower_end_on(confidence, says):
    assert band_of(confidence) == f"from {says}"


def test_the_profile_counts_the_values_of_each_feature():
    rows = [("a card", "Sales ", "", "card", 0.95), ("a new card for my car", "sales", "DE", "card", 0.3),
            ("a bill", "", None, "bill", 0.3)]
    found = profile_of(rows)
    assert found == {"length": {"1 to 3": 2, "4 to 7": 1}, "role": {"sales": 2, "none": 1},
                     "location": {"none": 2, "de": 1}, "predicted intent": {"card": 2, "bill": 1},
                     "confidence": {"from 0.9": 1, "from 0.3": 2}}
    assert all(type(counts) is dict for counts in found.values()) and profile_of([]) == {}
    counts = defaultdict(Counter, {"role": Counter({"sales": 5})})
    add_row(counts, *rows[0])
    assert counts["role"] == {"sales": 6} and counts["confidence"] == {"from 0.9": 1}


def test_a_profile_is_written_for_people_and_read_back(tmp_path):
    write_profile(tmp_path, "m1", [("für mich", "", "", "card", 0.5)] * 2, {"value": 0.9})
    assert profile_file(tmp_path, "m1") == tmp_path / "profiles" / "m1.json"
    assert profile_file(tmp_path, "m1").read_text().startswith('{\n "profile": {\n  "length": {\n   "1 to 3": 2\n  },')
    assert read_profile(tmp_path, "m1") == {"profile": profile_of([("x", "", "", "card", 0.5)] * 2), "test": {"value": 0.9}}
    write_profile(tmp_path, "m2", [("x", "für", "", "é", 0.5)])
    assert '"für": 1' in profile_file(tmp_path, "m2").read_text(encoding="utf-8")
    assert read_profile(tmp_path, "m2")["test"] is None and read_profile(tmp_path, "m2")["profile"]["role"] == {"für": 1}


EMPTY = {"profile": {}, "test": None}


@pytest.mark.parametrize("stored, found", [
    (None, EMPTY), ("", EMPTY), ("{", EMPTY), ("[]", EMPTY), ("5", EMPTY), ("[" * 200_000, EMPTY), ("{}", EMPTY),
    ({"test": {"n": 1}}, {"profile": {}, "test": {"n": 1}}), ({"test": 5}, EMPTY), ({"profile": []}, EMPTY),
    ({"profile": {"a": {"x": 0}, "b": {}}}, {"profile": {"a": {"x": 0}, "b": {}}, "test": None}),
    ({"profile": {"a": {"x": 1, "y": -1}}}, EMPTY), ({"profile": {"a": {"x": 1, "y": 1.5}}}, EMPTY),
    ({"profile": {"a": {"x": True}}}, EMPTY), ({"profile": {"a": {"x": "1"}}}, EMPTY),
    ({"profile": {"a": {"x": 1}, "b": [1]}, "test": {}}, {"profile": {}, "test": {}})])
def test_a_profile_that_is_missing_or_odd_is_empty(tmp_path, stored, found):
    if stored is not None:
        profile_file(tmp_path, "m1").parent.mkdir()
        profile_file(tmp_path, "m1").write_text(stored if isinstance(stored, str) else json.dumps(stored))
    assert read_profile(tmp_path, "m1") == found


def test_drift_is_the_stability_index_of_counts_and_a_half_with_its_noise():
    """Population stability index: the sum of (new - old) ln(new / old); three values, of 8 rows before and 4 now."""
    found = drift_of("role", {"a": 6, "b": 2}, {"b": 3, "c": 1})
    old, new = (6.5 / 9.5, 2.5 / 9.5, 0.5 / 9.5), (0.5 / 5.5, 3.5 / 5.5, 1.5 / 5.5)
    assert found.value == pytest.approx(sum((b - a) * math.log(b / a) for a, b in zip(old, new, strict=True)))
    assert found.limit == pytest.approx(0.1 + 0.375 * (2 + 3 * 2)) and found.name == "role" and found.alarm is False
    assert found.worst == ("a 75% → 0%", "b 25% → 75%", "c 0% → 25%")


def test_the_noise_of_one_value_and_of_two_is_never_none():
    assert drift_of("x", {"a": 5}, {"a": 10}) == Drift(
        "x", 0.0, pytest.approx(0.1 + 0.3 * 3 * math.sqrt(2)), False, ("a 100% → 100%",),
        ({"value": "a", "before": 1.0, "now": 1.0},))
    assert drift_of("x", {"a": 4, "b": 1}, {"a": 10}, 0.2).limit == pytest.approx(0.2 + 0.3 * (1 + 3 * math.sqrt(2)))


def test_an_alarm_is_above_the_limit_and_not_on_it():
    noise = (1 / 2 + 1 / 2) * (3 * math.sqrt(2))
    same = {"a": 2}
    assert drift_of("x", same, same, -noise).limit == 0.0 and not drift_of("x", same, same, -noise).alarm
    assert drift_of("x", same, same, -noise - 0.01).alarm
    assert drift_of("x", {"a": 1000}, {"b": 1000}).alarm and not drift_of("x", {"a": 1000}, {"a": 1000}).alarm
    assert not drift_of("x", {"a": 600, "b": 400}, {"a": 400, "b": 600}, 0.2).alarm  # an index of 0.162
    assert drift_of("x", {"a": 600, "b": 400}, {"a": 400, "b": 600}, 0.15).alarm


def test_the_three_values_that_moved_most_are_told_up_or_down_and_by_name_in_a_draw():
    before, now = {"a": 50, "b": 10, "c": 10, "d": 20, "e": 10}, {"a": 10, "b": 20, "c": 20, "d": 40, "e": 10}
    assert drift_of("x", before, now).worst == ("a 50% → 10%", "d 20% → 40%", "b 10% → 20%")


def test_without_rows_on_one_side_nothing_has_drifted():
    for before, now in (({}, {}), ({"a": 5}, {}), ({}, {"a": 5}), ({"a": 5}, {"a": 0})):
        assert drift_of("x", before, now, 0.3) == Drift("x", 0.0, 0.3, False, ())


def test_a_share_and_an_answer_have_usual_values():
    assert Share(0.5, 0.4, 0.6, 10).population == ""
    assert LoggedAnswer("card", 0.8) == LoggedAnswer("card", 0.8, 1.0, EXECUTE)


@pytest.mark.parametrize("decision, everywhere", [
    (EXECUTE, 0.4), (CONFIRM, 0.6), (HANDOFF, 0.6), (OUT_OF_SCOPE, 0.2)])
def test_the_guess_of_an_answer_is_its_chance_to_be_right(decision, everywhere):
    assert guesses(LoggedAnswer("card", 0.5, 0.8, decision)) == pytest.approx((everywhere, 0.4, 0.8))


def test_a_label_says_right_or_wrong_in_three_ways():
    assert rightness(LoggedAnswer("card", 0.5), "oos", "oos") == (0, 0, 0)
    assert rightness(LoggedAnswer("card", 0.5, 1.0, CONFIRM), "oos", "oos") == (1, 0, 0)
    assert rightness(LoggedAnswer("card", 0.5), "card", "oos") == (1, 1, 1)
    assert rightness(LoggedAnswer("card", 0.5), "bill", "oos") == (0, 0, 1)
    assert rightness(LoggedAnswer("card", 0.5, 1.0, OUT_OF_SCOPE), "card", "oos") == (0, 1, 1)


AUDIT = [(LoggedAnswer("card", 0.8, 0.5), "card"), (LoggedAnswer("card", 0.5, 0.8, CONFIRM), "oos"),
         (LoggedAnswer("bill", 0.5, 0.4, OUT_OF_SCOPE), "bill"), (LoggedAnswer("bill", 1.0, 1.0), "card")]


def test_labels_correct_what_the_model_guesses_of_both_populations():
    """What the four labels say less what was guessed, as right ones and as those in scope; for all messages further down."""
    found = estimates((0.7, 0.5, 0.8), AUDIT * 15, "oos")
    right, scope = np.tile([0.6, -0.4, 0.8, -1], 15), np.tile([0.5, -0.8, 0.6, 0], 15)
    low, high = share_by_bets(right, scope, (0.5, 0.8))
    assert found["in_scope"] == Share(pytest.approx(0.5 / 0.875), low, high, 45, "in scope") and 0 < low < 0.5 < high < 1
    low, high = share_by_bets(np.tile([0.6, 0.4, -0.6, -1], 15), np.zeros(60), (0.7, 1.0))
    assert found["all_messages"] == Share(pytest.approx(0.55), low, high, 60, "all messages") and 0 < low < high < 1
    assert list(found) == ["in_scope", "all_messages"]


def test_without_a_label_that_says_something_there_is_no_estimate():
    assert estimates((0.7, 0.5, 0.8), [], "oos") == {"in_scope": None, "all_messages": None}
    outside = estimates((0.7, 0.5, 0.8), AUDIT[1:2], "oos")
    assert outside["in_scope"] is None and outside["all_messages"].n == 1


def test_a_share_stays_within_the_ends_of_its_interval():
    assert share_of(0.3, 0.6, 5, "p", (0.1, 0.9)) == Share(0.5, 0.1, 0.9, 5, "p")
    assert share_of(0.6, 0.6, 5, "p", (0.1, 0.9)).value == 0.9 and share_of(0.0, 0.6, 5, "p", (0.1, 0.9)).value == 0.1
    assert share_of(0.3, 0.6, 0, "p", (0.1, 0.9)) is None
    assert share_of(0.0, 0.0, 1, "p", (0.0, 1.0)).value == 0.0 and share_of(0.5, 0.0, 1, "p", (0.0, 1.0)).value == 1.0
    assert share_of(1e-9, 0.0, 1, "p", (0.0, 5.0)).value == 1.0  # out of a billionth at least


def test_a_share_is_surely_below_the_test_by_more_than_both_leave_open():
    """The interval of the share reaches 3 up, that of the test 4 down, so 5 are open: of a gap of 10, 5 are sure."""
    found, test = {"value": 1.0, "high": 4.0}, {"value": 11.0, "low": 7.0}
    assert surely_below(found, test, 4.9) is True and surely_below(found, test, 5.0) is False
    assert surely_below(found, {"value": 11.0}, 6.9) and not surely_below(found, {"value": 11.0}, 7.0)
    for none in ((None, test), (found, None), (None, None), ({}, test), (found, {})):
        assert surely_below(*none, -100.0) is False


def test_the_events_that_an_overview_reads_are_those_that_it_counts():
    assert MONITORED_EVENTS == ("opened", "turn", "asked", "asked.more", "feedback", "handoff.initiate", "label",
                                "label.undone")
    assert {*ASKED, *LABELS} < set(MONITORED_EVENTS)


def test_a_new_tally_has_counted_nothing():
    tally = OverviewTally("m1")
    assert (tally.answers, tally.sums, tally.model) == (0, [0.0, 0.0, 0.0], "m1")
    assert (tally.days, tally.words, tally.handed, tally.talks, tally.drawn, tally.same, tally.labels) == (
        {}, {}, set(), set(), {}, {}, [])
    assert days_of(tally) == [] and audited(tally) == []


def test_each_day_has_its_messages_decisions_confidence_thumbs_and_hand_overs():
    """Days are those of UTC, in order; of two thumbs on one answer the last counts, on its own day."""
    events = [asked(1, confidence=0.5, at=DAY), asked(2, confidence=0.75, at=2 * DAY - 1, decision=CONFIRM),
              asked(3, confidence=1.0, at=0.0), asked(5, at=0.0, decision="unheard of"),
              Event("feedback", "r1", {"useful": True}, at=0.0), Event("feedback", "r1", {"useful": False}, at=DAY),
              Event("feedback", "r2", {"useful": False}, at=DAY), Event("feedback", "r3", {"useful": True}, at=0.0),
              Event("feedback", "r5", {"useful": None}, at=0.0), Event("feedback", "r6", {}, at=0.0),
              Event("handoff.initiate", "c1", {}, at=DAY), Event("handoff.initiate", "c1", {}, at=DAY),
              Event("opened", "c2", {"role": "", "location": ""}, at=5 * DAY)]
    none = dict.fromkeys(DECISIONS, 0)
    assert days_of(tally_of(events, "m1")) == [
        {"day": "1970-01-01", "messages": 1, "decisions": none | {EXECUTE: 1}, "confidence": 1.0, "useful": 1, "useless": 0,
         "handoffs": 0},
        {"day": "1970-01-02", "messages": 2, "decisions": none | {EXECUTE: 1, CONFIRM: 1}, "confidence": 0.625, "useful": 0,
         "useless": 2, "handoffs": 2},
        {"day": "1970-01-06", "messages": 0, "decisions": none, "confidence": None, "useful": 0, "useless": 0, "handoffs": 0}]


def test_an_answer_is_counted_in_the_profile_and_where_it_is_offered_in_the_estimate():
    item = Item("e4", 0.0, "a card", "", "", "card", 0.5, (), "m1", True, decision=CONFIRM, in_scope=0.75)
    tally = OverviewTally("m1")
    count_item(tally, item, False)
    assert (tally.answers, tally.drawn, tally.sums) == (0, {}, [0.0] * 3) and tally.profile["role"] == {"none": 1}
    count_item(tally, item)
    count_item(tally, item, True)
    assert tally.answers == 2 and tally.drawn == {"e4": LoggedAnswer("card", 0.5, 0.75, CONFIRM)}
    assert tally.sums == pytest.approx([1.25, 0.75, 1.5]) and tally.profile["role"] == {"none": 3}
    count_item(tally, Item("e1", 0.0, "a card", "", "", "card", 0.5, (), "m1", False))
    assert list(tally.drawn) == ["e4"] and tally.answers == 3


def turn(number, about, text):
    """A message in a conversation."""
    body = asked(number).body | {"act": {"text": text}}
    return Event("turn", about, body, number=number)


def test_conversations_and_hand_overs_are_counted_once_each():
    events = [Event("opened", "c1", {"role": "", "location": ""}), turn(1, "c1", "a card"), turn(2, "c2", "a bill"),
              Event("handoff.initiate", "c3", {}), Event("handoff.initiate", "c3", {}), asked(3), Event("feedback", "r3", {}),
              Event("opened", "c4", {"role": "", "location": ""})]
    tally = tally_of(events, "m1")
    assert tally.talks == {"c1", "c2", "c3", "c4"} and tally.handed == {"c3"} and tally.answers == 3


def test_only_answers_of_the_model_count_and_of_a_text_that_comes_again_the_first():
    """Label events are kept in order. What a source sends beyond its share counts in the profile alone."""
    events = [asked(4, "a card"), asked(5, "A card!"), asked(1, "a bill"), asked(2, "a bill"), asked(7, "a taxi", model="m2"),
              asked(8, "more", kind="asked.more"), label(4, "card"), label(2, "bill"), Event("label.undone", "e2", {}, "p1")]
    tally = tally_of(events, "m1")
    assert tally.answers == 2 and list(tally.drawn) == ["e4"] and tally.same == {"e5": "e4"}
    assert tally.profile["predicted intent"] == {"card": 3} and [event.kind for event in tally.labels] == [
        "label", "label", "label.undone"]
    other = tally_of(events, "m2")
    assert list(other.drawn) == ["e7"] and other.answers == 1


def test_the_audit_has_drawn_answers_with_a_settled_label_in_the_order_of_their_first():
    events = [*(asked(number, confidence=number / 100) for number in (*DRAWN, *PLAIN)), label(8, "bill"), label(4, "card"),
              label(8, "card", "p2"), label(8, "bill", "p3"), label(7, "card"), label(7, "bill", "p2"), label(1, "card"),
              label(11, "card", chat=True), label(12, "card"), Event("label.undone", "e12", {}, "p1"), label(999, "card")]
    assert audited(tally_of(events, "m1")) == [(LoggedAnswer("card", 0.08), "bill"), (LoggedAnswer("card", 0.04), "card")]


def test_a_label_of_a_text_that_came_again_is_about_its_first_answer():
    events = [asked(4, "a card", confidence=0.25), asked(1, "a card", confidence=0.75), label(1, "bill")]
    assert audited(tally_of(events, "m1")) == [(LoggedAnswer("card", 0.25), "bill")]


def test_quality_is_told_by_test_by_labels_and_by_labels_in_scope_alone():
    said = [label(4, "card"), label(7, "bill"), label(8, "card"), label(11, "oos")]
    tally = tally_of([*(asked(number) for number in (*DRAWN, *PLAIN)), *said], "m1")
    test = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50, "metric": "accuracy"}
    found = quality_of(tally, test, "oos")
    assert found["test"] == {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50, "population": "in scope"}
    low, high = wilson(2, 3)
    assert found["audit"] == {"value": 2 / 3, "low": low, "high": high, "n": 3, "population": "in scope"}
    assert (found["in_scope"]["n"], found["all_messages"]["n"]) == (3, 4)
    assert found["all_messages"]["value"] == 0.5 and found["in_scope"]["value"] == pytest.approx(2 / 3)
    assert quality_of(tally, None, "oos")["test"] is None and list(found) == ["test", "in_scope", "all_messages", "audit"]


def test_of_a_single_answer_its_label_says_all():
    found = quality_of(tally_of([asked(4, confidence=0.75), label(4, "card")], "m1"), None, "oos")
    assert found["all_messages"]["value"] == found["in_scope"]["value"] == found["audit"]["value"] == 1.0
    outside = quality_of(tally_of([asked(4), label(4, "nothing of ours")], "m1"), None, "nothing of ours")
    assert outside["audit"] is outside["in_scope"] is None and outside["all_messages"]["value"] == 0.0
    nothing = quality_of(OverviewTally("m1"), None, "oos")
    assert nothing == dict.fromkeys(("test", "in_scope", "all_messages", "audit"))


def test_too_many_are_those_whose_share_is_surely_above_the_limit():
    low = wilson(50, 100)[0]
    assert 0.3 < low < 0.5 and too_many("c", "of it", 50, 100, low) == [] and too_many("c", "of it", 0, 0, -1.0) == []
    assert too_many("c", "of it", 50, 100, low - 0.001)[0].words == "50% of it (50 of 100; the limit is 40%)"
    assert too_many("c", "of it", 1500, 2000, 0.5)[0].words == "75% of it (1,500 of 2,000; the limit is 50%)"
    assert too_many("c", "of it", 45, 100, 0.5) == []


def test_an_overview_compares_each_feature_of_the_profile_with_the_limit_of_the_settings():
    events = [asked(number, "one two three four five", intent="bill") for number in range(1, 201)]
    events = [Event(event.kind, event.about, event.body | {"text": f"one two three four {event.number}"}, number=event.number)
              for event in events]
    told = {"profile": {"length": {"4 to 7": 500}, "predicted intent": {"card": 500}, "mood": {"good": 500}}, "test": None}
    found = overview(events, "m1", told)
    assert [(drift["name"], drift["alarm"]) for drift in found["drift"]] == [
        ("length", False), ("predicted intent", True), ("mood", False)]
    assert found["alerts"] == ["predicted intent has drifted: bill 0% → 100%, card 100% → 0%"] and found["model"] == "m1"
    fields = found["alert_facts"][0]["fields"]  # the same, for pages in other languages
    assert fields["name"] == "predicted intent" and fields["moved"][0] == {"value": "bill", "before": 0.0, "now": 1.0}
    assert found["drift"][2] == {"name": "mood", "value": 0.0, "limit": 0.1, "alarm": False, "worst": (), "moved": ()}
    quiet = overview(events, "m1", told, rules=Monitor(drift=50.0))
    assert quiet["alerts"] == [] and quiet["drift"][2]["limit"] == 50.0
    assert found["days"] == days_of(tally_of(events, "m1"))
    assert sorted(found) == ["alert_facts", "alerts", "days", "drift", "labels", "model", "quality"]


def test_an_overview_says_what_labels_thumbs_and_hand_overs_show():
    numbers = [number for number in range(1, 400) if is_drawn(f"e{number}")]
    events = [*(asked(number) for number in numbers), *(label(number, "bill") for number in numbers[:60])]
    test = {"value": 0.9, "low": 0.88, "high": 0.92, "n": 500}
    alert, = overview(events, "m1", {"profile": {}, "test": test})["alerts"]
    assert alert.startswith("the audit says 0% are right in scope (at most ") and alert.endswith("%), the test 90%")
    assert overview(events, "m1", {"profile": {}, "test": test}, rules=Monitor(drop=0.99))["alerts"] == []
    thumbs = [Event("feedback", f"r{number}", {"useful": number > 30}) for number in range(1, 41)]
    assert overview(thumbs, "m1", NO_PROFILE)["alerts"] == ["75% of the thumbs point down (30 of 40; the limit is 30%)"]
    talks = [Event("handoff.initiate" if number <= 30 else "opened", f"c{number}", {"role": "", "location": ""})
             for number in range(1, 41)]
    assert overview(talks, "m1", NO_PROFILE)["alerts"] == [
        "75% of the conversations are handed over (30 of 40; the limit is 40%)"]
    assert overview(talks, "m1", NO_PROFILE, rules=Monitor(handoffs=0.9))["alerts"] == []


def test_what_is_out_of_scope_is_named_oos_unless_told_otherwise():
    events = [asked(4), label(4, "oos")]
    assert overview(events, "m1", NO_PROFILE)["quality"]["audit"] is None
    assert overview(events, "m1", NO_PROFILE, "nothing of ours")["quality"]["audit"]["n"] == 1


def both(number, champion, canary, at=10.0, models=("m1", "m2")):
    """A message that both models have answered."""
    return asked(number, intent=champion, at=at, model=models[0], other={"model": models[1], "intent": canary})


def test_a_trial_counts_the_messages_that_only_one_of_both_got_right():
    """Seven are about it: two for the champion, one of them answered by the canary, one for the canary, and four for none."""
    events = [both(1, "card", "bill"), both(2, "bill", "card", models=("m2", "m1")), both(3, "bill", "card"),
              both(4, "card", "card"), both(5, "bill", "bill"), both(6, "bill", "taxi"), both(7, "card", "bill"),
              *(label(number, "card") for number in (1, 2, 3, 4, 5, 6, 99))]
    found = trial_of(events, "m1", "m2", 10.0)
    assert found == CanaryTrial(2, 1, pytest.approx(11 / 12))
    assert trial_of(events, "m2", "m1", 10.0) == CanaryTrial(1, 2, pytest.approx(5 / 12))
    assert trial_of([], "m1", "m2", 0.0) == CanaryTrial(0, 0, 1.0)


def test_what_came_before_a_trial_or_from_another_pair_of_models_is_no_part_of_it():
    events = [both(1, "card", "bill", at=9.0), both(2, "card", "bill", models=("m1", "m3")),
              both(3, "card", "bill", models=("m3", "m2")), asked(5, at=10.0), both(6, "card", "bill"),
              *(label(number, "card") for number in (1, 2, 3, 5, 6))]
    assert trial_of(events, "m1", "m2", 10.0) == CanaryTrial(1, 0, pytest.approx(1.5))
    assert trial_of(events, "m1", "m2", 10.1) == CanaryTrial(0, 0, 1.0)


def test_a_draw_of_labels_is_no_truth_even_where_a_model_has_said_nothing():
    event = asked(1, at=10.0, other={"model": "m2"})
    assert trial_of([event, label(1, "card"), label(1, "bill", "p2")], "m1", "m2", 0.0) == CanaryTrial(0, 0, 1.0)
    assert trial_of([event, label(1, "card")], "m1", "m2", 0.0).champion_only == 1
