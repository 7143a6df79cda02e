//! The section of one test: its verdict first, then what it was measured with, what it found, and layer by layer.

use std::collections::BTreeMap;

use super::content::{badge, part};
use super::font::Face;
use super::layout::{AMBER, Align, BLACK, BODY, Canvas, HAIRLINE, LEFT, MONO, NOTE, RED, RIGHT, STRONG, pen};
use super::{baseline, cleanai, facts, layers, requirements};
use crate::measure::Measurement;
use crate::report::cleanai::{Settings, Sources};
use crate::report::{Outcome, Status, date, message, text};

/// Everything about one test.
/// Durations are shown where the report is `timed`.
pub(super) fn section(canvas: &mut Canvas, outcome: &Outcome, timed: bool) {
    // Tests that measured something start a page; errors follow each other while there is room.
    if outcome.measurement.is_some() || !canvas.fits(170.0) {
        canvas.new_page();
    } else {
        canvas.space(14.0);
        canvas.rule(0.8, HAIRLINE);
        canvas.space(18.0);
    }
    canvas.section(&outcome.test.name);
    let top = canvas.y();
    let width = badge(canvas, top - 2.0, 20.0, 10.5, outcome.status);
    canvas.text(
        LEFT,
        top + 13.0,
        Align::Left,
        RIGHT - LEFT - width - 12.0,
        pen(Face::Bold, 16.0, BLACK),
        &outcome.test.name,
    );
    canvas.space(30.0);
    let test = &outcome.test;
    let mut parts = vec![
        format!("{}::{}", test.package, test.target),
        format!("{}:{}", test.file.display(), test.line),
        date::readable(outcome.started),
    ];
    if timed {
        parts.push(text::seconds(outcome.seconds));
    }
    parts.extend(message::attempts(outcome));
    let y = canvas.y();
    canvas.text(LEFT, y, Align::Left, RIGHT - LEFT, NOTE, &parts.join("  ·  "));
    canvas.space(16.0);
    error(canvas, outcome);
    if let Some(measurement) = &outcome.measurement {
        requirements::verdicts(canvas, outcome);
        body(canvas, outcome);
        baseline::baseline(canvas, outcome);
        commands(canvas, outcome);
        facts::facts(canvas, measurement, timed);
        let settings = Settings::default();
        match Sources::of_test(measurement, &settings) {
            Some(sources) => cleanai::sections(canvas, &sources, false),
            None => layers::criteria(canvas, measurement),
        }
        left_out(canvas, measurement);
    } else {
        body(canvas, outcome);
        commands(canvas, outcome);
    }
}

fn error(canvas: &mut Canvas, outcome: &Outcome) {
    let Some(error) = &outcome.error else { return };
    let strong = pen(Face::Bold, 10.0, AMBER);
    canvas.paragraph(LEFT, RIGHT, strong, error.what());
    if let Some(place) = error.place() {
        canvas.space(3.0);
        canvas.paragraph(LEFT, RIGHT, NOTE, &format!("at {}:{}:{}", place.file.display(), place.line, place.column));
        canvas.space(3.0);
        canvas.paragraph(LEFT + 12.0, RIGHT, MONO, &place.snippet);
    }
    if let Some(help) = error.help() {
        canvas.space(5.0);
        canvas.paragraph(LEFT, RIGHT, BODY, &format!("Help: {help}"));
    }
    canvas.space(8.0);
}

fn body(canvas: &mut Canvas, outcome: &Outcome) {
    let Some(body) = &outcome.body else { return };
    part(canvas, "Test body", 20.0);
    canvas.paragraph(LEFT, RIGHT, pen(Face::Regular, 8.5, RED), body);
    canvas.space(14.0);
}

/// The commands that a reader of a failure can copy.
fn commands(canvas: &mut Canvas, outcome: &Outcome) {
    const VALUE: f32 = LEFT + 52.0;
    let Some(commands) = outcome.commands.as_ref().filter(|_| outcome.status != Status::Passed) else { return };
    let lines = [("Rerun", Some(&commands.rerun)), ("Accept", commands.accept.as_ref())];
    part(canvas, "Commands", 26.0);
    for (label, command) in lines {
        let Some(command) = command else { continue };
        canvas.ensure(canvas.height(VALUE, RIGHT, MONO, command).min(60.0));
        let y = canvas.y();
        canvas.text(LEFT, y + 7.5, Align::Left, VALUE - LEFT, STRONG, label);
        canvas.paragraph(VALUE, RIGHT, MONO, command);
        canvas.space(2.0);
    }
    canvas.space(14.0);
}

/// Tables that the style of the report wants and this test cannot have.
fn left_out(canvas: &mut Canvas, measurement: &Measurement) {
    let Some(report) = &measurement.report else { return };
    // The same reason is given once.
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, why) in &report.missing {
        reasons.entry(why.split_once(": ").map_or(why, |(_, why)| why)).or_default().push(name);
    }
    for (why, names) in reasons {
        canvas.paragraph(LEFT, RIGHT, NOTE, &format!("Not in this report: {} ({why}).", names.join(", ")));
    }
}
