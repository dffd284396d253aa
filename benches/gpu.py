"""What torch does on a GPU, beside the core on the processor: ``python benches/gpu.py`` where there is one.

Runs the tests of devices first, then the rows: the frame operator, spectral measures, all pairs against the measure
null, significant pairs (with their eigendecompositions and draws, cross-fitted where features are few for their
dimensions), candidates for a matching, and the whole matching; seconds of the device (the least of three runs) and of
the core, and how far results differ. ``--device
cpu`` runs the same code without a GPU, to see that it runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from featuregeom import _core, devices
from featuregeom.dictionaries.one_to_one import match_directions
from featuregeom.features import as_features
from featuregeom.pairs import cross_fit
from featuregeom.pairs.significant import significant_and_nearest
from featuregeom.spectra import spectrum


def timed(call: Callable[[], Any], device: str, runs: int) -> tuple[float, Any]:
    """Give the least seconds of some runs, and what the last gave."""
    seconds, found = [], None
    for _ in range(runs):
        begun = time.perf_counter()
        found = call()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return min(seconds), found


def row(n: int, m: int, dtype: torch.dtype, device: str, runs: int) -> None:
    """Measure one size."""
    X = torch.randn(n, m, generator=torch.Generator().manual_seed(0)).to(dtype)
    there = devices.device_rows(X.to(device))
    for precision in ("double", "single"):
        ours, F = timed(
            lambda precision=precision: devices.operator_on(there, precision=precision), device, runs
        )
        core, G = timed(
            lambda precision=precision: _core.frame_operator(as_features(X).values, precision=precision),
            "cpu",
            1,
        )
        apart = float(np.abs(F - G).max() / np.abs(G).max())
        print(
            f"F {precision} {n} x {m} {dtype}: device {ours:.3f} s, core {core:.3f} s, apart {apart:.1e}",
            flush=True,
        )
    given = as_features(X)
    axes = spectrum(given)
    basis = axes.retained, axes.vectors, axes.starts
    ours, (table, _, _) = timed(lambda: devices.measures_on(there, *basis, masses=False), device, runs)
    core, (expected, _, _) = timed(lambda: _core.measures(given.values, *basis, masses=False), "cpu", 1)
    apart = float(np.nanmax(np.abs(table / expected - 1)))
    print(f"measures {n} x {m}: device {ours:.3f} s, core {core:.3f} s, apart {apart:.1e}", flush=True)
    ours, masses = timed(
        lambda: devices.shares_on(there, axes.vectors, axes.starts, null=m - axes.rank), device, runs
    )
    print(f"shares {n} x {m}: device {ours:.3f} s", flush=True)
    keep = {"by_score": 16, "by_cosine": 1, "least": 20.0}
    ours, (counts, *_) = timed(lambda: devices.null_sweep_on(there, masses, **keep), device, runs)
    core, (expected, *_) = timed(
        lambda: _core.null_sweep(given.values, cross_fit.shares(given, axes, m), **keep), "cpu", 1
    )
    apart = int(np.abs(counts.cumsum().astype(np.int64) - expected.cumsum().astype(np.int64)).max())
    print(
        f"pairs {n} x {m}: device {ours:.3f} s, core {core:.3f} s, pairs in another step {apart}", flush=True
    )


def significant_row(n: int, m: int, dtype: torch.dtype, device: str) -> None:
    """All of the test of pairs, with 100 planted copies."""
    X = torch.randn(n, m, generator=torch.Generator().manual_seed(1))
    X[100:200] = X[:100] + 0.5 * X[100:200]
    given = as_features(X.to(dtype))
    axes = spectrum(given)
    ours, (mine, _) = timed(
        lambda: significant_and_nearest(given, spectrum=axes, device=torch.device(device)), device, 1
    )
    core, (found, _) = timed(lambda: significant_and_nearest(given, spectrum=axes), "cpu", 1)
    print(
        f"significant {n} x {m} {dtype}, {found.n_parts} parts: device {ours:.3f} s, core {core:.3f} s, "
        f"pairs {mine.n_total} and {found.n_total}, listed alike {np.array_equal(mine.i, found.i)}",
        flush=True,
    )


def matching_row(n: int, m: int, dtype: torch.dtype, device: str, runs: int) -> None:
    """Two dictionaries, half of which they share."""
    A, B = (torch.randn(n, m, generator=torch.Generator().manual_seed(seed)) for seed in (2, 3))
    B[: n // 2] = A[: n // 2] + 0.1 * B[: n // 2]
    A, B = A.to(dtype), B.to(dtype)
    sides = [devices.device_rows(X.to(device)) for X in (A, B)]
    ours, _ = timed(lambda: devices.nearest_on(*sides, neighbours=64), device, runs)
    print(f"candidates {n} x {n} x {m} {dtype}: device {ours:.3f} s", flush=True)
    left, right = as_features(A), as_features(B)
    ours, mine = timed(
        lambda: match_directions(left, right, 64, 0.7, None, device=torch.device(device)), device, 1
    )
    core, found = timed(lambda: match_directions(left, right, 64, 0.7, None), "cpu", 1)
    apart = float(np.abs(mine.cosine.mean() - found.cosine.mean()))
    print(
        f"matching {n} x {n} x {m} {dtype}: device {ours:.3f} s, core {core:.3f} s, mean cosines apart {apart:.1e}, "
        f"gaps {mine.gap:.1e} and {found.gap:.1e}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--features", type=int, nargs="*", default=[16_384, 65_536])
    parser.add_argument("--dimensions", type=int, default=768)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device here: --device cpu runs the same code on the processor")
    print(
        torch.cuda.get_device_name() if options.device == "cuda" else "the processor",
        f"torch {torch.__version__}",
    )
    tests = Path(__file__).parents[1] / "tests" / "test_devices.py"
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)], check=False)
    for n in options.features:
        for dtype in (torch.float32, torch.bfloat16):
            runs = 3 if options.device == "cuda" else 1
            row(n, options.dimensions, dtype, options.device, runs)
            significant_row(n, options.dimensions, dtype, options.device)
            matching_row(n, options.dimensions, dtype, options.device, runs)


if __name__ == "__main__":
    main()
