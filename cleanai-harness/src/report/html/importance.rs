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
    let row = |(neuron, length): (&ImportantNeuron, Option<f64>)| {
        vec![
            html! { (text::grouped(neuron.neuron)) },
            html! { (neuron.signed_share()) },
            bar(length, if neuron.relevance < 0.0 { "bad" } else { "plain" }),
            clusters(neuron),
            html! { (format!("{:.3}", neuron.silhouette)) },
            histogram(
                &neuron.bars(),
                &format!("Values of neuron {} over the profile inputs, coloured by cluster", neuron.neuron),
            ),
        ]
    };
    let rows: Vec<Vec<Markup>> = layer.with_bars().map(row).collect();
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
            @for (at, cluster) in neuron.clusters().enumerate() {
                b.{ "c" (at % 6) } { (cluster) }
            }
        }
    }
}
