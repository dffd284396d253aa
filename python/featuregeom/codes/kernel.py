"""The kernel of shared bits that scores networks without training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.codes.hamming import hamming_distances
from featuregeom.codes.packed import Codes
from featuregeom.errors import ShapeError

__all__ = ["Naswot", "naswot"]


@dataclass(frozen=True, eq=False)
class Naswot:
    """The kernel of shared bits and its log-determinant.

    Attributes
    ----------
    kernel : ndarray of float64, shape (N, N)
        K_ij = m - d(c_i, c_j), the bits on which two codes agree.
    logdet : float
        log det K; -inf where two inputs share a code, as K is then singular.
    logdet_normalised : float
        log det (K / m) = log det K - N log m: without it, nets with more units score higher for that alone.
    """

    kernel: NDArray[np.float64]
    logdet: float
    logdet_normalised: float


def naswot(codes: Codes, *, num_threads: int | None = None) -> Naswot:
    """Score codes of a batch by the log-determinant of the kernel of shared bits.

    Parameters
    ----------
    codes : Codes
        N codes of m > 0 bits.
    num_threads : int, optional
        Threads for the distances.

    Returns
    -------
    Naswot
        Kernel and scores.

    Raises
    ------
    ShapeError
        If the codes have no bits.

    Notes
    -----
    O(N^2 m / 64 + N^3), 8 N^2 bytes. After Mellor, Turner, Storkey & Crowley (2021), "Neural Architecture Search
    without Training".
    """
    if codes.n_bits == 0:
        raise ShapeError("codes of no bits have no kernel")
    distances = hamming_distances(codes, num_threads=num_threads)
    kernel = codes.n_bits - distances.astype(np.float64)
    if len(np.unique(codes.words, axis=0)) < len(codes):
        # Rounding would leave a large negative number.
        return Naswot(kernel, -np.inf, -np.inf)
    sign, logdet = np.linalg.slogdet(kernel)
    logdet = float(logdet) if sign > 0 else -np.inf
    return Naswot(kernel, logdet, float(logdet - len(codes) * np.log(codes.n_bits)))
