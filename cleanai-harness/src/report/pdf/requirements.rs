//! Requirement by requirement: what was asked, what was observed, and what is behind each that does not hold.

use super::baseline::change_ink;
use super::content::part;
use super::font::Face;
use super::layers::{counts, layer_bar};
use super::layout::{AMBER, BODY, Canvas, GREEN, GREY, LEFT, NOTE, RED, RIGHT, STRONG, pen};
use super::table::{Cell, Column, head_height};
use crate::gate::RequirementVerdict;
use crate::report::figure::{self, Style};
use crate::report::{Outcome, message};

/// The table of all, and a paragraph on each that fails.
pub(super) fn verdicts(canvas: &mut Canvas, outcome: &Outcome) {
    part(canvas, "Requirements", head_height(outcome.requirements.len()));
    if outcome.requirements.is_empty() {
        canvas.paragraph(LEFT, RIGHT, NOTE, "No threshold is declared.");
        canvas.space(14.0);
        return;
    }
    // A bound that comes from a baseline or another model says so, and takes the room of the bar.
    let told = outcome.requirements.iter().any(|verdict| verdict.bound_text.is_some());
    let mut columns = vec![Column::rest("CRITERION"), Column::right("OBSERVED", 54.0)];
    if !told {
        columns.push(Column::left("", 62.0));
    }
    columns.extend([
        Column::right("REQUIRED", if told { 124.0 } else { 52.0 }),
        Column::right("BASELINE", 54.0),
        Column::right("DELTA", 54.0),
        Column::left("VERDICT", 42.0),
    ]);
    let criteria = outcome.measurement.as_ref().map(|measurement| &measurement.criteria);
    let rows: Vec<Vec<Cell>> = outcome
        .requirements
        .iter()
        .map(|verdict| {
            let style = message::style_of(outcome, verdict);
            let ink = if verdict.holds { GREEN } else { RED };
            let result = criteria.and_then(|criteria| criteria.get(&verdict.criterion));
            let ratio =
                figure::label(verdict) == verdict.criterion && result.is_some_and(|result| result.total.is_some());
            let change = outcome.baseline.changes.iter().find(|change| change.criterion == figure::label(verdict));
            let delta = pen(Face::Regular, 8.5, change.map_or(GREY, |change| change_ink(change.change)));
            let mut row =
                vec![Cell::text(figure::label(verdict)), Cell::with(STRONG, figure::observed(verdict, style))];
            if !told {
                row.push(Cell::Bar(verdict.observed.filter(|_| ratio), ink));
            }
            row.extend([
                Cell::text(figure::required(verdict)),
                Cell::text(figure::value(verdict.baseline, style)),
                Cell::with(delta, figure::delta(verdict.observed, verdict.baseline, style)),
                Cell::with(pen(Face::Bold, 8.5, ink), message::verdict_word(verdict)),
            ]);
            row
        })
        .collect();
    canvas.table(&columns, &rows, |_| None);
    canvas.space(6.0);
    // What the first column may have had no room for.
    for verdict in &outcome.requirements {
        if canvas.width(BODY, figure::label(verdict)) > 100.0 {
            canvas.paragraph(LEFT, RIGHT, NOTE, &format!("In full: {}", verdict.requirement));
        }
    }
    canvas.space(6.0);
    for verdict in outcome.requirements.iter().filter(|verdict| !verdict.holds) {
        failure(canvas, verdict, message::style_of(outcome, verdict));
    }
    if let Some(measurement) = &outcome.measurement {
        for warning in message::warnings(measurement) {
            canvas.paragraph(LEFT, RIGHT, pen(Face::Regular, 8.5, AMBER), &format!("Warning: {warning}."));
        }
    }
    canvas.space(14.0);
}

fn failure(canvas: &mut Canvas, verdict: &RequirementVerdict, style: Style) {
    let strong = pen(Face::Bold, 8.5, RED);
    let why = message::requirement_failure(verdict, style);
    let bound = message::passing_bound(verdict);
    let table = if verdict.worst_layers.is_empty() { 0.0 } else { head_height(verdict.worst_layers.len()) + 6.0 };
    canvas.ensure(canvas.height(LEFT, RIGHT, strong, &why) + 18.0 + table);
    canvas.paragraph(LEFT, RIGHT, strong, &why);
    if let Some(bound) = bound {
        canvas.paragraph(LEFT, RIGHT, BODY, &bound);
    }
    if !verdict.worst_layers.is_empty() {
        canvas.space(2.0);
        let title = if figure::wants_more(verdict.comparison) { "LOWEST LAYERS" } else { "HIGHEST LAYERS" };
        let columns = [
            Column::rest(title),
            Column::right("COVERED / TOTAL", 110.0),
            Column::right("VALUE", 56.0),
            Column::left("", 84.0),
        ];
        let rows: Vec<Vec<Cell>> = verdict
            .worst_layers
            .iter()
            .map(|layer| {
                vec![
                    Cell::text(&layer.name),
                    Cell::with(NOTE, counts(layer)),
                    Cell::text(figure::value(layer.value, style)),
                    layer_bar(layer, RED),
                ]
            })
            .collect();
        canvas.table(&columns, &rows, |_| None);
    }
    canvas.space(12.0);
}
