//! Layer selectors (CRITERIA section 1).

/// Which layers a criterion sees.
///
/// Text forms: `default`, `penultimate`, `logits`, `class:ReLU`, a glob on layer names (`layer4.*`), or a list of these.
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
