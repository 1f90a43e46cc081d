"""Phrases that are harder than the usual ones: what is taken back, spans, halves, offsets, addresses with accents."""

from pathlib import Path

import pytest

from mlbot.bot.catalogue import read_catalogue
from mlbot.bot.values_scored import COMPANY, SIDES, example_side, judge_all, misread, read_messages, values_f1

PHRASES = [message for path in sorted((Path(__file__).parent / "harder").glob("*.txt")) for message in read_messages(path)]


@pytest.fixture(scope="module")
def processes():
    return read_catalogue(COMPANY / "processes.toml")


@pytest.mark.parametrize("side", SIDES)
def test_harder_phrases_are_read_exactly(processes, side):
    """One half was looked at while the reader was built, the other was not."""
    judged = judge_all([message for message in PHRASES if example_side(message) == side], processes)
    assert values_f1(side, judged).value >= 0.95, misread(judged)


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_what_is_taken_back_is_never_read(processes, language):
    words = (" not ", " nicht ", " pas ", " sino ", " no, ", " non, ", " nein, ", " nein ")
    taken_back = [message for message in PHRASES if message.language == language
                  and any(word in f" {message.text} " for word in words)]
    assert len(taken_back) >= 4 and not misread(judge_all(taken_back, processes))
