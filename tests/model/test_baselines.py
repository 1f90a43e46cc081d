"""The model is put beside what one would pick instead, on any data, and what cannot be measured is said."""

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.errors import InputError, NoVerdict
from mlbot.gates.test_budget import LEDGER
from mlbot.model import contest as contests
from mlbot.model.baselines import CONTENDERS, ENCODED, LentVectors, choose_head
from mlbot.model.contest import (
    Entry,
    Skipped,
    advise_tier,
    area_under_roc,
    compare_entries,
    contest,
    contest_table,
    entry_record,
    held_out_parts,
    measure,
    portions,
    share_refused,
    usual_names,
    vectors_lent,
)
from mlbot.model.encoder_files import write_tiny_encoder
from mlbot.settings import load_settings
from mlbot.stats.scores import share

SETTINGS = load_settings()
CONTEXT = ["role", "location"]
SIDES = split(read_utterances(sample_file(), Columns(context=tuple(CONTEXT)), SETTINGS.data), SETTINGS.data)
TEST = portions(SIDES, "test")


@cache
def measured(name: str) -> Entry:
    """An entry of the sample's test rows."""
    return measure(name, TEST, CONTEXT, SETTINGS.model, timed=5)


def made_up(name: str, right, microseconds: float = 100.0, size: float = 1.0) -> Entry:
    """An entry that was right on these rows."""
    right = np.asarray(right, bool)
    return replace(measured("majority"), name=name, accuracy=share("accuracy", right), right=right,
                   groups=np.arange(len(right)), microseconds=microseconds, size=size)


def missed(every: int, n: int = 400, start: int = 0) -> np.ndarray:
    """Flags of rows: each so-many-th is wrong."""
    return np.arange(start, n + start) % every > 0


# ---- which rows are asked

def test_held_out_training_rows_are_asked_and_no_test_row():
    parts = portions(SIDES)
    asked = pd.concat([portion.asked for portion in parts])
    assert sorted(asked["digest"]) == sorted(SIDES.train["digest"])
    assert not asked["digest"].isin(SIDES.test["digest"]).any()
    for portion in parts:
        assert not portion.train["digest"].isin([*portion.asked["digest"], *SIDES.test["digest"]]).any()


def test_near_duplicates_are_held_out_together():
    texts = [f"{verb} the {noun} now" for verb in ("open", "lend", "find") for noun in ("badge", "room", "ledger", "window")]
    rows = SIDES.train.head(0).reindex(range(24)).assign(text=[text + end for text in texts for end in ("", "!")])
    rows["digest"] = np.arange(24, dtype=np.uint64) * 7919
    part = held_out_parts(rows)
    assert (part[::2] == part[1::2]).all() and set(part) <= set(range(5))


def test_many_rows_are_asked_a_fifth_of_and_few_in_turn(monkeypatch):
    assert len(portions(SIDES)) == 5
    monkeypatch.setattr(contests, "ENOUGH_HELD_OUT", 40)
    one, = portions(SIDES)
    assert len(one.asked) >= 40 and len(one.train) + len(one.asked) == len(SIDES.train)


def test_rows_of_an_intent_that_cannot_be_learnt_are_asked_and_count_as_wrong():
    """A single row of an intent is held out at some time, and nobody can be right there."""
    lone = SIDES.train.head(1).assign(text="paint the moon", intent="lone", digest=np.uint64(3))
    parts = portions(replace(SIDES, train=pd.concat([SIDES.train, lone], ignore_index=True)))
    asked = pd.concat([portion.asked for portion in parts])
    assert (asked["intent"] == "lone").sum() == 1 and not any("lone" in set(portion.train["intent"]) for portion in parts)
    entry = measure("majority", parts, CONTEXT, SETTINGS.model, timed=1)
    assert entry.accuracy.n == len(SIDES.train) + 1 and not entry.right[(asked["intent"] == "lone").to_numpy()].any()


def test_without_a_row_there_is_nothing_to_ask():
    with pytest.raises(InputError, match="no test row in scope"):
        portions(replace(SIDES, test=SIDES.test.iloc[:0]), "test")
    with pytest.raises(InputError, match="no training row in scope"):
        portions(replace(SIDES, train=SIDES.train.iloc[:0]))


def test_rows_out_of_scope_are_held_out_too():
    strange = pd.DataFrame({"text": [f"{verb} the {noun}" for verb in ("sing", "paint", "cook") for noun in
                                     ("moon", "soup", "song", "rose")], "intent": "oos", "role": "", "location": "",
                            "side": "train", "digest": np.arange(12, dtype=np.uint64) * 104729})
    parts = portions(replace(SIDES, out_of_scope=strange))
    assert sorted(text for portion in parts for text in portion.outside["text"]) == sorted(strange["text"])
    assert all(len(portion.strange) + len(portion.outside) == 12 for portion in parts)


# ---- what is measured

def test_the_area_under_the_roc_curve_is_that_of_scikit_learn():
    from sklearn.metrics import roc_auc_score
    draws = np.random.default_rng(0)
    inside, outside = draws.integers(0, 9, 300) + 1.0, draws.integers(0, 9, 80) + 0.0
    truth = np.r_[np.ones(300), np.zeros(80)]
    assert area_under_roc(inside, outside) == pytest.approx(roc_auc_score(truth, np.r_[inside, outside]))


def test_refused_is_the_share_out_of_scope_at_five_percent_false_alarms():
    sure = np.arange(100) / 100
    assert share_refused(sure, np.array([0.0, 0.04, 0.06, 0.9])) == 0.5
    assert np.isnan(share_refused(sure, np.zeros(0))) and np.isnan(share_refused(np.zeros(0), sure))


def test_rows_out_of_scope_are_told_apart_by_the_score():
    strange = pd.DataFrame({"text": ["qqq www eee", "xyz", "lorem ipsum dolor"] * 20, "intent": "oos", "role": "",
                            "location": "", "side": "test"})
    parts = portions(replace(SIDES, out_of_scope=strange), "test")
    ours, always = (measure(name, parts, CONTEXT, SETTINGS.model, timed=5) for name in ("mlbot light", "majority"))
    assert ours.auroc > 0.9 and ours.refused > 0.8 and ours.accuracy.value > 0.9
    assert ours.seconds > 0 and ours.microseconds > 0 and 0.1 < ours.size < 5
    assert np.isnan(always.auroc) and np.isnan(always.refused) and always.accuracy.value < 0.2


def test_a_model_that_has_learnt_what_is_out_of_scope_is_scored_by_that():
    """With training rows out of scope, ours is judged by its probability to be in scope, the others by their confidence."""
    nouns = ("moon", "soup", "song", "rose", "tower")
    said = [f"{verb} the {noun}" for verb in ("sing", "paint", "cook", "dance") for noun in nouns]
    asked = [f"please {verb} that {noun}" for verb in ("sing", "paint", "cook") for noun in ("song", "soup", "rose")]
    strange = pd.DataFrame({"text": said + asked, "intent": "oos", "role": "", "location": "",
                            "side": ["train"] * len(said) + ["test"] * len(asked)})
    taught = portions(replace(SIDES, out_of_scope=strange), "test")
    names = ("mlbot light", "TF-IDF + logistic regression")
    ours, theirs = (measure(name, taught, CONTEXT, SETTINGS.model, timed=5) for name in names)
    assert (ours.score, theirs.score) == ("in scope", "confidence")
    untaught = portions(replace(SIDES, out_of_scope=strange[strange["side"] == "test"]), "test")
    plain = measure("mlbot light", untaught, CONTEXT, replace(SETTINGS.model, scope_alarms=0.0), timed=5)
    assert plain.score == "confidence" and ours.auroc > plain.auroc


@pytest.mark.parametrize("name", ["TF-IDF + logistic regression", "TF-IDF + linear SVM"])
def test_recipes_see_the_context_where_there_is_some(name):
    """Two roles say the same and mean different things."""
    rows = pd.DataFrame({"text": [f"{word} card" for word in ("my", "the", "a", "new", "old", "lost") for _ in range(2)],
                         "role": ["sales", "guest"] * 6, "intent": ["expense", "badge"] * 6})
    asked = [{"role": "sales"}, {"role": "guest"}]
    with_context, blind = (CONTENDERS[name](rows, context, SETTINGS.model, longest=5000) for context in (["role"], []))
    assert with_context.answer(["this card"] * 2, asked)[0].tolist() == ["expense", "badge"]
    assert len(set(blind.answer(["this card"] * 2, asked)[0])) == 1
    assert (with_context.sees, blind.sees) == ("text, context", "text")


def test_the_better_recipe_is_better_and_a_head_is_chosen_by_rows_it_has_not_seen():
    usual, better = measured("TF-IDF + logistic regression"), measured("TF-IDF + linear SVM")
    assert better.accuracy.value > usual.accuracy.value > measured("majority").accuracy.value
    draws = np.random.default_rng(1)
    rings = np.repeat([1.0, 3.0], 60)[:, None] * np.stack([np.cos(angle := draws.uniform(0, 7, 120)), np.sin(angle)], axis=1)
    assert not choose_head(rings, np.repeat(["in", "out"], 60), seed=0).startswith("logistic")  # no line parts two rings


# ---- what is missing, fails or dies

def test_a_contender_that_fails_is_said_and_ours_is_an_error(monkeypatch):
    monkeypatch.setitem(contests.CONTENDERS, "no such library", None)
    monkeypatch.setitem(contests.NEEDS, "no such library", ("no_such_library", "x"))
    told, = contest(TEST, CONTEXT, SETTINGS.model, names=["no such library"])
    assert str(told) == "no such library needs a library that is not installed: python3 -m pip install x"
    nothing = portions(replace(SIDES, train=SIDES.train.iloc[:1]), "test")
    with pytest.raises(InputError, match="1 intents"):
        list(contest(nothing, CONTEXT, SETTINGS.model, names=["mlbot light"]))
    with pytest.raises(InputError, match="did you mean fastText"):
        list(contest(TEST, CONTEXT, SETTINGS.model, names=["fasttext"]))


def test_without_an_encoder_those_that_need_one_say_so_and_how_to_get_it():
    lost = Skipped("team/nowhere", "failed (no encoder 'team/nowhere')", "correct encoder")
    told = list(contest(TEST, CONTEXT, SETTINGS.model, names=ENCODED, lent=lost))
    assert {item.name for item in told} == set(ENCODED) and {item.action for item in told} == {"correct encoder"}
    with vectors_lent(ENCODED, TEST, replace(SETTINGS.model, encoder="/no/such/folder")) as found:
        assert isinstance(found, Skipped) and "no encoder" in found.why and found.action


def test_a_death_is_no_verdict(monkeypatch):
    monkeypatch.setattr(contests, "_work", die)
    with pytest.raises(NoVerdict, match="process of mlbot light ended"):
        list(contest(TEST, CONTEXT, SETTINGS.model, names=["mlbot light"]))


def die(*words):
    import os
    os._exit(9)


@pytest.mark.long
def test_each_contender_with_an_encoder_runs_on_lent_vectors(tmp_path):
    words = sorted(set(" ".join(SIDES.train["text"]).lower().split()))
    folder = write_tiny_encoder(tmp_path / "tiny", words, width=16)
    model = replace(SETTINGS.model, encoder=str(folder))
    with vectors_lent(ENCODED, TEST, model) as lent:
        assert isinstance(lent, LentVectors)
        found = {entry.name: entry for entry in contest(TEST, CONTEXT, model, names=ENCODED, lent=lent)}
    assert set(found) == set(ENCODED) and all(isinstance(entry, Entry) for entry in found.values()), found
    assert min(found[name].accuracy.value for name in ("mlbot static", "mlbot encoder")) > 0.6
    assert found["mlbot static"].size < found["mlbot encoder"].size


# ---- row by row, and which tier

def test_contenders_are_compared_on_the_same_rows():
    best, worse = made_up("best", missed(100)), made_up("worse", missed(10))
    found = compare_entries(worse, best)
    assert (found.gained, found.lost) == (0, 36) and found.worse and found.p < 0.001
    assert str(found) == "+0 -36, p < 0.001" and found.gain.value == pytest.approx(-0.09)
    assert not compare_entries(best, worse).worse and str(compare_entries(best, best)) == "+0 -0, p 0.500"
    table = contest_table([worse, best]).splitlines()
    assert "  best" in table[1] and table[1].startswith("best") and "p < 0.001 *" in table[2]


@pytest.mark.parametrize(("wrong", "times", "taken"), [
    ((10, 100, 200), (50, 60, 5000), "static"),     # light is surely worse, and static is not
    ((80, 100, 100), (50, 60, 5000), "light"),      # nothing is surely better than the cheapest
    ((10, 12, 200), (50, 60, 5000), "encoder"),     # both cheap ones are surely worse
    ((100, 100, 100), (60, 60, 60), "light"),       # equal in time: the smallest
])
def test_the_cheapest_tier_that_is_not_surely_worse_is_recommended(wrong, times, taken):
    entries = [made_up(f"mlbot {tier}", missed(every), time, size) for tier, every, time, size in
               zip(("light", "static", "encoder"), wrong, times, (1.0, 10.0, 30.0), strict=True)]
    advice = advise_tier([made_up("majority", missed(2)), *entries])
    assert advice.tier == taken and not advice.beaten_by
    assert {"encoder": "surely better than what is cheaper", "static": "not surely worse"}.get(taken, "it ") in advice.why


def test_a_recipe_that_beats_every_tier_is_named_and_no_recipe_is_recommended():
    advice = advise_tier([made_up("mlbot light", missed(8)), made_up("TF-IDF + linear SVM", missed(300))])
    assert advice.tier == "light" and advice.beaten_by == "TF-IDF + linear SVM"
    assert advise_tier([made_up("TF-IDF + linear SVM", missed(300))]) is None


def test_a_record_has_numbers_or_nothing():
    record = json.loads(json.dumps(entry_record(measured("majority"), measured("TF-IDF + linear SVM")), allow_nan=False))
    assert record["auroc"] is None and record["against_best"]["surely_worse"] and record["against_best"]["lost"] > 10
    assert "mlbot light, text alone" in usual_names(CONTEXT) and "mlbot light, text alone" not in usual_names([])


# ---- the command

def test_the_command_asks_training_rows_recommends_a_tier_and_counts_no_decision(project, mlbot):
    names = ["majority", "mlbot light"]
    done = mlbot("benchmark", "sample", "--only", *names)
    assert done.returncode == 0, done.stderr
    shares = {line[:30].strip(): float(re.search(r"0\.\d{3}", line)[0])
              for line in done.stdout.splitlines() if re.search(r" us .* MB$", line)}
    assert shares["majority"] < shares["mlbot light"]
    assert "338 training rows" in done.stdout and "no test row is looked at" in done.stdout
    assert "recommended: tier = light" in done.stdout and "\n  tier = light\n" in done.stdout
    assert not (project / "models" / LEDGER).exists()
    wrong = mlbot("benchmark", "sample", "--only", "mlbt")
    assert wrong.returncode == 2 and not wrong.stdout.startswith(" ")


def test_asking_the_test_rows_counts_as_a_decision_for_each_contender_once(project, mlbot):
    done = mlbot("benchmark", "sample", "--on", "test", "--only", "majority", "TF-IDF + logistic regression", "--json")
    assert done.returncode == 0 and (project / "models" / LEDGER).exists(), done.stderr
    told = json.loads(done.stdout)
    assert told["on"] == "test" and "judged on them, 2 so far" in told["asked"] and told["recommended"] is None
    assert [entry["name"] for entry in told["entries"]] == ["majority", "TF-IDF + logistic regression"]
    again = mlbot("benchmark", "sample", "--on", "test", "--only", "majority", "--json")
    assert "judged on them, 2 so far" in json.loads(again.stdout)["asked"]


def test_tiny_intents_are_set_aside_in_a_benchmark_too_and_their_rows_are_named(project, mlbot):
    rows = [f"{verb} the {noun},{verb}" for verb in ("open", "lend") for noun in
            ("badge", "room", "ledger", "bicycle", "drawer", "printer", "camera", "locker", "ticket", "window")]
    (project / "mine.csv").write_text("\n".join(["text,intent", *rows, "paint it blue,paint"]))
    refused = mlbot("benchmark", "mine.csv", "--only", "majority")
    assert refused.returncode == 2 and "the same command with --tiny set_aside" in refused.stderr
    done = mlbot("benchmark", "mine.csv", "--only", "majority", "--tiny", "set_aside")
    assert done.returncode == 0 and "does not learn: paint" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("mlbot run --data mine.csv --tiny set_aside")


def test_long_texts_are_answered_and_the_next_step_knows_the_columns(project, mlbot):
    with open(project / "settings.ini", "a") as settings:
        settings.write("max_characters = 20000\n")
    rows = "".join(f"word{at} {'so long ' * (900 * (at % 3))},intent {at % 2},r\n" for at in range(60))
    (project / "long.csv").write_text("text,label,role\n" + rows)
    done = mlbot("benchmark", "long.csv", "--intent", "label", "--context", "role", "--only", "mlbot light")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("mlbot run --data long.csv --intent label --context role")
