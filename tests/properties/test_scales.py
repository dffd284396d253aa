"""Features of any size: the answer that scale gives, or an error that says what is wrong and in which row."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom.errors import ParameterError

INVARIANT = {
    "capacity": fg.frames.capacity,
    "single capacity": lambda X: fg.frames.capacity(X, precision="single"),
    "complex capacity": lambda X: fg.frames.capacity(X * (1 + 0j)),
    "coherence": fg.frames.coherence,
    "complex coherence": lambda X: fg.frames.coherence(X * (1 + 0j)),
    "condition": fg.frames.condition,
    "dual": lambda X: fg.frames.canonical_dual(X) / np.abs(fg.frames.canonical_dual(X)).max(),
    "parseval": fg.frames.canonical_parseval,
    "measures": lambda X: fg.spectra.measures(X).masses,
    "leverage": lambda X: fg.spectra.measures(X).leverage,
    "sweep": lambda X: fg.pairs.sweep(X).cosines,
    "blocks": lambda X: fg.blocks.decompose(X).labels,
    "null model": lambda X: fg.null_model.saturation(X).value,
    "against an operator": lambda X: (
        fg.operators.measures_against(X, np.diag([1.0, 2.0, 3.0, 4.0, 5.0])).masses
    ),
    "scheme": lambda X: fg.schemes.detect(X).residual,
    "saturation": lambda X: fg.analyze({"x": X}).matrices["saturation"],
}
"""What does not depend on the size of all features together."""

NEED_SQUARES = {
    "capacity", "single capacity", "complex capacity", "condition", "dual", "parseval", "measures", "leverage",
    "saturation",
}  # fmt: skip


def features(n: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal((n, 5))


def numbers(found) -> np.ndarray:
    return np.asarray(found, dtype=np.float64)


def answer(function, X) -> tuple[np.ndarray, str]:
    """What a function gives, or why it refuses."""
    try:
        return numbers(function(X)), ""
    except ParameterError as error:
        return np.zeros(0), str(error)


@pytest.mark.parametrize("name", INVARIANT)
@pytest.mark.parametrize("n", [3, 8])
def test_every_power_of_two_gives_the_answer_or_an_error(name, n):
    X, function = features(n), INVARIANT[name]
    expected = numbers(function(X))
    powers = range(-1070, 1021, 95 if name in ("saturation", "scheme", "blocks") else 19)
    answered = 0
    for power in powers:
        scaled = np.ldexp(X, power)
        found, refused = answer(function, scaled)
        if refused:
            assert "norm" in refused or "range" in refused
            assert abs(power) > 200
            continue
        answered += 1
        if power > -1000:
            np.testing.assert_allclose(
                found, expected, rtol=1e-5 if "single" in name else 1e-9, atol=1e-12, err_msg=f"2^{power}"
            )
    assert answered >= 2


@pytest.mark.parametrize("name", INVARIANT)
@given(st.integers(-1074, -100), st.integers(0, 7), st.booleans())
@example(-520, 2, False)
@example(-665, 2, True)
@settings(max_examples=25, deadline=None)
def test_a_tiny_row_beside_normal_ones_is_right_or_refused_by_number(name, power, row, few):
    X = features(3 if few else 8)
    row %= len(X)
    X[row] = np.ldexp(np.round(np.ldexp(X[row], 20)), max(power, -1074) - (20 if power > -1054 else 0))
    if not X[row].any():
        return
    found, refused = answer(INVARIANT[name], X)
    if refused:
        assert f"row {row} " in refused or f"feature {row} " in refused
        assert np.abs(X[row]).max() < 1e-60
        return
    if name in NEED_SQUARES:
        assert np.abs(X[row]).max() > 1e-142
    if (
        "capacity" in name
    ):  # 1e-13 in double precision of the definition, scaled so that squares stay in range
        unit = X / np.abs(X).max(axis=1, keepdims=True)
        size = np.abs(X).max(axis=1)
        N = (unit**2).sum(axis=1)
        inner = (unit @ unit.T) * (size / size[:, None])
        expected = np.where(np.arange(len(X)) == row, 0.0, N**2 / (inner**2).sum(axis=1))
        others = np.arange(len(X)) != row
        np.testing.assert_allclose(found[others], expected[others], rtol=1e-5 if "single" in name else 1e-11)
    if name == "sweep":
        unit = X / np.abs(X).max(axis=1, keepdims=True)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        cosines = unit @ unit.T - 2 * np.eye(len(X))
        nearest = np.abs(np.where(np.eye(len(X), dtype=bool), 0, cosines)).max(axis=1)
        np.testing.assert_allclose(np.abs(found[:, 0]), nearest, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("n", [3, 8])
def test_short_types_have_squares_down_to_their_subnormals(dtype, n):
    kind = getattr(ml_dtypes, dtype, None) or np.dtype(dtype)
    X = features(n).astype(kind)
    tiny = (
        np.finfo(dtype).smallest_subnormal
        if dtype != "bfloat16"
        else ml_dtypes.finfo(kind).smallest_subnormal
    )
    X[1] = np.array([3, 0, -4, 0, 0]) * np.float64(tiny)
    wide = X.astype(np.float64)
    np.testing.assert_allclose(
        fg.frames.capacity(X),
        np.sum(wide**2, axis=1) ** 2 / np.einsum("ia,ab,ib->i", wide, wide.T @ wide, wide),
        rtol=1e-11,
    )
    cosine = wide[1] @ wide[0] / np.linalg.norm(wide[1]) / np.linalg.norm(wide[0])
    nearest = fg.pairs.sweep(X, k=n - 1)
    assert nearest.cosines[1][nearest.neighbours[1] == 0] == pytest.approx(cosine, rel=1e-5)
    single = fg.frames.capacity(X, precision="single")
    np.testing.assert_allclose(single, fg.frames.capacity(X), rtol=1e-4)


def test_a_tiny_feature_of_its_own_block_is_a_block():
    X = np.diag([1.0, 2.0, 1e-100])
    found = fg.blocks.decompose(X)
    assert len(found.blocks) == 3
    assert found.blocks[2].dim == 1
    assert found.blocks[2].bounds[0] == pytest.approx(1e-200)
    assert fg.analyze({"x": X}).matrices["blocks"].tolist() == [3]


@pytest.mark.parametrize("scale", [1e-70, 1e-60, 1e60, 1e70])
def test_an_analysis_names_and_judges_alike_at_every_size(scale):
    """Where a dodecahedron with noise is laid over the features, powers of their squares would leave float64."""
    X = fg.shapes.noisy(fg.shapes.rotated(fg.shapes.dodecahedron(), 0, 9), 0.1, 0)
    for features_ in (X, np.random.default_rng(0).standard_normal((20, 4))):
        found, expected = (fg.analyze(each).matrices.iloc[0] for each in (features_ * scale, features_))
        for column in ("geometry", "verdict", "blocks", "eigenspaces"):
            assert found[column] == expected[column]
        assert found["saturation"] == pytest.approx(expected["saturation"], rel=1e-12)
