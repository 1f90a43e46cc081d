"""One-text latency of mlbot.model.predict beside pipeline.predict_proba, in one run, with the same answers.

    python3 benchmarks/predict.py [--texts 300] [SOURCE ...]

SOURCE is sample, or a public set that is on this machine (default: all that are). Both sides answer the same texts in turn,
a block at a time, so that a busy machine slows both. Absolute times mean little; the ratio is what counts.
"""

import argparse
import time
from statistics import median

import numpy as np

from mlbot.data.source import PUBLIC, choose, data_home, load_source
from mlbot.data.split import split
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.train import train
from mlbot.settings import load_settings

BLOCK = 20  # texts before the other side has its turn

def sources_at_hand() -> list[str]:
    """The company, and the public sets in the data home."""
    return ["company", *(name for name in sorted(PUBLIC) if (data_home() / name / "data.csv").is_file())]


def seconds(answer, texts: range) -> list[float]:
    """Time of one call a text, after a first round that is not timed."""
    for at in texts:
        answer(at)
    times = []
    for at in texts:
        started = time.perf_counter()
        answer(at)
        times.append(time.perf_counter() - started)
    return times


def measure(source: str, texts: int) -> dict:
    """Train on a source and time both sides on its test rows, one text a call."""
    settings = load_settings()
    column = "split" if source in PUBLIC else ""
    _, columns = choose(settings, source, split_column=column)
    sides = split(load_source(source, columns, settings), settings.data, settings.split.test_percent, bool(column))
    context = [name for name in columns.context if name in sides.train]
    pipeline = train(sides.train, context, settings.model)
    model = Predictor(to_artefact(pipeline, settings.model, {}))
    contexts = sides.test[model.context].to_dict("records")
    ours, theirs = model.probabilities(sides.test["text"], contexts), pipeline.predict_proba(sides.test)
    rows = [sides.test.iloc[at:at + 1] for at in range(len(sides.test))]
    plain = sides.test["text"].tolist()
    times = {"ours": [], "pipeline": []}
    for start in range(0, min(texts, len(rows)), BLOCK):
        block = range(start, min(start + BLOCK, texts, len(rows)))
        times["ours"] += seconds(lambda at: model.predict(plain[at], **contexts[at]), block)
        times["pipeline"] += seconds(lambda at: pipeline.predict_proba(rows[at]), block)
    same = (ours.argmax(axis=1) == theirs.argmax(axis=1)).sum()
    return {"source": source, "intents": len(model.intents), "rows": len(sides.test), "same": int(same),
            "difference": float(np.abs(ours - theirs).max()), **{name: median(all_) for name, all_ in times.items()}}


def main() -> None:
    """Print one line a source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", metavar="SOURCE")
    parser.add_argument("--texts", type=int, default=300)
    options = parser.parse_args()
    print(f"{'source':<11}{'intents':>8}{'ours':>10}{'pipeline':>12}{'ratio':>8}   same answers   largest difference")
    for source in options.sources or sources_at_hand():
        found = measure(source, options.texts)
        print(f"{found['source']:<11}{found['intents']:>8}{1e6 * found['ours']:>7.0f} us{1e6 * found['pipeline']:>9.0f} us"
              f"{found['pipeline'] / found['ours']:>7.1f}x   {found['same']:,}/{found['rows']:,}".ljust(66)
              + f"{found['difference']:.0e}", flush=True)


if __name__ == "__main__":
    main()
