"""``featuregeom scheme`` and ``verify``, as a person and as a script use them."""

from __future__ import annotations

import json

import networkx as nx
import numpy as np
import pytest
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.cli import app
from featuregeom.relations.graph_files import distances, parse_graph6, read


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
    np.save("x.npy", np.ascontiguousarray((2.5 * fg.shapes.icosahedron()).T))
    assert invoke("verify", "found/scheme.json", "x.npy", "--axis", "columns").exit_code == 0
    assert invoke("verify", "found/scheme.json", "x.npy").exit_code == 1


def test_verify_says_that_graphs_are_no_features(invoke, tmp_path):
    np.save("x.npy", fg.shapes.icosahedron())
    assert invoke("scheme", "x.npy", "--out", "found").exit_code == 0
    (tmp_path / "g.g6").write_bytes(nx.to_graph6_bytes(nx.petersen_graph()) * 2)
    said = invoke("verify", "found/scheme.json", "g.g6")
    assert said.exit_code == 1
    assert "g.g6 holds graphs" in said.stderr
    assert said.exception is None or isinstance(said.exception, SystemExit)


def test_structure_is_shown_and_written(invoke, tmp_path):
    np.save("x.npy", fg.shapes.icosahedron())
    text = invoke("scheme", "x.npy", "--out", "found").stdout
    for says in (
        "Imprimitive, with 1 closed subset: {R0, R3} (blocks of 2 points)",
        "P-polynomial in 2 orders (edges R1, R2)",
        "{5, 2, 1; 1, 2, 5}",
        "Q-polynomial in 2 orders",
        "Feasible",
        "5-design with s = 3 cosines; t >= 2s - 3, antipodal = 3 holds",
    ):
        assert says in text
    assert "Structure" in (tmp_path / "found" / "scheme.html").read_text()
    (facts,) = json.loads(invoke("scheme", "x.npy", "--json").stdout)
    assert facts["structure"]["intersection_array"] == [[5, 2, 1], [1, 2, 5]]
    assert facts["structure"]["closed_subsets"] == [[0], [0, 3], [0, 1, 2, 3]]
    assert facts["structure"]["design"]["strength"] == 5
    assert facts["structure"]["failures"] == []
    np.save("x.npy", fg.shapes.schlaefli())
    (facts,) = json.loads(invoke("scheme", "x.npy", "--json").stdout)
    assert facts["structure"]["srg"]["1"] == [27, 16, 10, 8]
    assert facts["structure"]["is_primitive"]


def test_relations_that_are_not_symmetric(invoke, tmp_path):
    np.save("cyclic.npy", np.subtract.outer(np.arange(5), np.arange(5)) % 5)
    (facts,) = json.loads(invoke("scheme", "cyclic.npy", "--json", "--out", "found").stdout)
    assert (facts["is_scheme"], facts["is_symmetric"], facts["is_commutative"]) == (True, False, True)
    assert facts["multiplicities"] == [1] * 5
    assert np.array(facts["P"]).shape == (5, 5, 2)
    assert "no symmetric scheme" in facts["no_certificate"]
    assert (tmp_path / "found" / "scheme.html").exists()
    said = invoke("scheme", "cyclic.npy")
    assert said.exit_code == 0, said.output
    assert "an association scheme (commutative, primitive)" in said.stdout
    pairs = [line.split()[-1] for line in said.stdout.splitlines() if line.strip().startswith("R")]
    assert pairs == ["5"] * 5, said.stdout


def test_relations_with_several_fibres(invoke):
    labels = np.array([[7, 1, 1, 1], [2, 8, 3, 3], [2, 3, 8, 3], [2, 3, 3, 8]])
    np.save("fibres.npy", labels)
    (facts,) = json.loads(invoke("scheme", "fibres.npy", "--json").stdout)
    assert (facts["is_scheme"], facts["is_coherent"]) == (False, True)
    assert facts["fibres"] == [0, 1, 1, 1]
    assert "fibres of 1, 3 points" in facts["reason"]
    text = invoke("scheme", "fibres.npy").stdout
    pairs = [line.split()[-1] for line in text.splitlines() if line.strip().startswith("R")]
    # A point, three points, three pairs in each direction, and three pairs.
    assert pairs == ["1", "3", "3", "3", "3"]


def test_relations_that_are_not_coherent_are_closed(invoke):
    graph = nx.to_numpy_array(nx.path_graph(3), dtype=int)
    np.save("adjacency.npy", graph)
    (facts,) = json.loads(invoke("scheme", "adjacency.npy", "--kind", "relations", "--json").stdout)
    assert (facts["is_scheme"], facts["is_coherent"], facts["rank_of_closure"]) == (False, False, 5)
    assert facts["fibres"] in ([0, 1, 0], [1, 0, 1])


def test_an_adjacency_matrix_is_named_by_what_it_generates(invoke):
    np.save("adjacency.npy", nx.to_numpy_array(nx.icosahedral_graph(), dtype=int))
    (facts,) = json.loads(invoke("scheme", "adjacency.npy", "--json").stdout)
    assert (facts["taken_for"], facts["is_scheme"], facts["rank_of_closure"]) == ("relations", False, 4)
    assert facts["name"] == "icosahedron"
    assert "that they generate" in facts["note"]


def test_labels_that_might_be_a_gram_matrix_are_hinted_at(invoke):
    np.save("x.npy", np.array([[2, 1], [1, 2]]))
    assert "--kind relations" in invoke("scheme", "x.npy").stdout
    np.save("x.npy", np.array([[1, 2, 2, 3], [2, 1, 3, 2], [2, 3, 1, 2], [3, 2, 2, 1]]))
    said = invoke("scheme", "x.npy").stdout
    assert "square" in said
    assert "--kind" not in said


@pytest.mark.parametrize("kind", ["gram", "relations"])
def test_without_a_certificate_it_says_why(invoke, tmp_path, kind):
    X = fg.shapes.polygon(5)
    G = X @ X.T
    np.save("x.npy", G if kind == "gram" else np.unique(-G.round(6), return_inverse=True)[1].reshape(5, 5))
    said = invoke("scheme", "x.npy", "--out", "found")
    assert f"no certificate: a certificate is checked against features, and these are {kind}" in said.stdout
    assert {path.name for path in (tmp_path / "found").iterdir()} == {"scheme.html"}
    np.save("x.npy", np.random.default_rng(0).standard_normal((9, 4)))
    assert "x.npy as it was before" in invoke("scheme", "x.npy", "--out", "found").output
    said = invoke("scheme", "x.npy", "--out", "found", "--force").stdout
    assert "no certificate: there is no scheme" in said


def test_one_bad_graph_does_not_stop_the_others(invoke, tmp_path):
    good = nx.to_graph6_bytes(nx.cycle_graph(5), header=False)
    (tmp_path / "g.g6").write_bytes(good + b"?\n" + good)
    said = invoke("scheme", "g.g6", "--json")
    assert said.exit_code == 1
    assert "g.g6, line 2" in said.stderr
    assert "no vertices" in said.stderr
    first, second, third = json.loads(said.stdout)
    assert first["name"] == third["name"] == "pentagon"
    assert "line 2" in second["error"]


def test_long_lists_are_cut(invoke):
    n = 40
    at = np.arange(n)
    relations = np.minimum(np.subtract.outer(at, at) % n, np.subtract.outer(at, at).T % n)
    np.save("x.npy", 1 + np.array([0, *range(5, 5 + n // 2)])[relations])
    from featuregeom.report.structure import shortened

    long = "a scheme with valencies " + ", ".join(["2"] * 100) + ", without a name"
    assert shortened(long) == "a scheme with valencies 2, 2, 2, 2, 2, 2, 2, 2, ..., without a name"
    assert shortened("valencies 1, 2, 3, without") == "valencies 1, 2, 3, without"
    assert max(map(len, invoke("scheme", "x.npy").stdout.splitlines())) < 400


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
        (np.array([[1, 2, 3], [2, 1, 3], [3, 3, 1]]), "relations"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "relations"),
        (np.array([[2, -1], [-1, 2]]), "gram"),
        (np.array([[7, 1, 1], [2, 8, 3], [2, 3, 8]]), "relations"),
        (np.array([[0, 1, 2], [2, 0, 1], [1, 2, 0]]), "relations"),
        (np.array([[1, 1], [1, -1]]), "features"),
    ],
)
def test_what_a_matrix_is_taken_for(values, kind, tmp_path):
    np.save(tmp_path / "x.npy", values)
    (given,) = read(str(tmp_path / "x.npy"))
    assert given.kind == kind
    assert np.array_equal(given.values, values)
    np.savez(tmp_path / "x.npz", x=values)
    (given,) = read(str(tmp_path / "x.npz"))
    assert given.kind == kind
    assert np.array_equal(given.values, values)


def test_symmetric_relations_that_are_no_scheme_have_no_cosines(invoke):
    np.save("path.npy", np.array([[0, 1, 1], [1, 0, 2], [1, 2, 0]]))
    said = invoke("scheme", "path.npy")
    assert said.exit_code == 0, said.output
    assert "generate a coherent configuration" in said.stdout
    assert "cosine" not in said.stdout
    assert "rank 5" in said.stdout


def test_no_scheme_is_said_once(invoke):
    np.save("x.npy", np.random.default_rng(0).standard_normal((50, 8)))
    said = invoke("scheme", "x.npy").stdout
    assert said.count("no scheme") == 1
    assert "nan" not in said


def test_a_file_without_a_matrix_says_what_it_holds(invoke):
    for array in (np.zeros(5), np.zeros((0, 3)), np.zeros((2, 3, 4), dtype=int)):
        np.save("solid.npy", array)
        said = invoke("scheme", "solid.npy")
        assert said.exit_code == 1
        assert "solid.npy holds no matrix" in said.output
        assert str(array.shape) in said.output


def test_a_stack_asks_for_one_of_its_matrices(invoke):
    points = np.stack([fg.shapes.polygon(5), -fg.shapes.polygon(5)])
    np.save("solid.npy", points)
    said = invoke("scheme", "solid.npy")
    assert said.exit_code == 1
    assert "solid.npy holds 2 matrices, name one with tensor (--tensor): solid[0], solid[1]" in said.output
    said = invoke("scheme", "solid.npy", "--tensor", "solid[0]")
    assert said.exit_code == 0
    assert "pentagon" in said.output
