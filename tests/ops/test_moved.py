"""A project that names modules as they were called before runs again after `mlbot upgrade`."""

import json

import pytest

from mlbot.ops.moved import MODULES, NAMES, code_today, modules_here, names_in, rewrite_imports


def test_each_module_of_the_table_is_there_and_none_was_left_behind():
    here = modules_here()
    assert set(MODULES.values()) <= set(here)
    assert set(NAMES.values()) <= set().union(*map(names_in, here.values()))


@pytest.mark.parametrize("before, after", [
    ("from mlbot.noise import wilson, holm\n", "from mlbot.stats.bounds import wilson, holm\n"),
    ("    from mlbot.evaluate import share as s\n", "    from mlbot.stats.scores import share as s\n"),
    ("from mlbot.gates.gate import (\n    gate, verdict_table,  # both\n    Waiver)\nx = 1\n",
     "from mlbot.gates.gating import gate\nfrom mlbot.gates.words import verdict_table\n"
     "from mlbot.gates.verdict import Waiver\nx = 1\n"),
    ("from mlbot import noise\n", "from mlbot.stats import bounds as noise\n"),
    ("from mlbot import gate, load\n", "from mlbot import gate, load\n"),
    ("from mlbot.gates import gate, roc_auc\n", "from mlbot.gates import gate, roc_auc\n"),
    ("from mlbot.stats.scores import no_such_name\n", "from mlbot.stats.scores import no_such_name\n"),
    ("from mlbotanist import gate\nfrom mlbot_x import y\n", "from mlbotanist import gate\nfrom mlbot_x import y\n"),
    ("from mlbot.many import crew\n", "from mlbot.data.chunked import worker_pool as crew\n")])
def test_an_import_names_where_its_names_are_today(before, after):
    assert code_today(before) == after and code_today(after) == after


def test_her_notebooks_and_modules_are_rewritten_and_nothing_else(tmp_path):
    old = "from mlbot.noise import wilson\n"
    cells = [{"cell_type": kind, "source": [old]} for kind in ("code", "markdown")]
    notebook = {"cells": cells, "metadata": {"a": 1}}
    files = {"nbs/mine.ipynb": json.dumps(notebook), "lib/windows.py": old.replace("\n", "\r\n"), "notes.txt": old,
             ".venv/x.py": old, "runs/r/x.py": old, "broken.ipynb": "{", "binary.py": "\0"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "latin.py").write_bytes(b"# \xe9\nfrom mlbot.noise import wilson\n")
    assert rewrite_imports(tmp_path) == ["lib/windows.py", "nbs/mine.ipynb"]
    assert (tmp_path / "lib/windows.py").read_bytes() == b"from mlbot.stats.bounds import wilson\r\n"
    new = json.loads((tmp_path / "nbs/mine.ipynb").read_text())
    assert new["cells"][0]["source"] == ["from mlbot.stats.bounds import wilson\n"] and new["cells"][1]["source"] == [old]
    left = set(files) - {"nbs/mine.ipynb", "lib/windows.py"}
    assert all((tmp_path / name).read_bytes() == files[name].encode() for name in left)
    assert rewrite_imports(tmp_path) == []
