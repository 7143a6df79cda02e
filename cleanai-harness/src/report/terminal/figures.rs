//! All figures of a test in one table, and how single ones are shown.

use anstyle::Style as Ink;

use super::block::{BOLD, Block, CYAN, DIM, GREEN, PLAIN, RED, YELLOW};
use super::grid::{Cell, Grid};
use crate::gate::{BaselineStatus, Change};
use crate::measure::Measurement;
use crate::report::figure::{self, Style};
use crate::report::{Outcome, message, text};

/// Cells of a bar.
const BAR: usize = 10;

/// All figures: those required in the order declared, then those only measured.
pub(super) fn table(block: &mut Block, outcome: &Outcome, measurement: &Measurement) {
    let changes = &outcome.baseline.changes;
    let change_of = |criterion: &str| changes.iter().find(|change| change.criterion == criterion);
    let compared = outcome.requirements.iter().any(|verdict| verdict.baseline.is_some())
        || !matches!(outcome.baseline.status, BaselineStatus::Disabled | BaselineStatus::NotReached);
    let mut grid = Grid::new("criterion");
    grid.right("observed").left("").right("required");
    if compared {
        grid.right("baseline").right("delta");
    }
    let other = measurement.against.as_ref();
    if other.is_some() {
        grid.right("against");
    }
    grid.left("verdict");
    for verdict in &outcome.requirements {
        let style = message::style_of(outcome, verdict);
        let result = measurement.criteria.get(&verdict.criterion);
        let ink = if verdict.holds { GREEN } else { RED };
        let is_value = figure::label(verdict) == verdict.criterion;
        let share = verdict.observed.filter(|_| is_value && result.is_some_and(|result| result.total.is_some()));
        let mut row = vec![
            Cell::new(PLAIN, figure::label(verdict)),
            Cell::new(ink.bold(), &figure::observed(verdict, style)),
            bar(share, ink),
            Cell::new(PLAIN, &figure::required(verdict)),
        ];
        if compared {
            let change = change_of(figure::label(verdict)).map(|change| change.change);
            row.push(Cell::new(PLAIN, &figure::value(verdict.baseline, style)));
            row.push(Cell::new(change_ink(change), &figure::delta(verdict.observed, verdict.baseline, style)));
        }
        if other.is_some() {
            row.push(Cell::new(PLAIN, &figure::value(verdict.against, style)));
        }
        let mark = if verdict.holds { "✓" } else { "✗" };
        row.push(match verdict.is_judged() {
            false => Cell::new(YELLOW, "- not yet"),
            true => Cell::new(
                if verdict.holds { ink } else { ink.bold() },
                &format!("{mark} {}", message::verdict_word(verdict)),
            ),
        });
        grid.row(row);
    }
    for (criterion, result) in &measurement.criteria {
        if outcome
            .requirements
            .iter()
            .any(|verdict| &verdict.criterion == criterion && figure::label(verdict) == criterion)
        {
            continue;
        }
        let style = Style::of(result);
        let share = result.value.filter(|_| result.total.is_some());
        let mut row = vec![
            Cell::new(PLAIN, criterion),
            Cell::new(BOLD, &figure::value(result.value, style)),
            bar(share, CYAN),
            Cell::new(DIM, "-"),
        ];
        if compared {
            let change = change_of(criterion);
            let held = change.and_then(|change| change.baseline);
            row.push(Cell::new(PLAIN, &figure::value(held, style)));
            row.push(Cell::new(
                change_ink(change.map(|change| change.change)),
                &figure::delta(result.value, held, style),
            ));
        }
        if let Some(other) = other {
            let value = other.figures.get(criterion).copied().flatten();
            row.push(Cell::new(PLAIN, &figure::value(value, style)));
        }
        row.push(Cell::new(DIM, "  measured"));
        grid.row(row);
    }
    block.blank();
    if grid.is_empty() {
        block.line(&[(DIM, "  no criterion was required or measured".into())]);
    } else {
        block.grid(&grid, 2);
    }
}

/// The ink of a change: better, worse or neither.
pub(super) fn change_ink(change: Option<Change>) -> Ink {
    match change {
        Some(Change::Improved) => GREEN,
        Some(Change::Regressed | Change::NotFinite) => RED,
        _ => DIM,
    }
}

/// A share of one as a bar; blank where the figure is none.
pub(super) fn bar(share: Option<f64>, ink: Ink) -> Cell {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let Some(share) = share.filter(|share| share.is_finite()) else { return Cell::new(PLAIN, "") };
    let eighths = (share.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    // Something is never drawn as nothing, and not all never as all.
    let eighths = eighths.clamp(usize::from(share > 0.0), BAR * 8 - usize::from(share < 1.0));
    let filled = format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8]);
    let rest = "·".repeat(BAR - text::width(&filled));
    Cell::new(ink, &filled).and(DIM, &rest)
}
