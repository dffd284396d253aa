"""WeightWatcher's analysis of one linear layer, served from the environment it is installed in.

Usage: PYTHON weightwatcher_worker.py N M THREADS
"""

import logging
import sys

import numpy as np
import torch
import weightwatcher

from worker import serve


def main() -> None:
    n, m, threads = map(int, sys.argv[1:])
    torch.set_num_threads(threads)
    layer = torch.nn.Linear(m, n, bias=False)
    # The same matrix as in `rows.normal`.
    values = np.random.default_rng(0).standard_normal((n, m), dtype=np.float32)
    layer.weight.data = torch.from_numpy(values)
    logging.disable(logging.WARNING)
    watcher = weightwatcher.WeightWatcher(model=torch.nn.Sequential(layer))

    def save(details, path):
        found = details.iloc[0]
        np.savez(path, largest=found["spectral_norm"], norm=found["norm"], stable_rank=found["stable_rank"])

    serve(watcher.analyze, save)


if __name__ == "__main__":
    main()
