//! What all states have in common: whose they are, which layers they cover, and how counts become figures.

use crate::declare::CriterionSpec;
use crate::{Error, ErrorKind, Result};

use super::coverage::{Coverage, contributions, covered_neurons};
use super::{Figures, LayerFigures, LayerProfile, Start, State};

/// Whose a state is and what it was started with; states merge only if these agree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scope {
    pub(crate) spec: CriterionSpec,
    pub(crate) names: Vec<String>,
    pub(crate) neurons: Vec<usize>,
}

impl Scope {
    /// Checks what a state is started with.
    ///
    /// # Errors
    /// If there are not as many widths as layers or a layer is too wide to count.
    pub(crate) fn new(spec: &CriterionSpec, start: &Start<'_>) -> Result<Self> {
        if start.layers.len() != start.neurons.len() {
            return Err(Error::new(
                ErrorKind::Criterion,
                format!("`{}` is given {} layers and {} widths", spec.name, start.layers.len(), start.neurons.len()),
            ));
        }
        // Neuron numbers are held in 32 bits, the largest standing for "none".
        if let Some(layer) = start.neurons.iter().position(|width| *width >= u32::MAX as usize) {
            return Err(Error::new(
                ErrorKind::Criterion,
                format!(
                    "layer `{}` has {} neurons, more than `{}` can count",
                    start.layers[layer].name, start.neurons[layer], spec.name
                ),
            )
            .with_help("count channels (`neurons = \"channel\"`) or leave the layer out"));
        }
        Ok(Self {
            spec: spec.clone(),
            names: start.layers.iter().map(|layer| layer.name.clone()).collect(),
            neurons: start.neurons.to_vec(),
        })
    }

    /// The profile a state is started with, one entry per layer and one value per neuron.
    ///
    /// # Errors
    /// If there is none or it is that of other layers.
    pub(crate) fn profile<'a>(&self, start: &Start<'a>) -> Result<&'a [LayerProfile]> {
        self.profile_of(start, |length, width| length == width)
    }

    /// The same for a criterion that asks for whole layers ([`super::Needs::whole_layers`]); those who start it themselves may give all neurons.
    ///
    /// # Errors
    /// As [`Scope::profile`].
    pub(crate) fn profile_of_layers<'a>(&self, start: &Start<'a>) -> Result<&'a [LayerProfile]> {
        self.profile_of(start, |length, width| length == 1 || length == width)
    }

    fn profile_of<'a>(&self, start: &Start<'a>, fits: fn(usize, usize) -> bool) -> Result<&'a [LayerProfile]> {
        let Some(profile) = start.profile else {
            return Err(Error::new(ErrorKind::Criterion, format!("`{}` needs a profile set", self.spec.name))
                .with_help("name the inputs that give the ranges as `profile` of the data, usually the training set"));
        };
        let fits = profile.len() == self.neurons.len()
            && profile.iter().zip(&self.neurons).all(|(layer, width)| {
                [&layer.low, &layer.high].iter().all(|column| fits(column.len(), *width))
                    && [&layer.std, &layer.mean_difference]
                        .iter()
                        .all(|column| column.is_empty() || column.len() == *width)
            });
        if fits {
            Ok(profile)
        } else {
            Err(Error::new(
                ErrorKind::Criterion,
                format!("the profile given to `{}` is of other layers", self.spec.name),
            ))
        }
    }

    /// `other` as a state of type `S`.
    ///
    /// # Errors
    /// If it is the state of a criterion of another family.
    pub(crate) fn same_family<S: State + 'static>(&self, other: Box<dyn State>) -> Result<S> {
        match other.into_any().downcast::<S>() {
            Ok(other) => Ok(*other),
            Err(_) => Err(self.does_not_merge("the state of another criterion")),
        }
    }

    /// Whether a state of `other` may be merged into one of this.
    ///
    /// # Errors
    /// If criterion, parameters or layers differ.
    pub(crate) fn agrees(&self, other: &Self) -> Result<()> {
        if self.spec != other.spec {
            return Err(self.does_not_merge("the state of another criterion or other parameters"));
        }
        if self.names != other.names || self.neurons != other.neurons {
            return Err(self.does_not_merge("a state of other layers"));
        }
        Ok(())
    }

    /// The error of a criterion that compares two inputs where there are fewer.
    pub(crate) fn compares_two_inputs(&self) -> Error {
        Error::new(ErrorKind::Data, format!("`{}` compares two inputs, and there are fewer", self.spec.name))
            .with_help("give it data with two inputs or more")
    }

    pub(crate) fn does_not_merge(&self, what: &str) -> Error {
        Error::new(ErrorKind::Criterion, format!("a state of `{}` cannot take in {what}", self.spec.name))
    }

    /// The figures of a share: `(covered, total)` per layer.
    pub(crate) fn shares(&self, counts: impl IntoIterator<Item = (u64, u64)>) -> Figures {
        let layers: Vec<LayerFigures> = self
            .names
            .iter()
            .zip(counts)
            .map(|(name, (covered, total))| LayerFigures {
                name: name.clone(),
                value: share(covered, total),
                covered: Some(covered),
                total: Some(total),
            })
            .collect();
        let covered = layers.iter().filter_map(|layer| layer.covered).sum();
        let total = layers.iter().filter_map(|layer| layer.total).sum();
        Figures {
            value: share(covered, total),
            covered: Some(covered),
            total: Some(total),
            layers,
            ..Figures::default()
        }
    }

    /// The figures of coverage, of `totals` items each.
    pub(crate) fn covered(&self, coverage: &[Coverage], totals: &[usize]) -> Figures {
        let counts = coverage.iter().zip(totals).map(|(coverage, total)| (coverage.count(), *total as u64));
        Figures {
            contributions: contributions(coverage),
            neurons: covered_neurons(&self.neurons, &[coverage]),
            ..self.shares(counts)
        }
    }

    /// What a state knows, in bytes. Numbers and bits are written as they are, so that equal states have equal bytes.
    ///
    /// # Errors
    /// If it cannot be written, which the types of states rule out.
    pub(crate) fn saved<T: serde::Serialize>(&self, contents: &T) -> Result<Vec<u8>> {
        postcard::to_stdvec(contents).map_err(|why| {
            Error::new(ErrorKind::Criterion, format!("a state of `{}` cannot be written: {why}", self.spec))
        })
    }

    /// The reverse of [`Scope::saved`]. The caller checks that the contents fit.
    ///
    /// # Errors
    /// If the bytes are no such state.
    pub(crate) fn restored<T: serde::de::DeserializeOwned>(&self, saved: &[u8]) -> Result<T> {
        match postcard::take_from_bytes(saved) {
            Ok((contents, [])) => Ok(contents),
            _ => Err(self.does_not_fit()),
        }
    }

    /// Coverage of layers with so many items each.
    ///
    /// # Errors
    /// If the bytes are no such coverage.
    pub(crate) fn restored_coverage(
        &self,
        saved: &[u8],
        items: impl ExactSizeIterator<Item = usize>,
    ) -> Result<Vec<Coverage>> {
        let coverage: Vec<Coverage> = self.restored(saved)?;
        let fits = coverage.len() == items.len() && coverage.iter().zip(items).all(|(own, items)| own.is_sound(items));
        if fits { Ok(coverage) } else { Err(self.does_not_fit()) }
    }

    pub(crate) fn does_not_fit(&self) -> Error {
        Error::new(ErrorKind::Criterion, format!("the saved state is none of `{}` on these layers", self.spec))
    }

    /// An object `{layer name: value}` for the details.
    pub(crate) fn by_layer(&self, values: impl IntoIterator<Item = u64>) -> serde_json::Value {
        self.names
            .iter()
            .cloned()
            .zip(values.into_iter().map(serde_json::Value::from))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// `covered / total`; nothing where there is nothing to cover.
pub(crate) fn share(covered: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| covered as f64 / total as f64)
}
