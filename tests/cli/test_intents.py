"""`mlbot intents`: what nobody answers becomes a proposal, and a proposal an intent with catalogue, rows and a gate."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.bot.catalogue import load_catalogue
from mlbot.bot.events import Event, EventLog
from mlbot.bot.unanswered import propose
from mlbot.data.company import draw_weeks, wordings
from mlbot.data.source import load_source
from mlbot.data.table import Columns
from mlbot.gates.verdict import NO_VERDICT, PASS, Rules, judge_family
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.train import train
from mlbot.settings import load_settings
from mlbot.stats.scores import recall_by_intent


@pytest.fixture(scope="module")
def unsuspecting():
    """The model of the company's third week, which knows no office shuttle and nothing about gifts."""
    settings = load_settings()
    rows = load_source("company:3", Columns(context=("role", "location"), group="wording"), settings).rows
    rows = rows[rows["intent"] != "oos"].groupby("intent").filter(lambda one: len(one) > 2)
    model = train(rows, ["role", "location"], settings.model, costs=settings.costs)
    return Predictor(to_artefact(model, settings.model, {})), settings


@pytest.fixture(scope="module")
def weeks():
    """What production of the company asked from its fourth week on, drawn at three times its size, and the names to come."""
    rows = []
    for week, truths in draw_weeks(3):
        final = {truth.id: truth.final for truth in truths}
        rows += [(row.text, row.role, row.location, final[row.id]) for row in week.production if week.number >= 4]
    return pd.DataFrame(rows, columns=["text", "role", "location", "intent"]).drop_duplicates("text").reset_index(drop=True)


@pytest.mark.parametrize("process, count", [("office_shuttle", 10), ("gifts_compliance", 30)])
def test_a_new_process_is_proposed_within_fifty_messages_and_its_group_is_right(unsuspecting, weeks, process, count):
    """Before the process begins: people ask for it from the first week on, and the company offers it in its eighth."""
    model, settings = unsuspecting
    truth = dict(zip(weeks["text"], weeks["intent"], strict=True))
    asked = weeks.head(np.flatnonzero(weeks["intent"] == process)[count - 1] + 1)
    assert process not in model.intents and (asked["intent"] == process).sum() == count
    found = propose(model, asked[["text", "role", "location"]].to_dict("records"), settings.costs)
    groups = [[truth[row["text"]] for row in one.rows] for one in found.proposals[:20]]
    right = [group.count(process) >= 0.8 * len(group) for group in groups]
    one = found.proposals[right.index(True)]
    assert one.new and one.low < one.size / found.messages == one.share < one.high and len(one.examples) == min(5, one.size)
    assert set(one.examples) <= {row["text"] for row in one.rows} and one.nearest in model.intents and one.words


def test_messages_that_it_answers_are_proposed_as_nothing(unsuspecting):
    model, settings = unsuspecting
    asked = [wording.text for wording in wordings() if wording.intent == "payslip" and wording.language == "en"][:20]
    found = propose(replace_ask(model, 0.95), [{"text": text} for text in asked], settings.costs)
    assert found.unanswered == 0 and found.proposals == ()
    assert propose(model, [], settings.costs).proposals == ()


def replace_ask(model, sure):
    """The same model, as sure as that of everything."""
    class Sure:
        name, intents, context, scope_threshold = model.name, model.intents, [], 0.0

        def ask(self, rows):
            rest = (1 - sure) / (len(self.intents) - 1)
            return np.array([[sure, *[rest] * (len(self.intents) - 1)]] * len(rows["text"])), np.ones(len(rows["text"]))
    return Sure()


@pytest.fixture
def asked_project(company_project, tmp_path, monkeypatch):
    """A project on the company whose log holds messages about xylophones, which its catalogue does not know."""
    shutil.copytree(company_project / "models", tmp_path / "models")
    (tmp_path / "settings.ini").write_text("[data]\nsource = company\n")
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    (tmp_path / "events").mkdir()
    usual = {"intent": "catering", "confidence": 0.2, "ranking": [["catering", 0.2]], "model": "m1", "role": "sales",
             "location": "Berlin"}
    texts = [f"{word} xylophone" for word in "my the a this another which play hear tune bring old your big small".split()]
    texts += [word.text for word in wordings() if word.intent in ("payslip", "leave_request") and word.language == "en"][:60]
    log = EventLog(settings.root / settings.service.events)
    log.append_many([Event("asked", f"r{at}", usual | {"text": text, "request": f"r{at}"}) for at, text in enumerate(texts)])
    log.close()
    return tmp_path


def test_a_proposal_becomes_a_catalogue_entry_rows_and_a_gate_with_its_own_floor(asked_project, mlbot):
    done = mlbot("intents", "--propose")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((asked_project / "runs" / "intents.json").read_text())
    one = next(one for one in told["proposals"] if "xylophone" in one["words"])
    assert one["size"] >= 5 and "xylophone" in one["words"] and one["id"] in done.stdout and "next:   " in done.stdout
    done = mlbot("intents", "--adopt", one["id"], "--title", "Music room", "--owner", "facilities", "--floor", "0.7")
    assert done.returncode == 0 and "then: python3 -m mlbot run" in done.stdout, done.stdout + done.stderr
    settings = load_settings()
    process = load_catalogue(settings)["music_room"]
    assert (process.title, process.queue, process.confirm) == ("Music room", "facilities", True)
    assert len(load_catalogue(settings)) > 50, "the company's processes are still there"
    with open(asked_project / "intents" / "music_room.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == one["size"] and {row["intent"] for row in rows} == {"music_room"} and rows[0]["role"] == "sales"
    floors = Rules(None, settings.targets).within("intents", "floor")
    assert floors["music_room"] == 0.7
    without = judge_family("intents", recall_by_intent(["a"] * 9, ["a"] * 9), replace(settings.target("intents")), floors, 9)
    assert without.outcome == NO_VERDICT and without.red, "nobody forgets the rows"
    rows = ["music_room"] * 20 + ["a"] * 9
    assert judge_family("intents", recall_by_intent(rows, ["a"] * 29), settings.target("intents"), floors, 29).red
    assert judge_family("intents", recall_by_intent(rows, rows), settings.target("intents"), floors, 29).outcome == PASS


def test_what_cannot_be_adopted_is_refused_and_leaves_everything_as_it_was(asked_project, mlbot):
    assert mlbot("intents", "--adopt", "abc123").returncode == 2
    mlbot("intents")
    one = json.loads((asked_project / "runs" / "intents.json").read_text())["proposals"][0]
    before = sorted(path.name for path in asked_project.iterdir()), (asked_project / "settings.ini").read_text()
    for words in (("--title", "Music"), ("--title", "Annual leave", "--owner", "hr", "--name", "leave_request")):
        done = mlbot("intents", "--adopt", one["id"], *words)
        assert done.returncode == 2 and "do:" in done.stderr, done.stdout + done.stderr
    assert before == (sorted(path.name for path in asked_project.iterdir()), (asked_project / "settings.ini").read_text())


def test_texts_of_a_file_are_looked_at_in_place_of_the_log_and_nothing_to_look_at_is_no_verdict(asked_project, mlbot):
    (asked_project / "chats.txt").write_text("".join(f"the {when} bus to the moon is late\n" for when in
                                                     ("first", "second", "last", "early", "night", "noon")))
    done = mlbot("intents", "--data", "chats.txt", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["messages"] == 6 and len(found["proposals"]) <= 1
    (asked_project / "none.txt").write_text("\n")
    assert mlbot("intents", "--data", "none.txt").returncode == 3
    shutil.rmtree(asked_project / "events")
    assert mlbot("intents").returncode == 3
