"""What cannot be told from zero in the spectrum of a frame operator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Noise", "noise"]

_MARGIN = 2.0
"""The null tolerance is this many times the larger of the two noises that it covers."""


_SPACING = {2.0**-10: 2.0**-24}
"""Distance between the smallest numbers of an element type, by its epsilon: float16 alone, whose rounding stops being
relative below 6e-5, where weights are. The other types' smallest numbers are below 1e-37."""


@dataclass(frozen=True)
class Noise:
    """How far rounding may move the eigenvalues of a frame operator.

    Attributes
    ----------
    arithmetic : float
        From forming and decomposing the operator in double precision.
    rounding : float
        From the rounding of the input to its element type.
    """

    arithmetic: float
    rounding: float

    @property
    def tolerance(self) -> float:
        """Eigenvalues at or below it are null: twice the larger noise."""
        return _MARGIN * max(self.arithmetic, self.rounding)


def noise(
    shape: tuple[int, int],
    epsilon: float,
    largest: float,
    row: float,
    column: float,
    *,
    singular: bool = False,
) -> Noise:
    r"""Noise of the eigenvalues of :math:`F = X^* X`, which are squared singular values of X.

    .. math:: \max(n, m)\, 2^{-52} \lambda_{\max} \qquad \text{and} \qquad
        \frac{1}{12} \Bigl(\epsilon \max_i \lVert x_{i \cdot} \rVert + \epsilon \max_j \lVert x_{\cdot j} \rVert
        + \delta (\sqrt n + \sqrt m)\Bigr)^2

    with :math:`\delta` the distance between the smallest numbers of the type (float16: 2^-24).

    Parameters
    ----------
    shape : tuple of int
        (n, m).
    epsilon : float
        Distance from 1 to the next larger value of the element type of X.
    largest : float
        Largest eigenvalue; a negative one counts as zero.
    row, column : float
        Largest squared norm of a row and of a column of X; their order does not matter.

    singular : bool
        Whether singular values of X were computed: the first is then :math:`(\max(n, m)\, 2^{-52})^2 \lambda_{\max}`.

    Returns
    -------
    Noise

    References
    ----------
    Bandeira & van Handel, Ann. Probab. 44 (2016), for the norm of a random matrix with uneven variances.
    """
    smallest = _SPACING.get(epsilon, 0.0) * (np.sqrt(shape[0]) + np.sqrt(shape[1]))
    unit = max(shape) * 2.0**-52
    return Noise(
        arithmetic=(unit**2 if singular else unit) * max(largest, 0.0),
        rounding=float((epsilon * (np.sqrt(row) + np.sqrt(column)) + smallest) ** 2 / 12),
    )
