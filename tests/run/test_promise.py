"""A reader hears when the test keeps less than held-out training rows promise, and why."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.split import group_digests
from mlbot.model.train import train
from mlbot.run.examination import Answers, promise_warning, weigh_promise
from mlbot.run.folder import save_json
from mlbot.run.training import PROMISE, Material, save_promise
from mlbot.settings import load_settings
from mlbot.stats.scores import share
from mlbot.text.clean import digest

SETTINGS = load_settings()
THINGS = "badge card phone laptop screen mouse printer cable parking locker".split()


def scored(right: int, n: int):
    return share("accuracy", np.arange(n) < right)


def rows_of(frames: list[str], asks: dict[str, str]) -> pd.DataFrame:
    """A row for each frame, thing and intent; what is asked about a thing decides the intent."""
    texts = [(frame.format(f"{word} {thing}"), intent)
             for frame in frames for thing in THINGS for intent, word in asks.items()]
    rows = pd.DataFrame(texts, columns=["text", "intent"])
    return rows.assign(digest=[digest(text) for text in rows["text"]])


REPEATS = rows_of(["please {}", "please {} now", "please {} today", "so please {}"], {"lost": "misplaced", "new": "order"})


def exam(folder, train_rows, test_rows) -> str:
    """What a run of these rows would say."""
    material = Material(folder, train_rows, train_rows[:0], test_rows, [], np.array([], np.uint64), {})
    pipeline = train(train_rows, [], SETTINGS.model)
    promise = save_promise(pipeline, material)
    assert promise.n == len(train_rows)
    right = pipeline.predict(test_rows) == test_rows["intent"].to_numpy()
    return weigh_promise(folder, Answers(test_rows, np.zeros((0, 0)), np.zeros(0), right, group_digests(test_rows)))


def test_rows_that_repeat_each_other_promise_more_than_the_test_keeps(tmp_path):
    """Each training row has near-duplicates in other folds; the test asks in other words."""
    other = rows_of(["I {}", "can you {} soon"], {"lost": "cannot find my", "new": "would like another"})
    said = exam(tmp_path, REPEATS, other)
    assert said.startswith("held-out training rows promise 100% (n=80), the test keeps ") and "confidence is too high" in said
    assert "Believe the test" in said and "unlike your training rows" in said
    save_json([{"rows": 64, **scored(10, 20).as_dict()}], tmp_path / "learning_curve.json")
    assert "your training rows repeat each other" in exam(tmp_path, REPEATS, other)


def test_a_test_like_the_training_rows_keeps_the_promise(tmp_path):
    assert exam(tmp_path, REPEATS, rows_of(["please {} at once"], {"lost": "misplaced", "new": "order"})) == ""


@pytest.mark.parametrize("promise, test, warned", [
    (scored(910, 1000), scored(840, 1000), True), (scored(910, 1000), scored(88, 100), False),  # too few to be sure
    (scored(4550, 5000), scored(4400, 5000), False),  # surely less, and by 3 points only
    (scored(84, 100), scored(91, 100), False), (scored(0, 0), scored(5, 10), False)])
def test_only_a_sure_and_large_difference_is_said(promise, test, warned):
    assert bool(promise_warning(promise, test)) is warned


def test_a_classifier_without_held_out_rows_is_compared_by_its_curve(tmp_path):
    rows, none = REPEATS.head(40), np.zeros(0)
    answers = Answers(rows, np.zeros((0, 0)), none, np.arange(40) < 20, group_digests(rows))
    assert weigh_promise(tmp_path, answers) == ""
    save_json(None, tmp_path / PROMISE)
    save_json([{"rows": 900, **scored(190, 200).as_dict()}], tmp_path / "learning_curve.json")
    assert "promise 95% (n=200), the test keeps 50% (n=40)" in weigh_promise(tmp_path, answers)
    assert weigh_promise(tmp_path, replace(answers, right=none.astype(bool))) == ""
