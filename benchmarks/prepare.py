"""Cleaning, grouping and splitting 10^5, 10^6 and 10^7 rows: processor time and peak memory, beside pandas in one go.

    python3 benchmarks/prepare.py [--rows 100000 1000000 10000000] [--workers 2] [--dask] [--no-pandas]

The rows are made of texts of the company: each begins as one text and ends as another, and comes in three variants (a word
more, a word less, a typing error, another number), so that near pairs grow with the rows; a fifth of the rows repeats an
earlier text, and some name an address. Ours is `mlbot data prepare`: all rows cleaned, near texts kept on one side, tables
written in parts. The peer is pandas in one go: the file read whole, the same cleaning and the same hash applied to the
frame, the tables written; it does not look for near texts. Up to 10^6 rows the tables are compared with those that
mlbot.data.split.split gives in memory, row by row. With --dask they are made again by two worker processes of a Dask
cluster, and compared too. Memory is the highest sum of the resident memory of all processes.

Seconds are those of all cores together, so other work on the machine hardly changes them. Ratios hold between columns of one
run; absolute times depend on the machine.
"""

import argparse
import csv
import math
import random
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psutil

from mlbot.data.company import LAST_WEEK, labelled_rows

FILL = "please thanks hi hello today now again urgently for me the my in berlin in london tomorrow really just still".split()


def varied(text: str, chance: random.Random) -> str:
    """The text with a word more, a word less, a typing error or another number."""
    words, which = text.split(), chance.random()
    if which < 0.4:
        return f"{text} {chance.choice(FILL)}"
    if which < 0.6 and len(words) > 3:
        del words[chance.randrange(len(words))]
        return " ".join(words)
    if which < 0.8:
        at = chance.randrange(len(text))
        return text[:at] + chance.choice("abcdefghijklmnopqrstuvwxyz") + text[at + 1:]
    return f"{text} {chance.randrange(10_000)}"


def write(file: Path, rows: int) -> None:
    """Write so many rows."""
    chance = random.Random(rows)
    known = [(row.text.split(), row.intent, row.role, row.location) for row in labelled_rows(LAST_WEEK)]
    with open(file, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", "intent", "role", "location"])
        earlier: list[list[str]] = []
        written = 0
        while written < rows:
            (begin, *_), (end, intent, role, location) = chance.choice(known), chance.choice(known)
            text = " ".join((begin[:-(-len(begin) // 2)] + end[len(end) // 2:])[:24])
            lines = [[text, intent, role, location], *([varied(text, chance), intent, role, location] for _ in range(2))]
            if chance.random() < 0.02:
                lines[0][0] += f" write to ann.{written}@example.com"
            if earlier and chance.random() < 0.6:
                lines.append(chance.choice(earlier))
            if len(earlier) < 100_000:
                earlier.append(lines[0])
            else:
                earlier[chance.randrange(100_000)] = lines[0]
            writer.writerows(lines[:rows - written])
            written += len(lines)


OURS = """
import sys
from dataclasses import replace
from dataclasses import replace
from pathlib import Path
from mlbot.data.table import Columns
from mlbot.data.chunked import prepare
from mlbot.settings import load_settings
settings, columns = load_settings(), Columns(context=("role", "location"))
data = replace(settings.data, tiny="set_aside")  # made texts are near each other: an intent may lose nearly all
prepare([Path(sys.argv[1])], Path(sys.argv[2]), columns, data, settings.split, sys.argv[3])
"""
PANDAS = """
import sys
from dataclasses import replace
from pathlib import Path
import pandas as pd
from mlbot.text.clean import clean, digest
rows = pd.read_csv(sys.argv[1], keep_default_na=False)
rows["text"] = rows["text"].map(clean)
rows["digest"] = rows["text"].map(digest)
rows = rows.sort_values("digest", kind="stable")
test = rows["digest"] % 100 < 25
Path(sys.argv[2]).mkdir()
rows[~test].to_csv(Path(sys.argv[2]) / "train.csv", index=False)
rows[test].to_csv(Path(sys.argv[2]) / "test.csv", index=False)
"""


def spent() -> float:
    """Processor seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(code: str, *words: str) -> tuple[float, float]:
    """Processor seconds and highest memory in MB of a program with all its children."""
    begin, most = spent(), 0
    program = psutil.Popen([sys.executable, "-c", code, *words])
    while program.poll() is None:
        total = 0
        try:
            for process in (program, *program.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.Error:
            continue
        most = max(most, total)
        time.sleep(0.1)
    if program.returncode:
        sys.exit(f"the program ended with {program.returncode}")
    return spent() - begin, most / 1e6


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a prepared folder."""
    found = {}
    for name in ("train", "validation", "test", "out_of_scope"):
        files = sorted((folder / name).iterdir())
        found[name] = pd.concat([pd.read_csv(file, keep_default_na=False, dtype=str) for file in files]
                                or [pd.DataFrame()], ignore_index=True)
    return found


def in_memory(file: Path) -> dict[str, pd.DataFrame]:
    """The tables as they are made in memory."""
    from mlbot.data.split import split
    from mlbot.data.table import Columns, read_utterances
    from mlbot.settings import load_settings
    settings = load_settings()
    data = replace(settings.data, tiny="set_aside")
    sides = split(read_utterances(file, Columns(context=("role", "location")), data), data,
                  settings.split.test_percent, near_percent=settings.split.near_percent)
    return {name: getattr(sides, name).astype(str) for name in ("train", "validation", "test", "out_of_scope")}


def missed(file: Path) -> str:
    """How many texts that are near a test text MinHash misses, of those that the exact join finds."""
    from mlbot.data.split import assign_sides, texts_of
    from mlbot.data.table import Columns, read_utterances
    from mlbot.settings import load_settings
    from mlbot.text.clean import key
    from mlbot.text.minhash import near_across
    settings = load_settings()
    rows = assign_sides(read_utterances(file, Columns(), settings.data).rows, settings.split.test_percent, False)
    train, test = (list(map(key, texts)) for texts in texts_of(rows)[1:])
    sure, likely = (near_across(train, test, exact=exact)[0] for exact in (len(rows), 0))
    return f"{sure.sum():,} training texts are near a test text, MinHash alone misses {(sure & ~likely).sum():,}"


def same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> str:
    """Whether tables are equal, row by row."""
    equal = all(one[name].values.tolist() == other[name].values.tolist() for name in one)
    return "identical" if equal else "DIFFERENT"


def main() -> None:
    """Run the benchmark and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--workers", default="2")
    parser.add_argument("--dask", action="store_true")
    parser.add_argument("--no-pandas", action="store_true")
    options = parser.parse_args()
    print(f"{'rows':>10}  {'file':>8}  {'ours':>8} {'memory':>9}  {'pandas':>8} {'memory':>9}  {'time':>5} {'memory':>6}  "
          "exponent")
    before = None
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            file, ours = Path(folder) / "rows.csv", Path(folder) / "ours"
            write(file, rows)
            seconds, memory = measured(OURS, str(file), str(ours), options.workers)
            line = f"{rows:>10,}  {file.stat().st_size / 1e6:>5,.0f} MB  {seconds:>6.1f} s {memory:>6,.0f} MB"
            if options.no_pandas:
                line += f"  {'-':>8} {'-':>9}  {'-':>5} {'-':>6}"
            else:
                there, held = measured(PANDAS, str(file), str(Path(folder) / "pandas"))
                line += f"  {there:>6.1f} s {held:>6,.0f} MB  {seconds / there:>4.2f}x {memory / held:>5.2f}x"
            grown = math.log(seconds / before[1]) / math.log(rows / before[0]) if before else None
            print(line + ("" if grown is None else f"  {grown:.2f}"), flush=True)
            before = rows, seconds
            if rows <= 10**6:
                print(f"{'':>10}  beside the tables made in memory: {same(tables(ours), in_memory(file))}", flush=True)
            if rows <= 10**5:
                print(f"{'':>10}  {missed(file)}", flush=True)
            if options.dask:
                from distributed import LocalCluster
                with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
                    measured(OURS, str(file), str(Path(folder) / "dask"), cluster.scheduler_address)
                equal = same(tables(ours), tables(Path(folder) / "dask"))
                print(f"{'':>10}  by Dask, 2 worker processes: {equal}", flush=True)


if __name__ == "__main__":
    main()
