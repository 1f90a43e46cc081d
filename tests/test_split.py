"""A test row is a test row for ever: nothing but the words of its text decides its side."""

import numpy as np
import pytest

from mlbot.data import Columns, build_utterances, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.settings import load_settings
from mlbot.split import side_of, split

DATA = load_settings().data


def table(texts, intents=None, roles=None, sides=None):
    """Utterances from lists."""
    n = len(texts)
    values = {"text": list(texts), "intent": list(intents or ["a", "b"] * n)[:n], "line": list(range(2, n + 2)),
              "role": list(roles or ["x"] * n)}
    if sides:
        values["side"] = list(sides)
    return build_utterances(values, Columns(context=("role",)), DATA, "test")


def test_texts_of(parts):
    return set(parts.test["text"])


test_texts_of.__test__ = False
TEXTS = [f"utterance {n} about {word}" for n in range(400) for word in ("badges", "leave")]


@pytest.fixture(scope="module")
def before():
    return split(table(TEXTS), DATA)


@pytest.mark.parametrize("change", ["appended", "in front", "deleted", "re-ordered", "relabelled", "other context",
                                    "re-sent"])
def test_no_old_test_text_is_ever_trained_on(before, change):
    random = np.random.default_rng(1)
    new = [f"new text {n}" for n in range(50)]
    texts, intents, roles = TEXTS, None, None
    if change == "appended":
        texts = TEXTS + new
    elif change == "in front":
        texts = new + TEXTS
    elif change == "deleted":
        texts = TEXTS[100:]
    elif change == "re-ordered":
        texts = list(random.permutation(TEXTS))
    elif change == "relabelled":
        intents = list(random.choice(["a", "b", "c"], len(TEXTS)))
    elif change == "other context":
        roles = list(random.choice(["x", "y"], len(TEXTS)))
    elif change == "re-sent":
        texts = TEXTS + [text.upper() + "!" for text in TEXTS]
    after = split(table(texts, intents, roles), DATA)
    assert not test_texts_of(before) & set(after.train["text"])
    assert not set(after.train["digest"]) & set(after.test["digest"])


def test_a_quarter_of_the_texts_is_for_testing(before):
    assert abs(len(before.test) / len(TEXTS) - 0.25) < 0.04
    assert len(before.test) + len(before.train) == len(TEXTS)


def test_the_side_is_written_down_for_ever():
    """If one of these moves, the test sets of all users have moved into their training."""
    texts = ["I need a badge", "where is my payslip", "I am sick today", "order a laptop"]
    assert [side_of(text) for text in texts] == ["train", "test", "train", "train"]
    assert [n for n in range(40) if side_of(f"text {n}") == "test"] == OF_FORTY


OF_FORTY = [0, 8, 22, 37, 38]


def test_the_order_of_the_file_does_not_change_the_training_rows(before):
    after = split(table(TEXTS[::-1], ["b", "a"] * len(TEXTS)), DATA)
    assert after.train["text"].tolist() == before.train["text"].tolist()


def test_a_published_split_is_kept_and_its_leaks_are_set_aside():
    texts = ["one text", "two texts", "One text!", "three texts", "four texts", "five", "six", "seven"]
    sides = ["train", "train", "test", "train", "oos_train", "test", "val", "train"]
    parts = split(table(texts, ["a", "b", "a", "b", "a", "b", "a", "a"], sides=sides), DATA, given=True)
    assert parts.set_aside["text"].tolist() == ["one text"]
    assert set(parts.test["text"]) == {"One text!", "five"} and set(parts.validation["text"]) == {"six"}


def test_rows_out_of_scope_are_kept_apart():
    texts = [f"text {n}" for n in range(40)]
    parts = split(table(texts, ["a", "b", "oos", "a"] * 10), DATA)
    assert len(parts.out_of_scope) == 10
    assert "oos" not in set(parts.train["intent"]) | set(parts.test["intent"])


def test_an_intent_left_without_training_rows_stops_the_run_or_is_set_aside():
    from dataclasses import replace
    lone = [text for text in (f"rare {n}" for n in range(99)) if side_of(text) == "test"][:2]
    utterances = table([*TEXTS, *lone], [*(["a", "b"] * 400), "rare", "rare"])
    with pytest.raises(InputError, match="rare 0"):
        split(utterances, DATA)
    parts = split(utterances, replace(DATA, tiny="set_aside"))
    assert set(parts.set_aside["text"]) == set(lone) and "rare" not in set(parts.test["intent"])


def test_the_sample_has_its_texts_on_one_side_each():
    parts = split(read_utterances(sample_file(), Columns(context=("role", "location")), DATA), DATA)
    assert not {text.lower() for text in parts.train["text"]} & {text.lower() for text in parts.test["text"]}


def grouped(texts, groups, intents=None):
    """Utterances from lists, with a group each."""
    n = len(texts)
    values = {"text": list(texts), "intent": list(intents or ["a", "b"] * n)[:n], "line": list(range(2, n + 2)),
              "role": ["x"] * n, "group": list(groups)}
    return build_utterances(values, Columns(context=("role",), group="group"), DATA, "test")


def test_rows_of_a_group_stay_on_one_side_whatever_their_texts():
    groups = [f"person {n // 8}" for n in range(len(TEXTS))]
    parts = split(grouped(TEXTS, groups), DATA)
    assert not set(parts.train["group"]) & set(parts.test["group"])
    assert set(parts.test["group"]) == {group for group in groups if side_of(group) == "test"}
    again = split(grouped(TEXTS[::-1] + ["a new text"], groups[::-1] + ["person 0"]), DATA)
    assert set(parts.test["text"]) <= set(again.test["text"]) and not set(parts.test["text"]) & set(again.train["text"])


def test_a_row_without_a_group_is_dealt_by_its_text(before):
    parts = split(grouped(TEXTS, [""] * len(TEXTS)), DATA)
    assert test_texts_of(parts) == test_texts_of(before)


def test_the_spelling_of_a_group_does_not_part_it():
    spelt = ["Team One", "team one", " TEAM  ONE ", "team\u00a0one"] * 50
    parts = split(grouped(TEXTS[:200] + TEXTS[200:], spelt + ["other"] * 600), DATA)
    assert len({row["side"] for _, row in [*parts.train.iterrows(), *parts.test.iterrows()] if row["group"] != "other"}) == 1


def test_a_text_of_a_test_group_is_not_trained_on_in_another_group():
    test, train = (next(name for name in (f"group {n}" for n in range(99)) if side_of(name) == side)
                   for side in ("test", "train"))
    texts = ["the same words", "The same words!", *TEXTS[:40]]
    parts = split(grouped(texts, [test, train, *[train] * 40]), DATA)
    assert parts.set_aside["text"].tolist() == ["The same words!"]
    assert not set(parts.train["digest"]) & set(parts.test["digest"])


def test_what_is_held_out_for_choosing_keeps_groups_together():
    from mlbot.split import held_out
    train = split(grouped(TEXTS, [f"person {n // 8}" for n in range(len(TEXTS))]), DATA).train
    chosen = held_out(train)
    assert 0.05 < chosen.mean() < 0.4 and not set(train["group"][chosen]) & set(train["group"][~chosen])
