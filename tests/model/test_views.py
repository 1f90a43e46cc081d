"""Rows that the model learns from look like rows that it will answer."""

import numpy as np
import pandas as pd

from mlbot.model.train import fit_plain
from mlbot.model.views import StaticView, unit_rows
from mlbot.settings import load_settings


class Sounds:
    """An encoder whose vector of a text is not the mean of those of its words: it adds a part that only this text has."""
    width, origin = 24, {}

    def words(self):
        return []

    def vectors(self, texts):
        drawn = [np.random.default_rng([ord(letter) for letter in text]).normal(size=self.width) for text in texts]
        means = [np.mean([np.random.default_rng([ord(letter) for letter in word]).normal(size=self.width)
                          for word in text.split()] or [np.zeros(self.width)], axis=0) for text in texts]
        return np.array(means, np.float32) + 0.5 * np.array(drawn, np.float32)

    def __deepcopy__(self, memo):
        return self


DICE = np.random.default_rng(0)
WORDS = [f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
TEXTS = [" ".join(DICE.choice(WORDS, 4)) for _ in range(400)]


def likeness(found: np.ndarray, texts: list[str]) -> float:
    """The mean cosine between vectors of a view and those of the encoder."""
    return float((found * unit_rows(Sounds().vectors(texts))).sum(axis=1).mean())


def test_a_training_row_is_no_closer_to_the_encoder_than_a_new_one():
    """Bent with its own text, a row is closer than any new text will be; crossed, it is as far."""
    seen, new = TEXTS[:60], TEXTS[60:]
    for folds, at_most in ((5, 0.02), (1, 1.0)):
        view = StaticView(Sounds(), strength=0.3, folds=folds)
        found = view.fit_transform(seen)
        more = likeness(found, seen) - likeness(view.transform(new), new)
        assert more < at_most if folds > 1 else more > 0.05


def test_equal_texts_do_not_bend_for_each_other():
    view = StaticView(Sounds(), strength=0.3)
    twice = view.fit_transform(TEXTS[:60] + TEXTS[:60])
    assert np.allclose(twice[:60], twice[60:], atol=1e-5)
    assert likeness(twice, TEXTS[:60] * 2) < likeness(view.transform(TEXTS[:60]), TEXTS[:60]) - 0.05


def test_one_text_alone_is_not_crossed():
    view = StaticView(Sounds())
    assert np.allclose(view.fit_transform(["worda wordb"]), view.transform(["worda wordb"]))


def test_answering_takes_the_bend_of_all_rows():
    """The pipeline crosses its training rows only; what it answers with is fitted on all of them."""
    rows = pd.DataFrame({"text": TEXTS[:80], "intent": np.array(["one", "two"])[np.arange(80) % 2]})
    static = load_settings().model.__class__(**{**vars(load_settings().model), "tier": "static"})
    view = fit_plain(rows, [], static, Sounds()).named_steps["views"].named_transformers_["dense"][0]
    alone = StaticView(Sounds()).fit(rows["text"])
    assert np.array_equal(view.codes_, alone.codes_)
