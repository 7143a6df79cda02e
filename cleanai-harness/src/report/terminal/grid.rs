//! A table of aligned columns for the terminal; its first column gives way when the table is too wide.

use anstyle::Style as Ink;

use super::block::{DIM, PLAIN, push};
use crate::report::text;

/// Columns between columns.
const GAP: usize = 2;
/// The first column keeps at least this much, or other long cells are cut.
const NAME: usize = 16;

/// Styled text in a table.
pub(super) struct Cell {
    pieces: Vec<(Ink, String)>,
}

impl Cell {
    pub(super) fn new(ink: Ink, content: &str) -> Self {
        Self { pieces: vec![(ink, text::line(content).into_owned())] }
    }

    /// Adds a piece in another style.
    pub(super) fn and(mut self, ink: Ink, content: &str) -> Self {
        self.pieces.push((ink, text::line(content).into_owned()));
        self
    }

    fn width(&self) -> usize {
        self.pieces.iter().map(|(_, piece)| text::width(piece)).sum()
    }

    /// Appends the cell, exactly `width` wide; the first piece is cut where it is too long.
    fn write(&self, line: &mut String, width: usize, right: bool) {
        let own = self.width();
        let space = " ".repeat(width.saturating_sub(own));
        if right {
            line.push_str(&space);
        }
        if own <= width {
            self.pieces.iter().for_each(|(ink, piece)| push(line, *ink, piece));
        } else if let Some((ink, piece)) = self.pieces.first() {
            let cut = text::ellipsis(piece, width);
            push(line, *ink, &cut);
            // A wide character may leave a column.
            line.push_str(&" ".repeat(width - text::width(&cut)));
        }
        if !right {
            line.push_str(&space);
        }
    }
}

/// Rows under a dimmed header and a rule.
pub(super) struct Grid {
    titles: Vec<(&'static str, bool)>,
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// A table whose first column, left-aligned, has this title.
    pub(super) fn new(title: &'static str) -> Self {
        Self { titles: vec![(title, false)], rows: Vec::new() }
    }

    /// Adds a left-aligned column.
    pub(super) fn left(&mut self, title: &'static str) -> &mut Self {
        self.titles.push((title, false));
        self
    }

    /// Adds a right-aligned column.
    pub(super) fn right(&mut self, title: &'static str) -> &mut Self {
        self.titles.push((title, true));
        self
    }

    /// Adds a row of as many cells as there are columns.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, none wider than `limit`.
    pub(super) fn render(&self, indent: usize, limit: usize) -> Vec<String> {
        let widths = self.widths(limit - indent);
        let margin = " ".repeat(indent);
        let header: Vec<Cell> = self.titles.iter().map(|(title, _)| Cell::new(DIM, title)).collect();
        let total =
            widths.iter().sum::<usize>() + GAP * widths.iter().filter(|width| **width > 0).count().saturating_sub(1);
        let mut lines = vec![margin.clone() + &self.line(&header, &widths)];
        let mut rule = margin.clone();
        push(&mut rule, DIM, &"─".repeat(total));
        lines.push(rule);
        lines.extend(self.rows.iter().map(|row| margin.clone() + &self.line(row, &widths)));
        lines
    }

    fn line(&self, cells: &[Cell], widths: &[usize]) -> String {
        let mut line = String::new();
        let mut first = true;
        for ((cell, width), (_, right)) in cells.iter().zip(widths).zip(&self.titles) {
            // A column with nothing in it takes no room at all.
            if *width == 0 {
                continue;
            }
            if !std::mem::take(&mut first) {
                push(&mut line, PLAIN, &" ".repeat(GAP));
            }
            cell.write(&mut line, *width, *right);
        }
        line
    }

    fn widths(&self, room: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.titles.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column)).map(Cell::width);
                cells.chain([text::width(self.titles[column].0)]).max().unwrap_or(0)
            })
            .collect();
        let total = |widths: &[usize]| {
            widths.iter().sum::<usize>() + GAP * widths.iter().filter(|width| **width > 0).count().saturating_sub(1)
        };
        let over = total(&widths).saturating_sub(room);
        widths[0] -= over.min(widths[0].saturating_sub(NAME));
        // Figures with very many digits: the widest gives way until all fit.
        while total(&widths) > room {
            let widest = (1..widths.len()).max_by_key(|column| widths[*column]);
            match widest.filter(|column| widths[*column] > 1) {
                Some(column) => widths[column] -= 1,
                None => break,
            }
        }
        widths
    }
}
