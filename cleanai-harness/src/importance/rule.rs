//! Which rule passes relevance back through an operator with weights, and with which numbers.

use globset::{Glob, GlobMatcher};

use crate::{Error, ErrorKind, Result};

/// What becomes of the bias of an operator, the part of its output that no input explains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Bias {
    /// It is spread evenly over the inputs that contribute, so that relevance is conserved.
    #[default]
    Spread,
    /// It keeps its share of relevance.
    Absorb,
}

/// What becomes of the stabiliser, the small number that is added to a denominator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Stabiliser {
    /// It is spread like the bias.
    #[default]
    Spread,
    /// It stands in the denominator alone, as in captum and zennit, and takes relevance away.
    Plain,
}

/// How the relevance of an output of a convolution or a linear operator is shared among its inputs. Contributions are `a_j w_jk`.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Rule {
    /// In proportion to the contributions (CRITERIA section 5; Bach et al.: On Pixel-wise Explanations, PLOS ONE 2015, equation 58).
    #[default]
    Epsilon,
    /// Contributions of the output's own sign count `1 + gamma` times (Montavon et al.: Layer-Wise Relevance Propagation: An Overview, 2019, section
    /// 10.2.3, for inputs of either sign as in Andéol et al.: Learning Domain Invariant Representations by Joint Wasserstein Distance Minimization, 2021).
    Gamma(f64),
    /// Positive and negative contributions apart: `alpha` times the first less `alpha - 1` times the second (Bach et al., equation 60).
    AlphaBeta(f64),
    /// Positive contributions alone: `AlphaBeta(1.0)` (Montavon et al.: Explaining nonlinear classification decisions with deep Taylor
    /// decomposition, 2017, section 4.1).
    ZPlus,
}

/// What a criterion asks of relevance.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RelevanceNeeds {
    /// The rule of operators with weights.
    pub rule: Rule,
    /// The stabiliser, see [`Rules::eps`].
    pub eps: f64,
    /// What becomes of biases.
    pub bias: Bias,
    /// What becomes of the stabiliser.
    pub stabiliser: Stabiliser,
    /// Whether operators without a rule are taken for their gradient.
    pub gradient_fallback: bool,
    /// Whether all outputs are explained, as of a regression, instead of the logit of the predicted class.
    pub outputs: bool,
}

impl RelevanceNeeds {
    /// The rules that meet them.
    pub fn rules(&self) -> Rules {
        Rules {
            eps: self.eps,
            bias: self.bias,
            stabiliser: self.stabiliser,
            rule: self.rule,
            gradient_fallback: self.gradient_fallback,
            ranges: Vec::new(),
        }
    }
}

/// What relevance is computed with.
///
/// ```
/// use cleanai_harness::importance::{Rule, Rules};
///
/// // Small filters first by their positive contributions, the rest by the epsilon rule.
/// let rules = Rules::default().on("features.*", Rule::ZPlus)?;
/// assert_eq!(rules.eps, 1e-2);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rules {
    /// The stabiliser as a share of the largest output of the node for that input; above 0.
    pub eps: f64,
    /// What becomes of biases.
    pub bias: Bias,
    /// What becomes of the stabiliser.
    pub stabiliser: Stabiliser,
    /// The rule of operators that no range names.
    pub rule: Rule,
    /// Whether operators without a rule are taken for what they are close to this input, their gradient.
    pub gradient_fallback: bool,
    ranges: Vec<(GlobMatcher, Rule)>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            eps: 1e-2,
            bias: Bias::Spread,
            stabiliser: Stabiliser::Spread,
            rule: Rule::Epsilon,
            gradient_fallback: false,
            ranges: Vec::new(),
        }
    }
}

impl Rules {
    /// The same with another rule for the operators whose name, that of their layer, matches a glob. The first that matches counts.
    ///
    /// # Errors
    /// If `layers` is no glob, or a parameter of the rule is out of range.
    pub fn on(mut self, layers: &str, rule: Rule) -> Result<Self> {
        let glob = Glob::new(layers).map_err(|why| {
            Error::new(ErrorKind::Configuration, format!("`{layers}` is no pattern of layer names: {why}"))
        })?;
        rule.check()?;
        self.ranges.push((glob.compile_matcher(), rule));
        Ok(self)
    }

    /// The rule of an operator.
    pub(super) fn of(&self, layer: &str) -> Rule {
        self.ranges.iter().find(|(glob, _)| glob.is_match(layer)).map_or(self.rule, |(_, rule)| *rule)
    }

    /// Whether everything that comes in goes out again.
    pub fn conserve(&self) -> bool {
        let all_epsilon = self.rule == Rule::Epsilon && self.ranges.iter().all(|(_, rule)| *rule == Rule::Epsilon);
        self.bias == Bias::Spread && self.stabiliser == Stabiliser::Spread && all_epsilon && !self.gradient_fallback
    }

    pub(super) fn check(&self) -> Result<()> {
        if !(self.eps > 0.0 && self.eps.is_finite()) {
            let what = format!("the stabiliser `eps` of relevance must be above 0, not {}", self.eps);
            return Err(Error::new(ErrorKind::Configuration, what).with_help("0.01 is the default"));
        }
        self.rule.check()
    }
}

impl Rule {
    /// The names that [`Rule::named`] knows.
    pub const NAMES: &[&str] = &["epsilon", "gamma", "alpha_beta", "z_plus"];

    /// The rule of a name, with the usual parameters: gamma 0.25, as in the overview by Montavon et al., 2019, for layers in the middle; alpha 2.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "epsilon" => Self::Epsilon,
            "gamma" => Self::Gamma(0.25),
            "alpha_beta" => Self::AlphaBeta(2.0),
            "z_plus" => Self::ZPlus,
            _ => return None,
        })
    }

    fn check(self) -> Result<()> {
        let (name, value, least) = match self {
            Self::Epsilon | Self::ZPlus => return Ok(()),
            Self::Gamma(gamma) => ("gamma", gamma, 0.0),
            Self::AlphaBeta(alpha) => ("alpha", alpha, 1.0),
        };
        if value.is_finite() && value >= least {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Configuration, format!("`{name}` must be a finite number >= {least}, not {value}")))
    }
}
