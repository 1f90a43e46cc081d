"""How many files somebody opens who follows the program from a command to what it does.

A walk is made of the call stacks at a few functions, its stations, in order of time. A file counts once; a return is a step
back into a file that was open before.
"""

import contextlib
import shutil
import sys
from functools import wraps
from importlib import import_module
from pathlib import Path
from unittest import mock

import pytest

import mlbot
from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.gates.gating import gate
from mlbot.model.export import to_artefact
from mlbot.model.train import train
from mlbot.settings import load_settings
from mlbot.stats.scores import share

PACKAGE = str(Path(mlbot.__file__).parent) + "/"


class Walk:
    """The call stacks at the stations, as a tree, while the block runs. A station is named as 'module:function'."""

    def __init__(self, *stations: str):
        self.stations, self.tree, self.met, self.patches = set(stations), {}, set(), contextlib.ExitStack()

    def __enter__(self):
        for station in self.stations:
            module, _, name = station.partition(":")
            owner, _, name = ("." + name).rpartition(".")
            found = import_module(f"mlbot.{module}")
            found = getattr(found, owner[1:]) if owner else found
            at = getattr(found, name)
            importers = [item for key, item in sys.modules.items() if key.startswith("mlbot.") or key == __name__]
            for place in [found, *importers]:
                if vars(place).get(name) is at:
                    self.patches.enter_context(mock.patch.object(place, name, self.observed(station, at)))
        return self

    def __exit__(self, *problem):
        self.patches.close()

    def observed(self, station: str, function):
        """The function, which keeps the stack of each call."""
        @wraps(function)
        def observed(*args, **options):
            self.met.add(station)
            stack, node, frame = [self.place(function.__code__)], self.tree, sys._getframe(1)
            while frame:
                stack += [self.place(frame.f_code)] * frame.f_code.co_filename.startswith(PACKAGE)
                frame = frame.f_back
            for step in reversed(stack):
                node = node.setdefault(step, {})
            return function(*args, **options)
        return observed

    @staticmethod
    def place(code) -> tuple[str, str]:
        """File and function."""
        return code.co_filename.removeprefix(PACKAGE), code.co_qualname

    def steps(self):
        """Each file in turn, with the way back."""
        def below(node, here):
            for (file, _), more in node.items():
                yield file
                yield from below(more, file)
                yield here
        return [file for file in below(self.tree, "") if file]

    def counted(self) -> tuple[list[str], int]:
        """The files in order, and the number of returns."""
        files, here, returns = [], "", 0
        for file in self.steps():
            returns += file != here and file in files
            files += [file] * (file not in files)
            here = file
        assert self.met == self.stations, self.stations - self.met
        return files, returns


def test_a_run(project, kept_results, own_results, mlbot):
    """From the command to the verdicts, the release, the report and the card."""
    if (kept_results / "3_gate").is_dir():
        shutil.copytree(kept_results / "3_gate", own_results / "3_gate")
    (project / "settings.ini").write_text((project / "settings.ini").read_text().replace(str(kept_results), str(own_results)))
    with Walk("cli.shared:request_of", "run.notebook:read_notebook", "run.cache:take_key", "run.kernel:execute_notebook",
              "run.judge:judge_gate_cell", "run.report:render_report", "run.card:save_card",
              "cli.run:print_finished") as walk:
        done = mlbot("run")
    assert done.returncode == 0, done.stdout + done.stderr
    files, returns = walk.counted()
    assert len(files) <= 12 and returns <= 20, (files, returns)


def test_a_verdict(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with Walk("stats.scores:share", "stats.bounds:wilson", "gates.verdict:judge", "gates.words:verdict_line") as walk:
        gate("accuracy", share("accuracy", [True] * 190 + [False] * 10), floor=0.8)
    files, returns = walk.counted()
    assert len(files) <= 6 and returns <= 4, (files, returns)


def test_a_row_from_the_file_to_the_model():
    settings = load_settings()
    with Walk("data.table:build_utterances", "text.clean:digest", "data.split:split", "model.train:train",
              "model.classifier:IntentClassifier.fit", "model.export:to_artefact") as walk:
        utterances = read_utterances(sample_file(), Columns(context=("role", "location")), settings.data)
        sides = split(utterances, settings.data)
        to_artefact(train(sides.train, ["role", "location"], settings.model), settings.model, {})
    files, returns = walk.counted()
    assert len(files) <= 8 and returns <= 8, (files, returns)


def test_a_message_from_the_service_to_the_answer(green_run, monkeypatch):
    from mlbot.serve.service import BotService, FastPath
    monkeypatch.chdir(green_run)
    service = BotService(load_settings())
    service.live.follow()
    try:
        with Walk("text.clean:clean", "model.predict:Predictor.predict", "bot.conversation:judge_text",
                  "serve.service:Recorder.put") as walk:
            assert FastPath(None, service).answer(b'{"text": "I need a new card"}')
    finally:
        service.stop()
    files, returns = walk.counted()
    assert len(files) <= 8 and returns <= 8, (files, returns)


@pytest.mark.parametrize("calls, returns", [(1, 1), (2, 3)])
def test_a_way_back_counts(calls, returns):
    walk = Walk()
    walk.tree = {("a.py", "run"): {("b.py", f"step {at}"): {} for at in range(calls)}}
    assert walk.counted() == (["a.py", "b.py"], returns)
