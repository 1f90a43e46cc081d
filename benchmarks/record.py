"""Runs a benchmark and keeps what it printed, with the day, the machine and the time it took, for the pages that cite it.

    python3 benchmarks/record.py verdicts
    python3 benchmarks/record.py split --rows 20000

The output goes to `benchmarks/last/NAME.txt`; its first lines say how to get it again. Pages in `nbs/docs/why` that link to
this file get the new day and machine. Their figures are yours to renew: `tests/ops/test_guides.py` names those that the
output does not have. `python3 benchmarks/record.py` alone lists what is kept, oldest first. A benchmark that fails leaves all
files as they were.
"""

import os
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

HOME = Path(__file__).resolve().parent
KEPT = HOME / "last"
WHY = HOME.parent / "nbs" / "docs" / "why"


def machine() -> str:
    """The kind of this machine, for a reader: cores, processor, system, Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores ({platform.machine()}), {platform.system()}, Python {platform.python_version()}"


def cited(name: str, day: str, where: str) -> str:
    """The line with which a page cites a kept output."""
    return (f"`python3 benchmarks/{name}.py`: [what it printed](../../../benchmarks/last/{name}.txt) on {day} "
            f"({where}).")


def cite(name: str) -> None:
    """Write day and machine of a kept output into the pages that cite it."""
    head = dict(line.split(": ", 1) for line in (KEPT / f"{name}.txt").read_text(encoding="utf-8").splitlines()[:3])
    line = cited(name, head["day"].strip(), head["machine"].strip())
    for page in WHY.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        new = re.sub(re.escape(cited(name, "DAY", "WHERE")).replace("DAY", r"\S+").replace("WHERE", ".*?"), line, text)
        if new != text:
            page.write_text(new, encoding="utf-8")


def record(name: str, words: list[str]) -> int:
    """Run a benchmark, show its output as it comes, and keep it. Returns its exit code."""
    begun, lines = time.perf_counter(), []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, str(HOME / f"{name}.py"), *words], stdout=subprocess.PIPE, encoding="utf-8",
                          env=environment) as work:
        for line in work.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    if work.returncode == 0:
        command = " ".join(["python3", f"benchmarks/{name}.py", *words])
        head = [f"command: {command}", f"day:     {datetime.now(UTC):%Y-%m-%d}",
                f"machine: {machine()}", f"took:    {time.perf_counter() - begun:.0f} s", ""]
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{name}.txt").write_text("\n".join(head) + "\n" + "".join(lines), encoding="utf-8")
        cite(name)
    return work.returncode


def kept() -> list[tuple[str, str, str]]:
    """The day, name and command of each kept output, oldest first."""
    heads = {path.stem: path.read_text(encoding="utf-8").splitlines()[:2] for path in KEPT.glob("*.txt")}
    return sorted((day.partition(" ")[2].strip(), name, command.partition(" ")[2]) for name, (command, day) in heads.items())


if __name__ == "__main__":
    if not sys.argv[1:]:
        print(*(f"{day}  {name:<15} {command}" for day, name, command in kept()), sep="\n")
        sys.exit(0)
    if not (HOME / f"{sys.argv[1]}.py").is_file():
        sys.exit(f"record: no benchmark {sys.argv[1]!r} in {HOME}")
    sys.exit(record(sys.argv[1], sys.argv[2:]))
