//! What the report says, in which order: overview, tests, notes.

use printpdf::PdfDocument;

use super::font::Face;
use super::layout::{
    AMBER, Align, BLACK, BLUE, Canvas, GREEN, GREY, Ink, LEFT, NOTE, RED, RIGHT, SHADE, STRONG, WHITE, pen,
};
use super::section;
use super::table::{Cell, Column};
use crate::Result;
use crate::report::{Outcome, Status, date, message, text};

/// The report's title.
pub(super) const TITLE: &str = "CleanAI coverage report";

/// The whole report.
pub(super) fn document(outcomes: &[Outcome], date: Option<u64>) -> Result<PdfDocument> {
    let mut canvas = Canvas::new()?;
    overview(&mut canvas, outcomes, date);
    for outcome in outcomes {
        section::section(&mut canvas, outcome);
    }
    notes(&mut canvas);
    let mut foot = concat!("CleanAI ", env!("CARGO_PKG_VERSION")).to_string();
    if let Some(date) = date {
        foot = format!("{foot}  ·  {}", date::readable(date));
    }
    Ok(canvas.finish(TITLE, &foot))
}

pub(super) fn status_ink(status: Status) -> Ink {
    match status {
        Status::Passed => GREEN,
        Status::Failed => RED,
        Status::Error => AMBER,
    }
}

/// A filled label at the right edge.
pub(super) fn badge(canvas: &mut Canvas, top: f32, height: f32, size: f32, status: Status) -> f32 {
    let pen = pen(Face::Bold, size, WHITE);
    let word = message::status_word(status);
    let width = canvas.width(pen, word) + size * 1.6;
    canvas.fill(RIGHT - width, top, width, height, status_ink(status));
    canvas.text(RIGHT - width / 2.0, top + height / 2.0 + size * 0.36, Align::Centre, width, pen, word);
    width
}

fn overview(canvas: &mut Canvas, outcomes: &[Outcome], date: Option<u64>) {
    let overall = message::overall(outcomes);
    let top = canvas.y();
    let width = badge(canvas, top - 14.0, 28.0, 15.0, overall);
    let limit = RIGHT - LEFT - width - 12.0;
    canvas.text(LEFT, top + 8.0, Align::Left, limit, pen(Face::Bold, 23.0, BLACK), TITLE);
    canvas.space(28.0);
    let mut packages: Vec<&str> = outcomes.iter().map(|outcome| outcome.test.package.as_str()).collect();
    packages.dedup();
    let mut line = packages.join(", ");
    if let Some(date) = date {
        line = if line.is_empty() { date::readable(date) } else { format!("{line}  ·  {}", date::readable(date)) };
    }
    let y = canvas.y();
    canvas.text(LEFT, y, Align::Left, RIGHT - LEFT, pen(Face::Regular, 10.0, GREY), &line);
    canvas.space(20.0);
    tiles(canvas, outcomes);
    canvas.space(26.0);
    heading(canvas, "Tests", 40.0);
    if outcomes.is_empty() {
        canvas.paragraph(LEFT, RIGHT, NOTE, "No coverage test ran.");
        return;
    }
    let columns =
        [Column::left("TEST", 176.0), Column::rest("WHY"), Column::left("VERDICT", 44.0), Column::right("PAGE", 26.0)];
    let rows: Vec<Vec<Cell>> = outcomes
        .iter()
        .map(|outcome| {
            let reasons = message::reasons(outcome);
            let why = match reasons.as_slice() {
                [] => String::new(),
                [one] => one.message.clone(),
                [first, rest @ ..] => format!("{} (and {} more)", first.message, rest.len()),
            };
            vec![
                Cell::with(STRONG, &outcome.test.name),
                Cell::with(NOTE, why),
                Cell::with(pen(Face::Bold, 8.5, status_ink(outcome.status)), message::status_word(outcome.status)),
                Cell::text(""),
            ]
        })
        .collect();
    canvas.table(&columns, &rows, Some);
    canvas.space(12.0);
}

/// Four figures in a row.
fn tiles(canvas: &mut Canvas, outcomes: &[Outcome]) {
    const GAP: f32 = 12.0;
    const HEIGHT: f32 = 52.0;
    let count = |status| outcomes.iter().filter(|outcome| outcome.status == status).count();
    let tiles = [
        ("tests", outcomes.len(), BLACK),
        ("passed", count(Status::Passed), GREEN),
        ("failed", count(Status::Failed), RED),
        ("not measured", count(Status::Error), AMBER),
    ];
    let width = (RIGHT - LEFT - GAP * 3.0) / 4.0;
    let top = canvas.y();
    for (index, (label, number, ink)) in tiles.into_iter().enumerate() {
        let x = LEFT + index as f32 * (width + GAP);
        let ink = if number == 0 { GREY } else { ink };
        canvas.fill(x, top, width, HEIGHT, SHADE);
        canvas.fill(x, top, 2.5, HEIGHT, ink);
        canvas.text(
            x + 13.0,
            top + 25.0,
            Align::Left,
            width - 16.0,
            pen(Face::Bold, 18.0, ink),
            &text::grouped(number as u64),
        );
        canvas.text(x + 13.0, top + 40.0, Align::Left, width - 16.0, NOTE, label);
    }
    canvas.space(HEIGHT);
}

/// A heading that stays with at least `follows` points of what it is the heading of.
pub(super) fn heading(canvas: &mut Canvas, title: &str, follows: f32) {
    canvas.ensure(24.0 + follows);
    let y = canvas.y();
    canvas.text(LEFT, y + 10.0, Align::Left, RIGHT - LEFT, pen(Face::Bold, 11.0, BLUE), title);
    canvas.space(20.0);
}

fn notes(canvas: &mut Canvas) {
    let mut text =
        "Figures are rounded; the JSON report has all digits. A dash stands for nothing to cover or nothing known."
            .to_string();
    if canvas.replaced() {
        text += " Characters that the fonts of this report lack are written as \\u{...}, by their Unicode number.";
    }
    let small = pen(Face::Regular, 7.5, GREY);
    canvas.ensure(canvas.height(LEFT, RIGHT, small, &text) + 4.0);
    canvas.space(4.0);
    canvas.paragraph(LEFT, RIGHT, small, &text);
}
