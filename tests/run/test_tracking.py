"""What a run found is told to others in their own formats: MLflow, build servers that read JUnit, DVC."""

import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib import util
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest

from mlbot.errors import GateFailed, InputError, NoVerdict
from mlbot.gates.verdict import Waiver, judge
from mlbot.gates.words import error_of
from mlbot.origin import install_command
from mlbot.run.folder import day_of, load_verdicts
from mlbot.run.judge import NotebookStep
from mlbot.run.publish import build_junit
from mlbot.run.tracking import connect, track, tracking_address
from mlbot.settings import Target, load_settings
from mlbot.stats.scores import Score

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")  # of MLflow's own tables
SERVER = ("graphene==3.4.3", "aiohttp==3.14.5")  # what a server needs beside the client and what tests install anyway


@pytest.fixture
def set_mlflow(write_settings):
    """Says where a project logs its runs to, and returns its settings."""
    def write(project, address):
        write_settings(project, f"[data]\nsource = sample\nsuspects = 0\n[tracking]\nmlflow = {address}\n")
        return load_settings(project)
    return write


def logged(settings):
    """The client, and all runs of the project."""
    client = connect(tracking_address(settings.tracking.mlflow, settings.root)[0])
    return client, client.search_runs([client.get_experiment_by_name(settings.root.name).experiment_id])


def only_run(project):
    return next(path for path in (project / "runs").iterdir() if path.name[:2] == "20")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a real server of MLflow; skips, visibly, where what it needs cannot be fetched or it does not start."""
    home, folder = Path.home() / ".cache" / "mlbot" / "mlflow-server", tmp_path_factory.mktemp("mlflow")
    done = subprocess.run([sys.executable, "-m", "uv", "pip", "install", "-q", "--target", str(home), *SERVER],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{' '.join(SERVER)} cannot be fetched: {done.stderr[-200:]}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = {"PYTHONPATH": str(home), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/server.db",
               "--artifacts-destination", str(folder / "files"), "--port", str(port), "--workers", "1"]
    with open(folder / "server.log", "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | words, stdout=log, stderr=log)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.25)
        else:
            pytest.skip(f"the server does not start: {(folder / 'server.log').read_text()[-300:]}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def test_a_run_is_logged_with_what_it_was_made_from_and_is_found_again(released, mlbot, set_mlflow):
    """Params, all numbers of all gates, tags and small files; logging it twice makes one run, and no table goes along."""
    settings, folder = set_mlflow(released, "sqlite:///mlflow.db"), only_run(released)
    for _ in range(2):
        done = mlbot("track", folder.name, cwd=folder)  # a folder below: the file lies in the project all the same
        assert done.returncode == 0 and f"run {folder.name}" in done.stdout and "next:" in done.stdout, done.stderr
    client, runs = logged(settings)
    run, prepared = runs[0], json.loads((folder / "prepare.json").read_text())
    assert len(runs) == 1 and run.info.run_name == folder.name and run.info.status == "FINISHED"
    assert run.data.params["snapshot"] == prepared["snapshot"] and run.data.params["source"] == "sample"
    assert run.data.params["split"] == prepared["split"] and run.data.params["model.tier"] == "light"
    accuracy = next(item.score for item in load_verdicts(folder)[1] if item.gate == "accuracy")
    assert [run.data.metrics[f"accuracy{end}"] for end in ("", "_n", "_low", "_high")] == \
        pytest.approx([accuracy.value, accuracy.n, accuracy.low, accuracy.high])
    assert run.data.metrics == json.loads((folder / "metrics.json").read_text())
    assert {name: run.data.tags[name] for name in ("outcome", "released", "champion", "model")} == {
        "outcome": "pass", "released": "yes", "champion": "yes", "model": load_verdicts(folder)[0]}
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "report.html", "metrics.json", "comment.md", "card.md"}
    assert (released / "mlflow.db").is_file() and run.info.artifact_uri.startswith((released / "mlartifacts").as_uri())
    assert run.info.end_time > run.info.start_time


def test_a_red_run_whose_server_is_down_stays_red_and_is_logged_later(project, mlbot, set_mlflow):
    """One line says why it is not logged and what logs it; the outcome of the run is the same."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings = set_mlflow(project, f"http://127.0.0.1:{free.getsockname()[1]}")
    done = mlbot("run", "--target", "0.99", "--junit", "out/junit.xml")
    folder = only_run(project)
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if line.startswith("not logged: "))
    assert "Connection refused" in line and line.endswith(f"track {folder.name}") and "Traceback" not in done.stderr
    late = mlbot("track", folder.name)
    assert late.returncode == 3 and "did not take run" in late.stderr
    settings = set_mlflow(project, "sqlite:///mlflow.db")
    assert mlbot("track", folder.name).returncode == 0
    run = logged(settings)[1][0]
    assert (run.data.tags["outcome"], run.data.tags["released"], run.info.status) == ("red", "no", "FINISHED")
    assert run.data.metrics["accuracy_red"] == 1
    # the same run as a build server sees it
    suite = ElementTree.parse(project / "out" / "junit.xml").getroot()[0]
    cases = {(case.attrib["classname"], case.attrib["name"]): case for case in suite}
    assert "is below its floor 0.990" in cases["3_gate", "accuracy"].find("failure").attrib["message"]
    assert cases["4_release", "runs"].find("skipped") is not None and cases["3_gate", "macro_f1"].find("failure") is None
    assert (suite.attrib["failures"], suite.attrib["errors"], suite.attrib["skipped"]) == ("1", "0", "1")


def test_a_real_server_takes_a_run_with_its_files(released, server, set_mlflow):
    """Over HTTP, the files too; and a second time it is the same run."""
    settings, folder = set_mlflow(released, server), only_run(released)
    assert track(folder, settings).startswith(f"{server}/#/experiments/") and track(folder, settings)
    client, runs = logged(settings)
    assert len(runs) == 1 and runs[0].data.metrics == json.loads((folder / "metrics.json").read_text())
    copy = client.download_artifacts(runs[0].info.run_id, "card.md", str(released))
    assert Path(copy).read_text() == (folder / "card.md").read_text()


def test_only_the_runs_of_the_champion_are_tagged_as_such(released, set_mlflow):
    """When another model answers, the old one loses the tag with the next run that is logged, and may get it back."""
    settings, folder = set_mlflow(released, "sqlite:///mlflow.db"), only_run(released)
    later, pointer = released / "runs" / "2099-01-01_000000", released / "models" / "champion"
    track(folder, settings)
    shutil.copytree(folder, later)
    told = json.loads((later / "verdicts.json").read_text())
    (later / "verdicts.json").write_text(json.dumps(told | {"model": "0123456789ab"}))
    for champion in ("0123456789ab", told["model"]):
        pointer.write_text(champion)
        track(later, settings)
        tags = {run.data.tags["model"]: run.data.tags["champion"] for run in logged(settings)[1]}
        assert tags == {told["model"]: "no", "0123456789ab": "no"} | {champion: "yes"}


def test_a_run_that_ended_early_is_logged_as_failed(project, set_mlflow):
    """Nothing was measured, and that is what MLflow shows."""
    settings, folder = set_mlflow(project, "sqlite:///mlflow.db"), project / "runs" / "2026-01-05_120000"
    folder.mkdir(parents=True)
    (folder / "outcome.json").write_text('{"outcome": "no verdict", "headline": "", "released": false, "seconds": 1}')
    track(folder, settings)
    run = logged(settings)[1][0]
    assert run.info.status == "FAILED" and run.data.metrics == {} and run.data.tags["outcome"] == "no verdict"


def test_without_mlflow_a_run_that_shall_be_logged_does_not_begin(project, mlbot, set_mlflow):
    """What the settings ask for and the machine lacks is said before anything is trained."""
    set_mlflow(project, "sqlite:///mlflow.db")
    with mock.patch.object(util, "find_spec", lambda name: None):
        done = mlbot("run")
    assert done.returncode == 2 and install_command("tracking") in done.stderr and not (project / "runs").exists()


def test_what_is_no_place_for_runs_is_refused(project, mlbot, set_mlflow):
    """A mistyped address stops with what was wanted; no address, and there is nothing to log to."""
    (project / "settings.ini").write_text("[tracking]\nmlflow = mlflow.db\n")
    assert "sqlite:///mlflow.db" in mlbot("track").stderr
    set_mlflow(project, "")
    done = mlbot("track")
    assert done.returncode == 2 and "[tracking]" in done.stderr


def test_mlflow_tells_its_makers_nothing():
    """Its telemetry is off before it is imported, also where MLflow does not know that it is only tested."""
    code = ("from mlbot.run.tracking import connect; connect('sqlite://'); from mlflow.telemetry.utils import "
            "is_telemetry_disabled as off; print(off())")
    words = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    done = subprocess.run([sys.executable, "-c", code], env=words, capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr[-300:]


def leaves(value):
    """All values of nested dicts."""
    return [leaf for item in value.values() for leaf in leaves(item)] if isinstance(value, dict) else [value]


def test_metrics_are_what_dvc_shows(green_run):
    """`dvc metrics show` takes names, flat or nested, with numbers, and drops anything else: here is nothing else."""
    text = (only_run(green_run) / "metrics.json").read_text()
    found = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert isinstance(found, dict) and found["accuracy_n"] == 104
    assert all(type(leaf) in (int, float) and math.isfinite(leaf) for leaf in leaves(found))


def a_step():
    """A step with a green gate, a red one, a red one that is waived, one that was not measured, and a problem of its own."""
    low = Score("x", 0.5, 200, 0.43, 0.57)
    verdicts = [judge("good", Score("good", 0.9, 200, 0.85, 0.93), Target(floor=0.8)), judge("bad", low, Target(floor=0.8)),
                judge("lost", Score("lost", math.nan, 0, 0, 1), Target(floor=0.8))]
    waiver = Waiver("waived", "ann", "known", day_of("2026-02-01"), "", "")
    waived = judge("waived", low, Target(floor=0.8))
    verdicts.append(type(waived)(**{**vars(waived), "waiver": waiver}))
    problems = [error_of(item) for item in verdicts if item.stops] + [InputError("the cell \x1b hid", "a cell", "mend it")]
    return NotebookStep("3_gate.ipynb", 2.0, {4: tuple(verdicts)}, tuple(problems))


def test_a_build_server_reads_each_gate_as_a_test_case():
    """Red fails with the sentence of the verdict, not measured is an error, waived passes and says so."""
    step = a_step()
    problems = [*step.problems, NoVerdict("no notebook")]
    suite = ElementTree.fromstring(build_junit("r", [step], ["4_release.ipynb"], problems))[0]
    found = {case.attrib["name"]: [child.tag for child in case] for case in suite if case.attrib["classname"] == "3_gate"}
    assert found == {"runs": ["error"], "good": ["system-out"], "bad": ["failure"], "lost": ["error"],
                     "waived": ["system-out"]}
    assert suite.find("*[@name='bad']/failure").attrib["message"].endswith("is below its floor 0.800")
    assert "waived by ann" in suite.find("*[@name='waived']/system-out").text
    assert suite.find("*[@classname='run']/error").attrib["message"] == "no notebook"
    kinds = [child.tag for case in suite for child in case]
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.attrib[name]) == kinds.count(kind)
    assert int(suite.attrib["tests"]) == len(suite) and isinstance(step.problems[0], GateFailed)


def test_a_run_that_does_not_begin_leaves_no_old_junit_file(project, mlbot):
    """A build server must not read yesterday's green."""
    (project / "junit.xml").write_text("<testsuites/>")
    assert mlbot("run", "-p", "tagret=0.9", "--junit", "junit.xml").returncode == 2
    assert not (project / "junit.xml").exists()
