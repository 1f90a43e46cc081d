"""Texts that look alike are alike, whatever bytes they came in; nothing a person can send takes long or breaks."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from mlbot.errors import InputError
from mlbot.text import checked, digest, folded, key, normalise, pieces, words

ANY = st.text(st.characters(codec=None), max_size=60)
PAIRS = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b").build_analyzer()
PIECES = {lengths: TfidfVectorizer(analyzer="char_wb", ngram_range=lengths).build_analyzer()
          for lengths in [(1, 4), (2, 4), (3, 5)]}


@settings(max_examples=500, deadline=None)
@given(ANY)
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)
    assert key(key(text)) == key(text)


@settings(max_examples=500, deadline=None)
@given(ANY)
def test_words_and_pieces_are_those_of_scikit_learn(text):
    text = folded(text)
    assert sorted(words(text)) == sorted(PAIRS(text))
    for lengths, theirs in PIECES.items():
        assert sorted(pieces(text, *lengths)) == sorted(theirs(text))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=60))
def test_the_key_ignores_case_spacing_and_invisible_characters(text):
    assert digest("\u200b ".join(text.split(" "))) == digest(text) or not key(text)
    assert digest(f"  {text}\u202e\n") == digest(text)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u200b\u200d\ufeff", "\u202e", "\x00\x01"])
def test_a_text_without_a_visible_character_is_refused(text):
    with pytest.raises(InputError, match="empty or invisible"):
        checked(text)


@pytest.mark.parametrize("text", [None, 7, b"text", ["text"]])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(InputError, match="type"):
        checked(text)


def test_a_million_characters_are_refused_at_once_and_not_repeated():
    started = time.perf_counter()
    with pytest.raises(InputError) as caught:
        checked("secret " * 150_000)
    assert time.perf_counter() - started < 0.05
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["a" * 4999 + "!", "(" * 5000, "a b " * 1250, "\u0301" * 5000, "\ufdfa" * 5000])
def test_hostile_texts_take_linear_time(text):
    started = time.perf_counter()
    words(folded(text)), pieces(folded(text)), key(text)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("text", ["\u0130stanbul", "Stra\u00dfe", "\ufb00ort", "\ud800 broken", "a\x00b"])
def test_characters_that_change_length_or_have_no_encoding_are_safe(text):
    assert isinstance(digest(text), int)
    assert words(folded(text))


def test_full_width_composed_and_decomposed_forms_are_one_text():
    assert len({digest(text) for text in ("caf\u00e9 B", "cafe\u0301 B", "caf\u00e9 \uff22", "CAF\u00c9 b")}) == 1
