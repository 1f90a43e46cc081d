"""What a project with a lot of data costs in git, and what a new batch costs in the store.

    python3 benchmarks/store.py [--megabytes 200] [--batches 20]

Batches of made-up utterances are added to a store in a project's folder, and the same rows as a growing CSV file to a git
repository of their own, as a team does that keeps its data in git. Shown after each quarter: how large both repositories are,
how many bytes the newest batch added to the store, and how many to git. At the end one batch is sent again, and two versions
are read back.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from mlbot.data.store import LOCK, append, rows_at, write_lock

SYLLABLES = np.array([first + second for first in "bdfgklmnprstvz" for second in "aeiou"])


def made_up(number: int, megabytes: float) -> pd.DataFrame:
    """A batch of about so many megabytes of different texts, as the store takes it."""
    luck, size = np.random.default_rng(number), 60
    rows = int(megabytes * 1e6 / size)
    words = ["".join(three) for three in luck.choice(SYLLABLES, (5000, 3))]
    texts = [" ".join([*map(words.__getitem__, seven), str(number), str(row)])
             for row, seven in enumerate(luck.integers(0, 5000, (rows, 7)).tolist())]
    return pd.DataFrame({"text": texts, "intent": luck.choice(["card", "leave", "badge"], rows), "group": "", "side": "",
                         "person": "", "batch": f"{number:016}", "life": "train", "reason": ""}, dtype=object).assign(
        digest=luck.integers(0, 2**63, rows).astype(np.uint64), family=np.uint64(1))


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def git(folder: Path, *words: str) -> None:
    """Run git quietly."""
    subprocess.run(["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *words], cwd=folder, check=True,
                   capture_output=True)


def main() -> int:
    """Print the table; the exit code is 1 when the project's git passes 5 MB, or a batch costs more than twice itself."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=200)
    parser.add_argument("--batches", type=int, default=20)
    options = parser.parse_args()
    each = options.megabytes / options.batches
    with tempfile.TemporaryDirectory() as place:
        project, peer = Path(place) / "project", Path(place) / "peer"
        for folder in (project, peer):
            folder.mkdir()
            git(folder, "init", "-q")
        (project / ".gitignore").write_text("/data/\n")
        url, written, bad = str(project / "data"), 0, False
        print(f"{'batches':>8}{'CSV':>10}{'store':>10}{'its newest batch':>18}{'seconds':>9}{'project in git':>16}"
              f"{'CSV in git':>12}{'its newest batch':>18}")
        for number in range(options.batches):
            rows = made_up(number, each)
            before, started = size_of(Path(url)) if number else 0, time.perf_counter()
            append(rows, url, {"source": f"{number}.csv"})
            seconds = time.perf_counter() - started
            write_lock(project, url) if number in (0, options.batches - 1) else None
            git(project, "add", "-A")
            git(project, "commit", "-qm", f"batch {number}", "--allow-empty")
            with open(peer / "utterances.csv", "a", encoding="utf-8") as file:
                rows[["text", "intent"]].to_csv(file, index=False, header=not number)
                written = file.tell()
            in_git = size_of(peer / ".git")
            git(peer, "add", "-A")
            git(peer, "commit", "-qm", f"batch {number}")
            newest, bytes_of_batch = size_of(Path(url)) - before, written / (number + 1)
            bad |= newest > 2 * bytes_of_batch + 100_000
            if (number + 1) % max(1, options.batches // 4) == 0:
                print(f"{number + 1:>8}{written / 1e6:>7.1f} MB{size_of(Path(url)) / 1e6:>7.1f} MB{newest / 1e6:>15.2f} MB"
                      f"{seconds:>9.2f}"
                      f"{size_of(project / '.git') / 1e6:>13.2f} MB{size_of(peer / '.git') / 1e6:>9.1f} MB"
                      f"{(size_of(peer / '.git') - in_git) / 1e6:>15.2f} MB")
        before = size_of(Path(url))
        _, new = append(made_up(0, each), url, {})
        print(f"sent again: {'stored twice' if new else 'stored once'}, {size_of(Path(url)) - before:,} bytes more")
        first, last = rows_at(url, 1)[0], rows_at(url)[0]
        print(f"version 1 has {len(first):,} rows, the present one {len(last):,}; {LOCK} has "
              f"{(project / LOCK).stat().st_size} bytes")
        bad |= new or size_of(project / ".git") > 5_000_000 or len(last) != options.batches * len(first)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
