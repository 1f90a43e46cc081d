"""Whatever is done to the data, no text changes its side, and none that was tested is ever trained on.

`--all` plays twice as many sequences of steps; `MLBOT_SIDES_EXAMPLES=2000` plays so many, of up to 20 steps.
"""

import json
import os
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from mlbot.data.carried import pull_sides, push_sides
from mlbot.data.ledger import audit_model, digests_of, is_seen, read_digests, recall_of, remember
from mlbot.data.split import QUARANTINE, apart, near_test, sent_again, side_of, split
from mlbot.data.store import (
    ERASED,
    REMOVED,
    append,
    batch_rows,
    erase_utterances,
    open_table,
    place_rows,
    read_locked,
    read_rows,
    read_store,
    remove_batch,
    rewrite_labels,
    rows_at,
)
from mlbot.data.table import Columns, build_utterances, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.settings import load_settings
from mlbot.storage import open_objects
from mlbot.text.clean import bare, bare_digest, clean, digest, key, pseudonym

DATA = replace(load_settings().data, min_rows=1, tiny="set_aside")
EXAMPLES = int(os.environ.get("MLBOT_SIDES_EXAMPLES", "0"))
BASES = ["how do i submit an expense claim", "i lost my badge yesterday", "book a room for six people",
         "the printer is broken again", "reset my password please", "where is my payslip for may",
         "दिन की रसीद चाहिए", "दान की रसीद चाहिए",
         "a course on C++ please", "a course on C# please", "我的工牌丢了", "order a laptop", "hi", "password"]
AROUND = ["{}", "{}", "{} ", "{}!", "{} now", "x{}", "{}. Best regards, Ann Smith, Acme Ltd", "Hello team, {} Thanks a lot",
          "From: Bob Sent: Monday Subject: help > {}", "{} {}", "please {}", "{} 👍", "{} 👎"]
TEXTS = st.builds(lambda around, one, other: around.format(*([one, other] if around.count("{}") == 2 else [one])),
                  st.sampled_from(AROUND), st.sampled_from(BASES), st.sampled_from(BASES))
BATCH = st.lists(TEXTS, min_size=1, max_size=5, unique_by=lambda text: text)
SIDE = st.sampled_from(["train", "train", "test", "validation"])
INTENTS = ("a", "b", "c")


def grams(text):
    return {f" {text} "[at:at + 3] for at in range(len(text))}


def alone(text):
    """The words of a text; where there are no spaces, its characters."""
    return "".join(f" {char} " if char > "\u3000" else char for char in text).split()


def touches(one, other, near=True):
    """By brute force: whether two texts are near, or one holds the other; without `near`, whether `one` holds `other`."""
    one, other = bare(one), bare(other)

    def holds(long, short):
        words, looked = alone(long), alone(short)
        length = sum(3 if len(word) == 1 and word > "\u3000" else len(word) + 1 for word in looked)
        return len(looked) > 1 and length > 12 and len(words) > len(looked) and any(words[at:at + len(looked)] == looked
                                                               for at in range(len(words) - len(looked) + 1))
    if not near:
        return holds(one, other)
    a, b = grams(one), grams(other)
    return 100 * len(a & b) >= 70 * len(a | b) or holds(one, other) or holds(other, one)


class Sides(RuleBasedStateMachine):
    """What both machines know of the past, and what they check after each step."""

    def __init__(self):
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.models = Path(self.home.name) / "models-0"
        self.shared = open_objects(f"{self.home.name}/shared")
        self.side, self.number = {}, 0

    def teardown(self):
        self.home.cleanup()

    @rule(at=st.integers(0, 3))
    def go_on_elsewhere(self, at):
        """Another machine, a new checkout or one that was here before, trains from now on."""
        self.models = Path(self.home.name) / f"models-{at}"

    def judge(self, utterances, test_percent, given, near_percent):
        """Split, as a run does, and note what a model was trained and tested on."""
        pull_sides(self.models, self.shared)
        try:
            sides = split(utterances, DATA, test_percent, given, near_percent, recall_of(self.models))
        except InputError as problem:  # too few intents
            assert "intent" in problem.found or "too few" in problem.found, problem
            return None
        outside = sides.out_of_scope
        train = pd.concat([sides.train, outside[outside["side"] == "train"]])
        for table, name in ((train, "train"), (sides.validation, "train"), (sides.test, "test")):
            for text in table["text"]:
                before = self.side.setdefault(key(text), name)
                assert before == name, f"{text!r} was {before}, is {name}"
        remember(self.models, np.concatenate([train["digest"], sides.validation["digest"]]), sides.test["digest"])
        push_sides(self.models, self.shared)
        return train, sides.test


class StoreMachine(Sides):
    """A store in a folder: batches come and go, with and without a split column, are relabelled, erased, and come again."""

    @initialize()
    def start(self):
        self.url, self.life, self.batches = str(Path(self.home.name) / "store"), {}, {}
        self.known, self.published = set(), set()

    def add_rows(self, texts, side=None, group="", person="", name=""):
        self.number += 1
        intents = [INTENTS[(len(text) + self.number) % 3] for text in texts]
        rows = pd.DataFrame({"text": texts, "intent": intents, "group": group, "person": pseudonym(person)}, dtype=object)
        rows = rows.assign(**({"side": side} if side else {}), reason="", batch=name or f"{self.number:016}",
                           line=np.arange(len(texts), dtype=np.uint64),
                           digest=np.fromiter(map(digest, texts), np.uint64, len(texts)))
        append(rows, self.url, {}, lambda rows, table: place_rows(rows, table, 25))
        self.batches[rows["batch"].iloc[0]] = (texts, side, group, person)

    @rule(texts=BATCH, group=st.sampled_from(["", "", "g1", "g2"]), person=st.sampled_from(["ann", "bob"]))
    def add(self, texts, group, person):
        self.add_rows(texts, None, group, person)

    @rule(texts=BATCH, side=st.lists(SIDE, min_size=5, max_size=5))
    def add_with_split_column(self, texts, side):
        self.published |= set(map(key, texts))
        self.add_rows(texts, side[:len(texts)])

    @precondition(lambda self: self.life)
    @rule(which=st.integers(0, 99), side=SIDE)
    def add_stored_texts_with_another_side(self, which, side):
        texts = sorted(self.texts_now())
        if texts:
            self.add_rows([texts[which % len(texts)], texts[which // 3 % len(texts)] + " "], [side] * 2)

    @precondition(lambda self: self.batches)
    @rule(which=st.integers(0, 99))
    def remove(self, which):
        there = read_rows(open_table(self.url), ["batch", "reason"])
        names = sorted(set(there.loc[(there["reason"] != REMOVED) & (there["batch"] != ""), "batch"]))
        if names:
            remove_batch(self.url, names[which % len(names)], {})

    @precondition(lambda self: self.batches)
    @rule(which=st.integers(0, 99), again=st.booleans())
    def add_again(self, which, again):
        name = sorted(self.batches)[which % len(self.batches)]
        texts, side, group, person = self.batches[name]
        self.add_rows(texts, side, group, person, name if again else "")

    @precondition(lambda self: self.life)
    @rule(which=st.integers(0, 99), intent=st.sampled_from(INTENTS))
    def relabel(self, which, intent):
        rewrite_labels(self.url, lambda rows: pd.Series(np.where(np.arange(len(rows)) % 5 == which % 5, intent, ""),
                                                        rows.index), {})

    @precondition(lambda self: self.life)
    @rule(which=st.integers(0, 99))
    def erase_a_text(self, which):
        texts = sorted(self.texts_now())
        if texts:
            text = texts[which % len(texts)]
            erase_utterances(self.url, {}, digests=[digest(text)])
            assert digest(text) not in set(map(digest, self.texts_now()))
            assert {digest(item) for item in texts} - {digest(text)} == set(map(digest, self.texts_now()))

    @precondition(lambda self: self.life)
    @rule(person=st.sampled_from(["ann", "bob"]))
    def erase_a_person(self, person):
        if (read_rows(open_table(self.url), ["person"])["person"] == pseudonym(person)).any():
            erase_utterances(self.url, {}, person)

    @precondition(lambda self: self.life)
    @rule(test_percent=st.sampled_from([10, 25, 50]), near_percent=st.sampled_from([0, 70, 85]), grouped=st.booleans(),
          given=st.booleans())
    def retrain(self, test_percent, near_percent, grouped, given):
        columns = Columns(group="group" if grouped else "", need_group=False, side="side" if given else "")
        try:
            utterances = read_store(self.url, columns, DATA)
        except InputError:  # nothing is left, or not all batches have a split column
            return
        done = self.judge(utterances, test_percent, given, near_percent)
        for text in done[0]["text"] if done else ():
            for other in self.known:
                if self.side.get(key(other)) == "test" and key(other) != key(text):
                    as_published = {key(text), key(other)} <= self.published
                    assert not touches(text, other, not as_published), f"{text!r} is trained on, {other!r} was tested"

    def texts_now(self):
        rows = read_rows(open_table(self.url), ["text"])
        return set(rows["text"]) - {""}

    @invariant()
    def sides_stay(self):
        table = open_table(self.url) if hasattr(self, "url") else None
        if table is None:
            return
        rows = read_rows(table, ["text", "digest", "life", "reason"])
        assert set(rows["reason"]) <= {"", REMOVED, QUARANTINE, ERASED}
        here = rows[(rows["text"] != "") & (rows["life"] != "")]
        for text, life in zip(here["text"], here["life"], strict=True):
            before = self.life.setdefault(key(text), life)
            assert before == life, f"{text!r} was {before}, is {life}"
            side = "test" if life == "test" else "train"
            assert self.side.get(key(text), side) == side
        self.known = set(here["text"])


class FileMachine(Sides):
    """A plain file, whose rows come and go, with a group, a split column and percentages that change from run to run."""

    @initialize(texts=st.lists(TEXTS, min_size=3, max_size=8))
    def start(self, texts):
        self.rows = [(text, "train", "") for text in texts]

    @rule(texts=BATCH, side=SIDE, group=st.sampled_from(["", "g1", "g2", "C++", "C#"]))
    def add(self, texts, side, group):
        self.rows += [(text, side, group) for text in texts]

    @rule(which=st.integers(0, 99))
    def remove(self, which):
        self.rows = [row for at, row in enumerate(self.rows) if at % 4 != which % 4]

    @rule(seed=st.integers(0, 99))
    def reorder(self, seed):
        self.rows = [self.rows[at] for at in np.random.default_rng(seed).permutation(len(self.rows))]

    @rule(side=SIDE, which=st.integers(0, 99))
    def another_side(self, side, which):
        self.rows = [(text, side if at % 3 == which % 3 else old, group) for at, (text, old, group) in enumerate(self.rows)]

    @precondition(lambda self: self.rows)
    @rule(how=st.sampled_from(["hash", "group", "column"]), test_percent=st.sampled_from([10, 25, 60]),
          near_percent=st.sampled_from([0, 70]), shift=st.integers(0, 2))
    def retrain(self, how, test_percent, near_percent, shift):
        values = {"text": [row[0] for row in self.rows], "intent": [INTENTS[(len(row[0]) + shift) % 3] for row in self.rows],
                  "line": list(range(len(self.rows)))}
        values |= {"side": [row[1] for row in self.rows]} if how == "column" else {}
        values |= {"group": [row[2] for row in self.rows]} if how == "group" else {}
        columns = Columns(side="side" if how == "column" else "", group="group" if how == "group" else "")
        utterances = build_utterances(values, columns, DATA, "file")
        done = self.judge(utterances, test_percent, how == "column", near_percent)
        for text in done[0]["text"] if done else ():
            for other in done[1]["text"]:
                assert not touches(text, other, how != "column" and near_percent > 0), f"{text!r} and {other!r}"


def play(machine, examples, steps, config):
    examples *= 2 if config.option.soak else 1
    how = settings(max_examples=EXAMPLES or examples, stateful_step_count=20 if EXAMPLES else steps, deadline=None,
                   derandomize=not EXAMPLES, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    run_state_machine_as_test(machine, settings=how)


def test_nothing_that_is_done_to_a_store_moves_a_text_to_the_other_side(pytestconfig):
    play(StoreMachine, 12, 12, pytestconfig)


def test_nothing_that_is_done_to_a_file_moves_a_text_to_the_other_side(pytestconfig):
    play(FileMachine, 30, 15, pytestconfig)


STORED = Path(__file__).parent / "store_of_key_1.tar.gz"  # written before marks and signs counted, with that code


@pytest.fixture
def old(tmp_path):
    """A folder with a store, a ledger of a model, and digests and sides of some texts, all of version 1 of the key."""
    with tarfile.open(STORED) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_no_text_of_an_old_store_is_lost_or_changes_its_side(old):
    """Its digests are made anew when it is read. A text that the old split column gave a second side is for testing."""
    url = str(old / "store")
    rows = read_rows(open_table(url))
    assert rows["digest"].tolist() == [digest(text) for text in rows["text"]]
    assert rows["digest"].nunique() == rows["text"].nunique()
    before = rows[rows["batch"] != "8" * 16].set_index("text")["life"].to_dict()
    n = len(rows)
    append(rows[["text", "intent"]].drop_duplicates("text").assign(
        reason="", batch="9" * 16, digest=lambda frame: frame["text"].map(digest).astype(np.uint64), line=np.uint64(0)),
        url, {}, lambda rows, table: place_rows(rows, table, 25))
    now = read_rows(open_table(url))
    again = now[now["batch"] == "9" * 16].set_index("text")["life"].to_dict()
    assert again == before and len(now) == n + len(again)
    read = read_store(url, Columns(), DATA).rows
    assert read.groupby("digest")["life"].nunique().max() == 1 and set(read["life"]) == {"train", "test"}
    assert all(before[text] == life for text, life in zip(read["text"], read["life"], strict=True))


def test_sides_by_hash_and_old_ledgers_hold_under_the_new_key(old):
    told = json.loads((old / "digests.json").read_text())
    assert [bare_digest(clean(text)) for text in told] == [number for number, _ in told.values()]
    assert [side_of(clean(text)) for text in told] == [side for _, side in told.values()]
    rows = pd.DataFrame({"text": ["C++ course for beginners", "my R&D budget", "where is my badge"]})
    rows = rows.assign(digest=rows["text"].map(digest).astype(np.uint64))
    assert is_seen(rows, read_digests(old / "trained.npy")).tolist() == [True, True, False]
    values = {"text": list(told), "intent": ["a", "b"] * 13, "line": list(range(26))}
    sides = split(build_utterances(values, Columns(), DATA, "file"), DATA, near_percent=0)
    assert set(map(clean, sides.test["text"])) == {clean(text) for text, (_, side) in told.items() if side == "test"}


def test_erasing_a_text_of_an_old_store_destroys_no_other_and_its_side_stays(old):
    """The two had one digest when they were stored."""
    url = str(old / "store")
    forgotten = []
    n, gone = erase_utterances(url, {}, digests=[digest("दान की रसीद चाहिए")], forget=forgotten.append)
    texts = set(read_rows(open_table(url))["text"])
    assert n == 1 and "दिन की रसीद चाहिए" in texts and "दान की रसीद चाहिए" not in texts
    assert gone.tolist() == [digest("दान की रसीद चाहिए")] == forgotten[0].tolist()
    erase_utterances(url, {}, digests=[digest("C++ course for beginners")])
    erase_utterances(url, {}, digests=[digest("thanks 👍")])
    assert {"C# course for beginners", "C course for beginners", "thanks 👎"} <= set(read_rows(open_table(url))["text"])


def rows_for(texts, name, **columns):
    """A batch of these texts."""
    frame = pd.DataFrame({"text": texts, "intent": (["a", "b"] * len(texts))[:len(texts)], **columns}, dtype=object)
    return frame.assign(digest=np.fromiter(map(digest, texts), np.uint64, len(texts)), reason="", batch=name * 16,
                        line=np.arange(len(texts), dtype=np.uint64))


def placed(rows, table):
    return place_rows(rows, table, 25)


def lives(url):
    rows = read_rows(open_table(url), ["text", "life", "reason"])
    return rows[(rows["reason"] == "") & (rows["text"] != "")].groupby("text")["life"].agg(set).to_dict()


def test_a_split_column_over_stored_texts_moves_none_of_them(tmp_path):
    """Add, add again as train, remove the first: the fault was that all test texts became training."""
    url, texts = str(tmp_path / "store"), [f"{word} is the word of day {at}" for at, word in enumerate(
        "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa".split())]
    append(rows_for(texts, "1"), url, {}, placed)
    before = lives(url)
    assert {"test"} in before.values() and {"train"} in before.values()
    append(rows_for(texts, "2", side=["train"] * len(texts)), url, {}, placed)
    append(rows_for(texts, "3", side=["test"] * len(texts)), url, {}, placed)
    assert lives(url) == before
    remove_batch(url, "1", {})
    assert lives(url) == before
    found = read_store(url, Columns(side="side"), DATA).rows
    assert dict(zip(found["text"], found["side"], strict=True)) == {text: min(side) for text, side in before.items()}


@pytest.mark.parametrize("sides", [["train", "validation"], ["validation", "train"]])
def test_a_text_that_a_split_column_names_twice_is_trained_on_and_not_validated_on(sides, tmp_path):
    """The fault: both rows stayed as they were named, and the store held one text under two sides."""
    url, texts = str(tmp_path / "store"), ["i lost my badge", "i lost my badge ", "a room please"]
    append(rows_for(texts, "1", side=[*sides, "validation"]), url, {}, placed)
    assert lives(url) == {texts[0]: {"train"}, texts[1]: {"train"}, texts[2]: {"validation"}}
    values = {"text": [*texts, "two days off"], "intent": ["a", "a", "a", "b"], "line": [2, 3, 4, 5],
              "side": [*sides, "validation", "train"]}
    rows = split(build_utterances(values, Columns(side="side"), DATA, "file"), DATA, given=True)
    assert len(rows.train) == 3 and rows.validation["text"].tolist() == ["a room please"]


def test_an_erased_text_that_comes_back_has_its_old_side_and_cannot_be_read_from_what_is_kept(tmp_path):
    url = str(tmp_path / "store")
    texts = ["zyzzyva alpha bravo", "quokka charlie delta", "wombat echo foxtrot", "numbat golf hotel"]
    sides = ["test", "train", "test", "train"]
    append(rows_for(texts, "1", side=sides, person=[pseudonym("ann")] * 4), url, {}, placed)
    erase_utterances(url, {}, person="ann")
    left = read_rows(open_table(url))
    assert set(left["reason"]) == {ERASED} and not left[["text", "intent", "person", "batch", "side"]].to_numpy(bool).any()
    plain = {number for text in texts for number in (digest(text), bare_digest(text))}
    assert not plain & {*left["digest"], *left["family"]} and left["group"].nunique() == 1
    append(rows_for([text.upper() + "!" for text in texts], "2", side=["train", "test", "train", "test"]), url, {}, placed)
    now = read_rows(open_table(url), ["text", "life", "reason"]).query("reason == ''")
    assert now["life"].tolist() == sides


@pytest.mark.parametrize("around", [
    "{}. Best regards, Ann Smith, Acme Ltd, +49 30 901820", "Hello team,\n\n{}\n\nThanks a lot",
    "On Monday Bob wrote:\n> {}\nany news?", "From: Bob To: desk Subject: help {} Disclaimer: private", "{} {}"])
def test_a_training_row_that_holds_a_test_text_is_found_wherever_near_texts_are(around, tmp_path):
    """The fault: such rows passed, a red accuracy of .712 became a green 1.000, and the audit was clean."""
    test = ["how do i submit an expense claim", "i lost my badge yesterday", "我的工牌丢了", "order a laptop"]
    train = [clean(around.format(text, text)) for text in test]
    tables = [rows_for(texts, "1", side=side) for texts, side in ((train, "train"), (test, "test"))]
    assert not apart(*tables).any() and not apart(*tables, percent=0).any() and not apart(*tables[::-1]).any()
    both = pd.concat(tables, ignore_index=True)
    assert (near_test(both) == (both["side"] == "train")).all()
    seen = audit_model("m", digests_of(train), tables[1], tables[0])
    assert (seen.exact, seen.near) == (0, 4)
    url = str(tmp_path / "store")
    append(tables[1], url, {}, placed)
    append(tables[0].assign(batch="2" * 16), url, {}, placed)
    stored = read_rows(open_table(url), ["text", "life", "reason"]).set_index("text")
    assert (stored.loc[test, "life"] == "test").all() and (stored.loc[train, "life"] == "").all()
    append(rows_for([f"so {text} ok" for text in train], "3"), url, {}, placed)
    assert "train" not in set(read_rows(open_table(url))["life"])


def test_a_test_row_that_holds_a_training_text_is_found_too():
    train = rows_for(["i lost my badge"], "1", side="train")
    test = rows_for(["hi team i lost my badge regards ann smith"], "2", side="test")
    assert not apart(train, test).any() and apart(train, test, percent=0).all()
    assert near_test(pd.concat([train, test], ignore_index=True)).tolist() == [True, False]


def test_a_row_of_boilerplate_joins_nobody(tmp_path):
    """It is itself neither trained nor tested on; the texts that it holds stay where they are."""
    url, texts = str(tmp_path / "store"), BASES[:6]
    append(rows_for(texts, "1"), url, {}, placed)
    before = lives(url)
    append(rows_for([" ".join(texts), "unrelated words of nobody"], "2"), url, {}, placed)
    rows = read_rows(open_table(url)).set_index("text")
    assert {text: lives(url)[text] for text in texts} == before and len({min(side) for side in before.values()}) == 2
    assert rows.loc[" ".join(texts), "reason"] == QUARANTINE and rows.loc["unrelated words of nobody", "life"]


@pytest.mark.parametrize("how", ["file", "split column"])
def test_a_test_set_that_comes_back_with_a_signature_turns_texts_apart_red(how, project, mlbot, csv_file):
    """By hash and by a split column: none of it is trained on, and the gate says so."""
    sample = read_utterances(sample_file(), Columns(context=("role", "location")), load_settings().data)
    sides = split(sample, load_settings().data)
    lines = ["text,intent,side"]
    for table, name in ((sides.train, "train"), (sides.test, "test")):
        lines += [f'"{text}",{intent},{name}' for text, intent in zip(table["text"], table["intent"], strict=True)]
    signed = [f'"{text}. Best regards, Ann Smith, Acme",{intent},train' for text, intent in
              zip(sides.test["text"], sides.test["intent"], strict=True)]
    file = csv_file("\n".join([*lines, *signed]))
    options = ["--split-column", "side"] if how == "split column" else []
    done = mlbot("run", "--data", str(file), "--until", "prepare", *options)
    assert done.returncode == 1 and "texts_apart" in done.stdout, done.stdout + done.stderr
    run = max((project / "runs").glob("2*"))
    trained = pd.read_csv(run / "train.csv", keep_default_na=False)
    # only the shortest texts, which stand in everything, are not looked for
    assert sum("regards ann smith" in key(text) for text in trained["text"]) <= 0.03 * len(signed)


def test_test_texts_that_come_back_inside_mails_turn_sent_again_red_and_are_not_trained_on(tmp_path):
    """In a store: the newest batch holds the test set, with a signature."""
    url, columns = str(tmp_path / "store"), Columns(context=("role", "location"))
    sample = batch_rows(read_utterances(sample_file(), columns, DATA))
    append(sample, url, {"source": "first.csv"}, placed)
    rows = rows_at(url)[0]
    test = rows[rows["life"] == "test"].drop_duplicates("digest")
    mails = sample[sample["digest"].isin(test["digest"])].drop_duplicates("digest")
    mails = mails.assign(text=mails["text"] + ". Best regards, Ann Smith, Acme").reset_index(drop=True)
    mails = mails.assign(digest=mails["text"].map(digest).astype(np.uint64), batch="a" * 16)
    append(mails.iloc[3:], url, {}, placed)
    found = read_locked(tmp_path, url, columns, DATA)
    sides = split(found, DATA)
    again = sent_again(found, sides)
    assert again.mean() > 0.5 and again.sum() > 40
    long = [text for text in sides.train["text"] if "Acme" in text]
    assert len(long) <= 0.03 * len(mails) and apart(sides.train, sides.test).all()


def test_another_run_of_a_project_moves_no_text_whatever_its_split_is(tmp_path):
    """The memory of a project: by hash, then by a column, then by a group, with other percentages, from another file."""
    texts = [f"{word} {at} is my question of the day" for at, word in enumerate(["ab", "cd", "ef", "gh"] * 10)]

    def run(test_percent, **values):
        given = {"text": texts, "intent": ["a", "b"] * 20, "line": list(range(40)), **values}
        columns = Columns(side="side" if "side" in values else "", group="group" if "group" in values else "")
        utterances = build_utterances(given, columns, DATA, "file")
        sides = split(utterances, DATA, test_percent, "side" in values, 0, recall_of(tmp_path))
        remember(tmp_path, sides.train["digest"], sides.test["digest"])
        return set(sides.test["text"]), sides
    first, _ = run(25)
    for values in ({"side": ["train"] * 40}, {"side": ["test"] * 40}, {"group": ["g"] * 40}, {}):
        again, sides = run(60, **values)
        assert again == first
    moved = [finding for finding in run(25, side=["test"] * 40)[1].findings if "keep the side" in finding.what]
    assert moved[0].n == 40 - len(first)
