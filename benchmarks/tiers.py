"""The tiers of the model beside each other on public sets: accuracy, out of scope, training, latency, size.

    python3 benchmarks/tiers.py [--tiers light static encoder] [--encoder NAME] [--texts 200] [SOURCE ...]

SOURCE is sample, or a public set that is on this machine (default: all that are). The published test rows are asked once;
what can be set was chosen on training rows (benchmarks/model.py). "beside": how many times longer pipeline.predict_proba
takes for one text; for the tier encoder, how many times longer an answer takes than the encoder alone.
"""

import argparse
import time
from dataclasses import replace
from statistics import median

import numpy as np
from predict import BLOCK, seconds, sources_at_hand

from mlbot.data.source import PUBLIC, choose, load_source
from mlbot.data.split import split
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.train import train
from mlbot.model.views import encoder_of
from mlbot.settings import TIERS, load_settings
from mlbot.stats.scores import accuracy, area_under_roc

FUZZ = "abc ABC äß 012 \u0130\u0131 \u4f60\u597d \U0001f600 \u0301 -' [email] "


def odd_texts(count: int) -> list[str]:
    """Texts of letters of many scripts, accents that stand alone, signs and spaces."""
    dice = np.random.default_rng(0)
    return ["x" + "".join(dice.choice(list(FUZZ), size=dice.integers(1, 60))) for _ in range(count)]


def measure(source: str, settings, texts: int) -> str:
    """A line about one tier on one source."""
    column = "split" if source in PUBLIC else ""
    _, columns = choose(settings, source, split_column=column)
    sides = split(load_source(source, columns, settings), settings.data, settings.split.test_percent, bool(column))
    context = [name for name in columns.context if name in sides.train]
    started = time.perf_counter()
    encoder = encoder_of(settings.model, sides.train["text"], settings.root)
    pipeline = train(sides.train, context, settings.model, encoder=encoder)
    trained = time.perf_counter() - started
    artefact = to_artefact(pipeline, settings.model, {})
    model, test = Predictor(artefact), sides.test
    ours, theirs = model.probabilities(test["text"], test[model.context].to_dict("records")), pipeline.predict_proba(test)
    odd = test.head(1).loc[[test.index[0]] * 200].assign(text=odd_texts(200))
    strange = model.probabilities(odd["text"], odd[model.context].to_dict("records")), pipeline.predict_proba(odd)
    same = (np.append(ours, strange[0], 0).argmax(axis=1) == np.append(theirs, strange[1], 0).argmax(axis=1)).sum()
    outside = sides.out_of_scope[sides.out_of_scope["side"] == "test"]
    roc = area_under_roc(ours.max(axis=1), model.answers(outside)[1]) if len(outside) else float("nan")
    right = accuracy(test["intent"], np.array(model.intents)[ours.argmax(axis=1)])
    plain, rows = test["text"].tolist(), [test.iloc[at:at + 1] for at in range(min(texts, len(test)))]
    times: dict[str, list[float]] = {"ours": [], "beside": []}
    for start in range(0, len(rows), BLOCK):
        block = range(start, min(start + BLOCK, len(rows)))
        times["ours"] += seconds(lambda at: model.predict(plain[at]), block)
        times["beside"] += seconds((lambda at: encoder.vector(plain[at])) if settings.model.tier == "encoder" else
                                   (lambda at: pipeline.predict_proba(rows[at])), block)
    answer, beside = (median(times[name]) for name in ("ours", "beside"))
    ratio = f"{answer / beside:.2f}x" if settings.model.tier == "encoder" else f"{beside / answer:.1f}x"
    size = sum(map(len, artefact.files.values())) + sum(array.nbytes for array in artefact.weights.values())
    return (f"{source:<11}{settings.model.tier:<9}{right.value:>8.4f}  {right.low:.3f} to {right.high:.3f}  {roc:>6.3f}"
            f"{trained:>8.0f} s{1e6 * answer:>8,.0f} us{ratio:>9}{size / 1e6:>8.1f} MB   {same:,}/{len(test) + len(odd):,}")


def main() -> None:
    """Print one line a source and tier."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", metavar="SOURCE")
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=TIERS)
    parser.add_argument("--encoder", default=load_settings().model.encoder)
    parser.add_argument("--texts", type=int, default=200)
    options = parser.parse_args()
    settings = load_settings()
    print(f"{'source':<11}{'tier':<9}{'accuracy':>8}  {'95 %':<14}  {'AUROC':>6}{'training':>10}{'one text':>11}{'beside':>9}"
          f"{'size':>11}   same answers", flush=True)
    for source in options.sources or sources_at_hand()[1:]:
        for tier in options.tiers:
            model = replace(settings.model, tier=tier, encoder=options.encoder)
            print(measure(source, replace(settings, model=model), options.texts), flush=True)


if __name__ == "__main__":
    main()
