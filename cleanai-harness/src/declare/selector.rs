//! Layer selectors (CRITERIA section 1).

use std::fmt;
use std::str::FromStr;

use super::parse::{self, SyntaxError};
use super::spec::Value;
use crate::Error;

/// Which layers a criterion sees.
///
/// Text forms: `default`, `penultimate`, `logits`, `class:ReLU`, a glob on layer names (`layer4.*`), or a list of
/// these (`["conv1", "class:Linear"]`).
///
/// ```
/// use cleanai_harness::declare::Selector;
/// let selector: Selector = "layer4.*".parse()?;
/// assert_eq!(selector, Selector::Glob("layer4.*".into()));
/// assert_eq!(r#"["logits","class:ReLU"]"#.parse::<Selector>()?.to_string(), r#"["logits", "class:ReLU"]"#);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Selector {
    /// Every layer of the default set.
    #[default]
    Default,
    /// The last layer before the logits.
    Penultimate,
    /// The logits.
    Logits,
    /// Layers whose module class (or, for functional calls, operator) is this.
    Class(String),
    /// Layers whose name matches this glob.
    Glob(String),
    /// The union of these, in execution order.
    Any(Vec<Selector>),
}

impl Selector {
    /// Reads a selector's text.
    ///
    /// # Errors
    /// If it is empty or its glob or list is malformed, with the bytes concerned.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Self::parse_nested(text, 0)
    }

    fn parse_nested(text: &str, depth: usize) -> Result<Self, SyntaxError> {
        let trimmed = text.trim();
        let start = text.len() - text.trim_start().len();
        let span = start..start + trimmed.len();
        if depth > parse::MAX_DEPTH {
            return Err(SyntaxError::new("lists of layers nest too deeply", span));
        }
        if is_list(trimmed) {
            let value = parse::value(trimmed).map_err(|error| error.shifted(start))?;
            return Self::from_value_nested(&value, depth + 1).map_err(|error| error.over(span));
        }
        match trimmed {
            "" => Err(SyntaxError::new("no layers are named", span)
                .with_help("write a layer's name, a glob, `class:ReLU`, `penultimate`, `logits` or `default`")),
            "default" => Ok(Self::Default),
            "penultimate" => Ok(Self::Penultimate),
            "logits" => Ok(Self::Logits),
            _ => match trimmed.strip_prefix("class:") {
                Some(class) if class.trim().is_empty() => {
                    Err(SyntaxError::new("`class:` needs the name of a class", span)
                        .with_help("for example `class:ReLU`"))
                }
                Some(class) => Ok(Self::Class(class.trim().to_owned())),
                None => match globset::Glob::new(trimmed) {
                    Ok(_) => Ok(Self::Glob(trimmed.to_owned())),
                    Err(error) => Err(SyntaxError::new(format!("`{trimmed}` is no glob: {}", error.kind()), span)),
                },
            },
        }
    }

    /// The selector in a `layers` parameter: a text, or a list of texts.
    ///
    /// # Errors
    /// If it is anything else, or a malformed selector.
    pub fn from_value(value: &Value) -> Result<Self, SyntaxError> {
        Self::from_value_nested(value, 0)
    }

    fn from_value_nested(value: &Value, depth: usize) -> Result<Self, SyntaxError> {
        match value {
            Value::Text(text) => Self::parse_nested(text, depth),
            Value::List(items) if items.is_empty() => Err(SyntaxError::new("an empty list names no layers", 0..0)),
            Value::List(items) => items
                .iter()
                .map(|item| match item {
                    Value::Text(text) => Self::parse_nested(text, depth),
                    other => {
                        Err(SyntaxError::new(format!("a layer is named by a string, not by {}", other.kind()), 0..0))
                    }
                })
                .collect::<Result<_, _>>()
                .map(Self::Any),
            other => {
                Err(SyntaxError::new(format!("layers are a string or a list of strings, not {}", other.kind()), 0..0))
            }
        }
    }
}

/// A glob may start with `[` too (`[ab]*`), so a list is told by the string or the end that follows.
pub(super) fn is_list(text: &str) -> bool {
    text.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with(['"', ']']))
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(|error| error.into_error(text))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Penultimate => f.write_str("penultimate"),
            Self::Logits => f.write_str("logits"),
            Self::Class(class) => write!(f, "class:{class}"),
            Self::Glob(glob) => f.write_str(glob),
            Self::Any(selectors) => {
                for (index, selector) in selectors.iter().enumerate() {
                    write!(f, "{}{:?}", if index == 0 { "[" } else { ", " }, selector.to_string())?;
                }
                f.write_str("]")
            }
        }
    }
}
