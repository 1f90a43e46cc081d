"""Training on 10^4, 10^5 and 10^6 rows: processor time, peak memory and accuracy, beside hashing + SGD of scikit-learn.

    python3 benchmarks/scale.py [--rows 10000 100000 1000000] [--svc 100000] [--margins 2 4 8]

The rows are the company drawn in large, 59 intents, with role and location; a quarter of the wordings is for testing. Each
training runs in a process of its own, which reads a CSV file in chunks. Ours is `mlbot.model.train.train_chunks`. The peer is
HashingVectorizer (words and character n-grams, 2^18 columns each, context as words),
SGDClassifier.partial_fit, once over the rows.
Up to --svc rows the support vector machines of tier light are fitted, too: what is given up for the speed. The exponent is
that of time over rows, between the smallest and the largest.

With --margins nothing is compared: the largest --rows are fitted with each margin, and asked about wordings held out of the
training side.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from mlbot.data.company import LAST_WEEK, OOS, draw_weeks, known_labels
from mlbot.data.split import side_of
from mlbot.model import sgd as many
from mlbot.model.pipeline import in_chunks
from mlbot.model.train import train, train_chunks
from mlbot.settings import load_settings

CONTEXT, CHUNK, ASKED = ["role", "location"], 20_000, 20_000
TOLD = ["text", "intent", *CONTEXT]


def write(folder: Path, rows: list[int]) -> None:
    """Write train-N.csv for each number of rows, validation.csv and test.csv."""
    scale = 1.5 * max(rows) / 3669  # so many labelled rows has the company
    drawn = known_labels((week for week, _ in draw_weeks(max(1.0, scale))), LAST_WEEK)
    table = pd.DataFrame([(row.text, row.intent, row.role, row.location, row.wording or row.id) for row in drawn
                          if row.intent != OOS], columns=[*TOLD, "group"]).sample(frac=1, random_state=0)
    test = table["group"].map({group: side_of(group) == "test" for group in table["group"].unique()})
    table[test].head(ASKED)[TOLD].to_csv(folder / "test.csv", index=False)
    train = table[~test]
    held = train["group"].map({group: side_of(f"held out {group}", 20) == "test" for group in train["group"].unique()})
    train[held].head(ASKED)[TOLD].to_csv(folder / "validation.csv", index=False)
    train[~held][TOLD].to_csv(folder / "part.csv", index=False)
    for count in rows:
        if len(train) < count:
            sys.exit(f"only {len(train):,} training rows were drawn")
        train.head(count)[TOLD].to_csv(folder / f"train-{count}.csv", index=False)


def read(file: Path, chunk: int | None = None):
    """A table, or its chunks."""
    return pd.read_csv(file, chunksize=chunk, dtype=str, keep_default_na=False)


def ours(file: Path):
    """A function that answers a table."""
    return train_chunks(lambda: read(file, CHUNK), CONTEXT, load_settings().model).predict


def svc(file: Path):
    """The support vector machines of tier light, in memory."""
    return train(read(file), CONTEXT, replace(load_settings().model, many=10**9)).predict


def peer(file: Path):
    """Hashing and SGD."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_union
    views = make_union(HashingVectorizer(ngram_range=(1, 2), n_features=2**18, alternate_sign=False),
                       HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=2**18, alternate_sign=False))
    fitted = SGDClassifier(random_state=0)
    intents = sorted({intent for chunk in read(file, CHUNK) for intent in chunk["intent"]})

    def seen(chunk):
        return views.transform(chunk["text"] + " role" + chunk["role"] + " in" + chunk["location"])
    for chunk in read(file, CHUNK):
        fitted.partial_fit(seen(chunk), chunk["intent"], classes=intents)
    return lambda table: fitted.predict(seen(table))


WAYS = {"ours": ours, "svc": svc, "hashing + SGD": peer}


def measure(way: str, folder: str, rows: str) -> None:
    """In a process of its own: train and ask; print seconds, megabytes and accuracy."""
    started = time.process_time()
    answer = WAYS[way](Path(folder) / f"train-{rows}.csv")
    seconds, memory = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    test = read(Path(folder) / "test.csv")
    right = np.concatenate([answer(part) == part["intent"].to_numpy(str) for part in in_chunks(test)()])
    print(json.dumps([seconds, memory, float(right.mean())]))


def asked_apart(way: str, folder: Path, rows: int) -> tuple[float, float, float]:
    """What `measure` prints."""
    found = subprocess.run([sys.executable, __file__, "--one", way, str(folder), str(rows)], stdout=subprocess.PIPE,
                           text=True, check=True)
    return tuple(json.loads(found.stdout.splitlines()[-1]))


def cell(seconds: float, memory: float, right: float) -> str:
    """What one training needs and reaches, as words."""
    return f"{seconds:8.0f} s {memory:6.0f} MB {right:.4f}"


def main() -> None:
    """Print one line a number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--svc", type=int, default=10_000, help="fit support vector machines up to so many rows")
    parser.add_argument("--margins", nargs="+", type=float, default=[])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        return write(options.write, options.rows)
    if options.one:
        return measure(*options.one)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, __file__, "--write", name, "--rows", *map(str, options.rows)], check=True)
        for margin in options.margins:
            many.MARGIN, asked = margin, read(folder / "validation.csv")
            answer = ours(folder / "part.csv")
            right = (answer(asked) == asked["intent"].to_numpy(str)).mean()
            print(f"margin {margin:g}: {right:.4f} of held-out wordings", flush=True)
        if options.margins:
            return None
        print(f"{'rows':>9}" + "".join(f"{way:>30}" for way in WAYS) + f"{'time, memory':>20}", flush=True)
        times = []
        for rows in options.rows:
            found = {way: asked_apart(way, folder, rows) for way in WAYS if way != "svc" or rows <= options.svc}
            shown = [cell(*found[way]) if way in found else "-" for way in WAYS]
            more = [theirs / own for theirs, own in zip(found["hashing + SGD"][:2], found["ours"][:2], strict=True)]
            print(f"{rows:>9,}" + "".join(f"{part:>30}" for part in shown) + f"{more[0]:>10.1f}x {more[1]:>6.1f}x",
                  flush=True)
            times.append((rows, found["ours"][0]))
        (few, quick), (most, slow) = times[0], times[-1]
        if most > few:
            print(f"exponent of our time over rows: {math.log(slow / quick) / math.log(most / few):.2f}")


if __name__ == "__main__":
    main()
