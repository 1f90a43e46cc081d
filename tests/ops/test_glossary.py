"""One word per thing: what people read keeps to the glossary, whose last column has the words that mlbot does not use."""

import ast
import json
import re
from pathlib import Path

import pytest
from pages import DOCS, ROOT

GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]*)\|$", GLOSSARY, re.MULTILINE)[1:]
REFUSED = sorted({word.strip() for *_, words in ROWS for word in words.split(",") if word.strip()})
OLD = re.compile(r"(?<![\w/-])(?:" + "|".join(word.replace(" ", r"\s+") for word in REFUSED) + r")s?(?![\w-])", re.IGNORECASE)
CODE = re.compile(r"^(`{3,}).*?^\1|\[\w+\](?!\()|``.*?``|`[^`]*`|\]\([^)]*\)|<code>.*?</code>|\{\{.*?\}\}|^ {4,}\S.*?$",
                  re.MULTILINE | re.DOTALL)
NAMES = {"mlbot/settings.py", "mlbot/ops/moved.py"}  # their strings are names of settings and of what had another name before


def prose_of(file: Path, text: str) -> list[str]:
    """What people read in a file: its sentences without code. Of Python, docstrings and whatever has three words or more."""
    if file.suffix == ".ipynb":
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
        return [CODE.sub("", source) for kind, source in cells if kind == "markdown"] + \
            re.findall(r"# .*", "\n".join(source for kind, source in cells if kind == "code"))
    if file.suffix == ".py":
        every = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
        return [CODE.sub("", re.sub(r"^ +", "", one, flags=re.MULTILINE)) for one in every
                if isinstance(one, str) and len(one.split()) > 2]
    if file.suffix in (".ini", ".yml"):
        keys = set(re.findall(r"^(\w+) *[=:]", text, re.MULTILINE))
        return [" ".join(word for word in line.split() if word not in keys) for line in re.findall(r"# .*", text)]
    if file.suffix == ".json":
        return [one for one in json.loads(text).values() if isinstance(one, str)]
    return [CODE.sub("", text)]


def read_by_people() -> list[Path]:
    """Pages, notebooks, modules, settings, templates, the pages of the bot and of the report."""
    mlbot = ROOT / "mlbot"
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "settings.ini", mlbot / "web" / "text.en.json",
            *(page for page in DOCS.rglob("*.md") if page.name != "glossary.md"), *(ROOT / "nbs").rglob("*.ipynb"),
            *(file for file in mlbot.rglob("*.py") if str(file.relative_to(ROOT)) not in NAMES),
            *(mlbot / "web").glob("*.html"), *(mlbot / "shipped").rglob("*.md"), *(mlbot / "shipped").rglob("*.ini"),
            *(mlbot / "shipped").rglob("*.yml")]


def old_words(file: Path, text: str) -> list[str]:
    """The words of the last column in what people read."""
    if not OLD.search(text):  # most files end here, unparsed
        return []
    return [found[0] for part in prose_of(file, text) for found in OLD.finditer(part)]


def test_people_read_no_word_that_the_glossary_replaces():
    found = {str(file.relative_to(ROOT)): words for file in read_by_people()
             if (words := old_words(file, file.read_text(encoding="utf-8")))}
    assert len(REFUSED) > 20 and not found, "say it with the first column of nbs/docs/glossary.md, or put a name in backticks"


@pytest.mark.parametrize("word", REFUSED)
def test_a_word_that_the_glossary_replaces_is_found_wherever_people_read(word):
    upper, broken = word.capitalize(), word.replace(" ", "\n")
    told = json.dumps({"cells": [{"cell_type": "markdown", "source": [f"Beware of {word}s."]},
                                 {"cell_type": "code", "source": [f"x = 1  # {word} is bad"]}]})
    for name, text, times in (("a.md", f"{upper} comes first, and the {broken} last.", 2), ("a.ipynb", told, 2),
                              ("a.py", f'"""One {broken} of it"""\nraise ValueError("found a {word} here")', 2),
                              ("a.ini", f"# how much {word}\nfloor = 1", 1), ("a.json", json.dumps({"x": f"a {word}"}), 1)):
        assert len(old_words(Path(name), text)) == times, (name, text)
    named = f"Take `{word.replace(' ', '_')}` or\n\n```\n{word}\n```\n"
    assert not old_words(Path("a.md"), named) and not old_words(Path("a.ini"), "# 0 < handoff\nhandoff = 1")


def test_each_word_of_the_glossary_is_used_and_has_one_row():
    pages = "\n".join(file.read_text(encoding="utf-8") for file in read_by_people() if file.suffix == ".ipynb").lower()
    words = [word.strip() for names, *_ in ROWS for word in names.split(",")]
    assert len(words) == len(set(words)) > 30
    assert not [word for word in words if word.lower() not in pages]
