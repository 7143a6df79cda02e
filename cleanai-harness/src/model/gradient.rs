//! A model whose logits can be differentiated by its input.

use std::collections::HashSet;

use tch::{Tensor, with_grad};

use super::graph::{Flow, ValueId};
use super::signature::{self, ElementType};
use super::torchscript::ffi::{leads_to, vector_jacobian};
use super::{Model, Observed, tensor};
use crate::declare::StateChoice;
use crate::{Error, ErrorKind, Result};

/// A model that is run to be differentiated: weights take no gradients, the only input does.
///
/// ```no_run
/// use cleanai_harness::declare::DeviceChoice;
/// use cleanai_harness::model::{GradientModel, Model};
/// # fn main() -> cleanai_harness::Result<()> {
/// let mut model = GradientModel::new(Model::open("lenet5.pt".as_ref(), DeviceChoice::Cpu)?)?;
/// let run = model.run(&tch::Tensor::zeros([2, 1, 28, 28], (tch::Kind::Float, tch::Device::Cpu)))?;
/// // Of the sum of all logits.
/// let gradient = model.gradient(&run, &run.logits().ones_like(), false)?;
/// assert_eq!(gradient.size(), [2, 1, 28, 28]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct GradientModel {
    model: Model,
    /// What the input is fed by.
    input: String,
    element: ElementType,
    /// Whether a way back from the logits to the input was seen.
    leads: bool,
}

/// A run that is kept to be differentiated.
#[derive(Debug)]
pub struct Differentiable {
    input: Tensor,
    /// As they were computed from the input.
    computed: Tensor,
    logits: Tensor,
}

impl Differentiable {
    /// The logits, (inputs, classes), apart from what they were computed from.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }
}

impl GradientModel {
    /// Takes a model that classifies one input of floats; calibrated or not.
    ///
    /// # Errors
    /// If it has no logits, several inputs or one of whole numbers, or goes on from the state that the last run left.
    pub fn new(mut model: Model) -> Result<Self> {
        let wrong = |what: String| Error::new(ErrorKind::Model, format!("{} {what}", model.path().display()));
        if model.options.state == StateChoice::Keep {
            return Err(wrong("keeps a state from run to run, and gradients are of single runs".into())
                .with_help("leave out `state = \"keep\"`: every input then starts from a fresh state"));
        }
        if !model.has_logits() {
            return Err(wrong("has no logits, so there is no class whose gradient could be taken".into())
                .with_help("they are what the final softmax reads, else the output of the last layer with weights"));
        }
        let leaves = signature::leaves(&model.graph.signature);
        let input = match leaves.iter().filter(|leaf| leaf.required).collect::<Vec<_>>()[..] {
            [only] => only.name.clone(),
            ref several => {
                let names: Vec<String> = several.iter().map(|leaf| format!("`{}`", leaf.name)).collect();
                let what = format!("takes {} inputs ({}), and gradients are for one", names.len(), names.join(", "));
                return Err(wrong(what).with_help("export the model with the other inputs as constants"));
            }
        };
        let element = model.element_of(&input, false);
        if element.is_integer() {
            let what = format!("takes whole numbers as `{input}` ({}), which have no gradient", element.name());
            return Err(
                wrong(what).with_help("export the part of the model behind the embedding, with its floats as input")
            );
        }
        model.program.fix_weights()?;
        Ok(Self { model, input, element, leads: false })
    }

    /// The model, for its layers and facts.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Runs inputs of float32, the batch axis first. A model of a fixed batch takes up to as many.
    ///
    /// # Errors
    /// If the model cannot run on them, or does not give one logit for each of two classes or more.
    pub fn run(&mut self, inputs: &Tensor) -> Result<Differentiable> {
        self.run_of(inputs, |inputs| Ok(inputs.f_mul_scalar(1.0)?))
    }

    /// Runs what `feed` makes of inputs, their shape kept, by which it is differentiated: what is differentiated is made anew by some operator, so
    /// that the model may change it.
    ///
    /// # Errors
    /// As [`GradientModel::run`], or those of `feed`.
    pub(crate) fn run_of(
        &mut self,
        inputs: &Tensor,
        feed: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Differentiable> {
        let leaf = inputs.f_detach()?.f_set_requires_grad(true)?;
        let rows = rows_of(&leaf);
        let computed = with_grad(|| {
            let fed = self.whole(feed(&leaf)?, rows)?;
            self.raw(&fed, rows, true)
        })?;
        let logits = computed.f_detach()?;
        Ok(Differentiable { input: leaf, computed, logits })
    }

    /// The logits of inputs, (inputs, classes), by a run that is not kept.
    ///
    /// # Errors
    /// As [`GradientModel::run`].
    pub fn logits(&mut self, inputs: &Tensor) -> Result<Tensor> {
        let rows = rows_of(inputs);
        tch::no_grad(|| {
            let fed = self.fed(inputs, rows)?;
            self.raw(&fed, rows, false)
        })
    }

    /// The product of a cotangent, one number for each logit, with the Jacobian of the logits by the inputs: a gradient for each input, in their
    /// shape. With `keep` the same run can be differentiated again.
    ///
    /// # Errors
    /// If some operator has no gradient; it is named.
    pub fn gradient(&mut self, run: &Differentiable, cotangent: &Tensor, keep: bool) -> Result<Tensor> {
        if !self.leads {
            self.leads = leads_to(&run.computed, &run.input)?;
        }
        let product = if self.leads {
            let cotangent = cotangent.f_to_kind(run.computed.f_kind()?)?;
            vector_jacobian(&run.computed, &cotangent, &[&run.input], keep, false).map(|mut products| products.pop())
        } else {
            Ok(None)
        };
        match product {
            Ok(Some(Some(gradient))) => Ok(gradient),
            Ok(_) => Err(self.without_gradient(&run.input)),
            Err(why) => Err(why.context(format!("the gradient of {}", self.model.path().display()))),
        }
    }

    /// The logits of the first `rows` inputs of those that are fed.
    fn raw(&mut self, fed: &Tensor, rows: i64, gradients: bool) -> Result<Tensor> {
        let mut logits = None;
        self.model.gradients = gradients;
        let ran = self.model.run_named(&[(&self.input, fed)], &mut |observed, tensor| {
            if observed == Observed::Logits {
                logits = Some(tensor.shallow_clone());
            }
            Ok(())
        });
        self.model.gradients = false;
        ran?;
        let path = self.model.path().display();
        let logits = logits.ok_or_else(|| Error::new(ErrorKind::Model, format!("{path} ran without its logits")))?;
        let size = logits.size();
        let wide = size.iter().skip(1).filter(|size| **size > 1).count();
        if wide != 1 || size[0] != fed.size()[0] {
            let what = format!(
                "the logits of {path} have the shape {size:?} for {} input(s); a class for each input takes one axis of two or more",
                fed.size()[0]
            );
            return Err(Error::new(ErrorKind::Model, what));
        }
        let flat = logits.f_flatten(1, -1)?;
        // What is cut off has a way back of its own, of zeros that are filled in.
        if size[0] == rows { Ok(flat) } else { Ok(flat.f_narrow(0, 0, rows)?) }
    }

    /// Inputs as the model takes them, apart from those given, which it may change.
    fn fed(&self, inputs: &Tensor, rows: i64) -> Result<Tensor> {
        self.whole(inputs.f_mul_scalar(1.0)?, rows)
    }

    /// Inputs of the type that the model takes, and as many as it wants.
    fn whole(&self, inputs: Tensor, rows: i64) -> Result<Tensor> {
        let fed = inputs.f_to_kind(tensor::kind(self.element))?;
        match self.model.fixed_batch() {
            Some(fixed) if fixed as i64 > rows && rows > 0 => {
                let mut padding = fed.size();
                padding[0] = fixed as i64 - rows;
                let last = fed.f_narrow(0, rows - 1, 1)?.f_expand(&padding, false)?;
                Ok(Tensor::f_cat(&[fed, last], 0)?)
            }
            _ => Ok(fed),
        }
    }

    /// The error of a model without a way back to its input: names the operator where it ends.
    fn without_gradient(&mut self, input: &Tensor) -> Error {
        let path = self.model.path().display().to_string();
        let operator = match self.where_it_ends(input) {
            Ok(Some(operator)) => format!(": {operator} has none"),
            _ => String::new(),
        };
        Error::new(ErrorKind::Model, format!("the logits of {path} have no gradient to its input{operator}"))
            .with_help("quantised operators have none: attack the model as it was before quantisation")
    }

    /// The operator nearest to the logits whose output has no gradient where some input of it has. The model cannot be run any more.
    fn where_it_ends(&mut self, input: &Tensor) -> Result<Option<String>> {
        let model = &mut self.model;
        let Some(logits) = model.logits else { return Ok(None) };
        let graph = model.graph.clone();
        let flow = Flow::new(&graph);
        let all = graph.nodes.iter().flat_map(|node| &node.outputs).copied();
        let values: Vec<ValueId> = all.filter(|value| flow.is_live(*value) && flow.is_tensor(*value)).collect();
        let first = model.observed.len();
        model.program.observe(&values, first)?;
        let leaf = input.f_detach()?.f_set_requires_grad(true)?;
        let mut with: HashSet<ValueId> = graph.inputs.iter().copied().collect();
        with_grad(|| -> Result<()> {
            let fed = self.fed(&leaf, rows_of(&leaf))?;
            let model = &mut self.model;
            model.gradients = true;
            let ran = model.run_raw(&[(&self.input, &fed)], &mut |slot, tensor| {
                if let Some(value) = slot.checked_sub(first).and_then(|at| values.get(at))
                    && leads_to(&tensor, &leaf)?
                {
                    with.insert(*value);
                }
                Ok(())
            });
            model.gradients = false;
            ran.map(drop)
        })?;
        // Lists are not observed: they have what is in them.
        for node in &graph.nodes {
            let some = node.inputs.iter().any(|value| with.contains(value));
            with.extend(node.outputs.iter().filter(|value| some && !flow.is_tensor(**value)));
        }
        let (mut value, mut seen) = (logits, HashSet::new());
        while let Some(node) = flow.producer(value).filter(|_| seen.insert(value)) {
            if node.inputs.iter().any(|input| with.contains(input)) {
                return Ok(Some(match node.place.as_str() {
                    "" => node.kind.clone(),
                    place => format!("{}, at {place},", node.kind),
                }));
            }
            let Some(input) = flow.first_live_input(node) else { break };
            value = input;
        }
        Ok(None)
    }
}

/// How many inputs there are.
fn rows_of(inputs: &Tensor) -> i64 {
    inputs.size().first().copied().unwrap_or(1)
}
