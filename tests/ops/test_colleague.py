"""A stranger goes from a wheel to a bot that answers, and a colleague clones her project and does the same."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from mlbot.data.table import sample_file
from mlbot.ops.bundle import make_wheel

IDENTITY = {"GIT_AUTHOR_NAME": "ann", "GIT_AUTHOR_EMAIL": "ann@example.org", "GIT_COMMITTER_NAME": "ann",
            "GIT_COMMITTER_EMAIL": "ann@example.org"}


class Person:
    """Somebody with an environment of her own, and nothing of the checkout in it."""

    def __init__(self, home: Path):
        self.home, self.said = home, []
        tools = Path(sys.executable).parent
        subprocess.run([tools / "uv", "venv", "--quiet", "--seed", "--python", sys.executable, home / "env"], check=True)
        hidden = ("PYTEST", "MLBOT", "VIRTUAL_ENV", "PYTHONPATH")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.env |= IDENTITY | {"PATH": f"{home / 'env' / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin", "HOME": str(home)}
        if git := shutil.which("git"):
            self.env["PATH"] += f"{os.pathsep}{Path(git).parent}"

    def types(self, line: str, folder: Path) -> str:
        """What a command prints that has to succeed."""
        done = subprocess.run(["sh", "-c", line], cwd=folder, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        self.said.append(done.stdout)
        return done.stdout


def next_step(said: str) -> str:
    """The last next step that was printed."""
    return re.findall(r"^next:   (.+)$", said, re.MULTILINE)[-1]


def ask(person: Person, folder: Path, text: str) -> dict:
    """Serve the champion of a folder, and ask it over HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = subprocess.Popen(["sh", "-c", f"exec mlbot serve --demo --port {port}"], cwd=folder, env=person.env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        return httpx.post(f"http://127.0.0.1:{port}/v1/predict", json={"text": text}).json()
    finally:
        service.terminate()
        service.wait()


@pytest.mark.long
def test_from_a_wheel_to_a_bot_that_answers_and_again_for_a_colleague(tmp_path, root):
    """Wheel, new, test, run, serve; then a clone of the project in another environment, as its README says."""
    wheel = make_wheel(tmp_path)
    ann = Person(tmp_path / "ann")
    ann.types(f"python3 -m pip install --quiet '{wheel}[project]' -c {root / 'constraints.txt'}", ann.home)
    assert "site-packages" in ann.types("python3 -c 'import mlbot; print(mlbot.__file__)'", ann.home)
    shutil.copy(sample_file(), ann.home / "mine.csv")
    said = ann.types("mlbot new my-bot --data mine.csv", ann.home)
    assert next_step(said) == "cd my-bot && mlbot test && mlbot run"
    said = ann.types(next_step(said), ann.home)
    assert " passed" in said and "released: model" in said
    project = ann.home / "my-bot"
    answer = ann.types(next_step(said), project)
    assert "#" in answer and shlex.split(next_step(said))[1] == "predict"
    served = ask(ann, project, "i forgot my password")
    assert served["intent"] and 0 < served["confidence"] <= 1, served
    for command in ("runs", "models", "settings", "report", "export", "score --short", "cache", "ci init"):
        ann.types(f"mlbot {command}", project)

    bob = Person(tmp_path / "bob")
    bob.types(f"git clone --quiet {project} my-bot", bob.home)
    clone = bob.home / "my-bot"
    readme = (clone / "README.md").read_text()
    install = next(line for line in readme.splitlines() if line.startswith("python3 -m pip install"))
    bob.types(install, clone)  # her checkout and her wheels are not his
    assert " passed" in bob.types("make test", clone)
    assert "released: model" in bob.types("mlbot run", clone)
    assert ask(bob, clone, "i forgot my password")["intent"] == served["intent"]
