"""What labels of production are worth: the width of the estimate, and how often it holds, by how messages are drawn.

    python3 benchmarks/production.py [--draws 200] [--labels 50 100 200 400] [--tau 0.4 ...] [--held-out] [SOURCE ...]
    python3 benchmarks/production.py --teach 6 [--labels 200 400] [SOURCE ...]

A model is trained on the training rows of the company (or of a public set, where MLBOT_DATA_HOME holds it) and answers its
test rows: messages in scope, with 18 % out of scope, and after a drift in which the labels of a tenth of the intents have
changed places. From these, labels are drawn again and again in four ways:

- one in four: every fourth label is of a random message and corrects the model's guess, the others are of the least sure
  messages and say nothing about it (mlbot before)
- any, alone: labels of random messages, without the model's guess
- any: labels of random messages correct the guess, and their interval knows how many messages there are
- by weight: mlbot now; as `any`, but the unsure are likelier

All intervals hold after each label. `theory` is what the weights alone can save where there are many messages: the root of
the variance of a label drawn by weight, over that of a random one. --held-out asks held-out training rows instead of the
test, for choosing.

--teach asks what labels teach: of the training rows a quarter is held out, a model has ten rows of each intent, the rest is
production. It is trained again with the labels of each way, and asked about the held-out rows, in so many draws.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import pandas as pd

from mlbot.bot.draw import TAU, weight_of
from mlbot.bot.monitor import LoggedAnswer, guesses, rightness
from mlbot.data.source import PUBLIC, choose, load_source
from mlbot.data.split import split
from mlbot.model.decide import decide
from mlbot.model.scope import in_scope_probabilities
from mlbot.model.train import fit_plain, train
from mlbot.settings import load_settings
from mlbot.stats.bounds import share_by_bets
from mlbot.stats.drawn import Pool, share_by_draws

OUTSIDE = 0.18
WAYS = ("one in four", "any, alone", "any", "by weight")
POPULATIONS = ("all messages", "in scope")


def parts_of(source: str, settings, held_out: bool) -> tuple[list[pd.DataFrame], list[str]]:
    """Rows to learn from and to ask, then the same out of scope; and the context."""
    _, columns = choose(settings, source, split_column="split" if source in PUBLIC else "")
    rows = load_source(source, columns, settings)
    sides = split(rows, settings.data, settings.split.test_percent, bool(columns.side))
    known, asked, outside = sides.train, sides.test, sides.out_of_scope
    held = outside["side"] == "test" if len(outside) else np.zeros(0, bool)
    taught, strange = outside[~held], outside[held]
    if held_out:
        dice = np.random.default_rng(0)
        asks, strange_asks = dice.random(len(known)) < 0.25, dice.random(len(taught)) < 0.5
        known, asked, taught, strange = known[~asks], known[asks], taught[~strange_asks], taught[strange_asks]
    return [known, asked, taught, strange], list(rows.context)


def answers_of(source: str, settings, held_out: bool) -> pd.DataFrame:
    """The model's answers: `intent`, `confidence`, `in_scope`, `decision`, and the `truth`."""
    (known, asked, taught, strange), context = parts_of(source, settings, held_out)
    pipeline = train(known, context, settings.model, outside=taught if len(taught) else None, costs=settings.costs)
    rows = pd.concat([asked, strange])
    probabilities = pipeline.predict_proba(rows)
    scope = np.ones(len(rows)) if pipeline.scope is None else in_scope_probabilities(pipeline, rows)
    decisions = decide(probabilities, scope, pipeline.scope.threshold if pipeline.scope else 0.0, settings.costs)
    truth = rows["intent"].to_numpy(str).copy()
    truth[len(asked):] = settings.data.out_of_scope
    return pd.DataFrame({"intent": pipeline.classes_[probabilities.argmax(axis=1)], "confidence": probabilities.max(axis=1),
                         "in_scope": scope, "decision": decisions, "truth": truth})


def weeks(answers: pd.DataFrame, outside: str, dice: np.random.Generator) -> Iterator[tuple[str, pd.DataFrame]]:
    """The messages of each scenario, by name."""
    inside, strange = (answers[(answers["truth"] == outside) == known] for known in (False, True))
    yield "in scope", inside
    if len(strange):
        most = min(len(inside), round(len(strange) * (1 - OUTSIDE) / OUTSIDE))
        mixed = [inside.sample(most, random_state=0), strange.sample(round(most * OUTSIDE / (1 - OUTSIDE)), random_state=0)]
        yield f"{OUTSIDE:.0%} out of scope", pd.concat(mixed)
    names = np.unique(inside["truth"])
    moved = dice.choice(names, max(2, len(names) // 10), replace=False)
    yield "after a drift", inside.assign(truth=inside["truth"].replace(dict(zip(moved, np.roll(moved, 1), strict=True))))


class Week:
    """The messages of a scenario as arrays: what labels would say, what the model guesses, and the weights."""

    def __init__(self, rows: pd.DataFrame, outside: str, tau: float):
        told = rows[["intent", "confidence", "in_scope", "decision"]].itertuples(index=False)
        answers = [LoggedAnswer(*row) for row in told]
        self.says = np.array([rightness(*pair, outside) for pair in zip(answers, rows["truth"], strict=True)])
        self.guess = np.array([guesses(answer) for answer in answers])
        self.weights = np.array([weight_of(one.confidence, one.in_scope, one.decision, tau) for one in answers])
        self.n, self.means, self.gaps = len(rows), self.guess.mean(axis=0), self.says - self.guess
        right, inside, scope = self.says.mean(axis=0)
        self.truth = {"all messages": right, "in scope": inside / scope}

    def theory(self) -> float:
        """The width by weight over that of random labels, among all of many messages."""
        squares = self.gaps[:, 0] ** 2
        return float(np.sqrt((squares / self.weights).mean() * self.weights.mean() / squares.mean()))

    def pairs(self, population: str, given: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
        """Labels x (right, counted) less what is guessed, and the means of both guesses; `given`: says or gaps."""
        alone = given is self.says
        if population == "in scope":
            return given[:, 1:], (0.0, 0.0) if alone else (self.means[1], self.means[2])
        counted = np.ones(self.n) if alone else np.zeros(self.n)
        return np.stack([given[:, 0], counted], axis=1), (0.0, 0.0) if alone else (self.means[0], 1.0)

    def interval(self, way: str, population: str, labels: int, dice: np.random.Generator) -> tuple[float, float]:
        """One interval by so many labels."""
        if way in ("any", "by weight"):
            weights = self.weights if way == "by weight" else np.ones(self.n)
            order = np.argsort(dice.exponential(size=self.n) / weights)[:labels]
            pairs, means = self.pairs(population, self.gaps)
            pool = Pool(self.n, weights.sum(), weights.min())
            found = share_by_draws(pairs[order], weights[order], pool, means)
            return found.low, found.high
        order = dice.permutation(self.n)[:labels // 4 if way == "one in four" else labels]
        pairs, means = self.pairs(population, self.says if way == "any, alone" else self.gaps)
        return share_by_bets(pairs[order, 0], pairs[order, 1], means)


def measure(source: str, settings, options: argparse.Namespace) -> list[tuple[int, float, float]]:
    """Print the tables of a source; return by line its labels, width by weight over one in four, coverage."""
    answers, found = answers_of(source, settings, options.held_out), []
    for tau in options.tau:
        for name, rows in weeks(answers, settings.data.out_of_scope, np.random.default_rng(0)):
            week = Week(rows, settings.data.out_of_scope, tau)
            print(f"\n{source}, {name}: {week.n:,} messages, tau {tau:g}, theory {week.theory():.2f}; "
                  "half of the width (coverage)")
            print(f"{'population':<14}{'right':>6}{'labels':>8}" + "".join(f"{way:>17}" for way in WAYS) + f"{'ratio':>8}")
            for population in POPULATIONS:
                for labels in options.labels:
                    found.append(line(week, population, min(labels, week.n), options.draws))
    return found


def line(week: Week, population: str, labels: int, draws: int) -> tuple[int, float, float]:
    """Print one line; return its labels, its ratio and the coverage by weight."""
    truth, told, halves, covers = week.truth[population], [], {}, {}
    for way in WAYS:
        dice = np.random.default_rng(1)
        ends = np.array([week.interval(way, population, labels, dice) for _ in range(draws)])
        halves[way] = float((ends[:, 1] - ends[:, 0]).mean() / 2)
        covers[way] = float(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean())
        told.append(f"{halves[way]:>9.3f} ({covers[way]:.3f})")
    ratio = halves["by weight"] / halves["one in four"]
    print(f"{population:<14}{truth:>6.3f}{labels:>8}", *(f"{words:>16}" for words in told), f"{ratio:>7.2f}", flush=True)
    return labels, ratio, covers["by weight"]


def chosen(way: str, weights: np.ndarray, unsure: np.ndarray, labels: int,
           dice: np.random.Generator) -> np.ndarray:
    """The messages that get the labels: by weight, at random, or as before, of which one in four at random."""
    if way == "by weight":
        return np.argsort(dice.exponential(size=len(weights)) / weights)[:labels]
    mixed = dice.permutation(len(weights))
    if way == "any":
        return mixed[:labels]
    first = mixed[:labels // 4]
    return np.append(first, [at for at in np.argsort(-unsure) if at not in set(first)][:labels - len(first)])


def teach(source: str, settings, options: argparse.Namespace) -> None:
    """Print how accurate a model is with the labels of each way, less its accuracy before."""
    _, columns = choose(settings, source, split_column="split" if source in PUBLIC else "")
    loaded = load_source(source, columns, settings)
    rows = split(loaded, settings.data, settings.split.test_percent, bool(columns.side)).train
    found = {(way, labels): [] for labels in options.labels for way in WAYS if way != "any, alone"}
    for draw in range(options.teach):
        dice = np.random.default_rng(draw)
        rows = rows.sample(frac=1, random_state=draw)
        asked, rest = rows[:len(rows) // 4], rows[len(rows) // 4:]
        first = rest.groupby("intent").cumcount() < 10
        known, pool = rest[first], rest[~first]
        model = fit_plain(known, list(loaded.context), settings.model)
        sure = model.predict_proba(pool).max(axis=1)
        weights = np.array([weight_of(one, 1.0, "execute") for one in sure])
        before = (model.predict(asked) == asked["intent"]).mean()
        for way, labels in found:
            taken = pool.iloc[chosen(way, weights, 1 - sure, labels, dice)]
            taught = fit_plain(pd.concat([known, taken]), list(loaded.context), settings.model)
            found[way, labels].append((taught.predict(asked) == asked["intent"]).mean() - before)
    for (way, labels), gains in found.items():
        half = 1.96 * np.std(gains, ddof=1) / len(gains) ** 0.5
        ends = f"{100 * (np.mean(gains) - half):+.1f} to {100 * (np.mean(gains) + half):+.1f}, {len(gains)} draws"
        print(f"{source:<12}{labels:>5} labels, {way:<12}accuracy {100 * np.mean(gains):+.1f} points ({ends})", flush=True)


def main() -> None:
    """Print all tables; exit 1 below 94 % coverage, or where 100 labels or more leave over half of the width of before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", metavar="SOURCE", default=["company"])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--tau", type=float, nargs="+", default=[TAU])
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--teach", type=int, default=0, metavar="DRAWS")
    options = parser.parse_args()
    if options.teach:
        for source in options.sources:
            teach(source, load_settings(), options)
        return
    found = [pair for source in options.sources for pair in measure(source, load_settings(), options)]
    labels, ratios, covers = np.array(found).T
    print(f"\n{len(found)} lines: width by weight over one in four {ratios.min():.2f} to {ratios.max():.2f}, "
          f"coverage at least {covers.min():.3f}")
    raise SystemExit(int(covers.min() < 0.94 or ratios[labels >= 100].max(initial=0) > 0.5))


if __name__ == "__main__":
    main()
