"""Files as they lie on disks: folders of layers, checkpoints of trainers, caches, and what is no weight file at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import featuregeom as fg
from featuregeom.errors import DtypeError, ParameterError, SourceError
from featuregeom.regions.files import read_layers
from featuregeom.sources import open_source, torch_files
from featuregeom.sources.folders import choose


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def dictionary(seed=0):
    return {
        "W_enc": draw(8, 3, seed=seed),
        "W_dec": draw(8, 3, seed=seed + 1),
        "b_enc": torch.ones(8),
        "b_dec": torch.ones(3),
    }


def measured(source, **options):
    return {info.name: (info.n, info.m) for info in open_source(source, **options).tensors() if not info.skip}


def skipped(source, **options):
    return {info.name: info.skip for info in open_source(source, **options).tensors() if info.skip}


@pytest.mark.parametrize(
    ("save", "suffix"), [(save_file, "safetensors"), (torch.save, "pt"), (torch.save, "pth.tar")]
)
def test_a_folder_of_layers_has_prefixes_where_names_collide(tmp_path, save, suffix):
    for layer in range(3):
        save(dictionary(layer), tmp_path / f"layer_{layer}.{suffix}")
    save({"alone": draw(4, 3)}, tmp_path / f"more.{suffix}")
    expected = {f"layer_{layer}.{name}": (8, 3) for layer in range(3) for name in ("W_enc", "W_dec")}
    assert measured(tmp_path) == {**expected, "alone": (4, 3)}
    with open_source(tmp_path) as reader:
        np.testing.assert_array_equal(reader.read("layer_2.W_dec").values, dictionary(2)["W_dec"].numpy())
        assert len(reader.files) == 4
        reader.release("layer_2.W_dec")


def test_a_cross_layer_transcoder_in_several_files(tmp_path):
    """Biases are evidence across files; the last layer writes to one layer only."""
    for layer, reach in ((0, 2), (1, 1)):
        save_file(
            {f"W_enc_{layer}": draw(8, 3), f"b_enc_{layer}": torch.ones(8), f"b_dec_{layer}": torch.ones(3)},
            tmp_path / f"W_enc_{layer}.safetensors",
        )
        save_file({f"W_dec_{layer}": draw(8, reach, 3)}, tmp_path / f"W_dec_{layer}.safetensors")
    names = ("W_enc_0", "W_enc_1", "W_dec_0[0]", "W_dec_0[1]", "W_dec_1[0]")
    assert measured(tmp_path) == dict.fromkeys(names, (8, 3))


def test_folders_in_a_folder_are_listed_or_taken(tmp_path):
    for name in ("resid_0", "resid_1"):
        (tmp_path / name).mkdir()
        torch.save(dictionary(), tmp_path / name / "ae.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        SourceError, match=r"it holds empty/, resid_0/, resid_1/; weights are in resid_0/, resid_1/"
    ):
        open_source(tmp_path)
    expected = {f"resid_{i}/ae.{name}": (8, 3) for i in (0, 1) for name in ("W_enc", "W_dec")}
    assert measured(tmp_path, recursive=True) == expected
    save_file({"top": draw(4, 3)}, tmp_path / "model.safetensors")
    assert measured(tmp_path) == {"top": (4, 3)}
    assert skipped(tmp_path) == dict.fromkeys(
        ("resid_0/", "resid_1/"), "a folder with weights: --recursive takes it, or open it"
    )
    assert measured(tmp_path, recursive=True) == {"top": (4, 3), **expected}


def test_a_folder_without_weights_says_what_it_holds(tmp_path):
    (tmp_path / "README.md").write_text("x")
    (tmp_path / "model.onnx.txt").write_text("x")
    with pytest.raises(
        SourceError, match=r"no weights at the top of this folder; it holds README\.md, model\.onnx"
    ):
        open_source(tmp_path)


def test_sharded_torch_files_by_their_index(tmp_path):
    torch.save({"a.weight": draw(4, 3), "left": draw(2, 2)}, tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save({"b.weight": draw(5, 3)}, tmp_path / "pytorch_model-00002-of-00002.bin")
    index = tmp_path / "pytorch_model.bin.index.json"
    shards = {"b.weight": "pytorch_model-00002-of-00002.bin", "a.weight": "pytorch_model-00001-of-00002.bin"}
    index.write_text(json.dumps({"weight_map": shards}))
    for source in (tmp_path, index):
        assert measured(source) == {
            "a.weight": (4, 3),
            "b.weight": (5, 3),
        }  # what the index names, and no more
    with open_source(tmp_path) as reader:
        np.testing.assert_array_equal(reader.read("b.weight").values, draw(5, 3).numpy())
        assert {file.name for file in reader.files} == {index.name, *shards.values()}
    index.write_text(json.dumps({"weight_map": {**shards, "c": "pytorch_model-00002-of-00002.bin"}}))
    with pytest.raises(SourceError, match=r"tensor 'c' is not in 'pytorch_model-00002-of-00002\.bin'"):
        open_source(tmp_path)
    index.write_text(json.dumps({"weight_map": {"c": "gone.bin"}}))
    with pytest.raises(SourceError, match=r"shard 'gone\.bin' is missing; tensor 'c' is in it"):
        open_source(tmp_path)
    index.write_text(json.dumps({"weight_map": {"c": "../gone.bin"}}))
    with pytest.raises(SourceError, match="which is no file in this folder"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("held", "chosen"),
    [
        (["a.bin", "model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (["model.fp16.safetensors", "model.safetensors"], ["model.safetensors"]),
        (["model.fp16.safetensors"], ["model.fp16.safetensors"]),
        (["consolidated.00.pth", "consolidated.01.pth"], ["consolidated.00.pth", "consolidated.01.pth"]),
        (
            ["consolidated.safetensors", "model-00001-of-00001.safetensors"],
            ["model-00001-of-00001.safetensors"],
        ),
        (["adapter_model.safetensors", "adapter_config.json"], ["adapter_model.safetensors"]),
        (["adapter_model.bin", "training_args.bin"], ["adapter_model.bin"]),
        (["optimizer.pt", "pytorch_model.bin", "rng_state_0.pth", "scheduler.pt"], ["pytorch_model.bin"]),
        (["last.ckpt"], ["last.ckpt"]),
        (["optimizer_0.pt", "lr_scheduler_0.pt", "zero_pp_rank_0_optim_states.pt", "w.pt"], ["w.pt"]),
        (["m.fp16-00001-of-00002.bin", "m-00001-of-00002.bin"], ["m-00001-of-00002.bin"]),
        (["a.npz", "b.npz", "c.npy"], ["a.npz", "b.npz"]),
        (["sae_weights.safetensors", "sparsity.safetensors"], ["sae_weights.safetensors"]),
        (["model.gguf"], ["model.gguf"]),
        (
            ["m-Q2_K.gguf", "m-Q8_0.gguf", "m.Q4_K_M.gguf", "mmproj-m-f16.gguf"],
            ["m-Q8_0.gguf", "mmproj-m-f16.gguf"],
        ),
        (
            [
                "m-BF16-00001-of-00002.gguf",
                "m-BF16-00002-of-00002.gguf",
                "m-IQ3_XS.gguf",
                "m-UD-Q6_K_XL.gguf",
            ],
            ["m-BF16-00001-of-00002.gguf", "m-BF16-00002-of-00002.gguf"],
        ),
        (["a-f32.gguf", "a-fp16.gguf", "b.gguf"], ["a-f32.gguf", "b.gguf"]),
        (["model.onnx", "model_fp16.onnx", "model_q4f16.onnx", "model_uint8.onnx"], ["model.onnx"]),
        (
            [
                "decoder_model.onnx",
                "decoder_model_merged.onnx",
                "decoder_with_past_model.onnx",
                "encoder_model.onnx",
            ],
            ["decoder_model.onnx", "encoder_model.onnx"],
        ),
        (["model_quantized.onnx"], ["model_quantized.onnx"]),
        (["notes.txt"], []),
    ],
)
def test_which_files_hold_the_weights(held, chosen):
    assert choose(held) == chosen


def test_files_that_are_not_opened_are_listed(tmp_path):
    save_file({"W": draw(4, 3)}, tmp_path / "model.safetensors")
    torch.save({"state": {0: {"exp_avg": draw(4, 3)}}}, tmp_path / "optimizer.pt")
    assert measured(tmp_path) == {"W": (4, 3)}
    assert skipped(tmp_path) == {"optimizer.pt": "a file that was not opened: open it by its own path"}
    table = fg.analyze(tmp_path).skipped
    assert table["tensor"].tolist() == ["optimizer.pt"]
    assert skipped(tmp_path / "optimizer.pt") == {"state.0.exp_avg": "state of an optimiser"}


def test_files_in_folders_that_are_taken_are_listed_too(tmp_path):
    """Shards of another index, what trainers keep, a link that leads back."""
    (tmp_path / "a").mkdir()
    shards = {"x": "m-00001-of-00001.safetensors"}
    save_file({"x": draw(4, 3)}, tmp_path / "a" / shards["x"])
    (tmp_path / "a" / "m.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    save_file({"y": draw(4, 3)}, tmp_path / "a" / "left-00001-of-00001.safetensors")
    torch.save({"state": draw(4, 3)}, tmp_path / "a" / "optimizer.pt")
    save_file({"z": draw(4, 3)}, tmp_path / "model.safetensors")
    (tmp_path / "a" / "back").symlink_to(tmp_path, target_is_directory=True)
    assert measured(tmp_path, recursive=True) == {"x": (4, 3), "z": (4, 3)}
    left = ["a/left-00001-of-00001.safetensors", "a/optimizer.pt"]
    assert sorted(skipped(tmp_path, recursive=True)) == left
    assert sorted(skipped(tmp_path / "a")) == ["back/", *(name.removeprefix("a/") for name in left)]


def test_the_root_of_a_repository_in_the_hub_s_cache(tmp_path):
    root = tmp_path / "models--owner--name"
    for commit, size in (("aaa", 4), ("bbb", 5)):
        (root / "snapshots" / commit).mkdir(parents=True)
        save_file({"W": draw(size, 3)}, root / "snapshots" / commit / "model.safetensors")
    with pytest.raises(SourceError, match="revisions aaa, bbb: open one of snapshots"):
        open_source(root)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("bbb")
    assert measured(root) == {"W": (5, 3)}


@pytest.mark.parametrize("suffix", [".ckpt", ".th", ".pth.tar", ".PTH", ""])
def test_contents_decide_and_not_suffixes(tmp_path, suffix):
    torch.save({"state_dict": {"W": draw(4, 3)}, "epoch": 3}, tmp_path / f"model{suffix}")
    assert measured(tmp_path / f"model{suffix}") == {"state_dict.W": (4, 3)}
    save_file({"W": draw(4, 3)}, tmp_path / f"other{suffix}")
    assert measured(tmp_path / f"other{suffix}") == {"W": (4, 3)}
    torch.save({"W": draw(4, 3)}, tmp_path / "torch.safetensors")
    np.savez(tmp_path / "array.npz", W=np.eye(3))
    (tmp_path / "array.npz").rename(tmp_path / "array.pt")
    assert measured(tmp_path / "torch.safetensors") == {"W": (4, 3)}
    assert measured(tmp_path / "array.pt") == {"W": (3, 3)}


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


@pytest.mark.parametrize("suffix", ["safetensors", "pt", "bin", "npz", "npy", "ckpt"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (POINTER, "a Git LFS pointer instead of the weights: run git lfs pull in its repository"),
        (b"\n <!DOCTYPE html><html></html>", "an HTML page stands here instead of weights"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "an HTML page stands here"),
        (b"\x1f\x8b\x08", "a compressed file: unpack it first"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, which is not read"),
    ],
)
def test_what_is_no_weight_file_has_a_sentence_of_its_own(tmp_path, content, words, suffix):
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words):
        open_source(path)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards_that_are_no_weight_files_have_their_sentence_too(tmp_path, suffix):
    shard = f"model-1-of-1.{suffix}"
    (tmp_path / shard).write_bytes(POINTER)
    (tmp_path / f"model.{suffix}.index.json").write_text(json.dumps({"weight_map": {"W": shard}}))
    with pytest.raises(SourceError, match=rf"model-1-of-1\.{suffix}: a Git LFS pointer"):
        open_source(tmp_path)
    torch.save({"W": draw(4, 3)}, tmp_path / shard)
    assert measured(tmp_path) == {"W": (4, 3)}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_scripted_program_is_not_run(tmp_path):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(3, 4), torch.ones(1, 3)), tmp_path / "m.pt")
    with pytest.raises(
        SourceError, match=r"a TorchScript program, which is not run: save torch\.jit\.load\(path\)"
    ):
        open_source(tmp_path / "m.pt")


@pytest.mark.parametrize("version", ["1.13.1", "2.4.0+cu121", "2.9.1", "2.9"])
def test_an_old_torch_is_refused(tmp_path, monkeypatch, version):
    torch.save({"W": draw(4, 3)}, tmp_path / "m.pt")
    monkeypatch.setattr(torch, "__version__", version)
    with pytest.raises(
        SourceError, match=r"torch .*CVE-2025-32434, CVE-2026-24747.*torch>=2\.10.*safetensors"
    ):
        open_source(tmp_path / "m.pt")
    with pytest.raises(SourceError, match="CVE-2026-24747"):
        read_layers(tmp_path / "m.pt")


@pytest.mark.parametrize("version", ["2.10.0", "2.15.0+cu132", "3.0", "10.1"])
def test_a_new_torch_is_not(version):
    torch_files.check_torch(version, "m.pt")


def test_tied_weights_are_measured_once(tmp_path):
    shared = draw(5, 3)
    tied = {"wte.weight": shared, "h.0.mlp.weight": draw(4, 3), "lm_head.weight": shared}
    torch.save(tied, tmp_path / "m.bin")
    for source in (tied, tmp_path / "m.bin"):
        assert measured(source) == {"wte.weight": (5, 3), "h.0.mlp.weight": (4, 3)}
        assert skipped(source) == {"lm_head.weight": "tied: the same numbers as 'wte.weight', measured once"}
    averaged = {"ema": {"w.weight": shared}, "model": {"w.weight": shared}}
    assert measured(averaged) == {"model.w.weight": (5, 3)}
    blocks = {"layers.0.fc.weight": shared, "layers.1.fc.weight": shared}
    assert skipped(blocks) == {
        "layers.1.fc.weight": "tied: the same numbers as 'layers.0.fc.weight', measured once"
    }
    module = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 5), "b": torch.nn.Linear(3, 5)})
    module["b"].weight = module["a"].weight
    assert skipped(module)["b.weight"] == "tied: the same numbers as 'a.weight', measured once"
    copies = {f"saes.{i}.{name}": X for i in (0, 1) for name, X in dictionary().items()}
    assert len(measured(copies)) == 4
    for others in (("W_out", "W_E"), ("wte.weight", "h.0.mlp.c_proj.weight"), ("a.W_enc", "a.W_dec")):
        assert measured(dict.fromkeys(others, shared)).keys() == set(others)


def test_everything_in_a_mapping_is_measured_or_named(tmp_path):
    pandas = pytest.importorskip("pandas")
    tree = {
        "frame": pandas.DataFrame(np.ones((4, 3))),
        "meta": torch.empty(4, 3, device="meta"),
        "none": None,
        "thing": object(),
        "W": draw(4, 3),
        "lr": 0.1,
    }
    assert measured(tree) == {"frame": (4, 3), "W": (4, 3)}
    assert skipped(tree) == {
        "meta": "on torch's meta device, which holds no numbers: load the weights first",
        "none": "None: no tensor",
        "thing": "object: no tensor",
    }
    analysis = fg.analyze(tree)
    assert set(analysis.skipped["tensor"]) == {"meta", "none", "thing"}
    with pytest.raises(SourceError, match=r"no tensor in it; 'a\.b' is None, 'c' is object"):
        fg.describe({"a": {"b": None}, "c": object()})
    with torch.device("meta"):
        module = torch.nn.Linear(3, 4)
    with pytest.raises(
        ParameterError, match=r"nothing to measure in Linear: 'weight' \(4 x 3\): on torch's meta device"
    ):
        fg.analyze(module)


QUANTISED = {
    "GPTQ": {"q.qweight": torch.zeros(4, 8, dtype=torch.int32), "q.scales": draw(1, 8)},
    "bitsandbytes": {"q.weight": torch.zeros(16, 1, dtype=torch.uint8), "q.weight.absmax": draw(4)},
    "MXFP4": {
        "e.gate_up_proj_blocks": torch.zeros(2, 4, 3, 16, dtype=torch.uint8),
        "e.gate_up_proj_scales": torch.zeros(2, 4, 3, dtype=torch.uint8),
    },
    "bitsandbytes of 8 bits": {"q.weight": torch.zeros(4, 8, dtype=torch.int8), "q.SCB": draw(4)},
    "compressed-tensors": {
        "q.weight_packed": torch.zeros(4, 2, dtype=torch.int32),
        "q.weight_scale": draw(4, 1),
    },
}


@pytest.mark.parametrize("method", QUANTISED)
def test_quantised_models_are_refused_as_a_whole(tmp_path, method):
    save_file({**QUANTISED[method], "embed.weight": draw(5, 3)}, tmp_path / "m.safetensors")
    with pytest.raises(
        SourceError, match=rf"the model is quantised \({method.split(' ')[0]}.*dequantise it first"
    ):
        fg.describe(tmp_path / "m.safetensors")


def test_a_weight_in_integers_stops_only_an_analysis_that_takes_it(tmp_path):
    tensors = {
        "q.weight": torch.zeros(4, 8, dtype=torch.int8),
        "q.weight_scale": draw(4, 1),
        "embed.weight": draw(5, 3),
    }
    save_file(tensors, tmp_path / "m.safetensors")
    table = fg.describe(tmp_path).to_frame().set_index("tensor")
    assert table["planned"].to_dict() == {
        "q.weight": "refuse",
        "q.weight_scale": "skip",
        "embed.weight": "analyze",
    }
    assert "dequantise it first" in table.loc["q.weight", "reason"]
    with pytest.raises(DtypeError, match=r"'q\.weight' is int8: .*dequantise it first.*exclude='q\.weight'"):
        fg.analyze(tmp_path, pairs=False)
    for chosen in ({"exclude": "q.*"}, {"include": "embed*"}):
        assert list(fg.analyze(tmp_path, pairs=False, **chosen).matrices["matrix"]) == ["embed.weight"]
    with fg.sources.open_source(tmp_path) as reader, pytest.raises(DtypeError, match="dequantise it first"):
        reader.read("q.weight")


def test_integers_that_are_no_weights_are_not_taken_for_quantised():
    assert skipped({"ids": np.zeros((3, 3), "int8"), "W": draw(4, 3)}) == {"ids": "int8: not real features"}
