"""The numbers that say how evenly a set of features fills its span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from featuregeom.frames.operator import tightness
from featuregeom.frames.rows import read_rows
from featuregeom.frames.span import span_of
from featuregeom.summary import summarised

__all__ = ["FrameNumbers", "condition", "frame_bounds", "frame_numbers"]


@summarised
@dataclass(frozen=True)
class FrameNumbers:
    r"""Frame numbers of a set of features, all from the eigenvalues of its frame operator F.

    Attributes
    ----------
    n, m : int
        Number of features and of dimensions.
    rank : int
        Dimension of the span: eigenvalues above `null_tolerance`.
    lower, upper : float
        Frame bounds A and B, the least and the greatest nonzero eigenvalue:
        :math:`A \lVert x \rVert^2 \le \sum_i |\langle x, w_i \rangle|^2 \le B \lVert x \rVert^2` for x in the
        span. NaN where all features are zero, as are `condition` and `tightness`.
    condition : float
        B / A.
    tightness : float
        Tightness residual over the span; see `tightness`.
    trace : float
        :math:`\operatorname{tr} F = \sum_i N_i`.
    potential : float
        Frame potential :math:`\operatorname{tr} F^2`.
    null_tolerance : float
        Eigenvalues at or below it are indistinguishable from zero.
    """

    n: int
    m: int
    rank: int
    lower: float
    upper: float
    condition: float
    tightness: float
    trace: float
    potential: float
    null_tolerance: float

    @property
    def least_potential(self) -> float:
        r"""Least potential of this trace and rank, :math:`(\operatorname{tr} F)^2 / r`; that of tight frames.

        The potential exceeds it by the factor 1 + `tightness` squared. NaN for rank zero.
        """
        return self.trace**2 / self.rank if self.rank else float("nan")


def frame_numbers(X: Any, *, num_threads: int | None = None) -> FrameNumbers:
    """All frame numbers of a set of features from one decomposition.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows, real or complex.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all.

    Returns
    -------
    FrameNumbers

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `frame_operator`.

    Notes
    -----
    Costs s^2 max(n, m) operations for the smaller of F and M and about 4 s^3 / 3 for its eigenvalues, with
    s = min(n, m), and O(s^2) memory.

    References
    ----------
    Casazza & Kutyniok (eds.), Finite Frames (2013), chapter 1; Benedetto & Fickus (2003) for the potential.

    Examples
    --------
    >>> import featuregeom as fg
    >>> found = fg.frames.frame_numbers([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    >>> found.lower, found.upper, found.potential
    (2.0, 4.0, 20.0)
    """
    rows = read_rows(X)
    span = span_of(rows, vectors=False, num_threads=num_threads)
    values = span.eigenvalues
    upper, lower = (float(values[0]), float(values[-1])) if span.rank else (float("nan"), float("nan"))
    return FrameNumbers(
        n=rows.n,
        m=rows.m,
        rank=span.rank,
        lower=lower,
        upper=upper,
        condition=upper / lower,
        tightness=tightness(values),
        trace=span.trace,
        potential=span.potential,
        null_tolerance=span.null_tolerance,
    )


def frame_bounds(X: Any, *, num_threads: int | None = None) -> tuple[float, float]:
    r"""Frame bounds A and B over the span.

    The best constants in
    :math:`A \lVert x \rVert^2 \le \sum_i |\langle x, w_i \rangle|^2 \le B \lVert x \rVert^2` for x in the span:
    the least and the greatest nonzero eigenvalue of F.

    Parameters
    ----------
    X, num_threads
        As in `frame_numbers`.

    Returns
    -------
    lower, upper : float
        NaN where all features are zero.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `frame_operator`.

    References
    ----------
    Casazza & Kutyniok (eds.), Finite Frames (2013), chapter 1.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.frame_bounds([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    (2.0, 4.0)
    """
    found = frame_numbers(X, num_threads=num_threads)
    return found.lower, found.upper


def condition(X: Any, *, num_threads: int | None = None) -> float:
    r"""Condition :math:`B / A = \lambda_{\max} / \lambda_{\min}` of the frame operator over the span.

    Parameters
    ----------
    X, num_threads
        As in `frame_numbers`.

    Returns
    -------
    float
        1 exactly for tight frames; the square of the condition of `X` itself; NaN where all features are zero.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `frame_operator`.

    References
    ----------
    Casazza & Kutyniok (eds.), Finite Frames (2013), chapter 1.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.condition([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    2.0
    """
    return frame_numbers(X, num_threads=num_threads).condition
