"""What every page is made of: templates, style, scripts, and a policy that lets it fetch nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from featuregeom.atomic import replacing
from featuregeom.wording import cut, known, number, text

__all__ = ["pack", "part", "render", "write"]

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent

_SCRIPTS = ("pen.js", "plane.js", "space.js", "draw.js", "page.js")
"""In the order in which they need each other."""


def render(
    template: str,
    *,
    provenance: Mapping[str, Any],
    totals: list[str],
    made: Mapping[str, Any] | None = None,
    **values: Any,
) -> str:
    """Render a page that needs no network and that no text in it can break.

    Parameters
    ----------
    template : str
        A template of this folder that extends ``base.html.j2``.
    provenance : mapping
        What was measured, from what, with what; mappings inside it are laid flat.
    totals : list of str
        The line below the heading.
    made : mapping, optional
        What the page's head says for `folders.results`, so that another command does not replace it.
    **values
        What the template itself needs.

    Returns
    -------
    str
        A whole HTML document. The same values give the same page.
    """
    scripts = [_asset(name) for name in _SCRIPTS]
    return (
        _environment()
        .get_template(template)
        .render(
            provenance=_provenance(provenance),
            totals=totals,
            made=json.dumps(made) if made else "",
            scripts=scripts,
            style=Markup(_asset("page.css")),
            script_hashes=[_hash(script) for script in scripts],
            **values,
        )
    )


def part(template: str, **values: Any) -> str:
    """Render a part of a page, which `pack` then makes small.

    Parameters
    ----------
    template : str
        A template of this folder.
    **values
        What it needs.

    Returns
    -------
    str
        HTML.
    """
    return _environment().get_template(template).render(**values)


def pack(value: Any) -> Markup:
    """Pack what the page unpacks when it is needed: JSON, deflated, in letters that cannot end its element.

    Parameters
    ----------
    value : object
        What JSON can hold; numbers that it does not have are refused.

    Returns
    -------
    Markup
        Base64, about a fifth of the JSON.
    """
    written = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(base64.b64encode(zlib.compress(written.encode("utf-8", "backslashreplace"), 9)).decode())


def write(page: str, path: Path) -> Path:
    """Write a page, replacing the file only once the new one is complete.

    Parameters
    ----------
    page : str
        HTML.
    path : Path
        File to write.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputError
        If the file cannot be written; nothing is left behind then.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(page.encode("utf-8", "backslashreplace"))
    return path


@cache
def _environment() -> Environment:
    from jinja2 import (  # where no page is written, it is not loaded
        Environment,
        FileSystemLoader,
        StrictUndefined,
    )

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "text": text, "cut": cut, "pack": pack}
    environment.tests["known"] = known
    return environment


def _asset(name: str) -> Markup:
    return Markup((HERE / name).read_text(encoding="utf-8"))


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _provenance(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    flat = {key: value for key, value in provenance.items() if not isinstance(value, Mapping)}
    for value in provenance.values():
        if isinstance(value, Mapping):
            flat |= value
    return [(text(key).replace("_", " "), text(value)) for key, value in flat.items() if known(value)]
