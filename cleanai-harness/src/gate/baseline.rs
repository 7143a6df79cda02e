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

use text::line_key;
pub(super) use text::rounded;
pub use text::{BaselineLine, BaselineText};

use crate::Error;
use crate::criteria::Direction;
use crate::declare::{BaselinePolicy, Comparison, Requirement, Tolerance, criterion_and_figure};
use crate::gate::allowance::{self, Worth};
use crate::gate::{BaselineStatus, Change, FigureChange};
use crate::measure::Measurement;

/// Half a unit of the last decimal: stored values are whole units, so this decides "at tolerance" exactly.
pub(super) const HALF_UNIT: f64 = 0.5e-6;

/// How figures are compared: tolerance and direction of each.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    policy: BaselinePolicy,
    directions: BTreeMap<String, Direction>,
    worths: BTreeMap<String, Worth>,
}

/// A tolerance as it is applied to one figure.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Allowed {
    /// In the figure's own unit.
    much: f64,
    /// So many items, where it is these that are counted.
    items: Option<f64>,
}

impl Rules {
    /// Tolerances from the policy. The direction of a figure is what its requirements ask for (`>=` and `>`: more is better,
    /// `<=` and `<`: less is better); where they ask for both or there is none, it is the criterion's own.
    ///
    /// # Errors
    /// If a tolerance counts neurons or items of a figure that counts none.
    pub fn of(policy: &BaselinePolicy, requirements: &[Requirement], measurement: &Measurement) -> Result<Self, Error> {
        let mut asked: BTreeMap<String, (bool, bool)> = BTreeMap::new();
        for requirement in requirements {
            let (higher, lower) = asked.entry(line_key(&requirement.subject()).into_owned()).or_default();
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
        let mut rules = Self { policy: policy.clone(), directions, worths: BTreeMap::new() };
        if policy.enabled {
            rules.weigh(requirements, measurement)?;
        }
        Ok(rules)
    }

    /// Looks up what neurons and items are worth where a tolerance counts them.
    fn weigh(&mut self, requirements: &[Requirement], measurement: &Measurement) -> Result<(), Error> {
        let values = measurement.criteria.keys().cloned();
        for subject in values.chain(requirements.iter().map(Requirement::subject)) {
            let tolerance = self.tolerance(&line_key(&subject));
            if !matches!(tolerance, Tolerance::Neurons(_) | Tolerance::Items(_)) {
                continue;
            }
            let Ok((spec, figure)) = criterion_and_figure(&subject) else { continue };
            let Some(result) = measurement.criteria.get(&spec.to_string()) else { continue };
            let worth = Worth::of(&spec, figure.as_ref(), result, measurement);
            // Where there was nothing to cover, nothing can fall by anything.
            let empty = result.figure(figure.as_ref()).is_err();
            let known = if matches!(tolerance, Tolerance::Neurons(_)) { worth.neuron } else { worth.item };
            if known.is_none() && !empty {
                return Err(allowance::unfit(&self.policy, &subject));
            }
            self.worths.insert(line_key(&subject).into_owned(), worth);
        }
        Ok(())
    }

    /// The policy these rules came from.
    pub fn policy(&self) -> &BaselinePolicy {
        &self.policy
    }

    /// The tolerance of a figure: its own, its criterion's, that of its criterion's name, or the default.
    fn tolerance(&self, key: &str) -> Tolerance {
        allowance::tolerance(&self.policy, key)
    }

    /// What a tolerance comes to. Absolute, in the figure's own unit: 0.002 of a ratio is 0.2 percentage points, 0.002 of a
    /// count means equal. Rounded like the figures, but for what is counted.
    fn allowed(&self, key: &str, old: Option<&BaselineLine>) -> Allowed {
        let worth = self.worths.get(key).copied().unwrap_or_default();
        let counted = |items: f64, worth: Option<f64>| {
            let much = worth.unwrap_or(0.0) * items;
            Allowed { much, items: worth.and(worth_in_items(much, self.worths.get(key))) }
        };
        match self.tolerance(key) {
            Tolerance::Absolute(much) => Allowed { much: rounded(much), items: None },
            Tolerance::Relative(share) => {
                let held = old.and_then(|line| line.value).filter(|value| value.is_finite()).unwrap_or(0.0);
                Allowed { much: rounded(share * held.abs()), items: None }
            }
            Tolerance::Neurons(neurons) => counted(neurons as f64, worth.neuron),
            Tolerance::Items(items) => counted(items as f64, worth.item),
        }
    }

    /// Compares figure by figure, sorted by criterion.
    pub fn compare(&self, baseline: &BaselineText, observed: &BaselineText) -> Vec<FigureChange> {
        let mut keys: Vec<&String> = baseline.lines.keys().chain(observed.lines.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter()
            .map(|key| {
                let (old, new) = (baseline.lines.get(key), observed.lines.get(key));
                let allowed = self.allowed(key, old);
                let direction = self.directions.get(key).copied().unwrap_or_default();
                let finite = |line: Option<&BaselineLine>| line.and_then(|it| it.value).filter(|it| it.is_finite());
                FigureChange {
                    criterion: key.clone(),
                    baseline: finite(old),
                    observed: finite(new),
                    tolerance: allowed.much,
                    change: change(old, new, allowed, direction),
                    explanation: None,
                }
            })
            .collect()
    }
}

/// An amount of a figure as items.
fn worth_in_items(much: f64, worth: Option<&Worth>) -> Option<f64> {
    Some(much / worth?.item?)
}

/// How one figure stands to its baseline. A figure that had something to cover and no longer has is a regression;
/// one that newly has is an addition, because the baseline holds nothing to compare with.
fn change(old: Option<&BaselineLine>, new: Option<&BaselineLine>, allowed: Allowed, direction: Direction) -> Change {
    if [old, new].into_iter().flatten().any(|line| !line.is_finite()) {
        return Change::NotFinite;
    }
    let (old_line, new_line) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, _) => return Change::Added,
        (_, None) => return Change::Removed,
    };
    let (old, new) = match (old_line.value, new_line.value) {
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
    let within = match (allowed.items, old_line.counts, new_line.counts) {
        // Counts are exact where six decimals are not.
        (Some(items), Some((was, total)), Some((is, same))) if total == same => was.abs_diff(is) as f64 <= items + 1e-6,
        // Both values may be half a unit off.
        (Some(_), _, _) => gain.abs() <= allowed.much + 2.0 * slack,
        (None, _, _) => gain.abs() <= allowed.much + slack,
    };
    if within {
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
