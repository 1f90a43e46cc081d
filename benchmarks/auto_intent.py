"""AutoIntent on the published test rows of a public set, with the sentence encoder that mlbot's tiers have.

    pip install 'autointent[sentence-transformers]'      (an environment of its own: it brings PyTorch)
    python3 benchmarks/auto_intent.py [--preset classic-light] [--trials 20] [--encoder FOLDER] banking77

It searches on training rows by itself, and is fitted on all of them; the test rows are asked once, as in benchmarks/tiers.py.
This file imports nothing of mlbot, so that it runs where only AutoIntent is installed: the set is read as `mlbot data fetch`
has left it, in MLBOT_DATA_HOME.
"""

import argparse
import csv
import importlib.util
import os
import sys
import time
from pathlib import Path
from statistics import median


def rows_of(source: str, side: str) -> list[tuple[str, str]]:
    """The texts and intents of one side of a public set, in scope."""
    home = Path(os.environ.get("MLBOT_DATA_HOME") or Path.home() / ".cache" / "mlbot")
    with open(home / source / "data.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == side]
    return [(row["text"], row["intent"]) for row in rows if row["intent"] != "oos"]


def fitted(preset: str, encoder: str, trials: int, rows: list[tuple[str, str]], names: list[str]):
    """AutoIntent's pipeline after its search."""
    import autointent
    import yaml
    from autointent import Dataset, Pipeline
    presets = Path(autointent.__file__).parent / "_presets"
    settings = yaml.safe_load((presets / f"{preset}.yaml").read_text(encoding="utf-8"))
    settings["embedder_config"]["model_name"] = encoder
    settings["hpo_config"].update(n_trials=trials, n_startup_trials=min(trials, 10))
    train = [{"utterance": text, "label": names.index(intent)} for text, intent in rows]
    data = Dataset.from_dict({"train": train, "intents": [{"id": at, "name": name} for at, name in enumerate(names)]})
    pipeline = Pipeline.from_optimization_config(settings)
    pipeline.fit(data, refit_after=True)
    return pipeline


def main() -> int:
    """Print one line a source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", metavar="SOURCE")
    parser.add_argument("--preset", default="classic-light")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--encoder", default="sentence-transformers/all-MiniLM-L6-v2")
    options = parser.parse_args()
    if importlib.util.find_spec("autointent") is None:
        print("AutoIntent is not installed: pip install 'autointent[sentence-transformers]'", file=sys.stderr)
        return 2
    for source in options.sources:
        rows, test = rows_of(source, "train"), rows_of(source, "test")
        names = sorted({intent for _, intent in rows})
        started = time.process_time()
        pipeline = fitted(options.preset, options.encoder, options.trials, rows, names)
        trained = time.process_time() - started
        found = pipeline.predict([text for text, _ in test])
        right = sum(label is not None and names[label] == intent for label, (_, intent) in zip(found, test, strict=True))
        times = []
        for text, _ in test[:50]:
            begin = time.perf_counter()
            pipeline.predict([text])
            times.append(time.perf_counter() - begin)
        print(f"{source:<11}AutoIntent {options.preset}, {options.trials} trials: {right / len(test):.4f} (n={len(test):,}), "
              f"training {trained:.0f} s of CPU, one text {1e3 * median(times):.0f} ms", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
