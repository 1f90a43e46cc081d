"""How often the intervals of `mlbot whatif` hold what the next weeks really gave, on the company.

    python3 benchmarks/whatif.py [--scale N ...] [--thresholds T ...] [--share S] [--even]

A model of week 3 answers production. Two weeks are replayed under each threshold; a part of their messages is labelled
(`--share`), in the order of the queue: by the weight that the bot stores with each message. Then the two weeks after them are
counted with all their labels. Production is drawn at several scales. `--even` labels one message in four, each as likely, as
logs from before the queue have it.
"""

import argparse
from collections import Counter

import numpy as np
import pandas as pd

from mlbot.bot.draw import place_of, weight_of
from mlbot.bot.labelling import Item, is_drawn
from mlbot.bot.whatif import ReplayRules, replayed
from mlbot.data.company import draw_weeks
from mlbot.data.source import load_source
from mlbot.data.table import Columns
from mlbot.model.decide import decide
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.train import train
from mlbot.settings import Costs, load_settings
from mlbot.stats.bounds import wilson


def production(scale: float) -> pd.DataFrame:
    """What production asked in each week, each text of a week once, with its true intent."""
    rows = []
    for week, truths in draw_weeks(scale):
        true = {truth.id: truth.intent for truth in truths}
        rows += [(week.number, row.text, row.role, row.location, row.person, true[row.id]) for row in week.production]
    found = pd.DataFrame(rows, columns=["week", "text", "role", "location", "person", "intent"])
    return found.drop_duplicates(["week", "text", "role", "location"])


def weights(model, rows: pd.DataFrame, costs: Costs) -> np.ndarray:
    """The weight of each message in the queue, as the bot stores it with its own decision."""
    probabilities, scope = model.ask(rows)
    does = decide(probabilities, scope, model.scope_threshold, costs)
    return np.array([weight_of(*each) for each in zip(probabilities.max(axis=1), scope, does, strict=True)])


def items_of(rows: pd.DataFrame, draws: np.ndarray, share: float, names: str) -> tuple[list[Item], list[str]]:
    """Messages with their labels: of a `share` of them, in the order of the queue, or for those without a weight (`draws`) of
    those that chance drew. `names`: makes another draw."""
    ids = [f"{names}{at}" for at in range(len(rows))]
    items = [Item(name, 0.0, row.text, row.role, row.location, "", 0.0, (), "", draw > 0 or is_drawn(name), author=row.person,
                  draw=draw) for name, row, draw in zip(ids, rows.itertuples(), draws, strict=True)]
    queue = sorted((item for item in items if item.draw), key=lambda item: place_of(item.id, item.draw))
    asked = {item.id for item in queue[:round(share * len(items))]} or {item.id for item in items if item.drawn}
    pairs = zip(items, rows["intent"], strict=True)
    return items, [intent if share == 1 or item.id in asked else "" for item, intent in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, nargs="+", default=[1 + at / 4 for at in range(13)])
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.8, 0.9, 0.95])
    parser.add_argument("--share", type=float, default=0.25, help="the part of the messages that is labelled")
    parser.add_argument("--even", action="store_true", help="label one in four, each as likely")
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
            draws = np.zeros(len(now)) if options.even else weights(model, now, settings.costs)
            for threshold in options.thresholds:
                rules = ReplayRules(model, settings.costs, threshold)
                told = replayed(*items_of(now, draws, options.share, f"{scale}-{first}-"), rules, len(then) / len(now))
                real = replayed(*items_of(then, np.zeros(len(then)), 1, "then"), rules)
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
