"""A classifier of one's own goes through the whole of mlbot: trained, judged, released, asked, blamed, bundled, refused."""

import json
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

from mlbot.model.artefact import ESTIMATOR, read_artefact
from mlbot.model.predict import OwnPredictor, load
from mlbot.model.rollout import released_names
from mlbot.ops.bundle import requirements_of
from mlbot.settings import load_settings
from tests.serving import Service

ROOT = Path(__file__).resolve().parents[2]
FIVE = """from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10))
training.outline(model)"""
WHO = """from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
parts = [("text", TfidfVectorizer(), "text"), ("who", OneHotEncoder(handle_unknown="ignore"), ["role", "location"])]
model = make_pipeline(ColumnTransformer(parts), LogisticRegression(C=10))
training.outline(model)"""
SETTINGS = "[data]\nsource = sample\nsuspects = 0\n[targets]\naccuracy.floor = 0.7\nlatency_ratio.ceiling = 900\n"\
           "[gates]\nseeds = 2\npeople = 50\n"


def git(folder, *words):
    subprocess.run(["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *words], cwd=folder, check=True,
                   capture_output=True)


def put(folder, source):
    """Put a model into 2_train, in the one cell that builds it, and commit."""
    path = folder / "nbs" / "pipeline" / "2_train.ipynb"
    shutil.copy(ROOT / "nbs" / "pipeline" / "2_train.ipynb", path)
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.source.startswith("classifier = IntentClassifier")).source = source
    nbformat.write(notebook, path)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "another model", "--allow-empty")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "nbs" / "pipeline", tmp_path / "nbs" / "pipeline")
    (tmp_path / ".gitignore").write_text("runs/\nmodels/\nevents/\nout/\n")
    (tmp_path / "settings.ini").write_text(SETTINGS)
    git(tmp_path, "init", "-q")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def last_run(project):
    return max((project / "runs").glob("2*"))


def ask_service(project, name):
    """Ask a service as people and programs do."""
    service = Service(project)
    try:
        for _ in range(100):
            if service.client.get("/readyz").status_code == 200:
                break
        told = service.client.post("/v1/predict", json={"text": "I lost my badge", "context": {"role": "sales"}}).json()
        assert told["model"] == name and told["confidence"] > 0 and told["decision"], told
        assert service.client.post("/v1/predict", json={"text": ""}).status_code == 422
        assert service.client.get("/v1/intents", headers=service.ada).status_code == 200
        asked = {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a badge", "my leave"]}]}
        answered = service.client.post("/v2/models/mlbot/infer", json=asked).json()
        assert answered["model_version"] == name and len(answered["outputs"][0]["data"]) == 2, answered
        return told
    finally:
        service.stop()


@pytest.mark.long
def test_from_training_to_a_service_and_back(repository, mlbot):
    put(repository, FIVE)
    first = mlbot("run", "--why", "our own classifier")
    assert first.returncode == 0, first.stdout + first.stderr
    folder = last_run(repository)
    name = read_artefact(folder / "model").name
    verdicts = {item["gate"]: item["outcome"] for item in json.loads((folder / "verdicts.json").read_text())["verdicts"]}
    assert verdicts["same_answer"] == verdicts["latency_ratio"] == "pass" and "not asked" in first.stdout
    card = (folder / "card.md").read_text()
    assert "a classifier of this project" in card and "TfidfVectorizer + LogisticRegression" in card
    champion = load(repository / "models")
    assert isinstance(champion, OwnPredictor) and champion.name == name and champion.context == []
    assert json.loads(mlbot("predict", "I lost my badge", "--json").stdout)["model"] == name
    assert mlbot("predict", "I lost my badge", "--explain").returncode == 2
    assert "has seen none" in mlbot("audit").stdout and mlbot("score").returncode == 0
    assert ask_service(repository, name)["intent"] == champion.predict("I lost my badge").intent

    put(repository, WHO)  # the same data, another model, which sees who asks
    second = mlbot("run", "--no-release")
    newer = last_run(repository)
    assert newer != folder and "champion (gain)" in second.stdout, second.stdout + second.stderr
    assert read_artefact(newer / "model").manifest["context"] == ["role", "location"]
    assert (newer / "words_alone.csv").read_text().count("\n") > 100  # a model of words alone, trained as this one is
    assert len((newer / "seeds.csv").read_text().splitlines()) > 100
    assert mlbot("compare", folder.name, newer.name).returncode == 0
    blamed = mlbot("blame", "--old", folder.name, "--new", newer.name)
    assert blamed.returncode == 0 and "code" in blamed.stdout and "2_train" in blamed.stdout, blamed.stdout + blamed.stderr

    needed = requirements_of(load_settings(), read_artefact(repository / "models" / name))
    assert [word.split(">")[0].split("<")[0] for word in needed[1:]] == ["scikit-learn", "scipy", "skops", "pandas"]
    put(repository, "classifier = IntentClassifier(penalty_of(settings.model))\n"
                    'model = Pipeline([("views", features), ("intent", classifier)])')
    third = mlbot("run")  # ours again, compared with the classifier that answers
    assert third.returncode in (0, 1) and "champion (gain)" in third.stdout, third.stderr
    if third.returncode == 0:
        assert mlbot("rollback", "--why", "back to our own").returncode == 0
    assert load(repository / "models").name == name and name in released_names(repository / "models")
    file = repository / "models" / name / ESTIMATOR
    file.write_bytes(file.read_bytes()[:-1])
    refused = mlbot("predict", "I lost my badge")
    assert refused.returncode == 2 and "damaged" in refused.stderr


@pytest.mark.long
def test_what_cannot_ship_stops_the_run_and_says_what_to_do(repository, mlbot):
    put(repository, FIVE.replace("TfidfVectorizer(ngram_range=(1, 2))", "TfidfVectorizer(preprocessor=lambda text: text)"))
    done = mlbot("run")
    assert done.returncode == 2 and "holds the type" in done.stderr and "without functions" in done.stderr, done.stderr
    assert not (repository / "models" / "champion").exists()
    put(repository, FIVE.replace("LogisticRegression(C=10)", "__import__('sklearn.svm').svm.LinearSVC()"))
    done = mlbot("run")
    assert done.returncode == 2 and "CalibratedClassifierCV" in done.stderr, done.stderr
