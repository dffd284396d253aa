"""What columns are computed from: one matrix, and everything that one pass over it gave."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from featuregeom import pairs, spectra
from featuregeom.blocks import Block
from featuregeom.dictionaries import Families, Verdict
from featuregeom.features import Features, chunks
from featuregeom.pairs import SignificantPairs
from featuregeom.summary import summarised

__all__ = ["Measured", "MeasuredBlock", "MeasuredFamily"]


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
    pairs : Pairs or None
        What the sweep over all pairs gave; None where pairs were not to be looked at.
    blocks : tuple of Block
        The blocks that they fall into; none without pairs.
    verdict : Verdict or None
        Whether they differ from random directions; None without pairs.
    families : Families or None
        Which of them belong together; None without pairs.
    by_index : SignificantPairs or None
        The significant pairs that an index found, where it took the place of all pairs.
    """

    features: Features
    kept: NDArray[np.int64]
    dropped: int
    spectrum: spectra.Spectrum
    measures: spectra.Measures
    pairs: pairs.Pairs | None
    blocks: tuple[Block, ...]
    verdict: Verdict | None = None
    families: Families | None = None
    by_index: SignificantPairs | None = None

    @property
    def significant(self) -> SignificantPairs | None:
        """The significant pairs; None where pairs were not to be looked at."""
        return self.by_index if self.verdict is None else self.verdict.pairs

    @property
    def name(self) -> str:
        """Name of the tensor."""
        return self.features.provenance.tensor

    @cached_property
    def dimension_sizes(self) -> NDArray[np.float64]:
        """Root of each dimension's squared length over all features: the norms of the columns of X."""
        total = np.zeros(self.features.m)
        for part in chunks(self.features.n, self.features.m):
            # In one order of adding, however the rows are stored.
            rows = np.ascontiguousarray(self.features.widened(part))
            total += np.einsum("ij,ij->j", rows, rows)
        return np.asarray(np.sqrt(total))

    def each_block(self) -> list[MeasuredBlock]:
        """Give what the columns of the blocks table are computed from, block by block."""
        return [MeasuredBlock(self.name, number, block) for number, block in enumerate(self.blocks)]

    def each_family(self) -> list[MeasuredFamily]:
        """Give what the columns of the families table are computed from, family by family."""
        if self.families is None:
            return []
        return [
            MeasuredFamily(self.name, number, self.families, self.kept)
            for number in range(len(self.families))
        ]


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


@summarised
@dataclass(frozen=True, eq=False)
class MeasuredFamily:
    """One family of a matrix.

    Attributes
    ----------
    matrix : str
        Name of the tensor.
    number : int
        Its number among the matrix's families.
    found : Families
        All of them.
    kept : ndarray of int64
        Positions of the features along the feature axis of the stored matrix.
    """

    matrix: str
    number: int
    found: Families
    kept: NDArray[np.int64]
