r"""Pairs of features without structure: how far their z² goes beyond the formula, since eigenspaces are estimated.

Draws of the spectrum null go through the steps that the features go through. Few features are drawn whole. Of many, the
pairs of one set of parts say as much as those of all: each pair is held against the eigenspaces of the features outside
one set, so pairs of any set have the same law. Only the features of that set are drawn then, and of the others nothing
but their frame operator, which is a Wishart matrix in the coordinates of the draw:

.. math:: X' = G L^{-\top} S, \quad G_1^\top G_1 + W = L L^\top, \qquad X'_1 = G_1 L^{-\top} S, \quad
    F_{\text{others}} = S L^{-1} W_{\text{others}} L^{-\top} S
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.features import as_features
from featuregeom.interruptible import aside, gram, matmul
from featuregeom.null_model import spectrum_draws
from featuregeom.pairs.cross_fit import Coordinates, all_scores, eigenspaces, either_sign, left_out, shares
from featuregeom.pairs.few_dimensions import sharpened
from featuregeom.spectra import Spectrum
from featuregeom.spectra.decomposition import of_operator

if TYPE_CHECKING:
    import torch

__all__ = ["drawn_at_least", "drawn_features"]

_ENOUGH = 2_000_000
"""Pairs of one set of parts from which that set is drawn alone: the factor by which z² is too large then rests on
quantiles down to 30 in as many, z = 4.4. The smallest set that has so many is of 2001 features."""

_MOST = 4096
"""Features of such a set that are drawn: 8 million pairs."""

_TALL = 2
"""Features for each dimension from which a Cholesky factor loses nothing, as in `null_model.spectrum_draws`."""


def drawn_features(n: int, rank: int, n_parts: int) -> int:
    """Give the features of each draw: n, or fewer where the pairs of one set of parts are enough.

    Parameters
    ----------
    n, rank : int
        Nonzero features, dimensions of their span.
    n_parts : int
        Parts, as in `all_scores`.
    """
    inside = _inside(n, n_parts)
    enough = inside * (inside - 1) // 2 >= _ENOUGH and n >= _TALL * rank
    return min(inside, _MOST) if enough else n


def drawn_at_least(
    own: Coordinates,
    *,
    n_parts: int,
    n_draws: int,
    seed: int,
    splits: list[int],
    num_threads: int | None,
    advance: Callable[[int], None],
    by_score: int = 0,
    least: float = 0.0,
    sharpen: bool = False,
    device: torch.device | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the pairs of all draws at or above each step of z².

    Parameters
    ----------
    own : Coordinates
        The features, of which the spectrum and the number are used.
    n_parts : int
        Parts, as in `all_scores`.
    n_draws : int
        Draws, at least 1.
    seed : int
        Seed of the draws.
    splits : list of int
        Seed of the split of each draw that is drawn whole.
    num_threads, advance, by_score, least, sharpen, device
        As in `all_scores`; one set of parts that is drawn alone is of at most 4096 features, and stays with the core.

    Returns
    -------
    ndarray of int64
        By the z² that pairs count as; the first is the number of pairs in all.
    ndarray of int64
        By their own z².
    """
    n, spectrum = own.features.n, own.spectrum
    single = own.features.dtype != "float64"
    count = drawn_features(n, spectrum.rank, n_parts)
    total: Any = 0
    by_z: Any = 0
    kept = by_score if sharpen else 0
    if count < n:
        for stream in np.random.SeedSequence(seed).spawn(n_draws):
            values, others = _one_set(spectrum, n, count, n_parts, np.random.default_rng(stream))
            table = as_features(values.astype(np.float32) if single else values)
            if n_parts > 1:
                bounds = (n - _inside(n, n_parts), spectrum.rank), float(np.sum(values**2, axis=1).max())
                axes = of_operator(others, *bounds, own.epsilon, side="frame", num_threads=num_threads)
            else:
                axes = _eigenvectors(spectrum, n)
            masses = shares(table, axes, own.ambient, num_threads)
            swept, steps, _, found = _core.null_sweep(
                table.values, masses, by_score=kept, by_cosine=0, least=least, num_threads=num_threads
            )
            counts = swept.astype(np.int64)
            by_z = by_z + either_sign(counts)
            if sharpen:
                counts = sharpened(counts, steps, found, [masses], eigenspaces(axes, own.ambient))
            total = total + either_sign(counts)
            advance(count * (count - 1) // 2)
    else:
        for draw, split in zip(_whole(own, n_draws, seed, single), splits, strict=True):
            scores = all_scores(
                draw,
                n_parts=n_parts,
                seed=split,
                by_score=kept,
                by_cosine=0,
                least=least,
                sharpen=sharpen,
                num_threads=num_threads,
                advance=advance,
                device=device,
            )
            total = total + scores.above + scores.below
            by_z = by_z + scores.by_z
    return total[::-1].cumsum()[::-1], by_z[::-1].cumsum()[::-1]


def _inside(n: int, n_parts: int) -> int:
    """Features of one set of parts that are left out together; all where there is one part."""
    return n * len(left_out(n_parts)[0]) // n_parts


def _eigenvectors(spectrum: Spectrum, n: int) -> Spectrum:
    """Give the spectrum in the basis of its own eigenvectors."""
    return replace(spectrum, vectors=np.eye(spectrum.rank), side="frame", shape=(n, spectrum.rank))


def _whole(own: Coordinates, n_draws: int, seed: int, single: bool) -> Iterator[Coordinates]:
    """Features without structure in the place of `own`, along the eigenvectors, one set after the other."""
    n, axes = own.features.n, _eigenvectors(own.spectrum, own.features.n)
    for draw in spectrum_draws(own.spectrum, n, n_draws=n_draws, seed=seed):
        drawn = as_features(draw.astype(np.float32) if single else draw)
        yield Coordinates(drawn, np.arange(n), own.ambient, axes, own.epsilon)


def _one_set(
    spectrum: Spectrum, n: int, count: int, n_parts: int, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw some features of one set of parts, and the frame operator of all features outside it."""
    r, inside = spectrum.rank, _inside(n, n_parts)
    G = random.standard_normal((count, r))
    outside = _wishart(n - inside, r, random)
    inner = matmul(G.T, G) + _wishart(inside - count, r, random) + outside
    factor = aside(np.linalg.inv, aside(np.linalg.cholesky, inner))
    along = factor.T * np.sqrt(spectrum.retained)
    return matmul(G, along), matmul(along.T, matmul(outside, along))


def _wishart(freedom: int, r: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw the sum of the outer products of a number of normal vectors in r dimensions: by Bartlett's decomposition."""
    if freedom < r:
        G = random.standard_normal((freedom, r))
        return gram(G.T)
    root = np.tril(random.standard_normal((r, r)), -1)
    root[np.diag_indices(r)] = [math.sqrt(each) for each in random.chisquare(freedom - np.arange(r))]
    return gram(root)
