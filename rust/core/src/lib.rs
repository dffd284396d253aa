//! Frames, spectra and Gram sweeps of feature matrices, without Python.
//!
//! A feature matrix `X` has one feature per row: `n` features in `m` dimensions.
//!
//! | symbol | meaning |
//! |---|---|
//! | `w_i` | feature i, row i of `X` |
//! | `N_i` | its squared norm |
//! | `F = X^T X` (m x m) | frame operator |
//! | `M = X X^T` (n x n) | Gram matrix; it has the nonzero spectrum of `F` and is never stored |
//! | `F = sum_k lambda_k P_k` | one term per eigen*space*; `P_k` projects on it |
//!
//! | module | what it computes |
//! |---|---|
//! | [`matrix`] | a feature matrix, read in place and widened tile by tile; everything below reads it so |
//! | [`products`] | micro-kernels for panels, by the vector instructions of the processor |
//! | [`gram`] | `F`; one sweep over all pairs (neighbours, coherence, histogram); single linkage; pairs beside a null |
//! | [`matching`] | two sets of features matched one to one, with a bound of what the best matching has |
//! | [`spectrum`] | eigenvalues of `F`, their grouping into eigenspaces, each feature's spectral measure and capacity |
//! | [`scheme`] | relations between points: levels of cosines, coherent closure, intersection numbers |
//! | [`orders`] | the cyclic order, path or partition of a few points, and p-values of it from random sets |
//! | [`families`] | single linkage of kept neighbours: which features belong together, at any strength |
//! | [`pattern`] | codes of networks, packed to bits: counts, fingerprints, Hamming distances, sketches |
//! | [`cells`] | the linear regions of a network on a plane |
//! | [`header`] | the header of a safetensors file, checked |
//! | [`run`] | threads, cancelling and progress of a computation |
//! | [`error`] | every error of the core |
//!
//! Every function that can take long receives a [`run::Run`]: the threads to use, and the handle through
//! which a caller cancels it and reads its progress. Results do not depend on the number of threads.

#![deny(missing_docs)]

pub mod cells;
pub mod error;
pub mod families;
pub mod gram;
pub mod header;
pub mod matching;
pub mod matrix;
pub mod orders;
pub mod pattern;
pub mod products;
pub mod run;
pub mod scheme;
pub mod spectrum;

#[cfg(test)]
mod testing;

pub use error::Error;
pub use matrix::{Element, FeatureMatrix};
