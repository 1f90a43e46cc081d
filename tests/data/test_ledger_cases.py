"""What a ledger answers in each single case: a text, a damaged file, a side for life."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlbot.data.ledger import (
    Audit,
    Memory,
    audit_model,
    digests_of,
    forget,
    is_seen,
    keyed,
    ledger_file,
    read_digests,
    read_memory,
    recall_of,
    refuse_test_texts,
    remember,
    write_digests,
)
from mlbot.errors import InputError
from mlbot.text.clean import bare_digest, digest

NONE = np.zeros(0, np.uint64)
KEYED = [5803877053587315766, 5226819586156277718]  # BLAKE2b of eight bytes, the highest first, under "0123456789abcdef"


def table(*texts):
    """Rows with text and digest."""
    return pd.DataFrame({"text": texts, "digest": digests(*texts)})


def digests(*texts):
    """One digest a text, in the order of the texts."""
    return np.array([digest(text) for text in texts], np.uint64)


class Planted:
    """Leaves a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def pickled(file) -> np.ndarray:
    """An array that is stored as a pickle, which runs code when it is read."""
    found = np.empty(1, object)
    found[0] = Planted(file)
    return found


def test_digests_are_sorted_and_each_is_there_once():
    found = digests_of(["two", "one", "Two !", "three"])
    assert found.dtype == np.uint64 and found.tolist() == sorted({digest("one"), digest("two"), digest("three")})
    assert digests_of([]).tolist() == [] and digests_of(iter(["one"])).tolist() == [digest("one")]


def test_the_ledger_of_a_model_lies_in_a_folder_of_ledgers(tmp_path):
    assert ledger_file(tmp_path, "m1") == tmp_path / "ledger" / "m1.npy"


def test_what_is_written_is_read_back_sorted_and_once(tmp_path):
    file = ledger_file(tmp_path, "m1")
    assert read_digests(file) is None
    write_digests([5, 2, 2**64 - 1, 5], file)
    found = read_digests(file)
    assert found.dtype == np.uint64 and found.tolist() == [2, 5, 2**64 - 1]
    write_digests(NONE, file)
    assert read_digests(file).tolist() == []
    assert [path.name for path in file.parent.iterdir()] == ["m1.npy"]


@pytest.mark.parametrize("array", [np.zeros(2), np.zeros(2, np.int64), np.zeros((1, 2), np.uint64), np.uint64(3)])
def test_numbers_of_another_kind_or_shape_are_a_damaged_ledger(tmp_path, array):
    np.save(tmp_path / "m1.npy", array)
    with pytest.raises(InputError, match="m1.npy is damaged"):
        read_digests(tmp_path / "m1.npy")


@pytest.mark.parametrize("data", [b"", b"no numpy", b"\x93NUMPY\x01\x00"])
def test_bytes_that_are_no_array_are_a_damaged_ledger_that_is_named(tmp_path, data):
    file = tmp_path / "m1.npy"
    file.write_bytes(data)
    with pytest.raises(InputError) as refused:
        read_digests(file)
    assert refused.value.place == str(file) and refused.value.found == "m1.npy is damaged"


def test_nothing_in_a_ledger_or_among_the_sides_can_run(tmp_path):
    """Both may come from another machine; a pickle in them is damage, and is not opened."""
    trap, file, sides = tmp_path / "trap", tmp_path / "m1.npy", tmp_path / "ledger" / "sides.npz"
    np.save(file, pickled(trap), allow_pickle=True)
    with pytest.raises(InputError, match="is damaged"):
        read_digests(file)
    sides.parent.mkdir()
    np.savez(sides, secret=np.zeros(16, np.uint8), train=pickled(trap), test=NONE)
    with pytest.raises(InputError, match="is damaged"):
        read_memory(tmp_path)
    assert not trap.exists()
    np.load(file, allow_pickle=True)
    assert trap.exists()  # the trap works


def test_a_text_is_seen_by_its_digest_of_today_and_by_the_one_of_old_ledgers():
    rows = table("I know C++", "a card", "what else")
    assert digest("I know C++") != bare_digest("I know C++")
    assert is_seen(rows, digests("I know C++")).tolist() == [True, False, False]
    assert is_seen(rows, np.array([bare_digest("I know C++")], np.uint64)).tolist() == [True, False, False]
    assert is_seen(rows, digests("a card", "what else")).tolist() == [False, True, True]
    assert is_seen(rows, NONE).tolist() == [False] * 3


def test_one_test_text_in_a_training_is_too_many():
    assert refuse_test_texts(digests("a", "b"), digests("c")) is None
    with pytest.raises(InputError, match="^1 test rows were handed to training"):
        refuse_test_texts(digests("a", "b"), digests("b", "c"))
    with pytest.raises(InputError, match="^1,000 test rows were handed to training"):
        refuse_test_texts(np.arange(2_000, dtype=np.uint64), list(range(1_000)))


@pytest.mark.parametrize("audit, says", [
    (Audit("m1", None, 0, 0, 5), "m1  no ledger: nobody knows what it was trained on"),
    (Audit("m1", 1200, 0, 0, 1500), "m1  trained on 1,200 texts, has seen none of 1,500 test texts"),
    (Audit("m1", 0, 0, 0, 5), "m1  trained on 0 texts, has seen none of 5 test texts"),
    (Audit("m1", 9, 1000, 0, 1500, ("a card",)), "m1  trained on 9 texts, has seen 1,000 of 1,500 test texts: 'a card'"),
    (Audit("m1", 9, 0, 1, 5, ("a", "b")),
     "m1  trained on 9 texts, has seen none of 5 test texts, and 1 nearly or inside others: 'a'; 'b'"),
    (Audit("m1", 9, 2, 0, 5, (), 7),
     "m1  trained on 9 texts, has seen 2 of 5 test texts; 7 of them are not in the data any more"),
    (Audit("m1", 9, 2, 3, 5, ("a",), 1), "m1  trained on 9 texts, has seen 2 of 5 test texts, and 3 nearly or inside others; "
                                         "1 of them are not in the data any more: 'a'")])
def test_an_audit_in_words_says_only_what_there_is_to_say(audit, says):
    assert str(audit) == says


def test_a_model_without_a_ledger_is_audited_as_unknown():
    """The test texts are counted all the same, each once."""
    test = table("a card", "A card!", "a bill")
    assert audit_model("m1", None, test, test) == Audit("m1", None, 0, 0, 2)


def test_an_audit_counts_each_text_once_and_shows_the_exact_ones_first():
    test = table("how to submit an expense claim", "book a room", "a new card", "A new card!", "my bill")
    known = table("how do i submit an expense claim", "How do I submit an expense claim?", "something else")
    trained = digests_of(["a new card", "my bill", "how do i submit an expense claim", "gone", "gone too"])
    assert audit_model("m1", trained, test, known) == Audit(
        "m1", 5, 2, 1, 4, ("a new card", "my bill", "how to submit an expense claim"), 2)
    assert audit_model("m1", trained, test, known, 1).examples == ("a new card",)
    assert audit_model("m1", trained, test, known, few=0).examples == ()


def test_at_most_three_examples_are_shown_unless_more_are_asked_for():
    test = table("one", "two", "three", "four")
    trained = digests_of(test["text"])
    assert audit_model("m1", trained, test, test).examples == ("one", "two", "three")
    assert audit_model("m1", trained, test, test, 4).examples == ("one", "two", "three", "four")


def test_test_texts_inside_trained_ones_and_around_them_are_seen_nearly():
    test = table("what is this", "please tell me where to renew the parking permit of my car today",
                 "renew the gym card")
    known = table("nothing like it", "hello there dear bot i want to renew the gym card before my holiday begins on monday",
                  "renew the parking permit")
    inside, around = digests_of(known["text"][1:2]), digests_of(known["text"][2:])
    assert audit_model("m1", inside, test, known) == Audit("m1", 1, 0, 1, 3, ("renew the gym card",), 0)
    assert audit_model("m1", around, test, known) == Audit("m1", 1, 0, 1, 3, (test["text"][1],), 0)
    assert audit_model("m1", digests_of(["nothing like it"]), test, known) == Audit("m1", 1, 0, 0, 3, (), 0)


def test_test_texts_that_are_near_each_other_were_not_seen_by_a_model():
    """Only the texts that it was trained on count, among which there is one or none here."""
    test = table("how to submit an expense claim", "how do i submit an expense claim", "how can i submit an expense claim")
    known = table("where is my badge", *test["text"])
    assert audit_model("m1", digests_of(["where is my badge"]), test, known) == Audit("m1", 1, 0, 0, 3)
    assert audit_model("m1", NONE, test, known) == Audit("m1", 0, 0, 0, 3)


def test_an_exact_text_does_not_count_as_a_near_one_too():
    test, near = table("how to submit an expense claim"), "how do i submit an expense claim"
    found = audit_model("m1", digests_of([near, *test["text"]]), test, table(near, *test["text"]))
    assert found == Audit("m1", 2, 1, 0, 1, tuple(test["text"]))


def test_digests_of_old_ledgers_are_texts_that_the_data_still_has():
    test, known = table("I know C++"), table("5 % off")
    trained = np.array([bare_digest("I know C++"), bare_digest("5 % off"), digest("gone")], np.uint64)
    assert audit_model("m1", trained, test, known) == Audit("m1", 3, 1, 0, 1, ("I know C++",), 1)
    assert audit_model("m1", digests_of([*test["text"], *known["text"]]), test, known).unknown == 0


def test_to_forget_changes_only_the_ledgers_that_hold_the_text(tmp_path):
    for name, texts in (("a", ["one", "two"]), ("b", ["three"]), ("c", ["two"])):
        write_digests(digests_of(texts), ledger_file(tmp_path, name))
    before = ledger_file(tmp_path, "b").stat().st_ino
    assert forget(tmp_path, digests("two", "never there").tolist()) == 2
    left = {name: read_digests(ledger_file(tmp_path, name)).tolist() for name in "abc"}
    assert left == {"a": [digest("one")], "b": [digest("three")], "c": []}
    assert ledger_file(tmp_path, "b").stat().st_ino == before  # it was not written anew
    assert forget(tmp_path, digests("two")) == 0 and forget(tmp_path / "nowhere", digests("two")) == 0


def test_a_damaged_ledger_is_reported_after_all_others_have_forgotten(tmp_path):
    for name in "bd":
        write_digests(digests_of(["one", "two"]), ledger_file(tmp_path, name))
    for name in "ace":
        ledger_file(tmp_path, name).write_bytes(b"no numpy")
    with pytest.raises(InputError, match="a.npy is damaged"):
        forget(tmp_path, digests("one"))
    assert [read_digests(ledger_file(tmp_path, name)).tolist() for name in "bd"] == [[digest("two")]] * 2


def test_keyed_numbers_are_the_same_for_ever():
    """They are on disks: another way to make them would forget every side."""
    assert keyed([1, 2**64 - 1], b"0123456789abcdef").tolist() == KEYED
    assert keyed([1], b"another secret..").tolist() != KEYED[:1]
    assert keyed([], b"0123456789abcdef").dtype == np.uint64 and len(keyed([], b"0123456789abcdef")) == 0


def test_a_memory_knows_the_side_of_each_text_for_life():
    secret = b"0123456789abcdef"
    memory = Memory(secret, keyed([1, 2], secret), keyed([3], secret))
    found = memory.recall(np.array([3, 1, 9, 2], np.uint64))
    assert found.tolist() == ["test", "train", "", "train"] and found.dtype == object
    assert memory.recall(NONE).tolist() == []


def test_a_known_text_keeps_its_side_and_one_that_comes_on_both_is_for_testing():
    secret = b"0123456789abcdef"
    first = Memory(secret, NONE, NONE).extended(np.array([1, 2, 2], np.uint64), np.array([2, 3, 3], np.uint64))
    assert first.recall([1, 2, 3]).tolist() == ["train", "test", "test"] and (len(first.train), len(first.test)) == (1, 2)
    then = first.extended(np.array([3, 4], np.uint64), np.array([1, 5], np.uint64))
    assert then.recall([1, 2, 3, 4, 5]).tolist() == ["train", "test", "test", "train", "test"]
    assert then.secret == secret and (len(then.train), len(then.test)) == (2, 3)
    assert set(then.train) == set(keyed([1, 4], secret)) and set(then.test) == set(keyed([2, 3, 5], secret))


def test_texts_are_remembered_once_and_without_their_digests(tmp_path):
    models = tmp_path / "deep" / "models"
    assert read_memory(models) is None and recall_of(models) is None
    assert remember(models, [1, 2], [3]) is True
    first = read_memory(models)
    assert first.recall([1, 2, 3, 4]).tolist() == ["train", "train", "test", ""] and len(first.secret) == 16
    assert (len(first.train), len(first.test)) == (2, 1) and not set(first.train) & {1, 2}
    assert remember(models, [2, 1, 3], [3, 2]) is False  # each keeps its side, so nothing is new
    assert remember(models, [], []) is False
    assert remember(models, [4], []) is True and remember(models, [], [5]) is True
    then = read_memory(models)
    assert then.secret == first.secret and recall_of(models)([1, 2, 3, 4, 5, 6]).tolist() == [
        "train", "train", "test", "train", "test", ""]
    assert (len(then.train), len(then.test)) == (3, 2)


def test_the_first_memory_is_kept_even_when_it_is_empty(tmp_path):
    """Each folder of models has a secret of its own."""
    assert remember(tmp_path / "a", [], []) is True and remember(tmp_path / "b", [], []) is True
    one, other = read_memory(tmp_path / "a"), read_memory(tmp_path / "b")
    assert len(one.train) == len(one.test) == 0 and one.secret != other.secret
    assert remember(tmp_path / "a", [], []) is False


GOOD = {"secret": np.arange(16, dtype=np.uint8), "train": np.array([1], np.uint64), "test": np.array([2], np.uint64)}


def test_sides_that_are_whole_are_read(tmp_path):
    (tmp_path / "ledger").mkdir()
    np.savez(tmp_path / "ledger" / "sides.npz", **GOOD)
    found = read_memory(tmp_path)
    assert (found.secret, found.train.tolist(), found.test.tolist()) == (bytes(range(16)), [1], [2])


@pytest.mark.parametrize("change", [
    {"secret": np.arange(15, dtype=np.uint8)}, {"secret": np.arange(17, dtype=np.uint8)}, {"secret": np.arange(16)},
    {"train": np.zeros((2, 2), np.uint64)}, {"secret": np.array(7, np.uint8)},
    {"train": np.array([1])}, {"test": np.array([2])}, {"train": np.array([1]), "test": np.array([2])}, {"test": None}])
def test_sides_with_a_part_that_is_missing_or_odd_are_damaged(tmp_path, change):
    file = tmp_path / "ledger" / "sides.npz"
    file.parent.mkdir()
    np.savez(file, **{name: part for name, part in (GOOD | change).items() if part is not None})
    with pytest.raises(InputError) as refused:
        read_memory(tmp_path)
    assert refused.value.found == "sides.npz is damaged" and refused.value.place == str(file)


@pytest.mark.parametrize("data", [b"", b"no numpy"])
def test_sides_that_are_no_archive_are_damaged_and_not_begun_anew(tmp_path, data):
    """A new memory would have another secret, and forget the side of every text."""
    file = tmp_path / "ledger" / "sides.npz"
    file.parent.mkdir()
    file.write_bytes(data)
    for ask in (lambda: read_memory(tmp_path), lambda: recall_of(tmp_path), lambda: remember(tmp_path, [1], [2])):
        with pytest.raises(InputError, match="sides.npz is damaged"):
            ask()
    assert file.read_bytes() == data


def test_the_sides_are_written_as_an_archive_of_plain_numbers(tmp_path):
    remember(tmp_path, [1], [2])
    with np.load(BytesIO((tmp_path / "ledger" / "sides.npz").read_bytes()), allow_pickle=False) as found:
        assert sorted(found) == ["secret", "test", "train"] and found["secret"].dtype == np.uint8


def cut_archive() -> bytes:
    """The beginning of an archive, as a crash leaves it."""
    whole = BytesIO()
    np.savez(whole, **GOOD)
    return whole.getvalue()[:60]


def test_an_archive_whole_or_cut_under_the_name_of_a_ledger_is_damaged(tmp_path):
    file, whole = tmp_path / "m1.npy", BytesIO()
    np.savez(whole, **GOOD)
    for data in (cut_archive(), whole.getvalue()):
        file.write_bytes(data)
        with pytest.raises(InputError, match="m1.npy is damaged"):
            read_digests(file)


def test_sides_that_are_cut_or_no_archive_are_damaged(tmp_path):
    file = tmp_path / "ledger" / "sides.npz"
    file.parent.mkdir()
    for data in (cut_archive(), array_bytes()):
        file.write_bytes(data)
        with pytest.raises(InputError, match="sides.npz is damaged"):
            read_memory(tmp_path)


def array_bytes() -> bytes:
    """A plain array, as a ledger holds it."""
    whole = BytesIO()
    np.save(whole, np.array([1], np.uint64))
    return whole.getvalue()
