"""Toy models of superposition: many ReLU autoencoders trained at once as one batched computation (torch).

A toy squeezes n sparse features through m < n dimensions and has to recover them with the same weights,

    x' = ReLU(W W^T x + b),        loss = E[ sum_j I_j (x_j - x'_j)^2 ],

where row i of W (n x m) is the direction of feature i (the papers write one feature per column, W^T W) and
I_j is its importance. The features are independent: x_j is uniform on [0, 1] with probability 1 - S and
else 0, with S the sparsity.

Other outputs are in `featuregeom.toys.models`, features that depend on each other in `featuregeom.toys.inputs`.

References
----------
Elhage et al. (2022), "Toy Models of Superposition", Transformer Circuits Thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import choice, integer
from featuregeom.errors import ConvergenceError, ParameterError, ShapeError
from featuregeom.summary import summarised
from featuregeom.toys.arguments import (
    finite,
    importances,
    positive,
    real,
    sparsities,
    step_list,
    torch_device,
    torch_module,
)
from featuregeom.toys.course import EarlyStopping, compiled_step
from featuregeom.toys.held_out import held_out_losses
from featuregeom.toys.inputs import Inputs, Sets, sample
from featuregeom.toys.models import Kind, Scratch, gradients, is_signed, predict, target
from featuregeom.toys.one_active import one_active_loss

if TYPE_CHECKING:
    from featuregeom.trajectory import Trajectory

__all__ = [
    "HELD_OUT",
    "Checkpoints",
    "DType",
    "Kind",
    "Progress",
    "Schedule",
    "Toy",
    "loss",
    "one_active_loss",
    "sample",
    "train",
]
__dir__ = __all__.copy

Schedule = Literal["cosine", "exponential", "constant"]
"""How the learning rate runs from `learning_rate`: half a cosine down to 0, exponentially down to a
thousandth, or constant."""

DType = Literal["float32", "float64"]
"""The element types that a toy can be trained in."""

Progress = Callable[[int, int], object]
"""Called with (steps done, steps in all)."""

HELD_OUT: Final = 1 << 18
"""Number of held-out inputs on which the loss of a trained toy is evaluated."""

_TILE: Final = 1 << 22
"""Outputs that a training step computes together on the CPU: it takes the instances in groups of about this many, which
bounds its memory to two arrays of sixteen megabytes. How many instances a group has depends on their shape alone."""


@summarised
@dataclass(frozen=True, eq=False)
class Checkpoints:
    """The parameters of all instances at some steps of a run.

    Attributes
    ----------
    steps : ndarray of int64, shape (T,)
        Steps taken by then, increasing; 0 is the initial state.
    W : ndarray of float32, shape (T, n_instances, n_features, n_hidden)
        One feature per row.
    b : ndarray of float32, shape (T, n_instances, n_features)
        Biases.
    V : ndarray of float32, shape (T, n_instances, n_features, n_hidden), or None
        The second matrix of the kind "abs".
    """

    steps: NDArray[np.int64]
    W: NDArray[np.float32]
    b: NDArray[np.float32]
    V: NDArray[np.float32] | None = None

    def trajectory(self, instance: int = 0, *, tolerance: float | None = None) -> Trajectory:
        """Measure one instance at every checkpoint; see `featuregeom.trajectory.Trajectory`."""
        from featuregeom.trajectory import Trajectory

        instance = integer("instance", instance, 0, self.W.shape[1] - 1)
        return Trajectory(list(self.W[:, instance]), self.steps, tolerance=tolerance)


@summarised
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
        Number of steps taken: fewer than asked for where the run stopped early.
    kind : str
        What the toys compute; see `featuregeom.toys.models`.
    V : ndarray of float32, shape (n_instances, n_features, n_hidden), or None
        The second matrix of the kind "abs".
    checkpoints : Checkpoints or None
        The parameters along the way, where they were asked for.
    loss_error : ndarray of float64, shape (n_instances,), or None
        Standard error of `loss` from the scatter of the held-out inputs; NaN for a single one, None in a toy that
        `train` did not make. For sparse toys it is large, as few inputs make an error: 3 % of the loss of an
        antipodal pair at S = 0.9, 30 % at 0.99. Restarts share the inputs and compare better than that.
    """

    W: NDArray[np.float32]
    b: NDArray[np.float32]
    loss: NDArray[np.float64]
    sparsity: NDArray[np.float64]
    importance: NDArray[np.float64]
    seed: int
    steps: int
    kind: Kind = "relu"
    V: NDArray[np.float32] | None = None
    checkpoints: Checkpoints | None = None
    loss_error: NDArray[np.float64] | None = None


def loss(
    W: ArrayLike,
    b: ArrayLike,
    x: ArrayLike,
    importance: ArrayLike | None = None,
    *,
    kind: Kind = "relu",
    V: ArrayLike | None = None,
) -> float:
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
    x : array_like, shape (n_samples, n_features)
        Inputs, one per row.
    importance : array_like, shape (n_features,), optional
        Weight of each feature; 1 unless given.
    kind : {"relu", "linear", "relu_hidden", "abs"}
        What the toy computes; see `featuregeom.toys.models`.
    V : array_like, shape (n_features, n_hidden), optional
        The second matrix, which the kind "abs" needs and no other has.

    Returns
    -------
    float
        The loss.

    Raises
    ------
    ShapeError
        If the shapes do not fit together.
    ParameterError
        If the kind is unknown, V is missing or out of place, or a value is not a finite real number.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".
    """
    choice("kind", kind, get_args(Kind))
    if (V is None) == (kind == "abs"):
        raise ParameterError(f"V must be given for the kind abs and for no other, got kind {kind!r}")
    weights, bias, inputs = finite("W", W), finite("b", b), finite("x", x)
    second = None if V is None else finite("V", V)
    scale = np.ones_like(bias) if importance is None else finite("importance", importance)
    n = weights.shape[0] if weights.ndim == 2 else -1
    if (
        bias.shape != (n,)
        or scale.shape != (n,)
        or inputs.ndim != 2
        or inputs.shape[1] != n
        or not len(inputs)
        or (second is not None and second.shape != weights.shape)
    ):
        raise ShapeError(
            "W (n, m), b (n,), x (n_samples, n) and importance (n,) do not fit together: "
            f"{weights.shape}, {bias.shape}, {inputs.shape} and {scale.shape}"
            + ("" if second is None else f"; V {second.shape} must have the shape of W")
        )
    error = target(kind, inputs) - predict(kind, weights, bias, inputs, second)
    return float(np.mean(error**2, axis=0) @ scale)


# Long by its 23 arguments, each read once. The loop stays here: it shares nearly all tensors of the set-up.
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
    device: Any = None,
    dtype: DType = "float32",
    kind: Kind = "relu",
    bias: Literal["trained"] | float | None = "trained",
    bias_start: float = 0.0,
    together: Sets | None = None,
    apart: Sets | None = None,
    checkpoints: Sequence[int] | None = None,
    tolerance: float | None = None,
    window: int = 500,
    held_out: int = HELD_OUT,
    compile: bool | str = False,  # noqa: A002
    progress: Progress | None = None,
) -> Toy:
    """Train `n_instances` toy models of one shape together, by AdamW on freshly drawn batches.

    The weights start Xavier normal, with variance 2 / (n_features + n_hidden), and the biases at `bias_start`. The loss
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
    device : str or torch.device, optional
        Any torch device; the CPU unless given. Each kind of device has its own random stream.
    dtype : {"float32", "float64"}
        Element type of the training; the result is float32 either way.
    kind : {"relu", "linear", "relu_hidden", "abs"}
        What the toys compute; see `featuregeom.toys.models`.
    bias : "trained", float or None
        Biases are trained, or all held at a number; None is no bias, which is 0.
    bias_start : float
        Where trained biases start; held ones do not start anywhere, so it must then be 0.
    together, apart : sequence of sequences of int, optional
        Sets of features that occur only together, or never two at once; see `sample`.
    checkpoints : sequence of int, optional
        Steps, from 0 to `steps`, after which the parameters are kept; a run that stops early has no later ones.
    tolerance : float, optional
        Stop when no instance's loss has fallen by more than this share of it from one `window` to the next,
        each a mean over its steps. All instances stop together. A mean over the window still has sampling
        noise: a tolerance below it stops the run early or late by chance. By default no run stops early.
    window : int
        Steps over which the loss is averaged for `tolerance`, at least 1.
    held_out : int
        Number of held-out inputs on which the final loss is taken.
    compile : bool or str
        Compile the step by ``torch.compile``, with the backend that a string names. It pays on accelerators
        and in long runs of wide toys. Bits may then differ from those without. Where there is no compiler the
        run goes on without, with a warning.
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
    ConvergenceError
        If the parameters of an instance become infinite or NaN; it names the instance, and the steps between which
        that happened.
    MissingExtraError
        If torch is not installed.

    Notes
    -----
    A step costs about 10 n m operations for each instance and input. On the CPU memory is a few arrays of
    n x batch_size for each of as many instances as sixteen megabytes hold, on other devices for all of them.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition"; Loshchilov & Hutter (2019), "Decoupled Weight Decay
    Regularization" (AdamW) and (2017) "SGDR" (the cosine schedule).
    """
    n, m = integer("n_features", n_features, 1), integer("n_hidden", n_hidden, 1)
    n_instances = integer("n_instances", n_instances, 1)
    steps, batch_size = integer("steps", steps, 1), integer("batch_size", batch_size, 1)
    seed, window = integer("seed", seed, 0), integer("window", window, 1)
    held_out = integer("held_out", held_out, 1)
    sparsity = sparsities(sparsity, n_instances)
    importance = importances(importance, n_instances, n)
    learning_rate = positive("learning_rate", learning_rate)
    weight_decay = positive("weight_decay", weight_decay, zero=True)
    tolerance = None if tolerance is None else positive("tolerance", tolerance)
    choice("schedule", schedule, get_args(Schedule))
    choice("dtype", dtype, get_args(DType))
    choice("kind", kind, get_args(Kind))
    if not (isinstance(compile, bool | str) or callable(compile)):
        raise ParameterError(f"compile must be True, False or a backend of torch.compile, got {compile!r}")
    if progress is not None and not callable(progress):
        raise ParameterError(f"progress must be a function of two numbers, got {progress!r}")
    held_bias, first_bias = _biases(bias, bias_start)
    keep = step_list("checkpoints", checkpoints, steps)
    inputs = Inputs.read(n, together, apart, signed=is_signed(kind))
    inputs.check(sparsity)

    torch = torch_module()
    where = torch_device(torch, device)
    init, batches = torch.Generator(), torch.Generator(where)
    options: dict[str, Any] = {"dtype": getattr(torch, dtype), "device": where}
    init_seed, batch_seed, held_out_seed = map(int, np.random.SeedSequence(seed).generate_state(3))
    init.manual_seed(init_seed)
    batches.manual_seed(batch_seed)

    # One draw per instance, for the reason that the docstring gives.
    n_matrices = 2 if kind == "abs" else 1
    drawn = torch.stack([torch.randn(n_matrices, n, m, generator=init) for _ in range(n_instances)], dim=1)
    matrices = [(A * math.sqrt(2 / (n + m))).to(**options) for A in drawn]
    W, V = matrices[0], matrices[1] if n_matrices == 2 else None
    b = torch.full((n_instances, n), first_bias, **options)
    parameters = (W, b, V)
    trained = [*matrices, *([b] if held_bias is None else [])]
    for tensor in trained:
        tensor.grad = torch.zeros_like(tensor)
    density = torch.tensor(1 - sparsity, **options)[:, None, None]
    if np.ptp(sparsity) == 0:
        density = density[0]  # Every instance sees the same x: one (n, batch_size) matrix serves them all.
    weight = torch.tensor(importance, **options) / batch_size
    fused = {"fused": True} if where.type in ("cpu", "cuda") else {}
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=weight_decay, **fused)

    together_at_once = n_instances if where.type != "cpu" else max(1, _TILE // (n * batch_size))
    groups = [slice(k, k + together_at_once) for k in range(0, n_instances, together_at_once)]
    step_gradients = compiled_step(torch, gradients, compile) if compile else gradients
    # A compiler plans its memory itself.
    scratch = None if compile else Scratch.of(torch, W[groups[0]], batch_size)
    stop = (
        None if tolerance is None else EarlyStopping(tolerance, window, torch.zeros(n_instances, **options))
    )
    kept = [tuple(map(_array, parameters))] if 0 in keep else []
    stride, taken, checked = max(1, steps // 100), steps, 0
    u = torch.empty(n, batch_size, **options)
    losses = torch.zeros(n_instances, **options)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * _decay(schedule, step / steps)
        # Inputs as columns: the inner loops of the products and of their gradients then run along the batch.
        torch.rand(n, batch_size, generator=batches, out=u)
        shared = inputs.cut(u, density, torch) if density.ndim == 2 else None
        for part in groups:
            x = inputs.cut(u, density[part], torch) if shared is None else shared
            other = None if V is None else V[part]
            memory = None if scratch is None else scratch.first(len(W[part]))
            found = step_gradients(
                torch, kind, W[part], b[part], x, other, weight[part], stop is not None, memory
            )
            for tensor, gradient in zip(parameters, found, strict=False):
                if tensor is not None and tensor.grad is not None:
                    tensor.grad[part] = gradient
            if stop is not None:
                losses[part] = found[3]
        optimizer.step()
        if step + 1 in keep:
            kept.append(tuple(map(_array, parameters)))
        stopping = stop is not None and stop.after(losses)
        if (step + 1) % stride == 0 or step + 1 == steps or stopping:
            _check_converging(parameters, checked, step + 1)
            checked = step + 1
            if progress is not None:
                progress(step + 1, steps)
        if stopping:
            taken = step + 1
            break

    rounded = [None if part is None else part.to(torch.float32) for part in parameters]
    found_losses, loss_errors = held_out_losses(
        torch, kind, rounded, sparsity, importance, inputs, held_out, held_out_seed
    )
    weights, biases, second = map(_array, parameters)
    along = None
    if keep:
        taken_at = np.array(keep[: len(kept)], dtype=np.int64)
        W_kept, b_kept, V_kept = zip(*kept, strict=True)
        along = Checkpoints(
            taken_at, np.array(W_kept), np.array(b_kept), None if V is None else np.array(V_kept)
        )
    return Toy(
        weights, biases, found_losses, sparsity, importance, seed, taken, kind, second, along, loss_errors
    )


def _biases(bias: Literal["trained"] | float | None, start: float) -> tuple[float | None, float]:
    """Return the value at which biases are held (None where they are trained) and the value at which they start."""
    first = real("bias_start", start)
    if first.ndim or not np.isfinite(first):
        raise ParameterError(f"bias_start must be a finite number, got {start!r}")
    if isinstance(bias, str) and bias == "trained":
        return None, float(first)
    value = real("bias", 0.0 if bias is None else bias)
    if value.ndim or not np.isfinite(value):
        raise ParameterError(f'bias must be "trained", a finite number or None, got {bias!r}')
    if first:
        raise ParameterError(f"biases that are held at {float(value):g} cannot start at {float(first):g}")
    return float(value), float(value)


def _array(tensor: Any) -> Any:
    """Return a tensor's numbers as float32, None for None."""
    # A copy: on the CPU the tensor's memory would go on changing under a checkpoint.
    return None if tensor is None else tensor.detach().cpu().numpy().astype(np.float32, copy=True)


def _check_converging(parameters: tuple[Any, Any, Any], last: int, step: int) -> None:
    """Raise if the loss of an instance is no longer finite."""
    for tensor in parameters:
        if tensor is not None:
            lost = ~tensor.isfinite().flatten(1).all(1)
            if bool(lost.any()):
                instance = int(lost.nonzero()[0, 0])
                raise ConvergenceError(
                    f"training diverged: the parameters of instance {instance} ceased to be finite between steps "
                    f"{last} and {step}; take a smaller learning_rate"
                )


def _decay(schedule: Schedule, progress: float) -> float:
    """Learning rate as a share of the first, `progress` in [0, 1) of the way through the run."""
    if schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    if schedule == "exponential":
        return math.exp(-math.log(1000) * progress)
    return 1.0
