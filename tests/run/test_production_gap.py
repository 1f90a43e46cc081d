"""Good in test, not in production: the gap has a gate, and the test at production's mix stands beside the plain number."""

from types import SimpleNamespace

import numpy as np
import pytest

from mlbot.data.company import production_sample
from mlbot.data.source import choose, load_source
from mlbot.data.split import split
from mlbot.gates.verdict import FAIL, NO_VERDICT, NOT_ASKED, PASS, judge, stretch_of
from mlbot.model.predict import load
from mlbot.run import examination
from mlbot.run.folder import load_json, save_table
from mlbot.run.report import production_part
from mlbot.settings import Target, load_settings
from mlbot.stats.raking import rake, shares_of


@pytest.fixture
def exam(company_project, tmp_path):
    """The model of the company, its test rows, and labelled production, in which a third of the labels are something else."""
    settings = load_settings(company_project)
    source, columns = choose(settings, "company")
    test = split(load_source(source, columns, settings), settings.data).test.head(300)
    exam = SimpleNamespace(folder=tmp_path, model=load(settings.places.models), test=test)
    sample = [row for row in production_sample() if row.intent != "oos"][:200]
    asked = {name: [getattr(row, name) for row in sample] for name in ("text", "intent", "role", "location")}
    asked["intent"][::3] = ["card_block"] * len(asked["intent"][::3])
    save_table(test.head(200).assign(**asked), tmp_path / "production.csv")
    return exam, examination.answer(exam.model, test, tmp_path), settings


def test_a_model_that_is_good_in_test_and_not_in_production_is_red_where_a_ceiling_is_set_and_told_where_not(exam):
    one, answers, settings = exam
    mixed = examination.weigh_production(one, answers, settings)
    assert mixed.gap.value == pytest.approx(mixed.plain.value - mixed.production.value) and mixed.gap.low > 0.05
    judged = judge("production_gap", mixed.gap, Target(ceiling=0.05))
    assert judged.red and judged.outcome == FAIL
    usual = judge("production_gap", mixed.gap, settings.target("production_gap"))
    assert usual.outcome == PASS and not usual.red and stretch_of(usual) == FAIL
    kept = load_json(one.folder / "production_mix.json")
    assert kept["weighed"]["value"] == pytest.approx(mixed.weighed.value) and kept["gap"]["n"] == 200
    examination.score_production(one, "oos")
    assert "the test at production's mix" in production_part(one.folder)["production"]


def test_without_labels_of_production_nothing_is_asked_and_with_a_ceiling_there_is_no_verdict(exam):
    one, answers, settings = exam
    (one.folder / "production.csv").unlink()
    save_table(one.test, one.folder / "test.csv")
    assert examination.weigh_production(one, answers, settings) is None
    nothing = examination.no_gap(None)
    assert judge("production_gap", nothing, settings.target("production_gap")).outcome == NOT_ASKED
    assert judge("production_gap", nothing, Target(ceiling=0.05)).outcome == NO_VERDICT


def test_at_production_s_mix_an_intent_that_is_asked_often_counts_often():
    dice = np.random.default_rng(0)
    intents = np.array(["easy"] * 100 + ["hard"] * 100)
    right = np.where(intents == "easy", True, dice.random(200) < 0.5)
    weights = rake({"intent": intents, "language": ["en"] * 200},
                   {"intent": {"easy": 0.1, "hard": 0.9}, "language": shares_of(["en"])})
    assert weights @ right / weights.sum() == pytest.approx(0.1 + 0.9 * right[100:].mean(), abs=0.01)
    assert rake({"intent": []}, {"intent": {}}).size == 0
