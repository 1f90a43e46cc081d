"""Result files in the shapes of other versions, and cells as spreadsheets write them: the right number, or a refusal."""

import json
import math

import pytest

from mlbot.cli.results import FileVerdict, gain_verdict, gain_words, limit_option, next_command
from mlbot.cli.verdict import add_verdict
from mlbot.data.cells import decimal_mark, number_in, same_name, values_in
from mlbot.data.results import file_gain, paired, read_results, score_of
from mlbot.errors import InputError, NoVerdict

RIGHT = [True] * 5 + [False]
PROMPTFOO = [{"testIdx": at, "promptIdx": 0, "success": good, "vars": {"q": f"question {at}"}}
             for at, good in enumerate(RIGHT)]
TABLE = {"head": {"vars": ["q"]}, "body": [{"vars": [f"q{at}"], "outputs": [{"pass": good, "score": int(good)}]}
                                           for at, good in enumerate(RIGHT)]}
CASES = [{"name": f"t{at}", "input": f"in {at}", "success": good, "metrics_data": [{"name": "Relevant", "success": good}]}
         for at, good in enumerate(RIGHT)]
OLD_CASES = [{"input": f"in {at}", "success": good,
              "metricsMetadata": [{"metric": "Relevant", "success": good, "score": 0.4}]}
             for at, good in enumerate(RIGHT)]
TRACES = [{"trace_id": f"tr-{at}", "assessments": [
    {"assessment_name": "correct", "feedback": {"value": "yes" if good else "no"}},
    {"assessment_name": "truth", "expectation": {"value": "x"}}]} for at, good in enumerate(RIGHT)]
LM_EVAL = [{"doc_id": at, "doc": {}, "resps": [], "filtered_resps": [], "exact_match": float(good)}
           for at, good in enumerate(RIGHT)]
LOG = {"status": "success", "eval": {"task": "t"}, "results": {},
       "samples": [{"id": at, "score": {"value": "C" if good else "I"}} for at, good in enumerate(RIGHT)]}


@pytest.fixture
def written(tmp_path):
    """Writes a small file, text as it is, anything else as JSON, and gives its path."""
    def write(name: str, content) -> str:
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(tmp_path / name)
    return write


def junit(*cases: str, suite: str = "s") -> str:
    """A JUnit file with these elements in one suite."""
    return f'<testsuites><testsuite name="{suite}">{"".join(cases)}</testsuite></testsuites>'


def table(head: str, *rows: str) -> str:
    """A CSV of these lines, each with an id before it."""
    return f"id;{head}\n" + "".join(f"{at};{row}\n" for at, row in enumerate(rows))


@pytest.mark.parametrize("name, content, tool, metric", [
    ("table.json", {"results": {"version": 2, "results": [], "table": TABLE}}, "promptfoo", "passed"),
    ("page.json", {"table": TABLE}, "promptfoo", "passed"),
    ("run.yaml", "results:\n  results:\n" + "".join(f"  - {json.dumps(row)}\n" for row in PROMPTFOO), "promptfoo", "passed"),
    ("evaluate.json", {"test_results": CASES}, "deepeval", "Relevant"), ("list.json", CASES, "deepeval", "Relevant"),
    ("old.json", {"testCases": OLD_CASES}, "deepeval", "Relevant"), ("log.json", LOG, "inspect", "score"),
    ("samples.jsonl", "".join(json.dumps(row) + "\n" for row in LM_EVAL), "lm-eval", "exact_match"),
    ("traces.json", TRACES, "MLflow", "correct"), ("search.json", {"traces": TRACES}, "MLflow", "correct"),
    ("index.json", {str(at): {"right": good} for at, good in enumerate(RIGHT)}, "a table", "accuracy"),
    ("attributes.xml", junit(*(f'<testcase name="t{at}" status="{"passed" if good else "failed"}"/>'
                               for at, good in enumerate(RIGHT))), "JUnit", "passed"),
    ("names.xml", '<j:testsuites xmlns:j="urn:j">' + "".join(
        f'<j:testcase name="t{at}">{"" if good else "<j:failure/>"}</j:testcase>' for at, good in enumerate(RIGHT))
     + "</j:testsuites>", "JUnit", "passed"),
    ("googletest.xml", junit(*(f'<testcase name="t{at}" status="run">{"" if good else "<failure/>"}</testcase>'
                               for at, good in enumerate(RIGHT)), '<testcase name="off" status="notrun"/>'),
     "JUnit", "passed"),
    ("nunit3.xml", "<test-run>" + "".join(
        f'<test-case name="t{at}" fullname="Desk.t{at}" result="{"Passed" if good else "Failed"}"/>'
        for at, good in enumerate(RIGHT)) + '<test-case name="off" result="Inconclusive"/></test-run>', "NUnit", "passed"),
    ("nunit2.xml", "<test-results><test-suite>" + "".join(
        f'<test-case name="Desk.t{at}" executed="True" result="{"Success" if good else "Error"}"/>'
        for at, good in enumerate(RIGHT)) + "</test-suite></test-results>", "NUnit", "passed"),
    ("xunit.xml", "<assemblies><assembly><collection>" + "".join(
        f'<test name="Desk.t{at}" result="{"Pass" if good else "Fail"}"/>' for at, good in enumerate(RIGHT))
     + '<test name="Desk.off" result="Skip"/></collection></assembly></assemblies>', "xUnit.net", "passed"),
    ("run.trx", '<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>' + "".join(
        f'<UnitTestResult testName="t{at}" testId="{at}" outcome="{"Passed" if good else "Timeout"}"/>'
        for at, good in enumerate(RIGHT[:-1])) + '<UnitTestResult testName="rows" testId="9" outcome="Failed"><InnerResults>'
     f'<UnitTestResult testName="rows (1)" testId="9" outcome="{"Passed" if RIGHT[-1] else "Failed"}"/></InnerResults>'
     '</UnitTestResult></Results><TestDefinitions><UnitTest id="0"><TestMethod className="Desk, Desk" name="t0"/></UnitTest>'
     "</TestDefinitions></TestRun>", "TRX", "passed"),
    ("status.csv", table("Status;Score", *("PASS;1" if good else "ERROR;0" for good in RIGHT)), "a table", "accuracy")])
def test_each_shape_of_a_tools_files_gives_the_numbers_of_the_tool(name, content, tool, metric, written):
    """Five of six are right, whatever the version calls its fields."""
    found = read_results(written(name, content))
    values = found.metrics[metric].values
    assert (found.tool, int(values.sum())) == (tool, 5) and found.metrics[metric].flags and len(values) == 6


@pytest.mark.parametrize("content, error, says", [
    ({"results": {"version": 3, "results": [], "stats": {}}}, NoVerdict, "without a single result"),
    ({**LOG, "samples": []}, NoVerdict, "no samples"), ("<coverage><line/></coverage>", InputError, "<coverage>"),
    ({"config": {}, "suites": []}, InputError, "--reporter=junit"), ({"numTotalTests": 1, "testResults": []}, InputError,
                                                                     "jest"),
    ({"stats": {}, "results": []}, InputError, "cypress"), ({"uuid": "1", "status": "passed", "stage": ""}, InputError,
                                                            "Allure"),
    ([{"doc_id": 0, "resps": [], "word_perplexity": [-5.0, 3], "metrics": ["word_perplexity"]}], NoVerdict,
     "of the whole corpus"),
    ('text,[openai:gpt] Classify\na,[PASS] x\nb,[FAIL] y\n', InputError, "promptfoo eval --output results.json"),
    (table("tokens", "1,234", "2,345"), InputError, "no column with results")])
def test_a_file_without_rows_gets_no_verdict_and_another_kind_of_file_is_named(content, error, says, written):
    """Neither is a model that got nothing right."""
    with pytest.raises(error) as caught:
        read_results(written("file.txt", content))
    assert says in str(caught.value)


def test_tests_of_two_suites_and_cases_of_one_description_stay_apart(written):
    """One name for different questions would join them to one item."""
    two = junit('<testcase name="a"/>', suite="one") + junit('<testcase name="a"><failure/></testcase>', suite="two")
    found = read_results(written("two.xml", f"<testsuites>{two}</testsuites>"))
    assert found.metrics["passed"].items.tolist() == ["one::a", "two::a"]
    cases = [{**row, "description": "a refund"} for row in PROMPTFOO]
    assert read_results(written("cases.json", cases)).metrics["passed"].repeats == 0


@pytest.mark.parametrize("cells, values", [
    (["WAHR", "FALSCH", "ja", "nein"], [True, False] * 2), (["✓", "✗"], [True, False]), (["y", "n"], [True, False]),
    (["80%", "12,5 %"], [0.8, 0.125]), (["1.234,5", "2.000"], [1234.5, 2000]), (["1,234.5", "2,000"], [1234.5, 2000]),
    (["1'234.5", "12"], [1234.5, 12]), (["1,234,567", "1"], [1234567, True]), (["0,5", "0.7"], [0.5, 0.7]),
    (["1.234.567", "12"], [1234567, 12]), (["1 234,5", "7"], [1234.5, 7]), (["-0,125", "1,5"], [-0.125, 1.5])])
def test_cells_are_read_as_people_and_spreadsheets_write_them(cells, values):
    """Thousands, decimal commas, percent signs, and words of the language in which the spreadsheet runs."""
    assert values_in(cells) == values


@pytest.mark.parametrize("cells", [["1,234", "2,345"], ["1,234", "950"], ["0,5", "1.234"], ["1.234,5", "1,234.5"]])
def test_a_number_that_can_be_read_in_two_ways_is_refused(cells):
    """A verdict on 1.234 seconds that were 1,234 would be worse than none."""
    with pytest.raises(InputError) as caught:
        values_in(cells, "tokens", "new.csv")
    assert "tokens" in str(caught.value) and decimal_mark(cells) == ""


def test_what_no_one_writes_as_a_number_is_none():
    """And a number too large to be squared is none either, instead of a fault of ours."""
    assert all(math.isnan(number_in(cell)) for cell in ("1_0", "1,5", "one", "1.2.3", ""))
    assert [same_name(word) for word in ("7.0", " 7 ", "v1.0", "1.50", "-3.00")] == ["7", "7", "v1.0", "1.50", "-3"]


def test_whole_numbers_with_a_decimal_point_are_the_same_item_and_the_same_label(written):
    """pandas writes a column of numbers with a gap as 1.0; that made an accuracy of 0, and no item was the same."""
    labels = read_results(written("labels.csv", table("label;prediction", *(f"{at % 3};{at % 3}.0" for at in range(6)))))
    assert labels.metrics["accuracy"].values.all()
    one = read_results(written("one.csv", "id,right\n" + "".join(f"{at}.0,1\n" for at in range(6))))
    other = read_results(written("other.csv", "id,right\n" + "".join(f"{at},1\n" for at in range(6))))
    assert len(paired(one.metrics["accuracy"], other.metrics["accuracy"], ("one", "other")).before) == 6


@pytest.mark.parametrize("content, says", [
    (table("truth;predicted", "pay;Pay", "leave;leave"), "1 answers differ from the truth only in case"),
    (table("truth;predicted", "pay;0", "leave;1"), "no answer is among the true ones, such as '0' and 'pay'"),
    (table("right;weight", "1;0", "0;2"), "each row counts by its 'weight'")])
def test_what_is_odd_about_a_table_is_said(content, says, written):
    """Nobody should have to guess why a number is low."""
    assert any(says in note for note in read_results(written("table.csv", content)).notes)


def test_a_number_that_cannot_be_squared_is_an_error_of_the_file(written):
    """It ended as a fault of mlbot."""
    with pytest.raises(InputError, match="hold no result"):
        read_results(written("large.csv", table("score", "1e308", "1")))


def test_repeats_without_a_change_have_an_interval_as_wide_as_single_answers(written):
    """Fifty items that did not change say that a change is rare, and not that there is none."""
    once = "id,right\n" + "".join(f"{at},{at % 5 > 0:d}\n" for at in range(50))
    thrice = "id,right\n" + "".join(f"{at},{at % 5 > 0:d}\n" * 3 for at in range(50))
    one, other = (read_results(written(f"{len(text)}.csv", text)).metrics["accuracy"] for text in (once, thrice))
    single, repeated = file_gain(paired(one, one, ("a", "a"))), file_gain(paired(one, other, ("a", "b")))
    assert (repeated.low, repeated.high) == (single.low, single.high) and repeated.high > 0.01


def test_the_next_step_keeps_how_rows_are_read_and_asks_on_the_better_side(written, parsed):
    """A floor for seconds, or a file whose name is an option, would be an error when it is typed."""
    results = read_results(written("slow.csv", table("seconds", "12,5", "14,5")), asked=["seconds"])
    found = FileVerdict(("-slow.csv",), results, scores=(score_of(results.metrics["seconds"]),), reading=" --group 'a b'")
    assert limit_option(found) == "--ceiling seconds=14"
    assert "verdict ./-slow.csv --group 'a b' --ceiling" in next_command(found)
    equal = read_results(written("e.csv", "id,right\n" + "".join(f"{at},1\n" for at in range(30))))
    assert "is as good as old" in gain_words(gain_verdict(equal, equal, "", parsed("x.csv")), "old", "new")


@pytest.fixture
def parsed():
    """The options of `mlbot verdict` from words."""
    import argparse
    parser = argparse.ArgumentParser()
    add_verdict(parser.add_subparsers())
    return lambda *words: parser.parse_args(["verdict", *words])


@pytest.mark.parametrize("header", ["y_true;y_pred", "gold;pred", "ground_truth;answer", "expected;actual",
                                    "actual;predicted", "True Label;Predicted Label"])
def test_truth_and_prediction_are_found_under_the_names_that_libraries_give_them(header, written):
    """Each was refused for the want of a column with results."""
    found = read_results(written("t.csv", table(header, "a;a", "b;a", "b;b", "b;b"))).metrics
    assert score_of(found["accuracy"]).value == 0.75


@pytest.mark.parametrize("rows, error", [(("10.5;10.0", "20;21.5"), 1.0), (("100;103", "200;201", "300;302"), 2.0)])
def test_quantities_are_judged_by_their_distance_and_classes_with_numbers_are_not(rows, error, written):
    """Prices that were a little off had an accuracy of 0."""
    found = read_results(written("prices.csv", table("truth;predicted", *rows))).metrics
    assert list(found) == ["mean absolute error"] and found["mean absolute error"].better == "lower"
    assert score_of(found["mean absolute error"]).value == pytest.approx(error)
    digits = read_results(written("digits.csv", table("truth;predicted", "7;7", "1;7", "3;3"))).metrics
    assert list(digits) == ["accuracy"]


def test_a_column_of_weights_is_used_in_the_score_and_in_the_comparison(written):
    """It was named and not used, so that a sample drawn with weights had the number of another population."""
    def file(name: str, lost: int) -> str:
        rows = (f"{int(at % 5 > 0 and at >= lost)};{9 if at < 20 else 1}" for at in range(100))
        return written(name, table("right;weight", *rows))
    one, other = (read_results(file(f"{lost}.csv", lost)).metrics["accuracy"] for lost in (0, 20))
    assert score_of(one).value == 0.8 and score_of(other).value == pytest.approx(64 / 260)
    pairs = paired(one, other, ("a", "b"))
    assert file_gain(pairs).value == pytest.approx(-16 * 9 / 260) and file_gain(pairs).at_most < 0
    with pytest.raises(InputError, match="weight in each row"):
        read_results(written("bad.csv", table("right;weight", "1;2", "1;-1")))


@pytest.mark.parametrize("name, lower", [("wrong", True), ("failed", True), ("missed", True), ("found", False)])
def test_a_column_of_failures_is_better_when_it_is_less(name, lower, written):
    """More failures were an improvement."""
    found = read_results(written("t.csv", table(name, "0", "1")), asked=[name])
    assert found.metrics[name].better == ("lower" if lower else "higher")


def test_columns_of_pandas_and_xml_in_utf_16_are_read(written, tmp_path):
    """`DataFrame.to_json` writes columns unless told otherwise; they were taken for two rows."""
    columns = {"id": {str(at): at for at in range(6)}, "right": {str(at): good for at, good in enumerate(RIGHT)}}
    assert score_of(read_results(written("columns.json", columns)).metrics["accuracy"]).value == pytest.approx(5 / 6)
    text = '<testsuite><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>'
    (tmp_path / "junit.xml").write_bytes(text.encode("utf-16"))
    assert score_of(read_results(tmp_path / "junit.xml").metrics["passed"]).value == 0.5
