//! The cells of a ReLU network whose layers are matrices: no callback, values go from vertex to vertex.

use super::{Cells, Cut};
use crate::error::{Error, Result};
use crate::matrix::dot;
use crate::run::{Run, fits};
use rayon::prelude::*;

/// Vertices whose values are computed between two checks for cancelling.
const BATCH: usize = 256;

/// Limit on the rounding of a sum, as a share of the sum of the absolute values of its terms; the same as in `networks/rounding.py`.
const SUMMED: f64 = 16.0 * f64::EPSILON;

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
        let mut values = apply(layer, &activations, run)?;
        settle(layer, &activations, &mut values);
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
    fits(&[[activations.len() / inputs, outputs, 8]])?;
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

/// Make zero, at all vertices, the neurons that rounding cannot tell from zero at any vertex.
///
/// Where a neuron is rounding at some vertices only, the tolerance, a part of its largest value, takes care of it.
fn settle(layer: &Layer, activations: &[f64], values: &mut [f64]) {
    let outputs = layer.biases.len();
    let inputs = largest(activations, layer.inputs);
    let neurons = layer.weights.chunks(layer.inputs).zip(&layer.biases);
    for (neuron, ((weights, bias), value)) in neurons.zip(largest(values, outputs)).enumerate() {
        let size: f64 = weights.iter().zip(&inputs).map(|(w, x)| w.abs() * x).sum::<f64>() + bias.abs();
        if value < SUMMED * size {
            values.iter_mut().skip(neuron).step_by(outputs).for_each(|value| *value = 0.0);
        }
    }
}

/// The largest absolute value in each of `width` columns; infinite where one is not finite.
fn largest(values: &[f64], width: usize) -> Vec<f64> {
    let mut found = vec![0.0_f64; width];
    for row in values.chunks(width.max(1)) {
        for (most, value) in found.iter_mut().zip(row) {
            *most = if value.is_finite() { most.max(value.abs()) } else { f64::INFINITY };
        }
    }
    found
}
