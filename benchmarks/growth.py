"""Whether the learning curves of intents say which intents gain by ten more messages, and how much.

    python3 benchmarks/growth.py [--draws 6] [--rows 10 15] [--budget 60] [SOURCE ...]

Training rows only. A third of them is held out and asked. Of the rest each intent keeps at most `rows`; the others are a
reserve. The curves are fitted on what is kept: models learn from growing parts of it, and the folds of a training ask each
row once. Then half of the intents get ten rows of the reserve each, and their predicted gains stand beside the real ones, in
thirds by prediction. Last, a budget of messages goes to intents in three ways, and the recall of the ten gates that looked
weakest before is compared: as the curves advise, to the lowest recall first, and at random.
"""

import argparse

import numpy as np
import pandas as pd

from mlbot.data.source import PUBLIC, choose, load_source
from mlbot.data.split import split
from mlbot.model.pipeline import build_pipeline
from mlbot.model.train import fit_plain, fit_rows
from mlbot.settings import load_settings
from mlbot.stats.growth import Curves, advise, fit_curves, points_of

PARTS, MORE = (0.2, 0.4, 0.8), 10


def recall_of(fitted, asked: pd.DataFrame) -> pd.Series:
    """Right answers to the asked rows, as a share of each intent."""
    return (fitted.predict(asked) == asked["intent"]).groupby(asked["intent"]).mean()


def curves_of(fitted, rows: pd.DataFrame, context: list[str], settings, dice: np.random.Generator) -> Curves:
    """The curves of the intents of these rows, from growing parts of them and from the folds of the model fitted on all."""
    held = dice.random(len(rows)) < 0.25
    asked, rest, points = rows[held], rows[~held].sample(frac=1, random_state=int(dice.integers(2**31))), []
    for part in PARTS:
        some = rest.iloc[:round(len(rest) * part)]
        right = fit_plain(some, context, settings.model).predict(asked) == asked["intent"]
        points += points_of(asked["intent"], right, some["intent"])
    classifier, truth = fitted.named_steps["intent"], rows["intent"].to_numpy(str)
    right = classifier.classes_[classifier.held_out_.argmax(axis=1)] == truth
    points += points_of(truth, right, truth, 1 - 1 / settings.model.folds)
    found = fit_curves(points)
    return Curves(found.slope, found.usual, found.difficulty, rows["intent"].value_counts().to_dict())


def one_draw(rows: pd.DataFrame, most: int, context: list[str], settings, budget: int,
             dice: np.random.Generator) -> tuple[pd.DataFrame, dict[str, float], float]:
    """Predicted and real gains of intents; the mean recall of the weakest gates by way; the slope."""
    rows = rows.sample(frac=1, random_state=int(dice.integers(2**31)))
    held = np.arange(len(rows)) < len(rows) // 3
    asked, rest = rows[held], rows[~held]
    place = rest.groupby("intent").cumcount()
    base, reserve = rest[place < most], rest[place >= most]
    fitted = build_pipeline(settings.model, context)
    fit_rows(fitted, base, context, settings.model)  # its folds ask each row, those of fit_plain some
    before, curves = recall_of(fitted, asked), curves_of(fitted, base, context, settings, dice)
    there = reserve["intent"].value_counts()
    able = [name for name in there.index if there[name] >= MORE and name in before]
    grown = list(dice.permutation(able)[:len(able) // 2])
    after = recall_of(fit_plain(with_rows(base, reserve, dict.fromkeys(grown, MORE)), context, settings.model), asked)
    n = asked["intent"].value_counts()
    gains = pd.DataFrame([(curves.gain(name, MORE), after[name] - before[name], n[name]) for name in grown],
                         columns=["predicted", "real", "n"])
    return gains, ways(base, reserve, asked, before, curves, budget, context, settings, dice), curves.slope


def with_rows(base: pd.DataFrame, reserve: pd.DataFrame, counts: dict[str, int]) -> pd.DataFrame:
    """The base with so many rows of the reserve for each intent."""
    place = reserve.groupby("intent").cumcount()
    return pd.concat([base, reserve[place < reserve["intent"].map(counts).fillna(0)]])


def ways(base, reserve, asked, before, curves: Curves, budget: int, context, settings, dice) -> dict[str, float]:
    """The mean recall of the ten weakest gates before and after a budget of messages, by the way it was given out."""
    weak = sorted(curves.rows, key=curves.recall)[:10]
    weak = [name for name in weak if name in before]
    lowest = sorted(curves.rows, key=curves.recall)[:max(1, budget // MORE)]
    plans = {"as the curves advise": {one.intent: one.messages for one in advise(curves, {}, budget)},
             "lowest recall first": dict.fromkeys(lowest, MORE),
             "at random": dict.fromkeys(dice.permutation(list(curves.rows))[:budget // MORE], MORE)}
    found = {"before": float(before[weak].mean())}
    for name, plan in plans.items():
        found[name] = float(recall_of(fit_plain(with_rows(base, reserve, plan), context, settings.model), asked)[weak].mean())
    return found


def measure(source: str, settings, options: argparse.Namespace) -> None:
    """Print both tables of a source."""
    _, columns = choose(settings, source, split_column="split" if source in PUBLIC else "")
    loaded = load_source(source, columns, settings)
    rows = split(loaded, settings.data, settings.split.test_percent, bool(columns.side)).train
    for most in options.rows:
        dice = np.random.default_rng(most)
        drawn = [one_draw(rows, most, list(loaded.context), settings, options.budget, dice) for _ in range(options.draws)]
        gains, slopes = pd.concat([one for one, _, _ in drawn]), [slope for _, _, slope in drawn]
        print(f"\n{source}, {most} rows an intent, {MORE} more for half of them, {options.draws} draws, "
              f"slope {np.mean(slopes):.2f}; gain of recall in points")
        third = pd.qcut(gains["predicted"].rank(method="first"), 3, labels=["least", "middle", "most"])
        for name, some in [*gains.groupby(third, observed=True), ("all", gains)]:
            real, spread = some["real"].mean(), some["real"].std() / len(some) ** 0.5
            print(f"{name:<8}predicted {100 * some['predicted'].mean():5.1f}, real {100 * real:5.1f} "
                  f"({100 * (real - 1.96 * spread):.1f} to {100 * (real + 1.96 * spread):.1f}, n={len(some)})")
        given = pd.DataFrame([way for _, way, _ in drawn])
        for name in given.columns[1:]:
            apart = 100 * (given[name] - given["before"])
            half = 1.96 * apart.std() / len(apart) ** 0.5
            print(f"{options.budget} messages {name:<22}: the ten weakest gates {100 * given['before'].mean():.1f} % "
                  f"{apart.mean():+.1f} points ({apart.mean() - half:+.1f} to {apart.mean() + half:+.1f})", flush=True)


def main() -> None:
    """Print the tables of each source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", metavar="SOURCE", default=["company"])
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--rows", type=int, nargs="+", default=[10, 15])
    parser.add_argument("--budget", type=int, default=60)
    options = parser.parse_args()
    for source in options.sources:
        measure(source, load_settings(), options)


if __name__ == "__main__":
    main()
