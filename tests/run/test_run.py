"""`mlbot run` does the main job, and its exit code says whose turn it is."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import nbformat
import pytest

from mlbot.data.source import choose, load_source
from mlbot.data.split import split
from mlbot.data.table import sample_file, snapshot
from mlbot.model.export import to_artefact
from mlbot.model.train import train
from mlbot.settings import load_settings
from mlbot.text.language import component


def edit(path, change):
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def cell_with(notebook, text):
    return next(cell for cell in notebook.cells if text in cell.source)


def last_run(project):
    return max((project / "runs").iterdir())


def lines(done):
    return done.stderr.strip().splitlines()


def test_the_sample_is_trained_judged_and_released_and_then_answers(released, mlbot, tmp_path):
    """The second run of the same data: it is the same model."""
    project, summary = released, tmp_path / "summary.md"
    done = mlbot("run", "--why", "first model", env={"GITHUB_STEP_SUMMARY": str(summary)})
    assert done.returncode == 0, done.stderr
    assert re.search(r"accuracy +0\.\d{3} +104 +0\.\d{3} to 0\.\d{3} +\S 0\.800 +- +\S pass", done.stdout)
    folder = last_run(project)
    for name in ("report.html", "run.log", "verdicts.json", "set_aside.csv", "3_gate.ipynb", "model/manifest.json"):
        assert (folder / name).is_file(), name
    assert f"report: runs/{folder.name}/report.html" in done.stdout
    assert "| accuracy | 0." in summary.read_text() and "Yes: no gate stops it" in summary.read_text()
    # the next step, as printed, works
    command = re.search(r"next:   python3 -m mlbot (.*)", done.stdout)[1]
    answered = subprocess.run(f"{sys.executable} -m mlbot {command}", shell=True, capture_output=True, text=True)
    assert answered.returncode == 0 and re.match(r" [01]\.\d{3}  #+ +\w+\n", answered.stdout), answered.stderr
    asked = mlbot("predict", "need access to the project", "--role", "engineer", "--location", "DE", "--json")
    answer = json.loads(asked.stdout)
    assert answer["intent"] == "request_access" and len(answer["ranking"]) == 5
    listed = mlbot("models").stdout
    assert re.search(r"^\* [0-9a-f]{12}  \S+  \w+  first model  accuracy 0\.\d{3}  run \S+", listed, re.MULTILINE)
    assert len({line.split()[1] for line in mlbot("models").stdout.splitlines() if line.startswith("*")}) == 1


def test_a_target_above_the_model_is_red_and_later_gates_are_still_judged(released, mlbot, tmp_path):
    project, summary, before = released, tmp_path / "summary.md", (released / "models" / "champion").read_text()
    done = mlbot("run", "--target", "0.99", env={"GITHUB_STEP_SUMMARY": str(summary)})
    assert done.returncode == 1
    assert re.search(r"3_gate.ipynb, cell \d+, line 2: gate: accuracy 0\.\d{3} \(n=104, 95 % 0\.\d{3} to 0\.\d{3}\) "
                     r"is below its floor 0\.990\n  expected: accuracy of at least 0\.990\n  do: ", done.stderr)
    assert len([line for line in lines(done) if not re.match(r"  \d_\w+ +(ok|red)", line)]) <= 6
    assert re.search(r"macro_f1 .* pass", done.stdout)
    assert "not reached: 4_release.ipynb; the champion is unchanged" in done.stdout
    assert (project / "models" / "champion").read_text() == before
    assert "No: a gate is red" in (last_run(project) / "report.html").read_text()
    assert "No: a gate is red" in summary.read_text()


def test_a_mistyped_target_stops_before_anything_runs(project, mlbot):
    (project / "settings.ini").write_text("[targets]\nacuracy.floor = 0.8\n")
    done = mlbot("run")
    assert done.returncode == 2 and "did you mean accuracy?" in done.stderr and not (project / "runs").exists()


def test_context_may_stand_before_the_text(released, mlbot):
    answers = [mlbot("predict", "--json", *words).stdout for words in (
        ["I need a new card", "--role", "sales"], ["--role", "sales", "I need a new card"],
        ["--role=sales", "--", "I need a new card"])]
    assert len(set(answers)) == 1 and "expense_claim" in answers[0]
    assert mlbot("predict", "I need a new card", "--role").returncode == 2
    assert mlbot("predict", "I need", "a new card").returncode == 2


def test_the_version_is_that_of_the_package(mlbot):
    from mlbot.origin import own_version
    assert mlbot("--version").stdout == f"mlbot {own_version()}\n"


def test_a_mistyped_parameter_stops_before_anything_runs(project, mlbot):
    done = mlbot("run", "-p", "tagret=0.9")
    assert done.returncode == 2 and not (project / "runs").exists()
    assert lines(done) == ["unknown parameter 'tagret'", *lines(done)[1:]] and "did you mean target?" in done.stderr


def test_a_stripped_parameters_tag_is_red(project, mlbot):
    edit(project / "nbs/pipeline/3_gate.ipynb", lambda nb: [cell.metadata.clear() for cell in nb.cells])
    done = mlbot("run", "--target", "0.99")
    assert done.returncode == 2 and "3_gate.ipynb: 0 cells are tagged 'parameters'" in done.stderr


def test_a_gate_in_try_except_is_red(project, mlbot):
    def wrap(notebook):
        cell = cell_with(notebook, 'gate("accuracy"')
        body = "\n".join("    " + line for line in cell.source.splitlines()[1:])
        cell.source = f"#| gate\ntry:\n{body}\nexcept Exception:\n    pass"
    edit(project / "nbs/pipeline/3_gate.ipynb", wrap)
    done = mlbot("run", "-p", "target=0.99")
    assert done.returncode == 1 and "is below its floor 0.990" in done.stderr


def test_a_deleted_gate_is_found_because_its_target_remains(project, mlbot):
    edit(project / "nbs/pipeline/3_gate.ipynb",
         lambda nb: nb.cells.remove(cell_with(nb, 'gate("accuracy"')))
    done = mlbot("run")
    assert done.returncode == 2 and "no notebook judges accuracy" in done.stderr
    assert not (project / "runs").exists()


def test_a_killed_kernel_is_no_verdict_and_releases_nothing(project, mlbot):
    edit(project / "nbs/pipeline/2_train.ipynb",
         lambda nb: nb.cells.insert(3, nbformat.v4.new_code_cell("import os\nos.kill(os.getpid(), 9)")))
    done = mlbot("run")
    assert done.returncode == 3 and "the kernel was killed (signal 9)" in done.stderr
    assert "not reached: 3_gate.ipynb, 4_release.ipynb" in done.stdout
    assert "quality was not measured" in (last_run(project) / "report.html").read_text()


def test_a_run_out_of_time_is_not_called_bad_quality(project, mlbot):
    done = mlbot("run", "--minutes", "0.02", "--force")
    assert done.returncode == 4 and "out of time" in done.stderr
    assert "No verdict: out of time" in (last_run(project) / "report.html").read_text()


@pytest.mark.parametrize("content, says", [
    ("text,number\na,1\n", 'column "intent" not found; found: text, number'),
    ("text,intent\na,b,c\n", "line 2 has 3 fields"),
    ("text,intent\n" + "".join(f"text {n},only\n" for n in range(50)), "one intent only"),
])
def test_a_bad_file_is_the_giver_s_turn(project, mlbot, csv_file, content, says):
    done = mlbot("run", "--data", csv_file(content))
    assert done.returncode == 2 and says in done.stderr
    assert "Traceback" not in done.stderr and "no verdict" not in done.stderr


def test_her_own_file_with_other_names_and_context_is_trained_on(project, mlbot, csv_file):
    header, *rows = sample_file().read_text().splitlines()
    path = csv_file("\n".join(["utterance;label;job;site".replace(";", ","), *rows]))
    done = mlbot("run", "--data", path, "--text", "utterance", "--intent", "label", "--context", "job", "site")
    assert done.returncode == 0, done.stderr
    answer = mlbot("predict", "I need a new card", "--job", "sales", "--json")
    assert json.loads(answer.stdout)["intent"] == "expense_claim"
    assert mlbot("predict", "I need a new card", "--role", "sales").returncode == 2


def test_added_batches_are_checked_stored_and_trained_on(project, mlbot, csv_file):
    header, *rows = sample_file().read_text().splitlines()
    first = csv_file("\n".join([header, *rows[::2]]), "first.csv")
    second = csv_file("\n".join([header, *rows[1::2]]), "second.csv")
    done = mlbot("data", "add", first)
    assert done.returncode == 0 and re.search(r"222  rows\n +12  intents", done.stdout)
    assert mlbot("data", "add", second).returncode == 0
    again = mlbot("data", "add", second)
    assert again.returncode == 0 and "nothing stored" in again.stdout
    command = re.search(r"next:   python3 -m mlbot (.*)", again.stdout)[1]
    done = mlbot(*command.split())
    assert done.returncode == 0, done.stderr
    # what was trained is what the store holds, and the store holds the sample
    settings = load_settings()
    stored, sample = (load_source(name, choose(settings, name)[1], settings) for name in ("store", "sample"))
    assert snapshot(stored) == snapshot(sample)
    train_rows = split(stored, settings.data).train
    facts = {"snapshot": snapshot(sample), "split": "25 % test, once and for all, by the store", "rows": len(train_rows),
             "max_characters": settings.data.max_characters, "components": {"language": component(settings.data.languages)}}
    expected = to_artefact(train(train_rows, list(sample.context), settings.model), settings.model, facts)
    assert (project / "models" / "champion").read_text().strip() == expected.name


def test_a_fault_of_ours_says_so(monkeypatch, capsys):
    from mlbot.cli import model as cli
    from mlbot.cli.main import main

    def predict(options):
        raise KeyError("of ours")
    monkeypatch.setattr(cli, "predict", predict)
    assert main(["predict", "hello"]) == 5
    said = capsys.readouterr().err
    assert "a fault of mlbot" in said and "Traceback" not in said and "KeyError" in open(said.split()[-1]).read()


def test_a_machine_that_refuses_is_no_verdict(project, mlbot):
    (project / "runs").write_text("a file where a folder should be")
    done = mlbot("run")
    assert done.returncode == 3 and "the machine refused" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("notebook, before, after, code, says", [
    ("3_gate", ", rules, floor=target", ", floor=0.1", 1, "is below its floor 0.990"),
    ("3_gate", "answer(model, exam.test,", "answer(model, load_table(exam.folder / 'train.csv'),", 3, "rests on 338 rows"),
    ("2_train", "## Model", "", 2, "test rows were handed to training"),
])
def test_a_careless_edit_of_a_notebook_releases_nothing(project, write_settings, mlbot, notebook, before, after, code, says):
    def change(nb):
        if notebook == "2_train":
            source = cell_with(nb, "pipeline = train")
            source.source = ("import pandas\nfrom dataclasses import replace\n"
                             "rows = pandas.concat([material.rows, material.test])\n"
                             "material = replace(material, rows=rows)\n" + source.source)
        else:
            cell = cell_with(nb, before)
            cell.source = cell.source.replace(before, after)
            if "load_table" in after:
                cell.source = f"from mlbot.run.folder import load_table\n{cell.source}"
    if code == 1:
        write_settings(project, "[data]\nsource = sample\nsuspects = 0\n[targets]\naccuracy.floor = 0.99\n")
    edit(project / "nbs" / "pipeline" / f"{notebook}.ipynb", change)
    done = mlbot("run")
    assert done.returncode == code and says in done.stderr, done.stderr
    assert not (project / "models" / "champion").exists()


@pytest.mark.parametrize("words", [["--target", "80"], ["--target", "-1"], ["--minutes", "nan"],
                                   ["--minutes", "0"], ["--context", "user role"]])
def test_an_option_that_makes_no_sense_is_refused(project, mlbot, words):
    done = mlbot("run", *words)
    assert done.returncode == 2 and "Traceback" not in done.stderr


@pytest.mark.parametrize("words, says", [
    (["data", "ad"], "unknown command: 'ad'"), (["feedback", "x"], "data feedback --help"), (["runn"], "did you mean run?"),
    (["run", "--minutes"], "expected one argument"),
    (["waive", "accuracy"], "--why, --until"), (["serve", "--port", "x"], "expected: a port from 0 to 65535"),
    (["run", "hello"], "do: mlbot run --help"), (["data", "log", "--all"], "mlbot data log: unknown words: --all")])
def test_words_that_no_command_has_are_refused_in_six_lines(mlbot, words, says):
    done = mlbot(*words)
    assert done.returncode == 2 and says in done.stderr and "--help" in done.stderr
    assert len(done.stderr.splitlines()) <= 6


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_run_leaves_no_kernel(project, number):
    import psutil
    edit(project / "nbs/pipeline/2_train.ipynb",
         lambda nb: nb.cells.insert(3, nbformat.v4.new_code_cell("import time\ntime.sleep(120)")))
    runner = subprocess.Popen([sys.executable, "-m", "mlbot", "run"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))  # tests that nohup runs ignore it
    log = None
    while log is None or "2_train" not in log:
        time.sleep(0.5)
        found = list(project.glob("runs/*/run.log"))
        log = found[0].read_text() if found else None
    kernels = []
    while not kernels:
        assert runner.poll() is None
        time.sleep(0.2)
        kernels = psutil.Process(runner.pid).children(recursive=True)
    time.sleep(2)
    kernels = psutil.Process(runner.pid).children(recursive=True)
    runner.send_signal(number)
    assert runner.wait(30) == 128 + number
    gone, alive = psutil.wait_procs(kernels, timeout=10)
    assert not alive


def test_notebooks_that_ship_are_used_where_the_project_has_none(project, mlbot):
    shutil.rmtree(project / "nbs")
    assert mlbot("run").returncode == 0


def test_production_is_scored_and_never_trained_on(released, mlbot, csv_file):
    project, alone = released, last_run(released)
    assert not (alone / "production.csv").exists() and "In production" not in (alone / "report.html").read_text()
    rows = sample_file().read_text().splitlines()
    new = ["sing me a zyxophone,oos,sales,UK", "a zyxophone of mine,no_such_intent,sales,UK",
           "lost my zyxophone,Access_Badge,sales,UK"]
    asked = csv_file("\n".join([*rows[:40], *new]), "asked.csv")
    done = mlbot("run", "--production", asked)
    assert done.returncode == 0, done.stderr
    scored = last_run(project)
    assert (scored / "train.csv").read_bytes() == (alone / "train.csv").read_bytes()
    assert (scored / "model" / "manifest.json").read_bytes() == (alone / "model" / "manifest.json").read_bytes()
    score = {item["metric"]: item for item in json.loads((scored / "scores.json").read_text())}["production_accuracy"]
    assert score["n"] == 41 and 0.5 < score["value"] < 1  # the one out of scope does not count, the unknown intent is wrong
    findings = {item["what"]: item for item in json.loads((scored / "prepare.json").read_text())["findings"]}
    assert findings["rows of production, labelled later"]["n"] == 42
    assert findings["of them, rows with a label that training lacks"]["examples"] == ["no_such_intent"]
    assert findings["of them, rows that say what training has heard"]["n"] > 20
    written = [path for path in scored.rglob("*") if path.is_file() and b"zyxophone" in path.read_bytes()]
    assert {path.name for path in written} == {"production.csv"}
    one, other = (json.loads((folder / "verdicts.json").read_text()) for folder in (scored, alone))
    measured = ("latency_ratio", "training_time", "champion", "conversation_champion", "production_gap")  # what differs
    assert [item for item in one["verdicts"] if item["gate"] not in measured] == \
        [item for item in other["verdicts"] if item["gate"] not in measured]
    assert f"not gated: production_accuracy {score['value']:.3f} (n=41" in done.stdout
    assert "In production" in (scored / "report.html").read_text()


@pytest.mark.parametrize("content, says", [
    ("utterance,label\na,b\n", "not found"), ("text,intent\na,b\n", "as in the data: text, intent, role, location"),
    ("", "empty"), ("text,intent,role,location\n,,,\n", "no labelled row")])
def test_a_production_file_that_cannot_be_used_stops_the_run(project, mlbot, csv_file, content, says):
    done = mlbot("run", "--production", csv_file(content, "asked.csv"))
    assert done.returncode == 2 and says in done.stderr and "asked.csv" in done.stderr, done.stderr
    assert not list((project / "models").glob("[!.]*"))


def test_two_first_runs_at_once_follow_one_another_and_the_second_says_that_it_waits(project, monkeypatch, capsys):
    """So it is judged against the champion that the first has released; runs that release nothing do not wait."""
    import threading

    from mlbot.cli import run as cli
    from mlbot.run.request import RunRequest
    began, inside, said = threading.Event(), [], []

    def run_now(request, settings, junit) -> int:
        inside.append(1)
        said.append(sum(inside))
        began.set()
        if request.rows:
            waits.wait(20)
        inside.pop()
        return 0
    waits = threading.Event()
    monkeypatch.setattr(cli, "run_now", run_now)
    monkeypatch.setattr(cli, "say_waits", waits.set)
    usual, waiting, settings = RunRequest(minutes=1.0), RunRequest(minutes=1.0, rows=1), load_settings()
    first = threading.Thread(target=cli.execute_request, args=[waiting, settings])
    first.start()
    assert began.wait(20) and cli.execute_request(usual, settings) == 0
    first.join()
    assert waits.is_set() and said == [1, 1]
    first = threading.Thread(target=cli.execute_request, args=[waiting, settings])
    waits.clear()
    began.clear()
    first.start()
    assert began.wait(20) and cli.execute_request(replace(usual, release=False), settings) == 0
    waits.set()
    first.join()
    assert said[2:] == [1, 2]


def test_a_run_that_waits_for_too_long_is_out_of_time(project, mlbot):
    """Exit code 4, what holds it, and no run is begun."""
    from mlbot.files import locked
    with locked(project / "models" / ".run", 0):
        done = mlbot("run", "--minutes", "0.001")
        assert done.returncode == 4 and "another process held this" in done.stderr and "waits:" in done.stdout
        assert not (project / "runs").exists() or not list((project / "runs").glob("2*"))


def test_the_demo_says_so_and_never_replaces_a_model_of_other_data(project, mlbot):
    """A folder without settings, after a run on a file: the demo would release its own model there."""
    (project / "settings.ini").unlink(missing_ok=True)
    assert mlbot("run", "--data", "sample").returncode == 0
    before = (project / "models" / "champion").read_text()
    done = mlbot("run")
    assert done.returncode == 2 and "demo:   no settings.ini here" in done.stdout and "knows other intents" in done.stderr
    assert (project / "models" / "champion").read_text() == before
    assert "demo:" not in mlbot("run", "--data", "sample", "--until", "prepare").stdout


def test_the_terminal_says_what_became_of_the_data(project, mlbot, csv_file):
    """Columns that were found, rows that were set aside with their reason, and whose they were."""
    with open(sample_file(), encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["intent"]) for row in csv.DictReader(file)]
    csv_file("\n".join(["Anfrage;Thema", *(f'"{text}";{intent}' for text, intent in rows), "no label here;"]), "mine.csv")
    said = mlbot("run", "--data", "mine.csv", "--until", "prepare").stdout
    assert "data:   columns found: text is 'Anfrage', intent is 'Thema'" in said and "no label 1" in said
    assert "rows, 12 intents" in said and "set aside (set_aside.csv)" in said and "data:   of " in said
    assert "next:" in said and "mine.csv" in said.partition("next:")[2] and "--until" not in said.partition("next:")[2]
    csv_file("\n".join(f'"{text}",{intent}' for text, intent in rows), "bare.csv")
    said = mlbot("run", "--data", "bare.csv", "--until", "prepare").stdout
    assert "data:   file without a header; its columns are read as" in said
