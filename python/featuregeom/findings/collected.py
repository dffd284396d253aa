"""All findings of an analysis, strongest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from featuregeom.findings import families, nothing, outliers, pairs, parallel, unused, verdicts
from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import Tables

__all__ = ["TEMPLATES", "Findings", "Tables", "find"]

_KINDS = (verdicts, families, pairs, parallel, outliers, unused)

TEMPLATES: tuple[Template, ...] = tuple(
    template for kind in (*_KINDS, nothing) for template in kind.TEMPLATES
)
"""Every sentence that a finding can be."""

MOST = 6
"""Most findings of one kind that are listed; how many more there are is said after them."""

FEW = 3
"""Most lists of the clearest pairs, which only exemplify what the verdicts count."""

MORE = Template("more", "{count:more finding|more findings} of this kind ({kind}).", lambda f: f["count"] > 0)


@dataclass(frozen=True, eq=False)
class Findings(Sequence[Finding]):
    """What an analysis found, strongest first; what was not found comes last.

    Attributes
    ----------
    all : tuple of Finding
        The findings.
    """

    all: tuple[Finding, ...]

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, index: int | slice) -> Finding | tuple[Finding, ...]:
        return self.all[index]

    def __len__(self) -> int:
        return len(self.all)

    def __repr__(self) -> str:
        return "\n".join(f"- {finding}" for finding in self.all) or "no findings"

    def _repr_html_(self) -> str:
        from html import escape

        return "<ul>" + "".join(f"<li>{escape(str(finding))}</li>" for finding in self.all) + "</ul>"

    def records(self) -> list[dict[str, Any]]:
        """Give the findings for JSON."""
        return [vars(finding).copy() for finding in self.all]


def find(tables: Tables) -> Findings:
    """Read the findings off the tables of an analysis.

    Parameters
    ----------
    tables : Tables
        They may be missing, or lack columns: what they do not tell is not looked for.

    Returns
    -------
    Findings
        By strength: verdicts and all others in one order, then what was not found.

    Notes
    -----
    Costs a pass over the features table.

    Examples
    --------
    >>> import featuregeom as fg
    >>> import numpy as np
    >>> result = fg.analyze({"toy": np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0], [0.0, 0.0]])})
    >>> [finding.figures["features"] for finding in result.findings if finding.kind == "antipodes"]
    [4]
    """
    found: list[Finding] = []
    for kind in _KINDS:
        mine = [finding for finding in kind.find(tables) if finding is not None]
        by_kind: dict[str, list[Finding]] = {}
        for finding in mine:
            by_kind.setdefault(finding.kind, []).append(finding)
        for name, alike in by_kind.items():
            found += _shortened(name, alike)
    found.sort(key=lambda finding: -finding.strength)
    last = [finding for finding in nothing.find(tables, found) if finding is not None]
    return Findings((*found, *last))


def _shortened(kind: str, found: list[Finding]) -> Iterator[Finding]:
    found = sorted(found, key=lambda finding: -finding.strength)
    if kind in ("verdict", "groups", "by chance"):
        yield from found
        return
    most = FEW if kind == "pairs" else MOST
    yield from found[:most]
    more = MORE.finding(
        {"count": len(found) - most, "kind": kind}, strength=found[min(most, len(found)) - 1].strength
    )
    if more is not None:
        yield more
