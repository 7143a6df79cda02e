//! The section of one test: where it ran, what it found, layer by layer.

use std::collections::BTreeMap;

use super::cleanai;
use super::content::{badge, heading};
use super::font::Face;
use super::importance;
use super::layout::{
    AMBER, Align, BLACK, BLUE, BODY, Canvas, GREEN, GREY, HAIRLINE, Ink, LEFT, NOTE, Pen, RED, RIGHT, STRONG, pen,
};
use super::monitor;
use super::reliability;
use super::surprise;
use super::table::{Cell, Column, head_height};
use crate::criteria::{Direction, LayerFigures};
use crate::declare::NeuronKind;
use crate::gate::{BaselineStatus, Change, RequirementVerdict};
use crate::measure::{CriterionResult, Measurement};
use crate::report::cleanai::{Settings, Sources};
use crate::report::figure::{self, Style};
use crate::report::{Outcome, date, message, text};

pub(super) const MONO: Pen = pen(Face::Mono, 7.5, BLACK);

/// Everything about one test.
pub(super) fn section(canvas: &mut Canvas, outcome: &Outcome) {
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
    let parts = [
        format!("{}::{}", test.package, test.target),
        format!("{}:{}", test.file.display(), test.line),
        date::readable(outcome.started),
        text::seconds(outcome.seconds),
    ];
    let y = canvas.y();
    canvas.text(LEFT, y, Align::Left, RIGHT - LEFT, NOTE, &parts.join("  ·  "));
    canvas.space(16.0);
    error(canvas, outcome);
    if let Some(measurement) = &outcome.measurement {
        facts(canvas, measurement);
        verdicts(canvas, outcome);
        body(canvas, outcome);
        baseline(canvas, outcome);
        let settings = Settings::default();
        match Sources::of_test(measurement, &settings) {
            Some(sources) => cleanai::sections(canvas, &sources, false),
            None => {
                criteria(canvas, measurement);
                for (name, result) in &measurement.criteria {
                    layers(canvas, measurement, name, result);
                }
            }
        }
        left_out(canvas, measurement);
    } else {
        body(canvas, outcome);
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

/// Model, data and settings: label and value in two columns.
fn facts(canvas: &mut Canvas, measurement: &Measurement) {
    let (model, data, settings, seconds) =
        (&measurement.model, &measurement.data, &measurement.settings, &measurement.seconds);
    let inputs = |inputs: usize, skipped: usize| {
        let mut text = format!("{} of shape {}", text::grouped(inputs as u64), text::shape(&data.shape));
        if skipped > 0 {
            text = format!("{text}; {} more skipped because they could not be decoded", text::grouped(skipped as u64));
        }
        text
    };
    let transform = if data.transform.is_empty() { "none" } else { &data.transform };
    let mut groups = vec![
        (
            "Model",
            vec![
                ("path", BODY, model.path.clone()),
                ("SHA-256", MONO, model.sha256.clone()),
                ("format", BODY, model.format.clone()),
                ("parameters", BODY, text::grouped(model.parameters)),
                ("layers", BODY, text::grouped(model.layers.len() as u64)),
            ],
        ),
        (
            "Data",
            vec![
                ("test set", BODY, data.path.clone()),
                ("inputs", BODY, inputs(data.inputs, data.skipped)),
                ("profile set", BODY, data.profile.clone().unwrap_or_else(|| "none".into())),
            ],
        ),
        (
            "Settings",
            vec![
                ("device", BODY, settings.device.clone()),
                ("batch", BODY, settings.batch.to_string()),
                ("neurons", BODY, format!("one per {}", message::neurons(settings.neurons))),
                ("layers", BODY, settings.layers.clone()),
                ("libtorch", BODY, settings.libtorch.clone()),
                ("CleanAI", BODY, settings.cleanai.clone()),
            ],
        ),
    ];
    groups[1].1.splice(2..2, message::augmented(data).into_iter().map(|made| ("augmented", BODY, made)));
    if let Some(profile) = data.profile_inputs {
        groups[1].1.push(("profile inputs", BODY, inputs(profile, data.profile_skipped.unwrap_or(0))));
    }
    groups[1].1.push(("transform", BODY, transform.to_string()));
    if settings.non_finite_skipped > 0 {
        let skipped = format!("{}, ignored", text::counted(settings.non_finite_skipped, "activation", "activations"));
        groups[2].1.push(("not finite", BODY, skipped));
    }
    let times = [
        ("load", seconds.load),
        ("decode", seconds.decode),
        ("profile", seconds.profile),
        ("forward", seconds.forward),
        ("criteria", seconds.criteria),
        ("total", seconds.total),
    ];
    groups[2].1.push(("time", BODY, times.map(|(name, time)| format!("{name} {}", text::seconds(time))).join(", ")));
    for (title, rows) in groups {
        group(canvas, title, &rows);
    }
    canvas.space(16.0);
}

pub(super) fn group(canvas: &mut Canvas, title: &str, rows: &[(&str, Pen, String)]) {
    const LABEL: f32 = LEFT + 78.0;
    const VALUE: f32 = LABEL + 74.0;
    canvas.ensure(40.0);
    canvas.rule(0.5, HAIRLINE);
    canvas.space(6.0);
    let y = canvas.y();
    canvas.text(LEFT, y + 8.5, Align::Left, LABEL - LEFT, STRONG, title);
    for (label, pen, value) in rows {
        canvas.ensure(canvas.height(VALUE, RIGHT, *pen, value).min(60.0));
        let y = canvas.y();
        canvas.text(LABEL, y + 8.5, Align::Left, VALUE - LABEL, NOTE, label);
        canvas.paragraph(VALUE, RIGHT, *pen, value);
        if value.is_empty() {
            canvas.space(12.0);
        }
    }
    canvas.space(5.0);
}

fn verdicts(canvas: &mut Canvas, outcome: &Outcome) {
    heading(canvas, "Requirements", head_height(outcome.requirements.len()));
    if outcome.requirements.is_empty() {
        canvas.paragraph(LEFT, RIGHT, NOTE, "No threshold is declared.");
        canvas.space(14.0);
        return;
    }
    let columns = [
        Column::rest("CRITERION"),
        Column::right("OBSERVED", 54.0),
        Column::left("", 62.0),
        Column::right("REQUIRED", 52.0),
        Column::right("BASELINE", 54.0),
        Column::right("DELTA", 54.0),
        Column::left("VERDICT", 42.0),
    ];
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
            vec![
                Cell::text(figure::label(verdict)),
                Cell::with(STRONG, figure::observed(verdict, style)),
                Cell::Bar(verdict.observed.filter(|_| ratio), ink),
                Cell::text(figure::required(verdict)),
                Cell::text(figure::value(verdict.baseline, style)),
                Cell::with(delta, figure::delta(verdict.observed, verdict.baseline, style)),
                Cell::with(pen(Face::Bold, 8.5, ink), message::verdict_word(verdict.holds)),
            ]
        })
        .collect();
    canvas.table(&columns, &rows, |_| None);
    canvas.space(12.0);
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

fn counts(layer: &LayerFigures) -> String {
    match (layer.covered, layer.total) {
        (Some(covered), Some(total)) => format!("{} / {}", text::grouped(covered), text::grouped(total)),
        _ => "-".to_string(),
    }
}

fn layer_bar(layer: &LayerFigures, ink: Ink) -> Cell {
    Cell::Bar(layer.value.filter(|_| layer.total.is_some()), ink)
}

fn body(canvas: &mut Canvas, outcome: &Outcome) {
    let Some(body) = &outcome.body else { return };
    heading(canvas, "Test body", 20.0);
    canvas.paragraph(LEFT, RIGHT, pen(Face::Regular, 8.5, RED), body);
    canvas.space(14.0);
}

fn baseline(canvas: &mut Canvas, outcome: &Outcome) {
    let baseline = &outcome.baseline;
    let rows = baseline.changes.len();
    heading(canvas, "Baseline", 40.0 + head_height(rows));
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
            canvas.paragraph(LEFT, RIGHT, NOTE, &format!("{label}: {}", path.display()));
        }
    }
    if let Some(next) = message::next_step(baseline) {
        canvas.paragraph(LEFT, RIGHT, BODY, &format!("Next: {next}"));
    }
    if rows > 0 {
        canvas.space(6.0);
        let columns = [
            Column::rest("CRITERION"),
            Column::right("BASELINE", 60.0),
            Column::right("OBSERVED", 60.0),
            Column::right("DELTA", 60.0),
            Column::right("TOLERANCE", 56.0),
            Column::left("CHANGE", 84.0),
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
                    Cell::with(NOTE, figure::bound_text(change.tolerance)),
                    Cell::with(pen(Face::Regular, 8.5, ink), message::change_word(change.change)),
                ]
            })
            .collect();
        canvas.table(&columns, &rows, |_| None);
    }
    canvas.space(20.0);
}

fn criteria(canvas: &mut Canvas, measurement: &Measurement) {
    heading(canvas, "Criteria", head_height(measurement.criteria.len()));
    let columns = [
        Column::rest("CRITERION"),
        Column::right("VALUE", 60.0),
        Column::left("", 84.0),
        Column::right("COVERED", 66.0),
        Column::right("TOTAL", 66.0),
        Column::left("BETTER", 40.0),
    ];
    let count = |number: Option<u64>| number.map_or_else(|| "-".to_string(), text::grouped);
    let rows: Vec<Vec<Cell>> = measurement
        .criteria
        .iter()
        .map(|(name, result)| {
            let better = match result.direction {
                Direction::HigherIsBetter => "higher",
                Direction::LowerIsBetter => "lower",
            };
            vec![
                Cell::text(name),
                Cell::with(STRONG, figure::value(result.value, Style::of(result))),
                Cell::Bar(result.value.filter(|_| result.total.is_some()), BLUE),
                Cell::text(count(result.covered)),
                Cell::text(count(result.total)),
                Cell::with(NOTE, better),
            ]
        })
        .collect();
    canvas.table(&columns, &rows, |_| None);
    canvas.space(20.0);
}

fn layers(canvas: &mut Canvas, measurement: &Measurement, name: &str, result: &CriterionResult) {
    if result.layers.is_empty() && result.details.is_empty() && result.contributions.is_empty() {
        return;
    }
    heading(canvas, &format!("Layers: {name}"), head_height(result.layers.len()));
    let style = Style::of(result);
    if !result.layers.is_empty() {
        let columns = [
            Column::rest("LAYER"),
            Column::left("OPERATOR", 56.0),
            Column::right("NEURONS", 48.0),
            Column::right("COVERED / TOTAL", 104.0),
            Column::right("VALUE", 46.0),
            Column::left("", 60.0),
        ];
        let kind = neurons(name, measurement.settings.neurons);
        let known: BTreeMap<&str, _> =
            measurement.model.layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
        let rows: Vec<Vec<Cell>> = result
            .layers
            .iter()
            .map(|layer| {
                let info = known.get(layer.name.as_str());
                vec![
                    Cell::text(&layer.name),
                    Cell::with(NOTE, info.map_or("-", |info| info.operator.as_str())),
                    Cell::with(
                        NOTE,
                        info.map_or_else(|| "-".to_string(), |info| text::grouped(info.neurons(kind) as u64)),
                    ),
                    Cell::text(counts(layer)),
                    Cell::with(STRONG, figure::value(layer.value, style)),
                    layer_bar(layer, BLUE),
                ]
            })
            .collect();
        canvas.table(&columns, &rows, |_| None);
    }
    details(canvas, result);
    importance::pictures(canvas, &result.pictures);
    canvas.space(20.0);
}

/// The neuron kind a criterion counts: its own, or that of the settings.
fn neurons(criterion: &str, default: NeuronKind) -> NeuronKind {
    if criterion.contains("neurons=\"unit\"") {
        NeuronKind::Unit
    } else if criterion.contains("neurons=\"channel\"") {
        NeuronKind::Channel
    } else {
        default
    }
}

/// What else a criterion reports, one line each; longer lists are in the JSON report.
fn details(canvas: &mut Canvas, result: &CriterionResult) {
    let drawn = [
        (importance::DETAIL, importance::neurons(canvas, result)),
        (surprise::DETAIL, surprise::classes(canvas, result)),
        (monitor::DETAIL, monitor::tables(canvas, result)),
    ];
    let diagram = reliability::diagram(canvas, result);
    let is_drawn = |name: &str| drawn.contains(&(name, true)) || (diagram && reliability::is_part(name));
    let listed = result.details.iter().filter(|(name, _)| !is_drawn(name));
    let mut lines: Vec<(String, String)> =
        listed.map(|(name, value)| (name.replace('_', " "), text::detail(value))).collect();
    lines.extend(carriers(result));
    if lines.is_empty() {
        return;
    }
    canvas.space(6.0);
    for (name, value) in lines {
        canvas.ensure(12.0);
        let y = canvas.y();
        let label = format!("{name}: ");
        let width = canvas.width(NOTE, &label).min(200.0);
        canvas.text(LEFT, y + 8.5, Align::Left, 200.0, NOTE, &label);
        canvas.text(LEFT + width, y + 8.5, Align::Left, RIGHT - LEFT - width, BODY, &value);
        canvas.space(12.0);
    }
}

/// Which inputs carry the coverage, and what single classes reach.
fn carriers(result: &CriterionResult) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let reached = [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (1.0, "all")].map(|(share, label)| {
        result.inputs_to_cover(share).map(|inputs| format!("{label} after {}", text::grouped(inputs)))
    });
    if reached.iter().all(Option::is_some) {
        let reached: Vec<String> = reached.into_iter().flatten().collect();
        lines.push(("covered by the first inputs".to_owned(), reached.join(", ")));
    }
    if !result.leading.is_empty() {
        let named = result.leading.iter().take(5).map(|own| format!("{} ({})", own.name, text::grouped(own.covered)));
        lines.push(("inputs that covered most first".to_owned(), named.collect::<Vec<_>>().join(", ")));
    }
    if !result.classes.is_empty() {
        let style = Style::of(result);
        let mut classes: Vec<_> = result.classes.iter().collect();
        classes.sort_by(|left, right| left.1.value.partial_cmp(&right.1.value).unwrap_or(std::cmp::Ordering::Equal));
        let shown = classes.iter().take(8).map(|(name, own)| format!("{name} {}", figure::value(own.value, style)));
        let shown: Vec<String> = shown.collect();
        let label = if classes.len() > 8 { "least covered classes" } else { "classes by themselves" };
        lines.push((label.to_owned(), shown.join(", ")));
    }
    lines
}

fn change_ink(change: Change) -> Ink {
    match change {
        Change::Unchanged => GREY,
        Change::Improved => GREEN,
        Change::Regressed | Change::NotFinite => RED,
        Change::Added | Change::Removed => AMBER,
    }
}
