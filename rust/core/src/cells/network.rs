//! The cells of a ReLU network whose layers are matrices: no callback, values go from vertex to vertex.

use super::{Cells, Cut};
use crate::error::{Error, Result};
use crate::matrix::dot;
use crate::run::Run;
use rayon::prelude::*;

/// Vertices whose values are computed between two checks for cancelling.
const BATCH: usize = 256;

/// Weights and biases of one hidden layer.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Columns of the weights.
    pub inputs: usize,
    /// One row per neuron.
    pub weights: Vec<f64>,
    /// One per neuron.
    pub biases: Vec<f64>,
}

/// Cut a rectangle by every layer in turn. The first one takes the two coordinates of the plane.
///
/// # Errors
/// [`Error::Shape`] when layers do not fit; [`Error::Parameter`] for bounds or too many cells;
/// [`Error::NonFinite`], [`Error::Interrupted`].
pub fn network(layers: &[Layer], bounds: [f64; 4], cut: &Cut, run: &Run) -> Result<Cells> {
    let mut cells = Cells::rectangle(bounds)?;
    let mut activations: Vec<f64> = cells.points.iter().flatten().copied().collect();
    let mut width = 2;
    run.control().expect(layers.len() as u64);
    for (index, layer) in layers.iter().enumerate() {
        let outputs = layer.biases.len();
        if layer.inputs != width || layer.weights.len() != outputs * width {
            return Err(Error::Shape(format!(
                "layer {index} takes {} inputs, but {width} come from the layer before",
                layer.inputs
            )));
        }
        let values = apply(layer, &activations, run)?;
        (cells, activations) = cells.split(&values, outputs, cut, run)?;
        for value in &mut activations {
            *value = value.max(0.0);
        }
        width = outputs;
        run.control().advance(1)?;
    }
    Ok(cells)
}

fn apply(layer: &Layer, activations: &[f64], run: &Run) -> Result<Vec<f64>> {
    let (inputs, outputs) = (layer.inputs, layer.biases.len());
    let mut values = vec![0.0; activations.len() / inputs * outputs];
    if outputs == 0 {
        return Ok(values);
    }
    run.pool().install(|| {
        values.par_chunks_mut(BATCH * outputs).zip(activations.par_chunks(BATCH * inputs)).try_for_each(
            |(values, activations)| {
                run.control().check()?;
                for (row, given) in values.chunks_mut(outputs).zip(activations.chunks(inputs)) {
                    let neurons = layer.weights.chunks(inputs).zip(&layer.biases);
                    for (value, (weights, bias)) in row.iter_mut().zip(neurons) {
                        *value = dot(weights, given) + bias;
                    }
                }
                Ok(())
            },
        )
    })?;
    Ok(values)
}
