"""People at the desk: who a chat is meant for, office hours, the summary, and that nobody is argued with."""

from dataclasses import replace
from datetime import UTC, datetime
from datetime import time as clock_time

import pytest

from mlbot.bot import policy
from mlbot.bot.asking import call_person
from mlbot.bot.cards import cards_of
from mlbot.bot.catalogue import Process, Slot
from mlbot.bot.conversation import Bot, conversation_of, give_back, take, tick
from mlbot.bot.desk_file import Agent, DeskFile, load_desk, read_desk
from mlbot.bot.events import EventLog
from mlbot.bot.frames import BOT, QUEUE, Act, BotRules, Pending, State
from mlbot.bot.hours import Hours
from mlbot.bot.identity import Identity
from mlbot.bot.requests import Request
from mlbot.bot.small_talk import talk_file
from mlbot.bot.summary import summary_of
from mlbot.bot.texts import SPOKEN_LANGUAGES, say
from mlbot.errors import InputError
from mlbot.settings import load_settings, shipped_settings

ADA, GRACE, LINUS = Identity("ada", "sales", "Berlin"), Identity("Grace", agent=True), Identity("Linus", agent=True)
MONDAY = datetime(2026, 12, 7, 10, tzinfo=UTC).timestamp()
SATURDAY = datetime(2026, 12, 12, 10, tzinfo=UTC).timestamp()
ALWAYS = DeskFile()
OFFICE = Hours(opens=clock_time(9), closes=clock_time(17), zone="Europe/Berlin")
CARD = Process("card", "Company card", queue="finance-cards", slots=("limit", "email"), confirm=True, cancel=True,
               slot=(Slot("limit", "number"), Slot("email", "email")))
LEAVE = Process("leave", "Annual leave", queue="hr-time", slots=("day",), slot=(Slot("day", "date"),))
PROCESSES = {"card": CARD, "leave": LEAVE}


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, now: float):
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def make_bot(tmp_path):
    """A bot without a model, whose desk is staffed as a test says, at a moment."""
    made = []

    def build(staff: DeskFile = ALWAYS, now: float = MONDAY) -> Bot:
        def no_model(about):
            raise AssertionError("the model was asked")
        log = EventLog(tmp_path / f"{len(made)}.db", Clock(now))
        made.append(Bot(log, no_model, lambda: PROCESSES, load_settings().costs, staff=lambda: staff))
        return made[-1]
    yield build
    for bot in made:
        bot.log.close()


def handed_over(bot: Bot, who: Identity = ADA, language: str = ""):
    """A conversation in which somebody has asked for a person, with what was said to that."""
    talk = bot.start(who, language=language)
    return talk.id, [message.text for message in bot.act(talk.id, who, Act(person=True)).messages]


STAFF = DeskFile(agents={"Grace": Agent("Grace", ("hr-*", "help desk"), ("en", "de")), "Linus": Agent("Linus", ("it-*",))})


def test_a_chat_is_meant_for_an_agent_who_is_there_and_knows_its_topic(make_bot):
    bot = make_bot(STAFF)
    bot.desk.sign_in("Linus")
    about, said = handed_over(bot)
    assert say("en", "nobody") in said  # Linus is there, but does not know the topic
    assert tick(bot) == [] and bot.desk.cases[about].state.assigned == ""
    bot.desk.sign_in("Grace")
    assert tick(bot) == [about] and tick(bot) == []
    assert bot.desk.cases[about].state.assigned == "Grace"
    assert bot.read(about, ADA).messages[-1].text == say("en", "somebody_there", agent="Grace")


def test_nobody_is_told_of_an_agent_whom_they_did_not_have_to_wait_for(make_bot):
    bot = make_bot()
    bot.desk.sign_in("Grace")
    about, said = handed_over(bot)
    count = len(bot.read(about, ADA).messages)
    assert say("en", "nobody") not in said and tick(bot) == [about]
    assert len(bot.read(about, ADA).messages) == count and bot.desk.cases[about].state.assigned == "Grace"


def test_chats_are_spread_over_those_who_have_least_to_do_and_move_on_when_somebody_leaves(make_bot):
    bot = make_bot()
    for agent in ("Grace", "Linus"):
        bot.desk.sign_in(agent)
    chats = [handed_over(bot, Identity(f"person {number}", "sales"))[0] for number in range(4)]
    tick(bot)
    meant = [bot.desk.cases[about].state.assigned for about in chats]
    assert sorted(meant) == ["Grace", "Grace", "Linus", "Linus"]
    take(bot, chats[0], LINUS)  # anybody may take any chat
    assert bot.desk.cases.get(chats[0]) is None or bot.read(chats[0], LINUS).state.assigned == ""
    bot.log.clock.now += bot.absence - 1
    bot.desk.sign_in("Linus")
    bot.log.clock.now += 2  # Grace was seen too long ago
    tick(bot)
    assert {bot.desk.cases[about].state.assigned for about in chats[1:]} == {"Linus"}


@pytest.mark.parametrize("language, words", [("en", "Monday, 14 December 2026"), ("de", "Montag, 14. Dezember 2026"),
                                             ("es", "lunes, 14 de diciembre de 2026"), ("fr", "lundi 14 décembre 2026")])
def test_outside_office_hours_the_bot_says_when_people_are_back_and_keeps_the_case(make_bot, language, words):
    bot = make_bot(DeskFile(((("help*",), OFFICE),)), SATURDAY)
    about, said = handed_over(bot, language=language)
    assert words in said[-1] and "Berlin" in said[-1]
    bot.log.clock.now += 3_600
    assert tick(bot) == []  # nobody is told every few minutes that it takes long: they know
    assert bot.desk.cases[about].state.owner == QUEUE
    bot.log.clock.now = datetime(2026, 12, 14, 8, 30, tzinfo=UTC).timestamp()
    bot.desk.sign_in("Grace")
    assert tick(bot) == [about]
    assert bot.read(about, ADA).messages[-1].text == say(language, "somebody_there", agent="Grace")


def test_office_hours_hold_for_their_queues_and_not_where_somebody_is_there_all_the_same(make_bot):
    other = make_bot(DeskFile(((("hr-*",), OFFICE),)), SATURDAY)
    assert handed_over(other)[1][-1] == say("en", "nobody")  # the help desk has no hours
    late = make_bot(DeskFile((((), OFFICE),)), SATURDAY)
    late.desk.sign_in("Grace")
    assert len(handed_over(late)[1]) == 2  # what the person said, and the hand-over: nothing about hours


OPEN = [State(), State(pending=Pending("slot", "card", ("limit",))),
        State(pending=Pending("slot", "card", ("email",), {"limit": 5})),
        State(pending=Pending("confirm", "card", ("start",), {"limit": 5})),
        State(pending=Pending("choose", options=("card", "leave"))),
        State(pending=Pending("slot", "leave", ("day",)), parked=(Pending("slot", "card", ("limit",)),)), State(denied=1)]


@pytest.mark.parametrize("language", SPOKEN_LANGUAGES)
def test_a_person_who_asks_for_a_person_is_never_argued_with(language):
    """Every phrase for it, in every state: one turn, no question, and the model is not asked."""
    rules, argued = BotRules(PROCESSES, "sales", "Berlin", language=language), []
    for phrase in talk_file(language)["phrases"]["person"]:
        for state in OPEN:
            step = policy.respond(state, Act(phrase), None, rules)
            if step.state.owner != QUEUE or len(step.says) != 1 or step.buttons:
                argued.append((phrase, state.pending.kind if state.pending else "", step.says))
    assert not argued, argued


@pytest.mark.parametrize("language", SPOKEN_LANGUAGES)
def test_they_are_handed_over_at_night_and_with_nobody_there_too(make_bot, language):
    bot = make_bot(DeskFile((((), OFFICE),)), SATURDAY)
    talk = bot.start(ADA, language=language)
    phrase = talk_file(language)["phrases"]["person"][3]
    assert bot.act(talk.id, ADA, Act(phrase)).state.owner == QUEUE
    assert bot.act(talk.id, ADA, Act("hello?")).messages[1:] == ()  # the bot keeps silent


def opened_with(bot: Bot, state: State) -> str:
    """A conversation that has come to a state."""
    from mlbot.bot.events import Event
    talk = bot.start(ADA)
    asked = {"sender": "bot", "text": "Which limit?", "buttons": [{"act": "person", "value": True, "label": "x"}]}
    body = {"messages": [asked], "state": state.as_dict()}
    bot.log.append(Event("turn", talk.id, body, bot.read(talk.id, ADA).person, turn=1))
    return talk.id


def test_the_summary_tells_what_was_understood_before_the_hand_over_and_forgets_it_after(make_bot):
    bot = make_bot()
    frame = Pending("slot", "card", ("email",), {"limit": 500})
    about = opened_with(bot, State(pending=frame, parked=(Pending("slot", "leave", ("day",)),), language="de"))
    bot.act(about, ADA, Act(person=True))

    def summed_up():
        events = bot.log.read(about=about)
        found = conversation_of(events)
        return summary_of(found, [event for event in events if "state" in event.body], bot.rules(found), "en")
    short = summed_up()
    assert (short.wish, short.title, short.asked) == ("card", "Company card", "Which limit?")
    assert short.reason == "asked for a person"
    assert [(known.name, known.value) for known in short.values] == [("limit", "500")] and short.missing == ("email",)
    assert short.also == ("Annual leave",) and short.language == "de" and len(short.last) == 3
    take(bot, about, GRACE)
    assert summed_up().wish == "card"  # while the agent has it, too
    give_back(bot, about, GRACE)
    bot.act(about, ADA, Act(person=True))
    assert summed_up().wish == "" and summed_up().values == ()


def test_a_card_can_be_taken_back_and_what_was_open_comes_back():
    made = Request("p1", "card", "Company card", state="accepted")
    rules = BotRules(PROCESSES, requests=lambda: [made, replace(made, id="p2")], language="en")
    asking = State(pending=Pending("slot", "leave", ("day",)), language="en")
    asked = policy.respond(asking, Act(cancel="p1"), None, rules)
    assert asked.state.pending.options == ("cancel", "p1")  # the one that was picked, not the newest
    done = policy.respond(asked.state, Act(confirm=True), None, rules)
    assert done.cancels == "p1" and done.state.pending == asking.pending
    kept = policy.respond(asked.state, Act(confirm=False), None, rules)
    assert kept.cancels == "" and kept.state.pending == asking.pending
    assert policy.respond(asking, Act(cancel="of somebody else"), None, rules).state == asking


def test_a_private_value_is_on_no_card(make_bot):
    bot = make_bot()
    asking = Pending("confirm", "card", ("start",), {"limit": 5, "email": "[held]"})
    about = opened_with(bot, State(pending=asking, language="en"))
    card, = cards_of(bot.read(about, ADA), bot.rules(bot.read(about, ADA)))
    assert {value.name: value.value for value in card.values} == {"limit": "5", "email": "given"} and not card.cancel


def test_a_case_is_handed_over_in_the_queue_of_its_process():
    step = call_person(State(pending=Pending("slot", "card", ("limit",))), "asked for a person", BotRules(PROCESSES), "card")
    assert step.state.queue == "finance-cards" and step.state.owner == QUEUE != BOT


@pytest.mark.parametrize("text, says", [
    ("[[hours]]\nzone = 'Mars'\n", "time zone"), ("[[hours]]\ndays = ['Montag']\n", "mon tue"),
    ("[hours]\nzone = 'UTC'\n", "list"),
    ("[agents.Grace]\nqueue = ['x']\n", "queues"), ("[answers.x]\nen = 'Hi {name}'\n", "{agent}"), ("[answers.x]\n", "text"),
    ("[answers.x]\nen = '{wish:d}'\n", "braces"),
    ("[[hours]]\nopens = 18:00:00\n", "closes after"), ("[[hours]\n", "TOML"), ("[agents]\nGrace = 1\n", "table")])
def test_a_mistake_in_the_desk_file_stops_the_service(tmp_path, text, says):
    file = tmp_path / "desk.toml"
    file.write_text(text)
    with pytest.raises(InputError) as refused:
        read_desk(file)
    assert says in f"{refused.value.found} {refused.value.expected}" and refused.value.place == str(file)


def test_the_company_has_every_canned_answer_in_every_language():
    answers = load_desk(load_settings(shipped_settings().parent)).answers
    assert len(answers) >= 5 and all(set(answer.texts) == set(SPOKEN_LANGUAGES) for answer in answers)
    assert all("{" not in answer.said(language, "Grace", "x") for answer in answers for language in SPOKEN_LANGUAGES)


def test_the_desk_of_a_project_is_named_in_its_settings(tmp_path):
    (tmp_path / "settings.ini").write_text("[data]\nsource = mine.csv\n[bot]\ndesk = people.toml\n")
    (tmp_path / "people.toml").write_text('[answers.look]\nen = "One moment."\n')
    assert [answer.title for answer in load_desk(load_settings(tmp_path)).answers] == ["Look"]
