"""Sparse dictionaries and models written the way that their producers write them, with what must come out.

Each layout takes the features of encoder and decoder as rows, n x m, and gives the tensors that a producer's file
holds, and for each matrix that an analysis should find the features that it holds. Slice i of a stack is (i + 1)
times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


@dataclass
class Written:
    """Tensors as a producer stores them, and the features of each matrix, one per row."""

    tensors: Tensors
    features: dict[str, Tensor]
    skipped: list[str] = field(default_factory=list)


def stacked(X: Tensor, count: int, dim: int) -> Tensor:
    """Slices of growing length along a new axis."""
    return torch.stack([X * (i + 1) for i in range(count)], dim).contiguous()


def slices(name: str, X: Tensor, count: int) -> dict[str, Tensor]:
    return {f"{name}[{i}]": X * (i + 1) for i in range(count)}


def biases(E: Tensor, per_feature: str = "b_enc", per_dimension: str = "b_dec") -> Tensors:
    n, m = E.shape
    return {per_feature: torch.full((n,), 0.1), per_dimension: torch.full((m,), 0.2)}


def decoder_first(enc: str, dec: str, *others: str) -> Callable[[Tensor, Tensor], Written]:
    """Encoder dimensions x features, decoder features x dimensions, and more tensors with one entry per feature."""

    def write(E: Tensor, D: Tensor) -> Written:
        more = {name: torch.full((len(E),), 0.3) for name in others}
        return Written({enc: E.T.contiguous(), dec: D.clone(), **biases(E), **more}, {enc: E, dec: D})

    return write


def linears(
    enc: str = "encoder.weight",
    dec: str = "decoder.weight",
    per_feature: str = "encoder.bias",
    per_dim: str = "bias",
) -> Callable[[Tensor, Tensor], Written]:
    """Two torch Linears."""

    def write(E: Tensor, D: Tensor) -> Written:
        tensors = {enc: E.clone(), dec: D.T.contiguous(), **biases(E, per_feature, per_dim)}
        return Written(tensors, {enc: E, dec: D})

    return write


def temporal(E: Tensor, D: Tensor) -> Written:
    bias = torch.full((1, D.shape[1]), 0.2)
    return Written({"D": D.clone(), "E": E.T.contiguous(), "b_dec": bias}, {"D": D, "E": E}, ["b_dec"])


def features_first(E: Tensor, D: Tensor) -> Written:
    tensors = {
        "W_enc": E.clone(),
        "W_dec": D.clone(),
        **biases(E),
        "activation_function.threshold": torch.ones(len(E)),
    }
    return Written(tensors, {"W_enc": E, "W_dec": D})


def encoder_first(E: Tensor, D: Tensor) -> Written:
    return Written({"W_enc": E.clone(), "W_dec": D.T.contiguous(), **biases(E)}, {"W_enc": E, "W_dec": D})


def sparsify(E: Tensor, D: Tensor) -> Written:
    n, m = E.shape
    tensors = {
        "encoder.weight": E.clone(),
        "encoder.bias": torch.ones(n),
        "W_dec": D.clone(),
        "b_dec": torch.ones(m),
    }
    return Written(tensors, {"encoder.weight": E, "W_dec": D})


def gated(E: Tensor, D: Tensor) -> Written:
    n, m = E.shape
    per_feature = {name: torch.ones(n) for name in ("gate_bias", "mag_bias", "r_mag")}
    weights = {"encoder.weight": E.clone(), "decoder.weight": D.T.contiguous()}
    return Written(
        {**weights, "decoder_bias": torch.ones(m), **per_feature}, {"encoder.weight": E, "decoder.weight": D}
    )


def crosscoder_of_gemma_scope(E: Tensor, D: Tensor) -> Written:
    tensors = {
        "w_enc": stacked(E.T, 2, 0),
        "w_dec": stacked(D, 2, 1),
        "b_enc": torch.ones(len(E)),
        "b_dec": torch.ones(2, E.shape[1]),
    }
    return Written(tensors, {**slices("w_enc", E, 2), **slices("w_dec", D, 2)}, ["b_dec"])


def crosscoder_of_dictionary_learning(E: Tensor, D: Tensor) -> Written:
    tensors = {
        "encoder.weight": stacked(E.T, 3, 0),
        "encoder.bias": torch.ones(len(E)),
        "decoder.weight": stacked(D, 3, 0),
        "decoder.bias": torch.ones(3, E.shape[1]),
    }
    return Written(
        tensors, {**slices("encoder.weight", E, 3), **slices("decoder.weight", D, 3)}, ["decoder.bias"]
    )


def cross_layer(E: Tensor, D: Tensor) -> Written:
    n, m = E.shape
    tensors = {}
    features = {}
    for layer, reach in ((0, 3), (1, 2), (2, 1)):
        tensors[f"W_enc_{layer}"] = E.clone()
        tensors[f"b_enc_{layer}"] = torch.ones(n)
        tensors[f"b_dec_{layer}"] = torch.ones(m)
        tensors[f"W_dec_{layer}"] = stacked(D, reach, 1)
        features[f"W_enc_{layer}"] = E
        features |= slices(f"W_dec_{layer}", D, reach)
    return Written(tensors, features)


def llamascopium_cross_layer(E: Tensor, D: Tensor) -> Written:
    n, m = E.shape
    tensors = {
        "W_E": stacked(E.T, 2, 0),
        "b_E": torch.ones(2, n),
        "b_D": torch.ones(2, m),
        "W_D.0": stacked(D, 1, 0),
        "W_D.1": stacked(D, 2, 0),
    }
    features = {**slices("W_E", E, 2), **slices("W_D.0", D, 1), **slices("W_D.1", D, 2)}
    return Written(tensors, features, ["b_E", "b_D"])


def within(prefix: str, write: Callable[[Tensor, Tensor], Written]) -> Callable[[Tensor, Tensor], Written]:
    """The same under names that begin otherwise, as in a compiled module or a checkpoint."""

    def written(E: Tensor, D: Tensor) -> Written:
        inner = write(E, D)
        return Written(
            {prefix + name: tensor for name, tensor in inner.tensors.items()},
            {prefix + name: X for name, X in inner.features.items()},
            [prefix + name for name in inner.skipped],
        )

    return written


def among_optimisers(write: Callable[[Tensor, Tensor], Written]) -> Callable[[Tensor, Tensor], Written]:
    """A checkpoint of training: the dictionary, Adam's moments of it, and an average."""

    def written(E: Tensor, D: Tensor) -> Written:
        inner = within("ae.", write)(E, D)
        state = {f"optimizer.state.0.{name}": torch.rand(E.shape) for name in ("exp_avg", "exp_avg_sq")} | {
            "ema_model.encoder.weight": torch.rand(E.shape)
        }
        return Written({**inner.tensors, **state}, inner.features, [*inner.skipped, *state])

    return written


LAYOUTS: dict[str, Callable[[Tensor, Tensor], Written]] = {
    "saelens": decoder_first("W_enc", "W_dec"),
    "saelens jumprelu": decoder_first("W_enc", "W_dec", "threshold"),
    "saelens temporal": temporal,
    "gemma scope 2": decoder_first("w_enc", "w_dec", "threshold"),
    "qwen scope": encoder_first,
    "circuit-tracer": features_first,
    "cross-layer transcoder": cross_layer,
    "sparsify": sparsify,
    "dictionary_learning": linears(),
    "dictionary_learning top-k": linears(per_dim="b_dec"),
    "dictionary_learning gated": gated,
    "dictionary_learning crosscoder": crosscoder_of_dictionary_learning,
    "gemma scope 2 crosscoder": crosscoder_of_gemma_scope,
    "llama scope": linears(per_dim="decoder.bias"),
    "llamascopium cross-layer": llamascopium_cross_layer,
    "openai": linears(per_feature="latent_bias", per_dim="pre_bias"),
    "goodfire": linears(
        "encoder_linear.weight", "decoder_linear.weight", "encoder_linear.bias", "decoder_linear.bias"
    ),
    "apollo": within("saes.blocks-6-hook_resid_pre.", linears("encoder.0.weight", per_feature="encoder.0.bias")),
    "compiled": within("_orig_mod.", linears()),
    "compiled inside": linears("encoder._orig_mod.weight", "decoder._orig_mod.weight", "encoder._orig_mod.bias"),
    "checkpoint": among_optimisers(linears()),
    "checkpoint of another": among_optimisers(encoder_first),
}  # fmt: skip
"""By producer."""

BY_HAND = {
    "saelens",
    "saelens jumprelu",
    "saelens temporal",
    "gemma scope 2",
    "gemma scope 2 crosscoder",
    "qwen scope",
    "circuit-tracer",
    "checkpoint of another",
    "llamascopium cross-layer",
}
"""Producers that share names and differ in orientation: where lengths do not tell, names alone cannot."""
