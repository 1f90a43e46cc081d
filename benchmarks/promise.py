"""How often is a promise about what the bot starts on its own broken, what does it start, and when do labels withdraw it?

    python3 benchmarks/promise.py [--splits N] [--seed N] [SOURCE ...]

A model is trained once on the training rows of each source. Its test rows are split by group, again and again: one
half certifies a threshold, the other half says whether what it starts is wrong more often than was promised. Beside
it stand a point threshold (the loosest at which the error of the first half is the limit), and one that rows of the
training certify. Then labels judge the promise of all test rows, with the error that they have and with multiples of
the limit. The last lines are about choices: how often they hold the right intent, and how many intents that takes.

The second half is a sample itself, and holds the errors that the first half lacks, so a sound threshold may seem to break
a little more than 5 % of its promises there. "drawn anew" asks the same without that: all test rows are the production,
groups of them are drawn with replacement, as many as one half has, and the threshold that these certify is checked on all.

The public sets need MLBOT_DATA_HOME. Without a source: the company, and those sets that are there.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlbot.data.source import PUBLIC, choose, load_source
from mlbot.data.split import group_digests, split
from mlbot.model.decide import CLARIFY, decide
from mlbot.model.export import to_artefact
from mlbot.model.predict import predictor_of
from mlbot.model.train import train
from mlbot.settings import Settings, load_settings
from mlbot.stats.bounds import wilson
from mlbot.stats.certified import WORSE_BETS, certify, wealth_of
from mlbot.stats.conformal import MOST_OPTIONS, least_probability

SURE = 0.95
TIMES = (1.0, 2.0, 3.0, 5.0)  # how wrong production becomes, in times of the limit
LONGEST = 2_000  # labelled messages that a promise is watched for


@dataclass(frozen=True)
class Rows:
    """Answers to rows: the probability of the best intent (0 where it seems out of scope), whether it is right, the group."""
    sure: np.ndarray
    right: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Source:
    """Answers to the test rows with those out of scope, to the same in scope alone, and to held-out training rows."""
    every: Rows
    probabilities: np.ndarray
    truth: np.ndarray
    scope: np.ndarray
    threshold: float
    trained: Rows | None


def answers_of(name: str, settings: Settings) -> Source:
    """Train on the training rows of a source, and ask about its test rows."""
    _, columns = choose(settings, name, split_column="split" if name in PUBLIC else "")
    utterances = load_source(name, columns, settings)
    sides = split(utterances, settings.data, settings.split.test_percent, bool(columns.side))
    outside = {side: sides.out_of_scope[sides.out_of_scope["side"] == side] for side in ("train", "test")}
    pipeline = train(sides.train, list(utterances.context), settings.model, outside=outside["train"], costs=settings.costs)
    model = predictor_of(to_artefact(pipeline, settings.model, {}))
    places = {intent: at for at, intent in enumerate(model.intents)}
    (inside, scope), (strange, alien) = model.ask(sides.test), model.ask(outside["test"])
    truth = np.array([places.get(intent, -1) for intent in sides.test["intent"]])

    def sure(probabilities: np.ndarray, in_scope: np.ndarray) -> np.ndarray:
        return np.where(in_scope < model.scope_threshold, 0.0, probabilities.max(axis=1, initial=0) * in_scope)
    every = Rows(np.append(sure(inside, scope), sure(strange, alien)),
                 np.append(inside.argmax(axis=1) == truth, np.zeros(len(alien), bool)),
                 np.append(group_digests(sides.test), group_digests(outside["test"])))
    asked = model.ask(sides.train)[0]
    told = np.array([places[intent] for intent in sides.train["intent"]])
    trained = Rows(asked.max(axis=1), asked.argmax(axis=1) == told, group_digests(sides.train))
    return Source(every, inside, truth, scope, model.scope_threshold, trained)


def halves_of(groups: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """Which rows are in the first half; rows of a group stay together."""
    codes = np.unique(groups, return_inverse=True)[1]
    return (dice.permutation(codes.max() + 1) % 2 == 0)[codes]


def point_threshold(rows: Rows, wrong: float) -> float:
    """The loosest threshold above which the share of wrong rows is the limit at most."""
    order = np.argsort(-rows.sure)
    fine = np.flatnonzero(np.cumsum(~rows.right[order]) <= wrong * np.arange(1, len(order) + 1))
    return float(rows.sure[order[fine[-1]]]) if len(fine) else np.inf


def part(rows: Rows, these: np.ndarray) -> Rows:
    """Some of the rows."""
    return Rows(rows.sure[these], rows.right[these], rows.groups[these])


def share_words(broken: list[bool], started: list[float]) -> str:
    """How often promises were broken, with the interval, and what was started."""
    low, high = wilson(sum(broken), len(broken))
    return f"{np.mean(broken):6.1%} ({low:.1%} to {high:.1%})   {np.mean(started):5.0%}"


def break_promises(name: str, found: Source, wrong: float, splits: int, dice: np.random.Generator) -> None:
    """Print how often a promise is broken on the other half, by how the threshold was chosen."""
    seen: dict[str, tuple[list[bool], list[float]]] = {}
    for _ in range(splits):
        first = halves_of(found.every.groups, dice)
        one, other = part(found.every, first), part(found.every, ~first)
        ways = {"point": point_threshold(one, wrong), "certified": certify(*rows_of(one), wrong, SURE, one.groups).threshold}
        if found.trained is not None:
            drawn = part(found.trained, dice.integers(len(found.trained.sure), size=len(one.sure)))
            ways["certified on training rows"] = certify(*rows_of(drawn), wrong, SURE).threshold
        for way, threshold in ways.items():
            above = other.sure >= (np.inf if threshold is None else threshold)
            broken, started = seen.setdefault(way, ([], []))
            broken.append(bool(above.any()) and float((~other.right[above]).mean()) > wrong)
            started.append(float(above.mean()))
    for way, (broken, started) in seen.items():
        print(f"{name:<11}{wrong:5.0%}  {way:<28}{share_words(broken, started)}", flush=True)


def drawn_anew(rows: Rows, dice: np.random.Generator) -> Rows:
    """As many groups as half of the rows have, drawn with replacement; one that is drawn twice counts as two."""
    codes = np.unique(rows.groups, return_inverse=True)[1]
    by_group = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    taken = [by_group[at] for at in dice.integers(len(by_group), size=len(by_group) // 2)]
    these = np.concatenate(taken)
    return Rows(rows.sure[these], rows.right[these], np.repeat(np.arange(len(taken)), [len(group) for group in taken]))


def break_known(name: str, found: Source, wrong: float, splits: int, dice: np.random.Generator) -> None:
    """Print how often a promise is broken in a production whose error is known: all test rows."""
    every, seen = found.every, {"point, drawn anew": ([], []), "certified, drawn anew": ([], [])}
    for _ in range(splits):
        rows = drawn_anew(every, dice)
        found_now = (point_threshold(rows, wrong), certify(*rows_of(rows), wrong, SURE, rows.groups).threshold)
        for (broken, started), threshold in zip(seen.values(), found_now, strict=True):
            above = every.sure >= (np.inf if threshold is None else threshold)
            broken.append(bool(above.any()) and float((~every.right[above]).mean()) > wrong)
            started.append(float(above.mean()))
    for way, (broken, started) in seen.items():
        print(f"{name:<11}{wrong:5.0%}  {way:<28}{share_words(broken, started)}", flush=True)


def rows_of(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """What `certify` is given."""
    return rows.sure, rows.right


def watch(name: str, found: Source, wrong: float, splits: int, dice: np.random.Generator) -> None:
    """Print how often labels withdraw a promise that holds, and after how many labels one that is broken by drift."""
    whole = certify(*rows_of(found.every), wrong, SURE, found.every.groups)
    if whole.threshold is None:
        return print(f"{name:<11}{wrong:5.0%}  no threshold is certified", flush=True)
    usual = float((~found.every.right[found.every.sure >= whole.threshold]).mean())
    for rate in (("as it is", usual), *((f"{times:g} x", times * wrong) for times in TIMES)):
        after = []
        for _ in range(splits):
            over = wealth_of(dice.random(LONGEST) < rate[1], wrong, WORSE_BETS) >= 1 / (1 - SURE)
            after.append(int(over.argmax()) if over.any() else LONGEST + 1)
        gone = np.array(after) <= LONGEST
        low, high = wilson(int(gone.sum()), splits)
        labels = f"{np.median(after):,.0f} labels (90 %: {np.quantile(after, 0.9):,.0f})" if gone.mean() > 0.9 else "-"
        often = f"withdrawn {gone.mean():6.1%} ({low:.1%} to {high:.1%})"
        print(f"{name:<11}{wrong:5.0%}  error {rate[0]:<9}{rate[1]:6.1%}  {often}   {labels}", flush=True)


def choices(name: str, found: Source, settings: Settings, splits: int, dice: np.random.Generator) -> None:
    """Print how often a choice holds the right intent, and its size: for all messages, and where the bot offers one."""
    known = found.truth >= 0
    probabilities, truth, scope = found.probabilities[known], found.truth[known], found.scope[known]
    torn = decide(probabilities, scope, found.threshold, settings.costs) == CLARIFY
    of_truth = probabilities[np.arange(len(truth)), truth]
    place = (probabilities > of_truth[:, None]).sum(axis=1)
    groups = found.every.groups[:len(found.truth)][known]
    for where, rows, rates in (("every message", np.ones(len(truth), bool), (0.9, 0.97)), ("a choice", torn, (0.8, 0.9))):
        print(f"{name:<11}three intents for {where:<14} hold {np.mean(place[rows] < 3):6.1%}  size 3.00  (n={rows.sum():,})")
        for holds in rates:
            held, size, one = [], [], []
            for _ in range(splits):
                first = halves_of(groups[rows], dice)
                least = least_probability(of_truth[rows][first], holds)
                sizes = np.clip((probabilities[rows][~first] >= least).sum(axis=1), 1, MOST_OPTIONS)
                held.append((place[rows][~first] < sizes).mean())
                size.append(sizes.mean())
                one.append((sizes == 1).mean())
            print(f"{name:<11}{holds:4.0%} asked for {where:<16}  hold {np.mean(held):6.1%}  size {np.mean(size):.2f}, "
                  f"a single one for {np.mean(one):.0%}", flush=True)


def main() -> None:
    """Measure each source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", metavar="SOURCE")
    parser.add_argument("--splits", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    home = Path(os.environ.get("MLBOT_DATA_HOME", ""))
    there = [name for name in PUBLIC if os.environ.get("MLBOT_DATA_HOME") and (home / name).exists()]
    settings = load_settings()
    print(f"{'':<11}limit  {'threshold':<28}broken                     started")
    for name in options.sources or ["company", *there]:
        found, dice = answers_of(name, settings), np.random.default_rng(options.seed)
        for wrong in (0.02, 0.05):
            break_promises(name, found, wrong, options.splits, dice)
            break_known(name, found, wrong, options.splits, dice)
        for wrong in (0.02, 0.05):
            watch(name, found, wrong, options.splits, dice)
        choices(name, found, settings, max(options.splits // 4, 1), dice)


if __name__ == "__main__":
    main()
