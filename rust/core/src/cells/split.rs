//! Cutting every cell by the zero lines of one layer.
//!
//! First every edge is cut, once, for both its sides. Then each cell is cut on its own: the new vertices inside it
//! belong to no other, so cells are cut in parallel and put together in order.

use super::Cells;
use crate::error::{Error, Result};
use crate::run::{Run, fits};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Cells, or pieces of one, between two questions for memory and for cancelling.
const ASKED: usize = 1024;

/// Limits: below which a value counts as zero, and on the number of cells.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Values up to this part of the neuron's largest value are zero.
    pub tolerance: f64,
    /// Limit on the number of cells.
    pub most: usize,
}

/// The values of a layer at vertices, and which of them count as negative, zero, positive.
#[derive(Default)]
struct Table {
    points: Vec<[f64; 2]>,
    values: Vec<f64>,
    signs: Vec<i8>,
}

/// A layer: what is needed to judge and to interpolate values.
struct Values<'a> {
    width: usize,
    limits: &'a [f64],
}

impl Values<'_> {
    /// Append the point where `neuron` is zero between two vertices of `from`.
    fn cross(&self, from: [(&Table, usize); 2], neuron: usize, into: &mut Table) {
        let [(one, a), (other, b)] = from;
        let (first, second) = (one.row(a, self.width), other.row(b, self.width));
        let part = first[neuron] / (first[neuron] - second[neuron]);
        let mix = |a: f64, b: f64| if part < 0.5 { a + part * (b - a) } else { b + (1.0 - part) * (a - b) };
        let (p, q) = (one.points[a], other.points[b]);
        into.points.push([mix(p[0], q[0]), mix(p[1], q[1])]);
        let begin = into.values.len();
        into.values.extend(first.iter().zip(second).map(|(&a, &b)| mix(a, b)));
        into.values[begin + neuron] = 0.0;
        let values = &into.values[begin..];
        into.signs.extend(values.iter().zip(self.limits).map(|(&value, &limit)| sign(value, limit)));
    }
}

impl Table {
    fn row(&self, vertex: usize, width: usize) -> &[f64] {
        &self.values[vertex * width..(vertex + 1) * width]
    }

    fn append(&mut self, other: Self) {
        self.points.extend(other.points);
        self.values.extend(other.values);
        self.signs.extend(other.signs);
    }
}

/// What became of one cell. Vertices from `base` on are those of its own table.
struct Pieces {
    polygons: Vec<Vec<u32>>,
    codes: Vec<u64>,
    inside: Table,
    degenerate: u64,
}

fn sign(value: f64, limit: f64) -> i8 {
    if value > limit {
        1
    } else if value < -limit {
        -1
    } else {
        0
    }
}

impl Cells {
    /// Cut by a layer with values `values`, one row of `width` per vertex, affine on every cell.
    ///
    /// Gives the new cells, whose codes have `width` more bits (1 where the value is positive inside), and the
    /// values at their vertices.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NonFinite`], [`Error::Interrupted`], and [`Error::Parameter`] for more than
    /// `cut.most` cells.
    pub fn split(&self, values: &[f64], width: usize, cut: &Cut, run: &Run) -> Result<(Self, Vec<f64>)> {
        if values.len() != width * self.points.len() {
            return Err(Error::Shape(format!(
                "{} values for {} vertices and {width} neurons",
                values.len(),
                self.points.len()
            )));
        }
        if width == 0 {
            return Ok((self.clone(), Vec::new()));
        }
        // Values and signs at the vertices, and again where new ones join them; each polygon's sides, and the edges.
        fits(&[
            [self.points.len(), 2 * (9 * width + 16), 1],
            [self.corners.len(), 40, 1],
            [self.len(), self.words(), 8],
        ])?;
        let mut limits = vec![0.0_f64; width];
        for (row, of_vertex) in values.chunks(width).enumerate() {
            for (column, (&value, limit)) in of_vertex.iter().zip(&mut limits).enumerate() {
                if !value.is_finite() {
                    return Err(Error::NonFinite { row, column, value });
                }
                *limit = limit.max(value.abs());
            }
        }
        for limit in &mut limits {
            *limit *= cut.tolerance;
        }
        let layer = Values { width, limits: &limits };
        let signs =
            values.chunks(width).flat_map(|row| row.iter().zip(&limits)).map(|(&v, &l)| sign(v, l)).collect();
        let mut table = Table { points: self.points.clone(), values: values.to_vec(), signs };

        let edges = self.edges();
        let cuts = run.pool().install(|| {
            edges.par_iter().map(|&edge| cut_edge(&layer, &table, edge, run)).collect::<Result<Vec<_>>>()
        })?;
        let new: usize = cuts.iter().map(|(found, _)| found.points.len()).sum();
        fits(&[[table.points.len() + new, 9 * width + 16, 1], [edges.len(), 4, 1]])?;
        let mut degenerate = self.degenerate;
        let mut on_edge = Vec::with_capacity(edges.len() + 1);
        for (found, coincident) in cuts {
            on_edge.push(table.points.len() as u32);
            degenerate += coincident;
            table.append(found);
        }
        on_edge.push(table.points.len() as u32);

        let count = AtomicUsize::new(self.len());
        let whole =
            Whole { cells: self, layer, table: &table, edges: &edges, on_edge: &on_edge, cut, count: &count };
        let pieces = run.pool().install(|| {
            (0..self.len()).into_par_iter().map(|cell| whole.cut_cell(cell, run)).collect::<Result<Vec<_>>>()
        })?;
        self.assemble(pieces, table, width, degenerate)
    }

    fn assemble(
        &self,
        pieces: Vec<Pieces>,
        mut table: Table,
        width: usize,
        degenerate: u64,
    ) -> Result<(Self, Vec<f64>)> {
        let sum = |of: &dyn Fn(&Pieces) -> usize| pieces.iter().map(of).sum::<usize>();
        let (polygons, new) = (sum(&|piece| piece.polygons.len()), sum(&|piece| piece.inside.points.len()));
        let corners = sum(&|piece| piece.polygons.iter().map(Vec::len).sum());
        let words = (self.bits + width).div_ceil(64);
        fits(&[
            [table.points.len() + new, 9 * width + 16, 2],
            [polygons, 8 + 8 * words, 2],
            [corners, 4, 2],
        ])?;
        let mut cells = Self {
            points: Vec::new(),
            starts: vec![0],
            corners: Vec::new(),
            codes: Vec::new(),
            bits: self.bits + width,
            degenerate,
        };
        let base = table.points.len() as u32;
        for piece in pieces {
            let shift = table.points.len() as u32 - base;
            for polygon in piece.polygons {
                cells.corners.extend(polygon.into_iter().map(|id| if id < base { id } else { id + shift }));
                cells.starts.push(cells.corners.len());
            }
            cells.codes.extend(piece.codes);
            cells.degenerate += piece.degenerate;
            table.append(piece.inside);
        }
        if u32::try_from(table.points.len()).is_err() {
            return Err(Error::Parameter("more than 2^32 vertices; take smaller bounds".into()));
        }
        cells.points = table.points;
        Ok((cells, table.values))
    }
}

/// The vertices that a layer puts on one edge, in order from its lower vertex, and how many coincided.
fn cut_edge(layer: &Values<'_>, table: &Table, (a, b): (u32, u32), run: &Run) -> Result<(Table, u64)> {
    run.control().check()?;
    let (a, b) = (a as usize, b as usize);
    let [first, second] = [a, b].map(|vertex| &table.signs[vertex * layer.width..(vertex + 1) * layer.width]);
    let (low, high) = (table.row(a, layer.width), table.row(b, layer.width));
    let mut crossings: Vec<(f64, usize)> = first
        .iter()
        .zip(second)
        .enumerate()
        .filter(|(_, (a, b))| **a * **b < 0)
        .map(|(neuron, _)| (low[neuron] / (low[neuron] - high[neuron]), neuron))
        .collect();
    crossings.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (mut found, mut coincident) = (Table::default(), 0);
    for (_, neuron) in crossings {
        let last = found.signs.len().checked_sub(layer.width).map(|begin| found.signs[begin + neuron]);
        if last == Some(0) {
            coincident += 1;
        } else {
            layer.cross([(table, a), (table, b)], neuron, &mut found);
        }
    }
    Ok((found, coincident))
}

/// All that cutting one cell reads.
struct Whole<'a> {
    cells: &'a Cells,
    layer: Values<'a>,
    table: &'a Table,
    edges: &'a [(u32, u32)],
    on_edge: &'a [u32],
    cut: &'a Cut,
    count: &'a AtomicUsize,
}

impl Whole<'_> {
    fn cut_cell(&self, cell: usize, run: &Run) -> Result<Pieces> {
        let (width, base) = (self.layer.width, self.table.points.len());
        let boundary = self.boundary(cell);
        let mut code = self.cells.codes[cell * self.cells.words()..(cell + 1) * self.cells.words()].to_vec();
        code.resize((self.cells.bits + width).div_ceil(64), 0);
        let words = code.len();
        let (mut some_above, mut some_below) = (vec![false; width], vec![false; width]);
        for &vertex in self.cells.polygon(cell) {
            let vertex = vertex as usize;
            let signs = &self.table.signs[vertex * width..(vertex + 1) * width];
            for ((&sign, above), below) in signs.iter().zip(&mut some_above).zip(&mut some_below) {
                *above |= sign > 0;
                *below |= sign < 0;
            }
        }
        let mut cutting = Vec::new();
        if cell.is_multiple_of(ASKED) {
            // About what the next cells take: each a polygon or two, a code and a vertex inside.
            fits(&[[ASKED, 18 * width + 16 * words + 256, 1]])?;
        }
        for neuron in 0..width {
            if some_above[neuron] && some_below[neuron] {
                cutting.push(neuron);
            } else if some_above[neuron] {
                set(&mut code, self.cells.bits + neuron);
            }
        }
        let mut pieces =
            Pieces { polygons: vec![boundary], codes: code, inside: Table::default(), degenerate: 0 };
        let mut cache = HashMap::new();
        for neuron in cutting {
            cache.clear();
            let before = pieces.polygons.len();
            for index in 0..before {
                if index % ASKED == 0 {
                    run.control().check()?;
                    // All pieces may be cut, each with a vertex or two.
                    fits(&[[before, 18 * width + 8 * words + 128, 1]])?;
                }
                let code = index * words..(index + 1) * words;
                let found = self.halve(&pieces.polygons[index], neuron, base, &mut pieces.inside, &mut cache);
                let bit = self.cells.bits + neuron;
                match found {
                    Halves::Above => set(&mut pieces.codes[code], bit),
                    Halves::Below => {}
                    Halves::Unclear(above) => {
                        pieces.degenerate += 1;
                        if above {
                            set(&mut pieces.codes[code], bit);
                        }
                    }
                    Halves::Both { above, below, touched } => {
                        pieces.degenerate += touched;
                        pieces.codes.extend_from_within(code.clone());
                        set(&mut pieces.codes[code], bit);
                        pieces.polygons[index] = above;
                        pieces.polygons.push(below);
                    }
                }
            }
            let more = pieces.polygons.len() - before;
            if self.count.fetch_add(more, Ordering::Relaxed) + more > self.cut.most {
                return Err(Error::Parameter(format!(
                    "more than max_regions = {} regions; take smaller bounds or allow more",
                    self.cut.most
                )));
            }
        }
        Ok(pieces)
    }

    /// The vertices around a cell, with those that this layer put on its edges.
    fn boundary(&self, cell: usize) -> Vec<u32> {
        let corners = self.cells.polygon(cell);
        let mut boundary = Vec::with_capacity(2 * corners.len());
        for (&a, &b) in corners.iter().zip(corners.iter().cycle().skip(1)) {
            boundary.push(a);
            if let Ok(edge) = self.edges.binary_search(&(a.min(b), a.max(b))) {
                let between = self.on_edge[edge]..self.on_edge[edge + 1];
                if a < b { boundary.extend(between) } else { boundary.extend(between.rev()) }
            }
        }
        boundary
    }

    fn sign(&self, vertex: u32, neuron: usize, base: usize, inside: &Table) -> i8 {
        let vertex = vertex as usize;
        match vertex.checked_sub(base) {
            None => self.table.signs[vertex * self.layer.width + neuron],
            Some(own) => inside.signs[own * self.layer.width + neuron],
        }
    }

    /// Cut one convex polygon by one neuron.
    fn halve(
        &self,
        polygon: &[u32],
        neuron: usize,
        base: usize,
        inside: &mut Table,
        cache: &mut HashMap<(u32, u32), u32>,
    ) -> Halves {
        let signs: Vec<i8> = polygon.iter().map(|&vertex| self.sign(vertex, neuron, base, inside)).collect();
        let above = signs.iter().filter(|&&sign| sign > 0).count();
        let below = signs.iter().filter(|&&sign| sign < 0).count();
        if below == 0 {
            return if above > 0 { Halves::Above } else { Halves::Below };
        }
        if above == 0 {
            return Halves::Below;
        }
        // Turn it so that it begins with the first vertex above after one that is not.
        let n = polygon.len();
        let starts: Vec<usize> = changes(&signs);
        let &[start] = starts.as_slice() else {
            return Halves::Unclear(above >= below);
        };
        let at = |step: usize| (start + step) % n;
        let last_above = (0..n).rev().find(|&step| signs[at(step)] > 0).unwrap_or(0);
        let first_below = (0..n).find(|&step| signs[at(step)] < 0).unwrap_or(0);
        let last_below = (0..n).rev().find(|&step| signs[at(step)] < 0).unwrap_or(0);
        let mut touched = 0;
        let mut meet = |from: usize, to: usize| {
            if to - from > 1 {
                // The line passes through a vertex; cells on this side of an edge of the layer before do that by
                // design, three lines of one layer in a point do not.
                let vertex = polygon[at(from + 1)];
                touched += u64::from(vertex as usize >= base);
                return vertex;
            }
            let (a, b) = (polygon[at(from)], polygon[at(to)]);
            let key = (a.min(b), a.max(b));
            *cache.entry(key).or_insert_with(|| {
                let own = (base + inside.points.len()) as u32;
                let mut found = Table::default();
                let find = |id: u32| match (id as usize).checked_sub(base) {
                    None => (self.table, id as usize),
                    Some(own) => (&*inside, own),
                };
                self.layer.cross([find(key.0), find(key.1)], neuron, &mut found);
                inside.append(found);
                own
            })
        };
        let out = meet(last_above, first_below);
        let back = meet(last_below, n);
        let mut upper: Vec<u32> = (0..=last_above).map(|step| polygon[at(step)]).collect();
        upper.push(out);
        // Other zeros between stay on the boundary of the half that they follow.
        upper.push(back);
        let mut lower = vec![out];
        let skipped = if first_below - last_above > 1 { last_above + 2 } else { first_below };
        lower.extend((skipped..=last_below).map(|step| polygon[at(step)]));
        lower.push(back);
        let zeros = if n - last_below > 1 { last_below + 2 } else { n };
        upper.extend((zeros..n).map(|step| polygon[at(step)]));
        Halves::Both { above: upper, below: lower, touched }
    }
}

/// Where the signs, zeros left out, go from below to above.
fn changes(signs: &[i8]) -> Vec<usize> {
    let Some(mut last) = signs.iter().rev().copied().find(|&sign| sign != 0) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, &sign) in signs.iter().enumerate() {
        if sign > 0 && last < 0 {
            found.push(index);
        }
        if sign != 0 {
            last = sign;
        }
    }
    found
}

fn set(code: &mut [u64], bit: usize) {
    code[bit / 64] |= 1 << (bit % 64);
}

enum Halves {
    Above,
    Below,
    /// Signs alternate: rounding, no convex cell. Kept whole; whether more vertices are above.
    Unclear(bool),
    Both {
        above: Vec<u32>,
        below: Vec<u32>,
        touched: u64,
    },
}
