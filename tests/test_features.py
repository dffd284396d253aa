"""as_features: any 2-D array becomes rows of features, in place where the core can read it."""

import sys
from typing import Any

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from featuregeom.errors import DtypeError, ParameterError, ShapeError
from featuregeom.features import Features, Provenance, as_features, off_graph

X = np.arange(12.0).reshape(4, 3) - 5


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_a_numpy_array_is_taken_in_place(dtype):
    array = X.astype(dtype)
    features = as_features(array)
    assert np.shares_memory(features.values, array)
    assert (features.n, features.m, features.dtype) == (4, 3, dtype)
    assert features.provenance == Provenance("array", "X", "rows", dtype, (4, 3))


@settings(deadline=None)  # the machine may be shared
@given(
    hnp.arrays(
        st.sampled_from(["<f8", ">f8", "<f4", ">f4", "<f2", ">f2", "<i8", ">i2", "u1", "?"]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=4, max_side=9),
    ),
    st.sampled_from([np.s_[:, :], np.s_[::2, ::3], np.s_[::-1, 1:], np.s_[1:2, ::-2]]),
    st.booleans(),
    st.sampled_from(["rows", "columns"]),
)
def test_values_survive_any_type_order_and_stride(array, view, fortran, axis):
    stored = (np.asfortranarray(array) if fortran else array)[view]
    features = as_features(stored, axis=axis)
    expected = stored if axis == "rows" else stored.T
    np.testing.assert_array_equal(features.values, expected)
    assert features.values.dtype.isnative
    assert features.values.dtype.name == features.dtype
    assert features.provenance.shape == stored.shape
    if stored.dtype.isnative and stored.dtype.kind == "f":
        assert np.shares_memory(features.values, stored)


def test_columns_become_rows_by_a_view():
    features = as_features(X, axis="columns", tensor="W_enc", source="sae")
    assert (features.n, features.m) == (3, 4)
    assert np.shares_memory(features.values, X)
    assert features.provenance == Provenance("sae", "W_enc", "columns", "float64", (4, 3))


def test_strides_that_cut_items_are_copied_and_unaligned_ones_are_not():
    records = np.zeros(4, dtype=np.dtype([("x", "<f4", (3,)), ("tag", "u1")]))
    records["x"] = X
    odd = as_features(records["x"])
    assert not np.shares_memory(odd.values, records)
    np.testing.assert_array_equal(odd.values, X)

    unaligned = np.frombuffer(b"\0" + X.tobytes(), offset=1).reshape(4, 3)
    assert not unaligned.flags.aligned
    assert np.shares_memory(as_features(unaligned).values, unaligned)


def test_integers_booleans_and_lists_are_float64():
    for array in (X.astype(int), [[1, 0], [0, 1]], np.eye(3, dtype=bool)):
        features = as_features(array)
        assert features.dtype == features.values.dtype.name == "float64"
        np.testing.assert_array_equal(features.values, np.asarray(array))
    assert as_features(X.astype("int16")).provenance.dtype == "int16"


def test_long_doubles_are_rounded_to_float64():
    array = X.astype(np.longdouble)
    array[0, 0] = np.longdouble("1e4000")
    features = as_features(array)
    assert features.dtype == features.values.dtype.name == "float64"
    assert features.values[0, 0] == np.inf or np.dtype(np.longdouble).itemsize == 8


def test_bfloat16_is_held_as_bits_whatever_it_came_from():
    tensor = torch.from_numpy(X).to(torch.bfloat16)
    bits = tensor.view(torch.uint16).numpy()
    for array, tag in [
        (tensor, None),
        (X.astype(ml_dtypes.bfloat16), None),
        (bits, "bfloat16"),
        (tensor, "bfloat16"),
    ]:
        features = as_features(array, dtype=tag)
        assert (features.dtype, features.provenance.dtype) == ("bfloat16", "bfloat16")
        np.testing.assert_array_equal(features.values, bits)
        assert features.values.dtype == np.uint16
    assert as_features(bits).dtype == "float64"
    with pytest.raises(DtypeError, match="X is float64: bit patterns of bfloat16 come as uint16"):
        as_features(X, dtype="bfloat16")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_a_torch_tensor_is_taken_in_place(dtype):
    base = torch.from_numpy(X).to(getattr(torch, dtype)).requires_grad_()
    for tensor in (base, base.T, base[::2, 1:], base[1:2].expand(5, 3)):
        features = as_features(tensor)
        assert (features.n, features.m) == tuple(tensor.shape)
        assert features.dtype == dtype
        assert features.values.__array_interface__["data"][0] == tensor.data_ptr()
        expected = tensor.detach().to(torch.float64).numpy()
        bits = torch.from_numpy(np.ascontiguousarray(features.values)).view(getattr(torch, dtype))
        np.testing.assert_array_equal(bits.to(torch.float64).numpy(), expected)


def test_a_negated_view_and_a_parameter_are_read():
    imaginary = torch.complex(torch.zeros(2, 2), torch.ones(2, 2)).conj().imag
    assert imaginary.is_neg()
    np.testing.assert_array_equal(as_features(imaginary).values, -np.ones((2, 2)))
    assert as_features(torch.nn.Linear(3, 2).weight).n == 2


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.eye(3).to_sparse(), "sparse torch tensor: pass X.to_dense()"),
        (torch.empty(2, 2, device="meta"), "meta device"),
        (torch.eye(3).to(torch.float8_e4m3fn), "X is float8_e4m3fn: FP8 .*widen it first, e.g. tensor.to"),
        (torch.eye(3).to(torch.complex64), "X is complex64: features are real"),
    ],
)
def test_torch_tensors_that_are_refused(tensor, message):
    with pytest.raises(DtypeError, match=message):
        as_features(tensor)


class Dlpack:
    """An array of another library: DLPack, with or without a fallback."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class Jaxlike(Dlpack):
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self._array.to(torch.float32)).astype(ml_dtypes.bfloat16)


def test_other_libraries_come_by_dlpack_and_array():
    assert np.shares_memory(as_features(Dlpack(X)).values, X)
    tensor = torch.from_numpy(X).to(torch.bfloat16)  # DLPack carries it, NumPy's side refuses it
    features = as_features(Jaxlike(tensor))
    assert features.dtype == "bfloat16"
    np.testing.assert_array_equal(features.values, tensor.view(torch.uint16).numpy())
    np.testing.assert_array_equal(as_features(pd.DataFrame(X)).values, X)


def test_torch_is_not_imported_for_an_array(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    as_features(X)
    assert "torch" not in sys.modules


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"X has shape \(5,\): .*x\[None, :\]"),
        (np.zeros((2, 3, 4)), r"X has shape \(2, 3, 4\): .*reshape"),
        (np.float64(1), r"X has shape \(\): a matrix is needed"),
        (np.zeros((0, 3)), r"X has shape \(0, 3\): at least one row"),
        (torch.zeros(3, 0), r"X has shape \(3, 0\)"),
        ([[1.0, 2.0], [3.0]], "rows of different lengths"),
    ],
)
def test_shapes_that_are_refused(array, message):
    with pytest.raises(ShapeError, match=message):
        as_features(array)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (X.astype(complex), "X is complex128: features are real"),
        (X.astype(ml_dtypes.float8_e5m2), "X is float8_e5m2: FP8"),
        (X.astype(ml_dtypes.int4), "X is int4"),
        (X.astype(ml_dtypes.bfloat16).view("V2"), "X is void16: bfloat16 saved by NumPy"),
        (np.ma.masked_less(X, 0), "masked array"),
        ([["a", "b"]], "X is str"),
        ([[None, 1.0]], "X is object"),
        (object(), "X is object"),
    ],
)
def test_types_that_are_refused(array, message):
    with pytest.raises(DtypeError, match=message):
        as_features(array)


def test_errors_name_the_source_and_the_tensor():
    with pytest.raises(ShapeError, match=r"^model\.npy: tensor 'W' has shape"):
        as_features(np.zeros(3), source="model.npy", tensor="W")


def test_features_pass_through_with_their_own_provenance():
    features = as_features(X, source="model", tensor="W")
    assert as_features(features) is features
    assert isinstance(features, Features)
    with pytest.raises(ParameterError, match="one feature per row already"):
        as_features(features, axis="columns")
    with pytest.raises(ParameterError, match="not 'cols'"):
        as_features(X, axis="cols")


def test_advice_for_complex_features_is_right():
    with pytest.raises(DtypeError, match=r"use that for complex ones") as caught:
        as_features(np.array([[1.0, 1j]]))
    assert "hstack" not in str(caught.value)


def test_off_graph():
    weight = torch.nn.Parameter(torch.tensor([1.5, 2.0], dtype=torch.bfloat16))
    array = off_graph(weight)
    assert isinstance(array, np.ndarray)
    assert array.dtype == np.float32
    assert array.tolist() == [1.5, 2.0]
    assert off_graph([1, 2]) == [1, 2]
    conjugate = torch.tensor([1j], requires_grad=True).conj()
    np.testing.assert_array_equal(off_graph(conjugate), [-1j])
    for hollow in (torch.eye(2).to_sparse(), torch.empty(2, device="meta")):
        with pytest.raises(DtypeError, match="dense numbers"):
            off_graph(hollow)
