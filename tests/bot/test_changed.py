"""What changed in production is told in one sentence: mix, inputs or concept, and nothing where nothing changed."""

import os
from dataclasses import replace

import numpy as np
import pytest

from mlbot.bot.changed import audited_items, changed_since, what_changed
from mlbot.bot.events import Event, EventLog
from mlbot.bot.labelling import is_drawn
from mlbot.settings import load_settings
from mlbot.stats.shift import Cause, Period, accuracy_causes, e_bh, e_value_from_p, mix_of, ranked_causes, sentence_of

NAMES = [f"i{number}" for number in range(8)]
EVEN = np.full(8, 1 / 8)


def period(dice, shares=EVEN, n=500, labelled=200, lost=0.0, short=0.3):
    """Rows with calibrated probabilities; `lost` of the labels mean something else, `short` of the texts are short."""
    truth = dice.choice(8, n, p=shares)
    said = np.where(dice.random(n) < 0.8, truth, dice.integers(0, 8, n))
    likely = 0.8 * np.eye(8) + 0.2 / 8
    right = np.where(dice.random(n) < lost, 0.0, said == truth)
    right[labelled:] = np.nan
    lengths = np.where(dice.random(n) < short, "short", "long")
    return Period(np.column_stack([likely[said] / likely[said].sum(axis=1, keepdims=True), np.zeros(n)]), right,
                  {"length": lengths, "role": dice.choice(["sales", "hr"], n)})


@pytest.mark.parametrize("kind, how", [("mix", {"shares": np.array([9, 1, 1, 1, 1, 1, 1, 1]) / 16}),
                                       ("concept", {"lost": 0.3}),
                                       ("inputs", {"short": 0.7})])
def test_a_planted_change_is_named_with_what_it_takes(kind, how):
    dice, named = np.random.default_rng(1), []
    for draw in range(3):
        causes = accuracy_causes(period(dice, labelled=500), period(dice, **how), [*NAMES, "out of scope"], draw)
        named.append(ranked_causes(causes)[0].name if ranked_causes(causes) else "")
        assert all(cause.low <= cause.high for cause in causes)
    assert named.count(kind) >= 2 and "changed" in sentence_of(causes)


def test_nothing_is_named_where_nothing_changed():
    dice = np.random.default_rng(2)
    alarms = sum(bool(ranked_causes(accuracy_causes(period(dice, labelled=500), period(dice), [*NAMES, "out of scope"],
                                                    draw)))
                 for draw in range(12))
    assert alarms <= 1


def test_the_mix_is_found_without_labels_and_e_values_of_unchanged_slices_are_no_discoveries():
    dice = np.random.default_rng(3)
    shares = np.array([5, 3, 2, 1, 1, 1, 1, 2]) / 16
    assert np.abs(mix_of(period(dice, shares, 4_000).probabilities[:, :-1], EVEN) - shares).max() < 0.02
    false = sum(any(e_bh([e_value_from_p(p) for p in dice.random(30)])) for _ in range(300))
    assert false <= 25


def test_a_change_that_nobody_labelled_says_so():
    found = sentence_of([Cause("mix", 0.1, 0.05, 0.15, 90, True, "20 % of messages"),
                         Cause("concept", float("nan"), 0, 0, 0, False, "")])
    assert "costs 10.0 points (5.0 to 15.0)" in found and "nobody has labelled" in found


class Bot:
    """A model that believes what the first word of a text says."""
    intents, context, name = ["card", "bill"], [], "m1"

    def ask(self, rows):
        sure = np.array([[0.9, 0.1] if text.startswith("card") else [0.1, 0.9] for text in rows["text"]])
        return sure, np.ones(len(rows["text"]))


def test_the_log_is_compared_with_the_days_before_and_only_labels_of_the_audit_count():
    def asked(number, word):
        body = {"text": f"{word} {number}", "intent": word, "confidence": 0.9, "ranking": [[word, 0.9]], "model": "m1",
                "request": f"r{number}", "role": "sales", "location": "de"}
        return Event("asked", f"r{number}", body, number=number, at=float(number))
    events = [asked(number, "card" if number <= 300 and number % 2 else "bill") for number in range(1, 501)]
    events += [Event("label", f"e{number}", {"intent": "bill"}, "p1", number=1000 + number) for number in range(1, 501)]
    found = audited_items(events)
    assert {bool(label) for item, label in found if is_drawn(item.id)} == {True}
    assert not [label for item, label in found if label and not is_drawn(item.id)]
    told = what_changed(Bot(), found[:300], found[300:])
    assert ranked_causes([Cause(**cause) for cause in told["causes"]])[0].name == "mix"
    assert "the mix of intents changed" in told["sentence"]
    assert what_changed(Bot(), found[:300], found[300:310])["causes"] == []


@pytest.fixture
def lived(tmp_path, monkeypatch):
    """Makes a project with a log of 300 messages before a moment and 300 since.

    Since then there is a share of `cards`, one label in `wrong` that the model missed, and `more` words in each message.
    """
    monkeypatch.setattr("mlbot.model.predict.load", lambda models: Bot())

    def live(cards: float, wrong: int = 10, more: str = ""):
        settings, now = replace(load_settings(), root=tmp_path), [0.0]
        (tmp_path / "events").mkdir(exist_ok=True)
        log = EventLog(tmp_path / settings.service.events, clock=lambda: now[0])
        for at, share in ((1_000.0, 0.5), (2_000.0, cards)):
            now[0] = at
            words = ["card" if number < 300 * share else "bill" for number in range(300)]
            usual = {"confidence": 0.9, "model": "m1", "request": "r"}
            log.append_many([Event("asked", f"r{number}",
                                   usual | {"text": f"{word} {number} {at}" + more * (at > 1_500), "intent": word,
                                                                   "ranking": [[word, 0.9]]})
                             for number, word in enumerate(words)])
        other = {"card": "bill", "bill": "card"}
        said = {event.number: event.body["intent"] for event in log.read(("asked",))}
        log.append_many([Event("label", f"e{number}",
                               {"intent": word if number % (10 if number <= 300 else wrong) else other[word]}, "p1")
                         for number, word in said.items()])
        log.close()
        return settings
    return live


@pytest.mark.parametrize("cards, named", [(0.95, True), (0.5, False)])
def test_blame_names_what_changed_in_production_and_nothing_where_nothing_did(lived, tmp_path, cards, named):
    from mlbot.cli.gates import moment_of_run, with_production
    from mlbot.run.blame import Blame
    settings, old = lived(cards), tmp_path / "a run of another name"
    old.mkdir()
    os.utime(old, (1_500, 1_500))
    assert moment_of_run(old) == 1_500
    noise = Blame("noise: the model stood still", ["noise"], {}, [], "", ["code: unchanged"], "nothing to mend")
    found = with_production(noise, old, settings)
    assert found.notes[0] == "code: unchanged" and found.notes[1].startswith("production: ")
    assert ("in production since the old run the mix of intents changed" in found.sentence) == named
    assert ("monitor" in found.advice) == named and (found.sentence == noise.sentence) != named
    if named:
        assert " points (" in found.sentence and "% of messages (" in found.sentence, "a share and an interval"
    else:
        assert "no sure change of the mix of intents" in found.notes[1]
    by_data = replace(noise, causes=["data"], advice="look at those rows")
    assert with_production(by_data, old, settings).advice == "look at those rows"


def test_blame_says_nothing_of_production_where_few_have_written_or_there_is_no_log(lived, tmp_path):
    settings = lived(0.5)
    assert changed_since(settings, tmp_path, 1_500.0)[0] and changed_since(settings, tmp_path, 2_500.0) == ("", False)
    assert changed_since(replace(settings, root=tmp_path / "elsewhere"), tmp_path, 1_500.0) == ("", False)


@pytest.mark.parametrize("since, said", [
    ({"wrong": 2}, "what is right changed"), ({"more": " and a story about all that happened before it" * 3},
                                              "the messages themselves changed")])
def test_blame_names_a_concept_and_inputs_that_changed_in_production(lived, tmp_path, since, said):
    """Each is planted in the log since the old run, and the rest stands still."""
    from mlbot.cli.gates import with_production
    from mlbot.run.blame import Blame
    settings, old = lived(0.5, **since), tmp_path / "a run of another name"
    old.mkdir()
    os.utime(old, (1_500, 1_500))
    found = with_production(Blame("noise", ["noise"], {}, [], "", [], "nothing to mend"), old, settings)
    assert said in found.sentence and "the mix of intents changed" not in found.sentence and "monitor" in found.advice
    assert "-0.0" not in found.sentence and ("no sure effect on accuracy" in found.sentence) == ("more" in since)
