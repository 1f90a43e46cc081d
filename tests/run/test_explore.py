"""The notebooks to explore read a run, show pictures that say what they find, and end in a command that exists."""

import ast
import importlib.util
import re
import shutil
import time
from pathlib import Path

import nbformat
import pytest

from mlbot.data.table import sample_file
from mlbot.errors import NoVerdict
from mlbot.ops.project import ProjectAnswers, render_project
from mlbot.run.folder import load_outcome
from mlbot.run.kernel import Watch, execute_notebook
from mlbot.run.pictures import confusion_figure, errors_figure, forest, intents_figure, near_clusters, two_runs
from mlbot.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
EXPLORE = ROOT / "nbs" / "explore"
PICTURES = {"data_at_a_glance": 3, "error_analysis": 3, "two_runs_compared": 2, "context_worth": 3,
            "thresholds_and_costs": 3, "test_and_production": 3, "feature_trial": 2}
SAYS = {"two_runs_compared": "nothing differs", "test_and_production": "zebra", "feature_trial": "surely",
        "thresholds_and_costs": "handoff"}  # of the log, each message ends in a word that no training text has
SPEC = importlib.util.spec_from_file_location("next_steps", ROOT / "tests" / "ops" / "test_next_steps.py")
next_steps = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(next_steps)


def talk(root: Path, rows, model: str) -> None:
    """A log in which people have asked these rows, and labelled each fourth of them."""
    from mlbot.bot.events import Event, open_log
    log = open_log(load_settings(root))
    for number, row in enumerate(rows.itertuples()):
        body = {"text": row.text, "intent": row.predicted, "confidence": row.confidence, "request": f"r{number}",
                "ranking": [[row.predicted, row.confidence]], "model": model, "decision": "execute", "role": row.role,
                "location": row.location}
        event, = log.append(Event("asked", f"r{number}", body))
        if number % 4 == 0:
            log.append(Event("label", f"e{event.number}", {"intent": row.intent}, "p1"))
    log.close()


@pytest.fixture(scope="module")
def explored(green_run, tmp_path_factory) -> Path:
    """A project with a run, a later one with three other answers, and a log of conversations."""
    from mlbot.model.artefact import find_model
    from mlbot.run.folder import load_table, open_run, save_table
    root = tmp_path_factory.mktemp("explored")
    for name in ("runs", "models"):
        shutil.copytree(green_run / name, root / name)
    shutil.copy(green_run / "settings.ini", root)
    shutil.copytree(EXPLORE, root / "nbs" / "explore")
    first = open_run(load_settings(root), "latest", needs="predictions.csv")
    second = root / "runs" / "2099-01-01_000000"
    shutil.copytree(first, second)
    rows = load_table(second / "predictions.csv")
    talk(root, rows.assign(text=rows["text"] + " zebra"), find_model(root / "models").name)
    names = sorted(rows["intent"].unique())
    at = rows.index[rows["predicted"] == rows["intent"]][:3]
    rows.loc[at, "predicted"] = [names[0] if intent != names[0] else names[1] for intent in rows.loc[at, "intent"]]
    save_table(rows, second / "predictions.csv")
    return root


@pytest.fixture
def shown(tmp_path):
    """Runs a notebook to explore through papermill, in the folder where it lies; returns it with its outputs."""
    def run(root: Path, name: str, **parameters):
        watch = Watch(time.monotonic() + 120, 1e7, packages=("mlbot", "pandas", "sklearn", "matplotlib"))
        folder = root / "nbs" / "explore"
        notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
        assert execute_notebook(notebook, tmp_path / f"{name}.ipynb", parameters, folder, watch) is None
        return nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
    return run


def outputs(notebook) -> list:
    """All outputs of a notebook."""
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def said(notebook) -> str:
    """What a notebook printed and showed as text or table."""
    kinds = ("text/plain", "text/html")
    return "\n".join(output.get("text", "") + "".join(output.get("data", {}).get(kind, "") for kind in kinds)
                     for output in outputs(notebook))


@pytest.mark.parametrize("name", PICTURES)
def test_each_notebook_shows_its_pictures_and_ends_in_a_command_that_exists(explored, shown, name):
    """On one run of the sample: no error, every picture, and a next step that can be typed."""
    before = {path: path.read_bytes() for path in (explored / "runs").rglob("*") if path.is_file()}
    notebook = shown(explored, name)
    assert not [output for output in outputs(notebook) if output.output_type == "error"], said(notebook)
    assert sum("image/png" in output.get("data", {}) for output in outputs(notebook)) >= PICTURES[name]
    assert SAYS.get(name, "") in said(notebook)
    last = outputs(notebook)[-1]["text"]
    assert last.startswith("next:   ") and "mlbot " in last and not next_steps.complaints(last)
    assert {path: path.read_bytes() for path in before} == before  # it changes nothing


def test_two_runs_name_the_rows_that_broke(explored, shown):
    """Three answers of the later run are wrong now; asked for the other way round, they healed."""
    first, second = sorted(path.name for path in (explored / "runs").glob("2*"))
    notebook = shown(explored, "two_runs_compared", old=second, new=first)
    assert "before" in said(notebook) and f"compare {second} {first}" in said(notebook)


def test_a_project_has_the_notebooks_to_explore_and_they_find_its_run(explored, shown, tmp_path):
    """They are rendered with the project, stand where its pipeline stands, and read its settings."""
    files = render_project(ProjectAnswers("my-bot", "my_bot", "utterances.csv", "text", "intent", "role location"))
    assert {f"nbs/explore/{name}.ipynb" for name in PICTURES} | {"nbs/tutorial.ipynb"} <= files.keys()
    hers = tmp_path / "my-bot"
    shutil.copytree(explored / "runs", hers / "runs")
    for name in ("settings.ini", "nbs/explore/data_at_a_glance.ipynb"):
        (hers / name).parent.mkdir(parents=True, exist_ok=True)
        (hers / name).write_text(files[name], encoding="utf-8")
    notebook = shown(hers, "data_at_a_glance")
    assert not [output for output in outputs(notebook) if output.output_type == "error"] and "to train on" in said(notebook)


@pytest.mark.long
def test_the_tutorial_of_a_project_goes_from_her_file_to_a_red_gate(tmp_path, mlbot, monkeypatch):
    """Every cell runs; a run releases, and the last one is red and releases nothing."""
    from kernels import by_files
    from nbclient import NotebookClient
    monkeypatch.chdir(tmp_path)
    done = mlbot("new", "my-bot", "--data", sample_file())
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "my-bot" / "nbs"
    notebook = nbformat.read(folder / "tutorial.ipynb", as_version=4)
    place = {"metadata": {"path": str(folder)}}
    with by_files() as config:
        NotebookClient(notebook, kernel_name="python3", resources=place, config=config).execute()
    assert "below its floor 0.999" in said(notebook) and "accuracy" in said(notebook)
    assert sum("image/png" in output.get("data", {}) for output in outputs(notebook)) == 2
    released = [load_outcome(path).get("released", False) for path in sorted((folder.parent / "runs").glob("2*"))]
    assert released[-1] is False and True in released and (folder.parent / "models" / "champion").is_file()


def test_without_a_log_or_a_second_run_there_is_no_verdict(released, shown):
    """The bot never ran, and the project has one run: each notebook says so, with what to do."""
    shutil.copytree(EXPLORE, released / "nbs" / "explore")
    found = [output for output in outputs(shown(released, "test_and_production")) if output.output_type == "error"]
    assert [error.ename for error in found] == ["NoVerdict"]
    assert "there is no log of conversations yet" in found[0].evalue and "do: start it" in found[0].evalue
    assert len(found[0].evalue.splitlines()) <= 6
    assert not (released / "events").exists()  # to look is not to make one
    with pytest.raises(NoVerdict, match="the only run that was judged"):
        two_runs(load_settings(released))


@pytest.mark.parametrize("path", sorted(EXPLORE.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_to_explore_asks_one_question_and_defines_nothing(path):
    """Title, question, parameters, imports and calls, a next step."""
    cells = nbformat.read(path, as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    assert re.match(r"# .+\n\n> .+\?\n\n- skip_exec: true\n", cells[0].source)
    assert [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])] == [sources[0]]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    assert not [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert 'print("next:   ' in sources[-1] or 'print(f"next:   ' in sources[-1]
    assert path.stem in PICTURES


def test_pictures_stay_readable_with_150_intents_and_odd_names():
    """The few that matter are named and the rest counted; a dollar sign or a long name breaks nothing."""
    names = [f"intent {number} of $everybody$ with a name too long to stand beside a bar" for number in range(150)]
    figure = intents_figure({name: number + 1 for number, name in enumerate(names)})
    assert "9 of 150 intents have fewer than 10" in figure.get_suptitle() and figure.get_figheight() < 8
    truth = [name for name in names for _ in range(4)]
    wrong = [number % 4 == 0 and number < 240 for number in range(600)]
    answers = [names[(number // 4 + 1) % 150] if wrong[number] else name for number, name in enumerate(truth)]
    for found in (errors_figure(truth, answers), confusion_figure(truth, answers), figure):
        found.draw_without_rendering()
        assert found.get_figheight() < 8
        labels = [text.get_text() for axes in found.axes for text in axes.get_yticklabels()]
        assert 2 < len(labels) < 35 and max(map(len, labels)) <= 32
    assert errors_figure(truth, answers).get_suptitle() == "30 of 150 intents hold half of the 60 errors"
    assert "No error" in errors_figure(truth, truth).get_suptitle()


def test_a_gain_is_grey_unless_its_interval_leaves_out_zero():
    """Colour says what is sure: grey for not known, orange for a loss, blue for a gain."""
    import numpy as np

    from mlbot.run.pictures import BLUE, GREY, ORANGE, canvas
    from mlbot.stats.scores import gain
    old, good, same = (np.arange(200) < right for right in (140, 190, 141))
    _, axes = canvas("three", 2)
    forest(axes, [gain("good", old, good), gain("same", old, same), gain("bad", good, old)])
    assert [line.get_color() for line in axes.lines if line.get_linewidth() == 2] == [BLUE, GREY, ORANGE]


def test_near_duplicates_with_two_labels_come_first():
    """A cluster that disagrees is the finding, however many harmless ones there are."""
    import pandas as pd
    texts = ["please order a new card", "please order a new card!", "where is my payslip today", "where is my payslip today?",
             "where is my payslip today!!", "something else altogether"]
    found = near_clusters(pd.DataFrame({"text": texts, "intent": ["order", "block", "pay", "pay", "pay", "other"]}))
    assert found["intents"].tolist() == [2, 1] and found["rows"].tolist() == [2, 3]
