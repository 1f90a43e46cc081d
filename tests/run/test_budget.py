"""The test budget by command: who asked, what is left, an agent that is refused, sealed rows that leave no trace."""

import csv
import json
import re
import zipfile

import pytest

from mlbot.run.folder import load_verdicts

SECRET = "xylophone"  # a word of each sealed row, and of nothing else


def settings(project, more=""):
    (project / "settings.ini").write_text("[gates]\npeople = 50\n[data]\nsource = sample\nsuspects = 0\n"
                                          f"[meter]\ntolerance = 0.2\n{more}")


def contents(path):
    """The bytes of a file, or of all files in an archive."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return b"".join(map(archive.read, archive.namelist()))


def last_run(project):
    return max(path for path in (project / "runs").iterdir() if (path / "verdicts.json").exists())


def test_before_anything_was_judged_there_is_no_budget_to_read(project, mlbot):
    done = mlbot("budget")
    assert done.returncode == 3 and "nothing was judged yet" in done.stderr and "mlbot run" in done.stderr
    for command in ("run", "judge", "retrain"):
        refused = mlbot(command, "--actor", "robot:x")
        assert refused.returncode == 2 and "KIND:NAME" in refused.stderr
        assert not (project / "models" / "decisions.jsonl").exists()


def test_sealed_rows_inside_the_project_are_refused_before_the_work(project, mlbot):
    (project / "sealed").mkdir()
    for command in ("run", "judge", "retrain"):
        done = mlbot(command, "--sealed", "sealed")
        assert done.returncode == 2 and "inside the checkout" in done.stderr
        assert not list((project / "runs").glob("**/run.json"))


@pytest.mark.long
def test_an_agent_is_counted_by_name_and_refused_after_its_ceiling_without_a_score(project, own_results, mlbot):
    settings(project, "agent_decisions = 1\n")
    first = mlbot("run", "--no-release", env={"CLAUDECODE": "1"})
    assert first.returncode == 0 and "1 were judged (1 by agent)" in first.stdout, first.stderr
    record = json.loads((last_run(project) / "judged.json").read_text())["budget"]
    assert (record["served"], record["who"], record["left_by"]) == (1, {"agent:claude-code": 1}, {"agent": 0})
    told = json.loads(mlbot("budget", "--json").stdout)
    assert told["served"] == 1 and told["ceilings"] == {"agent": 1} and told["next"]
    settings(project, "agent_decisions = 1\n[model]\npenalty = 0.5\n")
    looped = mlbot("run", "--no-release", "--actor", "person:me", env={"CLAUDECODE": "1"})
    assert looped.returncode == 3 and "agent:claude-code has had 1 verdicts" in looped.stderr
    assert not re.search(r"accuracy +0\.", looped.stdout) and not (last_run(project) / "predictions.csv").exists()
    assert mlbot("run", "--no-release", "--actor", "person:Ann").returncode == 0
    shown = mlbot("budget").stdout
    assert "2 (1 by person, 1 by agent)" in shown and "0 of 1 left for agent" in shown and "next: " in shown


@pytest.mark.long
def test_sealed_rows_outside_answer_one_bit_and_stand_nowhere_else(project, own_results, mlbot, tmp_path_factory):
    settings(project)
    outside = tmp_path_factory.mktemp("outside")
    sample = mlbot("run", "--no-release", "--until", "1_prepare")
    assert sample.returncode == 0, sample.stderr
    cells = list(csv.DictReader(max((project / "runs").glob("*/test.csv")).read_text().splitlines()))
    with open(outside / "rows.csv", "w", newline="") as file:
        table = csv.DictWriter(file, ["text", "intent"])
        table.writeheader()
        table.writerows({"text": f"{cell['text']} {SECRET}", "intent": cell["intent"]} for cell in cells)
    done = mlbot("run", "--no-release", "--sealed", str(outside))
    assert done.returncode == 0 and re.search(r"accuracy .* pass \(sealed\)", done.stdout), done.stdout + done.stderr
    assert "sealed rows: 1 questions asked, 19 of 20 left" in done.stdout
    assert next(item for item in load_verdicts(last_run(project))[1] if item.gate == "accuracy").sealed == "pass"
    (outside / "rows.csv").write_text(f"text,intent\n\"{SECRET},x\n")  # and an error says nothing either
    broken = mlbot("run", "--no-release", "--force", "--sealed", str(outside))
    assert broken.returncode == 2 and "cannot be read as utterances" in broken.stderr
    written = [path for folder in (project, own_results) for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert not [path for path in written if SECRET.encode() in contents(path)]
    assert SECRET not in done.stdout + done.stderr + broken.stdout + broken.stderr
