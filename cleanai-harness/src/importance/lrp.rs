//! Layer-wise relevance propagation: one run of the model that is kept, and one way back through it.

use tch::{Kind, Tensor, no_grad};

use super::affine::{Count, Weights, lost};
use super::call::Operator;
use super::conservation::Conservation;
use super::fused;
use super::join;
use super::plan::Plan;
use super::pool;
use super::rule::Rules;
use super::through::Through;
use crate::model::Model;
use crate::model::graph::ValueId;
use crate::model::tape::{Step, TapeModel};
use crate::{Error, ErrorKind, Result};

/// What relevance is asked of: a value of the graph, and the how-manieth time it is computed in a run, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    observer: usize,
    call: usize,
}

/// Passes relevance back through a model.
///
/// ```no_run
/// use cleanai_harness::declare::DeviceChoice;
/// use cleanai_harness::importance::{Explainer, Rules};
/// use cleanai_harness::model::Model;
/// # fn main() -> cleanai_harness::Result<()> {
/// let model = Model::open("models/lenet5.pt".as_ref(), DeviceChoice::Cpu)?;
/// let mut explainer = Explainer::new(model, Rules::default())?;
/// let digit = tch::Tensor::rand([1, 1, 28, 28], (tch::Kind::Float, tch::Device::Cpu));
/// let relevance = explainer.explain(&[("x", &digit)], None, &[])?;
/// println!("{} explained by {:?} pixels", relevance.outputs[0], relevance.inputs[0].size());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Explainer {
    model: TapeModel,
    rules: Rules,
    plan: Plan,
    logits: usize,
    /// By observer: what is the same for every batch of one shape.
    counts: Vec<Option<Count>>,
    sums: Vec<Option<(Vec<i64>, Tensor)>>,
    /// Whether the conservation of relevance is checked at every cut.
    checked: bool,
    /// Whether every value has the batch in front, once it is known: what is per input is then told apart.
    batched: Option<bool>,
}

/// Relevance of one batch.
#[derive(Debug)]
pub struct Relevance {
    /// By input: what is explained, the logit of its class or the sum of the outputs.
    pub outputs: Vec<f64>,
    /// By input: the class whose logit that is; empty where all outputs are explained, or there is only one.
    pub classes: Vec<i64>,
    /// By layer that was asked for: one row for each input, as the layer's output, in double precision.
    pub layers: Vec<Tensor>,
    /// By tensor that the model is fed and relevance reaches: the same.
    pub inputs: Vec<Tensor>,
    /// By input, where [`Explainer::check_conservation`] asked for it: the largest difference between the sum over a cut and what is explained, relative to it.
    pub errors: Vec<f64>,
    /// Likewise relative to what is allowed: 1e-6 of what is explained, or 1e-14 of the sum of magnitudes where that is more.
    pub excess: Vec<f64>,
}

impl Relevance {
    /// Takes in that of the inputs that follow.
    fn then(mut self, other: Self) -> Result<Self> {
        self.outputs.extend(other.outputs);
        self.classes.extend(other.classes);
        self.errors.extend(other.errors);
        self.excess.extend(other.excess);
        let join = |own: Vec<Tensor>, others: Vec<Tensor>| -> Result<Vec<Tensor>> {
            own.iter().zip(&others).map(|(own, other)| Ok(Tensor::f_cat(&[own, other], 0)?)).collect()
        };
        self.layers = join(self.layers, other.layers)?;
        self.inputs = join(self.inputs, other.inputs)?;
        Ok(self)
    }
}

/// What is explained of each input.
#[derive(Debug, Clone, Copy)]
pub enum Explained<'a> {
    /// The logit of the class that is largest.
    Predicted,
    /// The logit of this class.
    Class(&'a [i64]),
    /// All outputs, as of a regression.
    Outputs,
}

impl Explainer {
    /// An explainer of a model, which runs in double precision from now on.
    ///
    /// # Errors
    /// If the model has no outputs to explain, changes values that it reads again, or keeps a state from input to input.
    pub fn new(model: Model, rules: Rules) -> Result<Self> {
        rules.check()?;
        let path = model.path().display().to_string();
        let mut model = model.into_tape()?;
        let plan = Plan::of(model.calls()).map_err(|error| error.context(&path))?;
        let logits = model.logits().and_then(|value| plan.place(value)).ok_or_else(|| {
            Error::new(ErrorKind::Model, format!("{path} has no outputs that relevance could explain")).with_help(
                "relevance starts from class scores or the outputs of a regression, made by a layer with weights",
            )
        })?;
        let kept: Vec<_> = plan.kept.iter().map(|kept| (kept.value, kept.role)).collect();
        model.keep(&kept)?;
        let (counts, sums) = (plan.kept.iter().map(|_| None).collect(), plan.kept.iter().map(|_| None).collect());
        Ok(Self { model, rules, plan, logits, counts, sums, checked: false, batched: None })
    }

    /// From now on the sum over every cut is compared with what is explained, see [`Relevance::errors`].
    pub fn check_conservation(&mut self) {
        self.checked = true;
    }

    /// The rules it works by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The model, for its layers.
    pub fn model(&self) -> &Model {
        self.model.model()
    }

    /// Relevance of the inputs of a batch and of the layers of these indices in [`Model::layers`], for the largest logit or that of `classes`.
    ///
    /// # Errors
    /// As [`Explainer::explain_output`].
    pub fn explain(
        &mut self,
        inputs: &[(&str, &Tensor)],
        classes: Option<&[i64]>,
        layers: &[usize],
    ) -> Result<Relevance> {
        self.explain_output(inputs, classes.map_or(Explained::Predicted, Explained::Class), layers, true)
    }

    /// The same for anything there is to explain. Without `to_inputs` the way back ends at the layers.
    ///
    /// # Errors
    /// If the model cannot run on the inputs, an operator has no rule, relevance is not finite, or a layer is not reached.
    pub fn explain_output(
        &mut self,
        inputs: &[(&str, &Tensor)],
        explained: Explained<'_>,
        layers: &[usize],
        to_inputs: bool,
    ) -> Result<Relevance> {
        let wanted = layers.iter().map(|layer| self.wanted(*layer)).collect::<Result<Vec<_>>>()?;
        let rows = inputs.iter().find_map(|(_, tensor)| tensor.size().first().copied()).unwrap_or(1);
        if rows <= 1 || self.is_batched(inputs)? {
            let steps = self.model.run(inputs)?;
            return no_grad(|| self.back(&steps, explained, &wanted, layers, to_inputs));
        }
        // Somewhere the inputs lie along another axis, or are folded into one with others.
        let mut all: Option<Relevance> = None;
        for row in 0..rows {
            let own: Vec<Tensor> = inputs.iter().map(|(_, tensor)| tensor.narrow(0, row, 1)).collect();
            let own: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, _)| *name).zip(&own).collect();
            let at = usize::try_from(row).unwrap_or(0);
            let explained = match explained {
                Explained::Class(classes) => Explained::Class(classes.get(at..=at).unwrap_or_default()),
                other => other,
            };
            let steps = self.model.run(&own)?;
            let one = no_grad(|| self.back(&steps, explained, &wanted, layers, to_inputs))?;
            all = Some(match all {
                None => one,
                Some(all) => all.then(one)?,
            });
        }
        all.ok_or_else(|| lost("an input"))
    }

    /// Whether every value has its inputs along the first axis, as runs of two and of three of them show.
    fn is_batched(&mut self, inputs: &[(&str, &Tensor)]) -> Result<bool> {
        if let Some(known) = self.batched {
            return Ok(known);
        }
        let model = self.model.model();
        let batched = match model.fixed_batch() {
            Some(1) => false,
            Some(_) => true,
            None => {
                let mut in_front = true;
                for rows in [2, 3] {
                    let own: Vec<Tensor> = inputs
                        .iter()
                        .map(|(_, tensor)| {
                            let some = tensor.f_narrow(0, 0, 2.min(tensor.size()[0]))?;
                            Ok(Tensor::f_cat(&[&some, &some], 0)?.f_narrow(0, 0, rows)?)
                        })
                        .collect::<Result<Vec<_>>>()?;
                    let own: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, _)| *name).zip(&own).collect();
                    let steps = self.model.run(&own)?;
                    let kept = steps.iter().filter(|step| step.value.is_some());
                    in_front &= kept.into_iter().all(|step| step.computed.size().first() == Some(&rows));
                }
                in_front
            }
        };
        self.batched = Some(batched);
        Ok(batched)
    }

    fn wanted(&self, layer: usize) -> Result<Wanted> {
        let all = self.model.model().layers();
        let own = all.get(layer).ok_or_else(|| Error::new(ErrorKind::Model, format!("there is no layer {layer}")))?;
        let call = all[..layer].iter().filter(|earlier| earlier.value == own.value).count();
        let observer = self.observer(own.value)?;
        Ok(Wanted { observer, call })
    }

    fn observer(&self, value: ValueId) -> Result<usize> {
        self.plan.place(value).ok_or_else(|| lost("a layer"))
    }

    fn back(
        &mut self,
        steps: &[Step],
        explained: Explained<'_>,
        wanted: &[Wanted],
        layers: &[usize],
        to_inputs: bool,
    ) -> Result<Relevance> {
        let weights: Weights = steps
            .iter()
            .filter(|step| step.value.is_none())
            .map(|step| (step.observer, step.computed.shallow_clone()))
            .collect();
        let start = steps
            .iter()
            .rposition(|step| step.observer == self.logits && step.value.is_some())
            .ok_or_else(|| lost("the output"))?;
        let (outputs, classes, seed) = seed(&steps[start], explained)?;
        let inputs = usize::try_from(outputs.size()[0]).unwrap_or(1);
        // Steps of a layer, in the order of its calls.
        let mut places = vec![None; wanted.len()];
        for (found, wanted) in places.iter_mut().zip(wanted) {
            let calls =
                steps.iter().enumerate().filter(|(_, step)| step.observer == wanted.observer && step.value.is_some());
            *found = calls.map(|(place, _)| place).nth(wanted.call);
        }
        let last = if to_inputs { 0 } else { places.iter().flatten().copied().min().unwrap_or(start) };
        let mut waiting: Vec<Option<Tensor>> = steps.iter().map(|_| None).collect();
        waiting[start] = Some(seed);
        let mut conservation = self.checked.then(|| Conservation::new(&outputs)).transpose()?;
        let mut of_layers: Vec<Option<Tensor>> = places.iter().map(|_| None).collect();
        let mut of_inputs = Vec::new();
        for place in (last..=start).rev() {
            let Some(relevance) = waiting[place].take() else { continue };
            let step = &steps[place];
            for (wanted, found) in places.iter().zip(&mut of_layers) {
                if *wanted == Some(place) {
                    *found = Some(relevance.shallow_clone());
                }
            }
            if step.sources.is_empty() {
                if matches!(self.plan.kept[step.observer].operator, Operator::Start) && to_inputs {
                    of_inputs.push((place, relevance.shallow_clone()));
                }
                if let Some(conservation) = &mut conservation {
                    conservation.rest(&relevance)?;
                }
                continue;
            }
            if place == last && !to_inputs {
                break;
            }
            let through = Through { rules: &self.rules, steps, step, relevance };
            let shares = pass(&self.plan, &weights, &mut self.counts, &mut self.sums, &through)
                .map_err(|error| error.context(format!("at {}", self.plan.kept[step.observer].called)))?;
            for (source, share) in step.sources.iter().zip(shares) {
                let Some(share) = share else { continue };
                let sum = match waiting[*source].take() {
                    Some(other) => other.f_add(&share)?,
                    None => share,
                };
                waiting[*source] = Some(sum);
            }
            if let Some(conservation) = &mut conservation {
                conservation.check(&waiting)?;
            }
        }
        let of_layers = of_layers
            .into_iter()
            .zip(places)
            .zip(layers)
            .map(|((found, place), layer)| match (found, place) {
                (Some(relevance), _) => self.model.rows(*layer, &relevance, inputs),
                // It runs, and nothing it computes reaches the output.
                (None, Some(place)) => {
                    self.model.rows(*layer, &steps[place].computed.f_detach()?.f_zeros_like()?, inputs)
                }
                (None, None) => {
                    let name = &self.model.model().layers()[*layer].name;
                    Err(Error::new(
                        ErrorKind::Model,
                        format!("layer {name} has no relevance: it is not computed in a run with gradients"),
                    ))
                }
            })
            .collect::<Result<Vec<_>>>()?;
        for (place, (relevance, layer)) in of_layers.iter().zip(layers).enumerate() {
            // An activation takes the relevance of its output.
            let known = place > 0 && relevance.f_is_set_to(&of_layers[place - 1])?;
            if !known && !finite(relevance)? {
                let name = &self.model.model().layers()[*layer].name;
                return Err(Error::new(ErrorKind::Model, format!("the relevance of layer {name} is not finite"))
                    .with_help("does the model give NaN or infinity for some input? Otherwise take a larger `eps`"));
            }
        }
        of_inputs.reverse();
        let (errors, excess) = match conservation {
            Some(conservation) => conservation.finish()?,
            None => (Vec::new(), Vec::new()),
        };
        let outputs = numbers(&outputs)?;
        Ok(Relevance {
            outputs,
            classes,
            layers: of_layers,
            inputs: of_inputs.into_iter().map(|(_, tensor)| tensor).collect(),
            errors,
            excess,
        })
    }
}

/// What is explained of each input, the class it is of, and the relevance of the outputs that it starts from.
fn seed(step: &Step, explained: Explained<'_>) -> Result<(Tensor, Vec<i64>, Tensor)> {
    let output = step.computed.f_detach()?;
    let size = output.size();
    let rows = *size.first().unwrap_or(&1);
    let flat = output.f_reshape([rows, -1].as_slice())?;
    let classes = match explained {
        Explained::Outputs => {
            return Ok((flat.f_sum_dim_intlist(&[1i64][..], false, None::<Kind>)?, Vec::new(), output));
        }
        Explained::Predicted => flat.f_argmax(1, false)?,
        Explained::Class(classes) => {
            let width = flat.size()[1];
            if let Some(wrong) = classes.iter().find(|class| !(0..width).contains(*class)) {
                let what = format!("class {wrong} cannot be explained: the model has {width} outputs");
                return Err(Error::new(ErrorKind::Model, what));
            }
            if classes.len() as i64 != rows {
                let what = format!("{} classes are given for {rows} inputs", classes.len());
                return Err(Error::new(ErrorKind::Model, what));
            }
            Tensor::f_from_slice(classes)?.f_to_device(output.device())?
        }
    };
    let index = classes.f_unsqueeze(1)?;
    let explained = flat.f_gather(1, &index, false)?;
    let seed = flat.f_zeros_like()?.f_scatter(1, &index, &explained)?;
    let known = if flat.size()[1] > 1 { Vec::try_from(&classes.f_to_device(tch::Device::Cpu)?)? } else { Vec::new() };
    Ok((explained.f_squeeze_dim(1)?, known, seed.f_reshape(size.as_slice())?))
}

/// The shares of the sources of a step.
fn pass(
    plan: &Plan,
    weights: &Weights,
    counts: &mut [Option<Count>],
    sums: &mut [Option<(Vec<i64>, Tensor)>],
    through: &Through<'_>,
) -> Result<Vec<Option<Tensor>>> {
    let observer = through.step.observer;
    let kept = &plan.kept[observer];
    let only = |place: usize, relevance: Tensor| {
        (0..through.sources()).map(|at| (at == place).then(|| relevance.shallow_clone())).collect()
    };
    let all = |relevance: Vec<Tensor>| relevance.into_iter().map(Some).collect();
    let expected = match &kept.operator {
        Operator::Pass
        | Operator::Shift
        | Operator::Affine(_)
        | Operator::Norm(_)
        | Operator::MaxPool(_)
        | Operator::AdaptiveMaxPool
        | Operator::Average => Some(1),
        Operator::Join(_) => Some(2),
        _ => None,
    };
    // One value in both places, or several behind one: what the graph told does not hold for this run.
    let fits = expected.is_none_or(|expected| expected == through.sources());
    Ok(match &kept.operator {
        Operator::Stop => only(usize::MAX, through.relevance.shallow_clone()),
        Operator::Pass if fits => only(0, through.passed()?),
        Operator::Shift if fits => only(0, join::shift(through)?),
        Operator::Affine(affine) if fits => {
            let rule = through.rules.of(&kept.path);
            only(0, affine.relevance(through, plan, weights, &mut counts[observer], rule)?)
        }
        Operator::Norm(norm) if fits => only(0, norm.relevance(through, plan, weights)?),
        Operator::MaxPool(window) if fits => only(0, window.relevance(through)?),
        Operator::AdaptiveMaxPool if fits => only(0, pool::adaptive(through)?),
        Operator::Average if fits => only(0, join::average(through, 0, &mut sums[observer])?),
        Operator::Join(factor) if fits => all(join::join(through, *factor)?),
        Operator::Join(_) if through.sources() == 1 => only(0, through.passed()?),
        Operator::Product(Some(place)) if through.sources() == 2 => only(*place, through.passed_to(*place)?),
        Operator::Product(_) if through.sources() == 1 => all(join::gradient(through)?),
        Operator::Product(_) => all(join::product(through)?),
        Operator::Attention(place) if *place < through.sources() => only(*place, join::attention(through, *place)?),
        Operator::Move => through.products(&through.relevance)?,
        _ if through.rules.gradient_fallback => all(join::gradient(through)?),
        _ => {
            return Err(Error::new(ErrorKind::Model, "relevance has no rule for this operator").with_help(
                "`fallback = \"gradient\"` takes it for its gradient at each input, which does not conserve relevance",
            ));
        }
    })
}

fn finite(tensor: &Tensor) -> Result<bool> {
    if let Some(finite) = fused::finite(tensor) {
        return Ok(finite);
    }
    let sum = tensor.f_abs()?.f_sum(Kind::Double)?;
    Ok(f64::try_from(&sum).is_ok_and(f64::is_finite))
}

pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::<f64>::try_from(
        &tensor.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Double)?.f_contiguous()?.f_view(-1)?,
    )?)
}
