"""What each threshold called a choice does to names: ``python benches/thresholds.py``.

Every number that `recognise.policy` calls a choice is halved and doubled, one at a time. The names of a bank of sets
are taken anew: 16 geometries of 3 to 28 points, as they are in float32 and through noise of .1 and of .2 of the norms
in their own dimensions, and 16 random frames. Printed is how many of the names, and of the verdicts "is a scheme",
change; and how many names are then wrong. Budgets of time change what is tried, not what is asked of a name.
"""

from __future__ import annotations

import ast
import inspect
import sys
from itertools import pairwise
from typing import Any

import numpy as np

import featuregeom as fg
from featuregeom import shapes
from featuregeom.recognise import policy

GEOMETRIES = {
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
    for name, X in GEOMETRIES.items():
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        found.append((name, unit.astype(np.float32)))
        for noise in (0.1, 0.2):
            found.append((name, unit + noise * rng.standard_normal(unit.shape) / np.sqrt(unit.shape[1])))
    found += [("", rng.standard_normal((int(n), 4))) for n in rng.integers(5, 25, 16)]
    return found


def choices() -> list[str]:
    """Names of the numbers that are called choices."""
    body = ast.parse(inspect.getsource(policy)).body
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


def outcomes(sets: list[tuple[str, Any]]) -> list[tuple[str, bool]]:
    """Name and verdict of each set."""
    tolerance = min(policy.TOLERANCE, policy.LARGEST_TOLERANCE)
    found = [fg.schemes.detect(X, tolerance=tolerance) for _, X in sets]
    return [(one.name, one.is_scheme) for one in found]


def changed(value: Any, factor: float) -> Any:
    """A number, or each of several, times a factor."""
    if isinstance(value, tuple):
        return tuple(changed(one, factor) for one in value)
    return max(1, round(value * factor)) if isinstance(value, int) else value * factor


def main() -> None:
    """Print a line for each choice that changes something, and how many change nothing."""
    sets = bank()
    usual = outcomes(sets)
    wrong = sum(name not in (true, "") for (true, _), (name, _) in zip(sets, usual, strict=True))
    print(f"{len(sets)} sets, {sum(bool(name) for name, _ in usual)} named, {wrong} wrongly", flush=True)
    for constant in sys.argv[1:] or choices():
        value, line = getattr(policy, constant), []
        for factor in (0.5, 2.0):
            setattr(policy, constant, changed(value, factor))
            try:
                now = outcomes(sets)
                names = sum(a[0] != b[0] for a, b in zip(usual, now, strict=True))
                schemes = sum(a[1] != b[1] for a, b in zip(usual, now, strict=True))
                wrong = sum(name not in (true, "") for (true, _), (name, _) in zip(sets, now, strict=True))
                line.append(f"{names} names, {schemes} verdicts, {wrong} wrong")
            except Exception as error:
                line.append(f"error: {error}")
            finally:
                setattr(policy, constant, value)
        print(f"{constant:24s} half: {line[0]:36s} double: {line[1]}", flush=True)


if __name__ == "__main__":
    main()
