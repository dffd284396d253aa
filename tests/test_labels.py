"""Names of features: files of them, tokens beside a model, tables that list them, and names that mean harm."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.cli import app
from featuregeom.errors import ParameterError, SourceError
from featuregeom.labels import as_labels, read_labels
from featuregeom.sources.vocabulary import lists_tokens, parse_vocabulary, read_vocabularies

HOSTILE = [
    "<script>alert(1)</script>",
    "</td><img src=x onerror=alert(1)>",
    "\x1b[2J\x1b]0;title\x07",
    "‮turned",
    "{{ 7*7 }}",
    "=cmd|' /C calc'!A0",
    "a\nb\r\nc\x00d",
    "\ud800",
    "x" * 20_000,
    '"quoted", with comma',
    "",
    "[bold]markup[/bold]",
]


def gaussian(n: int, m: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, 78]).standard_normal((n, m)).astype(np.float32)


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, " ".join((result.output + result.stderr).split())


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.txt", b"cat\ndog\n", ("cat", "dog")),
        ("a.txt", b"cat\r\n\r\ndog", ("cat", "", "dog")),
        ("a", "﻿chat\nété\n\n".encode(), ("chat", "été", "")),
        ("a.txt", b"", ()),
        ("a.csv", b"token\ncat\n", ("cat",)),
        ("a.csv", b'id,label\n0,"cat, a"\n1,"two\nlines"\n', ("cat, a", "two\nlines")),
        ("a.TSV", b"id\tlabel\n0\tcat\n", ("cat",)),
    ],
)
def test_files_of_labels(tmp_path: Path, name: str, content: bytes, found: tuple[str, ...]) -> None:
    (tmp_path / name).write_bytes(content)
    assert read_labels(tmp_path / name) == found


def test_columns_of_labels(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [0, 1], "word": ["a", None], "kind": pd.Categorical(["x", "y"])})
    table.to_parquet(tmp_path / "a.parquet")
    table.drop(columns="word").to_csv(tmp_path / "a.csv", index=False)
    assert read_labels(tmp_path / "a.parquet", "word") == ("a", None)
    assert read_labels(tmp_path / "a.parquet", "kind") == ("x", "y")
    assert read_labels(tmp_path / "a.csv", "kind") == ("x", "y")


@pytest.mark.parametrize(
    ("name", "content", "column", "error", "words"),
    [
        ("a.txt", b"ok\n\xff\xfe", None, SourceError, "line 2 is no UTF-8"),
        ("a.csv", b"a,b\n1,2\n", None, ParameterError, "'a', 'b'.*--labels-column"),
        ("a.csv", b"a,b\n1,2\n", "c", ParameterError, "no column 'c'"),
        ("a.csv", b"a,a\n1,2\n", "a", ParameterError, "two columns 'a'"),
        ("a.csv", b"a,b\n1\n", "a", SourceError, "row 1 has 1 field"),
        ("a.csv", b'a\n"never closed\n', None, SourceError, "cannot be read as a table"),
        ("a.csv", b"", None, SourceError, "empty"),
        ("a.txt", b"x\n", "c", ParameterError, "no columns"),
        ("a.parquet", b"no parquet", None, SourceError, "cannot be read as a Parquet"),
    ],
)
def test_wrong_files_of_labels(
    tmp_path: Path, name: str, content: bytes, column: str | None, error: type[Exception], words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=words):
        read_labels(tmp_path / name, column)


def test_numbers_are_no_labels(tmp_path: Path) -> None:
    pd.DataFrame({"label": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ParameterError, match="int64, no texts"):
        read_labels(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="no such file of labels"):
        read_labels(tmp_path / "none.txt")
    for wrong in ([1, 2], ["a", 2], ["a", b"b"], "ab", 3):
        with pytest.raises(ParameterError, match="label"):
            as_labels(wrong, 2)


def test_labels_of_any_kind_of_list() -> None:
    for labels in (
        ["a", None],
        ("a", None),
        np.array(["a", None], object),
        pd.Series(["a", None], dtype="string"),
    ):
        assert as_labels(labels, 2) == ("a", None)
    assert as_labels(np.array(["a", "b"]), 2) == ("a", "b")
    assert as_labels(pd.Index(["a", np.nan]), 2) == ("a", None)
    assert as_labels(["\ud800"], 1) == ("\\ud800",)
    with pytest.raises(ParameterError, match="3 labels for rows, which has 2 features"):
        as_labels(["a", "b", "c"], 2, "rows")


def test_vocabularies_of_each_kind() -> None:
    tokens = {"a": 0, "Ġb": 1, "c": 2}
    bpe = {
        "model": {"vocab": tokens},
        "added_tokens": [{"id": 3, "content": "<end>"}, {"id": 2, "content": "c"}],
    }
    unigram = {"model": {"vocab": [["a", -1.0], ["▁b", -2.0]]}, "added_tokens": None}

    def parsed(name: str, value: object) -> tuple[str, ...]:
        return parse_vocabulary(name, json.dumps(value).encode())

    assert parsed("tokenizer.json", bpe) == ("a", "Ġb", "c", "<end>")
    assert parsed("tokenizer.json", unigram) == ("a", "▁b")
    assert parsed("vocab.json", tokens) == ("a", "Ġb", "c")
    assert parse_vocabulary("vocab.txt", "[PAD]\nthe\n\u2028\n".encode()) == ("[PAD]", "the", "\u2028")
    for wrong in (
        {"a": 0, "b": 2},
        {"a": 1},
        {"a": "0"},
        {"a": True},
        {"a": 0.0},
        [1, 2],
        {},
        3,
        None,
        {"a": -1, "b": 0},
    ):
        assert parsed("vocab.json", wrong) == ()
        assert parsed("tokenizer.json", wrong) == ()
        assert parsed("tokenizer.json", {"model": {"vocab": wrong}}) == ()
    assert parse_vocabulary("vocab.txt", b"\xff") == ()
    assert parse_vocabulary("tokenizer.json", b"[" * 100_000) == ()


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("embeddings.word_embeddings.weight", True),
        ("embeddings.position_embeddings.weight", False),
        ("embeddings.token_type_embeddings.weight", False),
        ("model.embed_tokens.weight", True),
        ("transformer.wte.weight", True),
        ("transformer.wpe.weight", False),
        ("lm_head.weight", True),
        ("token_embd.weight", True),
        ("output.weight", True),
        ("W_E", True),
        ("unembed.W_U", True),
        ("pos_embed.W_pos", False),
        ("encoder.layer.0.output.dense.weight", False),
        ("h.0.mlp.c_fc.weight", False),
    ],
)
def test_matrices_of_tokens(name: str, tokens: bool) -> None:
    assert lists_tokens(name) == tokens


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with an embedding of 40 tokens, a layer of as many features, and a vocabulary."""
    folder = tmp_path / "model"
    folder.mkdir()
    words = gaussian(40, 64)
    words[7] = words[3] + 0.05 * words[7]
    save_file(
        {"embed_tokens.weight": words, "mlp.up_proj.weight": gaussian(40, 64, 1)},
        folder / "model.safetensors",
    )
    (folder / "vocab.txt").write_text("".join(f"token{i}\n" for i in range(40)), encoding="utf-8")
    return folder


def test_tokens_beside_a_model_name_its_embedding(model: Path, tmp_path: Path) -> None:
    found = fg.analyze(model, out=tmp_path / "out", num_threads=1)
    tokens = tuple(f"token{i}" for i in range(40))
    assert found.labels == {"embed_tokens.weight": tokens, "mlp.up_proj.weight": None}
    rows = found.features.set_index("matrix")["label"]
    assert tuple(rows.loc["embed_tokens.weight"]) == tokens
    assert rows.loc["mlp.up_proj.weight"].isna().all()
    assert found.pairs is not None
    assert found.pairs[["i", "j", "label_i", "label_j"]].to_numpy().tolist() == [[3, 7, "token3", "token7"]]
    loaded = fg.survey.load(tmp_path / "out")
    assert loaded.labels == found.labels
    assert loaded.features.equals(found.features)
    kept = pd.read_parquet(tmp_path / "out" / "pairs.parquet")
    assert kept[["label_i", "label_j"]].to_numpy().tolist() == [["token3", "token7"]]
    # Of another number than the features, a vocabulary is of something else.
    (model / "vocab.txt").write_text("a\nb\n", encoding="utf-8")
    assert fg.analyze(model, pairs=False).labels["embed_tokens.weight"] is None


def test_the_first_vocabulary_of_a_folder_that_fits_is_taken(model: Path) -> None:
    (model / "tokenizer.json").write_text("{", encoding="utf-8")
    (model / "vocab.json").write_text(json.dumps({f"other{i}": i for i in range(40)}), encoding="utf-8")
    assert [path.name for path, _ in read_vocabularies([model, model])] == ["vocab.json", "vocab.txt"]
    labels = fg.analyze(model, pairs=False).labels["embed_tokens.weight"]
    assert labels is not None
    assert labels[0] == "other0"


def test_labels_that_are_given_go_first(model: Path) -> None:
    mine = [f"mine{i}" for i in range(40)]
    both = fg.analyze(model, labels=mine, pairs=False).labels
    assert both == dict.fromkeys(["embed_tokens.weight", "mlp.up_proj.weight"], tuple(mine))
    one = fg.analyze(model, labels={"*up_proj*": mine}, pairs=False).labels
    assert one["mlp.up_proj.weight"] == tuple(mine)
    assert one["embed_tokens.weight"] == tuple(f"token{i}" for i in range(40))
    none = fg.analyze(model, labels={"embed*": None}, pairs=False).labels
    assert none["embed_tokens.weight"] is None
    with pytest.raises(ParameterError, match=r"'nothing\*', which fits no matrix"):
        fg.analyze(model, labels={"nothing*": mine})


def test_wrong_counts_name_both(model: Path) -> None:
    save_file({"a": gaussian(5, 4), "b": gaussian(6, 4)}, model / "model.safetensors")
    with pytest.raises(ParameterError, match=r"5 labels are given for all 2 matrices, but 'b' has 6: .* 'a'"):
        fg.analyze(model, labels=list("vwxyz"))
    with pytest.raises(ParameterError, match="4 labels for matrix 'a', which has 5 features"):
        fg.analyze(model, labels={"a": list("wxyz")})
    with pytest.raises(ParameterError, match="5 labels for matrix 'b', which has 6 features"):
        fg.analyze(model, labels=list("vwxyz"), include="b")


def test_features_that_are_dropped_leave_the_labels_of_others(tmp_path: Path) -> None:
    X = gaussian(6, 4)
    X[2, 1] = np.nan
    found = fg.analyze(X, labels=list("abcdef"), nonfinite="skip", pairs=False)
    assert found.features["label"].tolist() == list("abdef")
    assert found.labels["X"] == tuple("abcdef")


def test_features_of_a_dictionary_have_their_indices_and_addresses(tmp_path: Path) -> None:
    save_file({"W_enc": gaussian(4, 9), "W_dec": gaussian(9, 4)}, tmp_path / "sae_weights.safetensors")
    config = {"d_sae": 9, "neuronpedia_id": "gpt2-small/6-res-jb"}
    for held in (config, {"d_sae": 9, "metadata": config}):
        (tmp_path / "cfg.json").write_text(json.dumps(held), encoding="utf-8")
        found = fg.analyze(tmp_path, pairs=False)
        assert found.labels == dict.fromkeys(["W_enc", "W_dec"], tuple(map(str, range(9))))
        assert found.links == dict.fromkeys(
            ["W_enc", "W_dec"], "https://www.neuronpedia.org/gpt2-small/6-res-jb"
        )
        assert found.features["link"].iloc[8] == "https://www.neuronpedia.org/gpt2-small/6-res-jb/8"
    for hostile in ("javascript:alert(1)", "a/b/../..", "a b/c", '"/><script>', 3, None, "a/b?c"):
        (tmp_path / "cfg.json").write_text(
            json.dumps({"d_sae": 9, "neuronpedia_id": hostile}), encoding="utf-8"
        )
        found = fg.analyze(tmp_path, pairs=False)
        assert found.links == {}
        assert found.features["link"].isna().all()


def test_densities_beside_a_dictionary_are_a_column(tmp_path: Path) -> None:
    folder, out = tmp_path / "sae", tmp_path / "out"
    folder.mkdir()
    decoder = gaussian(9, 4)
    decoder[2, 1] = np.nan
    save_file(
        {"W_enc": gaussian(4, 9), "W_dec": decoder, "b_enc": np.zeros(9)}, folder / "sae_weights.safetensors"
    )
    share = np.array([0.5, 0, 0.25, 1e-3, 0, 1, 0, 1e-6, 0.125])
    save_file({"sparsity": np.log10(share + 1e-10)}, folder / "sparsity.safetensors")
    options = {"pairs": False, "nonfinite": "skip", "num_threads": 1}
    fg.analyze(folder, out=out, **options)
    found = fg.analyze(folder, out=out, resume=True, **options)
    for name, kept in (("W_enc", np.arange(9)), ("W_dec", np.delete(np.arange(9), 2))):
        mine = found.features[found.features["matrix"] == name]
        np.testing.assert_allclose(mine["density"], share[kept], rtol=1e-6, atol=2e-10)  # the file adds 1e-10
    silent = [finding.figures["silent"] for finding in found.findings if finding.kind == "unused"]
    assert silent == [3, 3]
    reasons = dict(zip(found.skipped["tensor"], found.skipped["reason"], strict=True))
    assert reasons["sparsity.safetensors"] == "it gives the column density"

    save_file({"sparsity": np.zeros(9)}, folder / "sparsity.safetensors")
    with pytest.raises(ParameterError, match="labels"):
        fg.analyze(folder, out=out, resume=True, **options)
    wrong = {
        "no matrix of the dictionary has as many": {"sparsity": np.zeros(5)},
        "entry 4 is nan": {"sparsity": np.where(np.arange(9) == 4, np.nan, -1)},
        "one list with a number": {"sparsity": np.zeros((3, 3))},
    }
    for why, held in wrong.items():
        save_file(held, folder / "sparsity.safetensors")
        found = fg.analyze(folder, **options)
        assert found.features["density"].isna().all()
        reasons = dict(zip(found.skipped["tensor"], found.skipped["reason"], strict=True))
        assert why in reasons["sparsity.safetensors"]
        assert "never fired" not in repr(found.findings) + repr(found.findings[-1])


def test_hostile_labels_do_no_harm(tmp_path: Path) -> None:
    X = gaussian(len(HOSTILE), 40)
    X[1] = X[0] + 0.01 * X[1]
    found = fg.analyze(X, labels=HOSTILE, out=tmp_path / "out", num_threads=1)
    shown = [label if label != "\ud800" else "\\ud800" for label in HOSTILE]
    assert found.features["label"].tolist() == shown
    assert pd.read_parquet(tmp_path / "out" / "features.parquet")["label"].tolist() == shown
    assert fg.survey.load(tmp_path / "out").labels["X"] == tuple(shown)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    groups = fg.dictionaries.spectral_groups(X)
    assert "<script>" not in groups.to_frame(HOSTILE)._repr_html_()


def test_other_labels_are_another_analysis(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = fg.analyze(model, out=out, pairs=False, num_threads=1)
    again = fg.analyze(model, out=out, pairs=False, resume=True, num_threads=1)
    assert again.labels == first.labels
    with pytest.raises(ParameterError, match="labels"):
        fg.analyze(model, out=out, pairs=False, labels=["x"] * 40, resume=True)


def test_the_command_line_reads_labels(model: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"mine{i}\n" for i in range(40)), encoding="utf-8")
    code, _ = run("analyze", model, "--out", tmp_path / "a", "--no-pairs", "--labels", f"*up_proj*={names}")
    assert code == 0
    assert fg.survey.load(tmp_path / "a").labels["mlp.up_proj.weight"] == tuple(f"mine{i}" for i in range(40))
    code, told = run("analyze", model, "--out", tmp_path / "b", "--labels", names, "--labels-column", "x")
    assert (code, "no columns" in told) == (2, True)
    code, told = run("analyze", model, "--out", tmp_path / "b", "--labels-column", "x")
    assert (code, "give --labels" in told) == (2, True)
    code, told = run("analyze", model, "--out", tmp_path / "b", "--labels", names, "--labels", f"*={names}")
    assert (code, "PATTERN=FILE" in told) == (2, True)
    code, told = run("analyze", model, "--out", tmp_path / "b", "--labels", tmp_path / "none.txt")
    assert (code, "no such file of labels" in told) == (1, True)
    names.write_text("a\nb\n", encoding="utf-8")
    code, told = run("analyze", model, "--out", tmp_path / "b", "--labels", names)
    assert code == 2
    assert "2 labels" in told
    assert "has 40" in told
    assert not (tmp_path / "b").exists()


def test_without_pairs_nothing_looks_at_pairs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from featuregeom import _core

    def never(*_: object, **__: object) -> None:
        raise AssertionError("pairs were swept")

    for name in ("sweep", "null_sweep"):
        monkeypatch.setattr(_core, name, never)
    found = fg.analyze(model, pairs=False, out=tmp_path / "out", num_threads=1)
    row = found.matrices.iloc[0]
    assert pd.isna(
        row[["coherence", "blocks", "block_threshold", "significant_pairs", "gathered_features"]]
    ).all()
    assert row[["block_gap", "geometry", "verdict"]].tolist() == ["no pairs", "", ""]
    assert found.features["cosine"].isna().all()
    assert (found.features[["neighbour", "block", "group"]] == -1).all(axis=None)
    assert len(found.blocks) == 0
    assert found.pairs is not None
    assert len(found.pairs) == 0
    assert (tmp_path / "out" / "report.html").exists()
    code, told = run("analyze", model, "--out", tmp_path / "b", "--no-pairs")
    assert code == 0
    assert "pairs were not looked at" in told
    estimate = fg.estimate(model, pairs=False)
    assert all(cost.sweep == cost.pairs == 0 for cost in estimate.matrices.values())
    with pytest.raises(ParameterError, match="block_threshold"):
        fg.analyze(model, pairs=False, block_threshold=0.5)
