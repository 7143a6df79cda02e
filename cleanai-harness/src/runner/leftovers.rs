//! Baselines of tests that were renamed or removed, told after a run of all tests.

use std::path::{Path, PathBuf};

use crate::gate::snapshot::Site;
use crate::gate::unreferenced::{Unreferenced, unreferenced};
use crate::gate::{BaselineStatus, snapshot};
use crate::report::Outcome;

use super::Test;

/// A line for each baseline that no test of this binary refers to: what to do about it.
pub(super) fn lines(tests: &[Test], outcomes: &[Outcome], root: &Path) -> Vec<String> {
    let site = |test: &Test| Site {
        name: test.function,
        module_path: test.module_path,
        file: test.file,
        assert: test.assert_snapshot,
    };
    let sites: Vec<Site<'_>> = tests.iter().map(site).collect();
    let found = unreferenced(&sites, root, snapshot::why_nothing_is_written().is_none());
    found.iter().map(|baseline| line(baseline, outcomes, root)).collect()
}

fn line(baseline: &Unreferenced, outcomes: &[Outcome], root: &Path) -> String {
    let shown = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let file = shown(&baseline.file);
    let alike = |outcome: &&Outcome| {
        let measured = outcome.measurement.as_ref();
        outcome.baseline.status == BaselineStatus::Missing
            && measured.is_some_and(|measured| {
                measured.model.path == baseline.facts.model && measured.data.path == baseline.facts.data
            })
    };
    let candidates: Vec<(&Outcome, &PathBuf)> =
        outcomes.iter().filter(alike).filter_map(|outcome| Some((outcome, outcome.baseline.file.as_ref()?))).collect();
    let remove = "remove it with `cargo insta test --unreferenced=delete`";
    match candidates.as_slice() {
        [(outcome, wanted)] => format!(
            "the baseline {file} belongs to no test; if its test was renamed to `{}`, keep it: `git mv {file} {}`; else {remove}",
            outcome.test.name,
            wanted.display()
        ),
        _ => {
            format!("the baseline {file} belongs to no test of this binary: {remove}, or rename it to that of its test")
        }
    }
}
