"""Average gradient outer product: which directions of a layer's input the outputs of a model react to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import choice, integer
from featuregeom.arguments import names as given_names
from featuregeom.errors import NonFiniteError, ParameterError
from featuregeom.formation.collect import measuring
from featuregeom.formation.losses import batch_of, check_batches
from featuregeom.networks.batches import placing
from featuregeom.networks.extra import torch_module
from featuregeom.networks.modules import check_module

if TYPE_CHECKING:
    import torch

__all__ = ["agop"]

Floats = NDArray[np.float64]


def agop(
    model: torch.nn.Module,
    batches: Iterable[Any],
    modules: Sequence[str] | None = None,
    *,
    method: Literal["exact", "probe"] = "exact",
    n_probes: int = 4,
    evaluate: bool = False,
    device: Any = None,
    seed: int = 0,
) -> dict[str, Floats]:
    """Give (1/n) Σ JᵀJ with J = ∂f/∂h for the inputs h of modules, or of the model itself.

    Parameters
    ----------
    model : torch.nn.Module
        Any that gives a tensor with samples along the first axis (or ``logits``).
    batches : iterable
        As for `collect`; targets are not used.
    modules : sequence of str, optional
        Modules whose first argument is h; by default the model itself, under ``"model"``, whose inputs must be
        floating.
    method : {"exact", "probe"}
        A backward pass for each output, or for each of `n_probes` vectors of random signs over outputs (unbiased).
    n_probes, seed : int
        Of the probes.
    evaluate, device
        As for `collect`.

    Returns
    -------
    dict of str to ndarray, shape (d, d)
        By module. Inputs of shape (samples, tokens, d) give a mean over tokens; others are flattened for each
        sample.

    Raises
    ------
    ParameterError, NonFiniteError
        As for `collect`; if a module is unknown or never called, or outputs do not depend on it.

    Notes
    -----
    The whole derivative with respect to h: all that reads it counts, a residual connection beside the module,
    too. What comes back through the module's weights alone is Wᵀ G_b W with ``G_b`` of ``collect(...,
    gradient="jacobian")``.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> _ = model.weight.data.copy_(torch.tensor([[1.0, 2.0]]))
    >>> agop(model, [torch.zeros(3, 2)])["model"].tolist()
    [[1.0, 2.0], [2.0, 4.0]]
    """
    torch = torch_module("formation.agop")
    check_module(model)
    choice("method", method, ("exact", "probe"))
    n_probes = integer("n_probes", n_probes, 1)
    known = {name or "model": module for name, module in model.named_modules()}
    names = ("model",) if modules is None else given_names("modules", modules)
    if unknown := [name for name in names if name not in known]:
        raise ParameterError(f"the model has no module {unknown[0]!r}")
    rng = np.random.default_rng(integer("seed", seed, 0))
    put = placing(model, device)
    sums: dict[str, Floats] = {}
    counts = dict.fromkeys(names, 0)
    check_batches(batches)
    with measuring(model, evaluate):
        for given in batches:
            batch = batch_of(given, model, put, None)
            inputs: dict[str, Any] = {}
            hooks = [known[name].register_forward_pre_hook(_keeping(name, inputs)) for name in names]
            try:
                output = model(*batch.args, **batch.kwargs)
            finally:
                for hook in hooks:
                    hook.remove()
            if missing := [name for name in names if name not in inputs]:
                raise ParameterError(f"module {missing[0]!r} was never called with a floating tensor")
            for gradients in _gradients(torch, output, list(inputs.values()), method, n_probes, rng):
                for name, gradient in zip(inputs, gradients, strict=True):
                    if gradient is not None:
                        rows = _rows(name, gradient)
                        sums[name] = sums.get(name, 0.0) + rows.T @ rows
            for name, h in inputs.items():
                counts[name] += h.shape[0] * (h.shape[1] if h.ndim == 3 else 1)
    if not any(counts.values()):
        raise ParameterError("there was no batch")
    if unused := [name for name in names if name not in sums]:
        raise ParameterError(f"the model's output does not depend on the input of module {unused[0]!r}")
    return {name: sums[name] / counts[name] for name in names}


def _keeping(name: str, inputs: dict[str, Any]) -> Callable[..., Any]:
    def hook(module: Any, args: tuple[Any, ...]) -> Any:
        given = args[0] if args else None
        if given is None or not hasattr(given, "is_floating_point") or not given.is_floating_point():
            return None
        if name in inputs:
            raise ParameterError(
                f"module {name!r} is called twice in one pass: measure what is before or after it"
            )
        # A view of its own: what writes into the input later does not change whose gradient this is.
        fresh = given.view_as(given) if given.requires_grad else given.detach().requires_grad_(True)
        inputs[name] = fresh
        return (fresh, *args[1:])

    return hook


def _gradients(
    torch: Any, output: Any, inputs: list[Any], method: str, n_probes: int, rng: np.random.Generator
) -> Iterable[Any]:
    """Give the gradients of each output, or of each probe, with respect to all inputs."""
    logits = output if isinstance(output, torch.Tensor) else getattr(output, "logits", None)
    if not isinstance(logits, torch.Tensor) or not logits.ndim or not logits.requires_grad:
        raise ParameterError(
            "the model must give a tensor of outputs with samples along the first axis, with a gradient"
        )
    flat = logits.flatten(1) if logits.ndim > 1 else logits[:, None]
    passes = flat.shape[1] if method == "exact" else n_probes
    for k in range(passes):
        if method == "exact":
            number = flat[:, k].sum()
        else:
            signs = torch.as_tensor(rng.choice([-1.0, 1.0], size=tuple(flat.shape)), device=flat.device)
            number = (flat * signs.to(flat.dtype)).sum() / n_probes**0.5
        yield torch.autograd.grad(number, inputs, retain_graph=k + 1 < passes, allow_unused=True)


def _rows(name: str, gradient: Any) -> Floats:
    rows = gradient.detach().cpu().double().numpy()
    rows = rows.reshape(-1, rows.shape[-1]) if rows.ndim == 3 else rows.reshape(len(rows), -1)
    if not np.isfinite(rows).all():
        row, column = map(int, np.argwhere(~np.isfinite(rows))[0])
        raise NonFiniteError(
            f"the gradient at module {name!r} is {rows[row, column]} in row {row}, column {column}",
            row,
            column,
        )
    return rows
