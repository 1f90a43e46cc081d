"""Result files of other tools: each row is counted once, under its item, or said to be left out; nothing else is guessed."""

import json
import math
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlbot.data import results
from mlbot.data.results import file_gain, junit_cases, moved_items, paired, parsed_xml, read_results, result_metric, score_of
from mlbot.errors import InputError, MlbotError, NoVerdict

FILES = Path(__file__).parent / "results"


@pytest.fixture
def written(tmp_path):
    """Writes a small file: a text or bytes as it is, anything else as JSON."""
    def write(name: str, content) -> Path:
        path = tmp_path / name
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        return path
    return write


def counts(found, metric: str) -> tuple[int, int, int]:
    """How many answers are right, of how many, to how many items."""
    of = found.metrics[metric]
    return int(of.values.sum()), len(of.values), len(set(of.items))


@pytest.mark.parametrize("name, tool, metric, expected", [
    ("promptfoo.json", "promptfoo", "passed", (9, 24, 12)), ("promptfoo.jsonl", "promptfoo", "passed", (2, 4, 2)),
    ("deepeval.json", "deepeval", "passed", (10, 12, 12)), ("deepeval.json", "deepeval", "Exact", (10, 12, 12)),
    ("inspect.json", "inspect", "match", (20, 24, 12)), ("mlflow.json", "MLflow", "exact", (10, 12, 12)),
    ("junit.xml", "JUnit", "passed", (13, 16, 14)), ("lm_eval_samples.jsonl", "lm-eval", "acc", None)])
def test_a_file_that_the_tool_itself_wrote_is_read_under_any_name(name, tool, metric, expected, tmp_path):
    """What it is shows in its content. `results/make.py` wrote these files with the tools."""
    for path in (FILES / name, tmp_path / "renamed.txt"):
        path.write_bytes((FILES / name).read_bytes())
        found = read_results(path)
        rows = [json.loads(line) for line in (FILES / name).read_text().splitlines()] if tool == "lm-eval" else []
        right = expected or (int(sum(row["acc"] for row in rows)), 12, 12)
        assert (found.tool, next(iter(found.metrics))) == (tool, "passed" if name == "deepeval.json" else metric)
        assert counts(found, metric) == right and found.metrics[metric].flags


def test_items_are_named_by_their_content_so_that_an_inserted_test_moves_none():
    """promptfoo numbers its tests by position; a new first test would pair each row with another one."""
    rows = json.loads((FILES / "promptfoo.json").read_text())["results"]["results"]
    later = [{**row, "testIdx": row["testIdx"] + 1} for row in rows]
    one, other = ([answer.item for answer in results.promptfoo_answers(part)] for part in (rows, later))
    assert one == other and "a new card please" in one


def test_repeats_count_as_one_cluster_however_often_an_item_is_asked():
    """Epochs, prompts, reruns: twenty answers to an item know no more than one, when they agree."""
    log = json.loads((FILES / "inspect.json").read_text())
    once = {**log, "samples": [sample for sample in log["samples"] if sample["epoch"] == 1]}
    many = {**log, "samples": once["samples"] * 20}
    few, lots = (score_of(results.gather_results("inspect", "x", results.read_inspect(part)[0]).metrics["match"])
                 for part in (once, many))
    assert lots.n == 20 * few.n and lots.value == few.value
    assert lots.high - lots.low > 0.9 * (few.high - few.low)


def test_a_run_of_inspect_that_broke_off_gets_no_verdict(written):
    """The samples that ended in time are no fair choice of all."""
    log = json.loads((FILES / "inspect.json").read_text())
    for status in ("error", "cancelled", "started"):
        with pytest.raises(NoVerdict, match=f"status '{status}'"):
            read_results(written("log.json", {**log, "status": status}))


def test_samples_without_a_score_are_left_out_and_said():
    """As inspect leaves them out of its accuracy."""
    log = json.loads((FILES / "inspect.json").read_text())
    log["samples"][0] = {"id": "q1", "epoch": 1, "error": {"message": "no answer in time"}}
    answers, said = results.read_inspect(log)
    assert len(answers) == 23 and "1 of 24 samples have no score" in said[0]


@pytest.mark.parametrize("row, value, said", [
    ({"success": False, "error": "timeout", "failureReason": 2, "score": 0}, False, True),
    ({"success": False, "error": "Expected output to contain x", "failureReason": 1, "score": 0}, False, False),
    ({"success": None, "error": "timeout", "score": 0}, False, True)])
def test_a_call_of_promptfoo_that_failed_counts_as_wrong_and_only_an_error_is_called_one(row, value, said):
    """promptfoo writes a failed assertion into `error`, too."""
    answers, notes = results.read_promptfoo([{"vars": {"text": "x"}, "testIdx": 0, **row}])
    assert answers[0].value is value and bool(notes) is said


def test_named_scores_of_promptfoo_and_partial_scores_are_metrics_of_their_own(written):
    """`score` is shown only where it says more than `passed`."""
    rows = [{"success": True, "score": 0.9, "testIdx": 0, "vars": {"a": 1, "b": 2}, "namedScores": {"tone": 0.5}},
            {"success": False, "score": 0.2, "testIdx": 1, "vars": {"a": 2, "b": 2}, "namedScores": {"tone": 1}}]
    found = read_results(written("out.json", {"results": {"version": 3, "results": rows}}))
    assert list(found.metrics) == ["passed", "tone", "score"] and found.metrics["tone"].values.tolist() == [0.5, 1.0]


def test_a_metric_of_deepeval_that_ended_in_an_error_is_said_and_not_counted(written):
    """Neither right nor wrong; the case itself did not pass."""
    case = {"input": "x", "success": False, "metricsData": [{"name": "Judge", "error": "no key", "success": None}]}
    good = {"input": "y", "success": True, "metricsData": [{"name": "Judge", "score": 0.7, "success": True}]}
    found = read_results(written("run.json", {"testRunData": {"testCases": [case, good]}}))
    assert counts(found, "passed") == (1, 2, 2) and counts(found, "Judge") == (1, 1, 1)
    assert found.metrics["Judge score"].values.tolist() == [0.7]
    assert any("error" in note for note in found.notes) and any("1 answers of Judge" in note for note in found.notes)


def test_filters_of_lm_eval_keep_their_rows_apart():
    """As its own table does: `exact_match,strict-match`."""
    row = {"doc_id": 1, "doc_hash": "ab", "resps": [], "metrics": ["exact_match"]}
    answers, _ = results.read_lm_eval([{**row, "filter": "strict", "exact_match": 0.0},
                                       {**row, "filter": "flexible", "exact_match": 1.0}])
    assert [(answer.metric, answer.value) for answer in answers] == [("exact_match,strict", 0), ("exact_match,flexible", 1)]


def test_means_without_rows_get_no_verdict_and_the_way_to_rows():
    """lm-eval's results file."""
    with pytest.raises(NoVerdict, match="means and no rows") as caught:
        read_results(FILES / "lm_eval_results.json")
    assert "--log_samples" in caught.value.action


def test_a_packed_log_of_inspect_is_read_where_python_can_and_else_names_the_command(tmp_path):
    """inspect packs with zstd, older versions without."""
    with suppress(InputError):
        assert read_results(FILES / "inspect.eval").tool == "inspect"
    log = json.loads((FILES / "inspect.json").read_text())
    samples = log.pop("samples")
    with zipfile.ZipFile(tmp_path / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(log))
        for at, sample in enumerate(samples):
            archive.writestr(f"samples/{at}.json", json.dumps(sample))
    assert counts(read_results(tmp_path / "log.eval"), "match") == (20, 24, 12)


def test_a_log_packed_with_zstd_names_the_command_that_converts_it(monkeypatch):
    """Where nothing here can read it."""
    def refuse(*_):
        raise NotImplementedError("That compression method is not supported")
    monkeypatch.setattr(zipfile.ZipFile, "read", refuse)
    with pytest.raises(InputError, match="packed with zstd") as caught:
        read_results(FILES / "inspect.eval")
    assert "inspect log convert inspect.eval --to json" in caught.value.action


def test_an_archive_that_would_fill_the_memory_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    """A zip of a few kB may hold gigabytes."""
    monkeypatch.setattr(results, "LARGEST", 1_000)
    with zipfile.ZipFile(tmp_path / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("samples/1.json", " " * 10_000)
    with pytest.raises(InputError, match="too large to unpack"):
        read_results(tmp_path / "log.eval")


@pytest.mark.parametrize("data, says", [
    (b'<!DOCTYPE t [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>', "document type"),
    (b'<!DOCTYPE t SYSTEM "file:///etc/passwd"><testsuite/>', "document type"), (b"<testsuite>", "cannot be read"),
    (b'<?xml version="1.0" encoding="nonsense"?><a/>', "cannot be read")])
def test_xml_that_could_harm_or_is_not_whole_is_refused(data, says, written):
    """No entity is ever expanded, and no file is fetched."""
    with pytest.raises(InputError, match=says) as caught:
        read_results(written("out.xml", data))
    assert caught.value.place == "out.xml"


def test_junit_counts_an_error_as_failed_a_skipped_test_not_at_all_and_repeats_together():
    """pytest-repeat numbers its repeats behind the name."""
    cases = junit_cases(parsed_xml((FILES / "junit.xml").read_bytes()))
    assert [name for name, _ in cases].count("test_bot::test_again") == 3
    found = read_results(FILES / "junit.xml")
    assert found.metrics["passed"].repeats == 2
    assert "1 of 17 tests ended in an error and count as failed" in found.notes[0] and "skipped" in found.notes[1]
    assert not any("test_service" in item for item in found.metrics["passed"].items)


def test_nothing_but_skipped_tests_gets_no_verdict(written):
    """There is no row to judge."""
    with pytest.raises(NoVerdict, match="no row with a result"):
        read_results(written("out.xml", "<testsuite><testcase name='a'><skipped/></testcase></testsuite>"))


@pytest.mark.parametrize("text, metric, values", [
    ("id,right\na,true\nb,No\n", "accuracy", [True, False]), ("ID;Correct\na;1\nb;0\n", "accuracy", [True, False]),
    ("question_id\tScore\na\t0.5\nb\t0.25\n", "score", [0.5, 0.25]), ("id;score\na;0,5\nb;3\n", "score", [0.5, 3.0]),
    ("id,truth,predicted\na,x,x\nb,x,\n", "accuracy", [True, False]),
    ("id,metric,score\na,tone,4\nb,tone,2\n", "tone", [4, 2]),
    ("id,exact/v1/score\na,1\nb,\n", "exact", [True])])
def test_tables_are_read_by_the_usual_names_of_columns(text, metric, values, written):
    """In any case, with any separator; a prediction that is missing is wrong."""
    assert read_results(written("new.csv", text)).metrics[metric].values.tolist() == values


@pytest.mark.parametrize("text, says", [
    ("id,right\na,true\nb,maybe\nc,\n", "2 cells hold no result; the first is 'maybe' in line 3"),
    ("id,score\na,nan\n", "1 cells hold no result"), ("id,score\na,inf\n", "1 cells"), ("id,score\na,1_000\n", "1 cells"),
    ("id,truth,predicted\na,,x\n", "1 cells"), ("id,grade\na,4\n", "no column with results; found: id, grade"),
    ("id,right,right\na,1,0\n", "occurs twice"), ("", "empty"), ("id,right\n\"a,1\n", "line 2")])
def test_a_table_is_refused_with_its_line_or_column_before_a_row_is_guessed(text, says, written):
    """A row left out in silence would make a model that crashes look better."""
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        read_results(written("new.csv", text))


def test_a_header_without_rows_gets_no_verdict(written):
    """Zero rows are no quality."""
    with pytest.raises(NoVerdict):
        read_results(written("new.csv", "id,right\n"))


def test_columns_that_a_person_names_are_used_and_a_wrong_name_lists_the_right_ones(written):
    """`--metric`, `--id` and `--group`."""
    path = written("new.csv", "key2,grade,team\na,4,x\nb,2,x\n")
    found = read_results(path, item="key2", group="team", asked=["grade"]).metrics["grade"]
    assert found.items.tolist() == ["a", "b"] and found.groups.tolist() == ["x", "x"]
    with pytest.raises(InputError, match="no column 'teem'") as caught:
        read_results(path, group="teem", asked=["grade"])
    assert "did you mean team?" in caught.value.expected


def test_a_field_of_a_tools_rows_can_be_the_group():
    """The metadata of inspect, the variables of promptfoo, the document of lm-eval."""
    assert set(read_results(FILES / "inspect.json", group="topic").metrics["match"].groups) == {
        "card", "password", "payslip", "leave", "printer", "room"}
    with pytest.raises(InputError, match="no field 'topics'") as caught:
        read_results(FILES / "inspect.json", group="topics")
    assert "did you mean topic?" in caught.value.expected


def test_all_answers_to_an_item_are_in_the_group_of_its_first():
    """Else repeats of one item would count as rows that have nothing to do with each other."""
    rows = [results.ResultAnswer("m", "q", True, {"user": user}) for user in ("ann", "bob")]
    assert result_metric("m", rows, "user").groups.tolist() == ["ann", "ann"]


@pytest.mark.parametrize("text", [
    "[" * 100_000, "1" * 5_000, '{"a": ' * 50_000, "nonsense", "\ud800".encode("utf-16", "surrogatepass"), b"\xff\xfe\x00",
    b'{"a": "\x80"}', "[1e999, NaN]", "{}", "[]", "null", "3", '"text"', "[[1], [2]]", '{"results": {"results": []}}',
    '{"columns": ["id"], "data": [[1, 2]]}', b"PK\x03\x04 not whole", b""], ids=range(18))
def test_what_is_no_result_file_ends_in_six_lines_and_an_exit_code(text, written):
    """Deep, huge, damaged, empty: never a traceback."""
    for name in ("x.json", "x.jsonl", "x.eval", "x"):
        with pytest.raises(MlbotError) as caught:
            read_results(written(name, text))
        assert caught.value.exit_code in (2, 3) and len(str(caught.value).splitlines()) <= 6


WORDS = """results success score testIdx vars namedScores gradingResult testCases testRunData metricsData name eval status
samples scores value id doc_id resps metrics acc filter doc columns data right truth predicted metric text label annotations
exact/value rasa_nlu_data configs""".split()
LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
                 st.sampled_from(["C", "success", "", "id", "right", "a", "0.5"]))
ANY = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) |
                   st.dictionaries(st.sampled_from(WORDS), inner, max_size=4), max_leaves=12)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANY)
@example({"eval": {}, "status": "success", "samples": [{"id": [1], "scores": {"m": {"value": {"a": {"b": "C"}}}}}]})
@example([{"success": True, "vars": [1], "testIdx": None}])
@example({"columns": [["a"], None], "data": [[1, 2]]})
@example([{"doc_id": {}, "resps": 1, "metrics": [1, None, "acc"], "acc": [1, 2]}])
@example({"testCases": [{"success": 1, "input": [{"role": "user"}], "metricsData": [{"name": None, "score": "x"}]}]})
@example([{"id": "a", "right": True}, {"id": "a", "right": None}])
def test_any_json_is_a_result_file_or_ends_in_an_error_of_ours(tmp_path, content):
    """Never a traceback, never a value that is no number."""
    path = tmp_path / "any.json"
    path.write_text(json.dumps(content))
    try:
        found = read_results(path)
    except MlbotError as error:
        assert error.exit_code in (2, 3) and len(str(error).splitlines()) <= 6
        return
    for metric in found.metrics.values():
        score = score_of(metric)
        assert len(metric.items) == len(metric.groups) == len(metric.values) > 0
        assert np.isfinite(metric.values.astype(float)).all() and score.n == len(metric.values)


def flags_of(right, name: str = "accuracy", items=None):
    """A metric of flags, with items q0, q1 and so on."""
    names = np.array([f"q{at}" for at in range(len(right))] if items is None else items, object)
    return results.ResultMetric(name, names, names, np.array(right))


def test_two_files_are_compared_by_item_whatever_their_order():
    """A shuffled file is the same file."""
    right = np.arange(60) % 3 > 0
    order = np.random.default_rng(0).permutation(60)
    shuffled = flags_of(right[order], items=[f"q{at}" for at in order])
    pairs = paired(flags_of(right), shuffled, ("a", "b"))
    assert not pairs.steps.any() and file_gain(pairs).value == 0 and moved_items(pairs) == ([], [])


def test_items_of_one_file_only_are_counted_and_none_in_common_is_an_error():
    """With an example of each, which shows why."""
    pairs = paired(flags_of([True, True, False]), flags_of([True, False]), ("a", "b"))
    assert (pairs.only_before, pairs.only_after, len(pairs.before)) == (1, 0, 2)
    with pytest.raises(InputError, match="no item of b.csv is in a.csv, such as 'x', and before 'q0'"):
        paired(flags_of([True]), flags_of([True], items=["x"]), ("a.csv", "b.csv"))


@pytest.mark.parametrize("better, sign", [("higher", 1), ("lower", -1)])
def test_a_gain_is_positive_for_the_better_side_of_flags_and_of_numbers(better, sign):
    """Less latency is a gain, and fewer alarms are."""
    for before, after in ((np.zeros(50, bool), np.ones(50, bool)), (np.full(50, 2.0), np.full(50, 3.0) + np.arange(50) / 50)):
        old, new = (results.replace(flags_of(values), better=better) for values in (before, after))
        found = file_gain(paired(old, new, ("a", "b")))
        assert math.copysign(1, found.value) == sign and found.unit == "gain"
        assert found.at_least > 0 if sign > 0 else found.at_most < 0


@pytest.mark.long
def test_a_loss_of_numbers_that_is_none_is_called_sure_in_one_of_forty_cases_at_most():
    """Two equal models on 60 items, with scores from 0 to 1; each bound of the gain takes a risk of 2.5 %."""
    dice, sure = np.random.default_rng(0), 0
    for _ in range(120):
        before, after = dice.beta(4, 2, (2, 60))
        sure += file_gain(paired(flags_of(before), flags_of(after), ("a", "b"))).at_most < 0
    assert sure <= 8  # of 120: more has a probability of one in a hundred at 2.5 %
