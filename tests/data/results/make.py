"""Writes the result files of this folder anew, with the tools themselves, a fake model of twelve rules and no network.

    python3 -m venv /elsewhere
    /elsewhere/bin/pip install inspect-ai deepeval mlflow-skinny scikit-learn matplotlib pandas pytest pytest-repeat lm-eval
    npm install promptfoo
    /elsewhere/bin/python tests/data/results/make.py deepeval inspect mlflow lm_eval junit promptfoo

Each tool runs in a temporary folder. What is personal or long in its file (paths, host names, versions) is taken out.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
QUESTIONS = [("a new card please", "card"), ("my card is lost", "card"), ("I forgot my password", "password"),
             ("reset the password", "password"), ("when is payday", "payslip"), ("my payslip is wrong", "payslip"),
             ("two days off", "leave"), ("cancel my leave", "leave"), ("the printer is on fire", "printer"),
             ("no toner left", "printer"), ("book a room", "room"), ("a room for ten", "room")]
WORDS = {"card": "card", "password": "password", "payday": "payslip", "payslip": "payslip", "leave": "leave", "room": "room",
         "printer": "printer"}


def answer(text: str) -> str:
    """The intent that the fake model says: that of the first word it knows."""
    return next((intent for word, intent in WORDS.items() if word in text), "none")


def deepeval() -> None:
    """A custom metric without a judge, through `deepeval test run`."""
    Path("test_bot.py").write_text(f'''
import sys
sys.path.insert(0, {str(HERE)!r})
import pytest
from deepeval import assert_test
from deepeval.metrics import BaseMetric
from deepeval.test_case import LLMTestCase
from make import QUESTIONS, answer


class Exact(BaseMetric):
    threshold, async_mode = 0.5, False

    def measure(self, case, *args, **options):
        self.score = float(case.actual_output == case.expected_output)
        self.success = self.score >= self.threshold
        return self.score

    async def a_measure(self, case, *args, **options):
        return self.measure(case)

    def is_successful(self):
        return self.success

    @property
    def __name__(self):
        return "Exact"


@pytest.mark.parametrize("text, intent", QUESTIONS)
def test_bot(text, intent):
    assert_test(LLMTestCase(input=text, actual_output=answer(text), expected_output=intent), [Exact()], run_async=False)
''')
    quiet = {"DEEPEVAL_TELEMETRY_OPT_OUT": "YES", "DEEPEVAL_DISABLE_DOTENV": "1", "CI": "1"}
    subprocess.run([Path(sys.executable).with_name("deepeval"), "test", "run", "test_bot.py"], env={**os.environ, **quiet})
    write("deepeval.json", Path(".deepeval/.latest_test_run.json").read_text())


def inspect() -> None:
    """Two epochs of twelve samples with mockllm, as JSON and as .eval."""
    from inspect_ai import Task, eval, task
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import match

    @task
    def intents() -> Task:
        samples = [Sample(id=f"q{number}", input=text, target=intent, metadata={"topic": intent})
                   for number, (text, intent) in enumerate(QUESTIONS, 1)]
        return Task(dataset=samples, scorer=match(), epochs=2)

    def said() -> list:
        counted = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # else it fetches a tokenizer
        outputs = [ModelOutput.from_content("mockllm/model", answer(text)) for _ in range(2) for text, _ in QUESTIONS]
        return [output.model_copy(update={"usage": counted}) for output in outputs]
    for kind in ("json", "eval"):
        few = {"limit": 4, "epochs": 1} if kind == "eval" else {}
        logs = eval(intents(), model=get_model("mockllm/model", custom_outputs=said()), log_dir="logs", log_format=kind,
                    max_connections=1, max_samples=1, display="none", **few)
        path = Path(logs[0].location.removeprefix("file://"))
        if kind == "eval":
            pack(path)
        else:
            found = json.loads(path.read_text())
            for sample in found["samples"]:
                for long in ("events", "events_data", "messages", "attachments", "store", "model_usage", "timelines"):
                    sample.pop(long, None)
            for long in ("packages", "revision", "model_args"):
                found["eval"].pop(long, None)
            found.pop("reductions", None)
            write("inspect.json", json.dumps(found))


def pack(path: Path) -> None:
    """A packed log, packed again as inspect does, without its journal and what it says of the machine."""
    import zipfile

    import zipfile_zstd  # noqa: F401
    with zipfile.ZipFile(path) as log, zipfile.ZipFile(HERE / "inspect.eval", "w", zipfile.ZIP_ZSTANDARD) as small:
        for name in log.namelist():
            if name.startswith("samples/") or name == "header.json":
                found = json.loads(log.read(name))
                if name == "header.json":
                    found["eval"] = {"task": found["eval"]["task"], "model": found["eval"]["model"]}
                for long in ("events", "events_data", "messages", "attachments"):
                    found.pop(long, None)
                small.writestr(name, json.dumps(found))


def mlflow() -> None:
    """`mlflow.models.evaluate` of a table of answers: its table of results, as MLflow stores it."""
    import mlflow as flow
    import pandas
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    flow.set_tracking_uri("file:flow")
    rows = pandas.DataFrame({"inputs": [text for text, _ in QUESTIONS], "targets": [intent for _, intent in QUESTIONS],
                             "outputs": [answer(text) for text, _ in QUESTIONS]})

    def eval_fn(predictions, targets):
        from mlflow.metrics import MetricValue
        return MetricValue(scores=[int(one == other) for one, other in zip(predictions, targets, strict=True)])
    exact = flow.metrics.make_metric(eval_fn=eval_fn, greater_is_better=True, name="exact")
    with flow.start_run():
        flow.models.evaluate(data=rows, predictions="outputs", targets="targets", extra_metrics=[exact])
    write("mlflow.json", next(Path("flow").rglob("eval_results_table.json")).read_text())


def lm_eval() -> None:
    """The model `dummy` on a task from a file, with --log_samples."""
    Path("intents.jsonl").write_text("\n".join(json.dumps({"q": text, "a": intent}) for text, intent in QUESTIONS))
    Path("intents.yaml").write_text(f"""
task: intents
dataset_path: json
dataset_kwargs:
  data_files:
    test: {Path("intents.jsonl").resolve()}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{q}}}}"
doc_to_choice: ["card", "password", "payslip", "leave", "printer", "room"]
doc_to_target: "{{{{a}}}}"
metric_list:
  - metric: acc
""")
    words = "run --model dummy --tasks intents --include_path . --log_samples --output_path out"
    subprocess.run([sys.executable, "-m", "lm_eval", *words.split()], env={**os.environ, "HF_HOME": "cache"})
    write("lm_eval_samples.jsonl", next(Path("out").rglob("samples_*.jsonl")).read_text())
    write("lm_eval_results.json", next(Path("out").rglob("results_*.json")).read_text())


def junit() -> None:
    """pytest with passes, failures, an error and a skipped test; two of them are repeated."""
    Path("test_bot.py").write_text(f'''
import sys
sys.path.insert(0, {str(HERE)!r})
import pytest
from make import QUESTIONS, answer


@pytest.mark.parametrize("text, intent", QUESTIONS)
def test_bot(text, intent):
    assert answer(text) == intent


@pytest.mark.repeat(3)
def test_again():
    assert answer("a room") == "room"


@pytest.mark.skip(reason="no service here")
def test_service():
    pass


@pytest.fixture
def broken():
    raise OSError("no network")


def test_of_broken(broken):
    pass
''')
    subprocess.run([sys.executable, "-m", "pytest", "-q", "--tb=line", "--junit-xml", "out.xml"], stdout=subprocess.DEVNULL)
    write("junit.xml", re.sub(' hostname="[^"]*"', "", Path("out.xml").read_text()))


def promptfoo() -> None:
    """The provider `echo` with two prompts, of which the second never says the word that is asked for."""
    tests = [{"vars": {"text": text}, "assert": [{"type": "contains", "value": intent}]} for text, intent in QUESTIONS]
    config = {"prompts": ["I hear: {{text}}", "I hear nothing"], "providers": ["echo"], "tests": tests}
    Path("promptfooconfig.json").write_text(json.dumps(config))
    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
             "PROMPTFOO_CONFIG_DIR": str(Path("home").resolve())}
    words = "eval -c promptfooconfig.json -o out.json -o out.jsonl --no-cache --no-table --no-progress-bar"
    subprocess.run([os.environ.get("PROMPTFOO", "promptfoo"), *words.split()], env={**os.environ, **quiet},
                   stdin=subprocess.DEVNULL)
    found = json.loads(Path("out.json").read_text())
    found.pop("metadata", None)
    found["results"]["prompts"] = []
    for row in found["results"]["results"]:
        row.pop("tokenUsage", None)
        row.pop("response", None)
    write("promptfoo.json", json.dumps(found))
    write("promptfoo.jsonl", "\n".join(Path("out.jsonl").read_text().splitlines()[:4]))


def write(name: str, text: str) -> None:
    """A file of this folder, without the names of folders of the machine."""
    (HERE / name).write_text(text.rstrip("\n").replace(str(HERE), "here").replace(os.getcwd(), "folder") + "\n")


if __name__ == "__main__":
    for tool in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            globals()[tool]()
            os.chdir(HERE)
