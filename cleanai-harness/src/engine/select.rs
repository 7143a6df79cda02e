//! `select`: the inputs of a test set that a criterion says most of, as a manifest.

use std::path::PathBuf;

use crate::declare::CriterionSpec;
use crate::measure::{self, Reached, Selection, Wanted, Why};
use crate::{Error, ErrorKind, Result, report};
use anstyle::Style;
use clap::{ArgGroup, Args};
use serde_json::json;

use crate::engine::measuring::Measuring;

/// Arguments of `select`; `cargo cleanai select --help` describes them.
#[derive(Args)]
#[command(group = ArgGroup::new("wanted").required(true).args(["count", "minimize"]))]
pub struct Select {
    #[command(flatten)]
    measuring: Measuring,
    /// The criterion, for example `kmnc(k=1000)`.
    #[arg(long, value_name = "CRITERION")]
    by: String,
    /// So many inputs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// The fewest that keep all coverage.
    #[arg(long)]
    minimize: bool,
    /// The manifest, `.csv`.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Writes the same and the bounds as JSON here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Select {
    /// Selects, writes the manifest and the JSON, and says what they reach.
    pub fn run(&self) -> Result<()> {
        if !self.out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
            let what = format!("--out {} does not end in .csv, by which data tells a manifest", self.out.display());
            return Err(Error::new(ErrorKind::Configuration, what).with_help("name it like selected.csv"));
        }
        let text = self.by.trim();
        let spec: CriterionSpec = text.parse()?;
        let wanted = self.count.map_or(Wanted::FewestForAll, |count| Wanted::Count(count as usize));
        let selection = measure::select(&self.measuring.declaration("select")?, &spec, wanted)?;
        let manifest = selection.manifest(&self.out)?;
        report::file::write(&self.out, &manifest)?;
        let bold = Style::new().bold();
        anstream::println!("{bold}{text}{bold:#}");
        for line in said(&selection, self.count) {
            anstream::println!("{line}");
        }
        anstream::println!("\nwritten to {}", self.out.display());
        if let Some(path) = &self.json {
            let mut all = selection.json();
            let Measuring { data, profile, transform, .. } = &self.measuring;
            all["data"] = json!({ "path": data, "profile": profile, "transform": transform });
            report::file::write(path, format!("{all:#}\n").as_bytes())?;
            anstream::println!("written to {}", path.display());
        }
        anstream::println!("Next: {}", self.measuring.on_other_data(&self.out, text));
        Ok(())
    }
}

/// What was chosen, and how good it is.
fn said(selection: &Selection, count: Option<u32>) -> Vec<String> {
    let Selection { inputs, chosen, reached, misclassified, .. } = selection;
    let number = chosen.len();
    let mut lines = Vec::new();
    match reached {
        Reached::Most { covered, all, total, at_most } => {
            lines.push(format!(
                "{number} of {inputs} inputs cover {covered} of the {all} items that all {inputs} cover, {}{}",
                percent(*covered, *all),
                of_total(*covered, *total)
            ));
            lines.push(match () {
                () if covered == all && count.is_some_and(|count| number < count as usize) => {
                    "That is all there is: further inputs would add nothing, so none are listed.".to_owned()
                }
                () if covered == at_most => format!("No {number} inputs cover more."),
                () => format!("No {number} inputs cover more than {at_most}, {}.", percent(*at_most, *all)),
            });
        }
        Reached::All { all, total, at_least, factor } => {
            lines.push(format!(
                "{number} of {inputs} inputs, {}, cover all {all} items that all {inputs} cover{}",
                percent(number as u64, *inputs as u64),
                of_total(*all, *total)
            ));
            lines.push(match *at_least == number {
                true => "No fewer do.".to_owned(),
                false => format!(
                    "No subset of fewer than {at_least} does. (Greedy choice by itself promises at most {factor:.1} times the fewest.)"
                ),
            });
        }
        Reached::Scores { column, scored } => {
            let ends = match (chosen.first().map(|first| first.why), chosen.last().map(|last| last.why)) {
                (Some(Why::Score(first)), Some(Why::Score(last))) => format!(", from {first:.4} down to {last:.4}"),
                _ => String::new(),
            };
            lines.push(format!("the {number} of {inputs} inputs with the largest {column}{ends}"));
            if count.is_some_and(|count| number < count as usize) {
                lines.push(format!("Only {scored} inputs have a number, so no more are listed."));
            }
        }
    }
    if let Some(wrong) = misclassified {
        lines.push(format!(
            "misclassified: {} of these {number}, {}; of all {inputs} inputs {}",
            wrong.chosen,
            percent(wrong.chosen as u64, number as u64),
            percent(wrong.all as u64, *inputs as u64)
        ));
    }
    lines
}

fn of_total(covered: u64, total: Option<u64>) -> String {
    total.map_or_else(String::new, |total| format!(" (of {total} there are, {})", percent(covered, total)))
}

/// `41.3 %`; whole only where all or none.
fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (0, _) | (_, 0) => "0 %".to_owned(),
        _ if part == whole => "100 %".to_owned(),
        // What rounds to a whole is none yet.
        _ => format!("{:.1} %", (part as f64 / whole as f64 * 100.0).clamp(0.1, 99.9)),
    }
}
