"""Gates on trial: how often each blocks a retrain that changed nothing, and how often it catches a loss.

    python3 benchmarks/verdicts.py [--draws 2000]

Four gates judge the same answers side by side: `new >= old`, the same with a margin of one point, MLflow's smallest legal
threshold (`MetricThreshold(min_absolute_change=...)` must be positive, so a model that is as good as the old one does not
pass), and
mlbot's. These probabilities are summed exactly. Then, drawn with a seed: the winner's curse, a floor, a rising target, and a
test that is
looked at all the time.
"""

import argparse
import math
from functools import cache

import numpy as np
from scipy.stats import binom

from mlbot.gates.verdict import FAIL, compare
from mlbot.stats.bounds import RISK, difference_bounds, e_value, probability_of_no_loss, share_at_most
from mlbot.stats.scores import Score

ACCURACY = 0.85


@cache
def most_healed_when_worse(changed: int) -> int:
    """Of so many changed rows, the most healed ones with which the gate `champion` of mlbot fails (margin 0); -1: none."""
    low, high = -1, changed
    while high - low > 1:
        middle = (low + high) // 2
        score = Score("champion", 0.0, 1, *difference_bounds(changed - middle, middle, changed or 1))
        low, high = (middle, high) if compare(score, 0.0) == FAIL else (low, middle)
    return low


def surely_worse(broke: int, healed: int) -> bool:
    """What the gate `champion` of mlbot decides, with a margin of 0."""
    return healed <= most_healed_when_worse(broke + healed)


# the most healed rows, of so many changed ones on a test of n rows, with which each gate still blocks
BLOCKS = {
    "new >= old": lambda changed, n: math.ceil(changed / 2) - 1,
    "margin 1 point": lambda changed, n: math.ceil((changed - 0.01 * n) / 2 - 1e-9) - 1,
    "MLflow, smallest": lambda changed, n: changed // 2,
    "mlbot": lambda changed, n: most_healed_when_worse(changed),
}


def blocked(n: int, discordance: float, gain: float) -> dict[str, float]:
    """How often each gate blocks a model whose true gain is `gain`, when so many answers differ: summed, not drawn."""
    counts = np.arange(n + 1)
    weights = binom.pmf(counts, n, discordance)
    likely, healed = counts[weights > 1e-12], (discordance + gain) / (2 * discordance)
    return {name: float(sum(weights[at] * binom.cdf(most(int(at), n), at, healed) for at in likely)) for name,
            most in BLOCKS.items()}


def print_pairs() -> None:
    """The table of no-change retrains and of losses of two points."""
    for title, gain in (("blocked, though nothing changed", 0.0), ("caught, a true loss of 2 points", -0.02)):
        print(f"\n{title:<34}" + "".join(f"{name:>18}" for name in BLOCKS))
        ours = []
        for n in (500, 1000, 2500, 5000):
            for discordance in (0.03, 0.06, 0.12):
                found = blocked(n, discordance, gain)
                ours += [found["mlbot"]] if gain == 0 or (n >= 2500 and discordance <= 0.06) else []
                print(f"  n = {n:>5,}, {discordance:>4.0%} differ      " + "".join(f"{share:>18.1%}"
                                                                                   for share in found.values()))
        print(f"  mlbot: at most {max(ours):.2%} (asked: 5 %)" if gain == 0 else
              f"  mlbot: at least {min(ours):.1%} where n >= 2500 and 6 % or less differ (asked: 95 %)")


def equal_retrains(random: np.random.Generator, n: int, discordance: float, count: int) -> np.ndarray:
    """Whether each of `count` equally good models is right on each of `n` rows; two differ on `discordance` of them."""
    own = 1 - np.sqrt(1 - discordance / (2 * ACCURACY * (1 - ACCURACY)))
    common = random.random(n) < ACCURACY
    return np.where(random.random((count, n)) < own, random.random((count, n)) < ACCURACY, common)


RULES = {"new >= old": lambda broke, healed: healed >= broke, "mlbot": lambda broke, healed: not surely_worse(broke, healed)}


def winners(draws: int, n: int = 1000, discordance: float = 0.10, retrains: int = 20) -> dict[str, tuple[float, float]]:
    """For two rules: how much better the champion looks than the average of all equal models, and rejected retrains."""
    random, excess, rejected = np.random.default_rng(1), {name: [] for name in RULES}, dict.fromkeys(RULES, 0)
    for _ in range(draws):
        right = equal_retrains(random, n, discordance, retrains + 1)
        seen = right.mean(axis=1)
        for name, passes in RULES.items():
            champion = 0
            for challenger in range(1, retrains + 1):
                broke = int((right[champion] & ~right[challenger]).sum())
                healed = int((~right[champion] & right[challenger]).sum())
                champion, rejected[name] = (challenger, rejected[name]) if passes(broke, healed) else (champion,
                                                                                                       rejected[name] + 1)
            excess[name].append(seen[champion] - seen.mean())
    return {name: (100 * float(np.mean(excess[name])), rejected[name] / (draws * retrains)) for name in RULES}


def print_winners(draws: int) -> None:
    """The winner's curse."""
    print("\nafter 20 equal retrains (n = 1,000, 10 % differ)        champion's number too high by     retrains rejected")
    for name, (points, share) in winners(draws).items():
        print(f"  {name:<53} {points:>+18.2f} points {share:>20.1%}")


def fails(hits: np.ndarray, n: int, floor: float) -> np.ndarray:
    """Whether a floor is surely missed."""
    table = np.array([share_at_most(at, n) < floor for at in range(n + 1)])
    return table[hits]


def rising(random: np.random.Generator, gap: float, n: int = 1000) -> tuple[bool, bool]:
    """Whether a build is red within 11 weeks, by the point gate and by ours, when the truth is `gap` off a rising target.

    The test set stays; a tenth of its rows is answered anew each week.
    """
    targets, luck = 0.80 + 0.01 * np.arange(11), random.random(n)
    hits = []
    for target in targets:
        luck = np.where(random.random(n) < 0.1, random.random(n), luck)
        hits.append(int((luck < target + gap).sum()))
    return (any(hit / n < target for hit, target in zip(hits, targets, strict=True)),
            any(share_at_most(hit, n) < target for hit, target in zip(hits, targets, strict=True)))


def print_floors(draws: int) -> None:
    """A floor, and a target that rises by a point a week for ten weeks."""
    random = np.random.default_rng(2)
    print(f"\n{'builds failed':<62}{'point gate':>12}{'mlbot':>10}")
    for truth, n in ((0.81, 500), (0.81, 1000), (0.80, 1000), (0.77, 1000)):
        hits = random.binomial(n, truth, draws)
        words = f"a floor of 80 %: truth {truth:.0%}, n = {n:,}"
        print(f"  {words:<60}{np.mean(hits / n < 0.8):>12.1%}{np.mean(fails(hits, n, 0.8)):>10.1%}")
    for words, gap in (("truth on it", 0.0), ("truth a point above it", 0.01), ("truth stuck three points below it", -0.03)):
        point, ours = np.mean([rising(random, gap) for _ in range(draws)], axis=0)
        print(f"  {f'a target that rises for ten weeks: {words}':<60}{point:>12.1%}{ours:>10.1%}")


def first_alarms(most: int) -> np.ndarray:
    """For each number of pairs up to `most`, the fewest broken rows at which the e-value raises its alarm."""
    found = np.empty(most + 1, int)
    at = 0
    for n in range(most + 1):
        while at <= n and e_value(at, n - at) < 1 / RISK:
            at += 1
        found[n] = at
    return found


def print_looks(draws: int, pairs: int = 4000) -> None:
    """False alarms when a challenger that is no worse is looked at again and again."""
    random, ours, naive = np.random.default_rng(3), 0, 0
    looks, alarms = np.linspace(pairs / 20, pairs, 20).astype(int), first_alarms(pairs)
    for _ in range(draws):
        broke = np.concatenate([[0], np.cumsum(random.random(pairs) < 0.5)])
        naive += any(probability_of_no_loss(int(broke[n]), int(n - broke[n])) < RISK for n in looks)
        ours += bool((broke >= alarms).any())
    print(f"\nfalse alarms on {pairs:,} pairs of equal models: p < 0.05 at 20 looks {naive / draws:.1%}, "
          f"e-value at every look {ours / draws:.1%} (asked: 5 %)")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    options = parser.parse_args()
    print_pairs()
    print_winners(options.draws)
    print_floors(options.draws)
    print_looks(options.draws)


if __name__ == "__main__":
    main()
