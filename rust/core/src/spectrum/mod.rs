//! From the frame operator to its eigenspaces, and how each feature's norm is spread over them.

mod buckets;
mod capacity;
mod coordinates;
mod eigen;
mod energies;
mod measure;
mod shares;
mod tridiagonal;

pub use buckets::{Eigenspaces, Partition, eigenspaces};
pub use capacity::{DOUBTFUL, capacities, kappas};
pub use coordinates::coordinates;
pub use eigen::{Eigen, eigenvalues, self_adjoint};
pub use measure::{Basis, FeatureMeasure, Measures, measures};
pub use shares::shares;
