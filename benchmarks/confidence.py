"""How far confidence is from accuracy, by how the temperature was chosen.

    python3 benchmarks/confidence.py [--rows N] [SOURCE ...]

Beside the temperature that ships (held-out rows, carried over to all rows) stand that of the held-out rows alone, of ten
folds, and of folds that keep near-duplicates together. A gap above 0 means that confidence is higher than accuracy. It is
shown on test rows, on test rows with a slip of the finger each, and on the company's production.
"""

import argparse

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from mlbot.data.source import PUBLIC, choose, compare_production, load_production, load_source
from mlbot.data.split import split
from mlbot.model.classifier import held_out_rows, held_out_scores, inverse_temperature_of, log_probabilities, penalty_of
from mlbot.model.names import name_rows
from mlbot.model.pipeline import build_pipeline, fit_terms
from mlbot.settings import load_settings
from mlbot.stats.invariance import spelling
from mlbot.text.clean import bare
from mlbot.text.minhash import linked
from mlbot.text.similar import components


def gap_words(scores: np.ndarray, truth: np.ndarray, intents: np.ndarray) -> str:
    """Mean confidence less accuracy in points, with its 95 % interval."""
    probabilities = np.exp(log_probabilities(scores))
    apart = 100 * (probabilities.max(axis=1) - (intents[scores.argmax(axis=1)] == truth))
    half = 1.96 * apart.std() / len(apart) ** 0.5
    return f"{apart.mean():+.1f} ({apart.mean() - half:+.1f} to {apart.mean() + half:+.1f}, n={len(apart):,})"


def temperatures(pipeline, rows, settings) -> dict[str, float]:
    """The inverse temperature by how it is chosen."""
    views, classifier = pipeline.named_steps["views"], pipeline.named_steps["intent"]
    terms = views.transform(rows).tocsr()
    intents, texts = rows["intent"].to_numpy(str), views.output_indices_["char_ngrams"].stop
    names, codes, counts = np.unique(intents, return_inverse=True, return_counts=True)
    clusters = np.asarray(components(len(rows), linked(list(map(bare, rows["text"])), settings.split.near_percent)))
    grouped = [asked for _, asked in StratifiedGroupKFold(3, shuffle=True, random_state=0).split(terms, codes, clusters)]

    def found(folds) -> float:
        margins, likely, truth = np.zeros((len(codes), len(names))), np.zeros((len(codes), len(names))), codes
        for asked in folds:
            known = np.setdiff1d(np.arange(len(codes)), asked)
            if len(set(codes[known])) < len(names):
                return float("nan")
            part = held_out_scores(terms, intents, codes, [asked], texts, penalty_of(settings.model), 0)
            margins[np.sort(asked)], likely[np.sort(asked)] = part[0], part[1]
        return inverse_temperature_of(margins + classifier.nb_weight_ * likely, truth)
    three = list(held_out_rows(codes, counts, 3, 0))
    return {"ships": classifier.inverse_temperature_, "held-out rows": found(three),
            "ten folds": found(list(held_out_rows(codes, counts, 10, 0))), "held-out groups": found(grouped)}


def measure(source: str, settings, most: int) -> None:
    """Print the gaps of one source."""
    _, columns = choose(settings, source, split_column="split" if source in PUBLIC else "")
    utterances = load_source(source, columns, settings)
    sides = split(utterances, settings.data, settings.split.test_percent, bool(columns.side))
    rows = sides.train[sides.train.groupby("intent").cumcount() < most] if most else sides.train
    context = list(utterances.context)
    pipeline = fit_terms(build_pipeline(settings.model, context), rows, name_rows(rows, context, 0), context)
    views, classifier = pipeline.named_steps["views"], pipeline.named_steps["intent"]
    asked = {"test": sides.test, "test with slips": sides.test.assign(text=list(map(spelling, sides.test["text"])))}
    sample = load_production(source, "", columns, settings)
    if sample is not None:
        told = compare_production(sample.rows, rows, settings.data.out_of_scope)[0]
        asked["production"] = told[told["intent"] != settings.data.out_of_scope]
    plain = {name: (views.transform(table) @ classifier.weights_ + classifier.bias_) / classifier.inverse_temperature_
             for name, table in asked.items()}
    for how, inverse in temperatures(pipeline, rows, settings).items():
        gaps = ", ".join(f"{name} {gap_words(inverse * plain[name], table['intent'].to_numpy(str), classifier.classes_)}"
                         for name, table in asked.items())
        print(f"{source:<12}{len(rows):>7,} rows  {how:<16}{inverse:5.2f}  gap on {gaps}", flush=True)


def main() -> None:
    """Print the gaps of each source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", metavar="SOURCE", default=["company"])
    parser.add_argument("--rows", type=int, default=0, help="so many training rows an intent (default: all)")
    options = parser.parse_args()
    for source in options.sources:
        measure(source, load_settings(), options.rows)


if __name__ == "__main__":
    main()
