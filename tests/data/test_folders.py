"""Data that comes as a folder is read as what it is: a saved dataset, a file an intent, a folder an intent, a file a side."""

import json
import shutil

import pytest

from mlbot.data.source import choose, load_source
from mlbot.data.table import folder_kind, read_table, sample_file
from mlbot.errors import InputError
from mlbot.settings import load_settings

SETTINGS = load_settings()
ROWS = [("open the door", "open"), ("shut it", "shut"), ("please open", "open"), ("close that", "shut")]


def saved(folder, rows=ROWS, names=("open", "shut")):
    """A dataset as `Dataset.save_to_disk` of the library datasets 5.2 writes it: an Arrow stream and two JSON files."""
    from arro3.core import Array, DataType, Table
    from arro3.io import write_ipc_stream
    folder.mkdir(parents=True)
    table = Table.from_pydict({"utterance": Array([text for text, _ in rows], DataType.string()),
                               "label": Array([names.index(intent) for _, intent in rows], DataType.int64())})
    write_ipc_stream(table, folder / "data-00000-of-00001.arrow")
    told = {"utterance": {"dtype": "string", "_type": "Value"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    (folder / "dataset_info.json").write_text(json.dumps({"features": told}))
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    return folder


def rows_of(folder, **given) -> list[tuple[str, str]]:
    """The texts and intents of a folder, as a run reads them."""
    found = load_source(*choose(SETTINGS, str(folder), **given), SETTINGS).rows
    return sorted(zip(found["text"], found["intent"], strict=True))


def test_a_saved_dataset_has_the_names_of_its_classes(tmp_path):
    """The numbers of a ClassLabel become the names that the dataset tells."""
    folder = saved(tmp_path / "hf")
    assert folder_kind(folder) == "dataset" and rows_of(folder) == sorted(ROWS)
    assert any("a dataset of Hugging Face" in note.what for note in read_table(folder).notes)


def test_the_parts_of_a_dataset_are_its_split(tmp_path):
    """A DatasetDict: its parts are a column that can decide the sides."""
    for part in ("train", "test"):
        saved(tmp_path / "hf" / part)
    (tmp_path / "hf" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    found = load_source(*choose(SETTINGS, str(tmp_path / "hf"), split_column="split"), SETTINGS).rows
    assert sorted(found["side"].unique()) == ["test", "train"] and len(found) == 8


def as_parquet(path, numbers, features):
    """A Parquet file as the library datasets writes it: classes as numbers, and their names in the schema."""
    from arro3.core import Array, DataType, Table
    from arro3.io import write_parquet
    path.parent.mkdir(parents=True, exist_ok=True)
    table = Table.from_pydict({"utterance": Array([text for text, _ in ROWS], DataType.string()),
                               "label": Array(numbers, DataType.int64())})
    told = {"huggingface": features if isinstance(features, str) else json.dumps({"info": {"features": features}})}
    write_parquet(table.with_schema(table.schema.with_metadata(told)), path)
    return path


NAMED = {"utterance": {"dtype": "string", "_type": "Value"}, "label": {"names": ["open", "shut"], "_type": "ClassLabel"}}


def test_numbers_of_a_parquet_file_become_the_names_of_their_classes(tmp_path):
    """Hugging Face keeps the names in the schema; a row that nobody labelled (-1) has no label, and is set aside."""
    assert rows_of(as_parquet(tmp_path / "a.parquet", [0, 1, 0, 1], NAMED)) == sorted(ROWS)
    partly = as_parquet(tmp_path / "b.parquet", [0, 1, -1, None], NAMED)
    found = load_source(*choose(SETTINGS, str(partly)), SETTINGS)
    assert found.set_aside["reason"].tolist() == ["no label", "no label"] and len(found.rows) == 2


def test_a_class_without_a_name_is_refused_and_a_schema_that_tells_nothing_leaves_numbers(tmp_path):
    """An intent called 7 would be trained in silence; without names, a number is all that there is."""
    with pytest.raises(InputError, match="class 7, but names of 2 classes only"):
        rows_of(as_parquet(tmp_path / "a.parquet", [0, 1, 0, 7], NAMED))
    with pytest.raises(InputError, match="class 2, but"):
        folder = saved(tmp_path / "hf", [*ROWS, ("x y", "more")], ("open", "shut", "more"))
        (folder / "dataset_info.json").write_text(json.dumps({"features": NAMED}))
        rows_of(folder)
    for odd in ("{", "[]", '{"info": null}', '{"info": {"features": {"label": 3}}}'):
        assert {intent for _, intent in rows_of(as_parquet(tmp_path / "b.parquet", [0, 1, 0, 1], odd))} == {"0", "1"}


def test_a_side_that_the_hub_cut_into_several_files_is_one_side(tmp_path):
    """train-00000-of-00002.parquet and train-00001-of-00002.parquet are training rows."""
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        as_parquet(tmp_path / "data" / f"{name}.parquet", [0, 1, 0, 1], NAMED)
    found = load_source(*choose(SETTINGS, str(tmp_path / "data"), split_column="split"), SETTINGS).rows
    assert found["side"].value_counts().to_dict() == {"train": 8, "test": 4}


@pytest.mark.parametrize("damage", ["no info", "cut", "no data", "a path out of the folder"])
def test_a_damaged_dataset_is_refused(tmp_path, damage):
    """Never a traceback, and nothing outside of the folder is read."""
    folder = saved(tmp_path / "hf")
    if damage == "no info":
        (folder / "dataset_info.json").unlink()
    elif damage == "cut":
        file = folder / "data-00000-of-00001.arrow"
        file.write_bytes(file.read_bytes()[:100])
    elif damage == "no data":
        (folder / "data-00000-of-00001.arrow").unlink()
    else:
        (folder / "dataset_dict.json").write_text('{"splits": ["../hf2"]}')
        saved(tmp_path / "hf2")
    with pytest.raises(InputError):
        rows_of(folder)


def by_intent(folder, nested: bool):
    """A file an intent, or a folder an intent."""
    for at, (text, intent) in enumerate(ROWS):
        place = folder / intent if nested else folder
        place.mkdir(parents=True, exist_ok=True)
        with open(place / (f"{at}.txt" if nested else f"{intent}.txt"), "a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    (folder / "README.md").write_text("how it came to be")
    (folder / ".DS_Store").write_bytes(b"\0")
    return folder


@pytest.mark.parametrize("nested", [False, True])
def test_a_file_or_a_folder_an_intent(tmp_path, nested):
    """What is hidden, and what tells about the data, is not data."""
    assert rows_of(by_intent(tmp_path / "intents", nested)) == sorted(ROWS)


def test_a_file_a_side_and_folders_of_intents_a_side(tmp_path):
    """train.csv and test.jsonl; train/ and test/ with a file an intent."""
    both = tmp_path / "both"
    both.mkdir()
    (both / "train.csv").write_text("text,intent\n" + "".join(f"{text},{intent}\n" for text, intent in ROWS))
    lines = [json.dumps({"text": f"{text} now", "intent": intent}) for text, intent in ROWS]
    (both / "test.jsonl").write_text("\n".join(lines))
    found = load_source(*choose(SETTINGS, str(both), split_column="split"), SETTINGS).rows
    assert found["side"].value_counts().to_dict() == {"train": 4, "test": 4}
    for part in ("train", "test"):
        by_intent(tmp_path / "nested" / part, False)
    assert len(rows_of(tmp_path / "nested")) == 8


def test_a_folder_of_anything_else_is_refused(tmp_path, mlbot, project):
    """One file, files of many kinds, nothing: named, with what would do."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    for name in ("a.txt", "b.png"):
        (tmp_path / "mixed" / name).write_bytes(b"x")
    for name in ("empty", "mixed"):
        with pytest.raises(InputError, match="neither a store nor data"):
            rows_of(tmp_path / name)
        assert mlbot("run", "--data", tmp_path / name).returncode == 2


def test_a_project_begins_from_a_folder_and_a_store_takes_one(project, mlbot, tmp_path):
    """`mlbot new` keeps the folder as it is; `mlbot data add` stores its rows."""
    import csv
    folder = tmp_path / "wishes"
    folder.mkdir()
    with open(sample_file(), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            with open(folder / f"{row['intent']}.txt", "a", encoding="utf-8") as out:
                out.write(row["text"].replace("\n", " ") + "\n")
    done = mlbot("new", "my-bot", "--data", folder, "--no-run")
    assert done.returncode == 0, done.stderr
    settings = load_settings(project / "my-bot")
    assert (project / "my-bot" / settings.data.source).is_dir()
    assert len(load_source(*choose(settings), settings).rows) > 400
    assert mlbot("data", "add", folder).returncode == 0
    shutil.rmtree(folder)
    assert mlbot("run", "--data", "store", "--until", "prepare").returncode == 0
