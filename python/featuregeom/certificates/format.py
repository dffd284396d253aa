"""The fields of a certificate, and the checks that each of them has to pass when it is read.

By hand: with msgspec it was 148 lines of code instead of 155, for shapes, ranges and what one field says of another
remain, and its messages had to be taken apart for the name of the field. Numbers beyond 64 bits and lone surrogates in
a text came out of it as errors of other kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError
from featuregeom.recognise import policy
from featuregeom.recognise.detection import DIRECT, STREAMED, VECTORS, Mode

__all__ = ["EXACT", "FORMAT", "FORMATS", "RANDOMISED", "Fields", "fields_of", "nearest_relations"]

FORMAT = "featuregeom association scheme 3"
"""What the field ``format`` of a certificate says."""

FORMATS = (FORMAT, "featuregeom association scheme 2")
"""Formats that are read. Those before the third do not record the method of their name."""

_METHOD = re.compile(r"direct|vectors|streamed|block( of vectors)?, (0|[1-9][0-9]{0,3}) proposals")

EXACT = "exact: every product of two relations was compared entry by entry, in integers"
RANDOMISED = "randomised: two passes over the relations, wrong with a probability of at most error_bound"
"""What the field ``proof`` says: how the relations were found to be a scheme."""

Fields = dict[str, NDArray[Any]]

_SHAPES: dict[str, tuple[str, ...]] = {
    "levels": ("r",), "valencies": ("r",), "multiplicities": ("r",), "intersection_numbers": ("r", "r", "r"),
    "P": ("r", "r"), "Q": ("r", "r"), "krein": ("r", "r", "r"), "features": ("*",), "points": ("n",),
    "signs": ("n",), "exceptions": ("*", "3"),
}  # fmt: skip
_WHOLE = ("valencies", "multiplicities", "intersection_numbers", "features", "points", "signs", "exceptions")
_TEXTS = ("featuregeom", "name", "reason", "mode", "proof", "format")
_REALS = ("spread", "defect", "error_bound", "tolerance")
_REALS_OR_NONE = ("eta2", "residual")


def fields_of(certificate: dict[str, Any]) -> Fields:
    """Read the arrays of a certificate, and check all of its fields.

    Parameters
    ----------
    certificate : dict
        From JSON.

    Returns
    -------
    dict of str to ndarray
        The numeric arrays, whose shapes fit each other and whose indices are in range.

    Raises
    ------
    ParameterError
        If a field is missing, or is not of its kind; the message names it. A number that should be whole and is not
        is refused, as are booleans and texts in place of numbers.
    """
    for name in (*_TEXTS, *_REALS, *_REALS_OR_NONE, "also", "duplicates", "n_features", "seed", *_SHAPES):
        if name not in certificate:
            raise ParameterError(f"the certificate has no field {name!r}")
    _check_scalars(certificate)
    fields: Fields = {}
    sizes: dict[str, int] = {"3": 3}
    for name, shape in _SHAPES.items():
        values = _array(name, certificate[name], len(shape))
        fits = values.ndim == len(shape) and all(
            size == "*" or sizes.setdefault(size, length) == length
            for size, length in zip(shape, values.shape, strict=True)
        )
        if not fits:
            raise ParameterError(
                f"field {name!r} of the certificate has the shape {values.shape}, which does not fit"
            )
        fields[name] = values
    _check_indices(certificate, fields)
    return fields


def nearest_relations(cosines: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give each pair the relation whose level is nearest to its cosine, of equally near ones the first.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Cosines of the points.
    levels : ndarray, shape (d + 1,)
        Level of each relation; that of the diagonal first.

    Returns
    -------
    ndarray of int64, shape (n, n)
        From 1 to d, and 0 on the diagonal. Levels whose distances differ by less than the rounding of a file are
        equally near, so that the answer is the same for levels that differ by rounding alone.
    """
    least = np.full(cosines.shape, np.inf)
    for level in levels[1:]:
        np.minimum(least, np.abs(cosines - level), out=least)
    relations = np.zeros(cosines.shape, dtype=np.int64)
    for k in range(len(levels) - 1, 0, -1):
        relations[np.abs(cosines - levels[k]) <= least + policy.CERTIFICATE_ROUNDING] = k
    np.fill_diagonal(relations, 0)
    return relations


def _check_scalars(certificate: dict[str, Any]) -> None:
    for name in _TEXTS:
        if not isinstance(certificate[name], str):
            raise ParameterError(f"field {name!r} of the certificate is no text")
    if certificate["format"] not in FORMATS:
        raise ParameterError(f"field 'format' of the certificate does not say {FORMAT!r}")
    if certificate["format"] == FORMAT:
        _check_method(certificate)
    if certificate["mode"] not in get_args(Mode):
        raise ParameterError(
            f"field 'mode' of the certificate is {certificate['mode']!r}, not signed or line"
        )
    for name in (*_REALS, *_REALS_OR_NONE):
        if certificate[name] is None and name in _REALS_OR_NONE:
            continue
        if type(certificate[name]) not in (int, float) or not abs(certificate[name]) < np.inf:
            raise ParameterError(f"field {name!r} of the certificate is no number")
    for name, limit in (("n_features", 2**63), ("seed", 2**64)):
        if type(certificate[name]) is not int or not 0 <= certificate[name] < limit:
            raise ParameterError(f"field {name!r} of the certificate is no count")
    if not 0 < certificate["tolerance"] <= policy.LARGEST_TOLERANCE:
        raise ParameterError("field 'tolerance' of the certificate is not above 0 and at most 0.5")
    if certificate["defect"] != 0:
        raise ParameterError("field 'defect' of the certificate is not 0: then it is about no scheme")
    if certificate["proof"] not in (EXACT, RANDOMISED):
        raise ParameterError(f"field 'proof' of the certificate is neither {EXACT!r} nor {RANDOMISED!r}")
    bound = certificate["error_bound"]
    if (bound != 0) if certificate["proof"] == EXACT else not 0 < bound <= policy.PROOF_BOUND:
        raise ParameterError(
            f"field 'error_bound' of the certificate is {bound}, which its proof does not give"
        )
    also = certificate["also"]
    if not isinstance(also, list) or not all(isinstance(name, str) for name in also):
        raise ParameterError("field 'also' of the certificate is no list of names")
    for group in _lists("duplicates", certificate["duplicates"]):
        if any(type(i) is not int for i in group) or len(set(group)) != len(group) or len(group) < 2:
            raise ParameterError(
                f"field 'duplicates' of the certificate has {group}, which is no set of features"
            )


def _check_method(certificate: dict[str, Any]) -> None:
    method = certificate.get("method")
    if not isinstance(method, str):
        raise ParameterError("the certificate has no field 'method' that is a text")
    if not _METHOD.fullmatch(method):
        raise ParameterError(
            f"field 'method' of the certificate is {method!r}, not 'direct', 'vectors', 'streamed', "
            "'block, N proposals' or 'block of vectors, N proposals'"
        )
    if method not in (DIRECT, VECTORS, STREAMED) and certificate["mode"] == "line":
        raise ParameterError("field 'method' of the certificate is that of a block, whose mode is signed")


def _lists(name: str, value: Any) -> list[list[Any]]:
    if not isinstance(value, list) or not all(isinstance(group, list) for group in value):
        raise ParameterError(f"field {name!r} of the certificate is no list of lists")
    return value


def _array(name: str, value: Any, depth: int) -> NDArray[Any]:
    # NumPy would turn 5.9, "5" and True into 5 without a word.
    kinds = (int,) if name in _WHOLE else (int, float)
    if not isinstance(value, list) or any(type(leaf) not in kinds for leaf in _leaves(value)):
        what = "whole numbers" if name in _WHOLE else "numbers"
        raise ParameterError(f"field {name!r} of the certificate is no array of {what}")
    try:
        values = np.array(value, dtype=np.int64 if name in _WHOLE else np.float64)
    except (ValueError, OverflowError) as error:
        raise ParameterError(f"field {name!r} of the certificate is no array of numbers: {error}") from error
    if name == "exceptions" and values.size == 0:
        values = values.reshape(0, 3)
    if not np.isfinite(values).all():
        raise ParameterError(f"field {name!r} of the certificate is not finite")
    return values


def _leaves(value: list[Any]) -> Iterator[Any]:
    for item in value:
        if isinstance(item, list):
            yield from _leaves(item)
        else:
            yield item


def _check_indices(certificate: dict[str, Any], fields: Fields) -> None:
    n, r = len(fields["points"]), len(fields["levels"])
    features, points, signs = fields["features"], fields["points"], fields["signs"]
    if n == 0 or r < 2:
        raise ParameterError("the certificate needs points, and two relations or more")
    inside = (features >= 0) & (features < certificate["n_features"])
    if not inside.all() or len(np.unique(features)) != len(features):
        raise ParameterError("field 'features' of the certificate names rows that do not exist, or one twice")
    if not ((points >= 0) & (points < len(features))).all():
        raise ParameterError("field 'points' of the certificate names features that do not exist")
    line = certificate["mode"] == "line"
    if not np.isin(signs, [1, -1] if line else [1]).all():
        raise ParameterError("field 'signs' of the certificate has signs that its mode does not have")
    if len(np.unique(2 * points + (signs > 0))) != n:
        raise ParameterError("field 'points' of the certificate names a point twice")
    i, j, label = fields["exceptions"].T
    if not ((i >= 0) & (i < j) & (j < n) & (label > 0) & (label < r)).all():
        raise ParameterError(
            "field 'exceptions' of the certificate has pairs or relations that do not exist: "
            "each is [i, j, relation] with i < j"
        )
    if len(np.unique(i * n + j)) != len(i):
        raise ParameterError("field 'exceptions' of the certificate has a pair twice")
    if any(not 0 <= i < len(features) for group in certificate["duplicates"] for i in group):
        raise ParameterError("field 'duplicates' of the certificate names features that do not exist")
    merged = [i for group in certificate["duplicates"] for i in group]
    if len(set(merged)) != len(merged):
        raise ParameterError("field 'duplicates' of the certificate has a feature in two sets")
