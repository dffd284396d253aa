"""How likely it is that a random feature has a large mass in one eigenspace, far beyond what draws can tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom.spectra import Spectrum

__all__ = ["mass_tail"]

_NODES, _PASSES = 16, 3
"""Masses at which the chance is computed in a pass; each pass is finer where the chance is not yet beyond `_RARE`. In
between it is interpolated, to 1.5 % (spectra of 64 to 768 eigenvalues, flat to geometric)."""

_RARE = -50.0
"""Logarithm of a chance below which its digits do not matter."""

_HALVINGS = 40
"""Of the interval of the logit of a share, from -40 to 40, in which the saddle point lies: to 1e-10."""

_EDGE = 40.0

_FINE = 24
"""Steps of the table of sums for each factor e of their argument: they are then interpolated to 1e-8."""

_CLOSEST = 1e-9
"""By this much the largest mass that is told from 1 is below it."""

_NEAR = 0.1
"""Below this root of twice the exponent the formula divides by nearly 0; such masses are no rare ones."""

_LEAST = 1e-300
"""Chances below this are this."""

Floats = NDArray[np.float64]


def mass_tail(spectrum: Spectrum, masses: Floats) -> Floats:
    r"""Give the chance that a feature of the spectrum null has at least each of some masses in some eigenspace.

    Its mass in the eigenspace k is at least x where :math:`\sum_l c_l g_l^2 \ge 0`, with :math:`c_l = (1 - x)
    \lambda_l` in the eigenspace, :math:`-x \lambda_l` outside and independent normal numbers :math:`g_l`. The chance of
    that is Lugannani and Rice's approximation at the saddle point; those of all eigenspaces are added up, which counts
    twice only where two of them have the mass x at once.

    Parameters
    ----------
    spectrum : Spectrum
        The eigenvalues and eigenspaces.
    masses : ndarray of float64, shape (n,)
        Masses from 0 to 1.

    Returns
    -------
    ndarray of float64, shape (n,)
        Never increasing with the mass; at most 1.

    Notes
    -----
    Too large rather than too small. For equal eigenvalues, where the mass has a beta distribution, at chances of .01
    and .000001: by 5 and 8 % for 768 of them, 8 and 18 % for three, a fifth for two. Beside that, by what two
    eigenspaces of nearly equal mass have in common. Costs about 1000 numbers for each eigenspace and 2400 logarithms
    for each eigenvalue.

    References
    ----------
    Lugannani & Rice, Adv. Appl. Probab. 12 (1980).
    """
    from scipy.interpolate import PchipInterpolator

    if not len(masses):
        return np.empty(0)
    values = spectrum.retained / spectrum.retained[0]
    dims = np.diff(spectrum.starts)
    level = values[spectrum.starts[:-1]]  # the largest of an eigenspace stands for all
    at = _logit(np.clip(masses, _CLOSEST, 1 - _CLOSEST))
    low, high = float(at.min()), float(at.max())
    nodes, chance = np.empty(0), np.empty(0)
    for _ in range(_PASSES):
        more = np.setdiff1d(np.linspace(low, high, _NODES), nodes)
        if not len(more):
            break
        each = _of_each(1 / (1 + np.exp(-more)), values, level, dims).sum(axis=1)
        nodes, chance = np.append(nodes, more), np.append(chance, np.log(np.clip(each, _LEAST, 1.0)))
        order = np.argsort(nodes)
        nodes, chance = nodes[order], np.minimum.accumulate(chance[order])
        high = float(nodes[min(int(np.searchsorted(-chance, -_RARE)), len(nodes) - 1)])
    if len(nodes) == 1:
        return np.full(len(masses), float(np.exp(chance[0])))
    return np.asarray(np.exp(PchipInterpolator(nodes, chance)(at)))


def _logit(x: Floats) -> Floats:
    return np.asarray(np.log(x) - np.log1p(-x))


def _of_each(masses: Floats, values: Floats, level: Floats, dims: NDArray[np.int64]) -> Floats:
    """Chance of each mass in each eigenspace; 1 where the mass is below its mean or close to it."""
    from scipy.special import erfcx

    x = masses[:, None]
    inside = (1 - x) * level  # what t is multiplied by, up to 2 t inside = 1
    table = _Sums(values, float((x / (2 * inside)).max()))
    low = np.full((len(masses), len(level)), -_EDGE)
    high = -low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        rising = _exponent(middle, x, inside, level, dims, table)[1] >= 0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    exponent, _, curvature = _exponent((low + high) / 2, x, inside, level, dims, table)
    w, u = np.sqrt(np.maximum(-2 * exponent, _LEAST)), np.sqrt(curvature)
    chance = np.exp(exponent) * (erfcx(w / np.sqrt(2)) / 2 + (1 / u - 1 / w) / np.sqrt(2 * np.pi))
    return np.where((x > dims * level / values.sum()) & (w > _NEAR), chance, 1.0)


def _exponent(
    z: Floats, x: Floats, inside: Floats, level: Floats, dims: NDArray[np.int64], table: _Sums
) -> tuple[Floats, Floats, Floats]:
    """Cumulant function of the form at t = share / (2 inside), z the logit of the share; t and t^2 times its slopes."""
    share, rest = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
    t = share / (2 * inside)
    logarithms, ratios, squares = table(x * t)
    # The sums are those of all eigenvalues: the own ones are taken away.
    own = 2 * x * t * level
    ratio = own / (1 + own)
    exponent = dims / 2 * (np.log1p(own) - np.log(rest)) - logarithms
    slope = dims / 2 * (share / rest + ratio) - ratios
    curvature = dims / 2 * ((share / rest) ** 2 - ratio**2) + squares
    return exponent, slope, curvature


class _Sums:
    """Half the sums of log(1 + 2 s v), r = 2 s v / (1 + 2 s v) and r^2 over the eigenvalues v, as tables in log s."""

    def __init__(self, values: Floats, most: float) -> None:
        self.low, high = float(np.log(most)) - 100.0, float(np.log(most)) + 1.0
        logs = np.linspace(self.low, high, int((high - self.low) * _FINE))
        self.step = float(logs[1] - logs[0])
        self.sums = np.zeros((3, len(logs)))
        s = 2 * np.exp(logs)[:, None]
        for part in np.array_split(values, len(values) * len(logs) // (1 << 20) + 1):
            product = s * part
            ratio = product / (1 + product)
            for total, each in zip(self.sums, (np.log1p(product), ratio, ratio**2), strict=True):
                total += each.sum(axis=1) / 2

    def __call__(self, s: Floats) -> tuple[Floats, Floats, Floats]:
        place = np.clip((np.log(s) - self.low) / self.step, 0, self.sums.shape[1] - 1.5)
        index = place.astype(np.int64)
        f = place - index
        logarithms, ratios, squares = self.sums
        # The slope of the first in log s is the second; that of the second is it less the third.
        first = _hermite(logarithms, ratios * self.step, index, f)
        second = _hermite(ratios, (ratios - squares) * self.step, index, f)
        return first, second, squares[index] * (1 - f) + squares[index + 1] * f


def _hermite(values: Floats, slopes: Floats, index: NDArray[np.int64], f: Floats) -> Floats:
    """Interpolate between an entry and the next, by both and their slopes."""
    left = values[index] * (1 + 2 * f) * (1 - f) ** 2 + slopes[index] * f * (1 - f) ** 2
    right = values[index + 1] * f**2 * (3 - 2 * f) + slopes[index + 1] * f**2 * (f - 1)
    return np.asarray(left + right)
