"""The same builds, judged by seven tools: which no-change builds each blocks, and which true regressions it catches.

    python3 -m venv peers && peers/bin/python -m pip install -e ".[gates]" deepeval mlflow dvc nbval nbmake
    npm install --prefix peers promptfoo
    peers/bin/python benchmarks/gate_peers.py [--quick] [--builds 60] [--slow 20] [--promptfoo 6] [--only TOOL ...]
                                              [--json FILE]

A build is a model that was trained again and answers the same 400 test rows as the last good one. Its true accuracy is 0.85;
retraining alone flips 5.5 % of the answers, as many to the right as to the wrong. In half of the builds nothing else happens.
In the other half 3 points of accuracy are truly lost on top. Each tool judges the same builds by its own code, in the way its
documentation shows and in the way that suits this question best. A tool that is not installed is named and skipped (promptfoo
needs node, the script around `dvc metrics diff` needs jq). Where each build needs a process or a kernel of its own, fewer
builds are run: `n` says how many of each kind. Intervals are Wilson's, 95 %. `rows named` are the most rows that a tool calls
bad about one regression, and how many of them were right before; `lines` are those that you write for the rule; `s/build` is
what a build takes, with its share of the start. Exit code 0: this is a comparison and no test.

DVC gives no verdict: the one here is the script with jq that people write around its numbers. nbmake and nbval judge what
the notebook asserts or prints (`nbval --nbval-lax` compares no output, and so judges as nbmake does). The second table has
the same rules on many more builds, and a margin that was tuned by hand for one of these tests.
"""

import argparse
import contextlib
import csv
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from mlbot.errors import GateFailed
from mlbot.gates import Score, accuracy, gate, share
from mlbot.gates.verdict import FAIL, compare
from mlbot.stats.bounds import LOSS_RISK, difference_bounds, rows_to_see

ROWS, ACCURACY, FLIPPED, LOSS, FLOOR = 400, 0.85, 0.055, 0.03, 0.80
IDS = np.array([f"row-{at:04}" for at in range(ROWS)])
QUIET = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_DISABLE_DEBUG_LOG": "1",
         "PROMPTFOO_DISABLE_ERROR_LOG": "1", "DEEPEVAL_TELEMETRY_OPT_OUT": "1",
         "DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_CONFIG_GLOBAL": os.devnull, "NO_COLOR": "1",
         "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore", "COLUMNS": "200"}


@dataclass(frozen=True, eq=False)
class Build:
    """The right intents of the test rows, the answers of the last good model and of the new one; whether it is worse."""
    truth: np.ndarray
    last: np.ndarray
    new: np.ndarray
    worse: bool

    @property
    def before(self) -> float:
        """Accuracy of the last good model."""
        return float(np.mean(self.last == self.truth))

    @property
    def after(self) -> float:
        """Accuracy of the new model."""
        return float(np.mean(self.new == self.truth))

    @property
    def broken(self) -> set[str]:
        """The ids of the rows that were right before and are wrong now."""
        return set(IDS[(self.last == self.truth) & (self.new != self.truth)].tolist())


@dataclass(frozen=True)
class Judged:
    """What a tool decided about a build, and what it said."""
    blocked: bool
    said: str = ""


def flips(random: np.random.Generator, shape, loss: float, flipped: float = FLIPPED) -> tuple[np.ndarray, np.ndarray]:
    """Whether the last model and the new one are right, by row; `loss` is the accuracy that is truly lost."""
    before = random.random(shape) < ACCURACY
    turns = random.random(shape) < flipped / 2 / np.where(before, ACCURACY, 1 - ACCURACY)
    after = before ^ turns
    return before, after & (random.random(shape) >= loss / ACCURACY)


def build_of(seed: int, worse: bool) -> Build:
    """A made-up build: 20 intents, and wrong answers that name another one."""
    random = np.random.default_rng([seed, worse])
    truth, off = random.integers(0, 20, ROWS), random.integers(1, 20, ROWS)
    names = np.array([f"intent {at:02}" for at in range(20)])
    right = flips(random, ROWS, LOSS if worse else 0.0)
    return Build(names[truth], *(names[np.where(hit, truth, (truth + off) % 20)] for hit in right), worse)


def builds_of(count: int) -> list[Build]:
    """`count` builds without a change and as many that are worse, in turn."""
    return [build_of(seed, worse) for seed in range(count) for worse in (False, True)]


def run(command: Sequence[str], folder: Path, **more: str) -> subprocess.CompletedProcess:
    """Run a command in a folder, with everything off that would call home."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **QUIET, **more})
    return subprocess.CompletedProcess(command, done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr))


def judged(done: subprocess.CompletedProcess, red: int) -> Judged:
    """The verdict in an exit code: 0 lets the build through, `red` blocks it, and any other is no verdict at all."""
    if done.returncode not in (0, red):
        raise RuntimeError(f"{done.args}: exit code {done.returncode}\n{done.stdout[-2000:]}")
    return Judged(done.returncode == red, done.stdout)


# ---- promptfoo: a row a test, the pass rate against a percentage --------------------------------------------------------

PROMPTFOO = """prompts: ["{{answer}}"]
providers: [echo]
tests: file://rows.csv
"""


def promptfoo() -> str | None:
    """Where promptfoo is installed."""
    beside = Path(sys.prefix) / "node_modules" / ".bin" / "promptfoo"
    return str(beside) if beside.exists() else shutil.which("promptfoo")


def of_pass_rate(folder: Path, limit: float, tries: int = 3) -> Judged:
    """The verdict of one evaluation, with the failed rows of its results; asked again where promptfoo itself crashes."""
    command = [promptfoo(), "eval", "--no-cache", "--no-progress-bar", "--no-write", "-j", "20", "-o", "results.json"]
    for left in reversed(range(tries)):
        done = run(command, folder, PROMPTFOO_PASS_RATE_THRESHOLD=f"{100 * limit:.6g}",
                   PROMPTFOO_CONFIG_DIR=str(folder / "promptfoo"))
        if done.returncode in (0, 100) or not left:
            break
    verdict = judged(done, 100)
    rows = json.loads((folder / "results.json").read_text())["results"]["results"]
    return Judged(verdict.blocked, " ".join(row["vars"]["id"] for row in rows if not row["success"]))


def by_promptfoo(builds: list[Build], folder: Path) -> dict[str, list[Judged]]:
    """Pass rates of `promptfoo eval`; 100 is its exit code for a failed evaluation."""
    (folder / "promptfooconfig.yaml").write_text(PROMPTFOO)
    found: dict[str, list[Judged]] = {"pass rate >= 0.80": [], "pass rate >= last": []}
    for build in builds:
        with (folder / "rows.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("answer", "__expected", "id"), *(
                (new, f"equals: {truth}", name) for new, truth, name in zip(build.new, build.truth, IDS, strict=True))])
        for rule, limit in zip(found, (FLOOR, build.before), strict=True):
            found[rule].append(of_pass_rate(folder, limit))
    return found


# ---- MLflow: metrics of a candidate and of a baseline, and thresholds for them ------------------------------------------

MLFLOW = """baseline = evaluate(data=last, targets="truth", predictions="answer", extra_metrics=[accuracy])
candidate = evaluate(data=new, targets="truth", predictions="answer", extra_metrics=[accuracy])
thresholds = {"accuracy": MetricThreshold(threshold=0.80, min_absolute_change=1e-9, greater_is_better=True)}
validate_evaluation_results(validation_thresholds=thresholds, candidate_result=candidate, baseline_result=baseline)
"""


def by_mlflow(builds: list[Build], folder: Path) -> dict[str, list[Judged]]:
    """`mlflow.validate_evaluation_results`. A change of 0 is refused, so a model as good as the last one is blocked."""
    os.environ.update(QUIET)
    import mlflow
    import pandas as pd
    from mlflow.models import MetricThreshold, make_metric
    from mlflow.models.evaluation.validation import ModelValidationFailedException
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    metric = make_metric(eval_fn=lambda predictions, targets, metrics=None: float((predictions == targets).mean()),
                         greater_is_better=True, name="accuracy")
    rules = {"threshold 0.80": MetricThreshold(threshold=FLOOR, greater_is_better=True),
             "smallest gain over the baseline": MetricThreshold(threshold=FLOOR, min_absolute_change=1e-9,
                                                                greater_is_better=True),
             "threshold last - 0.01, by hand": None}

    def result(truth: np.ndarray, answers: np.ndarray):
        return mlflow.models.evaluate(data=pd.DataFrame({"truth": truth, "answer": answers}), targets="truth",
                                      predictions="answer", extra_metrics=[metric], evaluators="default")

    def verdict(rule: MetricThreshold, candidate, baseline) -> Judged:
        try:
            mlflow.validate_evaluation_results(validation_thresholds={"accuracy": rule}, candidate_result=candidate,
                                               baseline_result=baseline)
        except ModelValidationFailedException as error:
            return Judged(True, str(error))
        return Judged(False)
    found: dict[str, list[Judged]] = {name: [] for name in rules}
    with mlflow.start_run():
        for build in builds:
            candidate, baseline = result(build.truth, build.new), result(build.truth, build.last)
            for name, rule in rules.items():
                rule = rule or MetricThreshold(threshold=build.before - 0.010001, greater_is_better=True)
                found[name].append(verdict(rule, candidate, None if rule.min_absolute_change is None else baseline))
    return found


# ---- deepeval: a test case a row, or one metric of the whole set --------------------------------------------------------

DEEPEVAL = """class Accuracy(BaseMetric):
    def __init__(self, threshold):
        self.threshold = threshold
    def measure(self, test_case, *args, **kwargs):
        truth, answers = test_case.expected_output.split("\\n"), test_case.actual_output.split("\\n")
        self.score = sum(map(str.__eq__, truth, answers)) / len(truth)
        self.success = self.score >= self.threshold
        return self.score
    async def a_measure(self, test_case, *args, **kwargs):
        return self.measure(test_case)
    def is_successful(self):
        return self.success
    @property
    def __name__(self):
        return "Accuracy"
"""
DEEPEVAL_SET = """def test_set():
    case = LLMTestCase(input="test set", actual_output="\\n".join(answers), expected_output="\\n".join(truth))
    assert_test(case, [Accuracy(threshold=0.80)])
"""
DEEPEVAL_ROWS = """@pytest.mark.parametrize("row", rows)
def test_row(row):
    case = LLMTestCase(input=row.text, actual_output=row.answer, expected_output=row.truth)
    assert_test(case, [ExactMatchMetric()])
"""


def by_deepeval(builds: list[Build], folder: Path) -> dict[str, list[Judged]]:
    """`deepeval.assert_test`, which is what `deepeval test run` runs."""
    os.environ.update(QUIET)
    with contextlib.chdir(folder):
        from deepeval import assert_test
        from deepeval.metrics import BaseMetric, ExactMatchMetric
        from deepeval.test_case import LLMTestCase
        names: dict = {"BaseMetric": BaseMetric}
        exec(DEEPEVAL, names)  # noqa: S102  (the text whose lines are counted is the text that runs)

        def verdict(cases: list, metric) -> Judged:
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                failed = []
                for case in cases:
                    try:
                        assert_test(case, [metric], run_async=False)
                    except AssertionError as error:
                        failed.append(f"{case.name} {error}")
            return Judged(bool(failed), said.getvalue() + "\n".join(failed))

        def case(name: str, truth: str, answer: str):
            return LLMTestCase(name=name, input=name, actual_output=answer, expected_output=truth)
        found: dict[str, list[Judged]] = {"a test case a row": [], "own metric >= 0.80": [], "own metric >= last": [],
                                          "own metric >= last - 0.01": []}
        for at, build in enumerate(builds):
            if at < 4:  # red as soon as one row is wrong
                rows = [case(*row) for row in zip(IDS.tolist(), build.truth.tolist(), build.new.tolist(), strict=True)]
                found["a test case a row"].append(verdict(rows, ExactMatchMetric()))
            whole = [case("test set", "\n".join(build.truth), "\n".join(build.new))]
            found["own metric >= 0.80"].append(verdict(whole, names["Accuracy"](FLOOR)))
            found["own metric >= last"].append(verdict(whole, names["Accuracy"](build.before)))
            found["own metric >= last - 0.01"].append(verdict(whole, names["Accuracy"](build.before - 0.010001)))
    return found


# ---- DVC: the difference of two commits, and the script that people write around it -------------------------------------

DVC = {"jq: fell": "[.diff[]? | .accuracy.diff // 0] | all(. >= 0)",
       "jq: fell by over 0.01": "[.diff[]? | .accuracy.diff // 0] | all(. >= -0.010001)"}


def by_dvc(builds: list[Build], folder: Path) -> dict[str, list[Judged]]:
    """`dvc metrics diff --json | jq -e RULE`: 1 is the exit code of jq for false."""
    if not shutil.which("jq"):
        raise FileNotFoundError("jq")
    (folder / "dvc.yaml").write_text("metrics: [metrics.json]\n")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        judged(run(command, folder), 0)
    commit = ["git", "-c", "user.name=you", "-c", "user.email=you@example.org", "commit", "-q", "--allow-empty", "-m", "last"]
    found: dict[str, list[Judged]] = {rule: [] for rule in DVC}
    for build in builds:
        (folder / "metrics.json").write_text(json.dumps({"accuracy": build.before}))
        judged(run(["git", "add", "-A"], folder), 0)
        judged(run(commit, folder), 0)
        (folder / "metrics.json").write_text(json.dumps({"accuracy": build.after}))
        done = run([sys.executable, "-m", "dvc", "metrics", "diff", "--json"], folder)
        (folder / "diff.json").write_text(judged(done, 0).said)
        for rule, text in DVC.items():
            red = judged(run(["jq", "-e", f"{{diff: .}} | {text}", "diff.json"], folder), 1)
            found[rule].append(Judged(red.blocked, done.stdout + red.said))
    return found


# ---- notebooks: nbval compares the stored output, nbmake runs what the cells assert, and ours -----------------------------

LOAD = """import json
truth, last, new, ids = (json.load(open("rows.json"))[name] for name in ("truth", "last", "new", "ids"))
accuracy = sum(map(str.__eq__, truth, new)) / len(truth)
"""
BEFORE = 'before = sum(map(str.__eq__, truth, last)) / len(truth)\n'  # in the limits: 0.01, and what floats are off
NBMAKE = {"assert >= 0.80": "assert accuracy >= 0.80",
          "assert >= last - 0.01": BEFORE + "assert accuracy >= before - 0.010001"}
SANITIZE = "[digits]\nregex: (0\\.\\d\\d)\\d+\nreplace: \\1\n"
OURS = """from mlbot.gates import accuracy, gate
gate("accuracy", accuracy(truth, new), floor=0.80, against="last green", ids=ids)
"""


def write_notebook(path: Path, cells: list[tuple[str, str]]) -> None:
    """A notebook of code cells, each with the text that it is stored to have printed."""
    from nbformat import write
    from nbformat.v4 import new_code_cell, new_notebook, new_output
    kernel = {"name": "python3", "display_name": "python3", "language": "python"}
    write(new_notebook(metadata={"kernelspec": kernel, "language_info": {"name": "python"}}, cells=[
        new_code_cell(source, execution_count=at, outputs=[new_output("stream", name="stdout", text=text)] if text else [])
        for at, (source, text) in enumerate(cells, 1)]), path)


def pytest_cases(folder: Path, *options: str) -> list[tuple[str, str, bool]]:
    """Class, name and failure of each test that pytest has run."""
    done = run([sys.executable, "-m", "pytest", *options, "-q", "-p", "no:cacheprovider", "--junitxml=junit.xml"], folder)
    judged(done, 1)
    return [(case.get("classname", ""), case.get("name", ""), "".join(case.itertext()) if len(case) else "")
            for case in ElementTree.parse(folder / "junit.xml").iter("testcase")]


def by_nbval(builds: list[Build], folder: Path) -> dict[str, list[Judged]]:
    """A cell a build, which prints its accuracy; stored is what the last good build has printed. nbval judges each cell."""
    cells = [(f"rows = {[int(hit) for hit in build.new == build.truth]}\nprint('accuracy', sum(rows) / len(rows))",
              f"accuracy {build.before}\n") for build in builds]
    write_notebook(folder / "gates.ipynb", cells)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "sanitize.cfg").write_text(SANITIZE)
    found = {}
    for rule, options in (("stored output, to the digit", []), ("stored output, two digits", ["--nbval-sanitize-with",
                                                                                             "sanitize.cfg"])):
        found[rule] = [Judged(bool(said), said) for _, _, said in pytest_cases(folder, "--nbval", "gates.ipynb", *options)]
        if len(found[rule]) != len(builds):
            raise RuntimeError(f"nbval has judged {len(found[rule])} of {len(builds)} cells")
    return found


def by_notebook(builds: list[Build], folder: Path, gates: dict[str, str]) -> dict[str, list[Judged]]:
    """A notebook a build and gate, run by nbmake."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    for at, build in enumerate(builds):
        for number, source in enumerate(gates.values()):
            place = folder / f"gate{number}" / f"b{at:04}"
            place.mkdir(parents=True)
            columns = {"truth": build.truth, "last": build.last, "new": build.new, "ids": IDS}
            (place / "rows.json").write_text(json.dumps({name: column.tolist() for name, column in columns.items()}))
            write_notebook(place / "gate.ipynb", [(LOAD, ""), (source, "")])
            if source == OURS:
                keep_last(build, place / ".gates")
    found = {rule: [Judged(bool(said), said) for _, _, said in sorted(pytest_cases(folder, "--nbmake", f"gate{number}"))]
             for number, rule in enumerate(gates)}
    if {len(each) for each in found.values()} != {len(builds)}:
        raise RuntimeError(f"nbmake has judged {[len(each) for each in found.values()]} of {len(builds)} notebooks")
    return found


def by_nbmake(builds: list[Build], folder: Path) -> dict[str, list[Judged]]:
    """Notebooks with a bare assert."""
    return by_notebook(builds, folder, NBMAKE)


def ours_by_nbmake(builds: list[Build], folder: Path) -> dict[str, list[Judged]]:
    """Notebooks with our gate, run by nbmake like those with an assert."""
    return by_notebook(builds, folder, {"the same, in notebooks": OURS})


def keep_last(build: Build, place: Path) -> None:
    """Let the gate accept the last good model, as the run before has done."""
    with contextlib.redirect_stdout(io.StringIO()):
        gate("accuracy", accuracy(build.truth, build.last), floor=0.0, against="last green", ids=IDS, kept=place)


def by_mlbot(builds: list[Build], folder: Path) -> dict[str, list[Judged]]:
    """`gate`, called as in a notebook."""
    def verdict(build: Build, **more) -> Judged:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            try:
                gate("accuracy", accuracy(build.truth, build.new), floor=FLOOR, **more)
            except GateFailed as error:
                return Judged(True, said.getvalue() + str(error))
        return Judged(False, said.getvalue())
    found: dict[str, list[Judged]] = {"floor 0.80, against last green": [], "floor 0.80 alone": []}
    for at, build in enumerate(builds):
        keep_last(build, folder / str(at))
        found["floor 0.80, against last green"].append(
            verdict(build, against="last green", ids=IDS, kept=folder / str(at), keep=False))
        found["floor 0.80 alone"].append(verdict(build))
    return found


# ---- the table ----------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Tool:
    """A tool: how it is installed and run, the lines that you write for each rule, and whether a build needs a process."""
    name: str
    package: str
    judge: Callable[[list[Build], Path], dict[str, list[Judged]]]
    lines: dict[str, str]
    slow: bool = False


LAST = "the number of the last good run, fetched\n"  # a line at least
PROMPTFOO_RUN, DEEPEVAL_RUN = "PROMPTFOO_PASS_RATE_THRESHOLD=80 promptfoo eval\n", "deepeval test run test_bot.py\n"
DVC_RUN = "metrics: [metrics.json]\ndvc metrics diff --json | jq -e RULE\n"
NBVAL_RUN, NBMAKE_RUN = "print('accuracy', accuracy)\npytest --nbval gates.ipynb\n", "pytest --nbmake gates.ipynb\n"
DEEPEVAL_OWN = DEEPEVAL + DEEPEVAL_SET + DEEPEVAL_RUN
TOOLS = [
    Tool("promptfoo", "npm", by_promptfoo, {
        "pass rate >= 0.80": PROMPTFOO + PROMPTFOO_RUN, "pass rate >= last": PROMPTFOO + LAST + PROMPTFOO_RUN}, True),
    Tool("deepeval", "deepeval", by_deepeval, {
        "a test case a row": DEEPEVAL_ROWS + DEEPEVAL_RUN, "own metric >= 0.80": DEEPEVAL_OWN,
        "own metric >= last": DEEPEVAL_OWN + LAST, "own metric >= last - 0.01": DEEPEVAL_OWN + LAST}),
    Tool("MLflow", "mlflow", by_mlflow, {
        "threshold 0.80": MLFLOW.split("\n", 1)[1], "smallest gain over the baseline": MLFLOW,
        "threshold last - 0.01, by hand": MLFLOW}),
    Tool("DVC", "dvc", by_dvc, dict.fromkeys(DVC, DVC_RUN), True),
    Tool("nbval", "nbval", by_nbval, {
        "stored output, to the digit": NBVAL_RUN, "stored output, two digits": NBVAL_RUN + SANITIZE}),
    Tool("nbmake", "nbmake", by_nbmake, {rule: f"{source}\n{NBMAKE_RUN}" for rule, source in NBMAKE.items()}, True),
    Tool("mlbot", "mlbot-ci", by_mlbot, {
        "floor 0.80, against last green": OURS + NBMAKE_RUN, "floor 0.80 alone": OURS + NBMAKE_RUN}),
    Tool("mlbot by nbmake", "nbmake", ours_by_nbmake, {"the same, in notebooks": OURS + NBMAKE_RUN}, True),
]


@dataclass(frozen=True)
class Line:
    """A line of the table: shares with their intervals, rows named about a regression, lines to write, seconds a build."""
    tool: str
    version: str
    rule: str
    n: int
    blocked: tuple[float, float, float]
    caught: tuple[float, float, float]
    named: int
    broken: int
    lines: int
    seconds: float


def version_of(tool: Tool) -> str | None:
    """The version of a tool; None where it is not installed."""
    if tool.package == "npm":
        said = run([promptfoo(), "--version"], Path()).stdout if promptfoo() else ""
        return next(iter(re.findall(r"\d+\.\d+\.\d+\S*", said)), None)  # a first call says more than its version
    try:
        return version(tool.package)
    except PackageNotFoundError:
        return None


def part(hits: Sequence[bool]) -> tuple[float, float, float]:
    """A share with its interval."""
    score = share("share", list(hits))
    return float(score.value), float(score.low), float(score.high)


def rows_named(builds: list[Build], verdicts: list[Judged]) -> tuple[int, int]:
    """The most rows that a tool names as bad about a regression it has caught, and how many of them broke."""
    named = [set(re.findall(r"row-\d{4}", re.sub("(?m)^better.*", "", found.said))) for found in verdicts]
    pairs = [(len(ids), len(ids & build.broken)) for ids, build, found in zip(named, builds, verdicts, strict=True)
             if build.worse and found.blocked]
    return max(pairs, default=(0, 0))


def lines_of(tool: Tool, of_version: str, builds: list[Build]) -> list[Line]:
    """The lines of a tool."""
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        found = tool.judge(builds, Path(place))
        seconds = (time.perf_counter() - start) / len(builds) / len(found)
    lines = []
    for rule, verdicts in found.items():
        mine = builds[:len(verdicts)]
        blocked, caught = ([each.blocked for each, build in zip(verdicts, mine, strict=True) if build.worse == worse]
                           for worse in (False, True))
        lines.append(Line(tool.name, of_version, rule, len(blocked), part(blocked), part(caught), *rows_named(mine, verdicts),
                          len(tool.lines[rule].strip().splitlines()), seconds))
    return lines


def percents(found: tuple[float, float, float]) -> str:
    """A share with its interval, in percent."""
    return f"{found[0]:>4.0%} ({found[1]:.0%} to {found[2]:.0%})"


def shown(line: Line) -> str:
    """A line of the table, as text."""
    names = f"{line.named}, {line.broken} broke" if line.named else "no"
    return (f"{line.tool:<16}{line.version:<10}{line.rule:<32}{line.n:>4}  {percents(line.blocked):<19}"
            f"{percents(line.caught):<20}{names:<14}{line.lines:>5}{line.seconds:>9.2f}")


# ---- the same rules, many more builds -----------------------------------------------------------------------------------

@cache
def surely_worse(broke: int, healed: int, n: int) -> bool:
    """What our gate decides against the last green run, of `n` rows."""
    return compare(Score("accuracy", (healed - broke) / n, n, *difference_bounds(broke, healed, n)), 0.0) == FAIL


def gains(n: int, loss: float, flipped: float, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """How many rows broke and how many healed, a number a drawn build: what `flips` does, counted."""
    healed = flipped / 2 * (1 - loss / ACCURACY)
    broke = flipped / 2 + (ACCURACY - flipped / 2) * loss / ACCURACY
    random = np.random.default_rng([n, int(1000 * flipped), int(1000 * loss)])
    return tuple(random.multinomial(n, [broke, healed, 1 - broke - healed], draws).T[:2])


def rates(n: int, flipped: float, draws: int, margin: float) -> dict[str, tuple[float, float]]:
    """Blocked without a change, and caught, by rule; `margin`: the one that was tuned."""
    found = {}
    for loss in (0.0, LOSS):
        broke, healed = gains(n, loss, flipped, draws)
        gain = (healed - broke) / n
        red = {"fell": gain < 0, "fell by over 0.01": gain < -0.01 - 1e-9, "tuned": gain < -margin - 1e-9,
               "mlbot": np.array([surely_worse(*map(int, pair), n) for pair in zip(broke, healed, strict=True)])}
        for name, hits in red.items():
            found[name] = (*found.get(name, ()), float(hits.mean()))
    return found


def tuned_margin(draws: int) -> float:
    """The smallest margin with which a point rule blocks as few no-change builds as ours, on these rows and flips."""
    broke, healed = gains(ROWS, 0.0, FLIPPED, draws)
    ours = np.mean([surely_worse(*map(int, pair), ROWS) for pair in zip(broke, healed, strict=True)])
    return next(rows / ROWS for rows in range(ROWS) if np.mean(broke - healed > rows) <= ours)


def print_rates(draws: int) -> dict[str, dict[str, tuple[float, float]]]:
    """What each rule costs when it is to have the rate of the other, and whether the margin suits another test."""
    margin = tuned_margin(draws)
    print(f"\nThe rules alone, {draws:,} drawn builds: no-change builds blocked / losses of 3 points caught.\n"
          f"A point rule blocks as seldom as mlbot with a margin of {100 * margin:.2f} points, "
          f"tuned on {ROWS} rows and {FLIPPED:.1%} flips:\n")
    print(f"{'rows, flipped answers':<24}{'fell':>16}{'fell by over 0.01':>20}{'tuned margin':>16}{'mlbot':>16}")
    found = {}
    for n, flipped in ((200, FLIPPED), (400, 0.02), (400, FLIPPED), (400, 0.12), (1000, FLIPPED), (2500, FLIPPED)):
        found[f"{n}, {flipped}"] = each = rates(n, flipped, draws, margin)
        cells = [f"{blocked:.1%} / {caught:.0%}" for blocked, caught in each.values()]
        print(f"{f'{n:,} rows, {flipped:.1%}':<24}{cells[0]:>16}{cells[1]:>20}{cells[2]:>16}{cells[3]:>16}")
    caught = found[f"{ROWS}, {FLIPPED}"]["fell"][1]
    rows = [rows_to_see(LOSS, FLIPPED + LOSS * (1 - FLIPPED / ACCURACY), power, LOSS_RISK)
            for power in (0.8, caught)]
    print(f"\nmlbot catches 80% of the losses of 3 points from about {rows[0]:,} rows, and {caught:.0%}, as `fell` does "
          f"on {ROWS}, from about {rows[1]:,}")
    return found


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=60, help="builds without a change, and as many that are worse")
    parser.add_argument("--slow", type=int, default=20, help="the same for a tool that starts a process or a kernel a build")
    parser.add_argument("--promptfoo", type=int, default=6, help="the same for promptfoo, which takes seconds for each")
    parser.add_argument("--quick", action="store_true", help="few builds: to see that everything runs")
    parser.add_argument("--only", nargs="+", default=[], metavar="TOOL", choices=[tool.name for tool in TOOLS])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the tables to a file")
    options = parser.parse_args()
    most, slow, few = (8, 1, 1) if options.quick else (options.builds, options.slow, options.promptfoo)
    print(f"{ROWS} rows, true accuracy {ACCURACY}, {FLIPPED:.1%} of the answers flip; worse builds lose "
          f"{100 * LOSS:.0f} points\n")
    print(f"{'tool':<16}{'version':<10}{'rule':<32}{'n':>4}  {'no-change blocked':<19}{'regressions caught':<20}"
          f"{'rows named':<14}{'lines':>5}{'s/build':>9}")
    lines = []
    for tool in TOOLS:
        if options.only and tool.name not in options.only:
            continue
        of_version = version_of(tool)
        if of_version is None:
            print(f"{tool.name:<16}is not installed: see the first lines of this file", flush=True)
            continue
        count = few if tool.name == "promptfoo" else slow if tool.slow else most
        try:
            found = lines_of(tool, of_version, builds_of(count))
        except FileNotFoundError as error:
            print(f"{tool.name:<16}needs {error}, which is not installed", flush=True)
            continue
        print(*map(shown, found), sep="\n", flush=True)
        lines += found
    rules = print_rates(400 if options.quick else 20_000)
    if options.json:
        options.json.write_text(json.dumps({"tools": [asdict(line) for line in lines], "rules": rules}, indent=1) + "\n")


if __name__ == "__main__":
    main()
