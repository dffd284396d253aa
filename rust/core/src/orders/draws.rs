//! Random sets of points with a given spectrum.

use crate::scheme::random::{Words, mix};

/// Rounds of going to and fro between the norms and the spectrum.
const ROUNDS: usize = 10;

/// Points by their principal coordinates: `size` rows of `dim`, centred, with columns at right angles.
#[derive(Clone, Debug)]
pub(super) struct Points {
    pub size: usize,
    pub dim: usize,
    pub values: Vec<f64>,
}

impl Points {
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dim..(i + 1) * self.dim]
    }

    pub fn column(&self, k: usize) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().skip(k).step_by(self.dim.max(1)).copied()
    }

    /// Inner products of all rows, row-major.
    pub fn products(&self) -> Vec<f64> {
        let mut products = vec![0.0; self.size * self.size];
        for i in 0..self.size {
            for j in 0..=i {
                let product = self.row(i).iter().zip(self.row(j)).map(|(x, y)| x * y).sum();
                products[i * self.size + j] = product;
                products[j * self.size + i] = product;
            }
        }
        products
    }

    /// Root of the sum of squares of each column.
    pub fn lengths(&self) -> Vec<f64> {
        (0..self.dim).map(|k| self.column(k).map(|x| x * x).sum::<f64>().sqrt()).collect()
    }

    /// Length of each row.
    pub fn norms(&self) -> Vec<f64> {
        (0..self.size).map(|i| sum_of_squares(self.row(i)).sqrt()).collect()
    }
}

/// Normal values from a stream of their own for each seed, set, variant and draw (Box & Muller 1958).
pub(super) struct Normal(Words);

impl Normal {
    pub fn new(key: [u64; 4]) -> Self {
        Self(Words::new(
            key.iter().fold(0, |state, &part| mix(state ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        ))
    }

    fn unit(&mut self) -> f64 {
        // In (0, 1]: its logarithm is finite.
        ((self.0.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    fn fill(&mut self, values: &mut [f64]) {
        for pair in values.chunks_mut(2) {
            let (radius, angle) = ((-2.0 * self.unit().ln()).sqrt(), std::f64::consts::TAU * self.unit());
            pair[0] = radius * angle.cos();
            if let Some(second) = pair.get_mut(1) {
                *second = radius * angle.sin();
            }
        }
    }
}

/// Centred points with principal axes of these lengths, in a random orthonormal frame of the centred space: B Q S.
pub(super) fn same_spectrum(size: usize, lengths: &[f64], normal: &mut Normal) -> Points {
    let dim = lengths.len();
    let mut columns = vec![0.0; size * dim];
    normal.fill(&mut columns);
    Points { size, dim, values: orthonormal(&mut columns, size, lengths) }
}

/// Centre columns, make each orthonormal to those before (modified Gram-Schmidt), and give them their lengths; the
/// result is row-major.
fn orthonormal(columns: &mut [f64], size: usize, lengths: &[f64]) -> Vec<f64> {
    let dim = lengths.len();
    for k in 0..dim {
        let (before, rest) = columns.split_at_mut(k * size);
        let column = &mut rest[..size];
        let mean = column.iter().sum::<f64>() / size as f64;
        column.iter_mut().for_each(|x| *x -= mean);
        for one in before.chunks_exact(size) {
            let along: f64 = one.iter().zip(column.iter()).map(|(x, y)| x * y).sum();
            column.iter_mut().zip(one).for_each(|(x, y)| *x -= along * y);
        }
        let norm = column.iter().map(|x| x * x).sum::<f64>().sqrt();
        column.iter_mut().for_each(|x| *x /= norm);
    }
    (0..size * dim).map(|at| columns[at % dim * size + at / dim] * lengths[at % dim]).collect()
}

/// Lengths of points that are uniform in a ball of `dim` dimensions, the longest first for the row that is longest.
pub(super) fn ball_norms(points: &Points, dim: f64, normal: &mut Normal) -> Vec<f64> {
    let mut radii: Vec<f64> = (0..points.size).map(|_| normal.unit().powf(1.0 / dim)).collect();
    radii.sort_by(f64::total_cmp);
    let norms = points.norms();
    let mut rows: Vec<usize> = (0..points.size).collect();
    rows.sort_by(|&i, &j| norms[i].total_cmp(&norms[j]));
    let scale = (sum_of_squares(&norms) / sum_of_squares(&radii)).sqrt();
    let mut wanted = norms;
    for (row, radius) in rows.into_iter().zip(radii) {
        wanted[row] = scale * radius;
    }
    wanted
}

fn sum_of_squares(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}

/// The same, moved to where the rows have these norms as well, by going to and fro between the two conditions.
pub(super) fn same_norms(mut points: Points, lengths: &[f64], norms: &[f64]) -> Points {
    let (size, dim) = (points.size, points.dim);
    let mut columns = vec![0.0; size * dim];
    for _ in 0..ROUNDS {
        for (i, &norm) in norms.iter().enumerate() {
            let row = points.row(i);
            let length = sum_of_squares(row).sqrt();
            for (k, x) in row.iter().enumerate() {
                columns[k * size + i] = if length > 0.0 { x * norm / length } else { 0.0 };
            }
        }
        points.values = orthonormal(&mut columns, size, lengths);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_keep_the_spectrum_and_the_norms() {
        let lengths = [3.0, 2.0, 1.5, 0.5];
        let norms: Vec<f64> =
            (0..9).map(|i| (15.5_f64 / 9.0).sqrt() * if i % 2 == 0 { 1.1 } else { 0.85 }).collect();
        let scale = (15.5 / norms.iter().map(|x| x * x).sum::<f64>()).sqrt();
        let norms: Vec<f64> = norms.iter().map(|x| x * scale).collect();
        for draw in 0..20 {
            let points = same_spectrum(9, &lengths, &mut Normal::new([1, 2, 3, draw]));
            for points in [points.clone(), same_norms(points, &lengths, &norms)] {
                for (a, length) in lengths.iter().enumerate() {
                    assert!(points.column(a).sum::<f64>().abs() < 1e-9);
                    for b in 0..4 {
                        let product: f64 = points.column(a).zip(points.column(b)).map(|(x, y)| x * y).sum();
                        let wanted = if a == b { length * length } else { 0.0 };
                        assert!((product - wanted).abs() < 1e-9, "{a} {b} {product}");
                    }
                }
            }
        }
        let points = same_spectrum(9, &lengths, &mut Normal::new([1, 2, 3, 4]));
        for (found, wanted) in same_norms(points, &lengths, &norms).norms().iter().zip(&norms) {
            assert!((found - wanted).abs() < 0.02 * wanted, "{found} {wanted}");
        }
    }
}
