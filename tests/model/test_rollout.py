"""The model that answers: complete or the old one, never one that answers otherwise than when it was judged."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.model.artefact import POINTER
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.registry import history, release
from mlbot.model.rollout import (
    CANARY,
    Canary,
    Live,
    check_golden,
    golden_file,
    is_chosen,
    previous,
    promote,
    read_canary,
    read_pointer,
    released_names,
    set_canary,
    write_golden,
)
from mlbot.model.train import train
from mlbot.settings import load_settings

SETTINGS = load_settings()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder with two released models; the second is the champion."""
    folder = tmp_path_factory.mktemp("models") / "models"
    sample = read_utterances(sample_file(), Columns(context=("role", "location")), SETTINGS.data)
    sides = split(sample, SETTINGS.data)
    for penalty in (1.0, 0.3):
        settings = replace(SETTINGS.model, penalty=penalty)
        artefact = to_artefact(train(sides.train, ["role", "location"], settings), settings, {})
        write_golden(folder, Predictor(artefact), sides.test)
        release(artefact, folder, {"who": "ada", "why": f"penalty {penalty}"})
    return folder


@pytest.fixture
def models(stored, tmp_path):
    shutil.copytree(stored, tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def names(models):
    return released_names(models)


def test_it_follows_the_champion_and_says_what_it_cannot_load(models, names):
    live = Live(models)
    assert live.follow() and live.current.name == names[1] and not live.follow()
    promote(models, names[0], {"who": "ada"})
    assert live.follow() and live.current.name == names[0] and live.swaps == 2
    for content in ("../../etc/passwd", "x" * 300, "0123456789ab", "", "\x00"):
        (models / POINTER).write_text(content)
        live.follow()
        assert live.current.name == names[0]
        assert live.alert or not content.strip()
    (models / POINTER).write_text(names[1])
    live.follow()
    assert live.current.name == names[1] and not live.alert


@pytest.mark.parametrize("damage", [
    lambda file: file.write_bytes(file.read_bytes()[:100]), lambda file: file.write_bytes(b""), lambda file: file.unlink(),
    lambda file: file.write_bytes(file.read_bytes()[:-1] + b"x")], ids=["cut", "empty", "gone", "flipped"])
def test_a_damaged_champion_is_refused_and_the_one_before_serves(models, names, damage):
    damage(models / names[1] / "weights.safetensors")
    live = Live(models)
    live.follow()
    assert live.current.name == names[0] and "keeps answering" in live.alert


def test_without_a_model_it_waits_for_one(tmp_path, models, names):
    live = Live(tmp_path / "empty")
    assert not live.follow() or live.current is None
    with pytest.raises(InputError, match="no model yet"):
        live.model_for("c1")
    live.every = 0.01
    live.start()
    shutil.copytree(models, tmp_path / "new")
    os.rename(tmp_path / "new", tmp_path / "empty")
    for _ in range(300):
        if live.current:
            break
        time.sleep(0.01)
    live.stop()
    assert live.model_for("c1").name == names[1]


def test_a_model_that_answers_otherwise_than_when_it_was_released_is_refused(models, names):
    golden = json.loads(golden_file(models, names[0]).read_text())
    assert len(golden) > 5
    golden[3]["confidence"] += 0.01
    golden_file(models, names[0]).write_text(json.dumps(golden))
    with pytest.raises(InputError, match="as when it was released"):
        promote(models, names[0], {"who": "ada"})
    assert read_pointer(models) == names[1] and len(history(models)) == 2
    golden_file(models, names[0]).unlink()
    assert check_golden(models, Live(models).load(names[0])) == 0


def test_promote_and_roll_back_are_written_down_and_the_second_of_two_is_told(models, names):
    with pytest.raises(InputError, match="by now"):
        promote(models, names[0], {"who": "bob"}, expected=names[0])
    won, told = [], []

    def try_to(who):
        try:
            promote(models, names[0], {"who": who, "why": "better"}, expected=names[1])
            won.append(who)
        except InputError as problem:
            told.append(problem.found)
    threads = [threading.Thread(target=try_to, args=(who,)) for who in ("ada", "bob", "eve")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and len(told) == 2 and history(models)[-1]["who"] == won[0]
    assert previous(models) == names[1] and (models / names[1]).is_dir()  # the way back is never deleted
    with pytest.raises(InputError):
        promote(models, "../../etc", {})
    with pytest.raises(InputError):
        promote(models, "0123456789ab", {})


def test_killed_at_any_moment_of_a_promote_the_champion_is_complete(models, names):
    script = ("import sys; from pathlib import Path; from mlbot.model.rollout import promote\n"
              "print('ready', flush=True)\n"
              "while True:\n    for name in sys.argv[2:]: promote(Path(sys.argv[1]), name, {'who': 'killed'})")
    seen = set()
    for wait in range(60):  # as many as a busy machine needs until a promote has come between two kills
        if wait >= 6 and len(seen) > 1:
            break
        process = subprocess.Popen([sys.executable, "-c", script, str(models), *names], stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(0.013 * wait + 0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        live = Live(models)
        live.follow()
        assert live.current.name == read_pointer(models) and not live.alert
        assert all(entry["model"] in names for entry in history(models))
        seen.add(len(history(models)))
    assert len(seen) > 1
    promote(models, names[0], {"who": "after"})  # no lock is left behind


def test_a_canary_answers_its_share_always_the_same_conversations(models, names):
    live = Live(models)
    set_canary(models, Canary(names[0], 0.25, 1.0, "ada"))
    live.follow()
    about = [f"c{number}" for number in range(2000)]
    chosen = [live.model_for(name).name == names[0] for name in about]
    assert 0.21 < sum(chosen) / 2000 < 0.29 and chosen == [is_chosen(name, 0.25) for name in about]
    assert live.other_than(names[0]).name == names[1] and live.other_than(names[1]).name == names[0]
    set_canary(models, None)
    live.follow()
    assert live.canary is None and live.other_than(names[1]) is None and live.model_for("c1").name == names[1]


def test_a_shadow_is_asked_about_all_and_answers_nobody(models, names, mlbot, tmp_path, monkeypatch):
    (tmp_path / "settings.ini").write_text(f"[places]\nmodels = {models}\n")
    monkeypatch.chdir(tmp_path)
    assert "answers none" in mlbot("promote", names[0], "--shadow", "--why", "to look").stdout
    live = Live(models)
    live.follow()
    about = [f"c{number}" for number in range(500)]
    assert {live.model_for(name).name for name in about} == {names[1]} and live.other_than(names[1]).name == names[0]
    assert "is asked no more" in mlbot("rollback", "--why", "seen enough").stdout and read_canary(models) is None


def test_a_canary_that_cannot_be_tried_is_not(models, names):
    live = Live(models)
    set_canary(models, Canary(names[0], 0.5, 1.0))
    (models / names[0] / "vocabulary.json").write_text("{}")
    live.follow()
    assert live.canary is None and "canary" in live.alert and live.model_for("c1").name == names[1]
    for content in ("[]", "{", '{"model": "../x", "share": 1, "since": 0}',
                    f'{{"model": "{names[0]}", "share": 7, "since": 0}}'):
        (models / CANARY).write_text(content)
        assert read_canary(models) is None


def test_swaps_under_load_no_request_sees_anything_but_one_whole_model(models, names):
    live, problems, stop = Live(models), [], threading.Event()
    live.follow()
    right = {name: Live(models).load(name).predict("I need a new card", role="sales").confidence for name in names}
    assert right[names[0]] != right[names[1]]

    def ask():
        while not stop.is_set():
            answer = live.model_for("c1").predict("I need a new card", role="sales")
            if answer.confidence != right[answer.model]:
                problems.append(answer)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    loaded = {name: live.load(name) for name in names}
    live.load = loaded.get
    for number in range(300):
        (models / POINTER).write_text(names[number % 2])
        live.follow()
        assert live.current.name == names[number % 2]
    stop.set()
    for thread in threads:
        thread.join()
    assert not problems and live.swaps == 301


def test_what_could_not_be_loaded_is_tried_again(models, names, monkeypatch):
    from mlbot.model import rollout as _live
    monkeypatch.setattr(_live, "AGAIN", 0.0)
    os.rename(models / names[1], models / "away")
    os.rename(models / names[0], models / "away0")
    live = Live(models)
    live.follow()
    assert live.current is None and live.alert
    os.rename(models / "away", models / names[1])
    assert live.follow() and live.current.name == names[1] and not live.alert and not live.follow()


@pytest.mark.parametrize("content", [
    "{", "5", "[5]", '[{"text": 5}]', '[{"text": "x", "context": 5, "intent": "y", "confidence": 1}]'])
def test_golden_answers_that_cannot_be_read_are_an_alert_and_not_the_end(models, names, content):
    golden_file(models, names[1]).write_text(content)
    live = Live(models)
    live.follow()
    assert live.current.name == names[0] and live.alert


def test_odd_histories_and_canaries_do_not_stop_it(models, names):
    with open(models / "history.jsonl", "a") as file:
        file.write('{"model": 5, "when": 7}\n[]\n{"model": null, "when": ""}\n')
    (models / CANARY).write_text('{"model": 5, "share": "x", "since": []}')
    (models / POINTER).write_text("0123456789ab")
    live = Live(models)
    live.follow()
    assert live.current.name in names and live.trial is None
