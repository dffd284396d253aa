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
    parser.add_argument("--batch-size", type=int, default=32, help="inputs per step, the same both ways")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    from featuregeom.toys.superposition import train

    def seconds(instances: int) -> float:
        start = time.perf_counter()
        train(
            20,
            5,
            sparsity=0.85,
            n_instances=instances,
            steps=options.steps,
            batch_size=options.batch_size,
            held_out=1,
        )
        return time.perf_counter() - start

    seconds(1)  # what torch does once
    ratios = []
    for _ in range(options.rounds):
        together, alone = seconds(options.instances), statistics.mean(seconds(1) for _ in range(4))
        ratios.append(alone * options.instances / together)
        print(f"together {together:.3f} s, one {alone:.3f} s: {ratios[-1]:.1f} times faster per instance")
    print(f"median ratio {statistics.median(ratios):.1f}, batch of {options.batch_size} inputs")


if __name__ == "__main__":
    main()
