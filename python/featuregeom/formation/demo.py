"""A demonstration: three small networks trained with a recorder, so that known answers can be seen to appear."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.arguments import integer
from featuregeom.atomic import create_folder, replacing
from featuregeom.errors import OutputError
from featuregeom.formation.recorder import Recorder
from featuregeom.memory import NoRoomError, reading
from featuregeom.networks.digits import handwritten_digits
from featuregeom.networks.extra import torch_module
from featuregeom.sources.torch_files import check_torch

if TYPE_CHECKING:
    import pandas as pd
    import torch

__all__ = ["RUNS", "settings_of", "train_demo"]

RUNS: dict[str, str] = {
    "mlp": "a perceptron 64-128-128-10 on handwritten digits, without weight decay",
    "mlp-decay": "the same with weight decay .005",
    "linear": "a linear network of three layers, weight decay .05, whitened inputs",
}
"""What is trained, by name."""

DECAYS = {"mlp": 0.0, "mlp-decay": 5e-3, "linear": 0.05}
"""Weight decay of each."""

RECORDINGS = 20
"""Recordings after the first, evenly spaced over the steps."""

DRAWS = 8
"""Number of random weights that are drawn for the second null at each recording."""

SAMPLES = 1200
"""Digits that the perceptrons are trained on: about two thirds of the 1797."""

RESAMPLES = 100
"""Bootstrap samples of the exponents at each recording."""

MLP_RATE, LINEAR_RATE = 0.1, 0.02
"""Learning rates of SGD with momentum .9, falling to 0 as a cosine."""


_KEPT = {"settings": dict, "step": int, "model": OrderedDict, "search": dict, "recorder": dict}
"""What a checkpoint holds."""


@dataclass
class _Run:
    """One network with all that its training needs."""

    model: Any
    loss: Any
    batches: Callable[[int], tuple[Any, Any]]
    recorder: Recorder
    rate: float
    decay: float


def train_demo(
    folder: str | Path | None = None,
    *,
    steps: int = 2500,
    seed: int = 0,
    runs: tuple[str, ...] = tuple(RUNS),
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Train the networks of the demonstration, and record how they form.

    Parameters
    ----------
    folder : str or Path, optional
        Where each run keeps a checkpoint (``mlp.pt`` ...) at every recording; runs that are there go on from them.
    steps : int
        Of each run.
    seed : int
        Of initial weights and batches.
    runs : tuple of str
        Which, see `RUNS`.
    progress : callable, optional
        Called with steps done and all steps.

    Returns
    -------
    DataFrame
        A row for each run, step, layer and quantity, as `Recorder.to_frame`.

    Raises
    ------
    MissingExtraError
        If torch or scikit-learn is not installed.
    OutputError
        If a checkpoint there is of other settings, or is none.

    Notes
    -----
    About a minute on two cores. The same seed gives the same table, stopped and resumed or not.
    """
    import pandas as pd

    torch = torch_module("train-demo")
    steps, seed = integer("steps", steps, 1), integer("seed", seed, 0)
    every = max(1, steps // RECORDINGS)
    parts, done = [], 0
    for name in runs:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            run = _linear(seed, every) if name == "linear" else _mlp(DECAYS[name], seed, every)
            path = None if folder is None else Path(folder) / f"{name}.pt"

            def tell(step: int, before: int = done) -> None:
                if progress is not None:
                    progress(before + step, steps * len(runs))

            _train(run, steps, path, {"run": name, "steps": steps, "seed": seed}, tell)
        done += steps
        frame = run.recorder.to_frame()
        frame.insert(0, "run", name)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def settings_of(path: Path) -> dict[str, Any]:
    """Give how a checkpoint of a run was made.

    Raises
    ------
    OutputError
        If it is no checkpoint of a run.
    """
    return dict(_load(path)["settings"])


def _load(path: Path) -> dict[str, Any]:
    import torch

    check_torch(torch.__version__, str(path))
    try:
        with reading(str(path), path.stat().st_size):
            held = torch.load(path, weights_only=True)
    except NoRoomError:
        raise
    except Exception as error:
        raise OutputError(f"{path} is no checkpoint of train-demo: move it away ({error})") from error
    if (
        not isinstance(held, dict)
        or not _KEPT.items() <= {key: type(value) for key, value in held.items()}.items()
    ):
        raise OutputError(f"{path} is no checkpoint of train-demo: move it away")
    return held


def _train(
    run: _Run, steps: int, path: Path | None, settings: dict[str, Any], tell: Callable[[int], None]
) -> None:
    """Train with checkpoints; each step draws its batch from the seed and its own number."""
    import torch

    search = torch.optim.SGD(run.model.parameters(), run.rate, momentum=0.9, weight_decay=run.decay)
    first = 0
    if path is not None and path.exists():
        held = _load(path)
        if held["settings"] != settings:
            raise OutputError(
                f"{path} was made otherwise: {held['settings']}, now {settings}; choose another folder"
            )
        try:
            run.model.load_state_dict(held["model"])
            search.load_state_dict(held["search"])
            run.recorder.load_state_dict(held["recorder"])
        except Exception as error:  # torch has errors of its own for each way in which a state does not fit
            raise OutputError(f"{path} is damaged: move it away ({error})") from error
        first = held["step"]
    elif path is not None:
        create_folder(path.parent)
    for step in range(first, steps + 1):
        if run.recorder(step) and path is not None:
            held = {
                "settings": settings, "step": step, "model": run.model.state_dict(),
                "search": search.state_dict(), "recorder": run.recorder.state_dict(),
            }  # fmt: skip
            with replacing(path) as temporary:
                torch.save(held, temporary)
        tell(step)
        if step == steps:
            break
        inputs, targets = run.batches(step)
        for group in search.param_groups:
            group["lr"] = run.rate * (1 + math.cos(math.pi * step / steps)) / 2
        search.zero_grad()
        run.loss(run.model(inputs), targets).backward()
        search.step()


def _mlp(decay: float, seed: int, every: int) -> _Run:
    from torch import nn

    X, y = _digits()
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    ).double()
    loss = nn.CrossEntropyLoss()
    recorder = Recorder(
        model, [(X[k : k + 400], y[k : k + 400]) for k in range(0, len(X), 400)], loss, every=every, head="4",
        quantities=("crh", "exponents", *(("fact",) if decay else ()), "nfa", "entropy", "collapse", "loss"),
        n_draws=DRAWS, n_resamples=RESAMPLES, seed=seed, weight_decay=decay or None,
    )  # fmt: skip

    def batches(step: int) -> tuple[Any, Any]:
        chosen = np.random.default_rng([seed, step]).integers(len(X), size=64)
        return X[chosen], y[chosen]

    return _Run(model, loss, batches, recorder, MLP_RATE, decay)


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    X, y = handwritten_digits("train-demo", 0)
    return torch.from_numpy(X[:SAMPLES]), torch.from_numpy(y[:SAMPLES])


def _linear(seed: int, every: int) -> _Run:
    import torch
    from torch import nn

    d, n = 8, 256
    X = torch.randn(n, d).double()
    X = X @ torch.linalg.inv(torch.linalg.cholesky(X.T @ X / n)).T
    frames = [torch.linalg.qr(torch.randn(d, d).double())[0] for _ in range(2)]
    Y = X @ (frames[0] * torch.linspace(4, 1.5, d).double() @ frames[1].T).T
    model = nn.Sequential(*[nn.Linear(d, d, bias=False).double() for _ in range(3)])
    for layer in model:
        nn.init.orthogonal_(layer.weight)  # type: ignore[arg-type]

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((output - target) ** 2).sum(dim=1).mean() / 2

    recorder = Recorder(
        model, [(X, Y)], loss, every=every, gradient="jacobian", quantities=("crh", "exponents", "nfa", "loss"),
        n_draws=DRAWS, n_resamples=RESAMPLES, seed=seed,
    )  # fmt: skip
    return _Run(model, loss, lambda step: (X, Y), recorder, LINEAR_RATE, DECAYS["linear"])
