//! JUnit XML for CI servers: a suite per test target, a case per test.
//!
//! Figures, thresholds and settings are properties of the case; the block of the terminal, without colours, is its body and
//! `system-out`. A requirement that does not hold is a `<failure>`, a test that could not be measured an `<error>`. [`Options::strict`]
//! leaves out what Jenkins' schema for JUnit files does not know. Files stay below what GitLab takes: long texts are cut, and say so.

mod attachment;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::message::{self, ReasonKind};
use super::{Outcome, date, figure, file, terminal, text};
use crate::{Error, ErrorKind, Result};

/// GitLab takes files of 30 MB; a little is left for what it may count differently.
const LARGEST: usize = 29_000_000;
/// Bytes of a test's text, less where the file becomes too large.
const TEXTS: [usize; 5] = [1 << 18, 1 << 15, 1 << 12, 1 << 9, 0];
/// Characters of a name or a value.
const VALUE: usize = 2_000;

/// How a JUnit file is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Only what the schema `junit-10.xsd` of Jenkins' xUnit plugin knows: no `file`, `line` and `timestamp` and no properties of a
    /// case, no `skipped` of the whole. The figures are still in the texts.
    pub strict: bool,
    /// Reports of the same run, which GitLab and Jenkins show beside each test where they run it.
    pub attachments: Vec<PathBuf>,
}

/// Writes a JUnit file.
///
/// ```
/// # fn write(outcomes: &[cleanai_harness::report::Outcome]) -> cleanai_harness::Result<()> {
/// use cleanai_harness::report::junit::{self, Options};
/// junit::write(outcomes, "target/junit.xml".as_ref(), &Options { strict: true, ..Options::default() })
/// # }
/// ```
///
/// # Errors
/// If the file cannot be written.
pub fn write(outcomes: &[Outcome], path: &Path, options: &Options) -> Result<()> {
    let attached = attachment::lines(&options.attachments, |name| std::env::var_os(name));
    file::write(path, render(outcomes, options.strict, &attached)?.as_bytes())
}

/// The file, with these lines about attachments in each case.
fn render(outcomes: &[Outcome], strict: bool, attached: &str) -> Result<String> {
    let failed =
        |why: &dyn std::fmt::Display| Error::new(ErrorKind::Io, format!("cannot make the JUnit report: {why}"));
    for limit in TEXTS {
        let report = report(outcomes, strict, attached, limit);
        let mut text = report.to_string().map_err(|why| failed(&why))?;
        if strict {
            text = without_skipped(&text);
        }
        if text.len() <= LARGEST {
            return Ok(text);
        }
    }
    let many = text::grouped(outcomes.len() as u64);
    Err(failed(&format_args!("{many} tests take more than {} MB even without their texts", LARGEST / 1_000_000))
        .with_help("write a report for each package, with `[report] junit` in its cleanai.toml"))
}

/// The number of skipped tests of the whole, which the library always writes, taken out of the first tag.
fn without_skipped(text: &str) -> String {
    const SKIPPED: &str = " skipped=\"0\"";
    let end = text.find("<testsuites").and_then(|start| Some(start + text[start..].find('>')?)).unwrap_or(0);
    let (head, rest) = text.split_at(end);
    format!("{}{rest}", head.replacen(SKIPPED, "", 1))
}

/// The report: suites in the order their first test comes, `package::target` by name.
fn report(outcomes: &[Outcome], strict: bool, attached: &str, limit: usize) -> Report {
    let mut names: Vec<String> = Vec::new();
    for outcome in outcomes {
        let name = suite_name(outcome);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut report = Report::new("cleanai");
    let mut total = 0.0;
    for name in names {
        let own: Vec<&Outcome> = outcomes.iter().filter(|outcome| suite_name(outcome) == name).collect();
        let mut suite = TestSuite::new(xml(&name));
        let seconds = own.iter().map(|outcome| outcome.seconds).sum();
        total += seconds;
        suite.set_time(duration(seconds));
        if let Some(started) = own.iter().map(|outcome| outcome.started).min() {
            suite.extra.insert("timestamp".into(), date::rfc3339(started).into());
        }
        // Readers drop a second test of the same name.
        let mut taken = BTreeSet::new();
        for outcome in own {
            let mut case = case(outcome, strict, attached, limit);
            let key = |case: &TestCase| (case.classname.clone().map(|name| name.into_string()), case.name.to_string());
            let plain = case.name.to_string();
            let mut number = 1;
            while !taken.insert(key(&case)) {
                number += 1;
                case.name = format!("{plain} ({number})").into();
            }
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report.set_time(duration(total));
    report
}

fn suite_name(outcome: &Outcome) -> String {
    format!("{}::{}", outcome.test.package, outcome.test.target)
}

fn case(outcome: &Outcome, strict: bool, attached: &str, limit: usize) -> TestCase {
    let (module, function) = outcome.test.name.rsplit_once("::").unwrap_or(("", &outcome.test.name));
    let mut classname = suite_name(outcome);
    if !module.is_empty() {
        classname = format!("{classname}::{module}");
    }
    let block = cut(&anstream::adapter::strip_str(&terminal::render(outcome)).to_string(), limit);
    let mut case = TestCase::new(xml(function), status(outcome, &block));
    case.set_classname(xml(&classname)).set_time(duration(outcome.seconds));
    case.set_system_out(format!("{}{attached}", xml_lines(&block)));
    if strict {
        return case;
    }
    case.extra.insert("timestamp".into(), date::rfc3339(outcome.started).into());
    // Read by annotating actions; `/` on every system, as in a repository.
    case.extra.insert("file".into(), xml(&outcome.test.file.display().to_string().replace('\\', "/")).into());
    case.extra.insert("line".into(), outcome.test.line.to_string().into());
    for (name, value) in properties(outcome) {
        case.add_property(Property::new(xml(&name), xml(&value)));
    }
    case
}

/// The lines of a text up to so many bytes, and how many follow.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut lines = text.lines();
    for line in lines.by_ref() {
        if kept.len() + line.len() >= limit {
            // A line may be all there is.
            kept.extend(line.chars().take(limit.saturating_sub(kept.len()) / 4));
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    let left = text::counted(lines.count() as u64 + 1, "line", "lines");
    format!("{}\n... cut here, {left} not shown: the JSON report has everything\n", kept.trim_end())
}

fn status(outcome: &Outcome, block: &str) -> TestCaseStatus {
    let reasons = message::reasons(outcome);
    let Some(first) = reasons.first() else { return TestCaseStatus::success() };
    let kind = if first.kind == ReasonKind::Error { NonSuccessKind::Error } else { NonSuccessKind::Failure };
    let messages: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(first.kind.id()).set_message(xml(&messages.join("; "))).set_description(xml_lines(block));
    status
}

/// Everything that a dashboard could want to plot or filter by.
fn properties(outcome: &Outcome) -> Vec<(String, String)> {
    let mut properties = Vec::new();
    let mut add = |name: String, value: String| properties.push((name, value));
    if let Some(attempts) = outcome.attempts {
        add("attempts".into(), attempts.to_string());
    }
    for verdict in &outcome.requirements {
        let bound = figure::required(verdict);
        add(format!("threshold.{}", figure::label(verdict)), bound);
        if let Some(passing) = verdict.passing_bound.filter(|_| !verdict.holds) {
            add(format!("passing_threshold.{}", figure::label(verdict)), figure::bound_text(passing));
        }
    }
    for change in &outcome.baseline.changes {
        if let Some(baseline) = change.baseline {
            add(format!("baseline.{}", change.criterion), figure::exact(baseline));
        }
    }
    let Some(measurement) = &outcome.measurement else { return properties };
    for (name, result) in &measurement.criteria {
        add(format!("criterion.{name}"), result.value.map_or_else(|| "null".to_string(), figure::exact));
        if let (Some(covered), Some(total)) = (result.covered, result.total) {
            add(format!("criterion.{name}.covered"), format!("{covered}/{total}"));
        }
    }
    let (model, data, settings) = (&measurement.model, &measurement.data, &measurement.settings);
    add("model.path".into(), model.path.clone());
    add("model.sha256".into(), model.sha256.clone());
    add("model.format".into(), model.format.clone());
    add("model.parameters".into(), model.parameters.to_string());
    add("model.layers".into(), model.layers.len().to_string());
    add("data.path".into(), data.path.clone());
    add("data.inputs".into(), data.inputs.to_string());
    add("data.shape".into(), text::shape(&data.shape));
    add("data.skipped".into(), data.skipped.to_string());
    for made in &data.augmented {
        add(format!("data.augmented.{}", made.how), made.inputs.to_string());
    }
    if let Some(profile) = &data.profile {
        add("profile.path".into(), profile.clone());
    }
    if let Some(inputs) = data.profile_inputs {
        add("profile.inputs".into(), inputs.to_string());
    }
    if let Some(skipped) = data.profile_skipped {
        add("profile.skipped".into(), skipped.to_string());
    }
    add("device".into(), settings.device.clone());
    add("batch".into(), settings.batch.to_string());
    add("layers".into(), settings.layers.clone());
    add("neurons".into(), message::neurons(settings.neurons).into());
    add("non_finite_skipped".into(), settings.non_finite_skipped.to_string());
    add("libtorch".into(), settings.libtorch.clone());
    add("cleanai".into(), settings.cleanai.clone());
    if let Some(measured) = measurement.cached {
        add("cached".into(), format!("measured {}", date::rfc3339(measured)));
    }
    if !settings.overridden.is_empty() {
        add("environment".into(), settings.overridden.join(" "));
    }
    properties
}

/// One line that XML can hold, of bounded length.
fn xml(value: &str) -> String {
    text::ellipsis(&text::line(value), VALUE).into_owned()
}

fn xml_lines(value: &str) -> String {
    let mut lines = String::new();
    for line in text::lines(value) {
        lines.push_str(&line);
        lines.push('\n');
    }
    lines
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
