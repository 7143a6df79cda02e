//! What monitors report beside their figures: tau of each class, and shares in range of each layer.

use super::content::heading;
use super::layout::{BLUE, BODY, Canvas, GREY, LEFT, NOTE, RED, RIGHT};
use super::table::{Cell, Column, head_height};
use crate::report::details::{ACCEPTS_NOTHING, Monitor, MonitorClass, MonitorLayer, percent};
use crate::report::text;

/// Classes that are listed; the JSON report has all.
const MOST_CLASSES: usize = 100;

/// What a monitor accepts, in words and class by class, and what is in range, layer by layer.
pub(super) fn tables(canvas: &mut Canvas, monitor: &Monitor, acceptance: Option<String>) {
    if let Some(acceptance) = acceptance {
        canvas.space(6.0);
        canvas.paragraph(LEFT, RIGHT, BODY, &acceptance);
    }
    classes(canvas, &monitor.classes);
    layers(canvas, &monitor.layers);
}

fn classes(canvas: &mut Canvas, classes: &[MonitorClass]) {
    if classes.is_empty() {
        return;
    }
    canvas.space(12.0);
    let shown = &classes[..classes.len().min(MOST_CLASSES)];
    heading(canvas, "Thresholds by class", head_height(shown.len()));
    let columns = [
        Column::rest("PREDICTED CLASS"),
        Column::right("TRUSTED INPUTS", 90.0),
        Column::right("TAU", 90.0),
        Column::right("TEST INPUTS", 90.0),
    ];
    let row = |class: &MonitorClass| {
        vec![
            Cell::text(text::grouped(class.class)),
            Cell::text(text::grouped(class.trusted)),
            match class.tau {
                Some(tau) => Cell::text(format!("{tau:.4}")),
                None => Cell::with(NOTE, ACCEPTS_NOTHING),
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

fn layers(canvas: &mut Canvas, layers: &[MonitorLayer]) {
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
    let row = |layer: &MonitorLayer| {
        vec![
            Cell::text(&layer.layer),
            value(layer.in_range),
            value(layer.in_range_trusted),
            Cell::Bar(layer.in_range_trusted, BLUE),
            value(layer.in_range_untrusted),
            Cell::Bar(layer.in_range_untrusted, if layer.tells_apart() { RED } else { GREY }),
        ]
    };
    let rows: Vec<Vec<Cell>> = layers.iter().map(row).collect();
    canvas.table(&columns, &rows, |_| None);
}
