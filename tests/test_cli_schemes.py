"""``featuregeom scheme`` and ``verify``, as a person and as a script use them."""

from __future__ import annotations

import json

import networkx as nx
import numpy as np
import pytest
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.cli import app
from featuregeom.schemes.files import distances, parse_graph6, read


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def test_a_scheme_is_named_certified_and_verified(invoke, tmp_path):
    X = fg.shapes.icosahedron() * 2.5
    np.save("x.npy", X)
    said = invoke("scheme", "x.npy", "--out", "found")
    assert said.exit_code == 0, said.output
    assert "icosahedron" in said.stdout
    assert {path.name for path in (tmp_path / "found").iterdir()} == {"scheme.json", "scheme.html"}
    assert invoke("verify", "found/scheme.json", "x.npy").exit_code == 0
    X[3] += 1.0
    np.save("x.npy", X)
    refused = invoke("verify", "found/scheme.json", "x.npy")
    assert refused.exit_code == 1
    assert "FAILS" in refused.stdout
    assert json.loads(invoke("verify", "found/scheme.json", "x.npy", "--json").stdout)["holds"] is False


def test_gram_and_relation_matrices_are_told_apart(invoke):
    X = fg.shapes.cell24()
    G = X @ X.T
    np.save("gram.npy", G)
    np.save("relations.npy", np.unique(-G.round(6), return_inverse=True)[1].reshape(G.shape))
    for file, what in (("gram.npy", "gram"), ("relations.npy", "relations")):
        (facts,) = json.loads(invoke("scheme", file, "--json").stdout)
        assert facts["taken_for"] == what
        assert facts["is_scheme"]
        assert sorted(facts["valencies"]) == [1, 1, 6, 8, 8]
        assert facts["multiplicities"][0] == 1
        assert sum(facts["multiplicities"]) == 24


def test_graphs_one_a_line(invoke, tmp_path):
    graphs = [nx.petersen_graph(), nx.path_graph(5), nx.cycle_graph(70)]
    (tmp_path / "g.g6").write_bytes(
        b"".join(nx.to_graph6_bytes(g, header=k == 0) for k, g in enumerate(graphs))
    )
    for graph, (_, adjacency) in zip(graphs, parse_graph6(tmp_path / "g.g6"), strict=True):
        assert np.array_equal(adjacency, nx.to_numpy_array(graph, dtype=bool))
        lengths = dict(nx.all_pairs_shortest_path_length(graph))
        assert all(distances(adjacency)[i, j] == lengths[i][j] for i in graph for j in graph)
    first, second, third = json.loads(invoke("scheme", "g.g6", "--json").stdout)
    assert (first["is_scheme"], second["is_scheme"], third["is_scheme"]) == (True, False, True)
    assert sorted(first["valencies"]) == [1, 3, 6]
    assert third["n"] == 70


def test_vertices_that_are_not_connected_are_n_apart():
    assert distances(np.zeros((3, 3), dtype=bool)).tolist() == [[0, 3, 3], [3, 0, 3], [3, 3, 0]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no graph"),
        (b"D?\n", "line 1"),
        (b"\nD?{\x10\n", "line 2"),
        (b"~~????????\n", "vertices"),
        (b"~\n", "number of vertices"),
        (b"~}}}\n", "vertices; up to"),
    ],
)
def test_broken_graphs_are_named(invoke, tmp_path, content, says):
    (tmp_path / "g.g6").write_bytes(content)
    said = invoke("scheme", "g.g6")
    assert said.exit_code == 1
    assert says in said.stderr


def test_files_that_cannot_be_read_are_named(invoke):
    for file in ("missing.g6", "missing.npy"):
        said = invoke("scheme", file)
        assert said.exit_code == 1
        assert "missing" in said.stderr
    np.savez("two.npz", a=np.eye(3), b=np.eye(4))
    said = invoke("scheme", "two.npz")
    assert said.exit_code == 1
    assert "2 matrices" in said.stderr
    assert invoke("scheme", "two.npz", "--tensor", "b").exit_code == 0
    assert "no matrix 'c'" in invoke("scheme", "two.npz", "--tensor", "c").stderr


def test_lines(invoke):
    X = fg.shapes.icosahedron()
    keep = [i for i in range(12) if not any(np.allclose(X[i], -X[j]) for j in range(i))]
    np.save("lines.npy", X[keep])
    (facts,) = json.loads(invoke("scheme", "lines.npy", "--mode", "line", "--json").stdout)
    assert "icosahedron" in facts["name"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([[0, 1], [1, 0]]), "relations"),
        (np.array([[1.0, 0.5], [0.5, 1.0]]), "gram"),
        (np.array([[1.0, 0.5], [0.4, 1.0]]), "features"),
        (np.array([[1.0, 0.5, 1.0], [0.4, 1.0, 1.0]]), "features"),
    ],
)
def test_what_a_matrix_is_taken_for(values, kind, tmp_path):
    np.save(tmp_path / "x.npy", values)
    ((_, found, read_back),) = read(str(tmp_path / "x.npy"))
    assert found == kind
    assert np.array_equal(read_back, values)
