"""The phase chart: redundancy and accuracies of codes over width, training time and sample size."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.atomic import create_folder, replacing
from featuregeom.encoder.evaluation import evaluate
from featuregeom.encoder.networks import training
from featuregeom.encoder.regimes import Thresholds, regime_table
from featuregeom.errors import (
    MissingExtraError,
    NonFiniteError,
    OutputError,
    ParameterError,
    ShapeError,
    SourceError,
)
from featuregeom.folders import locked
from featuregeom.kept import read_record, write_record
from featuregeom.memory import loading
from featuregeom.networks.digits import handwritten_digits
from featuregeom.networks.extra import torch_module
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DataSet", "PhaseChart", "digits", "phase"]

WIDTHS = (3, 6, 12, 25, 45, 90, 180, 360, 720)
"""Hidden units per layer of the default grid, about a factor of 2 apart."""

EPOCHS = (0, 1, 2, 4, 8, 16, 32)
"""Epochs after which codes are taken by default; 0 is the untrained network."""

SAMPLES = (20, 50, 120, 300, 600, 1198)
"""Training samples of the default grid; 1198 is two thirds of the 1797 digits."""

Progress = Callable[[int, int], object]

_WRITTEN = ("grid.csv", "regimes.csv", "thresholds.json", "report.html")
_CELLS = "cells/w*-n*-e*.json"
"""What a chart and its page write into their folder, beside the plan."""


@summarised
@dataclass(frozen=True, eq=False)
class DataSet:
    """Training and test samples.

    Attributes
    ----------
    name : str
        What reports call it.
    X, X_test : ndarray of float32, shape (N, m) and (N', m)
        Samples as rows.
    y, y_test : ndarray of int64, shape (N,) and (N',)
        Labels from 0 on.
    """

    name: str
    X: NDArray[np.float32]
    y: NDArray[np.int64]
    X_test: NDArray[np.float32]
    y_test: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name, X, y in (("X", self.X, self.y), ("X_test", self.X_test, self.y_test)):
            if (
                X.ndim != 2
                or not X.size
                or X.dtype != np.float32
                or y.shape != (len(X),)
                or y.dtype != np.int64
            ):
                raise ShapeError(
                    f"{name} must be float32 (N, m) with int64 labels (N,), got {X.dtype} {X.shape}"
                )
            if not np.isfinite(X).all():
                row, column = map(int, np.argwhere(~np.isfinite(X))[0])
                raise NonFiniteError(f"{name} is {X[row, column]} in row {row}, column {column}", row, column)
            if y.min() < 0:
                raise ParameterError(f"labels count from 0, got {y.min()} in {name}")
        if self.X.shape[1] != self.X_test.shape[1]:
            raise ShapeError(f"X of {self.X.shape[1]} columns, X_test of {self.X_test.shape[1]}")


@summarised
@dataclass(frozen=True, eq=False)
class PhaseChart:
    """Redundancy and accuracies over width, training time and sample size: the result of `phase`.

    Attributes
    ----------
    cells : DataFrame
        The raw grid, one row per network: width, n_samples, epochs, repeat, network (its test accuracy) and all
        numbers of its `EncoderReport`.
    regimes : DataFrame
        Regimes on both grids, means over repeats; see `regimes.regime_table`.
    thresholds : Thresholds
        What made them; ``regime_table(cells, others)`` labels the same grid by others.
    plan : dict
        Parameters and seed.
    """

    cells: pd.DataFrame
    regimes: pd.DataFrame
    thresholds: Thresholds
    plan: dict[str, Any]


def digits(seed: int = 0, test_share: float = 1 / 3) -> DataSet:
    """Give the 1797 handwritten digits that come with scikit-learn, shuffled by `seed` and split, in [0, 1]."""
    if not 0 < test_share < 1:
        raise ParameterError(f"test_share must be between 0 and 1, got {test_share!r}")
    pixels, y = handwritten_digits("encoder.digits", integer("seed", seed, 0))
    X = pixels.astype(np.float32)
    test = min(max(round(test_share * len(y)), 1), len(y) - 1)
    return DataSet("digits", X[test:], y[test:], X[:test], y[:test])


def phase(
    out: Path | str | None = None,
    *,
    data: DataSet | None = None,
    widths: Sequence[int] = WIDTHS,
    epochs: Sequence[int] = EPOCHS,
    samples: Sequence[int] = SAMPLES,
    depth: int = 1,
    repeats: int = 2,
    thresholds: Thresholds | None = None,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> PhaseChart:
    """Train ReLU networks over width, training time and sample size, and name the regimes of their codes.

    Two grids: width by epochs on all samples, and width by samples after the most epochs. Every finished cell is
    a file of its own, so a stopped run goes on where it was, to the same tables.

    Parameters
    ----------
    out : Path or str, optional
        Folder for ``cells/``, ``grid.csv`` (the raw grid), ``regimes.csv`` and ``plan.json``; nothing is written
        without one.
    data : DataSet, optional
        The digits of scikit-learn unless given.
    widths : sequence of int
        Units of each hidden layer, increasing.
    epochs : sequence of int
        When codes are taken, increasing, 0 for networks as initialised.
    samples : sequence of int
        Training samples, the first of the training set, increasing; the last is the size of the other grid.
    depth : int
        Hidden layers, at least 1.
    repeats : int
        Networks per cell.
    thresholds : Thresholds, optional
        Of the regimes; the defaults unless given. They change nothing in the raw grid.
    seed : int
        Seed of split, weights, order of batches and k-means.
    resume : bool
        Go on in a folder that holds the same plan.
    force : bool
        Replace the chart in the folder, whatever its plan.
    progress : callable, optional
        Called as ``progress(done, total)`` after each cell; what it raises ends the run.

    Returns
    -------
    PhaseChart

    Raises
    ------
    ParameterError
        If an argument is outside its range, or the folder holds another plan to resume.
    OutputError
        If the folder cannot be written, is being written by another run, holds files of another result, or a chart
        and neither `resume` nor `force` is set.
    SourceError
        If a finished cell in the folder cannot be read.
    MissingExtraError
        If torch or scikit-learn is not installed.

    Notes
    -----
    Costs one training per width and sample size, and one evaluation per network and cell; see `evaluate`. The
    default grid is minutes on two cores.

    References
    ----------
    He, Lei, Ji & Tao, Neural networks behave as hash encoders, arXiv 2101.05490.
    """
    if resume and force:
        raise ParameterError(
            "resume goes on with the chart in the folder, force replaces it: give one of them"
        )
    samples_of = digits(seed) if data is None else data
    plan = _plan(samples_of, widths, epochs, samples, depth, repeats, seed)
    with _one_thread(), nullcontext() if out is None else locked(Path(out)):
        folder = None if out is None else _folder(Path(out), plan, resume, force)
        return _phase(folder, samples_of, plan, thresholds or Thresholds(), progress)


def _phase(
    folder: Path | None,
    samples_of: DataSet,
    plan: dict[str, Any],
    limits: Thresholds,
    progress: Progress | None,
) -> PhaseChart:
    rows: list[dict[str, Any]] = []
    trainings = list(_trainings(plan))
    done, total = 0, sum(len(epochs_of) for _, _, epochs_of in trainings)
    for width, n, epochs_of in trainings:
        paths = {epoch: folder and folder / "cells" / f"w{width}-n{n}-e{epoch}.json" for epoch in epochs_of}
        found = {
            epoch: _read(path)["rows"] for epoch, path in paths.items() if path is not None and path.exists()
        }
        missing = [epoch for epoch in epochs_of if epoch not in found]
        # A training begins anew for its missing cells: its numbers do not depend on where it is stopped.
        for epoch, cell in _measured(samples_of, plan, width, n, missing) if missing else ():
            found[epoch] = cell
            path = paths[epoch]
            if path is not None:
                write_record(path, {"rows": cell})
            if progress is not None:
                progress(done + len(found), total)
        rows += [row for epoch in epochs_of for row in found[epoch]]
        done += len(epochs_of)
        if progress is not None and not missing:
            progress(done, total)
    return _chart(rows, limits, plan, folder)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch and scikit-learn to one thread: matrices this small only make more of them wait for each other.

    It also makes the numbers the same whatever the number of cores.
    """
    torch = torch_module("encoder.phase")
    try:
        with loading("threadpoolctl"):
            from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtraError.needing("encoder.phase", "scikit-learn", "encoder") from error
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def _chart(
    rows: list[dict[str, Any]], limits: Thresholds, plan: dict[str, Any], folder: Path | None
) -> PhaseChart:
    import pandas as pd

    cells = pd.DataFrame(rows)
    table = regime_table(cells, limits)
    if folder is not None:
        for name, frame in (("grid.csv", cells), ("regimes.csv", table)):
            _write(folder / name, frame.to_csv(index=False))
        _write(folder / "thresholds.json", json.dumps(asdict(limits), indent=1))
    return PhaseChart(cells, table, limits, plan)


def _plan(
    data: DataSet,
    widths: Sequence[int],
    epochs: Sequence[int],
    samples: Sequence[int],
    depth: int,
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    n_classes = int(max(data.y.max(), data.y_test.max())) + 1
    most = len(data.X)
    plan: dict[str, Any] = {
        "data": data.name,
        "shape": [most, len(data.X_test), data.X.shape[1], n_classes],
        "numbers": _digest(data),
        "widths": _increasing("widths", widths, 1),
        "epochs": _increasing("epochs", epochs, 0),
        "samples": _increasing("samples", samples, n_classes, most),
        "depth": integer("depth", depth, 1),
        "repeats": integer("repeats", repeats, 1),
        "seed": integer("seed", seed, 0),
    }
    return plan


def _digest(data: DataSet) -> str:
    """Tell a data set from another of the same name and shape."""
    state = hashlib.blake2b(digest_size=16)
    for array in (data.X, data.y, data.X_test, data.y_test):
        state.update(np.ascontiguousarray(array).data.cast("B"))
    return state.hexdigest()


def _increasing(name: str, values: ArrayLike | Sequence[int], low: int, high: int | None = None) -> list[int]:
    found = [
        integer(name, value, low, high) for value in np.atleast_1d(np.asarray(values, dtype=object)).tolist()
    ]
    if not found or any(b <= a for a, b in itertools.pairwise(found)):
        raise ParameterError(f"{name} must increase, at least one of them, got {values!r}")
    return found


def _trainings(plan: dict[str, Any]) -> Iterator[tuple[int, int, list[int]]]:
    """Width, samples, and the epochs at which codes are taken, of every training."""
    for width in plan["widths"]:
        for n in plan["samples"]:
            yield width, n, plan["epochs"] if n == plan["samples"][-1] else plan["epochs"][-1:]


def _measured(
    data: DataSet, plan: dict[str, Any], width: int, n: int, missing: list[int]
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    X, y = data.X[:n], data.y[:n]
    low, high = float(data.X.min()), float(data.X.max())
    rng = np.random.default_rng([plan["seed"], 1])
    control = rng.uniform(low, high, data.X_test.shape).astype(np.float32)
    # A seed of its own for each training, whatever else is in the plan.
    seed = int(np.random.SeedSequence([plan["seed"], width, n]).generate_state(1)[0])
    for state in training(
        X, y, width=width, depth=plan["depth"], n_classes=plan["shape"][3], epochs=missing,
        repeats=plan["repeats"], seed=seed,
    ):  # fmt: skip
        codes, tested, random = state.codes(X), state.codes(data.X_test), state.codes(control)
        accuracy = state.accuracy(data.X_test, data.y_test)
        rows = []
        for k in range(plan["repeats"]):
            report = evaluate(codes[k], y, tested[k], data.y_test, random_codes=random[k], seed=plan["seed"])
            numbers = report.to_dict()
            row = {
                "width": width,
                "n_samples": n,
                "epochs": state.epoch,
                "repeat": k,
                "network": float(accuracy[k]),
            }
            rows.append(row | {key: None if value != value else value for key, value in numbers.items()})
        yield state.epoch, rows


def _folder(folder: Path, plan: dict[str, Any], resume: bool, force: bool) -> Path:
    path = folder / "plan.json"
    written = [each for each in (*map(folder.joinpath, _WRITTEN), *folder.glob(_CELLS)) if each.exists()]
    if written and not path.exists():
        raise OutputError(
            f"{written[0]} would be replaced, and is of no phase chart: choose another folder, or move it away"
        )
    create_folder(folder / "cells")
    if path.exists() and force:
        for each in (*written, path):
            each.unlink()
    if path.exists():
        if not resume:
            raise OutputError(
                f"{folder} holds a phase chart: go on with resume=True, choose another folder, or have it replaced "
                "with force=True (--force)"
            )
        held = _read(path)
        changed = [key for key in plan if held.get(key) != plan[key]]
        if changed:
            raise ParameterError(
                f"{folder} holds a phase chart with other {', '.join(changed)}: choose another folder"
            )
    else:
        write_record(path, plan)
    return folder


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_record(path)
    except OSError as error:
        raise SourceError(f"{error}; remove it, and it will be measured again") from error
