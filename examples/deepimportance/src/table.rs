//! The answers as Markdown.

use std::fmt::Write;

use cleanai_harness::synthesis::Augmentation;

use crate::correlation::spearman;
use crate::effectiveness::{self, ACCURACY, ADVERSARIAL, CRITERIA as COMPARED, SETS};
use crate::published;
use crate::settings::{Arguments, Network};
use crate::study::{Answers, CRITERIA, Figures};

/// All that is known of a network.
pub fn section(network: &Network, arguments: &Arguments, answers: Option<&Answers>, sets: &[Figures]) -> String {
    let mut text = format!("\n## {}\n", network.name);
    for question in 1..=5 {
        match (question, answers) {
            _ if !arguments.asks(&[question]) => {}
            (1, Some(answers)) => first(&mut text, answers),
            (2, Some(answers)) => second(&mut text, network, answers),
            (3, _) => third(&mut text, network, sets),
            (4, _) => fourth(&mut text, sets),
            (5, Some(answers)) => fifth(&mut text, answers),
            _ => {}
        }
    }
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
        _ = writeln!(
            text,
            "| `{criterion}` | {} | {} | {} | {} |",
            percent(&[answers.original.get(*criterion).copied().flatten()]),
            by_seed(&answers.random),
            by_seed(&answers.relevant),
            known(network, criterion)
        );
    }
    *text += "\nWhat differs from the paper: relevance goes through the network as it is (the paper's code leaves out the ReLU behind convolutions and looks one layer \
              off at the test inputs), zeros are clustered with the other values, centroids are not rounded, and clusterings are optimal, not those of restarts. Its networks were \
              trained by its authors; these were not. So the figures are of the same kind, not the same.\n";
}

fn third(text: &mut String, network: &Network, sets: &[Figures]) {
    let headings: Vec<&str> = SETS.iter().map(|(heading, _)| *heading).collect();
    _ = write!(
        text,
        "\n### RQ3: coverage of the test set, and with what noise (S) or an attack makes of each of its inputs\n\n\
         | criterion | {} | published U_O |\n|---|{}---|\n",
        headings.join(" | "),
        "---|".repeat(SETS.len())
    );
    for (heading, asked) in COMPARED.into_iter().chain([(ACCURACY, ACCURACY)]) {
        let figures: Vec<String> = sets.iter().map(|set| percent(&[set.get(asked).copied().flatten()])).collect();
        _ = writeln!(text, "| {} | {} | {} |", code(heading), figures.join(" | "), known(network, heading));
    }
    let (importance, others): (Vec<_>, Vec<_>) = COMPARED.iter().partition(|(heading, _)| heading.starts_with("idc"));
    _ = write!(
        text,
        "\nAccuracy is that of the whole set. Of cases of an attack and a criterion, coverage rises over U_O in {} with `idc`, in {} with the others.\n",
        rises(sets, &importance),
        rises(sets, &others),
    );
}

/// In how many cases of a criterion and an attack the attack raises coverage: `3 of 8`.
fn rises(sets: &[Figures], criteria: &[&(&str, &str)]) -> String {
    let (mut risen, mut all) = (0, 0);
    for figures in criteria.iter().filter_map(|(_, asked)| effectiveness::by_set(sets, asked)) {
        all += ADVERSARIAL.len();
        risen += figures[ADVERSARIAL].iter().filter(|figure| **figure > figures[0]).count();
    }
    format!("{risen} of {all}")
}

fn fourth(text: &mut String, sets: &[Figures]) {
    *text += "\n### RQ4: Spearman's rank correlation of criteria over these sets\n\n";
    correlations(text, &[sets]);
}

/// What concerns all networks: the fourth question with the sets of all, and how figures were made.
pub fn together(arguments: &Arguments, networks: &[Vec<Figures>]) -> String {
    let mut text = String::new();
    if arguments.asks(&[4]) && networks.len() > 1 {
        text += "\n## All networks\n\n### RQ4: Spearman's rank correlation of criteria over the sets of all networks\n\n\
                 Sets are ranked within their network: how high the coverage of a network is makes no difference.\n\n";
        correlations(&mut text, &networks.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
    text += "\n## How to read RQ3 and RQ4\n\n";
    let named = |name| Augmentation::named(name).map(|how| code(&how.to_string()));
    let added: Vec<String> = SETS.iter().filter_map(|(_, name)| named((*name)?)).collect();
    _ = write!(
        text,
        "U_O is the first inputs of the test set. The others hold it and as many inputs made of it, by {}: noise as in RQ2, of attacks the parameters the paper's authors name, \
         what is made clipped to the data's range. Inputs more surprising than the last bucket of `lsc` or `dsc` cover nothing.\n\n\
         The figures of the paper's Table 4 are not reproduced here: they were not available. Only `idc` of U_O is, as in RQ2; it was measured there on the \
         whole test set, which covers more than its first inputs. What the paper concludes can be compared: that `idc` rises with adversarial inputs (RQ3), and \
         that it goes along with other criteria, a positive correlation (RQ4).\n",
        added.join(", ")
    );
    if arguments.asks(&[4]) {
        _ = write!(
            text,
            "\nEqual figures have their mean rank; `-` is where one of both criteria is the same for all sets. {} sets are few, and all hold U_O: of independent pairs \
             without equal figures one in thirty reaches 0.89 by chance, one sign or the other.\n",
            SETS.len()
        );
    }
    text
}

/// The lower triangle, since the upper is the same.
fn correlations(text: &mut String, networks: &[&[Figures]]) {
    let headings: Vec<String> = COMPARED.iter().map(|(heading, _)| code(heading)).collect();
    let columns = COMPARED.len() - 1;
    _ = writeln!(text, "| | {} |\n|---|{}", headings[..columns].join(" | "), "---|".repeat(columns));
    let (mut positive, mut known) = (0, 0);
    for (row, (_, left)) in COMPARED.iter().enumerate().skip(1) {
        _ = write!(text, "| {} |", headings[row]);
        for (column, (_, right)) in COMPARED[..columns].iter().enumerate() {
            let found = (column < row).then(|| correlation(networks, left, right)).flatten();
            if let Some(found) = found.filter(|_| right.starts_with("idc") && !left.starts_with("idc")) {
                known += 1;
                positive += usize::from(found > 0.0);
            }
            _ = match found {
                Some(found) => write!(text, " {found:.2} |"),
                None => write!(text, " {} |", if column < row { "-" } else { "" }),
            };
        }
        *text += "\n";
    }
    _ = writeln!(text, "\nPositive in {positive} of the {known} pairs of `idc` and another criterion that have one.");
}

/// Of two criteria over the sets of these networks; none where one of them is missing.
fn correlation(networks: &[&[Figures]], left: &str, right: &str) -> Option<f64> {
    let group = |sets: &&[Figures]| Some((effectiveness::by_set(sets, left)?, effectiveness::by_set(sets, right)?));
    spearman(&networks.iter().map(group).collect::<Option<Vec<_>>>()?)
}

/// What the paper reports of a criterion on the original test set.
fn known(network: &Network, criterion: &str) -> String {
    let important = criterion.strip_prefix("idc(m=").and_then(|rest| rest.trim_end_matches(')').parse().ok());
    let known = important.and_then(|important| published::importance(&network.key, important));
    known.map_or_else(|| "-".to_owned(), |known| format!("{known:.1} %"))
}

fn code(text: &str) -> String {
    format!("`{text}`")
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `idc` as given, `nc` all the same, the others as high as the set's number.
    fn sets(importance: [f64; 6]) -> Vec<Figures> {
        let set = |(number, importance): (usize, f64)| {
            let figure = |text: &str| match text {
                text if text.starts_with("idc") => importance,
                "nc" => 0.5,
                _ => number as f64,
            };
            COMPARED.iter().map(|(_, text)| ((*text).to_owned(), Some(figure(text)))).collect()
        };
        importance.into_iter().enumerate().map(set).collect()
    }

    #[test]
    fn attacks_that_raise_coverage_are_counted() {
        let sets = sets([0.5, 0.9, 0.4, 0.5, 0.6, 0.7]);
        let of =
            |wanted: &str| rises(&sets, &COMPARED.iter().filter(|(heading, _)| *heading == wanted).collect::<Vec<_>>());
        assert_eq!(of("idc(m=6)"), "2 of 4", "the noise is no attack, and equal is not higher");
        assert_eq!(of("nc"), "0 of 4");
        assert_eq!(of("dsc"), "4 of 4");
    }

    #[test]
    fn correlations_are_a_triangle_and_a_count() {
        let (up, down) = (sets([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), sets([0.6, 0.5, 0.4, 0.3, 0.2, 0.1]));
        let mut text = String::new();
        correlations(&mut text, &[&down]);
        assert!(text.contains("\n| `idc(m=8)` | 1.00 |  |"), "{text}");
        assert!(text.contains("\n| `nc` | - | - |  |"), "{text}");
        assert!(text.contains("\n| `dsc` | -1.00 | -1.00 | - | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 |\n"), "{text}");
        assert!(
            text.ends_with("Positive in 0 of the 12 pairs of `idc` and another criterion that have one.\n"),
            "{text}"
        );
        assert_eq!(
            correlation(&[&up, &down], "idc(m=6)", "dsc"),
            Some(0.0),
            "one network takes back what the other gives"
        );
        let mut missing = up.clone();
        missing[3].insert("dsc".to_owned(), None);
        assert_eq!(correlation(&[&missing], "idc(m=6)", "dsc"), None);
    }
}
