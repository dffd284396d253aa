//! What the unit tests share.

/// xorshift noise in [-1/2, 1/2): tests need no generator crate.
pub(crate) fn noise(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}
