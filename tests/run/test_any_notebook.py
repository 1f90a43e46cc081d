"""`pytest --gates` judges any notebook that calls `gate`, without a project; papermill and `jupyter execute` say the same."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest

import mlbot.run.kernel  # noqa: F401  before pytester remembers which modules there were: numpy cannot be imported twice
import mlbot.run.publish  # noqa: F401
from mlbot.errors import InputError
from mlbot.files import uninstalled
from mlbot.gates.verdict import FAIL, PASS, TOO_CLOSE
from mlbot.run.any_notebook import execute_gated, open_gated, run_gated, verdicts_in

NOTEBOOKS = Path(__file__).resolve().parents[1] / "gates" / "notebooks"
IMPORTS = "from mlbot.gates import gate, share\n"
FIVE = {  # its parameter, and values of it that make the notebook green, red, and too close to call
    "breast_cancer": ("floor", 0.9, 0.995, 0.95), "diabetes": ("ceiling", 55, 30, 44), "digits": ("floor", 0.9, 0.99, 0.96),
    "multilabel": ("floor", 0.6, 0.8, 0.68), "ranking": ("floor", 0.8, 0.95, 0.865)}


def call(name, right, floor=0.8, n=100):
    return f'gate("{name}", share("{name}", [True] * {right} + [False] * {n - right}), floor={floor})'


def write(file, *cells, tags=None):
    """Write a notebook of code cells; `tags` are those of a cell, by its number from 1 on."""
    nodes = [nbformat.v4.new_code_cell(text, metadata={"tags": [(tags or {})[at]]} if at in (tags or {}) else {})
             for at, text in enumerate(cells, 1)]
    file.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"name": "python3", "display_name": "python3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=nodes, metadata={"kernelspec": kernel}), file)


NOTE = "with open('ran.txt', 'a') as file:\n    file.write('once\\n')"
CASES = {
    "green": [NOTE, "import os, beside\nassert os.environ['MLBOT_NOTEBOOK'] == os.path.join(os.getcwd(), 'green.ipynb')",
              IMPORTS + call("auc", 90), call("recall", 95)],
    "red": [IMPORTS + call("first", 50), call("second", 90)],
    "close": [IMPORTS + call("auc", 81)],
    "swallowed": [IMPORTS + f"try:\n    {call('auc', 50)}\nexcept Exception:\n    pass"],
    "silent": [IMPORTS + f"if False: {call('auc', 90)}"],
    "tagged": [IMPORTS + call("auc", 50)],
    "tutorial": ["1 / 0", IMPORTS + call("auc", 90)],
    "skipped": [IMPORTS + call("auc", 50), "pass"],
    "loop": [IMPORTS + "for name, right in (('a', 90), ('b', 50)):\n    gate(name, share(name, [True] * right + [False] * "
             "(100 - right)), floor=0.8)"],
    "helper": ["import mlbot.gates as judging\n\ndef check(name, right):\n    score = judging.share(name, [True] * right + "
               "[False] * (100 - right))\n    judging.gate(name, score, floor=0.8)", "check('a', 50)"],
    "renamed": ["from mlbot.gates import gate as check, share\n" + call("auc", 50).replace("gate(", "check(")],
    "typo": [IMPORTS + call("auc", 90)[:-1]],
    "leaves": ["import sys\nsys.exit(0)", IMPORTS + call("auc", 90)],
    "dies": ["import os\nos._exit(3)", IMPORTS + call("auc", 90)],
    "twice": [IMPORTS + call("auc", 90), call("auc", 50)],
    "no_gate": ["print('mlbot has a gate')"],
    "own_gate": ["import mlbot\n\ndef gate(name):\n    return name\n\ngate('of an electronic circuit')"],
}
TAGS = {"tagged": {1: "raises-exception"}, "tutorial": {1: "raises-exception"}, "skipped": {2: "skip-execution"}}


def pytest_there(folder, *options, **variables):
    """Run pytest in a folder, in a process of its own. Returns it and its JUnit cases, by notebook and name."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "PYTEST_XDIST"))}
    done = subprocess.run([sys.executable, "-m", "pytest", "--junitxml=junit.xml", "-p", "no:cacheprovider", *options],
                          cwd=folder, env=clean | variables, capture_output=True, text=True)
    tree = ElementTree.parse(folder / "junit.xml")
    return done, {(case.get("classname").split(".")[-2], case.get("name")): case for case in tree.iter("testcase")}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """All cases, judged in one session of two workers, as a job of GitHub."""
    folder = tmp_path_factory.mktemp("cases")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "nbs").mkdir()
    (folder / "nbs" / "beside.py").write_text("")
    for name, cells in CASES.items():
        write(folder / "nbs" / f"{name}.ipynb", *cells, tags=TAGS.get(name))
    write(folder / "nbs" / ".ipynb_checkpoints" / "red-checkpoint.ipynb", *CASES["red"])
    (folder / "nbs" / "no_json.ipynb").write_text("<<<<<<< HEAD\n{}")
    before = {file: file.read_bytes() for file in folder.rglob("*.ipynb")}
    done, cases = pytest_there(folder, "--gates", "nbs", "-n", "2", "--gates-save", "kept", GITHUB_ACTIONS="true",
                               GITHUB_STEP_SUMMARY=str(folder / "summary.md"), GITHUB_WORKSPACE=str(folder))
    assert all(file.read_bytes() == data for file, data in before.items())
    return folder, done, cases


def message(case):
    return next((case.find(kind).text for kind in ("failure", "error") if case.find(kind) is not None), "")


def test_each_gate_is_an_item_and_notebooks_without_one_are_left_alone(judged):
    _, done, cases = judged
    assert {name for name, _ in cases} == {*CASES, "no_json"} - {"no_gate", "own_gate"}, done.stdout
    assert [gate for name, gate in cases if name == "green"] == ["runs", "auc", "recall"]
    numbers = {item.get("name"): item.get("value") for item in cases["green", "auc"].iter("property")}
    assert (numbers["mlbot.auc.value"], numbers["mlbot.auc.floor"], numbers["mlbot.auc.outcome"]) == ("0.9", "0.8", "pass")


@pytest.mark.parametrize("name, item, says", [
    ("red", "first", "red.ipynb, cell 1, line 2: gate: first 0.500 (n=100, 95 % 0.399 to 0.601) is below its floor 0.800"),
    ("swallowed", "auc", "auc 0.500"), ("silent", "auc", "gate auc recorded nothing"), ("tagged", "auc", "auc 0.500"),
    ("skipped", "runs", "the cell is tagged 'skip-execution'"), ("loop", "cell 1", "gate: b 0.500"),
    ("helper", "cell 1", "gate: a 0.500"), ("renamed", "auc", "auc 0.500"), ("typo", "runs", "SyntaxError"),
    ("leaves", "runs", "SystemExit"), ("leaves", "auc", "was not reached"),
    ("dies", "runs", "the kernel ended (exit status 3)"), ("dies", "auc", "was not reached"),
    ("twice", "runs", "two gates are named 'auc'"), ("no_json", "runs", "not a notebook")])
def test_what_is_not_green_fails_in_six_lines(judged, name, item, says):
    _, done, cases = judged
    said = message(cases[name, item])
    assert says in said and len(said.strip().splitlines()) <= 6, said or done.stdout
    assert "settings.ini" not in said


def test_only_the_items_concerned_fail(judged):
    _, done, cases = judged
    failed = {key for key, case in cases.items() if message(case)}
    expected = {("red", "first"), ("swallowed", "auc"), ("silent", "auc"), ("tagged", "auc"), ("skipped", "runs"),
                ("loop", "cell 1"), ("helper", "cell 1"), ("renamed", "auc"), ("typo", "runs"), ("leaves", "runs"),
                ("leaves", "auc"), ("dies", "runs"), ("dies", "auc"), ("twice", "runs"), ("no_json", "runs")}
    assert failed - {("helper", "runs")} == expected and done.returncode == 1


def test_a_notebook_runs_once_in_its_own_folder_whatever_the_workers(judged):
    assert (judged[0] / "nbs" / "ran.txt").read_text() == "once\n"


def test_the_session_ends_with_the_table_of_all_notebooks(judged):
    _, done, _ = judged
    table = done.stdout.partition(" gates ===")[2]
    assert "No verdict: not everything was measured" in table
    assert "green/auc" in table and "close/auc" in table and "too close to call" in table
    assert "GateWarning: gate: auc 0.810" in done.stdout


def test_a_job_of_github_gets_annotations_a_summary_and_a_comment(judged):
    folder, done, _ = judged
    assert "::error file=nbs/red.ipynb,line=" in done.stdout and "title=first%3A fail::gate: first 0.500" in done.stdout
    assert "::warning file=nbs/close.ipynb" in done.stdout
    comment = (folder / "kept" / "comment.md").read_text()
    assert (folder / "summary.md").read_text() == comment and "| red/first | 0.500 | 100 |" in comment
    assert '"green/auc_floor": 0.8' in (folder / "kept" / "metrics.json").read_text()


def test_kept_notebooks_hold_their_verdicts(judged):
    kept = judged[0] / "kept" / "nbs"
    red = verdicts_in(kept / "red.ipynb")
    assert [(verdict.gate, verdict.outcome) for verdict in red] == [("first", FAIL), ("second", PASS)]
    assert verdicts_in(kept / "silent.ipynb") == []
    text = (kept / "red.ipynb").read_text()
    (kept / "forged.ipynb").write_text(text.replace('"outcome": "fail"', '"outcome": "pass"'))
    with pytest.raises(Exception, match="does not fit its own numbers"):
        verdicts_in(kept / "forged.ipynb")


@pytest.fixture
def here(pytester, monkeypatch):
    """Runs pytest in this process, with our plugin alone: others cost seconds."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\n")
    return lambda *options: pytester.runpytest_inprocess("-v", "-p", "mlbot.run.pytest_plugin", *options)


@pytest.fixture
def gated(pytester, here):
    """Runs pytest in a folder with one notebook a list of cells. The first cell of each is `floor = 0.8`, its parameters."""
    def run(*options, ini="", **notebooks):
        pytester.makeini(f"[pytest]\n{ini}")
        for name, cells in notebooks.items():
            write(pytester.path / "nbs" / f"{name}.ipynb", "floor = 0.8", *cells, tags={1: "parameters"})
        return here(*options)
    return run


def test_nothing_is_collected_unless_asked(gated):
    assert gated(quality=[IMPORTS + call("auc", 50)]).ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("ini, collected", [("mlbot_gates = true", True), ("mlbot_gates = nbs docs", True),
                                            ("mlbot_gates = docs", False), ("mlbot_gates = false", False)])
def test_settings_of_pytest_switch_it_on_everywhere_or_in_folders(gated, ini, collected):
    result = gated("--collect-only", ini=ini, quality=[IMPORTS + call("auc", 50)])
    assert ("<GatedItem auc>" in result.stdout.str()) is collected


def test_a_parameter_arrives_and_the_parameters_cell_is_optional(gated, pytester):
    write(pytester.path / "nbs" / "fixed.ipynb", IMPORTS + call("auc", 90))
    result = gated("--gates", "-P", "floor=0.97", quality=[IMPORTS + call("auc", 90, "floor")])
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*quality.ipynb::auc FAILED*", "*is below its floor 0.970*"])


def test_a_parameter_that_no_notebook_has_is_refused(gated):
    result = gated("--gates", "--gates-parameter", "flor=0.97", quality=[IMPORTS + call("auc", 90, "floor")])
    result.stdout.fnmatch_lines(["*unknown parameter 'flor'*", "*did you mean floor?*"])
    assert result.ret == 1


def test_too_close_fails_if_asked(gated):
    result = gated("--gates", "--gates-too-close", "fail", quality=[IMPORTS + call("auc", 81)])
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*gate: auc 0.810*too close to its floor*", "*counts as fail*"])


def test_the_pipeline_is_not_collected_twice(pytester, here):
    write(pytester.path / "nbs" / "pipeline" / "1_gate.ipynb", "floor = 0.8", "#| gate\n" + IMPORTS + call("auc", 90),
          tags={1: "parameters"})
    found = here("--gates", "--collect-only", "nbs").stdout.str()
    assert found.count(" auc>") == 1 and "<GateCell auc>" in found


def test_a_missing_package_names_the_extra_that_brings_it(tmp_path, monkeypatch):
    write(tmp_path / "quality.ipynb", IMPORTS + call("auc", 90))
    monkeypatch.delitem(sys.modules, "mlbot.run.kernel")
    monkeypatch.delitem(sys.modules, "papermill")
    with uninstalled("papermill"), pytest.raises(InputError, match="papermill is not installed") as problem:
        execute_gated(open_gated(tmp_path / "quality.ipynb"), tmp_path, {}, 1)
    assert "extra 'gates'" in problem.value.expected


def test_a_pytest_without_gates_loads_nothing_heavy():
    heavy = "numpy pandas papermill nbformat nbclient IPython psutil mlbot.gates.verdict mlbot.run.any_notebook".split()
    program = f"import sys, mlbot.run.pytest_plugin, mlbot.run.gates_plugin\nprint([x for x in {heavy} if x in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


def outcomes(file):
    return {verdict.outcome for verdict in verdicts_in(file)}


def by_papermill(source, out, name, value):
    import papermill
    from kernels import by_files
    try:
        with by_files() as config:
            papermill.execute_notebook(source, out, {name: value}, progress_bar=False, config=config)
    except papermill.PapermillExecutionError as problem:
        assert problem.ename == "GateFailed"
        return 1
    return 0


def by_nbclient(source, out, name, value):
    """Jupyter's own runner knows no parameters: the notebook is run with another cell in their place."""
    from kernels import by_files
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    notebook = nbformat.read(source, as_version=4)
    next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])).source = f"{name} = {value}"
    try:
        with by_files() as config:
            NotebookClient(notebook, kernel_name="python3", config=config).execute()
    except CellExecutionError as problem:
        assert problem.ename == "GateFailed"
        return 1
    finally:
        nbformat.write(notebook, out)
    return 0


def by_mlbot(source, out, name, value):
    results, _ = run_gated(open_gated(source), out.parent, {name: value})
    (out.parent / source.name).rename(out)
    return int(any(result.problems for result in results))


def check(run, name, folder):
    """A notebook is green, red and too close as its parameter asks: its runner says red, and the record says which."""
    parameter, *values = FIVE[name]
    for value, outcome in zip(values, (PASS, FAIL, TOO_CLOSE), strict=True):
        out = folder / f"{name}-{value}.ipynb"
        code = run(NOTEBOOKS / f"{name}.ipynb", out, parameter, value)
        assert (code != 0) is (outcome == FAIL), (name, value, code)
        assert outcome in outcomes(out) and (outcome != PASS or outcomes(out) == {PASS}), (name, value, outcomes(out))


@pytest.mark.parametrize("command", [["papermill", "quality.ipynb", "ran.ipynb", "-p", "floor"], ["jupyter", "execute"]])
@pytest.mark.parametrize("floor, code", [(0.97, 1), pytest.param(0.8, 0, marks=pytest.mark.long)])
def test_papermill_and_jupyter_execute_end_with_the_exit_code_of_the_gate(command, floor, code, tmp_path):
    write(tmp_path / "quality.ipynb", f"floor = {floor}", IMPORTS + call("auc", 90, "floor"), tags={1: "parameters"})
    more = [str(floor)] if command[0] == "papermill" else ["quality.ipynb"]
    done = subprocess.run([sys.executable, "-m", *command, *more], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code and ("GateFailed: gate: auc 0.900" in done.stderr) is bool(code), done.stderr
    assert command[0] != "papermill" or outcomes(tmp_path / "ran.ipynb") == {FAIL if code else PASS}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if name != "ranking" else ()) for name in FIVE])
def test_notebooks_of_other_domains_are_green_red_and_too_close(name, tmp_path):
    check(by_mlbot, name, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("run", [by_papermill, by_nbclient])
@pytest.mark.parametrize("name", FIVE)
def test_each_runner_says_the_same_of_notebooks_of_other_domains(run, name, tmp_path):
    check(run, name, tmp_path)


@pytest.mark.long
def test_one_session_judges_the_folder_of_other_domains(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done, cases = pytest_there(tmp_path, "--gates", str(NOTEBOOKS), "--rootdir", str(NOTEBOOKS))
    assert done.returncode == 0 and len(cases) == 12, done.stdout
    assert not any(message(case) for case in cases.values())
