"""Headless Chromium for the tests of pages; without one they skip, unless FEATUREGEOM_REQUIRE_BROWSER=1."""

from __future__ import annotations

import os
import shutil

import pytest
from selenium import webdriver

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--force-prefers-reduced-motion",
    "--window-size=1300,1000",
)


@pytest.fixture(scope="session")
def browser():
    names = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
    binary = next(filter(None, map(shutil.which, names)), None)
    chromedriver = shutil.which("chromedriver")
    if binary is None or chromedriver is None:
        message = "no Chromium with chromedriver on the path"
        if os.environ.get("FEATUREGEOM_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()
