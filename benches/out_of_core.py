"""A matrix larger than the memory that its analysis takes: ``python benches/out_of_core.py FOLDER``.

Writes a safetensors file of bfloat16 features (1 000 000 x 2304, 4.6 GB, unless told otherwise), with pairs of near
copies planted, analyses it without pairs in a process of its own, and prints the time and the peak of memory that is
not mapped from files. Then a second analysis is killed half way and resumed, and the tables of both are compared. At
last significant pairs are taken from the index, and the planted ones are counted; ``--pairs`` does that alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import ml_dtypes
import numpy as np

ROWS = 8192
"""Features that are drawn at a time."""

COPIES = 0.3
"""Noise of a planted copy, of its norm: a cosine of .96."""


def write(path: Path, n: int, m: int, pairs: int) -> None:
    """Write normal features as bfloat16; the last `pairs` of them are near copies of the first."""
    header = json.dumps({"W": {"dtype": "BF16", "shape": [n, m], "data_offsets": [0, 2 * n * m]}}).encode()
    header += b" " * (-len(header) % 8)
    first = np.random.default_rng(0).standard_normal((pairs, m), dtype=np.float32)
    noise = np.random.default_rng(1).standard_normal((pairs, m), dtype=np.float32)
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        rng = np.random.default_rng(2)
        for start in range(0, n, ROWS):
            rows = rng.standard_normal((min(ROWS, n - start), m), dtype=np.float32)
            index = np.arange(start, start + len(rows))
            original, copy = index < pairs, index >= n - pairs
            rows[original] = first[index[original]]
            rows[copy] = (first + COPIES * noise)[index[copy] - (n - pairs)]
            file.write(rows.astype(ml_dtypes.bfloat16).tobytes())
    temporary.rename(path)


def command(path: Path, out: Path, *more: str, pairs: str = "--no-pairs") -> list[str]:
    """An analysis, without pairs unless told otherwise, with the resources that it takes on its last line."""
    code = (
        "import sys, resource; from featuregeom.cli import main; sys.argv[0] = 'featuregeom'\n"
        "try: main()\n"
        "finally:\n"
        "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "    print('processor seconds', used.ru_utime + used.ru_stime)"
    )
    return [sys.executable, "-c", code, "analyze", str(path), pairs, "--out", str(out), *more]


def watched(arguments: list[str], stop_after: float | None = None) -> tuple[float, float, str]:
    """Seconds, peak of anonymous memory in bytes, and output; killed after so many seconds, if so asked."""
    begun, peak = time.monotonic(), 0
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        while child.poll() is None:
            try:
                status = Path(f"/proc/{child.pid}/status").read_text()
            except OSError:
                break
            found = [line for line in status.splitlines() if line.startswith(("RssAnon", "RssShmem"))]
            peak = max(peak, sum(1024 * int(line.split()[1]) for line in found))
            if stop_after is not None and time.monotonic() - begun > stop_after:
                child.send_signal(signal.SIGKILL)
                break
            time.sleep(0.02)
        output = child.communicate()[0]
    return time.monotonic() - begun, peak, output


def results(out: Path) -> dict[str, bytes]:
    """The tables of an analysis, without the seconds that it took."""
    import pandas as pd

    found = {}
    for path in sorted(out.rglob("*.parquet")):
        table = pd.read_parquet(path)
        kept = table.drop(columns=[name for name in table.columns if name == "seconds"])
        found[str(path.relative_to(out))] = kept.to_csv(index=False).encode()
    return found


def found_by_index(path: Path, out: Path, planted: int) -> None:
    """Take significant pairs from the index and say how many of the planted ones are among them."""
    import pandas as pd

    shutil.rmtree(out, ignore_errors=True)
    seconds, peak, output = watched(command(path, out, pairs="--approximate-pairs"))
    said = output.strip().splitlines()[-1] if output.strip() else "no output"
    matrices, pairs = (pd.read_parquet(out / f"{name}.parquet") for name in ("matrices", "pairs"))
    n = int(matrices["n"].iloc[0])
    listed = set(zip(pairs["i"].tolist(), pairs["j"].tolist(), strict=True))
    hits = len(listed & {(place, n - planted + place) for place in range(planted)})
    print(
        f"pairs by the index: {seconds:.0f} s, {said}, peak {peak / 1e9:.2f} GB; {hits} of {planted} planted pairs, "
        f"{len(listed) - hits} others; {matrices['pair_index'].iloc[0]}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--features", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=2304)
    parser.add_argument("--planted", type=int, default=500, help="pairs of near copies")
    parser.add_argument("--pairs", action="store_true", help="only the step with pairs")
    options = parser.parse_args()
    n, m = options.features, options.dimensions
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"planted-{n}-{m}.safetensors"
    if not path.exists():
        write(path, n, m, options.planted)
    print(
        f"{n} x {m} bfloat16, {path.stat().st_size / 1e9:.2f} GB; load {os.getloadavg()[0]:.1f}", flush=True
    )
    if options.pairs:
        found_by_index(path, options.folder / "indexed", options.planted)
        return
    whole, stopped = options.folder / "whole", options.folder / "stopped"
    for out in (whole, stopped):
        shutil.rmtree(out, ignore_errors=True)
    seconds, peak, output = watched(command(path, whole))
    said = output.strip().splitlines()[-1] if output.strip() else "no output"
    # F and the spectral measures: n m (m + 1) and 2 n m^2 operations.
    operations = n * m * (3 * m + 1)
    print(
        f"whole: {seconds:.0f} s, {said}, {operations / seconds / 1e9:.0f} GFLOP/s of wall time, "
        f"peak {peak / 1e9:.2f} GB beside mapped files",
        flush=True,
    )
    killed, _, _ = watched(command(path, stopped), stop_after=seconds / 2)
    again, peak, output = watched(command(path, stopped, "--resume"))
    same = results(whole) == results(stopped)
    print(
        f"killed after {killed:.0f} s, resumed in {again:.0f} s, peak {peak / 1e9:.2f} GB; same tables: {same}",
        flush=True,
    )
    found_by_index(path, options.folder / "indexed", options.planted)


if __name__ == "__main__":
    main()
