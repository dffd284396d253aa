"""Toy models of superposition: many ReLU autoencoders trained at once as one batched computation (torch).

A toy squeezes n sparse features through m < n dimensions and has to recover them with the same weights,

    x' = ReLU(W W^T x + b),        loss = E[ sum_j I_j (x_j - x'_j)^2 ],

where row i of W (n x m) is the direction of feature i (the papers write one feature per column, W^T W) and
I_j is its importance. The features are independent: x_j is uniform on [0, 1] with probability 1 - S and
else 0, with S the sparsity.

One uniform number gives a feature both its state and its value. With u uniform on [0, 1) and p = 1 - S, the
event u < p has probability p, and given it u / p is uniform on [0, 1). All instances of a run see the same u,
each cut at its own p (common random numbers): restarts then differ in their initial weights alone, a sweep
over S compares like with like, and a step draws batch_size x n numbers however many instances there are.

References
----------
Elhage et al. (2022), "Toy Models of Superposition", Transformer Circuits Thread.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import MissingExtraError, ParameterError, ShapeError
from featuregeom.toys.one_active import one_active_loss

__all__ = ["HELD_OUT", "DType", "Progress", "Schedule", "Toy", "loss", "one_active_loss", "sample", "train"]

Schedule = Literal["cosine", "exponential", "constant"]
"""How the learning rate runs from `learning_rate`: half a cosine down to 0, exponentially down to a
thousandth, or constant."""

DType = Literal["float32", "float64"]
"""The element types that a toy can be trained in."""

Progress = Callable[[int, int], object]
"""Called with (steps done, steps in all)."""

HELD_OUT: Final = 1 << 18
"""Number of held-out inputs on which the loss of a trained toy is evaluated."""


@dataclass(frozen=True, eq=False)
class Toy:
    """A batch of trained toy models; see the module for the notation.

    Attributes
    ----------
    W : ndarray of float32, shape (n_instances, n_features, n_hidden)
        One feature per row.
    b : ndarray of float32, shape (n_instances, n_features)
        Biases.
    loss : ndarray of float64, shape (n_instances,)
        Loss of exactly these `W` and `b` on `HELD_OUT` inputs that no step has seen, the same ones (up to
        sparsity) for every instance, so restarts compare without sampling noise between them.
    sparsity : ndarray of float64, shape (n_instances,)
        Probability that a feature is 0.
    importance : ndarray of float64, shape (n_instances, n_features)
        Weight of each feature in the loss.
    seed : int
        Seed of the run.
    steps : int
        Number of steps taken.
    """

    W: NDArray[np.float32]
    b: NDArray[np.float32]
    loss: NDArray[np.float64]
    sparsity: NDArray[np.float64]
    importance: NDArray[np.float64]
    seed: int
    steps: int


def sample(n_features: int, sparsity: float, size: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Draw sparse inputs: x_j = u / (1 - S) where u < 1 - S, else 0, with u uniform on [0, 1).

    Parameters
    ----------
    n_features : int
        Number of features, at least 1.
    sparsity : float
        Probability S that a feature is 0, in [0, 1).
    size : int
        Number of inputs, at least 1.
    seed : int
        Seed of the draw, at least 0. The same seed gives the same u for every sparsity.

    Returns
    -------
    ndarray, shape (size, n_features)
        One input per row.

    Raises
    ------
    ParameterError
        If an argument is outside its range.
    """
    shape = (_integer("size", size, 1), _integer("n_features", n_features, 1))
    density = 1.0 - float(_sparsity(sparsity, 1)[0])
    u = np.random.default_rng(_integer("seed", seed, 0)).random(shape)
    return np.where(u < density, u / density, 0.0)


def loss(W: ArrayLike, b: ArrayLike, x: ArrayLike, importance: ArrayLike | None = None) -> float:
    """Loss of one toy, mean over the inputs of sum_j I_j (x_j - ReLU(W W^T x + b)_j)^2, in float64.

    Two exact values, for features of importance 1: a dropped feature (row of W zero, bias at the mean
    (1 - S) / 2) costs its variance (1 - S)(1 + 3 S) / 12, and each feature of an antipodal pair of unit
    vectors at bias 0 costs (1 - S)^2 / 6.

    Parameters
    ----------
    W : array_like, shape (n_features, n_hidden)
        One feature per row.
    b : array_like, shape (n_features,)
        Biases.
    x : array_like, shape (size, n_features)
        Inputs, one per row.
    importance : array_like, shape (n_features,), optional
        Weight of each feature; 1 unless given.

    Returns
    -------
    float
        The loss.

    Raises
    ------
    ShapeError
        If the shapes do not fit together.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".
    """
    weights, bias, inputs = (np.asarray(array, dtype=np.float64) for array in (W, b, x))
    scale = np.ones_like(bias) if importance is None else np.asarray(importance, dtype=np.float64)
    n = weights.shape[0] if weights.ndim == 2 else -1
    if (
        bias.shape != (n,)
        or scale.shape != (n,)
        or inputs.ndim != 2
        or inputs.shape[1] != n
        or not len(inputs)
    ):
        raise ShapeError(
            "W (n, m), b (n,), x (size, n) and importance (n,) do not fit together: "
            f"{weights.shape}, {bias.shape}, {inputs.shape} and {scale.shape}"
        )
    output = np.maximum(inputs @ (weights @ weights.T) + bias, 0.0)
    return float(np.mean((inputs - output) ** 2, axis=0) @ scale)


def train(
    n_features: int,
    n_hidden: int,
    *,
    sparsity: ArrayLike,
    n_instances: int = 1,
    importance: ArrayLike | None = None,
    steps: int = 10_000,
    batch_size: int = 1024,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    schedule: Schedule = "cosine",
    seed: int = 0,
    device: str | None = None,
    dtype: DType = "float32",
    progress: Progress | None = None,
) -> Toy:
    """Train `n_instances` toy models of one shape together, by AdamW on freshly drawn batches.

    The weights start Xavier normal, with variance 2 / (n_features + n_hidden), and the biases at 0. The loss
    of an instance is the mean over the batch of sum_j I_j (x_j - x'_j)^2; instances do not interact.

    The same arguments on the same machine, with the same number of torch threads, give the same bits, and no
    global random generator is read or changed. Neither the initial weights nor the inputs of instance k
    depend on `n_instances`, so a run with more instances repeats those of a smaller one, to rounding: the
    batched products may add up in another order.

    Parameters
    ----------
    n_features, n_hidden : int
        Number of features n and of dimensions m, each at least 1.
    sparsity : float or array_like of shape (n_instances,)
        Probability S that a feature is 0, in [0, 1).
    n_instances : int
        Number of models, at least 1.
    importance : array_like, shape (n_features,) or (n_instances, n_features), optional
        Weights I_j of the features in the loss, finite and at least 0; 1 unless given.
    steps : int
        Number of steps, at least 1.
    batch_size : int
        Inputs per step, at least 1.
    learning_rate : float
        Learning rate of the first step, above 0.
    weight_decay : float
        AdamW's decoupled weight decay, at least 0. The default 0 leaves the minimum of the loss where it is.
    schedule : {"cosine", "exponential", "constant"}
        Course of the learning rate. As it falls, the steps average the sampling noise of the batches away,
        and the degenerate eigenvalues of a symmetric geometry come together. The exponential, which falls by
        the same factor in every stretch of the run, gives directions of every curvature a long average: in
        the gallery's toys it halves the gaps that a cosine leaves. It travels less far, so start it higher.
    seed : int
        Seed of everything that is drawn, at least 0.
    device : str, optional
        A torch device; the CPU unless given. Each kind of device has its own random stream.
    dtype : {"float32", "float64"}
        Element type of the training; the result is float32 either way.
    progress : callable, optional
        Called as ``progress(done, steps)`` about a hundred times; what it raises ends the run.

    Returns
    -------
    Toy
        The trained models.

    Raises
    ------
    ParameterError
        If an argument is outside its range.
    MissingExtraError
        If torch is not installed.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition"; Loshchilov & Hutter (2019), "Decoupled Weight Decay
    Regularization" (AdamW) and (2017) "SGDR" (the cosine schedule).
    """
    n, m = _integer("n_features", n_features, 1), _integer("n_hidden", n_hidden, 1)
    n_instances = _integer("n_instances", n_instances, 1)
    steps, batch_size = _integer("steps", steps, 1), _integer("batch_size", batch_size, 1)
    seed = _integer("seed", seed, 0)
    sparsities = _sparsity(sparsity, n_instances)
    importances = _importance(importance, n_instances, n)
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ParameterError(f"learning_rate must be finite and above 0, got {learning_rate!r}")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise ParameterError(f"weight_decay must be finite and at least 0, got {weight_decay!r}")
    _choice("schedule", schedule, get_args(Schedule))
    _choice("dtype", dtype, get_args(DType))

    torch = _torch()
    try:
        where = torch.device("cpu" if device is None else device)
        init, batches = torch.Generator(), torch.Generator(where)
    except (RuntimeError, TypeError) as error:
        raise ParameterError(
            f"device must name a torch device of this machine, got {device!r}: {error}"
        ) from error
    kind: dict[str, Any] = {"dtype": getattr(torch, dtype), "device": where}
    init_seed, batch_seed, held_out_seed = map(int, np.random.SeedSequence(seed).generate_state(3))
    init.manual_seed(init_seed)
    batches.manual_seed(batch_seed)

    # One draw per instance, for the reason that the docstring gives.
    W = torch.stack([torch.randn(n, m, generator=init) for _ in range(n_instances)])
    W = (W * math.sqrt(2 / (n + m))).to(**kind).requires_grad_()
    b = torch.zeros(n_instances, n, **kind).requires_grad_()
    density = torch.tensor(1 - sparsities, **kind)[:, None, None]
    if np.ptp(sparsities) == 0:
        density = density[0]  # Every instance sees the same x: one (n, batch_size) matrix serves them all.
    weight = torch.tensor(importances, **kind)[:, :, None] / batch_size
    optimizer = torch.optim.AdamW([W, b], lr=learning_rate, weight_decay=weight_decay)
    stride = max(1, steps // 100)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * _decay(schedule, step / steps)
        # Inputs as columns: the inner loops of the products and of their gradients then run along the batch.
        u = torch.rand(n, batch_size, generator=batches, **kind)
        x = torch.where(u < density, u / density, 0.0)
        output = torch.relu(torch.baddbmm(b[:, :, None], W, W.mT @ x))
        (weight * (x - output).square()).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        if progress is not None and ((step + 1) % stride == 0 or step + 1 == steps):
            progress(step + 1, steps)

    weights: NDArray[np.float32] = W.detach().cpu().numpy().astype(np.float32)
    biases: NDArray[np.float32] = b.detach().cpu().numpy().astype(np.float32)
    losses = np.empty(n_instances)
    for value in np.unique(sparsities):
        inputs = sample(n, value, HELD_OUT, seed=held_out_seed)
        for k in np.flatnonzero(sparsities == value):
            losses[k] = loss(weights[k], biases[k], inputs, importances[k])
    return Toy(weights, biases, losses, sparsities, importances, seed, steps)


def _decay(schedule: Schedule, progress: float) -> float:
    """Learning rate as a share of the first, `progress` in [0, 1) of the way through the run."""
    if schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    if schedule == "exponential":
        return math.exp(-math.log(1000) * progress)
    return 1.0


def _torch() -> ModuleType:
    """Import torch, or say which extra brings it."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("training toy models needs torch: pip install featuregeom[torch]") from error
    return torch


def _integer(name: str, value: int, least: int) -> int:
    """Return `value` as an int of at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ParameterError(f"{name} must be an integer of at least {least}, got {value!r}")
    return number


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Check that `value` is one of `choices`."""
    if value not in choices:
        raise ParameterError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def _sparsity(sparsity: ArrayLike, n_instances: int) -> NDArray[np.float64]:
    """Return one sparsity per instance."""
    values = _real("sparsity", sparsity)
    if values.shape not in {(), (n_instances,)}:
        raise ParameterError(f"sparsity must be a number or {n_instances} numbers, got shape {values.shape}")
    if not np.all((values >= 0) & (values < 1)):
        raise ParameterError(f"sparsity must be at least 0 and below 1, got {sparsity!r}")
    return np.broadcast_to(values, (n_instances,)).copy()


def _importance(importance: ArrayLike | None, n_instances: int, n_features: int) -> NDArray[np.float64]:
    """Return one importance per instance and feature."""
    values = np.ones(n_features) if importance is None else _real("importance", importance)
    if values.shape not in {(n_features,), (n_instances, n_features)}:
        raise ParameterError(
            f"importance must have shape ({n_features},) or ({n_instances}, {n_features}), got {values.shape}"
        )
    if not np.all(np.isfinite(values) & (values >= 0)):
        raise ParameterError(f"importance must be finite and at least 0, got {importance!r}")
    return np.broadcast_to(values, (n_instances, n_features)).copy()


def _real(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return `value` as an array of float64."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} must be real numbers, got {value!r}") from error
