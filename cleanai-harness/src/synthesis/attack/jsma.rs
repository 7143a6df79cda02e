//! The Jacobian-based saliency map attack.

#[cfg(feature = "torch")]
use tch::{Device, Kind, Tensor};

#[cfg(feature = "torch")]
use super::subject::Subject;
#[cfg(feature = "torch")]
use crate::Result;
use crate::synthesis::parameters::{Field, Within};

/// The Jacobian-based saliency map attack of Papernot et al., "The Limitations of Deep Learning in Adversarial Settings" (EuroS&P 2016), with pairs of values
/// as in cleverhans' and torchattacks' `JSMA`. Each step moves the two values p and q by `theta` whose product `a * |b|` is the largest,
/// `a > 0` the sum of their derivatives of the target's logit and `b < 0` that of all other logits' (signs swapped where `theta` is negative); of
/// equals the first pair. A value takes part once, and only if it lies below 0.99 (above 0.01) of the range at first. The attack ends when
/// the target is predicted, `gamma` of the values have been moved, or no pair is left that speaks for the target; there torchattacks
/// would move the first value.
///
/// It always leads to a class: without a `target`, to the one after the label (or after the predicted class), the first after the last, as in torchattacks.
#[derive(Debug, Clone, PartialEq)]
pub struct Jsma {
    /// How much a value is moved, as a share of the range: from -1 to 1, not 0.
    pub theta: f64,
    /// The share of values that may be moved: more than 0, at most 1.
    pub gamma: f64,
}

impl Default for Jsma {
    fn default() -> Self {
        Self { theta: 1.0, gamma: 1.0 }
    }
}

impl Jsma {
    pub(super) const KEYS: &[&str] = &["theta", "gamma", "target", "range"];

    pub(super) fn field(&mut self, key: &str) -> Option<Field<'_>> {
        Some(match key {
            "theta" => Field::Number(&mut self.theta, Within::SignedShare),
            "gamma" => Field::Number(&mut self.gamma, Within::Share),
            _ => return None,
        })
    }

    #[cfg(feature = "torch")]
    pub(super) fn make(&self, subject: &mut Subject<'_>) -> Result<Tensor> {
        let (size, device) = (subject.originals.size(), subject.originals.device());
        let rows = subject.inputs();
        let width = subject.originals.numel() / rows.max(1);
        let mut values = numbers(&subject.originals)?;
        let sign = self.theta.signum() as f32;
        let may_move = |value: &f32| if sign > 0.0 { *value < 0.99 } else { *value > 0.01 };
        let mut open: Vec<bool> = values.iter().map(may_move).collect();
        let steps = (width as f64 * self.gamma / 2.0).ceil() as usize;
        let mut running: Vec<usize> = (0..rows).collect();
        let mut targets: Vec<i64> = Vec::new();
        for _ in 0..steps {
            let mut own_size = size.clone();
            own_size[0] = running.len() as i64;
            let own: Vec<f32> =
                running.iter().flat_map(|row| &values[row * width..(row + 1) * width]).copied().collect();
            let run = subject.run(&Tensor::f_from_slice(&own)?.f_view(own_size.as_slice())?.f_to_device(device)?)?;
            let logits = run.logits();
            let classes = logits.size2()?.1;
            if targets.is_empty() {
                let goal = subject.goal(logits)?;
                let chosen: Vec<i64> = Vec::try_from(&goal.classes.f_to_device(Device::Cpu)?)?;
                targets =
                    chosen.iter().map(|class| if goal.targeted { *class } else { (class + 1) % classes }).collect();
            }
            let predicted: Vec<i64> = Vec::try_from(&logits.f_argmax(1, false)?.f_to_device(Device::Cpu)?)?;
            let there = |at: usize, row: usize| predicted[at] == targets[row];
            if running.iter().enumerate().all(|(at, row)| there(at, *row)) {
                break;
            }
            let own: Vec<i64> = running.iter().map(|row| targets[*row]).collect();
            let own = Tensor::f_from_slice(&own)?.f_to_device(device)?;
            let target = own.f_one_hot(classes)?.f_to_kind(Kind::Float)?;
            let others = target.f_neg()?.f_add_scalar(1.0)?;
            let by_target = numbers(&subject.gradient(&run, &target, true)?)?;
            let by_others = numbers(&subject.gradient(&run, &others, false)?)?;
            let mut left = Vec::with_capacity(running.len());
            for (at, row) in running.iter().enumerate().filter(|(at, row)| !there(*at, **row)) {
                let (own, gradients) = (row * width..(row + 1) * width, at * width..(at + 1) * width);
                let open = &mut open[own.clone()];
                let pair = best_pair(&by_target[gradients.clone()], &by_others[gradients], open, sign);
                let Some((first, second)) = pair else { continue };
                let values = &mut values[own];
                for place in [first, second] {
                    values[place] = (values[place] + self.theta as f32).clamp(0.0, 1.0);
                    open[place] = false;
                }
                left.push(*row);
            }
            running = left;
            if running.is_empty() {
                break;
            }
        }
        Ok(Tensor::f_from_slice(&values)?.f_view(size.as_slice())?.f_to_device(device)?)
    }
}

#[cfg(feature = "torch")]
fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    let flat = tensor.f_to_device(Device::Cpu)?.f_contiguous()?.f_view(-1)?;
    Ok(Vec::try_from(&flat)?)
}

/// The two open places with the largest product of (the sum of what speaks for the target) and (the sum of what speaks against all others), both
/// above 0 in the direction of `sign`; of equals the first.
///
/// Places are looked at in falling order of both together, `l * for + against / l`: by the inequality of means no product is more than a
/// quarter of the square of the pair's sum, so that a few pairs tell for all, whatever `l` is. It is chosen to make both terms alike in size.
#[cfg(feature = "torch")]
pub(super) fn best_pair(by_target: &[f32], by_others: &[f32], open: &[bool], sign: f32) -> Option<(usize, usize)> {
    let mut places: Vec<(f64, f64, usize)> = (0..open.len())
        .filter(|place| open[*place])
        .map(|place| (f64::from(sign * by_target[place]), f64::from(-sign * by_others[place]), place))
        .collect();
    let sizes =
        places.iter().fold((0.0, 0.0), |(one, other), (with, against, _)| (one + with.abs(), other + against.abs()));
    let balance = if sizes.0 > 0.0 && sizes.1 > 0.0 { (sizes.1 / sizes.0).sqrt() } else { return None };
    let both = |(with, against, _): &(f64, f64, usize)| with * balance + against / balance;
    places.sort_unstable_by(|one, other| both(other).total_cmp(&both(one)));
    let sums: Vec<f64> = places.iter().map(both).collect();
    let mut best: Option<(f64, usize, usize)> = None;
    for (at, (with, against, place)) in places.iter().enumerate() {
        for (later, (other_with, other_against, other)) in places.iter().enumerate().skip(at + 1) {
            let sum = sums[at] + sums[later];
            // A little more than the bound, so that rounding leaves out none of equals.
            let most = sum * sum / 4.0 * (1.0 + 1e-9);
            if sum <= 0.0 || best.is_some_and(|(product, ..)| most < product) {
                if later == at + 1 {
                    return best.map(|(_, first, second)| (first, second));
                }
                break;
            }
            let (with, against) = (with + other_with, against + other_against);
            if with > 0.0 && against > 0.0 {
                let found = (with * against, *place.min(other), *place.max(other));
                let first = |(product, first, second): (f64, usize, usize)| {
                    found.0 > product || (found.0 == product && (found.1, found.2) < (first, second))
                };
                if best.is_none_or(first) {
                    best = Some(found);
                }
            }
        }
    }
    best.map(|(_, first, second)| (first, second))
}
