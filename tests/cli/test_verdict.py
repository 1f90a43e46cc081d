"""`mlbot verdict` and `mlbot plan`: one command from a result file to an exit code, in an empty folder, without a project."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlbot.cli.gates import points_above_floor, rows_for_floor, rows_for_gain
from mlbot.stats.bounds import difference_bounds, share_at_least, special

FILES = Path(__file__).parents[1] / "data" / "results"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder as working folder, and a way to write tables into it."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, values, head: str = "id,right") -> Path:
        rows = "".join(f"q{at},{value}\n" for at, value in enumerate(values))
        (tmp_path / name).write_text(f"{head}\n{rows}")
        return tmp_path / name
    return write


def flags(right: int, of: int = 200) -> list[int]:
    """So many ones, then zeros."""
    return [1] * right + [0] * (of - right)


@pytest.mark.parametrize("name, words, code, says", [
    ("promptfoo.json", "--floor passed=0.3", 0, "too close"), ("promptfoo.json", "--floor 0.7", 1, "fail"),
    ("deepeval.json", "--floor Exact=0.3 --min-rows 10", 0, "pass"), ("deepeval.json", "--floor 0.3", 3, "no verdict"),
    ("inspect.json", "--floor match=0.4", 0, "pass"), ("inspect.json", "--floor mtch=0.4", 2, "did you mean match?"),
    ("lm_eval_samples.jsonl", "--floor acc=0.9 --min-rows 10", 1, "fail"), ("lm_eval_results.json", "", 3, "--log_samples"),
    ("mlflow.json", "--floor exact=0.3 --min-rows 9", 0, "pass"), ("junit.xml", "--floor passed=0.3 --min-rows 9", 0, "pass"),
    ("junit.xml", "--ceiling passed=0.2 --min-rows 9", 1, "fail"), ("junit.xml", "--floor 80", 2, "a share from 0 to 1"),
    ("junit.xml", "--floor x=y", 2, "NAME=NUMBER"), ("junit.xml", "--floor 0.1 --floor passed=0.2", 2, "two limits"),
    ("absent.json", "", 2, "no such file"), (".", "", 2, "a folder")])
def test_one_command_judges_the_file_of_each_tool_and_ends_in_its_exit_code(name, words, code, says, mlbot, folder):
    """0 pass, 1 red, 2 your input, 3 no verdict; each ends in a next step or a way out."""
    done = mlbot("verdict", FILES / name, *words.split())
    said = done.stdout + done.stderr
    assert done.returncode == code and says in said, said
    assert "next: " in said or "  do: " in said


def test_too_close_to_call_passes_unless_it_shall_not(mlbot, folder):
    """And the next step says how to plan the rows that would settle it."""
    file = folder("new.csv", flags(160))
    done = mlbot("verdict", file, "--floor", "0.78")
    assert done.returncode == 0 and "too close to call" in done.stdout and "plan --floor 0.78 --margin 2" in done.stdout
    assert mlbot("verdict", file, "--floor", "0.78", "--too-close", "fail").returncode == 1


def test_without_a_floor_the_numbers_are_shown_and_what_to_type_for_a_verdict(mlbot, folder):
    """No verdict was asked for, so none is given."""
    done = mlbot("verdict", folder("new.csv", flags(160)))
    assert done.returncode == 0 and "accuracy 0.800 (n=200, 95 % 0.736 to 0.852)" in done.stdout
    assert "no verdict was asked for" in done.stdout and "--floor accuracy=0.8" in done.stdout and "pass" not in done.stdout


@pytest.mark.parametrize("before, after, code, sure", [(180, 140, 1, "surely worse"), (180, 178, 0, "not surely different"),
                                                       (140, 180, 0, "surely better")])
def test_two_files_are_compared_item_by_item_and_a_sure_loss_is_red(before, after, code, sure, mlbot, folder):
    """The rule of the gate `champion`: chance stops nothing."""
    done = mlbot("verdict", folder("old.csv", flags(before)), folder("new.csv", flags(after)), "--rows", 2)
    broke, healed = max(before - after, 0), max(after - before, 0)
    assert done.returncode == code and sure in done.stdout
    assert f"{broke} broke" in done.stdout and f"{healed} healed" in done.stdout
    assert f"and {max(broke, healed) - 2} more" in done.stdout or max(broke, healed) <= 2


def test_a_loss_within_what_is_tolerated_is_not_red(mlbot, folder):
    """`--tolerate 30`: points of the scale."""
    files = folder("old.csv", flags(180)), folder("new.csv", flags(140))
    assert mlbot("verdict", *files).returncode == 1 and mlbot("verdict", *files, "--tolerate", 30).returncode == 0
    assert mlbot("verdict", *files, "--tolerate", 101).returncode == 2


def test_numbers_are_compared_on_their_own_scale_and_less_can_be_better(mlbot, folder):
    """Five stars, and milliseconds; the direction is said, and can be given."""
    stars = folder("old.csv", [5, 4, 4, 3] * 20, "id,score"), folder("new.csv", [3, 3, 2, 1] * 20, "id,score")
    done = mlbot("verdict", *stars)
    assert done.returncode == 1 and "worse than" in done.stdout and "points" not in done.stdout
    assert mlbot("verdict", *stars, "--lower", "score").returncode == 0
    assert mlbot("verdict", stars[0], "--floor", "score=3.5").returncode == 0
    assert mlbot("verdict", stars[0], "--ceiling", "score=3.5").returncode == 1
    assert mlbot("verdict", stars[0], "--lower", "scre").returncode == 2


def test_one_metric_decides_unless_more_are_named(mlbot, folder, tmp_path):
    """Several chances to be unlucky would stop good models; the first metric is the tool's own verdict."""
    rows = [{"success": True, "score": 1, "testIdx": at, "vars": {"text": f"q{at}"}, "namedScores": {"tone": 0.9}}
            for at in range(40)]
    worse = [{**row, "namedScores": {"tone": 0.1}} for row in rows]
    for name, part in (("old.json", rows), ("new.json", worse)):
        (tmp_path / name).write_text(json.dumps({"results": {"version": 3, "results": part}}))
    assert mlbot("verdict", "old.json", "new.json").returncode == 0
    done = mlbot("verdict", "old.json", "new.json", "--metric", "passed", "--metric", "tone")
    assert done.returncode == 1 and "gain of tone" in done.stdout


def test_a_red_floor_and_a_comparison_are_told_together(mlbot, folder):
    """The floor is that of the new file."""
    done = mlbot("verdict", folder("old.csv", flags(100)), folder("new.csv", flags(120)), "--floor", "accuracy=0.9", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == found["exit_code"] == 1 and found["outcome"] == "red"
    assert [verdict["outcome"] for verdict in found["verdicts"]] == ["pass", "fail"]
    assert found["compared"][0]["sure"] == "surely better" and len(found["compared"][0]["healed"]) == 20


def test_files_that_cannot_be_paired_are_refused(mlbot, folder, tmp_path):
    """By position, a row more at the top would compare each row with another one."""
    (tmp_path / "bare.csv").write_text("right\n1\n0\n")
    folder("new.csv", flags(100))
    folder("stars.csv", [1, 5], "id,score")
    for pair, says in ((("bare.csv", "new.csv"), "no column tells the items apart"),
                       (("stars.csv", "new.csv"), "no metric of new.csv"),
                       ((FILES / "junit.xml", FILES / "promptfoo.json"), "no item of promptfoo.json")):
        done = mlbot("verdict", *pair)
        assert done.returncode == 2 and says in done.stderr and len(done.stderr.splitlines()) <= 6


def test_markdown_shows_what_others_wrote_and_obeys_none_of_it(mlbot, tmp_path, monkeypatch):
    """An item's name may hold markup, a mention or a link."""
    monkeypatch.chdir(tmp_path)
    nasty = "<img src=x> @team | [a](http://e.example)"
    for name, value in (("old.csv", 1), ("new.csv", 0)):
        (tmp_path / name).write_text("id,right\n" + "".join(f"{nasty} {at},{value}\n" for at in range(30)))
    done = mlbot("verdict", "old.csv", "new.csv", "--markdown")
    assert done.returncode == 1 and done.stdout.startswith("### Verdict: red")
    assert not [mark for mark in ("<img", "@team", "[a]") if mark in done.stdout]


def test_verdict_needs_no_project_and_neither_a_trainer_nor_nbdev(folder):
    """In a process of its own, in an empty folder; pandas only where a table is read."""
    heavy = ("sklearn", "nbdev", "pandas", "matplotlib", "papermill")
    program = ("import sys\nfrom mlbot.cli.main import main\ncode = main(sys.argv[1:])\n"
               f"print([name for name in {heavy} if name in sys.modules], code)")
    done = subprocess.run([sys.executable, "-c", program, "verdict", FILES / "junit.xml"], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[] 0", done.stdout + done.stderr
    assert list(Path.cwd().iterdir()) == []


def test_the_command_line_starts_as_fast_as_before():
    """What judges takes a second to import, and each command would wait for it."""
    program = "import sys, mlbot.cli.main; print([name for name in ('numpy', 'scipy', 'pandas') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("words, code, says", [
    ("--detect 2 --discordant 0.06", 0, "<- asked"), ("--rows 500", 0, "500 rows show"),
    ("--floor 0.8 --margin 2", 0, "<- asked"), ("--floor 0.8 --rows 500", 0, "500 rows show 4"),
    ("--detect 7 --discordant 0.06", 2, "at most 6"),
    ("--detect 0", 2, "more than 0"), ("--floor 1", 2, "below 1"), ("--floor 0.9 --margin 20", 2, "at most 10"),
    ("--power 1 --rows 5", 2, "from 0.5"), ("--floor 0.8 --rows 2", 0, "no score above that floor"),
    ("--floor 0.8 --rows 2 --json", 0, '"rows_show": null')])
def test_a_plan_says_how_many_rows_a_decision_needs(words, code, says, mlbot, folder):
    """And touches nothing."""
    done = mlbot("plan", *words.split())
    assert done.returncode == code and says in done.stdout + done.stderr
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("points, discordant", [(2, 0.06), (5, 0.15)])
def test_so_many_rows_show_the_difference_in_four_of_five_cases_by_the_bounds_of_the_verdict(points, discordant):
    """Tried out: models that truly differ so much."""
    n, dice = rows_for_gain(points, discordant, 0.8), np.random.default_rng(0)
    shares = [(discordant + points / 100) / 2, (discordant - points / 100) / 2, 1 - discordant]
    seen = [difference_bounds(int(broke), int(healed), n)[1] < 0 for broke, healed, _ in dice.multinomial(n, shares, 250)]
    assert 0.72 < np.mean(seen) < 0.88


@pytest.mark.parametrize("floor, points", [(0.8, 2), (0.8, 5), (0.5, 3), (0.9, 4)])
def test_so_many_rows_show_a_score_above_its_floor_in_four_of_five_cases(floor, points):
    """By the binomial distribution: how often the lower bound reaches the floor."""
    n = rows_for_floor(floor, points, 0.8)
    least = next(hits for hits in range(int(n * floor), n + 1) if share_at_least(hits, n) >= floor)
    assert 0.8 <= 1 - special().bdtr(least - 1, n, floor + points / 100) < 0.87  # in steps: hits are whole
    assert points_above_floor(floor, n, 0.8) == pytest.approx(points, rel=0.06)


@pytest.mark.parametrize("values, words, code, says", [
    ([4] * 30, "--floor 3", 3, "all 30 rows have the same value"), ([4, 5] * 5, "--floor 3 --min-rows 5", 3,
                                                                    "10 rows are too few"),
    ([0.7] * 30, "--floor 0.5", 0, "0.619 to 0.735"), ([1, 1] * 15, "--floor 0.8", 0, "0.859 to 1.000"),
    ([300, 500] * 15, "--ceiling score=450 --lower score", 0, "pass")])
def test_a_table_of_numbers_on_no_known_scale_is_not_bounded_by_what_was_seen(folder, mlbot, values, words, code, says):
    """Thirty rows of 4 had an interval of no width, because the least and the most that was seen counted as the scale."""
    folder("new.csv", values, "id,score")
    done = mlbot("verdict", "new.csv", *words.split())
    assert done.returncode == code and says in done.stdout + done.stderr
