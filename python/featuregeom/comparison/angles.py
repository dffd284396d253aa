"""Principal angles between spans, and eigenvectors in the space where they can be compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import Features, as_features, check_finite
from featuregeom.frames.null import noise
from featuregeom.frames.rows import EPSILON
from featuregeom.interruptible import aside, matmul
from featuregeom.spectra import Spectrum

__all__ = ["angles_between", "check_comparable", "on_frame_side", "principal_angles"]

Floats = NDArray[np.float64]


def principal_angles(A: Any, B: Any) -> Floats:
    r"""Principal angles between the spans of two sets of rows.

    With orthonormal bases U_A and U_B the cosines are the singular values of :math:`U_A^\top U_B` and the sines
    those of :math:`(I - U_A U_A^\top) U_B`; an angle is taken from both, for a cosine alone cannot tell angles
    below 1e-8 from zero.

    Parameters
    ----------
    A : array-like, shape (a, m)
        Rows, orthonormal or not; directions below ``max(a, m) * eps`` of the largest singular value are not
        in their span.
    B : array-like, shape (b, m)
        The same for the other span.

    Returns
    -------
    ndarray of float64, shape (min(rank A, rank B),)
        Radians in [0, pi/2], increasing.

    Raises
    ------
    ShapeError
        If the two have different dimensions, or either is no matrix.
    DtypeError, NonFiniteError
        As in `spectra.measures`.

    References
    ----------
    Björck & Golub, Numerical methods for computing angles between linear subspaces, Math. Comp. 27 (1973).

    Examples
    --------
    >>> from featuregeom.comparison import principal_angles
    >>> principal_angles([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[2.0, 0.0, 2.0]]).round(6).tolist()
    [0.785398]
    """
    first, second = as_features(A, tensor="A"), as_features(B, tensor="B")
    if first.m != second.m:
        raise ShapeError(f"the rows of A have {first.m} dimensions, those of B {second.m}: no common space")
    for features, name in ((first, "A"), (second, "B")):
        check_finite(features, name)
    return angles_between(_basis(first), _basis(second))


def on_frame_side(X: Any, spectrum: Spectrum) -> Spectrum:
    r"""Give a spectrum its eigenvectors in the space of the dimensions, :math:`v = X^\top u / \sqrt\lambda`.

    With fewer features than dimensions `spectra.spectrum` keeps those of the Gram matrix, which belong to these
    features alone and are compared with nothing else.

    Parameters
    ----------
    X : array-like, shape (n, m)
        The features that `spectrum` is of.
    spectrum : Spectrum
        One of side "frame" is returned as it is.

    Returns
    -------
    Spectrum
        Of side "frame".

    Raises
    ------
    ShapeError
        If `spectrum` does not fit `X`.

    References
    ----------
    Golub & Van Loan, Matrix Computations (2013), section 2.4: the singular value decomposition, in which u and v are
    partners.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.comparison import on_frame_side
    >>> X = [[3.0, 0.0, 4.0]]
    >>> on_frame_side(X, fg.spectra.spectrum(X)).vectors.shape
    (3, 1)
    """
    features = as_features(X)
    if spectrum.shape != (features.n, features.m):
        raise ShapeError(
            f"a spectrum of shape {spectrum.shape} is not of features of shape {(features.n, features.m)}"
        )
    if spectrum.side == "frame":
        return spectrum
    rows = features.widened(np.arange(features.n))
    vectors = matmul(rows.T, spectrum.vectors / np.sqrt(spectrum.retained))
    # Those of small eigenvalues are orthogonal to the others up to rounding times the condition only.
    return replace(spectrum, vectors=aside(np.linalg.qr, vectors).Q, side="frame", along=None)


def check_comparable(spectrum_a: Spectrum, spectrum_b: Spectrum) -> None:
    """Refuse spectra whose eigenvectors do not lie in one space."""
    for spectrum in (spectrum_a, spectrum_b):
        if spectrum.side != "frame":
            raise ParameterError(
                f"a spectrum of shape {spectrum.shape} has the eigenvectors of its Gram matrix, which compare "
                "with nothing else: pass comparison.on_frame_side(X, spectrum)"
            )
    if spectrum_a.shape[1] != spectrum_b.shape[1]:
        raise ShapeError(f"spectra in {spectrum_a.shape[1]} and {spectrum_b.shape[1]} dimensions")


def _basis(features: Features) -> Floats:
    """Orthonormal basis of the span of finite rows, as columns."""
    rows = features.widened(np.arange(features.n))
    _, singular, right = aside(np.linalg.svd, rows, full_matrices=False)
    row, column = (float(np.einsum(f"ia,ia->{axis}", rows, rows).max()) for axis in "ia")
    largest = float(singular[0] ** 2)
    rounding = noise((features.n, features.m), EPSILON[features.dtype], largest, row, column).rounding
    # Singular values are found to the precision of float64, their squares would not be.
    least = max(max(rows.shape) * 2.0**-52 * singular[0], np.sqrt(2 * rounding))
    return np.asarray(right[singular > least].T)


def angles_between(U: Floats, V: Floats) -> Floats:
    """Principal angles between the spans of orthonormal columns."""
    if U.shape[1] < V.shape[1]:
        U, V = V, U
    if not V.shape[1]:
        return np.zeros(0)
    cross = matmul(U.T, V)
    cosines = aside(np.linalg.svd, cross, compute_uv=False)
    sines = aside(np.linalg.svd, V - matmul(U, cross), compute_uv=False)[::-1]
    return np.asarray(np.arctan2(sines, cosines))
