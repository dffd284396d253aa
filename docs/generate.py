"""Write the parts of the documents that come from the code: ``python docs/generate.py`` (``--check`` only compares).

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. `PARTS` says which function of this
file gives its lines. The tests compare.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import featuregeom
from featuregeom import geometries
from featuregeom.measures import TABLES
from featuregeom.sources.formats import DICTIONARIES, MODELS, DictionaryFormat

FOLDER = Path(__file__).parent

MARKED = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(<!-- end -->)", re.DOTALL)


def columns(table: str) -> list[str]:
    """Every column of a table of an analysis, in the table's order."""
    (found,) = (one for one in TABLES if one.name == table)
    lines = ["| column | meaning | formula | type | what it costs |", "|---|---|---|---|---|"]
    for column in found.columns:
        cells = (f"`{column.key}`", column.meaning, column.formula, column.dtype, column.cost)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def dictionary_formats() -> list[str]:
    """Every layout of sparse dictionaries, in the order in which they are tried."""
    heads = ("format", "producer", "told by", "encoder", "decoder", "note")
    rows = [
        (each.format, each.producer, _told_by(each), each.encoder, each.decoder, each.note)
        for each in DICTIONARIES
    ]
    return _table(heads, rows)


def model_formats() -> list[str]:
    """How the matrices of models are read."""
    return _table(
        ("what", "told by", "read as"), [(each.what, each.known_by, each.read_as) for each in MODELS]
    )


def _told_by(each: DictionaryFormat) -> str:
    names = ", ".join(f"`{_readable(name)}`" for name in each.names)
    others = [f"a file `{_readable(each.files)}`"] if each.files else []
    others += [f"`{key}` in the configuration" for key in sorted(each.config)]
    others += [f"a module of `{name}`" for name in each.packages]
    return names if each.known_by_names or not others else f"{names}, with {' or '.join(others)}"


def _readable(pattern: str) -> str:
    """Give a regular expression in the signs of a shell."""
    for regular, shown in ((r"(_\d+)?", "*"), (r"_?\d+", "*"), (r"\d+", "*"), (r"\.", "."), ("|", ",")):
        pattern = pattern.replace(regular, shown)
    return re.sub(r"\(([^()]*)\)", r"{\1}", pattern)


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (heads, ("---",) * len(heads), *rows)]


def names() -> list[str]:
    """Every public name, a line each, room by room."""
    lines = ["## The package", "", "| name | what it is |", "|---|---|"]
    lines += [_line("fg", name, getattr(featuregeom, name), featuregeom) for name in _functions(featuregeom)]
    for path, room in _rooms("fg", featuregeom):
        lines += ["", f"## {path}", "", _sentence(room.__doc__), "", "| name | what it is |", "|---|---|"]
        lines += [_line(path, name, getattr(room, name), room) for name in _functions(room)]
    return lines


def _rooms(path: str, of: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    """Give the public modules below one, with what a user writes for them."""
    for name in sorted(of.__all__):
        room = getattr(of, name)
        if inspect.ismodule(room):
            yield f"{path}.{name}", room
            yield from _rooms(f"{path}.{name}", room)


def _functions(of: ModuleType) -> list[str]:
    return sorted((name for name in of.__all__ if not inspect.ismodule(getattr(of, name))), key=str.lower)


def _line(path: str, name: str, value: object, room: ModuleType) -> str:
    said = _sentence(inspect.getdoc(value)) if inspect.isroutine(value) or inspect.isclass(value) else ""
    said = said or _sentence(
        "Version of the package." if name == "__version__" else _constants(room).get(name)
    )
    return f"| `{path}.{name}` | {said} |".replace("  ", " ")


def _sentence(doc: str | None) -> str:
    """Give the first sentence of a docstring on one line, formulas and pipes as a table can show them."""
    paragraph = " ".join((doc or "").split("\n\n")[0].split())
    paragraph = re.sub(r":math:`([^`]*)`", r"`\1`", re.sub(r":\w+:`~?([^`]*)`", r"`\1`", paragraph))
    return re.split(r"(?<=\w\.) (?=[A-Z])", paragraph.replace("``", "`").replace("|", "\\|"))[0]


def _constants(room: ModuleType) -> dict[str, str]:
    """Give what stands below each constant of a module, or of the modules that it takes them from."""
    found: dict[str, str] = {}
    above = room.__name__.rpartition(".")[0] or room.__name__
    # Where two modules have a constant of one name, that of the room itself counts: it comes last.
    origins = [
        sys.modules[name]
        for prefix in (f"{above}.", f"{room.__name__}.")
        for name in sorted(sys.modules)
        if name.startswith(prefix)
    ]
    origins.append(room)
    for module in origins:
        if not str(module.__file__).endswith(".py"):
            continue
        body = ast.parse(inspect.getsource(module)).body
        for statement, after in pairwise(body):
            said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
            targets = getattr(statement, "targets", [getattr(statement, "target", None)])
            if isinstance(said, str) and isinstance(targets[0], ast.Name):
                found[targets[0].id] = said
    return found


def named() -> list[str]:
    """Every geometry of the known answers: its name, its other names, its size, and the call that makes it."""
    lines = ["| geometry | also | features | dimensions | `fg.shapes` |", "|---|---|---|---|---|"]
    for each in geometries.GEOMETRIES:
        for case in each.cases:
            call = f"`{each.generator}({', '.join(map(repr, case))})`"
            numbers = each.expected(*case)
            also = ", ".join(each.also(*case))
            lines.append(f"| {each.name(*case)} | {also} | {numbers.n} | {numbers.dim} | {call} |")
    return lines


PARTS: dict[str, Callable[[], list[str]]] = {
    **{f"{table.name}-columns": partial(columns, table.name) for table in TABLES},
    "dictionary-formats": dictionary_formats,
    "model-formats": model_formats,
    "geometries": named,
    "names": names,
}
"""What makes each generated part, by its name."""


def current(document: str) -> str:
    """Give a document with its generated parts made anew."""

    def made(match: re.Match[str]) -> str:
        return match[1] + "\n".join(PARTS[match["name"]]()) + "\n" + match[4]

    return MARKED.sub(made, document)


def main() -> int:
    """Write the documents that changed, or say which would."""
    stale = []
    for path in sorted(FOLDER.rglob("*.md")):
        was = path.read_text(encoding="utf-8")
        if (now := current(was)) != was:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(now, encoding="utf-8")
    for path in stale:
        print(path.relative_to(FOLDER.parent))
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
