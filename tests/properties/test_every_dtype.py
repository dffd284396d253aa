"""Every element type, byte order, layout and source: the numbers that were planted, or a refusal, never others.

The oracle is the matrix that was planted: small whole numbers, exact in every type, encoded here byte by byte.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import torch

import featuregeom as fg
from featuregeom.errors import DtypeError, FeatureGeometryError, SourceError
from featuregeom.features import as_features
from featuregeom.networks.piecewise import numbers
from featuregeom.networks.tensors import rows
from featuregeom.sources import open_source
from featuregeom.sources.raw_file import RawFile

FLOATS = ("float64", "float32", "float16", "bfloat16", "longdouble")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
REFUSED = (
    "complex64", "complex128", "clongdouble", "U4", "S4", "V2", "O", "M8[s]", "m8[s]",
    *(name for name in dir(ml_dtypes) if name[:4] in ("floa", "int4", "int2", "uint", "comp", "bcom")),
)  # fmt: skip
ORDERS = ("<", ">")


def planted(dtype: str) -> np.ndarray:
    """Whole numbers, 5 x 7, that no two places share in their neighbourhood; exact in every type."""
    table = np.arange(35.0).reshape(5, 7) * 3 % 64
    if dtype == "bool":
        return (table % 3 == 0).astype(np.float64)
    return table if dtype.startswith("u") else table - 20


def encode(table: np.ndarray, dtype: str, order: str) -> np.ndarray:
    """Store whole numbers in C order; bfloat16 as the upper halves of float32, written by `struct`."""
    if dtype == "bfloat16":
        halves = [struct.unpack(">H", struct.pack(">f", x)[:2])[0] for x in table.ravel()]
        held = np.dtype(ml_dtypes.bfloat16).newbyteorder(order)
        return np.frombuffer(struct.pack(f"{order}{table.size}H", *halves), held).reshape(table.shape)
    return table.astype(np.dtype(getattr(ml_dtypes, dtype, dtype)).newbyteorder(order))


def unaligned(array: np.ndarray) -> np.ndarray:
    held = np.frombuffer(b"\0" + array.tobytes(), np.uint8)
    return held[1:].view(array.dtype).reshape(array.shape)


def in_records(array: np.ndarray) -> np.ndarray:
    """Strides that are no whole multiple of an item."""
    records = np.zeros(len(array), [("row", array.dtype, array.shape[1:]), ("tag", "u1")])
    records["row"] = array
    return records["row"]


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def wide(array: np.ndarray) -> np.ndarray:
    held = np.zeros((2 * array.shape[0], 3 * array.shape[1]), array.dtype)
    held[1::2, 2::3] = array
    return held[1::2, 2::3]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.array,
    "Fortran": np.asfortranarray,
    "rows reversed": lambda a: a[::-1].copy()[::-1],
    "columns reversed": lambda a: a[:, ::-1].copy()[:, ::-1],
    "both reversed": lambda a: np.asfortranarray(a[::-1, ::-1])[::-1, ::-1],
    "unaligned": unaligned,
    "records": in_records,
    "one row repeated": lambda a: np.broadcast_to(a[2], a.shape),
    "one column repeated": lambda a: np.broadcast_to(a[:, 3:4], a.shape),
    "one number repeated": lambda a: np.broadcast_to(a[1, 1], a.shape),
    "sliced columns": lambda a: np.concatenate([a, a], axis=1)[:, : a.shape[1]],
    "every second row, third column": wide,
    "read-only": read_only,
}


class Only:
    """An array that shows one protocol."""

    def __init__(self, array: np.ndarray, protocol: str) -> None:
        setattr(type(self), protocol, property(lambda _: getattr(array, protocol)))


def only(protocol: str) -> Callable[[np.ndarray], Any]:
    return lambda array: type("Holder", (Only,), {})(array, protocol)


class LikeJax:
    """DLPack first; what it refuses comes by ``__array__``."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


def npy(array: np.ndarray, folder: Any) -> Any:
    np.save(folder / "W.npy", array)
    return folder / "W.npy"


def npz(array: np.ndarray, folder: Any) -> Any:
    np.savez(folder / "W.npz", W=array)
    return folder / "W.npz"


def read(source: Any, name: str, **options: Any) -> fg.Features:
    with open_source(source, **options) as reader:
        return reader.read(name)


def raw(array: np.ndarray, folder: Any, mapped: bool) -> fg.Features:
    """An array at an odd place of a file, in the order that its bytes have there."""
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    (folder / "W.raw").write_bytes(b"\1\2\3" + array.tobytes(order))
    return as_features(RawFile(folder / "W.raw", mapped=mapped).array(3, array.dtype, array.shape, order))


SOURCES: dict[str, Callable[[np.ndarray, Any], fg.Features]] = {
    "array": lambda a, _: as_features(a),
    "columns": lambda a, _: as_features(a.T, axis="columns"),
    "reader": lambda a, _: read(a, "X"),
    "reader of columns": lambda a, _: read(a.T, "X", axis="columns"),
    "mapping": lambda a, _: read({"W": a}, "W"),
    "nested mapping of columns": lambda a, _: read({"layer": [{"W": a.T}]}, "layer.0.W", axis="columns"),
    "array protocol": lambda a, _: as_features(only("__array__")(a)),
    "array interface": lambda a, _: as_features(only("__array_interface__")(a)),
    "DLPack": lambda a, _: as_features(LikeJax(a)),
    "mapping of the array protocol": lambda a, _: read({"W": only("__array__")(a), "b": np.ones(3)}, "W"),
    "npy": lambda a, folder: read(npy(a, folder), "W"),
    "npy, not mapped": lambda a, folder: read(npy(a, folder), "W", mmap=False),
    "npz": lambda a, folder: read(npz(a, folder), "W"),
    "raw file": lambda a, folder: raw(a, folder, True),
    "raw file, not mapped": lambda a, folder: raw(a, folder, False),
    "pandas": lambda a, _: as_features(pd.DataFrame(a)),
}
"""How an array comes to be read. Only the caller of an array says that integers are numbers, so files skip them."""

SKIP_INTEGERS = {name for name in SOURCES if name.startswith(("mapping", "nested", "npy", "npz"))}
LOSE_BFLOAT16 = {"npy", "npy, not mapped", "npz", "array interface"}
"""NumPy's own formats have no name for it."""


def check(features: fg.Features, expected: np.ndarray) -> None:
    """Hold what is held, and what the core makes of it, against the planted numbers."""
    everything = np.arange(features.n)
    np.testing.assert_array_equal(features.widened(everything), expected)
    np.testing.assert_array_equal(features.take(everything).widened(everything), expected)
    np.testing.assert_array_equal(fg.frames.frame_operator(features), expected.T @ expected)
    np.testing.assert_array_equal(fg.codes.pack(features).unpack(), expected > 0)


def layouts(dtype: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for order in ORDERS:
        for name, arrange in LAYOUTS.items():
            # What the numbers are is decided on the planted ones, before they are stored.
            yield f"{order} {name}", arrange(encode(planted(dtype), dtype, order)), arrange(planted(dtype))


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("source", SOURCES)
def test_the_planted_numbers_are_read(source, dtype, tmp_path):
    refused = (source in SKIP_INTEGERS and dtype in INTEGERS) or (
        source in LOSE_BFLOAT16 and dtype == "bfloat16"
    )
    for layout, array, expected in layouts(dtype):
        if source == "pandas" and not (array.dtype.isnative and array.dtype.kind in "iufb"):
            continue  # pandas itself reads no foreign byte order
        if refused:
            with pytest.raises(DtypeError):
                SOURCES[source](array, tmp_path)
            continue
        try:
            check(SOURCES[source](array, tmp_path), expected)
        except (AssertionError, FeatureGeometryError) as error:
            raise AssertionError(f"{source}, {dtype} {layout}: {error}") from error


@pytest.mark.parametrize("dtype", REFUSED)
@pytest.mark.parametrize("source", SOURCES)
def test_what_holds_no_real_numbers_is_refused(source, dtype, tmp_path):
    for order in ORDERS:
        held = np.dtype(getattr(ml_dtypes, dtype, dtype)).newbyteorder(order)
        for layout in ("C", "Fortran", "columns reversed"):
            array = LAYOUTS[layout](np.zeros((5, 7), held))
            if dtype == "O" and source.startswith("raw"):
                continue  # pointers have no place in a file
            with pytest.raises((DtypeError, SourceError)):
                SOURCES[source](array, tmp_path)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", *INTEGERS])
def test_torch_tensors_hold_the_planted_numbers(dtype, tmp_path):
    table = planted(dtype)
    tensor = torch.from_numpy(table).to(getattr(torch, dtype))
    parts = torch.complex(torch.zeros(5, 7), -torch.from_numpy(table).float())
    views = {
        "C": (tensor, table),
        "Fortran": (tensor.T.contiguous().T, table),
        "sliced": (torch.cat([tensor, tensor], 1)[::2, 3:9:2], np.hstack([table, table])[::2, 3:9:2]),
        "expanded": (tensor[1:2].expand(4, 7), np.broadcast_to(table[1], (4, 7))),
        "one number": (tensor[1, 1].expand(4, 7), np.broadcast_to(table[1, 1], (4, 7))),
        "diagonal view": (tensor.as_strided((3, 3), (8, 1)), np.lib.stride_tricks.as_strided(
            table, (3, 3), (64, 8))),
        "parameter": (torch.nn.Parameter(tensor, requires_grad=tensor.is_floating_point()), table),
    }  # fmt: skip
    if dtype == "float32":
        views["negated"] = (parts.conj().imag, table)
    for name, (view, expected) in views.items():
        try:
            check(as_features(view), expected)
            check(as_features(view.T, axis="columns"), expected)
            if tensor.is_floating_point():
                check(read({"W": view}, "W"), expected)
                torch.save({"W": view}, tmp_path / "W.pt")
                check(read(tmp_path / "W.pt", "W"), expected)
        except (AssertionError, FeatureGeometryError) as error:
            raise AssertionError(f"{dtype} {name}: {error}") from error


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize(("tag", "dtype"), tuple(zip(("F64", "F32", "F16", "BF16"), FLOATS, strict=False)))
def test_safetensors_at_any_place_hold_the_planted_numbers(tag, dtype, mmap, tmp_path):
    """The format is little-endian by definition; the header's length decides whether the data are aligned."""
    data = encode(planted(dtype), dtype, "<").tobytes()
    for spaces in range(8):
        entry = {"W": {"dtype": tag, "shape": [5, 7], "data_offsets": [0, len(data)]}}
        header = json.dumps(entry).encode() + b" " * spaces
        path = tmp_path / f"{spaces}.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header + data)
        check(read(path, "W", mmap=mmap), planted(dtype))
        check(read(path, "W", mmap=mmap, axis="columns"), planted(dtype).T)


@pytest.mark.parametrize("order", ORDERS)
def test_bits_of_bfloat16_in_any_byte_order(order):
    table = planted("bfloat16")
    for arrange in LAYOUTS.values():
        bits = arrange(encode(table, "bfloat16", order).view(f"{order}u2"))
        check(as_features(bits, dtype="bfloat16"), arrange(table))


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_codes_of_every_type_and_layout(dtype):
    """Packed from arrays directly: booleans have a path of their own, and so have arrays without rows."""
    for layout, array, expected in layouts(dtype):
        codes = fg.codes.pack(array)
        np.testing.assert_array_equal(codes.unpack(), expected > 0, err_msg=layout)
        assert len(fg.codes.pack(array[:0])) == 0
        assert fg.codes.pack(array[:0]).dtype == fg.codes.pack(np.empty((0, 7), dtype_of(dtype))).dtype


def dtype_of(dtype: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, dtype, dtype))


@pytest.mark.parametrize("order", ORDERS)
def test_words_of_codes_in_any_byte_order_and_layout(order):
    flags = np.random.default_rng(0).random((5, 200)) < 0.5
    codes = fg.codes.pack(flags)
    for arrange in (np.array, np.asfortranarray, LAYOUTS["columns reversed"], wide, unaligned, read_only):
        held = fg.codes.Codes(arrange(codes.words.astype(f"{order}u8")), 200, codes.layers, 5)
        np.testing.assert_array_equal(held.unpack(), flags)
        assert fg.codes.fingerprints(held) == fg.codes.fingerprints(codes)


@pytest.mark.parametrize("order", ORDERS)
def test_long_doubles_that_codes_would_lose(order):
    """5e-324 is the least float64: what is smaller would be zero, and its bit off."""
    if np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("long doubles are float64 here")
    array = np.array([[1, np.longdouble("1e-4000")]]).astype(np.dtype(np.longdouble).newbyteorder(order))
    for given in (array, only("__array__")(array)):
        with pytest.raises(DtypeError, match="1e-4000 at 0, 1 is zero as float64"):
            fg.codes.pack(given)


def test_masked_activations_are_refused():
    for dtype in ("bool", "float32"):
        with pytest.raises(DtypeError, match="masked"):
            fg.codes.pack(np.ma.array(np.ones((2, 3), dtype), mask=[[True, False, False]] * 2))


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "clongdouble"])
def test_complex_frames_of_every_layout(dtype):
    table = planted("float64") + 1j * planted("float64")[::-1]
    for order in ORDERS:
        for name, arrange in LAYOUTS.items():
            array = arrange(table.astype(np.dtype(dtype).newbyteorder(order)))
            expected = arrange(table)
            np.testing.assert_array_equal(
                fg.frames.frame_operator(array), expected.conj().T @ expected, err_msg=f"{order} {name}"
            )


@pytest.mark.parametrize("dtype", FLOATS[:3])
def test_points_and_directions_of_every_layout(dtype):
    """What regions and plateaus are given is read by NumPy and by torch, which has no long doubles."""
    for layout, array, expected in layouts(dtype):
        np.testing.assert_array_equal(numbers(array, "points"), expected, err_msg=layout)
        np.testing.assert_array_equal(rows("points", array).double().numpy(), expected, err_msg=layout)
    negated = torch.complex(torch.zeros(5, 7), -torch.tensor(planted(dtype)).float()).conj().imag
    np.testing.assert_array_equal(numbers(negated, "points"), planted(dtype))
