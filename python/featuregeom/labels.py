"""Names of features: read from a file, and held against the number of features that they are for."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from featuregeom.errors import ParameterError, SourceError
from featuregeom.features import in_utf8
from featuregeom.memory import NoRoomError, check_memory, reading

__all__ = ["Labels", "as_labels", "read_labels"]

Labels = Sequence[str | None]
"""A name for each feature of a matrix, in its order; None for a feature that has none."""

_COLUMN = "label"
"""The column that is read where none is named and there are several."""

_SEPARATORS = {".csv": ",", ".tsv": "\t"}

_LISTED = 12
"""Most names of columns that an error lists."""

_LONGEST = 1 << 24
"""Longest field of a CSV file, in characters: a quote that is never closed takes the rest of the file."""


def as_labels(labels: Any, n: int, what: str = "the features") -> tuple[str | None, ...]:
    r"""Check names for features: one for each, text or None.

    Parameters
    ----------
    labels : iterable of str or None
        A list, an array of NumPy, a column of a table. Missing values of a table (NaN, NA) count as None.
    n : int
        How many features there are.
    what : str
        What to call the features in errors.

    Returns
    -------
    tuple of str or None
        Text that has no UTF-8 (lone surrogates) is spelled out, as ``\udcff``; nothing else is changed, so escape them
        where they are shown.

    Raises
    ------
    ParameterError
        If one is neither text nor None, or there are not as many as features.

    Examples
    --------
    >>> from featuregeom.labels import as_labels
    >>> as_labels(["cat", None], 2)
    ('cat', None)
    """
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise ParameterError(
            f"labels of {what} must be a list of texts, one for each feature, got {type(labels).__name__}"
        )
    found: list[str | None] = []
    for place, label in enumerate(labels):
        if isinstance(label, str):
            found.append(in_utf8(str(label)))
        elif (
            label is None
            or type(label).__name__ == "NAType"
            or (isinstance(label, float) and math.isnan(label))
        ):
            found.append(None)
        else:
            raise ParameterError(
                f"label {place} of {what} is {label!r}, a {type(label).__name__}: give texts, or None for no name"
            )
    if len(found) != n:
        raise ParameterError(f"{len(found)} labels for {what}, which has {n} features: give one for each")
    return tuple(found)


def read_labels(path: str | Path, column: str | None = None) -> tuple[str | None, ...]:
    r"""Read names of features from a file.

    Parameters
    ----------
    path : path-like
        A ``.parquet`` file, a ``.csv`` or ``.tsv`` file whose first line names its columns, or any other file with one
        name on each line. Texts are UTF-8.
    column : str, optional
        The column of a table to read. By default the only one, or the one called ``label``.

    Returns
    -------
    tuple of str or None
        One for each line or row; None where a Parquet file has no value.

    Raises
    ------
    SourceError
        If the file is missing, malformed or no UTF-8.
    ParameterError
        If it cannot be told which column has the names, or a column is named and the file has none.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "names.txt")
    ...     _ = path.write_text("cat\ndog\n", encoding="utf-8")
    ...     read_labels(path)
    ('cat', 'dog')
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.is_file():
        raise SourceError(f"no such file of labels: {path}")
    check_memory(path.stat().st_size, str(path))
    if suffix == ".parquet":
        return _of_parquet(path, column)
    text = _text(path)
    if suffix in _SEPARATORS:
        return _of_table(path, text, _SEPARATORS[suffix], column)
    if column is not None:
        raise ParameterError(
            f"{path} has one label on each line and no columns, so none is called {column!r}"
        )
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return tuple(line.removesuffix("\r") for line in lines)


def _text(path: Path) -> str:
    try:
        with reading(str(path), path.stat().st_size):
            content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{path}: line {line} is no UTF-8: save the labels as UTF-8") from error


def _of_table(path: Path, text: str, separator: str, column: str | None) -> tuple[str, ...]:
    limit = csv.field_size_limit(_LONGEST)
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True))
    except csv.Error as error:
        raise SourceError(f"{path}: cannot be read as a table: {error}") from error
    finally:
        csv.field_size_limit(limit)
    rows = [row for row in rows if row]
    if not rows:
        raise SourceError(f"{path}: an empty table: its first line names the columns")
    place = rows[0].index(_chosen(path, rows[0], column))
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(rows[0]):
            raise SourceError(
                f"{path}: row {number} has {len(row)} fields, where {len(rows[0])} columns are named"
            )
    return tuple(row[place] for row in rows[1:])


def _of_parquet(path: Path, column: str | None) -> tuple[str | None, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            name = _chosen(path, file.schema_arrow.names, column)
            # By what its columns take unpacked; a text that is there a thousand times is one in the file.
            size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
            check_memory(size, str(path))
            with reading(str(path), size):
                values = file.read(columns=[name]).column(0)
    except NoRoomError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: cannot be read as a Parquet file: {error}") from error
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise ParameterError(f"{path}: column {name!r} holds {values.type}, no texts")
    return tuple(values.to_pylist())


def _chosen(path: Path, names: Sequence[str], column: str | None) -> str:
    """Tell which column has the names."""
    wanted = column if column is not None else names[0] if len(names) == 1 else _COLUMN
    if list(names).count(wanted) == 1:
        return wanted
    held = ", ".join(map(repr, names[:_LISTED])) + (" ..." if len(names) > _LISTED else "")
    if wanted in names:
        raise ParameterError(f"{path} has two columns {wanted!r}: rename one")
    if column is None:
        raise ParameterError(
            f"{path} has the columns {held}: say which has the labels (--labels-column), or call it {_COLUMN!r}"
        )
    raise ParameterError(f"{path} has no column {column!r}, but {held}")
