"""Full runs that are kept: one file for each type of machine, and RESULTS.md with a bar chart made from them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FOLDER = HERE / "records"

HEAD = """# Results

The last recorded run of each row on each type of machine, written by the bench itself
(`benches/compare.py --scale record --record`). Rows that were not run are named below each table. What is said above a
table is of the last run; rows with another date are of an earlier one.
`benches/README.md` says what the rows are and how they are measured. Do not edit: the next run writes it anew.

`ratio` is the best exact peer's median over ours, with the least and the most of a round; above 1 we are ahead. `peak`
is the share of the machine's best dense product, measured in the same run, that the row's own products reach: the
physical limit is 100 %, and where there is none, the row is no product. NOISY rows were disturbed by other work and say
nothing.
"""

NAMES = "a1,a2,a3,b1,b2,e1,e2,e3,e4,d1,d2,d3,f1,g1,p1,p2,p3,p4,p5,r1,s1,s2"
"""All rows, in the order in which they run."""

LOWEST, HIGHEST = 0.25, 1000.0
"""Ratios at the ends of the chart's axis; bars beyond are cut there and say their number."""

ROW, LEFT, WIDTH = 20, 330, 460
"""Pixels: height of a bar with its gap, where the axis begins, and how long it is."""


def keep(report: Mapping[str, Any], folder: Path = FOLDER) -> Path:
    """Write a run beside those of other machines, its chart, and RESULTS.md anew; give the file of the run.

    Rows that this run did not measure stay as an earlier run of the same scale on this machine left them, with
    its date.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"{machine(report)}.json"
    kept = dict(report) | {"core": Path(report["core"]).name}  # its folder tells nothing elsewhere
    kept["cases"] = [{"date": report["date"], **case} for case in report["cases"]]
    if path.exists() and (earlier := json.loads(path.read_text()))["scale"] == report["scale"]:
        measured = {case["row"] for case in kept["cases"]}
        kept["cases"] += [
            {"date": earlier["date"], **case} for case in earlier["cases"] if case["row"] not in measured
        ]
        kept["cases"].sort(key=lambda case: case["row"])
    path.write_text(json.dumps(kept, indent=1) + "\n")
    path.with_suffix(".svg").write_text(chart(kept["cases"]))
    (folder.parent / "RESULTS.md").write_text(results(folder))
    return path


def results(folder: Path = FOLDER) -> str:
    """RESULTS.md of all runs that are kept."""
    runs = {each: json.loads(each.read_text()) for each in sorted(folder.glob("*.json"))}
    return "\n".join([HEAD, *(section(run, f"{folder.name}/{each.stem}.svg") for each, run in runs.items())])


def machine(report: Mapping[str, Any]) -> str:
    """Name what has to be equal for two runs to replace each other."""
    parts = [report["cpu"], f"{report['threads']} threads", report["instructions"] or "best instructions"]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")


def section(report: Mapping[str, Any], picture: str) -> str:
    """One machine: its facts, the chart, the table, and every way of every row."""
    level = f", FEATUREGEOM_SIMD={report['instructions']}" if report["instructions"] else ""
    peaks = ", ".join(f"{speed / 1e9:,.0f} GFLOP/s in {name}" for name, speed in report["peak"].items())
    lines = [
        f"## {report['cpu']}, {report['threads']} threads{level}",
        "",
        f"{report['date']}, {report['cores']} cores, AVX-512 {'there' if report['avx512'] else 'missing'}; load "
        f"{report['load']:.1f} when it began, {report['load_after']:.1f} when it ended; best dense product {peaks}; "
        f"BLAS: {'; '.join(report['blas'])}; "
        + ", ".join(f"{name} {found}" for name, found in report["versions"].items())
        + f"; scale {report['scale']}.",
        "",
        *(["**A smoke run: sizes too small to say anything.**", ""] if report["scale"] == "smoke" else []),
        f"![Ratios of the best peer's time to ours]({picture})",
        "",
        "| row | case | ours, s | best exact peer, s | ratio (least to most) | peak | target | date |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in report["cases"]:
        ours = next(way for way in case["ways"] if way["ours"] and way["counted"])
        best = next(way for way in case["ways"] if way["name"] == case["best_peer"])
        alone = best is ours  # no exact peer was run
        share = "" if case["share_of_peak"] is None else f"{case['share_of_peak']:.0%}"
        verdict = {None: "", True: "met", False: "MISSED"}[case["met"]]
        wanted = f"{case['target']:.3g} " if case["target"] is not None else ""
        ratio = f"{case['ratio']:.3g} ({case['ratio_min']:.3g} to {case['ratio_max']:.3g})"
        ratio = ("" if alone else ratio) + (" NOISY" if case["noisy"] else "")
        peer = "none" if alone else f"{best['name']}: {best['median']:.3g}"
        lines.append(
            f"| {case['row']} | {case['case']} | {ours['median']:.3g} | {peer} | "
            f"{ratio} | {share} | {wanted}{verdict} | {case.get('date', report['date'])} |"
        )
    run = {case["row"] for case in report["cases"]}
    missing = [row for row in NAMES.split(",") if row not in run]
    if missing:
        lines += ["", f"Not run here: {', '.join(missing)}."]
    lines += ["", "<details><summary>Every way of every row</summary>", ""]
    lines += [
        "| row | way | median, s | least | most | / ours | deviation |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in report["cases"]:
        for way in case["ways"]:
            kind = "**ours** " if way["ours"] else "" if way["counted"] else "(not counted) "
            off = "" if math.isnan(way["deviation"]) else f"{way['deviation']:.0e}"
            lines.append(
                f"| {case['row']} | {kind}{way['name']} | {way['median']:.3g} | {way['min']:.3g} | {way['max']:.3g} | "
                f"{way['ratio']:.3g} | {off} |"
            )
    return "\n".join([*lines, "", "</details>", ""])


def chart(cases: Sequence[Mapping[str, Any]]) -> str:
    """Bars of the ratios on a logarithmic axis, with the least and the most of a round."""
    height = ROW * len(cases) + 60

    def at(ratio: float) -> float:
        inside = min(max(ratio, LOWEST), HIGHEST)
        return LEFT + WIDTH * math.log(inside / LOWEST) / math.log(HIGHEST / LOWEST)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 70}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="16">best exact peer over ours: to the right of 1 we are ahead</text>',
    ]
    for tick in (0.5, 1, 2, 5, 10, 100, 1000):
        x, colour = at(tick), "#444" if tick == 1 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" y1="24" x2="{x:.1f}" y2="{height - 26}" stroke="{colour}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle">{tick:g}</text>')
    for number, case in enumerate(cases):
        top, one, end = 30 + ROW * number, at(1), at(case["ratio"])
        least, most = at(case["ratio_min"]), at(case["ratio_max"])
        colour = "#bbb" if case["noisy"] else "#2b6cb0" if case["ratio"] >= 1 else "#c05621"
        title = escape(f"{case['row']} {case['case']}"[:54])
        parts += [
            f'<text x="{LEFT - 8}" y="{top + 11}" text-anchor="end">{title}</text>',
            f'<rect x="{min(one, end):.1f}" y="{top}" width="{max(abs(end - one), 1):.1f}" height="12" '
            f'fill="{colour}"/>',
            f'<line x1="{least:.1f}" y1="{top + 6}" x2="{most:.1f}" y2="{top + 6}" stroke="#111"/>',
            f'<text x="{max(end, one, most) + 5:.1f}" y="{top + 11}">{case["ratio"]:.3g}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
