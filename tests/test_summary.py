"""Results as text: a few lines, whatever they hold."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re

import numpy as np
import pandas as pd
import pytest

import featuregeom as fg
from featuregeom.summary import shown, summarised

LARGE = ("NDArray", "DataFrame", "Tensor", "Floats", "Ints")


def dataclasses_of_the_library():
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    pytest.importorskip("transformers")
    found = {}
    for module in pkgutil.walk_packages(fg.__path__, "featuregeom."):
        if not module.name.endswith("__main__"):
            for _, each in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if dataclasses.is_dataclass(each) and each.__module__.startswith("featuregeom"):
                    found[f"{each.__module__}.{each.__qualname__}"] = each
    return found


def test_every_class_that_holds_arrays_or_tables_is_told_by_their_shapes():
    """The text of a dataclass prints every element of what it holds, unless something else is said."""
    seen = 0
    for name, each in dataclasses_of_the_library().items():
        annotations = " ".join(str(field.type) for field in dataclasses.fields(each))
        if any(word in annotations for word in LARGE) and not each.__name__.startswith("_"):
            # dataclass wraps the text that it makes; one that was written, here or by `summarised`, stands as it is.
            assert not hasattr(each.__repr__, "__wrapped__"), name
            assert hasattr(each, "_repr_html_"), name
            seen += 1
    assert seen > 30


def test_an_analysis_of_many_features_is_a_few_lines():
    X = np.random.default_rng(0).standard_normal((5000, 4))
    X[:, 0] += 3
    analysis = fg.analyze({f"layer {k}": X[:1000] for k in range(40)} | {"all": X})
    for found in (analysis, analysis.pictures["all"], fg.estimate({"w": X}), fg.describe({"w": X})):
        text = repr(found)
        assert text.startswith(f"{type(found).__name__}(")
        assert len(text) < 1500
        assert len(text.splitlines()) <= 15
        assert max(map(len, text.splitlines())) <= 110
    assert "features=<45000 rows x 20 columns>" in repr(analysis).replace("\n    ", " ")


def test_results_are_tables_in_notebooks_and_cannot_break_the_page():
    @summarised
    @dataclasses.dataclass
    class Found:
        name: str
        values: object

    html = Found("<script>", np.zeros((3, 2)))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "float64 3 x 2" in html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.zeros((2, 3), np.float32), "<float32 2 x 3>"),
        (pd.DataFrame({"a": [1, 2]}), "<2 rows x 1 columns>"),
        (np.float64(1.5), repr(np.float64(1.5))),
        (None, "None"),
        ((1, 2), "(1, 2)"),
        (list(range(1000)), "<1000 items>"),
        ({}, "{}"),
        ({"a": 1, "b": 2}, "<2 by name: 'a', 'b'>"),
        ("x" * 1000, repr("x" * 57 + "...")),
    ],
    ids=str,
)
def test_values_in_a_few_words(value, text):
    assert shown(value) == text


def test_no_result_shows_an_address_or_a_function_and_all_are_told_in_notebooks():
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(4, 3)
    recorder = fg.formation.Recorder(
        model, [(torch.ones(5, 4), torch.arange(5) % 3)], torch.nn.functional.cross_entropy
    )
    compared = fg.survey.compare_sources({"w": np.eye(3)}, {"w": np.eye(3)})
    found = (
        recorder,
        fg.formation.alignment(np.diag([1.0, 2.0]), np.eye(2)),
        fg.frames.frame_numbers(np.eye(3)),
        compared,
    )
    for each in found:
        assert repr(each).startswith(f"{type(each).__name__}(")
        assert not re.search(r" at 0x|<function|_tail", repr(each)), repr(each)
    for each in found[1:]:
        assert each._repr_html_().startswith("<")


def public_classes():
    rooms = [fg, *(each for _, each in inspect.getmembers(fg, inspect.ismodule))]
    for room in rooms:
        for name in room.__all__:
            each = getattr(room, name)
            if inspect.isclass(each) and not issubclass(each, Exception) and each is not fg.sources.Reader:
                yield f"{room.__name__}.{name}", each


def test_every_public_class_says_what_it_is():
    """No address in memory, and a table in notebooks where a result holds several numbers."""
    seen = 0
    for name, each in public_classes():
        assert each.__repr__ is not object.__repr__, name
        if dataclasses.is_dataclass(each):
            assert hasattr(each, "_repr_html_"), name
            seen += 1
    assert seen > 60
