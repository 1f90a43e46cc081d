"""`python3 -m mlbot` makes the environment once, again when what it holds has changed, and says what is missing."""

import subprocess
import sys

import pytest

from mlbot import __main__ as start


@pytest.fixture
def checkout(tmp_path, root, monkeypatch):
    """A checkout without an environment, where installing only writes down that it happened."""
    for name in ("setup.py", "settings.ini", "constraints.txt"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    installed = []
    monkeypatch.setattr(start, "ROOT", tmp_path)
    monkeypatch.setattr(start, "HOME", tmp_path / ".venv")
    monkeypatch.setattr(start, "install", installed.append)
    return tmp_path, installed


@pytest.fixture
def without_pip(monkeypatch):
    """Environments are made without pip, which nobody asks for where installing only writes down that it happened."""
    call = subprocess.call
    monkeypatch.setattr(start.subprocess, "call", lambda command: call([*command, "--without-pip"]))


def test_the_environment_is_made_once_and_again_when_requirements_change(checkout, capsys):
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


def test_other_settings_do_not_touch_the_environment_and_a_typo_in_them_is_not_its_business(checkout, without_pip):
    folder, installed = checkout
    start.make_environment()
    (start.HOME / "mine.txt").write_text("kept")
    with open(folder / "settings.ini", "a") as file:
        file.write("\n[targets\naccuracy.floor = 0.85\naccuracy.floor = 0.85\n")
    start.make_environment()
    assert len(installed) == 1 and (start.HOME / "mine.txt").exists()


def test_an_install_that_fails_is_tried_again(checkout, without_pip, monkeypatch):
    def fails(python):
        raise SystemExit(2)
    monkeypatch.setattr(start, "install", fails)
    for _ in range(2):
        with pytest.raises(SystemExit):
            start.make_environment()


def test_pip_s_last_words_are_shown(checkout, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr(start, "ROOT", checkout[0] / "nowhere")
    with pytest.raises(SystemExit) as caught:
        start.install(sys.executable)
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
