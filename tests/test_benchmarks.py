"""The benchmarks run, and what they compare gives the same answers. No time is tested."""

import ast
import importlib
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pages import TEXT


def test_prediction_is_compared_with_the_pipeline(root):
    done = subprocess.run([sys.executable, "benchmarks/predict.py", "--texts", "20", "sample"], cwd=root,
                          capture_output=True, text=True)
    assert re.search(r"^sample +12 +\d+ us +[\d,]+ us +\d+\.\dx +104/104 +\de-\d\d$", done.stdout, re.MULTILINE), \
        done.stdout + done.stderr


@pytest.mark.long
def test_settings_of_the_model_are_compared_on_training_rows(root):
    command = [sys.executable, "benchmarks/model.py", "sample", "--penalty", "1", "2", "--characters", "1,4", "2,4"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    judged = r"(  0\.\d{4} / \d\.\d{3} \(0\.\d{4} / \d\.\d{3}\))"
    assert len(re.findall(rf"^sample +\(1, 2\) +\([12], 4\){judged}{{2}}$", done.stdout, re.MULTILINE)) == 2, done.stderr


def run(root, *words):
    return subprocess.run([sys.executable, *words], cwd=root, capture_output=True, text=True)


def percent(pattern, text):
    return float(re.search(pattern, text)[1])


@pytest.mark.long
def test_promises_are_broken_on_other_rows_and_withdrawn_by_labels(root):
    done = run(root, "benchmarks/promise.py", "company", "--splits", "40")
    assert percent(r"company +5% +certified +(\d+\.\d)%", done.stdout) < 15 < percent(
        r"company +5% +point +(\d+\.\d)%", done.stdout), done.stdout + done.stderr
    assert percent(r"error 3 x .* withdrawn +(\d+\.\d)%", done.stdout) > 90
    assert percent(r"error as it is .* withdrawn +(\d+\.\d)%", done.stdout) < 15


def test_a_promise_is_broken_less_than_a_point_threshold_where_the_error_of_production_is_known(root, capsys, monkeypatch):
    """A model of known error, asked 200 times; one that is always wrong starts nothing, so it breaks nothing."""
    import importlib.util

    import numpy as np
    spec = importlib.util.spec_from_file_location("benchmark_promise", root / "benchmarks" / "promise.py")
    promise = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, promise)
    spec.loader.exec_module(promise)
    dice = np.random.default_rng(3)
    sure, groups = dice.random(900), np.arange(900) // 2
    rows = promise.Rows(sure, dice.random(900) < 0.8 + 0.2 * sure, groups)
    drawn = promise.drawn_anew(rows, dice)
    assert len(np.unique(drawn.groups)) == 225 and set(np.bincount(drawn.groups)) == {2}  # half of the groups, each whole
    found = promise.Source(rows, np.empty(0), np.empty(0), np.empty(0), 0.0, None)
    promise.break_known("made", found, 0.05, 200, np.random.default_rng(0))
    told = capsys.readouterr().out
    point, certified = (percent(rf"made +5% +{way}, drawn anew +(\d+\.\d)%", told) for way in ("point", "certified"))
    assert certified < 8 and point > 30, told
    wrong = promise.Rows(sure, np.zeros(900, bool), groups)
    promise.break_known("made", promise.Source(wrong, np.empty(0), np.empty(0), np.empty(0), 0.0, None), 0.05, 5,
                        dice)
    assert percent(r"certified, drawn anew +(\d+\.\d)%", capsys.readouterr().out) == 0


@pytest.mark.long
def test_encoders_are_compared_by_kind_of_weights(root, tmp_path):
    from mlbot.model.encoder_packed import write_tiny_packed
    write_tiny_packed(tmp_path / "tiny.bin", ["i", "need", "a", "card"])
    done = run(root, "benchmarks/encoders.py", "--texts", "5", str(tmp_path / "tiny.bin"))
    near = re.findall(r"(full|8 bits|all in 8 bits)((?: +[01]\.\d{4}){3}) +\d\.\d MB +\d\.\d\d ms   36 of 36", done.stdout)
    assert [kind for kind, _ in near] == ["full", "8 bits", "all in 8 bits"], done.stderr
    assert near[0][1].split() == ["1.0000"] * 3 and all(float(one) > 0.9 for _, three in near for one in three.split())
    assert "1,112,063 characters, 0 in its table" in run(root, "benchmarks/encoders.py", "--characters",
                                                          str(tmp_path / "tiny.bin")).stdout


@pytest.mark.long
def test_gates_keep_what_was_asked_of_them(root):
    done = run(root, "benchmarks/verdicts.py", "--draws", "600")
    assert done.returncode == 0, done.stderr
    assert percent(r"mlbot: at most ([\d.]+)%", done.stdout) <= 5
    assert percent(r"mlbot: at least ([\d.]+)% where n >= 2500 and 6 %", done.stdout) >= 95
    assert percent(r"mlbot +\+?(-?[\d.]+) points", done.stdout) <= 0.1
    assert percent(r"e-value at every look ([\d.]+)%", done.stdout) <= 5
    peers = [float(share) for share in re.findall(r"(?:3|6|12)% differ +([\d.]+)%", done.stdout)][:12]
    assert len(peers) == 12 and min(peers) > 40  # new >= old


def test_the_readme_states_what_the_benchmark_prints(root):
    done = run(root, "benchmarks/verdicts.py", "--draws", "100")
    text = " ".join(TEXT.split())
    at_most = percent(r"mlbot: at most ([\d.]+)%", done.stdout)
    assert f"it blocks at most {at_most:.1f} % of the retrains" in text
    found = re.findall(r"n = +(500|2,500), +6% differ +([\d.]+)% +([\d.]+)% +([\d.]+)% +([\d.]+)%", done.stdout)
    columns = [numbers for _, *numbers in found]  # unchanged on 500 and 2,500 rows, then the loss on both
    for at, gate in enumerate(("new >= old", "margin 1 point", "MLflow, smallest", "mlbot")):
        assert f"| {gate} | {' | '.join(f'{column[at]} %' for column in columns)} |" in text
    peers = [float(share) for share in re.findall(r"(?:3|6|12)% differ +([\d.]+)%", done.stdout)][:12]
    assert f"blocks {min(peers):.0f} to {max(peers):.0f} % of the retrains" in text


@pytest.mark.long
def test_the_published_sizes_come_out_to_the_digit_and_the_promise_holds(root):
    done = run(root, "benchmarks/labels_needed.py", "--draws", "1500")
    assert done.returncode == 0 and len(re.findall(r"   yes  ", done.stdout)) == 16, done.stdout + done.stderr
    broken = [float(share) for share in re.findall(r"^(?:nothing|each outcome).*? ([\d.]+)%   \(", done.stdout, re.MULTILINE)]
    assert len(broken) == 4 and max(broken) <= 10


@pytest.mark.long
def test_runners_of_notebooks_are_compared(root):
    done = run(root, "benchmarks/gates_in_notebooks.py")
    assert re.search(r"^mlbot run +1 +\d+ +first, second, third +- +yes$", done.stdout, re.MULTILINE), done.stderr
    assert re.search(r"^mlbot, by pytest +1 +\d+ +first, second, third +4, 1 failed +yes$", done.stdout, re.MULTILINE)
    assert re.search(r"^papermill +1 +\d+ +second +- +no$", done.stdout, re.MULTILINE)


@pytest.mark.long
def test_usual_splits_move_test_rows_into_training_and_ours_do_not(root):
    done = run(root, "benchmarks/split.py", "--rows", "1500")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if "%" in line and "appended" not in line]
    rows = {line[:22].strip(): line[22:].split() for line in lines}
    for name in ("mlbot, a file", "mlbot, a store"):
        assert rows[name][:8] == ["0.0%"] * 7 + ["0"] and 20 < float(rows[name][8].removesuffix("%")) < 30
        assert rows[name][9] == "0"
    for name in ("scikit-learn, seeded", "Rasa's algorithm"):
        assert max(float(share.removesuffix("%")) for share in rows[name][:7]) > 50 and int(rows[name][7]) > 50
    assert float(rows["hash of the record"][4].removesuffix("%")) > 0 < int(rows["hash of the text"][7])
    assert int(rows["hash of the text"][9]) > 0
    found = re.search(r"^of ([\d,]+) pairs that brute force finds in [\d,]+ texts, ([\d,]+) are found; 0 others$",
                      done.stdout, re.MULTILINE)
    assert found and found[1] == found[2] != "0"


@pytest.mark.long
def test_data_does_not_grow_the_repository_and_a_batch_costs_what_it_is(root):
    done = run(root, "benchmarks/store.py", "--megabytes", "2", "--batches", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sent again: stored once, 0 bytes more" in done.stdout
    last = done.stdout.splitlines()[4].split()  # batches, CSV, store, its newest batch, seconds, project in git, ...
    assert last[0] == "4" and float(last[8]) < 0.2 < float(last[10])


@pytest.mark.long
def test_tables_made_in_parts_are_those_made_in_memory_and_by_dask(root):
    done = run(root, "benchmarks/prepare.py", "--rows", "3000", "6000", "--dask")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("made in memory: identical") == done.stdout.count("worker processes: identical") == 2
    near, without = re.findall(r"([\d,]+) training texts are near a test text, MinHash alone misses (\d+)", done.stdout)[1]
    assert int(near.replace(",", "")) > 100 and int(without) <= 1


@pytest.mark.long
def test_tiers_are_put_beside_each_other_and_answer_as_they_were_trained(root, tmp_path):
    from mlbot.model.encoder_files import write_tiny_encoder
    folder = write_tiny_encoder(tmp_path / "tiny", "i need a new card my badge the leave".split())
    done = run(root, "benchmarks/tiers.py", "--encoder", str(folder), "--texts", "20", "sample")
    for tier in ("light", "static", "encoder"):
        line = rf"^sample +{tier} +0\.\d{{4}} .* [\d,]+ us +[\d.]+x +[\d.]+ MB   (\d+)/(\d+)$"
        found = re.search(line, done.stdout, re.MULTILINE)
        assert found and found[1] == found[2] == "304", done.stdout + done.stderr


def test_few_rows_are_drawn_anew_each_time(root):
    done = run(root, "benchmarks/few_shot.py", "--shots", "4", "--seeds", "3", "sample")
    line = r"^sample +light +4 rows an intent: (0\.\d{3}) \+- (0\.\d{3}) over 3 draws \(n=104\)$"
    found = re.search(line, done.stdout, re.MULTILINE)
    assert found and 0.4 < float(found[1]) < 0.95 and float(found[2]) > 0, done.stdout + done.stderr


@pytest.mark.long
def test_the_component_for_what_is_out_of_scope_is_put_beside_simple_scores(root, public):
    public("clinc150")
    done = run(root, "benchmarks/scope.py", "--rows", "25")
    found = dict(re.findall(r"^light +(\w+) +validation AUROC (0\.\d{3})$", done.stdout, re.MULTILINE))
    assert set(found) == {"probability", "score", "lead", "energy"}, done.stdout + done.stderr
    assert float(found["score"]) >= max(map(float, found.values())) - 0.003  # versions of the libraries differ by a little
    lines = dict(re.findall(r"^light +(\w+) +test AUROC (0\.\d{3}), at its threshold", done.stdout, re.MULTILINE))
    assert set(lines) == {"labelled", "unlabelled"} and min(lines.values()) > "0.9"


@pytest.mark.long
def test_hidden_intents_are_out_of_scope_and_no_test_row_is_asked(root, public):
    public("banking77")
    done = run(root, "benchmarks/scope.py", "--hide", "0", "--sets", "banking77", "--rows", "15")
    assert re.search(r"^banking77, seed 0, 780 rows of 52 intents: AUROC probability 0\.[78]", done.stdout, re.MULTILINE), \
        done.stdout + done.stderr
    assert re.search(r"^light +unlabelled +test AUROC 0\.[78]", done.stdout, re.MULTILINE)


@pytest.mark.long
def test_many_rows_are_fitted_beside_hashing_and_svm(root):
    done = run(root, "benchmarks/scale.py", "--rows", "900", "1300", "--svc", "900")
    assert done.returncode == 0, done.stdout + done.stderr
    line = r"^ +900 +\d+ s +\d+ MB (0\.\d{4}) +\d+ s +\d+ MB (0\.\d{4}) +\d+ s +\d+ MB (0\.\d{4}) +[\d.]+x +[\d.]+x$"
    ours, svc, peer = map(float, re.search(line, done.stdout, re.MULTILINE).groups())
    assert peer < ours < svc + 0.02 and "exponent of our time over rows" in done.stdout


WRK = """Running 5s test @ http://127.0.0.1:8765/invocations
  Latency Distribution
     50%    {half}
     75%    9.99ms
     90%    9.99ms
     99%    {most}
  {answered} requests in 5.01s, 1.00KB read
{more}Requests/sec:      0.00
"""


def test_a_server_that_answers_nothing_in_time_is_asked_for_longer_and_then_named(root, monkeypatch):
    """It divided the processor time by the requests that came back, and connections that broke were no failures."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    serve = importlib.import_module("serve")
    broken = "  Socket errors: connect 0, read 0, write 0, timeout 64\n"
    none = WRK.format(half="0.00us", most="0.00us", answered=0, more=broken)
    some = WRK.format(half="1.20s", most="1.00m", answered=40, more="  Non-2xx or 3xx responses: 3\n")
    assert serve.counted(some) == serve.Load(40, 5.01, 1200, 60_000, 3) and serve.counted(none).bad == 64
    asked, printed = [], [none, some, none, none]

    def wrk(command, **_):
        asked.append(next(word for word in command if word.startswith("-d")))
        return subprocess.CompletedProcess(command, 0, printed[len(asked) - 1])
    monkeypatch.setattr(serve.subprocess, "run", wrk)
    server = serve.Server([], "/invocations", {})
    assert serve.load(8765, server, 64, 5, root).answered == 40 and asked == ["-d5", "-d20"]
    with pytest.raises(SystemExit, match="no answer within 20 s with 64 requests at once, 64 of them failed"):
        serve.load(8765, server, 64, 5, root)



@pytest.mark.long
def test_the_service_is_put_beside_a_constant(root):
    if not shutil.which("wrk"):
        pytest.skip("wrk is not here (Debian: apt install wrk)")
    done = run(root, "benchmarks/serve.py", "--only", "mlbot", "constant", "--seconds", "1", "--at-once", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^mlbot +2 at once +[\d,]+ a second +[\d,]+ us CPU .* 0 failed$", done.stdout, re.MULTILINE)
    assert re.search(r"^constant / mlbot: CPU a request \d+\.\d times", done.stdout, re.MULTILINE)


@pytest.mark.long
def test_a_message_is_put_beside_a_prediction_and_a_route_without_work(root):
    done = run(root, "benchmarks/messages.py", "--talks", "20", "--rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    line = r"^(.+?) +(\d+\.\d\d) ms a message \(.*; n = (\d+)\)$"
    counts = {name: int(n) for name, _, n in re.findall(line, done.stdout, re.MULTILINE)}
    kinds = ("first", "answer", "small talk")
    assert counts["the model's prediction alone"] == counts["over HTTP, a route without work"] == 20, done.stdout
    for place in ("in process", "over HTTP"):
        assert counts[f"{place}, first"] == 20 and min(counts[f"{place}, {kind}"] for kind in kinds) > 0
        assert counts[f"{place}, all messages"] == sum(counts[f"{place}, {kind}"] for kind in kinds)


@pytest.mark.long
def test_the_service_holds_under_faults(root):
    done = run(root, "benchmarks/faults.py", "--swaps", "4", "--kills", "10", "--requests", "300")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 promotes killed: 0 times the champion was not complete" in done.stdout
    assert re.search(r"^4 swaps: [\d,]+ answers, 0 failed or mixed, 0 going back", done.stdout, re.MULTILINE), done.stdout
    assert done.stdout.splitlines()[-1].endswith("5xx: 0"), done.stdout


@pytest.mark.long
def test_our_key_reruns_what_an_edit_can_change_and_nothing_else(root):
    done = run(root, "benchmarks/cache.py")
    assert done.returncode == 0 and "mlbot is right in 7 of 7" in done.stdout, done.stdout + done.stderr
    rows = {line[:26].strip(): line[26:].split() for line in done.stdout.splitlines()[1:8]}
    columns = "markdown|comment|output|helper function|setting it reads|setting it does not read|data".split("|")
    for name, at in (("right is", 0), ("mlbot", 1), ("a key of file hashes", -1)):
        cells = [" ".join(rows[column][at]) for column in columns]
        assert f"| {name} | {' | '.join(cells)} |" in TEXT, name


@pytest.mark.long
def test_both_architectures_give_the_same_models_and_verdicts(root):
    done = run(root, "benchmarks/architectures.py", "--weeks", "0", "--data", "sample")
    assert done.returncode == 0 and done.stdout.endswith("the same models and verdicts\n"), done.stdout + done.stderr


@pytest.mark.long
def test_kernels_start_both_ways(root):
    done = run(root, "benchmarks/kernels.py", "--kernels", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["usual", "forked", "usual"]


TINY = '''"""Prices"""
MOST = 3


def price(n: int, each: int = 2) -> int:
    """What so many cost; the first one above `MOST` is free."""
    if n < 0:
        raise ValueError("less than nothing")
    return n * each if n <= MOST else (n - 1) * each


def never(n: int) -> int:
    return n + 1
'''
WEAK = """import pytest
from mlbot.tiny import price


def test_a_price_is_right():
    assert price(2) == 4 and price(5) == 8


def test_less_than_nothing_is_refused():
    with pytest.raises(ValueError):
        price(-1)
"""


def test_each_module_of_the_mutation_run_has_code_a_notebook_and_tests(root):
    """A module that was renamed or taken apart would stop the whole run; so would a reason that speaks of none."""
    tree = ast.parse((root / "benchmarks" / "mutation.py").read_text())
    names: dict = {}
    wanted = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) or isinstance(node, ast.Assign)
              and node.targets[0].id in ("MODULES", "BESIDE") or isinstance(node, ast.FunctionDef)
              and node.name in ("file_of", "notebook_of", "files_of", "read_reviewed")]
    exec(compile(ast.Module(wanted, []), "mutation.py", "exec"), names)
    for name in names["MODULES"]:
        assert names["file_of"](root, name).is_file() and names["notebook_of"](root, name) and names["files_of"](root,
                                                                                                                 name), name
    reviewed = names["read_reviewed"](root / "benchmarks" / "mutation_reviewed.toml")
    assert {module for module, _ in reviewed} <= set(names["MODULES"])


def test_a_fault_that_no_test_notices_is_found_and_one_that_was_reviewed_is_subtracted(root, tmp_path):
    """Examples of the notebook count, your checkout stays as it is, and a second run prints the same from what was kept."""
    for folder in ("mlbot", "tests", "nbs", "benchmarks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mlbot" / "__init__.py").touch()
    (tmp_path / "mlbot" / "tiny.py").write_text(TINY)
    (tmp_path / "tests" / "test_tiny.py").write_text(WEAK)
    cells = ["#| default_exp tiny", "#| export\nfrom nowhere import exported", "assert price(3, each=5) == 15"]
    (tmp_path / "nbs" / "00_tiny.ipynb").write_text(json.dumps({"cells": [
        {"cell_type": "code", "source": [cell]} for cell in cells]}))
    (tmp_path / "benchmarks" / "mutation_reviewed.toml").write_text(
        '[[reviewed]]\nmodule = "tiny"\nfunction = "never"\nwhy = "nobody calls it"\n'
        "mutants = ['return {n + 1 => None}', 'gone {a => b}']\n")
    command = [root / "benchmarks" / "mutation.py", "--root", tmp_path, "--module", "tiny"]
    done = run(root, *command)
    survived = re.findall(r"^survived  tiny:\d+ (.*)$", done.stdout, re.MULTILINE)
    assert survived == [
        "(module): MOST = {3 => 4}", "price: if n {< => <=} 0:", "price: if n < {0 => 1}:",
        "never: return n {+ => -} 1   [no test calls it]",
        "never: return n + {1 => 2}   [no test calls it]", "never: return n + {1 => (0)}   [no test calls it]"], done.stderr
    assert "reviewed  tiny:13 never: return {n + 1 => None}   [nobody calls it]" in done.stdout
    assert "on the reviewed list, and no mutant any more: tiny never: gone {a => b}" in done.stdout and done.returncode == 1
    assert run(root, *command).stdout == done.stdout and (tmp_path / "mlbot" / "tiny.py").read_text() == TINY


def test_reading_values_is_shown_for_each_kind_and_language_beside_what_is_installed(root):
    done = run(root, "benchmarks/values.py", "--times", "1")
    assert done.returncode == 0, done.stderr
    for line in (r"^date/de [\d.]+ \(n=\d+", r"^all [01]\.\d+", "dateparser", r"^\d\.\d\d ms of CPU a message$"):
        assert re.search(line, done.stdout, re.MULTILINE), line


@pytest.mark.long
def test_conversations_are_shown_for_each_mix_beside_the_first_day(root):
    done = run(root, "benchmarks/conversations.py", "--people", "40", "--worst", "1")
    assert done.returncode == 0, done.stderr
    mixes = re.findall(r"^.+: (\d+) people, \d+ goals, [\d.]+ s of one core$", done.stdout, re.MULTILINE)
    assert len(mixes) == 3 and all(int(people) <= 40 for people in mixes)
    assert len(re.findall(r"^  got what they wanted.*%   [\d.]+% to [\d.]+%   first day +\d", done.stdout, re.MULTILINE)) == 3
    assert "  person: " in done.stdout


def test_what_intervals_cover_is_shown_line_by_line(root):
    done = run(root, "benchmarks/coverage.py", "--draws", "30", "--only", "medians")
    assert done.returncode == 0 and done.stdout.endswith("3 lines, 0 of them too low\n"), done.stdout + done.stderr
    assert len(re.findall(r"^median time +\d+ +- +9[\d.]+%|^median time +\d+ +- +100.0%", done.stdout, re.MULTILINE)) == 3


@pytest.mark.long
def test_planted_labels_are_found_beside_confident_learning(root):
    done = run(root, "benchmarks/suspects.py", "--sets", "20 x 30")
    ours = re.search(r"^random words, 20 x 30 +600 +0 +\d+ +(\d+)% +100%", done.stdout, re.MULTILINE)
    assert ours and int(ours[1]) > 50, done.stdout + done.stderr


@pytest.mark.long
def test_an_optimiser_climbs_open_rows_and_not_sealed_ones(root):
    done = run(root, "benchmarks/sealed.py", "--seeds", "4", "--tries", "150")
    found = re.findall(r"^(\w.*?) +([+-][\d.]+)  \(", done.stdout, re.MULTILINE)
    gained = {name: float(mean) for name, mean in found}
    assert gained["climber, open rows, the score"] > 2 and len(gained) == 6, done.stdout + done.stderr
    assert gained["prober, sealed rows, 20 questions (as shipped)"] <= 0.5


@pytest.fixture
def gate_peers(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("gate_peers")


def test_made_up_builds_change_what_they_say(gate_peers):
    """Retraining flips 5.5 % of the answers and costs nothing; a worse build loses 3 points; the counts are drawn alike."""
    for loss in (0.0, gate_peers.LOSS):
        before, after = gate_peers.flips(np.random.default_rng(7), 400_000, loss)
        assert before.mean() == pytest.approx(0.85, abs=0.003) and after.mean() == pytest.approx(0.85 - loss, abs=0.003)
        assert (before != after).mean() == pytest.approx(0.055 if loss == 0 else 0.083, abs=0.002)
        broke, healed = gate_peers.gains(400, loss, gate_peers.FLIPPED, 4000)
        assert broke.mean() / 400 == pytest.approx((before & ~after).mean(), abs=0.001)
        assert healed.mean() / 400 == pytest.approx((~before & after).mean(), abs=0.001)


def test_our_gate_decides_about_builds_as_the_rule_that_is_drawn_does(gate_peers, tmp_path):
    builds = gate_peers.builds_of(6)
    verdicts = gate_peers.by_mlbot(builds, tmp_path)["floor 0.80, against last green"]
    healed = [int(((build.last != build.truth) & (build.new == build.truth)).sum()) for build in builds]
    ruled = [gate_peers.surely_worse(len(build.broken), count, 400) for build, count in zip(builds, healed, strict=True)]
    assert [each.blocked for each in verdicts] == ruled and {True, False} == set(ruled)
    named, broken = gate_peers.rows_named(builds, verdicts)
    assert named == broken == 5  # rows that got worse, and no others


def test_an_exit_code_that_is_no_verdict_stops_the_comparison(gate_peers):
    for code, blocked in ((0, False), (100, True)):
        assert gate_peers.judged(subprocess.CompletedProcess("tool", code, ""), 100).blocked == blocked
    with pytest.raises(RuntimeError, match="exit code 1"):
        gate_peers.judged(subprocess.CompletedProcess("tool", 1, "cannot read rows.csv"), 100)


@pytest.mark.long
def test_gates_of_other_tools_are_put_beside_ours(root, tmp_path):
    """Each tool has its lines, or is said to be missing; a point rule blocks builds in which nothing changed."""
    asked = {"mlbot", "nbval", "deepeval", "MLflow"}
    done = run(root, "benchmarks/gate_peers.py", "--quick", "--only", *asked, "--json", str(tmp_path / "found.json"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    missing = set(re.findall(r"^(\w+) +is not installed", done.stdout, re.MULTILINE))
    assert {line["tool"] for line in found["tools"]} == asked - missing and "mlbot" not in missing
    ours = next(line for line in found["tools"] if line["rule"] == "floor 0.80, against last green")
    assert ours["blocked"][0] < 0.2 < 0.4 < ours["caught"][0] and ours["named"] == ours["broken"] == 5
    rates = found["rules"]["400, 0.055"]
    assert rates["mlbot"][0] < 0.06 < 0.35 < rates["fell"][0] and rates["mlbot"][1] < rates["fell"][1]


STAND_IN = '''
class Dataset:
    from_dict = staticmethod(dict)


class Pipeline:
    @classmethod
    def from_optimization_config(cls, settings):
        assert settings["embedder_config"]["model_name"] == "here" and settings["hpo_config"]["n_trials"] == 3
        return cls()

    def fit(self, data, refit_after):
        self.first = data["train"][0]["label"]

    def predict(self, texts):
        return [self.first if "card" in text else None for text in texts]
'''


def test_autointent_is_asked_about_the_published_test_rows_and_no_answer_counts_as_wrong(root, tmp_path):
    (tmp_path / "autointent" / "_presets").mkdir(parents=True)
    (tmp_path / "autointent" / "__init__.py").write_text(STAND_IN)
    (tmp_path / "autointent" / "_presets" / "classic-light.yaml").write_text("embedder_config: {}\nhpo_config: {}\n")
    (tmp_path / "small").mkdir()
    rows = ["my card,card,train", "a room,room,train", "his card,card,test", "a card room,room,test", "hello,room,test",
            "so what,oos,test"]
    (tmp_path / "small" / "data.csv").write_text("\n".join(["text,intent,split", *rows]))
    command = [sys.executable, "benchmarks/auto_intent.py", "--trials", "3", "--encoder", "here", "small"]
    alone = {"PATH": "/usr/bin:/bin", "MLBOT_DATA_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env={**alone, "PYTHONPATH": str(tmp_path)})
    assert "small      AutoIntent classic-light, 3 trials: 0.3333 (n=3), training" in done.stdout, done.stderr
    no_packages = [command[0], "-S", *command[1:]]
    missing = subprocess.run(no_packages, cwd=root, capture_output=True, text=True, env=alone)
    assert missing.returncode == 2 and "pip install 'autointent[sentence-transformers]'" in missing.stderr


@pytest.mark.long
def test_labels_drawn_by_weight_halve_the_width_of_the_production_estimate(root):
    done = run(root, "benchmarks/production.py", "--draws", "12", "--labels", "100", "200")
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(re.search(r"coverage at least ([\d.]+)", done.stdout)[1]) >= 0.94
    assert float(re.search(r"one in four [\d.]+ to ([\d.]+)", done.stdout)[1]) <= 0.5


@pytest.mark.long
def test_messages_given_out_as_the_curves_advise_help_the_weakest_gates_more_than_at_random(root):
    done = run(root, "benchmarks/growth.py", "--draws", "3", "--rows", "15")
    advised, random = (percent(rf"60 messages {way} *: .* % ([-+][\d.]+) points", done.stdout)
                       for way in ("as the curves advise", "at random"))
    assert done.returncode == 0 and advised > random, done.stdout + done.stderr
