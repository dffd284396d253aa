"""How many linear regions there can be: closed forms, exact in integers of any size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from featuregeom.errors import ParameterError

__all__ = [
    "cover",
    "hanin_rolnick_bound",
    "montufar_lower",
    "serra_upper",
    "zaslavsky",
    "zaslavsky_bounded",
]


def zaslavsky(n: int, d: int) -> int:
    r"""Give the regions of n hyperplanes in general position in d dimensions: :math:`\sum_{i \le d} \binom{n}{i}`.

    Raises
    ------
    ParameterError
        If `n` or `d` is below 0.

    References
    ----------
    Zaslavsky, Memoirs of the AMS 154 (1975).

    Examples
    --------
    >>> zaslavsky(20, 2), zaslavsky(64, 2)
    (211, 2081)
    """
    _natural(n=n, d=d)
    return sum(math.comb(n, i) for i in range(d + 1))


def zaslavsky_bounded(n: int, d: int) -> int:
    r"""Give the bounded ones among them: :math:`\binom{n - 1}{d}`; 1 for d = 0.

    Examples
    --------
    >>> zaslavsky_bounded(3, 2)
    1
    """
    _natural(n=n, d=d)
    return 1 if d == 0 else math.comb(max(n - 1, 0), d)


def cover(n: int, d: int) -> int:
    r"""Give the regions of n hyperplanes *through the origin* in general position.

    :math:`2 \sum_{i < d} \binom{n - 1}{i}`, which is also the number of linearly separable labellings of n points.

    References
    ----------
    Cover, IEEE Trans. Electronic Computers 14 (1965).

    Examples
    --------
    >>> cover(5, 2), cover(3, 3)
    (10, 8)
    """
    _natural(n=n, d=d)
    if n == 0 or d == 0:
        return 1
    return 2 * sum(math.comb(n - 1, i) for i in range(d))


def montufar_lower(widths: Sequence[int]) -> int:
    r"""Bound the largest number of regions from below.

    :math:`\prod_{l < L} \lfloor n_l / n_0 \rfloor^{n_0} \cdot \sum_{j \le n_0} \binom{n_L}{j}` for widths
    :math:`n_0` (inputs), :math:`n_1 \ldots n_L` (hidden layers), each at least :math:`n_0`.

    Raises
    ------
    ParameterError
        If there is no hidden layer, or one is narrower than the input.

    References
    ----------
    Montufar, Pascanu, Cho & Bengio, NeurIPS 2014, theorem 5.

    Examples
    --------
    >>> montufar_lower([2, 4, 4])
    44
    """
    inputs, hidden = _widths(widths)
    if min(hidden) < inputs:
        raise ParameterError(
            f"the bound needs hidden layers at least as wide as the input, got {list(widths)}"
        )
    factors: int = math.prod((n // inputs) ** inputs for n in hidden[:-1])
    return factors * zaslavsky(hidden[-1], inputs)


def serra_upper(widths: Sequence[int]) -> int:
    r"""Bound the number of regions from above.

    :math:`\sum_{j \in J} \prod_l \binom{n_l}{j_l}` over
    :math:`J = \{j : 0 \le j_l \le \min(n_0, n_1 - j_1, \ldots, n_{l-1} - j_{l-1}, n_l)\}`.

    Notes
    -----
    Costs O(L n_0^2) with big integers: the dimension left after each layer is all that later ones depend on.

    References
    ----------
    Serra, Tjandraatmadja & Ramalingam, ICML 2018, theorem 1.

    Examples
    --------
    >>> serra_upper([1, 3, 4]), serra_upper([2, 20])
    (20, 211)
    """
    inputs, hidden = _widths(widths)
    ways = {inputs: 1}
    for n in hidden:
        after: dict[int, int] = {}
        for dimension, count in ways.items():
            for j in range(min(dimension, n) + 1):
                left = min(dimension, n - j)
                after[left] = after.get(left, 0) + count * math.comb(n, j)
        ways = after
    return sum(ways.values())


def hanin_rolnick_bound(neurons: int, inputs: int, constant: float = 1.0) -> float:
    r"""Bound the mean density of regions at initialisation: :math:`(C N)^{n} / n!` for N neurons, n inputs.

    Parameters
    ----------
    neurons : int
        All hidden neurons, at least `inputs`.
    inputs : int
        Dimension of the input, at least 1.
    constant : float
        C, which depends on the weights' distribution only; the paper gives no number.

    References
    ----------
    Hanin & Rolnick, NeurIPS 2019, theorem 5 (without its factor for the cube's volume).

    Examples
    --------
    >>> round(hanin_rolnick_bound(10, 2), 9)
    50.0
    """
    _natural(neurons=neurons, inputs=inputs)
    if inputs < 1 or neurons < inputs or not 0 < constant < math.inf:
        raise ParameterError("the bound needs 1 <= inputs <= neurons and a positive constant")
    return math.exp(inputs * math.log(constant * neurons) - math.lgamma(inputs + 1))


def _natural(**numbers: int) -> None:
    for name, number in numbers.items():
        if number != int(number) or number < 0:
            raise ParameterError(f"{name} must be a whole number, at least 0, got {number!r}")


def _widths(widths: Sequence[int]) -> tuple[int, list[int]]:
    if len(widths) < 2 or any(n != int(n) or n < 1 for n in widths):
        raise ParameterError(
            f"widths are those of the input and of at least one hidden layer, all positive, got {list(widths)}"
        )
    return int(widths[0]), [int(n) for n in widths[1:]]
