"""Whether features have the scheme and the name that a certificate claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.certificates.format import EXACT, FORMAT, Fields, fields_of, nearest_relations
from featuregeom.errors import ShapeError
from featuregeom.features import as_features
from featuregeom.interruptible import by_slabs, gram, matmul
from featuregeom.recognise import policy
from featuregeom.recognise.defect import explained_variance
from featuregeom.recognise.detect import detect, detect_cosines
from featuregeom.recognise.detection import DIRECT, STREAMED, VECTORS, Detection, block_method
from featuregeom.recognise.policy import LARGEST
from featuregeom.recognise.streamed import detect_streamed
from featuregeom.relations.check import check, failure_text
from featuregeom.relations.eigenmatrices import completed
from featuregeom.relations.products import class_means
from featuregeom.summary import summarised

__all__ = ["Finding", "Verification", "verify"]


_MOST_WORK = 2**41
"""Most products of numbers, in r^2 / 2 matrix products, by which relations are certified; beyond it two random passes
do."""


_PRODUCTS = "every product A_i A_j is the sum of p_ij^k A_k, and relations have the valencies stated"


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


@summarised
@dataclass(frozen=True)
class Verification:
    """Whether features have the scheme that a certificate claims.

    Attributes
    ----------
    findings : tuple of Finding
        Every check, in order; checks that need an earlier one which failed are left out.
    through_noise : bool
        Whether the certificate's name is one through noise: its residual is above its tolerance. What holds then is
        that the cosines are as far from the ideal ones as stated, by no more than a stated level of noise explains.
    """

    findings: tuple[Finding, ...]
    through_noise: bool = False

    @property
    def holds(self) -> bool:
        """Whether every check holds; see `through_noise` for what that means of a name."""
        return all(finding.holds for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One line: "holds", "holds through noise, ..." or "does not hold"."""
        if not self.holds:
            return "does not hold"
        return "holds through noise, not to its tolerance" if self.through_noise else "holds"


def verify(certificate: dict[str, Any], X: Any) -> Verification:
    """Check a certificate against features: every field of it that says something of them.

    The wording of `reason`, and the version and options with which it was found, say nothing.

    Parameters
    ----------
    certificate : dict
        From `certify` or `load_certificate`.
    X : array-like, shape (n, m)
        The features that it was made from, in the same order.

    Returns
    -------
    Verification
        What holds, and the first place where something does not.

    Raises
    ------
    ParameterError
        If the certificate lacks a field, or one is not of its kind.
    ShapeError, DtypeError, NonFiniteError
        If the features are no finite matrix, or not as many as the certificate was made from.

    Notes
    -----
    Relations are read off the cosines anew: the nearest level, but for the pairs that are listed as exceptions, which
    must be ones and few. Levels have to be the means of their relations, the stated spread the largest deviation
    from them, and the stated eta^2 the share of the variance that they explain. That the relations are a scheme is
    then decided by all products of two, in integers: r^2 / 2 products of n x n, for r relations. The name is what
    detection gives to the features once more, by the method that the certificate records, so that it takes as long
    again. Certificates of the second format record none: each method that there was is tried.

    Above 4096 points, or 2^41 operations, products are certified by two passes over the pairs instead, with a new
    seed: relations that are no scheme pass with a probability below 2^-86. For features this takes memory of O(n m).
    """
    fields = fields_of(certificate)
    given = as_features(X)
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
    points = unit[fields["points"]] * fields["signs"][:, None]
    findings = [_duplicates(unit, certificate, fields)]
    findings += (_streamed if len(points) > LARGEST else _pairwise)(points, certificate, fields)
    findings += _algebra(fields)
    if all(finding.holds for finding in findings):
        slack = policy.CERTIFICATE_ROUNDING if len(points) <= LARGEST else policy.STREAMED_ROUNDING
        findings.append(_name(rows, norms, certificate, slack))
    return Verification(tuple(findings), _through_noise(certificate))


def _through_noise(certificate: dict[str, Any]) -> bool:
    residual = certificate["residual"]
    return bool(certificate["name"]) and residual is not None and residual > certificate["tolerance"]


def _duplicates(unit: NDArray[np.float64], certificate: dict[str, Any], fields: Fields) -> Finding:
    """Check that every feature is a point or has the direction of one."""
    what = "every feature is a point, or has the direction of one"
    covered = set(fields["points"].tolist())
    for group in certificate["duplicates"]:
        if group[0] not in covered:
            return Finding(what, False, f"the duplicates {group} do not begin with a point")
        cosines = unit[group] @ unit[group[0]]
        same = np.abs(cosines) if certificate["mode"] == "line" else cosines
        if (same < 1 - policy.OPPOSITE_VERIFIED).any():
            return Finding(what, False, f"feature {group[int(same.argmin())]} has another direction")
        covered.update(group)
    missing = sorted(set(range(len(unit))) - covered)
    return Finding(what, not missing, f"feature {missing[0]} is neither" if missing else "")


def _pairwise(points: NDArray[np.float64], certificate: dict[str, Any], fields: Fields) -> list[Finding]:
    """Check relations, levels and products by matrices of pairs."""
    levels = fields["levels"]
    cosines = np.clip(gram(points), -1.0, 1.0)
    np.fill_diagonal(cosines, 1.0)
    nearest = nearest_relations(cosines, levels)
    relations = nearest.copy()
    i, j, label = fields["exceptions"].T
    relations[i, j] = relations[j, i] = label
    apart = _apart(cosines, certificate["mode"])
    exceptions = _exceptions(cosines, levels, nearest, fields)
    present = np.bincount(relations.ravel(), minlength=len(levels))
    if not present.all():
        empty = f"no pair is in relation {int(present.argmin())}"
        return [apart, exceptions, Finding("every relation has pairs", False, empty)]
    means, away = class_means(cosines, relations), np.abs(cosines - levels[relations])
    x, y = (int(k) for k in np.unravel_index(int(away.argmax()), away.shape))
    measured = [
        _levels(means, levels, policy.CERTIFICATE_ROUNDING),
        _spread(
            float(away[x, y]), certificate["spread"], policy.CERTIFICATE_ROUNDING, f"points {x} and {y}: "
        ),
        _explained(explained_variance(cosines, relations), certificate, policy.CERTIFICATE_ROUNDING),
    ]
    r, n = len(levels), len(points)
    scheme = _scheme(relations, fields) if r**2 * n**3 <= _MOST_WORK else _certified(relations, fields)
    return [apart, exceptions, *measured, scheme]


def _apart(cosines: NDArray[np.float64], mode: str) -> Finding:
    off = cosines - 2.0 * np.eye(len(cosines))
    x, y = (int(k) for k in np.unravel_index(int(off.argmax()), off.shape))
    if off[x, y] >= 1 - policy.SAME_DIRECTION_VERIFIED:
        return Finding("no two points have one direction", False, f"points {x} and {y} have")
    if mode == "line" and (cosines.min(axis=1) > -1 + policy.OPPOSITE_VERIFIED).any():
        alone = int(cosines.min(axis=1).argmax())
        return Finding("each point has its negative among the points", False, f"point {alone} has not")
    return Finding("no two points have one direction", True, "")


def _exceptions(
    cosines: NDArray[np.float64], levels: NDArray[np.float64], nearest: NDArray[np.int64], fields: Fields
) -> Finding:
    """Check that the listed exceptions are the pairs that differ from the relations, and few."""
    i, j, label = fields["exceptions"].T
    n = len(cosines)
    most, nearer = policy.MOST_EXCEPTIONS, policy.CLEARLY_NEARER
    what = f"at most {most:.0%} of the pairs are nearer to another level, by more than {nearer}"
    none = np.flatnonzero(nearest[i, j] == label)
    if len(none):
        x, y = int(i[none[0]]), int(j[none[0]])
        return Finding(what, False, f"points {x} and {y} are no exception: their own level is the nearest")
    own = np.abs(cosines[i, j] - levels[label])
    other = np.abs(cosines[i, j] - levels[nearest[i, j]])
    clearly = int((own > other + nearer).sum())
    pairs = n * (n - 1) // 2
    detail = f"{clearly} of {pairs} pairs are, and {len(i) - clearly} by less"
    return Finding(what, clearly <= most * pairs, detail)


def _levels(means: NDArray[np.float64], levels: NDArray[np.float64], slack: float) -> Finding:
    off = np.abs(means - levels)
    k = int(off.argmax())
    detail = f"relation {k}: {levels[k]:.6g} is stated, the mean is {means[k]:.6g}" if off[k] > slack else ""
    return Finding("each level is the mean cosine of its relation", bool(off[k] <= slack), detail)


def _spread(worst: float, stated: float, slack: float, where: str = "") -> Finding:
    what = f"the largest deviation of a cosine from the level of its relation is {stated:.3g}"
    return Finding(what, abs(worst - stated) <= slack, f"{where}{worst:.3g}")


def _explained(eta2: float, certificate: dict[str, Any], slack: float) -> Finding:
    """Check the stated eta^2, and that it is large enough, which for a named scheme the check of its name decides."""
    stated, named = certificate["eta2"], bool(certificate["name"])
    if not np.isfinite(eta2) or stated is None:
        what = f"one level: cosines deviate by at most {policy.ONE_LEVEL}, or have a name"
        holds = (
            stated is None and not np.isfinite(eta2) and (named or certificate["spread"] <= policy.ONE_LEVEL)
        )
        return Finding(what, holds, f"eta^2 is {eta2:.6g}, {stated} is stated; {certificate['spread']:.3g}")
    what = f"relations explain the share of the variance stated, and at least {policy.LEVELS_ETA2} without a name"
    holds = abs(eta2 - stated) <= slack and (named or eta2 >= policy.LEVELS_ETA2)
    return Finding(what, holds, f"eta^2 is {eta2:.6g}, {stated:.6g} is stated")


def _scheme(relations: NDArray[np.int64], fields: Fields) -> Finding:
    """Check all products of two relations, in integers."""
    numbers, valencies = fields["intersection_numbers"], fields["valencies"]
    r = len(valencies)
    counts = np.array([(relations == k).sum(axis=1) for k in range(r)])
    wrong = np.argwhere(counts != valencies[:, None])
    if len(wrong):
        k, x = wrong[0]
        detail = f"point {x} has {counts[k, x]} others in relation {k}, not {valencies[k]}"
        return Finding(_PRODUCTS, False, detail)
    if not np.array_equal(numbers, numbers.transpose(1, 0, 2)) or not np.array_equal(numbers[0], np.eye(r)):
        return Finding(_PRODUCTS, False, "the numbers are not those of a symmetric scheme")
    # Counts are at most 4096, below 2^24: these products are exact in float32.
    classes = [(relations == k).astype(np.float32) for k in range(r)]
    for i in range(1, r):
        for j in range(i, r):
            stated = by_slabs(numbers[i, j].__getitem__, relations)
            differ = np.argwhere(by_slabs(np.not_equal, matmul(classes[i], classes[j]), stated))
            if len(differ):
                x, y = differ[0]
                return Finding(_PRODUCTS, False, f"A_{i} A_{j} is not, at points {x} and {y}")
    return Finding(_PRODUCTS, True, f"{r * (r - 1) // 2} products of {len(relations)} x {len(relations)}")


def _certified(relations: NDArray[np.int64], fields: Fields) -> Finding:
    """Check the products by two passes over the relations, where there are too many of them."""
    found = check(relations, seed=int(np.random.default_rng().integers(2**32)))
    if found.intersection_numbers is None or found.valencies is None:
        return Finding(_PRODUCTS, False, found.reason)
    return _numbers_agree(found.intersection_numbers, fields, found.error_bound, found.seed)


def _numbers_agree(p: NDArray[np.int64], fields: Fields, bound: float, seed: int) -> Finding:
    stated = fields["intersection_numbers"]
    if not np.array_equal(p, stated):
        i, j, k = (int(index) for index in np.argwhere(p != stated)[0])
        return Finding(_PRODUCTS, False, f"p_{i},{j}^{k} is {p[i, j, k]}, not {stated[i, j, k]}")
    valencies = p[np.arange(len(p)), np.arange(len(p)), 0]
    same = np.array_equal(valencies, fields["valencies"])
    return Finding(_PRODUCTS, same, f"wrong with a probability of at most {bound:.1e}, seed {seed}")


def _streamed(points: NDArray[np.float64], certificate: dict[str, Any], fields: Fields) -> list[Finding]:
    """Check levels and products a tile at a time."""
    levels = fields["levels"]
    if len(fields["exceptions"]) or (np.diff(levels) >= 0).any():
        what = f"above {LARGEST} points levels decrease, without exceptions"
        return [Finding(what, False, "they do not")]
    if abs(levels[0] - 1) > policy.STREAMED_ROUNDING:
        return [_levels(np.ones(1), levels[:1], policy.STREAMED_ROUNDING)]
    cuts = (levels[1:-1] + levels[2:])[::-1] / 2
    pairs, numbers, alike = _core.scheme_spread(points, cuts, alike=1 - policy.SAME_DIRECTION_VERIFIED)
    one = f"points {alike[0][0]} and {alike[0][1]} have" if len(alike) else ""
    findings = [Finding("no two points have one direction", not len(alike), one)]
    if certificate["mode"] == "line":
        opposite = bool(levels[-1] <= -1 + policy.STREAMED_ROUNDING and fields["valencies"][-1] == 1)
        detail = f"the last level is {levels[-1]:.6g}, for {fields['valencies'][-1]} others"
        findings.append(Finding("each point has its negative among the points", opposite, detail))
    if not pairs.all():
        findings.append(
            Finding("every relation has pairs", False, f"relation {int(pairs.argmin()) + 1} has none")
        )
        return findings
    worst = float(np.maximum(np.abs(numbers[:, 2] - levels[1:]), np.abs(numbers[:, 3] - levels[1:])).max())
    means = numbers[:, 0]
    between = float(pairs @ (means - float(pairs @ means / pairs.sum())) ** 2)
    eta2 = between / (between + float(numbers[:, 1].sum())) if len(levels) > 2 else float("nan")
    findings += [
        _levels(np.append(1.0, means), levels, policy.STREAMED_ROUNDING),
        _spread(worst, certificate["spread"], policy.STREAMED_ROUNDING),
        _explained(eta2, certificate, policy.STREAMED_ROUNDING),
    ]
    seed = int(np.random.default_rng().integers(2**32))
    failure, _, _, _, p, bound = _core.scheme_certify_features(points, cuts, seed=seed)
    if failure is not None:
        findings.append(Finding(_PRODUCTS, False, failure_text(*failure, list(range(len(levels))))))
    else:
        findings.append(_numbers_agree(p, fields, bound, seed))
    return findings


def _algebra(fields: Fields) -> list[Finding]:
    """Check P, Q, multiplicities and Krein parameters against the intersection numbers."""
    P, Q, m = fields["P"], fields["Q"], fields["multiplicities"]
    valencies, numbers = fields["valencies"], fields["intersection_numbers"]
    if (valencies < 1).any():
        return [Finding("valencies are positive", False, f"relation {int(valencies.argmin())}")]
    n, room = int(valencies.sum()), policy.ALGEBRA_ROUNDING
    products = P[:, :, None] * P[:, None, :] - np.einsum("ijk,tk->tij", numbers.astype(np.float64), P)
    characters = float(np.abs(products).max() / n)
    principal = float(np.abs(P[0] - valencies).max() / n)
    if not principal < room:
        return [Finding("P_0 has the valencies", False, f"to {principal:.1e} n")]
    inverse = float(np.abs(P @ Q - n * np.eye(len(P))).max() / n)
    dimensions = float(np.abs(m * (P**2 / valencies).sum(axis=1) - n).max() / n)
    krein = float(np.abs(completed(P, m).krein - fields["krein"]).max() / n)
    return [
        Finding("P_ti P_tj = sum_k p_ij^k P_tk", characters < room, f"to {characters:.1e} n"),
        Finding("P_0 has the valencies", principal < room, f"to {principal:.1e} n"),
        Finding("P Q = n I", inverse < room, f"to {inverse:.1e} n"),
        Finding("m_t sum_j P_tj^2 / k_j = n", dimensions < room, f"to {dimensions:.1e} n"),
        Finding(
            "q_ij^k = m_i m_j / n sum_l P_il P_jl P_kl / k_l^2",
            krein < room,
            f"to {krein:.1e} n",
        ),
    ]


def _name(
    rows: NDArray[np.float64], norms: NDArray[np.float64], certificate: dict[str, Any], slack: float
) -> Finding:
    """Detect once more, and compare what detection says about the geometry."""
    stated = (certificate["name"], sorted(certificate["also"]), _groups(certificate["duplicates"]))
    what = f"detection gives the name {stated[0] or 'none'!r}, to the residual stated, once more"
    said = ""
    for method in _methods(certificate):
        found = _detected(method, rows, norms, certificate)
        close = (
            certificate["residual"] is None
            if not np.isfinite(found.residual)
            else certificate["residual"] is not None
            and abs(found.residual - certificate["residual"]) <= slack
        )
        if (found.name, sorted(found.also), _groups(found.duplicates)) == stated and close:
            above = f", above the tolerance of {certificate['tolerance']:g}: through noise"
            detail = f"residual {found.residual:.3g}{above if _through_noise(certificate) else ''}"
            return Finding(what, True, detail)
        also = f", also {', '.join(found.also)}" if found.also else ""
        said = said or f"it gives {found.name or 'none'!r} with the residual {found.residual:.6g}{also}"
        if found.method == STREAMED:
            break
    return Finding(what, False, said)


def _groups(duplicates: Any) -> list[list[int]]:
    return sorted(sorted(int(i) for i in group) for group in duplicates)


def _methods(certificate: dict[str, Any]) -> list[str]:
    """Say how to find the name again: in the way recorded, or where a format records none, in each that there was."""
    if certificate["format"] == FORMAT:
        return [certificate["method"]]
    blocks = [block_method(count) for count in (policy.BLOCK_REFINEMENTS, 1, 0)]
    signed = certificate["mode"] == "signed"
    return [DIRECT, *(blocks if signed else []), *([] if certificate["proof"] == EXACT else [STREAMED])]


def _detected(
    method: str, rows: NDArray[np.float64], norms: NDArray[np.float64], certificate: dict[str, Any]
) -> Detection:
    options = {key: certificate[key] for key in ("mode", "tolerance", "seed")}
    by_cosines = method == DIRECT and options["mode"] == "signed" and len(rows) <= LARGEST
    if method in (DIRECT, VECTORS) and not by_cosines:
        return detect(rows, **options)
    if method == STREAMED:
        return detect_streamed(rows, **options)
    unit = rows / norms[:, None]
    cosines = np.clip(gram(unit), -1.0, 1.0)
    np.fill_diagonal(cosines, 1.0)
    if by_cosines:
        return detect_cosines(cosines, norms, tolerance=options["tolerance"], seed=options["seed"])
    proposals = int(method.split()[-2])
    vectors = rows if method == block_method(proposals, by_vectors=True) else None
    return detect_cosines(
        cosines, norms, vectors=vectors, refinements=proposals, sums=False, seed=options["seed"]
    )
