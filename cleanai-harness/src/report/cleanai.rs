//! The report of the CleanAI library: the same sections, tables, columns and rounding, filled from the criteria of `cleanai::`.
//!
//! Here is what it says; [`super::pdf`] draws it. The words are our own, also where the library's describe another quantity than
//! the one it counts.

use std::collections::BTreeMap;

use crate::Result;
use crate::criteria::registry;
use crate::declare::{CriterionSpec, Value};
use crate::measure::{CriterionResult, Measurement};

/// Parameters of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Threshold of `cleanai::tc`.
    pub threshold: f64,
    /// Threshold of `cleanai::value` and of pairs.
    pub value_threshold: f64,
    /// How many units of a layer `cleanai::tknc` adds up.
    pub top_k: u64,
    /// Intervals of `cleanai::mnc`.
    pub intervals: Vec<(f64, f64)>,
    /// Whether there is the section of `cleanai::ss`, `sv`, `vs` and `vv`.
    pub pairs: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let intervals = [(0.0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5)];
        Self { threshold: 0.75, value_threshold: 0.75, top_k: 3, intervals: intervals.into(), pairs: true }
    }
}

/// The library's words for pairs, in its order.
const PAIRS: [(&str, &str); 4] = [
    ("cleanai::ss", "Sign-Sign Coverage"),
    ("cleanai::sv", "Sign-Value Coverage"),
    ("cleanai::vs", "Value-Sign Coverage"),
    ("cleanai::vv", "Value-Value Coverage"),
];

impl Settings {
    /// The criteria that the report shows.
    ///
    /// ```
    /// use cleanai_harness::report::cleanai::Settings;
    ///
    /// let criteria = Settings { pairs: false, ..Settings::default() }.criteria();
    /// assert_eq!(criteria.len(), 7);
    /// assert_eq!(criteria[1].to_string(), "cleanai::tc(threshold=0.75)");
    /// ```
    pub fn criteria(&self) -> Vec<CriterionSpec> {
        let singles = ["nc", "tc", "sign", "value", "tknc", "nbc", "mnc"].map(|name| format!("cleanai::{name}"));
        let pairs = PAIRS.iter().filter(|_| self.pairs).map(|(name, _)| (*name).to_owned());
        singles.into_iter().chain(pairs).map(|name| self.spec(&name)).collect()
    }

    /// Whether the criteria accept these parameters.
    ///
    /// # Errors
    /// The first that is refused, with its parameter.
    pub fn check(&self) -> Result<()> {
        self.criteria().iter().try_for_each(|spec| registry::criterion(spec).map(drop))
    }

    /// The criterion of this name with the parameters of the report.
    fn spec(&self, name: &str) -> CriterionSpec {
        let interval = |(from, to): &(f64, f64)| Value::List(vec![Value::Number(*from), Value::Number(*to)]);
        let parameter = match name {
            "cleanai::tc" => Some(("threshold", Value::Number(self.threshold))),
            "cleanai::tknc" => Some(("k", Value::Integer(i64::try_from(self.top_k).unwrap_or(i64::MAX)))),
            "cleanai::mnc" => Some(("intervals", Value::List(self.intervals.iter().map(interval).collect()))),
            "cleanai::nc" | "cleanai::sign" | "cleanai::nbc" => None,
            _ => Some(("threshold", Value::Number(self.value_threshold))),
        };
        let mut spec = CriterionSpec::named(name);
        spec.parameters.extend(parameter.map(|(name, value)| (name.to_owned(), value)));
        spec
    }
}

/// What [`crate::measure::analyse`] finds out for a report of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Parameters of the report.
    pub settings: Settings,
    /// The first two drawn inputs, with boundaries from the several inputs or a profile set.
    pub pair: Measurement,
    /// `cleanai::nc` over the several inputs.
    pub several: Measurement,
    /// What was drawn.
    pub draw: Draw,
}

/// Inputs drawn from a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// The seed.
    pub seed: u64,
    /// Inputs of the data set.
    pub of: usize,
    /// Names of the first two inputs.
    pub pair: [String; 2],
    /// Names of the several inputs.
    pub several: Vec<String>,
    /// How many were asked for.
    pub wanted: usize,
    /// Whether all drawn inputs are different.
    pub distinct: bool,
}

/// A section: a title, a few sentences, a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Section {
    pub title: String,
    pub text: String,
    pub columns: &'static [&'static str],
    pub rows: Vec<Vec<String>>,
}

/// Where the sections take their figures from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'m> {
    pub settings: &'m Settings,
    pub measurement: &'m Measurement,
    /// Figures of the pair of inputs by canonical criterion text.
    pub criteria: &'m BTreeMap<String, CriterionResult>,
    /// `cleanai::nc` over several inputs.
    pub several: &'m CriterionResult,
    /// Whose ranges the boundary section reads.
    pub boundary_inputs: usize,
    /// Whether these are a profile set rather than the several inputs.
    pub has_profile: bool,
}

impl<'m> Sources<'m> {
    /// Those of a test, measured in its own pass; `None` where the model has no activation modules.
    pub fn of_test(measurement: &'m Measurement, settings: &'m Settings) -> Option<Self> {
        let criteria = &measurement.report.as_ref()?.criteria;
        Some(Self {
            settings,
            measurement,
            criteria,
            several: criteria.get("cleanai::nc")?,
            boundary_inputs: measurement.data.profile_inputs.unwrap_or(0),
            has_profile: true,
        })
    }

    fn result(&self, name: &str) -> Option<&'m CriterionResult> {
        self.criteria.get(&self.settings.spec(name).to_string())
    }

    /// All sections, in the library's order; those without figures are left out.
    pub fn sections(&self) -> Vec<Section> {
        let sections = [
            self.model(),
            self.one_input(),
            Some(self.several_inputs()),
            self.threshold(),
            self.sign_and_value(),
            self.pairs(),
            self.top_k(),
            self.boundary(),
            self.multisection(),
        ];
        sections.into_iter().flatten().collect()
    }

    /// The name of one of the first two inputs in quotes.
    fn input(&self, which: usize) -> String {
        let names = self.result("cleanai::sign").and_then(|result| result.details.get("inputs"));
        let name = names.and_then(|names| names.get(which)).and_then(serde_json::Value::as_str);
        let unnamed = || format!("number {} of the data", which + 1);
        name.map_or_else(unnamed, |name| format!("'{name}'"))
    }

    fn model(&self) -> Option<Section> {
        let model = &self.measurement.model;
        let modules = self.several.details.get("modules")?;
        Some(Section {
            title: "Model Informations".into(),
            text: "Layers are all modules of the model in the order in which they were registered, the model itself being Layer 0; \
                   the tables below show those that are activation functions. A neuron is a single unit of such a layer's output."
                .into(),
            columns: &["", "Model name", "Total params", "Number of layers"],
            rows: vec![vec![
                "Informations".into(),
                model.path.clone(),
                model.parameters.to_string(),
                modules.to_string(),
            ]],
        })
    }

    fn one_input(&self) -> Option<Section> {
        let result = self.result("cleanai::nc")?;
        let mean = |name: &str| {
            let mean =
                result.details.get("means").and_then(|means| means.get(name)).and_then(serde_json::Value::as_f64);
            mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.2}"))
        };
        let mut rows = layer_rows(result);
        for (row, layer) in rows.iter_mut().zip(&result.layers) {
            row.push(mean(&layer.name));
        }
        Some(Section {
            title: "Coverage Values of Layers (For Only One Input)".into(),
            text: format!(
                "A neuron is covered if its value is greater than the mean of its layer, for the input {}. The coverage value of a \
                 layer is its covered neurons divided by all of its neurons.",
                self.input(0)
            ),
            columns: &[
                "Layer Index",
                "Activation Function",
                "Number of Covered Neurons",
                "Number of Total Neurons",
                "Coverage Value",
                "Mean of Layer",
            ],
            rows,
        })
    }

    fn several_inputs(&self) -> Section {
        let inputs = count(self.several, "inputs");
        Section {
            title: format!("Coverage Values of Layers (For Multiple Inputs) {inputs} Inputs"),
            text: format!(
                "The same count for {inputs} inputs, added up over inputs: a neuron counts once for every input that covers it, and the \
                 total has every neuron as often as there are inputs."
            ),
            columns: &["Layer index", "Number of covered neurons", "Number of total neurons", "Coverage value"],
            rows: vec![row("All model", self.several.covered, self.several.total)],
        }
    }

    fn threshold(&self) -> Option<Section> {
        let threshold = self.settings.threshold;
        Some(Section {
            title: format!("Threshold Coverage Values of Layers (TH = {threshold})"),
            text: format!(
                "A neuron is covered if its value is greater than {threshold}, for the input {}. The last row adds all layers up.",
                self.input(0)
            ),
            columns: &[
                "Layer index",
                "Activation function",
                "Number of covered neurons",
                "Number of total neurons",
                "Coverage value",
            ],
            rows: layer_rows(self.result("cleanai::tc")?),
        })
    }

    fn sign_and_value(&self) -> Option<Section> {
        let (sign, value) = (self.result("cleanai::sign")?, self.result("cleanai::value")?);
        let threshold = self.settings.value_threshold;
        Some(Section {
            title: format!("Sign Coverage and Value Coverage (TH = {threshold}) Values of Model"),
            text: format!(
                "Every neuron has one value for {} and one for {}. Sign coverage counts the neurons whose two values do not have a \
                 positive product; a neuron that is 0 for either input is among them. Value coverage counts those whose two values \
                 differ by more than {threshold}.",
                self.input(0),
                self.input(1)
            ),
            columns: &["Coverage Metric", "Number of covered neurons", "Number of total neurons", "Coverage value"],
            rows: vec![
                row("Sign Coverage", sign.covered, sign.total),
                row("Value Coverage", value.covered, value.total),
            ],
        })
    }

    fn pairs(&self) -> Option<Section> {
        let rows = PAIRS.iter().map(|(name, shown)| self.result(name).map(|own| row(shown, own.covered, own.total)));
        let threshold = self.settings.value_threshold;
        Some(Section {
            title: format!("SS, SV, VS and VV Coverage (TH = {threshold}) Values of Model"),
            text: format!(
                "A pair is a neuron and a neuron of the next layer, each compared between {} and {}. In the first two rows the left \
                 neuron is the only one of its layer whose sign changes; in the last two its value changes by more than \
                 {threshold}, and no other neuron of its layer changes its sign. The right neuron changes its sign in the first and \
                 third row; in the others it keeps its sign and changes its value, by more than {threshold} in the second and 0.05 in \
                 the fourth.",
                self.input(0),
                self.input(1)
            ),
            columns: &[
                "Coverage Metric",
                "Number of covered neuron pairs",
                "Number of total neuron pairs",
                "Coverage value",
            ],
            rows: rows.collect::<Option<_>>()?,
        })
    }

    fn top_k(&self) -> Option<Section> {
        let result = self.result("cleanai::tknc")?;
        let k = self.settings.top_k;
        let sum = result.details.get("first_input_sum")?.as_f64()?;
        let selected = k.saturating_mul(result.layers.len() as u64);
        Some(Section {
            title: format!("Top-K Neuron Coverage (K = {k}) Value of Model"),
            text: format!(
                "The {k} largest values of every layer for the input {}, added up and divided by their number. This is the size of \
                 the strongest activations and no share of anything: it can be larger than 1.",
                self.input(0)
            ),
            columns: &["Coverage Metric", "TKNC Sum", "Number of Selected Neurons", "Mean of Top-K Neurons"],
            rows: vec![vec![
                "Top-K Neuron Coverage".into(),
                format!("{sum:.2}"),
                selected.to_string(),
                format!("{:.2}", sum / selected.max(1) as f64),
            ]],
        })
    }

    fn boundary(&self) -> Option<Section> {
        let (covered, total) = first_input(self.result("cleanai::nbc")?);
        let inputs = self.boundary_inputs;
        let whose = if self.has_profile {
            format!("the {inputs} inputs of the profile set")
        } else {
            format!("the {inputs} inputs")
        };
        Some(Section {
            title: format!("Neuron Boundary Coverage Value of Model (For {inputs} Inputs)"),
            text: format!(
                "Each layer has one range, from the smallest to the largest value that any of its neurons has for {whose}. Counted are \
                 the neurons that lie outside the range of their layer for the input {}.",
                self.input(0)
            ),
            columns: &["Coverage Metric", "NBC Counter", "Number of Total Neurons", "Neuron Boundary Coverage"],
            rows: vec![row("Neuron Boundary Coverage", Some(covered), Some(total))],
        })
    }

    fn multisection(&self) -> Option<Section> {
        let result = self.result("cleanai::mnc")?;
        let (_, total) = first_input(result);
        let counts = result.details.get("first_input_intervals")?.as_array()?;
        let rows = self.settings.intervals.iter().zip(counts);
        Some(Section {
            title: "Multisection Neuron Coverage Value of Model".into(),
            text: format!(
                "How many neurons have a value in each interval for the input {}. Both ends belong to an interval, and values are \
                 compared exactly: the model's own number nearest to 0.1 is a little larger than 0.1. Neurons whose value lies in no \
                 interval are not counted.",
                self.input(0)
            ),
            columns: &["Threshold Intervals", "MNC Counter", "Number of Total Neurons", "Multisection Neuron Coverage"],
            rows: rows.map(|((from, to), count)| row(&format!("{from} - {to}"), count.as_u64(), Some(total))).collect(),
        })
    }
}

/// A row per layer for the first input, and one for all of them.
fn layer_rows(result: &CriterionResult) -> Vec<Vec<String>> {
    let of = |detail: &str, layer: &str| result.details.get(detail).and_then(|all| all.get(layer));
    let mut rows: Vec<Vec<String>> = result
        .layers
        .iter()
        .map(|layer| {
            let index = of("layer_index", &layer.name).map_or_else(|| "-".to_owned(), ToString::to_string);
            let class = of("layer_class", &layer.name).and_then(serde_json::Value::as_str).unwrap_or("-");
            let counts = of("first_input", &layer.name);
            let number = |key: &str| counts.and_then(|counts| counts.get(key)).and_then(serde_json::Value::as_u64);
            with_class(row(&format!("Layer {index}"), number("covered"), number("total")), class)
        })
        .collect();
    let (covered, total) = first_input(result);
    rows.push(with_class(row("All model", Some(covered), Some(total)), "-"));
    rows
}

fn with_class(mut row: Vec<String>, class: &str) -> Vec<String> {
    row.insert(1, class.to_owned());
    row
}

/// Covered and all neurons of the first input.
fn first_input(result: &CriterionResult) -> (u64, u64) {
    let layers = result.details.get("first_input").and_then(serde_json::Value::as_object);
    let sum = |key: &str| {
        let counts = layers.into_iter().flat_map(|layers| layers.values());
        counts.filter_map(|counts| counts.get(key)?.as_u64()).sum()
    };
    (sum("covered"), sum("total"))
}

fn count(result: &CriterionResult, detail: &str) -> u64 {
    result.details.get(detail).and_then(serde_json::Value::as_u64).unwrap_or(0)
}

/// `[name, covered, total, share]`
fn row(name: &str, covered: Option<u64>, total: Option<u64>) -> Vec<String> {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let share = match (covered, total) {
        (Some(covered), Some(total)) if total > 0 => format!("{:.2}%", covered as f64 / total as f64 * 100.0),
        _ => "-".to_owned(),
    };
    vec![name.to_owned(), number(covered), number(total), share]
}
