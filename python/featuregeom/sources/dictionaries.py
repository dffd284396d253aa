"""Sparse dictionaries: which files hold them, which tensors they are, and along which axis features run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featuregeom.features import Axis

__all__ = ["LAYOUTS", "Layout", "recognise"]


@dataclass(frozen=True)
class Layout:
    """How one library stores a sparse dictionary.

    Attributes
    ----------
    format : str
        Name of the format.
    file : str
        The file that it is stored in, always under this name.
    axes : mapping of str to {"rows", "columns"}
        Its dictionaries, and the axis of each that indexes features.
    """

    format: str
    file: str
    axes: Mapping[str, Axis]


_DECODER_FIRST: dict[str, Axis] = {"W_dec": "rows", "W_enc": "columns", "w_dec": "rows", "w_enc": "columns"}

LAYOUTS = (
    Layout("saelens", "sae_weights.safetensors", _DECODER_FIRST),
    Layout("gemma-scope", "params.npz", _DECODER_FIRST),
    Layout("gemma-scope", "params.safetensors", _DECODER_FIRST),
    Layout("sparsify", "sae.safetensors", {"W_dec": "rows", "encoder.weight": "rows"}),
    Layout(
        "dictionary_learning",
        "ae.pt",
        {"decoder.weight": "columns", "encoder.weight": "rows", **_DECODER_FIRST},
    ),
)
"""The formats, in the order in which a folder is searched. W_dec is (d_sae, d_model) and W_enc
(d_model, d_sae) everywhere; a torch Linear stores (outputs, inputs): its decoder has features in columns."""


def recognise(file: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str | None, dict[str, Axis]]:
    """Find the dictionaries in a source.

    Parameters
    ----------
    file : str
        Name of the file, without its folder.
    shapes : mapping of str to tuple of int
        Shape of every tensor.

    Returns
    -------
    format : str or None
        The dictionary format, when file and tensors are those of one.
    axes : dict of str to {"rows", "columns"}
        Axes that are known. In any other source, a ``W_enc`` beside a ``W_dec`` with as many rows as it has
        columns (a live SAE, a model that holds several) has features in columns.
    """
    for layout in LAYOUTS:
        if file == layout.file and not layout.axes.keys().isdisjoint(shapes):
            return layout.format, dict(layout.axes)
    return None, {name: "columns" for name in shapes if _is_encoder(name, shapes)}


def _is_encoder(name: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    if name.rpartition(".")[2] not in ("W_enc", "w_enc"):
        return False
    encoder, decoder = shapes[name], shapes.get(name.removesuffix("enc") + "dec", ())
    return len(encoder) == len(decoder) == 2 and encoder[1] == decoder[0]
