"""The library notebooks run from top to bottom, and so does the notebook for exploring."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import nbformat
import pytest

from mlbot.ops.checkout import LEFT_OUT
from mlbot.run.outputs import is_stored, stale_cells

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = sorted(path for path in (ROOT / "nbs").rglob("[0-9][0-9]_*.ipynb"))


# nbdev-test; each of its hundred shells collects garbage at the end, which takes a minute unless that is frozen
NBDEV_TEST = """
import gc, sys
from nbdev.test import nbdev_test
try:
    sys.exit(nbdev_test())
finally:
    gc.collect()
    gc.freeze()
"""


@pytest.mark.parametrize("digits", ["02468", "13579"])
def test_library_notebooks_run_and_show_what_they_store(digits, tmp_path):
    """Half of them in one process, which imports what they share once; in a copy, into which it writes their outputs."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=lambda folder, names: [
        name for name in names if name in ("__pycache__", ".ipynb_checkpoints") or Path(folder) == ROOT and name in LEFT_OUT])
    (tmp_path / "nbdev-test").write_text(NBDEV_TEST)  # it takes options only from a script
    command = [sys.executable, tmp_path / "nbdev-test", "nbs", "--file-re", rf"^\d[{digits}]_", "--n-workers", "0",
               "--do-print", "--save"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    ran = [path.relative_to(ROOT) for path in LIBRARY if path.name[1] in digits]
    assert len(ran) >= 30 and all(f"Completed {copy / path}" in done.stdout + done.stderr for path in ran)
    stale = []
    for path in ran:
        kept, now = (nbformat.read(root / path, as_version=4).cells for root in (ROOT, copy))
        shown = {cell.id: cell.outputs for cell in now if cell.cell_type == "code"}
        stale += [f"{path}, {line}" for line in stale_cells(kept, shown)]
    assert not stale, "run: mlbot export --outputs"


def test_library_notebooks_show_values_on_the_web():
    """Each of these wings stores outputs; all of them together are small."""
    stored = {}
    for path in LIBRARY:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if is_stored(cell)]
        stored.setdefault(path.parent.name, []).extend(cells)
    assert all(len(stored[wing]) >= 15 for wing in ("text", "stats", "data", "gates", "model"))
    assert sum(len(json.dumps(cell.outputs)) for cells in stored.values() for cell in cells) < 200_000


def test_notebooks_for_exploring_ask_for_no_run_where_there_is_none(tmp_path):
    """`nbdev-test` by itself is green in a fresh clone, as people of nbdev expect."""
    shutil.copytree(ROOT / "nbs" / "explore", tmp_path / "nbs" / "explore")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [Path(sys.executable).parent / "nbdev-test", "nbs", "--n-workers", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def test_notebook_that_fails_is_red(tmp_path):
    notebook = nbformat.read(ROOT / "nbs" / "00_errors.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("assert 1 == 2"))
    path = tmp_path / "00_errors.ipynb"
    nbformat.write(notebook, path)
    (tmp_path / "pyproject.toml").write_text('[tool.nbdev]\nlib_path = "x"\nnbs_path = "."\n')
    command = [Path(sys.executable).parent / "nbdev-test", path, "--n-workers", "0"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300).returncode != 0


def valid(text: str) -> bool:
    """Whether a notebook is one, without anything that a reader would have to repair."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbformat.validate(json.loads(text))
    return True


def test_notebooks_of_a_run_are_notebooks(green_run):
    """`raises-exception` stood twice in the tags of gates, so that nbconvert refused what a run had left."""
    from nbconvert import HTMLExporter
    ran = sorted((green_run / "runs").glob("2*/*.ipynb"))
    assert {path.stem for path in ran} == {"1_prepare", "2_train", "3_gate", "4_release"}
    pages = {path.stem: HTMLExporter().from_filename(str(path))[0] for path in ran if valid(path.read_text())}
    assert all(gate in pages["3_gate"] for gate in ("gate: accuracy 0.", "macro_f1", "data:image/png"))


def test_notebooks_of_new_projects_are_notebooks():
    from mlbot.ops.project import ProjectAnswers, render_project
    files = render_project(ProjectAnswers("my-bot", "my_bot", "data/rows.csv", "text", "intent", "role"))
    found = [text for name, text in files.items() if name.endswith(".ipynb")]
    assert len(found) == 14 and all(map(valid, found))


def test_notebooks_of_this_checkout_are_notebooks():
    files = [path for path in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    assert len(files) > 70 and all(valid(path.read_text()) for path in files)


def by_hand(notebook, folder, fresh=False):
    """Restart and run all, as JupyterLab does it, in the notebook's folder.

    The kernel is a fork that has the libraries loaded, which saves seconds; with `fresh`, a process of its own.
    """
    import math

    from kernels import by_files
    from nbclient import NotebookClient

    from mlbot.run.kernel import Watch, _ForkProvisioner

    class Client(NotebookClient):
        def create_kernel_manager(self):
            manager = super().create_kernel_manager()
            manager.provisioner = _ForkProvisioner(kernel_spec=manager.kernel_spec, parent=manager)
            manager.provisioner.watch = Watch(math.inf, math.inf, packages="numpy pandas scipy sklearn matplotlib".split())
            return manager
    client = NotebookClient if fresh else Client
    with open(os.devnull, "w") as nowhere, by_files() as config:
        client(notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}, config=config).execute(
            stdout=nowhere, stderr=nowhere)


def test_a_red_gate_by_hand_shows_all_verdicts_and_lets_nothing_be_released(project, green_run):
    """The same verdict in JupyterLab as in CI: the notebook goes on after a red gate, and 4_release refuses.

    What comes before, by hand too: the next test.
    """
    from nbclient.exceptions import CellExecutionError
    shutil.copytree(green_run / "runs", project / "runs")
    folder = project / "nbs" / "pipeline"
    for name in ("3_gate", "4_release"):
        notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
        notebook.cells[1].source = notebook.cells[1].source.replace("target = None", "target = 0.99")
        if name == "4_release":
            with pytest.raises(CellExecutionError, match="GateFailed: gate: accuracy .* is below its floor 0.990"):
                by_hand(notebook, folder)
        else:
            by_hand(notebook, folder)
        if name == "3_gate":
            table = notebook.cells[-1].outputs[0].text
            assert "fail" in table and "macro_f1" in table
    assert not (project / "models" / "champion").exists()


def test_each_notebook_runs_by_hand_in_its_own_folder(project):
    """The notebook's folder as working folder, its own parameters."""
    from mlbot.gates.record import RECORD
    (project / "nbs" / "explore").mkdir()
    for source in [*sorted((ROOT / "nbs" / "pipeline").glob("*.ipynb")), ROOT / "nbs/explore/error_analysis.ipynb"]:
        notebook = nbformat.read(source, as_version=4)
        folder = project / "nbs" / source.parent.name
        by_hand(notebook, folder, fresh=source.stem == "3_gate")
        records = [output.data[RECORD] for cell in notebook.cells for output in cell.get("outputs", [])
                   if RECORD in output.get("data", {})]
        assert not {record["outcome"] for record in records} & {"fail", "no verdict"}
        assert len(records) == sum("#| gate" in cell.source for cell in notebook.cells)
        pictures = [output for cell in notebook.cells for output in cell.get("outputs", [])
                    if "image/png" in output.get("data", {})]
        wanted = {"2_train.ipynb": 1, "3_gate.ipynb": 2, "5_monitor.ipynb": 1, "error_analysis.ipynb": 3}
        assert len(pictures) == wanted.get(source.name, 0)
    assert len(list((project / "runs").iterdir())) == 1
    assert (project / "models" / "champion").is_file()
