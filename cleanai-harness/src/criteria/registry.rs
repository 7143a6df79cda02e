//! The criteria there are: the built-in ones, and those that users register from their own crates.
//!
//! [`CriterionRegistration`] is what a crate of yours submits. The package `own-criterion` in the folder `examples` of the repository is
//! a whole one to start from: a parameter, figures per layer, states that merge and can be saved, and a gate that requires it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::declare::CriterionSpec;
use crate::{Error, ErrorKind, Result};

use super::parameters::suggest;
use super::{
    Criterion, accuracy, cleanai, confidence, corner, importance, interaction, monitors, nearest, nlc, section,
    surprise, threshold, top_k,
};

pub use super::parameters::{
    Arguments, COMMON_PARAMETERS, CriterionDescription, ParameterDescription, ParameterKind, ValueKind, layers_of,
    neurons_of,
};

/// A criterion of a user's own crate, found wherever it is linked in.
///
/// The name needs a namespace of your own (`acme::dead`); bare names and `cleanai::` are this project's.
/// Parameters are checked against the description before `build` is called.
///
/// The crate needs [`inventory`](https://docs.rs/inventory) as a dependency, and a test that requires the criterion must link the crate:
/// `use own_criterion as _;`.
///
/// ```
/// use std::any::Any;
/// use cleanai_harness::criteria::registry::{self, CriterionDescription, CriterionRegistration, ValueKind};
/// use cleanai_harness::criteria::*;
/// use cleanai_harness::declare::CriterionSpec;
/// use cleanai_harness::Result;
///
/// /// How many inputs were seen.
/// struct Inputs(CriterionSpec);
/// struct Seen(u64);
///
/// impl Criterion for Inputs {
///     fn spec(&self) -> &CriterionSpec { &self.0 }
///     fn needs(&self) -> Needs { Needs::default() }
///     fn start(&self, _: Start<'_>) -> Result<Box<dyn State>> { Ok(Box::new(Seen(0))) }
/// }
/// impl State for Seen {
///     fn observe(&mut self, _: LayerValues<'_>) {}
///     fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> { self.0 += end.inputs as u64; Ok(()) }
///     fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
///         self.0 += other.into_any().downcast::<Seen>().expect("a state of this criterion").0;
///         Ok(())
///     }
///     fn figures(&self) -> Figures { Figures { value: Some(self.0 as f64), ..Figures::default() } }
///     fn into_any(self: Box<Self>) -> Box<dyn Any> { self }
/// }
///
/// inventory::submit! {
///     CriterionRegistration {
///         description: CriterionDescription {
///             name: "acme::inputs",
///             summary: "inputs seen",
///             parameters: &[],
///             direction: Direction::HigherIsBetter,
///             value: ValueKind::Count,
///             reference: "ours",
///         },
///         build: |spec| Ok(Box::new(Inputs(spec.clone()))),
///     }
/// }
///
/// assert!(registry::names().contains(&"acme::inputs"));
/// assert_eq!(registry::criterion(&"acme::inputs".parse()?)?.spec().name, "acme::inputs");
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct CriterionRegistration {
    /// What it is and what it accepts.
    pub description: CriterionDescription,
    /// Builds it; the parameters have been checked against the description, [`Arguments`] reads them.
    pub build: fn(&CriterionSpec) -> Result<Box<dyn Criterion>>,
}

inventory::collect!(CriterionRegistration);

/// The built-in criteria, in the order help shows them.
static BUILT_IN: &[CriterionRegistration] = &[
    CriterionRegistration { description: threshold::NC, build: threshold::build_nc },
    CriterionRegistration { description: threshold::NAC, build: threshold::build_nac },
    CriterionRegistration { description: section::KMNC, build: section::build },
    CriterionRegistration { description: corner::NBC, build: corner::build_nbc },
    CriterionRegistration { description: corner::SNAC, build: corner::build_snac },
    CriterionRegistration { description: top_k::TKNC, build: top_k::build_tknc },
    CriterionRegistration { description: top_k::TKNP, build: top_k::build_tknp },
    CriterionRegistration { description: nearest::CC, build: nearest::build },
    CriterionRegistration { description: nlc::NLC, build: nlc::build },
    CriterionRegistration { description: interaction::SS, build: interaction::build_ss },
    CriterionRegistration { description: interaction::SV, build: interaction::build_sv },
    CriterionRegistration { description: interaction::VS, build: interaction::build_vs },
    CriterionRegistration { description: interaction::VV, build: interaction::build_vv },
    CriterionRegistration { description: importance::IDC, build: importance::build },
    CriterionRegistration { description: surprise::LSA, build: surprise::build_lsa },
    CriterionRegistration { description: surprise::DSA, build: surprise::build_dsa },
    CriterionRegistration { description: surprise::MDSA, build: surprise::build_mdsa },
    CriterionRegistration { description: surprise::LSC, build: surprise::build_lsc },
    CriterionRegistration { description: surprise::DSC, build: surprise::build_dsc },
    CriterionRegistration { description: surprise::MDSC, build: surprise::build_mdsc },
    CriterionRegistration { description: monitors::SRC, build: monitors::build },
    CriterionRegistration { description: monitors::SRC_IN_RANGE, build: monitors::build },
    CriterionRegistration { description: monitors::MRC, build: monitors::build },
    CriterionRegistration { description: monitors::TOPK, build: monitors::build },
    CriterionRegistration { description: monitors::KNN, build: monitors::build },
    CriterionRegistration { description: accuracy::ACCURACY, build: accuracy::build },
    CriterionRegistration { description: confidence::ECE, build: confidence::build_ece },
    CriterionRegistration { description: confidence::HIGH_CONFIDENCE, build: confidence::build_high_confidence },
];

static CLEANAI: &[CriterionRegistration] = &cleanai::ALL;

/// Builds a criterion from its text, name and parameters checked.
///
/// # Errors
/// If the name or a parameter is unknown (with the nearest known one), a value has the wrong type or range, or a
/// registration of some linked crate is wrong (no namespace, a name twice).
///
/// ```
/// use cleanai_harness::criteria::registry;
///
/// assert!(registry::criterion(&"kmnc(k=10)".parse()?)?.needs().profile);
///
/// let error = registry::criterion(&"kmcn".parse()?).err().expect("no such criterion");
/// assert!(error.help().unwrap().starts_with("did you mean `kmnc`?"));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub fn criterion(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    let known = known()?;
    let Some(found) = known.iter().find(|registration| registration.description.name == spec.name) else {
        return Err(unknown_criterion(&spec.name, known));
    };
    Arguments::check(spec, &found.description)?;
    (found.build)(spec)
}

/// The names of all criteria, the built-in ones first.
pub fn names() -> Vec<&'static str> {
    descriptions().into_iter().map(|description| description.name).collect()
}

/// All criteria, the built-in ones first, users' sorted by name.
pub fn descriptions() -> Vec<&'static CriterionDescription> {
    let mut users: Vec<_> = inventory::iter::<CriterionRegistration>().map(|own| &own.description).collect();
    users.sort_by_key(|description| description.name);
    BUILT_IN.iter().chain(CLEANAI).map(|own| &own.description).chain(users).collect()
}

/// The description of a criterion; `None` where this process knows none of the name.
pub(crate) fn description(name: &str) -> Option<&'static CriterionDescription> {
    let users = inventory::iter::<CriterionRegistration>();
    BUILT_IN.iter().chain(CLEANAI).chain(users).map(|own| &own.description).find(|own| own.name == name)
}

fn known() -> Result<&'static [&'static CriterionRegistration]> {
    static KNOWN: OnceLock<Result<Vec<&'static CriterionRegistration>>> = OnceLock::new();
    KNOWN
        .get_or_init(|| with_users(inventory::iter::<CriterionRegistration>()))
        .as_ref()
        .map(Vec::as_slice)
        .map_err(Clone::clone)
}

/// The built-in criteria and those of users, whose names are checked.
pub(super) fn with_users(
    users: impl IntoIterator<Item = &'static CriterionRegistration>,
) -> Result<Vec<&'static CriterionRegistration>> {
    let mut users: Vec<_> = users.into_iter().collect();
    users.sort_by_key(|registration| registration.description.name);
    let mut seen = BTreeSet::new();
    for CriterionRegistration { description, .. } in &users {
        let name = description.name;
        let segments: Vec<&str> = name.split("::").collect();
        if segments.len() < 2 || segments[0] == "cleanai" || !segments.iter().all(|segment| is_word(segment)) {
            return Err(Error::new(
                ErrorKind::Criterion,
                format!("criterion `{name}` is registered without a namespace of its own"),
            )
            .with_help("name it like `acme::dead`; bare names and `cleanai::` are taken"));
        }
        if !seen.insert(name) {
            return Err(Error::new(ErrorKind::Criterion, format!("criterion `{name}` is registered twice"))
                .with_help("two linked crates use the name: rename one, or link one only"));
        }
        let shadowed = description.parameters.iter().find(|own| {
            let same = description.accepted().filter(|other| other.name == own.name).count();
            same > 1 || !is_word(own.name)
        });
        if let Some(parameter) = shadowed {
            return Err(Error::new(
                ErrorKind::Criterion,
                format!("criterion `{name}` describes its parameter `{}` twice or by no usable name", parameter.name),
            )
            .with_help(
                "parameter names are words; `layers`, `layer` and `neurons` are there for every criterion already",
            ));
        }
    }
    Ok(BUILT_IN.iter().chain(CLEANAI).chain(users).collect())
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && text.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_')
}

fn unknown_criterion(name: &str, known: &[&CriterionRegistration]) -> Error {
    let names = known.iter().map(|registration| registration.description.name);
    Error::new(ErrorKind::Configuration, format!("there is no criterion `{name}`")).with_help(suggest(
        name,
        "known are",
        names,
    ))
}
