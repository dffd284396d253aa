//! Whether points lie on a circle or a line more than random points of the same spectrum do.

use super::draws::{Normal, Points, ball_norms, same_norms, same_spectrum};
use super::search::{Kernel, Products};
use crate::error::Result;
use crate::run::{Run, fits};
use rayon::prelude::*;

/// Draws that threads share at a time. Those after the one that ends a test are thrown away.
const BATCH: u64 = 64;

/// Limit on draws for each draw that is kept: a test whose conditions fewer fulfil gives up.
const ATTEMPTS: u64 = 64;

/// Correlations that differ by less are equal: rounding of a sum of 4000 products.
const EQUAL: f64 = 1e-12;

/// Points by their principal coordinates, and where their origin is.
#[derive(Clone, Debug)]
pub struct PointSet {
    points: Points,
    /// Mean of the rows in the same coordinates.
    mean: Vec<f64>,
    /// Squared length of the part of the mean outside of them.
    rest: f64,
    /// Each point has a neighbour at a cosine of at least this; below -1 for no condition.
    link: f64,
    /// What draws are told apart by, beside the seed.
    key: [u64; 2],
}

impl PointSet {
    /// `size` rows of `values`, centred, with columns at right angles and the longest first; `mean` is what was taken
    /// off them, and `rest` the squared length of its part outside these coordinates.
    pub fn new(size: usize, values: Vec<f64>, mean: Vec<f64>, rest: f64, link: f64, key: [u64; 2]) -> Self {
        Self { points: Points { size, dim: mean.len(), values }, mean, rest, link, key }
    }

    /// Whether each of some points has a neighbour as near as the condition asks.
    fn linked(&self, points: &Points, products: &[f64]) -> bool {
        if self.link < -1.0 {
            return true;
        }
        let size = points.size;
        let along: Vec<f64> =
            (0..size).map(|i| points.row(i).iter().zip(&self.mean).map(|(x, y)| x * y).sum()).collect();
        let middle = self.mean.iter().map(|x| x * x).sum::<f64>() + self.rest;
        let product = |i: usize, j: usize| products[i * size + j] + along[i] + along[j] + middle;
        let norms: Vec<f64> = (0..size).map(|i| product(i, i).sqrt()).collect();
        (0..size)
            .all(|i| (0..size).any(|j| i != j && product(i, j) >= (self.link - EQUAL) * norms[i] * norms[j]))
    }
}

/// What is asked of the draws.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Limit on draws that fulfil the conditions.
    pub draws: u64,
    /// Number of them as good as the points at which a test ends (Besag & Clifford 1991).
    pub hits: u64,
    /// The test against balls is made where the p-value so far is at most this.
    pub ball_below: f64,
    /// Limit on those draws.
    pub ball_draws: u64,
    /// The same limit for draws that keep the row norms as well; 0 leaves that test out.
    pub strict_draws: u64,
    /// Whether circles have to beat path and partition, in the points and in the draws.
    pub guard: bool,
    /// Whether paths are tested as well.
    pub line: bool,
    /// Of the draws.
    pub seed: u64,
}

/// The best orders of some points.
#[derive(Clone, Debug)]
pub struct Found {
    /// Correlation with the cycle.
    pub circle: f64,
    /// With the path.
    pub line: f64,
    /// With the best partition.
    pub partition: f64,
    /// The points along the cycle.
    pub cycle: Vec<usize>,
    /// The points along the path.
    pub path: Vec<usize>,
}

impl Found {
    /// Whether neither a path nor a partition is as good as the cycle.
    pub fn guarded(&self) -> bool {
        self.circle > self.line && self.circle > self.partition
    }
}

/// Kernels of a size.
struct Kernels {
    cycle: Kernel,
    path: Kernel,
}

impl Kernels {
    fn new(size: usize) -> Self {
        Self { cycle: Kernel::cycle(size), path: Kernel::path(size) }
    }

    fn circle(&self, points: &Points, products: &Products) -> (f64, Vec<usize>) {
        let angle = |i: usize| match points.row(i) {
            [x, y, ..] => y.atan2(*x),
            [x] => 0.0_f64.atan2(*x),
            [] => 0.0,
        };
        let mut order = sorted(points.size, angle);
        (self.cycle.fit(products, &mut order), order)
    }

    fn line(&self, points: &Points, products: &Products) -> (f64, Vec<usize>) {
        let mut order = sorted(points.size, |i| points.row(i).first().copied().unwrap_or(0.0));
        (self.path.fit(products, &mut order), order)
    }
}

fn sorted(size: usize, by: impl Fn(usize) -> f64) -> Vec<usize> {
    let keys: Vec<f64> = (0..size).map(by).collect();
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&i, &j| keys[i].total_cmp(&keys[j]).then(i.cmp(&j)));
    order
}

/// Matrices of a set's size that a thread holds at once: products of the points, of a draw and of the kernels, gains of
/// swaps, copies.
const HELD: usize = 12;

fn fit(sets: &[PointSet], run: &Run) -> Result<()> {
    let largest = sets.iter().map(|set| set.points.size).max().unwrap_or(0);
    fits(&[[run.pool().current_num_threads() * HELD, largest * largest, 8]])
}

/// The best orders of each set.
///
/// # Errors
/// [`crate::Error::Memory`], [`crate::Error::Interrupted`].
pub fn found(sets: &[PointSet], run: &Run) -> Result<Vec<Found>> {
    fit(sets, run)?;
    run.pool().install(|| {
        sets.par_iter()
            .map(|set| {
                run.control().check()?;
                let kernels = Kernels::new(set.points.size);
                let products = Products::new(set.points.size, set.points.products());
                let (circle, cycle) = kernels.circle(&set.points, &products);
                let (line, path) = kernels.line(&set.points, &products);
                Ok(Found { circle, line, partition: products.partition(), cycle, path })
            })
            .collect()
    })
}

/// Random sets that points are held against. All have the same spectrum.
#[derive(Clone, Debug)]
enum Null {
    /// Principal axes in a random frame: rows of Gaussian clouds.
    Spectrum,
    /// Rows as long as those of a ball of this many dimensions.
    Ball(f64),
    /// Rows as long as those of the points.
    Norms(Vec<f64>),
}

impl Null {
    fn draw(&self, size: usize, lengths: &[f64], normal: &mut Normal) -> Points {
        let points = same_spectrum(size, lengths, normal);
        match self {
            Self::Spectrum => points,
            Self::Ball(dim) => {
                let norms = ball_norms(&points, *dim, normal);
                same_norms(points, lengths, &norms)
            }
            Self::Norms(norms) => same_norms(points, lengths, norms),
        }
    }

    /// What its draws are told apart by.
    fn key(&self) -> u64 {
        match self {
            Self::Spectrum => 0,
            Self::Ball(_) => 1,
            Self::Norms(_) => 2,
        }
    }
}

/// p-values of some points; NaN where a test was not asked for, or not needed.
#[derive(Clone, Copy, Debug)]
pub struct PValues {
    /// Of the circle in random sets of the same spectrum.
    pub circle: f64,
    /// Of the circle where rows are as long as those of a ball as well.
    pub ball: f64,
    /// Of the circle where rows are as long as they are.
    pub strict: f64,
    /// Of the path, in random sets of the same spectrum.
    pub line: f64,
}

/// p-values of circles and lines. Costs `s^3` operations per draw, and `s^2` per swap.
///
/// # Errors
/// As [`found`].
pub fn shape_p_values(
    sets: &[PointSet],
    found: &[Found],
    options: &Options,
    run: &Run,
) -> Result<Vec<PValues>> {
    fit(sets, run)?;
    run.control().expect(options.draws.saturating_mul(sets.len() as u64));
    run.pool().install(|| {
        sets.par_iter()
            .zip(found)
            .map(|(set, found)| {
                let test = Test { set, found, options, kernels: Kernels::new(set.points.size), run };
                let p = test.p_values()?;
                run.control().advance(options.draws)?;
                Ok(p)
            })
            .collect()
    })
}

/// What a draw says: None where it does not fulfil the conditions, else whether its cycle and path are as good.
type Said = Option<[bool; 2]>;

struct Test<'a> {
    set: &'a PointSet,
    found: &'a Found,
    options: &'a Options,
    kernels: Kernels,
    run: &'a Run,
}

impl Test<'_> {
    fn p_values(&self) -> Result<PValues> {
        let none = PValues { circle: 1.0, ball: f64::NAN, strict: f64::NAN, line: f64::NAN };
        let set = self.set;
        if set.points.dim == 0 || self.options.guard && !self.found.guarded() {
            return Ok(none);
        }
        let [circle, line] = self.run(&Null::Spectrum, self.options.draws)?;
        let mut p = PValues { circle, line, ..none };
        if circle <= self.options.ball_below {
            let squares = set.points.lengths().into_iter().map(|x| x * x);
            let (sum, of_squares) = squares.fold((0.0, 0.0), |(a, b), x| (a + x, b + x * x));
            p.ball = self.run(&Null::Ball(sum * sum / of_squares), self.options.ball_draws)?[0];
        }
        if self.options.strict_draws > 0 {
            p.strict = self.run(&Null::Norms(set.points.norms()), self.options.strict_draws)?[0];
        }
        Ok(p)
    }

    /// p-values of circle and line.
    fn run(&self, null: &Null, draws: u64) -> Result<[f64; 2]> {
        let (size, lengths) = (self.set.points.size, self.set.points.lengths());
        let mut counts = [Counted::default(); 2];
        counts[1].ended = !self.options.line || null.key() > 0;
        for batch in 0..draws.saturating_mul(ATTEMPTS).div_ceil(BATCH) {
            let wanted = counts.map(|count| !count.ended);
            if wanted == [false; 2] {
                break;
            }
            let said: Vec<Said> = (batch * BATCH..(batch + 1) * BATCH)
                .into_par_iter()
                .map(|draw| {
                    self.run.control().check()?;
                    let [family, variant] = self.set.key;
                    let mut normal = Normal::new([self.options.seed, family, 3 * variant + null.key(), draw]);
                    Ok(self.draw(&null.draw(size, &lengths, &mut normal), wanted))
                })
                .collect::<Result<_>>()?;
            for hits in said.into_iter().flatten() {
                for (count, hit) in counts.iter_mut().zip(hits) {
                    count.add(hit, self.options.hits, draws);
                }
            }
        }
        let line = self.options.line && null.key() == 0;
        Ok([counts[0].p(self.options.hits), if line { counts[1].p(self.options.hits) } else { f64::NAN }])
    }

    fn draw(&self, points: &Points, wanted: [bool; 2]) -> Said {
        let products = points.products();
        if !self.set.linked(points, &products) {
            return None;
        }
        let products = Products::new(points.size, products);
        let circle = if wanted[0] { self.kernels.circle(points, &products).0 } else { 0.0 };
        if self.options.guard && circle <= products.partition() {
            return None;
        }
        let line = if self.options.guard || wanted[1] { self.kernels.line(points, &products).0 } else { 0.0 };
        if self.options.guard && circle <= line {
            return None;
        }
        Some([circle >= self.found.circle - EQUAL, line >= self.found.line - EQUAL])
    }
}

/// A sequential test: it ends at a number of hits or of draws, and its p-value is exact either way.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    draws: u64,
    hits: u64,
    ended: bool,
}

impl Counted {
    fn add(&mut self, hit: bool, hits: u64, draws: u64) {
        if !self.ended {
            self.draws += 1;
            self.hits += u64::from(hit);
            self.ended = self.hits >= hits || self.draws >= draws;
        }
    }

    fn p(&self, hits: u64) -> f64 {
        if self.hits >= hits {
            self.hits as f64 / self.draws as f64
        } else {
            (self.hits + 1) as f64 / (self.draws + 1) as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequential_p_values() {
        let mut count = Counted::default();
        for _ in 0..99 {
            count.add(false, 3, 99);
        }
        assert!((count.p(3) - 0.01).abs() < 1e-15 && count.ended);
        let mut count = Counted::default();
        for draw in 0..50 {
            count.add(draw % 10 == 9, 3, 99);
        }
        assert!((count.p(3) - 0.1).abs() < 1e-15 && count.draws == 30);
    }
}
