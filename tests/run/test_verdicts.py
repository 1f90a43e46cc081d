"""One verdict everywhere: waivers, the champion, the meter, the sealed part, and all places where people look."""

import json
import os
import re
import xml.etree.ElementTree as ElementTree
from datetime import date, timedelta

import nbformat
import pytest

from mlbot.errors import InputError, inert
from mlbot.gates.test_budget import decisions
from mlbot.gates.verdict import Waiver, judge, judge_family
from mlbot.gates.waiver import load_waivers, save_waiver
from mlbot.run import kernel, pipeline  # noqa: F401  before pytester remembers which modules there were
from mlbot.run.first_screen import written_day
from mlbot.run.folder import load_rules, load_table, load_verdicts, today
from mlbot.run.publish import build_markdown, cell_line, metrics_of
from mlbot.settings import Target, load_settings, parse, shipped_settings
from mlbot.stats.changes import Change
from mlbot.stats.scores import share

USUAL = os.environ["PYTEST_ADDOPTS"].split()
NO_TARGETS = "[targets]\n" + "".join(f"{name} =\n" for name in parse(shipped_settings())["targets"])
THREE = [(f'#| gate\nfrom mlbot.stats.scores import share\nfrom mlbot.gates.gating import gate\n'
          f'gate("{name}", share("{name}", [True] * {right} + [False] * {100 - right}), floor=0.8)')
         for name, right in (("first", 95), ("second", 50), ("third", 95))]


def last_run(project):
    return max(path for path in (project / "runs").iterdir() if (path / "verdicts.json").exists())


def outcomes(project):
    return {verdict.gate: verdict.outcome for verdict in load_verdicts(last_run(project))[1]}


def records(project):
    return {item["gate"]: item for item in json.loads((last_run(project) / "verdicts.json").read_text())["verdicts"]}


@pytest.fixture
def strict(project, write_settings):
    """Asks another accuracy of the model."""
    def write(floor=0.99):
        write_settings(project, f"[data]\nsource = sample\nsuspects = 0\n[targets]\naccuracy.floor = {floor}\n")
    return write


def test_a_waiver_lets_its_gate_ship_and_ends_with_its_day(project, strict, mlbot, tmp_path):
    """Red; waived and released, in sight everywhere; red again after its last day (for another model: test_gate)."""
    strict()
    end, ago, ahead = ((today() + timedelta(days=days)).isoformat() for days in (30, -1, 1))
    red = mlbot("run")
    assert red.returncode == 1 and "waive accuracy --why REASON --until DAY" in red.stdout
    assert mlbot("waive", "macro_f1", "--why", "x", "--until", end).returncode == 2
    assert mlbot("waive", "acuracy", "--why", "x", "--until", end).returncode == 2
    for why, until in (("", end), ("x", ago), ("x", "2136-02-01"), ("x", "soon")):
        assert mlbot("waive", "accuracy", "--why", why, "--until", until).returncode == 2
    for day in (ago, ahead, "2026-03-01"):  # a waiver is written today
        refused = mlbot("waive", "accuracy", "--why", "x", "--until", day, "--day", day)
        assert refused.returncode == 2 and "another day's targets and waivers release nothing" in refused.stderr
    assert not (project / "waivers.ini").exists()
    done = mlbot("waive", "accuracy", "--who", "Ann", "--why", "the client <wants> it", "--until", end)
    assert done.returncode == 0 and "have it reviewed" in done.stdout, done.stderr
    assert f"by Ann, until {end}: the client <wants> it" in done.stdout and "replaces" not in done.stdout
    again = mlbot("waive", "accuracy", "--who", "Ann", "--why", "the client <wants> it", "--until", end, "--run",
                  f"runs/{last_run(project).name}")
    assert again.returncode == 0 and f"replaces the waiver by Ann, until {end}" in again.stdout
    lost = mlbot("waive", "accuracy", "--why", "x", "--until", end, "--run", "runs/2026-01-01_000000")
    assert lost.returncode == 2 and "no run 'runs/2026-01-01_000000'" in lost.stderr
    waiver, = load_waivers(project / "waivers.ini")
    assert (waiver.gate, waiver.who, waiver.until.isoformat()) == ("accuracy", "Ann", end) and waiver.model and waiver.data
    text = (project / "waivers.ini").read_text()
    (project / "waivers.ini").write_text(text.replace(end, ago))
    revived = mlbot("run", "--day", ago)
    assert revived.returncode == 0 and f"only those of today ({today()}, UTC) release" in revived.stdout, revived.stderr
    assert "is not released" in revived.stdout and not (project / "models" / "champion").exists()
    late = mlbot("run")
    assert late.returncode == 1 and "is below its floor 0.990" in late.stderr
    (project / "waivers.ini").write_text(text)
    summary = tmp_path / "summary.md"
    done = mlbot("run", env={"GITHUB_STEP_SUMMARY": str(summary)})
    assert done.returncode == 0, done.stderr
    assert "fail (waived)" in done.stdout and (project / "models" / "champion").exists()
    assert f"waived by Ann until {end}" in summary.read_text() and "<wants>" not in summary.read_text()
    report = (last_run(project) / "report.html").read_text()
    day = written_day(date.fromisoformat(end))
    assert f"Ann lets it ship until {day}: the client &lt;wants&gt; it" in report and "1 red and waived" in report
    history = json.loads((project / "models" / "history.jsonl").read_text().splitlines()[-1])
    assert history["waived"] == {"accuracy": {"who": "Ann", "why": "the client <wants> it", "until": end}}
    assert history["why"] == "waived: accuracy"
    metrics = json.loads((last_run(project) / "metrics.json").read_text())
    assert metrics["accuracy_red"] == metrics["accuracy_waived"] == 1 and metrics["texts_apart_waived"] == 0
    assert f"accuracy was red, and waived by Ann until {end}: the client <wants> it" in mlbot("models").stdout
    assert "accuracy: red, and waived by Ann" in done.stdout and "released: model" in done.stdout
    settings = load_settings(project)
    (project / "waivers.ini").write_text(text.replace(end, "2136-03-31"))
    with pytest.raises(InputError, match="holds until 2136-03-31"):
        load_rules(last_run(project), settings)
    (project / "waivers.ini").write_text("[accuracy]\ngate = accuracy\n")
    broken = mlbot("run")
    assert broken.returncode == 2 and "waivers.ini" in broken.stderr


def test_a_waiver_file_is_read_whole_or_refused(tmp_path):
    file = tmp_path / "waivers.ini"
    waiver = Waiver("x", "Ann = [b]\n", "100 % sure: it's %(fine)s", date(2026, 3, 31), "", "d")
    save_waiver(waiver, file)
    read, = load_waivers(file)
    assert (read.who, read.why, read.model) == ("Ann = [b]", "100 % sure: it's %(fine)s", "")
    for wrong in ("[x]\ngate = x\n", file.read_text().replace("2026-03-31", "2026-31-03"), "no ini",
                  file.read_text() + "more = 1\n"):
        other = tmp_path / "other.ini"
        other.write_text(wrong)
        with pytest.raises(InputError) as caught:
            load_waivers(other)
        assert len(str(caught.value).splitlines()) <= 6 and "other.ini" in str(caught.value)


def test_a_challenger_that_is_surely_worse_is_red_and_what_broke_comes_first(released, write_settings, mlbot):
    """Settings that make the model much worse than its champion, under floors that it still keeps.

    The split has another name, and the gate of the champion was "not asked" then. Texts keep the side that they had for the
    champion, so both are compared on all test rows.
    """
    project = released
    assert outcomes(project)["champion"] == "not asked"
    write_settings(
        project, "[data]\nsource = sample\nsuspects = 0\ncontext =\n[split]\ntest_percent = 30\n"
        "[model]\nwords = 2 2\ncharacters = 1 1\nmin_count = 9\n"
        "[targets]\naccuracy.floor = 0.2\nintents.floor =\nslices.floor =\nsilently_wrong.ceiling =\n"
        "calibration_error.ceiling =\n")
    done = mlbot("run")
    assert done.returncode == 1 and re.search("gate: champion -0.* is below its floor 0.000", done.stderr), done.stderr
    assert outcomes(project)["champion"] == "fail" and outcomes(project)["accuracy"] == "pass"
    n = records(project)["champion"]["rows"]
    assert n == 104
    assert re.search(r"^\d+ broke:\n  - '.*': \w+, now \w+", done.stdout, re.MULTILINE)
    report = (last_run(project) / "report.html").read_text()
    assert "Against the champion" in report and "answers broke and" in report
    comment = (last_run(project) / "comment.md").read_text()
    assert re.search(r"### Against the champion: \d+ broke, \d+ healed", comment)


def test_the_meter_counts_models_and_says_when_the_test_is_used_up(project, own_results, mlbot):
    (project / "settings.ini").write_text("[gates]\npeople = 50\n[data]\nsource = sample\nsuspects = 0\n")
    done = mlbot("run", "--no-release")
    assert not (project / "models" / "champion").exists() and "4_release" not in done.stderr
    assert done.returncode == 0 and re.search(r"test set: 10\d different texts are too few to judge even one model",
                                              done.stdout), done.stdout
    assert "too few to judge even one model" in (last_run(project) / "report.html").read_text()
    with open(project / "settings.ini", "a") as file:
        file.write("[model]\npenalty = 0.5\n[meter]\ntolerance = 0.2\n")
    with open(project / "models" / "decisions.jsonl", "a") as file:
        file.write('{"model": "cut')
    done = mlbot("run", "--no-release")
    assert re.search(r"can judge [1-9]\d* models within 0.200, 95 % reliable \(each outcome seen\); 2 were judged",
                     done.stdout)
    assert len(decisions(project / "models")) == 2


def test_a_sealed_part_decides_and_its_numbers_stand_nowhere(project, strict, mlbot):
    strict(0.7)
    with open(project / "settings.ini", "a") as file:
        file.write("[split]\nsealed_percent = 50\n")
    done = mlbot("run")
    assert done.returncode == 0 and re.search(r"accuracy .* pass \(sealed\)", done.stdout), done.stderr
    folder = last_run(project)
    sealed, test = (len((folder / f"{name}.csv").read_text().splitlines()) - 1 for name in ("sealed", "test"))
    assert sealed + test == 104 and sealed > 30
    texts = {line.split(",")[0] for line in (folder / "sealed.csv").read_text().splitlines()[1:]}
    assert not texts & {line.split(",")[0] for line in (folder / "predictions.csv").read_text().splitlines()}
    record = records(project)["accuracy"]
    assert record["sealed"] == "pass" and record["score"]["n"] == test
    (project / "settings.ini").write_text((project / "settings.ini").read_text().replace("0.7", "0.99"))
    done = mlbot("run")
    assert done.returncode == 1 and re.search("(the sealed part misses the|is below its) floor 0.990", done.stderr)


def test_one_run_is_said_alike_everywhere_it_is_said(project, mlbot):
    """Other seeds, the plan, flat metrics, comment, report: one run, one verdict."""
    with open(project / "settings.ini", "a") as file:
        file.write("[targets]\naccuracy.stretch = 0.80\naccuracy.start = 2026-01-05\naccuracy.step = 0.01\n"
                   "accuracy.count = 10\n")
    done = mlbot("plan", "--day", "2026-02-02")
    assert done.returncode == 0 and "stretch 0.840 on 2026-02-02" in done.stdout and "no run yet" in done.stdout
    assert re.search(r"2026-02-02  0\.840  <- now", done.stdout)
    ElementTree.parse(project / "runs" / "plan_accuracy.svg")
    assert mlbot("plan", "--day", "today").returncode == 2 and mlbot("run", "--day", "31.3.26").returncode == 2
    settings = (project / "settings.ini").read_text().replace("[gates]\n", "[gates]\nseeds = 3\n")
    (project / "settings.ini").write_text(f"{settings}macro_f1.stretch = 0.999\n")
    done = mlbot("run", "--no-release", "--day", "2026-02-02")
    assert done.returncode == 0 and re.search(r"macro_f1 .* 0\.999", done.stdout)  # a stretch is only reported
    assert len(records(project)["accuracy"]["seeds"]) == 2
    done = mlbot("plan", "--day", "2026-02-02")
    few = int(re.search(r"tip: +(\d+) of 12 intents have at most 30 training rows.*unlabelled = FILE", done.stdout)[1])
    assert few == (load_table(last_run(project) / "train.csv")["intent"].value_counts() <= 30).sum() >= 6
    assert re.search(r"warning: accuracy: a step of 0.010 in 7 days cannot be seen on 104 test rows", done.stdout)
    folder = last_run(project)
    page, comment = (folder / "report.html").read_text(), (folder / "comment.md").read_text()
    assert "The target of accuracy over time" in page and "cannot be seen on 104 test rows" in page
    metrics = json.loads((folder / "metrics.json").read_text())
    assert all(isinstance(value, int | float) and re.fullmatch(r"[\w./ -]+", name) for name, value in metrics.items())
    assert {"accuracy", "accuracy_n", "accuracy_floor", "macro_f1", "latency_ratio"} <= set(metrics)
    for verdict in load_verdicts(folder)[1]:
        if verdict.score.measured and not verdict.parts:
            assert metrics[verdict.gate] == verdict.score.value
            name = re.escape(verdict.gate)
            assert re.search(rf"\| {name}( \([\w ]+\))? \| \+?{verdict.score.value:.3f} \|", comment)
            assert re.search(rf"<td>{name}( \([\w ]+\))?</td>", page)
    assert metrics_of([judge("x", share("x", []), Target(0.5))]) == {}


@pytest.fixture
def three(project):
    """A pipeline of one notebook with three gates, of which the second fails."""
    for path in (project / "nbs" / "pipeline").iterdir():
        path.unlink()
    cells = [nbformat.v4.new_code_cell('run = "new"', metadata={"tags": ["parameters"]}),
             *map(nbformat.v4.new_code_cell, THREE)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), project / "nbs" / "pipeline" / "1_gates.ipynb")
    (project / "settings.ini").write_text("[gates]\npeople = 50\n[data]\nsource = sample\n" + NO_TARGETS)
    (project / "pytest.ini").write_text("[pytest]\n")
    return project


@pytest.fixture
def pytest_here(pytester, three):
    """Runs pytest on the notebooks of that project, in this process: what it says (in one of its own: test_pytest_plugin)."""
    def run(*options):
        os.chdir(three)
        return pytester.runpytest_inprocess(*USUAL, "nbs/pipeline", "-p", "no:cacheprovider", *options)
    return run


def test_terminal_summary_annotation_and_junit_name_all_three_gates(three, mlbot, pytest_here, tmp_path):
    summary = tmp_path / "summary.md"
    done = mlbot("run", cwd=three, env={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})
    assert done.returncode == 1
    for name, outcome in (("first", "pass"), ("second", "fail"), ("third", "pass")):
        assert re.search(rf"^{name} +0\.\d+ +100 .* {outcome}$", done.stdout, re.MULTILINE)
        assert re.search(rf"^\| {name} \| .* {outcome} \|$", summary.read_text(), re.MULTILINE)
    annotation, = re.findall(r"^::error .*$", done.stdout, re.MULTILINE)
    path = three / "nbs" / "pipeline" / "1_gates.ipynb"
    assert annotation.startswith(f"::error file=nbs/pipeline/1_gates.ipynb,line={cell_line(path, 3)},title=second%3A fail::")
    assert "gates here: first pass, second fail, third pass" in annotation
    assert '"id"' in path.read_text().splitlines()[cell_line(path, 3) - 1] and cell_line(path, 3) > 20
    assert pytest_here("--junitxml=junit.xml", "-q").ret == 1
    cases = {case.get("name"): case for case in ElementTree.parse(three / "junit.xml").iter("testcase")}
    assert set(cases) == {"runs", "first", "second", "third"}
    assert [name for name, case in cases.items() if case.find("failure") is not None] == ["second"]


def test_a_missed_stretch_is_xfail_and_too_close_a_warning_in_pytest(three, pytest_here):
    source = ('#| gate\nfrom mlbot.stats.scores import share\nfrom mlbot.gates.gating import gate\n'
              'score = share("x", [True] * 82 + [False] * 18)\n'
              'gate("late", score, floor=0.5, stretch=0.99)\ngate("close", score, floor=0.8)')
    path = three / "nbs" / "pipeline" / "1_gates.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [notebook.cells[0], nbformat.v4.new_code_cell(source)]
    nbformat.write(notebook, path)
    tested = pytest_here("-ra")
    said = tested.stdout.str()
    assert tested.ret == 0 and "2 passed, 1 xfailed, 1 warning" in said, said
    assert re.search(r"^XFAIL .*::late - .*stretch 0.990 missed", said, re.MULTILINE)
    assert "GateWarning: gate: close 0.820 (n=100" in said and "to settle" in said


def test_a_comment_fits_and_no_text_in_it_is_markup():
    evil = "@team <script>alert(1)</script> | [x](http://e.vil) `code` --> \n# head"
    changes = [Change(evil * 40, evil, evil, evil, evil, at % 2 == 0) for at in range(500)]
    verdicts = [judge("x", share("x", [True, False] * 50), Target(0.8))] * 300
    verdicts.append(judge_family("f", [share(evil, [True, False] * 5), share("b", [True] * 2)], Target(0.9, min_n=5)))
    text = build_markdown(evil, verdicts, [InputError(evil, evil, evil)] * 50, changes, [evil] * 100)
    assert len(text) < 65_536
    rows = [line for line in text.splitlines() if line.startswith("| broke")]
    assert rows and all("@" not in row and "<" not in row and row.count("|") == 7 for row in rows)
    assert "\n" not in inert(evil)
