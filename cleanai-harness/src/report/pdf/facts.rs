//! What a test was measured with, for an audit: model, data, settings and versions.

use super::content::part;
use super::layout::{Align, BODY, Canvas, HAIRLINE, LEFT, MONO, NOTE, Pen, RIGHT, STRONG};
use crate::measure::Measurement;
use crate::report::facts;

/// Model, data and settings: label and value in two columns.
pub(super) fn facts(canvas: &mut Canvas, measurement: &Measurement, timed: bool) {
    part(canvas, "Measured with", 80.0);
    for facts::Group { title, facts } in facts::facts(measurement, timed) {
        let pen = |exact: bool| if exact { MONO } else { BODY };
        let rows: Vec<_> = facts.into_iter().map(|fact| (fact.label, pen(fact.exact), fact.value)).collect();
        group(canvas, title, &rows);
    }
    canvas.space(16.0);
}

/// A title at the left, and beside it labels with their values, each with its pen.
pub(super) fn group(canvas: &mut Canvas, title: &str, rows: &[(&str, Pen, String)]) {
    const LABEL: f32 = LEFT + 78.0;
    const VALUE: f32 = LABEL + 74.0;
    canvas.ensure(40.0);
    canvas.rule(0.5, HAIRLINE);
    canvas.space(6.0);
    let y = canvas.y();
    canvas.text(LEFT, y + 8.5, Align::Left, LABEL - LEFT, STRONG, title);
    for (label, pen, value) in rows {
        canvas.ensure(canvas.height(VALUE, RIGHT, *pen, value).min(60.0));
        let y = canvas.y();
        canvas.text(LABEL, y + 8.5, Align::Left, VALUE - LABEL, NOTE, label);
        canvas.paragraph(VALUE, RIGHT, *pen, value);
        if value.is_empty() {
            canvas.space(12.0);
        }
    }
    canvas.space(5.0);
}
