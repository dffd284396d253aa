"""How alike two second moments are, beside what chance alone gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from featuregeom.arguments import choice
from featuregeom.errors import ShapeError
from featuregeom.formation.haar import chance, tail
from featuregeom.formation.symmetric import Symmetric
from featuregeom.summary import summarised

__all__ = ["KINDS", "Alignment", "Kind", "alignment"]

Kind = Literal["cosine", "pearson", "deviatoric"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""Ways of comparing two symmetric matrices: see `alignment`."""


@summarised
@dataclass(frozen=True, eq=False)
class Alignment:
    """The alignment of two matrices.

    Attributes
    ----------
    value : float
        From −1 to 1; NaN where it is not defined, see `undefined`.
    null_mean, null_std : float
        Mean and standard deviation when one of the matrices is turned at random (uniformly).
    kind : str
        ``"cosine"``, ``"pearson"`` or ``"deviatoric"``.
    d : int
        Size of the matrices.
    initial : float or None
        The same alignment before training, if it was given: what the network had without learning anything.
    undefined : str
        Why `value` is NaN; empty where it is a number.
    """

    value: float
    null_mean: float
    null_std: float
    kind: str
    d: int
    initial: float | None = None
    undefined: str = ""
    _tail: Callable[[float], float] | None = field(default=None, repr=False)

    @property
    def z(self) -> float:
        """How many standard deviations the value is above the null's mean."""
        return (self.value - self.null_mean) / self.null_std if self.null_std > 0 else float("nan")

    @cached_property
    def p(self) -> float:
        """Probability that a random rotation gives at least this value (d³ operations when first asked for)."""
        return float("nan") if self._tail is None else self._tail(self.z)


def alignment(
    A: ArrayLike, B: ArrayLike, kind: Kind = "cosine", *, initial: tuple[ArrayLike, ArrayLike] | None = None
) -> Alignment:
    """Compare two symmetric matrices, and say what chance gives.

    Parameters
    ----------
    A, B : array-like, shape (d, d)
        Symmetric, of one size; second moments, WᵀW, an average gradient outer product.
    kind : {"cosine", "pearson", "deviatoric"}
        ``"cosine"`` of the matrices as vectors of d² entries; ``"pearson"``, their correlation over entries,
        which depends on the basis and is what the literature reports; ``"deviatoric"``, the cosine of what is
        left of each when a multiple of the identity of equal trace is taken off, whose mean under the null is
        0. The first and the last do not change when both are turned alike.
    initial : pair of array-like, optional
        The same two matrices before training.

    Returns
    -------
    Alignment
        With ``value``, ``null_mean``, ``null_std``, ``z`` and ``p`` under Haar rotations of one against the other.

    Raises
    ------
    ShapeError
        If sizes differ, or a matrix is not square.
    ParameterError
        If a matrix is zero or not symmetric, or the kind is unknown.
    NonFiniteError
        If a matrix holds NaN or infinity.

    Notes
    -----
    d² operations, and d³ for ``p``. Positive matrices of like spectra have cosines and correlations near 1
    whatever their eigenvectors are: two independent Wishart matrices of 64 dimensions and 4096 samples have
    .98. A value means nothing without its null. The measure is that of arXiv:2410.03006 (there Pearson's,
    without a null).

    Examples
    --------
    >>> import numpy as np
    >>> found = alignment(np.diag([1.0, 4.0]), np.eye(2))
    >>> round(found.value, 4), round(found.null_mean, 4)
    (0.8575, 0.8575)
    """
    choice("kind", kind, KINDS)
    first, second = Symmetric(A, "A"), Symmetric(B, "B")
    if first.d != second.d:
        raise ShapeError(
            f"A is {first.d} x {first.d} and B is {second.d} x {second.d}: an alignment needs matrices of one space"
        )
    before = None if initial is None else alignment(*initial, kind).value
    return of_symmetric(first, second, kind, before)


def of_symmetric(A: Symmetric, B: Symmetric, kind: Kind, initial: float | None = None) -> Alignment:
    """Compare two matrices that have been checked."""
    value, undefined = _value(A, B, kind)
    if A.d == 1:
        return Alignment(value, value, 0.0, kind, 1, initial, undefined)
    null = chance(A, B, kind)
    return Alignment(
        value,
        null.mean,
        null.std,
        kind,
        A.d,
        initial,
        undefined,
        None if undefined else lambda z: tail(A, B, z),
    )


def _value(A: Symmetric, B: Symmetric, kind: Kind) -> tuple[float, str]:
    if kind == "cosine":
        return _cosine(A.product(B), A.square, B.square), ""
    flat = [each.name for each in (A, B) if not each.deviation_square]
    if kind == "deviatoric":
        if flat:
            return float("nan"), f"{' and '.join(flat)} is a multiple of the identity, which has no direction"
        product = float(np.vdot(A.deviation, B.deviation))
        return _cosine(product, A.deviation_square, B.deviation_square), ""
    centred = [each.array - each.array.mean() for each in (A, B)]
    squares = [float(np.vdot(left, left)) for left in centred]
    constant = [
        each.name for each, square in zip((A, B), squares, strict=True) if square < 1e-24 * each.square
    ]
    if constant:
        return float("nan"), f"all entries of {' and '.join(constant)} are equal, which has no correlation"
    return _cosine(float(np.vdot(*centred)), *squares), ""


def _cosine(product: float, square_of_a: float, square_of_b: float) -> float:
    """Cosine of two matrices of known inner product and squared norms."""
    size = np.sqrt(square_of_a) * np.sqrt(square_of_b)
    return float(np.clip(product / size, -1.0, 1.0))
