"""A notebook with three gates, the second of which fails: what each runner says about it.

    python3 -m pip install -e ".[bench]"
    python3 benchmarks/gates_in_notebooks.py

papermill, nbmake and nbval run a notebook whose gates are bare asserts, which is how gates are written for them; mlbot
runs the same three
gates as its own, by `mlbot run` and by pytest. Counted are the lines of output, and which gates are named with their outcome.
"""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from mlbot.settings import parse, shipped_settings

GATES = {"first": 95, "second": 50, "third": 95}


def write_notebook(path: Path, ours: bool) -> None:
    """The three gates, as asserts or as gates of mlbot."""
    cells = [new_code_cell('run = "new"', metadata={"tags": ["parameters"]})]
    for name, right in GATES.items():
        if ours:
            score = f'share("{name}", [True] * {right} + [False] * {100 - right})'
            cells.append(new_code_cell(f'#| gate\nfrom mlbot.stats.scores import share\nfrom mlbot.gates.gating import gate\n'
                                       f'gate("{name}", {score}, floor=0.8)'))
        else:
            cells.append(new_code_cell(f"{name} = {right} / 100\nassert {name} >= 0.8"))
    metadata = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"},
                "language_info": {"name": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    """Run a command in a folder, in this Python's environment."""
    return subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "120"})


def outcomes_in(text: str) -> list[str]:
    """The gates that an output names together with an outcome or a number."""
    return [name for name in GATES if re.search(rf"\b{name}\b.*(pass|fail|PASS|FAIL|0\.\d)", text)]


def junit_items(file: Path) -> str:
    """How many items a JUnit file has, and how many of them failed."""
    if not file.exists():
        return "-"
    cases = list(ElementTree.parse(file).iter("testcase"))
    return f"{len(cases)}, {sum(case.find('failure') is not None for case in cases)} failed"


def main() -> None:
    """Print the table."""
    pytest_options = ["-v", "--junitxml=junit.xml", "-p", "no:cacheprovider"]
    runners = [("papermill", ["papermill", "gates.ipynb", "out.ipynb", "--no-progress-bar"], "papermill"),
               ("nbmake", ["pytest", "--nbmake", "gates.ipynb", *pytest_options], "nbmake"),
               ("nbval --nbval-lax", ["pytest", "--nbval-lax", "gates.ipynb", *pytest_options], "nbval"),
               ("mlbot run", ["mlbot", "run"], "mlbot"),
               ("mlbot, by pytest", ["pytest", "nbs/pipeline", *pytest_options], "mlbot")]
    print(f"{'runner':<20}{'exit':>5}{'lines':>7}   {'gates named with outcome':<28}{'JUnit items':<14}value and limit said")
    for name, command, package in runners:
        if find_spec(package) is None:
            print(f"{name:<20} is not installed: python3 -m pip install {package}")
            continue
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "pytest.ini").write_text("[pytest]\n")
            (folder / "nbs" / "pipeline").mkdir(parents=True)
            targets = "".join(f"{target} =\n" for target in parse(shipped_settings())["targets"])
            (folder / "settings.ini").write_text(f"[data]\nsource = sample\n[targets]\n{targets}")
            ours = package == "mlbot"
            write_notebook(folder / "nbs" / "pipeline" / "1_gates.ipynb" if ours else folder / "gates.ipynb", ours)
            done = run(command, folder)
            said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
            named = ", ".join(outcomes_in(said)) or "none"
            numbers = "yes" if "0.5" in said and re.search(r"0\.8(00)?\b", said) else "no"
            items, lines = junit_items(folder / "junit.xml"), len(said.splitlines())
            print(f"{name:<20}{done.returncode:>5}{lines:>7}   {named:<28}{items:<14}{numbers}")


if __name__ == "__main__":
    main()
