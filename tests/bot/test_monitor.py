"""Production is compared with what the model was made for; labels correct what it believes, and end a bad trial."""

import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from mlbot.bot.events import Event, EventLog
from mlbot.bot.identity import Identity
from mlbot.bot.labelling import agreement_of, batch, is_drawn, items_of, labels_of, lot_of, next_items
from mlbot.bot.monitor import (
    LoggedAnswer,
    drift_of,
    estimates,
    guesses,
    overview,
    profile_of,
    read_profile,
    rightness,
    surely_below,
    trial_of,
)
from mlbot.model.decide import CONFIRM, EXECUTE, HANDOFF, OUT_OF_SCOPE
from mlbot.model.registry import history
from mlbot.model.rollout import Canary, Live, evidence, read_canary, set_canary
from mlbot.settings import Monitor, load_settings
from mlbot.stats.bounds import share_by_bets
from mlbot.text.clean import pseudonym

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


def week(dice, n=2_000, outside=0.18, too_sure=0.15):
    """Answers of a week with their true intents: some out of scope, of which the bot declines some and executes others."""
    answers = []
    for known, sure, luck in zip(dice.random(n) >= outside, dice.uniform(0.5, 1, n), dice.random(n), strict=True):
        scope = float(np.clip(dice.normal(0.9 if known else 0.5, 0.15), 0, 1))
        decision = OUT_OF_SCOPE if scope < 0.4 else EXECUTE if sure > 0.7 else CONFIRM
        truth = "oos" if not known else "card" if luck < sure - too_sure else "bill"
        answers.append((LoggedAnswer("card", float(sure), scope, decision), truth))
    return answers


@pytest.mark.parametrize("labels", [10, 40, 150])
@pytest.mark.parametrize("outside, too_sure", [(0.0, 0.0), (0.18, 0.15)])
def test_the_production_estimate_covers_with_few_labels_out_of_scope_and_after_drift(labels, outside, too_sure):
    """Both populations, at each size of the audit; the mean confidence alone is far off where the model is too sure."""
    dice, covered, far = np.random.default_rng(labels), np.zeros(2), 0
    for _ in range(30):
        answers = week(dice, 600, outside, too_sure)
        means = np.mean([guesses(answer) for answer, _ in answers], axis=0)
        says = np.mean([rightness(answer, truth, "oos") for answer, truth in answers], axis=0)
        audit = [answers[at] for at in dice.choice(600, labels, replace=False)]
        found = estimates(means, audit, "oos")
        for at, (name, truth) in enumerate((("in_scope", says[1] / says[2]), ("all_messages", says[0]))):
            covered[at] += found[name].low <= truth <= found[name].high
            assert found[name].low <= found[name].value <= found[name].high
        far += abs(np.mean([answer.confidence for answer, _ in answers]) - says[1] / says[2]) > 0.05
    assert (covered / 30 >= 0.94).all() and (not outside or far == 30)


def test_the_production_estimate_may_be_looked_at_after_each_label():
    """Of 60 weeks at most 3 leave the truth out at any of six looks; an interval for one look leaves it out in far more."""
    dice, left, naive, looks = np.random.default_rng(5), 0, 0, (4, 8, 12, 18, 26, 40)
    for _ in range(60):
        labels = (dice.random(40) < 0.8).astype(float)
        ends = [share_by_bets(labels[:n], np.ones(n)) for n in looks]
        left += any(not low <= 0.8 <= high for low, high in ends)
        naive += any(abs(labels[:n].mean() - 0.8) > 1.96 * labels[:n].std() / np.sqrt(n) for n in looks)
    assert left <= 3 and naive > 12


def test_a_message_out_of_scope_is_right_when_nothing_was_started_and_one_in_scope_when_it_was_not_turned_away():
    for decision, outside, inside in ((EXECUTE, 0, 1), (CONFIRM, 1, 1), (HANDOFF, 1, 1), (OUT_OF_SCOPE, 1, 0)):
        answer = LoggedAnswer("card", 0.8, 0.6, decision)
        assert rightness(answer, "oos", "oos") == (outside, 0, 0)
        assert rightness(answer, "card", "oos") == (inside, 1, 1) and rightness(answer, "bill", "oos") == (0, 0, 1)
        assert guesses(answer) == pytest.approx((inside * 0.48 + outside * 0.4, 0.48, 0.6))


def test_a_number_about_production_names_its_population():
    """18 % out of scope, and executed: of all messages fewer are right than of those in scope, and each number says which."""
    events = [asked(number, f"card {number}") for number in range(1, 2_001)]
    drawn = [number for number in range(1, 2_001) if is_drawn(f"e{number}")]
    said = [label(number, "oos" if at % 100 < 18 else "bill" if at % 100 < 24 else "card") for at, number in enumerate(drawn)]
    told = {"profile": {}, "test": {"value": 0.9, "low": 0.88, "high": 0.92, "n": 500}}
    quality = overview([*events, *said], "m1", told)["quality"]
    assert {name: share["population"] for name, share in quality.items()} == {
        "test": "in scope", "in_scope": "in scope", "all_messages": "all messages", "audit": "in scope"}
    assert quality["all_messages"]["value"] == pytest.approx(0.76, abs=0.02) and quality["all_messages"]["n"] == len(drawn)
    assert quality["in_scope"]["value"] == pytest.approx(0.76 / 0.82, abs=0.02)
    assert quality["in_scope"]["value"] == pytest.approx(quality["audit"]["value"], abs=0.01)
    assert quality["in_scope"]["n"] == quality["audit"]["n"] < len(drawn)
    assert quality["all_messages"]["high"] < quality["in_scope"]["low"]


def test_a_log_that_says_nothing_about_scope_or_decision_is_read():
    old = [asked(number, f"card {number}") for number in range(1, 200)]
    for event in old:
        del event.body["decision"]
    drawn = [number for number in range(1, 200) if is_drawn(f"e{number}")]
    found = overview([*old, *[label(number, "oos") for number in drawn]], "m1", {"profile": {}, "test": None})["quality"]
    assert found["in_scope"] is None and found["audit"] is None
    assert found["all_messages"]["value"] == pytest.approx(0, abs=0.01)
    unknown = [replace(event, body=event.body | {"in_scope": None}) for event in old]
    assert [item.in_scope for item in items_of(unknown).values()] == [1.0] * 199


def test_a_loss_is_sure_only_beyond_what_both_numbers_leave_open():
    """The test has an interval too: a small one hides a drop that a large one shows."""
    audit, test = {"value": 0.80, "low": 0.74, "high": 0.85}, {"value": 0.90, "high": 0.93, "n": 100}
    assert surely_below(audit, test | {"low": 0.895}, 0.04) and not surely_below(audit, test | {"low": 0.84}, 0.04)
    assert surely_below({"value": 0.80, "high": 0.80}, {"value": 0.90, "low": 0.90}, 0.099)
    assert not surely_below({"value": 0.80, "high": 0.80}, {"value": 0.90, "low": 0.90}, 0.1)


def test_the_audit_is_asked_in_the_order_of_its_lots_and_not_by_time():
    """A few labels stand for the whole week: the items of the first day are no likelier to be asked first."""
    items = items_of([asked(number, f"text {number}") for number in range(1, 401)])
    asked_first = [item.id for item, why in next_items(items, {}, "p1", 200) if why == "random"]
    assert asked_first == sorted(asked_first, key=lot_of) and 50 < np.mean([int(name[1:]) for name in asked_first[:20]]) < 350


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
    assert wrong["quality"]["in_scope"]["value"] < 0.1
    thumbs = [Event("feedback", f"r{number}", {"useful": number % 2 == 0}, at=NOW) for number in range(40)]
    assert overview([*quiet, *thumbs], "m1", told)["alerts"] == ["50% of the thumbs point down (20 of 40; the limit is 30%)"]
    assert overview([*quiet, *thumbs], "m1", told, rules=Monitor(useless=0.9))["alerts"] == []
    opened = [Event("opened", f"c{number}", {"role": "", "location": ""}, at=NOW) for number in range(40)]
    handed = [Event("handoff.initiate", f"c{number}", {}, at=NOW) for number in range(38)]
    assert "handed over" in overview([*opened, *handed], "m1", told)["alerts"][-1]
    nothing = overview([], "m1", {"profile": {}, "test": None})
    assert nothing["quality"] == dict.fromkeys(("test", "in_scope", "all_messages", "audit"))


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
    assert (row.text, row.intent, row.role, row.person) == ("text 1", "card", "sales", f"pseudonym:{pseudonym('grace')}")
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
    assert (released / "labels.csv").read_text().splitlines()[1:] == ["a new card,expense_claim,,,ada,",
                                                                      "'=1+1,expense_claim,,,ada,"]
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
    from mlbot.serve.service import BotService
    shutil.copytree(company_project / "models", tmp_path / "models")
    (tmp_path / "settings.ini").write_text("[data]\nsource = company\n")
    settings = load_settings(tmp_path)
    champion = history(settings.places.models)[-1]["model"]
    backend = BotService(settings)
    for better, ended in (("champion", True), ("canary", False)):
        set_canary(settings.places.models, Canary(champion, 0.1, 1.0, "ada"))
        backend.live.follow()
        backend.live.trial = replace(backend.live.trial, model="ffffffffffff")
        start = len(backend.log.read())
        for number in range(30):
            answers = ("card_order", "card_block") if better == "champion" else ("card_block", "card_order")
            body = {"text": f"{better} wants card {number}", "intent": answers[0], "confidence": 0.9, "model": champion,
                    "ranking": [[answers[0], 0.9]], "request": f"r{better}{number}", "decision": "execute",
                    "other": {"model": "ffffffffffff", "intent": answers[1]}}
            event, = backend.log.append(Event("asked", body["request"], body))
            backend.log.append(Event("label", f"e{event.number}", {"intent": "card_order"}, "p1"))
        found = trial_of(backend.log.read(after=start), champion, "ffffffffffff", 1.0)
        assert (found.champion_only, found.canary_only) == ((30, 0) if ended else (0, 30))
        if not ended:  # only what this round has shown
            backend.live.trial = replace(backend.live.trial, since=backend.log.read()[start].at)
        backend.log.append(*[Event("asked", f"more{number}", {"text": "a wish"}) for number in range(50)])  # without a label
        with pytest.MonkeyPatch.context() as patch:
            seen = watch(backend.log, patch)
            backend.judge_canary()
            rows = sum(map(len, seen))
            assert (read_canary(settings.places.models) is None) == ended and rows <= 120
            backend.judge_canary()
            assert {event.kind for part in seen[2:] for event in part} <= {"label"}  # no answer is read again
    assert [event.about for event in backend.log.read(("canary.ended",))] == ["ffffffffffff"]
    set_canary(settings.places.models, None)
    backend.log.close()


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
    assert mlbot("monitor").returncode == 3 and not (released / "runs" / "monitor").exists()  # no log, no verdict
    log = EventLog(released / "events" / "events.db")
    done = mlbot("monitor")
    assert done.returncode == 3 and "nothing to look at: no message" in done.stderr
    shutil.rmtree(released / "runs" / "monitor")
    model = Live(released / "models")
    model.follow()
    log.append(Event("asked", "r1000", asked(1000, "where is my payslip", "bill", 0.9).body | {"model": model.current.name}))
    assert mlbot("monitor").returncode == 0
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
    assert '<td>messages</td><td class="number">101</td><td class="number">1</td>' in page
    assert mlbot("monitor", "--days", "0").returncode == 2
    done = mlbot("monitor", "--json", "--days", "3")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and any("has drifted" in line for line in told["alerts"]) and told["days"]
    assert Path(told["report"]).is_file()
    told = json.loads(mlbot("models", "--json").stdout)
    assert told["champion"] in {entry["model"] for entry in told["releases"]} and not told["warning"].startswith("{")
    told = json.loads(mlbot("whatif", "--json", "--threshold", ".9").stdout)
    assert told["messages"] > 50 and told["what_if"]["threshold"] == 0.9
    assert [one["name"] for one in told["now"]["figures"]] == [one["name"] for one in told["what_if"]["figures"]]
    told = json.loads(mlbot("audit", "--json").stdout)
    assert told["models"][0]["exact"] == 0 and told["test_rows"] > 0


def test_who_only_talked_to_the_bot_can_be_forgotten(released, mlbot):
    from mlbot.bot.conversation import Bot
    log = EventLog(released / "events" / "events.db")
    Bot(log, lambda about: None, dict, load_settings(released).costs).start(Identity("Ada", "sales", "de"))
    log.close()
    done = mlbot("data", "erase", "--person", "ada", "--why", "asked for it")
    assert done.returncode == 0 and "1 events of conversations" in done.stdout, done.stderr
    assert mlbot("data", "erase", "--person", "ada", "--why", "asked for it").returncode == 2


def test_what_agents_say_of_handed_over_chats_is_no_part_of_the_audit():
    """Chats are handed over where it went wrong; their messages are asked for again when chance has drawn them."""
    events = [asked(number, f"card {number}") for number in range(1, 200)]
    drawn = [number for number in range(1, 200) if is_drawn(f"e{number}")]
    said = [label(number, "card") for number in drawn[:20]]
    chats = [Event("label", f"e{number}", {"intent": "bill", "chat": True}, "p9", number=number + 20_000)
             for number in drawn[20:]]
    told = {"profile": {}, "test": None}
    alone, both = (overview([*events, *some], "m1", told)["quality"] for some in (said, [*said, *chats]))
    assert alone == both and alone["audit"] == both["audit"] and alone["audit"]["n"] == 20
    items, labels = items_of(events), labels_of([*events, *said, *chats])
    names = {f"e{number}" for number in drawn[20:]}
    again = {item.id for item, why in next_items(items, labels, "p1", 500, names) if why == "random"}
    assert again == names and not names & {item.id for item, why in next_items(items, labels, "p1", 500) if why == "random"}
