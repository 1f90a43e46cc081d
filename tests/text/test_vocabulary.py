"""The words of each language are complete, and say in every language what they say in English."""

import re
from datetime import date

import pytest

from mlbot.errors import InputError
from mlbot.text.dates import (
    KINDS,
    find_dates,
    find_months,
    groups,
    month_regex,
    part_regex,
    phrases,
    span_regexes,
    words_before,
)
from mlbot.text.numbers import amount_regexes, find_amounts, find_numbers, number_regex, ordinal_regex, ordinals
from mlbot.text.times import figure_regex, find_times, fixed_regex, spoken_regexes
from mlbot.text.vocabulary import fold, likely_order, vocabulary, written_languages

DAY = date(2026, 3, 18)  # a Wednesday
ENGLISH = vocabulary("en")
OTHERS = [language for language in written_languages() if language != "en"]


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_the_tables_of_english_and_their_types(language):
    tables = vocabulary(language)
    assert set(tables) == set(ENGLISH)
    for name, table in ENGLISH.items():
        if isinstance(table, dict):
            assert set(tables[name]) == set(table), name
            assert all(type(tables[name][key]) is type(value) for key, value in table.items())


@pytest.mark.parametrize("language", written_languages())
def test_a_language_counts_to_a_hundred_and_has_all_months_and_days(language):
    table = vocabulary(language)
    units = set(table["numbers"]["words"].values())
    assert set(range(21)) - {17, 18, 19} <= units and {30, 40, 50, 60} <= units
    assert 1000 in table["numbers"]["thousands"].values() and set(table["dates"]["near"].values()) >= {-2, -1, 0, 1, 2}
    assert len(table["dates"]["months"]) == 12 and len(table["dates"]["weekdays"]) == 7
    assert set(ordinals(language).values()) >= set(range(1, 11))
    assert {"EUR", "USD", "GBP", "CHF", "INR"} <= set(table["amounts"]["currencies"].values())


@pytest.mark.parametrize("language", written_languages())
def test_every_pattern_of_a_language_compiles_and_names_only_what_there_is(language):
    for name in KINDS:
        for phrase in vocabulary(language)["dates"][name]:
            assert set(re.findall(r"\{(\w+)\}", phrase)) <= set(groups(language)), phrase
        phrases(language, name)
    for pattern in (number_regex, ordinal_regex, part_regex, month_regex, figure_regex, fixed_regex):
        assert pattern(language).search("") is None
    assert len(amount_regexes(language)) == 3 and len(span_regexes(language)) == 3 and len(words_before(language)) == 3
    assert all(regex.search("") is None for regex, _ in spoken_regexes(language))


@pytest.mark.parametrize("language", written_languages())
def test_a_language_reads_its_own_words_as_it_says_them(language):
    """Each month, weekday, number and currency of the tables is read as what it stands for."""
    table = vocabulary(language)
    for number, names in enumerate(table["dates"]["months"], 1):
        (found,) = find_dates(fold(f"7 {names.split()[0]} 2027").text, language, DAY)
        assert found.value == f"2027-{number:02}-07"
        assert find_months(fold(f"{names.split()[0]} 2027").text, language, DAY)[0].value == f"2027-{number:02}"
    for number, names in enumerate(table["dates"]["weekdays"]):
        (found,) = find_dates(fold(names.split()[0]).text, language, DAY)
        assert date.fromisoformat(found.value).weekday() == number and found.guessed == (number == DAY.weekday())
    for word, value in table["numbers"]["words"].items():
        assert find_numbers(fold(word).text, language)[0].value == value
    for word, code in table["amounts"]["currencies"].items():
        assert [(it.value, known) for it, known in find_amounts(fold(f"12 {word}").text, language)] == [(12, code)]
    for word, time in table["times"]["fixed"].items():
        assert find_times(fold(word).text, language)[0].value == time


def test_the_language_of_a_text_is_told_by_its_words_and_else_by_the_order():
    assert likely_order(fold("Ich brauche am Montag einen Raum").text, ["en", "de"])[0][0] == "de"
    assert likely_order("42", ["fr", "en", "xx"]) == (["fr", "en"], 2)


def test_a_language_without_tables_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="no table of words for 'it'") as error:
        vocabulary("it")
    assert error.value.place.endswith("words")


def test_a_folded_text_knows_where_its_letters_were():
    text = "  STRASSE und Straße, ½ Tag"
    folded = fold(text)
    start = folded.text.rindex("strasse")
    low, high = folded.span(start, start + 7)
    assert text[low:high] == "Straße" and folded.text.endswith(".5 tag") and len(folded.at) == len(folded.text) + 1
