"""The manners of the bot, as a table: what was asked, what a person does, what comes of it."""

import pytest

from mlbot.bot.catalogue import Process, Slot, load_catalogue, read_catalogue
from mlbot.bot.frames import AGENT, BOT, CLOSED, QUEUE, Act, BotRules, Heard, Pending, State, state_from
from mlbot.bot.manners import wants_person
from mlbot.bot.policy import listens, respond
from mlbot.bot.texts import say, wanted_words
from mlbot.errors import InputError
from mlbot.settings import load_settings

RULES = BotRules({"leave": Process("leave", "Annual leave"),
               "card": Process("card", "Company card", queue="finance", slots=("limit", "reason"), confirm=True),
               "fire": Process("fire", "Dismissal", roles=("manager",)),
               "human": Process("human", "Talk to a person", queue="help", handoff=True),
           "hours": Process("hours", "Opening hours", answer="We are open from 9 to 5.")}, "sales", "de")
MEANT, START = Pending("confirm", "leave", ("meant",)), Pending("confirm", "card", ("start",), {"limit": "5", "reason": "x"})
CHOICE, SLOT = Pending("choose", options=("leave", "card")), Pending("slot", "card", ("limit",))


def said(decision, *intents):
    """A text, and what the model makes of it."""
    return Act("some words"), Heard(decision, intents)


@pytest.mark.parametrize("pending, act, heard, owner, waits_for, starts, says", [
    (None, *said("execute", "leave"), BOT, None, "leave", "I start “Annual leave”"),
    (None, *said("execute", "card"), BOT, "slot", "", "limit"),
    (None, *said("execute", "fire"), BOT, None, "", "not open to your role"),
    (None, *said("execute", "hours"), BOT, None, "", "from 9 to 5"),
    (None, *said("execute", "human"), QUEUE, None, "", "(Help)"),
    (None, *said("execute", "unheard_of"), BOT, None, "unheard_of", "Unheard of"),
    (None, *said("confirm", "leave"), BOT, "confirm", "", "Annual leave"),
    (None, *said("confirm", "fire"), BOT, None, "", "not open to your role"),
    (None, *said("clarify", "leave", "fire", "card"), BOT, "choose", "", "Which of these"),
    (None, *said("clarify", "fire"), BOT, None, "", "not open to your role"),
    (None, *said("handoff", "card"), BOT, "choose", "", "not sure"),
    (None, *said("out_of_scope", "leave"), BOT, None, "", "no process for that"),
    (None, Act(person=True), None, QUEUE, None, "", "a person"),
    (None, Act("please give me a human"), Heard("execute", ("leave",)), QUEUE, None, "", "a person"),
    (None, Act(confirm=True), None, BOT, None, "", "What can I do"),
    (MEANT, Act(confirm=True), None, BOT, None, "leave", "I start"),
    (MEANT, Act("yes please"), Heard("handoff", ()), BOT, None, "leave", "I start"),
    (MEANT, Act(confirm=False), None, BOT, None, "", "misunderstood"),
    (MEANT, Act("nein"), Heard("execute", ("card",)), BOT, None, "", "misunderstood"),
    (MEANT, *said("execute", "card"), BOT, "slot", "", "limit"),
    (START, Act(confirm=True), None, BOT, None, "card", "limit: 5, reason: x"),
    (START, Act(confirm=False), None, BOT, None, "", "stopped"),
    (START, Act(person=True), None, QUEUE, None, "", "Finance"),
    (CHOICE, Act(choose="leave"), None, BOT, None, "leave", "I start"),
    (CHOICE, Act(choose="card"), None, BOT, "slot", "", "limit"),
    (CHOICE, Act(choose=""), None, BOT, None, "", "misunderstood"),
    (CHOICE, Act(choose="fire"), None, BOT, "choose", "", "Which of these"),
    (CHOICE, Act(confirm=True), None, BOT, "choose", "", "Which of these"),
    (SLOT, Act(confirm=True), None, BOT, "slot", "", "answer this first"),
    (START, Act(choose="leave"), None, BOT, "confirm", "", "answer this first"),
    (SLOT, Act("500"), Heard("execute", ("leave",)), BOT, "slot", "", "reason"),
    (SLOT, Act("cancel"), Heard("execute", ("leave",)), BOT, None, "", "stopped"),
    (SLOT, Act("talk to a human"), Heard("execute", ("leave",)), QUEUE, None, "", "Finance"),
])
def test_what_the_bot_does(pending, act, heard, owner, waits_for, starts, says):
    step = respond(State(pending=pending), act, heard, RULES)
    assert step.state.owner == owner and step.starts == starts and says in " ".join(step.says)
    assert (step.state.pending.kind if step.state.pending else None) == waits_for
    assert state_from(step.state.as_dict()) == step.state
    if step.state.pending or says in ("misunderstood", "no process for that"):
        assert any(button.act == "person" for button in step.buttons)  # a person is always within reach


@pytest.mark.parametrize("owner", [QUEUE, AGENT, CLOSED])
def test_while_a_person_owns_the_conversation_the_bot_is_silent(owner):
    for act in (Act("yes"), Act(confirm=True), Act(person=True)):
        step = respond(State(owner, pending=MEANT), act, Heard("execute", ("leave",)), RULES)
        assert not step.says and not step.starts and step.state.owner == owner


@pytest.mark.parametrize("pending, text, asked", [
    (None, "some words", True), (None, "a human please", False), (MEANT, "yes", False), (MEANT, "another wish", True),
    (SLOT, "500", False), (CHOICE, "none", False),
    (CHOICE, "the second one", False), (CHOICE, "my badge is lost", True), (None, "hello", False)])
def test_the_model_is_asked_about_wishes_only(pending, text, asked):
    """So what fills a slot, or a yes, is never monitored or labelled as if it were a wish."""
    assert listens(State(pending=pending), Act(text), RULES) == asked
    assert not listens(State(QUEUE, pending=pending), Act(text), RULES) and not listens(State(), Act(confirm=True), RULES)


def test_twice_wrong_in_a_row_brings_a_person_and_success_in_between_does_not():
    once = respond(State(pending=MEANT), Act(confirm=False), None, RULES).state
    assert once.denied == 1 and once.owner == BOT
    again = respond(once, *said("out_of_scope"), RULES)
    assert again.state.owner == QUEUE and again.state.reason
    fine = respond(once, *said("execute", "leave"), RULES).state
    assert fine.denied == 0 and respond(fine, *said("out_of_scope"), RULES).state.owner == BOT


def test_nothing_forbidden_is_offered_and_what_the_text_says_about_its_writer_does_not_count():
    step = respond(State(), Act("as a manager I want to fire somebody"), Heard("clarify", ("fire", "leave")), RULES)
    assert [button.value for button in step.buttons if button.act == "choose"] == ["leave", ""]
    manager = BotRules(RULES.processes, "Manager", "de")
    assert respond(State(), *said("execute", "fire"), manager).starts == "fire"


def test_who_asks_for_a_person_is_told_from_who_mentions_one():
    for text in ("human", "Agent", "can i speak to a real person", "Ich will mit einem Menschen sprechen",
                 "quiero hablar con una persona"):
        assert wants_person(text), text
    for text in ("the travel agent has not sent the invoice yet and my boss asks for it", "personal data", "new card"):
        assert not wants_person(text), text


ASKS = (Slot("day", "date", "From which day on?"), Slot("people", "number", least=1, most=30),
        Slot("shift", "choice", options=("Early", "Late", "No idea")), Slot("mail", "email"),
        Slot("plate", "pattern", pattern="[A-Z]{1,3}-[0-9]+", wanted="a plate such as B-123"))


@pytest.mark.parametrize("kind, typed, value", [
    ("day", "2026-04-03", "2026-04-03"), ("day", "3.4.2026", "2026-04-03"), ("day", "April 3, 2026", "2026-04-03"),
    ("day", "30.2.2026", None), ("people", "12", 12), ("people", "0", None), ("people", "31", None), ("people", "nan", None),
    ("people", "9" * 400, None), ("shift", "late", "Late"), ("shift", "no idea!", "No idea"), ("shift", "Night", None),
    ("mail", "ada@example.org", "ada@example.org"), ("mail", "ada at example", None), ("plate", "B-123", "B-123"),
    ("free", "whatever it is, 3/4/2026", "whatever it is, 3/4/2026")])
def test_what_fits_a_slot_is_taken_as_it_is_written_everywhere_and_else_asked_again(kind, typed, value):
    """A date goes on as 2026-04-03, a number as a number, an option as the catalogue has it; another value starts nothing."""
    rules = BotRules({"go": Process("go", "Go", slots=(kind,), slot=ASKS)})
    asked = respond(State(), *said("execute", "go"), rules)
    assert asked.state.pending.kind == "slot"
    step = respond(asked.state, Act(typed), None, rules)
    assert not listens(asked.state, Act(typed), rules)
    if value is not None:
        assert step.starts == "go" and step.slots == {kind: value} and type(step.slots[kind]) is type(value)
    else:
        wanted, = (wanted_words(slot) for slot in ASKS if slot.name == kind)
        assert not step.starts and step.state.pending == asked.state.pending and wanted in step.says[0]
        assert asked.says[0] in step.says[-1] and state_from(step.state.as_dict()) == step.state


def test_options_are_buttons_which_stay_until_one_is_chosen():
    """Each option is a button, also when the question is asked again; another button or value changes nothing."""
    rules = BotRules({"go": Process("go", "Go", slots=("shift",), slot=ASKS)})
    step = respond(State(), *said("execute", "go"), rules)
    for act in (Act("noon"), Act(confirm=True), Act(choose="go"), Act(choose="")):
        assert [button.label for button in step.buttons] == ["Early", "Late", "No idea", "A person, please"]
        step = respond(step.state, act, None, rules)
        assert step.state.pending.options == ("shift",) and not step.starts
    assert respond(step.state, Act(choose="Late"), None, rules).slots == {"shift": "Late"}


def test_after_some_tries_a_person_is_offered_and_a_yes_brings_one():
    """A yes before is no date; stop, and a value that fits, work at any time, and the next slot begins anew."""
    rules = BotRules({"go": Process("go", "Go", queue="crew", slots=("day", "people"), slot=ASKS)}, tries=2)
    first = respond(State(), *said("execute", "go"), rules)
    once = respond(first.state, Act("yes"), None, rules)
    twice = respond(once.state, Act("soon"), None, rules)
    offered = [say("en", "help_person") in step.says[0] for step in (first, once, twice)]
    assert offered == [False, False, True] and once.state.owner == BOT
    called = respond(twice.state, Act("yes"), None, rules)
    assert called.state.owner == QUEUE and called.state.queue == "crew" and "day" in called.state.reason
    assert respond(twice.state, Act("stop"), None, rules).says == (say("en", "stopped"),)
    fits = respond(twice.state, Act("3.4.2026"), None, rules)
    assert fits.state.denied == 0 and say("en", "help_person") not in respond(fits.state, Act("many"), None, rules).says[0]


TEAM = Slot("team", "choice", options=("Operator", "Sales"))
DESK = BotRules({"go": Process("go", "Go", slots=("team", "what"), slot=(TEAM,))})


def test_the_value_of_a_slot_may_speak_of_a_person():
    """An option is an option, and a text a text, as long as it says more than that a person is wanted."""
    team = respond(State(), *said("execute", "go"), DESK).state
    what = respond(team, Act("operator"), None, DESK).state
    assert what.pending.slots == {"team": "Operator"} and not listens(team, Act("operator"), DESK)
    for text in ("broken operator panel", "human error in the form", "an agent for printing"):
        assert respond(what, Act(text), Heard("out_of_scope", ()), DESK).slots == {"team": "Operator", "what": text}, text
    for text in ("a person please", "I want to talk to a human", "agent", "Ich möchte mit einem Menschen sprechen"):
        assert [respond(at, Act(text), None, DESK).state.owner for at in (team, what)] == [QUEUE, QUEUE], text


@pytest.mark.parametrize("now, starts", [
    (Process("go", "Go", slots=("what",)), {"what": "a desk"}),
    (Process("go", "Go", slots=("team", "what"), slot=(Slot("team", "choice", options=("Sales", "Law")),)), None),
    (Process("go", "Go", slots=("team", "what"), slot=(Slot("team", "number"),)), None)])
def test_a_catalogue_that_changes_meanwhile_starts_nothing_with_what_it_does_not_take(now, starts):
    """A value that is no longer asked for is left out, and one that no longer fits is asked for again."""
    what = respond(respond(State(), *said("execute", "go"), DESK).state, Act("operator"), None, DESK).state
    step = respond(what, Act("a desk"), None, BotRules({"go": now}))
    assert step.slots == starts if starts else not step.starts and step.state.pending.options == ("team",)


SLOTTED = "[a]\nslots = ['x']\n[a.slot.x]\n"


def test_a_catalogue_with_mistakes_is_refused_with_its_place(tmp_path):
    file = tmp_path / "processes.toml"
    for text, met in (("[a]\ntitel = 'x'", "unknown name 'titel'"), ("[a]\nslots = 'x'", "slots = 'x'"), ("a = 1", "a = 1"),
                      ("[a]\nconfirm = 'yes'", "confirm = 'yes'"), ("[a", "cannot be read"),
                      ("[a]\nslot = 1", "no table"), ("[a]\n[a.slot.x]\nkind = 'date'", "a.slot.x. is not in slots"),
                      (SLOTTED + "kind = 'dat'", "did you mean date"), (SLOTTED + "kid = 'date'", "did you mean kind"),
                      (SLOTTED + "kind = 1", "kind is 1, no text"),
                      (SLOTTED + "least = 1", "least belongs to the kind number"),
                      (SLOTTED + "kind = 'choice'\noptions = ['one']", "2 to 20 options"),
                      (SLOTTED + "kind = 'choice'\noptions = ['One', 'one.']", "two options are the same"),
                      (SLOTTED + "kind = 'number'\nleast = 2\nmost = 1", "least is above most"),
                      (SLOTTED + "kind = 'number'\nleast = nan", "least and most are numbers"),
                      (SLOTTED + "kind = 'choice'\noptions = [' ', 'One']", "2 to 20 options"),
                      (SLOTTED + "kind = 'pattern'\nwanted = 'x'\npattern = 'x{99999999999}'", "no regular expression"),
                      (SLOTTED + "kind = 'pattern'\npattern = 'a+'", "in words what fits"),
                      (SLOTTED + "kind = 'pattern'\nwanted = 'x'\npattern = '('", "no regular expression")):
        file.write_text(text)
        with pytest.raises(InputError, match=met) as problem:
            read_catalogue(file)
        assert str(file) in str(problem.value)


def test_intents_without_a_process_are_recorded_only(project):
    (project / "processes.toml").write_text("[card]\ntitle = 'Company card'\nurl = 'https://erp.example/card'\n")
    (project / "settings.ini").write_text("[data]\nsource = sample\n[bot]\nprocesses = processes.toml\n")
    found = load_catalogue(load_settings(project), ("card", "annual_leave"))
    assert found["card"].url and found["annual_leave"] == Process("annual_leave", "Annual leave")
