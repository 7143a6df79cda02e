//! The attack of Carlini and Wagner with the Euclidean norm.

#[cfg(feature = "torch")]
use tch::{Device, Kind, Tensor};

#[cfg(feature = "torch")]
use super::subject::{Goal, Subject, by_row};
#[cfg(feature = "torch")]
use crate::Result;
use crate::synthesis::parameters::{Field, Within};

/// The attack of Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks" (IEEE S&P 2017), with the Euclidean norm: Adam on
/// `|x' - x|² + c * max(0, margin + confidence)`, where `x' = (tanh(w) + 1) / 2` stays within the range by itself and the margin is by how much the logit
/// of the class that is left leads all others (by how much the largest other leads the target's). `c` starts at `initial_const`, is ten times as large
/// while the attack fails, and is searched for by bisection, from [`Cw::binary_search_steps`] on 10 with one last search at the largest. The nearest `x'` of all
/// that were seen and succeed is taken; an input without one stays as it is. As foolbox's `L2CarliniWagnerAttack` run on each input alone, the
/// defaults those of cleverhans.
#[derive(Debug, Clone, PartialEq)]
pub struct Cw {
    /// By how much the margin is to be exceeded: finite, 0 or more.
    pub confidence: f64,
    /// Adam's: finite, more than 0.
    pub learning_rate: f64,
    /// How many `c` are tried, from 1 on.
    pub binary_search_steps: u32,
    /// Steps of Adam for each of them, from 1 on.
    pub max_iterations: u32,
    /// Whether an input's steps end as soon as a tenth of them lowers its loss by less than a ten thousandth.
    pub abort_early: bool,
    /// The first `c`: finite, more than 0.
    pub initial_const: f64,
}

impl Default for Cw {
    fn default() -> Self {
        Self {
            confidence: 0.0,
            learning_rate: 5e-3,
            binary_search_steps: 5,
            max_iterations: 1000,
            abort_early: true,
            initial_const: 1e-2,
        }
    }
}

impl Cw {
    pub(super) const KEYS: &[&str] = &[
        "confidence",
        "learning_rate",
        "binary_search_steps",
        "max_iterations",
        "abort_early",
        "initial_const",
        "target",
        "range",
    ];

    pub(super) fn field(&mut self, key: &str) -> Option<Field<'_>> {
        Some(match key {
            "confidence" => Field::Number(&mut self.confidence, Within::AtLeastZero),
            "learning_rate" => Field::Number(&mut self.learning_rate, Within::AboveZero),
            "binary_search_steps" => Field::Count(&mut self.binary_search_steps),
            "max_iterations" => Field::Count(&mut self.max_iterations),
            "abort_early" => Field::Flag(&mut self.abort_early),
            "initial_const" => Field::Number(&mut self.initial_const, Within::AboveZero),
            _ => return None,
        })
    }

    #[cfg(feature = "torch")]
    pub(super) fn make(&self, subject: &mut Subject<'_>) -> Result<Tensor> {
        let rows = subject.inputs();
        let logits = subject.logits(&subject.originals.shallow_clone())?;
        let goal = subject.goal(&logits)?;
        let best = Best {
            made: subject.originals.f_mul_scalar(1.0)?,
            distance: Tensor::f_full([rows as i64], f64::INFINITY, (Kind::Float, subject.originals.device()))?,
        };
        let mut constants = vec![self.initial_const; rows];
        let (mut lower, mut upper) = (vec![0.0; rows], vec![f64::INFINITY; rows]);
        for search in 1..=self.binary_search_steps {
            if search == self.binary_search_steps && search >= 10 {
                constants = upper.iter().map(|upper| upper.min(1e10)).collect();
            }
            let found = self.descend(subject, &goal, &constants, &best)?;
            for row in 0..rows {
                let constant = constants[row];
                *(if found[row] { &mut upper[row] } else { &mut lower[row] }) = constant;
                constants[row] =
                    if upper[row].is_infinite() { constant * 10.0 } else { f64::midpoint(lower[row], upper[row]) };
            }
        }
        Ok(best.made)
    }

    /// Runs Adam for these constants; which inputs found something that succeeds.
    #[cfg(feature = "torch")]
    fn descend(&self, subject: &mut Subject<'_>, goal: &Goal, constants: &[f64], best: &Best) -> Result<Vec<bool>> {
        let mut rows = Rows::start(subject, goal, constants)?;
        let all = Tensor::f_zeros([constants.len() as i64], (Kind::Bool, subject.originals.device()))?;
        let tenth = self.max_iterations.div_ceil(10);
        for step in 0..self.max_iterations {
            let squashed = rows.start.f_add(&rows.delta)?.f_tanh()?;
            let made = squashed.f_add_scalar(1.0)?.f_mul_scalar(0.5)?;
            let run = subject.run(&made)?;
            let (margin, cotangent) = rows.margin(run.logits(), goal.targeted, self.confidence)?;
            let moved = made.f_sub(&rows.reconstructed)?;
            let mut gradient = subject.gradient(&run, &cotangent, false)?;
            let slope = squashed.f_square()?.f_neg()?.f_add_scalar(1.0)?.f_mul_scalar(0.5)?;
            let _ = gradient.f_add_(&moved.f_mul_scalar(2.0)?)?.f_mul_(&slope)?;
            rows.adam(&gradient, step + 1, self.learning_rate)?;
            if self.abort_early && step % tenth == 0 {
                let hinge = margin.f_clamp_min(0.0)?.f_mul(&rows.constants)?;
                let loss = hinge.f_add(&length(&moved)?.f_square()?)?;
                let stays = loss.f_le_tensor(&rows.previous.f_mul_scalar(0.9999)?)?;
                rows.previous = loss;
                let stays = stays.f_nonzero()?.f_view(-1)?;
                if stays.numel() < rows.places.numel() {
                    if stays.numel() == 0 {
                        break;
                    }
                    rows.keep(&stays)?;
                    // The others are through; what these found in this step counts.
                    rows.note(best, &all, &made.f_index_select(0, &stays)?, &margin.f_index_select(0, &stays)?)?;
                    continue;
                }
            }
            rows.note(best, &all, &made, &margin)?;
        }
        Ok(Vec::try_from(&all.f_to_device(Device::Cpu)?)?)
    }
}

/// The nearest that succeeded so far, of all inputs.
#[cfg(feature = "torch")]
struct Best {
    made: Tensor,
    distance: Tensor,
}

/// The inputs whose descent goes on, all tensors with a row for each.
#[cfg(feature = "torch")]
struct Rows {
    /// Which they are among all.
    places: Tensor,
    originals: Tensor,
    start: Tensor,
    /// What `start` stands for: the originals, but for rounding.
    reconstructed: Tensor,
    delta: Tensor,
    mean: Tensor,
    variance: Tensor,
    classes: Tensor,
    constants: Tensor,
    previous: Tensor,
}

#[cfg(feature = "torch")]
impl Rows {
    fn start(subject: &Subject<'_>, goal: &Goal, constants: &[f64]) -> Result<Self> {
        let originals = subject.originals.shallow_clone();
        let device = originals.device();
        // Not quite to the ends, which are infinitely far away.
        let start = originals.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?.f_mul_scalar(0.999_999)?.f_arctanh()?;
        Ok(Self {
            places: Tensor::f_arange(constants.len() as i64, (Kind::Int64, device))?,
            reconstructed: start.f_tanh()?.f_add_scalar(1.0)?.f_mul_scalar(0.5)?,
            delta: originals.f_zeros_like()?,
            mean: originals.f_zeros_like()?,
            variance: originals.f_zeros_like()?,
            classes: goal.classes.f_unsqueeze(1)?,
            constants: Tensor::f_from_slice(constants)?.f_to_kind(Kind::Float)?.f_to_device(device)?,
            previous: Tensor::f_full([constants.len() as i64], f64::INFINITY, (Kind::Float, device))?,
            originals,
            start,
        })
    }

    /// How far each input is from success, confidence included, and the gradient by the logits of what that costs.
    fn margin(&self, logits: &Tensor, targeted: bool, confidence: f64) -> Result<(Tensor, Tensor)> {
        let logits = logits.f_to_kind(Kind::Float)?;
        let own = logits.f_gather(1, &self.classes, false)?;
        let none = Tensor::f_full(self.classes.size().as_slice(), f64::NEG_INFINITY, (Kind::Float, logits.device()))?;
        let (other, largest) = logits.f_scatter(1, &self.classes, &none)?.f_max_dim(1, true)?;
        let margin = if targeted { other.f_sub(&own)? } else { own.f_sub(&other)? }.f_add_scalar(confidence)?;
        let weight = margin.f_gt(0.0)?.f_to_kind(Kind::Float)?.f_mul(&self.constants.f_unsqueeze(1)?)?;
        let (down, up) = if targeted { (&largest, &self.classes) } else { (&self.classes, &largest) };
        let cotangent = logits.f_zeros_like()?.f_scatter(1, down, &weight)?.f_scatter(1, up, &weight.f_neg()?)?;
        Ok((margin.f_squeeze_dim(1)?, cotangent))
    }

    /// One step of Adam (Kingma and Ba 2015) with its usual rates of decay.
    fn adam(&mut self, gradient: &Tensor, step: u32, learning_rate: f64) -> Result<()> {
        let (first, second) = (0.9f64, 0.999f64);
        let _ = self.mean.f_mul_scalar_(first)?.f_add_(&gradient.f_mul_scalar(1.0 - first)?)?;
        let _ = self.variance.f_mul_scalar_(second)?.f_add_(&gradient.f_square()?.f_mul_scalar_(1.0 - second)?)?;
        let exponent = step.min(i32::MAX as u32) as i32;
        let mean = self.mean.f_div_scalar(1.0 - first.powi(exponent))?;
        let variance = self.variance.f_div_scalar(1.0 - second.powi(exponent))?;
        let step = mean.f_div(&variance.f_sqrt()?.f_add_scalar(1e-8)?)?.f_mul_scalar(learning_rate)?;
        let _ = self.delta.f_sub_(&step)?;
        Ok(())
    }

    /// Keeps what succeeds and is nearer than what is known.
    fn note(&self, best: &Best, found: &Tensor, made: &Tensor, margin: &Tensor) -> Result<()> {
        let succeeds = margin.f_lt(0.0)?;
        let distance = length(&made.f_sub(&self.originals)?)?;
        let known = best.distance.f_index_select(0, &self.places)?;
        let better = succeeds.f_logical_and(&distance.f_lt_tensor(&known)?)?;
        let (mut all_found, mut all_made, mut all_distance) =
            (found.shallow_clone(), best.made.shallow_clone(), best.distance.shallow_clone());
        let seen = found.f_index_select(0, &self.places)?.f_logical_or(&succeeds)?;
        let _ = all_found.f_index_copy_(0, &self.places, &seen)?;
        let own = all_made.f_index_select(0, &self.places)?;
        let _ = all_made.f_index_copy_(0, &self.places, &made.f_where_self(&by_row(&better, made)?, &own)?)?;
        let _ = all_distance.f_index_copy_(0, &self.places, &distance.f_where_self(&better, &known)?)?;
        Ok(())
    }

    /// Goes on with these rows alone.
    fn keep(&mut self, rows: &Tensor) -> Result<()> {
        for tensor in [
            &mut self.places,
            &mut self.originals,
            &mut self.start,
            &mut self.reconstructed,
            &mut self.delta,
            &mut self.mean,
            &mut self.variance,
            &mut self.classes,
            &mut self.constants,
            &mut self.previous,
        ] {
            *tensor = tensor.f_index_select(0, rows)?;
        }
        Ok(())
    }
}

/// The Euclidean length of each row.
#[cfg(feature = "torch")]
fn length(rows: &Tensor) -> Result<Tensor> {
    Ok(rows.f_flatten(1, -1)?.f_norm_scalaropt_dim(2, 1i64, false)?)
}
