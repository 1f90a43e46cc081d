"""Settings are tried on training rows only, within a time, by processes or a cluster alike; luck is not taken for a gain."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.chunked import INSIDE
from mlbot.data.split import joined, split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.errors import InputError, OutOfTime
from mlbot.model import search as searching
from mlbot.model import train as modelling
from mlbot.model.encoder import Encoder, load_encoder
from mlbot.model.encoder_files import write_tiny_encoder
from mlbot.model.search import SEARCH_SPACE, Trial, assign_folds, candidates, checked_values, search, try_fold, with_settings
from mlbot.model.train import answers_of_seeds, train
from mlbot.settings import load_settings

SETTINGS = load_settings()
SIDES = split(read_utterances(sample_file(), Columns(context=("role", "location")), SETTINGS.data), SETTINGS.data)
ROWS, CONTEXT = SIDES.train, ["role", "location"]
POOR = replace(SETTINGS.model, characters=(1, 1), words=(3, 3))


def table(found):
    return [(trial.changes(SETTINGS.model), {fold: right.tolist() for fold, right in sorted(trial.right.items())})
            for trial in found.trials]


def test_candidates_differ_in_what_makes_a_difference_and_begin_with_the_present():
    light = candidates(SETTINGS.model, 30, CONTEXT)
    assert light[0] == SETTINGS.model and len(light) == 31 and len(set(light)) == 31
    assert {one.encoder_weight for one in light} == {SETTINGS.model.encoder_weight}
    assert len({one.context_weight for one in light}) > 1
    assert {one.context_weight for one in candidates(SETTINGS.model, 30, [])} == {SETTINGS.model.context_weight}
    assert len({one.encoder_weight for one in candidates(replace(SETTINGS.model, tier="static"), 30, [])}) == 3
    few = {"penalty": (1.0, 2.0)}
    assert len(candidates(SETTINGS.model, 30, [], choices=few)) == 2  # there are no more


def test_poor_settings_are_found_out_and_a_third_goes_on(monkeypatch):
    heard = []
    found = search(ROWS, CONTEXT, POOR, tries=8, folds=3, tell=heard.append)
    assert found.complete and found.better and found.gain.low > 0
    assert found.best.score().value > found.trials[0].score().value + 0.1
    assert sorted(len(trial.right) for trial in found.trials) == [1] * 5 + [3] * 4
    assert len(heard) == 9 + 4 * 2 and {"characters", "words"} & set(found.best.changes(POOR))
    asked = np.concatenate([found.groups[fold] for fold in range(3)])
    assert len(asked) == len(ROWS) == found.trials[0].score().n  # each training row once, and no other


def test_rows_that_belong_together_share_a_fold():
    units = joined(ROWS)
    folds = assign_folds(units, 4)
    assert pd.DataFrame({"unit": units, "fold": folds}).groupby("unit")["fold"].nunique().max() == 1
    assert set(folds) == {0, 1, 2, 3}


def test_luck_is_not_taken_for_a_gain():
    """Trials that answer by the same chance: the best of them is ahead, and not surely."""
    better = 0
    for seed in range(40):
        dice = np.random.default_rng(seed)
        trials = [Trial(replace(SETTINGS.model, seed=at), {0: dice.random(300) < 0.8}) for at in range(2)]
        better += searching.SearchResult(trials, {0: np.arange(300)}, True).better
    assert better <= 3


def test_the_best_of_many_equal_trials_is_not_taken_for_better():
    """Twenty settings that are equally good in truth, and differ by chance on 6 % of the rows."""
    better = 0
    for seed in range(100):
        dice = np.random.default_rng(seed)
        now = dice.random(1200) < 0.85
        rights = [now, *(np.where(dice.random(1200) < 0.06, dice.random(1200) < 0.85, now) for _ in range(20))]
        trials = [Trial(replace(SETTINGS.model, seed=at), {0: right}) for at, right in enumerate(rights)]
        better += searching.SearchResult(trials, {0: np.arange(1200)}, True).better
    assert better <= 6


def test_a_fold_is_answered_by_a_model_that_has_not_seen_it():
    """With labels that no rule could know, only a model that has seen the rows is right."""
    lottery = ROWS.assign(intent=np.random.default_rng(0).choice(["a", "b", "c", "d"], len(ROWS)))
    found = search(lottery, CONTEXT, SETTINGS.model, tries=1, folds=2)
    assert found.trials[0].score().value < 0.45


def test_settings_that_leave_no_term_lose_and_end_nothing():
    tiny = pd.DataFrame({"text": ["alpha", "beta", "gamma", "delta"], "intent": ["x", "y", "x", "y"]})
    folds, hopeless = np.array([0, 1, 1, 0]), replace(SETTINGS.model, min_count=3)
    assert not try_fold(1, 0, tiny, folds, [], hopeless, None)[2].any()
    with pytest.raises(InputError, match="is left from 2 rows"):
        try_fold(0, 0, tiny, folds, [], hopeless, None)


@pytest.mark.parametrize("text", ["[model]\nPenalty = 1\n", "[model]\n  penalty = 1\n", "  [model]\nseed = 1\n",
                                  "[model]\npenalty =\n# high\n    1\n"])
def test_a_file_that_is_written_in_an_unusual_way_is_left_as_it_is(text):
    with pytest.raises(InputError, match="has an unusual format"):
        checked_values(text, "model", {"penalty": 4.0})
    assert checked_values("[model]\npenalty = 1\n", "model", {"penalty": 4.0}) == "[model]\npenalty = 4\n"


@pytest.fixture(scope="module")
def cluster():
    """The address of a Dask scheduler with two worker processes."""
    from distributed import LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as running:
        yield running.scheduler_address


@pytest.mark.long
def test_processes_and_a_cluster_find_the_same(cluster):
    alone = search(ROWS, CONTEXT, SETTINGS.model, tries=3, folds=2)
    both = search(ROWS, CONTEXT, SETTINGS.model, tries=3, folds=2, workers="2")
    assert table(alone) == table(both)
    many = search(ROWS, CONTEXT, SETTINGS.model, tries=3, folds=2, workers=cluster)
    assert table(many) == table(alone)


def test_other_seeds_answer_the_same_by_processes_and_by_a_cluster(cluster, monkeypatch):
    """Each seed is a training of its own, so who trains it decides nothing; each is heard of in its order."""
    heard = {"1": [], "2": [], cluster: []}
    found = {by: answers_of_seeds(ROWS, CONTEXT, SETTINGS.model, SIDES.test, 2, workers=by, done=heard[by].append)
             for by in heard}
    for answers in found.values():
        assert {name: list(those) for name, those in answers.items()} == \
            {name: list(those) for name, those in found["1"].items()}
    assert list(found["1"]) == ["seed 1", "seed 2"]
    assert all(said == ["seed 1: trained", "seed 2: trained"] for said in heard.values())
    second = train(ROWS, CONTEXT, replace(SETTINGS.model, seed=2)).predict(SIDES.test)
    assert list(found["1"]["seed 2"]) == list(second)
    monkeypatch.setenv(INSIDE, "1")  # work inside of work asks no cluster, least of all the one whose worker it holds
    assert list(answers_of_seeds(ROWS, CONTEXT, SETTINGS.model, SIDES.test, 1, workers="tcp://nowhere:1")) == ["seed 1"]


@pytest.mark.long
def test_an_encoder_goes_with_the_work(tmp_path):
    folder = write_tiny_encoder(tmp_path / "tiny", set(" ".join(ROWS["text"]).lower().split()))
    model = replace(SETTINGS.model, tier="static", encoder=str(folder))
    encoder = load_encoder(str(folder), ROWS["text"].head(5))
    found = search(ROWS, CONTEXT, model, tries=2, folds=2, workers="2", encoder=encoder)
    assert found.complete and table(found) == table(search(ROWS, CONTEXT, model, tries=2, folds=2, encoder=encoder))


@pytest.mark.long
@pytest.mark.parametrize("tier", ["static", "encoder"])
def test_processes_ask_an_encoder_about_each_text_once(tmp_path, monkeypatch, tier):
    """It is asked here, before the processes start; they are given a folder, in the place that was named, and leave none."""
    folder = write_tiny_encoder(tmp_path / "tiny", set(" ".join(ROWS["text"]).lower().split()))
    model = replace(SETTINGS.model, tier=tier, encoder=str(folder))
    encoder, shared = load_encoder(str(folder), ROWS["text"].head(5)), []
    real = modelling.share_vectors
    monkeypatch.setattr(modelling, "share_vectors", lambda *words: shared.append(words) or real(*words))
    monkeypatch.setattr(Encoder, "__reduce__", None)  # whoever sends it to a process would fail
    found = search(ROWS, CONTEXT, model, tries=2, folds=2, workers="2", encoder=encoder, folder=tmp_path / "search")
    assert found.complete and len(shared) == 1 and set(ROWS["text"]) <= set(shared[0][1])
    assert shared[0][2].parent == tmp_path / "search" and not list((tmp_path / "search").iterdir())
    search(ROWS, CONTEXT, model, tries=1, folds=2, encoder=encoder)
    assert len(shared) == 1  # one process needs no file


def test_the_time_is_kept(monkeypatch):
    with pytest.raises(OutOfTime, match="before the present settings"):
        search(ROWS, CONTEXT, SETTINGS.model, minutes=1e-6)
    real, started = searching.try_fold, []

    def slow(number, fold, *words):
        started.append((number, fold))
        clock[0] += 25 if number else 1
        return real(number, fold, *words)
    clock = [0.0]
    monkeypatch.setattr(searching, "try_fold", slow)
    monkeypatch.setattr(searching.time, "monotonic", lambda: clock[0])
    late = search(ROWS, CONTEXT, SETTINGS.model, tries=3, folds=2, minutes=1.275)
    assert not late.complete and len(late.trials[0].right) == 2 and len(started) < 4 + 2 and late.best is late.trials[0]


def test_too_few_rows_for_the_folds_are_refused():
    with pytest.raises(InputError, match="3 training rows in 4 folds"):
        search(ROWS.head(3), CONTEXT, SETTINGS.model)


@pytest.mark.parametrize("before, after", [
    ("[model]\npenalty = 1\n", "[model]\npenalty = 4\n"),
    ("[model]  # mine\npenalty: 1 # high\n  2\nseed = 0", "[model]  # mine\npenalty = 4\nseed = 0"),
    ("[data]\npenalty = 9\n", "[data]\npenalty = 9\n\n[model]\npenalty = 4\n"),
    ("[model]\n", "[model]\npenalty = 4\n"),
    ("", "[model]\npenalty = 4\n"),
])
def test_settings_are_written_into_their_place_and_nothing_else_changes(before, after):
    assert with_settings(before, "model", {"penalty": 4.0}) == after


def test_the_command_shows_a_table_and_a_picture_and_writes_only_what_is_better(project, mlbot):
    now = "[data]\nsource = sample\n[model]\n# poor\ncharacters = 1 1\nwords = 3 3\n"
    (project / "settings.ini").write_text(now)
    shown = mlbot("search", "--tries", "6", "--folds", "3")
    assert shown.returncode == 0 and "next:   write these lines there" in shown.stdout, shown.stdout + shown.stderr
    assert (project / "settings.ini").read_text() == now
    assert "sample: 338 training rows of 12 intents, 3 folds" in shown.stdout
    assert len(pd.read_csv(project / "search" / "search.csv")) == 7
    assert (project / "search" / "search.png").read_bytes()[:4] == b"\x89PNG"
    written = mlbot("search", "--tries", "6", "--folds", "3", "--write")
    assert written.returncode == 0 and "written to settings.ini" in written.stdout
    chosen = load_settings(project).model
    assert chosen.characters in SEARCH_SPACE["characters"] and "source = sample" in (project / "settings.ini").read_text()
    again = mlbot("search", "--tries", "2", "--folds", "3", "--write")
    assert again.returncode == 0 and re.search(r"nothing is surely better|better than now", again.stdout)
    for words, code in ((("--tries", "0"), 2), (("--minutes", "0.000001"), 4), (("nowhere.csv",), 2)):
        assert mlbot("search", *words).returncode == code
