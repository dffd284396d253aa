"""Second moments of vectors that arrive in parts: exact in float64, the same whatever the parts were."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.interruptible import gram
from featuregeom.summary import summarised

__all__ = ["LayerMoments", "Moments"]

Floats = NDArray[np.float64]


class Moments:
    """Count, mean and scatter of vectors, added in parts of any size.

    The scatter is kept about the mean (Chan, Golub and LeVeque 1983), so that a variance that is small beside the
    squared mean keeps its digits; E[x xᵀ] − E[x] E[x]ᵀ formed in float32 can be negative there.

    Parameters
    ----------
    d : int
        Dimensions of the vectors.

    Attributes
    ----------
    n : int
        Vectors so far.
    mean : ndarray, shape (d,)
        Their mean.
    scatter : ndarray, shape (d, d)
        Sum of (x − mean)(x − mean)ᵀ.

    Examples
    --------
    >>> moments = Moments(2).add([[1.0, 0.0], [3.0, 0.0]])
    >>> moments.second().tolist()
    [[5.0, 0.0], [0.0, 0.0]]
    >>> moments.cov().tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """

    def __init__(self, d: int) -> None:
        self.d = integer("d", d, 1)
        self.n = 0
        self.mean: Floats = np.zeros(self.d)
        self.scatter: Floats = np.zeros((self.d, self.d))

    def __repr__(self) -> str:
        return f"Moments(d={self.d}, n={self.n})"

    def add(self, X: Any) -> Moments:
        """Add vectors.

        Parameters
        ----------
        X : array-like or tensor, shape (n, d) or (d,)
            Rows are vectors; of any real type, on any device. Products are formed in float64, on the device of the
            tensor where it has that type.

        Returns
        -------
        Moments
            Itself.

        Raises
        ------
        ShapeError
            If rows have another length.
        DtypeError
            If they are complex, or no numbers.
        NonFiniteError
            If one holds NaN or infinity, naming row and column.

        Notes
        -----
        n d² multiplications.
        """
        n, mean, scatter = _part(X, self.d)
        self._join(n, mean, scatter)
        return self

    def merge(self, other: Moments) -> Moments:
        """Add the vectors of other moments, which stay as they are.

        Returns
        -------
        Moments
            Itself.

        Raises
        ------
        ShapeError
            If the other vectors have another length.
        """
        if other.d != self.d:
            raise ShapeError(
                f"moments of vectors of {other.d} dimensions cannot join those of {self.d}: they are of another layer"
            )
        self._join(other.n, other.mean, other.scatter)
        return self

    def second(self) -> Floats:
        """Give E[x xᵀ], not centred, shape (d, d).

        Raises
        ------
        ParameterError
            If there are no vectors.
        """
        found = self.cov()
        found += np.outer(self.mean, self.mean)
        return found

    def cov(self) -> Floats:
        """Give E[(x − mean)(x − mean)ᵀ], divided by n, shape (d, d).

        Raises
        ------
        ParameterError
            If there are no vectors.
        """
        if not self.n:
            raise ParameterError("there are no moments of no vectors: add some first")
        return self.scatter / self.n

    def _join(self, n: int, mean: Floats, scatter: Floats) -> None:
        if not n:
            return
        if not self.n:
            self.n, self.mean, self.scatter = n, mean, scatter
            return
        total = self.n + n
        away = mean - self.mean
        scatter = self.scatter + scatter
        scatter += np.outer(away * (self.n * n / total), away)
        self.scatter = scatter
        self.mean = self.mean + away * (n / total)
        self.n = total


def _part(X: Any, d: int) -> tuple[int, Floats, Floats]:
    """Count, mean and scatter of the rows of one part."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(X, torch.Tensor):
        if X.is_complex():
            raise DtypeError(f"vectors must be real numbers, got {X.dtype}")
        if X.device.type not in ("cpu", "mps"):
            return _part_on_device(X.detach(), d)
        X = X.detach().cpu().double().numpy()
    rows = _rows(X, d)
    n = len(rows)
    mean = rows.mean(axis=0) if n else np.zeros(d)
    if not np.isfinite(mean).all():
        _refuse_nonfinite(rows)
    centred = rows - mean
    return n, mean, gram(centred.T)


def _part_on_device(X: Any, d: int) -> tuple[int, Floats, Floats]:
    """As `_part`, with the products on an accelerator, of which d² numbers come back."""
    rows = X[None] if X.ndim == 1 else X
    _check_shape(tuple(rows.shape), d)
    rows = rows.double()
    n = len(rows)
    mean = rows.mean(dim=0) if n else rows.new_zeros(d)
    if not bool(mean.isfinite().all()):
        _refuse_nonfinite(rows.cpu().numpy())
    centred = rows - mean
    return n, mean.cpu().numpy(), (centred.T @ centred).cpu().numpy()


def _rows(X: ArrayLike, d: int) -> Floats:
    array = np.asarray(X)
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"vectors must be real numbers, got {array.dtype}")
    rows = array.astype(np.float64, copy=False)
    rows = rows[None] if rows.ndim == 1 else rows
    _check_shape(rows.shape, d)
    return rows


def _check_shape(shape: tuple[int, ...], d: int) -> None:
    if len(shape) != 2 or shape[1] != d:
        raise ShapeError(f"vectors must be rows of {d} numbers, got an array of shape {shape}")


def _refuse_nonfinite(rows: Floats) -> None:
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        row, column = map(int, bad[0])
        raise NonFiniteError(f"a vector holds {rows[row, column]} in row {row}, column {column}", row, column)
    raise NonFiniteError("the mean of the vectors overflows float64", 0, 0)


@summarised
@dataclass(frozen=True, eq=False)
class LayerMoments:
    """What a linear map h_b = W h_a + b sees: its inputs, and the gradients that come back to its outputs.

    Gradients are those of the loss *downhill*: g_b = −∂ℓ/∂h_b for the loss ℓ of one sample.

    Attributes
    ----------
    a : Moments
        Of the inputs h_a, one row for each time that the map is applied (token, location of a convolution).
    g : Moments
        Of g_b; with ``gradient="jacobian"`` there are several rows for each row of `a`.
    cross : ndarray, shape (d_b, d_a)
        Sum of g_b h_aᵀ over all rows; zero with ``gradient="jacobian"``, where the gradients belong to no loss.
    n_samples : int
        Inputs of the model that were measured.
    W : ndarray, shape (d_b, d_a)
        The map itself.
    bias : ndarray, shape (d_b,), or None
        What it adds.
    normalised : mapping of str to Moments, or None
        Moments of vectors of unit length under ``"h_a"``, ``"h_b"``, ``"g_a"`` and ``"g_b"``, if asked for.
    gradient : str
        Which gradients these are: ``"empirical"``, ``"fisher"`` or ``"jacobian"``.
    """

    a: Moments
    g: Moments
    cross: Floats
    n_samples: int
    W: Floats
    bias: Floats | None = None
    normalised: dict[str, Moments] | None = None
    gradient: str = "empirical"

    @property
    def n(self) -> int:
        """Rows of inputs: samples, times the tokens or locations of each."""
        return self.a.n

    @property
    def H_a(self) -> Floats:  # noqa: N802
        """E[h_a h_aᵀ] over rows, not centred, shape (d_a, d_a)."""
        return self.a.second()

    @property
    def G_b(self) -> Floats:  # noqa: N802
        """E[g_b g_bᵀ] over rows, not centred, shape (d_b, d_b); with ``"jacobian"`` summed over outputs."""
        found = self.g.second()
        found *= self.g.n / self.a.n
        return found

    @property
    def mean_a(self) -> Floats:
        """E[h_a] over rows, shape (d_a,)."""
        return self.a.mean

    @property
    def mean_g(self) -> Floats:
        """E[g_b] over rows, shape (d_b,)."""
        return self.g.mean * (self.g.n / self.a.n)

    @property
    def weight_step(self) -> Floats:
        """Sum of g_b h_aᵀ per sample, shape (d_b, d_a): minus the gradient of the mean loss with respect to W."""
        return self.cross / self.n_samples

    def merge(self, other: LayerMoments) -> LayerMoments:
        """Give the moments of both sets of samples together; neither is changed.

        Raises
        ------
        ParameterError
            If they are of different weights or of different kinds of gradients.
        """
        same = np.array_equal(self.W, other.W) and self.gradient == other.gradient
        if not same or (self.normalised is None) != (other.normalised is None):
            raise ParameterError(
                "moments of different weights, or of different gradients, cannot be joined: measure both on the same "
                "model and in the same way"
            )
        unit = None
        if self.normalised is not None and other.normalised is not None:
            unit = {
                side: Moments(one.d).merge(one).merge(other.normalised[side])
                for side, one in self.normalised.items()
            }
        return LayerMoments(
            Moments(self.a.d).merge(self.a).merge(other.a),
            Moments(self.g.d).merge(self.g).merge(other.g),
            self.cross + other.cross,
            self.n_samples + other.n_samples,
            self.W,
            self.bias,
            unit,
            self.gradient,
        )
