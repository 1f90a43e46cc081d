"""Tests that can fail: small faults, one at a time, in the modules that make a verdict, and whether a test notices.

    python3 benchmarks/mutation.py [--module bounds gate ...] [--sample 20] [--seed 0] [--jobs 1] [--survivors]

Each fault ("mutant") is one edit of one exported module: `<` becomes `<=`, a constant moves by one, a `raise` goes away, and
so on (see `edits_of`). It is written into a copy of the checkout, never into yours. A module's own tests are
`test_NAME.py` (and `test_NAME_*.py`) below `tests/` and the examples in its notebook; a mutant on which all of them pass
has survived. Only tests that call the mutated function run, the quickest first, until one fails. Tests that take longer
than `--slowest` seconds are left out, so the table is a lower bound.

Left alone are words for people (docstrings, the text of an error, the fixed part of an f-string), keys of dicts, annotations
and decorators. Survivors that cannot matter are listed in `mutation_reviewed.toml` with the reason; the table subtracts and
counts them. Results are kept in `runs/mutation.json`: an interrupted run goes on where it stopped. After adding tests,
`--survivors` tries only what has survived so far.

Why not an existing tool: mutmut 3 leaves module constants, dataclass fields and properties alone, and mutates every error
text; Cosmic Ray edits the checkout in place and starts a Python for each mutant. Neither runs a notebook.
"""

import argparse
import ast
import builtins
import gc
import hashlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MODULES = ("bounds scores gates/verdict gates/words gates/record gates/gating gates/release target test_budget split ledger "
           "changes waiver registry monitor policy").split()  # a wing where two have a module of that name
BESIDE = {"scores": ["bounds"], "test_budget": ["bounds"], "target": ["gate"], "gates/verdict": ["gate"],
          "gates/words": ["gate"], "gates/record": ["gate"], "gates/gating": ["gate", "anywhere", "slips"],
          "gates/release": ["gate"]}  # whose tests are about this module, too
ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = (".git", ".venv", "runs", "models", "data", "build", "dist", ".hypothesis")  # at the top of the checkout

SWAPS = {ast.Lt: ("<", ["<=", ">="]), ast.LtE: ("<=", ["<", ">"]), ast.Gt: (">", [">=", "<="]), ast.GtE: (">=", [">", "<"]),
         ast.Eq: ("==", ["!="]), ast.NotEq: ("!=", ["=="]), ast.In: ("in", ["not in"]), ast.NotIn: ("not in", ["in"]),
         ast.Is: ("is", ["is not"]), ast.IsNot: ("is not", ["is"]), ast.Add: ("+", ["-"]), ast.Sub: ("-", ["+"]),
         ast.Mult: ("*", ["/"]), ast.Div: ("/", ["*"]), ast.FloorDiv: ("//", ["/"]), ast.Mod: ("%", ["*"]),
         ast.Pow: ("**", ["*"]), ast.BitAnd: ("&", ["|"]), ast.BitOr: ("|", ["&"]), ast.And: ("and", ["or"]),
         ast.Or: ("or", ["and"])}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor", "sum": "len"}
EMPTY = {ast.Tuple: "()", ast.List: "[]", ast.Set: "set()"}
GONE = (ast.Raise, ast.AugAssign, ast.Delete, ast.Continue, ast.Break, ast.Assert)


class Source:
    """The text of a module with the place of each of its nodes."""

    def __init__(self, text: str):
        self.bytes = text.encode()
        self.starts = [0]
        for line in self.bytes.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def start(self, node) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node) -> int:
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def cut(self, start: int, end: int) -> str:
        return self.bytes[start:end].decode()

    def of(self, node) -> str:
        return self.cut(self.start(node), self.end(node))


@dataclass(frozen=True)
class Edit:
    """Replace what stands from `start` to `end` (bytes) by `new`."""
    start: int
    end: int
    new: str


def swapped(source: Source, left, right, operator) -> Iterator[Edit]:
    """Another operator between two operands."""
    old, others = SWAPS.get(type(operator), ("", []))
    gap = source.cut(source.end(left), source.start(right))
    at = gap.find(old)
    for new in others if at >= 0 and "#" not in gap else ():
        yield Edit(source.end(left) + len(gap[:at].encode()), source.end(left) + len(gap[:at].encode()) + len(old), new)


def other_constants(value) -> list[str]:
    """What stands in for a constant: its neighbours, zero or empty."""
    if isinstance(value, bool):
        return [repr(not value)]
    if isinstance(value, int):
        return [repr(value + 1), f"({value - 1})"]
    if isinstance(value, float):
        return [repr(2 * value), "0.0"] if value else ["1.0"]
    return ['""' if value else '"mutated"'] if isinstance(value, str) else []


def edits_of_call(source: Source, node: ast.Call) -> Iterator[Edit]:
    """`min` for `max` and the like; sorting without its key, or the other way round."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    end = source.end(node.func)
    if name in NAMES and not (name == "sum" and node.keywords):
        yield Edit(end - len(name), end, NAMES[name])
    if name in ("sorted", "sort", "min", "max"):
        before = [*node.args, *node.keywords]
        for at, keyword in enumerate(node.keywords, len(node.args)):
            if keyword.arg == "key" and at:
                yield Edit(source.end(before[at - 1]), source.end(keyword), "")
    if name in ("sorted", "sort") and not any(keyword.arg == "reverse" for keyword in node.keywords):
        if len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp) and not node.keywords:
            yield Edit(source.start(node.args[0]), source.end(node), f"({source.of(node.args[0])}), reverse=True)")
        else:
            yield Edit(source.end(node) - 1, source.end(node), ", reverse=True)" if node.args or node.keywords
                       else "reverse=True)")


def negated(source: Source, node) -> Iterator[Edit]:
    """The opposite of a condition that is no comparison: those have operators of their own."""
    if not isinstance(node, ast.Compare | ast.BoolOp | ast.Constant) and not isinstance(getattr(node, "op", None), ast.Not):
        yield Edit(source.start(node), source.end(node), f"(not {source.of(node)})")


def edits_of_statement(source: Source, node) -> Iterator[Edit]:
    """A statement that is gone, a result that is None."""
    calls = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, GONE) or calls or any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets):
        yield Edit(source.start(node), source.end(node), "pass")
    if isinstance(node, ast.AugAssign):
        old, others = SWAPS.get(type(node.op), ("", []))
        at = source.end(node.target) + source.cut(source.end(node.target), source.end(node)).find(old + "=")
        for new in others:
            yield Edit(at, at + len(old), new)
    if isinstance(node, ast.Return) and node.value and not isinstance(node.value, ast.Constant):  # it has mutants of its own
        yield Edit(source.start(node.value), source.end(node.value), "None")


def edits_of(source: Source, node, parent) -> Iterator[Edit]:
    """The mutants of one node, without those of the nodes in it."""
    yield from edits_of_statement(source, node)
    if isinstance(node, ast.Compare):
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            yield from swapped(source, left, right, operator)
    elif isinstance(node, ast.BinOp):
        yield from swapped(source, node.left, node.right, node.op)
    elif isinstance(node, ast.BoolOp):
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from swapped(source, left, right, node.op)
        for value in node.values:
            yield from negated(source, value)
    elif isinstance(node, ast.UnaryOp):
        yield Edit(source.start(node), source.start(node.operand), "")
    elif isinstance(node, ast.Constant):
        for new in other_constants(node.value):
            yield Edit(source.start(node), source.end(node), new)
    elif isinstance(node, ast.Call):
        yield from edits_of_call(source, node)
    elif isinstance(node, ast.Slice):
        for bound in filter(None, (node.lower, node.upper)):
            yield Edit(source.start(bound), source.end(bound), "")
    elif type(node) in EMPTY and node.elts and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        if not isinstance(parent, ast.Subscript | ast.Assign | ast.Return | ast.For | ast.comprehension):
            yield Edit(source.start(node), source.end(node), EMPTY[type(node)])
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield from negated(source, node.test)
    elif isinstance(node, ast.comprehension):
        for condition in node.ifs:
            yield from negated(source, condition)


def is_left_alone(node, parent, field: str, raising: bool) -> bool:
    """Whether a node is no behaviour: a docstring, an annotation, a decorator, words for people, the key of a dict."""
    words = isinstance(node, ast.Constant) and isinstance(node.value, str)
    exports = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    return (field in ("annotation", "returns", "decorator_list") or exports
            or isinstance(node, ast.Import | ast.ImportFrom)
            or isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
            or words and (raising or isinstance(parent, ast.Expr | ast.JoinedStr)
                          or isinstance(parent, ast.Dict) and field == "keys"))


def walk(node, function: str = "", inside: bool = False, raising: bool = False, quoted: bool = False) -> Iterator[tuple]:
    """Each node that is behaviour: with its parent, its function (or class), whether it is in a function, in an f-string."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or is_left_alone(child, node, field, raising):
                continue
            inner = function
            if isinstance(child, ast.FunctionDef | ast.ClassDef) and (not function or isinstance(node, ast.ClassDef)):
                inner = f"{function}.{child.name}".strip(".")
            within = inside or isinstance(child, ast.FunctionDef)
            yield child, node, inner, within, quoted
            yield from walk(child, inner, within, raising or isinstance(child, ast.Raise),
                            quoted or isinstance(child, ast.JoinedStr))


@dataclass(frozen=True)
class Mutant:
    """One edit of a module: in which `function` (Class.method, or Class for its fields), `shown` in its `line`.

    `inside`: only a call of that function can tell.
    """
    module: str
    function: str
    shown: str
    line: int
    text: str
    inside: bool

    @property
    def name(self) -> str:
        """What stays the same when lines move."""
        return f"{self.function or '(module)'}: {self.shown}"


def shown(source: Source, edit: Edit) -> str:
    """The line of an edit with old and new in braces."""
    first = source.bytes.rfind(b"\n", 0, edit.start) + 1
    last = source.bytes.find(b"\n", edit.end)
    old = " ".join(source.cut(edit.start, edit.end).split())
    return f"{source.cut(first, edit.start)}{{{old} => {edit.new}}}{source.cut(edit.end, last)}".strip()


def is_trusted(source: Source, node) -> bool:
    """Whether a node in an f-string is where it says; before Python 3.12 some are not."""
    try:
        return ast.dump(ast.parse(source.of(node).strip(), mode="eval").body) == ast.dump(node)
    except (SyntaxError, IndexError, AttributeError, UnicodeDecodeError):
        return False


def mutants_of(module: str, text: str) -> list[Mutant]:
    """All mutants of a module."""
    source, tree, found, seen = Source(text), ast.parse(text), [], Counter()
    for node, parent, function, inside, quoted in walk(tree):
        if quoted and (not isinstance(node, ast.expr) or isinstance(node, ast.JoinedStr) or not is_trusted(source, node)):
            continue
        for edit in edits_of(source, node, parent):
            mutated = (source.bytes[:edit.start] + edit.new.encode() + source.bytes[edit.end:]).decode()
            try:
                if ast.dump(ast.parse(mutated)) == ast.dump(tree):
                    continue
            except SyntaxError:
                continue
            line = shown(source, edit)
            seen[function, line] += 1
            nth = seen[function, line]
            found.append(Mutant(module, function, line + (f" (place {nth})" if nth > 1 else ""),
                                source.bytes[:edit.start].count(b"\n") + 1, mutated, inside))
    return list({mutant.text: mutant for mutant in reversed(found)}.values())[::-1]


# ---- tests: what there is, what it takes, what it calls

def marked(text: str) -> str:
    """The module, telling which of its functions are called."""
    tree = ast.parse(text)

    def mark(body, prefix: str) -> None:
        for item in body:
            if isinstance(item, ast.ClassDef):
                mark(item.body, f"{prefix}{item.name}.")
            elif isinstance(item, ast.FunctionDef):
                call = f"getattr(__import__('builtins'), 'mutation_called', set()).add({prefix + item.name!r})"
                item.body[:0] = ast.parse(call).body
    mark(tree.body, "")
    return ast.unparse(ast.fix_missing_locations(tree))


def cells_of(notebook: Path) -> list[str]:
    """The code of a notebook that shows and asserts; what it exports is in the module."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [cell for cell in code if not cell.lstrip().startswith(("#| export", "#|export", "#| default_exp"))]


def run_notebook(module: str, notebook: Path) -> None:
    """Run the examples of a notebook in the namespace of its module. Raises what they raise."""
    names = dict(vars(importlib.import_module(dotted(Path.cwd(), module))))
    home = Path.cwd()
    os.chdir(notebook.parent)
    for at, cell in enumerate(cells_of(notebook)):
        exec(compile(cell, f"{notebook.name} [{at}]", "exec"), names)
    os.chdir(home)


class Watch:
    """A plugin of pytest that notes for each test its seconds, with those of its fixtures, and the functions it calls."""

    def __init__(self):
        self.tests, self.fixtures = {}, {}

    def called(self) -> set:
        return builtins.mutation_called

    def pytest_fixture_setup(self, fixturedef):
        before, start = set(self.called()), time.perf_counter()
        self.called().clear()
        yield
        seconds, calls = self.fixtures.get(fixturedef.argname, (0.0, set()))
        self.fixtures[fixturedef.argname] = (max(seconds, time.perf_counter() - start), calls | self.called())
        self.called().update(before)

    def pytest_runtest_protocol(self, item):
        self.called().clear()
        self.tests[item.nodeid] = {"seconds": 0.0, "fixtures": list(item.fixturenames), "calls": set(), "passed": True}
        yield
        self.tests[item.nodeid]["calls"] = set(self.called())

    def pytest_runtest_logreport(self, report):
        test = self.tests[report.nodeid]
        test["passed"] &= report.passed
        if report.when == "call":
            test["seconds"] = report.duration

    def table(self) -> list[dict]:
        """Each test that passed: its name, what it takes alone, what it calls."""
        found = []
        for name, test in self.tests.items():
            parts = [self.fixtures[fixture] for fixture in test["fixtures"] if fixture in self.fixtures]
            calls = test["calls"].union(*(calls for _, calls in parts))
            seconds = test["seconds"] + sum(seconds for seconds, _ in parts)
            found += [{"name": name, "seconds": seconds, "calls": sorted(calls)}] if test["passed"] else []
        return found


def hooked(cls):
    """The two hooks that go around something."""
    import pytest
    for name in ("pytest_fixture_setup", "pytest_runtest_protocol"):
        setattr(cls, name, pytest.hookimpl(hookwrapper=True)(getattr(cls, name)))
    return cls


class Chosen:
    """A plugin of pytest that runs the chosen tests in their order, and remembers which one failed."""

    def __init__(self, names: list[str]):
        self.order, self.failed = {name: at for at, name in enumerate(names)}, ""

    def pytest_collection_modifyitems(self, items):
        items[:] = sorted((item for item in items if item.nodeid in self.order), key=lambda item: self.order[item.nodeid])

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed = report.nodeid


def run_pytest(names: list[str], plugin, base: Path) -> int:
    """Run test files or tests in this process, up to the first failure where tests are chosen."""
    import hypothesis
    import pytest
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None,
                                         phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
                                         suppress_health_check=list(hypothesis.HealthCheck))
    hypothesis.settings.load_profile("mutants")
    stop = ["-x"] if isinstance(plugin, Chosen) else []
    files = list(dict.fromkeys(name.partition("::")[0] for name in names))
    return pytest.main(["-q", *stop, "-p", "no:cacheprovider", "--disable-plugin-autoload", "-p", "no:unraisableexception",
                        "--basetemp", str(base), "--tb=short", *files], plugins=[plugin])


# ---- one mutant: a copy of the checkout, a fork, a limit

def file_of(root: Path, module: str) -> Path:
    """The file of a module, in whatever wing it is."""
    found = [file for file in sorted((root / "mlbot").glob(f"**/{module}.py")) if file.parent.name != "__pycache__"]
    return found[0] if found else root / "mlbot" / f"{module}.py"


def dotted(root: Path, module: str) -> str:
    """The full name of a module."""
    return ".".join(file_of(root, module).relative_to(root).with_suffix("").parts)


class Slot:
    """A copy of the checkout in which one mutant at a time is tried."""

    def __init__(self, root: Path, home: Path):
        self.root, self.home = home / "checkout", home
        shutil.copytree(root, self.root, ignore=lambda folder, names: [
            name for name in names if name == "__pycache__" or name.endswith(("_cache", ".egg-info"))
            or Path(folder) == root and name in NOT_COPIED])

    def file(self, module: str) -> Path:
        return file_of(self.root, module)

    def write(self, module: str, text: str) -> None:
        """Write a module. Its compiled form goes away: time and size of two mutants may be the same."""
        self.file(module).write_text(text, encoding="utf-8")
        for old in self.file(module).parent.glob(f"__pycache__/{Path(module).name}.*.pyc"):
            old.unlink()

    def fork(self, work, seconds: float) -> int:
        """Run `work()` in a fork that works in the copy, and returns its number. `seconds`: of processor time."""
        child = os.fork()
        if child:
            return child
        code = 70
        try:
            os.setsid()
            log = os.open(self.home / "log", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            os.dup2(log, 1)
            os.dup2(log, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
            os.environ["PYTHONPATH"] = str(self.root)
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            sys.path.insert(0, str(self.root))
            os.chdir(self.root)
            code = work()
        except BaseException as problem:  # whatever a mutant does, its process ends here
            print(type(problem).__name__, problem, flush=True)
        finally:
            sys.stdout.flush()
            os._exit(code)


def notebook_of(root: Path, module: str) -> Path | None:
    """The notebook that exports a module."""
    wing, _, name = module.rpartition("/")
    return next(iter((root / "nbs" / wing).rglob(f"[0-9][0-9]_{name}.ipynb")), None)


def files_of(root: Path, module: str) -> list[str]:
    """The test files of a module."""
    found = []
    for asked in (module, *BESIDE.get(module, [])):
        wing, _, name = asked.rpartition("/")
        found += [file for pattern in (f"test_{name}.py", f"test_{name}_*.py")
                  for file in sorted((root / "tests" / wing).rglob(pattern))]
    return [str(file.relative_to(root)) for file in dict.fromkeys(found)]


def measure(slot: Slot, module: str, text: str) -> dict:
    """The tests of a module that pass: what each takes and calls, and the libraries that all of them load.

    The notebook is one of the tests, named by its file.
    """
    notebook, told = notebook_of(slot.root, module), slot.home / "tests.json"
    slot.write(module, marked(text))

    def work() -> int:
        builtins.mutation_called, found = set(), []
        if notebook:
            start = time.perf_counter()
            run_notebook(module, notebook)
            seconds = time.perf_counter() - start
            found = [{"name": notebook.name, "seconds": seconds, "calls": sorted(builtins.mutation_called)}]
        watch, files = hooked(Watch)(), files_of(slot.root, module)
        if files:
            run_pytest(files, watch, slot.home / "base")
        told.write_text(json.dumps({"tests": found + watch.table(), "libraries": libraries()}))
        return 0
    _, status = os.waitpid(slot.fork(work, 1200), 0)
    if status:
        raise SystemExit(f"{module}: its own tests do not run:\n{(slot.home / 'log').read_text()[-2000:]}")
    return json.loads(told.read_text())


def libraries() -> list[str]:
    """The modules of others that are loaded; a process that has them forks children that need not load them again."""
    return sorted(name for name, module in sys.modules.items()
                  if "site-packages" in (getattr(module, "__file__", None) or "") and not name.startswith("__"))


def attempt(slot: Slot, module: str, tests: list[dict]):
    """What a fork does with a mutant: run the tests; 1 when one of them notices, and its name is in the file `by`."""
    notebook, by = notebook_of(slot.root, module), slot.home / "by"

    def work() -> int:
        by.write_text("import")
        importlib.import_module(dotted(slot.root, module))
        names = [test["name"] for test in tests if "::" in test["name"]]
        if len(names) < len(tests):
            by.write_text(notebook.name)
            run_notebook(module, notebook)
        plugin = Chosen(names)
        by.write_text("tests")
        code = run_pytest(names, plugin, slot.home / "base") if names else 0
        by.write_text(plugin.failed or "tests")
        return 1 if code else 0

    def guarded() -> int:
        try:
            return work()
        except BaseException:
            return 1
    return guarded


def chosen(mutant: Mutant, tests: list[dict], slowest: float) -> list[dict]:
    """The tests that can notice a mutant, the quickest first: those that call its function."""
    quick = [test for test in tests if test["seconds"] <= slowest and (not mutant.inside or mutant.function in test["calls"])]
    return sorted(quick, key=lambda test: ("::" in test["name"], test["seconds"]))


def tried(slots: list[Slot], mutants: list[Mutant], tests: list[dict], slowest: float) -> Iterator[tuple[Mutant, str, str]]:
    """Each mutant with its outcome ('caught', 'survived', 'timed out') and what caught it."""
    waiting, free, running = list(reversed(mutants)), list(slots), {}
    while waiting or running:
        while waiting and free:
            mutant = waiting.pop()
            own = chosen(mutant, tests, slowest)
            if not own:
                yield mutant, "survived", "no test calls it"
                continue
            slot, seconds = free.pop(), 2 + 4 * sum(test["seconds"] for test in own)
            slot.write(mutant.module, mutant.text)
            child = slot.fork(attempt(slot, mutant.module, own), seconds)
            running[child] = (slot, mutant, time.monotonic() + 5 * seconds)
        time.sleep(0.01)
        for child, (slot, mutant, deadline) in list(running.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended and time.monotonic() < deadline:
                continue
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # and what it has started
            if not ended:
                os.waitpid(child, 0)
            del running[child]
            free.append(slot)
            late = not ended or os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
            outcome = "timed out" if late else "caught" if status else "survived"
            yield mutant, outcome, (slot.home / "by").read_text() if outcome == "caught" else ""


# ---- the run: kept results, the reviewed list, the table

def digest_of(root: Path, module: str) -> str:
    """What the results of a module depend on: its code, its tests, its notebook."""
    files = [file_of(root, module).relative_to(root), *files_of(root, module), "tests/conftest.py"]
    parts = [(root / name).read_bytes() for name in files if (root / name).is_file()]
    notebook = notebook_of(root, module)
    parts += ["\n".join(cells_of(notebook)).encode()] if notebook else []
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def read_reviewed(file: Path) -> dict[tuple[str, str], str]:
    """The reasons of the mutants that cannot matter, by module and name."""
    entries = tomllib.loads(file.read_text(encoding="utf-8")).get("reviewed", []) if file.is_file() else []
    return {(entry["module"], f"{entry['function']}: {mutant}"): entry["why"]
            for entry in entries for mutant in entry["mutants"]}


def save(results: Path, kept: dict) -> None:
    """Write the results, whole or not at all."""
    results.parent.mkdir(parents=True, exist_ok=True)
    draft = results.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")
    draft.replace(results)


def load(names: list[str]) -> None:
    """Import libraries, as far as they can be imported by themselves."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # children need not look through what they share with this process


def check_unchanged(module: str, slots: list[Slot], text: str, tests: list[dict], options) -> None:
    """Try the module as it is, in each copy, and compile there what it imports. Stops when a test fails without a fault."""
    for slot in slots:
        sys.dont_write_bytecode = False
        found = list(tried([slot], [Mutant(module, "", "unchanged", 0, text, False)], tests, options.slowest))
        if [outcome for _, outcome, _ in found] != ["survived"]:
            raise SystemExit(f"{module}: without any fault its tests fail:\n{(slot.home / 'log').read_text()[-2000:]}")
        sys.dont_write_bytecode = True


def run_module(module: str, slots: list[Slot], kept: dict, reviewed: dict, options) -> dict:
    """Try the mutants of a module; what was tried before on the same code and tests is not tried again."""
    text = slots[0].file(module).read_text(encoding="utf-8")
    mutants, digest = mutants_of(module, text), digest_of(slots[0].root, module)
    entry = kept.setdefault(module, {})
    if entry.get("digest") != digest:
        caught = {name: found for name, found in entry.get("mutants", {}).items() if found[0] != "survived"}
        entry.clear()
        entry.update(digest=digest, mutants=caught if options.survivors else {}, **measure(slots[0], module, text))
    names = {mutant.name for mutant in mutants}
    entry["mutants"] = {name: found for name, found in entry["mutants"].items() if name in names}
    size = min(options.sample or len(mutants), len(mutants))
    drawn = [mutants[at] for at in sorted(random.Random(f"{options.seed} {module}").sample(range(len(mutants)), size))]
    asked = [mutant for mutant in drawn if options.reviewed or (module, mutant.name) not in reviewed]
    todo = [mutant for mutant in asked if mutant.name not in entry["mutants"]]
    if todo:
        load(entry["libraries"])
        check_unchanged(module, slots, text, entry["tests"], options)
    start = saved = time.monotonic()
    for at, (mutant, outcome, by) in enumerate(tried(slots, todo, entry["tests"], options.slowest), 1):
        entry["mutants"][mutant.name] = [outcome, by]
        if time.monotonic() - saved > 10 or at == len(todo):
            save(options.results, kept)
            saved = time.monotonic()
            print(f"{module}: {at} of {len(todo)} tried, {saved - start:.0f} s", file=sys.stderr)
    for slot in slots:
        slot.write(module, text)
    return {"module": module, "asked": asked, "found": entry["mutants"],
            "reviewed": [mutant for mutant in drawn if (module, mutant.name) in reviewed]}


def table_of(runs: list[dict], reviewed: dict) -> list[str]:
    """A line a module."""
    lines = [f"{'module':14} {'mutants':>8} {'caught':>7} {'timed out':>10} {'survived':>9} {'reviewed':>9} {'noticed':>8}"]
    for run in runs:
        counts = Counter(run["found"][mutant.name][0] for mutant in run["asked"]
                         if (run["module"], mutant.name) not in reviewed)
        noticed = counts["caught"] + counts["timed out"]
        lines.append(f"{run['module']:14} {counts.total():8,} {counts['caught']:7,} {counts['timed out']:10,} "
                     f"{counts['survived']:9,} {len(run['reviewed']):9,} {noticed / max(1, counts.total()):8.1%}")
    return lines


def parsed(words: list[str] | None = None):
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", nargs="+", default=MODULES, help="which modules of the package (default: %(default)s)")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each module, drawn (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument("--slowest", type=float, default=3.0, help="seconds; tests that take longer are left out")
    parser.add_argument("--survivors", action="store_true", help="what earlier tests have caught stays caught")
    parser.add_argument("--reviewed", action="store_true", help="try those on the reviewed list, too: none may be caught")
    parser.add_argument("--at-least", type=float, default=95.0, help="percent that each module must notice, or exit 1")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    parser.add_argument("--results", type=Path, help="kept results (default: runs/mutation.json in the checkout)")
    options = parser.parse_args(words)
    options.results = options.results or options.root / "runs" / "mutation.json"
    return options


def main() -> int:
    """Run, print, and say by the exit code whether each module notices enough."""
    options = parsed()
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[threads] = "1"
    kept = json.loads(options.results.read_text(encoding="utf-8")) if options.results.is_file() else {}
    reviewed = read_reviewed(options.root / "benchmarks" / "mutation_reviewed.toml")
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        slots = [Slot(options.root, Path(folder) / str(at)) for at in range(options.jobs)]
        runs = [run_module(module, slots, kept, reviewed, options) for module in options.module]
    enough = True
    for run in runs:
        for mutant in run["asked"]:
            outcome, by = run["found"][mutant.name]
            listed = (run["module"], mutant.name) in reviewed
            if outcome == "survived" and not listed:
                print(f"survived  {run['module']}:{mutant.line} {mutant.name}" + (f"   [{by}]" if by else ""))
            if outcome != "survived" and listed:
                enough = False
                print(f"on the reviewed list, and yet {outcome}: {run['module']} {mutant.name} by {by}")
    return report(runs, reviewed, options) if enough else 1


def report(runs: list[dict], reviewed: dict, options) -> int:
    """Print the reviewed list as far as it applies, and the table."""
    for run in runs:
        for mutant in run["reviewed"]:
            print(f"reviewed  {run['module']}:{mutant.line} {mutant.name}   [{reviewed[run['module'], mutant.name]}]")
    lines = table_of(runs, reviewed)
    print(*lines, sep="\n")
    if not options.sample:
        known = {(run["module"], mutant.name) for run in runs for mutant in run["reviewed"]}
        gone = [key for key in reviewed if key[0] in options.module and key not in known]
        print(*(f"on the reviewed list, and no mutant any more: {module} {name}" for module, name in gone), sep="\n")
    return int(any(float(line.split()[-1].rstrip("%")) < options.at_least for line in lines[1:]))


if __name__ == "__main__":
    sys.exit(main())
