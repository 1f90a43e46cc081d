"""What people write is read as what they mean, or not at all: days, times, numbers, amounts, choices."""

import time
from dataclasses import replace
from datetime import date

import pytest

from mlbot.bot.catalogue import Slot, read_catalogue
from mlbot.bot.values import USUAL, find_values, out_of_order, read_answer, said_back
from mlbot.bot.values_scored import COMPANY, company_messages, judge_held_out, misread, read_messages, score_values, values_f1
from mlbot.errors import InputError
from mlbot.gates.gating import judged
from mlbot.gates.verdict import FAIL, NOT_ASKED, PASS, Rules
from mlbot.run.folder import not_asked
from mlbot.settings import load_settings

DAY = date(2026, 11, 29)  # a Sunday
SETTINGS = load_settings()
PROCESSES = read_catalogue(COMPANY / "processes.toml")
DATE, PAST, TIME, MONTH = (
    Slot("day", "date"),
    Slot("day", "date", past=True),
    Slot("at", "time"),
    Slot("month", "month", past=True),
)
NUMBER, PRICE = Slot("people", "number", least=1), Slot("price", "amount", least=0.01, currencies=("EUR", "GBP", "USD"))
LEAVE = [Slot("first_day", "date"), Slot("last_day", "date", after="first_day")]
SITE = Slot("site", "choice", options=("Berlin", "Munich", "London"), synonyms=(("Munich", ("München",)),))

ANSWERS = [
    (DATE, "a week on Thursday", "2026-12-10", True),
    (DATE, "Thursday the 10th", "2026-12-10", False),
    (DATE, "5-Dec-2026", "2026-12-05", False),
    (DATE, "in a couple of weeks", "2026-12-13", False),
    (DATE, "the first monday in january", "2027-01-04", False),
    (DATE, "12/24", "2026-12-24", False),
    (DATE, "3/4/2027", "2027-04-03", True),
    (DATE, "am siebten Dezember", "2026-12-07", False),
    (DATE, "Ende nächsten Monats", "2026-12-31", True),
    (DATE, "morgen in einer Woche", "2026-12-07", False),
    (DATE, "ab dem 1.1.", "2027-01-01", False),
    (DATE, "jeudi en quinze", "2026-12-17", True),
    (DATE, "le sept décembre", "2026-12-07", False),
    (DATE, "le 29 février", "2028-02-29", False),
    (DATE, "el primer lunes de enero", "2027-01-04", False),
    (DATE, "de aquí a dos semanas", "2026-12-13", False),
    (DATE, "31 June", None, False),
    (DATE, "asap", None, False),
    (DATE, "yesterday", "2026-11-28", True),
    (PAST, "12 november", "2026-11-12", False),
    (PAST, "vorletzten Freitag", "2026-11-20", True),
    (PAST, "seit Donnerstag", "2026-11-26", False),
    (PAST, "hace una semana", "2026-11-22", False),
    (TIME, "half past four in the afternoon", "16:30", False),
    (TIME, "fünf vor halb neun", "08:25", True),
    (TIME, "0930", "09:30", False),
    (TIME, "midi moins le quart", "11:45", False),
    (TIME, "a las ocho de la tarde", "20:00", False),
    (TIME, "3 to 4 pm", "15:00", False),
    (TIME, "halb zehn", "09:30", True),
    (TIME, "25:00", None, False),
    (TIME, "whenever", None, False),
    (TIME, "20 past 9 am", "09:20", False),
    (NUMBER, "zweitausendfünfhundert", 2500, False),
    (NUMBER, "quatre-vingt-dix-sept", 97, False),
    (NUMBER, "treinta y cinco", 35, False),
    (NUMBER, "a dozen or so", 12, False),
    (NUMBER, "10-12", 10, True),
    (NUMBER, "minus three", None, False),
    (NUMBER, "ten or twelve", 10, True),
    (NUMBER, "ein paar", None, False),
    (NUMBER, "keine Ahnung", None, False),
    (NUMBER, "1,250", 1250, False),
    (NUMBER, "9" * 40, None, False),
    (PRICE, "two and a half thousand euros", "2500 EUR", False),
    (PRICE, "zwei Euro fünfzig", "2.5 EUR", False),
    (PRICE, "99 cents", "0.99 EUR", False),
    (PRICE, "£45.90", "45.9 GBP", False),
    (PRICE, "1.234,56", "1234.56 EUR", False),
    (PRICE, "una centena", "100 EUR", False),
    (PRICE, "one of those", None, False),
    (PRICE, "20 € for the taxi and 30 € for food", "20 EUR", True),
    (PRICE, "40 Franken", None, False),
    (MONTH, "the month before last", "2026-09", False),
    (MONTH, "octubre del año pasado", "2025-10", False),
    (MONTH, "10/25", "2025-10", False),
    (SITE, "das Londoner Büro", "London", False),
    (SITE, "MÜNCHEN", "Munich", False),
    (SITE, "Berln", "Berlin", True),
    (SITE, "the last one", "London", False),
    (SITE, "no", None, False),
    (SITE, "I want to take vacation", None, False),
    (SITE, "Berlin or London", "Berlin", True),
    (Slot("to", "email"), "it's Ann.Lee@example.org, thanks", "Ann.Lee@example.org", False),
    (Slot("to", "email"), "ann at example", None, False),
    (Slot("plate", "pattern", pattern="[A-Z]{1,3}-[A-Z]{2} [0-9]{1,4}"), "the plate is B-MW 123.", "B-MW 123", False),
    (Slot("why"), "it's for a customer visit, thanks", "for a customer visit", False),
    (Slot("why"), "  ", None, False),
]


@pytest.mark.parametrize("slot, text, value, guessed", ANSWERS, ids=[f"{row[0].kind}: {row[1][:30]}" for row in ANSWERS])
def test_an_answer_is_read_as_what_it_means_or_not_at_all(slot, text, value, guessed):
    found = read_answer(slot, text, DAY)
    if value is None:
        assert found is None
    elif slot.kind == "text":
        assert found.value in (value, value.removeprefix("for "))
    else:
        assert (found.value, found.guessed) == (value, guessed)


def read(text, process, day=DAY):
    """The values of a free message for a process of the company."""
    slots = [PROCESSES[process].slot_of(name) for name in PROCESSES[process].slots]
    return {name: found.value for name, found in find_values(text, slots, day).items()}


MESSAGES = [
    ("room_booking", "book me a room for 12 people tomorrow at 3pm", {"day": "2026-11-30", "time": "15:00", "people": 12}),
    ("room_booking", "necesito una room mañana at 3pm", {"day": "2026-11-30", "time": "15:00"}),
    ("room_booking", "the same room every monday until noon", {}),
    ("room_booking", "error 500 in room 12", {}),
    ("room_booking", "conference room for six, 3 to 4 pm", {"time": "15:00", "people": 6}),
    ("leave_request", "off from 14 December thru 3 January", {"first_day": "2026-12-14", "last_day": "2027-01-03"}),
    ("leave_request", "brauche den 27. und 30. Mai frei", {"first_day": "2027-05-27", "last_day": "2027-05-30"}),
    ("leave_request", "off until friday", {"last_day": "2026-12-04"}),
    ("leave_request", "I was off yesterday", {}),
    ("sick_leave", "no longer sick, back tomorrow", {}),
    ("sick_leave", "mon fils est malade", {}),
    ("trip_booking", "a train from Berlin to Munich, back on Friday", {"destination": "Munich", "departure": "2026-12-04"}),
    (
        "trip_booking",
        "on 9 december to Paris, back on the 11th",
        {"destination": "Paris", "departure": "2026-12-09", "return": "2026-12-11"},
    ),
    ("desk_booking", "a desk on the second floor for Tuesday", {"floor": 2, "day": "2026-12-01"}),
    ("desk_booking", "could the seven of us sit together", {}),
    ("office_shuttle", "the shuttle is late", {}),
    ("outage", "no internet since this morning", {}),
    ("card_order", "no wait, make the limit 2500", {"limit": 2500}),
    ("gifts_compliance", "a watch for 80 euro, too much?", {"value": "80 EUR"}),
    ("mailbox", "add ann@example.org", {"address": "ann@example.org"}),
]


@pytest.mark.parametrize("process, text, values", MESSAGES, ids=[row[1][:40] for row in MESSAGES])
def test_a_message_gives_the_values_that_are_in_it_and_no_others(process, text, values):
    assert read(text, process) == values


def test_a_value_says_where_it_was():
    text = "  ein RAUM für Zwölf Leute, übermorgen!"
    found = find_values(text, [PROCESSES["room_booking"].slot_of(name) for name in ("day", "people")], DAY)
    assert {text[it.start : it.end] for it in found.values()} == {"Zwölf", "übermorgen"}


def test_a_known_first_day_says_where_the_last_one_is_sought():
    known = {"first_day": "2027-03-09"}
    assert read_answer(LEAVE[1], "the 11th", DAY, known=known).value == "2027-03-11"
    assert find_values("until friday", LEAVE[1:], DAY, known=known)["last_day"].value == "2027-03-12"
    assert read_answer(LEAVE[1], "vom 3. bis 7. August", DAY).value == "2027-08-07"


def test_days_in_the_wrong_order_are_seen_however_they_came_in():
    assert out_of_order(LEAVE, {"first_day": "2026-12-08", "last_day": "2026-12-07"}) == ("first_day", "last_day")
    assert (
        out_of_order(LEAVE, {"first_day": "2026-12-08", "last_day": "2026-12-08"}) is None
        and out_of_order(LEAVE, {"last_day": "2026-12-07"}) is None
    )


def test_another_text_is_a_value_only_where_the_catalogue_says_so():
    system = PROCESSES["password_reset"].slot_of("system")
    assert read_answer(system, "it's the Jira board", DAY).value == "the Jira board" and system.other
    assert read_answer(PROCESSES["access_badge"].slot_of("site"), "Rome", DAY) is None


def test_a_value_is_said_back_in_the_language_of_the_conversation():
    said = {language: said_back(DATE, "2026-12-08", language, DAY) for language in USUAL}
    assert said == {
        "en": "Tuesday, 8 December",
        "de": "Dienstag, 8. Dezember",
        "fr": "mardi 8 décembre",
        "es": "martes, 8 de diciembre",
    }
    assert said_back(DATE, "2028-12-08", "en", DAY).endswith("2028") and said_back(PRICE, "1250.5 EUR", "de") == "1.250,50 €"
    assert (
        said_back(TIME, "09:30", "de") == "9:30 Uhr"
        and said_back(SITE, "London", "xx") == "London"
        and said_back(NUMBER, 1250, "fr") == "1\u202f250"
    )


@pytest.mark.parametrize(
    "piece", ["1 ", "twenty ", "from 3 to ", "halb ", "1.", "a" * 50 + "@", "zwanzigund", "3/4/", "the first monday in "]
)
def test_no_text_takes_long_to_read(piece):
    """The longest text of one piece again and again takes a moment, whatever is asked."""
    slots = [PROCESSES["room_booking"].slot_of(name) for name in ("day", "time", "people")]
    start = time.process_time()
    find_values(piece * 4000, slots, DAY)
    for slot in slots:
        read_answer(slot, piece * 4000, DAY)
    assert time.process_time() - start < 2


def test_the_messages_of_the_company_are_many_in_every_language_and_their_processes_exist():
    messages = company_messages()
    assert len(messages) >= 400 and {message.language for message in messages} == set(USUAL)
    for message in messages:
        assert set(message.wanted) <= set(PROCESSES[message.process].slots) and message.slot in (
            *PROCESSES[message.process].slots,
            "",
        )
    texts = [(message.language, message.process, message.slot, message.text) for message in messages]
    assert len(set(texts)) == len(texts)


def test_a_line_without_its_arrow_is_refused(tmp_path):
    file = tmp_path / "en.txt"
    file.write_text("[room_booking.day 2026-03-18]\ntomorrow -> 2026-03-19\nfriday\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: 'friday'"):
        read_messages(file)


@pytest.fixture(scope="module")
def held_out():
    return judge_held_out("company:3")


def outcome(scores, gates=()):
    by_hand = {"floor": None, "ceiling": None, "stretch": None}
    return judged("values", scores, Rules(DAY, SETTINGS.targets, unasked=gates), by_hand, 200, None, ())


def test_values_are_read_exactly_in_each_language(held_out):
    for kind in ("date", "number", "amount", "choice"):
        for language in USUAL:
            mine = [one for one in held_out if one.kind == kind and one.message.language == language]
            assert values_f1(kind, mine).value >= 0.95, misread(mine)


def test_the_gate_is_green_on_the_company_and_red_where_a_language_is_read_badly(held_out):
    assert outcome(score_values(held_out)).outcome == PASS
    german = [one.kind == "date" and one.message.language == "de" for one in held_out]
    wrong = [replace(one, right=one.right and not bad) for one, bad in zip(held_out, german, strict=True)]
    verdict = outcome(score_values(wrong))
    assert verdict.outcome == FAIL and [part.score.metric for part in verdict.parts if part.outcome == FAIL] == ["date/de"]


def test_the_gate_claims_nothing_about_data_that_is_not_the_company():
    assert not_asked({"source": "tickets.csv"}) == ("values", "small_talk", "lost_wishes")
    assert not_asked({"source": "company:3"}) == ()
    assert judge_held_out("tickets.csv") == [] and outcome([], ("values",)).outcome == NOT_ASKED
