"""Torch on a device gives what the core gives; on the CPU always, on a GPU where there is one."""

import os
import signal
import threading

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import _core, devices
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.pairs import cross_fit
from featuregeom.pairs.on_device import shares_on
from featuregeom.pairs.significant import significant_and_nearest

torch = pytest.importorskip("torch")

GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"))
on_each_device = pytest.mark.parametrize("device", ["cpu", GPU])


def features(n, m, dtype="float64", device="cpu", seed=0):
    X = torch.from_numpy(np.random.default_rng(seed).standard_normal((n, m))).to(getattr(torch, dtype))
    return X.to(device)


def in_core(X):
    return fg.features.as_features(X.cpu()).values


@on_each_device
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_frame_operator(device, dtype, precision, monkeypatch):
    monkeypatch.setattr("featuregeom.devices.tensors._NUMBERS", 1000)
    X = features(257, 33, dtype, device)
    found = devices.operator_on(devices.device_rows(X), precision=precision)
    wide = X.cpu().double().numpy()
    bound = 1e-13 if precision == "double" or dtype == "float64" else 1e-6
    np.testing.assert_allclose(found, wide.T @ wide, atol=bound * 257 * 4)
    np.testing.assert_allclose(found, _core.frame_operator(in_core(X)), atol=bound * 257 * 4)
    np.testing.assert_array_equal(found, found.T)


@on_each_device
@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_range_is_refused_as_by_the_core(device, scale):
    X = features(20, 3, device=device) * scale
    with pytest.raises(ParameterError) as core:
        _core.frame_operator(in_core(X))
    with pytest.raises(ParameterError) as found:
        devices.operator_on(devices.device_rows(X))
    assert str(found.value).split(" is ")[0] == str(core.value).split(" is ")[0]


@on_each_device
def test_squares_beyond_float32_and_zeros(device):
    X = features(20, 3, "float32", device) * 1e30
    found = devices.operator_on(devices.device_rows(X), precision="single")
    np.testing.assert_allclose(found, _core.frame_operator(in_core(X)), rtol=1e-6)
    assert not devices.operator_on(devices.device_rows(X * 0)).any()


@on_each_device
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nonfinite_values_are_named_as_by_the_core(device, value, monkeypatch):
    monkeypatch.setattr("featuregeom.devices.tensors._NUMBERS", 50)
    X = features(40, 7, device=device)
    X[31, 4] = value
    X[33, 0] = np.nan
    with pytest.raises(NonFiniteError) as core:
        _core.frame_operator(in_core(X))
    with pytest.raises(NonFiniteError) as found:
        devices.operator_on(devices.device_rows(X))
    assert (str(found.value), found.value.row, found.value.column) == (str(core.value), 31, 4)
    with pytest.raises(NonFiniteError):
        sweep(X, torch.ones(40, 1, device=device))


@on_each_device
def test_what_is_no_matrix_of_real_numbers_is_refused(device):
    with pytest.raises(ShapeError):
        devices.device_rows(torch.ones(3, device=device))
    with pytest.raises(DtypeError, match="complex"):
        devices.device_rows(torch.ones(3, 3, dtype=torch.complex64, device=device))
    with pytest.raises(DtypeError, match="sparse"):
        devices.device_rows(torch.eye(3, device=device).to_sparse())
    assert (
        devices.device_rows(torch.ones(2, 2, dtype=torch.int32, device=device)).values.dtype is torch.float64
    )


def sweep(X, masses, by_score=3, by_cosine=2, least=2.0, **more):
    return devices.null_sweep_on(
        devices.device_rows(X), masses, by_score=by_score, by_cosine=by_cosine, least=least, **more
    )


def shares(n, k, device, seed=1):
    drawn = np.random.default_rng(seed).dirichlet(np.ones(k), n) / np.sqrt(np.arange(1, k + 1))
    return torch.from_numpy(drawn).to(device)


@on_each_device
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("tile", [16, 1000])
def test_null_sweep(device, dtype, tile):
    X, masses = features(83, 9, dtype, device), shares(83, 4, device)
    X[5] = 0
    X[7], masses[7] = X[8], masses[8]
    found, steps, arithmetic, lists = sweep(X, masses, tile=tile)
    expected, core_steps, _, core_lists = _core.null_sweep(
        in_core(X), masses.cpu().numpy(), by_score=3, by_cosine=2, least=2.0
    )
    assert (steps, arithmetic) == (core_steps, "float64" if dtype == "float64" else "float32")
    assert found.sum() == expected.sum() == 82 * 81 // 2
    # float32 products may move a pair to the next step, and the core's put -1e-6 into the step of 0.
    apart = found.cumsum().astype(int) - expected.cumsum().astype(int)
    middle = len(apart) // 2 - 1
    assert np.abs(np.delete(apart, middle)).max() <= (0 if dtype == "float64" else 1)
    assert 0 <= apart[middle] <= (0 if dtype == "float64" else 10)
    for mine, core in zip(lists[0][1:3], core_lists[0][1:3], strict=True):
        np.testing.assert_allclose(mine, core, atol=1e-12)
    equal = lists[0][0] == core_lists[0][0]
    assert equal.mean() > 0.97  # which of equally near ones comes first is not told
    assert (lists[0][3] >= 0).sum() == (core_lists[0][3] >= 0).sum()


@on_each_device
def test_fewer_features_than_neighbours(device):
    X, masses = features(3, 2, device=device), shares(3, 2, device)
    _, _, _, lists = sweep(X, masses, by_score=5, by_cosine=4, least=0.0)
    _, _, _, core = _core.null_sweep(in_core(X), masses.cpu().numpy(), by_score=5, by_cosine=4, least=0.0)
    for mine, other in zip(lists[0], core[0], strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-12)


@on_each_device
def test_progress_and_ctrl_c(device, monkeypatch):
    monkeypatch.setattr("featuregeom.devices.tensors._NUMBERS", 3 * 64)
    told = []
    X = features(10, 64, device=device)
    devices.operator_on(devices.device_rows(X), progress=lambda *each: told.append(each))
    assert told == [(3, 10), (6, 10), (9, 10), (10, 10)]
    told.clear()
    sweep(X, shares(10, 2, device), tile=4, progress=lambda *each: told.append(each))
    assert told[-1] == (9, 9)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    big = features(400, 64, device=device)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, the signal may come at once
        timer.start()
        [devices.operator_on(devices.device_rows(big)) for _ in range(10_000)]
    timer.join()


@on_each_device
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_significant_pairs(device, dtype):
    """The whole test on a device finds what the core finds, with the same numbers."""
    X = features(1500, 100, dtype, device)
    X[:, 90:] = 0  # a null space
    X[7] = X[8] * 2
    X[10] = -X[11]
    own = fg.features.as_features(X.cpu())
    for rank in (90, 100):
        given = own if rank == 90 else fg.features.as_features(X.cpu() + 0.01 * features(1500, 100, dtype))
        full, _ = significant_and_nearest(given, 0.05, n_parts=1, nearest=True, n_draws=1)
        rows = devices.device_rows(torch.from_numpy(np.array(given.values)).to(device))
        told = []
        found, nearest = significant_and_nearest(
            given,
            0.05,
            n_parts=1,
            n_draws=1,
            device=rows,
            progress=lambda *each, told=told: told.append(each),
        )
        assert told[-1][0] == told[-1][1]
        _, expected = significant_and_nearest(given, 0.05, n_parts=1, n_draws=1)
        np.testing.assert_allclose(nearest, expected, atol=1e-12)
        assert full.n_total == 2
        assert (found.n_total, found.i.tolist(), found.j.tolist()) == (
            full.n_total,
            full.i.tolist(),
            full.j.tolist(),
        )
        np.testing.assert_allclose(found.z, full.z, rtol=1e-9)
        np.testing.assert_allclose(found.q, full.q, rtol=1e-9)


@on_each_device
def test_shares(device):
    X = features(300, 12, device=device)
    X[3] = 0
    spectrum = fg.spectra.spectrum(X[:, :9].cpu().numpy() @ np.eye(9, 12))
    given = fg.features.as_features(X.cpu())
    found = shares_on(devices.device_rows(X), spectrum, 12).cpu().numpy()
    np.testing.assert_allclose(found, cross_fit.shares(given, spectrum, 12), atol=1e-13)


@on_each_device
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("case", ["full", "low rank", "scaled", "other"])
def test_spectral_measures(device, dtype, case, monkeypatch):
    """What the public functions give of a tensor on a device, each number of each feature, is what the core gives."""
    monkeypatch.setattr("featuregeom.devices.tensors._NUMBERS", 1000)
    for module in ("decomposition", "spectral_measures"):
        monkeypatch.setattr(f"featuregeom.spectra.{module}.on_gpu", torch.is_tensor)
    X = features(310, 20, dtype, device)
    X[3] = 0
    if case == "low rank":
        X[:, 8:] = 0
        X[5, 8:] = 1e-9  # too little to be told from rounding
    if case == "scaled":
        X = X * 1e-60 if dtype == "float64" else X * 1e-12
    spectrum = None
    if case == "other":  # features of its null space, and some with a part there
        spectrum = fg.spectra.spectrum(features(40, 20)[:, :12].numpy() @ np.eye(12, 20))
        X[7, :12] = 0
        X[8, 12:] = 0
        X[9, 12:] *= 1e-4
    told = []
    found = fg.spectra.measures(X, spectrum, progress=lambda *each: told.append(each))
    expected = fg.spectra.measures(fg.features.as_features(X.cpu()), spectrum)
    assert told[-1][0] == told[-1][1]
    for name in (
        "norm",
        "kappa",
        "capacity",
        "leverage",
        "slack",
        "cv",
        "max_mass",
        "ipr",
        "entropy",
        "masses",
    ):
        mine, core = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(mine, core, rtol=1e-9, atol=1e-12 * np.nanmax(np.abs(core)), err_msg=name)
    np.testing.assert_array_equal(found.eigenspace, expected.eigenspace)
    assert fg.spectra.measures(X, spectrum, masses=False).masses is None


@on_each_device
def test_spectra_refuse_what_the_core_refuses(device, monkeypatch):
    for module in ("decomposition", "spectral_measures"):
        monkeypatch.setattr(f"featuregeom.spectra.{module}.on_gpu", torch.is_tensor)
    X = features(30, 4, device=device)
    X[2, 1] = np.nan
    with pytest.raises(NonFiniteError, match="row 2, column 1"):
        fg.spectra.measures(X)
    X[2, 1], X[5] = 0, 1e-170
    with pytest.raises(ParameterError, match="row 5"):
        fg.spectra.measures(X)
    assert fg.spectra.measures(torch.zeros(5, 3, device=device)).eigenspace.tolist() == [-1] * 5
    wide = features(3, 8, device=device)  # n < m: as before, on the processor
    np.testing.assert_array_equal(fg.spectra.measures(wide).kappa, fg.spectra.measures(in_core(wide)).kappa)


def test_tf32_is_off_within_and_left_as_it_was():
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with devices.tensors.exact_products():
            assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def test_what_is_on_a_gpu():
    assert not devices.on_gpu(np.eye(2))
    assert not devices.on_gpu(torch.eye(2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_public_functions_take_tensors_on_a_gpu():
    X = features(500, 20, "float32", "cuda")
    np.testing.assert_allclose(
        fg.frames.frame_operator(X), fg.frames.frame_operator(X.cpu()), rtol=1e-12, atol=1e-9
    )
