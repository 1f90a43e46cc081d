"""A stranger has a working project in minutes, and a newer mlbot never takes away what she changed."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from mlbot.data.table import sample_file
from mlbot.errors import InputError
from mlbot.gates.verdict import judge
from mlbot.ops import project
from mlbot.ops.bundle import make_wheel
from mlbot.ops.project import (
    ProjectAnswers,
    answers_for,
    begin_at,
    kept_template,
    package_name,
    render_project,
    upgrade,
    write_project,
)
from mlbot.origin import Origin
from mlbot.settings import Target, load_settings
from mlbot.stats.scores import share

SAMPLE = sample_file()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout, built once."""
    return make_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def made(tmp_path_factory, wheel) -> Path:
    """A new project on the sample, without its first run."""
    root = tmp_path_factory.mktemp("made") / "my-bot"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "make_wheel", lambda to: wheel)
        write_project(root, answers_for("my-bot", SAMPLE), SAMPLE)
    return root


@pytest.fixture
def hers(tmp_path, made, wheel, monkeypatch) -> Path:
    """A copy of that project."""
    monkeypatch.setattr(project, "make_wheel", lambda to: wheel)
    return Path(shutil.copytree(made, tmp_path / "my-bot"))


def test_a_new_project_is_green_at_once_and_its_own_package_is_used(tmp_path, mlbot, monkeypatch, kept_results):
    """From one file: a first run, tests that are green, a package that the gates use, workflows, a commit."""
    monkeypatch.chdir(tmp_path)
    done = mlbot("new", "my-bot", "--data", SAMPLE)
    assert done.returncode == 0 and "text: text, intent: intent, context: role location" in done.stdout, done.stderr
    root = tmp_path / "my-bot"
    assert "next:   cd my-bot && " in done.stdout and " test && " in done.stdout and "mlbot run" in done.stdout
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env.pop("PYTEST_XDIST_WORKER", None)
    tests = subprocess.run(["make", "test", f"PYTHON={sys.executable}"], cwd=root, capture_output=True, text=True, env=env)
    assert tests.returncode == 0 and " passed" in tests.stdout and "3_gate.ipynb" in tests.stdout, tests.stdout[-3000:]
    run = sorted((root / "runs").glob("2*"))[-1]
    slices = next(item for item in json.loads((run / "verdicts.json").read_text())["verdicts"] if item["gate"] == "slices")
    assert {"question/yes", "question/no"} <= {part["score"]["metric"] for part in slices["parts"]}
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True).stdout.split()
    assert {"my_bot/slices.py", "nbs/00_slices.ipynb", ".github/workflows/ci.yml", "constraints.txt"} <= set(tracked)
    assert not any(name.startswith(("runs/", "models/")) for name in tracked)
    monkeypatch.chdir(root)
    assert mlbot("ci", "notebooks").returncode == 0


def test_columns_are_found_by_their_usual_names_or_named(tmp_path, csv_file):
    """What can be seen is not asked; what cannot be is asked for by name."""
    file = csv_file("id,Utterance,label,role,split\n1,open,a,x,train\n2,shut,oos,y,test\n")
    found = answers_for("my-bot", file)
    assert (found.text, found.intent, found.context, found.split_column, found.out_of_scope) == (
        "Utterance", "label", "role", "split", "oos")
    assert answers_for("my-bot", file, text="id").text == "id"
    for options in ({"text": "nothing"}, {"context": ["nothing"]}):
        with pytest.raises(InputError, match="no column 'nothing'"):
            answers_for("my-bot", file, **options)
    with pytest.raises(InputError, match="no column for the intent"):
        answers_for("my-bot", csv_file("text,kind\na,b\n"))
    with pytest.raises(InputError, match="no column for the intent"):
        answers_for("my-bot", csv_file("text\na\n"))


def test_the_wheel_holds_the_notebooks_that_a_project_gets(wheel):
    """A project that is begun from an installed mlbot has the same notebooks as one from a checkout."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"mlbot/explore/{path.name}" for path in project.notebooks_to_explore().glob("*.ipynb")} <= set(names)
    assert "mlbot/notebooks/3_gate.ipynb" in names and "mlbot/shipped/project/tutorial.md" in names


def test_the_project_carries_the_wheel_of_its_mlbot(hers, wheel, tmp_path, monkeypatch):
    """A colleague has no checkout of ours. The wheel that was installed goes along, and one of another version goes."""
    place = hers / "wheels" / wheel.name
    assert (hers / "requirements.txt").read_text() == f"./wheels/{wheel.name}[project]\n"
    assert place.read_bytes() == wheel.read_bytes()
    given = tmp_path / wheel.name
    given.write_bytes(b"wheel")
    (hers / "wheels" / "mlbot_ci-0.0.9-py3-none-any.whl").touch()
    monkeypatch.setattr(project, "own_origin", lambda: Origin(archive=str(given)))
    project.carry_wheel(hers)
    assert place.read_bytes() == b"wheel" and [path.name for path in (hers / "wheels").iterdir()] == [wheel.name]
    monkeypatch.setattr(project, "own_origin", lambda: Origin(git="git+https://example.org/mlbot.git@4f1c"))
    write_project(tmp_path / "other", answers_for("other", SAMPLE), SAMPLE)
    assert not (tmp_path / "other" / "wheels").exists()


@pytest.mark.parametrize("name", ["3bot", "class", "json", "mlbot", "numpy", "ü", "..."])
def test_a_name_that_cannot_be_a_package_is_refused(name):
    """Python could not import it."""
    with pytest.raises(InputError):
        package_name(name)


@pytest.mark.parametrize("name, says", [("try", "a word of Python's language"), ("json", "a module that comes with Python"),
                                        ("Test", "a module that comes with Python"), ("numpy",
                                                                                      "a package that is installed")])
def test_a_name_that_is_taken_says_by_whom_and_offers_another(name, says):
    """What was found, what was wanted, what to type; and that name is free."""
    with pytest.raises(InputError, match=f"is {says}") as told:
        package_name(name)
    assert told.value.expected == "a name that nothing else has" and f"mlbot new {name}-bot ..." in told.value.action
    assert package_name(f"{name}-bot") == f"{name.lower()}_bot"


def test_a_program_gets_each_setting_and_who_set_it(hers, mlbot, monkeypatch):
    """The same as the lines for people."""
    monkeypatch.chdir(hers)
    found = json.loads(mlbot("settings", "--json").stdout)
    assert found["data"]["source"] == {"value": "utterances.csv", "yours": True, "ships": "company"}
    changed = json.loads(mlbot("settings", "--json", "--changed").stdout)
    assert changed["data"]["tiny"]["value"] == "set_aside" and "min_rows" not in changed["data"]


def test_every_setting_is_shown_with_what_it_means(hers, mlbot, monkeypatch):
    """Who installed a wheel has no settings.ini of mlbot to look into."""
    monkeypatch.chdir(hers)
    said = mlbot("settings").stdout
    assert "source = utterances.csv    # yours; it ships as company" in said and "next: " in said
    assert "# accuracy.stretch = 0.80    # not for data of your own" in said
    told = mlbot("settings", "--changed").stdout
    assert "tiny = set_aside    # yours; it ships as refuse" in told and "min_rows" not in told and "[split]" not in told
    assert "accuracy.floor = 0.80" in said and "# minutes for all notebooks of a run;" in said and "[data]\n" in said
    assert "[extras]" not in said and "# yours:  settings.ini" in said


def test_a_folder_that_is_not_empty_is_left_alone(hers):
    """Nothing is overwritten by a second `mlbot new`."""
    with pytest.raises(InputError, match="is not empty"):
        write_project(hers, answers_for("my-bot", SAMPLE), SAMPLE)


def newer(root: Path, changes: dict[str, tuple[str, str]]) -> dict[str, str]:
    """What a newer mlbot would render."""
    files = render_project(kept_template(root)[1])
    for name, (old, new) in changes.items():
        assert old in files[name], name
        files[name] = files[name].replace(old, new)
    return files


def test_an_upgrade_takes_over_what_is_new_and_keeps_what_is_hers(hers):
    """Untouched files are renewed, files that she changed elsewhere are merged, and the rest stays hers."""
    train, make = hers / "nbs" / "pipeline" / "2_train.ipynb", hers / "Makefile"
    notebook = nbformat.read(train, 4)
    notebook.cells[-1].source += "\nprint('hers')"
    nbformat.write(notebook, train)
    make.write_text(make.read_text() + "\nhers:\n\techo hers\n")
    (hers / "README.md").unlink()
    (hers / "settings.ini").write_text((hers / "settings.ini").read_text().replace("tiny = set_aside", "tiny = refuse"))
    files = newer(hers, {"nbs/pipeline/2_train.ipynb": ("Read the learning curve", "Read the curve"),
                         "Makefile": ("mlbot run", "mlbot  run"), "README.md": ("# my-bot", "# The bot my-bot"),
                         ".gitignore": ("runs/", "runs/\nplots/"),
                         "settings.ini": ("tiny = set_aside", "tiny = set_aside\nfew_rows = 5")})
    files["tests/test_more.py"] = "def test_more():\n    assert 1 + 1 == 2\n"
    done = upgrade(hers, files)
    assert set(done.new) == {".gitignore", "tests/test_more.py"}
    assert set(done.merged) == {"nbs/pipeline/2_train.ipynb", "Makefile"}
    assert done.beside == ("settings.ini.new",) and not (hers / "README.md").exists()
    text = train.read_text()
    assert "print('hers')" in text and "Read the curve" in text and nbformat.reads(text, 4)
    assert "echo hers" in make.read_text() and "mlbot  run" in make.read_text()
    assert "tiny = refuse" in (hers / "settings.ini").read_text()
    assert "few_rows = 5" in (hers / "settings.ini.new").read_text()
    again = upgrade(hers, files)
    assert again.new == again.merged == again.beside == ()


def test_an_upgrade_to_the_same_mlbot_changes_nothing(hers, mlbot, monkeypatch):
    """Nothing to take over is said, and no file is touched."""
    monkeypatch.chdir(hers)
    before = {path: path.read_bytes() for path in hers.rglob("*") if path.is_file() and path.suffix != ".zip"}
    done = mlbot("upgrade")
    assert done.returncode == 0 and "nothing to take over" in done.stdout
    assert all(path.read_bytes() == text for path, text in before.items())
    (hers / ".mlbot-template.zip").write_bytes(b"no archive")
    assert mlbot("upgrade").returncode == 2


def test_a_merged_notebook_that_is_none_is_laid_beside(hers):
    """A merge by lines may break a notebook; then hers stays."""
    gate = hers / "nbs" / "pipeline" / "3_gate.ipynb"
    gate.write_text(gate.read_text().replace('"nbformat": 4', '"nbformat": 4 ,'))  # hers is broken already
    files = newer(hers, {"nbs/pipeline/3_gate.ipynb": ("# Gate", "# The gate")})
    done = upgrade(hers, files)
    assert done.beside == ("nbs/pipeline/3_gate.ipynb.new",) and "# The gate" not in gate.read_text()


def test_targets_out_of_reach_begin_where_the_first_model_is():
    """A red gate gets a line at or below its bound; a green one, and one that was not measured, none."""
    red = judge("accuracy", share("accuracy", [True] * 70 + [False] * 30), Target(floor=0.9))
    green = judge("macro_f1", share("macro_f1", [True] * 95 + [False] * 5), Target(floor=0.8))
    unmeasured = judge("other", share("other", []), Target(floor=0.8))
    lines = begin_at([red, green, unmeasured])
    assert lines == ("# the first model: 0.700; make it stricter as the model gets better", "accuracy.floor = 0.55")
    assert judge("accuracy", red.score, Target(floor=0.55)).red is False
    worse = judge("alarms", replace(red.score, metric="alarms", value=0.31, low=0.22, high=0.41, better="lower"),
                  Target(ceiling=0.1))
    assert begin_at([worse])[1] == "alarms.ceiling = 0.45"


def test_lines_for_targets_are_read_as_settings(tmp_path):
    """What a project begins with holds."""
    answers = ProjectAnswers("my-bot", "my_bot", "utterances.csv", "text", "intent",
                             targets=("# why", "accuracy.floor = 0.60"))
    (tmp_path / "settings.ini").write_text(render_project(answers)["settings.ini"])
    assert load_settings(tmp_path).target("accuracy").floor == 0.60


def crafted(root: Path, **answers: object) -> None:
    """Put other answers into what is kept of the template."""
    import zipfile
    files, found = kept_template(root)
    with zipfile.ZipFile(root / ".mlbot-template.zip", "w") as archive:
        archive.writestr("answers.json", json.dumps({**vars(found), **answers}))
        for name, text in files.items():
            archive.writestr(f"files/{name}", text)


@pytest.mark.parametrize("answers", [
    {"package": "../../outside"}, {"package": "/tmp/outside"}, {"package": "a/b"}, {"package": "C:x"}, {"package": "class"},
    {"package": "x\nimport os"}, {"package": ""}, {"package": 5}, {"name": 'x"""; import os #'}, {"name": "a\n[places]"},
    {"text": "text\n[places]\nmodels = /etc"}, {"context": "role\x1b[2J"}, {"targets": ["accuracy.floor = 0.6\n[places]"]},
    {"targets": ["[places]"]}, {"more": 1}, {"targets": 3},
], ids=str)
def test_mlbot_upgrade_follows_no_crafted_template_out_of_the_project(hers, mlbot, monkeypatch, answers):
    """A name that is no package, and an answer that would end a line, are refused before anything is written."""
    crafted(hers, **answers)
    monkeypatch.chdir(hers)
    before = {path: path.read_bytes() for path in hers.parent.rglob("*") if path.is_file()}
    done = mlbot("upgrade")
    assert done.returncode == 2 and "\x1b" not in done.stderr, done.stderr
    assert {path: path.read_bytes() for path in hers.parent.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt", "nbs/../../outside.txt", "C:outside.txt", "a\\..\\b",
                                  "linked/x.txt", "file.txt"])
def test_an_upgrade_writes_nothing_outside_of_the_project(hers, name):
    """Not by dots, a root, a drive or a backslash, and not through a link that lies in the project."""
    outside = hers.parent / "outside"
    outside.mkdir()
    (outside / "file.txt").write_text("secret")
    (hers / "linked").symlink_to(outside)
    (hers / "file.txt").symlink_to(outside / "file.txt")
    make = (hers / "Makefile").read_bytes()
    files = {"Makefile": "new", **render_project(kept_template(hers)[1]), name: "evil"}
    with pytest.raises(InputError, match="leads out of the folder"):
        upgrade(hers, files)
    assert (outside / "file.txt").read_text() == "secret" and len(list(outside.iterdir())) == 1
    assert (hers / "Makefile").read_bytes() == make and not (hers.parent / "outside.txt").exists()


def test_a_project_for_gitlab_has_its_file_and_says_so(tmp_path, mlbot, root, monkeypatch):
    """`--ci gitlab` writes one file, keeps the choice in settings.ini, and the README names that file."""
    monkeypatch.chdir(tmp_path)
    sample = root / "mlbot" / "shipped" / "sample" / "utterances.csv"
    done = mlbot("new", "her-bot", "--data", sample, "--no-run", "--ci", "gitlab")
    project = tmp_path / "her-bot"
    assert done.returncode == 0 and (project / ".gitlab-ci.yml").is_file() and not (project / ".github").exists()
    assert load_settings(project).ci.host == "gitlab"
    assert "`.gitlab-ci.yml`, on your machine" in (project / "README.md").read_text()


def test_workflows_are_not_written_through_a_link(hers, tmp_path):
    """A folder .github that points elsewhere is refused."""
    from mlbot.ops.workflows import write_workflows
    (tmp_path / "elsewhere").mkdir()
    (hers / ".github").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of the folder"):
        write_workflows(load_settings(hers))
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("name", ['x"""', "a;b", "a\nb", "$(touch x)", "a`b`", "a%b"])
def test_a_project_of_a_nasty_name_is_refused(name):
    """The name stands in texts, in a module and in commands."""
    with pytest.raises(InputError, match="cannot name a package"):
        package_name(name)
