"""Machines of a project agree on the side of each text, whoever trained first, and nothing erased comes back."""

import io
import os
import re
import threading
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbot.data.carried import (
    LEDGER_OBJECTS,
    SIDES_OBJECTS,
    forget_shared,
    ledger_object,
    pull_known,
    pull_ledger,
    pull_sides,
    push_ledger,
    push_sides,
    shared_ledger,
    shared_sides,
    signed_arrays,
)
from mlbot.data.ledger import ledger_file, read_digests, read_memory, recall_of, remember, write_digests
from mlbot.data.split import split
from mlbot.data.table import Columns, build_utterances
from mlbot.errors import InputError, NoVerdict
from mlbot.files import KEY
from mlbot.settings import load_settings
from mlbot.storage import Folder, open_objects
from tests.data.test_store import free_port, keys_of, s3  # noqa: F401


@pytest.fixture(params=["folder", "s3"])
def shared(request, tmp_path):
    """What carries them between machines."""
    return open_objects(tmp_path / "shared" if request.param == "folder" else request.getfixturevalue("s3"))


def test_a_new_checkout_knows_each_side_and_goes_on(shared, tmp_path):
    """FAULTS: a build server makes a checkout anew, and what was tested was trained on."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert not pull_sides(first, shared) and not push_sides(first, shared) and shared.names() == []
    remember(first, [1, 2], [3])
    assert push_sides(first, shared) and pull_sides(second, shared) and not pull_sides(second, shared)
    assert recall_of(second)([1, 2, 3, 4]).tolist() == ["train", "train", "test", ""]
    assert read_memory(second).secret == read_memory(first).secret
    remember(second, [3, 4], [1, 5])
    assert push_sides(second, shared) and not push_sides(second, shared) and pull_sides(first, shared)
    assert recall_of(first)([1, 3, 4, 5]).tolist() == ["train", "test", "train", "test"]
    assert len(shared.names(f"{SIDES_OBJECTS}/")) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["run", "push", "pull"]), st.sets(st.integers(0, 12)),
                          st.sets(st.integers(0, 12))), max_size=14))
def test_whatever_machines_do_and_in_which_order_what_was_tested_stays_tested(tmp_path_factory, steps):
    """A machine never changes the side of a text that it knows but to test, and after an exchange all agree."""
    place = tmp_path_factory.mktemp("machines")
    shared, machines = open_objects(place / "shared"), [place / str(at) for at in range(3)]
    everything, tested = list(range(13)), set()

    def sides(machine):
        return recall_of(machine)(everything).tolist() if read_memory(machine) else [""] * 13
    for at, what, train, test in steps:
        before = sides(machines[at])
        if what == "run":
            given_test = {one for one in test if before[one] != "train"}
            remember(machines[at], sorted({one for one in train if before[one] != "test"} - given_test), sorted(given_test))
            tested |= given_test
        else:
            (push_sides if what == "push" else pull_sides)(machines[at], shared)
        after = sides(machines[at])
        assert all(new == old or new == "test" or old == "" for old, new in zip(before, after, strict=True))
    for _ in range(2):
        for machine in machines:
            push_sides(machine, shared)
            pull_sides(machine, shared)
    assert sides(machines[0]) == sides(machines[1]) == sides(machines[2])
    assert {one for one in everything if sides(machines[0])[one] == "test"} == tested
    assert len(shared.names(f"{SIDES_OBJECTS}/")) <= 1


def test_machines_that_began_apart_keep_both_secrets_and_add_to_the_larger(tmp_path):
    shared, one, two = open_objects(tmp_path / "shared"), tmp_path / "one", tmp_path / "two"
    remember(one, [1], [2])
    remember(two, [3, 4, 5], [1])
    push_sides(one, shared)
    push_sides(two, shared)
    pull_sides(one, shared)
    assert recall_of(one)([1, 2, 3]).tolist() == ["test", "test", "train"]
    memory = read_memory(one)
    assert [len(part.train) + len(part.test) for part in (memory, *memory.others)] == [4, 2]
    remember(one, [6], [])
    assert 6 not in memory.train and len(read_memory(one).train) == 4 and recall_of(one)([6]).tolist() == ["train"]


def test_many_that_push_at_once_lose_nothing(tmp_path):
    place, machines = tmp_path / "shared", [tmp_path / str(at) for at in range(6)]
    remember(tmp_path / "origin", [100], [])
    push_sides(tmp_path / "origin", open_objects(place))
    for at, machine in enumerate(machines):
        pull_sides(machine, open_objects(place))
        remember(machine, [at], [10 + at])
    problems = []

    def work(machine):
        try:
            for _ in range(5):
                push_sides(machine, open_objects(place))
                pull_sides(machine, open_objects(place))
        except NoVerdict as problem:  # others were faster five times
            problems.append(problem)
    threads = [threading.Thread(target=work, args=(machine,)) for machine in machines]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for machine in machines:
        push_sides(machine, open_objects(place))
    there = shared_sides(open_objects(place))[1]
    assert there.recall(range(6)).tolist() == ["train"] * 6 and there.recall(range(10, 16)).tolist() == ["test"] * 6
    assert there.others == () and there.recall([100]).tolist() == ["train"]


class Hasty(Folder):
    """A place where another machine replaces the sides while they are read."""
    left = 0

    def get(self, name):
        if name.startswith(SIDES_OBJECTS) and type(self).left:
            type(self).left -= 1
            return None
        return super().get(name)


def test_sides_that_are_replaced_while_they_are_read_are_listed_again(tmp_path, monkeypatch):
    remember(tmp_path / "one", [1], [2])
    push_sides(tmp_path / "one", Hasty(tmp_path / "shared"))
    monkeypatch.setattr(Hasty, "left", 2)
    assert pull_sides(tmp_path / "two", Hasty(tmp_path / "shared"))
    monkeypatch.setattr(Hasty, "left", 9)
    with pytest.raises(NoVerdict, match="changes all the time"):
        pull_sides(tmp_path / "three", Hasty(tmp_path / "shared"))
    assert read_memory(tmp_path / "three") is None


def zipped(*names):
    """A zip archive whose members are no arrays."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return body.getvalue()


def in_directory(data, offset, value):
    """A zip archive with another byte in each entry of its directory: at 8 the flags, at 10 how it is packed."""
    found = bytearray(data)
    for entry in re.finditer(rb"PK\x01\x02", data):
        found[entry.start() + offset] = value
    return bytes(found)


WRONG = {"cut": lambda data, kind: data[:40], "empty": lambda data, kind: b"", "pickled": lambda data, kind: b"\x80\x04N.",
         "text": lambda data, kind: b"train", "another member": lambda data, kind: zipped("secret", "trained"),
         "another mark": lambda data, kind: zipped("mark"), "encrypted": lambda data, kind: in_directory(data, 8, 1),
         "packed otherwise": lambda data, kind: in_directory(data, 10, 99),
         "other arrays": lambda data, kind: signed_arrays({"train": np.zeros(2)}, kind),
         "a short secret": lambda data, kind: signed_arrays({"secret": np.zeros(3, np.uint8), "train": np.zeros(0, np.uint64),
                                                             "test": np.zeros(0, np.uint64)}, kind)}


@pytest.mark.parametrize("damage", WRONG)
def test_what_is_damaged_is_refused_and_what_is_known_here_stays(tmp_path, damage):
    shared, models = open_objects(tmp_path / "shared"), tmp_path / "models"
    remember(models, [1], [2])
    write_digests(np.array([1], np.uint64), ledger_file(models, "m1"))
    push_sides(models, shared)
    push_ledger(models, "m1", shared)
    name = shared.names(f"{SIDES_OBJECTS}/")[0]
    shared.put(name, WRONG[damage](shared.get(name), SIDES_OBJECTS))
    shared.put(ledger_object("m1"), WRONG[damage](shared.get(ledger_object("m1")), ledger_object("m1")))
    new = tmp_path / "new"
    for act in (lambda: pull_sides(models, shared), lambda: push_sides(models, shared), lambda: pull_sides(new, shared),
                lambda: pull_ledger(new, "m1", shared), lambda: forget_shared(shared, np.array([1], np.uint64))):
        with pytest.raises(InputError, match="is damaged"):
            act()
    assert recall_of(models)([1, 2]).tolist() == ["train", "test"] and not new.exists() and shared.get(name) is not None


def test_only_what_is_signed_with_the_key_of_the_project_is_believed(tmp_path, monkeypatch):
    """Who can write to the place could otherwise move a text to the other side, or hide what a model was trained on."""
    shared, models, new = open_objects(tmp_path / "shared"), tmp_path / "models", tmp_path / "new"
    remember(models, [1], [2])
    write_digests(np.array([1], np.uint64), ledger_file(models, "m1"))
    push_sides(models, shared)
    push_ledger(models, "m1", shared)
    monkeypatch.setenv(KEY, "a key that machines share")
    for act in (lambda: pull_sides(new, shared), lambda: pull_ledger(new, "m1", shared)):
        with pytest.raises(NoVerdict, match="not signed with MLBOT_KEY"):
            act()
    for name in shared.names():
        shared.delete(name)
    assert push_sides(models, shared) and push_ledger(models, "m1", shared)
    pull_known(new, ["m1"], str(tmp_path / "shared"))
    assert recall_of(new)([1, 2]).tolist() == ["train", "test"] and read_digests(ledger_file(new, "m1")).tolist() == [1]
    ledger = shared.get(ledger_object("m1"))
    shared.put(f"{SIDES_OBJECTS}/0123456789abcdef.npz", ledger)  # signed, as something else
    with pytest.raises(NoVerdict, match="not signed"):
        pull_sides(new, shared)
    shared.delete(f"{SIDES_OBJECTS}/0123456789abcdef.npz")
    shared.put(ledger_object("m2"), ledger)  # signed, for another model
    with pytest.raises(NoVerdict, match="not signed"):
        pull_ledger(new, "m2", shared)
    monkeypatch.setenv(KEY, "the key of another project")
    with pytest.raises(NoVerdict, match="not signed"):
        pull_ledger(tmp_path / "third", "m1", shared)


def test_no_bit_that_turns_is_a_fault_of_ours_or_read_as_something_else(tmp_path):
    shared = open_objects(tmp_path / "shared")
    write_digests(np.array([1, 2, 3], np.uint64), ledger_file(tmp_path / "models", "m1"))
    push_ledger(tmp_path / "models", "m1", shared)
    whole = shared.get(ledger_object("m1"))
    for bit in range(len(whole) * 8):
        turned = bytearray(whole)
        turned[bit // 8] ^= 1 << bit % 8
        shared.put(ledger_object("m1"), bytes(turned))
        try:
            assert shared_ledger("m1", shared).tolist() == [1, 2, 3]
        except (InputError, NoVerdict):
            continue


def test_a_machine_without_the_key_replaces_nothing_that_is_signed(tmp_path, monkeypatch):
    """It would take the signature away, and what the others then delete is what was tested."""
    shared, signed, plain = open_objects(tmp_path / "shared"), tmp_path / "signed", tmp_path / "plain"
    monkeypatch.setenv(KEY, "a key that machines share")
    for models, texts in ((signed, [1]), (plain, [4])):
        remember(models, [], texts)
        write_digests(np.array(texts, np.uint64), ledger_file(models, "m1"))
    push_sides(signed, shared)
    push_ledger(signed, "m1", shared)
    before = {name: shared.get(name) for name in shared.names()}
    monkeypatch.delenv(KEY)
    for act in (lambda: push_sides(plain, shared), lambda: pull_sides(plain, shared), lambda: pull_known(plain, [], str(
            tmp_path / "shared")), lambda: forget_shared(shared, np.array([1], np.uint64))):
        with pytest.raises(NoVerdict, match="is signed, and MLBOT_KEY is not set"):
            act()
    assert {name: shared.get(name) for name in shared.names()} == before


def test_a_push_again_mends_damaged_ledgers_and_leaves_whole_ones(tmp_path):
    shared, models = open_objects(tmp_path / "shared"), tmp_path / "models"
    write_digests(np.array([1, 2], np.uint64), ledger_file(models, "m1"))
    assert push_ledger(models, "m1", shared) and not push_ledger(models, "m1", shared, again=True)
    assert forget_shared(shared, np.array([2], np.uint64)) == 1 and not push_ledger(models, "m1", shared, again=True)
    shared.put(ledger_object("m1"), b"")
    assert not push_ledger(models, "m1", shared) and push_ledger(models, "m1", shared, again=True)
    assert shared_ledger("m1", shared).tolist() == [1, 2]


def test_an_error_says_where_the_object_is(tmp_path):
    remember(tmp_path / "models", [1], [])
    push_sides(tmp_path / "models", open_objects(tmp_path / "shared"))
    name = open_objects(tmp_path / "shared").names()[0]
    (tmp_path / "shared" / name).write_bytes(b"")
    with pytest.raises(InputError) as caught:
        pull_known(tmp_path / "new", [], str(tmp_path / "shared"))
    assert caught.value.place == str(tmp_path / "shared" / name) and "on every machine that has models" in caught.value.action


@pytest.mark.parametrize("place", ["a file", "a folder that is closed"])
def test_a_place_that_cannot_be_listed_is_not_an_empty_one(tmp_path, place, monkeypatch):
    """A disk that is not there, or no rights: what was tested is unknown, and nothing may be released."""
    remember(tmp_path / "models", [1], [2])
    shared = tmp_path / "shared"
    if place == "a file":
        shared.write_text("x")
    else:
        push_sides(tmp_path / "models", open_objects(shared))
        scan = os.scandir

        def closed(path):
            if os.fspath(path).endswith("sides"):
                raise PermissionError(13, "Permission denied", path)
            return scan(path)
        monkeypatch.setattr(os, "scandir", closed)  # rights do not stop root
    for act in (lambda: pull_known(tmp_path / "new", [], str(shared)), lambda: push_sides(tmp_path / "models",
                                                                                          open_objects(shared))):
        with pytest.raises(NoVerdict, match="the folder does not answer"):
            act()
    assert not (tmp_path / "new").exists()


def test_an_older_copy_of_a_ledger_brings_nothing_back_that_was_erased(shared, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for models in (here, there):
        write_digests(np.array([1, 2], np.uint64), ledger_file(models, "m1"))
    assert push_ledger(here, "m1", shared) and not push_ledger(there, "m1", shared)
    assert forget_shared(shared, np.array([2], np.uint64)) == 1 and forget_shared(shared, np.array([2], np.uint64)) == 0
    assert not push_ledger(there, "m1", shared) and not push_ledger(there, "of another name", shared)
    assert pull_ledger(tmp_path / "new", "m1", shared) and not pull_ledger(tmp_path / "new", "m2", shared)
    assert read_digests(ledger_file(tmp_path / "new", "m1")).tolist() == [1]
    assert shared.names(f"{LEDGER_OBJECTS}/") == [ledger_object("m1")]


def test_without_a_place_nothing_is_asked(tmp_path):
    pull_known(tmp_path / "models", ["m1"], "")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("shares", [True, False])
def test_another_percentage_of_test_texts_moves_none_in_a_new_checkout(tmp_path, shares):
    """A larger test side takes new texts only: those that a model elsewhere was trained on stay."""
    how, place = load_settings().data, open_objects(tmp_path / "carried")

    def sides_of(models, n, test_percent):
        values = {"text": [f"request {at} for {at % 7} badges" for at in range(n)], "line": list(range(n)),
                  "intent": ["badge" if at % 2 else "leave" for at in range(n)]}
        sides = split(build_utterances(values, Columns(), how, "file"), how, test_percent, False, 0, recall_of(models))
        remember(models, np.concatenate([sides.train["digest"], sides.validation["digest"]]), sides.test["digest"])
        return set(sides.train["text"]) | set(sides.validation["text"]), set(sides.test["text"])
    week_1, week_2 = tmp_path / "checkout-1", tmp_path / "checkout-2"
    train, test = sides_of(week_1, 200, 25)
    assert train and test and (push_sides(week_1, place) and pull_sides(week_2, place) if shares else True)
    later_train, later_test = sides_of(week_2, 300, 50)
    assert len(later_test) > len(test) and not later_train & test
    assert not later_test & train if shares else later_test & train
