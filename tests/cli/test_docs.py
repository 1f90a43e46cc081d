"""The site is built from the project alone, works from a folder, and a dead link is the writer's error."""

import json
import re
import shutil
import subprocess

import pytest

from mlbot.cli.docs import write_notebooks
from mlbot.gates.verdict import compare
from mlbot.settings import PACKAGE
from mlbot.stats.bounds import difference_bounds, rows_to_settle
from mlbot.stats.scores import share

pytest.importorskip("myst_nb", reason="the extra docs builds the site")

PAGE = {"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# split\n\n> Decides the side"},
                  {"cell_type": "code", "id": "b", "metadata": {}, "execution_count": None,
                   "outputs": [{"output_type": "stream", "name": "stdout", "text": "what it printed\n"}],
                   "source": "#| export\ndef side():\n    return 'test'"}],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A project with one page and one notebook, as working folder."""
    (tmp_path / "nbs" / "data").mkdir(parents=True)
    (tmp_path / "nbs" / "docs").mkdir()
    (tmp_path / "nbs" / "data" / "00_split.ipynb").write_text(json.dumps(PAGE))
    (tmp_path / "nbs" / "docs" / "data.md").write_text("# Data\n\nSee [split](../data/00_split.ipynb).\n")
    (tmp_path / "README.md").write_text("# my-bot\n\nA bot. [Data](nbs/docs/data.md)\n")
    (tmp_path / "settings.ini").write_text("[data]\nsource = sample\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_site_shows_pages_notebooks_with_outputs_and_the_reference_and_fetches_nothing(small, mlbot):
    done = mlbot("docs")
    assert done.returncode == 0 and "next:   open _docs/index.html" in done.stdout, done.stderr
    site = small / "_docs"
    pages = {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert "what it printed" in pages["data/00_split.html"] and "#| export" not in pages["data/00_split.html"]
    assert "data/00_split.html" in pages["docs/data.html"] and "<title>my-bot" in pages["index.html"]
    assert "early_stop" not in pages["reference/settings.html"] and "tier" in pages["reference/settings.html"]
    assert re.search(r"<p>3</p></td>\s*<td><p>Quality could not be measured", pages["reference/commands.html"])
    assert "mlbot run" in pages["reference/commands.html"] and "/v1/predict" in pages["reference/http.html"]
    assert (site / "searchindex.js").is_file()
    for name, text in pages.items():
        tags = re.findall(r"<(?:script|img|iframe|link)\b[^>]*>", text)
        assert not [tag for tag in tags if re.search(r"(?:src|href)=\"(?:https?:)?//", tag)], name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?https?:|@import", sheet.read_text(encoding="utf-8")), sheet
    assert mlbot("docs").returncode == 0  # a second time, over the first


def test_a_dead_link_is_named_and_what_was_built_stays(small, mlbot):
    (small / "_docs").mkdir()
    (small / "_docs" / "searchindex.js").write_text("built before")
    (small / "nbs" / "docs" / "data.md").write_text("# Data\n\nSee [split](../data/99_gone.ipynb).\n")
    done = mlbot("docs")
    assert done.returncode == 2 and "docs/data.md:3" in done.stderr and "99_gone" in done.stderr
    assert (small / "_docs" / "searchindex.js").read_text() == "built before"


def test_a_folder_with_other_files_is_left_alone(small, mlbot):
    done = mlbot("docs", "--to", "nbs")
    assert done.returncode == 2 and "holds other files" in done.stderr and (small / "nbs" / "docs" / "data.md").is_file()


def test_notebooks_to_explore_show_what_they_print_only_when_asked_and_say_why_one_cannot(small, mlbot):
    """Their outputs hold messages of the data, so a site has none of them by default."""
    cell = PAGE["cells"][1] | {"outputs": [], "source": "open('../../settings.ini').read()[:6], 'a message of ours'.upper()"}
    fails = "from mlbot.errors import NoVerdict\nraise NoVerdict('there is no log yet', 'one', 'mlbot serve', 'events.db')"
    title = PAGE["cells"][0] | {"source": "# Look\n\n> What is there?\n\n- skip_exec: true\n\nReads a run."}
    (small / "nbs" / "explore").mkdir()
    for name, source in (("look", cell["source"]), ("log", fails)):
        text = json.dumps(PAGE | {"cells": [title, cell | {"source": source}]})
        (small / "nbs" / "explore" / f"{name}.ipynb").write_text(text)
    before = {path: path.read_bytes() for path in (small / "nbs").rglob("*.ipynb")}
    done = mlbot("docs", "--outputs")
    assert done.returncode == 2 and "mlbot run" in done.stderr and not (small / "_docs").exists()
    (small / "runs" / "2026-01-05_090000").mkdir(parents=True)
    (small / "runs" / "2026-01-05_090000" / "predictions.csv").write_text("text\n")
    write_notebooks(small, small / "source")
    plain = (small / "source" / "explore" / "look.ipynb").read_text(encoding="utf-8")
    assert "A MESSAGE OF OURS" not in plain and "skip_exec" not in plain and "`mlbot docs --outputs`" in plain
    page = small / "_docs" / "explore" / "look.html"
    done = mlbot("docs", "--outputs")
    assert done.returncode == 0 and "messages included" in done.stdout, done.stderr
    assert "[data]" in page.read_text(encoding="utf-8") and "A MESSAGE OF OURS" in page.read_text(encoding="utf-8")
    log = (small / "_docs" / "explore" / "log.html").read_text(encoding="utf-8")
    assert re.search(r"No outputs here:</strong> there is no log yet", log) and "Traceback" not in log
    assert {path: path.read_bytes() for path in (small / "nbs").rglob("*.ipynb")} == before


@pytest.mark.skipif(not shutil.which("node"), reason="Node.js runs the page's program")
def test_the_page_that_tries_a_verdict_says_what_mlbot_says():
    """Over sizes, shares and floors; and over pairs that broke and healed."""
    shares = [(right, n, floor) for n in (1, 7, 60, 500, 12_000) for right in {0, n // 2, n * 4 // 5, n - 1, n}
              for floor in (0.0, 0.5, 0.8, 0.97)]
    gains = [(broke, healed, n) for n in (40, 500, 5_000) for broke in (0, 1, 14, 20) for healed in (0, 3, 14, 20)]
    program = (f"const v = require({str(PACKAGE / 'shipped' / 'docs' / 'verdict.js')!r}); console.log(JSON.stringify(["
               f"{json.dumps(shares)}.map((x) => v.judgeShare(...x)), {json.dumps(gains)}.map((x) => v.judgeGain(...x))]))")
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for (right, n, floor), theirs in zip(shares, json.loads(done.stdout)[0], strict=True):
        ours = share("accuracy", [True] * right + [False] * (n - right))
        outcome, bounds = compare(ours, floor), [ours.low, ours.high, ours.at_least, ours.at_most]
        assert [theirs[end] for end in ("low", "high", "least", "most")] == pytest.approx(bounds, abs=1e-9)
        rows = rows_to_settle(ours.value, ours.at_least, ours.at_most, n, floor)
        more = max(rows - n, 1) if outcome == "too close to call" and rows else 0
        assert (theirs["outcome"], theirs["more"]) == (outcome, more), (right, n, floor)
    for (broke, healed, n), theirs in zip(gains, json.loads(done.stdout)[1], strict=True):
        low, high = difference_bounds(broke, healed, n)
        assert (theirs["least"], theirs["most"]) == pytest.approx((low, high), abs=1e-9), (broke, healed, n)
        assert theirs["outcome"] == ("pass" if low >= 0 else "fail" if high < 0 else "too close to call")


@pytest.mark.long
def test_the_site_of_this_checkout_has_no_dead_link(root, tmp_path, mlbot):
    done = mlbot("docs", "--to", tmp_path / "site", cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Gates anywhere" in (tmp_path / "site" / "docs" / "gates-anywhere.html").read_text(encoding="utf-8")
