"""Whoever ends a command ends all that it has started: a build server, a closed terminal, Ctrl-C."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SLEEPS = """import os, pathlib, subprocess, time
child = subprocess.Popen(["sleep", "300"], start_new_session=True)
pathlib.Path("started.new").write_text(f"{os.getpid()} {child.pid}")
os.rename("started.new", "started")
time.sleep(300)
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A folder that counts as a checkout; what its commands start are programs of its own that sleep."""
    (tmp_path / "settings.ini").write_text("[data]\nsource = sample\n")
    (tmp_path / "nbs").mkdir()
    (tmp_path / "nbs" / "index.ipynb").write_text("{}")
    for name in ("pytest", "jupyterlab"):
        (tmp_path / f"{name}.py").write_text(SLEEPS)
    return tmp_path


def lives(pid: int) -> bool:
    """Whether a process is at work; one that has ended may still have its number, where nobody asks how it ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def heard() -> None:
    """Tests that nohup or a shell runs in the background ignore a signal, and would hand that on."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def ended(folder: Path, number: int, *words: str) -> int:
    """Run a command until its program has started, tell it to end, and see that nothing is left; its exit code."""
    code = "import sys; from mlbot.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = subprocess.Popen([sys.executable, "-P", "-c", code, *words], cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               preexec_fn=heard)
    until = time.monotonic() + 60
    while not (started := next(folder.rglob("started"), None)):
        assert command.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    pids = list(map(int, started.read_text().split()))
    assert all(map(psutil.pid_exists, pids))
    command.send_signal(number)
    code = command.wait(40)
    assert not any(map(lives, pids))
    return code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_mlbot_test_that_is_told_to_end_leaves_no_pytest_running(checkout, number):
    """Neither pytest nor what a test has started, in a session of its own even; the exit code is that of the signal."""
    assert ended(checkout, number, "test") == 128 + number


def test_mlbot_lab_that_is_told_to_end_leaves_no_jupyterlab_running(checkout):
    """Its kernels end, too."""
    assert ended(checkout, signal.SIGTERM, "lab") == 143


def test_a_program_that_does_not_listen_is_killed(checkout, monkeypatch):
    """After it was asked, and has had its time."""
    (checkout / "pytest.py").write_text(STUBBORN + SLEEPS)
    program = ("from mlbot.run import forkserver as f; import sys, functools; "
               "f.end_family = functools.partial(f.end_family, seconds=0.5); f.end_when_told(); "
               "f.run_program([sys.executable, '-m', 'pytest'])")
    command = subprocess.Popen([sys.executable, "-P", "-c", program], cwd=checkout)
    while not (checkout / "started").exists():
        time.sleep(0.02)
    pids = list(map(int, (checkout / "started").read_text().split()))
    command.terminate()
    assert command.wait(30) == 143 and not any(map(lives, pids))


def test_mlbot_serve_that_trains_first_and_is_told_to_end_leaves_no_training_running(checkout):
    """Before it serves, it waits for a run."""
    (checkout / "mlbot").mkdir()
    (checkout / "mlbot" / "__init__.py").touch()
    (checkout / "mlbot" / "__main__.py").write_text(SLEEPS)
    assert ended(checkout, signal.SIGTERM, "serve", "--demo", "--train") == 143


@pytest.mark.skipif(not shutil.which("git"), reason="git is not here")
def test_mlbot_ci_run_that_is_told_to_end_leaves_no_step_running(tmp_path):
    """What a step of a workflow has started ends with the command, and so does the clone it ran in."""
    (tmp_path / "settings.ini").write_text("[data]\nsource = sample\n")
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / "sleeps.py").write_text(SLEEPS.replace('"started', f'"{tmp_path}/started'))
    (tmp_path / ".github" / "workflows" / "ci.yml").write_text(
        "on: push\njobs:\n  one:\n    steps:\n      - {name: wait, run: python3 sleeps.py; exit 0}\n")
    for words in ("init -q", "add -A", "-c user.name=a -c user.email=a@example.org commit -qm one"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True)
    assert ended(tmp_path, signal.SIGTERM, "ci", "run") == 143
    assert os.listdir(tmp_path).count("started") == 1
