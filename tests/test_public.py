"""The public sets run through the same door as any file, and reach what simple means reach."""

import json

import pytest


@pytest.mark.parametrize("name, floor, oos", [("banking77", 0.915, 0), ("clinc150", 0.925, 1200)])
def test_a_public_set_is_run_from_its_file(project, mlbot, public, name, floor, oos):
    done = mlbot("run", "--data", public(name), "--split-column", "split", "--target", floor)
    assert done.returncode == 0, done.stderr
    folder = max((project / "runs").iterdir())
    verdicts = {item["gate"]: item for item in json.loads((folder / "verdicts.json").read_text())["verdicts"]}
    assert verdicts["accuracy"]["score"]["value"] >= floor
    assert verdicts["accuracy"]["score"]["n"] == {"banking77": 3080, "clinc150": 4500}[name]
    assert verdicts["same_answer"]["score"]["value"] == 1.0
    assert len((folder / "out_of_scope.csv").read_text().splitlines()) - 1 == oos
    assert "oos" not in json.loads((folder / "model" / "manifest.json").read_text())["intents"]
    findings = json.loads((folder / "prepare.json").read_text())["findings"]
    assert [item for item in findings if "text stands on the test side" in item["what"] and item["n"] >= 18]
