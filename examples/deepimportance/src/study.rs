//! The questions, each answered for one network.

use std::collections::BTreeMap;

use cleanai_harness::declare::CriterionSpec;
use cleanai_harness::importance::{Explainer, Rules};
use cleanai_harness::measure::{self, Measurement};
use cleanai_harness::model::{Model, Observed};
use cleanai_harness::synthesis::{Augmentation, PixelNoise, Pixels};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::Outcome;
use crate::settings::{Arguments, IMPORTANT, Network};
use crate::store::Store;

/// Of the second question.
pub const CRITERIA: &[&str] = &["idc(m=6)", "idc(m=8)", "idc(m=10)", "idc(m=12)", "nc", "kmnc", "nbc", "snac", "tknc"];

/// Pixels that are disturbed, as a share of all.
const SHARE: f64 = 0.02;

/// Inputs whose neurons are watched while their pixels are disturbed.
const WATCHED: usize = 1000;

pub struct Study<'a> {
    pub network: &'a Network,
    pub arguments: &'a Arguments,
    pub store: &'a Store,
    pub progress: &'a ProgressBar,
}

/// Figures by criterion; none where a criterion cannot be had of this network.
pub type Figures = BTreeMap<String, Option<f64>>;

/// The answers for one network.
pub struct Answers {
    /// By seed: the mean distance of the important neurons' values, and of the random ones'.
    pub distances: Vec<(f64, f64)>,
    /// Of the original test set.
    pub original: Figures,
    /// By seed: with noise on random pixels, and on relevant ones.
    pub random: Vec<Figures>,
    pub relevant: Vec<Figures>,
    /// By layer, in order: its name, neurons and important ones, the original and by seed the set with noise on relevant pixels.
    pub layers: Vec<LayerAnswer>,
}

pub struct LayerAnswer {
    pub name: String,
    pub neurons: usize,
    pub important: usize,
    pub original: Option<f64>,
    pub relevant: Vec<Option<f64>>,
}

/// What a step leaves.
#[derive(Serialize, Deserialize)]
struct Measured {
    figures: Figures,
    layers: Vec<(String, usize)>,
    /// Neurons of the layer before the logits that are important, and that layer.
    important: Vec<usize>,
    layer: String,
}

impl Study<'_> {
    /// Steps of one network.
    pub fn steps(seeds: u64) -> u64 {
        1 + 3 * seeds
    }

    pub fn run(&self) -> Outcome<Answers> {
        let original = self.measured("original", Vec::new())?;
        let mut answers = Answers {
            distances: Vec::new(),
            random: Vec::new(),
            relevant: Vec::new(),
            layers: original
                .layers
                .iter()
                .map(|(name, neurons)| LayerAnswer {
                    name: name.clone(),
                    neurons: *neurons,
                    important: (*neurons).min(IMPORTANT),
                    original: None,
                    relevant: Vec::new(),
                })
                .collect(),
            original: original.figures.clone(),
        };
        for seed in 1..=self.arguments.seeds {
            let augmented = |pixels: Pixels| vec![PixelNoise { seed, ..PixelNoise::new(pixels) }.into()];
            let random = self.measured(&format!("random-{seed}"), augmented(Pixels::Random(SHARE)))?;
            let relevant = self.measured(&format!("relevant-{seed}"), augmented(Pixels::Relevant(SHARE)))?;
            for layer in &mut answers.layers {
                let text = by_layer(&layer.name, layer.important);
                layer.original = original.figures.get(&text).copied().flatten();
                layer.relevant.push(relevant.figures.get(&text).copied().flatten());
            }
            answers.random.push(random.figures);
            answers.relevant.push(relevant.figures);
            let step = format!("{}-distances-{seed}", self.network.key);
            self.tell(&step);
            answers.distances.push(self.store.step(&step, || self.distances(&original, seed))?);
            self.progress.inc(1);
        }
        Ok(answers)
    }

    fn tell(&self, step: &str) {
        self.progress.set_message(step.to_owned());
    }

    /// All figures of the test set augmented by these.
    fn measured(&self, what: &str, augment: Vec<Augmentation>) -> Outcome<Measured> {
        let step = format!("{}-{what}", self.network.key);
        self.tell(&step);
        let measured = self.store.step(&step, || {
            let declaration = self.network.declaration(augment)?;
            let layers = self.layers()?;
            let mut texts: Vec<String> = CRITERIA.iter().map(|text| (*text).to_owned()).collect();
            texts.extend(layers.iter().map(|(name, neurons)| by_layer(name, (*neurons).min(IMPORTANT))));
            let measurement = measure::once(&declaration, &specs(&texts)?)?;
            let figures =
                texts.iter().zip(specs(&texts)?).map(|(text, spec)| (text.clone(), figure(&measurement, &spec)));
            let details =
                &measurement.criteria[&CRITERIA[0].parse::<CriterionSpec>()?.to_string()].details["importance"];
            let (layer, detail) = details.as_object().and_then(|all| all.iter().next()).ok_or("idc names no layer")?;
            let neurons = detail["neurons"].as_array().into_iter().flatten();
            let important = neurons.filter_map(|neuron| neuron["neuron"].as_u64()).map(|neuron| neuron as usize);
            Ok(Measured { figures: figures.collect(), layers, important: important.collect(), layer: layer.clone() })
        })?;
        self.progress.inc(1);
        Ok(measured)
    }

    /// The layers that can have important neurons, with how many neurons each has: all but the logits.
    fn layers(&self) -> Outcome<Vec<(String, usize)>> {
        let facts = measure::once(&self.network.declaration(Vec::new())?, &["nac".parse()?])?;
        let all = facts.model.layers.iter();
        let mut layers: Vec<(String, usize)> = all.map(|layer| (layer.name.clone(), layer.channels())).collect();
        layers.pop();
        Ok(layers)
    }

    /// How far the important neurons move, and how far others, when the relevant pixels of inputs are disturbed: the mean Euclidean distance.
    fn distances(&self, original: &Measured, seed: u64) -> Outcome<(f64, f64)> {
        let declaration = self.network.declaration(Vec::new())?;
        let set = cleanai_harness::data::DataSet::open(
            &declaration.data.test,
            &declaration.data.transform,
            declaration.data.on_bad_input,
        )?;
        let open = || Model::open(&self.network.model, cleanai_harness::declare::DeviceChoice::Auto);
        let mut model = open()?;
        let mut explainer = Explainer::new(open()?, Rules::default())?;
        tch::manual_seed(i64::try_from(seed)?);
        let (mut sums, mut count) = ((0.0, 0.0), 0usize);
        let mut batches = set.batches(declaration.batch);
        while let Some(batch) = batches.next().filter(|_| count < WATCHED) {
            let batch = batch?;
            let fed = model.feed(&batch)?;
            let [(name, input)] = fed.as_slice() else { return Err("the evaluation takes models of one input".into()) };
            let input = input.narrow(0, 0, batch.inputs as i64);
            let relevance = explainer.explain(&[(name.as_str(), &input)], None, &[])?;
            let disturbed = disturb(&input, &relevance.inputs[0]);
            let before = values(&mut model, name, &input, &original.layer)?;
            let after = values(&mut model, name, &disturbed, &original.layer)?;
            let moved = (after - before).square();
            let width = moved.size()[1];
            let important: Vec<i64> = original.important.iter().map(|neuron| *neuron as i64).collect();
            let order: Vec<i64> = Vec::try_from(Tensor::randperm(width, (Kind::Int64, tch::Device::Cpu)))?;
            let others: Vec<i64> =
                order.into_iter().filter(|neuron| !important.contains(neuron)).take(important.len()).collect();
            let distance = |neurons: &[i64]| {
                let chosen = moved.index_select(1, &Tensor::from_slice(neurons));
                chosen.sum_dim_intlist(&[1i64][..], false, Kind::Double).sqrt().sum(Kind::Double).double_value(&[])
            };
            sums = (sums.0 + distance(&important), sums.1 + distance(&others));
            count += batch.inputs;
        }
        Ok((sums.0 / count.max(1) as f64, sums.1 / count.max(1) as f64))
    }
}

/// Noise on the most relevant pixels of each input.
fn disturb(input: &Tensor, relevance: &Tensor) -> Tensor {
    let rows = input.size()[0];
    let flat = relevance.view([rows, -1]);
    let pixels = flat.size()[1];
    let (_, most) = flat.topk(((pixels as f64 * SHARE).round() as i64).max(1), 1, true, true);
    let mask = flat.zeros_like().scatter_value(1, &most, 1.0).to_kind(Kind::Float);
    let noise = Tensor::randn([rows, pixels], (Kind::Float, tch::Device::Cpu)) * 0.3;
    let (low, high) = (input.min(), input.max());
    let disturbed = (input.view([rows, -1]) + noise * mask).minimum(&high).maximum(&low);
    disturbed.view(input.size().as_slice())
}

/// The values of a layer's channels.
fn values(model: &mut Model, name: &str, input: &Tensor, layer: &str) -> Outcome<Tensor> {
    let layers = model.calibrate(&[(name, input)])?;
    let place = layers.iter().position(|known| known.name == layer).ok_or("the layer is gone")?;
    let mut found = None;
    model.run_named(&[(name, input)], &mut |observed, tensor| {
        if observed == Observed::Layer(place) {
            let flat = tensor.flatten(1, -1).view([tensor.size()[0], layers[place].channels() as i64, -1]);
            found = Some(flat.mean_dim(&[2i64][..], false, Kind::Double));
        }
        Ok(())
    })?;
    found.ok_or_else(|| "the layer was not seen".into())
}

/// How importance of one layer is written.
pub fn by_layer(layer: &str, important: usize) -> String {
    format!("idc(m={important}, layer={layer:?})")
}

pub fn specs(texts: &[String]) -> Outcome<Vec<CriterionSpec>> {
    texts.iter().map(|text| Ok(text.parse()?)).collect()
}

pub fn figure(measurement: &Measurement, spec: &CriterionSpec) -> Option<f64> {
    measurement.criteria.get(&spec.to_string()).and_then(|result| result.value)
}
