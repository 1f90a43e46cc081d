"""Scores agree with the libraries people know, and intervals hold what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from mlbot.errors import InputError
from mlbot.evaluate import (
    accuracy,
    calibration_error,
    macro_f1,
    most_confused,
    recall_by_intent,
    share,
)
from mlbot.noise import wilson

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.choice(list("abcde"), 300)
GUESS = np.where(RANDOM.random(300) < 0.7, TRUTH, RANDOM.choice(list("abcdef"), 300))


def test_values_are_those_of_scikit_learn():
    assert accuracy(TRUTH, GUESS).value == accuracy_score(TRUTH, GUESS)
    assert np.isclose(macro_f1(TRUTH, GUESS).value, f1_score(TRUTH, GUESS, average="macro"))
    recalls = {score.metric: score.value for score in recall_by_intent(TRUTH, GUESS)}
    assert np.allclose([recalls[name] for name in "abcde"], recall_score(TRUTH, GUESS, labels=list("abcde"), average=None))


@given(st.integers(1, 5000), st.data())
def test_the_interval_is_wilson_s_with_the_continuity_correction(n, data):
    hits = data.draw(st.integers(0, n))
    theirs = binomtest(hits, n).proportion_ci(method="wilsoncc")
    assert np.allclose(wilson(hits, n), (theirs.low, theirs.high), atol=1e-9)


@pytest.mark.parametrize("metric", [macro_f1, lambda t, g: calibration_error(np.full(len(t), 0.7), t == g)])
def test_a_bootstrap_repeats_and_holds_its_value(metric):
    first = metric(TRUTH, GUESS)
    assert first == metric(TRUTH, GUESS) and first.low <= first.value + 0.05 and first.low < first.high


@pytest.mark.parametrize("flags", [[float("nan")] * 3, ["False", "no"], [2, -1], [True, None], [1, 0]])
def test_a_share_counts_nothing_but_true_and_false(flags):
    with pytest.raises(InputError):
        share("x", flags)


@pytest.mark.parametrize("truth, predicted", [(["a", "b"], ["a"]), (["a", "b"], ["a", None]), ([None], [None]),
                                              (["a"], [float("nan")])])
def test_a_missing_label_or_prediction_is_refused(truth, predicted):
    for metric in (accuracy, macro_f1, recall_by_intent):
        with pytest.raises(InputError):
            metric(truth, predicted)


def test_confusions_are_counted_with_an_example():
    worst = most_confused(["a", "a", "a", "b"], ["b", "b", "a", "c"], ["one", "two", "three", "four"])
    assert [(item.intent, item.predicted, item.n, item.of, item.example) for item in worst] == \
        [("a", "b", 2, 3, "one"), ("b", "c", 1, 1, "four")]
