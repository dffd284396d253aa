"""Long calls of the package, each on inputs that take it about a second or more; `interrupts.py` stops them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import featuregeom as fg

rng = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return rng.standard_normal(shape)


def _bits(n: int, width: int) -> Any:
    return fg.codes.pack(normal(n, width) > 0)


def _network(*widths: int) -> Any:
    return [(normal(b, a) / np.sqrt(a), normal(1, b)[0]) for a, b in pairwise(widths)]


def _defect(n: int) -> Callable[[], Any]:
    from featuregeom.recognise.defect import defect

    upper = np.triu(rng.integers(1, 4, (n, n)), 1).astype(np.uint32)
    return lambda: defect(upper + upper.T, None)


def _analyze(**options: Any) -> Callable[[], Any]:
    tensors = {"a.weight": normal(6000, 512), "b.weight": normal(3000, 768)}
    return lambda: fg.analyze(tensors, axis="rows", **options)


def _toy(call: Callable[..., Any], *values: Any, **options: Any) -> Callable[[], Any]:
    """Call what trains, with a torch that is all imported: it stays broken if it is stopped before."""
    fg.toys.superposition.train(4, 2, sparsity=0.9, steps=1)
    return lambda: call(*values, **options)


def _train(**options: Any) -> Callable[[], Any]:
    return _toy(fg.toys.superposition.train, 400, 40, sparsity=0.9, steps=4000, **options)


def _certificate() -> Callable[[], Any]:
    X = fg.shapes.johnson(24, 3)
    certificate = fg.schemes.certify(fg.schemes.detect(X))
    return lambda: fg.schemes.verify(certificate, X)


def _given(call: Callable[..., Any], *values: Any, **options: Any) -> Callable[[], Any]:
    return lambda: call(*values, **options)


def _consumed(call: Callable[..., Any], *values: Any, **options: Any) -> Callable[[], Any]:
    return lambda: [None for _ in call(*values, **options)]


def _recorded() -> Callable[[], Any]:
    import torch

    torch.set_num_threads(1)
    layers = [torch.nn.Linear(512, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512)]
    model, batch = torch.nn.Sequential(*layers), torch.randn(512, 512)
    return lambda: fg.formation.collect(model, [batch] * 400, lambda output: output.square().mean())


def _moments() -> Any:
    from types import SimpleNamespace

    A, W = normal(1500, 1500), normal(1500, 1500)
    return SimpleNamespace(H_a=A @ A.T / 1500, G_b=np.cov(normal(1500, 4000)), W=W, weight_step=W)


def _levels(n: int) -> Any:
    """Give the parameters of a scheme with many classes: the polygon of n points."""
    return fg.schemes.parameters(fg.schemes.check_circulant(_circle(n)))


def _circle(n: int) -> Any:
    """Give the distances of n points around a circle from the first."""
    return np.minimum(np.arange(n), n - np.arange(n))


def _parity(n: int) -> list[list[int]]:
    """Merge the odd distances around a circle, and the even ones."""
    return [[0], list(range(1, n // 2 + 1, 2)), list(range(2, n // 2 + 1, 2))]


def _many() -> dict[str, Any]:
    return {f"model.layers.{k}.weight": normal(8, 8) for k in range(20_000)}


def _written() -> Path:
    """Write an analysis of many features, once."""
    out = Path(tempfile.mkdtemp(), "out")
    fg.analyze({f"{k}.weight": normal(3000, 32) for k in range(6)}, axis="rows", out=out)
    return out


def saved(count: int = 1, n: int = 4000, m: int = 512) -> Path:
    """Write a folder of checkpoints of one matrix."""
    folder = Path(tempfile.mkdtemp())
    first = normal(n, m)
    for k in range(count):
        np.savez(folder / f"step{k}.npz", **{"a.weight": first + 0.1 * k * normal(n, m)})
    return folder


def _counted(n: int) -> Callable[[], Any]:
    bits = _bits(n, 200)

    def call() -> None:
        counter, other = fg.codes.CodeCounter(200), fg.codes.CodeCounter(200, start=n)
        for one in (counter, other):
            one.update(bits)
        counter.merge(other)
        counter.summary()
        counter.save(Path(tempfile.gettempdir(), "counter.npz"))
        fg.codes.CodeCounter.load(Path(tempfile.gettempdir(), "counter.npz"))

    return call


def _added() -> Callable[[], Any]:
    X, accumulator = normal(20000, 1500), fg.frames.FrameAccumulator(1500)
    return lambda: (accumulator.update(X), accumulator.downdate(X))


def _captured() -> Callable[[], Any]:
    import torch

    torch.set_num_threads(1)
    layers = [torch.nn.Linear(256, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 2048), torch.nn.ReLU()]
    model, data = torch.nn.Sequential(*layers), torch.randn(6000, 256)
    return lambda: fg.codes.capture(model, data)


def _classified() -> Any:
    import torch

    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(256, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 64))
    return model, torch.randn(256, 256)


def _moved(call: str, **options: Any) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(256, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 512))
    base, target = torch.randn(64, 256), torch.randn(64, 256)
    if call == "stable_slice2d":
        return lambda: fg.plateaus.stable_slice2d(model, *base[:3], n_points=201)
    if call == "crossings":
        return lambda: fg.plateaus.crossings(lambda h: model[0](h), base, target, n_alphas=2000)
    return lambda: getattr(fg.plateaus, call)(model, base, target, **options)


def _recorder() -> Callable[[], Any]:
    import torch

    model, batch = _classified()
    loss = torch.nn.functional.cross_entropy
    recorder = fg.formation.Recorder(
        model, [(batch, torch.arange(256) % 64)] * 8, loss, every=1,
        quantities=("crh", "exponents", "nfa", "entropy", "loss"),
    )  # fmt: skip
    steps = iter(range(10**9))
    return lambda: recorder.record(next(steps))


def _held(name: str) -> Callable[[], Any]:
    """Call what needs a spectrum or a scheme that is not part of the call."""
    X, Y = normal(3000, 1500), normal(3000, 1500)
    s, t = (fg.spectra.spectrum(each) for each in (X, Y))
    return {
        "match_eigenspaces": _given(fg.comparison.match_eigenspaces, s, t, simple=True),
        "top_subspaces": _given(fg.comparison.top_subspaces, s, t),
        "on_frame_side": lambda: fg.comparison.on_frame_side(X.T, fg.spectra.spectrum(X.T)),
        "measure_draws": lambda: [None for _ in fg.null_model.measure_draws(X, s)],
        "js_distance": lambda: fg.comparison.js_distance(
            fg.spectra.measures(X, s).masses, fg.spectra.measures(X, s).masses
        ),
    }[name]


def _autoencoder(n: int, m: int) -> Any:
    weights = {"W_enc": normal(m, n), "W_dec": normal(n, m), "b_enc": np.zeros(n), "b_dec": np.zeros(m)}
    return fg.dictionaries.read_autoencoder(weights)


def _families() -> Callable[[], Any]:
    X = normal(3000, 128)
    X[1::2] = X[::2] + 0.1 * normal(1500, 128)
    first, pairs = fg.dictionaries.families(X), np.stack([np.arange(3000)] * 2, axis=1)
    return lambda: fg.dictionaries.family_changes(first, first, pairs)


def _torch_matrix(call: Callable[..., Any], n: int, m: int) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(1)
    return _given(call, torch.randn(n, m, dtype=torch.float64, requires_grad=True))


BESIDES: dict[str, Callable[[], Callable[[], Any]]] = {
    "describe_block": lambda: _given(
        fg.blocks.describe_block, fg.shapes.noisy(fg.shapes.johnson(12, 3), 0.02, 0), np.arange(220)
    ),
    "describe_blocks": lambda: _given(
        fg.blocks.describe_blocks, normal(40000, 16), [np.arange(i, i + 5) for i in range(0, 40000, 5)]
    ),
    "describe_block 6000": lambda: _given(fg.blocks.describe_block, normal(6000, 1500), np.arange(6000)),
    "counter": lambda: _counted(400_000),
    "sketch": lambda: _given(fg.codes.distinct_sketch, _bits(1_000_000, 200)),
    "fingerprints": lambda: _given(fg.codes.fingerprints, _bits(2_000_000, 200)),
    "hamming_vote": lambda: _given(
        fg.codes.hamming_vote, _bits(60000, 500), np.arange(60000) % 10, _bits(6000, 500), 9
    ),
    "range_counts": lambda: _given(fg.codes.range_counts, _bits(60000, 500), _bits(6000, 500), [100, 200]),
    "label_purity": lambda: _given(
        fg.codes.label_purity, rng.integers(0, 10**6, 4_000_000), rng.integers(0, 10, 4_000_000)
    ),
    "capture": _captured,
    "match_eigenspaces": lambda: _held("match_eigenspaces"),
    "top_subspaces": lambda: _held("top_subspaces"),
    "on_frame_side": lambda: _held("on_frame_side"),
    "js_distance": lambda: _held("js_distance"),
    "measure_draws": lambda: _held("measure_draws"),
    "antipodes": lambda: _given(fg.dictionaries.antipodes, normal(8000, 512), normal(8000, 512)),
    "examine": lambda: _given(fg.dictionaries.examine, _autoencoder(4000, 256)),
    "weighted_capacity": lambda: _given(
        fg.dictionaries.weighted_capacity, normal(20000, 1500), rng.random(20000)
    ),
    "spectrum_edges": lambda: _given(
        fg.dictionaries.spectrum_edges, np.exp(rng.standard_normal(2_000_000)), 768
    ),
    "frame_potential_p": lambda: _given(
        fg.dictionaries.frame_potential_p, rng.random(768), rng.random(4_000_000), 768
    ),
    "expected_max_cosine": lambda: _given(fg.dictionaries.expected_max_cosine, 10**9, 10**5),
    "family_changes": _families,
    "compare_sources": lambda: _given(
        fg.compare_sources,
        {"a": normal(3000, 256), "b": normal(3000, 256)},
        {"a": normal(3000, 256), "b": normal(3000, 256)},
    ),
    "compare_sources, equal": lambda: _given(fg.compare_sources, *[{"a": normal(30000, 2000)}] * 2),
    "hungarian_accuracy": lambda: _given(
        fg.encoder.hungarian_accuracy, rng.integers(0, 3000, 10**6), rng.integers(0, 3000, 10**6)
    ),
    "contingency": lambda: _given(
        fg.encoder.contingency, rng.integers(0, 3000, 4_000_000), rng.integers(0, 3000, 4_000_000)
    ),
    "purity": lambda: _given(
        fg.encoder.purity, rng.integers(0, 3000, 4_000_000), rng.integers(0, 10, 4_000_000)
    ),
    "encoder phase": lambda: _given(fg.encoder.phase, repeats=1),
    "encoder regions": lambda: _given(fg.encoder.regions, normal(100_000, 200) > 0),
    "as_features": lambda: _given(fg.features.as_features, normal(20000, 3000).astype(np.longdouble)),
    "check_finite": lambda: _given(
        fg.features.check_finite, fg.features.as_features(normal(20000, 3000)), "here"
    ),
    "agop": lambda: _given(fg.formation.agop, *(lambda model, batch: (model, [batch] * 50))(*_classified())),
    "alignment": lambda: _given(
        fg.formation.alignment, np.cov(normal(2000, 3000)), np.cov(normal(2000, 3000)), "deviatoric"
    ),
    "balancedness": lambda: _given(fg.formation.balancedness, [normal(2000, 2000)] * 3),
    "nfa": lambda: _given(fg.formation.nfa, normal(2000, 2000), np.cov(normal(2000, 3000)), power=0.5),
    "power_law": lambda: _given(
        fg.formation.power_law, np.cov(normal(1500, 3000)), np.cov(normal(1500, 3000))
    ),
    "fact": lambda: _given(fg.formation.fact, _moments(), weight_decay=0.1),
    "von_neumann_entropy": lambda: _given(fg.formation.von_neumann_entropy, normal(3000, 2500)),
    "entropy_regulariser": lambda: _torch_matrix(fg.formation.entropy_regulariser, 2500, 2000),
    "recorder": _recorder,
    "coherence": lambda: _given(fg.frames.coherence, normal(12000, 768)),
    "capacity": lambda: _given(fg.frames.capacity, normal(20000, 2000)),
    "frame_bounds": lambda: _given(fg.frames.frame_bounds, normal(6000, 2000)),
    "frame_potential": lambda: _given(fg.frames.frame_potential, np.cov(normal(4000, 5000))),
    "effective_rank": lambda: _given(fg.formation.effective_rank, np.cov(normal(2000, 3000))),
    "accumulator": _added,
    "weighted_frame_operator": lambda: _given(
        fg.frames.weighted_frame_operator, normal(3000, 1500), np.cov(normal(3000, 3000))
    ),
    "saturation_p": lambda: _given(fg.null_model.saturation_p, 0.9, rng.random(10_000_000), 400),
    "count_linear_regions": lambda: _moved("count_linear_regions"),
    "response_curves": lambda: _moved("response_curves"),
    "stable_slice2d": lambda: _moved("stable_slice2d"),
    "crossings": lambda: _moved("crossings"),
    "kl_radius": lambda: _given(fg.plateaus.kl_radius, normal(30000, 256), normal(40, 256), normal(40, 256)),
    "plateaus median": lambda: _given(fg.plateaus.median, normal(1, 200_000)[0]),
    "directions covariance": lambda: _given(
        fg.plateaus.directions.covariance, normal(4000, 2000), normal(8000, 2000)
    ),
    "directions pca": lambda: _given(fg.plateaus.directions.pca, normal(400, 2000), normal(4000, 2000)),
    "directions real_difference": lambda: _given(
        fg.plateaus.directions.real_difference, normal(2000, 512), normal(20000, 512)
    ),
    "directions normal": lambda: _given(fg.plateaus.directions.normal, normal(8000, 2000)),
    "directions cov_mixture": lambda: _given(
        fg.plateaus.directions.cov_mixture, normal(4000, 2000), normal(8000, 2000)
    ),
    "directions real_mixture": lambda: _given(
        fg.plateaus.directions.real_mixture, normal(2000, 512), normal(20000, 512)
    ),
    "ball_radius": lambda: _given(fg.regions.ball_radius, _network(512, 2048, 2048, 1), normal(1, 512)[0]),
    "ray_exit": lambda: _given(
        fg.regions.ray_exit, _network(512, 4096, 4096, 1), normal(1, 512)[0], normal(1, 512)[0]
    ),
    "region_diameter": lambda: _given(
        fg.regions.region_diameter, _network(512, 4096, 4096, 1), normal(1, 512)[0], normal(1, 512)[0]
    ),
    "serra_upper": lambda: _given(fg.regions.serra_upper, [60] * 12),
    "montufar_lower": lambda: _given(fg.regions.montufar_lower, [20000] * 40),
    "zaslavsky": lambda: _given(fg.regions.zaslavsky, 40000, 20000),
    "check_circulant": lambda: _given(fg.schemes.check_circulant, _circle(4000) % 50),
    "parameters": lambda: _given(_levels, 400),
    "closed_subsets": lambda: _given(fg.schemes.closed_subsets, _levels(240)),
    "fusions": lambda: _given(fg.schemes.fusions, _levels(20).eigenmatrices),
    "p_orders": lambda: _given(fg.schemes.p_orders, _levels(300).p),
    "q_orders": lambda: _given(fg.schemes.q_orders, _levels(300).eigenmatrices.krein),
    "quotient": lambda: _given(fg.schemes.quotient, _levels(400), [0, 200]),
    "subscheme": lambda: _given(fg.schemes.subscheme, _levels(400), range(0, 201, 2)),
    "fuse": lambda: _given(fg.schemes.fuse, _levels(300).eigenmatrices, _parity(300)),
    "fused_numbers": lambda: _given(fg.schemes.fused_numbers, _levels(300), _parity(300)),
    "describe": lambda: _given(fg.describe, _many()),
    "estimate": lambda: _given(fg.estimate, _many()),
    "sides": lambda: _given(fg.formation.sides, _moments()),
    "direct_sum": lambda: _given(fg.shapes.direct_sum, *[fg.shapes.simplex(40)] * 100),
    "cube": lambda: _given(fg.shapes.cube, 20),
    "certify": lambda: _given(fg.schemes.certify, fg.schemes.detect(fg.shapes.johnson(24, 3))),
    "gegenbauer": lambda: _given(fg.schemes.gegenbauer, 2000, 24, normal(1, 100_000)[0]),
    "name_geometry": lambda: _given(
        fg.naming.name_geometry,
        fg.frames.gram(fg.shapes.noisy(fg.shapes.johnson(14, 3), 0.02, 0)),
        np.ones(364),
    ),
    "steiner_etf": lambda: _given(fg.shapes.steiner_etf, 72),
    "mub": lambda: _given(fg.shapes.mub, 61),
    "johnson": lambda: _given(fg.shapes.johnson, 32, 3),
    "hamming": lambda: _given(fg.shapes.hamming, 5, 6),
    "paley": lambda: _given(fg.shapes.paley, 4001),
    "random_frame": lambda: _given(fg.shapes.random_frame, 20000, 2000, 0),
    "simplex": lambda: _given(fg.shapes.simplex, 5000),
    "cyclotomic": lambda: _given(fg.shapes.cyclotomic, 4001, 4),
    "name_geometries": lambda: _given(
        fg.naming.name_geometries,
        np.stack([fg.frames.gram(fg.shapes.johnson(6, 3))] * 20000),
        np.ones((20000, 20)),
    ),
    "rotated": lambda: _given(fg.shapes.rotated, normal(2500, 2500), 0),
    "noisy": lambda: _given(fg.shapes.noisy, normal(20000, 2000), 0.1, 0),
    "trajectory": lambda: _given(fg.trajectory.Trajectory, [normal(4000, 400) for _ in range(8)]),
    "checkpoints": lambda: (
        lambda folder: lambda: fg.trajectory.Trajectory(fg.survey.read_checkpoints(folder))
    )(saved(8)),
    "load": lambda: _given(fg.load, _written()),
    "write_page": lambda: (lambda out: lambda: fg.write_page(fg.load(out), out / "other.html"))(_written()),
    "calibrate": lambda: _given(fg.survey.calibrate),
    "toy sweep": lambda: _toy(fg.toys.sweeps.sweep, [40, 80], [8, 16], [0.9, 0.99], restarts=4, steps=2000),
    "held_crossing": lambda: _given(fg.toys.experiments.held_crossing),
    "polygon_catalogue": lambda: _given(fg.toys.one_active.polygon_catalogue, 2000),
    "train_gallery": lambda: _toy(fg.toys.gallery.train_gallery),
    "tight_frame_penalty": lambda: _torch_matrix(fg.toys.penalty.tight_frame_penalty, 6000, 2000),
}


CALLS: dict[str, Callable[[], Callable[[], Any]]] = {
    "detect 3000 x 50": lambda: _given(fg.schemes.detect, normal(3000, 50)),
    "detect J(24,3)": lambda: _given(fg.schemes.detect, fg.shapes.johnson(24, 3)),
    "detect noisy J(14,3)": lambda: _given(
        fg.schemes.detect, fg.shapes.noisy(fg.shapes.johnson(14, 3), 0.2, 0)
    ),
    "detect 24 x 9, 24 x 24": lambda: _repeated(fg.schemes.detect, [normal(24, 9), normal(24, 24)]),
    "detect streamed 6000 x 64": lambda: _given(fg.schemes.detect, normal(6000, 64)),
    "detect gram 3000": lambda: _given(fg.schemes.detect, gram=np.cov(normal(3000, 50))),
    "defect 3500": lambda: _defect(3500),
    "check 3000": lambda: _given(fg.schemes.check, _relations(3000)),
    "closure 600": lambda: _given(fg.schemes.closure, _relations(600)),
    "verify J(24,3)": _certificate,
    "detect_blocks": lambda: _given(fg.schemes.detect_blocks, normal(60000, 16), np.arange(60000) // 6),
    "design_strength": lambda: _given(
        fg.schemes.design_strength_of_gram, fg.frames.gram(fg.shapes.johnson(24, 3)), 23
    ),
    "frame_operator 20000 x 2000": lambda: _given(fg.frames.frame_operator, normal(20000, 2000)),
    "frame_numbers": lambda: _given(fg.frames.frame_numbers, normal(4000, 2000)),
    "canonical_parseval": lambda: _given(fg.frames.canonical_parseval, normal(4000, 2000)),
    "canonical_dual": lambda: _given(fg.frames.canonical_dual, normal(4000, 2000)),
    "naimark_complement": lambda: _given(fg.frames.naimark_complement, fg.shapes.johnson(24, 3)),
    "equiangular": lambda: _given(fg.frames.equiangular, normal(8000, 500)),
    "gram": lambda: _given(fg.frames.gram, normal(6000, 2000)),
    "effective_interference": lambda: _given(
        fg.frames.effective_interference, normal(2500, 800), np.cov(normal(2500, 3000))
    ),
    "spectrum 2000": lambda: _given(fg.spectra.spectrum, normal(4000, 2000)),
    "measures 2000": lambda: _given(fg.spectra.measures, normal(4000, 2000)),
    "sweep 20000 x 512": lambda: _given(fg.pairs.sweep, normal(20000, 512)),
    "significant 6000 x 256": lambda: _given(fg.pairs.significant, normal(6000, 256)),
    "families 4000 x 256": lambda: _given(fg.dictionaries.families, normal(4000, 256)),
    "verdict 6000 x 512": lambda: _given(fg.dictionaries.verdict, normal(6000, 512)),
    "spectral_groups": lambda: _given(fg.dictionaries.spectral_groups, normal(6000, 512)),
    "match 8000 x 256": lambda: _given(fg.dictionaries.match, normal(8000, 256), normal(8000, 256)),
    "match procrustes": lambda: _given(
        fg.dictionaries.match, normal(6000, 768), normal(6000, 768), align="procrustes"
    ),
    "compare": lambda: _given(fg.dictionaries.compare, normal(4000, 256), normal(4000, 256)),
    "related_latents": lambda: _given(fg.dictionaries.related_latents, normal(4000, 256), normal(4000, 256)),
    "readout": lambda: _given(fg.dictionaries.readout, normal(8000, 768), normal(8000, 768)),
    "interference": lambda: _given(fg.dictionaries.interference, abs(normal(3000, 4000)), normal(4000, 256)),
    "circle": lambda: _given(fg.dictionaries.shape, normal(64, 16)),
    "saturation null": lambda: _given(fg.null_model.saturation, normal(4000, 512)),
    "spectrum_null": lambda: _given(fg.null_model.spectrum_null, normal(3000, 512)),
    "measure_null": lambda: _given(fg.null_model.measure_null, normal(3000, 512), np.max),
    "spectrum_draws": lambda: _consumed(
        fg.null_model.spectrum_draws, fg.spectra.spectrum(normal(1500, 1500)), 3000
    ),
    "random_frame_null": lambda: _given(fg.null_model.random_frame_null, np.ones(4000), 512),
    "decompose": lambda: _given(fg.blocks.decompose, normal(3000, 400)),
    "measures_against": lambda: _given(
        fg.operators.measures_against, normal(6000, 1500), np.cov(normal(1500, 3000))
    ),
    "rayleigh": lambda: _given(fg.operators.rayleigh, normal(6000, 1500), np.cov(normal(1500, 3000))),
    "principal_angles": lambda: _given(
        fg.comparison.principal_angles, normal(1500, 4000), normal(1500, 4000)
    ),
    "rays": lambda: _given(fg.comparison.rays, normal(6000, 1000)),
    "analyze": lambda: _analyze(),
    "hamming_knn": lambda: _given(fg.codes.hamming_knn, _bits(60000, 500), _bits(6000, 500), 9),
    "hamming_distances": lambda: _given(fg.codes.hamming_distances, _bits(12000, 600)),
    "jaccard_distances": lambda: _given(fg.codes.jaccard_distances, _bits(8000, 600)),
    "naswot": lambda: _given(fg.codes.naswot, _bits(3000, 600)),
    "k_majority": lambda: _given(fg.codes.k_majority, _bits(40000, 200), 64),
    "pack": lambda: _given(fg.codes.pack, normal(40000, 3000)),
    "class_distances": lambda: _given(fg.codes.class_distances, _bits(12000, 600), np.arange(12000) % 3),
    "evaluate": lambda: _given(
        fg.encoder.evaluate, _bits(3000, 60), np.arange(3000) % 10, _bits(1000, 60), np.arange(1000) % 10
    ),
    "slice2d": lambda: _given(fg.regions.slice2d, _network(12, 256, 256, 1), *normal(3, 12)),
    "along": lambda: _given(fg.regions.along, _network(64, 1024, 1024, 1), *normal(40, 64)),
    "local_complexity": lambda: _given(
        fg.regions.local_complexity, _network(64, 512, 512, 1), normal(3000, 64), 0.1
    ),
    "local_complexity, ball": lambda: _given(
        fg.regions.local_complexity, _network(64, 512, 512, 1), normal(300, 64), 0.1, form="ball"
    ),
    "train": lambda: _train(),
    "train, 16 instances": lambda: _train(n_instances=16),
    "toy saturation": lambda: _toy(fg.toys.experiments.saturation),
    "toy phase": lambda: _toy(fg.toys.experiments.phase),
    "toy geometry": lambda: _toy(fg.toys.experiments.geometry),
    "toy dynamics": lambda: _toy(fg.toys.experiments.dynamics),
    "collect": _recorded,
    "crh": lambda: _given(fg.formation.crh, _moments(), n_draws=20),
    "power_phase": lambda: _given(fg.formation.power_phase, _moments()),
    "entropy": lambda: _given(fg.formation.renyi_entropy, normal(3000, 3000), 2.0),
    "entropy gradient": lambda: _given(fg.formation.entropy_gradient, normal(2500, 2500)),
    "neural_collapse": lambda: _given(
        fg.formation.neural_collapse, normal(20000, 1500), np.arange(20000) % 10
    ),
    "leech": lambda: _given(fg.shapes.leech),
    **BESIDES,
}


def _repeated(call: Callable[..., Any], values: list[Any]) -> Callable[[], Any]:
    return lambda: [call(value) for _ in range(50) for value in values]


def _relations(n: int) -> Any:
    upper = np.triu(rng.integers(1, 4, (n, n)), 1)
    return (upper + upper.T).astype(np.uint32)
