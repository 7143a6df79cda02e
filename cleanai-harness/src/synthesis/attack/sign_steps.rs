//! Steps along the sign of a gradient.

use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::model::tensor::Values;
use crate::vectorise::vectorised;

/// Inputs from 0 to 1 that move step by step along the sign of a gradient, after each kept near the originals and within 0 to 1.
pub(super) struct SignSteps {
    /// How far they may be from the originals, and how far they move at a time.
    eps: f64,
    length: f64,
    size: Vec<i64>,
    place: Place,
}

/// Where the numbers lie.
enum Place {
    /// In main memory, where one pass does all: every tensor operator would be another, and waits for its threads.
    Host {
        originals: Values,
        made: Vec<f32>,
    },
    Device {
        lowest: Tensor,
        highest: Tensor,
        length: Tensor,
        made: Tensor,
    },
}

impl SignSteps {
    /// From a start; both of f32.
    pub fn new(originals: &Tensor, start: &Tensor, eps: f64, length: f64) -> Result<Self> {
        let place = match originals.device() {
            Device::Cpu => {
                Place::Host { originals: Values::of(originals)?, made: Values::of(start)?.as_slice().to_vec() }
            }
            _ => Self::on_device(originals, start, eps, length)?,
        };
        Ok(Self { eps, length, size: originals.size(), place })
    }

    fn on_device(originals: &Tensor, start: &Tensor, eps: f64, length: f64) -> Result<Place> {
        Ok(Place::Device {
            lowest: originals.f_sub_scalar(eps)?.f_clamp_min(0.0)?,
            highest: originals.f_add_scalar(eps)?.f_clamp_max(1.0)?,
            length: Tensor::f_full([1], length, (Kind::Float, originals.device()))?,
            made: start.shallow_clone(),
        })
    }

    /// The inputs as they are now.
    pub fn inputs(&self) -> Result<Tensor> {
        match &self.place {
            Place::Host { made, .. } => Ok(Tensor::f_from_slice(made)?.f_view(self.size.as_slice())?),
            Place::Device { made, .. } => Ok(made.shallow_clone()),
        }
    }

    /// Takes a step along the sign of a gradient, in f32. Gives whether that is finite; inputs are of no use where it is not.
    pub fn step(&mut self, gradient: &Tensor) -> Result<bool> {
        match &mut self.place {
            Place::Host { originals, made } => {
                let gradient = Values::of(gradient)?;
                let (eps, length) = (self.eps as f32, self.length as f32);
                Ok(step(made, originals.as_slice(), gradient.as_slice(), eps, length))
            }
            Place::Device { lowest, highest, length, made } => {
                let moved = made.f_addcmul(&gradient.f_sign()?, length)?;
                *made = moved.f_clamp_tensor(Some(&*lowest), Some(&*highest))?;
                Ok(bool::try_from(gradient.f_isfinite()?.f_all()?)?)
            }
        }
    }
}

vectorised! {
    fn step(made: &mut [f32], originals: &[f32], gradient: &[f32], eps: f32, length: f32) -> bool {
        let mut finite = true;
        for ((made, &original), &slope) in made.iter_mut().zip(originals).zip(gradient) {
            let up = if slope > 0.0 { length } else { 0.0 };
            let down = if slope < 0.0 { length } else { 0.0 };
            *made = (*made + (up - down)).max((original - eps).max(0.0)).min((original + eps).min(1.0));
            finite &= slope.abs() <= f32::MAX;
        }
        finite
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slope() -> impl Strategy<Value = f32> {
        prop_oneof![
            20 => -2f32..2.0, 1 => Just(0.0), 1 => Just(-0.0), 1 => Just(f32::MAX), 1 => Just(1e-40f32),
        ]
    }

    proptest! {
        /// What tensor operators make of it, to the last bit.
        #[test]
        fn both_places_take_the_same_steps(
            numbers in proptest::collection::vec((0f32..=1.0, -1f32..=1.0, slope(), slope()), 1..40),
            eps in 0.001f64..1.0,
            length in 0.001f64..1.0,
        ) {
            let of = |part: fn(&(f32, f32, f32, f32)) -> f32| {
                Tensor::from_slice(&numbers.iter().map(part).collect::<Vec<_>>()).view([-1, 1])
            };
            let originals = of(|numbers| numbers.0);
            let start = (&originals + of(|numbers| numbers.1) * eps).clamp(0.0, 1.0);
            let mut host = SignSteps::new(&originals, &start, eps, length).unwrap();
            let place = SignSteps::on_device(&originals, &start, eps, length).unwrap();
            let mut device = SignSteps { eps, length, size: originals.size(), place };
            for gradient in [of(|numbers| numbers.2), of(|numbers| numbers.3)] {
                prop_assert!(host.step(&gradient).unwrap());
                prop_assert!(device.step(&gradient).unwrap());
                let (host, device) = (host.inputs().unwrap(), device.inputs().unwrap());
                prop_assert_eq!(host.size(), originals.size());
                prop_assert!(host.equal(&device), "{host:?} and {device:?}");
            }
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_is_seen() {
        let originals = Tensor::from_slice(&[0.25f32; 20]);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let gradient = Tensor::zeros([20], (Kind::Float, Device::Cpu));
            let _ = gradient.get(17).fill_(bad);
            let mut host = SignSteps::new(&originals, &originals, 0.5, 0.1).unwrap();
            let place = SignSteps::on_device(&originals, &originals, 0.5, 0.1).unwrap();
            let mut device = SignSteps { eps: 0.5, length: 0.1, size: vec![20], place };
            assert!(!host.step(&gradient).unwrap() && !device.step(&gradient).unwrap(), "{bad}");
        }
    }
}
