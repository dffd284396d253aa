"""Vertices of classical graphs, on an eigenspace of their association scheme.

For vertices on one eigenspace, the inner product of two depends on their relation alone, and all of them
together are a tight frame.
"""

from __future__ import annotations

import math
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError
from featuregeom.shapes.circle import roots_of_unity
from featuregeom.shapes.families import simplex
from featuregeom.shapes.primes import prime, primitive_root
from featuregeom.shapes.size import check_size

__all__ = ["cyclotomic", "hamming", "johnson", "paley", "shrikhande"]

_LARGEST_HAMMING = 26
"""Longest word that is accepted before q^d is computed; `check_size` then allows 22 letters of an alphabet of two."""

_LARGEST_JOHNSON = 4096
"""Most elements v that are accepted before subsets are counted; 4096 subsets of one element take 128 MiB."""


def hamming(d: int, q: int) -> NDArray[np.float64]:
    r"""Words of length d over q letters, on the first nontrivial eigenspace of the Hamming scheme H(d, q).

    .. math:: w_x = (s_{x_1}, \dots, s_{x_d}) / \sqrt d,
        \qquad \langle w_x, w_y \rangle = 1 - \frac{q}{q - 1} \frac{\operatorname{dist}(x, y)}{d},

    with :math:`s_1, \dots, s_q` the vertices of a simplex.

    Parameters
    ----------
    d : int
        Length of the words, from 1 to 26.
    q : int
        Number of letters, at least 2. H(d, 2) is the cube, H(1, q) the simplex.

    Returns
    -------
    ndarray of float64, shape (q^d, d (q - 1))
        Unit vectors, words in lexicographic order.

    Raises
    ------
    ParameterError
        If `d` or `q` is outside its range, or the array would be larger than 1 GiB.

    References
    ----------
    Delsarte, An algebraic approach to the association schemes of coding theory (1973), section 4.1.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.hamming(2, 4).shape
    (16, 6)
    """
    d = integer("d", d, 1, _LARGEST_HAMMING)
    q = integer("q", q, 2)
    check_size(f"hamming({d}, {q})", q**d, d * (q - 1))
    words = np.arange(q**d)[:, None] // q ** np.arange(d)[::-1] % q
    letters = simplex(q) / math.sqrt(d)
    return np.asarray(letters[words].reshape(q**d, -1))


def johnson(v: int, k: int) -> NDArray[np.float64]:
    r"""Subsets with k of v elements, on the first nontrivial eigenspace of the Johnson scheme J(v, k).

    .. math:: w_A = \sqrt{\frac{v - 1}{k (v - k)}} \sum_{a \in A} s_a,
        \qquad \langle w_A, w_B \rangle = 1 - \frac{v\,|A \setminus B|}{k (v - k)},

    with :math:`s_1, \dots, s_v` the vertices of a simplex.

    Parameters
    ----------
    v : int
        Number of elements, from 2 to 4096.
    k : int
        Size of the subsets, from 1 to v - 1. J(v, 1) is the simplex.

    Returns
    -------
    ndarray of float64, shape (v choose k, v - 1)
        Unit vectors, subsets in lexicographic order.

    Raises
    ------
    ParameterError
        If `v` or `k` is outside its range, or the array would be larger than 1 GiB.

    References
    ----------
    Delsarte, An algebraic approach to the association schemes of coding theory (1973), section 4.2.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.johnson(5, 2).shape
    (10, 4)
    """
    v = integer("v", v, 2, _LARGEST_JOHNSON)
    k = integer("k", k, 1, v - 1)
    n = math.comb(v, k)
    check_size(f"johnson({v}, {k})", n, v - 1)
    member = np.zeros((n, v))
    chosen = np.fromiter(chain.from_iterable(combinations(range(v), k)), dtype=np.int64, count=n * k)
    np.put_along_axis(member, chosen.reshape(n, k), 1, axis=1)
    return member @ simplex(v) * math.sqrt((v - 1) / (k * (v - k)))


def cyclotomic(p: int, classes: int) -> NDArray[np.float64]:
    r"""Residues modulo p, on one eigenspace of the cyclotomic scheme with e classes.

    .. math:: w_x = \frac{1}{\sqrt{|C|}} \left(e^{2 \pi i a x / p}\right)_{a \in C / \pm 1},
        \qquad \langle w_x, w_y \rangle = \frac{1}{|C|} \sum_{a \in C} \cos\frac{2 \pi a (x - y)}{p},

    with C the e-th powers modulo p, and real and imaginary parts (times :math:`\sqrt 2`) as coordinates. The
    inner products are the Gaussian periods of order e over :math:`|C| = (p - 1)/e`.

    Parameters
    ----------
    p : int
        An odd prime.
    classes : int
        Number e of classes, at least 1, such that 2 e divides p - 1; else -1 is no e-th power, and the scheme is
        not symmetric.

    Returns
    -------
    ndarray of float64, shape (p, (p - 1) / classes)
        Unit vectors; a tight frame.

    Raises
    ------
    ParameterError
        If `p` is no odd prime, or `classes` is outside its range.

    References
    ----------
    Brouwer, Cohen & Neumaier, Distance-Regular Graphs (1989), section 2.10.B.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.cyclotomic(13, 3).shape
    (13, 4)
    """
    p = prime("p", p, 3)
    e = integer("classes", classes, 1, (p - 1) // 2)
    if (p - 1) % (2 * e) != 0:
        raise ParameterError(f"classes must divide (p - 1) / 2 = {(p - 1) // 2}, got {e}")
    size = (p - 1) // e
    check_size(f"cyclotomic({p}, {e})", p, size)
    step = pow(primitive_root(p), e, p)
    powers = [pow(step, exponent, p) for exponent in range(size // 2)]  # the other half are their negatives
    return _characters(np.outer(np.arange(p), powers), p)


def paley(q: int) -> NDArray[np.float64]:
    r"""Vertices of the Paley graph of prime order q, on one eigenspace: `cyclotomic` with two classes.

    Parameters
    ----------
    q : int
        A prime that is 1 modulo 4. (Paley's graph of 9 vertices is hamming(2, 3).)

    Returns
    -------
    ndarray of float64, shape (q, (q - 1) / 2)
        Unit vectors with inner products :math:`(-1 \pm \sqrt q) / (q - 1)`; a tight frame.

    Raises
    ------
    ParameterError
        If `q` is no such prime.

    References
    ----------
    Brouwer, Cohen & Neumaier, Distance-Regular Graphs (1989), section 1.13; Paley, On orthogonal matrices,
    J. Math. Phys. 12 (1933).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.paley(13).shape
    (13, 6)
    """
    return cyclotomic(prime("q", q, 5, residue=1, modulus=4), 2)


def shrikhande() -> NDArray[np.float64]:
    r"""Vertices (x, y) modulo 4 of the Shrikhande graph: :math:`(i^x, i^y, i^{x - y}) / \sqrt 3`.

    The graph has all parameters of H(2, 4), and the vectors all its inner products, but the neighbours of a
    vertex form a hexagon instead of two triangles.

    Returns
    -------
    ndarray of float64, shape (16, 6)
        Unit vectors with inner products 1/3 (6) and -1/3 (9); an equiangular tight frame.

    References
    ----------
    Shrikhande, The uniqueness of the L2 association scheme, Ann. Math. Statist. 30 (1959).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.shrikhande().shape
    (16, 6)
    """
    x, y = np.divmod(np.arange(16), 4)
    return _characters(np.column_stack([x, y, x - y]), 4)


def _characters(exponents: NDArray[np.int64], order: int) -> NDArray[np.float64]:
    """Rows of roots of unity as unit vectors of their real and imaginary parts, in turn."""
    values = roots_of_unity(exponents, order) / math.sqrt(exponents.shape[1])
    return np.stack([values.real, values.imag], axis=-1).reshape(len(exponents), -1)
