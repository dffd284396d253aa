"""Columns of the matrices table: one value per matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom import frames, random_directions
from featuregeom.dictionaries import NAMED, SENTENCES
from featuregeom.findings.outliers import TIMES
from featuregeom.findings.pairs import ALL_PAIRS
from featuregeom.measures.column import Table
from featuregeom.measures.measured import Measured
from featuregeom.null_model import expected_saturation

__all__ = ["MATRICES"]

MATRICES: Table[Measured] = Table("matrices")

_SPECTRUM = "spectrum: s² max(n, m) + 9 s³ operations, s = min(n, m)"
_MEASURES = "measures: 2 n m s operations, s = min(n, m)"
_SWEEP = "sweep: n (n − 1) m operations"

_VERDICT = "verdict: 2 n² m operations twice or more, and 20 eigendecompositions each where n < 12 m"

_INDEX = "index: 16 n² words of 64 signs and 4 n m² operations, in the place of the verdict's"

_DIMENSIONS = "dimension sizes: n m operations"

_NAN = float("nan")


@MATRICES.column("matrix", dtype="str", shown=True)
def matrix(of: Measured) -> str:
    """Name of the tensor; leads to its figures."""
    return of.name


@MATRICES.column("n", dtype="int64", shown=True)
def n(of: Measured) -> int:
    """Features that were measured: rows of the tensor, or columns where the axis says so."""
    return of.features.n


@MATRICES.column("m", dtype="int64", shown=True)
def m(of: Measured) -> int:
    """Dimensions that the features live in."""
    return of.features.m


@MATRICES.column("dtype", dtype="str")
def dtype(of: Measured) -> str:
    """Number type of the stored tensor."""
    return of.features.provenance.dtype


@MATRICES.column("axis", dtype="str")
def axis(of: Measured) -> str:
    """Axis of the stored tensor that lists the features."""
    return of.features.provenance.axis


@MATRICES.column("evidence for the axis", dtype="str")
def axis_reason(of: Measured) -> str:
    """What tells that this axis lists the features: a bias, the format, the kind of layer, or the caller."""
    return of.features.provenance.axis_reason


@MATRICES.column("rank", dtype="int64", formula="#{λ > null_tolerance}", cost=_SPECTRUM, shown=True)
def rank(of: Measured) -> int:
    """Dimensions that the features really use: eigenvalues of the frame operator that are not null."""
    return of.spectrum.rank


@MATRICES.column("λ min", cost=_SPECTRUM)
def lambda_min(of: Measured) -> float:
    """Lower frame bound A: the smallest eigenvalue that is not null."""
    return float(of.spectrum.retained[-1]) if of.spectrum.rank else _NAN


@MATRICES.column("λ max", cost=_SPECTRUM)
def lambda_max(of: Measured) -> float:
    """Upper frame bound B: the largest eigenvalue."""
    return float(of.spectrum.retained[0]) if of.spectrum.rank else _NAN


@MATRICES.column("B / A", formula="B / A", cost=_SPECTRUM, shown=True)
def condition(of: Measured) -> float:
    """Condition of the frame operator; 1 for a tight frame."""
    return of.spectrum.condition


@MATRICES.column("tightness", formula="std(λ) / mean(λ)", cost=_SPECTRUM, shown=True)
def tightness(of: Measured) -> float:
    """Coefficient of variation of the eigenvalues that are not null; 0 where every used direction is used equally."""
    return frames.tightness(of.spectrum.retained)


@MATRICES.column("frame potential", formula="tr F²", cost=_SPECTRUM)
def frame_potential(of: Measured) -> float:
    """Sum of the squared eigenvalues that are not null: that of all squared inner products, ordered pairs and norms."""
    return float(of.spectrum.retained @ of.spectrum.retained)


@MATRICES.column("coherence", formula="max |cos|", cost=_SWEEP, shown=True)
def coherence(of: Measured) -> float:
    """Largest |cosine| between two features; missing without pairs, as is all that looks at every pair."""
    return of.pairs.coherence if of.pairs else _NAN


@MATRICES.column("Welch", formula="√((n − r) / (r (n − 1)))", cost=_SPECTRUM)
def welch_bound(of: Measured) -> float:
    """No n nonzero vectors in r = `rank` dimensions have a coherence below this."""
    return frames.welch_bound(_nonzero(of), of.spectrum.rank) if of.spectrum.rank else _NAN


@MATRICES.column("Σ D", formula="Σ D", cost=_MEASURES, shown=True)
def sum_capacity(of: Measured) -> float:
    """Sum of the capacities of features that have an eigenspace; at most the rank."""
    return of.measures.total_capacity


@MATRICES.column("saturation", formula="Σ D / rank", cost=_MEASURES, shown=True)
def saturation(of: Measured) -> float:
    """Capacity in use per dimension; 1 exactly where each feature lies in one eigenspace."""
    return of.measures.total_capacity / of.spectrum.rank if of.spectrum.rank else _NAN


@MATRICES.column(
    "random in", dtype="int64", formula="rank < min(#{N > null_tolerance}, m) ? rank : m", cost=_MEASURES
)
def null_dimensions(of: Measured) -> int:
    """Dimensions of the random directions: those of the span where features depend on each other, else all m."""
    return random_directions.null_dimensions(
        of.measures.norm, of.spectrum.rank, of.features.m, of.spectrum.null_tolerance
    )


@MATRICES.column("at random", formula="Σ N / (N + (tr F − N) / d) / min(n, d)", cost=_MEASURES, shown=True)
def saturation_null(of: Measured) -> float:
    """Saturation of random directions with the same norms in as many dimensions, d = `null_dimensions`."""
    return expected_saturation(of.measures.norm, null_dimensions(of)) if of.spectrum.rank else _NAN


@MATRICES.column("excess", formula="(saturation − at random) / (1 − at random)", cost=_MEASURES, shown=True)
def saturation_excess(of: Measured) -> float:
    """How much of the way from random directions to full saturation; by chance about 2 / (d + 2) where n is large."""
    value, null = float(saturation(of)), float(saturation_null(of))
    return (value - null) / (1 - null) if of.spectrum.rank and null < 1 else _NAN


@MATRICES.column("p", cost=_MEASURES)
def saturation_p(of: Measured) -> float:
    """How often random directions are as far from their saturation, to either side; missing below ten even features."""
    return random_directions.saturation_p(float(saturation(of)), of.measures.norm, null_dimensions(of))


@MATRICES.column("eigenspaces", dtype="int64", cost=_SPECTRUM, shown=True)
def eigenspaces(of: Measured) -> int:
    """Groups of eigenvalues that count as one, null ones aside."""
    return len(of.spectrum.eigenspaces)


@MATRICES.column("tolerance", cost=_SPECTRUM)
def tolerance(of: Measured) -> float:
    """Relative tolerance that gives these eigenspaces when it is passed back; missing where none does."""
    return of.spectrum.tolerance


@MATRICES.column("null below", cost=_SPECTRUM)
def null_tolerance(of: Measured) -> float:
    """Eigenvalues at or below this count as null, given the arithmetic and the rounding of the input."""
    return of.spectrum.null_tolerance


@MATRICES.column("rank margin", formula="λ_min / null_tolerance", cost=_SPECTRUM)
def rank_margin(of: Measured) -> float:
    """Smallest kept eigenvalue in units of that limit; near 1 the rank could as well be one more or less."""
    return of.spectrum.rank_margin


@MATRICES.column("stable rank", formula="tr F / λ_max", cost=_SPECTRUM)
def stable_rank(of: Measured) -> float:
    """Sum of the eigenvalues over the largest."""
    return of.spectrum.trace / float(of.spectrum.retained[0]) if of.spectrum.rank else _NAN


@MATRICES.column("effective rank", formula="exp(−Σ p ln p), p = σ / Σ σ, σ = √λ", cost=_SPECTRUM)
def effective_rank(of: Measured) -> float:
    """Exponential of the entropy of the singular values' shares (Roy & Vetterli 2007)."""
    if not of.spectrum.rank:
        return _NAN
    singular = np.sqrt(of.spectrum.retained)
    share = singular / singular.sum()
    return float(np.exp(-(share @ np.log(share))))


@MATRICES.column("defect error", formula="|(rank − Σ D) − Σ (leverage − D)| / rank", cost=_MEASURES)
def defect_error(of: Measured) -> float:
    """Relative error of the self-check: rank − Σ D = Σ (leverage − D), both sides computed on their own."""
    slack = float((of.measures.leverage - of.measures.capacity).sum())
    return abs(of.spectrum.rank - float(of.measures.capacity.sum()) - slack) / max(of.spectrum.rank, 1)


@MATRICES.column("defect bound", cost=_SPECTRUM)
def defect_bound(of: Measured) -> float:
    """What rounding allows the defect error to be."""
    return of.spectrum.defect_bound


@MATRICES.column("zero", dtype="int64", shown=True)
def zero_features(of: Measured) -> int:
    """Features of length zero."""
    return of.features.n - _nonzero(of)


@MATRICES.column("outlier dimensions", dtype="int64", cost=_DIMENSIONS)
def outlier_dimensions(of: Measured) -> int:
    """Dimensions more than 10 times as large as the median, over all features; those that no feature uses aside."""
    return int(np.sum(_dimension_ratios(of) > TIMES))


@MATRICES.column("largest dimension", dtype="int64", cost=_DIMENSIONS)
def largest_dimension(of: Measured) -> int:
    """The dimension that holds most squared length, the first of several; −1 where all features are zero."""
    sizes = of.dimension_sizes
    return int(np.argmax(sizes >= sizes.max() * (1 - 1e-9))) if sizes.any() else -1


@MATRICES.column("its size", formula="‖column‖ / median ‖column‖", cost=_DIMENSIONS)
def largest_dimension_ratio(of: Measured) -> float:
    """Size of the largest dimension over the median, those that no feature uses aside."""
    ratios = _dimension_ratios(of)
    return float(ratios.max()) if len(ratios) else _NAN


@MATRICES.column("dropped", dtype="int64")
def dropped_rows(of: Measured) -> int:
    """Features that were left out because they hold NaN or infinity (nonfinite="skip")."""
    return of.dropped


@MATRICES.column("blocks", dtype="Int64", cost=_SWEEP, shown=True)
def blocks(of: Measured) -> int | None:
    """Groups of features whose couplings with all others are below the block threshold."""
    return of.pairs.n_blocks if of.pairs else None


@MATRICES.column("block threshold", formula="|⟨w, w'⟩| / max(N, N')", cost=_SWEEP)
def block_threshold(of: Measured) -> float:
    """Couplings below it do not connect features: |inner product| over the larger of the two squared norms."""
    return of.pairs.threshold if of.pairs else _NAN


@MATRICES.column("block gap", dtype="str", cost=_SWEEP)
def block_gap(of: Measured) -> str:
    """Whether the block threshold was chosen in a gap of the couplings: found, none, given, or no pairs looked at.

    Where there is none, whatever is coupled at all, by 1e-6 or more, is one block; a threshold of your own leaves
    out the couplings that you call negligible.
    """
    if of.pairs is None:
        return "no pairs"
    return {None: "given", True: "found", False: "none"}[of.pairs.gap]


@MATRICES.column("geometry", dtype="str", cost=_SWEEP, shown=True)
def geometry(of: Measured) -> str:
    """Geometries that were recognised among its blocks, with counts, such as "2 × digon, 1 × pentagon"."""
    names = [block.geometry for block in of.blocks if block.geometry]
    counts = sorted(((names.count(name), name) for name in set(names)), key=lambda item: (-item[0], item[1]))
    return ", ".join(f"{count} × {name}" for count, name in counts)


@MATRICES.column("verdict", dtype="str", cost=_VERDICT, shown=True)
def verdict(of: Measured) -> str:
    """Whether the features differ from random directions, in one sentence; empty without pairs.

    Beside a named geometry it goes on to say why the name and a verdict without structure are both right.
    """
    said = NAMED if any(block.geometry for block in of.blocks) else SENTENCES
    return said[of.verdict.kind] if of.verdict else ""


@MATRICES.column("pairs", dtype="Int64", cost=_VERDICT, shown=True)
def significant_pairs(of: Measured) -> int | None:
    """Pairs of features beyond their spectral measures, at a false discovery rate of .01."""
    return of.significant.n_total if of.significant else None


@MATRICES.column("opposite pairs", dtype="Int64", cost=_VERDICT)
def opposite_pairs(of: Measured) -> int | None:
    """Those of them with a negative cosine."""
    return of.significant.n_negative if of.significant else None


@MATRICES.column("index of pairs", dtype="str", cost=_INDEX)
def pair_index(of: Measured) -> str:
    """How many pairs the index finds, where pairs come from one; "all pairs" where a GPU looked at them all instead."""
    return "" if of.by_index is None else str(of.by_index.recall or ALL_PAIRS)


@MATRICES.column("gathered", dtype="Int64", cost=_VERDICT)
def gathered_features(of: Measured) -> int | None:
    """Features localised in an eigenspace with others beyond what the spectrum gives, and not for their length."""
    return of.verdict.n_localised if of.verdict else None


@MATRICES.column("p of the spectrum", formula="‖F − (tr F / d) I‖²", cost=_VERDICT)
def spectrum_p(of: Measured) -> float:
    """How often the spectrum of random directions with these norms is as uneven, or as even."""
    return of.verdict.spectrum_p if of.verdict else _NAN


@MATRICES.column("λ above", dtype="Int64", cost=_VERDICT)
def eigenvalues_above(of: Measured) -> int | None:
    """Eigenvalues above the upper Marchenko-Pastur edge of random directions with these norms."""
    return of.verdict.eigenvalues_above if of.verdict else None


@MATRICES.column("λ below", dtype="Int64", cost=_VERDICT)
def eigenvalues_below(of: Measured) -> int | None:
    """Eigenvalues below the lower edge, null ones aside."""
    return of.verdict.eigenvalues_below if of.verdict else None


@MATRICES.column("mean max |cos|", cost=_VERDICT)
def mean_max_cosine(of: Measured) -> float:
    """Mean over features of the largest |cosine| with another."""
    return of.verdict.mean_max_cosine if of.verdict else _NAN


@MATRICES.column("at random, mean max |cos|", cost=_VERDICT)
def mean_max_cosine_null(of: Measured) -> float:
    """The same of random directions, in closed form."""
    return of.verdict.mean_max_cosine_null if of.verdict else _NAN


@MATRICES.column("saturation of the spectrum", cost=_VERDICT)
def saturation_spectrum(of: Measured) -> float:
    """Saturation of random features with the same frame operator."""
    return of.verdict.saturation_spectrum if of.verdict else _NAN


MATRICES.joined(
    "seconds",
    "seconds",
    "Time that the matrix took; not in the files, so that two runs write the same ones.",
    shown=True,
)


def _nonzero(of: Measured) -> int:
    return int(np.count_nonzero(of.measures.norm**2))


def _dimension_ratios(of: Measured) -> NDArray[np.float64]:
    sizes = of.dimension_sizes
    used = sizes[sizes > 0]
    return sizes / np.median(used) if len(used) else np.zeros(0)
