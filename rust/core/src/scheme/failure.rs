//! Why labels are not a coherent configuration, with points that show it.

/// Two points, in order.
pub type Pair = (usize, usize);

/// Why labels are not coherent, with points that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A class holds a pair of equal points and one of different points.
    Diagonal {
        /// The class.
        class: usize,
        /// The point.
        point: usize,
        /// The pair of different points.
        pair: Pair,
    },
    /// A class joins different fibres.
    Fibres {
        /// The class.
        class: usize,
        /// Two of its pairs, in different fibres.
        pairs: [Pair; 2],
    },
    /// Two points of a fibre have unequal valencies.
    Valencies {
        /// The class.
        class: usize,
        /// The points.
        rows: [usize; 2],
        /// How many pairs of the class begin at them.
        counts: [u64; 2],
    },
    /// The transposed pairs of a class lie in several classes.
    Transpose {
        /// The class.
        class: usize,
        /// Two of its pairs.
        pairs: [Pair; 2],
        /// The classes of the transposed ones.
        transposed: [usize; 2],
    },
    /// `A_i A_j` is not constant on a class.
    Product {
        /// `i` and `j`.
        factors: [usize; 2],
        /// The class.
        class: usize,
        /// Two of its pairs.
        pairs: [Pair; 2],
        /// The entries of the product there.
        counts: [i64; 2],
    },
}
