"""Six planted causes: what moved accuracy between two runs is named, and nothing else is."""

import contextlib
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from mlbot.data.source import choose
from mlbot.data.split import split
from mlbot.data.table import read_utterances, sample_file, snapshot
from mlbot.errors import InputError
from mlbot.gates.record import as_plain
from mlbot.gates.verdict import Rules, Waiver, judge
from mlbot.model.artefact import write_artefact
from mlbot.model.encoder_files import write_tiny_encoder
from mlbot.model.export import to_artefact
from mlbot.model.predict import load
from mlbot.model.train import train
from mlbot.model.views import encoder_of
from mlbot.run import blame as blaming
from mlbot.run.blame import Replayer, answer_task, blame, common_rows, save_blame, units
from mlbot.run.folder import (
    code_version,
    day_of,
    environment,
    load_table,
    load_verdicts,
    save_json,
    save_table,
    save_verdicts,
)
from mlbot.settings import Target, load_settings
from mlbot.stats.scores import accuracy

ROOT = Path(__file__).resolve().parents[2]
START = "[gates]\npeople = 50\n[data]\nsource = sample\n[targets]\naccuracy.floor = 0.8\n"


def git(folder, *words):
    subprocess.run(["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *words], cwd=folder, check=True,
                   capture_output=True)


def commit(folder, settings):
    (folder / "settings.ini").write_text(settings)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "change", "--allow-empty")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A project in git, with its first commit; runs and models are ignored."""
    shutil.copytree(ROOT / "nbs" / "pipeline", tmp_path / "nbs" / "pipeline")
    (tmp_path / ".gitignore").write_text("runs/\nmodels/\n")
    git(tmp_path, "init", "-q")
    commit(tmp_path, START)
    monkeypatch.chdir(tmp_path)
    return tmp_path


TRAIN = """from pathlib import Path
from mlbot.model.export import to_artefact
from mlbot.model.train import train
from mlbot.model.predict import Predictor
from mlbot.run.folder import load_json, load_table, save_table
from mlbot.settings import load_settings
folder, how = Path(run), load_settings().model
rows, asked = load_table(folder / "train.csv"), load_table(folder / "test.csv")
pipeline = train(rows, load_json(folder / "prepare.json")["context"], how)
answers = Predictor(to_artefact(pipeline, how, {})).answers(asked)[0]
save_table(asked.assign(predicted=answers), folder / "predictions.csv")"""


def replace_notebooks(folder, source):
    """One notebook in the place of all."""
    for file in (folder / "nbs" / "pipeline").iterdir():
        file.unlink()
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), folder / "nbs" / "pipeline" / "2_train.ipynb")


@pytest.fixture
def short(repository):
    """The same, with one notebook that trains and answers, and judges nothing."""
    replace_notebooks(repository, TRAIN)
    commit(repository, START)
    return repository


@pytest.fixture
def without_kernels(short, monkeypatch):
    """The same; crossings run its notebook in this process. With kernels, each of which starts anew: a code regression."""
    def run_code(code, notebooks, folder):
        with contextlib.chdir(code):
            exec(TRAIN, {"run": str(folder)})
    monkeypatch.setattr(blaming, "run_code", run_code)
    return short


def sides():
    """The sample's training rows in three batches, and its test rows."""
    settings = load_settings()
    parts = split(read_utterances(sample_file(), choose(settings, "sample")[1], settings.data), settings.data)
    week = np.arange(len(parts.train)) % 10
    return parts.train.assign(batch=np.where(week < 8, "week 1", np.where(week == 8, "week 2", "week 3"))), parts.test


def leave_run(name, rows, test, model=None):
    """What a run leaves: as `mlbot run` does it, without its notebooks."""
    settings = load_settings()
    folder = settings.places.runs / name
    folder.mkdir(parents=True)
    utterances = read_utterances(sample_file(), choose(settings, "sample")[1], settings.data)
    rules = Rules(day_of("2026-02-02"), settings.targets)
    facts = {**code_version(settings.root), "environment": environment(settings.root), "model": asdict(settings.model)}
    save_json(as_plain({"source": "sample", "snapshot": snapshot(utterances), "split": "",
                        "context": list(utterances.context),
                        "findings": [], "day": rules.day, "targets": {gate: asdict(rules.target(gate))
                                                                      for gate in rules.targets}, **facts}),
              folder / "prepare.json")
    for part, table in (("train", rows), ("test", test), ("out_of_scope", test.iloc[:0])):
        save_table(table, folder / f"{part}.csv")
    how = model or settings.model
    encoder = encoder_of(how, rows["text"], settings.root)
    write_artefact(to_artefact(train(rows, list(utterances.context), how, encoder=encoder), how, {}), folder / "model")
    predicted, confidence = load(folder / "model").answers(test)
    save_table(test.assign(predicted=predicted, confidence=confidence), folder / "predictions.csv")
    save_verdicts([judge("accuracy", accuracy(test["intent"], predicted), rules.target("accuracy"))], folder)
    return folder


BAD = "[model]\nwords = 3 3\ncharacters = 1 1\n"


def spoilt(rows):
    """The rows with a third week that calls much of what was known 'access_badge'."""
    intents = sorted(rows["intent"].unique())[1:7]
    more = pd.concat([rows[rows["intent"].isin(intents)].assign(text=lambda table, n=n: table["text"] + f" {n}")
                      for n in range(4)])
    more = more.assign(intent="access_badge", batch="week 3", digest=np.arange(len(more), dtype=np.uint64) + 10)
    return pd.concat([rows, more], ignore_index=True), len(more)


def test_a_code_regression_is_the_code(repository):
    rows, test = sides()
    old = leave_run("old", rows, test)
    commit(repository, START + BAD)
    found = blame(old, leave_run("new", rows, test), load_settings())
    assert found.causes == ["code"] and found.effects["code"].high < 0 and found.effects["data"].value == 0
    assert found.sentence.startswith("code: 1 file (settings.ini) cost ") and "data unchanged" in found.sentence
    assert save_blame(found, repository / "runs" / "new").stat().st_size > 1000
    assert subprocess.run(["git", "worktree", "list"], capture_output=True, text=True).stdout.count("\n") == 1


def test_a_bad_batch_is_the_data_and_is_named(without_kernels):
    rows, test = sides()
    good = rows[rows["batch"] == "week 1"]
    old = leave_run("old", good, test)
    new, n = spoilt(rows[rows["batch"] != "week 3"])
    found = blame(old, leave_run("new", new, test), load_settings())
    assert found.causes == ["data"] and found.effects["code"].value == 0
    assert found.sentence.startswith(f"data: week 3's {n} rows")
    assert found.sentence.endswith("code unchanged; environment unchanged")
    assert [name for name, _, _ in found.units] == ["week 3"]


@pytest.mark.long
def test_both_at_once_are_both_named(short):
    rows, test = sides()
    old = leave_run("old", rows, test)
    commit(short, START + BAD)
    found = blame(old, leave_run("new", spoilt(rows)[0], test), load_settings())
    assert set(found.causes) == {"code", "data"} and found.effects["total"].value < 0
    whole = found.effects
    assert np.isclose(whole["total"].value, whole["code"].value + whole["data"].value + whole["environment"].value)


def test_a_changed_lock_file_is_the_environment(without_kernels):
    """The old run was made under other versions, which gave another model: it does not come out again today."""
    rows, test = sides()
    short, settings = without_kernels, load_settings()
    (short / "constraints.txt").write_text("scikit-learn==1.0\n")
    commit(short, START)
    old = leave_run("old", rows, test, replace(settings.model, words=(3, 3), characters=(1, 1)))
    (short / "constraints.txt").write_text("scikit-learn==1.8\n")
    commit(short, START)
    found = blame(old, leave_run("new", rows, test), load_settings())
    assert found.causes == ["environment"] and found.effects["environment"].low > 0 and found.effects["code"].value == 0
    assert found.sentence.startswith("environment: lock ") and "brought" in found.sentence
    assert "data unchanged" in found.sentence


ENCODED = START + "[model]\ntier = encoder\nencoder = tiny\nwords = 3 3\ncharacters = 1 1\n" \
    "context_weight = 0.1\nencoder_weight = 100\n"  # words alone say little


@pytest.mark.long
def test_another_encoder_behind_the_same_name_is_the_encoder(short):
    """Code, data and packages are the same, and the folder of the encoder holds other files: that is named."""
    (short / ".gitignore").write_text("runs/\nmodels/\ntiny/\n")
    commit(short, ENCODED)
    rows, test = sides()
    words = sorted(set(" ".join(rows["text"]).lower().split()))
    write_tiny_encoder(short / "tiny", words, width=256)
    old = leave_run("1", rows, test)
    same = leave_run("2", rows, test)
    assert blame(old, same, load_settings()).causes == ["noise"]
    shutil.rmtree(short / "tiny")
    write_tiny_encoder(short / "tiny", words, width=2)
    found = blame(old, leave_run("3", rows, test), load_settings())
    assert found.causes == ["encoder"] and found.sentence.startswith("encoder: encoder tiny: "), found.sentence
    assert "data unchanged" in found.sentence and "environment unchanged" in found.sentence and "@COMMIT" in found.advice
    assert abs(found.effects["encoder"].value - found.effects["total"].value) < 1e-9


def test_a_raised_target_is_the_target(repository):
    rows, test = sides()
    old = leave_run("old", rows, test)
    commit(repository, START.replace("0.8", "0.99"))
    found = blame(old, leave_run("new", rows, test), load_settings())
    assert found.causes == ["target"] and "floor 0.8 is now 0.99" in found.sentence
    assert "code: unchanged" in found.notes and "settings.ini [targets]" in found.advice  # a target is no code


def test_a_floor_that_was_raised_for_one_run_is_the_target(repository):
    """`mlbot run --target 0.99` changes no setting: the fault was that blame found nothing and said noise."""
    rows, test = sides()
    old, new = leave_run("old", rows, test), leave_run("new", rows, test)
    answers = load_table(new / "predictions.csv")
    save_verdicts([judge("accuracy", accuracy(answers["intent"], answers["predicted"]), Target(floor=0.99))], new)
    found = blame(old, new, load_settings())
    assert found.causes == ["target"] and "floor 0.8 is now 0.99" in found.sentence and "--target" in found.advice


def test_a_waiver_that_ended_is_the_cause_when_the_model_stands_still(repository):
    rows, test = sides()
    commit(repository, START.replace("0.8", "0.99"))
    old, new = leave_run("old", rows, test), leave_run("new", rows, test)
    red = load_verdicts(new)[1][0]
    waiver = Waiver("accuracy", "Ann", "the client wants it", day_of("2026-02-01"), red.model, "d")
    save_verdicts([replace(red, waiver=waiver)], old)
    found = blame(old, new, load_settings())
    assert found.causes == ["waiver"] and "that of accuracy by Ann until 2026-02-01 does not hold any more" in found.sentence


def test_without_git_the_same_files_are_the_same_code_and_others_are_refused(repository):
    shutil.rmtree(repository / ".git")
    rows, test = sides()
    old, new = leave_run("old", rows, test), leave_run("new", rows, test)
    assert blame(old, new, load_settings()).causes == ["noise"]
    (repository / "settings.ini").write_text(START + BAD)
    with pytest.raises(InputError, match="git does not know"):
        blame(old, leave_run("newer", rows, test), load_settings())


def test_code_that_git_was_never_told_of_counts_and_papers_do_not(repository):
    before = code_version(repository)
    (repository / "README.md").write_text("words")
    (repository / "waivers.ini").write_text("# none")
    assert code_version(repository) == before and before["changed"] == ""
    (repository / "helper.py").write_text("x = 1")
    first = code_version(repository)["changed"]
    (repository / "helper.py").write_text("x = 2")
    assert first and code_version(repository)["changed"] not in ("", first)


def test_new_test_rows_that_are_wrongly_labelled_are_the_test_set(repository):
    """The model stands still, and its number falls."""
    rows, test = sides()
    wrong = test.assign(text=test["text"] + " now", digest=np.arange(len(test), dtype=np.uint64) + 10, batch="week 2",
                        intent=test["intent"].sample(frac=1, random_state=0).to_numpy())
    old = leave_run("old", rows, test.assign(batch="week 1"))
    new = leave_run("new", rows, pd.concat([test.assign(batch="week 1"), wrong], ignore_index=True))
    found = blame(old, new, load_settings())
    assert found.causes == ["test"] and found.effects["test"].high < 0 and found.effects["total"].value == 0
    assert found.sentence.startswith(f"test set: week 2's {len(test)} test rows") and "the model itself" in found.sentence


def test_pure_noise_is_called_noise(repository):
    rows, test = sides()
    old = leave_run("old", rows[rows["batch"] != "week 2"], test)
    found = blame(old, leave_run("new", rows, test), load_settings())
    assert found.causes == ["noise"] and "chance alone explains" in found.sentence and found.units == []


def test_code_that_git_does_not_hold_is_refused_and_nothing_is_left_behind(repository):
    rows, test = sides()
    (repository / "settings.ini").write_text(START + BAD)  # not committed
    old = leave_run("old", rows, test)
    commit(repository, START)
    new = leave_run("new", rows, test)
    with pytest.raises(InputError, match="not committed"):
        blame(old, new, load_settings())
    shutil.rmtree(repository / ".git")
    with pytest.raises(InputError, match="git does not know"):
        blame(old, new, load_settings())


def test_rows_that_came_went_and_were_relabelled_are_parts_of_their_own():
    old = pd.DataFrame({"digest": [1, 2, 3], "intent": ["a", "a", "b"]})
    new = pd.DataFrame({"digest": [1, 2, 4], "intent": ["a", "b", "b"]})
    assert [unit.name for unit in units(old, new)] == ["the new rows", "the changed labels", "the removed rows"]
    assert units(old, old) == []


def test_one_text_with_two_meanings_is_no_changed_label_and_is_answered_twice(repository):
    """Role decides: the same words count once for each context, in training and in the test."""
    rows, test = sides()
    card = rows[rows["text"].str.contains("card")].iloc[:2].assign(text="new card", digest=np.uint64(7), batch="week 1")
    twice = card.assign(role=["sales", "engineer"], intent=["expense_claim", "access_badge"])
    with_both = pd.concat([rows, twice], ignore_index=True)
    assert units(with_both, with_both.iloc[::-1], ["role", "location"]) == []
    asked = pd.concat([test, twice.assign(digest=np.uint64(8))], ignore_index=True)
    old = leave_run("old", rows, asked)
    kept = common_rows(old, old)
    assert (kept["digest"] == 8).sum() == 2 and len(kept) == len(asked.drop_duplicates(["digest", "role", "location"]))


FIRST, THEN = "def answer(rows):\n    return rows.mode()[0]\n", "def answer(rows):\n    return sorted(rows)[0]\n"
RULE = """import pandas as pd
from rule import answer
table, asked = pd.read_csv(f"{run}/train.csv"), pd.read_csv(f"{run}/test.csv")
asked.assign(predicted=answer(table["intent"])).to_csv(f"{run}/predictions.csv", index=False)"""


@pytest.fixture
def crossings(repository):
    """Asks for two crossings of code and data by these workers: what is right in each, and what was heard of them."""
    replace_notebooks(repository, RULE)
    (repository / "rule.py").write_text(FIRST)
    commit(repository, START)
    first = code_version(repository)
    rows, test = sides()
    base = leave_run("new", rows, test)
    (repository / "rule.py").write_text(THEN)  # not committed
    now, few = code_version(repository), rows[rows["intent"] == sorted(set(rows["intent"]))[3]]

    def ask(workers):
        heard, settings = [], load_settings()
        settings = replace(settings, work=replace(settings.work, workers=workers))
        cache = repository / "runs" / f"kept-{workers.rpartition(':')[0]}{workers[:1]}"
        replay = Replayer(settings, common_rows(base, base), base, cache, heard.append)
        wanted = [(first, few, "old code"), (now, rows, "new code")]
        found = [list(right) for right in replay.rights(wanted)]
        assert [list(right) for right in replay.rights(wanted[1:])] == found[1:]  # kept
        return found, heard
    return ask


@pytest.mark.long
def test_crossings_by_processes_and_by_a_cluster_without_our_files_are_the_same(crossings, monkeypatch):
    """Old code and uncommitted new code alike; the cluster has archives only, and each crossing is heard of in its order."""
    alone, heard = crossings("1")
    assert heard == ["old code", "new code", "new code"] and all(map(any, alone)) and alone[0] != alone[1]
    assert crossings("2") == (alone, heard)
    monkeypatch.setattr(blaming, "code_at", None)  # no folder of ours
    from distributed import LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        assert crossings(cluster.scheduler_address) == (alone, heard)


def test_a_worker_with_other_packages_is_refused(repository):
    """Its answers would be those of another environment."""
    with pytest.raises(InputError, match="a worker has numpy"):
        answer_task(None, environment(repository) | {"numpy": "1.0"})


def test_the_command_compares_the_last_two_runs(project, mlbot):
    assert mlbot("blame").returncode == 2
    git(project, "init", "-q")
    (project / ".gitignore").write_text("runs/\nmodels/\n")
    commit(project, (project / "settings.ini").read_text())
    assert mlbot("run", "--no-release").returncode == 0
    first, = (project / "runs").iterdir()
    shutil.copytree(first, project / "runs" / "2030-01-01_000000")
    done = mlbot("blame")
    assert done.returncode == 0 and "noise: " in done.stdout and "code: unchanged" in done.stdout, done.stderr
    assert "picture: runs/" in done.stdout and "next: " in done.stdout


OPTIONS = ["--output=owned", "--exec=touch owned", "-h", "HEAD; touch owned", "--end-of-options", "main", "HEAD", "a" * 39]


@pytest.mark.parametrize("commit", OPTIONS)
def test_blame_passes_no_commit_that_begins_with_dashes_to_git(repository, commit, monkeypatch):
    """What a run says of its commit is data: 40 hex digits or an error, wherever git is asked; no file is written."""
    from mlbot.run.blame import archive_of, changed_files, code_at, differences
    asked = []
    real = blaming.git
    monkeypatch.setattr(blaming, "git", lambda root, *words: asked.append(words) or real(root, *words))
    version, fine = {"commit": commit, "changed": ""}, code_version(repository)
    old, new = (repository / "runs" / name for name in ("old", "new"))
    for folder, facts in ((old, version), (new, fine)):
        folder.mkdir(parents=True)
        save_json({"context": []}, folder / "prepare.json")
        save_json(facts, folder / "run.json")

    def at():
        with code_at(repository, version):
            pass
    for call in (at, lambda: archive_of(repository, version), lambda: changed_files(repository, version, fine),
                 lambda: changed_files(repository, fine, version), lambda: differences(old, new, load_settings(repository)),
                 lambda: differences(old, old, load_settings(repository))):
        with pytest.raises(InputError, match="as its commit"):
            call()
    assert not any(commit in word for words in asked for word in words) and not list(repository.rglob("owned"))


def test_no_command_takes_an_option_from_data(root):
    """Each call of a program is looked at: a word from a file or a person stands behind the end of options."""
    import ast
    calls = []
    for path in sorted((root / "mlbot").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name.startswith(("subprocess.", "os.system", "os.popen", "os.exec", "os.spawn")) and "Error" not in name:
                calls.append((path.stem, ast.unparse(node)))
    assert not [call for _, call in calls if "shell=True" in call or "os.system" in call or "os.popen" in call]
    looked_at = {"__main__", "blame", "bundle", "checkout", "docs", "erasure", "files", "folder", "forkserver", "looking",
                 "main", "project", "serve", "shared", "workflows"}
    assert {module for module, _ in calls} <= looked_at, "a module that starts programs: look where its words come from"
