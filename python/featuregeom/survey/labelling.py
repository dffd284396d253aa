"""What the features of each matrix are called: as the caller says, tokens beside a model, or indices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError
from featuregeom.labels import as_labels, read_labels
from featuregeom.sources import Reader, TensorInfo
from featuregeom.sources.sidecar import neuronpedia_link
from featuregeom.sources.vocabulary import lists_tokens, read_vocabularies
from featuregeom.summary import summarised

__all__ = ["UNNAMED", "Given", "Naming", "digest", "name_features"]

Given = str | Path | Sequence[str | None] | Mapping[str, Any] | None
"""Labels as a caller gives them: those of all matrices, or by name or pattern of matrices; texts or a file of them."""

_LISTED = 8
"""Most matrices that an error lists."""


@summarised
@dataclass(frozen=True, eq=False)
class Naming:
    """What is known of the features of one matrix beside their weights.

    Attributes
    ----------
    labels : tuple of str or None
        A name for each feature along the stored axis; None where they have none.
    link : str
        Address of their descriptions, to which ``/`` and a feature's index are added; empty where there is none.
    density : ndarray of float64 or None
        How often each feature along the stored axis was active; None where that is not known.
    """

    labels: tuple[str | None, ...] | None = None
    link: str = ""
    density: NDArray[np.float64] | None = None


UNNAMED = Naming()
"""Of features that have no names."""


def name_features(reader: Reader, chosen: Sequence[TensorInfo], given: Given) -> dict[str, Naming]:
    """Find the names of the features of every matrix.

    Parameters
    ----------
    reader : Reader
        The source.
    chosen : sequence of TensorInfo
        The matrices.
    given : str, Path, sequence, mapping or None
        What the caller gives: texts, or a file of them, for all matrices; or a mapping of names or shell-style patterns
        of matrices to such. It goes before what is found.

    Returns
    -------
    dict of str to Naming
        For every matrix.

    Raises
    ------
    ParameterError
        If labels are not as many as the features that they are for, or a pattern fits no matrix.
    SourceError
        If a file of labels cannot be read.
    """
    named = _given(chosen, given)
    folders = list(dict.fromkeys(file.parent for file in reader.files))
    link = neuronpedia_link(folders)
    vocabularies: list[tuple[Path, tuple[str, ...]]] | None = None
    for info in chosen:
        if info.name in named:
            continue
        if info.of_dictionary:
            named[info.name] = Naming(tuple(map(str, range(info.n))), link)
        elif lists_tokens(info.tensor or info.name):
            if vocabularies is None:
                vocabularies = read_vocabularies(folders)
            fitting = {
                path.parent: tokens for path, tokens in reversed(vocabularies) if len(tokens) == info.n
            }
            # Two models that differ in their tokens and agree in their number do not tell which is meant.
            named[info.name] = Naming(
                next(iter(fitting.values())) if len(set(fitting.values())) == 1 else None
            )
        else:
            named[info.name] = UNNAMED
    return named


def digest(named: Mapping[str, Naming]) -> str:
    """Give what two analyses with the same names and densities agree in; empty where there are none."""
    held = {
        name: [each.labels, each.link, None if each.density is None else each.density.tolist()]
        for name, each in named.items()
        if each.labels is not None or each.density is not None
    }
    if not held:
        return ""
    return hashlib.blake2b(json.dumps(held, sort_keys=True).encode(), digest_size=16).hexdigest()


def _given(chosen: Sequence[TensorInfo], given: Given) -> dict[str, Naming]:
    if given is None:
        return {}
    named: dict[str, Naming] = {}
    if not isinstance(given, Mapping):
        labels = _read(given)
        wrong = [info for info in chosen if len(labels) != info.n] if isinstance(labels, Sequence) else []
        if wrong and len(chosen) > 1:
            raise ParameterError(_counts(len(labels), chosen, wrong))
        return {info.name: Naming(as_labels(labels, info.n, f"matrix {info.name!r}")) for info in chosen}
    for pattern, each in given.items():
        fits = [info for info in chosen if _fits(pattern, info)]
        if not fits:
            names = ", ".join(repr(info.name) for info in chosen[:_LISTED])
            more = f" and {len(chosen) - _LISTED} more" if len(chosen) > _LISTED else ""
            raise ParameterError(
                f"labels are given for {pattern!r}, which fits no matrix; there is {names}{more}"
            )
        labels = None if each is None else _read(each)
        for info in fits:
            checked = None if labels is None else as_labels(labels, info.n, f"matrix {info.name!r}")
            named.setdefault(info.name, Naming(checked))
    return named


def _read(given: Any) -> Any:
    """Read a file of labels; what is none is what the caller gives."""
    if isinstance(given, str | Path):
        return read_labels(given)
    return given if isinstance(given, Sequence) or not hasattr(given, "__iter__") else list(given)


def _fits(pattern: Any, info: TensorInfo) -> bool:
    if not isinstance(pattern, str):
        raise ParameterError(f"labels must be by name or pattern of matrices, got {pattern!r}")
    return any(
        name == pattern or fnmatchcase(name, pattern) for name in (info.name, info.tensor or info.name)
    )


def _counts(count: int, chosen: Sequence[TensorInfo], wrong: Sequence[TensorInfo]) -> str:
    """Say which matrices have another number of features than there are labels."""
    held = ", ".join(f"{info.name!r} has {info.n}" for info in wrong[:_LISTED])
    more = f" and {len(wrong) - _LISTED} more do not fit" if len(wrong) > _LISTED else ""
    fits = [info.name for info in chosen if info.n == count]
    advice = f"such as {fits[0]!r}" if fits else "by name or pattern"
    return (
        f"{count} labels are given for all {len(chosen)} matrices, but {held}{more}: say which matrix they are for, "
        f"{advice} (--labels 'PATTERN=FILE', labels={{'PATTERN': ...}}), or choose it with --include"
    )
