"""How the library notebooks read: size of exported cells, examples behind definitions, names that examples use, prose.

    python3 benchmarks/cells.py            a line for each wing, and one for all
    python3 benchmarks/cells.py data       a line for each notebook of a wing, then the cells over 60 lines and unused names

A line counts when it is not blank. A definition has an example when the next code cell is not exported and shows a value:
it asserts, prints, or ends with an expression. Prose is counted in words of Markdown cells for each exported line.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent.parent / "nbs"
ASIDE = ("pipeline", "explore")
LONG, OVER = 25, 60


@dataclass
class Reading:
    """What was counted in some notebooks. `large`: (notebook, lines, first line) of cells over 60 lines."""
    lines: int = 0
    in_long: int = 0
    definitions: int = 0
    shown: int = 0
    words: int = 0
    names: set[str] = field(default_factory=set)
    large: list[tuple[str, int, str]] = field(default_factory=list)

    def __add__(self, other: "Reading") -> "Reading":
        return Reading(self.lines + other.lines, self.in_long + other.in_long, self.definitions + other.definitions,
                       self.shown + other.shown, self.words + other.words, self.names | other.names,
                       self.large + other.large)


def cells_of(file: Path) -> list[tuple[str, str]]:
    """(kind, source) of each cell; the kind is export, code or markdown."""
    found = []
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        exported = cell["cell_type"] == "code" and re.match(r"#\s*\|\s*export\b", source)
        found.append(("export" if exported else cell["cell_type"], source))
    return found


def parsed(source: str) -> ast.Module:
    """The tree of a cell; an empty one for a cell with magics that is no Python."""
    try:
        return ast.parse("\n".join(line for line in source.split("\n") if not line.lstrip().startswith(("%", "!"))))
    except SyntaxError:
        return ast.Module([], [])


def shows(source: str) -> bool:
    """Whether a value of a cell is seen: it asserts or prints something, or ends with an expression."""
    tree = parsed(source)
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        return True
    return any(isinstance(node, ast.Assert)
               or isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("print", "display")
               for node in ast.walk(tree))


def read(file: Path) -> Reading:
    """What is counted in one notebook."""
    found, cells = Reading(), cells_of(file)
    for at, (kind, source) in enumerate(cells):
        if kind == "markdown":
            found.words += len(re.findall(r"[^\W\d_][\w'-]*", source))
        if kind != "export":
            continue
        body = [line for line in source.split("\n") if line.strip() and not re.match(r"#\s*\|", line)]
        defined = [node.name for node in parsed(source).body
                   if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
        found.lines += len(body)
        found.in_long += len(body) * (len(body) > LONG)
        found.names |= {name for name in defined if not name.startswith("_")}
        if len(body) > OVER:
            found.large.append((file.stem, len(body), next(iter(defined), body[0])))
        if defined:
            found.definitions += 1
            behind = next((cell for cell in cells[at + 1:] if cell[0] != "markdown"), ("export", ""))
            found.shown += behind[0] == "code" and shows(behind[1])
    return found


def used_in_examples() -> set[str]:
    """Every name in a cell that is not exported, of any notebook."""
    found = set()
    for file in NOTEBOOKS.rglob("*.ipynb"):
        for kind, source in cells_of(file):
            if kind == "code":
                found |= {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(parsed(source))}
    return found


def wings() -> Iterator[tuple[str, list[Path]]]:
    """Each wing with its notebooks; the notebooks on the ground are `ground`."""
    folders = ["", *sorted(path.name for path in NOTEBOOKS.iterdir() if path.is_dir() and path.name not in ASIDE)]
    for name in folders:
        files = sorted((NOTEBOOKS / name).glob("[0-9]*.ipynb"))
        if files:
            yield name or "ground", files


def row(name: str, found: Reading, used: set[str]) -> str:
    """A line of the table."""
    known = len(found.names & used)
    return (f"{name:<16}{found.lines:>7,}{found.in_long / max(1, found.lines):>10.0%}{len(found.large):>9}"
            f"{found.shown / max(1, found.definitions):>10.0%}{known / max(1, len(found.names)):>8.0%}"
            f"{found.words / max(1, found.lines):>8.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wing", nargs="?", default="", help="a wing, for its notebooks one by one")
    asked = parser.parse_args().wing
    groups, used = dict(wings()), used_in_examples()
    if asked and asked not in groups:
        parser.error(f"no wing {asked!r}; one of {', '.join(groups)}")
    print(f"{'':<16}{'lines':>7}{'in >25':>10}{'over 60':>9}{'examples':>10}{'names':>8}{'prose':>8}")
    rows = {file.stem: read(file) for file in groups[asked]} if asked else {
        name: sum(map(read, files), Reading()) for name, files in groups.items()}
    for name, found in rows.items():
        print(row(name, found, used))
    total = sum(rows.values(), Reading())
    print(row("all", total, used))
    if asked:
        print(*(f"over 60 lines: {name}: {first} ({lines})" for name, lines, first in total.large), sep="\n")
        print("no example uses:", ", ".join(sorted(total.names - used)) or "none of them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
