"""Any matrix, any type, any strides: the same numbers as plain NumPy, and what must not change does not."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import featuregeom as fg
from oracles import slow
from oracles.known_answers import rotation

DTYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
LAYOUTS = ("C", "Fortran", "reversed", "strided", "unaligned", "read-only", "torch", "torch transposed")


@st.composite
def matrices(draw, max_n: int = 40, max_m: int = 16) -> np.ndarray:
    """Float64 with zero and duplicate rows, low rank, uneven rows, any scale."""
    n, m = draw(st.integers(1, max_n)), draw(st.integers(1, max_m))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["full", "low rank", "integers", "uneven"]))
    X = rng.standard_normal((n, m))
    if kind == "low rank":
        rank = draw(st.integers(0, min(n, m)))
        X = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, m))
    elif kind == "integers":
        X = rng.integers(-2, 3, (n, m)).astype(np.float64)
    elif kind == "uneven":
        X *= np.exp(rng.standard_normal((n, 1)))
    for _ in range(draw(st.integers(0, 3))):
        X[draw(st.integers(0, n - 1))] = 0 if draw(st.booleans()) else X[draw(st.integers(0, n - 1))]
    return X * draw(st.sampled_from([1.0, 1.0, 1e-3, 30.0]))


@st.composite
def stored(draw):
    """A matrix as somebody may hand it over, and its values in float64."""
    dtype = draw(st.sampled_from(list(DTYPES)))
    X = draw(matrices()).astype(DTYPES[dtype])
    wide = X.astype(np.float64)
    layout = draw(st.sampled_from(LAYOUTS))
    n, m = X.shape
    if layout == "Fortran":
        return np.asfortranarray(X), wide, dtype
    if layout == "reversed":
        return X[::-1, ::-1].copy()[::-1, ::-1], wide, dtype
    if layout == "strided":
        holder = np.full((3 * n, 2 * m + 1), np.nan, dtype=X.dtype)
        holder[1::3, 1::2] = X
        return holder[1::3, 1::2], wide, dtype
    if layout == "unaligned":
        raw = bytearray(1 + X.nbytes)
        view = np.frombuffer(raw, dtype=X.dtype, count=X.size, offset=1).reshape(n, m)
        view[...] = X
        return view, wide, dtype
    if layout == "read-only":
        X = X.copy()
        X.setflags(write=False)
        return X, wide, dtype
    if layout.startswith("torch"):
        tensor = torch.from_numpy(wide.copy()).to(getattr(torch, dtype))
        return (tensor.t().contiguous().t() if "transposed" in layout else tensor), wide, dtype
    return X, wide, dtype


def rounding(X: np.ndarray) -> float:
    """(n + m) u tr F: the documented size of the error in a computed operator, with a factor for the oracle's."""
    return 8 * sum(X.shape) * 2.0**-53 * float((X * X).sum())


@given(stored())
def test_frame_operator(given_):
    X, wide, _ = given_
    F = fg.frames.frame_operator(X)
    np.testing.assert_allclose(F, slow.frame_operator(wide), rtol=0, atol=rounding(wide))
    assert np.array_equal(F, F.T)
    least = np.trace(F) ** 2 / len(F)
    assert fg.frames.frame_potential(F) >= least * (1 - 1e-12)


@given(stored())
def test_capacity(given_):
    X, wide, _ = given_
    D = fg.frames.capacity(X)
    np.testing.assert_allclose(D, slow.capacity(wide), rtol=1e-10)
    assert np.all((D >= 0) & (D <= 1 + 1e-12))


@settings(max_examples=200)
@given(stored(), st.sampled_from([None, None, 1e-6, 1e-2]))
def test_spectrum_and_measures(given_, tolerance):
    X, wide, dtype = given_
    spectrum = fg.spectra.spectrum(X, tolerance=tolerance)
    values = slow.eigenvalues(wide)
    error = rounding(wide)
    np.testing.assert_allclose(spectrum.eigenvalues, values, rtol=0, atol=error)
    assert np.all(np.diff(spectrum.eigenvalues) <= 0)
    r = spectrum.rank
    if dtype == "float64":
        assert r == np.linalg.matrix_rank(wide) or spectrum.rank_margin < 100
    assert spectrum.starts[0] == 0
    assert spectrum.starts[-1] == r
    assert sum(space.dim for space in spectrum.eigenspaces) == r
    for space in spectrum.eigenspaces:
        assert space.stop - space.start == space.dim >= 1
        inside = spectrum.eigenvalues[space.start : space.stop]
        assert space.value == pytest.approx(inside.mean(), rel=1e-12)
        if tolerance is not None:
            assert space.spread <= 4 * tolerance * (1 + 1e-6)
    found = fg.spectra.measures(X, spectrum)
    zero = slow.squared_norms(wide) == 0
    # A feature that is mostly null noise has no measure; whether it is one is a matter of opinion near the tolerance.
    assume(r == 0 or values[r - 1] > 1e4 * max(error, values[r] if r < len(values) else 0))
    np.testing.assert_array_equal(found.eigenspace == -1, zero)
    if r == 0:
        return
    lost = (values[r:].sum() + error) / np.where(zero, 1, slow.squared_norms(wide))
    gaps = spectrum.eigenvalues[spectrum.starts[1:-1] - 1] - spectrum.eigenvalues[spectrum.starts[1:-1]]
    gap = min(gaps.min(initial=np.inf), values[r - 1])
    turned = 4 * error / gap  # Davis-Kahan: how far the eigenspaces may have turned
    assume(turned < 1e-3 and lost[~zero].max(initial=0) < 1e-3)
    mu = slow.masses(wide, spectrum.starts)
    slop = (turned * np.sqrt(r) + lost + 1e-13)[:, None]
    assert np.all(np.abs(found.masses - mu)[~zero] <= slop[~zero])
    assert np.all(np.abs(found.masses.sum(axis=1) - 1)[~zero] <= lost[~zero] + 1e-12)
    relative = error / values[r - 1] + lost.max()
    np.testing.assert_allclose(found.capacity, slow.capacity(wide), rtol=1e-10, atol=relative)
    np.testing.assert_allclose(found.leverage, slow.leverage(wide, r), rtol=0, atol=4 * relative + 1e-12)
    np.testing.assert_allclose(
        found.slack, slow.slack(wide, r), rtol=0, atol=8 * relative / found.leverage[~zero].min()
    )
    assert np.all(found.capacity <= found.leverage * (1 + 1e-10) + relative)
    assert np.all(found.leverage <= 1 + relative + 1e-12)
    assert abs(found.leverage.sum() - r) <= len(wide) * relative + 1e-12
    defect = r - found.capacity.sum()
    assert abs(defect - (found.leverage - found.capacity).sum()) <= len(wide) * relative + 1e-12
    assert found.capacity.sum() <= r * (1 + 1e-10) + len(wide) * relative
    # What lies in the null space leaves a probability over the rest.
    shares = found.masses / found.masses.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.max_mass[~zero], shares[~zero].max(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.ipr[~zero], (shares[~zero] ** 2).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.entropy, slow.entropy(shares), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.eigenspace[~zero], found.masses[~zero].argmax(axis=1))


@given(stored(), st.integers(1, 5), st.sampled_from([1, 10, 199]))
def test_sweep(given_, k, bins):
    X, wide, _ = given_
    found = fg.pairs.sweep(X, k=k, bins=bins)
    error = (wide.shape[1] + 8) * (2.0**-52 if found.dtype == "float64" else 2.0**-23)
    ideal = slow.nearest(wide, k)
    np.testing.assert_allclose(np.abs(found.cosines), ideal, rtol=0, atol=2 * error)
    np.testing.assert_allclose(found.coherence, slow.coherence(wide), rtol=0, atol=error)
    C = slow.cosines(wide)
    for i, row in enumerate(found.neighbours):
        there = row >= 0
        np.testing.assert_array_equal(there, ~np.isnan(ideal[i]))
        np.testing.assert_allclose(found.cosines[i, there], C[i, row[there]], rtol=0, atol=1e-14)
    below = np.cumsum(found.counts)[:-1].astype(np.int64)
    low, high = slow.histogram_bounds(wide, bins, error)
    assert np.all((low <= below) & (below <= high))
    assert found.counts.sum() == len(slow.pair_cosines(wide))
    np.testing.assert_array_equal(found.blocks == -1, slow.squared_norms(wide) == 0)
    labels = found.blocks[found.blocks >= 0]
    assert sorted(set(labels)) == list(range(found.n_blocks))
    assert list(dict.fromkeys(labels)) == list(range(found.n_blocks)), "numbered by first appearance"
    if found.threshold > 0:
        low, high = (slow.components(wide, found.threshold * (1 + sign * 1e-4)) for sign in (-1, 1))
        if low == high:
            assert slow.as_partition(found.blocks) == low


# --- invariances


def generic(seed: int, n: int, m: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, m)) * np.exp(0.3 * rng.standard_normal((n, 1)))


def numbers(X, starts=None) -> dict[str, np.ndarray]:
    """What has no eigenvector in it, features in order."""
    spectrum = fg.spectra.spectrum(X)
    found = fg.spectra.measures(X, spectrum)
    columns = found.columns()
    columns["masses"] = found.masses
    columns["eigenvalues"] = spectrum.eigenvalues
    return columns


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray], scale: float = 1.0, order=slice(None)) -> None:
    for name, values in a.items():
        factor = {"eigenvalues": scale**2, "kappa": scale**2, "norm": scale}.get(name, 1.0)
        rows = values if name == "eigenvalues" else values[order]
        np.testing.assert_allclose(b[name], rows * factor, rtol=1e-7, atol=1e-7 * factor, err_msg=name)


seeds = st.integers(0, 2**32)


def separated(X: np.ndarray) -> bool:
    """Eigenvalues far enough apart that masses have digits, and no feature torn between two eigenspaces."""
    values = slow.eigenvalues(X)
    mu = np.sort(slow.masses(X, np.arange(min(X.shape) + 1)), axis=1)
    torn = mu.shape[1] > 1 and (mu[:, -1] - mu[:, -2]).min() < 1e-5
    return values[-1] > 1e-4 * values[0] and (-np.diff(values) > 1e-4 * values[0]).all() and not torn


@given(seeds, st.integers(1, 20), st.integers(1, 8))
def test_rotation_permutation_signs_and_scale(seed, n, m):
    X = generic(seed, n, m)
    assume(separated(X))
    rng = np.random.default_rng(seed + 1)
    base = numbers(X)
    same(base, numbers(X @ rotation(m, rng)))
    order = rng.permutation(n)
    same(base, numbers(X[order]), order=order)
    same(base, numbers(X * rng.choice([-1.0, 1.0], (n, 1))))
    for scale in (1e-60, 1e-3, 1e4, 1e60):
        same(base, numbers(X * scale), scale)
    for scale in (2.0**-40, 2.0**9):  # exact
        for name, values in numbers(X * scale).items():
            factor = {"eigenvalues": scale**2, "kappa": scale**2, "norm": scale}.get(name, 1.0)
            np.testing.assert_allclose(
                values, base[name] * factor, rtol=1e-12, atol=1e-12 * factor, err_msg=name
            )


@given(seeds, st.integers(1, 20), st.integers(1, 8))
def test_pairs_under_rotation_permutation_signs_and_scale(seed, n, m):
    X = generic(seed, n, m)
    rng = np.random.default_rng(seed + 1)
    base = fg.pairs.sweep(X, k=3)
    order, signs = rng.permutation(n), rng.choice([-1.0, 1.0], (n, 1))
    for other, rows in [
        (X @ rotation(m, rng), slice(None)),
        (X[order], order),
        (X * signs, slice(None)),
        (X * 1e4, slice(None)),
    ]:
        found = fg.pairs.sweep(other, k=3)
        np.testing.assert_allclose(np.abs(found.cosines), np.abs(base.cosines[rows]), rtol=0, atol=1e-13)
        np.testing.assert_allclose(found.coherence, base.coherence, rtol=1e-13)
        assert found.threshold == pytest.approx(base.threshold, rel=1e-9)
        partition = slow.as_partition(base.blocks)
        moved = slow.as_partition(found.blocks)
        if isinstance(rows, np.ndarray):
            moved = sorted(tuple(sorted(int(rows[i]) for i in part)) for part in moved)
        assert moved == partition


@given(seeds, st.integers(1, 20), st.integers(1, 8), st.integers(2, 4))
def test_duplicates_share_their_capacity(seed, n, m, copies):
    X = generic(seed, n, m)
    values = slow.eigenvalues(X)
    assume(values[-1] > 1e-6 * values[0])
    D, many = fg.frames.capacity(X), fg.frames.capacity(np.tile(X, (copies, 1)))
    np.testing.assert_allclose(many, np.tile(D, copies) / copies, rtol=1e-12)
    one, all_ = fg.spectra.measures(X), fg.spectra.measures(np.tile(X, (copies, 1)))
    np.testing.assert_allclose(all_.leverage, np.tile(one.leverage, copies) / copies, rtol=1e-8)
    np.testing.assert_allclose(all_.slack, np.tile(one.slack, copies), rtol=0, atol=1e-8)


@given(seeds, st.integers(1, 20), st.integers(1, 8), st.integers(0, 5), st.integers(0, 5))
def test_empty_rows_and_columns_change_nothing(seed, n, m, rows, columns):
    X = generic(seed, n, m)
    wide = np.zeros((n + rows, m + columns))
    wide[:n, :m] = X
    np.testing.assert_allclose(fg.frames.capacity(wide)[:n], fg.frames.capacity(X), rtol=1e-12)
    base, found = fg.spectra.spectrum(X), fg.spectra.spectrum(wide)
    assert found.rank == base.rank
    np.testing.assert_allclose(found.retained, base.retained, rtol=1e-9)
    pairs = fg.pairs.sweep(wide)
    np.testing.assert_array_equal(pairs.blocks[:n], fg.pairs.sweep(X).blocks)


@given(seeds, st.integers(1, 12), st.integers(1, 12))
def test_both_sides_give_the_same_nonzero_spectrum(seed, n, m):
    """X and X^T: the frame operator of one is the Gram matrix of the other."""
    X = generic(seed, n, m)
    a, b = fg.spectra.spectrum(X), fg.spectra.spectrum(X.T)
    np.testing.assert_allclose(a.eigenvalues, b.eigenvalues, rtol=1e-9, atol=1e-12 * a.trace)
    assert a.trace == pytest.approx(b.trace, rel=1e-12)
    assert a.null_tolerance == pytest.approx(b.null_tolerance, rel=1e-12)


# --- threads


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("shape", [(5, 3), (701, 37), (2500, 130), (37, 701), (1, 300), (3001, 1)])
def test_any_number_of_threads_gives_identical_bytes(dtype, shape):
    rng = np.random.default_rng(1)
    X = rng.standard_normal(shape).astype(DTYPES[dtype])
    X[0] = 0

    def results(threads: int) -> list[bytes]:
        spectrum = fg.spectra.spectrum(X, num_threads=threads)
        measures = fg.spectra.measures(X, spectrum, num_threads=threads)
        pairs = fg.pairs.sweep(X, k=3, num_threads=threads)
        bits = fg.features.as_features(X).values
        block = (
            fg.blocks.describe_block(X, np.arange(1, len(X), dtype=np.int64)[:600], num_threads=threads)
            if len(X) > 1
            else None
        )
        arrays = [
            fg.frames.frame_operator(X, num_threads=threads),
            fg.frames.frame_operator(X, precision="single", num_threads=threads),
            fg.frames.capacity(X, num_threads=threads),
            fg.frames.capacity(X, precision="single", num_threads=threads),
            spectrum.eigenvalues, spectrum.vectors, spectrum.starts, spectrum.null_tolerance, spectrum.trace,
            *measures.columns().values(), measures.masses,
            pairs.neighbours, pairs.cosines, pairs.counts, pairs.coherence, pairs.blocks, pairs.threshold, pairs.ladder,
            fg._core.squared_norms(bits, num_threads=threads),
            fg._core.nonfinite_rows(bits, num_threads=threads),
            0.0 if block is None else block.tightness,
        ]  # fmt: skip
        return [np.asarray(array).tobytes() for array in arrays]

    one = results(1)
    assert results(2) == one
    assert results(3) == one


@pytest.mark.parametrize("size", [1, 2, 33, 130, 400])
def test_eigensolvers_give_identical_bytes(size):
    X = np.random.default_rng(2).standard_normal((2 * size, size))
    F = X.T @ X
    F = (F + F.T) / 2
    found = [fg._core.eigh(F, num_threads=threads) for threads in (1, 2, 3)]
    only = [fg._core.eigvalsh(F, num_threads=threads) for threads in (1, 2, 3)]
    for values, vectors in found:
        assert values.tobytes() == found[0][0].tobytes()
        assert vectors.tobytes() == found[0][1].tobytes()
    assert len({values.tobytes() for values in only}) == 1
    np.testing.assert_allclose(only[0], np.linalg.eigvalsh(F)[::-1], rtol=0, atol=1e-13 * size * F.max())
    np.testing.assert_allclose(found[0][0], np.linalg.eigvalsh(F)[::-1], rtol=0, atol=1e-13 * size * F.max())


# --- views that NumPy allows


@pytest.mark.parametrize("dtype", list(DTYPES))
def test_broadcast_views_of_zero_stride(dtype):
    row = np.arange(1, 6).astype(DTYPES[dtype])
    for X in (
        np.broadcast_to(row, (7, 5)),
        np.broadcast_to(row[:, None], (5, 9)),
        np.broadcast_to(row[:1], (4, 3)),
    ):
        wide = X.astype(np.float64)
        np.testing.assert_allclose(fg.frames.frame_operator(X), wide.T @ wide, rtol=1e-14)
        np.testing.assert_allclose(fg.frames.capacity(X), slow.capacity(wide), rtol=1e-12)
        assert fg.spectra.spectrum(X).rank == 1
        assert fg.pairs.sweep(X).coherence == pytest.approx(1)
        assert fg.pairs.sweep(X).n_blocks == 1
