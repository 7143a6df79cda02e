//! What some criteria report beside their figures, read back from [`CriterionResult::details`]. Another criterion may have a detail of the same
//! name and another form: then it is none of these.

use serde::Deserialize;
use serde_json::Value;

use super::text;
use crate::measure::CriterionResult;

/// The details that are read here, where they have the form they should have.
#[derive(Debug, Default)]
pub(crate) struct Details<'a> {
    /// Of `idc`: important neurons by layer.
    pub importance: Vec<(&'a str, ImportantLayer)>,
    /// Of surprise: classes by their names.
    pub classes: Vec<(&'a str, SurpriseClass)>,
    /// Of monitors.
    pub monitor: Option<Monitor>,
    /// Of `ece`.
    pub bins: Vec<Bin>,
    /// All others, as name and text.
    pub others: Vec<(String, String)>,
}

/// Important neurons of a layer, and combinations of their clusters.
#[derive(Debug, Deserialize)]
pub(crate) struct ImportantLayer {
    pub neurons: Vec<ImportantNeuron>,
    pub covered: u64,
    pub reachable: u64,
    pub reachable_covered: u64,
    /// Numbers, or text where they are larger than a number of JSON.
    uncovered: Value,
    combinations: Value,
    pub wanted: Vec<Wanted>,
    pub inputs: u64,
}

/// An important neuron.
#[derive(Debug, Deserialize)]
pub(crate) struct ImportantNeuron {
    pub neuron: u64,
    pub relevance: f64,
    pub share: f64,
    centroids: Vec<f64>,
    sizes: Vec<u64>,
    bounds: Vec<f64>,
    pub silhouette: f64,
    histogram: Histogram,
}

#[derive(Debug, Deserialize)]
struct Histogram {
    low: f64,
    high: f64,
    counts: Vec<u64>,
}

/// A combination that profile inputs give and no test input does.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    pub clusters: Vec<u64>,
    pub profile_inputs: u64,
}

/// A class that surprise was measured in.
#[derive(Debug, Deserialize)]
pub(crate) struct SurpriseClass {
    pub inputs: u64,
    pub profile_inputs: u64,
    pub mean: Option<f64>,
    pub covered: Option<u64>,
    pub shrinkage: Option<f64>,
}

/// What a monitor accepts, class by class, and how much is in range, layer by layer.
#[derive(Debug, Deserialize)]
pub(crate) struct Monitor {
    #[serde(default)]
    pub classes: Vec<MonitorClass>,
    #[serde(default)]
    pub layers: Vec<MonitorLayer>,
}

/// A predicted class of a monitor.
#[derive(Debug, Deserialize)]
pub(crate) struct MonitorClass {
    pub class: u64,
    pub trusted: u64,
    pub tau: Option<f64>,
    pub inputs: u64,
}

/// Shares of values in the range of the predicted class.
#[derive(Debug, Deserialize)]
pub(crate) struct MonitorLayer {
    pub layer: String,
    pub in_range: Option<f64>,
    pub in_range_trusted: Option<f64>,
    pub in_range_untrusted: Option<f64>,
}

/// Inputs whose confidence lies between two edges.
#[derive(Debug, Deserialize)]
pub(crate) struct Bin {
    pub lower: f64,
    pub upper: f64,
    pub inputs: u64,
    pub accuracy: Option<f64>,
    pub mean_confidence: Option<f64>,
}

/// Classes are listed in the order of their numbers, those without a number last.
pub(crate) fn by_number(class: &str) -> u64 {
    class.parse().unwrap_or(u64::MAX)
}

/// Stands for the `tau` of a class that has none.
pub(crate) const ACCEPTS_NOTHING: &str = "none: accepts nothing";

/// No more bins are shown.
const MOST_BINS: usize = 100;

impl ImportantNeuron {
    /// Each cluster's centroid and how many profile inputs it has: `1.25 (640)`.
    pub fn clusters(&self) -> impl Iterator<Item = String> + '_ {
        let each = self.centroids.iter().zip(&self.sizes);
        each.map(|(centroid, size)| format!("{} ({})", short(*centroid), text::grouped(*size)))
    }

    /// Its relevance as a share of the layer's, with its sign: `-4.9 %`.
    pub fn signed_share(&self) -> String {
        format!("{:.1} %", self.share.copysign(self.relevance) * 100.0)
    }

    /// Counts of values with the cluster that the middle of each bar is in.
    pub fn bars(&self) -> Vec<(u64, usize)> {
        let Histogram { low, high, counts } = &self.histogram;
        let cluster = |at: usize| {
            let middle = low + (high - low) * (at as f64 + 0.5) / counts.len() as f64;
            self.bounds.iter().filter(|bound| **bound < middle).count()
        };
        counts.iter().enumerate().map(|(at, count)| (*count, cluster(at))).collect()
    }
}

/// Three digits.
fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if !(0.01..1000.0).contains(&size) => format!("{number:.1e}"),
        size if size < 1.0 => format!("{number:.3}"),
        size if size < 10.0 => format!("{number:.2}"),
        _ => format!("{number:.1}"),
    }
}

impl ImportantLayer {
    /// Its neurons, each with the length of its bar: the longest is the most important one's, since shares of many neurons are small.
    pub fn with_bars(&self) -> impl Iterator<Item = (&ImportantNeuron, Option<f64>)> {
        let most = self.neurons.iter().map(|neuron| neuron.share).fold(0.0, f64::max);
        self.neurons.iter().map(move |neuron| (neuron, (most > 0.0).then_some(neuron.share / most)))
    }

    /// What is covered, in a sentence.
    pub fn sentence(&self) -> String {
        let count = |number: &Value| number.as_u64().map_or_else(|| text::detail(number), text::grouped);
        format!(
            "{} of {} combinations of clusters are covered, {} are not. {} give {} of them, of which {} are covered.",
            text::grouped(self.covered),
            count(&self.combinations),
            count(&self.uncovered),
            text::counted(self.inputs, "profile input", "profile inputs"),
            text::grouped(self.reachable),
            text::grouped(self.reachable_covered),
        )
    }
}

impl MonitorLayer {
    /// Whether untrusted inputs can be told from trusted ones here: what is as much in range cannot.
    pub fn tells_apart(&self) -> bool {
        self.in_range_untrusted < self.in_range_trusted
    }
}

/// A share as monitors give it, `98.05 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

impl Bin {
    /// Its edges, `[0.8, 0.9)`; only the last of all has its upper one, too.
    pub fn interval(&self, is_last: bool) -> String {
        format!("[{}, {}{}", self.lower, self.upper, if is_last { ']' } else { ')' })
    }

    /// Its accuracy less its mean confidence, with its sign.
    pub fn difference(&self) -> String {
        let difference = self.accuracy.zip(self.mean_confidence).map(|(accuracy, confidence)| accuracy - confidence);
        difference.map_or_else(|| "-".to_owned(), |difference| format!("{difference:+.4}"))
    }

    /// Whether it can be drawn: a file may hold anything.
    fn is_sound(&self) -> bool {
        let share = |number: f64| (0.0..=1.0).contains(&number);
        let shares = [Some(self.lower), Some(self.upper), self.accuracy, self.mean_confidence];
        self.lower < self.upper && shares.into_iter().flatten().all(share)
    }
}

impl<'a> Details<'a> {
    /// Those of a result.
    pub fn of(result: &'a CriterionResult) -> Self {
        let detail = |name: &str| result.details.get(name);
        let importance = detail("importance").and_then(|all| {
            let layer = |name: &'a str| Some((name, ImportantLayer::deserialize(all.get(name)?).ok()?));
            result.layers.iter().map(|own| layer(&own.name)).collect::<Option<Vec<_>>>()
        });
        let classes = detail("predicted_classes").and_then(Value::as_object).and_then(|all| {
            let class = |(name, own): (&'a String, _)| Some((name.as_str(), SurpriseClass::deserialize(own).ok()?));
            let mut classes = all.iter().map(class).collect::<Option<Vec<_>>>()?;
            classes.sort_by_key(|(name, _)| by_number(name));
            Some(classes)
        });
        let monitor = detail("monitor").and_then(|all| Monitor::deserialize(all).ok());
        let monitor = monitor.filter(|monitor| !monitor.classes.is_empty() || !monitor.layers.is_empty());
        let bins = detail("bins").and_then(Value::as_array).filter(|bins| bins.len() <= MOST_BINS).and_then(|bins| {
            bins.iter().map(|bin| Bin::deserialize(bin).ok().filter(Bin::is_sound)).collect::<Option<Vec<_>>>()
        });
        let (importance, classes, bins) =
            (importance.unwrap_or_default(), classes.unwrap_or_default(), bins.unwrap_or_default());
        let is_read = |name: &str| match name {
            "importance" => !importance.is_empty(),
            "predicted_classes" => !classes.is_empty(),
            "monitor" => monitor.is_some(),
            "bins" => !bins.is_empty(),
            // One for each bin, for requirements to name.
            _ => !bins.is_empty() && name.strip_prefix("bin_").is_some_and(|number| number.parse::<usize>().is_ok()),
        };
        let others = result.details.iter().filter(|(name, _)| !is_read(name));
        let others = others.map(|(name, value)| (name.replace('_', " "), text::detail(value))).collect();
        Self { importance, classes, monitor, bins, others }
    }
}

/// What a monitor accepts, in a sentence or two; nothing where it does not say.
pub(crate) fn acceptance(result: &CriterionResult) -> Option<String> {
    let share = |name: &str| result.details.get(name).and_then(Value::as_f64);
    let rates = [
        ("acceptance_rate", "of the test inputs"),
        ("trusted_acceptance_rate", "of the trusted profile inputs, each left out of its own signature"),
        ("untrusted_acceptance_rate", "of the untrusted inputs"),
    ];
    let parts = rates.into_iter().filter_map(|(name, of)| Some(format!("{} {of}", percent(share(name)?))));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return None;
    }
    let mut sentence = format!("It accepts {}.", parts.join(", "));
    if let (Some(auroc), Some(found)) = (share("auroc"), share("tpr_at_5_fpr")) {
        sentence += &format!(
            " It parts untrusted from test inputs with an AUROC of {auroc:.4}, and finds {} of them with 5 % false alarms.",
            percent(found)
        );
    }
    if let (Some(all), Some(accepted)) = (share("accuracy"), share("accuracy_accepted")) {
        sentence += &format!(
            " The model is right on {} of all and {} of the accepted inputs.",
            percent(all),
            percent(accepted)
        );
    }
    Some(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn centroids_have_three_digits() {
        assert_eq!(
            [0.0, 0.1234, 1.234, 123.4, 12_345.0, -0.001].map(short),
            ["0", "0.123", "1.23", "123.4", "1.2e4", "-1.0e-3"]
        );
    }

    #[test]
    fn details_of_the_known_form_are_read() {
        let outcome = sample::important();
        let criteria = outcome.measurement.unwrap().criteria;
        let idc = Details::of(&criteria["idc(m=6)"]);
        assert_eq!((idc.importance[0].0, idc.importance[0].1.neurons.len()), ("fc.fc2_relu", 6));
        assert_eq!(idc.importance[0].1.neurons[0].bars().len(), 24);
        assert!(idc.importance[0].1.sentence().starts_with("97 of 288 combinations of clusters are covered, 191 are"));
        assert_eq!(idc.others, [("skipped inputs".to_owned(), "0".to_owned())]);
        let criteria = sample::calibrated().measurement.unwrap().criteria;
        let ece = Details::of(&criteria["ece"]);
        assert_eq!(ece.bins.len(), 6);
        assert_eq!(ece.others, [("without confidence".to_owned(), "0".to_owned())]);
        let criteria = sample::surprising().measurement.unwrap().criteria;
        let names: Vec<_> = Details::of(&criteria["dsc"]).classes.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(names, ["0", "3", "10"], "by number");
    }

    #[test]
    fn what_has_another_form_is_a_text() {
        let mut result = sample::important().measurement.unwrap().criteria.remove("idc(m=6)").unwrap();
        result.details = ["importance", "predicted_classes", "monitor", "bins"]
            .map(|name| (name.to_owned(), serde_json::json!({ "fc.fc2_relu": 3 })))
            .into();
        result.details.insert("bin_1".to_owned(), 0.5.into());
        let details = Details::of(&result);
        assert!(details.importance.is_empty() && details.classes.is_empty() && details.bins.is_empty());
        assert!(details.monitor.is_none());
        assert_eq!(details.others.len(), 5);
        result.details.insert("bins".to_owned(), serde_json::json!([{ "lower": 2.0, "upper": 1.0, "inputs": 0 }]));
        assert!(Details::of(&result).bins.is_empty());
    }
}
