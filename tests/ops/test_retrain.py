"""A model is trained anew when it is due, once, and whatever the clocks and the schedulers do."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mlbot import storage as places
from mlbot.bot.events import EventLog
from mlbot.bot.monitor import write_profile
from mlbot.cli import ops as cli
from mlbot.data.source import choose, load_source
from mlbot.data.split import split
from mlbot.data.table import sample_file
from mlbot.errors import InputError, NoVerdict, OutOfTime
from mlbot.model.export import to_artefact
from mlbot.model.registry import history, release
from mlbot.model.rollout import read_pointer
from mlbot.model.train import train
from mlbot.ops.forecast import Duration, add_duration, read_durations, reference_ms
from mlbot.ops.retrain import (
    LOG,
    Attempt,
    Seen,
    as_line,
    due,
    expected_gain,
    look_for_reasons,
    moment_of,
    next_attempt,
    note,
    outcome_object,
    read_attempts,
    slot_of,
    stored_rows,
    take_ticket,
    ticket_of,
    training_rows,
)
from mlbot.settings import Retrain, load_settings
from mlbot.storage import Folder, open_objects
from tests.bot.test_monitor import NOW, asked
from tests.data.test_store import free_port, keys_of, s3  # noqa: F401  the account

MONDAY = datetime(2026, 1, 5, 2, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKLY = Retrain(every=7, hour=2, growth=0.1, drift=0.2, loss=0.05, gain=0.01)
SEEN = Seen("m1", 1_000, 1_000)


def done(at, number=1, code=0, **more):
    """A training that came to an end."""
    return Attempt(number, at, 35, **{"reasons": ("cadence",), "rows": 1_000, "champion": "m1", "code": code} | more)


def named(reason, now, attempts=(), seen=SEEN, policy=WEEKLY):
    """A reason by its name."""
    return next(item for item in due(now, list(attempts), seen, policy).reasons if item.name == reason)


@pytest.mark.long
def test_years_of_schedules_give_one_training_each_time_due(root):
    """Clock jumps, summer time, standstills, crashes and two schedulers: no slot twice, none missed."""
    command = [sys.executable, "benchmarks/schedules.py", "--years", "2"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    due_, judged, doubles, missed, unlucky = map(int, re.search(r"^mlbot +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)", run.stdout,
                                                                re.MULTILINE).groups())
    assert due_ >= 100 and (doubles, missed) == (0, 0) and judged + unlucky == due_ and unlucky <= 3
    assert int(re.search(r"^cron on both machines +\d+ +\d+ +(\d+)", run.stdout, re.MULTILINE)[1]) > 50  # doubles


def test_missed_slots_run_once():
    late = MONDAY + 38 * DAY
    assert due(late, [done(MONDAY)], SEEN, WEEKLY).names == ("cadence",)
    assert "4 missed before it" in named("cadence", late, [done(MONDAY)]).words
    assert not due(late + DAY, [done(MONDAY), done(late, 2)], SEEN, WEEKLY).yes


@pytest.mark.parametrize("day", [datetime(2026, 3, 29), datetime(2026, 10, 25)])
def test_a_day_on_which_clocks_change_is_one_day(day):
    """02:30 is never, or twice; the slot is the same for all of them, and one training fills it."""
    zone, policy = ZoneInfo("Europe/Berlin"), replace(WEEKLY, every=1, hour=0)
    moments = [day.replace(hour=2, minute=30, tzinfo=zone, fold=fold) for fold in (0, 1)]
    assert moments[0].astimezone(UTC) != moments[1].astimezone(UTC)
    assert due(moments[0], [done(moments[0] - DAY)], SEEN, policy).yes
    assert not due(moments[1], [done(moments[0])], SEEN, policy).yes
    assert slot_of(day.replace(hour=12, tzinfo=zone), 1) == slot_of(moments[0], 1)


def test_slots_are_those_of_utc_wherever_a_scheduler_stands():
    sunday_evening = datetime(2026, 1, 4, 22, tzinfo=ZoneInfo("America/New_York"))  # Monday, three o'clock UTC
    assert due(sunday_evening, [done(MONDAY - DAY)], SEEN, WEEKLY).yes
    assert not due(sunday_evening, [done(MONDAY)], SEEN, WEEKLY).yes


def test_a_clock_that_goes_back_runs_no_slot_twice():
    after = [done(MONDAY, 1), done(MONDAY + 7 * DAY, 2)]
    for back in (timedelta(seconds=1), timedelta(hours=5), 3 * DAY, 7 * DAY):
        assert not due(MONDAY + 7 * DAY - back, after, SEEN, WEEKLY).yes


def test_a_clock_years_ahead_is_said_and_ended_by_force(tmp_path):
    ahead = done(MONDAY.replace(year=2031))
    decision = due(MONDAY + 8 * DAY, [ahead], SEEN, WEEKLY)
    reason = decision.reasons[0]
    assert not decision.yes and reason.alarm and "days ahead of now" in reason.words and "--force" in reason.words
    forced = next_attempt(MONDAY + 8 * DAY, [ahead], decision, SEEN, 35, forced=True)
    shared = Folder(tmp_path)
    assert take_ticket(shared, forced)
    note(shared, forced, 0)
    begun = [ahead, *read_attempts(shared)]
    assert not due(MONDAY + 9 * DAY, begun, SEEN, WEEKLY).yes and due(MONDAY + 14 * DAY, begun, SEEN, WEEKLY).yes
    assert not due(MONDAY + 9 * DAY, begun, SEEN, WEEKLY).reasons[0].alarm


def test_a_clock_a_slot_ahead_is_no_alarm():
    reason = named("cadence", MONDAY - timedelta(minutes=1), [done(MONDAY)])
    assert not reason.yes and not reason.alarm


def test_a_red_gate_counts_and_waits_for_the_next_slot_or_a_new_reason():
    grown = replace(SEEN, rows=1_100)
    red = done(MONDAY + DAY, 2, 1, reasons=("growth",), rows=1_100)
    assert due(MONDAY + DAY, [done(MONDAY)], grown, WEEKLY).names == ("growth",)
    assert not due(MONDAY + 2 * DAY, [done(MONDAY), red], grown, WEEKLY).yes
    assert due(MONDAY + 2 * DAY, [done(MONDAY), red], replace(SEEN, rows=1_210), WEEKLY).names == ("growth",)
    assert due(MONDAY + 7 * DAY, [done(MONDAY), red], grown, WEEKLY).names == ("cadence",)


@pytest.mark.parametrize("code", [2, 3, 4, 5, 143, None])
def test_a_training_without_a_verdict_is_tried_again_once_a_day(code):
    tried = [done(MONDAY, code=code)]
    assert not due(MONDAY + timedelta(hours=23), tried, SEEN, WEEKLY).yes
    assert "the next is tomorrow" in due(MONDAY + timedelta(hours=23), tried, SEEN, WEEKLY).held
    assert due(MONDAY + DAY, tried, SEEN, WEEKLY).yes


@pytest.fixture(params=["folder", "s3"])
def address(request, tmp_path):
    """What carries between machines: a folder on a shared disk, an account."""
    return str(tmp_path / "shared") if request.param == "folder" else request.getfixturevalue("s3")


def race(arguments):
    """One of many schedulers that have read the same."""
    address, number, owner = arguments
    return take_ticket(open_objects(address), Attempt(number, MONDAY, 35, owner=owner))


def test_of_many_schedulers_one_gets_the_ticket(address):
    """Eight of them reach for the same eight numbers at once; each number goes to one."""
    with ThreadPoolExecutor(8) as pool:
        for number in range(1, 9):
            assert sum(pool.map(race, [(address, number, str(owner)) for owner in range(8)])) == 1
    assert [attempt.number for attempt in read_attempts(open_objects(address))] == list(range(1, 9))


def test_a_ticket_whose_answer_was_lost_is_known_again_by_its_owner(tmp_path):
    """The account has stored it and the request was sent again: it is taken by us, and by nobody else."""
    class Lossy(Folder):
        def create(self, name, data):
            super().create(name, data)
            return False
    mine, others = (Attempt(1, MONDAY, 35, owner=owner) for owner in ("a", "b"))
    assert take_ticket(Lossy(tmp_path), mine) and not take_ticket(Lossy(tmp_path), others)


def test_a_place_that_cannot_keep_machines_apart_is_refused(tmp_path):
    """Where `create` overwrites, two machines would both train."""
    class Careless(Folder):
        def create(self, name, data):
            self.put(name, data)
            return True
    with pytest.raises(InputError, match="two machines could take the same ticket"):
        take_ticket(Careless(tmp_path), Attempt(1, MONDAY, 35, owner="a"))


def test_who_read_before_a_training_and_comes_after_it_gets_no_ticket(tmp_path):
    """A slow scheduler decides on what it read, and finds the ticket of that number taken and done."""
    shared = Folder(tmp_path)
    before = read_attempts(shared)
    decision = due(MONDAY, before, SEEN, WEEKLY)
    first, slow = (next_attempt(MONDAY, before, decision, SEEN, 35) for _ in range(2))
    assert take_ticket(shared, first)
    note(shared, first, 0)
    assert decision.yes and not take_ticket(shared, slow)


def test_a_dead_scheduler_holds_others_off_as_long_as_a_run_may_take(tmp_path):
    shared = Folder(tmp_path)
    assert take_ticket(shared, Attempt(1, MONDAY, 2_000, champion="m1"))
    read = read_attempts(shared)
    assert "runs since" in due(MONDAY + timedelta(minutes=1_990), read, SEEN, WEEKLY).held
    decision = due(MONDAY + timedelta(minutes=2_010), read, SEEN, WEEKLY)
    assert decision.yes and take_ticket(shared, next_attempt(MONDAY + 2 * DAY, read, decision, SEEN, 35))


def test_what_is_damaged_is_left_out_and_holds_nobody_off(tmp_path):
    """A ticket or an outcome that cannot be read keeps its number, and the next training is taken."""
    shared = Folder(tmp_path)
    for number in (1, 2):
        take_ticket(shared, Attempt(number, MONDAY, 35))
        note(shared, Attempt(number, MONDAY, 35), 0)
    shared.put(outcome_object(2), b'{"number": 2, "at": "20')
    shared.put(ticket_of(3), b"\x00\x01")
    read = read_attempts(shared)
    assert [(attempt.number, attempt.code) for attempt in read] == [(1, 0), (2, None), (3, None)]
    decision = due(MONDAY + 7 * DAY, read, SEEN, WEEKLY)
    assert decision.yes and take_ticket(shared, next_attempt(MONDAY + 7 * DAY, read, decision, SEEN, 35))


def test_the_log_of_earlier_versions_still_counts(tmp_path):
    """Its outcomes fill their slots, its cut lines are left out, and numbers go on after it."""
    lines = [as_line(done(MONDAY - 7 * DAY, 1)), '{"number": 7, "at": "20', as_line(done(MONDAY, 2, 1)), "[]"]
    (tmp_path / LOG).write_text("\n".join(lines) + "\n")
    shared = Folder(tmp_path)
    for number in (1, 2):
        take_ticket(shared, Attempt(number, MONDAY, 35))
    read = read_attempts(shared)
    assert [(attempt.number, attempt.code) for attempt in read] == [(1, 0), (2, 1)]
    assert not due(MONDAY + DAY, read, SEEN, WEEKLY).yes
    assert next_attempt(MONDAY, read, due(MONDAY, read, SEEN, WEEKLY), SEEN, 35).number == 3


def test_a_release_by_hand_fills_its_slot_and_one_of_a_schedule_not_the_next():
    """A training that starts late in a slot is released in the next one: that one is still due."""
    by_hand = replace(SEEN, releases=((MONDAY + DAY, "by hand"),))
    assert not due(MONDAY + 2 * DAY, [], by_hand, WEEKLY).yes
    assert due(MONDAY + 2 * DAY, [], replace(SEEN, releases=((MONDAY + 9 * DAY, "of a clock ahead"),)), WEEKLY).yes
    late = done(MONDAY + 7 * DAY - timedelta(minutes=5), released="r1")
    ours = replace(SEEN, releases=((MONDAY + 7 * DAY + timedelta(minutes=5), "r1"),))
    assert due(MONDAY + 8 * DAY, [late], ours, WEEKLY).names == ("cadence",)


def test_reasons_that_are_off_or_not_known_are_none():
    never = Retrain(every=0, growth=0, drift=0, loss=0, gain=0)
    half = {"value": 0.1, "low": 0.0, "high": 0.2, "n": 9}
    drift = {"name": "role", "value": 9.0, "limit": 0.1, "alarm": True, "worst": ()}
    curve = tuple({"rows": n, "value": 0.5} for n in (1, 2, 3))
    rich = Seen("m1", 10, 1_000, (drift,), half, half | {"value": 0.9, "low": 0.88}, curve)
    decision = due(MONDAY, [], rich, never)
    assert not decision.yes and all("= 0)" in reason.words for reason in decision.reasons)
    assert due(MONDAY, [done(MONDAY - DAY, rows=10)], rich, WEEKLY).names == ("cadence", "growth", "drift", "loss")
    poor = due(MONDAY + DAY, [done(MONDAY)], Seen("m1", 0, None, silent="no log"), WEEKLY)
    assert not poor.yes and "not known: no log" in str(poor)


def test_without_a_champion_it_is_due_and_a_red_gate_waits():
    nobody = Seen("", 0, 1_000)
    assert due(MONDAY, [done(MONDAY - DAY)], nobody, replace(WEEKLY, every=0)).names == ("model",)
    red = done(MONDAY - DAY, code=1, champion="", reasons=("model",))
    assert not due(MONDAY, [red], nobody, replace(WEEKLY, every=0)).yes


def test_drift_leads_to_one_training_of_a_champion_until_another_feature_drifts():
    def drifted(*names):
        drifts = [{"name": name, "value": 0.5, "limit": 0.2, "alarm": name in names, "worst": ("a", "b")}
                  for name in ("length", "role", "confidence")]
        return replace(SEEN, drifts=tuple(drifts))
    decision = due(MONDAY + DAY, [done(MONDAY)], drifted("length", "role"), WEEKLY)
    assert decision.names == ("drift",) and decision.marks == ("drift length", "drift role")
    tried = [done(MONDAY), replace(next_attempt(MONDAY + DAY, [done(MONDAY)], decision, SEEN, 35), code=1)]
    assert not due(MONDAY + 2 * DAY, tried, drifted("length", "role"), WEEKLY).yes
    assert due(MONDAY + 2 * DAY, tried, drifted("length", "confidence"), WEEKLY).yes
    other = replace(drifted("length"), champion="m2")
    assert due(MONDAY + 2 * DAY, tried, other, WEEKLY).names == ("drift",)


def test_the_gain_follows_the_learning_curve_and_a_flat_one_promises_nothing():
    rising = tuple({"rows": n, "value": 1 - 0.05 - 3 * n ** -0.5} for n in (200, 400, 800, 1_600))
    assert expected_gain(rising, 2_000, 2_600) == pytest.approx(3 * (2_000 ** -0.5 - 2_600 ** -0.5), abs=1e-3)
    assert expected_gain(tuple(point | {"value": 0.9} for point in rising), 2_000, 9_000) == pytest.approx(0)
    assert expected_gain(rising, 2_600, 2_000) < 0
    off = replace(WEEKLY, growth=0)
    seen = Seen("m1", 2_000, 2_600, curve=rising)
    assert due(MONDAY + DAY, [done(MONDAY)], seen, replace(off, gain=0.005)).names == ("gain",)
    assert not due(MONDAY + DAY, [done(MONDAY)], seen, replace(off, gain=0.02)).yes


def test_a_moment_without_offset_is_refused():
    for text in ("2026-01-05T02:00:00", "monday", ""):
        with pytest.raises(InputError, match="--now"):
            moment_of(text)


@pytest.fixture(scope="session")
def sample_models(tmp_path_factory):
    """The models of a project on the sample, after the release of a run; trained without notebooks."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "settings.ini").write_text("[data]\nsource = sample\n")
    settings = load_settings(folder)
    source, columns = choose(settings, "sample")
    rows = split(load_source(source, columns, settings), settings.data).train
    artefact = to_artefact(train(rows, list(columns.context), settings.model), settings.model, {"rows": len(rows)})
    release(artefact, settings.places.models, {"who": "tests", "why": "a model", "run": "2026-01-05_020000"})
    return settings.places.models


def test_drift_of_production_is_seen_through_its_log(sample_models, tmp_path):
    """The same events that mlbot monitor reads, with the limits of [retrain]."""
    shutil.copytree(sample_models, tmp_path / "p" / "models")
    (tmp_path / "p" / "settings.ini").write_text("[data]\nsource = sample\n")
    settings = load_settings(tmp_path / "p")
    model, now = read_pointer(settings.places.models), datetime.fromtimestamp(NOW, UTC) + 2 * DAY
    write_profile(settings.places.models, model, [("a card", "sales", "de", "card", 0.9)] * 500, None)
    assert "no log of the bot" in look_for_reasons(settings, now).silent
    (tmp_path / "p" / "events").mkdir(exist_ok=True)
    log = EventLog(settings.root / settings.service.events, clock=lambda: NOW)
    log.append_many([asked(number, "a card", role="hr", model=model) for number in range(200)])
    log.close()
    seen = look_for_reasons(settings, now)
    assert [drift["name"] for drift in seen.drifts if drift["alarm"]] == ["role"]
    tried = [done(now - DAY, champion=model, rows=10**6)]
    assert due(now, tried, seen, settings.retrain).names == ("drift",)
    quiet = look_for_reasons(settings, now + 30 * DAY)  # that week nobody asked
    assert not any(reason.yes for reason in due(now, tried, quiet, settings.retrain).reasons)


def test_a_store_counts_the_rows_that_a_run_trains_on(project, mlbot, csv_file):
    (project / "settings.ini").write_text("[data]\nsource = store\ncontext = role location\nsuspects = 0\n")
    outside = [f"what is the weather in {place},OOS,," for place in ("Paris", "Rome", "Oslo", "Bern", "Riga", "Cork", "Graz")]
    file = csv_file("\n".join([*sample_file().read_text().splitlines(), *outside]))
    assert mlbot("data", "add", file).returncode == 0
    settings = load_settings(project)
    source, columns = choose(settings)
    rows = split(load_source(source, columns, settings), settings.data).train
    assert training_rows(settings) == stored_rows(settings.places.data, None, settings) == len(rows) > 300
    assert training_rows(settings, {"data": "sample"}) == 338


@pytest.fixture
def quick(project, sample_models, monkeypatch):
    """A project with a champion, in which `mlbot run` only says that it ran, and ends as the test wants."""
    calls = []

    def run(request, settings, junit):
        calls.append(request)
        if isinstance(calls[0], Exception):
            raise calls[0]
        return run.code
    run.code = 0
    monkeypatch.setattr(cli, "execute_request", run)
    shutil.copytree(sample_models, project / "models")
    return project, run, calls


def line_of(project):
    """The outcome of the last training."""
    return json.loads(sorted((project / "models" / "retrain").glob("*.done.json"))[-1].read_text())


def a_week_later(project):
    """A moment more than a week after the release, an hour after a slot has begun: none begins in the 22 hours to come."""
    return (moment_of(history(project / "models")[-1]["when"]) + 8 * DAY).replace(hour=3, minute=0, second=0, microsecond=0)


def test_check_answers_by_exit_code_and_for_a_workflow(quick, mlbot, tmp_path):
    project, _, calls = quick
    out = tmp_path / "output"
    last = moment_of(history(project / "models")[-1]["when"])
    no = mlbot("retrain", "--check", "--now", (last + timedelta(seconds=1)).isoformat(), env={"GITHUB_OUTPUT": str(out)})
    yes = mlbot("retrain", "--check", "--now", (last + 7 * DAY).isoformat(), env={"GITHUB_OUTPUT": str(out)})
    assert (no.returncode, yes.returncode) == (1, 0), no.stdout + yes.stdout + yes.stderr
    assert out.read_text() == "due=false\ndue=true\n" and calls == []
    assert "338 training rows, +0.0% on 338; asked: +10.0%" in no.stdout and "next:" in no.stdout
    assert "due:      yes: cadence" in yes.stdout
    told = mlbot("retrain", "--check", "--json", "--now", (last + 7 * DAY).isoformat())
    found = json.loads(told.stdout)
    assert told.returncode == 0 and found["due"] and found["champion"] == history(project / "models")[-1]["model"]
    assert [reason["name"] for reason in found["reasons"] if reason["yes"]] == ["cadence"]
    assert mlbot("retrain", "--json").returncode == 2 and calls == []
    assert mlbot("retrain", "--check", "--now", "yesterday").returncode == 2
    assert mlbot("retrain", "--check", "--data", "nowhere.csv").returncode == 2


def test_what_is_not_due_is_not_run_and_no_error(quick, mlbot):
    project, _, calls = quick
    now = moment_of(history(project / "models")[-1]["when"]) + timedelta(seconds=1)
    said = mlbot("retrain", "--now", now.isoformat())
    assert said.returncode == 0 and calls == [] and "not due: nothing was run" in said.stdout
    assert not (project / "models" / "retrain").exists()


def test_a_due_training_runs_as_mlbot_run_does_and_is_noted(quick, mlbot):
    project, run, calls = quick
    run.code = 1
    now = a_week_later(project)
    said = mlbot("retrain", "--now", now.isoformat(), "--minutes", "3", "--data", "sample")
    assert said.returncode == 1 and len(calls) == 1
    assert calls[0].minutes == 3 and calls[0].parameters == {"data": "sample", "why": "retrain: cadence"}
    assert calls[0].day == "" and calls[0].scheduled == now and calls[0].may_release  # judged by the rules of today
    line = line_of(project)
    assert line["code"] == 1 and line["minutes"] == 8 and line["rows"] == 338 and line["reasons"] == ["cadence"]
    assert mlbot("retrain", "--now", (now + timedelta(hours=20)).isoformat()).returncode == 0 and len(calls) == 1
    forced = mlbot("retrain", "--now", (now + timedelta(hours=21)).isoformat(), "--force")
    assert forced.returncode == 1 and len(calls) == 2 and line_of(project)["forced"]


@pytest.mark.parametrize("problem, code", [(OutOfTime("out of time"), 4), (InputError("no such file"), 2)])
def test_a_training_that_breaks_off_is_noted_with_its_code(quick, mlbot, problem, code):
    project, _, calls = quick
    calls.append(problem)
    now = a_week_later(project)
    assert mlbot("retrain", "--now", now.isoformat()).returncode == code and line_of(project)["code"] == code
    assert mlbot("retrain", "--check", "--now", (now + timedelta(minutes=9)).isoformat()).returncode == 1
    assert mlbot("retrain", "--check", "--now", (now + DAY).isoformat()).returncode == 0


def test_a_stopped_training_is_noted_too(quick, mlbot, monkeypatch):
    project, _, _ = quick

    def stopped(request, settings, junit):
        raise SystemExit(143)
    monkeypatch.setattr(cli, "execute_request", stopped)
    assert mlbot("retrain", "--force").returncode == 143 and line_of(project)["code"] == 143


def test_a_training_that_runs_holds_off_even_force(quick, mlbot):
    project, _, calls = quick
    take_ticket(Folder(project / "models"), Attempt(1, MONDAY, 35, champion="m1"))
    soon = (MONDAY + timedelta(minutes=3)).isoformat()
    assert mlbot("retrain", "--now", soon).returncode == 0
    said = mlbot("retrain", "--now", soon, "--force")
    assert said.returncode == 3 and "training 1" in said.stderr and calls == []


def test_propose_trains_and_releases_nothing(quick, mlbot):
    project, _, calls = quick
    (project / "settings.ini").write_text("[data]\nsource = sample\n[retrain]\npromote = propose\n")
    mlbot("retrain", "--force")
    assert not calls[0].may_release


def test_a_wrong_clock_is_an_annotation_in_a_workflow(quick, mlbot):
    project, _, _ = quick
    note(Folder(project / "models"), done(MONDAY.replace(year=2031)), 0)
    said = mlbot("retrain", "--check", env={"GITHUB_ACTIONS": "true"})
    assert said.returncode == 1 and "::warning::a training is noted at 2031-" in said.stdout


@pytest.fixture
def machine(address, tmp_path, monkeypatch, mlbot):
    """Makes a fresh checkout without models that shares `address`, and answers its commands; trainings end as `code` says."""
    trained = []

    def run(request, settings, junit):
        trained.append((Path.cwd().name, request.parameters["why"]))
        if isinstance(machine.code, BaseException):
            raise machine.code
        return machine.code

    def machine(name):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.ini").write_text(f"[data]\nsource = sample\n[places]\ncarried = {address}\n")
        return lambda *words: mlbot(*words, cwd=tmp_path / name)
    machine.code, machine.trained = 1, trained
    monkeypatch.setattr(cli, "execute_request", run)
    return machine


def test_a_red_training_is_not_repeated_by_another_fresh_checkout(machine):
    """Machines that come and go train once each time due, and each knows what the others have tried."""
    first, second = machine("first"), machine("second")
    assert first("retrain", "--now", MONDAY.isoformat()).returncode == 1
    for days in (0.1, 1, 3):
        later = second("retrain", "--now", (MONDAY + days * DAY).isoformat())
        assert later.returncode == 0 and "not due" in later.stdout, later.stdout + later.stderr
    assert machine("third")("retrain", "--check", "--now", (MONDAY + 6 * DAY).isoformat()).returncode == 1
    assert machine("fourth")("retrain", "--now", (MONDAY + 7 * DAY).isoformat()).returncode == 1
    assert first("retrain", "--check", "--now", (MONDAY + 8 * DAY).isoformat()).returncode == 1
    assert [name for name, _ in machine.trained] == ["first", "fourth"]


def test_a_training_of_another_machine_holds_off_even_force(machine, address):
    """One that runs elsewhere is waited for, one that died is not; afterwards a fresh checkout trains."""
    assert take_ticket(open_objects(address), Attempt(1, MONDAY, 35, owner="elsewhere"))
    here = machine("here")
    said = here("retrain", "--force", "--now", (MONDAY + timedelta(minutes=9)).isoformat())
    assert said.returncode == 3 and "training 1 has started and not ended" in said.stderr and not machine.trained
    assert here("retrain", "--now", (MONDAY + DAY).isoformat()).returncode == 1 and len(machine.trained) == 1


def test_an_account_that_does_not_answer_gives_no_verdict_and_no_training(machine, monkeypatch, tmp_path):
    """Exit code 3 before a training; after one, its outcome is said and nobody trains again that day."""
    here, settings = machine("here"), tmp_path / "here" / "settings.ini"
    known = settings.read_text()
    settings.write_text("[data]\nsource = sample\n[places]\ncarried = s3://nowhere/models\n")
    with monkeypatch.context() as away:
        away.setattr(places, "RETRY", {"max_retries": 0, "retry_timeout": timedelta(seconds=1)})
        for name, value in keys_of(free_port()).items():
            away.setenv(name, value)
        for words in (["--force"], ["--check"], []):
            said = here("retrain", *words)
            assert said.returncode == 3 and "does not answer" in said.stderr and not machine.trained
        assert here("forecast").returncode == 3
    settings.write_text(known)

    def gone(*words):
        raise NoVerdict("the account does not answer")
    for kind in (places.Folder, places.Account):
        monkeypatch.setattr(kind, "put", gone)
    said = here("retrain", "--now", MONDAY.isoformat())
    assert said.returncode == 3 and "training 1 ended with exit code 1, which could not be noted" in said.stderr
    other = machine("other")
    assert other("retrain", "--now", (MONDAY + timedelta(hours=20)).isoformat()).returncode == 0
    assert len(machine.trained) == 1


@pytest.mark.long
def test_two_real_machines_at_once_train_once_and_warn_of_the_budget(tmp_path_factory, mlbot, root):
    """Two checkouts that share a folder start in the same second: one trains, the other finds the ticket; both end well.

    The release belongs to the schedule and fills its slot for a third checkout too. The time that it took is kept there, and
    warns of the budget, which earlier runs on such a machine nearly needed.
    """
    top, shared = tmp_path_factory.mktemp("machines"), tmp_path_factory.mktemp("shared")
    for name in ("one", "two", "fresh"):
        shutil.copytree(root / "nbs" / "pipeline", top / name / "nbs" / "pipeline")
        (top / name / "settings.ini").write_text(f"[places]\ncarried = {shared}\ncache =\n"
                                                 "[data]\nsource = sample\nsuspects = 0\n")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    slow = Duration(MONDAY, "r", "m", "sample", 338, 1.0, 0.95 * 1800, cores=cores, loop=reference_ms())
    for week in range(1, 9):
        add_duration(Folder(shared), replace(slow, at=MONDAY - timedelta(weeks=week)))
    command = [sys.executable, "-m", "mlbot", "retrain", "--now", MONDAY.isoformat(), "--minutes", "29"]
    both = [subprocess.Popen(command, cwd=top / name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for name in ("one", "two")]
    said = dict(zip(("one", "two"), (process.communicate(timeout=300)[0] for process in both), strict=True))
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("nothing was run" in text for text in said.values()) == 1
    [winner] = [name for name, text in said.items() if "released: model" in text]
    [entry], [attempt] = history(top / winner / "models"), read_attempts(Folder(shared))
    assert entry["why"] == "retrain: cadence, model" and attempt.released == entry["run"] and attempt.code == 0
    assert not history(top / ({"one", "two"} - {winner}).pop() / "models")
    assert mlbot("models", "--pull", cwd=top / "fresh").returncode == 0
    for days, code in ((1, 1), (7, 0)):
        asked = mlbot("retrain", "--check", "--now", (MONDAY + days * DAY).isoformat(), cwd=top / "fresh")
        assert asked.returncode == code, asked.stdout + asked.stderr
    last = read_durations(Folder(shared))[-1]
    assert last.rows == 338 and last.source == "sample" and 0 < last.seconds < last.whole and len(last.curve) >= 3
    assert len(read_durations(Folder(shared))) == 9 and not (top / winner / "models" / "durations").exists()
    assert re.search(r"^warning: the run may need .* of its 29 min within 4 weeks", said[winner], re.MULTILINE), said[winner]


def test_a_killed_scheduler_is_followed_by_another_one_the_next_day(project, mlbot):
    """Killed in the midst of its training: nobody trains beside it, nor twice that day; on the next day it is due."""
    command = [sys.executable, "-m", "mlbot", "retrain", "--now", MONDAY.isoformat()]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not (project / "models" / ticket_of(1)).exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.kill()
    process.wait()
    answers = {minutes: mlbot("retrain", "--check", "--now", (MONDAY + timedelta(minutes=minutes)).isoformat())
               for minutes in (10, 60, 24 * 60)}
    assert [done.returncode for done in answers.values()] == [1, 1, 0]
    assert "training 1 runs since" in answers[10].stdout and "came to no end" in answers[60].stdout


@pytest.mark.parametrize("line", ["every = -1", "hour = 24", "growth = -0.1", "drift = inf", "loss = 5", "promote = now"])
def test_a_policy_without_meaning_is_refused(tmp_path, line):
    (tmp_path / "settings.ini").write_text(f"[retrain]\n{line}\n")
    with pytest.raises(InputError, match=line.split()[0]):
        load_settings(tmp_path)
