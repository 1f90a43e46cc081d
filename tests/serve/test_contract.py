"""One contract, kept by the service, by the JavaScript client, and by the bot in process."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from serving import Service

from mlbot.bot.catalogue import load_catalogue
from mlbot.bot.conversation import Bot
from mlbot.bot.events import Event, EventLog
from mlbot.bot.frames import Act
from mlbot.bot.identity import Identity, find_secret, sign
from mlbot.bot.proposed import LOOK
from mlbot.bot.translations import load_translations
from mlbot.model.predict import load
from mlbot.model.promised import read_promised, ways_of
from mlbot.serve.service import places_of
from mlbot.settings import load_settings

HERE = Path(__file__).parent
EXAMPLES = json.loads((HERE / "contract.json").read_text())


@pytest.fixture(scope="module")
def service(company_project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract")
    shutil.copytree(company_project / "models", folder / "models")
    (folder / "settings.ini").write_text("[data]\nsource = company\n[service]\nper_caller = 100000\n")
    found = Service(folder, "--demo")
    yield found
    said = found.stop()
    assert "Traceback" not in said, said


def shape(value, wanted, place="body") -> list[str]:
    """Where the shape of a value differs from that of an example: other keys, other kinds; null fits anything."""
    if value is None or wanted is None:
        return []
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return [f"{place} is {value!r}"]
        free = place.endswith((".slots", ".context", ".decisions", ".fields"))
        other = [] if free else [f"{place}: {sorted(set(value) ^ set(wanted))}"] * (set(value) != set(wanted))
        both = sorted(set(value) & set(wanted))
        return other + [found for name in both for found in shape(value[name], wanted[name], f"{place}.{name}")]
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return [f"{place} is {value!r}"]
        return [found for one in value for found in shape(one, wanted[0], f"{place}[]")] if wanted else []
    kinds = (bool,) if isinstance(wanted, bool) else (int, float) if isinstance(wanted, int | float) else (type(wanted),)
    fits = isinstance(value, kinds) or isinstance(value, str | bool) and place.endswith(".value")
    return [] if fits else [f"{place} is {value!r}"]


def kept_group(service, item: str) -> str:
    """A group of one message in the log, as a look leaves it; its id."""
    group = {"id": "5aa0f1", "size": 1, "share": 0.1, "low": 0.0, "high": 0.4, "new": True, "words": ["card"],
             "nearest": "printer", "probability": 0.1, "examples": 1, "rows": [item]}
    log = EventLog(service.root / "events" / "events.db")
    log.append(Event(LOOK, "m1", {"messages": 10, "unanswered": 1, "through": 1, "proposals": [group]}))
    log.close()
    return group["id"]


def test_the_service_answers_each_example_as_recorded(service):
    known, wrong = {}, []
    headers = {"person": service.ada, "agent": service.grace, "nobody": {}}
    for example in EXAMPLES:
        request, wanted = example["request"], example["response"]
        text = json.dumps(request)
        if "{item}" in text and "item" not in known:
            known["item"] = service.client.get("/v1/labels/next", headers=service.grace).json()["items"][0]["id"]
        if "{proposal}" in text and "proposal" not in known:
            known["proposal"] = kept_group(service, known["item"])
        for name, value in known.items():
            text = text.replace(f"{{{name}}}", value)
        filled = json.loads(text)
        got = service.client.request(filled["method"], filled["path"], headers=headers[example["as"]],
                                     json=filled.get("body"))
        problem = [f"status {got.status_code}: {got.text[:200]}"] if got.status_code != wanted["status"] else []
        kind = got.headers.get("content-type", "")
        body = got.json() if kind.startswith("application/") and kind.partition(";")[0].endswith("+json") or \
            kind.startswith("application/json") else None
        if isinstance(wanted.get("body"), dict) and not example["request"]["path"].endswith(("openapi.json", "metrics")):
            problem += shape(body, wanted["body"])
        wrong += [f"{example['name']}: {found}" for found in problem]
        if isinstance(body, dict):
            known |= {"request": body["request_id"]} if "decision" in body else {}
            if example["request"]["path"] == "/v1/conversations" and got.status_code == 201:
                known["id"] = body["conversation_id"]
    assert not wrong, "\n".join(wrong)


def test_every_route_of_the_service_has_an_example(service):
    """Health and inference routes of the Open Inference Protocol are recorded by that protocol itself."""
    paths = service.client.get("/openapi.json").json()["paths"]
    shown = set()
    for example in EXAMPLES:
        path = re.sub("{item}|{proposal}|nobody-knows-it", "{id}", example["request"]["path"].partition("?")[0])
        shown.add((example["request"]["method"].lower(), path.replace("{id}", "{}")))
    asked = {(method, re.sub(r"\{\w+\}", "{}", path)) for path, methods in paths.items() for method in methods}
    assert not {(method, path) for method, path in asked - shown if not path.startswith("/v2")}


def test_the_javascript_side_keeps_the_contract():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here: the tests of the JavaScript client need Node.js 20")
    files = map(str, sorted((HERE / "js").glob("*.test.mjs")))
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


TRANSCRIPT = [{"text": "I need a new card"}, {"text": "500"}, {"text": "travel"}, {"confirm": True},
              {"text": "my screen is dark"}, {"text": "tell me a joke"}, {"text": "wo ist meine Rechnung"}, {"choose": ""},
              {"confirm": False}, {"text": "where can I see my payslip"}, {"text": "can I talk to a human"},
              {"text": "hello?"}]


def played_alike(service, bot, ada, acts) -> list[tuple]:
    """What is said when a conversation is played in process and over HTTP, which must be the same."""
    token = {"authorization": f"Bearer {sign(ada, find_secret(service.root / 'events' / 'secret'))}"}
    here, said = bot.start(ada).id, []
    there = service.client.post("/v1/conversations", headers=token).json()["conversation_id"]
    for number, act in enumerate(acts):
        mine = bot.act(here, ada, Act(**act), str(number))
        theirs = service.client.post(f"/v1/conversations/{there}/messages", headers=token,
                                     json={"key": str(number), **act}).json()
        assert mine.state.owner == theirs["owner"]
        ours = [(one.sender, one.text, list(one.buttons)) for one in mine.messages if one.sender != "system"]
        assert ours == [(one["sender"], one["text"], one["buttons"]) for one in theirs["messages"]
                        if one["sender"] != "system"]
        said += ours
    return said


@pytest.fixture
def bot(service, tmp_path):
    """The bot in process, with the model and the catalogue of the service."""
    settings = load_settings(service.root)
    model = load(settings.places.models)
    processes = load_catalogue(settings, model.intents)
    translations = load_translations(settings, processes)
    found = Bot(EventLog(tmp_path / "events.db"), lambda about: model, lambda: processes, settings.costs,
                translations=lambda: translations, places=places_of(settings),
                ways=lambda name: ways_of(read_promised(settings.places.models, name), settings.promise.wrong,
                                          settings.promise.sure))
    yield found
    found.log.close()


def test_the_bot_in_process_and_behind_http_decide_alike(service, bot):
    """One conversation through both: the same words, the same buttons, the same owner after each act."""
    ada = Identity("ada", "sales", "de", expires=time.time() + 999)
    said = played_alike(service, bot, ada, TRANSCRIPT)
    assert "I hand you over to a person" in " ".join(text for _, text, _ in said)


def test_slots_with_a_kind_are_asked_alike_and_reach_the_process_as_written_everywhere(service, bot):
    """A date, a number and a choice: what does not fit is asked again on both ways, and the log holds the value itself."""
    ada = Identity("ada", "sales", "bangalore", expires=time.time() + 999)
    said = played_alike(service, bot, ada, [
        {"text": "I want to join the shuttle to the office"}, {"text": "main gate"}, {"text": "purple"},
        {"choose": "Late"},
        {"text": "I need annual leave"}, {"text": "soon"}, {"text": "3 April 2099"}, {"text": "8.4.2099"},
        {"text": "I need a new card"}, {"text": "plenty of it"}, {"text": "EUR 1,500.50"}, {"text": "travel"},
        {"confirm": True}])
    asked = [text for sender, text, _ in said if sender == "bot" and text.startswith("That does not fit")]
    assert len(asked) == 3
    assert any([button["label"] for button in buttons][:3] == ["Early", "Late", "Night"] for _, _, buttons in said)
    assert ("person", "Late", []) in said
    wanted = [{"pick_up": "main gate", "shift": "Late"}, {"first_day": "2099-04-03", "last_day": "2099-04-08"},
              {"limit": 1500.5, "reason": "travel"}]
    there = EventLog(service.root / "events" / "events.db")
    for log in (bot.log, there):
        assert [event.body["slots"] for event in log.read(("process.asked",))][-3:] == wanted
    there.close()


def checking(check, headers):
    """A function of a case alone."""
    def run(case):
        check(case, headers)
    return run


def test_whatever_fits_the_contract_gets_an_answer_that_fits_it_too(service):
    """Thousands of requests made from the OpenAPI document, good and bad: no 5xx, only documented statuses and bodies."""
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance as content_type
    from schemathesis.specs.openapi.checks import response_schema_conformance as answer_schema
    from schemathesis.specs.openapi.checks import status_code_conformance as status_code
    kept = [not_a_server_error, status_code, content_type, answer_schema]
    from hypothesis import HealthCheck, Phase, given, settings
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    checked, wrong = 0, []
    for found in schema.get_all_operations():
        operation = found.ok()
        desk = any(part in operation.path for part in ("/handoffs", "/labels", "/monitor"))

        def check(case, headers):
            nonlocal checked
            checked += 1
            answer = case.call(headers=headers, timeout=20)
            try:
                case.validate_response(answer, checks=kept)
            except BaseExceptionGroup as problem:
                wrong.append(f"{case.method} {case.path}: {str(problem)[:600]}")
        headers = service.grace if desk else service.ada
        run = given(case=operation.as_strategy())(checking(check, headers))
        settings(max_examples=15, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
                 suppress_health_check=list(HealthCheck))(run)()
    assert checked > 200 and not wrong, "\n".join(wrong[:5])
