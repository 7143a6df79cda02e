//! What monitors report beside their figures: tau of each class, and shares in range of each layer.

use serde::Deserialize;

use super::content::heading;
use super::layout::{BLUE, BODY, Canvas, GREY, LEFT, NOTE, RED, RIGHT};
use super::table::{Cell, Column, head_height};
use crate::measure::CriterionResult;
use crate::report::text;

/// The detail that is shown as tables.
pub(super) const DETAIL: &str = "monitor";

/// Classes that are listed; the JSON report has all.
const MOST_CLASSES: usize = 100;

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    classes: Vec<Class>,
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Class {
    class: u64,
    trusted: u64,
    tau: Option<f64>,
    inputs: u64,
}

#[derive(Deserialize)]
struct Layer {
    layer: String,
    in_range: Option<f64>,
    in_range_trusted: Option<f64>,
    in_range_untrusted: Option<f64>,
}

/// Draws what there is; says whether it could: another criterion may have a detail of this name.
pub(super) fn tables(canvas: &mut Canvas, result: &CriterionResult) -> bool {
    let Some(details) = result.details.get(DETAIL).and_then(|details| Details::deserialize(details).ok()) else {
        return false;
    };
    if details.classes.is_empty() && details.layers.is_empty() {
        return false;
    }
    if !details.classes.is_empty() {
        acceptance(canvas, result);
        classes(canvas, &details.classes);
    }
    layers(canvas, &details.layers);
    true
}

/// The figures of acceptance in one sentence.
fn acceptance(canvas: &mut Canvas, result: &CriterionResult) {
    let share = |name: &str| result.details.get(name).and_then(serde_json::Value::as_f64);
    let mut parts = Vec::new();
    for (name, of) in [
        ("acceptance_rate", "of the test inputs"),
        ("trusted_acceptance_rate", "of the trusted profile inputs, each left out of its own signature"),
        ("untrusted_acceptance_rate", "of the untrusted inputs"),
    ] {
        parts.extend(share(name).map(|share| format!("{} {of}", percent(share))));
    }
    if parts.is_empty() {
        return;
    }
    let mut sentence = format!("It accepts {}.", parts.join(", "));
    if let (Some(auroc), Some(found)) = (share("auroc"), share("tpr_at_5_fpr")) {
        sentence += &format!(
            " It parts untrusted from test inputs with an AUROC of {auroc:.4}, and finds {} of them with 5 % false alarms.",
            percent(found)
        );
    }
    if let (Some(all), Some(accepted)) = (share("accuracy"), share("accuracy_accepted")) {
        sentence += &format!(
            " The model is right on {} of all and {} of the accepted inputs.",
            percent(all),
            percent(accepted)
        );
    }
    canvas.space(6.0);
    canvas.paragraph(LEFT, RIGHT, BODY, &sentence);
}

fn classes(canvas: &mut Canvas, classes: &[Class]) {
    canvas.space(12.0);
    let shown = &classes[..classes.len().min(MOST_CLASSES)];
    heading(canvas, "Thresholds by class", head_height(shown.len()));
    let columns = [
        Column::rest("PREDICTED CLASS"),
        Column::right("TRUSTED INPUTS", 90.0),
        Column::right("TAU", 90.0),
        Column::right("TEST INPUTS", 90.0),
    ];
    let row = |class: &Class| {
        vec![
            Cell::text(text::grouped(class.class)),
            Cell::text(text::grouped(class.trusted)),
            match class.tau {
                Some(tau) => Cell::text(format!("{tau:.4}")),
                None => Cell::with(NOTE, "none: accepts nothing"),
            },
            Cell::text(text::grouped(class.inputs)),
        ]
    };
    let rows: Vec<Vec<Cell>> = shown.iter().map(row).collect();
    canvas.table(&columns, &rows, |_| None);
    if classes.len() > shown.len() {
        canvas.space(4.0);
        let rest =
            format!("{} more classes are in the JSON report.", text::grouped((classes.len() - shown.len()) as u64));
        canvas.paragraph(LEFT, RIGHT, NOTE, &rest);
    }
}

fn layers(canvas: &mut Canvas, layers: &[Layer]) {
    if layers.is_empty() {
        return;
    }
    canvas.space(12.0);
    heading(canvas, "Values in the range of the predicted class", head_height(layers.len()));
    let columns = [
        Column::rest("LAYER"),
        Column::right("TEST", 50.0),
        Column::right("TRUSTED", 50.0),
        Column::left("", 60.0),
        Column::right("UNTRUSTED", 56.0),
        Column::left("", 60.0),
    ];
    let value = |share: Option<f64>| share.map_or_else(|| Cell::with(NOTE, "-"), |share| Cell::text(percent(share)));
    let row = |layer: &Layer| {
        vec![
            Cell::text(&layer.layer),
            value(layer.in_range),
            value(layer.in_range_trusted),
            Cell::Bar(layer.in_range_trusted, BLUE),
            value(layer.in_range_untrusted),
            // What is as much in range as trusted inputs cannot be told from them here.
            Cell::Bar(
                layer.in_range_untrusted,
                if layer.in_range_untrusted < layer.in_range_trusted { RED } else { GREY },
            ),
        ]
    };
    let rows: Vec<Vec<Cell>> = layers.iter().map(row).collect();
    canvas.table(&columns, &rows, |_| None);
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}
