"""The tables that findings are read from, and how a sentence calls the matrices that it is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.dictionaries import layers_of
from featuregeom.summary import summarised
from featuregeom.wording import cut, known, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OTHERS", "Tables", "called", "group_order", "joined", "natural", "quoted", "subject"]

OTHERS = "others"
"""Layers that are none of the kinds that a model is known to have, as `dictionaries.layers_of` calls them."""

_BOTH = 2
_DIGITS = re.compile(r"(\d+)")


@summarised
@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of an analysis; any of them may be missing, or lack columns.

    Attributes
    ----------
    matrices, features, blocks, pairs, families : DataFrame or None
        As in `featuregeom.Analysis`.
    gathered_q : dict of str to float
        By matrix, the least rate of false finds among the features that crowd together; of those that have any.
    """

    matrices: pd.DataFrame
    features: pd.DataFrame | None = None
    blocks: pd.DataFrame | None = None
    pairs: pd.DataFrame | None = None
    families: pd.DataFrame | None = None
    gathered_q: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of the matrices table, in natural order: layer 2 before layer 10."""
        rows = [{str(key): value for key, value in row.items()} for row in self.matrices.to_dict("records")]
        return sorted(rows, key=lambda row: natural(str(row["matrix"])))

    @cached_property
    def n_features(self) -> int:
        """Features of all matrices."""
        return max(1, sum(int(row["n"]) for row in self.rows))

    @cached_property
    def groups(self) -> dict[str, list[dict[str, Any]]]:
        """Rows of the matrices table by what the layers are for, in the order of a model."""
        kinds: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows:
            kinds.setdefault(layers_of(str(row["matrix"])), []).append(row)
        return dict(sorted(kinds.items(), key=lambda item: group_order(item[0])))

    def has(self, column: str) -> bool:
        """Whether the matrices table knows a column of at least one matrix."""
        return any(known(row.get(column)) for row in self.rows)

    def of(self, table: pd.DataFrame | None, column: str) -> Iterator[tuple[str, pd.DataFrame]]:
        """Give a table matrix by matrix; nothing where there is none, or it lacks the column that is asked for."""
        if table is None or not len(table) or column not in table:
            return
        places = table.groupby("matrix", observed=True, sort=False).indices
        for row in self.rows:
            if (found := places.get(row["matrix"])) is not None:
                yield str(row["matrix"]), table.iloc[np.sort(found)]

    @cached_property
    def _labels(self) -> Mapping[tuple[str, int], str]:
        if self.features is None or "label" not in self.features:
            return {}
        kept = self.features.loc[self.features["label"].map(known).astype(bool)]
        places = zip(kept["matrix"].astype(str), kept["index"].astype(int), strict=True)
        return dict(zip(places, kept["label"].astype(str), strict=True))

    @cached_property
    def _shared(self) -> Counter[tuple[str, str]]:
        """How many features of a matrix have a label."""
        return Counter((matrix, label) for (matrix, _), label in self._labels.items())

    def name(self, matrix: str, index: int) -> str:
        """Call a feature by its label, with its position where others have the same, or by its position alone."""
        label = self._labels.get((matrix, int(index)))
        if label is None or label == str(int(index)) or label.strip() == "":
            return f"feature {int(index)}"
        shown = f"“{cut(label, 24)}”"
        return shown if self._shared[matrix, label] == 1 else f"{shown} (feature {int(index)})"


def natural(name: str) -> list[tuple[int, int | str]]:
    """Key that sorts names as people count: layer 2 before layer 10."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in _DIGITS.split(name.lower())]


def group_order(layers: str) -> int:
    """Place of a kind of layer on the page: embeddings, then what a layer applies, then all others."""
    order = ("embeddings", "queries", "keys", "values", "attention outputs", "MLP inputs", "MLP outputs")
    return order.index(layers) if layers in order else len(order)


def subject(layers: str, rows: Sequence[Mapping[str, Any]], tables: Tables) -> str:
    """Call some matrices: by name where it is one, else by what they are for."""
    if len(rows) == 1:
        return quoted(rows[0]["matrix"])
    if len(rows) == len(tables.rows):
        return "both matrices" if len(rows) == _BOTH else f"all {plural(len(rows), 'matrix', 'matrices')}"
    if layers == OTHERS:
        return f"{len(rows)} {called(layers)}"
    return f"the {layers} ({plural(len(rows), 'matrix', 'matrices')})"


def called(layers: str) -> str:
    """Call a kind of layer as a sentence does."""
    return "other matrices" if layers == OTHERS else layers


def quoted(name: object) -> str:
    """Give a matrix's name in quotation marks, whole if it is short."""
    return f"“{cut(name) if str(name).strip() else '(no name)'}”"


def joined(parts: Sequence[str], most: int = 4) -> str:
    """Write a list as a sentence does: a, b and c; longer ones with how many are left out."""
    shown = list(parts[:most])
    if len(parts) > most:
        return f"{', '.join(shown)} and {len(parts) - most} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
