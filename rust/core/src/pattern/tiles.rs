//! Hamming distances of a few queries to a block of rows: what every search is made of.
//!
//! With AVX2 the rows lie transposed, byte by byte, so that one vector holds the same byte of 32 rows. The
//! distance of a half-byte to that of a query is one of five numbers, and the processor looks up 32 of them at a
//! time; halves are cut out once for four queries. With AVX-512 that counts bits (VPOPCNTDQ) they lie transposed word
//! by word, and one instruction counts eight rows. Elsewhere words are compared with `count_ones`.

use super::rows::CodeRows;
use crate::products::Level;

/// Rows of a block.
pub(super) const BLOCK: usize = 64;

/// Queries that share the halves of a block.
pub(super) const GROUP: usize = 4;

/// Distances of a group of queries to a block of rows.
pub(super) type Distances = [[u32; BLOCK]; GROUP];

/// Bounds of the distances of a query to the rows of a block: none is below the first or above the last.
pub(super) type Span = [u32; 2];

/// Limit on the bits of a code in the vector kernel, whose sums have 16 bits.
const MOST_BITS: usize = u16::MAX as usize;

/// Rows to be searched, laid out for the kernel.
pub(super) struct Searched<'a> {
    rows: CodeRows<'a>,
    laid: Laid,
}

/// A copy of the rows in the order in which a kernel reads them.
enum Laid {
    /// None: the rows as they are, for the portable kernel.
    Rows,
    /// Bytes of blocks: block, byte, row; and how many bytes of a row hold bits.
    #[cfg(target_arch = "x86_64")]
    Bytes(Vec<u8>, usize),
    /// Words of blocks: block, word, row.
    #[cfg(target_arch = "x86_64")]
    Words(Vec<u64>),
}

impl<'a> Searched<'a> {
    pub(super) fn new(rows: CodeRows<'a>) -> Self {
        // Where the variable names no level, the kernels of products say so; distances are the same at each.
        Self::with(rows, Level::current().unwrap_or(Level::Scalar))
    }

    #[cfg(target_arch = "x86_64")]
    fn with(rows: CodeRows<'a>, level: Level) -> Self {
        let depth = rows.n_bits().div_ceil(8);
        let laid = if level == Level::Avx512 && avx512::exists() && depth > 0 {
            Laid::Words(transposed(&rows, rows.width(), |row, place| row[place]))
        } else if matches!(level, Level::Avx512 | Level::Avx2)
            && is_x86_feature_detected!("avx2")
            && rows.n_bits() <= MOST_BITS
            && depth > 0
        {
            Laid::Bytes(transposed(&rows, depth, |row, place| row[place / 8].to_le_bytes()[place % 8]), depth)
        } else {
            Laid::Rows
        };
        Self { rows, laid }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn with(rows: CodeRows<'a>, _: Level) -> Self {
        Self { rows, laid: Laid::Rows }
    }

    pub(super) fn rows(&self) -> &CodeRows<'a> {
        &self.rows
    }

    pub(super) fn blocks(&self) -> usize {
        self.rows.n().div_ceil(BLOCK)
    }

    /// Rows of a block: all are full but the last.
    pub(super) fn len_of(&self, block: usize) -> usize {
        BLOCK.min(self.rows.n() - block * BLOCK)
    }

    /// Distances of up to four queries to the rows of a block, and for each query bounds of those to the rows there
    /// are.
    pub(super) fn distances(&self, queries: &[&[u64]], block: usize, out: &mut Distances) -> [Span; GROUP] {
        #[cfg(target_arch = "x86_64")]
        let of = |index: usize| queries[index.min(queries.len() - 1)];
        match &self.laid {
            #[cfg(target_arch = "x86_64")]
            Laid::Bytes(bytes, depth) => {
                let size = BLOCK * depth;
                let bytes = &bytes[block * size..(block + 1) * size];
                // SAFETY: bytes are laid only where there is AVX2, and every query has the words of a row.
                unsafe { avx2::distances([of(0), of(1), of(2), of(3)], bytes, out) }
            }
            #[cfg(target_arch = "x86_64")]
            Laid::Words(words) => {
                let size = BLOCK * self.rows.width();
                let words = &words[block * size..(block + 1) * size];
                // SAFETY: words are laid only where there is AVX-512 with VPOPCNTDQ.
                unsafe { avx512::distances([of(0), of(1), of(2), of(3)], words, out) }
            }
            Laid::Rows => self.plain(queries, block, out),
        }
    }

    fn plain(&self, queries: &[&[u64]], block: usize, out: &mut Distances) -> [Span; GROUP] {
        let mut spans = [[u32::MAX, 0]; GROUP];
        for lane in 0..self.len_of(block) {
            let row = self.rows.row(block * BLOCK + lane);
            for (query, (out, span)) in queries.iter().zip(out.iter_mut().zip(&mut spans)) {
                out[lane] = distance(query, row);
                *span = [span[0].min(out[lane]), span[1].max(out[lane])];
            }
        }
        spans
    }
}

/// Rows in blocks, each block item by item: `depth` items of each row.
#[cfg(target_arch = "x86_64")]
fn transposed<T: Copy + Default>(
    rows: &CodeRows<'_>,
    depth: usize,
    item: impl Fn(&[u64], usize) -> T,
) -> Vec<T> {
    let mut laid = vec![T::default(); rows.n().div_ceil(BLOCK) * BLOCK * depth];
    for (block, out) in laid.chunks_exact_mut(BLOCK * depth).enumerate() {
        for lane in 0..BLOCK.min(rows.n() - block * BLOCK) {
            let row = rows.row(block * BLOCK + lane);
            for place in 0..depth {
                out[place * BLOCK + lane] = item(row, place);
            }
        }
    }
    laid
}

/// Bits in which two rows differ.
pub(super) fn distance(a: &[u64], b: &[u64]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has the instruction.
        return unsafe { counted(a, b) };
    }
    differing(a, b)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn counted(a: &[u64], b: &[u64]) -> u32 {
    differing(a, b)
}

#[inline(always)]
fn differing(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{BLOCK, Distances, GROUP, Span};
    use std::arch::x86_64::*;

    /// Bytes whose distances, at most 8 each, fit a byte together.
    const RUN: usize = 31;

    /// Distance of every half-byte to every other, twice over for the two halves of a vector.
    static TABLE: [[u8; 32]; 16] = {
        let mut table = [[0; 32]; 16];
        let mut a = 0;
        while a < 16 {
            let mut b = 0;
            while b < 32 {
                table[a][b] = ((a ^ (b % 16)) as u8).count_ones() as u8;
                b += 1;
            }
            a += 1;
        }
        table
    };

    #[target_feature(enable = "avx2")]
    pub(super) fn distances(queries: [&[u64]; GROUP], bytes: &[u8], out: &mut Distances) -> [Span; GROUP] {
        let half = _mm256_set1_epi8(15);
        let zero = _mm256_setzero_si256();
        // Sums of 16 bits: rows 0-7 and 16-23, then 8-15 and 24-31, of either half of the block.
        let mut wide = [[zero; 4]; GROUP];
        for (run, columns) in bytes.chunks(RUN * BLOCK).enumerate() {
            let mut narrow = [[zero; 2]; GROUP];
            for (offset, column) in columns.chunks_exact(BLOCK).enumerate() {
                let place = run * RUN + offset;
                // SAFETY: `column` holds 64 bytes, and unaligned loads are allowed.
                let (a, b) = unsafe {
                    (
                        _mm256_loadu_si256(column.as_ptr().cast()),
                        _mm256_loadu_si256(column.as_ptr().add(32).cast()),
                    )
                };
                let low = [_mm256_and_si256(a, half), _mm256_and_si256(b, half)];
                let high = [
                    _mm256_and_si256(_mm256_srli_epi16::<4>(a), half),
                    _mm256_and_si256(_mm256_srli_epi16::<4>(b), half),
                ];
                for (query, sums) in queries.iter().zip(&mut narrow) {
                    let byte = (query[place / 8] >> (place % 8 * 8)) as usize & 255;
                    // SAFETY: both tables hold 32 bytes.
                    let (of_low, of_high) = unsafe {
                        (
                            _mm256_loadu_si256(TABLE[byte & 15].as_ptr().cast()),
                            _mm256_loadu_si256(TABLE[byte >> 4].as_ptr().cast()),
                        )
                    };
                    for part in 0..2 {
                        let both = _mm256_add_epi8(
                            _mm256_shuffle_epi8(of_low, low[part]),
                            _mm256_shuffle_epi8(of_high, high[part]),
                        );
                        sums[part] = _mm256_add_epi8(sums[part], both);
                    }
                }
            }
            for (wide, narrow) in wide.iter_mut().zip(&narrow) {
                for part in 0..2 {
                    let [low, high] =
                        [_mm256_unpacklo_epi8(narrow[part], zero), _mm256_unpackhi_epi8(narrow[part], zero)];
                    wide[2 * part] = _mm256_add_epi16(wide[2 * part], low);
                    wide[2 * part + 1] = _mm256_add_epi16(wide[2 * part + 1], high);
                }
            }
        }
        let mut spans = [[0; 2]; GROUP];
        for ((wide, out), span) in wide.iter().zip(out).zip(&mut spans) {
            // The largest is where the complement is least.
            let turned = wide.map(|sums| _mm256_xor_si256(sums, _mm256_set1_epi16(-1)));
            *span = [smallest(*wide), u32::from(u16::MAX) - smallest(turned)];
            for part in 0..2 {
                let [a, b] = [wide[2 * part], wide[2 * part + 1]];
                let eights = [
                    _mm256_castsi256_si128(a),
                    _mm256_castsi256_si128(b),
                    _mm256_extracti128_si256::<1>(a),
                    _mm256_extracti128_si256::<1>(b),
                ];
                for (place, eight) in eights.into_iter().enumerate() {
                    let slot = &mut out[part * 32 + place * 8..part * 32 + place * 8 + 8];
                    // SAFETY: `slot` holds eight numbers of 32 bits.
                    unsafe { _mm256_storeu_si256(slot.as_mut_ptr().cast(), _mm256_cvtepu16_epi32(eight)) };
                }
            }
        }
        spans
    }

    /// The least of the numbers of 16 bits.
    #[target_feature(enable = "avx2")]
    fn smallest(sums: [__m256i; 4]) -> u32 {
        let either = _mm256_min_epu16(_mm256_min_epu16(sums[0], sums[1]), _mm256_min_epu16(sums[2], sums[3]));
        let eight = _mm_min_epu16(_mm256_castsi256_si128(either), _mm256_extracti128_si256::<1>(either));
        _mm_extract_epi16::<0>(_mm_minpos_epu16(eight)) as u32
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{BLOCK, Distances, GROUP, Span};
    use std::arch::x86_64::*;

    /// Rows of a vector, and vectors of a block.
    const LANES: usize = 8;
    const VECTORS: usize = BLOCK / LANES;

    /// Queries whose sums fit the registers beside each other.
    const AT_ONCE: usize = 2;

    pub(super) fn exists() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq")
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    pub(super) fn distances(queries: [&[u64]; GROUP], words: &[u64], out: &mut Distances) -> [Span; GROUP] {
        let mut spans = [[0; 2]; GROUP];
        for first in (0..GROUP).step_by(AT_ONCE) {
            let mut sums = [[_mm512_setzero_si512(); VECTORS]; AT_ONCE];
            for (place, column) in words.chunks_exact(BLOCK).enumerate() {
                for vector in 0..VECTORS {
                    // SAFETY: `column` holds 64 words, and unaligned loads are allowed.
                    let rows = unsafe { _mm512_loadu_si512(column.as_ptr().add(vector * LANES).cast()) };
                    for (query, sums) in queries[first..first + AT_ONCE].iter().zip(&mut sums) {
                        let differ = _mm512_xor_si512(rows, _mm512_set1_epi64(query[place].cast_signed()));
                        sums[vector] = _mm512_add_epi64(sums[vector], _mm512_popcnt_epi64(differ));
                    }
                }
            }
            for (query, sums) in sums.iter().enumerate() {
                let [mut smallest, mut largest] = [sums[0]; 2];
                for (vector, &sum) in sums.iter().enumerate() {
                    smallest = _mm512_min_epu64(smallest, sum);
                    largest = _mm512_max_epu64(largest, sum);
                    let slot = &mut out[first + query][vector * LANES..(vector + 1) * LANES];
                    // SAFETY: `slot` holds eight numbers of 32 bits.
                    unsafe { _mm256_storeu_si256(slot.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(sum)) };
                }
                spans[first + query] =
                    [_mm512_reduce_min_epu64(smallest) as u32, _mm512_reduce_max_epu64(largest) as u32];
            }
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn kernels_agree_with_counting_bits(n in 1_usize..200, m in 1_usize..1200, seed: u64, queries in 1_usize..=4) {
            let mut state = seed | 1;
            let width = m.div_ceil(64);
            let mut words: Vec<u64> = (0..n * width).map(|_| { noise(&mut state); state }).collect();
            if m % 64 > 0 {
                for row in words.chunks_exact_mut(width) {
                    row[width - 1] &= (1 << (m % 64)) - 1;
                }
            }
            let rows = CodeRows::new(&words, n, m).expect("shape");
            let asked: Vec<&[u64]> = (0..queries).map(|q| rows.row(q * 31 % n)).collect();
            let slow = Searched::with(rows, Level::Scalar);
            for (fast, block) in [Level::Avx512, Level::Avx2].map(|level| Searched::with(rows, level)).iter()
                .flat_map(|fast| (0..fast.blocks()).map(move |block| (fast, block)))
            {
                let (mut a, mut b) = ([[0; BLOCK]; GROUP], [[0; BLOCK]; GROUP]);
                let (bound, exact) = (fast.distances(&asked, block, &mut a), slow.distances(&asked, block, &mut b));
                for (q, query) in asked.iter().enumerate() {
                    prop_assert!(bound[q][0] <= exact[q][0] && exact[q][1] <= bound[q][1]);
                    for lane in 0..fast.len_of(block) {
                        let row = rows.row(block * BLOCK + lane);
                        let expected = (0..m).filter(|j| (query[j / 64] ^ row[j / 64]) >> (j % 64) & 1 == 1).count();
                        prop_assert_eq!((a[q][lane], b[q][lane]), (expected as u32, expected as u32));
                        prop_assert_eq!(differing(query, row), expected as u32);
                    }
                }
            }
        }
    }
}
