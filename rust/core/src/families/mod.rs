//! Which features belong together, at any strength: the components of the graph of kept neighbours, as a tree.

mod dendrogram;

pub use dendrogram::{Dendrogram, Limits, dendrogram};
