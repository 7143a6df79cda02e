//! What a pass has to do: one model, one data set, and the criteria that share the pass.

use super::observer::Role;
use crate::criteria::Needs;
use crate::data::DataSet;
use crate::declare::{
    CriterionSpec, DataChoice, DataLocation, Declaration, ModelChoice, ModelSource, NeuronKind, NonFinite, Selector,
    StateChoice,
};

/// One criterion of a pass.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub text: String,
    pub spec: CriterionSpec,
    pub needs: Needs,
    pub layers: Selector,
    pub neurons: NeuronKind,
    /// Whether it must be measured; what only a report shows may be left out, with the reason.
    pub required: bool,
    /// The untrusted set it looks at, if it looks at one.
    pub untrusted: Option<DataLocation>,
}

impl Item {
    fn is(&self, other: &Self) -> bool {
        self.spec == other.spec
            && self.layers == other.layers
            && self.neurons == other.neurons
            && self.untrusted == other.untrusted
    }
}

/// Inputs that take the place of those a job names.
pub(super) struct Sets {
    pub test: DataSet,
    pub profile: Option<DataSet>,
}

/// Everything one pass depends on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Job {
    pub model: ModelChoice,
    pub data: DataChoice,
    pub batch: usize,
    pub non_finite: NonFinite,
    pub items: Vec<Item>,
    /// Whether the inputs were drawn for one occasion, so that keeping their profile is of no use.
    pub drawn: bool,
    /// What the inputs are that a profile is gathered of.
    pub role: Role,
}

impl Job {
    pub fn of(declaration: &Declaration) -> Self {
        Self {
            model: declaration.model.clone(),
            data: declaration.data.clone(),
            batch: declaration.batch,
            non_finite: declaration.non_finite,
            items: Vec::new(),
            drawn: false,
            role: Role::Profile,
        }
    }

    /// Whether a profile may be used again by other runs: what a library's operators do, or what state earlier inputs left, is not told by the
    /// model's file.
    pub fn is_cacheable(&self) -> bool {
        let options = &self.model.options;
        matches!(self.model.source, ModelSource::File(_))
            && options.libraries.is_empty()
            && options.state == StateChoice::Fresh
            && !options.allow_files
            && !self.drawn
    }

    /// Whether the same forward passes serve both.
    pub fn shares_a_pass_with(&self, other: &Self) -> bool {
        self.model.source == other.model.source
            && self.model.options == other.model.options
            && self.data.profile == other.data.profile
            && self.data.test == other.data.test
            && self.data.transform == other.data.transform
            && self.data.on_bad_input == other.data.on_bad_input
            && self.data.augment == other.data.augment
            && self.batch == other.batch
            && self.non_finite == other.non_finite
    }

    /// Adds a criterion unless it is there; gives its text and index.
    pub fn add(&mut self, item: Item) -> (String, usize) {
        let text = item.text.clone();
        match self.items.iter_mut().enumerate().find(|(_, known)| known.is(&item)) {
            Some((index, known)) => {
                known.required |= item.required;
                (text, index)
            }
            None => {
                self.items.push(item);
                (text, self.items.len() - 1)
            }
        }
    }
}

/// The items of one declaration: canonical texts, and indices into the job's items.
#[derive(Debug, Clone, Default)]
pub(super) struct Items {
    pub required: Vec<(String, usize)>,
    /// Those that only its report shows.
    pub report: Vec<(String, usize)>,
}
