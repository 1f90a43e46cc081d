"""The service under load, beside MLflow's model server and a FastAPI service around the same model.

    python3 benchmarks/serve.py [--seconds 5] [--at-once 1 16 64] [--only mlbot constant fastapi mlflow]

All answer the same request with the company's model of tier light: mlbot as it ships; "constant", the same server and
framework with a route that answers a constant; FastAPI with the scikit-learn pipeline, as one writes it; and MLflow's
`models serve` with that pipeline. mlbot and the peers are installed once into environments of their own below
~/.cache/mlbot, each with what it needs, compiled. Load comes from wrk (Debian: apt install wrk). For each: time from start
to the first answer, requests a second, processor time a request, the median and 99th percentile at each concurrency, and
the resident memory of all its processes after the load. Ratios hold within one run.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
HOME = Path.home() / ".cache" / "mlbot"
OURS, PEERS = HOME / "bench-serve-mlbot", HOME / "bench-serve"
COMPILES = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
ASKED = {"text": "I need a new card", "role": "sales", "location": "berlin"}
TRAIN = """
import sys, cloudpickle
from pathlib import Path
from mlbot.model.export import to_artefact
from mlbot.model.train import train
from mlbot.model.registry import release
from mlbot.settings import load_settings
from mlbot.data.source import choose, load_source
from mlbot.data.split import split
settings = load_settings()
source, columns = choose(settings, "company")
sides = split(load_source(source, columns, settings), settings.data)
pipeline = train(sides.train, list(columns.context), settings.model)
release(to_artefact(pipeline, settings.model, {}), settings.places.models, {"who": "benchmark"})
cloudpickle.dump(pipeline, open("pipeline.pkl", "wb"))
"""
CONSTANT = """
import msgspec
from litestar import Litestar, post
from mlbot.serve.service import Alternative, Ask, Prediction, ProcessName
ANSWER = Prediction("r", "0123456789ab", "execute", "card_order", ProcessName("card_order", "Card"), 0.9, 0.9,
                    [Alternative("card_block", 0.1)] * 4, [])
@post("/v1/predict", status_code=200)
async def predict(data: Ask) -> Prediction:
    return ANSWER
app = Litestar([predict], openapi_config=None, logging_config=None)
"""
FASTAPI = """
import pickle
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel
pipeline = pickle.load(open("pipeline.pkl", "rb"))
app = FastAPI()
class Ask(BaseModel):
    text: str
    role: str = ""
    location: str = ""
@app.post("/predict")
def predict(ask: Ask):
    probabilities = pipeline.predict_proba(pd.DataFrame([ask.model_dump()]))[0]
    best = probabilities.argsort()[::-1][:5]
    return {"intents": [{"intent": pipeline.classes_[at], "confidence": float(probabilities[at])} for at in best]}
"""
MLFLOW = """
import pickle, mlflow.sklearn
pipeline = pickle.load(open("pipeline.pkl", "rb"))
mlflow.sklearn.save_model(pipeline, "mlflow-model", serialization_format="cloudpickle")
"""


@dataclass
class Server:
    """A server on trial: how it starts, what it is asked, and where."""
    command: list[str]
    path: str
    body: dict


def python_of(home: Path) -> str:
    """The Python of an environment."""
    return str(home / "bin" / "python")


def environment(home: Path, *packages: str) -> str:
    """The Python of an environment with such packages, which is made when it is not there."""
    python = python_of(home)
    if not (home / "done").exists():
        print(f"installing {home.name} (once; some minutes)", flush=True)
        subprocess.run([sys.executable, "-m", "uv", "venv", "-q", "--clear", str(home)], check=True)
        subprocess.run([sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, *packages], check=True)
        (home / "done").touch()
    if not (home / "compiled").exists():  # as pip leaves it: who compiles at each start needs more time and memory
        subprocess.run([python, "-m", "compileall", "-q", str(home / "lib"), str(ROOT / "mlbot")], env=COMPILES)
        (home / "compiled").touch()
    return python


def ours() -> str:
    """The Python of mlbot's environment."""
    return environment(OURS, "-e", f"{ROOT}[serve]", "-c", str(ROOT / "constraints.txt"))


def peers() -> str:
    """The Python of the peers' environment."""
    return environment(PEERS, "-e", f"{ROOT}[train]", "mlflow>=3.4,<3.18", "fastapi", "uvicorn", "cloudpickle")


def servers(port: int, names: list[str]) -> dict[str, Server]:
    """The servers by name."""
    body = {"text": ASKED["text"], "context": {"role": ASKED["role"], "location": ASKED["location"]}}
    python = ours()
    constant = [python, "-m", "uvicorn", "constant:app", "--port", str(port), "--log-level", "error", "--no-access-log",
                "--loop", "uvloop", "--http", "httptools"]
    found = {"mlbot": Server([python, "-m", "mlbot", "serve", "--port", str(port)], "/v1/predict", body),
             "constant": Server(constant, "/v1/predict", body)}
    if {"fastapi", "mlflow"} & set(names):
        python = peers()
        uvicorn = [python, "-m", "uvicorn", "fast:app", "--port", str(port), "--log-level", "warning"]
        found["fastapi"] = Server(uvicorn, "/predict", ASKED)
        found["mlflow"] = Server([python, "-m", "mlflow", "models", "serve", "-m", "mlflow-model", "--port", str(port),
                                  "--env-manager", "local"], "/invocations", {"dataframe_records": [ASKED]})
    return {name: found[name] for name in names}


def ask(port: int, server: Server) -> bool:
    """Whether it answers."""
    data = json.dumps(server.body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{server.path}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status == 200
    except OSError:
        return False


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def used(pid: int) -> float:
    """Processor seconds of all of them."""
    return sum(process.cpu_times().user + process.cpu_times().system for process in family(pid))


@dataclass
class Load:
    """What wrk counted: requests answered, in how many seconds, median and 99th percentile in milliseconds, failures."""
    answered: int
    seconds: float
    half: float
    most: float
    bad: int


def counted(printed: str) -> Load:
    """The figures in what wrk printed. Failures are answers other than 2xx and 3xx, broken connections and timeouts."""
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
    half, most = (float(value) * units[unit] for value, unit in re.findall(r"(?:50|99)%\s+([\d.]+)(us|ms|s|m)\b", printed))
    answered, time_taken, unit = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)\b", printed).groups()
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    broken = re.search(r"Socket errors: (.*)", printed)
    bad = int(refused[1]) if refused else 0
    bad += sum(map(int, re.findall(r"\d+", broken[1]))) if broken else 0
    return Load(int(answered), float(time_taken) * units[unit] / 1e3, half, most, bad)


def load(port: int, server: Server, at_once: int, seconds: int, script: Path) -> Load:
    """So many connections ask again and again. Where no answer came in that time, they ask for four times as long."""
    for longer in (seconds, 4 * seconds):
        found = counted(subprocess.run(
            ["wrk", "-t1", f"-c{at_once}", f"-d{longer}", "--timeout", "20", "--latency", "-s", str(script),
             f"http://127.0.0.1:{port}{server.path}"], capture_output=True, text=True, check=True).stdout)
        if found.answered:
            return found
    sys.exit(f"no answer within {4 * seconds} s with {at_once} requests at once, {found.bad} of them failed: {server.path}")


def measure(name: str, server: Server, port: int, folder: Path, options) -> dict:
    """All figures of one server."""
    script = folder / "post.lua"
    body = json.dumps(server.body).replace("\\", "\\\\").replace("'", "\\'")
    script.write_text(f"wrk.method = 'POST'\nwrk.body = '{body}'\nwrk.headers['Content-Type'] = 'application/json'\n")
    path = f"{PEERS / 'bin'}{os.pathsep}{os.environ['PATH']}"  # mlflow starts uvicorn by its name
    environment = {**COMPILES, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": path}
    started = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(server.command, cwd=folder, env=environment, **quiet)
    try:
        while not ask(port, server):
            if process.poll() is not None or time.perf_counter() - started > 120:
                sys.exit(f"{name} does not start: {' '.join(server.command)}")
            time.sleep(0.005)
        found = {"cold": time.perf_counter() - started, "runs": {}}
        load(port, server, 4, 1, script)
        for at_once in options.at_once:
            before = used(process.pid)
            done = load(port, server, at_once, options.seconds, script)
            rate, spent = done.answered / done.seconds, (used(process.pid) - before) / done.answered
            half, most, bad = done.half, done.most, done.bad
            found["runs"][at_once] = {"rate": rate, "cpu": spent, "half": half, "most": most, "bad": bad}
            print(f"{name:<10}{at_once:>4} at once{rate:>10,.0f} a second{1e6 * spent:>9,.0f} us CPU a request"
                  f"{half:>9.2f} ms median{most:>9.2f} ms p99{bad:>4} failed", flush=True)
        found["memory"] = sum(one.memory_info().rss for one in family(process.pid)) / 1e6
        print(f"{name:<10}first answer after {found['cold']:.2f} s, {found['memory']:.0f} MB", flush=True)
        return found
    finally:
        for one in reversed(family(process.pid) if process.poll() is None else []):
            one.terminate()
        process.wait(30)


def main() -> None:
    """Print figures and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--at-once", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--only", nargs="+", default=["mlbot", "constant", "fastapi", "mlflow"])
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is not here (Debian: apt install wrk)")
    with tempfile.TemporaryDirectory() as name:
        folder, found = Path(name), {}
        (folder / "settings.ini").write_text("[data]\nsource = company\n[service]\nper_caller = 1000000\n")
        wanted = servers(8765, options.only)
        trainer = peers() if {"fastapi", "mlflow"} & set(options.only) else sys.executable
        subprocess.run([trainer, "-c", TRAIN], cwd=folder, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        (folder / "constant.py").write_text(CONSTANT)
        (folder / "fast.py").write_text(FASTAPI)
        if "mlflow" in options.only:
            subprocess.run([trainer, "-c", MLFLOW], cwd=folder, check=True)
        for kind, server in wanted.items():
            found[kind] = measure(kind, server, 8765, folder, options)
        ours = found.get("mlbot")
        for kind, peer in found.items():
            if ours is None or peer is ours:
                continue
            rates = [ours["runs"][n]["rate"] / peer["runs"][n]["rate"] for n in options.at_once]
            costs = [peer["runs"][n]["cpu"] / ours["runs"][n]["cpu"] for n in options.at_once]
            print(f"{kind} / mlbot: CPU a request {', '.join(f'{cost:.1f}' for cost in costs)} times; requests a second "
                  f"{', '.join(f'1/{rate:.1f}' for rate in rates)}; memory {peer['memory'] / ours['memory']:.1f} times; "
                  f"first answer {peer['cold'] / ours['cold']:.1f} times", flush=True)


if __name__ == "__main__":
    main()
