"""What is wrong with the data is found before training, with its rows; each check has data on which it is silent."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pages import TEXT

from mlbot.data.checks import BLOCK, NOTE, WARN, as_table, catalogue_intents, check_texts
from mlbot.data.source import choose, load_source
from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.errors import InputError
from mlbot.model.suspects import check_data, check_labels, suspects
from mlbot.settings import load_settings
from mlbot.text.clean import context_value, digest

SETTINGS = load_settings()
QUICK = replace(SETTINGS.data, suspects=0)


def checked(source):
    name, columns = choose(SETTINGS, source)
    utterances = load_source(name, columns, SETTINGS)
    sides = split(utterances, SETTINGS.data)
    return utterances, sides, check_data(sides, utterances.context, utterances.newest, SETTINGS.data, SETTINGS.model)


@pytest.fixture(scope="module")
def sample():
    utterances = read_utterances(sample_file(), Columns(context=("role", "location")), SETTINGS.data)
    return split(utterances, SETTINGS.data), utterances.context


def whats(found, severity):
    return [check.what for check in found if check.severity == severity]


@pytest.mark.parametrize("week, odd", [(3, "intents are unusually frequent in week 3"), (4, ""),
                                       (5, "labels of week 5 look wrong more often than usual"),
                                       pytest.param(10, "", marks=pytest.mark.long)])
def test_the_company_s_mishaps_are_noticed_in_their_week_and_no_others(week, odd):
    _, _, found = checked(f"company:{week}")
    assert [what for what in whats(found, WARN) if what != "labels look wrong"] == ([odd] if odd else [])
    shown = [check.finding.what for check in found if check.what == odd and week == 5]
    assert all(f"{len(check.rows)}  {shown[0]}" in TEXT for check in found if check.what == odd and week == 5)
    assert whats(found, BLOCK) == []
    if week == 3:
        assert "vpn_access" in set(as_table(found)["text"])


def test_labels_that_were_changed_by_hand_are_among_the_suspects(sample):
    sides, context = sample
    some = sides.train.sample(20, random_state=0).index
    intents = sides.train["intent"].to_numpy(object)
    moved = [np.random.default_rng(at).choice(sorted(set(intents) - {intents[at]})) for at in some]
    train = sides.train.copy()
    train.loc[some, "intent"] = moved
    clean, spoilt = (check_data(replace(sides, train=rows), context, "", SETTINGS.data, SETTINGS.model)
                     for rows in (sides.train, train))
    assert all("mlbot data relabel" in check.fix for check in spoilt if check.what == "labels look wrong")
    found = {check.what: set(check.rows["text"]) for check in spoilt}["labels look wrong"]
    assert len(found & set(train.loc[some, "text"])) >= 12
    assert len(found) - 20 <= max((len(check.rows) for check in clean if check.what == "labels look wrong"), default=0) + 10


def made_of_random_words(intents, each):
    """Rows of six words, of which two are from the six of their intent."""
    dice, words = np.random.default_rng(0), np.array([f"w{at}" for at in range(3000)])
    own = [dice.choice(words, 6, replace=False) for _ in range(intents)]
    rows = [(" ".join([*dice.choice(own[at], 2, replace=False), *dice.choice([f"c{n}" for n in range(60)], 4)]), f"t{at}")
            for at in range(intents) for _ in range(each)]
    table = pd.DataFrame(rows, columns=["text", "intent"]).assign(digest=lambda rows: [digest(text) for text in rows["text"]])
    return table.astype({"digest": "uint64"}).sort_values("digest", ignore_index=True)


def test_an_intent_with_two_rows_makes_no_label_suspect():
    """All its rows fall in one fold: it has no usual confidence, suspects nobody, and nobody suspects it."""
    rows = made_of_random_words(8, 40)
    rows.loc[rows.index[:2], ["text", "intent"]] = [["can i book a parking by car", "rare"], ["book a parking", "rare"]]
    rows["digest"] = np.array([digest(text) for text in rows["text"]], np.uint64)
    assert check_labels(rows.assign(side="train"), [], SETTINGS.model) == []


def test_an_intent_that_no_other_fold_has_seen_suspects_nobody():
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    shares = np.array([[.9, .1, 0]] * 3 + [[.1, .9, 0]] * 2 + [[.97, .03, 0]] + [[.02, .98, 0]] * 2)
    other, gap = suspects(labels, shares)
    assert other.tolist() == [-1] * 5 + [0] + [-1] * 2 and gap[5] == pytest.approx(0.94) and not gap[[0, 6, 7]].any()
    even = np.array([[.5, .5, 0]] * 3 + [[.1, .9, 0]] * 3 + [[0, 1, 0]] * 2)
    assert (suspects(labels, even)[0] == -1).all()  # a gap of nothing is none


def test_a_weak_model_suspects_few_and_a_good_one_finds_what_was_planted():
    """Six rows an intent of 200: the model errs on a third of them, and hardly any label is suspect."""
    weak = made_of_random_words(200, 6)
    found = check_labels(weak, [], SETTINGS.model)
    assert sum(len(check.rows) for check in found) <= 0.02 * len(weak)
    good = made_of_random_words(30, 30)
    planted = good.sample(40, random_state=0).index
    moved = good.assign(intent=np.where(good.index.isin(planted), np.roll(good["intent"], 1), good["intent"]))
    planted = moved.index[moved["intent"] != good["intent"]]
    rows, = (check.rows for check in check_labels(moved, [], SETTINGS.model))
    assert len(set(rows.index) & set(planted)) >= 0.6 * len(planted) and set(rows.index) <= set(planted)


@pytest.mark.parametrize("column, value, says", [
    ("text", " two  spaces", "text breaks the schema"), ("text", "", "text breaks the schema"),
    ("text", "x" * 6000, "text breaks the schema"),
    ("text", float("nan"), "text breaks the schema"),
    ("intent", " ", "intent breaks the schema"), ("side", "tset", "side breaks the schema"),
    ("role", "Sales", "role breaks the schema"), ("digest", np.uint64(7), "digests are not those of the texts")])
def test_a_table_that_breaks_its_promise_blocks(sample, column, value, says):
    sides, context = sample
    train = sides.train.copy()
    train[column] = [value, *train[column].iloc[1:]]
    if column == "digest":
        train[column] = train[column].astype("uint64")
    found = check_data(replace(sides, train=train), context, "", SETTINGS.data, SETTINGS.model)
    assert found and all(check.severity == BLOCK for check in found) and any(says in check.what for check in found)
    assert len(found[0].rows) == 1 and found[0].fix


def test_a_column_that_is_missing_blocks(sample):
    sides, context = sample
    found = check_data(replace(sides, train=sides.train.drop(columns="role"), test=sides.test.drop(columns="role"),
                               validation=sides.validation.drop(columns="role")), context, "", SETTINGS.data, SETTINGS.model)
    assert [check.severity for check in found] == [BLOCK] and "schema" in found[0].what


def test_intents_without_test_rows_and_places_that_only_the_test_knows_are_named(sample):
    sides, context = sample
    lone = sides.train["intent"].iloc[0]
    test = sides.test[sides.test["intent"] != lone].assign(location=lambda rows: ["the moon", *rows["location"].iloc[1:]])
    found = check_data(replace(sides, test=test), context, "", SETTINGS.data, SETTINGS.model)
    table = as_table(found)
    assert "intents have no test row" in whats(found, NOTE) and lone in set(table["text"])
    assert "label about 11 different texts more" in set(table["detail"])
    assert "values of context, or languages, occur only in the test" in whats(found, WARN)
    assert "location=the moon" in set(table["text"])


def test_one_text_under_two_intents_is_listed_row_by_row_with_the_command_that_mends_it(sample):
    """Where the context does not explain it, it is a warning; where it does, a note."""
    sides, context = sample
    first = sides.train["intent"].iloc[0]
    again = sides.train.iloc[[0]].assign(intent=next(name for name in sides.train["intent"] if name != first))
    found = check_data(replace(sides, train=pd.concat([sides.train, again], ignore_index=True)), context, "", QUICK,
                       SETTINGS.model)
    twice = [check for check in found if "with several intents" in check.what]
    assert [check.severity for check in twice] == [WARN] and "mlbot data relabel" in twice[0].fix
    assert set(again["intent"]) < set(twice[0].rows["intent"]) and set(twice[0].rows["text"]) == set(again["text"])
    usual = check_data(sides, context, "", QUICK, SETTINGS.model)
    explained = [check for check in usual if "another intent in another context" in check.what]
    assert [check.severity for check in explained] == [NOTE] and len(explained[0].rows) > 3
    assert not [check for check in usual if "with several intents" in check.what]


def test_an_intent_that_vanished_from_the_newest_batch_is_missed(sample):
    sides, context = sample
    common = sides.train["intent"].value_counts().index[0]
    train = pd.concat([sides.train.assign(batch=f"week {week}") for week in range(4)], ignore_index=True)
    train = train[(train["batch"] != "week 3") | (train["intent"] != common)]
    found = check_data(replace(sides, train=train, test=sides.test.assign(batch="week 0")), context, "week 3", SETTINGS.data,
                       SETTINGS.model)
    assert "intents are missing in week 3" in whats(found, WARN) and common in set(as_table(found)["text"])


def test_an_intent_that_is_no_process_stops_the_run_and_its_rows_are_listed(project, mlbot):
    known = sorted(set(pd.read_csv(sample_file())["intent"]))
    (project / "processes.csv").write_text("\n".join(["intent,process", *(f"{name},p" for name in known[1:]), "teleport,p"]))
    (project / "settings.ini").write_text("[gates]\npeople = 50\n[data]\nsource = sample\nsuspects = 0\n"
                                          "catalogue = processes.csv\n")
    done = mlbot("run")
    assert done.returncode == 1 and "gate: data 2.000 blocking findings is above its ceiling" in done.stderr, done.stderr
    folder = max((project / "runs").iterdir())
    rows = pd.read_csv(folder / "checks.csv", keep_default_na=False)
    assert {known[0], "teleport"} == set(rows[rows["severity"] == "block"]["text"])
    page = (folder / "report.html").read_text()
    assert "block: processes of the catalogue have no example" in page and "teleport" in page
    (project / "processes.csv").write_text("\n".join(["# all of them", *known]))
    assert catalogue_intents(project / "processes.csv") == known
    (project / "processes.csv").unlink()
    lost = mlbot("run")
    assert lost.returncode == 2 and "no such catalogue" in lost.stderr
    with pytest.raises(InputError):
        catalogue_intents(project / "none.csv")


def test_the_week_in_which_test_rows_are_sent_again_is_red_for_that_and_for_nothing_else(project, mlbot):
    done = mlbot("run", "--data", "company:7", "--no-release")
    assert done.returncode == 1 and "gate: sent_again 0.155 (n=330)" in done.stderr
    assert done.stderr.count("is above its") == 1 and "is below its" not in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if "fail" in line] == ["sent_again"]


def test_texts_of_signs_only_are_no_reason_to_stop(sample):
    sides, context = sample
    signs = sides.train.assign(text=["!" * (at % 50 + 1) for at in range(len(sides.train))])
    signs["digest"] = np.array([digest(text) for text in signs["text"]], np.uint64)
    found = check_data(replace(sides, train=signs, test=sides.test.iloc[:0]), context, "", SETTINGS.data, SETTINGS.model)
    assert not [check for check in found if check.severity == BLOCK]


@pytest.mark.parametrize("values", ["name", "number"])
def test_a_column_that_gives_the_answer_away_is_named(sample, values):
    sides, context = sample
    numbers = {intent: f"form {at}" for at, intent in enumerate(sorted(set(sides.train["intent"])))}
    told = {side: getattr(sides, side).assign(ticket=lambda rows: [
        numbers[intent] if values == "number" else context_value(intent) for intent in rows["intent"]])
        for side in ("train", "validation", "test")}
    found = check_data(replace(sides, **told), [*context, "ticket"], "", QUICK, SETTINGS.model)
    found = [check for check in found if "alone" in check.what]
    assert [check.what for check in found] == ["context column ticket alone tells the intent of 100% of test rows"]
    assert len(found[0].rows) == len(sides.test) and found[0].severity == WARN
    assert not any("alone" in check.what for check in check_data(sides, context, "", QUICK, SETTINGS.model))


DAMAGED = {"a wrong encoding": ["Wie Ã¤ndere ich?", "CafÃ© bestellen", "it\u2019s â€œfineâ€\u009d", "b\ufffdse", "ðŸ˜€ ok",
                                "Ãœber uns"],
           "markup": ["<b>hi</b>", "line<br/>break", "AT&amp;T invoice", "open &#39;it&#39;", '<a href="x">link</a> please'],
           "an empty cell": ["nan", "None", "#N/A", "undefined", "[object Object]"],
           "one character": ["x", "7", "?"]}
SOUND = ["À propos de mes congés", "Über uns", "is 3 < 5 and 7 > 6?", "naan bread", "none of these", "R&D budget", "A–B test",
         "i <3 this", "ok", "hi", "q&a session", "C'est où ?", "Ça va"]


@pytest.mark.parametrize("kind", DAMAGED)
def test_texts_that_an_export_has_damaged_are_listed(kind):
    """Each damaged text under its own finding, and no sound one under any."""
    rows = pd.DataFrame({"text": [*DAMAGED[kind], *SOUND], "intent": "a", "digest": range(len(DAMAGED[kind]) + len(SOUND))})
    found = [check for check in check_texts(rows) if kind in check.what]
    assert len(found) == 1 and list(found[0].rows["text"]) == DAMAGED[kind]
    assert not check_texts(rows[rows["text"].isin(SOUND)])


@pytest.mark.parametrize("tail", [" -- HelpBot", " [Bot 7]", " — sent by the portal", ". Kind regards from the office",
                                  " | Acme GmbH, Ulm"])
def test_a_signature_is_what_texts_of_several_intents_end_in(tail):
    """The same words behind a dash or a full stop; under one intent, or in a few texts, they may be the wish itself."""
    texts = [f"{word} the {thing}" for word in ("open", "shut", "paint") for thing in ("door", "gate", "shop")]
    rows = pd.DataFrame({"text": [f"{text}{tail}" for text in texts] + [f"please {text}" for text in texts],
                         "digest": range(18), "intent": [text.split()[0] for text in texts] * 2})
    found = {check.what: list(check.rows["text"]) for check in check_texts(rows)}
    assert found == {"texts end in a signature": [f"{text}{tail}" for text in texts]}
    assert not check_texts(rows.assign(intent="open")) and not check_texts(rows.iloc[[0, 1, 3, 4, *range(9, 18)]])
    assert not check_texts(rows.assign(text=[f"{text}. Thanks in advance" for text in texts] * 2))
