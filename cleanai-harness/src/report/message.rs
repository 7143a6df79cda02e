//! The words of verdicts, reasons and next steps; every reporter takes them from here.

use super::figure::{self, Style};
use super::{Outcome, Status, date, text};
use crate::declare::NeuronKind;
use crate::gate::{BaselineStatus, BaselineVerdict, Change, FigureChange, RequirementVerdict};
use crate::measure::{DataFacts, Measurement, Settings};

/// What kind of reason keeps a test from passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonKind {
    /// A requirement does not hold.
    Threshold,
    /// A figure fell below its baseline.
    Regression,
    /// The baseline is missing, unreadable, of other criteria, or waits to be raised.
    Baseline,
    /// The test's body.
    Body,
    /// It could not be measured.
    Error,
}

impl ReasonKind {
    /// A stable name, the `type` of a JUnit failure.
    pub fn id(self) -> &'static str {
        match self {
            Self::Threshold => "coverage.threshold",
            Self::Regression => "coverage.regression",
            Self::Baseline => "coverage.baseline",
            Self::Body => "coverage.body",
            Self::Error => "coverage.error",
        }
    }
}

/// One reason why a test did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its kind.
    pub kind: ReasonKind,
    /// One line: `kmnc(k=1000) 0.180 < 0.250`.
    pub message: String,
}

/// All reasons why a test did not pass, thresholds first; empty for a test that passed.
pub fn reasons(outcome: &Outcome) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut add = |kind, message: String| reasons.push(Reason { kind, message: text::line(&message).into_owned() });
    if let Some(error) = &outcome.error {
        add(ReasonKind::Error, first_line(error.what()));
    }
    for verdict in outcome.requirements.iter().filter(|verdict| !verdict.holds) {
        add(ReasonKind::Threshold, requirement_failure(verdict, style_of(outcome, verdict)));
    }
    if outcome.baseline.fails {
        let kind = if outcome.baseline.status == BaselineStatus::Regressed {
            ReasonKind::Regression
        } else {
            ReasonKind::Baseline
        };
        let worse: Vec<String> = outcome
            .baseline
            .changes
            .iter()
            .filter(|change| change.change != Change::Unchanged)
            .filter(|change| kind != ReasonKind::Regression || change.change == Change::Regressed)
            .map(|change| change_line(change, style(outcome, &change.criterion)))
            .collect();
        let says_all = matches!(outcome.baseline.status, BaselineStatus::Missing | BaselineStatus::Unreadable);
        add(
            kind,
            if says_all || worse.is_empty() {
                baseline_sentence(outcome.baseline.status).to_string()
            } else {
                worse.join(", ")
            },
        );
    }
    if let Some(body) = &outcome.body {
        add(ReasonKind::Body, first_line(body));
    }
    if reasons.is_empty() && outcome.status != Status::Passed {
        let kind = if outcome.status == Status::Error { ReasonKind::Error } else { ReasonKind::Body };
        reasons.push(Reason { kind, message: "the test failed without saying why".to_string() });
    }
    reasons
}

fn first_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("the test failed without saying why")
        .to_string()
}

/// Why a requirement does not hold, in one line: `kmnc(k=1000) 0.180 < 0.250`.
pub fn requirement_failure_line(verdict: &RequirementVerdict) -> String {
    requirement_failure(verdict, Style::Decimal)
}

pub(crate) fn requirement_failure(verdict: &RequirementVerdict, style: Style) -> String {
    let label = figure::label(verdict);
    match (&verdict.note, verdict.observed) {
        (Some(note), _) => format!("{label}: {note}"),
        (None, None) => format!("{label}: nothing to cover"),
        (None, Some(observed)) if !observed.is_finite() => {
            format!("{label} is {}, not a finite number", figure::value(Some(observed), style))
        }
        (None, Some(observed)) => {
            let Some(bound) = verdict.bound else { return format!("{label}: there is nothing to compare it with") };
            let (observed, bound) = figure::pair(observed, bound, style);
            let origin = verdict.bound_text.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
            format!("{label} {observed} {} {bound}{origin}", figure::opposite(verdict.comparison))
        }
    }
}

/// Which threshold the observation would meet, and where it stands: `largest threshold that would pass: >= 0.18; declared at tests/coverage.rs:8`.
pub(crate) fn passing_bound(verdict: &RequirementVerdict) -> Option<String> {
    let bound = verdict.passing_bound.filter(|bound| bound.is_finite())?;
    let extreme = if figure::wants_more(verdict.comparison) { "largest" } else { "smallest" };
    let place = verdict.origin.as_ref().map(|origin| format!("; declared at {origin}"));
    Some(format!(
        "{extreme} threshold that would pass: {} {}{}",
        figure::sign(verdict.comparison),
        figure::bound_text(bound),
        place.unwrap_or_default()
    ))
}

/// The title of the worst layers of a requirement.
pub(crate) fn worst_layers(verdict: &RequirementVerdict) -> &'static str {
    match figure::label(verdict).ends_with(".uncovered") {
        true => "most uncovered layers",
        false if figure::wants_more(verdict.comparison) => "lowest layers",
        false => "highest layers",
    }
}

/// The title of the worst classes of a requirement.
pub(crate) fn worst_classes(verdict: &RequirementVerdict) -> &'static str {
    if figure::wants_more(verdict.comparison) { "lowest classes" } else { "highest classes" }
}

/// Requirements that hold whatever is measured, a line for each.
pub(crate) fn idle_requirements(outcome: &Outcome) -> Vec<String> {
    let idle = outcome.requirements.iter().filter(|verdict| verdict.holds && verdict.is_judged());
    idle.filter_map(|verdict| Some(format!("`{}`: {}", verdict.requirement, verdict.note.as_ref()?))).collect()
}

/// The table of a test in `cleanai.toml`: `[tests.lenet5]`, the function's name alone where it stands in a module.
pub(crate) fn test_table(outcome: &Outcome) -> String {
    let name = outcome.test.name.rsplit("::").next().unwrap_or_default();
    format!("[tests.{name}]")
}

/// `PASS`, `FAIL` or `ERROR`.
pub fn status_word(status: Status) -> &'static str {
    match status {
        Status::Passed => "PASS",
        Status::Failed => "FAIL",
        Status::Error => "ERROR",
    }
}

/// The verdict on one requirement; what is held against a baseline that is not there has none.
pub(crate) fn verdict_word(verdict: &RequirementVerdict) -> &'static str {
    match (verdict.is_judged(), verdict.holds) {
        (false, _) => "not yet",
        (true, true) => "pass",
        (true, false) => "FAIL",
    }
}

/// How a figure stands to its baseline, in a word or two.
pub fn change_word(change: Change) -> &'static str {
    match change {
        Change::Unchanged => "unchanged",
        Change::Improved => "improved",
        Change::Regressed => "regressed",
        Change::Added => "not in the baseline",
        Change::Removed => "only in the baseline",
        Change::NotFinite => "not finite",
    }
}

/// How a measurement stands to its baseline, as a sentence without a full stop.
pub fn baseline_sentence(status: BaselineStatus) -> &'static str {
    match status {
        BaselineStatus::Disabled => "turned off, thresholds only",
        BaselineStatus::NotReached => "not compared",
        BaselineStatus::Unchanged => "within tolerance",
        BaselineStatus::Improved => "better than the baseline",
        BaselineStatus::Regressed => "worse than the baseline",
        BaselineStatus::CriteriaChanged => "the criteria are not those of the baseline",
        BaselineStatus::Missing => "there is no baseline yet",
        BaselineStatus::NotFinite => "a figure is NaN or infinite",
        BaselineStatus::Unreadable => "the baseline cannot be understood",
    }
}

/// What to do about the baseline, one line: what the gate said, else what usually helps.
pub fn next_step(baseline: &BaselineVerdict) -> Option<String> {
    if let Some(next) = &baseline.next {
        return Some(next.clone());
    }
    let text = match (baseline.status, baseline.pending.is_some()) {
        (BaselineStatus::Missing, true) => "look at it with `cargo insta review`, then commit the accepted snapshot",
        (BaselineStatus::Missing, false) => {
            "run the test on your machine, accept it with `cargo insta review`, then commit the snapshot"
        }
        (BaselineStatus::Regressed, true) => {
            "add test inputs that restore it, or accept the lower figures with `cargo insta review`"
        }
        (BaselineStatus::Regressed, false) => {
            "add test inputs that restore it, or run the test on your machine and `cargo insta review`"
        }
        (BaselineStatus::Improved | BaselineStatus::CriteriaChanged, true) => {
            "accept the new figures with `cargo insta review`"
        }
        (BaselineStatus::CriteriaChanged, false) => {
            "run the test on your machine and accept the new figures with `cargo insta review`"
        }
        (BaselineStatus::Improved, false) if baseline.fails => {
            "accept the better figures: `cargo insta test`, then `cargo insta review`"
        }
        (BaselineStatus::Unreadable, _) => "restore the file from version control, or delete it and accept a new one",
        _ => return None,
    };
    Some(text.to_string())
}

/// One changed figure: `kmnc(k=1000) 0.2742 -> 0.2542`.
pub(crate) fn change_line(change: &FigureChange, style: Style) -> String {
    match change.change {
        Change::Added | Change::Removed => format!("{} {}", change.criterion, change_word(change.change)),
        Change::NotFinite => format!("{} is {}", change.criterion, change_word(change.change)),
        Change::Unchanged | Change::Improved | Change::Regressed => {
            let (from, to) = (figure::value(change.baseline, style), figure::value(change.observed, style));
            format!("{} {from} -> {to}", change.criterion)
        }
    }
}

/// What a reader should know although nothing failed: inputs and values left out, settings of the environment.
pub fn warnings(measurement: &Measurement) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut skipped = |number: usize, set: &str| {
        if number > 0 {
            let inputs = text::counted(number as u64, "input", "inputs");
            warnings.push(format!("{inputs} of the {set} set skipped because they could not be decoded"));
        }
    };
    skipped(measurement.data.skipped, "test");
    skipped(measurement.data.profile_skipped.unwrap_or(0), "profile");
    let ignored = measurement.settings.non_finite_skipped;
    if ignored > 0 {
        warnings.push(format!(
            "{} NaN or infinite and ignored",
            text::counted(ignored, "activation was", "activations were")
        ));
    }
    let overridden = &measurement.settings.overridden;
    if !overridden.is_empty() {
        warnings.push(format!("set by the environment, over attribute and file: {}", overridden.join(", ")));
    }
    warnings
}

/// Where the figures are from, when no model ran for them.
pub(crate) fn cached(measurement: &Measurement) -> Option<String> {
    measurement.cached.map(|made| format!("from the cache, measured {}", date::readable(made)))
}

/// The inputs that were made of others, by augmentation: `360 of them by gaussian(std=0.3, seed=1)`.
pub(crate) fn augmented(data: &DataFacts) -> Vec<String> {
    let all = data.augmented.iter();
    all.map(|made| format!("{} of them by {}", text::grouped(made.inputs as u64), made.how)).collect()
}

/// The settings in a line: `cpu`, `batch 64`, `channel neurons`, `libtorch 2.13.0`.
pub(crate) fn settings(settings: &Settings) -> Vec<String> {
    let mut parts = vec![
        settings.device.clone(),
        format!("batch {}", settings.batch),
        format!("{} neurons", neurons(settings.neurons)),
    ];
    if settings.layers != "default" {
        parts.push(format!("layers {}", settings.layers));
    }
    parts.push(format!("libtorch {}", settings.libtorch));
    parts
}

/// The word for a neuron kind, as the configuration spells it.
pub(crate) fn neurons(kind: NeuronKind) -> &'static str {
    match kind {
        NeuronKind::Channel => "channel",
        NeuronKind::Unit => "unit",
    }
}

/// How often a test ran, where that is more than once: `2 attempts`.
pub fn attempts(outcome: &Outcome) -> Option<String> {
    let attempts = outcome.attempts.filter(|attempts| *attempts > 1)?;
    Some(text::counted(u64::from(attempts), "attempt", "attempts"))
}

/// How many tests passed, failed and could not run: `3 tests: 1 passed, 1 failed, 1 error`.
pub fn counts(outcomes: &[Outcome]) -> String {
    let count = |status| outcomes.iter().filter(|outcome| outcome.status == status).count();
    let (passed, failed, errors) = (count(Status::Passed), count(Status::Failed), count(Status::Error));
    let mut text =
        format!("{}: {passed} passed", text::counted(outcomes.len() as u64, "coverage test", "coverage tests"));
    if failed > 0 {
        text += &format!(", {failed} failed");
    }
    if errors > 0 {
        text += &format!(", {errors} could not be measured");
    }
    text
}

/// The verdict on all tests: an error outranks a failure, and no test at all passes.
pub fn overall(outcomes: &[Outcome]) -> Status {
    let any = |status| outcomes.iter().any(|outcome| outcome.status == status);
    if any(Status::Error) {
        Status::Error
    } else if any(Status::Failed) {
        Status::Failed
    } else {
        Status::Passed
    }
}

/// How the figure of a requirement is written.
pub(crate) fn style_of(outcome: &Outcome, verdict: &RequirementVerdict) -> Style {
    if is_count(figure::label(verdict)) { Style::Count } else { style(outcome, &verdict.criterion) }
}

/// Whether a figure counts items: `nc.uncovered`.
fn is_count(figure: &str) -> bool {
    figure.ends_with(".covered") || figure.ends_with(".uncovered")
}

/// How figures of a criterion, or another figure by its key in the baseline, are written.
pub(crate) fn style(outcome: &Outcome, criterion: &str) -> Style {
    if is_count(criterion) {
        return Style::Count;
    }
    outcome
        .measurement
        .as_ref()
        .and_then(|measurement| measurement.criteria.get(criterion))
        .map_or(Style::Decimal, Style::of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare::Comparison;
    use crate::report::sample;

    #[test]
    fn failures_are_one_line() {
        let line = |comparison, bound, observed| {
            requirement_failure_line(&sample::requirement("kmnc(k=1000)", comparison, bound, observed, None))
        };
        assert_eq!(line(Comparison::AtLeast, 0.25, Some(0.18)), "kmnc(k=1000) 0.180 < 0.250");
        assert_eq!(line(Comparison::Above, 0.25, Some(0.25)), "kmnc(k=1000) 0.250 <= 0.250");
        assert_eq!(line(Comparison::AtMost, 0.1, Some(0.1165)), "kmnc(k=1000) 0.117 > 0.100");
        assert_eq!(line(Comparison::Below, 0.1, Some(0.1)), "kmnc(k=1000) 0.100 >= 0.100");
        assert_eq!(line(Comparison::AtLeast, 0.25, None), "kmnc(k=1000): nothing to cover");
        assert_eq!(line(Comparison::AtLeast, 0.25, Some(f64::NAN)), "kmnc(k=1000) is NaN, not a finite number");
    }

    #[test]
    fn counts_of_items_are_whole_numbers() {
        let outcome = sample::passed();
        let mut verdict = sample::requirement("nbc", Comparison::AtMost, 12.0, Some(88.0), None);
        verdict.requirement = "nbc.uncovered <= 12".into();
        assert_eq!(requirement_failure(&verdict, style_of(&outcome, &verdict)), "nbc.uncovered 88 > 12");
        assert_eq!((style(&outcome, "nbc.covered"), style(&outcome, "nbc")), (Style::Count, Style::Decimal));
        assert_eq!(worst_layers(&verdict), "most uncovered layers");
    }

    #[test]
    fn made_inputs_are_told_from_the_test_set() {
        let mut data = sample::passed().measurement.unwrap().data;
        assert!(augmented(&data).is_empty());
        let how = "gaussian(std=0.3, seed=1)".to_owned();
        data.augmented.push(crate::measure::Augmented { how, inputs: 2500 });
        assert_eq!(augmented(&data), ["2,500 of them by gaussian(std=0.3, seed=1)"]);
    }

    #[test]
    fn reasons_come_in_the_order_of_the_gate() {
        let ids = |outcome: &Outcome| reasons(outcome).into_iter().map(|reason| reason.kind.id()).collect::<Vec<_>>();
        assert!(ids(&sample::passed()).is_empty());
        assert_eq!(ids(&sample::threshold_failure()), ["coverage.threshold"]);
        assert_eq!(ids(&sample::regression()), ["coverage.regression"]);
        assert_eq!(ids(&sample::missing_local()), ["coverage.baseline"]);
        assert_eq!(ids(&sample::error()), ["coverage.error"]);
        assert_eq!(
            ids(&sample::everything_fails()),
            ["coverage.threshold", "coverage.threshold", "coverage.regression", "coverage.body"]
        );
        let mut silent = sample::passed();
        silent.status = Status::Failed;
        assert_eq!(ids(&silent), ["coverage.body"]);
    }

    #[test]
    fn next_steps_depend_on_what_was_written() {
        let mut baseline = sample::missing_local().baseline;
        baseline.next = None;
        assert!(next_step(&baseline).unwrap().starts_with("look at it with `cargo insta review`"));
        baseline.pending = None;
        assert!(next_step(&baseline).unwrap().starts_with("run the test on your machine"));
        baseline.next = Some("as the gate says".into());
        assert_eq!(next_step(&baseline).unwrap(), "as the gate says");
        baseline = sample::passed().baseline;
        assert_eq!(next_step(&baseline), None);
    }

    #[test]
    fn an_error_outranks_a_failure() {
        let all = [sample::passed(), sample::threshold_failure(), sample::error()];
        assert_eq!(overall(&all), Status::Error);
        assert_eq!(overall(&all[..2]), Status::Failed);
        assert_eq!(overall(&[]), Status::Passed);
        assert_eq!(counts(&all), "3 coverage tests: 1 passed, 1 failed, 1 could not be measured");
        assert_eq!(counts(&all[..1]), "1 coverage test: 1 passed");
    }
}
