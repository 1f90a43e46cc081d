"""The pipeline notebooks read like a paper: few imports, short cells, and the model in one place where you may change it."""

import ast
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from mlbot.data.source import choose, load_source
from mlbot.data.split import split
from mlbot.model.export import to_artefact
from mlbot.model.pipeline import build_pipeline, pipeline_parts, rebuilt
from mlbot.model.train import answers_of_seeds, fit_plain, learning_curve, train
from mlbot.run.cache import take_key
from mlbot.run.dependencies import EVERYTHING, ProjectCode, nodes_in, reach, settings_read
from mlbot.run.notebook import open_notebook, parse_cell
from mlbot.settings import SECTIONS, load_settings

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = sorted((ROOT / "nbs" / "pipeline").glob("[0-9]*.ipynb"))
IMPORTS, SHORT, LONGEST = 12, 4, 12  # names imported in a notebook; lines of most cells, of any cell
MOST = 0.7  # of the cells are short
SETTINGS = load_settings()
COLUMNS = choose(SETTINGS, "sample")
SIDES = split(load_source(*COLUMNS, SETTINGS), SETTINGS.data)
CONTEXT = ["role", "location"]


def code(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def length(source):
    """Lines that say something: none that are blank, no directive such as `#| gate`."""
    return sum(bool(line.strip()) and not line.startswith("#|") for line in source.splitlines())


def imported(sources):
    found = [node for source in sources for node in ast.walk(parse_cell(source))]
    return [name.name for node in found if isinstance(node, ast.Import | ast.ImportFrom) for name in node.names]


def test_there_are_five_of_them():
    assert [path.stem for path in PIPELINE] == ["1_prepare", "2_train", "3_gate", "4_release", "5_monitor"]


@pytest.mark.parametrize("path", PIPELINE, ids=lambda path: path.stem)
def test_a_pipeline_notebook_reads_like_a_paper(path):
    """At most a dozen names are imported, most cells have one to four lines, none is longer than its imports may be."""
    lines = [length(source) for source in code(path)]
    assert len(imported(code(path))) <= IMPORTS
    assert sum(n <= SHORT for n in lines) >= MOST * len(lines), lines
    assert 0 < min(lines) and max(lines) <= LONGEST, lines


def test_the_model_is_put_together_in_one_cell_and_every_training_gets_it():
    """Who changes the pipeline in 2_train changes the model, its curve, its other seeds and its words alone."""
    cells = code(ROOT / "nbs" / "pipeline" / "2_train.ipynb")
    built = [source for source in cells if 'Pipeline([("views", features), ("intent", classifier)])' in source]
    users = [source for source in cells if any(f"{name}(m" in source for name in (
        " train", "training.draw_curve", "training.answer_with_seeds", "training.answer_by_words"))]
    assert len(built) == 1 and len(users) == 4
    assert all("pipeline=model" in source or "(model, material" in source for source in users)


def mild():
    """A pipeline that somebody changed."""
    found = build_pipeline(SETTINGS.model, CONTEXT)
    return found.set_params(intent__penalty=0.01, views__char_ngrams__min_df=4)


def test_the_usual_pipeline_handed_over_gives_the_usual_model():
    """To the last bit, however it is fitted."""
    usual = build_pipeline(SETTINGS.model, CONTEXT)
    for settings in (SETTINGS.model, replace(SETTINGS.model, many=1)):
        fitted = [train(SIDES.train, CONTEXT, settings, pipeline=given) for given in (None, usual)]
        assert len({to_artefact(pipeline, settings, {}).name for pipeline in fitted}) == 1
    assert not hasattr(usual.named_steps["intent"], "weights_")  # copies are fitted


def test_a_changed_pipeline_changes_each_training():
    own, model = mild(), SETTINGS.model
    fitted = train(SIDES.train, CONTEXT, model, pipeline=own)
    assert fitted.named_steps["intent"].penalty == 0.01
    assert pipeline_parts(fitted)[1]["parameters"].count("min_df=4") == 1
    usual, changed = (fit_plain(SIDES.train, CONTEXT, model, pipeline=given).predict(SIDES.test) for given in (None, own))
    assert (usual != changed).any()
    held = SIDES.train["digest"].to_numpy() % 5 == 0
    curves = [list(learning_curve(SIDES.train, held, CONTEXT, model, (1.0,), pipeline=given)) for given in (None, own)]
    assert (curves[0][0][2] != curves[1][0][2]).any()
    seeds = [answers_of_seeds(SIDES.train, CONTEXT, model, SIDES.test, 1, pipeline=given)["seed 1"] for given in (None, own)]
    assert (seeds[0] != seeds[1]).any()


def test_a_part_of_the_rows_may_lack_a_column_of_the_context():
    """As on the first points of a learning curve: the copy reads the columns that are left."""
    bare = SIDES.train.assign(location="")
    own = build_pipeline(SETTINGS.model, CONTEXT)
    for rows in (bare, bare.assign(role="")):
        given, usual = (fit_plain(rows, CONTEXT, SETTINGS.model, pipeline=it).predict(SIDES.test) for it in (own, None))
        assert (given == usual).all()


def test_other_numbers_reach_each_part_that_has_them():
    copy = rebuilt(build_pipeline(SETTINGS.model, CONTEXT), seed=3, penalty=2.0, nothing_has_this=1)
    assert copy.named_steps["intent"].get_params() == {"penalty": 2.0, "folds": 3, "seed": 3, "once": False}


@pytest.mark.parametrize("step, without", [
    ("1_prepare", {"gates", "costs", "meter", "budget"}), ("2_train", {"bot", "meter", "split"}),
    ("3_gate", {"service", "budget"}), ("4_release", {"model", "data", "costs"})])
def test_a_call_through_a_module_is_followed_and_reads_no_more_settings_than_it_does(step, without):
    """`training.save_model(settings)` hands all settings on; what it reads of them is found in it."""
    reached = reach(code(ROOT / "nbs" / "pipeline" / f"{step}.ipynb"), ProjectCode(ROOT))
    assert EVERYTHING not in reached.settings
    assert not without & {name.partition(".")[0] for name in reached.settings} and without <= set(SECTIONS)
    module = {"1_prepare": "preparation.hand_over", "2_train": "training.save_model", "3_gate": "examination.end_exam",
              "4_release": "releasing.release_model"}[step]
    assert f"mlbot.run.{module}" in reached.code


def test_settings_handed_to_a_module_that_is_not_ours_are_all_read():
    nodes = nodes_in(ast.parse("numpy.array(settings)\nours.look(settings.data)").body)
    assert settings_read(nodes, {"ours"}) == {"data", EVERYTHING}


def test_the_source_and_the_log_count_for_the_notebooks_that_read_them(tmp_path):
    """1_prepare rests on the data, 5_monitor on the log of the bot, the others on neither."""
    settings = replace(SETTINGS, root=tmp_path)
    parts = {path.stem: take_key(open_notebook(path), tmp_path / "nowhere", {}, settings).parts for path in PIPELINE}
    assert {step for step, found in parts.items() if "data" in found} == {"1_prepare"}
    assert {step for step, found in parts.items() if "log" in found} == {"5_monitor"}
    assert {step for step, found in parts.items() if "state" in found} == {"3_gate", "4_release", "5_monitor"}
