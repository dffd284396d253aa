"""Complex frames from roots of unity: harmonic frames, SICs and mutually unbiased bases."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError
from featuregeom.shapes.circle import roots_of_unity
from featuregeom.shapes.primes import prime, quadratic_character
from featuregeom.shapes.size import check_size

__all__ = ["harmonic_etf", "mub", "sic"]


def harmonic_etf(n: int, difference_set: Iterable[int] | None = None) -> NDArray[np.complex128]:
    r"""Equiangular tight frame of n characters restricted to a difference set D of the residues modulo n.

    .. math:: w_x = \frac{1}{\sqrt m} \left(e^{2 \pi i d x/n}\right)_{d \in D}, \qquad m = |D|.

    Parameters
    ----------
    n : int
        Number of vectors, from 3 to 1 000 000. Without a difference set a prime that is 3 modulo 4, at least 7.
    difference_set : iterable of int, optional
        Residues whose differences hit every other residue than 0 equally often, such as Singer's (0, 1, 3, 9)
        modulo 13; fewer than n. By default the squares modulo n, of which there are (n - 1)/2.

    Returns
    -------
    ndarray of complex128, shape (n, m)
        Unit vectors, whose inner products have the modulus :math:`\sqrt{(n - m)/(m (n - 1))}` of the Welch
        bound; a tight frame with eigenvalue n / m.

    Raises
    ------
    ParameterError
        If `n` is outside its range, or `difference_set` is no difference set.

    References
    ----------
    Xia, Zhou & Giannakis, Achieving the Welch bound with difference sets, IEEE Trans. Inf. Theory 51 (2005).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.harmonic_etf(7).shape, fg.shapes.harmonic_etf(13, (0, 1, 3, 9)).shape
    ((7, 3), (13, 4))
    """
    if difference_set is None:
        n = prime("n", n, 7, residue=3, modulus=4)
        (members,) = np.nonzero(quadratic_character(n) > 0)
    else:
        n = integer("n", n, 3, 1_000_000)
        members = _difference_set(n, difference_set)
    check_size(f"harmonic_etf({n})", n, 2 * len(members))
    return roots_of_unity(np.outer(np.arange(n), members), n) / math.sqrt(len(members))


def _difference_set(n: int, residues: Iterable[int]) -> NDArray[np.int64]:
    """Sort the residues, or raise unless their differences hit each of 1, ..., n - 1 equally often."""
    members = np.array(
        [integer("each member of difference_set", residue, 0, n - 1) for residue in residues], dtype=np.int64
    )
    hits = np.zeros(n, dtype=np.int64)
    for member in members:
        hits[(members - member) % n] += 1
    repeated = len(set(members.tolist())) < len(members)
    if repeated or not 0 < len(members) < n or hits[1:].min() != hits[1:].max():
        raise ParameterError(
            f"difference_set must be distinct residues below {n}, fewer than {n}, whose differences hit each of "
            f"1, ..., {n - 1} equally often; got {members.tolist()}"
        )
    return np.sort(members)


def sic(d: int) -> NDArray[np.complex128]:
    r"""Symmetric informationally complete frame: d^2 complex equiangular lines in d dimensions.

    The orbit of a fiducial vector under the shifts :math:`e_k \mapsto e_{k + a}` and the phases
    :math:`e_k \mapsto e^{2 \pi i b k/d} e_k`. The fiducial is
    :math:`\left(\sqrt{3 + \sqrt 3}, e^{i \pi/4} \sqrt{3 - \sqrt 3}\right) / \sqrt 6` for d = 2, and
    :math:`(0, 1, -1)/\sqrt 2` (Hesse) for d = 3.

    Parameters
    ----------
    d : int
        Dimension: 2 or 3.

    Returns
    -------
    ndarray of complex128, shape (d^2, d)
        Unit vectors, :math:`|\langle w_i, w_j \rangle|^2 = 1/(d + 1)`; a tight frame with eigenvalue d.

    Raises
    ------
    ParameterError
        If `d` is neither 2 nor 3.

    References
    ----------
    Renes, Blume-Kohout, Scott & Caves, Symmetric informationally complete quantum measurements, J. Math. Phys.
    45 (2004); Zauner, Quantendesigns (1999).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.sic(3).shape
    (9, 3)
    """
    d = integer("d", d, 2, 3)
    root3 = math.sqrt(3)
    if d == 2:
        fiducial = np.sqrt(np.array([3 + root3, 3 - root3]) / 6) * roots_of_unity([0, 1], 8)
    else:
        fiducial = np.array([0, 1, -1], dtype=np.complex128) / math.sqrt(2)
    shifted = np.stack([np.roll(fiducial, a) for a in range(d)])
    phases = roots_of_unity(np.outer(np.arange(d), np.arange(d)), d)
    return (shifted[:, None, :] * phases).reshape(d * d, d)


def mub(p: int) -> NDArray[np.complex128]:
    r"""Mutually unbiased bases: all p + 1 of a prime dimension p, as rows.

    The standard basis, and for a = 0, ..., p - 1 the vectors
    :math:`\left(e^{2 \pi i (a k^2 + b k)/p}\right)_{k} / \sqrt p`, b = 0, ..., p - 1; for p = 2 instead
    :math:`(1, \pm 1)/\sqrt 2` and :math:`(1, \pm i)/\sqrt 2`.

    Parameters
    ----------
    p : int
        A prime.

    Returns
    -------
    ndarray of complex128, shape (p (p + 1), p)
        Unit vectors, one basis after the other; inner products have modulus :math:`1/\sqrt p` between bases. A
        tight frame with eigenvalue p + 1.

    Raises
    ------
    ParameterError
        If `p` is no prime, or the array would be larger than 1 GiB.

    References
    ----------
    Ivanović, Geometrical description of quantal state determination, J. Phys. A 14 (1981); Wootters & Fields,
    Optimal state-determination by mutually unbiased measurements, Ann. Phys. 191 (1989).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.mub(3).shape
    (12, 3)
    """
    p = prime("p", p, 2)
    check_size(f"mub({p})", p * (p + 1), 2 * p)
    a, b, k = np.ogrid[:p, :p, :p]
    # For p = 2 the squares have to be taken modulo 4: i^(a k^2) (-1)^(b k).
    phases = roots_of_unity(a * k**2 + 2 * b * k, 4) if p == 2 else roots_of_unity(a * k**2 + b * k, p)
    return np.concatenate([np.eye(p, dtype=np.complex128), phases.reshape(p * p, p) / math.sqrt(p)])
