"""Promote, push and pull that die before any of their file operations leave everything whole, and go on when run again.

`benchmarks/crashes.py` kills the other commands so, and counts what SQLite and the store do to files as well.
"""

import json
import os
import shutil
import time

import pytest

from mlbot.model.artefact import read_artefact
from mlbot.model.registry import add_history, history, is_intact, keep_judgement, unjudged_record
from mlbot.model.rollout import promote, read_pointer, released_names
from mlbot.ops.replicate import pull, push, read_releases, settle
from mlbot.storage import open_objects
from tests.dying import each_death
from tests.ops.test_replicate import with_other

FACTS = {"who": "ann", "why": "to try"}


@pytest.fixture
def pair(released):
    """A folder of models with the champion and a second model, which may be promoted."""
    models = released / "models"
    with_other(models)
    champion = read_pointer(models)
    other = next(name for name in released_names(models) if name != champion)
    keep_judgement(models, other, unjudged_record(FACTS), "")
    return models, champion, other


def begun(folder) -> list[str]:
    """Files and folders that have not got their name, a day after they were begun, when the next one was written."""
    usual = (".lock", ".key", ".run")
    return [str(path.relative_to(folder)) for path in folder.rglob("*")
            if (path.name.startswith(".") and path.name not in usual) or path.name.endswith("#1")]


def a_day_later(folder) -> None:
    """Make every file look a day older."""
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (time.time() - 86_400,) * 2)


def copies(source, tmp_path):
    """Prepares a copy of a folder for death k."""
    def prepare(k):
        shutil.rmtree(tmp_path / f"death{k - 1}", ignore_errors=True)
        return shutil.copytree(source, tmp_path / f"death{k}")
    return prepare


def test_a_promote_that_dies_anywhere_leaves_one_whole_champion_and_can_be_said_again(pair, tmp_path):
    models, champion, other = pair
    deaths, seen = 0, set()
    for _, folder in each_death(lambda at: promote(at, other, FACTS), copies(models, tmp_path)):
        deaths += 1
        now = read_pointer(folder)
        seen.add(now)
        assert now in (champion, other) and is_intact(folder / now, now) and read_artefact(folder / now).name == now
        assert all(json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines())
        a_day_later(folder)
        settle(folder)
        promote(folder, other, FACTS)
        assert read_pointer(folder) == other == history(folder)[-1]["model"]
        assert len([entry for entry in history(folder) if entry["why"] == "to try"]) in (1, 2)
        assert not begun(folder), begun(folder)
    assert deaths >= 5 and seen == {champion, other}


@pytest.mark.long
def test_a_push_that_dies_anywhere_is_carried_whole_by_the_next_one(pair, tmp_path):
    models, champion, other = pair
    promote(models, other, FACTS)
    account = tmp_path / "account"
    account.mkdir()
    deaths = 0

    def both(at):
        return at / "models", open_objects(str(at / "account"))
    (tmp_path / "start").mkdir()
    shutil.copytree(models, tmp_path / "start" / "models")
    shutil.copytree(account, tmp_path / "start" / "account")
    for _, folder in each_death(lambda at: push(*both(at)), copies(tmp_path / "start", tmp_path)):
        deaths += 1
        here, objects = both(folder)
        for entry in read_releases(objects):  # what is named there can be fetched: a server takes it over
            server = folder / f"server {entry['model']}"
            server.mkdir(exist_ok=True)
            pull(server, objects)
            assert is_intact(server / read_pointer(server), read_pointer(server))
        a_day_later(folder)
        push(here, objects)
        assert [entry["model"] for entry in read_releases(objects)][-1] == other
        last = folder / "last"
        last.mkdir()
        pull(last, objects)
        assert read_pointer(last) == other and is_intact(last / other, other)
        assert not begun(folder / "account"), begun(folder / "account")
    assert deaths >= 5


def test_a_pull_that_dies_anywhere_serves_what_was_served_and_ends_when_it_is_said_again(pair, tmp_path):
    models, champion, other = pair
    start = tmp_path / "start"
    shutil.copytree(models, start / "office")
    objects = open_objects(str(start / "account"))
    push(start / "office", objects)
    (start / "server").mkdir()
    pull(start / "server", objects)
    promote(start / "office", other, FACTS)
    push(start / "office", objects)

    def work(at):
        pull(at / "server", open_objects(str(at / "account")))
    deaths, seen = 0, set()
    for _, folder in each_death(work, copies(start, tmp_path)):
        deaths += 1
        server = folder / "server"
        now = read_pointer(server)
        seen.add(now)
        assert now in (champion, other) and is_intact(server / now, now)
        a_day_later(folder)
        work(folder)
        assert read_pointer(server) == other == history(server)[-1]["model"] and is_intact(server / other, other)
        assert not begun(server), begun(server)
    assert deaths >= 5 and seen == {champion, other}


def test_a_torn_last_line_of_the_history_is_taken_back(pair):
    models, _, _ = pair
    whole = history(models)
    with open(models / "history.jsonl", "a") as file:
        file.write('{"model": "abc')
    assert history(models) == whole
    add_history(models, {"when": "now", "model": "0123456789ab", "why": "next"})
    assert [entry["why"] for entry in history(models)] == [*(entry["why"] for entry in whole), "next"]
