"""The extra "torch": imported in one place, asked for in one wording."""

from __future__ import annotations

from types import ModuleType

from featuregeom.errors import MissingExtraError
from featuregeom.memory import loading

__all__ = ["missing", "torch_module"]


def torch_module(what: str) -> ModuleType:
    """Import torch.

    Parameters
    ----------
    what : str
        What needs it, as the error calls it.

    Raises
    ------
    MissingExtraError
        If torch is not installed; the message says which extra brings it.
    """
    try:
        with loading("torch"):
            import torch
    except ImportError as error:
        raise missing(what) from error
    return torch


def missing(what: str) -> MissingExtraError:
    """Make the error that says how to install what `what` needs."""
    return MissingExtraError.needing(what, "torch", "torch")
