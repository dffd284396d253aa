"""featuregeom's compiled core. Its functions are private to the package; use the public modules."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "__version__",
    "capacities",
    "check_finite",
    "eigenspaces",
    "eigh",
    "eigvalsh",
    "frame_operator",
    "measures",
    "nonfinite_rows",
    "safetensors_header",
    "squared_norms",
    "sweep",
]

__version__: Final[str]

def safetensors_header(header: bytes, file_size: int) -> list[tuple[str, str, list[int], int, int]]: ...
def check_finite(x: NDArray[Any], *, num_threads: int | None = None) -> None: ...
def nonfinite_rows(x: NDArray[Any], *, num_threads: int | None = None) -> NDArray[np.int64]: ...
def squared_norms(x: NDArray[Any], *, num_threads: int | None = None) -> NDArray[np.float64]: ...
def frame_operator(
    x: NDArray[Any],
    *,
    precision: str = "double",
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> NDArray[np.float64]: ...
def capacities(
    x: NDArray[Any],
    *,
    precision: str = "double",
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> NDArray[np.float64]: ...
def sweep(
    x: NDArray[Any],
    *,
    neighbours: int = 1,
    bins: int = 199,
    threshold: float | None = None,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.uint64],
    float,
    NDArray[np.int64],
    int,
    float,
    list[tuple[float, int]],
    str,
]: ...
def eigh(
    f: NDArray[np.float64], *, num_threads: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def eigvalsh(f: NDArray[np.float64], *, num_threads: int | None = None) -> NDArray[np.float64]: ...
def eigenspaces(
    values: NDArray[np.float64], *, noise: float = 0.0, tolerance: float | None = None
) -> tuple[NDArray[np.int64], float, list[tuple[float, float, float, int]]]: ...
def measures(
    x: NDArray[Any],
    values: NDArray[np.float64],
    vectors: NDArray[np.float64],
    starts: NDArray[np.int64],
    *,
    gram: bool,
    masses: bool = False,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64] | None]: ...
