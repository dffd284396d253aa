"""Segments against rational arithmetic: what is exactly zero on a piece is off, whatever rounding makes of it."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from featuregeom.plateaus import count_linear_regions
from featuregeom.regions import along


def rational(layers, start, stop):
    """Codes of the pieces and crossings by layer, in exact arithmetic."""
    start, stop = ([Fraction(x) for x in point] for point in (start, stop))

    def stages(t):
        h = [(1 - t) * a + t * b for a, b in zip(start, stop, strict=True)]
        found = []
        for W, b in layers[:-1]:
            z = [
                sum((Fraction(w) * x for w, x in zip(row, h, strict=True)), Fraction(c))
                for row, c in zip(W, b, strict=True)
            ]
            found.append(z)
            h = [max(x, Fraction(0)) for x in z]
        return found

    breaks = [Fraction(0), Fraction(1)]
    for stage in range(len(layers) - 1):
        new = set(breaks)
        for s, t in itertools.pairwise(breaks):
            for low, high in zip(stages(s)[stage], stages(t)[stage], strict=True):
                if low * high < 0:
                    new.add(s + low / (low - high) * (t - s))
        breaks = sorted(new)
    middles = [stages((s + t) / 2) for s, t in itertools.pairwise(breaks)]
    codes = [[z > 0 for layer in stage for z in layer] for stage in middles]
    crossings = [
        sum(
            (a > 0) != (b > 0)
            for one, other in itertools.pairwise(middles)
            for a, b in zip(one[k], other[k], strict=True)
        )
        for k in range(len(layers) - 1)
    ]
    return breaks, codes, crossings


def unpacked(found):
    octets = found.codes.astype("<u8").view(np.uint8).reshape(found.n_pieces, -1)
    return np.unpackbits(octets, axis=1, count=found.n_bits, bitorder="little").astype(bool)


def module(layers):
    parts = []
    for W, b in layers:
        W, b = (torch.tensor(np.asarray(part, dtype=np.float64)) for part in (W, b))
        linear = nn.Linear(W.shape[1], W.shape[0]).double()
        linear.weight.data, linear.bias.data = W, b
        parts += [linear, nn.ReLU()]
    return nn.Sequential(*parts[:-1]).eval()


FORMS = pytest.mark.parametrize("form", [list, module])


@FORMS
@pytest.mark.parametrize("widths", [(1, 4, 3, 1), (2, 5, 4, 1), (3, 4, 4, 3, 2)])
def test_integer_networks_against_rational_arithmetic(form, widths):
    rng = np.random.default_rng(sum(widths))
    for _ in range(25):
        layers = [
            (rng.integers(-2, 3, (b, a)).tolist(), rng.integers(-1, 2, b).tolist())
            for a, b in itertools.pairwise(widths)
        ]
        start, stop = rng.integers(-3, 4, (2, widths[0])).tolist()
        if start == stop:
            continue
        breaks, codes, crossings = rational(layers, start, stop)
        found = along(form(layers), start, stop)
        np.testing.assert_allclose(found.breakpoints, [float(t) for t in breaks], atol=1e-13)
        np.testing.assert_array_equal(unpacked(found), codes)
        assert found.crossings.tolist() == crossings


@FORMS
@pytest.mark.parametrize("stop", [0.3, 0.4, 0.7, 0.9, 1.1])
def test_a_neuron_that_is_zero_on_a_piece_is_off(form, stop):
    """-x below zero, and 2x + 3x - 5x above it."""
    layers = [([[2.0], [3], [5], [-1]], [0.0] * 4), ([[1.0, 1, -1, 1]], [0.0]), ([[1.0]], [0.0])]
    found = along(form(layers), [-1.0], [stop])
    assert unpacked(found)[:, 4].tolist() == [True, False]
    assert found.crossings.tolist() == [4, 1]


@FORMS
def test_a_neuron_that_is_rounding_everywhere_makes_no_pieces(form):
    """2x + 3x - 5x, on pieces that twenty other neurons end."""
    k = np.arange(1, 21) / 7
    W = np.zeros((1, 23))
    W[0, :3] = [1, 1, -1]
    layers = [(np.r_[[2, 3, 5], np.ones(20)][:, None], np.r_[0, 0, 0, -k]), (W, [0.0]), ([[1.0]], [0.0])]
    found = along(form(layers), [0.1], [3.0])
    assert (found.n_pieces, found.crossings.tolist(), found.n_degenerate) == (21, [20, 0], 0)
    counted = count_linear_regions(form(layers), [[0.1]], [[3.0]])
    assert (counted.pieces.tolist(), counted.crossings.tolist(), counted.exact) == ([21], [20], True)


def test_sizes_of_sums_are_those_of_the_product_before_a_bend():
    """With two bends each value has one, in place too; what is not a product's has none."""
    from featuregeom.networks.piecewise import network

    linear = nn.Linear(3, 4).double()
    x = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0]])
    W, b = linear.weight.detach().numpy(), linear.bias.detach().numpy()
    expected = np.abs(x) @ np.abs(W).T + np.abs(b)
    for end, times in ((nn.ReLU(inplace=True), 1), (nn.Hardtanh(), 2)):
        values, sizes = network(nn.Sequential(linear, end).eval()).stage(x, 0)
        np.testing.assert_allclose(sizes, np.tile(expected, times), rtol=1e-12)
        assert values.shape == sizes.shape
    _, sizes = network(nn.Sequential(linear, nn.BatchNorm1d(4), nn.ReLU()).eval()).stage(x, 0)
    assert not sizes.any()
    values, sizes = network([(W, b), (np.ones((1, 4)), [0.0])]).stage(x, 0)
    np.testing.assert_allclose(sizes, expected, rtol=1e-12)
    np.testing.assert_allclose(values, x @ W.T + b, rtol=1e-12)
