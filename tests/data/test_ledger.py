"""No way leads from the test side into training unseen: each planted leak is found, and named."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlbot.data.ledger import audit_model, digests_of, forget, ledger_file, read_digests, write_digests
from mlbot.data.split import QUARANTINE, apart, sent_again, side_of, split
from mlbot.data.store import append, batch_rows, erase_utterances, place_rows, read_locked, read_store, remove_batch, rows_at
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.model.export import to_artefact
from mlbot.model.train import train
from mlbot.settings import load_settings
from mlbot.text.clean import digest, pseudonym

SETTINGS = load_settings()
DATA = SETTINGS.data
CONTEXT = ("role", "location")


@pytest.fixture(scope="module")
def sides():
    return split(read_utterances(sample_file(), Columns(context=CONTEXT), DATA), DATA)


@pytest.mark.parametrize("leak", ["exact", "spelt otherwise", "in another context", "without its side"])
def test_training_refuses_test_rows_however_they_come(sides, leak):
    stray = sides.test.iloc[:3].assign(side="train")
    if leak == "spelt otherwise":
        stray = stray.assign(text=stray["text"].str.upper() + " !", digest=np.arange(3, dtype=np.uint64))
    elif leak == "in another context":
        stray = stray.assign(role="nobody", location="nowhere")
    rows = pd.concat([sides.train, stray], ignore_index=True)
    rows = rows.drop(columns=["side", "digest"]) if leak == "without its side" else rows
    with pytest.raises(InputError, match="3 test rows were handed to training"):
        train(rows, list(CONTEXT), SETTINGS.model, sides.test["digest"])


def test_a_model_remembers_what_it_was_really_given(sides):
    model = train(sides.train.iloc[::2].assign(digest=np.uint64(7)), list(CONTEXT), SETTINGS.model)
    assert (model.trained_on == digests_of(sides.train["text"].iloc[::2])).all()


def test_a_leak_through_a_second_source_stays_on_its_side(tmp_path, csv_file, sides):
    """The same words come again, in a second file, nearly the same, under another label and in another context."""
    url = str(tmp_path / "store")

    def placed(rows, table):
        return place_rows(rows, table, 25)
    append(batch_rows(read_utterances(sample_file(), Columns(context=CONTEXT), DATA)), url, {}, placed)
    first = rows_at(url)[0]
    test = first[first["life"] == "test"]["text"].iloc[:8]
    lines = [f"{text.upper()}!!,faq,buyer" for text in test] + [f"{text} please,faq,buyer" for text in test]
    lines = [line.replace(",", " ", line.count(",") - 2) for line in lines]
    other = csv_file("\n".join(["text,intent,role", *lines, "x y,z,"]))
    append(batch_rows(read_utterances(other, Columns(context=("role",)), DATA)), url, {"source": "faq"}, placed)
    found = split(read_store(url, Columns(context=CONTEXT), DATA), replace(DATA, tiny="set_aside"))
    assert set(digests_of(test)) <= set(found.test["digest"]) and apart(found.train, found.test).all()
    again = rows_at(url)[0]
    came = again[again["text"].isin([f"{text} please" for text in test])]
    assert set(came["life"]) <= {"test", ""} and set(came[came["life"] == ""]["reason"]) <= {QUARANTINE}


def test_test_texts_that_come_back_in_a_group_of_training_turn_the_gate_red_in_a_store_too(tmp_path):
    """They lie in quarantine, so no model learns them; the gate still says that somebody sends the test set again."""
    url, columns = str(tmp_path / "store"), Columns(context=CONTEXT, group="group", need_group=False)

    def placed(rows, table):
        return place_rows(rows, table, 25)
    sample = batch_rows(read_utterances(sample_file(), Columns(context=CONTEXT), DATA))
    append(sample, url, {"source": "first.csv"}, placed)
    group = next(name for name in (f"g{at}" for at in range(99)) if side_of(name) == "train")
    first = rows_at(url)[0]
    test = first[first["life"] == "test"].head(8)
    again = sample[sample["digest"].isin(test["digest"])].reset_index(drop=True)
    append(again.assign(batch="a" * 16, group=group, intent="leave"), url, {"source": "again.csv"}, placed)
    found = read_locked(tmp_path, url, columns, DATA)
    sides = split(found, DATA)
    assert found.newest == "again.csv aaaaaa" and set(found.set_aside["reason"]) == {QUARANTINE}
    assert sent_again(found, sides).tolist() == [True] * 8 and apart(sides.train, sides.test).all()
    assert not sent_again(read_store(url, columns, DATA, 1), sides).any()
    remove_batch(url, "aaaa", {})
    assert not sent_again(read_locked(tmp_path, url, columns, DATA), sides).any()


def test_test_texts_that_come_back_without_their_group_turn_the_gate_red_in_a_store_too(tmp_path):
    """The store knows their texts and keeps them on the test side; by themselves three of four would be trained on."""
    url, columns = str(tmp_path / "store"), Columns(context=CONTEXT, group="group", need_group=False)
    sample = batch_rows(read_utterances(sample_file(), Columns(context=CONTEXT), DATA))
    sample["group"] = [f"wording {at}" for at in range(len(sample))]
    append(sample, url, {"source": "first.csv"}, lambda rows, table: place_rows(rows, table, 25, 0))
    first = rows_at(url)[0]
    again = sample[sample["digest"].isin(first[first["life"] == "test"]["digest"].head(40))].reset_index(drop=True)
    append(again.assign(batch="a" * 16, group=""), url, {}, lambda rows, table: place_rows(rows, table, 25, 0))
    found = read_locked(tmp_path, url, columns, DATA)
    sides = split(found, DATA, near_percent=0)
    came = sides.test[sides.test["batch"] == found.newest]
    assert len(came) == len(again) == 40
    assert sent_again(found, sides).sum() == sum(side_of(text) == "train" for text in came["text"]) > 20


def test_models_that_have_seen_the_test_are_named_and_others_are_not(released, mlbot):
    """A champion of ours, one that was trained elsewhere on test rows, one that nobody knows."""
    project = released
    clean = mlbot("audit")
    champion = (project / "models" / "champion").read_text().strip()
    assert clean.returncode == 0 and f"* {champion}  trained on" in clean.stdout and "has seen none of" in clean.stdout
    run = max((project / "runs").iterdir())
    test = pd.read_csv(run / "test.csv", keep_default_na=False)
    for name in ("trained-elsewhere", "unknown"):
        shutil.copytree(project / "models" / champion, project / "models" / name)
    write_digests(digests_of(test["text"].iloc[:5]), ledger_file(project / "models", "trained-elsewhere"))
    found = mlbot("audit")
    assert found.returncode == 1 and "trained-elsewhere  trained on 5 texts, has seen 5 of" in found.stdout
    assert "unknown  no ledger" in found.stdout and "do not compare with trained-elsewhere" in found.stdout
    assert repr(test["text"].iloc[0]) in found.stdout or len(found.stdout.split("; ")) == 3
    write_digests(digests_of(test["text"].iloc[:5]), ledger_file(project / "models", champion))
    warned = mlbot("run", "--no-release", "-p", "why=again")
    assert "the champion was trained on" in warned.stdout and "of these test rows" in warned.stdout, warned.stdout
    ledger_file(project / "models", champion).write_bytes(b"no numpy")
    broken = mlbot("audit")
    assert broken.returncode == 2 and "is damaged" in broken.stderr and "Traceback" not in broken.stderr


def test_a_release_needs_to_know_what_was_trained_on(project, mlbot):
    path = project / "nbs" / "pipeline" / "2_train.ipynb"
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        if any("training.hand_over_model(" in line for line in cell["source"]):
            cell["source"] += ['\n(material.folder / "trained.npy").unlink()']
    path.write_text(json.dumps(notebook))
    done = mlbot("run")
    assert done.returncode == 3 and "the training texts of the model are unknown" in done.stderr
    assert not (project / "models" / "champion").exists()


def test_near_texts_that_a_model_has_seen_are_counted_apart():
    test = pd.DataFrame({"text": ["how to submit an expense claim", "book a room for six"]})
    known = pd.DataFrame({"text": ["how do i submit an expense claim", "where is my badge"]})
    test, known = (frame.assign(digest=np.array(list(map(digest, frame["text"])), np.uint64)) for frame in (test, known))
    found = audit_model("m", digests_of(known["text"]), test, known)
    assert (found.exact, found.near, found.examples) == (0, 1, ("how to submit an expense claim",))
    assert audit_model("m", digests_of(["else"]), test, known).near == 0


def test_who_is_forgotten_is_in_no_next_model(tmp_path):
    """Neither the words of a person nor their digests are in what is trained after the request."""
    url, columns = str(tmp_path / "store"), Columns(context=CONTEXT)

    def placed(rows, table):
        return place_rows(rows, table, 25)
    append(batch_rows(read_utterances(sample_file(), columns, DATA)), url, {}, placed)
    said = ["my zyzzyva badge is lost", "zyzzyva badge lost again", "a zyzzyva on my badge"]
    hers = batch_rows(read_utterances(sample_file(), columns, DATA)).iloc[:3].assign(
        text=said, digest=np.array(list(map(digest, said)), np.uint64), person=pseudonym("ann"), batch="a" * 16)
    append(hers.reset_index(drop=True), url, {}, placed)

    def model_of_today():
        rows = split(read_store(url, columns, DATA), DATA).train
        model = train(rows, list(CONTEXT), SETTINGS.model)
        terms = [term for view in to_artefact(model, SETTINGS.model, {}).vocabulary.values() for term in view]
        return np.isin(digests_of(said), model.trained_on).any(), any("zyzzyva" in term for term in terms)
    assert model_of_today() == (True, True)
    erase_utterances(url, {"why": "request"}, "Ann")
    assert model_of_today() == (False, False)


def test_who_is_forgotten_is_forgotten_by_the_ledgers(tmp_path):
    write_digests(digests_of(["one", "two"]), ledger_file(tmp_path, "a"))
    write_digests(digests_of(["three"]), ledger_file(tmp_path, "b"))
    assert forget(tmp_path, digests_of(["one"])) == 1
    assert read_digests(ledger_file(tmp_path, "a")).tolist() == digests_of(["two"]).tolist()
