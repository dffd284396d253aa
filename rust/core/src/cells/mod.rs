//! Polygons of a plane, cut again and again by functions that are affine on each of them.
//!
//! A piecewise-linear network restricted to a plane is affine on convex polygons. Layer after layer, the zero lines
//! of its neurons cut each polygon that they cross. Neighbours share vertices by number, so the polygons stay a
//! cell complex: V - E + F = 1 holds exactly.

mod network;
mod split;

pub use network::{Layer, network};
pub use split::Cut;

use crate::error::{Error, Result};

/// Convex polygons that tile a rectangle, with a code of packed bits each.
#[derive(Debug, Clone, PartialEq)]
pub struct Cells {
    /// Vertices.
    pub points: Vec<[f64; 2]>,
    /// Where each polygon begins in `corners`; one more than there are polygons.
    pub starts: Vec<usize>,
    /// Vertices of the polygons, counter-clockwise.
    pub corners: Vec<u32>,
    /// Codes, `words` each, bit `i` in word `i / 64`.
    pub codes: Vec<u64>,
    /// Bits of a code.
    pub bits: usize,
    /// Coincidences met so far: zero lines through a point that was there, and cells that rounding kept whole.
    pub degenerate: u64,
}

/// An edge between two polygons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Border {
    /// The polygons, in order.
    pub cells: [usize; 2],
    /// The vertices at its ends, in order.
    pub ends: [u32; 2],
}

impl Cells {
    /// One rectangle without a code.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless both intervals are finite and not empty.
    pub fn rectangle([left, right, bottom, top]: [f64; 4]) -> Result<Self> {
        let finite =
            [left, right, bottom, top, right - left, top - bottom].iter().all(|value| value.is_finite());
        if !finite || left >= right || bottom >= top {
            return Err(Error::Parameter(format!(
                "bounds (s_min, s_max, t_min, t_max) must be finite with s_min < s_max and t_min < t_max, \
                 got ({left}, {right}, {bottom}, {top})"
            )));
        }
        Ok(Self {
            points: vec![[left, bottom], [right, bottom], [right, top], [left, top]],
            starts: vec![0, 4],
            corners: vec![0, 1, 2, 3],
            codes: Vec::new(),
            bits: 0,
            degenerate: 0,
        })
    }

    /// Number of polygons.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Never: a rectangle has a polygon.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Words of a code.
    pub fn words(&self) -> usize {
        self.bits.div_ceil(64)
    }

    /// The vertices of one polygon.
    pub fn polygon(&self, cell: usize) -> &[u32] {
        &self.corners[self.starts[cell]..self.starts[cell + 1]]
    }

    /// Area of each polygon, by the shoelace formula about its first vertex.
    pub fn areas(&self) -> Vec<f64> {
        (0..self.len())
            .map(|cell| {
                let ids = self.polygon(cell);
                let [x, y] = self.points[ids[0] as usize];
                let offset = |id: u32| {
                    let point = self.points[id as usize];
                    [point[0] - x, point[1] - y]
                };
                let doubled: f64 = ids[1..]
                    .windows(2)
                    .map(|pair| {
                        let (a, b) = (offset(pair[0]), offset(pair[1]));
                        a[0] * b[1] - a[1] * b[0]
                    })
                    .sum();
                doubled / 2.0
            })
            .collect()
    }

    /// Every side of every polygon as (lower vertex, higher vertex, polygon), sorted.
    fn sides(&self) -> Vec<(u32, u32, usize)> {
        let mut sides = Vec::with_capacity(self.corners.len());
        for cell in 0..self.len() {
            let ids = self.polygon(cell);
            for (&a, &b) in ids.iter().zip(ids.iter().cycle().skip(1)) {
                sides.push((a.min(b), a.max(b), cell));
            }
        }
        sides.sort_unstable();
        sides
    }

    /// The edges, as sorted pairs of vertices, in order.
    pub fn edges(&self) -> Vec<(u32, u32)> {
        let mut edges: Vec<_> = self.sides().into_iter().map(|(a, b, _)| (a, b)).collect();
        edges.dedup();
        edges
    }

    /// Pairs of polygons that share an edge, by edge.
    pub fn borders(&self) -> Vec<Border> {
        self.sides()
            .windows(2)
            .filter(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1))
            .map(|pair| Border { cells: [pair[0].2, pair[1].2], ends: [pair[0].0, pair[0].1] })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Run;
    use crate::testing::noise;
    use proptest::prelude::*;

    /// Lines a x + b y + c = 0 as one layer on a square, and its cells.
    fn arrangement(lines: &[[f64; 3]], half: f64, threads: usize) -> Cells {
        let layer = Layer {
            inputs: 2,
            weights: lines.iter().flat_map(|line| [line[0], line[1]]).collect(),
            biases: lines.iter().map(|line| line[2]).collect(),
        };
        let cut = Cut { tolerance: 1e-12, most: 1_000_000 };
        let run = Run::quiet(threads).expect("threads");
        network(&[layer], [-half, half, -half, half], &cut, &run).expect("cells")
    }

    #[test]
    fn axes_make_four_squares() {
        let cells = arrangement(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], 1.0, 1);
        assert_eq!(cells.areas(), vec![1.0; 4]);
        let mut codes = cells.codes.clone();
        codes.sort_unstable();
        assert_eq!(codes, [0, 1, 2, 3]);
        assert_eq!((cells.points.len(), cells.edges().len(), cells.borders().len()), (9, 12, 4));
    }

    #[test]
    fn lines_through_one_point_are_told() {
        let cells = arrangement(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]], 1.0, 1);
        assert_eq!(cells.len(), 6);
        assert!(cells.degenerate > 0);
    }

    #[test]
    fn empty_bounds_are_refused() {
        for bounds in [[1.0, 1.0, 0.0, 1.0], [0.0, 1.0, 2.0, 1.0], [0.0, f64::INFINITY, 0.0, 1.0]] {
            assert!(matches!(Cells::rectangle(bounds), Err(Error::Parameter(_))));
        }
    }

    proptest! {
        #[test]
        fn regions_are_one_and_lines_and_crossings(seed in 0_u64..1000, n in 1_usize..25) {
            let mut state = seed + 1;
            let lines: Vec<[f64; 3]> = (0..n).map(|_| [(); 3].map(|()| noise(&mut state))).collect();
            let cells = arrangement(&lines, 2.0, 2);
            let at = |line: &[f64; 3], x: f64, y: f64| line[0] * x + line[1] * y + line[2];
            let crosses = |line: &[f64; 3]| {
                let values = [(-2.0, -2.0), (-2.0, 2.0), (2.0, -2.0), (2.0, 2.0)].map(|(x, y)| at(line, x, y));
                values.iter().any(|&z| z > 0.0) && values.iter().any(|&z| z < 0.0)
            };
            let mut expected = 1;
            for (i, a) in lines.iter().enumerate() {
                expected += usize::from(crosses(a));
                for b in &lines[..i] {
                    let determinant = a[0] * b[1] - a[1] * b[0];
                    let x = (a[1] * b[2] - b[1] * a[2]) / determinant;
                    let y = (b[0] * a[2] - a[0] * b[2]) / determinant;
                    expected += usize::from(x.abs() < 2.0 && y.abs() < 2.0);
                }
            }
            prop_assert_eq!(cells.len(), expected);
            prop_assert_eq!(cells.points.len() + cells.len(), cells.edges().len() + 1);
            prop_assert!((cells.areas().iter().sum::<f64>() - 16.0).abs() < 1e-11);
            prop_assert_eq!(arrangement(&lines, 2.0, 1), cells);
        }
    }
}
