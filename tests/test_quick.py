"""An installation works: its public names are there, and the sample is trained, judged, released and answers."""

import doctest
import importlib
import subprocess
import sys

import numpy as np
import pytest

import mlbot
from mlbot.run.cache import READS_CATALOGUE, READS_DATA, READS_LOG
from mlbot.run.dependencies import IGNORED_NAMES, LEAVES


def test_the_sample_is_released_and_answers(released):
    model = mlbot.load(released / "models")
    assert isinstance(model, mlbot.Predictor)
    assert model.predict("please reset my password, I am locked out", role="sales").intent == "reset_password"


WISHES = {"order a new card": "card", "see my payslip": "payslip", "replace my lost badge": "badge"}
ENDS = ("today", "please", "for ann", "in berlin", "before monday", "on the third floor", "as soon as you can", "for my boss",
        "again", "at the front desk", "by mail", "with a stamp", "for the whole team", "in march", "if you can",
        "without delay", "after lunch", "for the visitor", "in room nine", "from home")


@pytest.fixture(scope="module")
def example_folder(green_run, tmp_path_factory):
    """A folder with a file of utterances and released models, as the examples of the public names expect."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "models").symlink_to(green_run / "models")
    lines = ["text,intent", *(f"{wish} {end},{intent}" for wish, intent in WISHES.items() for end in ENDS)]
    (folder / "utterances.csv").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize("name", mlbot.__all__)
def test_a_public_name_says_what_it_does_with_an_example_that_works(name, example_folder, monkeypatch):
    monkeypatch.chdir(example_folder)
    thing = getattr(mlbot, name)
    example = doctest.DocTestParser().get_doctest(thing.__doc__, {"mlbot": mlbot, "np": np}, name, None, None)
    said = []
    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert name in dir(mlbot) and len(thing.__doc__.split()) >= 6
    assert outcome.attempted and not outcome.failed, "".join(said)


def test_importing_mlbot_loads_nothing():
    code = "import sys, mlbot; print(sorted(name for name in sys.modules if name.startswith(('mlbot.', 'numpy', 'pandas'))))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
    assert len(mlbot.__all__) <= 15 and mlbot.__version__
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        mlbot.lode  # noqa: B018


@pytest.mark.parametrize("name", [*sorted(READS_DATA), READS_LOG, READS_CATALOGUE, *LEAVES, *IGNORED_NAMES,
                                  "mlbot.model.views.encoder_of"])
def test_a_name_that_stands_in_a_string_is_there(name):
    """A module that moved while its name stayed would let a kept result be used after the data changed."""
    module, _, last = name.rpartition(".")
    assert hasattr(importlib.import_module(module), last)
