"""What a verdict costs, from the shape of a matrix alone."""

from __future__ import annotations

from featuregeom.dictionaries.groups import DRAWS, draws_of_a_try, most_tries
from featuregeom.pairs.cross_fit import default_parts, left_out
from featuregeom.pairs.drawn import drawn_features
from featuregeom.pairs.significant import default_draws

__all__ = [
    "families_memory",
    "families_operations",
    "pair_decompositions",
    "pair_operations",
    "verdict_memory",
    "verdict_operations",
]

_EIGEN = 9
"""Floating point operations of an eigendecomposition with vectors, in units of the cubed dimension."""

_DRAWN = 6
"""Operations for each normal number of a random spectral measure: squared, weighted, and summed four times."""


def pair_decompositions(n: int, m: int) -> int:
    """Count the operations of the eigendecompositions of `pairs.significant`, less those of its draws.

    Parameters
    ----------
    n, m : int
        Shape.

    Returns
    -------
    int
    """
    r = min(n, m)
    parts = default_parts(n, r)
    return 0 if parts == 1 else _EIGEN * len(left_out(parts)) * r**3


def pair_operations(n: int, m: int, n_draws: int | None = None) -> int:
    """Count the operations of `pairs.significant` on features of full rank.

    Parameters
    ----------
    n, m : int
        Shape.
    n_draws : int, optional
        Random sets that are drawn; by default the most.

    Returns
    -------
    int
        For the features and for each draw: eigendecompositions, rotations of the features into each eigenbasis, and two
        products for each pair.
    """
    r = min(n, m)
    parts = default_parts(n, r)
    draws = default_draws(n) if n_draws is None else n_draws
    sets = left_out(parts)
    rotated = n * sum(map(len, sets)) // parts
    spectra = 0 if parts == 1 else n * r * (r + 1) + pair_decompositions(n, m)
    once = spectra + 2 * rotated * r * r + 2 * n * (n - 1) * r
    drawn = drawn_features(n, r, parts)
    draw = once + 4 * n * r * r
    if drawn < n:  # Wishart matrices and Cholesky factors cost less than the rest
        decomposed = _EIGEN * r**3 if parts > 1 else 0
        draw = decomposed + 2 * drawn * r * r + 2 * drawn * (drawn - 1) * r + 4 * drawn * r * r
    return once + draws * draw


def verdict_operations(n: int, m: int, q: float = 0.01) -> int:
    """Count the most operations of `dictionaries.verdict`, beside the spectrum, measures and sweep that it is given.

    Parameters
    ----------
    n, m : int
        Shape.
    q : float
        Level.

    Returns
    -------
    int
        Where nothing is found without random sets, none is drawn, and where no group is found, no eigendecomposition
        holds it against the other features: it is then less than half.
    """
    r = min(n, m)
    each = _EIGEN * r**3 + _DRAWN * draws_of_a_try(q) * r
    return pair_operations(n, m) + _DRAWN * DRAWS * r + most_tries(n, r) * each


def verdict_memory(n: int, m: int) -> int:
    """Bytes that `dictionaries.verdict` holds at once, beside the spectrum and the features.

    Parameters
    ----------
    n, m : int
        Shape.

    Returns
    -------
    int
        Operators of the parts; a random set while it is made orthonormal, or the features of one set of parts with
        their spectral measures; lists of neighbours; chunks of random numbers.
    """
    r = min(n, m)
    parts = default_parts(n, r)
    held = n * max(map(len, left_out(parts))) // parts
    operators = parts * r * r if parts > 1 else 0
    return 8 * (operators + max(4 * n * r, n * r + 6 * held * (r + 1)) + 160 * n + 4 * 4_200_000)


def families_operations(n: int, m: int) -> int:
    """Count the operations of the links of `dictionaries.families`, beside the pairs and the spectrum that it is given.

    Parameters
    ----------
    n, m : int
        Shape.

    Returns
    -------
    int
        One more pass over pairs with their spreads, one by cosine, and one beside the dominant eigenspaces, of which
        the first and the last are left out where there is no significant pair and nothing dominant.
    """
    r = min(n, m)
    return pair_operations(n, m, 0) + 2 * n * (n - 1) * r + 2 * n * m * r


def families_memory(n: int, m: int, k: int = 32) -> int:
    """Bytes that `dictionaries.families` holds at once, beside the spectrum and the features.

    Parameters
    ----------
    n, m : int
        Shape.
    k : int
        Neighbours that are kept of each feature, of either sign and by three kinds of links.

    Returns
    -------
    int
        The lists; the links of one tree; the features beside the dominant eigenspaces, and in a basis.
    """
    r = min(n, m)
    parts = default_parts(n, r)
    held = n * max(map(len, left_out(parts))) // parts
    operators = parts * r * r if parts > 1 else 0
    return 8 * (operators + 2 * n * r + held * (r + 1) + n * min(k, n) * 12)
