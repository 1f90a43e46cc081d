"""Labels of production withdraw a promise that does not hold, the bot then asks first, and labels bring it back."""

import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from mlbot.bot.conversation import judge_text
from mlbot.bot.events import Event
from mlbot.bot.labelling import Item, is_drawn
from mlbot.bot.promises import audit_of, look_at_promise, promise_facts
from mlbot.gates.verdict import FAIL, NO_VERDICT, NOT_ASKED, PASS
from mlbot.gates.verdict import judge as judge_score
from mlbot.model.decide import CLARIFY, CONFIRM, EXECUTE
from mlbot.model.predict import Answer
from mlbot.model.promised import PROMISE_HOLDS, WITHDRAWN, Promised, Ways, keep_promised, promise_file, read_promised
from mlbot.run.certifying import pledge
from mlbot.run.folder import not_asked
from mlbot.settings import Costs, Promise, Target, load_settings
from mlbot.stats.certified import Certified

SETTINGS = load_settings()


class Sure:
    """A model that answers every text with the same ranking."""
    context: list[str] = []
    scope_threshold, name = 0.3, "0123456789ab"

    def __init__(self, *ranking):
        self.ranking = tuple((f"intent_{place}", probability) for place, probability in enumerate(ranking))

    def predict(self, text, **context):
        return Answer(*self.ranking[0], self.ranking, self.name, (), 1.0)


@pytest.mark.parametrize("ways, decision", [
    (Ways(), EXECUTE), (Ways(starts=0.9), EXECUTE), (Ways(starts=0.97), CONFIRM), (Ways(starts=math.inf), CONFIRM)])
def test_the_bot_starts_above_the_certified_threshold_only(ways, decision):
    assert judge_text(Sure(0.95, 0.03, 0.02), "a new badge", {}, Costs(), ways).decision == decision


def test_a_promise_starts_what_the_costs_alone_would_ask_about():
    assert judge_text(Sure(0.85, 0.1, 0.05), "a new badge", {}, Costs()).decision == CONFIRM
    assert judge_text(Sure(0.85, 0.1, 0.05), "a new badge", {}, Costs(), Ways(starts=0.8)).decision == EXECUTE


@pytest.mark.parametrize("limit, offered", [(0.5, 1), (0.26, 2), (0.1, 4), (0.0, 5)])
def test_a_choice_offers_one_to_five_intents_and_asks_for_a_yes_where_one_is_enough(limit, offered):
    found = judge_text(Sure(0.3, 0.28, 0.2, 0.12, 0.06, 0.04), "it is lost", {}, Costs(), Ways(limits={"": limit}))
    assert found.decision == (CONFIRM if offered == 1 else CLARIFY) and len(found.heard.intents) == offered
    assert len(judge_text(Sure(0.3, 0.28, 0.2, 0.12, 0.06, 0.04), "it is lost", {}, Costs()).heard.intents) == 3


@pytest.fixture
def service(company_project, tmp_path):
    from mlbot.serve.service import BotService
    shutil.copytree(company_project / "models", tmp_path / "models")
    (tmp_path / "settings.ini").write_text("[data]\nsource = company\n")
    found = BotService(load_settings(tmp_path))
    found.live.follow()
    yield found
    found.log.close()


def production(service, count: int, wrong: float, start: int = 0) -> None:
    """Messages that the bot has answered with confidence, and the labels of those that were drawn."""
    model, seed = service.live.current.name, np.random.default_rng(start)
    for number in range(start, start + count):
        name = f"r{number}"
        body = {"text": f"card {number}", "intent": "card_order", "confidence": 0.999, "model": model, "in_scope": 1.0,
                "ranking": [["card_order", 0.999]], "request": name, "decision": "execute", "role": "", "location": ""}
        event, = service.log.append(Event("asked", name, body))
        if is_drawn(f"e{event.number}"):
            truth = "card_block" if seed.random() < wrong else "card_order"
            service.log.append(Event("label", f"e{event.number}", {"intent": truth}, "p1"))


def test_labels_withdraw_a_promise_and_give_it_again(service):
    """The service says so: an alert, an event, another decision, and what /v1/intents is told."""
    from mlbot.serve.service import Ask, judge_promise, prediction_for, problems_of
    models, asked, model = service.settings.places.models, service.settings.promise, service.live.current.name
    wish = Ask("I need a new company card", {"role": "sales", "location": "berlin"})
    threshold = read_promised(models, model).certified.threshold
    before = prediction_for(service, wish)
    assert before.decision == EXECUTE and threshold < 1 and "promise_not_held" not in problems_of(service)
    production(service, 200, wrong=0.0)
    judge_promise(service)
    assert read_promised(models, model).state == PROMISE_HOLDS and not service.log.read(("promise.withdrawn",))
    production(service, 400, wrong=0.5, start=200)
    judge_promise(service)
    gone = read_promised(models, model)
    assert gone.state == WITHDRAWN and gone.version == 2 and "labelled messages that the bot started were wrong" in str(gone)
    assert [event.about for event in service.log.read(("promise.withdrawn",))] == [model]
    assert prediction_for(service, wish).decision == CONFIRM and "withdrawn" in problems_of(service)["promise_not_held"]
    facts = promise_facts(gone, asked)
    assert facts["state"] == WITHDRAWN and facts["threshold"] is None
    production(service, 2_000, wrong=0.0, start=1_000)
    judge_promise(service)
    back = read_promised(models, model)
    assert back.state == PROMISE_HOLDS and back.source == "audit" and len(service.log.read(("promise.renewed",))) == 1
    assert "promise_not_held" not in problems_of(service)


def test_a_model_without_a_record_starts_nothing_and_the_alert_says_why(service):
    from mlbot.serve.service import Ask, prediction_for, problems_of
    promise_file(service.settings.places.models, service.live.current.name).unlink()
    assert prediction_for(service, Ask("I need a new company card", {"role": "sales"})).decision == CONFIRM
    assert "nothing is promised for this model" in problems_of(service)["promise_not_held"]


def test_two_servers_that_see_the_same_labels_withdraw_it_once(service):
    models, model, asked = service.settings.places.models, service.live.current.name, service.settings.promise
    production(service, 400, wrong=0.5)
    before = read_promised(models, model)
    assert look_at_promise(service.log, models, model, asked).withdrawn
    keep_promised(models, before)  # the other server has not seen it yet
    assert look_at_promise(service.log, models, model, asked).version == 2
    assert len(service.log.read(("promise.withdrawn",))) == 1


def test_settings_without_a_promise_change_nothing(service, tmp_path):
    production(service, 400, wrong=0.5)
    models, model = service.settings.places.models, service.live.current.name
    assert look_at_promise(service.log, models, model, Promise()) is None
    assert read_promised(models, model).state == PROMISE_HOLDS
    (tmp_path / "settings.ini").write_text("[data]\nsource = sample\n")
    assert load_settings(tmp_path).promise.wrong == 0 and len(audit_of([])) == 0
    (tmp_path / "settings.ini").write_text("[data]\nsource = sample\n[promise]\nwrong = 0.02\n")
    assert load_settings(tmp_path).promise == Promise(0.02, 0.95)


def test_the_gate_is_red_where_too_little_can_be_promised():
    dice = np.random.default_rng(0)
    sure, alone = dice.beta(6, 1, 600), np.arange(600)
    for right, outcome in ((np.ones(600, bool), PASS), (dice.random(600) < 0.7, FAIL)):
        found = pledge(sure, right, alone, replace(SETTINGS, promise=Promise(0.02)))
        assert judge_score("promise", found.started, Target(floor=0.2)).outcome == outcome
    none = pledge(sure, right, alone, replace(SETTINGS, promise=Promise()))
    assert judge_score("promise", none.started, Target()).outcome == NOT_ASKED
    assert judge_score("promise", none.started, Target(floor=0.2)).outcome == NO_VERDICT
    assert "promise" in not_asked({}, replace(SETTINGS, promise=Promise())) and "promise" not in not_asked({}, SETTINGS)


def test_a_promise_for_other_settings_is_none():
    promised = Promised("0123456789ab", Certified(0.05, 0.95, 0.8, 100, 60, 1), since=1.0)
    facts = promise_facts(promised, Promise(0.02))
    assert facts["state"] == "none"
    assert "asks for a promise of 2 % and model 0123456789ab was certified for 5 %" in facts["words"]


def test_the_command_tells_the_promise_and_its_labels(service, tmp_path, mlbot, monkeypatch):
    monkeypatch.chdir(tmp_path)
    production(service, 80, wrong=0.0)
    held = mlbot("promise")
    assert held.returncode == 0 and "at most 5 % is wrong (95 % sure)" in held.stdout, held.stderr
    assert re.search(r"labels:  \d+ labelled since then; of \d+ that the bot started 0 were wrong", held.stdout)
    assert held.stdout.splitlines()[-1].startswith("next: ")
    production(service, 400, wrong=0.5, start=100)
    gone, told = mlbot("promise"), json.loads(mlbot("promise", "--json").stdout)
    assert gone.returncode == 1 and "withdrawn: " in gone.stdout and told["state"] == WITHDRAWN and told["threshold"] is None
    assert told["reason"] == WITHDRAWN and told["against"][0] * 4 > told["against"][1] > 0  # wrong ones, of labelled starts
    production(service, 60, wrong=0.0, start=600)
    later = mlbot("promise")
    more = re.search(r"labels:  \d+ labelled since then; about (\d+) more like these bring the promise back", later.stdout)
    assert more and int(more[1]) > 0, later.stdout
    (tmp_path / "settings.ini").write_text("[data]\nsource = sample\n")
    none = mlbot("promise")
    assert none.returncode == 2 and "set wrong = 0.02 in settings.ini [promise]" in none.stderr


def test_a_message_that_was_drawn_more_often_counts_less_against_the_promise():
    item = Item("e1", 0.0, "a text", "", "", "badge", 0.9, (), "m", True)
    pairs = [(replace(item, draw=weight), "laptop") for weight in (0.3, 0.6, 1.0)]
    assert audit_of(pairs).weights.tolist() == pytest.approx([1, 0.5, 0.3])
    assert audit_of([(item, "laptop")] * 2).weights.tolist() == [1, 1]  # from before the queue
    flood = [*pairs, (replace(item, draw=0.001), "laptop")]  # one source that sends many takes no weight from the others
    assert audit_of(flood).weights.tolist() == pytest.approx([1, 0.5, 0.3, 1])
