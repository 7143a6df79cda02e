//! What attacks work on: inputs from 0 to 1, the model behind them, and the classes they are about.

use tch::{Kind, Tensor};

use crate::model::{Differentiable, GradientModel};
use crate::{Error, ErrorKind, Result};

/// Inputs that are attacked together.
pub(super) struct Subject<'a> {
    pub model: &'a mut GradientModel,
    /// The lower end of the range as the model gets it, and the range's length, to be broadcast.
    pub low: Tensor,
    pub length: Tensor,
    /// The inputs, from 0 to 1 in float32 on the model's device, the batch axis first.
    pub originals: Tensor,
    pub aim: Aim,
    /// The number of the first input.
    pub first: usize,
    pub name: &'a dyn Fn(usize) -> String,
}

/// What an attack is to reach, before the model has been asked.
#[derive(Debug, Clone)]
pub(super) enum Aim {
    /// This class.
    To(i64),
    /// Any class but the label.
    FromLabels(Vec<i64>),
    /// Any class but the predicted one.
    FromPredicted,
}

/// The class that each input leads to, or away from.
#[derive(Debug)]
pub(super) struct Goal {
    /// (inputs), int64.
    pub classes: Tensor,
    pub targeted: bool,
    /// 1 for the class of each input, (inputs, classes) of f64: what the gradient of the cross entropy has besides the softmax.
    one_hot: Tensor,
}

impl Subject<'_> {
    pub fn inputs(&self) -> usize {
        self.originals.size().first().map_or(0, |inputs| *inputs as usize)
    }

    /// The number of an input.
    pub fn number(&self, row: usize) -> usize {
        self.first + row
    }

    /// Runs inputs from 0 to 1.
    pub fn run(&mut self, inputs: &Tensor) -> Result<Differentiable> {
        // Differentiated by the inputs from 0 to 1, which costs no more than by those that the model gets.
        let (low, length) = (&self.low, &self.length);
        self.model.run_of(inputs, |inputs| Ok(low.f_addcmul(inputs, length)?))
    }

    /// The logits of inputs from 0 to 1.
    pub fn logits(&mut self, inputs: &Tensor) -> Result<Tensor> {
        self.model.logits(&self.low.f_addcmul(inputs, &self.length)?)
    }

    /// The product of a cotangent with the Jacobian by the inputs from 0 to 1.
    pub fn gradient(&mut self, run: &Differentiable, cotangent: &Tensor, keep: bool) -> Result<Tensor> {
        let gradient = self.model.gradient(run, cotangent, keep)?;
        // One sum tells whether all is well; finite numbers may have an infinite one.
        if !f64::try_from(gradient.f_sum(Kind::Float)?)?.is_finite() {
            let finite = gradient.f_isfinite()?.f_flatten(1, -1)?.f_all_dim(1, false)?;
            if !bool::try_from(finite.f_all()?)? {
                return Err(not_finite());
            }
        }
        Ok(gradient)
    }

    /// What the attack is to reach; `logits` are those of the originals.
    pub fn goal(&self, logits: &Tensor) -> Result<Goal> {
        let (inputs, classes) = logits.size2()?;
        let outside = |class: i64| !(0..classes).contains(&class);
        let numbered = format!("the model has {classes} classes, numbered from 0");
        let (chosen, targeted) = match &self.aim {
            Aim::To(class) if outside(*class) => {
                let what = format!("`target` is {class}, but {numbered}");
                return Err(Error::new(ErrorKind::Configuration, what));
            }
            Aim::To(class) => (Tensor::f_full([inputs], *class, (Kind::Int64, logits.device()))?, true),
            Aim::FromLabels(labels) => {
                if let Some(row) = labels.iter().position(|label| outside(*label)) {
                    let name = (self.name)(self.number(row));
                    let what = format!("input {name}: its label is {}, but {numbered}", labels[row]);
                    return Err(Error::new(ErrorKind::Data, what)
                        .with_help("are the labels those of this model? Attacks lead away from them"));
                }
                (Tensor::f_from_slice(labels)?.f_to_device(logits.device())?, false)
            }
            Aim::FromPredicted => (logits.f_argmax(1, false)?, false),
        };
        let mut one_hot = Tensor::f_zeros([inputs, classes], (Kind::Double, logits.device()))?;
        let _ = one_hot.f_scatter_value_(1, &chosen.f_unsqueeze(1)?, 1.0)?;
        Ok(Goal { classes: chosen, targeted, one_hot })
    }
}

impl Goal {
    /// The gradient by the logits of what the attack makes larger: the cross entropy with the class it leads away from, or less that with the one
    /// it leads to. In f64, because a sure prediction leaves nothing of it in f32.
    pub fn uphill(&self, logits: &Tensor) -> Result<Tensor> {
        let mut cotangent = logits.f_softmax(1, Kind::Double)?;
        let _ = cotangent.f_sub_(&self.one_hot)?;
        if self.targeted { Ok(cotangent.f_neg()?) } else { Ok(cotangent) }
    }
}

/// The error of a model whose gradient is no direction.
pub(super) fn not_finite() -> Error {
    Error::new(ErrorKind::Model, "the gradient of the logits is not finite")
        .with_help("does the model give NaN or infinity for these inputs, or take the root of 0?")
}

/// One number for each row in a shape that broadcasts over the others' axes.
pub(super) fn by_row(numbers: &Tensor, like: &Tensor) -> Result<Tensor> {
    let mut size = vec![1; like.dim().max(1)];
    size[0] = numbers.size1()?;
    Ok(numbers.f_view(size.as_slice())?)
}
