"""The abilities of the bot as a table, a row each: what was open, what a person says, what comes of it."""

from dataclasses import replace

import pytest

from mlbot.bot.catalogue import Process, Slot
from mlbot.bot.frames import BOT, QUEUE, Act, BotRules, Heard, Pending, State
from mlbot.bot.policy import respond, texts_for_model
from mlbot.bot.requests import Request
from mlbot.bot.translations import Translation

PROCESSES = {
    "leave": Process("leave", "Annual leave", slots=("first_day", "last_day"),
                     slot=(Slot("first_day", "date"), Slot("last_day", "date", after="first_day")), cancel=True),
    "card": Process("card", "Company card", queue="finance", slots=("limit", "reason"), confirm=True,
                    slot=(Slot("limit", "number", least=1),)),
    "badge": Process("badge", "Badge", slots=("site",)), "sick": Process("sick", "Sick leave"),
    "room": Process("room", "Meeting room", slots=("size",), slot=(Slot("size", "choice", options=("Small", "Large")),)),
    "fire": Process("fire", "Dismissal", roles=("manager",)),
    "hours": Process("hours", "Opening hours", answer="From 9 to 5.")}
GERMAN = {"de": {"leave": Translation("Urlaub", names={"first_day": "erster Tag"}, questions={"first_day": "Ab wann?"})}}
MADE = (Request("p1", "leave", "Annual leave", state="accepted"),)
RULES = BotRules(PROCESSES, "sales", "Berlin", translations=GERMAN, requests=lambda: MADE)
FIRST = Pending("slot", "leave", ("first_day",))
LAST = Pending("slot", "leave", ("last_day",), {"first_day": "2026-03-02"})
LIMIT, REASON = Pending("slot", "card", ("limit",)), Pending("slot", "card", ("reason",), {"limit": 500})
START = Pending("confirm", "card", ("start",), {"limit": 500, "reason": "travel"})
MEANT, CHOICE = Pending("confirm", "leave", ("meant",)), Pending("choose", options=("leave", "card"))
SITE, SIZE = Pending("slot", "badge", ("site",)), Pending("slot", "room", ("size",))
NONE = Heard("out_of_scope", ())


def heard(*intents, decision="execute"):
    """What the model makes of a text."""
    return Heard(decision, intents)


@pytest.mark.parametrize("ability, pending, text, model, waits, starts, says", [
    ("greeting", None, "good morning", NONE, None, "", "Hello"),
    ("greeting in between", LIMIT, "hello", NONE, LIMIT, "", "limit?"),
    ("thanks", None, "thank you so much", NONE, None, "", "welcome"),
    ("thanks and no", None, "no thanks", NONE, None, "", "All right"),
    ("goodbye", LIMIT, "bye", NONE, LIMIT, "", "Goodbye"),
    ("how are you", None, "how are you doing?", NONE, None, "", "program"),
    ("chat", None, "tell me a joke", NONE, None, "", "company's processes"),
    ("who are you", FIRST, "are you a bot?", NONE, FIRST, "", "not a person"),
    ("privacy", FIRST, "who can read this?", NONE, FIRST, "", "pseudonym"),
    ("help", LIMIT, "what else can you do?", NONE, LIMIT, "", "Annual leave"),
    ("repeat", FIRST, "sorry, what was the question?", NONE, FIRST, "", "first day?"),
    ("wait", FIRST, "one moment please", NONE, FIRST, "", "Just write"),
    ("cancel", FIRST, "forget it", NONE, None, "", "stopped"),
    ("cancel with a reason", FIRST, "forget it, it works now", NONE, None, "", "stopped"),
    ("cancel nothing", None, "never mind", NONE, None, "", "nothing"),
    ("start over", LAST, "let's start over", NONE, FIRST, "", "first day?"),
    ("undo a value", LAST, "go back one step", NONE, FIRST, "", "removed first day"),
    ("undo a request", None, "please undo that", NONE, Pending("confirm", "leave", ("cancel", "p1")), "", "Shall I cancel"),
    ("list requests", None, "which of my requests are still open?", NONE, None, "", "accepted, not done yet"),
    ("frustration", LIMIT, "you are useless", NONE, LIMIT, "", "sorry"),
    ("silence", FIRST, "....", NONE, FIRST, "", "Please answer"),
    ("nonsense", None, "....", NONE, None, "", "did not understand"),
    ("unknown value", LIMIT, "I have no idea", NONE, LIMIT, "", "person"),
    ("question about the value", LIMIT, "what is a limit?", NONE, LIMIT, "", "I need limit"),
    ("yes in other words", START, "sounds good, do it", NONE, None, "card", "I start"),
    ("yes and thanks", START, "yes that's correct, thank you", NONE, None, "card", "I start"),
    ("no in other words", START, "hmm, better not", NONE, None, "", "stopped"),
    ("yes but", START, "yes but another one", NONE, START, "", "Shall I start"),
    ("a yes is no value", FIRST, "yes", NONE, FIRST, "", "does not fit"),
    ("no, and what it is", MEANT, "no, my badge is lost", heard("badge"), SITE, "", "site?"),
    ("none of these, with words", CHOICE, "none of these, I lost my badge", heard("badge"), SITE, "", "site?"),
    ("choice by number", CHOICE, "the second one", NONE, LIMIT, "", "limit?"),
    ("choice by title", CHOICE, "the company card please", NONE, LIMIT, "", "limit?"),
    ("value in a sentence", SITE, "it's the London office", NONE, None, "badge", "London"),
    ("two values at once", FIRST, "2026-03-02 to 2026-03-06", NONE, None, "leave", "I start"),
    ("values of different kinds", LIMIT, "500, travel", NONE, START, "", "Shall I start"),
    ("correction by a phrase", REASON, "no wait, 700", NONE, replace(REASON, slots={"limit": 700}), "", "changed"),
    ("correction by its name", REASON, "the limit is 700", NONE, replace(REASON, slots={"limit": 700}), "", "limit: 700"),
    ("correction before the start", START, "no wait, make the limit 700", NONE,
     replace(START, slots={"limit": 700, "reason": "travel"}), "", "Shall I start"),
    ("last before first", LAST, "2026-02-27", NONE, LAST, "", "cannot be before"),
    ("interruption", SITE, "my laptop went black", heard("sick"),
     replace(SITE, text="my laptop went black"), "sick", "Back to"),
    ("interruption of a typed slot", LIMIT, "I feel ill today", heard("sick"),
     replace(LIMIT, text="I feel ill today"), "sick", "Back to"),
    ("a sentence of the same process", REASON, "I need it for my trips", heard("card"),
     replace(START, slots={"limit": 500, "reason": "I need it for my trips"}), "", "Shall I start"),
    ("value or new", SITE, "my chair is wobbly", heard("sick", "card", decision="clarify"),
     Pending("confirm", "badge", ("value", "site"), {}, (), "my chair is wobbly"), "", "something new"),
    ("a wish in the form of a value", SITE, "new company credit card", heard("card"),
     Pending("confirm", "badge", ("value", "site"), {}, (), "new company credit card"), "", "something new"),
    ("a value that is like a wish", SITE, "near the card office", heard("card", decision="confirm"),
     None, "badge", "I start"),
    ("change of mind", FIRST, "actually no, I am ill at home", heard("sick"), None, "sick", "I start"),
    ("a question starts nothing", None, "how many sick days are there?", heard("sick"),
     Pending("confirm", "sick", ("meant",)), "", "Is it about"),
    ("a question that has an answer", None, "when are you open?", heard("hours"), None, "", "From 9 to 5"),
    ("forbidden", None, "I want to dismiss somebody", heard("fire"), None, "", "not open to your role"),
    ("not sure", None, "the thing with the stuff", heard("card", decision="handoff"), Pending(
        "choose", options=("card",)), "", "not sure"),
    ("German", None, "ich möchte gerne Urlaub nehmen", heard("leave"), FIRST, "", "Ab wann?"),
    ("a wish for a language", None, "auf Deutsch bitte", NONE, None, "", "auf Deutsch"),
    ("a courtesy around a wish", None, "Hello! I lost my badge. Thank you!", heard("badge"), SITE, "", "site?"),
])
def test_an_ability(ability, pending, text, model, waits, starts, says):
    step = respond(State(pending=pending), Act(text), model, RULES)
    assert step.state.owner == BOT and step.starts == starts and says in " ".join(step.says), step.says
    assert step.state.pending == waits


@pytest.mark.parametrize("text", ["a person please", "put me through to a colleague", "ich will mit jemandem sprechen",
                                  "je veux parler à quelqu'un", "quiero hablar con alguien"])
@pytest.mark.parametrize("pending", [None, FIRST, REASON, START, CHOICE, MEANT])
def test_a_person_is_called_in_every_state_and_language(pending, text):
    assert respond(State(pending=pending), Act(text), NONE, RULES).state.owner == QUEUE


def test_two_wishes_are_done_one_after_the_other_and_the_second_is_asked_about():
    text = "I am ill today and my badge does not open the gate"
    assert texts_for_model(State(), Act(text), RULES) == (text, "I am ill today", "my badge does not open the gate")
    parts = (Heard("execute", ("sick",), "I am ill today"), Heard("confirm", ("badge",), "my badge does not open the gate"))
    step = respond(State(), Act(text), Heard("clarify", ("sick",), text, parts), RULES)
    assert step.starts == "sick" and step.state.pending.kind == "confirm" and step.state.pending.intent == "badge"
    assert "my badge does not open the gate" in step.says[-1]
    then = respond(step.state, Act("yes"), None, RULES)
    assert then.state.pending == replace(SITE) and not then.state.wishes


def test_what_was_put_aside_comes_back_after_a_stop_and_never_more_than_three():
    state = State(pending=SITE)
    for intent, text in (("card", "I need a company card"), ("leave", "I want to take leave"), ("room", "I need a big room")):
        state = respond(state, Act(text), heard(intent), RULES).state
    assert [frame.intent for frame in state.parked] == ["leave", "card", "badge"] and state.pending.intent == "room"
    step = respond(state, Act("cancel"), None, RULES)
    assert step.state.pending.intent == "leave" and [frame.intent for frame in step.state.parked] == ["card", "badge"]
    assert "Back to “Annual leave”." in step.says


def test_the_same_words_said_once_more_are_the_value():
    step = respond(State(pending=SITE), Act("my laptop went black"), heard("card"), RULES)
    back = respond(step.state, Act("cancel"), None, RULES)
    again = respond(back.state, Act("my laptop went black"), heard("card"), RULES)
    assert step.state.pending.intent == "card" and again.starts == "badge" and again.state.pending is None


def test_a_wish_for_what_was_put_aside_goes_on_with_it_and_is_not_open_twice():
    aside = State(pending=SITE, parked=(LIMIT,))
    step = respond(aside, Act("I need my company card now"), heard("card"), RULES)
    assert step.state.pending.intent == "card" and [frame.intent for frame in step.state.parked] == ["badge"]


def test_a_request_is_taken_back_after_a_yes_and_only_where_its_process_allows():
    asked = respond(State(), Act("undo that"), None, RULES).state
    step = respond(asked, Act("yes"), None, RULES)
    assert step.cancels == "p1" and step.state.pending is None and not step.starts
    assert not respond(asked, Act("no"), None, RULES).cancels
    fixed = replace(RULES, requests=lambda: (Request("p2", "badge", "Badge", state="accepted"),))
    step = respond(State(), Act("undo that"), None, fixed)
    assert not step.cancels and step.state.pending is None and any(button.act == "person" for button in step.buttons)


def test_the_answer_to_value_or_new_decides_by_button_and_by_word():
    asked = State(pending=Pending("confirm", "badge", ("value", "site"), {}, (), "my chair is wobbly"))
    for act in (Act(confirm=True), Act("yes")):
        assert respond(asked, act, None, RULES).slots["site"].endswith("chair is wobbly")
    for act in (Act(confirm=False), Act("no")):
        assert texts_for_model(asked, act, RULES) == ("my chair is wobbly",)
        step = respond(asked, act, heard("sick"), RULES)
        assert step.starts == "sick" and step.state.pending == replace(SITE, text="my chair is wobbly")


def test_a_guessed_value_is_read_back_before_a_start_and_asked_again_after_a_no():
    room = BotRules({"go": Process("go", "Go", slots=("day",), slot=(Slot("day", "date"),))})
    step = respond(State(), Act("next tuesday I want to go"), heard("go"), room)
    assert not step.starts and step.state.pending.options == ("right",) and step.state.pending.guessed == ("day",)
    assert respond(step.state, Act("yes"), None, room).starts == "go"
    again = respond(step.state, Act("no"), None, room)
    assert again.state.pending == Pending("slot", "go", ("day",)) and not again.starts
