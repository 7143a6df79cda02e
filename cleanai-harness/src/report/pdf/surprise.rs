//! What surprise reports beside its figures: the classes it was measured in, and the inputs at both ends.

use super::content::heading;
use super::layout::{Align, BLUE, BODY, Canvas, LEFT, MONO, NOTE, RIGHT};
use super::table::{Cell, Column, head_height};
use crate::measure::{Ranked, RankedInput};
use crate::report::details::{SurpriseClass, by_number};
use crate::report::figure::{self, Style};
use crate::report::text;

/// Rows of the table; of more classes those with the largest means are shown.
const MOST: usize = 40;

/// Between the two lists of inputs.
const GAP: f32 = 14.0;

/// The classes that surprise was measured in, and the inputs at both ends.
pub(super) fn classes(canvas: &mut Canvas, mut classes: Vec<(&str, SurpriseClass)>, ranked: Option<&Ranked>) {
    let left = classes.len().saturating_sub(MOST);
    if left > 0 {
        let mean = |own: &SurpriseClass| own.mean.unwrap_or(f64::NEG_INFINITY);
        classes.sort_by(|one, other| mean(&other.1).total_cmp(&mean(&one.1)));
        classes.truncate(MOST);
        classes.sort_by_key(|(name, _)| by_number(name));
    }
    table(canvas, &classes);
    if left > 0 {
        canvas.paragraph(LEFT, RIGHT, NOTE, &format!("{} more with smaller means.", text::grouped(left as u64)));
    }
    if let Some(ranked) = ranked {
        inputs(canvas, ranked);
    }
}

fn table(canvas: &mut Canvas, classes: &[(&str, SurpriseClass)]) {
    canvas.space(12.0);
    heading(canvas, "Predicted classes", head_height(classes.len()));
    let columns = [
        Column::rest("CLASS"),
        Column::right("PROFILE INPUTS", 80.0),
        Column::right("TEST INPUTS", 66.0),
        Column::right("MEAN", 60.0),
        Column::left("", 84.0),
        Column::right("BUCKETS", 52.0),
        Column::right("SHRINKAGE", 58.0),
    ];
    let largest = classes.iter().filter_map(|(_, own)| own.mean).fold(0.0, f64::max);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |(name, own): &(&str, SurpriseClass)| {
        vec![
            Cell::text(*name),
            Cell::text(text::grouped(own.profile_inputs)),
            Cell::text(text::grouped(own.inputs)),
            Cell::text(figure::value(own.mean, Style::Decimal)),
            Cell::Bar(own.mean.filter(|mean| largest > 0.0 && *mean >= 0.0).map(|mean| mean / largest), BLUE),
            Cell::text(or_dash(own.covered.map(text::grouped))),
            Cell::with(NOTE, or_dash(own.shrinkage.map(|share| format!("{share:e}")))),
        ]
    };
    let rows: Vec<Vec<Cell>> = classes.iter().map(row).collect();
    canvas.table(&columns, &rows, |_| None);
}

/// The inputs at both ends, side by side.
fn inputs(canvas: &mut Canvas, ranked: &Ranked) {
    const LINE: f32 = 12.0;
    canvas.space(12.0);
    let lines = ranked.most.len().max(ranked.least.len());
    heading(canvas, "Most and least surprising inputs", LINE * lines as f32);
    let middle = (RIGHT - LEFT + GAP) / 2.0;
    let line = |own: &RankedInput| {
        let score = own.value.map_or_else(|| "infinite".to_owned(), |value| figure::value(Some(value), Style::Decimal));
        (own.name.clone(), score)
    };
    for at in 0..lines {
        canvas.ensure(LINE);
        for (side, list) in [&ranked.most, &ranked.least].into_iter().enumerate() {
            let Some((name, score)) = list.get(at).map(line) else { continue };
            let (x, y) = (LEFT + side as f32 * middle, canvas.y() + 8.5);
            canvas.text(x, y, Align::Left, middle - GAP - 64.0, MONO, &name);
            canvas.text(x + middle - GAP - 60.0, y, Align::Left, 60.0, BODY, &score);
        }
        canvas.space(LINE);
    }
}
