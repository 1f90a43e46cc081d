"""How much of an old test set is trained on after the data changed: usual splits beside ours.

    python3 benchmarks/split.py [--rows 20000]

The rows are texts of the company, each once. A table is split, then changed (rows appended, put in front, deleted,
re-ordered, relabelled, sent again in capitals, near-duplicates added), then split again as the tool would. It shows the
share of the texts of the old test set that stand in the new training table. The last columns show near pairs (Jaccard of
character 3-grams 0.70 or more) on both sides, of all that brute force finds; how large the test side is; and how many
training rows hold a test text whole, as a mail with a signature does.

Then: what it costs to look for texts inside others, with the exponent of the time over the number of texts, and whether all
are found that brute force finds in a sample. And how many honest training rows leave by it, for each limit
of how short a text may be.

Peers: scikit-learn's train_test_split with a seed; the algorithm of Rasa (`rasa data split nlu`: each intent shuffled by a
seed and cut); a hash of the record (text and label); a hash of the normalised text. Ours: as a file is split, and as a store
decides.
"""

import argparse
import csv
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.model_selection import train_test_split

from mlbot.data.company import LAST_WEEK, labelled_rows, render
from mlbot.data.source import PUBLIC, data_home
from mlbot.data.split import near_test, place, side_of
from mlbot.text import similar as near
from mlbot.text.clean import bare, digest, key
from mlbot.text.similar import PERCENT, gram_codes, held, near_pairs


def company(rows: int) -> pd.DataFrame:
    """So many different texts of the company, with their intent."""
    with tempfile.TemporaryDirectory() as folder:
        render(folder, max(7_650, 6 * rows))
        found = []
        for file in sorted(Path(folder).glob("week_*/labelled.csv")):
            with open(file, newline="", encoding="utf-8") as lines:
                found += [(row["text"], row["intent"]) for row in csv.DictReader(lines)]
    frame = pd.DataFrame(found, columns=["text", "intent"])
    frame["key"] = list(map(key, frame["text"]))
    frame = frame.drop_duplicates("key").iloc[:rows].reset_index(drop=True)
    assert len(frame) == rows, f"the company has {len(frame):,} different texts only"
    return frame


def with_digests(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that our splits read."""
    digests = np.fromiter(map(digest, frame["text"]), np.uint64, len(frame))
    return frame.assign(digest=digests, group="", reason="")


def by_scikit_learn(frame: pd.DataFrame) -> np.ndarray:
    """A seeded random split."""
    test = np.zeros(len(frame), bool)
    test[train_test_split(np.arange(len(frame)), test_size=0.25, random_state=0)[1]] = True
    return test


def by_rasa(frame: pd.DataFrame) -> np.ndarray:
    """Each intent shuffled by a seed and cut at three quarters."""
    test = np.zeros(len(frame), bool)
    for places in frame.groupby("intent", sort=False).indices.values():
        places = list(places)
        random.Random(0).shuffle(places)
        test[places[int(len(places) * 0.75):]] = True
    return test


def by_record(frame: pd.DataFrame) -> np.ndarray:
    """A hash of text and label, as they stand."""
    return np.array([digest(repr(record)) % 100 < 25 for record in zip(frame["text"], frame["intent"], strict=True)], bool)


def by_text(frame: pd.DataFrame) -> np.ndarray:
    """A hash of the normalised text."""
    return np.array([digest(text) % 100 < 25 for text in frame["text"]], bool)


class OurFile:
    """As `mlbot run --data FILE.csv` splits: by the text; training texts near the test side are set aside."""
    name = "mlbot, a file"

    def __call__(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        test = by_text(frame)
        rows = with_digests(frame).assign(side=np.where(test, "test", "train"))
        return test, ~test & ~near_test(rows).to_numpy()


class OurStore:
    """As `mlbot data add` decides: new rows are placed beside those that are known."""
    name = "mlbot, a store"

    def __init__(self):
        nothing = with_digests(pd.DataFrame({"text": [], "intent": []}, dtype=object))
        self.known = nothing.assign(family=np.zeros(0, np.uint64), life="")

    def __call__(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        placed = place(with_digests(frame), self.known)
        if not len(self.known):
            self.known = placed[placed["reason"] == ""]
        life = placed["life"].to_numpy()
        return life == "test", life == "train"


PEERS = {"scikit-learn, seeded": by_scikit_learn, "Rasa's algorithm": by_rasa, "hash of the record": by_record,
         "hash of the text": by_text}


def twisted(text: str, luck: random.Random) -> str:
    """A near-duplicate: a word more, a word less, a typing error."""
    words = text.split()
    at = luck.randrange(len(words))
    kind = luck.randrange(3)
    if kind == 0:
        return f"{text} now"
    if kind == 1 and len(words) > 4:
        return " ".join(words[:at] + words[at + 1:])
    return " ".join([*words[:at], words[at][1:] or "a", *words[at + 1:]])


WRAPS = ("hello team {} thanks a lot", "{} best regards ann smith acme limited", "from bob sent monday subject help {}",
         "on monday ann wrote {} any news",
         "{} sent from my phone")


def wrapped(text: str, luck: random.Random) -> str:
    """A text inside a mail."""
    return luck.choice(WRAPS).format(text)


def changes(frame: pd.DataFrame, fresh: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The table after each change, by name."""
    luck, n = random.Random(1), len(frame)
    some = luck.sample(range(n), n // 20)
    relabelled = frame.copy()
    relabelled.loc[some, "intent"] = luck.choices(sorted(set(frame["intent"])), k=len(some))
    near = frame.iloc[some].assign(text=[twisted(text, luck) for text in frame["text"].iloc[some]])
    again = frame.iloc[some].assign(text=frame["text"].iloc[some].str.upper() + "!")
    inside = frame.iloc[some].assign(text=[wrapped(text, luck) for text in frame["text"].iloc[some]])
    return {
        "+5 % appended": pd.concat([frame, fresh], ignore_index=True),
        "in front": pd.concat([fresh, frame], ignore_index=True),
        "5 % deleted": frame.drop(some).reset_index(drop=True),
        "re-ordered": frame.sample(frac=1, random_state=0).reset_index(drop=True),
        "relabelled": relabelled,
        "re-sent": pd.concat([frame, again], ignore_index=True),
        "near added": pd.concat([frame, near, inside], ignore_index=True),
    }


def near_pairs_by_brute_force(texts: list[str]) -> np.ndarray:
    """All near pairs, by the product of the matrix of texts and grams with itself: a second way to the same answer."""
    row, codes = gram_codes(texts)
    _, column = np.unique(codes, return_inverse=True)
    matrix = csr_matrix((np.ones(len(row), np.int32), (row, column)))
    matrix.data[:] = 1  # a gram counts once
    size = np.asarray(matrix.sum(axis=1)).ravel()
    found = []
    for start in range(0, len(texts), 1000):
        common = (matrix[start:start + 1000] @ matrix.T).tocoo()
        one, other = common.row + start, common.col
        both = size[one] + size[other] - common.data
        kept = (one < other) & (100 * common.data >= PERCENT * both)
        found.append(np.stack([one[kept], other[kept]], axis=1))
    return np.concatenate(found)


def held_by_brute_force(inner: list[str], outer: list[str]) -> set[tuple[int, int]]:
    """All pairs (held, holding) by looking for each text in each other one, as strings."""
    looked = [(at, f" {text} ") for at, text in enumerate(inner)
              if len(text) >= near.LEAST_CHARACTERS and len(text.split()) >= near.LEAST_WORDS]
    return {(at, place) for place, text in enumerate(outer) for at, word in looked
            if len(word) < len(text) + 2 and word in f" {text} "}


def cost_of_holding(texts: list[str]) -> None:
    """Print the time of looking for all texts inside all others, over their number, and compare a sample with brute force."""
    luck, times = random.Random(3), []
    mixed = [wrapped(text, luck) if at % 5 == 0 else text for at, text in enumerate(texts)]
    print(f"\n{'texts':>9}{'seconds':>10}{'pairs':>10}{'exponent':>10}   looking for each text inside all others")
    for n in (len(mixed) // 16, len(mixed) // 8, len(mixed) // 4, len(mixed) // 2, len(mixed)):
        pairs = len(held(texts[:n], mixed[:n]))
        times.append((n, min(timed(lambda n=n: held(texts[:n], mixed[:n])) for _ in range(5))))
        exponent = f"{np.log(times[-1][1] / times[0][1]) / np.log(n / times[0][0]):10.2f}" if len(times) > 1 else ""
        print(f"{n:>9,}{times[-1][1]:>10.2f}{pairs:>10,}{exponent}")
    some = mixed[:4000]
    sure, found = held_by_brute_force(texts[:4000], some), {tuple(pair) for pair in held(texts[:4000], some).tolist()}
    print(f"of {len(sure):,} pairs that brute force finds in {len(some):,} texts, {len(sure & found):,} are found; "
          f"{len(found - sure)} others")
    assert found == sure


def timed(work) -> float:
    """Seconds of the processor that some work takes: other work on the machine does not count."""
    started = time.process_time()
    work()
    return time.process_time() - started


def honest_rows() -> None:
    """Print how many honest training rows leave because they hold a test text or are held by one, beyond near ones."""
    sets = {"company": [row.text for row in labelled_rows(LAST_WEEK)]}
    for name in PUBLIC:
        file = data_home() / name / "data.csv"
        sets |= {name: list(pd.read_csv(file, keep_default_na=False)["text"])} if file.is_file() else {}
    limits = [(1, 1), (2, 8), (2, 12), (2, 16), (4, 20)]
    chosen = near.LEAST_WORDS, near.LEAST_CHARACTERS
    print(f"\nhonest training rows that are set aside in a split by hash: those near a test text, and besides, by the "
          f"shortest text looked for\n{'':<12}{'texts':>8}{'near':>8}"
          + "".join(f"{f'{words} w {letters} ch':>12}" for words, letters in limits))
    for name, texts in sets.items():
        texts = sorted(set(map(bare, texts)))
        test = np.array([side_of(text) == "test" for text in texts])
        pairs, n = near_pairs(texts), (~test).sum()
        near_rows = crossing(pairs, test)
        row = f"{name:<12}{len(texts):>8,}{len(near_rows) / n:>8.1%}"
        for near.LEAST_WORDS, near.LEAST_CHARACTERS in limits:
            row += f"{len(crossing(held(texts, texts), test) - near_rows) / n:>12.1%}"
        print(row)
    near.LEAST_WORDS, near.LEAST_CHARACTERS = chosen


def crossing(pairs: np.ndarray, test: np.ndarray) -> set[int]:
    """The training texts among pairs of which the other is for testing."""
    across = pairs[test[pairs[:, 0]] != test[pairs[:, 1]]]
    return set(across[~test[across]].tolist())


def shares(split, frame: pd.DataFrame, changed: dict[str, pd.DataFrame], old_test: set[str]) -> list[float]:
    """The share of the old test texts in training after each change."""
    found = []
    for after in changed.values():
        train = split(after)[1]
        found.append(len(old_test & {key(text) for text in after["text"][train]}) / len(old_test))
    return found


def main() -> int:
    """Print the table; the exit code is 1 when ours lets a test text into training, or a near pair stand on both sides."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    everything = company(options.rows + options.rows // 20)
    frame, fresh = everything[:options.rows], everything[options.rows:].reset_index(drop=True)
    changed = changes(frame, fresh)
    last = changed["near added"].drop_duplicates("text").reset_index(drop=True)
    started = time.perf_counter()
    texts = list(map(bare, last["text"]))
    pairs = near_pairs_by_brute_force(texts)
    holding = held(texts, texts)  # below, a sample is compared with brute force
    print(f"{options.rows:,} texts of the company, {len(holding):,} times one stands whole in another; brute force finds "
          f"{len(pairs):,} near pairs among {len(last):,} texts ({time.perf_counter() - started:.0f} s)")
    print(f"{'':<22}" + "".join(f"{name:>15}" for name in changed)
          + f"{'near pairs':>15}{'test':>8}{'holding':>10}{'set aside':>11}")
    bad = False
    for name, peer in [*PEERS.items(), *((kind.name, kind) for kind in (OurFile, OurStore))]:
        split = peer() if isinstance(peer, type) else lambda table, peer=peer: (peer(table), ~peer(table))
        test, train = split(frame)
        seen = shares(split, frame, changed, set(frame["key"][test]))
        now, trained = split(last)
        across = int(((now[pairs[:, 0]] & trained[pairs[:, 1]]) | (trained[pairs[:, 0]] & now[pairs[:, 1]])).sum())
        inside = int((now[holding[:, 0]] & trained[holding[:, 1]]).sum())
        print(f"{name:<22}" + "".join(f"{share:>15.1%}" for share in seen)
              + f"{across:>15,}{test.mean():>8.1%}{inside:>10,}{1 - (test | train).mean():>11.1%}")
        bad |= name.startswith("mlbot") and (max(seen) > 0 or across > 0 or inside > 0)
    cost_of_holding(list(map(bare, everything["text"])))
    honest_rows()
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
