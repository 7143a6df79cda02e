//! What may stand in a `cleanai.toml` and in `CLEANAI_*` variables, described once: the readers take their known keys from here, and the
//! reference page and the JSON Schema are written from it.
//!
//! A new key is one entry in [`tables`] and the line that reads it. The readers refuse a key that has no entry, and the tests a key
//! that has an entry and is not read.

mod augmentations;
mod page;
mod schema;
mod tables;
#[cfg(test)]
mod unit_tests;
mod variables;

pub use page::page;
pub use schema::schema;
pub(crate) use tables::{AXIS, BASELINE, DATA, DEFAULTS, INPUT, JUNIT, MODELS, REPORT, SECTIONS, TESTS, TOLERANCE};
pub(crate) use variables::{PREFIX, Read, VARIABLES, names_of_variables};

use crate::synthesis::parameters::Within;

/// The version that has all keys which do not say another.
const FIRST: &str = "0.1.0";

/// A table of the file.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name at the top: `models`.
    pub name: &'static str,
    /// Whether it holds tables whose names the user chooses: `[models.NAME]`.
    pub named: bool,
    /// What it is for.
    pub says: &'static str,
    /// What may stand in it.
    pub keys: &'static [Key],
    /// Keys of which exactly one is needed.
    pub one_of: &'static [&'static str],
}

impl Section {
    /// `[models.NAME]`, or `[report]`.
    pub fn header(&self) -> String {
        if self.named { format!("[{}.NAME]", self.name) } else { format!("[{}]", self.name) }
    }

    /// Its entry for a key.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What holds where it is not written.
    pub default: Default,
    /// A value, as TOML.
    pub example: &'static str,
    /// One or two sentences.
    pub says: &'static str,
    /// The first version that has it.
    pub since: &'static str,
    /// The variable that takes its place.
    pub variable: Option<&'static str>,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, default: Default, example: &'static str, says: &'static str) -> Self {
        Self { name, kind, default, example, says, since: FIRST, variable: None }
    }

    /// The same key with the variable that takes its place.
    const fn or_variable(self, name: &'static str) -> Self {
        Self { variable: Some(name), ..self }
    }
}

/// What holds where a key is not written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Default {
    /// It must be written.
    Needed,
    /// This value, as TOML.
    Value(&'static str),
    /// What a sentence says.
    Words(&'static str),
}

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A string that is not empty.
    Text,
    /// A path.
    Path,
    /// Where inputs lie.
    Location,
    /// Truth.
    Flag,
    /// A whole number between two.
    Integer(i64, i64),
    /// A number.
    Number(Within),
    /// One of some words.
    Word(&'static [&'static str]),
    /// `auto`, `cpu`, `cuda`, `cuda:1`.
    Device,
    /// `kmnc(k=1000) >= 0.5`
    Requirement,
    /// A glob, `class:ReLU`, `penultimate` or `logits`.
    Selector,
    /// A list of at least so many.
    List(&'static Kind, usize),
    /// A table whose keys the user chooses, with what they are.
    Map(&'static str, &'static Kind),
    /// A table with these keys.
    Table(&'static [Key]),
    /// One or the other.
    Either(&'static [Kind]),
    /// How much figures may fall: one for all, or one for each criterion.
    Tolerances,
    /// A step of a transform.
    Step,
    /// A table whose only key names an augmentation.
    Augmentation,
}

impl Kind {
    /// The kind of a list's elements, or of the values of a table whose keys the user chooses.
    pub fn inner(&'static self) -> Option<&'static Self> {
        match self {
            Self::List(inner, _) | Self::Map(_, inner) => Some(inner),
            Self::Either(kinds) => kinds.iter().find_map(Self::inner),
            _ => None,
        }
    }

    /// Whether these words, and no others, are described.
    pub fn has_words<'w>(&self, words: impl Iterator<Item = &'w str> + Clone) -> bool {
        match self {
            Self::Word(known) => words.eq(known.iter().copied()),
            Self::Either(kinds) => kinds.iter().any(|kind| kind.has_words(words.clone())),
            _ => false,
        }
    }
}

/// The description of a key of a table: `[tests.NAME]`, `batch`.
pub(crate) fn key(section: &str, name: &str) -> Option<&'static Key> {
    SECTIONS.iter().find(|known| known.name == section)?.key(name)
}
