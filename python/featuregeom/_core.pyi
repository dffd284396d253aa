"""featuregeom's compiled core. Its functions are private to the package; use the public modules."""

from collections.abc import Callable, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Cells",
    "PatternCounter",
    "PatternSketch",
    "__version__",
    "capacities",
    "check_finite",
    "code_fingerprints",
    "coordinates",
    "dendrogram",
    "eigenspaces",
    "eigh",
    "eigvalsh",
    "frame_operator",
    "hamming_distances",
    "hamming_ends",
    "hamming_knn",
    "hamming_range_counts",
    "hamming_vote",
    "k_majority",
    "kappas",
    "listed_cosines",
    "match_features",
    "match_listed",
    "measures",
    "network_cells",
    "nonfinite_rows",
    "null_sweep",
    "order_overlaid",
    "order_tests",
    "pack_codes",
    "safetensors_header",
    "scheme_blocks",
    "scheme_certify_circulant",
    "scheme_certify_features",
    "scheme_check",
    "scheme_closure",
    "scheme_holds",
    "scheme_spread",
    "shares",
    "squared_norms",
    "sweep",
]

__version__: Final[str]

def safetensors_header(header: bytes, file_size: int) -> list[tuple[str, str, list[int], int, int]]: ...
def check_finite(x: NDArray[Any], *, num_threads: int | None = None) -> None: ...
def nonfinite_rows(x: NDArray[Any], *, num_threads: int | None = None) -> NDArray[np.int64]: ...
def squared_norms(
    x: NDArray[Any], *, features: bool = True, num_threads: int | None = None
) -> NDArray[np.float64]: ...
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
def kappas(
    x: NDArray[Any], chosen: NDArray[np.int64], trace: float, *, num_threads: int | None = None
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
    bool | None,
    list[tuple[float, int]],
    str,
]: ...
def match_features(
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    neighbours: int = 64,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[
    list[tuple[NDArray[np.int64], float]],
    list[list[tuple[NDArray[np.int64], NDArray[np.float64]]]],
]: ...

_Nearest = tuple[NDArray[np.uint32], NDArray[np.float64]]

def match_listed(
    totals: tuple[int, int],
    lists: Sequence[tuple[NDArray[np.int64], _Nearest, _Nearest]],
    rounding: float,
    *,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[
    list[tuple[NDArray[np.int64], float]],
    list[list[tuple[NDArray[np.int64], NDArray[np.float64]]]],
]: ...
def listed_cosines(
    x: NDArray[Any],
    other: NDArray[Any],
    i: NDArray[np.int64],
    j: NDArray[np.int64],
    *,
    num_threads: int | None = None,
) -> NDArray[np.float64]: ...
def null_sweep(
    x: NDArray[Any],
    shares: NDArray[Any],
    other: NDArray[Any] | None = None,
    other_shares: NDArray[Any] | None = None,
    *,
    by_score: int,
    by_cosine: int,
    least: float,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[
    NDArray[np.uint64],
    int,
    int,
    list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]],
]: ...
def eigh(
    f: NDArray[np.float64], *, num_threads: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def eigvalsh(f: NDArray[np.float64], *, num_threads: int | None = None) -> NDArray[np.float64]: ...
def eigenspaces(
    values: NDArray[np.float64], *, noise: float = 0.0, tolerance: float | None = None
) -> tuple[NDArray[np.int64], float | None, list[tuple[float, float, float, int]]]: ...
def coordinates(
    gram: NDArray[np.float64], vectors: NDArray[np.float64], *, num_threads: int | None = None
) -> NDArray[np.float64]: ...
def measures(
    x: NDArray[Any],
    values: NDArray[np.float64],
    vectors: NDArray[np.float64],
    starts: NDArray[np.int64],
    *,
    along: NDArray[np.float64] | None = None,
    masses: bool = False,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64] | None]: ...
def shares(
    x: NDArray[Any],
    vectors: NDArray[np.float64],
    starts: NDArray[np.int64],
    *,
    null: int = 0,
    num_threads: int | None = None,
) -> NDArray[np.float64]: ...
def scheme_check(
    relations: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    exact: bool = False,
    rounds: int = 2,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[
    tuple[str, list[int]] | None,
    NDArray[np.uint16],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    float,
]: ...
def scheme_closure(
    relations: NDArray[np.uint32],
    *,
    seed: int = 0,
    most: int | None = None,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.uint32], int, int, int] | None: ...
def scheme_holds(
    relations: NDArray[np.uint8] | NDArray[np.uint16], *, seed: int = 0, num_threads: int | None = None
) -> bool: ...
def scheme_spread(
    x: NDArray[Any],
    thresholds: NDArray[np.float64],
    *,
    alike: float,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]: ...
def scheme_certify_circulant(
    row: NDArray[np.uint16],
    *,
    exact: bool = False,
    rounds: int = 2,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[
    tuple[str, list[int]] | None,
    NDArray[np.uint16],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    float,
]: ...
def scheme_certify_features(
    x: NDArray[Any],
    thresholds: NDArray[np.float64],
    *,
    exact: bool = False,
    rounds: int = 2,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[
    tuple[str, list[int]] | None,
    NDArray[np.uint16],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    float,
]: ...
def scheme_blocks(
    x: NDArray[Any],
    members: NDArray[np.int64],
    offsets: NDArray[np.int64],
    *,
    tolerance: float = 1e-6,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[
    NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]
]: ...
def pack_codes(
    x: NDArray[Any],
    *,
    tolerance: float | None = None,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.uint64], int, tuple[int, int] | None, int]: ...
def code_fingerprints(
    words: NDArray[np.uint64], n_bits: int, boundaries: list[int]
) -> NDArray[np.uint64]: ...
def hamming_knn(
    train: NDArray[np.uint64],
    queries: NDArray[np.uint64],
    n_bits: int,
    k: int,
    *,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]: ...
def hamming_ends(
    train: NDArray[np.uint64],
    queries: NDArray[np.uint64],
    n_bits: int,
    k: int,
    *,
    num_threads: int | None = None,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]: ...
def hamming_vote(
    train: NDArray[np.uint64],
    labels: NDArray[np.int64],
    queries: NDArray[np.uint64],
    n_bits: int,
    k: int,
    *,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> NDArray[np.int64]: ...
def hamming_range_counts(
    train: NDArray[np.uint64],
    queries: NDArray[np.uint64],
    n_bits: int,
    radii: list[int],
    *,
    num_threads: int | None = None,
) -> NDArray[np.uint64]: ...
def dendrogram(
    neighbours: NDArray[np.int64],
    strengths: NDArray[np.float64],
    *,
    least: int,
    most: int,
    ratio: float,
    num_threads: int | None = None,
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.int64],
]: ...
def hamming_distances(
    train: NDArray[np.uint64], queries: NDArray[np.uint64], n_bits: int, *, num_threads: int | None = None
) -> NDArray[np.uint32]: ...
def k_majority(
    words: NDArray[np.uint64],
    n_bits: int,
    k: int,
    *,
    rounds: int,
    seed: int,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], int, int, bool]: ...

@final
class PatternCounter:
    def __new__(cls, n_bits: int, start: int = 0, fingerprint_bits: int = 128) -> PatternCounter: ...
    @staticmethod
    def from_parts(
        words: NDArray[np.uint64],
        n_bits: int,
        counts: NDArray[np.uint64],
        first: NDArray[np.uint64],
        next_row: int,
        fingerprint_bits: int,
    ) -> PatternCounter: ...
    def update(
        self,
        words: NDArray[np.uint64],
        n_bits: int,
        *,
        num_threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> NDArray[np.uint64]: ...
    def merge(self, other: PatternCounter) -> None: ...
    def layers(self, boundaries: list[int]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]: ...
    def words(self) -> NDArray[np.uint64]: ...
    def counts(self) -> NDArray[np.uint64]: ...
    def first(self) -> NDArray[np.uint64]: ...
    def totals(self) -> tuple[int, int, int, int]: ...

@final
class PatternSketch:
    def __new__(cls, n_bits: int, precision: int) -> PatternSketch: ...
    def update(self, words: NDArray[np.uint64], n_bits: int) -> None: ...
    def merge(self, other: PatternSketch) -> None: ...
    def estimate(self) -> list[float]: ...

@final
class Cells:
    @staticmethod
    def rectangle(bounds: tuple[float, float, float, float]) -> Cells: ...
    def split(
        self,
        values: NDArray[np.float64],
        *,
        tolerance: float,
        max_regions: int,
        num_threads: int | None = None,
    ) -> Cells: ...
    def points(self) -> NDArray[np.float64]: ...
    def polygons(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    def codes(self) -> NDArray[np.uint64]: ...
    def areas(self) -> NDArray[np.float64]: ...
    def edges(self) -> NDArray[np.int64]: ...
    def borders(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    @property
    def bits(self) -> int: ...
    @property
    def degenerate(self) -> int: ...

def network_cells(
    layers: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    bounds: tuple[float, float, float, float],
    *,
    tolerance: float,
    max_regions: int,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Cells: ...
def order_overlaid(
    cosines: NDArray[np.float64], ideal: NDArray[np.float64], *, width: int
) -> NDArray[np.int64]: ...
def order_tests(
    sets: list[tuple[NDArray[np.float64], NDArray[np.float64], float, float]],
    *,
    variants: int,
    draws: int,
    hits: int,
    ball_below: float,
    ball_draws: int,
    strict_draws: int,
    guard: bool,
    line: bool,
    seed: int,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> list[tuple[list[float], NDArray[np.int64], NDArray[np.int64], list[float]]]: ...
