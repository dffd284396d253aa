//! Everything that can go wrong in the core, as one enumeration.

/// Result of a core function.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a core function gave no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A matrix has no rows or no columns, or two shapes do not fit.
    #[error("{0}")]
    Shape(String),
    /// A feature matrix holds NaN or infinity.
    #[error("{value} at row {row}, column {column}; drop or repair the row before measuring")]
    NonFinite {
        /// First row, in order, that holds such a value.
        row: usize,
        /// First column of it that does.
        column: usize,
        /// The value: NaN, inf or -inf.
        value: f64,
    },
    /// Finite values whose powers would leave the range of `f64`.
    #[error(
        "the largest norm is {largest:e}, outside the range from 1e-71 to 1e71 in which float64 holds the \
         powers that are needed; rescale the matrix (all measures but lambda are invariant under scale)"
    )]
    Range {
        /// The largest norm of a row or column.
        largest: f64,
    },
    /// A feature that is not zero, and has no square in `f64`.
    #[error(
        "row {row} has the norm {norm:e}, too small for its square to be held in float64 beside the other rows; set \
         it to zero, drop it, or scale it up"
    )]
    Small {
        /// The first such row.
        row: usize,
        /// Its norm.
        norm: f64,
    },
    /// A parameter outside its range.
    #[error("{0}")]
    Parameter(String),
    /// An iteration did not converge.
    #[error("{0} did not converge")]
    Convergence(&'static str),
    /// A safetensors header that is not one.
    #[error("{0}")]
    Header(String),
    /// The operating system gave no threads, which take room for their stacks.
    #[error(
        "could not start {threads} {}: {reason}; take fewer (num_threads), or raise the limits on memory and processes",
        if *threads == 1 { "thread" } else { "threads" }
    )]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
    /// There is no memory for the work space of the threads' matrix products.
    #[error(
        "the matrix products of {threads} {} need {:.3} GB of address space, which the system does not give: \
         take fewer (num_threads), or raise the limit on memory (ulimit -v)",
        if *threads == 1 { "thread" } else { "threads" },
        *bytes as f64 / 1e9
    )]
    WorkSpace {
        /// How many threads.
        threads: usize,
        /// Bytes that they need, about.
        bytes: u128,
    },
    /// There is no memory for what a computation needs.
    #[error(
        "this needs about {:.3} GB of memory beside the features, which the system does not give: take fewer features, \
         neighbours, bins or threads, or a machine with more memory",
        *bytes as f64 / 1e9
    )]
    Memory {
        /// Bytes that it needs, about.
        bytes: u128,
    },
    /// The caller cancelled the run.
    #[error("interrupted")]
    Interrupted,
}
