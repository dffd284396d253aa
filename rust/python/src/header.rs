//! `featuregeom_core::header`.

use crate::enter::raise;
use featuregeom_core::header::entries;
use pyo3::prelude::*;

/// Name, element type, shape, first byte, byte after the last.
type Tensor = (String, String, Vec<usize>, usize, usize);

/// List the tensors of a safetensors file of ``file_size`` bytes from its first bytes, in file order.
///
/// Gives tuples of name, element type, shape, first byte and byte after the last. Raises SourceError.
#[pyfunction]
pub fn safetensors_header(header: &[u8], file_size: u64) -> PyResult<Vec<Tensor>> {
    let entries = entries(header, file_size).map_err(raise)?;
    Ok(entries
        .into_iter()
        .map(|entry| (entry.name, format!("{:?}", entry.dtype), entry.shape, entry.start, entry.stop))
        .collect())
}
