"""Moments of the linear layers of a model: one pass over data, forward and backward."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from featuregeom.arguments import choice, integer, names
from featuregeom.errors import ParameterError
from featuregeom.formation.losses import (
    GRADIENTS,
    Batch,
    Gradient,
    Losses,
    Reduction,
    batch_of,
    check_batches,
)
from featuregeom.formation.moments import LayerMoments
from featuregeom.formation.watching import Calls, Gathered, Watch
from featuregeom.networks.batches import placing
from featuregeom.networks.extra import torch_module
from featuregeom.networks.modules import check_module, eager
from featuregeom.networks.state import on_trial

if TYPE_CHECKING:
    import torch

__all__ = ["collect"]


# Long by its signature, its words and its checks in the order of what costs more.
def collect(
    model: torch.nn.Module,
    batches: Iterable[Any],
    loss: Any = None,
    *,
    modules: Sequence[str] | None = None,
    gradient: Gradient = "empirical",
    reduction: Reduction | None = None,
    terms: Callable[[Any, Any], int] | None = None,
    mask: Callable[[Any], Any] | None = None,
    sample: Callable[[Any, Any, torch.Generator], Any] | None = None,
    n_probes: int | None = None,
    normalised: bool = False,
    evaluate: bool = False,
    device: Any = None,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> dict[str, LayerMoments]:
    """Gather the moments of inputs and of outputs' gradients of linear layers, in one pass.

    Parameters
    ----------
    model : torch.nn.Module
        Any whose inputs do not influence each other within a batch.
    batches : iterable
        Of ``(inputs, targets)``; of mappings (as tokenizers give), from which the model gets the entries that
        it takes and the loss all; or of inputs alone. A DataLoader, a list.
    loss : callable, optional
        ``loss(output, target)``. By default the ``loss`` of the model's output, as models of transformers give
        it. Not used with ``gradient="jacobian"``.
    modules : sequence of str, optional
        Names of Linear, Conv1d to Conv3d, Conv1D (transformers) or MultiheadAttention; by default all of them
        that are called.
    gradient : {"empirical", "fisher", "jacobian"}
        Of the loss at the targets; of the loss at targets drawn from the model's own prediction; of each
        output, where G_b sums over outputs.
    reduction : {"mean", "sum", "none"}, optional
        Whether the loss is a mean or a sum over samples: by default what its attribute ``reduction`` says. It is
        tried out on doubled data where outputs and targets are tensors; ``"mean"`` is the default where not.
    terms : callable, optional
        ``terms(output, target)``, the number of terms that the mean is over, where it is not the number of samples:
        tokens that are not ignored, say. Each term is a sample then, as far as gradients are concerned.
    mask : callable, optional
        ``mask(batch)`` gives which tokens count, shape (samples, tokens); by default the batch's
        ``attention_mask``.
    sample : callable, optional
        ``sample(output, target, generator)`` draws targets for ``"fisher"``; by default classes by the softmax
        of the output.
    n_probes : int, optional
        With ``"jacobian"``: random signs over all outputs in place of one backward pass for each (unbiased).
    normalised : bool
        Gather covariances of vectors of unit length, too, as published experiments have them.
    evaluate : bool
        Put the model into eval mode while measuring. Without it, dropout and batch normalisation in train mode
        are refused, for they make the gradient of one sample depend on chance and on the others.
    device : torch.device, optional
        Where batches go; by default where the model is.
    seed : int
        Of draws with ``"fisher"`` and ``n_probes``.
    progress : callable, optional
        Called with the number of samples so far after each batch.

    Returns
    -------
    dict of str to LayerMoments
        By name of the module, with ``H_a``, ``G_b``, ``mean_a``. A module that is called again in one pass
        (tied layers) has its further calls under ``"name#2"``, ``"name#3"``. Attention's projections are under
        ``"name.in_proj"`` (rows of q, k and v, or slices such as ``"name.in_proj[0:64]"``) and
        ``"name.out_proj"``.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    ParameterError
        If a module is unknown, no linear map or never called; the loss has no gradient, or none for a module;
        all gradients of a module are zero; there is only one sample; dropout or batch statistics are at work;
        the loss reduces otherwise than is said.
    NonFiniteError
        If inputs or gradients hold NaN or infinity, naming the module.

    Notes
    -----
    A forward and a backward pass and, for each module, n (d_a² + d_b² + d_a d_b) multiplications in float64
    with n rows (samples, times tokens or places of a convolution); memory of one batch, and of d_a² + d_b² + 2
    d_a d_b numbers for each module. ``"jacobian"`` takes a backward pass for each output. Gradients of
    parameters are neither computed nor touched; hooks, modes, buffers and random generators are as before at
    the end, also after an error.
    """
    torch = torch_module("formation.collect")
    check_module(model)
    choice("gradient", gradient, GRADIENTS)
    if n_probes is not None:
        n_probes = integer("n_probes", n_probes, 1)
        if gradient != "jacobian":
            raise ParameterError("n_probes is for gradient='jacobian'")
    losses = Losses(loss, reduction, terms)
    watch = Watch(model, None if modules is None else names("modules", modules))
    check_batches(batches)
    put = placing(model, device)
    place = next((each.device for each in model.parameters()), torch.device("cpu"))
    generator = torch.Generator(place).manual_seed(integer("seed", seed, 0))
    gathered = Gathered(gradient, normalised)
    samples = 0
    with measuring(model, evaluate):
        for given in batches:
            batch = batch_of(given, model, put, mask)
            with _without_chance(model), watch() as calls:
                output = model(*batch.args, **batch.kwargs)
            weighted = _pulled(output, batch, losses, gradient, sample, n_probes, generator)
            _backward(weighted, calls, gathered, batch)
            samples += batch.size
            if progress is not None:
                progress(samples)
    return gathered.moments(watch, samples)


@contextlib.contextmanager
def measuring(model: torch.nn.Module, evaluate: bool) -> Iterator[None]:
    """Run a model on trial, with gradients on: everything is as before at the end."""
    import torch

    modes = [(module, module.training) for module in model.modules()]
    with on_trial(model), torch.enable_grad(), eager():
        try:
            if evaluate:
                model.eval()
            _refuse_chance(model)
            yield
        finally:
            for module, training in modes:
                module.training = training


@contextlib.contextmanager
def _without_chance(model: torch.nn.Module) -> Iterator[None]:
    """Refuse a forward pass in train mode that draws random numbers: dropout that is a function, and no module."""
    import torch

    devices = {each.device for each in model.parameters() if each.device.type == "cuda"}

    def states() -> list[torch.Tensor]:
        return [torch.get_rng_state(), *map(torch.cuda.get_rng_state, devices)]

    training = any(module.training for module in model.modules())
    before = states() if training else []
    yield
    if training and not all(map(torch.equal, before, states())):
        raise ParameterError(
            "the model draws random numbers in train mode (dropout that is a function and no module, say), so the "
            "gradient of a sample depends on chance; call model.eval() first, or pass evaluate=True to have it done "
            "and undone"
        )


def _refuse_chance(model: torch.nn.Module) -> None:
    """Refuse modules that make the gradient of a sample depend on chance, or on the others of its batch."""
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.dropout import _DropoutNd

    for name, module in model.named_modules():
        what = f"{type(module).__name__} {name or 'model'!r}"
        noisy = (
            (isinstance(module, _DropoutNd) and module.p > 0)
            or (isinstance(module, nn.MultiheadAttention) and module.dropout > 0)
            or (isinstance(module, nn.RNNBase) and module.dropout > 0 and module.num_layers > 1)
        )
        if module.training and (noisy or isinstance(module, _BatchNorm)):
            raise ParameterError(
                f"{what} is in train mode, so the gradient of a sample depends on chance or on the rest of its batch; "
                "call model.eval() first, or pass evaluate=True to have it done and undone"
            )
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ParameterError(
                f"{what} keeps no running statistics, so a sample depends on its batch even in eval mode; build it "
                "with track_running_stats=True"
            )


def _pulled(
    output: Any,
    batch: Batch,
    losses: Losses,
    gradient: str,
    sample: Callable[[Any, Any, torch.Generator], Any] | None,
    n_probes: int | None,
    generator: torch.Generator,
) -> Iterator[torch.Tensor]:
    """Give the numbers whose gradients are measured: the loss, or one for each output or probe."""
    import torch

    if gradient == "empirical":
        yield losses.total(output, batch.target, batch.size)
        return
    logits = output if isinstance(output, torch.Tensor) else getattr(output, "logits", None)
    if not isinstance(logits, torch.Tensor) or not logits.requires_grad or len(logits) != batch.size:
        raise ParameterError(
            f"gradient={gradient!r} needs an output that is a tensor with samples along its first axis and a gradient"
        )
    if gradient == "fisher":
        draw = sample or _draw_classes
        with torch.no_grad():
            target = draw(logits, batch.target, generator)
        yield losses.total(output, target, batch.size)
        return
    flat = logits.flatten(1) if logits.ndim > 1 else logits[:, None]
    if n_probes is None:
        # g = −∂f/∂h as for a loss; the sign does not matter for G_b.
        for k in range(flat.shape[1]):
            yield flat[:, k].sum()
        return
    for _ in range(n_probes):
        bits = torch.randint(2, flat.shape, generator=generator, device=flat.device, dtype=torch.int64)
        yield (flat * (2 * bits - 1).to(flat.dtype)).sum() / n_probes**0.5


def _draw_classes(logits: torch.Tensor, target: Any, generator: torch.Generator) -> torch.Tensor:
    """Draw a class for each sample, or for each of its places, by the softmax over classes."""
    import torch

    if not isinstance(target, torch.Tensor) or target.is_floating_point():
        raise ParameterError(
            "gradient='fisher' draws classes by itself where targets are classes; for other targets pass "
            "sample(output, target, generator), which draws them from the model's prediction"
        )
    axis = 1 if logits.ndim > 2 and logits.shape[:1] + logits.shape[2:] == target.shape else logits.ndim - 1
    moved = logits.movedim(axis, -1)
    if moved.shape[:-1] != target.shape:
        raise ParameterError(
            f"outputs of shape {tuple(logits.shape)} are no scores of classes for targets of shape "
            f"{tuple(target.shape)}: pass sample(output, target, generator)"
        )
    chosen = torch.multinomial(moved.flatten(0, -2).double().softmax(dim=-1), 1, generator=generator)
    return chosen.reshape(target.shape).to(target.dtype)


def _backward(numbers: Iterator[torch.Tensor], calls: Calls, gathered: Gathered, batch: Batch) -> None:
    """Take the gradient of each number with respect to all watched outputs at once."""
    import torch

    pending = list(numbers) if calls.edges else []
    for index, number in enumerate(pending):
        found = torch.autograd.grad(
            number, calls.edges, retain_graph=index + 1 < len(pending), allow_unused=True
        )
        gathered.add(calls, found, batch, first=index == 0)
    if not pending:
        list(numbers)  # for the errors of a loss without a gradient
