"""A Hugging Face model on this machine, as `suffix_from` wants it: eval mode, tokens of sentences, names of layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregeom.errors import MissingExtraError, ParameterError, SourceError
from featuregeom.memory import NoRoomError, loading, reading

if TYPE_CHECKING:
    import torch

__all__ = ["layers", "load", "read_sentences"]

_LAYER = re.compile(r"(?P<stack>(?:.*\.)?(?:layer|layers|h|block|blocks))\.(?P<number>\d+)")


def load(folder: Path, sentences: Sequence[str]) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Load a model in eval mode, and the tokens of sentences, padded to one length.

    Nothing is downloaded.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    SourceError
        If the folder holds no model that transformers can load, or no tokenizer.
    ParameterError
        If there are fewer than three sentences.
    """
    try:
        with loading("transformers"):
            import transformers
    except ImportError as error:
        raise MissingExtraError("Hugging Face models need transformers: pip install transformers") from error
    if len(sentences) < 3:
        raise ParameterError(
            f"directions between activations need at least three sentences, got {len(sentences)}"
        )
    if not (folder / "config.json").is_file():
        raise SourceError(f"{folder} is no folder with a config.json of a Hugging Face model")
    # Its bars would run between the progress bars of the command line.
    logging: Any = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    try:
        with reading(str(folder), size):
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            if tokenizer.pad_token is None:
                tokenizer.pad_token = tokenizer.eos_token
            model: torch.nn.Module = transformers.AutoModel.from_pretrained(folder, local_files_only=True)
            inputs = dict(tokenizer(list(sentences), return_tensors="pt", padding=True))
    except NoRoomError:
        raise
    except Exception as error:  # transformers raises what its many parts raise
        raise SourceError(f"transformers cannot load {folder}: {error}") from error
    finally:
        if shown:
            logging.enable_progress_bar()
    return model.eval(), inputs


def layers(model: torch.nn.Module) -> tuple[str, str]:
    """Give the names of the first and the last layer of the longest numbered stack of a transformer.

    Raises
    ------
    ParameterError
        If no stack with at least two layers is found.
    """
    stacks: dict[str, list[int]] = {}
    for name, _ in model.named_modules():
        found = _LAYER.fullmatch(name)
        if found is not None:
            stacks.setdefault(found["stack"], []).append(int(found["number"]))
    if not stacks or max(map(len, stacks.values())) < 2:
        raise ParameterError("the model has no numbered layers: name the modules to move and to compare")
    stack = max(stacks, key=lambda name: len(stacks[name]))
    return f"{stack}.{min(stacks[stack])}", f"{stack}.{max(stacks[stack])}"


def read_sentences(path: Path) -> list[str]:
    """Read one sentence per line, empty lines left out; SourceError if the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read sentences from {path}: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
