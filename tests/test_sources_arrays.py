"""Live modules, mappings of tensors and bare arrays."""

import ml_dtypes
import numpy as np
import pytest
import scipy.sparse
import torch
from safetensors.numpy import save_file

from featuregeom.errors import DtypeError, ParameterError, ShapeError, SourceError, UnsuitableSourceError
from featuregeom.features import as_features
from featuregeom.sources import Reader, TensorInfo, open_source
from featuregeom.sources.matrix import read_matrix

X = np.arange(12.0).reshape(4, 3) - 5


def test_a_bare_array():
    with open_source(X, axis="columns") as reader:
        assert isinstance(reader, Reader)
        assert reader.tensors() == (TensorInfo("X", (4, 3), "float64", X.nbytes, "columns"),)
        features = reader.read("X")
        reader.release("X")
    assert np.shares_memory(features.values, X)
    assert (features.n, features.provenance.axis, features.provenance.source) == (3, "columns", "array")
    with pytest.raises(SourceError, match="the reader is closed"):
        reader.read("X")


@pytest.mark.parametrize(
    "array", [X.tolist(), X.astype(int), torch.from_numpy(X).to(torch.bfloat16), X.astype(ml_dtypes.bfloat16)]
)
def test_a_bare_array_of_any_kind_is_no_skipped_tensor(array):
    reader = open_source(array)
    assert reader.tensors()[0].skip is None
    features = reader.read("X")
    np.testing.assert_array_equal(features.values, as_features(array).values)
    assert features.dtype == reader.tensors()[0].dtype


def test_features_keep_their_provenance():
    features = as_features(X, source="model", tensor="W", axis="columns")
    reader = open_source(features)
    assert reader.source == "model"
    assert reader.read("W") is features
    assert reader.tensors()[0].n == features.n == 3


def test_a_bare_array_that_is_no_matrix_is_an_error():
    with pytest.raises(ShapeError):
        open_source(np.zeros(3))
    with pytest.raises(DtypeError):
        open_source(object())


def test_a_live_module_is_read_in_place():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Conv1d(2, 2, 3))
    reader = open_source(module)
    assert reader.source == "Sequential"
    assert {info.name: info.skip for info in reader.tensors()} == {
        "0.weight": None,
        **dict.fromkeys(["0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "2.bias"], "1-D"),
        "1.num_batches_tracked": "scalar",
        "2.weight": None,
    }
    with torch.no_grad():
        module[0].weight[0, 0] = 7
    assert reader.read("0.weight").values[0, 0] == 7


def test_a_mapping_of_arrays_of_several_libraries():
    tree = {
        "numpy": X,
        "nested": {
            "torch": torch.from_numpy(X).to(torch.bfloat16),
            "fp8": torch.eye(2).to(torch.float8_e5m2),
        },
        "ids": np.zeros((2, 2), "uint8"),
        "step": 3,
    }
    with open_source(tree) as reader:
        assert [(info.name, info.dtype, info.skip) for info in reader.tensors()] == [
            ("numpy", "float64", None),
            ("nested.torch", "bfloat16", None),
            ("nested.fp8", "float8_e5m2", None),
            ("ids", "uint8", "uint8: not real features"),
        ]
        assert reader.read("nested.torch").dtype == "bfloat16"
        assert reader.read("numpy").provenance.source == "mapping"
        with pytest.raises(DtypeError, match=r"mapping: tensor 'nested\.fp8' is float8_e5m2"):
            reader.read("nested.fp8")


def test_rows_of_numbers_are_arrays_in_a_mapping():
    tree = {
        "x": X.tolist(),
        "y": ((1.0, 2), (3, 4.5)),
        "deep": {"z": [[1, 2]]},
        "ragged": [[1.0], [1.0, 2.0]],
    }
    with open_source({**tree, "lr": [0.1, 0.2], "blocks": [X, X], "betas": [[], []]}) as reader:
        assert [(info.name, info.shape, info.dtype, info.skip) for info in reader.tensors()] == [
            ("x", (4, 3), "float64", None),
            ("y", (2, 2), "float64", None),
            ("deep.z", (1, 2), "int64", "int64: not real features"),
            ("ragged", (2,), "object", "1-D"),
            ("blocks.0", (4, 3), "float64", None),
            ("blocks.1", (4, 3), "float64", None),
        ]
        np.testing.assert_array_equal(reader.read("x").values, X)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_sparse_tensors_are_listed_and_skipped():
    dense = torch.eye(3)
    sparse = {"coo": dense.to_sparse(), "csr": dense.to_sparse_csr(), "scipy": scipy.sparse.csr_array(X)}
    with open_source({"x": X, **sparse}) as reader:
        infos = {info.name: info for info in reader.tensors()}
        assert infos["x"].skip is None
        for name in sparse:
            assert infos[name].skip.startswith("sparse: make it dense")
            with pytest.raises(DtypeError, match=f"tensor '{name}' is sparse: make it dense"):
                reader.read(name)


def test_mappings_that_cannot_be_listed():
    endless: dict = {}
    endless["self"] = endless
    for tree, message in [
        ({}, "no tensor in it"),
        ({"a.b": X, "a": {"b": X}}, "two tensors are called 'a.b'"),
        (endless, "nested too deeply"),
    ]:
        with pytest.raises(SourceError, match=message):
            open_source(tree)


def test_an_open_reader_passes_through():
    reader = open_source(X)
    assert open_source(reader) is reader
    with pytest.raises(ParameterError, match="open already"):
        open_source(reader, axis="rows")
    with pytest.raises(ParameterError, match="not 'cols'"):
        open_source(X, axis="cols")


@pytest.mark.parametrize("suffix", ["npy", "npz", "pt", "safetensors"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "bool", "float32"])
def test_one_matrix_of_any_file_whole_numbers_too(tmp_path, suffix, dtype):
    array = np.array([[1, 0, 1], [0, 1, 1]], dtype)
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, array)
    elif suffix == "npz":
        np.savez(path, a=array)
    elif suffix == "pt":
        torch.save({"a": torch.from_numpy(array)}, path)
    else:
        save_file({"a": array}, path)
    with open_source(path) as reader:
        info, found = read_matrix(reader)
        assert (info.name, info.dtype) == ("a", dtype)
        values = found if isinstance(found, np.ndarray) else found.values
        assert values.dtype == dtype
        np.testing.assert_array_equal(values, array)
        with pytest.raises(ParameterError, match="has no matrix 'b'; it has a"):
            read_matrix(reader, "b")
    with pytest.raises(
        UnsuitableSourceError, match=r"holds 2 matrices, name one with tensor \(--tensor\): x, y"
    ):
        read_matrix(open_source({"x": X, "y": X}))
    many = {"ids": np.zeros((2, 3), np.int64), "list": X[0]} | {f"w{k}": X for k in range(25)}
    with pytest.raises(
        UnsuitableSourceError, match=r": w0, .*, w19, and 6 more; `featuregeom describe` lists all$"
    ):
        read_matrix(open_source(many))
    with pytest.raises(
        UnsuitableSourceError, match=r"holds no matrix of at least .*; mapping has x of shape \(3,\)"
    ):
        read_matrix(open_source({"x": X[0]}))
