//! What a criterion says of its parameters, and the check of what a user wrote against it.

use std::fmt;
use std::ops::RangeInclusive;

use crate::declare::nearest::{listed, nearest};
use crate::declare::{CriterionSpec, NeuronKind, Selector, Value};
use crate::{Error, ErrorKind, Result};

use super::Direction;

/// A criterion as help, documentation and the check of its parameters see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CriterionDescription {
    /// `kmnc`, or with a namespace `acme::kmnc`.
    pub name: &'static str,
    /// What it counts, in one line.
    pub summary: &'static str,
    /// Its own parameters; every criterion accepts [`COMMON_PARAMETERS`] besides.
    pub parameters: &'static [ParameterDescription],
    /// Which way its value is better.
    pub direction: Direction,
    /// What its value is.
    pub value: ValueKind,
    /// Where it was published.
    pub reference: &'static str,
}

impl CriterionDescription {
    /// The parameter of this name, the common ones included.
    pub fn parameter(&self, name: &str) -> Option<&'static ParameterDescription> {
        self.accepted().find(|parameter| parameter.name == name)
    }

    /// All it accepts: its own parameters, then the common ones.
    pub fn accepted(&self) -> impl Iterator<Item = &'static ParameterDescription> + Clone + use<> {
        self.parameters.iter().chain(COMMON_PARAMETERS)
    }
}

/// What the value of a criterion is; which thresholds can hold and which tolerances make sense follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// The share of items covered, from 0 to 1, where every item belongs to one neuron: itself, its corners, its sections.
    NeuronShare,
    /// The share of other items covered, from 0 to 1: pairs of neurons, combinations of clusters, buckets, inputs.
    ItemShare,
    /// Any other number from 0 to 1.
    Share,
    /// How many of something, a whole number without a total.
    Count,
    /// Any other number.
    Number,
}

impl ValueKind {
    /// Whether it lies between 0 and 1.
    pub fn is_share(self) -> bool {
        matches!(self, Self::NeuronShare | Self::ItemShare | Self::Share)
    }

    /// Whether items are covered and counted, of how many.
    pub fn has_items(self) -> bool {
        matches!(self, Self::NeuronShare | Self::ItemShare)
    }
}

/// One parameter of a criterion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterDescription {
    /// `k`
    pub name: &'static str,
    /// What values it takes.
    pub kind: ParameterKind,
    /// The value it has unless given, as a user would write it; `None` where it must be given.
    /// Where it is no fixed value, as for the common parameters, it says in words where the value comes from.
    pub default_text: Option<&'static str>,
    /// What it does, in one line.
    pub summary: &'static str,
}

/// The values a parameter takes. Bounds are included.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ParameterKind {
    /// A whole number.
    Integer {
        /// The smallest.
        at_least: i64,
        /// The largest.
        at_most: i64,
    },
    /// A finite number; whole numbers count.
    Number {
        /// The smallest; minus infinity where there is none.
        at_least: f64,
        /// The largest; infinity where there is none.
        at_most: f64,
    },
    /// `true` or `false`.
    Flag,
    /// One of these words, in quotes.
    Choice(&'static [&'static str]),
    /// A range of whole numbers, `2..=4`, not empty.
    Range {
        /// The smallest start.
        at_least: i64,
        /// The largest end.
        at_most: i64,
    },
    /// A list of closed intervals, `[[0, 0.1], [0.1, 0.2]]`; at least one, each from a number to one that is not smaller.
    Intervals,
    /// Two different names in quotes, or an empty list.
    TwoNames,
    /// Inputs: a path like that of the test set, with an optional range.
    Data,
    /// A layer selector, or a list of them.
    Layers,
    /// `"channel"` or `"unit"`.
    Neurons,
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Integer { at_least, at_most } => write!(f, "a whole number from {at_least} to {at_most}"),
            Self::Number { at_least, at_most } => match (at_least.is_finite(), at_most.is_finite()) {
                (false, false) => f.write_str("a finite number"),
                (true, false) => write!(f, "a finite number >= {at_least}"),
                (false, true) => write!(f, "a finite number <= {at_most}"),
                (true, true) => write!(f, "a number from {at_least} to {at_most}"),
            },
            Self::Flag => f.write_str("true or false"),
            Self::Choice(words) => {
                for (index, word) in words.iter().enumerate() {
                    write!(f, "{}\"{word}\"", if index == 0 { "" } else { " or " })?;
                }
                Ok(())
            }
            Self::Range { at_least, at_most } => write!(f, "a range like 2..=4 within {at_least}..={at_most}"),
            Self::Intervals => {
                write!(
                    f,
                    "a list of 1 to {MOST_INTERVALS} intervals like [[0, 0.1], [0.1, 0.2]], none from more to less"
                )
            }
            Self::Data => f.write_str("a path in quotes to an image folder, .npz, .npy or idx file"),
            Self::TwoNames => f.write_str("a list of two different names in quotes"),
            Self::Layers => f.write_str("a layer selector in quotes or a list of them"),
            Self::Neurons => f.write_str("\"channel\" or \"unit\""),
        }
    }
}

/// More intervals than anyone reads.
const MOST_INTERVALS: usize = 1000;

/// What every criterion accepts; whoever plans the pass resolves them with [`layers_of`] and [`neurons_of`].
pub const COMMON_PARAMETERS: &[ParameterDescription] = &[
    ParameterDescription {
        name: "layers",
        kind: ParameterKind::Layers,
        default_text: Some("the test's layers"),
        summary: "the layers it sees: default, penultimate, logits, class:NAME, a glob on names, or a list of these",
    },
    ParameterDescription {
        name: "layer",
        kind: ParameterKind::Layers,
        default_text: Some("the test's layers"),
        summary: "another name for layers",
    },
    ParameterDescription {
        name: "neurons",
        kind: ParameterKind::Neurons,
        default_text: Some("the test's neurons"),
        summary: "what a neuron is: channel (mean over positions) or unit (every scalar)",
    },
];

/// The layers a criterion names itself; `None` where it leaves them to the test.
///
/// # Errors
/// If both `layers` and `layer` are given, or the selector is not one.
pub fn layers_of(spec: &CriterionSpec) -> Result<Option<Selector>> {
    match (spec.parameters.get("layers"), spec.parameters.get("layer")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            Err(Error::new(ErrorKind::Configuration, format!("`{}` is given both `layers` and `layer`", spec.name))
                .with_help("they are the same parameter: keep one of them"))
        }
        (Some(value), None) => selector(spec, "layers", value).map(Some),
        (None, Some(value)) => selector(spec, "layer", value).map(Some),
    }
}

fn selector(spec: &CriterionSpec, parameter: &str, value: &Value) -> Result<Selector> {
    Selector::from_value(value).map_err(|error| {
        error.into_error(&value.to_string()).context(format!("parameter `{parameter}` of `{}`", spec.name))
    })
}

/// The neuron kind a criterion names itself; `None` where it leaves it to the test.
///
/// # Errors
/// If it is neither `"channel"` nor `"unit"`.
pub fn neurons_of(spec: &CriterionSpec) -> Result<Option<NeuronKind>> {
    match spec.parameters.get("neurons") {
        None => Ok(None),
        Some(Value::Text(text)) => match text.parse() {
            Ok(kind) => Ok(Some(kind)),
            Err(error) => Err(error.context(format!("parameter `neurons` of `{}`", spec.name))),
        },
        Some(other) => Err(wrong_value(spec, "neurons", ParameterKind::Neurons, other)),
    }
}

/// The parameters of a criterion as its builder reads them: what the user gave, else the described default.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    spec: &'a CriterionSpec,
    description: &'a CriterionDescription,
}

impl<'a> Arguments<'a> {
    /// Checks every parameter of `spec` against the description.
    ///
    /// # Errors
    /// If one is unknown, missing, of the wrong type or out of range; the error names it and what is accepted.
    pub fn check(spec: &'a CriterionSpec, description: &'a CriterionDescription) -> Result<Self> {
        for (name, value) in &spec.parameters {
            let Some(parameter) = description.parameter(name) else {
                return Err(unknown_parameter(description, name));
            };
            check_value(spec, parameter, value)?;
        }
        layers_of(spec)?;
        neurons_of(spec)?;
        let missing = description
            .parameters
            .iter()
            .find(|parameter| parameter.default_text.is_none() && !spec.parameters.contains_key(parameter.name));
        if let Some(parameter) = missing {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("`{}` needs the parameter `{}`", spec.name, parameter.name),
            )
            .with_help(format!("`{}` is {}: {}", parameter.name, parameter.kind, parameter.summary)));
        }
        Ok(Self { spec, description })
    }

    /// A whole number.
    ///
    /// # Errors
    /// If the description has no such parameter or its default is no whole number.
    pub fn integer(&self, name: &str) -> Result<i64> {
        match self.spec.parameters.get(name) {
            Some(Value::Integer(value)) => Ok(*value),
            Some(other) => Err(self.wrong(name, other)),
            None => self.default(name),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// If the description has no such parameter or its default is no number.
    pub fn number(&self, name: &str) -> Result<f64> {
        match self.spec.parameters.get(name) {
            Some(Value::Number(value)) => Ok(*value),
            Some(Value::Integer(value)) => Ok(*value as f64),
            Some(other) => Err(self.wrong(name, other)),
            None => self.default(name),
        }
    }

    /// A number that may be left out, where what stands in for it is no number known beforehand; its default is described in words.
    ///
    /// # Errors
    /// If the description has no such parameter.
    pub fn number_if_given(&self, name: &str) -> Result<Option<f64>> {
        match self.spec.parameters.get(name) {
            Some(_) => self.number(name).map(Some),
            None if self.description.parameter(name).is_some() => Ok(None),
            None => Err(self.no_default(name)),
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// If the description has no such parameter or its default is neither.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.spec.parameters.get(name) {
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(self.wrong(name, other)),
            None => self.default(name),
        }
    }

    /// A word of a [`ParameterKind::Choice`], without the quotes (its default is written without them too).
    ///
    /// # Errors
    /// If the description has no such parameter.
    pub fn choice(&self, name: &str) -> Result<String> {
        match self.spec.parameters.get(name) {
            Some(Value::Text(value)) => Ok(value.clone()),
            Some(other) => Err(self.wrong(name, other)),
            None => self.default(name),
        }
    }

    /// A range of whole numbers.
    ///
    /// # Errors
    /// If the description has no such parameter or its default is no range.
    pub fn range(&self, name: &str) -> Result<RangeInclusive<i64>> {
        match self.spec.parameters.get(name) {
            Some(Value::Range { from, to }) => Ok(*from..=*to),
            Some(other) => Err(self.wrong(name, other)),
            None => {
                let (from, to) = self.default_text(name).and_then(|text| text.split_once("..=")).unwrap_or_default();
                match (from.parse(), to.parse()) {
                    (Ok(from), Ok(to)) => Ok(from..=to),
                    _ => Err(self.no_default(name)),
                }
            }
        }
    }

    /// Intervals, both ends of each included.
    ///
    /// # Errors
    /// If the description has no such parameter or its default is no list of intervals.
    pub fn intervals(&self, name: &str) -> Result<Vec<(f64, f64)>> {
        let value = self.given_or_default(name)?;
        intervals(&value).ok_or_else(|| self.wrong(name, &value))
    }

    /// Two names; `None` where the list is empty.
    ///
    /// # Errors
    /// If the description has no such parameter or its default is no list of names.
    pub fn two_names(&self, name: &str) -> Result<Option<[String; 2]>> {
        let value = self.given_or_default(name)?;
        two_names(&value).ok_or_else(|| self.wrong(name, &value))
    }

    fn given_or_default(&self, name: &str) -> Result<Value> {
        match self.spec.parameters.get(name) {
            Some(value) => Ok(value.clone()),
            None => {
                let text = self.default_text(name).ok_or_else(|| self.no_default(name))?;
                // A default is written as a user would write it.
                let spec: CriterionSpec =
                    format!("default({name}={text})").parse().map_err(|_| self.no_default(name))?;
                spec.parameters.get(name).cloned().ok_or_else(|| self.no_default(name))
            }
        }
    }

    fn wrong(&self, name: &str, value: &Value) -> Error {
        match self.description.parameter(name) {
            Some(parameter) => wrong_value(self.spec, name, parameter.kind, value),
            None => unknown_parameter(self.description, name),
        }
    }

    fn default<T: std::str::FromStr>(&self, name: &str) -> Result<T> {
        self.default_text(name).and_then(|text| text.parse().ok()).ok_or_else(|| self.no_default(name))
    }

    fn default_text(&self, name: &str) -> Option<&'static str> {
        self.description.parameter(name)?.default_text
    }

    fn no_default(&self, name: &str) -> Error {
        let what = format!("criterion `{}` describes no usable default for its parameter `{name}`", self.spec.name);
        Error::new(ErrorKind::Criterion, what)
    }
}

fn check_value(spec: &CriterionSpec, parameter: &ParameterDescription, value: &Value) -> Result<()> {
    let fits = match (parameter.kind, value) {
        (ParameterKind::Integer { at_least, at_most }, Value::Integer(value)) => (at_least..=at_most).contains(value),
        (ParameterKind::Number { at_least, at_most }, Value::Number(value)) => {
            value.is_finite() && (at_least..=at_most).contains(value)
        }
        (ParameterKind::Number { at_least, at_most }, Value::Integer(value)) => {
            (at_least..=at_most).contains(&(*value as f64))
        }
        (ParameterKind::Flag, Value::Bool(_)) => true,
        (ParameterKind::Choice(words), Value::Text(word)) => words.contains(&word.as_str()),
        (ParameterKind::Range { at_least, at_most }, Value::Range { from, to }) => {
            from <= to && at_least <= *from && *to <= at_most
        }
        (ParameterKind::Intervals, value) => intervals(value).is_some(),
        (ParameterKind::Data, Value::Text(path)) => !path.trim().is_empty(),
        (ParameterKind::TwoNames, value) => two_names(value).is_some(),
        // Looked at by `layers_of` and `neurons_of`, which say more.
        (ParameterKind::Layers | ParameterKind::Neurons, _) => true,
        _ => false,
    };
    if fits { Ok(()) } else { Err(wrong_value(spec, parameter.name, parameter.kind, value)) }
}

/// A list of intervals whose ends are finite and in order.
fn intervals(value: &Value) -> Option<Vec<(f64, f64)>> {
    let number = |value: &Value| match value {
        Value::Number(number) => Some(*number).filter(|number| number.is_finite()),
        Value::Integer(number) => Some(*number as f64),
        _ => None,
    };
    let interval = |value: &Value| match value {
        Value::List(ends) => match ends.as_slice() {
            [from, to] => Some((number(from)?, number(to)?)).filter(|(from, to)| from <= to),
            _ => None,
        },
        _ => None,
    };
    match value {
        Value::List(items) if (1..=MOST_INTERVALS).contains(&items.len()) => items.iter().map(interval).collect(),
        _ => None,
    }
}

/// Two different names, or none of an empty list.
fn two_names(value: &Value) -> Option<Option<[String; 2]>> {
    let Value::List(items) = value else { return None };
    match items.as_slice() {
        [] => Some(None),
        [Value::Text(first), Value::Text(second)] if first != second => Some(Some([first.clone(), second.clone()])),
        _ => None,
    }
}

fn wrong_value(spec: &CriterionSpec, parameter: &str, kind: ParameterKind, value: &Value) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("parameter `{parameter}` of `{}` must be {kind}, not {value}", spec.name),
    )
}

fn unknown_parameter(description: &CriterionDescription, name: &str) -> Error {
    let accepted = || description.accepted().map(|parameter| parameter.name);
    let what = format!("`{}` has no parameter `{name}`", description.name);
    Error::new(ErrorKind::Configuration, what).with_help(suggest(name, "it accepts", accepted()))
}

/// Help for a name that is not known: the nearest one, if one is near, and all there are.
pub(super) fn suggest<'n>(name: &str, known_are: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    let all = format!("{known_are} {}", listed(known.clone()));
    match nearest(name, known) {
        Some(nearest) => format!("did you mean `{nearest}`? {all}"),
        None => all,
    }
}
