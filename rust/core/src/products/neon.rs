//! Tiles in NEON: of 32 registers 24 hold sums.

use super::tile;
use std::arch::aarch64::*;

tile!(
    f32_neon, "neon", f32, 4, 8 x 3,
    vld1q_f32, vst1q_f32, vdupq_n_f32, vaddq_f32, |a, b, sum| vfmaq_f32(sum, a, b)
);
tile!(
    f64_neon, "neon", f64, 2, 8 x 3,
    vld1q_f64, vst1q_f64, vdupq_n_f64, vaddq_f64, |a, b, sum| vfmaq_f64(sum, a, b)
);
