"""Who stores which tensors how: the layouts of sparse dictionaries and of models, as data.

The tables of `docs/reference/formats.md` are made from these records by ``python docs/generate.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["DICTIONARIES", "MODELS", "DictionaryFormat", "ModelFormat", "recognise"]

Order = Literal["features x dimensions", "dimensions x features"]

_FEATURES_FIRST: Order = "features x dimensions"
_DIMENSIONS_FIRST: Order = "dimensions x features"


@dataclass(frozen=True)
class DictionaryFormat:
    """How one producer stores a sparse dictionary.

    Attributes
    ----------
    format : str
        Name of the format.
    producer : str
        Who writes it.
    names : tuple of str
        Regular expressions: each fits the name of some tensor, without prefixes.
    encoder, decoder : str
        Which axes its encoders and decoders list.
    files : str
        Regular expression for the names of its files; empty where they can be called anything.
    config : frozenset of str
        Keys of a ``cfg.json`` or ``config.json`` beside it, any of which tells the format.
    packages : tuple of str
        Packages whose live modules have this layout.
    known_by_names : bool
        Whether the names of the tensors alone tell the format; otherwise file, configuration or package must too.
    stacks : bool
        Whether `encoder` and `decoder` hold for its stacks too: features first, or last.
    note : str
        What else is worth knowing.
    """

    format: str
    producer: str
    names: tuple[str, ...]
    encoder: Order
    decoder: Order
    files: str = ""
    config: frozenset[str] = field(default_factory=frozenset)
    packages: tuple[str, ...] = ()
    known_by_names: bool = False
    stacks: bool = False
    note: str = ""


DICTIONARIES = (
    DictionaryFormat(
        "sparsify",
        "EleutherAI sparsify, its transcoders with a skip too",
        (r"encoder\.weight", "W_dec"),
        _FEATURES_FIRST,
        _FEATURES_FIRST,
        r"sae\.safetensors",
        frozenset({"num_latents"}),
        ("sparsify", "sae"),
        True,
        note="`W_skip` is a plain matrix, outputs x inputs",
    ),
    DictionaryFormat(
        "dictionary_learning",
        "dictionary_learning: standard, top-k, batch top-k, gated",
        (r"encoder\.weight", r"decoder\.weight"),
        _FEATURES_FIRST,
        _DIMENSIONS_FIRST,
        r"ae(_\d+)?\.pt",
        frozenset({"trainer"}),
        ("dictionary_learning",),
        note="two Linears; the crosscoder's are slices of a stack",
    ),
    DictionaryFormat(
        "dictionary_learning",
        "dictionary_learning: JumpReLU, matryoshka",
        ("W_enc", "W_dec"),
        _DIMENSIONS_FIRST,
        _FEATURES_FIRST,
        r"ae(_\d+)?\.pt",
        frozenset({"trainer"}),
        ("dictionary_learning",),
    ),
    DictionaryFormat(
        "saelens",
        "SAELens: standard, top-k, batch top-k, gated, JumpReLU, matryoshka, transcoders",
        ("W_enc", "W_dec"),
        _DIMENSIONS_FIRST,
        _FEATURES_FIRST,
        r"sae_weights\.safetensors",
        frozenset({"d_sae"}),
        ("sae_lens",),
        note="`sparsity.safetensors` beside it gives the column `density`",
    ),
    DictionaryFormat(
        "saelens",
        "SAELens: temporal",
        ("D", "E"),
        _DIMENSIONS_FIRST,
        _FEATURES_FIRST,
        r"sae_weights\.safetensors",
        frozenset({"d_sae"}),
        ("sae_lens",),
    ),
    DictionaryFormat(
        "gemma-scope",
        "Gemma Scope 1 and 2: SAEs, transcoders (affine skip too), crosscoders",
        ("[Ww]_enc", "[Ww]_dec"),
        _DIMENSIONS_FIRST,
        _FEATURES_FIRST,
        r"params\.(npz|safetensors)",
        stacks=True,
        note="`affine_skip_connection` is a plain matrix; crosscoders: `w_enc` is sides x dimensions x features, "
        "`w_dec` features x sides x dimensions",
    ),
    DictionaryFormat(
        "qwen-scope",
        "Qwen Scope",
        ("W_enc", "W_dec"),
        _FEATURES_FIRST,
        _DIMENSIONS_FIRST,
        r"layer_?\d+\.sae\.pt",
    ),
    DictionaryFormat(
        "circuit-tracer",
        "circuit-tracer: transcoders, one file per layer",
        ("W_enc", "W_dec", r"activation_function\.threshold"),
        _FEATURES_FIRST,
        _FEATURES_FIRST,
        known_by_names=True,
    ),
    DictionaryFormat(
        "cross-layer-transcoder",
        "circuit-tracer: cross-layer transcoders, one file per layer",
        (r"W_enc_\d+", r"W_dec_\d+"),
        _FEATURES_FIRST,
        _FEATURES_FIRST,
        r"W_(enc|dec)_\d+\.safetensors",
        known_by_names=True,
        stacks=True,
        note="`W_dec_i` is features x layers written to x dimensions",
    ),
    DictionaryFormat(
        "llamascopium",
        "Llamascopium (OpenMOSS): SAEs, crosscoders, cross-layer transcoders",
        ("W_E", "W_D"),
        _DIMENSIONS_FIRST,
        _FEATURES_FIRST,
        r"sae_weights\.safetensors",
        frozenset({"hook_point_in"}),
        ("lm_saes", "llamascopium"),
        True,
    ),
    DictionaryFormat(
        "openai-top-k",
        "OpenAI sparse_autoencoder",
        (r"encoder\.weight", r"decoder\.weight", "latent_bias", "pre_bias"),
        _FEATURES_FIRST,
        _DIMENSIONS_FIRST,
        known_by_names=True,
    ),
    DictionaryFormat(
        "llama-scope",
        "Llama Scope, Llama Scope R1",
        (r"encoder\.weight", r"decoder\.weight"),
        _FEATURES_FIRST,
        _DIMENSIONS_FIRST,
        r"(final|sae_weights)\.safetensors",
    ),
    DictionaryFormat(
        "goodfire",
        "Goodfire",
        (r"encoder_linear\.weight", r"decoder_linear\.weight"),
        _FEATURES_FIRST,
        _DIMENSIONS_FIRST,
        known_by_names=True,
    ),
    DictionaryFormat(
        "e2e-sae",
        "Apollo e2e_sae",
        (r"encoder\.0\.weight", r"decoder\.weight"),
        _FEATURES_FIRST,
        _DIMENSIONS_FIRST,
        known_by_names=True,
    ),
)
"""In the order in which they are tried."""


@dataclass(frozen=True)
class ModelFormat:
    """How the matrices of a model are read.

    Attributes
    ----------
    what, known_by, read_as : str
        Which tensors, what tells them, and what their features are.
    """

    what: str
    known_by: str
    read_as: str


MODELS = (
    ModelFormat(
        "torch `Linear`",
        "any other matrix",
        "rows: output units; of an MLP's second layer the model's "
        "dimensions, where `--axis PATTERN=columns` gives the neurons' writing directions",
    ),
    ModelFormat(
        "torch `Embedding`", "class of the live module, or the name", "rows: one per token or position"
    ),
    ModelFormat(
        "GPT-2 `Conv1D`: `c_attn`, `c_fc`, `c_proj`",
        "class of the live module; `model_type` in `config.json`; "
        "or a bias or shape that shows inputs x outputs",
        "`c_attn`, `c_fc`: columns, what each unit reads; `c_proj`: rows, what each unit writes",
    ),
    ModelFormat(
        "TransformerLens `W_in`, `W_gate`, `W_U`",
        "name, with `mlp.`, `b_in` or its partner",
        "columns: neurons; tokens",
    ),
    ModelFormat("TransformerLens `W_out`, `W_E`, `W_pos`", "name", "rows: neurons; tokens; positions"),
    ModelFormat(
        "TransformerLens `W_Q`, `W_K`, `W_V` / `W_O`",
        "name, heads first",
        "a slice per head; columns / rows: dimensions of the head",
    ),
    ModelFormat(
        "Flax and Keras `kernel`", "name, or a bias with one entry per column", "columns: output units"
    ),
    ModelFormat(
        "convolutions",
        "class, name, or a `.weight` of 3 to 5 dimensions",
        "rows: one kernel per output channel, (inputs x height x width)",
    ),
    ModelFormat(
        "experts and other stacks",
        "3 and more dimensions",
        "a slice for each; rows of outputs x inputs where shapes or biases do not show the reverse",
    ),
    ModelFormat(
        "LoRA `lora_A`, `lora_B`", "names", "rows: output units, and their product `lora_BA` beside them"
    ),
    ModelFormat(
        "ONNX initialisers", "the operation that uses them", "columns of a `MatMul`, else as torch's layers"
    ),
    ModelFormat("attention, with `--heads`", "names and `config.json`", "the dimensions of each head"),
)


def recognise(
    names: Iterable[str], weights: Iterable[str], file: str, config: Mapping[str, Any], package: str
) -> DictionaryFormat | None:
    """Find the format of a dictionary.

    Parameters
    ----------
    names : iterable of str
        Its tensors, without prefixes.
    weights : iterable of str
        Those of them that are encoders and decoders.
    file : str
        Name of the file that holds them.
    config : mapping
        The configuration beside it.
    package : str
        The package of the live module.

    Returns
    -------
    DictionaryFormat or None
        One that package, file or configuration tells and that has all these weights; or whose names, all there,
        tell it.
    """
    held, matrices = list(names), list(weights)

    def has_weights(each: DictionaryFormat) -> bool:
        return all(any(re.fullmatch(name, given) for name in each.names) for given in matrices)

    def is_whole(each: DictionaryFormat) -> bool:
        return all(any(re.fullmatch(name, given) for given in held) for name in each.names)

    tells: tuple[Callable[[DictionaryFormat], bool], ...] = (
        lambda each: package in each.packages and has_weights(each),
        lambda each: bool(each.files and re.fullmatch(each.files, file)) and has_weights(each),
        lambda each: not each.config.isdisjoint(config) and has_weights(each),
        lambda each: each.known_by_names and is_whole(each) and has_weights(each),
    )
    for told in tells:
        for each in DICTIONARIES:
            if told(each):
                return each
    return None
