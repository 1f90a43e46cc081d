"""People correct the bot; no single one of them decides what it learns, and nothing they say is lost."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlbot.data.feedback import (
    BEFORE,
    DISAGREE,
    FEEDBACK,
    FLOOD,
    NEW,
    NOBODY,
    OUTVOTED,
    TWICE,
    UNSURE,
    WAITS,
    admit,
    lately,
)
from mlbot.data.store import Commit, pseudonym, rows_at
from mlbot.text.clean import digest


def said(*rows):
    table = pd.DataFrame(rows, columns=["person", "text", "intent"], dtype=object).assign(reason="", role="")
    return table.assign(digest=np.array([digest(text) for text in table["text"]], np.uint64))


NOTHING = said()


@pytest.mark.parametrize("rows, wanted", [
    ([("ann", "a", "x")], [""]),
    ([("", "a", "x")], [NOBODY]),
    ([("ann", "a", "x"), ("ann", "A!", "x")], ["", TWICE]),
    ([("ann", "a", "x"), ("ann", "a", "y")], [UNSURE, UNSURE]),
    ([("ann", "a", "x"), ("bob", "a", "y")], [DISAGREE, DISAGREE]),
    ([("ann", "a", "x"), ("bob", "a", "x"), ("eve", "a", "y")], ["", "", OUTVOTED]),
    ([("ann", "a", "x"), ("bob", "a", "x"), ("eve", "a", "y"), ("max", "a", "y")], [DISAGREE] * 4),
])
def test_what_is_let_in_and_why_the_rest_is_not(rows, wanted):
    assert admit(said(*rows), NOTHING, ["role"])[0]["reason"].tolist() == wanted


def test_one_person_who_sends_ten_thousand_corrections_is_not_heard_and_others_are():
    flood = said(*(("eve", f"text {n}", "x") for n in range(10_000)), ("ann", "mine", "x"))
    rows, _ = admit(flood, NOTHING, [], cap=50)
    assert rows["reason"].value_counts().to_dict() == {FLOOD: 10_000, "": 1}
    many, _ = admit(said(*(("eve", f"text {n}", "x") for n in range(120))), NOTHING, [], cap=50)
    assert (many["reason"] == "").sum() == 50 and set(many["reason"]) == {"", "more than 50 from one person"}


@pytest.mark.long
def test_ten_thousand_corrections_spread_over_many_files_and_days_are_capped_too():
    """One person sends ten files of 100 rows a day for ten days, another one a file: the first is heard 50 times in all."""
    start, history, known = datetime(2026, 1, 1, tzinfo=UTC), [], NOTHING.assign(batch="")
    base, capped = said(*(("", "y", name) for name in "xy")).assign(batch="own"), "more than 50 from one person"
    for at in range(100):
        now = start + timedelta(hours=2.4 * at)
        sent = [("eve", f"text {at} {n}", "x") for n in range(100)] + [("ann", "mine", "x")] * (at == 99)
        rows, _ = admit(said(*sent), pd.concat([base, known]), [], cap=50, recent=lately(history, now, 30))
        known = pd.concat([known, rows.assign(batch=f"b{at}")])
        history.append(Commit(at, "add", 100, f"b{at}", f"{FEEDBACK}{at}.csv", "", "", now.isoformat()))
    eve = known[known["person"] == "eve"]["reason"].value_counts().to_dict()
    assert eve == {"": 50, capped: 450, FLOOD: 9_500} and known["reason"].iloc[-1] == ""
    later = lately(history, start + timedelta(days=50), 30)
    again = admit(said(("eve", "new", "x")), pd.concat([base, known]), [], recent=later)[0]
    assert not later and again["reason"].tolist() == [""]


def test_a_second_labeller_lets_a_label_in_and_the_same_words_twice_do_not():
    first, _ = admit(said(("ann", "a", "x"), ("ann", "b", "x")), NOTHING, ["role"], labellers=2)
    assert first["reason"].tolist() == [WAITS, WAITS]
    again, _ = admit(said(("ann", "a", "x")), first, ["role"], labellers=2)
    assert again["reason"].tolist() == [BEFORE]
    other, _ = admit(said(("bob", "a", "x"), ("bob", "b", "y")), first, ["role"], labellers=2)
    assert other["reason"].tolist() == ["", DISAGREE]


def test_one_voice_does_not_overrule_the_data_nor_veto_it_for_ever():
    known = said(*(("", "reset my pin", "password") for _ in range(5)))
    against, _ = admit(said(("eve", "reset my pin", "password2")), pd.concat([known, said(("", "x", "password2"))]), ["role"])
    assert against["reason"].tolist() == [DISAGREE]
    base = said(*(("", "y", name) for name in "abcd"))
    eve = pd.concat([admit(said(("eve", "t", label)), base, ["role"])[0] for label in "bcd"])
    seven, _ = admit(said(*((f"p{at}", "t", "a") for at in range(7))), pd.concat([base, eve]), ["role"])
    assert set(seven["reason"]) == {""}                                    # who says three things has no voice
    capped, _ = admit(said(*(("ann", f"text {at}", "a") for at in range(5))), base, ["role"], cap=3)
    later, _ = admit(said(*(("ann", f"text {at}", "a") for at in range(5))), pd.concat([base, capped]), ["role"], cap=3)
    assert later["reason"].tolist() == [BEFORE] * 3 + ["", ""]             # over the cap is no reason for ever
    assert admit(said(("ann", "t", "payslipp")), base, ["role"])[0]["reason"].tolist() == [NEW]


def test_agreement_is_cohen_s_kappa_for_two_labellers():
    from sklearn.metrics import cohen_kappa_score
    random = np.random.default_rng(0)
    truth = random.choice(["x", "y", "z"], 400)
    labels = [np.where(random.random(400) < 0.8, truth, random.choice(["x", "y", "z"], 400)) for _ in range(2)]
    rows = said(*((who, f"text {n}", label) for who, part in zip(("ann", "bob"), labels, strict=True)
                  for n, label in enumerate(part)))
    found = admit(rows, NOTHING, [], cap=1000)[1]
    assert found.pairs == 400 and found.share == np.mean(labels[0] == labels[1])
    assert abs(found.kappa - cohen_kappa_score(*labels)) < 0.01
    assert str(admit(said(("ann", "a", "x")), NOTHING, [])[1]) == "no text was labelled by two people"


def test_the_command_lets_in_quarantines_and_knows_what_was_said_before(project, mlbot, csv_file):
    (project / "settings.ini").write_text("[data]\nsource = store\ncontext = role\n[feedback]\ncap = 3\n")
    lines = [f"text number {n} of eve,badge,eve" for n in range(5)] + ["lost my badge,badge,ann", "lost my badge,leave,bob",
                                                                     "sick today,leave,ann", "say nothing,leave,"]
    file = csv_file("\n".join(["text,intent,who", *lines]), "week.csv")
    assert mlbot("data", "feedback", file).returncode == 2                        # nobody stands behind it
    done = mlbot("data", "feedback", file, "--person", "who", "--who", "Max")
    assert done.returncode == 0, done.stderr
    counts = {reason: int(n) for n, reason in re.findall(r"^ +(\d+)  (.+)$", done.stdout, re.MULTILINE)}
    assert counts == {"let in": 4, "more than 3 from one person": 2, DISAGREE: 2, NOBODY: 1}
    assert "1 pairs of people labelled the same text; 0.000 agree" in done.stdout
    rows = rows_at(str(project / "data"))[0]
    assert set(rows["person"]) == {"", *map(pseudonym, ("eve", "ann", "bob"))} and (rows["life"] != "").sum() == 4
    assert "feedback week.csv" in mlbot("data", "log").stdout
    assert "nothing stored" in mlbot("data", "feedback", file, "--person", "who").stdout
    day = csv_file("text,intent,who\nlost it again,badge,eve\nit is lost,badge,max\n", "day.csv")
    assert "1  more than 3 from one person" in mlbot("data", "feedback", day, "--person", "who").stdout  # in another file
    month = csv_file("text,intent,who\nlost once more,badge,eve\n", "month.csv")
    after = (datetime.now(UTC) + timedelta(days=31)).isoformat()
    assert "1  let in" in mlbot("data", "feedback", month, "--person", "who", "--now", after).stdout
    more = csv_file("text,intent,who\nsick today,leave,ann\nbook a flight,travel,ann\n", "more.csv")
    assert "1  said before" in mlbot("data", "feedback", more, "--person", "who").stdout
