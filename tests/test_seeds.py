"""Every seed is an integer of at least 0, wherever it is given: True, a text or a fraction is an error."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from operator import attrgetter
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import shapes
from featuregeom.errors import ParameterError
from featuregeom.formation.demo import train_demo

X = shapes.cube(3) + 0.01 * np.random.default_rng(0).standard_normal((8, 3))
WIDE = np.random.default_rng(1).standard_normal((24, 8))
BITS = (WIDE > 0).astype(np.uint8)
LABELS = np.zeros((3, 3), dtype=np.uint32) + 1 - np.eye(3, dtype=np.uint32)
FOUND = fg.schemes.detect(shapes.cube(3))
POWERS = [np.diag(np.arange(1.0, 9.0) ** power) for power in (1, 2)]
DATA = fg.plateaus.directions


def layer() -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))


def batches() -> Any:
    import torch

    return [torch.from_numpy(WIDE.astype(np.float32))]


MOMENTS = SimpleNamespace(H_a=np.eye(2), G_b=np.eye(2), W=np.diag([1.0, 2.0]))


def _summed(output: Any, _: Any = None) -> Any:
    return output.sum()


CALLS: dict[str, Callable[[Any], Any]] = {
    "analyze": lambda seed: fg.analyze({"W": WIDE}, seed=seed),
    "codes.k_majority": lambda seed: fg.codes.k_majority(fg.codes.pack(BITS), 2, seed=seed),
    "compare_sources": lambda seed: fg.compare_sources({"W": WIDE}, {"W": WIDE}, seed=seed),
    "dictionaries.compare": lambda seed: fg.dictionaries.compare(WIDE, WIDE, seed=seed),
    "dictionaries.examine": lambda seed: fg.dictionaries.examine({"W_dec": WIDE}, seed=seed),
    "dictionaries.families": lambda seed: fg.dictionaries.families(WIDE, seed=seed),
    "dictionaries.match": lambda seed: fg.dictionaries.match(WIDE, WIDE, seed=seed),
    "dictionaries.related_latents": lambda seed: fg.dictionaries.related_latents(WIDE, WIDE, seed=seed),
    "dictionaries.shape": lambda seed: fg.dictionaries.shape(WIDE, seed=seed),
    "dictionaries.spectral_groups": lambda seed: fg.dictionaries.spectral_groups(WIDE, seed=seed),
    "dictionaries.verdict": lambda seed: fg.dictionaries.verdict(WIDE, seed=seed),
    "encoder.digits": lambda seed: fg.encoder.digits(seed),
    "encoder.evaluate": lambda seed: fg.encoder.evaluate(
        BITS, np.arange(24) % 2, BITS, np.arange(24) % 2, seed=seed
    ),
    "encoder.phase": lambda seed: fg.encoder.phase(widths=(3,), epochs=(0,), samples=(20,), seed=seed),
    "formation.Recorder": lambda seed: fg.formation.Recorder(layer(), batches(), _summed, seed=seed),
    "formation.agop": lambda seed: fg.formation.agop(layer(), batches(), seed=seed),
    "formation.collect": lambda seed: fg.formation.collect(layer(), batches(), _summed, seed=seed),
    "formation.crh": lambda seed: fg.formation.crh(MOMENTS, seed=seed),
    "formation.power_law": lambda seed: fg.formation.power_law(*POWERS, seed=seed),
    "formation.power_phase": lambda seed: fg.formation.power_phase(MOMENTS, seed=seed),
    "formation.demo.train_demo": lambda seed: train_demo("/nowhere", steps=1, seed=seed),
    "null_model.measure_draws": lambda seed: next(fg.null_model.measure_draws(WIDE, seed=seed)),
    "null_model.measure_null": lambda seed: fg.null_model.measure_null(WIDE, np.max, seed=seed),
    "null_model.random_frame_null": lambda seed: fg.null_model.random_frame_null(np.ones(5), 3, seed=seed),
    "null_model.saturation": lambda seed: fg.null_model.saturation(WIDE, seed=seed),
    "null_model.spectrum_draws": lambda seed: next(
        fg.null_model.spectrum_draws(fg.spectra.spectrum(WIDE), 24, seed=seed)
    ),
    "null_model.spectrum_null": lambda seed: fg.null_model.spectrum_null(WIDE, seed=seed),
    "pairs.significant": lambda seed: fg.pairs.significant(WIDE, seed=seed),
    "plateaus.directions.cov_mixture": lambda seed: DATA.cov_mixture(X[0], X, seed=seed),
    "plateaus.directions.covariance": lambda seed: DATA.covariance(X[0], X, seed=seed),
    "plateaus.directions.isotropic": lambda seed: DATA.isotropic(X, seed=seed),
    "plateaus.directions.pca": lambda seed: DATA.pca(X, X, seed=seed),
    "plateaus.directions.real_difference": lambda seed: DATA.real_difference(X, X, seed=seed),
    "plateaus.directions.real_mixture": lambda seed: DATA.real_mixture(X, X, seed=seed),
    "plateaus.directions.sae_feature": lambda seed: DATA.sae_feature(X, X, seed=seed),
    "plateaus.median": lambda seed: fg.plateaus.median(X[0], seed=seed),
    "plateaus.median_difference": lambda seed: fg.plateaus.median_difference(X[0], X[1], seed=seed),
    "regions.local_complexity": lambda seed: fg.regions.local_complexity(
        [(WIDE[:4], np.zeros(4))], WIDE, 0.1, n_directions=3, seed=seed
    ),
    "schemes.certify": lambda seed: fg.schemes.certify(FOUND, seed=seed),
    "schemes.check": lambda seed: fg.schemes.check(LABELS, seed=seed),
    "schemes.check_circulant": lambda seed: fg.schemes.check_circulant([0, 1, 1], seed=seed),
    "schemes.closure": lambda seed: fg.schemes.closure(LABELS, seed=seed),
    "schemes.detect": lambda seed: fg.schemes.detect(X, seed=seed),
    "schemes.eigenmatrices": lambda seed: fg.schemes.eigenmatrices(
        FOUND.scheme.p, FOUND.scheme.valencies, FOUND.scheme.transpose, seed
    ),
    "shapes.noisy": lambda seed: shapes.noisy(X, 0.1, seed),
    "shapes.random_frame": lambda seed: shapes.random_frame(5, 3, seed),
    "shapes.rotated": lambda seed: shapes.rotated(X, seed),
    "toys.experiments.dynamics": lambda seed: fg.toys.experiments.dynamics(
        3, 2, steps=1, n_checkpoints=1, seed=seed
    ),
    "toys.experiments.geometry": lambda seed: fg.toys.experiments.geometry(3, 2, steps=1, seed=seed),
    "toys.experiments.held_crossing": lambda seed: fg.toys.experiments.held_crossing(n_samples=8, seed=seed),
    "toys.experiments.phase": lambda seed: fg.toys.experiments.phase(steps=1, restarts=1, seed=seed),
    "toys.experiments.saturation": lambda seed: fg.toys.experiments.saturation(3, 2, steps=1, seed=seed),
    "toys.gallery.train_gallery": lambda seed: fg.toys.gallery.train_gallery(seed=seed),
    "toys.gallery.write_gallery": lambda seed: fg.toys.gallery.write_gallery("/nowhere/toys", seed=seed),
    "toys.superposition.sample": lambda seed: fg.toys.superposition.sample(3, 0.5, 2, seed=seed),
    "toys.superposition.train": lambda seed: fg.toys.superposition.train(
        3, 2, sparsity=0.5, steps=1, seed=seed
    ),
}


@pytest.mark.parametrize("seed", [True, "0", -1, 0.5, None])
@pytest.mark.parametrize("name", CALLS)
def test_a_seed_is_an_integer(name: str, seed: Any) -> None:
    with pytest.raises(ParameterError, match="seed must be an integer"):
        CALLS[name](seed)


def test_every_public_function_with_a_seed_is_called() -> None:
    called = [train_demo, *(attrgetter(name)(fg) for name in CALLS if name != "formation.demo.train_demo")]
    assert [name for name, made in _with_a_seed(fg) if made not in called] == []


def _with_a_seed(module: ModuleType, path: str = "") -> Iterator[tuple[str, Any]]:
    """Name the functions below a module that take a seed."""
    for name in module.__all__:
        made = getattr(module, name)
        if inspect.ismodule(made) and made.__name__.startswith("featuregeom"):
            yield from _with_a_seed(made, f"{path}{name}.")
        elif inspect.isfunction(made) and "seed" in inspect.signature(made).parameters:
            yield f"{path}{name}", made


@pytest.mark.parametrize("value", [True, "0.1", b"1"])
def test_a_number_is_no_flag_and_no_text(value: Any) -> None:
    with pytest.raises(ParameterError, match="tolerance must be"):
        fg.schemes.detect(X, tolerance=value)
