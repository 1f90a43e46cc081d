"""The pipeline as four jobs of an existing scheduler, Luigi, each on a machine of its own.

    python3 -m pip install luigi && python3 benchmarks/scheduler.py [--data sample]

The jobs are those of benchmarks/luigi_jobs.py. Each begins in an empty checkout, as on another machine: only the kept
results, the carried models and the marks of the scheduler are shared. They run three times: first; again, when Luigi finds
its marks and starts nothing; and after Luigi has lost its marks, when mlbot finds its kept results, and only judges again,
because by now there is a champion to compare with. Printed for each job: its time, and which notebooks it ran. Exit code 1
when a job fails, when the second time starts one, when data is prepared or a model trained twice, or when the model is not
the one that `mlbot run` makes alone.
"""

import argparse
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

try:
    import luigi
    from luigi_jobs import Release, Step
except ImportError as problem:
    print(f"skipped: {problem.name} is not here; python3 -m pip install luigi")
    raise SystemExit(0) from None

DAY = str(datetime.now(UTC).date())
os.environ.setdefault("MLBOT_KEY", secrets.token_hex(32))  # which the machines share


def checkout(top: Path, name: str, source: str, shared: bool = True) -> Path:
    """A project without models, which shares what machines share, or nothing."""
    places = f"[places]\ncache = {top / 'cache' if shared else ''}\ncarried = {top / 'carried' if shared else ''}\n"
    (top / name).mkdir()
    (top / name / "settings.ini").write_text(f"{places}[data]\nsource = {source}\n")
    return top / name


class Watch:
    """Gives each job a checkout of its own, and notes its time and what became of its notebooks."""

    def __init__(self, top: Path, source: str):
        self.top, self.source, self.began, self.lines, self.ran = top, source, 0.0, [], Counter()
        Step.event_handler(luigi.Event.START)(self.start)
        Step.event_handler(luigi.Event.SUCCESS)(self.success)

    def start(self, job: Step) -> None:
        """An empty checkout; jobs run one after the other here."""
        machines = len(list(self.top.glob("machine-*")))
        os.environ["PROJECT"] = str(checkout(self.top, f"machine-{machines}", self.source))
        self.began = time.perf_counter()

    def success(self, job: Step) -> None:
        """A line about the job."""
        came = re.findall(r"^ +(\d_\w+) +(ok|kept)", job.output().open().read(), re.MULTILINE)
        ran = [name for name, word in came if word == "ok"]
        self.ran.update(ran)
        self.lines.append(f"{type(job).__name__.lower():<8}{time.perf_counter() - self.began:7.1f} s   "
                          f"ran: {', '.join(ran) or 'nothing'}; reused: {len(came) - len(ran)}")

    def ask(self) -> bool:
        """Ask Luigi for the release."""
        self.lines.clear()
        job = Release(day=DAY, marks=str(self.top / "marks"))
        return luigi.build([job], local_scheduler=True, log_level="ERROR")


def main() -> int:
    """Print the jobs of the three times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="sample", help="a source, as in settings.ini [data]")
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        watch = Watch(top, options.data)
        for number, what in enumerate(("first", "again", "again, the marks of Luigi lost")):
            if number == 2:
                shutil.rmtree(top / "marks")
            good &= watch.ask() and bool(watch.lines) == (number != 1)
            print(f"{what}:", *(f"  {line}" for line in watch.lines or ["no job was started"]), sep="\n", flush=True)
        alone = checkout(top, "alone", options.data, shared=False)
        subprocess.run([sys.executable, "-m", "mlbot", "run"], cwd=alone, check=True, capture_output=True)
        models = [(folder / "models" / "champion").read_text().strip() for folder in (alone, top / "machine-3")]
        good &= models[0] == models[1] and all(watch.ran[name] == 1 for name in ("1_prepare", "2_train"))
        print(f"mlbot run alone: {models[0]}; the jobs: {models[1]}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
