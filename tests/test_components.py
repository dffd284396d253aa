"""Connected components, against SciPy's."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from featuregeom.recognise.names.parametric import component_sizes
from featuregeom.relations.components import components


@pytest.mark.parametrize("n", [0, 1, 2, 7, 40])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.1, 0.5])
def test_components(n, density):
    rng = np.random.default_rng(n)
    joined = np.triu(rng.random((n, n)) < density, 1)
    joined = joined | joined.T
    count, labels = connected_components(joined) if n else (0, np.zeros(0, dtype=int))
    found = components(joined)
    assert [part.tolist() for part in found] == [np.flatnonzero(labels == k).tolist() for k in range(count)]
    assert sum(size * times for size, times in component_sizes(joined).items()) == n
    assert component_sizes(joined).total() == count
