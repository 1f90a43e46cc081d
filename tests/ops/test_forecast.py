"""How long a run takes is kept and forecast, and a budget that will break is warned of before it does."""

import json
import re
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlbot.ops.forecast import (
    DURATIONS,
    DURATIONS_LOG,
    Duration,
    add_duration,
    advice,
    both_forecasts,
    comparable,
    duration_of,
    duration_words,
    fit_growth,
    fit_power,
    forecast,
    read_durations,
    reference_ms,
    sentence,
    warning_of,
)
from mlbot.ops.retrain import shared_objects
from mlbot.run.judge import NotebookStep
from mlbot.run.pipeline import RunResult
from mlbot.run.request import RunRequest
from mlbot.settings import load_settings
from mlbot.storage import Folder
from tests.data.test_store import s3  # noqa: F401  the account

MONDAY = datetime(2026, 1, 5, 2, tzinfo=UTC)
ONE = Duration(MONDAY, "r", "m", "store", 1_000, 60.0, 150.0)
HOUR = 3600.0


def grown(week, rate=0.03, power=1.1, start=3.0 * HOUR, **more):
    """The training of a week: rows grow by `rate` a week."""
    rows = round(50_000 * (1 + rate) ** week)
    return replace(ONE, at=MONDAY + timedelta(weeks=week), rows=rows, seconds=start * (rows / 50_000) ** power, **more)


@pytest.mark.long
def test_forecasts_are_within_their_interval_and_breaches_are_warned_of(root):
    """Synthetic growth of five kinds, noise of 5 to 30 %, hiccups; at least 90 % of the forecasts hold."""
    command = [sys.executable, "benchmarks/forecast.py", "--worlds", "4"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    ours, line = re.search(r"all: ([\d.]+)% of 960 within .* a straight line: ([\d.]+)%", done.stdout).groups()
    assert float(ours) >= 90 > float(line) + 10
    budgets, late = map(int, re.search(r"^(\d+) budgets broke, (\d+) of them", done.stdout, re.MULTILINE).groups())
    assert budgets > 40 and late <= 0.02 * budgets


def test_the_sentence_says_next_budget_and_weeks():
    past = [grown(week) for week in range(12)]
    told = forecast(past, 6 * HOUR, past[-1].at)
    assert told.middle[told.next] == pytest.approx(grown(12).seconds, rel=0.02)
    truth = next(week for week in range(12, 99) if grown(week).seconds > 6 * HOUR) - 11
    assert told.earliest < told.breaks < told.latest and abs(told.breaks - truth) <= 2
    assert re.fullmatch(r"next 4 h \d\d \(\d h \d\d to \d h( \d\d)?\) of 6 h; over budget in \d+ weeks \(\d+ to \d+\)",
                        sentence(told)), sentence(told)
    assert sentence(forecast(past, 1 * HOUR, past[-1].at)).endswith("over budget at the next training")
    flat = [grown(week, rate=0) for week in range(40)]
    assert sentence(forecast(flat, 60 * HOUR, flat[-1].at)).endswith("within budget for two years")


def test_a_warning_comes_within_four_weeks_of_a_breach_and_not_long_before():
    early, late = [grown(week) for week in range(8)], [grown(week) for week in range(20)]
    assert warning_of(forecast(early, 6 * HOUR, early[-1].at), "the training") == []
    [line] = warning_of(forecast(late, 6 * HOUR, late[-1].at), "the training")
    assert line.startswith("warning: the training may need ") and "of its 6 h within 4 weeks" in line
    assert late[-1].seconds < 6 * HOUR  # it still fits today
    between = [grown(week) for week in range(15)]
    told = forecast(between, 6 * HOUR, between[-1].at)
    assert told.earliest <= 4 < told.breaks and warning_of(told, "the training")  # likely not yet, but it may


def test_fewer_than_three_durations_are_no_forecast():
    past = [grown(week) for week in range(2)]
    assert forecast(past, HOUR, MONDAY) is None and forecast([], HOUR, MONDAY) is None
    assert forecast([*past, replace(grown(2), seconds=None)], HOUR, MONDAY) is None
    assert forecast([*past, grown(2)], HOUR, past[-1].at) is not None


def test_other_tiers_machines_and_sources_are_not_compared():
    strange = [{"tier": "encoder"}, {"many": True}, {"cores": 64}, {"loop": 0.3}, {"source": "company"}]
    past = [grown(week, **more) for week, more in enumerate([{}, *strange, {}, {"loop": 0.15}, {}])]
    assert comparable(past) == [past[0], past[6], past[7], past[8]]
    assert comparable([]) == []


def test_rows_that_come_in_batches_widen_the_interval():
    steady = fit_growth(np.arange(20.0), 1_000 * 1.03 ** np.arange(20))
    lumpy = fit_growth(np.arange(20.0), 1_000 * 1.03 ** (5.0 * (np.arange(20) // 5)))
    assert steady.rate == pytest.approx(np.log(1.03), abs=1e-3) and lumpy.variance > 5 * steady.variance
    past = [grown(week) for week in range(20)]
    jumps = [replace(item, rows=grown(5 * (week // 5)).rows, seconds=grown(5 * (week // 5)).seconds)
             for week, item in enumerate(past)]
    even, uneven = forecast(past, HOUR, past[-1].at), forecast(jumps, HOUR, jumps[-1].at)
    assert uneven.high[28] / uneven.middle[28] > 1.15 * even.high[28] / even.middle[28]


def test_two_trainings_of_one_day_on_other_data_are_no_growth():
    minutes = np.array([0.0, 5.0, 9.0]) / (7 * 24 * 60)
    assert fit_growth(minutes, np.array([100.0, 9_000, 90_000])).rate == 0


def test_one_busy_machine_does_not_bend_the_curve():
    weeks, rows = np.arange(12.0), 1_000 * 1.1 ** np.arange(12)
    seconds = 60 * (rows / 1_000) ** 1.2
    calm, busy = fit_power(weeks, rows, seconds), fit_power(weeks, rows, np.where(weeks == 6, 5 * seconds, seconds))
    assert calm.power == pytest.approx(1.2, abs=0.05) and abs(busy.level - calm.level) < 0.004


def test_a_long_silence_counts_from_now():
    past = [grown(week) for week in range(10)]
    late = forecast(past, 6 * HOUR, past[-1].at + timedelta(weeks=8))
    assert late.next == 0 and late.middle[0] == pytest.approx(grown(17).seconds, rel=0.05)


def test_what_is_damaged_is_left_out_and_the_log_of_earlier_versions_counts(tmp_path, monkeypatch):
    """Cut objects and cut lines are no durations; the rest comes in the order of time, of many the newest."""
    shared = Folder(tmp_path)
    line = json.dumps(asdict(grown(2)) | {"at": grown(2).at.isoformat()})
    (tmp_path / DURATIONS_LOG).write_text('{"at": "2026-01-05T02:00:00+00:00", "rows": 7}\n' + line + '\n{"at": "2026-01-')
    add_duration(shared, grown(1))
    shared.put(f"{DURATIONS}/cut.json", b'{"at": "2026-01-')
    add_duration(shared, grown(0))
    assert [duration.rows for duration in read_durations(shared)] == [grown(week).rows for week in range(3)]
    assert read_durations(Folder(tmp_path / "nowhere")) == []
    monkeypatch.setattr("mlbot.ops.forecast.MOST", 2)  # the cut one, and the newest
    assert [duration.rows for duration in read_durations(shared)] == [grown(week).rows for week in (1, 2)]


def test_times_read_as_people_say_them():
    assert [duration_words(seconds) for seconds in (0.04, 8.96, 9.96, 89, 5400, 20_400, 400 * HOUR)] == \
        ["0.0 s", "9.0 s", "10 s", "89 s", "1 h 30", "5 h 40", "400 h"]


def test_advice_fits_what_ran():
    settings = load_settings()
    heavy = advice(replace(ONE, tier="encoder", rows=200_000, whole=1_000.0), settings)
    assert any("tier = static" in line for line in heavy) and any("Dask" in line for line in heavy)
    assert not any("many =" in line for line in heavy)
    light = advice(replace(ONE, rows=60_000), settings)
    assert any("many = 30000" in line for line in light) and not any("tier = static" in line for line in light)
    assert "mlbot retrain" in light[-1]


def result(folder, steps, *problems, missing=()):
    made = tuple(NotebookStep(name, seconds, {}, ()) for name, seconds in steps)
    return RunResult(folder, RunRequest(), made, tuple(missing), tuple(problems))


def test_a_run_that_did_not_get_far_says_no_more_than_it_knows(tmp_path):
    """Stopped in its training: no duration, but the fact; stopped before the split: nothing."""
    from mlbot.errors import GateFailed, OutOfTime
    settings, two = load_settings(), [("1_prepare.ipynb", 5.0), ("2_train.ipynb", 7.0)]
    assert duration_of(result(tmp_path, two), settings, "sample", MONDAY, 2, 0.1) is None
    (tmp_path / "train.csv").write_text("text,intent\na,b\nc,d\n")
    red = result(tmp_path, two, GateFailed("red"), missing=["4_release.ipynb"])
    whole = duration_of(red, settings, "company:3", MONDAY, 2, 1)
    assert (whole.rows, whole.seconds, whole.whole, whole.stopped, whole.source) == (2, 7.0, 12.0, False, "company")
    early = duration_of(result(tmp_path, two, GateFailed("red"), missing=["3_gate.ipynb"]), settings, "sample", MONDAY, 2, 1)
    assert early.whole is None
    late = OutOfTime("out of time")
    stopped = RunResult(tmp_path, RunRequest(), (NotebookStep("2_train.ipynb", 9.0, {}, (late,)),), (), (late,))
    told = duration_of(stopped, settings, "sample", MONDAY, 2, 1)
    assert told.seconds is None and told.whole is None and told.stopped


def test_the_reference_loop_is_measured():
    assert 0.001 < reference_ms(5) < 100


def test_forecast_says_when_too_little_is_known(project, mlbot):
    done = mlbot("forecast")
    assert done.returncode == 3 and "no run is noted yet" in done.stdout
    told = mlbot("forecast", "--json")
    assert told.returncode == 3 and json.loads(told.stdout) == {"runs": 0, "training": None, "run": None}
    for week in range(2):
        add_duration(Folder(project / "models"), grown(week))
    done = mlbot("forecast", "--now", MONDAY.isoformat())
    assert done.returncode == 3 and "a forecast needs 3, and nothing is guessed" in done.stdout and "next:" in done.stdout


def test_a_forecast_rests_on_the_runs_of_all_machines(tmp_path, mlbot, s3):  # noqa: F811
    """Two machines without each other's files note their times in an account, and a fresh checkout forecasts from both."""
    for name in ("first", "second", "fresh"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.ini").write_text(f"[data]\nsource = sample\n[places]\ncarried = {s3}\n")
    for week in range(4):
        add_duration(shared_objects(load_settings(tmp_path / ("first", "second")[week % 2])), grown(week))
    told = mlbot("forecast", "--now", grown(3).at.isoformat(), cwd=tmp_path / "fresh")
    assert told.returncode == 0 and "4 runs like the last one" in told.stdout, told.stdout + told.stderr


def test_forecast_warns_advises_and_draws(project, mlbot):
    (project / "settings.ini").write_text("[data]\nsource = sample\n[budget]\ntrain = 360\nrun = 600\n")
    for week in range(20):
        item = grown(week)
        add_duration(Folder(project / "models"), replace(item, whole=1.3 * item.seconds, stopped=week == 3))
    add_duration(Folder(project / "models"), replace(grown(19.5), tier="encoder", at=MONDAY))
    done = mlbot("forecast", "--now", grown(19).at.isoformat())
    assert done.returncode == 0, done.stderr
    for words in ("20 runs like the last one (store, tier light, 1 core)", "1 others are not compared",
                  "of 6 h; over budget in", "of 10 h; over budget in",
                  "warning: the training may need", "growth:   +3.", "advice:   many =",
                  "stopped:  1 of them ran out of time", "picture:  runs/forecast.svg", "next:"):
        assert words in done.stdout, done.stdout
    told = json.loads(mlbot("forecast", "--json", "--now", grown(19).at.isoformat()).stdout)
    assert told["runs"] == 20 and told["training"]["budget"] == 360 * 60
    seconds, weeks = told["training"]["seconds"], told["training"]["weeks_to_budget"]
    assert seconds["low"] < seconds["value"] < seconds["high"] and 0 < weeks["low"] <= weeks["value"]
    picture = (project / "runs" / "forecast.svg").read_text()
    assert "<svg" in picture and "budget" in picture
    check = mlbot("retrain", "--check", "--now", grown(19).at.isoformat())
    assert "training: next" in check.stdout and "warning: the training may need" in check.stdout


def test_out_of_time_is_never_called_bad_quality(project, mlbot):
    """Exit code 4 in every place that a person or a workflow reads: no red gate, no quality, and the champion stays."""
    (project / "settings.ini").write_text("[places]\ncache =\n[data]\nsource = sample\nsuspects = 0\n")
    done = mlbot("run", "--minutes", "0.02")
    folder = max((project / "runs").iterdir())
    said = [done.stdout, done.stderr, (folder / "report.html").read_text(), (folder / "comment.md").read_text()]
    assert done.returncode == 4 and all("out of time" in text.lower() for text in said[1:])
    for text in said:
        assert not re.search(r"gate is red|is below its floor|is above its ceiling|bad quality|GateFailed", text), text
    assert not (project / "models" / "champion").exists()


def test_the_budget_of_the_settings_is_asked_about_and_that_of_the_option():
    past = [grown(week, whole=7_000.0) for week in range(20)]
    settings = load_settings()
    settings = replace(settings, budget=replace(settings.budget, train=360.0, run=600.0))
    told = both_forecasts(past, settings, past[-1].at)
    assert (told["training"].budget, told["run"].budget) == (6 * HOUR, 10 * HOUR)
    assert warning_of(told["training"], "x") and not warning_of(told["run"], "x")
    assert both_forecasts(past, settings, past[-1].at, minutes=90)["run"].budget == 1.5 * HOUR
    assert both_forecasts([replace(item, whole=None) for item in past], settings, past[-1].at)["run"] is None
