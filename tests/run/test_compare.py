"""Runs side by side: which are there, which model is better, and what makes them differ."""

import json
import shutil
import subprocess

import pytest

from mlbot.errors import InputError
from mlbot.run.compare import compare_runs, list_runs, read_run
from mlbot.run.folder import load_table, open_run, save_table
from mlbot.settings import load_settings


@pytest.fixture
def two(released):
    """A project with two runs on the sample; of the second one, answers can be changed."""
    first = open_run(load_settings(released), "latest")
    second = released / "runs" / "2099-01-01_000000"
    shutil.copytree(first, second)
    return first, second


def answer(folder, changed: int, intent: str = "no such intent") -> list[str]:
    """Let a run have answered so many of its right rows wrong. Their texts."""
    table = load_table(folder / "predictions.csv")
    at = table.index[table["predicted"] == table["intent"]][:changed]
    table.loc[at, "predicted"] = intent
    save_table(table, folder / "predictions.csv")
    return list(table.loc[at, "text"])


def test_runs_are_listed_and_the_report_is_found(two, project, mlbot):
    """The newest last, with data, model, accuracy, gates and what became of each; programs get JSON."""
    first, second = two
    done = mlbot("runs")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[0].startswith("run ") and lines[2].startswith("2099") and "released" in lines[1]
    assert lines[-1].endswith(f"compare {first.name} {second.name}")
    told = json.loads(mlbot("runs", "--json", "-n", "1").stdout)
    assert len(told) == 1 and told[0]["run"] == second.name and told[0]["source"] == "sample" and told[0]["accuracy"] > 0.8
    done = mlbot("report", first.name)
    assert done.returncode == 0 and f"runs/{first.name}/report.html" in done.stdout
    (second / "report.html").unlink()
    assert mlbot("report", second.name).returncode == 2
    (project / "runs" / "2099-01-02_000000").mkdir()
    assert read_run(project / "runs" / "2099-01-02_000000").decision == "a first look, by hand, or not finished"
    assert [line.run for line in list_runs(project / "runs", 2)] == [second.name, "2099-01-02_000000"]


@pytest.mark.parametrize("worse, sure", [(0, "not surely different"), (2, "not surely different"), (30, "surely worse")])
def test_two_runs_are_compared_by_the_rules_of_a_verdict(two, project, mlbot, worse, sure):
    """A few rows more or less say nothing; thirty say it, and the exit code is 1."""
    first, second = two
    texts = answer(second, worse)
    done = mlbot("compare", first.name, second.name)
    assert done.returncode == (sure == "surely worse") and sure in done.stdout.splitlines()[0], done.stdout + done.stderr
    assert f"{worse} broke" in done.stdout and "0 healed" in done.stdout
    found = compare_runs(first, second, load_settings(project))
    assert {change.text for change in found.changed} == set(texts) and not found.moved and not found.facts
    back = compare_runs(second, first, load_settings(project))
    assert back.verdict.score.value == -found.verdict.score.value and not back.verdict.stops
    assert json.loads(mlbot("compare", first.name, second.name, "--json").stdout)["verdict"]["gate"] == "champion"


def test_a_run_is_not_compared_with_itself(two, mlbot):
    """That it is not surely different from itself is no news."""
    done = mlbot("compare", "latest", two[1].name)
    assert done.returncode == 2 and f"{two[1].name} twice" in done.stderr and "runs lists them" in done.stderr


def test_rows_that_are_wrong_both_times_and_facts_that_differ_are_named(two, project, mlbot):
    """Another wrong answer moved; other data and other gates are said."""
    first, second = two
    texts = answer(first, 3, "one")
    assert answer(second, 3, "other") == texts
    prepared = json.loads((second / "prepare.json").read_text())
    (second / "prepare.json").write_text(json.dumps(prepared | {"snapshot": "changed"}))
    done = mlbot("compare", first.name, second.name)
    assert "3 wrong both times" in done.stdout and "now other" in done.stdout and "data: sample" in done.stdout


def test_rows_that_one_of_them_was_trained_on_do_not_count(two, project):
    """A model knows the rows that it was trained on: without any other rows there is no comparison."""
    first, second = two
    train, test = load_table(first / "train.csv"), load_table(first / "test.csv")
    save_table(test.reindex(columns=train.columns).fillna(""), first / "train.csv")
    with pytest.raises(InputError, match="no test row is new to both"):
        compare_runs(first, second, load_settings(project))


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_completes_commands(mlbot, shell, tmp_path):
    """The script of each shell names all commands; bash reads it."""
    script = mlbot("completion", shell).stdout
    assert all(word in script for word in ("promote", "compare", "erase"))
    if shell == "bash" and shutil.which("bash"):
        (tmp_path / "c.sh").write_text(script)
        typed = "source c.sh; COMP_WORDS=(mlbot data er); COMP_CWORD=2; _shtab_mlbot; echo ${COMPREPLY[@]}"
        assert subprocess.run(["bash", "-c", typed], cwd=tmp_path, capture_output=True, text=True).stdout == "erase\n"
