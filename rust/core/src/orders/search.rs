//! The order of points on a cycle or a path that their inner products fit best, and their best partition.

/// A swap has to raise the correlation by more than this, which is above rounding of a sum of 4000 products.
const LEAST_GAIN: f64 = 1e-12;

/// Inner products of `s` points above the diagonal, shifted and scaled to mean 0 and square sum 1; a symmetric matrix
/// with zero diagonal. The inner product of two such matrices over pairs is the correlation of what they were made from.
#[derive(Clone, Debug)]
pub struct Products {
    size: usize,
    values: Vec<f64>,
}

impl Products {
    /// Of the entries above the diagonal of a row-major square. All zero where the entries are equal.
    pub fn new(size: usize, mut values: Vec<f64>) -> Self {
        let pairs = (size * (size - 1) / 2).max(1) as f64;
        let above = |values: &[f64], of: &dyn Fn(f64) -> f64| -> f64 {
            (0..size)
                .map(|i| values[i * size + i + 1..(i + 1) * size].iter().map(|&x| of(x)).sum::<f64>())
                .sum()
        };
        let mean = above(&values, &|x| x) / pairs;
        let scale = above(&values, &|x| (x - mean) * (x - mean)).sqrt();
        for i in 0..size {
            values[i * size + i] = 0.0;
            for j in i + 1..size {
                let value = if scale > 0.0 { (values[i * size + j] - mean) / scale } else { 0.0 };
                values[i * size + j] = value;
                values[j * size + i] = value;
            }
        }
        Self { size, values }
    }

    /// Number of points.
    pub fn size(&self) -> usize {
        self.size
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.size..(i + 1) * self.size]
    }

    fn in_order(&self, order: &[usize]) -> Self {
        let values = order.iter().flat_map(|&i| order.iter().map(move |&j| self.row(i)[j])).collect();
        Self { size: self.size, values }
    }

    fn swap(&mut self, a: usize, b: usize) {
        let n = self.size;
        for k in 0..n {
            self.values.swap(a * n + k, b * n + k);
        }
        for k in 0..n {
            self.values.swap(k * n + a, k * n + b);
        }
    }

    fn correlation(&self, other: &Self) -> f64 {
        self.values.iter().zip(&other.values).map(|(x, y)| x * y).sum::<f64>() / 2.0
    }

    /// Best correlation with the indicator of a partition, over the cuts of average linkage.
    pub fn partition(&self) -> f64 {
        let n = self.size;
        let pairs = (n * (n - 1) / 2) as f64;
        // Sums of products between clusters; a cluster is known by its first point.
        let mut between = self.values.clone();
        let mut sizes = vec![1.0_f64; n];
        let mut alive: Vec<usize> = (0..n).collect();
        let (mut within, mut together, mut best) = (0.0, 0.0, f64::NEG_INFINITY);
        while alive.len() > 2 {
            let mut nearest = (f64::NEG_INFINITY, 0, 0);
            for (x, &a) in alive.iter().enumerate() {
                for (y, &b) in alive.iter().enumerate().skip(x + 1) {
                    let mean = between[a * n + b] / (sizes[a] * sizes[b]);
                    if mean > nearest.0 {
                        nearest = (mean, x, y);
                    }
                }
            }
            let (a, b) = (alive[nearest.1], alive.remove(nearest.2));
            within += between[a * n + b];
            together += sizes[a] * sizes[b];
            best = best.max(within / (together * (1.0 - together / pairs)).sqrt());
            sizes[a] += sizes[b];
            for &c in &alive {
                let sum = between[a * n + c] + between[b * n + c];
                between[a * n + c] = sum;
                between[c * n + a] = sum;
            }
        }
        best
    }
}

/// What inner products on a cycle or a path would be: they fall off as exp(-steps / 2).
#[derive(Clone, Debug)]
pub struct Kernel(Products);

impl Kernel {
    /// Of a cycle.
    pub fn cycle(size: usize) -> Self {
        Self::new(size, |a, b| a.abs_diff(b).min(size - a.abs_diff(b)))
    }

    /// Of a path.
    pub fn path(size: usize) -> Self {
        Self::new(size, usize::abs_diff)
    }

    fn new(size: usize, steps: impl Fn(usize, usize) -> usize) -> Self {
        let falls = |a, b| (-(steps(a, b) as f64) / 2.0).exp();
        Self(Products::new(size, (0..size * size).map(|at| falls(at / size, at % size)).collect()))
    }

    /// Order points by swapping two places while that raises the correlation, the best swap of all first.
    ///
    /// Returns the correlation and changes `order`. Costs `s^3` operations, and `s^2` per swap (Taillard 1991).
    pub fn fit(&self, points: &Products, order: &mut [usize]) -> f64 {
        let n = points.size();
        let mut placed = points.in_order(order);
        let mut gains = vec![0.0; n * n];
        for a in 0..n {
            for b in a + 1..n {
                gains[a * n + b] = self.gain(&placed, a, b);
            }
        }
        loop {
            let mut best = (LEAST_GAIN, 0, 0);
            for a in 0..n {
                for (b, &gain) in gains[a * n..(a + 1) * n].iter().enumerate().skip(a + 1) {
                    if gain > best.0 {
                        best = (gain, a, b);
                    }
                }
            }
            let (_, u, v) = best;
            if u == v {
                return placed.correlation(&self.0);
            }
            self.after_swap(&placed, [u, v], &mut gains);
            placed.swap(u, v);
            order.swap(u, v);
            for k in 0..n {
                for place in [u, v] {
                    if k != place {
                        let (a, b) = (k.min(place), k.max(place));
                        gains[a * n + b] = self.gain(&placed, a, b);
                    }
                }
            }
        }
    }

    /// What a swap of `u` and `v` changes in the gains of all other pairs.
    fn after_swap(&self, placed: &Products, [u, v]: [usize; 2], gains: &mut [f64]) {
        let n = placed.size();
        let (gu, gv, ku, kv) = (placed.row(u), placed.row(v), self.0.row(u), self.0.row(v));
        let apart: Vec<[f64; 2]> = (0..n).map(|a| [gv[a] - gu[a], kv[a] - ku[a]]).collect();
        for (a, &[ga, ka]) in apart.iter().enumerate() {
            for (gain, &[gb, kb]) in gains[a * n..(a + 1) * n].iter_mut().zip(&apart).skip(a + 1) {
                *gain += (ga - gb) * (ka - kb);
            }
        }
    }

    /// What swapping two places adds to the correlation.
    fn gain(&self, placed: &Products, a: usize, b: usize) -> f64 {
        let (ga, gb, ka, kb) = (placed.row(a), placed.row(b), self.0.row(a), self.0.row(b));
        let term = |k: usize| (ga[k] - gb[k]) * (kb[k] - ka[k]);
        let mut sums = [0.0; 4];
        let whole = ga.len() / 4 * 4;
        for k in (0..whole).step_by(4) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum += term(k + lane);
            }
        }
        let all = sums.iter().sum::<f64>() + (whole..ga.len()).map(term).sum::<f64>();
        // The places themselves keep their own inner product.
        all - term(a) - term(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn products(size: usize, of: impl Fn(usize, usize) -> f64) -> Products {
        Products::new(size, (0..size * size).map(|at| of(at / size, at % size)).collect())
    }

    #[test]
    fn a_shuffled_circle_is_put_in_order() {
        let size = 11;
        let place = |i: usize| (i * 4 % size) as f64 * std::f64::consts::TAU / size as f64;
        let points = products(size, |i, j| (place(i) - place(j)).cos());
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&i, &j| place(i).total_cmp(&place(j)));
        let begun = order.clone();
        let value = Kernel::cycle(size).fit(&points, &mut order);
        assert_eq!(order, begun);
        assert!(value > 0.9);
        order.swap(2, 7);
        assert!((Kernel::cycle(size).fit(&points, &mut order) - value).abs() < 1e-12);
    }

    #[test]
    fn a_gain_is_what_the_correlation_grows_by() {
        let points = products(7, |i, j| ((i * j + i + j) as f64).sin());
        let kernel = Kernel::path(7);
        let placed = points.in_order(&[3, 1, 4, 0, 5, 2, 6]);
        for (a, b) in [(0, 1), (2, 6), (4, 5)] {
            let mut swapped = placed.clone();
            swapped.swap(a, b);
            let grown = swapped.correlation(&kernel.0) - placed.correlation(&kernel.0);
            assert!((kernel.gain(&placed, a, b) - grown).abs() < 1e-12);
        }
    }

    #[test]
    fn two_clusters_are_a_partition() {
        let points = products(6, |i, j| f64::from(u8::from((i < 2) == (j < 2))));
        assert!((points.partition() - 1.0).abs() < 1e-12);
    }
}
