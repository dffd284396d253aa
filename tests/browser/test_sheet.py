"""A sheet in headless Chromium."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait as Wait

from featuregeom.report.sheet import write_sheet
from test_report_sheet import sheet


@pytest.mark.browser
def test_the_figures_are_drawn(browser, tmp_path):
    browser.get_log("browser")
    browser.get(write_sheet(sheet(), tmp_path / "page.html").as_uri())
    Wait(browser, 20).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".plot[data-drawn] svg"))
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
