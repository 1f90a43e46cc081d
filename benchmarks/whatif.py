"""How often the intervals of `mlbot whatif` hold what the next weeks really gave, on the company.

    python3 benchmarks/whatif.py [--scale N ...] [--thresholds T ...]

A model of week 3 answers production. Two weeks are replayed under each threshold, with labels for messages that chance drew
(one in four); then the two weeks after them are counted with all their labels. Production is drawn at several scales.
"""

import argparse
from collections import Counter

import numpy as np
import pandas as pd

from mlbot.bot.labelling import Item, is_drawn
from mlbot.bot.whatif import ReplayRules, replayed
from mlbot.data.company import draw_weeks
from mlbot.data.source import load_source
from mlbot.data.table import Columns
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.train import train
from mlbot.settings import load_settings
from mlbot.stats.bounds import wilson


def production(scale: float) -> pd.DataFrame:
    """What production asked in each week, each text of a week once, with its true intent."""
    rows = []
    for week, truths in draw_weeks(scale):
        true = {truth.id: truth.intent for truth in truths}
        rows += [(week.number, row.text, row.role, row.location, row.person, true[row.id]) for row in week.production]
    found = pd.DataFrame(rows, columns=["week", "text", "role", "location", "person", "intent"])
    return found.drop_duplicates(["week", "text", "role", "location"])


def items_of(rows: pd.DataFrame, every: bool, names: str) -> tuple[list[Item], list[str]]:
    """Messages with their labels: of all, or of those that chance drew. `names`: makes another draw."""
    items = [Item(f"{names}{at}", 0.0, row.text, row.role, row.location, "", 0.0, (), "", is_drawn(f"{names}{at}"),
                  author=row.person) for at, row in enumerate(rows.itertuples())]
    return items, [intent if every or item.drawn else "" for item, intent in zip(items, rows["intent"], strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.8, 0.9, 0.95])
    options, settings = parser.parse_args(), load_settings()
    rows = load_source("company:3", Columns(context=("role", "location"), group="wording"), settings).rows
    rows = rows[rows["intent"] != settings.data.out_of_scope].groupby("intent").filter(lambda one: len(one) > 2)
    pipeline = train(rows, ["role", "location"], settings.model, costs=settings.costs)
    model, held, asked = Predictor(to_artefact(pipeline, settings.model, {})), Counter[str](), Counter[str]()
    widths: dict[str, list[float]] = {}
    for scale in options.scale:
        weeks = production(scale)
        for first in range(4, 8):
            now, then = (weeks[weeks["week"].isin((at, at + 1))] for at in (first, first + 2))
            for threshold in options.thresholds:
                rules = ReplayRules(model, settings.costs, threshold)
                told = replayed(*items_of(now, False, f"{scale}-{first}-"), rules, len(then) / len(now))
                real = replayed(*items_of(then, True, "then"), rules)
                for one, other in zip(told, real, strict=True):
                    held[one.name] += one.low <= other.value <= one.high
                    asked[one.name] += 1
                    widths.setdefault(one.name, []).append((one.high - one.low) / 2)
    for name, n in asked.items():
        low, high = wilson(held[name], n)
        print(f"{name:<12} held {held[name]} of {n} ({held[name] / n:.2f}, 95 % {low:.2f} to {high:.2f}), "
              f"half width {np.mean(widths[name]):.3f}")
    print(f"all          held {sum(held.values())} of {sum(asked.values())} ({sum(held.values()) / sum(asked.values()):.3f})")


if __name__ == "__main__":
    main()
