//! What `ece` reports beside its figure: the reliability diagram, how often the model is right against how sure it is.

use super::content::heading;
use super::font::Face;
use super::layout::{AMBER, Align, BLUE, Canvas, GREY, HAIRLINE, LEFT, NOTE, RIGHT, SHADE, STRONG, pen};
use super::table::{Cell, Column, head_height};
use crate::report::details::Bin;
use crate::report::{figure, text};

/// Size of the diagram in points.
const WIDE: f32 = 300.0;
const HIGH: f32 = 150.0;
/// What stands to its left, and below it.
const BESIDE: f32 = 26.0;
const BELOW: f32 = 26.0;

/// The bins of a result as a diagram and a table.
pub(super) fn diagram(canvas: &mut Canvas, bins: &[Bin]) {
    heading(canvas, "Reliability: accuracy by confidence", HIGH + BELOW + 34.0);
    let legend = "Bars: how often the model is right where it is this confident (its largest softmax). Marks: its mean confidence there. Bars that \
                  stay below their marks tell of too much confidence. Below each bar: its inputs. Difference: accuracy less confidence.";
    canvas.paragraph(LEFT, RIGHT, NOTE, legend);
    canvas.space(8.0);
    plot(canvas, bins);
    table(canvas, bins);
}

fn plot(canvas: &mut Canvas, bins: &[Bin]) {
    let small = pen(Face::Regular, 7.0, GREY);
    canvas.ensure(HIGH + BELOW);
    let (top, left) = (canvas.y(), LEFT + BESIDE);
    let x = |share: f64| left + share as f32 * WIDE;
    let y = |share: f64| top + HIGH - share as f32 * HIGH;
    canvas.fill(left, top, WIDE, HIGH, SHADE);
    for share in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        canvas.fill(left, y(share), WIDE, 0.4, HAIRLINE);
        canvas.text(left - 5.0, y(share) + 2.4, Align::Right, BESIDE, small, &format!("{share:.1}"));
    }
    for bin in bins {
        let (from, wide) = (x(bin.lower) + 1.0, x(bin.upper) - x(bin.lower) - 2.0);
        if let Some(accuracy) = bin.accuracy.filter(|_| bin.inputs > 0) {
            // Never right is still to be seen.
            canvas.fill(from, y(accuracy).min(top + HIGH - 0.8), wide, (accuracy as f32 * HIGH).max(0.8), BLUE);
        }
    }
    // Where confidence and accuracy are the same.
    const DOTS: u32 = 40;
    for dot in 0..=DOTS {
        let share = f64::from(dot) / f64::from(DOTS);
        canvas.fill(x(share) - 0.5, y(share) - 0.5, 1.0, 1.0, GREY);
    }
    for (at, bin) in bins.iter().enumerate() {
        let (from, wide) = (x(bin.lower) + 1.0, x(bin.upper) - x(bin.lower) - 2.0);
        if let Some(confidence) = bin.mean_confidence.filter(|_| bin.inputs > 0) {
            canvas.fill(from, y(confidence) - 0.9, wide, 1.8, AMBER);
        }
        let below = top + HIGH + 9.0;
        let edge = |share: f64| format!("{share:.2}").trim_end_matches('0').trim_end_matches('.').to_owned();
        canvas.text(x(bin.lower), below, Align::Centre, WIDE, small, &edge(bin.lower));
        if at + 1 == bins.len() {
            canvas.text(x(bin.upper), below, Align::Centre, WIDE, small, &edge(bin.upper));
        }
        let middle = x((bin.lower + bin.upper) / 2.0);
        canvas.text(middle, below + 10.0, Align::Centre, wide + 1.0, small, &text::grouped(bin.inputs));
    }
    canvas.space(HIGH + BELOW);
}

fn table(canvas: &mut Canvas, bins: &[Bin]) {
    let columns = [
        Column::rest("CONFIDENCE"),
        Column::right("INPUTS", 60.0),
        Column::left("", 84.0),
        Column::right("ACCURACY", 60.0),
        Column::right("MEAN CONFIDENCE", 84.0),
        Column::right("DIFFERENCE", 60.0),
    ];
    let all = bins.iter().map(|bin| bin.inputs as f64).sum::<f64>();
    let decimal = |number: Option<f64>| figure::value(number, figure::Style::Decimal);
    let row = |(at, bin): (usize, &Bin)| {
        vec![
            Cell::text(bin.interval(at + 1 == bins.len())),
            Cell::text(text::grouped(bin.inputs)),
            Cell::Bar((all > 0.0).then(|| bin.inputs as f64 / all), GREY),
            Cell::with(STRONG, decimal(bin.accuracy)),
            Cell::text(decimal(bin.mean_confidence)),
            Cell::with(NOTE, bin.difference()),
        ]
    };
    let rows: Vec<Vec<Cell>> = bins.iter().enumerate().map(row).collect();
    canvas.ensure(head_height(rows.len()));
    canvas.table(&columns, &rows, |_| None);
}
