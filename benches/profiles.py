"""Where the time of a row goes: `python benches/profiles.py [ROW ...]` writes `profiles/ROW.txt` (needs Linux's perf).

Only the core's own code is counted: what Python does to make the data is not. Symbols need a library with
symbols: `CARGO_PROFILE_RELEASE_STRIP=none` while it is built, or the names of inlined parts alone are missing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent

ROWS = {
    "a1": "featuregeom single",
    "a2": "featuregeom double",
    "a3": "featuregeom single",
    "b1": "featuregeom",
    "b2": "featuregeom",
    "d1": "featuregeom",
    "d2": "featuregeom",
    "d3": "featuregeom",
    "e1": "featuregeom (and components)",
    "e2": "featuregeom (and components)",
    "e3": "featuregeom single",
    "e4": "featuregeom, with histogram and neighbours",
    "f1": "featuregeom",
    "p1": "featuregeom, with its draw",
    "p2": "featuregeom verdict",
    "p3": "featuregeom match, both matchings and their bound",
    "p5": "featuregeom families, three kinds of links, tested",
    "s2": "featuregeom, one thread",
}
"""The first case of a row, and the way that is profiled."""


def profile(row: str, scale: str, calls: int) -> str:
    """Run a way of a row some times under perf, and give its report as text."""
    serve = [
        sys.executable,
        str(HERE / "compare.py"),
        "--scale",
        scale,
        "--threads",
        "1",
        "--worker",
        row,
        "0",
        ROWS[row],
    ]
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "perf.data")
        record = ["perf", "record", "--quiet", "--freq", "500", "--output", data, *serve]
        subprocess.run(record, input="go\n" * calls, text=True, check=True, stdout=subprocess.DEVNULL)
        report = [
            "perf",
            "report",
            "--stdio",
            "--dso",
            "_core.abi3.so",
            "--percent-limit",
            "0.5",
            "--sort",
            "symbol",
        ]
        said = subprocess.run([*report, "--input", data], capture_output=True, text=True, check=True).stdout
    lines = [line.rstrip() for line in said.splitlines() if line.strip() and not line.startswith("#")]
    shares = [float(line.split("%")[0]) for line in lines]
    whole = sum(shares) or 1.0
    parts = [
        f"{share / whole:6.1%}  {line.split('%', 1)[1].strip()}"
        for share, line in zip(shares, lines, strict=True)
    ]
    return "\n".join(
        [f"{row}: {ROWS[row]}, one thread, of {calls} calls; share of the core's own time", *parts, ""]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", default=list(ROWS))
    parser.add_argument("--scale", default="iterate")
    parser.add_argument("--calls", type=int, default=3)
    options = parser.parse_args()
    for row in options.rows:
        text = profile(row, options.scale, options.calls)
        (HERE / "profiles").mkdir(exist_ok=True)
        (HERE / "profiles" / f"{row}.txt").write_text(text)
        print(text, flush=True)


if __name__ == "__main__":
    main()
