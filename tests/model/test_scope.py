"""What is out of scope is known by a component of its own, whose threshold follows from what mistakes cost."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.model.artefact import build_artefact, read_artefact, write_artefact
from mlbot.model.classifier import (
    IntentClassifier,
    count_weights,
    inverse_temperature_of,
    log_probabilities,
    margin_weights,
    nb_weight_of,
)
from mlbot.model.encoder import load_encoder
from mlbot.model.encoder_files import write_tiny_encoder
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.scope import MIN_OUTSIDE, cheapest_threshold, in_scope_probabilities
from mlbot.model.train import fit_plain, learning_curve, train
from mlbot.model.views import build_views
from mlbot.settings import Costs, load_settings
from mlbot.stats.scores import area_under_roc

SETTINGS = load_settings()
SIDES = split(read_utterances(sample_file(), Columns(context=("role", "location")), SETTINGS.data), SETTINGS.data)
CONTEXT = ["role", "location"]
TOPICS = "weather football moon dinner movie song horoscope lottery garden poem".split()


def strangers(side: str, start: int) -> pd.DataFrame:
    """Texts about what no process is for."""
    frames = ("tell me about the {} tonight", "what is the best {} ever", "do you like my {} {}", "sing of the {} please")
    texts = [frame.format(topic, at) for at, (topic, frame) in enumerate([(t, f) for f in frames for t in TOPICS], start)]
    return pd.DataFrame({"text": texts, "intent": "oos", "role": "", "location": "", "side": side})


OUTSIDE = strangers("train", 0)


@pytest.fixture(scope="module", params=["light", "static", "encoder"])
def trained(request, tmp_path_factory):
    words = sorted(set(" ".join([*SIDES.train["text"], *OUTSIDE["text"]]).lower().split()))
    folder = write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny", words, width=16)
    encoder = load_encoder(str(folder), words) if request.param != "light" else None
    settings = replace(SETTINGS.model, tier=request.param, encoder=str(folder), encoder_weight=0.5)
    pipeline = train(SIDES.train, CONTEXT, settings, encoder=encoder, outside=OUTSIDE, costs=SETTINGS.costs)
    return pipeline, to_artefact(pipeline, settings, {})


def test_the_component_answers_as_it_was_trained_and_parts_the_strange_from_the_known(trained, tmp_path):
    pipeline, artefact = trained
    model = Predictor(read_artefact(write_artefact(artefact, tmp_path / artefact.name)))
    strange = strangers("test", 500)
    for rows in (SIDES.test, strange):
        assert np.abs(model.ask(rows)[1] - in_scope_probabilities(pipeline, rows)).max() < 1e-5
    inside, outside = model.ask(SIDES.test)[1], model.ask(strange)[1]
    assert area_under_roc(inside, outside) > 0.9
    assert (outside < model.scope_threshold).mean() > 0.7 and (inside < model.scope_threshold).mean() < 0.2
    assert (model.sure(strange)[outside < model.scope_threshold] == 0).all()
    reply = model.predict(strange["text"].iloc[0])
    assert reply.in_scope == pytest.approx(outside[0]) and any("out of scope" in note for note in reply.notes)
    assert not any("out of scope" in note for note in model.predict("I need a new card", role="sales").notes)


def test_the_intents_are_the_same_with_and_without_the_component(trained):
    pipeline, artefact = trained
    encoder = pipeline.named_steps["views"].named_transformers_.get("dense")
    how, names = artefact.manifest["model"], ("tier", "encoder", "encoder_weight")
    settings = replace(SETTINGS.model, scope_alarms=0.0, **{name: how[name] for name in names if name in how})
    alone = train(SIDES.train, CONTEXT, settings, encoder=encoder[0].encoder if encoder is not None else None)
    other = to_artefact(alone, settings, {})
    assert alone.scope is None and "scope" not in other.weights
    mine, its = artefact.manifest["components"], other.manifest["components"]
    assert mine["intent"] == its["intent"] and len(mine["out_of_scope"]) == 12 and "out_of_scope" not in its
    assert ("encoder" in mine) == (settings.tier == "encoder")
    assert np.array_equal(alone.predict_proba(SIDES.test), pipeline.predict_proba(SIDES.test))
    assert (in_scope_probabilities(alone, SIDES.test) == 1).all()


def test_few_texts_out_of_scope_teach_nothing_and_test_rows_are_refused():
    few = OUTSIDE.head(MIN_OUTSIDE - 1)
    pipeline = train(SIDES.train, CONTEXT, SETTINGS.model, outside=pd.concat([few, few]))
    assert pipeline.scope.rows == 0 and len(pipeline.trained_on) == SIDES.train["digest"].nunique()
    with pytest.raises(InputError, match="40 test rows were handed to training"):
        train(SIDES.train, CONTEXT, SETTINGS.model, outside=strangers("test", 0))
    from mlbot.data.ledger import digests_of
    with pytest.raises(InputError, match="test"):
        train(SIDES.train, CONTEXT, SETTINGS.model, digests_of(OUTSIDE["text"].iloc[:3]), outside=OUTSIDE)
    remembered = train(SIDES.train, CONTEXT, SETTINGS.model, outside=OUTSIDE).trained_on
    assert set(digests_of(OUTSIDE["text"])) <= set(remembered)


def test_the_threshold_has_the_least_cost_of_all():
    dice = np.random.default_rng(0)
    inside = dice.random(400) < 0.8
    chances = np.round(np.clip(np.where(inside, dice.normal(0.8, 0.2, 400), dice.normal(0.4, 0.2, 400)), 0, 1), 3)
    weights = np.where(inside, 1.0, 0.5)

    def cost(threshold: float, costs: Costs) -> float:
        below = chances < threshold
        return float((weights * np.where(below, costs.handoff, costs.wrong * ~inside)).sum())
    for costs in (Costs(), Costs(wrong=4), Costs(wrong=100), Costs(handoff=9.9)):
        best = min(cost(threshold, costs) for threshold in [0.0, *np.unique(chances) + 1e-9, 1.1])
        assert cost(cheapest_threshold(chances, inside, weights, costs), costs) == pytest.approx(best)
    easy, strict = (cheapest_threshold(chances, inside, weights, Costs(wrong=wrong)) for wrong in (4, 100))
    assert easy < strict


def test_probabilities_are_as_sharp_as_rows_that_were_not_seen_allow(trained):
    dice = np.random.default_rng(0)
    margins = dice.normal(size=(20_000, 5))
    codes = np.array([dice.choice(5, p=row) for row in np.exp(log_probabilities(2.5 * margins))])
    assert inverse_temperature_of(margins, codes) == pytest.approx(2.5, rel=0.05)
    classifier = trained[0].named_steps["intent"]
    truth = np.searchsorted(classifier.classes_, SIDES.train["intent"])

    def loss(times: float) -> float:
        return -log_probabilities(times * classifier.held_out_)[np.arange(len(truth)), truth].mean()
    assert loss(1) < min(loss(0.8), loss(1.25))


def test_both_linear_models_speak_and_naive_bayes_of_the_text_alone():
    rows, context = SIDES.train, ["role", "location"]
    views, intents = build_views(SETTINGS.model, context), rows["intent"].to_numpy(str)
    terms, texts = views.fit_transform(rows[["text", *context]]).tocsr(), views.output_indices_["char_ngrams"].stop
    likely = count_weights(terms, intents, texts)
    assert likely.any(axis=1).all() and len(likely) == texts < terms.shape[1]
    classifier = IntentClassifier().fit(terms, intents, texts=texts)
    weights, bias = margin_weights(terms, intents, 1.0, 0)
    assert classifier.nb_weight_ > 0.001
    weights[:texts] += classifier.nb_weight_ * likely
    assert np.allclose(classifier.weights_, classifier.inverse_temperature_ * weights)
    assert np.allclose(classifier.bias_, classifier.inverse_temperature_ * bias)
    trained = train(rows, context, SETTINGS.model).named_steps["intent"]
    assert np.allclose(trained.weights_[texts:], classifier.weights_[texts:], rtol=1e-3, atol=1e-4)


def test_one_fold_is_enough_for_answers(trained):
    """What is fitted in half the time answers nearly the same, and keeps the rows of that fold."""
    whole = trained[0]
    once = fit_plain(SIDES.train, ["role", "location"], SETTINGS.model)
    assert len(once.named_steps["intent"].held_out_) < len(SIDES.train) / 2 < len(whole.named_steps["intent"].held_out_)
    assert (once.predict(SIDES.test) == whole.predict(SIDES.test)).mean() > 0.97


def test_intents_with_one_row_are_learnt_from_and_nobody_is_asked_about_them():
    """The first part of a learning curve may have one row an intent, or two of one of them."""
    words = ("card", "door", "trip", "refund")
    texts = [f"{word} {end}" for end in ("please now", "today", "for me", "again") for word in words]
    frame = pd.DataFrame({"text": texts, "intent": list("abcd") * 4})
    for rows in (4, 5):
        fitted = fit_plain(frame.head(rows), [], SETTINGS.model)
        assert fitted.named_steps["intent"].nb_weight_ == 0 and list(fitted.predict(frame.head(4))) == list("abcd")
    assert [n for n, *_ in learning_curve(frame, np.arange(16) >= 12, [], SETTINGS.model)] == [2, 3, 6, 12]


def test_naive_bayes_counts_half_of_what_the_log_loss_asks_for():
    dice = np.random.default_rng(0)
    margins, likely = dice.normal(size=(20_000, 5)), 20 * dice.normal(size=(20_000, 5))
    codes = np.array([dice.choice(5, p=row) for row in np.exp(log_probabilities(2 * margins + 0.1 * likely))])
    assert nb_weight_of(margins, likely, codes) == pytest.approx(0.05 / 2, rel=0.05)
    assert nb_weight_of(margins, dice.normal(size=likely.shape), codes) == pytest.approx(0, abs=0.02)
    assert nb_weight_of(dice.normal(size=margins.shape), likely, codes) == 0.1
    assert nb_weight_of(margins, np.zeros_like(likely), codes) == 0


@pytest.mark.parametrize("change, says", [
    ({"scope_weights": np.zeros(3)}, "scope_weights has shape"),
    ({"scope": np.zeros(3)}, "scope has shape"),
    ({"scope": np.array([np.nan, 0])}, "scope holds"),
])
def test_a_component_that_does_not_fit_is_refused(trained, tmp_path, change, says):
    _, good = trained
    facts = {name: good.manifest[name] for name in ("model", "scope_threshold", "scope_rows", "versions", "components")}
    bad = build_artefact(good.manifest["intents"], good.manifest["context"], good.vocabulary, {**good.weights, **change},
                         facts, good.files)
    with pytest.raises(InputError, match=says):
        read_artefact(write_artefact(bad, tmp_path / "model"))


@pytest.mark.parametrize("edit", [{"sha256": {"weights.safetensors": None}}, {"sha256": {"weights.safetensors": 5}},
                                  {"scope_threshold": float("nan")}, {"scope_threshold": "high"}])
def test_a_manifest_that_switches_checks_off_is_refused(trained, tmp_path, edit):
    import json
    folder = write_artefact(trained[1], tmp_path / "model")
    manifest = json.loads((folder / "manifest.json").read_text())
    changed = {name: {**manifest[name], **value} if isinstance(value, dict) else value for name, value in edit.items()}
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changed}))
    with pytest.raises(InputError):
        read_artefact(folder)
