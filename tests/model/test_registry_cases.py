"""What the registry answers in each single case: a champion, a judgement, a line of the history."""

import json
import os
from datetime import UTC, date, datetime

import numpy as np
import pytest

from mlbot.data.ledger import ledger_file, write_digests
from mlbot.errors import InputError, NoVerdict
from mlbot.files import bears, shared_key
from mlbot.model.artefact import as_json, build_artefact
from mlbot.model.registry import (
    Opponent,
    add_history,
    as_judgement,
    challenged,
    champion,
    history,
    is_intact,
    judgement_file,
    judgement_words,
    keep_judgement,
    marked,
    opponent,
    person,
    pointed_at,
    read_judgement,
    refuse_unjudged,
    release,
    released_before,
    stored_judgement,
    unjudged_record,
    unseen,
    whole_lines,
    why_not_judged,
    why_unchallenged,
    without_mark,
)

WHEN = datetime(2026, 3, 1, 12, 30, 15, 999, UTC)
GREEN = {"verdicts": [{"gate": "accuracy", "score": {"value": 0.9}}], "waived": {}}
WAIVER = {"who": "Ann", "why": "a demo", "until": "2026-03-01"}
LONG = "x" * 45


def model(number: float):
    """A tiny model, another one for each number."""
    return build_artefact(["a", "b"], [], {"words": ["w"], "char_ngrams": []},
                          {"weights": np.full((1, 2), number), "bias": np.zeros(2), "idf": np.ones(1)},
                          {"model": {"words": [1, 2], "characters": [1, 4]}})


def lines(models) -> list[str]:
    """The history as it stands in its file."""
    return (models / "history.jsonl").read_text(encoding="utf-8").split("\n")


@pytest.fixture
def alone(monkeypatch):
    """No key is shared with other machines."""
    monkeypatch.delenv("MLBOT_KEY")


@pytest.fixture
def models(tmp_path):
    """A folder of models that names none yet."""
    return tmp_path


def test_without_a_release_there_is_no_champion_and_nothing_to_compare_with(models):
    assert champion(models) is None and pointed_at(models) == "" and released_before(models) == []
    assert challenged(models) is None and why_unchallenged(models, None) == ""
    found = opponent(models)
    assert (found.name, found.found, found.trained) == ("", True, None)
    assert found == Opponent() and found.compared(np.arange(3)).tolist() == [False] * 3


def test_the_file_of_the_champion_is_read_without_its_ends_whatever_stands_in_it(models):
    (models / "champion").write_bytes(b" abc \n")
    assert pointed_at(models) == "abc"
    (models / "champion").write_bytes(b"\xe9t\n")
    assert pointed_at(models) == "\ufffdt"
    (models / "champion").unlink()
    (models / "champion").mkdir()
    assert pointed_at(models) == ""


def test_the_champion_is_the_model_that_was_released_last(models):
    first, second = model(1), model(2)
    assert release(first, models, {}, WHEN) == models / first.name and champion(models).name == first.name
    release(second, models, {}, WHEN)
    found = champion(models)
    assert found.name == second.name and found.weights["weights"].tolist() == [[2, 2]]
    assert challenged(models).name == second.name and why_unchallenged(models, found) == ""
    release(first, models, {}, WHEN)
    assert released_before(models) == [first.name, second.name]
    assert (models / "champion").read_bytes() == first.name.encode() + b"\n"


def test_models_that_were_the_champion_stand_in_order_each_once(models):
    for name in ("old", 5, "new", "old", ""):
        add_history(models, {"model": name, "when": "t"})
    assert released_before(models) == ["old", "new", "5"]
    (models / "champion").write_text("by hand\n")
    assert released_before(models) == ["by hand", "old", "new", "5"]


def test_where_the_champion_cannot_be_read_the_last_release_that_can_be_takes_its_place(models):
    first, second = model(1), model(2)
    release(first, models, {}, WHEN)
    release(second, models, {}, WHEN)
    write_digests(np.array([7, 8]), ledger_file(models, first.name))
    (models / second.name / "weights.safetensors").write_bytes(b"no weights")
    found = challenged(models)
    assert found.name == first.name
    assert why_unchallenged(models, found) == (
        f"the champion '{second.name}' cannot be read; compared with {first.name}, the last release that can be")
    against = opponent(models)
    assert (against.name, against.found, against.trained.tolist()) == (first.name, True, [7, 8])
    (models / "champion").write_text("../" + first.name)
    assert challenged(models).name == first.name


def test_where_no_release_can_be_read_the_name_of_the_champion_is_cut(models):
    (models / "champion").write_text(LONG)
    assert challenged(models) is None
    assert why_unchallenged(models, None) == (
        f"the champion '{'x' * 40}' cannot be read; the model is compared with nothing")
    found = opponent(models)
    assert (found.name, found.found, found.trained) == ("x" * 40, False, None)
    assert found.compared(np.arange(2)).tolist() == [False, False]


def test_a_champion_without_a_ledger_or_with_a_damaged_one_is_compared_on_all_rows(models):
    found = model(1)
    release(found, models, {}, WHEN)
    assert opponent(models) == Opponent(found.name, True, None)
    ledger_file(models, found.name).parent.mkdir()
    ledger_file(models, found.name).write_bytes(b"no numpy")
    assert opponent(models) == Opponent(found.name, True, None)


def test_rows_that_a_champion_was_trained_on_are_not_compared():
    digests = np.array([1, 2, 3], np.uint64)
    assert unseen(digests, np.array([2], np.uint64)).tolist() == [True, False, True]
    assert unseen(digests, None).tolist() == [True, True, True] and unseen(digests, None).dtype == bool
    against = Opponent("m1", True, np.array([2], np.uint64))
    assert against.compared(digests).tolist() == [True, False, True]
    assert against.compared(digests, "m2").tolist() == [True, False, True]
    assert against.compared(digests, "m1").tolist() == [True, True, True]  # with itself on all
    for none in (Opponent("", True, against.trained), Opponent("m1", False, against.trained), Opponent("", False)):
        assert none.compared(digests).tolist() == [False] * 3


def test_a_model_is_intact_under_its_own_name_only(models):
    found = model(1)
    folder = release(found, models, {}, WHEN)
    assert is_intact(folder, found.name) is True and is_intact(folder, "ffffffffffff") is False
    assert is_intact(models / "nowhere", "nowhere") is False


def test_a_mark_covers_all_of_a_judgement_but_itself():
    record = {"model": "m1", "verdicts": [1]}
    assert without_mark(record | {"mark": "x"}) == record and without_mark(record) == record
    found = marked(record, b"k" * 32)
    assert found == marked(record | {"mark": "x"}, b"k" * 32) and bears(found, b"k" * 32, b"judgement", as_json(record))
    assert found not in (marked(record, b"l" * 32), marked(record | {"why": ""}, b"k" * 32))


def test_a_kept_judgement_says_when_and_about_which_model(models, alone):
    keep_judgement(models, "m1", GREEN | {"model": "m2"}, "today")
    found = read_judgement(models, "m1")
    assert without_mark(found) == {"when": "today", "model": "m1", **GREEN} and len(found["mark"]) == 64
    keep_judgement(models, "m1", GREEN | {"when": "before"}, "today")
    assert read_judgement(models, "m1")["when"] == "before" and judgement_file(models, "m1").name == "m1.json"
    assert judgement_file(models, "m1") == models / "judgements" / "m1.json"


def test_a_judgement_that_somebody_has_edited_is_stored_and_not_believed(models, alone):
    keep_judgement(models, "m1", GREEN, "today")
    file = judgement_file(models, "m1")
    assert stored_judgement(models, "m2") is read_judgement(models, "m2") is None
    file.write_bytes(file.read_bytes().replace(b"0.9", b"1.0"))
    assert stored_judgement(models, "m1")["verdicts"][0]["score"] == {"value": 1.0}
    assert read_judgement(models, "m1") is None
    file.rename(judgement_file(models, "m2"))
    assert stored_judgement(models, "m2") is None


def test_a_judgement_of_another_project_is_not_believed(tmp_path, alone):
    keep_judgement(tmp_path / "theirs", "m1", GREEN, "today")
    judgement_file(tmp_path / "ours", "m1").parent.mkdir(parents=True)
    judgement_file(tmp_path / "theirs", "m1").rename(judgement_file(tmp_path / "ours", "m1"))
    assert stored_judgement(tmp_path / "ours", "m1") and read_judgement(tmp_path / "ours", "m1") is None


def test_who_lets_a_model_ship_stands_in_the_record():
    nothing = {"verdicts": [], "waived": {}}
    assert unjudged_record({"who": "Ann", "why": 5, "run": "r1"}) == {"unjudged": {"who": "Ann", "why": "5"}, **nothing}
    assert unjudged_record({}) == {"unjudged": {"who": "", "why": ""}, **nothing}


WHOLE = {"model": "m1", "mark": "x", **GREEN}
UNJUDGED = {"model": "m1", "mark": "x", **unjudged_record({"who": "Ann", "why": "a demo"})}
ODD = {"gate": "accuracy", "score": 0.9}


@pytest.mark.parametrize("record", [
    WHOLE, UNJUDGED, WHOLE | {"unjudged": {}}, WHOLE | {"waived": {"accuracy": WAIVER}},
    WHOLE | {"waived": {"accuracy": WAIVER | {"more": 1}, "slices": WAIVER}}, WHOLE | {"verdicts": GREEN["verdicts"] * 2},
    UNJUDGED | {"unjudged": {"who": "", "why": "", "more": 1}}, UNJUDGED | {"verdicts": GREEN["verdicts"]}])
def test_a_whole_judgement_is_read(record):
    assert as_judgement(json.dumps(record).encode(), "m1") == record


@pytest.mark.parametrize("record", [
    WHOLE | {"model": "m2"}, UNJUDGED | {"model": "m2"}, WHOLE | {"mark": 5}, UNJUDGED | {"mark": None},
    UNJUDGED | {"verdicts": {}}, UNJUDGED | {"verdicts": ""}, WHOLE | {"verdicts": []},
    WHOLE | {"verdicts": [], "unjudged": {}}, WHOLE | {"verdicts": [ODD]}, WHOLE | {"verdicts": [{"gate": 5, "score": {}}]},
    WHOLE | {"verdicts": [{"gate": "a"}]},
    WHOLE | {"verdicts": [{"score": {}}]}, WHOLE | {"verdicts": [*GREEN["verdicts"], ODD]}, WHOLE | {"verdicts": [5]},
    WHOLE | {"waived": {"a": WAIVER, "b": {"who": "Ann", "until": "2026-03-01"}}},
    WHOLE | {"waived": {"a": {"why": "a demo", "until": "2026-03-01"}}}, WHOLE | {"waived": {"a": {"who": "", "why": ""}}},
    WHOLE | {"waived": {"a": WAIVER | {"until": "tomorrow"}}}, WHOLE | {"waived": {"a": WAIVER | {"until": 5}}},
    WHOLE | {"waived": ["a"]}, WHOLE | {"unjudged": ["who", "why"]}, WHOLE | {"unjudged": []}, WHOLE | {"unjudged": "why"},
    UNJUDGED | {"unjudged": {"who": "Ann"}}, UNJUDGED | {"unjudged": {"why": "a demo"}}, {}, [], 5, None])
def test_a_judgement_that_is_odd_is_none(record):
    assert as_judgement(json.dumps(record).encode(), "m1") is None


@pytest.mark.parametrize("missing", ["model", "mark", "verdicts", "waived"])
def test_a_judgement_that_lacks_a_part_is_none(missing):
    assert as_judgement(json.dumps({name: part for name, part in WHOLE.items() if name != missing}).encode(), "m1") is None


@pytest.mark.parametrize("data", [None, b"", b"{", b"\xff", b"[" * 200_000])
def test_bytes_that_are_no_judgement_are_none(data):
    assert as_judgement(data, "m1") is None


def test_a_model_without_a_verdict_of_this_project_may_not_ship(models, alone):
    assert why_not_judged(models, "m1") == "no verdict of model m1 is kept"
    judgement_file(models, "m1").parent.mkdir()
    judgement_file(models, "m1").write_bytes(as_json(WHOLE))
    assert why_not_judged(models, "m1") == "no verdict of model m1 is kept that this project has marked"
    with pytest.raises(NoVerdict) as refused:
        refuse_unjudged(models, "m1")
    assert refused.value.found == "no verdict of model m1 is kept that this project has marked"
    assert "mlbot promote m1 --unjudged --why REASON" in refused.value.action and refused.value.place == str(models)
    assert judgement_words(models, "m1") == "the champion m1 was put there by hand: it has no stored verdict"


def test_a_model_that_was_judged_green_may_ship_and_there_is_nothing_to_say(models):
    keep_judgement(models, "m1", GREEN, "today")
    assert why_not_judged(models, "m1", date(2030, 1, 1)) == why_not_judged(models, "m1") == ""
    assert refuse_unjudged(models, "m1", date(2030, 1, 1)) is None and judgement_words(models, "m1") == ""


def test_waivers_must_hold_on_the_day_that_is_asked_for_and_their_last_day_counts(models):
    waived = {"accuracy": WAIVER, "slices": WAIVER | {"until": "2026-03-05"}, "leaks": WAIVER | {"until": "2026-02-01"}}
    keep_judgement(models, "m1", GREEN | {"waived": waived}, "today")
    ended = "model m1 was green only by waivers that have ended: "
    assert why_not_judged(models, "m1") == "" and why_not_judged(models, "m1", date(2026, 2, 1)) == ""
    assert why_not_judged(models, "m1", date(2026, 3, 1)) == ended + "leaks (until 2026-02-01)"
    assert why_not_judged(models, "m1", date(2026, 3, 2)) == (
        ended + "accuracy (until 2026-03-01), leaks (until 2026-02-01)")
    with pytest.raises(NoVerdict, match="waivers that have ended"):
        refuse_unjudged(models, "m1", date(2026, 3, 2))
    assert refuse_unjudged(models, "m1") is None


@pytest.mark.parametrize("facts, says", [
    ({"who": "Ann", "why": "a demo"}, "Ann: a demo"), ({"who": "Ann"}, "Ann: no reason given"),
    ({"why": "a demo"}, "nobody named: a demo"), ({}, "nobody named: no reason given")])
def test_whoever_lets_a_model_ship_without_a_verdict_is_named(models, facts, says):
    keep_judgement(models, "m1", unjudged_record(facts), "today")
    assert judgement_words(models, "m1") == f"the champion m1 was shipped without a verdict by {says}"
    assert why_not_judged(models, "m1", date(2030, 1, 1)) == "" and refuse_unjudged(models, "m1") is None


def test_waivers_are_not_asked_of_a_model_that_somebody_answers_for(models):
    keep_judgement(models, "m1", UNJUDGED | {"waived": {"accuracy": WAIVER}}, "today")
    assert why_not_judged(models, "m1", date(2030, 1, 1)) == ""


def test_a_release_is_told_in_the_history_with_what_was_before(models, alone):
    first, second = model(1), model(2)
    release(first, models, {"who": "Ann", "why": "first"}, WHEN)
    release(second, models, {"who": "Bob"}, WHEN.replace(minute=31))
    assert history(models) == [
        {"when": "2026-03-01T12:30:15+00:00", "model": first.name, "before": None, "who": "Ann", "why": "first"},
        {"when": "2026-03-01T12:31:15+00:00", "model": second.name, "before": first.name, "who": "Bob"}]


def test_a_release_happens_now_unless_another_time_is_given(models):
    start = datetime.now(UTC).replace(microsecond=0)
    release(model(1), models, {})
    told = datetime.fromisoformat(history(models)[0]["when"])
    assert start <= told <= datetime.now(UTC) and told.microsecond == 0


def test_a_release_keeps_the_judgement_that_it_is_given_or_says_that_there_is_none(models):
    first, second = model(1), model(2)
    release(first, models, {"who": "Ann", "why": "a demo"}, WHEN, GREEN)
    release(second, models, {"who": "Ann", "why": "a demo"}, WHEN)
    green, unjudged = (without_mark(read_judgement(models, found.name)) for found in (first, second))
    assert green == {"when": "2026-03-01T12:30:15+00:00", "model": first.name, **GREEN}
    assert unjudged == {"when": "2026-03-01T12:30:15+00:00", "model": second.name, "verdicts": [], "waived": {},
                        "unjudged": {"who": "Ann", "why": "a demo"}}


def test_a_damaged_folder_is_put_aside_and_written_anew(models):
    found = model(1)
    folder = release(found, models, {}, WHEN)
    (folder / "weights.safetensors").write_bytes(b"no weights")
    assert release(found, models, {}, WHEN) == folder and is_intact(folder, found.name)
    aside, = models.glob(f".damaged-{found.name}-*")
    assert (aside / "weights.safetensors").read_bytes() == b"no weights"
    release(found, models, {}, WHEN)
    assert len(list(models.glob(".damaged-*"))) == 1


def test_a_release_against_another_champion_than_the_caller_believes_is_refused(models):
    first, second = model(1), model(2)
    with pytest.raises(InputError) as refused:
        release(first, models, {}, WHEN, expected="0123456789ab")
    assert (refused.value.found, refused.value.expected) == ("the champion is none by now", "0123456789ab")
    assert champion(models) is None and history(models) == []
    release(first, models, {}, WHEN, expected="")
    with pytest.raises(InputError) as refused:
        release(second, models, {}, WHEN, expected="")
    assert refused.value.found == f"the champion is {first.name} by now"
    assert refused.value.expected == "none, as when the model was judged" and champion(models).name == first.name
    kept = judgement_file(models, first.name).read_bytes()
    with pytest.raises(InputError):
        release(first, models, {"who": "ann"}, WHEN, expected=second.name)
    assert judgement_file(models, first.name).read_bytes() == kept, "a release that is refused leaves how it was judged"
    release(second, models, {}, WHEN, expected=first.name)
    assert champion(models).name == second.name and len(history(models)) == 2


@pytest.mark.parametrize("data, whole", [
    (b"", 0), (b"5", 1), (b"{", 0), (b"5\n", 2), (b"5\n{", 2), (b"x\n5", 3), (b"x\ny\nz", 4), (b'{"a": 1}\n{"b": 2}', 17),
    (b"\n", 1), (b"5\n\n", 3)])
def test_whole_lines_end_where_a_crash_has_cut(data, whole):
    assert whole_lines(data) == whole


@pytest.mark.parametrize("before, after", [
    (b"", b""), (b'{"a": 1}\n', b'{"a": 1}\n'), (b'{"a": 1}', b'{"a": 1}\n'), (b'{"a": 1}\n{"b', b'{"a": 1}\n'),
    (b'{"b', b""), (b'{"a": 1}\n5', b'{"a": 1}\n5\n')])
def test_a_new_line_of_the_history_stands_alone(models, alone, before, after):
    (models / "history.jsonl").write_bytes(before)
    add_history(models, {"why": "für Ann", "model": "m1"})
    assert (models / "history.jsonl").read_bytes() == after + '{"model": "m1", "why": "für Ann"}\n'.encode()


def test_a_line_is_on_the_disk_before_the_champion_changes(models, alone, monkeypatch):
    """What the file holds at each moment at which the system is asked to write it out."""
    seen, fsync = [], os.fsync
    monkeypatch.setattr("os.fsync", lambda handle: (seen.append((models / "history.jsonl").read_text()), fsync(handle)))
    add_history(models, {"model": "m1"})
    assert seen == ['{"model": "m1"}\n']


def test_where_machines_share_a_key_each_line_bears_its_mark_and_no_other(models):
    assert shared_key()
    add_history(models, {"model": "m1", "when": "t", "mark": "somebody's"})
    entry, = history(models)
    assert without_mark(entry) == {"model": "m1", "when": "t"}
    assert bears(entry["mark"], shared_key(), b"entry", as_json(without_mark(entry)))


def test_without_a_shared_key_a_line_is_as_it_was_given(models, alone):
    add_history(models, {"model": "m1", "when": "t"})
    assert lines(models) == ['{"model": "m1", "when": "t"}', ""] and history(models) == [{"model": "m1", "when": "t"}]


def test_the_history_leaves_out_what_is_no_entry(models):
    assert history(models) == []
    told = ['{"model": "m1", "when": "t"}', "", "5", "null", '["model", "when"]', '{"model": "m2"}', '{"when": "t"}', "{cut",
            '{"model": "m3", "when": "t", "why": "für Ann\u2028"}']
    (models / "history.jsonl").write_bytes("\n".join(told).encode() + b'\n{"model": "m4\xff", "when": "t"}')
    assert history(models) == [{"model": "m1", "when": "t"}, {"model": "m3", "when": "t", "why": "für Ann\u2028"},
                               {"model": "m4\ufffd", "when": "t"}]


def test_a_person_without_a_login_name_has_none(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert person() == "ann"
    for problem in (KeyError("uid"), OSError("no user")):
        monkeypatch.setattr("getpass.getuser", lambda problem=problem: (_ for _ in ()).throw(problem))
        assert person() == ""
