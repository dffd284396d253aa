"""A sparse autoencoder from its weights: every question of this room at once, answered in sentences and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer, number_between
from featuregeom.dictionaries.autoencoder import Autoencoder, read_autoencoder
from featuregeom.dictionaries.density import WeightedCapacity, weighted_capacity
from featuregeom.dictionaries.families import Families, families, parts_of
from featuregeom.dictionaries.kinds import counted
from featuregeom.dictionaries.one_to_one import checked
from featuregeom.dictionaries.readout import (
    Antipodes,
    Readout,
    RelatedLatents,
    antipodes,
    readout,
    related_latents,
)
from featuregeom.dictionaries.sentence import FEW_DIMENSIONS, Verdict, verdict
from featuregeom.features import Features, chunks
from featuregeom.frames import Progress
from featuregeom.spectra import spectrum as spectrum_of
from featuregeom.wording import number, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Examination", "examine"]

Floats = NDArray[np.float64]

_KINDS = {
    "copies": ("pair of copies (read alike, write alike)", "pairs of copies (read alike, write alike)"),
    "splits": ("pair that writes alike and reads differently", "pairs that write alike and read differently"),
    "opposites": ("antipodal pair (reads and writes opposite)", "antipodal pairs (read and write opposite)"),
    "opposite writers": (
        "pair that writes opposite and reads otherwise",
        "pairs that write opposite and read otherwise",
    ),
}
"""What the kinds of related latents are called, one and many."""


@dataclass(frozen=True, eq=False)
class Examination:
    """What the weights of a sparse autoencoder say; ``str`` says it in sentences.

    Attributes
    ----------
    autoencoder : Autoencoder
        Whose weights they are.
    verdict : Verdict
        Whether the decoder differs from random directions.
    families : Families
        Decoder directions that belong together.
    readout : Readout or None
        Cross-talk of encoder and decoder; None where there is no encoder of the decoder's shape, as for the next two.
    antipodes : Antipodes or None
        Most opposite partner of each latent.
    related : RelatedLatents or None
        Copies, splits and opposites.
    capacity : WeightedCapacity or None
        Capacity of latents counted as often as they are active; None without densities.
    zero : ndarray of int64
        Latents whose decoder is zero.
    norm_decoder, norm_encoder : ndarray of float64, shape (n,)
        Norms; of the encoder NaN where there is none.
    """

    autoencoder: Autoencoder
    verdict: Verdict
    families: Families
    readout: Readout | None
    antipodes: Antipodes | None
    related: RelatedLatents | None
    capacity: WeightedCapacity | None
    zero: NDArray[np.int64]
    norm_decoder: Floats
    norm_encoder: Floats

    @property
    def n(self) -> int:
        """Latents."""
        return self.autoencoder.decoder.n

    @property
    def dead(self) -> NDArray[np.int64] | None:
        """Latents that were never active, by their densities; None where nothing says it."""
        density = self.autoencoder.density
        return None if density is None else np.flatnonzero(density == 0)

    def sentences(self) -> dict[str, str]:
        """Say what was found, by topic: verdict, dead, families, related, encoder, cross-talk, density."""
        said = {"verdict": self._verdict(), "dead": self._dead(), "families": self._families()}
        if self.related is not None and self.readout is not None:
            said |= {"related": self._related(self.related), "encoder": self._encoder(self.readout)}
            said["cross-talk"] = self._cross_talk(self.readout)
        else:
            said["encoder"] = (
                "There is no encoder of the decoder's shape, so nothing is said of how latents are read."
            )
        density = self._density()
        return said | ({"density": density} if density else {})

    def to_frame(self) -> pd.DataFrame:
        """Give the latents as a table, one row each.

        Returns
        -------
        DataFrame
            ``latent, density, norm_decoder, norm_encoder, cosine, written_to_others, heard_from_others, antipode,
            antipode_score, family, capacity, link``; -1 where there is no antipode or family, NaN where something is
            not known. A family is the smallest one.
        """
        import pandas as pd

        unknown = np.full(self.n, np.nan)
        family = np.full(self.n, -1)
        for index in np.argsort(-self.families.size, kind="stable").tolist():
            family[self.families.members[index]] = index
        link, density = self.autoencoder.link, self.autoencoder.density
        columns: dict[str, Any] = {
            "latent": np.arange(self.n),
            "density": unknown if density is None else density,
            "norm_decoder": self.norm_decoder,
            "norm_encoder": self.norm_encoder,
            "cosine": unknown if self.readout is None else self.readout.cosine,
            "written_to_others": unknown if self.readout is None else self.readout.per_feature,
            "heard_from_others": unknown if self.readout is None else self.readout.disturbed,
            "antipode": np.full(self.n, -1) if self.antipodes is None else self.antipodes.partner,
            "antipode_score": unknown if self.antipodes is None else self.antipodes.score,
            "family": family,
            "capacity": unknown if self.capacity is None else self.capacity.capacity,
            "link": [f"{link}/{latent}" if link else "" for latent in range(self.n)],
        }
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        return "\n".join(self.sentences().values())

    def __repr__(self) -> str:
        return f"Examination({self.autoencoder.source!r}: {self.verdict})"

    def _repr_html_(self) -> str:
        from html import escape

        return "".join(f"<p>{escape(said)}</p>" for said in self.sentences().values())

    def _verdict(self) -> str:
        """Say the verdict in words of everyday; the figures stand in the page's table."""
        judged = self.verdict
        n, some = number(judged.n), bool(len(self.families))
        if judged.kind == "undecided":
            few = f"{n} in {number(judged.m)} dimensions"
            return f"Too few latents or directions to be told from random ones: {few}."
        if judged.kind == "structure":
            return self._not_random()
        if judged.kind == "random":
            said = "No different from random directions, like a decoder that was never trained"
            said = "As a whole no different from random directions" if some else said
        else:
            said = "The decoder uses some directions more, or less, than random latents would; apart from that, they "
            said += "lie as random ones would"
        said += ", but for the families below." if some else "."
        if judged.m < FEW_DIMENSIONS:
            said += f" In {number(judged.m)} dimensions, pairs that are not nearly equal may be missed."
        return said

    def _not_random(self) -> str:
        judged, found = self.verdict, []
        if judged.n_pairs:
            alike, opposite = number(judged.pairs.n_positive), number(judged.pairs.n_negative)
            found.append(
                f"{plural(judged.n_pairs, 'pair of latents points', 'pairs of latents point')} in more similar "
                f"({alike}) or more opposite ({opposite}) directions than chance explains"
            )
        if judged.n_localised:
            found.append(
                f"{number(judged.n_localised)} latents crowd together in a few directions, more than chance explains"
            )
        return f"Not random: {'; '.join(found)}."

    def _dead(self) -> str:
        dead, zero = self.dead, ""
        if len(self.zero):
            zero = f" {plural(len(self.zero), 'decoder row is', 'decoder rows are')} zero."
        if dead is None:
            return f"No densities lie beside the weights, so which latents are dead is not known.{zero}"
        if not len(dead):
            return f"Each of the {number(self.n)} latents was active at some token.{zero}"
        were = "was" if len(dead) == 1 else "were"
        return f"{number(len(dead))} of {number(self.n)} latents {were} never active: dead.{zero}"

    def _families(self) -> str:
        if not len(self.families):
            return "No families: no latents belong together more than chance explains."
        members = len(np.unique(np.concatenate(self.families.members)))
        many = plural(len(self.families), "family", "families")
        return f"{many} with {plural(members, 'latent')}: {', '.join(counted(self.families.counts()))}."

    def _related(self, related: RelatedLatents) -> str:
        counts = {kind: int(np.count_nonzero(related.kind == kind)) for kind in _KINDS}
        said = [f"{number(count)} {_KINDS[kind][count > 1]}" for kind, count in counts.items() if count]
        if not said:
            return "No copies, splits or antipodes: no two latents write more alike or opposite than chance explains."
        rate = number(100 * related.level, 2)
        return f"{'; '.join(said)}. Of such pairs at most {rate} % are expected to be chance."

    def _encoder(self, found: Readout) -> str:
        known = found.cosine[~np.isnan(found.cosine)]
        if not len(known):
            return "No latent has both an encoder and a decoder."
        low, median, high = np.quantile(known, (0.05, 0.5, 0.95))
        below = int(np.count_nonzero(known <= 0))
        said = (
            f"A latent reads along what it writes with a median cosine of {number(median, 3)} (5 % below "
            f"{number(low, 3)}, 5 % above {number(high, 3)})"
        )
        return said + (
            f"; {number(below)} do not read what they write at all (cosine 0 or less)." if below else "."
        )

    def _cross_talk(self, found: Readout) -> str:
        if found.n < 2:
            return "Fewer than two latents read themselves: there is no cross-talk."
        heard, floor = float(np.nanmedian(found.disturbed)), float(np.sqrt(found.floor))
        return (
            f"Cross-talk: where a latent reads itself with 1, it reads any other with a root mean square of "
            f"{number(np.sqrt(heard), 3)} (median over latents); no encoder and decoder of this size have less than "
            f"{number(floor, 3)} on average over all."
        )

    def _density(self) -> str:
        density = self.autoencoder.density
        if density is None or not density.any():
            return ""
        alive = density[density > 0]
        said = (
            f"Latents that are alive are active at {number(100 * np.median(alive), 2)} % of the tokens (median), the "
            f"most active one at {number(100 * alive.max(), 3)} %"
        )
        if self.capacity is None:
            return said + "."
        return (
            f"{said}; counted as often as they are active, they use {number(self.capacity.effective_rank, 3)} of "
            f"{number(self.autoencoder.decoder.m)} dimensions evenly."
        )


def examine(
    autoencoder: Any,
    q: float = 0.01,
    *,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Examination:
    """Answer the first questions about a sparse autoencoder from its weights.

    Whether its decoder is random, which latents are dead, copies, antipodes or families, how encoder and decoder fit,
    how strongly latents hear each other, and how densities share the dimensions.

    Parameters
    ----------
    autoencoder : Autoencoder, or anything that `read_autoencoder` reads
        The weights.
    q : float
        False discovery rate of pairs and links, and level of the verdict's tests; between 0 and 1.
    seed : int
        Of random sets.
    num_threads : int, optional
        Threads to use.
    progress : callable, optional
        Called with steps done and steps in all.

    Returns
    -------
    Examination

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError, SourceError
        As in `read_autoencoder` and `verdict`; for NaN, with the side and the row.

    Notes
    -----
    Costs `verdict`, `families`, `related_latents` and `antipodes` once each: for 3072 latents in 384 dimensions about
    a minute of one core, with n^2 beyond.

    What it does not show: what latents mean, whether they help to predict anything, or whether codes are faithful; a
    decoder that is not random may still be of no use. Latents that are active together interfere by their codes, which
    are not read here: see `interference`.

    References
    ----------
    Those of `verdict`, `families`, `readout`, `related_latents` and `weighted_capacity`.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> W = np.random.default_rng(0).standard_normal((160, 120))
    >>> found = fg.dictionaries.examine({"W_enc": W.T, "W_dec": W, "b_enc": np.zeros(160)})
    >>> print(found.sentences()["verdict"])
    No different from random directions, like a decoder that was never trained.
    """
    q, seed = number_between("q", q, 0, 1), integer("seed", seed, 0)
    given = autoencoder if isinstance(autoencoder, Autoencoder) else read_autoencoder(autoencoder)
    W = checked(given.decoder, "the decoder", num_threads)
    E = None if given.encoder is None else checked(given.encoder, "the encoder", num_threads)
    both = E if E is not None and (E.n, E.m) == (W.n, W.m) else None
    spectrum = spectrum_of(W, num_threads=num_threads)
    part = parts_of(progress, 5)  # the verdict, three of the families, and what comes after them
    judged = verdict(W, q, seed=seed, spectrum=spectrum, num_threads=num_threads, progress=part(-5))
    norms = _norms(W)
    found = Examination(
        autoencoder=given,
        verdict=judged,
        families=families(
            W,
            q=q,
            seed=seed,
            spectrum=spectrum,
            pairs=judged.pairs,
            num_threads=num_threads,
            progress=part(-4, 3),
        ),
        readout=None if both is None else readout(both, W, num_threads=num_threads),
        antipodes=None if both is None else antipodes(both, W, num_threads=num_threads),
        related=None
        if both is None
        else related_latents(both, W, q, seed=seed, written=judged.pairs, num_threads=num_threads),
        capacity=None
        if given.density is None or not given.density.any()
        else weighted_capacity(W, given.density, num_threads=num_threads),
        zero=np.flatnonzero(norms == 0),
        norm_decoder=norms,
        norm_encoder=np.full(W.n, np.nan) if E is None else _norms(E),
    )
    if (last := part(-1)) is not None:
        last(1, 1)
    return found


def _norms(features: Features) -> Floats:
    return np.concatenate(
        [np.linalg.norm(features.widened(part), axis=1) for part in chunks(features.n, features.m)]
    )
