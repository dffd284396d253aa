"""The names under which sparse dictionaries keep encoders, decoders and biases."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from featuregeom.sources.protocol import TensorInfo
from featuregeom.summary import summarised

__all__ = ["Dictionary", "Role", "find_dictionaries", "plain_name"]

Side = Literal["encoder", "decoder"]

_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What torch.compile and sharding put into the names of what they wrap."""

_PREFIX = (
    r"(?P<prefix>(?:.*?\.)??)"  # the shortest, so that `decoder.bias` belongs to the decoder's dictionary
)
_INDEX = r"(?:[_.](?P<index>\d+))?"
_INNER = r"(?:\.(?:\d+|linear|lin|fc|layer))?"

_BARE = {
    "encoder": re.compile(
        _PREFIX + r"(?P<stem>[Ww]_?enc|[Ww]_encoder|encoder_weights?|W_E|W_e|E|encoder|enc)" + _INDEX
    ),
    "decoder": re.compile(
        _PREFIX + r"(?P<stem>[Ww]_?dec|[Ww]_decoder|decoder_weights?|W_D|W_d|D|decoder|dec)" + _INDEX
    ),
}
"""Parameters that are multiplied by hand, so that producers differ in their orientation."""

_LINEAR = {
    side: re.compile(
        _PREFIX
        + rf"(?P<stem>[Ww]_{short}|{side}|{short}|{side}_linear|linear_{side}|{short}_linear|lin_{short})"
        + _INNER
        + r"\.weight(?P<index>)"
    )
    for side, short in (("encoder", "enc"), ("decoder", "dec"))
}
"""Weights of torch Linears, which store outputs x inputs."""

_ACTIVATION = (
    r"(?:(?:activation|activation_function|activation_fn|act|act_fn|nonlinearity|jumprelu|jump_relu|relu)\.)?"
)

_PER_FEATURE = re.compile(
    _PREFIX
    + r"(?P<stem>b_?enc|b_encoder|enc_bias|encoder_bias|latent_bias|b_E|b_e|b_gate|b_mag|r_mag|gate_bias|mag_bias"
    + rf"|{_ACTIVATION}(?:log_)?(?:jump_?relu_)?thresholds?|num_batches_not_active|stats_last_nonzero"
    + r"|n_forward_passes_since_fired|(?:[Ww]_enc|encoder|enc|encoder_linear|linear_encoder|enc_linear|lin_enc)"
    + _INNER
    + r"\.bias)"
    + _INDEX
)
"""One entry per feature, in their last dimension."""

_PER_DIMENSION = re.compile(
    _PREFIX
    + r"(?P<stem>b_?dec|b_decoder|dec_bias|decoder_bias|pre_bias|b_pre|b_D|b_d|b_dec_out|pre_encoder_bias|bias"
    + r"|(?:[Ww]_dec|decoder|dec|decoder_linear|linear_decoder|dec_linear|lin_dec)"
    + _INNER
    + r"\.bias)"
    + _INDEX
)
"""One entry per input (of a transcoder's decoder: output) dimension, in their last dimension."""

_NEEDS_PARTNER = {"E", "D", "W_E", "W_D", "W_e", "W_d", "encoder", "decoder", "enc", "dec"}
"""Names that mean something else where the other side does not stand beside them."""


@summarised
@dataclass(frozen=True)
class Role:
    """What a tensor's name says that it is."""

    info: TensorInfo
    side: Side
    stem: str
    linear: bool


@summarised
@dataclass
class Dictionary:
    """The tensors of one sparse dictionary.

    Attributes
    ----------
    prefix : str
        What its names begin with.
    weights : list of Role
        Encoders and decoders, usually one of each.
    per_feature, per_dimension : list of TensorInfo
        Biases and thresholds.
    """

    prefix: str
    weights: list[Role] = field(default_factory=list)
    per_feature: list[TensorInfo] = field(default_factory=list)
    per_dimension: list[TensorInfo] = field(default_factory=list)

    def side(self, side: Side) -> list[Role]:
        """Give the encoders, or the decoders."""
        return [role for role in self.weights if role.side == side]


@lru_cache(maxsize=1 << 16)
def plain_name(name: str) -> str:
    """Give a name without what wrappers put into it, its parts joined by dots."""
    return ".".join(part for part in re.split(r"[./]", name) if part not in _WRAPPERS)


def find_dictionaries(tensors: dict[str, TensorInfo]) -> list[Dictionary]:
    """Group tensors by the dictionary that they belong to, by name and number of dimensions alone.

    Parameters
    ----------
    tensors : dict of str to TensorInfo
        By the name to judge them by.

    Returns
    -------
    list of Dictionary
        Each with at least one weight.
    """
    found: dict[tuple[str, str], Dictionary] = {}

    def group(match: re.Match[str]) -> Dictionary:
        key = match["prefix"], match["index"] or ""
        return found.setdefault(key, Dictionary(match["prefix"]))

    for name, info in tensors.items():
        plain = plain_name(name)
        if info.shape and info.shape[-1] > 1 and (match := _PER_FEATURE.fullmatch(plain)):
            group(match).per_feature.append(info)
        elif info.shape and info.shape[-1] > 1 and (match := _PER_DIMENSION.fullmatch(plain)):
            group(match).per_dimension.append(info)
        elif len(info.shape) >= 2:
            for side in ("encoder", "decoder"):
                for patterns, linear in ((_LINEAR, True), (_BARE, False)):
                    if match := patterns[side].fullmatch(plain):
                        group(match).weights.append(Role(info, side, match["stem"], linear))
    for (prefix, index), each in found.items():
        shared = found.get((prefix, ""))
        if index and shared is not None:  # one bias for a list of decoders
            each.per_feature = each.per_feature or shared.per_feature
            each.per_dimension = each.per_dimension or shared.per_dimension
    return [each for each in found.values() if _is_dictionary(each)]


def _is_dictionary(found: Dictionary) -> bool:
    """Tell a dictionary from layers of a model that only have its names."""
    encoders, decoders = found.side("encoder"), found.side("decoder")
    if not found.weights or max(len(encoders), len(decoders)) > 1:
        return False
    both = bool(encoders and decoders)
    if any(role.stem in _NEEDS_PARTNER and not role.linear for role in found.weights):
        if not both:
            return bool(found.per_feature) and any(role.stem in ("W_D", "W_E") for role in found.weights)
        encoder, decoder = encoders[0].info.shape, decoders[0].info.shape
        transposed = encoder == decoder[::-1] and encoder != decoder
        return transposed or bool(found.per_feature or found.per_dimension)
    if not all(role.linear for role in found.weights):
        return True
    # Two Linears: an embedding and the projection back to words have these names too.
    lengths = {info.shape[-1] for info in found.per_feature}
    if both:
        encoder, decoder = encoders[0].info.shape, decoders[0].info.shape
        if len(encoder) == len(decoder) == 2:
            return encoder[0] == decoder[1] or bool(lengths & set(encoder) & set(decoder))
        # The sides of a crosscoder, whose slices are transposed; kernels of convolutions are not.
        return len(encoder) == len(decoder) == 3 and encoder == (decoder[0], decoder[2], decoder[1])
    return bool(lengths & set(found.weights[0].info.shape))
