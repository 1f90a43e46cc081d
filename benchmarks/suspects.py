"""Labels that look wrong: how many are listed on clean rows, and how many of planted mistakes are found.

    python3 benchmarks/suspects.py [--rows 5000] [--flips 0.05] [--sets "random words"]

Each set is checked twice: as it is, and with a share of its labels changed to another intent at random. mlbot's rule is put
beside confident learning as it was published (Northcutt, Jiang and Chuang 2021): a row is suspect when another intent
gets at least its usual confidence, and the rows that gain most are listed, as many as are suspect. Both see the same
confidences. The public sets have mistakes of their own: what is listed on them as they are need not be false. The sets
that are made of random words have none.
"""

import argparse

import numpy as np
import pandas as pd

from mlbot.data.source import choose, load_source
from mlbot.data.split import group_digests, split
from mlbot.errors import InputError
from mlbot.model.suspects import suspects
from mlbot.model.train import out_of_fold
from mlbot.settings import load_settings
from mlbot.text.clean import digest

SETTINGS = load_settings()


def published(labels: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Whether each row is listed by confident learning."""
    at, own = np.arange(len(labels)), shares[np.arange(len(labels)), labels]
    usual = np.array([own[labels == name].mean() if (labels == name).any() else np.inf for name in range(shares.shape[1])])
    sure = np.where(shares >= usual, shares, -1.0)
    best = sure.argmax(axis=1)
    found = (sure[at, best] > 0) & (best != labels)
    listed = np.argsort(-np.where(found, shares[at, best] - own, 0.0), kind="stable")[:int(found.sum())]
    return np.isin(at, listed)


def table(texts: list[str], intents: list[str]) -> pd.DataFrame:
    """Rows in the order of their hash."""
    rows = pd.DataFrame({"text": texts, "intent": np.array(intents, object)})
    return rows.assign(digest=np.array([digest(text) for text in texts], np.uint64)).sort_values("digest", ignore_index=True)


def made(intents: int, each: int) -> pd.DataFrame:
    """Rows of random words, of which two are from the six of the intent."""
    random, words = np.random.default_rng(0), np.array([f"w{at}" for at in range(3000)])
    own = [random.choice(words, 6, replace=False) for _ in range(intents)]
    usual = np.array([f"c{at}" for at in range(60)])
    pairs = [(" ".join([*random.choice(own[at], 2, replace=False), *random.choice(usual, 4)]), f"t{at}")
             for at in range(intents) for _ in range(each)]
    return table(*map(list, zip(*pairs, strict=True)))


def public(name: str) -> pd.DataFrame:
    """The training rows of a public set."""
    source, columns = choose(SETTINGS, name)
    rows = split(load_source(source, columns, SETTINGS), SETTINGS.data, 25, bool(columns.side), 0).train
    return rows[["text", "intent", "digest"]]


def sets(most: int, wanted: str) -> dict[str, pd.DataFrame]:
    """The sets whose name holds `wanted`, by name; public ones only where they are on this machine."""
    found = {}
    for name in ("clinc150", "banking77"):
        try:
            rows = public(name) if wanted in f"{name}, 8 rows an intent" else None
        except InputError as problem:
            print(f"left out: {problem.found}")
            continue
        if rows is not None:
            found[name] = rows.head(most)
            found[f"{name}, 8 rows an intent"] = rows.groupby("intent", sort=True).head(8).sort_values("digest")
    sizes = [(intents, each) for intents, each in ((20, 30), (150, 40), (400, 8), (400, 6))
             if wanted in f"random words, {intents} x {each}"]
    return found | {f"random words, {intents} x {each}": made(intents, each) for intents, each in sizes}


def flipped(rows: pd.DataFrame, share: float) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows with a share of their labels changed, and which those are."""
    random, intents, names = np.random.default_rng(1), rows["intent"].to_numpy(object).copy(), np.unique(rows["intent"])
    planted = np.zeros(len(rows), bool)
    planted[random.choice(len(rows), int(share * len(rows)), replace=False)] = True
    for at in np.flatnonzero(planted):
        intents[at] = random.choice(names[names != intents[at]])
    return rows.assign(intent=intents), planted


def listed(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Which rows mlbot lists, and which confident learning does."""
    rows = rows.reset_index(drop=True)
    intents, shares = out_of_fold(rows, [], SETTINGS.model, group_digests(rows) // np.uint64(1_000_000))
    labels = np.searchsorted(intents, rows["intent"].to_numpy(str))
    return suspects(labels, shares)[0] >= 0, published(labels, shares)


def right_share(planted: np.ndarray, found: np.ndarray) -> float:
    """The share of planted mistakes among what is listed, 1 for an empty list."""
    return float(planted[found].mean()) if found.any() else 1.0


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--flips", type=float, default=0.05)
    parser.add_argument("--sets", default="")
    options = parser.parse_args()
    print(f"{'':<34}{'mlbot':>32}{'confident learning':>32}")
    heads = f"{'clean':>8}{'listed':>8}{'found':>8}{'right':>8}"
    print(f"{'set':<28}{'rows':>6}{heads}{heads}{'listed: ratio':>15}")
    for name, rows in sets(options.rows, options.sets).items():
        spoilt, planted = flipped(rows, options.flips)
        clean, dirty = listed(rows), listed(spoilt)
        cells = "".join(f"{before.sum():>8,}{after.sum():>8,}{after[planted].mean():>8.0%}{right_share(planted, after):>8.0%}"
                        for before, after in zip(clean, dirty, strict=True))
        print(f"{name:<28}{len(rows):>6,}{cells}{dirty[0].sum() / max(dirty[1].sum(), 1):>15.2f}", flush=True)


if __name__ == "__main__":
    main()
