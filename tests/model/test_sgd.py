"""Very many rows are fitted by descent, in chunks: the same kind of model, and refused for the same reasons."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.company import OOS, labelled_rows
from mlbot.data.ledger import digests_of
from mlbot.data.split import side_of
from mlbot.errors import InputError
from mlbot.model.export import to_artefact
from mlbot.model.pipeline import in_chunks, terms_and_factors
from mlbot.model.predict import Predictor
from mlbot.model.scope import in_scope_probabilities
from mlbot.model.sgd import numbers_of, passes_for
from mlbot.model.terms import Terms, weigh, weigh_all
from mlbot.model.train import fit_plain, learning_curve, train, train_chunks
from mlbot.model.views import build_views
from mlbot.settings import load_settings
from mlbot.text.clean import clean, context_value

SETTINGS = load_settings()
MANY = replace(SETTINGS.model, many=1000)
CONTEXT = ["role", "location"]


def table(rows) -> pd.DataFrame:
    """Rows of the company as a frame, without their side: each text decides alone."""
    frame = pd.DataFrame([(clean(row.text), row.intent, *map(context_value, (row.role, row.location))) for row in rows],
                         columns=["text", "intent", *CONTEXT])
    frame["test"] = frame["text"].map(side_of) == "test"
    return frame.drop_duplicates(["text", "intent", *CONTEXT])


@pytest.fixture(scope="module")
def rows():
    every = table(labelled_rows())
    inside, outside = every[every["intent"] != OOS], every[every["intent"] == OOS]
    return inside[~inside["test"]], inside[inside["test"]], outside[~outside["test"]]


@pytest.fixture(scope="module")
def pipeline(rows):
    told = []
    fitted = train_chunks(in_chunks(rows[0], 700), CONTEXT, MANY, outside=rows[2], costs=SETTINGS.costs, done=told.append)
    assert told[-1] == f"pass {passes_for(len(rows[0]))} of {passes_for(len(rows[0]))} is done"
    return fitted


def test_it_is_nearly_as_good_as_support_vector_machines_and_says_how_sure_it_is(rows, pipeline):
    _, test, _ = rows
    exact = fit_plain(rows[0], CONTEXT, SETTINGS.model).predict(test)
    chances = pipeline.predict_proba(test)
    right = pipeline.predict(test) == test["intent"].to_numpy(str)
    assert right.mean() > (exact == test["intent"].to_numpy(str)).mean() - 0.03
    assert abs(chances.max(axis=1).mean() - right.mean()) < 0.05
    assert in_scope_probabilities(pipeline, test).mean() > 0.8 > 0.3 > in_scope_probabilities(pipeline, rows[2]).mean()


def test_chunks_and_a_frame_in_memory_give_the_same_model_to_the_last_bit(rows, pipeline):
    whole = train(rows[0], CONTEXT, MANY, outside=rows[2], costs=SETTINGS.costs)
    names = [to_artefact(one, MANY, {}).name for one in (whole, pipeline)]
    assert names[0] == names[1] and np.array_equal(whole.trained_on, pipeline.trained_on)
    assert to_artefact(train(rows[0], CONTEXT, replace(MANY, seed=1)), MANY, {}).name != names[0]


def test_what_ships_answers_as_the_pipeline_does(rows, pipeline):
    _, test, _ = rows
    model = Predictor(to_artefact(pipeline, MANY, {}))
    assert np.abs(model.ask(test)[0] - pipeline.predict_proba(test)).max() < 1e-5
    assert np.abs(model.ask(test)[1] - in_scope_probabilities(pipeline, test)).max() < 1e-5


def test_without_context_and_with_two_intents(rows):
    some = rows[0][rows[0]["intent"].isin(rows[0]["intent"].value_counts().index[:2])]
    two = train_chunks(in_chunks(some, 50), [], MANY)
    test = rows[1][rows[1]["intent"].isin(two.classes_)]
    assert (two.predict(test) == test["intent"].to_numpy(str)).mean() > 0.9
    model = Predictor(to_artefact(two, MANY, {}))
    assert np.abs(model.ask(test)[0] - two.predict_proba(test)).max() < 1e-5


def test_a_learning_curve_changes_from_one_way_to_the_other(rows):
    train_rows = rows[0].head(2000)
    held = np.arange(len(train_rows)) % 5 == 0
    points = list(learning_curve(train_rows, held, CONTEXT, MANY, parts=(0.5, 1.0)))
    assert [count for count, *_ in points] == [800, 1600]
    shares = [(truth == found).mean() for _, truth, found in points]
    assert 0.5 < shares[0] < shares[1] + 0.02


def test_test_rows_too_few_rows_and_rows_that_change_are_refused(rows):
    frame = rows[0][rows[0]["intent"].isin(rows[0]["intent"].value_counts().index[:5])].head(300)
    with pytest.raises(InputError, match="test rows were handed"):
        train_chunks(in_chunks(frame), CONTEXT, MANY, test=digests_of(frame["text"]))
    with pytest.raises(InputError, match="test rows were handed"):
        train_chunks(in_chunks(frame), CONTEXT, MANY, test=digests_of(rows[2]["text"]), outside=rows[2])
    with pytest.raises(InputError, match="1 intents"):
        train_chunks(in_chunks(frame.assign(intent="one")), CONTEXT, MANY)
    with pytest.raises(InputError, match="no rows"):
        train_chunks(lambda: iter([]), CONTEXT, MANY)
    with pytest.raises(InputError, match="tier static"):
        train_chunks(in_chunks(frame), CONTEXT, replace(MANY, tier="static"))
    shrinking = iter([frame, frame.head(200)])
    with pytest.raises(InputError, match="second pass found 200 rows"):
        train_chunks(lambda: [next(shrinking)], CONTEXT, MANY)
    renamed = iter([frame, frame.assign(intent="new")])
    with pytest.raises(InputError, match="other rows than the first"):
        train_chunks(lambda: [next(renamed)], CONTEXT, MANY)


def test_few_rows_are_gone_through_more_often():
    assert [passes_for(rows) for rows in (0, 10_000, 200_000, 600_000, 10**7)] == [5, 5, 3, 1, 1]


def test_a_table_of_chunks_is_that_of_the_views():
    """Also where words and their n-grams repeat; no cell is there twice, which solvers do not expect."""
    frame = pd.DataFrame({"text": ["new card, new-card card", "banana banana an", "a a a", "?"], "role": "x"})
    views = build_views(SETTINGS.model, ["role"]).fit(pd.concat([frame, frame]))
    terms, factors = terms_and_factors(views, SETTINGS.model, ["role"])
    table = numbers_of(terms, ["role"], factors)(frame)
    assert table.has_canonical_format and np.allclose(table.toarray(), views.transform(frame).toarray(), atol=1e-6)


def test_many_texts_are_weighed_as_one_is():
    vocabulary = {"words": ["a", "b", "a b"], "char_ngrams": [" a", "b "], "interactions": ["role=x", "role=x\ta"]}
    terms = Terms(vocabulary, {"words": (1, 2), "characters": (2, 2)}, ["role"], np.arange(1, 8, dtype=np.float32))
    asked = [("a b a", {"role": "x"}), ("?", {}), ("b", {"role": "y"})]
    at, values, ends = weigh_all(terms, asked)
    for number, (text, context) in enumerate(asked):
        one_at, one_values = weigh(terms, text, context)
        one_at, one_values = one_at[one_values > 0], one_values[one_values > 0]
        part = slice(ends[number], ends[number + 1])
        assert np.array_equal(at[part], one_at) and np.allclose(values[part], one_values)
    assert len(weigh_all(terms, [])[0]) == 0
