"""Features that stay where they are: rows of a torch tensor, widened a part at a time on its own device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from featuregeom import _core
from featuregeom.errors import NonFiniteError
from featuregeom.features import Features, check_dtype, check_shape, dtype_name
from featuregeom.networks.tensors import check_tensor, first_bad
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import torch

__all__ = [
    "TILE",
    "DeviceRows",
    "check_range",
    "device_rows",
    "exact_products",
    "rows_at",
    "tiles",
    "unit",
]

_NUMBERS = 1 << 26
"""Numbers that are widened at a time: 512 MiB of float64, and a product with 1024 dimensions takes milliseconds, after
which Ctrl-C is seen."""

TILE = 4096
"""Features of a tile: each table of its pairs takes 64 MiB in float32."""


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


def rows_at(features: Features, device: torch.device) -> DeviceRows:
    """Copy features to a device, in their own type.

    Parameters
    ----------
    features : Features
        Of any strides.
    device : torch.device
        Where to.

    Returns
    -------
    DeviceRows
    """
    import torch

    values = torch.from_numpy(np.array(features.values, order="C"))
    if features.dtype == "bfloat16":
        values = values.view(torch.bfloat16)
    return DeviceRows(values.to(device), features.dtype)


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Divide rows by their norms, whatever their size; zero rows stay."""
    import torch

    largest = rows.abs().amax(dim=1, keepdim=True)
    rows = torch.where(largest > 0, rows / largest, 0.0)
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return torch.where(norms > 0, rows / norms, 0.0)


def tiles(left: int, right: int | None, size: int) -> list[tuple[slice, slice]]:
    """Give the tiles of all pairs of two sets of features, or of one set, each pair of tiles once.

    Examples
    --------
    >>> tiles(1, 3, 2)
    [(slice(0, 1, None), slice(0, 2, None)), (slice(0, 1, None), slice(2, 3, None))]
    """
    rows, columns = (
        [slice(start, min(start + size, n)) for start in range(0, n, size)]
        for n in (left, left if right is None else right)
    )
    return [(a, b) for a in rows for b in columns if right is not None or a.start <= b.start]


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
def exact_products(device: torch.device) -> Iterator[None]:
    """Multiply float32 matrices in float32 and make no graph, whatever was chosen outside.

    TF32 keeps ten bits of each factor and would decide near ties, as would the half precision of autocast. Since torch
    2.9 there are an old and a new switch, and torch refuses to multiply where they disagree; the old one sets both.
    Afterwards both are as they were.
    """
    import torch

    matmul = torch.backends.cuda.matmul
    new = getattr(matmul, "fp32_precision", None)
    try:
        old = torch.get_float32_matmul_precision()
    except RuntimeError:  # the two disagree: the new one was set
        old = "highest"
    matmul.allow_tf32 = False
    try:
        with torch.autocast(device.type, enabled=False), torch.no_grad():
            yield
    finally:
        if old != "highest":
            matmul.allow_tf32 = True
        if old == "medium":
            torch.set_float32_matmul_precision(old)
        if new is not None:
            matmul.fp32_precision = new
