"""Whoever wants a fresh budget without fresh rows does not get one: by other rows, by other names, by editing the trail."""

import json
import random

import numpy as np
import pandas as pd
import pytest

from mlbot.data.split import side_numbers
from mlbot.errors import NoVerdict
from mlbot.gates.actor import Actor
from mlbot.gates.test_budget import note_decision, read_meter, read_trail, reading_line
from mlbot.settings import Meter
from mlbot.text.clean import clean, digest

METER = Meter(0.05, 0.95, "full", 0)
AGENT, ANN = Actor("agent", "loop"), Actor("person", "Ann")
TEXTS = [f"please open ticket {number} for the {word}" for number in range(200) for word in ("printer", "car", "door")]


def digests(texts):
    """As a run computes them: of the cleaned text, by its words."""
    rows = pd.DataFrame({"text": [clean(text) for text in texts]})
    return side_numbers(rows.assign(digest=np.array([digest(text) for text in rows["text"]], np.uint64)))


@pytest.fixture
def judged(tmp_path):
    """A registry with three decisions on the test rows."""
    for number in range(3):
        note_decision(tmp_path, f"m{number}", digests(TEXTS), {}, METER, 0.8, ANN)
    return tmp_path


def served(models, texts):
    return read_meter(read_trail(models), digests(texts), METER, 0.8).served


def shuffled(texts):
    return random.Random(0).sample(texts, len(texts))


SAME = {
    "shuffled": shuffled, "other case": lambda texts: [text.upper() for text in texts],
    "white space": lambda texts: [f"  {text.replace(' ', '   ')} " for text in texts],
    "a trailing dot": lambda texts: [f"{text}." for text in texts],
    "signs": lambda texts: [f"# {text} !!" for text in texts],
    "first half": lambda texts: texts[:300], "second half": lambda texts: texts[300:],
    "40 % dropped": lambda texts: shuffled(texts)[:360], "every tenth": lambda texts: texts[::10],
    "ten rows": lambda texts: texts[:10],
    "with as many new ones": lambda texts: [*texts, *(f"new {number}" for number in range(len(texts)))],
    "with four times as many new ones": lambda texts: [*texts, *(f"new {number}" for number in range(4 * len(texts)))],
    "a resample": lambda texts: random.Random(1).choices(texts, k=len(texts)),
    "40 % replaced": lambda texts: [*texts[:360], *(f"new {number}" for number in range(240))],
}


@pytest.mark.parametrize("attack", SAME)
def test_the_same_rows_in_another_guise_carry_their_decisions_on(judged, attack):
    assert served(judged, SAME[attack](TEXTS)) == 3


def test_new_rows_begin_anew(judged):
    """Otherwise nobody could buy a fresh test set by labelling."""
    assert served(judged, [f"an entirely new question {number}" for number in range(600)]) == 0
    assert served(judged, [*TEXTS[:150], *(f"new {number}" for number in range(450))]) == 0  # a quarter is left of each


def lines(models):
    return (models / "decisions.jsonl").read_text().splitlines()


def rewrite(models, changed):
    (models / "decisions.jsonl").write_text("".join(f"{line}\n" for line in changed))


def edited(line, **change):
    return json.dumps({**json.loads(line), **change}, sort_keys=True)


INVENTED = [json.dumps({"model": word, "test": [1]}) for word in "xyz"]
DAMAGE = {
    "the file is deleted": lambda models: (models / "decisions.jsonl").unlink(),
    "the file is emptied": lambda models: rewrite(models, []),
    "the last line is cut off": lambda models: rewrite(models, lines(models)[:-1]),
    "the first line is cut off": lambda models: rewrite(models, lines(models)[1:]),
    "a line in the middle is cut off": lambda models: rewrite(models, [lines(models)[0], lines(models)[2]]),
    "one line stands for three": lambda models: rewrite(models, lines(models)[:1] * 3),
    "the rows of a line are others": lambda models: rewrite(models, [*lines(models)[:2], edited(lines(models)[2], test=[1])]),
    "the rows of all lines are others": lambda models: rewrite(models, [edited(line, test=[1]) for line in lines(models)]),
    "all lines are of one model": lambda models: rewrite(models, [edited(line, model="m0") for line in lines(models)]),
    "numbers start anew": lambda models: rewrite(models, [edited(lines(models)[2], number=1, before="")]),
    "invented lines take the place": lambda models: rewrite(models, INVENTED),
    "invented lines come first": lambda models: rewrite(models, ['{"model": "x", "test": [1]}', *lines(models)[1:]]),
    "lines and head are cut off": lambda models: (rewrite(models, lines(models)[:2]), (models / "decisions.head").unlink()),
    "the head is edited": lambda models: ((models / "decisions.head").write_text('{"number": 1, "mark": ""}'),
                                          rewrite(models, lines(models)[:2])),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_no_edit_of_the_trail_lowers_the_budget_and_each_is_said(judged, damage):
    DAMAGE[damage](judged)
    found = read_meter(read_trail(judged), digests(TEXTS), METER, 0.8)
    assert found.served >= 3 and "decisions.jsonl: " in found.trouble
    assert f"at least {found.served} were judged" in reading_line(found, Meter(0.2, 0.95, "full", 0)).replace(",", "") or \
        not found.carried
    after = note_decision(judged, "m9", digests(TEXTS), {}, METER, 0.8, ANN)
    assert after.served > found.served - 1 and after.trouble


def test_what_releases_and_runs_prove_counts_when_everything_else_is_gone(judged):
    (judged / "decisions.jsonl").unlink()
    (judged / "decisions.head").unlink()
    for proofs, least in (((3, frozenset()), 3), ((0, frozenset({"m0", "m1"})), 2), ((1, frozenset({"m0", "m1"})), 2)):
        trail = read_trail(judged, *proofs)
        assert trail.missing == least and read_meter(trail, digests(TEXTS), METER, 0.8).served == least
    rewrite(judged, INVENTED)
    assert read_meter(read_trail(judged, proved=3), digests(TEXTS), METER, 0.8).served == 3  # invented lines hide nothing
    (judged / "decisions.jsonl").unlink()
    assert read_trail(judged).missing == 0  # nothing is left that could prove anything


def test_decisions_of_two_machines_can_be_merged_line_by_line(judged, tmp_path):
    """As git merges files to which both sides have added; the trail is a tree, and stays whole."""
    before = lines(judged)
    note_decision(judged, "here", digests(TEXTS), {}, METER, 0.8, ANN)
    here = lines(judged)[-1]
    rewrite(judged, before)
    (judged / "decisions.head").unlink()
    note_decision(judged, "there", digests(TEXTS), {}, METER, 0.8, ANN)
    rewrite(judged, [*before, here, lines(judged)[-1]])
    assert {"here", "there"} <= {item["model"] for item in read_trail(judged).good}
    assert read_meter(read_trail(judged), digests(TEXTS), METER, 0.8).served == 5


def test_lines_of_before_marks_stay_readable_and_belong_to_nobody(tmp_path):
    old = [json.dumps({"model": f"old{n}", "outcomes": {}, "test": sorted(map(int, digests(TEXTS)))[:128]}) for n in range(2)]
    rewrite(tmp_path, old)
    found = note_decision(tmp_path, "m1", digests(TEXTS), {}, METER, 0.8, AGENT)
    assert (found.served, found.by, found.trouble) == (3, {"unknown": 2, "agent": 1}, "")
    rewrite(tmp_path, [old[0], *lines(tmp_path)[2:]])
    assert "1 decisions are missing" in read_trail(tmp_path).trouble


def test_an_agent_that_loops_gets_no_score_after_its_ceiling_and_a_person_still_does(tmp_path):
    meter = Meter(0.05, 0.95, "full", 0, agent_decisions=3)
    for number in range(3):
        assert note_decision(tmp_path, f"m{number}", digests(TEXTS), {}, meter, 0.8, AGENT).by["agent"] == number + 1
    written = lines(tmp_path)
    for texts in (TEXTS, TEXTS[:300], [f"{text}." for text in TEXTS]):
        with pytest.raises(NoVerdict, match="agent:loop has had 3 verdicts") as refusal:
            note_decision(tmp_path, "m3", digests(texts), {}, meter, 0.8, AGENT)
        assert refusal.value.exit_code == 3 and len(str(refusal.value).splitlines()) <= 6
    assert lines(tmp_path) == written
    assert note_decision(tmp_path, "m1", digests(TEXTS), {}, meter, 0.8, AGENT).served == 3  # known: it tells nothing new
    assert note_decision(tmp_path, "m3", digests(TEXTS), {}, meter, 0.8, ANN).served == 4
    (tmp_path / "decisions.jsonl").unlink()
    with pytest.raises(NoVerdict):  # deleting the file is no way round the ceiling
        note_decision(tmp_path, "m4", digests(TEXTS), {}, meter, 0.8, AGENT)
