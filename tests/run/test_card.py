"""A model's card says what it is for, how good it is and on what that rests; it is kept beside the model."""

import json
import re
import shutil

import pytest
import yaml
from huggingface_hub import ModelCard

from mlbot.gates.record import as_record
from mlbot.gates.verdict import Waiver, judge, judge_family
from mlbot.model.registry import champion
from mlbot.run.card import build_card, card_file, save_card
from mlbot.run.folder import day_of, load_verdicts
from mlbot.run.notebook import find_notebooks, gate_calls, is_gate, read_notebook
from mlbot.run.report import MEASURES
from mlbot.settings import Target, load_settings
from mlbot.stats.scores import share


@pytest.fixture
def run(green_run, tmp_path):
    """A copy of the folder of a green run."""
    source = next(path for path in (green_run / "runs").iterdir() if path.name[:2] == "20")
    return shutil.copytree(source, tmp_path / source.name)


def change(file, **values):
    """Change some values of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def head(text):
    """The head of a card."""
    return yaml.safe_load(text.split("---\n")[1])


def test_a_release_leaves_a_card_that_the_hub_can_read_beside_its_model(green_run):
    """The hub's own reader finds the scores of the verdicts; the folder of the model is as its name says."""
    model = champion(green_run / "models")
    folder = next(path for path in (green_run / "runs").iterdir() if path.name[:2] == "20")
    text = (folder / "card.md").read_text()
    assert card_file(green_run / "models", model.name).read_text() == text
    assert not list((green_run / "models" / model.name).glob("*.md"))
    card = ModelCard(text)
    told = {result.metric_type: result.metric_value for result in card.data.eval_results}
    measured = {item.gate: item.score for item in load_verdicts(folder)[1]}
    assert told == {"accuracy": round(measured["accuracy"].value, 4), "f1": round(measured["macro_f1"].value, 4)}
    assert card.data.license == "unknown" and card.data.eval_results[0].dataset_name == "sample"
    score = measured["accuracy"]
    assert f"| accuracy | {score.number} | {score.n:,} | {score.interval} |" in text
    for words in ("# Model " + model.name, "12 intents", "below the threshold of 0.3", "wrong 10.0", "handoff 3.0",
                  "reset_password", "numpy ", "mlbot run --data sample",
                  json.loads((folder / "prepare.json").read_text())["snapshot"]):
        assert words in text, words
    assert "{{" not in text and "None" not in text.replace("None.", "")


def test_a_model_that_was_not_released_says_so(run, tmp_path):
    """It must answer nobody, and no card of it stands in the registry."""
    change(run / "outcome.json", outcome="red", headline="No: a gate is red", released=False)
    text = save_card(run, tmp_path / "models").read_text()
    assert "No: a gate is red" in text and "To answer anybody" in text and not (tmp_path / "models").exists()


def test_what_is_weak_or_waived_is_said_by_name(run):
    """An intent below its floor, a slice with too few rows, and who lets what ship red."""
    family = judge_family("intents", [share("payslip", [True] * 2 + [False] * 38), share("rare", [True])],
                          Target(floor=0.6, min_n=5))
    waiver = Waiver("cost", "ann", "known since May", day_of("2026-02-01"), "", "")
    red = as_record(judge("cost", share("cost", [False] * 200), Target(floor=0.8))) | {
        "waiver": {**vars(waiver), "until": "2026-02-01"}}
    change(run / "verdicts.json", verdicts=[as_record(family), red])
    text = build_card(run)
    weak = text.split("## Where it is weak")[1].split("##")[0]
    assert "intents: payslip 0.050 (n=40" in weak and "is below its floor 0.600" in weak and "to be judged: rare" in weak
    assert "cost is red, and waived by ann until 2026-02-01: known since May" in text
    assert "Without a person who looks at them" in text and "model-index" not in head(text)


def test_a_program_reads_the_card(green_run, mlbot):
    done = mlbot("card", "--json", cwd=green_run)
    told = json.loads(done.stdout)
    assert told["name"] == champion(green_run / "models").name and len(told["intents"]) == 12 and told["waived"] == []
    score = next(item["score"] for item in told["verdicts"] if item["gate"] == "accuracy")
    assert round(score["value"], 4) in [item["value"] for item in told["results"]] and "next:" in done.stderr


def test_a_card_holds_what_held_when_the_model_was_made(run, monkeypatch, tmp_path):
    """Its costs, languages and licence are those of the run, not those of the day on which it is written again."""
    change(run / "prepare.json", languages={"fi": 90, "sv": 20, "other": 5, "et": 1})
    change(run / "outcome.json", costs={"wrong": 77.0, "outside": 0.1},
           card={"license": "mit", "use": "For the help desk.", "not_for": "Dismissals."})
    text = build_card(run)
    assert re.search(r"^# Model [0-9a-f]{12}\n\n", text, re.MULTILINE)  # of a run of before: no name of a bot was known
    change(run / "outcome.json", card={"bot": "Help <desk>", "license": "mit", "use": "For the help desk.",
                                       "not_for": "Dismissals."})
    named = build_card(run)
    assert re.search(r"^# Model [0-9a-f]{12} of Help ", named, re.MULTILINE) and "<desk>" not in named
    assert head(text)["license"] == "mit" and head(text)["language"] == ["fi", "sv"] and "wrong 77.0" in text
    assert "For the help desk." in text and "- Dismissals." in text


def test_a_card_claims_languages_of_its_own_training_texts_only(run):
    """The settings expect four languages; the texts are in one, or nobody knows."""
    settings = load_settings()
    assert len(settings.data.languages) == 4 and head(build_card(run))["language"] == ["en"]
    assert "other languages than en, in which its training texts are, or" in build_card(run)
    change(run / "prepare.json", languages={})
    assert head(build_card(run))["language"] == [] and "which nobody has named, or of more than" in build_card(run)


def test_no_word_of_the_data_becomes_markup_or_ends_the_head(run):
    """A source with a folder, an intent with a link, a quote and a line: the head still holds what it held."""
    change(run / "prepare.json", source="/home/ann/secret/rows.csv\n---\n# x", context=["<b>", "https://evil.example"])
    text = build_card(run)
    assert "ann" not in text and head(text)["model-index"][0]["results"][0]["dataset"]["name"] == "rows.csv\n---\n# x"
    assert "<b>" not in text and "https://evil" not in text


def test_the_command_prints_the_card_and_needs_a_judged_run(released, mlbot):
    """Also of an older run; a run that was not judged has no card."""
    done = mlbot("card")
    assert done.returncode == 0 and done.stdout.startswith("---\nlicense:") and "next:" in done.stderr
    (released / "runs" / "2099-01-01_000000").mkdir()
    assert mlbot("card").returncode == 0
    assert mlbot("card", "2099-01-01_000000").returncode == 2


def test_each_gate_that_ships_is_explained_in_the_report():
    cells = [cell for path in find_notebooks(load_settings()) for cell in read_notebook(path).cells]
    asked = {name for cell in cells if is_gate(cell) for name, _ in gate_calls(cell.source)}
    assert len(asked) > 15 and not asked - set(MEASURES)
