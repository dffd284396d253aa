"""The arrays that the page draws of one matrix, bounded whatever its size."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from featuregeom import spectra
from featuregeom.analysis import DRAWN_DIMENSIONS, BlockPicture, FamilyPicture, GroupPicture, Picture
from featuregeom.certificates import certify
from featuregeom.dictionaries import Families
from featuregeom.features import Features
from featuregeom.interruptible import matmul
from featuregeom.measures import Measured

__all__ = ["draw", "family_pictures"]

_HEAT_ROWS, _HEAT_COLUMNS = 256, 128
"""Most features and eigenspaces in the heat map of a matrix."""

_NAMED_BLOCKS, _NAMED_FEATURES = 40, 256
"""Most blocks with a name that are drawn of a matrix, and most features in each."""

_OTHER_BLOCKS, _OTHER_FEATURES = 12, 64
"""Blocks without a name are drawn until a matrix has this many drawings in all; most features in each of them."""

_GROUPS, _LISTED = 20, 40
"""Most groups of the spectrum that the page lists of one matrix, largest first, and features that it lists of each."""


_FAMILIES, _MEMBERS = 24, 64
"""Most families that the page draws of one matrix, and features in each."""

_DRAWN = ("geometry", "simplex", "circle", "cluster")
"""Kinds that are drawn: copies and antipodes are one point."""


def draw(of: Measured, seed: int) -> Picture:
    """Give the arrays that the page draws of one matrix.

    Parameters
    ----------
    of : Measured
        The matrix, and what was computed of it.
    seed : int
        Seed of the sample of features of the heat map.

    Returns
    -------
    Picture
    """
    features, spectrum, swept = of.features, of.spectrum, of.pairs
    dims = np.array([space.dim for space in spectrum.eigenspaces], dtype=np.int64)
    values = np.array([space.value for space in spectrum.eigenspaces], dtype=np.float64)
    spaces = np.full(len(spectrum.eigenvalues), -1, dtype=np.int64)
    spaces[: spectrum.rank] = np.repeat(np.arange(len(dims)), dims)
    shown = _sample(of.measures, seed)
    borders = np.unique(np.linspace(0, len(dims), min(len(dims), _HEAT_COLUMNS) + 1).astype(np.int64))
    return Picture(
        eigenvalues=spectrum.eigenvalues,
        eigenspace_of=spaces,
        eigenspace_values=values,
        eigenspace_dims=dims,
        heat=_heat(features, spectrum, shown, borders),
        heat_index=of.kept[shown],
        heat_spaces=borders,
        cosine_edges=np.array([-1.0, 1.0]) if swept is None else swept.edges,
        cosine_counts=np.zeros(1, np.int64) if swept is None else swept.counts.astype(np.int64),
        blocks=_block_pictures(of),
        families=()
        if of.families is None
        else family_pictures(of.features, of.spectrum, of.kept, of.families),
        groups=_group_pictures(of),
    )


def _sample(measured: spectra.Measures, seed: int) -> NDArray[np.int64]:
    """Features for the heat map, by eigenspace and then by how much of them lies in it."""
    seen = np.flatnonzero(measured.eigenspace >= 0)
    if len(seen) > _HEAT_ROWS:
        seen = np.sort(np.random.default_rng(seed).choice(seen, _HEAT_ROWS, replace=False))
    return seen[np.lexsort((-measured.max_mass[seen], measured.eigenspace[seen]))]


def _heat(
    features: Features, spectrum: spectra.Spectrum, shown: NDArray[np.int64], borders: NDArray[np.int64]
) -> NDArray[np.float32]:
    if not len(shown) or len(borders) < 2:
        return np.zeros((len(shown), 0), dtype=np.float32)
    rows = features.widened(shown)
    coordinates = matmul(rows, spectrum.vectors) if spectrum.along is None else spectrum.along[shown]
    mass = coordinates**2 / np.sum(rows**2, axis=1, keepdims=True)
    return np.add.reduceat(mass, spectrum.starts[borders[:-1]], axis=1).astype(np.float32)


def _block_pictures(of: Measured) -> tuple[BlockPicture, ...]:
    drawable = [
        (number, block)
        for number, block in enumerate(of.blocks)
        if block.gram is not None and len(block.index) > 1
    ]
    drawable.sort(key=lambda item: (-len(item[1].index), item[0]))
    named = [item for item in drawable if item[1].geometry and len(item[1].index) <= _NAMED_FEATURES]
    # One of each geometry before the second of any.
    first = {block.geometry: number for number, block in reversed(named)}
    named.sort(key=lambda item: first[item[1].geometry] != item[0])
    others = [item for item in drawable if not item[1].geometry and len(item[1].index) <= _OTHER_FEATURES]
    chosen = named[:_NAMED_BLOCKS] + others[: max(0, _OTHER_BLOCKS - len(named))]
    pictures = []
    for number, block in chosen:
        assert block.gram is not None
        keep = block.dim if block.dim <= DRAWN_DIMENSIONS else 2
        left, scale, _ = np.linalg.svd(of.features.widened(block.index), full_matrices=False)
        coordinates = left[:, :keep] * scale[:keep]
        certificate = ""
        if block.scheme is not None:
            rows = of.kept[np.sort(block.index)]
            stored = len(of.kept) + of.dropped
            certificate = json.dumps(certify(block.scheme, rows=rows, n_features=stored))
        pictures.append(BlockPicture(number, of.kept[block.index], block.gram, coordinates, certificate))
    return tuple(pictures)


def _group_pictures(of: Measured) -> tuple[GroupPicture, ...]:
    if of.verdict is None or not len(of.verdict.gathered):  # of zero features alone, no mass is known
        return ()
    groups = of.verdict.groups
    drawn = []
    for members in sorted(of.verdict.gathered, key=len, reverse=True)[:_GROUPS]:
        eigenspace = int(groups.eigenspace[members[0]])
        drawn.append(
            GroupPicture(
                eigenspace=eigenspace,
                dim=int(groups.dims[eigenspace]),
                size=len(members),
                share=float(groups.max_mass[members].mean()),
                q=float(groups.q[members].max()),
                index=of.kept[members[:_LISTED]],
                least_q=float(groups.q[members].min()),
            )
        )
    return tuple(drawn)


def family_pictures(
    features: Features, spectrum: spectra.Spectrum, kept: NDArray[np.int64], found: Families
) -> tuple[FamilyPicture, ...]:
    """Draw the first families of three and more members: a shape around the origin, the others around their mean.

    Parameters
    ----------
    features, spectrum : Features, Spectrum
        The matrix.
    kept : ndarray of int64
        What its features are numbered in the pictures.
    found : Families
        Its families.

    Returns
    -------
    tuple of FamilyPicture
    """
    wanted = [
        number
        for number, members in enumerate(found.members)
        if found.kind[number] in _DRAWN and 2 < len(members) <= _MEMBERS
    ]
    return tuple(_family_picture(features, spectrum, kept, found, number) for number in wanted[:_FAMILIES])


def _family_picture(
    features: Features, spectrum: spectra.Spectrum, kept: NDArray[np.int64], found: Families, number: int
) -> FamilyPicture:
    members, dim = found.members[number], int(found.dim[number])
    rows = features.widened(members)
    if found.link[number] == "projected":
        along = matmul(rows, spectrum.vectors) if spectrum.along is None else spectrum.along[members]
        rows = along[:, found.dominant :]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(lengths > 0, lengths, 1.0)
    if not dim:
        rows = rows - rows.mean(axis=0)
    left, scale, _ = np.linalg.svd(rows, full_matrices=False)
    keep = dim if 1 < dim <= DRAWN_DIMENSIONS else 2
    whole = float((scale**2).sum())
    share = float((scale[:keep] ** 2).sum()) / whole if whole > 0 else 1.0
    return FamilyPicture(number, kept[members], left[:, :keep] * scale[:keep], share)
