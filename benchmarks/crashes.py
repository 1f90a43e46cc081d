"""Commands that die at each of their file operations, one after the other.

    python3 benchmarks/crashes.py [promote push add ...] [--every N] [--torn] [--most K] [--trace]

A library that is loaded before all others (crashes.c, compiled with `cc`; Linux only) counts what a command does to
files: create, write, truncate, rename, link, remove, make a folder, fsync; by Python, by SQLite and by the Rust
libraries of the store alike, in all its processes. The command runs once to be counted. Then it runs again in a fresh
copy of the project for each k (or each N-th), and all of it is killed at operation k; with --torn, a write that it dies
at has written half of its bytes.

After each death the project is looked at as the next person finds it: the champion must load, what a reader sees must
be whole, and no text may have changed its side. A day passes, and the same command runs again, to its end. After that
pointer, history, ledgers, store and what is carried must agree, and no half-written file may be left. Prints a line a
command: operations, deaths, what was found after a death, what was left in the end. Exit code 1 when anything was.
"""

import argparse
import atexit
import contextlib
import json
import mmap
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE, ROOT = "MLBOT_CRASH_PAGE", "MLBOT_CRASH_ROOT"
OFF, COUNT = 0, -1
SETTINGS = "[data]\nsource = sample\nsuspects = 0\n[places]\ncarried = account\n"


def start_again(folder: Path) -> None:
    """Run this program again with the counting library before all others."""
    library, page = folder / "crashes.so", folder / "page"
    done = subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, HERE / "crashes.c", "-ldl"])
    if done.returncode:
        sys.exit("crashes.c does not compile: a C compiler for Linux is needed (cc)")
    page.write_bytes(bytes(64))
    environment = {**os.environ, "LD_PRELOAD": str(library), PAGE: str(page), ROOT: str(folder / "work"),
                   "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    os.execve(sys.executable, [sys.executable, str(HERE / "crashes.py"), *sys.argv[1:]], environment)


class Page:
    """What the counting library reads and writes: when to die, and how many operations there were."""

    def __init__(self):
        with open(os.environ[PAGE], "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 64)
        self.trace = Path(os.environ[PAGE] + ".trace")
        self.count = 0  # operations of the last fork

    def arm(self, when: int, torn: bool = False) -> None:
        """Count from 0, and die at operation `when`."""
        struct.pack_into("4q", self.memory, 0, when, 0, 0, int(torn))

    def stop(self) -> None:
        """Count no more."""
        self.count = struct.unpack_from("4q", self.memory)[1]
        self.arm(OFF)


def in_fork(page: Page, folder: Path, work, when: int = OFF, torn: bool = False, limit: float = 300) -> tuple[int, str]:
    """Call `work()` in a process of its own that stands in `folder`. Its exit code (-9: killed) and what it printed."""
    said = folder.parent / f"{folder.name}.said"
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            os.chdir(folder)
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(out, 1)
            os.dup2(out, 2)
            page.arm(when, torn)
            code = work() or 0
            sys.stdout.flush()
        except BaseException:
            import traceback
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    ends = time.monotonic() + limit
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done or time.monotonic() > ends:
            break
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    page.stop()
    if not done:
        os.waitpid(pid, 0)
        return -1, f"no end after {limit} seconds"
    code = os.waitstatus_to_exitcode(status)
    return code, said.read_text(errors="replace")


def command(*words: str):
    """A command of mlbot, to be called in a fork."""
    def work() -> int:
        from mlbot.cli.main import main
        try:
            return main(list(words))
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
    return work


def make_base(folder: Path) -> None:
    """A project with two released models, the first of them the champion and carried, a store of one batch, and a log."""
    import csv

    from mlbot.bot.events import Event, EventLog
    from mlbot.data.table import Columns, read_utterances, sample_file
    from mlbot.settings import load_settings
    folder.mkdir(parents=True)
    shutil.copytree(HERE.parent / "nbs" / "pipeline", folder / "nbs" / "pipeline")
    for penalty in ("0.5", "1.0"):
        (folder / "settings.ini").write_text(f"{SETTINGS}[model]\npenalty = {penalty}\n")
        subprocess.run([sys.executable, "-m", "mlbot", "run"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    named = SETTINGS.replace("[places]", "person = person\n[places]")
    (folder / "settings.ini").write_text(f"{named}[model]\npenalty = 1.0\n")
    rows = read_utterances(sample_file(), Columns(context=("role", "location")), load_settings(folder).data).rows
    for number, part in enumerate((rows.iloc[::2], rows.iloc[1::2]), 1):
        with open(folder / f"batch{number}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "intent", "role", "location", "person"])
            writer.writerows([*row, f"person {at % 7}"] for at, row in
                             enumerate(part[["text", "intent", "role", "location"]].itertuples(index=False)))
    add = [sys.executable, "-m", "mlbot", "data", "add", "batch1.csv", "--context", "role", "location"]
    subprocess.run(add, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (folder / "events").mkdir(exist_ok=True)
    log = EventLog(folder / "events" / "events.db")
    facts = {"intent": "printer_broken", "confidence": 0.5, "ranking": [["printer_broken", 0.5]], "model": "x", "role": "",
             "location": ""}
    log.append(*(Event("asked", f"r{at}", {**facts, "text": f"my printer {at} is broken", "request": f"r{at}"}, "person 3")
                 for at in range(20)))
    log.append(Event("label", "e1", {"intent": "printer_broken"}, "ann"))
    log.close()


def names_of(folder: Path) -> tuple[str, str]:
    """The champion of a project, and the other model."""
    champion = (folder / "models" / "champion").read_text().strip()
    return champion, next(path.name for path in (folder / "models").glob("*")
                          if (path / "manifest.json").is_file() and path.name != champion)


def let_a_day_pass(folder: Path) -> None:
    """Make every file look a day older."""
    for path in [folder, *folder.rglob("*")]:
        with contextlib.suppress(OSError):
            at = path.stat().st_mtime - 86_400
            os.utime(path, (at, at))


def leftovers(folder: Path) -> list[str]:
    """Files and folders that were begun and have not got their name."""
    usual = (".lock", ".cache", ".key", ".run")
    found = [path for path in folder.rglob(".*") if "nbs" not in path.parts and path.name not in usual
             and not path.name.startswith(".damaged-")]
    names = (str(path.relative_to(folder)) for path in [*found, *folder.rglob("*#1")])
    return sorted({f"left over: {re.sub(r'[.-][a-z0-9_]{8}$|[0-9a-f-]{36}', '.*', name)}" for name in names})


def torn_lines(file: Path) -> list[str]:
    """What is wrong with a file of a JSON object a line."""
    wrong = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n") if file.is_file() else [], 1):
        try:
            if line:
                json.loads(line)
        except ValueError:
            wrong.append(f"{file.name}, line {number} is torn")
    return wrong


def sides_of(folder: Path) -> dict[str, str]:
    """Side of each text of the store."""
    from mlbot.data.store import open_table, read_rows
    table = open_table(str(folder / "data"))
    rows = read_rows(table, ["text", "life", "reason"])
    return {row.text: row.life for row in rows[rows["reason"] == ""].itertuples()}


def seen_after_death(folder: Path, before: dict) -> list[str]:
    """What the next person may stumble on: nothing of this may ever be."""
    from mlbot.data.store import open_table, read_rows
    from mlbot.model.registry import champion, history
    from mlbot.model.rollout import Live
    wrong = []
    for what in ("models", "data", "events"):
        try:
            if what == "models":
                found = champion(folder / "models")
                Live(folder / "models").load(found.name)
                history(folder / "models")
            elif what == "data":
                rows = read_rows(open_table(str(folder / "data")), ["batch"])
                sizes = rows["batch"].value_counts().to_dict()
                wrong += [f"batch {name} was {before['batches'][name]} rows, and is {sizes.get(name, 0)}"
                          for name, size in before["batches"].items() if sizes.get(name, 0) not in (size, *before["may"])]
                moved = [text for text, side in sides_of(folder).items() if before["sides"].get(text, side) != side]
                wrong += [f"{len(moved)} texts on the other side"] * bool(moved)
            else:
                with contextlib.closing(sqlite3.connect(folder / "events" / "events.db")) as base:
                    wrong += [] if base.execute("pragma integrity_check").fetchone() == ("ok",) else ["the log is damaged"]
        except Exception as problem:
            wrong.append(f"{what}: {type(problem).__name__}: {str(problem).splitlines()[0]}")
    for file in [*folder.glob("runs/*/*.json"), *folder.glob("models/**/*.json"), *folder.glob("*.json")]:
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            wrong.append(f"{file.relative_to(folder)} is cut")
    return wrong


def seen_in_the_end(folder: Path, before: dict) -> list[str]:
    """What must hold after the command has run again: everything agrees, and nothing is left over."""
    from mlbot.data.ledger import ledger_file, read_digests
    from mlbot.model.registry import history, is_intact
    from mlbot.model.rollout import read_pointer
    from mlbot.ops.replicate import read_releases
    from mlbot.storage import open_objects
    wrong, models = seen_after_death(folder, before) + leftovers(folder) + torn_lines(folder / "models" / "history.jsonl"), \
        folder / "models"
    pointer, told = read_pointer(models), history(models)
    if told[-1]["model"] != pointer:
        wrong.append(f"the champion is {pointer}, the history ends with {told[-1]['model']}")
    for name in {entry["model"] for entry in told}:
        erased = before["erases"] and name != pointer and not (models / name).exists()  # it knew words of that person alone
        wrong += [] if erased or is_intact(models / name, name) else [f"model {name} is not whole"]
        wrong += [] if read_digests(ledger_file(models, name)) is not None else [f"model {name} has no ledger"]
    carried = read_releases(open_objects(str(folder / "account")))
    if not carried or carried[-1]["model"] != pointer:
        wrong.append(f"the champion is {pointer}, carried is {carried[-1]['model'] if carried else 'none'}")
    return wrong


def state_of(folder: Path) -> dict:
    """What is compared with later: rows a batch, and the side of each text."""
    from mlbot.data.store import open_table, read_rows
    rows = read_rows(open_table(str(folder / "data")), ["batch"])
    return {"batches": rows["batch"].value_counts().to_dict(), "sides": sides_of(folder), "may": []}


@dataclass
class Scene:
    """A command that dies: what is done before it, the words of it (or a function), and how many rows a batch may lose."""
    words: tuple = ()
    before: object = None
    work: object = None
    may: tuple = ()
    limit: float = 300
    usual: tuple = (0,)  # exit codes that it may have when nothing disturbs it
    again: tuple = field(default=(0,))  # exit codes that the second run may have


def promote_quietly(folder: Path) -> None:
    """Make the other model the champion, and carry it nowhere."""
    from mlbot.model.rollout import promote
    promote(folder / "models", names_of(folder)[1], {"who": "benchmark", "why": "not carried yet"})


def other_penalty(folder: Path) -> None:
    """Settings with which the next run trains another model."""
    (folder / "settings.ini").write_text(f"{SETTINGS}[model]\npenalty = 0.9\n")


def corrections(folder: Path) -> None:
    """A file of two corrected labels."""
    lines = (folder / "batch1.csv").read_text(encoding="utf-8").splitlines()[1:]
    import csv
    rows = list(csv.reader(lines))
    intents = sorted({row[1] for row in rows})
    with open(folder / "corrections.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "intent", "new"])
        writer.writerows([row[0], row[1], next(name for name in intents if name != row[1])] for row in rows[:2])


def no_files(folder: Path) -> None:
    """Take away the files from which the store was filled: an erasure leaves those to whoever keeps them."""
    for file in folder.glob("batch?.csv"):
        file.unlink()


def remove_newest() -> int:
    """Remove the newest batch of the store in this folder."""
    from mlbot.data.store import commits, open_table
    added = [item.batch for item in commits(open_table("data")) if item.what == "add"]
    return command("data", "remove", added[0], "--why", "sent twice")()


def first_text(folder: Path) -> str:
    """A text of the store."""
    return sorted(sides_of(folder))[0]


def scenes(base: Path, text: str) -> dict[str, Scene]:
    """All commands that are killed."""
    champion, other = names_of(base)
    return {
        "promote": Scene(("promote", other, "--why", "better")),
        "rollback": Scene(("rollback", "--why", "worse")),
        "push": Scene(("models", "--push"), promote_quietly),
        "pull": Scene(("models", "--pull")),
        "add": Scene(("data", "add", "batch2.csv", "--context", "role", "location")),
        "relabel": Scene(("data", "relabel", "corrections.csv", "--why", "checked"), corrections),
        "remove": Scene(work=remove_newest),
        # 1: something is out of reach, and the output says what to do; 2, the second time: nothing is left to erase
        "erase": Scene(("data", "erase", "--utterance", text, "--why", "asked for"), no_files, usual=(0, 1), again=(0, 1, 2)),
        "forget": Scene(("data", "erase", "--person", "person 3", "--why", "asked for"), no_files, usual=(0, 1),
                        again=(0, 1, 2)),
        "label": Scene(("label", "--to", "labels.csv")),
        "run": Scene(("run",), other_penalty),
    }


def play(page: Page, work: Path, base: Path, name: str, scene: Scene, options) -> tuple[int, int, dict, dict]:
    """Count a command, then kill it at each operation. Operations, deaths, what was found after a death, and in the end."""
    here, found, left = work / "project", {}, {}

    def fresh() -> None:
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(base, here, symlinks=True)
        if scene.before:
            code, said = in_fork(page, here, lambda: scene.before(here))
            assert code == 0, said

    def looked(look, before: dict) -> list[str]:
        code, said = in_fork(page, here, lambda: print(json.dumps(look(here, before))))
        return json.loads(said.strip().split("\n")[-1]) if code == 0 else [f"looking failed: {said[-300:]}"]

    fresh()
    code, said = in_fork(page, here, lambda: print(json.dumps(state_of(here))))
    before = json.loads(said.strip().split("\n")[-1]) | {
        "may": list(range(1000)) if name in ("erase", "forget") else [], "erases": name in ("erase", "forget")}
    page.trace.write_text("")
    code, said = in_fork(page, here, scene.work or command(*scene.words), COUNT, limit=scene.limit)
    if code not in scene.usual:
        return page.count, 0, {}, {f"undisturbed, exit code {code}: {said[-400:]}": 1}
    operations, trace = page.count, page.trace.read_text().splitlines()
    for problem in looked(seen_in_the_end, before):
        left[f"undisturbed: {problem}"] = 1
    deaths = 0
    for k in range(1 + options.first, operations + 1, options.every):
        fresh()
        code, said = in_fork(page, here, scene.work or command(*scene.words), k, options.torn, scene.limit)
        deaths += code == -9
        at = trace[k - 1].split(" ", 1)[1].replace(str(here) + "/", "") if k <= len(trace) else "?"
        for problem in looked(seen_after_death, before):
            found.setdefault(problem, f"{k}: {at}")
        let_a_day_pass(here)
        code, said = in_fork(page, here, scene.work or command(*scene.words), limit=scene.limit)
        if code not in scene.again:
            left.setdefault(f"again: exit code {code}: {said.strip()[-300:]}", f"{k}: {at}")
        for problem in looked(seen_in_the_end, before):
            left.setdefault(problem, f"{k}: {at}")
        print(f"\r{name:10} {k:5} of {operations}", end="", file=sys.stderr, flush=True)
        if options.most and deaths >= options.most:
            break
    return operations, deaths, found, left


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", help="which commands are killed; default: all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th operation")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="leave out the first K operations")
    parser.add_argument("--most", type=int, default=0, metavar="K", help="so many deaths a command at most")
    parser.add_argument("--torn", action="store_true", help="what dies in a write has written half of it")
    parser.add_argument("--base", metavar="FOLDER", help="a project to start from; made there if it is missing")
    parser.add_argument("--trace", action="store_true", help="print the operations of each command, and kill nothing")
    options = parser.parse_args()
    if PAGE not in os.environ:
        start_again(Path(tempfile.mkdtemp(prefix="crashes-")))
    page, work = Page(), Path(os.environ[ROOT])
    atexit.register(shutil.rmtree, work.parent, ignore_errors=True)
    work.mkdir()
    base = Path(options.base) if options.base else work / "base"
    if not base.exists():
        make_base(base)
    for name in ("numpy", "pandas", "scipy.sparse", "sklearn.svm", "mlbot.cli.main", "mlbot.run.pipeline",
                 "mlbot.model.predict"):
        import_module(name)  # forks have them loaded
    code, text = in_fork(page, base, lambda: print(first_text(base)))
    known, worst = scenes(base, text.strip()), 0
    for name in options.commands or known:
        operations, deaths, found, left = play(page, work, base, name, known[name], options)
        print(f"\r{name:10} {operations:5} operations, killed {deaths} times, after a death {len(found)} faults, "
              f"in the end {len(left)}", flush=True)
        for problem, where in [*found.items(), *left.items()]:
            print(f"    {problem}  (at {where})")
        worst |= bool(found or left)
        if options.trace:
            print(page.trace.read_text())
    return worst


if __name__ == "__main__":
    sys.exit(main())
