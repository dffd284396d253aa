"""The Hugging Face Hub: weight files by the name of their repository."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from featuregeom.errors import MissingExtraError, SourceError
from featuregeom.memory import loading
from featuregeom.sources.folders import Folder, select
from featuregeom.sources.onnx_file import external_files
from featuregeom.sources.protocol import TensorInfo
from featuregeom.sources.sidecar import CONFIGURATIONS, SPARSITY_FILE
from featuregeom.sources.suffixes import SUFFIXES
from featuregeom.sources.vocabulary import VOCABULARIES
from featuregeom.summary import summarised

__all__ = ["Chosen", "HubId", "choose_files", "download", "parse"]

_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^:@\s]+))?(?::(?P<path>[^\s]+))?")
_URL = re.compile(
    r"https?://[^/\s]+/(?P<repo>[\w.-]+/[\w.-]+?)"
    r"(?:/(?:tree|blob|resolve|raw)/(?P<revision>refs/[\w.-]+/[\w.-]+|[^/?#]+)(?:/(?P<path>[^?#]*))?)?/?(?:[?#].*)?"
)
_LISTED = 12
"""Files that an error lists."""


@dataclass(frozen=True)
class HubId:
    """A place on the Hub, written ``owner/name``, ``owner/name@revision``, ``owner/name:folder/file``, or as its URL.

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


@summarised
@dataclass(frozen=True)
class Chosen:
    """The files of a place that hold its weights.

    Attributes
    ----------
    place : HubId
        Which place.
    commit : str
        The commit that its revision is.
    files : sequence of str
        Weight files and indices, by their paths in the repository, without the shards of an index.
    others : sequence of str
        Configurations beside them.
    of_features : sequence of str
        Files beside them that tell of their features: tokens, and how often each was active.
    beside : sequence of TensorInfo
        Files and folders that are not opened, with the reason; where a folder was asked for.
    """

    place: HubId
    commit: str
    files: Sequence[str]
    others: Sequence[str]
    of_features: Sequence[str] = ()
    beside: Sequence[TensorInfo] = ()

    @property
    def source(self) -> str:
        """What to call the place: the identifier, with the commit that was read."""
        return f"{self.place.repo}@{self.commit}" + (f":{self.place.path}" if self.place.path else "")


def parse(text: str) -> HubId | None:
    """Read a Hub identifier or a pasted URL; None when the text is none, or ends like a file and so is a mistyped path.

    Parameters
    ----------
    text : str
        What the user gave.

    Returns
    -------
    HubId or None
    """
    if match := _URL.fullmatch(text):
        path = unquote(match["path"] or "").strip("/")
        return HubId(match["repo"], unquote(match["revision"]) if match["revision"] else None, path)
    match = _ID.fullmatch(text)
    if match is None or match["repo"].startswith(".") or match["repo"].lower().endswith(SUFFIXES):
        return None
    return HubId(match["repo"], match["revision"], (match["path"] or "").strip("/"))


def choose_files(place: HubId, *, recursive: bool = False) -> Chosen:
    """Ask the Hub what a place holds, and choose the files of its weights.

    Parameters
    ----------
    place : HubId
        Which.
    recursive : bool
        Whether the folders in a folder are read too.

    Returns
    -------
    Chosen

    Raises
    ------
    MissingExtraError
        huggingface_hub is not installed.
    SourceError
        The Hub does not give it, or there are no weights.
    """
    commit, names = _held(place)
    folder = place.path not in names
    top = PurePosixPath(place.path) if folder else PurePosixPath(place.path).parent
    below = [str(path.relative_to(top)) for path in map(PurePosixPath, names) if top in path.parents]
    files, beside = select(below, recursive=recursive) if folder else ([PurePosixPath(place.path).name], [])
    held = {name for name in below if "/" not in name}
    if not files:
        raise SourceError(f"{place.repo}: {_empty(place, names, sorted(held))}")

    def at(chosen: Sequence[str]) -> list[str]:
        return [str(top / name) for name in chosen]

    others = [name for name in CONFIGURATIONS if name in held]
    of_features = [name for name in (*VOCABULARIES, SPARSITY_FILE) if name in held]
    return Chosen(place, commit, at(files), at(others), at(of_features), beside)


def _held(place: HubId) -> tuple[str, list[str]]:
    """Give commit and files of a repository: what the Hub says, or where that is out of reach, what is cached."""
    hub = _package(place)
    try:
        info = hub.HfApi().model_info(place.repo, revision=place.revision)
        return info.sha or place.revision or "main", [each.rfilename for each in info.siblings or ()]
    except Exception as error:  # network, permission, spelling: the Hub's own words tell which
        try:
            cached = Path(hub.snapshot_download(place.repo, revision=place.revision, local_files_only=True))
        except Exception:
            raise _refused(place, error) from error
    return cached.name, [
        path.relative_to(cached).as_posix() for path in sorted(cached.rglob("*")) if path.is_file()
    ]


def download(chosen: Chosen) -> tuple[Path, Folder]:
    """Fetch the weights of a place, of an index the shards that it names, and small files beside them; no other.

    Parameters
    ----------
    chosen : Chosen
        What `choose_files` gives.

    Returns
    -------
    folder : Path
        The place in the local cache, of a file its folder.
    found : Folder
        The files in it to open, and what is left out.

    Raises
    ------
    SourceError
        The Hub does not give it.
    """
    place = chosen.place
    # The first by the name of its revision, so that the cache knows which commit that is; the others by the commit.
    local = {chosen.files[0]: _fetch(chosen, chosen.files[0], place.revision)}
    local |= {
        name: _fetch(chosen, name, chosen.commit)
        for name in (*chosen.files[1:], *chosen.others, *chosen.of_features)
    }
    for name in chosen.files:
        more = _shards(local[name]) if name.endswith(".index.json") else []
        more += external_files(local[name]) if name.lower().endswith(".onnx") else []
        for each in more:
            _fetch(chosen, str(PurePosixPath(name).parent / each), chosen.commit)
    root = local[chosen.files[0]].parents[len(PurePosixPath(chosen.files[0]).parts) - 1]
    folder = root if chosen.files == [place.path] else root / place.path
    return folder, Folder([local[name] for name in chosen.files], chosen.beside)


def _shards(index: Path) -> list[str]:
    """Name the shards of an index; what is wrong with it is said when it is opened."""
    try:
        shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    return [shard for shard in dict.fromkeys(shards) if isinstance(shard, str) and ".." not in shard]


def _fetch(chosen: Chosen, name: str, revision: str | None) -> Path:
    hub = _package(chosen.place)
    try:
        return Path(hub.hf_hub_download(chosen.place.repo, name, revision=revision))
    except Exception as error:
        raise _refused(chosen.place, error) from error


def _empty(place: HubId, names: Sequence[str], beside: Sequence[str]) -> str:
    """Say what there is instead of weights."""
    if place.path and not any(name.startswith(f"{place.path}/") for name in names):
        return f"no such file or folder: {place.path}; the repository holds {_some(names)}"
    weights = [name for name in names if name.lower().endswith(SUFFIXES) and name.startswith(place.path)]
    hint = f"; weights are deeper: {_some(weights)}" if weights else ""
    return f"no weights at the top of this folder; it holds {_some(beside) or 'no file'}{hint}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _package(place: HubId) -> Any:
    try:
        with loading("huggingface_hub"):
            import huggingface_hub
    except ImportError as error:
        raise MissingExtraError.needing(
            f"{place.repo}: no such file or folder here, and the Hub", "huggingface_hub", "hub"
        ) from error
    return huggingface_hub


def _refused(place: HubId, error: Exception) -> SourceError:
    return SourceError(
        f"{place.repo}: no such file or folder here, and the Hugging Face Hub does not give it: {error}\n"
        "Check spelling and network, run `hf auth login` for a gated repository, or give a local path."
    )
