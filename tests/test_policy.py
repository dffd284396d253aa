"""Thresholds stand in one file, each described and each used."""

import ast
from pathlib import Path

import featuregeom as fg

PACKAGE = Path(fg.__file__).parent
POLICY = PACKAGE / "recognise" / "policy.py"
ROOMS = [
    path
    for room in ("recognise", "certificates")
    for path in sorted((PACKAGE / room).rglob("*.py"))
    if path != POLICY
] + [PACKAGE / "naming.py"]
ROUNDING = 1e-9
"""Floats up to this guard a division or a logarithm; they decide nothing."""


def constants():
    """Names that the policy defines, with the statement after each definition."""
    body = ast.parse(POLICY.read_text(encoding="utf-8")).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign):
            targets = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else node.targets
            for target in targets:
                yield target.id, after


def test_each_threshold_is_defined_once_and_described():
    names = [name for name, _ in constants()]
    assert len(names) == len(set(names)) > 100
    for name, after in constants():
        assert isinstance(after, ast.Expr), name
        assert isinstance(after.value, ast.Constant), name
        assert isinstance(after.value.value, str), name


def test_each_threshold_is_used():
    text = "\n".join(path.read_text(encoding="utf-8") for path in ROOMS)
    assert [name for name, _ in constants() if f"policy.{name}" not in text] == []


def test_no_other_file_of_the_rooms_has_a_threshold():
    """Neither a float that is no plain fraction, nor a constant of numbers at the top, but for sizes in memory."""
    plain = {0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 0.999}
    kept = {"_TILE", "_SLAB", "_SEED", "_LEECH", "_EXACT_POINTS", "_EXACT_WORK", "_MOST_WORK"}
    found = []
    for path in ROOMS:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, float) and abs(value) > ROUNDING and value not in plain:
                found.append((path.name, node.lineno, value))
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.BinOp | ast.Tuple):
                numbers = [n for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
                named = {n.id for n in ast.walk(node.targets[0]) if isinstance(n, ast.Name)}
                if any(isinstance(n.value, int | float) for n in numbers) and not named <= kept:
                    found.append((path.name, node.lineno, named))
    assert found == []
