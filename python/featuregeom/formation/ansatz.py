"""Weights against averages of gradients: the neural feature ansatz in its published forms, and FACT.

The ansatz says that WᵀW is a power of the average gradient outer product AGOP = (1/n) Σ JᵀJ, J = ∂f/∂h_a. Its
definitions differ between papers; `VARIANTS` names them. FACT (Boix-Adsera, Mallinar, Simon and Belkin,
arXiv:2507.05644) is what holds at a stationary point of a loss with weight decay λ, whatever the network: WᵀW =
−(1/(n λ)) Σ ∇_h ℓ hᵀ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import choice, number_between
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import real_numbers
from featuregeom.formation.alignment import Alignment, Kind, alignment
from featuregeom.formation.powers import PowerLaw, power_law
from featuregeom.formation.symmetric import Symmetric
from featuregeom.interruptible import gram, matmul
from featuregeom.summary import summarised

__all__ = ["VARIANTS", "Fact", "Nfa", "Variant", "fact", "nfa"]

Floats = NDArray[np.float64]


@summarised
@dataclass(frozen=True)
class Variant:
    """One published definition of the neural feature ansatz.

    Attributes
    ----------
    power : float
        Of the AGOP.
    kind : str
        How the two matrices are compared, see `alignment`.
    subtract_initial : bool
        Whether the initial weights are taken off first.
    diagonal : bool
        Whether diagonals count.
    source : str
        Where it is defined.
    """

    power: float
    kind: Kind
    subtract_initial: bool
    diagonal: bool
    source: str


VARIANTS: dict[str, Variant] = {
    "radhakrishnan-2022": Variant(1.0, "cosine", True, True, "arXiv:2212.13881, its code"),
    "radhakrishnan-2024": Variant(0.5, "pearson", True, True, "Science 383 (2024), its code"),
    "mallinar-2024": Variant(0.5, "pearson", False, True, "arXiv:2407.20199, its code"),
    "mallinar-2024-off-diagonal": Variant(0.5, "pearson", False, False, "arXiv:2407.20199, its code"),
    "beaglehole-2024": Variant(1.0, "cosine", False, True, "arXiv:2402.05271, uncentred (U-NFC)"),
    "beaglehole-2024-centred": Variant(1.0, "cosine", True, True, "arXiv:2402.05271, centred (C-NFC)"),
}
"""Published definitions of the ansatz, by first author and year. The last takes ΔWᵀ K ΔW for an AGOP: give ``K``."""


@summarised
@dataclass(frozen=True, eq=False)
class Nfa:
    """The neural feature ansatz in one layer.

    Attributes
    ----------
    alignment : Alignment
        Of WᵀW with AGOP^power; its ``value`` is what papers report.
    law : PowerLaw or None
        WᵀW as a power of AGOP, whatever `power` was: 1/L in the first layer of a deep linear network of L
        layers. None where diagonals were dropped.
    power : float
        Of the AGOP in `alignment`.
    variant : str
        Name of the definition; ``"own"`` where options were given one by one.
    """

    alignment: Alignment
    law: PowerLaw | None
    power: float
    variant: str

    @property
    def value(self) -> float:
        """The alignment's value."""
        return self.alignment.value

    @property
    def exponent(self) -> float:
        """The fitted exponent s of WᵀW ≈ c AGOP^s."""
        return float("nan") if self.law is None else self.law.exponent


def nfa(
    W: ArrayLike,
    agop: ArrayLike | None = None,
    variant: str | None = None,
    *,
    power: float = 1.0,
    kind: Kind = "cosine",
    initial: ArrayLike | None = None,
    diagonal: bool = True,
    K: ArrayLike | None = None,
) -> Nfa:
    """Compare WᵀW with a power of the average gradient outer product.

    Parameters
    ----------
    W : array-like, shape (d_b, d_a)
        Weights.
    agop : array-like, shape (d_a, d_a), optional
        Average gradient outer product of the layer's inputs, as `agop` gives.
    variant : str, optional
        One of `VARIANTS`, in place of the other options.
    power, kind, diagonal
        Of AGOP; how to compare, see `alignment`; whether diagonals count.
    initial : array-like, shape (d_b, d_a), optional
        Initial weights, which are taken off W; variants that need them say so.
    K : array-like, shape (d_b, d_b), optional
        In place of `agop`: the second moment of the outputs' Jacobian (``G_b`` of ``collect(...,
        gradient="jacobian")``), from which Wᵀ K W is formed with W as compared, initial weights taken off.

    Returns
    -------
    Nfa
        With ``value``, its nulls in ``alignment``, and ``exponent``.

    Raises
    ------
    ParameterError
        If the variant is unknown, needs initial weights, or neither or both of `agop` and `K` are given.
    ShapeError
        If sizes differ.

    Examples
    --------
    >>> W = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> found = nfa(W, W.T @ W @ W.T @ W, power=0.5)  # two equal linear layers: exponent 1/2
    >>> round(found.value, 6), round(found.exponent, 6)
    (1.0, 0.5)
    """
    name = "own" if variant is None else variant
    if variant is not None:
        choice("variant", variant, VARIANTS)
        chosen = VARIANTS[variant]
        power, kind, diagonal = chosen.power, chosen.kind, chosen.diagonal
        if chosen.subtract_initial and initial is None:
            raise ParameterError(f"variant {variant!r} takes the initial weights off W: pass initial=")
        if not chosen.subtract_initial and initial is not None:
            raise ParameterError(f"variant {variant!r} leaves the initial weights in W: do not pass initial")
    power = number_between("power", power, 0.0)
    weights = _weights(W, initial)
    if (agop is None) == (K is None):
        raise ParameterError("give either agop, of the layer's inputs, or K, of its outputs")
    gradients = (
        real_numbers(agop, "agop") if K is None else matmul(matmul(weights.T, real_numbers(K, "K")), weights)
    )
    product = gram(weights.T)
    if gradients.shape != product.shape:
        raise ShapeError(f"agop has shape {gradients.shape}, and W of {weights.shape} needs {product.shape}")
    raised = _power(gradients, power)
    if not diagonal:
        product, raised = (each - np.diag(np.diag(each)) for each in (product, raised))
    law = power_law(gradients, product, n_draws=0) if diagonal else None
    return Nfa(alignment(product, raised, kind), law, power, name)


def _weights(W: ArrayLike, initial: ArrayLike | None) -> Floats:
    weights = real_numbers(W, "W")
    if weights.ndim != 2:
        raise ShapeError(f"W must be a matrix of shape (d_b, d_a), got shape {weights.shape}")
    if initial is None:
        return weights
    before = real_numbers(initial, "initial")
    if before.shape != weights.shape:
        raise ShapeError(f"initial has shape {before.shape}, and W {weights.shape}")
    if np.array_equal(before, weights):
        raise ParameterError("W is still its initial value, so nothing is left to compare: train first")
    return weights - before


def _power(A: Floats, power: float) -> Floats:
    checked = Symmetric(A, "agop")
    if power == 1:
        return checked.array
    values, vectors = checked.eigh
    if values[0] < -1e-6 * values[-1]:
        raise ParameterError("agop has negative eigenvalues, so it is no average outer product")
    return matmul(vectors * np.maximum(values, 0.0) ** power, vectors.T)


@summarised
@dataclass(frozen=True, eq=False)
class Fact:
    """How well a layer meets the features at convergence theorem.

    Attributes
    ----------
    correlation : float
        Pearson's correlation over entries of WᵀW and the theorem's matrix, as published.
    cosine : float
        Their cosine.
    residual : float
        ‖F − WᵀW‖ / ‖WᵀW‖ with F = −(1/(n λ)) Σ ∇_h ℓ hᵀ: 0 at a stationary point. A correlation of 1 allows any
        factor; this does not.
    asymmetry : float
        ‖F − Fᵀ‖ / (2 ‖F‖): 0 at a stationary point, for WᵀW is symmetric.
    """

    correlation: float
    cosine: float
    residual: float
    asymmetry: float


def fact(moments: Any, W: ArrayLike | None = None, *, weight_decay: float) -> Fact:
    """Compare WᵀW with what gradients and inputs say that it is at convergence.

    Parameters
    ----------
    moments : LayerMoments or any object with ``weight_step``
        ``weight_step`` is E[g_b h_aᵀ] with g_b = −∂ℓ/∂h_b, on the training data; Wᵀ times it is −E[∇_h ℓ hᵀ].
    W : array-like, shape (d_b, d_a), optional
        By default ``moments.W``.
    weight_decay : float
        λ of mean loss + λ/2 ‖W‖².

    Returns
    -------
    Fact
        With ``correlation`` and ``residual``.

    Raises
    ------
    ParameterError
        If the moments have no gradient of the loss, or it is zero.

    Notes
    -----
    Where other layers read h_a, too, ∇_h ℓ here is the part that comes back through W, for which the theorem holds.
    """
    weight_decay = number_between("weight_decay", weight_decay, 0.0)
    given = getattr(moments, "W", None) if W is None else W
    if given is None:
        raise ParameterError("the moments do not say what the weights are: pass W")
    weights = _weights(given, None)
    step = getattr(moments, "weight_step", None)
    if step is None or getattr(moments, "gradient", "empirical") != "empirical":
        raise ParameterError("FACT needs the gradient of the loss: collect(..., gradient='empirical')")
    step = real_numbers(step, "weight_step")
    if step.shape != weights.shape:
        raise ShapeError(f"weight_step has shape {step.shape}, and W {weights.shape}")
    F, product = matmul(weights.T, step) / weight_decay, gram(weights.T)
    size = float(np.linalg.norm(product))
    if not size or not F.any():
        raise ParameterError("the weights or the gradients are zero, so there is nothing to compare")
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = float(np.corrcoef(F.ravel(), product.ravel())[0, 1]) if F.size > 1 else float("nan")
    return Fact(
        correlation,
        float(np.vdot(F, product) / (np.linalg.norm(F) * size)),
        float(np.linalg.norm(F - product) / size),
        float(np.linalg.norm(F - F.T) / (2 * np.linalg.norm(F))),
    )
