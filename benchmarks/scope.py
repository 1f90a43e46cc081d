"""How well scores part texts in scope from texts out of scope: largest probability, score, lead, energy, distance, trained.

    python3 benchmarks/scope.py [--tiers light encoder] [--encoder NAME] [--rows N]

On clinc150, which has such texts. Scores are compared on the published validation rows (3,000 in scope, 100 out of scope).
The component that ships is then asked about the test rows, at the threshold that training chose, and so is the largest
probability at the threshold with the same share of false alarms on validation rows.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd

from mlbot.data.source import find_source, load_source
from mlbot.data.split import split
from mlbot.data.table import Columns
from mlbot.model.classifier import log_probabilities
from mlbot.model.train import train
from mlbot.model.views import encoder_of
from mlbot.settings import TIERS, load_settings
from mlbot.stats.scores import area_under_roc


def published(settings) -> dict[str, pd.DataFrame]:
    """The published parts of clinc150, in scope and out of scope, as `train`, `val`, `test`, `oos_train`, ..."""
    raw = pd.read_csv(find_source("clinc150", settings), keep_default_na=False, dtype=str)
    sides = split(load_source("clinc150", Columns(side="split"), settings), settings.data, given=True)
    part = dict(zip(raw["text"].str.strip(), raw["split"], strict=True))
    rows = pd.concat([sides.train, sides.validation, sides.test, sides.out_of_scope])
    return {name: some for name, some in rows.groupby(rows["text"].map(part))}


def of_encoder(encoder, asked, known) -> np.ndarray:
    """The mean cosine with the five nearest training texts."""
    alike = encoder.vectors(asked["text"]) @ encoder.vectors(known["text"]).T
    return np.sort(alike, axis=1)[:, -5:].mean(axis=1)


def measure(tier: str, settings, parts) -> None:
    """Print what each score reaches with one tier."""
    model, known = replace(settings.model, tier=tier), parts["train"]
    encoder = encoder_of(model, known["text"], settings.root)
    pipeline = train(known, [], model, encoder=encoder, outside=parts["oos_train"].assign(side="train"), costs=settings.costs)
    views, classifier, scope = pipeline.named_steps["views"], pipeline.named_steps["intent"], pipeline.scope

    def found(rows) -> dict[str, np.ndarray]:
        terms = views.transform(rows)
        scores = classifier.decision_function(terms)
        best = np.sort(scores, axis=1)
        nearest = {"distance": of_encoder(encoder, rows, known)} if encoder else {}
        return {"probability": np.exp(log_probabilities(scores)).max(axis=1), "score": best[:, -1],
                "lead": best[:, -1] - best[:, -2], "energy": np.log(np.exp(scores).sum(axis=1)), **nearest,
                "trained": scope.probabilities(scores, terms)}
    inside, outside = found(parts["val"]), found(parts["oos_val"])
    for name in inside:
        print(f"{tier:<9}{name:<13}validation AUROC {area_under_roc(inside[name], outside[name]):.3f}", flush=True)
    test, strange = found(parts["test"]), found(parts["oos_test"])
    terms = views.transform(parts["test"])
    right = classifier.predict(terms) == parts["test"]["intent"].to_numpy(str)
    alarms = (inside["trained"] < scope.threshold).mean()
    for name, threshold in (("trained", scope.threshold), ("probability", np.quantile(inside["probability"], alarms))):
        above = test[name] >= threshold
        roc = area_under_roc(test[name], strange[name])
        print(f"{tier:<9}{name:<13}test AUROC {roc:.3f}, at its threshold: out of scope found "
              f"{(strange[name] < threshold).mean():.3f}, false alarms {1 - above.mean():.3f}, "
              f"in scope answered and right {(right & above).mean():.3f} (of {right.mean():.3f})", flush=True)


def main() -> None:
    """Print the scores of each tier."""
    settings = load_settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=["light"])
    parser.add_argument("--encoder", default=settings.model.encoder)
    parser.add_argument("--rows", type=int, help="so many training rows an intent (default: all)")
    options = parser.parse_args()
    settings = replace(settings, model=replace(settings.model, encoder=options.encoder))
    parts = published(settings)
    if options.rows:
        parts["train"] = parts["train"].groupby("intent", group_keys=False).head(options.rows)
    print(", ".join(f"{len(rows):,} {name}" for name, rows in parts.items()))
    for tier in options.tiers:
        measure(tier, settings, parts)


if __name__ == "__main__":
    main()
