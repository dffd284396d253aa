"""A sheet in headless Chromium."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait as Wait

from featuregeom.report.figures import Figure
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
