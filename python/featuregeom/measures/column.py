"""A column as it is declared, and a table as the list of its columns."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

__all__ = ["Column", "Dtype", "Table"]

Dtype = Literal["str", "category", "int64", "Int64", "float64", "bool", "object"]
"""Type of a column in pandas; "Int64" is an integer that may be missing, "object" a list in every row."""

Source = TypeVar("Source")
"""What a table's columns are computed from."""


@dataclass(frozen=True)
class Column(Generic[Source]):
    """One column of a table: what it is called, what it means, and how it is computed.

    Attributes
    ----------
    key : str
        Its name in the table.
    label : str
        Its heading on the page.
    meaning : str
        What it is, in a sentence or two; the tooltip of its heading.
    compute : callable or None
        Gives its value (for the features table an array with one value per feature); None where the table joins
        it on afterwards.
    dtype : str
        Its type in pandas.
    formula : str
        How it is computed; empty where the meaning says all there is.
    cost : str
        What has to be computed for it.
    shown : bool
        Whether the page's overview shows it without being asked for all columns.
    """

    key: str
    label: str
    meaning: str
    compute: Callable[[Source], Any] | None
    dtype: Dtype = "float64"
    formula: str = ""
    cost: str = ""
    shown: bool = False

    @property
    def tooltip(self) -> str:
        """The meaning, and the formula where there is one."""
        return f"{self.meaning} {self.formula}" if self.formula else self.meaning

    @property
    def text(self) -> bool:
        """Whether its values are words and not numbers."""
        return self.dtype in ("str", "category")


@dataclass
class Table(Generic[Source]):
    """A table: its columns in the order in which it lists them.

    Attributes
    ----------
    name : str
        Attribute of an `Analysis`, and name of its Parquet file.
    columns : list of Column
        Its columns.
    """

    name: str
    columns: list[Column[Source]] = field(default_factory=list)

    def column(
        self, label: str, *, dtype: Dtype = "float64", formula: str = "", cost: str = "", shown: bool = False
    ) -> Callable[[Callable[[Source], Any]], Callable[[Source], Any]]:
        """Declare a function as the column of its name; its docstring is the column's meaning.

        Parameters
        ----------
        label, dtype, formula, cost, shown
            As in `Column`.

        Returns
        -------
        callable
            A decorator that leaves the function as it is.
        """

        def declare(function: Callable[[Source], Any]) -> Callable[[Source], Any]:
            meaning = " ".join((inspect.getdoc(function) or "").split())
            self.columns.append(
                Column(function.__name__, label, meaning, function, dtype, formula, cost, shown)
            )
            return function

        return declare

    def joined(
        self, key: str, label: str, meaning: str, *, dtype: Dtype = "float64", shown: bool = False
    ) -> None:
        """Declare a column that is not computed from the matrix, but joined on when the table is made.

        Parameters
        ----------
        key, label, meaning, dtype, shown
            As in `Column`.
        """
        self.columns.append(Column(key, label, meaning, None, dtype, shown=shown))

    @property
    def dtypes(self) -> dict[str, Dtype]:
        """Type of each column, in order."""
        return {column.key: column.dtype for column in self.columns}

    def row(self, of: Source) -> dict[str, Any]:
        """Compute every column that is not joined on afterwards."""
        return {column.key: column.compute(of) for column in self.columns if column.compute is not None}
