"""Sources on the Hugging Face Hub, which a server on this machine plays."""

import json
import os
import subprocess
import sys

import huggingface_hub.constants as constants
import huggingface_hub.file_download as file_download
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import featuregeom as fg
from featuregeom.errors import MissingExtraError, SourceError
from featuregeom.sources import hub, open_source
from hub_server import COMMIT, serving

W = {"W": torch.eye(3)}


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """An empty repository owner/name, and an empty cache."""
    folder = tmp_path / "remote"
    folder.mkdir()
    with serving(folder) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE",
                            server.url + "/{repo_id}/resolve/{revision}/{filename}", raising=False)  # fmt: skip
        for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
            monkeypatch.setattr(constants, name, str(tmp_path / "cache"))
        yield server


def save(folder, name, tensors):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".safetensors"):
        save_file(tensors, path)
    elif name.endswith(".npz"):
        np.savez(path, **{key: tensor.numpy() for key, tensor in tensors.items()})
    elif name.endswith(".npy"):
        np.save(path, tensors["W"].numpy())
    else:
        torch.save(tensors, path)


def big(n=400, m=300, seed=0):
    return torch.randn(n, m, generator=torch.Generator().manual_seed(seed))


def test_a_repository_gives_its_top_folder_and_one_format(remote):
    for name in (
        "layer_0/params.npz",
        "model.safetensors",
        "pytorch_model.bin",
        "model.fp16.safetensors",
        "a.onnx",
    ):
        save(remote.folder, name, W)
    save(remote.folder, "consolidated.safetensors", W)
    with open_source("owner/name") as reader:
        assert reader.read("W").provenance.source == reader.source == f"owner/name@{COMMIT}"
    assert set(remote.sent) == {"model.safetensors"}


def test_torch_files_are_fetched_only_where_there_is_nothing_else(remote):
    save(remote.folder, "pytorch_model.bin", W)
    assert open_source("owner/name@main").format == "torch"
    assert set(remote.sent) == {"pytorch_model.bin"}


def test_folders_and_files_of_a_repository(remote):
    save(remote.folder, "layer_0/width_16k/params.npz", {"W_dec": torch.eye(3)})
    save(remote.folder, "layer_1/other.npz", W)
    reader = open_source("owner/name@v1:layer_0/width_16k")
    assert (reader.format, reader.source) == ("gemma-scope", f"owner/name@{COMMIT}:layer_0/width_16k")
    assert open_source("owner/name:layer_1/other.npz").read("W").n == 3
    assert open_source(f"{remote.url}/owner/name/tree/main/layer_0/width_16k").read("W_dec").n == 3
    assert open_source(f"{remote.url}/owner/name/blob/main/layer_1/other.npz?download=true").read("W").n == 3
    assert set(remote.sent) == {"layer_0/width_16k/params.npz", "layer_1/other.npz"}


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_an_index_comes_with_the_shards_that_it_names(remote, suffix):
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    shards = {"a.weight": f"{stem}-1-of-2.{suffix}", "b.weight": f"{stem}-2-of-2.{suffix}"}
    for seed, (tensor, shard) in enumerate(shards.items()):
        save(remote.folder, shard, {tensor: big(seed=seed)})
    save(remote.folder, f"{stem}-old.{suffix}", {"c.weight": big()})
    index = f"{stem}.{suffix}.index.json"
    (remote.folder / index).write_text(json.dumps({"weight_map": shards}))
    described = fg.describe("owner/name")
    assert {info.name: info.shape for info in described.matrices} == dict.fromkeys(shards, (400, 300))
    assert [info.name for info in described.tensors if info.skip] == [f"{stem}-old.{suffix}"]
    assert sum(remote.sent.values()) < 200_000
    with open_source("owner/name") as reader:
        np.testing.assert_array_equal(reader.read("b.weight").values, big(seed=1).numpy())
        listed = tuple(reader.tensors())
    assert {info.name: info for info in listed} == {info.name: info for info in described.tensors}
    assert set(remote.sent) == {index, *shards.values()}


@pytest.mark.parametrize(
    "name", ["model.safetensors", "params.npz", "words.npy", "pytorch_model.bin", "ae.pt"]
)
def test_describe_fetches_headers_alone(remote, name):
    """The same tensors as from the whole file, for a tenth of its bytes and less."""
    tensors = {"W": big(1000, 300), "encoder.weight": big(500, 300), "encoder.bias": big(500, 1)[:, 0]}
    save(remote.folder, name, tensors)
    (remote.folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    described = fg.describe("owner/name")
    assert described.source == f"owner/name@{COMMIT}"
    assert sum(remote.sent.values()) < (remote.folder / name).stat().st_size / 10
    assert described.tensors == fg.describe(remote.folder / name).tensors
    estimated = fg.estimate("owner/name")
    assert estimated == fg.estimate(remote.folder / name)
    assert sum(remote.sent.values()) < (remote.folder / name).stat().st_size / 5


def listed(tensors):
    return {info.name: (info.shape, info.axis, info.axis_reason, info.skip) for info in tensors}


def test_what_is_not_opened_is_listed_as_in_a_folder(remote, tmp_path):
    """Other formats, second copies, what trainers keep, folders: the rows of a local folder, from headers and files."""
    shards = {"a.weight": "model-00001-of-00002.safetensors", "b.weight": "model-00002-of-00002.safetensors"}
    for tensor, shard in shards.items():
        save(remote.folder, shard, {tensor: big(8, 3)})
    (remote.folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    old = "pytorch_model-00001-of-00001.bin"
    (remote.folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"a.weight": old}}))
    for name in (
        old,
        "optimizer.pt",
        "consolidated.00.pth",
        "onnx/model.pt",
        "deep/er/a.npz",
        ".hidden/a.npz",
    ):
        save(remote.folder, name, {"a": big(8, 3)})
    save(remote.folder, "onnx/optimizer.pt", {"a": big(8, 3)})
    for name in ("tf_model.h5", "README.md", "notes/a.txt"):
        (remote.folder / name).parent.mkdir(exist_ok=True)
        (remote.folder / name).write_text("x")
    others = [old, "consolidated.00.pth", "optimizer.pt", "pytorch_model.bin.index.json", "tf_model.h5"]
    for recursive, more in ((False, ["deep/", "onnx/"]), (True, ["onnx/optimizer.pt"])):
        local = fg.describe(remote.folder, recursive=recursive).tensors
        skipped = {info.name: info.skip for info in local if info.skip}
        assert sorted(skipped) == sorted([*others, *more])
        assert "format that is not read" in skipped["tf_model.h5"]
        assert listed(fg.describe("owner/name", recursive=recursive).tensors) == listed(local)
        assert listed(open_source("owner/name", recursive=recursive).tensors()) == listed(local)
    table = fg.analyze("owner/name", pairs=False).skipped
    assert sorted(table["tensor"]) == sorted([*others, "deep/", "onnx/"])


def test_what_was_fetched_before_does_not_change_what_is_opened(remote):
    for name in ("a.safetensors", "b.safetensors", "consolidated.safetensors"):
        save(remote.folder, name, {name[0]: big(8, 3)})
    open_source("owner/name:consolidated.safetensors")
    with open_source("owner/name") as reader:
        assert [info.name for info in reader.tensors() if not info.skip] == ["a", "b"]


def test_gguf_is_listed_by_its_header(remote):
    gguf = pytest.importorskip("gguf")
    path = remote.folder / "model-Q8_0.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_token_list([f"token {i}" for i in range(3000)])
    writer.add_token_scores([0.5] * 3000)
    writer.add_array("nested", [[1, 2], [3, 4]])
    writer.add_bool("flag", True)
    writer.add_tensor("token_embd.weight", big(3000, 256).numpy())
    writer.add_tensor("half.weight", big(40, 32).numpy().astype(np.float16))
    packed = gguf.quants.quantize(big(64, 256).numpy(), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("packed.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("norm.weight", np.ones(256, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (remote.folder / "model-Q4_K_M.gguf").write_bytes(b"GGUF")
    described = fg.describe("owner/name")
    assert sum(remote.sent.values()) < 600_000 < path.stat().st_size / 5
    assert described.tensors == fg.describe(remote.folder).tensors
    assert [info.name for info in described.tensors if info.skip] == ["norm.weight", "model-Q4_K_M.gguf"]
    assert fg.estimate("owner/name") == fg.estimate(remote.folder)
    header = path.read_bytes()[:2000]
    for content, words in (
        (header, "ends within it"),
        (b"GGUF" + bytes([1, 0, 0, 0]) + header[8:], "version 1"),
        (header[:16] + b"\xff" * 8 + header[24:], "ends within it"),
    ):
        path.write_bytes(content)
        with pytest.raises(SourceError, match=rf"model-Q8_0\.gguf: the header of GGUF is malformed.*{words}"):
            fg.describe("owner/name")


def test_onnx_is_listed_without_its_numbers(remote):
    """Axes from the graph, and what lies in a file beside it comes with it."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    held = {"matmul": big(300, 500), "gemm": big(400, 300), "inner": big(200, 300)}
    arrays = {name: numpy_helper.from_array(tensor.numpy(), name) for name, tensor in held.items()}
    inside = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["o"])], "inside", [], [], [arrays["inner"]]
    )
    nodes = [
        helper.make_node("MatMul", ["x", "matmul"], ["a"]),
        helper.make_node("Gemm", ["a", "gemm"], ["b"], transB=1),
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(big(250, 300).numpy(), "v")),
        helper.make_node("If", ["x"], ["d"], name="if", then_branch=inside, else_branch=inside),
    ]
    few = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(5), "few"), numpy_helper.from_array(np.arange(5), "places"), [30, 20]
    )
    held = [arrays["matmul"], arrays["gemm"]]
    model = helper.make_model(helper.make_graph(nodes, "g", [], [], held, sparse_initializer=[few]))
    onnx.save(model, remote.folder / "model.onnx")
    onnx.save(model, remote.folder / "model_quantized.onnx")
    described = fg.describe("owner/name")
    assert sum(remote.sent.values()) < 400_000 < (remote.folder / "model.onnx").stat().st_size / 4
    assert listed(described.tensors) == listed(fg.describe(remote.folder).tensors)
    skipped = {info.name: (info.shape, info.skip) for info in described.tensors if info.skip}
    assert skipped.pop("few") == ((30, 20), "a sparse tensor, which is not read")
    assert skipped.keys() == {"model_quantized.onnx"}
    shapes = {info.name: (info.n, info.m) for info in described.matrices}
    assert shapes == {"matmul": (500, 300), "gemm": (400, 300), "if.inner": (200, 300), "c": (250, 300)}
    onnx.save(model, remote.folder / "model.onnx", save_as_external_data=True, location="model.onnx_data")
    remote.sent.clear()
    assert {info.name: (info.n, info.m) for info in fg.describe("owner/name").matrices} == shapes
    assert remote.sent["model.onnx_data"] == 0


def test_data_of_onnx_in_another_file_comes_too(remote):
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    X = big(300, 500).numpy()
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [], [], [numpy_helper.from_array(X, "w")]
    )
    (remote.folder / "onnx").mkdir()
    onnx.save(helper.make_model(graph), remote.folder / "onnx" / "model.onnx", save_as_external_data=True,
              location="model.onnx_data")  # fmt: skip
    with open_source("owner/name:onnx") as reader:
        np.testing.assert_array_equal(reader.read("w").values, X.T)
    for content in (b"garbage", b"\x3a\x80\x80\x80\x80\x01"):
        (remote.folder / "onnx" / "model.onnx").write_bytes(content)
        with pytest.raises(SourceError, match=r"onnx/model\.onnx: it is no ONNX model"):
            fg.describe("owner/name:onnx")


def test_contents_decide_there_too(remote):
    torch.save({"W": big(8, 3)}, remote.folder / "really_torch.safetensors")
    (remote.folder / "page.bin").write_bytes(b"<!DOCTYPE html><html></html>")
    (remote.folder / "deep").mkdir()
    (remote.folder / "deep" / "weights.bin").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    )
    assert [info.shape for info in fg.describe("owner/name").matrices] == [(8, 3)]
    with pytest.raises(SourceError, match=r"page\.bin: an HTML page"):
        fg.describe("owner/name:page.bin")
    with pytest.raises(SourceError, match="run git lfs pull"):
        fg.describe("owner/name:deep")


def test_a_long_header_is_read_whole(remote):
    tensors = {f"layers.{i}.a.rather.long.name.that.fills.headers.weight": torch.eye(3) for i in range(1000)}
    save(remote.folder, "model.safetensors", tensors)
    assert len(fg.describe("owner/name").matrices) == 1000


def test_a_configuration_beside_the_weights_is_evidence_there_too(remote):
    square = {"W_enc": torch.eye(3), "W_dec": torch.eye(3)}
    save(remote.folder, "sae/weights.safetensors", square)
    (remote.folder / "sae" / "cfg.json").write_text(json.dumps({"d_sae": 3, "architecture": "topk"}))
    for source in ("owner/name:sae", "owner/name:sae/weights.safetensors"):
        axes = {info.name: info.axis for info in fg.describe(source).tensors}
        assert axes == {"W_enc": "columns", "W_dec": "rows"}
        assert {info.name: info.axis for info in open_source(source).tensors()} == axes


def test_layers_in_files_of_their_own(remote):
    for layer in range(2):
        tensors = {"W_enc": big(8, 3), "W_dec": big(8, 3, 1), "b_enc": torch.ones(8), "b_dec": torch.ones(3)}
        save(remote.folder, f"layers/layer_{layer}.safetensors", tensors)
    described = {info.name: (info.n, info.m) for info in fg.describe("owner/name:layers").matrices}
    assert described == {f"layer_{i}.{name}": (8, 3) for i in range(2) for name in ("W_enc", "W_dec")}
    opened = {
        info.name: (info.n, info.m) for info in open_source("owner/name:layers").tensors() if not info.skip
    }
    assert opened == described


def test_folders_in_a_repository_are_taken_when_asked_for(remote):
    for name in ("resid_0", "resid_1"):
        save(remote.folder, f"saes/{name}/ae.pt", {"encoder.weight": big(8, 3), "decoder.weight": big(3, 8)})
    expected = {f"resid_{i}/ae.{side}.weight": (8, 3) for i in (0, 1) for side in ("encoder", "decoder")}
    described = fg.describe("owner/name:saes", recursive=True).matrices
    assert {info.name: (info.n, info.m) for info in described} == expected
    opened = open_source("owner/name:saes", recursive=True).tensors()
    assert {info.name: (info.n, info.m) for info in opened} == expected


def test_a_repository_without_weights_says_what_it_holds(remote):
    (remote.folder / "README.md").write_text("x")
    save(remote.folder, "layer_0/params.npz", W)
    with pytest.raises(SourceError, match=r"it holds README\.md; weights are deeper: layer_0/params\.npz"):
        open_source("owner/name")
    with pytest.raises(
        SourceError, match=r"no such file or folder: layer_9; the repository holds README\.md"
    ):
        open_source("owner/name:layer_9")
    with pytest.raises(SourceError, match="the Hugging Face Hub does not give it"):
        open_source("owner/other")


def test_a_server_without_ranges_gives_whole_files(remote):
    save(remote.folder, "pytorch_model.bin", {"W": big()})
    remote.ranges = False
    assert [info.shape for info in fg.describe("owner/name").tensors] == [(400, 300)]


def test_broken_files_on_the_hub_are_named(remote):
    save(remote.folder, "model.safetensors", W)
    whole = (remote.folder / "model.safetensors").read_bytes()
    for content, words in (
        (whole[:-1], "the file is truncated"),
        (b"not found, not at all", "no safetensors file"),
    ):
        (remote.folder / "model.safetensors").write_bytes(content)
        with pytest.raises(SourceError, match=rf"owner/name@{COMMIT}: model\.safetensors: .*{words}"):
            fg.describe("owner/name")


def test_the_command_line_with_the_hub_of_the_environment(remote, tmp_path):
    save(remote.folder, "model.safetensors", {"W": big()})
    environment = os.environ | {"HF_ENDPOINT": remote.url, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "featuregeom", "describe", "owner/name", "--json"]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert json.loads(said)["tensors"][0]["tensor"] == "W"
    assert sum(remote.sent.values()) < 40_000  # one answer


def test_what_is_cached_needs_no_network(remote, monkeypatch):
    save(remote.folder, "model.safetensors", W)
    open_source("owner/name")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert open_source("owner/name").read("W").n == 3


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("google/gemma-scope-2b", hub.HubId("google/gemma-scope-2b", None, "")),
        ("a/b@refs/pr/1", hub.HubId("a/b", "refs/pr/1", "")),
        ("a/b:c/d/", hub.HubId("a/b", None, "c/d")),
        ("a/b@v1:c/params.npz", hub.HubId("a/b", "v1", "c/params.npz")),
        ("https://huggingface.co/a/b", hub.HubId("a/b", None, "")),
        ("https://huggingface.co/a/b/", hub.HubId("a/b", None, "")),
        ("https://huggingface.co/a/b/tree/main", hub.HubId("a/b", "main", "")),
        ("https://huggingface.co/a/b/tree/refs%2Fpr%2F1/c", hub.HubId("a/b", "refs/pr/1", "c")),
        ("https://huggingface.co/a/b/resolve/refs/pr/1/c.npz", hub.HubId("a/b", "refs/pr/1", "c.npz")),
        ("http://hf.co/a/b/blob/v1/c/d%20e.npz?x=1#y", hub.HubId("a/b", "v1", "c/d e.npz")),
        ("a/b.safetensors", None),
        ("models/model.NPY", None),
        ("a/b/c", None),
        ("name", None),
        ("./a/b", None),
        ("/a/b", None),
        ("~/a", None),
        ("../b", None),
        ("C:\\a/b", None),
        ("", None),
    ],
)
def test_identifiers(text, place):
    assert hub.parse(text) == place


def test_a_local_path_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    save_file(W, tmp_path / "owner" / "name" / "model.safetensors")
    assert open_source("owner/name").read("W").n == 3


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"owner/name: .*pip install 'featuregeom\[hub\]'"):
        open_source("owner/name")


def test_offline_the_hub_says_so_itself_and_one_line_helps(tmp_path):
    code = (
        "from featuregeom.errors import SourceError\n"
        "from featuregeom.sources import open_source\n"
        "try:\n    open_source('owner/name')\nexcept SourceError as error:\n    print(error)"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    lines = run.stdout.strip().splitlines()
    assert lines[0].startswith(
        "owner/name: no such file or folder here, and the Hugging Face Hub does not give it: "
    )
    assert "HF_HUB_OFFLINE" in run.stdout or "offline" in run.stdout
    assert lines[-1].startswith("Check spelling and network")


def test_tokens_come_with_the_weights_and_not_with_their_headers(remote):
    tokens = [f"token{i}" for i in range(40)]
    save(remote.folder, "model.safetensors", {"wte.weight": big(40, 8)})
    (remote.folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    fg.describe("owner/name")
    assert "vocab.txt" not in remote.sent
    assert fg.analyze("owner/name", pairs=False).labels == {"wte.weight": tuple(tokens)}
