"""Record how alignments, exponents and other quantities change while a model trains."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.arguments import choice, integer, names
from featuregeom.errors import OutputError, ParameterError, SourceError
from featuregeom.formation.alignment import KINDS, Kind
from featuregeom.formation.collapse import neural_collapse
from featuregeom.formation.collect import collect, measuring
from featuregeom.formation.losses import GRADIENTS, Gradient, batch_of
from featuregeom.formation.moments import LayerMoments
from featuregeom.formation.quantities import QUANTITIES, Asked, Measured, measure_layer
from featuregeom.formation.sides import STATISTICS, Statistic
from featuregeom.networks.batches import placing
from featuregeom.networks.extra import torch_module
from featuregeom.parquet import write_parquet
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd
    import torch

__all__ = ["Recorder", "RecordingCost"]

NUMBERS = ("value", "null_mean", "null_std", "tied_mean", "tied_std", "low", "high")
"""Columns of numbers in the table of a recorder."""

_WHOLE = ("collapse", "loss")

_COLLAPSE = ("nc1", "nc2", "nc3", "nc4", "cdnv", "self_duality", "gnc2", "unc3")


@summarised
@dataclass(frozen=True, eq=False)
class RecordingCost:
    """What recording costs beside training.

    Attributes
    ----------
    step_flops : float
        Of one training step: three times the forward pass.
    recording_flops : float
        Of one recording: its passes, moments and products of matrices.
    share_of_flops : float
        Recordings beside all steps between them.
    seconds : float
        Spent on recording so far.
    share_of_time : float
        Of the time since the first recording began, recordings beside all else; NaN before a second one.
    """

    step_flops: float
    recording_flops: float
    share_of_flops: float
    seconds: float
    share_of_time: float


class Recorder:
    """Measures chosen quantities of chosen layers at chosen steps of a training, on data that stay the same.

    Call it with the number of each step; it measures when a step is due. It is a callback of Lightning, too.

    Parameters
    ----------
    model : torch.nn.Module
        The model that trains.
    batches : sequence
        What is measured on, as for `collect`; kept, and used at each recording.
    loss : callable, optional
        As for `collect`.
    modules : sequence of str, optional
        As for `collect`.
    every : int
        Steps between recordings; step 0 counts.
    quantities : sequence of str
        Among ``"crh"`` (six alignments), ``"exponents"``, ``"fact"`` (with the residual of stationarity; needs
        `weight_decay`), ``"nfa"`` (a second pass, for the Jacobian), ``"entropy"`` (von Neumann, of the inputs),
        ``"collapse"`` (of the inputs of `head`; targets are the classes) and ``"loss"``.
    gradient : {"empirical", "fisher", "jacobian"}
        As for `collect`; ``"fact"`` needs the first.
    head : str, optional
        The classifier, for ``"collapse"``.
    kinds, statistic, weight_decay, n_draws, seed
        As for `crh`. With `n_draws` the second null is drawn at every recording.
    n_resamples : int
        Of the bootstrap of exponents.
    n_probes : int, optional
        As for `collect`, for the Jacobian of ``"nfa"``; by default exact.
    options : object
        ``reduction``, ``terms``, ``mask`` and ``device`` of `collect`.

    Attributes
    ----------
    steps : list of int
        Steps recorded so far.

    Raises
    ------
    ParameterError
        If a quantity is unknown or lacks what it needs.

    Examples
    --------
    >>> import torch
    >>> model, X, y = torch.nn.Linear(4, 3), torch.randn(20, 4), torch.arange(20) % 3
    >>> recorder = Recorder(model, [(X, y)], torch.nn.functional.cross_entropy, every=10)
    >>> for step in range(21):
    ...     _ = recorder(step)  # after the step of the optimiser
    >>> recorder.steps
    [0, 10, 20]
    """

    def __init__(
        self,
        model: torch.nn.Module,
        batches: Iterable[Any],
        loss: Any = None,
        *,
        modules: Sequence[str] | None = None,
        every: int = 100,
        quantities: Sequence[str] = ("crh",),
        gradient: Gradient = "empirical",
        head: str | None = None,
        kinds: Sequence[Kind] = ("cosine", "deviatoric"),
        statistic: Statistic = "raw",
        weight_decay: float | None = None,
        n_draws: int = 0,
        n_resamples: int = 0,
        n_probes: int | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        torch = torch_module("formation.Recorder")
        self.model, self._batches, self._loss = model, list(batches), loss
        if not self._batches:
            raise ParameterError("batches are empty: there is nothing to measure on")
        self.every = integer("every", every, 1)
        self.quantities = names("quantities", quantities, (*QUANTITIES, *_WHOLE))
        if not self.quantities:
            raise ParameterError("quantities is empty: name at least one")
        if "fact" in self.quantities and not (weight_decay is not None and weight_decay > 0):
            raise ParameterError(
                "quantity 'fact' needs the weight decay of the training: pass weight_decay, above 0"
            )
        choice("gradient", gradient, GRADIENTS)
        if "fact" in self.quantities and gradient != "empirical":
            raise ParameterError("quantity 'fact' is about gradient='empirical'")
        if ("collapse" in self.quantities) != (head is not None):
            raise ParameterError("quantity 'collapse' and head, the name of the classifier, go together")
        if head is not None:
            held = dict(model.named_modules())
            if (module := held.get(head) if isinstance(head, str) else None) is None:
                raise ParameterError(f"the model has no module {head!r}, which head should name")
            if not isinstance(module, torch.nn.Linear):
                raise ParameterError(f"head {head!r} is a {type(module).__name__}, and must be a Linear")
        names("kinds", kinds, KINDS)
        choice("statistic", statistic, STATISTICS)
        if other := sorted(options.keys() - {"reduction", "terms", "mask", "device"}):
            raise ParameterError(f"{other[0]!r} is no option of a recorder")
        self._modules = None if modules is None else names("modules", modules, dict(model.named_modules()))
        self._head, self._options, self._n_probes, self._gradient = head, options, n_probes, gradient
        self._asked = Asked(
            tuple(kinds), statistic, weight_decay, integer("n_draws", n_draws, 0),
            integer("n_resamples", n_resamples, 0), integer("seed", seed, 0),
        )  # fmt: skip
        self.steps: list[int] = []
        self._rows: list[dict[str, Any]] = []
        self._seconds, self._began, self._flops = 0.0, math.nan, (math.nan, math.nan)

    def __repr__(self) -> str:
        return f"Recorder(every={self.every}, quantities={self.quantities!r}, {len(self.steps)} recorded)"

    def __call__(self, step: int) -> bool:
        """Measure if a step is due: a multiple of `every` that is not recorded yet.

        Parameters
        ----------
        step : int
            Steps of the optimiser that have been taken.

        Returns
        -------
        bool
            Whether it was measured. The model, its mode, gradients and random generators are as before.
        """
        step = integer("step", step, 0)
        if step % self.every or (self.steps and step <= self.steps[-1]):
            return False
        self.record(step)
        return True

    def record(self, step: int) -> None:
        """Measure now, whether a step is due or not.

        Raises
        ------
        ParameterError
            If the step, or a later one, is recorded already.
        """
        step = integer("step", step, 0)
        if self.steps and step <= self.steps[-1]:
            raise ParameterError(
                f"step {step} cannot follow step {self.steps[-1]}, which is recorded already"
            )
        begun = time.perf_counter()
        if math.isnan(self._began):
            self._began = begun
        found = [("model", each) for each in self._of_model()]
        moments = self._collect(self._gradient) if set(self.quantities) & {*QUANTITIES} else {}
        jacobian = {}
        if "nfa" in self.quantities:
            jacobian = moments if self._gradient == "jacobian" else self._collect("jacobian")
        for layer, each in moments.items():
            K = jacobian[layer].G_b if jacobian else None
            found += [(layer, one) for one in measure_layer(each, K, self.quantities, self._asked)]
        if not self.steps or math.isnan(self._flops[0]):
            self._flops = self._count(moments)
        for layer, one in found:
            self._rows.append({"step": step, "layer": layer, "quantity": one.quantity} | {
                name: getattr(one, name) for name in NUMBERS
            })  # fmt: skip
        self.steps.append(step)
        self._seconds += time.perf_counter() - begun

    def as_dict(self, step: int | None = None) -> dict[str, float]:
        """Give the values of a step as ``{"layer/quantity": value}``, for any logger.

        Parameters
        ----------
        step : int, optional
            By default the last one recorded.

        Raises
        ------
        ParameterError
            If it is not recorded.
        """
        if not self.steps:
            raise ParameterError("nothing has been recorded yet")
        step = self.steps[-1] if step is None else step
        if step not in self.steps:
            raise ParameterError(f"step {step} is not recorded; recorded are {self.steps[-8:]}")
        return {
            f"{row['layer']}/{row['quantity']}": row["value"] for row in self._rows if row["step"] == step
        }

    def to_frame(self) -> pd.DataFrame:
        """Give the table: a row for each step, layer and quantity."""
        import pandas as pd

        return pd.DataFrame(self._rows, columns=["step", "layer", "quantity", *NUMBERS])

    def save(self, path: str | Path) -> Path:
        """Write the table as Parquet: whole or not at all, in place of an older one of the same recording only.

        Raises
        ------
        OutputError
            If the file cannot be written; or another one has its name, of another recorder or with steps that this
            one lacks.
        """
        import pyarrow as pa

        path = Path(path)
        if path.exists():
            self._refuse_to_replace(path)
        table = pa.Table.from_pandas(self.to_frame(), preserve_index=False)
        told = json.dumps(self._settings()).encode()
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), b"featuregeom recorder": told}
        )
        write_parquet(table, path)
        return path

    def _refuse_to_replace(self, path: Path) -> None:
        """Refuse to replace a file that is not an earlier state of this table."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            told = (pq.read_schema(path).metadata or {}).get(b"featuregeom recorder")
            held = None if told is None else json.loads(told)
            steps = set() if told is None else set(pq.read_table(path, columns=["step"])["step"].to_pylist())
        except (pa.ArrowException, OSError, ValueError, KeyError, RecursionError):
            held, steps = None, set()
        if held is None:
            raise OutputError(f"{path} is no table of a recorder, and would be replaced: choose another name")
        if held != self._settings():
            raise OutputError(
                f"{path} is of a recorder of other layers or quantities, and would be replaced: choose another name"
            )
        if lost := sorted(steps - set(self.steps)):
            raise OutputError(
                f"{path} holds step {lost[0]}, which this recorder lacks, and would be replaced: go on from it with "
                "load(), choose another name, or delete it"
            )

    def load(self, path: str | Path) -> Recorder:
        """Go on with a table that was saved, in a recorder that has recorded nothing.

        Returns
        -------
        Recorder
            Itself.

        Raises
        ------
        SourceError
            If it is no table of a recorder, or was recorded otherwise.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{path} is no Parquet file that can be read: {error}") from error
        told = (table.schema.metadata or {}).get(b"featuregeom recorder")
        if told is None:
            raise SourceError(f"{path} is no table of a recorder")
        try:
            self.load_state_dict({"settings": json.loads(told), "rows": table.to_pylist()})
        except (ValueError, RecursionError) as error:  # ParameterError is one of them
            raise SourceError(f"{path}: {error}") from error
        return self

    def state_dict(self) -> dict[str, Any]:
        """Give all that was recorded in plain types, to go into a checkpoint."""
        return {"settings": self._settings(), "rows": [dict(row) for row in self._rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        ParameterError
            If something is recorded already, or the state is of a recorder of other layers or quantities.
        """
        if self._rows:
            raise ParameterError("this recorder has recorded something already: load into a new one")
        if state.get("settings") != self._settings():
            raise ParameterError(
                f"the state was recorded otherwise: {state.get('settings')}, and this recorder has {self._settings()}"
            )
        try:
            rows = [
                {
                    key: math.nan if row[key] is None else row[key]
                    for key in ("step", "layer", "quantity", *NUMBERS)
                }
                for row in state["rows"]
            ]
            steps = sorted({int(row["step"]) for row in rows})
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ParameterError(f"the rows of the state are no recorder's: {error!r}") from error
        self._rows, self.steps = rows, steps

    def cost(self, batch_size: int) -> RecordingCost:
        """Tell what recording costs beside training with batches of some size.

        Parameters
        ----------
        batch_size : int
            Samples in a step of the training.

        Raises
        ------
        ParameterError
            If nothing has been recorded.
        """
        if math.isnan(self._flops[0]):
            raise ParameterError("nothing has been recorded in this process, so there is no cost")
        forward, recording = self._flops
        step = 3 * forward * integer("batch_size", batch_size, 1)
        passed = time.perf_counter() - self._began - self._seconds
        return RecordingCost(
            step,
            recording,
            recording / (self.every * step),
            self._seconds,
            self._seconds / passed if len(self.steps) > 1 and passed > 0 else math.nan,
        )

    # What Lightning calls. It calls every hook that a callback can have by name, so those without a meaning here do
    # nothing; see `__getattr__`.

    @property
    def state_key(self) -> str:
        """Name of the state in a checkpoint of Lightning."""
        return "featuregeom.Recorder"

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Record the model before its first step."""
        self(int(trainer.global_step))

    def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
        """Record after a step, if it is due."""
        self(int(trainer.global_step))

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("on_") or name in ("setup", "teardown"):
            return lambda *args, **kwargs: None
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _settings(self) -> dict[str, Any]:
        asked = {
            name: getattr(self._asked, name)
            for name in ("statistic", "weight_decay", "n_draws", "n_resamples", "seed")
        }
        return asked | {
            "modules": None if self._modules is None else list(self._modules),
            "every": self.every,
            "quantities": list(self.quantities),
            "kinds": list(self._asked.kinds),
            "head": self._head,
            "gradient": self._gradient,
        }

    def _collect(self, gradient: Any) -> dict[str, LayerMoments]:
        wanted = gradient == self._gradient and (
            "entropy" in self.quantities or self._asked.statistic == "normalised"
        )
        return collect(
            self.model, self._batches, self._loss, modules=self._modules, gradient=gradient, evaluate=True,
            normalised=wanted, n_probes=self._n_probes if gradient == "jacobian" else None,
            seed=self._asked.seed, **self._options,
        )  # fmt: skip

    def _of_model(self) -> list[Measured]:
        """Loss and collapse, from one forward pass without gradients."""
        if not set(self.quantities) & {*_WHOLE}:
            return []
        import torch

        put = placing(self.model, self._options.get("device"))
        features: list[Any] = []
        targets, losses, sizes = [], [], []
        head: Any = None if self._head is None else self.model.get_submodule(self._head)

        def keep(module: Any, args: tuple[Any, ...]) -> None:
            features.append(args[0].detach())

        hook = None if head is None else head.register_forward_pre_hook(keep)
        try:
            with measuring(self.model, True), torch.no_grad():
                for given in self._batches:
                    batch = batch_of(given, self.model, put, None)
                    output = self.model(*batch.args, **batch.kwargs)
                    if "loss" in self.quantities:
                        value = output.loss if self._loss is None else self._loss(output, batch.target)
                        losses.append(float(value.mean()))
                    targets.append(batch.target)
                    sizes.append(batch.size)
        finally:
            if hook is not None:
                hook.remove()
        found = [Measured("loss", float(np.average(losses, weights=sizes)))] if losses else []
        if head is not None:
            H, labels = torch.cat(features).cpu().double(), torch.cat(targets).cpu()
            bias = None if head.bias is None else head.bias.detach().cpu().double()
            collapse = neural_collapse(H, labels, head.weight.detach().cpu().double(), bias)
            found += [Measured(name.replace("_", " "), getattr(collapse, name)) for name in _COLLAPSE]
        return found

    def _count(self, moments: dict[str, LayerMoments]) -> tuple[float, float]:
        """Operations of a forward pass for one sample, and of one recording."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        batch = batch_of(self._batches[0], self.model, placing(self.model, self._options.get("device")), None)
        counter = FlopCounterMode(display=False)
        with measuring(self.model, True), torch.no_grad(), counter:
            self.model(*batch.args, **batch.kwargs)
        forward = counter.get_total_flops() / batch.size
        samples = sum(batch_of(each, self.model, lambda x: x, None).size for each in self._batches)
        # Forward and back to the layers, without gradients of weights; twice that where the Jacobian is probed, too.
        total = 2 * forward * samples * (1 + ("nfa" in self.quantities) * (self._n_probes or 1))
        if set(self.quantities) & {*_WHOLE}:
            total += forward * samples
        for each in moments.values():
            d_b, d_a = each.W.shape
            rows = each.n * (d_a**2 + d_b**2 + 2 * d_a * d_b) * (3 if each.normalised is not None else 1)
            # W H Wᵀ, Wᵀ G W, Wᵀ W, W Wᵀ; an exponent takes some 14 d³, a draw of weights repeats the products.
            products = 4 * d_a * d_b * (d_a + d_b) * (1 + self._asked.n_draws)
            powers = 28 * (d_a**3 + d_b**3) * ("exponents" in self.quantities)
            total += rows + products + powers
        return forward, total
