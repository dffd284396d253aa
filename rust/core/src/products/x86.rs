//! Tiles in AVX-512 and in AVX2 with FMA. Of 32 registers 24 hold sums, of 16 twelve; the others hold vectors of the
//! right and a number of the left. (Of 4 x 3 vectors in 16 registers the compiler keeps a sum in memory.)

use super::tile;
use std::arch::x86_64::*;

tile!(
    f32_avx512, "avx512f", f32, 16, 8 x 3,
    _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_add_ps, _mm512_fmadd_ps
);
tile!(
    f32_avx512_narrow, "avx512f", f32, 16, 8 x 1,
    _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_add_ps, _mm512_fmadd_ps
);
tile!(
    f64_avx512, "avx512f", f64, 8, 8 x 3,
    _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd, _mm512_add_pd, _mm512_fmadd_pd
);
tile!(
    f64_avx512_narrow, "avx512f", f64, 8, 8 x 1,
    _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd, _mm512_add_pd, _mm512_fmadd_pd
);
tile!(
    f32_avx2, "avx2,fma", f32, 8, 6 x 2,
    _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_add_ps, _mm256_fmadd_ps
);
tile!(
    f64_avx2, "avx2,fma", f64, 4, 6 x 2,
    _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd, _mm256_add_pd, _mm256_fmadd_pd
);
