"""What each step of the split answers in single cases: a number, a side, a reason, a batch."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.split import (
    FEW_AGAIN,
    HELD,
    HOLDS,
    IS_HELD,
    IS_HOLDING,
    IS_NEAR,
    KEPT,
    LEAKED,
    NEARLY,
    QUARANTINE,
    USUAL_HELD,
    Counted,
    Sides,
    Touch,
    apart,
    assign_sides,
    brought_back,
    clashes,
    count_sides,
    count_training,
    decide_sides,
    follow,
    group_digests,
    group_families,
    held_by_those_set_aside,
    held_out,
    holding_again,
    is_sealed,
    joined,
    kept_side,
    leaked,
    leaks_of,
    near_test,
    part,
    place,
    reasons_of_sides,
    sent_again,
    shares,
    shortest_held,
    side_numbers,
    side_of,
    sides_of_known,
    split,
    texts_of,
    too_few,
    touching,
)
from mlbot.data.table import Finding, Utterances
from mlbot.errors import InputError
from mlbot.settings import load_settings
from mlbot.text.clean import bare_digest, digest

DATA = load_settings().data
SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
DICE = np.random.default_rng(12)
TEXTS = [" ".join("".join(DICE.choice(SYLLABLES, 3)) for _ in range(5)) for _ in range(120)]  # no two are near each other
TEST, TRAIN = ([text for text in TEXTS if side_of(text) == side] for side in ("test", "train"))
ENDS = [" ".join("".join(DICE.choice(SYLLABLES, 3)) for _ in range(6)) for _ in range(40)]
LAST = {24: "w141", 25: "w45", 99: "w287", 0: "w265"}  # words by the last two digits of their number


def near(text, side):
    """A text that is nearly this one, and by its own words for this side."""
    return next(found for found in (f"{text} {word}" for word in "now please today again thanks hello".split())
                if side_of(found) == side)


def around(text, side):
    """A text that holds this one whole and is not near it, by its own words for this side."""
    return next(found for found in (f"{text} {end}" for end in ENDS) if side_of(found) == side)


def table(texts, **columns):
    """Rows with digests, and more columns."""
    rows = pd.DataFrame({"text": list(texts), **columns}, dtype=object)
    return rows.assign(digest=np.array([digest(text) for text in texts], np.uint64))


def numbered(*numbers):
    """Rows whose numbers a store has decided."""
    return pd.DataFrame({"family": np.array(numbers, np.uint64)})


def known(texts, life, family=None, group=""):
    """Rows of a store."""
    rows = table(texts, life=life, group=group, reason="")
    return rows.assign(family=np.array(family or [bare_digest(text) for text in texts], np.uint64))


def new(texts, **columns):
    """Rows that come to a store."""
    return table(texts, **({"group": "", "reason": ""} | columns))


NOTHING = known([], [])


# ---- numbers and sides

def test_a_quarter_of_the_last_two_digits_is_for_testing():
    assert all(bare_digest(word) % 100 == digits for digits, word in LAST.items())
    assert [side_of(LAST[digits]) for digits in (0, 24, 25, 99)] == ["test", "test", "train", "train"]
    assert [side_of(LAST[25], percent) for percent in (0, 25, 26, 100)] == ["train", "train", "test", "test"]
    assert side_of(LAST[99], 99) == "train" and side_of(LAST[0], 1) == "test" and side_of(LAST[0], 0) == "train"
    for text in TEXTS[:20]:
        last = int(str(bare_digest(text))[-2:])
        assert (side_of(text, last), side_of(text, last + 1)) == ("train", "test")


def test_the_number_of_a_text_is_that_of_its_words_without_marks_and_signs():
    rows = table(["a card", "I know C++", "caf\u00e9 +", "a bill"])
    before = rows.copy()
    assert digest("I know C++") != bare_digest("I know C++")
    assert side_numbers(rows).tolist() == [
        digest("a card"), bare_digest("I know C"), bare_digest("caf\u00e9"), digest("a bill")]
    assert rows.equals(before)  # the digests of the rows stay as they are
    assert side_numbers(table(["a card"]).assign(digest=np.uint64(7))).tolist() == [7]  # a plain text has its digest
    assert side_numbers(rows[["digest"]]).tolist() == rows["digest"].tolist()
    assert side_numbers(rows).dtype == side_numbers(rows[:1]).dtype == np.uint64


def test_the_number_of_a_row_is_that_of_its_family_or_its_group_or_its_text():
    rows = table(["a card", "a bill", "C++"], group=["Team One", "", "team one"])
    assert group_digests(rows).tolist() == [bare_digest("team one"), digest("a bill"), bare_digest("team one")]
    assert group_digests(rows.assign(group="")).tolist() == side_numbers(rows).tolist()
    assert group_digests(rows.drop(columns="group")).tolist() == side_numbers(rows).tolist()
    assert group_digests(rows.assign(family=[3, 2, 1])).tolist() == [3, 2, 1]
    assert group_digests(rows[:0]).tolist() == [] and group_digests(rows.assign(group=None)[:0]).tolist() == []


def test_nothing_moves_a_text_from_the_side_it_had_and_what_was_trained_on_may_be_for_validation():
    side = pd.Series(["train", "test", "validation"] * 3, dtype=object)
    before = np.array(["", "", "", "train", "train", "train", "test", "test", "test"], object)
    assert kept_side(side, before).tolist() == [
        "train", "test", "validation", "train", "train", "validation", "test", "test", "test"]


def test_sides_are_dealt_by_number_or_given_or_those_of_a_store():
    rows = table([LAST[24], LAST[25]], person=["Ann", "Bob"], side=["train", "test"])
    dealt = assign_sides(rows, 25, False).set_index("text")
    assert dealt["side"].to_dict() == {LAST[24]: "test", LAST[25]: "train"} and "person" not in dealt and KEPT not in dealt
    assert assign_sides(rows, 26, False)["side"].tolist() == ["test"] * 2
    assert assign_sides(rows, 24, False)["side"].tolist() == ["train"] * 2
    assert assign_sides(rows, 25, True).set_index("text")["side"].to_dict() == {LAST[24]: "train", LAST[25]: "test"}
    stored = assign_sides(rows.assign(life="validation").drop(columns="person"), 25, False)
    assert stored["side"].tolist() == ["validation"] * 2
    families = assign_sides(rows.assign(family=np.array([125, 224], np.uint64)), 25, False).set_index("text")
    assert families["side"].to_dict() == {LAST[24]: "train", LAST[25]: "test"}
    many = assign_sides(table(TEXTS), 25, False)
    assert many["side"].tolist() == list(map(side_of, many["text"])) and set(many["side"]) == {"train", "test"}


def test_the_side_for_life_goes_before_the_split_which_says_what_it_would_have_moved():
    rows = table([LAST[24], LAST[25], LAST[99]])
    life = {digest(LAST[24]): "train", digest(LAST[25]): "train"}
    found = assign_sides(rows, 25, False, lambda digests: np.array([life.get(number, "") for number in digests], object))
    found = found.set_index("text")
    assert found["side"].to_dict() == {LAST[24]: "train", LAST[25]: "train", LAST[99]: "train"}
    assert found[KEPT].to_dict() == {LAST[24]: True, LAST[25]: False, LAST[99]: False}
    assert KEPT == " kept"


def test_the_order_depends_on_the_content_alone():
    """By digest, and equal texts by their content: neither the line nor the batch counts."""
    texts = [*TEXTS[:5], "a card", "A card!", "a card"]
    rows = table(texts).assign(line=range(8), batch=list("abcdefgh"), intent=[*"xxxxx", "c", "b", "a"])
    rows = rows[["line", "batch", "digest", "intent", "text"]]
    found = assign_sides(rows, 25, False)
    assert found["digest"].is_monotonic_increasing and found.index.tolist() == list(range(8))
    assert found[found["digest"] == digest("a card")]["intent"].tolist() == ["a", "b", "c"]
    for order in (slice(None, None, -1), [3, 7, 5, 1, 0, 6, 2, 4]):
        other = assign_sides(rows.iloc[order].assign(line=range(8), batch="z").reset_index(drop=True), 25, False)
        assert other.drop(columns=["line", "batch"]).equals(found.drop(columns=["line", "batch"]))


# ---- what leaks

def test_a_text_that_stands_on_the_test_side_leaks_from_every_other():
    rows = table(["one", "One!", "two", "three", "one"], side=["train", "test", "train", "test", "validation"])
    assert leaked(rows).tolist() == [True, False, False, False, True]
    assert not leaked(rows.assign(side="train")).any()


def test_texts_are_parted_once_and_by_digest():
    sides = ["train", "test", "train", "test", "validation", "train"]
    rows = table(["one", "One!", "two", "three", "four", "two"], side=sides)
    digests, others, test = texts_of(rows)
    apart_from = sorted(["two", "four"], key=digest)
    asked = sorted(["one", "three"], key=digest)
    assert digests.tolist() == [*map(digest, apart_from), *map(digest, asked)]
    assert others == apart_from and test == asked


def test_how_a_training_text_touches_test_texts_is_told_in_bits():
    text, long = TEXTS[0], f"{TEXTS[1]} {ENDS[0]}"
    train = [TEXTS[5], TEXTS[6], f"{text} {ENDS[1]}", TEXTS[1], near(TEXTS[2], "test"), TEXTS[7]]
    test = [long, text, TEXTS[2], TEXTS[8]]
    assert (IS_NEAR, IS_HOLDING, IS_HELD) == (1, 2, 4)
    assert touching(train, test).tolist() == [0, 0, 2, 4, 3, 0]  # what is near it by a word more holds it, too
    assert touching(train, test, whole=False).tolist() == [0, 0, 0, 0, 1, 0]
    assert touching(train, test, 0).tolist() == [0, 0, 2, 0, 2, 0]
    assert touching(train, test, 0, False).tolist() == [0] * 6 and touching(train, test, 99).tolist() == [0, 0, 2, 4, 2, 0]


def test_each_row_has_the_bits_of_its_text_and_test_rows_have_none():
    text = TEXTS[0]
    rows = table([f"{text} {ENDS[0]}", text, near(text, "test"), near(text, "test").upper(), TEXTS[3], TEXTS[4]],
                 side=["train", "test", "validation", "train", "train", "test"])
    assert leaks_of(rows).tolist() == [2, 0, 3, 3, 0, 0] and leaks_of(rows).dtype == np.uint8
    assert leaks_of(rows, 0).tolist() == [2, 0, 2, 2, 0, 0] and leaks_of(rows, whole=False).tolist() == [0, 0, 1, 1, 0, 0]
    assert near_test(rows).tolist() == [True, False, True, True, False, False]
    held = table([text, f"{text} {ENDS[0]}"], side=["train", "test"])
    assert leaks_of(held).tolist() == [4, 0] and near_test(held).tolist() == [True, False]
    near_alone = table([near(text, "test"), near(text, "train")], side=["train", "test"])
    assert leaks_of(near_alone).tolist() == [1, 0] and near_test(near_alone).tolist() == [True, False]
    leak = table([text, text.upper()], side=["train", "test"])
    assert leaks_of(leak).tolist() == [0, 0]  # an equal text is no near one: see leaked


def test_a_test_row_is_apart_from_training_when_nothing_there_touches_it():
    """Equal, near, held by training, holding a training text, and two that are not touched; one of them twice."""
    test = table([TEXTS[0], TEXTS[1], TEXTS[2], f"{TEXTS[3]} {ENDS[0]}", TEXTS[4], TEXTS[5], TEXTS[4].upper()])
    train = table([TEXTS[0].upper(), near(TEXTS[1], "test").replace(TEXTS[1].split()[0], "zu"), TEXTS[9],
                   f"{TEXTS[2]} {ENDS[1]}", TEXTS[3], TEXTS[9]])
    train = pd.concat([train, table([f"a {TEXTS[1]}"])])
    assert apart(train, test).tolist() == [False] * 4 + [True] * 3
    assert apart(train, test, whole=False).tolist() == [False, False, True, True, True, True, True]
    assert apart(train, test, 0).tolist() == [False, False, False, True, True, True, True]
    assert apart(train, test, 0, False).tolist() == [False, True, True, True, True, True, True]
    assert apart(train[:0], test).all()


def test_what_the_split_does_not_ask_exactly_is_not_asked_exactly_of_its_sides(monkeypatch):
    seen = []
    monkeypatch.setattr("mlbot.data.split.near_across", lambda train, test, *rest: (
        seen.append((train, test, *rest)) or (np.zeros(len(train), bool), np.ones(len(test), bool))))
    assert apart(table(TEXTS[:2]), table(TEXTS[2:3]), 60).tolist() == [False]
    assert seen == [(sorted(TEXTS[:2], key=digest), TEXTS[2:3], 60, 20_000, "both")] and type(seen[0][3]) is int


def test_the_worst_reason_is_told():
    rows = table(["one", *TEXTS[:7], "One!"], side=["train"] * 8 + ["test"])
    leaks = pd.Series([1, 0, 1, 2, 3, 4, 5, 6, 7], dtype=np.uint8)
    free = reasons_of_sides(rows, leaks)
    assert free.tolist() == [LEAKED, "", NEARLY, HOLDS, NEARLY, HELD, NEARLY, HOLDS, NEARLY]
    assert reasons_of_sides(rows, leaks, True).tolist() == [LEAKED, "", "", HOLDS, HOLDS, "", "", HOLDS, HOLDS]
    assert (LEAKED, NEARLY) == ("text stands on the test side", "text is nearly one of the test side")
    assert (HOLDS, HELD) == ("text holds one of the test side whole", "text stands whole in one of the test side")


def test_training_texts_are_counted_by_intent_each_once():
    rows = table(["one", "One!", "one", "two", "three", "four", "five", "six"],
                 intent=["b", "b", "a", "b", "oos", "c", "d", "a"],
                 side=["train", "train", "train", "train", "train", "test", "train", "validation"])
    reasons = pd.Series(["", "", "", "", "", "", "bad", ""], dtype=object)
    found = count_training(rows, reasons, DATA)
    assert found.to_dict() == {"a": 1, "b": 2, "c": 0, "d": 0} and found.index.tolist() == ["a", "b", "c", "d"]


def test_rows_of_small_intents_are_set_aside_and_test_rows_of_them_stay():
    data = replace(DATA, min_rows=2, tiny="set_aside")
    rows = table(list("pqrstu"), intent=["a", "a", "b", "b", "oos", "b"],
                 side=["train", "test", "train", "test", "train", "validation"])
    reasons, counts = pd.Series(["", "", "", "", "", "bad"], dtype=object), pd.Series({"a": 2, "b": 1, "oos": 0})
    small = "intent with too few training rows"
    assert too_few(rows, reasons, counts, data).tolist() == ["", "", small, "", "", small]
    with pytest.raises(InputError) as refused:
        too_few(rows, reasons, counts, replace(data, tiny="refuse"))
    assert refused.value.place == "split" and "1 has 2 different training texts or more: a 2, b 1" in refused.value.found


# ---- the whole split

def utterances(rows, **more):
    """Utterances without anything that was set aside."""
    return Utterances(rows, rows[:0].assign(reason=""), (), (), **more)


FEW = replace(DATA, min_rows=1, tiny="set_aside")


def told(parts):
    """The findings, by what they say."""
    return {finding.what: (finding.n, finding.examples) for finding in parts.findings}


def test_a_split_has_all_rows_in_its_parts_and_says_how_many():
    texts = [*TEST[:3], *TRAIN[:5], near(TEST[0], "train"), f"{TEST[1]} {TRAIN[7]}"]
    rows = table(texts, intent=["a", "b", "oos", "a", "a", "b", "b", "oos", "a", "a"])
    rows = rows[[side_of(text) == "test" or text not in TEST for text in texts]].reset_index(drop=True)
    parts = split(utterances(rows), FEW)
    assert set(parts.train["text"]) == set(TRAIN[:4]) and set(parts.test["text"]) == set(TEST[:2])
    assert len(parts.validation) == 0 and set(parts.out_of_scope["text"]) == {TEST[2], TRAIN[4]}
    assert parts.set_aside.set_index("text")["reason"].to_dict() == {texts[8]: NEARLY, texts[9]: HOLDS}
    assert all(frame.index.tolist() == list(range(len(frame))) for frame in (
        parts.train, parts.test, parts.out_of_scope, parts.set_aside))
    assert not any("index" in frame for frame in (parts.train, parts.test, parts.out_of_scope, parts.set_aside))
    assert told(parts) == {"rows to train on": (4, ()), "rows to test on": (2, ()), f"rows set aside: {NEARLY}": (1, ()),
                           f"rows set aside: {HOLDS}": (1, ())}


def test_a_split_deals_a_quarter_by_number_unless_told_otherwise():
    rows = table([LAST[24], LAST[25], LAST[99], LAST[0]], intent=["a", "b", "a", "b"])
    sizes = [len(split(utterances(rows), FEW, *percent).test) for percent in ((), (24,), (26,))]
    assert sizes == [2, 1, 3]


def test_near_rows_are_asked_for_by_percent_and_those_that_hold_others_unless_told_otherwise():
    rows = table([TEST[0], near(TEST[0], "train"), around(TEST[1], "train"), TEST[1], *TRAIN[:4]], intent=["a", "b"] * 4)
    assert len(split(utterances(rows), FEW).set_aside) == 2
    assert split(utterances(rows), FEW, whole=False).set_aside["reason"].tolist() == [NEARLY]
    assert split(utterances(rows, published=True), FEW).set_aside["reason"].tolist() == [NEARLY]
    assert split(utterances(rows), FEW, near_percent=0).set_aside["reason"].tolist() == [HOLDS] * 2
    assert len(split(utterances(rows), FEW, near_percent=0, whole=False).set_aside) == 0


def test_a_given_split_stays_and_its_near_rows_are_counted():
    turned = [f"please {TEXTS[1]} now", f"now {TEXTS[1]} please", f"please {TEXTS[2]} now", f"now {TEXTS[2]} please"]
    sides = ["train", "test"] * 2 + ["train"] * 2 + ["validation", "test"]
    rows = table([*turned, *TEXTS[5:9]], intent=["a", "b"] * 4, side=sides)
    parts = split(utterances(rows), FEW, given=True)
    assert (len(parts.train), len(parts.validation), len(parts.test), len(parts.set_aside)) == (4, 1, 3, 0)
    assert told(parts)["training rows that are nearly test rows, kept as published"] == (2, ())
    assert told(parts)["rows to validate on"] == (1, ())
    free = split(utterances(rows.drop(columns="side")), FEW)
    assert not any("kept" in what for what in told(free))


def test_rows_that_keep_the_side_of_an_earlier_model_are_counted():
    rows = table([*TEST[:3], *TRAIN[:5]], intent=["a", "b"] * 4)

    def recall(digests):
        return np.array(["train" if number in map(digest, TEST[:2]) else "" for number in digests], object)
    parts = split(utterances(rows), FEW, recall=recall)
    assert set(parts.test["text"]) == {TEST[2]} and set(TEST[:2]) < set(parts.train["text"]) and KEPT not in parts.train
    assert told(parts)["rows that keep the side they had for an earlier model, whatever the split says now"] == (2, ())
    assert not any("earlier" in what for what in told(split(utterances(rows), FEW)))


def test_rows_are_parted_by_side_and_what_is_out_of_scope_stands_alone():
    rows = table(list("pqrst"), intent=["a", "a", "b", "oos", "oos"], side=["train", "validation", "test", "train", "test"])
    found = {name: frame["text"].tolist() for name, frame in part(rows, DATA).items()}
    assert found == {"train": ["p"], "validation": ["q"], "test": ["r"], "out_of_scope": ["s", "t"]}


def test_counts_of_parts_add_up():
    one = Counted(Counter(train=3), Counter(bad=1), frozenset("ab"), Counter(a=2), 1, 2)
    other = Counted(Counter(train=1, test=5), Counter(bad=2), frozenset("bc"), Counter(a=1, d=3), 4, 6)
    assert one + other == Counted(Counter(train=4, test=5), Counter(bad=3), frozenset("abc"), Counter(a=3, d=3), 5, 8)
    assert one + Counted() == one and (Counted().kept, Counted().lifelong) == (0, 0)


def test_the_findings_of_a_split_say_what_there_is_to_say():
    assert Counted().findings() == ()
    found = Counted(Counter(train=9, validation=8, test=7, out_of_scope=6), Counter(bad=1, worse=2),
                    frozenset([*"abcdefg", "t"]), Counter(t=5, z=1, y=2, x=1, w=1, v=1, u=1), 3, 4).findings()
    assert found == (
        Finding("rows to train on", 9), Finding("rows to validate on", 8), Finding("rows to test on", 7),
        Finding("rows set aside: worse", 2), Finding("rows set aside: bad", 1),
        Finding("intents without a test row", 7, tuple("abcde")),
        Finding("intents that the model does not learn", 6, tuple("uvwxy")),
        Finding("test rows of intents that the model does not learn: each counts as wrong", 7, tuple("uvwxy")),
        Finding("training rows that are nearly test rows, kept as published", 3),
        Finding("rows that keep the side they had for an earlier model, whatever the split says now", 4))


def test_the_rows_of_each_part_are_counted():
    rows = table(list("pqrs"), intent=["a", "b", "b", "c"])
    parts = {"train": rows[:2], "validation": rows[:0], "test": rows[1:], "out_of_scope": rows[:1]}
    aside = table(list("xyz"), intent=["a", "b", "c"], reason=["bad", "bad", "worse"])
    found = count_sides(parts, aside, 5)
    assert found == Counted(Counter(train=2, validation=0, test=3, out_of_scope=1), Counter(bad=2, worse=1),
                            frozenset("ab"), Counter(b=2, c=1), 5, 0)
    assert count_sides(parts, aside, 5, 6).lifelong == 6


# ---- a store

def test_a_known_text_has_one_side_and_testing_goes_before_training():
    rows = known(["one", "two", "One!", "three", "four", "three", "two"],
                 ["train", "validation", "test", "validation", "", "train", "validation"], [5, 8, 3, 9, 1, 4, 7])
    found = sides_of_known(rows)
    assert found["digest"].tolist() == sorted(map(digest, ("one", "two", "three")))
    found = found.set_index("text")
    assert found["side"].to_dict() == {"one": "test", "two": "validation", "three": "train"}
    assert found["family"].to_dict() == {"one": 3, "two": 7, "three": 4}
    assert found["test"].to_dict() == {"one": True, "two": False, "three": False}
    assert found["train"].to_dict() == {"one": False, "two": True, "three": True}


def test_texts_touch_by_being_near_and_by_holding_and_new_ones_come_after_the_known():
    there = [TEXTS[0], f"{TEXTS[1]} {ENDS[0]}", TEXTS[2]]
    fresh = [TEXTS[1], f"{TEXTS[0]} {ENDS[1]}", TEXTS[3], f"{TEXTS[3]} {ENDS[2]}", f"a {TEXTS[2]}"]
    found = Touch.of(there, fresh, 70)
    assert found.known == 3 and found.near.tolist() == [[2, 7]]
    assert sorted(found.held.tolist()) == [[0, 4], [2, 7], [3, 1], [5, 6]]
    alone = Touch.of(there, fresh, 0)
    assert alone.near.shape == (0, 2) and alone.held.tolist() == found.held.tolist()
    one, other = Touch(np.array([[1, 2]]), np.array([[3, 4], [5, 6]]), 0).both_ways()
    assert one.tolist() == [1, 3, 5, 2, 4, 6] and other.tolist() == [2, 4, 6, 1, 3, 5]


def test_a_new_text_is_placed_by_its_number_and_one_with_a_reason_is_not():
    rows = new([LAST[24], LAST[25], "bad", LAST[24].upper()], reason=["", "", "old reason", ""])
    found = place(rows, NOTHING)
    assert found["life"].tolist() == ["test", "train", "", "test"] and found["reason"].tolist() == ["", "", "old reason", ""]
    numbers = [bare_digest(LAST[24]), bare_digest(LAST[25]), 0, bare_digest(LAST[24])]
    assert found["family"].tolist() == numbers and found["family"].dtype == np.uint64
    assert place(rows, NOTHING, 24)["life"].tolist() == ["train", "train", "", "train"]
    assert place(rows, NOTHING, 26)["life"].tolist() == ["test", "test", "", "test"]
    assert len(place(rows[:0], NOTHING)) == 0
    for text in TEXTS[:4]:
        last = int(str(bare_digest(text))[-2:])
        assert [place(new([text]), NOTHING, percent)["life"][0] for percent in (last, last + 1)] == ["train", "test"]


def test_a_known_text_comes_back_to_its_side_and_its_family():
    there = known([TEST[0], TRAIN[0], TRAIN[1]], ["train", "test", "validation"], [11, 12, 13])
    found = place(new([TEST[0], TRAIN[0].upper(), TRAIN[1]]), there)
    assert found["life"].tolist() == ["train", "test", "validation"] and found["family"].tolist() == [11, 12, 13]


def test_a_new_text_goes_where_a_known_one_near_it_is():
    there = known([TEST[0], TRAIN[0]], ["test", "train"], [7, 8])
    found = place(new([near(TEST[0], "train"), near(TRAIN[0], "test"), TRAIN[1]]), there)
    assert found["life"].tolist() == ["test", "train", "train"]
    assert found["family"].tolist() == [7, 8, bare_digest(TRAIN[1])] and (found["reason"] == "").all()
    alone = place(new([near(TEST[0], "train")]), there, near_percent=0)
    assert alone["life"].tolist() == ["test"] and alone["family"].tolist() == [7]  # it holds the known one


def test_a_new_text_between_both_sides_is_in_quarantine():
    """It holds a known test text and a known training text, and goes to neither."""
    there = known([TEST[0], TRAIN[0]], ["test", "train"])
    rows = new(["bad", f"{TRAIN[0]} {TEST[0]}", TRAIN[1]], reason=["old", "", ""])
    found = place(rows.set_index(np.array([5, 6, 7])).reset_index(drop=True), there)
    assert found["life"].tolist() == ["", "", "train"] and found["reason"].tolist() == ["old", QUARANTINE, ""]
    assert QUARANTINE == "text is near rows of both sides"


def test_new_texts_that_are_near_each_other_go_together_by_the_smallest_number():
    for text in TEXTS[:6]:
        pair = [text, f"{text} now"]
        first = min(pair, key=bare_digest)
        for order in (pair, pair[::-1]):
            found = place(new(order), NOTHING)
            assert found["life"].tolist() == [side_of(first)] * 2 and found["family"].tolist() == [bare_digest(first)] * 2


def test_a_new_text_that_holds_a_short_new_one_goes_where_that_is():
    for inner, side in ((TEST[0], "test"), (TRAIN[0], "train")):
        for outer in (around(inner, "test"), around(inner, "train")):
            assert place(new([outer, inner]), NOTHING)["life"].tolist() == [side] * 2
    both = place(new([f"{TEST[0]} {TRAIN[0]}", TEST[0], TRAIN[0]]), NOTHING)
    assert both["life"].tolist() == ["", "test", "train"] and both["reason"].tolist() == [QUARANTINE, "", ""]


def test_a_group_goes_by_its_name_unless_it_is_known():
    rows = new([TEST[0], TRAIN[0], TEST[1]], group=[LAST[25], LAST[24], ""])
    found = place(rows, NOTHING)
    assert found["life"].tolist() == ["train", "test", "test"]
    assert found["family"].tolist() == [bare_digest(LAST[25]), bare_digest(LAST[24]), bare_digest(TEST[1])]
    there = known([TRAIN[1], TRAIN[2]], ["test", "train"], group=[LAST[25], LAST[24]])
    again = place(rows, there)
    assert again["life"].tolist() == ["test", "train", "test"] and again["family"].tolist() == found["family"].tolist()


def test_a_group_moves_no_text_between_training_and_validation():
    there = known([TRAIN[0], TRAIN[1], TRAIN[2]], ["train", "validation", "validation"], group=["", "", LAST[24]])
    again = new([TRAIN[0], TRAIN[1], TRAIN[3]], group=[LAST[24]] * 3)
    assert place(again, there)["life"].tolist() == ["train", "validation", "validation"]


def test_the_side_of_a_known_group_is_that_of_its_test_rows():
    there = known(["one", "two", "three", "four", "five", "six", "seven", "eight"],
                  ["train", "test", "validation", "", "train", "test", "", "train"],
                  group=["g1", "g1", "g2", "g3", "g4", "", "g5", "g5"])
    found = group_families(new(["p", "q", "r", "s", "t", "u"], group=["g4", "g3", "g2", "g1", "g5", "g0"]), there)
    assert found.index.tolist() == ["g0", "g1", "g2", "g3", "g4", "g5"]
    assert found["life"].tolist() == ["", "test", "validation", "", "train", "train"]
    assert found["family"].tolist() == list(map(bare_digest, found.index))
    assert len(group_families(new(["p"]), there)) == 0


def test_only_the_shortest_of_held_texts_counts():
    pairs = np.array([[0, 1], [0, 2], [1, 2], [3, 2]])
    assert shortest_held(4, pairs).tolist() == [[0, 1], [0, 2], [3, 2]]
    assert shortest_held(4, pairs[:0]).tolist() == []


def test_a_published_side_holds_for_new_texts_and_not_for_known_ones():
    there = known([TEST[0], TRAIN[0], TRAIN[1]], ["test", "validation", "train"], [21, 22, 23])
    rows = new([TEST[0], TRAIN[0], TRAIN[1], TRAIN[2], TEST[1], TRAIN[3]], group=["", "", "", LAST[25], "", LAST[25]],
               side=["train", "train", "test", "test", "validation", ""])
    found = place(rows, there)
    assert found["life"].tolist() == ["test", "validation", "train", "test", "validation", "train"]
    assert found["family"].tolist() == [21, 22, 23, bare_digest(TRAIN[2]), bare_digest(TEST[1]), bare_digest(LAST[25])]
    assert (found["reason"] == "").all()


def test_a_validation_text_stays_one_in_a_group_of_training():
    there = known([TRAIN[0], TRAIN[1], TRAIN[2]], ["validation", "train", "test"])
    found = place(new(TRAIN[:4], group=LAST[25]), there)
    assert found["life"].tolist() == ["validation", "train", "", "train"]  # the test text is in no group of training
    assert found["reason"].tolist() == ["", "", QUARANTINE, ""]
    tested = place(new(TRAIN[:4], group=LAST[24]), there)
    assert tested["life"].tolist() == ["", "", "test", "test"]


def test_near_rows_of_a_published_split_stay_and_one_that_holds_a_test_text_does_not():
    turned = [f"please {TEXTS[1]} now", f"now {TEXTS[1]} please"]
    found = place(new([*turned, f"{TEXTS[2]} {ENDS[0]}", TEXTS[2]], side=["train", "test"] * 2), NOTHING)
    assert found["life"].tolist() == ["train", "test", "", "test"]
    turned_round = place(new([TEXTS[2], f"{TEXTS[2]} {ENDS[0]}"], side=["train", "test"]), NOTHING)
    assert turned_round["life"].tolist() == ["train", "test"]
    beside = place(new([turned[0]], side="train"), known([turned[1]], ["test"]))
    assert beside["life"].tolist() == [""] and beside["reason"].tolist() == [QUARANTINE]


def test_a_text_that_a_group_has_decided_is_as_good_as_known_for_those_near_it():
    text, other = TRAIN[0], near(TRAIN[0], "train")
    found = place(new([text, other], group=[LAST[24], ""]), NOTHING)
    assert found["life"].tolist() == ["test", "test"]
    assert found["family"].tolist() == [bare_digest(LAST[24]), bare_digest(text)]
    test, beside = TEST[0], near(TEST[0], "test")
    assert place(new([test, beside], group=[LAST[25], ""]), NOTHING)["life"].tolist() == ["train", "train"]


TWO = pd.DataFrame({"digest": np.array([1, 2, 3, 4], np.uint64), "family": np.array([101, 50, 110, 30], np.uint64),
                    "side": ["train", "test", "", ""], "train": [True, False, False, False],
                    "test": [False, True, False, False]})


def pairs(*found):
    """Pairs of places."""
    return np.array(found, np.int64).reshape(-1, 2)


def asked(*digests, **columns):
    """Rows of a batch by their digests."""
    rows = pd.DataFrame({"digest": np.array(digests, np.uint64), "group": "", "side": ""})
    return rows.assign(**columns)


NO_GROUPS = group_families(new([]), NOTHING)


def test_families_and_sides_are_decided_by_what_is_near():
    """Known: 101 for training and 50 for testing. New: 110 (10 of 100, so for testing by itself) and 30 (for training)."""
    for near_ones, family, life in (
            ((), [110, 30], ["test", "train"]), (([0, 2],), [101, 30], ["train", "train"]),
            (([1, 3],), [110, 50], ["test", "test"]), (([2, 3],), [110, 110], ["test", "test"]),
            (([0, 2], [2, 3]), [101, 101], ["train", "train"]), (([0, 2], [1, 3]), [101, 50], ["train", "test"]),
            (([0, 2], [1, 2]), [50, 30], ["test", "train"]), (([0, 2], [0, 3], [1, 3]), [101, 50], ["train", "test"])):
        touch = Touch(pairs(*near_ones), pairs(), 2)
        found = decide_sides(TWO, touch, asked(3, 4), NO_GROUPS, 25)
        assert (found[0].tolist(), found[1].tolist()) == (family, life), near_ones
    touch = Touch(pairs(), pairs(), 2)
    assert decide_sides(TWO, touch, asked(3, 4), NO_GROUPS, 31)[1].tolist() == ["test", "test"]
    assert decide_sides(TWO, touch, asked(3, 4), NO_GROUPS, 30)[1].tolist() == ["test", "train"]
    assert decide_sides(TWO, touch, asked(3, 4), NO_GROUPS, 10)[1].tolist() == ["train", "train"]


def test_groups_are_decided_by_the_last_two_digits_of_their_number():
    groups = pd.DataFrame({"family": np.array([124, 225, 399, 400], np.uint64), "life": ["", "", "test", "train"]},
                          index=list("abcd"))
    rows = asked(3, 4, 3, 4, group=list("abcd"))
    family, life = decide_sides(TWO, Touch(pairs(), pairs(), 2), rows, groups, 25)
    assert family.tolist() == [124, 225, 399, 400] and life.tolist() == ["test", "train", "test", "train"]


def test_a_text_that_its_group_has_decided_joins_nobody():
    """Place 4 is in a group of training. Place 2 is near it alone; 3 is near a known test text, too, and goes there."""
    texts = pd.concat([TWO, TWO[3:].assign(digest=np.uint64(5), family=np.uint64(77))], ignore_index=True)
    groups = pd.DataFrame({"family": np.array([160], np.uint64), "life": [""]}, index=["a"])
    touch = Touch(pairs([1, 3], [2, 4], [3, 4]), pairs(), 2)
    family, life = decide_sides(texts, touch, asked(3, 4, 5, group=["", "", "a"]), groups, 25)
    assert family.tolist() == [77, 50, 160] and life.tolist() == ["train", "test", "train"]


def test_a_text_that_holds_new_ones_of_both_sides_has_none():
    texts = pd.concat([TWO, TWO[3:].assign(digest=np.uint64(5), family=np.uint64(177))], ignore_index=True)
    family, life = decide_sides(texts, Touch(pairs(), pairs([2, 4], [3, 4]), 2), asked(3, 4, 5), NO_GROUPS, 25)
    assert life.tolist() == ["test", "train", ""] and family.tolist() == [110, 30, 177]


def followed(held, test, fixed=(), first=None, n=5, there=0):
    """What `follow` says of texts: which hold both sides, and the sides."""
    first = np.arange(n) if first is None else np.array(first)
    both, side = follow(Touch(pairs(), pairs(*held), there), first, np.isin(np.arange(n), test), np.isin(np.arange(n), fixed))
    return both.nonzero()[0].tolist(), side.nonzero()[0].tolist()


def test_texts_follow_the_short_ones_that_they_hold():
    assert followed([[0, 1]], [0]) == ([], [0, 1]) and followed([[0, 1]], [1]) == ([], [])
    assert followed([[0, 2], [1, 2]], [0]) == ([2], [0, 2])
    assert followed([[0, 1], [1, 2], [0, 2]], [0]) == ([], [0, 1, 2])  # of a chain the shortest says it
    assert followed([[0, 1]], [0], fixed=[1]) == ([], [0]) and followed([[0, 1]], [0], fixed=[0]) == ([], [0, 1])
    assert followed([[0, 1]], [0], first=[0, 0, 2, 3, 4]) == ([], [0])  # they go together already
    assert followed([[0, 3]], [0], first=[0, 1, 2, 2, 4]) == ([], [0, 2, 3])  # and so do those that go with it
    assert followed([[0, 3]], [0], fixed=[2], first=[0, 1, 2, 2, 4]) == ([], [0, 3])
    assert followed([[0, 2]], [0], there=1) == ([], [0]) and followed([[2, 0]], [2], there=1) == ([], [2])
    assert followed([[1, 2]], [1], there=1) == ([], [1, 2])


def test_rows_clash_that_touch_the_other_side():
    """Places 0 (known, for training) and 1 (known, for testing); new: 2 and 3."""
    def clash(life, near_ones=(), held=(), side=""):
        touch = Touch(pairs(*near_ones), pairs(*held), 2)
        return clashes(TWO, touch, asked(3, 4, side=side), np.array(life, object)).tolist()
    assert clash(["train", "test"]) == [False, False]
    for touching_by in ({"near_ones": ([1, 2],)}, {"held": ([1, 2],)}, {"held": ([2, 1],)}):
        assert clash(["train", "test"], **touching_by) == [True, False]
        assert clash(["test", "train"], **touching_by) == [False, False]
        assert clash(["train", "test"], side="train", **touching_by) == [True, False]
    for touching_by in ({"near_ones": ([0, 3],)}, {"held": ([0, 3],)}, {"held": ([3, 0],)}):
        assert clash(["train", "test"], **touching_by) == [False, True]
        assert clash(["test", "train"], **touching_by) == [False, False]
    assert clash(["train", "test"], near_ones=([2, 3],)) == [True, False]
    assert clash(["train", "test"], near_ones=([2, 3],), side="train") == [False, False]
    assert clash(["train", "test"], held=([3, 2],), side="train") == [True, False]
    assert clash(["train", "test"], held=([2, 3],), side="train") == [False, False]
    assert clash(["test", "train"], held=([2, 3],), side="train") == [False, True]
    twice = clashes(TWO, Touch(pairs(), pairs(), 2), asked(3, 3), np.array(["train", "test"], object))
    assert twice.tolist() == [True, False]  # the same text for both sides


# ---- who sends test texts again

def test_a_store_has_brought_back_what_would_be_for_training_by_itself():
    rows = table([LAST[24], LAST[25], LAST[99]])
    assert brought_back(rows).tolist() == [False] * 3
    rows = rows.assign(life="test", family=np.uint64(0)).set_index(np.array([7, 8, 9]))
    found = brought_back(rows)
    assert found.tolist() == [False, True, True] and found.index.tolist() == [7, 8, 9]
    assert brought_back(rows, 26).tolist() == [False, False, True] and brought_back(rows, 24).tolist() == [True] * 3
    assert brought_back(rows.drop(columns="family")).tolist() == [False, True, True]
    assert brought_back(rows.assign(group=LAST[24])).tolist() == [False] * 3
    for text in TEXTS[:15]:
        last = int(str(bare_digest(text))[-2:])
        assert [brought_back(table([text], life="test"), percent)[0] for percent in (last, last + 1)] == [True, False]


def sides_of(test, aside=None, reason=HOLDS):
    """Sides with a test side and rows that were set aside."""
    none = test[:0]
    return Sides(none, none, test, none, table(aside or [], reason=reason), ())


def test_test_texts_inside_those_set_aside_are_told_where_they_are_a_quarter():
    held = [around(text, "train") for text in TEXTS[1:6]]
    found = held_by_those_set_aside(sides_of(table(TEXTS[:12]), [*held[:3], TEXTS[50]]))
    assert found.tolist() == [False, True, True, True] + [False] * 8
    assert not held_by_those_set_aside(sides_of(table(TEXTS[:13]), held[:3])).any()  # 3 of 13 are usual
    assert held_by_those_set_aside(sides_of(table(TEXTS[:16]), held[:4])).sum() == 4
    assert not held_by_those_set_aside(sides_of(table(TEXTS[:4]), held[:2])).any()  # 2 are nobody's mistake
    assert held_by_those_set_aside(sides_of(table(TEXTS[:4]), held[:3], NEARLY)).sum() == 3
    assert not held_by_those_set_aside(sides_of(table(TEXTS[:4]), held[:3], LEAKED)).any()
    nothing = held_by_those_set_aside(sides_of(table(TEXTS[:4])))
    assert nothing.tolist() == [False] * 4 and (FEW_AGAIN, USUAL_HELD) == (3, 0.25)


def test_rows_of_a_batch_that_hold_test_texts_are_counted_from_a_quarter_on():
    batch = table([f"{TEXTS[1]} {TEXTS[2]} {TEXTS[3]} {ENDS[0]}", TEXTS[50], f"{TEXTS[2]} {ENDS[1]}"])
    assert holding_again(batch, table(TEXTS[:6]), 8) == 2 and holding_again(batch, table(TEXTS[:6]), 9) == 0
    assert holding_again(batch[:0], table(TEXTS[:6]), 0) == holding_again(batch, table([]), 3) == 0
    assert holding_again(batch, table(TEXTS[60:70]), 3) == 0 and holding_again(batch, table(TEXTS[:6]), 1) == 2


def came_again(batch, reason=LEAKED, test_batch="old", fresh=2, newest="new", quarantined=None, without="", test=TEXTS[:6]):
    """Who sends again: test texts were there before, and a batch has rows that were set aside and fresh ones."""
    test = table(test, batch=test_batch)
    rows = pd.concat([test, table([*batch, *TEXTS[80:80 + fresh]], batch="new")], ignore_index=True)
    aside, stored = table(batch, batch="new", reason=reason), table(quarantined or [], batch="new", reason=QUARANTINE)
    none = test[:0]
    sides = Sides(none, none, test, none, aside.drop(columns=without, errors="ignore"), ())
    return sent_again(Utterances(rows, stored, (), (), newest), sides)


def test_three_test_texts_in_the_newest_batch_are_somebodys_mistake():
    assert came_again(TEXTS[:3]).tolist() == [True] * 3 + [False] * 2
    assert came_again(TEXTS[:2]).tolist() == [False] * 4 and came_again(TEXTS[:4]).sum() == 4
    assert came_again(TEXTS[:3], reason=HELD).tolist() == [False] * 5  # what stands in a test text is no test text
    assert came_again(TEXTS[:3], reason="another reason").tolist() == [False] * 5
    assert came_again(TEXTS[:3], reason=NEARLY).sum() == 3 and came_again(TEXTS[30:36]).sum() == 0
    assert not came_again(TEXTS[:3], test_batch="new", fresh=0).any()  # no test text was there before
    assert came_again(TEXTS[:3], newest="").tolist() == [False] * 11  # there is no order of batches
    assert not came_again(TEXTS[:3], without="batch").any()


def test_rows_that_hold_test_texts_count_where_they_are_many():
    held = [around(text, "train") for text in TEXTS[:3]]
    assert came_again(held, HOLDS, fresh=9).tolist() == [True] * 3 + [False] * 9
    assert came_again(held, HOLDS, fresh=10).tolist() == [False] * 13
    assert came_again([*held[:1], *TEXTS[3:5]], HOLDS, fresh=1).sum() == 3  # together with equal ones


def test_rows_in_quarantine_count_beside_those_of_the_batch():
    assert came_again([], quarantined=TEXTS[:3]).tolist() == [True] * 3 + [False] * 2
    assert came_again(TEXTS[:2], quarantined=TEXTS[2:4]).tolist() == [True] * 4 + [False] * 2
    assert came_again([], quarantined=TEXTS[30:33]).tolist() == [False] * 5


def test_test_rows_that_a_store_has_brought_back_count_too():
    """They stand on the test side, from the newest batch, and their text was there before."""
    back = TRAIN[:3]
    old = table([*back, TRAIN[3], *TEST[:3]], batch="old", life="test")
    again = table([*back, *TEST[3:5]], batch="new", life="test")
    none = old[:0]
    sides = Sides(none, none, pd.concat([old, again]), none, none.assign(reason=""), ())
    rows = pd.concat([old, again], ignore_index=True)
    told_of = Utterances(rows, none.assign(reason=""), (), (), "new")
    assert sent_again(told_of, sides).tolist() == [True] * 3 + [False] * 2
    assert not sent_again(told_of, sides, 100).any()
    assert not sent_again(replace(told_of, rows=rows.drop(columns="batch")), sides).any()


def test_the_usual_percent_of_who_sends_again_is_that_of_the_split():
    """Four came again: two are for training by each of these shares, a third one by 25 and by 24, and all by 24."""
    far = [text for text in TRAIN if bare_digest(text) % 100 > 30][:2]
    old, again = (table([LAST[24], LAST[25], *far], batch=batch, life="test") for batch in ("old", "new"))
    none, test = old[:0].assign(reason=""), pd.concat([old, again], ignore_index=True)
    told_of, sides = Utterances(test, none, (), (), "new"), Sides(none, none, test, none, none, ())
    found = [int(sent_again(told_of, sides, *percent).sum()) for percent in ((), (25,), (24,), (26,))]
    assert found == [3, 3, 4, 0]  # two are nobody's mistake


def test_a_test_side_without_batches_was_there_before():
    test = table(TEXTS[:6])
    none = test[:0]
    rows = pd.concat([test.assign(batch="old"), table(TEXTS[:3], batch="new")], ignore_index=True)
    sides = Sides(none, none, test, none, table(TEXTS[:3], batch="new", reason=LEAKED), ())
    assert sent_again(Utterances(rows, none, (), (), "new"), sides).tolist() == [True] * 3


# ---- what is held out, and what is sealed

def test_shares_and_seals_go_by_digits_of_their_own():
    """Of 1 234 567: the seal by 23, the choice by 45, and the side by 67."""
    number = np.array([1_234_567], np.uint64)
    assert [shares(number, percent)[0] for percent in (0, 45, 46, 100)] == [False, False, True, True]
    assert [is_sealed(numbered(1_234_567), percent)[0] for percent in (0, 23, 24, 100)] == [False, False, True, True]
    assert shares(np.array([99, 100, 9_999, 10_000], np.uint64), 1).tolist() == [True, False, False, True]
    assert is_sealed(numbered(9_999, 10_000, 999_999, 1_000_000), 1).tolist() == [True, False, False, True]
    for number in (2**64 - 1, 98_765_432_198_765, *map(bare_digest, TEXTS[:10])):
        seal, choice = int(str(number)[-6:-4]), int(str(number)[-4:-2])
        assert [shares(np.array([number], np.uint64), percent)[0] for percent in (choice, choice + 1)] == [False, True]
        assert [is_sealed(numbered(number), percent)[0] for percent in (seal, seal + 1)] == [False, True]


def apart_rows(n, *numbers):
    """Rows of texts that have nothing to do with each other, and their numbers; 9999 for the rest."""
    return table(TEXTS[:n]).assign(family=np.array([*numbers, *range(9_999, 9_999 + 10_000 * (n - len(numbers)), 10_000)],
                                                   np.uint64))


def test_a_fifth_is_held_out_unless_told_otherwise():
    rows = apart_rows(10, 1_900, 2_000)
    assert held_out(rows).tolist() == [True] + [False] * 9
    assert held_out(rows, 21).tolist() == [True, True] + [False] * 8 and held_out(rows, 19).tolist() == [False] * 10


def test_where_all_hangs_together_groups_alone_are_held_out():
    """Near texts are one unit by the smallest number; where that takes six in ten, or none of them, each group is asked."""
    texts = [f"{TEXTS[0]} {word}" for word in ("now", "please", "today")]
    rows = table([*texts, TEXTS[1], TEXTS[2]]).assign(family=np.array([100, 9_900, 8_800, 9_901, 9_902], np.uint64))
    assert joined(rows).tolist() == [100, 100, 100, 9_901, 9_902]
    assert held_out(rows).tolist() == [True, False, False, False, False]  # 3 of 5 would be too many
    more = table([*texts, *TEXTS[1:4]]).assign(family=np.array([100, 9_900, 8_800, 9_901, 9_902, 9_903], np.uint64))
    assert held_out(more).tolist() == [True] * 3 + [False] * 3
    none = table([*texts, *TEXTS[1:3]]).assign(family=np.array([9_800, 9_900, 20_100, 9_901, 9_902], np.uint64))
    assert joined(none).tolist()[:3] == [9_800] * 3 and held_out(none).tolist() == [False, False, True, False, False]
    rare = pd.concat([table([TEXTS[1], TEXTS[3], f"{TEXTS[3]} now"]), table([TEXTS[2]] * 97)], ignore_index=True)
    for rows, chosen in ((rare, [0, 2]), (pd.concat([rare, table([TEXTS[2]])]), [0, 2]), (rare[:-2], [0])):
        numbers = np.array([100, 9_800, 20_100, *[9_900] * (len(rows) - 3)], np.uint64)
        assert held_out(rows.assign(family=numbers)).nonzero()[0].tolist() == chosen, len(rows)


def test_groups_with_equal_or_near_texts_are_one_unit():
    rows = table([TEXTS[0], TEXTS[0].upper(), TEXTS[1], f"{TEXTS[1]} now", TEXTS[2], TEXTS[3], f"{TEXTS[3]} {ENDS[0]}"])
    rows = rows.assign(family=np.array([50, 20, 60, 70, 20, 40, 80], np.uint64))
    assert joined(rows).tolist() == [20, 20, 60, 60, 20, 40, 40]


def test_a_text_that_holds_others_goes_with_one_of_the_shortest_alone():
    """It holds two; and one that is held by a text in between goes with the inmost."""
    inner, other = TEXTS[0], TEXTS[1]
    rows = table([inner, other, f"{inner} {ENDS[0]}", f"{inner} {ENDS[0]} {ENDS[1]} {other} {ENDS[2]}"])
    found = joined(rows.assign(family=np.array([40, 30, 50, 60], np.uint64)))
    first = min((inner, other), key=digest)
    assert found.tolist() == [40, 30, 40, 40 if first == inner else 30]
