"""The ML Test Score of a project rests on what is found in its files, and each item on its own."""

import json
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

import numpy as np
import pytest

from mlbot.model.artefact import build_artefact
from mlbot.model.registry import add_history, release
from mlbot.model.rollout import Canary, golden_file, set_canary
from mlbot.ops.readiness import SECTIONS, judge_project, read_project, section_points
from mlbot.run.folder import load_table, save_table
from mlbot.settings import load_settings

GREEN = {"schema", "feature_cost", "feature_rules", "privacy", "slices", "inclusion", "spec_tests", "validated", "debuggable",
         "skew", "stable", "speed"}  # whole points after one green run of the sample; integration has half of one
NOW = datetime(2026, 6, 1)


def points(project, now=NOW):
    """The points of each item that has some."""
    return {item.name: item.points for item in judge_project(read_project(load_settings(project), now)) if item.points}


def run_of(project):
    """The folder of the run."""
    return next(path for path in sorted((project / "runs").iterdir()) if path.name[:2] == "20")


def write(file, text):
    """Write a file, and its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def without(project, gate):
    """Take the verdict of a gate away."""
    file = run_of(project) / "verdicts.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"verdicts": [item for item in told["verdicts"] if item["gate"] != gate]}))


def without_languages(project):
    """Take the slices of languages away."""
    file = run_of(project) / "verdicts.json"
    told = json.loads(file.read_text())
    slices = next(item for item in told["verdicts"] if item["gate"] == "slices")
    slices["parts"] = [part for part in slices["parts"] if not part["score"]["metric"].startswith("language/")]
    file.write_text(json.dumps(told))


def with_address(project):
    """Put an address into a text."""
    rows = load_table(run_of(project) / "train.csv")
    rows.loc[3, "text"] = "write to ann@example.com"
    save_table(rows, run_of(project) / "train.csv")


def edit(file, old, new):
    """Replace some text of a file, which must be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_a_project_of_a_moment_ago_has_nothing_and_a_green_run_gives_it_points(project, green_run):
    """Zero in each section; then what the run has shown, and no more."""
    assert points(project) == {}
    found = points(green_run)
    assert found == dict.fromkeys(GREEN, 1.0) | {"integration": 0.5}


REMOVALS = {
    "schema": lambda project: without(project, "data"),
    "feature_cost": lambda project: without(project, "model_size"),
    "feature_rules": lambda project: (run_of(project) / "checks.csv").unlink(),
    "privacy": with_address,
    "inclusion": without_languages,
    "spec_tests": lambda project: (run_of(project) / "learning_curve.json").unlink(),
    "integration": lambda project: (run_of(project) / "4_release.ipynb").unlink(),
    "validated": lambda project: (project / "models" / "history.jsonl").unlink(),
    "debuggable": lambda project: (run_of(project) / "test.csv").unlink(),
    "skew": lambda project: shutil.rmtree(project / "models" / "golden"),
    "stable": lambda project: edit(run_of(project) / "predictions.csv", ",0.", ",7."),
    "speed": lambda project: without(project, "training_time"),
}


@pytest.mark.parametrize("name", REMOVALS)
def test_an_item_whose_evidence_is_gone_loses_its_points_and_no_other_does(released, name):
    """Each piece of evidence carries its own item."""
    before = points(released)
    REMOVALS[name](released)
    assert points(released) == {item: n for item, n in before.items() if item != name}


def test_a_limit_that_is_not_set_is_no_evidence(released):
    """A gate that was asked nothing has tested nothing."""
    file = run_of(released) / "verdicts.json"
    told = json.loads(file.read_text())
    next(item for item in told["verdicts"] if item["gate"] == "data")["target"]["ceiling"] = None
    file.write_text(json.dumps(told))
    assert "schema" not in points(released)


def test_a_damaged_model_is_no_evidence(released):
    """Golden answers of a champion that cannot be read hold nothing, and it explains nothing."""
    name = (released / "models" / "champion").read_text().strip()
    golden_file(released / "models", name)  # stays
    (released / "models" / name / "weights.safetensors").write_bytes(b"x")
    assert not {"skew", "debuggable"} & set(points(released))


def monitored(project, day="2026-05-28"):
    """A report of the monitor with drift and audit."""
    share = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 120}
    told = {"alerts": [], "drift": [{"name": "length"}], "quality": {"test": share, "audit": share, "in_scope": share}}
    write(project / "runs" / "monitor" / f"{day}_120000" / "monitor.json", json.dumps(told))


def same_again(project):
    """A second run of the same, with the same model."""
    shutil.copytree(run_of(project), project / "runs" / "2020-01-01_000000")


def locked(project):
    """A lock, and a run that wrote it down."""
    write(project / "constraints.txt", "numpy==2\n")
    file = run_of(project) / "run.json"
    told = json.loads(file.read_text())
    told["environment"]["lock"] = sha256(b"numpy==2\n").hexdigest()[:16]
    file.write_text(json.dumps(told))


def committed(project, *, reviewed):
    """A run of a commit."""
    file = run_of(project) / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"commit": "a" * 40, "changed": ""}))
    if reviewed:
        write(project / "CODEOWNERS", "* @ann\n")


def tested(project):
    """Tests that a build server runs."""
    write(project / "tests" / "test_words.py", "def test_words(): ...\n")
    write(project / ".gitlab-ci.yml", "test:\n  script: pytest\n")


def timed(project):
    """A timer that trains again."""
    write(project / "deploy" / "train.service", "[Service]\nExecStart=mlbot run\n")
    write(project / "deploy" / "train.timer", "[Timer]\nOnCalendar=weekly\n")


def second_model(project, *, back):
    """Another champion after this one; or this one brought back after it."""
    models = project / "models"
    first = (models / "champion").read_text().strip()
    tiny = build_artefact(["a", "b"], [], {"words": ["x"], "char_ngrams": []},
                          {"weights": np.ones((1, 2)), "bias": np.zeros(2), "idf": np.ones(1)},
                          {"model": {"words": [1, 2], "characters": [1, 4]}})
    release(tiny, models, {"who": "ann", "run": "r", "verdicts": {"accuracy": 0.9}})
    if back:
        add_history(models, {"when": "2026-05-01", "model": first, "before": tiny.name, "who": "ann"})
        (models / "champion").write_text(first)


SEARCHED = "settings,value\na,0.8\nb,0.9\n"
ADDITIONS = {
    "two runs that give one model": (same_again, {"reproducible": 1.0}),
    "a report of the monitor": (monitored, {"input_invariants": 0.5, "quality": 0.5, "offline_online": 0.5}),
    "a lock": (locked, {"dependencies": 0.5}),
    "a machine that watches": (lambda project: write(project / "renovate.json", "{}"), {"dependencies": 1.0}),
    "a commit": (lambda project: committed(project, reviewed=False), {"reviewed_spec": 0.5}),
    "a commit with reviewers": (lambda project: committed(project, reviewed=True), {"reviewed_spec": 1.0}),
    "settings tried by hand": (lambda project: write(project / "search" / "search.csv", SEARCHED), {"tuned": 0.5}),
    "tests on a build server": (tested, {"feature_tests": 1.0}),
    "a timer": (timed, {"fresh": 1.0, "integration": 1.0}),
    "a trial": (lambda project: set_canary(project / "models", Canary("0" * 12, 0.1, 1.0)), {"canary": 1.0}),
    "a model brought back": (lambda project: second_model(project, back=True), {"rollback": 1.0}),
}


@pytest.mark.parametrize("what", ADDITIONS)
def test_new_evidence_gives_points_to_its_items_and_to_no_other(released, what):
    """Half a point for what a person did, a whole one for what a machine does."""
    before, (add, gained) = points(released), ADDITIONS[what]
    add(released)
    assert points(released) == before | gained


def test_a_second_model_can_be_rolled_back_from_while_the_first_is_whole(released):
    """Half a point, because nobody has tried; none when the model before is damaged."""
    second_model(released, back=False)
    assert points(released)["rollback"] == 0.5
    for folder in (released / "models").glob("*/manifest.json"):
        folder.write_text("{}")
    assert "rollback" not in points(released)


def test_two_runs_of_the_same_with_two_models_are_not_reproducible(released):
    """One that gave another model speaks against it."""
    same_again(released)
    edit(released / "runs" / "2020-01-01_000000" / "verdicts.json", '"model": "', '"model": "f')
    assert "reproducible" not in points(released)


def test_an_old_report_and_a_comment_are_no_evidence(released):
    """The monitor of last year says nothing about now; a line that is commented out does nothing."""
    before = points(released)
    monitored(released, "2025-05-28")
    write(released / ".gitlab-ci.yml", "train:\n  # script: mlbot run\n  # schedule\n")
    assert points(released) == before | {"offline_online": 0.5}


def attest(project, name, day="2026-05-01", who="ann"):
    """Let somebody vouch for an item."""
    write(project / "attested.ini", f"[{name}]\nwho = {who}\nwhat = done in May, wiki/may\nday = {day}\n")


def test_what_no_file_shows_counts_half_when_somebody_vouches_for_it(released):
    """By name, for a year, and never for more than files show."""
    before = points(released)
    attest(released, "new_features")
    assert points(released) == before | {"new_features": 0.5}
    assert points(released, NOW + timedelta(days=400)) == before and points(released, datetime(2026, 4, 1)) == before
    attest(released, "schema")
    assert points(released) == before


@pytest.mark.parametrize("name, day, who, says", [
    ("new_feature", "2026-05-01", "ann", "did you mean new_features?"), ("canary", "May", "ann", "a day such as"),
    ("canary", "2026-05-01", "", "who")])
def test_an_attestation_that_cannot_be_read_stops(released, mlbot, name, day, who, says):
    """Nobody, no day, or no such item."""
    attest(released, name, day, who)
    done = mlbot("score")
    assert done.returncode == 2 and says in done.stderr


def test_the_score_is_that_of_the_weakest_section_and_the_command_says_what_is_missing(released, mlbot):
    """Much in one section does not make up for little in another."""
    found = judge_project(read_project(load_settings(released), NOW))
    sums = section_points(found)
    assert sums == {"data": 4.0, "model": 2.0, "infrastructure": 3.5, "monitoring": 3.0}
    best = [replace(item, points=1.0) if item.section != "model" else item for item in found]
    assert section_points(best) == dict.fromkeys(SECTIONS, 7.0) | {"model": 2.0}
    done = mlbot("score")
    assert done.returncode == 0 and "ML Test Score: 2, the least of data 4, model 2," in done.stdout
    assert "a first pass at production" in done.stdout and done.stdout.count(" do: ") == 28 - len(GREEN) - 1
    assert "next:   reviewed_spec: commit" in done.stdout
    assert "Is it written down" not in mlbot("score", "--short").stdout
    told = json.loads(mlbot("score", "--json").stdout)
    assert told["points"] == sums and len(told["items"]) == 28 and told["items"][0].keys() >= {"name", "points", "evidence",
                                                                                               "do"}
