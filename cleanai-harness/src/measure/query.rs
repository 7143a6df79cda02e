//! Reading a measurement by the criteria's names, for the bodies of tests.

use crate::body::Failed;
use crate::criteria::LayerFigures;
use crate::declare::nearest::listed;
use crate::declare::{Figure, criterion_and_figure};

use super::{CriterionResult, Measurement};

impl Measurement {
    /// The figures of a criterion, by its text (`kmnc(k=1000)`, `nc@conv2`) however it is spaced.
    ///
    /// # Errors
    /// If the text is malformed, names a single figure, or was not measured (the error lists what was).
    pub fn criterion(&self, criterion: &str) -> Result<&CriterionResult, Failed> {
        match self.find(criterion)? {
            (result, None) => Ok(result),
            (_, Some(figure)) => Err(Failed::from(format!(
                "`{criterion}` is one figure; ask for it by `value`, or leave out `.{figure}`"
            ))),
        }
    }

    /// The value of a criterion, or another figure of it (`src.auroc`, `kmnc(k=100).per_class(min)`).
    ///
    /// # Errors
    /// As [`Measurement::criterion`], if there was nothing to cover, or if there is no such figure.
    pub fn value(&self, criterion: &str) -> Result<f64, Failed> {
        let (result, figure) = self.find(criterion)?;
        result.figure(figure.as_ref()).map_err(|why| match figure {
            None => Failed::from(format!("`{criterion}` has no value: {why}")),
            Some(_) => Failed::from(format!("`{criterion}`: {why}")),
        })
    }

    /// The values of a criterion layer by layer, those layers left out that have nothing to cover.
    ///
    /// # Errors
    /// As [`Measurement::criterion`], or if no layer has a value.
    pub fn layers(&self, criterion: &str) -> Result<LayerValuesView<'_>, Failed> {
        let layers: Vec<_> = self.criterion(criterion)?.layers.iter().filter_map(LayerValue::of).collect();
        match layers.split_first() {
            Some((&first, rest)) => Ok(LayerValuesView { first, rest: rest.to_vec() }),
            None => Err(Failed::from(format!("`{criterion}` has no values of single layers"))),
        }
    }

    fn find(&self, text: &str) -> Result<(&CriterionResult, Option<Figure>), Failed> {
        let (criterion, figure) = criterion_and_figure(text).map_err(|error| error.into_error(text))?;
        let canonical = criterion.to_string();
        match self.criteria.get(&canonical) {
            Some(result) => Ok((result, figure)),
            None => Err(Failed::from(format!(
                "`{canonical}` was not measured; measured: {}",
                listed(self.criteria.keys().map(String::as_str))
            ))),
        }
    }
}

/// One layer's value of a criterion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerValue<'m> {
    /// The layer's name.
    pub name: &'m str,
    /// The value.
    pub value: f64,
    /// What was covered, for criteria that count.
    pub covered: Option<u64>,
    /// Of how many.
    pub total: Option<u64>,
}

impl<'m> LayerValue<'m> {
    fn of(figures: &'m LayerFigures) -> Option<Self> {
        let value = figures.value?;
        Some(Self { name: &figures.name, value, covered: figures.covered, total: figures.total })
    }
}

/// The values of a criterion in every layer that has one, in execution order; at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerValuesView<'m> {
    first: LayerValue<'m>,
    rest: Vec<LayerValue<'m>>,
}

impl<'m> LayerValuesView<'m> {
    /// The layers, in execution order.
    pub fn iter(&self) -> impl Iterator<Item = LayerValue<'m>> + '_ {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }

    /// The layer with the least value, the first of equals.
    pub fn min_by_value(&self) -> LayerValue<'m> {
        self.rest.iter().fold(self.first, |least, &layer| if layer.value < least.value { layer } else { least })
    }

    /// The layer with the largest value, the first of equals.
    pub fn max_by_value(&self) -> LayerValue<'m> {
        self.rest.iter().fold(self.first, |most, &layer| if layer.value > most.value { layer } else { most })
    }
}

impl<'m> IntoIterator for LayerValuesView<'m> {
    type Item = LayerValue<'m>;
    type IntoIter = std::iter::Chain<std::iter::Once<LayerValue<'m>>, std::vec::IntoIter<LayerValue<'m>>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measure::{DataFacts, ModelFacts, Seconds, Settings};

    fn measurement() -> Measurement {
        let layer = |name: &str, value| LayerFigures { name: name.into(), value, covered: Some(1), total: Some(4) };
        let result = |value, layers| CriterionResult {
            value,
            covered: None,
            total: None,
            layers,
            classes: BTreeMap::new(),
            contributions: Vec::new(),
            leading: Vec::new(),
            neurons: Vec::new(),
            ranked: None,
            per_input: Default::default(),
            pictures: Vec::new(),
            details: BTreeMap::from([("auroc".to_owned(), 0.75.into()), ("words".to_owned(), "no number".into())]),
            direction: Default::default(),
        };
        Measurement {
            schema: 1,
            model: ModelFacts {
                path: "m.pt".into(),
                sha256: String::new(),
                format: "torchscript".into(),
                parameters: 0,
                layers: vec![],
            },
            data: DataFacts {
                path: "d".into(),
                inputs: 1,
                skipped: 0,
                shape: vec![1],
                profile: None,
                profile_inputs: None,
                profile_skipped: None,
                augmented: Vec::new(),
                transform: String::new(),
            },
            settings: Settings {
                device: "cpu".into(),
                batch: 1,
                layers: "default".into(),
                neurons: Default::default(),
                libtorch: "2.13.0".into(),
                cleanai: "0.1.0".into(),
                non_finite_skipped: 0,
                overridden: Vec::new(),
            },
            criteria: BTreeMap::from([
                (
                    "kmnc(k=1000)".to_owned(),
                    result(
                        Some(0.5),
                        vec![
                            layer("a", Some(0.5)),
                            layer("dead", None),
                            layer("b", Some(0.25)),
                            layer("c", Some(0.25)),
                        ],
                    ),
                ),
                ("nc".to_owned(), result(None, vec![])),
            ]),
            report: None,
            against: None,
            seconds: Seconds::default(),
            names: Default::default(),
            cached: None,
        }
    }

    #[test]
    fn finds_whatever_the_spelling() {
        let m = measurement();
        assert_eq!(m.value("kmnc( k = 1000 )"), Ok(0.5));
        assert_eq!(m.value("kmnc(k=1000).auroc"), Ok(0.75));
        assert_eq!(m.criterion("nc()").unwrap().value, None);
        let layers = m.layers("kmnc(k=1000)").unwrap();
        assert_eq!(layers.min_by_value().name, "b");
        assert_eq!(layers.max_by_value(), LayerValue { name: "a", value: 0.5, covered: Some(1), total: Some(4) });
        assert_eq!(layers.iter().map(|layer| layer.name).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(layers.into_iter().count(), 3);
    }

    #[test]
    fn says_why_not() {
        let m = measurement();
        let said = |error: Failed| error.message().to_owned();
        assert_eq!(said(m.value("nc").unwrap_err()), "`nc` has no value: there was nothing to cover");
        assert_eq!(said(m.value("kmnc").unwrap_err()), "`kmnc` was not measured; measured: `kmnc(k=1000)` and `nc`");
        assert_eq!(said(m.value("nc(").unwrap_err()), "`(` is not closed, at column 3 of `nc(`");
        assert_eq!(
            said(m.value("nc.auorc").unwrap_err()),
            "`nc.auorc`: it has no figure `auorc`; did you mean `auroc`?"
        );
        assert_eq!(said(m.value("nc.words").unwrap_err()), "`nc.words`: its figure `words` is not a number");
        assert_eq!(said(m.layers("nc").unwrap_err()), "`nc` has no values of single layers");
        assert_eq!(
            said(m.criterion("nc.auroc").unwrap_err()),
            "`nc.auroc` is one figure; ask for it by `value`, or leave out `.auroc`"
        );
    }
}
