"""`mlbot recalibrate` writes a corrected model, which is judged and promoted as any change of a component is."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from mlbot.data.ledger import ledger_file, read_digests
from mlbot.model.artefact import find_model
from mlbot.model.predict import load
from mlbot.model.registry import why_not_judged


def write_labels(project, right: float | None, most: int = 400) -> str:
    """Labelled messages like the training rows of the sample; a share `right` has the label that training had.

    With None, labels are drawn from the champion's own probabilities, so that its confidence is right.
    """
    rows = pd.read_csv(max((project / "runs").glob("2*")) / "train.csv", keep_default_na=False, dtype=str).head(most)
    rows["text"] = "dear all " + rows["text"]
    model, dice = load(project / "models"), np.random.default_rng(0)
    others = np.roll(model.intents, 1)[np.searchsorted(model.intents, rows["intent"])]
    if right is not None:
        rows["intent"] = np.where(np.arange(len(rows)) % 100 < 100 * right, rows["intent"], others)
    else:
        said = model.probabilities(rows["text"], rows[["role", "location"]].to_dict("records")).astype(float)
        rows["intent"] = [dice.choice(model.intents, p=row / row.sum()) for row in said]
    rows[["text", "intent", "role", "location"]].to_csv(project / "audit.csv", index=False)
    return "audit.csv"


def test_a_corrected_model_is_judged_and_then_promoted(released, mlbot):
    champion = find_model(released / "models").name
    done = mlbot("recalibrate", "--labels", write_labels(released, right=0.9))
    assert done.returncode == 0, done.stdout + done.stderr
    name = re.search(r"wrote:  model (\w{12}): " + champion, done.stdout)[1]
    assert re.search(r"before: confidence is \+[1-9]\d?\.\d points", done.stdout) and f"judge --model {name}" in done.stdout
    manifest = json.loads((released / "models" / name / "manifest.json").read_text())
    before = json.loads((released / "models" / champion / "manifest.json").read_text())
    assert manifest["components"].pop("calibration") and manifest["components"] == before["components"]
    old, new = (set(read_digests(ledger_file(released / "models", model)).tolist()) for model in (champion, name))
    assert old < new, "the texts of the labels are in the ledger"
    assert find_model(released / "models").name == champion, "nothing was released"
    refused = mlbot("promote", name)
    assert refused.returncode == 3 and "no verdict" in refused.stdout + refused.stderr
    judged = mlbot("judge", "--model", name)
    assert judged.returncode == 0 and f"model {name} may be promoted" in judged.stdout, judged.stdout + judged.stderr
    assert mlbot("promote", name).returncode == 0 and find_model(released / "models").name == name


def test_a_program_reads_what_was_fitted(released, mlbot):
    """The words for people go beside it, to stderr."""
    done = mlbot("recalibrate", "--labels", write_labels(released, right=0.9), "--json")
    told = json.loads(done.stdout)
    assert (released / "models" / told["model"]).is_dir() and told["of"] == find_model(released / "models").name
    assert told["labels"] > 300 and told["gain"]["low"] > 0 and f"judge --model {told['model']}" in done.stderr


def test_one_whose_gates_are_red_is_not_promoted(released, mlbot):
    """Labels that are mostly wrong make the model so unsure that gates stop it."""
    done = mlbot("recalibrate", "--labels", write_labels(released, right=0.2))
    name = re.search(r"wrote:  model (\w{12})", done.stdout)[1]
    judged = mlbot("judge", "--model", name)
    assert judged.returncode == 1 and "calibration_error" in judged.stdout, judged.stdout + judged.stderr
    assert why_not_judged(released / "models", name) and mlbot("promote", name).returncode == 3


def test_a_model_that_needs_no_correction_is_kept(released, mlbot):
    done = mlbot("recalibrate", "--labels", write_labels(released, right=None))
    assert done.returncode == 3 and "recalibrating does not surely help" in done.stdout + done.stderr
    assert len(list((released / "models").glob("?" * 12))) == 1


@pytest.mark.parametrize("most, says", [(60, "60 audited labels in scope")])
def test_few_labels_give_no_verdict(released, mlbot, most, says):
    done = mlbot("recalibrate", "--labels", write_labels(released, right=0.6, most=most))
    assert done.returncode == 3 and says in done.stdout + done.stderr and len(list((released / "models").glob("?" * 12))) == 1


def test_without_a_log_it_says_what_to_do(released, mlbot):
    done = mlbot("recalibrate")
    assert done.returncode == 3 and "--labels FILE" in done.stdout + done.stderr
