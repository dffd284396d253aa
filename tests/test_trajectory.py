"""Trajectories: each number against the one-matrix functions, and planted jumps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import featuregeom as fg
from featuregeom.comparison import js_distance
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.jumps import outlying
from featuregeom.operators import measures_against
from featuregeom.trajectory import Trajectory
from oracles.known_answers import rotation


def walk(T: int, n: int, m: int, seed: int = 0, step: float = 0.01) -> list[np.ndarray]:
    """Random features that drift."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, m))
    moves = step * rng.standard_normal((T - 1, n, m))
    return [X, *(X + np.cumsum(moves, axis=0))]


@pytest.mark.parametrize(("n", "m"), [(12, 5), (4, 9)])
def test_every_number_is_that_of_one_matrix(n, m):
    checkpoints = walk(6, n, m)
    found = Trajectory(checkpoints)
    operator = checkpoints[-1].T @ checkpoints[-1]
    for t, X in enumerate(checkpoints):
        spectrum, measured = fg.spectra.spectrum(X), fg.spectra.measures(X)
        np.testing.assert_allclose(found.eigenvalues[t], spectrum.eigenvalues, rtol=1e-12)
        np.testing.assert_allclose(found.kappa[t], measured.kappa, rtol=1e-12)
        np.testing.assert_allclose(found.capacity[t], measured.capacity, rtol=1e-12)
        np.testing.assert_allclose(found.norms[t], np.linalg.norm(X, axis=1), rtol=1e-12)
        assert found.rank[t] == spectrum.rank
        values = np.array([space.value for space in spectrum.eigenspaces])
        np.testing.assert_array_equal(found.level[t], values[measured.eigenspace])
        assert found.saturation[t] == pytest.approx(measured.capacity.sum() / spectrum.rank, rel=1e-12)
        if t:
            masses = [measures_against(Y, operator).masses for Y in (checkpoints[t - 1], X)]
            np.testing.assert_allclose(found.js[t - 1], js_distance(*masses), atol=1e-6)
    assert found.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert len(found.matches) == 5
    assert all(match.overlap > 0.9 and not match.simple for match in found.matches[0])
    assert len(found.subspaces) == 5
    assert all(step.captured.min() > 0.9 for step in found.subspaces)


def test_standing_still_and_rotation():
    X = fg.shapes.random_frame(10, 4, seed=0)
    still = Trajectory([X, X, X], steps=[1, 10, 100])
    assert not still.js.any()
    assert all(match.angles.max() < 1e-14 for pairs in still.matches for match in pairs)
    checkpoints = walk(5, 10, 4)
    Q = rotation(4, np.random.default_rng(1))
    found, turned = Trajectory(checkpoints), Trajectory([Y @ Q for Y in checkpoints], num_threads=1)
    for name in ("eigenvalues", "kappa", "capacity", "norms", "saturation"):
        np.testing.assert_allclose(getattr(turned, name), getattr(found, name), rtol=1e-9)
    np.testing.assert_allclose(turned.js, found.js, atol=1e-7)


def test_a_plane_that_turns_has_its_angle_and_its_distance():
    """Three orthogonal axes of their own lengths; the first two turn by 45 degrees at the first step."""
    X, c = np.diag([3.0, 2.0, 1.0]), math.sqrt(0.5)
    turn = np.array([[c, c, 0], [-c, c, 0], [0, 0, 1]])
    found = Trajectory([X @ turn, X])
    assert found.matches[0] == ()  # single axes are no spaces
    (subspaces,) = found.subspaces
    assert subspaces.k.tolist() == [1]
    assert subspaces.largest_angle == pytest.approx([math.pi / 4])
    assert subspaces.overlap == pytest.approx([0.5])
    half = js_distance([0.5, 0.5], [1.0, 0.0])
    np.testing.assert_allclose(found.js, [[half, half, 0]], atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_planted_jumps_are_found_and_no_others(seed):
    """One feature a dimension, so kappa is its squared norm and its increments are what they are made to be."""
    rng = np.random.default_rng(seed)
    increments = rng.uniform(-0.01, 0.01, (80, 4)) + np.array([0, 0.02, -0.02, 0.01])
    # Uniform noise of half width a has a MAD of a / 2, so nothing but a jump is beyond 2 / 1.4826 sigmas.
    planted = {(10, 0): 0.5, (40, 0): -0.3, (40, 2): 0.2, (79, 3): -1.0}
    for at, size in planted.items():
        increments[at] += size
    log_kappa = np.vstack([np.zeros(4), np.cumsum(increments, axis=0)])
    found = Trajectory([np.diag(row) for row in np.exp(log_kappa / 2)], steps=np.arange(81) * 10)
    jumps = found.kappa_jumps()
    assert list(zip((jumps.checkpoint - 1).tolist(), jumps.feature.tolist(), strict=True)) == sorted(planted)
    np.testing.assert_array_equal(jumps.step, jumps.checkpoint * 10)
    np.testing.assert_allclose(jumps.increment, [increments[at] for at in sorted(planted)], rtol=1e-9)
    for at, sigmas in zip(sorted(planted), jumps.sigmas, strict=True):
        rest = [t for t in range(80) if (t, at[1]) not in planted]
        others = increments[rest, at[1]]
        distance = (increments[at] - others.mean()) / (others.std(ddof=1) * math.sqrt(1 + 1 / len(rest)))
        assert sigmas == pytest.approx(distance, rel=1e-6)


def test_planted_level_jumps_are_found_and_no_others():
    """One feature a dimension, each with a level of its own that drifts by its own rate, below a tenth a step."""
    rng = np.random.default_rng(0)
    increments = rng.uniform(-0.02, 0.02, (60, 3)) + np.array([0, 0.05, -0.05])
    planted = {(5, 1): math.log(1.2), (30, 0): -math.log(1.3), (30, 2): math.log(1.3)}
    for at, size in planted.items():
        increments[at] += size
    log_level = np.vstack([[0, 1, 9], np.cumsum(increments, axis=0) + np.array([0, 1, 9])])
    found = Trajectory([np.diag(row) for row in np.exp(log_level / 2)], steps=np.arange(61) * 10)
    jumps = found.level_jumps()
    assert list(zip((jumps.checkpoint - 1).tolist(), jumps.feature.tolist(), strict=True)) == sorted(planted)
    np.testing.assert_allclose(jumps.increment, [increments[at] for at in sorted(planted)], rtol=1e-9)
    np.testing.assert_array_equal(jumps.step, jumps.checkpoint * 10)
    assert len(found.level_jumps(1.35)) == 0


def test_a_feature_that_changes_eigenspaces_jumps_levels_as_it_passes_half():
    """It turns evenly from the eigenspace of 4 to that of 1, so kappa jumps nowhere; the others do not move."""
    angles = np.linspace(0, math.pi / 2, 12)
    checkpoints = [[[2, 0], [0, 1], [1e-4 * math.cos(a), 1e-4 * math.sin(a)]] for a in angles]
    found = Trajectory(checkpoints)
    jumps = found.level_jumps()
    assert (jumps.checkpoint.tolist(), jumps.feature.tolist()) == ([6], [2])
    assert jumps.increment[0] == pytest.approx(-math.log(4), abs=1e-6)
    np.testing.assert_allclose(found.level[:, 2], [4] * 6 + [1] * 6, rtol=1e-6)


@pytest.mark.parametrize(
    ("levels", "found"),
    [
        ([1, 1, 2], []),
        ([1, 2, 2], []),
        ([1, 1, 1, 2], [3]),
        ([1, 1, 1, 2, 4], [3, 4]),
        ([1, 2, 4, 4, 8, 16], []),
        ([0, 1, 1, 2], []),
        ([0, 1, 1, 1, 2], [4]),
    ],
)
def test_a_level_that_rests_does_not_jump(levels, found):
    """Also where the median is the mean of a rest and a rise; and two increments tell no jump from drift."""
    # The feature turns, so that its level rests only up to rounding.
    checkpoints = [
        [[math.sqrt(level) * math.cos(t), math.sqrt(level) * math.sin(t)]] for t, level in enumerate(levels)
    ]
    assert Trajectory(checkpoints).level_jumps().checkpoint.tolist() == found


def test_a_feature_that_moves_once_jumps():
    sizes = [1.0, 1.0, 1.0, 1.5, 1.5, 1.5]
    jumps = Trajectory([[[size, 0.0], [0.0, 1.0]] for size in sizes]).kappa_jumps()
    assert (jumps.checkpoint.tolist(), jumps.feature.tolist()) == ([3], [0])
    assert jumps.increment[0] == pytest.approx(2 * math.log(1.5))


def test_zero_features_and_zero_matrices():
    """A feature that is born is no jump, for it had no kappa before; one that is always zero is none either."""
    X, born = np.diag([1.0, 0.0, 0.0]), np.diag([1.0, 1.0, 0.0])
    found = Trajectory([np.zeros((3, 3)), X, X, born, born])
    np.testing.assert_array_equal(np.isnan(found.kappa), found.norms == 0)
    assert math.isnan(found.saturation[0])
    np.testing.assert_allclose(found.saturation[1:], 1)
    np.testing.assert_array_equal(found.js[:, 0], [np.nan, 0, 0, 0])
    assert np.isnan(found.js[:, 2]).all()
    assert len(found.kappa_jumps()) == 0
    np.testing.assert_array_equal(np.isnan(found.level), found.norms == 0)
    assert len(found.level_jumps()) == 0
    assert found.matches[0] == ()
    gone = Trajectory([X, np.zeros((3, 3))])
    assert np.isnan(gone.js).all()


def test_null_space_of_the_last_operator():
    """A feature that leaves the dimension which the last checkpoint has lost."""
    found = Trajectory([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]])
    np.testing.assert_allclose(found.js, [[0, 1]], atol=1e-7)


def test_checkpoints_are_read_one_at_a_time():
    asked = []

    class Stored:
        def __len__(self) -> int:
            return 4

        def __getitem__(self, t: int) -> np.ndarray:
            asked.append(t)
            return np.eye(3) * (t + 1)

    found = Trajectory(Stored())
    assert asked == [3, 0, 1, 2]
    np.testing.assert_allclose(found.eigenvalues[:, 0], [1, 4, 9, 16])
    np.testing.assert_allclose(Trajectory(np.stack([np.eye(2), np.eye(2)])).norms, 1)


def test_the_table():
    found = Trajectory(walk(3, 4, 2), steps=[0, 5, 7])
    table = found.to_frame()
    assert list(table.columns) == [
        "checkpoint", "step", "feature", "norm", "kappa", "capacity", "level", "js",
    ]  # fmt: skip
    assert len(table) == 12
    row = table[(table.step == 7) & (table.feature == 1)].iloc[0]
    assert (row.kappa, row.js, row.checkpoint) == (found.kappa[2, 1], found.js[1, 1], 2)
    assert table.js[:4].isna().all()


def test_it_is_frozen():
    with pytest.raises(AttributeError):
        Trajectory([np.eye(2)] * 2).kappa = None


@pytest.mark.parametrize(
    ("checkpoints", "steps", "error", "message"),
    [
        ([], None, ParameterError, "at least two checkpoints, got 0"),
        ([np.eye(2)], None, ParameterError, "got 1"),
        (iter([np.eye(2)] * 2), None, ParameterError, "must be a sequence, got list_iterator"),
        ([np.eye(2), np.eye(3)], None, ShapeError, r"checkpoint 0 has shape \(2, 2\), the last one \(3, 3\)"),
        ([np.eye(2)] * 2, [0], ShapeError, "one number for each of 2"),
        ([np.eye(2)] * 2, [1, 1], ParameterError, "increase"),
        ([np.eye(2)] * 2, [0, math.nan], ParameterError, "finite"),
        ([np.eye(2)] * 2, ["a", "b"], ParameterError, "steps must be numbers"),
        ([np.ones(2), np.eye(2)], None, ShapeError, "checkpoint 0 has shape"),
        ([np.eye(2), np.eye(2) * 1j], None, DtypeError, "checkpoint 1 is complex"),
        ([np.full((2, 2), np.nan), np.eye(2)], None, NonFiniteError, "checkpoint 0: .*row 0"),
        ([np.eye(2), np.full((2, 2), np.inf)], None, NonFiniteError, "checkpoint 1: .*row 0"),
    ],
)
def test_bad_input(checkpoints, steps, error, message):
    with pytest.raises(error, match=message):
        Trajectory(checkpoints, steps)


@pytest.mark.parametrize("level", [0, -1, 1, math.nan, "x"])
def test_bad_level(level):
    with pytest.raises(ParameterError, match="level of jumps"):
        Trajectory([np.eye(2)] * 2).kappa_jumps(level)


@pytest.mark.parametrize("factor", [1, 0.5, math.nan, "x"])
def test_bad_factor(factor):
    with pytest.raises(ParameterError, match="factor of jumps"):
        Trajectory([np.eye(2)] * 2).level_jumps(factor)


def noise_trajectory(kind: str, T: int, n: int, rng: np.random.Generator) -> Trajectory:
    """One feature a dimension, so log kappa is what it is made to be: a random walk, or the same value with noise."""
    scale = np.exp(rng.standard_normal(n)) if "uneven" in kind else np.ones(n)
    log_kappa = 0.01 * scale * rng.standard_normal((T, n))
    if "walk" in kind:
        log_kappa = np.cumsum(log_kappa, axis=0)
    return Trajectory([np.diag(row) for row in np.exp(log_kappa / 2)])


def false_alarms(kind: str, T: int, n: int, runs: int, level: float) -> int:
    rng = np.random.default_rng(T * n)
    return sum(len(noise_trajectory(kind, T, n, rng).kappa_jumps(level)) > 0 for _ in range(runs))


NOISE = [
    (kind, T, n)
    for kind in ("walk", "values", "uneven walk", "uneven values")
    for T, n in ((4, 24), (6, 5), (12, 24))
]


@pytest.mark.parametrize(("kind", "T", "n"), NOISE)
def test_noise_alone_jumps_at_the_stated_rate(kind, T, n):
    """A robust deviation from each feature's own median flagged 23 % of the features at T = 4."""
    assert false_alarms(kind, T, n, 40, 0.05) <= stats.binom.isf(1e-4, 40, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "T", "n"), NOISE)
def test_noise_alone_jumps_at_the_stated_rate_at_full_count(kind, T, n):
    assert false_alarms(kind, T, n, 400, 0.05) <= stats.binom.isf(1e-4, 400, 0.06)


def unlike_noise(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Increments of noise that is not normal with one scale: (K, n)."""
    K, n = shape
    if kind == "three degrees of freedom":
        return rng.standard_t(3, shape)
    if kind == "double exponential":
        return rng.laplace(size=shape)
    noise = rng.standard_normal(shape)
    if kind == "a tenth is ten times noisier":
        return noise * np.where(rng.random(n) < 0.1, 10, 1)
    if kind == "one is ten times noisier":
        return noise * np.where(np.arange(n) == 0, 10, 1)
    if kind == "a tenth is three times noisier":
        return noise * np.where(rng.random(n) < 0.1, 3, 1)
    return (
        noise * np.geomspace(1, 0.1, K)[:, None]
        if kind == "shrinks"
        else noise / np.arange(1, K + 1)[:, None]
    )


UNLIKE = {
    "a tenth is ten times noisier": 0.01, "a tenth is three times noisier": 0.01, "one is ten times noisier": 0.02,
    "shrinks": 0.015, "shrinks by its age": 0.015, "double exponential": 0.01, "three degrees of freedom": 0.035,
}  # fmt: skip
"""Rate at the level .01 in 150 to 300 runs of each shape below, the largest."""

SHAPES = [(3, 24), (5, 24), (5, 200), (11, 24)]


def unlike_alarms(kind: str, shape: tuple[int, int], runs: int) -> int:
    rng = np.random.default_rng(shape[0] * shape[1])
    return sum(bool(outlying(0.01 * unlike_noise(kind, shape, rng), 0.01)[0].any()) for _ in range(runs))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", UNLIKE)
def test_noise_of_other_kinds_jumps_at_its_rate(kind, shape):
    """Moderated variances alone flagged 6 to 60 % of such runs."""
    assert unlike_alarms(kind, shape, 60) <= stats.binom.isf(1e-4, 60, UNLIKE[kind])


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", UNLIKE)
def test_noise_of_other_kinds_jumps_at_its_rate_at_full_count(kind, shape):
    assert unlike_alarms(kind, shape, 600) <= stats.binom.isf(1e-4, 600, UNLIKE[kind])


@pytest.mark.parametrize(
    ("T", "n", "size", "least"), [(6, 24, 0.3, 16), (6, 200, 0.2, 17), (12, 24, 0.3, 17), (80, 4, 0.2, 15)]
)
def test_planted_jumps_are_found_in_noise(T, n, size, least):
    rng, found = np.random.default_rng(T), 0
    for _ in range(20):
        increments = 0.01 * rng.standard_normal((T - 1, n))
        increments[T // 2 - 1, 0] += size
        found += bool(outlying(increments, 0.01)[0][T // 2 - 1, 0])
    assert found >= least


def test_many_features_that_jump_at_one_step_all_jump():
    rng = np.random.default_rng(0)
    increments = 0.01 * rng.standard_normal((20, 30))
    increments[7, :9] += 0.3
    found, _ = outlying(increments, 0.01)
    assert np.argwhere(found).tolist() == [[7, i] for i in range(9)]


@pytest.mark.parametrize("step", [0.001, 0.01, 0.02])
@pytest.mark.parametrize(("n", "m"), [(100, 8), (60, 30), (20, 40)])
def test_drift_changes_no_level(n, m, step):
    """Features that are spread over levels have none to leave, whichever has most of them: 162 of 2400 were flagged."""
    found = Trajectory(walk(25, n, m, seed=n, step=step))
    assert len(found.level_jumps()) == 0


def test_features_that_are_drifting_at_their_levels_jump_where_they_are_made_to():
    rng = np.random.default_rng(4)
    axes = np.diag([3.0, 2.0, 1.0, 0.6])
    where = np.repeat(np.arange(4), 5)
    checkpoints = []
    for t in range(12):
        at = where.copy()
        if t >= 7:
            at[2], at[11] = 2, 3
        checkpoints.append(axes[at] + 0.01 * rng.standard_normal((20, 4)))
    jumps = Trajectory(checkpoints).level_jumps(1.3)
    assert list(zip(jumps.checkpoint.tolist(), jumps.feature.tolist(), strict=True)) == [(7, 2), (7, 11)]
