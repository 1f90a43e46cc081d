"""`mlbot intents`: what nobody answers becomes a proposal, and a proposal an intent with catalogue, rows and a gate."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.bot.catalogue import load_catalogue
from mlbot.bot.conversation import Conflict
from mlbot.bot.events import Event, EventLog, open_log
from mlbot.bot.labelling import drawn_at_random, labels_of
from mlbot.bot.proposed import (
    DROPPED,
    LOOK,
    WANTED,
    decide_proposal,
    is_newer,
    last_look,
    messages_at,
    proposals_now,
    put_into,
    remaining_rows,
    undo_decision,
    want,
    wanted_intent,
)
from mlbot.bot.unanswered import propose, unanswered_lately
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


def test_rows_for_a_table_with_a_column_for_each_intent_can_be_read_again(tmp_path):
    """`label = *` is no name of a column; the next step says how the rows come into such a table."""
    from mlbot.cli.intents import after_batch, write_batch
    from mlbot.data.table import read_utterances
    settings = load_settings()
    settings = replace(settings, root=tmp_path, data=replace(settings.data, label="*", source="rows.csv"))
    file = write_batch(settings, "office_shuttle", [{"text": "shuttle late"}, {"text": "where is the shuttle"}])
    read = read_utterances(file, Columns(settings.data.text, settings.data.label_column), settings.data).rows
    assert read["intent"].tolist() == ["office_shuttle"] * 2 and "*" not in file.read_text()
    assert "texts as a column office_shuttle to rows.csv" in after_batch(settings, file)
    stored = replace(settings, data=replace(settings.data, source="store"))
    assert "data add intents/office_shuttle.csv --intent intent" in after_batch(stored, file).replace(f"{tmp_path}/", "")


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
    (asked_project / "two.txt").write_text("my unicycle squeaks\nthe xylophone wants tuning\n")
    few = mlbot("intents", "--data", "two.txt").stdout  # why there is no group, before "in a week"
    assert "no group: of 2 messages without an answer no 5 are alike" in few or "to each of 2 messages" in few, few
    (asked_project / "none.txt").write_text("\n")
    assert mlbot("intents", "--data", "none.txt").returncode == 3
    shutil.rmtree(asked_project / "events")
    assert mlbot("intents").returncode == 3


def test_what_was_ordered_on_the_page_is_carried_out_once_without_the_messages_that_were_taken_out(asked_project, mlbot):
    """The page leaves an order in the log; the command writes catalogue, rows and floor, as `--adopt` does."""
    assert mlbot("intents", "--ordered").returncode == 3, "nobody has ordered anything"
    assert mlbot("intents").returncode == 0
    settings = load_settings()
    log = open_log(settings)
    one = next(one for one in last_look(log).body["proposals"] if "xylophone" in one["words"])
    assert "xylophone" not in {*one["rows"]} and not is_newer(log, last_look(log))
    kept = remaining_rows(one, one["rows"][:2])
    want(log, one, kept, wanted_intent("Music room", "facilities", [], 0.7), "p1")
    from mlbot.cli.ops import waiting_orders  # what mlbot retrain says: it would train a model without the new intent
    assert waiting_orders(settings).startswith("orders:   music_room, ")
    done = mlbot("intents", "--ordered")
    assert done.returncode == 0 and "next:   read intents/music_room.csv" in done.stdout, done.stdout + done.stderr
    assert load_catalogue(load_settings())["music_room"].queue == "facilities"
    with open(asked_project / "intents" / "music_room.csv", newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == [row["text"] for row in messages_at(log, kept)]
    assert Rules(None, load_settings().targets).within("intents", "floor")["music_room"] == 0.7
    told = next(shown for shown in proposals_now(log, "p1")["proposals"] if shown["id"] == one["id"])
    assert told["decision"]["kind"] == "adopted" and mlbot("intents", "--ordered").returncode == 3
    order = {"rows": ["e40"], "batch": ["e40"], "intent": "music_room", "title": "Music", "owner": "hr", "floor": 0.5}
    decide_proposal(log, WANTED, {**one, "id": "0ther", "rows": ["e40"]}, order, "p1")
    log.close()
    before = (asked_project / "settings.ini").read_text()
    done = mlbot("intents", "--ordered")
    assert done.returncode == 2 and "take it back on the page" in done.stderr
    assert (asked_project / "settings.ini").read_text() == before


def test_a_decision_holds_for_a_group_that_grows_and_labels_of_a_whole_group_stay_out_of_the_audit(tmp_path):
    log = EventLog(tmp_path / "events.db")
    usual = {"intent": "card", "confidence": 0.3, "ranking": [["card", 0.3]], "model": "m1", "request": "r"}
    log.append_many([Event("asked", "r", usual | {"text": f"the shuttle number {at}"}) for at in range(8)])
    ids = [f"e{number}" for number in range(1, 9)]
    group = {"id": "a", "size": 4, "share": 0.5, "low": 0.2, "high": 0.8, "new": True, "words": ["shuttle"],
             "nearest": "card", "probability": 0.1, "examples": 2, "rows": ids[:4]}
    grown, far = group | {"id": "b", "rows": ids}, group | {"id": "c", "rows": [ids[0], *ids[4:]]}
    log.append(Event(LOOK, "m1", {"messages": 8, "unanswered": 8, "through": 8, "proposals": [group, grown, far]}))
    put_into(log, group, remaining_rows(group, [ids[3]]), "card", "p1")
    shown = {one["id"]: one["decision"] for one in proposals_now(log, "p2")["proposals"]}
    assert shown["a"]["kind"] == shown["b"]["kind"] == "put" and not shown["a"]["mine"] and shown["c"] is None
    labels = log.read(("label",))
    assert [label.about for label in labels] == ids[:3] and drawn_at_random(labels) == []
    with pytest.raises(Conflict):
        decide_proposal(log, DROPPED, grown, {"rows": ids}, "p2")
    with pytest.raises(Conflict):
        undo_decision(log, "a", "p2")
    undo_decision(log, "a", "p1")
    assert labels_of(log.read(("asked", "label", "label.undone"))) == {}
    decide_proposal(log, DROPPED, grown, {"rows": ids}, "p2")
    log.forget(is_theirs=lambda text: text.endswith((" 0", " 1")))
    assert [one["id"] for one in proposals_now(log, "p2")["proposals"]] == ["c"], "of the others no example is left"
    assert "shuttle number" not in str([event.body for event in log.read((LOOK,))])
    log.close()


def test_a_flood_from_one_source_is_no_new_intent(unsuspecting, tmp_path):
    """What a source sends beyond its share of an hour is not offered for labels, and is not grouped either."""
    model, settings = unsuspecting
    settings = replace(settings, root=tmp_path, service=replace(settings.service, events="events.db"))
    usual = {"intent": "card", "confidence": 0.3, "ranking": [["card", 0.3]], "model": "m1", "request": "r"}
    texts = [f"{word} xylophone" for word in "my the a this another which play hear tune bring old your big small".split()]
    log = EventLog(tmp_path / "events.db")
    for kind, found in (("asked.more", 0), ("asked", len(texts))):
        log.append_many([Event(kind, "r", usual | {"text": text}) for text in texts])
        assert unanswered_lately(settings, model).messages == found
    log.close()
