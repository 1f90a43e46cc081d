"""How soon, and how purely, a new intent is proposed from messages that nobody answers (`mlbot intents`).

    python3 benchmarks/new_intents.py [--sets SET ...] [--seeds N] [--hidden N] [--scale N ...] [--tier light]

The company: people ask for an office shuttle and about gifts from week 1 on; both begin in week 8. A model of week 3
looks at production from week 4 on, and after each ten messages about a process it is asked for proposals, of which the first
twenty are shown. Production is drawn at several scales, so that each is another draw. Public sets: of sixty intents some are
hidden from training; the model is asked about test rows of all of them (40 an intent at most). A group is right when four
fifths of it are of one hidden intent. The method was chosen on training rows of the public sets and the company with intents
hidden; these test rows were asked once.
"""

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd

from mlbot.bot.unanswered import Unanswered, propose
from mlbot.data.company import draw_weeks
from mlbot.data.source import load_source
from mlbot.data.split import split
from mlbot.data.table import Columns
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.train import train
from mlbot.model.views import encoder_of
from mlbot.settings import load_settings
from mlbot.stats.bounds import wilson

NEW_PROCESSES, RIGHT, SHOWN = ("office_shuttle", "gifts_compliance"), 0.8, 20


def model_of(rows: pd.DataFrame, context: list[str], settings, outside=None) -> Predictor:
    """The model of these training rows."""
    encoder = encoder_of(settings.model, rows["text"], settings.root)
    pipeline = train(rows, context, settings.model, encoder=encoder, outside=outside, costs=settings.costs)
    return Predictor(to_artefact(pipeline, settings.model, {}))


def groups_in(found: Unanswered, truth: dict[str, str]) -> list[tuple[str, float, int, bool]]:
    """Of each proposal that people see: the commonest true intent, its share, the size, and whether it looks new."""
    groups = []
    for one in found.proposals[:SHOWN]:
        name, count = Counter(truth[row["text"]] for row in one.rows).most_common(1)[0]
        groups.append((name, count / one.size, one.size, one.new))
    return groups


def said(part: int, whole: int) -> str:
    """A proportion with its 95 % interval."""
    low, high = wilson(part, whole)
    return f"{part} of {whole} ({part / max(whole, 1):.2f}, 95 % {low:.2f} to {high:.2f})"


def company_weeks(settings, scale: float, first: int = 4) -> pd.DataFrame:
    """What production asked from a week on, each text once, with the name that it has in the end."""
    rows = []
    for week, truths in draw_weeks(scale):
        final = {truth.id: truth.final for truth in truths}
        rows += [(row.text, row.role, row.location, final[row.id]) for row in week.production if week.number >= first]
    return pd.DataFrame(rows, columns=["text", "role", "location", "intent"]).drop_duplicates("text").reset_index(drop=True)


def ask_company(settings, model: Predictor, scale: float, most: int = 60) -> list[tuple[str, int, float, int]]:
    """For each new process: after how many messages about it a right group was shown, its share and size (0: never)."""
    rows, found = company_weeks(settings, scale), []
    truth = dict(zip(rows["text"], rows["intent"], strict=True))
    for name in NEW_PROCESSES:
        mine = np.flatnonzero(rows["intent"] == name)
        for count in range(10, min(len(mine), most) + 1, 10):
            asked = rows.head(mine[count - 1] + 1)[["text", "role", "location"]].to_dict("records")
            groups = groups_in(propose(model, asked, settings.costs, settings.monitor.new_intent), truth)
            best = next((group for group in groups if group[0] == name and group[1] >= RIGHT and group[3]), None)
            if best:
                found.append((name, count, best[1], best[2]))
                break
        else:
            found.append((name, 0, 0.0, 0))
    return found


def company(settings, scales: list[float]) -> None:
    """Print when the processes of the company were proposed."""
    columns = Columns(context=("role", "location"), group="wording")
    rows = load_source("company:3", columns, settings).rows
    outside = rows["intent"] == settings.data.out_of_scope
    model = model_of(rows[~outside].groupby("intent").filter(lambda one: len(one) > 2), ["role", "location"], settings)
    for scale in scales:
        for name, count, share, size in ask_company(settings, model, scale):
            words = f"after {count} messages about it, {share:.0%} of {size} right" if count else "not within 60 messages"
            print(f"company at {scale:g} times its size  {name:<17} {words}", flush=True)


def hidden_intents(name: str, settings, seed: int, hidden: int) -> tuple[list, int, int]:
    """The groups proposed from the test rows of a public set, how many intents were hidden, and how many were found."""
    sides = split(load_source(name, Columns(side="split"), settings), settings.data, given=True)
    dice = np.random.default_rng(100 + seed)
    names = dice.permutation(sorted(sides.train["intent"].unique()))[:60]
    strange = set(names[:hidden])
    learnt = sides.train[sides.train["intent"].isin(set(names) - strange)].groupby("intent").head(100)
    asked = sides.test[sides.test["intent"].isin(set(names))].groupby("intent").head(40).sample(frac=1, random_state=seed)
    truth = dict(zip(asked["text"], asked["intent"], strict=True))
    model = model_of(learnt, [], settings)
    groups = groups_in(propose(model, [{"text": text} for text in truth], settings.costs, settings.monitor.new_intent), truth)
    groups = [(intent, share, size, new, intent in strange) for intent, share, size, new in groups]
    found = {intent for intent, share, _, _, right in groups if right and share >= RIGHT}
    return groups, hidden, len(found)


def public(name: str, settings, seeds: int, hidden: int) -> None:
    """Print how many hidden intents of a public set were proposed, and how many of the groups that look new were one."""
    parts = [hidden_intents(name, settings, seed, hidden) for seed in range(seeds)]
    new = [group for groups, _, _ in parts for group in groups if group[3]]
    right = sum(group[4] and group[1] >= RIGHT for group in new)
    every, found = sum(size for _, size, _ in parts), sum(found for *_, found in parts)
    print(f"{name:<10} hidden intents proposed: {said(found, every)}; groups that look new and are one hidden intent to four "
          f"fifths: {said(right, len(new))}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["company"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=8)
    parser.add_argument("--scale", type=float, nargs="+", default=[2, 3, 4, 6, 8])
    parser.add_argument("--tier", default="light")
    options = parser.parse_args()
    settings = load_settings()
    settings = replace(settings, model=replace(settings.model, tier=options.tier))
    for name in options.sets:
        company(settings, options.scale) if name == "company" else public(name, settings, options.seeds, options.hidden)


if __name__ == "__main__":
    main()
