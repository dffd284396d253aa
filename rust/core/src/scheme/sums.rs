//! The kernel of all passes: sums over the pairs of a row, one a class.

use super::relations::{MOST_CLASSES, Relations};
use super::strips::strips;
use std::ops::Range;

/// Rows whose sums are kept side by side: one alone would wait for each of its additions to be stored.
const LANES: usize = 4;

/// The sum of `v_y` over the y with `C(x, y) = k`, for some rows x and all k, modulo 2^64.
pub(super) fn class_sums<R: Relations + ?Sized>(
    relations: &R,
    rows: Range<usize>,
    v: &[u64],
    sums: &mut [u64],
) {
    let rank = relations.rank();
    sums.fill(0);
    let mut lanes = [[0_u64; MOST_CLASSES]; LANES];
    strips(relations, rows, |columns, tile| {
        let width = columns.len();
        let v = &v[columns];
        for (sums, labels) in sums.chunks_mut(LANES * rank).zip(tile.chunks(LANES * width)) {
            lanes.iter_mut().for_each(|lane| lane[..rank].fill(0));
            if let [a, b, c, d] = labels.chunks_exact(width).collect::<Vec<_>>()[..] {
                let [la, lb, lc, ld] = &mut lanes;
                for ((((&v, &a), &b), &c), &d) in v.iter().zip(a).zip(b).zip(c).zip(d) {
                    add(la, a, v);
                    add(lb, b, v);
                    add(lc, c, v);
                    add(ld, d, v);
                }
            } else {
                for (lane, labels) in lanes.iter_mut().zip(labels.chunks_exact(width)) {
                    v.iter().zip(labels).for_each(|(&v, &label)| add(lane, label, v));
                }
            }
            for (sums, lane) in sums.chunks_exact_mut(rank).zip(&lanes) {
                sums.iter_mut().zip(lane).for_each(|(sum, &more)| *sum = sum.wrapping_add(more));
            }
        }
    });
}

fn add(lane: &mut [u64; MOST_CLASSES], label: u16, v: u64) {
    // The mask changes nothing, and spares the check of the index.
    let slot = &mut lane[usize::from(label) % MOST_CLASSES];
    *slot = slot.wrapping_add(v);
}
