//! The bridge between `featuregeom-core` and Python: it converts and delegates, and holds no mathematics.
//!
//! One file per core module. Every call that can take over a millisecond goes through [`enter::enter`], which
//! detaches from the interpreter, lets Ctrl-C through, reports progress and maps errors.
//!
//! | Python | core | copied |
//! |---|---|---|
//! | 2-D array of float64, float32, float16, any strides | `FeatureMatrix` | no |
//! | 2-D array of uint16 | `FeatureMatrix` of bfloat16 bit patterns | no |
//! | 2-D array of float64 (eigenvectors) | `faer::MatRef` | no |
//! | 2-D C-ordered array of uint64 | `CodeRows` | no |
//! | `faer::Mat` | new 2-D array of float64 | once |
//! | `Vec` | new 1-D array | no |

mod arrays;
mod cells;
mod enter;
mod families;
mod gram;
mod header;
mod matching;
mod orders;
mod pattern;
mod scheme;
mod spectrum;

/// featuregeom's compiled core. Its functions are private to the package; use the public modules.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use crate::cells::{Cells, network_cells};
    #[pymodule_export]
    use crate::families::dendrogram;
    #[pymodule_export]
    use crate::gram::{
        check_finite, frame_operator, listed_cosines, nonfinite_rows, null_sweep, squared_norms, sweep,
    };
    #[pymodule_export]
    use crate::header::safetensors_header;
    #[pymodule_export]
    use crate::matching::{match_features, match_listed};
    #[pymodule_export]
    use crate::orders::{order_overlaid, order_tests};
    #[pymodule_export]
    use crate::pattern::{
        PatternCounter, PatternSketch, code_fingerprints, hamming_distances, hamming_ends, hamming_knn,
        hamming_range_counts, hamming_vote, k_majority, pack_codes,
    };
    #[pymodule_export]
    use crate::scheme::{
        scheme_blocks, scheme_certify_circulant, scheme_certify_features, scheme_check, scheme_closure,
        scheme_holds, scheme_spread,
    };
    #[pymodule_export]
    use crate::spectrum::{capacities, coordinates, eigenspaces, eigh, eigvalsh, kappas, measures, shares};
}
