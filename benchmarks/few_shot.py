"""Accuracy with few training rows an intent, on public sets, over several draws.

    python3 benchmarks/few_shot.py [--shots 10] [--seeds 5] [--tiers light static encoder] [--encoder NAME] [SOURCE ...]

Each draw takes so many rows of each intent from the published training rows; the published test rows in scope are asked.
Settings are those that ship: nothing is tuned for few rows.
"""

import argparse
from dataclasses import replace
from statistics import mean, stdev

from predict import sources_at_hand

from mlbot.model import encoder_of, fit_plain
from mlbot.settings import TIERS, load_settings
from mlbot.source import PUBLIC, choose, load_source
from mlbot.split import split


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
            encoder, found = encoder_of(model, sides.train["text"], settings.root), []
            for seed in range(options.seeds):
                few = sides.train.groupby("intent", group_keys=False).sample(options.shots, random_state=seed)
                fitted = fit_plain(few, [], model, encoder)
                found.append(float((fitted.predict(sides.test) == sides.test["intent"].to_numpy(str)).mean()))
            spread = f" +- {stdev(found):.3f}" if len(found) > 1 else ""
            print(f"{source:<11}{tier:<9}{options.shots} rows an intent: {mean(found):.3f}{spread} over {len(found)} draws "
                  f"(n={len(sides.test):,})", flush=True)


if __name__ == "__main__":
    main()
