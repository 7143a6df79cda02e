//! What is required, and how it came out.

use maud::{Markup, html};

use super::table::{Column, numbers, table, words};
use crate::criteria::LayerFigures;
use crate::gate::{Change, RequirementVerdict};
use crate::report::chart::{Bullet, bar, bullet};
use crate::report::figure::{self, Style};
use crate::report::{Outcome, message, text};

/// All requirements, and what is behind those that do not hold.
pub(super) fn requirements(outcome: &Outcome) -> Markup {
    let compares = outcome.requirements.iter().any(|verdict| verdict.against.is_some());
    let rows: Vec<Vec<Markup>> = outcome.requirements.iter().map(|verdict| row(outcome, verdict, compares)).collect();
    let mut columns = vec![words("criterion"), numbers("observed"), words("drawn"), numbers("required")];
    if compares {
        columns.push(numbers("other model"));
    }
    columns.extend([numbers("baseline"), numbers("delta"), words("verdict")]);
    html! {
        h3 { "Requirements" }
        @if rows.is_empty() {
            p.note { "No threshold is declared." }
        } @else {
            (table("Requirements: bar, the figure; stroke, what is required; ring, the baseline", &columns, &rows))
        }
        @for verdict in outcome.requirements.iter().filter(|verdict| !verdict.holds) {
            (failure(verdict, message::style_of(outcome, verdict)))
        }
    }
}

fn row(outcome: &Outcome, verdict: &RequirementVerdict, compares: bool) -> Vec<Markup> {
    let style = message::style_of(outcome, verdict);
    let class = if verdict.holds { "good" } else { "bad" };
    let label = figure::label(verdict);
    let change = outcome.baseline.changes.iter().find(|change| change.criterion == label).map(|change| change.change);
    let drawn = bullet(Bullet {
        scale: scale([verdict.observed, verdict.bound, verdict.baseline]),
        observed: verdict.observed,
        bound: verdict.bound,
        baseline: verdict.baseline,
        class,
    });
    let mut row = vec![
        html! { code { (label) } },
        html! { b { (figure::observed(verdict, style)) } },
        drawn,
        html! { (figure::required(verdict)) },
    ];
    if compares {
        row.push(html! { (figure::value(verdict.against, style)) });
    }
    row.extend([
        html! { (figure::value(verdict.baseline, style)) },
        delta(verdict.observed, verdict.baseline, style, change),
        html! { b.(class) { (message::verdict_word(verdict)) } },
    ]);
    row
}

/// Where a line ends that holds these: at 1 for shares, else a little beyond the largest.
pub(super) fn scale(values: [Option<f64>; 3]) -> f64 {
    let largest = values.into_iter().flatten().filter(|value| value.is_finite()).fold(0.0, f64::max);
    if largest <= 1.0 { 1.0 } else { largest * 1.1 }
}

/// A difference in the colour of what it means.
pub(super) fn delta(observed: Option<f64>, baseline: Option<f64>, style: Style, change: Option<Change>) -> Markup {
    let class = change.map_or("", change_class);
    html! { span.(class) { (figure::delta(observed, baseline, style)) } }
}

/// The class of the style sheet for a change.
pub(super) fn change_class(change: Change) -> &'static str {
    match change {
        Change::Unchanged => "note",
        Change::Improved => "good",
        Change::Regressed | Change::NotFinite => "bad",
        Change::Added | Change::Removed => "warn",
    }
}

/// What is behind a requirement that does not hold.
fn failure(verdict: &RequirementVerdict, style: Style) -> Markup {
    let title = format!("{}: {}", figure::label(verdict), message::worst_layers(verdict));
    let columns: [Column; 4] = [words("layer"), numbers("covered / total"), numbers("value"), words("drawn")];
    let row = |layer: &LayerFigures| {
        vec![
            html! { (layer.name) },
            html! { (counts(layer)) },
            html! { b { (figure::value(layer.value, style)) } },
            bar(layer.value.filter(|_| layer.total.is_some()), "bad"),
        ]
    };
    let rows: Vec<Vec<Markup>> = verdict.worst_layers.iter().map(row).collect();
    html! {
        p {
            b.bad { (message::requirement_failure(verdict, style)) }
            @if let Some(bound) = message::passing_bound(verdict) { br; (bound) }
        }
        (table(&title, &columns, &rows))
    }
}

/// `2,032 / 6,000`
pub(super) fn counts(layer: &LayerFigures) -> String {
    match (layer.covered, layer.total) {
        (Some(covered), Some(total)) => format!("{} / {}", text::grouped(covered), text::grouped(total)),
        _ => "-".to_owned(),
    }
}
