"""The nearest features of another set, for every feature of two sets on a device: candidates for a matching."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featuregeom.devices.tensors import TILE, DeviceRows, exact_products, tiles, unit

if TYPE_CHECKING:
    import torch

__all__ = ["nearest_on"]

_BITS = 62
"""Bits of a key: of a strength, and below it of a place."""

Table = tuple[NDArray[np.uint32], NDArray[np.float64]]
Listed = tuple[NDArray[np.int64], Table, Table]


def nearest_on(
    left: DeviceRows,
    right: DeviceRows,
    *,
    neighbours: int,
    tile: int = TILE,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[tuple[Listed, Listed], float]:
    """List the nearest others of all nonzero features of two sets, for `_core.match_listed`.

    Parameters
    ----------
    left, right : DeviceRows
        Two sets of the same dimensions on one device, each with a nonzero feature.
    neighbours : int
        Others of each feature, at most.
    tile : int
        Features of a tile.
    progress : callable, optional
        Called with tiles done and tiles in all.

    Returns
    -------
    tuple of two tuples
        Of each set: its nonzero features, the nearest others by cosine (their places among the nonzero ones of the
        other set, and cosines), and the same by absolute cosine.
    float
        Largest error of a cosine.

    Raises
    ------
    NonFiniteError
        At the first NaN or infinity.

    Notes
    -----
    2 n_a n_b m operations; on the device (n_a + n_b) (m + 4 k) numbers and some tiles, of 128 MiB each. Products are
    float32 unless a set is float64. As in the core, cosines are rounded to multiples of 2^-20 (2^-44 in float64, or
    coarser from 2^17 features on, where keys have fewer bits for them), and equally near ones are taken in cyclic
    order, from a feature's own place on. Products are summed in another order than by the core, so a cosine may be
    another by the error that is given. Ctrl-C stops between tiles.
    """
    import torch

    single = "float64" not in (left.dtype, right.dtype)
    wide = torch.float32 if single else torch.float64
    with exact_products(left.values.device):
        (active_a, a), (active_b, b) = (_directions(rows, wide) for rows in (left, right))
        places = max(len(a), len(b)).bit_length()
        digits = min(20 if single else 44, _BITS - 1 - places)
        sides = [
            [_lists(own, min(neighbours, len(other)), len(other), places) for _ in range(2)]
            for own, other in ((a, b), (b, a))
        ]
        todo = tiles(len(a), len(b), tile)
        for done, (here, there) in enumerate(todo):
            cosines = (a[here] @ b[there].T).double().mul_(2.0**digits).round_().to(torch.int64)
            for kind, strength in enumerate((cosines, cosines.abs())):
                sides[0][kind].offer(here, there, strength)
                sides[1][kind].offer(there, here, strength.T)
            if progress is not None:
                progress(done + 1, len(todo))
        one, two = (
            (active, first.table(digits), second.table(digits))
            for active, (first, second) in zip((active_a, active_b), sides, strict=True)
        )
    # As in the core: half a unit for each term of the sum, and for entries, which are rounded and divided by a norm.
    rounding = (left.m + 16) * float(torch.finfo(wide).eps) / 2 + 2.0 ** -(digits + 1)
    return (one, two), rounding


@dataclass
class _Lists:
    """The strongest others of each feature: keys of a strength and, below it, how late the other comes in its cycle."""

    keys: torch.Tensor
    others: int
    places: int

    def offer(self, here: slice, there: slice, strength: torch.Tensor) -> None:
        import torch

        last = (1 << self.places) - 1
        rows, columns = (
            torch.arange(each.start, each.stop, device=strength.device) for each in (here, there)
        )
        turned = (columns - rows[:, None]).remainder_(self.others)
        keys = (strength << self.places) + (last - turned)
        kept = self.keys.shape[1]
        best = torch.cat([self.keys[here], keys.topk(min(kept, keys.shape[1]), dim=1).values], dim=1)
        self.keys[here] = best.topk(kept, dim=1).values

    def table(self, digits: int) -> Table:
        """Give the others of each feature, nearest first, and their strengths."""
        import torch

        last = (1 << self.places) - 1
        rows = torch.arange(len(self.keys), device=self.keys.device)[:, None]
        others = (last - (self.keys & last) + rows) % self.others
        strengths = (self.keys >> self.places).double() * 2.0**-digits
        return others.cpu().numpy().astype(np.uint32), strengths.cpu().numpy()


def _lists(own: torch.Tensor, keep: int, others: int, places: int) -> _Lists:
    import torch

    nothing = torch.iinfo(torch.int64).min
    return _Lists(torch.full((len(own), keep), nothing, device=own.device), others, places)


def _directions(rows: DeviceRows, wide: torch.dtype) -> tuple[NDArray[np.int64], torch.Tensor]:
    """Nonzero features of a set, and their directions."""
    import torch

    found = torch.cat([unit(part).to(wide) for _, part in rows.parts(torch.float64)])
    there = (found != 0).any(dim=1)
    return there.nonzero()[:, 0].cpu().numpy(), found[there]
