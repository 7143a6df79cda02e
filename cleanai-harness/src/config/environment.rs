//! What `CLEANAI_*` variables say over attribute and file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::baseline::ON_IMPROVEMENT;
use super::reference::{PREFIX, Read, VARIABLES, names_of_variables};
use super::tests::MAX_BATCH;
use super::{Config, ReportFile};
use crate::declare::nearest::{did_you_mean, nearest};
use crate::declare::{DeviceChoice, OnImprovement, Tolerance};
use crate::{Error, ErrorKind, Result};

/// Characters of a variable's value that are shown at most.
const SHOWN: usize = 60;

/// What `CLEANAI_*` variables say over attribute and file. An empty one is as good as none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Environment {
    /// `CLEANAI_CONFIG`
    pub config: Option<PathBuf>,
    /// `CLEANAI_DEVICE`
    pub device: Option<DeviceChoice>,
    /// `CLEANAI_BATCH`
    pub batch: Option<usize>,
    /// `CLEANAI_BASELINE_TOLERANCE`
    pub tolerance: Option<f64>,
    /// `CLEANAI_BASELINE_ON_IMPROVEMENT`
    pub on_improvement: Option<OnImprovement>,
    /// `CLEANAI_REPORT_PDF` and its like, by the key in `[report]`; a path is as it was written.
    pub reports: BTreeMap<&'static str, ReportFile>,
    /// The known variables that are set, with their text.
    pub set: BTreeMap<&'static str, String>,
    /// Of each unknown one a line that says so.
    pub unknown: Vec<String>,
}

impl Environment {
    /// Reads the variables of the process, or those of a test.
    ///
    /// # Errors
    /// If one has a wrong value; the error names it.
    pub fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self> {
        let mut read = Self::default();
        let ours = |name: &OsString| name.to_string_lossy().starts_with(PREFIX);
        // In the order of their names, so that the first wrong one does not change from run to run.
        let given: BTreeMap<OsString, OsString> =
            variables.into_iter().filter(|(name, value)| ours(name) && !value.is_empty()).collect();
        for (name, value) in &given {
            let name = name.to_string_lossy();
            let Some(variable) = VARIABLES.iter().find(|variable| variable.name == name) else {
                read.unknown.extend(unknown(&name));
                continue;
            };
            if let Read::By(set) = variable.read {
                let Some(text) = value.to_str() else { return Err(wrong(variable.name, "is not UTF-8")) };
                set(&mut read, text).map_err(|error| {
                    let named = wrong(variable.name, format!("is `{}`: {}", shown(text), error.what()));
                    match error.help() {
                        Some(help) => named.with_help(help),
                        None => named.with_help(format!("set it to {}, or unset it", variable.kind.replace('`', ""))),
                    }
                })?;
            }
            read.set.insert(variable.name, value.to_string_lossy().into_owned());
        }
        Ok(read)
    }

    /// The variables that are set and may change figures or verdicts, as `CLEANAI_BATCH=16`.
    pub fn deciding(&self) -> Vec<String> {
        let deciding = VARIABLES.iter().filter(|variable| variable.decides);
        deciding.filter_map(|it| Some(format!("{}={}", it.name, shown(self.set.get(it.name)?)))).collect()
    }

    /// Puts what the variables say over the tables that are the same for all tests; `start` is the package's folder.
    pub(super) fn apply(&self, config: &mut Config, start: &Path) {
        if let Some(tolerance) = self.tolerance {
            config.baseline.tolerance = Tolerance::Absolute(tolerance);
            config.baseline.per_criterion.clear();
        }
        if let Some(on_improvement) = self.on_improvement {
            config.baseline.on_improvement = on_improvement;
        }
        let folder = config.folder().unwrap_or(start).to_owned();
        for (&key, file) in &self.reports {
            let file = match file {
                ReportFile::At(path) => ReportFile::At(folder.join(path)),
                other => other.clone(),
            };
            if let Some(own) = config.report.file(key) {
                *own = file;
            }
        }
    }
}

/// What to say of a variable that nothing reads.
fn unknown(name: &str) -> Option<String> {
    if names_of_variables().any(|known| known == name) {
        return None;
    }
    let near = nearest(name, names_of_variables().filter(|known| VARIABLES.iter().any(|it| it.name == *known)));
    let help = near.map_or_else(
        || "`cargo cleanai config reference` lists those that are".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    Some(format!("the variable {} is not known; {help}", shown(name)))
}

/// As much of a text as fits into a line, harmless to a terminal.
fn shown(text: &str) -> String {
    let mut shown: String =
        text.chars().take(SHOWN).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn wrong(name: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Configuration, format!("{name} {what}"))
}

fn must(be: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Configuration, format!("it must be {be}"))
}

pub(super) fn config(to: &mut Environment, text: &str) -> Result<()> {
    to.config = Some(text.into());
    Ok(())
}

pub(super) fn device(to: &mut Environment, text: &str) -> Result<()> {
    to.device = Some(text.parse()?);
    Ok(())
}

pub(super) fn batch(to: &mut Environment, text: &str) -> Result<()> {
    let batch = text.parse().ok().filter(|batch| (1..=MAX_BATCH).contains(batch));
    to.batch = Some(batch.ok_or_else(|| must(format!("a whole number from 1 to {MAX_BATCH}")))?);
    Ok(())
}

pub(super) fn tolerance(to: &mut Environment, text: &str) -> Result<()> {
    let tolerance = text.parse::<f64>().ok().filter(|tolerance| tolerance.is_finite() && *tolerance >= 0.0);
    // -0.0 is no different from 0.
    to.tolerance = Some(tolerance.ok_or_else(|| must("a finite number, 0 or more"))?.abs());
    Ok(())
}

pub(super) fn on_improvement(to: &mut Environment, text: &str) -> Result<()> {
    let found = ON_IMPROVEMENT.iter().find(|(word, _)| *word == text);
    let words = ON_IMPROVEMENT.iter().map(|(word, _)| *word);
    let (_, meaning) =
        found.ok_or_else(|| must("`ignore`, `pending` or `fail`").with_help(did_you_mean(text, words)))?;
    to.on_improvement = Some(*meaning);
    Ok(())
}

pub(super) fn report(to: &mut Environment, key: &'static str, text: &str) -> Result<()> {
    let file = match text {
        "on" | "true" => ReportFile::Default,
        "off" | "false" => ReportFile::No,
        path if path.trim().is_empty() => return Err(must("`on`, `off` or a path")),
        path => ReportFile::At(path.into()),
    };
    to.reports.insert(key, file);
    Ok(())
}
