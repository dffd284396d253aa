"""The page about the codes of one set of activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.codes import CodeCounter
from featuregeom.report.figures import POINTS, Figure, axis, numbers, subsample
from featuregeom.report.sheet import Section, Sheet
from featuregeom.wording import number, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["codes_sheet"]


def codes_sheet(
    counter: CodeCounter, table: pd.DataFrame, facts: Mapping[str, Any], provenance: Mapping[str, Any]
) -> Sheet:
    """Lay out counted codes as a page: how many are distinct, how often each was met, layer by layer.

    Parameters
    ----------
    counter : CodeCounter
        The codes, at least one.
    table : DataFrame
        One row per distinct code.
    facts : mapping
        ``name``, ``summary`` of the counter, ``n_nonfinite``, ``n_ambiguous`` (None where nothing was asked) and
        ``purity`` (None without labels).
    provenance : mapping
        Where the activations came from.

    Returns
    -------
    Sheet
    """
    summary = facts["summary"]
    sections = [
        Section("What the counts say", text=_estimates(summary, facts)),
        Section("How often a code was met", figures=(_occupancy(counter),)),
    ]
    if len(counter.layers) > 1:
        sections.append(Section("Layer by layer", figures=(_layers(counter),)))
    sections.append(Section("The codes", text=("The most frequent first.",), table=table))
    return Sheet(
        kicker="Neural codes",
        title=f"Codes of {facts['name']}",
        lead=(
            "A code says which units an input switches on, one bit each. Inputs of one code lie in one region, which "
            "the network cannot tell apart by which units are on.",
        ),
        totals=(
            plural(summary["n_rows"], "row"),
            plural(counter.n_bits, "bit"),
            plural(summary["n_distinct"], "distinct code"),
            f"redundancy {number(summary['redundancy'], 3)}",
        ),
        provenance=provenance,
        sections=tuple(sections),
    )


def _estimates(summary: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[str, ...]:
    rows, distinct = plural(summary["n_rows"], "row"), plural(summary["n_distinct"], "distinct code")
    said = [
        f"{rows} {'has' if summary['n_rows'] == 1 else 'have'} {distinct}: a share of "
        f"{number(summary['redundancy'], 3)} adds no code of its own (redundancy). The most frequent code was met "
        f"{plural(summary['max_count'], 'time')}; codes are spread as evenly (in entropy) as "
        f"{plural(summary['effective_codes'], 'equally frequent code')}."
    ]
    if summary["saturated"]:
        said.append(
            "Saturated: all rows are distinct, so the count says how many rows were read and nothing of the network. "
            "Read more rows."
        )
    said.append(
        "Estimated from codes that were met once or twice, both as lower bounds: a new input has a code that was met "
        f"already with a probability of {number(summary['good_turing_coverage'], 3)} (Good-Turing), and there are "
        f"{plural(summary['chao1_lower_bound'], 'code')} in all (Chao)."
    )
    if facts["purity"] is not None:
        said.append(
            "Answering each code with the most frequent label of its rows is right for "
            f"{number(facts['purity'], 3)} of them (purity; 1 of itself where the codes are saturated)."
        )
    if facts["n_nonfinite"]:
        said.append(
            f"{plural(facts['n_nonfinite'], 'activation is', 'activations are')} NaN or infinite: NaN counts as off."
        )
    if facts["n_ambiguous"]:
        said.append(
            f"{plural(facts['n_ambiguous'], 'activation is', 'activations are')} within the tolerance of zero, where "
            "rounding may have "
            "decided the bit."
        )
    return tuple(said)


def _occupancy(counter: CodeCounter) -> Figure:
    found = counter.occupancy()
    sizes, codes = np.array(list(found)), np.array(list(found.values()))
    shown = subsample(len(sizes), POINTS)
    trace = {
        "type": "scatter", "mode": "markers", "x": numbers(sizes[shown], 12), "y": numbers(codes[shown], 12),
        "marker": {"color": "--c0", "size": 6},
        "hovertemplate": "times met: %{x}\ncodes: %{y}",
    }  # fmt: skip
    caption = (
        "A point is a number of codes that were met equally often. A high point at 1 says that most codes were met "
        "once, and that more rows would find more; points far to the right are codes that many rows share."
    )
    # Logarithmic only from a range of counts on that has ticks of its own.
    wide = [
        {"type": "log"} if values.max(initial=1) >= 10 * values.min(initial=1) else {}
        for values in (sizes, codes)
    ]
    layout = {"xaxis": axis("times met", **wide[0]), "yaxis": axis("distinct codes", **wide[1])}
    return Figure("code-occupancy", "Occupancy of codes", caption, [trace], layout)


def _layers(counter: CodeCounter) -> Figure:
    names = [f"{index + 1}" for index in range(len(counter.layers))]
    traces = [
        {
            "type": "scatter", "mode": "lines+markers", "name": name, "x": names, "y": numbers(values, 12),
            "line": {"color": colour}, "marker": {"color": colour, "size": 7}, "showlegend": True,
            "hovertemplate": f"layer %{{x}}, {name}: %{{y}}",
        }
        for name, values, colour in (
            ("the layer alone", counter.layer_counts(), "--c1"),
            ("all layers up to it", counter.prefix_counts(), "--c0"),
        )
    ]  # fmt: skip
    caption = (
        "Distinct codes of each layer alone, and of all layers up to it together. The second never falls; where it "
        "stays level, the layer tells no two of these rows apart that the layers before it did not."
    )
    layout = {
        "xaxis": axis("layer", type="category"),
        "yaxis": axis("distinct codes", rangemode="tozero"),
        "showlegend": True,
    }
    return Figure("code-layers", "Distinct codes by layer", caption, traces, layout)
