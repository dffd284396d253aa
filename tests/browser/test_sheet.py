"""A sheet in headless Chromium."""

from __future__ import annotations

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait as Wait

from featuregeom.analysis import FamilyPicture
from featuregeom.report.beyond import _figure
from featuregeom.report.figures import Figure, line
from featuregeom.report.sheet import Section, Sheet, write_sheet
from test_report_sheet import sheet


@pytest.mark.browser
def test_the_figures_are_drawn(browser, tmp_path):
    browser.get_log("browser")
    browser.get(write_sheet(sheet(), tmp_path / "page.html").as_uri())
    Wait(browser, 20).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".plot[data-drawn] svg"))
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 400])
def test_every_kind_is_named_below_its_mark(browser, tmp_path, width):
    """In two rows where one has no room for all; names too many for that are thinned out, in one."""
    kinds = ["isotropic", "covariance", "real difference", "real mixture"]
    many = [f"{2 * k} to {2 * k + 1}" for k in range(64)]
    axes = {"xaxis": {"title": {"text": "kind"}}, "yaxis": {"title": {"text": "value"}}}
    figures = tuple(
        Figure(
            "kinds",
            "Kinds",
            "",
            [{"type": "scatter", "mode": "markers", "x": names, "y": [1.0] * len(names)}],
            axes,
        )
        for names in (kinds, many)
    )
    page = Sheet("t", "t", (Section("s", (), figures, None),))
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        browser.get(write_sheet(page, tmp_path / "page.html").as_uri())
        Wait(browser, 20).until(
            lambda page: len(page.find_elements(By.CSS_SELECTOR, ".plot[data-drawn] svg")) == 2
        )
        few, most = browser.execute_script(
            """return [...document.querySelectorAll(".plot svg")].map((svg) =>
               [...svg.querySelectorAll(".xtick")].map((label) => label.firstChild.textContent))"""
        )
        assert " ".join(few) == " ".join(kinds)
        assert 1 < len(most) < 64
        assert set(most) <= set(many)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


OVERLAPS = """
const boxes = [...document.querySelectorAll(".sheet text.label")]
  .map((text) => [text.closest("svg"), text.getBoundingClientRect()]).filter(([, box]) => box.width);
const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
  && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
let found = 0;
boxes.forEach(([svg, a], i) => boxes.slice(i + 1).forEach(([other, b]) => { found += svg === other && over(a, b); }));
return [boxes.length, found];"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 400])
def test_names_in_small_pictures_do_not_cover_each_other(browser, tmp_path, width):
    """Two long ones at nearly one place stand above and below; of 24 long ones those that find a place are drawn."""
    near = np.array([[1.0, 0.02], [1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]])
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    sets = [
        near,
        np.column_stack([np.cos(around), np.sin(around)]),
        np.column_stack([near, near[::-1]])[:, :3],
    ]
    figures = tuple(
        _figure("cluster", "t", FamilyPicture(0, np.arange(len(X)), X, 1.0), lambda k: f"a long name {k}")
        for X in sets
    )
    page = Sheet("t", "t", (Section("s", (), figures, None),))
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 1600, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        browser.get(write_sheet(page, tmp_path / "page.html").as_uri())
        Wait(browser, 20).until(
            lambda page: len(page.find_elements(By.CSS_SELECTOR, ".plot[data-drawn] svg")) == 3
        )
        shown, covered = browser.execute_script(OVERLAPS)
        assert covered == 0
        assert shown >= 4 + 16 + 4
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.browser
def test_lines_that_a_legend_names_differ_by_more_than_colour(browser, tmp_path):
    """Each colour has dashes of its own, in the figure as in the legend; not where dotted lines mean something."""
    steps = np.arange(4)
    named = [line(steps, steps * k, f"--c{k}", f"line {k}") for k in range(7)]
    dotted = [*named[:2], named[2] | {"line": {"color": "--c2", "dash": "dot"}}]
    axes = {"showlegend": True}
    figures = (Figure("named", "", "", named, axes), Figure("dotted", "", "", dotted, axes))
    browser.get(write_sheet(Sheet("", "", (Section("", (), figures),)), tmp_path / "page.html").as_uri())
    Wait(browser, 20).until(lambda page: len(page.find_elements(By.CSS_SELECTOR, ".plot[data-drawn]")) == 2)
    drawn, legend = (
        browser.execute_script(
            "return [...document.querySelectorAll('figure')].map((figure) =>"
            " [...figure.querySelectorAll(arguments[0])].map((path) => path.style.strokeDasharray))",
            paths,
        )
        for paths in (".sheet g.scatter path", ".legend path")
    )
    assert drawn == legend
    assert len(set(drawn[0])) == 7
    assert len(set(drawn[1][:2])) == 1
    assert drawn[1][2] != drawn[1][0]
