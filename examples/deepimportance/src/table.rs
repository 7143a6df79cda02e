//! The answers as Markdown.

use std::fmt::Write;

use crate::published;
use crate::settings::Network;
use crate::study::{Answers, CRITERIA, Figures};

/// All that is known of a network.
pub fn section(network: &Network, answers: &Answers) -> String {
    let mut text = format!("\n## {}\n", network.name);
    first(&mut text, answers);
    second(&mut text, network, answers);
    fifth(&mut text, answers);
    text
}

fn first(text: &mut String, answers: &Answers) {
    let important: Vec<f64> = answers.distances.iter().map(|(important, _)| *important).collect();
    let others: Vec<f64> = answers.distances.iter().map(|(_, others)| *others).collect();
    _ = write!(
        text,
        "\n### RQ1: how far neurons before the logits move when the 2 % most relevant pixels are disturbed\n\n\
         | neurons | mean distance |\n|---|---|\n| the important ones | {} |\n| as many random others | {} |\n\n\
         The paper finds the important ones to move farther; here they move {:.2} times as far.\n",
        plain(&important),
        plain(&others),
        mean(&important) / mean(&others)
    );
}

fn second(text: &mut String, network: &Network, answers: &Answers) {
    *text += "\n### RQ2: coverage of the test set, and with noise on random (S) or relevant pixels (DI)\n\n\
              | criterion | U_O | U_O + U_S | U_O + U_DI | published U_O |\n|---|---|---|---|---|\n";
    for criterion in CRITERIA {
        let by_seed = |sets: &[Figures]| {
            percent(&sets.iter().map(|set| set.get(*criterion).copied().flatten()).collect::<Vec<_>>())
        };
        let important = criterion.strip_prefix("idc(m=").and_then(|rest| rest.trim_end_matches(')').parse().ok());
        let known = important.and_then(|important| published::importance(&network.key, important));
        _ = writeln!(
            text,
            "| `{criterion}` | {} | {} | {} | {} |",
            percent(&[answers.original.get(*criterion).copied().flatten()]),
            by_seed(&answers.random),
            by_seed(&answers.relevant),
            known.map_or_else(|| "-".to_owned(), |known| format!("{known:.1} %"))
        );
    }
    *text += "\nWhat differs from the paper: relevance goes through the network as it is (the paper's code leaves out the ReLU behind convolutions and looks one layer \
              off at the test inputs), zeros are clustered with the other values, centroids are not rounded, and clusterings are optimal, not those of restarts. Its networks were \
              trained by its authors; these were not. So the figures are of the same kind, not the same.\n";
}

fn fifth(text: &mut String, answers: &Answers) {
    *text += "\n### RQ5: importance-driven coverage by layer\n\n| layer | neurons | m | U_O | U_O + U_DI |\n|---|---|---|---|---|\n";
    for layer in &answers.layers {
        _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            layer.name,
            layer.neurons,
            layer.important,
            percent(&[layer.original]),
            percent(&layer.relevant)
        );
    }
}

fn percent(values: &[Option<f64>]) -> String {
    let known: Vec<f64> = values.iter().flatten().map(|value| 100.0 * value).collect();
    match known.len() {
        0 => "-".to_owned(),
        1 => format!("{:.2} %", known[0]),
        _ => format!("{:.2} ± {:.2} %", mean(&known), deviation(&known)),
    }
}

fn plain(values: &[f64]) -> String {
    if values.len() < 2 {
        format!("{:.3}", mean(values))
    } else {
        format!("{:.3} ± {:.3}", mean(values), deviation(values))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Of a sample.
fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}
