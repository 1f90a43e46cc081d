"""The model is put beside what one would pick instead, on any data, and what cannot be measured is said."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.errors import InputError, NoVerdict
from mlbot.model import baselines as benchmark
from mlbot.model.baselines import area_under_roc, contest, measure
from mlbot.model.encoder_files import write_tiny_encoder
from mlbot.settings import load_settings

SETTINGS = load_settings()
SIDES = split(read_utterances(sample_file(), Columns(context=("role", "location")), SETTINGS.data), SETTINGS.data)


def test_the_area_under_the_roc_curve_is_that_of_scikit_learn():
    from sklearn.metrics import roc_auc_score
    draws = np.random.default_rng(0)
    inside, outside = draws.integers(0, 9, 300) + 1.0, draws.integers(0, 9, 80) + 0.0
    truth = np.r_[np.ones(300), np.zeros(80)]
    assert area_under_roc(inside, outside) == pytest.approx(roc_auc_score(truth, np.r_[inside, outside]))


def test_rows_out_of_scope_are_scored_by_a_threshold_of_training_rows():
    strange = pd.DataFrame({"text": ["qqq www eee", "xyz", "lorem ipsum dolor"] * 20, "intent": "oos", "role": "",
                            "location": "", "side": "test"})
    sides = type(SIDES)(**{**vars(SIDES), "out_of_scope": strange})
    names = ("mlbot light", "majority")
    ours, always = (measure(name, sides, ["role", "location"], SETTINGS.model, asked=5) for name in names)
    assert ours.auroc > 0.9 and ours.refused > 0.8 and 0 <= ours.lost < 0.2 and ours.accuracy.value > 0.9
    assert ours.seconds > 0 and ours.microseconds > 0 and 0.1 < ours.size < 5
    assert np.isnan(always.auroc) and np.isnan(always.lost) and always.accuracy.value < 0.2


def test_a_model_that_has_learnt_what_is_out_of_scope_is_scored_by_that():
    """With training rows out of scope, ours is judged by its chance to be in scope, the others by their confidence."""
    nouns = ("moon", "soup", "song", "rose", "tower")
    said = [f"{verb} the {noun}" for verb in ("sing", "paint", "cook", "dance") for noun in nouns]
    asked = [f"please {verb} that {noun}" for verb in ("sing", "paint", "cook") for noun in ("song", "soup", "rose")]
    strange = pd.DataFrame({"text": said + asked, "intent": "oos", "role": "", "location": "",
                            "side": ["train"] * len(said) + ["test"] * len(asked)})
    sides = type(SIDES)(**{**vars(SIDES), "out_of_scope": strange})
    names = ("mlbot light", "TF-IDF + logistic regression")
    ours, theirs = (measure(name, sides, ["role", "location"], SETTINGS.model, asked=5) for name in names)
    assert (ours.score, theirs.score) == ("in scope", "confidence")
    untaught = type(SIDES)(**{**vars(SIDES), "out_of_scope": strange[strange["side"] == "test"]})
    plain = measure("mlbot light", untaught, ["role", "location"], SETTINGS.model, asked=5)
    assert plain.score == "confidence" and ours.auroc > plain.auroc
    assert "  in scope  " in benchmark.row_of(ours) and "  confidence  " in benchmark.row_of(plain)


def test_a_contender_that_fails_is_said_and_ours_is_an_error(monkeypatch):
    monkeypatch.setitem(benchmark.CONTENDERS, "no such library", None)
    monkeypatch.setitem(benchmark.NEEDS, "no such library", ("no_such_library", "x"))
    told, = contest(SIDES, ["role"], SETTINGS.model, names=["no such library"])
    assert told == "no such library needs what is not installed: python3 -m pip install x"
    nothing = type(SIDES)(**{**vars(SIDES), "train": SIDES.train.iloc[:1]})
    with pytest.raises(InputError, match="1 intents"):
        list(contest(nothing, ["role"], SETTINGS.model, names=["mlbot light"]))
    untested = type(SIDES)(**{**vars(SIDES), "test": SIDES.test.iloc[:0]})
    with pytest.raises(InputError, match="no test row in scope"):
        contest(untested, ["role"], SETTINGS.model)
    with pytest.raises(InputError, match="did you mean fastText"):
        list(contest(SIDES, ["role"], SETTINGS.model, names=["fasttext"]))


@pytest.mark.long
def test_each_tier_is_a_contender_and_an_encoder_that_is_nowhere_is_said(tmp_path, monkeypatch):
    words = sorted(set(" ".join(SIDES.train["text"]).lower().split()))
    folder = write_tiny_encoder(tmp_path / "tiny", words, width=16)
    model = replace(SETTINGS.model, encoder=str(folder))
    light, static, encoder = contest(SIDES, ["role"], model, names=["mlbot light", "mlbot static", "mlbot encoder"])
    assert min(entry.accuracy.value for entry in (light, static, encoder)) > 0.6
    assert light.size < static.size < encoder.size and encoder.seconds > 0
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    told, = contest(SIDES, ["role"], replace(model, encoder="team/nowhere"), names=["mlbot static"])
    assert told.startswith("mlbot static failed: no encoder 'team/nowhere'")


def test_a_death_is_no_verdict(monkeypatch):
    monkeypatch.setattr(benchmark, "_work", die)
    with pytest.raises(NoVerdict, match="mlbot light died"):
        list(contest(SIDES, ["role"], SETTINGS.model, names=["mlbot light"]))


def die(*words):
    import os
    os._exit(9)


@pytest.mark.long
def test_the_command_prints_one_table(project, mlbot):
    done = mlbot("benchmark", "sample", "--only", "majority", "TF-IDF + logistic regression", "mlbot light")
    assert done.returncode == 0, done.stderr
    rows = {line[:28].strip(): line[28:].split() for line in done.stdout.splitlines() if re.search(r" us .* MB$", line)}
    shares = {name: float(values[0]) for name, values in rows.items()}
    assert shares["majority"] < shares["TF-IDF + logistic regression"] < shares["mlbot light"]
    assert "338 training rows" in done.stdout
    wrong = mlbot("benchmark", "sample", "--only", "mlbt")
    assert wrong.returncode == 2 and not wrong.stdout.startswith(" ")


def test_long_texts_are_answered_and_the_next_step_knows_the_columns(project, mlbot):
    with open(project / "settings.ini", "a") as settings:
        settings.write("max_characters = 20000\n")
    rows = "".join(f"word{at} {'so long ' * (900 * (at % 3))},intent {at % 2},r\n" for at in range(60))
    (project / "long.csv").write_text("text,label,role\n" + rows)
    done = mlbot("benchmark", "long.csv", "--intent", "label", "--context", "role", "--only", "mlbot light")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("mlbot run --data long.csv --intent label --context role")
