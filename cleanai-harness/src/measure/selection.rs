//! The inputs of a test set that a criterion says most of.

use std::path::Path;

use super::InputFacts;
use super::by_input::{ByInput, known};
use super::plan::once_on;
use crate::criteria::{OfInputs, registry};
use crate::data::DataSet;
use crate::declare::{CriterionSpec, Declaration};
use crate::selection::{CoveredItems, Step, highest, most_covering, smallest_cover};
use crate::{Error, ErrorKind, Result};

/// Which inputs are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// So many: those that add most coverage, one after another, or those with the largest numbers.
    Count(usize),
    /// As few as can be found that cover what all do.
    FewestForAll,
}

/// Inputs of a test set that were chosen by a criterion.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The criterion, in canonical form.
    pub by: String,
    /// How many inputs they were chosen from.
    pub inputs: usize,
    /// In the order of their rank.
    pub chosen: Vec<Chosen>,
    /// What they reach.
    pub reached: Reached,
    /// How many the model takes for another class than their label; where there are labels and logits.
    pub misclassified: Option<Misclassified>,
    set: DataSet,
}

/// Inputs whose predicted class is not their label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misclassified {
    /// Of those chosen.
    pub chosen: usize,
    /// Of all.
    pub all: usize,
}

/// An input that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Its index in the data set, as batches count.
    pub input: usize,
    /// What is known of it.
    pub facts: InputFacts,
    /// Why it was chosen.
    pub why: Why,
}

/// Why an input was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// It covers so many items that those before it do not.
    Adds(u64),
    /// The criterion gives it this number; infinity is possible.
    Score(f64),
}

/// What the inputs that were chosen reach.
#[derive(Debug, Clone, PartialEq)]
pub enum Reached {
    /// They cover much.
    Most {
        /// Items they cover.
        covered: u64,
        /// Items all inputs cover.
        all: u64,
        /// Items there are, where the criterion knows.
        total: Option<u64>,
        /// No choice of as many inputs as were asked for covers more.
        at_most: u64,
    },
    /// They cover all that the inputs do.
    All {
        /// Items all inputs cover.
        all: u64,
        /// Items there are, where the criterion knows.
        total: Option<u64>,
        /// No subset of fewer inputs covers all.
        at_least: usize,
        /// They are at most so many times as many as in a smallest subset.
        factor: f64,
    },
    /// They have the largest numbers.
    Scores {
        /// What the number is called.
        column: String,
        /// How many inputs have one.
        scored: usize,
    },
}

/// Chooses inputs of the declaration's test set by a criterion: by what each covers, or by the number it gives each. Inputs that augmentation
/// makes are left out.
///
/// # Errors
/// Whatever stands in the way: the model, the data, the criterion; one that says nothing of single inputs, or has numbers where the fewest
/// inputs for all coverage are wanted; more covered items than memory holds.
pub fn select(declaration: &Declaration, spec: &CriterionSpec, wanted: Wanted) -> Result<Selection> {
    let of = registry::criterion(spec)?.of_inputs();
    let says_nothing = || {
        Error::new(ErrorKind::Criterion, format!("`{spec}` says nothing of single inputs, so it cannot choose any"))
            .with_help(known("choose by one that does", |of| of != OfInputs::Nothing))
    };
    match (of, wanted) {
        (OfInputs::Nothing, _) => return Err(says_nothing()),
        (OfInputs::Scores, Wanted::FewestForAll) => return Err(no_coverage(spec)),
        _ => {}
    }
    let mut declaration = declaration.clone();
    declaration.data.augment.clear();
    declaration.report.clear();
    let mut by_input = ByInput::with_items();
    let measurement = once_on(&declaration, std::slice::from_ref(spec), None, Some(&mut by_input))?;
    let result = measurement.criteria.into_values().next();
    let (Some(result), ByInput { set: Some(set), facts, items, .. }) = (result, by_input) else {
        return Err(says_nothing());
    };
    let (chosen, reached) = match (items, wanted) {
        (Some(items), wanted) => {
            let all = items.covered.covered();
            debug_assert!(result.covered.is_none_or(|covered| covered == all), "inputs cover together what each does");
            by_items(&items.covered, result.total, wanted)
        }
        (None, Wanted::FewestForAll) => return Err(no_coverage(spec)),
        (None, Wanted::Count(count)) => {
            let Some((column, numbers)) = result.per_input.columns.first() else { return Err(says_nothing()) };
            let scored = numbers.iter().filter(|number| !number.is_nan()).count();
            let chosen = highest(&result.per_input, count);
            let chosen = chosen.into_iter().map(|(input, score)| (input, Why::Score(score))).collect();
            (chosen, Reached::Scores { column: column.clone(), scored })
        }
    };
    let inputs = facts.len();
    let chosen: Vec<Chosen> =
        chosen.into_iter().map(|(input, why)| Chosen { input, facts: facts[input].clone(), why }).collect();
    let known = facts.iter().all(|facts| facts.label.is_some() && facts.predicted.is_some());
    let wrong = |facts: &&InputFacts| facts.predicted != facts.label;
    let misclassified = known.then(|| Misclassified {
        chosen: chosen.iter().map(|chosen| &chosen.facts).filter(wrong).count(),
        all: facts.iter().filter(wrong).count(),
    });
    Ok(Selection { by: spec.to_string(), inputs, chosen, reached, misclassified, set })
}

fn no_coverage(spec: &CriterionSpec) -> Error {
    let what =
        format!("`{spec}` gives each input a number and none covers another's: there is no smallest subset to find");
    Error::new(ErrorKind::Configuration, what).with_help("say how many inputs you want, as in `--count 100`")
}

fn by_items(items: &CoveredItems, total: Option<u64>, wanted: Wanted) -> (Vec<(usize, Why)>, Reached) {
    let all = items.covered();
    let whys = |steps: Vec<Step>| steps.into_iter().map(|step| (step.input, Why::Adds(step.adds))).collect();
    match wanted {
        Wanted::Count(count) => {
            let covering = most_covering(items, count);
            let (covered, at_most) = (covering.covered, covering.at_most);
            (whys(covering.steps), Reached::Most { covered, all, total, at_most })
        }
        Wanted::FewestForAll => {
            let cover = smallest_cover(items);
            let (at_least, factor) = (cover.at_least, cover.factor);
            (whys(cover.steps), Reached::All { all, total, at_least, factor })
        }
    }
}

impl Selection {
    /// The inputs as a manifest that data names (see [`DataSet`]), to be written to `file`: `rank` from 1 on, and what the input `adds` or its `score`.
    ///
    /// # Errors
    /// As [`DataSet::manifest`]; and where nothing was chosen, because a manifest lists inputs.
    pub fn manifest(&self, file: &Path) -> Result<Vec<u8>> {
        if self.chosen.is_empty() {
            return Err(Error::new(
                ErrorKind::Criterion,
                format!("`{}` chooses no input: there is nothing to list", self.by),
            ));
        }
        let inputs: Vec<usize> = self.chosen.iter().map(|chosen| chosen.input).collect();
        let ranks = (1..=inputs.len()).map(|rank| rank.to_string()).collect();
        let name = match self.reached {
            Reached::Scores { .. } => "score",
            _ => "adds",
        };
        let numbers = self.chosen.iter().map(|chosen| match chosen.why {
            Why::Adds(adds) => adds.to_string(),
            Why::Score(score) => format!("{score:?}"),
        });
        self.set.manifest(&inputs, &[("rank", ranks), (name, numbers.collect())], file)
    }

    /// The same as JSON, with the bounds and indices.
    pub fn json(&self) -> serde_json::Value {
        let inputs = self.chosen.iter().zip(1..).map(|(chosen, rank)| {
            let InputFacts { name, label, predicted } = &chosen.facts;
            let class = label.and_then(|label| self.set.class(label));
            let mut all = serde_json::json!({
                "rank": rank, "input": chosen.input, "name": name, "label": label, "class": class, "predicted": predicted,
            });
            match chosen.why {
                Why::Adds(adds) => all["adds"] = adds.into(),
                Why::Score(score) => all["score"] = crate::report::inputs::number(score),
            }
            all
        });
        let inputs: Vec<serde_json::Value> = inputs.collect();
        let mut all = serde_json::json!({ "schema": 1, "by": self.by, "of": self.inputs, "chosen": inputs });
        if let Some(Misclassified { chosen, all: every }) = self.misclassified {
            all["misclassified"] = serde_json::json!({ "chosen": chosen, "all": every });
        }
        match &self.reached {
            Reached::Most { covered, all: every, total, at_most } => {
                all["covered"] =
                    serde_json::json!({ "chosen": covered, "all": every, "total": total, "at_most": at_most });
            }
            Reached::All { all: every, total, at_least, factor } => {
                all["covered"] = serde_json::json!({ "chosen": every, "all": every, "total": total });
                all["fewest"] = serde_json::json!({ "at_least": at_least, "factor": factor });
            }
            Reached::Scores { column, scored } => {
                all["scores"] = serde_json::json!({ "column": column, "inputs": scored });
            }
        }
        all
    }
}
