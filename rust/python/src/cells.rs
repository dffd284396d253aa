//! `featuregeom_core::cells`.

use crate::enter::{Threads, enter, raise};
use featuregeom_core::cells::{self, Cut, Layer};
use featuregeom_core::run::fits;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

/// Convex polygons that tile a rectangle.
#[pyclass(frozen, module = "featuregeom._core")]
pub struct Cells(cells::Cells);

/// Two columns of numbers as an array.
fn pairs<'py, T: numpy::Element>(py: Python<'py>, rows: Vec<[T; 2]>) -> PyResult<Bound<'py, PyArray2<T>>> {
    let count = rows.len();
    rows.into_iter().flatten().collect::<Vec<T>>().into_pyarray(py).reshape([count, 2])
}

#[pymethods]
impl Cells {
    /// One rectangle (left, right, bottom, top).
    #[staticmethod]
    fn rectangle(py: Python<'_>, bounds: [f64; 4]) -> PyResult<Self> {
        Ok(Self(enter(py, Threads::ONE, None, |_| cells::Cells::rectangle(bounds))?))
    }

    /// The cells cut by a layer, given its values (vertices, neurons).
    #[pyo3(signature = (values, *, tolerance, max_regions, num_threads = None))]
    fn split(
        &self,
        py: Python<'_>,
        values: PyReadonlyArray2<'_, f64>,
        tolerance: f64,
        max_regions: usize,
        num_threads: Option<Threads>,
    ) -> PyResult<Self> {
        let width = values.as_array().ncols();
        fits(&[[values.as_array().len(), 1, 8]]).map_err(raise)?;
        let values: Vec<f64> = values.as_array().iter().copied().collect();
        let cut = Cut { tolerance, most: max_regions };
        Ok(Self(enter(py, num_threads, None, |run| Ok(self.0.split(&values, width, &cut, run)?.0))?))
    }

    /// Vertices (v, 2).
    fn points<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        fits(&[[self.0.points.len(), 2, 32]]).map_err(raise)?;
        pairs(py, self.0.points.clone())
    }

    /// Vertices of all polygons, and where each begins.
    #[expect(clippy::type_complexity, reason = "two arrays")]
    fn polygons<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>)> {
        fits(&[[self.0.corners.len() + self.0.starts.len(), 1, 8]]).map_err(raise)?;
        let corners = PyArray1::from_iter(py, self.0.corners.iter().map(|&id| i64::from(id)));
        Ok((corners, PyArray1::from_iter(py, self.0.starts.iter().map(|&start| start as i64))))
    }

    /// Codes (cells, words).
    fn codes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<u64>>> {
        fits(&[[self.0.codes.len(), 1, 8]]).map_err(raise)?;
        self.0.codes.clone().into_pyarray(py).reshape([self.0.len(), self.0.words()])
    }

    /// Areas.
    fn areas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(enter(py, Threads::ONE, None, |_| Ok(self.0.areas()))?.into_pyarray(py))
    }

    /// Edges as pairs of vertices (e, 2).
    fn edges<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i64>>> {
        // Each side of a polygon, sorted, and the edges as they are given back.
        fits(&[[self.0.corners.len(), 72, 1]]).map_err(raise)?;
        let edges = enter(py, Threads::ONE, None, |_| Ok(self.0.edges()))?;
        pairs(py, edges.into_iter().map(|(a, b)| [i64::from(a), i64::from(b)]).collect())
    }

    /// Pairs of cells that share an edge, and the vertices of that edge.
    #[expect(clippy::type_complexity, reason = "two arrays")]
    fn borders<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<i64>>)> {
        fits(&[[self.0.corners.len(), 128, 1]]).map_err(raise)?;
        let borders = enter(py, Threads::ONE, None, |_| Ok(self.0.borders()))?;
        let neighbours = borders.iter().map(|border| border.cells.map(|cell| cell as i64)).collect();
        let ends = borders.iter().map(|border| border.ends.map(i64::from)).collect();
        Ok((pairs(py, neighbours)?, pairs(py, ends)?))
    }

    /// Bits of a code.
    #[getter]
    fn bits(&self) -> usize {
        self.0.bits
    }

    /// Coincidences met.
    #[getter]
    fn degenerate(&self) -> u64 {
        self.0.degenerate
    }
}

/// The cells of a ReLU network of matrices; the first layer takes the two coordinates of the plane.
#[pyfunction]
#[pyo3(signature = (layers, bounds, *, tolerance, max_regions, num_threads = None, progress = None))]
pub fn network_cells(
    py: Python<'_>,
    layers: Vec<(PyReadonlyArray2<'_, f64>, PyReadonlyArray1<'_, f64>)>,
    bounds: [f64; 4],
    tolerance: f64,
    max_regions: usize,
    num_threads: Option<Threads>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Cells> {
    let layers: Vec<Layer> = layers
        .iter()
        .map(|(weights, biases)| Layer {
            inputs: weights.as_array().ncols(),
            weights: weights.as_array().iter().copied().collect(),
            biases: biases.as_array().iter().copied().collect(),
        })
        .collect();
    let cut = Cut { tolerance, most: max_regions };
    let found = enter(py, num_threads, progress.as_ref(), |run| cells::network(&layers, bounds, &cut, run))?;
    Ok(Cells(found))
}
