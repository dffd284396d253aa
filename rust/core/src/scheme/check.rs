//! Are these labels a coherent configuration? If not, why not?

use super::certificate::{certify, error_bound};
use super::classes::classes;
use super::exact::{FEW, verify};
use super::failure::Failure;
use super::numbers::Numbers;
use super::relations::Relations;
use crate::error::{Error, Result};
use crate::run::Run;

/// How the products of classes are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Every entry of every product up to 64 points, the randomised certificate above.
    Usual,
    /// Every entry of every product.
    Exact,
    /// The randomised certificate alone.
    Certificate,
}

/// How labels are checked.
#[derive(Debug, Clone, Copy)]
pub struct CheckOptions {
    /// How their products are verified.
    pub proof: Proof,
    /// Rounds of the randomised certificate.
    pub rounds: usize,
    /// Seed of its words.
    pub seed: u64,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Why the labels are not coherent; `None` if they are.
    pub failure: Option<Failure>,
    /// Fibre class of each point; empty after a failure, as all that follows.
    pub diagonal: Vec<u16>,
    /// Class of the transposed pairs of each class.
    pub transpose: Vec<usize>,
    /// Pairs of each class that begin at one point of its first fibre.
    pub valencies: Vec<u64>,
    /// `p_ij^k` at `(i r + j) r + k`.
    pub numbers: Vec<i64>,
    /// Upper bound on the probability that incoherent labels are accepted; zero when every product was verified.
    pub error_bound: f64,
}

/// Check labels, as `options` say: exactly, or by the randomised certificate.
///
/// Costs `2 n^2` additions a round, `O(n^2)` for the exact pass before it, and `O(n r + r^3)` memory. Coherent
/// labels are never refused, and every failure is exact.
///
/// # Errors
/// [`Error::Parameter`] for no rounds or a class without pairs; [`Error::Memory`]; [`Error::Interrupted`].
pub fn check<R: Relations + ?Sized>(relations: &R, options: &CheckOptions, run: &Run) -> Result<Checked> {
    if options.rounds == 0 {
        return Err(Error::Parameter("rounds must be at least 1, not 0".into()));
    }
    let n = relations.n();
    let exact = options.proof == Proof::Exact || (options.proof == Proof::Usual && n <= FEW);
    let passes = 2 + if exact { 1 } else { 2 * options.rounds };
    run.control().expect((passes * n) as u64);
    let failed = |failure| Checked {
        failure: Some(failure),
        diagonal: vec![],
        transpose: vec![],
        valencies: vec![],
        numbers: vec![],
        error_bound: 0.0,
    };
    let classes = match classes(relations, run)? {
        Ok(classes) => classes,
        Err(failure) => return Ok(failed(failure)),
    };
    let numbers = Numbers::new(relations, &classes, run)?;
    let failure = if exact {
        verify(relations, &classes, &numbers, run)?
    } else {
        certify(relations, &classes, &numbers, (options.rounds, options.seed), run)?
    };
    if let Some(failure) = failure {
        return Ok(failed(failure));
    }
    Ok(Checked {
        failure: None,
        diagonal: classes.diagonal,
        transpose: classes.transpose,
        valencies: classes.valencies,
        numbers: numbers.into_values(),
        error_bound: if exact { 0.0 } else { error_bound(n, options.rounds) },
    })
}

/// Whether labels are an association scheme: coherent, with a diagonal of one class.
///
/// By one round of the certificate: a scheme is never refused, and other labels are accepted with a probability below
/// 2^-43. Every class is met by every point of a scheme, so that labels with a hole are none.
///
/// # Errors
/// [`Error::Interrupted`].
pub fn is_scheme<R: Relations + ?Sized>(relations: &R, seed: u64, run: &Run) -> Result<bool> {
    let (n, rank) = (relations.n(), relations.rank());
    let (mut row, mut met) = (vec![0_u16; n], vec![false; rank]);
    relations.fill(0..1, 0..n, &mut row);
    row.iter().for_each(|&label| met[usize::from(label)] = true);
    if !met.into_iter().all(|met| met) {
        return Ok(false);
    }
    let options = CheckOptions { proof: Proof::Certificate, rounds: 1, seed };
    let found = check(relations, &options, run)?;
    Ok(found.failure.is_none() && found.diagonal.iter().all(|&fibre| fibre == found.diagonal[0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::{Circulant, Dense, Label};
    use proptest::prelude::*;

    fn one<L: Label>(labels: &[L], n: usize) -> bool {
        is_scheme(&Dense::new(labels, n).expect("labels"), 3, &Run::quiet(2).expect("threads"))
            .expect("labels")
    }

    #[test]
    fn several_fibres_and_holes_are_no_scheme() {
        assert!(one(&[0_u8], 1) && one(&[0_u8, 1, 1, 0], 2));
        // Coherent, with two fibres.
        assert!(!one(&[0_u8, 1, 1, 2], 2) && judge(&[0_u8, 1, 1, 2], 2, true).failure.is_some());
        assert!(!one(&[0_u8, 2, 3, 1], 2) && judge(&[0_u8, 2, 3, 1], 2, true).failure.is_none());
        // No pair is in class 1.
        assert!(!one(&[0_u8, 2, 2, 0], 2));
    }

    fn judge<L: Label>(labels: &[L], n: usize, exact: bool) -> Checked {
        let relations = Dense::new(labels, n).expect("labels");
        let options =
            CheckOptions { proof: if exact { Proof::Exact } else { Proof::Usual }, rounds: 1, seed: 3 };
        check(&relations, &options, &Run::quiet(2).expect("threads")).expect("no hole")
    }

    /// Both ways, by what is common to them: the certificate alone for few points too.
    fn certified(labels: &[u8], n: usize) -> bool {
        let run = Run::quiet(2).expect("threads");
        let relations = Dense::new(labels, n).expect("labels");
        let Ok(classes) = classes(&relations, &run).expect("no hole") else { return false };
        let numbers = Numbers::new(&relations, &classes, &run).expect("not interrupted");
        certify(&relations, &classes, &numbers, (1, 5), &run).expect("not interrupted").is_none()
    }

    /// Distances of the words of `d` letters out of `q`.
    fn hamming(d: u32, q: usize) -> (Vec<u8>, usize) {
        let n = q.pow(d);
        let distance = |mut x: usize, mut y: usize| {
            (0..d).fold(0, |sum, _| {
                let differ = u8::from(x % q != y % q);
                (x, y) = (x / q, y / q);
                sum + differ
            })
        };
        ((0..n * n).map(|place| distance(place / n, place % n)).collect(), n)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_flipped_pair_is_refused_both_ways(d in 2_u32..4, q in 2_usize..6, a in any::<usize>(), b in any::<usize>()) {
            let (mut labels, n) = hamming(d, q);
            prop_assert!(certified(&labels, n) && judge(&labels, n, true).failure.is_none());
            let (x, y) = (a % n, b % n);
            prop_assume!(x != y && n > 4);
            let other = labels[x * n + y] % u8::try_from(d).expect("small") + 1;
            for place in [x * n + y, y * n + x] {
                labels[place] = other;
            }
            prop_assert!(!certified(&labels, n) && judge(&labels, n, true).failure.is_some());
        }

        #[test]
        fn a_switch_that_keeps_valencies_is_judged_the_same_both_ways(
            d in 2_u32..4, q in 2_usize..6, pick in any::<[u16; 4]>(),
        ) {
            let (mut labels, n) = hamming(d, q);
            let [a, b, c, e] = pick.map(|point| usize::from(point) % n);
            let at = |x: usize, y: usize| x * n + y;
            let (i, j) = (labels[at(a, b)], labels[at(a, e)]);
            let distinct = a != b && a != c && a != e && b != c && b != e && c != e;
            prop_assume!(distinct && i != j && labels[at(c, e)] == i && labels[at(c, b)] == j);
            for (x, y, label) in [(a, b, j), (c, e, j), (a, e, i), (c, b, i)] {
                labels[at(x, y)] = label;
                labels[at(y, x)] = label;
            }
            prop_assert_eq!(certified(&labels, n), judge(&labels, n, true).failure.is_none());
        }

        #[test]
        fn random_labels_are_judged_the_same_both_ways(
            n in 1_usize..6, colours in 1_u8..3, bits in any::<u64>(), symmetric: bool,
        ) {
            let mut words = super::super::random::Words::new(bits);
            let mut labels = vec![0_u8; n * n];
            for x in 0..n {
                for y in (0..n).filter(|&y| y != x) {
                    labels[x * n + y] = 1 + u8::try_from(words.next() % u64::from(colours)).expect("small");
                    if symmetric && y < x {
                        labels[x * n + y] = labels[y * n + x];
                    }
                }
            }
            prop_assume!((0..*labels.iter().max().expect("a point")).all(|label| labels.contains(&label)));
            let exact = judge(&labels, n, true).failure.is_none();
            prop_assert_eq!(certified(&labels, n), exact);
            prop_assert_eq!(one(&labels, n), exact);
        }

        #[test]
        fn circulant_relations_are_those_of_their_matrix(
            row in proptest::collection::vec(1_u16..4, 0..90), symmetric: bool,
        ) {
            let mut row: Vec<u16> = std::iter::once(0).chain(row).collect();
            let n = row.len();
            for k in 1..n {
                if symmetric {
                    row[n - k] = row[k];
                }
            }
            let most = *row.iter().max().expect("a point");
            prop_assume!((0..most).all(|label| row.contains(&label)));
            let labels: Vec<u16> = (0..n * n).map(|place| row[(place % n + n - place / n) % n]).collect();
            let options = CheckOptions { proof: Proof::Usual, rounds: 1, seed: 3 };
            let run = Run::quiet(2).expect("threads");
            let found = check(&Circulant::new(&row).expect("labels"), &options, &run).expect("no hole");
            prop_assert_eq!(found, judge(&labels, n, false));
        }
    }

    #[test]
    fn a_cancelled_check_stops() {
        let (labels, n) = hamming(4, 3);
        let run = Run::quiet(1).expect("threads");
        run.control().cancel();
        let options = CheckOptions { proof: Proof::Usual, rounds: 1, seed: 0 };
        let relations = Dense::new(&labels, n).expect("labels");
        assert_eq!(check(&relations, &options, &run), Err(Error::Interrupted));
    }

    #[test]
    fn a_hole_in_the_labels_is_refused() {
        let relations = Dense::new(&[0_u8, 2, 2, 0], 2).expect("labels");
        let options = CheckOptions { proof: Proof::Usual, rounds: 1, seed: 0 };
        let found = check(&relations, &options, &Run::quiet(1).expect("threads"));
        assert!(matches!(found, Err(Error::Parameter(text)) if text.contains("none is 1")));
    }
}
