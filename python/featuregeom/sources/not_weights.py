"""Tensors that are no weights of the model: what training keeps beside them, and statistics."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from featuregeom.sources.dictionary_names import plain_name
from featuregeom.sources.protocol import TensorInfo

__all__ = ["BIAS", "not_weights", "shape_reason"]

BIAS = "a bias or threshold, no matrix"
"""Reason for the biases of stacks, which are evidence for axes all the same."""

_NOT_REAL = ("bool", "int", "uint", "complex", "object", "str", "bytes", "datetime", "timedelta")

_PARTS = {
    "state of an optimiser": r"(\w+_)?optim(s|izers?|isers?)?(_\w+)?|opt_state\w*|adamw?(_\w+)?|exp_avg(_sq)?",
    "state of a random number generator": r"\w*rng\w*|random_state|generator_state",
    "state of a schedule of the learning rate": r"(lr_)?scheduler\w*|(lr_)?sched|lr_schedule\w*",
    "gradients, no weights": r"grads?|gradients?",
}
"""Parts of dotted names that say what everything below them is."""

_LEAVES = {
    "state of an optimiser": r"exp_avg|exp_avg_sq|max_exp_avg_sq|exp_inf|momentum_buffer|square_avg|grad_avg|acc_delta"
    r"|momentum|exp_avg_diff|prev_grad|master_param|fp32_param",
    "statistics of activations, no weights": r"running_(mean|var|std|cov\w*)|num_batches_tracked|moving_(mean|variance)"
    r"|num_batches_not_active|stats_last_nonzero|(activation|act)_(mean|std|cov|norm)s?|cluster_size"
    r"|embed_avg|ema_\w+|\w+_norms",
    "a table that is computed, no weights": r"(sin|cos)_cached|rotary_(sin|cos)|inv_freq|freqs_cis"
    r"|causal_mask|attn_mask|attention_mask|position_ids|relative_position_index|rel_pos_index|IGNORE",
    BIAS: r"\w*bias|(log_)?(jump_?relu_)?thresholds?|r_mag"
    r"|b_(enc|dec|E|D|Q|K|V|O|U|in|out|gate|mag|pre|dec_out|skip)(_\d+)?",
}
"""Last parts of names."""

_AVERAGES = r"ema|ema_\w+|\w+_ema|shadow_params|averaged?_model|swa_\w+|\w+_swa"
"""Averages of weights over training: left out where the weights themselves are there."""

_PART_RULES = [(reason, re.compile(pattern)) for reason, pattern in _PARTS.items()]
_LEAF_RULES = [(reason, re.compile(pattern)) for reason, pattern in _LEAVES.items()]
_AVERAGE = re.compile(_AVERAGES)


def shape_reason(shape: tuple[int, ...], dtype: str) -> str | None:
    """Say why a tensor holds no matrices of real numbers, from shape and type.

    Parameters
    ----------
    shape : tuple of int
        Shape as stored.
    dtype : str
        Element type as stored.

    Returns
    -------
    str or None
        None for matrices and stacks of floating-point numbers, including FP8 and types that no one knows: those are
        weights, and leaving them out silently would mislead, so reading them is an error instead.
    """
    if not shape:
        return "scalar"
    if 0 in shape:
        return "empty"
    if len(shape) == 1:
        return "1-D"
    if dtype.startswith(_NOT_REAL):
        return f"{dtype}: not real features"
    return None


def not_weights(infos: Iterable[TensorInfo]) -> dict[str, str]:
    """Say which tensors are no weights, from their names.

    Parameters
    ----------
    infos : iterable of TensorInfo
        All tensors of a source.

    Returns
    -------
    dict of str to str
        Reasons, by name.
    """
    reasons, averages, weights = {}, {}, False
    for info in infos:
        parts = plain_name(info.name).split(".")
        reason = _reason(parts)
        if reason is not None:
            reasons[info.name] = reason
        elif any(map(_is_average, parts[:-1])):
            averages[info.name] = "a moving average of the weights, which are here too"
        elif info.skip is None and shape_reason(info.shape, info.dtype) is None:
            weights = True
    return {**reasons, **(averages if weights else {})}


def _reason(parts: list[str]) -> str | None:
    for part in parts[:-1]:
        if (reason := _of_part(part)) is not None:
            return reason
    return _of_leaf(parts[-1])


@lru_cache(maxsize=4096)  # models have thousands of tensors, and their names few different parts
def _of_part(part: str) -> str | None:
    return next((reason for reason, pattern in _PART_RULES if pattern.fullmatch(part)), None)


@lru_cache(maxsize=4096)
def _of_leaf(part: str) -> str | None:
    return next((reason for reason, pattern in _LEAF_RULES if pattern.fullmatch(part)), None)


@lru_cache(maxsize=4096)
def _is_average(part: str) -> bool:
    return _AVERAGE.fullmatch(part) is not None
