"""`pytest nbs/pipeline` is the gate: its items are the gates, and the JUnit file holds their numbers."""

import os
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest

import mlbot.run.kernel
import mlbot.run.pipeline  # noqa: F401  before pytester remembers which modules there were: numpy cannot be imported twice
from mlbot.data.carried import push_sides
from mlbot.data.ledger import recall_of, remember
from mlbot.settings import parse, shipped_settings
from mlbot.storage import open_objects

USUAL = os.environ["PYTEST_ADDOPTS"].split()  # pytester takes it away, and plugins of others cost each start three seconds
NO_TARGETS = "[targets]\n" + "".join(f"{name} =\n" for name in parse(shipped_settings())["targets"])
IMPORTS = "from mlbot.stats.scores import share\nfrom mlbot.gates.gating import gate\n"


def cell(name, right, floor, n=100):
    return f'#| gate\n{IMPORTS}gate("{name}", share("{name}", [True] * {right} + [False] * {n - right}), floor={floor})'


@pytest.fixture
def pipeline(pytester):
    """A project with one pipeline notebook a list of cells; runs pytest there and returns result and JUnit cases.

    `alone`: in a process of its own, which takes seconds to start.
    """
    def run(*notebooks, options=(), tags=("parameters",), settings=NO_TARGETS, alone=False):
        pytester.makeini("[pytest]\n")
        (pytester.path / "settings.ini").write_text(settings)
        folder = pytester.path / "nbs" / "pipeline"
        folder.mkdir(parents=True)
        for number, cells in enumerate(notebooks, 1):
            nodes = [nbformat.v4.new_code_cell("floor = 0.5", metadata={"tags": list(tags)}),
                     *map(nbformat.v4.new_code_cell, cells)]
            nbformat.write(nbformat.v4.new_notebook(cells=nodes), folder / f"{number}_step.ipynb")
        pytest_there = pytester.runpytest_subprocess if alone else pytester.runpytest_inprocess
        result = pytest_there(*USUAL, "nbs/pipeline", "-v", "--junitxml=junit.xml", *options)
        tree = ElementTree.parse(pytester.path / "junit.xml")
        cases = {(case.get("classname").split(".")[-2], case.get("name")): case for case in tree.iter("testcase")}
        return result, cases
    return run


def properties(case):
    return {item.get("name"): item.get("value") for item in case.iter("property")}


def failed(cases):
    return sorted(key for key, case in cases.items() if case.find("failure") is not None)


def test_one_item_a_gate_and_one_for_the_notebook(pipeline):
    result, cases = pipeline([cell("accuracy", 90, 0.8), cell("recall", 80, 0.5)], alone=True)
    assert result.ret == 0
    result.assert_outcomes(passed=3)
    assert sorted(cases) == [("1_step", "accuracy"), ("1_step", "recall"), ("1_step", "runs")]
    numbers = properties(cases["1_step", "accuracy"])
    assert (numbers["mlbot.accuracy.value"], numbers["mlbot.accuracy.n"]) == ("0.9", "100")
    assert numbers["mlbot.accuracy.floor"] == "0.8" and numbers["mlbot.accuracy.outcome"] == "pass"


def test_a_red_gate_is_named_and_the_others_are_judged(pipeline):
    result, cases = pipeline([cell("first", 90, 0.8), cell("second", 50, 0.8), cell("third", 90, 0.8)])
    assert result.ret == 1
    assert failed(cases) == [("1_step", "second")]
    message = cases["1_step", "second"].find("failure").text
    assert "gate: second 0.500 (n=100, 95 % 0.399 to 0.601) is below its floor 0.800" in message
    assert len(message.strip().splitlines()) <= 6
    assert properties(cases["1_step", "second"])["mlbot.second.outcome"] == "fail"


def test_a_caught_exception_does_not_hide_a_red_gate(pipeline):
    lines = cell("accuracy", 10, 0.8).splitlines()
    caught = "\n".join([*lines[:3], "try:", f"    {lines[3]}", "except Exception:", "    pass"])
    result, cases = pipeline([caught])
    assert failed(cases) == [("1_step", "accuracy")]


def test_a_gate_that_records_nothing_is_red(pipeline):
    lines = cell("accuracy", 90, 0.8).splitlines()
    result, cases = pipeline(["\n".join([*lines[:3], f"if False: {lines[3]}"])])
    assert failed(cases) == [("1_step", "accuracy")]
    assert "recorded nothing" in cases["1_step", "accuracy"].find("failure").text


def test_a_gate_that_is_not_reached_is_failed_not_skipped(pipeline):
    result, cases = pipeline(["1 / 0", cell("accuracy", 90, 0.8)], [cell("later", 90, 0.8)])
    assert failed(cases) == [("1_step", "accuracy"), ("1_step", "runs"), ("2_step", "later"), ("2_step", "runs")]
    assert "ZeroDivisionError" in cases["1_step", "runs"].find("failure").text
    assert "not reached" in cases["2_step", "later"].find("failure").text


@pytest.mark.parametrize("notebook, says", [
    (["import os\nos.kill(os.getpid(), 9)", cell("accuracy", 90, 0.8)], "the kernel was killed (signal 9)"),
    (["import sys\nsys.exit(0)", cell("accuracy", 90, 0.8)], "SystemExit"),
])
def test_a_notebook_that_dies_is_red(pipeline, notebook, says):
    result, cases = pipeline(notebook)
    assert result.ret == 1 and says in cases["1_step", "runs"].find("failure").text
    assert ("1_step", "accuracy") in failed(cases)


def test_a_stripped_parameters_tag_is_red(pipeline):
    result, cases = pipeline([cell("accuracy", 90, 0.8)], tags=())
    assert result.ret != 0 and ("1_step", "runs") in failed(cases)
    assert "0 cells are tagged 'parameters'" in cases["1_step", "runs"].find("failure").text


def test_a_later_cell_that_fails_is_red_whatever_its_number(pipeline):
    cells = ["pass"] * 1 + [cell("accuracy", 90, 0.8)] + ["pass"] * 26 + ["raise RuntimeError('the export failed')"]
    result, cases = pipeline(cells)
    assert failed(cases) == [("1_step", "runs")]


def test_notebooks_that_are_not_those_of_the_run_are_red(pipeline):
    result, cases = pipeline([cell("accuracy", 90, 0.8)], settings=NO_TARGETS + "[places]\nnotebooks = nbs/stable\n")
    assert result.ret == 1


def test_an_unknown_parameter_is_red_and_a_known_one_arrives(pipeline):
    result, cases = pipeline([cell("accuracy", 90, "floor")], options=["--mlbot-parameter", "flor=0.95"])
    assert "did you mean floor?" in cases["1_step", "runs"].find("failure").text


def test_a_known_parameter_arrives(pipeline):
    result, cases = pipeline([cell("accuracy", 90, "floor")], options=["--mlbot-parameter", "floor=0.97"])
    assert failed(cases) == [("1_step", "accuracy")]
    assert properties(cases["1_step", "accuracy"])["mlbot.accuracy.floor"] == "0.97"


def test_one_selected_gate_runs_the_notebooks_it_needs(pipeline):
    result, cases = pipeline(["print('before')"], [cell("accuracy", 90, 0.8)], options=["-k", "accuracy"])
    assert result.ret == 0 and sorted(cases) == [("2_step", "accuracy")]


def test_the_gates_of_a_new_checkout_know_what_models_elsewhere_were_tested_on(pipeline, pytester):
    place = pytester.path / "carried"
    remember(pytester.path / "other", [1], [2])
    push_sides(pytester.path / "other", open_objects(place))
    result, _ = pipeline([cell("accuracy", 90, 0.8)], settings=f"[places]\ncarried = {place}\n{NO_TARGETS}")
    assert result.ret == 0 and recall_of(pytester.path / "models")([1, 2, 3]).tolist() == ["train", "test", ""]


def test_what_cannot_be_known_is_a_warning(pipeline, pytester):
    (pytester.path / "carried" / "sides").mkdir(parents=True)
    (pytester.path / "carried" / "sides" / "0123456789abcdef.npz").write_bytes(b"damaged")
    result, _ = pipeline([cell("accuracy", 90, 0.8)], settings=f"[places]\ncarried = carried\n{NO_TARGETS}")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*the sides of texts on other machines are not known: 0123456789abcdef.npz is damaged*"])


def test_notebooks_elsewhere_are_left_alone(pytester):
    pytester.makeini("[pytest]\n")
    nbformat.write(nbformat.v4.new_notebook(), pytester.path / "1_notes.ipynb")
    assert pytester.runpytest_subprocess(*USUAL).ret == pytest.ExitCode.NO_TESTS_COLLECTED
