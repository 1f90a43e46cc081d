"""An installation works: its public names are there, and the sample is trained, judged, released and answers."""

import importlib
import subprocess
import sys

import pytest

import mlbot
from mlbot.run.cache import READS_CATALOGUE, READS_DATA, READS_LOG
from mlbot.run.dependencies import IGNORED_NAMES, LEAVES


def test_the_sample_is_released_and_answers(released):
    model = mlbot.load(released / "models")
    assert isinstance(model, mlbot.Predictor)
    assert model.predict("please reset my password, I am locked out", role="sales").intent == "reset_password"


@pytest.mark.parametrize("name", mlbot.__all__)
def test_a_public_name_is_there_and_says_what_it_does(name):
    assert name in dir(mlbot) and len(getattr(mlbot, name).__doc__.split()) >= 6


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
