//! How much of the squared norm of features lies along each eigenvector, and sums over it.

use crate::products::{Kernel, Packed, Part};
use faer::MatRef;

/// Partial sums that a sum over eigenvalues is made of: two vectors of the widest, so that none waits for the one before.
const LANES: usize = 16;

/// The columns of a matrix, packed to be multiplied with rows.
pub(super) fn packed_columns(vectors: MatRef<'_, f64>) -> Packed<f64> {
    let (m, mut packed) = (vectors.nrows(), Packed::default());
    packed.fill(vectors.ncols(), m, |columns, rows| {
        for (k, row) in columns.zip(rows.chunks_exact_mut(m)) {
            row.iter_mut().enumerate().for_each(|(i, entry)| *entry = vectors[(i, k)]);
        }
    });
    packed
}

/// `|<v_k, w>|^2` for each eigenvector of the packed basis, `stride` numbers for each feature of the tile.
pub(super) fn energies_of(
    tile: &[f64],
    m: usize,
    packed: &mut Packed<f64>,
    basis: &Packed<f64>,
    kernel: Kernel<f64>,
    energies: &mut [f64],
    stride: usize,
) {
    if stride > 0 {
        packed
            .fill(tile.len() / m, m, |rows, into| into.copy_from_slice(&tile[rows.start * m..rows.end * m]));
        packed.multiply(basis, kernel, Part::All, energies, stride);
        energies.iter_mut().for_each(|energy| *energy *= *energy);
    }
}

/// Sum of a term for each place of some equally long rows, in [`LANES`] partial sums.
#[inline(always)]
pub(super) fn total<const ROWS: usize>(of: [&[f64]; ROWS], term: impl Fn([f64; ROWS]) -> f64) -> f64 {
    let rows = of.map(|row| row.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for chunk in 0..rows[0].0.len() {
        let chunks = rows.map(|(chunks, _)| &chunks[chunk]);
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += term(chunks.map(|chunk| chunk[lane]));
        }
    }
    for (lane, sum) in sums.iter_mut().enumerate().take(rows[0].1.len()) {
        *sum += term(rows.map(|(_, rest)| rest[lane]));
    }
    sums.iter().sum()
}
