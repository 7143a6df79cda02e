//! The criteria of cleanai-harness itself, for errors at compile time. Criteria with a namespace are not checked here.

/// What a parameter's value must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An integer of at least 1.
    Count,
    /// A number.
    Number,
    /// A number of at least 0.
    Distance,
    /// A selector: a string or a list of strings.
    Layers,
    /// `"channel"` or `"unit"`.
    Neurons,
    /// One of these words, in quotes.
    Word(&'static [&'static str]),
    /// A path in quotes.
    Data,
    /// A range of integers of at least 2, `2..=4`.
    Range,
}

/// A criterion and its parameters.
pub struct Criterion {
    /// Its name.
    pub name: &'static str,
    parameters: &'static [(&'static str, Kind)],
    observes_layers: bool,
    /// Whether its value lies between 0 and 1.
    pub is_share: bool,
}

/// What every criterion that looks at layers takes; `layer` is another word for `layers`.
const COMMON: &[(&str, Kind)] = &[("layers", Kind::Layers), ("layer", Kind::Layers), ("neurons", Kind::Neurons)];

/// Which inputs the interaction criteria compare.
const PAIRS: (&str, Kind) = ("pairs", Kind::Word(&["all", "consecutive"]));

/// What they count as a change of value.
const DISTANCE: (&str, Kind) = ("distance", Kind::Distance);

/// The buckets of surprise coverage, and what becomes of singular covariances.
const BUCKETS: (&str, Kind) = ("n", Kind::Count);
const LOWER: (&str, Kind) = ("lower", Kind::Number);
const UPPER: (&str, Kind) = ("upper", Kind::Number);
const ON_SINGULAR: (&str, Kind) = ("on_singular", Kind::Word(&["error", "shrink"]));
/// The inputs a monitor must not accept.
const UNTRUSTED: (&str, Kind) = ("untrusted", Kind::Data);

/// Every criterion without a namespace.
pub const CRITERIA: &[Criterion] = &[
    on_layers("nc", &[("threshold", Kind::Number)]),
    on_layers("nac", &[("threshold", Kind::Number)]),
    on_layers("tknc", &[("k", Kind::Count)]),
    any_number(on_layers("tknp", &[("k", Kind::Count)])),
    on_layers("kmnc", &[("k", Kind::Count)]),
    on_layers("nbc", &[("sigma", Kind::Distance)]),
    on_layers("snac", &[("sigma", Kind::Distance)]),
    any_number(on_layers("cc", &[("threshold", Kind::Distance)])),
    any_number(on_layers("nlc", &[])),
    on_layers("ss", &[PAIRS]),
    on_layers("sv", &[PAIRS, DISTANCE]),
    on_layers("vs", &[PAIRS, DISTANCE]),
    on_layers("vv", &[PAIRS, DISTANCE]),
    on_layers(
        "idc",
        &[
            ("m", Kind::Count),
            ("clusters", Kind::Range),
            ("relevance", Kind::Word(&["epsilon", "gamma", "alpha_beta", "z_plus"])),
            ("eps", Kind::Number),
            ("bias", Kind::Word(&["spread", "absorb"])),
            ("stabiliser", Kind::Word(&["spread", "plain"])),
            ("zeros", Kind::Word(&["keep", "drop"])),
            ("task", Kind::Word(&["classification", "regression"])),
            ("fallback", Kind::Word(&["none", "gradient"])),
        ],
    ),
    any_number(on_layers("lsa", &[ON_SINGULAR])),
    any_number(on_layers("dsa", &[])),
    any_number(on_layers("mdsa", &[])),
    on_layers("lsc", &[BUCKETS, LOWER, UPPER, ON_SINGULAR]),
    on_layers("dsc", &[BUCKETS, LOWER, UPPER]),
    on_layers("mdsc", &[BUCKETS, LOWER, UPPER]),
    on_layers("src", &[UNTRUSTED]),
    on_layers("src_in_range", &[UNTRUSTED]),
    on_layers("mrc", &[("q", Kind::Count), UNTRUSTED]),
    on_layers("topk", &[("k", Kind::Count), UNTRUSTED]),
    on_layers("knn", &[("k", Kind::Count), UNTRUSTED]),
    of_answers("accuracy", &[]),
    of_answers("ece", &[]),
    of_answers("high_confidence", &[("threshold", Kind::Distance)]),
];

const fn on_layers(name: &'static str, parameters: &'static [(&'static str, Kind)]) -> Criterion {
    Criterion { name, parameters, observes_layers: true, is_share: true }
}

const fn of_answers(name: &'static str, parameters: &'static [(&'static str, Kind)]) -> Criterion {
    Criterion { observes_layers: false, ..on_layers(name, parameters) }
}

/// One whose value is no share.
const fn any_number(criterion: Criterion) -> Criterion {
    Criterion { is_share: false, ..criterion }
}

impl Criterion {
    /// The criterion of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        CRITERIA.iter().find(|criterion| criterion.name == name)
    }

    /// Whether it looks at layers, so that they can be chosen.
    pub fn observes_layers(&self) -> bool {
        self.observes_layers
    }

    /// Its parameters, those all criteria share last.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        let common = if self.observes_layers { COMMON } else { &[] };
        self.parameters.iter().chain(common).copied()
    }
}
