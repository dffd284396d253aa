"""Pairs of features on a device, each beside its spread under the measure null: what `_core.null_sweep` gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featuregeom.devices.tensors import TILE, DeviceRows, exact_products, tiles, unit

if TYPE_CHECKING:
    import torch

__all__ = ["null_sweep_on"]

STEPS, MOST = 8, 256
"""Steps for each unit of z^2 and the largest z^2 with a step of its own, as in the core."""

_FLOOR = {"float32": 1e-10, "float64": 1e-26}
"""Variance of a cosine below which the cosine is rounding, as in the core."""

_AGAIN = 1 << 24
"""Numbers of neighbours that are gathered at a time, to be computed in float64: 128 MiB."""

Found = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]


def null_sweep_on(
    rows: DeviceRows,
    shares: torch.Tensor,
    other: DeviceRows | None = None,
    other_shares: torch.Tensor | None = None,
    *,
    by_score: int,
    by_cosine: int,
    least: float,
    tile: int = TILE,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.uint64], int, str, list[Found]]:
    """Sweep all pairs of a set, or of two sets, against the measure null, as `_core.null_sweep` does.

    Parameters
    ----------
    rows : DeviceRows
        The features.
    shares : tensor, shape (n, n_eigenspaces)
        Their spectral measures over the roots of dimensions, on the same device.
    other, other_shares : optional
        Those of another set, whose pairs with the first are looked at instead.
    by_score, by_cosine, least
        As in the core: neighbours of either sign by z, of at least z^2 = `least`, and by cosine.
    tile : int
        Features of a tile.
    progress : callable, optional
        Called with tiles done and tiles in all.

    Returns
    -------
    ndarray of uint64
        Pairs in each step of signed z^2.
    int
        Steps for each unit.
    str
        Arithmetic of the products: float64 for float64 input, else float32.
    list of tuple
        Of each set: neighbours, cosines, z and bins of each feature, as the core gives them. Cosines and z of those
        that are kept are computed again in float64.

    Raises
    ------
    NonFiniteError
        At the first NaN or infinity of the features.

    Notes
    -----
    2 n^2 (m + n_eigenspaces) operations for the half of all tiles of one set, 2 n_a n_b (m + n_eigenspaces) for two.
    On the device (n_a + n_b) (m + n_eigenspaces) numbers, the lists, and some tiles, 64 MiB each in float32. Products
    are summed in another order than by the core: pairs within rounding of a step may count in the next one, and of
    neighbours that are as near up to rounding either may be kept. Ctrl-C stops between tiles.
    """
    import torch

    pairs = (
        [(rows, shares)] if other is None or other_shares is None else [(rows, shares), (other, other_shares)]
    )
    wide = torch.float64 if any(x.dtype == "float64" for x, _ in pairs) else torch.float32
    name = str(wide).removeprefix("torch.")
    with exact_products(rows.values.device):
        sides = [_side(x, mass, by_score, by_cosine, least, wide) for x, mass in pairs]
        first, last = sides[0], sides[-1]
        histogram = torch.zeros(2 * STEPS * MOST, dtype=torch.int64, device=first.unit.device)
        todo = tiles(rows.n, None if len(sides) == 1 else pairs[1][0].n, tile)
        for done, (left, right) in enumerate(todo):
            cosines, signed, pair = _tile(first, last, left, right, _FLOOR[name])
            histogram += _counted(signed, pair)
            first.offer(left, right, cosines, signed)
            if first is not last or left != right:
                last.offer(right, left, cosines.T, signed.T)
            if progress is not None:
                progress(done + 1, len(todo))
        found = [side.found(others) for side, others in zip(sides, reversed(sides), strict=True)]
    return histogram.cpu().numpy().astype(np.uint64), STEPS, name, found


@dataclass
class _List:
    """The strongest others of each feature, kept while tiles go by; strength 0 where there is none."""

    strength: torch.Tensor
    index: torch.Tensor
    least: float

    def offer(self, here: slice, there: slice, strength: torch.Tensor) -> None:
        import torch

        keep = self.index.shape[1]
        new = strength.topk(min(keep, strength.shape[1]), dim=1)
        values = torch.cat([self.strength[here], new.values], dim=1)
        index = torch.cat([self.index[here], new.indices + there.start], dim=1)
        best = values.topk(keep, dim=1)
        self.strength[here] = best.values
        self.index[here] = index.gather(1, best.indices)


@dataclass
class _Side:
    """A set of features, and its lists: by z and by -z, by cosine and by -cosine."""

    rows: DeviceRows
    shares: torch.Tensor
    unit: torch.Tensor
    masses: torch.Tensor
    lists: list[_List]

    def offer(self, here: slice, there: slice, cosines: torch.Tensor, signed: torch.Tensor) -> None:
        for place, each in enumerate(self.lists):
            if each.index.shape[1]:
                strength = signed if place < 2 else cosines
                each.offer(here, there, -strength if place % 2 else strength)

    def found(self, others: _Side) -> Found:
        """Give the lists in the core's order, with cosines and z in float64."""
        import torch

        tables = []
        for place, each in enumerate(self.lists):
            none = ~((each.strength > 0) & (each.strength >= each.least))
            step = _step(-each.strength if place % 2 else each.strength)
            bins = step.masked_fill_(none, -1) if place < 2 else torch.full_like(step, -1)
            strength = each.strength.masked_fill(none, 0)
            index = each.index.masked_fill(none, -1)
            table = [values.cpu().numpy() for values in (strength, index, bins)]
            order = np.lexsort((table[1], -table[0]), axis=1)
            tables.append([np.take_along_axis(values, order, axis=1) for values in table[1:]])
        neighbours, held = (np.concatenate(each, axis=1) for each in zip(*tables, strict=True))
        cosines, scores = self._again(others, neighbours)
        return neighbours, cosines, scores, held

    def _again(
        self, others: _Side, neighbours: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute cosines and z of what was kept in float64."""
        import torch

        n, width = neighbours.shape
        cosines, scores = np.full((2, n, width), np.nan)
        step = max(1, _AGAIN // (max(self.rows.m, self.shares.shape[1]) * max(width, 1)))
        for start in range(0, n if width else 0, step):
            here = slice(start, start + step)
            part = torch.from_numpy(neighbours[here]).to(self.unit.device)
            place = part.clamp(min=0)
            near = unit(others.rows.values[place.flatten()].double()).view(*place.shape, -1)
            exact = torch.einsum("ia,ija->ij", unit(self.rows.values[here].double()), near).clamp(-1, 1)
            spread = torch.einsum("ik,ijk->ij", self.shares[here].double(), others.shares[place].double())
            exact[part < 0] = torch.nan
            cosines[here] = exact.cpu().numpy()
            scores[here] = (exact / spread.clamp(min=_FLOOR[_name(self.unit)]).sqrt()).cpu().numpy()
        return cosines, scores


def _name(values: torch.Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")


def _side(
    rows: DeviceRows, shares: torch.Tensor, by_score: int, by_cosine: int, least: float, wide: torch.dtype
) -> _Side:
    import torch

    directions = torch.cat([unit(part).to(wide) for _, part in rows.parts(torch.float64)])
    lists = [
        _List(
            torch.zeros(rows.n, keep, dtype=wide, device=directions.device),
            torch.full((rows.n, keep), -1, device=directions.device),
            limit,
        )
        for keep, limit in ((by_score, least), (by_score, least), (by_cosine, 0.0), (by_cosine, 0.0))
    ]
    return _Side(rows, shares, directions, shares.to(wide), lists)


def _tile(
    one: _Side, other: _Side, left: slice, right: slice, floor: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cosines and signed z^2 of a tile, 0 where there is no pair, and which pairs count here."""
    import torch

    a, b = one.unit[left], other.unit[right]
    cosines = a @ b.T
    variances = (one.masses[left] @ other.masses[right].T).clamp_(min=floor)
    pair = (a != 0).any(dim=1)[:, None] & (b != 0).any(dim=1)
    if one is other and left == right:
        # Each pair is met twice, and a product need not be symmetric in its last digit.
        for each in (cosines, variances):
            each.copy_(torch.triu(each) + torch.triu(each, 1).T)
        cosines.fill_diagonal_(0)
        pair = torch.triu(pair, 1)
    return cosines, cosines * cosines.abs() / variances, pair


def _counted(signed: torch.Tensor, pair: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.bincount(_step(signed[pair]), minlength=2 * STEPS * MOST)


def _step(signed: torch.Tensor) -> torch.Tensor:
    """Bin of the histogram, in the arithmetic of the products."""
    import torch

    return ((signed / MOST + 1) * (STEPS * MOST)).clamp_(0, 2 * STEPS * MOST - 1).to(torch.int64)
