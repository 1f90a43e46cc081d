"""What if: the log under other thresholds or another model, with intervals that hold what the next weeks give."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mlbot.bot.draw import place_of, weight_of
from mlbot.bot.events import Event, EventLog
from mlbot.bot.labelling import Item, is_drawn
from mlbot.bot.whatif import ReplayRules, replayed, whatif_figure
from mlbot.data.company import production_sample
from mlbot.model.decide import EXECUTE, decide
from mlbot.settings import Costs, load_settings


def ask(rows):
    """The confidence of a text is the number that it ends with."""
    sure = np.array([float(text.rpartition(" ")[2]) for text in rows["text"]])
    return np.column_stack([sure, 1 - sure]), np.ones(len(sure))


BOT = SimpleNamespace(scope_threshold=0.0, context=[], intents=["card", "bill"], ask=ask)


def month(dice, n, names):
    """Messages, each right with its confidence, labelled where they are drawn."""
    sure = dice.uniform(0.55, 1, n)
    truth = np.where(dice.random(n) < sure, "card", "bill")
    items = [Item(f"{names}{at}", 0.0, f"a {value:.4f}", "", "", "card", value, (), "m1", is_drawn(f"{names}{at}"))
             for at, value in enumerate(sure)]
    return items, truth


def test_the_interval_holds_what_the_next_month_gives():
    dice, held, asked = np.random.default_rng(0), 0, 0
    for draw in range(15):
        (now, said), (then, truth) = month(dice, 500, f"{draw}-"), month(dice, 500, "then")
        labels = [label if item.drawn else "" for item, label in zip(now, said, strict=True)]
        for limit in (0.8, 0.95):
            told = replayed(now, labels, ReplayRules(BOT, Costs(), limit))
            real = replayed(then, list(truth), ReplayRules(BOT, Costs(), limit))
            held += sum(one.low <= other.value <= one.high for one, other in zip(told, real, strict=True))
            asked += len(told)
    assert held >= 0.93 * asked


def test_labels_that_were_drawn_by_weight_tell_of_all_messages():
    """The queue asks first about doubtful messages; taken as they come, their labels would make the bot look worse."""
    items, truth = month(np.random.default_rng(1), 3_000, "w")
    items = [replace(item, drawn=True, draw=weight_of(item.confidence, 1.0, EXECUTE)) for item in items]
    places = np.array([place_of(item.id, item.draw) for item in items])
    first = places <= np.sort(places)[299]
    labels = np.where(first, truth, "")
    told, real = (replayed(items, list(said), ReplayRules(BOT, Costs(), 0.0))[1] for said in (labels, truth))
    plain = np.mean(truth[first] != "card")
    assert told.low < real.value < told.high and abs(told.value - real.value) < abs(plain - real.value)


def test_a_stricter_threshold_starts_less_and_is_wrong_less_often():
    items, truth = month(np.random.default_rng(1), 2_000, "x")
    loose, strict = (replayed(items, list(truth), ReplayRules(BOT, Costs(), limit)) for limit in (0.6, 0.95))
    assert strict[0].value < loose[0].value and strict[1].value < loose[1].value and strict[1].n < loose[1].n
    by_cost = replayed(items, list(truth), ReplayRules(BOT, Costs()))
    taken = decide(*ask({"text": [item.text for item in items]}), 0.0, Costs())
    assert by_cost[0].value == pytest.approx((taken == "execute").mean())


def test_no_wrong_answer_among_few_labels_is_no_proof_of_none():
    one = whatif_figure("wrong", np.zeros(10), np.ones(10), np.arange(10), 10)
    assert one.value == 0 and one.high > 0.2
    assert whatif_figure("wrong", np.zeros(0), np.zeros(0), np.zeros(0), 0).high == 1


def test_the_command_replays_the_log_and_ends_in_its_next_step(company_project, tmp_path, monkeypatch, mlbot):
    shutil.copytree(company_project / "models", tmp_path / "models")
    (tmp_path / "settings.ini").write_text("[data]\nsource = company\n[promise]\nwrong = 0\n")
    monkeypatch.chdir(tmp_path)
    assert mlbot("whatif").returncode == 3
    (tmp_path / "events").mkdir()
    settings, rows = load_settings(), production_sample()[:120]
    log = EventLog(tmp_path / settings.service.events)
    usual = {"confidence": 0.5, "ranking": [["mailbox", 0.5]], "intent": "mailbox", "model": "m1"}
    log.append_many([Event("asked", f"r{at}", usual | {"text": row.text, "role": row.role, "location": row.location,
                                                       "request": f"r{at}"}) for at, row in enumerate(rows)])
    done = mlbot("whatif", "--threshold", ".9")
    assert done.returncode == 0 and "nobody has labelled" in done.stdout, done.stdout + done.stderr
    log.append_many([Event("label", f"e{at}", {"intent": row.intent}, "p1") for at, row in enumerate(rows, 1)])
    log.close()
    done = mlbot("whatif", "--threshold", ".9")
    assert done.returncode == 0 and "set wrong = 8 in settings.ini [costs]" in done.stdout, done.stdout + done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} >= {"executed", "wrong", "handed", "cost", "next:"}
    (tmp_path / "settings.ini").write_text("[data]\nsource = company\n[promise]\nwrong = 0.05\n")
    assert "change wrong in settings.ini [promise]" in mlbot("whatif", "--threshold", ".9").stdout
    name = (tmp_path / "models" / "champion").read_text().strip()
    assert f"judge --model {name}" in mlbot("whatif", "--model", name).stdout
    assert mlbot("whatif", "--from", "yesterday").returncode == 2 and mlbot("whatif", "--from", "2100-01-01").returncode == 3
