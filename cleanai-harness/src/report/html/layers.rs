//! Criteria by layers.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::requirements::counts;
use crate::criteria::{Direction, LayerFigures};
use crate::measure::{CriterionResult, Measurement};
use crate::report::chart::{Cell, Row, heat};
use crate::report::figure::{self, Style};
use crate::report::text;

/// The heat map, and the same as a table.
pub(super) fn layers(measurement: &Measurement) -> Markup {
    let shown: Vec<(&String, &CriterionResult)> =
        measurement.criteria.iter().filter(|(_, result)| !result.layers.is_empty()).collect();
    if shown.is_empty() {
        return html! {};
    }
    let names = names(measurement, &shown);
    let figures: Vec<BTreeMap<&str, &LayerFigures>> = shown
        .iter()
        .map(|(_, result)| result.layers.iter().map(|layer| (layer.name.as_str(), layer)).collect())
        .collect();
    let rows: Vec<Row> =
        shown.iter().zip(&figures).map(|((name, result), figures)| row(name, result, figures, &names)).collect();
    html! {
        h3 { "Layers" }
        (heat(&names, &rows))
        (key())
        details {
            summary { "The same as a table" }
            (alternative(measurement, &shown, &figures, &names))
        }
    }
}

/// All layers in execution order: those of the model, then those that only criteria name.
fn names<'a>(measurement: &'a Measurement, shown: &[(&String, &'a CriterionResult)]) -> Vec<&'a str> {
    let used: std::collections::BTreeSet<&str> =
        shown.iter().flat_map(|(_, result)| &result.layers).map(|layer| layer.name.as_str()).collect();
    let known = measurement.model.layers.iter().map(|layer| layer.name.as_str());
    let mut names: Vec<&str> = known.filter(|name| used.contains(name)).collect();
    let mut listed: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    for layer in shown.iter().flat_map(|(_, result)| &result.layers) {
        if listed.insert(&layer.name) {
            names.push(&layer.name);
        }
    }
    names
}

fn row(name: &str, result: &CriterionResult, figures: &BTreeMap<&str, &LayerFigures>, names: &[&str]) -> Row {
    let style = Style::of(result);
    let values = result.layers.iter().filter_map(|layer| layer.value).filter(|value| value.is_finite());
    let largest = values.fold(0.0, f64::max);
    let shares = result.layers.iter().all(|layer| layer.total.is_some()) && largest <= 1.0;
    let scale = if shares { 1.0 } else { largest };
    let mut label = name.to_owned();
    if !shares {
        label += &format!(" (0 to {})", figure::value(Some(largest), style));
    }
    if result.direction == Direction::LowerIsBetter {
        label += " (less is better)";
    }
    let cell = |name: &&str| {
        let layer = figures.get(*name)?;
        let mut title = format!("{name}: {}", figure::value(layer.value, style));
        if layer.total.is_some() {
            title += &format!(" ({})", counts(layer));
        }
        Some(Cell { value: layer.value, title })
    };
    Row { label, scale, cells: names.iter().map(cell).collect() }
}

/// What the colours mean.
fn key() -> Markup {
    html! {
        div.key aria-hidden="true" {
            span { "0" }
            svg width="120" height="12" {
                @for step in 0..10 {
                    rect.{ "h" (step) } x=(step * 12) width="12" height="12" {}
                }
            }
            span { "1, or the largest value" }
            svg width="12" height="12" { rect.hn width="12" height="12" {} }
            span { "nothing to cover" }
        }
    }
}

fn alternative(
    measurement: &Measurement,
    shown: &[(&String, &CriterionResult)],
    figures: &[BTreeMap<&str, &LayerFigures>],
    names: &[&str],
) -> Markup {
    let known: BTreeMap<&str, _> = measurement.model.layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Values by layer" {
            table {
                caption { span { "Values by layer, with what is covered of how much" } }
                thead {
                    tr {
                        th scope="col" { "layer" }
                        th scope="col" { "operator" }
                        th scope="col" { "shape" }
                        @for (name, _) in shown { th.n scope="col" { (name) } }
                    }
                }
                tbody {
                    @for name in names {
                        tr {
                            th scope="row" { (name) }
                            @let info = known.get(name);
                            td { (info.map_or("-", |info| info.operator.as_str())) }
                            td { (info.map_or_else(|| "-".to_owned(), |info| text::shape(&info.shape))) }
                            @for ((_, result), figures) in shown.iter().zip(figures) {
                                td.n { (cell(figures.get(name).copied(), Style::of(result))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `0.2542 (2,032 / 6,000)`
fn cell(layer: Option<&LayerFigures>, style: Style) -> Markup {
    html! {
        (figure::value(layer.and_then(|layer| layer.value), style))
        @if let Some(layer) = layer.filter(|layer| layer.total.is_some()) {
            span.note { " (" (counts(layer)) ")" }
        }
    }
}
