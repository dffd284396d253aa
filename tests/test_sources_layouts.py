"""Which axis lists features: the same dictionary, in every producer's layout, has the same features."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import featuregeom as fg
from featuregeom.errors import ParameterError
from featuregeom.sources import open_source
from oracles.layouts import BY_HAND, LAYOUTS

PLACES = {"matrix", "axis", "axis_reason", "seconds"}
"""Columns that say where a matrix was, not what it is."""


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def check(reader, written):
    """Every matrix, its features in order, and all else listed as skipped."""
    infos = {info.name: info for info in reader.tensors()}
    measured = {name for name, info in infos.items() if info.skip is None}
    assert measured == written.features.keys()
    for name, X in written.features.items():
        np.testing.assert_array_equal(reader.read(name).values, X.numpy())
        assert (infos[name].n, infos[name].m) == X.shape
        assert infos[name].axis_reason
    for name in written.skipped:
        assert infos[name].skip


@pytest.mark.parametrize("size", [(8, 3), (3, 8), (7, 5)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_features(tmp_path, layout, size):
    """As four kinds of sources whose names say nothing, and with fewer features than dimensions too."""
    written = LAYOUTS[layout](draw(*size), draw(*size, seed=1))
    save_file(written.tensors, tmp_path / "weights.safetensors")
    torch.save(written.tensors, tmp_path / "weights.pt")
    np.savez(tmp_path / "weights.npz", **{name: tensor.numpy() for name, tensor in written.tensors.items()})
    for source in (*sorted(tmp_path.iterdir()), written.tensors):
        with open_source(source) as reader:
            check(reader, written)


NAMED = {
    "saelens": ("saelens", "sae_weights.safetensors", {}),
    "saelens temporal": ("saelens", "sae_weights.safetensors", {}),
    "saelens jumprelu": ("saelens", "final_weights.safetensors", {"d_sae": 5, "d_in": 5}),
    "gemma scope 2": ("gemma-scope", "params.safetensors", {}),
    "qwen scope": ("qwen-scope", "layer7.sae.pt", {}),
    "circuit-tracer": ("circuit-tracer", "layer_3.safetensors", {}),
    "cross-layer transcoder": ("cross-layer-transcoder", "whatever.safetensors", {}),
    "sparsify": ("sparsify", "sae.safetensors", {"num_latents": 5}),
    "dictionary_learning": ("dictionary_learning", "ae_1000.pt", {}),
    "llama scope": ("llama-scope", "final.safetensors", {}),
    "openai": ("openai-top-k", "0.pt", {}),
    "goodfire": ("goodfire", "a.pth", {}),
}


@pytest.mark.parametrize("size", [(5, 5), (8, 3)])
@pytest.mark.parametrize("layout", NAMED)
def test_a_square_dictionary_has_its_producer_s_axes(tmp_path, layout, size):
    """Where all lengths are equal, file, configuration or names tell the producer."""
    written = LAYOUTS[layout](draw(*size), draw(*size, seed=1))
    name, file, config = NAMED[layout]
    save = save_file if file.endswith(".safetensors") else torch.save
    save(written.tensors, tmp_path / file)
    if config:
        (tmp_path / "cfg.json").write_text(
            json.dumps(config | {"d_sae": size[0]} if "d_sae" in config else config)
        )
    with open_source(tmp_path / file) as reader:
        assert reader.format == name
        check(reader, written)


def in_any_layout(least):
    return given(
        n=st.integers(least, 12),
        m=st.integers(least, 6),
        layout=st.sampled_from(sorted(LAYOUTS)),
        seed=st.integers(0, 1000),
    )


@settings(max_examples=400)
@in_any_layout(least=2)
def test_no_layout_is_ever_read_along_the_wrong_axis(n, m, layout, seed):
    """Right, or an error that asks for the axis, also where lengths agree by chance."""
    written = LAYOUTS[layout](draw(n, m, seed=seed), draw(n, m, seed=seed + 1))
    try:
        reader = open_source(written.tensors)
    except ParameterError as error:
        asked = str(error)
    else:
        check(reader, written)
        return
    assert "--axis" in asked
    assert layout in BY_HAND
    assert n == m or (n <= 3 and any(tensor.ndim > 2 for tensor in written.tensors.values()))


@settings(max_examples=60)
@in_any_layout(least=4)
def test_tables_do_not_depend_on_the_layout(n, m, layout, seed):
    """A random dictionary in any layout gives the tables of its features as arrays."""
    assume(n != m or layout not in BY_HAND)
    written = LAYOUTS[layout](draw(n, m, seed=seed), draw(n, m, seed=seed + 1))
    found = fg.analyze(written.tensors, pairs=False)
    plain = fg.analyze({name: X.numpy() for name, X in written.features.items()}, axis="rows", pairs=False)
    order = list(written.features)
    for table in ("matrices", "features"):
        got, expected = getattr(found, table), getattr(plain, table)
        got = pd.concat([got[got["matrix"] == name] for name in order]).reset_index(drop=True)
        columns = [column for column in expected if column not in (*PLACES, "label", "link")]
        pd.testing.assert_frame_equal(got[columns], expected[columns], check_exact=True)


def test_what_cannot_be_told_is_asked():
    square = {
        "W_enc": draw(4, 4),
        "W_dec": draw(4, 4, seed=1),
        "b_enc": torch.ones(4),
        "b_dec": torch.ones(4),
    }
    with pytest.raises(
        ParameterError, match=r"which axis of 'W_enc' lists features\?.*4 x 4.*--axis 'W_enc=rows'"
    ):
        fg.describe(square)
    with pytest.raises(ParameterError, match="which axis of 'W_dec'"):
        fg.describe(square, axis={"W_enc": "columns"})
    rows = fg.analyze(square, axis=["W_enc=columns", "W_dec=rows"]).matrices
    assert rows[["matrix", "axis", "axis_reason"]].values.tolist() == [
        ["W_enc", "columns", "as asked"],
        ["W_dec", "rows", "as asked"],
    ]


def test_a_file_s_name_alone_tells_no_producer(tmp_path):
    """Square and without its producer's names: asked, however the file is called."""
    square = {
        "W_enc": draw(4, 4),
        "W_dec": draw(4, 4, seed=1),
        "b_enc": torch.ones(4),
        "b_dec": torch.ones(4),
    }
    for name in ("layer_0.safetensors", "sae.safetensors", "final.safetensors"):
        save_file(square, tmp_path / name)
        with pytest.raises(ParameterError, match=r"which axis of 'W_(enc|dec)'"):
            open_source(tmp_path / name)


def test_a_configuration_of_another_dictionary_is_told(tmp_path):
    """Biases decide; that the file beside them says otherwise is said, and only then."""
    save_file(
        {"W_enc": draw(3, 8), "W_dec": draw(8, 3), "b_enc": draw(8)}, tmp_path / "sae_weights.safetensors"
    )
    for stated, said in ((4096, "; yet the configuration says d_sae = 4096"), (8, "")):
        (tmp_path / "cfg.json").write_text(json.dumps({"d_sae": stated}))
        for info in open_source(tmp_path / "sae_weights.safetensors").tensors():
            if info.skip is None:
                assert (info.n, info.m) == (8, 3)
                assert info.axis_reason.partition("b_enc has one entry per feature (8)")[2] == said


def test_equal_lengths_are_no_evidence_and_the_longer_axis_is():
    """Without biases, a dictionary has more features than dimensions."""
    for shape, axis in (((3, 8), "columns"), ((8, 3), "rows")):
        (info,) = fg.describe({"W_dec": draw(*shape)}).tensors
        assert (info.n, info.axis) == (8, axis)
        assert "longer axis" in info.axis_reason


def test_an_embedding_and_its_projection_are_no_dictionary():
    """torch's word language model calls them encoder and decoder; a deep autoencoder numbers its layers."""
    words = {"encoder.weight": draw(9, 4), "decoder.weight": draw(9, 4), "decoder.bias": draw(9)}
    deep = {f"{side}.{i}.weight": draw(4, 9) for side in ("encoder", "decoder") for i in (0, 2)}
    heads = {"cls.predictions.decoder.weight": draw(9, 4), "cls.predictions.decoder.bias": draw(9)}
    pictures = {f"{side}.weight": draw(6, 3, 4, 4) for side in ("encoder", "decoder")}
    sound = {f"{side}.weight": draw(6, 3, 5) for side in ("encoder", "decoder")}
    for tensors in (words, deep, heads, pictures, sound):
        assert {info.axis for info in open_source(tensors).tensors()} == {"rows"}


def test_axes_by_pattern(tmp_path):
    layers = {f"l.{i}.output.dense.weight": draw(4, 6, seed=i) for i in range(2)} | {
        "l.0.query.weight": draw(4, 4)
    }
    save_file(layers, tmp_path / "m.safetensors")
    for axis in (
        {"*output.dense*": "columns"},
        ["*output.dense*=columns"],
        ["rows", "*output.dense*=columns"],
    ):
        rows = fg.describe(tmp_path / "m.safetensors", axis=axis).to_frame().set_index("tensor")
        assert rows["axis"].to_dict() == {
            "l.0.output.dense.weight": "columns",
            "l.1.output.dense.weight": "columns",
            "l.0.query.weight": "rows",
        }
    rows = fg.describe(tmp_path / "m.safetensors").to_frame().set_index("tensor")
    assert "writing directions" in rows.loc["l.0.output.dense.weight", "axis_reason"]
    assert (
        rows.loc["l.0.query.weight", "axis_reason"] == "output units: torch's Linear stores outputs x inputs"
    )
    with pytest.raises(ParameterError, match=r"no matrix matches the axis pattern '\*dens'; there is l\.0"):
        fg.describe(tmp_path / "m.safetensors", axis={"*dens": "columns"})
    for wrong in ("diagonal", 3, {"a": "both"}, ["*=up"], ["a"], None):
        with pytest.raises(ParameterError, match="axis must be"):
            fg.describe(layers, axis=wrong)


def test_a_global_axis_overrides_all_evidence():
    tensors = {"W_enc": draw(3, 8), "W_dec": draw(8, 3), "b_enc": torch.ones(8)}
    for axis in ("rows", "columns"):
        assert {info.axis for info in open_source(tensors, axis=axis).tensors() if not info.skip} == {axis}


TRANSFORMER_LENS = {
    "embed.W_E": (9, 4),
    "pos_embed.W_pos": (5, 4),
    "blocks.0.attn.W_Q": (2, 4, 3),
    "blocks.0.attn.W_K": (2, 4, 3),
    "blocks.0.attn.W_O": (2, 3, 4),
    "blocks.0.attn.b_Q": (2, 3),
    "blocks.0.mlp.W_in": (4, 7),
    "blocks.0.mlp.W_gate": (4, 7),
    "blocks.0.mlp.W_out": (7, 4),
    "unembed.W_U": (4, 9),
}


def test_transformer_lens_by_meaning():
    infos = {
        info.name: info for info in open_source({k: draw(*v) for k, v in TRANSFORMER_LENS.items()}).tensors()
    }
    features = {name: (info.n, info.m) for name, info in infos.items() if not info.skip}
    heads = {f"blocks.0.attn.W_{which}[{head}]": (3, 4) for which in "QKO" for head in (0, 1)}
    assert features == {
        "embed.W_E": (9, 4),
        "pos_embed.W_pos": (5, 4),
        "blocks.0.mlp.W_in": (7, 4),
        "blocks.0.mlp.W_gate": (7, 4),
        "blocks.0.mlp.W_out": (7, 4),
        "unembed.W_U": (9, 4),
        **heads,
    }
    assert infos["blocks.0.attn.b_Q"].skip == "a bias or threshold, no matrix"
    assert infos["blocks.0.attn.W_Q[1]"].stack == "head"
    alone = {
        info.name: (info.n, info.m) for info in open_source({"W_U": draw(4, 9), "W_in": draw(4, 7)}).tensors()
    }
    assert alone == {"W_U": (9, 4), "W_in": (4, 7)}  # a lone W_in may be anything


@pytest.mark.parametrize("conv1d", [True, False])
def test_gpt2_s_conv1d_and_the_linears_that_others_call_so(conv1d):
    """Conv1D stores inputs x outputs; nanoGPT uses the same names for Linears. Biases and the fused attention tell."""
    stored = {
        "h.0.attn.c_attn": (4, 12),
        "h.0.attn.c_proj": (4, 4),
        "h.0.mlp.c_fc": (4, 16),
        "h.0.mlp.c_proj": (16, 4),
    }
    tensors = {f"{name}.weight": draw(*(shape if conv1d else shape[::-1])) for name, shape in stored.items()}
    biased = tensors | {f"{name}.bias": draw(shape[1]) for name, shape in stored.items()}
    for each in (tensors, biased):
        infos = {info.name: info for info in open_source(each).tensors() if not info.skip}
        expected = {
            "h.0.attn.c_attn.weight": (12, 4),
            "h.0.attn.c_proj.weight": (4, 4),
            "h.0.mlp.c_fc.weight": (16, 4),
            "h.0.mlp.c_proj.weight": (16, 4) if conv1d else (4, 16),
        }
        assert {name: (info.n, info.m) for name, info in infos.items()} == expected
        if conv1d:
            assert infos["h.0.attn.c_proj.weight"].axis_reason.endswith("what each input unit writes")


def test_a_kernel_of_flax_has_output_units_in_columns():
    infos = {i.name: i for i in open_source({"dense/kernel": draw(3, 5), "dense/bias": draw(5)}).tensors()}
    assert (infos["dense/kernel"].n, infos["dense/kernel"].m) == (5, 3)
    infos = {i.name: i for i in open_source({"odd.weight": draw(3, 5), "odd.bias": draw(5)}).tensors()}
    assert infos["odd.weight"].axis == "columns"


def test_stacks_are_matrices_and_can_be_chosen(tmp_path):
    experts = {"experts.gate_up_proj": draw(3, 8, 4), "experts.down_proj": draw(3, 4, 4)}
    transposed = {"experts.gate_up_proj": draw(3, 4, 8), "experts.down_proj": draw(3, 4, 4)}
    for tensors, axis in ((experts, "rows"), (transposed, "columns")):
        infos = open_source(tensors).tensors()
        assert [(info.name, info.n, info.m) for info in infos[:3]] == [
            (f"experts.gate_up_proj[{i}]", 8, 4) for i in range(3)
        ]
        assert {info.axis for info in infos[:3]} == {axis}
        assert {info.stack for info in infos} == {"expert"}
    save_file(experts, tmp_path / "e.safetensors")
    found = fg.analyze(tmp_path / "e.safetensors", slices=[1])
    assert set(found.matrices["matrix"]) == {"experts.gate_up_proj[1]", "experts.down_proj[1]"}
    assert set(found.skipped["reason"]) == {"a slice that was not asked for"}
    with pytest.raises(
        ParameterError, match=r"nothing to measure.*a stack of 3 matrices, and stacks are left out"
    ):
        fg.analyze(tmp_path / "e.safetensors", stacks=False)
    for wrong in ([], [-1], [0.5], 3):
        with pytest.raises(ParameterError, match="slices must be"):
            fg.describe(experts, slices=wrong)
    for source, held in (
        (experts, r"experts\.gate_up_proj \(3 slices\)"),
        ({"w": draw(4, 3)}, "there is no stack"),
    ):
        with pytest.raises(
            ParameterError, match=rf"no stack of matrices has the slice 5 or 7 \(--slice\); .*{held}"
        ):
            fg.describe(source, slices=[7, 5])
    for include, names in (
        ("experts.down_proj[2]", {"experts.down_proj[2]"}),
        ("experts.down_proj", {f"experts.down_proj[{i}]" for i in range(3)}),
    ):
        assert set(fg.analyze(tmp_path / "e.safetensors", include=include).matrices["matrix"]) == names
    with open_source(draw(2, 5, 3)) as reader:
        np.testing.assert_array_equal(reader.read("X[1]").values, draw(2, 5, 3)[1].numpy())
    (vector,) = open_source({"cls": draw(1, 1, 7)}).tensors()
    assert vector.skip.startswith("1-D")
    (many,) = open_source({"batch": torch.zeros(5000, 2, 3)}).tensors()
    assert many.skip.startswith("a stack of 5000 matrices, more than 4096")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kernels_of_convolutions_are_output_channels(tmp_path, dtype):
    """Channels x (inputs x height x width), as torch unrolls them; of a transposed convolution the second axis."""
    two, one = torch.nn.Conv2d(2, 6, 3), torch.nn.Conv1d(2, 6, 4)
    up = torch.nn.ConvTranspose2d(2, 6, 3)
    module = torch.nn.ModuleDict({"two": two, "one": one, "up": up}).to(dtype)
    save_file(module.state_dict(), tmp_path / "m.safetensors")
    torch.save(module.state_dict(), tmp_path / "m.pt")
    for source in (module, tmp_path / "m.safetensors", tmp_path / "m.pt"):
        with open_source(source) as reader:
            for name, layer in module.items():
                weight = layer.weight.detach().float()
                rows = (weight.transpose(0, 1) if name == "up" else weight).reshape(6, -1)
                features = reader.read(f"{name}.weight")
                np.testing.assert_array_equal(features.widened(np.arange(6)), rows.double().numpy())


@pytest.mark.parametrize("compiled", [False, True])
def test_a_live_dictionary_has_the_tables_of_its_file(tmp_path, compiled):
    class Autoencoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = torch.nn.Parameter(torch.zeros(3))
            self.encoder = torch.nn.Linear(3, 8)
            self.decoder = torch.nn.Linear(8, 3, bias=False)

    module = Autoencoder()
    torch.save({"ae": module.state_dict(), "step": 3}, tmp_path / "backup.pt")
    live = fg.analyze(torch.compile(module) if compiled else module)
    saved = fg.analyze(tmp_path / "backup.pt")
    prefix = "_orig_mod." if compiled else ""
    assert live.matrices["matrix"].tolist() == [f"{prefix}encoder.weight", f"{prefix}decoder.weight"]
    assert live.matrices["n"].tolist() == [8, 8]
    columns = [column for column in live.matrices if column not in PLACES]
    pd.testing.assert_frame_equal(live.matrices[columns], saved.matrices[columns], check_exact=True)


def test_only_averages_are_weights_too():
    average = {"ema_model.layer.weight": draw(4, 3)}
    assert [info.skip for info in open_source(average).tensors()] == [None]
    both = {"model.layer.weight": draw(4, 3), **average}
    assert [bool(info.skip) for info in open_source(both).tensors()] == [False, True]


@pytest.mark.parametrize("names", [("x/a", "x.a"), ("module.w", "w"), ("_orig_mod.w", "module.w", "w")])
def test_tensors_whose_names_differ_in_what_is_left_out_are_all_read(names):
    found = fg.analyze(
        {name: np.random.default_rng(k).standard_normal((8, 3)) for k, name in enumerate(names)}
    )
    assert sorted(found.matrices["matrix"]) == sorted(names)
    assert found.matrices["frame_potential"].nunique() == len(names)
