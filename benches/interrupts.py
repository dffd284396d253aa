"""CPU time that long calls still take after Ctrl-C: ``python benches/interrupts.py [NAME ...]``.

A child process makes the call again and again. This one sends SIGINT after a random share of the call's CPU time and
reads the child's CPU clock; the child reads it again when KeyboardInterrupt arrives. CPU time does not depend on what
else runs: on free cores, with one thread, it is the time that a user waits.
"""

from __future__ import annotations

import queue
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import featuregeom as fg

TRIALS = 4
LONGEST = 2.0
"""Seconds of CPU time of a call within which it is stopped."""

rng = np.random.default_rng(0)


def _random(n: int, m: int) -> Any:
    return rng.standard_normal((n, m))


def _bits(n: int, width: int) -> Any:
    return fg.codes.pack(_random(n, width) > 0)


def _network(*widths: int) -> Any:
    return [(_random(b, a) / np.sqrt(a), _random(1, b)[0]) for a, b in pairwise(widths)]


def _defect(n: int) -> Callable[[], Any]:
    from featuregeom.recognise.defect import defect

    upper = np.triu(rng.integers(1, 4, (n, n)), 1).astype(np.uint32)
    return lambda: defect(upper + upper.T, None)


def _analyze(**options: Any) -> Callable[[], Any]:
    tensors = {"a.weight": _random(6000, 512), "b.weight": _random(3000, 768)}
    return lambda: fg.analyze(tensors, axis="rows", **options)


def _train(**options: Any) -> Callable[[], Any]:
    return lambda: fg.toys.superposition.train(400, 40, sparsity=0.9, steps=4000, **options)


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

    A, W = _random(1500, 1500), _random(1500, 1500)
    return SimpleNamespace(H_a=A @ A.T / 1500, G_b=np.cov(_random(1500, 4000)), W=W)


CALLS: dict[str, Callable[[], Callable[[], Any]]] = {
    "detect 3000 x 50": lambda: _given(fg.schemes.detect, _random(3000, 50)),
    "detect J(24,3)": lambda: _given(fg.schemes.detect, fg.shapes.johnson(24, 3)),
    "detect noisy J(14,3)": lambda: _given(
        fg.schemes.detect, fg.shapes.noisy(fg.shapes.johnson(14, 3), 0.2, 0)
    ),
    "detect 24 x 9, 24 x 24": lambda: _repeated(fg.schemes.detect, [_random(24, 9), _random(24, 24)]),
    "detect streamed 6000 x 64": lambda: _given(fg.schemes.detect, _random(6000, 64)),
    "detect gram 3000": lambda: _given(fg.schemes.detect, gram=np.cov(_random(3000, 50))),
    "defect 3500": lambda: _defect(3500),
    "check 3000": lambda: _given(fg.schemes.check, _relations(3000)),
    "closure 600": lambda: _given(fg.schemes.closure, _relations(600)),
    "verify J(24,3)": _certificate,
    "detect_blocks": lambda: _given(
        fg.schemes.detect_blocks, _random(60000, 16), [np.arange(i, i + 6) for i in range(0, 60000, 6)]
    ),
    "design_strength": lambda: _given(
        fg.schemes.design_strength_of_gram, fg.frames.gram(fg.shapes.johnson(24, 3)), 23
    ),
    "frame_operator 20000 x 2000": lambda: _given(fg.frames.frame_operator, _random(20000, 2000)),
    "frame_numbers": lambda: _given(fg.frames.frame_numbers, _random(4000, 2000)),
    "canonical_parseval": lambda: _given(fg.frames.canonical_parseval, _random(4000, 2000)),
    "canonical_dual": lambda: _given(fg.frames.canonical_dual, _random(4000, 2000)),
    "naimark_complement": lambda: _given(fg.frames.naimark_complement, fg.shapes.johnson(24, 3)),
    "equiangular": lambda: _given(fg.frames.equiangular, _random(8000, 500)),
    "gram": lambda: _given(fg.frames.gram, _random(6000, 2000)),
    "effective_interference": lambda: _given(
        fg.frames.effective_interference, _random(2500, 800), np.cov(_random(2500, 3000))
    ),
    "spectrum 2000": lambda: _given(fg.spectra.spectrum, _random(4000, 2000)),
    "measures 2000": lambda: _given(fg.spectra.measures, _random(4000, 2000)),
    "sweep 20000 x 512": lambda: _given(fg.pairs.sweep, _random(20000, 512)),
    "significant 6000 x 256": lambda: _given(fg.pairs.significant, _random(6000, 256)),
    "families 4000 x 256": lambda: _given(fg.dictionaries.families, _random(4000, 256)),
    "verdict 6000 x 512": lambda: _given(fg.dictionaries.verdict, _random(6000, 512)),
    "spectral_groups": lambda: _given(fg.dictionaries.spectral_groups, _random(6000, 512)),
    "match 8000 x 256": lambda: _given(fg.dictionaries.match, _random(8000, 256), _random(8000, 256)),
    "match procrustes": lambda: _given(
        fg.dictionaries.match, _random(6000, 768), _random(6000, 768), align="procrustes"
    ),
    "compare": lambda: _given(fg.dictionaries.compare, _random(4000, 256), _random(4000, 256)),
    "related_latents": lambda: _given(
        fg.dictionaries.related_latents, _random(4000, 256), _random(4000, 256)
    ),
    "readout": lambda: _given(fg.dictionaries.readout, _random(8000, 768), _random(8000, 768)),
    "interference": lambda: _given(
        fg.dictionaries.interference, abs(_random(3000, 4000)), _random(4000, 256)
    ),
    "circle": lambda: _given(fg.dictionaries.shape, _random(64, 16)),
    "saturation null": lambda: _given(fg.null_model.saturation, _random(4000, 512)),
    "spectrum_null": lambda: _given(fg.null_model.spectrum_null, _random(3000, 512)),
    "measure_null": lambda: _given(fg.null_model.measure_null, _random(3000, 512), np.max),
    "spectrum_draws": lambda: _consumed(
        fg.null_model.spectrum_draws, fg.spectra.spectrum(_random(1500, 1500)), 3000
    ),
    "random_frame_null": lambda: _given(fg.null_model.random_frame_null, np.ones(4000), 512),
    "decompose": lambda: _given(fg.blocks.decompose, _random(3000, 400)),
    "measures_against": lambda: _given(
        fg.operators.measures_against, _random(6000, 1500), np.cov(_random(1500, 3000))
    ),
    "rayleigh": lambda: _given(fg.operators.rayleigh, _random(6000, 1500), np.cov(_random(1500, 3000))),
    "principal_angles": lambda: _given(
        fg.comparison.principal_angles, _random(1500, 4000), _random(1500, 4000)
    ),
    "rays": lambda: _given(fg.comparison.rays, _random(6000, 1000)),
    "analyze": lambda: _analyze(),
    "analyze, families": lambda: _analyze(families=True),
    "hamming_knn": lambda: _given(fg.codes.hamming_knn, _bits(60000, 500), _bits(6000, 500), 9),
    "hamming_distances": lambda: _given(fg.codes.hamming_distances, _bits(12000, 600)),
    "jaccard_distances": lambda: _given(fg.codes.jaccard_distances, _bits(8000, 600)),
    "naswot": lambda: _given(fg.codes.naswot, _bits(3000, 600)),
    "k_majority": lambda: _given(fg.codes.k_majority, _bits(40000, 200), 64),
    "pack": lambda: _given(fg.codes.pack, _random(40000, 3000)),
    "class_distances": lambda: _given(fg.codes.class_distances, _bits(12000, 600), np.arange(12000) % 3),
    "evaluate": lambda: _given(
        fg.encoder.evaluate, _bits(3000, 60), np.arange(3000) % 10, _bits(1000, 60), np.arange(1000) % 10
    ),
    "slice2d": lambda: _given(fg.regions.slice2d, _network(12, 256, 256, 1), *_random(3, 12)),
    "along": lambda: _given(fg.regions.along, _network(64, 1024, 1024, 1), *_random(40, 64)),
    "local_complexity": lambda: _given(
        fg.regions.local_complexity, _network(64, 512, 512, 1), _random(3000, 64), 0.1
    ),
    "local_complexity, ball": lambda: _given(
        fg.regions.local_complexity, _network(64, 512, 512, 1), _random(300, 64), 0.1, form="ball"
    ),
    "train": lambda: _train(),
    "train, 16 instances": lambda: _train(n_instances=16),
    "toy saturation": lambda: _given(fg.toys.experiments.saturation),
    "toy phase": lambda: _given(fg.toys.experiments.phase),
    "toy geometry": lambda: _given(fg.toys.experiments.geometry),
    "toy dynamics": lambda: _given(fg.toys.experiments.dynamics),
    "collect": _recorded,
    "crh": lambda: _given(fg.formation.crh, _moments(), n_draws=20),
    "power_phase": lambda: _given(fg.formation.power_phase, _moments()),
    "entropy": lambda: _given(fg.formation.renyi_entropy, _random(3000, 3000), 2.0),
    "entropy gradient": lambda: _given(fg.formation.entropy_gradient, _random(2500, 2500)),
    "neural_collapse": lambda: _given(
        fg.formation.neural_collapse, _random(20000, 1500), np.arange(20000) % 10
    ),
    "leech": lambda: _given(fg.shapes.leech),
}


def _repeated(call: Callable[..., Any], values: list[Any]) -> Callable[[], Any]:
    return lambda: [call(value) for _ in range(50) for value in values]


def _relations(n: int) -> Any:
    upper = np.triu(rng.integers(1, 4, (n, n)), 1)
    return (upper + upper.T).astype(np.uint32)


def child(name: str) -> None:
    """Make the call until it was stopped often enough, and tell the CPU time of each event."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    call = CALLS[name]()
    while True:
        print("begun", time.process_time(), flush=True)
        try:
            call()
            print("done", time.process_time(), flush=True)
        except KeyboardInterrupt as error:
            at = time.process_time()
            frames = traceback.extract_tb(error.__traceback__)
            own = [
                f"{Path(one.filename).name}:{one.lineno}" for one in frames if "featuregeom" in one.filename
            ]
            print("stopped", at, own[-1] if own else "outside", flush=True)


def measured(name: str) -> None:
    """Print the longest CPU time after the signal, and where it was."""
    with subprocess.Popen(
        [sys.executable, __file__, "--child", name], stdout=subprocess.PIPE, text=True
    ) as process:
        clock = (~process.pid << 3) | 2
        lines: queue.Queue[list[str]] = queue.Queue()
        threading.Thread(target=_read, args=(process, lines), daemon=True).start()
        _, begun, *_ = lines.get()
        longest, took, found, random_ = LONGEST, None, [], random.Random(name)
        # The first call runs to its end, unless that is far.
        while time.clock_gettime(clock) - float(begun) < longest and not lines.qsize():
            time.sleep(0.01)
        trials = 0
        while trials < TRIALS:
            if not lines.qsize():
                sent = time.clock_gettime(clock)
                process.send_signal(signal.SIGINT)
                kind, at, *where = lines.get()
                if kind == "stopped":
                    found.append((float(at) - sent, *where))
                trials += 1
            else:
                kind, at, *_ = lines.get()
            if kind == "died":
                print(f"{name:32s} died", flush=True)
                return
            if kind == "done" and took is None:
                took = longest = float(at) - float(begun)
            _, begun, *_ = lines.get()
            wait = random_.uniform(0.02, 0.95) * longest
            while time.clock_gettime(clock) - float(begun) < wait and not lines.qsize():
                time.sleep(0.002)
        process.kill()
    worst = max(found, default=(float("nan"), ""))
    whole = f"{took:6.2f}" if took else f" >{LONGEST:4.1f}"
    flag = "  SLOW" if worst[0] > 0.2 else ""
    print(
        f"{name:32s} call {whole} s   after the signal {worst[0]:.3f} s of {len(found)}, {worst[1]}{flag}",
        flush=True,
    )


def _read(process: subprocess.Popen[str], lines: queue.Queue[list[str]]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.split())
    for _ in range(2):
        lines.put(["died", "nan"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        for each in sys.argv[1:] or CALLS:
            measured(each)
