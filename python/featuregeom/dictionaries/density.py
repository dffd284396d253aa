"""How often each latent is active, and the frame operator that counts each as often."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.dictionaries.one_to_one import checked
from featuregeom.errors import ParameterError, ShapeError, SourceError
from featuregeom.features import chunks
from featuregeom.frames import weighted_frame_operator
from featuregeom.frames.operator import finite_array
from featuregeom.interruptible import matmul
from featuregeom.sources.sidecar import SPARSITY_FILE
from featuregeom.summary import summarised

__all__ = ["WeightedCapacity", "read_density", "weighted_capacity"]

Floats = NDArray[np.float64]

_NEVER = -9.5
"""Logarithms below this are those of latents that were never active: SAELens adds 1e-10 before it takes them."""


@summarised
@dataclass(frozen=True, eq=False)
class WeightedCapacity:
    r"""What each latent has of the dimensions, with every other one counted as often as it is active.

    Attributes
    ----------
    capacity : ndarray of float64, shape (n,)
        :math:`p_i N_i^2 / w_i^\top F_p w_i` with :math:`F_p = \sum_j p_j w_j w_j^\top`: between 0 and 1; the sum is at
        most the rank. 0 for one that is never active.
    effective_rank : float
        :math:`(\operatorname{tr} F_p)^2 / \operatorname{tr} F_p^2`: dimensions that are used evenly by as much.
    """

    capacity: Floats
    effective_rank: float


def read_density(path: str | Path) -> Floats:
    """Read how often each latent was active from the file that SAELens writes beside its weights.

    Parameters
    ----------
    path : str or Path
        ``sparsity.safetensors``, or the folder that holds it.

    Returns
    -------
    ndarray of float64, shape (n,)
        Shares of tokens. The file holds their logarithms to base 10; -10 stands for never.

    Raises
    ------
    SourceError
        If there is no such file, or it holds no one list of logarithms.
    """
    from featuregeom.sources import open_source
    from featuregeom.sources.base import BaseReader

    path = Path(path)
    file = path / SPARSITY_FILE if path.is_dir() else path
    if not file.is_file():
        raise SourceError(f"{file}: no such file; codes give densities too (dictionaries.interference)")
    with open_source(file) as reader:
        lists = [info for info in reader.tensors() if len(info.shape) == 1 and info.shape[0]]
        if len(lists) != 1 or not isinstance(reader, BaseReader):
            shapes = ", ".join(f"{info.name} of shape {info.shape}" for info in reader.tensors())
            raise SourceError(
                f"{file}: one list with a number for each latent is needed, it holds {shapes or 'nothing'}"
            )
        logarithms = np.asarray(reader.read_whole(lists[0].name), dtype=np.float64)
    bad = np.flatnonzero(np.isnan(logarithms) | (logarithms > 1e-3))
    if bad.size:
        raise SourceError(
            f"{file}: entry {bad[0]} is {logarithms[bad[0]]:g}: logarithms to base 10 of shares are at most 0"
        )
    return np.where(logarithms < _NEVER, 0.0, np.minimum(10.0 ** np.maximum(logarithms, -300.0), 1.0))


def weighted_capacity(W: Any, density: Any, *, num_threads: int | None = None) -> WeightedCapacity:
    r"""Capacity of latents in the frame that counts each as often as it is active.

    Parameters
    ----------
    W : array-like, shape (n, m)
        Decoder, one latent per row.
    density : array-like, shape (n,)
        Weights of the latents, at least 0: shares of tokens at which they are active, or mean squares of their codes.
    num_threads : int, optional
        Threads to use.

    Returns
    -------
    WeightedCapacity

    Raises
    ------
    ShapeError
        If there is not one weight per latent.
    ParameterError
        If a weight is negative.
    DtypeError, NonFiniteError
        As in `features.as_features`.

    Notes
    -----
    Costs 3 n m^2 operations and O(m^2 + n) memory.

    References
    ----------
    Elhage et al., Toy models of superposition (2022), for capacity; weights by featuregeom.

    Examples
    --------
    >>> import featuregeom as fg
    >>> found = fg.dictionaries.weighted_capacity([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]], [0.3, 0.1, 0.2])
    >>> found.capacity.round(6).tolist()
    [0.75, 0.25, 1.0]
    """
    features = checked(W, "W", num_threads)
    weights = finite_array(density, "density")
    if weights.shape != (features.n,):
        raise ShapeError(f"density has shape {weights.shape}: {features.n} latents need one number each")
    if weights.dtype.kind == "c" or (weights < 0).any():
        at = int(np.argmin(weights.real))
        raise ParameterError(f"density of latent {at} is {weights[at]:g}: shares are not negative")
    F = weighted_frame_operator(features, weights, num_threads=num_threads)
    capacity = np.zeros(features.n)
    for part in chunks(features.n, features.m):
        rows = features.widened(part)
        squares = np.einsum("ia,ia->i", rows, rows)
        couplings = np.einsum("ia,ia->i", matmul(rows, F), rows)
        shares = weights[part] * squares
        capacity[part] = squares * np.divide(shares, couplings, out=np.zeros(len(rows)), where=couplings > 0)
    trace = float(np.trace(F))
    potential = float(np.einsum("ab,ab->", F, F))
    return WeightedCapacity(np.minimum(capacity, 1.0), trace**2 / potential if potential else 0.0)
