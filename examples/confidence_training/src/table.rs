//! Results as Markdown.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use crate::study::{Figures, Table};
use crate::{Arguments, Outcome};

pub fn heading(arguments: &Arguments) -> String {
    format!(
        "# Training with the confidence loss\n\n\
         {} seeds at most, {} rounds of further training with the ranges of each round's beginning; mean ± standard deviation over the seeds. In range: \
         neurons of test inputs within the range that trusted training inputs of their predicted class set. AUROC: how well the number of neurons \
         outside (`src`'s eta) tells foreign inputs from test inputs, 0.5 is chance; foreign are the test pictures inverted, or with Gaussian noise of \
         a standard deviation of 0.3 of the pixels' range. CleanAI {}, libtorch {}.\n",
        arguments.seeds,
        arguments.epochs,
        env!("CARGO_PKG_VERSION"),
        cleanai_harness::model::libtorch_version(),
    )
}

pub fn section(title: &str, about: &str, table: &Table, time: Duration) -> String {
    let mut text = format!(
        "\n## {title}\n\n{about}\n\n\
         | trained further with | accuracy | in range | AUROC, inverted | AUROC, noisy |\n|---|---|---|---|---|\n"
    );
    for (how, figures) in table {
        let share = |of: fn(&Figures) -> f64| spread(figures, of, 100.0, 2) + " %";
        let area = |of: fn(&Figures) -> f64| spread(figures, of, 1.0, 4);
        let cells =
            [share(|own| own.accuracy), share(|own| own.in_range), area(|own| own.inverted), area(|own| own.noisy)];
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {how} | {} |", cells.join(" | "));
    }
    let seeds = table.iter().map(|(_, figures)| figures.len()).max().unwrap_or(0);
    let _ = writeln!(text, "\nSeeds run: {seeds}, in {:.0} s.", time.as_secs_f64());
    text
}

/// Mean and standard deviation (of the sample) over the seeds.
fn spread(figures: &[Figures], of: fn(&Figures) -> f64, scale: f64, decimals: usize) -> String {
    let values: Vec<f64> = figures.iter().map(|own| of(own) * scale).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    if values.len() < 2 {
        return format!("{mean:.decimals$}");
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    format!("{mean:.decimals$} ± {:.decimals$}", variance.sqrt())
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, text: &str) -> Outcome<()> {
    let beside = path.with_extension("part");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|why| format!("cannot make {}: {why}", folder.display()))?;
    }
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|why| format!("cannot write {}: {why}", path.display()))?;
    Ok(())
}
