"""How well scores part texts in scope from texts out of scope, with and without texts out of scope to learn from.

    python3 benchmarks/scope.py [--tiers light encoder] [--encoder NAME] [--rows N] [--hide SEED ... --sets SET ...]

On clinc150, which has such texts. Scores are compared on the published validation rows (3,000 in scope, 100 out of scope):
largest probability, score, lead over the second, energy, nearness to centres of intents; then the components that ship,
`unlabelled` (learnt by hiding intents) and `labelled` (learnt from the published training texts out of scope). Each is asked
about the test rows, at the threshold that training chose. With --hide, a third of the intents of a set is out of scope, drawn
with each seed, and only training rows are used: three quarters to learn from, the rest is asked.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd

from mlbot.data.source import find_source, load_source
from mlbot.data.split import split
from mlbot.data.table import Columns
from mlbot.model.classifier import log_probabilities
from mlbot.model.nearness import centres_of, nearness, vector_columns, vectors_of
from mlbot.model.train import scope_by, train
from mlbot.model.views import encoder_of
from mlbot.settings import TIERS, load_settings
from mlbot.stats.bounds import wilson
from mlbot.stats.scores import area_under_roc


def published(settings) -> dict[str, pd.DataFrame]:
    """The published parts of clinc150, in scope and out of scope, as `train`, `val`, `test`, `oos_train`, ..."""
    raw = pd.read_csv(find_source("clinc150", settings), keep_default_na=False, dtype=str)
    sides = split(load_source("clinc150", Columns(side="split"), settings), settings.data, given=True)
    part = dict(zip(raw["text"].str.strip(), raw["split"], strict=True))
    rows = pd.concat([sides.train, sides.validation, sides.test, sides.out_of_scope])
    return {name: some for name, some in rows.groupby(rows["text"].map(part))}


def scores_of(pipeline, known):
    """A function from rows to their scores by name. Higher is more in scope."""
    views, classifier = pipeline.named_steps["views"], pipeline.named_steps["intent"]
    columns = vector_columns(pipeline)
    vectors = vectors_of(views.transform(known), columns) if columns else None
    centres = None if vectors is None else centres_of(vectors, known["intent"].to_numpy(str))

    def found(rows) -> dict[str, np.ndarray]:
        terms = views.transform(rows)
        scores = classifier.decision_function(terms)
        best = np.sort(scores, axis=1)
        near = {} if centres is None else {"nearness": nearness(vectors_of(terms, columns), centres)}
        return {"probability": np.exp(log_probabilities(scores)).max(axis=1), "score": best[:, -1],
                "lead": best[:, -1] - best[:, -2], "energy": np.log(np.exp(scores).sum(axis=1)), **near}
    return found


def said(part: np.ndarray) -> str:
    """A share with its 95 % interval."""
    low, high = wilson(int(part.sum()), len(part))
    return f"{part.mean():.3f} ({low:.3f} to {high:.3f}, n={len(part):,})"


def report(name: str, pipeline, inside: pd.DataFrame, outside: pd.DataFrame) -> None:
    """Print how a component does on rows in scope and out of scope, at its threshold, beside what it expected."""
    classifier, views, scope = pipeline.named_steps["intent"], pipeline.named_steps["views"], pipeline.scope
    terms, others = views.transform(inside), views.transform(outside)
    scores = classifier.decision_function(terms)
    known, strange = scope.probabilities(scores, terms), scope.probabilities(classifier.decision_function(others), others)
    right, above = classifier.classes_[scores.argmax(axis=1)] == inside["intent"].to_numpy(str), known >= scope.threshold
    two = (strange < np.quantile(known, 0.02)).mean()
    print(f"{name:<24}test AUROC {area_under_roc(known, strange):.3f}, at its threshold: out of scope found "
          f"{said(strange < scope.threshold)}, false alarms {said(~above)}; expected {scope.recall:.3f} and "
          f"{scope.alarms:.3f}; found at 2 % false alarms {two:.3f}; in scope answered and right "
          f"{(right & above).mean():.3f} (of {right.mean():.3f})", flush=True)


def measure(tier: str, settings, parts) -> None:
    """Print what each score, and each component, reaches with one tier."""
    model, known = replace(settings.model, tier=tier), parts["train"]
    encoder = encoder_of(model, known["text"], settings.root)
    pipeline = train(known, [], model, encoder=encoder, costs=settings.costs)
    found = scores_of(pipeline, known)
    inside, strange = found(parts["val"]), found(parts["oos_val"])
    for score in inside:
        print(f"{tier:<9}{score:<13}validation AUROC {area_under_roc(inside[score], strange[score]):.3f}", flush=True)
    report(f"{tier:<9}unlabelled", pipeline, parts["test"], parts["oos_test"])
    terms = pipeline.named_steps["views"].transform(known).tocsr()
    pipeline.scope = scope_by(parts["oos_train"], pipeline, terms, known["intent"].to_numpy(str), model, settings.costs)
    report(f"{tier:<9}labelled", pipeline, parts["test"], parts["oos_test"])


def hide(source: str, tier: str, seed: int, settings, most: int) -> None:
    """Print the same for a set of which a third of the intents is out of scope."""
    rows = split(load_source(source, Columns(side="split"), settings), settings.data, given=True).train
    rows = rows.sample(frac=1, random_state=seed)
    names = np.random.default_rng(seed).permutation(sorted(rows["intent"].unique()))
    hidden, asked = rows["intent"].isin(names[:len(names) // 3]), rows.groupby("intent").cumcount() % 4 == 0
    known = rows[~hidden & ~asked]
    known = known[known.groupby("intent").cumcount() < most] if most else known
    model = replace(settings.model, tier=tier)
    pipeline = train(known, [], model, encoder=encoder_of(model, known["text"], settings.root), costs=settings.costs)
    found = scores_of(pipeline, known)
    inside, strange = found(rows[~hidden & asked]), found(rows[hidden & asked])
    parts = ", ".join(f"{name} {area_under_roc(inside[name], strange[name]):.3f}" for name in inside)
    print(f"{source}, seed {seed}, {len(known):,} rows of {known['intent'].nunique()} intents: AUROC {parts}")
    report(f"{tier:<9}unlabelled", pipeline, rows[~hidden & asked], rows[hidden & asked])


def main() -> None:
    """Print the scores of each tier."""
    settings = load_settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=["light"])
    parser.add_argument("--encoder", default=settings.model.encoder)
    parser.add_argument("--rows", type=int, default=0, help="so many training rows an intent (default: all)")
    parser.add_argument("--hide", nargs="+", type=int, default=[], metavar="SEED", help="hide a third of the intents instead")
    parser.add_argument("--sets", nargs="+", default=["banking77", "clinc150"], help="with --hide")
    options = parser.parse_args()
    settings = replace(settings, model=replace(settings.model, encoder=options.encoder))
    if options.hide:
        for tier in options.tiers:
            for source in options.sets:
                for seed in options.hide:
                    hide(source, tier, seed, settings, options.rows)
        return
    parts = published(settings)
    if options.rows:
        parts["train"] = parts["train"].groupby("intent", group_keys=False).head(options.rows)
    print(", ".join(f"{len(rows):,} {name}" for name, rows in parts.items()))
    for tier in options.tiers:
        measure(tier, settings, parts)


if __name__ == "__main__":
    main()
