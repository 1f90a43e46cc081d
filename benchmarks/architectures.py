"""The ten weeks under both architectures: are models and verdicts the same?

    python3 benchmarks/architectures.py [--weeks 10] [--data company]

*inside*: one checkout; each week's push trains, judges and releases. *service*: each week begins with a fresh checkout
without a model, as a machine of CI does; it fetches the champion, `mlbot retrain` trains, judges, releases and carries; a
server that only follows takes the model over; and a push judges the stored champion. Each keeps results of its own, so
nothing is shared but the code. Printed for each week: the models, how many verdicts there are, and whether all of them are
equal. Of latency and training time, which are measured, only the outcome is compared. Exit code 1 when anything differs.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MEASURED = ("latency_ratio", "training_time")


def mlbot(root: Path, *words: str) -> bool:
    """Run a command; whether it is green. A red gate is an answer, too; anything else is not."""
    done = subprocess.run([sys.executable, "-m", "mlbot", *words], cwd=root, capture_output=True, text=True)
    assert done.returncode in (0, 1), f"mlbot {' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.returncode == 0


def settings(root: Path, architecture: str, carried: Path) -> None:
    """Begin a project on the company, or another source."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "settings.ini").write_text(f"[ci]\narchitecture = {architecture}\n[places]\ncarried = {carried}\n")


def verdicts(root: Path) -> tuple[str, list]:
    """The model of the last run, and its verdicts."""
    run = sorted((root / "runs").glob("2*/verdicts.json"))[-1]
    found = json.loads(run.read_text())
    return found["model"], [[item["gate"], item["outcome"], None if item["gate"] in MEASURED else item["score"],
                             None if item["gate"] in MEASURED else item["parts"]] for item in found["verdicts"]]


def inside(root: Path, source: str, week: int, carried: Path) -> tuple[str, list]:
    """One week with everything in CI."""
    settings(root, "inside", carried)
    mlbot(root, "run", "--data", source)
    return verdicts(root)


def service(root: Path, source: str, week: int, carried: Path) -> tuple[str, list]:
    """One week with the ML part carved out; the checkout is a fresh one."""
    checkout, server = root / f"checkout-{week}", root / "server"
    settings(checkout, "service", carried)
    settings(server, "service", carried)
    if week:
        mlbot(checkout, "models", "--pull")
    green = mlbot(checkout, "retrain", "--force", "--data", source)
    found = verdicts(checkout)
    mlbot(server, "models", "--pull")
    champion = (server / "models" / "champion").read_text().strip()
    assert champion == found[0] or not green, "the server follows"
    if green and mlbot(checkout, "judge", "--data", source, "--rows", "300"):
        assert verdicts(checkout)[0] == champion, "a push judges the champion"
    shutil.rmtree(checkout)
    return found


def main() -> int:
    """Print a line a week."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=10)
    parser.add_argument("--data", default="company", help="company, in its weeks; or another source")
    options = parser.parse_args()
    same = True
    print("week  inside        service       verdicts  equal")
    with tempfile.TemporaryDirectory() as place:
        for week in range(options.weeks + 1):
            source = f"company:{week}" if options.data == "company" else options.data
            one = inside(Path(place) / "one", source, week, Path(place) / "carried-one")
            two = service(Path(place) / "two", source, week, Path(place) / "carried-two")
            equal = one == two
            same &= equal
            print(f"{week:>4}  {one[0] or 'red':<12}  {two[0] or 'red':<12}  {len(one[1]):>8}  {'yes' if equal else 'no'}",
                  flush=True)
    print("the same models and verdicts" if same else "models or verdicts differ")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
