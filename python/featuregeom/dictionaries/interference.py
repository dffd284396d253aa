"""Whether the features that a code uses together help or cancel each other, against codes shuffled in time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.dictionaries.one_to_one import checked
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.features import off_graph
from featuregeom.frames import weighted_frame_operator
from featuregeom.summary import summarised
from featuregeom.wording import plural

__all__ = ["Interference", "interference"]

Floats = NDArray[np.float64]

_TILE = 1 << 22
"""Numbers of a batch of dense codes, or of the activations that a batch gives: 32 MiB."""


@summarised
@dataclass(frozen=True, eq=False)
class Interference:
    r"""How the squared norm of activations differs from the sum of the squared norms of their parts.

    Attributes
    ----------
    index : float
        :math:`(\sum_t \lVert \hat x_t \rVert^2 - D) / D` with :math:`D = \sum_{t,i} z_{ti}^2 N_i`: above 0 where
        features that are active together point alike, -1 where they cancel.
    null, sd : float
        Mean and standard deviation of the index when every feature's codes are shuffled in time, alone.
    z : float
        How many of these the index is above the mean; NaN where nothing varies.
    n_tokens : int
        Rows of the codes.
    density : ndarray of float64, shape (n,)
        Share of the tokens at which each feature is not 0.
    power : ndarray of float64, shape (n,)
        Mean square of each feature's codes: the weights of `frames.weighted_frame_operator`.
    """

    index: float
    null: float
    sd: float
    z: float
    n_tokens: int
    density: Floats
    power: Floats


class _Sums:
    """What one pass over the codes adds up: means and squared deviations are merged batch by batch."""

    def __init__(self, n: int) -> None:
        self.tokens = 0
        self.active = np.zeros(n)
        self.mean = np.zeros(n)
        self.deviations = np.zeros(n)
        self.squares = np.zeros(n)
        self.written = 0.0

    def add(self, count: int, active: Floats, total: Floats, squares: Floats, written: float) -> None:
        mean = total / count
        deviations = np.maximum(squares - count * mean**2, 0.0)
        tokens = self.tokens + count
        apart = mean - self.mean
        self.deviations += deviations + apart**2 * (self.tokens * count / tokens)
        self.mean += apart * (count / tokens)
        self.active += active
        self.squares += squares
        self.written += written
        self.tokens = tokens


def interference(codes: Any, W: Any, *, num_threads: int | None = None) -> Interference:
    r"""Say whether features that are active together interfere constructively or destructively.

    .. math:: I = \frac{\sum_t \lVert \sum_i z_{ti} w_i \rVert^2 - D}{D}, \qquad D = \sum_{t,i} z_{ti}^2 N_i

    Codes that are never negative have features active together by chance, too. So the index stands beside its mean and
    standard deviation when each feature keeps its codes and their order is shuffled, both in closed form:

    .. math:: \frac{T}{D} \Bigl( \bigl\lVert \sum_i \bar z_i w_i \bigr\rVert^2 - \sum_i \bar z_i^2 N_i \Bigr), \qquad
        \frac{2}{(T - 1) D^2} \Bigl( \operatorname{tr} \bigl[ (W^\top \mathrm{diag}(q) W)^2 \bigr] -
        \sum_i q_i^2 N_i^2 \Bigr), \qquad q_i = \sum_t (z_{ti} - \bar z_i)^2

    Parameters
    ----------
    codes : array-like or sparse, shape (T, n); or an iterable of such batches
        Activations of the features: a matrix or array of scipy.sparse, an array, a tensor, or an iterable (a list, a
        generator) of any of these, one batch of tokens each. It is gone through once.
    W : array-like, shape (n, m)
        Decoder, one feature per row.
    num_threads : int, optional
        Threads to use for the frame operator.

    Returns
    -------
    Interference

    Raises
    ------
    ShapeError
        If a batch has not n columns, or there are fewer than two tokens.
    DtypeError, NonFiniteError
        If codes or decoder do not hold finite real numbers; the token and the feature are named.
    ParameterError
        If every activation is 0.

    Notes
    -----
    Costs 2 nnz m operations for the codes and 2 n m^2 for the variance, and O(m^2 + n + batch) memory. Bias and error
    of the autoencoder do not enter.

    What it does not show: which features interfere, or that the network minds. z compares with shuffled codes: in text
    nearly nothing is independent in time, so a large z is the rule, and the index says how much it is.

    References
    ----------
    arXiv:2603.09972 for interference in use. The moments are featuregeom's own.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> together, apart = np.array([[1.0, 1.0], [0.0, 0.0]]), np.eye(2)
    >>> W = [[1.0, 0.0], [1.0, 0.0]]
    >>> [fg.dictionaries.interference(codes, W).index for codes in (together, apart)]
    [1.0, 0.0]
    """
    features = checked(W, "W", num_threads)
    rows = features.widened(np.arange(features.n))
    norms = np.einsum("ia,ia->i", rows, rows)
    sums = _Sums(features.n)
    for batch in _batches(codes, features.n, max(1, _TILE // max(features.n, features.m)), features.m):
        _check_finite(batch, sums.tokens)
        # A product of scipy.sparse, or of NumPy: rows of activations either way.
        activations = np.asarray(batch @ rows)
        squared = batch.multiply(batch) if _is_sparse(batch) else batch * batch
        sums.add(
            batch.shape[0],
            _columns(batch != 0),
            _columns(batch),
            _columns(squared),
            float(np.einsum("ta,ta->", activations, activations)),
        )
    return _compared(sums, rows, norms, num_threads)


def _compared(sums: _Sums, rows: Floats, norms: Floats, num_threads: int | None) -> Interference:
    T = sums.tokens
    if T < 2:
        raise ShapeError(f"codes of {plural(T, 'token')} cannot be shuffled in time: at least two are needed")
    D = float(sums.squares @ norms)
    if not D > 0:
        raise ParameterError("all codes are 0, or belong to features that are 0: nothing interferes")
    common = sums.mean @ rows
    null = T / D * float(common @ common - sums.mean**2 @ norms)
    F = weighted_frame_operator(rows, sums.deviations, num_threads=num_threads)
    spread = float(np.einsum("ab,ab->", F, F)) - float((sums.deviations * norms) @ (sums.deviations * norms))
    # What is left of the difference of two equal numbers is rounding.
    rounding = 1e-13 * float(np.einsum("ab,ab->", F, F))
    sd = math.sqrt(2 / (T - 1) * spread) / D if spread > rounding else 0.0
    index = (sums.written - D) / D
    return Interference(
        index=index,
        null=null,
        sd=sd,
        z=(index - null) / sd if sd else math.nan,
        n_tokens=T,
        density=sums.active / T,
        power=sums.squares / T,
    )


def _is_sparse(codes: Any) -> bool:
    """Whether this is one of scipy.sparse, which is not loaded for the question."""
    return type(codes).__module__.startswith("scipy.sparse")


def _batches(codes: Any, n: int, height: int, m: int) -> Iterator[Any]:
    """Give batches of a bounded number of tokens, sparse ones by rows, all float64."""
    for part in _parts(codes):
        batch: Any = part if _is_sparse(part) else _dense(part)
        if len(batch.shape) != 2 or batch.shape[1] != n:
            raise ShapeError(
                f"codes of shape {tuple(batch.shape)} do not fit {n} features: one column each is needed"
            )
        if _is_sparse(batch):
            if batch.dtype.kind not in "fiub":
                raise DtypeError(f"codes are {batch.dtype}: real numbers are needed")
            batch, rows = batch.tocsr(), max(1, _TILE // m)
        else:
            rows = height
        for start in range(0, batch.shape[0], rows):
            yield batch[start : start + rows].astype(np.float64)


def _parts(codes: Any) -> Iterable[Any]:
    if _is_sparse(codes) or hasattr(codes, "shape"):
        return (codes,)
    if isinstance(codes, (list, tuple)):
        batched = bool(codes) and all(len(getattr(part, "shape", ())) == 2 for part in codes)
        return codes if batched else (codes,)
    if isinstance(codes, Iterable) and not isinstance(codes, (str, bytes)):
        return codes
    raise DtypeError(
        f"codes must be an array, a sparse matrix or an iterable of those, got {type(codes).__name__}"
    )


def _dense(part: Any) -> NDArray[Any]:
    try:
        array = np.asarray(off_graph(part))
    except ValueError as error:
        raise ShapeError(f"codes are no matrix: {error}") from error
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"codes are {array.dtype}: real numbers are needed")
    return array


def _check_finite(batch: Any, before: int) -> None:
    values = batch.data if _is_sparse(batch) else batch
    if np.isfinite(values).all():
        return
    if _is_sparse(batch):
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        token, feature, value = (
            int(np.searchsorted(batch.indptr, at, "right")) - 1,
            int(batch.indices[at]),
            values[at],
        )
    else:
        token, feature = (int(each) for each in np.argwhere(~np.isfinite(values))[0])
        value = values[token, feature]
    token += before
    raise NonFiniteError(f"codes hold {value} at token {token}, feature {feature}", token, feature)


def _columns(batch: Any) -> Floats:
    """Sum over tokens."""
    return np.asarray(batch.sum(axis=0), dtype=np.float64).ravel()
