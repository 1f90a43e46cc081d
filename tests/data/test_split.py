"""A test row is a test row for ever: nothing but the words of its text decides its side."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.split import held_out, place, sent_again, side_of, split
from mlbot.data.table import Columns, build_utterances, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.settings import load_settings
from mlbot.text import similar as near
from mlbot.text.clean import digest, key
from mlbot.text.similar import near_pairs

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
SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]


def words(n, seed=0):
    """Texts of five made-up words each, of which no two are near each other."""
    random = np.random.default_rng(seed)
    return [" ".join("".join(random.choice(SYLLABLES, 3)) for _ in range(5)) for _ in range(n)]


TEXTS = words(800)


@pytest.fixture(scope="module")
def before():
    return split(table(TEXTS), DATA)


@pytest.mark.parametrize("change", ["appended", "in front", "deleted", "re-ordered", "relabelled", "other context",
                                    "re-sent"])
def test_no_old_test_text_is_ever_trained_on(before, change):
    random = np.random.default_rng(1)
    new = words(50, 1)
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
    lone = [text for text in words(99, 2) if side_of(text) == "test"][:2]
    utterances = table([*TEXTS, *lone], [*(["a", "b"] * 400), "rare", "rare"])
    with pytest.raises(InputError, match="rare 0"):
        split(utterances, DATA)
    parts = split(utterances, replace(DATA, tiny="set_aside"))
    assert not len(parts.set_aside) and set(parts.test.loc[parts.test["intent"] == "rare", "text"]) == set(lone)


def test_test_rows_of_intents_that_are_set_aside_stay_in_the_score():
    """A model without the intent cannot answer them: each counts as wrong, and the findings say how many there are."""
    few = [*[text for text in words(99, 9) if side_of(text) == "test"][:2], "only one row to train on"]
    assert side_of(few[-1]) == "train"
    parts = split(table([*TEXTS, *few], [*(["a", "b"] * 400), *["rare"] * 3]), replace(DATA, tiny="set_aside"))
    assert parts.set_aside["text"].tolist() == few[-1:] and "rare" not in set(parts.train["intent"])
    assert (parts.test["intent"] == "rare").sum() == 2
    told = [finding for finding in parts.findings if "does not learn" in finding.what]
    assert [(finding.n, finding.examples) for finding in told] == [(1, ("rare",)), (2, ("rare",))]
    assert told[0].what == "intents that the model does not learn" and "each counts as wrong" in told[1].what


def test_an_intent_that_is_set_aside_without_a_test_row_is_counted_too():
    """Its only row is on the training side, so the accuracy cannot see it: the findings must."""
    parts = split(table([*TEXTS, "only one row to train on"], [*(["a", "b"] * 400), "rare"]), replace(DATA, tiny="set_aside"))
    assert [(finding.n, finding.examples) for finding in parts.findings if "not learn" in finding.what] == [(1, ("rare",))]


def test_tiny_intents_are_refused_with_what_would_be_left_and_not_where_nothing_would_be():
    texts, lone = TEXTS[:40], ["buy a boat", "sell a boat", "rent a boat"]
    with pytest.raises(InputError) as refused:
        split(table([*texts, *lone], [*(["a", "b"] * 20), "buy", "sell", "rent"]), DATA)
    assert "(3 of 5): " in refused.value.found and "go on with 2 intents and " in refused.value.action
    assert "--tiny set_aside" in refused.value.action
    for rule in ("refuse", "set_aside"):
        with pytest.raises(InputError) as refused:
            split(table([*texts, *lone], [*(["a"] * 40), "buy", "sell", "rent"]), replace(DATA, tiny=rule), learn=True)
        assert "of 4 intents 1 has 2 different training texts or more" in refused.value.found
        assert "set_aside" not in refused.value.action


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
    assert len(parts.set_aside) == 0
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
    train = split(grouped(TEXTS, [f"person {n // 8}" for n in range(len(TEXTS))]), DATA).train
    chosen = held_out(train)
    assert 0.05 < chosen.mean() < 0.4 and not set(train["group"][chosen]) & set(train["group"][~chosen])


NEAR = [("how do i submit an expense claim", "how to submit an expense claim"),
        ("our folder disappeared please restore it", "our team folder has disappeared please restore it"),
        ("i need to register for a training", "how to register for a training")]


def test_a_training_text_that_is_nearly_a_test_text_is_set_aside_whatever_comes_first():
    """By its own hash the side of a test text never moves; the training text gives way."""
    across = [pair for pair in (NEAR + [(f"{a} now", f"{b} now") for a, b in NEAR]) if len({*map(side_of, pair)}) == 2]
    assert across
    for order in (1, -1):
        texts = [*TEXTS[:200], *(text for pair in across for text in pair)][::order]
        parts = split(table(texts, ["a", "b"] * len(texts)), DATA)
        reasons = parts.set_aside.set_index("text")["reason"]
        for pair in across:
            train, test = sorted(pair, key=side_of, reverse=True)
            assert test in set(parts.test["text"]) and reasons[train] == "text is nearly one of the test side"
    assert "rows set aside: text is nearly one of the test side" in " ".join(map(str, parts.findings))


def test_a_published_split_keeps_near_texts_and_counts_them():
    texts = [*NEAR[0], *TEXTS[:20]]
    parts = split(table(texts, ["a", "b"] * 11, sides=["train", "test", *["train"] * 10, *["test"] * 10]), DATA, given=True)
    assert len(parts.set_aside) == 0
    assert "1  training rows that are nearly test rows, kept as published" in " ".join(map(str, parts.findings))


def test_what_is_held_out_is_not_nearly_what_is_trained_on():
    texts = [f"{text} {word}" for text in words(60, 3) for word in ("now", "today please", "thanks", "asap")]
    train = split(table(texts, ["a", "b"] * len(texts)), DATA, 5).train
    chosen = held_out(train)
    pairs = near_pairs(list(map(key, train["text"])))
    assert len(pairs) > 100 and 0 < chosen.sum() < len(train)
    assert (chosen[pairs[:, 0]] == chosen[pairs[:, 1]]).all()


def rows_of(texts, groups=None):
    frame = pd.DataFrame({"text": texts, "group": groups or [""] * len(texts), "reason": ""}, dtype=object)
    return frame.assign(digest=np.fromiter(map(digest, texts), np.uint64, len(texts)))


NOTHING = rows_of([]).assign(family=np.zeros(0, np.uint64), life="")


def twisted(random, texts):
    """Near texts of some of these: a word more, a word less, a typing error."""
    found = []
    for text in random.choice(texts, 40):
        parts = text.split()
        kind = random.integers(3)
        at = random.integers(len(parts))
        found.append(" ".join([*parts, "now"] if kind == 0 else parts[:at] + parts[at + 1:] if kind == 1 else
                              [*parts[:at], parts[at][:-1] or "x", *parts[at + 1:]]))
    return found


@pytest.mark.long
@pytest.mark.parametrize("with_groups", [False, True])
def test_over_many_batches_no_side_ever_moves_and_no_near_pair_stands_on_both(with_groups):
    """Twenty batches of new, near, re-sent and re-ordered texts, in groups or not; brute force looks at every pair."""
    random, known, seen = np.random.default_rng(4), NOTHING, {}
    for number in range(20):
        texts = words(60, 100 + number)
        texts += twisted(random, texts)
        texts += twisted(random, list(known["text"])) + list(random.choice(known["text"], 20)) if len(known) else []
        texts = list(random.permutation(texts))
        groups = [f"person {random.integers(60)}" if with_groups and random.random() < 0.7 else "" for _ in texts]
        placed = place(rows_of(texts, groups), known)
        assert placed.equals(place(rows_of(texts, groups), known.sample(frac=1, random_state=number)))
        again = place(rows_of(texts, groups).iloc[::-1], known).iloc[::-1]
        assert again["life"].tolist() == placed["life"].tolist() and again["family"].tolist() == placed["family"].tolist()
        known = pd.concat([known, placed[placed["reason"] == ""]], ignore_index=True)
        for value, side in zip(placed["digest"], placed["life"], strict=True):
            assert with_groups or seen.setdefault(value, side) in (side, "")
    sides = known.groupby("digest")["life"].agg(set)
    assert all(len(side) == 1 for side in sides)
    texts = known.drop_duplicates("digest")
    pairs = near_pairs(list(map(key, texts["text"])))
    life = texts["life"].to_numpy()
    assert len(pairs) > 500 and (life[pairs[:, 0]] == life[pairs[:, 1]]).all()
    if with_groups:
        assert all(len(side) == 1 for side in known[known["group"] != ""].groupby("group")["life"].agg(set))
    assert 0.15 < (known["life"] == "test").mean() < (0.5 if with_groups else 0.35)  # quarantine takes training rows first


@pytest.mark.long
def test_over_ten_years_a_quarter_is_for_testing():
    """A batch a month: the share stays where the hash allows, and every text stays where it was."""
    known = NOTHING
    for month in range(120):
        texts = words(25, 1000 + month)
        placed = place(rows_of([*texts, *(f"{text} please" for text in texts[:5])]), known)
        known = pd.concat([known, placed], ignore_index=True)
    share, n = (known["life"] == "test").mean(), len(known)
    assert abs(share - 0.25) < 3 * (0.25 * 0.75 / (n / 1.3)) ** 0.5


def test_a_relabelled_a_reordered_and_a_resent_row_never_moves():
    texts = words(200, 5)
    seed = place(rows_of(texts), NOTHING)
    sides = dict(zip(texts, seed["life"], strict=True))
    shuffled = list(np.random.default_rng(6).permutation(texts))
    again = place(rows_of([text.upper() + "!" for text in shuffled]), seed)
    assert again["life"].tolist() == [sides[text] for text in shuffled]


def test_what_is_held_out_is_not_nearly_trained_on_in_another_group_either():
    texts = [f"{text} {word}" for text in words(60, 7) for word in ("now", "now a")]
    frame = rows_of(texts, [f"group {at}" for at in range(len(texts))])
    chosen = held_out(frame)
    pairs = near_pairs(list(map(key, frame["text"])))
    assert len(pairs) >= 55 and (chosen[pairs[:, 0]] == chosen[pairs[:, 1]]).all() and 0 < chosen.mean() < 0.6


def test_the_newest_batch_is_red_only_for_test_texts_that_were_there_before():
    known = table([*TEXTS[:200]])
    sides = split(known, DATA)
    again = list(sides.test["text"][:5])
    both = table([*TEXTS[:200], *again])
    batches = ["old"] * 200 + ["new"] * 5
    group = next(name for name in (f"g{at}" for at in range(99)) if side_of(name) == "train")
    stray = replace(both, rows=both.rows.assign(batch=batches, group=[""] * 200 + [group] * 5), newest="new")
    assert sent_again(stray, split(stray, DATA)).tolist() == [True] * 5
    fresh = replace(stray, rows=stray.rows.assign(batch="new"))
    assert not sent_again(fresh, split(fresh, DATA)).any()          # nothing was there before


@pytest.mark.parametrize("part_at", [0, 1, 400])
def test_the_join_of_near_texts_is_that_of_brute_force(monkeypatch, part_at):
    """Small vocabularies, so that groups are parted early and whole texts are what others have in common."""
    monkeypatch.setattr(near, "PART_AT", part_at)
    random = np.random.default_rng(11)
    for percent in (30, 50, 70, 85):
        texts = [" ".join(random.choice(["vpn", "a", "card", "cards", "b", "new", "x1"], random.integers(1, 6)))
                 for _ in range(80)]
        grams = [{f" {text} "[at:at + 3] for at in range(len(text))} for text in texts]
        wanted = [[one, other] for one in range(80) for other in range(one + 1, 80)
                  if 100 * len(grams[one] & grams[other]) >= percent * len(grams[one] | grams[other])]
        assert near_pairs(texts, percent).tolist() == wanted
        assert near.near_pairs_between(texts[:40], texts[40:], percent).tolist() == [pair for pair in wanted if pair[1] >= 40]
