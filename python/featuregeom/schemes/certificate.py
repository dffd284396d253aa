"""Certificates: what has to be kept so that anyone can check a scheme again, from the features alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.atomic import replacing
from featuregeom.errors import ParameterError, ShapeError, SourceError
from featuregeom.features import as_features
from featuregeom.schemes.check import failure_text
from featuregeom.schemes.detection import Detection
from featuregeom.schemes.entry import LARGEST
from featuregeom.schemes.large import LargeDetection

__all__ = ["FORMAT", "Finding", "Verification", "certify", "load", "save", "verify"]

FORMAT = "featuregeom association scheme 1"
"""What the field ``format`` of a certificate says."""

_EXACT = "exact: every product of two relations was formed in integers"
_RANDOMISED = "randomised: two passes over the relations, wrong with a probability of at most error_bound"

_SLACK = 1e-9
"""Rounding that a cosine may have gained on the way to a file and back."""

_STREAMED_SLACK = 1e-6
"""The same for many features, whose cosines may have been formed in float32."""

_ALGEBRA = 1e-8
"""Largest deviation of a product of the eigenmatrices."""

_SHAPES: dict[str, tuple[str, ...]] = {
    "levels": ("r",), "valencies": ("r",), "multiplicities": ("r",), "intersection_numbers": ("r", "r", "r"),
    "P": ("r", "r"), "Q": ("r", "r"), "features": ("*",), "points": ("n",), "signs": ("n",),
    "exceptions": ("*", "3"),
}  # fmt: skip
_WHOLE = ("valencies", "multiplicities", "intersection_numbers", "features", "points", "signs", "exceptions")


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes
    ----------
    what : str
        What has to hold.
    holds : bool
        Whether it does.
    detail : str
        The first place where it does not, or how well it does.
    """

    what: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class Verification:
    """Whether features have the scheme that a certificate claims.

    Attributes
    ----------
    findings : tuple of Finding
        Every check, in order; checks that need an earlier one which failed are left out.
    """

    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether every check holds."""
        return all(finding.holds for finding in self.findings)


def certify(
    detection: Detection | LargeDetection,
    *,
    features: NDArray[np.int64] | None = None,
    n_features: int | None = None,
) -> dict[str, Any]:
    """Write down a detected scheme so that it can be checked again from the features alone.

    Parameters
    ----------
    detection : Detection or LargeDetection
        Of a symmetric scheme.
    features : ndarray of int64, optional
        The rows of a larger matrix that were looked at, in the same order.
    n_features : int, optional
        Number of rows of that matrix.

    Returns
    -------
    dict
        Plain values for JSON: the levels (a pair has the relation whose level is nearest to its cosine), the
        pairs that are exceptions because noise moved them, valencies, intersection numbers, P, Q, multiplicities,
        the name, and how far the cosines are from the levels.

    Raises
    ------
    ParameterError
        If `detection` holds no scheme: there is nothing to certify.
    """
    numbers, P, Q = detection.intersection_numbers, detection.P, detection.Q
    valencies, multiplicities = detection.valencies, detection.multiplicities
    if numbers is None or P is None or Q is None or valencies is None or multiplicities is None:
        raise ParameterError(
            f"there is no scheme to certify: {detection.reason or 'the relations are not one'}"
        )
    size = int(detection.points.max()) + 1
    size = max(size, *(max(group) + 1 for group in detection.duplicates)) if detection.duplicates else size
    rows = np.arange(size) if features is None else features
    exceptions, proof = np.zeros((0, 3), dtype=np.int64), _RANDOMISED
    spread = detection.spread
    if isinstance(detection, Detection):
        nearest = _nearest(detection.cosines, detection.levels)
        i, j = np.nonzero(np.triu(nearest != detection.relations, 1))
        exceptions, proof = np.stack([i, j, detection.relations[i, j]], axis=1), _EXACT
        spread = float(np.abs(detection.cosines - detection.levels[detection.relations]).max())
    return {
        "format": FORMAT,
        "featuregeom": _core.__version__,
        "name": detection.name,
        "also": list(detection.also),
        "reason": detection.reason,
        "n_features": int(n_features or size),
        "features": rows.tolist(),
        "mode": detection.mode,
        "points": detection.points.tolist(),
        "signs": detection.signs.tolist(),
        "duplicates": [list(group) for group in detection.duplicates],
        "levels": detection.levels.tolist(),
        "exceptions": exceptions.tolist(),
        "valencies": valencies.tolist(),
        "intersection_numbers": numbers.tolist(),
        "P": P.tolist(),
        "Q": Q.tolist(),
        "multiplicities": multiplicities.tolist(),
        "spread": spread,
        "eta2": _finite(detection.eta2),
        "residual": _finite(detection.residual),
        "proof": proof,
        "error_bound": 0.0 if isinstance(detection, Detection) else detection.error_bound,
        "seed": 0 if isinstance(detection, Detection) else detection.seed,
    }


def save(certificate: dict[str, Any], path: str | Path) -> Path:
    """Write a certificate as JSON.

    Parameters
    ----------
    certificate : dict
        From `certify`.
    path : path-like
        File to write; it appears whole or not at all.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(certificate, allow_nan=False, indent=1) + "\n", encoding="utf-8")
    return path


def load(path: str | Path) -> dict[str, Any]:
    """Read a certificate, and check that it is complete.

    Parameters
    ----------
    path : path-like
        JSON that `save` wrote.

    Returns
    -------
    dict
        The certificate.

    Raises
    ------
    SourceError
        If the file is missing, no JSON, or no certificate; the message names the field.
    """
    path = Path(path)
    try:
        certificate = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is no JSON: {error}") from error
    if not isinstance(certificate, dict) or certificate.get("format") != FORMAT:
        raise SourceError(f"{path} is no certificate: its field 'format' does not say {FORMAT!r}")
    try:
        _fields(certificate)
    except ParameterError as error:
        raise SourceError(f"{path}: {error}") from error
    return certificate


def verify(certificate: dict[str, Any], features: Any) -> Verification:
    """Check a certificate against features, exactly.

    Parameters
    ----------
    certificate : dict
        From `certify` or `load`.
    features : array-like, shape (n, m)
        The features that it was made from, in the same order.

    Returns
    -------
    Verification
        What holds, and the first place where something does not.

    Raises
    ------
    ParameterError
        If the certificate lacks a field or one has a wrong shape.
    ShapeError, DtypeError, NonFiniteError
        If the features are no finite matrix, or not as many as the certificate was made from.

    Notes
    -----
    Relations are read off the cosines anew. That they are a scheme is then decided by all products of two
    relations, in integers: r^2 / 2 products of n x n, for r relations. Nothing is taken from the certificate
    but what is being checked. Above 4096 points, the products are certified by two passes over the cosines instead,
    in memory of O(n m), with a new seed: relations that are no scheme pass with a probability below 2^-86.
    """
    fields = _fields(certificate)
    given = as_features(features)
    if given.n != certificate["n_features"]:
        raise ShapeError(
            f"the certificate is about {certificate['n_features']} features, the file has {given.n} rows"
        )
    rows = given.widened(fields["features"])
    if not np.isfinite(rows).all():
        _core.check_finite(given.values)
    norms = np.linalg.norm(rows, axis=1)
    if not norms.all():
        zero = int(fields["features"][int(norms.argmin())])
        return Verification((Finding("no feature is zero", False, f"row {zero} is"),))
    unit = rows / norms[:, None]
    findings = [_duplicates(unit, certificate, fields)]
    points = unit[fields["points"]] * fields["signs"][:, None]
    if len(points) > LARGEST:
        return Verification((*findings, *_streamed(points, certificate, fields), *_algebra(fields)))
    cosines = points @ points.T
    levels = fields["levels"]
    relations = _nearest(cosines, levels)
    i, j, label = fields["exceptions"].T
    relations[i, j] = relations[j, i] = label
    np.fill_diagonal(relations, 0)
    away = np.abs(cosines - levels[relations])
    x, y = (int(k) for k in np.unravel_index(int(away.argmax()), away.shape))
    worst, spread = float(away[x, y]), float(certificate["spread"])
    findings.append(
        Finding(
            f"no cosine is further than {spread:.3g} from the level of its relation",
            worst <= spread + _SLACK,
            f"points {x} and {y}: {worst:.3g}",
        )
    )
    findings.append(_scheme(relations, fields))
    findings.extend(_algebra(fields))
    return Verification(tuple(findings))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _nearest(cosines: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give each pair the relation whose level is nearest, the first of equal ones; 0 on the diagonal alone."""
    order = np.argsort(-levels[1:], kind="stable") + 1
    falling = levels[order]
    # Levels that differ by rounding alone are one level here.
    first = np.flatnonzero(np.append(True, -np.diff(falling) > _SLACK))
    borders = (falling[first][:-1] + falling[first][1:]) / 2
    nearest = order[first][np.searchsorted(-borders, -cosines)]
    np.fill_diagonal(nearest, 0)
    return np.asarray(nearest, dtype=np.int64)


def _fields(certificate: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Read the arrays of a certificate, with shapes that fit each other and indices in range."""
    fields: dict[str, NDArray[Any]] = {}
    sizes: dict[str, int] = {"3": 3}
    for name in ("n_features", "spread", "duplicates", *_SHAPES):
        if name not in certificate:
            raise ParameterError(f"the certificate has no field {name!r}")
    for name, shape in _SHAPES.items():
        try:
            values = np.array(certificate[name], dtype=np.int64 if name in _WHOLE else np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ParameterError(f"field {name!r} of the certificate is no array of numbers") from error
        if name == "exceptions" and values.size == 0:
            values = values.reshape(0, 3)
        fits = values.ndim == len(shape) and all(
            size == "*" or sizes.setdefault(size, length) == length
            for size, length in zip(shape, values.shape, strict=True)
        )
        if not fits or not np.isfinite(values).all():
            raise ParameterError(
                f"field {name!r} of the certificate has shape {values.shape} or is not finite"
            )
        fields[name] = values
    n, r, all_features = sizes["n"], sizes["r"], certificate["n_features"]
    if not isinstance(all_features, int) or n == 0 or r < 2:
        raise ParameterError("the certificate needs n_features, points, and two relations or more")
    if not isinstance(certificate["spread"], (int, float)) or not np.isfinite(certificate["spread"]):
        raise ParameterError("field 'spread' of the certificate is no number")
    exceptions = fields["exceptions"]
    in_range = (
        ((fields["features"] >= 0) & (fields["features"] < all_features)).all()
        and ((fields["points"] >= 0) & (fields["points"] < len(fields["features"]))).all()
        and (np.abs(fields["signs"]) == 1).all()
        and ((exceptions >= 0) & (exceptions < [n, n, r])).all()
    )
    if not in_range:
        raise ParameterError("the certificate names features, points or relations that do not exist")
    return fields


def _duplicates(
    unit: NDArray[np.float64], certificate: dict[str, Any], fields: dict[str, NDArray[Any]]
) -> Finding:
    """Check that every feature is a point or has the direction of one."""
    what = "every feature is a point, or has the direction of one"
    covered = set(fields["points"].tolist())
    try:
        groups = [[int(i) for i in group] for group in certificate["duplicates"]]
    except (TypeError, ValueError):
        return Finding(what, False, "field 'duplicates' is no list of lists of features")
    for group in groups:
        if not group or min(group) < 0 or max(group) >= len(unit) or group[0] not in covered:
            return Finding(what, False, f"the duplicates {group} do not begin with a point")
        cosines = unit[group] @ unit[group[0]]
        same = np.abs(cosines) if certificate.get("mode") == "line" else cosines
        if (same < 1 - 1e-6).any():
            return Finding(what, False, f"feature {group[int(same.argmin())]} has another direction")
        covered.update(group)
    missing = sorted(set(range(len(unit))) - covered)
    return Finding(what, not missing, f"feature {missing[0]} is neither" if missing else "")


def _scheme(relations: NDArray[np.int64], fields: dict[str, NDArray[Any]]) -> Finding:
    """Check all products of two relations, in integers."""
    numbers, valencies = fields["intersection_numbers"], fields["valencies"]
    r = len(valencies)
    what = "every product A_i A_j is the sum of p_ij^k A_k, and relations have the valencies stated"
    counts = np.array([(relations == k).sum(axis=1) for k in range(r)])
    wrong = np.argwhere(counts != valencies[:, None])
    if len(wrong):
        k, x = wrong[0]
        return Finding(
            what, False, f"point {x} has {counts[k, x]} others in relation {k}, not {valencies[k]}"
        )
    classes = [(relations == k).astype(np.float64) for k in range(r)]
    for i in range(1, r):
        for j in range(i, r):
            # Counts are at most n, far below 2^53: these products are exact.
            differ = np.argwhere(classes[i] @ classes[j] != numbers[i, j][relations])
            if len(differ) or (numbers[i, j] != numbers[j, i]).any():
                place = (
                    f"at points {differ[0][0]} and {differ[0][1]}" if len(differ) else "in the other order"
                )
                return Finding(what, False, f"A_{i} A_{j} is not, {place}")
    return Finding(what, True, f"{r * (r - 1) // 2} products of {len(relations)} x {len(relations)}")


def _streamed(
    points: NDArray[np.float64], certificate: dict[str, Any], fields: dict[str, NDArray[Any]]
) -> list[Finding]:
    """Check levels and products a tile at a time."""
    levels, spread = fields["levels"], float(certificate["spread"])
    what = f"no cosine is further than {spread:.3g} from the level of its relation"
    if len(fields["exceptions"]) or (np.diff(levels) >= 0).any():
        return [Finding(what, False, f"above {LARGEST} points levels have to decrease, without exceptions")]
    cuts = (levels[1:-1] + levels[2:])[::-1] / 2
    numbers = _core.scheme_spread(points, cuts, alike=2.0)[1]
    worst = float(np.maximum(np.abs(numbers[:, 2] - levels[1:]), np.abs(numbers[:, 3] - levels[1:])).max())
    findings = [Finding(what, worst <= spread + _STREAMED_SLACK, f"{worst:.3g}")]
    seed = int(np.random.default_rng().integers(2**32))
    failure, _, _, _, p, bound = _core.scheme_certify_features(points, cuts, seed=seed)
    what = "every product A_i A_j is the sum of p_ij^k A_k, and relations have the valencies stated"
    if failure is not None:
        findings.append(Finding(what, False, failure_text(*failure, list(range(len(levels))))))
    elif not np.array_equal(p, fields["intersection_numbers"]):
        i, j, k = (int(index) for index in np.argwhere(p != fields["intersection_numbers"])[0])
        detail = f"p_{i},{j}^{k} is {p[i, j, k]}, not {fields['intersection_numbers'][i, j, k]}"
        findings.append(Finding(what, False, detail))
    else:
        valencies = p[np.arange(len(p)), np.arange(len(p)), 0]
        same = np.array_equal(valencies, fields["valencies"])
        findings.append(Finding(what, same, f"wrong with a probability of at most {bound:.1e}, seed {seed}"))
    return findings


def _algebra(fields: dict[str, NDArray[Any]]) -> list[Finding]:
    """Check P, Q and the multiplicities against the intersection numbers."""
    P, Q, m = fields["P"], fields["Q"], fields["multiplicities"]
    valencies, numbers = fields["valencies"], fields["intersection_numbers"]
    n = int(valencies.sum())
    products = P[:, :, None] * P[:, None, :] - np.einsum("ijk,tk->tij", numbers.astype(np.float64), P)
    characters = float(np.abs(products).max() / n)
    inverse = float(np.abs(P @ Q - n * np.eye(len(P))).max() / n)
    dimensions = float(np.abs(m * (P**2 / valencies).sum(axis=1) - n).max() / n)
    return [
        Finding("P_ti P_tj = sum_k p_ij^k P_tk", characters < _ALGEBRA, f"to {characters:.1e} n"),
        Finding("P Q = n I", inverse < _ALGEBRA, f"to {inverse:.1e} n"),
        Finding("m_t sum_j P_tj^2 / k_j = n", dimensions < _ALGEBRA, f"to {dimensions:.1e} n"),
    ]
