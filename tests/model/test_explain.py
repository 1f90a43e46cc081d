"""An explanation adds up to what the model says, for any text and context, and names what pushed it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.model.explain import explain, of_ngrams
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor, sums_of
from mlbot.model.train import train
from mlbot.settings import load_settings

SETTINGS = load_settings()
SIDES = split(read_utterances(sample_file(), Columns(context=("role", "location")), SETTINGS.data), SETTINGS.data)
MODEL = Predictor(to_artefact(train(SIDES.train, ["role", "location"], SETTINGS.model), SETTINGS.model, {}))


def assert_adds_up(found):
    added = sum(push for _, push in found.pushes) + found.usual
    assert math.isclose(added, math.log(found.confidence / found.other_confidence), rel_tol=1e-3, abs_tol=2e-3)


def test_it_adds_up_on_every_test_row_and_is_about_the_answer():
    for row in SIDES.test.itertuples():
        context = {"role": row.role, "location": row.location}
        found, answer = explain(MODEL, row.text, context), MODEL.predict(row.text, **context)
        assert_adds_up(found)
        assert ((found.intent, found.confidence), (found.other, found.other_confidence)) == answer.ranking[:2]


@given(st.text(min_size=1, max_size=60), st.sampled_from(["", "sales", "wizard", "ENGINEER "]))
def test_it_adds_up_for_any_text(text, role):
    try:
        MODEL.predict(text, role=role)
    except InputError:
        with pytest.raises(InputError):
            explain(MODEL, text, {"role": role})
        return
    assert_adds_up(explain(MODEL, text, {"role": role}))


def test_what_ngrams_add_is_of_the_word_they_are_in():
    """Also where a piece stands in two words, or twice in one; each word is as long as what it adds."""
    found = dict(of_ngrams(MODEL, "banana printer printer an", 0, 1))
    assert list(found) == [("banana",), ("printer",), ("an",)]
    lead, squares = {}, 0.0
    for word, times in (("banana", 1), ("printer", 2), ("an", 1)):
        sums = np.frombuffer(sums_of(MODEL, word)[1], np.float32)
        of_word = sums[len(sums) // 2:]
        lead[word,], squares = times * float(of_word[0] - of_word[1]), squares + times ** 2 * sums_of(MODEL, word)[3]
    assert found == pytest.approx({word: value / squares ** 0.5 for word, value in lead.items()}, rel=1e-4)
    assert found["banana",] != found["an",]


def test_it_names_the_word_and_the_role_that_decide():
    by_sales, by_engineer = (explain(MODEL, "I need a new card", {"role": role}) for role in ("sales", "engineer"))
    assert (by_sales.intent, by_engineer.intent) == ("expense_claim", "access_badge")
    assert by_sales.pushes[0][0] == "role=sales" and "role=engineer" in dict(by_engineer.pushes[:2])
    unknown = dict(explain(MODEL, "I need a zzzzqqqq card", {"role": "wizard"}).pushes)
    assert unknown["role=wizard"] == 0 and abs(unknown["zzzzqqqq"]) < abs(unknown["card"])


def test_one_may_ask_why_not_another_intent():
    found = explain(MODEL, "where is my payslip", intent="access_badge", other="payslip")
    assert found.intent == "access_badge" and dict(found.pushes)["payslip"] < 0
    assert_adds_up(found)
    with pytest.raises(InputError, match="did you mean payslip"):
        explain(MODEL, "where is my payslip", intent="payslp")
    for text, context in (("  ", {}), ("a card", {"rol": "sales"})):
        with pytest.raises(InputError):
            explain(MODEL, text, context)


def test_the_command_explains_in_words_and_in_json(released, mlbot):
    done = mlbot("predict", "I need a new card", "--role", "sales", "--explain", cwd=released)
    assert done.returncode == 0, done.stderr
    assert "rather than" in done.stdout and "role=sales" in done.stdout and "in all" in done.stdout
    said = json.loads(mlbot("predict", "I need a new card", "--role", "sales", "--explain", "--json", cwd=released).stdout)
    assert said["why"]["pushes"][0][0] == "role=sales" and said["why"]["other"] == said["ranking"][1][0]
    assert "why" not in json.loads(mlbot("predict", "I need a new card", "--json", cwd=released).stdout)
