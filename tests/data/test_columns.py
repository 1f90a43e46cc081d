"""The columns of a file that somebody has are found by usual names, or by what they hold, and what was found is said."""

import csv
import random

import pytest

from mlbot.data.source import choose
from mlbot.data.table import Columns, read_utterances, sample_file, usual_column
from mlbot.errors import InputError
from mlbot.settings import load_settings

SETTINGS = load_settings()


def sample_rows(n: int = 400) -> list[dict]:
    """Rows of the sample in an order that does not follow the intents."""
    with open(sample_file(), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    random.Random(0).shuffle(rows)
    return rows[:n]


def written(tmp_path, header: list[str], rows, separator: str = ",", encoding: str = "utf-8"):
    """A file of these rows."""
    with open(tmp_path / "mine.csv", "w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=separator).writerows([header, *rows])
    return tmp_path / "mine.csv"


def columns_of(file, **given) -> tuple[str, str]:
    """The names that text and intent were read from; both as the finding says them."""
    _, columns = choose(SETTINGS, str(file), **given)
    found = next(item.what for item in read_utterances(file, columns, SETTINGS.data).findings if "columns found" in item.what)
    parts = found.split("'")
    return parts[1], parts[3]


@pytest.mark.parametrize("text, intent", [
    ("Anfrage", "Absicht"), ("Äußerung", "Kategorie"), ("Requête", "Étiquette"), ("Texte", "Catégorie"),
    ("Pregunta", "Intención"), ("user_text", "IntentName"), ("Utterance", "Label"), ("Mensagem", "Rótulo"),
    ("query", "topic"), ("Message text", "class")])
def test_usual_names_of_several_languages_are_found(tmp_path, text, intent):
    """Case, accents and spelling do not matter, and other columns of words do not mislead."""
    rows = [[row["location"], row["intent"], row["text"], row["role"]] for row in sample_rows()]
    assert columns_of(written(tmp_path, ["Ort", intent, text, "Rolle"], rows, ";")) == (text, intent)


@pytest.mark.parametrize("seed", range(5))
def test_without_names_the_long_column_is_the_text_and_the_one_it_tells_is_the_intent(tmp_path, seed):
    """Beside a number, a date, a person, a department and a channel, whatever the order of the columns."""
    luck = random.Random(seed)
    rows = [{"a": f"{number}", "b": f"2026-01-{number % 28 + 1:02}", "c": f"ann.{luck.randrange(300)}@example.org",
             "d": luck.choice(["Sales", "Human Resources", "IT"]), "e": luck.choice(["chat", "mail"]),
             "t": row["text"], "i": row["intent"]} for number, row in enumerate(sample_rows())]
    names = luck.sample(list(rows[0]), 7)
    header = [f"Spalte {at}" for at in range(7)]
    file = written(tmp_path, header, [[row[name] for name in names] for row in rows])
    assert columns_of(file) == (header[names.index("t")], header[names.index("i")])


def test_a_file_sorted_by_intent_is_read_the_same(tmp_path):
    """Rows are looked at evenly, not from the top."""
    rows = [["x", row["text"], row["intent"], row["role"]] for row in sorted(sample_rows(), key=lambda row: row["intent"])]
    assert columns_of(written(tmp_path, ["A", "B", "C", "D"], rows)) == ("B", "C")


def test_what_is_given_or_there_is_not_guessed(tmp_path):
    """A column that you name is used, or its absence is an error; columns called text and intent go before others."""
    rows = [[row["text"], row["intent"], row["role"]] for row in sample_rows()]
    file = written(tmp_path, ["question", "label", "topic"], rows)
    assert columns_of(file, intent="topic") == ("question", "topic")
    with pytest.raises(InputError, match="column \"nope\" not found"):
        read_utterances(file, choose(SETTINGS, str(file), text="nope")[1], SETTINGS.data)
    plain = written(tmp_path, ["text", "intent", "topic"], rows)
    assert not any("columns found" in item.what for item in read_utterances(plain, choose(SETTINGS, str(plain))[1],
                                                                            SETTINGS.data).findings)
    file = written(tmp_path, ["question", "label", "topic"], rows)
    with pytest.raises(InputError, match="not found"):  # settings that name columns are meant as they stand there
        read_utterances(file, Columns(), SETTINGS.data)


def test_a_file_without_texts_or_categories_is_refused(tmp_path):
    """Nothing is guessed where nothing fits."""
    for header, rows in ((["a", "b"], [[str(n), str(n % 3)] for n in range(50)]),
                         (["a", "b"], [[f"text number {n} here", str(n)] for n in range(50)])):
        file = written(tmp_path, header, rows)
        with pytest.raises(InputError, match="not found; found: a, b"):
            read_utterances(file, choose(SETTINGS, str(file))[1], SETTINGS.data)


def test_two_columns_that_hold_a_usual_word_leave_it_to_what_they_hold():
    """`user text` and `bot text`: neither name is better."""
    assert usual_column(["user text", "bot text"], ("text",)) == ""
    assert usual_column(["bot text", "text"], ("text",)) == "text"
