"""What others wrote is shown and never obeyed, and no address shows its secret: each place where people read."""

import json
import re
from html import unescape
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mlbot.errors import InputError, MlbotError, inert, is_secret_name, refuse_secrets, secrets_in, shown, without_secrets

ODD = st.text(st.sampled_from("abcXYZ059:/?#@&=%+.~$'\"!*(),;-_ äß€"), min_size=1, max_size=12)
WORD = st.text(st.sampled_from("abcdefgh"), min_size=1, max_size=6)
TELLING = st.sampled_from(["password", "token", "sig", "key", "secret", "sas", "X-Amz-Signature", "api_key", "p%61ssword"])


def hides(text: str, password: str) -> bool:
    """Whether a marked password is gone from a text, as it stands and percent-encoded."""
    return not any(f"zq{secret}zq" in text for secret in (password, quote(password), quote(password, safe="")))


@given(st.sampled_from(["postgresql", "postgresql+psycopg", "https", "s3", "sqlite", "amqp"]), WORD, ODD, WORD, st.booleans())
@example("postgresql", "user", "pa/ss", "host", False)
def test_a_password_before_the_host_is_hidden_whatever_characters_it_has(scheme, user, odd, host, encoded):
    """`user:pa/ss@host`, encoded or not, alone and in a sentence; scheme, user and host stay."""
    written = f"zq{quote(odd, safe='') if encoded else odd}zq"
    address = f"{scheme}://{user}:{written}@{host}/path"
    found = without_secrets(address)
    assert "zq" not in found and found == f"{scheme}://{user}:***@{host}/path"
    assert written in secrets_in(address) and f"zq{odd}zq" in secrets_in(address) + [written]
    assume(not set(written) & {" "})
    assert "zq" not in without_secrets(f"the log at {address} is gone")
    assert "zq" not in str(MlbotError(f"no answer from {address!r}", place=address))


@given(TELLING, ODD, st.sampled_from(["s3://bucket/x?{}", "https://h/x?a=1&{}&b=2", "https://h/x#{}",
                                      "AccountName=x;{};Suffix=y",
                                      "https://h/?next=https%3A%2F%2Fh%2F%3F{}"]))
def test_a_password_in_a_parameter_is_hidden_in_query_fragment_and_connection_string(name, odd, around):
    """`?password=`, `?token=`, `#access_token=`, `AccountKey=`; also in an address within an address."""
    nested = "%3A" in around
    pair = f"{name}=zq{quote(odd, safe='')}zq"
    found = without_secrets(around.format(quote(pair, safe="") if nested else pair))
    assert "zq" not in found and "***" in found


@pytest.mark.parametrize("address", ["https://ghp_0123456789abcdef@example.org/x", "https://a%3Ab%40host/",
                                     "x://u:zq@y?q=a@b",
                                     "jdbc:postgresql://h/d?user=a&password=b", "SharedAccessSignature=sv=1&sig=zz",
                                     "redis://:pw@host", "s3://AKIA:secret/x+y@bucket/data", "https://u:p@[::1]:80/"])
def test_an_address_with_a_secret_is_refused_where_it_would_be_kept(address):
    """The error names the setting and does not say the secret itself."""
    assert secrets_in(address)
    with pytest.raises(InputError, match="data holds a password or a key") as caught:
        refuse_secrets(address, "data")
    assert all(secret not in str(caught.value) for secret in secrets_in(address) if len(secret) > 2)


@pytest.mark.parametrize("address", ["", "runs", "s3://bucket/a:b/c", "sqlite:///x@y",
                                     "abfss://box@account.dfs.core.windows.net/data",
                                     "postgresql://ann@db/mlbot?sslmode=require&sslkey=/etc/key",
                                     "http://localhost:5000/#/runs/1",
                                     "http://[::1]:8000/x", "tcp://host:8786", "C:\\data", "a = b"])
def test_an_address_without_a_secret_is_as_it_was(address):
    """Containers, ports, login names and files of keys are no secrets."""
    assert without_secrets(address) == address and secrets_in(address) == [] and refuse_secrets(address, "x") is None


def test_names_that_tell_of_a_secret():
    """As accounts and libraries write them."""
    assert all(map(is_secret_name, "Password pwd PGPASSWORD access_token refreshToken sig "
                   "X-Amz-Security-Token x-goog-signature AWS_SECRET_ACCESS_KEY SharedAccessKey client_secret apikey "
                   "AccountKey sas".split()))
    assert not any(map(is_secret_name, "user side text design config role".split()))


NASTY = ("\x1b]0;owned\x07\x1b[2J\r::error file=x::forged %0A "
         "##[group]x ##vso[task.complete] \u202egnp.exe\u2066 \ud800 "
         "@team/all #123 GH-12 !7 ![x](http://e.example/t.png) [a]: http://e.example <img src=x onerror=alert(1)> "
         "`tick` ``` www.e.example https://e.example ann@e.example :smile: **bold** | cell | $x^2$ ~5 %\"m\" &1 &lt;b&gt;\n"
         "# heading\n- item\n::warning::also\n```\n    code\nsetext\n===\n"
         "section_start:1:x\r\x1b[0K")


def sees(text: str) -> str:
    """What a forge looks through for mentions and references: the rendered text outside of code, its entities read."""
    from markdown_it import MarkdownIt
    page = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)
    return re.sub(r"<(pre|code)\b.*?</\1>", "", page, flags=re.DOTALL)


def assert_inert(text: str) -> None:
    """No tag but those of our own layout, and nothing that GitHub or GitLab would link."""
    page = sees(text.replace("<!-- mlbot -->\n", "", 1))
    assert not re.search(r"<(?!/?(p|h[23]|ul|li|table|thead|tbody|tr|t[hd]|strong|hr|br)\b)", page), page
    words = unescape(re.sub(r"<[^>]*>", " ", page))
    for live in (r"(?<!\w)@\w", r"(?<![\w&])#\d", r"GH-\d", r"(?<!\w)!\d", r"https?://", r"www\.\w", r":smile:", r"~5", r'%"',
                 r"\w@\w"):
        assert not re.search(live, words), (live, words)
    assert_quiet(text)


def assert_quiet(text: str) -> None:
    """Nothing that a terminal or a build server obeys."""
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text), text
    assert not re.search(r"(?m)^\s*::|##\[|##vso\[", text), text


def nasty_verdicts():
    """A red family, a red gate with a waiver: names, persons and reasons are nasty."""
    from datetime import date

    from mlbot.gates.verdict import Waiver, judge, judge_family
    from mlbot.settings import Target
    from mlbot.stats.scores import share
    low = share(NASTY, [True] * 20 + [False] * 80)
    waived = judge(NASTY, low, Target(floor=0.9))
    family = judge_family("intents", [low, share("good", [True] * 50)], Target(floor=0.9), rows=150)
    from dataclasses import replace
    return [replace(waived, waiver=Waiver(NASTY, NASTY, NASTY, date(2026, 3, 1), "", "")), family, waived]


def test_error_text_in_the_comment_and_the_job_summary_is_no_markdown():
    """Also right behind a list, where an indented block would be a paragraph of its last item."""
    from mlbot.run.publish import build_markdown
    from mlbot.stats.changes import Change
    problem = MlbotError(NASTY, NASTY, NASTY, NASTY)
    text = build_markdown(NASTY, nasty_verdicts(), [problem], [Change(*[NASTY] * 5, True)], [NASTY], [(NASTY, NASTY)])
    assert_inert(text)
    assert_inert(build_markdown("No", nasty_verdicts()[1:2], [MlbotError("<img src=x> @team #1")]))
    assert "www" in text and "forged" in text  # it is shown


def test_one_nasty_name_in_each_markdown_cell():
    """The function for Markdown, by itself, at the start of a line and in a table."""
    assert_inert(f"- {inert(NASTY, 5000)}\n")
    assert_inert(f"| a |\n|---|\n| {inert(NASTY, 5000)} |\n")
    for text in ("- x", "1. x", "# x", "> x", "+ x", "===", "--- x", "* x", "```", "_a_ __b__",
                 "\tcode", "[x]: y", "a\\", "<!--", "]]>", "&#64;x"):
        assert_inert(f"- {inert(text)}\n")
        assert not re.search("<(h|ol|blockquote|pre|code|em|strong|hr)", sees(f"{inert(text)}\n")), text


def test_an_annotation_says_one_thing_and_gives_no_second_command(tmp_path):
    """A name with line breaks, colons and commas stays one annotation."""
    from mlbot.run.publish import annotation
    line = annotation("error", tmp_path / "a,b::c\n::error::x.ipynb", tmp_path, 1, NASTY, NASTY)
    assert "\n" not in line and "\r" not in line and line.startswith("::error file=a%2Cb%3A%3Ac%0A")
    head, _, message = line.removeprefix("::").partition("::")
    assert head.count(",") == 2 and "::" not in head
    assert_quiet(message.replace("%0A", " "))


def test_a_junit_file_stays_xml_whatever_names_hold():
    """Control characters, surrogates and markup in names, messages and errors."""
    from types import SimpleNamespace

    from mlbot.run.publish import build_junit
    step = SimpleNamespace(notebook=f"{NASTY}.ipynb", seconds=1.0, given=nasty_verdicts(),
                           problems=(MlbotError(NASTY + "\ufffe", NASTY),))
    text = build_junit(NASTY, [step], [NASTY], [*step.problems, MlbotError(NASTY)])
    suite = ElementTree.fromstring(text)[0]
    assert len(suite) == 6 and all("\x1b" not in case.attrib["name"] for case in suite)


def test_the_report_shows_reversed_and_hidden_text_by_number(tmp_path):
    """Names cannot reverse what stands beside them, nor become markup."""
    from mlbot.run.report import render_report
    page = render_report(tmp_path, NASTY, "fail", nasty_verdicts(), [(NASTY, NASTY)], NASTY).read_text()
    assert r"\u202e" in page and "\u202e" not in page and "\x1b" not in page and "<img src=x" not in page


def test_an_error_in_a_notebook_shows_no_escape_sequence():
    """What JupyterLab would colour or link stays text; so does a verdict."""
    from mlbot.gates.record import Shown
    assert_quiet(MlbotError(NASTY, NASTY)._render_traceback_()[0])
    assert_quiet(Shown(nasty_verdicts()[0])._repr_mimebundle_()["text/plain"])


def test_a_number_stands_for_a_character_as_json_has_it():
    """JSON that is printed stays JSON; lines and tabs stay; joined emoji and Hindi are not touched."""
    assert json.loads(shown(json.dumps("\x7f\u202e\U000e0041x", ensure_ascii=False))) == "\x7f\u202e\U000e0041x"
    assert shown("a\r\n\tb 👩‍🚀 क्‍ष") == "a\n\tb 👩‍🚀 क्‍ष" and shown("\rb") == r"\u000db"
    assert len(shown("\n" * 100_000 + "x" * 100_000)) == 200_000 and len(without_secrets("a." * 100_000 + "=")) == 200_001


@given(st.lists(st.text(st.sampled_from("'=+-@\t a1,\"x"), min_size=1, max_size=6), min_size=1, max_size=4))
@example(["=cmd()", "'=cmd()", "''-1", "@x", "'quoted'", "\tx", "-"])
def test_no_formula_in_train_csv_or_test_csv_is_live_and_all_texts_come_back(texts):
    """Tables of a run are opened by people, too; the pipeline reads exactly what it has written."""
    import csv
    import tempfile
    from pathlib import Path

    import pandas as pd

    from mlbot.run.folder import load_table, save_table
    with tempfile.TemporaryDirectory() as folder:
        for name in ("train", "test"):
            file = Path(folder) / f"{name}.csv"
            save_table(pd.DataFrame({"=text": texts, "digest": pd.Series(range(len(texts)), dtype="uint64")}), file)
            with open(file, newline="") as handle:
                cells = [cell for row in csv.reader(handle) for cell in row]
            assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell]
            back = load_table(file)
            assert back["=text"].tolist() == texts and list(back) == ["=text", "digest"]


def test_escape_sequences_and_commands_in_who_why_and_file_names_are_shown(tmp_path, monkeypatch):
    """Whatever a command prints passes one place; what is meant as a command to a build server goes past it."""
    import io
    import sys

    from mlbot.cli import main as cli
    from mlbot.cli.shared import tell_build_server
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.ini").write_text("[data]\nsource = sample\n")

    def nasty(options) -> int:
        print("who:", NASTY, "why:", NASTY, f"at {tmp_path}/{NASTY}.csv")
        print("", "::error::x", sep="\n")
        sys.stdout.writelines([":", ":error::y\n", "#", "#[group]z\n"])
        tell_build_server(["::notice::ours"])
        print("s3://ann:pa/ss@bucket/x?token=abc")
        raise InputError(NASTY, "an address", "do it", "postgresql://ann:secret1@db")
    found = cli.argparse.Namespace(call=nasty)
    monkeypatch.setattr(cli.argparse.ArgumentParser, "parse_known_args", lambda *_, **__: (found, []))
    assert cli.main(["models"]) == 2 and sys.stdout is out and sys.stderr is err
    lines = [line for line in out.getvalue().split("\n") if line != "::notice::ours"]
    assert len(lines) == out.getvalue().count("\n")  # ours stood on a line of its own
    assert_quiet("\n".join(lines))
    assert_quiet(err.getvalue())
    assert not re.search("pa/ss|=abc|secret1", out.getvalue() + err.getvalue())


def test_each_command_prints_through_the_console(mlbot, tmp_path, monkeypatch):
    """A real one: the name of a file that is not there, and an unknown word."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.ini").write_text("[data]\nsource = sample\n")
    for words in (["data", "show", f"{NASTY[:60]}.csv".replace("/", "")], ["models", NASTY], ["run", "-p", NASTY],
                  ["waive", "x", "--why", NASTY, "--until", NASTY]):
        done = mlbot(*[word.replace("\ud800", "") for word in words])
        assert done.returncode == 2 and done.stderr, words
        assert_quiet(done.stdout + done.stderr)


def test_no_password_leaves_by_settings_sources_or_places(mlbot, tmp_path, monkeypatch):
    """An address with a secret is refused where it would be kept: nothing of it is in any file, or printed."""
    monkeypatch.chdir(tmp_path)
    evil = "s3://ann:zqpw/zq@bucket/x?token=zqtokenzq"
    for section, name in (("data", "source"), ("places", "data"), ("places", "carried"), ("places", "cache"),
                          ("model", "encoder"), ("data", "production"), ("work", "workers")):
        (tmp_path / "settings.ini").write_text(f"[{section}]\n{name} = {evil}\n")
        done = mlbot("run")
        assert done.returncode == 2 and f"{name} holds a password or a key" in done.stderr, (name, done.stderr)
        assert "zq" not in done.stdout + done.stderr
    (tmp_path / "settings.ini").write_text("[data]\nsource = sample\n")
    for words in (["run", "--data", evil], ["data", "show", evil], ["models", "--push", evil], ["models", "--pull", evil],
                  ["run", "--production", evil]):
        done = mlbot(*words)
        assert done.returncode == 2 and "zq" not in done.stdout + done.stderr, (words, done)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"zq" in path.read_bytes()]


def test_the_log_of_a_run_and_mlflow_get_no_secret_and_no_line_of_somebody_else(tmp_path):
    """A problem of several lines is set in, so that none of them looks like one of ours."""
    from mlbot.run.folder import save_json
    from mlbot.run.pipeline import write_log
    from mlbot.run.tracking import params_of
    write_log(tmp_path, "starts with {'data': 's3://b/x?sig=abcd'}",
              MlbotError("x\n00:00:00 4_release.ipynb starts with {}", NASTY))
    text = (tmp_path / "run.log").read_text()
    assert_quiet(text)
    assert "abcd" not in text and len(re.findall(r"(?m)^\d\d:", text)) == 2
    save_json({"source": "s3://ann:pw@b/x?sig=abcd", "context": [], "model": {}}, tmp_path / "prepare.json")
    assert params_of(tmp_path)["source"] == "s3://ann:***@b/x?sig=***"
