"""Which step runs again after which edit: mlbot, a DVC stage, a key of file hashes; and what doing nothing costs.

    python3 benchmarks/cache.py [--company]

A small project of three notebooks, with a helper two modules away from the one that trains, is run once by each tool; then
copies of it are edited in seven ways. The next run is asked which steps it runs, beside what the edit can change. DVC
(`pip install dvc`) is left out, visibly, where it is not installed; its stages depend on the notebook, the helper's package,
the settings and what the stage before made, as its documentation advises. A key of file hashes depends on the same files.

With `--company` the company is run and then run again with nothing changed, beside `dvc repro` with nothing changed.
"""

import argparse
import copy
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from mlbot.settings import parse

ROOT = Path(__file__).resolve().parent.parent
DVC = shutil.which("dvc")
STEPS = ("1_prepare", "2_train", "3_gate")
START = ("from mlbot.run.folder import load_json, open_run, save_json\nfrom mlbot.settings import load_settings\n"
         "settings = load_settings()\nfolder = open_run(settings, run)")
CELLS = {
    "1_prepare": ('run = "new"\ndata = ""', 'save_json((settings.root / "words.csv").read_text(), folder / "rows.json")'),
    "2_train": ('run = "latest"', 'from shop.till import total\n'
                'save_json(total(len(load_json(folder / "rows.json"))) + settings.model.seed, folder / "model.json")'),
    "3_gate": ('run = "latest"', 'print(load_json(folder / "model.json"))'),
}
DEPENDS = {"1_prepare": ["words.csv", "settings.ini"], "2_train": ["shop/till.py", "shop/tax.py", "settings.ini"],
           "3_gate": ["settings.ini"]}


def notebook_of(step: str) -> Path:
    """Where the notebook of a step lies in the project."""
    return Path("nbs/pipeline") / f"{step}.ipynb"


def make_project(root: Path) -> None:
    """Write the small project."""
    none = "".join(f"{name} =\n" for name in parse(ROOT / "settings.ini")["targets"])
    settings = f"[targets]\n{none}[data]\nsource = words.csv\n[model]\nseed = 0\n[budget]\nrun = 30\n"
    root.mkdir(parents=True, exist_ok=True)
    (root / "settings.ini").write_text(settings)
    (root / "words.csv").write_text("text,intent\n" + "".join(f"word {n},a\n" for n in range(9)))
    (root / "shop").mkdir()
    (root / "shop" / "__init__.py").write_text("")
    (root / "shop" / "till.py").write_text("from .tax import rate\n\n\ndef total(n):\n    return n * rate()\n")
    (root / "shop" / "tax.py").write_text("def rate():\n    return 2\n")
    for step, (parameters, cell) in CELLS.items():
        nodes = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}, id="a"),
                 *(nbformat.v4.new_code_cell(text, id=name) for name, text in zip("bc", (START, cell), strict=True))]
        (root / notebook_of(step)).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=nodes), root / notebook_of(step))


def edit_notebook(change):
    """An edit of the notebook that trains."""
    def edit(root: Path) -> None:
        notebook = nbformat.read(root / notebook_of("2_train"), as_version=4)
        change(notebook)
        nbformat.write(notebook, root / notebook_of("2_train"))
    return edit


def edit_text(name: str, old: str, new: str):
    """An edit of a text file."""
    def edit(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text, (name, old)
        (root / name).write_text(text.replace(old, new))
    return edit


def markdown(notebook) -> None:
    """A heading."""
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Train", id="m"))


def comment(notebook) -> None:
    """A comment in the last cell."""
    notebook.cells[-1].source = f"# the model\n{notebook.cells[-1].source}"


def output(notebook) -> None:
    """What a person's own run leaves in the file."""
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="18\n")]


EDITS = {  # name > (edit, steps that the edit can change)
    "markdown": (edit_notebook(markdown), ""),
    "comment": (edit_notebook(comment), ""),
    "output": (edit_notebook(output), ""),
    "helper function": (edit_text("shop/tax.py", "return 2", "return 3"), "23"),
    "setting it reads": (edit_text("settings.ini", "seed = 0", "seed = 1"), "23"),
    "setting it does not read": (edit_text("settings.ini", "run = 30", "run = 31"), ""),
    "data": (edit_text("words.csv", "word 8", "word 8 more"), "123"),
}


def command(*words: str, root: Path) -> str:
    """What a command prints."""
    home = {"PYTHONPATH": str(root), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, env=os.environ | home)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Ours:
    """mlbot itself: what it says it kept."""
    name = "mlbot"

    def __init__(self, root: Path):
        self.root = root
        self.run()

    def run(self) -> str:
        """The numbers of the steps that ran."""
        said = command(sys.executable, "-m", "mlbot", "run", "--no-release", root=self.root)
        return "".join(step[0] for step in STEPS if f"  {step:<12} kept" not in said)


class Stages:
    """DVC: a stage a notebook, with what it depends on."""
    name = "DVC"

    def __init__(self, root: Path):
        self.root = root
        lines = ["stages:"]
        for number, step in enumerate(STEPS):
            before = [f"out/{STEPS[number - 1]}"] if number else []
            lines += [f"  s{step[0]}:", f"    cmd: {sys.executable} -c \"{self.job(step, before)}\"", "    deps:",
                      *(f"    - {name}" for name in [str(notebook_of(step)), *DEPENDS[step], *before]),
                      "    outs:", f"    - out/{step}"]
        (root / "dvc.yaml").write_text("\n".join(lines) + "\n")
        command("git", "init", "-q", root=root)
        command(DVC, "init", "-q", root=root)
        self.run()

    def job(self, step: str, before: list[str]) -> str:
        """A job that makes another output when what it depends on is another one, as the notebook would."""
        read = "+".join(f"open('{name}').read()" for name in [*DEPENDS[step], *before])
        return f"import os; os.makedirs('out', exist_ok=True); open('out/{step}', 'w').write({read})"

    def run(self) -> str:
        """The numbers of the steps that ran."""
        said = command(DVC, "repro", root=self.root)
        return "".join(step[0] for step in STEPS if f"Running stage 's{step[0]}'" in said)


class Hashes:
    """A key of file hashes, as a build tool or a CI cache has it."""
    name = "file hashes"

    def __init__(self, root: Path):
        self.root, self.keys = root, {}
        self.run()

    def run(self) -> str:
        """The numbers of the steps whose key is another one; what a step makes is another thing when its key is."""
        ran, before = "", ""
        for step in STEPS:
            parts = [(self.root / name).read_bytes() for name in [notebook_of(step), *DEPENDS[step]]]
            before = hashlib.sha256(b"\0".join([*parts, before.encode()])).hexdigest()
            ran += step[0] * (self.keys.get(step) != before)
            self.keys[step] = before
        return ran


def begin(tool: type, folder: Path):
    """A tool that has run the small project once."""
    make_project(folder / tool.__name__)
    return tool(folder / tool.__name__)


def after(tool, edit) -> str:
    """The numbers of the steps that a tool runs in a copy of its project, once that is edited."""
    with tempfile.TemporaryDirectory() as folder:
        one = copy.deepcopy(tool)
        one.root = Path(folder)
        shutil.copytree(tool.root, one.root, dirs_exist_ok=True)
        edit(one.root)
        return one.run()


def table() -> bool:
    """Print which steps run after each edit; whether ours were right."""
    right = 0
    with tempfile.TemporaryDirectory() as folder:
        tools = [begin(tool, Path(folder)) for tool in (Ours, *([Stages] if DVC else []), Hashes)]
        print(f"{'edit':<26}{'can change':<12}" + "".join(f"{tool.name:<13}" for tool in tools))
        for name, (edit, wanted) in EDITS.items():
            ran = [after(tool, edit) for tool in tools]
            right += ran[0] == wanted
            print(f"{name:<26}{wanted or '-':<12}" + "".join(f"{numbers or '-':<13}" for numbers in ran), flush=True)
    if not DVC:
        print("DVC is not installed, and left out: pip install dvc")
    print(f"mlbot is right in {right} of {len(EDITS)}")
    return right == len(EDITS)


def no_op() -> None:
    """Print what a run costs when nothing has changed."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "settings.ini").write_text("[data]\nsource = company\n")
        for name in ("first run", "again, nothing changed"):
            started = time.monotonic()
            command(sys.executable, "-m", "mlbot", "run", root=root)
            print(f"mlbot, company, {name:<24}{time.monotonic() - started:6.1f} s", flush=True)
    if DVC:
        with tempfile.TemporaryDirectory() as folder:
            make_project(Path(folder))
            stages = Stages(Path(folder))
            started = time.monotonic()
            stages.run()
            print(f"DVC, three stages, {'nothing changed':<21}{time.monotonic() - started:6.1f} s")


def main() -> int:
    """Print the table, and with `--company` the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--company", action="store_true", help="also time runs of the company")
    options = parser.parse_args()
    right = table()
    if options.company:
        no_op()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
