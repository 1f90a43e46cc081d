"""Accuracy with few training rows an intent, over several draws: today's ways to learn more from them beside each other.

    python3 benchmarks/few_shot.py [--shots 10] [--seeds 5] [--tiers light static encoder] [--encoder NAME]
                                   [--unlabelled 5000] [--strange 0] [SOURCE ...]

SOURCE is company, or a public set that is on this machine (default: these). Each draw takes so many rows of each intent from
the training rows; the test rows in scope are asked. Settings are those that ship. The name of an intent is an example, unless
it is, word for word, a text of the test. Beside it, in the same draws:

- unlabelled: other training rows, without their labels, teach what the model is sure of. `--strange`: so many texts of
  another public set are among them, as production has texts out of scope.
- described: the company's catalogue says what each process is for.
- simple: logistic regression on the vectors of the same encoder (C = 30, the best of 1, 10, 30, 100 on other training rows).

Each line: mean accuracy and its standard deviation over the draws, and, of all answers of all draws, how many are right only
this way (+) or only with names alone (-).
"""

import argparse
import tomllib
from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pandas as pd
from predict import sources_at_hand
from sklearn.linear_model import LogisticRegression

from mlbot.data.extra import sentences
from mlbot.data.ledger import digests_of
from mlbot.data.source import PUBLIC, choose, load_source
from mlbot.data.split import split
from mlbot.model.train import train
from mlbot.model.views import encoder_of
from mlbot.settings import PACKAGE, TIERS, load_settings


def sides_of(source: str, settings):
    """The sides of a source."""
    column = "split" if source in PUBLIC else ""
    _, columns = choose(settings, source, split_column=column)
    return split(load_source(source, columns, settings), settings.data, settings.split.test_percent, bool(column))


def vectors_of(encoder, texts) -> np.ndarray:
    """A row of length one for each text."""
    found = np.array([encoder.vector(text) for text in texts])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def described() -> pd.DataFrame:
    """What the company's catalogue says of its processes, a row for each sentence."""
    processes = tomllib.loads((PACKAGE / "shipped" / "company" / "processes.toml").read_text(encoding="utf-8"))
    said = [(name, [it["title"], *it.get("facets", {}).values()]) for name, it in processes.items()]
    rows = [(part, name) for name, texts in said for text in texts for part in sentences(text)]
    return pd.DataFrame(rows, columns=["text", "intent"])


def shown(source: str, name: str, shots: int, right: list[np.ndarray], usual: list[np.ndarray]) -> str:
    """A line of the table."""
    found = [float(flags.mean()) for flags in right]
    spread = f" +- {stdev(found):.3f}" if len(found) > 1 else ""
    one, other = np.concatenate(right), np.concatenate(usual)
    paired = "" if right is usual else f"  +{(one & ~other).sum():,} -{(other & ~one).sum():,}"
    return f"{source:<11}{name:<20}{shots} rows an intent: {mean(found):.3f}{spread} over {len(found)} draws " \
           f"(n={len(right[0]):,}){paired}"


def extras(source: str, sides, few, options, seed: int, strange) -> dict[str, pd.DataFrame]:
    """The extra rows of a draw, by the name of the line."""
    found = {}
    if options.unlabelled:
        rest = sides.train.drop(few.index)
        texts = [*rest["text"].sample(min(options.unlabelled, len(rest)), random_state=seed), *strange]
        found["unlabelled"] = pd.DataFrame({"text": texts, "intent": ""})
    if source == "company":
        found["described"] = described()
        found["both"] = pd.concat(found.values())
    closed = set(digests_of(sides.test["text"]).tolist())
    return {name: rows[[digests_of([text])[0] not in closed for text in rows["text"]]] for name, rows in found.items()}


def main() -> None:
    """Print the lines of each source and tier."""
    settings = load_settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", metavar="SOURCE")
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=["light"])
    parser.add_argument("--encoder", default=settings.model.encoder)
    parser.add_argument("--unlabelled", type=int, default=5_000)
    parser.add_argument("--strange", type=int, default=0)
    options = parser.parse_args()
    for source in options.sources or sources_at_hand():
        sides = sides_of(source, settings)
        others = [name for name in sources_at_hand() if name not in ("company", source)]
        strange = sides_of(others[0], settings).train["text"].sample(options.strange, random_state=0) \
            if options.strange and others else []
        for tier in options.tiers:
            model = replace(settings.model, tier=tier, encoder=options.encoder)
            encoder, right, simple = encoder_of(model, sides.train["text"], settings.root), {}, []
            closed = digests_of(sides.test["text"])
            truth, asked = sides.test["intent"].to_numpy(str), None
            for seed in range(options.seeds):
                few = sides.train.groupby("intent", group_keys=False).sample(frac=1, random_state=seed)
                few = few.groupby("intent").head(options.shots)
                for name, extra in {"": None, **extras(source, sides, few, options, seed, strange)}.items():
                    fitted = train(few, [], model, closed, encoder, extra=extra)
                    right.setdefault(name, []).append(fitted.predict(sides.test) == truth)
                if tier == "encoder":
                    asked = vectors_of(encoder, sides.test["text"]) if asked is None else asked
                    plain = LogisticRegression(C=30, max_iter=1000).fit(vectors_of(encoder, few["text"]), few["intent"])
                    simple.append(plain.predict(asked) == truth)
            for name, flags in right.items():
                print(shown(source, f"{tier} {name}", options.shots, flags, right[""]), flush=True)
            if simple:
                print(shown(source, "simple", options.shots, simple, right[""]), flush=True)


if __name__ == "__main__":
    main()
