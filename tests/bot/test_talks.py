"""The log tells how real conversations went: who stayed with the bot, what was asked again, and who caused a hand-over."""

import inspect
import re
from contextlib import closing
from dataclasses import replace

import pytest

from mlbot.bot import asking, manners, policy
from mlbot.bot.events import Event, EventLog
from mlbot.bot.frames import Act
from mlbot.bot.identity import Identity
from mlbot.bot.rehearsal import rehearsing
from mlbot.bot.talks import (
    SHARES,
    TALK_EVENTS,
    caused_by,
    handover_reasons,
    look_at_talks,
    overview_of_talks,
    rows_of_talks,
    score_talks,
    talks_of,
    turns_to_start,
)
from mlbot.model.predict import Answer, Predictor
from mlbot.run.report import week_numbers
from mlbot.settings import load_settings

CATALOGUE = """
[leave]
title = "Annual leave"
slots = ["first_day"]
[leave.slot.first_day]
kind = "date"
[complaint]
title = "Complaint"
handoff = true
"""


class Keywords(Predictor):
    """A model that knows two words, and nothing else."""

    def __init__(self):
        self.intents, self.context, self.name = ["complaint", "leave"], [], "words"
        self.threshold = self.scope_threshold = 0.0

    def predict(self, text, **context):
        """Sure about holidays and complaints, unsure about the rest."""
        best = "leave" if "holiday" in text else "complaint"
        sure = 0.98 if "holiday" in text or "complain" in text else 0.5
        return Answer(best, sure, ((best, sure), *((name, 1 - sure) for name in self.intents if name != best)), self.name)


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """What a real bot writes down about five people."""
    root = tmp_path_factory.mktemp("talks")
    (root / "processes.toml").write_text(CATALOGUE, encoding="utf-8")
    usual = load_settings()
    settings = replace(usual, root=root, data=replace(usual.data, source="rows.csv"),
                       bot=replace(usual.bot, processes="processes.toml"))
    said = {"ann": ["I need a holiday", "2026-05-08"], "bob": ["I need a holiday", "blue", "green", "2026-05-08"],
            "cyd": ["I need a holiday", "can I talk to a person?"], "dan": ["I want to complain"], "eva": []}
    with rehearsing(settings, Keywords()) as (bot, clock):
        clock.now = 1_777_888_000.0
        for name, texts in said.items():
            me = Identity(name, "sales")
            found = bot.start(me)
            for text in texts:
                clock.now += 5
                bot.act(found.id, me, Act(text=text))
        return bot.log.read(TALK_EVENTS)


def test_a_conversation_of_the_log_tells_its_turns_its_start_and_what_was_asked_again(events):
    ann, bob, cyd, dan = talks_of(events)  # Eva has said nothing
    assert (ann.turns, ann.start, ann.again, ann.handed_over) == (2, 2, 0, False)
    assert (bob.turns, bob.start, bob.again) == (4, 4, 2)
    assert (cyd.handed_over, caused_by(cyd.reason)) == (True, "person")
    assert (dan.handed_over, caused_by(dan.reason), dan.role) == (True, "process", "sales")


def test_the_shares_and_reasons_are_those_of_the_conversations(events):
    seen = overview_of_talks(events)
    values = dict(zip(SHARES, (item["value"] for item in seen["shares"]), strict=True))
    assert values == {"contained": 0.5, "served": 0.5, "asked_again": 0.25, "by_person": 0.25, "by_bot": 0.0,
                      "by_process": 0.25}
    causes = {row["reason"]: row["caused by"] for row in seen["reasons"]}
    assert causes == {"asked for a person": "person", "Complaint": "process"}
    assert seen["turns_to_start"] == 3 and seen["languages"][0]["language"] == "en"
    assert len(rows_of_talks(seen)) == len(SHARES) + 1


def test_conversations_of_one_person_count_together():
    def talk(name, person):
        return [Event("opened", name, {"role": ""}, person), Event("turn", name, {"state": {"pending": None}}, person)]
    alone = talks_of([event for at in range(40) for event in talk(f"c{at}", f"person {at}")])
    same = talks_of([event for at in range(40) for event in talk(f"c{at}", "ann")])
    assert score_talks("contained", alone).low > score_talks("contained", same).low


def test_each_reason_that_the_bot_gives_for_a_hand_over_has_somebody_who_caused_it():
    source = "".join(map(inspect.getsource, (asking, manners, policy)))
    given = set(re.findall(r'(?:call_person\(\w+|missed\([^"]*rules), f?"([^"{]+)', source))
    assert len(given) >= 5 and all(caused_by(reason) in ("person", "bot") for reason in given), given


def test_the_look_back_reads_the_log_of_the_project_and_the_week_shows_it(events, tmp_path):
    usual = load_settings()
    settings = replace(usual, service=replace(usual.service, events=str(tmp_path / "events.db")))
    with closing(EventLog(tmp_path / "events.db")) as log:
        log.append(*(replace(event, number=0, at=0.0) for event in events))
    talked = look_at_talks(settings)
    assert talked["conversations"] == 4
    seen = {"days": [], "talks": talked}
    assert week_numbers(seen)["conversations that stay with the bot"] == "50%"
    assert week_numbers(seen)["handed over: Complaint"] == "1" and "handed over: Complaint" not in week_numbers({"days": []})


def test_without_conversations_nothing_is_claimed():
    seen = overview_of_talks([])
    assert (seen["conversations"], seen["shares"], rows_of_talks(seen)) == (0, [], [])
    assert handover_reasons([]) == [] and turns_to_start([]) is None
