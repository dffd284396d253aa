"""Weights of models: FP8 with scales, heads, adapters, GGUF and ONNX, and live models beside their files."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import featuregeom as fg
from featuregeom.errors import DtypeError, ParameterError, SourceError
from featuregeom.sources import open_source
from featuregeom.sources.scaled import dequantise

PLACES = {"axis", "axis_reason", "dtype", "seconds"}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def measured(source, **options):
    return {info.name: (info.n, info.m) for info in open_source(source, **options).tensors() if not info.skip}


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"])
def test_all_numbers_of_fp8(dtype):
    """Against ml_dtypes, all 256 bit patterns."""
    bits = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = bits.view(getattr(ml_dtypes, dtype)).astype(np.float32)
    found = dequantise(bits, dtype, np.ones(1, np.float32), "float32", (16, 16))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize("block", [None, (2, 3)])
def test_fp8_with_scales_of_blocks_is_dequantised(tmp_path, suffix, block):
    """Each block of rows and columns times its scale; blocks at the edges are cut."""
    size, blocks = ((5, 7), (3, 3)) if block else ((130, 257), (2, 3))
    weight, scales = draw(*size).to(torch.float8_e4m3fn), draw(*blocks).abs()
    expected = weight.double().numpy().copy()
    rows, columns = block or (128, 128)
    for i in range(blocks[0]):
        for j in range(blocks[1]):
            expected[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns] *= scales[i, j].item()
    tensors = {"q.weight": weight, "q.weight_scale_inv": scales, "norm.weight": draw(4)}
    (save_file if suffix == "safetensors" else torch.save)(tensors, tmp_path / f"model.{suffix}")
    if block:
        (tmp_path / "config.json").write_text(
            json.dumps({"quantization_config": {"weight_block_size": block}})
        )
    with open_source(tmp_path) as reader:
        np.testing.assert_allclose(reader.read("q.weight").values, expected, rtol=1e-6)
        infos = {info.name: info for info in reader.tensors()}
        assert infos["q.weight_scale_inv"].skip == "scales of 'q.weight', which are applied"
    assert fg.analyze(tmp_path).matrices["matrix"].tolist() == ["q.weight"]


def test_fp8_that_nothing_scales_is_refused_once_for_all(tmp_path):
    save_file(
        {f"l.{i}.weight": draw(4, 3).to(torch.float8_e4m3fn) for i in range(3)}, tmp_path / "m.safetensors"
    )
    with pytest.raises(
        DtypeError, match=r"3 tensors are float8_e4m3fn: .*'l\.0\.weight', 'l\.1\.weight', 'l\."
    ):
        fg.analyze(tmp_path / "m.safetensors")
    odd = {"q.weight": draw(130, 8).to(torch.float8_e4m3fn), "q.weight_scale_inv": draw(5, 1)}
    save_file(odd, tmp_path / "odd.safetensors")
    with pytest.raises(DtypeError, match=r"'q\.weight' is float8_e4m3fn"):
        fg.analyze(tmp_path / "odd.safetensors")


def test_attention_is_split_into_heads():
    """Slices of the whole weights, row by row or column by column; keys and values can have fewer heads."""
    q, k, o = draw(8, 5), draw(4, 5), draw(5, 8)
    tensors = {
        "l.q_proj.weight": q,
        "l.k_proj.weight": k,
        "l.o_proj.weight": o,
        "l.mlp.up_proj.weight": draw(7, 5),
    }

    class Model(torch.nn.Module):
        config = {"num_attention_heads": 4, "num_key_value_heads": 2}  # noqa: RUF012

        def state_dict(self):
            return tensors

    with open_source(Model(), heads="auto") as reader:
        infos = {info.name: info for info in reader.tensors()}
        for h in range(4):
            np.testing.assert_array_equal(
                reader.read(f"l.q_proj.weight[{h}]").values, q[2 * h : 2 * h + 2].numpy()
            )
            written = reader.read(f"l.o_proj.weight[{h}]").values
            np.testing.assert_array_equal(written, o[:, 2 * h : 2 * h + 2].T.numpy())
        np.testing.assert_array_equal(reader.read("l.k_proj.weight[1]").values, k[2:].numpy())
        assert len(infos) == 4 + 2 + 4 + 1
        assert infos["l.o_proj.weight[0]"].axis_reason == "dimensions of a head: what each writes"
    fused = {
        "h.attn.c_attn.weight": draw(4, 12),
        "h.attn.c_proj.weight": draw(4, 4),
        "h.mlp.c_fc.weight": draw(4, 9),
    }
    with open_source(fused, heads=2) as reader:
        whole = fused["h.attn.c_attn.weight"]
        np.testing.assert_array_equal(
            reader.read("h.attn.c_attn.weight.k[1]").values, whole[:, 6:8].T.numpy()
        )
        np.testing.assert_array_equal(
            reader.read("h.attn.c_proj.weight[1]").values, fused["h.attn.c_proj.weight"][2:].numpy()
        )
        assert measured(fused)["h.attn.c_attn.weight"] == (12, 4)
    neox = {"attention.query_key_value.weight": draw(12, 4)}
    with open_source(neox, heads=2) as reader:
        whole = neox["attention.query_key_value.weight"]
        np.testing.assert_array_equal(
            reader.read("attention.query_key_value.weight.v[1]").values, whole[10:12].numpy()
        )
    t5 = {"layer.0.SelfAttention.q.weight": draw(8, 5), "layer.1.DenseReluDense.wo.weight": draw(5, 8)}
    mamba = {"mixer.out_proj.weight": draw(8, 16), "self_attn.out_proj.weight": draw(8, 8)}
    for tensors_of, whole in ((t5, "layer.1.DenseReluDense.wo.weight"), (mamba, "mixer.out_proj.weight")):
        assert [name for name in measured(tensors_of, heads=2) if not name.endswith("]")] == [whole]
    with pytest.raises(ParameterError, match="gives the number of heads: say it"):
        open_source(fused, heads="auto")
    with pytest.raises(ParameterError, match="which 3 heads do not share evenly"):
        open_source(tensors, heads=3)
    with pytest.raises(ParameterError, match="no weight of attention is known by its name"):
        open_source({"W": draw(4, 4)}, heads=2)
    for wrong in (0, -1, "many", 1.5, True):
        with pytest.raises(ParameterError, match="heads must be a positive integer or 'auto'"):
            open_source(tensors, heads=wrong)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("adapter", ["", ".default"])
def test_an_adapter_has_the_product_of_its_parts(tmp_path, dtype, adapter):
    A, B = draw(2, 6).to(dtype), draw(5, 2).to(dtype)
    tensors = {f"q.lora_A{adapter}.weight": A, f"q.lora_B{adapter}.weight": B}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    with open_source(tmp_path) as reader:
        product = reader.read(f"q.lora_BA{adapter}")
        np.testing.assert_allclose(product.values, (B.double() @ A.double()).numpy(), rtol=1e-12)
        assert measured(tmp_path) == {
            f"q.lora_A{adapter}.weight": (2, 6),
            f"q.lora_B{adapter}.weight": (5, 2),
            f"q.lora_BA{adapter}": (5, 6),
        }
    assert fg.analyze(tmp_path).matrices.set_index("matrix").loc[f"q.lora_BA{adapter}", "rank"] == 2


def test_gguf(tmp_path):
    """Plain types as written; BF16 and Q8_0 as the package itself dequantises them."""
    gguf = pytest.importorskip("gguf")
    from gguf import GGMLQuantizationType as Type

    X = draw(4, 64).numpy()
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tensor("blk.0.attn_q.weight", X)
    writer.add_tensor("half.weight", X.astype(np.float16))
    for name, kind in (("brain.weight", Type.BF16), ("eight.weight", Type.Q8_0)):
        writer.add_tensor(name, gguf.quants.quantize(X, kind), raw_dtype=kind)
    writer.add_tensor("norm.weight", X[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with open_source(tmp_path) as reader:
        assert reader.format == "gguf"
        assert {info.name: info.shape for info in reader.tensors() if not info.skip} == dict.fromkeys(
            ("blk.0.attn_q.weight", "half.weight", "brain.weight", "eight.weight"), (4, 64)
        )
        np.testing.assert_array_equal(reader.read("blk.0.attn_q.weight").values, X)
        np.testing.assert_array_equal(reader.read("half.weight").values, X.astype(np.float16))
        brain = torch.from_numpy(X).to(torch.bfloat16).float().numpy()
        np.testing.assert_array_equal(reader.read("brain.weight").values, brain)
        assert np.abs(reader.read("eight.weight").values - X).max() < np.abs(X).max() / 127
    (tmp_path / "broken.gguf").write_bytes((tmp_path / "m.gguf").read_bytes()[:60])
    with pytest.raises(SourceError, match=r"broken\.gguf: gguf cannot read it"):
        open_source(tmp_path / "broken.gguf")


def test_onnx(tmp_path):
    """The graph says what a matrix is multiplied with: outputs are features, whichever way it is stored."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    X, Y, K, E = (draw(*shape).numpy() for shape in ((3, 5), (4, 5), (6, 2, 3, 3), (7, 3)))
    held = {"matmul": X, "gemm": Y, "kernel": K, "words": E, "bias": X[0]}
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["a"]),
        helper.make_node("MatMul", ["a", "matmul"], ["b"]),
        helper.make_node("Gemm", ["b", "gemm"], ["c"], transB=1),
        helper.make_node("Conv", ["d", "kernel"], ["e"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [], [], initializer=[numpy_helper.from_array(array, name) for name, array in held.items()]
    )
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    with open_source(tmp_path) as reader:
        assert reader.format == "onnx"
        for name, rows in {"matmul": X.T, "gemm": Y, "kernel": K.reshape(6, -1), "words": E}.items():
            np.testing.assert_array_equal(reader.read(name).values, rows)
    (tmp_path / "broken.onnx").write_bytes(b"garbage")
    with pytest.raises(SourceError, match=r"broken\.onnx: "):
        open_source(tmp_path / "broken.onnx")
    np.testing.assert_array_equal(measured(tmp_path / "m.onnx")["matmul"], (5, 3))
    (tmp_path / "broken.onnx").unlink()
    onnx.save(helper.make_model(graph), tmp_path / "other.onnx")
    assert measured(tmp_path)["m.matmul"] == measured(tmp_path)["other.matmul"] == (5, 3)


def _models():
    transformers = pytest.importorskip("transformers")
    small = {"vocab_size": 17, "max_position_embeddings": 12}
    torch.manual_seed(0)
    return {
        "gpt2": lambda: transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=17, n_positions=12, n_embd=8, n_layer=1, n_head=2)
        ),
        "mixtral": lambda: transformers.MixtralForCausalLM(
            transformers.MixtralConfig(
                hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
                num_key_value_heads=1, num_local_experts=3, **small,
            )
        ),
        "opt": lambda: transformers.OPTForCausalLM(
            transformers.OPTConfig(
                hidden_size=8, ffn_dim=16, num_hidden_layers=2, num_attention_heads=2, word_embed_proj_dim=8, **small
            )
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["gpt2", "mixtral", "opt"])
@pytest.mark.filterwarnings("ignore")
def test_a_model_has_the_same_tables_alive_and_saved(tmp_path, name):
    """As a live module, as safetensors and as a torch checkpoint, with its configuration and without."""
    model = _models()[name]()
    # Where the matrices come from is what differs; pairs and names of so many cost minutes.
    options = {"pairs": name == "gpt2"}
    live = fg.analyze(model, **options).matrices.sort_values("matrix").reset_index(drop=True)
    state = model.state_dict()
    alone = {key: tensor.clone().contiguous() for key, tensor in state.items() if key != "lm_head.weight"}
    (tmp_path / "safe").mkdir()
    (tmp_path / "torch").mkdir()
    tied = state["lm_head.weight"].data_ptr() in {
        t.data_ptr() for k, t in state.items() if k != "lm_head.weight"
    }
    save_file(
        alone if tied else {k: t.clone() for k, t in state.items()}, tmp_path / "safe" / "model.safetensors"
    )
    torch.save(state, tmp_path / "torch" / "pytorch_model.bin")
    (tmp_path / "safe" / "config.json").write_text(json.dumps(model.config.to_dict(), default=str))
    for source in (tmp_path / "safe", tmp_path / "torch", tmp_path / "safe" / "model.safetensors"):
        saved = fg.analyze(source, **options).matrices.sort_values("matrix").reset_index(drop=True)
        columns = [column for column in live if column != "seconds" and column != "axis_reason"]
        pd.testing.assert_frame_equal(live[columns], saved[columns], check_exact=True)
    shapes = live.set_index("matrix")[["n", "m"]]
    if name == "gpt2":
        assert shapes.loc["transformer.h.0.attn.c_attn.weight"].tolist() == [24, 8]
        assert shapes.loc["transformer.h.0.mlp.c_proj.weight"].tolist() == [32, 8]
        assert len(fg.describe(model, heads="auto").matrices) == 2 + 3 * 2 + 2 + 2
    if name == "mixtral":
        experts = shapes[shapes.index.str.contains("experts")]
        assert len(experts) in (2 * 3 * 2, 2 * 3 * 3)
        assert (experts["m"] >= 8).all()


def shipped(package, file):
    """A file of an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed")
    return Path(spec.origin).parent / file


def test_every_kernel_of_a_voice_detector_is_measured():
    """silero-vad: each convolution as its file stores it, one kernel per output channel."""
    path = shipped("silero_vad", "data/silero_vad_16k.safetensors")
    stored = {name: tensor for name, tensor in load_file(path).items() if tensor.ndim > 1}
    kernels = {name: tensor for name, tensor in stored.items() if tensor.ndim == 3}
    assert len(kernels) == 6
    found = measured(path)
    assert found == {name: (len(tensor), tensor[0].numel()) for name, tensor in stored.items()}
    with open_source(path) as reader:
        for name, tensor in kernels.items():
            np.testing.assert_array_equal(reader.read(name).values, tensor.flatten(1).numpy())
    program = shipped("silero_vad", "data/silero_vad_half.onnx")
    assert any("conv" in info.name and info.skip is None for info in open_source(program).tensors())


def test_no_moment_of_a_training_checkpoint_is_measured():
    """resemblyzer: six matrices of an LSTM, one Linear, and Adam's state of each."""
    path = shipped("resemblyzer", "pretrained.pt")
    lstm = {f"model_state.lstm.weight_{which}_l{layer}" for which in ("ih", "hh") for layer in range(3)}
    assert measured(path).keys() == {*lstm, "model_state.linear.weight"}
    moments = [
        info for info in open_source(path).tensors() if "exp_avg" in info.name and len(info.shape) == 2
    ]
    assert len(moments) == 14
    assert {info.skip for info in moments} == {"state of an optimiser"}
