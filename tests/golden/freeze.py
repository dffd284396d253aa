"""Freeze tables as JSON, and say where tables differ from what was frozen.

    python tests/golden/freeze.py              compare, at 1e-12
    python tests/golden/freeze.py --write      freeze anew what is given (all, or the names listed)

A value that is meant to change is frozen anew in the commit that changes it, with a line in CHANGES.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent
TABLES = ("matrices", "features", "blocks")

UNFROZEN = {"matrices": {"seconds", "defect_error"}, "features": {"neighbour"}, "blocks": set()}
"""Times, rounding, and which of equally near features is listed, differ between machines."""

ELSEWHERE = {
    "minilm": {"verdict", "significant_pairs", "opposite_pairs", "gathered_features", "spectrum_p", "eigenvalues_above",
               "eigenvalues_below", "mean_max_cosine", "mean_max_cosine_null", "saturation_spectrum", "group", "label",
               "link", "density"},
}  # fmt: skip
"""Columns of an input that have a test of their own: known answers with the spread of seeds, and tokens."""

WHOLE = 2000
"""Tables of at most this many rows are frozen whole, longer ones as summaries per matrix and column."""

ABSOLUTE = {"cv": 1e-7, "slack": 1e-11, "tightness": 1e-7, "max_mass": 1e-11, "entropy": 1e-10}
"""Differences that rounding makes where the true value is 0 or 1; `cv` and `tightness` are roots of such."""


ILL = {"condition", "rank_margin", "defect_bound", "leverage", "slack"}
"""Columns with 1 / (least eigenvalue), which errs by rounding of the largest: relatively by 2^-52 times `condition`."""


def frozen_tables(analysis: Any, name: str) -> dict[str, dict[str, list[Any]]]:
    """Give the three tables as lists by column."""
    found = {}
    for each in TABLES:
        table = getattr(analysis, each)
        unfrozen = UNFROZEN[each] | ELSEWHERE.get(name, set())
        table = table.drop(columns=[column for column in unfrozen if column in table])
        found[each] = _whole(table) if len(table) <= WHOLE else _summary(table)
    return found


def _whole(table: pd.DataFrame) -> dict[str, list[Any]]:
    return {column: [_plain(value) for value in table[column].tolist()] for column in table}


def _plain(value: Any) -> Any:
    return None if value is pd.NA or (isinstance(value, float) and np.isnan(value)) else value


def _summary(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Per matrix: rows; for each number its mean, extremes, and mean with weights that tell rows apart."""
    rows: dict[str, list[Any]] = {"matrix": [], "rows": []}
    for matrix, part in table.groupby("matrix", observed=True, sort=False):
        rows["matrix"].append(str(matrix))
        rows["rows"].append(len(part))
        weights = np.cos(np.arange(len(part)))
        for column in part.columns.drop("matrix"):
            if not pd.api.types.is_numeric_dtype(part[column]):
                counts = part[column].value_counts()
                rows.setdefault(column, []).append(
                    {str(key): int(counts[key]) for key in sorted(counts.index)}
                )
                continue
            values = part[column].astype("float64").to_numpy()
            here = np.isfinite(values)
            finite = values[here]
            numbers = (
                [finite.mean(), finite.min(), finite.max(), (finite * weights[here]).mean()]
                if here.any()
                else []
            )
            rows.setdefault(column, []).append([int(here.sum()), *map(float, numbers)])
    return rows


def differences(was: Any, now: Any, relative: float, where: str = "", ill: float = 0.0) -> list[str]:
    """List where two frozen values differ by more than `relative`, or the rounding of their column.

    `ill` is the relative rounding of the columns that `ILL` names.
    """
    if isinstance(was, dict) and isinstance(now, dict):
        found = [
            f"{where}/{key}: only {'before' if key in was else 'now'}"
            for key in sorted(was.keys() ^ now.keys())
        ]
        return found + [
            line
            for key in was
            if key in now
            for line in differences(was[key], now[key], relative, f"{where}/{key}", ill)
        ]
    if isinstance(was, list) and isinstance(now, list):
        if len(was) != len(now):
            return [f"{where}: {len(was)} values before, {len(now)} now"]
        return [
            line
            for i, (a, b) in enumerate(zip(was, now, strict=True))
            for line in differences(a, b, relative, f"{where}[{i}]", ill)
        ]
    if isinstance(was, float) and isinstance(now, (int, float)):
        column = where.split("/")[-1].split("[")[0]
        if column in ILL:
            relative = max(relative, ill)
        limit = max(relative * max(abs(was), abs(now)), ABSOLUTE.get(column, 1e-12))
        return [] if abs(was - now) <= limit else [f"{where}: {was!r} before, {now!r} now"]
    return [] if was == now else [f"{where}: {was!r} before, {now!r} now"]


def path_of(name: str) -> Path:
    """Where the tables of an input are frozen."""
    return FOLDER / "tables" / f"{name}.json"


def write(name: str, meaning: str, analysis: Any) -> None:
    """Freeze the tables of an analysis, a column a line."""
    lines = []
    for table, columns in frozen_tables(analysis, name).items():
        rows = [f"  {json.dumps(column)}: {json.dumps(values)}" for column, values in columns.items()]
        lines.append(f" {json.dumps(table)}: {{\n" + ",\n".join(rows) + "\n }")
    path_of(name).parent.mkdir(exist_ok=True)
    path_of(name).write_text(
        "{\n" + f' "meaning": {json.dumps(meaning)},\n' + ",\n".join(lines) + "\n}\n", encoding="utf-8"
    )


def compare(name: str, analysis: Any, relative: float) -> list[str]:
    """List where the tables of an analysis differ from those that were frozen."""
    was = json.loads(path_of(name).read_text(encoding="utf-8"))
    was.pop("meaning")
    condition = max(filter(None, was["matrices"]["condition"]), default=0.0)
    return differences(was, frozen_tables(analysis, name), relative, name, 2.0**-52 * condition)


def main() -> int:
    """Compare or write, by the command line."""
    sys.path.insert(0, str(FOLDER.parent))
    import featuregeom as fg
    from golden.sources import sources

    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    found = 0
    for name, (meaning, make) in sources().items():
        if names and name not in names:
            continue
        analysis = fg.analyze(make())
        if "--write" in sys.argv:
            write(name, meaning, analysis)
            continue
        lines = compare(name, analysis, 1e-12)
        found += len(lines)
        print(f"{name}: {len(lines)} differences", *lines[:20], sep="\n  ")
    return int(found > 0)


if __name__ == "__main__":
    raise SystemExit(main())
