"""An analysis by processes of an executor is that of one process, byte for byte."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import errors
from featuregeom.errors import NonFiniteError, ParameterError


def source(folder):
    rng = np.random.default_rng(0)
    path = folder / "weights.npz"
    matrices = {f"m{k}": rng.standard_normal((30 + 5 * k, 6)) for k in range(4)}
    np.savez(path, **matrices, empty=np.full((3, 6), np.nan), none=np.full((2, 6), np.nan))
    return path


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".parquet", ".json")
    }


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def test_processes_give_the_same_bytes(tmp_path, processes):
    path = source(tmp_path)
    fg.analyze(path, nonfinite="skip", out=tmp_path / "one")
    seen = []
    fg.analyze(path, nonfinite="skip", out=tmp_path / "two", executor=processes, progress=seen.append)
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert one.keys() == two.keys()
    assert one == two
    assert seen[-1].done == seen[-1].total


def test_a_job_that_fails_stops_the_rest_and_can_be_resumed(tmp_path, processes):
    path = source(tmp_path)
    with pytest.raises(NonFiniteError, match="empty"):
        fg.analyze(path, include=["m*", "empty"], out=tmp_path / "out", executor=processes)
    with ThreadPoolExecutor(2) as threads:
        found = fg.analyze(path, include="m*", out=tmp_path / "out", executor=threads, force=True)
    assert list(found.matrices["matrix"]) == ["m0", "m1", "m2", "m3"]


def test_executors_that_cannot_serve():
    forks = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork"))
    with pytest.raises(ParameterError, match="spawn"):
        fg.analyze(np.eye(3), executor=forks)
    with pytest.raises(ParameterError, match="dask="):
        fg.analyze(np.eye(3), executor="dask")


@pytest.mark.parametrize(
    "error", [NonFiniteError("NaN here", 3, 4), errors.SourceError("x"), errors.DtypeError("y")]
)
def test_errors_come_back_from_other_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
