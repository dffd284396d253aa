"""What changed between two dictionaries: planted changes and nothing else, identities, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.dictionaries import compare
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from oracles.known_answers import rotation

QUIET = {"num_threads": 1}


def gaussian(n: int, m: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 41]).standard_normal((n, m))


def unit(X: np.ndarray) -> np.ndarray:
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def anisotropic(n: int, m: int, seed: int) -> np.ndarray:
    """Uneven norms, a common direction and an uneven spectrum, as trained matrices have them."""
    return (gaussian(n, m, seed) * np.linspace(2, 0.5, m) + 0.5) * np.exp(0.5 * gaussian(n, 1, seed + 1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_nothing_changed(dtype: type) -> None:
    A = anisotropic(200, 40, 1).astype(dtype)
    A[5] = A[9]  # copies are not exchanged
    A[7] = 0
    for B in (A, A.copy(), A.astype(np.float64), np.asfortranarray(A)):
        found = compare(A, B, **QUIET)
        assert str(found) == "nothing changed: all 199 features are what they were"
        assert found.same
        assert (found.pairs[:, 0] == found.pairs[:, 1]).all()
        assert found.cka == pytest.approx(1)
        np.testing.assert_allclose(found.subspaces.overlap, 1, rtol=1e-9)


@pytest.mark.parametrize("how", ["zeroed", "removed"])
def test_half_of_the_features_pruned(how: str) -> None:
    A, gone = anisotropic(300, 50, 2), np.arange(0, 300, 2)
    B = (
        np.delete(A, gone, axis=0)
        if how == "removed"
        else np.where(np.isin(np.arange(300), gone)[:, None], 0, A)
    )
    found = compare(A, B, **QUIET)
    assert str(found) == "150 features kept, none of them changed; 150 lost; none born"
    np.testing.assert_array_equal(found.lost, gone)
    np.testing.assert_allclose(found.cosine, 1)
    back = compare(B, A, **QUIET)
    np.testing.assert_array_equal(back.born, gone)
    assert len(back.lost) == 0


def test_half_of_the_entries_pruned() -> None:
    """Every feature turns; none is lost."""
    A = anisotropic(300, 50, 3)
    B = np.where(np.abs(A) >= np.median(np.abs(A), axis=1, keepdims=True), A, 0)
    found = compare(A, B, **QUIET)
    assert (found.n_kept, found.n_changed, len(found.lost), len(found.born)) == (300, 300, 0, 0)
    np.testing.assert_allclose(np.cos(found.angle), np.einsum("ia,ia->i", unit(A), unit(B)), atol=1e-12)
    np.testing.assert_allclose(found.norm_ratio, np.linalg.norm(B, axis=1) / np.linalg.norm(A, axis=1))


def test_one_per_cent_of_noise() -> None:
    A = anisotropic(300, 64, 4)
    B = A + 0.01 * np.linalg.norm(A, axis=1, keepdims=True) / 8 * gaussian(300, 64, 5)
    found = compare(A, B, **QUIET)
    assert (found.n_kept, found.n_changed, len(found.lost), len(found.born)) == (300, 300, 0, 0)
    assert found.same
    # The tangential part of the noise has 63 of 64 dimensions.
    assert np.median(found.angle) == pytest.approx(0.01 * (63 / 64) ** 0.5, rel=0.02)
    assert np.abs(found.norm_ratio - 1).max() < 0.006
    assert (found.subspaces.captured > 0.999).all()
    assert "none lost; none born" in str(found)
    assert "turned by 0.57 degrees" in str(found) or "turned by 0.56" in str(found)


def test_some_features_fine_tuned_and_nothing_else() -> None:
    A = anisotropic(256, 48, 6).astype(np.float32)
    B, some = A.copy(), np.arange(40, 60)
    B[some] += 0.2 * np.linalg.norm(A[some], axis=1, keepdims=True) / 48**0.5 * gaussian(20, 48, 7)
    B[100] *= 2
    found = compare(A, B, **QUIET)
    np.testing.assert_array_equal(found.pairs[found.changed, 0], [*some, 100])
    assert (len(found.lost), len(found.born)) == (0, 0)
    assert found.norm_ratio[100] == pytest.approx(2)
    assert found.angle[100] < 1e-6


def test_some_features_replaced() -> None:
    A = anisotropic(256, 48, 8)
    B = A.copy()
    B[:30] = gaussian(30, 48, 9)
    found = compare(A, B, **QUIET)
    assert found.same
    # At most a share q of the kept pairs is expected to be chance: 2.3 of 226, above 9 once in 10 000.
    assert found.n_changed <= 9
    assert len(found.lost) == len(found.born) >= 21
    assert set(found.lost) == set(found.born) <= set(range(30))


def test_shuffled_and_of_other_widths() -> None:
    rng = np.random.default_rng(10)
    A = anisotropic(200, 40, 11)
    order = rng.permutation(200)
    found = compare(A, A[order], **QUIET)
    assert not found.same
    assert str(found) == "nothing changed: all 200 features are what they were"
    np.testing.assert_array_equal(order[found.pairs[:, 1]], found.pairs[:, 0])
    wide = np.vstack([A[order], gaussian(150, 40, 12)])
    more = compare(A, wide, **QUIET)
    assert more.n_kept == 200
    np.testing.assert_array_equal(more.born, np.arange(200, 350))
    frame = more.to_frame()
    assert frame["what"].value_counts().to_dict() == {"unchanged": 200, "born": 150}
    assert frame.loc[frame["what"] == "born", "b"].tolist() == list(range(200, 350))


def test_unrelated_dictionaries_keep_nothing() -> None:
    """A share of .01 of what is kept may be chance, so one of a hundred keeps any: three of 30 come once in 200."""
    kept = [
        compare(gaussian(120, 24, seed), gaussian(120, 24, seed + 50), **QUIET).n_kept for seed in range(15)
    ] + [
        compare(anisotropic(120, 24, seed), anisotropic(120, 24, seed + 50), **QUIET).n_kept
        for seed in range(15)
    ]
    assert np.count_nonzero(kept) <= 2
    assert max(kept) <= 2
    found = compare(gaussian(200, 32, 1), gaussian(200, 32, 2), **QUIET)
    assert found.n_kept + len(found.lost) == 200
    assert str(found).endswith("born")


def test_one_feature_of_many_is_kept() -> None:
    """One pair is beyond all of the drawn ones by chance in half of the cases; by how much decides."""
    A, B = gaussian(500, 64, 1), gaussian(500, 64, 2)
    unit, other = A[7] / np.linalg.norm(A[7]), gaussian(1, 64, 3)[0]
    other -= (other @ unit) * unit
    B[300] = 0.85 * unit + np.sqrt(1 - 0.85**2) * other / np.linalg.norm(other)
    assert compare(A, B, **QUIET).pairs.tolist() == [[7, 300]]


def test_cka_is_that_of_the_gram_matrices_and_its_null_that_of_shuffles() -> None:
    A, B = (
        anisotropic(60, 9, 13),
        anisotropic(60, 9, 13) @ rotation(9, np.random.default_rng(0)) + gaussian(60, 9, 14),
    )
    H = np.eye(60) - 1 / 60
    K, L = H @ A @ A.T @ H, H @ B @ B.T @ H
    norm = np.linalg.norm(K) * np.linalg.norm(L)
    from featuregeom.dictionaries.comparing import _cka
    from featuregeom.features import as_features

    pairs = np.column_stack([np.arange(60)] * 2)
    value, null = _cka(as_features(A), as_features(B), pairs)
    assert value == pytest.approx(np.sum(K * L) / norm, rel=1e-9)
    rng = np.random.default_rng(1)
    shuffled = []
    for _ in range(2000):
        order = rng.permutation(60)
        shuffled.append(np.sum(K * L[np.ix_(order, order)]) / norm)
    assert null == pytest.approx(np.mean(shuffled), abs=5 * np.std(shuffled) / 2000**0.5)


def test_spaces_of_other_dimensions_are_compared_by_gram_rows() -> None:
    rng = np.random.default_rng(2)
    A = anisotropic(200, 24, 15)
    B = (np.hstack([A, np.zeros((200, 4))]) @ rotation(28, rng))[rng.permutation(200)]
    found = compare(A, B, **QUIET)
    assert found.subspaces is None
    assert str(found).endswith("for the dimensions differ")
    assert found.n_kept == 200
    assert found.cka == pytest.approx(1)
    assert found.norm_ratio == pytest.approx(1)


def test_a_few_features() -> None:
    A = fg.shapes.icosahedron()
    assert str(compare(A, A, **QUIET)) == "nothing changed: all 12 features are what they were"
    one = compare([[1.0, 2.0, 0.0]], [[1.0, 2.0, 0.0]], **QUIET)
    assert np.isnan(one.cka)
    assert one.n_kept <= 1


def test_texts_of_few_and_of_none() -> None:
    none = compare(gaussian(40, 16, 1), gaussian(8, 16, 2), **QUIET)
    assert str(none) == "0 features kept; 40 lost; 8 born"
    assert "no pair beyond chance" in repr(none)
    assert not {"inf", "nan"} & set(repr(none).replace(",", "").split())
    A = np.eye(50)[:30]
    one = compare(A, np.vstack([A[:1], gaussian(3, 50, 4)]), q=0.2, **QUIET)
    assert str(one).startswith("1 feature kept, none of them changed; 29 lost")
    assert repr(one.matching).startswith("Matching(raw, 4 pairs")


def test_what_cannot_be_compared_is_refused() -> None:
    A = gaussian(20, 5, 16)
    bad = A.copy()
    bad[3, 1] = np.nan
    with pytest.raises(NonFiniteError, match=r"B: .*row 3, column 1"):
        compare(A, bad)
    with pytest.raises(ShapeError, match="only matrices of one shape"):
        compare(A, A[:19], same=True)
    with pytest.raises(ShapeError, match="A: all 20"):
        compare(0 * A, A)
    for wrong in ({"q": 0}, {"q": 1}, {"seed": -1}, {"k": 0}):
        with pytest.raises(ParameterError):
            compare(A, A, **wrong)
