"""A waiver names its gate, person, reason and last day, and nothing in the file is taken on trust."""

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from mlbot.errors import InputError
from mlbot.gates.verdict import Waiver
from mlbot.gates.waiver import check_waiver, load_waivers, refuse_endless, save_waiver

DAY = date(2026, 3, 1)
WAIVER = Waiver("accuracy", "Ann", "a demo", DAY, "m1", "d1")


def test_a_waiver_may_end_today_and_after_a_quarter_and_on_no_other_side_of_them():
    """The last day counts: today is the earliest one, 92 days from now the latest, both from a command and by hand."""
    for days in (0, 92):
        check_waiver(replace(WAIVER, until=DAY + timedelta(days=days)), DAY)
        refuse_endless([replace(WAIVER, until=DAY + timedelta(days=days))], DAY, "waivers.ini")
    for days in (-1, 93):
        with pytest.raises(InputError, match="the waiver ends on"):
            check_waiver(replace(WAIVER, until=DAY + timedelta(days=days)), DAY)
    with pytest.raises(InputError, match="^waivers.ini: .*accuracy holds until 2026-06-02"):
        refuse_endless([WAIVER, replace(WAIVER, until=DAY + timedelta(days=93))], DAY, "waivers.ini")


@pytest.mark.parametrize("change, met, wanted, option", [
    ({"who": " "}, "nobody waives", "a name", "--who NAME"),
    ({"why": "\n"}, "no reason", "that the client can read", "--why REASON"),
    ({"until": date(2026, 2, 28)}, "ends on 2026-02-28", "from 2026-03-01 on", "--until DAY"),
    ({"until": date(2036, 1, 1)}, "ends on 2036-01-01", "92 days at most", "--until DAY")])
def test_what_a_waiver_lacks_is_said_with_the_option_that_gives_it(change, met, wanted, option):
    with pytest.raises(InputError) as refused:
        check_waiver(replace(WAIVER, **change), DAY)
    assert refused.value.found.startswith("accuracy: ") and met in refused.value.found
    assert wanted in refused.value.expected and refused.value.action == option


@pytest.mark.parametrize("line, with_what, says", [
    ("why = a demo\n", "", "a waiver lacks why$"), ("data = d1\n", "data = d1\nmore = 1\n", "a waiver has more$"),
    ("who = Ann\nwhy = a demo\n", "", "a waiver lacks who, why$"),
    ("who = Ann", "who =", "without a person or a reason"), ("why = a demo", "why =", "without a person or a reason"),
    ("until = 2026-03-01", "until = tomorrow", "until = 'tomorrow'"), ("[accuracy", "accuracy", "no section headers"),
    ("why = a demo", "why = a d\xe9mo", "decode byte")])
def test_a_section_that_is_not_whole_is_refused_with_its_place(tmp_path, line, with_what, says):
    file = tmp_path / "waivers.ini"
    save_waiver(WAIVER, file)
    assert line in file.read_text()
    file.write_bytes(file.read_text().replace(line, with_what).encode("latin-1"))
    with pytest.raises(InputError) as refused:
        load_waivers(file)
    first = str(refused.value).splitlines()[0]
    assert first.startswith(str(file)) and re.search(says, first), first


def test_the_file_says_what_it_is_and_each_section_what_it_is_about(tmp_path):
    """A second pair of eyes reads it in a review, so the header explains it, and one waiver of a kind stands in it once."""
    file = tmp_path / "waivers.ini"
    assert save_waiver(replace(WAIVER, model=""), file) is None and save_waiver(WAIVER, file) is None
    text = file.read_text()
    assert text.startswith("# Gates that may ship red") and "Keep this file in git" in text
    assert "\n\n[accuracy, model none, data d1]\n" in text and "\n[accuracy, model m1, data d1]\n" in text
    later = replace(WAIVER, until=DAY + timedelta(days=3))
    assert save_waiver(later, file) == WAIVER and set(load_waivers(file)) == {later, replace(WAIVER, model="")}
