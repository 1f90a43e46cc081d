"""What ships is what was judged: every trick that would let something else through is red, or refused."""

import json
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from mlbot.bot.monitor import profile_file
from mlbot.data.ledger import ledger_file, write_digests
from mlbot.errors import GateFailed, InputError, MlbotError, NoVerdict
from mlbot.files import key_of
from mlbot.gates.record import as_record
from mlbot.gates.release import require_green
from mlbot.gates.verdict import NO_VERDICT, Rules, Waiver, judge
from mlbot.gates.waiver import save_waiver
from mlbot.model.artefact import POINTER, VIEWS, build_artefact, read_artefact, write_artefact
from mlbot.model.registry import (
    JUDGEMENTS,
    Opponent,
    history,
    judgement_file,
    opponent,
    read_judgement,
    release,
    why_not_judged,
)
from mlbot.model.rollout import promote, read_canary
from mlbot.ops.replicate import settle
from mlbot.run.cache import KeptResults, Key, doubts, pack_result, sign_result, stamps
from mlbot.run.folder import (
    SEAL,
    check_release,
    judgement,
    load_json,
    load_table,
    load_verdicts,
    new_run,
    save_json,
    seal,
    today,
)
from mlbot.run.notebook import open_pipeline
from mlbot.run.pipeline import Progress, run_pipeline
from mlbot.run.request import RunRequest, check_request
from mlbot.settings import Target, load_settings
from mlbot.stats.scores import gain, share

NOBODY = Opponent()


@pytest.fixture
def judged(project, green_run):
    """A run of the sample that was judged green, and was not released."""
    run = max(path for path in (green_run / "runs").iterdir() if (path / "verdicts.json").exists())
    shutil.copytree(run, project / "runs" / run.name)
    return project / "runs" / run.name


@pytest.fixture
def settings(judged):
    return load_settings(judged.parents[1])


def edit(file: Path, *pairs) -> None:
    text = file.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def change_verdict(folder: Path, name: str, **parts) -> None:
    told = load_json(folder / "verdicts.json")
    for verdict in told["verdicts"]:
        if verdict["gate"] == name:
            verdict.update(parts)
    save_json(told, folder / "verdicts.json")


def other_model(folder: Path, to: Path) -> str:
    """A whole model with other answers, written where a model lies; its name."""
    found = read_artefact(folder)
    facts = {name: value for name, value in found.manifest.items() if name not in ("schema", "intents", "context", "sha256")}
    vocabulary = {view: found.vocabulary[view] for view in VIEWS}
    made = build_artefact(found.manifest["intents"], found.manifest["context"], vocabulary,
                          {**found.weights, "bias": found.weights["bias"] * 1.01}, facts)
    write_artefact(made, to, replace=True)
    return made.name


def swap_records(folder: Path) -> None:
    """The records of another run, as green as they are."""
    other = folder.with_name("2026-01-01_000000")
    shutil.copytree(folder, other)
    seal(other, load_settings(folder.parents[1]))
    shutil.copy(other / SEAL, folder / SEAL)


def reseal_by_hand(folder: Path) -> None:
    """A colleague who knows sha256, and not the key."""
    from mlbot.run.folder import digests_in
    edit(folder / "predictions.csv", ("order_equipment", "access_badge"))
    save_json({**load_json(folder / SEAL), "files": digests_in(folder)}, folder / SEAL)


def test_an_untouched_run_may_be_released(judged, settings):
    """The control of the tricks below: without one, everything holds."""
    ready = check_release(judged, settings, NOBODY)
    assert ready.artefact.name == load_verdicts(judged)[0] and ready.trained.size and not ready.compared


TRICKS = {
    "a score in verdicts.json": lambda folder: change_verdict(folder, "accuracy", rows=105),
    "the notebook as it ran": lambda folder: edit(folder / "3_gate.ipynb", ("✓", "✗")),
    "a verdict that is gone": lambda folder: save_json({**load_json(folder / "verdicts.json"), "verdicts": []},
                                                       folder / "verdicts.json"),
    "the weights": lambda folder: (folder / "model" / "weights.safetensors").write_bytes(b"x"),
    "another whole model": lambda folder: other_model(folder / "model", folder / "model"),
    "the predictions": lambda folder: edit(folder / "predictions.csv", ("order_equipment", "access_badge")),
    "the test rows": lambda folder: edit(folder / "test.csv", ("order_equipment", "access_badge")),
    "no ledger": lambda folder: (folder / "trained.npy").unlink(),
    "an empty ledger": lambda folder: write_digests(np.zeros(0, np.uint64), folder / "trained.npy"),
    "whom it was compared with": lambda folder: edit(folder / "judged.json", ('"champion": ""',
                                                                              '"champion": "0123456789ab"')),
    "the facts of the run": lambda folder: edit(folder / "run.json", (load_json(folder / "run.json")["day"], "2026-03-01")),
    "the data it says it is of": lambda folder: edit(folder / "prepare.json", ("snapshot", "snapshots")),
    "no seal": lambda folder: (folder / SEAL).unlink(),
    "a seal that is none": lambda folder: (folder / SEAL).write_text("[]"),
    "a seal with digests of its own": reseal_by_hand,
    "the records of another run": swap_records,
}


@pytest.mark.parametrize("trick", TRICKS)
def test_what_was_changed_between_gate_and_release_is_named_and_nothing_is_released(judged, settings, trick):
    """Model, data, records and predictions are tied by digests, under a key of the project."""
    TRICKS[trick](judged)
    with pytest.raises(MlbotError) as caught:
        check_release(judged, settings, NOBODY)
    assert caught.value.exit_code in (2, 3) and len(str(caught.value).splitlines()) <= 6


SEALED = {  # changed before the seal: what the notebooks themselves may have left
    "verdicts about another model": lambda folder: change_verdict(folder, "accuracy", model="0123456789ab"),
    "a red verdict": lambda folder: change_verdict(folder, "accuracy", **as_record(
        judge("accuracy", share("accuracy", [True] * 60 + [False] * 44), Target(0.8)))),
    "a verdict of some of the rows": lambda folder: change_verdict(folder, "accuracy", **as_record(
        judge("accuracy", share("accuracy", [True] * 50), Target(0.8)))),
    "a score that is NaN": lambda folder: change_verdict(folder, "accuracy", score={
        **next(item for item in load_json(folder / "verdicts.json")["verdicts"] if item["gate"] == "accuracy")["score"],
        "value": None}),
    "a test text that was learnt": lambda folder: write_digests(load_table(folder / "test.csv")["digest"].head(1).to_numpy(),
                                                                folder / "trained.npy"),
}


@pytest.mark.parametrize("trick", SEALED)
def test_a_seal_does_not_make_a_red_run_green(judged, settings, trick):
    """What the records themselves say is judged again by the rules of today."""
    SEALED[trick](judged)
    seal(judged, settings)
    with pytest.raises((GateFailed, NoVerdict, InputError)):
        check_release(judged, settings, NOBODY)


def test_floors_that_are_swapped_after_judging_change_nothing_for_the_better(judged, settings):
    """A floor that was raised is asked, one that was lowered stays as it was when the gate was judged."""
    strict = replace(settings, targets=settings.targets | {"accuracy": Target(0.99)})
    with pytest.raises(GateFailed, match="accuracy"):
        check_release(judged, strict, NOBODY)
    red = judge("accuracy", share("accuracy", [True] * 96 + [False] * 8), Target(0.99))
    change_verdict(judged, "accuracy", **as_record(red))
    seal(judged, settings)
    with pytest.raises(GateFailed, match="0.990"):
        check_release(judged, replace(settings, targets=settings.targets | {"accuracy": Target(0.1)}), NOBODY)


def test_without_a_target_that_asks_how_good_the_model_is_nothing_is_released():
    """Targets that are empty, or floors of 0, would let any model through."""
    good = share("accuracy", [True] * 100)
    for target in (Target(), Target(0.0), Target(stretch=0.9)):
        with pytest.raises(NoVerdict, match="how good"):
            require_green([judge("accuracy", good, target), judge("texts_apart", good, Target(1.0))], Rules(today()))
    require_green([judge("accuracy", good, Target(0.5))], Rules(today()))


def test_day_in_the_past_or_future_releases_nothing(judged, settings):
    """`--day` in the past revived waivers that had ended: the day that decides what ships is today's, in UTC."""
    for day in ("2026-03-01", (today() - timedelta(days=1)).isoformat(), (today() + timedelta(days=1)).isoformat()):
        with pytest.raises(InputError, match="today"):
            check_release(judged, settings, NOBODY, day)
    assert check_release(judged, settings, NOBODY, today().isoformat())


def test_an_ended_waiver_does_not_come_back_and_one_that_is_edited_covers_nothing_else(judged, settings):
    """The waiver of a red verdict has to hold at the release, for this gate, model and data, whatever the record says."""
    red = judge("accuracy", share("accuracy", [True] * 60 + [False] * 44), Target(0.8))
    name, data = load_verdicts(judged)[0], load_json(judged / "prepare.json")["snapshot"]
    waiver = Waiver("accuracy", "Ann", "the client wants it", today(), name, data)
    change_verdict(judged, "accuracy", **as_record(replace(red, model=name, waiver=waiver)))
    seal(judged, settings)
    for other in (None, replace(waiver, until=today() - timedelta(days=1)), replace(waiver, model="0123456789ab"),
                  replace(waiver, data="x"), replace(waiver, gate="macro_f1")):
        settings.places.waivers.unlink(missing_ok=True)
        if other:
            save_waiver(other, settings.places.waivers)
        with pytest.raises(GateFailed):
            check_release(judged, settings, NOBODY)
    save_waiver(waiver, settings.places.waivers)
    ready = check_release(judged, settings, NOBODY)
    assert judgement(judged, ready, NOBODY)["waived"]["accuracy"]["who"] == "Ann"


def tamper_after(folder: Path, step: str, trick):
    def told(done):
        if done.notebook.startswith(step):
            trick(folder)
    return Progress(step=told)


WITHIN = {"verdicts.json": ("3", TRICKS["a score in verdicts.json"]), "predictions": ("3", TRICKS["the predictions"]),
          "notebook": ("3", TRICKS["the notebook as it ran"]), "test rows": ("1", TRICKS["the test rows"]),
          "seal and rows": ("2", lambda folder: (TRICKS["no seal"](folder), TRICKS["the test rows"](folder)))}


@pytest.mark.parametrize("trick", WITHIN)
def test_a_run_that_is_touched_while_it_runs_ends_without_a_release(judged, settings, trick):
    """The runner looks before each notebook, and says which file has changed."""
    folder, (step, how) = new_run(settings.places.runs), WITHIN[trick]
    result = run_pipeline(RunRequest(), settings, folder, tamper_after(folder, step, how))
    assert result.exit_code == 3 and "not as it was judged" in str(result.problems[0]), result.problems
    assert not (settings.places.models / POINTER).exists()


def test_a_gate_that_is_named_twice_or_deleted_stops_the_run(judged, settings):
    """The second of two gates of a name would replace the first; a gate that is gone asks nothing."""
    train, gate = (settings.places.notebooks / f"{name}.ipynb" for name in ("2_train", "3_gate"))
    usual = train.read_text()
    edit(train, ('gate(\\"model_size\\"', 'gate(\\"accuracy\\"'))
    with pytest.raises(InputError, match="two notebooks have a gate 'accuracy'"):
        check_request(RunRequest(), open_pipeline(settings), settings)
    train.write_text(usual)
    notebook = json.loads(gate.read_text())
    notebook["cells"] = [cell for cell in notebook["cells"] if 'gate("robust"' not in "".join(cell["source"])]
    gate.write_text(json.dumps(notebook))
    with pytest.raises(InputError, match="no notebook judges robust"):
        check_request(RunRequest(), open_pipeline(settings), settings)


# kept results

FACTS = {"run": "one", "seconds": 1.0, "model": "", "champion": ""}


@pytest.fixture
def kept(tmp_path):
    """A place of kept results with one in it, under a key of this project."""
    made, results = tmp_path / "made", KeptResults(str(tmp_path / "kept"), believes=lambda: b"the key of this project")
    made.mkdir()
    (made / "verdicts.csv").write_text("0.923")
    key = Key("3_gate", {"cells": {"0": "a"}})
    results.keep(key, pack_result(made, stamps(made), FACTS))
    return results, key, tmp_path / "kept" / key.name


def odd(content: bytes):
    return lambda file: file.write_bytes(content)


def forge(file: Path) -> None:
    """Another score, in an archive that is otherwise whole; marked with another key."""
    folder = file.parent / "forged"
    folder.mkdir()
    (folder / "verdicts.csv").write_text("1.000")
    file.write_bytes(sign_result(pack_result(folder, stamps(folder), FACTS), "3_gate/" + file.name, b"another key"))


def odd_facts(facts):
    def write(file: Path) -> None:
        file.write_bytes(sign_result(pack_result(file.parent, [], facts), "3_gate/" + file.name, b"the key of this project"))
    return write


DAMAGES = {"a list": odd(b"[]"), "a dict": odd(b"{}"), "nothing": odd(b""), "a text": odd(b"\xff\xfe"),
           "an archive without a mark": lambda file: file.write_bytes(file.read_bytes().partition(b"\n")[2]),
           "a flipped bit": lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\x01"),
           "half of it": lambda file: file.write_bytes(file.read_bytes()[:200]),
           "a forgery": forge, "facts that are a list": odd_facts([]), "facts that are empty": odd_facts({}),
           "facts of other kinds": odd_facts({**FACTS, "run": 5})}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_forged_damaged_or_odd_kept_result_is_a_miss_and_never_an_error(kept, tmp_path, damage):
    """.923 was released as 1.000, and `[]` stopped everybody: what cannot be believed is run again, and that is said."""
    results, key, file = kept
    DAMAGES[damage](file)
    assert results.fetch(key, tmp_path / "run") is None and not (tmp_path / "run").exists()
    assert "1 kept results in" in doubts(results)
    results.keep(key, pack_result(tmp_path / "made", ["verdicts.csv"], FACTS))  # what was run again takes its place
    assert results.fetch(key, tmp_path / "run") == FACTS


def test_a_kept_result_is_believed_for_its_own_key_only(kept, tmp_path):
    """A green result that was copied to the key of another model stays what it is."""
    results, key, file = kept
    other = Key("3_gate", {"cells": {"0": "b"}})
    shutil.copy(file, file.with_name(Path(other.name).name))
    assert results.fetch(other, tmp_path / "run") is None and results.fetch(key, tmp_path / "run") == FACTS


def test_results_of_a_shared_place_are_believed_only_under_a_key_that_is_shared(kept, tmp_path, monkeypatch):
    """Two machines without MLBOT_KEY have keys of their own, which only their owners can read; with it they share."""
    _, key, file = kept
    monkeypatch.delenv("MLBOT_KEY")
    one, two = tmp_path / "one", tmp_path / "two"
    mine = KeptResults(str(tmp_path / "kept"), believes=lambda: key_of(one))
    mine.keep(key, pack_result(tmp_path / "made", ["verdicts.csv"], FACTS))
    assert mine.fetch(key, tmp_path / "run") and (one / ".key").stat().st_mode & 0o777 == 0o600
    theirs = KeptResults(str(tmp_path / "kept"), believes=lambda: key_of(two))
    assert theirs.fetch(key, tmp_path / "run") is None and "need the same MLBOT_KEY" in doubts(theirs)
    monkeypatch.setenv("MLBOT_KEY", "a key that both of them know")
    mine.keep(key, pack_result(tmp_path / "made", ["verdicts.csv"], FACTS))
    assert theirs.fetch(key, tmp_path / "run") == FACTS
    monkeypatch.setenv("MLBOT_KEY", "short")
    with pytest.raises(InputError, match="16 or more"):
        key_of(two)


def test_a_key_that_others_can_read_is_replaced(tmp_path, monkeypatch):
    """What a leaked key has marked is not believed any more."""
    monkeypatch.delenv("MLBOT_KEY")
    first = key_of(tmp_path)
    (tmp_path / ".key").chmod(0o644)
    second = key_of(tmp_path)
    assert first != second == key_of(tmp_path) and (tmp_path / ".key").stat().st_mode & 0o777 == 0o600
    (tmp_path / ".key").write_text("")
    assert key_of(tmp_path) not in (first, second)


# the champion

def test_the_champion_is_compared_on_the_rows_that_neither_was_trained_on():
    """Names of splits decide nothing: .832 over .853 was released when a file became a store."""
    digests = np.arange(10, dtype=np.uint64)
    other = Opponent("c", True, np.array([2, 3, 99], np.uint64))
    assert other.compared(digests).tolist() == [True, True, False, False, *[True] * 6]
    assert other.compared(digests, "c").all()                       # a model meets itself on all rows
    assert Opponent("c", True, None).compared(digests).all()        # nobody knows: all rows, which favours the champion
    assert not Opponent().compared(digests).any() and not Opponent("c", False).compared(digests).any()


def test_not_compared_stops_a_release_unless_somebody_says_so_by_name():
    """Without a common row there is no verdict (exit code 3); a waiver of `champion` lets it ship, and stays in sight."""
    rules = Rules(today(), {"champion": Target(-0.0)}, champion="c", model="m", data="d")
    verdict = judge("champion", gain("champion", [], []), rules.target("champion"))
    assert verdict.outcome == NO_VERDICT and verdict.stops
    with pytest.raises(NoVerdict, match="not measured") as caught:
        require_green([verdict], rules)
    assert "mlbot waive champion" in caught.value.action
    waiver = Waiver("champion", "Ann", "its data is gone", today(), "m", "d")
    assert not replace(verdict, waiver=waiver).stops
    lost = judge("accuracy", share("accuracy", []), Target(0.5))
    assert replace(lost, waiver=waiver).stops, "nothing else that was not measured ships"


def test_a_champion_that_cannot_be_read_or_is_pointed_away_from_lets_no_worse_model_through(released):
    """The challenger then meets the last release that can be read; without one nothing is compared, and that is said."""
    models = released / "models"
    name = (models / POINTER).read_text().strip()
    for content in ("none\n", "0123456789ab\n", ""):
        (models / POINTER).write_text(content)
        assert opponent(models).name == name and opponent(models).found
    (models / POINTER).unlink()
    assert opponent(models).name == name
    shutil.rmtree(models / name)
    assert opponent(models).name == name and not opponent(models).found
    shutil.rmtree(models)
    assert opponent(models).name == ""


def test_a_model_that_was_compared_with_another_champion_is_judged_again(released):
    """Somebody has released in between, or the file of the champion was edited."""
    settings = load_settings(released)
    models, judged = settings.places.models, max(path.parent for path in (released / "runs").glob("2*/verdicts.json"))
    with pytest.raises(NoVerdict, match="compared with no champion"):
        check_release(judged, settings, opponent(models))
    before = len(history(models))
    with pytest.raises(InputError, match="by now"):
        release(read_artefact(judged / "model"), models, {}, expected="")
    assert len(history(models)) == before


# promotion

@pytest.fixture
def copied(released):
    """A project into whose models somebody copied a folder; its name, and that of the champion."""
    models = released / "models"
    name = (models / POINTER).read_text().strip()
    made = other_model(models / name, models / "somewhere")
    (models / "somewhere").rename(models / made)
    return models, made, name


def copy_record(models: Path, made: str, name: str) -> None:
    edit_record = judgement_file(models, name).read_text().replace(name, made)
    judgement_file(models, made).write_text(edit_record)


PROMOTED = {
    "no record": lambda models, made, name: None,
    "the green record of another model": copy_record,
    "a record that was renamed": lambda models, made, name: shutil.copy(judgement_file(models, name),
                                                                        judgement_file(models, made)),
    "an odd record": lambda models, made, name: judgement_file(models, made).write_text("[]"),
    "a line in the history": lambda models, made, name: (models / "history.jsonl").open("a").write(
        json.dumps({"when": "2026-01-01T00:00:00+00:00", "model": made, "before": name, "who": "me"}) + "\n"),
    "a ledger and golden answers": lambda models, made, name: [
        shutil.copy(file, file.with_stem(made)) for file in (ledger_file(models, name), profile_file(models, name))],
}


@pytest.mark.parametrize("trick", PROMOTED)
def test_a_model_of_which_no_green_verdict_is_kept_is_not_promoted(copied, mlbot, trick):
    """`promote` took any folder in models/; a canary is no way around it."""
    models, made, name = copied
    PROMOTED[trick](models, made, name)
    before = history(models)
    for words in ((), ("--canary", "0.1"), ("--shadow",)):
        done = mlbot("promote", made, "--why", "it is good", *words)
        assert done.returncode == 3 and "no verdict of model" in done.stderr and "--unjudged" in done.stderr, done.stderr
    assert (models / POINTER).read_text().strip() == name and history(models) == before and read_canary(models) is None


def test_a_person_who_answers_for_a_model_is_named_in_history_and_reports(copied, mlbot):
    """An override is loud, named and kept; the way back is one line."""
    models, made, name = copied
    assert mlbot("promote", made, "--unjudged").returncode == 2, "a reason is asked for"
    done = mlbot("promote", made, "--unjudged", "--who", "Ann", "--why", "the client waits")
    assert done.returncode == 0 and "Ann lets model" in done.stdout and history(models)[-1]["unjudged"] is True, done.stderr
    assert read_judgement(models, made)["unjudged"]["who"] == "Ann"
    assert "shipped without a verdict by Ann: the client waits" in mlbot("models").stdout
    done = mlbot("rollback", "--why", "worse")
    assert done.returncode == 0 and f"champion: {name} again" in done.stdout, done.stderr


def test_a_rollback_to_a_model_that_was_never_judged_is_refused(copied, mlbot):
    """The file of the champion was edited by hand, and the next release notes that as the champion before."""
    models, made, name = copied
    (models / POINTER).write_text(made + "\n")
    assert "mended" in mlbot("models").stdout and (models / POINTER).read_text().strip() == name  # what the history says
    (models / POINTER).write_text(made + "\n")
    done = mlbot("audit")
    assert done.returncode == 1 and "put there by hand: it has no stored verdict" in done.stdout
    promote(models, name, {"who": "bo"})
    done = mlbot("rollback", "--why", "x")
    assert done.returncode == 3 and "no verdict of model" in done.stderr and (models / POINTER).read_text().strip() == name


def test_a_model_that_was_green_by_a_waiver_is_promoted_while_it_holds(copied):
    """Later somebody has to answer for it again; a rollback to it needs no more than before."""
    models, made, _ = copied
    waived = {"accuracy": {"who": "Ann", "why": "x", "until": today().isoformat()}}
    verdicts = [{"gate": "accuracy", "score": {}}]
    release(read_artefact(models / made), models, {}, judgement={"verdicts": verdicts, "waived": waived})
    assert why_not_judged(models, made, today()) == "" == why_not_judged(models, made)
    assert "waivers that have ended" in why_not_judged(models, made, today() + timedelta(days=1))


def test_a_record_of_the_judgement_is_kept_with_the_model(released):
    """Which gates, with which scores, on which data, in which run, compared with whom, when."""
    models, run = released / "models", max(path.parent for path in (released / "runs").glob("2*/verdicts.json"))
    name = (models / POINTER).read_text().strip()
    record = read_judgement(models, name)
    assert record["model"] == name and record["run"] == run.name and record["data"]["snapshot"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", record["when"]) and record["champion"] == {"name": "", "rows": 0}
    assert {item["gate"] for item in record["verdicts"]} == {verdict.gate for verdict in load_verdicts(run)[1]}
    edit(models / JUDGEMENTS / f"{name}.json", ('"rows": 104', '"rows": 1040'))
    assert read_judgement(models, name) is None


def test_a_line_that_somebody_wrote_into_the_history_ends_no_release(copied):
    """What ends a release that was cut asks for the judgement, too."""
    models, made, name = copied
    PROMOTED["a line in the history"](models, made, name)
    with pytest.raises(NoVerdict, match="no verdict of model"):
        settle(models)
    assert (models / POINTER).read_text().strip() == name
