"""The service under faults: models swapped under load, promotes that are killed, requests that make no sense.

    python3 benchmarks/faults.py [--swaps 1000] [--kills 1000] [--requests 100000]

Swaps: two models of the sample take turns as the champion while three clients ask without a pause; each answer must be one
that one of the two models gives, and after a swap was seen no answer may come from the model before. The 99th percentile is
put beside that without swaps. Kills: a process promotes in a loop and is killed after a random time; the champion must load
each time. Requests: drawn from fields, types, lengths and Unicode at random, to all routes, some with odd headers, some as
binary tensors; no answer may be a 5xx, and the memory of a service that did nothing before is read at the start, after a
tenth of them and at the end.
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import string
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from mlbot.data.split import split
from mlbot.data.table import Columns, read_utterances, sample_file
from mlbot.files import write_atomic
from mlbot.model.artefact import POINTER
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.registry import release
from mlbot.model.rollout import Live, promote, read_pointer, write_golden
from mlbot.model.train import train
from mlbot.settings import load_settings

TEXT = json.dumps({"text": "I need a new card", "context": {"role": "sales"}})
JSON = {"Content-Type": "application/json"}


def make_models(folder: Path) -> dict[str, str]:
    """Two released models of the sample: name > what it says to TEXT."""
    settings = load_settings()
    sides = split(read_utterances(sample_file(), Columns(context=("role", "location")), settings.data), settings.data)
    found = {}
    for penalty in (1.0, 0.2):
        model = replace(settings.model, penalty=penalty)
        artefact = to_artefact(train(sides.train, ["role", "location"], model), model, {})
        write_golden(folder, Predictor(artefact), sides.test)
        release(artefact, folder, {"who": "benchmark"})
        found[artefact.name] = round(Predictor(artefact).predict("I need a new card", role="sales").confidence, 6)
    return found


class Service:
    """`mlbot serve` as a process of its own."""

    def __init__(self, root: Path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "mlbot", "serve", "--demo", "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)
        while self.ask("GET", "/livez")[0] != 200:
            time.sleep(0.1)

    def ask(self, method: str, path: str, body: str = "", headers=JSON) -> tuple[int, bytes]:
        """One request on a connection of its own; status 0 when there is no answer."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            connection.request(method, path, body.encode("utf-8", "surrogatepass"), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def memory(self) -> float:
        """Megabytes."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6


def clients(service: Service, known: dict[str, str], stop: threading.Event, times: list[float], wrong: list[str]):
    """Three threads that ask without a pause, on connections that stay open."""
    def run():
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        while not stop.is_set():
            started = time.perf_counter()
            connection.request("POST", "/v1/predict", TEXT, JSON)
            answer = connection.getresponse()
            body = answer.read()
            times.append(time.perf_counter() - started)
            said = json.loads(body) if answer.status == 200 else {}
            if known.get(said.get("model", "")) != round(said.get("confidence", -1), 6):
                wrong.append(f"{answer.status} {body[:100]!r}")
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    return threads


def swap(service: Service, models: Path, known: dict[str, str], swaps: int) -> None:
    """Take turns under load."""
    names, slow = list(known), []
    for count in (0, swaps):
        times, wrong, stop = [], [], threading.Event()
        threads, back = clients(service, known, stop, times, wrong), 0
        if not count:
            time.sleep(5)
        for number in range(count):
            name = names[number % 2]
            write_atomic(models / POINTER, lambda file, name=name: file.write(name + "\n"))
            seen = []
            while name not in seen:
                said = json.loads(service.ask("POST", "/v1/predict", TEXT)[1] or b"{}")
                seen.append(said.get("model"))
            again = json.loads(service.ask("POST", "/v1/predict", TEXT)[1] or b"{}")
            back += again.get("model") != name
        stop.set()
        for thread in threads:
            thread.join()
        slow.append(1e3 * float(np.quantile(times, 0.99)))
        print(f"{count:,} swaps: {len(times):,} answers, {len(wrong)} failed or mixed, {back} going back, "
              f"p99 {slow[-1]:.1f} ms", flush=True)
        if wrong:
            print(*wrong[:3], sep="\n")
    print(f"p99 with swaps: {slow[1] / slow[0]:.2f} times that without", flush=True)


def kill(models: Path, names: list[str], kills: int) -> None:
    """Promote in a process that is killed at a random moment, so many times."""
    dice, broken, reached, started = random.Random(0), 0, set(), time.perf_counter()
    for name in names * 2:
        promote(models, name, {"who": "measured"})
    span = (time.perf_counter() - started) / 4  # of one promote: the kill comes within the first three
    for _ in range(kills):
        child = os.fork()
        if not child:
            while True:
                for name in names:
                    promote(models, name, {"who": "killed"})
        time.sleep(dice.uniform(0.001, 3 * span))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        live = Live(models)
        live.follow()
        broken += live.current is None or live.current.name != read_pointer(models) or bool(live.alert)
        reached.add(read_pointer(models))
    print(f"{kills:,} promotes killed: {broken} times the champion was not complete; {len(reached)} models were champion",
          flush=True)


def odd_value(dice: random.Random, deep: int = 0):
    """A value of any kind."""
    kind = dice.randrange(10)
    if kind < 4:
        odd = "äß\u0130\u4f60\U0001f600\u202e\u200b\x00\ud800"
        alphabet = dice.choice([string.printable, odd, "<script>'\"{{7*7}}%s../"])
        return "".join(dice.choices(alphabet, k=int(dice.paretovariate(0.6)) % 6000))
    if kind < 8 or deep > 3:
        return dice.choice([None, True, False, 0, -1, 1e308, float("nan"), 2 ** 70, "", "card_order", "e1", "x" * 300])
    if kind == 8:
        return [odd_value(dice, deep + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(["text", "role", "key", "x"]): odd_value(dice, deep + 1) for _ in range(dice.randrange(4))}


def odd_tensor(dice: random.Random) -> dict:
    """An input of the Open Inference Protocol, good or bad."""
    rows = dice.randrange(4)
    odd = [odd_value(dice), None, ["a"]]
    data = [dice.choice(odd) if dice.random() < 0.2 else "a card" for _ in range(rows)]
    return {"name": dice.choice(["text", "text", "role", "x"]), "shape": dice.choice([[rows], [rows, 1], odd_value(dice)]),
            "datatype": dice.choice(["BYTES", "BYTES", "FP32", odd_value(dice)]), "data": data,
            "parameters": dice.choice([None, {}, {"content_type": "base64"}, {"binary_data_size": dice.randrange(-2, 99)}])}


def odd_headers(dice: random.Random, length: int) -> dict[str, str]:
    """Headers that a service must not stumble over."""
    kind = dice.choice(["text/plain", "", "application/octet-stream", "application/json; charset=x"])
    host, address = dice.choice(["evil.example", "localhost", "[::1]:80", "x y"]), dice.choice(["1.2.3.4", "x", "::1"])
    return dice.choice([{"Content-Type": kind}, {"Host": host}, {"X-Forwarded-For": address}, {"Content-Encoding": "gzip"},
                        {"Inference-Header-Content-Length": str(dice.randrange(-1, length + 2))}, {"Accept": "text/html"},
                        {"Expect": "100-continue"}])


def fuzz(service: Service, requests: int) -> None:
    """Send so many odd requests."""
    dice, statuses = random.Random(0), {}
    ada = json.dumps({"name": "Ada", "role": "sales"})
    tokens = {kind: json.loads(service.ask("POST", f"/demo/{kind}", ada)[1])["token"] for kind in ("identity", "agent")}
    as_ada = {**JSON, "Authorization": f"Bearer {tokens['identity']}"}
    talk = json.loads(service.ask("POST", "/v1/conversations", "{}", as_ada)[1])
    about = talk["conversation_id"]
    chat, case = f"/v1/conversations/{about}", f"/v1/handoffs/{about}"
    routes = [("POST", "/v1/predict"), ("POST", "/v1/feedback"), ("GET", "/v1/intents"), ("POST", "/v1/conversations"),
              ("POST", f"{chat}/messages"), ("GET", f"{chat}/messages?after=%s"), ("POST", f"{chat}/handoff"),
              ("GET", "/v1/handoffs"), ("POST", f"{case}/take"), ("POST", f"{case}/messages"), ("POST", f"{case}/return"),
              ("POST", "/v1/labels"), ("GET", "/v1/labels/next?count=%s"), ("DELETE", "/v1/labels/%s"),
              ("POST", "/v2/models/mlbot/infer"), ("POST", "/v2/models/mlbot/versions/%s/infer"), ("GET", "/v2/models/%s"),
              ("GET", "/web/%s"), ("PUT", "/%s"), ("POST", "/demo/identity"), ("HEAD", "/v1/intents"), ("HEAD", "/%s"),
              ("GET", "/readyz"), ("GET", "/v1/monitor?days=%s"), ("GET", "/v1/labels/export")]
    names = ("text context conversation_id request_id useful intent key choose confirm person id inputs name role location "
             "outputs parameters odd").split()
    connection, before = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20), service.memory()
    for number in range(requests):
        method, path = routes[0] if number % 4 == 0 else dice.choice(routes)
        if "%s" in path:
            path = path.replace("%s", "".join(dice.choices("abc019-._~%20%2e%2f%00", k=dice.randrange(1, 12))))
        if path == "/v1/labels/export" and number % 50:  # the answer grows with the labels
            path = "/v1/intents"
        body = {dice.choice(names): odd_value(dice) for _ in range(dice.randrange(5))}
        if path.endswith("/infer"):
            body |= {"inputs": [odd_tensor(dice) for _ in range(dice.randrange(1, 3))]}
        data = json.dumps(body).encode() if dice.random() < 0.95 else dice.randbytes(dice.randrange(200))
        headers = {**JSON, "Authorization": f"Bearer {dice.choice([tokens['identity'], tokens['agent'], 'x.y', ''])}x"[:-1]}
        headers |= odd_headers(dice, len(data)) if dice.random() < 0.1 else {}
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            status, said = answer.status, answer.read()
        except (OSError, http.client.HTTPException, ValueError) as problem:
            connection.close()
            status, said = type(problem).__name__, b""
        statuses[status] = statuses.get(status, 0) + 1
        if isinstance(status, int) and status >= 500:
            print(method, path, data[:200], said[:200], flush=True)
        if number in (requests // 10, requests - 1):
            print(f"{number + 1:,} odd requests: {service.memory():.0f} MB (before {before:.0f} MB)", flush=True)
    told = ", ".join(f"{status} {count:,}" for status, count in sorted(statuses.items(), key=str))
    bad = sum(count for status, count in statuses.items() if isinstance(status, int) and status >= 500)
    print(f"answers: {told}; 5xx: {bad}")


def with_service(root: Path, work) -> None:
    """Do something with a service of its own, whose log is empty: what one made it store does not count for the other."""
    for file in root.rglob("events.db*"):
        file.unlink()
    service = Service(root)
    try:
        work(service)
    finally:
        service.process.terminate()
        service.process.wait(30)


def main() -> None:
    """Print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "settings.ini").write_text("[data]\nsource = sample\n[service]\nper_caller = 1000000\n")
        known = make_models(root / "models")
        if options.kills:
            kill(root / "models", list(known), options.kills)
        for work, n in ((partial(swap, models=root / "models", known=known, swaps=options.swaps), options.swaps),
                        (partial(fuzz, requests=options.requests), options.requests)):
            if n:
                with_service(root, work)


if __name__ == "__main__":
    main()
