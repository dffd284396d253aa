"""Neural collapse: last-layer features at their class means, class means as a simplex, the classifier along them.

Papyan, Han and Donoho (2020); class-distance normalised variance of Galanti et al. (2022); what takes the
simplex's place where classes outnumber dimensions from Wu and Papyan (arXiv:2405.17767).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.features import chunks, numbers_of, real_numbers
from featuregeom.interruptible import eigh, matmul
from featuregeom.summary import summarised

__all__ = ["NeuralCollapse", "neural_collapse"]

Floats = NDArray[np.float64]


@summarised
@dataclass(frozen=True, eq=False)
class NeuralCollapse:
    """Measures of neural collapse. Each is 0 at full collapse, but for `nc4` (1) and `gnc2`.

    Attributes
    ----------
    nc1 : float
        tr(Σ_W Σ_B⁺)/C: scatter within classes beside that between them, never negative.
    nc1_quotient : float
        tr Σ_W / tr Σ_B.
    cdnv : float
        Mean over pairs of classes of (v_i + v_j)/(2 ‖μ_i − μ_j‖²).
    nc2_norms : float
        Standard deviation over mean of the lengths of centred class means.
    nc2_angles : float
        Standard deviation of the cosines between them.
    nc2_simplex : float
        Mean |cos + 1/(C − 1)|.
    nc2 : float
        ‖M Mᵀ/‖M Mᵀ‖ − (I − 11ᵀ/C)/√(C − 1)‖, the distance of their Gram matrix from a simplex's ("ETF error").
        The four of NC2 are NaN where C > d + 1: no such simplex fits.
    gnc2 : float
        Mean over pairs of log(1/distance) of class means of unit length: the lower, the more uniform on the sphere.
    gnc2_spread : float
        Standard deviation over |mean| of the same.
    nc3 : float
        ‖W/‖W‖ − M/‖M‖‖², classifier against class means; at most 4. NaN without W, like the next three.
    self_duality : float
        ‖W M ᵀ/‖W Mᵀ‖ − (I − 11ᵀ/C)/√(C − 1)‖; NaN where C > d + 1.
    unc3 : float
        Standard deviation over classes of the cosine of weights and class mean.
    nc4 : float
        Share of samples where the classifier, with its bias, decides as the nearest class mean does.
    n_classes, d, n_samples : int
        Sizes.
    """

    nc1: float
    nc1_quotient: float
    cdnv: float
    nc2_norms: float
    nc2_angles: float
    nc2_simplex: float
    nc2: float
    gnc2: float
    gnc2_spread: float
    nc3: float
    self_duality: float
    unc3: float
    nc4: float
    n_classes: int
    d: int
    n_samples: int

    @property
    def etf_error(self) -> float:
        """Another name of `nc2`."""
        return self.nc2


def neural_collapse(
    H: ArrayLike, labels: ArrayLike, W: ArrayLike | None = None, b: ArrayLike | None = None
) -> NeuralCollapse:
    """Measure neural collapse of features.

    Parameters
    ----------
    H : array-like, shape (N, d)
        Features before the classifier, samples as rows.
    labels : array-like of int, shape (N,)
        Class of each sample. With W they are row numbers of W, and every class needs a sample.
    W : array-like, shape (C, d), optional
        Weights of the classifier.
    b : array-like, shape (C,), optional
        Its bias.

    Returns
    -------
    NeuralCollapse
        With ``nc1`` ... ``nc4``.

    Raises
    ------
    ShapeError
        If sizes do not go together.
    ParameterError
        If there are fewer than two classes, all class means are equal, or a class of W has no sample.

    Notes
    -----
    N C d operations. Σ_B has rank C − 1 at most; no pseudo-inverse of d x d is formed, whose rounding in
    float32 gives negative NC1. Global mean: that of the class means; Σ_W: the mean over samples.

    Examples
    --------
    >>> H = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]])
    >>> round(neural_collapse(H, [0, 0, 1, 1]).nc1_quotient, 6)
    0.01
    """
    features = _matrix(H, "H")
    classes, index = _classes(labels, len(features))
    weights = None if W is None else _matrix(W, "W")
    if weights is not None:
        classes, index = _as_rows(classes, index, weights, features.shape[1])
    elif b is not None:
        raise ParameterError("b is the bias of W: pass W, too")
    n, d = features.shape
    count = len(classes)
    sizes = np.bincount(index, minlength=count).astype(np.float64)
    means = np.zeros((count, d))
    for part in chunks(n, d):  # Ctrl-C stops between them
        np.add.at(means, index[part], features[part])
    means /= sizes[:, None]
    centred = means - means.mean(axis=0)
    gram = matmul(centred, centred.T)
    if float(np.trace(gram)) <= 1e-24 * float((means**2).sum()):
        raise ParameterError("all class means are equal, so nothing is collapsed or apart")
    residuals, within = np.empty_like(features), np.empty(n)
    for part in chunks(n, 4 * d):  # its temporary arrays are small, since new memory takes long
        residuals[part] = features[part] - means[index[part]]
        within[part] = (residuals[part] ** 2).sum(axis=1)
    if sizes.max() < 2:
        raise ParameterError(
            "each class has one sample, so nothing can be told about their spread: give more samples"
        )
    fits = count <= d + 1
    norms = np.sqrt(np.diag(gram))
    cosines = _off_diagonal(gram / np.maximum(np.outer(norms, norms), np.finfo(float).tiny))
    simplex = (np.eye(count) - 1 / count) / np.sqrt(count - 1)
    nan = float("nan")
    uniform = _uniformity(centred / np.maximum(norms, np.finfo(float).tiny)[:, None])
    dual = (
        (nan, nan, nan, nan) if weights is None else _duality(features, means, centred, weights, b, simplex)
    )
    return NeuralCollapse(
        _nc1(residuals, centred, gram),
        float(within.mean() / (np.trace(gram) / count)),
        _cdnv(means, np.bincount(index, within, minlength=count) / sizes),
        float(norms.std() / norms.mean()) if fits else nan,
        float(cosines.std()) if fits else nan,
        float(np.abs(cosines + 1 / (count - 1)).mean()) if fits else nan,
        float(np.linalg.norm(gram / np.linalg.norm(gram) - simplex)) if fits else nan,
        *uniform,
        dual[0],
        dual[1] if fits else nan,
        *dual[2:],
        count,
        d,
        n,
    )


def _matrix(value: ArrayLike, name: str) -> Floats:
    array = numbers_of(value, name)
    if array.dtype.kind == "c":
        raise DtypeError(f"{name} must be real numbers, got {array.dtype}")
    if array.ndim != 2 or not array.size:
        raise ShapeError(f"{name} must be a matrix, got shape {array.shape}")
    n, d = array.shape
    rows = np.empty((n, d))
    for part in chunks(n, d):
        rows[part] = array[part]
        if not np.isfinite(rows[part]).all():
            row, column = map(int, np.argwhere(~np.isfinite(rows[part]))[0])
            row += part.start
            raise NonFiniteError(f"{name} is {rows[row, column]} in row {row}, column {column}", row, column)
    return rows


def _classes(labels: ArrayLike, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    array = numbers_of(labels, "labels")
    if array.dtype.kind not in "iub":
        raise DtypeError(f"labels must be integers, one for each sample, got {array.dtype}")
    if array.shape != (n,):
        raise ShapeError(f"labels have shape {array.shape}, and H has {n} samples")
    classes, index = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise ParameterError(f"all labels are {classes[0]}: collapse needs at least two classes")
    return classes.astype(np.int64), index.astype(np.int64)


def _as_rows(
    classes: NDArray[np.int64], index: NDArray[np.int64], W: Floats, d: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Take labels as row numbers of the classifier."""
    if W.shape[1] != d:
        raise ShapeError(f"W has shape {W.shape}, and features of {d} dimensions need ({len(W)}, {d})")
    if classes[0] < 0 or classes[-1] >= len(W):
        raise ParameterError(
            f"labels go from {classes[0]} to {classes[-1]}, and W has rows 0 to {len(W) - 1}"
        )
    missing = sorted(set(range(len(W))) - set(classes.tolist()))
    if missing:
        raise ParameterError(
            f"classes {missing[:8]} of W have no sample: add some, or leave those rows out and number the others anew"
        )
    return classes, index


def _nc1(residuals: Floats, centred: Floats, gram: Floats) -> float:
    """tr(Σ_W Σ_B⁺)/C by the C x C Gram matrix: with M Mᵀ = U D Uᵀ, the mean of |D⁻¹ Uᵀ M r|² over samples."""
    values, vectors = eigh(gram)
    kept = values > values[-1] * len(gram) * np.finfo(np.float64).eps
    kept[0] = False  # the class means are centred, so one direction is always empty
    basis, total = centred.T @ vectors[:, kept] / values[kept], 0.0
    for part in chunks(len(residuals), sum(basis.shape)):
        total += float((matmul(residuals[part], basis) ** 2).sum())
    return total / len(residuals)


def _cdnv(means: Floats, variances: Floats) -> float:
    total, count = 0.0, len(means)
    for i, squares in _distances(means):
        with np.errstate(divide="ignore", invalid="ignore"):
            total += float(((variances[i] + variances[i + 1 :]) / (2 * squares)).sum())
    return total / (count * (count - 1) / 2)


def _uniformity(directions: Floats) -> tuple[float, float]:
    """Mean over pairs of log(1/distance), and its standard deviation over |mean|."""
    first = second = 0.0
    for _, squares in _distances(directions):
        with np.errstate(divide="ignore"):
            logs = -0.5 * np.log(squares)
        first, second = first + float(logs.sum()), second + float((logs**2).sum())
    pairs = len(directions) * (len(directions) - 1) / 2
    mean = first / pairs
    if not np.isfinite(mean):
        return mean, float("nan")
    spread = float(np.sqrt(max(second / pairs - mean**2, 0.0)))
    return mean, spread / abs(mean) if mean else float("nan")


def _distances(points: Floats) -> Iterator[tuple[int, Floats]]:
    """Give squared distances of each point to the later ones, by differences: near points keep their digits."""
    for i in range(len(points) - 1):
        yield i, ((points[i + 1 :] - points[i]) ** 2).sum(axis=1)


def _duality(
    features: Floats, means: Floats, centred: Floats, W: Floats, b: ArrayLike | None, simplex: Floats
) -> tuple[float, float, float, float]:
    """NC3 as published, by cross products, by its spread; and NC4."""
    bias = np.zeros(len(W)) if b is None else real_numbers(b, "b")
    if bias.shape != (len(W),):
        raise ShapeError(f"b has shape {bias.shape}, and W of {len(W)} classes needs ({len(W)},)")
    size = float(np.linalg.norm(W))
    if not size:
        raise ParameterError("W is zero, so it has no direction")
    nc3 = float(((W / size - centred / np.linalg.norm(centred)) ** 2).sum())
    cross = matmul(W, centred.T)
    duality = float(np.linalg.norm(cross / np.linalg.norm(cross) - simplex)) if cross.any() else float("nan")
    lengths = np.linalg.norm(W, axis=1) * np.linalg.norm(centred, axis=1)
    cosines = np.diag(cross)[lengths > 0] / lengths[lengths > 0]
    agreed, half = 0, (means**2).sum(axis=1) / 2
    for part in chunks(len(features), features.shape[1] + 2 * len(W)):
        decided = (features[part] @ W.T + bias).argmax(axis=1)
        nearest = (features[part] @ means.T - half).argmax(axis=1)
        agreed += int((decided == nearest).sum())
    return nc3, duality, float(cosines.std()), agreed / len(features)


def _off_diagonal(matrix: Floats) -> Floats:
    return matrix[~np.eye(len(matrix), dtype=bool)]
