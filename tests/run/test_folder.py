"""Run folders: what a killed run leaves behind does not stay for ever."""

import os
import time

from mlbot.run.folder import new_run


def test_half_written_files_of_a_killed_run_go_with_a_later_run_and_those_of_a_running_one_stay(tmp_path):
    runs = tmp_path / "runs"
    first = new_run(runs)
    (first / "model").mkdir()
    old, young, whole = first / "model" / ".weights.json.0a1b2c3d", first / ".run.json.32854ccf", first / ".env.template"
    for file in (old, young, whole):
        file.write_text("{")
        os.utime(file, (time.time() - 2 * 3600,) * 2 if file != young else None)
    assert new_run(runs) != first and not old.exists() and young.exists() and whole.exists()
