"""NumPy's .npy and .npz files."""

import io
import zipfile

import ml_dtypes
import numpy as np
import pytest

from featuregeom.errors import DtypeError, SourceError
from featuregeom.features import Provenance
from featuregeom.sources import TensorInfo, open_source

X = np.arange(12.0).reshape(4, 3) - 5


def npy_bytes(shape=(4, 3), descr="<f8"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue() + X.tobytes()


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<f2", ">f8", ">f4", "g"])
def test_npy_round_trip(tmp_path, dtype, order, mmap):
    path = tmp_path / "words.npy"
    array = np.asarray(X, dtype=dtype, order=order)
    np.save(path, array)
    with open_source(path, mmap=mmap) as reader:
        assert reader.format == "npy"
        assert reader.tensors() == (TensorInfo("words", (4, 3), array.dtype.name, array.nbytes, "rows"),)
        features = reader.read("words")
        reader.release("words")
        reader.release("unknown")
    np.testing.assert_array_equal(features.values, X)
    assert features.provenance == Provenance(str(path), "words", "rows", array.dtype.name, (4, 3))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(tmp_path, version):
    path = tmp_path / "words.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, X, version=version)
    np.testing.assert_array_equal(open_source(path).read("words").values, X)
    with zipfile.ZipFile(tmp_path / "words.npz", "w") as archive:
        archive.write(path, "W.npy")
    np.testing.assert_array_equal(open_source(tmp_path / "words.npz").read("W").values, X)


def test_npy_columns(tmp_path):
    np.save(tmp_path / "words.npy", X)
    np.testing.assert_array_equal(
        open_source(tmp_path / "words.npy", axis="columns").read("words").values, X.T
    )


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"garbage", "the header is malformed"),
        (b"\x93NUMPY\x01\x00\xff", "the header is malformed"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "the header is malformed"),
        (b"\x93NUMPY\x09\x00\x01\x00{", r"the header is malformed: format version 9\.0 is unknown"),
        (npy_bytes()[:-1], "the header claims 96 bytes of data, but 95 follow: the file is truncated"),
        (npy_bytes(shape=(1 << 40, 1 << 40)), "the file is truncated"),
        (npy_bytes(shape=(-4, -3)), r"claims the shape \(-4, -3\)"),
        (npy_bytes(shape=(True, 12)), r"claims the shape \(True, 12\)"),
        (npy_bytes(descr="nonsense"), "the header is malformed"),
    ],
)
def test_broken_npy(tmp_path, content, message, mmap):
    path = tmp_path / "broken.npy"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as error:
        open_source(path, mmap=mmap)
    assert str(error.value).startswith(f"{path}: ")


def test_npy_of_objects_is_refused_unread(tmp_path):
    path = tmp_path / "pickled.npy"
    np.save(path, np.array([[{}, 1.0]], dtype=object), allow_pickle=True)
    with pytest.raises(SourceError, match=r"pickled\.npy: the array holds Python objects"):
        open_source(path)


def test_bfloat16_that_numpy_saved_is_refused_with_advice(tmp_path):
    np.save(tmp_path / "x.npy", X.astype(ml_dtypes.bfloat16))
    with pytest.raises(DtypeError, match="void16: bfloat16 saved by NumPy"):
        open_source(tmp_path / "x.npy").read("x")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_round_trip(tmp_path, save):
    path = tmp_path / "weights.npz"
    arrays = {f"layer/{dtype}": X.astype(dtype) for dtype in ("float64", "float32", "float16")}
    others = {"bias": np.zeros(3), "ids": np.zeros((2, 2), int), "names": np.array([["a"]]), "c": X + 1j}
    pickled = np.array([[None]])
    save(path, **arrays, **others, config=pickled)
    with open_source(path) as reader:
        assert reader.format == "npz"
        assert {info.name: info.skip for info in reader.tensors()} == dict.fromkeys(arrays) | {
            "bias": "1-D",
            "ids": "int64: not real features",
            "names": "str32: not real features",
            "c": "complex128: not real features",
            "config": "object: not real features",
        }
        for name, array in arrays.items():
            features = reader.read(name)
            np.testing.assert_array_equal(features.values, array)
            assert features.provenance == Provenance(str(path), name, "rows", array.dtype.name, (4, 3))
        for name in ("config", "names", "c"):
            with pytest.raises(DtypeError, match=f"weights.npz: tensor '{name}' is"):
                reader.read(name)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut"])
def test_an_npz_that_is_no_archive(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"broken\.npz: the archive cannot be read"):
        open_source(path)


def test_a_corrupt_member_is_named(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, W=np.tile(X, 1000))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    reader = open_source(path)
    with pytest.raises(SourceError, match=r"weights\.npz: tensor 'W': .*CRC"):
        reader.read("W")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (b"garbage", "tensor 'W': the header is malformed"),
        (npy_bytes(shape=(400, 300)), "tensor 'W': .*truncated"),
    ],
)
def test_a_member_that_lies_is_named(tmp_path, member, message):
    path = tmp_path / "weights.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "passed over")
        archive.writestr("W.npy", member)
    with pytest.raises(SourceError, match=message):
        open_source(path)
