"""One matrix from features to its rows of the tables and the arrays that the page draws."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core, pairs, spectra
from featuregeom.analysis import MatrixResult
from featuregeom.blocks import Block, describe_blocks, groups
from featuregeom.dictionaries import Families, Verdict, families, verdict
from featuregeom.errors import NonFiniteError
from featuregeom.features import Features
from featuregeom.frames.shards import KeptSum
from featuregeom.measures import BLOCKS, FAMILIES, FEATURES, MATRICES, PAIRS, Measured
from featuregeom.spectra.decomposition import spectrum_with
from featuregeom.survey.labelling import UNNAMED, Naming
from featuregeom.survey.pictures import draw
from featuregeom.survey.plan import Pairs, indexed
from featuregeom.survey.progress import Meter

__all__ = ["Options", "measure"]


@dataclass(frozen=True)
class Options:
    """Parameters of an analysis that decide its numbers.

    Attributes
    ----------
    tolerance : float or None
        Relative tolerance of eigenspaces; None chooses.
    block_threshold : float or None
        Threshold of couplings between blocks; None chooses.
    nonfinite : {"error", "skip"}
        What to do with features that hold NaN or infinity.
    seed : int
        Seed of the sample of features that the heat map shows, and of the verdict's splits and draws.
    pairs : bool or "approximate"
        Whether all pairs are looked at: for cosines, blocks, names, significant pairs, the verdict and families; or of
        very many features those of an index, for significant pairs alone.
    """

    tolerance: float | None = None
    block_threshold: float | None = None
    nonfinite: Literal["error", "skip"] = "error"
    seed: int = 0
    pairs: Pairs = True


def measure(
    features: Features,
    options: Options,
    num_threads: int | None,
    meter: Meter,
    naming: Naming = UNNAMED,
    kept_sum: KeptSum | None = None,
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
        What the features are called, and how often each was active.
    kept_sum : KeptSum, optional
        Where the frame operator of very many features is kept while it is formed.

    Returns
    -------
    MatrixResult or None
        None if ``options.nonfinite == "skip"`` drops every feature.

    Raises
    ------
    NonFiniteError
        With ``options.nonfinite == "error"``, naming source, tensor, row and column.
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
    spectrum = spectrum_with(
        features,
        kept=kept_sum,
        tolerance=options.tolerance,
        num_threads=num_threads,
        progress=meter.step(name, "frame"),
    )
    measured = spectra.measures(
        features, spectrum, masses=False, num_threads=num_threads, progress=meter.step(name, "measures")
    )
    if indexed(features.n, features.m, options.pairs):
        near = pairs.significant(
            features,
            seed=options.seed,
            spectrum=spectrum,
            approximate=True,
            num_threads=num_threads,
            progress=meter.step(name, "pairs"),
        )
        found = Measured(features, kept, dropped, spectrum, measured, None, (), by_index=near)
    else:
        looked = _pairs(features, options, spectrum, measured, num_threads, meter)
        found = Measured(features, kept, dropped, spectrum, measured, *looked)
    picture = draw(found, options.seed)
    meter.finish(name)
    return MatrixResult(
        row=MATRICES.row(found),
        features=FEATURES.row(found),
        blocks=[BLOCKS.row(block) for block in found.each_block()],
        pairs=PAIRS.row(found),
        families=[FAMILIES.row(family) for family in found.each_family()],
        picture=picture,
        seconds=time.perf_counter() - begin,
        labels=naming.labels,
        link=naming.link,
        density=naming.density,
    )


def _pairs(
    features: Features,
    options: Options,
    spectrum: spectra.Spectrum,
    measured: spectra.Measures,
    num_threads: int | None,
    meter: Meter,
) -> tuple[pairs.Pairs | None, tuple[Block, ...], Verdict | None, Families | None]:
    """Everything that looks at all pairs of features; nothing where pairs were not to be looked at."""
    if not options.pairs:
        return None, (), None, None
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
    together = families(
        features,
        seed=options.seed,
        spectrum=spectrum,
        pairs=judged.pairs,
        num_threads=num_threads,
        progress=meter.step(name, "families"),
    )
    return swept, blocks, judged, together


def _finite(features: Features, options: Options, num_threads: int | None) -> NDArray[np.int64]:
    """Features to measure: all, or those without NaN and infinity."""
    if options.nonfinite == "skip":
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
            f"{position[1]} {error.column}; nonfinite='skip' (--nonfinite=skip) drops such features and reports them",
            error.row,
            error.column,
        ) from None
    return np.arange(features.n)
