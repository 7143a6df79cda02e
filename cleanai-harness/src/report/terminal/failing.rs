//! What is behind each requirement that fails: how far it is from its bound, and the layers and classes that are worst.

use super::block::{BOLD, Block, DIM, PLAIN, RED, WIDTH};
use super::figures::bar;
use super::grid::{Cell, Grid};
use crate::report::figure::{self, Style};
use crate::report::{Outcome, message, text};

/// Requirement by requirement.
pub(super) fn failing(block: &mut Block, outcome: &Outcome) {
    for verdict in outcome.requirements.iter().filter(|verdict| !verdict.holds) {
        let style = message::style_of(outcome, verdict);
        block.blank();
        let label = text::line(figure::label(verdict)).into_owned();
        let why = text::line(&message::requirement_failure(verdict, style)).into_owned();
        // The figures stay together: where the whole is too wide, they get a line of their own.
        let figures = why
            .strip_prefix(&label)
            .filter(|_| text::width(&why) > WIDTH - 4)
            .map(|rest| rest.trim_start_matches([':', ' ']));
        let (first, rest) = figures.map_or((why.as_str(), ""), |figures| (label.as_str(), figures));
        block.line(&[(RED.bold(), "  ✗ ".into()), (BOLD, first.into())]);
        if !rest.is_empty() {
            block.wrapped(4, BOLD, rest);
        }
        if let Some(bound) = message::passing_bound(verdict) {
            block.wrapped(4, PLAIN, &bound);
        }
        if !verdict.worst_layers.is_empty() {
            let rows = verdict.worst_layers.iter().map(|it| (it.name.as_str(), it.value, it.covered.zip(it.total)));
            block.grid(&worst(message::worst_layers(verdict), rows, style), 4);
        }
        if !verdict.worst_classes.is_empty() {
            let classes = verdict.worst_classes.iter().map(|class| (&class.name, &class.figures));
            let rows = classes.map(|(name, it)| (name.as_str(), it.value, it.covered.zip(it.total)));
            block.grid(&worst(message::worst_classes(verdict), rows, style), 4);
        }
    }
}

/// Layers or classes with their values, and counts where both are known.
fn worst<'o>(
    title: &'static str,
    rows: impl Iterator<Item = (&'o str, Option<f64>, Option<(u64, u64)>)>,
    style: Style,
) -> Grid {
    let mut grid = Grid::new(title);
    grid.right("value").left("").right("covered");
    for (name, value, counts) in rows {
        let counted = counts.map(|(covered, total)| format!("{} / {}", text::grouped(covered), text::grouped(total)));
        grid.row(vec![
            Cell::new(PLAIN, name),
            Cell::new(PLAIN, &figure::value(value, style)),
            bar(value.filter(|_| counts.is_some()), RED),
            Cell::new(DIM, counted.as_deref().unwrap_or("-")),
        ]);
    }
    grid
}
