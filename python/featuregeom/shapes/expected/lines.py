"""Equiangular tight frames, SICs and mutually unbiased bases: cosines known up to signs or phases."""

from __future__ import annotations

import math
from collections.abc import Sequence

from featuregeom.shapes.expected.graphs import hamming, johnson
from featuregeom.shapes.expected.record import Expected, tight

__all__ = [
    "etf_16_6",
    "etf_28_7",
    "harmonic_etf",
    "icosahedral_lines",
    "mub",
    "paley_etf",
    "sic",
    "steiner_etf",
]


def icosahedral_lines() -> Expected:
    r"""Six lines at :math:`1/\sqrt 5`.

    References
    ----------
    Lemmens & Seidel, J. Algebra 24 (1973).
    """
    return _equiangular("lines of the icosahedron", 6, 3)


def etf_16_6() -> Expected:
    """Words of H(2, 4), with signs: 1/3 (6) and -1/3 (9).

    References
    ----------
    Fickus & Mixon, Tables of the existence of equiangular tight frames (2015), arXiv:1504.00253.
    """
    return hamming(2, 4)


def etf_28_7() -> Expected:
    """Pairs of J(8, 2), with signs: 1/3 (12) and -1/3 (15).

    References
    ----------
    Fickus & Mixon, Tables of the existence of equiangular tight frames (2015), arXiv:1504.00253.
    """
    return johnson(8, 2)


def paley_etf(q: int) -> Expected:
    r"""Lines at :math:`1/\sqrt q`, q + 1 of them.

    References
    ----------
    Strohmer & Heath, Appl. Comput. Harmon. Anal. 14 (2003);
    Fickus & Mixon, Tables of the existence of equiangular tight frames (2015), arXiv:1504.00253.
    """
    return _equiangular(f"Paley ETF of {q + 1}", q + 1, (q + 1) // 2)


def steiner_etf(v: int) -> Expected:
    """Lines at 1/(v - 1), v^2 of them.

    References
    ----------
    Fickus, Mixon & Tremain, Linear Algebra Appl. 436 (2012).
    """
    name = hamming(2, 4).name if v == 4 else f"Steiner ETF of {v} points"
    return _equiangular(name, v**2, v * (v - 1) // 2)


def harmonic_etf(n: int, difference_set: Sequence[int] | None = None) -> Expected:
    """As many complex lines as residues, in as many dimensions as members of the difference set.

    References
    ----------
    Xia, Zhou & Giannakis, IEEE Trans. Inf. Theory 51 (2005).
    """
    m = (n - 1) // 2 if difference_set is None else len(difference_set)
    return _equiangular(f"harmonic ETF of {n} in {m}", n, m)


def sic(d: int) -> Expected:
    r"""Complex lines at :math:`1/\sqrt{d + 1}`, d^2 of them.

    References
    ----------
    Renes, Blume-Kohout, Scott & Caves, J. Math. Phys. 45 (2004).
    """
    return _equiangular(f"SIC of dimension {d}", d * d, d)


def mub(p: int) -> Expected:
    r"""Modulus 0 within a basis and :math:`1/\sqrt p` between any two of the p + 1.

    References
    ----------
    Wootters & Fields, Ann. Phys. 191 (1989).
    """
    return tight(
        f"MUB of dimension {p}", p * (p + 1), p, [(0.0, p - 1), (1 / math.sqrt(p), p * p)], lines=True
    )


def _equiangular(name: str, n: int, m: int) -> Expected:
    r"""All lines at the angle of Welch's bound :math:`\sqrt{(n - m)/(m (n - 1))}`."""
    return tight(name, n, m, [(math.sqrt((n - m) / (m * (n - 1))), n - 1)], lines=True)
