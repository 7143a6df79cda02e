//! The baseline: where it lies, what changed, what is behind that, and what to do next.

use std::path::Path;

use super::block::{BOLD, Block, CYAN, DIM, GREEN, PLAIN, RED, YELLOW};
use super::figures::change_ink;
use super::grid::{Cell, Grid};
use super::proposal;
use crate::gate::{BaselineStatus, Change};
use crate::report::explanation::{self, Section};
use crate::report::{Outcome, Status, figure, message, text};

/// All about it; nothing where there is nothing to say.
pub(super) fn baseline(block: &mut Block, outcome: &Outcome) {
    let verdict = &outcome.baseline;
    match verdict.status {
        BaselineStatus::Disabled | BaselineStatus::NotReached if !verdict.fails => return,
        BaselineStatus::Unchanged if !verdict.fails && outcome.status == Status::Passed => return,
        _ => {}
    }
    let ink = match verdict.status {
        _ if verdict.fails => RED.bold(),
        BaselineStatus::Improved => GREEN,
        BaselineStatus::Unchanged => PLAIN,
        _ => YELLOW,
    };
    block.blank();
    block.line(&[(BOLD, "  baseline  ".into()), (ink, message::baseline_sentence(verdict.status).into())]);
    let path = |block: &mut Block, label: &str, path: &Path| {
        let path = path.display().to_string();
        block.line(&[(DIM, format!("    {label:<9}{}", text::line(&path)))]);
    };
    if let Some(file) = &verdict.file {
        path(block, "file", file);
    }
    if let Some(pending) = &verdict.pending {
        path(block, "pending", pending);
    }
    // A baseline that is not there says the same of every figure.
    if !matches!(verdict.status, BaselineStatus::Missing | BaselineStatus::Unreadable) {
        let mut grid = Grid::new("");
        grid.right("baseline").right("observed").right("delta").left("").right("tolerance");
        for change in verdict.changes.iter().filter(|change| change.change != Change::Unchanged) {
            let style = message::style(outcome, &change.criterion);
            let ink = change_ink(Some(change.change));
            grid.row(vec![
                Cell::new(PLAIN, &change.criterion),
                Cell::new(PLAIN, &figure::value(change.baseline, style)),
                Cell::new(PLAIN, &figure::value(change.observed, style)),
                Cell::new(ink, &figure::delta(change.observed, change.baseline, style)),
                Cell::new(ink, message::change_word(change.change)),
                Cell::new(DIM, &figure::bound_text(change.tolerance)),
            ]);
        }
        let unchanged = verdict.changes.iter().filter(|change| change.change == Change::Unchanged).count();
        if !grid.is_empty() {
            block.grid(&grid, 4);
            if unchanged > 0 {
                block.line(&[(DIM, format!("    {unchanged} within tolerance"))]);
            }
        }
    }
    for (change, sections) in explanation::explained(outcome) {
        block.line(&[(BOLD, format!("    {}", text::line(&change.criterion)))]);
        sections.iter().for_each(|section| table_of(block, section));
    }
    if verdict.status == BaselineStatus::Missing {
        proposal::show(block, outcome);
    }
    let unknown = verdict.changes.iter().find_map(explanation::unknown);
    if let Some(why) = unknown {
        block.labelled("  note", YELLOW, why);
    }
    if let Some(next) = message::next_step(verdict) {
        // A command stays on one line, so that it can be copied.
        for line in text::lines(&next) {
            block.line(&[(CYAN.bold(), "  next  ".into()), (PLAIN, line)]);
        }
    }
}

/// One table of what lies behind a figure.
fn table_of(block: &mut Block, section: &Section) {
    let mut grid = Grid::new(section.columns[0]);
    for (index, column) in section.columns.iter().enumerate().skip(1) {
        if section.words.contains(&index) {
            grid.left(column)
        } else {
            grid.right(column)
        };
    }
    for row in &section.rows {
        grid.row(row.iter().map(|cell| Cell::new(PLAIN, cell)).collect());
    }
    block.line(&[(PLAIN, format!("      {}", section.title))]);
    block.grid(&grid, 8);
    if let Some(more) = &section.more {
        block.line(&[(DIM, format!("        {more}"))]);
    }
}
