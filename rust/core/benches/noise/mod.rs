//! Features that are noise, the same in every run.

use featuregeom_core::{Element, Error, FeatureMatrix};

/// Bits of `n m` values of the element type: noise in [-1/2, 1/2), the same in every run.
pub fn noise(n: usize, m: usize, element: Element) -> Vec<u8> {
    let mut state = 1_u64;
    let mut bytes = Vec::with_capacity(n * m * element.size());
    for _ in 0..n * m {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let value = (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
        match element {
            Element::F64 => bytes.extend(value.to_ne_bytes()),
            Element::F32 => bytes.extend((value as f32).to_ne_bytes()),
            Element::F16 => bytes.extend(half::f16::from_f64(value).to_ne_bytes()),
            Element::BF16 => bytes.extend(half::bf16::from_f64(value).to_ne_bytes()),
        }
    }
    bytes
}

/// The features in those bits, as rows of `m`.
///
/// # Errors
/// As [`FeatureMatrix::from_raw`].
pub fn view(bytes: &[u8], m: usize, element: Element) -> Result<FeatureMatrix<'_>, Error> {
    let (size, row) = (element.size() as isize, (element.size() * m) as isize);
    let n = bytes.len() / (m * element.size());
    // SAFETY: every index lies inside `bytes`, which is borrowed for as long.
    unsafe { FeatureMatrix::from_raw(bytes.as_ptr(), [n, m], [row, size], element) }
}
