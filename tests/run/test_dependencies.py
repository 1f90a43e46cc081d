"""What earlier processes have read of the code gives the same keys, and nothing that stands there can give others."""

import json
import sys
from pathlib import Path

import pytest

from mlbot.run.dependencies import EVERYTHING, ProjectCode, Readings, reach
from mlbot.run.notebook import read_notebook

ROOT = Path(__file__).resolve().parents[2]
CELLS = ["from shop.till import total\ntotal(2, settings)", "from shop import tax\ntax.rate()"]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A small project; Python may write compiled code."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "tax.py").write_text("def rate():\n    return 1.19\n")
    (tmp_path / "shop" / "till.py").write_text("from .tax import rate\ndef total(n, settings):\n    'Sum.'\n"
                                               "    return n * rate() * settings.gates.power + ord('\\ud800')\n")
    return tmp_path


def read(shop, stamp: str = "1", cells=CELLS):
    """What the cells reach, by a process of their own; and how it read each module."""
    code = ProjectCode(shop, readings=Readings(shop / "cache" / "readings.json", stamp))
    found = reach(cells, code)
    return found, {name: bool(module.parse) for name, module in code.modules.items() if module}


def test_a_later_process_recalls_what_is_the_same_and_parses_what_is_not(shop):
    first, parsed = read(shop)
    assert not any(parsed.values()) and read(shop) == (first, dict.fromkeys(parsed, True))
    till = shop / "shop" / "till.py"
    till.write_text("# a remark\n" + till.read_text())
    found, recalled = read(shop)
    assert found == first and recalled == {**dict.fromkeys(parsed, True), "shop.till": False}
    till.write_text(till.read_text().replace("n * rate", "1 + n * rate"))
    changed = read(shop)[0]
    assert {name for name in changed.code if changed.code[name] != first.code[name]} == {"shop.till.total"}


def test_a_name_that_was_not_asked_for_before_is_parsed_then(shop):
    read(shop, cells=CELLS[1:])
    assert read(shop)[0] == read(shop, "another stamp")[0]


def test_what_a_module_reads_of_the_settings_depends_on_what_is_ours(shop):
    """The same text in another project, where the function that gets all settings cannot be followed."""
    (shop / "shop" / "till.py").write_text("from other import sums\ndef total(n, settings):\n    return sums(n, settings)\n")
    assert EVERYTHING in read(shop)[0].settings
    (shop / "other.py").write_text("def sums(n, settings):\n    return settings.data.text\n")
    assert EVERYTHING not in read(shop)[0].settings and "data.text" in read(shop)[0].settings


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"stamp": "1"}', '{"stamp": "1", "modules": 3}',
                                  '{"stamp": "1", "modules": {"a": null}}', "\ufeff{}"])
def test_a_file_that_is_damaged_or_of_another_version_is_not_used(shop, text):
    first, _ = read(shop)
    (shop / "cache" / "readings.json").write_text(text)
    assert read(shop)[0] == first
    told = json.loads((shop / "cache" / "readings.json").read_text())
    assert read(shop)[0] == first and told["stamp"] == "1" and len(told["modules"]) >= 3


@pytest.mark.parametrize("kept", [None, 3, [], [{}, [], {"rate": 1}], [{"a": 1}, [], {}]])
def test_a_module_that_is_stored_in_another_shape_is_parsed(shop, kept):
    first, _ = read(shop)
    file = shop / "cache" / "readings.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "modules": dict.fromkeys(told["modules"], kept)}))
    found, recalled = read(shop)
    assert found == first and not any(recalled.values())


def test_where_nothing_may_be_written_each_process_parses(shop, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    first, _ = read(shop)
    assert not (shop / "cache").exists()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (shop / "cache").write_text("a file, where the folder should be")
    assert read(shop)[0] == first


def test_the_training_of_mlbot_depends_on_the_same_whoever_has_read_it(shop):
    notebook = read_notebook(ROOT / "nbs" / "pipeline" / "2_train.ipynb")
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    first, later = (ProjectCode(ROOT, readings=Readings(shop / "readings.json", "1")) for _ in range(2))
    found = reach(cells, first)
    assert found == reach(cells, later) and len(found.code) > 200
    assert all(module.parse for module in later.modules.values() if module)
