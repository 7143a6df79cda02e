//! Single inputs explained: the relevance of their pixels, and of the neurons of chosen layers.

use tch::Tensor;

use super::batches::calibrate;
use super::importance::{by_neuron, numbers};
use super::needs::no_input;
use super::observer::{self, Role, Stage};
use super::open::open_model;
use super::pass::class_name;
use super::{ModelFacts, Picture};
use crate::data::{Batch, DataSet, Values};
use crate::declare::{Declaration, Selector};
use crate::importance::{Explained, Explainer, Rules};
use crate::{Error, ErrorKind, Result, interrupt};

/// Neurons of a layer that are named.
const NAMED: usize = 10;

/// What is explained, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Inputs by their names, or by their places in the data set from 0 on; several with commas between them.
    pub inputs: Vec<String>,
    /// Where none is named: so many, from the first on.
    pub count: usize,
    /// The layers whose most relevant neurons are named.
    pub layers: Selector,
    /// The rules of relevance.
    pub rules: Rules,
}

/// What relevance says of one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Its place in the data set.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its class, where the data tells.
    pub label: Option<String>,
    /// The class the model takes it for; `None` where the model has one output.
    pub class: Option<String>,
    /// The logit of that class: what is explained.
    pub logit: f64,
    /// The heat map; `None` where the input is no picture.
    pub picture: Option<Picture>,
    /// The neurons of the chosen layers.
    pub layers: Vec<LayerRelevance>,
}

/// The neurons of a layer that are most relevant to an input.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LayerRelevance {
    /// The layer.
    pub layer: String,
    /// The most relevant first, at most ten; of equals the lower first.
    pub neurons: Vec<NeuronRelevance>,
}

/// How relevant a neuron is to an input.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct NeuronRelevance {
    /// Its number in its layer.
    pub neuron: usize,
    /// A channel's is the sum over its map.
    pub relevance: f64,
}

/// Explains inputs of the declaration's test set one after another, and tells what is known of the model.
///
/// # Errors
/// Whatever stands in the way: a name, the model, the data, an operator without a rule, and what `on_input` returns.
pub fn explain(
    declaration: &Declaration,
    request: &Request,
    on_input: &mut dyn FnMut(Explanation) -> Result<()>,
) -> Result<ModelFacts> {
    let mut model = open_model(&declaration.model)?;
    // A selector that matches nothing is told before data is decoded.
    model.select(&request.layers)?;
    let data = &declaration.data;
    let all =
        DataSet::open(&data.test, &data.transform, data.on_bad_input).map_err(|error| error.context("test data"))?;
    let indices = chosen(&all, request, &data.test.path)?;
    let set = all.choose(&indices);
    let layers = calibrate(&mut model, None, &set, declaration.batch)?;
    let chosen_layers = model.select(&request.layers)?;
    let facts = ModelFacts {
        path: declaration.model.name.clone(),
        sha256: model.sha256().to_owned(),
        format: model.format().to_owned(),
        parameters: model.graph().parameters,
        layers,
    };
    let mut explainer = Explainer::new(model, request.rules.clone())?;
    each(&mut explainer, &set, Explained::Predicted, &chosen_layers, &mut |one| {
        let row = one.row as i64;
        let of_layer = |(relevance, layer): (&Tensor, &usize)| {
            let info = &facts.layers[*layer];
            let own = relevance.f_narrow(0, row, 1)?;
            Ok(LayerRelevance {
                layer: info.name.clone(),
                neurons: most_relevant(&numbers(&by_neuron(&own, info, declaration.neurons)?)?),
            })
        };
        on_input(Explanation {
            index: indices[set.candidate(one.number)],
            name: one.name,
            label: one.label.map(|label| class_name(&set, label)),
            class: one.class,
            logit: one.logit,
            picture: one.picture,
            layers: one.layers.iter().zip(&chosen_layers).map(of_layer).collect::<Result<_>>()?,
        })
    })?;
    Ok(facts)
}

/// The places of the inputs that are asked for.
fn chosen(set: &DataSet, request: &Request, path: &str) -> Result<Vec<usize>> {
    if request.inputs.is_empty() {
        if request.count == 0 {
            return Err(Error::new(ErrorKind::Configuration, "there is nothing to explain: the count of inputs is 0"));
        }
        return Ok((0..set.len().min(request.count)).collect());
    }
    let names: Vec<String> = set.candidates().collect();
    let named = |name: &str| names.iter().position(|known| known == name);
    let mut places = Vec::new();
    for text in &request.inputs {
        // A name may have commas of its own.
        if let Some(place) = named(text) {
            places.push(place);
            continue;
        }
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let place = match (named(part), part.parse::<usize>()) {
                (Some(place), _) => place,
                (None, Ok(place)) if place < names.len() => place,
                (None, Ok(place)) => {
                    let what = format!("{path} has no input number {place}");
                    return Err(Error::new(ErrorKind::Data, what)
                        .with_help(format!("its {} inputs are numbered from 0 on", names.len())));
                }
                (None, Err(_)) => return Err(no_input(part, &names, path)),
            };
            places.push(place);
        }
    }
    if places.is_empty() {
        return Err(Error::new(ErrorKind::Configuration, "no input is named")
            .with_help("give names or numbers with commas between them, or leave it out"));
    }
    Ok(places)
}

/// The neurons with the most relevance.
fn most_relevant(relevance: &[f64]) -> Vec<NeuronRelevance> {
    let mut order: Vec<usize> = (0..relevance.len()).collect();
    order.sort_by(|first, second| relevance[*second].total_cmp(&relevance[*first]));
    let named = order.into_iter().take(NAMED);
    named.map(|neuron| NeuronRelevance { neuron, relevance: relevance[neuron] }).collect()
}

/// One input of a batch that was explained.
pub(super) struct One<'a> {
    /// As batches of the set count.
    pub number: usize,
    pub name: String,
    pub label: Option<i64>,
    pub class: Option<String>,
    pub logit: f64,
    pub picture: Option<Picture>,
    /// Of the whole batch, layer by layer, and the row of this input.
    layers: &'a [Tensor],
    row: usize,
}

/// Explains every input of a set, in batches no larger than the model asks for: runs that are kept take memory.
pub(super) fn each(
    explainer: &mut Explainer,
    set: &DataSet,
    explained: Explained<'_>,
    layers: &[usize],
    on_input: &mut dyn FnMut(One<'_>) -> Result<()>,
) -> Result<()> {
    let name = explainer.model().path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let shown = observer::begin(Stage { model: &name, role: Role::Test, inputs: set.len() });
    for batch in set.batches(explainer.model().fixed_batch().unwrap_or(1)) {
        interrupt::check()?;
        let batch = batch?;
        let fed = explainer.model().feed(&batch)?;
        let fed: Vec<(&str, &Tensor)> = fed.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let relevance = explainer.explain_output(&fed, explained, layers, true)?;
        for row in 0..batch.inputs {
            let number = batch.first + row;
            let name = set.names(number);
            let class = relevance.classes.get(row).map(|class| class_name(set, *class));
            let picture = picture(&name, class.as_deref(), &batch, row, &relevance.inputs)?;
            on_input(One {
                number,
                name,
                label: batch.labels.as_ref().and_then(|labels| labels.get(row)).copied(),
                class,
                logit: relevance.outputs[row],
                picture,
                layers: &relevance.layers,
                row,
            })?;
        }
        shown.advance(batch.inputs);
    }
    Ok(())
}

/// The heat map of an input; `None` where it is no picture, or relevance does not reach its pixels.
fn picture(
    name: &str,
    class: Option<&str>,
    batch: &Batch,
    row: usize,
    relevance: &[Tensor],
) -> Result<Option<Picture>> {
    let ([field], [relevance]) = (&batch.fields[..], relevance) else { return Ok(None) };
    let Values::Float(values) = &field.values else { return Ok(None) };
    let width: usize = field.shape.iter().product();
    // Where the batch lies on another axis rows are not told apart.
    if batch.size > 1 && relevance.size().first() != Some(&(batch.size as i64)) {
        return Ok(None);
    }
    let relevance = numbers(relevance)?;
    let (Some(input), Some(relevance)) =
        (values.chunks(width.max(1)).nth(row), relevance.chunks(width.max(1)).nth(row))
    else {
        return Ok(None);
    };
    Picture::of(name, class, input, relevance, &field.shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_relevant_come_first_the_lower_of_equals() {
        let found = most_relevant(&[1.0, -9.0, 2.0, 2.0]);
        let order: Vec<usize> = found.iter().map(|each| each.neuron).collect();
        assert_eq!((order, found[3].relevance), (vec![2, 3, 0, 1], -9.0));
        assert_eq!(most_relevant(&[0.0; 40]).len(), 10);
    }
}
