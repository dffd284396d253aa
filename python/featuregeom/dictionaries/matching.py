"""Two dictionaries matched feature by feature, each number beside what random dictionaries have."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import choice, integer, number_between
from featuregeom.devices import gpu_for
from featuregeom.dictionaries.alignment import aligned, gram_rows
from featuregeom.dictionaries.one_to_one import OneToOne, Scores, checked, match_directions
from featuregeom.dictionaries.random_dictionary import random_like
from featuregeom.errors import ShapeError
from featuregeom.features import Features
from featuregeom.frames import Progress
from featuregeom.wording import plural

if TYPE_CHECKING:
    import pandas as pd
    import torch

__all__ = ["Form", "Matching", "Scores", "match"]

Form = Literal["raw", "procrustes", "gram"]
"""What is matched: directions as they are, after a rotation of A, or their Gram rows."""

_LABELS = {
    "pw_mcc": "mean cosine of the matched pairs (PW-MCC)",
    "pw_mcc_absolute": "mean absolute cosine, matched by it",
    "mmcs": "mean largest cosine of A's features with B (MMCS)",
    "mmcs_back": "mean largest cosine of B's features with A",
    "shared": "share of pairs at or above the threshold",
    "uniqueness": "different nearest features, over the pairs",
}


@dataclass(frozen=True, eq=False)
class Matching:
    """Two dictionaries matched one to one, and what random ones would have.

    Attributes
    ----------
    form : {"raw", "procrustes", "gram"}
        What was matched.
    pairs : ndarray of int64, shape (n_pairs, 2)
        Features of A and of B, in A's order; as many as the smaller set has nonzero ones.
    cosine : ndarray of float64, shape (n_pairs,)
        Their cosines: of directions, of rotated ones, or of Gram rows.
    gap : float
        No matching has a mean cosine that is larger by more than this: the dual bound less the mean found.
    absolute_pairs, absolute_cosine, absolute_gap
        The same of the matching whose mean absolute cosine is the largest; cosines are signed.
    scores, null_scores : Scores
        The numbers, and their means over `n_draws` random dictionaries in the place of B.
    null_cosine : ndarray of float64
        Cosines of the pairs of all draws.
    threshold : float
        Cosine from which on a pair counts as shared.
    rotation : ndarray of float64, shape (m_a, m_b), or None
        Where A was rotated: `A @ rotation` is what was compared with B.
    n_draws, seed : int
        As they were given.
    """

    form: Form
    pairs: NDArray[np.int64]
    cosine: NDArray[np.float64]
    gap: float
    absolute_pairs: NDArray[np.int64]
    absolute_cosine: NDArray[np.float64]
    absolute_gap: float
    scores: Scores
    null_scores: Scores
    null_cosine: NDArray[np.float64]
    threshold: float
    rotation: NDArray[np.float64] | None
    n_draws: int
    seed: int

    @property
    def pw_mcc(self) -> float:
        """Mean cosine of the matched pairs."""
        return self.scores.pw_mcc

    @property
    def null(self) -> float:
        """`pw_mcc` of random dictionaries."""
        return self.null_scores.pw_mcc

    def to_frame(self) -> pd.DataFrame:
        """Give the numbers as a table: ``number, value, null, meaning``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "number": each.name,
                "value": getattr(self.scores, each.name),
                "null": getattr(self.null_scores, each.name),
                "meaning": _LABELS[each.name],
            }
            for each in fields(Scores)
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def __repr__(self) -> str:
        return (
            f"Matching({self.form}, {plural(len(self.pairs), 'pair')}: mean cosine {self.pw_mcc:.4f}, "
            f"at random {self.null:.4f}; "
            f"shared {self.scores.shared:.4f}, at random {self.null_scores.shared:.4f}; gap {self.gap:.1e})"
        )


def match(
    A: Any,
    B: Any,
    *,
    align: Form = "raw",
    k: int = 64,
    threshold: float = 0.7,
    n_draws: int = 1,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Matching:
    r"""Match two dictionaries one to one, so that the mean cosine of the pairs is the largest.

    .. math:: \text{PW-MCC} = \frac1n \max_\sigma \sum_i \cos(a_i, b_{\sigma(i)}), \qquad
        \text{MMCS} = \frac1{n_a} \sum_i \max_j \cos(a_i, b_j)

    Random dictionaries have much of both (.206 for 2048 features in 256 dimensions, .40 in 64), so every number stands
    beside its own in a random dictionary with the frame operator of B's directions.

    Parameters
    ----------
    A, B : array-like, shapes (n_a, m_a) and (n_b, m_b)
        Features as rows. The numbers of features may differ; each feature of the smaller set gets a partner. Zero
        features are left out, NaN is an error.
    align : {"raw", "procrustes", "gram"}
        "raw" compares directions as they are and needs equal dimensions: two seeds of one model. "procrustes" first
        rotates A, with the rotation that matching and fitting by turns find. "gram" compares, after that, the cosines
        of each feature with the paired features of its own dictionary: no rotation, and no direction, enters them.
    k : int
        Nearest features of either set that are candidates for a pair. More are tried where the gap stays above 1e-4 and
        the sets are small.
    threshold : float
        Cosine from which on a pair counts as shared, above -1 and below 1.
    n_draws : int
        Random dictionaries; 0 for none, and numbers without a null. Each number is a mean over thousands of features,
        so one draw tells it to about 1 / (m n) ^ (1/2).
    seed : int
        Of the draws.
    num_threads : int, optional
        Threads to use, by default ``RAYON_NUM_THREADS`` or all. The result does not depend on it.
    progress : callable, optional
        Called with tiles done and in all, of the dictionaries as they are.

    Returns
    -------
    Matching

    Raises
    ------
    ShapeError
        If the dimensions differ and `align` is "raw", or all features of a set are zero.
    DtypeError, NonFiniteError
        As in `features.as_features`; for NaN, with the set and the row.
    ParameterError
        If an argument is out of range.

    Notes
    -----
    Costs 2 n_a n_b m operations, once more for each draw, and O((n_a + n_b) k) memory: 65 536 features each in 768
    dimensions take below 2 GB, the float32 features included. Rotations cost that some ten times.

    Two tensors on one CUDA device are compared there, and from 250 000 features on, any sets on a GPU that torch sees
    and that has room (8 GiB and 16 n m bytes): the nearest features of either set come from there, the assignment, the
    random dictionaries and rotations from the processor. Cosines are then rounded from sums in another order, so pairs
    may differ where they are as near up to rounding.

    The assignment over the candidates is solved exactly; `gap` comes from its prices, which bound every matching. It
    is 0 up to rounding (m 6e-8 for float32) where the best matching has near pairs only, and grows where many
    features have no near partner left.

    What it does not show. A high mean may come from a common direction: the null has it too, so read the two together.
    A matched pair need not do the same in use (two decoders at .9 may hold features that cannot stand for each other).
    Features that one dictionary splits in two have one partner only. Rotations are found where the two spectra have
    corresponding eigenvectors, or the raw pairs are right in part: copies with noise of up to a fifth of their norm,
    not models of another training.

    References
    ----------
    Sharkey, Braun & Millidge (2022) for MMCS; arXiv:2505.20254 for PW-MCC; arXiv:2501.16615 for shared features at .7;
    Jonker & Volgenant, Computing 38 (1987), for the assignment; arXiv:2605.24577 for what cosines do not transfer.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> A = np.random.default_rng(0).standard_normal((200, 32))
    >>> found = fg.dictionaries.match(A, A[::-1])
    >>> bool((found.pairs.sum(axis=1) == 199).all()), round(found.pw_mcc, 6), found.null < 0.6
    (True, 1.0, True)
    """
    choice("align", align, get_args(Form))
    k, n_draws, seed = integer("k", k, 1), integer("n_draws", n_draws, 0), integer("seed", seed, 0)
    threshold = number_between("threshold", threshold, -1, 1)
    first, second = checked(A, "A", num_threads), checked(B, "B", num_threads)
    if align == "raw" and first.m != second.m:
        raise ShapeError(
            f"A has features of {first.m} dimensions, B of {second.m}: directions of different spaces have no cosines. "
            'Give align="gram" (or "procrustes"), or matrices of one space'
        )
    device = gpu_for(A, B, n=max(first.n, second.n), m=max(first.m, second.m))
    found, rotation = _matched(first, second, align, k, threshold, num_threads, progress, device)
    random = (random_like(second, seed + draw, num_threads) for draw in range(n_draws))
    draws = [_matched(first, each, align, k, threshold, num_threads, None, device)[0] for each in random]
    return Matching(
        form=align,
        pairs=found.pairs,
        cosine=found.cosine,
        gap=found.gap,
        absolute_pairs=found.absolute_pairs,
        absolute_cosine=found.absolute_cosine,
        absolute_gap=found.absolute_gap,
        scores=found.scores,
        null_scores=_mean([draw.scores for draw in draws]),
        null_cosine=np.concatenate([draw.cosine for draw in draws]) if draws else np.zeros(0),
        threshold=threshold,
        rotation=rotation,
        n_draws=n_draws,
        seed=seed,
    )


def _matched(
    A: Features,
    B: Features,
    align: Form,
    k: int,
    threshold: float,
    num_threads: int | None,
    progress: Progress | None,
    device: torch.device | None,
) -> tuple[OneToOne, NDArray[np.float64] | None]:
    if align == "raw":
        return match_directions(A, B, k, threshold, num_threads, progress, device=device), None
    found = aligned(A, B, k, threshold, num_threads, device)
    if align == "procrustes":
        return found.matched, found.rotation
    rows = gram_rows(A, B, found.matched.pairs)
    return match_directions(*rows, k, threshold, num_threads, device=device), found.rotation


def _mean(draws: list[Scores]) -> Scores:
    names = [each.name for each in fields(Scores)]
    means = (
        float(np.mean([getattr(draw, name) for draw in draws])) if draws else float("nan") for name in names
    )
    return Scores(*means)
