//! What `idc` reports beside its figures: important neurons with their clusters, and combinations that are wanted.

use maud::{Markup, html};

use super::table::{numbers, table, words};
use crate::report::chart::{bar, histogram};
use crate::report::details::{ImportantLayer, ImportantNeuron};
use crate::report::text;

/// The important neurons of a layer.
pub(super) fn neurons(name: &str, layer: &ImportantLayer) -> Markup {
    let columns = [
        numbers("neuron"),
        numbers("relevance"),
        words("share"),
        words("clusters: centroid (profile inputs)"),
        numbers("silhouette"),
        words("values"),
    ];
    let most = layer.neurons.iter().map(|neuron| neuron.share).fold(0.0, f64::max);
    let row = |neuron: &ImportantNeuron| {
        vec![
            html! { (text::grouped(neuron.neuron)) },
            html! { (format!("{:.1} %", neuron.share.copysign(neuron.relevance) * 100.0)) },
            // The longest bar is the most important neuron: shares of many neurons are small.
            bar((most > 0.0).then_some(neuron.share / most), if neuron.relevance < 0.0 { "bad" } else { "plain" }),
            clusters(neuron),
            html! { (format!("{:.3}", neuron.silhouette)) },
            histogram(
                &neuron.bars(),
                &format!("Values of neuron {} over the profile inputs, coloured by cluster", neuron.neuron),
            ),
        ]
    };
    let rows: Vec<Vec<Markup>> = layer.neurons.iter().map(row).collect();
    let wanted_columns = [words("clusters"), numbers("profile inputs")];
    let wanted: Vec<Vec<Markup>> = layer
        .wanted
        .iter()
        .map(|own| {
            vec![html! { code { (text::join(&own.clusters, "·")) } }, html! { (text::grouped(own.profile_inputs)) }]
        })
        .collect();
    let title =
        "Most wanted: what most profile inputs give and no test input does (a cluster for each neuron, 0 the lowest)";
    html! {
        (table(&format!("Important neurons: {name}"), &columns, &rows))
        p { (layer.sentence()) }
        (table(title, &wanted_columns, &wanted))
    }
}

/// Each cluster's centroid and size, in its colour.
fn clusters(neuron: &ImportantNeuron) -> Markup {
    html! {
        div.clusters {
            @for (at, (centroid, size)) in neuron.centroids.iter().zip(&neuron.sizes).enumerate() {
                b.{ "c" (at % 6) } { (short(*centroid)) " (" (text::grouped(*size)) ")" }
            }
        }
    }
}

/// Three digits.
fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if !(0.01..1000.0).contains(&size) => format!("{number:.1e}"),
        size if size < 1.0 => format!("{number:.3}"),
        size if size < 10.0 => format!("{number:.2}"),
        _ => format!("{number:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn centroids_have_three_digits() {
        assert_eq!(
            [0.0, 0.1234, 1.234, 123.4, 12_345.0, -0.001].map(short),
            ["0", "0.123", "1.23", "123.4", "1.2e4", "-1.0e-3"]
        );
    }
}
