"""The company as a data set: the figures that make it believable, measured by means that everybody has.

    python3 benchmarks/company.py [--splits 10] [--stories 20]

A linear SVM over TF-IDF of words and of character n-grams is trained on week 0 and on week 10. `--splits` is over how many
random splits the accuracies are averaged. `--stories` lets the company draw from that many other seeds, and prints the mean
and the range of each figure, which tell luck from design.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from mlbot.data import company
from mlbot.data.company import LAST_WEEK, OOS, draw_weeks, known_labels
from mlbot.data.split import side_of
from mlbot.text.clean import interactions


@dataclass(frozen=True)
class Figure:
    """A measured value, and the range that was asked for."""
    what: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        mark = "in" if self.low <= self.value <= self.high else "OUT"
        return f"{self.value:7.3f}  {self.low:5.2f} to {self.high:4.2f}  {mark:3}  {self.what}"


def views():
    """TF-IDF of words and of character n-grams."""
    return make_union(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
                      TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True))


def table(rows) -> pd.DataFrame:
    """Rows in scope, with the group that a new-wording split keeps together."""
    frame = pd.DataFrame([asdict(row) for row in rows])
    frame["group"] = frame["wording"].where(frame["wording"] != "", frame["id"])
    return frame[frame["intent"] != OOS].reset_index(drop=True)


def accuracy(train: pd.DataFrame, test: pd.DataFrame) -> float:
    """Accuracy of the SVM, from words alone."""
    return float((make_pipeline(views(), LinearSVC()).fit(train["text"], train["intent"]).predict(test["text"])
                  == test["intent"]).mean())


def accuracies(frame: pd.DataFrame, splits: int) -> tuple[float, float, float]:
    """Mean accuracy over random splits by wording, and by row; and that of the split for life."""
    by_wording, by_row = [], []
    for seed in range(splits):
        random = np.random.default_rng(seed)
        groups = frame["group"].unique()
        test = frame["group"].isin(random.choice(groups, len(groups) // 4, replace=False))
        by_wording.append(accuracy(frame[~test], frame[test]))
        test = random.random(len(frame)) < 0.25
        by_row.append(accuracy(frame[~test], frame[test]))
    test = frame["group"].map(side_of) == "test"
    return float(np.mean(by_wording)), float(np.mean(by_row)), accuracy(frame[~test], frame[test])


def neighbours(frame: pd.DataFrame) -> tuple[float, float, float]:
    """Mean cosine to the nearest other wording of the same intent, of another intent, and how often the latter is nearer."""
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit_transform(frame["text"])
    near = (vectors @ vectors.T).toarray()
    group, intent = frame["group"].to_numpy(), frame["intent"].to_numpy()
    near[group[:, None] == group[None, :]] = -1
    same = intent[:, None] == intent[None, :]
    within, other = np.where(same, near, -1).max(axis=1), np.where(same, -1, near).max(axis=1)
    return float(within[within >= 0].mean()), float(other.mean()), float((other > within).mean())


def with_context(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Answers of the SVM with context crossed with words beside the words."""
    def context(frame):
        return ["\n".join(interactions(text.lower(), {"role": role, "location": location}))
                for text, role, location in zip(frame["text"], frame["role"], frame["location"], strict=True)]
    plain, cross = views(), TfidfVectorizer(tokenizer=str.splitlines, token_pattern=None, lowercase=False, sublinear_tf=True)
    rows = hstack([plain.fit_transform(train["text"]), cross.fit_transform(context(train))]).tocsr()
    model = LinearSVC().fit(rows, train["intent"])
    return model.predict(hstack([plain.transform(test["text"]), cross.transform(context(test))]).tocsr())


def context_lift(frame: pd.DataFrame, production: pd.DataFrame) -> tuple[float, float]:
    """Accuracy on ambiguous rows (test side and production) from words alone, and with context."""
    side = frame["group"].map(side_of)
    train, asked = frame[side == "train"], pd.concat([frame[side == "test"], production])
    asked = asked[asked["group"].str.startswith("ambiguous/")]
    return accuracy(train, asked), float((with_context(train, asked) == asked["intent"]).mean())


def measure(splits: int) -> Iterator[Figure]:
    """All figures of the company that company.toml describes."""
    told = list(draw_weeks())
    weeks = [week for week, _ in told]
    truth = {item.id: item for _, truths in told for item in truths}
    seed, all_rows = (table(known_labels(weeks, week)) for week in (0, LAST_WEEK))
    production = pd.DataFrame([asdict(row) for week in weeks for row in week.production])
    production = production.assign(intent=[truth[name].intent for name in production["id"]],
                                   group=[truth[name].wording for name in production["id"]])
    in_scope = production[production["intent"] != OOS]
    for name, frame, low, high in (("0", seed, 0.76, 0.84), ("10", all_rows, 0.86, 0.92)):
        new, rows, ours = accuracies(frame, splits)
        yield Figure(f"week {name}: accuracy on new wordings, mean of {splits} splits", new, low, high)
        yield Figure(f"week {name}: the same on the split for life", ours, low, high)
        yield Figure(f"week {name}: random split minus new wordings", rows - new, -0.1, 0.1)
    first = in_scope[in_scope["id"].str.startswith("P01")]
    served = accuracy(seed[seed["group"].map(side_of) == "train"], first)
    yield Figure("week 0: accuracy in production, in the week after", served, 0.65, 0.76)
    within, other, nearer = neighbours(seed)
    yield Figure("week 0: cosine to the nearest wording of the same intent", within, 0.40, 0.52)
    yield Figure("week 0: cosine to the nearest of another intent", other, 0.34, 0.44)
    yield Figure("week 0: rows whose nearest wording is of another intent", nearer, 0.28, 0.46)
    yield Figure("labelled rows whose text stood there before", float(all_rows["text"].duplicated().mean()), 0.03, 0.08)
    short = production["text"].str.split().str.len() <= 3
    yield Figure("production rows of three words or fewer", float(short.mean()), 0.25, 1)
    late = in_scope[in_scope["id"].str[1:3].astype(int) >= 5]
    words, context = context_lift(all_rows, late)
    yield Figure("ambiguous rows: gain by context crossed with words", context - words, 0.10, 1)


@contextmanager
def other_story(number: int):
    """Let the company draw from another seed."""
    plan, original = company.read_toml("company.toml") | {"seed": number}, company.read_toml
    company.read_toml = lambda name: plan if name == "company.toml" else original(name)
    try:
        yield
    finally:
        company.read_toml = original


def print_stories(count: int, splits: int) -> None:
    """Mean and range of each figure over other seeds."""
    found: dict[str, list[Figure]] = {}
    for number in range(1, count + 1):
        with other_story(number):
            for figure in measure(splits):
                found.setdefault(figure.what, []).append(figure)
    print(f"\n   mean  asked for            lowest  highest of {count} other seeds")
    for what, figures in found.items():
        values = [figure.value for figure in figures]
        mean = replace(figures[0], value=float(np.mean(values)), what=f"{min(values):7.3f} {max(values):7.3f}  {what}")
        print(mean, flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--stories", type=int, default=0)
    options = parser.parse_args()
    print("  value  asked for          what", flush=True)
    for figure in measure(options.splits):
        print(figure, flush=True)
    if options.stories:
        print_stories(options.stories, options.splits)


if __name__ == "__main__":
    main()
