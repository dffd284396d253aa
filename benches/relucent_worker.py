"""relucent's search for all regions, served from the environment it is installed in.

Usage: PYTHON relucent_worker.py 2 20 1
"""

import sys
from itertools import pairwise

import numpy as np
import relucent
import torch

from worker import serve


def main() -> None:
    widths = list(map(int, sys.argv[1:]))
    torch.manual_seed(0)
    modules = []
    for a, b in pairwise(widths):
        modules += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    net = torch.nn.Sequential(*modules[:-1])

    def search():
        found = relucent.Complex(relucent.convert(net))
        found.bfs(verbose=0)
        return found

    serve(search, lambda found, path: np.savez(path, regions=len(found)))


if __name__ == "__main__":
    main()
