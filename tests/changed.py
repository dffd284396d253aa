"""Print the test files of the rooms that differ from main, or from the commit that is given.

A file of `python/featuregeom/ROOM` (or of a Rust module of that name) stands for ``tests/test_ROOM*.py``. What is
printed is for `make quick`; `make test` runs everything.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent

RUST = {
    "gram": ["pairs", "frames"],
    "spectrum": ["spectra"],
    "scheme": ["schemes"],
    "pattern": ["codes"],
    "cells": ["regions"],
    "matching": ["dictionaries_matching"],
    "families": ["families"],
    "orders": ["dictionaries_circle"],
    "run": ["interruptible", "boundary"],
}
"""Rooms of Python that stand on each module of the core."""

PYTHON = {
    "relations": ["schemes", "components"],
    "recognise": ["schemes", "through_noise", "naming", "policy"],
    "certificates": ["schemes_certificate", "policy"],
    "dictionaries": ["dictionaries", "families"],
    "spectra": ["spectra", "eigenspaces"],
    "blocks": ["blocks", "decompose"],
    "operators": ["comparison"],
    "jumps": ["trajectory"],
    "random_directions": ["null_model"],
    "arguments": ["bad_input"],
    "atomic": ["folders"],
    "wording": ["findings"],
    "demo": ["golden"],
    "analysis": ["summary"],
    "errors": ["bad_input", "errors"],
}
"""Test files of a room, by the beginnings of their names, where they do not all have the name of the room."""

SLOW = {
    "test_survey.py",
    "test_cli.py",
    "test_toys_experiments.py",
    "test_schemes_deformed.py",
    "test_schemes_noise.py",
    "test_encoder_phase.py",
}
"""Left out of `make quick` unless they changed themselves: over half a minute each on two cores."""


def changed(commit: str) -> list[Path]:
    """Files that differ from where this branch left a commit, new ones included; not what others did since."""
    commands = (
        ["diff", "--name-only", "--merge-base", commit],
        ["ls-files", "--others", "--exclude-standard"],
    )
    lines = [
        subprocess.run(
            ["git", *command], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for command in commands
    ]
    return [Path(line) for part in lines for line in part]


def tests_of(path: Path) -> set[Path]:
    """Test files that a changed file stands for."""
    if path.parts[0] == "tests" and path.name.startswith("test_"):
        return {ROOT / path} if (ROOT / path).exists() and "browser" not in path.parts else set()
    rooms: list[str] = []
    if path.parts[:2] == ("python", "featuregeom"):
        room = Path(path.parts[2]).stem
        rooms = PYTHON.get(room, [room])
    elif path.parts[0] == "rust" and len(path.parts) > 3:
        rooms = RUST.get(Path(path.parts[3]).stem, [])
    elif path.parts[0] == "docs" or path.name == "README.md":
        rooms = ["docs"]
    found = {file for room in rooms for file in TESTS.rglob(f"test_{room}*.py")}
    return {file for file in found if file.name not in SLOW and "browser" not in file.parts}


def main() -> None:
    """Print the files, one a line."""
    commit = sys.argv[1] if len(sys.argv) > 1 else "main"
    for file in sorted({file for path in changed(commit) for file in tests_of(path)}):
        print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
