"""The checkout is in order: one source for each fact, notebooks clean, modules and README in step with them."""

import ast
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from functools import cache
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

from mlbot.checkout import export
from mlbot.notebook import parse_cell

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = sorted((ROOT / "nbs").glob("[0-9][0-9]_*.ipynb"))
PIPELINE = sorted((ROOT / "nbs" / "pipeline").glob("*.ipynb"))
EVERY = sorted(path for path in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
HEAVY = {"pandas": "data", "scipy": "noise", "sklearn": "model", "safetensors": "artefact", "papermill": "engine",
         "psutil": "engine", "nbclient": "engine", "matplotlib": "report", "jinja2": "report", "pytest": "pytest_plugin",
         "tqdm": "cli", "onnx": "encoder", "onnxruntime": "encoder", "tokenizers": "encoder", "huggingface_hub": "encoder",
         "psycopg": "events", "litestar": "serve", "uvicorn": "http", "msgspec": "house", "prometheus_client": "house",
         "py3langid": "language", "obstore": "objects", "mlflow": "tracking"}


@cache
def code(path):
    """The sources of the code cells of a notebook."""
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@cache
def exported(path):
    """The exported source of a library notebook, as a tree."""
    return parse_cell("\n".join(source for source in code(path) if source.startswith("#| export")))


def name_of(path):
    """The module that a library notebook exports."""
    return path.stem.split("_", 1)[1]


@cache
def imports(tree):
    """Names of the modules that a tree imports, wherever it does."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found += [f"mlbot.{alias.name}" for alias in node.names] if node.module == "mlbot" else [node.module]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def copy_checkout(target):
    for name in ("nbs", "mlbot"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("settings.ini", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, target)
    return target


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def exported_copy(tmp_path_factory):
    """The files of a copy of the checkout before and after `mlbot export`."""
    copy = copy_checkout(tmp_path_factory.mktemp("copy"))
    before = files(copy)
    export(copy)
    return before, files(copy)


def test_export_finds_nothing_to_change(exported_copy):
    before, after = exported_copy
    assert sorted(before) == sorted(after)
    assert [str(name) for name in before if before[name] != after[name]] == [], "run: mlbot export"


def test_export_mends_a_notebook_with_output_and_a_stale_module(tmp_path):
    copy = copy_checkout(tmp_path)
    path = copy / "nbs" / "pipeline" / "3_gate.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="stray")]
    notebook.cells[1].execution_count = 7
    nbformat.write(notebook, path)
    (copy / "mlbot" / "split.py").write_text("stale = True\n")
    export(copy)
    assert path.read_bytes() == (ROOT / "nbs" / "pipeline" / "3_gate.ipynb").read_bytes()
    assert (copy / "mlbot" / "split.py").read_bytes() == (ROOT / "mlbot" / "split.py").read_bytes()


@pytest.mark.parametrize("path", PIPELINE, ids=lambda path: path.name)
def test_cleaning_keeps_the_parameters_tag(path, tmp_path):
    copy = copy_checkout(tmp_path)
    subprocess.run([Path(sys.executable).parent / "nbdev-clean"], cwd=copy, check=True)
    cells = nbformat.read(copy / "nbs" / "pipeline" / path.name, as_version=4).cells
    assert [cell for cell in cells if cell.metadata.get("tags") == ["parameters"]]


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.name)
def test_notebooks_are_committed_clean(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
        assert set(cell["metadata"]) <= {"tags"}


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_modules_import_only_from_lower_numbers(path):
    last = name_of(path) == "cli"  # the command is above all, whatever number a module got after it
    lower = {f"mlbot.{name_of(other)}" for other in LIBRARY if other.name < path.name or last and other != path}
    mine = {name for name in imports(exported(path)) if name.startswith("mlbot.")}
    assert mine <= lower


@pytest.mark.parametrize("library, home", HEAVY.items())
def test_a_heavy_library_is_imported_in_one_module_only(library, home):
    users = {name_of(path) for path in LIBRARY for name in imports(exported(path)) if name.split(".")[0] == library}
    also = {"pandas": {"benchmark", "blame", "checks", "feedback", "ledger", "many", "model", "prepare", "relabel", "replay",
                       "report", "runs", "source", "split", "store"},
            "scipy": {"many", "meter", "model"}, "sklearn": {"benchmark"}, "jinja2": {"workflows"},
            "safetensors": {"encoder", "prepare"}, "psutil": {"forkserver"}, "msgspec": {"serve"},
            "prometheus_client": {"serve"}}
    assert users - {"checkout"} <= {home, *also.get(library, ())}


@pytest.mark.parametrize("path", sorted((ROOT / "mlbot").glob("*.py")), ids=lambda path: path.stem)
def test_each_name_that_is_imported_from_another_module_is_there(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and (node.level or node.module.startswith("mlbot.")):
            module = importlib.import_module(f"mlbot.{node.module.removeprefix('mlbot.')}")
            for name in node.names:
                assert hasattr(module, name.name), f"{path.name}, line {node.lineno}: {node.module} has no {name.name}"


def test_each_library_notebook_exports_one_module_of_its_name():
    for path in LIBRARY:
        assert [source for source in code(path) if source.startswith(f"#| default_exp {name_of(path)}")], path.name
    modules = {path.stem for path in (ROOT / "mlbot").glob("[a-z]*.py")}
    assert modules == {name_of(path) for path in LIBRARY}


@pytest.mark.parametrize("path", PIPELINE, ids=lambda path: path.name)
def test_pipeline_notebooks_define_nothing(path):
    trees = [ast.walk(parse_cell(source)) for source in code(path)]
    assert not [node for tree in trees for node in tree if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def test_public_functions_have_docstrings():
    for path in LIBRARY:
        for node in exported(path).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def settings():
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    return parser


def test_the_installed_package_has_the_facts_of_settings_ini():
    package, installed = settings()["package"], importlib.metadata.metadata("mlbot")
    assert (installed["Name"], installed["Version"]) == (package["name"], package["version"])
    assert installed["Requires-Python"] == f">={package['python']}"
    assert set(installed.get_all("Provides-Extra")) == set(settings()["extras"])


def test_every_requirement_is_pinned_and_the_pin_is_installed():
    pins = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()
            if line and not line.startswith("#")]
    here = {pin.name.lower(): pin for pin in pins if pin.marker is None or pin.marker.evaluate()}
    words = settings()["package"]["requirements"] + " " + " ".join(settings()["extras"].values())
    for wanted in map(Requirement, words.split()):
        if wanted.name == "mlbot":
            continue
        pin = here[wanted.name.lower()]
        version = str(pin.specifier).removeprefix("==")
        assert wanted.specifier.contains(version), f"run: mlbot lock ({wanted} against {pin})"
        if wanted.name not in settings()["extras"]["bench"]:  # peers are installed by who runs that benchmark
            assert importlib.metadata.version(wanted.name) == version, f"{wanted.name} differs: remove .venv and run again"


def test_the_code_is_free_of_what_the_linter_finds():
    done = subprocess.run([Path(sys.executable).parent / "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_workflows_fit_the_published_schema():
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert workflows
    tool = Path(sys.executable).parent / "check-jsonschema"
    done = subprocess.run([tool, "--builtin-schema", "vendor.github-workflows", *workflows], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_workflow_that_does_not_fit_the_schema_is_found(tmp_path):
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text().replace("runs-on:", "runs-under:")
    (tmp_path / "ci.yml").write_text(workflow)
    tool = Path(sys.executable).parent / "check-jsonschema"
    assert subprocess.run([tool, "--builtin-schema", "vendor.github-workflows", tmp_path / "ci.yml"],
                          capture_output=True).returncode == 1


def test_workflows_run_the_commands_of_the_readme_with_least_rights():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    readme = (ROOT / "README.md").read_text()
    commands = set(re.findall(r"run: (python3 -m mlbot [a-z]+)", text))
    assert commands == {"python3 -m mlbot test", "python3 -m mlbot run", "python3 -m mlbot ci"}
    assert all(command in readme or command.replace("python3 -m mlbot", "mlbot") in readme for command in commands)
    assert "python3 -m mlbot test" in (ROOT / ".ci" / "run").read_text()


def test_the_makefile_runs_the_same_commands():
    text = (ROOT / "Makefile").read_text()
    for target in ("run", "test", "lab", "export", "lock"):
        assert re.search(rf"^{target}:.*\n\t\$\(PYTHON\) -m mlbot {target}$", text, re.MULTILINE), target
    assert "\t$(PYTHON) -m mlbot ci run\n" in text


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_each_cell_has_an_id_of_its_own(path):
    """A tool that meets two of one name gives one of them another, and each reader sees a change that nobody made."""
    names = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert len(set(names)) == len(names)
