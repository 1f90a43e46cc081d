"""Labels of production correct how sure a model is: only where that surely helps, and never what it answers."""

import numpy as np
import pytest

from mlbot.errors import InputError, NoVerdict
from mlbot.model.artefact import build_artefact, read_artefact, write_artefact
from mlbot.model.predict import Predictor
from mlbot.model.recalibration import best_shift, recalibrate, tempered, with_calibration

FACTS = {"model": {"words": [1, 1], "characters": [2, 2]}, "components": {"intent": "abc"}}
VOCABULARY = {"words": ["badge", "leave", "new"], "char_ngrams": ["ba", "le"]}
NUMBERS = {"weights": np.array([[2, 0], [0, 2], [0.2, 0.1], [1, 0], [0, 1]]), "bias": np.zeros(2), "idf": np.ones(5),
           "scope": np.array([2.0, -1.0])}
MODEL = build_artefact(["badge", "leave"], [], VOCABULARY, NUMBERS, FACTS | {"scope_threshold": 0.5})
TEXTS = ["my badge", "leave today", "new", "new badge or leave"]


def labelled(n: int, says: float, right: float, seed: int = 0):
    """Messages of which the model says that it is right with one probability, and is with another."""
    dice = np.random.default_rng(seed)
    probabilities = np.column_stack([np.clip(dice.normal(says, 0.03, n), 0.55, 0.99), np.zeros(n)])
    probabilities[:, 1] = 1 - probabilities[:, 0]
    return probabilities, np.ones(n), dice.random(n) < right, np.ones(n, bool), np.arange(n)


def test_too_sure_a_model_becomes_milder_and_the_gap_closes_on_labels_that_did_not_choose():
    found = recalibrate(*labelled(600, 0.92, 0.75))
    assert found.helps and found.times < 0.7 and found.before.low > 0.1 and found.after.low < 0 < found.after.high


def test_one_that_is_too_modest_becomes_surer():
    found = recalibrate(*labelled(600, 0.7, 0.95))
    assert found.helps and found.times > 1.5 and found.before.high < 0


def test_an_honest_model_is_left_alone():
    assert not recalibrate(*labelled(600, 0.9, 0.9)).helps


def test_a_label_counts_for_the_messages_it_stands_for():
    """Unsure messages are labelled ten times as often: by weight, the gap and the correction are those of all messages."""
    sure, unsure = labelled(2_000, 0.95, 0.95), labelled(2_000, 0.65, 0.45, seed=1)
    taken = 200  # of the sure ones, and all unsure ones
    audit = [np.concatenate([one[:taken], two]) for one, two in zip(sure[:4], unsure[:4], strict=True)]
    weights = np.where(np.arange(taken + 2_000) < taken, 10.0, 1.0)
    plain, weighed = (recalibrate(*audit, np.arange(taken + 2_000), weights=how) for how in (None, weights))
    everything = recalibrate(*[np.concatenate(both) for both in zip(sure[:4], unsure[:4], strict=True)], np.arange(4_000))
    assert abs(weighed.before.value - everything.before.value) < 0.03 < abs(plain.before.value - everything.before.value)
    assert abs(weighed.times - everything.times) < 0.1 < abs(plain.times - everything.times)


def test_labels_of_one_text_are_one_label():
    """The same text a hundred times says no more than once."""
    probabilities, in_scope, right, known, _ = labelled(200, 0.92, 0.8)
    assert recalibrate(probabilities, in_scope, right, known, np.arange(200)).gain.effective == 200
    assert recalibrate(probabilities, in_scope, right, known, np.arange(200) // 50).gain.effective == 4


def test_few_labels_in_scope_are_refused():
    probabilities, in_scope, right, known, groups = labelled(150, 0.9, 0.7)
    with pytest.raises(NoVerdict, match="99 audited labels in scope"):
        recalibrate(probabilities, in_scope, right, np.arange(150) < 99, groups)


def test_the_odds_to_be_in_scope_move_only_by_labels_of_both_kinds():
    known = np.arange(400) % 2 == 0
    assert best_shift(np.full(400, 0.9), known) == pytest.approx(-np.log(9), abs=0.1)
    assert best_shift(np.full(400, 0.9), np.arange(400) >= 19) == 0


def test_the_model_keeps_its_answers_and_components_and_is_another_version(tmp_path):
    found = recalibrate(*labelled(600, 0.92, 0.75))
    new = with_calibration(MODEL, found, 600)
    stored = read_artefact(write_artefact(new, tmp_path / new.name))
    assert new.name != MODEL.name and stored.manifest["calibration"] == {"of": MODEL.name, "labels": 600}
    assert stored.manifest["components"]["intent"] == "abc" and len(stored.manifest["components"]["calibration"]) == 12
    old, milder = Predictor(MODEL), Predictor(stored)
    for text in TEXTS:
        assert old.predict(text).intent == milder.predict(text).intent
    before = old.probabilities(TEXTS)
    assert np.allclose(milder.probabilities(TEXTS), tempered(before, found.times), atol=1e-5)
    twice = with_calibration(new, found, 600)
    assert np.allclose(Predictor(twice).probabilities(TEXTS), tempered(before, found.times ** 2), atol=1e-5)


def test_the_shift_moves_the_probability_to_be_in_scope():
    found = recalibrate(*labelled(600, 0.92, 0.75))
    shifted = with_calibration(MODEL, type(found)(1.0, -1.0, found.before, found.after, found.gain), 600)
    for text in TEXTS:
        old, new = Predictor(MODEL).predict(text).in_scope, Predictor(shifted).predict(text).in_scope
        assert np.log(new / (1 - new)) == pytest.approx(np.log(old / (1 - old)) - 1, abs=1e-4)


@pytest.mark.parametrize("numbers, says", [([0.0, 0.0], "temperature of 0"), ([-1.0, 0.0], "temperature of 0"),
                                           ([np.nan, 0.0], "calibration holds"), ([1.0], "calibration has shape")])
def test_a_calibration_that_cannot_be_is_refused(tmp_path, numbers, says):
    bad = build_artefact(["badge", "leave"], [], VOCABULARY, {**NUMBERS, "calibration": np.array(numbers)}, FACTS)
    with pytest.raises(InputError, match=says):
        read_artefact(write_artefact(bad, tmp_path / "model"))
