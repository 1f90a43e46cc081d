"""Accuracy with few training rows an intent, on public sets, over several draws.

    python3 benchmarks/few_shot.py [--shots 10] [--seeds 5] [--tiers light static encoder] [--encoder NAME] [SOURCE ...]

Each draw takes so many rows of each intent from the published training rows; the published test rows in scope are asked.
Settings are those that ship. The name of an intent is an example, unless it is, word for word, a text of the test. Beside the
tier encoder stands the simple way, in the same draws: logistic regression on the vectors of the same encoder (C = 30, the
best of 1, 10, 30 and 100 on other training rows).
"""

import argparse
from dataclasses import replace
from statistics import mean, stdev

import numpy as np
from predict import sources_at_hand
from sklearn.linear_model import LogisticRegression

from mlbot.data.ledger import digests_of
from mlbot.data.source import PUBLIC, choose, load_source
from mlbot.data.split import split
from mlbot.model.train import train
from mlbot.model.views import encoder_of
from mlbot.settings import TIERS, load_settings


def vectors_of(encoder, texts) -> np.ndarray:
    """A row of length one for each text."""
    found = np.array([encoder.vector(text) for text in texts])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def shown(source: str, name: str, shots: int, found: list[float], rows: int) -> str:
    """A line of the table."""
    spread = f" +- {stdev(found):.3f}" if len(found) > 1 else ""
    return f"{source:<11}{name:<9}{shots} rows an intent: {mean(found):.3f}{spread} over {len(found)} draws (n={rows:,})"


def main() -> None:
    """Print one line a source and tier."""
    settings = load_settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", metavar="SOURCE")
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=["light"])
    parser.add_argument("--encoder", default=settings.model.encoder)
    options = parser.parse_args()
    for source in options.sources or sources_at_hand()[1:]:
        column = "split" if source in PUBLIC else ""
        _, columns = choose(settings, source, split_column=column)
        sides = split(load_source(source, columns, settings), settings.data, settings.split.test_percent, bool(column))
        for tier in options.tiers:
            model = replace(settings.model, tier=tier, encoder=options.encoder)
            encoder, found, simple = encoder_of(model, sides.train["text"], settings.root), [], []
            closed = digests_of(sides.test["text"])
            truth, asked = sides.test["intent"].to_numpy(str), None
            for seed in range(options.seeds):
                few = sides.train.groupby("intent", group_keys=False).sample(options.shots, random_state=seed)
                fitted = train(few, [], model, closed, encoder)
                found.append(float((fitted.predict(sides.test) == truth).mean()))
                if tier == "encoder":
                    asked = vectors_of(encoder, sides.test["text"]) if asked is None else asked
                    plain = LogisticRegression(C=30, max_iter=1000).fit(vectors_of(encoder, few["text"]), few["intent"])
                    simple.append(float((plain.predict(asked) == truth).mean()))
            print(shown(source, tier, options.shots, found, len(sides.test)), flush=True)
            if simple:
                print(shown(source, "simple", options.shots, simple, len(sides.test)), flush=True)


if __name__ == "__main__":
    main()
