"""The company that ships is believable, always the same, and keeps what is hidden away from training."""

import ast
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from pages import TEXT

from mlbot.data import company
from mlbot.data.company import (
    LAST_WEEK,
    OOS,
    draw_weeks,
    intent_at,
    labelled_rows,
    processes,
    production_sample,
    read_toml,
    read_voice,
    render,
    weeks,
    wordings,
)
from mlbot.data.source import PUBLIC, choose, load_production, load_source
from mlbot.data.split import side_of, split
from mlbot.errors import InputError
from mlbot.settings import load_settings
from mlbot.text.clean import key

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import company as figures  # noqa: E402  (benchmarks/company.py)

PLAN = read_toml("company.toml")
RENDERED = "815eb58d2220e308"  # changes with each wording


@cache
def truth_of_all():
    """What each message of the company means, by its id."""
    return {item.id: item for _, truths in draw_weeks() for item in truths}


def rows_of(number):
    return weeks()[number].labelled


def test_the_catalogue_has_an_owner_and_facets_for_each_process():
    assert 50 <= len(processes()) <= 60 and "talk_to_person" in processes()
    for process in processes().values():
        assert process.title and process.queue and 6 <= len(process.facets) <= 8
        assert set(process.roles) <= set(PLAN["roles"]) and set(process.locations) <= set(PLAN["locations"])
    assert {process.confirm for process in processes().values()} == {True, False}


def test_the_plan_names_only_what_exists():
    named = [*PLAN["frequency"], *(intent for theme in PLAN["ambiguous"].values() for intent in theme["means"].values())]
    named += [intent for role in PLAN["roles"].values() for part in ("more", "less") for intent in role[part]]
    named += [intent for event in PLAN["events"] for intent in [*event.get("more", ()), *event.get("new", ())]]
    assert set(named) <= set(processes())
    parents = {process.parent for process in processes().values()} - {""}
    assert parents == {parent for event in PLAN["events"] for parent in event.get("split", ())}
    voices = {wording.voice for wording in wordings()}
    assert all(set(side["voices"]) <= voices for side in PLAN["sides"].values())
    assert abs(sum(role["share"] for role in PLAN["roles"].values()) - 1) < 1e-9 and len(PLAN["roles"]) == 8
    assert abs(sum(place["share"] for place in PLAN["locations"].values()) - 1) < 1e-9 and len(PLAN["locations"]) == 8


def test_every_facet_was_written_in_many_voices():
    voices = {}
    for wording in wordings():
        voices.setdefault((wording.intent, wording.facet), set()).add(wording.voice)
    for process in processes().values():
        assert all(len(voices[process.key, facet]) >= 12 for facet in process.facets)
    assert len(wordings()) >= 2300 and set(intent for intent, _ in voices) == {*processes(), "ambiguous", OOS}


def test_languages_kinds_and_ambiguous_texts_are_there_in_their_shares():
    languages = Counter(wording.language for wording in wordings())
    assert set(languages) == {"en", "de", "fr", "es", "mix"} and 0.8 <= languages["en"] / len(wordings()) <= 0.9
    kinds = Counter(wording.facet for wording in wordings() if wording.intent == OOS)
    assert set(kinds) == {"far", "near", "private", "noise"} and min(kinds.values()) >= 32
    assert len({key(wording.text) for wording in wordings() if wording.intent == "ambiguous"}) >= 32


def test_people_are_dealt_in_the_shares_of_the_plan():
    for side in PLAN["sides"]:
        people = company.make_people(PLAN, side)
        for group, name in (("roles", "role"), ("locations", "location")):
            counts = Counter(getattr(person, name) for person in people)
            assert all(abs(counts[key] - item["share"] * len(people)) <= 1 for key, item in PLAN[group].items())


def test_every_language_is_heard_on_both_sides():
    spoken = {wording.id: wording.language for wording in wordings()}
    for side in "LP":
        said = Counter(spoken[item.wording] for name, item in truth_of_all().items() if name.startswith(side))
        assert {"en", "de", "fr", "es"} <= set(said) and 0.82 <= said["en"] / sum(said.values()) <= 0.96, said


def test_no_text_was_written_for_two_processes():
    intents = {}
    for wording in wordings():
        intents.setdefault(key(wording.text), set()).add(wording.intent)
    assert [text for text, found in intents.items() if len(found) > 1] == []


def runs_of_words(text, length=6):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at:at + length]) for at in range(len(words) - length + 1)}


def copied(texts, published):
    """Texts of ours that share six words in a row with a published one."""
    theirs = set().union(*map(runs_of_words, published))
    return [text for text in texts if runs_of_words(text) & theirs]


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_no_six_words_in_a_row_stand_in_a_public_set(public, name):
    with open(public(name), encoding="utf-8", newline="") as file:
        published = [row["text"] for row in csv.DictReader(file)]
    assert copied([wording.text for wording in wordings()], published) == []
    assert copied([published[0] + " please"], published) == [published[0] + " please"]


def test_a_copied_sentence_is_found():
    assert copied(["So how do I get a new card today"], ["how do I get a NEW card?"])
    assert not copied(["how do I get one new card"], ["how do I get a new card"])


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A folder with the company as files, and one with its truth."""
    folder = tmp_path_factory.mktemp("rendered")
    render(folder / "company", truth=folder / "hidden")
    return folder


def test_rendering_twice_gives_identical_bytes(rendered, tmp_path):
    code = "import sys; from mlbot.data.company import render; render(sys.argv[1], truth=sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, tmp_path / "second", tmp_path / "hidden second"], check=True,
                   env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"})
    assert contents(rendered / "company") == contents(tmp_path / "second")
    assert contents(rendered / "hidden") == contents(tmp_path / "hidden second")


def test_the_company_is_the_same_on_every_machine(rendered):
    """If this moves without a change of the files in shipped/company, the company is another one on another machine."""
    digest = hashlib.sha256()
    for name, body in contents(rendered / "company").items():
        digest.update(name.encode() + b"\0" + body)
    assert digest.hexdigest()[:16] == RENDERED


def test_the_weeks_lie_in_files_that_the_manifest_describes(rendered):
    manifest = json.loads((rendered / "company" / "manifest.json").read_text())
    found = {file["file"] for week in manifest["weeks"] for file in week["files"].values()}
    assert found == set(contents(rendered / "company")) - {"manifest.json", "README.md"}
    about = (rendered / "company" / "README.md").read_text()
    for file in found:
        header = (rendered / "company" / file).read_text().splitlines()[0]
        assert f"| {Path(file).name} | {', '.join(header.split(','))} |" in about
    rows = [{name: file["rows"] for name, file in week["files"].items()} for week in manifest["weeks"]]
    assert rows[0] == {"labelled": 950} and rows[1] == {"labelled": 270, "production": 400}
    assert rows[2] == {"labelled": 270, "production": 400, "audit": 150}
    assert rows[4]["relabelled"] > 50 and rows[6]["deleted"] == 1 and rows[7]["labelled"] == 330
    kinds = {week["week"]: [event["kind"] for event in week["events"]] for week in manifest["weeks"] if week["events"]}
    assert kinds == {3: ["rollout"], 4: ["reorganisation"], 5: ["noisy_labels"], 6: ["deletion"], 7: ["resend"],
                     8: ["reorganisation"]}


def test_a_file_of_a_week_can_be_trained_on(tmp_path, project, mlbot):
    (project / "settings.ini").write_text("[data]\ntiny = set_aside\nsuspects = 0\n[model]\nfolds = 2\n"
                                          "[targets]\naccuracy.floor = 0.5\n")
    done = mlbot("company", tmp_path / "weeks")
    assert done.returncode == 0 and re.search(r"manifest.json: 33 files, 7,710 messages, \d\.\d MB", done.stdout), done.stderr
    command = re.search(r"next:   python3 -m mlbot (.*)", done.stdout)[1]
    assert mlbot(*command.split()).returncode == 0


@pytest.mark.parametrize("words, says", [
    (["company", "taken"], "no empty folder"),
    (["company", "new", "--truth", "taken"], "no empty folder"),
    (["company", "taken/file"], "no empty folder"),
    (["company", "new", "--rows", "10"], "2000 or more"),
    (["run", "--data", "company:"], "company:0 to company:10"),
    (["run", "--production", "nowhere.csv"], "no such file"),
    (["company", "new", "--truth", "new/truth"], "beside the data"),
    (["company", "new/weeks", "--truth", "new"], "beside the data"),
    (["run", "--data", "company:11"], "company:0 to company:10"),
    (["run", "--data", "company:x"], "no week"),
    (["run", "--data", "compny"], "did you mean company"),
])
def test_a_mistake_is_refused_with_what_to_do(project, mlbot, words, says):
    (project / "taken").mkdir()
    (project / "taken" / "file").write_text("kept")
    done = mlbot(*words)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert not (project / "runs").exists()
    assert (project / "taken" / "file").read_text() == "kept" and not (project / "new").exists()


def test_a_wording_file_with_a_stray_line_is_refused_by_line(tmp_path):
    (tmp_path / "voice.txt").write_text("# a voice\n[access_badge]\nlost: my badge\nno colon here\n")
    with pytest.raises(InputError, match="line 4"):
        list(read_voice(tmp_path / "voice.txt"))


def test_a_million_rows_are_more_than_a_hundred_megabytes(tmp_path):
    """Measured on a two-hundredth of them; the share of the files stays."""
    render(tmp_path / "company", rows=5_000)
    found = contents(tmp_path / "company")
    lines = sum(body.count(b"\n") for name, body in found.items() if "labelled" in name or "production" in name)
    assert 5_000 <= lines <= 5_400 and sum(map(len, found.values())) * 200 > 100e6


def test_production_never_carries_a_label_or_a_wording(rendered):
    assert not any(row.intent or row.wording for week in weeks() for row in week.production)
    for path in (rendered / "company").rglob("production.csv"):
        assert path.read_text().splitlines()[0] == "id,sent,text,role,location,person"


def test_times_rise_within_a_side_and_stay_in_their_week():
    for week in weeks():
        for rows in (week.labelled, week.production):
            times = [row.sent for row in rows]
            assert times == sorted(times)
            days = [(datetime.fromisoformat(time).date() - PLAN["start"]).days - 7 * week.number for time in times]
            assert min(days, default=0) >= 0 and max(days, default=0) < 5


def test_some_of_production_is_labelled_a_week_later():
    for week in weeks()[2:]:
        assert {name[:3] for name, _ in week.audit} == {f"P{week.number - 1:02}"}


def test_who_asked_to_be_forgotten_is_not_sent_again():
    """At a larger scale, where the script has enough rows to choose from; and no old test text is trained on after it."""
    told = [week for week, _ in draw_weeks(scale=2.6)]
    (person,), = told[6].deleted
    hers = {key(row.text) for row in told[0].labelled if row.person == person}
    others = {key(row.text) for row in told[0].labelled if row.person != person}
    again = {key(row.text) for row in told[7].labelled if row.id.startswith("E07-")}
    assert len(again) > 100 and not again & (hers - others)


def test_what_is_hidden_is_used_by_nothing_that_trains():
    """The names under which the truth can be had stand in the company's own module and nowhere else in the library."""
    users = []
    for path in [*sorted((ROOT / "mlbot").rglob("*.py")), *sorted((ROOT / "nbs" / "pipeline").glob("*.ipynb"))]:
        if re.search(r"\b(draw_weeks|Truth|truths)\b", path.read_text(encoding="utf-8")):
            users.append(path.name)
    assert users in (["_modidx.py", "company.py"], ["company.py"])
    tree = ast.parse((ROOT / "mlbot" / "data" / "company.py").read_text(encoding="utf-8"))
    row = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Row")
    assert "final" not in ast.dump(row)


def test_nobody_is_on_both_sides():
    labelled = {row.person for week in weeks() for row in week.labelled}
    assert not labelled & {row.person for week in weeks() for row in week.production}


def test_role_and_location_decide_what_exists():
    for week in weeks():
        for row in [*week.labelled, *week.production]:
            truth = truth_of_all().get(row.id)
            if truth and truth.final != OOS and not truth.wording.startswith("ambiguous/"):
                assert processes()[truth.final].exists(row.role, row.location)


def test_context_decides_what_an_ambiguous_text_means():
    for name, theme in PLAN["ambiguous"].items():
        assert len(set(theme["means"].values())) >= 2, name
    row = next(row for row in labelled_rows() if row.wording.startswith("ambiguous/card/"))
    meant = {person.role: truth_of_all()[person.id].final for week in weeks() for person in week.production
             if truth_of_all()[person.id].wording.startswith("ambiguous/card/")}
    assert row.intent in [*PLAN["ambiguous"]["card"]["means"].values(), "company_card"] and len(set(meant.values())) >= 2


def wrong_share(number):
    truth = truth_of_all()
    return sum(row.intent != truth[row.id].intent for row in rows_of(number) if row.id in truth) / 270


def test_labels_are_wrong_in_the_noisy_week_and_hardly_elsewhere():
    assert 0.12 <= wrong_share(5) <= 0.28
    assert max(wrong_share(number) for number in (1, 2, 3, 4, 6, 8, 9, 10)) <= 0.04


def test_a_reorganisation_renames_old_rows_and_leaves_no_old_name():
    for week, old, new in ((4, "company_card", "card_block"), (4, "expenses", "expense_status"),
                           (8, "legal_contract", "nda")):
        before, after = ({row.intent for row in labelled_rows(number)} for number in (week - 1, week))
        assert old in before and new not in before and new in after and old not in after
        assert old not in {row.intent for row in production_sample(week)}
    assert intent_at("office_shuttle", 7) == OOS
    names = {row.id for row in labelled_rows(7) if row.intent == OOS}
    assert {row.intent for row in labelled_rows(8) if row.id in names} >= {OOS, "office_shuttle"}


def test_a_person_who_asks_for_it_is_gone_from_then_on():
    (person,), = weeks()[6].deleted
    assert any(row.person == person for row in labelled_rows(5))
    assert not any(row.person == person for row in labelled_rows(6))
    assert not any(row.person == person for number in range(7, LAST_WEEK + 1) for row in rows_of(number))


def test_the_script_sends_test_rows_again_and_none_of_them_is_trained_on():
    again = [row for row in rows_of(7) if row.id.startswith("E07-")]
    tested = {key(row.text) for row in rows_of(0) if side_of(row.wording) == "test"}  # two authors may write one text
    assert len(again) == 60 and all(row.wording == "" and key(row.text) in tested for row in again)
    settings = load_settings()
    found = load_source("company:7", choose(settings, "company:7")[1], settings)
    sides = split(found, settings.data)
    sent = {key(row.text) for row in again}
    assert not sent & set(map(key, sides.train["text"]))
    assert (sides.set_aside["reason"] == "text stands on the test side").sum() >= 30


def test_a_roll_out_shifts_what_production_asks():
    share = [sum(truth_of_all()[row.id].final in ("vpn_access", "mfa_device") for row in week.production) / 400
             for week in weeks()[1:]]
    assert min(share[2:4]) > 2 * max(share[:2] + share[4:]) or min(share[2:4]) > max(share[:2] + share[4:])


def test_three_yardsticks_come_with_the_company(project):
    settings = load_settings()
    by_wording = split(load_source("company", choose(settings, "company")[1], settings), settings.data)
    by_person = split(load_source("company", choose(settings, "company", group="person")[1], settings), settings.data)
    assert not set(by_wording.train["group"]) & set(by_wording.test["group"])
    assert not (set(by_person.train["group"]) & set(by_person.test["group"])) - {""}  # what the script sent has nobody
    assert set(by_person.train["group"]) <= {person.id for person in company.make_people(PLAN, "labelled")} | {""}
    sample = load_production("company", "", choose(settings, "company")[1], settings)
    assert len(sample.rows) == 600


@pytest.mark.long
def test_the_figures_are_those_that_were_asked_for():
    """The bands of the acceptance, widened by what ten random splits of some 230 test rows leave open (0.02)."""
    found = list(figures.measure(splits=4))
    assert len(found) == 13
    outside = [str(figure) for figure in found if not figure.low - 0.02 <= figure.value <= figure.high + 0.02]
    assert outside == [], "\n".join(outside)


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
def test_the_datasheet_states_the_figures_that_the_benchmark_prints():
    """Those that are the same each time; means of random splits, of which none is made here, have their bands above."""
    sheet = (ROOT / "mlbot" / "shipped" / "company" / "DATASHEET.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^ *(-?[\d.]+) .*?(?:in|OUT) +(.+)$", sheet, re.MULTILINE)[::1])
    for figure in figures.measure(splits=0):
        name = re.sub(r", mean of \d+ splits", "", figure.what)
        line = next(line for line in sheet.splitlines() if name in re.sub(r", mean of \d+ splits", "", line))
        if "mean of" not in figure.what and "minus" not in figure.what:
            assert f"{figure.value:7.3f}".strip() == line.split()[0], (line, str(figure))
    assert stated
    assert f" {len(processes())} processes" in TEXT
    assert f"{len(wordings()):,} authored sentences" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"{len(wordings()):,} authored sentences" in sheet and f"{len(processes())} processes" in sheet
