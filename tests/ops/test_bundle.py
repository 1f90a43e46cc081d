"""A bundle installs on a machine without network, answers as the champion does, and goes back in one command."""

import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from mlbot.errors import InputError
from mlbot.files import mark, shared_key
from mlbot.model.artefact import as_json, read_artefact
from mlbot.model.predict import Predictor
from mlbot.model.registry import history, without_mark
from mlbot.model.rollout import let_ship, previous, promote, read_pointer, released_names
from mlbot.ops.bundle import (
    bundle_before,
    bundle_models,
    fetch_wheels,
    fill_template,
    link_target,
    make_bundle,
    pins,
    requirements_of,
    served_settings,
    use_bundle,
    write_sums,
)
from mlbot.origin import DISTRIBUTION, wheel_name
from mlbot.settings import load_settings
from tests.ops.test_replicate import with_other
from tests.serving import free_port

LINTER = "dockerfile-utils@0.16.3"


@pytest.fixture(scope="module")
def wheels():
    """The wheels that serving needs, fetched once; skips, visibly, where the package index does not answer."""
    asked = importlib.metadata.requires(DISTRIBUTION) or []
    name = hashlib.sha256("\n".join([*pins(), *asked]).encode()).hexdigest()[:12]
    home = Path.home() / ".cache" / "mlbot" / f"wheels-{name}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(home.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            new = home.with_name(f"{home.name}.new")
            shutil.rmtree(new, ignore_errors=True)
            try:
                fetch_wheels([f"{DISTRIBUTION}[serve]"], new)
            except InputError as problem:
                pytest.skip(f"the wheels cannot be fetched: {problem.found}")
            for own in new.glob("mlbot-*.whl"):
                own.unlink()
            new.rename(home)
    return home


@pytest.fixture(scope="module")
def office(company_project, tmp_path_factory):
    """A project of the company with two releases and a catalogue of its own."""
    root = tmp_path_factory.mktemp("office")
    (root / "settings.ini").write_text("[data]\nsource = company\nproduction = asked.csv\n[bot]\nprocesses = mine.toml\n"
                                       "[places]\nwaivers = ours.ini\n[service]\nper_caller = 999\n"
                                       "[promise]\nwrong = 0\n")
    (root / "mine.toml").write_text('[card_order]\ntitle = "A card of ours"\n')
    shutil.copytree(company_project / "models", root / "models")
    with_other(root / "models")
    before = read_pointer(root / "models")
    other = next(name for name in released_names(root / "models") if name != before)
    promote(root / "models", other, let_ship(root / "models", other, {"who": "ann", "why": "another model to go back from"}))
    return load_settings(root)


@pytest.fixture(scope="module")
def bundle(office, wheels, tmp_path_factory):
    """The bundle of that project."""
    return make_bundle(office, tmp_path_factory.mktemp("out"), str(wheels))


def without_network(*command, **options):
    """Run a command in a network of its own that leads nowhere; where that is not permitted, with proxies that do."""
    alone = ["unshare", "-rn"] if not subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode else []
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHON": sys.executable, "https_proxy": "http://127.0.0.1:9",
           "http_proxy": "http://127.0.0.1:9", "PIP_INDEX_URL": "https://127.0.0.1:9/simple"}
    return subprocess.run([*alone, *map(str, command)], env=env, capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module")
def installed(bundle, tmp_path_factory):
    """A server on which the archive was unpacked and installed; the bundle there, and where it was installed to."""
    server = tmp_path_factory.mktemp("server")
    subprocess.run(["tar", "xf", f"{bundle}.tar.gz", "-C", server], check=True)
    there, target = server / bundle.name, server / "target"
    done = without_network("sh", there / "install.sh", target, cwd="/")
    assert done.returncode == 0 and f"champion {bundle.name[-12:]}" in done.stdout and "next:" in done.stdout, done.stderr
    return there, target


def serve(target, port):
    """The installed service, as the unit starts it."""
    command = shlex.split(re.search(r"^ExecStart=(.*)$", (target / "mlbot.service").read_text(), re.MULTILINE)[1])
    return subprocess.Popen([*command, "--port", str(port)], cwd=target, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})


def ready(port, name):
    """Wait until a model answers; what /readyz says."""
    told = {}
    for _ in range(150):
        try:
            told = httpx.get(f"http://127.0.0.1:{port}/readyz").json()
            if told.get("model") == name:
                return told
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(told)


def test_it_installs_without_network_answers_as_the_champion_and_a_rollback_is_one_command(office, installed):
    """From the archive to the answer: the champion's intent and confidence, the project's catalogue, the model before."""
    there, target = installed
    models, port = office.places.models, free_port()
    champion, before = read_pointer(models), previous(models)
    assert not list((target / "current" / "venv" / "lib").glob("*/site-packages/sklearn"))
    service = serve(target, port)
    try:
        assert ready(port, champion)["alert"] == ""
        asked = {"text": "I need a new card", "context": {"role": "sales", "location": "berlin"}}
        for name, command in ((champion, None), (before, ["rollback", "--why", "worse"])):
            if command:
                done = without_network(target / "mlbot", *command, cwd=target)
                assert done.returncode == 0 and f"champion: {before} again" in done.stdout, done.stderr
                ready(port, before)
            told = httpx.post(f"http://127.0.0.1:{port}/v1/predict", json=asked).json()
            wanted = Predictor(read_artefact(models / name)).predict(asked["text"], **asked["context"])
            assert (told["model"], told["intent"]) == (name, wanted.intent)
            assert told["confidence"] == pytest.approx(wanted.confidence, abs=1e-5)
        if told["intent"] == "card_order":
            assert told["process"]["title"] == "A card of ours"
        check_health(there, target, port, 0)
    finally:
        service.terminate()
        assert service.wait(40) == 0
        service.stdout.close()
    check_health(there, target, port, 1)
    assert history(target / "models")[-1]["why"] == "worse" and history(models)[-1]["who"] == "ann"
    assert without_network(target / "mlbot", "promote", champion, cwd=target).returncode == 0


def check_health(there, target, port, code):
    """The health check of the container, on this machine."""
    words = container(there)["HEALTHCHECK"][0]
    command = json.loads(words.partition("CMD ")[2].replace("/opt/mlbot", str(target)).replace(":8000", f":{port}"))
    assert subprocess.run(command, capture_output=True, timeout=30).returncode == code


def test_a_second_time_changes_nothing(installed):
    """What is installed is not installed again, and serves on."""
    there, target = installed
    done = target / "current" / ".done"
    before, serves = done.stat().st_mtime_ns, link_target(target / "current")
    again = without_network("sh", there / "install.sh", target)
    assert again.returncode == 0, again.stderr
    assert done.stat().st_mtime_ns == before and link_target(target / "current") == serves
    assert not link_target(target / "previous")


def test_back_to_the_bundle_before_is_one_command(installed, mlbot):
    """Program, settings and champion go back together, and forth again."""
    there, target = installed
    first = Path(link_target(target / "current")).name
    with pytest.raises(InputError, match="no bundle served here before"):
        bundle_before(target)
    second = target / "releases" / "second"
    shutil.copytree(target / "releases" / first, second, symlinks=True, ignore=shutil.ignore_patterns("venv"))
    (second / "venv").symlink_to(f"../{first}/venv")
    (second / "settings.ini").write_text("[service]\nper_caller = 7\n")
    entry = json.loads((second / "carried" / "releases" / "00000002.json").read_text())
    older = {**entry, "model": entry["before"], "before": entry["model"], "why": "second"}
    older["mark"] = mark(shared_key(), b"entry", as_json(without_mark(older)))
    (second / "carried" / "releases" / "00000003.json").write_text(json.dumps(older))
    assert use_bundle(second, target) == entry["before"] and load_settings(target).service.per_caller == 7
    for champion, per_caller, serves in ((entry["model"], 999, first), (entry["before"], 7, "second"),
                                         (entry["model"], 999, first)):
        done = mlbot("bundle", "--back", cwd=target)
        assert done.returncode == 0 and f"serves: {serves}, champion {champion}" in done.stdout, done.stderr
        assert read_pointer(target / "models") == champion and load_settings(target).service.per_caller == per_caller
    weights = second / "carried" / "models" / entry["before"] / "weights.safetensors"
    shutil.rmtree(target / "models" / entry["before"])
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    done = mlbot("bundle", "--back", cwd=target)
    assert done.returncode == 2 and "damaged" in done.stderr
    assert Path(link_target(target / "current")).name == first and read_pointer(target / "models") == entry["model"]
    shutil.rmtree(second)


@pytest.mark.parametrize("damage, said", [
    (lambda there: next((there / "wheels").glob("numpy-*")).write_bytes(b"x"), "numpy-.* is damaged"),
    (lambda there: (there / "settings.ini").unlink(), "settings.ini"),
    (lambda there: (there / "install.sh").write_text((there / "install.sh").read_text().replace("WANTED=3", "WANTED=9")),
     "no Python 9"),
], ids=["damaged", "missing", "another Python"])
def test_a_bundle_that_is_not_whole_or_does_not_fit_is_refused_before_anything_is_written(bundle, tmp_path, damage, said):
    """Exit code 2, what is wrong, and nothing at the target."""
    there = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    damage(there)
    done = without_network("sh", there / "install.sh", tmp_path / "target")
    assert done.returncode == 2 and re.search(said, done.stderr) and "do:" in done.stderr, done.stderr
    assert not (tmp_path / "target").exists()


def container(there):
    """The instructions of the container file: word -> what follows, in order."""
    text = re.sub(r"^#.*\n", "", (there / "Containerfile").read_text(), flags=re.MULTILINE)
    found = {}
    for line in text.splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            found.setdefault(word, []).append(rest)
    return found


def test_the_container_file_does_what_was_tested_and_runs_as_nobody_special(installed):
    """Its commands are run here, with its paths changed: no container engine is needed for that."""
    there, target = installed
    steps = container(there)
    known = {"ARG", "FROM", "COPY", "RUN", "ENV", "WORKDIR", "USER", "EXPOSE", "VOLUME", "HEALTHCHECK", "CMD"}
    assert set(steps) == known and all(line.startswith("${BASE}") for line in steps["FROM"])
    assert not steps["USER"][-1].startswith(("0", "root")) and "@" not in "".join(sum(steps.values(), []))
    install = json.loads(steps["RUN"][0])
    assert install == ["sh", "/bundle/install.sh", "/opt/mlbot"] and steps["COPY"][0] == ". /bundle"
    done = without_network(*(word.replace("/bundle", str(there)).replace("/opt/mlbot", str(target)) for word in install))
    assert done.returncode == 0, done.stderr
    command = [word.replace("/opt/mlbot", str(target)) for word in json.loads(steps["CMD"][0])]
    assert subprocess.run([*command, "--help"], capture_output=True).returncode == 0
    for path in json.loads(steps["VOLUME"][0]):
        assert Path(path.replace("/opt/mlbot", str(target))).is_dir()


def test_a_linter_finds_nothing_in_the_container_file(bundle, tmp_path):
    """Skips, visibly, where there is no npm."""
    home = Path.home() / ".cache" / "mlbot" / LINTER.replace("@", "-")
    program = home / "node_modules" / "dockerfile-utils" / "bin" / "dockerfile-utils"
    if not program.is_file():
        if not shutil.which("npm") or not shutil.which("node"):
            pytest.skip("the linter needs node and npm, which are not here")
        home.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(home), LINTER],
                              capture_output=True, text=True, timeout=300)
        if not program.is_file():
            pytest.skip(f"npm cannot fetch {LINTER}: {done.stderr[-200:]}")
    (tmp_path / "broken").write_text((bundle / "Containerfile").read_text().replace("HEALTHCHECK", "HEALTHCHEK"))
    for file, issues in ((bundle / "Containerfile", 0), (tmp_path / "broken", 1)):
        done = subprocess.run(["node", program, "lint", file], capture_output=True, text=True)
        assert done.returncode == issues, done.stdout + done.stderr


def test_the_unit_names_what_is_installed_and_is_hardened(installed):
    """Programs and folders that it names are there; it may write models and events only, as a user of its own."""
    _, target = installed
    lines = [line.partition("=")[::2] for line in (target / "mlbot.service").read_text().splitlines()
             if "=" in line and not line.startswith("#")]
    unit = dict(lines)
    program, *words = shlex.split(unit["ExecStart"])
    assert Path(program).is_file() and os.access(program, os.X_OK) and words == ["serve"]
    assert Path(unit["WorkingDirectory"]) == target and unit["User"] == "mlbot" and unit["Restart"] == "always"
    writes = [Path(path) for path in shlex.split(unit["ReadWritePaths"])]
    assert writes == [target / "models", target / "events"]
    assert all(map(Path.is_dir, writes)) and unit["ProtectSystem"] == "strict"
    assert unit["EnvironmentFile"].startswith("-/etc/") and unit["NoNewPrivileges"] == "yes"


def test_systemd_finds_nothing_wrong_with_the_unit(installed, tmp_path):
    """As far as a machine without a running systemd can tell; skips, visibly, where systemd-analyze is missing."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    unit = shutil.copy(installed[1] / "mlbot.service", tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", unit], capture_output=True, text=True)
    assert done.returncode == 0 and "mlbot.service" not in done.stderr, done.stderr
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=25", unit],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-300:]  # exposure of 2.5 of 10 at most


def test_a_server_gets_the_settings_that_mean_something_there(office, bundle, tmp_path):
    """Places of the machine that trains are left out, the catalogue comes along, and a password does not."""
    text = (bundle / "settings.ini").read_text()
    assert "asked.csv" not in text and "ours.ini" not in text and "per_caller = 999" in text
    assert "processes = current/processes.toml" in text and "A card of ours" in (bundle / "processes.toml").read_text()
    (tmp_path / "settings.ini").write_text(text)
    assert load_settings(tmp_path).places.models == tmp_path / "models"
    for carried, kept in (("/mnt/models", True), ("s3://bucket/models", True), ("beside", False)):
        (tmp_path / "settings.ini").write_text(f"[places]\ncarried = {carried}\n")
        assert (f"carried = {carried}" in served_settings(load_settings(tmp_path))) == kept
    (tmp_path / "settings.ini").write_text("[service]\nevents = postgresql+psycopg://ann:topsecret@db/mlbot\n")
    with pytest.raises(InputError, match="holds a password or a key") as caught:
        served_settings(load_settings(tmp_path))
    assert "topsecret" not in str(caught.value)


def test_it_takes_what_model_and_settings_need_and_no_more(office):
    """The extra of a storage account, of a database, and of a sentence encoder: only where they are used."""
    model = read_artefact(office.places.models / read_pointer(office.places.models))
    assert requirements_of(office, model) == [f"{DISTRIBUTION}[serve]"]
    there = replace(office, places=replace(office.places, carried="s3://bucket/models"),
                    service=replace(office.service, events="postgresql+psycopg://db/mlbot"))
    needed = requirements_of(there, replace(model, files={"encoder.onnx": b""}))
    assert needed[0] == f"{DISTRIBUTION}[serve,objects]"
    assert [re.split(r"[\[<>=]", word)[0] for word in needed[1:]] == ["onnxruntime", "tokenizers", "psycopg"]


def test_an_installed_mlbot_makes_the_same_wheel_again(installed, tmp_path):
    """A machine without a checkout can make bundles too: the wheel holds the same files, and its digests hold."""
    there, target = installed
    code = ("import sys; from pathlib import Path; from mlbot.ops.bundle import rebuild_wheel; "
            "rebuild_wheel(Path(sys.argv[1]))")
    subprocess.run([target / "current" / "venv" / "bin" / "python", "-c", code, tmp_path], check=True, cwd="/")
    one, two = there / "wheels" / wheel_name(), next(tmp_path.glob("*.whl"))
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(two) as second:
        names = [{name for name in wheel.namelist() if not name.endswith("/RECORD")} for wheel in (first, second)]
        assert names[0] == names[1] and one.name == two.name
        assert all(first.read(name) == second.read(name) for name in names[0])
    check = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", tmp_path / "x", two]
    assert subprocess.run(check, capture_output=True).returncode == 0
    assert (tmp_path / "x" / "mlbot" / "deploy" / "install.sh").is_file()


def test_without_a_champion_or_wheels_there_is_no_bundle(project, mlbot, office, tmp_path):
    """Said with exit code 2, and nothing is left half made."""
    done = mlbot("bundle")
    assert done.returncode == 2 and "no champion yet" in done.stderr and not (project / "bundles").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="pip download failed"):
        make_bundle(office, tmp_path / "out", str(tmp_path / "empty"))
    assert not list((tmp_path / "out").iterdir())
    models = Path(shutil.copytree(office.places.models, tmp_path / "cut"))
    (models / "history.jsonl").write_text("")
    with pytest.raises(InputError, match="does not end with the champion"):
        bundle_models(models, tmp_path / "carried")


@pytest.fixture
def small(tmp_path):
    """A bundle with the installer, and files that only look like wheels: enough for what is checked first."""
    folder = tmp_path / "a bundle"
    (folder / "wheels").mkdir(parents=True)
    facts = {"MODEL": "3f2a9c01d4be", "PYTHON": "{}.{}".format(*sys.version_info), "PLATFORM": "Linux x86_64"}
    (folder / "install.sh").write_text(fill_template("install.sh", facts))
    for name in ("pip-1-py3-none-any.whl", "mlbot-1-py3-none-any.whl"):
        (folder / "wheels" / name).write_bytes(b"wheel")
    write_sums(folder)
    return folder


def listed(folder, line):
    """Add a line to the list of digests."""
    (folder / "SHA256SUMS").write_text((folder / "SHA256SUMS").read_text() + line)


ADDED = {
    "a wheel": lambda folder: (folder / "wheels" / "numpy-99-py3-none-any.whl").write_bytes(b"x"),
    "a hidden wheel": lambda folder: (folder / "wheels" / ".numpy-99-py3-none-any.whl").write_bytes(b"x"),
    "a second pip": lambda folder: (folder / "wheels" / "pip-0-py3-none-any.whl").write_bytes(b"x"),
    "a link": lambda folder: (folder / "wheels" / "x-1-py3-none-any.whl").symlink_to("pip-1-py3-none-any.whl"),
    "a linked folder": lambda folder: (folder / "models").symlink_to("/etc"),
    "a list that leads out": lambda folder: listed(folder, f"{'0' * 64}  ../outside\n"),
    "a list that names a root": lambda folder: listed(folder, f"{'0' * 64}  /etc/passwd\n"),
    "a line that is none": lambda folder: listed(folder, "wheels/x.whl\n"),
    "a file listed twice": lambda folder: listed(folder, f"{'0' * 64}  install.sh\n"),
    "a pipe": lambda folder: os.mkfifo(folder / "wheels" / "pipe"),
}


@pytest.mark.parametrize("add", ADDED.values(), ids=ADDED)
def test_install_sh_installs_no_wheel_that_is_not_in_sha256sums(small, tmp_path, add):
    """What is not listed is refused by name, with exit code 2, before anything is written."""
    add(small)
    done = subprocess.run(["sh", small / "install.sh", tmp_path / "target"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "the bundle is not whole" in done.stderr, done.stderr
    assert re.search("not listed|is a link|has the line|is damaged", done.stderr) and not (tmp_path / "target").exists()


def test_install_sh_imports_nothing_from_the_folder_it_is_called_in(small, tmp_path):
    """A file hashlib.py in the working folder, or one that PYTHONPATH names, is not run."""
    (tmp_path / "hashlib.py").write_text("import sys\nsys.exit('owned')\n")
    done = subprocess.run(["sh", small / "install.sh", tmp_path / "it's"], cwd=tmp_path, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(tmp_path)}, timeout=60)
    assert done.returncode == 2 and "owned" not in done.stderr and "holds a quote" in done.stderr


def test_install_sh_looks_at_the_folder_it_lies_in(small, tmp_path):
    """A CDPATH that knows a folder of the same name leads nowhere else."""
    (tmp_path / "decoy" / small.name).mkdir(parents=True)
    (small / "extra").touch()
    done = subprocess.run(["sh", f"{small.name}/install.sh", tmp_path / "target"], cwd=tmp_path, capture_output=True,
                          env=os.environ | {"CDPATH": str(tmp_path / "decoy")}, timeout=60, text=True)
    assert done.returncode == 2 and "'extra' is not listed" in done.stderr, done.stderr


def test_the_digest_of_the_archive_lies_beside_it(bundle):
    """What tells who made a bundle has to come on another way than the bundle."""
    archive = bundle.with_name(f"{bundle.name}.tar.gz")
    said = archive.with_name(f"{archive.name}.sha256").read_text()
    assert said == f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n"


@pytest.mark.parametrize("name", ["a\nExecStartPre=/bin/sh", "a\"b", "it's", "back\\slash", "a\u2028b"])
def test_no_folder_name_adds_a_line_to_the_unit(tmp_path, name):
    """A name that could end a line or a quotation is refused."""
    from mlbot.ops.bundle import fill_unit
    with pytest.raises(InputError, match="a quote, a backslash or a control character"):
        fill_unit("WorkingDirectory=@TARGET@", str(tmp_path / name))


def test_systemd_reads_spaces_and_percent_signs_of_a_folder_as_they_are(tmp_path):
    """`%h` in a name is no home directory. Skips, visibly, where systemd-analyze is missing."""
    from mlbot.ops.bundle import fill_unit
    from mlbot.settings import PACKAGE
    target = tmp_path / "50%h of $HOME"
    for name in ("models", "events", "current/venv/bin"):
        (target / name).mkdir(parents=True)
    program = target / "current" / "venv" / "bin" / "mlbot"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "mlbot.service"
    unit.write_text(fill_unit((PACKAGE / "deploy" / "mlbot.service").read_text(), str(target)))
    assert "50%%h of $HOME/models" in unit.read_text() and "50%%h of $HOME/current" in unit.read_text()
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", unit], capture_output=True, text=True)
    assert done.returncode == 0 and "mlbot.service" not in done.stderr, done.stderr


@pytest.mark.parametrize("line", ["[service]\nevents = postgresql://ann:pa/ss@db/mlbot",
                                  "[bot]\nwebhooks = https://h.example/?token=abcd",
                                  "[service]\nevents = postgresql://db/mlbot?user=ann&password=secret1",
                                  "[bot]\nprocesses = own.toml"])
def test_no_password_is_packed(tmp_path, line):
    """`?password=`, `user:pa/ss@` and `?token=`, in settings and in the catalogue; the error does not say it either."""
    (tmp_path / "own.toml").write_text('[pay]\nurl = "https://erp.example/pay?sig=abcd1234"\n')
    (tmp_path / "settings.ini").write_text(line + "\n")
    with pytest.raises(InputError, match="holds a password or a key") as caught:
        served_settings(load_settings(tmp_path))
    assert not re.search("pa/ss|abcd|secret1", str(caught.value))


def test_what_only_training_needs_is_not_packed(tmp_path):
    """The tracking server, the scheduler and the kept results are addresses that a server has no use for."""
    (tmp_path / "settings.ini").write_text("[tracking]\nmlflow = https://ann:secret1@mlflow.example\n"
                                           "[work]\nworkers = tcp://h:8786\n"
                                           "[places]\ncache = s3://bucket/kept\n")
    text = served_settings(load_settings(tmp_path))
    assert not re.search("mlflow|tcp|s3", text.partition("\n\n")[2])


def test_a_template_without_its_value_is_a_mistake_of_ours():
    """No `@NAME@` ever reaches a server."""
    with pytest.raises(KeyError):
        fill_template("install.sh", {"MODEL": "x"})
