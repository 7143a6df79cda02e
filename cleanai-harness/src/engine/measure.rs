//! `measure`: the same engine as the tests', without a test.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::declare::CriterionSpec;
use crate::measure::{self, Measurement};
use crate::report::inputs::Table;
use crate::{Error, ErrorKind, Result, report};
use anstyle::Style;
use clap::Args;

use crate::engine::measuring::Measuring;

/// Arguments of `measure`; `cargo cleanai measure --help` describes them.
#[derive(Args)]
pub struct Measure {
    #[command(flatten)]
    measuring: Measuring,
    /// A criterion, for example `kmnc(k=1000)`; may be given several times.
    #[arg(long = "criterion", value_name = "CRITERION", required = true)]
    criteria: Vec<String>,
    /// Writes the result as JSON here; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes every input's numbers here: `.csv` or `.json`.
    #[arg(long, value_name = "FILE")]
    per_input: Option<PathBuf>,
}

impl Measure {
    /// Measures, prints a table and writes the JSON.
    pub fn run(&self) -> Result<()> {
        let texts = self.criteria.iter().map(|text| text.trim());
        let asked = texts.map(|text| Ok((text, text.parse()?))).collect::<Result<Vec<(&str, CriterionSpec)>>>()?;
        let specs: Vec<CriterionSpec> = asked.iter().map(|(_, spec)| spec.clone()).collect();
        let mut measurement = self.measured(&specs)?;
        // Results stand under the words they were asked for with, not under their canonical form.
        let results = std::mem::take(&mut measurement.criteria);
        for (text, spec) in &asked {
            if let Some(result) = results.get(&spec.to_string()) {
                measurement.criteria.insert((*text).to_owned(), result.clone());
            }
        }
        match &self.json {
            Some(path) if path.as_os_str() == "-" => {
                anstream::println!("{}", report::json::measurement_json(&measurement))
            }
            Some(path) => {
                print(&measurement);
                report::file::write(path, report::json::measurement_json(&measurement).as_bytes())?;
                anstream::println!("\nwritten to {}", path.display());
            }
            None => print(&measurement),
        }
        if let Some(path) =
            self.per_input.as_ref().filter(|_| self.json.as_ref().is_none_or(|path| path.as_os_str() != "-"))
        {
            anstream::println!("\nwritten to {}", path.display());
        }
        Ok(())
    }

    /// Measures, and writes what criteria say of single inputs where that is asked for.
    fn measured(&self, specs: &[CriterionSpec]) -> Result<Measurement> {
        let declaration = self.measuring.declaration("measure")?;
        let Some(path) = &self.per_input else { return measure::once(&declaration, specs) };
        let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
        let as_json = match ending.as_deref().and_then(OsStr::to_str) {
            Some("csv") => false,
            Some("json") => true,
            _ => {
                let what = format!("--per-input {} ends neither in .csv nor in .json", path.display());
                return Err(Error::new(ErrorKind::Configuration, what).with_help("name it like inputs.csv"));
            }
        };
        let (measurement, facts) = measure::with_inputs(&declaration, specs)?;
        let criteria = measurement.criteria.iter().map(|(text, result)| (text.as_str(), &result.per_input));
        let table = Table::new(&facts, criteria);
        let text = if as_json { table.json().into_bytes() } else { table.csv()? };
        report::file::write(path, &text)?;
        Ok(measurement)
    }
}

fn print(measurement: &Measurement) {
    let bold = Style::new().bold();
    let Measurement { model, data, settings, seconds, .. } = measurement;
    anstream::println!(
        "{bold}{}{bold:#}  {} parameters, {} layers, on {}",
        model.path,
        model.parameters,
        model.layers.len(),
        settings.device
    );
    let profile = match (&data.profile, data.profile_inputs) {
        (Some(path), Some(inputs)) => format!(", profile {path} ({inputs} inputs)"),
        _ => String::new(),
    };
    anstream::println!("{}  {} inputs{profile}", data.path, data.inputs);
    if data.skipped > 0 {
        anstream::println!("{} inputs could not be decoded and were skipped", data.skipped);
    }
    let width = measurement.criteria.keys().map(|text| text.chars().count()).max().unwrap_or(0).max(9);
    anstream::println!("\n{bold}{:width$}  {:>12}  {:>22}{bold:#}", "criterion", "value", "covered / total");
    for (text, result) in &measurement.criteria {
        let value = result.value.map_or("nothing".to_owned(), |value| format!("{value:.6}"));
        let counts = match (result.covered, result.total) {
            (Some(covered), Some(total)) => format!("{covered} / {total}"),
            _ => String::new(),
        };
        anstream::println!("{text:width$}  {value:>12}  {counts:>22}");
    }
    if measurement.cached.is_some() {
        anstream::println!("\nfrom the cache: no model ran (`cargo cleanai cache clean --measurements` measures anew)");
        return;
    }
    anstream::println!(
        "\n{:.2} s: load {:.2}, profile {:.2}, decode {:.2}, forward {:.2}, criteria {:.2}",
        seconds.total,
        seconds.load,
        seconds.profile,
        seconds.decode,
        seconds.forward,
        seconds.criteria
    );
}
