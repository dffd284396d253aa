"""What each operation of torch does to values that depend on the input: one table, every name in one group.

Functions (`torch.nn.functional`, methods of tensors) and what torch's dispatcher calls for them often share a name;
where they do not, both are here. `tracing` sees functions and must know an operation to take it for piecewise linear;
`following` sees the dispatcher's and looks at what is elementwise and not in the groups that are affine.
"""

from __future__ import annotations

__all__ = [
    "AFFINE", "ATTENTION", "BENDS", "CASTS", "COMPARISONS", "ELEMENTWISE", "ENDS", "FACTORIES", "FREE", "FUSED",
    "GATES", "KERNELS", "LAYERS", "MIXING", "MIXING_FAMILIES", "POOLING", "POOLS", "POWERS", "PRODUCTS", "SHAPES",
    "SQUASHING", "SUMS", "canonical",
]  # fmt: skip

# Affine.

SHAPES = frozenset({
    "broadcast_to", "chunk", "clone", "contiguous", "detach", "expand", "expand_as", "flatten", "flip", "getitem",
    "movedim", "narrow", "permute", "ravel", "repeat", "reshape", "reshape_as", "roll", "select", "split",
    "split_with_sizes", "squeeze", "swapaxes", "t", "tensor_split", "tile", "transpose", "unbind", "unflatten",
    "unsqueeze", "view", "view_as",
})  # fmt: skip
"""Entries in another order or shape."""

AFFINE = frozenset({
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "alpha_dropout", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "batch_norm", "cumsum", "diagonal", "diff", "div", "divide", "dropout", "dropout1d", "dropout2d",
    "dropout3d", "feature_alpha_dropout", "fold", "gather", "identity", "index_select", "interpolate", "masked_fill",
    "mean", "neg", "pad", "pixel_shuffle", "pixel_unshuffle", "positive", "sum", "trace", "tril", "triu", "true_divide",
    "unfold", "upsample",
})  # fmt: skip
"""Affine in the first argument while the others are constant: a denominator, or a variance, must not move."""

LAYERS = frozenset({
    "addmm", "addmv", "baddbmm", "bmm", "dot", "linear", "mm", "mv",
    "_convolution", "convolution", "convolution_overrideable", "cudnn_convolution", "miopen_convolution",
    "mkldnn_convolution", "mkldnn_linear",
})  # fmt: skip
"""Products with weights: what comes after these is another layer. The second line has the dispatcher's alone."""

PRODUCTS = frozenset({
    "bilinear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "einsum",
    "inner", "kron", "matmul", "mul", "multiply", "outer", "tensordot",
})  # fmt: skip
"""Affine in any one argument while the others are constant, as layers are, too."""

SUMS = frozenset({
    "add", "cat", "concat", "concatenate", "dstack", "hstack", "rsub", "setitem", "stack", "sub", "subtract", "vstack",
    "where",
})  # fmt: skip
"""Affine in all values together; conditions, indices and factors must not move."""

ELEMENTWISE = frozenset({
    "addcdiv", "addcmul", "conj_physical", "deg2rad", "ldexp", "lerp", "nan_to_num", "rad2deg",
})  # fmt: skip
"""Affine in each entry, too, while factors and denominators are constants; `tracing` does not know these."""

CASTS = frozenset({
    "bfloat16", "bool", "byte", "char", "double", "float", "half", "int", "long", "short", "to", "type", "type_as",
})  # fmt: skip
"""Other element types: between float32 and float64 nothing changes, for regions run in float64."""

# Bends.

BENDS = {
    "abs": "abs", "absolute": "abs", "clamp": "clamp", "clamp_max": "clamp", "clamp_min": "clamp", "clip": "clamp",
    "hardtanh": "hardtanh", "leaky_relu": "leaky_relu", "prelu": "prelu", "relu": "relu", "relu6": "hardtanh",
    "softshrink": None, "threshold": "threshold",
}  # fmt: skip
"""Piecewise linear in each entry, with the kind of code that its signs make; None where no code is defined."""

KERNELS = {"_prelu_kernel": "prelu", "rrelu_with_noise": "rrelu"}
"""Bends that only the dispatcher calls so."""

GATES = frozenset({"gelu", "silu"})
"""Smooth, but codes are defined: the sign of what goes in."""

POOLS = frozenset(
    f"{kind}max_pool{d}d{end}"
    for kind in ("", "adaptive_")
    for d in (1, 2, 3)
    for end in ("", "_with_indices")
)
"""Max pools: bends where two entries of a window tie."""

POOLING = ("max_pool", "adaptive_max_pool", "fractional_max_pool")
"""How all of their kind begin, exact here or not."""

# Neither affine nor a bend.

SQUASHING = frozenset({"tanh", "sigmoid", "softplus", "log_sigmoid_forward"})
"""Without a code; but after the last layer they only squash the output, as the softmax does that the paper's codes
leave out. So may any other elementwise operation that is not affine."""

ENDS = frozenset({"softmax", "log_softmax", "sigmoid", "logsigmoid", "log_sigmoid"})
"""Left out by regions where they come last: the output is then what goes into them."""

FUSED = frozenset({
    "elu", "celu", "selu", "hardswish", "hardsigmoid", "hardshrink", "softsign", "mish", "glu",
    "maximum", "minimum", "fmax", "fmin", "sign", "sgn", "heaviside", "erf", "mkldnn_rnn_layer", "_cudnn_rnn",
    "miopen_rnn", "_lstm_mps", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "_addmm_activation",
    "_transformer_encoder_layer_fwd",
})  # fmt: skip
"""Nonlinearities, and fused operations that have some inside, for which no codes are defined."""

POWERS = frozenset({"pow", "float_power", "square", "sqrt", "rsqrt", "reciprocal"})
"""Elementwise, but what normalisations are written with."""

MIXING = frozenset({
    "amax", "amin", "aminmax", "max", "min", "argmax", "argmin", "median", "nanmedian", "mode", "kthvalue", "topk",
    "sort", "argsort", "cummax", "cummin", "searchsorted", "bucketize",
    "_softmax", "_safe_softmax", "_log_softmax", "logsumexp", "logcumsumexp", "native_layer_norm",
    "native_group_norm", "_fused_rms_norm", "var", "var_mean", "std", "std_mean", "norm", "renorm", "prod", "cumprod",
    "dist", "_cdist_forward", "_euclidean_dist", "_pdist_forward", "_native_multi_head_attention",
})  # fmt: skip
"""Choose among several values, or normalise or multiply them."""

MIXING_FAMILIES = ("linalg_", "_linalg_")
"""How others of the same kind begin."""

ATTENTION = "_scaled_dot_product"
"""How the kernels of attention begin."""

COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne", "signbit"})
"""Constant in pieces."""

# Without the values.

FREE = frozenset({
    "data_ptr", "dim", "get", "is_contiguous", "is_floating_point", "len", "ndimension", "numel", "requires_grad",
    "shape", "size", "stride", "untyped_storage",
})  # fmt: skip
"""What is asked of a tensor without its values."""

FACTORIES = ("new_", "empty", "zeros", "ones", "full")
"""How what makes new tensors in the likeness of others begins: it knows nothing of their values."""

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
