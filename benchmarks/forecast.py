"""Is the time of the next training within its interval, and is a budget that breaks warned of? Backtests on synthetic growth.

    python3 benchmarks/forecast.py [--worlds 60] [--seed 1]

In each world rows grow in one of five ways, time is a power of the rows (exponent 0.8 to 1.5) with noise, and 3 % of the
trainings are hiccups: they take 1.5 to 3 times as long for no reason. After 3, 4, 6, 10, 20 and 40 trainings the next one,
and the one after three more, are forecast and looked up, hiccups or not. Beside mlbot stands what one draws by hand: a
straight line through the times, with twice the spread around it. Then a budget is set that breaks on the way, and after each
training the forecast is asked whether it warns. It cannot foresee a hiccup that breaks the budget; these are counted apart.
"""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from mlbot.ops.forecast import Duration, forecast, warning_of

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
GROWTH = ("exponential", "linear", "in batches", "S-shaped", "hardly")
NOISE = (0.05, 0.1, 0.2, 0.3)
TRAININGS = (3, 4, 6, 10, 20, 40)


@dataclass(frozen=True)
class World:
    """Trainings of two years: when (weeks), rows, seconds as measured, and without noise, and which are hiccups."""
    weeks: np.ndarray
    rows: np.ndarray
    seconds: np.ndarray
    truth: np.ndarray
    hiccups: np.ndarray

    def durations(self, n: int) -> list[Duration]:
        """What is known after so many trainings."""
        return [Duration(BEGIN + timedelta(weeks=float(week)), "", "", "store", int(rows), float(took), None)
                for week, rows, took in zip(self.weeks[:n], self.rows[:n], self.seconds[:n], strict=True)]


def make_world(draw: np.random.Generator, growth: str, noise: float, outliers: float = 0.03, n: int = 104) -> World:
    """Two years of trainings, each week or each second one."""
    weeks = np.cumsum(np.full(n, draw.choice([1, 1, 2])) + draw.uniform(-0.1, 0.1, n))
    shapes = {"exponential": lambda: np.exp(draw.uniform(0.005, 0.05) * weeks),
              "linear": lambda: 1 + draw.uniform(0.01, 0.1) * weeks,
              "in batches": lambda: np.cumprod(1 + np.where(draw.random(n) < 0.25, draw.uniform(0.02, 0.2, n), 0)),
              "S-shaped": lambda: 1 + 10 / (1 + np.exp(-(weeks - 50) / 12)),
              "hardly": lambda: np.exp(draw.normal(0, 0.002, n).cumsum())}
    rows = np.round(draw.uniform(500, 20_000) * shapes[growth]())
    truth = draw.uniform(10, 1_000) * (rows / rows[0]) ** draw.uniform(0.8, 1.5)
    hiccups = draw.random(n) < outliers
    times = np.exp(draw.normal(0, noise, n)) * np.where(hiccups, draw.uniform(1.5, 3, n), 1)
    return World(weeks, rows, truth * times, truth, hiccups)


def ours(world: World, n: int, ahead: int, budget: float = 1e12) -> tuple[float, float, float]:
    """Middle and interval of the training so many after the n-th."""
    gap = float(world.weeks[n - 1 + ahead] - world.weeks[n - 1])
    known = world.durations(n)
    told = forecast(known, budget, known[-1].at, 7 * gap)
    return told.middle[told.next], told.low[told.next], told.high[told.next]


def straight_line(world: World, n: int, ahead: int) -> tuple[float, float, float]:
    """The same by least squares on the times themselves."""
    slope, level = np.polyfit(world.weeks[:n], world.seconds[:n], 1)
    spread = 2 * float(np.std(world.seconds[:n] - level - slope * world.weeks[:n], ddof=2))
    middle = level + slope * float(world.weeks[n - 1 + ahead])
    return middle, middle - spread, middle + spread


def backtest(draw: np.random.Generator, growth: str, noise: float, worlds: int) -> tuple[list[bool], list[bool], list[float]]:
    """Hits of ours, hits of the straight line, and how far the upper end of ours is above its middle."""
    hits, line, width = [], [], []
    for _ in range(worlds):
        world = make_world(draw, growth, noise)
        for n in TRAININGS:
            for ahead in (1, 4):
                took = world.seconds[n - 1 + ahead]
                middle, low, high = ours(world, n, ahead)
                hits.append(bool(low <= took <= high))
                width.append(high / middle)
                middle, low, high = straight_line(world, n, ahead)
                line.append(bool(low <= took <= high))
    return hits, line, width


@dataclass(frozen=True)
class Breach:
    """A budget that broke, by a training that is no hiccup.

    `days`: how long before it the first warning came (None: none came); `used`: the share of the budget that a training took
    then; `hiccups`: how many broke it before.
    """
    days: float | None
    used: float
    hiccups: int


def find_breach(world: World) -> Breach | None:
    """What is said before a training is over the budget: what one of the middle of the two years takes, without noise."""
    budget = float(world.truth[52])
    over = np.flatnonzero((world.seconds > budget) & ~world.hiccups)
    if not len(over) or over[0] < 8:
        return None  # over at once: nobody sets such a budget
    breaks = int(over[0])
    before = int((world.seconds[:breaks] > budget).sum())
    for n in range(3, breaks + 1):
        known = world.durations(n)
        gap = float(np.median(np.diff(world.weeks[:n])))
        if warning_of(forecast(known, budget, known[-1].at, 7 * gap), "the training"):
            return Breach(7 * float(world.weeks[breaks] - world.weeks[n - 1]), float(world.truth[n - 1]) / budget, before)
    return Breach(None, 0.0, before)


def print_breaches(draw: np.random.Generator, worlds: int) -> float:
    """The second table; returns the share of budgets that broke without a warning."""
    print(f"\n{'growth of rows':<14}{'noise':>7}{'budgets':>9}{'warned':>8}{'days ahead: least':>19}{'median':>8}"
          f"{'budget used then':>18}{'late':>6}{'hiccups over it before':>24}")
    late, budgets = 0, 0
    for growth in ("exponential", "linear", "in batches"):
        for noise in NOISE:
            breaches = [find_breach(make_world(draw, growth, noise)) for _ in range(worlds)]
            found = [breach for breach in breaches if breach]
            warned = [breach for breach in found if breach.days is not None]
            late, budgets = late + len(found) - len(warned), budgets + len(found)
            days, used = [breach.days for breach in warned], [breach.used for breach in warned]
            print(f"{growth:<14}{noise:>6.0%} {len(found):>9}{len(warned):>8}{min(days, default=0):>19.0f}"
                  f"{np.median(days) if days else 0:>8.0f}{np.median(used) if used else 0:>18.0%}"
                  f"{len(found) - len(warned):>6}{sum(breach.hiccups for breach in found):>24}")
    print(f"{budgets} budgets broke, {late} of them without a warning before")
    return late / budgets


def main() -> None:
    """Print both tables; exit code 1 when less than 90 % are within their interval, or 2 % break unannounced."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = np.random.default_rng(options.seed)
    print(f"{'growth of rows':<14}{'noise':>7}{'forecasts':>11}{'within':>9}{'a line':>9}{'upper end':>11}")
    every, lines = [], []
    for growth in GROWTH:
        for noise in NOISE:
            hits, line, width = backtest(draw, growth, noise, options.worlds)
            every, lines = every + hits, lines + line
            print(f"{growth:<14}{noise:>6.0%} {len(hits):>11,}{np.mean(hits):>9.1%}{np.mean(line):>9.1%}"
                  f"{'x ' + format(np.median(width), '.2f'):>11}")
    print(f"all: {np.mean(every):.1%} of {len(every):,} within their 95 % interval; a straight line: {np.mean(lines):.1%}")
    late = print_breaches(draw, options.worlds)
    raise SystemExit(1 if np.mean(every) < 0.9 or late > 0.02 else 0)


if __name__ == "__main__":
    main()
