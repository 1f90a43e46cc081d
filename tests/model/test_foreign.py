"""A classifier of your own is stored without pickle, answers as it was trained, and loads only when we trust all of it."""

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.svm import SVC, LinearSVC

from mlbot.data.ledger import digests_of
from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.model import estimator as own
from mlbot.model.artefact import ESTIMATOR, as_json, build_own, read_artefact, write_artefact
from mlbot.model.explain import explain
from mlbot.model.export import to_artefact
from mlbot.model.pipeline import pipeline_parts
from mlbot.model.predict import OwnPredictor, load, predictor_of
from mlbot.model.registry import release
from mlbot.model.rollout import fall_back, load_checked, previous, promote, write_golden
from mlbot.model.train import answers_of_seeds, fit_plain, learning_curve, train
from mlbot.ops.bundle import requirements_of
from mlbot.ops.erasure import search_for, texts_in
from mlbot.settings import load_settings

SETTINGS, CONTEXT = load_settings(), ["role", "location"]
SIDES = split(read_utterances(sample_file(), Columns(context=tuple(CONTEXT)), SETTINGS.data), SETTINGS.data)
TEST = SIDES.test


def who():
    """The columns of a message: its text, and who asks."""
    return ColumnTransformer([("text", TfidfVectorizer(), "text"), ("who", OneHotEncoder(handle_unknown="ignore"), CONTEXT)])


def few(classifier, size=20):
    """A classifier on a few dense columns."""
    return make_pipeline(TfidfVectorizer(), TruncatedSVD(size), classifier)


KINDS = {
    "logistic regression": lambda: make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10)),
    "calibrated svm": lambda: make_pipeline(TfidfVectorizer(), CalibratedClassifierCV(LinearSVC(), cv=2)),
    "isotonic": lambda: make_pipeline(TfidfVectorizer(), CalibratedClassifierCV(LinearSVC(), cv=2, method="isotonic")),
    "random forest": lambda: few(RandomForestClassifier(5, n_jobs=2)),
    "extra trees": lambda: make_pipeline(CountVectorizer(), ExtraTreesClassifier(5)),
    "histogram boosting": lambda: few(HistGradientBoostingClassifier(max_iter=3), 5),
    "boosting": lambda: few(GradientBoostingClassifier(n_estimators=2), 5),
    "neighbours of sparse rows": lambda: make_pipeline(TfidfVectorizer(), KNeighborsClassifier(3)),
    "neighbours of dense rows": lambda: few(KNeighborsClassifier(3, algorithm="brute")),
    "naive bayes": lambda: make_pipeline(CountVectorizer(binary=True), ComplementNB()),
    "a net": lambda: make_pipeline(TfidfVectorizer(), MLPClassifier((8,), max_iter=3)),
    "gradient descent": lambda: make_pipeline(HashingVectorizer(n_features=2000), SGDClassifier(loss="log_loss")),
    "a vote": lambda: make_pipeline(TfidfVectorizer(), VotingClassifier(
        [("a", LogisticRegression()), ("b", MultinomialNB())], voting="soft")),
    "a stack": lambda: make_pipeline(TfidfVectorizer(), StackingClassifier(
        [("a", LogisticRegression()), ("b", MultinomialNB())], cv=2)),
    "a union": lambda: make_pipeline(make_union(TfidfVectorizer(), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))),
                                     LogisticRegression()),
    "who asks": lambda: make_pipeline(who(), LogisticRegression(C=10)),
}


def fitted(name):
    return train(SIDES.train, CONTEXT, SETTINGS.model, digests_of(TEST["text"]), pipeline=KINDS[name]())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KINDS)
def test_what_is_stored_answers_as_what_was_trained_one_by_one_and_all_at_once(name, tmp_path):
    model = fitted(name)
    artefact = to_artefact(model, SETTINGS.model, {"max_characters": 500})
    loaded = load(write_artefact(artefact, tmp_path / artefact.name))
    assert isinstance(loaded, OwnPredictor) and loaded.name == artefact.name
    assert sorted(path.name for path in (tmp_path / artefact.name).iterdir()) == [ESTIMATOR, "manifest.json"]
    assert loaded.context == (CONTEXT if name == "who asks" else [])
    told, theirs = loaded.ask(TEST)[0], model.predict_proba(TEST)
    assert np.allclose(told, theirs, atol=1e-12) and loaded.ask(TEST)[1].tolist() == [1.0] * len(TEST)
    assert (loaded.answers(TEST)[0] == model.predict(TEST)).all() and loaded.sure(TEST).tolist() == told.max(axis=1).tolist()
    contexts = TEST[loaded.context].to_dict("records")
    assert np.allclose(loaded.probabilities(TEST["text"], contexts), told, atol=1e-12)
    for text, context, row in zip(TEST["text"].head(5), contexts, told, strict=False):
        answer = loaded.predict(text, **context)
        assert np.isclose(answer.confidence, row.max()) and answer.model == loaded.name and answer.in_scope is None
        assert len(answer.ranking) == 5 and answer.intent == answer.ranking[0][0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["logistic regression", "random forest", "calibrated svm", "who asks", "a net"])
def test_training_twice_gives_the_same_name(name):
    assert len({to_artefact(fitted(name), SETTINGS.model, {}).name for _ in range(2)}) == 1


CODE = """
import sys
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from mlbot.model.export import to_artefact
from mlbot.settings import load_settings
model = make_pipeline(TfidfVectorizer(stop_words=["the", "a", "of"]), MultinomialNB())
model.fit(["the badge", "a badge", "of leave", "my leave"], np.array(["b", "b", "l", "l"]))
print(to_artefact(model, load_settings().model, {}).name)
"""


def test_another_process_gives_the_same_name(capsys):
    """skops names objects by their place in memory, and Python orders sets by chance."""
    exec(CODE, {})
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == capsys.readouterr().out


def test_a_copy_is_fitted_and_a_seed_is_given_where_there_is_none():
    mine = few(RandomForestClassifier(3, random_state=5))
    model = train(SIDES.train, CONTEXT, replace(SETTINGS.model, seed=3), pipeline=mine)
    assert not hasattr(mine[-1], "estimators_")
    assert model.estimator[-1].random_state == 5 and model.estimator[1].random_state == 3
    assert (model.trained_on == digests_of(SIDES.train["text"])).all() and model.scope is None


def test_training_refuses_test_rows_and_texts_for_any_classifier():
    for rows, closed in ((pd.concat([SIDES.train, TEST]), ()), (SIDES.train, digests_of(SIDES.train["text"].head(1)))):
        with pytest.raises(InputError, match="handed to training"):
            train(rows, CONTEXT, SETTINGS.model, closed, pipeline=KINDS["naive bayes"]())


def test_the_other_trainings_follow():
    mine, how = KINDS["naive bayes"](), SETTINGS.model
    held = SIDES.train["digest"].to_numpy() % 5 == 0
    assert len(list(learning_curve(SIDES.train, held, CONTEXT, how, pipeline=mine))) == 4
    assert [part["kind"] for part in pipeline_parts(mine)] == ["CountVectorizer", "ComplementNB"]
    told = []
    assert answers_of_seeds(SIDES.train, CONTEXT, how, TEST, 1, pipeline=mine, done=told.append) == {}
    assert told == ["no other seeds: this classifier has no random_state"]  # said, and not three times the same answers
    forest = few(RandomForestClassifier(3))
    seeds = answers_of_seeds(SIDES.train, CONTEXT, how, TEST, 2, pipeline=forest)
    assert list(seeds) == ["seed 1", "seed 2"] and (seeds["seed 1"] != seeds["seed 2"]).any()
    assert (fit_plain(SIDES.train, CONTEXT, how, pipeline=mine).predict(TEST) == TEST["intent"]).mean() > 0.6


def test_a_part_that_is_too_small_for_a_classifier_is_left_out_of_the_curve_and_said():
    held, told = SIDES.train["digest"].to_numpy() % 5 == 0, []
    mine = make_pipeline(TfidfVectorizer(), KNeighborsClassifier(60))
    points = list(learning_curve(SIDES.train, held, CONTEXT, SETTINGS.model, pipeline=mine, done=told.append))
    assert 0 < len(points) < 4 and len(told) == 4 - len(points) and "rows are left out" in told[0]


class Mine(ClassifierMixin, BaseEstimator):
    """A classifier that somebody wrote, which a stored model cannot carry."""

    def fit(self, texts, intents):
        self.classes_ = np.unique(intents)
        return self

    def predict_proba(self, texts):
        return np.full((texts.shape[0], len(self.classes_)), 1 / len(self.classes_))


class Odd(Mine):
    """A classifier whose numbers are no probabilities."""

    def predict_proba(self, texts):
        return np.full((len(texts), len(self.classes_)), np.nan)


class Plain:
    """No estimator of scikit-learn at all: fit, predict_proba and classes_."""

    def fit(self, rows, intents):
        self.classes_ = np.unique(intents)

    def predict_proba(self, rows):
        return np.tile(np.eye(len(self.classes_))[0], (len(rows), 1))


REFUSED = {
    "a class of one's own": (make_pipeline(TfidfVectorizer(), Mine()), "test_foreign.Mine"),
    "a function": (make_pipeline(TfidfVectorizer(preprocessor=lambda text: text), LogisticRegression()), "<lambda>"),
    "a transformer of a function": (make_pipeline(TfidfVectorizer(), FunctionTransformer(), LogisticRegression()),
                                    "FunctionTransformer"),
    "trees of neighbours": (few(KNeighborsClassifier(algorithm="kd_tree"), 5), "KDTree"),
    "libsvm": (make_pipeline(TfidfVectorizer(), CalibratedClassifierCV(SVC(), cv=2)), "SVC"),
    "files to read": (make_pipeline(TfidfVectorizer(input="filename"), LogisticRegression()), "cannot be fitted"),
    "no probabilities": (make_pipeline(TfidfVectorizer(), LinearSVC()), "gives no probabilities"),
    "no classifier": ("LogisticRegression", "cannot be fitted"),
    "not a number": (Odd(), "not probabilities"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_a_classifier_that_cannot_ship_is_refused_at_training_and_told_what_to_do(name):
    mine, says = REFUSED[name]
    with pytest.raises(InputError) as error:
        to_artefact(train(SIDES.train, CONTEXT, SETTINGS.model, pipeline=mine), SETTINGS.model, {})
    assert says in error.value.found and error.value.action and len(str(error.value).splitlines()) <= 6


def test_anything_with_fit_and_predict_proba_is_trained_and_only_then_refused():
    """A class that is no estimator at all is copied, fitted and asked; what cannot be stored is said when it is stored."""
    model = train(SIDES.train, CONTEXT, SETTINGS.model, pipeline=Plain())
    assert set(model.predict(TEST)) == {model.classes_[0]}
    with pytest.raises(InputError, match="test_foreign.Plain"):
        to_artefact(model, SETTINGS.model, {})


def test_classes_that_are_no_names_are_refused():
    numbers = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(SIDES.train["text"], np.arange(len(SIDES.train)) % 3)
    with pytest.raises(InputError, match="not names of intents"):
        to_artefact(numbers, SETTINGS.model, {})


# --- what is loaded


ARTEFACT = to_artefact(fitted("logistic regression"), SETTINGS.model, {})
FOREST = to_artefact(fitted("random forest"), SETTINGS.model, {})


@pytest.fixture
def folder(tmp_path):
    return write_artefact(ARTEFACT, tmp_path / ARTEFACT.name)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "missing", "another model"])
def test_a_damaged_file_is_refused(folder, damage):
    file = folder / ESTIMATOR
    data = file.read_bytes()
    at = len(data) // 2
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes({"truncated": data[:at], "empty": b"", "another model": FOREST.files[ESTIMATOR],
                          "flipped": data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]}[damage])
    with pytest.raises(InputError, match="damaged|no estimator.skops"):
        load(folder)


@pytest.mark.parametrize("change", [
    {"kind": "pickle"}, {"kind": 1}, {"kind": None}, {"intents": ["a"]}, {"intents": ["a", "b"]}, {"context": "role"},
    {"model": {}}, {"texts": "yes"}, {"max_characters": -1}, {"sha256": {}}, {"versions": {"scikit-learn": "0.24.2"}},
    {"versions": {}}, {"versions": {"scikit-learn": None}}])
def test_a_manifest_that_does_not_fit_is_refused(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_bytes(as_json(manifest | change))
    with pytest.raises(InputError):
        load(folder.rename(folder.with_name("renamed")))


def node(loader, module, name, **more):
    return {"__loader__": loader, "__module__": module, "__class__": name, **more}


STRING = node("JsonNode", "builtins", "str", content='"x"')
EMPTY = node("TupleNode", "builtins", "tuple", content=[])
EVIL = "evil_module_of_an_attacker"
ATTACKS = {
    "os.system": node("FunctionNode", "posix", "system"),
    "a function of a module that is not loaded": node("FunctionNode", EVIL, "run"),
    "a type of a module that is not loaded": node("TypeNode", EVIL, "Run"),
    "an object of a module that is not loaded": node("ObjectNode", EVIL, "Run", content=EMPTY),
    "eval by a constructor": node("ConstructorFromReduceNode", "builtins", "eval", content=EMPTY),
    "a method": node("MethodNode", "sklearn.pipeline", "Pipeline", content={"func": "fit", "obj": STRING}),
    "an operator": node("OperatorFuncNode", "operator", "methodcaller", attrs=EMPTY),
    "a partial": node("PartialNode", "functools", "partial", content={"func": STRING, "args": EMPTY, "kwds": EMPTY,
                                                                      "namespace": EMPTY}),
    "a transformer of a function": node("ObjectNode", "sklearn.preprocessing._function_transformer", "FunctionTransformer"),
    "a trusted type by the wrong loader": node("TypeNode", "sklearn.pipeline", "Pipeline"),
    "a list that is a process": node("ListNode", "subprocess", "Popen", content=[STRING]),
    "a dict that is a module": node("DictNode", EVIL, "Run", content={}, key_types=STRING),
    "keys that call": node("DictNode", "builtins", "dict", content={"id": STRING},
                           key_types=node("ListNode", "builtins", "list", content=[node("TypeNode", "posix", "system")])),
    "an array that is a process": node("NdArrayNode", "subprocess", "Popen", type="numpy", file="0.npy"),
    "a bit generator that is a function": node(
        "RandomGeneratorNode", "numpy.random._generator", "Generator", content={
            "bit_generator": node("DictNode", "builtins", "dict", content={"bit_generator": {**STRING, "content": '"seed"'}},
                                  key_types=EMPTY), "seed_seq": EMPTY}),
    "a loader of an older protocol": node("FunctionNode_v0", "posix", "system"),
    "a loader that is a list": node(["FunctionNode"], "posix", "system"),
}


def archive(schema, files=(), method=zipfile.ZIP_STORED):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as made:
        made.writestr("schema.json", json.dumps(schema))
        for name, data in files:
            made.writestr(name, data)
    return body.getvalue()


def stored(data, tmp_path):
    """A model folder with these bytes and all the digests that belong to them, as an attacker would write it."""
    manifest = {name: value for name, value in ARTEFACT.manifest.items() if name not in ("sha256", "schema", "kind")}
    artefact = build_own(ARTEFACT.manifest["intents"], [], data, manifest)
    return write_artefact(artefact, tmp_path / artefact.name)


@pytest.mark.parametrize("where", ["alone", "deep inside"])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_untrusted_type_is_refused_before_anything_is_imported(name, where, tmp_path, monkeypatch):
    (tmp_path / f"{EVIL}.py").write_text("import os\nos.mkdir('owned')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    schema = ATTACKS[name]
    if where == "deep inside":
        with zipfile.ZipFile(io.BytesIO(ARTEFACT.files[ESTIMATOR])) as whole:
            schema = json.loads(whole.read("schema.json"))
        schema["content"]["content"]["memory"] = {"hidden": [ATTACKS[name]]}
    files = [("0.npy", b"")] if where == "alone" and "file" in json.dumps(schema) else []
    if where == "deep inside":
        with zipfile.ZipFile(io.BytesIO(ARTEFACT.files[ESTIMATOR])) as whole:
            files = [(item, whole.read(item)) for item in whole.namelist() if item != "schema.json"]
    folder = stored(archive({**schema, "protocol": own.PROTOCOL}, files), tmp_path)
    with pytest.raises(InputError, match="holds the type") as error:
        load(folder)
    assert EVIL not in sys.modules and not (tmp_path / "owned").exists()
    assert len(str(error.value).splitlines()) <= 6 and "who made this file" in error.value.action


def test_nothing_of_scikit_learn_or_skops_is_imported_for_a_file_that_is_refused(tmp_path):
    folder = stored(archive({**ATTACKS["os.system"], "protocol": own.PROTOCOL}), tmp_path)
    code = ("import sys; from mlbot.model.predict import load\n"
            "try: load(sys.argv[1])\nexcept Exception as error: print(error.found)\n"
            "print(sorted({name.split('.')[0] for name in sys.modules} & {'sklearn', 'skops', 'pandas'}))")
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["the estimator holds the type posix.system", "[]"], done.stderr


GOOD = {**STRING, "protocol": own.PROTOCOL}
BROKEN = {
    "no archive": b"\x80\x04\x95 a pickle", "nothing": b"", "no schema": archive({}), "a list": archive([GOOD]),
    "an older protocol": archive({**GOOD, "protocol": 0}), "a protocol that is true": archive({**GOOD, "protocol": True}),
    "compressed": archive(GOOD, method=zipfile.ZIP_DEFLATED), "a file that nobody names": archive(GOOD, [("x.pkl", b"\x80")]),
    "a file that is missing": archive({**GOOD, "file": "0.npy"}),
    "deeper than Python reads": archive(GOOD).replace(json.dumps(GOOD).encode(), b"[" * len(json.dumps(GOOD))),
    "an array that is a pickle": archive({**node("NdArrayNode", "numpy", "ndarray", type="numpy", file="0.npy"),
                                          "protocol": own.PROTOCOL}, [("0.npy", b"\x80\x04cos\nsystem\n")]),
    "no estimator": archive(GOOD),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BROKEN)
def test_an_archive_that_skops_did_not_write_is_refused(name, tmp_path):
    with pytest.raises(InputError) as error:
        load(stored(BROKEN[name], tmp_path))
    assert len(str(error.value).splitlines()) <= 6


def test_numbers_that_c_would_follow_are_checked():
    """A tree that leads outside its arrays would read foreign memory, or never end."""
    forest = predictor_of(FOREST)._own.estimator
    tree = forest[-1].estimators_[0].tree_
    assert not own.why_unsound(forest[-1].estimators_[0])
    before = tree.children_left[0]
    for broken in (0, 10 ** 6, -7):
        tree.children_left[0] = broken
        assert "have invalid indices" in own.why_unsound(forest[-1].estimators_[0]), broken
    tree.children_left[0] = before
    tree.feature[0] = 10 ** 6
    with pytest.raises(InputError, match="have invalid indices"):
        own.refuse_unsound(forest, "here")
    state = np.random.RandomState(0)
    told = state.get_state(legacy=False)
    told["state"]["pos"] = 10 ** 6
    try:
        state.set_state(told)
    except ValueError:  # NumPy from 2.5 on refuses it by itself
        assert np.lib.NumpyVersion(np.__version__) >= "2.5.0"
    else:
        assert "random generator" in own.why_unsound(state)
    boosted = fitted("histogram boosting").estimator
    assert not any(map(own.why_unsound, own.objects_in(boosted)))
    boosted[-1]._predictors[0][0].nodes["feature_idx"][:] = 99
    assert any(map(own.why_unsound, own.objects_in(boosted)))


# --- where it is used


def test_thresholds_notes_and_context_are_those_of_any_model():
    by_words, by_all = predictor_of(ARTEFACT), predictor_of(to_artefact(fitted("who asks"), SETTINGS.model, {}))
    weak = by_words.predict("qwertz qwertz")
    assert weak.confidence < by_words.threshold and "below the threshold" in weak.notes[0]
    assert by_words.scope_threshold == 0 and by_words.scope_rows == 0
    for model, context in ((by_words, {"role": "sales"}), (by_all, {"rolle": "sales"})):
        with pytest.raises(InputError, match="has no context column"):
            model.predict("badge", **context)
    assert by_all.predict("badge", role="a wizard").intent == by_all.predict("badge").intent
    for text in ("", "\u200b", "x" * 6000, 5):
        with pytest.raises(InputError):
            by_words.predict(text)
    assert by_words.probabilities([]).shape == (0, len(by_words.intents))
    assert by_words.ask(TEST.head(0))[0].shape == (0, len(by_words.intents))


def test_it_says_plainly_that_there_is_no_explanation(mlbot, folder):
    with pytest.raises(InputError, match="mlbot cannot explain"):
        explain(predictor_of(ARTEFACT), "a new badge")
    assert mlbot("predict", "a new badge", "--model", str(folder)).returncode == 0
    done = mlbot("predict", "a new badge", "--model", str(folder), "--explain")
    assert done.returncode == 2 and "--explain" in done.stderr


def test_it_is_released_promoted_rolled_back_and_fallen_back_to(tmp_path):
    models = tmp_path / "models"
    judged = {"verdicts": [{"gate": "accuracy", "score": {}}], "waived": {}}
    for artefact in (ARTEFACT, FOREST):
        release(artefact, models, {"who": "ann", "why": "tests"}, judgement=judged)
        write_golden(models, predictor_of(artefact), TEST)
    assert load(models).name == FOREST.name and previous(models) == ARTEFACT.name
    promote(models, ARTEFACT.name, {"who": "ann", "why": "the one before"})
    assert load_checked(models, ARTEFACT.name).predict("badge").model == ARTEFACT.name
    (models / ARTEFACT.name / ESTIMATOR).write_bytes(b"damaged")
    assert fall_back(models, ARTEFACT.name, lambda name: load_checked(models, name)).name == FOREST.name
    assert read_artefact(models / FOREST.name).is_own


def test_a_bundle_carries_what_it_needs():
    needed = " ".join(requirements_of(SETTINGS, ARTEFACT))
    assert all(name in needed for name in ("scikit-learn", "skops", "pandas", "scipy")) and "onnxruntime" not in needed


def test_words_of_a_person_are_found_in_its_vocabulary_and_its_columns():
    mine = pd.concat([SIDES.train, SIDES.train.head(2).assign(text="my zylophant", role="fnordling")])
    model = make_pipeline(ColumnTransformer([("text", TfidfVectorizer(), "text"),
                                             ("who", OneHotEncoder(handle_unknown="ignore"), ["role"])]), MultinomialNB())
    data = own.to_bytes(train(mine, ["role"], SETTINGS.model, pipeline=model).estimator)
    for name, asked in ((ESTIMATOR, "my zylophant"), (f"models/000000000001/{ESTIMATOR}", "fnordling"),
                        (ESTIMATOR, "of nobody's wobbling")):
        hits = any(search_for([asked], list(SIDES.train["text"]), b"k" * 16).hits(text) for text in texts_in(data, name))
        assert hits == ("nobody" not in asked), asked
