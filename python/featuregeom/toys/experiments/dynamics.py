"""One toy over its training: when the energy levels and the Rayleigh quotients of features jump."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError
from featuregeom.summary import summarised
from featuregeom.toys.superposition import Progress, Toy, train

if TYPE_CHECKING:
    import pandas as pd

    from featuregeom.trajectory import Jumps, Trajectory

__all__ = ["Dynamics", "dynamics"]


@summarised
@dataclass(frozen=True, eq=False)
class Dynamics:
    """A toy and its trajectory.

    Attributes
    ----------
    toy : Toy
        The trained toy, one instance, with its checkpoints.
    trajectory : Trajectory
        Its spectra and measures at every checkpoint.
    jumps : Jumps
        Jumps of log kappa beyond 4 robust sigmas.
    level_jumps : Jumps
        Jumps of features' energy levels by more than a tenth; see `Trajectory.level_jumps`.
    """

    toy: Toy
    trajectory: Trajectory
    jumps: Jumps
    level_jumps: Jumps

    def to_frame(self) -> pd.DataFrame:
        """Give one row for each checkpoint and feature; `jump` and `level_jump` say where kappa and level jumped."""
        frame = self.trajectory.to_frame()
        n = self.trajectory.kappa.shape[1]
        for name, jumps in (("jump", self.jumps), ("level_jump", self.level_jumps)):
            jumped = np.zeros(len(frame), dtype=bool)
            jumped[jumps.checkpoint * n + jumps.feature] = True
            frame[name] = jumped
        return frame


def dynamics(
    n_features: int = 20,
    n_hidden: int = 5,
    *,
    sparsity: float = 0.9,
    steps: int = 4000,
    n_checkpoints: int = 80,
    batch_size: int = 1024,
    learning_rate: float = 2e-3,
    seed: int = 0,
    device: Any = None,
    progress: Progress | None = None,
) -> Dynamics:
    r"""Train one toy at a constant learning rate, with checkpoints at even distances, and measure them.

    A feature jumps where its :math:`\log \kappa_i`, with :math:`\kappa_i = w_i^\top F w_i / \lVert w_i \rVert^2`, or
    the level that holds two thirds of it moves far from its usual step; see `Trajectory.kappa_jumps` and
    `Trajectory.level_jumps`.

    Parameters
    ----------
    n_features, n_hidden : int
        Number of features and of dimensions, each at least 1.
    sparsity : float
        Probability that a feature is 0, in [0, 1).
    steps, batch_size, learning_rate, seed, device
        As in `superposition.train`.
    n_checkpoints : int
        Number of checkpoints after the first, from 1 to `steps`.
    progress : callable, optional
        Called as ``progress(done, total)`` in steps.

    Returns
    -------
    Dynamics

    Raises
    ------
    ParameterError
        If an argument is outside its range.
    MissingExtraError
        If torch is not installed.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition", on learning dynamics; arXiv:2602.02224.
    """
    steps = integer("steps", steps, 1)
    if not 1 <= integer("n_checkpoints", n_checkpoints, 1) <= steps:
        raise ParameterError(f"n_checkpoints must be at most the {steps} steps, got {n_checkpoints}")
    toy = train(
        n_features,
        n_hidden,
        sparsity=sparsity,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule="constant",
        seed=seed,
        device=device,
        checkpoints=np.linspace(0, steps, n_checkpoints + 1).astype(int).tolist(),
        progress=progress,
    )
    assert toy.checkpoints is not None  # they were asked for
    trajectory = toy.checkpoints.trajectory()
    return Dynamics(toy, trajectory, trajectory.kappa_jumps(), trajectory.level_jumps())
