"""Does a 95 % interval hold the truth in 95 % of the cases? Every interval that mlbot prints, on data whose truth is known.

    python3 benchmarks/coverage.py [--draws 400] [--only production] [--like R2]

Each line is one kind of number at one size: test sets are drawn again and again from a world in which the true value is
known, and mlbot's own function gives its interval. `covers` is how often that holds the truth (asked: at least 94 %),
`at least` and `at most` how often the one-sided bounds do that decide verdicts (95 %; of a gain 97.5 %), `width` is the
mean width of the interval. `shown` is how often there is an interval at all: macro-F1 and the calibration error have none on
few rows. A line is marked `LOW` when it covers less than 94 % by more than the noise of the simulation; the exit code
is 1 when there is one. Closed forms are drawn five times as often as asked, because they cost nothing.

Some lines are known to fall short: no interval holds what it promises where the few rows that decide are missing from most
samples. Each such line has its own limit, which stands in `KNOWN` with the reason, is printed beside it, and is measured like
all others: below it the line is `LOW`, too. They are counted in the last line.

Where two models gave the same answers to all rows of a draw, both bounds of their gain are 0 on purpose, so that a build that
changed nothing is never stopped. Such draws count for the interval, and not for the bounds.

The forecast is judged by `benchmarks/forecast.py`, which backtests it on growing data. Agreement of labellers, drift and
risk curves are printed without an interval.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from mlbot.bot.monitor import LoggedAnswer, Share, estimates, guesses, rightness
from mlbot.model.decide import CONFIRM, EXECUTE, OUT_OF_SCOPE, cost_score
from mlbot.run.blame import Crossing, effects, score_effects
from mlbot.stats import metrics as of
from mlbot.stats import paired as of_pairs
from mlbot.stats.bounds import share_by_bets, wilson
from mlbot.stats.scores import (
    Score,
    area_under_roc,
    calibration_error,
    gain,
    macro_f1,
    mean_score,
    median_score,
    oos_auroc,
    recall_by_intent,
    share,
)

WANTED = 0.94

# What is asked of the interval and of each bound where less than `WANTED` is known to be reached: by metric, n and groups.
# The rare large errors of a long tail are missing from most samples, and squares make them rarer still.
KNOWN: dict[tuple[str, int, str], tuple[float, float]] = {
    ("mean absolute error, skewed", 20, "-"): (0.90, 0.89),
    ("bias, skewed", 20, "-"): (0.90, 0.89),
    ("root mean squared error, skewed", 50, "-"): (0.91, 0.87),
    ("root mean squared error, skewed", 200, "-"): (0.92, 0.90),
    ("R2, skewed", 50, "-"): (0.91, 0.88),
    ("R2, skewed", 200, "-"): (0.91, 0.88),
    ("gain of F1", 100, "-"): (0.90, 0.93),  # some twenty rows of the positive class decide it
}


@dataclass(frozen=True)
class Line:
    """What is drawn for a line: `draw(random)` gives a score, or an interval, and the truth that it should hold."""
    metric: str
    n: int
    groups: str
    draw: Callable
    risk: float = 0.05  # of each one-sided bound; 0: there is none
    times: int = 1

    @property
    def wanted(self) -> tuple[float, float]:
        """How often the interval, and each one-sided bound, is asked to hold the truth."""
        return KNOWN.get((self.metric, self.n, self.groups), (WANTED, 0.99 - self.risk))


@contextmanager
def values_alone() -> Iterator[None]:
    """Within it no metric draws: a population has a value, and nobody asks for its interval."""
    kept = of.drawn_ends, of_pairs.drawn_gain
    of.drawn_ends = lambda statistic, groups, value, *count: np.full(4, value)
    of_pairs.drawn_gain = lambda statistic, groups, value, count: (value, value)
    yield
    of.drawn_ends, of_pairs.drawn_gain = kept


def rows_of_groups(random: np.random.Generator, sizes: np.ndarray, truth: float,
                   alike: float) -> tuple[np.ndarray, np.ndarray]:
    """Flags and groups: each group has a share of its own, and `alike` of the variance is between groups."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    own = random.beta(truth * (1 / alike - 1), (1 - truth) * (1 / alike - 1), len(sizes))
    return random.random(len(groups)) < own[groups], groups


def shares() -> Iterator[Line]:
    """Accuracy and its kin; recall of an intent; the audit of production (Wilson)."""
    for n in (20, 50, 200, 800):
        for truth in (0.7, 0.9, 0.98):
            def draw(random, n=n, truth=truth):
                return share("x", random.random(n) < truth), truth
            yield Line(f"accuracy {truth:.2f}", n, "-", draw, times=5)
    for n in (5, 10, 30):
        def recall(random, n=n):
            predicted = np.where(random.random(n) < 0.85, "a", "b")
            return recall_by_intent(["a"] * n, predicted)[0], 0.85
        yield Line("recall of an intent 0.85", n, "-", recall, times=5)
    for n in (10, 30, 100, 400):
        def audit(random, n=n):
            hits = int((random.random(n) < 0.93).sum())
            return Share(hits / n, *wilson(hits, n), n), 0.93
        yield Line("audit, labels alone 0.93", n, "-", audit, risk=0, times=5)


def grouped() -> Iterator[Line]:
    """Shares of rows that come in groups: near-duplicates, persons."""
    for count in (10, 40, 150):
        for truth, alike in ((0.7, 0.2), (0.9, 0.6)):
            for kind in ("5 each", "1 to 20", "mostly 1"):
                def draw(random, count=count, truth=truth, alike=alike, kind=kind):
                    sizes = {"5 each": np.full(count, 5), "1 to 20": random.geometric(0.2, count).clip(1, 20),
                             "mostly 1": np.where(random.random(count) < 0.8, 1, random.integers(2, 12, count))}[kind]
                    return share("x", *rows_of_groups(random, sizes, truth, alike)), truth
                rows = {"5 each": 5, "1 to 20": 5, "mostly 1": 2}[kind] * count
                yield Line(f"accuracy {truth:.2f}, alike {alike:.1f}", rows, f"{count}, {kind}", draw, times=2)


def world(intents: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A large population of rows: truth, prediction and confidence, with frequent and rare, easy and hard intents."""
    random, n = np.random.default_rng(seed), 100_000
    usual = np.arange(1, intents + 1) ** -0.7
    truth = random.choice(intents, n, p=usual / usual.sum())
    right = random.random(n) < np.clip(0.85 + random.normal(0, 0.1, intents), 0.3, 0.98)[truth]
    predicted = np.where(right, truth, random.choice(intents, n, p=usual / usual.sum()))
    confidence = np.where(predicted == truth, random.beta(6, 1.5, n), random.beta(2.5, 2.5, n)).clip(0.05, 0.999)
    return truth.astype(str), predicted.astype(str), confidence


def bootstraps() -> Iterator[Line]:
    """Macro-F1, calibration error, cost, AUROC."""
    for intents, sizes in ((10, (50, 100, 400)), (30, (150, 300, 900))):
        truth, predicted, confidence = world(intents)
        f1 = macro_f1(truth, predicted, draws=2).value
        for n in sizes:
            def of_f1(random, n=n, truth=truth, predicted=predicted, f1=f1):
                at = random.integers(0, len(truth), n)
                return macro_f1(truth[at], predicted[at]), f1
            yield Line(f"macro-F1, {intents} intents", n, "-", of_f1)
    right = truth == predicted
    bins, honest = np.minimum((confidence * 10).astype(int), 9), np.random.default_rng(1).random(len(confidence)) < confidence
    for name, correct in (("too sure", right), ("calibrated", honest)):
        error = float(np.abs(np.bincount(bins, correct - confidence, 10)).sum() / len(bins))
        for n in (50, 100, 200, 800):
            def of_error(random, n=n, correct=correct, error=error):
                at = random.integers(0, len(bins), n)
                return calibration_error(confidence[at], correct[at]), error
            yield Line(f"calibration error, {name}", n, "-", of_error)
    spent = np.where(confidence > 0.7, ~right * 10 / 3, 1.0)
    for n in (20, 50, 200, 800):
        def of_cost(random, n=n):
            return cost_score(spent[random.integers(0, len(spent), n)], most=10 / 3), float(spent.mean())
        yield Line("cost", n, "-", of_cost)
    outside = np.random.default_rng(2).beta(2.5, 2.5, 20_000)
    auroc = area_under_roc(confidence, outside)
    for n, m in ((20, 20), (50, 20), (200, 50), (400, 200)):
        def of_auroc(random, n=n, m=m):
            return oos_auroc(random.choice(confidence, n), random.choice(outside, m)), auroc
        yield Line(f"AUROC, {m} out of scope", n + m, "-", of_auroc)


def pairs() -> Iterator[Line]:
    """Two models on the same rows: the gain, and what `mlbot blame` says of it."""
    for n in (50, 200, 1000):
        for broke, healed in ((0.02, 0.02), (0.06, 0.03)):
            def of_gain(random, n=n, broke=broke, healed=healed):
                luck, before = random.random(n), random.random(n) < 0.5
                step = np.where(luck < broke, -1, np.where(luck < broke + healed, 1, 0))
                before = np.where(step < 0, True, np.where(step > 0, False, before))
                return gain("x", before, np.where(step == 0, before, ~before)), healed - broke
            yield Line(f"gain, {broke:.0%} broke, {healed:.0%} healed", n, "-", of_gain, risk=0.025, times=5)

    def in_groups(random):
        groups, steps = np.repeat(np.arange(60), 4), np.repeat(random.choice([-1, 0, 1], 60, p=[0.06, 0.91, 0.03]), 4)
        steps = np.where(random.random(240) < 0.7, steps, 0)
        return gain("x", steps < 0, steps > 0, groups), -0.03 * 0.7
    yield Line("gain, 6% broke, 3% healed", 240, "60, 4 each", in_groups, risk=0.025, times=2)
    for n in (150, 600):
        for name in ("code", "data", "interaction"):
            def of_effect(random, n=n, name=name):
                probabilities = {"old_old": 0.80, "old_new": 0.84, "new_old": 0.78, "new_new": 0.83}
                luck = random.random(n)  # one of a row, so that models mostly agree
                rows = {key: np.where(random.random(n) < 0.95, luck, random.random(n)) < chance
                        for key, chance in probabilities.items()}
                truth = {key: np.array([chance]) for key, chance in probabilities.items()}
                found = score_effects(Crossing(then=rows["old_old"], **rows), np.arange(n))[name]
                return found, float(effects(Crossing(then=truth["old_old"], **truth))[name][0])
            yield Line(f"blame, {name}", n, "-", of_effect)


def unchanged() -> Iterator[Line]:
    """What blame says of models that differ by chance alone: it must not be sure of a cause."""
    for n, rate in ((104, 0.04), (104, 0.08), (400, 0.01), (400, 0.04)):
        def of_nothing(random, n=n, rate=rate):
            steps = random.choice([-1.0, 0.0, 1.0], n, p=[rate / 2, 1 - rate, rate / 2])
            return mean_score("x", steps, np.arange(n), (-1, 1)), 0.0
        yield Line(f"blame, nothing changed, {rate:.0%} differ", n, "-", of_nothing)


def rows_of(random: np.random.Generator, size: int, n: int, each: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Places of n rows of a population, and their groups: `each` neighbours are one."""
    if each == 1:
        return random.integers(0, size, n), None
    places = random.integers(0, size // each, n // each)
    return (places[:, None] * each + np.arange(each)).ravel(), np.repeat(np.arange(n // each), each)


def lines_of(name: str, call: Callable, columns: Sequence[np.ndarray], sizes: Sequence[int], each: Sequence[int] = (1, 5),
             times: int = 1) -> Iterator[Line]:
    """A metric by rows drawn alone and in groups; the truth is that of the population."""
    with values_alone():
        truth = call(*columns).value
    for n in sizes:
        for size in each:
            def draw(random, n=n, size=size):
                at, groups = rows_of(random, len(columns[0]), n, size)
                return call(*(column[at] for column in columns), groups=groups), truth
            yield Line(name, n, "-" if size == 1 else f"{n // size}, {size} each", draw, times=times)


def population(size: int = 50_000, each: int = 5) -> dict[str, np.ndarray]:
    """Rows of two classes with scores, and numbers with predictions; `each` neighbours share half of their luck."""
    random = np.random.default_rng(3)

    def luck() -> np.ndarray:
        return (np.repeat(random.normal(size=size // each), each) + random.normal(size=size)) / math.sqrt(2)
    positive = random.random(size) < 0.2
    score = luck() + positive * 1.5
    probability = 1 / (1 + np.exp(-(score * 1.5 - 2.5)))
    number = luck() * 20 + 100
    skewed = np.exp(0.75 * luck())  # such as waiting times
    return {"positive": positive, "score": score, "probability": probability, "said": score > 1.0, "number": number,
            "predicted": number + luck() * 5 + 1, "late": number + skewed, "skewed": skewed}


def classes() -> Iterator[Line]:
    """Metrics of two and more classes."""
    rows = population()
    true, said, score, chance = (rows[name] for name in ("positive", "said", "score", "probability"))
    yield from lines_of("f1", of.f1, (true, said), (50, 200), times=2)
    yield from lines_of("balanced accuracy", of.balanced_accuracy, (true, said), (50, 200))
    yield from lines_of("Matthews", of.matthews_corrcoef, (true, said), (50, 200))
    yield from lines_of("ROC AUC", of.roc_auc, (true, score), (30, 60, 200))
    yield from lines_of("ROC AUC 0.98", of.roc_auc, (true, score + true * 1.6), (30, 60, 200), each=(1,))
    yield from lines_of("average precision", of.average_precision, (true, score), (60, 200))
    for name, call in (("precision at recall", of.precision_at_recall), ("recall at precision", of.recall_at_precision)):
        yield from lines_of(f"{name} 0.8", lambda *columns, groups=None, call=call: call(*columns, 0.8, groups=groups),
                            (true, score), (60, 200, 800), each=(1,))
    yield from lines_of("Brier score", of.brier_score, (true, chance), (20, 60, 200))
    yield from lines_of("log loss", of.log_loss, (true, chance), (20, 60, 200))
    truth, predicted, _ = world(10)
    yield from lines_of("macro recall, 10 classes", of.macro_recall, (truth, predicted), (50, 200), each=(1,))
    weights = np.where(np.random.default_rng(4).random(len(true)) < 0.2, 5.0, 1.0)
    yield from lines_of("accuracy, one row in five counts five", lambda right, weights, groups=None: share(
        "x", right, groups, weights=weights), (true == said, weights), (20, 50, 200), times=2)


def several() -> Iterator[Line]:
    """Several labels a row, and rankings."""
    random, size = np.random.default_rng(5), 20_000
    often = np.linspace(0.05, 0.5, 8)
    truth = (random.random((size, 8)) < often).astype(int)
    predicted = np.where(random.random((size, 8)) < 0.85, truth, (random.random((size, 8)) < often).astype(int))
    yield from lines_of("hamming loss", of.hamming_loss, (truth, predicted), (20, 100))
    yield from lines_of("micro F1 of labels", of.multilabel_f1, (truth, predicted), (20, 100))
    yield from lines_of("macro F1 of labels", lambda *columns, groups=None: of.multilabel_f1(
        *columns, "macro", groups=groups), (truth, predicted), (100, 300, 900), each=(1,))
    for name, call in (("NDCG", of.ndcg), ("reciprocal rank", of.mean_reciprocal_rank)):
        relevance, query = (np.arange(10) < 2).astype(int), np.repeat(np.arange(4000), 10)
        ranks = np.tile(relevance, 4000) + random.normal(0, 0.8, 40_000)
        whole = call(np.tile(relevance, 4000), ranks, query).sample.columns["value"]
        yield from lines_of(name, lambda values, groups=None: of.mean_of("x", values, scale=(0, 1), groups=groups), (whole,),
                            (10, 30, 100), each=(1,))


def regressions() -> Iterator[Line]:
    """Errors of numbers, percentiles, grades, and a function of one's own."""
    rows = population()
    number, predicted, late, skewed = (rows[name] for name in ("number", "predicted", "late", "skewed"))
    for name, call in (("mean absolute error", of.mean_absolute_error), ("R2", of.r2), ("bias", of.bias),
                       ("root mean squared error", of.root_mean_squared_error)):
        yield from lines_of(name, call, (number, predicted), (10, 20, 50, 200))
        yield from lines_of(f"{name}, skewed", call, (number, late), (20, 50, 200, 800), each=(1,))
    yield from lines_of("median absolute error", of.median_absolute_error, (number, predicted), (10, 50, 200), times=2)
    for percent in (50, 90, 95):
        yield from lines_of(f"percentile {percent}", lambda values, groups=None, percent=percent: of.percentile_of(
            "x", values, percent, groups=groups), (skewed,), (50, 200, 800), times=2)
    grades = np.clip(np.round(4.4 + np.log(skewed) * 0.9), 1, 5)
    yield from lines_of("mean of grades 1 to 5", lambda values, groups=None: of.mean_of("x", values, (1, 5), groups=groups),
                        (grades,), (10, 20, 50, 200))

    def ratio(one, two, sample_weight):
        return (sample_weight @ one) / (sample_weight @ two)
    yield from lines_of("your own, a ratio", lambda one, two, groups=None: of.metric_of("x", ratio, one, two, groups=groups),
                        (number, predicted), (20, 60, 200))


def paired() -> Iterator[Line]:
    """Differences of two models on the same rows, whose scores are alike."""
    rows = population()
    random = np.random.default_rng(6)
    true, score, number, first = (rows[name] for name in ("positive", "score", "number", "predicted"))
    again, second = score + random.normal(0.1, 0.5, len(score)), first + random.normal(0.5, 2, len(score))
    said = again > 1.1
    models = {"ROC AUC": (of.roc_auc, true, score, again), "average precision": (of.average_precision, true, score, again),
              "F1": (of.f1, true, rows["said"], said), "precision": (of.precision, true, rows["said"], said),
              "Matthews": (of.matthews_corrcoef, true, rows["said"], said),
              "balanced accuracy": (of.balanced_accuracy, true, rows["said"], said),
              "mean absolute error": (of.mean_absolute_error, number, first, second),
              "root mean squared error": (of.root_mean_squared_error, number, first, second),
              "R2": (of.r2, number, first, second),
              "median absolute error": (of.median_absolute_error, number, first, second),
              "Brier score": (of.brier_score, true, rows["probability"], np.clip(rows["probability"] ** 1.1, 0, 1))}

    def gain_on(call, truth, one, two, groups=None) -> Score:
        with values_alone():  # the scores themselves are not looked at
            before, after = call(truth, one, groups=groups).sample, call(truth, two, groups=groups).sample
        return of_pairs.difference(before, after, np.arange(len(one)), np.arange(len(one))).score
    for name, (call, truth, one, two) in models.items():
        with values_alone():
            before, after = call(truth, one).sample, call(truth, two).sample
            whole = of_pairs.gain_of(before, after).value
        for n, each in ((30, 1), (100, 1), (100, 5), (400, 1)):
            def draw(random, n=n, each=each, call=call, truth=truth, one=one, two=two, whole=whole):
                at, groups = rows_of(random, len(truth), n, each)
                return gain_on(call, truth[at], one[at], two[at], groups), whole
            yield Line(f"gain of {name}", n, "-" if each == 1 else f"{n // each}, {each} each", draw, risk=0.025)


def medians() -> Iterator[Line]:
    """The time of one answer, in times of a loop."""
    for n in (20, 100, 300):
        def draw(random, n=n):
            return median_score("x", np.exp(random.normal(0, 0.5, n) + (random.random(n) < 0.05) * 2)), MEDIAN
        yield Line("median time", n, "-", draw, times=5)


MEDIAN = float(np.median(np.exp((lambda random: random.normal(0, 0.5, 10**6) + (random.random(10**6) < 0.05) * 2)(
    np.random.default_rng(0)))))
WEEKS = {"in scope": (0.0, 0.0), "18 % out of scope": (0.18, 0.0), "after drift": (0.18, 0.25)}


def week(random: np.random.Generator, outside: float, worse: float, n: int = 2_000) -> list[tuple[LoggedAnswer, str]]:
    """Answers of a week and their true intents; the model knows only in part what is out of scope, and not its loss."""
    answers, known = [], random.random(n) >= outside
    sure = np.where(known, random.beta(6, 0.8, n), random.beta(2.5, 1.5, n))
    scope = np.clip(np.where(known, random.beta(9, 1, n), random.beta(3, 2, n)), 0, 1)
    right = random.random(n) < sure * (1 - worse)
    decision = np.where(scope < 0.4, OUT_OF_SCOPE, np.where(sure > 0.7, EXECUTE, CONFIRM))
    for at in range(n):
        truth = "oos" if not known[at] else "card" if right[at] else "bill"
        answers.append((LoggedAnswer("card", float(sure[at]), float(scope[at]), str(decision[at])), truth))
    return answers


def production() -> Iterator[Line]:
    """The estimate of production by its labels, in both populations; and the same looked at after each label."""
    for name, (outside, worse) in WEEKS.items():
        for labels in (10, 20, 30, 50, 100, 200, 400):
            for at, population in enumerate(("all_messages", "in_scope")):
                def draw(random, outside=outside, worse=worse, labels=labels, at=at, population=population):
                    answers = week(random, outside, worse)
                    says = np.mean([rightness(answer, truth, "oos") for answer, truth in answers], axis=0)
                    means = np.mean([guesses(answer) for answer, _ in answers], axis=0)
                    audit = [answers[place] for place in random.choice(len(answers), labels, replace=False)]
                    return estimates(means, audit, "oos")[population], says[0] if at == 0 else says[1] / says[2]
                yield Line(f"production, {population.replace('_', ' ')}, {name}", labels, "-", draw, risk=0)

    def at_any_time(random):
        labels = (random.random(100) < 0.85).astype(float)
        ends = [share_by_bets(labels[:n], np.ones(n)) for n in (3, 5, 8, 12, 18, 27, 40, 60, 80, 100)]
        worst = max(ends, key=lambda pair: max(pair[0] - 0.85, 0.85 - pair[1]))
        return Share(0.85, *worst, 100), 0.85
    yield Line("production, the worst of ten looks", 100, "-", at_any_time, risk=0)


GROUPS = {"shares": shares, "grouped": grouped, "bootstraps": bootstraps, "pairs": pairs, "unchanged": unchanged,
          "medians": medians, "production": production, "classes": classes, "several": several, "regressions": regressions,
          "paired": paired}


def cell(flags: list[bool]) -> str:
    """A share of flags, as a cell."""
    return f"{np.mean(flags):>9.1%}" if flags else f"{'-':>9}"


def too_low(flags: list[bool], wanted: float) -> bool:
    """Whether a share is below what is wanted by more than two standard errors."""
    return bool(flags) and np.mean(flags) + 2 * math.sqrt(wanted * (1 - wanted) / len(flags)) < wanted


def judge(line: Line, draws: int, seed: int) -> bool:
    """Print a line; returns whether it is low."""
    random, held, least, most, widths, shown = np.random.default_rng(seed), [], [], [], [], 0
    for at in range(draws * line.times):
        score, truth = line.draw(random)
        if score is None or (isinstance(score, Score) and (score.open or not score.measured)):
            continue
        shown += 1
        held.append(bool(score.low <= truth <= score.high))
        widths.append(score.high - score.low)
        unmoved = isinstance(score, Score) and score.unit == "gain" and score.at_least == score.at_most == 0
        if line.risk and not unmoved:
            least.append(bool(score.at_least <= truth))
            most.append(bool(truth <= score.at_most))
        if sys.stderr.isatty() and at % 20 == 0:
            print(f"\r{line.metric}, n={line.n}: {at} of {draws * line.times}   ", end="", file=sys.stderr, flush=True)
    wanted, bound = line.wanted
    low = too_low(held, wanted) or any(too_low(flags, bound) for flags in (least, most))
    if sys.stderr.isatty():
        print("\r" + " " * 78 + "\r", end="", file=sys.stderr)
    width = f"{np.mean(widths):>8.3f}" if widths else f"{'-':>8}"
    print(f"{line.metric:<46}{line.n:>6}  {line.groups:<14}{cell(held)}{cell(least)}{cell(most)}{width}"
          f"{shown / (draws * line.times):>8.0%}{'  LOW' if low else ''}"
          f"{f'  known limit {wanted:.0%}' if wanted < WANTED else ''}", flush=True)
    return low


def main() -> None:
    """Print the table; exit code 1 when a line covers too little."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--only", choices=list(GROUPS), nargs="*", default=list(GROUPS))
    parser.add_argument("--like", default="", help="only lines whose metric has this text")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{'metric':<46}{'n':>6}  {'groups':<14}{'covers':>9}{'at least':>9}{'at most':>9}{'width':>8}{'shown':>8}")
    lines = [(line, options.seed + at) for name in options.only for at, line in enumerate(GROUPS[name]())
             if options.like in line.metric]
    low = [judge(line, options.draws, seed) for line, seed in lines]
    known = sum(line.wanted[0] < WANTED for line, _ in lines)
    print(f"{len(low)} lines, {sum(low)} of them too low" + f"; {known} have a known limit" * bool(known))
    raise SystemExit(1 if any(low) else 0)


if __name__ == "__main__":
    main()
