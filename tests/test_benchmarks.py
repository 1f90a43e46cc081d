"""The benchmarks run, and what they compare gives the same answers. No time is tested."""

import re
import subprocess
import sys


def test_prediction_is_compared_with_the_pipeline(root):
    done = subprocess.run([sys.executable, "benchmarks/predict.py", "--texts", "20", "sample"], cwd=root,
                          capture_output=True, text=True)
    assert re.search(r"^sample +12 +\d+ us +[\d,]+ us +\d+\.\dx +104/104 +\de-\d\d$", done.stdout, re.MULTILINE), \
        done.stdout + done.stderr


def test_settings_of_the_model_are_compared_on_training_rows(root):
    command = [sys.executable, "benchmarks/model.py", "sample", "--penalty", "1", "2", "--characters", "1,4", "2,4"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert len(re.findall(r"^sample +\(1, 2\) +\([12], 4\)  0\.\d{4} +0\.\d{4}", done.stdout, re.MULTILINE)) == 2, done.stderr
