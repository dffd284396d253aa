"""Dask as the executor of an analysis: its scheduler places the matrices, and takes them back from workers that die."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from featuregeom.errors import MissingExtraError, ParameterError
from featuregeom.memory import loading

__all__ = ["dask_executor"]

_PATIENCE = "20s"
"""How long to wait for a scheduler to answer. Choice: it has to be running already, and answers in milliseconds."""


@contextmanager
def dask_executor(given: Any) -> Iterator[Executor]:
    """Give the executor of a Dask cluster.

    Parameters
    ----------
    given : str or distributed.Client
        Address of a scheduler, such as ``"tcp://10.0.0.5:8786"``, to which a client is opened and closed again; or a
        client, which is left open.

    Yields
    ------
    Executor
        What `analyze` takes as `executor`. A job whose worker dies is given to another one by the scheduler, at most as
        often as its setting ``distributed.scheduler.allowed-failures`` says (3).

    Raises
    ------
    MissingExtraError
        Without the package ``distributed``.
    ParameterError
        If nothing answers at the address, or `given` is neither of the two.
    """
    try:
        with loading("distributed"):
            from distributed import Client
    except ImportError:
        raise MissingExtraError.needing("an analysis by Dask", "distributed", "dask") from None
    if isinstance(given, Client):
        yield given.get_executor(pure=False)
        return
    if not isinstance(given, str):
        raise ParameterError(
            f"dask must be the address of a scheduler or a distributed.Client, not a {type(given).__name__}"
        )
    try:
        client = Client(given, timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise ParameterError(
            f"no Dask scheduler answers at {given!r} (start one with `dask scheduler`, workers with `dask worker`): "
            f"{error}"
        ) from None
    with client:
        yield client.get_executor(pure=False)
