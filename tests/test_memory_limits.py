"""Every command and every format under a real limit of memory: one sentence, exit code 1, nothing half-written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from memory_limits import run_under

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS is Linux here")

N, M = 3000, 128


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of all kinds, of one matrix where they hold weights."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, M)).astype(np.float32)
    np.save(folder / "x.npy", X)
    np.save(folder / "y.npy", X + np.float32(0.1) * rng.standard_normal(X.shape).astype(np.float32))
    np.savez(folder / "x.npz", w=X)
    np.savez_compressed(folder / "packed.npz", w=X)
    (folder / "steps").mkdir()
    for step in range(3):
        np.save(folder / "steps" / f"step{step}.npy", X + np.float32(0.1 * step))
    np.save(folder / "activations.npy", np.maximum(rng.standard_normal((100_000, 64)), 0).astype(np.float32))
    np.save(folder / "basis.npy", np.eye(500))
    np.save(folder / "relations.npy", np.ones((1000, 1000), dtype=int) - np.eye(1000, dtype=int))
    corners = (np.arange(256)[:, None] >> np.arange(8)) & 1
    np.save(folder / "cube.npy", 2.0 * corners - 1)
    layers = {f"{at}.weight": rng.standard_normal(shape) for at, shape in enumerate([(256, 2), (256, 256)])}
    np.savez(folder / "net.npz", **layers, **{f"{at}.bias": np.zeros(256) for at in range(2)})
    return folder


def _more(folder: Path) -> dict[str, str]:
    """Write what needs packages of its own, as far as they are there; give the package of each."""
    X = np.load(folder / "x.npy")
    made = {}
    try:
        import torch
        from safetensors.torch import save_file

        torch.save({"w": torch.from_numpy(X)}, folder / "x.pt")
        save_file({"w": torch.from_numpy(X)}, folder / "x.safetensors")
        save_file({"w": torch.from_numpy(X).bfloat16()}, folder / "half.safetensors")
        latents = torch.from_numpy(np.random.default_rng(1).standard_normal((3000, M)).astype(np.float32))
        (folder / "sae").mkdir(exist_ok=True)
        save_file(
            {"W_dec": latents, "W_enc": latents.T.contiguous(), "b_enc": torch.zeros(3000), "b_dec": torch.zeros(M)},
            folder / "sae" / "sae_weights.safetensors",
        )  # fmt: skip
        made |= {"x.pt": "torch", "x.safetensors": "torch", "half.safetensors": "torch", "sae": "torch"}
    except ImportError:
        pass
    try:
        import gguf

        writer = gguf.GGUFWriter(str(folder / "x.gguf"), "llama")
        writer.add_tensor("blk.0.ffn_up.weight", X)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        made["x.gguf"] = "gguf"
    except ImportError:
        pass
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        kind = TensorProto.FLOAT
        given, gives = (
            helper.make_tensor_value_info(name, kind, [1, size]) for name, size in (("a", N), ("b", M))
        )
        product = helper.make_node("MatMul", ["a", "w"], ["b"])
        graph = helper.make_graph([product], "g", [given], [gives], [numpy_helper.from_array(X, "w")])
        onnx.save(helper.make_model(graph), str(folder / "x.onnx"))
        made["x.onnx"] = "onnx"
    except ImportError:
        pass
    return made


def _commands(folder: Path) -> dict[str, list[object]]:
    out = ["--out", "o"]
    return {
        "analyze": ["analyze", folder / "x.npy", *out],
        "analyze npz": ["analyze", folder / "x.npz", *out],
        "analyze compressed npz": ["analyze", folder / "packed.npz", *out],
        "analyze unmapped": ["analyze", folder / "x.npy", "--no-mmap", *out],
        "compare": ["compare", folder / "x.npy", folder / "y.npy", *out],
        "trajectory": ["trajectory", folder / "steps", *out],
        "families": ["families", folder / "x.npy", *out],
        "codes": ["codes", folder / "activations.npy", *out],
        "scheme of a basis": ["scheme", folder / "basis.npy", *out],
        "scheme of relations": ["scheme", folder / "relations.npy", "--kind", "relations", *out],
        "scheme of a cube": ["scheme", folder / "cube.npy", *out],
        "slice": ["regions", "slice", folder / "net.npz", *out],
        "along": ["regions", "along", folder / "net.npz", *out],
        "describe": ["describe", folder / "x.npy"],
    }


def test_commands_without_memory_say_so_in_one_line(inputs: Path, tmp_path: Path) -> None:
    """Hardly any memory, and a little more, where what is asked for is larger than what is left."""
    commands = _commands(inputs)
    cases = [(arguments, megabytes) for arguments in commands.values() for megabytes in (1, 12)]
    found = run_under(cases, tmp_path)
    for ended in found:
        ended.check()
    # What a command needs is more than a MiB, but for headers and a network of two inputs.
    easy = {"describe", "along"}
    few = [ended for name, ended in zip(commands, found[::2], strict=True) if name not in easy]
    assert all(ended.code == 1 for ended in few), [ended.arguments for ended in few if not ended.code]


def test_commands_that_have_no_room_to_start_say_so(inputs: Path, tmp_path: Path) -> None:
    """With less, NumPy's products end the process in words of their own, and threads of Python wait for ever."""
    commands = _commands(inputs)
    cases = [(arguments, megabytes) for arguments in commands.values() for megabytes in (1, 24)]
    for ended in run_under(cases, tmp_path, warm=False, early=True):
        ended.check()
        assert ended.code == 1
        assert "any command takes" in ended.said


def test_formats_without_memory_say_so_in_one_line(inputs: Path, tmp_path: Path) -> None:
    made = _more(inputs)
    if not made:
        pytest.skip("no package for other formats is installed")
    cases = [
        (["sae" if name == "sae" else "analyze", inputs / name, "--out", "o"], megabytes)
        for name in made
        for megabytes in (2, 12)
    ]
    for ended in run_under(cases, tmp_path, sorted(set(made.values()))):
        ended.check()


def test_without_the_work_space_of_the_threads(inputs: Path, tmp_path: Path) -> None:
    """It is asked for when they start, and its error does not advise fewer features."""
    cases = [(_commands(inputs)["analyze"], 40), (["demo", "--out", "o"], 40)]
    for ended in run_under(cases, tmp_path, warm=False):
        ended.check()
        assert ended.code == 1
        assert "the matrix products of" in ended.said
        assert "need" in ended.said
        assert "features" not in ended.said.splitlines()[-1]


def test_a_thread_is_not_started_without_room() -> None:
    """Python would wait for ever where its first allocation fails."""
    program = """
import resource
import numpy as np
from featuregeom.interruptible import aside
from featuregeom.memory import NoRoomError, available

matrix = np.eye(400)
assert aside(np.linalg.eigvalsh, matrix)[0] == 1  # its stack may be taken again
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (12 << 20), resource.RLIM_INFINITY))
try:
    aside(np.linalg.eigvalsh, matrix)
except NoRoomError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("starting a thread takes 16.8 MB of memory, and "), done


@pytest.mark.slow
def test_all_commands_at_many_limits(inputs: Path, tmp_path: Path) -> None:
    """From a MiB on: with nothing left the C library ends the process, when a thread has no room for its variables.

    Commands start with more (the test of no room to start); this is what is left to them later.
    """
    commands = _commands(inputs) | {"demo": ["demo", "--out", "o"]}
    for steps in ((1, 2, 4, 6, 8, 16, 20), (24, 32, 40, 48, 64, 96)):
        for ended in run_under([(each, mb) for each in commands.values() for mb in steps], tmp_path):
            ended.check()


@pytest.mark.slow
def test_all_formats_at_many_limits(inputs: Path, tmp_path: Path) -> None:
    made = _more(inputs)
    steps = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96)
    cases = [
        (["sae" if name == "sae" else "analyze", inputs / name, "--out", "o"], mb) for name in made for mb in steps
    ]  # fmt: skip
    for ended in run_under(cases, tmp_path, sorted(set(made.values()))):
        ended.check()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["toy", "dynamics", "--steps", "20"],
        ["toy", "saturation", "--steps", "5"],
        ["toy", "geometry", "--steps", "5"],
        ["train-demo", "--steps", "5"],
        ["regions", "phase", "--widths", "3,10", "--epochs", "0,1", "--samples", "50", "--repeats", "1"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_training_at_many_limits(arguments: list[str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    cases = [([*arguments, "--out", "o"], megabytes) for megabytes in (1, 8, 16, 32, 64, 128)]
    for ended in run_under(cases, tmp_path, ["torch", "sklearn.datasets"]):
        ended.check(or_by_openblas=True)
