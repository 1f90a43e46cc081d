"""Confidence is as high as accuracy allows, and where it may be off the report says by how much."""

import numpy as np
import pytest

from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.model.classifier import MANY, IntentClassifier, at_all_rows, inverse_temperature_of
from mlbot.model.views import build_views
from mlbot.run.examination import gap_words
from mlbot.settings import load_settings
from mlbot.stats.scores import confidence_gap

SETTINGS = load_settings()
SIDES = split(read_utterances(sample_file(), Columns(), SETTINGS.data), SETTINGS.data)


def terms_of(rows):
    """The columns of texts, and their intents."""
    return build_views(SETTINGS.model, []).fit_transform(rows[["text"]]).tocsr(), rows["intent"].to_numpy(str)


def test_temperature_is_carried_over_to_all_rows():
    """Models of two thirds have smaller margins and ask for a sharper temperature than the model of all rows may have."""
    terms, intents = terms_of(SIDES.train)
    classifier = IntentClassifier().fit(terms, intents)
    alone = inverse_temperature_of(classifier.held_out_, np.searchsorted(classifier.classes_, intents))
    assert 1.01 < alone < 1 / 0.7


def test_few_rows_and_two_folds_carry_nothing_over():
    terms, intents = terms_of(SIDES.train.groupby("intent").head(5))
    assert len(intents) < MANY
    for classifier in (IntentClassifier(), IntentClassifier(once=True)):
        fitted = classifier.fit(terms, intents)
        codes = np.searchsorted(fitted.classes_, intents)
        if len(fitted.held_out_) == len(codes):
            assert inverse_temperature_of(fitted.held_out_, codes) == pytest.approx(1, abs=1e-3)
    assert at_all_rows(4.0, 9.0, folds=2) == 4.0


@pytest.mark.parametrize("most, fewer", [(5.0, 500.0), (5.0, 0.1)])
def test_an_odd_fold_moves_the_temperature_little(most, fewer):
    assert 0.7 * most < at_all_rows(most, fewer, folds=3) <= most


def test_a_wide_gap_is_told_and_a_small_one_is_not():
    right = np.arange(1_000) % 10 > 0
    assert gap_words(confidence_gap(np.full(1_000, 0.9), right), "the test rows") == ""
    told = gap_words(confidence_gap(np.full(1_000, 0.98), right), "the test rows")
    assert "points higher than accuracy on the test rows (mean +8.0" in told
    assert "points lower" in gap_words(confidence_gap(np.full(1_000, 0.8), right), "the test rows")
    assert gap_words(confidence_gap(np.full(30, 0.9), right[:30]), "production"), "thirty rows cannot say that it is small"
    assert gap_words(confidence_gap([], []), "production") == ""
