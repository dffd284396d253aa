"""The page in headless Chromium: it stays on disk, complains of nothing, sorts, filters and draws."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait as Wait

from featuregeom.measures import MATRICES
from featuregeom.report.page import write_page
from oracles.analysis import HOSTILE, make_analysis

pytestmark = pytest.mark.browser

NAMES = ["zoo.weight", "pentagon", "random 64 x 16", HOSTILE, "skewed", "all zero"]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    skipped = [{"tensor": "bias", "shape": "(5,)", "dtype": "F32", "reason": "1-D"}]
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write_page(make_analysis(skipped=skipped), path).as_uri()


@pytest.fixture
def page(browser, url):
    """The page, fresh; afterwards nothing may have gone wrong in it."""
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get("about:blank")
    browser.get(url)
    yield browser
    severe = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []
    assert asked(browser) <= {url}


def asked(browser):
    """Addresses that were asked for over a network or from disk."""
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    requests = (e["params"]["request"] for e in events if e["method"] == "Network.requestWillBeSent")
    urls = {request["url"].partition("#")[0] for request in requests}
    return {u for u in urls if not u.startswith(("data:", "blob:", "about:"))}


def texts(page, css):
    return [element.text for element in page.find_elements(By.CSS_SELECTOR, css)]


def click_heading(page, key):
    button = page.find_element(By.CSS_SELECTOR, f'#matrices button[data-key="{key}"]')
    page.execute_script("arguments[0].click()", button)
    return button.find_element(By.XPATH, "..").get_attribute("aria-sort")


def column(page, key):
    return page.execute_script(
        """const table = document.getElementById("matrices");
           const i = table.querySelector(`button[data-key="${arguments[0]}"]`).parentNode.cellIndex;
           return [...table.tBodies[0].rows].map((row) => row.cells[i].textContent)""",
        key,
    )


def draw_all(page, section):
    """Scroll to each plot of a section; give the tags that each then holds."""
    found = []
    for plot in page.find_elements(By.CSS_SELECTOR, f"#matrix-{section} .plot"):
        page.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", plot)
        Wait(page, 20).until(lambda _, plot=plot: plot.get_attribute("data-drawn") is not None)
        kind = plot.find_element(By.XPATH, "..").get_attribute("data-kind")
        size = page.execute_script(
            "const r = arguments[0].querySelector('svg.main-svg').getBoundingClientRect();"
            "return Math.min(r.width, r.height)",
            plot,
        )
        assert size > 100
        found.append((kind, bool(plot.find_elements(By.CSS_SELECTOR, ".gl-container canvas"))))
    return found


def test_the_first_section_is_open_and_draws_everything(page):
    section = page.find_element(By.ID, "matrix-0")
    assert section.get_attribute("open") is not None
    kinds = ["eigenvalues", "measure", "capacity", "capacities", "cosines"] + ["gram", "vectors"] * 5
    found = draw_all(page, 0)
    assert [kind for kind, _ in found] == kinds
    assert [webgl for kind, webgl in found if kind == "vectors"] == [False, True, True, False, False]
    shapes = ["pentagon", "tetrahedron", "square antiprism", "triangle", "digon"]
    assert [t.split(" block")[0] for t in texts(page, "#matrix-0 .block h3")] == shapes
    keep_screenshot(page, "vectors")


def test_marks_are_on_the_paper(page):
    draw_all(page, 0)
    count = "return document.querySelectorAll(arguments[0]).length"
    assert page.execute_script(count, '#matrix-0 [data-kind="eigenvalues"] .point') == 11
    assert page.execute_script(count, '#matrix-0 [data-kind="capacity"] .scatterlayer .point') == 23
    assert page.execute_script(count, '#matrix-0 [data-kind="measure"] .heatmaplayer image') == 1
    assert page.execute_script(count, '#matrix-0 [data-kind="cosines"] .barlayer .point') >= 5


def test_other_sections_are_drawn_when_opened_and_given_up_when_closed(page):
    drawn = "return document.querySelectorAll('#matrix-4 [data-drawn]').length"
    assert page.execute_script(drawn) == 0
    section = page.find_element(By.ID, "matrix-4")
    page.execute_script("arguments[0].querySelector('summary').click()", section)
    assert [kind for kind, _ in draw_all(page, 4)][:3] == ["eigenvalues", "measure", "capacity"]
    assert "less evenly than random directions" in section.text
    page.execute_script("arguments[0].querySelector('summary').click()", section)
    Wait(page, 10).until(lambda _: page.execute_script(drawn) == 0)


def test_figures_in_space_are_given_up_out_of_sight_and_come_back(page):
    draw_all(page, 0)
    contexts = "return document.querySelectorAll('.gl-container canvas').length"
    page.execute_script("scrollTo({top: 0, behavior: 'instant'})")
    Wait(page, 10).until(lambda _: page.execute_script(contexts) == 0)
    assert sum(webgl for _, webgl in draw_all(page, 0)) == 2


def test_a_link_opens_its_section(page):
    page.find_element(By.LINK_TEXT, "pentagon").click()
    assert page.find_element(By.ID, "matrix-1").get_attribute("open") is not None
    assert [kind for kind, _ in draw_all(page, 1)][-1] == "vectors"


def test_numbers_sort_as_numbers_both_ways(page):
    assert click_heading(page, "n") == "ascending"
    assert column(page, "n") == ["4", "5", "5", "23", "64", "300"]
    assert click_heading(page, "n") == "descending"
    assert column(page, "n") == ["300", "64", "23", "5", "5", "4"]


def test_unknown_values_come_last_both_ways(page):
    click_heading(page, "saturation_excess")
    up = column(page, "saturation_excess")
    click_heading(page, "saturation_excess")
    down = column(page, "saturation_excess")
    assert (up[0][0], up[-1], down[-1]) == ("\N{MINUS SIGN}", "\N{EN DASH}", "\N{EN DASH}")
    assert down[-2] == up[0]


def test_text_sorts_as_text_and_only_one_heading_says_so(page):
    click_heading(page, "n")
    click_heading(page, "matrix")
    rest = ["all zero", "pentagon", "random 64 x 16", "skewed", "zoo.weight"]
    assert column(page, "matrix") == [HOSTILE, *rest]
    states = page.execute_script(
        "return [...document.querySelectorAll('#matrices th[aria-sort]')].map((th) => th.ariaSort)"
    )
    assert sorted(set(states)) == ["ascending", "none"]
    assert states.count("ascending") == 1


def test_the_filter_leaves_what_matches(page):
    box = page.find_element(By.ID, "filter")
    box.send_keys("RANDOM")
    shown = [row for row in page.find_elements(By.CSS_SELECTOR, "#matrices tbody tr") if row.is_displayed()]
    assert [row.find_element(By.TAG_NAME, "a").text for row in shown] == ["random 64 x 16"]
    assert texts(page, "#shown") == ["1 of 6"]
    assert not page.find_element(By.ID, "matrix-0").is_displayed()
    box.send_keys("\b" * 6)
    assert texts(page, "#shown") == [""]
    assert page.find_element(By.ID, "matrix-0").is_displayed()


def test_all_columns_can_be_shown(page):
    headings = "#matrices thead button"
    few = [h for h in texts(page, headings) if h]
    page.find_element(By.ID, "all-columns").click()
    every = [h for h in texts(page, headings) if h]
    assert len(few) < len(every) == len(MATRICES.columns)


def test_hostile_names_show_as_text(page):
    assert [a.text for a in page.find_elements(By.CSS_SELECTOR, "#matrices tbody a")] == NAMES
    assert HOSTILE in page.find_element(By.CSS_SELECTOR, "#matrix-3 summary").text
    assert page.find_elements(By.TAG_NAME, "img") == []


def test_nothing_on_the_page_offers_to_send_data_away(page):
    draw_all(page, 0)
    offered = page.execute_script(
        "return [...document.querySelectorAll('.modebar-btn')].map((button) => button.dataset.title)"
    )
    assert set(offered) == {"Download plot", "Reset axes", "Reset camera to default"}


def test_the_dark_scheme_redraws(page):
    draw_all(page, 0)
    colour = "return getComputedStyle(document.querySelector('#matrix-0 .plot .xtick text')).fill"
    light = page.execute_script(colour)
    media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        Wait(page, 10).until(lambda _: page.execute_script(colour) != light)
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_paper_shows_figures_in_space_flat(page):
    drawn = "return document.querySelectorAll('#matrix-0 .plot[data-drawn]').length"
    canvases = "return document.querySelectorAll('.gl-container canvas').length"
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert page.execute_script(drawn) == 15
    assert page.execute_script(canvases) == 0
    solid = "#matrix-0 .block:nth-child(3) [data-kind='vectors'] .scatterlayer .point"
    assert len(page.find_elements(By.CSS_SELECTOR, solid)) == 8
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert sum(webgl for _, webgl in draw_all(page, 0)) == 2
    assert len(page.execute_cdp_cmd("Page.printToPDF", {})["data"]) > 50_000


def test_the_top_is_drawn_without_scrolling(page):
    Wait(page, 20).until(lambda _: page.find_elements(By.CSS_SELECTOR, "#matrix-0 .plot[data-drawn]"))
    keep_screenshot(page, "top")


def keep_screenshot(page, name):
    """Keep a picture to look at, where FEATUREGEOM_SCREENSHOTS names a folder."""
    if folder := os.environ.get("FEATUREGEOM_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.get_screenshot_as_file(str(Path(folder) / f"page-{name}.png"))
