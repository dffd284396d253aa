//! Fingerprints of rows that are the same on every machine: XXH3 of raw little-endian bytes, 128 bits.
//!
//! Among `n` distinct rows two share one with probability at most `n^2 / 2^129`: 1.5e-21 for a thousand million.

use std::borrow::Cow;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// XXH3-128 of the words of a row.
pub fn fingerprint(row: &[u64]) -> u128 {
    xxh3_128(&bytes(row))
}

/// Chained fingerprints of the prefixes that end at each of `boundaries`: the first is that of the first layer's
/// bits, and each next `f_l = xxh3_128(f_{l-1} || bits_l)`, so they are nested as the layers are.
pub fn prefixes(row: &[u64], boundaries: &[usize]) -> Vec<u128> {
    let mut start = 0;
    let mut last: Option<u128> = None;
    boundaries
        .iter()
        .map(|&stop| {
            let bits = slice_bits(row, start, stop);
            start = stop;
            let mut state = Xxh3::new();
            if let Some(last) = last {
                state.update(&last.to_le_bytes());
            }
            state.update(&bytes(&bits));
            let next = state.digest128();
            last = Some(next);
            next
        })
        .collect()
}

/// The bits from `start` to `stop` of a row, as a row of their own.
pub fn slice_bits(row: &[u64], start: usize, stop: usize) -> Vec<u64> {
    let (skip, shift) = (start / 64, start % 64);
    let count = stop - start;
    let mut out: Vec<u64> = (0..count.div_ceil(64))
        .map(|place| {
            let low = row[skip + place] >> shift;
            let high =
                if shift == 0 { 0 } else { row.get(skip + place + 1).map_or(0, |word| word << (64 - shift)) };
            low | high
        })
        .collect();
    if !count.is_multiple_of(64)
        && let Some(last) = out.last_mut()
    {
        *last &= (1 << (count % 64)) - 1;
    }
    out
}

fn bytes(row: &[u64]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        // SAFETY: words have no padding, and their bytes are in the order that is wanted.
        Cow::Borrowed(unsafe { std::slice::from_raw_parts(row.as_ptr().cast(), size_of_val(row)) })
    } else {
        Cow::Owned(row.iter().flat_map(|word| word.to_le_bytes()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_value_of_nothing() {
        // XXH3_128bits of an empty input with seed 0, from the reference implementation's sanity table.
        assert_eq!(fingerprint(&[]), 0x99aa_06d3_0147_98d8_6001_c324_468d_497f);
    }

    proptest! {
        #[test]
        fn slices_are_the_bits(row in proptest::collection::vec(any::<u64>(), 1..5), a in 0_usize..256, b in 0_usize..256) {
            let most = row.len() * 64;
            let (start, stop) = (a.min(b).min(most), a.max(b).min(most));
            let part = slice_bits(&row, start, stop);
            let bit = |words: &[u64], j: usize| words[j / 64] >> (j % 64) & 1;
            for j in 0..part.len() * 64 {
                let expected = if j < stop - start { bit(&row, start + j) } else { 0 };
                prop_assert_eq!(bit(&part, j), expected);
            }
        }

        #[test]
        fn equal_prefixes_are_what_equal_chains_mean(row in proptest::collection::vec(any::<u64>(), 3), flip in 0_usize..192) {
            let mut other = row.clone();
            other[flip / 64] ^= 1 << (flip % 64);
            let ends = [10, 70, 70, 192];
            let (a, b) = (prefixes(&row, &ends), prefixes(&other, &ends));
            for (layer, &end) in ends.iter().enumerate() {
                prop_assert_eq!(a[layer] == b[layer], flip >= end);
            }
            prop_assert_eq!(prefixes(&row, &[192]), vec![fingerprint(&row)]);
        }
    }
}
