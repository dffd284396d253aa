"""Matrices measured by an executor: in other processes, or on other machines."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from featuregeom.analysis import MatrixResult
from featuregeom.errors import ParameterError
from featuregeom.sources import TensorInfo, open_source
from featuregeom.survey.measure import Options, measure
from featuregeom.survey.plan import cost
from featuregeom.survey.progress import Meter

__all__ = ["check_executor", "measured_by"]


def check_executor(executor: Any) -> None:
    """Refuse all but executors, and executors that fork: forked processes lack the threads of the kernels, and hang.

    Raises
    ------
    ParameterError
        If the executor cannot be used.
    """
    if executor is None:
        return
    if not isinstance(executor, Executor):
        raise ParameterError(
            f"executor must be a concurrent.futures.Executor, not a {type(executor).__name__}; "
            "for Dask there is dask="
        )
    context = getattr(executor, "_mp_context", None)
    if (
        isinstance(executor, ProcessPoolExecutor)
        and context is not None
        and context.get_start_method() == "fork"
    ):
        raise ParameterError(
            "the executor forks its processes, which lack the threads of this one and would wait for ever: make it "
            'with mp_context=multiprocessing.get_context("spawn")'
        )


def measured_by(
    executor: Executor,
    opening: Mapping[str, Any],
    chosen: Sequence[TensorInfo],
    options: Options,
    num_threads: int | None,
    named: Mapping[str, Any],
) -> Generator[tuple[TensorInfo, MatrixResult | None], None, None]:
    """Measure each matrix as one job of an executor.

    Parameters
    ----------
    executor : Executor
        Each job opens the source for itself, so files must be where its processes can read them.
    opening : mapping
        Arguments of `open_source`.
    chosen : sequence of TensorInfo
        The matrices.
    options, num_threads
        As for `measure`; threads of each job.
    named : mapping
        Names of features, by matrix.

    Yields
    ------
    tuple of TensorInfo and MatrixResult or None
        As they finish. When the caller stops, or a job fails, jobs that have not begun are cancelled.
    """
    jobs: dict[Future[MatrixResult | None], TensorInfo] = {}
    source = opening["source"]
    if isinstance(source, str | os.PathLike) and Path(source).exists():
        # Other processes may stand in another folder.
        opening = {**opening, "source": str(Path(source).absolute())}
    try:
        for info in chosen:
            jobs[executor.submit(_job, dict(opening), info, options, num_threads, named[info.name])] = info
        for job in as_completed(jobs):
            yield jobs[job], job.result()
    finally:
        for job in jobs:
            job.cancel()


def _job(
    opening: dict[str, Any], info: TensorInfo, options: Options, num_threads: int | None, names: Any
) -> MatrixResult | None:
    """Measure one matrix of a source."""
    with open_source(**opening) as reader:
        meter = Meter(None, {info.name: cost(info, pairs=options.pairs)})
        try:
            return measure(reader.read(info.name), options, num_threads, meter, names)
        finally:
            reader.release(info.name)
