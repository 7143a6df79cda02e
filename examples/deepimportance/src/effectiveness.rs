//! Whether coverage rises by adversarial inputs: figures of the test set and of what each attack adds to it.

use std::collections::BTreeMap;

use cleanai_harness::measure;
use cleanai_harness::synthesis::Augmentation;
use indicatif::ProgressBar;

use crate::Outcome;
use crate::settings::Network;
use crate::store::Store;
use crate::study::{Figures, figure, specs};

/// Of the third and fourth question: the heading of each and how it is asked for. `lsc` shrinks the covariance of a class that is singular, as it can be
/// where the profile set is small; elsewhere nothing changes.
pub const CRITERIA: [(&str, &str); 9] = [
    ("idc(m=6)", "idc(m=6)"),
    ("idc(m=8)", "idc(m=8)"),
    ("nc", "nc"),
    ("kmnc", "kmnc"),
    ("nbc", "nbc"),
    ("snac", "snac"),
    ("tknc", "tknc"),
    ("lsc", "lsc(on_singular=\"shrink\")"),
    ("dsc", "dsc"),
];

/// How often the network is right, for comparison.
pub const ACCURACY: &str = "accuracy";

/// What is added to the test set, with the heading of each set; nothing to the first.
pub const SETS: [(&str, Option<&str>); 6] = [
    ("U_O", None),
    ("U_O + U_S", Some("random_pixels")),
    ("U_O + FGSM", Some("fgsm")),
    ("U_O + BIM", Some("bim")),
    ("U_O + JSMA", Some("jsma")),
    ("U_O + CW", Some("cw")),
];

/// Those of them that hold adversarial inputs.
pub const ADVERSARIAL: std::ops::Range<usize> = 2..6;

pub struct Effectiveness<'a> {
    pub network: &'a Network,
    pub store: &'a Store,
    pub progress: &'a ProgressBar,
}

impl Effectiveness<'_> {
    /// Steps of one network.
    pub const STEPS: u64 = SETS.len() as u64;

    /// Figures of each set.
    pub fn run(&self) -> Outcome<Vec<Figures>> {
        SETS.iter().map(|(_, added)| self.measured(*added)).collect()
    }

    fn measured(&self, added: Option<&str>) -> Outcome<Figures> {
        let step = format!("{}-{}", self.network.key, added.unwrap_or("original"));
        self.progress.set_message(step.clone());
        let figures = self.store.step(&step, || {
            let texts: Vec<String> = CRITERIA.iter().map(|(_, text)| *text).chain([ACCURACY]).map(Into::into).collect();
            let specs = specs(&texts)?;
            let measurement = measure::once(&self.network.declaration(augmentation(added)?)?, &specs)?;
            let figures = texts.into_iter().zip(&specs).map(|(text, spec)| (text, figure(&measurement, spec)));
            Ok(figures.collect::<BTreeMap<_, _>>())
        })?;
        self.progress.inc(1);
        Ok(figures)
    }
}

/// What makes the added inputs, with the defaults, which are the paper's parameters.
pub fn augmentation(added: Option<&str>) -> Outcome<Vec<Augmentation>> {
    let named = |name| Augmentation::named(name).ok_or_else(|| format!("there is no augmentation `{name}`").into());
    added.into_iter().map(named).collect()
}

/// The figures of a criterion by set; none if one is missing.
pub fn by_set(sets: &[Figures], text: &str) -> Option<Vec<f64>> {
    sets.iter().map(|set| set.get(text).copied().flatten()).collect()
}
