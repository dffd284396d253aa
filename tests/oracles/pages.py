"""What the sections of a page hold before a browser unpacks them."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any


def figures(page: str) -> list[dict[str, Any]]:
    """Every figure of the packed sections, in the order of the page."""
    packed = re.findall(r'id="packed-section-\d+">(.*?)</script>', page)
    return [
        figure
        for letters in packed
        for figure in json.loads(zlib.decompress(base64.b64decode(letters)))["figures"]
    ]
