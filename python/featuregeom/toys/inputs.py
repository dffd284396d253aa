"""Sparse inputs of the toys: independent features, and sets that occur together or never together.

One uniform number gives a feature both its state and its value. With u uniform on [0, 1) and p = 1 - S, the
event u < p has probability p, and given it u / p is uniform on [0, 1). All instances of a run see the same u,
each cut at its own p (common random numbers): restarts then differ in their initial weights alone, a sweep
over S compares like with like, and a step draws batch_size x n numbers however many instances there are.

Features of a set share the u of its first member. *Together*: all are active where it is below p; the others
take their values from their own u, so states are equal and values independent. *Apart*: member r is active where
u lies in [r p, (r + 1) p), so no two are, and each still is with probability p, which needs k p <= 1 for k members.

References
----------
Elhage et al. (2022), "Toy Models of Superposition", on correlated and anti-correlated features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError
from featuregeom.summary import summarised
from featuregeom.toys.arguments import sparsities

__all__ = ["Inputs", "Sets", "sample"]

Sets = Sequence[Sequence[int]]
"""Sets of features, by their numbers; no feature in two of them."""

BLOCK = 1 << 23
"""Most numbers (inputs x features) in a block of inputs that are evaluated together: 64 MiB of float64."""


@summarised
@dataclass(frozen=True, eq=False)
class Inputs:
    """How inputs come from uniform numbers.

    Attributes
    ----------
    n_features : int
        Number of features.
    signed : bool
        Whether values are uniform on [-1, 1) instead of [0, 1).
    leader : ndarray of int64, shape (n_features,), or None
        The feature whose u decides each one's state; None where all are independent.
    rank : ndarray of int64, shape (n_features,)
        Place in a set of features that occur apart, else 0.
    own : ndarray of bool, shape (n_features,)
        Whether the value is the feature's own u, as it is for all but the first of a set that occurs together.
    """

    n_features: int
    signed: bool
    leader: NDArray[np.int64] | None
    rank: NDArray[np.int64]
    own: NDArray[np.bool_]

    @classmethod
    def read(
        cls, n_features: int, together: Sets | None = None, apart: Sets | None = None, *, signed: bool = False
    ) -> Inputs:
        """Read sets of features, and check that no feature is in two."""
        leader = np.arange(n_features)
        rank, own = np.zeros(n_features, dtype=np.int64), np.zeros(n_features, dtype=bool)
        seen: set[int] = set()
        for name, sets in (("together", together or ()), ("apart", apart or ())):
            for members in _listed(name, sets):
                numbers = [integer(name, member, 0) for member in _listed(name, members)]
                for place, member in enumerate(numbers):
                    if member >= n_features:
                        raise ParameterError(
                            f"{name} must hold features below {n_features}, got {member} in {list(members)!r}"
                        )
                    if member in seen:
                        raise ParameterError(f"{name} must not hold a feature twice, got {member} again")
                    seen.add(member)
                    leader[member] = numbers[0]
                    rank[member] = place if name == "apart" else 0
                    own[member] = name == "together" and place > 0
        plain = np.array_equal(leader, np.arange(n_features))
        return cls(n_features, signed, None if plain else leader, rank, own)

    def check(self, sparsity: NDArray[np.float64]) -> None:
        """Check that the probabilities of features that never occur together add up to at most 1."""
        size = int(self.rank.max()) + 1
        if size > 1 and size * (1 - sparsity.min()) > 1 + 1e-12:
            raise ParameterError(
                f"sparsity must be at least {1 - 1 / size:.4g} where {size} features occur apart, "
                f"got {sparsity.min()!r}"
            )

    def cut(self, u: Any, density: Any, xp: Any) -> Any:
        """Turn uniform numbers into inputs.

        Parameters
        ----------
        u : array of NumPy or torch, shape (n_features, size)
            Uniform on [0, 1).
        density : array of the same kind
            p = 1 - S, of a shape that broadcasts against u.
        xp : module
            NumPy or torch, whichever u is of.

        Returns
        -------
        array
            The inputs, one per column.
        """
        if self.leader is None:
            value = u / density
            if hasattr(xp, "Generator"):
                # torch's `where` is many times slower than arithmetic; p - u > 0 exactly where u < p.
                value = 2 * value - 1 if self.signed else value
                return xp.ops.aten.threshold_backward(value, density - u, 0)
            active = u < density
        else:
            constant = {"device": u.device} if hasattr(xp, "Generator") else {}
            rank = xp.asarray(self.rank, **constant)[:, None]
            own = xp.asarray(self.own, **constant)[:, None]
            start = u[xp.asarray(self.leader, **constant)] - rank * density
            active, value = (start >= 0) & (start < density), xp.where(own, u, start / density)
        return xp.where(active, 2 * value - 1 if self.signed else value, 0.0)

    def blocks(self, sparsity: float, size: int, seed: int) -> Iterator[NDArray[np.float64]]:
        """Draw inputs as rows, block by block, so that memory stays bounded."""
        rng, left = np.random.default_rng(seed), size
        while left:
            rows = min(left, max(1, BLOCK // self.n_features))
            u = rng.random((rows, self.n_features))
            yield self.cut(u.T, 1.0 - sparsity, np).T
            left -= rows


def _listed(name: str, values: Any) -> list[Any]:
    try:
        return list(values)
    except TypeError:
        raise ParameterError(f"{name} must be a list of lists of features, got {values!r} in it") from None


def sample(
    n_features: int,
    sparsity: float,
    n_samples: int,
    *,
    seed: int = 0,
    together: Sets | None = None,
    apart: Sets | None = None,
    signed: bool = False,
) -> NDArray[np.float64]:
    """Draw sparse inputs: x_j = u / (1 - S) where u < 1 - S, else 0, with u uniform on [0, 1).

    Parameters
    ----------
    n_features : int
        Number of features, at least 1.
    sparsity : float
        Probability S that a feature is 0, in [0, 1).
    n_samples : int
        Number of inputs, at least 1.
    seed : int
        Seed of the draw, at least 0. The same seed gives the same u for every sparsity.
    together, apart : sequence of sequences of int, optional
        Sets of features that are active only all at once, or never two at once; the others are independent.
        Each feature is active with probability 1 - S either way, so k features apart need S >= 1 - 1/k.
    signed : bool
        Values uniform on [-1, 1) instead.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_features)
        One input per row.

    Raises
    ------
    ParameterError
        If an argument is outside its range, or a feature is in two sets.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".

    Examples
    --------
    >>> x = sample(2, 0.5, 1000, apart=[[0, 1]])
    >>> int(((x > 0).sum(axis=1) > 1).sum())
    0
    """
    rows = integer("n_samples", n_samples, 1)
    inputs = Inputs.read(integer("n_features", n_features, 1), together, apart, signed=signed)
    values = sparsities(sparsity, 1)
    inputs.check(values)
    u = np.random.default_rng(integer("seed", seed, 0)).random((rows, n_features))
    x: NDArray[np.float64] = inputs.cut(u.T, 1.0 - float(values[0]), np).T
    return np.ascontiguousarray(x)
