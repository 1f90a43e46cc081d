"""What an intent is called is an example where rows are few, and a name that says nothing changes nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.ledger import digests_of
from mlbot.model.export import to_artefact
from mlbot.model.names import name_rows
from mlbot.model.predict import Predictor
from mlbot.model.train import fit_plain, train
from mlbot.settings import load_settings

MODEL = load_settings().model
WITHOUT = replace(MODEL, name_rows=0)
ROWS = pd.DataFrame({
    "text": ["it is gone", "somebody took mine", "where can it be", "not in my pocket", "my card is nowhere",
             "money back please", "i want a refund", "send the money back", "pay me back", "give back what i paid",
             "nobody let me in", "the door stays shut", "the light is red", "the reader beeps", "no entry for me"],
    "intent": ["lostCard"] * 5 + ["refund.request"] * 5 + ["badge_reader"] * 5})
ASKED = ["a lost card", "lost", "a request", "the badge"]


def weights_of(rows, settings, **how) -> dict:
    """The components of a model of these rows, each with a digest of its weights."""
    return to_artefact(train(rows, [], settings, **how), settings, {}).manifest["components"]


def test_words_that_only_the_name_has_are_known():
    """Training and serving alike take the words of a name as an example of its intent; without name_rows nobody does."""
    pipeline = train(ROWS, [], MODEL)
    served = Predictor(to_artefact(pipeline, MODEL, {}))
    wanted = ["lostCard", "lostCard", "refund.request", "badge_reader"]
    assert [served.predict(text).intent for text in ASKED] == wanted
    theirs = pipeline.predict_proba(pd.DataFrame({"text": ASKED}))
    assert np.abs(served.probabilities(ASKED) - theirs).max() < 1e-5
    assert list(fit_plain(ROWS, [], MODEL).predict(pd.DataFrame({"text": ASKED}))) == wanted
    assert "badge" not in Predictor(to_artefact(train(ROWS, [], WITHOUT), WITHOUT, {}))._index["words"]


@pytest.mark.parametrize("called", [
    {"lostCard": "intent_1", "refund.request": "intent_2", "badge_reader": "intent_3"},
    {"lostCard": "17", "refund.request": "4", "badge_reader": "99"},
    {"lostCard": "Xqf", "refund.request": "zzv-K", "badge_reader": "wrrp"},
])
def test_names_that_say_nothing_leave_the_model_as_it_is(called):
    """Numbers, a word that all names have, and words that nobody uses teach nothing."""
    rows = ROWS.assign(intent=ROWS["intent"].map(called))
    assert weights_of(rows, MODEL) == weights_of(rows, WITHOUT)
    assert weights_of(ROWS, MODEL) != weights_of(ROWS, WITHOUT)


def test_an_intent_with_many_rows_needs_no_name():
    """Above name_rows rows the name is left out, so that models of many rows are what they were."""
    assert list(name_rows(ROWS, [], most=5)["text"]) == ["badge reader", "lost card", "refund request"]
    assert name_rows(ROWS, [], most=4).empty
    assert weights_of(ROWS, replace(MODEL, name_rows=4)) == weights_of(ROWS, WITHOUT)


def test_a_name_that_is_a_test_text_is_not_learnt():
    """The test stays closed: a name that is, word for word, one of its texts is no example."""
    test = digests_of(["Lost card", "Badge reader!", "Refund request"])
    assert weights_of(ROWS, MODEL, test=test) == weights_of(ROWS, WITHOUT)
    assert list(name_rows(ROWS, [], 5, test[:1])["text"]) != list(name_rows(ROWS, [], 5)["text"])


def test_nobody_is_asked_about_a_name():
    """Probabilities are calibrated on rows of people; each fold learns from the names and is asked about none."""
    classifier = train(ROWS, [], MODEL).named_steps["intent"]
    assert classifier.held_out_.shape == (len(ROWS), 3)
