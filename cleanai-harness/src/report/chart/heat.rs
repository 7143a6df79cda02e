//! Criteria by layers: a strip for each criterion, a cell for each layer.

use maud::{Markup, html};

use crate::report::svg::percent;

/// Cells of a strip; more layers go on in a further one below.
const CELLS: usize = 64;

/// Steps of the colours, from 0 to the largest value.
pub(crate) const STEPS: usize = 10;

/// A criterion.
pub(crate) struct Row {
    /// What stands before its strips.
    pub label: String,
    /// What the strongest colour stands for.
    pub scale: f64,
    /// One for each layer; none where it does not look at the layer.
    pub cells: Vec<Option<Cell>>,
}

/// A layer of a criterion.
pub(crate) struct Cell {
    /// Its value; none where there was nothing to cover.
    pub value: Option<f64>,
    /// What is shown when it is pointed at.
    pub title: String,
}

/// The strips of all criteria, 64 layers below each other; `layers` names the layers.
pub(crate) fn heat(layers: &[&str], rows: &[Row]) -> Markup {
    let bands = layers.len().div_ceil(CELLS).max(1);
    // Bands are equally long, so that cells are equally wide.
    let wide = layers.len().div_ceil(bands).max(1);
    html! {
        @for (band, names) in layers.chunks(wide).enumerate() {
            @let first = band * wide;
            div.band {
                p.span {
                    span { (names[0]) }
                    @if names.len() > 1 { span { (names[names.len() - 1]) } }
                }
                // A criterion that looks at none of these layers has no strip here.
                @for row in rows.iter().filter(|row| row.cells.iter().skip(first).take(names.len()).any(Option::is_some)) {
                    @let cells = row.cells.iter().skip(first).take(names.len());
                    div.row {
                        span.label { (row.label) }
                        svg.strip role="img" aria-label=(sentence(row, first, names)) width="100%" height="18" {
                            @for (at, cell) in cells.enumerate() {
                                @if let Some(cell) = cell {
                                    rect.(class(cell.value, row.scale)) x=(percent(at as f64 / wide as f64)) width=(percent(1.0 / wide as f64)) height="18" {
                                        title { (cell.title) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `h0` to `h9`; `hn` where there is nothing to colour.
fn class(value: Option<f64>, scale: f64) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) if scale > 0.0 => {
            format!("h{}", ((value / scale).clamp(0.0, 1.0) * STEPS as f64).min(STEPS as f64 - 1.0) as usize)
        }
        Some(_) => "h0".to_owned(),
        None => "hn".to_owned(),
    }
}

/// What a strip shows, in words.
fn sentence(row: &Row, first: usize, names: &[&str]) -> String {
    let cells = row.cells.iter().skip(first).zip(names).filter_map(|(cell, name)| Some((cell.as_ref()?.value?, name)));
    let (mut lowest, mut highest) = (None, None);
    for (value, name) in cells.filter(|(value, _)| value.is_finite()) {
        if lowest.is_none_or(|(least, _)| value < least) {
            lowest = Some((value, name));
        }
        if highest.is_none_or(|(most, _)| value > most) {
            highest = Some((value, name));
        }
    }
    let layers = if names.len() == 1 {
        format!("layer {}", first + 1)
    } else {
        format!("layers {} to {}", first + 1, first + names.len())
    };
    match (lowest, highest) {
        (Some((least, low)), Some((most, high))) => {
            format!("{}, {layers}: lowest {least:.4} in {low}, highest {most:.4} in {high}", row.label)
        }
        _ => format!("{}, {layers}: no values", row.label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[Option<f64>]) -> Row {
        let cell = |value: &Option<f64>| Some(Cell { value: *value, title: "<b>".into() });
        Row { label: "nc".into(), scale: 1.0, cells: values.iter().map(cell).collect() }
    }

    #[test]
    fn every_layer_has_a_cell() {
        let values: Vec<Option<f64>> = (0..423).map(|at| Some(f64::from(at) / 422.0)).collect();
        let names: Vec<String> = (0..423).map(|at| format!("layer{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let drawn = heat(&names, &[row(&values)]).into_string();
        assert_eq!((drawn.matches("<rect").count(), drawn.matches("<svg").count()), (423, 7));
        assert!(drawn.contains("nc, layers 1 to 61: lowest 0.0000 in layer0, highest 0.1422 in layer60"), "{drawn}");
        assert!(drawn.contains("&lt;b&gt;") && !drawn.contains("<b>"));
    }

    #[test]
    fn colours_go_from_nothing_to_all() {
        let of = |value, scale| class(value, scale);
        assert_eq!(
            [0.0, 0.0999, 0.1, 0.95, 1.0, 7.0, -1.0].map(|value| of(Some(value), 1.0)),
            ["h0", "h0", "h1", "h9", "h9", "h9", "h0"]
        );
        assert_eq!([of(None, 1.0), of(Some(f64::NAN), 1.0), of(Some(3.0), 0.0)], ["hn", "hn", "h0"]);
        let elsewhere = Row { cells: vec![None], ..row(&[]) };
        assert!(!heat(&["fc"], &[elsewhere]).into_string().contains("<svg"));
        let nothing = heat(&["fc"], &[row(&[None])]).into_string();
        assert!(nothing.contains("nc, layer 1: no values"), "{nothing}");
    }
}
