"""How often a planted change is named: mix of intents, inputs, concept, or none (`mlbot.stats.shift`).

    python3 benchmarks/shift.py [--sets company ...] [--draws N] [--rows N] [--labels N]

Half of the held-out rows are the period before, the others are the period now, drawn anew each time. Planted are: nothing; a
mix in which a fifth of the intents is asked five times as often; inputs cut to their first three words in half of the rows;
a concept that changed: for a fifth of the intents the right answer is another one. A change counts as named when it comes
first in the sentence. Only training rows are used: the model learns from two thirds of them.
"""

import argparse
from collections import Counter

import numpy as np
import pandas as pd

from mlbot.bot.monitor import length_of
from mlbot.data.source import choose, load_source
from mlbot.data.split import split
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.train import train
from mlbot.settings import load_settings
from mlbot.stats.bounds import wilson
from mlbot.stats.shift import Period, accuracy_causes, ranked_causes

KINDS = ("none", "mix", "inputs", "concept")


def period_of(model: Predictor, rows: pd.DataFrame, labelled: int, moved: frozenset[str] = frozenset()) -> Period:
    """The period of these rows. For intents that `moved` the best answer is right no more."""
    probabilities, scope = model.ask(rows)
    best = np.array(model.intents)[probabilities.argmax(axis=1)]
    right = ((best == rows["intent"]) & ~rows["intent"].isin(moved)).to_numpy(float)
    right[labelled:] = np.nan
    slices = {"length": np.array(list(map(length_of, rows["text"])))}
    slices |= {name: rows[name].to_numpy(str) for name in model.context}
    return Period(np.column_stack([probabilities * scope[:, None], 1 - scope]), right, slices)


def planted(kind: str, rows: pd.DataFrame, count: int, dice) -> tuple[pd.DataFrame, frozenset[str]]:
    """`count` rows of the period now, and the intents whose meaning moved."""
    names = dice.permutation(sorted(rows["intent"].unique()))
    some = frozenset(names[:max(1, len(names) // 5)])
    weights = np.where(rows["intent"].isin(some), 5.0, 1.0) if kind == "mix" else np.ones(len(rows))
    found = rows.iloc[dice.choice(len(rows), count, p=weights / weights.sum(), replace=kind == "mix")].copy()
    if kind == "inputs":
        cut = dice.random(count) < 0.5
        pairs = zip(found["text"], cut, strict=True)
        found["text"] = [" ".join(text.split()[:3]) if short else text for text, short in pairs]
    return found, some if kind == "concept" else frozenset()


def measure(name: str, settings, options) -> None:
    """Print how often each kind of change is named first, and how often nothing is."""
    source, columns = choose(settings, name, split_column="" if name == "company" else "split")
    sides = split(load_source(source, columns, settings), settings.data, given=name != "company")
    dice, context = np.random.default_rng(0), [column for column in columns.context if column in sides.train]
    rows = sides.train[sides.train["intent"] != settings.data.out_of_scope].groupby("intent").head(60)
    held = dice.permutation(len(rows)) % 3 == 0
    learnt = rows[~held].groupby("intent").filter(lambda one: len(one) > 1)
    model = Predictor(to_artefact(train(learnt, context, settings.model, costs=settings.costs), settings.model, {}))
    asked, names = rows[held & rows["intent"].isin(model.intents)], [*model.intents, "out of scope"]
    for kind in KINDS:
        first = Counter[str]()
        for draw in range(options.draws):
            order = dice.permutation(len(asked))
            half = min(len(asked) // 2, options.rows)
            before = period_of(model, asked.iloc[order[:half]], half)
            now, moved = planted(kind, asked.iloc[order[half:]], min(half, len(asked) - half), dice)
            causes = accuracy_causes(before, period_of(model, now, options.labels, moved), names, draw)
            sure = ranked_causes(causes)
            first[sure[0].name if sure else "none"] += 1
        low, high = wilson(first[kind], options.draws)
        told = f"named {first[kind]} of {options.draws} (95 % {low:.2f} to {high:.2f})"
        print(f"{name:<10} {kind:<8} {told}  {dict(first)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["company"])
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--labels", type=int, default=200)
    options = parser.parse_args()
    settings = load_settings()
    for name in options.sets:
        measure(name, settings, options)


if __name__ == "__main__":
    main()
