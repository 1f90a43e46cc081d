"""A model that saw no text out of scope still declines what is unlike its training rows, and says what to expect of that."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.errors import InputError
from mlbot.model.artefact import build_artefact, read_artefact, scope_words, write_artefact
from mlbot.model.encoder import load_encoder
from mlbot.model.encoder_files import write_tiny_encoder
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.scope import in_scope_probabilities
from mlbot.model.train import train
from mlbot.settings import load_settings
from mlbot.stats.scores import area_under_roc

MODEL = load_settings().model
THINGS = "badge laptop holiday parking invoice desk phone printer".split()
FRAMES = ("I need a {}", "where is my {}", "give me the {} please", "the {} is lost", "a new {} today", "who has a {}")
ROWS = pd.DataFrame([{"text": frame.format(thing), "intent": thing} for thing in THINGS for frame in FRAMES])
ASKED = pd.DataFrame({"text": [f"please send a {thing} now" for thing in THINGS], "intent": THINGS})
STRANGE = pd.DataFrame({"text": ["sing songs about football", "what will tomorrow's weather be", "tell jokes", "qwertz uiop",
                                 "how old are stars", "cook dinner"]})


@pytest.fixture(scope="module", params=["light", "static", "encoder"])
def trained(request, tmp_path_factory):
    """A model of each tier, with its settings."""
    words = sorted(set(" ".join([*ROWS["text"], *ASKED["text"], *STRANGE["text"]]).lower().split()))
    folder = write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny", words, width=16)
    encoder = load_encoder(str(folder), words) if request.param != "light" else None
    settings = replace(MODEL, tier=request.param, encoder=str(folder), encoder_weight=0.5)
    pipeline = train(ROWS, [], settings, encoder=encoder)
    return pipeline, to_artefact(pipeline, settings, {}), settings


def test_it_is_served_as_it_was_trained(trained, tmp_path):
    """The fast path computes what the pipeline does, from few centres and never from a row."""
    pipeline, artefact, settings = trained
    model = Predictor(read_artefact(write_artefact(artefact, tmp_path / artefact.name)))
    assert model.has_scope and model.scope_rows == 0 and "scope_weights" not in artefact.weights
    for rows in (ASKED, STRANGE):
        assert np.abs(model.ask(rows)[1] - in_scope_probabilities(pipeline, rows)).max() < 1e-5
    centres = artefact.weights.get("scope_centres")
    assert (centres is None) == (settings.tier == "light")
    assert centres is None or len(THINGS) <= len(centres) < len(ROWS) / 2


def test_it_parts_the_strange_from_the_known(trained):
    pipeline, _, _ = trained
    inside, outside = (in_scope_probabilities(pipeline, rows) for rows in (ASKED, STRANGE))
    assert area_under_roc(inside, outside) > 0.85


def test_it_declines_few_training_rows_and_says_how_many_hidden_ones(trained):
    pipeline, artefact, settings = trained
    scope = pipeline.scope
    assert scope.alarms <= settings.scope_alarms and 0 <= scope.recall <= 1 and scope.asked >= 20
    said = scope_words(artefact.manifest)
    assert "without a labelled text" in said and f"n={scope.asked:,}" in said


def test_a_share_of_0_switches_it_off_and_a_larger_one_declines_more(trained):
    pipeline, _, settings = trained
    encoder = pipeline.named_steps["views"].named_transformers_.get("dense")
    encoder = encoder[0].encoder if encoder is not None else None
    assert train(ROWS, [], replace(settings, scope_alarms=0.0), encoder=encoder).scope is None
    more = train(ROWS, [], replace(settings, scope_alarms=0.5), encoder=encoder).scope
    assert more.threshold >= pipeline.scope.threshold and more.recall >= pipeline.scope.recall


def test_two_intents_are_too_few_to_hide_one():
    two = pd.concat([ROWS[ROWS["intent"].isin(THINGS[:2])]] * 5)
    assert train(two, [], MODEL).scope is None


def test_training_twice_gives_the_same_bytes(trained):
    pipeline, artefact, settings = trained
    encoder = pipeline.named_steps["views"].named_transformers_.get("dense")
    again = train(ROWS, [], settings, encoder=encoder[0].encoder if encoder is not None else None)
    assert to_artefact(again, settings, {}).name == artefact.name


@pytest.mark.parametrize("change, facts, says", [
    ({"scope_centres": np.zeros((2, 3))}, {}, "scope_centres has shape"),
    ({"scope_centres": np.full((2, 16), np.nan)}, {}, "scope_centres holds"),
    ({}, {"scope_rows": 25}, "scope_weights is missing"),
    ({}, {"scope_expected": {"alarms": 2}}, "scope_expected"),
])
def test_a_component_that_does_not_fit_is_refused(trained, tmp_path, change, facts, says):
    """Also one that says it was trained on labels and has no weights."""
    _, good, settings = trained
    if settings.tier == "light" and change:
        pytest.skip("light has no vectors")
    names = ("model", "scope_threshold", "scope_rows", "versions", "components")
    told = {name: good.manifest[name] for name in names} | facts
    bad = build_artefact(good.manifest["intents"], [], good.vocabulary, {**good.weights, **change}, told, good.files)
    with pytest.raises(InputError, match=says):
        read_artefact(write_artefact(bad, tmp_path / "model"))
