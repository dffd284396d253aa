"""How often the features of a sparse dictionary were active, from the file that lies beside its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from featuregeom.dictionaries import read_density
from featuregeom.errors import FeatureGeometryError
from featuregeom.sources import Reader, TensorInfo
from featuregeom.sources.sidecar import SPARSITY_FILE
from featuregeom.survey.labelling import Naming

__all__ = ["add_densities"]

Skipped = Sequence[tuple[TensorInfo, str]]


def add_densities(
    reader: Reader, chosen: Sequence[TensorInfo], named: Mapping[str, Naming], skipped: Skipped
) -> tuple[dict[str, Naming], list[tuple[TensorInfo, str]]]:
    """Give the matrices of a dictionary the densities of their features, where a file counts them.

    Parameters
    ----------
    reader : Reader
        The source.
    chosen : sequence of TensorInfo
        The matrices.
    named : mapping of str to Naming
        What their features are called.
    skipped : sequence of (TensorInfo, str)
        What is not measured, with the reason.

    Returns
    -------
    named : dict of str to Naming
        The same, with densities.
    skipped : list of (TensorInfo, str)
        The same; the file of densities says what became of it. One that cannot be read, or lists another number of
        features than the dictionary has, is passed over, for densities are never needed.
    """
    named = dict(named)
    folders = list(dict.fromkeys(file.parent for file in reader.files))
    ours = [info for info in chosen if info.of_dictionary and not info.stack]
    if not ours or len(folders) != 1 or not (folders[0] / SPARSITY_FILE).is_file():
        return named, list(skipped)
    try:
        density = read_density(folders[0])
    except FeatureGeometryError as error:
        reason = f"it gives no densities: {error}"
    else:
        fitting = [info.name for info in ours if info.n == len(density)]
        named |= {name: replace(named[name], density=density) for name in fitting}
        reason = "it gives the column density"
        if not fitting:
            reason = (
                f"it lists {len(density)} densities, and no matrix of the dictionary has as many features"
            )
    return named, [(info, reason if info.name == SPARSITY_FILE else why) for info, why in skipped]
