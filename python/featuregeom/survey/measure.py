"""One matrix from features to its rows of the three tables and the arrays that the page draws."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core, pairs, spectra
from featuregeom.analysis import DRAWN_DIMENSIONS, BlockPicture, MatrixResult, Picture
from featuregeom.blocks import Block, describe_blocks, groups
from featuregeom.certificates import certify
from featuregeom.dictionaries import Verdict, verdict
from featuregeom.errors import NonFiniteError
from featuregeom.features import Features
from featuregeom.measures import BLOCKS, FEATURES, MATRICES, PAIRS, Measured
from featuregeom.survey.labelling import UNNAMED, Naming
from featuregeom.survey.progress import Meter

__all__ = ["Options", "measure"]

_HEAT_ROWS, _HEAT_COLUMNS = 256, 128
_NAMED_BLOCKS, _NAMED_FEATURES = 40, 256
_OTHER_BLOCKS, _OTHER_FEATURES = 12, 64
"""Most that the page draws of one matrix: rows and columns of the heat map; blocks with a name, and features in each;
blocks in all where others fill up the list, and features in each of those."""


@dataclass(frozen=True)
class Options:
    """Parameters of an analysis that decide its numbers.

    Attributes
    ----------
    tolerance : float or None
        Relative tolerance of eigenspaces; None chooses.
    block_threshold : float or None
        Threshold of couplings between blocks; None chooses.
    nan : {"error", "skip"}
        What to do with features that hold NaN or infinity.
    seed : int
        Seed of the sample of features that the heat map shows, and of the verdict's splits and draws.
    pairs : bool
        Whether all pairs are looked at: for cosines, blocks, names, significant pairs and the verdict.
    """

    tolerance: float | None = None
    block_threshold: float | None = None
    nan: Literal["error", "skip"] = "error"
    seed: int = 0
    pairs: bool = True


def measure(
    features: Features,
    options: Options,
    num_threads: int | None,
    meter: Meter,
    naming: Naming = UNNAMED,
) -> MatrixResult | None:
    """Measure one matrix.

    Parameters
    ----------
    features : Features
        The matrix.
    options : Options
        What decides the numbers.
    num_threads : int or None
        Threads to use.
    meter : Meter
        Told of the progress.
    naming : Naming
        What the features are called.

    Returns
    -------
    MatrixResult or None
        None if ``options.nan == "skip"`` drops every feature.

    Raises
    ------
    NonFiniteError
        With ``options.nan == "error"``, naming source, tensor, row and column.
    """
    begin = time.perf_counter()
    origin = features.provenance
    kept = _finite(features, options, num_threads)
    dropped = features.n - len(kept)
    if dropped:
        features = features.take(kept)
    name = origin.tensor
    if features.n == 0:
        meter.finish(name)
        return None
    spectrum = spectra.spectrum(
        features, tolerance=options.tolerance, num_threads=num_threads, progress=meter.step(name, "frame")
    )
    measured = spectra.measures(
        features, spectrum, masses=False, num_threads=num_threads, progress=meter.step(name, "measures")
    )
    swept, blocks, judged = _pairs(features, options, spectrum, measured, num_threads, meter)
    found = Measured(features, kept, dropped, spectrum, measured, swept, blocks, judged)
    picture = _picture(found, options.seed)
    meter.finish(name)
    return MatrixResult(
        row=MATRICES.row(found),
        features=FEATURES.row(found),
        blocks=[BLOCKS.row(block) for block in found.each_block()],
        pairs=PAIRS.row(found),
        picture=picture,
        seconds=time.perf_counter() - begin,
        labels=naming.labels,
        link=naming.link,
    )


def _pairs(
    features: Features,
    options: Options,
    spectrum: spectra.Spectrum,
    measured: spectra.Measures,
    num_threads: int | None,
    meter: Meter,
) -> tuple[pairs.Pairs | None, tuple[Block, ...], Verdict | None]:
    """Everything that looks at all pairs of features; nothing where pairs were not to be looked at."""
    if not options.pairs:
        return None, (), None
    name = features.provenance.tensor
    swept = pairs.sweep(
        features,
        threshold=options.block_threshold,
        num_threads=num_threads,
        progress=meter.step(name, "sweep"),
    )
    whole = spectrum if swept.n_blocks == 1 else None
    members = groups(swept.blocks, swept.n_blocks)
    blocks = describe_blocks(features, members, whole=whole, num_threads=num_threads)
    judged = verdict(
        features,
        seed=options.seed,
        spectrum=spectrum,
        measured=measured,
        swept=swept,
        num_threads=num_threads,
        progress=meter.step(name, "pairs"),
    )
    return swept, blocks, judged


def _finite(features: Features, options: Options, num_threads: int | None) -> NDArray[np.int64]:
    """Features to measure: all, or those without NaN and infinity."""
    if options.nan == "skip":
        bad = _core.nonfinite_rows(features.values, num_threads=num_threads)
        return np.delete(np.arange(features.n), bad)
    try:
        _core.check_finite(features.values, num_threads=num_threads)
    except NonFiniteError as error:
        origin = features.provenance
        position = ("row", "column") if origin.axis == "rows" else ("column", "row")
        raise NonFiniteError(
            f"{origin.source}: tensor {origin.tensor!r}: "
            f"{features.widened(np.array([error.row]))[0, error.column]} at {position[0]} {error.row}, "
            f"{position[1]} {error.column}; nan='skip' (--nan=skip) drops such features and reports them",
            error.row,
            error.column,
        ) from None
    return np.arange(features.n)


def _picture(of: Measured, seed: int) -> Picture:
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
    coordinates = rows @ spectrum.vectors if spectrum.along is None else spectrum.along[shown]
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
            certificate = json.dumps(certify(block.scheme, features=rows, n_features=stored))
        pictures.append(BlockPicture(number, of.kept[block.index], block.gram, coordinates, certificate))
    return tuple(pictures)
