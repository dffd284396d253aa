"""Significant pairs of features that lie on a GPU: all pairs there, where one set of eigenspaces serves all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from featuregeom.devices import DeviceRows, null_sweep_on
from featuregeom.pairs.cross_fit import Coordinates, Scores, eigenspaces, either_sign
from featuregeom.pairs.few_dimensions import sharpened
from featuregeom.spectra import Spectrum

if TYPE_CHECKING:
    import torch

__all__ = ["device_scores", "shares_on"]


def device_scores(
    own: Coordinates,
    rows: DeviceRows,
    *,
    by_score: int,
    by_cosine: int,
    least: float,
    sharpen: bool,
    advance: Callable[[int], None],
) -> Scores:
    """Hold every pair against the eigenspaces of all features, on their device; as `all_scores` with one part.

    Parameters
    ----------
    own : Coordinates
        All features, with a spectrum of side "frame".
    rows : DeviceRows
        The same features.
    by_score, by_cosine, least, sharpen, advance
        As in `all_scores`.

    Returns
    -------
    Scores
    """
    masses = shares_on(rows, own.spectrum, own.ambient)
    total, done = rows.n * (rows.n - 1) // 2, 0

    def progress(tiles: int, all_tiles: int) -> None:
        nonlocal done
        before, done = done, total * tiles // all_tiles
        advance(done - before)

    swept, steps, _, found = null_sweep_on(
        rows, masses, by_score=by_score, by_cosine=by_cosine, least=least, progress=progress
    )
    counts = swept.astype(np.int64)
    by_z = either_sign(counts)
    if sharpen:
        dims = eigenspaces(own.spectrum, own.ambient)
        counts = sharpened(counts, steps, found, [masses.cpu().numpy()], dims)
    middle = len(counts) // 2
    return Scores(counts[middle:], counts[:middle][::-1], by_z, steps, *found[0])


def shares_on(rows: DeviceRows, spectrum: Spectrum, ambient: int) -> torch.Tensor:
    """Give what `cross_fit.shares` gives, on the device of the features.

    Parameters
    ----------
    rows : DeviceRows
        The features.
    spectrum : Spectrum
        Of side "frame".
    ambient : int
        Dimensions, as in `Coordinates`.

    Returns
    -------
    tensor of float64, shape (n, n_eigenspaces) or one more
    """
    import torch

    device = rows.values.device
    vectors = torch.from_numpy(np.ascontiguousarray(spectrum.vectors)).to(device)
    sizes = np.diff(spectrum.starts)
    space = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)).to(device)
    roots = torch.from_numpy(np.sqrt(sizes)).to(device)
    null = ambient - spectrum.rank
    found = []
    for _, part in rows.parts(torch.float64):
        largest = part.abs().amax(dim=1, keepdim=True)
        scaled = torch.where(largest > 0, part / largest, 0.0)
        norms = (scaled**2).sum(dim=1, keepdim=True)
        energies = torch.zeros(len(part), len(sizes), dtype=torch.float64, device=device)
        energies.index_add_(1, space, (scaled @ vectors) ** 2)
        masses = torch.where(norms > 0, energies / norms, 0.0)
        each = masses / roots
        if null > 0:
            outside = (1 - masses.sum(dim=1, keepdim=True)).clamp(min=0) * (norms > 0)
            each = torch.cat([each, outside / math.sqrt(null)], dim=1)
        found.append(each)
    return torch.cat(found)
