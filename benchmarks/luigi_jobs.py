"""The steps of the pipeline as jobs of Luigi: to be copied into a project, and run there by

    luigi --module luigi_jobs Release --day 2026-01-05 [--scheduler-host HOST]

The machines share MLBOT_KEY in their environment, without which none believes what another has run.

`mlbot run --until NOTEBOOK` reuses what an earlier job has made (`cache` in settings.ini [places]), so a job needs no file of
another one, and each may run on another machine: where `cache` and `carried` are places that all of them reach.
"""

import os
import subprocess
import sys
from pathlib import Path

import luigi


class Step(luigi.Task):
    """One notebook. It is done when its mark is there; a red gate, as any other exit code than 0, is a failed job."""
    day = luigi.Parameter(description="today; a mark stands for one day")
    marks = luigi.Parameter("jobs", significant=False, description="a folder that all machines reach")
    until, before = "", None

    def requires(self) -> list[luigi.Task]:
        """The step before this one."""
        return [self.before(day=self.day, marks=self.marks)] if self.before else []

    def output(self) -> luigi.LocalTarget:
        """The mark; it holds what mlbot said."""
        return luigi.LocalTarget(Path(self.marks) / self.day / f"{type(self).__name__.lower()}.txt")

    def run(self) -> None:
        """Fetch the champion and run the pipeline up to this notebook, in the folder that PROJECT names, else here."""
        until, said = ["--until", self.until] if self.until else [], ""
        for words in (["models", "--pull"], ["run", *until]):
            done = subprocess.run([sys.executable, "-m", "mlbot", *words], cwd=os.environ.get("PROJECT", "."),
                                  capture_output=True, text=True)
            said += done.stdout + done.stderr
            if done.returncode:
                raise RuntimeError(f"mlbot {' '.join(words)}: exit code {done.returncode}\n{said}")
        with self.output().open("w") as mark:
            mark.write(said)


class Prepare(Step):
    """Data is checked and split."""
    until = "prepare"


class Train(Step):
    """The model is trained."""
    until, before = "train", Prepare


class Gate(Step):
    """The model is judged."""
    until, before = "gate", Train


class Release(Step):
    """All is run, which by now is the last notebook: the model becomes the champion, and is carried."""
    before = Gate
