"""Which axis of a model's own layers lists features, and how their stacks and convolutions are read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from featuregeom.sources.dictionary_names import plain_name
from featuregeom.sources.layout import Hints, Lines
from featuregeom.sources.protocol import TensorInfo

__all__ = ["Kernel", "layer_layout"]

_GPT2_MODELS = {"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp", "xlnet-conv1d"}
_GPT2_READS = re.compile(r"(?:.*\.)?(c_attn|q_attn|c_fc)\.weight")
_GPT2_WRITES = re.compile(r"(?:.*\.)?c_proj\.weight")
_WRITERS = re.compile(
    r"(?:.*\.)?(?:(?<!attention\.)output\.dense|down_proj|fc2|lin2|fc_out|w2|wo|dense_4h_to_h|linear_2|linear2"
    r"|mlp\.c_proj|mlp\.dense_out|c_proj_mlp)\.weight"
)
_EMBEDDING = re.compile(
    r"(?:.*\.)?(?:\w*embed\w*|\w*embd\w*|wte|wpe|wpe\.\w+|shared|embeddings?\.\w+|emb)(?:\.weight)?"
)
_HEADS = re.compile(r"(?:.*\.)?_?W_(?P<which>[QKVO])")
_EXPERTS = re.compile(r".*(experts?|moe|input_linear|output_linear|gate_up_proj|block_sparse).*")
_CONVOLUTIONS = re.compile(r"Conv[123]d|Lazy\w*Conv\w*|ConvTranspose[123]d|_ConvNd")

_LINEAR = "output units: torch's Linear stores outputs x inputs"
_WRITER = "output units, here the model's dimensions; axis={'PATTERN': 'columns'} gives the neurons' writing directions"


class Kernel(Lines):
    """The kernel of a convolution: one feature per output channel, everything else in one row."""


def layer_layout(tensors: Mapping[str, TensorInfo], hints: Hints) -> dict[str, Lines]:
    """Decide the axes of plain layers.

    Parameters
    ----------
    tensors : mapping of str to TensorInfo
        All tensors of the source; those of dictionaries are decided elsewhere.
    hints : Hints
        What else is known.

    Returns
    -------
    dict of str to Lines
        For every tensor of two or more dimensions.
    """
    plain = {plain_name(name): info for name, info in tensors.items()}
    transposed = _gpt2_is_transposed(plain, hints)
    found = {}
    for given, info in tensors.items():  # several may have one plain name, as x/a and x.a have
        name = plain_name(given)
        if len(info.shape) == 2:
            found[info.name] = _matrix(name, info, plain, hints, transposed)
        elif len(info.shape) > 2:
            found[info.name] = _stack(name, info, plain, hints)
    return found


def _rows(reason: str) -> Lines:
    return Lines(0, 1, reason)


def _columns(reason: str) -> Lines:
    return Lines(1, 0, reason)


def _matrix(
    name: str, info: TensorInfo, plain: Mapping[str, TensorInfo], hints: Hints, transposed: bool
) -> Lines:
    leaf, kind = name.rpartition(".")[2], hints.classes.get(info.name, "")
    if kind == "MatMul":
        return _columns("output units: the graph multiplies by inputs x outputs")
    if kind == "Embedding":
        return _rows("one per token or position: an embedding")
    if kind == "Conv1D" or (transposed and not kind):
        if _GPT2_WRITES.fullmatch(name):
            return _rows("Conv1D stores inputs x outputs: what each input unit writes")
        if kind == "Conv1D" or _GPT2_READS.fullmatch(name):
            return _columns("Conv1D stores inputs x outputs: what each output unit reads")
    lens = _transformer_lens(name, info, plain)
    if lens is not None:
        return lens
    bias = _bias(name, plain)
    if bias is not None and info.shape[1] == bias != info.shape[0]:
        return _columns(f"output units: its bias has one entry per column ({bias})")
    if leaf == "kernel":
        return _columns("output units: Flax and Keras store a kernel as inputs x outputs")
    if _WRITERS.fullmatch(name):
        return _rows(_WRITER)
    if _EMBEDDING.fullmatch(name):
        return _rows("one per token or position: an embedding")
    if leaf == "weight":
        return _rows(_LINEAR)
    return _rows("rows, as nothing says otherwise")


def _bias(name: str, plain: Mapping[str, TensorInfo]) -> int | None:
    """Length of the bias that belongs to a weight."""
    stem, _, leaf = name.rpartition(".")
    beside = [f"{stem}.bias" if stem else "bias"] if leaf in ("weight", "kernel") else []
    for bias in (*beside, f"{name}_bias"):
        info = plain.get(bias)
        if info is not None and info.shape and bias != name:
            return info.shape[-1]
    return None


def _gpt2_is_transposed(plain: Mapping[str, TensorInfo], hints: Hints) -> bool:
    """Tell Conv1D, which stores inputs x outputs, from the Linears that other models call by its names."""
    votes = 0
    for name, info in plain.items():
        if len(info.shape) != 2 or not _GPT2_READS.fullmatch(name) or info.name in hints.classes:
            continue
        rows, columns = info.shape
        bias = _bias(name, plain)
        if bias is not None and rows != columns:
            votes += 1 if bias == columns else -1
        elif name.endswith("c_attn.weight"):
            votes += 1 if columns == 3 * rows else -1
    if votes:
        return votes > 0
    return hints.config.get("model_type") in _GPT2_MODELS


def _transformer_lens(name: str, info: TensorInfo, plain: Mapping[str, TensorInfo]) -> Lines | None:
    prefix, _, leaf = name.rpartition(".")
    beside = f"{prefix}." if prefix else ""
    if leaf == "W_U":
        return _columns("W_U is dimensions x tokens")
    if leaf in ("W_E", "W_pos"):
        return _rows(f"{leaf} has one row per {'token' if leaf == 'W_E' else 'position'}")
    if leaf not in ("W_in", "W_gate", "W_out"):
        return None
    partner = plain.get(beside + ("W_in" if leaf == "W_out" else "W_out"))
    bias = plain.get(f"{beside}b_in")
    pair = partner is not None and partner.shape == info.shape[::-1]
    neurons = bias is not None and bias.shape and bias.shape[-1] == info.shape[0 if leaf == "W_out" else 1]
    if not (neurons or pair or "mlp" in prefix.split(".") or "experts" in prefix.split(".")):
        return None
    if leaf == "W_out":
        return _rows("W_out is neurons x dimensions: what each neuron writes")
    return _columns(f"{leaf} is dimensions x neurons: what each neuron reads")


def _stack(name: str, info: TensorInfo, plain: Mapping[str, TensorInfo], hints: Hints) -> Lines:
    n_dims, kind = len(info.shape), hints.classes.get(info.name, "")
    heads = _HEADS.fullmatch(name)
    if heads and n_dims in (3, 4):
        if heads["which"] == "O":
            return Lines(n_dims - 2, n_dims - 1, "W_O is heads x head dimensions x dimensions", "head")
        return Lines(
            n_dims - 1, n_dims - 2, f"W_{heads['which']} is heads x dimensions x head dimensions", "head"
        )
    if _is_convolution(name, info, plain, kind):
        output = _output_channels(name, info, plain, kind)
        what = "one kernel per output channel: (inputs x kernel) in a row"
        return Kernel(output, n_dims - 1, what)
    what = "expert" if _EXPERTS.fullmatch(name) else "slice"
    return _experts(name, info, plain, what)


def _is_convolution(name: str, info: TensorInfo, plain: Mapping[str, TensorInfo], kind: str) -> bool:
    if kind:
        return bool(_CONVOLUTIONS.fullmatch(kind)) or "Conv" in kind
    if not 3 <= len(info.shape) <= 5:
        return False
    parts = name.split(".")
    if any("conv" in part.lower() for part in parts):
        return True
    if _EXPERTS.fullmatch(name):
        return False
    bias = plain.get(".".join([*parts[:-1], "bias"]))
    one_per_output = bias is not None and len(bias.shape) == 1 and bias.shape[0] in info.shape[:2]
    return parts[-1] in ("weight", "kernel") and (bias is None or one_per_output)


def _output_channels(name: str, info: TensorInfo, plain: Mapping[str, TensorInfo], kind: str) -> int:
    """Find the axis of output channels: the first, but for transposed convolutions and Flax."""
    bias = _bias(name, plain)
    if "Transpose" in kind or (bias is not None and info.shape[1] == bias != info.shape[0]):
        return 1
    if name.endswith(".kernel"):
        return len(info.shape) - 1
    return 0


def _experts(name: str, info: TensorInfo, plain: Mapping[str, TensorInfo], what: str) -> Lines:
    """Read a stack of layers: outputs x inputs, unless biases or its partner show the reverse."""
    first, second = len(info.shape) - 2, len(info.shape) - 1
    rows, columns = info.shape[-2:]
    bias = _bias(name, plain)
    if bias is not None and rows != columns and bias in (rows, columns):
        which = (first, second) if bias == rows else (second, first)
        return Lines(*which, f"output units: its bias has one entry for each ({bias})", what)
    stem, _, leaf = name.rpartition(".")
    partner = {"gate_up_proj": "down_proj", "down_proj": "gate_up_proj"}.get(leaf)
    other = plain.get(f"{stem}.{partner}" if stem else partner) if partner else None
    if other is not None and len(other.shape) == len(info.shape):
        fused, down = (info.shape, other.shape) if leaf == "gate_up_proj" else (other.shape, info.shape)
        if fused[-2] == down[-1] and fused[-1] == 2 * down[-2] and fused[-2] != 2 * down[-1]:
            return Lines(
                second, first, "output units: shapes show that layers are stored inputs x outputs", what
            )
        return Lines(first, second, "output units: shapes show that layers are stored outputs x inputs", what)
    return Lines(first, second, "rows of each slice, as nothing says otherwise", what)
