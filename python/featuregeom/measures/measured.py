"""What columns are computed from: one matrix, and everything that one pass over it gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom import pairs, spectra
from featuregeom.blocks import Block
from featuregeom.dictionaries import Verdict
from featuregeom.features import Features
from featuregeom.summary import summarised

__all__ = ["Measured", "MeasuredBlock"]


@summarised
@dataclass(frozen=True, eq=False)
class Measured:
    """One matrix and what was computed of it.

    Attributes
    ----------
    features : Features
        The features that were measured, and where they came from.
    kept : ndarray of int64, shape (n,)
        Their positions along the feature axis of the stored matrix.
    dropped : int
        How many of the stored features were left out for NaN or infinity.
    spectrum : Spectrum
        Eigenvalues and eigenspaces of their frame operator.
    measures : Measures
        Their spectral measures.
    pairs : Pairs
        What the sweep over all pairs gave.
    blocks : tuple of Block
        The blocks that they fall into.
    verdict : Verdict or None
        Whether they differ from random directions; None where that was not asked for.
    """

    features: Features
    kept: NDArray[np.int64]
    dropped: int
    spectrum: spectra.Spectrum
    measures: spectra.Measures
    pairs: pairs.Pairs
    blocks: tuple[Block, ...]
    verdict: Verdict | None = None

    @property
    def name(self) -> str:
        """Name of the tensor."""
        return self.features.provenance.tensor

    def each_block(self) -> list[MeasuredBlock]:
        """Give what the columns of the blocks table are computed from, block by block."""
        return [MeasuredBlock(self.name, number, block) for number, block in enumerate(self.blocks)]


@summarised
@dataclass(frozen=True, eq=False)
class MeasuredBlock:
    """One block of a matrix.

    Attributes
    ----------
    matrix : str
        Name of the tensor.
    number : int
        Its number among the matrix's blocks.
    block : Block
        The block.
    """

    matrix: str
    number: int
    block: Block
