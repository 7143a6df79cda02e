//! Tables: columns on the page's grid, the header repeated on every sheet, no cell wider than its column.

use std::borrow::Cow;

use super::font::Face;
use super::layout::{Align, BLACK, BODY, Canvas, GREY, HAIRLINE, Ink, LEFT, Pen, RIGHT, pen};

/// Height of a row and of the header.
const ROW: f32 = 15.0;
const HEADER: f32 = 18.0;
/// Height of a row where there are very many of them.
const DENSE_ROW: f32 = 11.4;
/// Between columns.
const GAP: f32 = 10.0;

/// Between the texts of a cell.
const PART_GAP: f32 = 7.0;

/// What columns are named with.
const TITLE: Pen = pen(Face::Bold, 7.0, GREY);

/// How wide the title of a column is.
pub(super) fn title_width(canvas: &Canvas, title: &str) -> f32 {
    canvas.width(TITLE, title)
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    title: Cow<'static, str>,
    /// In points; `None` takes what the others leave.
    width: Option<f32>,
    align: Align,
}

impl Column {
    /// Left-aligned, as wide as the others leave room for.
    pub(super) fn rest(title: impl Into<Cow<'static, str>>) -> Self {
        Self { title: title.into(), width: None, align: Align::Left }
    }

    /// The same, right-aligned.
    pub(super) fn rest_right(title: impl Into<Cow<'static, str>>) -> Self {
        Self { title: title.into(), width: None, align: Align::Right }
    }

    /// Left-aligned.
    pub(super) fn left(title: impl Into<Cow<'static, str>>, width: f32) -> Self {
        Self { title: title.into(), width: Some(width), align: Align::Left }
    }

    /// Right-aligned.
    pub(super) fn right(title: impl Into<Cow<'static, str>>, width: f32) -> Self {
        Self { title: title.into(), width: Some(width), align: Align::Right }
    }
}

/// What stands in a cell.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// Text.
    Text(Pen, String),
    /// Text that belongs to the row above.
    Indented(Pen, String),
    /// Texts side by side.
    Parts(Vec<(Pen, String)>),
    /// A share of one.
    Bar(Option<f64>, Ink),
    /// Upright bars, each with its height as a share of one.
    Histogram(Vec<(f32, Ink)>),
    /// A figure beside its baseline.
    Trend(Trend),
}

/// Where a figure went from its baseline: the width of the cell is 2, its middle the baseline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trend {
    /// Where the figure is, from -1 to 1.
    pub(super) at: f32,
    /// How far the tolerance goes to both sides, from 0 to 1.
    pub(super) tolerance: f32,
    pub(super) ink: Ink,
}

impl Cell {
    /// Plain text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(BODY, text.into())
    }

    /// Text with another pen.
    pub(super) fn with(pen: Pen, text: impl Into<String>) -> Self {
        Self::Text(pen, text.into())
    }
}

/// Height of the header and of the rows that stay with it: a small table is not torn apart.
pub(super) fn head_height(rows: usize) -> f32 {
    HEADER + ROW * if rows <= 10 { rows } else { 3 } as f32
}

impl Canvas {
    /// A table across the page. `link` may name the section a row leads to.
    pub(super) fn table(&mut self, columns: &[Column], rows: &[Vec<Cell>], link: impl Fn(usize) -> Option<usize>) {
        self.rows(columns, rows, ROW, link);
    }

    /// A table of very many rows across the page.
    pub(super) fn dense_table(
        &mut self,
        columns: &[Column],
        rows: &[Vec<Cell>],
        link: impl Fn(usize) -> Option<usize>,
    ) {
        self.rows(columns, rows, DENSE_ROW, link);
    }

    fn rows(&mut self, columns: &[Column], rows: &[Vec<Cell>], high: f32, link: impl Fn(usize) -> Option<usize>) {
        let edges = edges(columns);
        self.ensure(head_height(rows.len()));
        self.header(columns, &edges);
        for (number, row) in rows.iter().enumerate() {
            // The last row does not go to the next sheet alone.
            let stays = if number + 2 == rows.len() { 2.0 } else { 1.0 };
            if self.ensure(high * stays) {
                self.header(columns, &edges);
            }
            let (top, baseline) = (self.y(), self.y() + high / 2.0 + 2.9);
            for ((cell, column), (left, right)) in row.iter().zip(columns).zip(&edges) {
                match cell {
                    Cell::Text(pen, text) => {
                        let x = if column.align == Align::Right { *right } else { *left };
                        self.text(x, baseline, column.align, right - left, *pen, text);
                    }
                    Cell::Indented(pen, text) => {
                        self.text(left + GAP, baseline, Align::Left, right - left - GAP, *pen, text);
                    }
                    Cell::Bar(Some(share), ink) if share.is_finite() => {
                        self.bar(*left, top + (high - 4.6) / 2.0, right - left, *share, *ink)
                    }
                    Cell::Bar(..) => {}
                    Cell::Parts(parts) => {
                        let mut x = *left;
                        for (pen, text) in parts {
                            let rest = right - x;
                            self.text(x, baseline, Align::Left, rest, *pen, text);
                            x += self.width(*pen, text) + PART_GAP;
                            if x >= *right {
                                break;
                            }
                        }
                    }
                    Cell::Histogram(bars) => {
                        let (bottom, step) = (top + high - 2.0, (right - left) / bars.len().max(1) as f32);
                        self.fill(*left, bottom, right - left, 0.4, GREY);
                        for (at, (share, ink)) in bars.iter().enumerate().filter(|(_, (share, _))| *share > 0.0) {
                            // A few of many are still to be seen.
                            let height = (share * (high - 4.0)).max(0.8);
                            self.fill(left + at as f32 * step, bottom - height, step * 0.85, height, *ink);
                        }
                    }
                    Cell::Trend(trend) => self.trend(trend, (*left, *right), top + high / 2.0),
                }
            }
            if let Some(section) = link(number) {
                self.reference(section, top, top + high, baseline);
            }
            self.space(high);
            self.rule(0.4, HAIRLINE);
        }
    }

    fn trend(&mut self, trend: &Trend, (left, right): (f32, f32), middle: f32) {
        let (half, centre) = ((right - left) / 2.0 - 2.0, (left + right) / 2.0);
        self.fill(left, middle - 0.2, right - left, 0.4, GREY);
        let band = trend.tolerance.clamp(0.0, 1.0) * half;
        self.fill(centre - band, middle - 3.0, band * 2.0, 6.0, HAIRLINE);
        let x = centre + trend.at.clamp(-1.0, 1.0) * half;
        self.fill(x.min(centre), middle - 1.1, (x - centre).abs(), 2.2, trend.ink);
        self.fill(centre - 0.5, middle - 5.0, 1.0, 10.0, BLACK);
        self.fill(x - 2.0, middle - 3.0, 4.0, 6.0, trend.ink);
    }

    fn header(&mut self, columns: &[Column], edges: &[(f32, f32)]) {
        let baseline = self.y() + 11.0;
        for (column, (left, right)) in columns.iter().zip(edges) {
            let x = if column.align == Align::Right { *right } else { *left };
            self.text(x, baseline, column.align, right - left, TITLE, &column.title);
        }
        self.space(HEADER - 2.0);
        self.rule(0.8, BLACK);
        self.space(2.0);
    }
}

/// Left and right edge of each column.
fn edges(columns: &[Column]) -> Vec<(f32, f32)> {
    let fixed: f32 = columns.iter().filter_map(|column| column.width).sum();
    let gaps = GAP * columns.len().saturating_sub(1) as f32;
    let open = columns.iter().filter(|column| column.width.is_none()).count().max(1) as f32;
    let rest = (RIGHT - LEFT - fixed - gaps).max(0.0) / open;
    let mut x = LEFT;
    columns
        .iter()
        .map(|column| {
            let left = x;
            let right = left + column.width.unwrap_or(rest);
            x = right + GAP;
            (left, right)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_the_page_and_do_not_overlap() {
        let columns = [Column::rest("a"), Column::right("b", 60.0), Column::left("c", 80.0)];
        let edges = edges(&columns);
        assert_eq!((edges[0].0, edges[2].1), (LEFT, RIGHT));
        assert!(edges.windows(2).all(|pair| pair[0].1 + GAP <= pair[1].0 + 0.001));
        assert_eq!(edges[1].1 - edges[1].0, 60.0);
    }
}
