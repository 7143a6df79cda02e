//! Every criterion: its figure, its layers as bars and as a table, how it grows with the inputs.

use std::collections::{BTreeMap, BTreeSet};

use super::content::part;
use super::layout::{BLUE, Canvas, Ink, LEFT, NOTE, RIGHT, STRONG};
use super::plot;
use super::table::{Cell, Column, head_height};
use super::{details, importance};
use crate::criteria::{Direction, LayerFigures};
use crate::declare::NeuronKind;
use crate::measure::{CriterionResult, Measurement};
use crate::model::LayerInfo;
use crate::report::figure::{self, Style};
use crate::report::text;

/// Of more layers the worst are shown with each criterion, and all in one table at the end.
const MANY: usize = 48;
/// So many of them.
const WORST: usize = 10;
/// Criteria side by side in that table.
const ABREAST: usize = 5;

/// All criteria, then each by itself.
pub(super) fn criteria(canvas: &mut Canvas, measurement: &Measurement) {
    overview(canvas, measurement);
    for (name, result) in &measurement.criteria {
        layers(canvas, measurement, name, result);
    }
    all_layers(canvas, measurement);
}

fn overview(canvas: &mut Canvas, measurement: &Measurement) {
    part(canvas, "Criteria", head_height(measurement.criteria.len()));
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
    let drawn = plot::height(result);
    part(canvas, &format!("Layers: {name}"), drawn + head_height(result.layers.len().min(WORST)));
    plot::plots(canvas, result, measurement.data.inputs as u64);
    let many = result.layers.len() > MANY;
    let mut shown: Vec<&LayerFigures> = result.layers.iter().collect();
    let mut title = "LAYER";
    if many {
        let worst = |layer: &LayerFigures| match (layer.value, result.direction) {
            (None, _) => f64::INFINITY,
            (Some(value), Direction::HigherIsBetter) => value,
            (Some(value), Direction::LowerIsBetter) => -value,
        };
        shown.sort_by(|left, right| worst(left).total_cmp(&worst(right)));
        shown.truncate(WORST);
        title = match result.direction {
            Direction::HigherIsBetter => "LOWEST LAYERS",
            Direction::LowerIsBetter => "HIGHEST LAYERS",
        };
    }
    if !shown.is_empty() {
        let columns = [
            Column::rest(title),
            Column::left("OPERATOR", 56.0),
            Column::right("NEURONS", 48.0),
            Column::right("COVERED / TOTAL", 104.0),
            Column::right("VALUE", 46.0),
            Column::left("", 60.0),
        ];
        let (kind, style, known) = (neurons(name, measurement.settings.neurons), Style::of(result), known(measurement));
        let row = |layer: &&LayerFigures| {
            let [operator, neurons] = described(known.get(layer.name.as_str()).copied(), kind);
            vec![
                Cell::text(&layer.name),
                operator,
                neurons,
                Cell::text(counts(layer)),
                Cell::with(STRONG, figure::value(layer.value, style)),
                layer_bar(layer, BLUE),
            ]
        };
        let rows: Vec<Vec<Cell>> = shown.iter().map(row).collect();
        canvas.table(&columns, &rows, |_| None);
    }
    if many {
        let text = format!("{} layers; all of them are in the table at the end of this test.", result.layers.len());
        canvas.paragraph(LEFT, RIGHT, NOTE, &text);
    }
    details::details(canvas, result);
    importance::pictures(canvas, &result.pictures);
    canvas.space(20.0);
}

/// All layers of a deep model, with the figures of all criteria side by side.
fn all_layers(canvas: &mut Canvas, measurement: &Measurement) {
    let deep: Vec<(&String, &CriterionResult)> =
        measurement.criteria.iter().filter(|(_, result)| result.layers.len() > MANY).collect();
    if deep.is_empty() {
        return;
    }
    let known = known(measurement);
    // In the order of execution, which every criterion keeps.
    let mut seen = BTreeSet::new();
    let named = deep.iter().flat_map(|(_, result)| &result.layers).map(|layer| layer.name.as_str());
    let names: Vec<&str> = named.filter(|name| seen.insert(*name)).collect();
    for criteria in deep.chunks(ABREAST) {
        part(canvas, "All layers", head_height(names.len()));
        let mut columns = vec![Column::rest("LAYER"), Column::left("OPERATOR", 50.0), Column::right("NEURONS", 44.0)];
        columns.extend(criteria.iter().map(|(name, _)| Column::right(name.to_uppercase(), 56.0)));
        let values: Vec<(BTreeMap<&str, Option<f64>>, Style)> = criteria
            .iter()
            .map(|(_, result)| {
                let values = result.layers.iter().map(|layer| (layer.name.as_str(), layer.value));
                (values.collect(), Style::of(result))
            })
            .collect();
        let row = |name: &&str| {
            let [operator, neurons] = described(known.get(name).copied(), measurement.settings.neurons);
            let mut row = vec![Cell::text(*name), operator, neurons];
            let value = |(values, style): &(BTreeMap<&str, Option<f64>>, Style)| {
                Cell::text(values.get(name).map_or_else(String::new, |value| figure::value(*value, *style)))
            };
            row.extend(values.iter().map(value));
            row
        };
        let rows: Vec<Vec<Cell>> = names.iter().map(row).collect();
        canvas.dense_table(&columns, &rows, |_| None);
        canvas.space(20.0);
    }
}

fn known(measurement: &Measurement) -> BTreeMap<&str, &LayerInfo> {
    measurement.model.layers.iter().map(|layer| (layer.name.as_str(), layer)).collect()
}

/// Operator and number of neurons.
fn described(layer: Option<&LayerInfo>, kind: NeuronKind) -> [Cell; 2] {
    let neurons = layer.map_or_else(|| "-".to_string(), |layer| text::grouped(layer.neurons(kind) as u64));
    [Cell::with(NOTE, layer.map_or("-", |layer| layer.operator.as_str())), Cell::with(NOTE, neurons)]
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

/// `5 / 12`; a dash where nothing is counted.
pub(super) fn counts(layer: &LayerFigures) -> String {
    match (layer.covered, layer.total) {
        (Some(covered), Some(total)) => format!("{} / {}", text::grouped(covered), text::grouped(total)),
        _ => "-".to_string(),
    }
}

/// The share of a layer as a bar.
pub(super) fn layer_bar(layer: &LayerFigures, ink: Ink) -> Cell {
    Cell::Bar(layer.value.filter(|_| layer.total.is_some()), ink)
}
