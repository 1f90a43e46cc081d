"""What programs read says what people read; pages are found, named by commands, and cite what a benchmark really printed."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pages import DOCS, PAGES, ROOT

from mlbot.cli.main import PAGES as PAGE_OF
from mlbot.cli.main import build_parser
from mlbot.errors import GateFailed, InputError, NoVerdict, OutOfTime
from mlbot.ops.guides import guides
from mlbot.ops.pages import in_terminal, page_named, pages_in

LAST = ROOT / "benchmarks" / "last"
CITED = re.compile(r"^`python3 benchmarks/(\w+)\.py`: \[what it printed\]\(\.\./\.\./\.\./benchmarks/last/(\w+)\.txt\) on "
                   r"(\S+) \(([^\n]+)\)\.$(.*?)(?=^## |^`python3|\Z)", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])|(?<![\w.,])\d*\.\d+(?![\w]|\.\d)")
UNRECORDED = {"model": 10}  # figures of a page whose run was not kept; only fewer
NO_PROSE = re.compile(r"^```[\s\S]*?^```|`[^`]*`|^    .*$|^\|.*\]\(http.*$|\]\([^)]*\)", re.MULTILINE)


def commands(parser: argparse.ArgumentParser, name: str = ""):
    """All commands below a parser, with their names."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                yield f"{name} {word}".strip(), below
                yield from commands(below, f"{name} {word}".strip())


def test_the_guides_for_programs_are_up_to_date():
    """As `mlbot export` writes them: whoever changes README, CONTRIBUTING or a page runs it."""
    for name, text in guides(ROOT).items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: python3 -m mlbot export"
    listed = re.findall(r"\]\((nbs/docs/[^)]+)\)", (ROOT / "llms.txt").read_text(encoding="utf-8"))
    assert {ROOT / place for place in listed} == set(PAGES[1:])
    agents = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    assert "<<" not in agents and all(part in agents for part in ("python3 -m mlbot export", "| 5 |", "A test can fail"))


def test_each_page_says_in_its_head_what_one_learns_and_has_a_name_of_its_own():
    pages = pages_in(DOCS)
    assert len({page.name for page in pages}) == len(pages)
    assert not [page.name for page in pages if not page.title or not 15 <= len(page.about) <= 120]
    for page in pages:
        if page.kind == "how-to":
            assert 120 <= len(page.path.read_text(encoding="utf-8").split()) <= 420, page.name


def test_every_command_and_every_kind_of_error_names_a_page_that_is_there(mlbot):
    """Also the commands of the table exist: a renamed one would lose its page."""
    known = dict(commands(build_parser()))
    made = {"commands", "settings", "gates", "http"}
    assert set(PAGE_OF) <= set(known) and len(known) > 40
    for name, parser in known.items():
        assert parser.page in made or page_named(parser.page, ROOT), name
        assert parser.format_help().endswith(f"\nmore: mlbot docs {parser.page}\n"), name
    assert all(page_named(kind.page, ROOT) for kind in (GateFailed, NoVerdict, OutOfTime))
    wrong = mlbot("data", "add", "/nowhere.csv")
    assert wrong.returncode == 2 and wrong.stderr.endswith("  more: mlbot docs your-data\n") and wrong.stderr.count("\n") <= 6
    assert mlbot("verdict", "--flor").stderr.endswith("  more: mlbot docs gates-anywhere\n")


def test_a_page_is_printed_where_one_is_and_a_wrong_name_is_met_with_the_nearest(mlbot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = mlbot("docs", "red-gate").stdout
    assert said.startswith("# A red gate") and "](" not in said and "**" not in said and "(mlbot docs no-verdict)" in said
    assert "| " not in mlbot("docs", "gates").stdout and "tier = light" in mlbot("docs", "settings").stdout
    assert "/v1/predict" in mlbot("docs", "http").stdout
    every = mlbot("docs", "--list").stdout
    assert all(f"  {page.name}" in every for page in pages_in(DOCS)) and every.index("tutorial") < every.index("red-gate")
    wrong = mlbot("docs", "red-gates")
    assert wrong.returncode == 2 and "did you mean red-gate?" in wrong.stderr
    (tmp_path / "settings.ini").write_text("[data]\nsource = sample\n")
    (tmp_path / "settings.ini").write_text("[data]\nsorce = sample\n")
    assert mlbot("runs").stderr.endswith("  more: mlbot docs settings\n") and "sorce" not in mlbot("docs", "settings").stdout
    (tmp_path / "nbs" / "docs").mkdir(parents=True)
    (tmp_path / "nbs" / "docs" / "glossary.md").write_text("# Our words\n")
    assert mlbot("docs", "glossary").stdout.startswith("# Our words")  # a project's own page before one of mlbot


def test_no_page_shows_markup_in_a_terminal():
    for page in PAGES:
        text = in_terminal(page.read_text(encoding="utf-8"))
        assert not re.search(r"```|\]\(|<form|^\|", text, re.MULTILINE), page


def test_pages_cite_what_a_benchmark_printed():
    """Day and machine are those of the kept output, and each figure below the line is in it."""
    cited = {(page, *found) for page in sorted((DOCS / "why").glob("*.md"))
             for found in CITED.findall(page.read_text(encoding="utf-8"))}
    assert {name for _, name, *_ in cited} == {path.stem for path in LAST.glob("*.txt")}
    for page, name, file, day, machine, text in cited:
        kept = (LAST / f"{file}.txt").read_text(encoding="utf-8")
        assert name == file and f"day:     {day}\n" in kept and f"machine: {machine}\n" in kept, (page, name)
        found = strange(text, kept)
        assert not found, f"{page.name}: {found} are not in benchmarks/last/{file}.txt"


def strange(text: str, kept: str) -> list[str]:
    """The figures of a text that are not in what benchmarks printed; code and rows with a published source are left out.

    A figure may be rounded, and stand in percent or in thousands: .921 for 0.9214, 5.1 % for 0.051, and 0.45 GB for 448 MB.
    """
    printed = {float(number.replace(",", "")) for number in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?|(?<![\w.])\.\d+", kept)}

    def is_printed(figure: str) -> bool:
        digits = len(figure.partition(".")[2])
        return any(abs(value * unit - float(figure.replace(",", ""))) <= 0.5000001 * 10 ** -digits
                   for value in printed for unit in ((1, 100, 0.001) if digits else (1,)))
    return [figure for figure in FIGURE.findall(NO_PROSE.sub("", text)) if not is_printed(figure)]


def test_a_section_of_any_page_that_names_a_benchmark_has_the_figures_of_its_last_run():
    for page in [ROOT / "README.md", *(page for page in DOCS.rglob("*.md") if page.parent.name != "why")]:
        found = []
        for section in re.split(r"^(?=## )", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
            files = [LAST / f"{name}.txt" for name in re.findall(r"benchmarks/(\w+)\.py", section)]
            kept = "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
            found += strange(section, kept) if files else []
        assert len(found) <= UNRECORDED.get(page.stem, 0), f"{page.name}: {found}"


def test_a_figure_that_no_benchmark_printed_would_be_found():
    assert FIGURE.findall("46.3 % of 1,615 rows, 3 times; version 3.11.7, 2026-11-30") == ["46.3", "1,615"]
    assert strange("It is .71, not 0.73; `0.5` and\n\n    2.5\n\nare code.", "found .71 of 0.721") == ["0.73"]
    assert strange("5.1 % in 0.45 GB, 5.2 % in 0.46 GB", "0.051 in 448 MB") == ["5.2", "0.46"]


def test_a_record_holds_command_day_and_machine_and_a_failed_benchmark_leaves_it(tmp_path):
    """In a copy, with a benchmark of one line."""
    home, page = tmp_path / "benchmarks", tmp_path / "nbs" / "docs" / "why" / "x.md"
    home.mkdir()
    page.parent.mkdir(parents=True)
    (home / "record.py").write_text((ROOT / "benchmarks" / "record.py").read_text(encoding="utf-8"))
    (home / "tiny.py").write_text("import sys\nprint('found 4.25')\nsys.exit(len(sys.argv) - 1)\n")
    place = "../../../benchmarks/last/tiny.txt"
    page.write_text(f"`python3 benchmarks/tiny.py`: [what it printed]({place}) on 2000-01-01 (an abacus).\n")

    def run(*words):
        return subprocess.run([sys.executable, home / "record.py", *words], capture_output=True, text=True)
    assert run("tiny").returncode == 0
    kept = (home / "last" / "tiny.txt").read_text(encoding="utf-8")
    assert kept.startswith("command: python3 benchmarks/tiny.py\nday:     20") and kept.endswith("\nfound 4.25\n")
    assert "2000-01-01" not in page.read_text() and "cores" in page.read_text()
    assert run("tiny", "fail").returncode == 1 and (home / "last" / "tiny.txt").read_text(encoding="utf-8") == kept
    assert "tiny" in run().stdout and "no benchmark" in run("none").stderr


def test_a_missing_heading_of_the_guides_is_named(tmp_path):
    (tmp_path / "README.md").write_text("# x\n\n> y\n")
    (tmp_path / "CONTRIBUTING.md").write_text("# x\n")
    with pytest.raises(InputError, match="no section 'Rules that a test holds'"):
        guides(tmp_path)


def test_the_workflow_that_publishes_the_site_is_pinned_and_gives_rights_to_one_job_alone():
    """The build runs the code of a pull request, so it may write nothing; what publishes runs no code of the checkout."""
    file = ROOT / ".github" / "workflows" / "pages.yml"
    text = file.read_text(encoding="utf-8")
    tools = Path(sys.executable).parent
    schema = [tools / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", file]
    assert subprocess.run(schema, capture_output=True).returncode == 0
    audit = subprocess.run([tools / "zizmor", "--offline", "--no-progress", file], capture_output=True, text=True)
    assert audit.returncode == 0, audit.stdout
    jobs = yaml.safe_load(text)["jobs"]
    assert all(re.fullmatch(r"[0-9a-f]{40}", pin) for pin in re.findall(r"uses: \S+@(\S+)", text))
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"} and "permissions" not in jobs["build"]
    assert jobs["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert "github.event_name != 'pull_request'" in jobs["publish"]["if"]
    assert not [step for step in jobs["publish"]["steps"] if "run" in step or "checkout" in step["uses"]]
    runs = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    assert "python3 -m mlbot docs --outputs --to _docs" in runs
    code = next(text for text in runs if "<<'END'" in text).split("\n", 1)[1].removesuffix("END\n")
    compile(code, "pages.yml", "exec")
    exec("\n".join(re.findall(r"^(?:import|from) .*", code, re.MULTILINE)), {})  # what it imports is there
