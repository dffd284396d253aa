//! Activations to bits: bit `j` of a row is set where the value is above zero.
//!
//! NaN is not above zero, so it is counted: a broken activation must not pass for one that is off.

use crate::error::Result;
use crate::matrix::{Element, FeatureMatrix, Real};
use crate::run::{Run, fits};
use rayon::prelude::*;

/// Values of a tile: it stays in the first cache between being widened and being packed.
const TILE: usize = 1 << 13;

/// Packed rows, and what was met on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    /// Row-major words, `ceil(m / 64)` per row.
    pub words: Vec<u64>,
    /// Values that are NaN or infinite.
    pub nonfinite: u64,
    /// Row and column of the first of them.
    pub first_nonfinite: Option<(usize, usize)>,
    /// Finite values at most the tolerance away from zero; 0 without a tolerance.
    pub ambiguous: u64,
}

/// What one tile counted.
#[derive(Default)]
struct Met {
    nonfinite: u64,
    first: Option<(usize, usize)>,
    ambiguous: u64,
}

impl Met {
    fn and(self, other: Self) -> Self {
        Self {
            nonfinite: self.nonfinite + other.nonfinite,
            first: self.first.into_iter().chain(other.first).min(),
            ambiguous: self.ambiguous + other.ambiguous,
        }
    }
}

/// Pack every row of `x`.
///
/// # Errors
/// [`crate::Error::Interrupted`].
pub fn pack(x: &FeatureMatrix<'_>, tolerance: Option<f64>, run: &Run) -> Result<Packed> {
    match x.element() {
        Element::F64 => pack_as::<f64>(x, tolerance, run),
        Element::F32 | Element::F16 | Element::BF16 => pack_as::<f32>(x, tolerance, run),
    }
}

fn pack_as<T: Signed>(x: &FeatureMatrix<'_>, tolerance: Option<f64>, run: &Run) -> Result<Packed> {
    let (n, m) = (x.n(), x.m());
    let width = m.div_ceil(64);
    let height = (TILE / m).max(1);
    fits(&[[n, width, 8], [run.pool().current_num_threads(), height * m, size_of::<T>()]])?;
    let mut words = vec![0_u64; n * width];
    run.control().expect(n as u64);
    let met = run.pool().install(|| {
        words
            .par_chunks_mut(height * width)
            .enumerate()
            .map_init(Vec::<T>::new, |tile, (index, out)| {
                let start = index * height;
                let rows = out.len() / width;
                tile.resize(rows * m, T::default());
                x.read(start..start + rows, tile);
                let mut met = Met::default();
                for (row, (values, out)) in tile.chunks_exact(m).zip(out.chunks_exact_mut(width)).enumerate()
                {
                    if T::pack_row(values, out) {
                        let bad = |value: &T| !Into::<f64>::into(*value).is_finite();
                        met.nonfinite += values.iter().filter(|value| bad(value)).count() as u64;
                        met.first =
                            met.first.or(values.iter().position(bad).map(|column| (start + row, column)));
                    }
                    if let Some(tolerance) = tolerance {
                        let near = |value: &&T| Into::<f64>::into(**value).abs() <= tolerance;
                        met.ambiguous += values.iter().filter(near).count() as u64;
                    }
                }
                run.control().advance(rows as u64)?;
                Ok(met)
            })
            .try_reduce(Met::default, |a, b| Ok(a.and(b)))
    })?;
    Ok(Packed { words, nonfinite: met.nonfinite, first_nonfinite: met.first, ambiguous: met.ambiguous })
}

/// Values whose sign bits can be gathered.
trait Signed: Real {
    /// Fill the words of one row; whether any value is not finite.
    fn pack_row(values: &[Self], out: &mut [u64]) -> bool;
}

impl Signed for f32 {
    fn pack_row(values: &[Self], out: &mut [u64]) -> bool {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { avx2::pack_f32(values, out) };
        }
        plain(values, out)
    }
}

impl Signed for f64 {
    fn pack_row(values: &[Self], out: &mut [u64]) -> bool {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { avx2::pack_f64(values, out) };
        }
        plain(values, out)
    }
}

/// The portable kernel; also what the rest of a row takes that fills no whole word.
fn plain<T: Real>(values: &[T], out: &mut [u64]) -> bool {
    let zero = T::default();
    let mut bad = false;
    for (values, word) in values.chunks(64).zip(out) {
        *word = 0;
        for (bit, &value) in values.iter().enumerate() {
            *word |= u64::from(value > zero) << bit;
            bad |= !value.into().is_finite();
        }
    }
    bad
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::plain;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn pack_f32(values: &[f32], out: &mut [u64]) -> bool {
        let mut bad = _mm256_setzero_si256();
        let exponent = _mm256_set1_epi32(0x7f80_0000);
        let whole = values.len() / 64;
        for (values, word) in values.chunks_exact(64).zip(out.iter_mut()) {
            let mut bits = 0_u64;
            for (place, eight) in values.chunks_exact(8).enumerate() {
                // SAFETY: `eight` holds eight floats, and unaligned loads are allowed.
                let x = unsafe { _mm256_loadu_ps(eight.as_ptr()) };
                let on = _mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_setzero_ps());
                bits |= u64::from(_mm256_movemask_ps(on) as u32) << (8 * place);
                let part = _mm256_and_si256(_mm256_castps_si256(x), exponent);
                bad = _mm256_or_si256(bad, _mm256_cmpeq_epi32(part, exponent));
            }
            *word = bits;
        }
        let rest = plain(&values[whole * 64..], &mut out[whole..]);
        rest | (_mm256_movemask_epi8(bad) != 0)
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn pack_f64(values: &[f64], out: &mut [u64]) -> bool {
        let mut bad = _mm256_setzero_si256();
        let exponent = _mm256_set1_epi64x(0x7ff0_0000_0000_0000);
        let whole = values.len() / 64;
        for (values, word) in values.chunks_exact(64).zip(out.iter_mut()) {
            let mut bits = 0_u64;
            for (place, four) in values.chunks_exact(4).enumerate() {
                // SAFETY: `four` holds four doubles, and unaligned loads are allowed.
                let x = unsafe { _mm256_loadu_pd(four.as_ptr()) };
                let on = _mm256_cmp_pd::<_CMP_GT_OQ>(x, _mm256_setzero_pd());
                bits |= u64::from(_mm256_movemask_pd(on) as u32) << (4 * place);
                let part = _mm256_and_si256(_mm256_castpd_si256(x), exponent);
                bad = _mm256_or_si256(bad, _mm256_cmpeq_epi64(part, exponent));
            }
            *word = bits;
        }
        let rest = plain(&values[whole * 64..], &mut out[whole..]);
        rest | (_mm256_movemask_epi8(bad) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn kernels_agree_and_count_what_is_broken(n in 1_usize..6, m in 1_usize..200, seed: u64, broken in 0_usize..4) {
            let mut state = seed | 1;
            let mut values: Vec<f64> = (0..n * m).map(|_| noise(&mut state)).collect();
            values[0] = -0.0;
            let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
            let mut where_broken: Vec<usize> = (0..broken).map(|k| (k * 7919 + 1) % (n * m)).collect();
            where_broken.sort_unstable();
            where_broken.dedup();
            for (k, &at) in where_broken.iter().enumerate() {
                values[at] = special[k % 3];
            }
            let x = FeatureMatrix::from_slice(&values, m).expect("shape");
            let run = Run::quiet(2).expect("threads");
            let found = pack(&x, Some(0.0), &run).expect("runs");
            let width = m.div_ceil(64);
            for (i, row) in values.chunks(m).enumerate() {
                let words = &found.words[i * width..(i + 1) * width];
                for j in 0..width * 64 {
                    let bit = words[j / 64] >> (j % 64) & 1 == 1;
                    prop_assert_eq!(bit, j < m && row[j] > 0.0);
                }
                let singles: Vec<f32> = row.iter().map(|&value| value as f32).collect();
                for kernel in [plain::<f32>, f32::pack_row] {
                    let mut words = vec![u64::MAX; width];
                    prop_assert_eq!(kernel(&singles, &mut words), singles.iter().any(|v| !v.is_finite()));
                    prop_assert_eq!(&words, &found.words[i * width..(i + 1) * width]);
                }
                let mut words = vec![u64::MAX; width];
                prop_assert_eq!(plain(row, &mut words), row.iter().any(|v| !v.is_finite()));
                prop_assert_eq!(&words, &found.words[i * width..(i + 1) * width]);
            }
            prop_assert_eq!(found.nonfinite, where_broken.len() as u64);
            prop_assert_eq!(found.first_nonfinite, where_broken.first().map(|&at| (at / m, at % m)));
            prop_assert_eq!(found.ambiguous, values.iter().filter(|v| **v == 0.0).count() as u64);
        }
    }
}
