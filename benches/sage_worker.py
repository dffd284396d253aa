"""Sage's test of distance-regularity, served from the environment that passagemath-graphs is installed in.

Usage: PYTHON sage_worker.py "H(10,2)" | "J(46,2)" | "Paley 1009"
"""

import sys

import numpy as np

from worker import serve


def graph(name):
    from sage.graphs.graph import Graph

    if name.startswith("H"):
        words = np.arange(2 ** int(name[2:].split(",")[0]))
        joined = np.bitwise_count(words[:, None] ^ words) == 1
    elif name.startswith("J"):
        v = int(name[2:].split(",")[0])
        pairs = np.array([(a, b) for a in range(v) for b in range(a + 1, v)])
        joined = (pairs[:, None, :, None] == pairs[None, :, None, :]).sum(axis=(2, 3)) == 1
    else:
        q = int(name.split()[1])
        squares = np.zeros(q, dtype=bool)
        squares[np.arange(1, q) ** 2 % q] = True
        joined = squares[(np.arange(q) - np.arange(q)[:, None]) % q]
    rows, columns = np.nonzero(np.triu(joined, 1))
    return Graph(
        [range(len(joined)), list(zip(rows.tolist(), columns.tolist(), strict=True))],
        format="vertices_and_edges",
    )


def main() -> None:
    built = graph(sys.argv[1])

    def save(found, path):
        b, c = found
        np.savez(path, array=[*[x for x in b if x is not None], *[x for x in c if x is not None]])

    serve(lambda: built.is_distance_regular(parameters=True), save)


if __name__ == "__main__":
    main()
