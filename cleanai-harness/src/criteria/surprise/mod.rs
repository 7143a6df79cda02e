//! Surprise adequacy: how far test inputs are from what the model was trained on. `lsa`, `dsa`, `mdsa` score every input; `lsc`, `dsc`, `mdsc` count the
//! buckets of scores that are reached.
//!
//! The activation trace of an input is the values of all neurons of the selected layers, by default the one before the logits, side by side and
//! rounded to f32. Inputs belong to the class the model predicts, in profile and test; labels make no difference. Test inputs wait until
//! 1,024 consecutive ones are there (fewer of wide layers), which are scored together: so no more than those are held, and neither batches, nor threads of ours,
//! nor the parts that states are merged from change a score. With another number of libtorch's own threads `lsa` and `mdsa` may differ in their last places, as
//! its products do; `dsa` does not.

mod buckets;
mod classes;
mod covariance;
mod describe;
mod dsa;
mod figures;
mod log_sum;
mod lsa;
mod mdsa;
mod nearest;
mod state;
#[cfg(test)]
mod tests;

use super::registry::{Arguments, CriterionDescription};
use super::scope::Scope;
use super::{Criterion, Needs, OfInputs, Start, State};
use crate::declare::{CriterionSpec, Selector};
use crate::{Error, ErrorKind, Result};
use buckets::{Buckets, bounds_of};
use classes::ProfileTraces;
use dsa::Distance;
use lsa::Likelihood;
use mdsa::Mahalanobis;
use state::SurpriseState;

pub use describe::{DSA, DSC, LSA, LSC, MDSA, MDSC};

/// More than this is refused rather than left to the system's memory killer.
const LARGEST: u128 = 8 << 30;

pub(super) fn build_lsa(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &LSA, Kind::Likelihood)
}

pub(super) fn build_dsa(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &DSA, Kind::Distance)
}

pub(super) fn build_mdsa(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &MDSA, Kind::Mahalanobis)
}

pub(super) fn build_lsc(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &LSC, Kind::Likelihood)
}

pub(super) fn build_dsc(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &DSC, Kind::Distance)
}

pub(super) fn build_mdsc(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &MDSC, Kind::Mahalanobis)
}

fn build(spec: &CriterionSpec, description: &CriterionDescription, kind: Kind) -> Result<Box<dyn Criterion>> {
    let arguments = Arguments::check(spec, description)?;
    let on_singular = match kind == Kind::Likelihood && arguments.choice("on_singular")? == "shrink" {
        true => OnSingular::Shrink,
        false => OnSingular::Refuse,
    };
    let wanted = match description.parameter("n").is_some() {
        true => Some(Wanted {
            count: arguments.integer("n")? as usize,
            lower: arguments.number_if_given("lower")?,
            upper: arguments.number_if_given("upper")?,
        }),
        false => None,
    };
    if let Some(Wanted { count, lower: Some(lower), upper: Some(upper) }) = wanted {
        Buckets::new(description.name, count, (lower, upper), "")?;
    }
    Ok(Box::new(Surprise { spec: spec.clone(), kind, on_singular, wanted }))
}

/// What surprise is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Likelihood,
    Distance,
    Mahalanobis,
}

impl Kind {
    /// The name of the criterion that gives the scores themselves.
    fn score(self) -> &'static str {
        match self {
            Self::Likelihood => "lsa",
            Self::Distance => "dsa",
            Self::Mahalanobis => "mdsa",
        }
    }
}

/// What becomes of a class with a singular covariance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnSingular {
    Refuse,
    Shrink,
}

/// Buckets as they were asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wanted {
    count: usize,
    lower: Option<f64>,
    upper: Option<f64>,
}

struct Surprise {
    spec: CriterionSpec,
    kind: Kind,
    on_singular: OnSingular,
    wanted: Option<Wanted>,
}

impl Criterion for Surprise {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { traces: true, logits: true, ..Needs::default() }
    }

    fn of_inputs(&self) -> OfInputs {
        OfInputs::Scores
    }

    fn default_layers(&self) -> Option<Selector> {
        Some(Selector::Penultimate)
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        Ok(Box::new(self.state(&start)?))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        Ok(Box::new(self.state(&start)?.restored(saved)?))
    }
}

impl Surprise {
    fn state(&self, start: &Start<'_>) -> Result<SurpriseState> {
        let scope = Scope::new(&self.spec, start)?;
        let traces = ProfileTraces::new(&scope, start)?;
        let profile = traces.layers.clone();
        let skipped = traces.skipped;
        let name = &self.spec.name;
        let (scores, own) = match self.kind {
            Kind::Likelihood => {
                let scores = Likelihood::new(&scope, &traces, self.on_singular)?;
                let own = self.wants_bounds().then(|| scores.own_scores());
                (Scores::Likelihood(scores), own)
            }
            Kind::Distance => (Scores::Distance(Distance::new(name, traces)?), None),
            Kind::Mahalanobis => {
                let scores = Mahalanobis::new(name, &traces)?;
                let own = self.wants_bounds().then(|| scores.own_scores(&traces));
                (Scores::Mahalanobis(scores), own)
            }
        };
        let buckets = self.wanted.map(|wanted| {
            let (lower, upper) = own.map_or((0.0, 2.0), bounds_of);
            let why = if self.wants_bounds() { ", bounds from the profile's own scores where not given" } else { "" };
            let bounds = (wanted.lower.unwrap_or(lower), wanted.upper.unwrap_or(upper));
            Buckets::new(name, wanted.count, bounds, why)
        });
        Ok(SurpriseState::new(scope, profile, skipped, scores, buckets.transpose()?))
    }

    /// Whether bounds come from the profile's own scores.
    fn wants_bounds(&self) -> bool {
        self.kind != Kind::Distance
            && self.wanted.is_some_and(|wanted| wanted.lower.is_none() || wanted.upper.is_none())
    }
}

/// The scores of traces that are all of one class; none of a class that the profile has not.
type OfClass<'a> = &'a dyn Fn(u32, &[f32]) -> Option<Vec<f64>>;

/// What gives scores.
enum Scores {
    Likelihood(Likelihood),
    Distance(Distance),
    Mahalanobis(Mahalanobis),
}

impl Scores {
    fn kind(&self) -> Kind {
        match self {
            Self::Likelihood(_) => Kind::Likelihood,
            Self::Distance(_) => Kind::Distance,
            Self::Mahalanobis(_) => Kind::Mahalanobis,
        }
    }

    /// What is known of a class; none of one that the profile has not.
    fn facts(&self, class: u32) -> Option<ClassFacts> {
        match self {
            Self::Likelihood(scores) => scores.facts(class),
            Self::Distance(scores) => scores.facts(class),
            Self::Mahalanobis(scores) => scores.facts(class),
        }
    }

    /// The classes of the profile, ascending.
    fn classes(&self) -> Vec<u32> {
        match self {
            Self::Likelihood(scores) => scores.classes(),
            Self::Distance(scores) => scores.classes(),
            Self::Mahalanobis(scores) => scores.classes(),
        }
    }

    /// The scores of traces whose classes ascend; NaN of a class that the profile has not.
    fn of(&self, classes: &[u32], rows: &[f32]) -> Vec<f64> {
        let width = rows.len().checked_div(classes.len()).unwrap_or(0);
        let by_class = |of_class: OfClass<'_>| {
            let mut rest = rows;
            let scores = classes.chunk_by(PartialEq::eq).flat_map(|same| {
                let (own, next) = rest.split_at(same.len() * width);
                rest = next;
                of_class(same[0], own).unwrap_or_else(|| vec![f64::NAN; same.len()])
            });
            scores.collect()
        };
        match self {
            Self::Likelihood(scores) => by_class(&|class, rows| scores.scores(class, rows)),
            Self::Distance(scores) => {
                scores.scores(classes, rows).into_iter().map(|score| score.unwrap_or(f64::NAN)).collect()
            }
            Self::Mahalanobis(scores) => by_class(&|class, rows| scores.scores(class, rows)),
        }
    }
}

/// What is known of a class of the profile.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ClassFacts {
    profile_inputs: u64,
    /// By how much its covariance is shrunk, where it is looked at.
    shrinkage: Option<f64>,
}

/// # Errors
/// If a class has one profile input only: nothing varies in it.
fn few_members(criterion: &str, traces: &ProfileTraces) -> Result<()> {
    match traces.classes.iter().find(|(_, inputs)| inputs.len() < 2) {
        None => Ok(()),
        Some((class, _)) => {
            let what = format!(
                "`{criterion}` needs two profile inputs of each class, and the model predicts class {class} for one only"
            );
            Err(Error::new(ErrorKind::Criterion, what)
                .with_help("give more profile inputs, usually the training set, or measure `dsa`"))
        }
    }
}

/// # Errors
/// If a matrix of so many bytes is not to be held.
fn too_large(criterion: &str, what: &str, bytes: u128) -> Result<()> {
    if bytes <= LARGEST {
        return Ok(());
    }
    let what =
        format!("`{criterion}` would need {:.1} GiB of memory for the {what}", bytes as f64 / (1u64 << 30) as f64);
    Err(Error::new(ErrorKind::Criterion, what)
        .with_help("count channels (`neurons = \"channel\"`), take fewer layers, or measure `dsa`"))
}

/// The error of a class that does not vary.
fn all_the_same(criterion: &str, class: u32, inputs: usize) -> Error {
    let what = format!("`{criterion}`: all {inputs} profile inputs of class {class} have the same activation trace");
    Error::new(ErrorKind::Criterion, what).with_help("give more profile inputs, or look at another layer")
}
