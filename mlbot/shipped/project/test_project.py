"""What crosses notebooks: add the behaviours that your bot must keep."""

from mlbot.data import read_utterances
from mlbot.settings import load_settings
from mlbot.source import choose
from << package >>.slices import question


def test_the_data_can_be_read():
    """Each column that the settings name is in the file."""
    settings = load_settings()
    source, columns = choose(settings)
    if source.endswith(".csv"):
        assert len(read_utterances(settings.root / source, columns, settings.data).rows) > 0


def test_a_question_is_one():
    """A slice of our own, exported by nbs/00_slices.ipynb."""
    assert question({"text": ["what is it?", "order one"]}) == ["yes", "no"]
