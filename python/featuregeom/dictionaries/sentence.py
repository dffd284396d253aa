"""Whether a matrix differs from random: one sentence, and the figures that it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import number_between
from featuregeom.dictionaries.groups import SpectralGroups, spectral_groups, without_themselves
from featuregeom.dictionaries.random_spectrum import expected_max_cosine, frame_potential_p, spectrum_edges
from featuregeom.features import as_features
from featuregeom.frames import Progress
from featuregeom.null_model import expected_saturation, null_dimensions
from featuregeom.pairs import Pairs, SignificantPairs
from featuregeom.pairs.significant import significant_and_nearest
from featuregeom.spectra import Measures, Spectrum, measures
from featuregeom.spectra import spectrum as spectrum_of
from featuregeom.wording import plural

__all__ = ["FEW_DIMENSIONS", "NAMED", "SENTENCES", "Verdict", "verdict"]

Kind = Literal["random", "spectrum", "structure", "undecided"]

SENTENCES: dict[Kind, str] = {
    "random": "no different from random directions",
    "spectrum": "only its spectrum differs from that of random directions",
    "structure": "holds structure beyond its spectrum",
    "undecided": "too few features or directions to be told from random ones",
}
"""What each kind of verdict says."""

FEW_DIMENSIONS = 100
"""Dimensions below which a pair is hard to tell from chance, so that "no pair" says little. Among unit random features
one planted pair of the cosine .9 was found in neither of two sets of 2000 in 72 dimensions and of 240 in 56, in one of
two of 4000 in 80, in both in 96; of .8 in none of these: a spectrum estimated in so few dimensions explains much."""

NAMED: dict[Kind, str] = {
    "random": f"{SENTENCES['random']} by its pairs and its spectrum: its named geometry shows in its cosines alone",
    "spectrum": f"{SENTENCES['spectrum']}: its named geometry is in that spectrum, which explains every pair",
    "structure": SENTENCES["structure"],
    "undecided": SENTENCES["undecided"],
}
"""The same beside the name of a geometry: exact shapes are eigenspaces, and few features make no significant pair."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """Whether features differ from random directions, and by what; ``str`` gives the sentence.

    Attributes
    ----------
    kind : {"random", "spectrum", "structure", "undecided"}
        "structure" where there are significant pairs or `gathered` groups; else "spectrum" where `spectrum_p` is at
        most the level; else "random", or "undecided" where no test can be made: fewer than two nonzero features, or
        all along one direction.
    n, m, rank : int
        Nonzero features, dimensions, dimensions in use.
    pairs : SignificantPairs
        Pairs beyond the spectral measures.
    groups : SpectralGroups
        Features localised beyond the spectrum.
    gathered : tuple of ndarray of int64
        The groups whose members are localised in eigenspaces of the other features too: a feature that is longer than
        others is an eigenvector of its own. Groups that would cost more eigendecompositions than that are left out.
    spectrum_p : float
        p-value of the spread of the spectrum among random directions with the same norms, see `frame_potential_p`.
    eigenvalues_above, eigenvalues_below : int
        Eigenvalues beyond the edges of random directions with the same norms, see `spectrum_edges`.
    mean_max_cosine, mean_max_cosine_null : float
        Mean over features of the largest absolute cosine with another; that of random directions.
    saturation, saturation_null, saturation_spectrum : float
        Saturation; that of random directions with the same norms; that of random features with the same spectrum.
    localisation, localisation_spectrum : float
        Mean of the largest mass in one eigenspace; that of random features with the same spectrum.
    level : float
        At which each of the tests decides.
    """

    kind: Kind
    n: int
    m: int
    rank: int
    pairs: SignificantPairs
    groups: SpectralGroups
    gathered: tuple[NDArray[np.int64], ...]
    spectrum_p: float
    eigenvalues_above: int
    eigenvalues_below: int
    mean_max_cosine: float
    mean_max_cosine_null: float
    saturation: float
    saturation_null: float
    saturation_spectrum: float
    localisation: float
    localisation_spectrum: float
    level: float

    @property
    def n_pairs(self) -> int:
        """Significant pairs."""
        return self.pairs.n_total

    @property
    def n_localised(self) -> int:
        """Features of the gathered groups."""
        return sum(len(members) for members in self.gathered)

    def __str__(self) -> str:
        text = f"{self.n:,} features in {self.m:,} dimensions: {SENTENCES[self.kind]}"
        if self.kind == "structure":
            parts = []
            if self.n_pairs:
                parts.append(
                    f"{plural(self.n_pairs, 'pair')} that its spectral measures do not explain "
                    f"({self.pairs.n_positive:,} alike, {self.pairs.n_negative:,} opposite)"
                )
            if self.n_localised:
                count = len(self.gathered)
                parts.append(
                    f"{self.n_localised:,} features that {count:,} eigenspace{'s gather' if count > 1 else ' gathers'}"
                )
            text += " - " + "; ".join(parts)
        return text + "."

    def __repr__(self) -> str:
        figures = (
            f"spectrum_p={self.spectrum_p:.2g}",
            f"eigenvalues beyond the edges of random directions: {self.eigenvalues_above} above, "
            f"{self.eigenvalues_below} below",
            f"mean largest |cosine| {self.mean_max_cosine:.4f}, at random {self.mean_max_cosine_null:.4f}",
            f"saturation {self.saturation:.4f}, of this spectrum {self.saturation_spectrum:.4f}",
        )
        return f"Verdict({str(self)!r}, {'; '.join(figures)})"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p><strong>{escape(str(self))}</strong><br>{escape(repr(self))}</p>"


def verdict(
    X: Any,
    q: float = 0.01,
    *,
    n_draws: int | None = None,
    seed: int = 0,
    spectrum: Spectrum | None = None,
    measured: Measures | None = None,
    swept: Pairs | None = None,
    tolerance: float | None = None,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Say whether features are no different from random directions, differ in their spectrum alone, or hold more.

    Three tests, each at the level `q`: significant pairs (`pairs.significant`), two and more features localised in one
    eigenspace beyond the spectrum (`spectral_groups`, and of other features too, since a long feature is an eigenvector
    of its own), and the spread of the spectrum (`frame_potential_p`).

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    q : float
        Level of each test: false discovery rate of pairs and of localised features, p-value of the spectrum.
    n_draws, seed
        As in `pairs.significant`.
    spectrum, measured, swept : Spectrum, Measures, Pairs, optional
        Of `X`; computed when not given.
    tolerance, num_threads
        As in `spectra.spectrum`.
    progress : callable, optional
        As in `pairs.significant`.

    Returns
    -------
    Verdict

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `pairs.significant`.

    Notes
    -----
    Costs what `pairs.significant` costs. Each test may err at its level, so features without any
    structure are called "random" in 97 of 100 sets at least.

    "No different from random directions" means: by these tests. A decoder that was never trained passes them; so may a
    trained one whose structure is of more than two features, none of them a pair.

    References
    ----------
    arXiv:2602.14111 (decoders that were never trained reach trained scores) for the question; the tests are
    featuregeom's own.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> print(fg.dictionaries.verdict(np.random.default_rng(0).standard_normal((60, 40))))
    60 features in 40 dimensions: no different from random directions.
    """
    features = as_features(X)
    q = number_between("q", q, 0, 1)
    if spectrum is None:
        spectrum = spectrum_of(features, tolerance=tolerance, num_threads=num_threads)
    if measured is None:
        measured = measures(features, spectrum, masses=False, num_threads=num_threads)
    pairs, nearest = significant_and_nearest(
        features,
        q,
        n_draws=n_draws,
        seed=seed,
        spectrum=spectrum,
        num_threads=num_threads,
        progress=progress,
        nearest=swept is None,
    )
    if swept is not None:
        nearest = np.abs(swept.cosines[:, 0])
    groups = spectral_groups(features, q, seed=seed, spectrum=spectrum, measured=measured)
    gathered = without_themselves(features, spectrum, groups, q, seed, num_threads)
    norms = np.sqrt(_core.squared_norms(features.values, num_threads=num_threads))
    dims = null_dimensions(norms, spectrum.rank, features.m, spectrum.null_tolerance)
    p = frame_potential_p(spectrum.eigenvalues, norms, dims)
    lower, upper = spectrum_edges(norms, dims) if spectrum.rank else (0.0, 0.0)
    kind: Kind = "random"
    if pairs.n_total or gathered:
        kind = "structure"
    elif math.isnan(p):
        kind = "undecided"
    elif p <= q:
        kind = "spectrum"
    known = ~np.isnan(measured.max_mass)
    n = int(np.count_nonzero(norms))
    return Verdict(
        kind=kind,
        n=n,
        m=features.m,
        rank=spectrum.rank,
        pairs=pairs,
        groups=groups,
        gathered=gathered,
        spectrum_p=p,
        eigenvalues_above=int(np.count_nonzero(spectrum.retained > upper)),
        eigenvalues_below=int(np.count_nonzero(spectrum.retained < lower)),
        mean_max_cosine=float(np.nanmean(nearest)) if n > 1 else math.nan,
        mean_max_cosine_null=expected_max_cosine(n, dims) if n else math.nan,
        saturation=measured.total_capacity / spectrum.rank if spectrum.rank else math.nan,
        saturation_null=expected_saturation(norms, dims),
        saturation_spectrum=groups.saturation_null,
        localisation=float(measured.max_mass[known].mean()) if known.any() else math.nan,
        localisation_spectrum=groups.null_mean,
        level=q,
    )
