"""What each threshold called a choice does to names: ``python benches/thresholds.py``.

Every number that `recognise.policy` calls a choice is halved and doubled, one at a time. The names of a bank of sets
are taken anew: 16 geometries of 3 to 28 points, as they are in float32 and through noise of .1 and of .2 of the norms
in their own dimensions, and 16 random frames. Each set is named by `detect`, as a block of an analysis, and in a batch
of blocks; 16 sets of lines, one feature for each pair of opposite vertices, are named as blocks alone. Printed is how
many of the names, and of the verdicts "is a scheme", change; and how many names are then wrong. Budgets of time change
what is tried, not what is asked of a name.
"""

from __future__ import annotations

import ast
import importlib.util
import multiprocessing
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

# The package is imported by the process of each run alone, after the change: neither defaults of arguments nor what is
# kept between calls then hides one.


def geometries() -> dict[str, Any]:
    """Sets by the names that they have."""
    from featuregeom import shapes

    return {
        "triangle": shapes.polygon(3),
        "pentagon": shapes.polygon(5),
        "enneagon": shapes.polygon(9),
        "simplex of 7 vertices": shapes.simplex(7),
        "octahedron": shapes.cross_polytope(3),
        "cube": shapes.cube(3),
        "square antiprism": shapes.antiprism(4, 0.29),
        "pentagonal prism": shapes.prism(5, 0.4),
        "icosahedron": shapes.icosahedron(),
        "H(2,3)": shapes.hamming(2, 3),
        "J(5,2)": shapes.johnson(5, 2),
        "J(6,2)": shapes.johnson(6, 2),
        "Paley 13": shapes.paley(13),
        "24-cell": shapes.cell24(),
        "cube (+) pentagon": shapes.direct_sum(shapes.cube(3), shapes.polygon(5)),
        "J(8,2)": shapes.johnson(8, 2),
    }


def bank() -> list[tuple[str, Any]]:
    """Sets with the names that they may have."""
    rng = np.random.default_rng(0)
    found: list[tuple[str, Any]] = []
    for name, X in geometries().items():
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        found.append((name, unit.astype(np.float32)))
        for noise in (0.1, 0.2):
            found.append((name, unit + noise * rng.standard_normal(unit.shape) / np.sqrt(unit.shape[1])))
    found += [("", rng.standard_normal((int(n), 4))) for n in rng.integers(5, 25, 16)]
    return found


def lines() -> list[Any]:
    """Sets with one feature for each pair of opposite vertices, on either side at random."""
    rng = np.random.default_rng(1)
    found = []
    for X in geometries().values():
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        first = [i for i, row in enumerate(unit @ unit.T) if i <= int(row.argmin())]
        found.append(unit[first] * rng.choice([-1, 1], (len(first), 1)))
    return found


def as_blocks(X: Any) -> str:
    """What a block of an analysis is called, with the reason where it has no name, and one of a batch."""
    import featuregeom as fg
    from featuregeom.naming import name_geometry

    X = np.asarray(X, np.float64)
    norms = np.linalg.norm(X, axis=1)
    unit = X / norms[:, None]
    name = name_geometry(np.clip(unit @ unit.T, -1, 1), norms, X)
    lined = name.reason.partition("; as lines: ")[2]
    (batched,) = fg.schemes.detect_blocks(X, np.zeros(len(X), np.int64)).names
    return f"{name.geometry}, {lined}, {batched}"


def choices() -> list[str]:
    """Names of the numbers that are called choices."""
    package = importlib.util.find_spec("featuregeom")
    assert package is not None
    assert package.origin is not None
    body = ast.parse(
        (Path(package.origin).parent / "recognise" / "policy.py").read_text(encoding="utf-8")
    ).body
    found = []
    for one, after in pairwise(body):
        if (
            isinstance(one, ast.Assign)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            target = one.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            if "hoice" in str(after.value.value):
                found += [name.id for name in names if isinstance(name, ast.Name)]
    return found


def run(constant: str, factor: float, chosen: list[int] | None) -> list[tuple[str, str, str, bool, set[str]]]:
    """True name, names and verdict of the chosen sets with one constant changed, and the constants that were read."""
    from featuregeom.recognise import policy

    if constant:
        setattr(policy, constant, changed(getattr(policy, constant), factor))
    read: set[str] = set()

    class Watched(type(policy)):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    policy.__class__ = Watched
    import featuregeom as fg

    found = []
    sets: list[tuple[str | None, Any]] = [*bank(), *((None, X) for X in lines())]
    fg.schemes.detect(sets[0][1])
    always = set() if constant else set(read)
    for true, X in sets if chosen is None else [sets[at] for at in chosen]:
        read.clear()
        blocks = as_blocks(X)
        if true is None:
            found.append(("", "", blocks, False, read | always))
            continue
        one = fg.schemes.detect(X, tolerance=min(policy.TOLERANCE, policy.LARGEST_TOLERANCE))
        found.append((true, one.name, blocks, bool(one.is_scheme), read | always))
    return found


def changed(value: Any, factor: float) -> Any:
    """A number, or each of several, times a factor."""
    if isinstance(value, tuple):
        return tuple(changed(one, factor) for one in value)
    return max(1, round(value * factor)) if isinstance(value, int) else value * factor


def main() -> None:
    """Print a line for each choice: what changes among the sets that read it."""
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        usual = pool.apply(run, ("", 1.0, None))
        wrong = sum(name not in (true, "") for true, name, *_ in usual)
        print(f"{len(usual)} sets, {sum(bool(one[1]) for one in usual)} named, {wrong} wrongly", flush=True)
        for constant in sys.argv[1:] or choices():
            readers = [at for at, one in enumerate(usual) if constant in one[4]]
            line = []
            for factor in (0.5, 2.0):
                try:
                    now = pool.apply(run, (constant, factor, readers)) if readers else []
                except Exception as error:
                    line.append(f"error: {error}")
                    continue
                both = list(zip([usual[at] for at in readers], now, strict=True))
                names = sum(a[1:3] != b[1:3] for a, b in both)
                schemes = sum(a[3] != b[3] for a, b in both)
                wrong = sum(b[1] not in (b[0], "") for _, b in both)
                line.append(f"{names} names, {schemes} verdicts, {wrong} wrong")
            print(
                f"{constant:22s} read by {len(readers):2d}; half: {line[0]:34s} double: {line[1]}", flush=True
            )


if __name__ == "__main__":
    main()
