//! The requirement grammar `criterion[(params)][@layers][.figure] op number`, shared by the attribute and `cleanai.toml`.

use std::collections::BTreeMap;

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
/// Its `Display` is canonical (parameters sorted by name, no spaces, `nc()` is `nc`) and is what results, baselines and reports are keyed by.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub struct CriterionSpec {
    /// `kmnc`, or with a namespace `cleanai::nc`.
    pub name: String,
    /// Parameters by name, `layers` and `neurons` among them.
    pub parameters: BTreeMap<String, Value>,
}

/// How an observed figure must stand to the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
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
#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    /// The criterion.
    pub criterion: CriterionSpec,
    /// A figure other than the value (`src.auroc`), a key of the result's details.
    pub figure: Option<String>,
    /// The comparison.
    pub comparison: Comparison,
    /// The bound, finite.
    pub bound: f64,
}

// Minimal forms on this branch; the declare module brings the full grammar.
impl Comparison {
    /// Whether `observed` stands to `bound` as this says; never for NaN.
    pub fn holds(self, observed: f64, bound: f64) -> bool {
        match self {
            Comparison::AtLeast => observed >= bound,
            Comparison::Above => observed > bound,
            Comparison::AtMost => observed <= bound,
            Comparison::Below => observed < bound,
        }
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Comparison::AtLeast => ">=",
            Comparison::Above => ">",
            Comparison::AtMost => "<=",
            Comparison::Below => "<",
        })
    }
}

impl std::fmt::Display for CriterionSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            let open = if index == 0 { "(" } else { "," };
            match value {
                Value::Integer(number) => write!(f, "{open}{name}={number}")?,
                other => write!(f, "{open}{name}={other:?}")?,
            }
        }
        if self.parameters.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl std::fmt::Display for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.criterion)?;
        if let Some(figure) = &self.figure {
            write!(f, ".{figure}")?;
        }
        write!(f, " {} {}", self.comparison, self.bound)
    }
}
