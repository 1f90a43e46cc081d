"""Nothing is computed twice, everything that matters is computed again, and one line says why."""

import fcntl
import io
import json
import shutil
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import nbformat
import pytest

from mlbot.gates.verdict import Waiver
from mlbot.gates.waiver import save_waiver
from mlbot.model.registry import history
from mlbot.run.cache import KeptResults, Key, take_key, unpack_result, why
from mlbot.run.dependencies import ProjectCode, reach
from mlbot.run.folder import new_run
from mlbot.run.notebook import open_notebook
from mlbot.run.pipeline import run_pipeline
from mlbot.run.request import RunRequest
from mlbot.settings import load_settings
from tests.data.test_store import free_port, s3  # noqa: F401  the account
from tests.run.test_pytest_plugin import NO_TARGETS

GATE = '''#| gate
from mlbot.stats.scores import share
from mlbot.gates.gating import gate
from mlbot.run.folder import load_rules
gate("accuracy", share("accuracy", [True] * right + [False] * (100 - right)), load_rules(folder, settings))'''
START = '''from mlbot.run.folder import open_run, save_json, save_verdicts
from mlbot.settings import load_settings
settings = load_settings()
folder = open_run(settings, run)'''

TILL = 'from .tax import rate\n\ndef total(n):\n    "What it costs."\n    return n * rate()\n'
TAX = "def rate():\n    return 2  # percent\n\ndef unused():\n    return 1\n"


def write(path: Path, *cells: str, parameters: str = 'run = "latest"') -> None:
    nodes = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}), *map(nbformat.v4.new_code_cell, cells)]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=nodes), path)


@pytest.fixture
def small(tmp_path, monkeypatch) -> Path:
    """A project of three tiny notebooks and a package of her own."""
    monkeypatch.chdir(tmp_path)
    targets = NO_TARGETS.replace("accuracy.floor =", "accuracy.floor = 0.8")
    (tmp_path / "settings.ini").write_text(f"{targets}[data]\nsource = words.csv\n")
    (tmp_path / "words.csv").write_text("text,intent\n" + "".join(f"word {n},a\n" for n in range(9)))
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "till.py").write_text(TILL)
    (tmp_path / "shop" / "tax.py").write_text(TAX)
    folder = tmp_path / "nbs" / "pipeline"
    count = 'save_json(len((settings.root / "words.csv").read_text()), folder / "rows.json")'
    write(folder / "1_prepare.ipynb", START, count, parameters='run = "new"\ndata = ""')
    write(folder / "2_train.ipynb", START, "from shop.till import total\nfrom mlbot.run.folder import load_json\n"
          'save_json(total(load_json(folder / "rows.json")) + settings.model.seed, folder / "model.json")')
    write(folder / "3_gate.ipynb", START, GATE, parameters='run = "latest"\nright = 90')
    return tmp_path


@pytest.fixture
def known(small, kept_results) -> Path:
    """The same project, whose results are kept already; they are made once for all tests and workers."""
    once = kept_results.with_name("results-of-small")
    with open(f"{once}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not once.exists():
            run(small)
            shutil.copytree(small / "runs" / ".cache", once)
            shutil.rmtree(small / "runs")
        shutil.copytree(once, small / "runs" / ".cache")
    assert run(small) == {}
    return small


def run(project: Path, **options):
    """A run of the project: which notebooks ran, and why."""
    settings = load_settings(project)
    result = run_pipeline(RunRequest(**options), settings, new_run(settings.places.runs))
    assert result.exit_code == 0, [str(problem) for problem in result.problems]
    return {step.notebook[0]: step.why for step in result.steps if not step.reused}


def ran(project: Path, right: int) -> list[str]:
    """The notebooks that ran in a run that is red."""
    settings = load_settings(project)
    result = run_pipeline(RunRequest({"right": right}), settings, new_run(settings.places.runs))
    assert result.exit_code == 1
    return [step.notebook[0] for step in result.steps if not step.reused]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_does_not_matter_runs_nothing_and_what_matters_runs_what_rests_on_it(small):
    """Markdown, comments, docstrings, formatting, outputs and unused helpers count for nothing; the rest does, by name."""
    assert list(run(small)) == ["1", "2", "3"] and run(small) == {}
    pipeline, till, tax = small / "nbs" / "pipeline", small / "shop" / "till.py", small / "shop" / "tax.py"
    notebook = nbformat.read(pipeline / "2_train.ipynb", 4)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Train"))
    notebook.cells[-1].source = "# the model\n" + notebook.cells[-1].source
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="said")]
    nbformat.write(notebook, pipeline / "2_train.ipynb")
    till.write_text(TILL.replace("What it costs.", "Other words.").replace("n * rate()", "(n\n            * rate())"))
    edit(tax, "    return 1", "    return 100")
    assert run(small) == {}
    edit(tax, "return 2  # percent", "return 3  # percent")
    assert run(small) == {"2": "`shop.tax.rate` changed; data and settings unchanged",
                          "3": "handed another model.json; code and settings unchanged"}
    edit(tax, "return 3", "return 2")
    assert run(small) == {}, "going back to earlier code costs nothing"
    (small / "settings.ini").write_text((small / "settings.ini").read_text() + "[model]\nseed = 1\n[budget]\nrun = 20\n")
    assert run(small) == {"2": "setting model.seed: 0 > 1; code and data unchanged",
                          "3": "handed another model.json; code and settings unchanged"}
    (small / "words.csv").write_text((small / "words.csv").read_text() + "another,b\n")
    assert run(small) == {"1": "the data changed; code and settings unchanged",
                          "2": "handed another rows.json; code and settings unchanged",
                          "3": "handed another model.json, rows.json; code and settings unchanged"}
    assert run(small) == {}


def test_a_first_step_that_makes_the_same_again_lets_the_next_ones_rest(known):
    """A notebook is run for what it is handed, not because the one before it ran."""
    edit(known / "nbs" / "pipeline" / "1_prepare.ipynb", "len((settings", "0 + len((settings")
    assert run(known) == {"1": "its cells changed; data and settings unchanged"}


def test_a_red_result_is_measured_again_and_a_target_judges_anew(known):
    """Only a result without a problem is kept, and what a gate is asked for is part of its key."""
    (known / "settings.ini").write_text((known / "settings.ini").read_text().replace("floor = 0.8", "floor = 0.85"))
    assert list(run(known)) == ["3"], "the target of a gate changed"
    for _ in range(2):
        assert ran(known, right=60) == ["3"]
    assert run(known) == {}


def test_a_kept_verdict_is_judged_by_the_waivers_of_today(small):
    """A waiver that ended does not cover what it once covered."""
    settings = load_settings(small)
    save_waiver(Waiver("accuracy", "kim", "for the fair", date(2026, 1, 20), "", ""), settings.places.waivers)
    keys = [take_key(open_notebook(small / "nbs" / "pipeline" / "3_gate.ipynb"), small / "nowhere", {"day": day},
                     settings).digest
            for day in ("2026-01-19", "2026-01-20", "2026-01-21")]
    assert keys[0] == keys[1] != keys[2]


def test_a_damaged_result_is_removed_and_made_again(known):
    """What cannot be read is no result."""
    [kept] = (known / "runs" / ".cache" / "2_train").glob("*.zip")
    kept.write_bytes(kept.read_bytes()[:-40])
    assert list(run(known)) == ["2"] and run(known) == {}


def test_a_result_that_would_leave_the_folder_is_refused(tmp_path):
    """An archive of somebody else cannot write elsewhere."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("entry.json", "{}")
        archive.writestr("files/good.txt", "x")
        archive.writestr("files/../../evil.txt", "x")
    (tmp_path / "run").mkdir()
    with pytest.raises(ValueError):
        unpack_result(buffer.getvalue(), tmp_path / "run")
    assert not (tmp_path / "evil.txt").exists() and not (tmp_path / "run" / "good.txt").exists()


def test_colleagues_and_ci_share_results_through_a_storage_account(small, s3, tmp_path_factory):  # noqa: F811
    """What one machine has computed, another one takes; a place that does not answer costs no run."""
    (small / "settings.ini").write_text((small / "settings.ini").read_text() + f"[places]\ncache = {s3}/results\n")
    assert list(run(small)) == ["1", "2", "3"]
    other = tmp_path_factory.mktemp("other") / "clone"
    shutil.copytree(small, other, ignore=shutil.ignore_patterns("runs", "models"))
    assert run(other) == {}
    lost = f"s3://bucket-that-is-not/{free_port()}"
    results = KeptResults(lost)
    settings = replace(load_settings(other), places=replace(load_settings(other).places, cache=lost))
    result = run_pipeline(RunRequest(), settings, new_run(settings.places.runs), results=results)
    assert result.exit_code == 0 and results.trouble.startswith("no results are kept or used again")
    assert not any(step.reused for step in result.steps)


def test_the_oldest_results_go_when_the_folder_is_full(known):
    """A folder of results does not grow without end."""
    (known / "settings.ini").write_text((known / "settings.ini").read_text() + "[budget]\ncache = 0.002\n")
    assert list(run(known, again=True)) == ["1", "2", "3"]
    assert sum(path.stat().st_size for path in (known / "runs" / ".cache").rglob("*.zip")) <= 2000


def test_results_are_listed_removed_and_can_be_left_out(known, mlbot):
    """`mlbot cache` says what is kept; `--force` and an empty setting do without."""
    assert "3 results in runs/.cache" in mlbot("cache").stdout
    assert sum(json.loads(mlbot("cache", "--json").stdout)["results"].values()) == 3
    said = mlbot("run", "--no-release", "--force").stderr
    assert "kept" not in said and "asked to" in said
    assert "removed: 3 results" in mlbot("cache", "--clear").stdout
    assert "nothing changed; no result is kept" in mlbot("run", "--no-release").stderr
    (known / "settings.ini").write_text((known / "settings.ini").read_text() + "[places]\ncache =\n")
    assert "no results are kept" in mlbot("cache").stdout and "kept" not in mlbot("run", "--no-release").stderr.replace(
        "no result is kept", "")


def test_a_champion_is_released_once_and_again_after_it_was_taken_back(released, mlbot, kept_results):
    """The same run does nothing while its model answers, and releases it again where another one does."""
    models = load_settings(released).places.models
    first = mlbot("run")
    assert first.returncode == 0, first.stdout + first.stderr
    before = history(models)
    second = mlbot("run")
    assert history(models) == before and second.stderr.count("kept") == 4, second.stderr
    assert "nothing changed" in (sorted((released / "runs").glob("2*"))[-1] / "report.html").read_text()
    (models / "champion").write_text("none\n")
    third = mlbot("run")
    assert third.returncode == 0 and len(history(models)) == len(before) + 1, third.stderr
    assert "4_release    ok" in third.stderr


def test_a_release_that_has_to_run_asks_for_a_verdict_against_the_champion_that_is_there(project, own_results, mlbot):
    """The first model was judged when there was no champion; to release it once more it is judged against itself."""
    (project / "settings.ini").write_text("[gates]\npeople = 50\n[data]\nsource = sample\nsuspects = 0\n")
    assert mlbot("run").returncode == 0 and "4_release    kept" in mlbot("run").stderr
    done = mlbot("run", "--why", "for the record")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "another model is the champion now" in done.stderr and history(project / "models")[-1]["why"] == "for the record"
    assert mlbot("run", "--why", "for the record").stderr.count("kept  as") == 4


def test_a_person_who_is_forgotten_is_in_no_kept_result(project, mlbot, csv_file):
    """Results hold texts, so all of them go."""
    csv_file("text,intent,person\n" + "".join(f"open door {n},open,kim\nshut door {n},shut,bo\n" for n in range(9)))
    (project / "settings.ini").write_text("[data]\nsource = store\nperson = person\n")
    assert mlbot("data", "add", "utterances.csv").returncode == 0
    (project / "runs" / ".cache" / "1_prepare").mkdir(parents=True)
    (project / "runs" / ".cache" / "1_prepare" / "a.zip").write_bytes(b"open door 1")
    said = mlbot("data", "erase", "--person", "kim", "--why", "asked").stdout
    assert "all 1 kept results" in said and not list((project / "runs" / ".cache").rglob("*.zip"))


def test_a_key_names_what_the_pipeline_reads(root):
    """Training does not rest on targets of other gates, on the bot or on the service; the data does rest on its files."""
    settings = load_settings(root)
    keys = {name: take_key(open_notebook(root / "nbs" / "pipeline" / f"{name}.ipynb"), root / "nowhere", {}, settings)
            for name in ("1_prepare", "2_train", "3_gate", "4_release")}
    train = keys["2_train"].parts
    assert set(train["targets"]) == {"same_answer", "model_size", "training_time"}
    assert any(name.startswith("mlbot.model.terms.") for name in train["code"])
    assert not any(name.startswith(("mlbot.serve.", "mlbot.bot.", "mlbot.data.company.")) for name in train["code"])
    assert {name.partition(".")[0] for name in train["settings"]} == {"budget", "costs", "data", "gates", "model"}
    assert "shipped/company/company.toml" in keys["1_prepare"].parts["files"]
    assert "state" in keys["3_gate"].parts and "data" not in train
    assert "numpy" in keys["2_train"].parts["environment"] and "machine" in keys["2_train"].parts["environment"]


def test_a_reason_says_what_changed_and_what_did_not():
    """Values are shown where they are short, names where they are code."""
    old = {"code": {"mlbot.a.f": "1", "mlbot.a.g": "1"}, "environment": {"scikit-learn": "1.8"}, "state": {"champion": "aa"}}
    new = {"code": {"mlbot.a.f": "2", "mlbot.a.h": "1"}, "environment": {"scikit-learn": "1.9"}, "state": {"champion": "bb"}}
    said = why(old, Key("3_gate", new))
    assert said == ("`a.f`, `a.h`, `a.g` changed; environment scikit-learn: 1.8 > 1.9; state champion: aa > bb; "
                    "data and settings unchanged")
    assert why(None, Key("x", new)) == "nothing kept of an earlier run"


@pytest.mark.parametrize("cell, wanted", [
    ("import shop.till\nshop.till.total(1)", {"shop.till.total", "shop.tax.rate"}),
    ("from shop import till as t\nt.total(1)", {"shop.till.total", "shop.tax.rate"}),
    ("from shop.till import *\ntotal(1)", {"shop.till.total", "shop.tax.rate"}),
    ("def f():\n    from shop.tax import rate\n    return rate()", {"shop.tax.rate"}),
    ("from shop.tax import unused", set()),
])
def test_code_is_found_however_it_is_imported(small, cell, wanted):
    """Each way to import a function leads to it, and to what it calls."""
    assert set(reach([cell], ProjectCode(small)).code) >= wanted
    assert set(reach([cell], ProjectCode(small)).code) <= wanted | {"shop"}


def test_a_notebook_that_reads_a_log_a_store_or_a_file_beside_its_code_runs_when_they_change(small):
    """What is read counts, wherever it lies."""
    settings, path = load_settings(small), small / "nbs" / "pipeline" / "2_train.ipynb"
    (small / "shop" / "words.json").write_text("[1]")
    (small / "shop" / "tax.py").write_text('from pathlib import Path\n\ndef rate():\n'
                                           '    return len((Path(__file__).parent / "words.json").read_text())\n')

    def key() -> str:
        return take_key(open_notebook(path), small / "nowhere", {}, settings).digest
    before = key()
    (small / "shop" / "words.json").write_text("[1, 2]")
    assert key() != before and key() == key()
    write(path, START, "from mlbot.bot.events import open_log\nlog = open_log(settings)")
    before = key()
    (small / "events").mkdir()
    (small / "events" / "events.db").write_bytes(b"more")
    assert key() != before and key() == key()
    write(path, START, "from mlbot.bot.catalogue import load_catalogue\nknown = load_catalogue(settings)")
    settings = replace(settings, bot=replace(settings.bot, processes="processes.toml"))
    before = key()
    (small / "processes.toml").write_text("[leave]\n")
    with_catalogue = key()
    (small / "processes.de.toml").write_text("[leave]\n")
    assert len({before, with_catalogue, key()}) == 3
    write(path, START, "from mlbot.data.source import load_source\nrows = load_source")
    before = key()
    (small / "words.csv").write_text("text,intent\na,b\n")
    assert key() != before


def test_registered_code_counts_with_its_module(small):
    """A statement that runs when a module is imported may change what the module does."""
    (small / "shop" / "tax.py").write_text("RATES = {}\n\ndef rate():\n    return 2\n\nRATES.update(a=1)\n")
    before = reach(["from shop.tax import rate\nrate()"], ProjectCode(small)).code
    edit(small / "shop" / "tax.py", "a=1", "a=2")
    assert reach(["from shop.tax import rate\nrate()"], ProjectCode(small)).code != before
