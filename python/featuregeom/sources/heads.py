"""The attention of transformers, split into heads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from featuregeom.errors import ParameterError, UnsuitableSourceError
from featuregeom.sources.layout import Lines

__all__ = ["Part", "head_parts", "n_heads"]

_ATTENTION = r"\w*(?:attn|[aA]ttention)\w*\."
_READS = re.compile(
    r"(?:.*\.)?(?:(?P<kv>[kv]_proj|key|value|k_lin|v_lin)|q_proj|query|q_lin|q_attn"
    rf"|{_ATTENTION}(?:wq|q|(?P<short>wk|wv|k|v)))\.weight"
)
_WRITES = re.compile(
    r"(?:.*\.)?(?:o_proj|out_lin|(?:attention|attn)\.output\.dense"
    rf"|{_ATTENTION}(?:out_proj|wo|o|dense|c_proj))\.weight"
)
_FUSED = re.compile(r"(?:.*\.)?(?:c_attn|qkv|qkv_proj|Wqkv|W_pack)\.weight|(?:.*\.)?in_proj_weight")
_INTERLEAVED = re.compile(r"(?:.*\.)?query_key_value\.weight")


@dataclass(frozen=True)
class Part:
    """One head of a weight.

    Attributes
    ----------
    suffix : str
        What its name adds: ``"[3]"``, or ``".q[3]"`` of a fused weight.
    start, stop : int
        The units of the head.
    axis : int
        The axis of the stored tensor that lists units.
    reason : str
        Why the units are features.
    """

    suffix: str
    start: int
    stop: int
    axis: int
    reason: str


def n_heads(given: int | str, config: Mapping[str, Any], source: str) -> tuple[int, int, int | None]:
    """Find the numbers of heads.

    Parameters
    ----------
    given : int or "auto"
        Heads of queries, or that the configuration is to say.
    config : mapping
        The model's configuration.
    source : str
        What to call the source in errors.

    Returns
    -------
    (int, int, int or None)
        Heads of queries, of keys and values, and the dimensions of one where the configuration says.

    Raises
    ------
    UnsuitableSourceError
        With ``"auto"``, if the configuration does not say.
    """
    nested = [
        config,
        *(config[key] for key in ("text_config", "llm_config") if isinstance(config.get(key), Mapping)),
    ]

    def said(*keys: str) -> int | None:
        values = (each.get(key) for each in nested for key in keys)
        return next((value for value in values if type(value) is int and value > 0), None)

    queries = said("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads")
    keys = said("num_key_value_heads", "n_head_kv", "num_kv_heads")
    if given == "auto":
        if queries is None:
            raise UnsuitableSourceError(
                f"{source}: no config.json beside it gives the number of heads: say it, heads=12 (--heads 12)"
            )
        return queries, keys or queries, said("head_dim")
    count = int(given)
    return count, (keys if count == queries and keys else count), said("head_dim")


def head_parts(
    name: str, shape: tuple[int, ...], lines: Lines, heads: tuple[int, int, int | None], source: str
) -> list[Part]:
    """Split one weight of attention.

    Parameters
    ----------
    name : str
        Its name, without what wrappers add.
    shape : tuple of int
        Its shape as stored.
    lines : Lines
        How the whole of it is read.
    heads : tuple
        What `n_heads` gives.
    source : str
        What to call the source in errors.

    Returns
    -------
    list of Part
        Empty where it is no weight of attention.

    Raises
    ------
    ParameterError
        If its units cannot be split evenly.
    """
    if len(shape) != 2:
        return []
    queries, keys, size = heads
    conv1d = "Conv1D" in lines.reason
    outputs = 1 if conv1d else 0
    if match := _READS.fullmatch(name):
        shared = match["kv"] or match["short"]
        count = keys if shared else queries
        if shared and size and shape[outputs] == queries * size:
            count = queries
        width = _split(name, shape[outputs], count, source)
        return [Part(f"[{i}]", i * width, (i + 1) * width, outputs, _READ) for i in range(count)]
    if _WRITES.fullmatch(name):
        inputs = 1 - outputs
        width = _split(name, shape[inputs], queries, source)
        return [Part(f"[{i}]", i * width, (i + 1) * width, inputs, _WRITE) for i in range(queries)]
    total = queries + 2 * keys
    if _INTERLEAVED.fullmatch(name) and keys == queries:
        width = _split(name, shape[outputs], total, source)
        return [
            Part(f".{which}[{i}]", (3 * i + k) * width, (3 * i + k + 1) * width, outputs, _READ)
            for k, which in enumerate("qkv")
            for i in range(queries)
        ]
    if _FUSED.fullmatch(name):
        width = _split(name, shape[outputs], total, source)
        found, start = [], 0
        for which, count in (("q", queries), ("k", keys), ("v", keys)):
            for i in range(count):
                found.append(Part(f".{which}[{i}]", start, start + width, outputs, _READ))
                start += width
        return found
    return []


_READ = "dimensions of a head: what each reads"
_WRITE = "dimensions of a head: what each writes"


def _split(name: str, units: int, count: int, source: str) -> int:
    if units % count:
        raise ParameterError(f"{source}: {name!r} has {units} units, which {count} heads do not share evenly")
    return units // count
