"""Long steps of linear algebra in pieces: the same numbers, and Ctrl-C between them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import interruptible
from featuregeom.errors import ParameterError


@pytest.mark.parametrize("n", [1, 2, 511, 513, 700])
def test_eigenvalues_are_those_of_numpy(n: int) -> None:
    A = np.random.default_rng(n).standard_normal((n, n))
    A = A + A.T
    values, vectors = interruptible.eigh(A)
    expected = np.linalg.eigvalsh(A)
    size = np.abs(expected).max()
    np.testing.assert_allclose(values, expected, atol=1e-13 * n * size)
    np.testing.assert_allclose(interruptible.eigvalsh(A), expected, atol=1e-13 * n * size)
    np.testing.assert_allclose((vectors * values) @ vectors.T, A, atol=1e-13 * n * size)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(n), atol=1e-12)


@pytest.mark.parametrize("n", [3, 100, 600])
@pytest.mark.parametrize("r", [1, 3])
def test_the_rank_is_that_of_the_factor(n: int, r: int) -> None:
    X = np.random.default_rng(n).standard_normal((n, r))
    assert interruptible.rank(X @ X.T, 1e-9 * n) == r


@pytest.mark.parametrize(
    ("n", "k", "m"), [(3, 4, 5), (1, 1, 1), (0, 3, 2), (1500, 40, 1400), (1100, 1100, 1100)]
)
def test_products_are_those_of_whole_numbers(n: int, k: int, m: int) -> None:
    """Integers below 2^20: exact in float64 however the sums are cut, so equal and not only close."""
    rng = np.random.default_rng(n + m)
    left, right = rng.integers(-9, 10, (n, k)), rng.integers(-9, 10, (k, m))
    expected = left @ right
    for dtype in (np.float64, np.float32):
        found = interruptible.matmul(left.astype(dtype), right.astype(dtype))
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (5, 3), (1300, 1000)])
def test_gram_matrices_are_symmetric_to_the_last_bit(n: int, m: int) -> None:
    X = np.random.default_rng(n).standard_normal((n, m))
    G = interruptible.gram(X)
    np.testing.assert_array_equal(G, G.T)
    some = np.random.default_rng(1).integers(0, max(n, 1), (2, 200 if n else 0))
    np.testing.assert_allclose(G[some[0], some[1]], (X[some[0]] * X[some[1]]).sum(axis=1), atol=1e-10)


@pytest.mark.parametrize("n", [1, 3, 511, 513, 1100])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_definite_matrices_are_those_with_positive_eigenvalues(n, dtype):
    rng = np.random.default_rng(n)
    X = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if dtype == np.complex128 else 0)
    H = X @ X.conj().T / n
    least = float(np.linalg.eigvalsh(H)[0])
    margin = 1e-6 * float(np.linalg.norm(H, 2))
    before = H.copy()
    assert interruptible.is_positive_definite(H + (margin - least) * np.eye(n))
    assert not interruptible.is_positive_definite(H - (margin + least) * np.eye(n))
    np.testing.assert_array_equal(H, before)


def test_a_call_aside_gives_what_it_gives_here():
    X = np.random.default_rng(0).standard_normal((300, 400))
    for rows in (X, X[:3]):
        found = interruptible.aside(np.linalg.svd, rows, full_matrices=False)
        for one, other in zip(found, np.linalg.svd(rows, full_matrices=False), strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(np.linalg.LinAlgError):
        interruptible.aside(np.linalg.cholesky, -np.eye(300))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        interruptible.aside(np.divide, np.ones((300, 300)), 0.0)


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
def test_a_call_aside_is_left_at_once():
    """A wait of 10 s, which is left 0.05 s after the signal; far more is allowed where other work wants the cores."""
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, the signal may come at once
        timer.start()
        interruptible.aside(lambda matrix: time.sleep(10), np.zeros((300, 300)))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("n", [3, 300])
def test_eigenvalues_of_hermitian_matrices(n: int) -> None:
    rng = np.random.default_rng(n)
    A = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    A = A + A.conj().T
    values, vectors = interruptible.eigh(A)
    np.testing.assert_allclose((vectors * values) @ vectors.conj().T, A, atol=1e-11)
    np.testing.assert_allclose(interruptible.eigvalsh(A), values, atol=1e-11)


@pytest.mark.parametrize("shape", [(0, 3), (5, 0), (3, 7), (2100, 2003)])
def test_normal_numbers_are_those_of_one_call(shape):
    """The last shape takes two slabs, the second a few rows."""
    rng, other = np.random.default_rng(4), np.random.default_rng(4)
    np.testing.assert_array_equal(interruptible.normals(rng, shape), other.standard_normal(shape))
    assert rng.random() == other.random()


def test_slabs_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations by element and by row, on matrices that are cut into slabs of one to three rows, and on empty ones."""
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((7, 5)), rng.integers(0, 3, (7, 5))
    monkeypatch.setattr(interruptible, "_NUMBERS", 15)
    assert np.array_equal(interruptible.by_slabs(np.multiply, A, B), A * B)
    assert np.array_equal(interruptible.by_slabs(lambda a: a.max(axis=1), A), A.max(axis=1))
    assert interruptible.by_slabs(lambda a: a > 0, A[:0]).shape == (0, 5)
    wide = interruptible.by_slabs(lambda k: A[k], np.arange(7), width=5)
    assert np.array_equal(wide, A)
    assert np.array_equal(interruptible.stacked([A[:3], A[3:3], A[3:]]), A)
    assert np.array_equal(interruptible.normals(np.random.default_rng(1), (7, 5)), rng_normals((7, 5)))
    G = fg.frames.gram(A + 1j * B)
    np.testing.assert_allclose(G, (A + 1j * B) @ (A - 1j * B).T, atol=1e-12)
    F = A.T @ A
    assert fg.frames.frame_potential(F) == pytest.approx((F**2).sum(), rel=1e-14)
    F[3, 1] += 1e-3
    with pytest.raises(ParameterError, match=r"not symmetric \(Hermitian\) at \((3, 1|1, 3)\)"):
        fg.frames.frame_potential(F)


def test_results_do_not_depend_on_the_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole functions whose passes go by slabs, in slabs of one to a few rows and in one."""
    rng = np.random.default_rng(2)
    X, weights = rng.standard_normal((40, 6)), rng.random(40)
    net = [
        (rng.standard_normal((20, 6)), rng.standard_normal(20)),
        (rng.standard_normal((1, 20)), np.zeros(1)),
    ]
    shape = fg.shapes.noisy(fg.shapes.johnson(6, 2), 0.01, 0)

    def found() -> list[np.ndarray]:
        way = fg.regions.along(net, *X[:4])
        detected = fg.schemes.detect(shape)
        return [
            *(way.breakpoints, way.codes, way.outputs),
            *fg.null_model.measure_draws(X, n_draws=2),
            *fg.null_model.measure_draws(np.hstack([X, 0 * X]), n_draws=1),
            fg.frames.weighted_frame_operator(X, weights),
            fg.shapes.cube(7),
            fg.shapes.demicube(7),
            detected.relations,
            detected.levels,
        ]

    whole = found()
    monkeypatch.setattr(interruptible, "_NUMBERS", 50)
    for one, other in zip(whole, found(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-12)


LEFT_BEHIND = """
import os, signal, sys, threading
import numpy as np
from featuregeom.interruptible import aside

signal.signal(signal.SIGINT, signal.default_int_handler)
matrix = np.random.default_rng(0).standard_normal((2500, 2500))
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    aside(np.linalg.svd, matrix)
except KeyboardInterrupt:
    if sys.argv[1] == "caught":
        sys.exit(3)
    raise
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
@pytest.mark.parametrize(("how", "code"), [("raised", -signal.SIGINT), ("caught", 3)])
def test_a_process_that_leaves_a_call_behind_ends_in_order(how: str, code: int) -> None:
    """No library is taken down under its call, which would be a segmentation fault (-11)."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT_BEHIND, how], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stderr
    assert ("KeyboardInterrupt" in done.stderr) == (how == "raised")


FORKED = """
import os, sys, threading, time
import numpy as np
from featuregeom.interruptible import aside

work = threading.Thread(target=aside, args=(lambda matrix: time.sleep(3), np.zeros((300, 300))))
work.start()
time.sleep(0.5)
child = os.fork()
if child == 0:
    sys.exit(4)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_waits_for_no_call_of_its_parent():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4, done.stderr


def rng_normals(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_features_are_widened_and_taken_by_parts(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    wide = np.random.default_rng(0).integers(-8, 8, (9, 4)).astype(np.float32)  # exact in all of them
    given = (wide.view(np.uint32) >> 16).astype(np.uint16) if dtype == "bfloat16" else wide.astype(dtype)
    features = fg.features.as_features(given, dtype=dtype if dtype == "bfloat16" else None)
    monkeypatch.setattr(fg.features, "_CHUNK", 8)
    monkeypatch.setattr(interruptible, "_NUMBERS", 8)
    index = np.array([5, 0, 5, 8, 3])
    for chosen in (index, index[:0], slice(2, 9), slice(0, 9, 3)):
        assert np.array_equal(features.widened(chosen), wide[chosen])
    assert np.array_equal(features.take(index).widened(slice(None)), wide[index])
