"""`python3 -m mlbot COMMAND`: runs the command `mlbot`; in a fresh checkout it first makes the environment `.venv`.

Written by hand, not exported: it must start on a Python that has nothing installed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv"


RUN = {"pipeline", "formats"}  # the main job, on any file
EXTRAS = {**dict.fromkeys(["test", "lab", "export", "lock", "new", "upgrade", "ci", "bundle", "retrain", "forecast", "search",
                           "track", "benchmark", "completion", "replay", "docs"], {"dev"}),
          **dict.fromkeys(["serve", "token", "monitor", "label", "promise", "intents", "whatif"], RUN | {"serve"}),
          "data": RUN | {"store"}}


def extras_of(words):
    """The extras that a command needs. The tests need all of them; the main job a third of the packages."""
    return EXTRAS.get(words[0] if words else "", RUN)


def needs_environment():
    """Whether this is a checkout, and this Python is neither in an environment nor has what development needs."""
    checkout = (ROOT / "setup.py").is_file() and (ROOT / "constraints.txt").is_file()
    return checkout and sys.prefix == sys.base_prefix and not (find_spec("nbdev") and find_spec("papermill"))


def package_settings():
    """The lines of settings.ini about the package. No parser reads them: a mistake elsewhere is `mlbot`'s to report."""
    sections = re.split(r"^(?=\[)", (ROOT / "settings.ini").read_text(encoding="utf-8", errors="replace"), flags=re.MULTILINE)
    return "".join(part for part in sections if part.startswith(("[package]", "[extras]")))


def stamp():
    """A digest of all that decides what is installed."""
    files = [(ROOT / name).read_text(encoding="utf-8") for name in ("constraints.txt", "setup.py")]
    parts = [sys.version, package_settings(), *files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def python_of(home):
    """The Python of an environment."""
    return home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stop(found, expected, action):
    """End with three lines and the exit code of an input that cannot be used."""
    sys.exit(print(f"mlbot: {found}\n  expected: {expected}\n  do: {action}", file=sys.stderr) or 2)


def check_python():
    """Stop on a Python that is too old."""
    found = re.search(r"^python *= *([0-9.]+)", package_settings(), re.MULTILINE)
    wanted = found.group(1) if found else "3"
    if sys.version_info < tuple(map(int, wanted.split("."))):
        stop(f"this is Python {sys.version.split()[0]}", f"Python {wanted} or newer",
             f"install it and call it by its name, such as: python{wanted} -m mlbot")


def installer(python, extras):
    """The command that installs extras: uv where it is here, which is quicker, else pip.

    Python compiles what it imports when it does, unless it is told not to. To compile everything takes almost half the time.
    """
    wanted = ["-c", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[{','.join(sorted(extras))}]"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", str(python), "--no-config", *wanted]
    later = [] if sys.dont_write_bytecode else ["--no-compile"]
    return [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *later, *wanted]


def install(python, extras):
    """Install extras, counting packages as they come."""
    lines, count = [], 0
    with subprocess.Popen(installer(python, extras), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          errors="replace", env={**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}) as work:
        for line in work.stdout or ():
            lines.append(line)
            count += line.startswith(("Collecting ", "Processing ", " + "))
            if sys.stderr.isatty():
                print(f"\r  {count} packages", end="", file=sys.stderr, flush=True)
    print(f"\r  {count} packages", file=sys.stderr)
    if work.returncode:
        print("".join(lines[-12:]), file=sys.stderr)
        stop("the environment could not be installed", "a package index that answers", "read the lines above")


def make_environment(words=()):
    """The Python of an up-to-date `.venv` for a command. It is made, or added to, when it is old or lacks something."""
    check_python()
    mark, wanted = HOME / "mlbot-stamp", set(extras_of(list(words)))
    told = mark.read_text(encoding="utf-8").split() if mark.is_file() else []
    there = set(told[1:])
    if told[:1] == [stamp()] and ("dev" in there or wanted <= there) and python_of(HOME).is_file():
        return python_of(HOME)
    config = HOME / "pyvenv.cfg"
    same = config.is_file() and sys.version.split()[0] in config.read_text(encoding="utf-8")
    task = "bringing up to date" if same else "making"
    extras = {"dev"} if "dev" in wanted | there else wanted | (there if same else set())
    print(f"mlbot: {task} the environment {HOME.name} (once; a minute or two)", file=sys.stderr)
    if subprocess.call([sys.executable, "-m", "venv", *([] if same else ["--clear"]), str(HOME)]):
        stop("this Python cannot make an environment", "the module venv with ensurepip",
             "install it; on Debian and Ubuntu: apt install python3-venv")
    install(python_of(HOME), extras)
    mark.write_text(" ".join([stamp(), *sorted(extras)]), encoding="utf-8")
    return python_of(HOME)


def main():
    """Run the command, in `.venv` where that is needed."""
    for stream in (sys.stdout, sys.stderr):  # whatever this console can show
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if needs_environment():
        return subprocess.call([str(make_environment(sys.argv[1:])), "-m", "mlbot"] + sys.argv[1:])
    from mlbot.cli.main import main as command

    return command()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
