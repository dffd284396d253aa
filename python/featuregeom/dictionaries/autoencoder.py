"""A sparse autoencoder in a folder: its encoder, its decoder, and how often its latents are active."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.dictionaries.density import read_density
from featuregeom.errors import ShapeError, UnsuitableSourceError
from featuregeom.features import Features
from featuregeom.sources import Reader, open_source
from featuregeom.sources.dictionary_names import Dictionary, find_dictionaries
from featuregeom.sources.protocol import AxisGiven
from featuregeom.sources.sidecar import SPARSITY_FILE, neuronpedia_link
from featuregeom.summary import summarised

__all__ = ["Autoencoder", "read_autoencoder"]

_LISTED = 8
"""Most tensors that an error lists."""


@summarised
@dataclass(frozen=True, eq=False)
class Autoencoder:
    """The directions of a sparse autoencoder.

    Attributes
    ----------
    source, format : str
        Where it is, and who stores dictionaries so.
    decoder : Features, n x m
        What each latent writes, one row each.
    encoder : Features, n x m, or None
        What each latent reads; None where the source has no encoder.
    density : ndarray of float64, shape (n,), or None
        Share of tokens at which each latent is active; None where nothing beside the weights says it.
    link : str
        Address of its latents' descriptions, to which ``/`` and an index are added; empty where there is none.
    files : tuple of Path
        What was read.
    """

    source: str
    format: str
    decoder: Features
    encoder: Features | None
    density: NDArray[np.float64] | None
    link: str
    files: tuple[Path, ...]


def read_autoencoder(source: Any, *, axis: AxisGiven = "auto", mmap: bool = True) -> Autoencoder:
    """Read the encoder and the decoder of a sparse autoencoder, and its densities where they lie beside it.

    Parameters
    ----------
    source : path, str, module, mapping or Reader
        As in `fg.analyze`: a folder or file with one sparse dictionary.
    axis : {"auto", "rows", "columns"}, mapping or sequence of str
        Which axis lists latents, as in `fg.analyze`; by default evidence decides.
    mmap : bool
        Map files into memory.

    Returns
    -------
    Autoencoder

    Raises
    ------
    UnsuitableSourceError
        If it holds no decoder, several dictionaries, or a stack of them.
    ShapeError
        If encoder and decoder have another number of latents, or there is not one density for each.
    SourceError
        If it cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> weights = {"W_enc": np.eye(3, 8), "W_dec": np.eye(8, 3), "b_enc": np.zeros(8), "b_dec": np.zeros(3)}
    >>> found = fg.dictionaries.read_autoencoder(weights)
    >>> (found.encoder.n, found.encoder.m), (found.decoder.n, found.decoder.m)
    ((8, 3), (8, 3))
    """
    with open_source(source, axis=axis, mmap=mmap) as reader:
        dictionary = _only(reader)
        sides = {}
        for role in dictionary.weights:
            sides[role.side] = reader.read(role.info.name)
        files, name, written = tuple(reader.files), reader.source, reader.format
    decoder, encoder = sides["decoder"], sides.get("encoder")
    if encoder is not None and encoder.n != decoder.n:
        raise ShapeError(
            f"{name}: the encoder has {encoder.n} latents, the decoder {decoder.n}: say which axis lists them, "
            "axis={'W_dec': 'columns'} (--axis W_dec=columns)"
        )
    folders = list(dict.fromkeys(file.parent for file in files))
    density = None
    if len(folders) == 1 and (folders[0] / SPARSITY_FILE).is_file():
        density = read_density(folders[0])
        files = (*files, folders[0] / SPARSITY_FILE)
        if len(density) != decoder.n:
            raise ShapeError(
                f"{folders[0] / SPARSITY_FILE} holds {len(density)} densities for {decoder.n} latents"
            )
    return Autoencoder(name, written, decoder, encoder, density, neuronpedia_link(folders), files)


def _only(reader: Reader) -> Dictionary:
    """Give the one dictionary of a source."""
    infos = [info for info in reader.tensors() if not info.skip or len(info.shape) == 1]
    found = [each for each in find_dictionaries({info.name: info for info in infos}) if each.side("decoder")]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(repr(each.prefix or each.weights[0].info.name) for each in found[:_LISTED])
        raise UnsuitableSourceError(
            f"{reader.source} holds {len(found)} dictionaries ({names}): give the folder or file of one, or measure "
            "all of them with analyze"
        )
    names = ", ".join(info.name for info in infos[:_LISTED]) or "nothing"
    stacked = any(info.stack for info in infos)
    raise UnsuitableSourceError(
        f"{reader.source} holds no decoder of a sparse autoencoder; it holds {names}. "
        + (
            "The sides of a crosscoder are measured with analyze and compare"
            if stacked
            else "Any matrix: analyze"
        )
    )
