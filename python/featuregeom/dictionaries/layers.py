"""The verdicts of many matrices in a few lines: by what the layers are for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["by_layers", "layers_of"]

_LAYERS = (
    ("queries", r"(^|[._])(q|query|q_proj|wq|w_q)([._]|$)"),
    ("keys", r"(^|[._])(k|key|k_proj|wk|w_k)([._]|$)"),
    ("values", r"(^|[._])(v|value|v_proj|wv|w_v)([._]|$)"),
    (
        "attention outputs",
        r"(attn|attention).*(output|out_proj|o_proj|c_proj|wo|w_o|dense)([._]|$)|(^|[._])(o_proj|out_proj)([._]|$)",
    ),
    ("MLP inputs", r"(^|[._])(intermediate|c_fc|fc1|up_proj|gate_proj|w_in|wi|lin1|dense_h_to_4h)([._]|$)"),
    ("MLP outputs", r"(^|[._])(output|c_proj|fc2|down_proj|w_out|lin2|dense_4h_to_h)([._]|$)"),
    ("embeddings", r"(embed|embeddings|wte|wpe|lm_head|unembed)"),
)
"""What a layer is for, by its name; the first that fits."""

_OTHER = "others"

_COLUMNS = ("significant_pairs", "opposite_pairs", "gathered_features")


def layers_of(name: str) -> str:
    """Say what a weight is for, by its name: queries, keys, values, MLP inputs ..., or others.

    Examples
    --------
    >>> layers_of("encoder.layer.0.attention.self.query.weight"), layers_of("h.3.mlp.c_proj.weight")
    ('queries', 'MLP outputs')
    """
    lowered = name.lower()
    return next((layers for layers, pattern in _LAYERS if re.search(pattern, lowered)), _OTHER)


def by_layers(matrices: pd.DataFrame) -> list[dict[str, Any]]:
    """Sum up the verdicts of a table of matrices, a row for each kind of layer.

    Parameters
    ----------
    matrices : DataFrame
        The matrices table of an analysis.

    Returns
    -------
    list of dict
        ``layers, matrices, verdicts, significant_pairs, opposite_pairs, gathered_features``: verdicts counts the
        sentences. Empty where no matrix has a verdict.
    """
    judged = matrices.loc[matrices["verdict"] != ""] if "verdict" in matrices else matrices.iloc[:0]
    order = [layers for layers, _ in _LAYERS] + [_OTHER]
    kinds = judged["matrix"].map(layers_of)
    found = []
    for layers in order:
        part = judged.loc[kinds == layers]
        if not len(part):
            continue
        counts = part["verdict"].value_counts()
        found.append(
            {
                "layers": layers,
                "matrices": len(part),
                "verdicts": {str(name): int(counts[name]) for name in counts.index},
                **{column: int(part[column].sum()) for column in _COLUMNS},
            }
        )
    return found
