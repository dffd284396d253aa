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
    force: bool = False,
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
    force : bool
        Replace toys of another training and an analysis of them or of something else, see :func:`featuregeom.analyze`.
    training, progress : callable, optional
        Told of the progress of the training and of the analysis.

    Returns
    -------
    Analysis

    Raises
    ------
    OutputError
        If `out` cannot be written, or holds other toys or another analysis that only `force` replaces.
    """
    source = SHIPPED
    if train:
        from featuregeom.folders import locked
        from featuregeom.toys.gallery import write_gallery

        source = out / "toys.safetensors"
        with locked(out):
            write_gallery(source, seed=seed, force=force, progress=training)
    return analyze(source, out=out, force=force, progress=progress)
