"""The small manners of the bot: who asks for a person, what a button does, what is remembered and for how long."""

from dataclasses import replace

import pytest

from mlbot.bot.asking import call_person
from mlbot.bot.catalogue import Process, Slot
from mlbot.bot.frames import AGENT, BOT, CLOSED, QUEUE, Act, BotRules, Button, Heard, Pending, State, Step, state_from
from mlbot.bot.manners import begs_person, wants_person
from mlbot.bot.policy import listens, respond
from mlbot.bot.small_talk import act_of
from mlbot.bot.texts import texts

SAYS = texts("en")["says"]
HELP = Button("person", True, "A person, please")
TEAM = Slot("team", "choice", options=("Operator", "Sales"))
RULES = BotRules({"leave": Process("leave", "Annual leave"),
               "card": Process("card", "Company card", queue="finance", slots=("limit",), confirm=True),
               "fire": Process("fire", "Dismissal", roles=("manager",)),
               "move": Process("move", "Moving backend", slots=("team", "day"),
                               slot=(TEAM, Slot("day", "date")), queue="crew")}, "sales", "de")
MEANT = State(pending=Pending("confirm", "leave", ("meant",)))
START = State(pending=Pending("confirm", "card", ("start",), {"limit": "5"}))
CHOICE = State(pending=Pending("choose", options=("leave", "card")))


def test_owners_are_the_words_that_stored_conversations_hold():
    """A conversation of last year reads back, so these words do not change, and what it does not say is empty."""
    assert (BOT, QUEUE, AGENT, CLOSED) == ("bot", "queue", "agent", "closed")
    assert State().as_dict() == {"owner": "bot", "agent": "", "queue": "", "reason": "", "since": 0.0, "pending": None,
                                 "denied": 0, "label": "", "parked": (), "wishes": (), "language": "", "wished": False,
                                 "assigned": "", "doubts": (), "refused": ()}
    assert state_from({}) == State() and Pending("choose") == Pending("choose", "", (), {})
    stored = State("queue", "Ann", "crew", "why", 12.5, Pending("slot", "card", ("limit",), {"a": 1}), 1, "leave")
    assert state_from(stored.as_dict()) == stored


@pytest.mark.parametrize("text, asks", [
    ("one two three four five six seven eight a person", True),  # ten words
    ("one two three four five six seven eight nine a person", False),
    ("Agent!", True), (" person. ", True), ("people?", True), ("agents", False), ("the person", False), ("operator", True)])
def test_a_short_text_with_the_word_for_a_person_asks_for_one_and_a_long_one_tells_of_one(text, asks):
    assert wants_person(text) == asks


@pytest.mark.parametrize("text, begs", [
    ("I want to talk to an agent", True), ("person please", False), ("person", True), ("people", True), ("agent", True),
    ("give me a person right away", False), ("get me a real person now", True), ("I need a human being", False),
    ("a person for the people", False), ("real person people", True), ("a person, person", True)])
def test_a_text_that_says_more_than_that_a_person_is_wanted_is_the_value_of_a_slot(text, begs):
    assert begs_person(text) == begs


def test_every_word_of_asking_for_a_person_may_stand_in_it():
    from mlbot.bot.manners import _BEGGING
    assert begs_person("a human") and begs_person(" ".join(sorted(_BEGGING)[:8]) + " a human")


@pytest.mark.parametrize("text, act", [
    ("yes", "yes"), ("Yes, please!", None), ("ok go ahead", "yes"), ("yes but another one", None), ("", None), ("...", None),
    ("nope", "no"), ("absolutely not", None), ("Abbrechen!", "cancel"), ("12", None), ("my card was refused", None)])
def test_a_yes_or_a_no_is_one_only_where_it_says_nothing_else(text, act):
    found = act_of(text)
    assert (found.act if found else None) == act or text == "Yes, please!" and found.act == "yes"


def test_a_handover_goes_to_the_queue_of_the_process_or_to_the_help_desk():
    assert call_person(State(), "why", RULES) == Step(
        State(QUEUE, queue="help desk", reason="why"), (SAYS["handoff"].format(queue="Help desk"),))
    assert call_person(State(), "why", RULES, "card").state.queue == "finance"
    assert call_person(State(), "why", BotRules({"": Process("", "x", queue="odd")}), "unheard").state.queue == "help desk"
    asked = respond(State(), Act(person=True), None, RULES)
    assert asked.state == State(QUEUE, queue="help desk", reason="asked for a person")
    assert respond(State(denied=1), Act("x"), Heard("handoff", ()), RULES).state.reason == "the bot is not sure"


def test_the_bot_errs_once_and_the_second_time_in_a_row_a_person_comes():
    """Denied or out of scope, in any order; each reason says which of them it was."""
    first = respond(MEANT, Act(confirm=False), None, RULES)
    assert first == Step(State(denied=1, refused=("leave",)), (SAYS["denied"],), (HELP,))
    again = respond(replace(MEANT, denied=1), Act(confirm=False), None, RULES)
    assert again.state == State(QUEUE, queue="help desk", reason="misunderstood twice")
    outside = respond(State(), Act("x"), Heard("out_of_scope", ()), RULES)
    assert outside == Step(State(denied=1), (SAYS["out_of_scope"],), (HELP,), wish=True)
    twice = respond(outside.state, Act("x"), Heard("out_of_scope", ()), RULES)
    assert twice.state == State(QUEUE, queue="help desk", reason="nothing the bot can do, twice")


UNSURE = Heard("out_of_scope", ("card",), ranking=(("card", 0.2), ("leave", 0.1), ("move", 0.01)))


def test_the_second_time_the_bot_offers_what_both_wordings_may_mean_and_the_third_time_a_person_comes():
    """A hand-over is the last resort: two vague wordings together may say enough. What was denied is not offered again."""
    once = respond(State(), Act("x"), UNSURE, RULES).state
    twice = respond(once, Act("still vague words"), UNSURE, RULES)
    assert twice.says == (SAYS["unsure"],) and twice.state.pending.options == ("card", "leave") and twice.state.denied == 2
    assert respond(twice.state, Act(choose="leave"), None, RULES).starts == "leave"
    none = respond(twice.state, Act(choose=""), None, RULES)
    assert none.says == (SAYS["denied"],) and none.state.denied == 2 and none.state.refused == ("card", "leave")
    assert respond(none.state, Act("third vague words"), UNSURE, RULES).state.owner == QUEUE
    fine = respond(none.state, Act("third vague words"), Heard("execute", ("leave",)), RULES)
    assert fine.starts == "leave" and fine.state == State()  # what was not understood before is forgotten
    denied = respond(replace(MEANT, doubts=(("leave", 0.9), ("card", 0.2))), Act(confirm=False), None, RULES).state
    again = respond(denied, Act("other vague words"), Heard("confirm", ("leave", "card")), RULES)
    assert again.state.pending.options == ("card",)  # and not "is it about annual leave?" once more


def test_each_question_has_the_buttons_that_answer_it():
    """Yes is yes, no is no, starting says so, a choice offers none of them, and a person is under each."""
    yes, no = Button("confirm", True, "Yes"), Button("confirm", False, "No")
    meant = respond(State(), Act("x"), Heard("confirm", ("leave",)), RULES)
    assert meant.buttons == (yes, no, HELP) and replace(meant.state, doubts=()) == MEANT
    start = respond(State(pending=Pending("slot", "card", ("limit",))), Act("5"), None, RULES)
    assert start.buttons == (Button("confirm", True, "Yes, start it"), no, HELP) and start.state == START
    choice = respond(State(), Act("x"), Heard("clarify", ("leave", "card")), RULES)
    assert choice.buttons == (Button("choose", "leave", "Annual leave"), Button("choose", "card", "Company card"),
                              Button("choose", "", "None of these"), HELP)
    assert choice.state.pending.options == CHOICE.pending.options
    team = respond(State(), Act("x"), Heard("execute", ("move",)), RULES)
    assert team.buttons == (Button("choose", "Operator", "Operator"), Button("choose", "Sales", "Sales"), HELP)
    assert respond(State(), Act("x"), Heard("execute", ("fire",)), RULES) == Step(
        State(), (SAYS["forbidden"].format(title="Dismissal"),), (HELP,), wish=True)


def test_a_button_of_an_earlier_message_repeats_the_question_that_is_open():
    for state, buttons in ((MEANT, ("Yes", "No")), (START, ("Yes, start it", "No"))):
        step = respond(state, Act(choose="leave"), None, RULES)
        assert step.says[0] == SAYS["chosen"] and len(step.says) == 2
        assert tuple(button.label for button in step.buttons[:2]) == buttons
        assert step.state == state and step.buttons[2] == HELP
    assert respond(CHOICE, Act(confirm=True), None, RULES).state == CHOICE
    foreign = respond(CHOICE, Act(choose="fire"), None, RULES)
    assert foreign.says == (SAYS["clarify"],) and foreign.state == CHOICE
    assert respond(State(), Act(confirm=True), None, RULES) == Step(State(), (SAYS["hello"].format(name=""),), (HELP,))
    asked = respond(State(), Act("x"), Heard("execute", ("move",)), RULES)
    other = respond(asked.state, Act(confirm=True), None, RULES)
    assert other == Step(asked.state, (SAYS["chosen"], *asked.says), asked.buttons)


def test_what_is_risky_is_never_started_without_a_yes_of_its_own():
    """Neither a wish that is clear, nor a choice, nor "yes, that is what I meant", nor the last slot starts it."""
    ready = BotRules({"card": Process("card", "Company card", confirm=True)})
    for state, act, heard in ((State(), Act("x"), Heard("execute", ("card", "leave"))),
                              (State(pending=Pending("choose", options=("card",))), Act(choose="card"), None),
                              (State(pending=Pending("confirm", "card", ("meant",))), Act(confirm=True), None)):
        step = respond(state, act, heard, ready)
        assert not step.starts and step.says == (SAYS["start"].format(title="Company card", slots=""),)
        assert step.state == State(pending=Pending("confirm", "card", ("start",)))
        assert respond(step.state, Act("yes"), None, ready).starts == "card"
    assert respond(START, Act(confirm=True), None, RULES) == Step(
        State(), (SAYS["started"].format(title="Company card", slots=" (limit: 5)"),), starts="card", slots={"limit": "5"})
    assert respond(START, Act("no"), None, RULES) == Step(State(), (SAYS["stopped"],))
    before = State(pending=Pending("slot", "card", ("limit",)), denied=2)
    assert respond(before, Act("7"), None, RULES).state.denied == 0  # what did not fit before is forgiven


def test_the_best_intent_is_the_first_one_and_a_text_that_is_no_answer_is_a_new_wish():
    assert respond(State(), Act("x"), Heard("execute", ("leave", "card")), RULES).starts == "leave"
    assert respond(State(), Act("x"), Heard("confirm", ("leave", "card")), RULES).state.pending.intent == "leave"
    assert respond(MEANT, Act("x"), Heard("execute", ("leave",)), RULES).starts == "leave"
    empty = respond(State(), Act("x"), Heard("handoff", ()), RULES)
    assert empty.says == (SAYS["unclear"],) and empty.state == State(denied=1)
    again = respond(empty.state, Act("x"), Heard("handoff", ()), RULES)
    assert again.state == State(QUEUE, queue="help desk", reason="the bot is not sure")
    assert respond(MEANT, Act(choose="card"), None, RULES).state == MEANT
    for state in (MEANT, START, CHOICE, State()):
        assert listens(state, Act("another wish"), RULES) and not listens(state, Act(""), RULES)
    assert respond(CHOICE, Act("no"), None, RULES).says == (SAYS["denied"],)
    assert respond(CHOICE, Act("yes"), Heard("execute", ("leave",)), RULES).starts == "leave"  # which one? a new wish


def test_a_slot_takes_an_option_by_text_or_button_and_other_slots_by_text_only():
    asked = respond(State(), Act("x"), Heard("execute", ("move",)), RULES).state
    by_text, by_button = (respond(asked, act, None, RULES) for act in (Act("sales"), Act(choose="Sales")))
    assert by_text == by_button and by_text.state.pending == Pending("slot", "move", ("day",), {"team": "Sales"})
    assert by_text.says == (SAYS["slot"].format(title="Moving backend", slot="day"),)
    pressed = respond(by_text.state, Act(choose="2026-04-03"), None, RULES)
    assert pressed.says[0] == SAYS["chosen"] and pressed.state == by_text.state
    assert respond(by_text.state, Act("2026-04-03"), None, RULES).slots == {"team": "Sales", "day": "2026-04-03"}


def test_stop_ends_a_question_unless_it_is_an_option():
    stops = BotRules({"go": Process("go", "Go", slots=("how", "what"),
                                 slot=(Slot("how", "choice", options=("Stop", "Go")), Slot("what")))})
    how = respond(State(), Act("x"), Heard("execute", ("go",)), stops).state
    what = respond(how, Act("stop"), None, stops).state
    assert what.pending.slots == {"how": "Stop"}
    assert respond(what, Act("cancel"), None, stops) == Step(State(), (SAYS["stopped"],))
    assert respond(how, Act("cancel"), None, stops) == Step(State(), (SAYS["stopped"],))


def test_a_person_is_offered_after_as_many_misses_as_the_rules_say_and_not_called_before():
    """Three, where nothing else is said; a yes before the offer is one more value that does not fit."""
    step = respond(State(), Act("x"), Heard("execute", ("move",)), RULES)
    for misses in (1, 2, 3):
        step = respond(step.state, Act("yes"), None, RULES)
        assert step.state.owner == BOT and step.state.denied == misses and step.buttons[-1] == HELP
        assert step.says[0].endswith(" " + SAYS["help_person"]) == (misses == 3)
    called = respond(step.state, Act("yes"), None, RULES)
    assert called.state == State(QUEUE, queue="crew", reason="no value for team")
    assert respond(step.state, Act("perhaps"), None, RULES).state == called.state  # three kinds of help, then a person


def test_a_cry_for_a_person_is_heard_in_every_state_but_not_where_it_is_an_option():
    for state in (State(), MEANT, START, CHOICE):
        assert respond(state, Act("a person please"), Heard("execute", ("leave",)), RULES).state.owner == QUEUE
    team = respond(State(), Act("x"), Heard("execute", ("move",)), RULES).state
    assert respond(team, Act("operator"), None, RULES).state.pending.slots == {"team": "Operator"}
    assert respond(team, Act("a human"), None, RULES).state == State(QUEUE, queue="crew", reason="asked for a person")
    assert respond(team, Act(person=True), None, RULES).state.queue == "crew"
    free = BotRules({"go": Process("go", "Go", slots=("what",))})
    what = respond(State(), Act("x"), Heard("execute", ("go",)), free).state
    assert respond(what, Act("human error"), None, free).slots == {"what": "human error"}
    assert not listens(what, Act("a human"), free) and respond(what, Act("a human"), None, free).state.owner == QUEUE


def test_the_defaults_of_the_rules_are_no_role_no_place_and_three_tries():
    assert BotRules({}) == BotRules({}, "", "", 3) and BotRules({}).process("new_card") == Process("new_card", "New card")
    assert Act() == Act(None, None, None, False, None) and Step(State()) == Step(State(), (), (), "", {})
    somewhere = BotRules({"go": Process("go", "Go", locations=("de",))}, location="de")
    assert somewhere.may("go") and not BotRules(somewhere.processes).may("go") and BotRules({}).may("anything")
