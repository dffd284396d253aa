//! Rows of labels read tile by tile, so that a tile stays in the cache.

use super::relations::Relations;
use std::ops::Range;

/// Columns of a tile.
pub(super) const COLUMNS: usize = 1024;

/// Hand `see` the tiles of some rows, from left to right: the columns, and their labels row by row.
pub(super) fn strips<R: Relations + ?Sized>(
    relations: &R,
    rows: Range<usize>,
    mut see: impl FnMut(Range<usize>, &[u16]),
) {
    let n = relations.n();
    let mut tile = vec![0_u16; rows.len() * COLUMNS.min(n)];
    for start in (0..n).step_by(COLUMNS) {
        let columns = start..n.min(start + COLUMNS);
        let tile = &mut tile[..rows.len() * columns.len()];
        relations.fill(rows.clone(), columns.clone(), tile);
        see(columns, tile);
    }
}
