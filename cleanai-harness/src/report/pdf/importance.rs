//! What `idc` reports beside its figures: important neurons with their clusters, combinations that are wanted, heat maps.

use super::content::heading;
use super::font::Face;
use super::layout::{
    AMBER, Align, BLUE, BODY, Canvas, GREEN, HAIRLINE, Ink, LEFT, MONO, NOTE, Pen, RED, RIGHT, TEAL, VIOLET, pen,
};
use super::table::{Cell, Column, head_height};
use crate::importance::Picture;
use crate::report::details::{ImportantLayer, ImportantNeuron, Wanted};
use crate::report::text;

/// Of clusters, the lowest first; more than these repeat them.
const INKS: [Ink; 6] = [BLUE, AMBER, GREEN, VIOLET, RED, TEAL];

/// Pictures stand side by side, with this between them.
const GAP: f32 = 14.0;
/// No picture is higher.
const HIGH: f32 = 200.0;

/// The important neurons of a layer.
pub(super) fn neurons(canvas: &mut Canvas, name: &str, layer: &ImportantLayer) {
    canvas.space(12.0);
    heading(canvas, &format!("Important neurons: {name}"), head_height(layer.neurons.len()));
    let columns = [
        Column::right("NEURON", 34.0),
        Column::right("RELEVANCE", 48.0),
        Column::left("", 36.0),
        Column::rest("CLUSTERS: CENTROID (PROFILE INPUTS)"),
        Column::right("SILHOUETTE", 46.0),
        Column::left("VALUES", 84.0),
    ];
    let row = |(neuron, length): (&ImportantNeuron, Option<f64>)| {
        vec![
            Cell::text(text::grouped(neuron.neuron)),
            Cell::text(neuron.signed_share()),
            Cell::Bar(length, BLUE),
            Cell::Parts(clusters(neuron)),
            Cell::text(format!("{:.3}", neuron.silhouette)),
            Cell::Histogram(bars(neuron)),
        ]
    };
    let rows: Vec<Vec<Cell>> = layer.with_bars().map(row).collect();
    canvas.table(&columns, &rows, |_| None);
    canvas.space(6.0);
    canvas.paragraph(LEFT, RIGHT, BODY, &layer.sentence());
    wanted(canvas, &layer.wanted);
}

/// What is told of each cluster, in its colour.
fn clusters(neuron: &ImportantNeuron) -> Vec<(Pen, String)> {
    neuron.clusters().enumerate().map(|(at, cluster)| (pen(Face::Regular, 7.5, ink(at)), cluster)).collect()
}

fn ink(cluster: usize) -> Ink {
    INKS[cluster % INKS.len()]
}

/// The height of each bar as a share of the highest, in the colour of its cluster.
fn bars(neuron: &ImportantNeuron) -> Vec<(f32, Ink)> {
    let bars = neuron.bars();
    let highest = bars.iter().map(|(count, _)| *count).max().unwrap_or(0).max(1) as f32;
    bars.into_iter().map(|(count, cluster)| (count as f32 / highest, ink(cluster))).collect()
}

/// `2·0·1·1 - 37 profile inputs`, in two columns.
fn wanted(canvas: &mut Canvas, wanted: &[Wanted]) {
    const LINE: f32 = 12.0;
    if wanted.is_empty() {
        return;
    }
    canvas.ensure(2.0 * LINE + 4.0);
    canvas.space(4.0);
    canvas.paragraph(
        LEFT,
        RIGHT,
        NOTE,
        "Most wanted, which most profile inputs give and no test input does (a cluster for each row, 0 the lowest):",
    );
    let middle = (RIGHT - LEFT + GAP) / 2.0;
    for pair in wanted.chunks(2) {
        canvas.ensure(LINE);
        for (at, own) in pair.iter().enumerate() {
            let inputs = text::counted(own.profile_inputs, "profile input", "profile inputs");
            let line = format!("{} - {inputs}", text::join(&own.clusters, "·"));
            let y = canvas.y();
            canvas.text(LEFT + at as f32 * middle, y + 8.5, Align::Left, middle - GAP, MONO, &line);
        }
        canvas.space(LINE);
    }
}

/// The heat maps of a criterion in a row, each with its caption.
pub(super) fn pictures(canvas: &mut Canvas, pictures: &[Picture]) {
    const CAPTION: f32 = 13.0;
    const COLUMNS: usize = 3;
    if pictures.is_empty() {
        return;
    }
    let wide = (RIGHT - LEFT + GAP) / COLUMNS as f32 - GAP;
    // A picture fills its column unless it would be too high.
    let size = |picture: &Picture| {
        let scale = (wide / picture.width.max(1) as f32).min(HIGH / picture.height.max(1) as f32);
        (picture.width as f32 * scale, picture.height as f32 * scale)
    };
    canvas.space(12.0);
    let first = pictures.iter().take(COLUMNS).map(|picture| size(picture).1).fold(0.0, f32::max);
    heading(canvas, "Heat maps of the inputs that covered most first", first + CAPTION + 16.0);
    let legend = "The input, the relevance of its pixels, and both: red speaks for the class, blue against it.";
    canvas.paragraph(LEFT, RIGHT, NOTE, legend);
    canvas.space(4.0);
    for row in pictures.chunks(COLUMNS) {
        let high = row.iter().map(|picture| size(picture).1).fold(0.0, f32::max);
        canvas.ensure(high + CAPTION);
        let top = canvas.y();
        for (at, picture) in row.iter().enumerate() {
            let x = LEFT + at as f32 * (wide + GAP);
            let (width, height) = size(picture);
            let mut caption = picture.name.clone();
            if let Some(class) = &picture.class {
                caption = format!("{caption}: class {class}");
            }
            match picture.pixels() {
                Some(pixels) => {
                    canvas.fill(x - 0.5, top - 0.5, width + 1.0, height + 1.0, HAIRLINE);
                    canvas.image(x, top, width, height, pixels);
                }
                None => caption = format!("{caption}, damaged"),
            }
            canvas.text(x, top + height + 10.0, Align::Left, wide, NOTE, &caption);
        }
        canvas.space(high + CAPTION + 4.0);
    }
}
