"""Many toys in one run against one after another with the same code: `python benches/toys.py`."""

from __future__ import annotations

import argparse
import os
import statistics
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--instances", type=int, default=64)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument(
        "--batch-size",
        type=int,
        nargs="+",
        default=[32, 256, 1024],
        help="inputs per step, the same both ways",
    )
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    from featuregeom.toys.superposition import train

    def seconds(instances: int, batch_size: int, steps: int, held_out: int) -> float:
        start = time.perf_counter()
        train(
            20,
            5,
            sparsity=0.85,
            n_instances=instances,
            steps=steps,
            batch_size=batch_size,
            held_out=held_out,
        )
        return time.perf_counter() - start

    def compare(what: str, batch_size: int, steps: int, held_out: int) -> None:
        seconds(1, batch_size, steps, held_out)  # what torch does once
        ratios = []
        for _ in range(options.rounds):
            together = seconds(options.instances, batch_size, steps, held_out)
            alone = min(seconds(1, batch_size, steps, held_out) for _ in range(4))
            ratios.append(alone * options.instances / together)
            print(
                f"{what}: together {together:.3f} s, one {alone:.3f} s: {ratios[-1]:.1f} times per instance"
            )
        print(f"{what}: median ratio {statistics.median(ratios):.1f}")

    for batch_size in options.batch_size:
        compare(f"training, batch of {batch_size}", batch_size, options.steps, 1)
    compare("held-out loss of 2^18 inputs", 32, 1, 1 << 18)
    compare("train() by default for 1000 steps", 1024, 1000, 1 << 18)


if __name__ == "__main__":
    main()
