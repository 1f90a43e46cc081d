"""Simulated people talk to the bot: they say nothing that training has seen, are judged fairly, and turn each gate red."""

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mlbot.bot.catalogue import Process, Slot
from mlbot.bot.frames import Act, BotRules, Heard, Pending, State
from mlbot.bot.people import HABITS, SimulatedPerson, Wish, WishMessage, authored, draw_people, names_value, usable
from mlbot.bot.policy import with_model
from mlbot.bot.rehearsal import rehearse
from mlbot.bot.rehearsal_scored import (
    CHAMPION,
    GATES,
    Rehearsed,
    as_kept,
    rehearse_exam,
    score_gain,
    score_measure,
    score_people,
    worst_of,
)
from mlbot.bot.told_values import ToldValue, is_same
from mlbot.errors import InputError
from mlbot.gates.gating import judged
from mlbot.gates.verdict import FAIL, NOT_ASKED, PASS
from mlbot.gates.verdict import Rules as GateRules
from mlbot.model.decide import EXECUTE
from mlbot.model.predict import Answer, Predictor
from mlbot.run.folder import load_rules
from mlbot.run.report import conversation_part
from mlbot.settings import CONVERSATIONS, load_settings
from mlbot.text.clean import digest

CATALOGUE = """
[leave]
title = "Annual leave"
slots = ["first_day", "last_day"]
[leave.slot.first_day]
kind = "date"
[leave.slot.last_day]
kind = "date"
after = "first_day"
[badge]
title = "Building badge"
slots = ["site"]
[badge.slot.site]
kind = "choice"
options = ["Berlin", "London"]
[person]
title = "A person"
handoff = true
[raise]
title = "More pay"
roles = ["manager"]
"""
WORDS = {"leave": ("holiday", "vacation", "time off"), "badge": ("badge", "key card"), "raise": ("salary",),
         "person": ("human",)}
ROWS = [WishMessage(f"{start} {word}", intent, "sales") for start in ("I need a", "please, my", "where is my", "sort out the")
        for intent, words in WORDS.items() for word in words]


class Keywords(Predictor):
    """A model that knows one word of each intent, or takes everything for one intent (`always`)."""

    def __init__(self, always=""):
        self.always, self.intents, self.context, self.name = always, sorted(WORDS), [], "keywords"
        self.threshold = self.scope_threshold = 0.0

    def predict(self, text, **context):
        """The intent whose word the text holds; unsure without one."""
        known = [name for name, words in WORDS.items() if any(word in text for word in words)]
        found = [self.always] if self.always else known
        best, sure = (found[0], 0.97) if found else (self.intents[0], 0.3)
        rest = [(name, (1 - sure) / 3) for name in self.intents if name != best]
        return Answer(best, sure, ((best, sure), *rest), self.name)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Settings of a project with a catalogue, and the processes in it."""
    from mlbot.bot.catalogue import read_catalogue
    root = tmp_path_factory.mktemp("rehearsal")
    (root / "processes.toml").write_text(CATALOGUE, encoding="utf-8")
    usual = load_settings()
    settings = replace(usual, root=root, data=replace(usual.data, source="rows.csv"), gates=replace(usual.gates, people=120),
                       bot=replace(usual.bot, processes="processes.toml"))
    return SimpleNamespace(settings=settings, processes=read_catalogue(root / "processes.toml"), root=root)


@pytest.fixture(scope="module")
def outcomes(project):
    """What came of the conversations with a model that understands everything."""
    people = draw_people(usable(ROWS, project.processes), project.processes, 120, seed=1)
    return rehearse(project.settings, Keywords(), people)


def someone(*wishes, habits=(), language="en"):
    """A person with some wishes and habits."""
    return SimulatedPerson(0, "sales", "", language, date(2026, 5, 4), frozenset(habits), 16, tuple(wishes))


LEAVE = Wish("leave", ("I need a holiday",), {"first_day": ToldValue(("2026-05-08",), "May 8", "2026-05-08"),
                                              "last_day": ToldValue(("2026-05-12",), "May 12", "2026-05-12")})
BADGE = Wish("badge", ("my badge",), {"site": ToldValue(("Berlin",), "Berlin", "Berlin")})


def test_nobody_says_a_sentence_that_training_has_seen(project):
    rows = usable(ROWS, project.processes)
    with pytest.raises(InputError, match="is a sentence of training"):
        draw_people(rows, project.processes, 5, learnt=[digest(rows[3].text.upper())])
    said = {text for person in draw_people(rows, project.processes, 60) for text in person.texts}
    assert said <= {row.text for row in rows}


def test_people_want_only_what_the_bot_may_do_for_them(project):
    people = draw_people(usable(ROWS, project.processes), project.processes, 80)
    assert {wish.intent for person in people for wish in person.wishes} == {"leave", "badge"}


def test_the_same_seed_draws_the_same_people_and_another_one_others(project):
    rows = usable(ROWS, project.processes)
    first, again, other = (draw_people(rows, project.processes, 40, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert {habit for person in first + other for habit in person.habits} == set(HABITS)


@pytest.mark.parametrize(("text", "language"), [("a room tommorrow", "en"), ("Urlaub ab Montag", "de"),
                                                ("un jour de mars", "fr"), ("para dos personas", "es"),
                                                ("desk on the third floor", "en")])
def test_a_sentence_that_names_a_value_is_recognised(text, language):
    assert names_value(text, language) and not names_value("I would like to book a desk", language)


def test_authored_answers_are_those_on_which_the_reader_was_not_built():
    from mlbot.bot.values_scored import SIDES, example_side
    held_out = [message for messages in authored().values() for message in messages]
    assert len(held_out) > 100 and {example_side(message) for message in held_out} == {SIDES[1]}


def test_a_value_is_right_in_any_spelling_of_it_and_wrong_with_more_words():
    assert is_same("2026-05-08", "2026-05-08") and is_same(120, 120) and is_same("120 EUR", "120.00 EUR")
    assert not is_same("Kessler GmbH", "one more thing: Kessler GmbH") and not is_same("120 EUR", "1200 EUR")
    assert not is_same(12, None) and not is_same("SAP", None)


def test_people_get_what_they_want_from_a_bot_that_understands_them(outcomes):
    assert np.mean([one.success for one in outcomes]) > 0.9
    assert not any(one.wrong_process or one.polite_over for one in outcomes)


def test_a_wish_with_its_values_ends_with_the_process_and_with_those_values(project):
    one, = rehearse(project.settings, Keywords(), [someone(LEAVE, habits=["values_first"])])
    assert (one.success, one.ended, one.misread, one.turns) == (True, "done", (), 1), one.transcript


def test_two_wishes_must_both_come_true(project):
    one, = rehearse(project.settings, Keywords(), [someone(LEAVE, BADGE)])
    assert one.success, one.transcript
    lost, = rehearse(project.settings, Keywords("leave"), [someone(LEAVE, BADGE)])
    assert not lost.success


def test_a_process_that_nobody_wanted_is_a_wrong_process(project):
    bot = replace(project.settings, bot=replace(project.settings.bot, processes=""))  # nothing is asked before a start
    one, = rehearse(bot, Keywords("badge"), [someone(replace(LEAVE, values={}))])
    assert one.wrong_process and set(one.wrong) == {"badge"} and not one.success


def test_a_value_that_the_process_gets_wrong_is_told_with_both_values(project):
    truth = {**LEAVE.values, "last_day": ToldValue(("2026-06-01",), "May 12", "May 12")}
    one, = rehearse(project.settings, Keywords(), [someone(replace(LEAVE, values=truth))])
    assert one.wrong_value and not one.success and one.misread == ("last_day: 2026-05-12 for 2026-06-01 (May 12)",)


def test_a_hand_over_says_why_and_one_for_a_greeting_counts_apart(project, monkeypatch):
    one, = rehearse(project.settings, Keywords("person"), [someone(LEAVE)])
    assert one.handed_over and not one.polite_over and one.why
    from mlbot.bot import told_values
    rude = {**told_values.people_words("en"), "greets": ["a human please"]}
    monkeypatch.setattr(told_values, "people_words", lambda language: rude)
    one, = rehearse(project.settings, Keywords(), [someone(LEAVE, habits=["greets"])])
    assert one.handed_over and one.polite_over


def test_somebody_who_changes_their_mind_succeeds_when_nothing_starts(project):
    one, = rehearse(project.settings, Keywords(), [someone(LEAVE, habits=["gives_up"])])
    assert one.success and one.ended == "changed their mind" and not one.wrong


def test_a_slot_that_is_called_value_is_a_slot():
    gift = Process("gift", "Gifts", slots=("value",), slot=(Slot("value"),))
    state = State(pending=Pending("slot", "gift", ("value",)))
    step = with_model(state, Act(text="who needs that and why"), Heard(EXECUTE, ("gift",)), BotRules({"gift": gift}))
    assert step.state.pending.intent == "gift"


def outcome(gate, scores, champion="before"):
    """The verdict of a gate with the targets that ship."""
    by_hand = {"floor": None, "ceiling": None, "stretch": None}
    targets = load_settings().targets
    targets = {**targets, CHAMPION: replace(targets["champion"])}
    return judged(gate, scores, GateRules(date(2026, 1, 5), targets, champion=champion), by_hand, 300, None, ())


def fared(outcomes, bad=0.0, **facts):
    """The same conversations, a share of them with other facts; people of many goals."""
    good = {"success": True, "wrong_process": False, "wrong_value": False, "handed_over": False, "polite_over": False}
    return [replace(one, goal=f"goal {number % 60}", **good | (facts if number % 100 < 100 * bad else {}))
            for number, one in enumerate(outcomes * 5)]


@pytest.mark.parametrize(("measure", "bad"), [("success", 0.5), ("wrong_process", 0.2), ("wrong_value", 0.2),
                                              ("handed_over", 0.3), ("polite_over", 0.01)])
def test_each_gate_is_green_where_all_goes_well_and_red_where_it_does_not(outcomes, measure, bad):
    assert outcome(GATES[measure], score_measure(measure, fared(outcomes))).outcome == PASS
    worse = fared(outcomes, bad, **{measure: measure != "success"})
    assert outcome(GATES[measure], score_measure(measure, worse)).outcome == FAIL


def test_the_gate_of_slices_is_red_where_a_project_asks_more_of_a_language_than_it_gets(outcomes):
    told = [replace(one, language="de" if number % 3 else "en", success=number % 3 == 0 or number % 2 == 0)
            for number, one in enumerate(fared(outcomes))]
    assert outcome("conversation_slices", score_people(told)).outcome != FAIL
    by_hand = {"floor": 0.8, "ceiling": None, "stretch": None}
    verdict = judged("conversation_slices", score_people(told), GateRules(date(2026, 1, 5)), by_hand, 300, None, ())
    assert verdict.outcome == FAIL and verdict.score.metric == "language/de"


def test_the_gate_beside_the_champion_is_red_where_the_same_people_fare_worse(outcomes):
    before, worse = fared(outcomes), fared(outcomes, 0.3, success=False)
    assert outcome(CHAMPION, score_gain(before, before)).outcome == PASS
    assert outcome(CHAMPION, score_gain(before, worse)).outcome == FAIL
    assert outcome(CHAMPION, score_gain([], worse), champion="").outcome == NOT_ASKED


def exam_of(root, model, champion=None, learnt=()):
    """What a run brings along."""
    frame = pd.DataFrame([row._asdict() for row in ROWS]).assign(digest=[digest(row.text) for row in ROWS])
    np.save(root / "trained.npy", np.array(learnt, "uint64"))
    fair = SimpleNamespace(compared=lambda digests, name: np.arange(len(digests)) % 7 > 0)
    return SimpleNamespace(folder=root, model=model, test=frame, champion=champion, opponent=fair)


def test_a_run_keeps_what_the_report_shows_with_the_worst_conversations_in_full(project, tmp_path):
    found = rehearse_exam(exam_of(tmp_path, Keywords()), project.settings)
    assert len(found.outcomes) == 120 and not found.before and "120 people" in str(found)
    shown = conversation_part(tmp_path)
    assert shown["talkers"] == 120 and [item["name"] for item in shown["talks"]][0].startswith("got what they wanted")
    worst = worst_of(found.outcomes)
    assert [talk["lines"] for talk in shown["worst_talks"]] == [
        [({"system": "note"}.get(who, who), text) for who, text in one.transcript] for one in worst]


def test_the_champion_meets_the_people_whose_sentences_neither_model_has_learnt(project, tmp_path, monkeypatch):
    from mlbot.bot import rehearsal_scored
    monkeypatch.setattr(rehearsal_scored, "predictor_of", lambda artefact: artefact)
    found = rehearse_exam(exam_of(tmp_path, Keywords(), champion=Keywords("person")), project.settings)
    assert 0 < len(found.before) < len(found.outcomes) and found.gain.value > 0.9
    assert found.gain.low < 0  # two goals are too few to be sure
    assert f"points beside the champion, for {found.gain.n} of them" in str(found)
    assert as_kept(found)["gain"]["n"] == len(found.before)


def test_where_nobody_talks_nothing_is_shown_and_the_gates_are_not_asked(project, tmp_path):
    silent = replace(project.settings, gates=replace(project.settings.gates, people=0))
    found = rehearse_exam(exam_of(tmp_path, Keywords()), silent)
    assert str(found) == "nobody talked to the bot" and found.rows() == [] and conversation_part(tmp_path) == {}
    assert set(CONVERSATIONS) <= set(load_rules(tmp_path, silent).unasked)
    empty = Rehearsed([], [])
    rules = GateRules(date(2026, 1, 5), load_settings().targets, unasked=CONVERSATIONS)
    verdict = judged("wrong_value", empty.score("wrong_value"), rules, {}, 0, None, ())
    assert verdict.outcome == NOT_ASKED


def test_a_run_stops_when_a_test_row_is_in_training(project, tmp_path):
    with pytest.raises(InputError, match="is a sentence of training"):
        rehearse_exam(exam_of(tmp_path, Keywords(), learnt=[digest(ROWS[0].text)]), project.settings)


def test_limits_of_conversations_hold_for_the_company_and_stretches_for_everybody(tmp_path):
    (tmp_path / "settings.ini").write_text("[data]\nsource = rows.csv\n", encoding="utf-8")
    ours, theirs = load_settings().targets, load_settings(tmp_path).targets
    assert ours["conversation_success"].floor and ours["polite_over"].ceiling == 0
    assert theirs["conversation_success"].floor is None and theirs["conversation_success"].stretch
    assert "polite_over" not in theirs and theirs["wrong_value"].ceiling is None
