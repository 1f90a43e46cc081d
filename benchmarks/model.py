"""Accuracy of settings of the model by five-fold cross-validation on training rows; the test side is never touched.

    python3 benchmarks/model.py [--penalty 0.5 1 2] [--characters 1,4 2,4 2,5] [--words 1,2 1,3]
                                [--tier encoder --encoder NAME --encoder-weight 1 2 3] [SOURCE ...]

SOURCE is sample, or a public set that is on this machine (default: all that are). The values in settings.ini were chosen so.
For each penalty: accuracy / log loss; in brackets those of the support vector machines without naive Bayes.
"""

import argparse
import itertools
from dataclasses import replace
from unittest import mock

import numpy as np
from predict import sources_at_hand
from sklearn.model_selection import StratifiedKFold

from mlbot.data.source import PUBLIC, choose, load_source
from mlbot.data.split import split
from mlbot.model.classifier import IntentClassifier, log_probabilities, penalty_of
from mlbot.model.pipeline import usable_context
from mlbot.model.views import build_views, encoder_of
from mlbot.settings import TIERS, load_settings


def training_rows(source: str, settings):
    """The training rows of a source and its context columns."""
    column = "split" if source in PUBLIC else ""
    _, columns = choose(settings, source, split_column=column)
    sides = split(load_source(source, columns, settings), settings.data, settings.split.test_percent, bool(column))
    return sides.train, usable_context(sides.train, list(columns.context))


def judged(classifier: IntentClassifier, terms, intents: np.ndarray) -> np.ndarray:
    """How many rows are answered right, and the sum of their log losses."""
    probabilities = log_probabilities(classifier.decision_function(terms))
    truth = np.searchsorted(classifier.classes_, intents)
    return np.array([(probabilities.argmax(axis=1) == truth).sum(), -probabilities[np.arange(len(truth)), truth].sum()])


def cross_validate(rows, context: list[str], model, penalties: list[float], encoder=None) -> dict[float, np.ndarray]:
    """For each penalty accuracy and log loss over five folds, with and, in the second row, without naive Bayes."""
    intents, found = rows["intent"].to_numpy(str), {penalty: np.zeros((2, 2)) for penalty in penalties}
    columns = ["text", *context]
    for train, held_out in StratifiedKFold(5, shuffle=True, random_state=1).split(rows, intents):
        views = build_views(model, context, encoder)
        seen, asked = views.fit_transform(rows.iloc[train][columns]).tocsr(), views.transform(rows.iloc[held_out][columns])
        texts = views.output_indices_["char_ngrams"].stop
        for penalty in penalties:
            cost = penalty_of(replace(model, penalty=penalty))
            both = IntentClassifier(cost, model.folds, model.seed).fit(seen, intents[train], texts=texts)
            with mock.patch("mlbot.model.classifier.nb_weight_of", return_value=0.0):
                alone = IntentClassifier(cost, model.folds, model.seed).fit(seen, intents[train], texts=texts)
            found[penalty] += [judged(classifier, asked, intents[held_out]) for classifier in (both, alone)]
    return {penalty: sums / len(rows) for penalty, sums in found.items()}


def lengths(word: str) -> tuple[int, int]:
    """'1,4' as (1, 4)."""
    shortest, longest = map(int, word.split(","))
    return shortest, longest


def main() -> None:
    """Print one line for each source and each pair of lengths."""
    settings = load_settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", metavar="SOURCE")
    parser.add_argument("--words", nargs="+", type=lengths, default=[settings.model.words])
    parser.add_argument("--characters", nargs="+", type=lengths, default=[settings.model.characters])
    parser.add_argument("--penalty", nargs="+", type=float, default=[settings.model.penalty])
    parser.add_argument("--tier", choices=TIERS, default="light")
    parser.add_argument("--encoder", default=settings.model.encoder)
    parser.add_argument("--encoder-weight", nargs="+", type=float, default=[settings.model.encoder_weight])
    options = parser.parse_args()
    print(f"{'source':<11}{'words':>8}{'characters':>12}" + "".join(f"  C={penalty:<26g}" for penalty in options.penalty))
    for source in options.sources or sources_at_hand():
        rows, context = training_rows(source, settings)
        tier = replace(settings.model, tier=options.tier, encoder=options.encoder)
        encoder = encoder_of(tier, rows["text"], settings.root)
        for words, characters, weight in itertools.product(options.words, options.characters, options.encoder_weight):
            model = replace(tier, words=words, characters=characters, encoder_weight=weight)
            found = cross_validate(rows, context, model, options.penalty, encoder)
            judgements = "".join(f"  {right:.4f} / {loss:.3f} ({alone:.4f} / {loss_alone:.3f})"
                                 for (right, loss), (alone, loss_alone) in found.values())
            print(f"{source:<11}{words!s:>8}{characters!s:>12}{judgements}"
                  + (f"  {options.tier}, weight {weight:g}" if encoder else ""), flush=True)


if __name__ == "__main__":
    main()
