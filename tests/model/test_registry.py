"""At any moment there is one champion and it is complete, whatever dies."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mlbot.errors import InputError
from mlbot.model.artefact import build_artefact, find_model, is_model_name, read_artefact
from mlbot.model.registry import champion, history, release

KILLS = 200
PROMOTER = """
import itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_registry import model
from mlbot.model.registry import release
print("ready", flush=True)
for number in itertools.count(int(sys.argv[3])):
    release(model(number), Path(sys.argv[1]), {"who": "test"})
"""


def model(number):
    """A small model, another one for each number."""
    return build_artefact(["a", "b"], [], {"words": [f"w{n}" for n in range(400)], "char_ngrams": []},
                          {"weights": np.full((400, 2), number), "bias": np.zeros(2), "idf": np.ones(400)},
                          {"model": {"words": [1, 2], "characters": [1, 4]}})


@pytest.mark.long
def test_kill_9_at_any_moment_leaves_a_complete_champion(tmp_path):
    """Processes that release models without pause are killed, many times; after each, the champion is whole."""
    models, chance = tmp_path / "models", random.Random(0)
    first = release(model(-1), models, {}).name
    seen = set()
    for kill in range(KILLS // 8):
        promoter = subprocess.Popen([sys.executable, "-c", PROMOTER, models, os.path.dirname(__file__), str(kill * 1000)],
                                    stdout=subprocess.PIPE)
        promoter.stdout.readline()
        for _ in range(8):  # stop it at random moments, look at what a crash would leave, let it go on
            time.sleep(chance.random() * 0.01)
            promoter.send_signal(signal.SIGSTOP)
            seen.add(champion(models).name)
            promoter.send_signal(signal.SIGCONT)
        promoter.kill()
        promoter.wait()
        found = champion(models)
        assert found is not None and found.name == (models / "champion").read_text().strip()
        assert isinstance(history(models), list)
    assert len(seen) > KILLS // 40 and first in {path.name for path in models.iterdir()}
    for folder in models.iterdir():  # no folder with a model's name is half a model
        if is_model_name(folder.name):
            assert read_artefact(folder).name == folder.name


def test_copying_over_the_live_folder_would_not_survive(tmp_path):
    """The test above can fail: a model that is written file by file into its live folder is caught half-way."""
    folder = release(model(1), tmp_path, {})
    other = release(model(2), tmp_path / "other", {})
    (folder / "weights.safetensors").write_bytes((other / "weights.safetensors").read_bytes())
    with pytest.raises(InputError, match="damaged"):
        read_artefact(folder)


def test_a_read_only_folder_keeps_the_champion_and_says_so(tmp_path, monkeypatch):
    release(model(1), tmp_path, {})

    def full(*args, **options):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("mlbot.model.artefact.save_tensors", full)
    before = champion(tmp_path).name
    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        release(model(2), tmp_path, {})
    assert champion(tmp_path).name == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".new-")]


def test_the_history_survives_a_line_that_was_cut(tmp_path):
    release(model(1), tmp_path, {"who": "ann"})
    with open(tmp_path / "history.jsonl", "a") as file:
        file.write('{"who": "b')
    assert [entry["who"] for entry in history(tmp_path)] == ["ann"]
    release(model(2), tmp_path, {"who": "cy"})
    assert [entry["who"] for entry in history(tmp_path)] == ["ann", "cy"]


@pytest.mark.parametrize("line", ["5", "{}", '{"model": "a"}', "\ufffd",
                                  '{"model": "a", "when": "t", "why": "one\u2028two"}'])
def test_odd_lines_in_the_history_are_passed_over(tmp_path, line):
    release(model(1), tmp_path, {"who": "ann"})
    with open(tmp_path / "history.jsonl", "ab") as file:
        file.write(line.encode() + b"\xff\n" if line == "\ufffd" else line.encode() + b"\n")
    assert history(tmp_path)[0]["who"] == "ann"
    assert len(history(tmp_path)) == (2 if "why" in line else 1)


def test_without_a_place_for_the_history_nothing_is_released(tmp_path):
    release(model(1), tmp_path, {})
    before = champion(tmp_path).name
    (tmp_path / "history.jsonl").unlink()
    (tmp_path / "history.jsonl").mkdir()
    with pytest.raises(OSError):
        release(model(2), tmp_path, {})
    assert champion(tmp_path).name == before


def test_a_champion_that_is_gone_is_refused(tmp_path):
    import shutil
    shutil.rmtree(release(model(1), tmp_path, {}))
    with pytest.raises(InputError, match="no manifest.json"):
        champion(tmp_path)
    with pytest.raises(InputError):
        read_artefact(find_model(tmp_path))
