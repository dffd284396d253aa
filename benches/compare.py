"""Measure featuregeom against what a user would do today: `python benches/compare.py --help`.

The rows are those of the performance table; `benches/README.md` explains how to read and to extend it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

ROUNDS = {"smoke": 1, "iterate": 9, "full": 15}
PATIENCE = {"smoke": 0.0, "iterate": 20.0, "full": 60.0}
"""Rounds of a case, and seconds after which no more are begun (three are run in any case)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows",
        default="a1,a2,a3,b1,b2,d1,d2,d3,e1,e3,f1,g1,p1,p2,s1,s2",
        help="rows to run, with commas between",
    )
    parser.add_argument("--scale", choices=ROUNDS, default="iterate", help="size of the workloads")
    parser.add_argument("--threads", type=int, default=2, help="threads of ours and of every peer")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--weightwatcher-python", help="a Python that has weightwatcher, for row f1")
    parser.add_argument("--sage-python", help="a Python that has passagemath-graphs, for row s1")
    parser.add_argument("--relucent-python", help="a Python that has relucent, for row g1")
    parser.add_argument("--worker", nargs=3, metavar=("ROW", "INDEX", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args()

    # Before any library is imported: each reads its own variable once.
    for name in ("OMP", "OPENBLAS", "MKL", "RAYON"):
        os.environ[f"{name}_NUM_THREADS"] = str(options.threads)
    if options.weightwatcher_python:
        os.environ["WEIGHTWATCHER_PYTHON"] = options.weightwatcher_python

    if options.sage_python:
        os.environ["SAGE_PYTHON"] = options.sage_python

    if options.relucent_python:
        os.environ["RELUCENT_PYTHON"] = options.relucent_python

    import harness
    from codes import ROWS as CODES
    from dictionaries import ROWS as DICTIONARIES
    from regions import ROWS as REGIONS
    from rows import ROWS as MATRICES
    from schemes import ROWS as SCHEMES

    ROWS = {**MATRICES, **CODES, **DICTIONARIES, **REGIONS, **SCHEMES}

    if options.worker:
        import numpy as np

        import worker

        row, index, name = options.worker
        case = ROWS[row](options.scale)[int(index)]()
        way = next(way for way in case.ways if way.name == name)
        worker.serve(way.call, lambda result, path: np.savez(path, **way.arrays(result)))
        return

    wanted = options.rows.split(",")
    if unknown := set(wanted) - ROWS.keys():
        parser.error(f"no such rows: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    report = {"scale": options.scale, **harness.header(options.threads), "cases": []}
    for name, value in report.items():
        if name != "cases":
            print(f"{name + ':':10} {value}")
    for row in wanted:
        for index, build in enumerate(ROWS[row](options.scale)):
            case = build()
            itself = [sys.executable, __file__, "--scale", options.scale, "--threads", str(options.threads)]
            worker = [*itself, "--worker", row, str(index)]
            timings = harness.measure(case, worker, ROUNDS[options.scale], PATIENCE[options.scale])
            figures = harness.summary(row, case, timings, judged=options.scale != "smoke")
            print(harness.show(figures), flush=True)
            report["cases"].append(figures)
            if options.json:
                options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
