"""Types hold: mypy finds nothing in most wings, and in the others never more than it did."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WINGS = sorted(path.parent.name for path in (ROOT / "mlbot").glob("*/__init__.py"))
GROUND = "ground"  # modules beside the wings
AT_MOST = {GROUND: 5, "cli": 13, "ops": 18, "run": 23}  # errors that are still there; a wing that is not named has none

PROGRAM = """
from typing import assert_type

import mlbot
from mlbot.model.predict import Answer

settings = assert_type(mlbot.load_settings(), mlbot.Settings)
model = assert_type(mlbot.load(settings.places.models), mlbot.Predictor)
answer = assert_type(model.predict("where is my payslip", role="sales"), Answer)
mlbot.gate("sure", mlbot.share("sure", [answer.confidence > 0.3]), floor=0.8)
"""
MISTAKES = ['model.predict("where is my payslip", role=3)', 'settings.places.model', 'mlbot.gate("sure", 0.9)']


def type_errors(folder: Path, *targets) -> dict[str, list[str]]:
    """What mypy finds in the modules of `folder`, by wing, and in the files `targets`, by their name."""
    command = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--output", "json"]
    done = subprocess.run([*command, "--no-error-summary", "mlbot", *targets], cwd=folder, capture_output=True, text=True)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr + done.stdout
    found = defaultdict(list)
    for error in map(json.loads, done.stdout.splitlines()):
        if error["severity"] == "error":
            path = Path(error["file"])
            place = path.stem if path.is_absolute() else path.parts[1] if len(path.parts) > 2 else GROUND
            found[place].append(f"{path}:{error['line']}: {error['message']}  [{error['code']}]")
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, list[str]]:
    """What mypy finds in mlbot and in two programs that use it. It keeps what it knows in .mypy_cache."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "right.py").write_text(PROGRAM)
    (folder / "wrong.py").write_text(PROGRAM + "\n".join(MISTAKES) + "\n")
    return type_errors(ROOT, folder / "right.py", folder / "wrong.py")


@pytest.mark.parametrize("wing", [*WINGS, GROUND])
def test_a_wing_has_no_more_type_errors_than_it_had(found, wing):
    """At 0 it stays at 0. Where there are fewer, the number in AT_MOST goes down with them."""
    most = AT_MOST.get(wing, 0)
    assert len(found[wing]) <= most, "\n".join([f"{len(found[wing])} errors in {wing}, at most {most}:", *found[wing]])
    assert len(found[wing]) == most, f"{wing} has only {len(found[wing])} errors now: lower its number in AT_MOST"


def test_what_others_are_judged_by_and_ask_has_no_type_error():
    assert not {"stats", "gates", "model", "text", "data", "bot", "serve"} & set(AT_MOST)
    assert sum(AT_MOST.values()) < 100


def test_a_program_that_uses_mlbot_has_its_types(found):
    """mlbot ships py.typed: an editor knows what `mlbot.load` returns, and a wrong argument is found."""
    assert not found["right"]
    lines = {int(error.split(":")[1]) for error in found["wrong"]}
    last = len(PROGRAM.splitlines())
    assert lines == {last + 1, last + 2, last + 3}, found["wrong"]


def test_a_type_error_in_a_module_is_found(tmp_path):
    wing = tmp_path / "mlbot" / "stats"
    wing.mkdir(parents=True)
    for file in (wing.parent / "__init__.py", wing / "__init__.py"):
        file.write_text("")
    (wing / "planted.py").write_text("""def lower(bounds: list[float]) -> float | None:
    return min(bounds, default=None)


def margin(bounds):
    return lower(bounds) - 1.0
""")
    found = type_errors(tmp_path)
    assert list(found) == ["stats"] and len(found["stats"]) == 1 and "planted.py:6" in found["stats"][0], found
