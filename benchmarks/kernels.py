"""What a kernel costs: forks of a process that has the libraries loaded, beside kernels as Jupyter starts them.

    python3 benchmarks/kernels.py [--kernels 4]

Both ways run, in one process, the same notebook so many times, which imports what the notebooks of a pipeline import and adds
two numbers. Printed is the processor time of the kernels, with all that is started for them, and the ratio; the time on the
wall beside it. On a system that cannot fork kernels the ratio is 1.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

CELL = """import numpy, pandas
from matplotlib.figure import Figure
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import cross_val_predict
from sklearn.svm import LinearSVC
n + 1"""
PACKAGES = ("numpy", "pandas", "scipy", "matplotlib", "sklearn")


def used() -> float:
    """Processor seconds of everything that this process has started and that has ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def measure(how: str, kernels: int) -> dict[str, float]:
    """Run the notebook so many times; seconds a kernel, of a processor and on the wall."""
    import nbformat

    import mlbot.run.kernel
    from mlbot.run.forkserver import _servers
    from mlbot.run.notebook import open_notebook
    from mlbot.run.pipeline import run_notebook
    from mlbot.settings import load_settings
    if how == "usual":
        mlbot.run.kernel.fork_server = lambda environment: None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notebook = folder / "1_step.ipynb"
        cells = [nbformat.v4.new_code_cell("n = 1", metadata={"tags": ["parameters"]}), nbformat.v4.new_code_cell(CELL)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
        settings, out = replace(load_settings(), root=folder), folder / "out"
        out.mkdir()
        before, started = used(), time.perf_counter()
        for _ in range(kernels):
            step = run_notebook(open_notebook(notebook), out, {}, settings, time.monotonic() + 600, packages=PACKAGES)
            assert not step.problems, step.problems
        wall = time.perf_counter() - started
        for server in _servers.values():
            server.close()
    return {"processor": (used() - before) / kernels, "wall": wall / kernels}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", type=int, default=4)
    parser.add_argument("--only", choices=("usual", "forked"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(args.only, args.kernels)))
        return
    found = {}
    for how in ("usual", "forked"):
        command = [sys.executable, __file__, "--only", how, "--kernels", str(args.kernels)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        if done.returncode:
            sys.exit(done.returncode)
        found[how] = json.loads(done.stdout.splitlines()[-1])
        print(f"{how:<7} {found[how]['processor']:6.2f} s of a processor a kernel, {found[how]['wall']:6.2f} s on the wall")
    print(f"usual / forked: {found['usual']['processor'] / found['forked']['processor']:.1f} times the processor time, "
          f"{found['usual']['wall'] / found['forked']['wall']:.1f} times the wall, {args.kernels} kernels")


if __name__ == "__main__":
    main()
