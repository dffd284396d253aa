"""Families: features of a matrix that belong together beyond its spectrum, and what shape they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import integer, number_between
from featuregeom.dictionaries.kinds import KINDS, Called, Kind, call_circles, call_nodes, counted, rank
from featuregeom.dictionaries.links import Links, links_of
from featuregeom.features import as_features
from featuregeom.frames import Progress
from featuregeom.labels import as_labels
from featuregeom.pairs import SignificantPairs, significant
from featuregeom.spectra import Spectrum
from featuregeom.spectra import spectrum as spectrum_of
from featuregeom.wording import chance, known

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Families", "families", "parts_of"]

_SHOWN = 12
"""Families that the text lists one by one."""

_MEMBERS_SHOWN = 12
"""Members of a family that the text lists."""


@dataclass(frozen=True, eq=False)
class Families:
    """Families of features: named shapes, simplices, circles, copies, antipodes, clusters; each by q, then by share.

    Attributes
    ----------
    members : tuple of ndarray of int64
        Features of each family; around the circle where it is one, else increasing.
    kind : tuple of str
        "copies" (one direction), "antipodes" (one line), "geometry" (a name of `shapes`), "simplex" (equal angles),
        "circle" (a cyclic order), or "cluster" (no shape shown).
    name : tuple of str
        Name of the geometry; empty unless the kind is "geometry" or "simplex".
    p : ndarray of float64
        How often chance gives as much: a circle of this order, as large a share of a geometry, the weakest link of
        copies, antipodes and clusters. NaN for names in as many dimensions as the matrix has, which rest on the
        tolerances of `schemes.detect`.
    q : ndarray of float64
        False discovery rate: of a circle over all sets that pass its guard, of a link over all pairs; of a name the
        bound p times the number of sets of as many features.
    fit : ndarray of float64
        Of a name, how often noise alone leaves as much beside the geometry; above .01. NaN for other kinds.
    share : ndarray of float64
        What the shape explains: of the features' squared norm for copies, antipodes and names, of their cosines for
        circles. A circle with a share of a third is a circle for a third. NaN for clusters.
    strict_p : ndarray of float64
        Of a circle, its p-value where random sets keep the length of each feature beside the family's mean as well; NaN
        for other kinds. It decides nothing: where it is large, the lengths alone explain much of the circle.
    dim : ndarray of int64
        Dimension of the geometry; 0 for other kinds.
    height : ndarray of float64
        Squared height of a prism or antiprism, else NaN.
    certificate : tuple of dict or None
        Of a name without noise: the certificate of its association scheme, see `schemes.certificate` and
        `schemes.verify`. None for other families.
    parent : ndarray of int64
        The smallest family around each; -1 where there is none.
    birth, death : ndarray of float64
        Weakest inner and strongest outer link.
    link : tuple of str
        What links are measured by: "z", "cosine", or "projected": cosine beside the dominant eigenspaces.
    dominant : int
        Dimensions of these.
    n_features : int
        Features of the matrix.
    labels : tuple or None
        A name (or None) for each feature.
    q_level, shape_q : float
        False discovery rates that were asked for.
    """

    members: tuple[NDArray[np.int64], ...]
    kind: tuple[Kind, ...]
    name: tuple[str, ...]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    fit: NDArray[np.float64]
    share: NDArray[np.float64]
    strict_p: NDArray[np.float64]
    dim: NDArray[np.int64]
    height: NDArray[np.float64]
    certificate: tuple[dict[str, Any] | None, ...]
    parent: NDArray[np.int64]
    birth: NDArray[np.float64]
    death: NDArray[np.float64]
    link: tuple[str, ...]
    dominant: int
    n_features: int
    labels: tuple[str | None, ...] | None
    q_level: float
    shape_q: float

    def __len__(self) -> int:
        return len(self.members)

    @property
    def size(self) -> NDArray[np.int64]:
        """Number of members of each family."""
        return np.array([len(each) for each in self.members], dtype=np.int64)

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Birth over death: how clearly each family stands apart; infinity where nothing outside is linked."""
        found = np.full(len(self), np.inf)
        np.divide(self.birth, self.death, out=found, where=self.death > 0)
        return found

    def counts(self) -> dict[Kind, int]:
        """Give the number of families of each kind."""
        found = Counter(self.kind)
        return {kind: found[kind] for kind in KINDS}

    def labelled(self, family: int) -> list[str]:
        """Give the members of one family by label, or by number where they have none."""
        labels = self.labels or (None,) * self.n_features
        return [
            str(member) if labels[member] is None else str(labels[member]) for member in self.members[family]
        ]

    def to_frame(self) -> pd.DataFrame:
        """Give the families as a table, one row each.

        Returns
        -------
        DataFrame
            ``family, size, kind, name, p, q, strict_p, fit, share, height, parent, birth, death, ratio, link,
            members``, and ``labels`` where there are some.
        """
        import pandas as pd

        columns: dict[str, Any] = {
            "family": np.arange(len(self)),
            "size": self.size,
            "kind": pd.Series(self.kind, dtype="str"),
            "name": pd.Series(self.name, dtype="str"),
            "p": self.p,
            "q": self.q,
            "strict_p": self.strict_p,
            "fit": self.fit,
            "share": self.share,
            "height": self.height,
            "parent": self.parent,
            "birth": self.birth,
            "death": self.death,
            "ratio": self.ratio,
            "link": pd.Series(self.link, dtype="str"),
            "members": pd.Series([each.tolist() for each in self.members], dtype="object"),
        }
        if self.labels is not None:
            columns["labels"] = [self.labelled(family) for family in range(len(self))]
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        if not len(self):
            return f"No families among {self.n_features:,} features."
        counts = ", ".join(counted(self.counts()))
        lines = [
            self._line(family) for family, kind in enumerate(self.kind) if kind not in ("copies", "cluster")
        ]
        more = [f"... and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
        noun = "family" if len(self) == 1 else "families"
        heading = f"{len(self):,} {noun} of {self.n_features:,} features: {counts}."
        return "\n".join([heading, *lines[:_SHOWN], *more])

    def _line(self, family: int) -> str:
        names = self.labelled(family)
        some = ", ".join(names[:_MEMBERS_SHOWN]) + (", ..." if len(names) > _MEMBERS_SHOWN else "")
        what = self.name[family] or self.kind[family]
        share = self.share[family]
        chances = {"p": self.p, "q": self.q, "lengths kept: p": self.strict_p}
        figures = [f"share {share:.2f}"] if known(share) else []
        figures += [chance(key, held[family]) for key, held in chances.items() if known(held[family])]
        return f"  {family}: {what} of {len(names)} ({', '.join(figures) or 'within tolerances'}): {some}"

    def __repr__(self) -> str:
        counts = ", ".join(f"{kind}: {count}" for kind, count in self.counts().items() if count)
        return f"Families({len(self)} of {self.n_features} features; {counts or 'none'})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self).splitlines()[0])}</p>{self.to_frame().to_html(max_rows=20)}"


def families(
    X: Any,
    *,
    labels: Any = None,
    q: float = 0.01,
    shape_q: float = 0.1,
    k: int = 32,
    ratio: float = 1.1,
    n_draws: int = 9_999,
    seed: int = 0,
    spectrum: Spectrum | None = None,
    pairs: SignificantPairs | None = None,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Families:
    r"""Find the families of features that belong together beyond their spectrum, and what shape each has.

    Features are linked by z (`pairs.significant`), by abs(cosine), and by abs(cosine) beside the eigenspaces that
    dominate the spectrum. Whatever hangs together at some strength is a candidate where its weakest inner link is at
    least `ratio` times its strongest outer one. The first of these that applies is its kind:

    ========= =====================================================================================================
    copies    one direction, up to noise of a third of the norm; its links are significant, or chance alone would not
              bring any two random features of this spectrum so near
    antipodes the same with both signs
    geometry  has a name (`recognise.through_noise`): the geometry explains more than chance would, and what it leaves
              looks like noise
    simplex   the same for equal angles
    circle    has a cyclic order (`shape`), by a test over all sets that might have one; its links are significant
    cluster   its links are significant; no shape is shown
    ========= =====================================================================================================

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    labels : sequence of str, optional
        A name for each feature, such as the tokens of an embedding.
    q : float
        False discovery rate of links, between 0 and 1.
    shape_q : float
        False discovery rate of circles, between 0 and 1.
    k : int
        Nearest features of each that are linked to it; a family larger than that may come in pieces.
    ratio : float
        Weakest inner over strongest outer link, at least 1. A choice, not a test: with a smaller one nested families
        show more of their tree.
    n_draws : int
        Most random sets to compare a circle with, at least 99; few are needed where chance reaches it soon.
    seed : int
        Of splits and draws.
    spectrum, pairs : Spectrum, SignificantPairs, optional
        Of `X`; computed when not given.
    num_threads : int, optional
        Threads to use, by default ``RAYON_NUM_THREADS`` or all. The result does not depend on it.
    progress : callable, optional
        Called with steps done and steps in all.

    Returns
    -------
    Families
        Named shapes, simplices and circles first, then copies, antipodes and clusters; within a kind the smallest q
        first, then the largest share, then the largest family.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        As in `spectra.spectrum`.
    ParameterError
        If an argument is out of range, or there is not one label for each feature.

    Notes
    -----
    Costs `pairs.significant`, one such pass and two sweeps more, O(n k log n) for the trees, and what the tests of
    candidates cost.

    A family is not a meaning: its members are near each other in the weights. Families have 2 to 512 members; a larger
    group of one direction is an eigenspace of its own (`spectral_groups`). Orthogonal parts are families each: a square
    or an octahedron is its antipodal pairs. Lines are not called: see `shape` for a set that you give.

    References
    ----------
    Kruskal, Proc. Amer. Math. Soc. 7 (1956) for the tree; Benjamini & Hochberg, J. R. Stat. Soc. B 57 (1995); the
    evidence for each kind is featuregeom's own.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> X = np.random.default_rng(0).standard_normal((200, 64)) / 8
    >>> X[:5] = fg.shapes.polygon(5) @ np.linalg.qr(X[:2].T)[0].T
    >>> found = fg.dictionaries.families(X)
    >>> found.name[0], sorted(found.members[0].tolist())
    ('pentagon', [0, 1, 2, 3, 4])
    """
    features = as_features(X)
    q, shape_q = number_between("q", q, 0, 1), number_between("shape_q", shape_q, 0, 1)
    k, n_draws, seed = integer("k", k, 1), integer("n_draws", n_draws, 99), integer("seed", seed, 0)
    ratio = number_between("ratio", ratio, 1, inclusive=True)
    names = None if labels is None else as_labels(labels, features.n)
    if spectrum is None:
        spectrum = spectrum_of(features, num_threads=num_threads)
    squares = _core.squared_norms(features.values, num_threads=num_threads)
    found: list[Called] = []
    links: Links | None = None
    parts = 3 if pairs is not None else 4
    part = parts_of(progress, parts)
    if np.count_nonzero(squares) > 1 and spectrum.rank:
        if pairs is None:
            pairs = significant(
                features, q, k=1, seed=seed, spectrum=spectrum, num_threads=num_threads, progress=part(-4)
            )
        links = links_of(features, spectrum, squares, pairs, k, num_threads, part(-3))
        nodes = [node for link in links.lists for node in links.nodes(link, ratio)]
        found = call_nodes(links, nodes, pairs, q, seed, part(-2))
        circles = call_circles(
            links, found, pairs.threshold, shape_q, seed=seed, n_draws=n_draws, progress=part(-1)
        )
        found = _instead(found, circles)
    if progress is not None:
        progress(_STEPS * parts, _STEPS * parts)
    found.sort(
        key=lambda each: (*rank(each.kind, each.q, each.share, len(each.order)), each.node.members.tolist())
    )
    index = links.space.own.index if links is not None else np.empty(0, np.int64)
    return Families(
        members=tuple(index[each.order] for each in found),
        kind=tuple(each.kind for each in found),
        name=tuple(each.name for each in found),
        p=np.array([each.p for each in found], dtype=np.float64),
        q=np.array([each.q for each in found], dtype=np.float64),
        fit=np.array([each.fit for each in found], dtype=np.float64),
        share=np.array([each.share for each in found], dtype=np.float64),
        strict_p=np.array([each.strict_p for each in found], dtype=np.float64),
        dim=np.array([each.dim for each in found], dtype=np.int64),
        height=np.array([np.nan if each.height is None else each.height for each in found], dtype=np.float64),
        certificate=tuple(each.certificate for each in found),
        parent=_parents([each.node.members for each in found]),
        birth=np.array([each.node.birth for each in found], dtype=np.float64),
        death=np.array([each.node.death for each in found], dtype=np.float64),
        link=tuple(each.node.link for each in found),
        dominant=links.space.dominant if links is not None else 0,
        n_features=features.n,
        labels=names,
        q_level=q,
        shape_q=shape_q,
    )


_STEPS = 1000
"""Steps in which each part of the work is told."""


def parts_of(progress: Progress | None, parts: int) -> Callable[..., Progress | None]:
    """Give the callbacks of work in parts, so that steps done never go back.

    Parameters
    ----------
    progress : callable or None
        Called with steps done and steps in all.
    parts : int
        How many parts there are.

    Returns
    -------
    callable
        ``part(place, many=1)`` gives the callback of that many parts from one on, counted from the end: -1 is the last.
    """

    def part(place: int, many: int = 1) -> Progress | None:
        if progress is None:
            return None

        def advance(done: int, total: int) -> None:
            share = many * done / total if total else 0.0
            progress(int(_STEPS * (parts + place + share)), _STEPS * parts)

        return advance

    return part


def _instead(called: list[Called], circles: list[Called]) -> list[Called]:
    """Put circles in the place of clusters of the same members."""
    sets = {each.node.members.tobytes() for each in circles}
    return [each for each in called if each.node.members.tobytes() not in sets] + circles


def _parents(sets: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Give the smallest set that holds each of the sets and more, or -1."""
    parents = np.full(len(sets), -1)
    having: dict[int, list[int]] = {}
    for family in sorted(range(len(sets)), key=lambda family: (len(sets[family]), family)):
        for member in sets[family].tolist():
            having.setdefault(member, []).append(family)
    for family, members in enumerate(sets):
        for other in having[int(members[0])]:
            if len(sets[other]) > len(members) and np.isin(members, sets[other], assume_unique=True).all():
                parents[family] = other
                break
    return parents
