"""Messages of errors: names as long as a file likes are shown by their two ends."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.errors import FeatureGeometryError, ParameterError, SourceError


@pytest.mark.parametrize("name", ["x" * 10_000, "a b'" * 2500, "q\"' \n" * 2500, '\u202ew"' * 5000])
def test_long_names_are_cut_in_messages(name: str) -> None:
    X = np.eye(3)
    X[1, 1] = np.nan
    calls = [
        lambda: fg.analyze({name: X}),
        lambda: fg.analyze({name: np.eye(3), "b": np.eye(2)}, labels={name + "z": ["a"]}),
        lambda: fg.analyze({name: np.eye(3)}, include="nothing"),
        lambda: fg.analyze({name: np.eye(3)}, labels=list("ab")),
        lambda: fg.describe(f"/tmp/{name}"),
    ]
    for call in calls:
        with pytest.raises(FeatureGeometryError) as caught:
            call()
        message = str(caught.value)
        assert len(message) <= 4000
        assert "…" in message
        assert str(pickle.loads(pickle.dumps(caught.value))) == message


def test_messages_keep_what_can_be_read() -> None:
    kept = [
        "it's a file's 'name.' that holds 'x', " + "and features' norms, " * 30 + "and 'y.'",
        "/" + "p/" * 400 + ": no such file",
        "",
        "'" + "n" * 200 + "' is whole",
    ]
    for message in kept:
        assert str(ParameterError(message)) == message
    assert str(SourceError(2, "No such file", "f")) == "[Errno 2] No such file: 'f'"
    long = str(ParameterError("before '" + "n" * 201 + "' after"))
    assert long.startswith("before 'nnn")
    assert long.endswith("nnn' after")
    assert len(long) == len("before '' after") + 200
