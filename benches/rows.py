"""The rows of the performance table: what is computed, by us and by what a user would write today.

A row is a function from the scale to builders of its cases; a builder makes the data, the same for every way
and in every process. Peers are written as a user who knows NumPy and torch well would write them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

import featuregeom as fg
from featuregeom import _core
from harness import HERE, Arrays, Case, Way, avx512

Builders = Sequence[Callable[[], Case]]
Matrix = NDArray[Any]

THREADS = int(os.environ["OMP_NUM_THREADS"])
torch.set_num_threads(THREADS)

KERNELS = ("Haswell", "SkylakeX") if avx512() else ("Haswell",)
"""The OpenBLAS kernels without and with AVX-512. Which one a wheel picks by itself depends on the host."""


def normal(n: int, m: int) -> Matrix:
    return np.random.default_rng(0).standard_normal((n, m), dtype=np.float32)


def numpy_by_kernel(name: str, call: Callable[[], Any], **options: Any) -> list[Way]:
    """NumPy as it is, and in workers with either of its kernels."""
    forced = [
        Way(
            f"{name}, {kernel} kernels",
            call,
            environment={"OPENBLAS_CORETYPE": kernel},
            counted=False,
            **options,
        )
        for kernel in KERNELS
    ]
    return [Way(name, call, **options), *forced]


def frame_single(scale: str) -> Builders:
    """a1: F in single precision."""
    shapes = [(512, 64)] if scale == "smoke" else [(65536, 768), (32768, 2048)]
    return [partial(_frame, n, m, accurate=False) for n, m in shapes]


def frame_double(scale: str) -> Builders:
    """a2: F of float32 features, accurate to float64."""
    shapes = [(512, 64)] if scale == "smoke" else [(65536, 768), (32768, 2048)]
    return [partial(_frame, n, m, accurate=True) for n, m in shapes]


def _frame(n: int, m: int, *, accurate: bool) -> Case:
    X = normal(n, m)
    T = torch.from_numpy(X)

    def wide() -> Matrix:
        W = X.astype(np.float64)
        return W.T @ W

    def torch_wide() -> torch.Tensor:
        W = T.double()
        return W.T @ W

    double = partial(fg.frames.frame_operator, X, precision="double", num_threads=THREADS)
    single = partial(fg.frames.frame_operator, X, precision="single", num_threads=THREADS)
    if accurate:
        ways = [
            Way("featuregeom double", double, ours=True),
            *numpy_by_kernel("numpy astype(float64), X.T @ X", wide),
            Way("torch double", torch_wide),
        ]
    else:
        ways = [
            Way("featuregeom single", single, ours=True),
            Way("featuregeom double", double, ours=True, counted=False),
            *numpy_by_kernel("numpy X.T @ X", lambda: X.T @ X),
            Way("torch T.T @ T", lambda: T.T @ T),
        ]
    return Case(
        f"F {n} x {m} float32",
        ways,
        reference=lambda: {"result": wide()},
        operations=n * m * (m + 1),
        arithmetic="float64" if accurate else "float32",
    )


def frame_bfloat16(scale: str) -> Builders:
    """a3: from a bfloat16 checkpoint to F."""
    return [partial(_frame_file, 512 if scale == "smoke" else 262144, 64 if scale == "smoke" else 768)]


def _frame_file(n: int, m: int) -> Case:
    from safetensors.torch import load_file, save_file

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "model.safetensors"
    save_file({"W": torch.from_numpy(normal(n, m)).bfloat16()}, path)

    def ours(precision: Any) -> Matrix:
        with fg.sources.open_source(path) as reader:
            return fg.frames.frame_operator(reader.read("W"), precision=precision, num_threads=THREADS)

    def upcast() -> torch.Tensor:
        W = load_file(path)["W"].float()
        return W.T @ W

    def brain() -> torch.Tensor:
        W = load_file(path)["W"]
        return (W.T @ W).float()

    def reference() -> Arrays:
        parts = (part.double() for part in load_file(path)["W"].split(16384))
        # The folder lives as long as the case: this function holds it.
        assert folder.name
        return {"result": sum(part.T @ part for part in parts)}

    ways = [
        Way("featuregeom single", partial(ours, "single"), ours=True),
        Way("featuregeom double", partial(ours, "double"), ours=True, counted=False),
        Way("torch upcast to float32", upcast),
        Way("torch bfloat16", brain, counted=False),
    ]
    note = "torch bfloat16 rounds F to 8 bits, so it is shown and not counted"
    title = f"bfloat16 safetensors -> F {n} x {m}"
    return Case(title, ways, reference, note=note, operations=n * m * (m + 1))


def eigh(scale: str) -> Builders:
    """b1: eigenvalues and eigenvectors."""
    sizes = {"smoke": [48], "full": [384, 768, 1024, 2048, 4096]}
    return [partial(_eigh, m) for m in sizes.get(scale, [384, 768, 1024, 2048])]


def _eigh(m: int) -> Case:
    X = normal(2 * m, m).astype(np.float64)
    F = X.T @ X
    single = F.astype(np.float32)
    T, T_single = torch.from_numpy(F), torch.from_numpy(single)

    def arrays(result: Any) -> Arrays:
        values, vectors = (np.asarray(part, np.float64) for part in result)
        return {"values": np.sort(values), "F": (vectors * values) @ vectors.T}

    evd = partial(scipy.linalg.eigh, driver="evd", check_finite=False)
    ways = [
        Way("featuregeom", partial(_core.eigh, F, num_threads=THREADS), ours=True, arrays=arrays),
        Way("numpy", partial(np.linalg.eigh, F), arrays=arrays),
        Way("scipy evd", partial(evd, F), arrays=arrays),
        Way("torch", partial(torch.linalg.eigh, T), arrays=arrays),
        Way("numpy float32", partial(np.linalg.eigh, single), counted=False, arrays=arrays),
        Way("scipy evd float32", partial(evd, single), counted=False, arrays=arrays),
        Way("torch float32", partial(torch.linalg.eigh, T_single), counted=False, arrays=arrays),
    ]
    # Values and the product V L V^T: eigenvectors themselves are not unique.
    return Case(f"eigh m = {m}", ways, lambda: {"values": np.linalg.eigvalsh(F), "F": F}, target=0.8)


def spectral_measures(scale: str) -> Builders:
    """b2: the spectral measures, given the spectrum."""
    return [partial(_measures, 2048, 64)] if scale == "smoke" else [partial(_measures, 65536, 768)]


def _measures(n: int, m: int, spaces: int = 16) -> Case:
    # Orthonormal columns, scaled by one value an eigenspace and turned: F has exactly these eigenspaces.
    planted = np.repeat(np.geomspace(4.0, 0.25, spaces), m // spaces)
    basis = np.linalg.qr(normal(n, m))[0] * np.sqrt(n * planted).astype(np.float32)
    X = np.ascontiguousarray(basis @ np.linalg.qr(normal(m, m))[0])
    spectrum = fg.spectra.spectrum(X, tolerance=1e-3, num_threads=THREADS)
    assert len(spectrum.eigenspaces) == spaces
    starts = spectrum.starts[:-1]
    means = np.array([space.value for space in spectrum.eigenspaces])
    V = spectrum.vectors

    def numbers(norm: Any, masses: Any, means: Any, xp: Any) -> dict[str, Any]:
        kappa = masses @ means
        logs = xp.log(xp.where(masses > 0, masses, 1))
        return {
            "masses": masses,
            "capacity": norm / kappa,
            "leverage": norm * (masses @ (1 / means)),
            "cv": xp.sqrt(xp.clip(masses @ means**2 - kappa**2, 0, None)) / kappa,
            "max_mass": masses.max(1) if xp is np else masses.max(1).values,
            "ipr": (masses**2).sum(1),
            "entropy": -(masses * logs).sum(1),
            "eigenspace": masses.argmax(1),
        }

    def in_numpy(dtype: Any) -> dict[str, Any]:
        W = X.astype(dtype, copy=False)
        energies = W @ V.astype(dtype)
        np.square(energies, out=energies)
        norm = np.einsum("ij,ij->i", W, W)
        masses = np.add.reduceat(energies, starts, axis=1) / norm[:, None]
        return numbers(norm, masses, means.astype(dtype), np)

    def in_torch(dtype: torch.dtype) -> dict[str, Any]:
        vectors, values = (
            torch.from_numpy(np.ascontiguousarray(V)).to(dtype),
            torch.from_numpy(means).to(dtype),
        )
        borders = np.diff([*starts, m]).tolist()
        parts = []
        for chunk in torch.from_numpy(X).split(4096):
            W = chunk.to(dtype)
            energies = (W @ vectors).square_()
            norm = W.square().sum(1)
            masses = torch.stack([space.sum(1) for space in energies.split(borders, 1)], 1) / norm[:, None]
            parts.append(numbers(norm, masses, values, torch))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    keep = ("masses", "capacity", "leverage", "entropy", "ipr", "cv")
    ways = [
        Way(
            "featuregeom",
            partial(fg.spectra.measures, X, spectrum, masses=True, num_threads=THREADS),
            ours=True,
            arrays=lambda found: {name: getattr(found, name) for name in keep},
        ),
        Way("numpy float64", partial(in_numpy, np.float64), arrays=dict),
        Way("torch float64 by chunks", partial(in_torch, torch.float64), arrays=dict),
        Way("numpy float32", partial(in_numpy, np.float32), counted=False, arrays=dict),
        Way("torch float32 by chunks", partial(in_torch, torch.float32), counted=False, arrays=dict),
    ]
    reference = lambda: {name: in_numpy(np.float64)[name] for name in keep}  # noqa: E731
    title = f"spectral measures {n} x {m}, {spaces} eigenspaces"
    return Case(title, ways, reference, operations=2 * n * m * m, arithmetic="float64")


def all_pairs(scale: str) -> Builders:
    """e1: nearest neighbour, coherence and histogram of cosines over all pairs."""
    return [partial(_all_pairs, 700, 32)] if scale == "smoke" else [partial(_all_pairs, 16384, 768)]


def _all_pairs(n: int, m: int, bins: int = 199, chunk: int = 1024) -> Case:
    X = normal(n, m)

    def unit() -> Matrix:
        return X / np.linalg.norm(X, axis=1, keepdims=True)

    def library(G: Matrix) -> Matrix:
        return np.histogram(G, bins=bins, range=(-1, 1))[0]

    def counted(G: Matrix) -> Matrix:
        # Twice as fast as np.histogram: the bin is computed, not searched.
        places = ((G + np.float32(1)) * np.float32(bins / 2)).astype(np.intp)
        return np.bincount(np.minimum(places, bins - 1, out=places).ravel(), minlength=bins)

    def finished(counts: Matrix, largest: Matrix, nearest: Matrix) -> Arrays:
        counts[bins // 2] -= n  # the diagonal, which was set to zero
        return {"counts": counts // 2, "coherence": largest.max(), "nearest": nearest}

    def in_numpy(histogram: Callable[[Matrix], Matrix]) -> Arrays:
        U = unit()
        counts, largest, nearest = np.zeros(bins, np.int64), np.empty(n, np.float32), np.empty(n, np.int64)
        for first in range(0, n, chunk):
            rows = slice(first, min(first + chunk, n))
            G = U[rows] @ U.T
            G[np.arange(len(G)), np.arange(rows.start, rows.stop)] = 0
            counts += histogram(G)
            np.abs(G, out=G)
            nearest[rows] = G.argmax(1)
            largest[rows] = G[np.arange(len(G)), nearest[rows]]
        return finished(counts, largest, nearest)

    def upper(histogram: Callable[[Matrix], Matrix]) -> Arrays:
        """Half the products: each tile right of the diagonal serves its rows and its columns."""
        U = unit()
        counts, largest, nearest = np.zeros(bins, np.int64), np.zeros(n, np.float32), np.zeros(n, np.int64)

        def update(where: slice, values: Matrix, indices: Matrix) -> None:
            better = values > largest[where]
            largest[where][better], nearest[where][better] = values[better], indices[better]

        for first in range(0, n, chunk):
            rows = slice(first, min(first + chunk, n))
            height = rows.stop - rows.start
            G = U[rows] @ U[first:].T
            G[np.arange(height), np.arange(height)] = 0
            counts += histogram(G[:, :height]) + 2 * histogram(G[:, height:])
            np.abs(G, out=G)
            best = G.argmax(1)
            update(rows, G[np.arange(height), best], first + best)
            rest = G[:, height:]
            if rest.size:
                best = rest.argmax(0)
                update(slice(rows.stop, n), rest[best, np.arange(rest.shape[1])], first + best)
        return finished(counts, largest, nearest)

    def in_torch() -> Arrays:
        T = torch.from_numpy(X)
        U = T / T.norm(dim=1, keepdim=True)
        counts, largest, nearest = torch.zeros(bins, dtype=torch.int64), torch.empty(n), torch.empty(n).long()
        for first in range(0, n, chunk):
            G = U[first : first + chunk] @ U.T
            G[torch.arange(len(G)), torch.arange(first, first + len(G))] = 0
            counts += torch.histc(G, bins, -1, 1).long()
            largest[first : first + len(G)], nearest[first : first + len(G)] = G.abs_().max(1)
        return finished(counts.numpy(), largest.numpy(), nearest.numpy())

    def arrays(found: Any) -> Arrays:
        if isinstance(found, fg.pairs.Pairs):
            found = {"counts": found.counts, "coherence": found.coherence, "nearest": found.neighbours[:, 0]}
        return {
            "counts": found["counts"],
            "coherence": found["coherence"],
            # Not the indices, which ties may exchange, but how near they are.
            "cosines": np.abs(np.einsum("ij,ij->i", exact, exact[found["nearest"]])),
        }

    exact = X.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    sweep = partial(fg.pairs.sweep, X, k=1, bins=bins, num_threads=THREADS)
    ways = [
        Way("featuregeom (and components)", sweep, ours=True, arrays=arrays),
        Way("numpy chunked, bincount", partial(in_numpy, counted), arrays=arrays),
        Way("numpy chunked, np.histogram", partial(in_numpy, library), arrays=arrays),
        Way("torch chunked, histc", in_torch, arrays=arrays),
        Way("numpy upper triangle, bincount", partial(upper, counted), counted=False, arrays=arrays),
    ]
    note = (
        "the chunked numpy way forms the whole Gram matrix; the upper triangle is what the smart user writes"
    )
    return Case(
        f"all pairs {n} x {m} float32",
        ways,
        reference=lambda: arrays(in_numpy(counted)),
        target=3.0,
        note=note,
        operations=n * (n - 1) * m,
    )


def all_pairs_bfloat16(scale: str) -> Builders:
    """e2: e1 from bfloat16."""
    return [partial(_all_pairs_bfloat16, *((700, 32) if scale == "smoke" else (16384, 768)))]


def _all_pairs_bfloat16(n: int, m: int, bins: int = 199, chunk: int = 1024) -> Case:
    T = torch.from_numpy(normal(n, m)).bfloat16()

    def in_torch(dtype: torch.dtype) -> Arrays:
        U = T.float()
        U = (U / U.norm(dim=1, keepdim=True)).to(dtype)
        counts, largest = torch.zeros(bins, dtype=torch.int64), torch.empty(n)
        for first in range(0, n, chunk):
            G = (U[first : first + chunk] @ U.T).float()
            G[torch.arange(len(G)), torch.arange(first, first + len(G))] = 0
            counts += torch.histc(G, bins, -1, 1).long()
            largest[first : first + len(G)] = G.abs_().max(1).values
        counts[bins // 2] -= n
        return {"coherence": float(largest.max()), "largest": largest.numpy()}

    sweep = partial(fg.pairs.sweep, T, k=1, bins=bins, num_threads=THREADS)
    ways = [
        Way(
            "featuregeom (and components)",
            sweep,
            ours=True,
            arrays=lambda found: {
                "coherence": found.coherence,
                "largest": np.abs(found.cosines[:, 0]),
            },
        ),
        Way("torch float32 chunked, histc", partial(in_torch, torch.float32), arrays=dict),
        Way("torch bfloat16 chunked, histc", partial(in_torch, torch.bfloat16), counted=False, arrays=dict),
    ]
    return Case(
        f"all pairs {n} x {m} bfloat16",
        ways,
        reference=lambda: in_torch(torch.float32),
        note="torch bfloat16 rounds every cosine to 8 bits, so it is shown and not counted",
        operations=n * (n - 1) * m,
    )


def capacities(scale: str) -> Builders:
    """e3: the capacity of every feature through F."""
    return [partial(_capacities, 512, 64)] if scale == "smoke" else [partial(_capacities, 131072, 768)]


def _capacities(n: int, m: int) -> Case:
    X = normal(n, m)

    def through(product: Callable[[Matrix, Matrix], Matrix]) -> Matrix:
        F = X.T @ X
        norm = np.einsum("ij,ij->i", X, X)
        return norm**2 / product(X @ F, X)

    def reference() -> Arrays:
        wide = X.astype(np.float64)
        return {"result": (wide**2).sum(1) ** 2 / np.einsum("ij,ij->i", wide @ (wide.T @ wide), wide)}

    def in_torch() -> torch.Tensor:
        T = torch.from_numpy(X)
        return T.square().sum(1).square() / ((T @ (T.T @ T)) * T).sum(1)

    capacity = partial(fg.frames.capacity, X, num_threads=THREADS)
    einsum = lambda P, X: np.einsum("ij,ij->i", P, X)  # noqa: E731
    ways = [
        Way("featuregeom single", partial(capacity, precision="single"), ours=True),
        Way("featuregeom double", partial(capacity, precision="double"), ours=True, counted=False),
        Way("numpy through F, einsum", partial(through, einsum)),
        Way("numpy through F, product and sum", partial(through, lambda P, X: (P * X).sum(1))),
        Way("torch through F", in_torch, counted=False),
    ]
    # Half of X F is enough: F = T + T' with T triangular, and x F x' = 2 x T x'.
    return Case(f"D {n} x {m} float32", ways, reference, target=1.5, operations=2 * n * m * (m + 1))


def whole_matrix(scale: str) -> Builders:
    """f1: the spectrum of one weight matrix and its numbers."""
    return [partial(_whole_matrix, 256, 64)] if scale == "smoke" else [partial(_whole_matrix, 4096, 1024)]


def _whole_matrix(n: int, m: int) -> Case:
    X = normal(n, m)

    def numbers(eigenvalues: Matrix) -> Arrays:
        shares = eigenvalues / eigenvalues.sum()
        return {
            "largest": eigenvalues.max(),
            "norm": eigenvalues.sum(),
            "stable_rank": eigenvalues.sum() / eigenvalues.max(),
            "effective_rank": np.exp(-np.sum(shares * np.log(shares))),
            "tightness": fg.frames.tightness(eigenvalues),
        }

    def ours() -> Arrays:
        F = fg.frames.frame_operator(X, num_threads=THREADS)
        return numbers(np.maximum(_core.eigvalsh(F, num_threads=THREADS), 1e-300))

    ways = [Way("featuregeom", ours, ours=True, arrays=dict)]
    other = os.environ.get("WEIGHTWATCHER_PYTHON")
    if other:
        command = [other, str(HERE / "weightwatcher_worker.py"), str(n), str(m), str(THREADS)]
        ways.append(Way("weightwatcher analyze", command=command))
    ways += [
        Way(
            "numpy singular values",
            lambda: numbers(np.linalg.svd(X, compute_uv=False).astype(np.float64) ** 2),
            counted=not other,
            arrays=dict,
        ),
        Way(
            "numpy eigvalsh(X.T @ X), float64",
            lambda: numbers(np.linalg.eigvalsh(X.T.astype(np.float64) @ X.astype(np.float64))),
            counted=False,
            arrays=dict,
        ),
    ]
    return Case(
        f"spectrum of {n} x {m}",
        ways,
        reference=cache(lambda: numbers(np.linalg.svd(X.astype(np.float64), compute_uv=False) ** 2)),
        target=4.0 if other else None,
        note="weightwatcher also fits a power law" if other else "no --weightwatcher-python was given",
    )


ROWS: dict[str, Callable[[str], Builders]] = {
    "a1": frame_single,
    "a2": frame_double,
    "a3": frame_bfloat16,
    "b1": eigh,
    "b2": spectral_measures,
    "e1": all_pairs,
    "e2": all_pairs_bfloat16,
    "e3": capacities,
    "f1": whole_matrix,
}
