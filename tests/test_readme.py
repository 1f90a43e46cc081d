"""What the README and the pages say is what happens: each command and each example in them is run."""

import json
import re
import shlex
import subprocess
import sys

from pages import PAGES, ROOT, TEXT, TUTORIAL

from mlbot.data.table import sample_file

BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
ELSEWHERE = {"python3 -m mlbot test": "this very run", "source .venv/bin/activate": "of no use to a process",
             "mlbot data fetch banking77": "test_table has its home on a local server",
             "mlbot run --data banking77 --split-column split": "test_public", "mlbot lab": "opens a browser",
             "mlbot docs --open": "test_docs", "python3 benchmarks/auto_intent.py --trials 8 banking77": "another package",
             "mlbot report --open": "opens a browser", "mlbot recalibrate": "test_recalibrate",
             "mlbot promise": "test_promises", "python3 benchmarks/promise.py": "test_benchmarks",
             "mlbot data relabel checks.csv --why REASON": "test_relabel",
             "python3 benchmarks/languages.py": "needs an encoder of many languages",
             "python3 benchmarks/languages.py --identify": "takes minutes",
             "mlbot export": "test_checkout", "mlbot promote MODEL --unjudged --why REASON": "test_ships",
             "mlbot replay": "test_replay", "mlbot replay --policies": "test_replay",
             "mlbot waive GATE --why REASON --until DAY": "test_verdicts", "python3 benchmarks/predict.py": "test_benchmarks",
             "python3 benchmarks/verdicts.py": "test_benchmarks", "python3 benchmarks/labels_needed.py": "test_benchmarks",
             "python3 benchmarks/store.py": "test_benchmarks", "python3 benchmarks/split.py": "test_benchmarks",
             "python3 benchmarks/prepare.py": "test_benchmarks", "python3 benchmarks/tiers.py": "test_benchmarks",
             "python3 benchmarks/few_shot.py": "test_benchmarks", "python3 benchmarks/coverage.py": "test_benchmarks",
             "python3 benchmarks/scope.py": "test_benchmarks", "python3 benchmarks/gate_peers.py": "test_benchmarks",
             "mlbot benchmark utterances.csv --intent label": "test_baselines",
             "python3 benchmarks/scale.py": "test_benchmarks", "python3 benchmarks/kernels.py": "test_benchmarks",
             "python3 benchmarks/serve.py": "test_benchmarks", "python3 benchmarks/messages.py": "test_benchmarks",
             "mlbot serve --demo --train": "test_app", "mlbot token": "test_app", "mlbot token --webhooks": "test_app",
             "mlbot token --predict": "test_app", "mlbot monitor": "test_monitor",
             "mlbot rollback --why REASON": "test_app", "mlbot waive champion --why REASON --until DAY": "test_ships",
             "mlbot promote MODEL --canary 0.1": "test_app", "mlbot data erase --person NAME": "test_monitor",
             "mlbot data erase": "test_store",
             "python3 benchmarks/production.py": "test_benchmarks", "python3 benchmarks/growth.py": "test_benchmarks",
             "mlbot label": "test_app", "mlbot label --grow": "test_label_grow",
             "mlbot label --to labels.csv": "test_pages", "mlbot bundle": "test_bundle", "mlbot bundle --back": "test_bundle",
             "mlbot models --push": "test_replicate", "mlbot models --pull": "test_replicate",
             "mlbot new": "test_project", "mlbot upgrade": "test_project", "mlbot judge": "test_workflows",
             'mlbot data relabel checks.csv --why "second look"': "test_relabel",
             "mlbot data relabel checks.csv --in utterances.csv --to corrected.csv": "test_relabel",
             "mlbot data prepare": "test_chunked", "mlbot search": "test_search",
             "mlbot run --until prepare": "test_workflows", "mlbot verdict results.json --floor 0.8": "test_verdict",
             "mlbot verdict old.csv new.csv": "test_verdict", "mlbot run --sealed FOLDER": "test_budget",
             "mlbot retrain --check": "test_retrain", "mlbot retrain": "test_retrain", "mlbot forecast": "test_forecast",
             "python3 benchmarks/schedules.py": "test_retrain", "python3 benchmarks/forecast.py": "test_forecast",
             "python3 benchmarks/cache.py": "test_benchmarks", "python3 benchmarks/architectures.py": "test_benchmarks",
             "mlbot run --junit FILE.xml": "test_card", "mlbot track RUN": "test_tracking",
             "mlbot data feedback labels.csv --text text --intent intent --context role location --person person":
                 "test_pages",
             "mlbot new my-bot --data utterances.csv": "test_project", "mlbot docs": "test_docs",
             "mlbot docs http": "test_guides",
             "mlbot ci init": "test_workflows", "mlbot ci run": "test_workflows", "mlbot run --no-release": "test_run",
             "mlbot promote MODEL": "test_ships", "mlbot predict --explain": "test_predict", "mlbot verdict": "test_verdict",
             'mlbot data erase --person NAME --why "her request of 3 May"': "test_monitor",
             "mlbot data erase --again": "test_erasure", "mlbot data erase --check": "test_erasure",
             "mlbot data remove": "test_store", "mlbot data feedback": "test_feedback", "mlbot data relabel": "test_relabel",
             "mlbot retrain --force": "test_retrain", "mlbot run --minutes 60": "test_budget",
             "mlbot benchmark": "test_baselines", "mlbot data add": "test_store", "mlbot intents --propose": "test_intents",
             "mlbot intents --ordered": "test_intents", "mlbot intents": "test_intents", "mlbot whatif": "test_whatif",
             'mlbot intents --adopt ID --title "Office shuttle" --owner facilities': "test_intents",
             "mlbot whatif --threshold .9": "test_whatif", "mlbot whatif --model NAME --from 2026-10-01": "test_whatif"}


def commands():
    """Every command of the pages, in order: those in blocks and those in running text."""
    text = "\n".join(code for language, code in BLOCKS if language == "sh")
    inline = [" ".join(found.split()) for found in re.findall(r"`((?:mlbot|python3) [^`]+)`", TEXT)]
    return [line for line in [*text.splitlines(), *inline] if line.strip()]


def test_each_command_works_in_order(project, write_settings, quick_company, mlbot):
    write_settings(project, quick_company)  # all else as shipped
    lines = sample_file().read_text().splitlines()
    (project / "utterances.csv").write_text("\n".join([lines[0].replace("intent", "label"), *lines[1:]]))
    seen, answers, python_example = [], [], ""
    for command in commands():
        words = command.replace("python3 -m mlbot", "mlbot").removeprefix("mlbot ")
        if script := re.match(r"python3 (benchmarks/\w+\.py)", command):
            assert (ROOT / script[1]).is_file()  # test_benchmarks runs them
        if script or command in ELSEWHERE or words in seen:
            continue
        done = mlbot(*shlex.split(words))
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        if found := re.fullmatch(r'predict "(.+)" --role (\w+)', words):
            answers.append((found[1], re.search(r"#+ +(\w+)", done.stdout)[1]))
        if len(answers) == 2 and not python_example:
            example = next(code for language, code in BLOCKS if language == "python" and "mlbot.load" in code)
            python_example = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True).stdout
        if words == "blame":
            assert done.stdout.splitlines()[1] in " ".join(TEXT.split())
            told = json.loads(mlbot("blame", "--json").stdout)
            assert told["sentence"] == done.stdout.splitlines()[1] and told["advice"] and told["old"] < told["new"]
        seen.append(words)
    assert len(seen) >= 5
    (text, sales), (other, engineer) = answers  # the same words, by two roles
    assert text == other and (sales, engineer) == ("card_order", "access_badge")
    assert re.fullmatch(r"card_order 0\.\d+\n", python_example)


def test_a_gate_takes_three_lines_anywhere(tmp_path):
    example = next(code for language, code in BLOCKS if language == "python" and "mlbot.gates" in code)
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and re.search(r"auc 1\.000 .* reaches its floor 0\.900", done.stdout), done.stderr
    red = subprocess.run([sys.executable, "-c", example.replace("0.6", "0.8")], cwd=tmp_path, capture_output=True, text=True)
    assert red.returncode == 1 and "is below its floor 0.900" in red.stderr


def test_the_settings_in_the_readme_are_the_shipped_ones(root):
    shipped = (root / "settings.ini").read_text()
    for _, code in BLOCKS:
        if code.startswith("[targets]"):
            assert all(line in shipped for line in code.splitlines())


def test_the_exit_codes_in_the_readme_are_those_of_the_errors():
    from mlbot.errors import GateFailed, InputError, MlbotError, NoVerdict, OutOfTime
    table = dict(re.findall(r"^\| (\d) \| (.+) \|$", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE))
    words = {GateFailed: "gate is red", InputError: "input", NoVerdict: "no verdict", OutOfTime: "out of time",
             MlbotError: "fault"}
    assert all(word in table[str(kind.exit_code)] for kind, word in words.items())
    assert sorted(table) == list("012345")


def test_the_readme_can_be_read_in_three_minutes():
    assert len(PAGES[0].read_text(encoding="utf-8").split()) <= 1200


def test_every_page_is_listed_in_the_readme_and_every_link_leads_somewhere():
    told = TEXT + TUTORIAL.read_text(encoding="utf-8")
    assert set(PAGES[1:]) == set((ROOT / "nbs" / "docs").rglob("*.md"))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
        assert links or page != PAGES[0]
        assert [link for link in links if not (page.parent / link).exists()] == [], page
        assert page == PAGES[0] or f"/{page.name})" in told or f"]({page.name})" in told
