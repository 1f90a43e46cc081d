"""How long it takes from a released model to a server without network that answers.

    python3 benchmarks/deploy.py [--wheels FOLDER]

Trains and releases the company's model twice (tier light), makes the bundle, unpacks and installs it into a network that
leads nowhere (where `unshare -rn` is permitted), and starts the service. Prints the size of the archive and of what is
installed, the seconds of making, installing, installing again, and from the start of the process to the first answer of
/readyz and of /v1/predict; then of a rollback until the running service answers with the model before.

Then two services with model folders of their own share a folder that carries models, and look every second: prints the
seconds until both, empty at first, answer, and until both follow a promotion on a third machine.

Without --wheels the wheels come from the package index, or from pip's cache.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PORT = 8765


def release_two(root: Path) -> None:
    """A project on the company with two releases."""
    from mlbot.data.source import choose, load_source
    from mlbot.data.split import split
    from mlbot.model.export import to_artefact
    from mlbot.model.predict import Predictor
    from mlbot.model.registry import release
    from mlbot.model.rollout import write_golden
    from mlbot.model.train import train
    from mlbot.settings import load_settings
    (root / "settings.ini").write_text("[data]\nsource = company\n")
    settings = load_settings(root)
    source, columns = choose(settings, "company")
    sides = split(load_source(source, columns, settings), settings.data)
    for penalty in (0.5, 1.0):
        how = replace(settings.model, penalty=penalty)
        artefact = to_artefact(train(sides.train, list(columns.context), how), how, {})
        write_golden(settings.places.models, Predictor(artefact), sides.test)
        release(artefact, settings.places.models, {"who": "benchmark"})


def timed(*command, cwd: Path) -> float:
    """Seconds of a command."""
    started = time.perf_counter()
    subprocess.run(list(map(str, command)), cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def until(ask, wanted, limit: float = 60.0) -> float:
    """Seconds until a question is answered as wanted."""
    started = time.perf_counter()
    while time.perf_counter() - started < limit:
        try:
            with urllib.request.urlopen(ask, timeout=2) as answer:
                if json.load(answer).get("model") == wanted:
                    return time.perf_counter() - started
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
    raise SystemExit(f"no answer of model {wanted} in {limit:g} s")


def measure(root: Path, wheels: str) -> None:
    """Make, install, start, roll back; a line each."""
    release_two(root)
    given = ["--wheels", str(Path(wheels).resolve())] if wheels else []
    print(f"make the bundle              {timed(sys.executable, '-m', 'mlbot', 'bundle', *given, cwd=root):8.1f} s")
    archive = next((root / "bundles").glob("*.tar.gz"))
    print(f"the archive                  {archive.stat().st_size / 1e6:8.1f} MB")
    server = root / "server"
    server.mkdir()
    timed("tar", "xf", archive, "-C", server, cwd=root)
    install = ["sh", next(server.glob("*/install.sh")), server / "target"]
    alone = ["unshare", "-rn"] if not subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode else []
    print(f"install it{' without network' if alone else '                '}  {timed(*alone, *install, cwd=root):8.1f} s")
    print(f"install it again             {timed(*alone, *install, cwd=root):8.1f} s")
    target = server / "target"
    size = sum(path.stat().st_size for path in (target / "releases").rglob("*") if path.is_file() and not path.is_symlink())
    print(f"what is installed            {size / 1e6:8.1f} MB")
    champion, before = json.loads((target / "current" / "bundle.json").read_text())["models"]
    for attempt in ("first", "next"):
        service = subprocess.Popen([target / "mlbot", "serve", "--port", str(PORT)], cwd=target, stdout=subprocess.DEVNULL)
        print(f"start, until ready ({attempt:<5})    {until(f'http://127.0.0.1:{PORT}/readyz', champion):8.2f} s")
        if attempt == "first":
            service.terminate()
            service.wait()
    asked = urllib.request.Request(f"http://127.0.0.1:{PORT}/v1/predict", json.dumps({"text": "I need a new card"}).encode(),
                                   {"content-type": "application/json"})
    print(f"then its first answer        {until(asked, champion):8.3f} s")
    started = time.perf_counter()
    timed(target / "mlbot", "rollback", "--why", "benchmark", cwd=target)
    until(asked, before)
    print(f"rollback, until it answers   {time.perf_counter() - started:8.2f} s")
    service.terminate()
    service.wait()


def measure_many(root: Path) -> None:
    """A promotion on one machine, until servers elsewhere answer with the model."""
    from mlbot.model.rollout import previous, read_pointer
    (root / "settings.ini").write_text("[data]\nsource = company\n[places]\ncarried = shared\n")
    champion, before = read_pointer(root / "models"), previous(root / "models")
    services = []
    for at in (1, 2):
        place = root / f"server{at}"
        place.mkdir()
        (place / "settings.ini").write_text(f"[service]\nlook = 1\n[places]\ncarried = {root / 'shared'}\n")
        command = [sys.executable, "-m", "mlbot", "serve", "--port", str(PORT + at)]
        services.append(subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL))
    ready = [f"http://127.0.0.1:{PORT + at}/readyz" for at in (1, 2)]
    print(f"carry two releases           {timed(sys.executable, '-m', 'mlbot', 'models', '--push', cwd=root):8.2f} s")
    print(f"then empty servers answer    {max([until(address, champion) for address in ready]):8.2f} s")
    print(f"promote, and carry it        {timed(sys.executable, '-m', 'mlbot', 'promote', before, cwd=root):8.2f} s")
    print(f"then both servers follow     {max([until(address, before) for address in ready]):8.2f} s")
    for service in services:
        service.terminate()
        service.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wheels", default="", metavar="FOLDER", help="take the wheels from here")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    root = Path(tempfile.mkdtemp(prefix="mlbot-deploy-"))
    try:
        measure(root, options.wheels)
        measure_many(root)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
