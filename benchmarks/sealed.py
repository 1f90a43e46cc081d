"""What an optimiser with 1,000 tries makes of a test set that it can see, and of sealed rows that answer one bit.

    python3 benchmarks/sealed.py [--seeds 40] [--tries 1000]

False accuracy is what the asked rows say too much: accuracy on them, minus that on 100,000 fresh rows, in points, and how
much it has grown from the first model to the last. The climber changes the answers on one row in a hundred, at random and
without any skill, so that nothing it does makes the model better; it keeps what it is told is better. The prober goes to the
edge of the floor, and then changes the answer to one row after another, to learn from the bit which answers were right
(binary labels). Sealed rows are asked through `mlbot.gates.sealed.ask`, which is what the gate calls; only the disk is
replaced by memory.
"""

import argparse
from collections.abc import Callable

import numpy as np

from mlbot.errors import NoVerdict
from mlbot.gates.gating import sealed_outcome
from mlbot.gates.sealed import ask
from mlbot.gates.verdict import PASS
from mlbot.settings import Target, load_settings
from mlbot.stats.scores import share

ROWS, FRESH, TRUTH = 1_000, 100_000, 0.8
FLOOR = Target(floor=TRUTH + 0.025)  # where the bit of the first model is a toss-up, and so tells most
SHIPPED = load_settings().meter.sealed_questions


class Memory(dict):
    """Objects in memory (see mlbot.storage)."""

    def create(self, name: str, data: bytes) -> bool:
        """Store, unless there is something already."""
        return self.setdefault(name, data) is data

    def names(self, prefix: str = "") -> list[str]:
        """All names; there is but one prefix."""
        return sorted(self)

    def place(self, name: str) -> str:
        """Where a name is, for people."""
        return name


def plain_bit(right: np.ndarray) -> bool:
    """Whether the floor is kept, by the same rule as sealed rows but for each question anew, and without end."""
    return sealed_outcome(share("accuracy", right), FLOOR) == PASS


def sealed_bit(random: np.random.Generator, most: int) -> Callable[[np.ndarray], bool | None]:
    """A function that asks sealed rows about one model after another; None where they answer no more."""
    place, digests, asked = Memory(), random.integers(0, 2**60, ROWS), [0]

    def bit(right: np.ndarray) -> bool | None:
        asked[0] += 1
        try:
            return ask(place, "memory", f"m{asked[0]}", digests, right, share("accuracy", right), FLOOR, "state",
                       most).outcome == PASS
        except NoVerdict:
            return None
    return bit


def climb(random: np.random.Generator, tries: int, better: Callable[[np.ndarray, np.ndarray], bool | None]) -> float:
    """False accuracy, in points, that a climber has gained after so many tries."""
    asked, fresh = random.random(ROWS) < TRUTH, random.random(FRESH) < TRUTH
    start = asked.mean() - fresh.mean()
    for _ in range(tries):
        proposal, at = asked.copy(), random.integers(0, ROWS, ROWS // 100)
        proposal[at] = random.random(len(at)) < TRUTH
        if better(asked, proposal):
            asked, beyond = proposal, random.integers(0, FRESH, FRESH // 100)
            fresh[beyond] = random.random(len(beyond)) < TRUTH
    return 100 * float(asked.mean() - fresh.mean() - start)


def probe(random: np.random.Generator, tries: int, bit: Callable[[np.ndarray], bool | None]) -> float:
    """False accuracy, in points, that a prober has gained: it flips the answers that the bits have called wrong."""
    right, order = random.random(ROWS) < TRUTH, random.permutation(ROWS)

    def spoilt(count: int) -> np.ndarray:
        changed = right.copy()
        changed[order[:count]] = ~changed[order[:count]]
        return changed
    low, high = 0, ROWS // 2  # with so many spoilt answers the floor is surely missed
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bit(spoilt(middle)) else (low, middle)
    edge, found = spoilt(high), right.copy()
    usual = bit(edge)
    for at in order[high:][:max(0, tries - 11)]:
        edge[at] = ~edge[at]
        if bit(edge) and not usual:
            found[at] = ~found[at]
        edge[at] = ~edge[at]
    return 100 * float(found.mean() - right.mean())  # on fresh rows there is nothing to be learnt in this way


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean, and its 95 % interval over seeds."""
    mean, half = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return mean, mean - half, mean + half


def lines(seeds: int, tries: int) -> dict[str, tuple[float, float, float]]:
    """False accuracy by what the optimiser is told, with its interval."""
    def over(once: Callable[[np.random.Generator], float]) -> tuple[float, float, float]:
        return interval([once(np.random.default_rng(seed)) for seed in range(seeds)])

    def by_bit(most: int) -> Callable[[np.random.Generator], float]:
        def once(random: np.random.Generator) -> float:
            bit = sealed_bit(random, most)
            return climb(random, tries, lambda old, new: bit(new))
        return once
    return {
        "climber, open rows, the score": over(lambda random: climb(random, tries, lambda old, new: new.mean() > old.mean())),
        f"climber, sealed rows, {SHIPPED} questions (as shipped)": over(by_bit(SHIPPED)),
        "climber, sealed rows, no limit": over(by_bit(0)),
        "prober, one plain bit, no limit": over(lambda random: probe(random, tries, plain_bit)),
        "prober, sealed rows, no limit": over(lambda random: probe(random, tries, sealed_bit(random, 0))),
        f"prober, sealed rows, {SHIPPED} questions (as shipped)": over(
            lambda random: probe(random, tries, sealed_bit(random, SHIPPED))),
    }


def main() -> None:
    """Print the table; exit code 1 when sealed rows have let through more than half a point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--tries", type=int, default=1_000)
    options = parser.parse_args()
    print(f"{options.tries:,} tries on {ROWS:,} rows, {options.seeds} seeds: points of false accuracy (95 % interval)")
    found = lines(options.seeds, options.tries)
    for name, (mean, low, high) in found.items():
        print(f"{name:<48}{mean:+7.2f}  ({low:+.2f} to {high:+.2f})")
    raise SystemExit(any(mean > 0.5 for name, (mean, _, _) in found.items() if "sealed rows" in name))


if __name__ == "__main__":
    main()
