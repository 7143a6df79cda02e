//! The first pages: verdict, counts, what was tested by whom with what, and the contents.

use std::collections::BTreeSet;

use super::Moment;
use super::content::{TITLE, badge, heading, status_ink};
use super::facts::group;
use super::font::Face;
use super::layout::{
    AMBER, Align, BLACK, BODY, Canvas, GREEN, GREY, LEFT, MONO, NOTE, Pen, RED, RIGHT, SHADE, STRONG, pen,
};
use super::origin::Origin;
use super::table::{Cell, Column};
use crate::measure::Measurement;
use crate::report::{Outcome, Status, date, message, text};

/// Models and data sets that the cover names; more are counted.
const NAMED: usize = 5;
/// Rows of the contents, beyond which they name tests alone.
const ROWS: usize = 160;

/// The cover.
pub(super) fn cover(canvas: &mut Canvas, outcomes: &[Outcome], moment: Moment, origin: &Origin) {
    canvas.space(40.0);
    let overall = message::overall(outcomes);
    let top = canvas.y();
    let width = badge(canvas, top - 16.0, 34.0, 18.0, overall);
    let limit = RIGHT - LEFT - width - 12.0;
    canvas.text(LEFT, top + 10.0, Align::Left, limit, pen(Face::Bold, 27.0, BLACK), TITLE);
    canvas.space(34.0);
    let packages: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome.test.package.as_str()).collect();
    let packages: Vec<&str> = packages.into_iter().collect();
    let y = canvas.y();
    canvas.text(LEFT, y, Align::Left, RIGHT - LEFT, pen(Face::Regular, 12.0, GREY), &packages.join(", "));
    canvas.space(30.0);
    tiles(canvas, outcomes);
    canvas.space(30.0);
    if outcomes.is_empty() {
        canvas.paragraph(LEFT, RIGHT, NOTE, "No coverage test ran.");
        canvas.space(20.0);
    } else {
        let pen = pen(Face::Bold, 11.0, status_ink(overall));
        canvas.paragraph(LEFT, RIGHT, pen, sentence(overall));
        canvas.paragraph(LEFT, RIGHT, NOTE, &format!("{}.", message::counts(outcomes)));
        canvas.space(20.0);
    }
    let measured: Vec<&Measurement> = outcomes.iter().filter_map(|outcome| outcome.measurement.as_ref()).collect();
    models(canvas, &measured);
    data(canvas, &measured);
    versions(canvas, &measured);
    made(canvas, moment, origin);
}

fn sentence(status: Status) -> &'static str {
    match status {
        Status::Passed => "Every requirement holds.",
        Status::Failed => "The gate stops this release: what is required does not hold.",
        Status::Error => "The gate stops this release: not everything could be measured.",
    }
}

/// Values that differ, in the order they come, and how many more there are.
fn distinct<T: Ord + Clone>(all: impl Iterator<Item = T>) -> (Vec<T>, usize) {
    let mut seen = BTreeSet::new();
    let mut values: Vec<T> = all.filter(|value| seen.insert(value.clone())).collect();
    let more = values.len().saturating_sub(NAMED);
    values.truncate(NAMED);
    (values, more)
}

/// A path in two lines at most; the tests have it in full.
fn short(path: &str) -> String {
    text::ellipsis(path, 140).into_owned()
}

fn models(canvas: &mut Canvas, measured: &[&Measurement]) {
    let fact = |own: &&Measurement| {
        let model = &own.model;
        (model.path.clone(), model.sha256.clone(), model.format.clone(), model.parameters, model.layers.len() as u64)
    };
    let (models, more) = distinct(measured.iter().map(fact));
    let mut rows = Vec::new();
    for (path, sha256, format, parameters, layers) in models {
        let size = format!(
            "{format}, {}, {}",
            text::counted(parameters, "parameter", "parameters"),
            text::counted(layers, "layer", "layers")
        );
        rows.extend([("path", BODY, short(&path)), ("SHA-256", MONO, sha256), ("format", BODY, size)]);
    }
    named(canvas, "Model", rows, more);
}

fn data(canvas: &mut Canvas, measured: &[&Measurement]) {
    let fact = |own: &&Measurement| {
        let data = &own.data;
        let inputs = format!("{} of shape {}", text::grouped(data.inputs as u64), text::shape(&data.shape));
        (data.path.clone(), inputs, data.profile.clone())
    };
    let (sets, more) = distinct(measured.iter().map(fact));
    let mut rows = Vec::new();
    for (path, inputs, profile) in sets {
        rows.extend([("test set", BODY, short(&path)), ("inputs", BODY, inputs)]);
        rows.extend(profile.map(|profile| ("profile set", BODY, short(&profile))));
    }
    named(canvas, "Data", rows, more);
}

fn versions(canvas: &mut Canvas, measured: &[&Measurement]) {
    let joined = |of: fn(&Measurement) -> &str| {
        let (values, _) = distinct(measured.iter().map(|own| of(own)));
        values.join(", ")
    };
    if measured.is_empty() {
        return;
    }
    let rows = [
        ("CleanAI", BODY, joined(|own| &own.settings.cleanai)),
        ("libtorch", BODY, joined(|own| &own.settings.libtorch)),
        ("device", BODY, joined(|own| &own.settings.device)),
    ];
    group(canvas, "Versions", &rows);
}

fn made(canvas: &mut Canvas, moment: Moment, origin: &Origin) {
    let mut rows: Vec<(&str, Pen, String)> = Vec::new();
    rows.extend(moment.seconds.map(|seconds| ("date", BODY, date::readable(seconds))));
    rows.push(("by", BODY, origin.maker()));
    rows.extend(origin.commit.clone().map(|commit| ("commit", MONO, commit)));
    rows.extend(origin.job.clone().map(|job| ("job", MONO, job)));
    group(canvas, "Made", &rows);
}

fn named(canvas: &mut Canvas, title: &str, mut rows: Vec<(&str, Pen, String)>, more: usize) {
    if more > 0 {
        rows.push(("", NOTE, format!("and {more} more, which the tests name")));
    }
    if !rows.is_empty() {
        group(canvas, title, &rows);
    }
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

/// Tests and their parts with their pages, behind the cover; `starts` are the numbers of the tests' sections.
pub(super) fn contents(canvas: &mut Canvas, outcomes: &[Outcome], starts: &[usize]) {
    let sections = canvas.sections.clone();
    let first = canvas.sheets.len();
    canvas.new_page();
    canvas.section("Contents");
    heading(canvas, "Contents", 40.0);
    let columns =
        [Column::left("TEST", 190.0), Column::rest("WHY"), Column::left("VERDICT", 44.0), Column::right("PAGE", 26.0)];
    let whole = sections.len() <= ROWS;
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for (number, outcome) in outcomes.iter().enumerate() {
        let reasons = message::reasons(outcome);
        let why = match reasons.as_slice() {
            [] => String::new(),
            [one] => one.message.clone(),
            [first, rest @ ..] => format!("{} (and {} more)", first.message, rest.len()),
        };
        rows.push(vec![
            Cell::with(STRONG, &outcome.test.name),
            Cell::with(NOTE, why),
            Cell::with(pen(Face::Bold, 8.5, status_ink(outcome.status)), message::status_word(outcome.status)),
            Cell::text(""),
        ]);
        targets.push(starts[number]);
        let end = starts.get(number + 1).copied().unwrap_or(sections.len());
        for (at, part) in sections.iter().enumerate().take(end).skip(starts[number]).filter(|(_, own)| own.is_part) {
            if whole {
                rows.push(vec![
                    Cell::Indented(NOTE, part.name.clone()),
                    Cell::text(""),
                    Cell::text(""),
                    Cell::text(""),
                ]);
                targets.push(at);
            }
        }
    }
    canvas.dense_table(&columns, &rows, |row| targets.get(row).copied());
    canvas.move_behind_cover(first);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cover_names_what_differs() {
        assert_eq!(distinct(["b", "a", "b"].into_iter()), (vec!["b", "a"], 0));
        assert_eq!(distinct(0..9), ((0..5).collect(), 4));
    }
}
