"""The tutorial does what it says, on a file of the reader's own; and the story's figures are those of the replay."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from pages import DOCS, ROOT, TUTORIAL

from mlbot.data.table import sample_file

TEXT = TUTORIAL.read_text(encoding="utf-8")
COMMANDS = "".join(re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)).splitlines()
RED, LEFT = "--target 0.999", ("mlbot serve --demo", "mlbot new my-bot --data utterances.csv")


@pytest.fixture
def folder(tmp_path, monkeypatch, kept_results):
    """An empty folder with a file of one's own, whose columns have the names of the tutorial."""
    lines = sample_file().read_text(encoding="utf-8").splitlines()
    (tmp_path / "utterances.csv").write_text("\n".join([lines[0].replace("intent", "label"), *lines[1:]]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_command_of_the_tutorial_ends_as_it_says(folder, mlbot, write_settings):
    """In order. The gate of step 4 is red, and the champion stays. `serve` and `new` have tests of their own."""
    write_settings(folder, "[data]\nsource = utterances.csv\nlabel = label\nsuspects = 0\n[model]\nfolds = 2\n")
    assert [command for command in COMMANDS if command in LEFT] == list(LEFT) and len(COMMANDS) == 6
    said, champions = {}, []
    for command in (command for command in COMMANDS if command not in LEFT):
        done = mlbot(*shlex.split(command)[1:])
        assert done.returncode == (1 if RED in command else 0), f"{command}\n{done.stdout}{done.stderr}"
        said[command] = done.stdout + done.stderr
        champions.append((folder / "models" / "champion").read_text())
    first, _, answer, red = said.values()
    assert re.search(r"^accuracy +0\.9\d\d +104 .* ≥ 0\.800 .*pass$", first, re.MULTILINE) and "104 to test on" in first
    assert "released: model" in first and re.search(r"#+ +access_badge", answer)
    assert "is below its floor 0.999" in red and "more:   mlbot docs red-gate" in red
    assert len(champions) == 4 and len(set(champions)) == 1


@pytest.mark.long
def test_the_tutorial_begins_in_an_empty_folder_and_ends_in_a_project(folder, mlbot):
    """With the settings that ship: what it prints is what the page shows."""
    shown = re.search(r"^accuracy +(\S+) +(\d+) +(\S+ to \S+)", TEXT, re.MULTILINE).groups()
    first = mlbot(*shlex.split(COMMANDS[0])[1:])
    assert first.returncode == 0, first.stderr
    assert re.search(r"^accuracy +(\S+) +(\d+) +(\S+ to \S+)", first.stdout, re.MULTILINE).groups() == shown
    new = mlbot(*shlex.split(LEFT[1])[1:])
    assert new.returncode == 0 and (folder / "my-bot" / "nbs" / "tutorial.ipynb").is_file(), new.stderr


def test_the_story_tells_the_figures_of_the_replay():
    """Each share, with its n, is in the data behind the picture; a decimal that is in no week is a mistake."""
    weeks = json.loads((ROOT / "nbs" / "images" / "replay.json").read_text())
    story = (DOCS / "start" / "ten-weeks.md").read_text(encoding="utf-8")
    scores = [week[kind] for week in weeks for kind in ("new", "production") if week[kind]]
    known = {f"{100 * score[part]:.1f}" for score in scores for part in ("value", "low", "high")}
    told = re.findall(r"(?<![\w.])\d\d\.\d(?=[ %])", story)
    assert len(told) >= 12 and set(told) <= known, set(told) - known
    for value, n in re.findall(r"(\d\d\.\d) %[^.]{0,30}?n = (\d+)", story):
        assert any(f"{100 * score['value']:.1f}" == value and score["n"] == int(n) for score in scores), (value, n)
    assert f"{weeks[0]['rows']:,} to {weeks[-1]['rows']:,} rows" in story
    assert [week["of_stretch"] for week in weeks].index("fail") == 8  # "for the first time surely", in week 8


def test_the_examples_of_the_how_tos_run_and_print_what_they_show(tmp_path):
    text = (DOCS / "how-to" / "own-model.md").read_text(encoding="utf-8")
    example, shown = re.search(r"^```python\n(.*?)^```\n+```\n(.*?)^```", text, re.MULTILINE | re.DOTALL).groups()
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == shown.strip(), done.stderr
    red = subprocess.run([sys.executable, "-c", example.replace("floor=0.85", "floor=0.99")], cwd=tmp_path,
                         capture_output=True, text=True)
    assert red.returncode == 1 and "is below its floor 0.990" in red.stderr
