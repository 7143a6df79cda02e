//! JUnit XML for CI servers: a suite per test target, a case per test.
//!
//! Figures, thresholds and settings are properties of the case; the block of the terminal, without colours, is its body and
//! `system-out`. A requirement that does not hold is a `<failure>`, a test that could not be measured an `<error>`.

use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::message::{self, ReasonKind};
use super::{Outcome, date, figure, file, terminal, text};
use crate::{Error, Result};

/// Writes a JUnit file.
///
/// # Errors
/// If the file cannot be written.
pub fn write(outcomes: &[Outcome], path: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    report(outcomes).serialize(&mut bytes).map_err(|why| Error::io("write", path, why))?;
    file::write(path, &bytes)
}

/// The report: suites in the order their first test comes, `package::target` by name.
fn report(outcomes: &[Outcome]) -> Report {
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
        suite.add_test_cases(own.into_iter().map(case));
        report.add_test_suite(suite);
    }
    report.set_time(duration(total));
    report
}

fn suite_name(outcome: &Outcome) -> String {
    format!("{}::{}", outcome.test.package, outcome.test.target)
}

fn case(outcome: &Outcome) -> TestCase {
    let (module, function) = outcome.test.name.rsplit_once("::").unwrap_or(("", &outcome.test.name));
    let mut classname = suite_name(outcome);
    if !module.is_empty() {
        classname = format!("{classname}::{module}");
    }
    let block = anstream::adapter::strip_str(&terminal::render(outcome)).to_string();
    let mut case = TestCase::new(xml(function), status(outcome, &block));
    case.set_classname(xml(&classname)).set_time(duration(outcome.seconds)).set_system_out(xml_lines(&block));
    case.extra.insert("timestamp".into(), date::rfc3339(outcome.started).into());
    // Read by annotating actions; `/` on every system, as in a repository.
    case.extra.insert("file".into(), xml(&outcome.test.file.display().to_string().replace('\\', "/")).into());
    case.extra.insert("line".into(), outcome.test.line.to_string().into());
    for (name, value) in properties(outcome) {
        case.add_property(Property::new(xml(&name), xml(&value)));
    }
    case
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
    if !settings.overridden.is_empty() {
        add("environment".into(), settings.overridden.join(" "));
    }
    properties
}

/// One line that XML can hold.
fn xml(value: &str) -> String {
    text::line(value).into_owned()
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
mod tests {
    use super::*;
    use crate::report::sample;

    fn written(outcomes: &[Outcome]) -> (String, Report) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("junit.xml");
        write(outcomes, &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let report = Report::deserialize_from_str(&text).unwrap();
        (text, report)
    }

    fn property<'a>(case: &'a TestCase, name: &str) -> &'a str {
        &case
            .properties
            .iter()
            .find(|property| property.name.as_str() == name)
            .unwrap_or_else(|| panic!("no {name}"))
            .value
    }

    #[test]
    fn a_suite_per_target_and_a_case_per_test() {
        let mut outcomes = sample::all();
        outcomes[3].test.target = "other".into();
        let (_, report) = written(&outcomes);
        assert_eq!((report.tests, report.failures, report.errors), (6, 4, 1));
        let suites: Vec<(&str, usize)> =
            report.test_suites.iter().map(|suite| (suite.name.as_str(), suite.tests)).collect();
        assert_eq!(suites, [("digits::coverage", 5), ("digits::other", 1)]);
        let cases: Vec<(&str, &str)> = report.test_suites[0]
            .test_cases
            .iter()
            .map(|case| (case.classname.as_ref().unwrap().as_str(), case.name.as_str()))
            .collect();
        assert_eq!(
            cases,
            [
                ("digits::coverage", "lenet5_digits"),
                ("digits::coverage::strict", "lenet5_strict"),
                ("digits::coverage", "lenet5_regressed"),
                ("digits::coverage", "broken_model"),
                ("digits::coverage::strict::nested", "everything_fails_for_this_model"),
            ]
        );
    }

    #[test]
    fn a_case_has_its_place_and_its_figures() {
        let (text, report) = written(&[sample::threshold_failure()]);
        let case = &report.test_suites[0].test_cases[0];
        assert_eq!(&*case.extra["file"], "examples/digits/tests/coverage.rs");
        assert_eq!(&*case.extra["line"], "19");
        assert_eq!(case.time, Some(Duration::from_millis(835)));
        assert!(text.contains("timestamp=\"2026-11-22T03:14:07"), "{text}");
        assert_eq!(property(case, "criterion.kmnc(k=1000)"), "0.2541913043478261");
        assert_eq!(property(case, "criterion.kmnc(k=1000).covered"), "58464/230000");
        assert_eq!(property(case, "threshold.kmnc(k=1000)"), ">= 0.3");
        assert_eq!(property(case, "passing_threshold.kmnc(k=1000)"), "0.254");
        assert_eq!(property(case, "model.sha256").len(), 64);
        assert_eq!(property(case, "data.shape"), "1 x 28 x 28");
        assert_eq!(property(case, "device"), "cpu");
        assert_eq!(property(case, "libtorch"), "2.13.0");
        let TestCaseStatus::NonSuccess { kind, message, ty, description, .. } = &case.status else {
            panic!("{:?}", case.status)
        };
        assert_eq!(*kind, NonSuccessKind::Failure);
        assert_eq!(ty.as_deref(), Some("coverage.threshold"));
        assert_eq!(message.as_deref(), Some("kmnc(k=1000) 0.254 < 0.300"));
        for body in [description, &case.system_out] {
            let body = body.as_ref().unwrap();
            assert!(body.contains("largest threshold that would pass: >= 0.254"), "{body:?}");
            assert!(body.contains("27,980 / 117,000") && !body.contains('\u{1b}'));
        }
    }

    #[test]
    fn the_type_says_what_failed() {
        let kinds: Vec<(NonSuccessKind, String)> = written(&sample::all()).1.test_suites[0]
            .test_cases
            .iter()
            .filter_map(|case| match &case.status {
                TestCaseStatus::NonSuccess { kind, ty, .. } => Some((*kind, ty.as_deref().unwrap().to_string())),
                _ => None,
            })
            .collect();
        let expected = [
            (NonSuccessKind::Failure, "coverage.threshold"),
            (NonSuccessKind::Failure, "coverage.regression"),
            (NonSuccessKind::Failure, "coverage.baseline"),
            (NonSuccessKind::Error, "coverage.error"),
            (NonSuccessKind::Failure, "coverage.threshold"),
        ];
        assert_eq!(kinds, expected.map(|(kind, id)| (kind, id.to_string())));
    }

    #[test]
    fn hostile_text_stays_well_formed() {
        let mut outcome = sample::everything_fails();
        let hostile = "]]>&<\"'\u{1b}[31m\u{0}\u{fffe}\u{ffff}\r\n--層";
        outcome.test.name = format!("a{hostile}::b{hostile}");
        outcome.test.package = hostile.into();
        outcome.body = Some(hostile.into());
        outcome.measurement.as_mut().unwrap().model.path = hostile.into();
        let (text, report) = written(&[outcome]);
        let case = &report.test_suites[0].test_cases[0];
        assert!(property(case, "model.path").starts_with("]]>&<\"'"));
        assert!(text.chars().all(|character| character == '\n' || !(character.is_control() || character > '\u{fffd}')));
    }

    #[test]
    fn no_test_at_all_is_an_empty_report() {
        let (_, report) = written(&[]);
        assert_eq!((report.tests, report.test_suites.len()), (0, 0));
    }

    #[test]
    fn odd_durations_do_not_panic() {
        let mut outcome = sample::passed();
        for seconds in [f64::NAN, -1.0, f64::INFINITY, 1e300] {
            outcome.seconds = seconds;
            written(std::slice::from_ref(&outcome));
        }
    }
}
