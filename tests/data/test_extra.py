"""Descriptions and texts without a label are read from what people have, and nothing of the test comes with them."""

import pandas as pd
import pytest

from mlbot.data.extra import MOST, read_descriptions, read_unlabelled, sentences, without_test
from mlbot.errors import InputError


def test_each_sentence_of_a_catalogue_is_a_row_of_its_intent(tmp_path):
    """Title, description and question count, a line for each is fine, and other columns are for people."""
    file = tmp_path / "catalogue.csv"
    file.write_text("Intent,Title,owner,description\nLost_Card,Lost card,Ann,My card is gone. It was stolen!\n"
                    "lost_card,,Ann,somebody took it\nunknown,Else,Bob,something else\n")
    found = read_descriptions(file, ["lost_card", "refund"])
    assert found["text"].tolist() == ["Lost card", "My card is gone.", "It was stolen!", "somebody took it"]
    assert set(found["intent"]) == {"lost_card"}
    file.write_text("lost_card\nrefund\n")
    assert read_descriptions(file, ["lost_card"]).empty


def test_numbers_and_marks_are_no_sentence():
    assert sentences("12.; ?\n - ;  a  ") == []


@pytest.mark.parametrize("name, content", [
    ("asked.txt", "where is it?\n\nWhere is  it?\nplease mail ann@example.org\n???\n"),
    ("asked.csv", "Message,when\nwhere is it?,1\n,2\nplease mail ann@example.org,3\n"),
    ("asked.jsonl", '{"text": "where is it?"}\n{"text": "please mail ann@example.org"}\n')])
def test_texts_come_from_lines_and_from_tables(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    found = read_unlabelled(tmp_path / name, "text", longest=100)
    assert found[0] == "where is it?" and len(found) == 2 and "ann@example.org" not in found[1]
    assert len(read_unlabelled(tmp_path / name, "text", longest=12)) == 1


def test_a_file_that_is_not_there_or_has_no_texts_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file of unlabelled texts"):
        read_unlabelled(tmp_path / "none.txt", "text", 100)
    (tmp_path / "odd.csv").write_text("when,who\n1,Ann\n")
    with pytest.raises(InputError, match="found: when, who"):
        read_unlabelled(tmp_path / "odd.csv", "text", 100)


def test_texts_of_the_test_are_left_out_and_counted():
    """Equal texts always; near ones, and those that hold a test text, where near texts are kept apart."""
    texts = ["where is my parcel", "Where is my parcel?!", "well, where is my parcel", "a refund please", "new"]
    kept, findings = without_test(texts, ["where is my parcel?"], 70)
    assert kept == ["a refund please", "new"] and findings[0].n == 3
    assert len(without_test(texts, ["Where is my parcel?!"], 0)[0]) == 3
    assert without_test([], ["x"], 70) == ([], [])


def test_of_very_many_texts_the_same_ones_are_taken():
    texts = [f"text number {at}" for at in range(MOST + 10)]
    kept, findings = without_test(texts, [], 70)
    other, _ = without_test(texts[::-1], [], 70)
    assert len(kept) == MOST and set(kept) == set(other) and findings[0].n == 10
    assert pd.Index(texts).get_indexer(kept).tolist() == sorted(pd.Index(texts).get_indexer(kept))
