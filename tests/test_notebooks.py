"""The library notebooks run from top to bottom, and so does the notebook for exploring."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = sorted((ROOT / "nbs").glob("*.ipynb"))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_library_notebook_runs(path):
    command = [Path(sys.executable).parent / "nbdev-test", path, "--n-workers", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]


def test_notebook_that_fails_is_red(tmp_path):
    notebook = nbformat.read(ROOT / "nbs" / "00_errors.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("assert 1 == 2"))
    path = tmp_path / "00_errors.ipynb"
    nbformat.write(notebook, path)
    (tmp_path / "pyproject.toml").write_text('[tool.nbdev]\nlib_path = "x"\nnbs_path = "."\n')
    command = [Path(sys.executable).parent / "nbdev-test", path, "--n-workers", "0"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300).returncode != 0


def test_each_notebook_runs_by_hand_in_its_own_folder(project):
    """Restart and run all, as JupyterLab does it: the notebook's folder as working folder, its own parameters."""
    from nbclient import NotebookClient

    from mlbot.gate import RECORD
    (project / "nbs" / "explore").mkdir()
    for source in [*sorted((ROOT / "nbs" / "pipeline").glob("*.ipynb")), ROOT / "nbs/explore/error_analysis.ipynb"]:
        notebook = nbformat.read(source, as_version=4)
        folder = project / "nbs" / source.parent.name
        NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
        records = [output.data[RECORD] for cell in notebook.cells for output in cell.get("outputs", [])
                   if RECORD in output.get("data", {})]
        assert all(record["outcome"] == "pass" for record in records)
        gates = sum("#| gate" in cell.source for cell in notebook.cells)
        assert len(records) == gates
    assert len(list((project / "runs").iterdir())) == 1
    assert (project / "models" / "champion").is_file()
