"""Every command that mlbot can print, in a next step, an error, a page or a document, is one that it understands."""

import argparse
import ast
import re
import shlex
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import pytest
from pages import PAGES

from mlbot.cli.main import build_parser

ROOT = Path(__file__).resolve().parents[2]
QUOTED = re.compile(r"`(?:python3 -m )?mlbot ([a-z][^`\n]*)(`)")
PLAIN = re.compile(r"(?:^|[\s'\"(])(?:python3 -m )?mlbot ([a-z][^\n`;,()&|<]*)()")
TEXTS = [*sorted((ROOT / "mlbot").glob("**/*.html")), *sorted((ROOT / "mlbot").glob("**/*.js")),
         *sorted((ROOT / "mlbot" / "shipped").glob("**/*.yml")), *sorted((ROOT / "mlbot" / "shipped").glob("**/*.md")),
         *PAGES, ROOT / "CONTRIBUTING.md", ROOT / "settings.ini"]


@cache
def commands() -> dict[str, argparse.ArgumentParser]:
    """Each command, and each `data` command as `data add`, with its parser."""
    def below(parser, before=""):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, child in action.choices.items():
                    yield f"{before}{name}", child
                    yield from below(child, f"{before}{name} ")
    return dict(below(build_parser()))


def strings_of(tree: ast.AST):
    """The texts of a module; what is filled in is X."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else
                          "mlbot" if "program()" in ast.unparse(part) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def complaints(text: str) -> list[str]:
    """The commands in a text that mlbot would not understand, each with why. Prose may say what mlbot does."""
    found = []
    for line, quoted in [*QUOTED.findall(text), *PLAIN.findall(text)]:
        words = re.sub(r"[.:,;]+(\s|$)", " ", line).split()
        name = " ".join(words[:2]) if " ".join(words[:2]) in commands() else words[0]
        if name not in commands():
            meant = quoted or get_close_matches(words[0], commands(), n=1, cutoff=0.85)
            found += [f"mlbot {line}: no command {words[0]!r}"] if meant else []
            continue
        parser = commands()[name]
        known = {option for action in parser._actions for option in action.option_strings}
        asked = [word.partition("=")[0].rstrip("'\".)") for word in words if re.match(r"--[a-z]", word)]
        free = name in ("predict", "retrain", "test", "lab")  # they take words for somebody else
        found += [f"mlbot {line}: no option {option}" for option in asked if option not in known and not free]
    return found


@pytest.mark.parametrize("text", ["next: mlbot runn", "do: python3 -m mlbot run --dta x", "`mlbot carry`",
                                  "mlbot data --filter x"])
def test_a_command_that_is_none_is_found(text):
    """The search would find a wrong command, and takes no sentence for one."""
    assert complaints(text) and not complaints("what mlbot writes, mlbot reads; `mlbot run --data FILE`: a run")


def test_the_commands_of_all_messages_are_understood():
    """In errors, next steps and docstrings of the library."""
    found = {}
    for path in sorted((ROOT / "mlbot").glob("**/*.py")):
        wrong = [line for text in strings_of(ast.parse(path.read_text(encoding="utf-8"))) for line in complaints(text)]
        found |= {str(path.relative_to(ROOT)): wrong} if wrong else {}
    assert not found, "\n".join(f"{path}: {line}" for path, lines in found.items() for line in lines)


def test_the_commands_of_pages_and_documents_are_understood():
    """In pages, workflows, the template of a project, README and CONTRIBUTING."""
    found = {path.name: wrong for path in TEXTS if (wrong := complaints(path.read_text(encoding="utf-8")))}
    assert not found, found


@pytest.fixture
def with_store(project, mlbot, root):
    """A project whose rows are in a store."""
    assert mlbot("data", "add", root / "mlbot" / "shipped" / "sample" / "utterances.csv").returncode == 0
    return project


QUIET = ["run --data sample --until prepare", "runs", "models", "settings", "cache", "data log", "data show", "plan",
         "score --short", "retrain --check", "forecast", "ci init", "report", "card", "audit", "blame",
         "waive accuracy --why x --until 2099-01-01", "monitor", "compare latest",
         "rollback --why x", "promote 0123456789ab", "bundle", "data diff", "judge", "token", "plan --rows 500",
         "verdict absent.json"]


@pytest.mark.parametrize("there", ["nothing", "a store"])
def test_next_steps_and_ways_out_can_be_typed_where_they_are_printed(there, project, mlbot, request):
    """In an empty folder and in one with a store, each command ends in a next step or a way out that mlbot understands."""
    if there == "a store":
        request.getfixturevalue("with_store")
    typed = []
    for line in QUIET:
        done = mlbot(*shlex.split(line))
        assert done.returncode in (0, 1, 2, 3), f"{line}: {done.stderr}"
        said = done.stdout + done.stderr
        assert "next:" in said or "  do: " in said, f"{line} ends without a next step: {said}"
        typed += re.findall(r"^(?:next:  |  do:) (.+)$", said, re.MULTILINE)
    assert not [complaint for step in typed for complaint in complaints(f" {step}")], typed
    assert len(typed) >= len(QUIET)


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_help_of_a_command_has_an_example_and_a_word_on_each_option(name):
    parser = commands()[name]
    options = [action for action in parser._actions if not isinstance(action, argparse._SubParsersAction)]
    assert f"mlbot {name}" in (parser.epilog or "") or len(options) < len(parser._actions)
    assert not [action.dest for action in options if not action.help]
