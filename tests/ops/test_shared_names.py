"""Who searches for a name lands on one thing: modules share no names, but for a command and the function that it calls."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOOKS = {"pytest_addoption", "pytest_configure"}  # pytest finds them by these names
COMMANDS = {"blame", "compare", "forecast", "intents", "judge", "label", "main", "monitor", "plan", "predict", "promote",
            "recalibrate", "replay", "search", "track", "upgrade"}  # commands, handlers of the service, what they call
BOTH = {"answer"}  # of one text in `model.predict`, of the rows of a test in `run.examination`


def defined(text: str) -> dict[str, str]:
    """The names that a module defines at its top, each with its kind: class, function or value."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = "class"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = "function"
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {part.id: "value" for target in targets for part in ast.walk(target)
                      if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return {name: kind for name, kind in found.items() if not name.startswith("__")}


def shared(modules: dict[str, str]) -> dict[str, set[str]]:
    """Names that two modules define: `wing` both in one wing, `class` one of them a class, `function` both public functions.

    `modules`: source by dotted name, without `mlbot.`."""
    places = defaultdict(list)
    for module, text in modules.items():
        for name, kind in defined(text).items():
            places[name].append((module.rpartition(".")[0], kind))
    found = {"wing": set(), "class": set(), "function": set()}
    for name, where in places.items():
        wings, kinds = [wing for wing, _ in where], [kind for _, kind in where]
        if len(set(wings)) < len(wings):
            found["wing"].add(name)
        if "class" in kinds and len(kinds) > 1:
            found["class"].add(name)
        if kinds.count("function") > 1 and not name.startswith("_"):
            found["function"].add(name)
    return found


@cache
def modules_of_mlbot() -> dict[str, str]:
    """The source of each module by its dotted name."""
    files = [path for path in (ROOT / "mlbot").rglob("*.py") if path.name != "_modidx.py" and "shipped" not in path.parts]
    return {".".join(path.relative_to(ROOT / "mlbot").with_suffix("").parts): path.read_text(encoding="utf-8")
            for path in files}


def test_no_two_modules_share_a_name_in_a_wing_a_class_or_an_unlisted_function():
    found = shared(modules_of_mlbot())
    assert found["wing"] == HOOKS
    assert found["class"] == set()
    assert found["function"] == HOOKS | COMMANDS | BOTH, "rename one of them, or strike what is shared no more"


def test_a_shared_name_is_found():
    text = 'class Reading: pass\ndef listed(): pass\nFEWEST, (MOST, _LONG) = 1, (2, 3)\nLEAST: int = 4\n__all__ = []\n'
    same = shared({"bot.values": text, "bot.whatif": text})
    assert same["wing"] == {"Reading", "listed", "FEWEST", "MOST", "_LONG", "LEAST"}
    apart = shared({"bot.values": text, "text.clean": text, "gates.words": "Reading = 1\ndef _folded(): pass\n"})
    assert apart == {"wing": set(), "class": {"Reading"}, "function": {"listed"}}
    assert not any(shared({"bot.values": text, "gates.words": "def other(): pass"}).values())
