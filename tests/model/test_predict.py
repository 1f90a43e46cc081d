"""What ships answers exactly as what was trained, needs next to nothing, and trusts no file."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.model import predict
from mlbot.model.artefact import build_artefact, read_artefact, write_artefact
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor, load, scores_and_scope
from mlbot.model.terms import WORDS_KEPT, weigh
from mlbot.model.train import train
from mlbot.origin import DISTRIBUTION
from mlbot.settings import load_settings
from mlbot.text.clean import normalise

SETTINGS = load_settings()
CONTEXT = ["role", "location"]
SAMPLE = split(read_utterances(sample_file(), Columns(context=tuple(CONTEXT)), SETTINGS.data), SETTINGS.data)
PIPELINE = train(SAMPLE.train, CONTEXT, SETTINGS.model)
ARTEFACT = to_artefact(PIPELINE, SETTINGS.model, {})
MODEL = Predictor(ARTEFACT)


@pytest.fixture
def folder(tmp_path):
    """A model folder."""
    return write_artefact(ARTEFACT, tmp_path / "model")


def ask_both(texts, roles):
    frame = pd.DataFrame({"text": [normalise(text) for text in texts], "role": roles, "location": "de"})
    ours = MODEL.probabilities(list(texts), frame[CONTEXT].to_dict("records"))
    return ours, PIPELINE.predict_proba(frame)


@given(st.text(st.characters(codec=None), min_size=1, max_size=80), st.sampled_from(["engineer", "wizard", ""]))
def test_any_text_gets_the_answer_of_scikit_learn(text, role):
    if normalise(text):
        ours, theirs = ask_both([text], [role])
        assert np.abs(ours - theirs).max() < 1e-5


def test_a_long_text_that_repeats_itself_gets_the_answer_of_scikit_learn():
    """As short and as long as a text may be."""
    for text in ("need need a need a card ", "a new card banana ", "a "):
        ours, theirs = ask_both([(text * times)[:5000] for times in (1, 2, 40, 2500)], ["engineer"] * 4)
        assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.parametrize("words", [(1, 1), (1, 3), (2, 2)])
def test_other_lengths_of_word_n_grams_get_the_answer_of_scikit_learn(words):
    other = replace(SETTINGS.model, words=words)
    pipeline = train(SAMPLE.train, CONTEXT, other)
    contexts = SAMPLE.test[CONTEXT].to_dict("records")
    ours = Predictor(to_artefact(pipeline, other, {})).probabilities(SAMPLE.test["text"], contexts)
    assert np.abs(ours - pipeline.predict_proba(SAMPLE.test)).max() < 1e-5


def test_every_sample_row_gets_the_answer_of_scikit_learn():
    rows = pd.concat([SAMPLE.train, SAMPLE.test])
    ours, theirs = ask_both(rows["text"], rows["role"])
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).all() and np.abs(ours - theirs).max() < 1e-5


def test_two_intents_work_although_scikit_learn_keeps_one_column():
    two = SAMPLE.train[SAMPLE.train["intent"].isin(["payslip", "book_room"])]
    pipeline = train(two, CONTEXT, SETTINGS.model)
    model = Predictor(to_artefact(pipeline, SETTINGS.model, {}))
    ours = model.probabilities(two["text"], two[CONTEXT].to_dict("records"))
    assert np.abs(ours - pipeline.predict_proba(two)).max() < 1e-5


def test_a_model_without_context_works_and_refuses_context():
    model = Predictor(to_artefact(train(SAMPLE.train, [], SETTINGS.model), SETTINGS.model, {}))
    assert model.predict("where is my payslip").intent == "payslip"
    with pytest.raises(InputError, match="no context column 'role'"):
        model.predict("where is my payslip", role="sales")


def test_order_batch_and_repetition_do_not_change_an_answer():
    texts = SAMPLE.test["text"].tolist()[:40]
    together = MODEL.probabilities(texts)
    assert (together[::-1] == MODEL.probabilities(texts[::-1])).all()
    assert (together == np.vstack([MODEL.probabilities([text]) for text in texts])).all()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda text: MODEL.probabilities([text])[0], texts * 20))
    assert (np.array(answers) == np.vstack([together] * 20)).all()


@pytest.mark.parametrize("other", ["I need a \u200bnew card", "\u202eI need a new card\u202c", "I  need\ta new\ncard ",
                                   "\uff29 need a new card", "I need a new card\x00"])
def test_invisible_differences_do_not_change_an_answer(other):
    assert MODEL.predict(other, role="sales") == MODEL.predict("I need a new card", role="sales")


def test_the_role_decides_what_the_words_do_not():
    assert MODEL.predict("I need a new card", role="sales").intent == "expense_claim"
    assert MODEL.predict("I need a new card", role="contractor").intent == "access_badge"


def test_an_unknown_role_is_noted_and_a_missing_one_is_not():
    assert MODEL.predict("I need a new card", role="wizard").notes == ("role is unknown to the model",)
    assert MODEL.predict("I need a new card").notes == MODEL.predict("I need a new card", role="").notes == ()
    assert MODEL.predict("I need a new card", role="wizard").ranking == MODEL.predict("I need a new card").ranking


def test_an_unknown_context_column_is_refused_with_the_name_that_was_meant():
    with pytest.raises(InputError, match=r"did you mean role\?"):
        MODEL.predict("I need a new card", rol="sales")


def test_invented_words_do_not_fill_the_memory(monkeypatch):
    """At most 20,000 words are kept, fewer where a word takes much, and none that is very long."""
    model, small = Predictor(ARTEFACT), Predictor(ARTEFACT)
    for start in range(0, 30_000, 500):
        text = " ".join(f"w{n}" for n in range(start, start + 500))
        model.predict(text)
        weigh(model, text, {})
    assert 0 < len(model._sums) <= WORDS_KEPT and 0 < len(model._of_word) <= WORDS_KEPT
    monkeypatch.setattr(predict, "_SUMS_KEPT", 0)
    monkeypatch.setattr(predict, "_FEWEST_KEPT", 30)
    small.predict(" ".join(f"w{n}" for n in range(50)))
    assert len(small._sums) == 20
    model.predict("x" * 4000)
    weigh(model, "x" * 4000, {})
    assert all(len(word) <= 40 for word in (*model._of_word, *model._sums))


@pytest.mark.parametrize("text", ["need", "I need a new card", "hello", "printer"])
def test_who_says_it_again_and_again_does_not_make_the_bot_surer(text):
    """Words that are repeated are as good as said once, but for the pairs where the end meets the start."""
    role = {"role": "sales"}
    once, often = (scores_and_scope(MODEL, " ".join([text.lower()] * times), role)[0] for times in (2, 100))
    assert abs(once.max() - often.max()) < 0.1 and once.argmax() == often.argmax()


def test_a_word_that_was_seen_before_says_what_it_said_the_first_time():
    text = "I need need a new-card, card " + "y" * 50
    first, used = Predictor(ARTEFACT), Predictor(ARTEFACT)
    used.probabilities(SAMPLE.test["text"])
    for _ in range(2):
        assert (first.probabilities([text]) == used.probabilities([text])).all()
    assert "need" in first._sums


def test_a_model_of_before_is_refused_with_what_to_do(folder):
    """It would be read as another model: its weights are of terms that were weighed otherwise."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "schema": 1}))
    with pytest.raises(InputError, match="release again: mlbot run"):
        read_artefact(folder)


def test_training_twice_writes_the_same_bytes(tmp_path):
    again = to_artefact(train(SAMPLE.train, CONTEXT, SETTINGS.model), SETTINGS.model, {})
    first, second = write_artefact(ARTEFACT, tmp_path / "a"), write_artefact(again, tmp_path / "b")
    for name in ("manifest.json", "vocabulary.json", "weights.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_model_loads_in_a_fresh_process_without_scikit_learn_or_pandas(folder):
    code = ("import sys; from mlbot.model.predict import load; model = load(sys.argv[1])\n"
            "print(model.predict('where is my payslip', role='engineer').intent)\n"
            "print(sorted({name.split('.')[0] for name in sys.modules} & {'sklearn', 'pandas', 'scipy', 'papermill'}))")
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["payslip", "[]"], done.stderr


@pytest.mark.parametrize("name", ["manifest.json", "vocabulary.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "missing"])
def test_a_damaged_file_is_refused(folder, name, damage):
    path = folder / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        at = len(data) // 2
        path.write_bytes({"truncated": data[:at], "empty": b"",
                          "flipped": data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]}[damage])
    try:
        loaded = load(folder)
    except InputError as error:
        assert str(folder) in str(error) or "champion" in str(error)
    else:  # a flipped bit in the manifest may still read; then the model has another name
        assert (name, damage) == ("manifest.json", "flipped") and loaded.name != ARTEFACT.name


def broken(**changes):
    parts = {"intents": ["a", "b"], "vocabulary": {"words": ["x", "y"], "char_ngrams": ["z"]},
             "weights": {"weights": np.ones((3, 2)), "bias": np.zeros(2), "idf": np.ones(3)}}
    parts["weights"] = {**parts["weights"], **changes.pop("weights", {})}
    parts |= changes
    return build_artefact(parts["intents"], [], parts["vocabulary"], parts["weights"],
                          {"model": {"words": [1, 2], "characters": [2, 4]}})


@pytest.mark.parametrize("changes, says", [
    ({"weights": {"bias": np.array([0, np.nan])}}, "not finite numbers"),
    ({"weights": {"weights": np.full((3, 2), np.inf)}}, "not finite numbers"),
    ({"weights": {"weights": np.ones((3, 3))}}, "to match vocabulary and intents"),
    ({"vocabulary": {"words": ["x"], "char_ngrams": ["z"]}}, "to match vocabulary and intents"),
    ({"intents": ["a", "b", "c"]}, "to match vocabulary and intents"),
])
def test_weights_that_are_no_numbers_or_do_not_fit_are_refused(tmp_path, changes, says):
    with pytest.raises(InputError, match=says):
        read_artefact(write_artefact(broken(**changes), tmp_path / "model"))


@pytest.mark.parametrize("change", [
    {"intents": None}, {"intents": "abc"}, {"intents": ["a", "a"]}, {"intents": [1, 2]}, {"context": 5}, {"context": None},
    {"model": None}, {"model": {"words": [1], "characters": [1, 4]}}, {"model": {"words": ["a", "b"], "characters": [1, 4]}},
    {"schema": True}, {"schema": 1}, {"sha256": None}, {"max_characters": "many"},
])
def test_a_manifest_of_the_wrong_kind_is_refused(folder, change):
    manifest = {**json.loads((folder / "manifest.json").read_text()), **change}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError):
        load(folder)


def test_a_released_model_whose_manifest_was_edited_is_refused(tmp_path):
    from mlbot.model.registry import release
    folder = release(ARTEFACT, tmp_path, {})
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["intents"].reverse()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="manifest.json is damaged"):
        load(tmp_path)


def test_a_pipe_in_a_model_folder_does_not_hang(folder):
    (folder / "vocabulary.json").unlink()
    os.mkfifo(folder / "vocabulary.json")
    with pytest.raises(InputError, match="no vocabulary.json"):
        load(folder)


def test_training_refuses_test_rows():
    with pytest.raises(InputError, match="test rows were handed to training"):
        train(pd.concat([SAMPLE.train, SAMPLE.test.head(1)]), CONTEXT, SETTINGS.model)


def test_the_model_carries_the_longest_text_it_takes():
    model = Predictor(to_artefact(PIPELINE, SETTINGS.model, {"max_characters": 50}))
    with pytest.raises(InputError, match="at most 50"):
        model.predict("a badge " * 10)


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, [], np.array([1, 2]), object()])
def test_a_context_value_that_is_none_is_treated_as_missing(value):
    assert MODEL.predict("I need a new card", role=value).ranking == MODEL.predict("I need a new card").ranking


def test_a_text_of_one_sign_many_times_gets_the_answer_of_scikit_learn():
    for text in ("\u2026" * 1600, "\ufdfa" * 270, "a " * 2500):  # 5,000 characters when each is written out
        ours, theirs = ask_both([text], ["engineer"])
        assert np.abs(ours - theirs).max() < 1e-5


class Bomb:
    """Unpickling this leaves a file."""

    def __reduce__(self):
        return os.mkdir, (os.environ["BOMB"],)


def test_a_pickle_offered_as_a_model_is_never_opened(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("BOMB", str(tmp_path / "exploded"))
    bomb = pickle.dumps(Bomb())
    (folder / "model.pkl").write_bytes(bomb)
    (folder / "weights.safetensors").write_bytes(bomb)
    manifest = json.loads((folder / "manifest.json").read_text())
    import hashlib
    manifest["sha256"]["weights.safetensors"] = hashlib.sha256(bomb).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="weights.safetensors cannot be read"):
        load(folder)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["../../etc", "x" * 300, "/etc/passwd", "..", "abc\x00def00000"])
def test_a_champion_file_cannot_point_outside_its_folder(tmp_path, name):
    (tmp_path / "champion").write_text(name)
    with pytest.raises(InputError, match="does not name a model"):
        load(tmp_path)


def test_without_a_model_the_next_step_is_named(tmp_path):
    with pytest.raises(InputError, match="mlbot run"):
        load(tmp_path)


@pytest.mark.long
def test_the_wheel_predicts_with_numpy_and_safetensors_alone(tmp_path, root, folder):
    """Built, installed into a bare environment, imported: nothing else is needed, and everything ships."""
    source = tmp_path / "source"
    for name in ("setup.py", "settings.ini", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        source.mkdir(exist_ok=True)
        shutil.copy(root / name, source)
    shutil.copytree(root / "mlbot", source / "mlbot", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "nbs" / "pipeline", source / "nbs" / "pipeline")
    tools = Path(sys.executable).parent
    subprocess.run([tools / "python", "-m", "build", "--outdir", tmp_path / "dist", source], check=True, capture_output=True)
    wheel = next((tmp_path / "dist").glob("*.whl"))
    bare = tmp_path / "bare"
    subprocess.run([tools / "uv", "venv", "--quiet", "--python", sys.executable, bare], check=True)
    python = bare / "bin" / "python"
    subprocess.run([tools / "uv", "pip", "install", "--quiet", "--python", python, wheel], check=True)

    def ask(*words):
        return subprocess.run([python, *words], cwd=tmp_path, capture_output=True, text=True)

    listed = ask("-c", "from importlib.metadata import distributions as d; print(sorted(x.name for x in d()))").stdout
    assert listed == f"['{DISTRIBUTION}', 'numpy', 'safetensors']\n"
    assert ask("-c", "import mlbot.model.predict").returncode == 0
    answer = ask("-m", "mlbot", "predict", "where is my payslip", "--model", folder)
    assert answer.returncode == 0 and "payslip" in answer.stdout.splitlines()[0], answer.stderr
    refused = ask("-m", "mlbot", "run")
    assert refused.returncode == 2 and f'pip install "{wheel}[pipeline]"' in refused.stderr, refused.stderr
    home = next((bare / "lib").glob("python*/site-packages/mlbot"))
    program = tmp_path / "program.py"
    program.write_text("import mlbot\n\nreveal_type(mlbot.load())\nmlbot.load(3)\n")
    typed = subprocess.run([tools / "python", "-m", "mypy", "--python-executable", python, "--cache-dir", tmp_path / "types",
                            program], cwd=tmp_path, capture_output=True, text=True).stdout
    assert (home / "py.typed").is_file() and 'Revealed type is "mlbot.model.predict.Predictor"' in typed, typed
    assert "program.py:4: error: Argument 1" in typed and "Found 1 error" in typed, typed
    assert (home / "settings.ini").is_file() and (home / "shipped" / "sample" / "utterances.csv").is_file()
    assert sorted(path.name for path in (home / "notebooks").iterdir()) == \
        sorted(path.name for path in (root / "nbs" / "pipeline").glob("*.ipynb"))
    assert wheel.stat().st_size < 2_000_000


def test_texts_without_a_word_are_refused_with_what_to_do():
    odd = pd.DataFrame({"text": ["!!", "??", "\U0001f600", "\U0001f680"], "intent": ["a", "a", "b", "b"]})
    with pytest.raises(InputError, match="no word or n-gram is left"):
        train(odd, [], SETTINGS.model)
