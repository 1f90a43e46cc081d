"""The language of a message is told by a component of its own, which has a gate, and is red where it errs."""

import json

import pandas as pd
import pytest

from mlbot.data.company import reference_sentences
from mlbot.errors import InputError
from mlbot.gates.verdict import FAIL, NO_VERDICT, NOT_ASKED, PASS, judge
from mlbot.run.folder import load_rules
from mlbot.settings import load_settings
from mlbot.stats.scores import share
from mlbot.stats.slices import by_language, usual_slicings
from mlbot.text.language import UNSURE, component, language_of, languages_of, spoken, told_right

SETTINGS = load_settings()
SENTENCES = reference_sentences()
WANTED = SETTINGS.target("language")


def test_expected_languages_come_first_and_a_clear_stranger_is_other():
    assert language_of("ik wil graag een nieuwe laptop") == "other"
    assert language_of("ik wil graag een nieuwe laptop", ("en", "nl")) == "nl"
    assert language_of("mon pc est lent") == "fr"


def test_an_unknown_language_is_an_error_that_says_what_to_correct(mlbot, project):
    with pytest.raises(InputError, match="xx is not known"):
        language_of("hello", ("en", "xx"))
    (project / "settings.ini").write_text("[data]\nsource = sample\nlanguages =\n")
    done = mlbot("run")
    assert done.returncode == 2 and "languages" in done.stderr


def test_the_gate_is_green_on_the_reference_and_red_where_the_component_errs():
    right = told_right(SETTINGS.data.languages, SENTENCES)
    assert judge("language", share("language", right), WANTED).outcome == PASS
    english = SENTENCES[SENTENCES["language"] == "en"]
    assert len(english) < len(right) == 400 and told_right(("en",), english).all()
    rows = pd.DataFrame({"text": ["wo ist meine Rechnung"] * 40, "language": ["de", "en"] * 20})
    verdict = judge("language", share("language", told_right(SETTINGS.data.languages, rows)), WANTED)
    assert verdict.outcome == FAIL and verdict.score.value == 0.5


def test_the_language_gate_claims_nothing_about_data_that_names_no_language(tmp_path):
    """The company's sentences say nothing about somebody else's texts: no row is judged, and nothing is asked."""
    rows = pd.DataFrame({"text": ["where is my card"] * 30})
    assert not len(told_right(SETTINGS.data.languages, rows))
    for named, outcome in ((False, NOT_ASKED), (True, NO_VERDICT)):
        (tmp_path / "prepare.json").write_text(json.dumps({"snapshot": "s", "languages_named": named}))
        rules = load_rules(tmp_path, SETTINGS)
        assert rules.target("accuracy").floor and bool(rules.target("language").floor) == named
        assert judge("language", share("language", told_right(("en",), rows)), rules.target("language")).outcome == outcome


def test_a_text_too_short_to_tell_is_unsure_and_not_of_a_wrong_language():
    """Two or three letters look like many languages; what tells its language by a word or a sentence is still named."""
    for text in ("42", "", "?!", "toner empty", "Urlaub", "facture", "ok"):
        assert language_of(text) == UNSURE and language_of(text, ("de", "en", "fr", "es")) in (UNSURE, "de")
    assert [language_of(text) for text in ("reset password", "parental leave", "credit card")] == ["en"] * 3
    assert [language_of(text) for text in ("ich brauche einen neuen Monitor", "mon pc est lent", "no tengo acceso")] == [
        "de", "fr", "es"]


def test_words_and_pairs_of_words_are_rarely_called_by_a_wrong_language():
    """Sentences of the company cut short: every second word with its neighbour."""
    wrong, named = {}, {}
    for language, texts in SENTENCES.groupby("language")["text"]:
        words = [" ".join(text.split()[:2]) for text in texts]
        told = [language_of(text) for text in words]
        wrong[language] = sum(name not in (language, UNSURE) for name in told) / len(told)
        named[language] = sum(name == language for name in told) / len(told)
    assert max(wrong.values()) <= 0.06 and min(named.values()) >= 0.6, (wrong, named)


def test_a_language_that_nobody_expects_is_not_called_by_the_name_of_a_like_one():
    """Portuguese is near Spanish and Dutch near German; with one expected language, nothing else was ever left."""
    strangers = {"pt": ["posso trabalhar de casa", "férias na próxima semana", "o meu portátil está avariado"],
                 "nl": ["mijn laptop is kapot", "wachtwoord resetten", "geen internet vandaag"],
                 "it": ["prenotare una sala", "reimposta la password", "il mio portatile è rotto"],
                 "sv": ["semester nästa vecka", "min dator är trasig"], "tr": ["yazıcı yine sıkıştı", "gelecek hafta izin"],
                 "pl": ["brak internetu", "zresetuj hasło"]}
    for languages, most in ((("en", "de", "es", "fr"), 2), (("en",), 1)):
        named = [text for texts in strangers.values() for text in texts
                 if language_of(text, languages) not in ("other", UNSURE)]
        assert len(named) <= most, named
    assert all(language_of(text, tuple(strangers)) in (name, UNSURE) for name, texts in strangers.items() for text in texts)


def test_a_text_of_which_we_are_unsure_claims_no_language():
    """It is a slice and a count of its own; neither the card nor the checks of coverage take it for a language."""
    rows = pd.DataFrame({"text": ["where is my invoice"] * 8 + ["42"] * 4})
    counts = languages_of(rows, ("en", "de"))
    assert counts == {"en": 8, UNSURE: 4} and spoken(counts) == ["en"]
    assert set(by_language(("en", "de"))(rows)) == {"en", UNSURE}


def test_a_language_that_the_data_names_is_believed():
    rows = pd.DataFrame({"text": ["hello", "my card"], "language": ["de", ""]})
    assert list(told_right(("en", "de"), rows)) == [False]
    slicings = {slicing.__name__: slicing for slicing in usual_slicings(rows.columns, ["language"])}
    assert slicings["language"](rows) == ["de", ""] and len(slicings) == 2
    told = {slicing.__name__: slicing for slicing in usual_slicings(rows.columns, [], ("en", "de"))}
    assert told["language"](rows) == ["en", "en"]


def test_its_version_names_library_and_languages():
    assert component(("en", "de")).startswith("py3langid ") and component(("en", "de")).endswith(" en de")
    assert component(("en",)) != component(("de",))
