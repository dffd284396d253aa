"""An analysis by the workers of a Dask cluster, one of which dies, is that of one process, byte for byte."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.errors import ParameterError

distributed = pytest.importorskip("distributed")

# Sockets and tasks of a cluster that is closing.
pytestmark = pytest.mark.filterwarnings("ignore")


def source(folder: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    np.savez(folder / "weights.npz", **{f"m{k}": rng.standard_normal((20 + 2 * k, 8)) for k in range(count)})
    return folder / "weights.npz"


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".parquet", ".json")
    }


def cluster(workers: int) -> distributed.LocalCluster:
    """Worker processes that a nanny starts again when they die."""
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    )


def with_a_killed_worker(folder: Path) -> None:
    """Kill one of two workers as soon as the first matrix is done, and compare with one process."""
    path = source(folder, 8)
    fg.analyze(path, out=folder / "one")
    with cluster(2) as running:
        victim = next(iter(running.workers.values())).pid
        done = []

        def kill() -> None:
            while not done:
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()

        def seen(progress: fg.survey.progress.Progress) -> None:
            if progress.done:
                done.append(progress.done < progress.total)

        fg.analyze(path, out=folder / "two", dask=running.scheduler_address, progress=seen)
        killer.join()
        assert done[0], "the worker was killed after all was done"
        assert not _alive(victim)
    one, two = files(folder / "one"), files(folder / "two")
    assert one.keys() == two.keys()
    assert one == two


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    with_a_killed_worker(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("time_of_many", range(5))
def test_a_killed_worker_loses_nothing_each_time(tmp_path: Path, time_of_many: int) -> None:
    with_a_killed_worker(tmp_path)


def test_a_client_is_left_open(tmp_path: Path) -> None:
    with cluster(1) as running, distributed.Client(running) as client:
        found = fg.analyze(source(tmp_path, 2), pairs=False, dask=client)
        assert list(found.matrices["matrix"]) == ["m0", "m1"]
        assert client.submit(abs, -1).result() == 1


def test_what_is_no_cluster_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = source(tmp_path, 1)
    monkeypatch.setattr("featuregeom.survey.dask._PATIENCE", "0.5s")
    for address in ("tcp://127.0.0.1:9", "nowhere", "x://y"):
        with pytest.raises(ParameterError, match="no Dask scheduler answers"):
            fg.analyze(path, dask=address)
    with pytest.raises(
        ParameterError, match=r"the address of a scheduler or a distributed\.Client, not a int"
    ):
        fg.analyze(path, dask=3)
    with pytest.raises(ParameterError, match="give one of them"):
        fg.analyze(path, dask="tcp://127.0.0.1:9", executor=ThreadPoolExecutor(1))


def test_the_how_to_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[1] / "docs" / "how-to" / "many-machines.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, "many-machines.md", "exec"), names)
    *analyses, index = capsys.readouterr().out.splitlines()
    assert analyses == ["4 matrices"] * (len(blocks) - 1)
    assert index.startswith("[7] [4000] of partners planted by cosine, the index found ")
    assert files(tmp_path / "dask.featuregeom") == files(tmp_path / "processes.featuregeom")
