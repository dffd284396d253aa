"""The demo: the main job on toy models of superposition that ship with the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from featuregeom.survey import Analysis, analyze
from featuregeom.survey.progress import Listener

__all__ = ["SHIPPED", "run"]

SHIPPED = Path(__file__).parent / "demo_models.safetensors"
"""Trained by ``featuregeom.toys.gallery``; its metadata says how."""


def run(
    out: Path,
    *,
    train: bool = False,
    seed: int = 0,
    training: Callable[[int, int], object] | None = None,
    progress: Listener | None = None,
) -> Analysis:
    """Analyse the toy models, as any other file.

    Parameters
    ----------
    out : Path
        Folder for the tables and the page.
    train : bool
        Train the toys anew (needs torch, about a minute on two cores) instead of taking the shipped ones. They
        are kept in `out` as ``toys.safetensors``.
    seed : int
        Seed of the training.
    training, progress : callable, optional
        Told of the progress of the training and of the analysis.

    Returns
    -------
    Analysis
    """
    source = SHIPPED
    if train:
        from featuregeom.atomic import create_folder
        from featuregeom.toys.gallery import write_gallery

        create_folder(out)
        source = out / "toys.safetensors"
        write_gallery(source, seed=seed, progress=training)
    return analyze(source, out=out, progress=progress)
