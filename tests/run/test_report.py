"""The report: its first screen speaks to a client, its tables say what the gates said, and strangers' words stay words."""

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pandas as pd
import pytest

from mlbot.gates.gating import gate
from mlbot.gates.record import as_record
from mlbot.gates.verdict import Waiver, judge, judge_family
from mlbot.ops.erasure import cells_of_page, is_in, search_for
from mlbot.run import first_screen as words
from mlbot.run.folder import save_json
from mlbot.run.notebook import find_notebooks, gate_calls, is_gate, read_notebook
from mlbot.run.report import ERRORS, intents_chart, reliability, render_report, trend_points, web_file
from mlbot.settings import PACKAGE, Target, load_settings
from mlbot.stats.scores import Score, gain, recall_by_intent, share

NASTY = '"><script>alert(1)</script></style></table><img src=x onerror=alert(2)>\u202egnp.exe'
DAY = date(2026, 11, 30)


def flags(right: int, n: int) -> list[bool]:
    return [True] * right + [False] * (n - right)


def given(right=753, n=882, floor=0.8):
    """Verdicts as a run gives them: accuracy, intents, slices."""
    members = [share("card_block", flags(4, 12)), share("leave", flags(190, 200)), share("badge", flags(36, 40))]
    groups = [share("language/es", flags(2, 20)), share("language/en", flags(700, 800))]
    return [judge("accuracy", share("accuracy", flags(right, n)), Target(floor)),
            judge_family("intents", members, Target(0.4)), judge_family("slices", groups, Target(0.0))]


def champion(after):
    return judge("champion", gain("champion", flags(160, 200), after), Target(0.0))


def test_a_green_run_says_in_counts_how_good_it_is_what_is_weak_and_what_to_do():
    found = words.first_screen([*given(), champion(flags(180, 200))], "pass", "Yes: every gate is green", words.RELEASED,
                               "new", "old", suspects=3)
    assert found.decision == "Yes, it is released and answers from now on."
    assert re.fullmatch(r"753 of 882 test messages right \(8\d\.\d to 8\d\.\d %\)\.", found.right)
    better = r"Better than the model before by 10\.0 points \(\d+\.\d to \d+\.\d\), on the 200 test messages"
    assert re.match(better, found.against)
    assert str(found.weak[0]) == "card block: 4 of 12 right" and str(found.groups[0]) == "messages in Spanish: 2 of 20 right"
    assert found.close[0].startswith("card block: too few test messages to be sure (about ")
    assert found.steps[:2] == ("Add examples of card block: they are recognised least.",
                               "Check 3 examples that seem to have the wrong intent (checks.csv of this run).")
    assert not found.reasons and found.steps[2:] == ("Add examples in Spanish: clearly weaker than the rest.",)


def test_a_client_reads_no_keys_and_no_jargon():
    red = judge("oos_recall", share("oos_recall", flags(10, 100)), Target(0.7))
    found = words.first_screen([*given(700, 882, 0.9), red], "fail", "No: a gate is red", champion="")
    said = " ".join(str(item) for part in vars(found).values() for item in ([part] if isinstance(part, str) else part))
    assert "Not for this bot" in said and not re.search(r"n=|95 %|_|floor|Wilson|None|nan", said), said


def test_a_red_run_says_which_check_failed_and_who_answers_now():
    red = given(600, 882)
    found = words.first_screen(red, "fail", "No: a gate is red", champion="old")
    assert found.decision == "No, it is not released: 1 check failed. The model before goes on answering."
    assert re.fullmatch(r"Right answers: 68 % \(.*\), at least 80 % agreed\.", found.reasons[0])
    assert "to at least 80 %" in found.steps[0]
    worse = judge_family("intents", [share("card_block", flags(9, 100)), share("leave", flags(95, 100))], Target(0.4))
    found = words.first_screen([given()[0], worse], "fail", "No: a gate is red", champion="")
    assert found.reasons == ("Each intent: card block 9 of 100, at least 40 % agreed.",)
    assert found.steps[0].endswith("add or correct examples of card block.") and "No model answers yet" in found.decision


def test_a_waiver_is_part_of_the_answer():
    red = judge("accuracy", share("accuracy", flags(600, 882)), Target(0.8))
    red = replace(red, waiver=Waiver("accuracy", "Ann", "the fair is on Monday", date(2026, 12, 31), "", ""))
    found = words.first_screen([red], "pass", "Yes", words.RELEASED, champion="")
    assert found.waived[0].startswith("Ann lets it ship until 31 December 2026: the fair is on Monday. Right answers: 68 %")
    assert found.steps == ("Settle right answers before the exception ends on 31 December 2026.",) and not found.reasons


def test_against_the_model_before_has_a_sentence_for_each_case():
    def said(after, model="new", other="old"):
        return words.against_words([champion(after)], model, other)
    assert said(flags(140, 200)).startswith("Worse than the model before by 10.0 points (")
    assert said(flags(161, 200)).startswith("As good as the model before, as far as the test can tell: +0.5 points (")
    assert said(flags(180, 200), "old") == "It is the model that answers already."
    assert said(flags(180, 200), other="") == "There was no model before it to compare with."
    assert words.against_words([], "new", "old") == "It could not be compared with the model before."
    assert said(flags(180, 200), other=None) == ""


def test_a_run_that_stopped_early_decides_nothing_and_claims_nothing_about_models():
    found = words.first_screen([], "none", "No verdict: out of time")
    assert found.decision == "No decision: out of time." and found.right == "No answer was tested."
    assert found.steps[0].startswith("Ask whoever runs the pipeline") and not (found.weak or found.close or found.against)
    assert words.decision_words([], "pass", "Yes", champion="old").startswith("Nothing was decided, as asked.")
    assert words.decision_words(given(), "pass", "Yes") == "Yes, it may be released. This run was not asked to do so."
    assert "on trial" in words.decision_words(given(), "pass", "Yes", words.TRIAL)


def test_nothing_urgent_is_said_when_nothing_is():
    perfect = [judge("accuracy", share("accuracy", flags(882, 882)), Target(0.8))]
    assert words.first_screen(perfect, "pass", "Yes", words.RELEASED).steps[0].startswith("Nothing is urgent.")


def test_each_gate_that_ships_has_a_title_and_a_sentence_for_clients():
    cells = [cell for path in find_notebooks(load_settings()) for cell in read_notebook(path).cells]
    asked = {name for cell in cells if is_gate(cell) for name, _ in gate_calls(cell.source)}
    assert len(asked) > 15 and not asked - set(words.GATES)
    titles = [item.title for item in words.GATES.values()]
    assert len(set(titles)) == len(titles) and all(item.measures.endswith(".") for item in words.GATES.values())
    assert callable(gate) and words.gate_words("opening_hours").title == "Opening hours"


def write_run(folder, texts, predicted=None, context=("manager",), source="company"):
    """A run folder with answers to `texts`, of which every third is wrong."""
    folder.mkdir(parents=True)
    intents = [f"intent_{at % 7}" for at in range(len(texts))]
    answers = predicted or [f"intent_{(at + (at % 3 == 0)) % 7}" for at in range(len(texts))]
    table = pd.DataFrame({"text": texts, "intent": intents, "role": [context[0]] * len(texts), "predicted": answers,
                          "confidence": [(at % 20) / 20 for at in range(len(texts))]})
    table.to_csv(folder / "predictions.csv", index=False)
    save_json({"source": source, "snapshot": "0f3c", "split": "by hash", "context": ["role"], "findings": []},
              folder / "prepare.json")
    verdicts = given()
    save_json({"model": "new", "verdicts": list(map(as_record, verdicts))}, folder / "verdicts.json")
    save_json({"champion": "", "changes": [], "meter": "", "warnings": []}, folder / "judged.json")
    return verdicts


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of 300 messages after an earlier one, with its page; one message is hostile, and so is the project's name."""
    runs = tmp_path_factory.mktemp("runs")
    write_run(runs / "2026-11-23_090000", ["a card"] * 3)
    write_run(runs / "2026-11-24_090000", ["a card"] * 3, source="sample")
    write_run(runs / "2026-12-07_090000", ["a card"] * 3)
    (runs / "2026-11-25_090000").mkdir()
    (runs / "2026-11-25_090000" / "verdicts.json").write_text('{"model": "", "verdicts": [{"gate": "accuracy"}]}')
    folder = runs / "2026-11-30_090000"
    verdicts = write_run(folder, [NASTY, *(f"message {at} about thing {at}" for at in range(299))], context=(NASTY,))
    return folder, render(folder, verdicts)


def render(folder, verdicts, **more):
    return render_report(folder, "Yes: every gate is green", "pass", verdicts, (), "", {}, DAY, words.RELEASED, NASTY,
                         **more).read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Headings, tables and ids of a page."""

    def __init__(self, page):
        super().__init__()
        self.levels, self.tables, self.ids, self.tags = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self.ids += [attrs["id"]] if "id" in attrs else []
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "table":
            self.tables.append([])
        if tag in ("caption", "th") and self.tables:
            self.tables[-1].append((tag, attrs.get("scope")))


def test_the_page_runs_its_own_script_and_nothing_else(run):
    outline = Outline(run[1])
    script, = re.findall("<script>(.*?)</script>", run[1], re.DOTALL)
    policy = next(attrs["content"] for tag, attrs in outline.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    assert web_file("report.css")[1] in policy and not [attrs for _, attrs in outline.tags if "style" in attrs]
    assert not [attrs for _, attrs in outline.tags if any(name.startswith("on") for name in attrs)]
    assert not [attrs for _, attrs in outline.tags for name in ("src", "href") if "//" in attrs.get(name, "")]


def test_hostile_texts_and_names_stay_texts(run):
    page = run[1]
    assert "<script>alert" not in page and "<img src=x" not in page and "\u202e" not in page
    assert r"\u202egnp.exe" in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_can_be_read_by_a_screen_reader(run):
    outline = Outline(run[1])
    assert outline.levels[0] == 1 and outline.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(outline.levels, outline.levels[1:], strict=False))
    assert len(set(outline.ids)) == len(outline.ids)
    assert len(outline.tables) >= 6 and all(("caption", None) in table for table in outline.tables)
    assert all(scope in ("col", "row") for table in outline.tables for tag, scope in table if tag == "th")
    pictures = [attrs for tag, attrs in outline.tags if tag == "svg" and "chart" in attrs["class"]]
    assert len(pictures) == 3 and all(attrs["aria-label"] for attrs in pictures)


def colours(css: str) -> dict[str, tuple[float, ...]]:
    return {name: tuple(int(value * (2 if len(value) == 1 else 1), 16) / 255 for value in
                        re.findall("." if len(code) == 3 else "..", code))
            for name, code in re.findall(r"--(\w+): #([0-9a-f]{3,6});", css)}


def luminance(colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "paper"])
def test_each_colour_of_a_text_can_be_read(scheme):
    found = colours(re.findall(r":root \{(.*?)\}", (PACKAGE / "web" / "report.css").read_text(), re.DOTALL)[scheme])
    for name in ("ink", "soft", "pass", "fail", "none", "accent"):
        for behind in ("page", "panel"):
            light, dark = sorted((luminance(found[name]), luminance(found[behind])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, behind)


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    folder, page = run
    shutil.copytree(folder.parent, tmp_path / "runs")
    assert render(tmp_path / "runs" / folder.name, given()) == page


def test_the_course_holds_runs_of_the_same_source_up_to_this_one(run):
    """A later run, another source and a run that cannot be read stay out."""
    assert [point["run"] for point in trend_points(run[0])] == ["2026-11-23_090000", "2026-11-30_090000"]
    assert trend_points(run[0].parent / "2026-11-23_090000")[0]["n"] == 882 and "Over the last runs" in run[1]


def test_each_wrong_answer_is_in_the_page_the_surest_first(run):
    rows = pd.read_csv(run[0] / "predictions.csv")
    wrong = rows[rows["intent"] != rows["predicted"]].sort_values("confidence", ascending=False)
    cells = [cell for cell in cells_of_page(run[0] / "report.html") if cell.startswith("message ")]
    shown = [cell for cell in dict.fromkeys(cells) if cell in set(wrong["text"])]
    assert len(shown) == len(wrong) - 1  # one is hostile, and shown with its hidden character
    assert f"{len(wrong)} of 300 test messages got a wrong answer" in run[1]
    sure = [float(wrong.set_index("text")["confidence"][text]) for text in shown[-20:]]
    assert sure == sorted(sure, reverse=True)


def test_the_page_stays_small_and_shortens_no_text(tmp_path):
    """Four thousand wrong answers, some of them of five thousand characters: rows are left out, whole texts stay."""
    long = "x" * 5_000
    texts = [long if at % 40 == 0 else f"short {at}" for at in range(4_000)]
    verdicts = write_run(tmp_path / "2026-11-30_090000", texts, ["other"] * 4_000)
    page = render(tmp_path / "2026-11-30_090000", verdicts)
    rows = re.findall(r'<td class="example">([^<]*)</td><td class="name" data-label="right intent">', page)
    assert 500 < len(rows) <= ERRORS and len(page) < 2_000_000
    assert set(rows) <= set(texts) and "4,000 of 4,000 test messages" in page and "predictions.csv of the run all" in page


def test_erasure_finds_a_text_in_the_table_of_wrong_answers(run, tmp_path):
    """A rare one by its words, also with a hidden character; a short common one as a cell of its own."""
    texts = ["my zylo\u202ephant lost its badge", "a card", "leave"]
    folder = tmp_path / "2026-11-30_090000"
    render(folder, write_run(folder, texts, ["other"] * 3))
    page = folder / "report.html"
    rare = search_for([texts[0]], ["a badge lost my its"], b"key")
    assert is_in(page.read_bytes(), page.name, rare) and not is_in(b"<td>my badge</td>", page.name, rare)
    common = search_for(["a card"], ["I need a card"], b"key")
    assert not is_in(page.read_bytes(), page.name, common) and any(map(common.is_hers, cells_of_page(page)))
    other = search_for(["a taxi"], ["I need a taxi"], b"key")
    assert not any(map(other.is_hers, cells_of_page(page)))


def test_a_hundred_and_fifty_intents_each_have_a_dot_and_five_a_number():
    truth = [f"intent_{at % 150}" for at in range(3_000)]
    answers = [name if at % 11 else "other" for at, name in enumerate(truth)]
    found = intents_chart(recall_by_intent(truth, answers))
    assert len(found["dots"]) == 150 and [label[2] for label in found["labels"]] == list("12345")
    assert all(found["left"] <= x <= found["right"] and 0 < y <= found["bottom"] for x, y, *_ in found["dots"])


def test_the_picture_of_confidence_counts_every_answer():
    rows = pd.DataFrame({"confidence": [0.0, 0.05, 0.5, 0.95, 1.0], "right": flags(3, 5), "group": range(5)})
    found = reliability(rows)
    assert sum(row["n"] for row in found) == 5 and [row["from"] for row in found] == [0.0, 0.5, 0.9]


def test_a_page_of_nothing_is_still_a_page(tmp_path):
    """A run that ended before its first notebook, and one whose accuracy is not a number."""
    page = render_report(tmp_path, "No verdict: out of time", "none", [], (), "out of <time>").read_text()
    assert "No decision: out of time." in page and "out of &lt;time&gt;" in page and "<script>" not in page
    empty = judge("accuracy", Score("accuracy", float("nan"), 0, 0.0, 1.0), Target(0.8))
    page = render_report(tmp_path, "No verdict: quality was not measured", "none", [empty]).read_text()
    assert "Right answers: not measured." in page and "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert json.loads(json.dumps(as_record(empty)))["outcome"] == "no verdict"
