"""`python3 -m mlbot` makes the environment once, again when what it holds has changed, and says what is missing."""

import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from mlbot import __main__ as start
from mlbot.ops.project import installed
from mlbot.origin import DISTRIBUTION


@pytest.fixture
def checkout(tmp_path, root, monkeypatch):
    """A checkout without an environment, where installing only writes down that it happened."""
    for name in ("setup.py", "settings.ini", "constraints.txt"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    installed = []
    monkeypatch.setattr(start, "ROOT", tmp_path)
    monkeypatch.setattr(start, "HOME", tmp_path / ".venv")
    monkeypatch.setattr(start, "install", lambda python, extras: installed.append(extras))
    return tmp_path, installed


@pytest.fixture
def without_pip(monkeypatch):
    """Environments are made without pip, which nobody asks for where installing only writes down that it happened."""
    call = subprocess.call
    monkeypatch.setattr(start.subprocess, "call", lambda command: call([*command, "--without-pip"]))


def test_the_environment_is_made_once_and_again_when_requirements_change(checkout, without_pip, capsys):
    folder, installed = checkout
    python = start.make_environment()
    assert subprocess.run([python, "-c", "pass"]).returncode == 0
    assert start.make_environment() == python and len(installed) == 1
    (start.HOME / "mine.txt").write_text("what a person added stays")
    with open(folder / "constraints.txt", "a") as file:
        file.write("six==1.17.0\n")
    assert start.make_environment() == python and len(installed) == 2
    assert (start.HOME / "mine.txt").exists()
    said = capsys.readouterr().err
    assert "making the environment .venv" in said and "bringing up to date the environment .venv" in said


def test_an_environment_has_pip_which_installs_where_uv_is_not(checkout, monkeypatch):
    """To make one with it takes seconds, so here only the command is looked at."""
    commands = []
    monkeypatch.setattr(start.subprocess, "call", lambda command: commands.append(command) or start.HOME.mkdir())
    start.make_environment()
    assert commands == [[sys.executable, "-m", "venv", "--clear", str(start.HOME)]]


def test_the_main_job_installs_what_it_needs_and_the_tests_install_the_rest(checkout, without_pip):
    """An extra comes with the first command that needs it, and what is there stays."""
    _, installed = checkout
    for words in (["run"], ["predict", "hi"], ["--help"], [], ["serve", "--demo"], ["run"], ["data", "add"], ["test"],
                  ["serve"]):
        start.make_environment(words)
    assert installed == [{"pipeline", "formats"}, {"pipeline", "formats", "serve"},
                         {"pipeline", "formats", "serve", "store"}, {"dev"}]


def test_every_command_has_its_extras(checkout):
    """A command that the table does not name gets those of the main job: it must not need more."""
    from mlbot.cli.main import build_parser
    commands = next(action for action in build_parser()._actions if isinstance(action.choices, dict)).choices
    assert set(start.EXTRAS) <= set(commands)
    light = {name: command.get_default("extra") for name, command in commands.items() if name not in start.EXTRAS}
    assert set(light.values()) <= {"", None, "pipeline", "train"}, light


REFUSES = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
"""


def test_the_main_job_runs_on_what_the_first_command_installs(tmp_path):
    """In every process of a run, whatever the extras of the main job do not bring is as if it were not there."""
    allowed = {name for extra in start.RUN for name in installed(extra=extra)} | {DISTRIBUTION, "pip", "setuptools"}
    homes = packages_distributions()
    hidden = {module for module, names in homes.items()
              if not {re.sub(r"[-_.]+", "-", name).lower() for name in names} & allowed}
    assert {"pytest", "litestar", "nbdev"} <= hidden and not {"sklearn", "papermill", "numpy", "mlbot"} & hidden
    (tmp_path / "sitecustomize.py").write_text(f"HIDDEN = {sorted(hidden)!r}\n{REFUSES}")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MLBOT"))}
    done = subprocess.run([sys.executable, "-m", "mlbot", "run", "--data", "sample"], cwd=tmp_path, capture_output=True,
                          text=True, env=env | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0 and "released: model" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("uv", [True, False])
def test_uv_installs_where_it_is_here_and_else_pip(checkout, monkeypatch, uv):
    """The same packages and versions either way."""
    monkeypatch.setattr(start.shutil, "which", lambda name: "/usr/bin/uv" if uv else None)
    command = start.installer("/x/python", {"pipeline", "formats"})
    assert command[-4:] == ["-c", str(checkout[0] / "constraints.txt"), "-e", f"{checkout[0]}[formats,pipeline]"]
    assert (command[:5] == ["/usr/bin/uv", "pip", "install", "--python", "/x/python"]) == uv


def test_other_settings_do_not_touch_the_environment_and_a_typo_in_them_is_not_its_business(checkout, without_pip):
    folder, installed = checkout
    start.make_environment()
    (start.HOME / "mine.txt").write_text("kept")
    with open(folder / "settings.ini", "a") as file:
        file.write("\n[targets\naccuracy.floor = 0.85\naccuracy.floor = 0.85\n")
    start.make_environment()
    assert len(installed) == 1 and (start.HOME / "mine.txt").exists()


def test_an_install_that_fails_is_tried_again(checkout, without_pip, monkeypatch):
    def fails(python, extras):
        raise SystemExit(2)
    monkeypatch.setattr(start, "install", fails)
    for _ in range(2):
        with pytest.raises(SystemExit):
            start.make_environment()


def test_pip_s_last_words_are_shown(checkout, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr(start, "ROOT", checkout[0] / "nowhere")
    with pytest.raises(SystemExit) as caught:
        start.install(sys.executable, {"dev"})
    assert caught.value.code == 2
    assert "ERROR" in capsys.readouterr().err


def test_an_old_python_is_told_which_one_is_needed(checkout, monkeypatch, capsys):
    monkeypatch.setattr(start.sys, "version_info", (3, 10, 0))
    with pytest.raises(SystemExit) as caught:
        start.make_environment()
    assert caught.value.code == 2 and "Python 3.11 or newer" in capsys.readouterr().err


def test_inside_an_environment_none_is_made(checkout):
    assert sys.prefix != sys.base_prefix and not start.needs_environment()


def test_outside_a_checkout_none_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "ROOT", tmp_path)
    monkeypatch.setattr(start.sys, "prefix", start.sys.base_prefix)
    assert not start.needs_environment()
