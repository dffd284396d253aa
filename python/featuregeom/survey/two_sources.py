"""Two sources, matrix by matrix: which are the same, and what changed in the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer, number_between
from featuregeom.dictionaries import Comparison, compare
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError, UnsuitableSourceError
from featuregeom.features import Features, chunks
from featuregeom.folders import Sources
from featuregeom.sources import Reader, TensorInfo, open_source
from featuregeom.sources.base import BaseReader
from featuregeom.sources.protocol import AxisGiven
from featuregeom.survey.plan import Patterns, check_patterns, matches
from featuregeom.wording import number, plural, text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SourceComparison", "compare_sources"]

_LISTED = 8
"""Most matrices that a sentence or an error lists."""


_SHOWN = 20
"""Most sentences of a comparison that is printed: a screen; `SourceComparison.to_frame` has all matrices."""


@dataclass(frozen=True, eq=False)
class SourceComparison:
    """Two sources compared matrix by matrix; ``str`` says what changed and nothing else.

    Attributes
    ----------
    first, second : str
        The sources.
    same : tuple of str
        Matrices whose numbers are all equal.
    changed : dict of str to Comparison
        The others, by name; where the two sources have one matrix each under two names, by both.
    refused : dict of str to str
        Matrices that cannot be compared, and why: all features of one side are zero, say.
    vectors : tuple of str
        Vectors (biases, scales of norms) that are in both and not equal.
    only_first, only_second : tuple of str
        Matrices that the other source does not have.
    """

    first: str
    second: str
    same: tuple[str, ...]
    changed: dict[str, Comparison]
    refused: dict[str, str]
    vectors: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    def sentences(self) -> list[str]:
        """Say what changed, a sentence for each matrix that did."""
        said = []
        if self.same:
            said.append(
                f"{plural(len(self.same), 'matrix is', 'matrices are')} the same in both, number for number."
            )
        for name, found in self.changed.items():
            said.append(f"{text(name)}: {found}.")
            scores, null = found.matching.scores, found.matching.null_scores
            if not found.same:
                said[-1] += (
                    f" Matched one to one, {number(100 * scores.shared, 3)} % of the pairs have a cosine of "
                    f"{found.matching.threshold:g} and more, of random ones {number(100 * null.shared, 3)} %; the mean "
                    f"is {number(scores.pw_mcc, 3)}, at random {number(null.pw_mcc, 3)}."
                )
        said += [
            f"{text(name)} changed, but cannot be compared: {why}." for name, why in self.refused.items()
        ]
        if self.vectors:
            many = plural(len(self.vectors), "vector")
            said.append(f"{many} (biases, scales of norms) changed, too: {_listed(self.vectors)}.")
        for names, where in ((self.only_first, "first"), (self.only_second, "second")):
            if names:
                many = plural(len(names), "matrix is", "matrices are")
                said.append(f"{many} in the {where} only: {_listed(names)}.")
        return said

    def to_frame(self) -> pd.DataFrame:
        """Give the matrices of both as a table, one row each.

        Returns
        -------
        DataFrame
            ``matrix, what`` (same, changed, refused), ``n_first, n_second, kept, kept_changed, lost, born,
            median_degrees, largest_degrees, median_norm_ratio, limit, cka, cka_null, pw_mcc, pw_mcc_null, shared,
            shared_null, gap, families_kept, families_lost, families_born``. What is not known is NaN.
        """
        import pandas as pd

        rows = [{"matrix": name, "what": "same"} for name in self.same]
        rows += [
            {"matrix": name, "what": "changed", **_numbers(found)} for name, found in self.changed.items()
        ]
        rows += [{"matrix": name, "what": "refused"} for name in self.refused]
        columns = ["matrix", "what", *_COLUMNS]
        return pd.DataFrame(rows, columns=columns)

    def features(self) -> pd.DataFrame:
        """Give the features of the matrices that changed: ``matrix``, and the columns of `Comparison.to_frame`."""
        import pandas as pd

        parts = [found.to_frame().assign(matrix=name) for name, found in self.changed.items()]
        columns = ["matrix", "a", "b", "what", "cosine", "angle", "norm_ratio"]
        return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)

    def _first(self) -> list[str]:
        said = self.sentences()
        more = len(said) - _SHOWN
        return said if more <= 0 else [*said[:_SHOWN], f"{more} more sentences: see to_frame()."]

    def __str__(self) -> str:
        return "\n".join(self._first())

    def __repr__(self) -> str:
        return f"SourceComparison({len(self.same)} matrices the same, {len(self.changed)} changed)"

    def _repr_html_(self) -> str:
        from html import escape

        return "<ul>" + "".join(f"<li>{escape(said)}</li>" for said in self._first()) + "</ul>"


_COLUMNS = (
    "n_first", "n_second", "kept", "kept_changed", "lost", "born", "median_degrees", "largest_degrees",
    "median_norm_ratio", "limit", "cka", "cka_null", "pw_mcc", "pw_mcc_null", "shared", "shared_null", "gap",
    "families_kept", "families_lost", "families_born",
)  # fmt: skip


def _numbers(found: Comparison) -> dict[str, Any]:
    scores, null = found.matching.scores, found.matching.null_scores
    families = found.families
    return {
        "n_first": found.n_kept + len(found.lost),
        "n_second": found.n_kept + len(found.born),
        "kept": found.n_kept,
        "kept_changed": found.n_changed,
        "lost": len(found.lost),
        "born": len(found.born),
        "median_degrees": float(np.degrees(np.median(found.angle))) if found.n_kept else np.nan,
        "largest_degrees": float(np.degrees(found.angle.max())) if found.n_kept else np.nan,
        "median_norm_ratio": float(np.median(found.norm_ratio)) if found.n_kept else np.nan,
        "limit": found.limit if np.isfinite(found.limit) else np.nan,
        "cka": found.cka,
        "cka_null": found.cka_null,
        "pw_mcc": scores.pw_mcc,
        "pw_mcc_null": null.pw_mcc,
        "shared": scores.shared,
        "shared_null": null.shared,
        "gap": found.matching.gap,
        "families_kept": np.nan if families is None else len(families.kept),
        "families_lost": np.nan if families is None else len(families.lost),
        "families_born": np.nan if families is None else len(families.born),
    }


def compare_sources(
    first: Any,
    second: Any,
    q: float = 0.01,
    *,
    include: Patterns = None,
    axis: AxisGiven = "auto",
    families: bool = False,
    mmap: bool = True,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SourceComparison:
    """Compare two checkpoints, seeds, layers or dictionaries in files: every matrix that both have under one name.

    Parameters
    ----------
    first, second : path, str, module, mapping or Reader
        As in `fg.analyze`. Where no name is in both and each holds one matrix, these two are compared.
    q : float
        As in `dictionaries.compare`.
    include : str or sequence of str, optional
        Shell-style patterns of the names to compare.
    axis : {"auto", "rows", "columns"}, mapping or sequence of str
        Which axis lists features, as in `fg.analyze`.
    families : bool
        Whether families of features are compared, too.
    mmap : bool
        Map files into memory.
    seed : int
        Of random dictionaries.
    num_threads : int, optional
        Threads to use.
    progress : callable, optional
        Called with matrices done and in all.

    Returns
    -------
    SourceComparison

    Raises
    ------
    UnsuitableSourceError
        If they have no matrix in common.
    DtypeError, NonFiniteError, ParameterError, SourceError
        As in `open_source` and `dictionaries.compare`; for NaN, with the matrix and the row. SourceError also if a file
        changes while it is read.

    Notes
    -----
    A matrix whose numbers are equal costs one reading of both; any other costs `dictionaries.compare`.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> A = {name: np.random.default_rng(seed).standard_normal((100, 32)) for seed, name in enumerate("ab")}
    >>> print(fg.compare_sources(A, A | {"b": 2 * A["b"]}))
    1 matrix is the same in both, number for number.
    b: 100 features kept, all of them changed (turned by 0 degrees, the median; norms times 2); none lost; none born.
    """
    check_patterns(include, None)
    q, seed = number_between("q", q, 0, 1), integer("seed", seed, 0)
    with (
        open_source(first, axis=axis, mmap=mmap) as left,
        open_source(second, axis=axis, mmap=mmap) as right,
    ):
        files = Sources.of([*left.files, *right.files])
        names = [_matrices(reader, include) for reader in (left, right)]
        both = [(name, name) for name in names[0] if name in names[1]]
        if not both and all(len(each) == 1 for each in names):
            both = [(next(iter(names[0])), next(iter(names[1])))]
        if not both:
            held = "; ".join(
                f"{reader.source} has {', '.join([*each][:_LISTED]) or 'none'}"
                for reader, each in zip((left, right), names, strict=True)
            )
            if include and not any(names):
                raise ParameterError(f"no matrix of either source fits include={include!r}")
            raise UnsuitableSourceError(f"no matrix is in both sources: {held}")
        same: list[str] = []
        changed: dict[str, Comparison] = {}
        refused: dict[str, str] = {}
        for at, (one, other) in enumerate(both):
            if progress is not None:
                progress(at, len(both))
            A, B = left.read(one), right.read(other)
            name = one if one == other else f"{one} against {other}"
            if _equal(A, B):
                same.append(name)
            else:
                found = _compared(A, B, name, q, families, seed, num_threads)
                if isinstance(found, str):
                    refused[name] = found
                else:
                    changed[name] = found
            left.release(one)
            right.release(other)
            files.check()
        if progress is not None:
            progress(len(both), len(both))
        vectors = _vectors(left, right, include)
        files.check()
        sources = left.source, right.source
    used = [{pair[side] for pair in both} for side in (0, 1)]
    return SourceComparison(
        *sources,
        same=tuple(same),
        changed=changed,
        refused=refused,
        vectors=vectors,
        only_first=tuple(name for name in names[0] if name not in used[0]),
        only_second=tuple(name for name in names[1] if name not in used[1]),
    )


def _matrices(reader: Reader, include: Patterns) -> dict[str, TensorInfo]:
    return {
        info.name: info
        for info in reader.tensors()
        if info.skip is None and matches(info, include, default=True)
    }


def _vectors(left: Reader, right: Reader, include: Patterns) -> tuple[str, ...]:
    """Name the tensors of one dimension that both have and that differ."""
    if not (isinstance(left, BaseReader) and isinstance(right, BaseReader)):
        return ()
    held = [
        {
            info.name: info.shape
            for info in reader.tensors()
            if len(info.shape) == 1 and matches(info, include, default=True)
        }
        for reader in (left, right)
    ]
    return tuple(
        name
        for name, shape in held[0].items()
        if name in held[1]
        and (shape != held[1][name] or not _same_numbers(left.read_whole(name), right.read_whole(name)))
    )


def _same_numbers(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(text, names[:_LISTED])) + (", ..." if len(names) > _LISTED else "")


def _equal(A: Features, B: Features) -> bool:
    """Whether all numbers are equal; NaN is not, so it is found and named later."""
    if (A.n, A.m) != (B.n, B.m):
        return False
    return all(np.array_equal(A.widened(part), B.widened(part)) for part in chunks(A.n, A.m))


def _compared(
    A: Features, B: Features, name: str, q: float, families: bool, seed: int, num_threads: int | None
) -> Comparison | str:
    """Compare, or say why not."""
    try:
        return compare(A, B, q, families=families, seed=seed, num_threads=num_threads)
    except NonFiniteError as error:
        raise NonFiniteError(f"{name}: {error}", error.row, error.column) from None
    except ShapeError as error:
        return str(error)
