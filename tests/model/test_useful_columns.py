"""A column of a file is proposed as context only where held-out training rows say that it surely helps."""

import csv
import json
import random
import re
from dataclasses import replace

import pytest

from mlbot.cli.run import print_useful
from mlbot.cli.shared import useful_columns
from mlbot.data.source import choose, load_source
from mlbot.data.split import split
from mlbot.data.table import Columns
from mlbot.model import columns as module
from mlbot.model.columns import columns_worth, context_candidates, rows_to_try, some_utterances
from mlbot.run.request import RunRequest
from mlbot.settings import load_settings

THINGS, VERBS = ("card", "key", "form", "desk"), ("bring", "order", "replace", "change", "print", "repair", "find", "return")
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("nk", "rt", "mo", "lle", "sta")]


def write(file, rows: int = 400, worth: bool = True, seed: int = 0, **more):
    """A file in which the team decides half of the intents (or nothing), and other columns say nothing, or too much."""
    draw = random.Random(seed)
    with open(file, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["text", "intent", "team", "office", "topic", "user id", "sent", "note", *more])
        for at in range(rows):
            thing, team = draw.choice(THINGS), draw.choice(["lab", "sales"])
            text = f"{draw.choice(VERBS)} {' '.join(draw.choices(WORDS, k=4))} {thing}"
            intent = f"{thing} {team}" if worth and thing < "f" else thing
            writer.writerow([text, intent, team, draw.choice(["Rome", "Oslo"]), f"about {thing}s", f"u{at % 20}",
                             f"2026-01-{at % 9 + 1:02}", f"{text} please", *more.values()])
    return file


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return load_settings(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return write(tmp_path_factory.mktemp("asked") / "asked.csv")


@pytest.fixture(scope="module")
def found(asked, settings):
    """What is proposed for that file, by name."""
    return {one.name: one for one in columns_worth(asked, Columns(), settings)}


def test_a_column_that_decides_is_proposed_and_one_that_says_nothing_is_not(found):
    """The line has the difference, its interval and the rows, and how to use the column is up to the command."""
    assert "team" in found and "office" not in found
    assert re.fullmatch(r"column team looks useful: \+\d+\.\d points \(\d+\.\d to \d+\.\d\) on \d+ held-out training rows",
                        str(found["team"]))
    assert found["team"].gained.low > 5 / 100 and found["team"].gained.n > 200


def test_a_column_that_was_written_with_the_label_has_its_doubt_said(asked, settings):
    """Its gain is as large as it looks, and yet it may not be there when somebody asks."""
    rows = rows_to_try(asked, Columns(context=("topic", "team")), settings)
    topic, team = module.try_columns(rows, ["topic", "team"], [], settings.model)
    assert "; it follows the intent (100%): make sure that its value is known before a row is labelled" in str(topic)
    assert team.follows < 0.9 and "follows" not in str(team)


def test_ids_dates_texts_sides_and_names_of_ours_are_no_context(asked, settings, tmp_path):
    assert context_candidates(asked, Columns()) == ["team", "office", "topic"]
    assert context_candidates(asked, Columns(context=("team",))) == ["office", "topic"]
    odd = write(tmp_path / "odd.csv", 60, split="train", line="a line", annotator="ann")
    assert context_candidates(odd, Columns()) == ["team", "office", "topic"]


def test_columns_without_worth_are_hardly_ever_proposed(settings, tmp_path):
    """Four files in which neither team nor office means anything: not one line."""
    files = (write(tmp_path / f"{seed}.csv", 150, False, seed) for seed in range(4))
    assert [one.name for file in files for one in columns_worth(file, Columns(), settings) if one.name != "topic"] == []


def test_no_test_row_takes_part_whatever_decides_the_sides(asked, settings, tmp_path):
    """Sides by hash, by a column, for life."""
    tested = set(split(load_source(str(asked), Columns(), settings), settings.data).test["text"])
    assert len(tested) > 50 and not tested & set(rows_to_try(asked, Columns(), settings)["text"])
    lines = asked.read_text().splitlines()
    lines = [f"{lines[0]},split", *(f"{line},{('test', 'train')[at % 2]}" for at, line in enumerate(lines[1:]))]
    (tmp_path / "sided.csv").write_text("\n".join(lines))
    rows = rows_to_try(tmp_path / "sided.csv", Columns(side="split"), settings)
    assert set(rows["side"]) == {"train"} and {line % 2 for line in rows["line"]} == {1}

    def all_tested(digests):
        import numpy as np
        return np.full(len(digests), "test", object)
    assert len(rows_to_try(asked, Columns(), settings, all_tested)) == 0
    assert columns_worth(asked, Columns(), settings, all_tested) == []


def test_a_large_file_is_sampled_over_its_whole_length(asked, settings, monkeypatch):
    found = some_utterances(asked, Columns(), settings, most=100).rows
    assert len(found) == 100 and found["line"].max() > 390 and found["line"].min() == 2
    monkeypatch.setattr(module, "MOST_TRIED", 60)
    assert len(rows_to_try(asked, Columns(), settings)) == 60


def test_too_few_rows_are_no_reason_to_propose_anything(settings, tmp_path):
    assert columns_worth(write(tmp_path / "few.csv", 40), Columns(), settings) == []


def test_the_answer_is_kept_beside_the_runs_and_names_the_option(asked, settings, tmp_path, monkeypatch, capsys):
    """The second run of a file does not try again; another file does. Without a file there is nothing to say."""
    place = replace(settings, places=replace(settings.places, runs=tmp_path / "runs", models=tmp_path / "models"))
    print_useful(RunRequest({"data": str(asked)}), place)
    first = capsys.readouterr().out
    assert first.startswith("note:   column team looks useful: ") and "; add --context team\n" in first
    kept = json.loads((tmp_path / "runs" / "columns.json").read_text())
    assert len(kept) == 1 and "please" not in json.dumps(kept)

    def again(*given):
        raise AssertionError("tried again")
    monkeypatch.setattr(module, "columns_worth", again)
    print_useful(RunRequest({"data": str(asked)}), place)
    assert capsys.readouterr().out == first
    for quiet in (RunRequest({}), RunRequest({"data": "company"}), RunRequest({"data": "sample"}),
                  RunRequest({"data": str(asked)}, until="prepare"), RunRequest({"data": str(asked)}, champion=True)):
        print_useful(quiet, place)
    assert capsys.readouterr().out == ""
    with pytest.raises(AssertionError, match="tried again"):
        print_useful(RunRequest({"data": str(asked), "context": "office"}), place)


def test_a_file_that_cannot_be_tried_stops_no_run(settings, tmp_path):
    place = replace(settings, places=replace(settings.places, runs=tmp_path / "runs", models=tmp_path / "models"))
    rows = "".join(f"word{n} here,greet,{'ab'[n % 2]}x\n" for n in range(60))
    (tmp_path / "one.csv").write_text(f"text,intent,team\n{rows}")
    assert useful_columns(str(tmp_path / "one.csv"), choose(place, str(tmp_path / "one.csv"))[1], place) == []


@pytest.mark.long
def test_a_run_says_it_at_its_end(project, mlbot):
    """After the verdict, before the next step; the model of that run is what it was asked for, without the column."""
    done = mlbot("run", "--data", write(project / "asked.csv"), "--no-release")
    assert done.returncode in (0, 1), done.stderr
    assert re.search(r"note:   column team looks useful: .*; add --context team\n(more:.*\n)?next:", done.stdout), done.stdout
    begun = mlbot("new", "my-bot", "--data", project / "asked.csv")
    assert "write context = team into settings.ini [data]" in begun.stdout, begun.stdout + begun.stderr
