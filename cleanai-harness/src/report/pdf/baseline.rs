//! How the figures stand to the baseline, where they went from it, and what lies behind those that fell.

use super::content::part;
use super::font::Face;
use super::layout::{AMBER, Align, BLACK, BODY, Canvas, GREEN, GREY, Ink, LEFT, MONO, NOTE, RED, RIGHT, STRONG, pen};
use super::table::{Cell, Column, Trend, head_height, title_width};
use crate::gate::{BaselineStatus, Change, FigureChange};
use crate::report::explanation::{self, Section};
use crate::report::{Outcome, figure, message};

/// The verdict of the baseline with its tables.
pub(super) fn baseline(canvas: &mut Canvas, outcome: &Outcome) {
    let baseline = &outcome.baseline;
    let rows = baseline.changes.len();
    part(canvas, "Baseline", 60.0 + head_height(rows));
    let ink = match baseline.status {
        _ if baseline.fails => RED,
        BaselineStatus::Improved => GREEN,
        BaselineStatus::Unchanged | BaselineStatus::Disabled => BLACK,
        _ => AMBER,
    };
    let mut sentence = message::baseline_sentence(baseline.status).to_string();
    sentence[..1].make_ascii_uppercase();
    canvas.paragraph(LEFT, RIGHT, pen(Face::Bold, 8.5, ink), &sentence);
    for (label, path) in [("baseline", &baseline.file), ("pending", &baseline.pending)] {
        if let Some(path) = path {
            let path = path.display().to_string();
            let y = canvas.y();
            canvas.text(LEFT, y + 8.5, Align::Left, 48.0, NOTE, label);
            canvas.paragraph(LEFT + 52.0, RIGHT, MONO, &path);
        }
    }
    if let Some(next) = message::next_step(baseline) {
        canvas.paragraph(LEFT, RIGHT, BODY, &format!("Next: {next}"));
    }
    if rows > 0 {
        canvas.space(6.0);
        let columns = [
            Column::rest("CRITERION"),
            Column::right("BASELINE", 54.0),
            Column::right("OBSERVED", 54.0),
            Column::right("DELTA", 52.0),
            Column::left("TREND", 72.0),
            Column::right("TOLERANCE", 50.0),
            Column::left("CHANGE", 78.0),
        ];
        let rows: Vec<Vec<Cell>> = baseline
            .changes
            .iter()
            .map(|change| {
                let style = message::style(outcome, &change.criterion);
                let ink = change_ink(change.change);
                vec![
                    Cell::text(&change.criterion),
                    Cell::text(figure::value(change.baseline, style)),
                    Cell::text(figure::value(change.observed, style)),
                    Cell::with(pen(Face::Regular, 8.5, ink), figure::delta(change.observed, change.baseline, style)),
                    trend(change).map_or(Cell::Bar(None, GREY), Cell::Trend),
                    Cell::with(NOTE, figure::bound_text(change.tolerance)),
                    Cell::with(pen(Face::Regular, 8.5, ink), message::change_word(change.change)),
                ]
            })
            .collect();
        canvas.table(&columns, &rows, |_| None);
        canvas.space(3.0);
        let legend = "Trend: the black mark is the baseline, the grey band its tolerance, the coloured mark the figure now; each row has its own scale.";
        canvas.paragraph(LEFT, RIGHT, pen(Face::Regular, 7.0, GREY), legend);
    }
    canvas.space(14.0);
    explained(canvas, outcome);
    canvas.space(6.0);
}

/// Where a figure went: the scale leaves room for twice the tolerance.
fn trend(change: &FigureChange) -> Option<Trend> {
    let delta = change.observed? - change.baseline?;
    let scale = delta.abs().max(change.tolerance.abs() * 2.0) * 1.15;
    if !delta.is_finite() || !scale.is_finite() {
        return None;
    }
    let share = |number: f64| if scale > 0.0 { (number / scale) as f32 } else { 0.0 };
    Some(Trend { at: share(delta), tolerance: share(change.tolerance.abs()), ink: change_ink(change.change) })
}

/// The tables on each figure that fell.
fn explained(canvas: &mut Canvas, outcome: &Outcome) {
    for (change, sections) in explanation::explained(outcome) {
        let style = message::style(outcome, &change.criterion);
        let first = sections.first().map_or(0, |section| section.rows.len());
        part(canvas, &format!("What fell: {}", message::change_line(change, style)), 14.0 + head_height(first));
        for section in &sections {
            table_of(canvas, section);
        }
        canvas.space(4.0);
    }
    if let Some(why) = outcome.baseline.changes.iter().find_map(explanation::unknown) {
        canvas.paragraph(LEFT, RIGHT, pen(Face::Regular, 8.5, AMBER), &format!("Note: {why}."));
        canvas.space(10.0);
    }
}

fn table_of(canvas: &mut Canvas, section: &Section) {
    canvas.ensure(14.0 + head_height(section.rows.len()));
    canvas.paragraph(LEFT, RIGHT, STRONG, &section.title);
    let column = |(index, title): (usize, &&'static str)| {
        let title = title.to_uppercase();
        // As wide as its longest cell, within what leaves the first column its room.
        let cells = section.rows.iter().filter_map(|row| row.get(index)).map(|cell| canvas.width(BODY, cell));
        let width = cells.fold(title_width(canvas, &title), f32::max).max(46.0);
        match (index, section.words.contains(&index)) {
            (0, _) => Column::rest(title),
            (_, true) => Column::left(title, width.clamp(76.0, 160.0)),
            (_, false) => Column::right(title, width.min(110.0)),
        }
    };
    let columns: Vec<Column> = section.columns.iter().enumerate().map(column).collect();
    let rows: Vec<Vec<Cell>> = section.rows.iter().map(|row| row.iter().map(Cell::text).collect()).collect();
    canvas.table(&columns, &rows, |_| None);
    if let Some(more) = &section.more {
        canvas.paragraph(LEFT, RIGHT, NOTE, more);
    }
    canvas.space(10.0);
}

/// The colour of a change.
pub(super) fn change_ink(change: Change) -> Ink {
    match change {
        Change::Unchanged => GREY,
        Change::Improved => GREEN,
        Change::Regressed | Change::NotFinite => RED,
        Change::Added | Change::Removed => AMBER,
    }
}
