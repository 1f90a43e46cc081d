"""The service: whatever comes in, a clear answer goes out, and what is too much is refused at once."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from serving import Service

from mlbot.files import write_atomic
from mlbot.model.artefact import read_artefact, write_artefact

TEXT = {"text": "I need a new card", "context": {"role": "sales"}}


@pytest.fixture(scope="module")
def root(green_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    for name in ("runs", "models", "nbs"):
        shutil.copytree(green_run / name, folder / name)
    (folder / "settings.ini").write_text("[data]\nsource = sample\n[service]\nper_caller = 100000\n")
    return folder


@contextmanager
def other_settings(root, text):
    """While a second service starts in the folder; the commands that the first one begins read its own."""
    before = (root / "settings.ini").read_text()
    (root / "settings.ini").write_text(text)
    yield
    (root / "settings.ini").write_text(before)


@pytest.fixture(scope="module")
def service(root):
    found = Service(root, "--demo")
    yield found
    said = found.stop()
    assert "Traceback" not in said, said


def test_a_text_is_answered_with_what_the_bot_would_do(service):
    answer = service.client.post("/v1/predict", json=TEXT)
    body = answer.json()
    assert answer.status_code == 200 and body["intent"] == "expense_claim" and len(body["alternatives"]) == 4
    assert body["decision"] in ("execute", "confirm", "clarify", "handoff", "out_of_scope") and len(body["model"]) == 12
    assert body["process"]["key"] == "expense_claim" and body["request_id"].startswith("r")
    strange = {"text": "hi", "context": {"role": "astronaut", "planet": "mars"}}
    unknown = service.client.post("/v1/predict", json=strange).json()
    assert unknown["notes"][:1] == ["role is unknown to the model"] and "the model knows no planet" in unknown["notes"]


@pytest.mark.parametrize("body, status, met", [
    ({"text": ""}, 422, "empty"), ({"text": " \u200b\u00a0 "}, 422, "empty"), ({"text": 5}, 422, "text"), ({}, 422, "text"),
    ({"text": "hi", "contxt": {}}, 422, "contxt"), ({"text": "hi", "context": {"role": 5}}, 422, "context"),
    ({"text": "x" * 6000}, 422, "6,000 characters"), ({"text": "x" * 70_000}, 413, ""), (b"{", 400, ""), (b"", 422, ""),
    (b"\xff\xfe", 400, ""), (b'"z\xdc\xfaW"', 400, "UTF-8"), (b'{"text": "z\xdc\xfaW"}', 400, ""),
    (b'{"text": "\\ud800"}', 400, ""), (b"[" * 60_000, 400, ""),
])
def test_what_cannot_be_answered_is_a_problem_that_says_what_to_do(service, body, status, met):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx.post(f"{service.url}/v1/predict", content=data, headers={"content-type": "application/json"}, timeout=20)
    assert answer.status_code == status and met in answer.json()["detail"], answer.text
    assert answer.headers["content-type"] == "application/problem+json" and answer.json()["status"] == status


def test_paths_and_methods_that_are_not_there(service):
    assert service.client.get("/v1/nothing").status_code == 404
    wrong = service.client.delete("/v1/predict")
    assert wrong.status_code == 405 and "POST" in wrong.headers["allow"]
    for path in ("/web/..%2f..%2fsettings.ini", "/web/%252e%252e/serve.py", "/web/../../settings.ini", "/web/%00",
                 "/web//etc/passwd", "/v2/models/..%2f..%2fetc/ready", f"/v2/models/{'x' * 300}"):
        answer = service.raw(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        assert re.match(rb"HTTP/1.1 (4\d\d) ", answer), (path, answer[:80])
        assert b"source = sample" not in answer and b"root:" not in answer


def test_broken_http_is_refused(service):
    ask = b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n"
    for data in (ask + b"content-length: 6\r\n\r\nhello", ask + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n",
                 b"\x16\x03\x01 nonsense\r\n\r\n"):
        answer = service.raw(data)
        assert not answer.startswith(b"HTTP/1.1 2"), answer[:100]
    assert service.client.get("/livez").status_code == 200


def test_identity_comes_from_the_token_and_agents_are_agents(service):
    talk = service.client.post("/v1/conversations", headers=service.ada).json()["conversation_id"]
    path = f"/v1/conversations/{talk}/messages"
    forged = {"authorization": service.ada["authorization"][:-2] + "xx"}
    for headers in ({}, forged, *({"authorization": value} for value in ("Basic abc", "Bearer", "Bearer a.b"))):
        refused = service.client.get(path, headers=headers)
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    assert service.client.get("/v1/handoffs", headers=service.late).status_code == 401
    assert service.client.get("/v1/handoffs", headers=service.ada).status_code == 403
    bob = service.client.post("/demo/identity", json={"name": "bob", "role": "sales"}).json()["token"]
    assert service.client.get(path, headers={"authorization": f"Bearer {bob}"}).status_code == 404
    assert service.client.get("/v1/conversations/cAAAAAAAAAAAAAAAAAAAAAA/messages", headers=service.ada).status_code == 404


def test_a_conversation_from_the_first_word_to_the_label(service):
    client, ada, grace = service.client, service.ada, service.grace
    talk = client.post("/v1/conversations", headers=ada).json()
    path = f"/v1/conversations/{talk['conversation_id']}"
    wish = {"key": "1", "text": "where is my invoice, ada@example.org"}
    said = client.post(f"{path}/messages", headers=ada, json=wish).json()
    assert said["messages"][0]["text"] == "where is my invoice, [email]" and said["messages"][1]["sender"] == "bot"
    assert client.post(f"{path}/messages", headers=ada, json={"key": "1", "text": "x"}).json() == said
    two = client.post(f"{path}/messages", headers=ada, json={"key": "x", "text": "a", "person": True})
    assert two.status_code == 422 and "2 acts" in two.json()["detail"]
    assert client.post(f"{path}/handoff", headers=ada, json={"key": "2"}).json()["owner"] == "queue"
    case, = [case for case in client.get("/v1/handoffs", headers=grace).json()["waiting"]
             if case["conversation_id"] == talk["conversation_id"]]
    assert case["role"] == "sales" and case["unread"] >= 1
    desk = f"/v1/handoffs/{talk['conversation_id']}"
    assert client.post(f"{desk}/take", headers=grace).json()["agent"] == "Grace"
    linus = client.post("/demo/agent", json={"name": "Linus"}).json()["token"]
    late = client.post(f"{desk}/take", headers={"authorization": f"Bearer {linus}"})
    assert late.status_code == 409 and "Grace has it" in late.json()["detail"]
    assert client.get(desk, headers=grace).json()["top"][0]["confidence"] > 0
    client.post(f"{desk}/messages", headers=grace, json={"key": "3", "text": "It is on its way."})
    new = client.get(f"{path}/messages", headers=ada, params={"after": len(said["messages"]) + 1}).json()
    assert new["owner"] == "agent" and new["messages"][-1]["name"] == "Grace"
    assert client.post(f"{desk}/label", headers=grace, json={"intent": "no such"}).status_code == 422
    intent = client.get("/v1/intents").json()["intents"][0]["intent"]
    assert client.post(f"{desk}/label", headers=grace, json={"intent": intent}).status_code == 200
    exported = [json.loads(line) for line in client.get("/v1/labels/export", headers=grace).text.splitlines()]
    assert {"text": "where is my invoice, [email]", "label": [intent]}.items() <= exported[-1].items()
    assert client.post(f"{desk}/close", headers=grace).json()["owner"] == "closed"
    assert client.post(f"{path}/messages", headers=ada, json={"key": "9", "text": "hi"}).status_code == 409


def test_labels_are_chosen_given_and_taken_back(service):
    client, grace = service.client, service.grace
    for number in range(12):
        client.post("/v1/predict", json={"text": f"something about an invoice number {number}"})
    found = client.get("/v1/labels/next", headers=grace, params={"count": 5}).json()
    assert len(found["items"]) == 5
    assert {item["why"] for item in found["items"]} <= {"drawn", "second opinion", "disagreement"}
    item, left = found["items"][0], found["left"]
    intent = client.get("/v1/intents").json()["intents"][0]["intent"]
    assert client.post("/v1/labels", headers=grace, json={"id": item["id"], "intent": intent}).status_code == 200
    assert client.get("/v1/labels/next", headers=grace).json()["left"] == left - 1
    assert client.delete(f"/v1/labels/{item['id']}", headers=grace).status_code == 204
    assert client.get("/v1/labels/next", headers=grace).json()["left"] == left
    from mlbot.bot.events import EventLog
    log = EventLog(service.root / "events" / "events.db")
    told = [event for event in log.read(("label",)) if event.about == item["id"]]
    log.close()
    assert [event.body for event in told] == [{"intent": intent, "hidden": item["hidden"]}]
    for wrong in ("e999999", "x", "e-1", "../e1"):
        assert client.post("/v1/labels", headers=grace, json={"id": wrong, "intent": "oos"}).status_code == 404
    assert client.get("/v1/labels/next", headers=grace, params={"count": 100000}).status_code == 422


def test_a_share_of_the_messages_is_labelled_without_the_answer_of_the_model(service):
    client, grace = service.client, service.grace
    for number in range(60):
        client.post("/v1/predict", json={"text": f"something about a badge number {number}"})
    items = client.get("/v1/labels/next", headers=grace, params={"count": 200}).json()["items"]
    blind, seen = ([item for item in items if item["hidden"] == hidden] for hidden in (True, False))
    assert 0 < len(blind) < len(seen)
    for item in blind:
        intents = [one["intent"] for one in item["alternatives"]]
        assert item["predicted"] == "" and item["confidence"] is None and intents == sorted(intents) and len(intents) > 1
        assert {one["confidence"] for one in item["alternatives"]} == {None}
    assert all(item["predicted"] and item["confidence"] is not None for item in seen)


def test_the_queue_says_live_what_the_labels_show_and_how_many_more_settle_it(service):
    client, grace = service.client, service.grace
    for number in range(12):
        client.post("/v1/predict", json={"text": f"something about a payslip number {number}"})
    items = client.get("/v1/labels/next", headers=grace, params={"count": 12}).json()["items"]
    before = client.get("/v1/labels/next", headers=grace).json()["progress"]
    intent = client.get("/v1/intents").json()["intents"][0]["intent"]
    for item in items[:3]:
        client.post("/v1/labels", headers=grace, json={"id": item["id"], "intent": intent})
    told = client.get("/v1/labels/next", headers=grace).json()["progress"]
    assert told != before and "right in scope" in told["words"][0] and "right among all messages" in told["words"][1]
    assert told["more"]["all_messages"] > 0 and client.get("/v1/monitor", headers=grace).json()["labels"]["words"]


def test_feedback_counts_once_an_answer_and_only_for_answers(service):
    client, rows = service.client, lambda: client.get("/v1/monitor", headers=service.grace).json()["days"][-1]
    name = client.post("/v1/predict", json=TEXT).json()["request_id"]
    before = rows()
    for useful in (True, None, False, False, True):
        assert client.post("/v1/feedback", json={"request_id": name, "useful": useful}).status_code == 202
    assert (rows()["useful"], rows()["useless"]) == (before["useful"] + 1, before["useless"])
    codes = [client.post("/v1/feedback", json={"request_id": name, "useful": False, "comment": str(at)}).status_code
             for at in range(20)]
    assert codes.count(409) >= 10 and rows()["useless"] == before["useless"] + 1
    assert client.post("/v1/feedback", json={"request_id": "rnothing", "useful": True}).status_code == 404


def test_a_person_can_ask_for_people_again_and_again_and_the_monitor_stands(service):
    talk = service.client.post("/v1/conversations", headers=service.ada).json()["conversation_id"]
    for number in range(3):
        service.client.post(f"/v1/conversations/{talk}/handoff", headers=service.ada, json={"key": str(number)})
        service.client.post(f"/v1/handoffs/{talk}/take", headers=service.grace)
        service.client.post(f"/v1/handoffs/{talk}/return", headers=service.grace)
    assert service.client.get("/v1/monitor", headers=service.grace).status_code == 200
    own = service.client.post(f"/v1/conversations/{talk}/messages", headers=service.grace, json={"key": "a", "text": "hi"})
    assert own.status_code == 404  # an agent is not the person


def test_figures_health_and_the_monitor(service):
    for number in range(6):
        service.client.post("/v1/predict", json={"text": f"where is my invoice number {number}"})
    ready = service.client.get("/readyz").json()
    assert ready["ready"] and ready["alert"] == ""
    figures = service.client.get("/metrics")
    assert 'mlbot_requests_total{route="predict",status="200"}' in figures.text
    assert "mlbot_request_duration_seconds_bucket" in figures.text
    assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
    seen = service.client.get("/v1/monitor", headers=service.grace).json()
    assert seen["quality"]["test"]["n"] > 20 and seen["days"][-1]["messages"] > 5
    assert {drift["name"] for drift in seen["drift"]} == {"length", "role", "location", "predicted intent", "confidence"}


def test_the_open_inference_protocol(service):
    client = service.client
    assert client.get("/v2").json()["name"] == "mlbot" and client.get("/v2/health/ready").json() == {"ready": True}
    assert [tensor["name"] for tensor in client.get("/v2/models/mlbot").json()["inputs"]] == ["text", "role", "location"]
    texts = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["I need a new card", "where is my invoice"]}
    roles = {"name": "role", "shape": [2], "datatype": "BYTES", "data": ["sales", ""]}
    outputs = client.post("/v2/models/mlbot/infer", json={"inputs": [texts, roles]}).json()["outputs"]
    one = client.post("/v1/predict", json=TEXT).json()
    assert outputs[0]["data"][0] == one["intent"] and outputs[1]["data"][0] == pytest.approx(one["confidence"])
    assert client.post("/v2/models/other/infer", json={"inputs": [texts]}).status_code == 404
    assert client.post("/v2/models/mlbot/infer", json={"inputs": [roles]}).status_code == 400


def test_a_client_of_that_protocol_works_as_it_is(service):
    """NVIDIA's client for Triton: health, metadata, versions, JSON and binary tensors, ids, chosen outputs, errors."""
    triton = pytest.importorskip("tritonclient.http")
    from tritonclient.utils import InferenceServerException
    client = triton.InferenceServerClient(service.url.removeprefix("http://"))
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("mlbot")
    told = client.get_model_metadata("mlbot")
    version, = told["versions"]
    assert client.get_server_metadata()["name"] == "mlbot" and client.is_model_ready("mlbot", version)
    assert client.get_model_metadata("mlbot", version) == told and not client.is_model_ready("mlbot", "7")
    one = service.client.post("/v1/predict", json=TEXT).json()

    def tensors(binary: bool, **columns):
        found = []
        for name, values in columns.items():
            array = np.array([[value.encode()] for value in values], object)
            found.append(triton.InferInput(name, list(array.shape), "BYTES").set_data_from_numpy(array, binary_data=binary))
        return found
    for binary in (True, False):
        inputs = tensors(binary, text=[TEXT["text"], "größer 日本"], role=["sales", ""])
        got = client.infer("mlbot", inputs, model_version=version, request_id="r 7")
        assert got.get_response()["id"] == "r 7" and got.as_numpy("intent").shape == (2, 1)
        assert got.as_numpy("intent")[0, 0].decode() == one["intent"]
        assert got.as_numpy("confidence")[0, 0] == pytest.approx(one["confidence"])
    only = client.infer("mlbot", inputs, outputs=[triton.InferRequestedOutput("confidence", binary_data=False)])
    assert only.as_numpy("intent") is None and only.as_numpy("confidence").dtype == np.float64
    assert "id" not in only.get_response()
    wrong = triton.InferInput("text", [1], "FP32").set_data_from_numpy(np.zeros(1, np.float32))
    for asked, version, met in ((wrong, "", "FP32"), (tensors(True, text=["x"])[0], "7", "version"),
                                (tensors(True, planet=["x"])[0], "", "planet")):
        with pytest.raises(InferenceServerException, match=met):
            client.infer("mlbot", [asked], model_version=version)
    client.close()


def test_head_works_wherever_get_does(service):
    """The same status and headers, and no body; a 405 names it."""
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json", "/v1/intents", "/v2", "/v2/health/ready",
                 "/v2/models/mlbot", "/web/index.html", "/", "/v1/handoffs", "/nothing"):
        got, head = (service.client.request(method, path, headers=service.grace) for method in ("GET", "HEAD"))
        assert head.status_code == got.status_code and head.content == b"", path
        if path not in ("/metrics", "/readyz", "/v1/handoffs", "/nothing"):
            assert head.headers["content-length"] == got.headers["content-length"], path
    assert service.raw(b"HEAD /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").endswith(b"\r\n\r\n")
    assert "HEAD" in service.client.post("/livez", json={}).headers["allow"]
    assert service.client.head("/v1/predict").status_code == 405


def test_what_a_running_service_writes_is_for_its_owner_alone(service):
    """The log with all that it has beside it, the secret, the tokens: nobody else on the machine reads them."""
    service.client.post("/v1/predict", json=TEXT)
    found = {file.name: file.stat().st_mode & 0o077 for file in (service.root / "events").iterdir() if file.is_file()}
    assert "events.db" in found and "secret" in found and not any(found.values()), found


def test_pages_come_with_headers_that_keep_them_safe(service):
    page = service.client.get("/", follow_redirects=True)
    assert page.status_code == 200 and "text/html" in page.headers["content-type"]
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    foreign = service.client.get("/readyz", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


def test_who_asks_too_often_is_told_to_wait_and_the_service_stays_healthy(root):
    with other_settings(root, "[data]\nsource = sample\n[service]\nper_caller = 5\nevents = events/limited.db\n"):
        limited = Service(root)
    codes = [limited.client.post("/v1/predict", json=TEXT).status_code for _ in range(30)]
    refused = limited.client.post("/v1/predict", json=TEXT)
    assert 200 in codes and 429 in codes and refused.headers["retry-after"] == "1"
    assert limited.client.get("/readyz").status_code == 200
    assert limited.client.post("/demo/agent", json={}).status_code in (404, 429)  # there is no demo
    time.sleep(1.2)
    assert limited.client.post("/v1/predict", json=TEXT).status_code == 200
    assert limited.client.post("/demo/agent", json={}).status_code == 404
    limited.stop()


def test_sigterm_lets_requests_end_and_what_was_said_is_stored(root):
    with other_settings(root, "[data]\nsource = sample\n[service]\nper_caller = 100000\nevents = events/term.db\n"):
        found, codes, stop = Service(root), [], threading.Event()

    def ask():
        with httpx.Client(base_url=found.url) as client:
            while not stop.is_set():
                try:
                    codes.append(client.post("/v1/predict", json=TEXT).status_code)
                except httpx.ConnectError:
                    return  # the door is closed
                except httpx.TransportError as problem:
                    codes.append(str(problem))
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        if codes.count(200) > 50:
            break
        time.sleep(0.1)
    found.stop()
    stop.set()
    for thread in threads:
        thread.join()
    good = codes.count(200)
    assert good > 50 and len(codes) - good <= 4, [code for code in codes if code != 200][:5]
    from mlbot.bot.events import EventLog
    log = EventLog(root / "events" / "term.db")
    assert len(log.read(("asked", "asked.more"))) >= good
    log.close()


def run_guard(app, callers: int, per_caller: int = 10**6, at_once: int = 5):
    """So many requests at the same time to a guard around an application: the statuses, and the guard."""
    from mlbot.serve.service import Metrics, RequestLimits
    guard, statuses = RequestLimits(app, Metrics(), per_caller, at_once), []

    async def ask(number: int):
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                statuses.append((message["status"], dict(message["headers"])))
        await guard({"type": "http", "path": "/x", "client": (f"10.0.0.{number % 250}", 1)}, receive, send)

    async def main():
        tasks = [asyncio.create_task(ask(number)) for number in range(callers)]
        await asyncio.sleep(0.05)
        for task in tasks[:2]:
            task.cancel()  # these callers have left
        await asyncio.gather(*tasks, return_exceptions=True)
    asyncio.run(main())
    return statuses, guard


async def slow_app(scope, receive, send):
    """An application that takes a while."""
    await receive()
    await asyncio.sleep(0.2)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_overload_is_refused_at_once_and_callers_who_leave_leave_nothing_behind():
    statuses, guard = run_guard(slow_app, 50)
    codes = [status for status, _ in statuses]
    assert codes.count(503) == 45 and codes.count(200) == 3 and guard.busy == 0
    assert all(headers[b"retry-after"] == b"1" for status, headers in statuses if status == 503)
    again, _ = run_guard(slow_app, 4)
    assert [status for status, _ in again] == [200, 200]  # two have left


def test_one_caller_cannot_take_all_places():
    from mlbot.serve.service import Metrics, RequestLimits
    guard, statuses = RequestLimits(slow_app, Metrics(), 10**6, 40), []

    async def ask(caller):
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                statuses.append((caller, message["status"]))
        await guard({"type": "http", "path": "/x", "client": (caller, 1)}, receive, send)

    async def main():
        await asyncio.gather(*[ask("greedy") for _ in range(30)], *[ask(f"10.0.0.{at}") for at in range(20)])
    asyncio.run(main())
    assert statuses.count(("greedy", 200)) == 10 and statuses.count(("greedy", 429)) == 20
    assert sum(status == 200 for caller, status in statuses if caller != "greedy") == 20 and guard.open == {}


def test_a_caller_has_a_bucket_that_refills_and_others_are_not_touched():
    from mlbot.serve.service import Metrics, RequestLimits
    now = [0.0]
    guard = RequestLimits(slow_app, Metrics(), 5, 100, clock=lambda: now[0])
    assert [guard.is_too_fast("a") for _ in range(12)] == [False] * 10 + [True] * 2
    assert not guard.is_too_fast("b")
    now[0] += 0.2
    assert not guard.is_too_fast("a") and guard.is_too_fast("a")
    for number in range(20_000):
        guard.is_too_fast(str(number))
    assert len(guard.buckets) <= 10_001


def test_without_a_model_it_lives_but_is_not_ready(project):
    found = Service(project)
    try:
        assert found.client.get("/livez").status_code == 200
        missing = found.client.get("/readyz")
        assert missing.status_code == 503 and "mlbot run" in missing.json()["action"] and missing.headers["retry-after"]
        assert found.client.post("/v1/predict", json=TEXT).status_code == 503
    finally:
        found.stop()


def test_the_service_needs_nothing_that_trains(root):
    blocked = "pandas sklearn scipy matplotlib papermill nbformat deltalake onnxruntime py3langid".split()
    code = ("import sys, importlib.abc\n"
            f"blocked = {blocked!r}\n"
            "class Wall(importlib.abc.MetaPathFinder):\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name.split('.')[0] in blocked: raise ImportError(name)\n"
            "sys.meta_path.insert(0, Wall())\n"
            "from mlbot.serve.service import BotService, run_server\n"
            "from mlbot.serve.app import build_framework\n"
            "from mlbot.settings import load_settings\n"
            "import mlbot.cli.main, uvloop, uvicorn.lifespan.on\n"
            "backend = BotService(load_settings()); build_framework(backend); backend.live.follow()\n"
            "print(backend.model('').predict('I need a new card').intent)")
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_a_demonstration_trains_first_where_there_is_no_model(project, released, mlbot, monkeypatch):
    from mlbot.cli import serve as cli
    from mlbot.serve import service as backend
    done = []
    monkeypatch.setattr(backend, "run_server", lambda *words: done.append("serve"))

    def ends(code: int):
        """A program that ends so."""
        return lambda command, **options: done.append(command[-1]) or subprocess.CompletedProcess(command, code)
    monkeypatch.setattr(cli, "run_program", ends(0))
    assert mlbot("serve", "--demo", "--train").returncode == 0 and done == ["serve"]
    (released / "models" / "champion").unlink()
    assert mlbot("serve", "--demo", "--train").returncode == 0 and done == ["serve", "run", "serve"]
    monkeypatch.setattr(cli, "run_program", ends(4))
    assert mlbot("serve", "--demo", "--train").returncode == 4 and done[3:] == ["run"]


def test_a_port_in_use_is_an_error_of_the_caller(service, released, mlbot):
    done = mlbot("serve", "--port", service.port, cwd=released)
    assert done.returncode == 2 and "cannot be listened on" in done.stderr and "--port 8001" in done.stderr


def test_tokens_promote_rollback_and_label_from_the_command_line(released, mlbot, service):
    done = mlbot("token", "--person", "ada", "--role", "sales")
    assert done.returncode == 0 and done.stdout.count(".") == 1
    assert os.stat(released / "events" / "secret").st_mode & 0o077 == 0
    assert mlbot("token").returncode == 2 and mlbot("token", "--agent", "x", "--hours", "nan").returncode == 2
    assert mlbot("token", "--webhooks").stdout.startswith("whsec_") and mlbot("serve", "--port", "70000").returncode == 2
    (released / "events" / "secret").write_text("")
    short = mlbot("token", "--agent", "x")
    assert short.returncode == 2 and "0 characters" in short.stderr
    (released / "events" / "secret").unlink()
    name = (released / "models" / "champion").read_text().strip()
    assert mlbot("rollback", "--why", "x").returncode == 2  # there was none before
    done = mlbot("promote", name, "--canary", "0.1")
    assert done.returncode == 2 and "is the champion" in done.stderr  # a trial against itself could only be a draw
    known = read_artefact(released / "models" / name)
    other = replace(known, manifest={**known.manifest, "snapshot": "0123456789abcdef"})
    write_artefact(other, released / "models" / other.name)
    done = mlbot("promote", other.name, "--canary", "0.1", "--unjudged", "--why", "a second model for the trial")
    assert done.returncode == 0 and "10%" in done.stdout, done.stderr
    assert mlbot("rollback", "--why", "enough").returncode == 0 and not (released / "models" / "canary").exists()
    assert mlbot("promote", "0123456789ab").returncode == 2
    assert mlbot("promote", name, "--instead-of", "0123456789ab").returncode == 2
    assert mlbot("label").returncode == 3


PROGRAMS = ("first-program-0123456789", "second-program-0123456789")


@pytest.fixture(scope="module")
def closed(root, tmp_path_factory):
    """A service whose predictions ask for a token."""
    folder = tmp_path_factory.mktemp("closed")
    shutil.copytree(root / "models", folder / "models")
    (folder / "settings.ini").write_text("[data]\nsource = sample\n[service]\nper_caller = 100000\npredict = token\n")
    (folder / "events").mkdir()
    (folder / "events" / "tokens").write_text(f"{PROGRAMS[0]}  # the intranet\n{PROGRAMS[1]}\n")
    found = Service(folder)
    yield found
    said = found.stop()
    assert "Traceback" not in said and "token --predict" in said, said


V2 = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a new card"]}]}
ASKED = {"the fast way": lambda client, **to: client.post("/v1/predict", json=TEXT, **to),
         "the framework": lambda client, **to: client.post("/v1/predict", content=iter([json.dumps(TEXT).encode()]), **to),
         "v2": lambda client, **to: client.get("/v2", **to),
         "v2 model": lambda client, **to: client.get("/v2/models/mlbot", **to),
         "v2 model ready": lambda client, **to: client.get("/v2/models/mlbot/ready", **to),
         "v2 infer": lambda client, **to: client.post("/v2/models/mlbot/infer", json=V2, **to)}


@pytest.mark.parametrize("way", ASKED)
def test_where_predictions_ask_for_a_token_nobody_gets_one_without(closed, way):
    """On each route of the model and on both ways through the service: a 401 that says what to do, or an answer."""
    kind = {"content-type": "application/json"} if way == "the framework" else {}
    right = PROGRAMS[0]
    for header in ("", "Bearer", f"Bearer {right}x", f"Bearer {right[:-1]}", f"Basic {right}", right, "Bearer #",
                   f"Bearer {right} {PROGRAMS[1]}", closed.late["authorization"]):
        refused = ASKED[way](closed.client, headers={**kind, "authorization": header} if header else kind)
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer", header
        assert refused.headers["content-type"] == "application/problem+json" and refused.json()["action"]
    signed = closed.ada["authorization"]
    for header in (f"Bearer {right}", f"bearer  {PROGRAMS[1]}", signed):
        assert ASKED[way](closed.client, headers={**kind, "authorization": header}).status_code == 200, header


def test_who_watches_the_service_needs_no_token_and_the_contract_says_who_does(closed, service):
    """Probes and figures stay open; the OpenAPI document names the routes that ask, where they do."""
    for path in ("/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready", "/v1/intents"):
        assert closed.client.get(path).status_code == 200, path
    told = [{path for path, methods in one.client.get("/openapi.json").json()["paths"].items()
             if any("security" in method for method in methods.values())} for one in (closed, service)]
    one = "/v2/models/{model}"
    models = {"/v1/predict", "/v2", *(f"{place}{what}" for place in (one, f"{one}/versions/{{version}}")
                                      for what in ("", "/ready", "/infer"))}
    assert told[0] - told[1] == models and told[1] <= told[0]


def test_the_javascript_client_carries_the_token_of_a_program(closed):
    """With one of the tokens it predicts; without, the error says 401 and what is expected."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here")
    code = ("const { MlbotClient } = await import(process.argv[1]);\n"
            "const ask = (token) => new MlbotClient({ url: process.argv[2], token }).predict('a new card');\n"
            "const { intent } = await ask(process.argv[3]);\n"
            "const { status, expected } = await ask('').catch((error) => error);\n"
            "console.log(JSON.stringify({ intent, status, expected }));")
    client = Path(__file__).resolve().parents[2] / "mlbot" / "web" / "client.js"
    done = subprocess.run([node, "--input-type=module", "-e", code, client.as_uri(), closed.url, PROGRAMS[1]],
                          capture_output=True, text=True)
    told = json.loads(done.stdout or "{}")
    assert told.get("intent") and told["status"] == 401 and "Bearer" in told["expected"], done.stderr


def test_another_token_holds_without_a_restart_and_a_broken_file_shuts_nobody_out(closed):
    """What is written into the file counts within seconds, what is taken out no more; a file without tokens is an alert."""
    file = closed.root / "events" / "tokens"
    before = file.read_text()

    def comes(wanted) -> bool:
        """Whether that is so within some seconds."""
        return any(wanted() or time.sleep(0.2) for _ in range(50))

    def status(token: str) -> int:
        return closed.client.post("/v1/predict", json=TEXT, headers={"authorization": f"Bearer {token}"}).status_code
    try:
        write_atomic(file, lambda handle: handle.write("third-program-0123456789\n"))
        assert comes(lambda: status("third-program-0123456789") == 200) and status(PROGRAMS[0]) == 401
        write_atomic(file, lambda handle: handle.write("short\n"))
        assert comes(lambda: closed.client.get("/readyz").json()["alert"] == "tokens_unreadable")
        assert status("third-program-0123456789") == 200 and status("short") == 401
    finally:
        write_atomic(file, lambda handle: handle.write(before))
    assert comes(lambda: status(PROGRAMS[0]) == 200) and closed.client.get("/readyz").json()["alert"] == ""


def test_tokens_of_programs_come_from_the_environment_or_a_file_and_are_long_enough(tmp_path, monkeypatch):
    """The environment goes before; a missing file is made, with one token, for its owner alone; short ones are refused."""
    from mlbot.bot.identity import find_tokens
    from mlbot.errors import InputError
    monkeypatch.delenv("MLBOT_TOKENS", raising=False)
    made, = find_tokens(tmp_path / "tokens")
    assert len(made) >= 32 and (tmp_path / "tokens").stat().st_mode & 0o777 == 0o600
    assert find_tokens(tmp_path / "tokens") == (made,)
    monkeypatch.setenv("MLBOT_TOKENS", " ".join(PROGRAMS))
    assert find_tokens(tmp_path / "tokens") == PROGRAMS
    monkeypatch.setenv("MLBOT_TOKENS", f"{PROGRAMS[0]} short")
    with pytest.raises(InputError, match="5 characters"):
        find_tokens(tmp_path / "tokens")
    monkeypatch.delenv("MLBOT_TOKENS")
    (tmp_path / "tokens").write_text(f"{PROGRAMS[0]}#{PROGRAMS[1]} # of the shop\n", encoding="utf-8-sig")
    assert find_tokens(tmp_path / "tokens") == (f"{PROGRAMS[0]}#{PROGRAMS[1]}",)
    (tmp_path / "tokens").write_bytes(b"\xff" * 20)
    with pytest.raises(InputError, match="no UTF-8"):
        find_tokens(tmp_path / "tokens")
    (tmp_path / "tokens").write_text("# none yet\n")
    with pytest.raises(InputError, match="no token"):
        find_tokens(tmp_path / "tokens")


def test_who_serves_to_the_network_without_a_token_is_told(project, mlbot):
    """On this machine alone nothing is said; elsewhere a line says that predictions are open, or how to get a token."""
    from dataclasses import replace

    from mlbot.cli.serve import remark_on_predictions
    from mlbot.settings import load_settings
    settings = load_settings(project)
    asks = replace(settings, service=replace(settings.service, predict="token"))
    assert not any(remark_on_predictions(settings, host) for host in ("127.0.0.1", "::1", "localhost"))
    assert all("predict = token" in remark_on_predictions(settings, host) for host in ("0.0.0.0", "::", "10.0.0.7", ""))
    assert "token --predict" in remark_on_predictions(asks, "0.0.0.0")
    assert "chmod" not in remark_on_predictions(asks, "0.0.0.0")
    said = mlbot("token", "--predict")
    assert said.returncode == 0 and said.stdout.strip() == (project / "events" / "tokens").read_text().strip()
    assert "chmod" not in remark_on_predictions(asks, "0.0.0.0")
    (project / "events" / "tokens").chmod(0o644)
    assert "chmod 600" in remark_on_predictions(asks, "0.0.0.0")


WITHOUT_FRAMEWORK = """
import threading
from mlbot.serve.service import run_server
from mlbot.settings import load_settings
asked = threading.Event()
def framework(backend):
    from mlbot.serve.app import build_framework
    assert asked.wait(20), "nobody was answered"
    app = build_framework(backend)
    async def no_predictions(scope, receive, send):
        assert scope["path"] != "/v1/predict", "the framework was asked"
        await app(scope, receive, send)
    return no_predictions
def ready(address):
    print(address, flush=True)
import mlbot.serve.service as parts
decide = parts.Metrics.decide
parts.Metrics.decide = lambda self, decision: (asked.set(), decide(self, decision))
run_server(load_settings(), framework, port=0, ready=ready)
"""


def test_a_usual_prediction_is_answered_without_the_framework(root):
    """Before it is loaded; and in one piece, in parts, of any usual length. Other requests wait for it, and go to it."""
    process = subprocess.Popen([sys.executable, "-c", WITHOUT_FRAMEWORK], cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip()
        port = int(address.rstrip("/").rpartition(":")[2])
        asked = {"text": "I need a new card", "context": {"role": "sales"}}
        usual = httpx.post(f"{address}v1/predict", json=asked)
        assert usual.status_code == 200 and usual.json()["intent"] and usual.headers["x-content-type-options"] == "nosniff"
        assert httpx.get(f"{address}readyz", timeout=20).status_code == 200  # which waits for the framework
        long = httpx.post(f"{address}v1/predict", json=asked | {"text": "card " * 900})
        assert long.status_code == 200
        body = json.dumps(asked).encode()
        with socket.create_connection(("127.0.0.1", port), 5) as slow:
            slow.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                         b"content-length: %d\r\n\r\n" % len(body))
            for at in range(0, len(body), 20):
                slow.sendall(body[at:at + 20])
                time.sleep(0.02)
            assert slow.recv(65536).startswith(b"HTTP/1.1 200")
        chunked = httpx.post(f"{address}v1/predict", content=iter([body]), headers={"content-type": "application/json"})
        assert chunked.status_code == 500 and httpx.post(f"{address}v1/predict", content=body).status_code == 415
    finally:
        process.terminate()
        process.communicate(timeout=40)


def test_what_is_to_be_labelled_does_not_grow_with_the_log(tmp_path):
    """Of a busy month the newest messages are offered; what was said about the others counts for nothing here."""
    from mlbot.bot.events import Event, EventLog
    from mlbot.bot.labelling import items_of, labels_of
    from mlbot.serve.app import MOST_MESSAGES, to_label
    log, now = EventLog(tmp_path / "events.db"), time.time()
    facts = {"intent": "card_order", "confidence": 0.5, "ranking": [["card_order", 0.5]], "model": "m", "role": "",
             "location": "", "request": "r"}
    log.append_many([Event("asked", f"r{number}", facts | {"text": f"wish {number}"})
                     for number in range(MOST_MESSAGES + 200)])
    oldest, newest = (log.read(("asked",))[at].number for at in (0, -1))
    log.append(*[Event("label", f"e{number}", {"intent": "card_order"}, "grace") for number in (oldest, newest)])
    events = to_label(log, now)
    items, labels = items_of(events), labels_of(events)
    assert len(items) == MOST_MESSAGES and f"e{oldest}" not in items and f"e{newest}" in items
    assert set(labels) & set(items) == {f"e{newest}"} and [event.number for event in events] == \
        sorted(event.number for event in events)
    log.close()


def test_a_framework_that_cannot_be_loaded_ends_the_service_with_its_error(root, released):
    from mlbot.serve.service import run_server
    from mlbot.settings import load_settings

    def broken(backend):
        raise ZeroDivisionError("no framework")
    with pytest.raises(ZeroDivisionError, match="no framework"):
        run_server(load_settings(root), broken, port=0, ready=lambda address: None)


def test_an_address_of_ipv6_can_be_clicked(root):
    from mlbot.serve.service import run_server
    from mlbot.settings import load_settings

    def broken(backend):
        raise ZeroDivisionError("no framework")
    told = []
    with pytest.raises(ZeroDivisionError):
        run_server(load_settings(root), broken, host="::1", port=0, ready=told.append)
    assert re.fullmatch(r"http://\[::1\]:\d+/", told[0])


def asked(app, path: str = "/v1/predict", body: bytes = b'{"text": "hi"}') -> list:
    """What an ASGI application sends to a usual request for a prediction."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    asyncio.run(app({"type": "http", "path": path, "method": "POST", "headers": headers}, receive, send))
    return sent


def test_a_fault_of_ours_in_a_prediction_is_said_by_the_framework_and_counted_as_500():
    """It says all faults in one shape, without what is inside the backend; and nobody is said to have left."""
    from types import SimpleNamespace

    from mlbot.serve.service import FastPath, Metrics, RequestLimits

    def faulty(about):
        raise ValueError("a fault")

    async def framework(scope, receive, send):
        raise LookupError((await receive())["body"])
    metrics = Metrics()
    with pytest.raises(LookupError, match='{"text": "hi"}'):
        asked(RequestLimits(FastPath(framework, SimpleNamespace(tokens=None, slow=False, model=faulty)), metrics, 9, 9))
    assert metrics.registry.get_sample_value("mlbot_requests_total", {"route": "other", "status": "500"}) == 1


def test_who_waits_for_a_framework_that_cannot_be_loaded_is_told():
    from mlbot.serve.service import LazyApp

    def broken():
        raise ZeroDivisionError("no framework")

    async def play(scope, receive, send):
        later = LazyApp(broken)
        waiting = asyncio.create_task(later(scope, receive, send))
        with pytest.raises(ZeroDivisionError):
            await later.load()
        await waiting
    begin, body = asked(play)
    assert begin["status"] == 500 and json.loads(body["body"])["detail"].startswith("the service could not be loaded")


def test_who_has_left_is_counted_as_that_and_not_as_a_fault_of_ours():
    from mlbot.serve.service import Metrics, RequestLimits

    async def framework(scope, receive, send):  # which says 500 to nobody
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 500, "headers": []})

    async def left():
        return {"type": "http.disconnect"}

    async def nowhere(message):
        pass
    guard = RequestLimits(framework, Metrics(), 10**6, 5)
    asyncio.run(guard({"type": "http", "path": "/x", "client": ("10.0.0.1", 1)}, left, nowhere))
    assert [status for _, status in guard.metrics.known] == [499]


def test_who_connects_before_the_service_runs_waits_for_it():
    from mlbot.serve.service import listen
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname(), 2) as early:
        listening.accept()[0].sendall(b"here")
        assert early.recv(4) == b"here"


def test_who_serves_to_the_network_is_told_under_which_names_and_what_a_demonstration_shows(project):
    """Names have to be listed, and a demonstration lets whoever reaches it read every conversation."""
    from dataclasses import replace

    from mlbot.cli.serve import remark_on_network
    from mlbot.settings import load_settings
    settings = load_settings(project)
    named = replace(settings, service=replace(settings.service, hosts=("bot.example.org",)))
    assert not any(remark_on_network(settings, host, True) for host in ("127.0.0.1", "::1", "localhost"))
    assert "set hosts" in remark_on_network(settings, "0.0.0.0", False) and remark_on_network(named, "0.0.0.0", False) == ""
    assert "every conversation" in remark_on_network(named, "0.0.0.0", True)


def test_a_look_that_ends_while_the_page_is_read_still_counts_as_running(monkeypatch):
    """What it found is not in what was read, so the page has to ask once more."""
    from types import SimpleNamespace

    from mlbot.serve import app
    looking = SimpleNamespace(busy=True, alert="")

    def read_old_groups(log, me):
        looking.busy = False
        return {"proposals": []}
    service = SimpleNamespace(recorder=SimpleNamespace(flush=lambda: None), heavy=threading.Semaphore(1), log=None,
                              looking=looking, settings=None)
    monkeypatch.setattr(app, "service_of", lambda request: service)
    monkeypatch.setattr(app, "proposals_now", read_old_groups)
    monkeypatch.setattr(app, "floor_for", lambda settings: 0.5)
    assert app.proposals.fn(None, SimpleNamespace(person="grace"))["looking"] is True


def test_groups_that_nobody_answers_are_for_agents_and_are_looked_for_only_when_messages_have_come(service):
    """The look runs beside the service; the second question finds that nothing has come since, and begins none."""
    from mlbot.bot.events import Event, EventLog
    client, grace = service.client, service.grace
    for path, how in (("/v1/proposals", "GET"), ("/v1/proposals/look", "POST"), ("/v1/proposals/a/messages", "GET")):
        for headers, status in (({}, 401), (service.late, 401), (service.ada, 403)):
            assert client.request(how, path, headers=headers).status_code == status
    client.post("/v1/predict", json={"text": "some xylophone"})
    assert client.get("/v1/proposals", headers=grace).json()["newer"]  # and what was asked is in the log
    log = EventLog(service.root / "events" / "events.db")  # over HTTP the other tests have used up what one source may ask
    like = [event for event in log.read() if event.body.get("text") == "some xylophone"][-1]
    log.append_many([Event("asked", f"x-{word}", {**like.body, "text": f"{word} xylophone"})
                     for word in "my the a this another which play hear tune bring".split()])
    log.close()
    assert client.post("/v1/proposals/look", headers=grace).json() == {"begun": True, "looking": True}
    assert client.post("/v1/proposals/look", headers=grace).json() == {"begun": False, "looking": True}
    for _ in range(600):
        told = client.get("/v1/proposals", headers=grace).json()
        if not told["looking"]:
            break
        time.sleep(0.1)
    assert told["alert"] == "" and not told["newer"] and told["messages"] >= told["unanswered"] > 0
    assert client.post("/v1/proposals/look", headers=grace).json() == {"begun": False, "looking": False}
    one = next(one for one in told["proposals"] if "xylophone" in one["words"])
    whole = client.get(f"/v1/proposals/{one['id']}/messages", headers=grace).json()["messages"]
    assert len(whole) == one["size"] and whole[:len(one["examples"])] == one["examples"]
    path = f"/v1/proposals/{one['id']}/decision"
    for body, status in (({"decision": "put", "intent": "no such"}, 422), ({"decision": "adopt", "title": "Music"}, 422),
                         ({"decision": "adopt", "title": "Expense claim", "owner": "hr"}, 422), ({"decision": "keep"}, 422),
                         ({"decision": "put", "intent": "oos", "without": ["e1000000"]}, 422)):
        got = client.post(path, headers=grace, json=body)
        assert got.status_code == status and "--name" not in got.text, body
    assert client.post("/v1/proposals/ffffff/decision", headers=grace, json={"decision": "drop"}).status_code == 404
    assert client.post(path, headers=grace, json={"decision": "drop"}).status_code == 200
    assert client.post(path, headers=grace, json={"decision": "drop"}).status_code == 409
    assert client.delete(f"/v1/proposals/{one['id']}", headers=grace).status_code == 204
    assert client.delete(f"/v1/proposals/{one['id']}", headers=grace).status_code == 404
    ordered = {"decision": "adopt", "title": "Music room", "owner": "facilities", "without": [whole[0]["id"]]}
    assert client.post(path, headers=grace, json=ordered).status_code == 200
    shown = client.get("/v1/proposals", headers=grace).json()["proposals"]
    assert next(it for it in shown if it["id"] == one["id"])["decision"]["kind"] == "wanted"
    assert not (service.root / "processes.toml").exists(), "the service writes no catalogue"


def test_the_routes_are_written_as_the_next_version_of_the_framework_asks():
    from mlbot.serve.app import document_alone
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "/v1/predict" in document_alone()["paths"]
