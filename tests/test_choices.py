"""Every text by which a caller chooses: what is none of the choices is refused by one class of error, and printable."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import featuregeom as fg
from featuregeom.errors import ParameterError, SourceError

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 3))
T = torch.tensor(X)
SOURCE = {"a": X, "b": X}
COV = np.cov(rng.standard_normal((3, 40)))
MODEL = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).double()
LOSS = torch.nn.functional.cross_entropy
DATA = [(T, torch.arange(12) % 2)]
NET = [(rng.standard_normal((5, 3)), np.zeros(5)), (rng.standard_normal((1, 5)), np.zeros(1))]
RELATED = fg.dictionaries.related_latents(X, X)
CURVES = fg.plateaus.response_curves(MODEL, T[:2], T[2:4], n_alphas=5)
NULL = fg.null_model.random_frame_null(np.ones(12), 3, n_draws=5)
READER = fg.sources.open_source(SOURCE)


def moments():
    return next(iter(fg.formation.collect(MODEL, DATA, LOSS).values()))


def recorder(**options):
    return fg.formation.Recorder(MODEL, DATA, LOSS, **options)


def train(**options):
    return fg.toys.superposition.train(4, 2, sparsity=0.5, steps=1, **options)


def crossings(**options):
    return fg.plateaus.crossings(MODEL[0], T[:2], T[2:4], **options)


CHOICES = {
    "analyze axis": lambda v: fg.analyze(SOURCE, axis=v),
    "analyze axis of one": lambda v: fg.analyze(SOURCE, axis={"a": v}),
    "analyze heads": lambda v: fg.analyze(SOURCE, heads=v),
    "analyze nonfinite": lambda v: fg.analyze(SOURCE, nonfinite=v),
    "describe axis": lambda v: fg.describe(SOURCE, axis=v),
    "estimate heads": lambda v: fg.estimate(SOURCE, heads=v),
    "compare_sources axis": lambda v: fg.compare_sources(SOURCE, SOURCE, axis=v),
    "compare_sources include": lambda v: fg.compare_sources(SOURCE, SOURCE, include=v),
    "capture rows": lambda v: fg.codes.capture(MODEL, T, rows=v),
    "capture mode": lambda v: fg.codes.capture(MODEL, T, mode=v),
    "capture layers": lambda v: fg.codes.capture(MODEL, T, layers=v),
    "capture uncoded": lambda v: fg.codes.capture(MODEL, T, uncoded=v),
    "capture nonfinite": lambda v: fg.codes.capture(MODEL, T, nonfinite=v),
    "pack nonfinite": lambda v: fg.codes.pack(X, nonfinite=v),
    "match align": lambda v: fg.dictionaries.match(X, X, align=v),
    "RelatedLatents.count": RELATED.count,
    "Thresholds redundancy": lambda v: fg.encoder.Thresholds(redundancy=v),
    "Thresholds score": lambda v: fg.encoder.Thresholds(score=v),
    "as_features axis": lambda v: fg.features.as_features(X, axis=v),
    "as_features dtype": lambda v: fg.features.as_features(X, dtype=v),
    "agop modules": lambda v: fg.formation.agop(MODEL, DATA, modules=v),
    "agop method": lambda v: fg.formation.agop(MODEL, DATA, method=v),
    "alignment kind": lambda v: fg.formation.alignment(COV, COV, v),
    "collect modules": lambda v: fg.formation.collect(MODEL, DATA, LOSS, modules=v),
    "collect gradient": lambda v: fg.formation.collect(MODEL, DATA, LOSS, gradient=v),
    "crh statistic": lambda v: fg.formation.crh(moments(), statistic=v),
    "crh kinds": lambda v: fg.formation.crh(moments(), kinds=v),
    "nfa variant": lambda v: fg.formation.nfa(X, COV, v),
    "nfa kind": lambda v: fg.formation.nfa(X, COV, kind=v),
    "power_law basis": lambda v: fg.formation.power_law(COV, COV, basis=v),
    "sides statistic": lambda v: fg.formation.sides(moments(), statistic=v),
    "Recorder modules": lambda v: recorder(modules=v),
    "Recorder quantities": lambda v: recorder(quantities=v),
    "Recorder gradient": lambda v: recorder(gradient=v),
    "Recorder head": lambda v: recorder(quantities=("collapse",), head=v),
    "Recorder kinds": lambda v: recorder(kinds=v),
    "Recorder statistic": lambda v: recorder(statistic=v),
    "capacity precision": lambda v: fg.frames.capacity(X, precision=v),
    "frame_operator precision": lambda v: fg.frames.frame_operator(X, precision=v),
    "geometry": fg.geometries.geometry,
    "row": fg.geometries.row,
    "random_frame_null dtype": lambda v: fg.null_model.random_frame_null(np.ones(9), 3, n_draws=2, dtype=v),
    "RandomFrameNull.score": lambda v: NULL.score(v, 0.1),
    "curves out": lambda v: fg.plateaus.response_curves(MODEL, T[:2], T[2:4], out=v),
    "crossings path": lambda v: crossings(path=v),
    "crossings scale": lambda v: crossings(scale=v),
    "curves on_grid": lambda v: CURVES.on_grid([0.5], v),
    "slice2d out": lambda v: fg.plateaus.stable_slice2d(MODEL, *T[:3], out=v),
    "resolve": fg.plateaus.metrics.resolve,
    "suffix_from module": lambda v: fg.plateaus.suffix_from(MODEL, v, T[:1]),
    "local_complexity form": lambda v: fg.regions.local_complexity(NET, X, 0.1, form=v),
    "check order": lambda v: fg.schemes.check(np.eye(3, dtype=int), order=v),
    "detect mode": lambda v: fg.schemes.detect(X, mode=v),
    "root_system": fg.shapes.root_system,
    "expected root_system": fg.shapes.expected.root_system,
    "open_source axis": lambda v: fg.sources.open_source(SOURCE, axis=v),
    "Reader.read": READER.read,
    "saturation biases": lambda v: fg.toys.experiments.saturation(biases=v),
    "train schedule": lambda v: train(schedule=v),
    "train dtype": lambda v: train(dtype=v),
    "train kind": lambda v: train(kind=v),
    "train bias": lambda v: train(bias=v),
    "train device": lambda v: train(device=v),
}
WRONG = [
    "nothing like it",
    "",
    "\udcff",
    b"double",
    ["x"],
    {"x": 1},
    np.array(["a", "b"]),
    object(),
    ("nope",),
]


@pytest.mark.parametrize("name", list(CHOICES))
def test_what_is_no_choice_is_a_parameter_error(name: str) -> None:
    """A reader calls a text that names none of its tensors an error of the source."""
    for value in WRONG:
        with pytest.raises((ParameterError, SourceError)) as caught:
            CHOICES[name](value)
        said = str(caught.value)
        assert said.encode()
        if not (name == "Reader.read" and isinstance(value, str)):
            assert isinstance(caught.value, ParameterError), (value, said)


def test_the_choices_are_listed() -> None:
    with pytest.raises(ParameterError, match="precision must be one of 'double', 'single'; not 'half'"):
        fg.frames.capacity(X, precision="half")
    with pytest.raises(ParameterError, match=r"generator must be one of .*'johnson'.*; not 'jonson'"):
        fg.geometries.geometry("jonson")
