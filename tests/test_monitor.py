"""Production is compared with what the model was made for; labels correct what it believes, and end a bad trial."""

import shutil
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from mlbot.events import Event, EventLog
from mlbot.identity import Identity
from mlbot.labelling import agreement_of, batch, is_drawn, items_of, labels_of, next_items
from mlbot.live import Canary, Live, evidence, read_canary, set_canary
from mlbot.monitor import corrected, drift_of, overview, profile_of, read_profile, trial_of, wilson
from mlbot.registry import history
from mlbot.settings import Monitor, load_settings
from mlbot.text import pseudonym

NOW = datetime(2026, 11, 2).timestamp()


def asked(number, text="a card", intent="card", confidence=0.9, role="sales", **more):
    """An answer in the log."""
    body = {"text": text, "intent": intent, "confidence": confidence, "ranking": [[intent, confidence], ["bill", 0.05]],
            "model": "m1", "request": f"r{number}", "decision": "execute", "role": role, "location": "de", **more}
    return Event("asked", f"r{number}", body, number=number, at=NOW + number)


def label(number, intent, who="grace", at=0.0):
    """A label of it."""
    return Event("label", f"e{number}", {"intent": intent}, pseudonym(who), number=10_000 + number, at=NOW + at)


def test_no_false_alarm_in_quiet_weeks_and_an_alarm_when_the_mix_moves():
    dice, before = np.random.default_rng(0), {f"i{n}": 1000 // (n + 1) for n in range(40)}
    shares = np.array(list(before.values())) / sum(before.values())
    alarms = 0
    for n in (30, 100, 1000) * 100:
        now = dict(zip(before, dice.multinomial(n, shares).tolist(), strict=True))
        alarms += drift_of("intent", before, now).alarm
    assert alarms <= 6  # of 300
    moved = drift_of("intent", before, {"i0": 100, "i39": 200})
    assert moved.alarm and moved.worst[0].startswith("i39")
    assert not drift_of("intent", before, {}).alarm and not drift_of("intent", {}, before).alarm


def test_the_corrected_estimate_covers_the_truth_where_the_model_is_too_sure():
    dice, covered, naive = np.random.default_rng(1), 0, 0
    for _ in range(300):
        sure = dice.uniform(0.7, 1.0, 2000)
        right = dice.random(2000) < sure - 0.15
        drawn = dice.choice(2000, 120, replace=False)
        found = corrected(list(sure), [(float(sure[at]), bool(right[at])) for at in drawn])
        covered += found.low <= right.mean() <= found.high
        naive += abs(sure.mean() - right.mean()) < 0.05
    assert covered / 300 > 0.92 and naive == 0
    assert corrected([], []) is None and wilson(0, 0) is None and wilson(5, 5).high == 1.0


def test_alerts_say_what_has_happened():
    told = {"profile": profile_of([("a card", "sales", "de", "card", 0.9)] * 500),
            "test": {"value": 0.9, "low": 0.88, "high": 0.92, "n": 500}}
    quiet = [asked(number, f"card {number}") for number in range(1, 200)]
    assert overview(quiet, "m1", told)["alerts"] == []
    shouting = [asked(number, f"card {number}", role="SALES") for number in range(1, 200)]
    assert overview(shouting, "m1", told)["alerts"] == []  # the case of a role is none of its own
    strange = [asked(number, f"a long text about something else {number}", "bill", 0.4, "hr") for number in range(1, 200)]
    found = overview(strange, "m1", told)
    assert {line.split(" has")[0] for line in found["alerts"]} == {"length", "role", "predicted intent", "confidence"}
    labels = [label(number, "bill") for number, item in enumerate(items_of(quiet).values(), 1) if item.drawn]
    wrong = overview([*quiet, *labels], "m1", told)
    assert wrong["quality"]["audit"]["value"] == 0 and "the audit says 0%" in wrong["alerts"][0]
    assert wrong["quality"]["estimate"]["value"] < 0.1
    thumbs = [Event("feedback", f"r{number}", {"useful": number % 2 == 0}, at=NOW) for number in range(40)]
    assert overview([*quiet, *thumbs], "m1", told)["alerts"] == ["50% of the thumbs point down (20 of 40; the limit is 30%)"]
    assert overview([*quiet, *thumbs], "m1", told, rules=Monitor(useless=0.9))["alerts"] == []
    opened = [Event("opened", f"c{number}", {"role": "", "location": ""}, at=NOW) for number in range(40)]
    handed = [Event("handoff.initiate", f"c{number}", {}, at=NOW) for number in range(38)]
    assert "handed over" in overview([*opened, *handed], "m1", told)["alerts"][-1]
    assert overview([], "m1", {"profile": {}, "test": None})["quality"] == {"test": None, "estimate": None, "audit": None}


def test_a_model_is_judged_by_its_own_answers_only():
    mixed = [asked(number, f"card {number}", model="m1" if number % 2 else "m2") for number in range(1, 101)]
    told = {"profile": profile_of([("a card", "sales", "de", "card", 0.9)] * 100), "test": None}
    labels = [label(number, "bill" if number % 2 == 0 else "card") for number in range(1, 101)]
    assert overview([*mixed, *labels], "m1", told)["quality"]["audit"]["value"] == 1.0
    assert overview([*mixed, *labels], "m2", told)["quality"]["audit"]["value"] == 0.0


def test_the_same_text_is_labelled_once_others_give_second_opinions_and_the_last_word_holds(tmp_path):
    events = [asked(number, f"text {number % 20}", confidence=number / 100) for number in range(1, 41)]
    items = items_of(events)
    assert len(items) == 20
    first = [name for name in items][:3]
    said = [Event("label", first[0], {"intent": "card"}, "p1"), Event("label", first[0], {"intent": "bill"}, "p1"),
            Event("label", first[1], {"intent": "card"}, "p1"), Event("label.undone", first[1], {}, "p1")]
    labels = labels_of(said)
    assert labels == {first[0]: {"p1": "bill"}}
    assert all(item.id != first[0] for item, _ in next_items(items, labels, "p1", 50))
    assert ("second opinion" in [why for _, why in next_items(items, labels, "p2", 50)]) and agreement_of(labels) is None
    log = EventLog(tmp_path / "events.db")
    log.append(*[replace(event, number=0) for event in events[:3]])
    log.append(Event("label", "e1", {"intent": "card"}, pseudonym("grace")))
    row, = batch(log)
    assert (row.text, row.intent, row.role, row.person) == ("text 1", "card", "sales", pseudonym("grace"))
    log.close()


def test_a_label_of_a_text_that_came_again_counts_for_its_first_answer():
    told = {"profile": {}, "test": None}
    first = next(number for number in range(1, 100) if is_drawn(f"e{number}"))
    said = [asked(first, "a card"), asked(500, "a card"), asked(501, "a bill")]
    alone, again = (overview([*said, label(number, "card")], "m1", told)["quality"]["audit"] for number in (first, 500))
    assert alone == again and again["n"] == 1 and again["value"] == 1.0


def test_labels_of_other_tools_become_a_batch(released, mlbot):
    (released / "done.jsonl").write_text('{"text": "a new card", "label": ["expense_claim"]}\n\n'
                                         '{"text": "=1+1", "accept": ["expense_claim"], "answer": "accept"}\n'
                                         '{"text": "no", "accept": [], "answer": "reject"}\n')
    done = mlbot("label", "--read", "done.jsonl", "--person", "ada")
    assert done.returncode == 0 and "2 labels" in done.stdout, done.stderr
    assert (released / "labels.csv").read_text().splitlines()[1:] == ["a new card,expense_claim,,,ada",
                                                                      "'=1+1,expense_claim,,,ada"]
    (released / "done.jsonl").write_text('{"text": 5, "label": ["x"')
    wrong = mlbot("label", "--read", "done.jsonl")
    assert wrong.returncode == 2 and "line 1 is not JSON" in wrong.stderr
    assert mlbot("label", "--read", "nothing.jsonl").returncode == 2


def test_the_evidence_is_the_formula():
    from scipy.special import beta, betainc
    for b, c in ((0, 0), (1, 0), (0, 1), (7, 3), (3, 7), (40, 25)):
        assert evidence(b, c) == pytest.approx(2 ** (b + c + 1) * beta(c + 1, b + 1) * betainc(c + 1, b + 1, 0.5))
    assert evidence(10**5, 0) > 1e300 and evidence(0, 10**4) < 1e-3


def watch(log, patch) -> list:
    """What a log gives from now on, reading by reading."""
    seen, read = [], log.read
    patch.setattr(log, "read", lambda *words, **more: seen.append(read(*words, **more)) or seen[-1])
    return seen


def test_a_canary_that_is_worse_is_ended_by_labels_and_a_good_one_is_not(company_project, tmp_path):
    from mlbot.house import House
    shutil.copytree(company_project / "models", tmp_path / "models")
    (tmp_path / "settings.ini").write_text("[data]\nsource = company\n")
    settings = load_settings(tmp_path)
    champion = history(settings.places.models)[-1]["model"]
    house = House(settings)
    for better, ended in (("champion", True), ("canary", False)):
        set_canary(settings.places.models, Canary(champion, 0.1, 1.0, "ada"))
        house.live.follow()
        house.live.trial = replace(house.live.trial, model="ffffffffffff")
        start = len(house.log.read())
        for number in range(30):
            answers = ("card_order", "card_block") if better == "champion" else ("card_block", "card_order")
            body = {"text": f"{better} wants card {number}", "intent": answers[0], "confidence": 0.9, "model": champion,
                    "ranking": [[answers[0], 0.9]], "request": f"r{better}{number}", "decision": "execute",
                    "other": {"model": "ffffffffffff", "intent": answers[1]}}
            event, = house.log.append(Event("asked", body["request"], body))
            house.log.append(Event("label", f"e{event.number}", {"intent": "card_order"}, "p1"))
        found = trial_of(house.log.read(after=start), champion, "ffffffffffff", 1.0)
        assert (found.champion_only, found.canary_only) == ((30, 0) if ended else (0, 30))
        if not ended:  # only what this round has shown
            house.live.trial = replace(house.live.trial, since=house.log.read()[start].at)
        house.log.append(*[Event("asked", f"more{number}", {"text": "a wish"}) for number in range(50)])  # without a label
        with pytest.MonkeyPatch.context() as patch:
            seen = watch(house.log, patch)
            house.judge_canary()
            rows = sum(map(len, seen))
            assert (read_canary(settings.places.models) is None) == ended and rows <= 120
            house.judge_canary()
            assert {event.kind for part in seen[2:] for event in part} <= {"label"}  # no answer is read again
    assert [event.about for event in house.log.read(("canary.ended",))] == ["ffffffffffff"]
    set_canary(settings.places.models, None)
    house.log.close()


def test_an_overview_holds_no_texts_however_long_the_log(monkeypatch):
    """Of 8,000 answers only numbers stay; and a log that is read in parts says what a list of its events says."""
    import tracemalloc
    told = {"profile": profile_of([("a card", "sales", "de", "card", 0.9)] * 500), "test": None}
    marked = [label(number, "bill") for number in range(1, 400)]

    def events():
        yield from (asked(number, f"wish {number} " + "x" * 2_000) for number in range(1, 8_001))
        yield from marked
    tracemalloc.start()
    found = overview(events(), "m1", told)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8_000_000  # the texts alone are 16 MB
    assert found == overview(list(events()), "m1", told) and found["quality"]["audit"]["n"] > 50


def test_the_notebook_is_red_on_an_alert_and_green_without(released, mlbot):
    assert mlbot("monitor").returncode == 0
    log = EventLog(released / "events" / "events.db")
    model = Live(released / "models")
    model.follow()
    assert read_profile(released / "models", model.current.name)["profile"]["length"]
    log.append(*[Event("asked", f"r{number}", asked(number, f"something very different {number}", "bill", 0.31).body | {
        "model": model.current.name}) for number in range(100)])
    log.close()
    first, = (released / "runs" / "monitor").iterdir()
    first.rename(first.with_name("2026-01-05_120000"))
    done = mlbot("monitor", "--days", "3")
    assert done.returncode == 1 and "alert:  predicted intent has drifted" in done.stdout and "next:" in done.stdout
    page = (sorted((released / "runs" / "monitor").iterdir())[-1] / "report.html").read_text()
    assert "predicted intent has drifted" in page and "2026-01-05" in page and page.count("data:image/png") == 2
    assert '<td>messages</td><td class="number">100</td><td class="number">0</td>' in page
    assert mlbot("monitor", "--days", "0").returncode == 2


def test_who_only_talked_to_the_bot_can_be_forgotten(released, mlbot):
    from mlbot.bot import Bot
    log = EventLog(released / "events" / "events.db")
    Bot(log, lambda about: None, dict, load_settings(released).costs).start(Identity("Ada", "sales", "de"))
    log.close()
    done = mlbot("data", "erase", "--person", "ada", "--why", "asked for it")
    assert done.returncode == 0 and "1 events of conversations" in done.stdout, done.stderr
    assert mlbot("data", "erase", "--person", "ada", "--why", "asked for it").returncode == 2
