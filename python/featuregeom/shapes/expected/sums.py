"""Direct sums: spectra unite, capacities stay."""

from __future__ import annotations

from collections.abc import Sequence

from featuregeom.shapes.expected.record import Expected, merged

__all__ = ["direct_sum"]


def direct_sum(*parts: Expected, scales: Sequence[float] | None = None) -> Expected:
    """Numbers of an orthogonal sum whose summands are multiplied by `scales` (by default 1).

    >>> from featuregeom.shapes.expected import polygon, simplex
    >>> direct_sum(polygon(3), simplex(2)).eigenvalues
    ((2.0, 1), (1.5, 2))

    References
    ----------
    Elhage et al., Toy models of superposition (2022), "tegum products".
    """
    scales = [1.0] * len(parts) if scales is None else scales
    spectrum = [
        (value * scale**2, count)
        for part, scale in zip(parts, scales, strict=True)
        for value, count in part.eigenvalues
    ]
    return Expected(
        " ⊕ ".join(part.name for part in parts),
        sum(part.n for part in parts),
        sum(part.dim for part in parts),
        merged(spectrum),
        merged(pair for part in parts for pair in part.capacity),
        max(part.coherence for part in parts),
        None,
    )
