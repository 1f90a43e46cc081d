"""How often people get done what they came for: simulated people of the company talk to the bot that a run would release.

    python3 benchmarks/conversations.py [--people 1000] [--seed 1] [--mixes company local unseen] [--worst 5]

A model of the tier in settings.ini learns from the training side. Then people of the company's production side talk to the
bot in process: with the company's own mix of languages, with 40 % who write German, French or Spanish, and the same with
sentences that nobody in training has said. The last figures of a line are of the first day that conversations were simulated,
with other people and another simulation: they show the way, and are no paired comparison.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from random import Random

from mlbot.bot.catalogue import load_catalogue
from mlbot.bot.people import WishMessage, authored, draw_people, usable
from mlbot.bot.rehearsal import rehearse
from mlbot.bot.rehearsal_scored import MEASURES, score_measure, worst_of
from mlbot.bot.texts import SPOKEN_LANGUAGES
from mlbot.data import company
from mlbot.data.source import choose, load_source
from mlbot.model.pipeline import build_pipeline
from mlbot.model.predict import load
from mlbot.model.train import train
from mlbot.run import preparation, training
from mlbot.settings import Settings, load_settings

MIXES = {"company": "the company's mix", "local": "40 % German, French, Spanish",
         "unseen": "the same, sentences unseen in training"}
FIRST_DAY = {"success": (0.387, 0.343, 0.227), "wrong_process": (0.043, 0.043, 0.030), "wrong_value": (0.373, 0.300, 0.260),
             "handed_over": (0.207, 0.343, 0.503)}
PLACES = {"de": ("Berlin", "Munich"), "fr": ("Paris",), "es": ("Madrid",)}


def prepared(settings: Settings) -> tuple[Path, set[str]]:
    """The folder of a run with a trained model, and the wordings that its training side has."""
    source, columns = choose(settings, "company")
    utterances = load_source(source, columns, settings)
    split = preparation.split_rows(utterances, columns, settings)
    folder = preparation.begin_run(settings, "new")
    preparation.hand_over(preparation.Prepared(source, columns, utterances, split), settings, folder)
    material = training.load_material(settings, "latest")
    pipeline = build_pipeline(settings.model, material.context)
    training.save_model(train(material.rows, material.context, settings.model, pipeline=pipeline), material, settings)
    return folder, set(material.rows["group"].astype(str))


def writer(dice: Random, person: company.Person, local: bool) -> company.Person:
    """A person; one who writes the language of a place, where that is asked for."""
    if not local:
        return person
    language = dice.choice([name for name in person.languages if name in PLACES] or list(PLACES))
    place = person.location if language in person.languages else dice.choice(PLACES[language])
    return replace(person, location=place, languages=(language,), said=set())


def company_row(number: int, seed: int, plan: dict, people: list[company.Person], local: bool,
                seen: set[str]) -> WishMessage | None:
    """What one person of the production side says; None where nobody has words for it in the language or unseen."""
    dice, draws = Random(f"{seed}/{number}"), company.Draws(seed, "talk", number)
    person = writer(dice, people[number % len(people)], local)
    wanted = company.demand(plan, "production", person.role, person.location, company.LAST_WEEK)
    intent, own = draws.one(*wanted), plan["sides"]["production"]
    facets = list(company.processes()[intent].facets)
    facet = draws.one(facets, company.zipf(len(facets), own["facet_skew"]))
    free = local or bool(seen)
    fitting = [one for name in (facets if free else [facet]) for one in company.shelf().by_facet[intent, name]
               if one.language in person.languages and one.id not in seen]
    if not fitting:
        return None
    said = dice.choice(fitting) if free else company.choose_wording(draws, own, person, intent, facet)
    language = said.language if said.language in SPOKEN_LANGUAGES else person.languages[-1]
    return WishMessage(company.typed_by(draws, plan, person, said), intent, person.role, person.location, language)


def company_rows(count: int, seed: int, mix: str, seen: set[str]) -> list[WishMessage]:
    """So many rows of a mix."""
    plan = company.read_toml("company.toml")
    people = company.make_people({**plan, "seed": f"{plan['seed']}-{seed}"}, "production")
    dice = Random(f"{seed}/{mix}")
    rows = (company_row(at, seed, plan, people, mix != "company" and dice.random() < 0.4, seen if mix == "unseen" else set())
            for at in range(count))
    return [row for row in rows if row]


def table(found: dict[str, list], seconds: dict[str, float]) -> None:
    """Print the measures of all mixes, each with its interval, and the first day's."""
    for mix, outcomes in found.items():
        goals = len({one.goal for one in outcomes})
        print(f"\n{MIXES[mix]}: {len(outcomes):,} people, {goals} goals, {seconds[mix]:.1f} s of one core")
        for name, words in MEASURES.items():
            score = score_measure(name, outcomes)
            before = f"   first day {FIRST_DAY[name][list(MIXES).index(mix)]:6.1%}" if name in FIRST_DAY else ""
            print(f"  {words:<44}{score.value:7.1%}   {score.low:.1%} to {score.high:.1%}{before}")
        print(f"  {'turns, in the mean':<44}{sum(one.turns for one in outcomes) / len(outcomes):7.2f}")
        for language in SPOKEN_LANGUAGES:
            mine = [one for one in outcomes if one.language == language]
            if mine:
                score = score_measure("success", mine)
                said = f"success in {language} (n = {len(mine):,})"
                print(f"    {said:<42}{score.value:7.1%}   {score.low:.1%} to {score.high:.1%}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mixes", nargs="+", default=list(MIXES), choices=list(MIXES))
    parser.add_argument("--worst", type=int, default=0, help="print so many transcripts of each mix")
    given = parser.parse_args()
    settings, found, seconds = load_settings(), {}, {}
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        settings = replace(settings, places=replace(settings.places, runs=here / "runs", models=here / "models"))
        run, seen = prepared(settings)
        model, processes = load(run / "model"), load_catalogue(settings)
        for mix in given.mixes:
            rows = usable(company_rows(4 * given.people, given.seed, mix, seen), processes)
            people = draw_people(rows, processes, given.people, given.seed, answers=authored)
            start = time.process_time()
            found[mix] = rehearse(settings, model, people)
            seconds[mix] = time.process_time() - start
    table(found, seconds)
    for mix, outcomes in found.items():
        for one in worst_of(outcomes, given.worst):
            said = (f"  {who}: {text}" for who, text in one.transcript)
            print(f"\n{mix}: {one.goal}, {one.language}, {one.ended}", *said, sep="\n")


if __name__ == "__main__":
    main()
