"""Rows outside the checkout answer one bit, a few times, and leave no trace anywhere else."""

import json

import numpy as np
import pytest

from mlbot.errors import InputError, NoVerdict
from mlbot.gates.actor import Actor
from mlbot.gates.gating import SealedBit, gate, verdicts
from mlbot.gates.sealed import ask, has_moved, open_book, open_sealed, read_sealed, refuse_inside, sealed_budget, sealed_place
from mlbot.gates.verdict import FAIL, PASS, Rules, against, judge
from mlbot.run.budget import sealed_rows
from mlbot.settings import Target, load_settings
from mlbot.stats.scores import share

N = 1000
GOOD, BAD = np.arange(N) < 850, np.arange(N) < 600
DIGESTS = np.random.default_rng(0).integers(0, 2**60, N)


def question(place, model, right, floor=0.8, most=20, state="a", digests=DIGESTS):
    return ask(open_sealed(str(place), place / "checkout"), str(place), model, digests, right, share("accuracy", right),
               Target(floor=floor), state, most, Actor("agent", "x"))


def test_a_good_model_passes_a_bad_one_fails_and_nothing_but_the_bit_comes_back(tmp_path):
    assert question(tmp_path, "m1", GOOD) == SealedBit(N, PASS, 1, 19)
    assert question(tmp_path, "m2", BAD) == SealedBit(N, FAIL, 2, 18)
    assert question(tmp_path, "m3", GOOD) == SealedBit(N, PASS, 3, 17)  # better than the last by far: measured anew


def test_the_same_model_may_be_asked_again_and_hears_the_same(tmp_path):
    question(tmp_path, "m1", GOOD)
    assert question(tmp_path, "m1", BAD) == SealedBit(N, PASS, 1, 19)  # what it was told once is told again, unmeasured
    assert question(tmp_path, "m1", GOOD, floor=0.9).asked == 2  # another floor is another question


def test_after_the_last_question_nobody_gets_an_answer_but_those_who_have_one(tmp_path):
    for number in range(3):
        question(tmp_path, f"m{number}", GOOD, most=3)
    for right in (GOOD, BAD):
        with pytest.raises(NoVerdict, match="have answered 3 questions") as refusal:
            question(tmp_path, "m9", right, most=3)
        assert refusal.value.exit_code == 3 and len(str(refusal.value).splitlines()) <= 6
    assert question(tmp_path, "m1", GOOD, most=3).outcome == PASS
    assert question(tmp_path, "m9", GOOD, most=0).left is None
    assert sealed_budget(open_book(open_sealed(str(tmp_path), tmp_path / "checkout")), 3) == {
        "asked": 4, "by": {"agent:x": 4}, "most": 3, "left": 0}


def test_who_changes_a_few_answers_learns_nothing_from_the_bit(tmp_path):
    """At the edge of the floor the plain bit would tell each row; here all neighbours get the bit of the first."""
    edge = np.arange(N) < 775
    told = {question(tmp_path, "edge", edge, most=0).outcome}
    for row in (0, 10, 774, 775, 800, 999):
        probe = edge.copy()
        probe[row] = ~probe[row]
        told.add(question(tmp_path, f"probe {row}", probe, most=0).outcome)
    assert len(told) == 1
    for count in (1, 3):  # three rows are less than chance, four leave it behind
        assert not has_moved(edge, np.arange(N) < 775 + count)
    assert has_moved(edge, np.arange(N) < 779) and not has_moved(edge, edge)


def test_rows_that_are_new_for_the_most_part_begin_anew_and_the_rest_carry_on(tmp_path):
    question(tmp_path, "m1", GOOD)
    assert question(tmp_path, "m2", BAD, state="b").asked == 2  # a label was corrected
    assert question(tmp_path, "m3", GOOD[:600], state="c", digests=DIGESTS[:600]).asked == 3  # rows were taken out
    fresh = np.random.default_rng(1).integers(0, 2**60, N)
    assert question(tmp_path, "m3", GOOD, state="d", digests=fresh).asked == 1
    assert len(list((tmp_path / "asked").iterdir())) == 4  # and nothing was overwritten


def test_two_that_ask_at_once_are_two_questions(tmp_path, monkeypatch):
    """The other one takes the number between our look and our writing; then we look again."""
    from mlbot.storage import Folder
    create, others = Folder.create, [b"once"]

    def late(self, name, data):
        if others:
            others.pop()
            question(tmp_path, "other", BAD)
        return create(self, name, data)
    monkeypatch.setattr(Folder, "create", late)
    assert question(tmp_path, "ours", GOOD).asked == 2
    assert {path.stem for path in (tmp_path / "asked").iterdir()} == {"000001", "000002"}


def test_a_book_that_was_damaged_is_no_empty_book(tmp_path):
    question(tmp_path, "m1", GOOD)
    (tmp_path / "asked" / "000002.json").write_text("{")
    with pytest.raises(NoVerdict, match="book of questions is damaged"):
        question(tmp_path, "m2", GOOD)


def test_rows_inside_the_checkout_or_under_git_are_refused_also_through_links(tmp_path):
    checkout, outside, tree = tmp_path / "checkout", tmp_path / "outside", tmp_path / "tree"
    for folder in (checkout / "deep", outside, tree / ".git", tree / "deep"):
        folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(checkout / "deep")
    (checkout / "rows.csv").write_text("")
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "rows.csv").symlink_to(checkout / "rows.csv")
    refuse_inside(str(outside), checkout)
    for place in (checkout, checkout / "deep", tmp_path / "link", tmp_path / "hidden", tree, tree / "deep",
                  outside / ".." / "checkout"):
        with pytest.raises(InputError, match="the sealed rows lie in"):
            refuse_inside(str(place), checkout)


@pytest.mark.parametrize("data", [
    b"", b"text\nmy secret words\n", b"text,intent\nmy secret words\n", b"\xff\xfemy secret words",
    b'text,intent\n"my secret words,x\n', b"my secret words,y\n1,2\n", b"text,intent\n" + b"my secret words " * 9000])
def test_no_message_about_sealed_rows_quotes_one(tmp_path, data):
    (tmp_path / "rows.csv").write_bytes(data)
    place = open_sealed(str(tmp_path), tmp_path / "checkout")
    with pytest.raises(InputError) as problem:
        sealed_rows(read_sealed(place, str(tmp_path)), ["role"], load_settings(), str(tmp_path))
    assert "secret" not in str(problem.value) and problem.value.__suppress_context__
    assert len(str(problem.value).splitlines()) <= 6


def test_rows_that_are_not_there_or_may_not_be_read_stop_the_question(tmp_path):
    with pytest.raises(InputError, match="no sealed rows"):
        read_sealed(open_sealed(str(tmp_path), tmp_path / "checkout"), str(tmp_path))


def test_the_bit_decides_the_gate_and_a_named_place_must_have_been_asked(monkeypatch):
    rules = Rules(load_day(), {"accuracy": Target(0.8)}, sealed=True)
    monkeypatch.setattr("mlbot.gates.gating._verdicts", {})
    gate("accuracy", share("accuracy", GOOD), rules, sealed=SealedBit(N, PASS))
    (kept,) = verdicts()
    assert (kept.outcome, kept.sealed, against(kept, rules).outcome) == (PASS, PASS, PASS)
    unasked = judge("accuracy", share("accuracy", GOOD), Target(0.8))
    assert against(unasked, rules).outcome == "no verdict"
    settings = load_settings()
    assert sealed_place(settings, {"MLBOT_SEALED": "/srv/x"}) == "/srv/x" and sealed_place(settings, {}) == ""


def test_the_book_holds_no_text(tmp_path):
    question(tmp_path, "m1", GOOD)
    page = json.loads((tmp_path / "asked" / "000001.json").read_text())
    assert set(page) == {"answers", "anchor", "state", "test", "by"} and set(page["anchor"]) == {"right", "outcome", "limit"}


def load_day():
    from datetime import date
    return date(2026, 3, 2)
