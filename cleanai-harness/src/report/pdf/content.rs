//! What the report says, in which order: cover, contents, tests, notes.

use super::cover;
use super::font::Face;
use super::layout::{AMBER, Align, BLUE, Canvas, GREEN, GREY, Ink, LEFT, RED, RIGHT, WHITE, pen};
use super::origin::Origin;
use super::pages::Pages;
use super::{Moment, section};
use crate::Result;
use crate::report::{Outcome, Status, date, message};

/// The report's title.
pub(super) const TITLE: &str = "CleanAI coverage report";

/// The whole report.
pub(super) fn document(outcomes: &[Outcome], moment: Moment, origin: &Origin) -> Result<Pages> {
    let mut canvas = Canvas::new()?;
    cover::cover(&mut canvas, outcomes, moment, origin);
    if !outcomes.is_empty() {
        let mut starts = Vec::new();
        for outcome in outcomes {
            starts.push(canvas.sections.len());
            section::section(&mut canvas, outcome, !moment.fixed);
        }
        notes(&mut canvas);
        cover::contents(&mut canvas, outcomes, &starts);
    }
    let mut foot = concat!("CleanAI ", env!("CARGO_PKG_VERSION")).to_string();
    if let Some(date) = moment.seconds {
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

/// A heading that stays with at least `follows` points of what it is the heading of.
pub(super) fn heading(canvas: &mut Canvas, title: &str, follows: f32) {
    canvas.ensure(24.0 + follows);
    let y = canvas.y();
    canvas.text(LEFT, y + 10.0, Align::Left, RIGHT - LEFT, pen(Face::Bold, 11.0, BLUE), title);
    canvas.space(20.0);
}

/// The heading of a part that contents and outline lead to.
pub(super) fn part(canvas: &mut Canvas, title: &str, follows: f32) {
    canvas.ensure(24.0 + follows);
    canvas.part(title);
    heading(canvas, title, follows);
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
