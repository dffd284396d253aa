"""Modules whose forward can be watched: whole, plain, and run as it is written."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from featuregeom.errors import ParameterError
from featuregeom.networks.tensors import check_tensor

if TYPE_CHECKING:
    pass

__all__ = ["check_module", "eager"]


def check_module(model: Any) -> None:
    """Refuse objects that are no torch module, and modules whose forward cannot be watched.

    Raises
    ------
    ParameterError
        If it is no module, it or a part of it is scripted or traced, or this is called inside a transform such as
        ``torch.func.vmap``.
    DtypeError
        If a parameter or buffer holds no numbers that can be read.
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        raise ParameterError(
            f"model must be a torch.nn.Module, not a {type(model).__name__}: pass a torch module, or wrap a function "
            "in one whose forward calls it"
        )
    if torch._C._functorch.peek_interpreter_stack() is not None:
        raise ParameterError(
            "inside vmap, grad or another transform of torch.func no operation of a model can be watched: call outside"
        )
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise ParameterError(
                f"module {name or 'model'!r} is scripted or traced, and torch lets nobody watch what it calls: "
                "capture the model that it was made from"
            )
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        check_tensor(value, f"parameter {name!r}")


def eager() -> contextlib.AbstractContextManager[Any]:
    """Make compiled modules run as they are written, operation by operation, while this is open."""
    import torch

    stance: contextlib.AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance
