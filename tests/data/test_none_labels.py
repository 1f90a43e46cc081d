"""A label that seems to mean "none of these" is asked about, with its rows and what to do, and never set apart silently."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from mlbot.data.checks import WARN, check_none, means_none
from mlbot.errors import InputError
from mlbot.ops.project import inspect_file, label_outside


@pytest.mark.parametrize("label", ["oos", "Out-Of-Scope", "NO_NODES_DETECTED", "nlu_fallback", "DefaultFallbackIntent",
                                   "Other", "no intent", "irrelevant", "Sonstiges", "unbekannt", "Hors-sujet", "inconnu",
                                   "otros",
                                   "fuera de alcance", "N/A", "label=none", "general_other", "out_of_scope_query",
                                   "AMAZON.FallbackIntent", "unknown_intent", "something else", "Miscellaneous/Other",
                                   "nessuno", "nenhuma das anteriores", "Övrigt", "geen", "其他"])
def test_a_label_that_means_none_is_recognised(label):
    assert means_none(label)


@pytest.mark.parametrize("label", ["card_other", "unknown_charge", "cancel_none", "nothing_arrived", "autre_carte", "book",
                                   "other_fees", "question_general", "topic", "out_of_office", "no_internet", "spam",
                                   "", "?"])
def test_an_intent_that_only_holds_such_a_word_is_not(label):
    assert not means_none(label)


def test_a_run_names_each_with_its_rows_and_what_to_set():
    (found,) = check_none(pd.DataFrame({"intent": ["badge"] * 5 + ["unknown"] * 3 + ["other"] * 2}))
    assert found.severity == WARN and list(found.rows["text"]) == ["unknown", "other"]
    assert list(found.rows["detail"]) == ["3 rows", "2 rows"] and "out_of_scope = unknown" in found.fix
    assert check_none(pd.DataFrame({"intent": ["badge", "leave"]})) == []


def test_a_label_that_is_an_empty_cell_is_named_with_its_rows():
    """pandas writes nan where a label was missing; it became an intent of its own."""
    (found,) = check_none(pd.DataFrame({"intent": ["badge"] * 5 + ["nan"] * 3}))
    assert (found.severity, "empty cell" in found.what, list(found.rows["detail"])) == (WARN, True, ["3 rows"])


def test_a_new_project_says_what_it_keeps_apart_and_asks_about_the_rest(tmp_path):
    file = tmp_path / "chats.csv"
    labels = ("badge", "leave", "oos", "Sonstiges")
    rows = [f"please help with {label} {at},{label}" for label in labels for at in range(4)]
    file.write_text("text,intent\n" + "\n".join(rows) + "\n")
    answers, said = inspect_file("my-bot", file)
    assert answers.out_of_scope == "oos" and any("4 rows of label 'oos' are kept apart" in line for line in said)
    assert any("'Sonstiges' (4 rows)" in line and "--out-of-scope Sonstiges" in line for line in said)
    answers, said = inspect_file("my-bot", file, outside="Sonstiges")
    assert answers.out_of_scope == "Sonstiges" and any("--out-of-scope oos" in line for line in said)


def test_a_label_that_no_row_has_is_refused():
    with pytest.raises(InputError, match="no row has the label 'othr'") as error:
        label_outside(Counter(badge=3, other=2), "othr", Path("chats.csv"))
    assert "other" in error.value.expected
