"""Measure featuregeom against what a user would do today: `python benches/compare.py --help`.

The rows are those of the performance table; `benches/README.md` explains how to read and to extend it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

ROUNDS = {"smoke": 1, "record": 5, "iterate": 9, "full": 15}
PATIENCE = {"smoke": 0.0, "record": 6.0, "iterate": 20.0, "full": 60.0}
"""Rounds of a case, and seconds after which no more are begun (three are run in any case, of ways that take less than
so many seconds). "record" is what RESULTS.md keeps: every row in less than twelve minutes."""


def main() -> None:
    from records import NAMES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows",
        default=NAMES,
        help="rows to run, with commas between",
    )
    parser.add_argument("--scale", choices=ROUNDS, default="iterate", help="size of the workloads")
    parser.add_argument("--threads", type=int, default=2, help="threads of ours and of every peer")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument(
        "--record", action="store_true", help="keep the run in benches/records and write RESULTS.md anew"
    )
    parser.add_argument(
        "--until",
        type=float,
        metavar="MINUTES",
        help="begin no case after so many; the rest is left out, and named",
    )
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
    from training import ROWS as TRAINING

    ROWS = {**MATRICES, **CODES, **DICTIONARIES, **REGIONS, **SCHEMES, **TRAINING}

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
    begun = time.monotonic()
    report = {"scale": options.scale, **harness.header(options.threads)}
    report |= {
        "peak": harness.peak(options.threads, **({"n": 128} if options.scale == "smoke" else {})),
        "cases": [],
    }
    for name, value in report.items():
        if name != "cases":
            print(f"{name + ':':13} {value}")
    left_out = []
    for row in wanted:
        for index, build in enumerate(ROWS[row](options.scale)):
            if options.until is not None and time.monotonic() - begun > 60 * options.until:
                left_out.append(row)
                continue
            case = build()
            itself = [sys.executable, __file__, "--scale", options.scale, "--threads", str(options.threads)]
            worker = [*itself, "--worker", row, str(index)]
            timings = harness.measure(case, worker, ROUNDS[options.scale], PATIENCE[options.scale])
            figures = harness.summary(
                row, case, timings, judged=options.scale != "smoke", peaks=report["peak"]
            )
            print(harness.show(figures), flush=True)
            report["cases"].append(figures)
            report["load_after"] = os.getloadavg()[0]
            if options.json:
                options.json.write_text(json.dumps(report, indent=1))
    print(f"\n{(time.monotonic() - begun) / 60:.1f} minutes")
    if left_out:
        print("left out, for the time was up:", ", ".join(dict.fromkeys(left_out)))
    if options.record:
        from records import keep

        print("kept in", keep(report))


if __name__ == "__main__":
    main()
