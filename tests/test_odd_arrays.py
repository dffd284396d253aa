"""What is no array of numbers: an error that says which argument and why, also of numbers beside features."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.errors import FeatureGeometryError

torch = pytest.importorskip("torch")

CALLS = {
    "balancedness": lambda x: fg.formation.balancedness([x, x]),
    "check": fg.schemes.check,
    "circulant": fg.schemes.check_circulant,
    "design_strength": lambda x: fg.schemes.design_strength(x, [1, 2], 3),
    "effective_rank": fg.formation.effective_rank,
    "entropy": fg.formation.von_neumann_entropy,
    "entropy_gradient": fg.formation.entropy_gradient,
    "frame_numbers": fg.frames.frame_numbers,
    "frame_potential_p": lambda x: fg.dictionaries.frame_potential_p(x, x, 3),
    "gegenbauer": lambda x: fg.schemes.gegenbauer(2, 3, x),
    "hungarian_accuracy": lambda x: fg.encoder.hungarian_accuracy(x, x),
    "label_purity": lambda x: fg.codes.label_purity([0, 0, 1], x),
    "median": fg.plateaus.median,
    "neural_collapse": lambda x: fg.formation.neural_collapse(x, [0, 1]),
    "pack": fg.codes.pack,
    "purity": lambda x: fg.encoder.purity(x, x),
    "random_frame_null": lambda x: fg.null_model.random_frame_null(x, 3),
    "rank_test": lambda x: fg.null_model.rank_test(0.5, x),
    "rayleigh": lambda x: fg.operators.rayleigh(x, np.eye(2)),
    "saturation_p": lambda x: fg.null_model.saturation_p(0.9, x, 5),
    "shape": fg.dictionaries.shape,
}

ODD = {
    "ragged": [[1, 2], [3]],
    "objects": np.array([[1, "a"], [2, None]], dtype=object),
    "mapping": {1: 2},
    "dates": np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]"),
    "masked": np.ma.array([1.0, 2.0], mask=[True, False]),
    "sparse": torch.eye(2).to_sparse(),
    "without memory": torch.empty(2, 2, device="meta"),
}


LABELS = {"purity", "hungarian_accuracy", "label_purity"}  # may be anything that can be told apart


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_array_of_numbers_is_refused_in_words(call: str, odd: str) -> None:
    if call in LABELS and odd == "dates":
        CALLS[call](np.array(["2020-01-01", "2020-01-02", "2020-01-01"], dtype="M8[D]"))
        return
    with pytest.raises(FeatureGeometryError, match=" "):
        CALLS[call](ODD[odd])


@pytest.mark.parametrize("call", CALLS)
def test_parameters_and_half_precision_are_read_or_refused_in_words(call: str) -> None:
    rows = torch.tensor([[1.0, 0.5], [0.25, 2.0]])
    for given in (rows.requires_grad_(), rows.detach().bfloat16(), rows[0], rows.detach()[:, 0].half()):
        with contextlib.suppress(FeatureGeometryError):
            CALLS[call](given)


def test_numbers_of_tensors_are_those_of_arrays() -> None:
    norms = np.linspace(1, 2, 31)
    expected = fg.null_model.saturation_p(0.95, norms, 5)
    assert 0 < expected < 1
    for given in (torch.tensor(norms, requires_grad=True), norms.tolist()):
        assert fg.null_model.saturation_p(0.95, given, 5) == expected
        assert fg.plateaus.median(given, n_draws=100).value == 1.5


def test_parameters_of_a_lazy_module_are_told():
    """They have no shape before its first call: torch's own errors were RuntimeErrors and ValueErrors."""
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(4, 30), torch.nn.LazyLinear(5))
    for function in (fg.spectra.spectrum, fg.frames.frame_operator, fg.pairs.sweep, fg.codes.pack):
        with pytest.raises(fg.errors.FeatureGeometryError, match="lazy module"):
            function(module[1].weight)
    analysis = fg.analyze(module)
    assert list(analysis.matrices["matrix"]) == ["0.weight"]
    assert analysis.skipped["reason"].str.contains("lazy module").sum() == 2
