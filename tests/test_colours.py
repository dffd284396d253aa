"""The colours of the pages: series that colour-blind readers can tell apart, and text with enough contrast."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import featuregeom

CSS = (Path(featuregeom.__file__).parent / "report" / "page.css").read_text(encoding="utf-8")

# Machado, Oliveira & Fernandes, IEEE Trans. Vis. Comput. Graph. 15 (2009): vision without one kind of cone.
VISION = {
    "all cones": np.eye(3),
    "without long": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "without middle": [[0.3673, 0.8607, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "without short": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}  # fmt: skip
APART = 10
"""Least distance of two series in CIELAB; from about 2 on, two patches side by side are seen to differ."""


def schemes():
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6})", each))
        for each in re.findall(r":root[^{]*\{([^}]*)\}", CSS)[:2]
    )
    return {"light": light, "dark": light | dark}


def linear(colour):
    shares = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = [t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one, other):
    low, high = sorted(float(np.dot(linear(each), [0.2126, 0.7152, 0.0722])) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_series_are_told_apart_with_any_kind_of_cone_missing(scheme, vision):
    colours = {key: value for key, value in schemes()[scheme].items() if re.fullmatch(r"c\d", key)}
    assert len(colours) == 7
    seen = {key: lab(np.array(VISION[vision]) @ linear(value)) for key, value in colours.items()}
    near = min((float(np.linalg.norm(seen[a] - seen[b])), a, b) for a, b in combinations(seen, 2))
    assert near[0] > APART, near


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_reading_needs(scheme):
    """4.5 is what the Web Content Accessibility Guidelines ask of text."""
    colours = schemes()[scheme]
    for ink in ("ink", "muted", "link"):
        for paper in ("paper", "wash"):
            assert contrast(colours[ink], colours[paper]) > 4.5, (ink, paper)
