//! Which of some points takes which place of a geometry, from cosines alone.

/// One beginning: the places of the points that have one, and the squared distance so far.
struct Beginning {
    places: Vec<usize>,
    cost: f64,
}

/// `order` for which `cosines[order][:, order]` has a small squared distance from `ideal`, both `n x n` and row by row.
///
/// A beam search that keeps `width` beginnings. The first point takes place 0, as some automorphism of the geometry makes
/// it so where they are transitive; the point to go on with is the one whose cosines with those placed are the largest
/// in absolute value. Costs `n^3 width` operations and `2 n width` numbers.
///
/// # Panics
/// If there is no point, or the matrices are not of one size.
pub fn overlaid(n: usize, cosines: &[f64], ideal: &[f64], width: usize) -> Vec<usize> {
    assert!(n > 0 && cosines.len() == n * n && ideal.len() == n * n, "two matrices of one size");
    let mut sequence = vec![0];
    let mut strength: Vec<f64> = cosines.chunks_exact(n).map(|row| row[0].abs()).collect();
    strength[0] = -1.0;
    let mut beginnings = vec![Beginning { places: vec![0], cost: 0.0 }];
    let mut costs = vec![0.0; n];
    let mut extended: Vec<(f64, usize)> = Vec::with_capacity(width * n);
    for _ in 1..n {
        let point = (1..n).fold(0, |best, at| if strength[at] > strength[best] { at } else { best });
        let row = &cosines[point * n..][..n];
        extended.clear();
        for (number, beginning) in beginnings.iter().enumerate() {
            costs.fill(0.0);
            for (&place, &other) in beginning.places.iter().zip(&sequence) {
                for (cost, value) in costs.iter_mut().zip(&ideal[place * n..][..n]) {
                    *cost += (value - row[other]) * (value - row[other]);
                }
            }
            for &place in &beginning.places {
                costs[place] = f64::INFINITY;
            }
            let free = costs.iter().enumerate().filter(|(_, cost)| cost.is_finite());
            extended.extend(free.map(|(place, cost)| (beginning.cost + cost, number * n + place)));
        }
        // Of equal costs the first, so that the result is always the same.
        let nearer = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if extended.len() > width {
            extended.select_nth_unstable_by(width, nearer);
            extended.truncate(width);
        }
        extended.sort_unstable_by(nearer);
        let longer = |&(cost, at): &(f64, usize)| {
            let places = beginnings[at / n].places.iter().copied().chain([at % n]).collect();
            Beginning { places, cost }
        };
        beginnings = extended.iter().map(longer).collect();
        sequence.push(point);
        strength[point] = -1.0;
        for (at, strength) in strength.iter_mut().enumerate().filter(|(_, strength)| **strength >= 0.0) {
            *strength = strength.max(cosines[at * n + point].abs());
        }
    }
    let mut order = vec![0; n];
    for (&place, point) in beginnings[0].places.iter().zip(sequence) {
        order[place] = point;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    /// Cosines of a heptagon.
    fn heptagon() -> Vec<f64> {
        let step = std::f64::consts::TAU / 7.0;
        (0..49_i32).map(|at| (f64::from(at / 7 - at % 7) * step).cos()).collect()
    }

    #[test]
    fn a_hidden_order_is_found_through_noise() {
        let ideal = heptagon();
        let mut state = 5;
        for hidden in [[3, 1, 4, 0, 5, 2, 6], [6, 5, 4, 3, 2, 1, 0]] {
            let mut cosines = vec![0.0; 49];
            for i in 0..7 {
                for j in 0..=i {
                    let value = ideal[hidden[i] * 7 + hidden[j]] + 0.1 * noise(&mut state);
                    (cosines[i * 7 + j], cosines[j * 7 + i]) = (value, value);
                }
            }
            let order = overlaid(7, &cosines, &ideal, 16);
            for i in 0..7 {
                for j in 0..7 {
                    assert!((cosines[order[i] * 7 + order[j]] - ideal[i * 7 + j]).abs() < 0.06);
                }
            }
        }
    }

    #[test]
    fn one_point_has_one_order() {
        assert_eq!(overlaid(1, &[1.0], &[1.0], 4), [0]);
    }

    #[test]
    fn a_wide_beam_is_the_best_of_all_orders() {
        let ideal: Vec<f64> = (0..16).map(|at| if at / 4 == at % 4 { 1.0 } else { -1.0 / 3.0 }).collect();
        let mut square = ideal.clone();
        for (i, j) in [(0, 2), (2, 0), (1, 3), (3, 1)] {
            square[i * 4 + j] = -0.9;
        }
        let mut state = 9;
        for _ in 0..20 {
            let mut cosines = vec![1.0; 16];
            for i in 0..4 {
                for j in 0..i {
                    let value = noise(&mut state);
                    (cosines[i * 4 + j], cosines[j * 4 + i]) = (value, value);
                }
            }
            let distance = |order: &[usize]| -> f64 {
                (0..16).map(|at| (cosines[order[at / 4] * 4 + order[at % 4]] - square[at]).powi(2)).sum()
            };
            let found = distance(&overlaid(4, &cosines, &square, 24));
            let orders = (0..256).map(|code| [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6]);
            let proper = orders.filter(|order| (0..4).all(|point| order.contains(&point)));
            let best = proper.map(|order| distance(&order)).fold(f64::INFINITY, f64::min);
            assert!(found <= best + 1e-12, "{found} for {best}");
        }
    }
}
