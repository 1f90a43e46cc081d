"""The public sets run through the same door as any file, and reach what simple means reach."""

import json

import pandas as pd
import pytest

from mlbot.data.source import choose, load_source
from mlbot.data.split import split
from mlbot.model.train import fit_plain
from mlbot.settings import load_settings


@pytest.mark.long
def test_a_public_set_is_run_from_its_file(project, write_settings, mlbot, public):
    """A part of its training rows, all of its test rows."""
    write_settings(project, "[data]\nsuspects = 0\n[model]\nfolds = 2\n[targets]\nintents.floor =\n")
    rows = pd.read_csv(public("banking77"), dtype=str, keep_default_na=False)
    rows[(rows["split"] == "test") | (rows.index % 4 == 0)].to_csv(project / "banking.csv", index=False)
    done = mlbot("run", "--data", "banking.csv", "--split-column", "split", "--target", 0.80)
    assert done.returncode == 0, done.stderr
    folder = max((project / "runs").glob("2*"))
    verdicts = {item["gate"]: item for item in json.loads((folder / "verdicts.json").read_text())["verdicts"]}
    assert verdicts["accuracy"]["score"]["value"] >= 0.82
    assert verdicts["accuracy"]["score"]["n"] == 3080 and verdicts["same_answer"]["score"]["value"] == 1.0
    assert verdicts["context"]["outcome"] == verdicts["oos_auroc"]["outcome"] == "not asked"  # it has neither
    assert "What is context worth?" not in (folder / "report.html").read_text()
    findings = json.loads((folder / "prepare.json").read_text())["findings"]
    assert [item for item in findings if "text stands on the test side" in item["what"] and item["n"] >= 1]


@pytest.mark.long
def test_a_public_set_reaches_what_it_reached_before(public):
    public("banking77")
    settings = load_settings()
    _, columns = choose(settings, "banking77", split_column="split")
    sides = split(load_source("banking77", columns, settings), settings.data, given=True)
    assert len(sides.test) == 3080
    assert (fit_plain(sides.train, [], settings.model).predict(sides.test) == sides.test["intent"]).mean() >= 0.917


@pytest.mark.long
def test_a_public_set_with_texts_out_of_scope_keeps_them_apart_and_reaches_its_floor(public):
    public("clinc150")
    settings = load_settings()
    _, columns = choose(settings, "clinc150", split_column="split")
    sides = split(load_source("clinc150", columns, settings), settings.data, given=True)
    assert len(sides.test) == 4500 and len(sides.out_of_scope) == 1200
    fitted = fit_plain(sides.train, [], settings.model)
    assert "oos" not in fitted.classes_ and (fitted.predict(sides.test) == sides.test["intent"]).mean() >= 0.935
