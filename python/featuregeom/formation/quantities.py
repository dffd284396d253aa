"""What a recorder can measure in one layer: each quantity by name, with its value and its nulls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from featuregeom.errors import ParameterError
from featuregeom.formation.ansatz import fact, nfa
from featuregeom.formation.canonical import crh, stationarity
from featuregeom.formation.entropy import entropy_null
from featuregeom.formation.moments import LayerMoments
from featuregeom.formation.powers import power_phase
from featuregeom.interruptible import eigvalsh

__all__ = ["QUANTITIES", "Asked", "Measured", "measure_layer"]


@dataclass(frozen=True)
class Measured:
    """One number of one layer.

    Attributes
    ----------
    quantity : str
        What it is, such as ``"RGA_b cosine"``.
    value : float
        The number.
    null_mean, null_std : float
        What chance gives: random rotations for alignments, Gaussian rows for entropies; NaN where there is no null.
    tied_mean, tied_std : float
        What random weights of the same singular values give, see `TiedNull`.
    low, high : float
        Ends of an interval, where there is one.
    """

    quantity: str
    value: float
    null_mean: float = float("nan")
    null_std: float = float("nan")
    tied_mean: float = float("nan")
    tied_std: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class Asked:
    """How layers are measured.

    Attributes
    ----------
    kinds : tuple of str
        Of alignments.
    statistic : str
        Of moments, see `crh`.
    weight_decay : float or None
        Weight decay.
    n_draws : int
        Draws of the second null.
    n_resamples : int
        Draws of the bootstrap of exponents.
    seed : int
        Of draws.
    """

    kinds: tuple[Any, ...]
    statistic: Any
    weight_decay: float | None
    n_draws: int
    n_resamples: int
    seed: int


def _crh(moments: LayerMoments, asked: Asked, K: Any) -> Iterator[Measured]:
    found = crh(moments, statistic=asked.statistic, kinds=asked.kinds, n_draws=asked.n_draws, seed=asked.seed)
    for relation, by_kind in found.items():
        for kind, one in by_kind.items():
            tied = found.tied.get((relation, kind))
            yield Measured(
                f"{relation} {kind}", one.value, one.null_mean, one.null_std,
                tied.mean if tied else float("nan"), tied.std if tied else float("nan"),
            )  # fmt: skip


def _exponents(moments: LayerMoments, asked: Asked, K: Any) -> Iterator[Measured]:
    found = power_phase(moments, n_draws=asked.n_resamples, seed=asked.seed)
    for side, law in found.laws.items():
        yield Measured(f"exponent {side}", law.exponent, low=law.interval[0], high=law.interval[1])
        yield Measured(f"exponent {side} r2", law.r2)
    yield Measured("closure H", found.closure_h)
    yield Measured("closure G", found.closure_g)


def _fact(moments: LayerMoments, asked: Asked, K: Any) -> Iterator[Measured]:
    if asked.weight_decay is None or asked.weight_decay <= 0:
        raise ParameterError(
            "quantity 'fact' needs the weight decay of the training: pass weight_decay, above 0"
        )
    found = fact(moments, weight_decay=asked.weight_decay)
    yield Measured("FACT correlation", found.correlation)
    yield Measured("FACT residual", found.residual)
    yield Measured("stationarity", stationarity(moments, weight_decay=asked.weight_decay))


def _nfa(moments: LayerMoments, asked: Asked, K: Any) -> Iterator[Measured]:
    for power in (1.0, 0.5):
        found = nfa(moments.W, K=K, kind="pearson", power=power)
        null = found.alignment
        yield Measured(f"NFA correlation {power:g}", null.value, null.null_mean, null.null_std)
    yield Measured("NFA exponent", found.exponent)


def _entropy(moments: LayerMoments, asked: Asked, K: Any) -> Iterator[Measured]:
    assert moments.normalised is not None
    unit = moments.normalised["h_a"]
    values = eigvalsh(unit.second())
    values = values[values > values[-1] * len(values) * np.finfo(np.float64).eps]
    values = values / values.sum()
    yield Measured("entropy", -float((values * np.log(values)).sum()), entropy_null(unit.n, unit.d))


QUANTITIES: dict[str, Callable[[LayerMoments, Asked, Any], Iterator[Measured]]] = {
    "crh": _crh,
    "exponents": _exponents,
    "fact": _fact,
    "nfa": _nfa,
    "entropy": _entropy,
}
"""What a `Recorder` measures in each layer, by name; ``"collapse"`` and ``"loss"`` are of the whole model."""


def measure_layer(moments: LayerMoments, K: Any, quantities: tuple[str, ...], asked: Asked) -> list[Measured]:
    """Measure a layer; `K` is the second moment of its outputs' Jacobian, which ``"nfa"`` needs."""
    return [
        found for name in quantities if name in QUANTITIES for found in QUANTITIES[name](moments, asked, K)
    ]
