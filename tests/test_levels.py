"""Kernels for each kind of processor give one answer, whatever the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

LEVELS = ("scalar", "avx2", "avx512", "neon")
FUSED = LEVELS[1:]
"""Those that round a product and the sum it goes into once: they agree to the bit."""

WORK = """
import sys
import numpy as np
from featuregeom import _core
X = np.random.default_rng(0).standard_normal((1000, 40))  # three blocks of pairs
X[:9], X[30] = 0, 1.5 * X[31]
values, vectors = _core.eigh(X.T @ X)
starts = np.arange(41)
found = {}
for dtype in ("float64", "float32", "float16", "bfloat16"):
    rows = X.astype(np.float32) if dtype == "bfloat16" else X.astype(dtype)
    rows = (rows.view(np.uint32) >> 16).astype(np.uint16) if dtype == "bfloat16" else rows
    for threads in (1, 2):
        few = {"num_threads": threads}
        shares = _core.shares(rows, vectors, starts, null=0, **few)
        counts, _, _, ((_, cosines, z, _),) = _core.null_sweep(
            rows, shares, by_score=1, by_cosine=1, least=1.0, **few
        )
        matched, _ = _core.match_features(rows[:400], rows[400:], neighbours=8, **few)
        results = {
            "frame": _core.frame_operator(rows, **few),
            "frame, single": _core.frame_operator(rows, precision="single", **few),
            "measures": _core.measures(rows, values, vectors, starts, masses=True, **few)[0],
            "shares": shares,
            "counts": counts.cumsum().astype(float) / counts.sum(),
            "cosines": cosines,
            "z": z,
            "matched": [bound for _, bound in matched],
        }
        found |= {f"{name}, {dtype}, {threads}": value for name, value in results.items()}
np.savez(sys.argv[1], **found)
"""

SINGLE = {"frame, single": 1e-6, "counts": 1e-5, "cosines": 2e-6, "z": 2e-6, "matched": 1e-6}
"""Where products are float32 unless the input is float64: differences over the largest number; of counts, five of
half a million pairs in another step. "frame, single" is float32 of any input. The rest is float64 throughout."""


def results(level: str, path: Path) -> dict[str, np.ndarray] | None:
    """What a process gives that is held to one level; None where the processor lacks it."""
    done = subprocess.run(
        [sys.executable, "-c", WORK, str(path)],
        env=os.environ | {"FEATUREGEOM_SIMD": level},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "FEATUREGEOM_SIMD" in done.stderr:
        return None
    assert not done.returncode, done.stderr
    return dict(np.load(path))


def test_levels_and_threads(tmp_path: Path) -> None:
    """One thread or two: the same bits. Levels: the same bits, or what float32 and float64 round in other order."""
    found = {level: results(level, tmp_path / f"{level}.npz") for level in LEVELS}
    there = {level: each for level, each in found.items() if each is not None}
    assert "scalar" in there
    if len(there) == 1:
        pytest.skip("this processor has the scalar kernels alone")
    fused = next(each for level, each in there.items() if level in FUSED)
    for level, each in there.items():
        for name, value in each.items():
            what, dtype, _ = name.rsplit(", ", 2)
            np.testing.assert_array_equal(value, each[f"{what}, {dtype}, 1"], err_msg=f"{level}: {name}")
            if level in FUSED:
                np.testing.assert_array_equal(value, fused[name], err_msg=f"{level}: {name}")
            # Of two neighbours that are as near up to rounding, either may be kept.
            double = dtype == "float64" and what != "frame, single"
            bound = (1e-11 if double else SINGLE.get(what, 1e-11)) * float(np.nanmax(np.abs(value)))
            np.testing.assert_allclose(value, fused[name], rtol=0, atol=bound, err_msg=f"{level}: {name}")
