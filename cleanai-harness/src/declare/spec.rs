//! The requirement grammar `criterion[(params)][@layers][.figure] op bound`, shared by the attribute and `cleanai.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::parse::{self, SyntaxError};
use super::{Bound, Figure, NeuronKind, Origin, Selector};
use crate::{Error, ErrorKind};

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// `2..=4`, both ends included.
    Range {
        /// First.
        from: i64,
        /// Last, included.
        to: i64,
    },
    /// A string.
    Text(String),
    /// `[a, b]`.
    List(Vec<Value>),
}

/// A criterion with its parameters as the user wrote them: `kmnc(k=1000)`.
///
/// Its `Display` is canonical (parameters sorted by name, no spaces, `nc()` is `nc`, `@conv2` and `layer="conv2"` are
/// `layers="conv2"`) and is what results, baselines and reports are keyed by.
///
/// ```
/// use cleanai_harness::declare::CriterionSpec;
/// let spec: CriterionSpec = "kmnc(k = 100)@conv2".parse()?;
/// assert_eq!(spec.to_string(), r#"kmnc(k=100,layers="conv2")"#);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub struct CriterionSpec {
    /// `kmnc`, or with a namespace `cleanai::nc`.
    pub name: String,
    /// Parameters by name, `layers` and `neurons` among them.
    pub parameters: BTreeMap<String, Value>,
}

/// How an observed figure must stand to the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Comparison {
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
    /// `>`
    #[serde(rename = ">")]
    Above,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `<`
    #[serde(rename = "<")]
    Below,
}

/// One requirement: a criterion, optionally one figure of it, and a bound.
///
/// The grammar is `criterion[(params)][@layers][.figure] op bound`, where
/// - `criterion` is a name (`kmnc`), of another crate's criterion with its namespace (`acme::spread`);
/// - `params` are `name = value`, a value being an integer, a number, `true`, `false`, a `"string"`, an inclusive range
///   (`2..=4`) or a list of values (`["conv1", "conv2"]`);
/// - `@layers` is a bare [`Selector`] up to the operator (`@conv2`, `@layer4.*`, `@class:ReLU`) or a quoted one, and
///   the same as the parameter `layers`;
/// - `.figure` names another figure than the value; it follows the name, the parameters or quoted layers, because a bare
///   selector takes the dots for its own. `.covered` and `.uncovered` count items, `.per_class(min)` and `.per_layer(min)`
///   (or `max`, `mean`) are made of the values of the classes and layers, any other word is a figure of the criterion's own;
/// - `op` is `>=`, `>`, `<=` or `<`;
/// - `bound` is a number, or `baseline` or `against`, alone or with `- 0.01`, `+ 0.01` or `* 0.98` behind it.
///
/// ```
/// use cleanai_harness::declare::{Comparison, Requirement};
/// let requirement: Requirement = "kmnc(k=1000)@conv2 >= 0.4".parse()?;
/// assert_eq!(requirement.comparison, Comparison::AtLeast);
/// assert_eq!(requirement.to_string(), r#"kmnc(k=1000,layers="conv2") >= 0.4"#);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
///
/// Two are equal if they say the same, wherever they stand.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// The criterion.
    pub criterion: CriterionSpec,
    /// A figure other than the value: `src.auroc`, `kmnc.uncovered`.
    pub figure: Option<Figure>,
    /// The comparison.
    pub comparison: Comparison,
    /// What the figure is held against.
    pub bound: Bound,
    /// Where it stands, if that is known.
    pub origin: Option<Origin>,
}

impl Value {
    /// What it is, for messages: `an integer`, `a string`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "true or false",
            Self::Integer(_) => "an integer",
            Self::Number(_) => "a number",
            Self::Range { .. } => "a range",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
        }
    }
}

/// Canonical: numbers in their shortest form that reads back as the same, `10.0` with its point, strings quoted.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value:?}"),
            Self::Range { from, to } => write!(f, "{from}..={to}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
        }
    }
}

impl CriterionSpec {
    /// A criterion without parameters.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), parameters: BTreeMap::new() }
    }

    /// Reads a criterion's text.
    ///
    /// # Errors
    /// What is wrong and the bytes concerned.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        parse::criterion(text)
    }

    /// The layers it names for itself, if it does.
    ///
    /// # Errors
    /// If the `layers` parameter is no selector (which a parsed criterion never has).
    pub fn layers(&self) -> Result<Option<Selector>, Error> {
        let Some(value) = self.parameters.get("layers") else { return Ok(None) };
        Selector::from_value(value)
            .map(Some)
            .map_err(|error| Error::new(ErrorKind::Configuration, format!("`{self}`: {}", error.what())))
    }

    /// The neuron kind it names for itself, if it does.
    ///
    /// # Errors
    /// If the `neurons` parameter is neither `"channel"` nor `"unit"`.
    pub fn neurons(&self) -> Result<Option<NeuronKind>, Error> {
        match self.parameters.get("neurons") {
            None => Ok(None),
            Some(Value::Text(text)) => {
                text.parse().map(Some).map_err(|error: Error| error.context(format!("`{self}`")))
            }
            Some(other) => Err(Error::new(
                ErrorKind::Configuration,
                format!("`{self}`: neurons are a string, not {}", other.kind()),
            )
            .with_help("write `neurons=\"channel\"` or `neurons=\"unit\"`")),
        }
    }
}

impl FromStr for CriterionSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(|error| error.into_error(text))
    }
}

impl fmt::Display for CriterionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { "(" } else { "," })?;
        }
        if self.parameters.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl Comparison {
    /// Whether `observed` stands to `bound` as required; never for NaN.
    pub fn holds(self, observed: f64, bound: f64) -> bool {
        match self {
            Self::AtLeast => observed >= bound,
            Self::Above => observed > bound,
            Self::AtMost => observed <= bound,
            Self::Below => observed < bound,
        }
    }

    /// Whether it asks for much (`>=`, `>`) rather than for little.
    pub fn is_lower_bound(self) -> bool {
        matches!(self, Self::AtLeast | Self::Above)
    }

    /// The operator.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Requirement {
    /// Reads a requirement's text.
    ///
    /// # Errors
    /// What is wrong and the bytes concerned.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        parse::requirement(text)
    }

    /// Reads a requirement that stands behind others: a figure without a criterion (`per_class(min) >= 0.3`) is one of
    /// `previous`, the criterion before it.
    ///
    /// # Errors
    /// What is wrong and the bytes concerned.
    ///
    /// ```
    /// use cleanai_harness::declare::{CriterionSpec, Requirement};
    /// let before: CriterionSpec = "kmnc(k=100)".parse()?;
    /// let requirement = Requirement::parse_after("uncovered <= 12", Some(&before)).unwrap();
    /// assert_eq!(requirement.to_string(), "kmnc(k=100).uncovered <= 12");
    /// # Ok::<(), cleanai_harness::Error>(())
    /// ```
    pub fn parse_after(text: &str, previous: Option<&CriterionSpec>) -> Result<Self, SyntaxError> {
        parse::requirement_after(text, previous)
    }

    /// What is bounded: the criterion's canonical text, with the figure behind a point if it is not the value. Baselines
    /// have it as key.
    pub fn subject(&self) -> String {
        figure_key(&self.criterion.to_string(), self.figure.as_ref())
    }

    /// Whether both bound the same figure.
    pub fn is_about_the_same_as(&self, other: &Self) -> bool {
        self.criterion == other.criterion && self.figure == other.figure
    }

    /// Whether both bound the same figure from the same side against the same kind of bound, so that one takes the other's place.
    pub fn replaces(&self, other: &Self) -> bool {
        self.is_about_the_same_as(other)
            && self.comparison.is_lower_bound() == other.comparison.is_lower_bound()
            && self.bound.reference() == other.bound.reference()
    }
}

/// The key of a figure: the criterion itself, or `criterion.figure`.
pub(crate) fn figure_key(criterion: &str, figure: Option<&Figure>) -> String {
    match figure {
        Some(figure) => format!("{criterion}.{figure}"),
        None => criterion.to_owned(),
    }
}

impl PartialEq for Requirement {
    fn eq(&self, other: &Self) -> bool {
        self.is_about_the_same_as(other) && self.comparison == other.comparison && self.bound == other.bound
    }
}

impl FromStr for Requirement {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(|error| error.into_error(text))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.criterion)?;
        if let Some(figure) = &self.figure {
            write!(f, ".{figure}")?;
        }
        write!(f, " {} {}", self.comparison, self.bound)
    }
}
