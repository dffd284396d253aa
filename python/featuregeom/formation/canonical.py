"""The Canonical Representation Hypothesis: six relations between representations, weights and gradients of one layer.

Ziyin, Chuang, Galanti and Poggio (arXiv:2410.03006) propose that after training with weight decay, on each side
of a linear map, the second moment of representations H, that of gradients G and the weights' product Z are
proportional: RGA (H ∝ G), RWA (H ∝ Z), GWA (G ∝ Z). The sides are named "a" (in) and "b" (out) here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer, names, number_between
from featuregeom.errors import ParameterError
from featuregeom.features import off_graph
from featuregeom.formation.alignment import KINDS, Alignment, Kind, of_symmetric
from featuregeom.formation.sides import Sides, Statistic, sides
from featuregeom.formation.symmetric import Symmetric
from featuregeom.interruptible import aside, matmul
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RELATIONS", "Crh", "TiedNull", "crh", "stationarity"]

Floats = NDArray[np.float64]

RELATIONS: dict[str, tuple[str, str]] = {
    "RGA_a": ("H_a", "G_a"),
    "RWA_a": ("H_a", "Z_a"),
    "GWA_a": ("G_a", "Z_a"),
    "RGA_b": ("H_b", "G_b"),
    "RWA_b": ("H_b", "Z_b"),
    "GWA_b": ("G_b", "Z_b"),
}
"""The two matrices that each relation says are proportional."""


@summarised
@dataclass(frozen=True, eq=False)
class TiedNull:
    """What random weights give that keep the singular values of W, with the same H_a and G_b.

    H_b = W H_a Wᵀ ties the two sides of a relation to each other, so that some alignments are near 1 before any
    training; rotations of one matrix against the other, the closed-form null, do not know of that.

    Attributes
    ----------
    mean, std : float
        Over the draws.
    p : float
        (1 + draws that reach the value) / (1 + draws).
    n_draws : int
        Draws of W' = U S Vᵀ with U and V uniform.
    """

    mean: float
    std: float
    p: float
    n_draws: int


@summarised
@dataclass(frozen=True, eq=False)
class Crh(Mapping[str, dict[str, Alignment]]):
    """Six alignments of one layer, by relation and kind: ``found["RGA_b"]["cosine"].value``.

    Attributes
    ----------
    alignments : dict of str to dict of str to Alignment
        By relation (`RELATIONS`) and kind.
    tied : dict of (str, str) to TiedNull
        By relation and kind; empty with ``n_draws=0``.
    flatness_a, flatness_b : float
        Participation ratio over rank of Wᵀ W and of W Wᵀ: 1 if all singular values that are not 0 are equal,
        which all six relations at once need.
    stationarity : float
        ‖E[g_b h_aᵀ] − γ W‖ / ‖γ W‖, how far the layer is from where weight decay and gradient balance; NaN without
        `weight_decay`.
    statistic : str
        Which moments.
    """

    alignments: dict[str, dict[str, Alignment]]
    tied: dict[tuple[str, str], TiedNull]
    stationarity: float
    statistic: str
    _Z: tuple[Symmetric, Symmetric] = field(repr=False)

    @cached_property
    def flatness_a(self) -> float:
        """Participation ratio over rank of Wᵀ W (d³ operations when first asked for)."""
        return _flatness(self._Z[0])

    @cached_property
    def flatness_b(self) -> float:
        """Participation ratio over rank of W Wᵀ."""
        return _flatness(self._Z[1])

    def __getitem__(self, relation: str) -> dict[str, Alignment]:
        return self.alignments[relation]

    def __iter__(self) -> Iterator[str]:
        return iter(self.alignments)

    def __len__(self) -> int:
        return len(self.alignments)

    def to_frame(self) -> pd.DataFrame:
        """Give a row for each relation and kind, with both nulls."""
        import pandas as pd

        rows = []
        for relation, by_kind in self.alignments.items():
            for kind, found in by_kind.items():
                tied = self.tied.get((relation, kind))
                rows.append({
                    "relation": relation, "kind": kind, "statistic": self.statistic, "value": found.value,
                    "null_mean": found.null_mean, "null_std": found.null_std, "z": found.z, "p": found.p,
                    "tied_mean": tied.mean if tied else np.nan, "tied_std": tied.std if tied else np.nan,
                    "tied_p": tied.p if tied else np.nan,
                    "initial": np.nan if found.initial is None else found.initial,
                })  # fmt: skip
        return pd.DataFrame(rows)


def crh(
    moments: Any,
    W: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    statistic: Statistic = "raw",
    kinds: Sequence[Kind] = KINDS,
    weight_decay: float | None = None,
    initial: Crh | None = None,
    n_draws: int = 0,
    seed: int = 0,
) -> Crh:
    """Measure the six relations of the Canonical Representation Hypothesis in one layer.

    Parameters
    ----------
    moments : LayerMoments or any object with ``H_a`` and ``G_b``
        As `collect` gives; see `sides` for what else is needed when.
    W : array-like, shape (d_b, d_a), optional
        The map, h_b = W h_a + bias; by default ``moments.W``.
    bias : array-like, shape (d_b,), optional
        By default ``moments.bias``, none if the moments have none.
    statistic : {"raw", "centred", "normalised"}
        Second moments as in the theory, covariances, or covariances of vectors of unit length as in the published
        experiments. Much of a reported alignment can come from the last.
    kinds : sequence of {"cosine", "pearson", "deviatoric"}
        See `alignment`.
    weight_decay : float, optional
        γ of a loss + γ/2 ‖W‖², for the residual of stationarity.
    initial : Crh, optional
        The same measurement before training, which becomes ``initial`` of each alignment.
    n_draws : int
        Draws of random weights for the second null, see `TiedNull`; each costs some ten products of matrices.
    seed : int
        Of the draws.

    Returns
    -------
    Crh
        Alignments by relation and kind.

    Raises
    ------
    ParameterError, ShapeError
        If something that is needed is missing, zero or of another shape.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> found = crh(SimpleNamespace(H_a=np.eye(2), G_b=np.eye(2)), np.diag([1.0, 2.0]))
    >>> round(found["RWA_b"]["cosine"].value, 4), round(found["RGA_a"]["cosine"].value, 4)
    (1.0, 0.8575)
    """
    n_draws, seed = integer("n_draws", n_draws, 0), integer("seed", seed, 0)
    names("kinds", kinds, KINDS)
    six = sides(moments, W, bias, statistic)
    checked = {name: Symmetric(getattr(six, name), name) for name in sorted({*sum(RELATIONS.values(), ())})}
    found: dict[str, dict[str, Alignment]] = {}
    for relation, (one, other) in RELATIONS.items():
        found[relation] = {
            kind: of_symmetric(
                checked[one], checked[other], kind, None if initial is None else initial[relation][kind].value
            )
            for kind in kinds
        }
    tied: dict[tuple[str, str], TiedNull] = {}
    if n_draws:
        if statistic == "normalised":
            raise ParameterError(
                "random weights give no vectors of unit length from moments alone: ask for statistic='raw' or "
                "'centred' with n_draws"
            )
        tied = _tied(moments, six, _weights_of(moments, W), bias, statistic, found, n_draws, seed)
    return Crh(
        found,
        tied,
        float("nan") if weight_decay is None else stationarity(moments, W, weight_decay=weight_decay),
        statistic,
        (checked["Z_a"], checked["Z_b"]),
    )


def stationarity(moments: Any, W: ArrayLike | None = None, *, weight_decay: float) -> float:
    """Tell how far a layer is from the point where weight decay and gradient balance.

    The proofs of the hypothesis assume it, and no published measurement checks it.

    Parameters
    ----------
    moments : LayerMoments or any object with ``weight_step``
        ``weight_step`` is E[g_b h_aᵀ], minus the gradient of the mean loss.
    W : array-like, shape (d_b, d_a), optional
        By default ``moments.W``.
    weight_decay : float
        γ of a loss + γ/2 ‖W‖² (``weight_decay`` of plain SGD).

    Returns
    -------
    float
        ‖E[g_b h_aᵀ] − γ W‖ / ‖γ W‖; 0 at a stationary point.
    """
    weight_decay = number_between("weight_decay", weight_decay, 0.0)
    weights = _weights_of(moments, W)
    step = getattr(moments, "weight_step", None)
    if step is None or getattr(moments, "gradient", "empirical") != "empirical":
        raise ParameterError(
            "the residual of stationarity needs the gradient of the loss: collect(..., gradient='empirical')"
        )
    return float(
        np.linalg.norm(np.asarray(step) - weight_decay * weights) / (weight_decay * np.linalg.norm(weights))
    )


def _weights_of(moments: Any, W: ArrayLike | None) -> Floats:
    given = moments.W if W is None else W
    return np.asarray(off_graph(given), dtype=np.float64)


def _flatness(Z: Symmetric) -> float:
    values = Z.eigenvalues
    rank = int((values > values[-1] * Z.d * np.finfo(np.float64).eps).sum())
    return Z.participation / rank


def _tied(
    moments: Any,
    six: Sides,
    W: Floats,
    bias: ArrayLike | None,
    statistic: Statistic,
    found: dict[str, dict[str, Alignment]],
    n_draws: int,
    seed: int,
) -> dict[tuple[str, str], TiedNull]:
    """Draw weights with the singular values of W, and align what follows from them."""
    rng = np.random.default_rng(seed)
    singular = aside(np.linalg.svd, W, compute_uv=False)
    drawn: dict[tuple[str, str], list[float]] = {
        (relation, kind): [] for relation, by_kind in found.items() for kind in by_kind
    }
    for _ in range(n_draws):
        left, right = (_frame(rng, size, len(singular)) for size in W.shape)
        random = sides(moments, matmul(left * singular, right.T), bias, statistic)
        checked = {name: Symmetric(getattr(random, name), name) for name in vars(random)}
        for relation, kind in drawn:
            one, other = RELATIONS[relation]
            drawn[relation, kind].append(of_symmetric(checked[one], checked[other], kind).value)  # type: ignore[arg-type]
    given = {}
    for (relation, kind), values in drawn.items():
        reached = int(np.sum(np.array(values) >= found[relation][kind].value))
        given[relation, kind] = TiedNull(
            float(np.mean(values)), float(np.std(values)), (1 + reached) / (1 + n_draws), n_draws
        )
    return given


def _frame(rng: np.random.Generator, d: int, k: int) -> Floats:
    """Uniformly random orthonormal columns, shape (d, k)."""
    q, r = aside(np.linalg.qr, rng.standard_normal((d, k)))
    return np.asarray(q * np.sign(np.diag(r)))
