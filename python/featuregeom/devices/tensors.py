"""Features that stay where they are: rows of a torch tensor, widened a part at a time on its own device."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom import _core
from featuregeom.errors import NonFiniteError
from featuregeom.features import check_dtype, check_shape, dtype_name
from featuregeom.networks.tensors import check_tensor, first_bad
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import torch

__all__ = ["DeviceRows", "check_range", "device_rows", "exact_products", "on_gpu"]

_NUMBERS = 1 << 26
"""Numbers that are widened at a time: 512 MiB of float64, and a product with 1024 dimensions takes milliseconds, after
which Ctrl-C is seen."""


@summarised
@dataclass(frozen=True, eq=False)
class DeviceRows:
    """Features as rows of a tensor.

    Attributes
    ----------
    values : tensor, shape (n, m)
        In its own type, on its own device, off any graph.
    dtype : str
        Its element type, as NumPy calls it.
    """

    values: torch.Tensor
    dtype: str

    @property
    def n(self) -> int:
        """Number of features."""
        return int(self.values.shape[0])

    @property
    def m(self) -> int:
        """Number of dimensions."""
        return int(self.values.shape[1])

    def parts(self, wide: torch.dtype) -> Iterator[tuple[int, torch.Tensor]]:
        """Give the features a part at a time, as `wide`, each with the number of its first feature.

        Raises
        ------
        NonFiniteError
            At the first NaN or infinity, with its row and column.
        """
        step = max(1, _NUMBERS // self.m)
        for start in range(0, self.n, step):
            part = self.values[start : start + step]
            bad = first_bad(part)
            if bad is not None:
                row, column = start + bad[0], bad[1]
                value = str(float(part[bad])).replace("nan", "NaN")
                raise NonFiniteError(
                    f"{value} at row {row}, column {column}; drop or repair the row before measuring",
                    row,
                    column,
                )
            yield start, part.to(wide)


def on_gpu(X: Any) -> bool:
    """Say whether `X` is a tensor on a CUDA device; torch is not imported for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(X, torch.Tensor) and X.device.type == "cuda"


def device_rows(X: torch.Tensor, where: str = "X") -> DeviceRows:
    """Take a tensor as features, where it is.

    Parameters
    ----------
    X : tensor, shape (n, m)
        Real numbers; integers become float64.
    where : str
        What errors call it.

    Returns
    -------
    DeviceRows

    Raises
    ------
    ShapeError, DtypeError
        As in `features.as_features`.
    """
    import torch

    check_tensor(X, where)
    name = dtype_name(X)
    check_dtype(name, where)
    check_shape(tuple(X.shape), where)
    values = X.detach()
    return DeviceRows(values if values.is_floating_point() else values.to(torch.float64), name)


def check_range(largest: float) -> None:
    """Refuse features whose longest line leaves the range of float64's powers, in the core's own words.

    Parameters
    ----------
    largest : float
        Largest norm of a row or column.

    Raises
    ------
    ParameterError
        If it is below 1e-71 or above 1e71, and not 0.
    """
    _core.frame_operator(np.array([[min(largest, 1e300)]]))


@contextmanager
def exact_products() -> Iterator[None]:
    """Multiply float32 matrices in float32: TF32 keeps ten bits of each factor, and would decide near ties."""
    import torch

    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
