"""What one message to the bot costs: processor time of the model, of the bot in process, and of the service over HTTP.

    python3 benchmarks/messages.py [--talks 120] [--rounds 3]

The model of tier light learns from the company's training side. People then talk: each begins with a wish of the test side,
answers what the bot asks with the company's test messages for that slot or with a few words of their own, and says something
that is small talk, up to four messages each. No wish comes twice. The same people talk to the bot in this process and to a
service; the cost of a message is the processor time that the answering process used. Two costs stand beside it: of the
model's prediction alone, and of a route of the same service that checks the token and answers from a thread, as most routes
do, and has nothing else to do. Each cost is the mean of a round; the median of the rounds is printed, with the lowest and
the highest.
"""

import argparse
import gc
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

import psutil

from mlbot.bot.identity import Identity
from mlbot.bot.values_scored import COMPANY, company_messages
from mlbot.data.source import choose, load_source
from mlbot.data.split import split
from mlbot.model.export import to_artefact
from mlbot.model.predict import load
from mlbot.model.registry import release
from mlbot.model.train import train
from mlbot.serve.app import PersonAct, answer_act, as_body
from mlbot.serve.service import BotService
from mlbot.settings import Settings, load_settings

SERVER = """
import sys
from typing import Any
from litestar import Request, post
from mlbot.bot.identity import Identity
from mlbot.serve.app import PersonAct, build_framework
from mlbot.serve.service import run_server
from mlbot.serve.talk import TalkPath
from mlbot.settings import load_settings
@post("/v1/echo", status_code=200, sync_to_thread=True)
def echo(request: Request, identity: Identity, data: PersonAct) -> dict[str, Any]:
    return {"text": data.text}
def framework(service):
    app = build_framework(service)
    app.register(echo)
    return TalkPath(app, service)
run_server(load_settings(), framework, demo=True, port=0, ready=lambda address: print(address, flush=True))
"""
TURNS, SHARE = 4, 0.15  # messages of one person; how often an answer is small talk instead
OWN = ("the old one", "because of the move", "it is for the whole team", "room {number}", "the grey one from 20{number}")
YES = ("yes", "yes please", "no", "ja", "oui", "ok do that")
SMALL = [text for spoken in tomllib.loads((COMPANY / "small_talk.toml").read_text(encoding="utf-8")).values()
         for texts in spoken.values() for text in texts]
ANSWERS: dict[tuple[str, str], list[str]] = {}
for told in company_messages("held out"):
    ANSWERS.setdefault((told.process, told.slot), []).append(told.text)


@dataclass
class Costs:
    """Messages and processor seconds by kind of message: first, answer, small talk."""
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, count: int, seconds: float) -> None:
        """Some more messages."""
        self.counts[kind] = self.counts.get(kind, 0) + count
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds

    def each(self, kind: str = "") -> float:
        """Milliseconds of a message of a kind; of all kinds without one."""
        kinds = [kind] if kind else list(self.counts)
        return 1000 * sum(self.seconds[it] for it in kinds) / max(1, sum(self.counts[it] for it in kinds))


def reply(shown: dict, rng: Random) -> tuple[str, str]:
    """The next message of a person who sees this, and its kind; '' where the talk is over."""
    pending = shown.get("pending")
    if shown["owner"] != "bot":
        return "", ""
    if pending is None or pending["kind"] == "choose" or rng.random() < SHARE:
        return rng.choice(SMALL), "small talk"
    if pending["kind"] == "slot":
        known = ANSWERS.get((pending["intent"], pending["options"][0]), [])
        return rng.choice(known or OWN).replace("{number}", str(rng.randrange(10, 90))), "answer"
    return rng.choice(YES), "answer"


def talk(rows, say: Callable[[object, str], dict], start: Callable[[dict], object], used: Callable[[], float],
         rng: Random) -> Costs:
    """Let people talk, one round of messages after another, and add up what the messages of each kind cost."""
    costs = Costs()
    waiting = [(start(row), row["text"], "first") for row in rows]
    for _ in range(TURNS):
        later = []
        for kind in ("first", "answer", "small talk"):
            mine = [(who, text) for who, text, its in waiting if its == kind]
            before = used()
            answers = [(who, say(who, text)) for who, text in mine]
            costs.add(kind, len(mine), used() - before)
            later += [(who, *reply(shown, rng)) for who, shown in answers]
        waiting = [one for one in later if one[1]]
    return costs


def in_process(service: BotService, rows, seed: int) -> Costs:
    """The costs of talking to the bot in this process, from the decoded message to the encoded answer."""
    def start(row: dict) -> tuple[str, Identity]:
        who = Identity(f"p{uuid.uuid4().hex}", row["role"], row["location"])
        return service.bot.start(who).id, who

    def say(talk: tuple[str, Identity], text: str) -> dict:
        shown = answer_act(service, talk[1], talk[0], PersonAct(uuid.uuid4().hex, text=text))
        as_body(shown)
        return shown
    return talk(rows, say, start, time.process_time, Random(seed))


class Server:
    """A service in a process of its own."""

    def __init__(self, folder: Path):
        self.process = subprocess.Popen([sys.executable, "-c", SERVER], cwd=folder, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "OMP_NUM_THREADS": "1"})
        self.port = int(self.process.stdout.readline().rstrip("/\n").rpartition(":")[2])
        self.line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.told = psutil.Process(self.process.pid)

    def ask(self, path: str, body: dict, token: str = "") -> dict:
        """The answer to one POST."""
        signed = {"authorization": f"Bearer {token}"} if token else {}
        self.line.request("POST", path, json.dumps(body), {"content-type": "application/json", **signed})
        answer = self.line.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{path} answers {answer.status}: {text.decode()[:300]}")
        return json.loads(text)

    def used(self) -> float:
        """Processor seconds so far."""
        times = self.told.cpu_times()
        return times.user + times.system

    def start(self, row: dict) -> tuple[str, str]:
        """A conversation of somebody new."""
        who = {"name": f"p{uuid.uuid4().hex}", "role": row["role"], "location": row["location"]}
        token = self.ask("/demo/identity", who)["token"]
        return self.ask("/v1/conversations", {}, token)["conversation_id"], token

    def say(self, talk: tuple[str, str], text: str) -> dict:
        """A message and its answer."""
        return self.ask(f"/v1/conversations/{talk[0]}/messages", {"key": uuid.uuid4().hex, "text": text}, talk[1])

    def echo(self, rows) -> float:
        """Milliseconds of the bare route."""
        token = self.ask("/demo/identity", {"name": "echo"})["token"]
        before = self.used()
        for row in rows:
            self.ask("/v1/echo", {"key": uuid.uuid4().hex, "text": row["text"]}, token)
        return 1000 * (self.used() - before) / len(rows)


def prepare(folder: Path) -> tuple[Settings, list[dict]]:
    """A project with a released model, and the people of the test side in a drawn order."""
    (folder / "settings.ini").write_text("[data]\nsource = company\n[service]\nper_caller = 1000000\n")
    settings = load_settings(folder)
    source, columns = choose(settings, "company")
    sides = split(load_source(source, columns, settings), settings.data)
    pipeline = train(sides.train, list(columns.context), settings.model)
    release(to_artefact(pipeline, settings.model, {}), settings.places.models, {"who": "benchmark"})
    rows = sides.test.drop_duplicates("text").to_dict("records")
    Random(0).shuffle(rows)
    return settings, [{**row, **{name: row.get(name) or "" for name in ("role", "location")}} for row in rows]


def predicted(model, rows) -> float:
    """Milliseconds of the model's answer alone."""
    before = time.process_time()
    for row in rows:
        model.predict(row["text"], role=row["role"], location=row["location"])
    return 1000 * (time.process_time() - before) / len(rows)


def print_line(name: str, costs: list[float], n: int) -> None:
    """One line: what costs how much."""
    print(f"{name:<34}{median(costs):>7.2f} ms a message ({min(costs):.2f} to {max(costs):.2f}; n = {n:,})", flush=True)


def print_talks(place: str, found: list[Costs]) -> None:
    """The lines of one place."""
    for kind in (*found[0].counts, ""):
        n = sum(costs.counts[it] for costs in found for it in ([kind] if kind else costs.counts))
        print_line(f"{place}, {kind or 'all messages'}", [costs.each(kind) for costs in found], n)


def main() -> None:
    """Print the costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--talks", type=int, default=120, help="people who talk in a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, after one that warms up (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        settings, rows = prepare(Path(name))
        size = min(options.talks, len(rows) // (options.rounds + 1))
        parts = [rows[at * size:(at + 1) * size] for at in range(options.rounds + 1)]
        model, service, server = load(settings.places.models), BotService(settings, demo=True), Server(Path(name))
        try:
            service.live.follow()
            gc.freeze()  # as the service does
            found = [(predicted(model, part), in_process(service, part, seed), server.echo(part),
                      talk(part, server.say, server.start, server.used, Random(seed)))
                     for seed, part in enumerate(parts)][1:]
        finally:
            server.process.terminate()
            server.process.wait(30)
            service.log.close()
        alone, inside, echoes, outside = zip(*found, strict=True)
        print_line("the model's prediction alone", list(alone), size * options.rounds)
        print_talks("in process", list(inside))
        print_line("over HTTP, a route without work", list(echoes), size * options.rounds)
        print_talks("over HTTP", list(outside))


if __name__ == "__main__":
    main()
