//! What lies behind changed figures, as tables that every reporter lays out in its own way.

use super::figure::{self, Style};
use super::{Outcome, message, text};
use crate::gate::{Change, Explanation, FigureChange, NeuronChange, NeuronChanges, PartChange};

/// A table on what lies behind one figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// What it lists: `layers that fell`.
    pub title: String,
    /// Names of the columns; those after the first hold numbers, unless [`Section::words`] says otherwise.
    pub columns: Vec<&'static str>,
    /// Columns that hold words, beside the first.
    pub words: Vec<usize>,
    /// The rows, one text for each column.
    pub rows: Vec<Vec<String>>,
    /// What the table leaves out: `and 98 more`.
    pub more: Option<String>,
}

/// Rows of a table at most; the record may hold more.
const ROWS: usize = 5;

/// The changed figures that are explained, with the tables on each: in the order of the baseline.
pub(crate) fn explained(outcome: &Outcome) -> Vec<(&FigureChange, Vec<Section>)> {
    let changes = outcome.baseline.changes.iter().filter(|change| change.change == Change::Regressed);
    changes
        .filter_map(|change| {
            let explanation = change.explanation.as_ref()?;
            let style = message::style(outcome, &change.criterion);
            let sections = sections(explanation, style);
            (!sections.is_empty()).then_some((change, sections))
        })
        .collect()
}

/// The tables on one figure: layers, classes, inputs that are gone, neurons lost and gained; those with nothing in them are left out.
pub(crate) fn sections(explanation: &Explanation, style: Style) -> Vec<Section> {
    let all = [
        parts("layers that fell", "layer", &explanation.layers, style),
        parts("classes that fell", "class", &explanation.classes, style),
        gone(explanation),
        neurons("lost", &explanation.lost),
        neurons("gained", &explanation.gained),
    ];
    all.into_iter().flatten().collect()
}

/// Why neurons, classes and inputs cannot be told, as a sentence without a full stop.
pub(crate) fn unknown(change: &FigureChange) -> Option<&str> {
    change.explanation.as_ref()?.unknown.as_deref()
}

fn parts(title: &str, what: &'static str, parts: &[PartChange], style: Style) -> Option<Section> {
    let (first, counts) = (parts.first()?, parts.iter().any(|part| part.covered.is_some()));
    let of_classes = first.baseline_inputs.is_some();
    let mut columns = vec![what, "baseline", "observed", "delta"];
    if counts {
        columns.push("covered");
    }
    if of_classes {
        columns.push("inputs");
    }
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), text::grouped);
    let row = |part: &PartChange| {
        let mut row = vec![
            text::line(&part.name).into_owned(),
            figure::value(part.baseline, style),
            figure::value(part.observed, style),
            figure::delta(part.observed, part.baseline, style),
        ];
        if counts {
            row.push(format!("{} -> {}", number(part.baseline_covered), number(part.covered)));
        }
        if of_classes {
            row.push(format!("{} -> {}", number(part.baseline_inputs), number(part.inputs)));
        }
        row
    };
    Some(Section {
        title: title.to_owned(),
        columns,
        words: Vec::new(),
        rows: parts.iter().take(ROWS).map(row).collect(),
        more: more(parts.len() as u64, parts.len()),
    })
}

fn neurons(what: &str, changes: &NeuronChanges) -> Option<Section> {
    if changes.neurons == 0 {
        return None;
    }
    let shown = &changes.largest[..changes.largest.len().min(ROWS)];
    let named = shown.iter().any(|change| change.first.is_some());
    let row = |change: &NeuronChange| {
        let first = change.first.as_deref().map_or_else(|| "-".to_owned(), |name| text::line(name).into_owned());
        let mut row = vec![
            text::line(&change.layer).into_owned(),
            change.neuron.to_string(),
            text::grouped(change.baseline),
            text::grouped(change.observed),
        ];
        if named {
            row.push(if change.gone { format!("{first} (gone)") } else { first });
        }
        row
    };
    let mut columns = vec!["layer", "neuron", "baseline", "observed"];
    columns.extend(named.then_some("first covered by"));
    let neurons = text::counted(changes.neurons, "neuron", "neurons");
    let items = if changes.items == changes.neurons {
        String::new()
    } else {
        format!(" ({} covered items)", text::grouped(changes.items))
    };
    Some(Section {
        title: format!("{neurons} {what}{items}"),
        columns,
        words: vec![4],
        rows: shown.iter().map(row).collect(),
        more: more(changes.neurons, changes.largest.len()),
    })
}

fn gone(explanation: &Explanation) -> Option<Section> {
    let gone = &explanation.gone;
    if gone.inputs == 0 {
        return None;
    }
    let inputs = text::counted(gone.inputs, "input", "inputs");
    let was = if gone.inputs == 1 { "is" } else { "are" };
    Some(Section {
        title: format!("{inputs} that covered {} items first {was} gone", text::grouped(gone.items)),
        columns: vec!["input", "covered first"],
        words: Vec::new(),
        rows: gone
            .largest
            .iter()
            .take(ROWS)
            .map(|input| vec![text::line(&input.name).into_owned(), text::grouped(input.covered)])
            .collect(),
        more: more(gone.inputs, gone.largest.len()),
    })
}

/// What a table of all leaves out, of which so many are listed in the record.
fn more(all: u64, listed: usize) -> Option<String> {
    let left = all.saturating_sub(listed.min(ROWS) as u64);
    (left > 0).then(|| format!("and {} more", text::grouped(left)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_regression_is_told_in_five_tables() {
        let outcome = sample::regression();
        let explained = explained(&outcome);
        let titles: Vec<_> = explained
            .iter()
            .map(|(change, sections)| {
                (change.criterion.as_str(), sections.iter().map(|section| section.title.as_str()).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(titles[0], ("accuracy", vec!["classes that fell"]));
        assert_eq!(
            titles[1].1,
            [
                "layers that fell",
                "classes that fell",
                "47 inputs that covered 5,512 items first are gone",
                "118 neurons lost (5,701 covered items)",
                "3 neurons gained (8 covered items)",
            ]
        );
        let sections = &explained[1].1;
        assert_eq!(sections[1].rows[0], ["7", "0.0922", "-", "-", "21,204 -> 0", "50 -> 0"]);
        assert_eq!(sections[3].rows[1], ["fc.fc1_relu", "90", "230", "0", "7/0144.png (gone)"]);
        assert_eq!(sections[3].more.as_deref(), Some("and 115 more"));
        for section in sections {
            assert!(section.rows.iter().all(|row| row.len() == section.columns.len()));
        }
    }

    #[test]
    fn nothing_is_told_where_nothing_is_known() {
        assert!(sections(&Explanation::default(), Style::Decimal).is_empty());
        assert!(explained(&sample::passed()).is_empty());
    }
}
