"""Accuracy of settings of the model by five-fold cross-validation on training rows; the test side is never touched.

    python3 benchmarks/model.py [--penalty 0.5 1 2] [--characters 1,4 2,4 2,5] [--words 1,2 1,3]
                                [--tier encoder --encoder NAME --encoder-weight 1 2 3] [SOURCE ...]

SOURCE is sample, or a public set that is on this machine (default: all that are). The values in settings.ini were chosen so.
"""

import argparse
import itertools
from dataclasses import replace

from predict import sources_at_hand
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from mlbot.model import build_views, encoder_of, penalty_of, usable_context
from mlbot.settings import TIERS, load_settings
from mlbot.source import PUBLIC, choose, load_source
from mlbot.split import split


def training_rows(source: str, settings):
    """The training rows of a source and its context columns."""
    column = "split" if source in PUBLIC else ""
    _, columns = choose(settings, source, split_column=column)
    sides = split(load_source(source, columns, settings), settings.data, settings.split.test_percent, bool(column))
    return sides.train, usable_context(sides.train, list(columns.context))


def cross_validate(rows, context: list[str], model, penalties: list[float], encoder=None) -> list[float]:
    """Accuracy for each penalty, over five folds."""
    intents, hits = rows["intent"].to_numpy(str), dict.fromkeys(penalties, 0)
    columns = ["text", *context]
    for train, held_out in StratifiedKFold(5, shuffle=True, random_state=1).split(rows, intents):
        views = build_views(model, context, encoder)
        seen, asked = views.fit_transform(rows.iloc[train][columns]), views.transform(rows.iloc[held_out][columns])
        for penalty in penalties:
            cost = penalty_of(replace(model, penalty=penalty))
            found = LinearSVC(C=cost, random_state=model.seed).fit(seen, intents[train]).predict(asked)
            hits[penalty] += (found == intents[held_out]).sum()
    return [hits[penalty] / len(rows) for penalty in penalties]


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
    print(f"{'source':<11}{'words':>8}{'characters':>12}" + "".join(f"  C={penalty:<6g}" for penalty in options.penalty))
    for source in options.sources or sources_at_hand():
        rows, context = training_rows(source, settings)
        tier = replace(settings.model, tier=options.tier, encoder=options.encoder)
        encoder = encoder_of(tier, rows["text"], settings.root)
        for words, characters, weight in itertools.product(options.words, options.characters, options.encoder_weight):
            model = replace(tier, words=words, characters=characters, encoder_weight=weight)
            found = cross_validate(rows, context, model, options.penalty, encoder)
            print(f"{source:<11}{words!s:>8}{characters!s:>12}" + "".join(f"  {value:<8.4f}" for value in found)
                  + (f"  {options.tier}, weight {weight:g}" if encoder else ""), flush=True)


if __name__ == "__main__":
    main()
