//! One test: measure, judge, compare; always an [`Outcome`], never a panic.

use std::env;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::declare::{Declaration, TestIdentity};
use crate::gate::baseline::Rules;
use crate::gate::snapshot::{Gate, Site};
use crate::gate::{BaselineStatus, BaselineVerdict, RequirementVerdict, quiet, thresholds};
use crate::measure::Measurement;
use crate::report::{Commands, Outcome, Status};
use crate::{Error, ErrorKind, Result};

use super::{Measure, Test};

/// Runs a test whose declaration has this index in the plan; `root` is `insta`'s workspace root.
pub(super) fn run(test: &Test, declared: &Result<(usize, Declaration)>, measure: &Measure, root: &Path) -> Outcome {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let clock = Instant::now();
    let mut outcome = Outcome {
        schema: 1,
        test: test.identity.clone(),
        status: Status::Error,
        measurement: None,
        requirements: Vec::new(),
        baseline: not_reached(),
        body: None,
        error: None,
        commands: None,
        attempts: None,
        started,
        seconds: 0.0,
    };
    let settled = match declared {
        Ok((index, declaration)) => judge(test, declaration, measured(measure, *index), root, &mut outcome),
        Err(error) => Err(error.clone()),
    };
    match settled {
        Ok(true) => outcome.status = Status::Passed,
        Ok(false) => outcome.status = Status::Failed,
        Err(error) => outcome.error = Some(error),
    }
    outcome.commands = Some(commands(&test.identity, &outcome));
    outcome.seconds = clock.elapsed().as_secs_f64();
    outcome
}

/// The commands that a reader of a failure copies.
fn commands(test: &TestIdentity, outcome: &Outcome) -> Commands {
    let TestIdentity { name, package, target, .. } = test;
    let nextest = env::var_os("NEXTEST").is_some_and(|it| it == "1");
    let rerun = match nextest {
        true => format!("cargo nextest run -p {package} --test {target} -E 'test(={name})'"),
        false => format!("cargo test -p {package} --test {target} -- --exact {name}"),
    };
    let acceptable = matches!(
        outcome.baseline.status,
        BaselineStatus::Missing
            | BaselineStatus::Regressed
            | BaselineStatus::CriteriaChanged
            | BaselineStatus::Improved
            | BaselineStatus::Unreadable
    );
    let accept = (outcome.baseline.fails
        && acceptable
        && may_become_the_baseline(&outcome.requirements, outcome.body.as_deref()))
    .then(|| format!("cargo insta test --accept -p {package} --test {target} -- --exact {name}"));
    Commands { rerun, accept }
}

/// Whether a reviewer may accept these figures. What is only below the present baseline may be: it is what a review decides on.
fn may_become_the_baseline(requirements: &[RequirementVerdict], body: Option<&str>) -> bool {
    let by_baseline =
        |it: &RequirementVerdict| it.bound_text.as_deref().is_some_and(|text| text.starts_with("baseline"));
    body.is_none() && requirements.iter().all(|it| it.holds || by_baseline(it))
}

fn not_reached() -> BaselineVerdict {
    BaselineVerdict {
        status: BaselineStatus::NotReached,
        fails: false,
        file: None,
        pending: None,
        changes: Vec::new(),
        next: None,
    }
}

fn measured(measure: &Measure, index: usize) -> Result<Measurement> {
    quiet::catch(|| measure(index)).unwrap_or_else(|caught| {
        // A criterion of the user's own may panic; ours should not.
        Err(Error::new(ErrorKind::Criterion, format!("measuring panicked: {caught}")))
    })
}

/// Thresholds first, then the test's body, then the baseline. Fills in what is known, and says whether everything holds.
fn judge(
    test: &Test,
    declaration: &Declaration,
    measured: Result<Measurement>,
    root: &Path,
    outcome: &mut Outcome,
) -> Result<bool> {
    let measurement = &*outcome.measurement.insert(measured?);
    let wanted = &declaration.requirements;
    let site =
        Site { name: test.function, module_path: test.module_path, file: test.file, assert: test.assert_snapshot };
    let rules = Rules::of(&declaration.baseline, wanted, measurement)?;
    let gate = Gate::open(site, root, rules, wanted, measurement);
    outcome.requirements = thresholds::judge(wanted, measurement, gate.stored().text());
    // As a user would name it; that of an attribute is so already.
    for origin in outcome.requirements.iter_mut().filter_map(|verdict| verdict.origin.as_mut()) {
        origin.file = origin.file.strip_prefix(root).unwrap_or(&origin.file).to_path_buf();
    }
    outcome.body = test.body.as_ref().and_then(|body| match quiet::catch(|| body(measurement)) {
        Ok(result) => result.err(),
        Err(caught) => Some(caught.to_string()),
    });
    let holds = outcome.requirements.iter().all(|it| it.holds) && outcome.body.is_none();
    let proposable = may_become_the_baseline(&outcome.requirements, outcome.body.as_deref());
    outcome.baseline = gate.verdict(proposable, measurement, wanted)?;
    Ok(holds && !outcome.baseline.fails)
}
