//! What else a criterion reports: tables and pictures of its own, and lines for the rest.

use super::layout::{Align, BODY, Canvas, LEFT, NOTE, RIGHT};
use super::{importance, monitor, reliability, surprise};
use crate::criteria::Direction;
use crate::measure::CriterionResult;
use crate::report::details::{Details, acceptance};
use crate::report::figure::{self, Style};
use crate::report::text;

/// Classes that are named.
const CLASSES: usize = 8;

/// What else a criterion reports, one line each where it has no table; longer lists are in the JSON report.
pub(super) fn details(canvas: &mut Canvas, result: &CriterionResult) {
    let details = Details::of(result);
    for (layer, important) in &details.importance {
        importance::neurons(canvas, layer, important);
    }
    if !details.classes.is_empty() {
        surprise::classes(canvas, details.classes, result.ranked.as_ref());
    }
    if let Some(monitor) = &details.monitor {
        monitor::tables(canvas, monitor, acceptance(result));
    }
    if !details.bins.is_empty() {
        reliability::diagram(canvas, &details.bins);
    }
    let mut lines = details.others;
    lines.extend(carriers(result));
    if lines.is_empty() {
        return;
    }
    canvas.space(6.0);
    for (name, value) in lines {
        canvas.ensure(12.0);
        let y = canvas.y();
        let label = format!("{name}: ");
        let width = canvas.width(NOTE, &label).min(200.0);
        canvas.text(LEFT, y + 8.5, Align::Left, 200.0, NOTE, &label);
        canvas.text(LEFT + width, y + 8.5, Align::Left, RIGHT - LEFT - width, BODY, &value);
        canvas.space(12.0);
    }
}

/// Which inputs carry the coverage, and what single classes reach.
fn carriers(result: &CriterionResult) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let reached = [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (1.0, "all")].map(|(share, label)| {
        result.inputs_to_cover(share).map(|inputs| format!("{label} after {}", text::grouped(inputs)))
    });
    if reached.iter().all(Option::is_some) {
        let reached: Vec<String> = reached.into_iter().flatten().collect();
        lines.push(("covered by the first inputs".to_owned(), reached.join(", ")));
    }
    if !result.leading.is_empty() {
        let named = result.leading.iter().take(5).map(|own| format!("{} ({})", own.name, text::grouped(own.covered)));
        lines.push(("inputs that covered most first".to_owned(), named.collect::<Vec<_>>().join(", ")));
    }
    if !result.classes.is_empty() {
        let style = Style::of(result);
        let mut classes: Vec<_> = result.classes.iter().collect();
        // The worst come first; a class with nothing to cover says least.
        let worst = |value: Option<f64>| match (value, result.direction) {
            (None, _) => f64::INFINITY,
            (Some(value), Direction::HigherIsBetter) => value,
            (Some(value), Direction::LowerIsBetter) => -value,
        };
        classes.sort_by(|left, right| worst(left.1.value).total_cmp(&worst(right.1.value)));
        let shown =
            classes.iter().take(CLASSES).map(|(name, own)| format!("{name} {}", figure::value(own.value, style)));
        let shown: Vec<String> = shown.collect();
        let label = match (classes.len() > CLASSES, result.direction) {
            (false, _) => "classes by themselves",
            (true, Direction::HigherIsBetter) => "lowest classes",
            (true, Direction::LowerIsBetter) => "highest classes",
        };
        lines.push((label.to_owned(), shown.join(", ")));
    }
    lines
}
