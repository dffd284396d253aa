"""The kernel of shared bits that scores networks without training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.codes.hamming import hamming_distances
from featuregeom.codes.packed import Codes
from featuregeom.errors import ShapeError
from featuregeom.interruptible import aside, eigvalsh
from featuregeom.summary import summarised

__all__ = ["Naswot", "naswot"]


@summarised
@dataclass(frozen=True, eq=False)
class Naswot:
    """The kernel of shared bits and its log-determinant.

    Attributes
    ----------
    kernel : ndarray of float64, shape (N, N)
        K_ij = m - d(c_i, c_j), the bits on which two codes agree.
    logdet : float
        log det K; -inf where K is singular: where two inputs share a code, where there are more than m + 1 of them,
        and wherever else their codes depend on each other.
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
    without Training". With S the codes as signs, K = (m 1 1^T + S S^T) / 2 has rank m + 1 at most. K is of integers,
    so it is singular or has a determinant of at least 1; where its least eigenvalue is within rounding of 0,
    elimination modulo primes decides which.
    """
    if codes.n_bits == 0:
        raise ShapeError("codes of no bits have no kernel")
    distances = hamming_distances(codes, num_threads=num_threads)
    kernel = codes.n_bits - distances.astype(np.float64)
    if _singular(kernel, codes):
        return Naswot(kernel, -np.inf, -np.inf)
    logdet = float(aside(np.linalg.slogdet, kernel)[1])
    return Naswot(kernel, logdet, float(logdet - len(codes) * np.log(codes.n_bits)))


def _singular(kernel: NDArray[np.float64], codes: Codes) -> bool:
    n = len(codes)
    if n == 0:
        return False
    if n > codes.n_bits + 1 or len(np.unique(codes.words, axis=0)) < n:
        return True
    values = eigvalsh(kernel)
    # Rounding moves eigenvalues by a small multiple of this.
    if values[0] > 10 * n * np.finfo(np.float64).eps * values[-1]:
        return False
    # A determinant that is not 0 is divisible by both primes with a chance of about 2^-62.
    return not any(_invertible_modulo(kernel.astype(np.int64), prime) for prime in (2**31 - 1, 2**31 - 19))


def _invertible_modulo(matrix: NDArray[np.int64], prime: int) -> bool:
    """Whether a matrix of integers is invertible modulo a prime below 2^31, by elimination."""
    rest = matrix % prime
    while len(rest):
        at = int(np.argmax(rest[:, 0] != 0))
        pivot = rest[at].copy()
        if pivot[0] == 0:
            return False
        rest[at] = rest[0]
        row = pivot * pow(int(pivot[0]), -1, prime) % prime
        # Products of two residues stay below 2^62.
        rest = (rest[1:, 1:] - rest[1:, :1] * row[1:] % prime) % prime
    return True
