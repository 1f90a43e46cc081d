"""One file holds what a person sets; what it does not know, it refuses by name and line."""

import re
from configparser import ConfigParser
from datetime import date

import pytest

from mlbot.errors import InputError
from mlbot.gates.gating import judged
from mlbot.gates.verdict import Rules
from mlbot.settings import effective_lines, load_settings, shipped_settings
from mlbot.stats.scores import Score


def unexplained(text):
    """The settings, by section, whose line above is no comment; what setup.py reads is left out."""
    lines = text.partition("\n[data]\n")[2].splitlines()
    return [line for before, line in zip(["", *lines], lines, strict=False)
            if re.match(r"[\w.:/-]+ *=", line) and not before.startswith("# ")]


def test_each_setting_has_a_comment_of_its_own():
    """The reference of settings is made of them: one comment for three settings leaves two without a word."""
    assert unexplained("\n[data]\n# about both\ntext = a\nlabel = b\n") == ["label = b"]
    assert not unexplained(shipped_settings().read_text(encoding="utf-8"))


def load(folder, text):
    (folder / "settings.ini").write_text(text)
    return load_settings(folder)


def test_a_project_overrides_what_it_names_and_keeps_the_rest(tmp_path):
    settings = load(tmp_path, "[data]\ncontext = job\n[targets]\naccuracy.floor = 0.7\n")
    assert settings.data.context == ("job",) and settings.data.text == "text"
    assert settings.target("accuracy").floor == 0.7 and settings.target("macro_f1").stretch == 0.85
    assert settings.places.runs == tmp_path / "runs"


def test_a_stretch_or_a_limit_of_one_s_own_replaces_the_shipped_one_whole(tmp_path):
    settings = load(tmp_path, "[targets]\naccuracy.stretch = 0.95\nchampion.floor = 0.01\n")
    assert settings.target("accuracy").stretch == 0.95 and settings.target("accuracy").start is None
    assert settings.target("accuracy").floor == 0.8 and settings.target("champion").floor == 0.01


@pytest.mark.parametrize("lines, limit", [
    (["floor = 0.9", "stretch = 0.8"], "below its floor, 0.9"),
    (["ceiling = 0.5", "stretch = 0.6"], "above its ceiling, 0.5"),
    (["floor = 0.8", "stretch = 0.82", "start = 2026-01-05", "step = -0.01", "count = 3"], "below its floor, 0.8"),
    (["ceiling = 5", "stretch = 4", "start = 2026-01-05", "step = 1", "count = 9"], "above its ceiling, 5"),
    (["floor = 0.8", "stretch = 0.8", "start = 2026-01-05", "step = 0.01", "count = 3", "cap = 0.7"], "its floor, 0.8")])
def test_a_stretch_that_asks_for_less_than_its_limit_is_refused_wherever_a_target_is_set(lines, limit, tmp_path):
    for gate in ("accuracy", "intents.a"):
        if gate == "accuracy" or len(lines) == 2 and "floor = 0.9" in lines:
            (tmp_path / "settings.ini").write_text("[targets]\n" + "".join(f"{gate}.{line}\n" for line in lines))
            with pytest.raises(InputError, match=limit):
                load_settings(tmp_path)
    if len(lines) == 2:
        given = {name: float(value) for name, value in (line.split(" = ") for line in lines)}
        with pytest.raises(InputError, match=limit):
            judged("x", Score("x", 0.95, 100, 0.9, 1.0), Rules(date(2026, 1, 5)), given, 0, None, ())


def test_a_floor_above_a_shipped_stretch_raises_it_and_the_climb_goes_on(tmp_path):
    (tmp_path / "settings.ini").write_text("[targets]\naccuracy.floor = 0.85\nmacro_f1.floor = 0.99\n")
    target = load_settings(tmp_path).targets["accuracy"]
    assert (target.floor, target.stretch, target.step) == (0.85, 0.85, 0.01) and target.cap in (None, 0.9)
    assert load_settings(tmp_path).targets["macro_f1"].stretch == 0.99


def test_a_shipped_target_is_removed_by_setting_it_to_nothing(tmp_path):
    settings = load(tmp_path, "[targets]\nmacro_f1.stretch =\n")
    assert "macro_f1" not in settings.targets and "accuracy" in settings.targets


def test_a_project_of_one_s_own_does_not_take_over_what_fits_the_company_alone(tmp_path):
    ours, own = load_settings(shipped_settings().parent), load(tmp_path, "[data]\nsource = mine.csv\n")
    assert ours.target("accuracy").start and "slices.language" in ours.targets
    accuracy = own.target("accuracy")
    assert accuracy.stretch is None and accuracy.start is None and accuracy.floor == 0.8
    assert not [name for name in own.targets if "." in name] and own.target("slices").floor == 0.6


def test_targets_of_a_tier_override_those_of_all_tiers_and_never_your_own(tmp_path):
    text = "[targets]\naccuracy.floor = 0.7\n[targets encoder]\naccuracy.floor = 0.9\nlatency_ratio.ceiling = 77\n"
    text += "[model]\ntier = {}\n"
    light, encoder = load(tmp_path, text.format("light")), load(tmp_path, text.format("encoder"))
    assert light.target("accuracy").floor == 0.7 and encoder.target("accuracy").floor == 0.9
    assert light.target("latency_ratio").ceiling != 77 and encoder.target("latency_ratio").ceiling == 77
    own = load(tmp_path, "[targets]\nlatency_ratio.ceiling = 5\n[model]\ntier = encoder\n")
    assert own.target("latency_ratio").ceiling == 5  # whatever ships for that tier
    with pytest.raises(InputError, match="already exists"):
        load(tmp_path, "[targets encoder]\naccuracy.floor = 0.7\nAccuracy.Floor = 0.8\n")
    with pytest.raises(InputError, match="did you mean targets encoder"):
        load(tmp_path, "[split]\n[targets encode]\naccuracy.floor = 0.7\n")


def test_settings_hold_in_folders_below(tmp_path):
    load(tmp_path, "[split]\ntest_percent = 30\n")
    (tmp_path / "nbs" / "pipeline").mkdir(parents=True)
    assert load_settings(tmp_path / "nbs" / "pipeline").split.test_percent == 30
    assert load_settings(tmp_path / "nbs" / "pipeline").root == tmp_path


@pytest.mark.parametrize("data, says", [
    ("[data]\nsource = rows.csv\n".encode("utf-16"), "save it again as UTF-8"), (b"[Split]\ntest_percent = 30\n", "split")])
def test_settings_in_capitals_or_in_another_encoding_are_refused_and_not_passed_over(tmp_path, data, says):
    """A project without settings is the demo: it would be trained, judged and released by other rules."""
    (tmp_path / "settings.ini").write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_settings(tmp_path)
    assert says in str(caught.value)


def test_without_a_file_the_working_folder_is_the_root(tmp_path):
    assert load_settings(tmp_path).root == tmp_path


@pytest.mark.parametrize("text, says", [
    ("[split]\ntest_percnt = 25\n", "did you mean test_percent?"),
    ("[splitt]\n[split]\n", "did you mean split?"),
    ("[split]\ntest_percent = many\n", "test_percent = 'many'"),
    ("[split]\ntest_percent = 0\n", "from 1 to 99"),
    ("[split]\ntest_percent = 25\ntest_percent = 30\n", "already exists"),
    ("[split\n", "ini file"),
    ("[targets]\naccuracy = 0.8\n", "one of: floor, ceiling"),
    ("[targets]\naccuracy.flor = 0.8\n", "did you mean floor?"),
    ("[targets]\naccuracy.floor = 80\n", "a share from 0 to 1"),
    ("[targets]\naccuracy.floor = nan\n", "a share from 0 to 1"),
    ("[targets]\naccuracy.step = nan\n", "above or below 0"),
    ("[targets]\naccuracy.stretch = 0.8\naccuracy.step = 0.01\n", "together"),
    ("[targets]\nx.stretch = 0.8\nx.start = 5.1.26\nx.step = 0.1\nx.count = 2\n", "a day such as"),
    ("[targets]\naccuracy.floor = 0.8\naccuracy.ceiling = 0.9\n", "one of floor, ceiling and margin"),
    ("[targets]\naccuracy.min_n = 0\n", "a whole number, 1 or more"),
    ("[targets]\naccuracy.too_close = maybe\n", "pass or fail"),
    ("[targets]\naccuracy.cap = 0.9\n", "stretch, start, step and count beside"),
    ("[targets]\naccuracy.every = 7\n", "stretch, start, step and count beside"),
    ("[targets]\nintents.vpn.min_n = 7\n", "floor and stretch only"),
    ("[targets]\nslices.language.ceiling = 1\n", "floor and stretch only"),
    ("[gates]\nseeds = 0\n", "1 or more"),
    ("[meter]\nfeedback = some\n", "full or none"),
    ("[feedback]\ndays = -1\n", "0 days or more"),
    ("[split]\nsealed_percent = 100\n", "from 0 to 99"),
    ("[data]\nconflicts = ignore\n", "keep or set_aside"),
    ("[model]\nwords = 2\n", "two lengths"),
    ("[model]\nname_rows = -1\n", "0 or more"),
    ("[model]\nscope_alarms = 1\n", "from 0 to below 1"),
    ("[budget]\nrun = 0\n", "above 0"),
])
def test_what_makes_no_sense_is_refused(tmp_path, text, says):
    with pytest.raises(InputError) as caught:
        load(tmp_path, "[data]\n" + text if "[data]" not in text else text)
    assert says in str(caught.value) and "settings.ini" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 6


@pytest.mark.parametrize("line", ["patience = inf", "absence = nan", "absence = 0", "inbox = https://other.example/x",
                                  "inbox = ftp://erp.example/x"])
def test_settings_of_the_bot_that_cannot_work_are_refused(tmp_path, line):
    (tmp_path / "settings.ini").write_text(f"[data]\nsource = sample\n[bot]\nwebhooks = https://erp.example\n{line}\n")
    with pytest.raises(InputError):
        load_settings(tmp_path)
    (tmp_path / "settings.ini").write_text("[bot]\nwebhooks = https://erp.example\ninbox = https://erp.example/inbox\n")
    assert load_settings(tmp_path).bot.inbox


def test_a_line_of_yours_with_the_shipped_value_is_marked_so():
    own = ConfigParser(interpolation=None)
    own.read_string("[data]\nsource = mine.csv\ntext = text\n")
    lines = effective_lines(own, "\n[data]\nsource = company\ntext = text\nlabel = intent\n")
    assert lines == ["[data]", "source = mine.csv    # yours; it ships as company", "text = text    # yours, as shipped",
                     "label = intent"]
