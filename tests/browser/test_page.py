"""The page in headless Chromium: it stays on disk, complains of nothing, sorts, filters and draws."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait as Wait

import featuregeom as fg
from featuregeom.analysis import FamilyPicture
from featuregeom.measures import MATRICES
from featuregeom.report.page import write_page
from oracles.analysis import HOSTILE, make_analysis, polygon

pytestmark = pytest.mark.browser

NAMES = [HOSTILE, "all zero", "pentagon", "random 64 x 16", "skewed", "zoo.weight"]


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


IN_VIEW = "const box = arguments[0].getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight"


def texts(page, css):
    """What is shown; read again where the page draws anew meanwhile."""

    def read(_):
        return ([element.text for element in page.find_elements(By.CSS_SELECTOR, css)],)

    return Wait(page, 10, ignored_exceptions=[StaleElementReferenceException]).until(read)[0]


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
    """Scroll to each plot of a section; give the kinds of figures, and how each was drawn."""
    found = []
    page.execute_script("document.getElementById(arguments[0]).open = true", f"matrix-{section}")
    Wait(page, 20).until(lambda _: page.find_elements(By.CSS_SELECTOR, f"#matrix-{section} .body > *"))
    for plot in page.find_elements(By.CSS_SELECTOR, f"#matrix-{section} .plot"):
        page.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", plot)
        Wait(page, 20).until(lambda _, plot=plot: plot.get_attribute("data-drawn") is not None)
        kind = plot.find_element(By.XPATH, "..").get_attribute("data-kind")
        size = page.execute_script(
            "const r = arguments[0].querySelector('svg').getBoundingClientRect();"
            "return Math.min(r.width, r.height)",
            plot,
        )
        assert size > 100
        found.append((kind, plot.get_attribute("data-drawn")))
    return found


def test_the_first_section_is_open_and_all_draw_everything(page):
    opened = "return [...document.querySelectorAll('details.matrix')].map((section) => section.open)"
    assert page.execute_script(opened) == [True] + [False] * 5
    kinds = ["eigenvalues", "measure", "capacity", "capacities", "cosines"] + ["gram", "vectors"] * 5
    found = draw_all(page, 5)
    assert [kind for kind, _ in found] == kinds
    assert [how for kind, how in found if kind == "vectors"] == ["flat", "space", "space", "flat", "flat"]
    shapes = ["pentagon", "tetrahedron", "square antiprism", "triangle", "digon"]
    assert [t.split(" block")[0] for t in texts(page, "#matrix-5 .block h3")] == shapes
    keep_screenshot(page, "vectors")


def test_marks_are_on_the_paper(page):
    draw_all(page, 5)
    count = (
        "return [...document.querySelectorAll(`#matrix-5 [data-kind='${arguments[0]}'] ${arguments[1]}`)]"
        ".reduce((sum, mark) => sum + Number(mark.dataset.count ?? 1), 0)"
    )
    assert page.execute_script(count, "eigenvalues", ".points") == 11
    assert page.execute_script(count, "capacity", ".points") == 23
    assert page.execute_script(count, "measure", ".heatmap rect") == 22 * 5
    assert page.execute_script(count, "cosines", ".bars") >= 5


def test_a_point_says_what_it_is_under_the_pointer_and_under_the_keys(page):
    draw_all(page, 5)
    plot = page.find_element(By.CSS_SELECTOR, "#matrix-5 [data-kind='eigenvalues'] .plot")
    page.execute_script("arguments[0].focus({preventScroll: true})", plot)
    plot.send_keys(Keys.ARROW_RIGHT)
    tip = plot.find_element(By.CSS_SELECTOR, ".tip")
    assert tip.text == "λ = 4.225\neigenspace 0: dimension 2, mean 4.225"
    plot.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert tip.text.startswith("λ = 2.6667\neigenspace 1")
    plot.send_keys(Keys.ESCAPE)
    assert not tip.is_displayed()
    page.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", plot)
    place = page.execute_script(
        "const b = arguments[0].getBoundingClientRect(), c = arguments[0].querySelector('svg > circle');"
        "return [Number(c.getAttribute('cx')) + b.x, Number(c.getAttribute('cy')) + b.y]",
        plot,
    )
    chain = ActionChains(page)
    chain.w3c_actions.pointer_action.move_to_location(*map(round, place))
    chain.perform()
    assert tip.text.startswith("λ = 2.6667\neigenspace 1")


def test_other_sections_are_drawn_when_opened_and_given_up_when_closed(page):
    drawn = "return document.querySelectorAll('#matrix-4 [data-drawn]').length"
    assert page.execute_script(drawn) == 0
    section = page.find_element(By.ID, "matrix-4")
    page.execute_script("arguments[0].querySelector('summary').click()", section)
    assert [kind for kind, _ in draw_all(page, 4)][:3] == ["eigenvalues", "measure", "capacity"]
    assert "less evenly than random directions" in section.text
    page.execute_script("arguments[0].querySelector('summary').click()", section)
    Wait(page, 10).until(lambda _: page.execute_script(drawn) == 0)


def test_a_figure_in_space_turns_with_the_arrow_keys(page):
    draw_all(page, 5)
    plot = page.find_element(By.CSS_SELECTOR, "#matrix-5 [data-drawn='space']")
    ends = (
        "return [...arguments[0].querySelectorAll('circle.points')]"
        ".map((c) => [Number(c.getAttribute('cx')), Number(c.getAttribute('cy'))])"
    )
    before = np.array(page.execute_script(ends, plot))
    page.execute_script("arguments[0].focus({preventScroll: true})", plot)
    plot.send_keys(Keys.ARROW_LEFT)
    after = np.array(page.execute_script(ends, plot))
    assert np.abs(after - before)[:, 0].max() > 2
    np.testing.assert_allclose(after[:, 1], before[:, 1], atol=0.11)  # about the upright axis


def test_the_keyboard_alone_leads_to_the_evidence_and_into_a_section(page):
    ActionChains(page).send_keys(Keys.TAB, Keys.TAB).perform()  # past the link to the glossary
    assert page.switch_to.active_element.text == "evidence"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    heading = Wait(page, 10).until(lambda _: page.find_element(By.ID, "matrix-5-blocks"))
    Wait(page, 10).until(lambda _: page.execute_script(IN_VIEW, heading))
    summary = page.find_element(By.CSS_SELECTOR, "#matrix-2 > summary")
    for _ in range(200):
        if page.switch_to.active_element == summary:
            break
        ActionChains(page).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    summary.send_keys(Keys.ENTER)
    Wait(page, 10).until(lambda _: page.find_elements(By.CSS_SELECTOR, "#matrix-2 .plot"))


def test_a_shape_of_four_dimensions_turns_until_it_is_paused(browser, tmp_path):
    simplex = fg.shapes.simplex(5)
    analysis = make_analysis({"w": simplex})
    picture = replace(analysis.pictures["w"], families=(FamilyPicture(0, np.arange(5), simplex, 1.0),))
    families = pd.DataFrame([{
        "matrix": "w", "family": 0, "size": 5, "kind": "simplex", "name": "5-cell", "p": 0.001, "q": 0.01,
        "share": 1.0, "parent": -1, "members": list(range(5)),
    }])  # fmt: skip
    analysis = replace(analysis, pictures={"w": picture})
    object.__setattr__(analysis, "families", families)
    browser.get(write_page(analysis, tmp_path / "page.html").as_uri())
    plot = Wait(browser, 20).until(
        lambda _: browser.find_element(By.CSS_SELECTOR, ".family [data-drawn='space']")
    )

    def where():
        return [dot.get_attribute("cx") for dot in plot.find_elements(By.CSS_SELECTOR, "circle.points")]

    button = plot.find_element(By.CSS_SELECTOR, "button.tour")
    still = where()
    assert button.text == "Turn"  # the browser asks for less motion
    assert where() == still
    button.send_keys(Keys.ENTER)
    assert button.text == "Pause"
    Wait(browser, 10).until(lambda _: where() != still)
    button.send_keys(Keys.ENTER)
    stopped = where()
    assert button.text == "Turn"
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert where() == stopped


CLIPPED = """
const found = [];
for (const svg of document.querySelectorAll(".sheet svg")) {
  const paper = svg.getBoundingClientRect(), room = svg.closest("figure").getBoundingClientRect();
  for (const text of svg.querySelectorAll("text")) {
    const box = text.getBoundingClientRect();
    if (box.width && (box.left < room.left - 1 || box.right > room.right + 1 || box.top < paper.top - 3
      || box.bottom > paper.bottom + 3)) found.push(text.textContent);
  }
}
return found;"""


BOXES = """
return [...document.querySelectorAll("#matrix-5 .plot")].map((plot) => [plot.clientWidth, plot.clientHeight])"""


@pytest.mark.parametrize("width", [1400, 400])
def test_no_label_is_clipped_and_the_page_is_no_wider_than_the_window(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        for section in (2, 5):
            draw_all(page, section)
        assert page.execute_script(CLIPPED) == []
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.slow
def test_a_thousand_matrices_fit_and_can_be_used_within_three_seconds(browser, tmp_path):
    """The time is that of free cores."""
    rng = np.random.default_rng(0)
    path = write_page(
        make_analysis({f"layer.{k}.w": rng.standard_normal((12, 8)) for k in range(1000)}),
        tmp_path / "page.html",
    )
    assert path.stat().st_size < 15e6
    browser.get(path.as_uri())
    took = browser.execute_script(
        "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    )
    assert took < 3000
    browser.find_element(By.ID, "filter").send_keys("layer.999")
    assert texts(browser, "#shown") == ["1 of 1000"]


def test_a_link_opens_its_section(page):
    link = page.find_element(By.LINK_TEXT, "pentagon")
    page.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", link)
    link.click()
    Wait(page, 10).until(lambda _: page.find_element(By.ID, "matrix-2").get_attribute("open") is not None)
    assert [kind for kind, _ in draw_all(page, 2)][-1] == "vectors"


def test_evidence_leads_to_the_part_that_bears_it_out(page):
    link = page.find_element(By.CSS_SELECTOR, "#findings li a")
    assert link.get_attribute("hash") == "#matrix-5-blocks"
    link.click()
    heading = Wait(page, 10).until(lambda _: page.find_element(By.ID, "matrix-5-blocks"))
    Wait(page, 10).until(lambda _: page.execute_script(IN_VIEW, heading))


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
    assert not page.find_element(By.ID, "matrix-5").is_displayed()
    box.send_keys("\b" * 6)
    assert texts(page, "#shown") == [""]
    assert page.find_element(By.ID, "matrix-5").is_displayed()


def test_all_columns_can_be_shown(page):
    headings = "#matrices thead button"
    few = [h for h in texts(page, headings) if h]
    page.find_element(By.ID, "all-columns").click()
    every = [h for h in texts(page, headings) if h]
    assert len(few) < len(every) == len(MATRICES.columns)


def test_all_numbers_of_a_matrix_are_listed_when_asked_for(page):
    draw_all(page, 5)
    facts = page.find_element(By.CSS_SELECTOR, "#matrix-5 .facts")
    page.execute_script("arguments[0].open = true", facts)
    Wait(page, 10).until(lambda _: len(facts.find_elements(By.TAG_NAME, "dt")) == len(MATRICES.columns) - 1)
    said = dict(zip(texts(page, "#matrix-5 .facts dt"), texts(page, "#matrix-5 .facts dd"), strict=True))
    assert (said["n"], said["m"], said["Σ D"]) == ("23", "11", "11")


def test_hostile_names_show_as_text(page):
    assert [a.text for a in page.find_elements(By.CSS_SELECTOR, "#matrices tbody a")] == NAMES
    assert HOSTILE in page.find_element(By.CSS_SELECTOR, "#matrix-0 summary").text
    assert page.find_elements(By.TAG_NAME, "img") == []


def test_the_dark_scheme_redraws(page):
    draw_all(page, 5)
    colour = "return getComputedStyle(document.querySelector('#matrix-5 .plot .xtick')).fill"
    light = page.execute_script(colour)
    media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        Wait(page, 10).until(lambda _: page.execute_script(colour) != light)
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_paper_shows_every_figure_of_the_open_section(page):
    draw_all(page, 5)
    drawn = "return document.querySelectorAll('#matrix-5 .plot[data-drawn]').length"
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert page.execute_script(drawn) == 15
    boxes = page.execute_script(BOXES)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:  # nothing is drawn anew on the way to paper: a figure needs there the room that it was drawn for
        assert page.execute_script(BOXES) == boxes
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert len(page.execute_cdp_cmd("Page.printToPDF", {})["data"]) > 50_000


def test_the_answer_is_on_the_first_screen(page):
    found = page.find_elements(By.CSS_SELECTOR, "#findings li")
    assert len(found) >= 6
    assert all(page.execute_script(IN_VIEW, each) for each in found)
    keep_screenshot(page, "top")


def test_the_heading_of_the_overview_stays_when_it_is_scrolled(page):
    page.execute_script("document.querySelector('.tall').style.maxHeight = '6rem'")
    page.execute_script("document.querySelector('.tall').scrollTo({top: 80, behavior: 'instant'})")
    place = page.execute_script(
        "const box = document.querySelector('.tall').getBoundingClientRect();"
        "return document.querySelector('#matrices thead th').getBoundingClientRect().top - box.top"
    )
    assert abs(place) < 2


def test_names_are_grouped_by_what_layers_are_for(browser, tmp_path):
    names = ["h.10.mlp.c_fc.weight", "h.2.mlp.c_fc.weight", "h.0.attn.q_proj.weight", "wte.weight", "x"]
    path = write_page(make_analysis({name: polygon(5) for name in names}), tmp_path / "page.html")
    browser.get(path.as_uri())
    shown = (
        "return [...document.querySelectorAll('#matrices tbody tr')]"
        ".filter((row) => !row.hidden).map((row) => row.innerText)"
    )
    rows = [row.split("\t")[0] for row in browser.execute_script(shown)]
    assert rows == [
        "embeddings", "wte.weight", "queries", "h.0.attn.q_proj.weight",
        "MLP inputs", "h.2.mlp.c_fc.weight", "h.10.mlp.c_fc.weight", "others", "x",
    ]  # fmt: skip
    browser.find_element(By.ID, "filter").send_keys("c_fc")
    assert len(browser.execute_script(shown)) == 3
    same = browser.find_element(By.CSS_SELECTOR, ".same").text
    assert "n 5" in same
    assert "rank 2" in same


def keep_screenshot(page, name):
    """Keep a picture to look at, where FEATUREGEOM_SCREENSHOTS names a folder."""
    if folder := os.environ.get("FEATUREGEOM_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.get_screenshot_as_file(str(Path(folder) / f"page-{name}.png"))
