//! The baseline: its text ([`BaselineText`]), and the comparison with tolerance ([`Rules`]).
//!
//! ```text
//! accuracy: 0.983333  354/360
//! kmnc(k=1000): 0.254191  58464/230000
//!   relu1: 0.338667  2032/6000
//!   relu2: 0.251464  56432/224000
//! nbc: none
//! ```
//!
//! Lines are sorted by criterion, values have six decimals, `none` stands where there was nothing to cover, and
//! `covered/total` follow where the criterion counts. The layers of a criterion that has several stand below it, in execution order; they
//! are there for the reader and for explanations, and are not compared. The text is what `cargo insta review` shows, so it stays
//! small, stable and readable as a diff.

mod text;

use std::collections::BTreeMap;

pub(in crate::gate) use text::figure_key;
pub use text::{BaselineLine, BaselineText};
use text::{line_key, rounded};

use crate::criteria::Direction;
use crate::declare::{BaselinePolicy, Comparison, Requirement};
use crate::gate::{BaselineStatus, Change, FigureChange};
use crate::measure::Measurement;

/// Half a unit of the last decimal: stored values are whole units, so this decides "at tolerance" exactly.
const HALF_UNIT: f64 = 0.5e-6;

/// How figures are compared: tolerance and direction of each.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    policy: BaselinePolicy,
    directions: BTreeMap<String, Direction>,
}

impl Rules {
    /// Tolerances from the policy. The direction of a figure is what its requirements ask for (`>=` and `>`: more is better,
    /// `<=` and `<`: less is better); where they ask for both or there is none, it is the criterion's own.
    pub fn of(policy: &BaselinePolicy, requirements: &[Requirement], measurement: &Measurement) -> Self {
        let mut asked: BTreeMap<String, (bool, bool)> = BTreeMap::new();
        for requirement in requirements {
            let key = figure_key(&requirement.criterion.to_string(), requirement.figure.as_deref());
            let (higher, lower) = asked.entry(line_key(&key).into_owned()).or_default();
            match requirement.comparison {
                Comparison::AtLeast | Comparison::Above => *higher = true,
                Comparison::AtMost | Comparison::Below => *lower = true,
            }
        }
        let mut directions: BTreeMap<String, Direction> = measurement
            .criteria
            .iter()
            .map(|(criterion, result)| (line_key(criterion).into_owned(), result.direction))
            .collect();
        for (key, asked) in asked {
            match asked {
                (true, false) => directions.insert(key, Direction::HigherIsBetter),
                (false, true) => directions.insert(key, Direction::LowerIsBetter),
                _ => None,
            };
        }
        Self { policy: policy.clone(), directions }
    }

    /// The policy these rules came from.
    pub fn policy(&self) -> &BaselinePolicy {
        &self.policy
    }

    /// The tolerance of a figure: its own, its criterion's, that of its criterion's name, or the default. Absolute, in the
    /// figure's own unit: 0.002 of a ratio is 0.2 percentage points, 0.002 of a count means equal. Rounded like the figures.
    fn tolerance(&self, key: &str) -> f64 {
        let name = key.split(['(', '.']).next().unwrap_or(key);
        let criterion = match key.rfind(')') {
            Some(end) => &key[..=end],
            None => name,
        };
        let per_criterion = &self.policy.per_criterion;
        let found = [key, criterion, name].into_iter().find_map(|it| per_criterion.get(it));
        rounded(found.copied().unwrap_or(self.policy.tolerance))
    }

    /// Compares figure by figure, sorted by criterion.
    pub fn compare(&self, baseline: &BaselineText, observed: &BaselineText) -> Vec<FigureChange> {
        let mut keys: Vec<&String> = baseline.lines.keys().chain(observed.lines.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter()
            .map(|key| {
                let (old, new) = (baseline.lines.get(key), observed.lines.get(key));
                let tolerance = self.tolerance(key);
                let direction = self.directions.get(key).copied().unwrap_or_default();
                let finite = |line: Option<&BaselineLine>| line.and_then(|it| it.value).filter(|it| it.is_finite());
                FigureChange {
                    criterion: key.clone(),
                    baseline: finite(old),
                    observed: finite(new),
                    tolerance,
                    change: change(old, new, tolerance, direction),
                    explanation: None,
                }
            })
            .collect()
    }
}

/// How one figure stands to its baseline. A figure that had something to cover and no longer has is a regression;
/// one that newly has is an addition, because the baseline holds nothing to compare with.
fn change(old: Option<&BaselineLine>, new: Option<&BaselineLine>, tolerance: f64, direction: Direction) -> Change {
    if [old, new].into_iter().flatten().any(|line| !line.is_finite()) {
        return Change::NotFinite;
    }
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old.value, new.value),
        (None, _) => return Change::Added,
        (_, None) => return Change::Removed,
    };
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, None) => return Change::Unchanged,
        (None, Some(_)) => return Change::Added,
        (Some(_), None) => return Change::Regressed,
    };
    let gain = match direction {
        Direction::HigherIsBetter => new - old,
        Direction::LowerIsBetter => old - new,
    };
    // Large counts are not whole units in binary: allow for the last bits of both.
    let slack = HALF_UNIT.max(4.0 * f64::EPSILON * old.abs().max(new.abs()));
    if gain.abs() <= tolerance + slack {
        Change::Unchanged
    } else if gain > 0.0 {
        Change::Improved
    } else {
        Change::Regressed
    }
}

/// The whole from its figures: what is not finite dominates, then a regression, a changed set of criteria, an improvement.
pub fn status(changes: &[FigureChange]) -> BaselineStatus {
    let any = |wanted: &[Change]| changes.iter().any(|it| wanted.contains(&it.change));
    if any(&[Change::NotFinite]) {
        BaselineStatus::NotFinite
    } else if any(&[Change::Regressed]) {
        BaselineStatus::Regressed
    } else if any(&[Change::Added, Change::Removed]) {
        BaselineStatus::CriteriaChanged
    } else if any(&[Change::Improved]) {
        BaselineStatus::Improved
    } else {
        BaselineStatus::Unchanged
    }
}

#[cfg(test)]
mod tests;
