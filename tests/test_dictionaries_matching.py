"""Two dictionaries matched: SciPy's dense assignment, closed forms, rotations, what random ones have, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from featuregeom.dictionaries import expected_max_cosine, match
from featuregeom.dictionaries.random_dictionary import random_like
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.features import as_features
from oracles.known_answers import rotation
from processes import run

QUIET = {"num_threads": 1}


def gaussian(n: int, m: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 23]).standard_normal((n, m))


def unit(X: np.ndarray) -> np.ndarray:
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def problem(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random sets of many kinds: wide, narrow, of few dimensions, copies of each other, with copies inside."""
    rng = np.random.default_rng([seed, 29])
    n, p = (int(value) for value in rng.integers(1, 220, 2))
    if seed % 3 == 0:
        p = n
    m = int(rng.choice([2, 3, 5, 16, 64]))
    A, B = rng.standard_normal((n, m)), rng.standard_normal((p, m))
    kind = seed % 5
    if kind == 1:  # some features of A are in B, with noise
        size = min(n, p) // 2
        B[:size] = A[:size] + 0.1 * rng.standard_normal((size, m))
    elif kind == 2:  # ties: few different directions
        A, B = rng.integers(-1, 2, (n, m)).astype(float), rng.integers(-1, 2, (p, m)).astype(float)
        A[:, 0] += A.any(axis=1) == 0
        B[:, 0] += B.any(axis=1) == 0
    elif kind == 3:  # a common direction
        A, B = A + 3, B + 3
    elif kind == 4:  # copies of one feature
        A[: n // 2], B[: p // 2] = A[0], B[0]
    return A, B


@pytest.mark.parametrize("block", range(8))
def test_it_is_scipy_s_dense_assignment(block: int) -> None:
    for seed in range(25 * block, 25 * block + 25):
        A, B = problem(seed)
        found = match(A, B, n_draws=0, **QUIET)
        C = unit(A) @ unit(B).T
        assert len(found.pairs) == min(C.shape)
        for pairs, cosine, gap, values in (
            (found.pairs, found.cosine, found.gap, C),
            (found.absolute_pairs, np.abs(found.absolute_cosine), found.absolute_gap, np.abs(C)),
        ):
            assert len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == len(pairs)
            np.testing.assert_allclose(cosine, values[pairs[:, 0], pairs[:, 1]], atol=1e-12)
            best = values[linear_sum_assignment(-values)].mean()
            assert cosine.mean() <= best + 1e-12
            assert best - cosine.mean() <= gap + 1e-12, seed
            assert gap < 1e-3, seed
            if gap < 1e-9:
                assert cosine.mean() == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_gap_bounds_what_few_candidates_lose(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featuregeom.dictionaries.one_to_one._CANDIDATES", 0)
    lost = 0
    for seed in range(40):
        A, B = problem(seed)
        found = match(A, B, k=k, n_draws=0, **QUIET)
        C = unit(A) @ unit(B).T
        best = C[linear_sum_assignment(-C)].mean()
        assert -1e-12 <= best - found.pw_mcc <= found.gap + 1e-12
        lost += best - found.pw_mcc > 1e-6
    assert lost > 5 or k > 2  # so the bound is put to the test


def test_thousands_of_copies_are_matched() -> None:
    A = np.repeat(gaussian(3, 8, 0), 700, axis=0).astype(np.float32)
    B = A[np.random.default_rng(0).permutation(len(A))]
    found = match(A, B, n_draws=0, **QUIET)
    assert found.pw_mcc == pytest.approx(1, abs=1e-6)
    assert found.gap < 1e-4


def test_random_dictionaries_have_the_design_s_numbers() -> None:
    for m, signed, absolute in ((256, 0.206, 0.218), (64, 0.40, 0.42)):
        found = match(gaussian(2048, m, 1), gaussian(2048, m, 2), **QUIET)
        assert found.pw_mcc == pytest.approx(signed, abs=4e-3)
        assert found.scores.pw_mcc_absolute == pytest.approx(absolute, abs=4e-3)
        for name in ("pw_mcc", "pw_mcc_absolute", "mmcs", "mmcs_back"):
            assert getattr(found.scores, name) == pytest.approx(getattr(found.null_scores, name), abs=3e-3)
        assert found.scores.mmcs == pytest.approx(expected_max_cosine(2049, m, signed=True), abs=2e-3)
        # Of n throws into n boxes a share 1 - 1/e of the boxes is hit.
        assert found.scores.uniqueness == pytest.approx(1 - np.exp(-1), abs=0.03)
        assert found.scores.shared == found.null_scores.shared == 0


def test_the_signed_mean_maximum_is_that_of_the_design_and_of_simulation() -> None:
    assert expected_max_cosine(2048, 256, signed=True) == pytest.approx(0.21318, abs=5e-6)
    assert expected_max_cosine(2, 5, signed=True) == pytest.approx(0, abs=1e-9)
    assert expected_max_cosine(4, 1, signed=True) == 0.75
    for n, m in ((3, 1), (5, 3), (40, 7), (30, 200)):
        found = []
        for seed in range(400):
            U = unit(gaussian(n, m, seed))
            C = U @ U.T
            np.fill_diagonal(C, -2)
            found.append(C.max(axis=1).mean())
        expected = expected_max_cosine(n, m, signed=True)
        assert np.mean(found) == pytest.approx(expected, abs=5 * np.std(found) / 20 + 1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("more", [0, 6])
def test_a_rotated_copy_is_at_the_null_until_it_is_rotated_back(noise: float, more: int) -> None:
    """In as many dimensions, and in more of them."""
    rng = np.random.default_rng(5)
    A, order = gaussian(500, 48, 3) * np.exp(gaussian(500, 1, 4)) + 0.3, rng.permutation(500)
    B = unit(A) + noise / 48**0.5 * rng.standard_normal(A.shape)
    B = np.hstack([B, np.zeros((500, more))])[order] @ rotation(48 + more, rng)
    if not more:
        raw = match(A, B, n_draws=4, **QUIET)
        assert raw.pw_mcc == pytest.approx(raw.null, abs=0.04)
    for form in ("procrustes", "gram"):
        found = match(A, B, align=form, **QUIET)
        assert (order[found.pairs[:, 1]] == found.pairs[:, 0]).all()
        assert found.pw_mcc > (1 - 1e-9 if not noise else 0.99)
        assert found.null < 0.8
        assert found.rotation.shape == (48, 48 + more)
        np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(48), atol=1e-12)


def test_gram_rows_are_rows_of_the_gram_matrix() -> None:
    from featuregeom.dictionaries.alignment import gram_rows

    A, B = gaussian(30, 9, 6), gaussian(40, 5, 7)
    pairs = np.column_stack([np.arange(25), np.arange(25)[::-1]])
    left, right = (
        each.widened(np.arange(each.n)) for each in gram_rows(as_features(A), as_features(B), pairs)
    )
    rows = unit(A) @ unit(A)[pairs[:, 0]].T, unit(B) @ unit(B)[pairs[:, 1]].T
    np.testing.assert_allclose(unit(left) @ unit(right).T, unit(rows[0]) @ unit(rows[1]).T, atol=1e-10)


def test_a_random_dictionary_keeps_the_frame_operator_of_the_directions() -> None:
    for n, m in ((300, 20), (20, 20), (7, 20)):
        X = gaussian(n, m, 8) * np.linspace(1, 3, m)
        X[3] = 0
        drawn = random_like(as_features(X), 0, 1)
        rows = drawn.widened(np.arange(drawn.n))
        U = unit(np.delete(X, 3, axis=0))
        np.testing.assert_allclose(rows.T @ rows, U.T @ U, atol=1e-9)
        assert np.abs(unit(rows) @ U.T).max() < 1 - 1e-6


def test_scale_order_threads_and_the_smaller_set_first() -> None:
    A, B = gaussian(150, 20, 9), gaussian(90, 20, 10)
    one = match(A, B, seed=3, **QUIET)
    two = match(A * 7, B * np.exp(gaussian(90, 1, 0)), seed=3, num_threads=2)
    np.testing.assert_array_equal(one.pairs, two.pairs)
    np.testing.assert_allclose(one.cosine, two.cosine, atol=1e-12)
    assert len(one.pairs) == 90
    assert (np.diff(one.pairs[:, 0]) > 0).all()
    back = match(B, A, n_draws=0, **QUIET)
    assert sorted(map(tuple, back.pairs[:, ::-1].tolist())) == sorted(map(tuple, one.pairs.tolist()))
    assert (back.scores.mmcs, back.scores.mmcs_back) == (one.scores.mmcs_back, one.scores.mmcs)
    assert back.scores.uniqueness != one.scores.uniqueness
    assert np.isnan(back.null)
    frame = one.to_frame()
    assert frame["value"].tolist()[0] == one.pw_mcc
    assert frame["null"].tolist()[0] == one.null


def test_the_same_dictionary_in_other_types() -> None:
    A = gaussian(200, 32, 11).astype(np.float32)
    torch = pytest.importorskip("torch")
    for B in (A.astype(np.float64), A.astype(np.float16), torch.tensor(A).to(torch.bfloat16)):
        found = match(A, B, n_draws=0, **QUIET)
        assert (found.pairs[:, 0] == found.pairs[:, 1]).all()
        assert found.pw_mcc > 0.9999
        assert found.scores.shared == 1
        assert found.gap < 1e-5


def test_zero_rows_are_left_out_and_duplicates_share_a_nearest() -> None:
    A = gaussian(40, 10, 12)
    B = A.copy()
    A[[3, 7]] = 0
    B[5] = 0
    found = match(A, B, n_draws=0, **QUIET)
    assert len(found.pairs) == 38
    assert not np.isin(found.pairs[:, 0], [3, 7]).any()
    assert 5 not in found.pairs[:, 1]
    twice = match(np.vstack([A, A]), B, n_draws=0, **QUIET)
    assert len(twice.pairs) == 39
    assert twice.scores.uniqueness < 1
    A[9] *= 1e-200
    tiny = match(A * 1e-60, B * 1e60, n_draws=0, **QUIET)
    np.testing.assert_array_equal(tiny.pairs, found.pairs)


def test_what_cannot_be_matched_is_refused() -> None:
    A = gaussian(10, 4, 13)
    bad = A.copy()
    bad[6, 2] = np.nan
    with pytest.raises(ShapeError, match=r"of 4 dimensions, B of 5.*gram"):
        match(A, gaussian(10, 5, 14))
    with pytest.raises(NonFiniteError, match=r"B: .*row 6, column 2"):
        match(A, bad)
    with pytest.raises(NonFiniteError, match=r"A: .*row 6, column 2"):
        match(bad, A)
    with pytest.raises(ShapeError, match="B: all 10 features are zero"):
        match(A, np.zeros((10, 4)))
    with pytest.raises(DtypeError):
        match(A, A.astype(complex))
    for wrong in ({"align": "rotate"}, {"k": 0}, {"threshold": 1}, {"n_draws": -1}, {"seed": 0.5}):
        with pytest.raises(ParameterError):
            match(A, A, **wrong)
    assert match(A[:1], A, n_draws=0).pairs.tolist() == [[0, 0]]
    assert match(A[:1], A[:1], align="procrustes", n_draws=0).pw_mcc == pytest.approx(1)


def test_it_loads_no_torch_and_no_pandas() -> None:
    run(
        "import sys, numpy as np, featuregeom as fg\n"
        "fg.dictionaries.match(np.eye(5), np.eye(5))\n"
        "assert not {'torch', 'pandas', 'plotly'} & set(sys.modules)"
    )
