"""The library notebooks can be read: small cells, an example behind each definition, prose that says why."""

import importlib.util
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("benchmark_cells", ROOT / "benchmarks" / "cells.py")
cells = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(cells)

# A wing falls back no further: shares of definitions with an example and of names that examples use, words a line.
AT_LEAST = {
    "ground": (1.0, 1.0, 2.6),
    "bot": (0.81, 0.98, 2.6),
    "cli": (0.89, 0.95, 1.6),
    "data": (0.93, 1.0, 2.7),
    "gates": (1.0, 1.0, 4.2),
    "model": (0.95, 0.98, 2.6),
    "ops": (1.0, 1.0, 2.5),
    "run": (0.95, 0.98, 2.6),
    "serve": (0.86, 0.98, 2.5),
    "stats": (1.0, 1.0, 4.1),
    "text": (0.98, 1.0, 3.3),
}
LONG_LINES = 0.15  # of the exported lines of a wing, in cells over 25 lines
NOT_YET = {"cli": 0.25, "serve": 0.3}  # long lists of options; protocol objects that share state, and the fast path


@pytest.fixture(scope="module")
def used():
    """The names that the examples of all notebooks use."""
    return cells.used_in_examples()


@pytest.mark.parametrize("wing", [name for name, _ in cells.wings()])
def test_a_wing_is_as_readable_as_it_was(wing, used):
    files = dict(cells.wings())[wing]
    found = sum(map(cells.read, files), cells.Reading())
    examples, names, prose = AT_LEAST[wing]
    assert not found.large, found.large
    assert found.in_long <= NOT_YET.get(wing, LONG_LINES) * found.lines, found.in_long / found.lines
    assert found.shown >= examples * found.definitions, found.shown / found.definitions
    assert len(found.names & used) >= names * len(found.names), sorted(found.names - used)
    assert found.words >= prose * found.lines, found.words / found.lines


def test_the_reading_counts_long_cells_missing_examples_and_prose(tmp_path):
    long = "#| export\ndef long():\n" + "    x = 1\n" * 60
    seen = [nbformat.v4.new_markdown_cell("# title\n\nIt's three words."), nbformat.v4.new_code_cell(long),
            nbformat.v4.new_code_cell("x = long()"), nbformat.v4.new_code_cell("#| export\ndef short():\n    return 1"),
            nbformat.v4.new_markdown_cell("Look:"), nbformat.v4.new_code_cell("one = short()\none")]
    nbformat.write(nbformat.v4.new_notebook(cells=seen), tmp_path / "00_x.ipynb")
    found = cells.read(tmp_path / "00_x.ipynb")
    assert found.large == [("00_x", 61, "long")] and found.lines == 63 and found.in_long == 61
    assert (found.definitions, found.shown, found.words, found.names) == (2, 1, 5, {"long", "short"})
