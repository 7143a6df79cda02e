//! The quantities of the CleanAI library (CRITERIA section 4), one file per kind.
//!
//! They look at activation modules (ReLU, Sigmoid, Tanh, LeakyReLU, ELU, ReLU6) in the order in which these were registered, each
//! by its last call, and count units. Several inputs are summed up, not united: a unit that two inputs cover counts twice, of twice
//! as many. Those that compare two inputs take the first two of the data set unless `inputs` names others.
//!
//! | criterion | what it counts |
//! |---|---|
//! | [`NC`] | units above the mean of their layer |
//! | [`TC`] | units above a threshold |
//! | [`SIGN`], [`VALUE`] | units that change between two inputs |
//! | [`SS`], [`SV`], [`VS`], [`VV`] | pairs of units in adjacent layers, by how both change |
//! | [`TKNC`] | the mean of each layer's largest units, a magnitude |
//! | [`NBC`] | units outside their layer's range over the profile set |
//! | [`MNC`] | units within intervals |

mod boundary;
mod change;
mod counts;
mod kernel;
mod mean;
mod multisection;
mod pair;
mod pair_state;
#[cfg(test)]
mod tests;
mod threshold;
mod top_k;

use std::borrow::Cow;

use crate::declare::{CriterionSpec, NeuronKind};
use crate::{Error, ErrorKind, Result};

use super::registry::{Arguments, CriterionDescription, CriterionRegistration, ParameterKind, neurons_of};
use super::{LayerValues, Needs, Numbers};

pub use boundary::NBC;
pub use change::{SIGN, VALUE};
pub use mean::NC;
pub use multisection::MNC;
pub use pair::{SS, SV, VS, VV};
pub use threshold::TC;
pub use top_k::TKNC;

/// All of them, in the order help shows them.
pub(super) const ALL: [CriterionRegistration; 11] = [
    CriterionRegistration { description: NC, build: mean::build },
    CriterionRegistration { description: TC, build: threshold::build },
    CriterionRegistration { description: SIGN, build: change::build_sign },
    CriterionRegistration { description: VALUE, build: change::build_value },
    CriterionRegistration { description: SS, build: pair::build_ss },
    CriterionRegistration { description: SV, build: pair::build_sv },
    CriterionRegistration { description: VS, build: pair::build_vs },
    CriterionRegistration { description: VV, build: pair::build_vv },
    CriterionRegistration { description: TKNC, build: top_k::build },
    CriterionRegistration { description: NBC, build: boundary::build },
    CriterionRegistration { description: MNC, build: multisection::build },
];

const REFERENCE: &str = "the CleanAI library, github.com/ESOGU-SRLAB/CleanAI";

const ANY_NUMBER: ParameterKind = ParameterKind::Number { at_least: f64::NEG_INFINITY, at_most: f64::INFINITY };

/// What all of them ask of the pass.
fn needs() -> Needs {
    Needs { modules: true, ..Needs::default() }
}

/// Checks the parameters.
fn arguments<'a>(spec: &'a CriterionSpec, description: &'a CriterionDescription) -> Result<Arguments<'a>> {
    let arguments = Arguments::check(spec, description)?;
    if neurons_of(spec)? == Some(NeuronKind::Channel) {
        let what = format!("`{}` counts units, not channels", spec.name);
        return Err(Error::new(ErrorKind::Configuration, what)
            .with_help("leave `neurons` out, or use a criterion without `cleanai::`"));
    }
    Ok(arguments)
}

/// The values as the model's own numbers. Channel values, which only a caller other than the pass hands over, are rounded.
fn units<'a>(values: &LayerValues<'a>) -> Cow<'a, [f32]> {
    match values.values {
        Numbers::Single(units) => Cow::Borrowed(units),
        Numbers::Double(channels) => channels.iter().map(|value| *value as f32).collect(),
        // Not asked for.
        Numbers::Device(elsewhere) => elsewhere.copy().into(),
    }
}
