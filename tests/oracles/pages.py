"""What the sections of a page hold before a browser unpacks them."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html.parser import HTMLParser
from typing import Any


def figures(page: str) -> list[dict[str, Any]]:
    """Every figure of the packed sections, in the order of the page."""
    packed = re.findall(r'id="packed-section-\d+">(.*?)</script>', page)
    return [
        figure
        for letters in packed
        for figure in json.loads(zlib.decompress(base64.b64decode(letters)))["figures"]
    ]


def unpacked(letters):
    return json.loads(zlib.decompress(base64.b64decode(letters)))


def whole(html):
    """The text of a page with that of its packed sections."""
    return "".join([html, *(each["html"] for each in Page(html).packed())])


class Page(HTMLParser):
    """The tags of a page, and what its scripts hold."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.scripts, self._script = [], [], None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._script = dict(attrs) if tag == "script" else None

    def handle_data(self, data):
        if self._script is not None:
            self.scripts.append((self._script, data))

    def handle_endtag(self, tag):
        self._script = None

    def packed(self):
        """What the page unpacks when a section is opened."""
        return [
            unpacked(data) for attrs, data in self.scripts if attrs.get("id", "").startswith("packed-matrix-")
        ]

    def figures(self):
        return [each["figures"] for each in self.packed()]

    def bodies(self):
        return [Page(each["html"]) for each in self.packed()]

    def count(self, tag, **attrs):
        return sum(t == tag and attrs.items() <= a.items() for t, a in self.tags)
