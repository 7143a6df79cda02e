//! What `idc` reports beside its figures: important neurons with their clusters, combinations that are wanted, heat maps.

use serde::Deserialize;
use serde_json::Value;

use super::content::heading;
use super::font::Face;
use super::layout::{
    AMBER, Align, BLUE, BODY, Canvas, GREEN, HAIRLINE, Ink, LEFT, MONO, NOTE, Pen, RED, RIGHT, TEAL, VIOLET, pen,
};
use super::table::{Cell, Column, head_height};
use crate::importance::Picture;
use crate::measure::CriterionResult;
use crate::report::text;

/// The detail that is shown as tables.
pub(super) const DETAIL: &str = "importance";

/// Of clusters, the lowest first; more than these repeat them.
const INKS: [Ink; 6] = [BLUE, AMBER, GREEN, VIOLET, RED, TEAL];

/// Pictures stand side by side, with this between them.
const GAP: f32 = 14.0;
/// No picture is higher.
const HIGH: f32 = 200.0;

/// The details of one layer.
#[derive(Deserialize)]
struct Layer {
    neurons: Vec<Neuron>,
    covered: u64,
    reachable: u64,
    reachable_covered: u64,
    /// Numbers, or text where they are larger than a number of JSON.
    uncovered: Value,
    combinations: Value,
    wanted: Vec<Wanted>,
    inputs: u64,
}

#[derive(Deserialize)]
struct Neuron {
    neuron: u64,
    relevance: f64,
    share: f64,
    centroids: Vec<f64>,
    sizes: Vec<u64>,
    bounds: Vec<f64>,
    silhouette: f64,
    histogram: Histogram,
}

#[derive(Deserialize)]
struct Histogram {
    low: f64,
    high: f64,
    counts: Vec<u64>,
}

#[derive(Deserialize)]
struct Wanted {
    clusters: Vec<u64>,
    profile_inputs: u64,
}

/// Draws the important neurons of every layer; says whether it could: another criterion may have a detail of this name.
pub(super) fn neurons(canvas: &mut Canvas, result: &CriterionResult) -> bool {
    let Some(details) = result.details.get(DETAIL) else { return false };
    let layer = |name: &str| Layer::deserialize(details.get(name)?).ok();
    let all = result.layers.iter().map(|own| Some((own.name.as_str(), layer(&own.name)?)));
    let Some(all) = all.collect::<Option<Vec<_>>>() else { return false };
    for (name, layer) in &all {
        draw(canvas, name, layer);
    }
    !all.is_empty()
}

fn draw(canvas: &mut Canvas, name: &str, layer: &Layer) {
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
    let most = layer.neurons.iter().map(|neuron| neuron.share).fold(0.0, f64::max);
    let row = |neuron: &Neuron| {
        vec![
            Cell::text(text::grouped(neuron.neuron)),
            Cell::text(format!("{:.1} %", neuron.share.copysign(neuron.relevance) * 100.0)),
            // The longest bar is the most important neuron: shares of many neurons are small.
            Cell::Bar((most > 0.0).then_some(neuron.share / most), BLUE),
            Cell::Parts(clusters(neuron)),
            Cell::text(format!("{:.3}", neuron.silhouette)),
            Cell::Histogram(bars(neuron)),
        ]
    };
    let rows: Vec<Vec<Cell>> = layer.neurons.iter().map(row).collect();
    canvas.table(&columns, &rows, |_| None);
    canvas.space(6.0);
    let sentence = format!(
        "{} of {} combinations of clusters are covered, {} are not. {} give {} of them, of which {} are covered.",
        text::grouped(layer.covered),
        count(&layer.combinations),
        count(&layer.uncovered),
        text::counted(layer.inputs, "profile input", "profile inputs"),
        text::grouped(layer.reachable),
        text::grouped(layer.reachable_covered),
    );
    canvas.paragraph(LEFT, RIGHT, BODY, &sentence);
    wanted(canvas, &layer.wanted);
}

/// A number that may be larger than JSON's.
fn count(number: &Value) -> String {
    number.as_u64().map_or_else(|| text::detail(number), text::grouped)
}

/// A cluster's centroid and size, in its colour.
fn clusters(neuron: &Neuron) -> Vec<(Pen, String)> {
    let each = neuron.centroids.iter().zip(&neuron.sizes).enumerate();
    each.map(|(at, (centroid, size))| {
        (pen(Face::Regular, 7.5, ink(at)), format!("{} ({})", short(*centroid), text::grouped(*size)))
    })
    .collect()
}

/// Three digits.
fn short(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        "0".to_owned()
    } else if (0.01..1000.0).contains(&size) {
        let digits = if size < 1.0 {
            3
        } else if size < 10.0 {
            2
        } else {
            1
        };
        format!("{number:.digits$}")
    } else {
        format!("{number:.1e}")
    }
}

fn ink(cluster: usize) -> Ink {
    INKS[cluster % INKS.len()]
}

/// The height of each bar as a share of the highest, in the colour of the cluster that its middle is in.
fn bars(neuron: &Neuron) -> Vec<(f32, Ink)> {
    let Histogram { low, high, counts } = &neuron.histogram;
    let highest = counts.iter().copied().max().unwrap_or(0).max(1) as f32;
    let bar = |(at, count): (usize, &u64)| {
        let middle = low + (high - low) * (at as f64 + 0.5) / counts.len() as f64;
        let cluster = neuron.bounds.iter().filter(|bound| **bound < middle).count();
        (*count as f32 / highest, ink(cluster))
    };
    counts.iter().enumerate().map(bar).collect()
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
