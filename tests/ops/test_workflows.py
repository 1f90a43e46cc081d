"""Workflows of both architectures are sound, belong to whoever changed them, and each of their commands runs here."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mlbot.errors import InputError
from mlbot.model.registry import history
from mlbot.ops.workflows import Shell, evaluate, gitlab_workflow, is_unchanged, render_workflow, run_workflow, write_workflows
from mlbot.origin import DISTRIBUTION
from mlbot.settings import load_settings

TOOLS = Path(sys.executable).parent


def written(folder: Path, architecture: str, promote: str = "release") -> dict[str, str]:
    """The workflows of an architecture, by name, for a project whose data lies in a storage account."""
    settings = load_settings(Path(__file__).parent)
    settings = replace(settings, root=folder, ci=replace(settings.ci, architecture=architecture),
                       retrain=replace(settings.retrain, promote=promote),
                       places=replace(settings.places, data="s3://bucket/data", runs=folder / "runs"))
    write_workflows(settings)
    return {path.stem: path.read_text() for path in (folder / ".github" / "workflows").glob("*.yml")}


@pytest.mark.parametrize("architecture, promote", [("inside", "release"), ("service", "release"), ("service", "propose")])
def test_each_workflow_is_sound_pinned_and_has_the_least_rights(tmp_path, architecture, promote):
    """The schema, a linter for what attackers use, and the rules that we set ourselves."""
    found = written(tmp_path, architecture, promote)
    wanted = {"ci", "comment"} | ({"retrain", "deploy", "bot"} if architecture == "service" else set())
    assert set(found) == wanted
    files = sorted((tmp_path / ".github" / "workflows").glob("*.yml"))
    schema = subprocess.run([TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files],
                            capture_output=True, text=True)
    assert schema.returncode == 0, schema.stdout
    audit = subprocess.run([TOOLS / "zizmor", "--offline", "--no-progress", *files], capture_output=True, text=True)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert [job["name"] for job in yaml.safe_load(found["ci"])["jobs"].values()] == ["code", "notebooks", "data", "quality"]
    for name, text in found.items():
        workflow = yaml.safe_load(text)
        assert workflow["permissions"] in ({}, {"contents": "read"}), name
        assert text.count("timeout-minutes:") == text.count("runs-on:"), name
        assert all(re.fullmatch(r"[0-9a-f]{40}", pin) for pin in re.findall(r"uses: \S+@(\S+)", text)), name
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                assert "${{" not in step.get("run", ""), f"an expression inside a command of {name}"
    writes = {name for name, text in found.items() if ": write" in text}
    assert writes == {"comment"} | ({"retrain"} if promote == "propose" else set())
    assert "AWS_ACCESS_KEY_ID: ${{ secrets.AWS_ACCESS_KEY_ID }}" in found["ci"]
    assert "AWS" not in found["comment"] and "checkout" not in found["comment"].replace("no code", "")


def gitlab(folder: Path, architecture: str, promote: str = "release", data: str = "data", **places) -> Path:
    """The file for GitLab of an architecture."""
    settings = load_settings(Path(__file__).parent)
    settings = replace(settings, root=folder, ci=replace(settings.ci, architecture=architecture, host="gitlab"),
                       retrain=replace(settings.retrain, promote=promote),
                       places=replace(settings.places, data=data, runs=folder / "runs", **places))
    assert write_workflows(settings).new[0] == ".gitlab-ci.yml" and not (folder / ".github").exists()
    return folder / ".gitlab-ci.yml"


def by_schema(*files: Path) -> subprocess.CompletedProcess:
    schema = ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]
    return subprocess.run([TOOLS / "check-jsonschema", *schema, *files], capture_output=True, text=True)


def asked(text: str, event: str, **inputs: str) -> set[str]:
    """The jobs that run on an event, by their rules."""
    shell = Shell(Path(), event, inputs)
    return {name for name, job in gitlab_workflow(text)["jobs"].items() if evaluate(job["if"], shell.look)}


@pytest.mark.parametrize("architecture, promote", [("inside", "release"), ("service", "release"), ("service", "propose")])
def test_the_file_for_gitlab_runs_the_same_commands(tmp_path, architecture, promote):
    """Each command of the workflows for GitHub, in the job that its event asks for."""
    text = gitlab(tmp_path, architecture, promote).read_text()
    assert is_unchanged(text)
    service = architecture == "service"
    always = {"code", "notebooks", "data", "quality"}
    assert asked(text, "pull_request") == always | ({"bot"} if service else set())
    assert asked(text, "push") == (always | {"bot", "deploy"} if service else always - {"quality"} | {"release"})
    if service:
        assert asked(text, "schedule") == {"retrain"}
        for variable, job in (("MLBOT_FORCE", "retrain"), ("MLBOT_PROMOTE", "promote"), ("MLBOT_ROLLBACK", "rollback")):
            assert asked(text, "workflow_dispatch", **{variable: "x"}) - always - {"bot"} == {job}
    commands = re.findall(r"mlbot \w+(?: \w+)?", "".join(render_workflow(name, load_settings(tmp_path)) for name in
                                                        (("ci", "retrain", "deploy") if service else ("ci",))))
    mine = {word for word in commands if word.split()[1] in ("run", "retrain", "promote", "rollback")}
    assert len(mine) > 0 and all(word in text for word in mine), mine
    assert ("merge_request.create" in text) == (promote == "propose")
    assert {"junit.xml", "verdicts.xml"} >= set(re.findall(r"junit: (\S+)", text)) and "expose_as: mlbot report" in text


def test_the_files_for_gitlab_fit_the_schema_that_gitlab_publishes(tmp_path):
    """All of them in one look; and the schema does not pass everything."""
    kinds = [("inside", "release", "data"), ("service", "release", "s3://bucket/data"), ("service", "propose", "data")]
    files = []
    for architecture, promote, data in kinds:
        (tmp_path / f"{architecture}-{promote}").mkdir()
        files.append(gitlab(tmp_path / f"{architecture}-{promote}", architecture, promote, data))
    done = by_schema(*files)
    assert done.returncode == 0, done.stdout
    (tmp_path / "weak.yml").write_text(files[0].read_text().replace("stage: release", "stage: {release: 1}"))
    assert by_schema(tmp_path / "weak.yml").returncode == 1


def test_gitlab_gives_no_key_of_a_storage_account_to_what_is_not_merged(tmp_path):
    """With data in an account, a merge request runs only what reads none of it; the file says how to protect the keys."""
    for architecture in ("inside", "service"):
        folder = tmp_path / architecture
        folder.mkdir()
        text = gitlab(folder, architecture, data="s3://bucket/data", carried="s3://bucket/carried").read_text()
        assert asked(text, "pull_request") <= {"code", "notebooks", "bot"}
        assert {"data"} < asked(text, "push") and "masked and protected" in text and "AWS_SECRET_ACCESS_KEY" in text
        assert "secrets" not in text


def test_the_jobs_of_gitlab_run_here_with_what_they_say_afterwards(tmp_path, monkeypatch):
    """A job fails at its first red command and is asked afterwards all the same; by hand, a variable chooses the job."""
    file = gitlab(tmp_path, "service", "propose")
    text = re.sub(r"- (python3 -m pip|python3 -m pytest|mlbot|node) ", r"- echo ran \1 ", file.read_text())
    text = text.replace("code=0; mlbot retrain --check || code=$?", "code=1")
    text = text.replace("- echo ran mlbot judge", "- false; echo")
    file.write_text(text)
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path)
    pushed = {(done.job, done.step): done for done in run_workflow(tmp_path, "gitlab")}
    assert pushed["quality", "quality"].code == 1 and pushed["quality", "afterwards"].code == 0
    assert "ran python3 -m pytest tests --junitxml=junit.xml" in pushed["code", "code"].said
    assert pushed["retrain", "the whole job"].code is None and "not asked for" in pushed["retrain", "the whole job"].why
    (idle, _) = run_workflow(tmp_path, "gitlab", "schedule", "retrain")
    assert idle.code == 0 and "ran mlbot retrain" not in idle.said
    (forced, _) = run_workflow(tmp_path, "gitlab", "workflow_dispatch", "retrain", {"MLBOT_FORCE": "yes"})
    assert forced.code == 1 and "ran mlbot retrain --force --junit verdicts.xml" in forced.said  # without a token it ends
    (promoted,) = run_workflow(tmp_path, "gitlab", "workflow_dispatch", "promote", {"MLBOT_PROMOTE": "$(touch owned); a b"})
    assert promoted.said.splitlines()[-1].endswith("-- $(touch owned); a b") and not (tmp_path / "owned").exists()
    with pytest.raises(InputError, match="no input 'MLBOT_FORSE'"):
        list(run_workflow(tmp_path, "gitlab", "workflow_dispatch", "", {"MLBOT_FORSE": "yes"}))


def test_workflows_follow_the_host_and_a_file_of_somebody_else_stays(tmp_path, mlbot, monkeypatch):
    """From GitHub to GitLab and to both; a .gitlab-ci.yml that mlbot has not written is never touched unasked."""
    monkeypatch.chdir(tmp_path)
    settings, file = tmp_path / "settings.ini", tmp_path / ".gitlab-ci.yml"
    file.write_text("mine: {script: [make]}\n")
    settings.write_text("[data]\nsource = sample\n[ci]\nhost = github\n")
    assert ".gitlab-ci.yml" not in mlbot("ci", "init", "--force").stdout and file.read_text().startswith("mine")
    settings.write_text("[data]\nsource = sample\n[ci]\nhost = gitlab\n")
    said = mlbot("ci", "init").stdout
    assert "left, because somebody changed it: .gitlab-ci.yml" in said and "removed: ci.yml" in said
    assert "git add .gitlab-ci.yml settings.ini" in mlbot("ci", "init", "--force").stdout and is_unchanged(file.read_text())
    settings.write_text("[data]\nsource = sample\n[ci]\nhost = both\n")
    assert "wrote: ci.yml" in mlbot("ci", "init").stdout and file.exists()
    settings.write_text("[data]\nsource = sample\n[ci]\nhost = github\n")
    assert "removed: .gitlab-ci.yml" in mlbot("ci", "init").stdout
    settings.write_text("[data]\nsource = sample\n[ci]\nhost = gitlub\n")
    assert mlbot("ci", "init").returncode == 2


def reach(text: str, event: str) -> list[str]:
    """The places of a workflow where a secret is, or could be, in reach of code that runs on an event."""
    workflow, found = yaml.safe_load(text), []
    begun = workflow[True] if isinstance(workflow[True], dict) else {workflow[True]: None}
    ref = "refs/pull/1/merge" if event.startswith("pull_request") else "refs/heads/main"
    known = {"github.event_name": event, "github.ref": ref, "always()": True, "success()": True}

    def runs(part: dict) -> bool:
        return bool(evaluate(str(part.get("if", "success()")), lambda name: known.get(name, "")))
    whole = {"workflow": {key: value for key, value in workflow.items() if key != "jobs"},
             **{name: {key: value for key, value in job.items() if key != "steps"} for name, job in workflow["jobs"].items()}}
    found += [place for place, part in whole.items() if "secrets" in str(part)]
    if event in begun:
        found += [f"{name}: {step.get('name')}" for name, job in workflow["jobs"].items() if runs(job)
                  for step in job["steps"] if runs(step) and "secrets" in str(step)]
    return found


@pytest.mark.parametrize("architecture, promote", [("inside", "release"), ("service", "release"), ("service", "propose")])
def test_no_storage_key_reaches_the_code_of_a_pull_request(tmp_path, architecture, promote):
    """Keys are in steps, in those alone that need them, and in none that runs on a pull request."""
    found = written(tmp_path, architecture, promote)
    needs = re.compile(r"mlbot (run|judge|models|retrain|promote|rollback)|node --test")
    for name, text in found.items():
        begun = yaml.safe_load(text)[True]
        assert set(begun) <= {"push", "pull_request", "workflow_dispatch", "schedule", "workflow_run"}, name
        assert reach(text, "pull_request") == reach(text, "pull_request_target") == [], name
        for job in yaml.safe_load(text)["jobs"].values():
            for step in job["steps"]:
                assert "secrets" not in str(step) or needs.search(step["run"]), (name, step)
    assert reach(found["ci"], "push") and any("AWS_SECRET_ACCESS_KEY" in text for text in found.values())
    old = found["ci"].replace("    steps:", "    env:\n      KEY: ${{ secrets.KEY }}\n    steps:", 1)
    assert reach(old, "pull_request") == ["code"]
    loose = re.sub(r"\n    if: github.event_name != 'pull_request'.*", "", found["ci"])
    assert reach(loose, "pull_request")


def test_this_repository_gives_no_secret_to_a_pull_request(root):
    """Also what somebody may have added by hand."""
    for path in (root / ".github" / "workflows").glob("*.y*ml"):
        assert reach(path.read_text(), "pull_request") == [], path.name
        assert "pull_request_target" not in path.read_text()


def test_a_folder_with_a_nasty_name_is_no_command(tmp_path):
    """The folder of runs stands in workflows: as data, not as part of a command or of the layout."""
    settings = load_settings(Path(__file__).parent)
    evil = 'runs"; touch owned; $(touch owned) `touch owned`: #\n  x'
    settings = replace(settings, root=tmp_path, ci=replace(settings.ci, architecture="service"),
                       retrain=replace(settings.retrain, promote="propose"),
                       places=replace(settings.places, runs=tmp_path / evil))
    for name in ("ci", "retrain"):
        workflow = yaml.safe_load(render_workflow(name, settings))
        steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
        assert not [step for step in steps if "touch" in step.get("run", "")]
        assert [step for step in steps if str(step.get("with", {}).get("path", "")).startswith(evil)]


def test_the_comment_that_code_of_a_pull_request_wrote_is_made_inert(tmp_path):
    """The second workflow has rights to write, so it does not trust the text: no mention, no link, no picture, no tag."""
    from tests.test_shown import NASTY, assert_inert
    text = yaml.safe_load((Path(__file__).resolve().parents[2] / ".github" / "workflows" / "comment.yml").read_text())
    lines = text["jobs"]["comment"]["steps"][0]["run"].splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("space="))
    end = next(at for at, line in enumerate(lines) if "> body.md" in line)
    command = ["bash", "-e", "-c", "\n".join(lines[start:end + 1])]
    words = NASTY.replace("\ud800", "").encode().decode()
    ours = ("!7", "**bold**", "#", "===", "```", "~5", '%"m"')
    evil = "<!-- mlbot -->\n" + " ".join(word for word in words.split() if word not in ours)
    evil += "\n\n&commat;team &#64;team a#12 ##13#14 [x](http://e.example) ![x][y]\n\n"
    evil += "[y]: //e.example/x.png\n\n<details open>\n"
    (tmp_path / "in.md").write_text(re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066]|::|##", "", evil))
    (tmp_path / "env").write_text("")
    subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ, "file": "in.md"})
    said = (tmp_path / "body.md").read_text()
    assert said.startswith("<!-- mlbot -->\n") and said.count("mlbot -->") == 1
    assert_inert(said.replace("`tick`", ""))
    honest = "<!-- mlbot -->\n## Yes: every gate is green\n\n| gate | value |\n|---|---|\n| macro_f1 | 0.9 &#64;&#8203;x |\n"
    (tmp_path / "in.md").write_text(honest)
    subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ, "file": "in.md"})
    assert (tmp_path / "body.md").read_text().replace("\u200b", "") == honest


def test_a_weak_workflow_is_found(tmp_path):
    """The linter that passes ours does not pass everything."""
    text = written(tmp_path, "inside")["ci"]
    text = text.replace("run: mlbot ci notebooks", "run: echo ${{ github.event.issue.title }}")
    text = text.replace("permissions:\n  contents: read\n", "")
    (tmp_path / "weak.yml").write_text(text.replace("on:\n  push:", "on:\n  issues:\n  push:"))
    command = [TOOLS / "zizmor", "--offline", "--no-progress", tmp_path / "weak.yml"]
    audit = subprocess.run(command, capture_output=True, text=True)
    assert audit.returncode != 0 and "template-injection" in audit.stdout


def test_the_workflows_of_this_repository_are_those_that_it_writes(root):
    """What we advise is what we use."""
    settings = load_settings(root)
    for name in ("ci", "comment"):
        assert (root / ".github" / "workflows" / f"{name}.yml").read_text() == render_workflow(name, settings)
    assert "run: python3 -m mlbot test --junitxml=junit.xml" in render_workflow("ci", settings)


def test_one_line_switches_the_architecture_and_leaves_what_somebody_changed(tmp_path, mlbot, monkeypatch):
    """Workflows come and go with the setting; one that was changed by hand stays until it is forced."""
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "settings.ini"
    settings.write_text("[data]\nsource = sample\n[ci]\narchitecture = service\n")
    assert "wrote: retrain.yml" in mlbot("ci", "init").stdout
    assert (tmp_path / "bot" / "service.test.mjs").exists()
    folder = tmp_path / ".github" / "workflows"
    deploy = folder / "deploy.yml"
    deploy.write_text(deploy.read_text().replace("timeout-minutes: 45", "timeout-minutes: 5"))
    settings.write_text(settings.read_text().replace("service", "inside"))
    said = mlbot("ci", "init").stdout
    assert "removed: retrain.yml" in said and "removed: bot.yml" in said
    assert "left, because somebody changed it: deploy.yml" in said
    assert {path.stem for path in folder.glob("*.yml")} == {"ci", "comment", "deploy"}
    assert all(is_unchanged(path.read_text()) for path in folder.glob("c*.yml"))
    settings.write_text(settings.read_text().replace("inside", "services"))
    assert mlbot("ci", "init").returncode == 2
    settings.write_text(settings.read_text().replace("services", "inside"))
    mlbot("ci", "init", "--force")
    assert {path.stem for path in folder.glob("*.yml")} == {"ci", "comment"}


@pytest.fixture
def repository(released, tmp_path_factory, mlbot, monkeypatch) -> Path:
    """A project on the sample in git, with a champion that a folder carries, and workflows of architecture service."""
    monkeypatch.setenv("PIP_NO_DEPS", "1")  # what mlbot needs is here, and pip need not look it up in each job
    shared = tmp_path_factory.mktemp("shared")
    kept = re.search(r"cache = (.*)", (released / "settings.ini").read_text())[1]
    lines = ["[gates]", "people = 50", "[data]", "source = sample", "suspects = 0", "[places]",
             f"cache = {kept}", f"carried = {shared}", "[retrain]", "promote = propose", "[ci]", "architecture = service", ""]
    (released / "settings.ini").write_text("\n".join(lines))
    (released / "requirements.txt").write_text(f"{DISTRIBUTION}\n")
    (released / "tests").mkdir()
    (released / "tests" / "test_hers.py").write_text("def test_hers():\n    assert 1 + 1 == 2\n")
    (released / ".gitignore").write_text("runs/\nmodels/\n")
    assert mlbot("models", "--push").returncode == 0 and mlbot("ci", "init").returncode == 0
    git(released, "init", "-q", "-b", "main")
    commit(released)
    return released


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words], cwd=root, check=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a state")


def steps(done) -> dict[str, str]:
    """What became of each step of `mlbot ci run`."""
    lines = [line for line in done.stdout.splitlines() if re.match(r"^\w+ {2,}\S", line) and not line.startswith("next")]
    return {line[11:61].strip(): line[61:].strip() for line in lines}


@pytest.mark.long
def test_architecture_service_runs_here_step_by_step(repository, mlbot):
    """Each command of each workflow is executed in a clone: checks, training when due, a proposal on trial, promotion."""
    done = mlbot("ci", "run")
    found = steps(done)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("Install", "Test", "Clean, in step with the package, and green", "Read, check and split the data",
                 "Fetch the champion", "Judge the champion with this code and this data"):
        assert found[name] == "ok", (name, found)
    idle = steps(mlbot("ci", "run", "--workflow", "retrain", "--event", "schedule"))
    assert idle["Is a training due?"] == "ok" and idle["Train and judge"].startswith("skipped: not asked for"), idle
    trained = steps(mlbot("ci", "run", "--workflow", "retrain", "--event", "workflow_dispatch", "--input", "force=true"))
    assert trained["Is a training due?"] == "ok" and trained["Train and judge"] == "ok", trained
    assert trained["Propose the model in a pull request"] == "skipped: needs GH_TOKEN"
    deployed = steps(mlbot("ci", "run", "--workflow", "deploy"))
    assert deployed["Put the proposal on trial"] == "ok" and deployed["Promote"].startswith("skipped: not asked for")
    champion = history(repository / "models")[-1]["model"]
    back = steps(mlbot("ci", "run", "--workflow", "deploy", "--event", "workflow_dispatch", "--input", f"model={champion}"))
    assert back["Promote"] == "ok" and back["Put the proposal on trial"].startswith("skipped")


def test_architecture_inside_runs_here_and_a_red_step_is_red(repository, mlbot):
    """A push trains and releases; a test that fails ends its job with its exit code, and it is said where to look."""
    text = (repository / "settings.ini").read_text().replace("architecture = service", "architecture = inside")
    (repository / "settings.ini").write_text(text)
    mlbot("ci", "init")
    (repository / "tests" / "test_hers.py").write_text("def test_hers():\n    assert 1 + 1 == 3\n")
    commit(repository)
    done = mlbot("ci", "run")
    found = steps(done)
    assert found["Train, judge, release"] == "ok", done.stdout + done.stderr
    assert found["Train and judge"].startswith("skipped")
    assert found["Test"] == "exit code 1" and done.returncode == 1
    assert "read what 'Test' of job code said" in done.stdout


def test_a_step_that_fails_ends_its_job_but_for_what_is_asked_for_always(tmp_path):
    """As on the other machine: nothing is released after a red step, and results are kept all the same."""
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    steps = "\n".join(f"      - {{name: {name}, run: {run}{more}}}" for name, run, more in
                      (("test", "exit 3", ""), ("release", "exit 0", ""), ("keep", "exit 0", ", if: always()")))
    (tmp_path / ".github" / "workflows" / "ci.yml").write_text(f"on: push\njobs:\n  one:\n    steps:\n{steps}\n")
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path)
    assert [(done.step, done.code) for done in run_workflow(tmp_path, "ci")] == [("test", 3), ("release", None), ("keep", 0)]


def test_what_is_not_committed_is_said_and_wrong_inputs_are_refused(tmp_path, mlbot, monkeypatch):
    """A clone sees the last commit only; an input that no workflow has is a mistake; a boolean one is a boolean."""
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "settings.ini"
    settings.write_text("[data]\nsource = sample\n[ci]\narchitecture = service\n")
    assert "nothing carries models" in mlbot("ci", "init").stdout
    (tmp_path / "requirements.txt").write_text(f"{DISTRIBUTION}\n")
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path)
    settings.write_text(settings.read_text() + "\n")
    said = mlbot("ci", "run", "--workflow", "deploy", "--job", "deploy", "--input", "rollback=true")
    found = steps(said)
    assert "note: not committed, and so not tried: settings.ini" in said.stdout
    assert found["Put the proposal on trial"].startswith("skipped") and found["Roll back"] == "exit code 2", found
    assert said.returncode == 2
    for words in (["--input", "nope=1"], ["--input", "x"]):
        assert mlbot("ci", "run", "--workflow", "deploy", *words).returncode == 2


def test_the_proposal_names_the_run_and_its_model(released, mlbot):
    """What a pull request shows is a green run; a red one cannot be proposed."""
    done = mlbot("ci", "propose")
    assert done.returncode == 0 and (released / "proposal.json").read_text().count('"') > 8
    run = sorted((released / "runs").glob("2*"))[-1]
    text = (run / "verdicts.json").read_text()
    (run / "verdicts.json").write_text(text.replace('"outcome": "pass"', '"outcome": "fail"', 1))
    assert mlbot("ci", "propose").returncode in (2, 3)


def test_notebooks_with_outputs_or_out_of_step_are_found(project, mlbot):
    """The check that runs in CI says which notebook, and what to do."""
    import nbformat
    assert mlbot("ci", "notebooks").returncode == 0
    path = project / "nbs" / "pipeline" / "2_train.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="said")]
    nbformat.write(notebook, path)
    done = mlbot("ci", "notebooks")
    assert done.returncode == 2 and "nbs/pipeline/2_train.ipynb, cell 2" in done.stderr


def test_a_module_that_was_edited_by_hand_is_out_of_step(tmp_path):
    """The notebook is the source."""
    import nbformat

    from mlbot.ops.checkout import check_notebooks
    (tmp_path / "pyproject.toml").write_text('[tool.nbdev]\nlib_path = "shop"\nnbs_path = "nbs"\n'
                                             'put_version_in_init = false\n[project]\nname = "shop"\nversion = "0.1"\n')
    (tmp_path / "nbs").mkdir()
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text('__version__ = "0.1"\n')
    cells = ["#| default_exp till", "#| export\ndef total(n):\n    return 2 * n", "assert total(2) == 4"]
    nodes = list(map(nbformat.v4.new_code_cell, cells))
    nbformat.write(nbformat.v4.new_notebook(cells=nodes), tmp_path / "nbs" / "00_till.ipynb")
    subprocess.run([TOOLS / "nbdev-export"], cwd=tmp_path, check=True, capture_output=True)
    check_notebooks(tmp_path)
    module = tmp_path / "shop" / "till.py"
    module.write_text(module.read_text().replace("2 * n", "3 * n"))
    with pytest.raises(InputError, match="shop/till.py"):
        check_notebooks(tmp_path)


@pytest.mark.parametrize("expression", ["contains(github.ref, 'x')", "github[", "1 + 1"])
def test_an_expression_that_is_not_known_is_refused(expression):
    """Nothing is guessed, and nothing but names and comparisons is ever evaluated."""
    with pytest.raises(InputError):
        evaluate(expression, lambda name: "")


@pytest.mark.skipif(not shutil.which("node"), reason="node is not here")
def test_the_bot_asks_the_service_by_the_contract(company_project, root):
    """The bot's own test passes against a real service and fails against none; without an address it is skipped."""
    from tests.serving import Service
    service = Service(company_project)
    try:
        done = subprocess.run(["node", "--test", root / "mlbot" / "web" / "service.test.mjs"], capture_output=True, text=True,
                              env=os.environ | {"MLBOT_URL": service.url})
    finally:
        service.stop()
    assert done.returncode == 0 and re.search(r"pass 3\b", done.stdout), done.stdout
