//! What `cargo cleanai ratchet` is told after a run: the thresholds and baselines that today's figures would raise.
//!
//! Where `CLEANAI_RATCHET` names a folder, every test binary leaves one JSON file there. It says for each requirement with a
//! number which bound today's figure would meet with a margin, and for each baseline what it would read with the better
//! figures put in. `cargo cleanai ratchet` edits the files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::declare::{Bound, Declaration, Requirement, Source, Tolerance, bound_of};
use crate::gate::baseline::BaselineText;
use crate::gate::{BaselineStatus, Change, proposal, tolerance};
use crate::report::{Outcome, file};
use crate::{Error, ErrorKind, Result};

/// Names the folder.
pub(super) const FOLDER: &str = "CLEANAI_RATCHET";
/// What a threshold stays below a figure; a baseline's tolerance where it is not set.
const MARGIN: &str = "CLEANAI_RATCHET_MARGIN";

/// What one test binary has to say.
#[derive(Debug, serde::Serialize)]
struct Record {
    schema: u32,
    tests: Vec<Test>,
}

/// What one test has to say.
#[derive(Debug, serde::Serialize)]
struct Test {
    name: String,
    /// Why nothing that this test depends on may be touched.
    refused: Option<String>,
    thresholds: Vec<Threshold>,
    baseline: Option<Baseline>,
}

/// A requirement with a number.
#[derive(Debug, serde::Serialize)]
struct Threshold {
    /// `kmnc(k=100) >= 0.83`
    requirement: String,
    source: Source,
    file: PathBuf,
    line: usize,
    column: usize,
    /// In a `cleanai.toml` the text between the quotes, with the bytes of the bound in it.
    text: String,
    bound: (usize, usize),
    /// The word it begins with in an attribute: the criterion's, or that of a figure alone.
    words: Vec<String>,
    operator: &'static str,
    lower: bool,
    old: f64,
    /// The bound that today's figure meets with the margin; none where there is no figure.
    candidate: Option<f64>,
    /// That bound as text.
    candidate_text: String,
}

/// A baseline with better figures in it.
#[derive(Debug, serde::Serialize)]
struct Baseline {
    file: PathBuf,
    /// What it holds.
    old: String,
    /// What it would hold.
    new: String,
    raised: Vec<Raised>,
}

#[derive(Debug, serde::Serialize)]
struct Raised {
    figure: String,
    from: f64,
    to: f64,
}

/// Leaves the record of a run in the folder that the environment names, if it names one. `complete` says whether all tests of
/// the binary ran, so that what they share may be raised.
pub(super) fn write(tests: &[(&Outcome, &Declaration)], stem: &Path, root: &Path, complete: bool) -> Result<()> {
    let Some(folder) = std::env::var_os(FOLDER).filter(|it| !it.is_empty()).map(PathBuf::from) else { return Ok(()) };
    let margin = margin()?;
    let record = Record {
        schema: 1,
        tests: tests.iter().map(|(outcome, declaration)| of(outcome, declaration, root, margin, complete)).collect(),
    };
    let text = serde_json::to_vec(&record).map_err(|why| Error::io("write", &folder, why))?;
    // Package and target, neither of which has a dot here.
    let mut names = stem.components().rev().map(|part| part.as_os_str().to_string_lossy());
    let (target, package) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    file::write(&folder.join(format!("{package}.{target}.json")), &text)
}

fn margin() -> Result<Option<f64>> {
    let Some(text) = std::env::var_os(MARGIN).filter(|it| !it.is_empty()) else { return Ok(None) };
    let number = text.to_str().and_then(|text| text.parse::<f64>().ok()).filter(|it| it.is_finite() && *it >= 0.0);
    number.map(Some).ok_or_else(|| {
        let what = format!("{MARGIN} is `{}`, not a number from 0 on", text.to_string_lossy());
        Error::new(ErrorKind::Configuration, what)
    })
}

fn of(outcome: &Outcome, declaration: &Declaration, root: &Path, margin: Option<f64>, complete: bool) -> Test {
    let refused = refused(outcome);
    let thresholds = declaration
        .requirements
        .iter()
        .zip(&outcome.requirements)
        .filter_map(|(requirement, verdict)| {
            let origin = requirement.origin.as_ref()?;
            let old = requirement.bound.number()?;
            let shared = origin.source == Source::Defaults && !complete;
            let observed = verdict.observed.filter(|_| refused.is_none() && !shared);
            let margin = margin.unwrap_or_else(|| own_margin(outcome, declaration, requirement));
            let candidate = observed.and_then(|observed| proposal::bound_with_margin(requirement, observed, margin));
            let bound = bound_of_text(declaration, requirement);
            Some(Threshold {
                requirement: requirement.to_string(),
                source: origin.source,
                file: root.join(&origin.file),
                line: origin.line,
                column: origin.column,
                text: origin.text.clone(),
                bound,
                words: words(requirement),
                operator: requirement.comparison.as_str(),
                lower: requirement.comparison.is_lower_bound(),
                old,
                candidate,
                candidate_text: candidate.map(|bound| Bound::Number(bound).to_string()).unwrap_or_default(),
            })
        })
        .collect();
    let baseline = if refused.is_none() { baseline(outcome, declaration, root) } else { None };
    Test { name: outcome.test.name.clone(), refused, thresholds, baseline }
}

/// Why nothing of a test may be touched.
fn refused(outcome: &Outcome) -> Option<String> {
    if outcome.error.is_some() {
        return Some("it could not be measured".to_owned());
    }
    if outcome.body.is_some() || outcome.requirements.iter().any(|verdict| !verdict.holds) {
        return Some("it fails".to_owned());
    }
    match outcome.baseline.status {
        // An improvement may fail the test until it is accepted, which is what happens here.
        BaselineStatus::Unchanged | BaselineStatus::Improved | BaselineStatus::Disabled => None,
        BaselineStatus::Missing => Some("it has no baseline yet: accept one with `cargo insta review`".to_owned()),
        _ => Some("it fails: its baseline differs".to_owned()),
    }
}

/// What a threshold stays below a figure where the user has not said: by how much the figure may fall below its baseline.
fn own_margin(outcome: &Outcome, declaration: &Declaration, requirement: &Requirement) -> f64 {
    let subject = requirement.subject();
    match outcome.baseline.changes.iter().find(|change| change.criterion == subject) {
        Some(change) => change.tolerance,
        // Without a baseline nothing was applied yet.
        None => match tolerance(&declaration.baseline, &subject) {
            Tolerance::Absolute(much) => much,
            _ => 0.002,
        },
    }
}

/// The bytes of the bound in the text that stands in a `cleanai.toml`.
fn bound_of_text(declaration: &Declaration, requirement: &Requirement) -> (usize, usize) {
    let text = requirement.origin.as_ref().map(|origin| origin.text.as_str()).unwrap_or_default();
    // A figure alone is one of the criterion before it; which that was decides nothing here.
    let before = declaration.requirements.first().map(|first| &first.criterion);
    bound_of(text, before).map(|span| (span.start, span.end)).unwrap_or_default()
}

fn words(requirement: &Requirement) -> Vec<String> {
    let first = |text: &str| text.split(['(', ':']).next().unwrap_or(text).to_owned();
    let mut words = vec![first(&requirement.criterion.name)];
    words.extend(requirement.figure.as_ref().map(|figure| first(&figure.to_string())));
    words
}

/// The baseline of a test with its better figures put in; none where there are none, or where the file cannot be read as it was.
fn baseline(outcome: &Outcome, declaration: &Declaration, root: &Path) -> Option<Baseline> {
    let measurement = outcome.measurement.as_ref()?;
    let better = outcome.baseline.changes.iter().filter(|change| change.change == Change::Improved);
    let raised: Vec<Raised> = better
        .filter_map(|change| {
            Some(Raised { figure: change.criterion.clone(), from: change.baseline?, to: change.observed? })
        })
        .collect();
    if raised.is_empty() {
        return None;
    }
    let file = root.join(outcome.baseline.file.as_ref()?);
    let whole = &fs::read_to_string(&file).ok()?;
    // insta's header lies between two lines of dashes.
    let mut dashes = whole.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some((line.trim_end() == "---", *end))
    });
    let (_, body) = dashes.by_ref().filter(|(is_dashes, _)| *is_dashes).nth(1)?;
    let mut figures: BaselineText = whole[body..].parse().ok()?;
    figures.take(&BaselineText::of(measurement, &declaration.requirements), raised.iter().map(|it| it.figure.as_str()));
    let new = format!("{}{figures}", &whole[..body]);
    Some(Baseline { file, old: whole.to_owned(), new, raised })
}
