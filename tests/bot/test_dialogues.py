"""Whole conversations, in process, with the company's model, catalogue and translations."""

import json
import tomllib
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from mlbot.bot.catalogue import load_catalogue
from mlbot.bot.conversation import Bot
from mlbot.bot.events import EventLog
from mlbot.bot.frames import Act
from mlbot.bot.identity import Identity
from mlbot.bot.texts import language_heard
from mlbot.bot.translations import load_translations
from mlbot.model.predict import load
from mlbot.settings import PACKAGE, load_settings

FILES = ("dialogues.toml", "dialogues_more.toml", "dialogues_half_seen.toml", "dialogues_half_kept.toml",
         "dialogues_colleagues.toml")
READ = [tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8")) for name in FILES]
DIALOGUES = [one | {"agrees": found.get("agrees", False)} for found in READ for one in found["dialogue"]]
PLACES = {"Berlin": "de", "Munich": "de", "Paris": "fr", "Madrid": "es"}


def noon_on():
    """The seconds from today's noon on, three between two looks, so that no dialogue lasts beyond midnight."""
    noon = datetime.now().replace(hour=12, minute=0, second=0)
    return iter(range(int(noon.timestamp()), int((noon + timedelta(hours=12)).timestamp()), 3))


@pytest.fixture(scope="module")
def bot(company_project, tmp_path_factory):
    settings = load_settings(company_project)
    model, clock = load(settings.places.models), noon_on()
    processes = load_catalogue(settings, model.intents)
    translations = load_translations(settings, processes)
    found = Bot(EventLog(tmp_path_factory.mktemp("dialogues") / "events.db", lambda: float(next(clock))), lambda about: model,
                lambda: processes, settings.costs, translations=lambda: translations, places=PLACES)
    yield found
    found.log.close()


def waits_for(state) -> str:
    """What the bot waits for, as the file writes it."""
    pending = state.pending
    if pending is None or pending.kind == "choose" and not pending.text:  # a list of what the bot can do asks nothing
        return "nothing"
    return f"{pending.intent} {pending.options[0] if pending.kind == 'slot' else pending.kind}"


def day_of(value, today):
    """A value of the file; "+1" is tomorrow, "+-1" yesterday, "next 06-01" the next 1 June, "past 03" the last March."""
    if not isinstance(value, str):
        return value
    if value[:1] == "+" and value[1:].lstrip("-").isdigit():
        return (today + timedelta(int(value[1:]))).isoformat()
    if value.startswith("next "):
        return next(day for year in (today.year, today.year + 1) if (day := f"{year}-{value[5:]}") >= today.isoformat())
    if value.startswith("past "):
        return f"{today.year if int(value[5:]) <= today.month else today.year - 1}-{value[5:]}"
    return value


def agreed(bot, about, who, said, wanted):
    """Say yes when the bot reads values back that it has guessed, as the person would."""
    pending = said.state.pending
    if pending is not None and pending.kind == "confirm" and pending.intent in wanted:
        return bot.act(about, who, Act(confirm=True), f"{said.turn}-agreed")
    return said


def meant(bot, about, who, said, wanted):
    """Say yes while the bot asks whether it has understood the wish, as the person would."""
    for number in range(3):
        pending = said.state.pending
        if pending is not None and pending.kind == "confirm" and pending.options[0] == "meant" and pending.intent in wanted:
            said = bot.act(about, who, Act(confirm=True), f"{said.turn}-{number}")
        elif pending is not None and pending.kind == "choose" and set(pending.options) & set(wanted):
            said = bot.act(about, who, Act(choose=next(iter(set(pending.options) & set(wanted)))), f"{said.turn}-{number}")
    return said


def expected(dialogue):
    """A dialogue as a case; `not_yet` says why it does not go yet, and the test turns red when it does."""
    marks = [pytest.mark.xfail(reason=dialogue["not_yet"], strict=True)] if "not_yet" in dialogue else []
    return pytest.param(dialogue, id=dialogue["about"], marks=marks)


@pytest.mark.parametrize("dialogue", [expected(one) for one in DIALOGUES])
def test_a_conversation_goes_as_it_is_written(bot, dialogue):
    who = Identity(dialogue["about"], dialogue["role"], dialogue["location"])
    about = bot.start(who).id
    for number, turn in enumerate(dialogue["turn"]):
        before = len(bot.read(about, who).started)
        said = bot.act(about, who, Act(turn["say"]), str(number))
        asks = turn.get("asks", [])
        asks = [asks] if isinstance(asks, str) else asks
        ends = [turn["starts"]["process"]] if "starts" in turn else dialogue.get("ends", [])
        said = meant(bot, about, who, said, [*(ask.split(" ")[0] for ask in asks), *ends])
        said = agreed(bot, about, who, said, ends) if dialogue["agrees"] else said
        words = " ".join(message.text for message in said.messages if message.sender != "person")
        place = f"turn {number + 1}, {turn['say']!r}: {words!r}"
        assert words and said.state.owner == turn.get("owner", "bot"), place
        assert not asks or waits_for(said.state) in asks, f"{place}, waits for {waits_for(said.state)}"
        assert turn.get("holds", "") in words, place
        if "language" in turn:
            assert language_heard(words, turn["language"]) == turn["language"] == said.state.language, place
        new = said.started[before:]
        if "starts" in turn:
            values = {name: day_of(value, date.fromtimestamp(bot.log.clock())) for name, value in turn["starts"].items()
                      if name != "process"}
            assert [(one.process, one.slots) for one in new] == [(turn["starts"]["process"], values)], place
        else:
            assert {one.process for one in new} <= set(dialogue.get("ends", [])), place
    ran = {one.process for one in bot.read(about, who).started}
    assert ran == set(dialogue.get("ends", ran))
    assert not ran if dialogue.get("never") == "all" else dialogue.get("never") not in ran


@pytest.mark.parametrize("words", [
    ("Ich brauche nächsten Dienstag einen Besprechungsraum", "15 Uhr", "12 Personen", "nein, ich meinte Mittwoch"),
    ("I need a meeting room next Tuesday", "3pm", "12 people", "no, I meant Wednesday")])
def test_a_weekday_that_corrects_a_day_is_one_of_its_week_and_is_read_back(bot, words):
    """The fault: it was the coming Wednesday, and the process started at once."""
    who = Identity(words[0], "assistant", "Berlin")
    about, seen = bot.start(who).id, []
    for number, text in enumerate(words):
        seen.append(meant(bot, about, who, bot.act(about, who, Act(text), str(number)), ["room_booking"]))
    *_, before, said = seen
    assert not said.started and said.state.pending.kind == "confirm", said
    asked, told = (date.fromisoformat(slots["day"]) for slots in (before.state.pending.slots,
                                                                    said.state.pending.slots))
    assert told == asked + timedelta(days=1)


@pytest.mark.parametrize("name, started, owner", [
    ("room", {"room_booking"}, "bot"), ("two", {"hardware_repair", "desk_booking"}, "bot"), ("person", set(), "queue")])
def test_the_stories_of_the_start_page_end_as_they_promise(bot, name, started, owner):
    """What a page plays as text, with a yes wherever the bot asks for one, as the page gives it."""
    story = json.loads((PACKAGE / "web" / "stories.json").read_text(encoding="utf-8"))[name]
    who = Identity(f"story {name}", story["person"]["role"], story["person"]["location"])
    found = bot.start(who, language=story["language"])
    for text in [*story["says"], ""]:
        for _ in range(4):
            pending = bot.read(found.id, who).state.pending
            if not story.get("agrees", True) or pending is None or pending.kind != "confirm":
                break
            bot.act(found.id, who, Act(confirm=True))
        if text:
            bot.act(found.id, who, Act(text))
    ended = bot.read(found.id, who)
    assert {one.process for one in ended.started} == started and ended.state.owner == owner
    assert set(story["needs"]) <= {*started, "card_block"}
    words = " ".join(message.text for message in ended.messages if message.sender == "bot")
    assert language_heard(words, "en") == story["language"]
    if name == "room":  # the correction counts, not the first day
        assert date.fromisoformat(ended.started[0].slots["day"]).weekday() == 2 and ended.started[0].slots["people"] == 12
