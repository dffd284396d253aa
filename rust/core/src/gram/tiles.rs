//! Products of all pairs of features, a tile at a time; whoever asked for them reads each tile once.
//!
//! ```text
//!            J ->
//!        +---+---+---+---+
//!     I  | \ |   |   |   |   Of one set of features only tiles with J >= I are multiplied, of two sets all. A tile
//!     |  +---+---+---+---+   serves both its rows and its columns, and it is overwritten by the next one. Nothing
//!     v      | \ |   |   |   of size n x n exists.
//!            +---+---+---+
//!                | \ |   |
//! ```

use super::histogram::Cosine;
use super::unit::UnitFeatures;
use crate::error::Result;
use crate::matrix::FeatureMatrix;
use crate::run::Run;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;

/// Features per block: a tile of cosines and the two tiles of features it comes from fit the caches. A multiple
/// of 96, the rows of the widest micro-kernel, leaves no products to the slower ones.
pub(super) const BLOCK: usize = 480;

/// Features, and beside each of them a row of weights where a second product is wanted.
pub(super) struct Side<'a> {
    pub unit: UnitFeatures<'a>,
    pub weights: Option<FeatureMatrix<'a>>,
}

impl Side<'_> {
    /// Number of blocks of nonzero features.
    pub fn blocks(&self) -> usize {
        self.unit.len().div_ceil(BLOCK)
    }

    /// Positions of one block among the nonzero features.
    pub fn block(&self, b: usize) -> Range<usize> {
        b * BLOCK..self.unit.len().min((b + 1) * BLOCK)
    }

    /// Numbers in a row of weights.
    fn width(&self) -> usize {
        self.weights.map_or(0, |weights| weights.m())
    }

    /// Read one unit feature and its weights, given by position, in `f64`.
    pub fn row(&self, position: usize, feature: &mut Vec<f64>, weights: &mut Vec<f64>) {
        self.unit.row(position, feature);
        if let Some(matrix) = &self.weights {
            weights.resize(matrix.m(), 0.0);
            self.unit.read_beside(matrix, position..position + 1, weights);
        }
    }

    fn read<T: Cosine>(&self, rows: Range<usize>, features: &mut [T], weights: &mut [T]) {
        self.unit.read(rows.clone(), features);
        if let Some(matrix) = &self.weights {
            self.unit.read_beside(matrix, rows, weights);
        }
    }
}

/// The products of a block of rows with a block of columns, row by row.
pub(super) struct Tile<'a, T> {
    pub cosines: &'a [T],
    /// Products of the weights, empty where there are none.
    pub weights: &'a [T],
    pub b: usize,
    pub rows: Range<usize>,
    pub c: usize,
    pub columns: Range<usize>,
    /// Whether rows and columns are the same features, so that each pair is met twice.
    pub diagonal: bool,
}

/// What is made of the tiles.
pub(super) trait Reader<T>: Sync {
    /// What one block of rows collects on its own.
    type Tally: Send;
    fn tally(&self) -> Self::Tally;
    fn merged(a: Self::Tally, b: &Self::Tally) -> Self::Tally;
    /// Compiled once more for each set of vector instructions, of which wheels assume the least: to be inlined.
    fn read(&self, tile: &Tile<'_, T>, tally: &mut Self::Tally);
}

/// Multiply all pairs of `left` with `right`, or of `left` with itself, and hand the tiles to `reader`.
pub(super) fn multiply<T: Cosine, R: Reader<T>>(
    left: &Side<'_>,
    right: Option<&Side<'_>>,
    reader: &R,
    run: &Run,
) -> Result<R::Tally> {
    let (m, width, own) = (left.unit.m(), left.width(), right.is_none());
    let right = right.unwrap_or(left);
    let (rows_in, columns_in) = (left.blocks(), right.blocks());
    let tiles = if own { rows_in * (rows_in + 1) / 2 } else { rows_in * columns_in };
    run.control().expect(tiles as u64);
    let arch = Arch::new();
    run.pool().install(|| {
        (0..rows_in)
            .into_par_iter()
            .with_max_len(1)
            .map(|b| {
                let rows = left.block(b);
                let (mut row_tile, mut column_tile) =
                    (vec![T::default(); rows.len() * m], vec![T::default(); BLOCK * m]);
                let (mut row_weights, mut column_weights) =
                    (vec![T::default(); rows.len() * width], vec![T::default(); BLOCK * width]);
                let mut cosines = vec![T::default(); rows.len() * BLOCK];
                let mut weights = vec![T::default(); if width > 0 { rows.len() * BLOCK } else { 0 }];
                let mut tally = reader.tally();
                left.read(rows.clone(), &mut row_tile, &mut row_weights);
                for c in if own { b } else { 0 }..columns_in {
                    let columns = right.block(c);
                    let count = rows.len() * columns.len();
                    right.read(columns.clone(), &mut column_tile, &mut column_weights);
                    product(&mut cosines[..count], &row_tile, &column_tile, m, [rows.len(), columns.len()]);
                    if width > 0 {
                        let into = &mut weights[..count];
                        product(into, &row_weights, &column_weights, width, [rows.len(), columns.len()]);
                    }
                    let tile = Tile {
                        cosines: &cosines[..count],
                        weights: &weights[..if width > 0 { count } else { 0 }],
                        b,
                        rows: rows.clone(),
                        c,
                        columns,
                        diagonal: own && b == c,
                    };
                    arch.dispatch(|| reader.read(&tile, &mut tally));
                    run.control().advance(1)?;
                }
                Ok(tally)
            })
            .try_reduce(|| reader.tally(), |a, b| Ok(R::merged(a, &b)))
    })
}

/// Inner products of rows of `width` numbers: row i of `tile` holds those of left row i with every right row.
fn product<T: Cosine>(tile: &mut [T], left: &[T], right: &[T], width: usize, [rows, columns]: [usize; 2]) {
    matmul(
        MatMut::from_column_major_slice_mut(tile, columns, rows),
        Accum::Replace,
        MatRef::from_row_major_slice(&right[..columns * width], columns, width),
        MatRef::from_column_major_slice(&left[..rows * width], width, rows),
        T::narrow(1.0),
        Par::Seq,
    );
}
