"""Which axis of a tensor lists features: decided here, once, from evidence, and for every source alike.

In this order: what the caller says; a bias with one entry per feature or per dimension; the rule of torch's Linear; a
configuration that gives the number of features; the producer's own rule; the longer axis of a dictionary. What stays
open is asked for dictionaries, and taken as rows for plain layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from featuregeom.errors import UnsuitableSourceError
from featuregeom.features import Axis
from featuregeom.sources import formats
from featuregeom.sources.dictionary_names import Dictionary, Role, find_dictionaries, plain_name
from featuregeom.sources.protocol import TensorInfo

__all__ = ["Hints", "Lines", "dictionary_layout"]

_FEATURES_KEYS = (
    "d_sae",
    "num_latents",
    "dict_size",
    "n_latents",
    "n_features",
    "d_dict",
    "d_transcoder",
    "num_features",
)
"""Under these a configuration gives the number of features."""


@dataclass(frozen=True)
class Hints:
    """What is known beside names and shapes.

    Attributes
    ----------
    file : str
        Name of the file.
    files : mapping of str to str
        Names of the files that hold single tensors, where those are several.
    config : mapping
        ``cfg.json``, ``config.json`` or ``hyperparams.json`` beside it.
    package : str
        Package that the live module's class is from.
    classes : mapping of str to str
        Class of the live module that holds each tensor.
    """

    file: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    package: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lines:
    """Which two axes of a stored tensor make a matrix.

    Attributes
    ----------
    features, dimensions : int
        The axis that lists features, and the one along which a feature lies.
    reason : str
        The evidence.
    stack : str
        What the other axes list, where there are any.
    """

    features: int
    dimensions: int
    reason: str
    stack: str = "slice"

    @property
    def axis(self) -> Axis:
        """Which axis of one slice lists features."""
        return "rows" if self.features < self.dimensions else "columns"


def dictionary_layout(
    tensors: Mapping[str, TensorInfo], hints: Hints, source: str, given: Mapping[str, Axis]
) -> tuple[str | None, dict[str, Lines]]:
    """Decide the axes of every sparse dictionary in a source.

    Parameters
    ----------
    tensors : mapping of str to TensorInfo
        By the name to judge them by: where files of a folder have the same names, with the file's.
    hints : Hints
        What else is known.
    source : str
        What to call the source in errors.
    given : mapping of str to {"rows", "columns"}
        Names for which the caller says the axis; nothing is asked for those.

    Returns
    -------
    format : str or None
        The format of the dictionaries.
    lines : dict of str to Lines
        By the tensors' own names.

    Raises
    ------
    UnsuitableSourceError
        If the axis of a dictionary cannot be told; it is a ParameterError too.
    """
    format_name, found = None, {}
    for dictionary in find_dictionaries(dict(tensors)):
        file = hints.files.get(dictionary.weights[0].info.name, hints.file)
        names = _leaves(tensors, dictionary)
        infos = [role.info for role in dictionary.weights]
        weights = [name for name, info in names.items() if info in infos]
        known = formats.recognise(names, weights, file, hints.config, hints.package)
        format_name = format_name or (known.format if known else None)
        for role in dictionary.weights:
            lines = _decide(role, dictionary, known, hints)
            if lines is None and role.info.name not in given:
                raise UnsuitableSourceError(_question(role, dictionary, source))
            if lines is not None:
                found[role.info.name] = lines
    return format_name, found


def _leaves(tensors: Mapping[str, TensorInfo], dictionary: Dictionary) -> dict[str, TensorInfo]:
    """Give the tensors under the prefix of a dictionary, by their names without it."""
    plain = {plain_name(name): info for name, info in tensors.items()}
    prefix = dictionary.prefix
    return {name.removeprefix(prefix): info for name, info in plain.items() if name.startswith(prefix)}


def _decide(
    role: Role, dictionary: Dictionary, known: formats.DictionaryFormat | None, hints: Hints
) -> Lines | None:
    """Weigh the evidence for one weight."""
    shape = role.info.shape
    evidence: tuple[Callable[[], tuple[int, str] | None], ...] = (
        lambda: _from_biases(role, dictionary),
        lambda: _from_linear(role, dictionary),
        lambda: _from_config(role, hints),
        lambda: _from_format(role, known),
        lambda: _from_length(role, dictionary),
    )
    lengths = {info.shape[-1] for info in dictionary.per_feature}
    for look in evidence:
        decided = look()
        if decided is not None:
            features, reason = decided
            if len(lengths) == 1 and shape[features] not in lengths:
                continue  # biases say that no axis of this length lists features
            reason += _contradiction(shape[features], hints)
            return Lines(features, _other_axis(role, features, dictionary), reason)
    return None


def _from_biases(role: Role, dictionary: Dictionary) -> tuple[int, str] | None:
    """One axis is as long as a bias over features, or all but one as those over dimensions."""
    shape = role.info.shape
    for info in dictionary.per_feature:
        axes = [axis for axis, size in enumerate(shape) if size == info.shape[-1]]
        if len(axes) == 1:
            return axes[0], f"{_leaf(info)} has one entry per feature ({info.shape[-1]})"
    if dictionary.per_feature and not _agree(dictionary.per_feature):
        return None
    for info in dictionary.per_dimension:
        axes = [axis for axis, size in enumerate(shape) if size == info.shape[-1]]
        if len(axes) == 1 and len(shape) == 2:
            return 1 - axes[0], f"{_leaf(info)} has one entry per dimension ({info.shape[-1]})"
    return None


def _agree(infos: Iterable[TensorInfo]) -> bool:
    return len({info.shape[-1] for info in infos}) == 1


def _from_linear(role: Role, dictionary: Dictionary) -> tuple[int, str] | None:
    if not role.linear:
        return None
    encoder = role.side == "encoder"
    if len(role.info.shape) == 2:
        what = "an encoder's outputs" if encoder else "a decoder's inputs"
        return (0 if encoder else 1), f"torch's Linear stores outputs x inputs, and {what} are features"
    if len(role.info.shape) == 3 and len(dictionary.weights) == 2:
        return (2, _CROSSCODER[0]) if encoder else (1, _CROSSCODER[1])
    return None


_CROSSCODER = (
    "a crosscoder's encoder.weight is sides x dimensions x features",
    "a crosscoder's decoder.weight is sides x features x dimensions",
)


def _from_config(role: Role, hints: Hints) -> tuple[int, str] | None:
    for key, stated in _stated(hints):
        axes = [axis for axis, size in enumerate(role.info.shape) if size == stated]
        if len(axes) == 1:
            return axes[0], f"the configuration says {key} = {stated}"
    return None


def _stated(hints: Hints) -> list[tuple[str, int]]:
    """Numbers of features that the configuration gives, with their keys."""
    nested = [hints.config, *(value for value in hints.config.values() if isinstance(value, Mapping))]
    found = [(key, config.get(key)) for config in nested for key in _FEATURES_KEYS]
    return [(key, value) for key, value in found if type(value) is int]


def _contradiction(size: int, hints: Hints) -> str:
    """Say that the configuration gives another number of features: the wrong file beside the weights, say."""
    stated = _stated(hints)
    if not stated or any(value == size for _, value in stated):
        return ""
    key, value = stated[0]
    return f"; yet the configuration says {key} = {value}"


def _from_format(role: Role, known: formats.DictionaryFormat | None) -> tuple[int, str] | None:
    if known is None:
        return None
    order = known.encoder if role.side == "encoder" else known.decoder
    first, n_dims = order == "features x dimensions", len(role.info.shape)
    reason = f"{known.format} stores {role.side}s as {order}"
    if n_dims == 2:
        return (0 if first else 1), reason
    # Features first, with the slices in the middle; or slices first and features last.
    return ((0 if first else n_dims - 1), reason) if known.stacks else None


def _from_length(role: Role, dictionary: Dictionary) -> tuple[int, str] | None:
    shape = role.info.shape
    longest = [axis for axis, size in enumerate(shape) if size == max(shape)]
    if len(longest) > 1 or any(max(other.info.shape) != max(shape) for other in dictionary.weights):
        return None
    return longest[0], "no bias tells: the longer axis, as dictionaries have more features than dimensions"


def _other_axis(role: Role, features: int, dictionary: Dictionary) -> int:
    """Find the axis along which a feature lies: of a stack by a decoder's bias, else by its place."""
    shape = role.info.shape
    if len(shape) == 2:
        return 1 - features
    if role.side == "decoder":
        sizes = {info.shape[-1] for info in dictionary.per_dimension}
        axes = [axis for axis, size in enumerate(shape) if axis != features and size in sizes]
        if len(axes) == 1:
            return axes[0]
    last = len(shape) - 1
    return last - 1 if features == last else last


def _leaf(info: TensorInfo) -> str:
    """Give the last part of a name, two where the last says little."""
    parts = plain_name(info.name).split(".")
    return ".".join(parts[-2:]) if parts[-1] in ("bias", "threshold") else parts[-1]


def _question(role: Role, dictionary: Dictionary, source: str) -> str:
    shapes = ", ".join(
        f"{each.info.name} {' x '.join(map(str, each.info.shape))}" for each in dictionary.weights
    )
    return (
        f"{source}: which axis of {role.info.name!r} lists features? Producers store {role.stem} both ways, and shapes "
        f"and biases do not tell ({shapes}). Say it for each: axis={{{role.info.name!r}: 'rows'}} "
        f"(--axis '{role.info.name}=rows'), or columns"
    )
