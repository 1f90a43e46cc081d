"""Texts without a label and descriptions of intents teach where they help, and a test text never does."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from mlbot.data.ledger import digests_of
from mlbot.errors import InputError
from mlbot.model.classifier import IntentClassifier
from mlbot.model.export import to_artefact
from mlbot.model.train import fit_plain, train
from mlbot.model.unlabelled import learn_unlabelled
from mlbot.settings import load_settings

MODEL = load_settings().model
WORDS = {"badge": "badge door gate lock reader entry turnstile lobby key pass light beep".split(),
         "leave": "leave holiday beach days vacation off abroad rest week summer family trip".split()}


def spoken(count: int, seed: int, strange: float = 0.0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Columns, intents and texts of three words each; a share of them is about neither intent."""
    dice, every = np.random.default_rng(seed), sorted({*sum(WORDS.values(), []), "moon", "soup", "song", "poem"})
    names = dice.choice(["badge", "leave"], count)
    drawn = [["moon", "soup", "song", "poem"] if dice.random() < strange else WORDS[name] for name in names]
    texts = [" ".join(dice.choice(words, 3, replace=False)) for words in drawn]
    return np.array([[float(word in text.split()) for word in every] for text in texts]), names, texts


FEW, NEW, ASKED = spoken(8, 13), spoken(200, 1, strange=0.3), spoken(200, 2)
ROWS = pd.DataFrame({"text": FEW[2], "intent": FEW[1]})


def taught(labels: np.ndarray, more: np.ndarray) -> tuple[IntentClassifier, IntentClassifier, object]:
    """A classifier of few rows, the same one after it has met `more` columns, and what they were worth."""
    first, second = (IntentClassifier(folds=2).fit(csr_matrix(FEW[0]), labels, texts=FEW[0].shape[1]) for _ in range(2))
    terms, intents = csr_matrix(np.vstack([FEW[0], more])), np.append(labels, [""] * len(more))
    return first, second, learn_unlabelled(second, terms, intents, len(labels), FEW[0].shape[1])


def test_words_that_no_labelled_row_has_are_learnt():
    """Unseen words get their meaning from the texts that hold them beside known ones, with strangers among these texts."""
    before, after, found = taught(FEW[1], NEW[0])
    right = [(it.predict(csr_matrix(ASKED[0])) == ASKED[1]).mean() for it in (before, after)]
    assert found.used and found.texts == 200 and right[1] > right[0] + 0.02


def test_texts_that_make_held_out_answers_worse_are_not_used():
    """Labels that say nothing about the words: the texts teach what is wrong, and the classifier stays as it was."""
    labels = np.random.default_rng(1).permutation(np.array(["badge", "leave"])[np.arange(8) % 2])
    before, after, found = taught(labels, np.tile(NEW[0][:30], (20, 1)))
    assert found.broke > found.healed and found.taught and not found.used and "not used" in str(found)
    assert np.array_equal(before.weights_, after.weights_)


def test_a_text_of_the_test_stops_the_training():
    """A text is no less of the test for having no label: it is refused, as a row is, and so is a description."""
    closed = digests_of(["Gate lock entry"])
    for intent in ("", "badge"):
        extra = pd.DataFrame({"text": ["gate  lock entry"], "intent": [intent]})
        with pytest.raises(InputError, match="1 test rows were handed to training"):
            train(ROWS, [], MODEL, closed, extra=extra)


def test_what_training_has_read_is_in_its_ledger_and_its_manifest():
    """Texts without a label count as read: an audit finds them, and the manifest says what they were worth."""
    extra = pd.DataFrame({"text": NEW[2], "intent": ""})
    pipeline = train(ROWS, [], MODEL, extra=extra)
    assert np.isin(digests_of(NEW[2]), pipeline.trained_on).all()
    facts = to_artefact(pipeline, MODEL, {}).manifest["unlabelled"]
    assert facts["texts"] == 200 and facts["rows"] == len(ROWS) and facts["used"] == pipeline.unlabelled.used
    plain = train(ROWS, [], MODEL)
    assert "unlabelled" not in to_artefact(plain, MODEL, {}).manifest


def test_a_description_teaches_an_intent_with_few_rows():
    """Its words are an example where rows are few; above name_rows, and for an unknown intent, they change nothing."""
    rows = pd.DataFrame({"text": ["it is gone", "where can it be", "send it back", "pay me back"],
                         "intent": ["lost_card"] * 2 + ["refund"] * 2})
    extra = pd.DataFrame({"text": ["somebody stole my wallet", "a parcel"], "intent": ["lost_card", "parcel"]})
    asked = pd.DataFrame({"text": ["stole my wallet"]})
    none = replace(MODEL, name_rows=1)
    assert train(rows, [], MODEL, extra=extra).predict(asked).tolist() == ["lost_card"]
    assert fit_plain(rows, [], MODEL, extra=extra).predict(asked).tolist() == ["lost_card"]
    with_it, without = (to_artefact(train(rows, [], none, **how), none, {}) for how in ({"extra": extra}, {}))
    assert with_it.manifest["components"] == without.manifest["components"]
