"""A finding, and the template that its sentence is filled from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from featuregeom.summary import summarised
from featuregeom.wording import cut, known, number, plural

__all__ = ["Finding", "Template"]

_PLACE = re.compile(r"\{(\w+)(?::([^{}]*))?\}")


@dataclass(frozen=True)
class Finding:
    """One thing that the tables say.

    Attributes
    ----------
    kind : str
        Which template it is from: "verdict", "pairs", "families", "copies" ...
    sentence : str
        What was found, for a reader who does not know the theory.
    figures : dict
        The numbers and names in the sentence, by name.
    strength : float
        Share, from 0 to 1, of all features that were read (of squared length, for dimensions) that it is about.
    matrix : str
        The matrix that holds the evidence; empty where it is of all of them.
    part : str
        Part of that matrix's section of the page: "pairs", "families", "blocks" ...; empty for the section itself.
    """

    kind: str
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)
    strength: float = 0.0
    matrix: str = ""
    part: str = ""

    def __str__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.sentence)}</p>"


@summarised
@dataclass(frozen=True)
class Template:
    """A sentence with places for figures, and what the figures have to be for it to be true.

    Attributes
    ----------
    kind : str
        Kind of the findings that it makes.
    words : str
        ``{name}`` is replaced by a number or a name, ``{name:pair|pairs}`` by a count with its noun.
    holds : callable
        Whether the figures carry the sentence. Without that there is no finding.
    """

    kind: str
    words: str
    holds: Callable[[Mapping[str, Any]], bool]

    def finding(
        self, figures: Mapping[str, Any], *, strength: float = 0.0, matrix: str = "", part: str = ""
    ) -> Finding | None:
        """Fill the sentence.

        Parameters
        ----------
        figures : mapping
            What the places name; numbers, or names that are written so that all of them is seen.
        strength, matrix, part
            As in `Finding`.

        Returns
        -------
        Finding or None
            None where the figures do not carry the sentence.
        """
        wanted = {place[1]: figures[place[1]] for place in _PLACE.finditer(self.words)}
        if not all(map(known, wanted.values())) or not self.holds(figures):
            return None
        sentence = _PLACE.sub(lambda place: _written(wanted[place[1]], place[2]), self.words)
        return Finding(self.kind, sentence[:1].upper() + sentence[1:], dict(figures), strength, matrix, part)


def _written(value: Any, noun: str | None) -> str:
    if isinstance(value, str):
        return cut(value) if noun == "name" else value
    if noun:
        one, many = noun.split("|")
        return plural(int(value), one, many)
    return number(value)
