"""Arithmetic modulo a prime: what Paley, Gauss and Wootters-Fields constructions need."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError

__all__ = ["is_prime", "prime", "primitive_root", "quadratic_character"]

_LARGEST = 1_000_000
"""Largest prime that is accepted: trial division up to its root, and tables of p numbers, take milliseconds."""


def is_prime(value: int) -> bool:
    """Whether `value` is prime, by trial division."""
    return value > 1 and all(value % divisor for divisor in range(2, math.isqrt(value) + 1))


def prime(name: str, value: Any, low: int, residue: int = 0, modulus: int = 1) -> int:
    """Give `value` as an int, or raise ParameterError unless it is a prime >= `low`, = `residue` mod `modulus`."""
    p = integer(name, value, low, _LARGEST)
    if not is_prime(p) or p % modulus != residue:
        of_form = f" that is {residue} modulo {modulus}" if modulus > 1 else ""
        raise ParameterError(f"{name} must be a prime of at least {low}{of_form}, got {p}")
    return p


def quadratic_character(p: int) -> NDArray[np.int64]:
    """Legendre symbols of 0, ..., p - 1 for an odd prime p: 0, then 1 for squares and -1 for the others."""
    character = np.full(p, -1, dtype=np.int64)
    character[np.arange(1, p, dtype=np.int64) ** 2 % p] = 1
    character[0] = 0
    return character


def primitive_root(p: int) -> int:
    """Least generator of the multiplicative group modulo a prime p."""
    divisors = [d for d in range(2, p) if (p - 1) % d == 0 and is_prime(d)]
    return next(g for g in range(1, p) if all(pow(g, (p - 1) // d, p) != 1 for d in divisors))
