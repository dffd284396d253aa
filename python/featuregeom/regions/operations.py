"""What each operation of torch does to values that depend on the input: names, and which arguments may move."""

from __future__ import annotations

__all__ = [
    "AFFINE", "BENDS", "CASTS", "ENDS", "FREE", "POOLS", "PRODUCTS", "SHAPES", "SUMS", "canonical",
]  # fmt: skip

SHAPES = frozenset(
    [
        "broadcast_to", "chunk", "clone", "contiguous", "detach", "expand", "expand_as", "flatten", "flip", "getitem",
        "movedim", "narrow", "permute", "ravel", "repeat", "reshape", "reshape_as", "roll", "select", "split",
        "split_with_sizes", "squeeze", "swapaxes", "t", "tensor_split", "tile", "transpose", "unbind", "unflatten",
        "unsqueeze", "view", "view_as",
    ]
)  # fmt: skip
"""Entries in another order or shape."""

AFFINE = SHAPES | frozenset(
    [
        "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "alpha_dropout", "avg_pool1d",
        "avg_pool2d", "avg_pool3d", "batch_norm", "cumsum", "diagonal", "diff", "div", "divide", "dropout",
        "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout", "fold", "gather", "identity", "index_select",
        "interpolate", "masked_fill", "mean", "neg", "pad", "pixel_shuffle", "pixel_unshuffle", "positive", "sum",
        "trace", "tril", "triu", "true_divide", "unfold", "upsample",
    ]
)  # fmt: skip
"""Affine in the first argument while the others are constant: a denominator, or a variance, must not move."""

PRODUCTS = frozenset(
    [
        "addmm", "addmv", "baddbmm", "bilinear", "bmm", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
        "conv_transpose2d", "conv_transpose3d", "dot", "einsum", "inner", "kron", "linear", "matmul", "mm", "mul",
        "multiply", "mv", "outer", "tensordot",
    ]
)  # fmt: skip
"""Affine in any one argument while the others are constant."""

SUMS = frozenset(
    [
        "add", "cat", "concat", "concatenate", "dstack", "hstack", "rsub", "setitem", "stack", "sub", "subtract",
        "vstack", "where",
    ]
)  # fmt: skip
"""Affine in all values together; conditions, indices and factors must not move."""

CASTS = frozenset(
    [
        "bfloat16", "bool", "byte", "char", "double", "float", "half", "int", "long", "short", "to", "type", "type_as",
    ]
)  # fmt: skip
"""Other element types: between float32 and float64 nothing changes, for everything runs in float64."""

FREE = frozenset(
    [
        "data_ptr", "dim", "get", "is_contiguous", "is_floating_point", "len", "ndimension", "numel",
        "requires_grad", "shape", "size", "stride", "untyped_storage",
    ]
)  # fmt: skip
"""What is asked of a tensor without its values."""

ENDS = frozenset({"softmax", "log_softmax", "sigmoid", "logsigmoid", "log_sigmoid"})
"""Left out where they come last: the output is then what goes into them."""

POOLS = frozenset(
    f"{kind}max_pool{d}d{end}"
    for kind in ("", "adaptive_")
    for d in (1, 2, 3)
    for end in ("", "_with_indices")
)

BENDS = frozenset(
    [
        "abs", "absolute", "clamp", "clamp_max", "clamp_min", "clip", "hardtanh", "leaky_relu", "prelu", "relu",
        "relu6", "softshrink", "threshold",
    ]
)  # fmt: skip

_OPERATORS = {
    f"{turn}{operator}": operator if operator != "truediv" else "div"
    for operator in ("add", "sub", "mul", "truediv", "matmul")
    for turn in ("", "r", "i")
} | {"rtruediv": "rdiv", "rdiv": "rdiv"}


def canonical(name: str) -> str:
    """Give one name to an operation, its operator and its variant in place: ``__iadd__`` and ``add_`` are add."""
    if name.startswith("__") and name.endswith("__"):
        return _OPERATORS.get(name[2:-2], name[2:-2])
    return name.strip("_")
