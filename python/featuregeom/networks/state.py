"""Run a model on trial: what a forward pass leaves behind is taken back."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["has_hooks", "on_trial"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def has_hooks(model: torch.nn.Module) -> bool:
    """Tell whether anyone has registered a hook on the forward of a module."""
    return any(getattr(module, name) for module in model.modules() for name in _HOOKS)


@contextlib.contextmanager
def on_trial(model: torch.nn.Module, *, hooks: bool = True) -> Iterator[None]:
    """Restore, at the end, torch's random generators, the model's buffers and the attributes of its modules.

    Buffers are copied, so that writes in place are taken back; of other attributes only what they are bound to. What
    a list or another object holds is left as the model left it.

    Parameters
    ----------
    model : torch.nn.Module
        Any.
    hooks : bool
        Whether hooks that others registered on forwards run, too.
    """
    import torch

    devices = {
        value.device for value in (*model.parameters(), *model.buffers()) if value.device.type == "cuda"
    }
    bound = [(module, dict(vars(module)), dict(module._buffers)) for module in model.modules()]
    copies = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    with torch.random.fork_rng(devices=[device.index or 0 for device in devices]):
        try:
            for module in () if hooks else model.modules():
                for name in _HOOKS:
                    setattr(module, name, OrderedDict())
            yield
        finally:
            for module, attributes, buffers in bound:
                vars(module).clear()
                vars(module).update(attributes)
                module._buffers.clear()
                module._buffers.update(buffers)
            with torch.no_grad():
                for buffer, copy in copies:
                    buffer.copy_(copy)
