"""The toys that `featuregeom demo` shows: how each is trained, and how the shipped file of them is made.

Which geometry minimises the loss of a toy depends on its sparsity S, and which minimum a run falls into on
its initial weights. Each recipe therefore fixes an S at which one geometry beats every other that was seen by
more than the 1 % that restarts of one geometry scatter by, and enough restarts to meet it. With equal
importance, and all features kept unless said otherwise, these are

==========  ====  ====================================================================================
n, m        S     geometry of least loss
==========  ====  ====================================================================================
5, 2        0.90  regular pentagon
3, 2        0.30  equilateral triangle, at positive bias; sparser toys (S >= 0.5) prefer an antipodal pair
                  and a third feature orthogonal to it
4, 3        0.40  regular tetrahedron, at positive bias; sparser toys (S > 0.5) prefer a pair and two
                  orthogonal features
8, 3        0.90  square antiprism, z^2 = 0.293: flatter than the tight one (1/3), so that its
                  eigenspaces have dimensions 2 and 1
12, 3       0.98  icosahedron
20, 5       0.85  demipenteract: 16 features with cosines 1/5 and -3/5 (the Clebsch graph's two classes),
                  4 features dropped
==========  ====  ====================================================================================

References
----------
Elhage et al. (2022), "Toy Models of Superposition", on geometry and sparsity.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from featuregeom.atomic import replacing
from featuregeom.errors import OutputError
from featuregeom.memory import loading
from featuregeom.networks.extra import missing
from featuregeom.toys.superposition import Progress, Toy, train

__all__ = [
    "BATCH_SIZE",
    "GALLERY",
    "LEARNING_RATE",
    "Recipe",
    "train_gallery",
    "training_settings",
    "write_gallery",
]
__dir__ = __all__.copy

BATCH_SIZE: Final = 1024
"""Inputs per step."""

LEARNING_RATE: Final = 1e-2
"""Learning rate of the first step; it falls exponentially, to a thousandth."""


@dataclass(frozen=True)
class Recipe:
    """How one toy of the gallery is trained.

    Attributes
    ----------
    n_features, n_hidden : int
        Its shape.
    sparsity : float
        Probability that a feature is 0.
    n_instances : int
        Restarts that are trained together; the one with the least held-out loss is kept.
    steps : int
        Steps of training.
    """

    n_features: int
    n_hidden: int
    sparsity: float
    n_instances: int
    steps: int

    @property
    def name(self) -> str:
        """Name of the toy's tensor."""
        return f"toy_n{self.n_features}_m{self.n_hidden}"

    def train(self, *, seed: int = 0, progress: Progress | None = None) -> Toy:
        """Train all restarts; the arguments are those of `featuregeom.toys.superposition.train`."""
        return train(
            self.n_features,
            self.n_hidden,
            sparsity=self.sparsity,
            n_instances=self.n_instances,
            steps=self.steps,
            batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            schedule="exponential",
            seed=seed,
            progress=progress,
        )


GALLERY: Final = (
    Recipe(5, 2, sparsity=0.90, n_instances=16, steps=8000),
    Recipe(3, 2, sparsity=0.30, n_instances=64, steps=4000),
    Recipe(4, 3, sparsity=0.40, n_instances=64, steps=6000),
    Recipe(8, 3, sparsity=0.90, n_instances=16, steps=10000),
    Recipe(12, 3, sparsity=0.98, n_instances=16, steps=12000),
    Recipe(20, 5, sparsity=0.85, n_instances=12, steps=8000),
)
"""The toys, in the order in which they are shown."""


def train_gallery(progress: Progress | None = None, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Train every toy of the gallery, in about a minute.

    Parameters
    ----------
    progress : callable, optional
        Called as ``progress(done, total)`` with steps of all toys together.
    seed : int
        Seed of every toy, at least 0.

    Returns
    -------
    dict of str to ndarray of float32, shape (n_features, n_hidden)
        Tensor name to the weights of the restart with the least held-out loss, one feature per row.

    Raises
    ------
    ParameterError
        If `seed` is negative.
    MissingExtraError
        If torch is not installed.
    """
    total = sum(recipe.steps for recipe in GALLERY)
    before = 0

    def report(done: int, _: int) -> None:
        if progress is not None:
            progress(before + done, total)

    tensors = {}
    for recipe in GALLERY:
        toy = recipe.train(seed=seed, progress=report)
        tensors[recipe.name] = toy.W[np.argmin(toy.loss)]
        before += recipe.steps
    return tensors


def training_settings() -> dict[str, Any]:
    """Return how the gallery is trained, in the terms that JSON knows: what the shipped file records."""
    return {
        "optimizer": "AdamW, no weight decay, exponential schedule",
        "learning_rate": LEARNING_RATE,
        "batch_size": BATCH_SIZE,
        "importance": 1,
        "toys": {recipe.name: asdict(recipe) for recipe in GALLERY},
    }


def write_gallery(
    path: str | Path, *, seed: int = 0, force: bool = False, progress: Progress | None = None
) -> None:
    """Train the gallery and write it as safetensors, with how it was made in the file's metadata.

    Parameters
    ----------
    path : path-like
        The file; it appears, or is replaced, only when it is complete. The same toys are not written again.
    seed, progress
        As in `train_gallery`.
    force : bool
        Replace a file that holds anything else.

    Raises
    ------
    ParameterError
        If `seed` is negative.
    MissingExtraError
        If torch or safetensors is not installed.
    OutputError
        If the file cannot be written, or holds anything else and `force` is not set.
    """
    try:
        with loading("torch"):
            import torch
            from safetensors.numpy import save
    except ImportError as error:
        raise missing("writing the toy models") from error
    tensors = train_gallery(progress, seed)
    made = {
        "by": "featuregeom.toys.gallery.write_gallery",
        "seed": seed,
        "torch": torch.__version__.partition("+")[0],
        "training": training_settings(),
    }
    content = save(tensors, metadata={"featuregeom": json.dumps(made)})
    path = Path(path)
    if path.exists():
        if path.is_dir():
            raise OutputError(f"{path} is a folder, and the toy models are a file: give the name of a file")
        if path.read_bytes() == content:
            return
        if not force:
            raise OutputError(
                f"{path} holds something other than these toys: choose another folder, or have it replaced with "
                "force=True (--force)"
            )
    with replacing(path) as temporary:
        temporary.write_bytes(content)
