"""The service under attack: each test is one way in that was open, and others of its kind."""

import asyncio
import base64
import io
import json
import os
import shutil
import sqlite3
import threading
import time
from contextlib import ExitStack, redirect_stderr
from dataclasses import replace

import httpx
import pytest

from mlbot.bot.catalogue import Slot, compiled, read_catalogue, read_value
from mlbot.bot.conversation import MOST_OPEN_CASES, Bot
from mlbot.bot.events import Event, EventLog, LogError
from mlbot.bot.frames import Act
from mlbot.bot.identity import DEMO, DOORS, Identity, Refused, claims_of, encode_claims, exact_name, identify, sign
from mlbot.errors import InputError
from mlbot.serve.app import AGENTS, OPEN, THEIRS, demo_agent, demo_identity
from mlbot.serve.service import (
    App,
    BotService,
    Hosts,
    LazyApp,
    Metrics,
    Recorder,
    alert_of,
    body_problem,
    check_ready,
    problems_of,
    renew_tokens,
)
from mlbot.serve.talk import build_application
from mlbot.settings import load_settings

SECRET, HOUR = "a secret of more than 16 characters", 3600.0
SETTINGS = "[data]\nsource = sample\n[service]\nper_caller = 100000\n"
TEXT = {"text": "I need a new card"}


class Inside:
    """A service within this process: all of it but the socket."""

    def __init__(self, root, text: str = SETTINGS, demo: bool = False):
        (root / "settings.ini").write_text(text)
        self.backend = BotService(load_settings(root), demo)
        self.backend.live.follow()
        later = LazyApp(lambda: None)
        later.app = build_application(self.backend)
        later.there.set()
        self.front = App(self.backend, later)

    def ask(self, method: str, path: str, address: str = "10.0.0.1", **request) -> httpx.Response:
        """One request."""

        async def asked():
            transport = httpx.ASGITransport(self.front, client=(address, 1), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **request)

        return asyncio.run(asked())

    def bears(self, name: str = "ada", agent: bool = False, **how) -> dict:
        """The header of somebody who is signed in."""
        token = sign(Identity(name, "sales", "de", agent, time.time() + HOUR), self.backend.secret, **how)
        return {"authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def root(green_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacked")
    shutil.copytree(green_run / "models", folder / "models")
    return folder


@pytest.fixture(scope="module")
def inside(root):
    found = Inside(root)
    yield found
    found.backend.log.close()


# Tokens and names


@pytest.mark.parametrize(
    "claim, value",
    [
        ("mode", DEMO),
        ("mode", ""),
        ("mode", None),
        ("audience", "staging"),
        ("audience", ["mlbot"]),
        ("audience", "MLBOT"),
        ("issuer", "intranet"),
        ("issuer", None),
        ("kind", "program"),
        ("kind", "AGENT"),
        ("kind", True),
        ("expires", 1.0),
        ("expires", float("nan")),
        ("expires", float("inf")),
        ("expires", "9999999999"),
        ("expires", True),
        ("person", ""),
        ("person", ["ada"]),
        ("person", None),
        ("role", None),
        ("person", "x" * 300),
    ],
)
def test_a_token_is_refused_unless_each_of_its_claims_is_right(claim, value):
    """Mode, audience, issuer, kind, names and expiry are all signed, and all checked."""
    ada = Identity("ada", "sales", "de", expires=100.0)
    assert identify(encode_claims(claims_of(ada), SECRET), SECRET, 50.0) == ada
    with pytest.raises(Refused):
        identify(encode_claims({**claims_of(ada), claim: value}, SECRET), SECRET, 50.0)
    short = {name: told for name, told in claims_of(ada).items() if name != claim}
    with pytest.raises(Refused):
        identify(encode_claims(short, SECRET), SECRET, 50.0)


def test_a_token_of_the_demo_is_worth_nothing_in_the_real_service(root, tmp_path):
    """It was valid there for twelve hours. The demo itself takes it, and one of the real service, too."""
    (root / "events").mkdir(exist_ok=True)
    demo, real = Inside(root, demo=True), Inside(root)
    try:
        for kind, path in (("identity", "/v1/conversations"), ("agent", "/v1/handoffs")):
            token = {"authorization": f"Bearer {demo.ask('POST', f'/demo/{kind}', json={'name': 'Eve'}).json()['token']}"}
            method = "POST" if kind == "identity" else "GET"
            assert demo.ask(method, path, headers=token).status_code in (200, 201)
            refused = real.ask(method, path, headers=token)
            assert refused.status_code == 401 and "mode" in refused.json()["detail"]
        assert real.ask("POST", "/demo/agent", json={}).status_code == 404
        assert demo.ask("POST", "/v1/conversations", headers=real.bears()).status_code == 201
    finally:
        demo.backend.log.close()
        real.backend.log.close()


def test_no_other_algorithm_no_other_shape():
    """What other kinds of tokens allow: an algorithm of their own choice, none at all, parts too many, other base64."""
    ada = sign(Identity("ada", expires=100.0), SECRET)
    body, signed = ada.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for token in (
        f"{none}.{body}.",
        f"{none}.{body}.{signed}",
        f"{body}.",
        f".{signed}",
        f"{ada}.",
        f"{ada}=",
        f" {ada}",
        body,
        f"{body}=.{signed}",
        f"{body}.{signed[:-1]}",
        ada.upper(),
        "." * 9,
        "\xff.\xff",
        f"{body}.{signed}\n",
    ):
        with pytest.raises(Refused):
            identify(token, SECRET, 50.0)
    deep = base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=")
    from mlbot.bot.identity import signature

    with pytest.raises(Refused):
        identify(f"{deep}.{signature(deep, SECRET)}", SECRET, 50.0)


def test_one_kind_of_token_does_not_open_the_door_of_another(root):
    """Of a program, a person and an agent each opens what `DOORS` says, and the secrets of calls open nothing."""
    (root / "events").mkdir(exist_ok=True)
    (root / "events" / "tokens").write_text("a-program-0123456789\n")
    one = Inside(root, SETTINGS + "predict = token\n")
    from mlbot.bot.identity import webhook_secret

    bearers = {
        "program": {"authorization": "Bearer a-program-0123456789"},
        "person": one.bears(),
        "agent": one.bears("Grace", True),
        "calls": {"authorization": f"Bearer {webhook_secret(one.backend.secret)}"},
        "secret": {"authorization": f"Bearer {one.backend.secret}"},
    }
    doors = {
        "predictions": lambda headers: one.ask("POST", "/v1/predict", json=TEXT, headers=headers),
        "chat": lambda headers: one.ask("POST", "/v1/conversations", headers=headers),
        "desk": lambda headers: one.ask("GET", "/v1/labels/next", headers=headers),
    }
    try:
        for door, ask in doors.items():
            let_in = {kind for kind, headers in bearers.items() if ask(headers).status_code < 300}
            assert let_in == set(DOORS[door]), door
    finally:
        one.backend.log.close()
        (root / "events" / "tokens").unlink()


@pytest.mark.parametrize(
    "name",
    [
        "ａｎｎ",
        "a\u200bnn",
        "ann\u00ad",
        " ann",
        "ann ",
        "a  nn",
        "ann\x00",
        "ann\n",
        "\u202eann",
        "ﬁnn",
        "a\ud800",
        "ann\ufeff",
        "e\u0301va",
    ],
)
def test_a_name_in_another_spelling_that_looks_the_same_is_refused_at_the_door(name):
    """Full-width, zero-width and other spellings were one person's conversations by accident."""
    with pytest.raises(InputError):
        sign(Identity(name, expires=100.0), SECRET)
    with pytest.raises(InputError):
        sign(Identity("ann", role=name, expires=100.0), SECRET)
    for claim in ("person", "role", "location"):
        with pytest.raises(Refused):
            identify(encode_claims({**claims_of(Identity("ann", expires=100.0)), claim: name}, SECRET), SECRET, 50.0)


def test_ann_and_ANN_are_two_people_and_neither_reads_the_other(inside):
    """Whoever may choose a name must not reach somebody else's conversations by its case."""
    talk = inside.ask("POST", "/v1/conversations", headers=inside.bears("ann")).json()["conversation_id"]
    path = f"/v1/conversations/{talk}/messages"
    act = {"key": "1", "text": "hello"}
    assert inside.ask("GET", path, headers=inside.bears("ann")).status_code == 200
    for name in ("ANN", "Ann", "anne"):
        assert inside.ask("GET", path, headers=inside.bears(name)).status_code == 404
        assert inside.ask("POST", path, headers=inside.bears(name), json=act).status_code == 404
    assert (
        inside.ask("POST", "/v1/conversations", headers=inside.bears("ann", True)).status_code == 403
    )  # an agent is nobody here
    opened = inside.backend.log.read(("opened",), about=talk)[0]
    assert opened.body["spelt"] == exact_name("ann") and "ann" not in json.dumps(opened.body)


# Patterns, and our own regular expressions


def seconds(work, text: str) -> float:
    """Of this thread alone, the least of some measures: what else the machine does counts for nothing."""
    times = []
    for _ in range(4):
        start = time.thread_time()
        work(text)
        times.append(time.thread_time() - start)
    return min(times)


def grows_no_faster(work, text) -> bool:
    """Whether work on eight times the text takes about eight times as long; quadratic work takes 64 times as long."""
    for size in (2_000, 10_000):
        small, large = seconds(work, text(size)), seconds(work, text(8 * size))
        if small > 5e-4 and large > 45 * small:
            return False
    return True


FREEZES = (
    "([A-Za-z]+[0-9]*)+-[0-9]{4}",
    "(a+)+$",
    "(a|aa)+b",
    "(.*)*x",
    "(a|a)*c",
    "([a-z]+)*=",
    "(\\w+\\s?)+:",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
)


@pytest.mark.parametrize("pattern", FREEZES)
def test_a_slot_pattern_of_the_catalogue_runs_in_linear_time(pattern):
    """With 26 letters the first one froze the service for 21 seconds."""
    slot = Slot("code", "pattern", pattern=pattern, wanted="a code")
    assert read_value(slot, "a" * 26 + "!") is None and read_value(slot, "a" * 200) in (None, "a" * 200)
    assert grows_no_faster(compiled(pattern).fullmatch, lambda size: "a" * size + "!")


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)a",
        "(?<!a)b",
        r"(a)\1",
        "(?P<x>a)(?P=x)",
        "(?>a+)b",
        "a{2000}",
        "a{,3}",
        "[",
        "a" * 600,
        "(",
        "*",
        r"\Z",
        "(?(1)a|b)",
        "(((a{50}){50}){50})",
        r"\8",
    ],
)
def test_a_pattern_that_cannot_run_in_linear_time_is_refused_when_it_is_read(pattern, tmp_path):
    """In six lines at most, with the process and the slot."""
    file = tmp_path / "processes.toml"
    file.write_text(
        f"[car_pass]\nslots = ['plate']\n[car_pass.slot.plate]\nkind = 'pattern'\nwanted = 'x'\npattern = '''{pattern}'''\n"
    )
    with pytest.raises(InputError, match=r"\[car_pass.slot.plate\]") as problem:
        read_catalogue(file)
    assert len(str(problem.value).splitlines()) <= 6 and str(file) in str(problem.value)


@pytest.mark.parametrize(
    "part",
    [
        "a",
        "a ",
        "1",
        "1 ",
        "+1",
        "+1 ",
        "(0",
        "a@",
        "@",
        "a.",
        "a@a.",
        "a-",
        "DE12",
        "DE12 1234 ",
        "hi ",
        "my name is ",
        "a person ",
        "\u0301",
        "'",
        ",1",
        "İ",
        "€",
    ],
)
def test_our_own_regular_expressions_run_in_linear_time(part):
    """Measured by how the time grows, of texts and of values of slots, which have 200 characters at most."""
    from mlbot.bot.forms import clauses_of, is_sentence, wishes_in
    from mlbot.bot.manners import begs_person, wants_person
    from mlbot.bot.small_talk import hear_small_talk
    from mlbot.text.clean import clean, key

    for work in (clean, key, wants_person, begs_person, hear_small_talk, clauses_of, lambda text: is_sentence(text, "fr"),
                 lambda text: wishes_in(text, "de")):
        assert grows_no_faster(work, lambda size: (part * size)[: size // 4]), work
    for kind in ("number", "date", "email", "choice"):
        slot = Slot("x", kind, options=("a", "b") if kind == "choice" else ())
        assert grows_no_faster(lambda text, slot=slot: read_value(slot, text[:200]), lambda size: part * size)


# The event loop


QUICK = {
    "livez",
    "readyz",
    "v2 live",
    "v2 ready",
    "v2 model",
    "v2 model ready",
    "start",
    "openapi",
    "demo identity",
    "demo agent",
    "v2 infer",
    "request told",
}


def test_nothing_slow_runs_in_the_event_loop():
    """Each route runs in a thread, but for those that look into memory only, and two that send their work to one."""
    handlers = [*OPEN, *THEIRS, *AGENTS, demo_identity, demo_agent]
    assert {handler.name for handler in handlers if not handler.sync_to_thread} == QUICK


@pytest.mark.parametrize(
    "path, body",
    [
        ("/v2/models/mlbot/infer", {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a card"]}]}),
        ("/v1/predict", {"text": "card " * 400}),
    ],
)
def test_long_work_leaves_the_event_loop_free(inside, monkeypatch, path, body):
    """While a model thinks, others are answered: it thinks in another thread."""
    model, there = inside.backend.live.current, []
    thinks = model.predict
    monkeypatch.setattr(
        model, "predict", lambda *text, **context: there.append(threading.current_thread()) or thinks(*text, **context)
    )
    assert inside.ask("POST", path, json=body).status_code == 200
    assert there and threading.main_thread() not in there


def test_the_catalogue_is_not_read_while_somebody_waits(inside, monkeypatch):
    """It is read in the thread that follows the champion, and a mistake in it is an alert."""
    from mlbot.serve import service as _house

    monkeypatch.setattr(_house, "load_catalogue", lambda *settings: 1 / 0)
    assert inside.ask("GET", "/v1/intents").status_code == 200
    assert inside.ask("POST", "/v1/predict", json=TEXT).status_code == 200

    def broken(*settings):
        raise InputError("a pattern", "another", "mend it")

    before = inside.backend.processes()
    monkeypatch.setattr(_house, "load_catalogue", broken)
    inside.backend.know_processes()
    assert "catalogue_unreadable" in problems_of(inside.backend) and inside.backend.processes() == before
    monkeypatch.undo()
    inside.backend.know_processes()
    assert alert_of(inside.backend) == ""


# The Open Inference Protocol


def tensor(data, shape=None, kind="BYTES", name="text", **more) -> dict:
    """An input."""
    return {"name": name, "shape": shape or [len(data)], "datatype": kind, "data": data, **more}


GOOD = {
    "an id that is null": ({"id": None, "inputs": [tensor(["a card"])]}, [1], None),
    "an id": ({"id": "7 x", "inputs": [tensor(["a card"])]}, [1], "7 x"),
    "a column": ({"inputs": [tensor(["a card", "a room"], [2, 1])]}, [2, 1], None),
    "nested": ({"inputs": [tensor([["a card"], ["a room"]], [2, 1])]}, [2, 1], None),
    "base64": (
        {"inputs": [tensor([base64.b64encode(b"a card").decode()], parameters={"content_type": "base64"})]},
        [1],
        None,
    ),
    "parameters that nobody knows": (
        {"parameters": {"priority": 3, "x": None}, "inputs": [tensor(["a card"], parameters={"y": 1})]},
        [1],
        None,
    ),
    "context": ({"inputs": [tensor(["a card"]), tensor(["sales"], name="role")]}, [1], None),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_request_of_the_open_inference_protocol_is_answered_by_its_rules(inside, case):
    """Ids come back as they came, or not at all; the shape of the answer is that of the texts; versions have paths."""
    body, shape, name = GOOD[case]
    model = inside.backend.live.current.name
    for place in ("/v2/models/mlbot", f"/v2/models/{model}", f"/v2/models/mlbot/versions/{model}"):
        got = inside.ask("POST", f"{place}/infer", json=body)
        told = got.json()
        assert got.status_code == 200 and told.get("id") == name and ("id" in told) == (name is not None), got.text
        assert [(output["name"], output["shape"]) for output in told["outputs"]] == [("intent", shape), ("confidence", shape)]
        assert told["model_version"] == model


BAD = {
    "null": tensor([None]),
    "a number": tensor([5]),
    "nested texts": tensor([["a"]]),
    "nested twice": tensor([[["a"]]], [1, 1]),
    "a shape too large": tensor(["a"], [2]),
    "a shape too small": tensor(["a", "b"], [1]),
    "no shape": tensor(["a"], [[]]),
    "a negative shape": tensor(["a"], [-1]),
    "a shape of texts": tensor(["a"], ["1"]),
    "a shape of truth": tensor(["a"], [True]),
    "a huge shape": tensor(["a"], [2**70]),
    "two columns": tensor(["a", "b"], [1, 2]),
    "FP32": tensor([1.0], kind="FP32"),
    "INT64": tensor([1], kind="INT64"),
    "bytes in small letters": tensor(["a"], kind="bytes"),
    "no data": tensor([], [0]),
    "an unknown tensor": tensor(["a"], name="planet"),
    "a tensor that nobody sent": tensor(["a"], name="role"),
    "no base64": tensor(["ä"], parameters={"content_type": "base64"}),
    "base64 of no UTF-8": tensor(["/w=="], parameters={"content_type": "base64"}),
    "another content type": tensor(["a"], parameters={"content_type": "np"}),
    "an empty text": tensor([" "]),
    "bytes that did not come": tensor(["a"], parameters={"binary_data_size": 5}),
    "a size below 0": tensor(["a"], parameters={"binary_data_size": -1}),
    "data that is a text": {**tensor(["a"]), "data": "a"},
    "no data at all": {"name": "text", "shape": [1], "datatype": "BYTES"},
    "half of a character": tensor(["\ud800"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_tensor_that_could_be_taken_in_two_ways_is_refused(inside, case):
    """400 with the protocol's `error`, and no text of the request in it; the next request is answered."""
    got = inside.ask(
        "POST",
        "/v2/models/mlbot/infer",
        content=json.dumps({"inputs": [BAD[case]]}),
        headers={"content-type": "application/json"},
    )
    assert got.status_code == 400 and isinstance(got.json()["error"], str) and got.json()["error"], got.text
    assert inside.ask("POST", "/v2/models/mlbot/infer", json=GOOD["an id"][0]).status_code == 200


@pytest.mark.parametrize(
    "header, body",
    [
        ("x", b""),
        ("-1", b""),
        ("999999", b"{}"),
        ("2", b"[]"),
        ("1e3", b"{}"),
        ("\u0662", b"{}"),
        ("2", b"{}tail"),
        ("", json.dumps({"inputs": [tensor(["a"])]}).encode() + b"tail"),
        ("", b"\xff"),
        ("", b"[" * 50_000),
        ("", b""),
    ],
)
def test_a_binary_request_that_does_not_add_up_is_refused(inside, header, body):
    headers = {"content-type": "application/octet-stream"} | (
        {"inference-header-content-length": header.encode()} if header else {}
    )
    got = inside.ask("POST", "/v2/models/mlbot/infer", content=body, headers=headers)
    assert got.status_code == 400 and got.json()["error"], got.text


def test_errors_of_the_protocol_have_its_shape_wherever_they_come_from(inside):
    """Another model, another version, another path, method or kind of body, outputs that are not there."""
    outputs = {"inputs": [tensor(["a"])], "outputs": [{"name": "planet"}]}
    twice = {"inputs": [tensor(["a"])] * 2}
    for method, path, more, status in (
        ("GET", "/v2/models/other", {}, 404),
        ("GET", "/v2/models/mlbot/versions/7", {}, 404),
        ("GET", "/v2/models/mlbot/versions/7/ready", {}, 404),
        ("GET", "/v2/models/mlbot/config", {}, 404),
        ("GET", "/v2/models/mlbot/infer", {}, 405),
        ("POST", "/v2/models/mlbot/infer", {"content": "{}", "headers": {"content-type": "text/plain"}}, 415),
        (
            "POST",
            "/v2/models/mlbot/infer",
            {"content": "{}", "headers": {"content-type": "application/json", "content-encoding": "gzip"}},
            415,
        ),
        ("POST", "/v2/models/mlbot/infer", {"json": outputs}, 400),
        ("POST", "/v2/models/mlbot/infer", {"json": twice}, 400),
        ("POST", "/v2/models/mlbot/infer", {"json": {"inputs": []}}, 400),
    ):
        got = inside.ask(method, path, **more)
        assert got.status_code == status and isinstance(got.json()["error"], str), (path, got.text)


# What a browser may be made to send


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/jsonx",
        "application/octet-stream",
    ],
)
def test_a_body_that_is_not_called_json_is_refused(inside, kind):
    """A page of another site may send text/plain, and a body of no kind, without asking; on each route that reads one."""
    for path in ("/v1/predict", "/v1/feedback", "/v1/conversations/x/messages", "/v1/labels", "/v1/handoffs/x/messages"):
        headers = {**inside.bears(), **({"content-type": kind} if kind else {})}
        for body in (json.dumps(TEXT).encode(), iter([b"{}"])):
            async_body = body if isinstance(body, bytes) else in_parts(body)
            got = inside.ask("POST", path, content=async_body, headers=headers)
            assert got.status_code == 415 and got.json()["status"] == 415, (path, got.text)
    assert body_problem("POST", "/x", {b"content-type": b"Application/JSON; charset=utf-8", b"content-length": b"2"}) == ""


@pytest.mark.parametrize(
    "name, values",
    [
        ("host", ("localhost", "localhost")),
        ("host", ("localhost", "evil.example")),
        ("content-type", ("text/plain", "application/json")),
        ("content-encoding", ("gzip", "identity")),
        ("authorization", ("Bearer a.b", "Bearer c.d")),
    ],
)
def test_a_header_that_comes_twice_says_nothing_that_can_be_believed(inside, name, values):
    """A proxy may read the first and the service the last: `text/plain` came through beside `application/json`."""
    headers = [("host", "localhost"), ("content-type", "application/json"), *((name, value) for value in values)]
    headers = [pair for at, pair in enumerate(headers) if pair[0] != name or at > 1]
    got = inside.ask("POST", "/v1/predict", content=json.dumps(TEXT), headers=headers)
    assert got.status_code in (400, 421) and got.json()["detail"]


def test_long_looks_through_the_log_leave_room_for_others(inside):
    """Only so many monitor pages, exports and queues of labels are made at once; one more is told to come back."""
    from mlbot.serve.service import one_of_few

    with pytest.raises(InputError, match="others look"), ExitStack() as places:
        for _ in range(5):
            places.enter_context(one_of_few(inside.backend.heavy, 0.0))
    assert inside.ask("GET", "/v1/labels/export", headers=inside.bears("Grace", True)).status_code == 200


def test_only_one_document_of_the_routes_is_made_and_once(inside):
    """The framework would make another one under /schema in the event loop, for whoever asks."""
    assert inside.ask("GET", "/openapi.json").json()["paths"] and inside.ask("GET", "/schema").status_code == 404
    assert inside.ask("GET", "/schema/openapi.json").status_code == 404
    assert body_problem("POST", "/x", {b"transfer-encoding": b"gzip, chunked", b"content-type": b"application/json"}) != ""


async def in_parts(parts):
    """A body without a length."""
    for part in parts:
        yield part


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:80",
        "",
        "localhost@evil.example",
        "10.9.9.9",
        "[::2]",
        "0.0.0.0",
    ],
)
def test_a_request_for_another_host_is_refused(inside, host):
    """A foreign name that leads here (DNS rebinding) reads nothing: not pages, not predictions, not the demo."""
    for method, path in (
        ("GET", "/v1/intents"),
        ("POST", "/v1/predict"),
        ("GET", "/web/index.html"),
        ("GET", "/openapi.json"),
        ("GET", "/v2"),
    ):
        body = {"json": TEXT} if method == "POST" else {}
        got = inside.ask(method, path, headers={"host": host}, **body)
        assert got.status_code == 421 and "hosts in settings.ini" in got.json()["action"], got.text
    assert inside.ask("GET", "/livez", headers={"host": host}).status_code == 200  # a probe calls by address


def test_names_of_the_service_come_from_the_settings(root):
    """`hosts`, the host that it listens on, and any name where that is what somebody wants."""
    server = ("10.0.0.7", 8000)
    for names, host, known in (
        (("bot.example",), b"bot.example:443", True),
        (("*",), b"whatever", True),
        (("10.0.0.7",), b"10.0.0.7", True),
        ((), b"bot.example", False),
        (("bot.example",), b"sub.bot.example", False),
        (("[2001:db8::1]",), b"[2001:db8::1]:80", True),
    ):
        assert Hosts(names).know(host, server) == known
    one = Inside(root, SETTINGS + "hosts = bot.example\nhost = 0.0.0.0\n")
    assert one.ask("GET", "/v1/intents", headers={"host": "bot.example"}).status_code == 200
    assert one.ask("GET", "/v1/intents", headers={"host": "0.0.0.0"}).status_code == 421
    one.backend.log.close()


# Floods


def test_one_person_opens_a_few_handovers_and_no_more(inside):
    """It was 250 a second. Whoever waits is told so, the bot goes on, and others are handed over."""
    ada, talks = inside.bears("greedy"), []
    for number in range(2 * MOST_OPEN_CASES):
        talk = inside.ask("POST", "/v1/conversations", headers=ada).json()["conversation_id"]
        talks.append(inside.ask("POST", f"/v1/conversations/{talk}/handoff", headers=ada, json={"key": str(number)}).json())
    assert [talk["owner"] for talk in talks] == ["queue"] * MOST_OPEN_CASES + ["bot"] * MOST_OPEN_CASES
    assert "other conversations" in talks[-1]["messages"][-1]["text"]
    bob = inside.bears("bob")
    talk = inside.ask("POST", "/v1/conversations", headers=bob).json()["conversation_id"]
    assert (
        inside.ask(
            "POST", f"/v1/conversations/{talk}/messages", headers=bob, json={"key": "1", "text": "a human please"}
        ).json()["owner"]
        == "queue"
    )


def test_handovers_that_are_asked_for_at_the_same_time_are_counted_too(inside, tmp_path):
    """Each in a thread of its own, as requests are."""
    model = inside.backend.live.current
    bot = Bot(EventLog(tmp_path / "events.db"), lambda about: model, dict, inside.backend.settings.costs)
    ada = Identity("ada")
    talks = [bot.start(ada).id for _ in range(3 * MOST_OPEN_CASES)]
    threads = [threading.Thread(target=bot.act, args=(talk, ada, Act(person=True), "1")) for talk in talks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(bot.read(talk, ada).state.owner == "queue" for talk in talks) == MOST_OPEN_CASES
    bot.log.close()


def test_one_person_is_limited_on_however_many_addresses_and_one_address_for_however_many_people(root):
    """Conversations, messages and labels by person; feedback by address; nobody else is held up."""
    one = Inside(root, SETTINGS.replace("100000", "200"))
    for buckets in vars(one.backend.limits).values():
        buckets.clock = float  # time stands still: no bucket fills while the test asks
    try:
        grace = one.bears("Grace", True)
        codes = [
            one.ask("POST", "/v1/labels", f"10.0.{at}.1", headers=grace, json={"id": "e1", "intent": "oos"}).status_code
            for at in range(40)
        ]
        assert codes == [404] * 20 + [429] * 20
        assert one.ask("GET", "/v1/labels/next", headers=one.bears("Linus", True)).status_code == 200
        starts = [one.ask("POST", "/v1/conversations", f"10.1.{at}.1", headers=one.bears("ada")) for at in range(14)]
        assert [start.status_code for start in starts].count(201) == 10 and starts[-1].headers["retry-after"] == "1"
        assert one.ask("POST", "/v1/conversations", headers=one.bears("bob")).status_code == 201
        words = [
            one.ask("POST", "/v1/feedback", "10.2.0.1", json={"request_id": "r", "useful": True}).status_code
            for _ in range(40)
        ]
        assert (
            429 in words
            and one.ask("POST", "/v1/feedback", "10.2.0.2", json={"request_id": "r", "useful": True}).status_code == 404
        )
    finally:
        one.backend.log.close()


def test_a_proxy_that_is_named_does_not_make_one_caller_of_all(root):
    """The limit of an address holds for the address that the proxy names, and nobody else is believed."""
    one = Inside(root, SETTINGS.replace("100000", "3") + "proxies = 10.0.0.2\n")
    try:

        def codes(address, **headers):
            return [one.ask("GET", "/v1/intents", address, headers=headers).status_code for _ in range(8)]

        assert 429 in codes("10.0.0.2", **{"x-forwarded-for": "6.6.6.6, 1.2.3.4"})
        assert codes("10.0.0.2", **{"x-forwarded-for": "1.2.3.5"})[0] == 200  # through the same proxy
        assert 429 in codes("10.0.0.3", **{"x-forwarded-for": "1.2.3.6"})
        assert codes("10.0.0.3", **{"x-forwarded-for": "1.2.3.7"}) == [429] * 8  # which it says of itself
    finally:
        one.backend.log.close()


def test_a_flood_of_anonymous_requests_pushes_nobody_out_of_the_label_queue(root, tmp_path):
    """Six thousand messages from one address come after ten of people and three of a program: those are offered, and soon."""
    one = Inside(root, SETTINGS + f"events = {tmp_path}/flood/events.db\n")
    try:
        ada = one.bears("ada")
        talk = one.ask("POST", "/v1/conversations", headers=ada).json()["conversation_id"]
        for number in range(10):
            wish = {"key": str(number), "text": f"how do I get my badge number {number}"}
            assert one.ask("POST", f"/v1/conversations/{talk}/messages", headers=ada, json=wish).status_code == 200
        for number in range(3):
            one.ask("POST", "/v1/predict", "10.3.0.1", json={"text": f"a wish of the intranet {number}"})
        from mlbot.serve.service import Ask, prediction_for

        for number in range(6_000):
            prediction_for(one.backend, Ask(f"qwfp zxcv {number}"), "6.6.6.6")
            if number % 500 == 0:
                one.backend.recorder.flush()
        found = one.ask("GET", "/v1/labels/next?count=200", headers=one.bears("Grace", True)).json()["items"]
        texts = [item["text"] for item in found]
        assert all(f"a wish of the intranet {number}" in texts for number in range(3))
        assert sum("badge" in text for text in texts[:60]) >= 5 and sum("badge" in text for text in texts) == 10
        assert sum("qwfp" in text for text in texts) <= 187
        kinds = [event.kind for event in one.backend.log.read(("asked", "asked.more"))]
        assert kinds.count("asked") == 103 and len(kinds) == 6_003  # all are kept and monitored
        body = one.backend.log.read(("asked.more",), last=1)[0].body
        assert "6.6.6.6" not in json.dumps(body) and body["source"]
    finally:
        one.backend.log.close()


# Work in the background


def test_work_in_the_background_begins_again_whatever_goes_wrong():
    """Not even a SystemExit ends the thread: it is counted, reported and tried again, whatever the reporter does."""
    from mlbot.model.rollout import Repeated

    tries, told, done = [], [], threading.Event()

    def work():
        tries.append(1)
        if len(tries) < 4:
            raise (TypeError, SystemExit, MemoryError)[len(tries) - 1]("secret words of a person")
        done.set()

    def failed(problem):
        told.append(type(problem))
        raise KeyError("of the reporter")

    found = Repeated("carrier", work, 0.001, failed)
    found.start()
    assert done.wait(10) and told == [TypeError, SystemExit, MemoryError]
    found.stop(5)
    assert found.alert == "" and not found.thread.is_alive()


def test_work_that_hangs_and_work_that_fails_are_seen_without_what_they_were_about():
    from mlbot.model.rollout import Repeated

    now, inside, go = [0.0], threading.Event(), threading.Event()
    hanging = Repeated("live", lambda: (inside.set(), go.wait(10)), 0.001, clock=lambda: now[0])
    hanging.start()
    assert inside.wait(5) and hanging.alert == ""
    now[0] = 500.0
    assert hanging.alert == "live has not returned for 500 s"
    go.set()
    hanging.stop(5)
    failing = Repeated("outbox", lambda: [][0], 1.0)
    assert not failing.once() and failing.alert == "outbox failed 1 times in a row (IndexError)" and failing.rest == 2.0


def test_every_thread_of_the_service_is_one_that_begins_again():
    """No module of the service starts a thread of its own beside `Repeated`."""
    import inspect

    import mlbot.model.rollout
    import mlbot.ops.replicate
    import mlbot.serve.outbox
    import mlbot.serve.service

    sources = "".join(map(inspect.getsource, (
        mlbot.ops.replicate, mlbot.serve.service, mlbot.model.rollout, mlbot.serve.outbox)))
    assert sources.count("threading.Thread(") == 1


def tiny(bias: float):
    """A small model."""
    import numpy as np

    from mlbot.model.artefact import build_artefact

    return build_artefact(
        ["badge", "leave"],
        [],
        {"words": ["badge", "leave"], "char_ngrams": []},
        {"weights": np.eye(2), "bias": np.array([bias, 0.0]), "idf": np.ones(2)},
        {"model": {"words": [1, 2], "characters": [1, 4]}},
    )


@pytest.mark.parametrize(
    "odd",
    [
        {"releases/00000002.json": b'{"when": "2026", "model": 5}'},
        {"releases/00000002.json": b'{"when": "2026", "model": ["x"]}'},
        {"trial.json": b'{"model": 5, "share": "x", "since": []}'},
        {"trial.json": b'{"model": null, "share": 0.1, "since": 1, "who": {}}'},
        {"trial.json": b"[]"},
    ],
)
def test_the_work_that_carries_models_outlives_an_object_of_any_kind(tmp_path, odd):
    """It died of a TypeError, and no release was taken over any more."""
    from mlbot.model.registry import release
    from mlbot.ops.replicate import Carrier, push
    from mlbot.storage import open_objects

    here, shared = tmp_path / "here", open_objects(tmp_path / "shared")
    first = release(tiny(0), here, {"who": "ann"}).name
    push(here, shared)
    carrier = Carrier(tmp_path / "there", str(tmp_path / "shared"), 1)
    assert carrier.look() == first
    for name, data in odd.items():
        shared.put(name, data)
    assert carrier.look() == "" and carrier.alert and "TypeError" not in carrier.alert
    for name in odd:
        shared.delete(name)
    second = release(tiny(1), here, {"who": "ann"}).name
    push(here, shared)
    assert carrier.look() == second and carrier.alert == ""


def test_an_error_of_ours_in_carrying_is_an_alert_and_not_the_end(tmp_path, monkeypatch):
    from mlbot.ops import replicate as carry

    monkeypatch.setattr(carry, "pull", lambda *places, **known: None + 1)
    carrier = carry.Carrier(tmp_path / "there", str(tmp_path / "shared"), 1)
    assert carrier.look() == "" and carrier.alert == "what is carried cannot be taken over: TypeError"


@pytest.mark.parametrize(
    "damage", ["{", "", "[5]", '[{"text": "x", "context": 5, "intent": "y", "confidence": 1}]', '{"a": 1}']
)
def test_damaged_golden_answers_are_mended_by_the_next_look_and_not_refused_for_ever(tmp_path, damage):
    """A server that takes models over fetches the file again, of a new model and of its champion."""
    from mlbot.model.registry import release
    from mlbot.model.rollout import Live, golden_file
    from mlbot.ops.replicate import Carrier, push
    from mlbot.storage import open_objects

    here, there = tmp_path / "here", tmp_path / "there"
    name = release(tiny(0), here, {"who": "ann"}).name
    golden_file(here, name).parent.mkdir()
    golden_file(here, name).write_text("[]")
    push(here, open_objects(tmp_path / "shared"))
    carrier = Carrier(there, str(tmp_path / "shared"), 1)
    golden_file(there, name).parent.mkdir(parents=True)
    golden_file(there, name).write_text(damage)
    assert carrier.look() == name and carrier.alert == ""
    golden_file(there, name).write_text(damage)
    live = Live(there)
    live.follow()
    assert live.problems.keys() == {"model_refused"}
    carrier.look()
    live._again = 0.0
    live.follow()
    assert live.current.name == name and not live.problems


@pytest.mark.parametrize(
    "facts",
    [
        {"model": {"words": [1, 10**9], "characters": [1, 4]}},
        {"model": {"words": [1, 2], "characters": [1, 10**9]}},
        {"model": {"words": [2, 1], "characters": [1, 4]}},
        {"model": {"words": [True, 2], "characters": [1, 4]}},
        {"model": {"words": [1, 2], "characters": [1, 4], "threshold": float("nan")}},
        {"model": {"words": [1, 2], "characters": [1, 4], "threshold": "0.3"}},
        {"max_characters": 10**12},
        {"max_characters": True},
        {"max_characters": 0},
        {"scope_threshold": 7},
        {"scope_rows": -1},
        {"scope_rows": "x"},
    ],
)
def test_a_manifest_is_held_to_limits_before_anything_is_done_with_it(tmp_path, facts):
    """`words: [1, 10**9]` hung whoever loaded the model. Its digests are right: the kind of each value is not."""
    from mlbot.model.artefact import build_artefact, read_artefact, write_artefact
    from mlbot.model.rollout import Live

    good = tiny(0)
    usual = {"model": {"words": [1, 2], "characters": [1, 4]}}
    odd = build_artefact(["badge", "leave"], [], good.vocabulary, good.weights, usual | facts)
    folder = write_artefact(odd, tmp_path / odd.name)
    with pytest.raises(InputError, match="wrong kind"):
        read_artefact(folder)
    (tmp_path / "champion").write_text(odd.name)
    live = Live(tmp_path)
    live.follow()
    assert live.current is None and list(live.problems) == ["model_refused"]


def test_one_process_that_cannot_be_called_does_not_keep_the_others(inside, tmp_path):
    """An event that nobody foresaw is an alert of the outbox; what else is due is called."""
    from mlbot.serve.outbox import Outbox

    model = inside.backend.live.current
    bot = Bot(EventLog(tmp_path / "events.db"), lambda about: model, dict, inside.backend.settings.costs)
    talk = bot.start(Identity("ada")).id
    good = {"conversation": talk, "process": "x", "slots": {}, "role": "", "location": "", "url": "", "title": "X"}
    bot.log.append(Event("process.asked", "p1", {"odd": 1}, once="run:p1"), Event("process.asked", "p2", good, once="run:p2"))
    box = Outbox(bot, "whsec_" + base64.b64encode(b"x" * 32).decode(), ())
    assert not box.once() and box.work.alert and [event.about for event in bot.log.read(("process.done",))] == ["p2"]
    bot.log.close()


def test_predictions_wait_for_a_log_that_is_away_and_a_broken_one_is_left_out(tmp_path):
    """What could not be written is written later; what can never be written is counted, and alone is lost."""

    log, metrics = EventLog(tmp_path / "events.db"), Metrics()
    recorder = Recorder(log, metrics, most=50)
    for number in range(3):
        recorder.put(Event("asked", f"r{number}", {"text": object() if number == 1 else "x"}))
    append, log.append_many = log.append_many, lambda events: (_ for _ in ()).throw(LogError("away", "", ""))
    assert not recorder.work.once() and recorder.work.alert == "recorder failed 1 times in a row (LogError)"
    log.append_many = append
    assert recorder.work.once() and [event.about for event in log.read(("asked",))] == ["r0", "r2"]
    assert metrics.registry.get_sample_value("mlbot_events_lost_total") == 1
    for number in range(200):
        recorder.put(Event("asked", f"more{number}", {}))
    assert metrics.registry.get_sample_value("mlbot_events_lost_total") == 151
    log.close()


# Readiness


SAID = "a very private wish of somebody"


def test_readyz_says_codes_and_no_text(root, tmp_path):
    """It is open: no test text, no file, no address is in it. Agents see the words, and so does stderr, once."""
    shutil.copytree(root / "models", tmp_path / "models")
    name = (tmp_path / "models" / "champion").read_text().strip()
    golden = tmp_path / "models" / "golden" / f"{name}.json"
    golden.write_text(json.dumps([{"text": SAID, "context": {}, "intent": "no_such", "confidence": 1.0}]))
    one = Inside(tmp_path)
    try:
        got = one.ask("GET", "/readyz")
        assert got.status_code == 503 and got.json()["detail"] == "not ready: model_refused" and got.headers["retry-after"]
        for path in ("/readyz", "/v2/health/ready", "/metrics", "/v1/intents", "/v2/models/mlbot"):
            told = one.ask("GET", path).text
            assert SAID not in told and "private" not in told and name not in told and str(tmp_path) not in told, path
        words = problems_of(one.backend)["model_refused"]
        assert "golden text 1" in words and SAID not in words
        heard = io.StringIO()
        from mlbot.serve.service import say_alerts

        with redirect_stderr(heard):
            say_alerts(one.backend)
            say_alerts(one.backend)
        (line,) = heard.getvalue().splitlines()
        assert json.loads(line)["alert"] == "model_refused" and SAID not in line
    finally:
        one.backend.log.close()


@pytest.fixture
def own(root, tmp_path, monkeypatch):
    """A service with a log of its own, which gives up soon."""
    from mlbot.bot import events

    monkeypatch.setattr(events, "_PRAGMAS", ("busy_timeout = 50", *events._PRAGMAS[1:]))
    shutil.copytree(root / "models", tmp_path / "models")
    found = Inside(tmp_path)
    yield found
    found.backend.log.close()


def log_beat(one) -> None:
    """Look at the log once, as the service does every few seconds."""
    next(beat for beat in one.backend.beats if beat.name == "log").once()


def test_it_is_not_ready_while_the_log_is_locked(own):
    log_beat(own)
    told = own.ask("GET", "/readyz").json()
    assert told == {"ready": True, "model": own.backend.model("").name, "alert": "", "canary": None}
    other = sqlite3.connect(own.backend.watch.file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    log_beat(own)
    refused = own.ask("GET", "/readyz")
    assert refused.status_code == 503 and refused.json()["detail"] == "not ready: log_unwritable"
    assert (
        own.ask("GET", "/v2/health/ready").status_code == 503 and own.ask("POST", "/v1/predict", json=TEXT).status_code == 200
    )
    said = own.ask("POST", "/v1/conversations", headers=own.bears())
    assert (
        said.status_code == 503
        and said.json()["detail"] == "the event log cannot be used now"
        and said.headers["retry-after"]
    )
    other.execute("ROLLBACK")
    other.close()
    log_beat(own)
    assert (
        own.ask("GET", "/readyz").status_code == 200
        and own.ask("POST", "/v1/conversations", headers=own.bears()).status_code == 201
    )


def test_it_is_not_ready_while_the_log_is_gone_and_is_again_when_it_is_back(own):
    """What is written to a file that was moved away is lost as soon as the service ends."""
    file = own.backend.watch.file
    log_beat(own)
    os.rename(file, f"{file}.away")
    log_beat(own)
    assert own.ask("GET", "/readyz").json()["detail"] == "not ready: log_gone"
    os.rename(f"{file}.away", file)
    log_beat(own)
    assert own.ask("GET", "/readyz").status_code == 200
    shutil.copy(file, f"{file}.copy")
    os.replace(f"{file}.copy", file)  # restored from a copy: another file
    log_beat(own)
    assert own.ask("GET", "/readyz").status_code == 200
    talk = own.ask("POST", "/v1/conversations", headers=own.bears()).json()["conversation_id"]
    there = sqlite3.connect(file)
    assert there.execute("SELECT count(*) FROM events WHERE about = ?", (talk,)).fetchone() == (1,)
    there.close()


def test_it_is_not_ready_while_the_disk_of_the_log_is_full(own, monkeypatch):
    """Predictions are answered and wait for room; they are written when there is some."""
    from mlbot.bot import events

    log_beat(own)
    pages = sqlite3.connect(own.backend.watch.file).execute("PRAGMA page_count").fetchone()[0]
    usual = events._PRAGMAS
    monkeypatch.setattr(events, "_PRAGMAS", (*usual, f"max_page_count = {pages}"))
    own.backend.log.close()
    for number in range(40):
        assert own.ask("POST", "/v1/predict", json={"text": f"a wish {number} " + "of somebody " * 60}).status_code == 200
    own.backend.recorder.work.once()
    assert own.backend.recorder.work.problem == "LogError"
    assert own.ask("GET", "/readyz").json()["detail"] == "not ready: log_unwritable"
    monkeypatch.setattr(events, "_PRAGMAS", usual)
    own.backend.log.close()
    assert own.backend.recorder.work.once() and own.ask("GET", "/readyz").status_code == 200
    assert len(own.backend.log.read(("asked",))) == 40


def test_tokens_that_cannot_be_read_are_an_alert_without_their_words(root, tmp_path):
    shutil.copytree(root / "models", tmp_path / "models")
    one = Inside(tmp_path, SETTINGS + "predict = token\n")
    (tmp_path / "events" / "tokens").write_text("hunter2\n")
    renew_tokens(one.backend)
    assert alert_of(one.backend) == "tokens_unreadable" and "hunter2" not in str(problems_of(one.backend))
    check_ready(one.backend)
    one.backend.log.close()


def test_what_people_type_forges_no_line_of_the_log_and_no_header(own):
    """Line ends and escapes in texts, names, keys and paths stay within their JSON, and come back in no header."""
    odd = 'x\r\nset-cookie: a=b\r\n\r\n{"level": "info"}\x1b[2J'
    ada, heard = own.bears(), io.StringIO()
    with redirect_stderr(heard):
        talk = own.ask("POST", "/v1/conversations", headers=ada).json()["conversation_id"]
        got = [
            own.ask("POST", f"/v1/conversations/{talk}/messages", headers=ada, json={"key": odd, "text": odd}),
            own.ask("POST", "/v1/feedback", json={"request_id": odd[:80], "useful": True}),
            own.ask("GET", "/v1/x%0d%0aset-cookie:%20a=b"),
            own.ask("DELETE", "/v1/labels/e1%0d%0a", headers=own.bears("Grace", True)),
            own.ask("GET", "/%00"),
            own.ask("POST", "/v2/models/x%0d%0ay/infer", json={"inputs": [tensor([odd])]}),
        ]
    assert all("set-cookie" not in answer.headers and answer.status_code < 500 for answer in got)
    assert all(json.loads(line) for line in heard.getvalue().splitlines())


def test_the_audience_tells_two_services_with_one_secret_apart(root, tmp_path, monkeypatch):
    """Staging and production may share MLBOT_SECRET: a token of one is refused by the other, also by the command line."""
    from mlbot.cli.main import main

    monkeypatch.setenv("MLBOT_SECRET", SECRET)
    shutil.copytree(root / "models", tmp_path / "models")
    one = Inside(tmp_path, SETTINGS + "audience = staging\n")
    assert one.ask("POST", "/v1/conversations", headers=one.bears()).status_code == 401
    assert one.ask("POST", "/v1/conversations", headers=one.bears(audience="staging")).status_code == 201
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    from contextlib import redirect_stdout

    with redirect_stdout(out):
        assert main(["token", "--person", "ada"]) == 0
    token = {"authorization": f"Bearer {out.getvalue().strip()}"}
    assert one.ask("POST", "/v1/conversations", headers=token).status_code == 201
    one.backend.log.close()
    assert replace(one.backend.settings.service).audience == "staging"


def test_an_export_of_labels_keeps_in_memory_what_is_labelled_and_no_more(tmp_path):
    """The whole log was read at once: 774 MB for 200,000 messages. What it says is the same, page by page."""
    import tracemalloc

    from mlbot.bot.labelling import as_jsonl, batch, items_of, labels_of

    log = EventLog(tmp_path / "events.db")
    facts = {
        "intent": "card",
        "confidence": 0.5,
        "ranking": [["card", 0.5]],
        "model": "m",
        "role": "",
        "location": "",
        "request": "r",
    }
    for page in range(6):
        log.append_many(
            [
                Event("asked", f"r{page}-{at}", facts | {"text": f"wish {page} {at}", "padding": "x" * 2_000})
                for at in range(500)
            ]
        )
    said = {"act": {"text": "a chat"}, "messages": [], "state": {}} | facts
    log.append(
        Event("opened", "c1", {"role": "sales", "location": "de"}, "ada", turn=0), Event("turn", "c1", said, "ada", turn=1)
    )
    log.append(
        Event("asked", "again", facts | {"text": "WISH 1 7!"}), Event("asked", "nobody", facts | {"text": "unlabelled"})
    )
    numbers = {event.about: event.number for event in log.read(("turn", "asked"))}
    for about, intent, who in (("again", "bill", "p1"), ("r1-7", "card", "p2"), ("c1", "card", "p1"), ("r5-1", "card", "p1")):
        log.append(Event("label", f"e{numbers[about]}", {"intent": intent}, who))
    log.append(Event("label.undone", f"e{numbers['r5-1']}", {}, "p1"), Event("label", "e999999", {"intent": "card"}, "p1"))
    tracemalloc.start()
    rows = as_jsonl(log)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    events = log.read()
    items = items_of(events)
    assert {(row["meta"]["id"], row["text"], *row["label"], row["meta"]["role"]) for row in rows} == {
        (name, items[name].text, intent, items[name].role)
        for name, votes in labels_of(events).items()
        if name in items
        for intent in votes.values()
    }
    assert len(rows) == len(batch(log)) == 3 and rows[0]["meta"]["role"] in ("", "sales")
    assert most < 6_000_000  # the log has 7 MB of texts alone; a page of it has two
    log.close()
