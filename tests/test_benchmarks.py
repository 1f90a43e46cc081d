"""The benchmarks run, and what they compare gives the same answers. No time is tested."""

import re
import subprocess
import sys


def test_prediction_is_compared_with_the_pipeline(root):
    done = subprocess.run([sys.executable, "benchmarks/predict.py", "--texts", "20", "sample"], cwd=root,
                          capture_output=True, text=True)
    assert re.search(r"^sample +12 +\d+ us +[\d,]+ us +\d+\.\dx +104/104 +\de-\d\d$", done.stdout, re.MULTILINE), \
        done.stdout + done.stderr
