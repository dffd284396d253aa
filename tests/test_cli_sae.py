"""Sparse autoencoders, two sources and checkpoints by the command line: what is said, written, refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.cli import app
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError, SourceError, UnsuitableSourceError

N, M = 240, 192


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def weights(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """An encoder and a decoder: a copy, a split, an antipode, a zero row; all others at random."""
    rng = np.random.default_rng([seed, 5])
    W = rng.standard_normal((N, M)).astype(np.float32)
    E = W + rng.standard_normal((N, M)).astype(np.float32)
    W[1], E[1] = W[0], E[0]
    W[3], E[3] = W[2], rng.standard_normal(M)
    W[5], E[5] = -W[4], -E[4]
    W[9] = 0
    return E, W


def autoencoder(folder: Path, E: np.ndarray, W: np.ndarray, **config: object) -> Path:
    """Write a folder as SAELens does; latent 7 was never active."""
    folder.mkdir()
    n, m = W.shape
    save_file(
        {
            "W_enc": np.ascontiguousarray(E.T), "W_dec": W,
            "b_enc": np.zeros(len(E), np.float32), "b_dec": np.zeros(m, np.float32),
        },
        folder / "sae_weights.safetensors",
    )  # fmt: skip
    density = np.full(n, 0.02, np.float32)
    density[7], density[8] = 0, 0.5
    save_file({"sparsity": np.log10(density + 1e-10)}, folder / "sparsity.safetensors")
    (folder / "cfg.json").write_text(
        json.dumps({"d_in": m, "d_sae": n, "architecture": "standard", **config})
    )
    return folder


@pytest.fixture
def sae(tmp_path: Path) -> Path:
    return autoencoder(tmp_path / "sae", *weights(), neuronpedia_id="gpt2-small/3-res")


def test_what_was_planted_is_said_and_nothing_else(sae: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = " ".join(run("sae", sae, "--out", out, "--threads", 1).split())
    assert "Not random: 3 pairs of latents point in more similar" in said
    assert "1 of 240 latents was never active: dead. 1 decoder row is zero." in said
    assert "1 pair of copies (read alike, write alike)" in said
    assert "1 pair that writes alike and reads differently" in said
    assert "1 antipodal pair (reads and writes opposite)" in said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["related"] == {"copies": 1, "splits": 1, "opposites": 1}
    assert (summary["verdict"], summary["dead"], summary["zero"]) == ("structure", 1, 1)
    assert summary["smallest_pair_q"] < 1e-6
    latents = pd.read_parquet(out / "latents.parquet")
    assert latents["link"][3] == "https://www.neuronpedia.org/gpt2-small/3-res/3"
    assert (latents["antipode"][4], latents["antipode"][5]) == (5, 4)
    np.testing.assert_allclose(latents["antipode_score"][[4, 5]], 1, atol=1e-6)
    assert (latents["family"][[0, 1]] >= 0).all()
    assert latents["family"][0] == latents["family"][1]
    assert latents["density"][7] == latents["capacity"][7] == 0
    page = (out / "sae.html").read_text()
    assert '<a href="https://www.neuronpedia.org/gpt2-small/3-res/' in page


def test_the_numbers_are_those_of_the_functions(sae: Path) -> None:
    E, W = weights()
    told: list[tuple[int, int]] = []
    found = fg.dictionaries.examine(
        sae, num_threads=1, progress=lambda done, total: told.append((done, total))
    )
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    read = fg.dictionaries.readout(E, W)
    np.testing.assert_array_equal(found.readout.disturbed, read.disturbed)
    frame = found.to_frame()
    unit = [side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-30) for side in (E, W)]
    alike = np.einsum("ia,ia->i", *unit)
    np.testing.assert_allclose(frame["cosine"].drop(9), np.delete(alike, 9), atol=1e-6)
    assert np.isnan(frame["cosine"][9])
    weighted = fg.dictionaries.weighted_capacity(W, found.autoencoder.density)
    np.testing.assert_array_equal(frame["capacity"], weighted.capacity)


def test_a_frozen_random_decoder_is_called_random(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    W = rng.standard_normal((N, M)).astype(np.float32)
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    E = (W @ (np.eye(M) + 0.3 * rng.standard_normal((M, M)))).astype(np.float32)  # the encoder has learned
    said = run("sae", autoencoder(tmp_path / "control", E, W), "--out", tmp_path / "out")
    assert "No different from random directions, like a decoder that was never trained" in said
    assert "No families" in said
    assert "https://" not in (tmp_path / "out" / "sae.html").read_text()


def test_the_answer_comes_in_words_of_everyday():
    rng = np.random.default_rng(0)

    def answer(W):
        return fg.dictionaries.examine(
            {"W_enc": W.T.copy(), "W_dec": W, "b_enc": np.zeros(len(W))}, num_threads=1
        ).sentences()["verdict"]

    W = rng.standard_normal((160, 120))
    assert answer(W) == "No different from random directions, like a decoder that was never trained."
    W[1] = W[0]
    assert answer(W) == (
        "Not random: 1 pair of latents points in more similar (1) or more opposite (0) directions than chance "
        "explains."
    )
    uneven = rng.standard_normal((400, 60)) * np.logspace(0, -1, 60)
    assert answer(uneven) == (
        "The decoder uses some directions more, or less, than random latents would; apart from that, they lie as "
        "random ones would. In 60 dimensions, pairs that are not nearly equal may be missed."
    )
    few = rng.standard_normal((60, 40))
    few[1] = few[0] + 0.1 * few[1]
    assert answer(few).startswith(
        "As a whole no different from random directions, but for the families below. In 40"
    )
    assert answer(np.ones((30, 8))) == (
        "Too few latents or directions to be told from random ones: 30 in 8 dimensions."
    )
    assert not re.search(r"spectr|eigen", " ".join(map(answer, (W, uneven, few))))


def test_fewer_latents_than_dimensions_and_no_densities(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    W = rng.standard_normal((20, M)).astype(np.float32)
    np.savez(tmp_path / "narrow.npz", W_enc=W.T, W_dec=W, b_enc=np.zeros(20))
    said = json.loads(run("sae", tmp_path / "narrow.npz", "--out", tmp_path / "out", "--json"))
    assert said["cross_talk_floor"] == 0
    assert said["dead"] is None
    assert said["cosine_median"] == pytest.approx(1)
    assert "is not known" in said["sentences"]["dead"]


def test_what_is_no_autoencoder_is_refused(sae: Path, tmp_path: Path) -> None:
    E, W = weights()
    W[4, 2] = np.nan
    with pytest.raises(NonFiniteError, match="decoder"):
        fg.dictionaries.examine(autoencoder(tmp_path / "nan", E, W))
    assert "decoder" in run("sae", tmp_path / "nan", "--out", tmp_path / "a", code=1)
    assert not (tmp_path / "a").exists()  # nothing half written
    with pytest.raises(ShapeError, match="encoder has 100 latents, the decoder 240"):
        fg.dictionaries.read_autoencoder(
            {"W_enc": E[:100].T, "W_dec": weights()[1], "b_dec": np.zeros(M)},
            axis={"W_enc": "columns", "W_dec": "rows"},
        )
    with pytest.raises(UnsuitableSourceError, match="no decoder of a sparse autoencoder"):
        fg.dictionaries.read_autoencoder({"a": W, "b": W})
    two = {
        f"{name}.{side}": each for name in "ab" for side, each in (("W_enc", E.T), ("W_dec", weights()[1]))
    }
    with pytest.raises(UnsuitableSourceError, match="2 dictionaries"):
        fg.dictionaries.read_autoencoder(two | {f"{name}.b_enc": np.zeros(N) for name in "ab"})
    save_file({"sparsity": np.zeros(5, np.float32)}, sae / "sparsity.safetensors")
    with pytest.raises(ShapeError, match="5 densities for 240 latents"):
        fg.dictionaries.read_autoencoder(sae)
    run("sae", tmp_path / "none", code=1)
    run("sae", sae, "--q", 2, code=2)


def test_the_folder_rules_hold(tmp_path: Path) -> None:
    out = tmp_path / "out"
    E, W = weights()
    sae = autoencoder(tmp_path / "sae", E[:40, :24], W[:40, :24])  # four runs: small
    (sae / "sparsity.safetensors").unlink()
    run("sae", sae, "--out", out)
    run("sae", sae, "--out", out)  # its own results
    assert "--force" in run("sae", sae, "--out", out, "--seed", 1, code=1)
    run("sae", sae, "--out", out, "--seed", 1, "--force")
    assert "of featuregeom sae" not in run(
        "compare", sae, sae, "--out", out, code=1
    )  # no page of its own: files are


MODEL = {f"layer.{k}.weight": (60 + 20 * k, 32) for k in range(3)}


def model(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([seed, 9])
    held = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in MODEL.items()}
    return held | {"layer.0.bias": np.ones(60, np.float32)}


def written(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    save_file(tensors, path)
    return path


def compared(tmp_path: Path, change: dict[str, np.ndarray], *options: object) -> dict:
    a, b = written(tmp_path / "a.safetensors", model()), written(tmp_path / "b.safetensors", model() | change)
    return json.loads(run("compare", a, b, "--out", tmp_path / "out", "--json", *options))


def test_nothing_changed(tmp_path: Path) -> None:
    found = compared(tmp_path, {})
    assert (found["same"], found["changed"], found["vectors"]) == (3, [], [])
    assert found["sentences"] == ["3 matrices are the same in both, number for number."]


def test_half_of_a_matrix_pruned(tmp_path: Path) -> None:
    W = model()["layer.1.weight"].copy()
    W[::2] = 0
    found = compared(tmp_path, {"layer.1.weight": W})
    assert (found["same"], found["changed"]) == (2, ["layer.1.weight"])
    assert found["sentences"][1:] == [
        "layer.1.weight: 40 features kept, none of them changed; 40 lost; none born."
    ]
    features = pd.read_parquet(tmp_path / "out" / "features.parquet")
    assert features.loc[features["what"] == "lost", "a"].tolist() == list(range(0, 80, 2))


def test_one_per_cent_of_noise_in_everything(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noisy = {
        name: (each + 0.01 * rng.standard_normal(each.shape)).astype(np.float32)
        for name, each in model().items()
    }
    found = compared(tmp_path, noisy)
    assert (found["same"], len(found["changed"]), found["vectors"]) == (0, 3, ["layer.0.bias"])
    for row in found["matrices"]:
        assert (row["lost"], row["born"]) == (0, 0)
        assert row["kept"] == row["kept_changed"] == MODEL[row["matrix"]][0]
        # The tangential part of noise of 1 % in 32 dimensions.
        assert row["median_degrees"] == pytest.approx(np.degrees(0.01), rel=0.1)


def test_one_layer_fine_tuned(tmp_path: Path) -> None:
    W = model()["layer.2.weight"].copy()
    W[10:20] += 0.2 * np.random.default_rng(2).standard_normal((10, 32)).astype(np.float32)
    found = compared(tmp_path, {"layer.2.weight": W}, "--families")
    assert found["changed"] == ["layer.2.weight"]
    (row,) = found["matrices"]
    assert (row["kept"], row["kept_changed"], row["lost"], row["born"]) == (100, 10, 0, 0)
    assert "families: no families in either" in found["sentences"][1]


def test_matrices_of_one_side_zero_ones_and_of_two_names(tmp_path: Path) -> None:
    a = written(
        tmp_path / "a.safetensors", {"x": model()["layer.0.weight"], "z": np.zeros((4, 3), np.float32)}
    )
    more = {
        "x": model()["layer.0.weight"],
        "z": np.ones((4, 3), np.float32),
        "y": np.ones((3, 2), np.float32),
    }
    b = written(tmp_path / "b.safetensors", more)
    found = fg.compare_sources(a, b)
    assert found.same == ("x",)
    assert "all 4 features are zero" in found.refused["z"]
    assert (found.only_first, found.only_second) == ((), ("y",))
    np.save(tmp_path / "p.npy", model()["layer.1.weight"])
    np.save(tmp_path / "q.npy", 2 * model()["layer.1.weight"][::-1])
    other = fg.compare_sources(tmp_path / "p.npy", tmp_path / "q.npy")
    assert "norms times 2" in str(other)
    with pytest.raises(UnsuitableSourceError, match="no matrix is in both"):
        fg.compare_sources(a, tmp_path / "p.npy")
    bad = {"x": more["x"].copy()}
    bad["x"][3, 1] = np.nan
    with pytest.raises(NonFiniteError, match=r"x: B.*row 3"):
        fg.compare_sources(a, bad)


def test_families_that_are_kept_lost_and_born(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    A = rng.standard_normal((300, 64))
    pentagon = 8 * fg.shapes.polygon(5)
    for start in (0, 10):
        A[start : start + 5] = pentagon @ np.linalg.qr(rng.standard_normal((64, 2)))[0].T
    B = A.copy()
    B[0:5] = rng.standard_normal((5, 64))  # one is lost
    B[20:25] = pentagon @ np.linalg.qr(rng.standard_normal((64, 2)))[0].T  # one is born
    found = fg.dictionaries.compare(A, B, families=True, num_threads=1).families
    assert str(found) == "1 family kept; 1 lost; 1 born"
    assert set(found.first.members[found.kept[0, 0]].tolist()) == set(range(10, 15))
    assert found.overlap.tolist() == [1]
    assert set(found.second.members[found.born[0]].tolist()) == set(range(20, 25))


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """Twelve files in natural order; the first feature becomes three times as long at step 800."""
    folder, rng = tmp_path / "run", np.random.default_rng(7)
    folder.mkdir()
    X = rng.standard_normal((60, 48))
    for step in range(0, 1200, 100):
        Y = X * np.exp(0.02 * rng.standard_normal((60, 1)))
        Y[0] *= 3 if step >= 800 else 1
        written(
            folder / f"step-{step}.safetensors", {"w": Y.astype(np.float32), "v": np.eye(3, dtype=np.float32)}
        )
    return folder


def test_a_trajectory_finds_the_planted_jump(checkpoints: Path, tmp_path: Path) -> None:
    said = json.loads(run("trajectory", checkpoints, "--tensor", "w", "--out", tmp_path / "out", "--json"))
    steps = pd.read_parquet(tmp_path / "out" / "steps.parquet")
    assert steps["step"].tolist() == list(range(0, 1200, 100))
    assert steps["path"][2] == "step-200.safetensors"
    features = pd.read_parquet(tmp_path / "out" / "features.parquet")
    assert len(features) == 12 * 60
    assert said["steps"][8]["kappa_jumps"] >= 1
    assert sum(each["kappa_jumps"] for each in said["steps"]) == said["steps"][8]["kappa_jumps"]
    assert "w over training" in (tmp_path / "out" / "trajectory.html").read_text()


def test_what_is_no_trajectory_is_refused(checkpoints: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsuitableSourceError, match="2 matrices, name one"):
        fg.survey.read_checkpoints(checkpoints)
    with pytest.raises(ParameterError, match="no matrix 'u'"):
        fg.survey.read_checkpoints(checkpoints, "u")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds 0 checkpoints"):
        fg.survey.read_checkpoints(tmp_path / "empty")
    with pytest.raises(SourceError, match="no such folder"):
        fg.survey.read_checkpoints(tmp_path / "none")
    written(checkpoints / "step-9999.safetensors", {"w": np.ones((3, 2), np.float32)})
    assert "a trajectory is of one matrix" in run("trajectory", checkpoints, "--tensor", "w", code=1)
