"""The Hugging Face Hub: weight files by the name of their repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from featuregeom.errors import MissingExtraError, SourceError
from featuregeom.sources.folders import DICTIONARY_FILES, choose
from featuregeom.sources.suffixes import SAFETENSORS_INDEX, SUFFIXES

__all__ = ["HubId", "download", "parse"]

_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^:@\s]+))?(?::(?P<path>[^\s]+))?")


@dataclass(frozen=True)
class HubId:
    """A place on the Hub, written ``owner/name``, ``owner/name@revision`` or ``owner/name:folder/file``.

    Attributes
    ----------
    repo : str
        Owner and name.
    revision : str or None
        Branch, tag or commit; None is the default branch.
    path : str
        File or folder in the repository; empty is all that lies at its top.
    """

    repo: str
    revision: str | None
    path: str


def parse(text: str) -> HubId | None:
    """Read a Hub identifier; None when the text is none, or ends like a file and so is a mistyped path.

    Parameters
    ----------
    text : str
        What the user gave.

    Returns
    -------
    HubId or None
    """
    match = _ID.fullmatch(text)
    if match is None or match["repo"].startswith(".") or match["repo"].lower().endswith(SUFFIXES):
        return None
    return HubId(match["repo"], match["revision"], (match["path"] or "").strip("/"))


def download(place: HubId) -> tuple[Path, str]:
    """Fetch the weight files of one place, and no others.

    Parameters
    ----------
    place : HubId
        Which.

    Returns
    -------
    path : Path
        The file or folder in the local cache.
    source : str
        What to call it: the identifier, with the commit that was fetched.

    Raises
    ------
    MissingExtraError
        huggingface_hub is not installed.
    SourceError
        The Hub does not give it.
    """
    path = PurePosixPath(place.path)
    if place.path.lower().endswith(SUFFIXES):
        # An index needs its shards, which lie beside it.
        shards = [str(path.parent / "*.safetensors")] if path.name.endswith(".json") else []
        snapshot = _snapshot(place, [place.path, *shards], None)
    else:
        folder = "" if not place.path else f"{place.path}/"
        deeper = f"{folder}*/*"
        wanted = (*DICTIONARY_FILES, f"*{SAFETENSORS_INDEX}", "*.safetensors")
        snapshot = _snapshot(place, [folder + name for name in wanted], deeper)
        local = snapshot / path
        if not (local.is_dir() and choose(file.name for file in local.iterdir())):
            snapshot = _snapshot(place, [f"{folder}pytorch_model.bin"], deeper)
    source = f"{place.repo}@{snapshot.name}" + (f":{place.path}" if place.path else "")
    return snapshot / path, source


def _snapshot(place: HubId, allow: list[str], ignore: str | None) -> Path:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError(
            f"{place.repo}: no such file or folder here, and the Hub needs huggingface_hub: "
            "pip install featuregeom[hub]"
        ) from error
    try:
        return Path(
            huggingface_hub.snapshot_download(
                place.repo, revision=place.revision, allow_patterns=allow, ignore_patterns=ignore
            )
        )
    except Exception as error:  # network, permission, spelling: the Hub's own words tell which
        raise SourceError(
            f"{place.repo}: no such file or folder here, and the Hugging Face Hub does not give it: {error}\n"
            "Check spelling and network, run `hf auth login` for a gated repository, or give a local path."
        ) from error
