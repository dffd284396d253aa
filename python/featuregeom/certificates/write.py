"""Certificates: what has to be kept so that anyone can check a scheme again, from the features alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.atomic import replacing
from featuregeom.certificates.format import EXACT, FORMAT, FORMATS, RANDOMISED, fields_of, nearest_relations
from featuregeom.errors import ParameterError, SourceError
from featuregeom.recognise import policy
from featuregeom.recognise.detect import detect
from featuregeom.recognise.detection import Detection
from featuregeom.relations.check import check
from featuregeom.relations.eigenmatrices import symmetric_eigenmatrices

__all__ = ["FORMAT", "certify", "load_certificate", "save_certificate"]

_EXACT_POINTS = 1024
_EXACT_WORK = 2**43
"""Most points, and most operations r^2 n^3 for r relations, up to which all products are compared: some seconds."""


def certify(
    detection: Detection,
    *,
    rows: NDArray[np.int64] | None = None,
    n_features: int | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Write down a detected scheme so that it can be checked again from the features alone.

    Parameters
    ----------
    detection : Detection
        Of a symmetric scheme.
    rows : ndarray of int64, optional
        The rows of a larger matrix that were looked at, in the same order.
    n_features : int, optional
        Number of rows of that matrix.
    tolerance : float, optional
        What `detect` was given, from which the name follows; by default its own default, or the least one that gives
        the name.
    seed : int
        What `detect` was given. Of more than 4096 features its own is taken.

    Returns
    -------
    dict
        Plain values for JSON: the levels (a pair has the relation whose level is nearest to its cosine), the
        pairs that are exceptions because noise moved them, valencies, intersection numbers, P, Q, multiplicities,
        Krein parameters, the name, and how far the cosines are from the levels.

    Raises
    ------
    ParameterError
        If `detection` holds no scheme: there is nothing to certify.

    Notes
    -----
    The field ``proof`` says how far the relations were checked here: up to 1024 points all products are compared
    entry by entry (`check` with ``exact=True``), unless r^2 n^3 exceeds 2^43 for r relations. Else they
    are certified by two passes, with the probability of error and the seed stated.
    """
    numbers, valencies = detection.intersection_numbers, detection.valencies
    if numbers is None or valencies is None:
        raise ParameterError(
            f"there is no scheme to certify: {detection.reason or 'the relations are not one'}"
        )
    bound = detection.error_bound
    if detection.relations is not None:
        proof, bound = _proven(detection.relations, numbers, seed)
    else:
        seed = seed if detection.seed is None else detection.seed
        proof = RANDOMISED if bound else EXACT
    spaces = symmetric_eigenmatrices(numbers)
    size = int(detection.points.max()) + 1
    size = max(size, *(max(group) + 1 for group in detection.duplicates)) if detection.duplicates else size
    rows = np.arange(size) if rows is None else rows
    exceptions, spread = np.zeros((0, 3), dtype=np.int64), detection.spread
    if detection.cosines is not None and detection.relations is not None:
        nearest = nearest_relations(detection.cosines, detection.levels)
        i, j = np.nonzero(np.triu(nearest != detection.relations, 1))
        exceptions = np.stack([i, j, detection.relations[i, j]], axis=1)
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
        "method": detection.method,
        "points": detection.points.tolist(),
        "signs": detection.signs.tolist(),
        "duplicates": [[int(i) for i in group] for group in detection.duplicates],
        "levels": detection.levels.tolist(),
        "exceptions": exceptions.tolist(),
        "valencies": valencies.tolist(),
        "intersection_numbers": numbers.tolist(),
        "P": spaces.P.tolist(),
        "Q": spaces.Q.tolist(),
        "multiplicities": spaces.multiplicities.tolist(),
        "krein": spaces.krein.tolist(),
        "defect": 0.0,
        "spread": spread,
        "eta2": _finite(detection.eta2),
        "residual": _finite(detection.residual),
        "tolerance": _tolerance(detection, seed) if tolerance is None else tolerance,
        "proof": proof,
        "error_bound": bound,
        "seed": seed,
    }


def save_certificate(certificate: dict[str, Any], path: str | Path) -> Path:
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


def load_certificate(path: str | Path) -> dict[str, Any]:
    """Read a certificate, and check that it is complete.

    Parameters
    ----------
    path : path-like
        JSON that `save_certificate` wrote.

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
    if not isinstance(certificate, dict) or certificate.get("format") not in FORMATS:
        raise SourceError(f"{path} is no certificate: its field 'format' does not say {FORMAT!r}")
    try:
        fields_of(certificate)
    except (ParameterError, RecursionError) as error:
        raise SourceError(f"{path}: {error}") from error
    return certificate


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _proven(relations: NDArray[np.int64], numbers: NDArray[np.int64], seed: int) -> tuple[str, float]:
    """Check the relations as far as the certificate will say, whatever detection did."""
    n, r = len(relations), len(numbers)
    found = check(relations, exact=n <= _EXACT_POINTS and r**2 * n**3 <= _EXACT_WORK, seed=seed)
    own = found.intersection_numbers
    if own is None or not (found.is_scheme and found.is_symmetric) or not np.array_equal(own, numbers):
        raise ParameterError(
            f"there is no scheme to certify: {found.reason or 'the numbers are not its own'}"
        )
    return (EXACT, 0.0) if found.exact else (RANDOMISED, found.error_bound)


def _tolerance(detection: Detection, seed: int) -> float:
    """Find a tolerance with which detection gives the name: the default, or more where the residual is larger."""
    if not detection.name or not detection.residual > policy.TOLERANCE:
        return policy.TOLERANCE
    if detection.noise is not None:
        return policy.TOLERANCE
    if detection.cosines is not None:
        # Above 8 points a name may be given through noise, whatever the tolerance.
        again = detect(gram=detection.cosines, seed=seed).name
        # In line mode the cosines are those of both sides, and the name says so.
        if again and again in detection.name:
            return policy.TOLERANCE
    return min(policy.LARGEST_TOLERANCE, detection.residual * (1 + policy.LEAST_TOLERANCE_ROOM))
