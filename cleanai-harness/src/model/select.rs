//! Layer selectors against the layers of a model.

use globset::{GlobBuilder, GlobMatcher};

use super::Model;
use crate::declare::Selector;
use crate::{Error, ErrorKind, Result};

impl Model {
    /// Indices of the layers a selector names, in execution order.
    ///
    /// # Errors
    /// If it matches nothing; the error lists near matches.
    pub fn select(&self, selector: &Selector) -> Result<Vec<usize>> {
        let found: Vec<usize> = match selector {
            Selector::Default => (0..self.layers().len()).collect(),
            Selector::Logits => self.logits_layer().into_iter().collect(),
            // Without logits among the layers (an activation or a pooling at the end) it is the layer before the last.
            Selector::Penultimate => {
                let end = self.logits_layer().unwrap_or(self.layers().len().saturating_sub(1));
                end.checked_sub(1).into_iter().collect()
            }
            Selector::Class(class) => self.matching(|_, layer_class| layer_class == class),
            Selector::Glob(pattern) => {
                let matcher = glob(pattern)?;
                self.matching(|name, _| name == pattern || matcher.is_match(name))
            }
            Selector::Any(selectors) => {
                let mut all = Vec::new();
                for selector in selectors {
                    all.extend(self.select(selector)?);
                }
                all.sort_unstable();
                all.dedup();
                all
            }
        };
        if found.is_empty() { Err(self.nothing_selected(selector)) } else { Ok(found) }
    }

    fn matching(&self, matches: impl Fn(&str, &str) -> bool) -> Vec<usize> {
        let layers = self.layers().iter().enumerate();
        layers.filter(|(_, layer)| matches(&layer.name, &layer.class)).map(|(index, _)| index).collect()
    }

    fn nothing_selected(&self, selector: &Selector) -> Error {
        let wanted = match selector {
            Selector::Class(class) => class.clone(),
            other => other.to_string(),
        };
        let candidates: Vec<&str> = match selector {
            Selector::Class(_) => self.layers().iter().map(|layer| layer.class.as_str()).collect(),
            _ => self.layers().iter().map(|layer| layer.name.as_str()).collect(),
        };
        let all = candidates.len();
        let candidates = near(candidates, &wanted);
        let error = Error::new(
            ErrorKind::Configuration,
            format!("layer selector {selector} matches no layer of {}", self.path().display()),
        );
        if all == 0 {
            return error.with_help(
                "the model has no layers: no activation, convolution or linear operator is called on its input",
            );
        }
        if matches!(selector, Selector::Logits) {
            return error.with_help(format!(
                "the output of the model is no layer's output; name a layer: {}",
                candidates.join(", ")
            ));
        }
        error.with_help(format!(
            "near: {}; `cargo cleanai inspect` lists all {}",
            candidates.join(", "),
            self.layers().len()
        ))
    }
}

/// A selector's glob on names, in which a star also passes dots and slashes.
pub(super) fn glob(pattern: &str) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern)
        .literal_separator(false)
        .build()
        .map_err(|why| Error::new(ErrorKind::Configuration, format!("layer selector {pattern:?} is no glob: {why}")))?;
    Ok(glob.compile_matcher())
}

/// The few names most like the one that was wanted, the nearest first.
pub(super) fn near<'n>(mut names: Vec<&'n str>, wanted: &str) -> Vec<&'n str> {
    // Equal names side by side, even where others are as near.
    let likeness = |name: &str| strsim::jaro_winkler(name, wanted);
    names.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)).then_with(|| a.cmp(b)));
    names.dedup();
    names.truncate(5);
    names
}
