"""The tokens of a model, from the tokenizer's files beside its weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["VOCABULARIES", "lists_tokens", "parse_vocabulary", "read_vocabularies"]

VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt")
"""What they are called, in the order in which they are looked for."""

_MAX_BYTES = 200_000_000
"""Longest file that is read; tokenizers of 250 000 tokens take 20 MB."""


_TOKENS = re.compile(
    r"\w*embed\w*|\w*embd\w*|wte|emb|shared|word\w*|lm_head|w_e|w_u|output_projection|decoder", re.IGNORECASE
)
_OTHERS = re.compile(r".*(pos|type|segment|time|patch|layer_emb|wpe).*", re.IGNORECASE)
"""Names of embeddings and of projections to tokens; names of embeddings of something else."""


def lists_tokens(name: str) -> bool:
    """Tell by its name whether a matrix may have a feature for each token.

    Parameters
    ----------
    name : str
        Of a tensor.

    Returns
    -------
    bool

    Examples
    --------
    >>> names = ("embeddings.word_embeddings.weight", "wpe.weight", "lm_head.weight", "output.weight", "fc.weight")
    >>> [lists_tokens(name) for name in names]
    [True, False, True, True, False]
    """
    parts = [part for part in re.split(r"[./]", name) if part not in ("weight", "kernel")]
    if parts == ["output"]:  # of GGUF, and of Llama's own files
        return True
    last = parts[-2:]
    return any(_TOKENS.fullmatch(part) for part in last) and not any(_OTHERS.fullmatch(part) for part in last)


def read_vocabularies(folders: Iterable[Path]) -> list[tuple[Path, tuple[str, ...]]]:
    """Read the tokens of the models in some folders.

    Parameters
    ----------
    folders : iterable of Path
        Where weights are.

    Returns
    -------
    list of (Path, tuple of str)
        Each file that gives a token for every number from 0, with its tokens in their order and as it spells them.
        Files that cannot be read so are passed over: labels are never needed.
    """
    found = []
    for path in (folder / name for folder in dict.fromkeys(folders) for name in VOCABULARIES):
        try:
            content = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b""
        except OSError:
            continue
        tokens = parse_vocabulary(path.name, content)
        if tokens:
            found.append((path, tokens))
    return found


def parse_vocabulary(name: str, content: bytes) -> tuple[str, ...]:
    """Read the tokens of one file.

    Parameters
    ----------
    name : str
        Its name, which tells what it is.
    content : bytes
        What stands in it.

    Returns
    -------
    tuple of str
        Empty where it does not give one token for every number from 0.
    """
    try:
        text = content.decode("utf-8")
        numbers = _PARSERS[name](text)
    # What is no tokenizer's file can hold anything.
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ()
    if not all(type(number) is int and isinstance(token, str) for token, number in numbers.items()):
        return ()
    tokens = {number: token for token, number in numbers.items()}
    if set(tokens) != set(range(len(tokens))):
        return ()
    return tuple(tokens[number] for number in range(len(tokens)))


def _of_tokenizer(text: str) -> dict[str, int]:
    """Read what the package tokenizers writes: the model's tokens, and those that were added."""
    held = json.loads(text)
    tokens = held["model"]["vocab"]
    if isinstance(tokens, list):  # pairs of token and logarithm of its frequency, in their order
        tokens = {token: number for number, (token, _) in enumerate(tokens)}
    return {**tokens, **{each["content"]: each["id"] for each in held.get("added_tokens") or ()}}


def _of_lines(text: str) -> dict[str, int]:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return {line.removesuffix("\r"): number for number, line in enumerate(lines)}


_PARSERS: dict[str, Callable[[str], dict[Any, Any]]] = {
    "tokenizer.json": _of_tokenizer,
    "vocab.json": lambda text: dict(json.loads(text)),
    "vocab.txt": _of_lines,
}
