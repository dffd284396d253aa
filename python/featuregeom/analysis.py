"""What an analysis gives: three tables, the arrays that the page draws, and where they came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from featuregeom.findings import Findings, Tables, find
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DRAWN_DIMENSIONS",
    "Analysis",
    "BlockPicture",
    "FamilyPicture",
    "GroupPicture",
    "MatrixResult",
    "Picture",
]

DRAWN_DIMENSIONS = 8
"""Most dimensions that the page turns through, with four and more of them slowly."""


@summarised
@dataclass(frozen=True, eq=False)
class BlockPicture:
    """A block that is small enough to draw.

    Attributes
    ----------
    block : int
        Its number in the blocks table.
    index : ndarray of int64, shape (n,)
        Its features, in the order in which `gram` and `coordinates` list them (by relation).
    gram : ndarray of float64, shape (n, n)
        Gram matrix of the features.
    coordinates : ndarray of float64, shape (n, dim)
        The features in an orthonormal basis of their span, where that has at most `DRAWN_DIMENSIONS`; else along the
        two leading eigenvectors of their Gram matrix.
    certificate : str
        Certificate of their association scheme as JSON (`schemes.certificate`); empty where there is none.
    """

    block: int
    index: NDArray[Any]
    gram: NDArray[Any]
    coordinates: NDArray[Any]
    certificate: str = ""


@summarised
@dataclass(frozen=True, eq=False)
class FamilyPicture:
    """A family that is small enough to draw.

    Attributes
    ----------
    family : int
        Its number in the families table.
    index : ndarray of int64, shape (n,)
        Its features, in the order of the table.
    coordinates : ndarray of float64, shape (n, dim)
        The features along their leading dimensions, `DRAWN_DIMENSIONS` at most; of a circle or a cluster, around their
        mean, and two.
    share : float
        Share of their squared length (around the mean, where that was taken off) that these dimensions hold.
    """

    family: int
    index: NDArray[Any]
    coordinates: NDArray[Any]
    share: float


@summarised
@dataclass(frozen=True, eq=False)
class GroupPicture:
    """Features that the spectrum gathers in one eigenspace.

    Attributes
    ----------
    eigenspace, dim, size : int
        Which eigenspace, its dimension, and how many features.
    share : float
        Mean share of their squared length that lies in it.
    q : float
        False discovery rate at which all of them count.
    index : ndarray of int64
        Those of the features that are listed, by decreasing share.
    least_q : float
        False discovery rate at which the clearest of them counts; NaN where an earlier version did not write it.
    """

    eigenspace: int
    dim: int
    size: int
    share: float
    q: float
    index: NDArray[Any]
    least_q: float = float("nan")


@summarised
@dataclass(frozen=True, eq=False)
class Picture:
    """The arrays behind one matrix's figures, bounded in size whatever the size of the matrix.

    Attributes
    ----------
    eigenvalues : ndarray of float64, shape (min(n, m),)
        Spectrum of the frame operator, decreasing; null ones included.
    eigenspace_of : ndarray of int64, same shape
        Eigenspace of each eigenvalue; -1 in the null space.
    eigenspace_values, eigenspace_dims : ndarray, shape (n_eigenspaces,)
        Mean eigenvalue and dimension of each eigenspace.
    heat : ndarray of float32, shape (n_shown, n_spaces_shown)
        Spectral measure of a sample of features, ordered by their top eigenspace.
    heat_index : ndarray of int64, shape (n_shown,)
        The features that the rows of `heat` belong to.
    heat_spaces : ndarray of int64, shape (n_spaces_shown + 1,)
        Column c of `heat` sums the eigenspaces ``heat_spaces[c]`` up to ``heat_spaces[c + 1]`` (excluded).
    cosine_edges : ndarray of float64, shape (n_bins + 1,)
        Bin edges of the histogram of cosines, from -1 to 1.
    cosine_counts : ndarray of int64, shape (n_bins,)
        Pairs i < j of nonzero features in each bin.
    blocks : tuple of BlockPicture
        The blocks that are drawn.
    families : tuple of FamilyPicture
        The families that are drawn.
    groups : tuple of GroupPicture
        Features that the spectrum gathers, largest groups first.
    """

    eigenvalues: NDArray[Any]
    eigenspace_of: NDArray[Any]
    eigenspace_values: NDArray[Any]
    eigenspace_dims: NDArray[Any]
    heat: NDArray[Any]
    heat_index: NDArray[Any]
    heat_spaces: NDArray[Any]
    cosine_edges: NDArray[Any]
    cosine_counts: NDArray[Any]
    blocks: tuple[BlockPicture, ...] = ()
    families: tuple[FamilyPicture, ...] = ()
    groups: tuple[GroupPicture, ...] = ()


@summarised
@dataclass(frozen=True, eq=False)
class MatrixResult:
    """Everything that was measured of one matrix.

    Attributes
    ----------
    row : dict
        Its row of the matrices table.
    features : dict of str to ndarray, shape (n,)
        Its columns of the features table.
    blocks : list of dict
        Its rows of the blocks table.
    pairs : dict of str to ndarray, shape (n_pairs,)
        Its columns of the pairs table.
    families : list of dict
        Its rows of the families table.
    picture : Picture
        What the page draws.
    seconds : float
        Time that it took.
    labels : tuple of str or None
        A name for each feature along the stored axis, those that were left out too; None where they have none.
    link : str
        Address of their descriptions, to which ``/`` and a feature's index are added; empty where there is none.
    density : ndarray of float64 or None
        How often each feature along the stored axis was active; None where that is not known.
    """

    row: dict[str, Any]
    features: dict[str, NDArray[Any]]
    blocks: list[dict[str, Any]]
    pairs: dict[str, NDArray[Any]]
    families: list[dict[str, Any]]
    picture: Picture
    seconds: float
    labels: tuple[str | None, ...] | None = None
    link: str = ""
    density: NDArray[Any] | None = None


@summarised
@dataclass(frozen=True, eq=False)
class Analysis:
    """Result of :func:`featuregeom.analyze`.

    Attributes
    ----------
    matrices : DataFrame
        One row per matrix.
    features : DataFrame
        One row per feature.
    blocks : DataFrame
        One row per block of features.
    skipped : DataFrame
        Tensors that were not analysed: ``tensor``, ``shape``, ``dtype``, ``reason``.
    pictures : dict of str to Picture
        What the page draws, by matrix.
    provenance : dict
        Source, format, featuregeom's version, and the parameters of the analysis.
    out : Path or None
        Folder that the tables were written to.
    pairs : DataFrame or None
        One row per significant pair of features; none where they were not looked for.
    families : DataFrame or None
        One row per family of features; none where pairs were not looked for.
    labels : dict of str to tuple, or None
        By matrix, a name (or None) for each feature along the stored axis, so that ``labels[matrix][index]`` is that of
        a row of the features table; None for a matrix whose features have none. They are as they were given: escape
        them where they are shown.
    links : dict of str to str
        By matrix, the address of the features' descriptions, to which ``/`` and an index are added; only of sparse
        dictionaries that have one.
    """

    matrices: pd.DataFrame
    features: pd.DataFrame
    blocks: pd.DataFrame
    skipped: pd.DataFrame
    pictures: dict[str, Picture]
    provenance: dict[str, Any]
    out: Path | None = field(default=None)
    pairs: pd.DataFrame | None = None
    families: pd.DataFrame | None = None
    labels: dict[str, Sequence[str | None] | None] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    @cached_property
    def findings(self) -> Findings:
        """What was found, in sentences with their figures, strongest first; read off the tables when asked for."""
        gathered = {
            name: least
            for name, picture in self.pictures.items()
            if not math.isnan(least := min((group.least_q for group in picture.groups), default=math.nan))
        }
        return find(Tables(self.matrices, self.features, self.blocks, self.pairs, self.families, gathered))

    def _repr_html_(self) -> str:
        from html import escape

        source = escape(str(self.provenance.get("source", "")))
        return f"<p><strong>{source}</strong></p>{self.findings._repr_html_()}"
