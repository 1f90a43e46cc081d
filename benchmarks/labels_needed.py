"""How many labels a test set needs: the published table of ease.ml/ci, and the same promise for fewer labels.

    python3 benchmarks/labels_needed.py [--draws 4000]

The published sizes (Renggli et al. 2019, "Continuous Integration of Machine Learning Models with ease.ml/ci", MLSys,
figure 2; H = 32
builds) are computed again and compared. Beside them stand mlbot's: exact binomial tails at the limit of the condition, and a
test set that is retired after a few passes. Then the promise is tried out on simulated teams.
"""

import argparse
import math

import numpy as np

from mlbot.gates.test_budget import (
    log_models,
    rows_for_difference,
    rows_for_known_discordance,
    rows_for_limit,
    rows_for_value,
)

BUILDS = 32
# reliability, tolerance: one value (no outcome seen, each outcome seen), difference of two (no, each)
PUBLISHED = {
    (0.99, 0.1): (404, 1340, 1753, 5496), (0.99, 0.05): (1615, 5358, 7012, 21984),
    (0.99, 0.025): (6457, 21429, 28045, 87933), (0.99, 0.01): (40355, 133930, 175282, 549581),
    (0.999, 0.1): (519, 1455, 2214, 5957), (0.999, 0.05): (2075, 5818, 8854, 23826),
    (0.999, 0.025): (8299, 23271, 35414, 95302), (0.999, 0.01): (51868, 145443, 221333, 595633),
    (0.9999, 0.1): (634, 1570, 2674, 6417), (0.9999, 0.05): (2536, 6279, 10696, 25668),
    (0.9999, 0.025): (10141, 25113, 42782, 102670), (0.9999, 0.01): (63381, 156956, 267385, 641684),
    (0.99999, 0.1): (749, 1685, 3135, 6878), (0.99999, 0.05): (2996, 6739, 12538, 27510),
    (0.99999, 0.025): (11983, 26955, 50150, 110038), (0.99999, 0.01): (74894, 168469, 313437, 687736),
}


def computed(reliability: float, tolerance: float) -> tuple[int, ...]:
    """The four sizes of one row of the table, by mlbot.gates.test_budget."""
    counts = log_models(BUILDS, "none"), log_models(BUILDS, "full")
    return tuple(rows(tolerance, reliability, count) for rows in (rows_for_value, rows_for_difference) for count in counts)


def print_published() -> int:
    """The published table beside ours; returns how many rows differ."""
    print(f"ease.ml/ci, {BUILDS} builds: published, and whether ours is the same; then mlbot for one value, by exact tails "
          "at a limit of 0.8 and 0.9")
    print(f"{'1 - delta':>10}{'eps':>7}{'value, none':>13}{'full':>9}{'diff., none':>13}{'full':>9}   same"
          f"{'0.8, none':>12}{'full':>8}{'0.9, none':>11}{'full':>8}{'fewer by':>10}")
    differ = 0
    for (reliability, tolerance), published in PUBLISHED.items():
        same = computed(reliability, tolerance) == published
        differ += not same
        sizes = [rows_for_limit(tolerance, reliability, log_models(BUILDS, feedback), limit)
                 for limit in (0.8, 0.9) for feedback in ("none", "full")]
        ours = "".join(f"{size:>{width},}" for size, width in zip(sizes, (12, 8, 11, 8), strict=True))
        fewer = f"{1 - sizes[0] / published[0]:>6.0%}, {1 - sizes[2] / published[0]:.0%}"
        print(f"{reliability:>10}{tolerance:>7}{published[0]:>13,}{published[1]:>9,}{published[2]:>13,}{published[3]:>9,}"
              f"   {'yes' if same else 'NO':<4}{ours}{fewer}")
    known = [rows_for_known_discordance(0.01, 0.9999, log_models(BUILDS, feedback), 0.1) for feedback in ("none", "full")]
    print(f"difference, a tenth of the answers known to differ, 0.9999, 0.01: {known[0]:,} and {known[1]:,} "
          "(published, cut off: 29,047 and 67,705)")
    return differ


def print_passes() -> None:
    """Sizes when the test set is retired after some passes."""
    print("\none value, 0.99, 0.05, each outcome seen, retired after B passes:")
    print(f"{'B':>4}{'models':>16}{'Hoeffding':>11}{'exact, 0.8':>12}{'exact, 0.9':>12}")
    for passes in (0, 1, 2, 4, 8, 32):
        count = math.log(BUILDS) if passes == 0 else log_models(BUILDS, passes=passes)
        sizes = [rows_for_value(0.05, 0.99, count), *(rows_for_limit(0.05, 0.99, count, limit) for limit in (0.8, 0.9))]
        print(f"{passes:>4}{math.exp(count):>16,.0f}" + "".join(f"{size:>{width},}" for size,
                                                                width in zip(sizes, (11, 12, 12), strict=True)))


def nodes(builds: int, passes: int) -> int:
    """The models a team can come up with, counted one by one: each outcome forks, and the last allowed pass ends it."""
    def count(left: int, passed: int) -> int:
        return 0 if left == 0 or passed > passes else 1 + count(left - 1, passed) + count(left - 1, passed + 1)
    return count(builds, 0)


def broken_promise(random: np.random.Generator, rows: int, models: int, limit: float, tolerance: float, draws: int) -> float:
    """How often, of so many models whose truth is at the limit, any is measured `tolerance` or more below it, or above it."""
    hits = random.binomial(rows, limit, (draws, models))
    short = (hits <= (limit - tolerance) * rows + 1e-9).any(axis=1)
    long = (hits >= (limit + tolerance) * rows - 1e-9).any(axis=1)
    return max(float(short.mean()), float(long.mean()))


def climb(random: np.random.Generator, rows: int, builds: int, truth: float) -> float:
    """What a team gains that reacts to each pass: the measured value of its last model, minus the truth.

    Each proposal changes the answers on a tenth of the rows at random (so its truth stays); it is kept when it scores no
    less.
    """
    right = random.random(rows) < truth
    for _ in range(builds):
        proposal = np.where(random.random(rows) < 0.1, random.random(rows) < truth, right)
        if proposal.mean() >= right.mean():
            right = proposal
    return float(right.mean() - truth)


def print_promise(draws: int) -> None:
    """The promise, tried out."""
    random, limit, tolerance, reliability, builds = np.random.default_rng(0), 0.8, 0.05, 0.9, 8
    print(f"\nthe promise tried out: limit {limit}, tolerance {tolerance}, {builds} builds, "
          f"may break in {1 - reliability:.0%} of the cases")
    print(f"{'what people see':<34}{'models':>8}{'rows':>7}{'broken':>9}   (Hoeffding: rows, broken)")
    for words, passes in (("nothing", None), ("each outcome; retired after 1", 1), ("each outcome; retired after 2", 2),
                          ("each outcome", builds)):
        models = builds if passes is None else nodes(builds, passes)
        count = log_models(builds, "none" if passes is None else "full", passes or 0)
        assert abs(math.exp(count) - models) <= 1, (math.exp(count), models)  # the formula counts what is counted one by one
        exact, published = rows_for_limit(tolerance, reliability, count, limit), rows_for_value(tolerance, reliability, count)
        found = [broken_promise(random, rows, models, limit, tolerance, draws) for rows in (exact, published)]
        print(f"{words:<34}{models:>8}{exact:>7,}{found[0]:>9.1%}   ({published:,}, {found[1]:.1%})")
    rows = rows_for_limit(0.05, 0.99, log_models(BUILDS), 0.8)
    gains = [climb(random, rows, BUILDS, 0.8) for _ in range(max(1, draws // 10))]
    off = np.mean(np.abs(gains) >= 0.05)
    print(f"a team that keeps what scores no less, {BUILDS} times on {rows:,} rows: {100 * np.mean(gains):+.2f} points "
          f"too high on average, off by 5 points or more in {off:.1%}")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4000)
    options = parser.parse_args()
    differ = print_published()
    print_passes()
    print_promise(options.draws)
    raise SystemExit(differ and 1)


if __name__ == "__main__":
    main()
