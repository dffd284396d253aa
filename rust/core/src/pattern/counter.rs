//! Distinct rows counted exactly in a stream: memory grows with what is distinct, not with what was seen.
//!
//! A row is looked up by its fingerprint and then compared word by word with the one copy that is kept of each
//! distinct row, so two rows are one only if they are equal, whatever their fingerprints.

use super::fingerprint::{fingerprint, prefixes, slice_bits};
use super::rows::CodeRows;
use crate::error::{Error, Result};
use crate::run::{Run, fits};
use rayon::prelude::*;
use std::collections::HashSet;

/// Rows between two looks at whether the run is cancelled.
const BLOCK: usize = 1 << 13;

/// Rows whose places are asked for before the first is looked at: memory answers them side by side.
const AHEAD: usize = 32;

/// Low bits of a slot that hold a position, one up so that 0 is empty; the rest are the low bits of the fingerprint.
const POSITION: u32 = 36;

/// Counts of distinct rows.
///
/// Distinct rows stand in the order of their first appearance. Shards are merged by the absolute index of rows:
/// give each the index of its first row, and the result is that of one pass, in whatever order they are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeCounter {
    n_bits: usize,
    mask: u128,
    fingerprint_bits: u32,
    rows: u64,
    next: u64,
    collisions: u64,
    slots: Vec<u64>,
    words: Vec<u64>,
    counts: Vec<u64>,
    first: Vec<u64>,
}

impl CodeCounter {
    /// A counter of rows of `n_bits` bits, the first of which has index `start`. Fewer than 128
    /// `fingerprint_bits` make collisions likely, which tests ask for; the counts stay exact.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `fingerprint_bits` is from 1 to 128.
    pub fn new(n_bits: usize, start: u64, fingerprint_bits: u32) -> Result<Self> {
        if !(1..=128).contains(&fingerprint_bits) {
            return Err(Error::Parameter(format!(
                "fingerprint_bits must be from 1 to 128, not {fingerprint_bits}"
            )));
        }
        Ok(Self {
            n_bits,
            mask: u128::MAX >> (128 - fingerprint_bits),
            fingerprint_bits,
            rows: 0,
            next: start,
            collisions: 0,
            slots: vec![0; 1 << 10],
            words: Vec::new(),
            counts: Vec::new(),
            first: Vec::new(),
        })
    }

    /// A counter from the parts of one that was saved.
    ///
    /// # Errors
    /// [`Error::Header`] when the parts contradict each other.
    pub fn from_parts(
        rows: CodeRows<'_>,
        counts: &[u64],
        first: &[u64],
        next: u64,
        fingerprint_bits: u32,
    ) -> Result<Self> {
        let wrong = |what: &str| Err(Error::Header(format!("not a saved code counter: {what}")));
        if counts.len() != rows.n() || first.len() != rows.n() {
            return wrong("its arrays differ in length");
        }
        if counts.contains(&0) {
            return wrong("a code was never seen");
        }
        if first.iter().any(|&index| index >= next) {
            return wrong("a row came after the last");
        }
        fits(&[[rows.n(), 2 * (rows.width() + 2), 8], [rows.n(), 8, 8]])?;
        let mut counter = Self::new(rows.n_bits(), next, fingerprint_bits)?;
        for (index, (&count, &first)) in counts.iter().zip(first).enumerate() {
            let row = rows.row(index);
            let (position, _) = counter.place(row, fingerprint(row) & counter.mask, first);
            if position != index {
                return wrong("a code stands there twice");
            }
            counter.counts[position] = count;
        }
        match counts.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count)) {
            Some(total) => counter.rows = total,
            None => return wrong("its counts overflow"),
        }
        Ok(counter)
    }

    /// Count every row; gives the position of each among the distinct rows.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of bits, [`Error::Interrupted`]; then whole blocks of rows have been
    /// counted, as [`Self::rows`] tells.
    pub fn update(&mut self, codes: &CodeRows<'_>, run: &Run) -> Result<Vec<u64>> {
        self.fits(codes.n_bits())?;
        fits(&[[codes.n(), 1, 8], [BLOCK, 1, 16]])?;
        let mut inverse = Vec::with_capacity(codes.n());
        run.control().expect(codes.n() as u64);
        let mut prints = Vec::with_capacity(BLOCK.min(codes.n()));
        for start in (0..codes.n()).step_by(BLOCK) {
            let stop = codes.n().min(start + BLOCK);
            self.make_room(stop - start)?;
            let mask = self.mask;
            let print = |row: usize| fingerprint(codes.row(row)) & mask;
            if run.pool().current_num_threads() > 1 {
                run.pool().install(|| (start..stop).into_par_iter().map(print).collect_into_vec(&mut prints));
            } else {
                prints.clear();
                prints.extend((start..stop).map(print));
            }
            for (group, prints) in prints.chunks(AHEAD).enumerate() {
                for &print in prints {
                    self.fetch(print);
                }
                for &print in prints {
                    self.fetch_row(print);
                }
                for (offset, &print) in prints.iter().enumerate() {
                    let row = start + group * AHEAD + offset;
                    let (position, fresh) = self.place(codes.row(row), print, self.next);
                    self.counts[position] += u64::from(!fresh);
                    self.rows += 1;
                    self.next += 1;
                    inverse.push(position as u64);
                }
            }
            run.control().advance((stop - start) as u64)?;
        }
        Ok(inverse)
    }

    /// Add the counts of another shard. Positions change: distinct rows stand again in the order of their first
    /// index (of their bits where two shards claim the same index).
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of bits, [`Error::Interrupted`], which leaves this counter as it was.
    pub fn merge(&mut self, other: &Self, run: &Run) -> Result<()> {
        self.fits(other.n_bits)?;
        // Lists grow by doubling, so two copies of both may be four of each; and the order.
        let [[mine, width, size], [slots, ..]] = self.held();
        let [[theirs, ..], [more, ..]] = other.held();
        fits(&[[4 * (mine + theirs), width + 1, size], [4 * (slots + more), 1, size]])?;
        let mut both = self.clone();
        for (position, (&count, &first)) in other.counts.iter().zip(&other.first).enumerate() {
            if position % BLOCK == 0 {
                run.control().check()?;
            }
            let row = other.row(position);
            let (place, fresh) = both.place(row, fingerprint(row) & both.mask, first);
            both.counts[place] = if fresh { count } else { both.counts[place] + count };
            both.first[place] = both.first[place].min(first);
        }
        let mut order: Vec<usize> = (0..both.counts.len()).collect();
        order.sort_unstable_by_key(|&position| (both.first[position], both.row(position)));
        let mut sorted = Self::new(self.n_bits, self.next.max(other.next), self.fingerprint_bits)?;
        for position in order {
            let row = both.row(position);
            let (place, _) = sorted.place(row, fingerprint(row) & sorted.mask, both.first[position]);
            sorted.counts[place] = both.counts[position];
        }
        sorted.rows = self.rows + other.rows;
        *self = sorted;
        Ok(())
    }

    /// Bits of a row.
    pub fn n_bits(&self) -> usize {
        self.n_bits
    }

    /// Rows counted.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The index that the next row will have.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Bits of fingerprints that are looked at before rows are compared.
    pub fn fingerprint_bits(&self) -> u32 {
        self.fingerprint_bits
    }

    /// Comparisons of rows that agreed in what is kept of their fingerprints and yet differed. They cost time,
    /// nothing else.
    pub fn collisions(&self) -> u64 {
        self.collisions
    }

    /// How often each distinct row was seen.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Index of the first row of each kind.
    pub fn first(&self) -> &[u64] {
        &self.first
    }

    /// The distinct rows, row-major.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Distinct rows of each layer alone, and of each prefix that ends with it. `boundaries` are the ends of the
    /// layers; both come from the distinct rows, since equal rows have equal parts.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the boundaries increase up to the number of bits, [`Error::Interrupted`].
    pub fn layers(&self, boundaries: &[usize], run: &Run) -> Result<(Vec<u64>, Vec<u64>)> {
        if boundaries.last() != Some(&self.n_bits) || !boundaries.is_sorted() {
            return Err(Error::Parameter(format!(
                "layers must end at increasing bits, the last at {}, not at {boundaries:?}",
                self.n_bits
            )));
        }
        // Tables of up to twice as many slots, and while they grow the smaller ones beside them.
        fits(&[
            [self.counts.len() * boundaries.len(), 3 * (16 + 24 + 2) + 16, 1],
            [self.counts.len(), self.n_bits.div_ceil(64) + boundaries.len(), 8],
        ])?;
        let mut seen: Vec<HashSet<u128>> = vec![HashSet::new(); boundaries.len()];
        let mut alone: Vec<HashSet<Vec<u64>>> = vec![HashSet::new(); boundaries.len()];
        for position in 0..self.counts.len() {
            if position % 512 == 0 {
                run.control().check()?;
            }
            let row = self.row(position);
            let mut start = 0;
            for (layer, print) in prefixes(row, boundaries).into_iter().enumerate() {
                seen[layer].insert(print);
                alone[layer].insert(slice_bits(row, start, boundaries[layer]));
                start = boundaries[layer];
            }
        }
        let sizes = |lengths: Vec<usize>| lengths.into_iter().map(|length| length as u64).collect();
        Ok((sizes(alone.iter().map(HashSet::len).collect()), sizes(seen.iter().map(HashSet::len).collect())))
    }

    fn fits(&self, n_bits: usize) -> Result<()> {
        if n_bits == self.n_bits {
            return Ok(());
        }
        Err(Error::Shape(format!("the counter counts rows of {} bits, not of {n_bits}", self.n_bits)))
    }

    /// Get the memory for a number of new distinct rows beforehand: an error between two rows could not be taken back.
    fn make_room(&mut self, rows: usize) -> Result<()> {
        let width = self.n_bits.div_ceil(64);
        let wanted = self.counts.len() + rows;
        let given = self.words.try_reserve(rows * width).is_ok()
            && self.counts.try_reserve(rows).is_ok()
            && self.first.try_reserve(rows).is_ok();
        if !given {
            return Err(Error::Memory { bytes: 2 * (wanted as u128) * (width as u128 + 2) * 8 });
        }
        if wanted * 2 >= self.slots.len() { fits(&[[4 * self.slots.len().max(rows), 1, 8]]) } else { Ok(()) }
    }

    /// Bytes of a copy, as lists for `run::fits`.
    pub fn held(&self) -> [[usize; 3]; 2] {
        [[self.counts.len(), self.n_bits.div_ceil(64) + 2, 8], [self.slots.len(), 1, 8]]
    }

    fn row(&self, position: usize) -> &[u64] {
        let width = self.n_bits.div_ceil(64);
        &self.words[position * width..(position + 1) * width]
    }

    /// Where a row stands among the distinct ones, and whether it is new there.
    fn place(&mut self, row: &[u64], print: u128, index: u64) -> (usize, bool) {
        if self.counts.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let last = self.slots.len() - 1;
        let tag = tag(print);
        let mut at = home(print) & last;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                let position = self.counts.len();
                self.slots[at] = tag | (position as u64 + 1);
                self.words.extend_from_slice(row);
                self.counts.push(1);
                self.first.push(index);
                return (position, true);
            }
            if slot >> POSITION == tag >> POSITION {
                let position = position(slot);
                // Word by word: rows are short, and a call costs more than the comparison.
                if self.row(position).iter().zip(row).all(|(a, b)| a == b) {
                    return (position, false);
                }
                self.collisions += 1;
            }
            at = (at + 1) & last;
        }
    }

    /// A slot's own bits say where it goes in tables of up to `2^28` slots. Taken in their order, slots go to two or
    /// four places that move along with them, which memory serves far quicker than places at random.
    fn grow(&mut self) {
        let size = self.slots.len() * if self.slots.len() < 1 << 20 { 4 } else { 2 };
        let mut slots = vec![0_u64; size];
        for &slot in self.slots.iter().filter(|&&slot| slot != 0) {
            let home = if size >> (u64::BITS - POSITION) <= 1 {
                (slot >> POSITION) as usize
            } else {
                home(fingerprint(self.row(position(slot))) & self.mask)
            };
            let mut at = home & (size - 1);
            while slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            slots[at] = slot;
        }
        self.slots = slots;
    }

    /// Ask for the slot of a fingerprint.
    fn fetch(&self, print: u128) {
        touch(&self.slots, home(print) & (self.slots.len() - 1));
    }

    /// Ask for the row that its slot names.
    fn fetch_row(&self, print: u128) {
        let slot = self.slots[home(print) & (self.slots.len() - 1)];
        if slot != 0 && slot >> POSITION == tag(print) >> POSITION {
            let position = position(slot);
            touch(&self.words, position * self.n_bits.div_ceil(64));
            touch(&self.counts, position);
        }
    }
}

fn home(print: u128) -> usize {
    print as usize
}

fn tag(print: u128) -> u64 {
    (print as u64) << POSITION
}

fn position(slot: u64) -> usize {
    (slot & ((1 << POSITION) - 1)) as usize - 1
}

/// Start to load an entry, without waiting for it.
fn touch<T>(values: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_add(index).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, index);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn few(n: usize, width: usize, kinds: u64, seed: u64) -> Vec<u64> {
        let mut state = seed | 1;
        (0..n)
            .flat_map(|_| {
                crate::testing::noise(&mut state);
                let kind = (state >> 20) % kinds;
                (0..width as u64)
                    .map(move |word| kind.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(word as u32))
            })
            .collect()
    }

    fn parts(counter: &CodeCounter) -> (u64, &[u64], &[u64], &[u64]) {
        (counter.rows(), counter.words(), counter.counts(), counter.first())
    }

    proptest! {
        #[test]
        fn it_counts_as_a_map_does(
            n in 0_usize..400, width in 1_usize..4, kinds in 1_u64..300, seed: u64, print in 1_u32..=128, cut in 0_usize..400,
        ) {
            let words = few(n, width, kinds, seed);
            let bits = width * 64;
            let rows = CodeRows::new(&words, n, bits).expect("shape");
            let mut expected: BTreeMap<&[u64], (u64, u64)> = BTreeMap::new();
            for i in 0..n {
                expected.entry(rows.row(i)).or_insert((0, i as u64)).0 += 1;
            }
            let one = Run::quiet(1).expect("threads");
            let mut counter = CodeCounter::new(bits, 0, print).expect("bits");
            let inverse = counter.update(&rows, &one).expect("runs");
            prop_assert_eq!(counter.counts().len(), expected.len());
            for i in 0..n {
                let position = inverse[i] as usize;
                prop_assert_eq!(counter.row(position), rows.row(i));
                prop_assert_eq!((counter.counts()[position], counter.first()[position]), expected[rows.row(i)]);
            }
            prop_assert!(counter.first().is_sorted());

            // Two shards, merged in either order, and on more threads.
            let cut = cut.min(n);
            let many = Run::quiet(3).expect("threads");
            let (head, tail) = words.split_at(cut * width);
            let shard = |words: &[u64], start: usize| {
                let mut shard = CodeCounter::new(bits, start as u64, print).expect("bits");
                let rows = CodeRows::new(words, words.len() / width, bits).expect("shape");
                shard.update(&rows, &many).expect("runs");
                shard
            };
            let (a, b) = (shard(head, 0), shard(tail, cut));
            for (first, second) in [(&a, &b), (&b, &a)] {
                let mut merged = first.clone();
                merged.merge(second, &many).expect("runs");
                prop_assert_eq!(parts(&merged), parts(&counter));
                prop_assert_eq!(merged.next(), counter.next());
            }
            let kept = CodeRows::new(counter.words(), counter.counts().len(), bits).expect("shape");
            let again = CodeCounter::from_parts(kept, counter.counts(), counter.first(), counter.next(), print);
            let again = again.expect("parts");
            prop_assert_eq!(parts(&again), parts(&counter));
        }
    }

    #[test]
    fn eight_bits_collide_and_change_nothing() {
        let words: Vec<u64> = (0..5000).collect();
        let rows = CodeRows::new(&words, 5000, 64).expect("shape");
        let run = Run::quiet(1).expect("threads");
        let mut counter = CodeCounter::new(64, 0, 8).expect("bits");
        counter.update(&rows, &run).expect("runs");
        counter.update(&rows, &run).expect("runs");
        assert_eq!(counter.counts(), vec![2; 5000]);
        assert!(counter.collisions() > 5000);
    }

    #[test]
    fn layers_are_counted_alone_and_as_prefixes() {
        // Two layers of two bits: (0, 0), (0, 1), (1, 0), (1, 0).
        let words = [0b0000, 0b0100, 0b0001, 0b0001];
        let rows = CodeRows::new(&words, 4, 4).expect("shape");
        let run = Run::quiet(1).expect("threads");
        let mut counter = CodeCounter::new(4, 0, 128).expect("bits");
        counter.update(&rows, &run).expect("runs");
        assert_eq!(counter.layers(&[2, 4], &run).expect("layers"), (vec![2, 2], vec![2, 3]));
        assert!(counter.layers(&[2, 3], &run).is_err());
    }
}
