//! The figures of a result that requirements, baselines and test bodies name.

use crate::declare::nearest::{listed, nearest};
use crate::declare::{Figure, Requirement};

use super::{CriterionResult, Measurement, OtherModel};

impl OtherModel {
    /// What another model measured: the values of all criteria, and the further figures that these requirements name.
    pub fn of(measurement: &Measurement, requirements: &[Requirement]) -> Self {
        let values = measurement.criteria.iter().map(|(criterion, result)| (criterion.clone(), result.value));
        let named = requirements.iter().filter(|requirement| requirement.figure.is_some()).map(|requirement| {
            let result = measurement.criteria.get(&requirement.criterion.to_string());
            let figure = result.and_then(|result| result.figure(requirement.figure.as_ref()).ok());
            (requirement.subject(), figure)
        });
        Self {
            path: measurement.model.path.clone(),
            sha256: measurement.model.sha256.clone(),
            figures: values.chain(named).collect(),
        }
    }
}

impl CriterionResult {
    /// The value, or another figure of it.
    ///
    /// # Errors
    /// Why there is no such number, as a clause about the criterion: `there was nothing to cover`.
    ///
    /// ```
    /// # fn show(result: &cleanai_harness::measure::CriterionResult) -> Result<(), String> {
    /// use cleanai_harness::declare::{Aggregate, Figure};
    /// println!("{} of the worst class", result.figure(Some(&Figure::PerClass(Aggregate::Min)))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn figure(&self, figure: Option<&Figure>) -> Result<f64, String> {
        let counts = || self.covered.zip(self.total).ok_or_else(|| "it counts nothing out of a total".to_owned());
        match figure {
            None => self.value.ok_or_else(|| "there was nothing to cover".to_owned()),
            Some(Figure::Covered) => counts().map(|(covered, _)| covered as f64),
            Some(Figure::Uncovered) => counts().map(|(covered, total)| total.saturating_sub(covered) as f64),
            Some(Figure::PerClass(_)) if self.classes.is_empty() => {
                Err("it has no values of classes: that takes labels, and a criterion that can tell".to_owned())
            }
            Some(Figure::PerClass(aggregate)) => aggregate
                .of(self.classes.values().filter_map(|class| class.value))
                .ok_or_else(|| "no class had anything to cover".to_owned()),
            Some(Figure::PerLayer(_)) if self.layers.is_empty() => Err("it has no values of single layers".to_owned()),
            Some(Figure::PerLayer(aggregate)) => aggregate
                .of(self.layers.iter().filter_map(|layer| layer.value))
                .ok_or_else(|| "no layer had anything to cover".to_owned()),
            Some(Figure::Detail(name)) => {
                let number = self.details.get(name).and_then(serde_json::Value::as_f64);
                number.ok_or_else(|| self.missing(name))
            }
        }
    }

    fn missing(&self, figure: &str) -> String {
        let numbers = self.details.iter().filter(|(_, value)| value.is_number());
        let known: Vec<&str> = numbers.map(|(name, _)| name.as_str()).collect();
        if self.details.contains_key(figure) {
            return format!("its figure `{figure}` is not a number");
        }
        match nearest(figure, known.iter().copied()) {
            _ if known.is_empty() => format!("it has no figure `{figure}`, only its value"),
            Some(near) => format!("it has no figure `{figure}`; did you mean `{near}`?"),
            None => format!("it has no figure `{figure}`; it has {}", listed(known)),
        }
    }
}
