"""Small talk is recognised in four languages, is never a wish, and every language says the same things."""

import re
import tomllib
from dataclasses import replace
from datetime import date

import pytest

from mlbot.bot.small_talk import act_of, hear_small_talk, plain_words, recognised, small_talk_phrases, talk_file
from mlbot.bot.small_talk_scored import judge_small_talk, judge_talk, judge_wishes, score_lost, score_talk
from mlbot.bot.texts import SPOKEN_LANGUAGES, texts
from mlbot.bot.values import written_languages
from mlbot.gates.gating import judged
from mlbot.gates.verdict import FAIL, NOT_ASKED, PASS, Rules
from mlbot.run.folder import not_asked
from mlbot.settings import PACKAGE, load_settings

JUDGED = tomllib.loads((PACKAGE / "shipped" / "company" / "small_talk.toml").read_text(encoding="utf-8"))
WISHES = ["I want to cancel my holiday in May", "cancel my flight to Paris", "I forgot the PIN of my SIM card",
          "who can see my salary?", "mein Passwort ist abgelaufen", "ich brauche Hilfe mit der Rechnung",
          "où est mon colis ?", "quiero anular mi reserva de hotel",
          "the door on the second floor does not close", "thanks to the update nothing works"]


@pytest.mark.parametrize("language", SPOKEN_LANGUAGES)
def test_each_language_has_the_same_texts_phrases_and_lists(language):
    for file, english in ((texts(language), texts("en")), (talk_file(language), talk_file("en"))):
        assert {name: set(found) for name, found in file.items()} == {name: set(found) for name, found in english.items()}
    for section, wanted in texts("en").items():
        for key, text in wanted.items():
            told = texts(language)[section][key]
            assert told.strip() and sorted(re.findall(r"{\w+}", told)) == sorted(re.findall(r"{\w+}", text)), key
    assert language in written_languages()  # values are read in each language that the bot speaks


def test_no_judged_message_teaches():
    taught = {" ".join(plain_words(phrase)) for phrase, _, _ in small_talk_phrases()}
    judged = [" ".join(plain_words(text)) for found in JUDGED.values() for said in found.values() for text in said]
    assert len(judged) > 200 and not taught & set(judged)


def test_a_wish_is_no_small_talk_and_small_talk_around_a_wish_goes():
    assert recognised([(text, "") for text in WISHES]).all()
    for text in WISHES:
        said = hear_small_talk(f"Hello, {text} Thank you very much!"
                               if text[-1] in ".?!" else f"Hello! {text}. Thank you very much!")
        assert said.acts == ("greeting", "thanks") and said.rest.strip(". ") == text.strip(". ")


@pytest.mark.parametrize("text, act", [
    ("hi there", "greeting"), ("vielen Dank", "thanks"), ("à bientôt", "goodbye"), ("¿qué puedes hacer?", "help"),
    ("are you a robot?", "who"), ("wird das gespeichert?", "privacy"), ("répétez s'il vous plaît", "repeat"),
    ("déjalo", "cancel"), ("undo that please", "undo"), ("von vorne", "restart"), ("ça marche", "yes"), ("mejor no", "no"),
    ("none of these", "none"), ("ein Mensch bitte", "person"), ("c'est nul", "frustrated"), ("no lo sé", "unknown"),
    ("which requests do I have open?", "requests"), ("auf Deutsch bitte", "in_german"), ("erzähl mir einen Witz", "chat")])
def test_every_act_is_known(text, act):
    found = act_of(text)
    assert found is not None and found.act == act


def test_a_negation_is_no_yes_a_number_no_small_talk_and_nonsense_nothing():
    for text in ("absolutely not", "no, not at all the right one", "make it 12", "....", "", "qwertz flarn"):
        found = act_of(text)
        assert found is None or found.act == "no", text


def outcome(gate, scores, unasked=()):
    by_hand = {"floor": None, "ceiling": None, "stretch": None}
    rules = Rules(date(2026, 1, 5), load_settings().targets, unasked=unasked)
    return judged(gate, scores, rules, by_hand, 300, None, ())


def test_the_gate_is_green_on_the_company_and_red_where_a_language_is_not_understood():
    told = judge_small_talk()
    assert outcome("small_talk", score_talk(told)).outcome == PASS
    for language in SPOKEN_LANGUAGES:
        verdict = outcome("small_talk", score_talk([replace(one, right=one.language != language) for one in told]))
        assert verdict.outcome == FAIL and [part.score.metric for part in verdict.parts if part.outcome == FAIL] == [language]


def test_the_gate_is_red_where_wishes_are_taken_for_small_talk():
    told = judge_wishes(WISHES * 10, ["leave"] * 10 * len(WISHES))
    assert outcome("lost_wishes", score_lost(told)).outcome == PASS
    lost = [replace(one, right=number % 10 > 0) for number, one in enumerate(told)]
    assert outcome("lost_wishes", score_lost(lost)).outcome == FAIL


def test_the_gates_claim_nothing_about_data_that_is_not_the_company():
    assert {"small_talk", "lost_wishes"} <= set(not_asked({"source": "tickets.csv"}))
    assert judge_talk("tickets.csv", ["hi"], ["x"]) == []
    assert outcome("small_talk", [], ("small_talk",)).outcome == NOT_ASKED
    assert outcome("lost_wishes", score_lost([]), ("lost_wishes",)).outcome == NOT_ASKED
