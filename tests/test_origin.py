"""Nothing that mlbot prints or writes installs a stranger's package: `mlbot` on the package index is not ours."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from mlbot.ops.project import ProjectAnswers, render_project, requirement
from mlbot.origin import DISTRIBUTION, Origin, install_command, missing, packages_of, read_origin, shared_address

STRANGER = re.compile("|".join([
    r"(?<![-\w./])mlbot\[\w",
    r"\b(?:pip|uv|pipx|conda)\b[^\n`]*?\b(?:install|add|download)\b[^\n`]*?[\s\"'=]mlbot(?![-\w./ ])[\"'\s=<>~`]",
    r"(?:^|write_text\(f?[\"'])mlbot\s*(?:[=<>~!]=|@|\\n|$)",
    r"\bdependencies\s*=\s*\[[^]]*[\"']mlbot[\"' =<>~@]"]), re.MULTILINE)


@pytest.mark.parametrize("text", [
    "pip install 'mlbot[project]'", 'python3 -m pip install "mlbot"', "uv pip install -U mlbot\n", "uv add mlbot\n",
    "pip install mlbot==1\n", "mlbot==0.1.0\n", '"pip", "install", "mlbot"', "mlbot @ git+https://example.org/mlbot.git\n",
    'dependencies = ["numpy", "mlbot"]'])
def test_the_search_finds_the_name_that_is_not_ours(text):
    """A search that finds nothing anywhere would prove nothing."""
    assert STRANGER.search(text)


def test_no_file_of_ours_installs_a_stranger(root):
    """Code, notebooks, templates, workflows, documents: whatever a person or a machine may follow."""
    names = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True).stdout.split()
    texts = {name: (root / name).read_text(encoding="utf-8", errors="ignore") for name in names
             if name != "tests/test_origin.py" and not name.endswith((".png", ".csv", ".parquet"))}
    assert len(texts) > 300
    assert not {name: found[0] for name, text in texts.items() if (found := STRANGER.search(text))}


@pytest.mark.parametrize("origin", [Origin(), Origin(folder="/srv/mlbot", editable=True), Origin(archive="/gone/mlbot.whl"),
                                    Origin(git="git+https://example.org/mlbot.git@4f1c")])
def test_a_project_installs_from_where_mlbot_came_from(monkeypatch, origin):
    """Each file of a project that is rendered: requirements, workflows, README."""
    monkeypatch.setattr("mlbot.ops.project.own_origin", lambda: origin)
    files = render_project(ProjectAnswers("my-bot", "my_bot", "utterances.csv", "text", "intent"))
    assert not any(STRANGER.search(text) for text in files.values())
    line = files["requirements.txt"].strip()
    assert line == (f"{DISTRIBUTION}[project] @ git+https://example.org/mlbot.git@4f1c" if origin.git
                    else "./wheels/mlbot_ci-0.1.0-py3-none-any.whl[project]")


def test_what_an_installer_noted_is_read_and_nothing_odd_ends_a_command(tmp_path):
    """PEP 610: git, folder, archive; a record that is damaged counts for nothing."""
    told = {"url": "ssh://git@example.org/m.git", "vcs_info": {"vcs": "git", "commit_id": "c0"}, "subdirectory": "py"}
    assert read_origin(json.dumps(told)).git == "git+ssh://git@example.org/m.git@c0#subdirectory=py"
    for odd in ("[]", "3", '{"vcs_info": 3, "url": "x"}', '{"vcs_info": {}, "url": "x"}', "{", "null", '{"dir_info": 1}'):
        assert read_origin(odd) == Origin(), odd
    there = tmp_path / "a b"
    there.mkdir()
    assert install_command("train", read_origin(json.dumps({"url": there.as_uri(), "dir_info": {}}))) == \
        f'python3 -m pip install "{there}[train]"'
    assert install_command("data", Origin(archive="/gone/since.whl")) == \
        'python3 -m pip install ' + " ".join(f'"{line}"' for line in packages_of("data"))
    assert "'" in install_command("train", Origin(git="git+https://x.org/$HOME@c"))


@pytest.mark.parametrize("place", ["git+file:///srv/mlbot@c0", "git+https://ann:pw@example.org/m.git@c0",
                                   "git+https://t0kent0kent0kent0kent0ken@example.org/m.git@c0"])
def test_an_address_of_one_machine_or_with_a_password_is_not_passed_on(place):
    """The project carries the wheel instead."""
    assert shared_address(Origin(git=place)) == "" and requirement(Origin(git=place)).startswith("./wheels/")


def test_an_error_names_the_extra_and_the_way_to_it():
    """One error for all packages that are missing, with the command of this installation."""
    error = missing("onnxruntime", "encoder", "model")
    assert error.exit_code == 2 and error.action == install_command("encoder") and "encoder" in error.expected
    assert Path(__file__).resolve().parents[1].name in error.action  # the tests run in a checkout
