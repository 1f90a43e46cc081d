"""Each label teaches and measures: messages are drawn with a known probability, and what seeing an answer does is told."""

from dataclasses import asdict

import numpy as np
import pytest

from mlbot.bot.draw import TAU, chances_of, is_hidden, place_of, weight_of
from mlbot.bot.events import Event, EventLog
from mlbot.bot.labelling import audited_labels, batch, is_drawn, items_of, labels_of, next_items
from mlbot.bot.monitor import LoggedAnswer, estimates, guesses, overview, rightness, tally_of, weighed_labels
from mlbot.bot.weighing import Drawing, WeighedLabel, proportions
from mlbot.model.decide import CONFIRM, EXECUTE, OUT_OF_SCOPE
from mlbot.stats.drawn import Pool, share_by_draws

NOTHING = {"profile": {}, "test": None}


def asked(number, confidence=0.9, in_scope=1.0, decision=EXECUTE, text="", **more):
    """An answer of the present: its weight is in the log."""
    body = {"text": text or f"text {number}", "intent": "card", "confidence": confidence, "in_scope": in_scope, "model": "m1",
            "ranking": [["card", confidence], ["bill", 0.05]], "request": f"r{number}", "decision": decision,
            "draw": weight_of(confidence, in_scope, decision), **more}
    return Event("asked", f"r{number}", body, number=number, at=float(number))


def before(number, **more):
    """An answer in an old log, without a weight."""
    event = asked(number, **more)
    del event.body["draw"]
    return event


def label(number, intent="card", who="p1", **body):
    """A label of the page."""
    return Event("label", f"e{number}", {"intent": intent, **body}, who, number=100_000 + number, at=100_000.0 + number)


def week(dice, n=800, outside=0.18, too_sure=0.0):
    """Answers with true intents, some out of scope; the model may be surer than it is right."""
    known, sure = dice.random(n) >= outside, np.where(dice.random(n) < 0.6, 0.98, dice.uniform(0.4, 0.95, n))
    scope = np.clip(dice.normal(np.where(known, 0.93, 0.5), 0.1), 0, 1)
    decision = np.where(scope < 0.4, OUT_OF_SCOPE, np.where(sure > 0.7, EXECUTE, CONFIRM))
    truth = np.where(known, np.where(dice.random(n) < sure - too_sure, "card", "bill"), "oos")
    return [(LoggedAnswer("card", float(one), float(two), str(three)), str(four))
            for one, two, three, four in zip(sure, scope, decision, truth, strict=True)]


def judged(answers, order):
    """The proportions by the labels of the messages in this order."""
    drawing = Drawing()
    weights = [weight_of(answer.confidence, answer.in_scope, answer.decision) for answer, _ in answers]
    for weight, (answer, _) in zip(weights, answers, strict=True):
        drawing.add(weight, guesses(answer))
    return drawing, [WeighedLabel(float(at), weights[one], rightness(*answers[one], "oos"), guesses(answers[one][0]))
                     for at, one in enumerate(order)]


@pytest.mark.parametrize("labels", [20, 120])
@pytest.mark.parametrize("outside, too_sure", [(0.0, 0.0), (0.18, 0.0), (0.18, 0.15)])
def test_labels_drawn_by_weight_cover_the_truth_in_scope_out_of_scope_and_after_drift(labels, outside, too_sure):
    dice, covered = np.random.default_rng(labels), np.zeros(2)
    for _ in range(16):
        answers = week(dice, 500, outside, too_sure)
        weights = np.array([weight_of(answer.confidence, answer.in_scope, answer.decision) for answer, _ in answers])
        drawing, said = judged(answers, np.argsort(dice.exponential(size=500) / weights)[:labels])
        found, says = proportions(drawing, said), np.mean([rightness(*pair, "oos") for pair in answers], axis=0)
        for at, (name, truth) in enumerate((("in_scope", says[1] / says[2]), ("all_messages", says[0]))):
            covered[at] += found[name].low <= truth <= found[name].high
    assert (covered / 16 >= 0.94).all()


def test_the_same_labels_give_half_the_width_when_each_counts_and_not_one_in_four():
    """FAULTS: three of four labels never reached the estimate."""
    dice = np.random.default_rng(1)
    answers = week(dice, 1_500)
    weights = np.array([weight_of(answer.confidence, answer.in_scope, answer.decision) for answer, _ in answers])
    drawing, said = judged(answers, np.argsort(dice.exponential(size=1_500) / weights)[:200])
    now = proportions(drawing, said)
    then = estimates(drawing.means, [answers[at] for at in dice.permutation(1_500)[:50]], "oos")
    for name in ("in_scope", "all_messages"):
        assert now[name].high - now[name].low < 0.5 * (then[name].high - then[name].low)


def test_a_plain_mean_of_drawn_labels_is_too_low_and_the_weights_correct_it():
    dice = np.random.default_rng(2)
    answers = week(dice, 2_000, outside=0.0)
    weights = np.array([weight_of(answer.confidence, answer.in_scope, answer.decision) for answer, _ in answers])
    drawing, said = judged(answers, np.argsort(dice.exponential(size=2_000) / weights)[:600])
    truth = np.mean([truth == "card" for _, truth in answers])
    assert np.mean([one.says[1] for one in said]) < truth - 0.02
    assert abs(proportions(drawing, said)["audit"].value - truth) < 0.02


def test_the_interval_holds_at_every_look():
    """Of 40 pools at most 2 leave the truth out at any of five looks."""
    dice, left = np.random.default_rng(3), 0
    for _ in range(40):
        right = (dice.random(600) < 0.8).astype(float)
        weights = np.where(right > 0, 0.5, 1.0) if dice.random() < 0.5 else np.full(600, 0.7)
        order = np.argsort(dice.exponential(size=600) / weights)
        gaps, pool = np.stack([right, np.ones(600)], axis=1), Pool(600, weights.sum(), weights.min())
        ends = [share_by_draws(gaps[order[:n]], weights[order[:n]], pool, (0.0, 0.0)) for n in (8, 20, 40, 70)]
        left += any(not found.low <= right.mean() <= found.high for found in ends)
    assert left <= 2


def test_an_old_log_keeps_its_audit_its_estimate_and_its_queue():
    """No weight in the log: one in four is audited, only those labels count, and the queue has its old rhythm."""
    events = [before(number, confidence=0.5 + number % 50 / 100) for number in range(1, 401)]
    said = [label(number, "card" if number % 5 else "bill") for number in range(1, 401)]
    items, quality = items_of(events), overview([*events, *said], "m1", NOTHING)["quality"]
    audit = [(LoggedAnswer("card", item.confidence), "card" if int(name[1:]) % 5 else "bill") for name, item in items.items()
             if is_drawn(name)]
    means = np.mean([guesses(LoggedAnswer("card", item.confidence)) for item in items.values()], axis=0)
    wanted = estimates(means, audit, "oos")
    assert quality["in_scope"]["n"] == len(audit) < 140
    for name in ("in_scope", "all_messages"):
        assert quality[name] == pytest.approx(asdict(wanted[name]))
    assert {why for _, why in next_items(items, {}, "p1", 40)} == {"random", "unsure"}
    assert overview([*events, *said], "m1", NOTHING)["labels"]["influence"] is None


def test_a_log_of_both_kinds_joins_them_by_their_messages():
    """Half of the messages are old and right, half are new and wrong: each kind stands for its half."""
    old, new = [before(number) for number in range(1, 301)], [asked(number) for number in range(1_001, 1_301)]
    said = [*(label(number) for number in range(1, 301)), *(label(number, "bill") for number in range(1_001, 1_301))]
    quality = overview([*old, *new, *said], "m1", NOTHING)["quality"]
    assert quality["in_scope"]["value"] == pytest.approx(0.5, abs=0.03)
    assert quality["in_scope"]["n"] == 300 + sum(is_drawn(f"e{number}") for number in range(1, 301))
    half = overview([*old, *new, *said[:300]], "m1", NOTHING)["quality"]["in_scope"]
    assert half["low"] < 0.51 and half["high"] > 0.95, "nobody has labelled the new half yet"
    assert {why for _, why in next_items(items_of([*old, *new]), {}, "p1", 300)} == {"drawn"}


def test_each_label_of_the_queue_enters_the_estimate_and_the_next_batch(tmp_path):
    log = EventLog(tmp_path / "events.db")
    log.append(*(asked(number) for number in range(1, 31)))
    items = items_of(log.read())
    chosen = [item.id for item, _ in next_items(items, {}, "p1", 12)]
    log.append(*(label(int(name[1:])) for name in chosen), label(int(chosen[0][1:]), who="p2"))
    tally = tally_of(log.read(), "m1")
    assert len(weighed_labels(tally, "oos")) == 12
    assert {row.text for row in batch(log)} == {items[name].text for name in chosen}
    assert len(audited_labels(log)) == 12  # two people said the same of one message: it counts once
    assert overview(log.read(), "m1", NOTHING)["quality"]["all_messages"]["n"] == 12
    log.append(label(int(chosen[1][1:]), "bill", who="p2"))
    assert overview(log.read(), "m1", NOTHING)["quality"]["all_messages"]["n"] == 11  # a draw settles nothing
    log.append(Event("label", chosen[2], {"intent": "bill", "chat": True}, "p3"))
    assert overview(log.read(), "m1", NOTHING)["quality"]["all_messages"]["n"] == 11
    log.close()


def test_a_message_people_disagree_about_is_asked_of_a_third_before_other_second_opinions():
    items = items_of([asked(number) for number in range(1, 41)])
    labels = labels_of([label(1), label(2), label(2, "bill", who="p2"), label(3)])
    found = {why: item.id for item, why in reversed(next_items(items, labels, "p3", 40))}
    assert found["disagreement"] == "e2" and found["second opinion"] == "e1"
    order = [why for _, why in next_items(items, labels, "p3", 40) if why != "drawn"]
    assert order[0] == "disagreement" and "disagreement" not in [why for _, why in next_items(items, labels, "p1", 40)]


def test_the_queue_depends_on_names_and_weights_alone_and_prefers_the_unsure():
    events = [asked(number, confidence=0.5 if number % 2 else 1.0) for number in range(1, 1_001)]
    items = items_of(events)
    queue = [item.id for item, _ in next_items(items, {}, "p1", 200)]
    assert queue == sorted(queue, key=lambda name: place_of(name, items[name].draw))
    unsure = sum(items[name].draw == 1.0 for name in queue)
    assert 0.5 * 200 < unsure < 0.9 * 200 and {item.draw for item in items.values()} == {TAU, 1.0}


def test_a_label_of_a_text_that_came_again_counts_for_its_first_message():
    events = [asked(1, text="a card"), asked(2), asked(3, text="A card!")]
    tally = tally_of([*events, label(3)], "m1")
    assert [one.place for one in weighed_labels(tally, "oos")] == [place_of("e1", events[0].body["draw"])]


def influence(agree_blind, n=400):
    """The overview where labellers agree with 95 % of what they see, and with so many per cent of what is hidden."""
    events = [asked(number) for number in range(1, n + 1)]
    said = []
    for number in range(1, n + 1):
        hidden = is_hidden(f"e{number}", 0.3)
        agrees = number % 100 < (agree_blind if hidden else 95)
        said.append(label(number, "card" if agrees else "bill", hidden=hidden))
    return overview([*events, *said], "m1", NOTHING)


def test_that_labellers_follow_what_they_see_is_an_alert_and_no_difference_is_none():
    led, free = influence(70), influence(95)
    assert led["labels"]["influence"]["low"] > 0.05 and "seeing an answer adds" in led["alerts"][-1]
    assert free["alerts"] == [] and "no sure difference" in free["labels"]["words"][-1]


def test_the_weight_is_largest_where_the_model_knows_nothing_and_never_below_its_floor():
    for decision in (EXECUTE, CONFIRM, OUT_OF_SCOPE):
        for confidence in (0.0, 0.3, 0.5, 1.0):
            for scope in (0.0, 0.5, 1.0):
                assert TAU <= weight_of(confidence, scope, decision) <= 1.0
                everywhere, right, known = chances_of(confidence, scope, decision)
                assert 0 <= right <= known <= 1 and 0 <= everywhere <= 1
    assert weight_of(0.5, 1.0, EXECUTE) == 1.0 and weight_of(1.0, 0.0, OUT_OF_SCOPE) == TAU
