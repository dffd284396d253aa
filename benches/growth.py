"""How time grows with the number of features and of dimensions: `python benches/growth.py`, a few minutes.

Each step of an analysis is timed at sizes that double; the exponent is the slope of a line through the logarithms of
the larger half of them, where what every call costs no longer counts. Processor time, so that other work does not.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5, help="sizes, each twice the one before")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.steps < 2:
        parser.error("an exponent takes two sizes: --steps 2 or more")
    for name in ("OMP", "OPENBLAS", "MKL", "RAYON"):
        os.environ[f"{name}_NUM_THREADS"] = "1"

    import numpy as np

    import featuregeom as fg
    from featuregeom import _core

    rng = np.random.default_rng(0)

    def seconds(call: Callable[[], object]) -> float:
        taken = []
        for _ in range(options.rounds):
            start = time.process_time()
            call()
            taken.append(time.process_time() - start)
        return min(taken)

    def steps(X: np.ndarray) -> dict[str, float]:
        spectrum = fg.spectra.spectrum(X, num_threads=1)
        F = fg.frames.frame_operator(X, num_threads=1)
        return {
            "frame": seconds(lambda: fg.frames.frame_operator(X, num_threads=1)),
            "eigen": seconds(lambda: _core.eigh(F, num_threads=1)),
            "measures": seconds(lambda: fg.spectra.measures(X, spectrum, masses=False, num_threads=1)),
            "sweep": seconds(lambda: fg.pairs.sweep(X, num_threads=1)),
        }

    sizes = [2**k for k in range(options.steps)]
    for label, shapes, expected in (
        (
            "features, of 128 dimensions",
            [(1024 * k, 128) for k in sizes],
            "frame 1, eigen 0, measures 1, sweep 2",
        ),
        (
            "dimensions, 2048 features",
            [(2048, 64 * k) for k in sizes],
            "frame 2, eigen 3, measures 2, sweep 1",
        ),
    ):
        taken = [steps(rng.standard_normal(shape).astype(np.float32)) for shape in shapes]
        print(f"\n{label}: seconds (exponents of operations: {expected})")
        print(f"{'':9}" + "".join(f"{n} x {m}".rjust(14) for n, m in shapes) + "      exponent")
        half = min(len(shapes) // 2, len(shapes) - 2)
        for step in taken[0]:
            values = [each[step] for each in taken]
            slope = np.polyfit(np.log(sizes[half:]), np.log(values[half:]), 1)[0]
            print(f"{step:9}" + "".join(f"{value:14.4f}" for value in values) + f"{slope:14.2f}")


if __name__ == "__main__":
    main()
