//! Products of all pairs of features, a tile at a time; whoever asked for them reads each tile once.
//!
//! ```text
//!            J ->
//!        +---+---+---+---+
//!     I  | \ |   |   |   |   Of one set of features only tiles with J >= I are multiplied, of two sets all. A tile
//!     |  +---+---+---+---+   serves both its rows and its columns, and it is overwritten by the next one. Nothing
//!     v      | \ |   |   |   of size n x n exists.
//!            +---+---+---+
//!                | \ |   |
//! ```

use super::histogram::Cosine;
use super::lists::{lock, unlocked};
use super::unit::UnitFeatures;
use crate::error::Result;
use crate::matrix::FeatureMatrix;
use crate::products::{Level, Packed, Part};
use crate::run::Run;
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Mutex;

/// Features per block: a tile of cosines and the two tiles of features it comes from fit the caches. A multiple
/// of 96, the rows of the widest micro-kernel, leaves no products to the slower ones.
pub(super) const BLOCK: usize = 480;

/// Features, and beside each of them a row of weights where a second product is wanted.
pub(super) struct Side<'a> {
    pub unit: UnitFeatures<'a>,
    pub weights: Option<FeatureMatrix<'a>>,
}

impl Side<'_> {
    /// Number of blocks of nonzero features.
    pub fn blocks(&self) -> usize {
        self.unit.len().div_ceil(BLOCK)
    }

    /// Positions of one block among the nonzero features.
    pub fn block(&self, b: usize) -> Range<usize> {
        b * BLOCK..self.unit.len().min((b + 1) * BLOCK)
    }

    /// Numbers in a row of weights.
    fn width(&self) -> usize {
        self.weights.map_or(0, |weights| weights.m())
    }

    /// Read one unit feature and its weights, given by position, in `f64`.
    pub fn row(&self, position: usize, feature: &mut Vec<f64>, weights: &mut Vec<f64>) {
        self.unit.row(position, feature);
        if let Some(matrix) = &self.weights {
            weights.resize(matrix.m(), 0.0);
            self.unit.read_beside(matrix, position..position + 1, weights);
        }
    }

    /// Pack a block of unit features, and their weights where there are any, in place of another block.
    fn pack<T: Cosine>(&self, b: usize, into: &mut Block<T>) {
        let block = self.block(b);
        let positions = |rows: Range<usize>| block.start + rows.start..block.start + rows.end;
        into.b = b;
        into.features
            .fill(block.len(), self.unit.m(), |rows, values| self.unit.read(positions(rows), values));
        if let Some(matrix) = &self.weights {
            into.weights.fill(block.len(), matrix.m(), |rows, values| {
                self.unit.read_beside(matrix, positions(rows), values);
            });
        }
    }
}

/// A block of features, packed, and of weights where there are any.
#[derive(Default)]
struct Block<T> {
    b: usize,
    features: Packed<T>,
    weights: Packed<T>,
}

/// The products of a block of rows with a block of columns, row by row.
pub(super) struct Tile<'a, T> {
    cosines: &'a [T],
    /// Products of the weights, empty where there are none.
    weights: &'a [T],
    pub b: usize,
    pub rows: Range<usize>,
    pub c: usize,
    pub columns: Range<usize>,
    /// Whether rows and columns are the same features, so that each pair is met twice.
    pub diagonal: bool,
}

impl<T> Tile<'_, T> {
    /// Cosines of row i of the tile with its columns; on the diagonal only those after column i are meant.
    #[inline(always)]
    pub fn cosines(&self, i: usize) -> &[T] {
        &self.cosines[i * BLOCK..][..self.columns.len()]
    }

    /// Products of the weights, likewise.
    #[inline(always)]
    pub fn weights(&self, i: usize) -> &[T] {
        &self.weights[i * BLOCK..][..self.columns.len()]
    }
}

/// What is made of the tiles.
pub(super) trait Reader<T>: Sync {
    /// What one block of rows collects on its own.
    type Tally: Send;
    fn tally(&self) -> Self::Tally;
    fn merged(a: Self::Tally, b: &Self::Tally) -> Self::Tally;
    /// Compiled once more for each set of vector instructions, of which wheels assume the least: to be inlined.
    fn read(&self, tile: &Tile<'_, T>, tally: &mut Self::Tally);
}

/// What one thread works with: the tile that it multiplies, and what it counted so far.
struct Bench<T, R> {
    cosines: Vec<T>,
    weights: Vec<T>,
    tally: R,
}

/// Bytes of packed blocks of one side: far more than one tile's, so that packing costs little beside the products.
const SLAB: usize = 32 << 20;

/// Most packed blocks of one side: of 256 tiles 1 % of the time goes into packing.
const MOST_BLOCKS: usize = 16;

/// Blocks that are packed together: enough of them that every thread has tiles.
fn slab(width: usize, size: usize, threads: usize) -> usize {
    (SLAB / (BLOCK * width * size).max(1)).clamp(threads.min(MOST_BLOCKS), MOST_BLOCKS)
}

/// Memory of [`multiply`] as [`fits`](crate::run::fits) wants it: for at most `n` features of a side, features and
/// weights of `width` numbers together, and as many products of a pair as `products` says.
pub(super) fn memory<T: Cosine>(n: usize, width: usize, products: usize, threads: usize) -> [[usize; 3]; 3] {
    let size = size_of::<T>();
    let blocks = n.div_ceil(BLOCK).min(slab(width, size, threads));
    [
        [2 * blocks * BLOCK.min(n.next_multiple_of(T::WIDTH)), width, size],
        [2 * blocks, T::WIDTH * width, size],
        [threads, products * BLOCK.min(n + T::WIDTH), BLOCK * size],
    ]
}

/// Multiply all pairs of `left` with `right`, or of `left` with itself, and hand the tiles to `reader`.
pub(super) fn multiply<T: Cosine, R: Reader<T>>(
    left: &Side<'_>,
    right: Option<&Side<'_>>,
    reader: &R,
    run: &Run,
) -> Result<R::Tally> {
    at_level(left, right, reader, Level::current()?, run)
}

fn at_level<T: Cosine, R: Reader<T>>(
    left: &Side<'_>,
    right: Option<&Side<'_>>,
    reader: &R,
    level: Level,
    run: &Run,
) -> Result<R::Tally> {
    let (own, weighted) = (right.is_none(), left.weights.is_some());
    let right = right.unwrap_or(left);
    let (rows_in, columns_in) = (left.blocks(), right.blocks());
    let tiles = if own { rows_in * (rows_in + 1) / 2 } else { rows_in * columns_in };
    run.control().expect(tiles as u64);
    let (kernel, arch) = (T::kernel(level), Arch::new());
    let side = slab(left.unit.m() + left.width(), size_of::<T>(), run.pool().current_num_threads());
    let slabs = |blocks: usize| (0..blocks).step_by(side).map(move |first| first..blocks.min(first + side));
    let pack = |side: &Side<'_>, blocks: Range<usize>, into: &mut Vec<Block<T>>| {
        into.resize_with(blocks.len(), Block::default);
        into.par_iter_mut().zip(blocks).with_max_len(1).for_each(|(into, b)| side.pack(b, into));
    };
    let idle: Mutex<Vec<Bench<T, R::Tally>>> = Mutex::new(Vec::new());
    let products = BLOCK.min(left.unit.len().next_multiple_of(T::WIDTH)) * BLOCK;
    let tile = |row: &Block<T>, column: &Block<T>| {
        let mut bench = lock(&idle).pop().unwrap_or_else(|| Bench {
            cosines: vec![T::default(); products],
            weights: vec![T::default(); if weighted { products } else { 0 }],
            tally: reader.tally(),
        });
        let diagonal = own && row.b == column.b;
        let part = if diagonal { Part::Upper } else { Part::All };
        row.features.multiply(&column.features, kernel, part, &mut bench.cosines, BLOCK);
        if weighted {
            row.weights.multiply(&column.weights, kernel, part, &mut bench.weights, BLOCK);
        }
        let tile = Tile {
            cosines: &bench.cosines,
            weights: &bench.weights,
            b: row.b,
            rows: left.block(row.b),
            c: column.b,
            columns: right.block(column.b),
            diagonal,
        };
        match level {
            Level::Scalar => reader.read(&tile, &mut bench.tally),
            _ => arch.dispatch(|| reader.read(&tile, &mut bench.tally)),
        }
        lock(&idle).push(bench);
        run.control().advance(1)
    };
    run.pool().install(|| -> Result<()> {
        let (mut columns, mut others) = (Vec::new(), Vec::new());
        for column_slab in slabs(columns_in) {
            pack(right, column_slab.clone(), &mut columns);
            // Of one set the slab meets those before it and itself.
            let rows_in = if own { column_slab.start } else { rows_in };
            for row_slab in slabs(rows_in).map(Some).chain(own.then_some(None)) {
                let rows = match row_slab {
                    Some(blocks) => {
                        pack(left, blocks, &mut others);
                        &others
                    }
                    None => &columns,
                };
                let pairs: Vec<_> = rows
                    .iter()
                    .flat_map(|row| columns.iter().map(move |column| (row, column)))
                    .filter(|(row, column)| !own || row.b <= column.b)
                    .collect();
                pairs.into_par_iter().with_max_len(1).try_for_each(|(row, column)| tile(row, column))?;
            }
        }
        Ok(())
    })?;
    Ok(unlocked(idle)
        .into_iter()
        .map(|bench| bench.tally)
        .fold(reader.tally(), |sum, tally| R::merged(sum, &tally)))
}

#[cfg(test)]
mod tests {
    use super::super::unit::squared_lengths;
    use super::*;
    use crate::matrix::Element;
    use crate::testing::noise;
    use half::{bf16, f16};
    use proptest::prelude::*;

    /// Writes every product down once, and says how often each was met.
    struct Copyist<T> {
        columns: usize,
        products: Mutex<Vec<[T; 2]>>,
    }

    impl<T: Cosine> Reader<T> for Copyist<T> {
        type Tally = u64;

        fn tally(&self) -> u64 {
            0
        }

        fn merged(a: u64, b: &u64) -> u64 {
            a + b
        }

        fn read(&self, tile: &Tile<'_, T>, tally: &mut u64) {
            let mut products = lock(&self.products);
            for (i, row) in tile.rows.clone().enumerate() {
                for (j, column) in
                    tile.columns.clone().enumerate().skip(if tile.diagonal { i + 1 } else { 0 })
                {
                    let weight = if tile.weights.is_empty() { T::default() } else { tile.weights(i)[j] };
                    products[row * self.columns + column] = [tile.cosines(i)[j], weight];
                    *tally += 1;
                }
            }
        }
    }

    fn all<T: Cosine>(
        left: &Side<'_>,
        right: Option<&Side<'_>>,
        level: Level,
        threads: usize,
    ) -> Vec<[T; 2]> {
        let (rows, columns) = (left.unit.len(), right.unwrap_or(left).unit.len());
        let copyist = Copyist { columns, products: Mutex::new(vec![[T::default(); 2]; rows * columns]) };
        let met = at_level(left, right, &copyist, level, &Run::quiet(threads).expect("threads"));
        let expected = if right.is_some() { rows * columns } else { rows * (rows - 1) / 2 };
        assert_eq!(met.expect("not interrupted"), expected as u64);
        unlocked(copyist.products)
    }

    /// Bytes of values of an element type, and what they are after rounding to it.
    fn stored(values: &[f64], element: Element) -> (Vec<u8>, Vec<f64>) {
        let (mut bytes, mut rounded) = (Vec::new(), Vec::new());
        for &value in values {
            match element {
                Element::F64 => bytes.extend(value.to_ne_bytes()),
                Element::F32 => bytes.extend((value as f32).to_ne_bytes()),
                Element::F16 => bytes.extend(f16::from_f64(value).to_ne_bytes()),
                Element::BF16 => bytes.extend(bf16::from_f64(value).to_ne_bytes()),
            }
            rounded.push(match element {
                Element::F64 => value,
                Element::F32 => f64::from(value as f32),
                Element::F16 => f16::from_f64(value).to_f64(),
                Element::BF16 => bf16::from_f64(value).to_f64(),
            });
        }
        (bytes, rounded)
    }

    /// Every level's products against `f64`; levels that fuse, and numbers of threads, to the bit.
    fn agree<T: Cosine>(n: [usize; 2], m: usize, width: usize, element: Element, seed: u64) {
        let mut state = seed | 1;
        let mut random =
            |count: usize| stored(&(0..count).map(|_| noise(&mut state)).collect::<Vec<_>>(), element);
        let features = [random(n[0] * m), random(n[1] * m)];
        let weights = [random(n[0] * width), random(n[1] * width)];
        let view = |bytes: &'_ [u8], rows: usize, columns: usize| {
            let size = element.size() as isize;
            // SAFETY: rows times columns values, borrowed for as long as they are looked at.
            unsafe {
                FeatureMatrix::from_raw(
                    bytes.as_ptr(),
                    [rows, columns],
                    [columns as isize * size, size],
                    element,
                )
            }
            .expect("shape")
        };
        let side = |which: usize| {
            let x = view(&features[which].0, n[which], m);
            let squares = squared_lengths(&x, &Run::quiet(1).expect("threads")).expect("finite");
            let weights = (width > 0).then(|| view(&weights[which].0, n[which], width));
            Side { unit: UnitFeatures::new(&x, &squares), weights }
        };
        let (left, right) = (side(0), side(1));
        let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let epsilon = if T::SINGLE { f64::from(f32::EPSILON) } else { f64::EPSILON };
        for second in [None, Some(&right)] {
            let widest = all::<T>(&left, second, Level::available()[0], 1);
            for level in Level::available() {
                let found = all::<T>(&left, second, level, 2);
                assert!(found == all::<T>(&left, second, level, 3), "{level:?}");
                assert!(level == Level::Scalar || found == widest, "{level:?}");
                let (other, own) = (usize::from(second.is_some()), second.is_none());
                let columns = second.unwrap_or(&left).unit.len();
                for (at, product) in found.iter().enumerate() {
                    let (i, j) = (at / columns, at % columns);
                    if own && j <= i {
                        continue;
                    }
                    let row = |which: usize, k: usize| &features[which].1[k * m..(k + 1) * m];
                    let (a, b) =
                        (row(0, left.unit.active[i]), row(other, second.unwrap_or(&left).unit.active[j]));
                    let cosine = inner(a, b) / (inner(a, a) * inner(b, b)).sqrt();
                    // Half a unit for every term, and for the entries, which are rounded and divided by a norm.
                    let bound = (m + 16) as f64 * epsilon / 2.0;
                    assert!((product[0].into() - cosine).abs() <= bound, "{level:?} {i} {j}");
                    let row = |which: usize, k: usize| &weights[which].1[k * width..(k + 1) * width];
                    let (a, b) =
                        (row(0, left.unit.active[i]), row(other, second.unwrap_or(&left).unit.active[j]));
                    let size = a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum::<f64>();
                    let bound = (width + 2) as f64 * epsilon / 2.0 * size;
                    assert!((product[1].into() - inner(a, b)).abs() <= bound, "{level:?} {i} {j}");
                }
            }
        }
    }

    fn of(n: [usize; 2], m: usize, width: usize, element: Element, seed: u64) {
        match element {
            Element::F64 => agree::<f64>(n, m, width, element, seed),
            _ => agree::<f32>(n, m, width, element, seed),
        }
    }

    const ELEMENTS: [Element; 4] = [Element::F64, Element::F32, Element::F16, Element::BF16];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_level_gives_the_products(
            n in 2_usize..70, p in 1_usize..70, m in 1_usize..300, width in 0_usize..5, seed in any::<u64>(),
            element in 0_usize..4,
        ) {
            of([n, p], m, width, ELEMENTS[element], seed);
        }
    }

    #[test]
    fn many_blocks_and_slabs_give_the_products() {
        of([BLOCK + 50, 2 * BLOCK + 1], 3, 2, Element::F64, 1);
        of([BLOCK + 49, BLOCK - 1], 131, 0, Element::F32, 2);
        assert_eq!((slab(768, 4, 2), slab(16384, 4, 2), slab(16384, 4, 64)), (16, 2, 16));
    }
}
