"""What is refused, and how it is said: shapes, types, NaN, ranges, at every entrance."""

from __future__ import annotations

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest
import torch

import featuregeom as fg
from featuregeom import _core, errors
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from oracles import slow
from processes import run

SMALL = np.random.default_rng(1).standard_normal((6, 3))

TAKES_FEATURES = {
    "frame_operator": fg.frames.frame_operator,
    "capacity": fg.frames.capacity,
    "spectrum": fg.spectra.spectrum,
    "measures": fg.spectra.measures,
    "sweep": fg.pairs.sweep,
}
by_function = pytest.mark.parametrize("name", list(TAKES_FEATURES))
DTYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


@by_function
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize(
    ("shape", "row", "column"),
    [
        ((6, 3), 4, 1),
        ((3, 7), 1, 5),
        ((1, 1), 0, 0),
        ((5000, 20), 4999, 19),
        ((5000, 20), 0, 0),
        ((40, 300), 39, 2),
    ],
)
def test_nan_and_infinity_are_named(name, bad, dtype, shape, row, column):
    """The first bad value in row order, features as rows: also where n < m and the Gram side is decomposed."""
    X = np.random.default_rng(2).standard_normal(shape)
    X[row, column] = bad
    X[row + 1 :, 0] = bad  # later ones, in an earlier column
    with pytest.raises(NonFiniteError, match=f"row {row}.*column {column}") as caught:
        TAKES_FEATURES[name](X.astype(DTYPES[dtype]))
    assert (caught.value.row, caught.value.column) == (row, column)
    assert isinstance(caught.value, ValueError)


@by_function
def test_nan_in_a_torch_tensor_and_a_view(name):
    X = torch.ones(4, 9)
    X[2, 6] = torch.nan
    with pytest.raises(NonFiniteError) as caught:
        TAKES_FEATURES[name](X[1:, ::2])
    assert (caught.value.row, caught.value.column) == (1, 3)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_nan_in_features_measured_against_a_given_spectrum(shape):
    X = np.random.default_rng(3).standard_normal(shape)
    spectrum = fg.spectra.spectrum(X)
    X[2, 1] = np.nan
    with pytest.raises(NonFiniteError) as caught:
        fg.spectra.measures(X, spectrum)
    assert (caught.value.row, caught.value.column) == (2, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_in_a_block(bad):
    X = SMALL.copy()
    X[4, 2] = bad
    with pytest.raises(NonFiniteError):
        fg.blocks.describe_block(X, np.arange(6))


def test_nan_in_the_core():
    X = np.ones((5, 3), dtype=np.float32)
    X[[1, 3], [2, 0]] = [np.nan, np.inf]
    assert _core.nonfinite_rows(X).tolist() == [1, 3]
    with pytest.raises(NonFiniteError) as caught:
        _core.check_finite(X)
    assert (caught.value.row, caught.value.column) == (1, 2)
    for solver in (_core.eigh, _core.eigvalsh):
        with pytest.raises(errors.FeatureGeometryError):
            solver(np.full((3, 3), np.nan))


@pytest.mark.parametrize("name", ["frame_operator", "capacity", "spectrum", "measures"])
@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e300, 1e-300, 5e-324])
@pytest.mark.parametrize("shape", [(6, 3), (3, 6)])
def test_squares_beyond_float64_are_refused(name, scale, shape):
    with pytest.raises(ParameterError):
        TAKES_FEATURES[name](np.full(shape, scale))


def test_squares_beyond_float64_of_other_features_are_not_silently_wrong():
    spectrum = fg.spectra.spectrum(SMALL)
    for scale in (1e200, 1e-200):
        try:
            found = fg.spectra.measures(SMALL * scale, spectrum)
        except ParameterError:
            continue
        np.testing.assert_allclose(found.masses, fg.spectra.measures(SMALL, spectrum).masses, rtol=1e-9)


# --- bad arguments


@by_function
@pytest.mark.parametrize(
    "X",
    [
        1.0,
        [1.0, 2.0],
        np.zeros((2, 2, 2)),
        np.zeros((0, 3)),
        np.zeros((3, 0)),
        [[1.0], [1.0, 2.0]],
        torch.ones(3),
    ],
    ids=["scalar", "vector", "cube", "no rows", "no columns", "ragged", "torch vector"],
)
def test_wrong_shapes(name, X):
    with pytest.raises(ShapeError):
        TAKES_FEATURES[name](X)


@by_function
@pytest.mark.parametrize(
    "X",
    [
        np.ones((3, 2), dtype=object),
        np.array([["a", "b"]]),
        np.zeros((3, 2), dtype="M8[s]"),
        np.ones((3, 2)).astype(ml_dtypes.float8_e4m3fn),
        torch.ones(3, 2, dtype=torch.float8_e4m3fn),
    ],
    ids=["object", "text", "dates", "fp8", "torch fp8"],
)
def test_wrong_types(name, X):
    with pytest.raises(DtypeError):
        TAKES_FEATURES[name](X)


@pytest.mark.parametrize("name", ["spectrum", "measures", "sweep"])
@pytest.mark.parametrize("X", [np.ones((3, 2), dtype=complex), torch.ones(3, 2, dtype=torch.complex64)])
def test_complex_numbers_are_for_frames_alone(name, X):
    with pytest.raises(DtypeError):
        TAKES_FEATURES[name](X)


@by_function
@pytest.mark.parametrize("dtype", [np.int8, np.uint64, bool, np.longdouble, ">f8", ">f4"])
def test_other_real_types_are_widened(name, dtype):
    X = np.array([[1, 0], [1, 1], [0, 1]])
    found, expected = TAKES_FEATURES[name](X.astype(dtype)), TAKES_FEATURES[name](X.astype(np.float64))
    pick = {"spectrum": "eigenvalues", "measures": "capacity", "sweep": "cosines"}.get(name)
    if pick:
        found, expected = getattr(found, pick), getattr(expected, pick)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("tolerance", [-1e-9, 1.0, 2.0, np.nan, np.inf])
def test_tolerances_out_of_range(tolerance):
    for X in (SMALL, SMALL.T, np.zeros((3, 2))):
        with pytest.raises(ParameterError):
            fg.spectra.spectrum(X, tolerance=tolerance)
        with pytest.raises(ParameterError):
            fg.spectra.measures(X, tolerance=tolerance)


@pytest.mark.parametrize(
    "arguments",
    [
        {"k": -1},
        {"bins": 0},
        {"bins": -3},
        {"threshold": 0.0},
        {"threshold": -0.1},
        {"threshold": 1.0000001},
        {"threshold": np.nan},
        {"threshold": np.inf},
    ],
    ids=str,
)
def test_arguments_of_a_sweep_out_of_range(arguments):
    with pytest.raises(ParameterError):
        fg.pairs.sweep(SMALL, **arguments)


@pytest.mark.parametrize("arguments", [{"k": 10**12}, {"bins": 10**15}], ids=str)
def test_sizes_that_no_memory_holds_are_refused(arguments):
    """No crash, no abort: in a process of its own, for an allocation failure would end it."""
    code = f"""
import numpy as np, featuregeom as fg
try:
    fg.pairs.sweep(np.ones((6, 3)), **{arguments})
except fg.errors.ParameterError:
    print("refused")
"""
    assert run(code).split() == ["refused"]


@pytest.mark.parametrize("k", [0, 1, 5, 6, 1000])
def test_any_number_of_neighbours(k):
    try:
        found = fg.pairs.sweep(SMALL, k=k)
    except ParameterError:
        assert k == 0
        return
    assert found.neighbours.shape == found.cosines.shape == (6, k)
    assert np.all((found.neighbours >= 0).sum(axis=1) == min(k, 5))
    assert found.coherence == pytest.approx(slow.coherence(SMALL))


@pytest.mark.parametrize("call", [fg.frames.frame_operator, fg.frames.capacity])
@pytest.mark.parametrize("precision", ["half", "", "DOUBLE"])
def test_unknown_precision(call, precision):
    with pytest.raises(ParameterError):
        call(SMALL, precision=precision)


@pytest.mark.parametrize("solver", [_core.eigh, _core.eigvalsh])
@pytest.mark.parametrize("shape", [(2, 3), (3, 2)])
def test_eigensolvers_want_squares(solver, shape):
    with pytest.raises(errors.FeatureGeometryError):
        solver(np.ones(shape))


def test_core_measures_that_do_not_fit():
    values, vectors = _core.eigh(SMALL.T @ SMALL)
    good = np.array([0, 3], dtype=np.int64)
    for values_, vectors_, starts in [
        (values[:2], vectors, good),
        (values, vectors[:2], good),
        (values, vectors, np.array([0, 2], dtype=np.int64)),
        (values, vectors, np.array([0, -1, 3], dtype=np.int64)),
        (values, vectors, np.array([0, 5, 3], dtype=np.int64)),
        (values, vectors, np.array([], dtype=np.int64)),
    ]:
        with pytest.raises(errors.FeatureGeometryError):
            _core.measures(SMALL, np.ascontiguousarray(values_), vectors_, starts)


def test_core_eigenspaces_of_anything():
    """No panic, whatever the values are."""
    for values in ([], [1.0], [0.0, 0.0], [-1.0], [np.nan, 1.0], [1.0, 2.0], [np.inf, 1.0], [1e308, 1e-308]):
        for noise in (0.0, 1.0, np.nan, -1.0):
            try:
                starts, _, _ = _core.eigenspaces(np.array(values), noise=noise)
            except errors.FeatureGeometryError:
                continue
            assert starts[0] == 0
            assert starts[-1] == len(values)


# --- exceptions and arrays


@pytest.mark.parametrize("name", errors.__all__)
def test_exceptions_pickle(name):
    kind = getattr(errors, name)
    error = kind("row 3", 3, 4) if kind is NonFiniteError else kind("what went wrong")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is kind
        assert str(other) == str(error)
        assert vars(other) == vars(error)
    assert issubclass(kind, errors.FeatureGeometryError)


def test_raised_exceptions_pickle():
    X = SMALL.copy()
    X[2, 1] = np.nan
    with pytest.raises(NonFiniteError) as caught:
        fg.frames.frame_operator(X)
    other = pickle.loads(pickle.dumps(caught.value))
    assert (str(other), other.row, other.column) == (str(caught.value), 2, 1)


@by_function
def test_inputs_are_not_written_to(name):
    for X in (SMALL.copy(), np.asfortranarray(SMALL), SMALL.astype(np.float32)):
        before = X.copy()
        TAKES_FEATURES[name](X)
        assert np.array_equal(X, before)
        X.setflags(write=False)
        TAKES_FEATURES[name](X)


def test_results_outlive_their_input_and_are_writable():
    X = SMALL.copy()
    F, found = fg.frames.frame_operator(X), fg.pairs.sweep(X)
    expected = SMALL.T @ SMALL
    X[...] = np.nan
    del X
    np.testing.assert_allclose(F, expected, rtol=1e-13)
    F[0, 0] = 0
    found.cosines[0, 0] = 0


def test_read_only_eigenvector_arrays():
    F = SMALL.T @ SMALL
    F.setflags(write=False)
    values, _ = _core.eigh(F)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(F)[::-1], rtol=1e-12)
    np.testing.assert_allclose(_core.eigvalsh(np.asfortranarray(F)[::-1, ::-1]), values, rtol=1e-12)


@pytest.mark.parametrize("short", [1e-145, 1e-160, 1e-200, 1e-310])
def test_rows_without_a_square_are_refused_or_taken_as_directions(short):
    """Where squares of rows are needed a row below 1e-140 is refused; where directions are, nothing changes by it."""
    X = np.random.default_rng(0).standard_normal((40, 8))
    Y = X.copy()
    Y[[3, 20]] *= short
    for call in (
        fg.dictionaries.readout,
        fg.dictionaries.compare,
        lambda A, B: fg.dictionaries.compare(B, A),
    ):
        with pytest.raises(fg.errors.ParameterError, match="row 3 has the norm"):
            call(Y, X)
    X[[3, 20]] *= 1e-100
    found, expected = (fg.dictionaries.shape(rows, n_draws=99) for rows in (Y, X))
    assert found.order.tolist() == expected.order.tolist()
    assert found.share == pytest.approx(expected.share, rel=1e-6)


def test_blocks_of_subnormal_features_have_their_rank():
    X = np.zeros((6, 4))
    X[:3, :2], X[3:, 2:] = np.random.default_rng(0).standard_normal((2, 3, 2))
    X[3:] *= 1e-312
    found = fg.blocks.decompose(X)
    assert [block.dim for block in found.blocks] == [2, 2]
