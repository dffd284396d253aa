"""Torch on a device gives what the core gives; on the CPU always, on a GPU where there is one."""

import os
import signal
import threading

import numpy as np
import pytest
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom import _core, devices
from featuregeom.cli import app
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.pairs import cross_fit
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
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("tile", [16, 1000])
@pytest.mark.parametrize("others", [0, 1, 70])
def test_null_sweep(device, dtype, tile, others):
    """Pairs of one set, or with those of another, of more, fewer, or a single feature."""
    X, masses = features(83, 9, dtype, device), shares(83, 4, device)
    X[5] = 0
    X[7], masses[7] = X[8], masses[8]
    Y, theirs = features(max(others, 1), 9, dtype, device, seed=5), shares(max(others, 1), 4, device, seed=6)
    Y[0] = 2 * X[7]
    given = (devices.device_rows(Y), theirs) if others else ()
    found, steps, arithmetic, lists = devices.null_sweep_on(
        devices.device_rows(X), masses, *given, by_score=3, by_cosine=2, least=2.0, tile=tile
    )
    expected, core_steps, _, core_lists = _core.null_sweep(
        in_core(X),
        masses.cpu().numpy(),
        *((in_core(Y), theirs.cpu().numpy()) if others else ()),
        by_score=3,
        by_cosine=2,
        least=2.0,
    )
    assert (steps, arithmetic) == (core_steps, "float64" if dtype == "float64" else "float32")
    assert found.sum() == expected.sum() == (82 * others if others else 82 * 81 // 2)
    # Products in float32 are summed in another order, and may move a pair to the next step.
    apart = found.cumsum().astype(int) - expected.cumsum().astype(int)
    assert np.abs(apart).max() <= (0 if dtype == "float64" else 1)
    assert len(lists) == len(core_lists) == 1 + bool(others)
    for mine, core in zip(lists, core_lists, strict=True):
        for one, other in zip(mine[1:3], core[1:3], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12 if dtype == "float64" else 2e-5)
        # Of equally near ones either may come first.
        different = mine[0] != core[0]
        assert different.mean() < 0.05
        np.testing.assert_allclose(mine[1][different], core[1][different], atol=1e-6)
        assert np.abs(mine[3] - core[3]).max(initial=0) <= (0 if dtype == "float64" else 1)


@on_each_device
def test_each_pair_counts_once_and_where_its_bin_is(device):
    """Half of float32 sums differ with the order of their terms: a pair may not be lost between two steps."""
    X, masses = features(300, 64, "float32", device), shares(300, 64, device)
    for tile in (7, 64, 300):
        counts, _, _, ((neighbours, _, _, bins),) = sweep(
            X, masses, by_score=299, by_cosine=0, least=0, tile=tile
        )
        low = np.arange(300)[:, None] < neighbours
        np.testing.assert_array_equal(np.bincount(bins[low & (neighbours >= 0)], minlength=4096), counts)
        assert counts.sum() == 300 * 299 // 2


@on_each_device
def test_fewer_features_than_neighbours(device):
    for n in (1, 3):
        X, masses = features(n, 2, device=device), shares(n, 2, device)
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
    assert told[-1] == (6, 6)  # of three by three tiles those on and above the diagonal
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    big = features(400, 64, device=device)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, the signal may come at once
        timer.start()
        [devices.operator_on(devices.device_rows(big)) for _ in range(10_000)]
    timer.join()


@on_each_device
@pytest.mark.parametrize(
    ("n", "m", "parts", "dtype", "noise"),
    [
        (1500, 100, 1, "float64", 0),
        (1500, 100, 1, "float32", 0.01),
        (1300, 100, None, "float32", 0),
        (200, 100, None, "float32", 0.01),
        (90, 100, None, "float64", 0),
        (60, 8, 5, "float32", 0.01),
    ],
)
def test_significant_pairs(device, n, m, parts, dtype, noise, monkeypatch):
    """The whole test on a device finds what the core finds, with the same numbers, however features are split."""
    monkeypatch.setattr("featuregeom.pairs.cross_fit._DEVICE_SHARES", 8 * 100 * 400)
    X = features(n, m, dtype)
    X[:, m - m // 10 :] = 0  # a null space, unless there is noise
    X[7] = X[8] * 2
    X[10] = -X[11]
    X[12] = 0
    own = fg.features.as_features(X + noise * features(n, m, dtype, seed=3))
    expected, near = significant_and_nearest(own, 0.05, n_parts=parts, n_draws=1)
    told = []
    found, nearest = significant_and_nearest(
        own,
        0.05,
        n_parts=parts,
        n_draws=1,
        device=torch.device(device),
        progress=lambda *each: told.append(each),
    )
    assert told[-1][0] == told[-1][1]
    np.testing.assert_allclose(nearest, near, atol=1e-12 if dtype == "float64" else 1e-6)
    assert expected.n_total == (2 if m == 100 else 0)
    assert (found.n_total, found.i.tolist(), found.j.tolist()) == (
        expected.n_total,
        expected.i.tolist(),
        expected.j.tolist(),
    )
    assert found.n_parts == expected.n_parts
    np.testing.assert_allclose(found.z, expected.z, rtol=1e-9)
    np.testing.assert_allclose(found.q, expected.q, rtol=1e-9)


@on_each_device
def test_shares(device):
    X = features(300, 12, device=device)
    X[3] = 0
    X[4] *= 1e-60
    threes = np.diag(np.repeat([4.0, 3, 2, 0], 3))  # eigenspaces of three dimensions
    for axes, spaces in (
        (features(60, 9).numpy() @ np.eye(9, 12), 9),
        (features(60, 12).numpy(), 12),
        (threes, 3),
    ):
        spectrum = fg.spectra.spectrum(axes)
        assert len(spectrum.starts) == spaces + 1
        given = fg.features.as_features(X.cpu())
        found = devices.shares_on(
            devices.device_rows(X), spectrum.vectors, spectrum.starts, null=12 - spectrum.rank
        )
        np.testing.assert_allclose(found.cpu().numpy(), cross_fit.shares(given, spectrum, 12), atol=1e-13)


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


SWITCHES = {
    "as it is": "",
    "old": "matmul.allow_tf32 = True",
    "new": "matmul.fp32_precision = 'tf32'",
    "high": "torch.set_float32_matmul_precision('high')",
    "medium": "torch.set_float32_matmul_precision('medium')",
}


def switches():
    matmul, found = torch.backends.cuda.matmul, []
    for each in (
        lambda: matmul.allow_tf32,
        torch.get_float32_matmul_precision,
        lambda: getattr(matmul, "fp32_precision", None),
        lambda: torch.backends.mkldnn.matmul.fp32_precision,
    ):
        try:
            found.append(each())
        except (RuntimeError, AttributeError):
            found.append("none that torch tells")
    return found


@pytest.mark.parametrize("switch", SWITCHES)
def test_tf32_is_off_within_and_left_as_it_was(switch):
    """Whichever of torch's switches was used; within, the two agree, or torch would refuse to multiply."""
    matmul = torch.backends.cuda.matmul
    try:
        exec(SWITCHES[switch], {"torch": torch, "matmul": matmul})
        before = switches()
        with devices.tensors.exact_products(torch.device("cpu")):
            assert not matmul.allow_tf32
            assert getattr(matmul, "fp32_precision", "ieee") == "ieee"
        after = switches()
        assert after[2:] == before[2:]
        if before[0] != "none that torch tells":
            assert after[0] == before[0]
    finally:
        torch.set_float32_matmul_precision("highest")
        if hasattr(matmul, "fp32_precision"):
            matmul.fp32_precision = torch.backends.mkldnn.matmul.fp32_precision = "none"


def test_half_precision_outside_decides_nothing():
    X, masses = features(120, 30, "float32"), shares(120, 5, "cpu")
    rows = devices.device_rows(X.requires_grad_())
    expected = sweep(X, masses), devices.operator_on(rows), devices.nearest_on(rows, rows, neighbours=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = sweep(X, masses), devices.operator_on(rows), devices.nearest_on(rows, rows, neighbours=3)
    np.testing.assert_array_equal(found[0][0], expected[0][0])
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[2][0][0][1][1], expected[2][0][0][1][1])


def test_the_plan_says_when_a_gpu_is_looked_for(tmp_path):
    def rooms(n, pairs):
        info = fg.survey.describe({"w": np.broadcast_to(np.float32(1), (n, 3))}).matrices[0]
        return fg.survey.plan.cost(info, pairs=pairs).gpu_room

    assert [rooms(devices.MANY - 1, True), rooms(devices.MANY, False)] == [0, 0]
    assert rooms(devices.MANY, True) == rooms(devices.MANY, "approximate") == devices.room(devices.MANY, 3)
    np.save(tmp_path / "many.npy", np.ones((devices.MANY, 3), np.float32))
    told = CliRunner().invoke(app, ["describe", str(tmp_path / "many.npy"), "--axis", "rows"])
    assert "significant pairs on a GPU, if torch sees one with" in told.output
    told = CliRunner().invoke(app, ["describe", str(tmp_path / "many.npy"), "--axis", "rows", "--no-pairs"])
    assert "GPU" not in told.output


@pytest.mark.parametrize("approximate", [False, True])
def test_very_many_features_go_to_a_gpu_that_is_there(approximate, monkeypatch):
    """Here the processor stands for the GPU, and few features for many; no index is then asked."""
    X = np.random.default_rng(0).standard_normal((6000, 8)).astype(np.float32)
    expected = fg.pairs.significant(X, n_draws=1)
    monkeypatch.setitem(significant_and_nearest.__globals__, "gpu_for", lambda n, m: torch.device("cpu"))
    found = fg.pairs.significant(X, n_draws=1, approximate=approximate)
    assert found.recall is None
    assert (found.n_total, found.n_features, found.n_parts) == (expected.n_total, 6000, 1)


def test_what_is_on_a_gpu():
    assert not devices.on_gpu(np.eye(2))
    assert not devices.on_gpu(torch.eye(2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_public_functions_take_tensors_on_a_gpu():
    X = features(500, 20, "float32", "cuda")
    np.testing.assert_allclose(
        fg.frames.frame_operator(X), fg.frames.frame_operator(X.cpu()), rtol=1e-12, atol=1e-9
    )


def near_on(A, B, k, **more):
    lists, rounding = devices.nearest_on(devices.device_rows(A), devices.device_rows(B), neighbours=k, **more)
    return _core.match_listed((len(A), len(B)), lists, rounding), lists, rounding


@on_each_device
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    ("n", "p", "k", "tile"), [(1, 1, 4, 8), (1, 90, 3, 16), (70, 83, 5, 16), (83, 83, 200, 4096)]
)
def test_nearest(device, dtype, n, p, k, tile):
    """Every list holds the largest cosines there are, and the matching made of them is the core's."""
    A, B = features(n, 6, dtype, device, seed=1), features(p, 6, dtype, device, seed=2)
    if n > 10:
        A[3], B[5], B[7] = 0, A[9] * 3, -A[9]
    (found, nearest), lists, rounding = near_on(A, B, k, tile=tile)
    expected, core = _core.match_features(in_core(A), in_core(B), neighbours=k)
    assert rounding < (1e-12 if dtype == "float64" else 4e-6)
    C = devices.tensors.unit(A.double()) @ devices.tensors.unit(B.double()).T
    C = C.cpu().numpy()[np.ix_(lists[0][0], lists[1][0])]
    for of, (_, signed, absolute) in ((C, lists[0]), (C.T, lists[1])):
        for (others, strengths), values in ((signed, of), (absolute, np.abs(of))):
            keep = min(k, of.shape[1])
            assert others.shape == strengths.shape == (len(of), keep)
            np.testing.assert_allclose(strengths, -np.sort(-values, axis=1)[:, :keep], atol=rounding)
            np.testing.assert_allclose(
                strengths, np.take_along_axis(values, others.astype(int), axis=1), atol=rounding
            )
            assert all(len(set(row)) == keep for row in others.tolist())
    for (mine, bound), (partners, limit) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, partners)
        assert bound == pytest.approx(limit, abs=2 * n * rounding)
    for side, other in zip(nearest, core, strict=True):
        for (which, value), (theirs, strength) in zip(side, other, strict=True):
            np.testing.assert_array_equal(which, theirs)
            np.testing.assert_allclose(value, strength, atol=2 * rounding)


@on_each_device
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_equally_near_ones_come_in_cyclic_order(device, dtype):
    """So that thousands of copies do not all list the same few others."""
    copies = torch.ones(30, 1, dtype=getattr(torch, dtype), device=device)
    for tile in (7, 30):
        _, lists, _ = near_on(copies, copies, 3, tile=tile)
        for _, signed, absolute in lists:
            for others, _ in (signed, absolute):
                np.testing.assert_array_equal(others, (np.arange(30)[:, None] + np.arange(3)) % 30)


@on_each_device
def test_ctrl_c_stops_between_tiles(device):
    """Nothing is left behind: the next call gives what it gave before."""
    X, masses = features(60, 5, device=device), shares(60, 2, device)
    rows = devices.device_rows(X)

    def stop(done, total):
        if done == 3:
            signal.raise_signal(signal.SIGINT)

    for call in (
        lambda progress: sweep(X, masses, tile=16, progress=progress)[0],
        lambda progress: devices.nearest_on(rows, rows, neighbours=4, tile=16, progress=progress)[0][0][1][0],
    ):
        expected = call(None)
        with pytest.raises(KeyboardInterrupt):
            call(stop)
        np.testing.assert_array_equal(call(None), expected)


@on_each_device
@pytest.mark.parametrize("form", ["raw", "procrustes", "gram"])
def test_matching_of_tensors(device, form, monkeypatch):
    """The public function, of tensors that need a gradient and are no rows one after the other."""
    A = features(300, 40, "float32", device, seed=1).T.contiguous().T
    B = torch.cat([A[::2].flip(0), features(250, 40, "float32", device, seed=2)])
    B += 0.05 * features(400, 40, "float32", device, seed=4)
    expected = fg.dictionaries.match(A.cpu(), B.cpu(), align=form)
    monkeypatch.setattr("featuregeom.devices.choice.on_gpu", torch.is_tensor)
    seen = []
    monkeypatch.setattr(
        "featuregeom.dictionaries.one_to_one.nearest_on",
        lambda *given, **more: seen.append(given) or devices.nearest_on(*given, **more),
    )
    told = []
    found = fg.dictionaries.match(
        A.requires_grad_(), B.requires_grad_(), align=form, progress=lambda *each: told.append(each)
    )
    assert seen
    assert {rows.values.device.type for given in seen for rows in given} == {device}
    assert form != "raw" or told[-1][0] == told[-1][1] > 0
    np.testing.assert_array_equal(found.pairs, expected.pairs)
    np.testing.assert_allclose(found.cosine, expected.cosine, atol=1e-6)
    assert found.gap == pytest.approx(expected.gap, abs=1e-5)
    for name in ("pw_mcc", "pw_mcc_absolute", "mmcs", "mmcs_back", "shared", "uniqueness"):
        for mine, core in ((found.scores, expected.scores), (found.null_scores, expected.null_scores)):
            assert getattr(mine, name) == pytest.approx(getattr(core, name), abs=1e-5), name


def test_lists_that_do_not_fit_are_refused():
    A, B = features(5, 3), features(7, 3)
    _, lists, rounding = near_on(A, B, 2)
    (active, signed, absolute), other = lists
    for wrong in (
        (active + 5, signed, absolute),
        (active - 1, signed, absolute),
        (active[:-1], signed, absolute),
        (active, (signed[0] + np.uint32(7), signed[1]), absolute),
        (active, signed, (absolute[0][:, :0], absolute[1][:, :0])),
    ):
        with pytest.raises(ShapeError, match="do not fit"):
            _core.match_listed((5, 7), (wrong, other), rounding)
    with pytest.raises(TypeError):
        _core.match_listed((5, 7), ((active, (signed[0], signed[1][:, :1]), absolute), other), rounding)
    with pytest.raises(ShapeError, match="smaller set first"):
        _core.match_listed((7, 5), lists[::-1], rounding)


def test_where_pairs_are_worked_on(monkeypatch):
    """On the tensors' own GPU; from 250 000 features on, on one that has room."""
    big = {"n": devices.MANY, "m": 100}
    room = devices.room(**big)
    assert room == (8 << 30) + 16 * 250_000 * 100
    assert devices.gpu_for(np.eye(2), n=2, m=2) is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.gpu_for(np.eye(2), **big) is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (room, 2 * room))
    assert devices.gpu_for(np.eye(2), **big) == torch.device("cuda:1")
    assert devices.gpu_for(np.eye(2), n=devices.MANY - 1, m=100) is None
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (room - 1, 2 * room))
    assert devices.gpu_for(np.eye(2), **big) is None
    monkeypatch.setattr("featuregeom.devices.choice.on_gpu", torch.is_tensor)
    meta = [torch.empty(2, 2, device=each) for each in ("cpu", "cpu", "meta")]
    assert devices.gpu_for(*meta[:2], n=2, m=2) == torch.device("cpu")
    assert devices.gpu_for(*meta, n=2, m=2) is None
    assert devices.gpu_for(meta[0], np.eye(2), n=2, m=2) is None
