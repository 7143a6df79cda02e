//! The two plots of a criterion: its layers as bars, and how much of it is covered after so many inputs.

use super::font::Face;
use super::layout::{Align, BLUE, Canvas, GREY, HAIRLINE, LEFT, RED, RIGHT, SHADE, STRONG, TEAL, pen};
use crate::measure::CriterionResult;
use crate::report::axis::ceiling;
use crate::report::curve::Curve;
use crate::report::figure::{self, Style};
use crate::report::text;

/// Height of the drawing itself.
const HIGH: f32 = 74.0;
/// For the title above it and the axis below.
const ABOVE: f32 = 16.0;
const BELOW: f32 = 24.0;
/// For the numbers to its left.
const BESIDE: f32 = 30.0;
/// Between two plots.
const GAP: f32 = 20.0;
/// More bars take the whole width.
const ABREAST: usize = 60;
/// No bar is wider.
const WIDEST: f32 = 26.0;
/// Shares of the coverage whose inputs are marked.
const MARKS: [f64; 3] = [0.5, 0.9, 0.99];

/// Where a plot is drawn, without its title and the numbers at its axes.
#[derive(Clone, Copy)]
struct Area {
    left: f32,
    top: f32,
    width: f32,
}

/// What there is to draw.
struct Wanted {
    bars: bool,
    curve: bool,
    /// Below each other.
    stacked: bool,
}

fn wanted(result: &CriterionResult) -> Wanted {
    // A bar goes up from nothing: it can say nothing of numbers that are none, or below it.
    let sound = |value: f64| value.is_finite() && value >= 0.0;
    let bars = result.layers.len() > 1
        && result.layers.iter().filter_map(|layer| layer.value).all(sound)
        && result.layers.iter().filter_map(|layer| layer.value).any(|value| value > 0.0);
    let curve = result.contributions.iter().any(|own| own.covered > 0);
    Wanted { bars, curve, stacked: bars && curve && result.layers.len() > ABREAST }
}

/// How high the plots of a criterion are.
pub(super) fn height(result: &CriterionResult) -> f32 {
    let one = ABOVE + HIGH + BELOW;
    match wanted(result) {
        Wanted { bars: false, curve: false, .. } => 0.0,
        Wanted { stacked: true, .. } => one * 2.0,
        _ => one,
    }
}

/// Draws them: side by side where the bars leave room.
pub(super) fn plots(canvas: &mut Canvas, result: &CriterionResult, inputs: u64) {
    let Wanted { bars, curve, stacked } = wanted(result);
    let whole = RIGHT - LEFT;
    let half = (whole - GAP) / 2.0;
    let width = if stacked || (bars && !curve && result.layers.len() > ABREAST / 2) { whole } else { half };
    if bars {
        canvas.ensure(ABOVE + HIGH + BELOW);
        layers(canvas, result, area(canvas, LEFT, width));
        if stacked || !curve {
            canvas.space(ABOVE + HIGH + BELOW);
        }
    }
    if curve {
        let beside = bars && !stacked;
        if !beside {
            canvas.ensure(ABOVE + HIGH + BELOW);
        }
        let left = if beside { LEFT + half + GAP } else { LEFT };
        saturation(canvas, result, inputs, area(canvas, left, half));
        canvas.space(ABOVE + HIGH + BELOW);
    }
}

fn area(canvas: &Canvas, left: f32, width: f32) -> Area {
    Area { left: left + BESIDE, top: canvas.y() + ABOVE, width: width - BESIDE }
}

/// Title, ground and three lines with their numbers.
fn axes(canvas: &mut Canvas, area: Area, title: &str, numbers: [String; 3]) {
    let small = pen(Face::Regular, 7.0, GREY);
    canvas.text(area.left - BESIDE, area.top - 6.0, Align::Left, area.width + BESIDE, STRONG, title);
    canvas.fill(area.left, area.top, area.width, HIGH, SHADE);
    for (at, number) in numbers.iter().enumerate() {
        let y = area.top + HIGH - at as f32 / 2.0 * HIGH;
        canvas.fill(area.left, y - 0.2, area.width, 0.4, HAIRLINE);
        canvas.text(area.left - 4.0, y + 2.4, Align::Right, BESIDE - 4.0, small, number);
    }
}

/// Words below the axis: at its start, its middle and its end.
fn below(canvas: &mut Canvas, area: Area, [start, middle, end]: [&str; 3]) {
    let small = pen(Face::Regular, 7.0, GREY);
    let y = area.top + HIGH + 9.0;
    let third = area.width / 3.0;
    canvas.text(area.left, y, Align::Left, third, small, start);
    canvas.text(area.left + area.width / 2.0, y, Align::Centre, third, small, middle);
    canvas.text(area.left + area.width, y, Align::Right, third, small, end);
}

fn layers(canvas: &mut Canvas, result: &CriterionResult, area: Area) {
    let largest = result.layers.iter().filter_map(|layer| layer.value).fold(0.0, f64::max);
    let (top, style) = (ceiling(largest), Style::of(result));
    let number = |value: f64| match style {
        Style::Count => figure::value(Some(value), style),
        Style::Decimal => figure::bound_text(value),
    };
    axes(canvas, area, "Value of each layer, from input to output", [0.0, top / 2.0, top].map(number));
    let step = area.width / result.layers.len() as f32;
    let wide = (step * 0.8).min(WIDEST);
    for (at, layer) in result.layers.iter().enumerate() {
        let Some(value) = layer.value else { continue };
        let x = area.left + step * at as f32 + (step - wide) / 2.0;
        // Nothing is marked as nothing: an uncovered layer is what one looks for.
        let (high, ink) = if value > 0.0 { (((value / top) as f32 * HIGH).max(0.8), BLUE) } else { (1.6, RED) };
        canvas.fill(x, area.top + HIGH - high, wide, high, ink);
    }
    let (first, last) = (result.layers.first(), result.layers.last());
    let name = |layer: Option<&crate::criteria::LayerFigures>| layer.map_or("", |layer| layer.name.as_str()).to_owned();
    let count = text::counted(result.layers.len() as u64, "layer", "layers");
    below(canvas, area, [&name(first), &count, &name(last)]);
}

fn saturation(canvas: &mut Canvas, result: &CriterionResult, inputs: u64, area: Area) {
    let Some(curve) = Curve::of(result, inputs, None) else { return };
    let numbers = [0.0, 0.5, 1.0].map(|height| curve.label(height));
    axes(canvas, area, "Of what is covered in the end, after so many inputs", numbers);
    let point = |(across, up): (f64, f64)| (area.left + across as f32 * area.width, area.top + HIGH - up as f32 * HIGH);
    let line: Vec<(f32, f32)> = curve.line().into_iter().map(point).collect();
    canvas.line(&line, 1.2, TEAL);
    let mut marks = Vec::new();
    for share in MARKS {
        let Some(input) = result.inputs_to_cover(share) else { continue };
        let (x, y) = point(curve.place(input, share));
        canvas.fill(x - 0.25, y, 0.5, area.top + HIGH - y, GREY);
        canvas.fill(x - 1.5, y - 1.5, 3.0, 3.0, TEAL);
        marks.push(format!("{:.0} % after {}", share * 100.0, text::grouped(input)));
    }
    below(canvas, area, ["0", "", &text::counted(curve.inputs, "input", "inputs")]);
    let small = pen(Face::Regular, 7.0, GREY);
    canvas.text(area.left, area.top + HIGH + 18.0, Align::Left, area.width, small, &marks.join(", "));
}
