"""The page about the families of features of one matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.analysis import FamilyPicture
from featuregeom.dictionaries import Families
from featuregeom.dictionaries.kinds import ORDER, counted
from featuregeom.report.beyond import family_cards, namer
from featuregeom.report.sheet import Section, Sheet
from featuregeom.wording import plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["families_sheet"]


_TITLE = 60
"""Most characters of a family's members that stand in its heading."""


def families_sheet(
    found: Families,
    table: pd.DataFrame,
    pictures: Iterable[FamilyPicture],
    name: str,
    provenance: Mapping[str, Any],
) -> Sheet:
    """Lay out the families of one matrix as a page: the first ones drawn, all in a table.

    Parameters
    ----------
    found : Families
        What was found.
    table : DataFrame
        One row per family, as `Families.to_frame` gives it.
    pictures : iterable of FamilyPicture
        Those that are drawn.
    name : str
        What the matrix is called.
    provenance : mapping
        Where it came from, and the settings.

    Returns
    -------
    Sheet
    """
    labels = {} if found.labels is None else {"label": np.array(found.labels, dtype=object)}
    called = namer({"index": np.arange(found.n_features), **labels})
    cards, note = family_cards(table.to_dict("records"), pictures, called)
    sections = [
        Section(
            f"{card.title}: {card.members}" if len(card.members) <= _TITLE else card.title,
            text=(
                *([card.members] if len(card.members) > _TITLE else []),
                f"{card.meaning} {card.facts}.",
            ),
            figures=() if card.figure is None else (card.figure,),
        )
        for card in cards
    ]
    sections.append(Section("All families", text=(note,) if note else (), table=_table(table, called)))
    return Sheet(
        kicker="Families of features",
        title=f"Families of {name}",
        lead=(
            "A family is a group of features that are nearer to each other than to any other feature, and more so than "
            "chance explains. That says nothing about what they mean. Most have no shape; a shape is named, and a "
            "circle is called one, only where chance hardly gives as good a one.",
            ORDER,
        ),
        totals=(
            plural(found.n_features, "feature"),
            plural(len(found), "family", "families"),
            *counted(found.counts()),
        ),
        provenance=provenance,
        sections=tuple(sections),
    )


def _table(table: pd.DataFrame, called: Any) -> pd.DataFrame:
    """Give the table with members by name, without what only a program reads."""
    shown = table.drop(columns=["labels", "fit", "birth", "death", "height"], errors="ignore")
    return shown.assign(members=[", ".join(called(int(i)) for i in row) for row in table["members"]])
