"""The checkout is in order: one source for each fact, notebooks clean, modules and README in step with them."""

import ast
import importlib.metadata
import importlib.util
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
from pages import TEXT

from mlbot.errors import InputError
from mlbot.ops.checkout import _outputs_now, check_notebooks, export, unclean
from mlbot.origin import DISTRIBUTION, own_version
from mlbot.run.notebook import parse_cell
from mlbot.run.outputs import doubt_of, is_stored, plain_outputs

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = sorted((ROOT / "nbs").rglob("[0-9][0-9]_*.ipynb"))
PIPELINE = sorted((ROOT / "nbs" / "pipeline").glob("*.ipynb"))
EVERY = sorted(path for path in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
MODULES = sorted(path for path in (ROOT / "mlbot").rglob("[a-z]*.py"))
HEAVY = {"pandas": "data.table", "scipy": "stats.bounds", "sklearn": "model.views", "safetensors": "model.artefact",
         "papermill": "run.kernel", "psutil": "run.kernel", "nbclient": "run.kernel", "matplotlib": "run.report",
         "jinja2": "run.report", "pytest": "run.pytest_plugin", "tqdm": "cli.shared", "onnx": "model.encoder",
         "onnxruntime": "model.encoder", "tokenizers": "model.encoder", "huggingface_hub": "model.encoder_files",
         "psycopg": "bot.events", "litestar": "serve.app", "uvicorn": "serve.http", "msgspec": "serve.service",
         "prometheus_client": "serve.service", "py3langid": "text.language", "obstore": "storage", "mlflow": "run.tracking",
         "skops": "model.estimator"}
ALSO = {"pandas": {"model.baselines", "run.blame", "data.checks", "data.company", "data.feedback", "model.suspects",
                   "model.contest", "data.ledger", "model.estimator", "model.sgd", "data.extra", "model.names",
                   "cli.recalibrate",
                   "data.export", "data.chunked", "data.relabel", "run.replay", "run.report", "run.folder",
                   "data.source", "data.split", "data.store", "run.compare", "run.preparation", "run.training",
                   "run.examination", "run.releasing", "run.pictures", "run.budget"},
        "scipy": {"model.sgd", "model.groups", "model.baselines", "model.pipeline", "model.views", "model.classifier",
                  "model.scope"},
        "sklearn": {"model.baselines", "model.estimator", "model.classifier", "model.nearness", "model.pipeline",
                    "model.scope", "model.train", "model.export", "model.scope_hidden", "model.groups", "run.pictures",
                    "run.training"},
        "jinja2": {"ops.workflows"}, "safetensors": {"model.encoder", "model.encoder_files", "data.chunked"},
        "onnx": {"model.encoder_centre", "model.encoder_graph", "model.encoder_weights"},
        "tokenizers": {"model.encoder_files"},
        "psutil": {"run.forkserver"},
        "pytest": {"run.gates_plugin"},
        "tqdm": {"cli.data", "cli.gates", "cli.model"}, "msgspec": {"serve.app"}, "prometheus_client": {"serve.app"}}
WINGS = ["", "text", "stats", "data", "gates", "model", "run", "bot", "serve", "ops", "cli"]  # the ground first
APART = {"gates": {"text", "data"}, "model": {"gates"}, "bot": {"data", "gates", "run"},
         "run": {"bot"}, "serve": {"stats", "data", "gates", "run"}, "ops": {"serve"}}  # above, and yet not imported


@cache
def code(path):
    """The sources of the code cells of a notebook."""
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@cache
def exported(path):
    """The exported source of a library notebook, as a tree."""
    return parse_cell("\n".join(source for source in code(path) if source.startswith("#| export")))


def name_of(path):
    """The module that a library notebook exports, such as `data.split`."""
    return ".".join([*path.relative_to(ROOT / "nbs").parts[:-1], path.stem.split("_", 1)[1]])


def wing_of(name):
    """The wing of a module; '' for one of the ground."""
    return name.rpartition(".")[0]


@cache
def imports(tree):
    """Names of the modules that a tree imports, wherever it does."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            packages = module == "mlbot" or module.removeprefix("mlbot.") in WINGS
            found += [f"{module}.{alias.name}" for alias in node.names] if packages else [module]
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
    """The files of the checkout, and those of a copy with a stray output and a stale module after `mlbot export`."""
    copy = copy_checkout(tmp_path_factory.mktemp("copy"))
    before = files(copy)
    path = copy / "nbs" / "pipeline" / "3_gate.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="stray")]
    notebook.cells[1].execution_count = 7
    nbformat.write(notebook, path)
    (copy / "mlbot" / "data" / "split.py").write_text("stale = True\n")
    assert {name for name, text in files(copy).items() if text != before[name]} == MENDED
    export(copy)
    return before, files(copy)


MENDED = {Path("nbs/pipeline/3_gate.ipynb"), Path("mlbot/data/split.py")}


def test_export_finds_nothing_to_change(exported_copy):
    before, after = exported_copy
    assert sorted(before) == sorted(after)
    assert [str(name) for name in before if before[name] != after[name]] == [], "run: mlbot export"


def test_export_mends_a_notebook_with_output_and_a_stale_module(exported_copy):
    before, after = exported_copy
    assert {name: after[name] for name in MENDED} == {name: before[name] for name in MENDED}


@pytest.fixture(scope="module")
def cleaned_copy(tmp_path_factory):
    """A copy of the checkout after `nbdev-clean`, which people of nbdev run by itself, or as a hook of git."""
    copy = copy_checkout(tmp_path_factory.mktemp("cleaned"))
    subprocess.run([Path(sys.executable).parent / "nbdev-clean"], cwd=copy, check=True)
    return copy


@pytest.mark.parametrize("path", PIPELINE, ids=lambda path: path.name)
def test_cleaning_keeps_the_parameters_tag(path, cleaned_copy):
    cells = nbformat.read(cleaned_copy / "nbs" / "pipeline" / path.name, as_version=4).cells
    assert [cell for cell in cells if cell.metadata.get("tags") == ["parameters"]]


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(ROOT / "nbs")))
def test_notebooks_are_committed_clean(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] or "stored" in cell["metadata"].get("tags", [])
            assert cell["execution_count"] is None
        assert set(cell["metadata"]) <= {"tags"}


def test_no_notebook_holds_outputs_beside_those_that_are_stored():
    assert unclean(ROOT) == []


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(ROOT / "nbs")))
def test_only_library_notebooks_store_outputs_and_only_small_ones_that_are_the_same_everywhere(path):
    stored = [cell for cell in nbformat.read(path, as_version=4).cells if is_stored(cell)]
    assert not stored or path in LIBRARY
    assert not [cell.source for cell in stored if cell.source.startswith("#| export")]
    assert not [cell.source for cell in stored if doubt_of(plain_outputs(cell.outputs), cell.source)]


def test_nbdev_clean_leaves_stored_outputs_as_they_are(cleaned_copy):
    assert [path for path in EVERY if (cleaned_copy / path.relative_to(ROOT)).read_bytes() != path.read_bytes()] == []


@pytest.fixture
def small(tmp_path):
    """A checkout with a library notebook of two cells; the second stores its output."""
    (tmp_path / "nbs").mkdir()
    (tmp_path / "small").mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.nbdev]\nlib_path = "small"\nnbs_path = "nbs"\n'
                                             'allowed_cell_metadata_keys = ["tags"]\nclear_all = false\n')
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# small")]), tmp_path / "nbs/index.ipynb")
    cells = [nbformat.v4.new_code_cell("#| default_exp one"), nbformat.v4.new_code_cell("#| export\nONE = 1"),
             nbformat.v4.new_code_cell("ONE + 1", metadata={"tags": ["stored"]}), nbformat.v4.new_code_cell("ONE + 2")]
    kernel = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "nbs" / "00_one.ipynb")
    return tmp_path


def outputs_of(root):
    cells = nbformat.read(root / "nbs" / "00_one.ipynb", as_version=4).cells
    return [[output["data"]["text/plain"] for output in cell.outputs] for cell in cells if cell.cell_type == "code"]


def edit_cell(root, number, source):
    notebook = nbformat.read(root / "nbs" / "00_one.ipynb", as_version=4)
    notebook.cells[number].source = source
    nbformat.write(notebook, root / "nbs" / "00_one.ipynb")


def test_outputs_are_stored_kept_compared_and_renewed(small):
    export(small, outputs=True)
    assert outputs_of(small) == [[], [], ["2"], []] and unclean(small) == []
    export(small)  # which runs nothing, and keeps what is stored
    before = (small / "nbs" / "00_one.ipynb").read_bytes()
    check_notebooks(small)
    assert (small / "nbs" / "00_one.ipynb").read_bytes() == before
    edit_cell(small, 2, "ONE + 5")
    with pytest.raises(InputError, match="cell 3 shows another output than it stores"):
        check_notebooks(small)
    export(small, outputs=True)
    check_notebooks(small)
    assert outputs_of(small)[2] == ["6"]


DOUBTFUL = {"object()": "an address in memory", "'x' * 5_000": "bytes, at most", "'/tmp/here'": "a path",
            "import datetime; str(datetime.date.today())": "today", "1 / 3": "more than six decimals", "ONE = 2": "no output"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What each cell of DOUBTFUL shows, from one run of a notebook that has them all."""
    folder = tmp_path_factory.mktemp("doubtful")
    (folder / "pyproject.toml").write_text('[tool.nbdev]\nlib_path = "small"\nnbs_path = "."\n')
    cells = [nbformat.v4.new_code_cell(source) for source in DOUBTFUL]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "00_doubtful.ipynb")
    now = _outputs_now(folder, folder / "00_doubtful.ipynb")
    return {cell.source: now[cell.id] for cell in cells}


@pytest.mark.parametrize("source, says", DOUBTFUL.items())
def test_an_output_that_would_differ_elsewhere_is_not_stored(small, shown, monkeypatch, source, says):
    edit_cell(small, 2, source)
    ids = [cell.id for cell in nbformat.read(small / "nbs" / "00_one.ipynb", as_version=4).cells]
    monkeypatch.setattr("mlbot.ops.checkout._outputs_now", lambda root, path: dict.fromkeys(ids, shown[source]))
    with pytest.raises(InputError, match="cannot be stored") as error:
        export(small, outputs=True)
    assert says in error.value.found and outputs_of(small)[2] == []


def test_a_notebook_that_fails_keeps_what_it_had(small):
    edit_cell(small, 2, "1 / 0")
    before = (small / "nbs" / "00_one.ipynb").read_bytes()
    with pytest.raises(InputError, match="nbdev-test failed"):
        export(small, outputs=True)
    assert (small / "nbs" / "00_one.ipynb").read_bytes() == before


def out_of_place(path, tree) -> set[str]:
    """What a module imports and should not: modules of its wing with higher numbers, wings below its own, those apart."""
    name, found = name_of(path), set()
    order = {name_of(other): other.name for other in LIBRARY}
    for other in {module.removeprefix("mlbot.") for module in imports(tree) if module.startswith("mlbot.")}:
        here, there = WINGS.index(wing_of(name)), WINGS.index(wing_of(other))
        if there > here or there == here and order[other] >= path.name or wing_of(other) in APART.get(wing_of(name), ()):
            found.add(other)
    return found


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_a_module_imports_from_lower_numbers_of_its_wing_and_from_wings_above(path):
    assert not out_of_place(path, exported(path))


@pytest.mark.parametrize("module, text", [
    ("text.similar", "from mlbot.model.train import train"), ("data.split", "import mlbot.gates.gating"),
    ("bot.policy", "from mlbot.data.table import read_table"),
    ("stats.scores", "def late():\n    from mlbot.data import split"),
    ("gates.target", "from mlbot.gates.verdict import judge"), ("errors", "from mlbot.text.clean import clean")])
def test_an_import_that_is_out_of_place_is_found(module, text):
    path = next(path for path in LIBRARY if name_of(path) == module)
    assert len(out_of_place(path, ast.parse(text))) == 1


@pytest.mark.parametrize("library, home", HEAVY.items())
def test_a_heavy_library_is_imported_in_one_module_only(library, home):
    users = {name_of(path) for path in LIBRARY for name in imports(exported(path)) if name.split(".")[0] == library}
    assert users - {"ops.checkout"} <= {home, *ALSO.get(library, ())}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_name_that_is_imported_from_another_module_is_there(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and (node.level or node.module.startswith("mlbot.")):
            package = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            above = package.rsplit(".", node.level)[0] + "." if node.level else ""
            module = importlib.import_module(f"{above}{node.module}")
            for name in node.names:
                inside = hasattr(module, "__path__") and importlib.util.find_spec(f"{module.__name__}.{name.name}")
                assert inside or hasattr(module, name.name), f"{path.name}:{node.lineno}: {node.module} has no {name.name}"


def test_each_library_notebook_exports_one_module_of_its_name():
    for path in LIBRARY:
        assert [source for source in code(path) if source.startswith(f"#| default_exp {name_of(path)}")], path.name
    modules = {".".join(path.relative_to(ROOT / "mlbot").with_suffix("").parts) for path in MODULES}
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
    package, installed = settings()["package"], importlib.metadata.metadata(DISTRIBUTION)
    assert (installed["Name"], installed["Version"]) == (package["name"], package["version"]) == (DISTRIBUTION, own_version())
    assert installed["Requires-Python"] == f">={package['python']}"
    assert set(installed.get_all("Provides-Extra")) == set(settings()["extras"])


def test_every_requirement_is_pinned_and_the_pin_is_installed():
    pins = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()
            if line and not line.startswith("#")]
    here = {pin.name.lower(): pin for pin in pins if pin.marker is None or pin.marker.evaluate()}
    words = settings()["package"]["requirements"] + " " + " ".join(settings()["extras"].values())
    for wanted in map(Requirement, words.split()):
        if wanted.name == DISTRIBUTION:
            continue
        pin = here[wanted.name.lower()]
        version = str(pin.specifier).removeprefix("==")
        assert wanted.specifier.contains(version), f"run: mlbot lock ({wanted} against {pin})"
        if wanted.name not in settings()["extras"]["bench"]:  # peers are installed by who runs that benchmark
            assert importlib.metadata.version(wanted.name) == version, f"{wanted.name} differs: remove .venv and run again"


def test_the_code_is_free_of_what_the_linter_finds():
    done = subprocess.run([Path(sys.executable).parent / "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def misfits(tmp_path_factory):
    """The workflows that do not fit the published schema: among ours, and one that was broken on purpose; in one process."""
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    broken = tmp_path_factory.mktemp("workflows") / "broken.yml"
    broken.write_text((ROOT / ".github" / "workflows" / "ci.yml").read_text().replace("runs-on:", "runs-under:"))
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", "-o", "json"]
    done = subprocess.run([*command, *workflows, broken], capture_output=True, text=True)
    found = json.loads(done.stdout)
    wrong = {Path(error["filename"]).name for error in found["errors"] + found.get("parse_errors", [])}
    assert done.returncode == 1 and wrong, done.stdout + done.stderr
    return wrong


def test_workflows_fit_the_published_schema(misfits):
    assert not misfits - {"broken.yml"}


def test_a_workflow_that_does_not_fit_the_schema_is_found(misfits):
    assert "broken.yml" in misfits


def test_workflows_run_the_commands_of_the_readme_with_least_rights():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    commands = set(re.findall(r"run: (python3 -m mlbot [a-z]+)", text))
    assert commands == {"python3 -m mlbot test", "python3 -m mlbot run", "python3 -m mlbot ci"}
    assert all(command in TEXT or command.replace("python3 -m mlbot", "mlbot") in TEXT for command in commands)
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


INNER = ("uvicorn.protocols", "uvicorn.server", "ipykernel", "papermill.", "jupyter_client.", "xdist", "IPython.core",
         "_pytest", "litestar._", "nbclient.client")  # parts of libraries that promise nothing to others


def leaning_rows():
    """The table of CONTRIBUTING: (modules, library parts, bound, test)."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where we lean")[2]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`([^`]+)`", row[0]), re.findall(r"`([^`]+)`", row[1]), row[2].strip("`"), row[4].strip("`"))
            for row in rows]


def test_each_place_that_leans_on_inner_parts_is_listed_with_a_bound_and_a_test():
    """No other module does, no listed one has stopped, and the bound is that of settings.ini."""
    found = {(name_of(path), module) for path in LIBRARY for module in imports(exported(path)) if module.startswith(INNER)}
    listed = {(module, part) for modules, parts, _, _ in leaning_rows() for module in modules for part in parts}
    assert found == listed
    settings = (ROOT / "settings.ini").read_text(encoding="utf-8")
    for _, _, bound, test in leaning_rows():
        assert "<" in bound and f"{bound} " in settings.replace("\n", " ") and (ROOT / test).is_file()


def test_the_changelog_has_the_groups_that_people_know():
    """Those of Keep a Changelog, in its order, with something in each."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for version in text.split("\n## ")[1:]:
        parts = version.split("\n### ")
        names = [part.partition("\n")[0] for part in parts[1:]]
        known = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
        assert names and names == [name for name in known if name in names], names
        assert "\n- " not in parts[0] and all("\n- " in part for part in parts[1:])
