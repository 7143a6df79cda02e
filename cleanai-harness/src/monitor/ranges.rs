//! Ranges of neurons, and how trusted inputs spread over their sections: `src` and `mrc`.

use serde::{Deserialize, Serialize};

use super::signature::Members;
use crate::vectorise::vectorised;

/// The range of every neuron over the trusted inputs of a class; empty (from infinity to minus infinity) for one that has no value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ranges {
    low: Vec<f32>,
    high: Vec<f32>,
}

/// Ranges in sections, and how many trusted inputs are in each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sections {
    ranges: Ranges,
    sections: u32,
    /// Trusted inputs of the class.
    trusted: u32,
    /// Neuron by neuron, section by section.
    counts: Vec<u32>,
}

/// Ranges while they are made: whether one input alone is at an end.
struct Ends {
    alone_low: Vec<bool>,
    alone_high: Vec<bool>,
    /// Whether there is another input at all.
    others: bool,
}

impl Ends {
    /// Whether a value is outside the range of all others. It is where it is the only smallest or the only largest.
    fn is_outside(&self, ranges: &Ranges, neuron: usize, value: f32) -> bool {
        let (low, high) = (ranges.low[neuron], ranges.high[neuron]);
        !self.others
            || value.is_nan()
            || (value == low && self.alone_low[neuron])
            || (value == high && self.alone_high[neuron])
    }
}

impl Ranges {
    fn of(class: Members<'_>) -> (Self, Ends) {
        let neurons = class.neurons();
        let mut own = Self { low: vec![f32::INFINITY; neurons], high: vec![f32::NEG_INFINITY; neurons] };
        for member in class.members {
            for (at, values) in class.layers(*member) {
                widen(&mut own.low[at..at + values.len()], &mut own.high[at..at + values.len()], values);
            }
        }
        let mut at_ends = [vec![0u8; neurons], vec![0u8; neurons]];
        for member in class.members {
            for (at, values) in class.layers(*member) {
                for (ends, bounds) in at_ends.iter_mut().zip([&own.low, &own.high]) {
                    count_equal(&mut ends[at..at + values.len()], &bounds[at..at + values.len()], values);
                }
            }
        }
        let [alone_low, alone_high] = at_ends.map(|counts| counts.into_iter().map(|count| count == 1).collect());
        (own, Ends { alone_low, alone_high, others: class.members.len() > 1 })
    }

    /// The ranges, and for each member its eta and for each layer how many values are in range, every member left out of its own ranges.
    pub fn build(class: Members<'_>) -> (Self, Vec<f64>, Vec<u64>) {
        let (own, ends) = Self::of(class);
        let outside = class.map(|row| {
            let layers = class.offsets.windows(2).map(|layer| {
                (layer[0]..layer[1]).filter(|neuron| ends.is_outside(&own, *neuron, row[*neuron])).count()
            });
            layers.collect::<Vec<usize>>()
        });
        let eta = outside.iter().map(|layers| layers.iter().sum::<usize>() as f64).collect();
        (own, eta, inside(class, &outside))
    }

    pub fn eta(&self, offsets: &[usize], row: &[f32], costs: &mut [f64]) -> f64 {
        for (cost, layer) in costs.iter_mut().zip(offsets.windows(2)) {
            let neurons = layer[0]..layer[1];
            *cost = f64::from(outside(&row[neurons.clone()], &self.low[neurons.clone()], &self.high[neurons]));
        }
        costs.iter().sum()
    }

    pub fn is_sound(&self, neurons: usize) -> bool {
        self.low.len() == neurons && self.high.len() == neurons
    }
}

/// By layer: values that are not outside.
fn inside(class: Members<'_>, outside: &[Vec<usize>]) -> Vec<u64> {
    let layers = class.offsets.windows(2).enumerate();
    let of_layer = |(layer, ends): (usize, &[usize])| -> u64 {
        outside.iter().map(|layers| (ends[1] - ends[0] - layers[layer]) as u64).sum()
    };
    layers.map(of_layer).collect()
}

impl Sections {
    /// As [`Ranges::build`], with the sections' counts.
    pub fn build(class: Members<'_>, sections: usize) -> (Self, Vec<f64>, Vec<u64>) {
        let (ranges, ends) = Ranges::of(class);
        let mut counts = vec![0u32; class.neurons() * sections];
        for member in class.members {
            for (at, values) in class.layers(*member) {
                for (neuron, value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                    let neuron = at + neuron;
                    counts[neuron * sections + section(*value, ranges.low[neuron], ranges.high[neuron], sections)] += 1;
                }
            }
        }
        let others = class.members.len().saturating_sub(1) as f64;
        let left_out = class.map(|row| {
            let mut shared = 0u64;
            let layers = class.offsets.windows(2).map(|layer| {
                let neurons = layer[0]..layer[1];
                let mut outside = 0;
                for neuron in neurons {
                    let value = row[neuron];
                    if ends.is_outside(&ranges, neuron, value) {
                        outside += 1;
                    } else {
                        // The others' range is the same, so only the input's own section has one less.
                        let at = section(value, ranges.low[neuron], ranges.high[neuron], sections);
                        shared += u64::from(counts[neuron * sections + at] - 1);
                    }
                }
                outside
            });
            let layers: Vec<usize> = layers.collect();
            (cost(class.neurons(), shared, others), layers)
        });
        let (eta, outside): (Vec<f64>, Vec<Vec<usize>>) = left_out.into_iter().unzip();
        let inside = inside(class, &outside);
        (Self { ranges, sections: sections as u32, trusted: class.members.len() as u32, counts }, eta, inside)
    }

    pub fn eta(&self, offsets: &[usize], row: &[f32], costs: &mut [f64]) -> f64 {
        let (sections, trusted) = (self.sections as usize, f64::from(self.trusted));
        let mut all = 0;
        for (own, layer) in costs.iter_mut().zip(offsets.windows(2)) {
            let mut shared = 0;
            for (neuron, &value) in row.iter().enumerate().take(layer[1]).skip(layer[0]) {
                let (low, high) = (self.ranges.low[neuron], self.ranges.high[neuron]);
                if value >= low && value <= high {
                    shared += u64::from(self.counts[neuron * sections + section(value, low, high, sections)]);
                }
            }
            *own = cost(layer[1] - layer[0], shared, trusted);
            all += shared;
        }
        cost(row.len(), all, trusted)
    }

    pub fn is_sound(&self, neurons: usize, sections: usize) -> bool {
        self.ranges.is_sound(neurons)
            && self.sections as usize == sections
            && self.trusted > 0
            && neurons.checked_mul(sections) == Some(self.counts.len())
            && self.counts.iter().all(|count| *count <= self.trusted)
    }
}

/// What neurons cost together: 1 each, less the share of the trusted inputs in the section of each that is in range. Counts are added up before they are
/// divided, so that it does not depend on an order.
fn cost(neurons: usize, shared: u64, trusted: f64) -> f64 {
    if shared == 0 { neurons as f64 } else { neurons as f64 - shared as f64 / trusted }
}

/// The section of a value in range, as `kmnc` has them; the first where the range is one value.
#[inline(always)]
fn section(value: f32, low: f32, high: f32, sections: usize) -> usize {
    if high <= low {
        return 0;
    }
    let (value, low, high) = (f64::from(value), f64::from(low), f64::from(high));
    (((value - low) / (high - low) * sections as f64) as usize).min(sections - 1)
}

vectorised! {
    /// Takes values into ranges; NaN into none.
    fn widen(low: &mut [f32], high: &mut [f32], values: &[f32]) {
        for ((low, high), value) in low.iter_mut().zip(high).zip(values) {
            *low = if *value < *low { *value } else { *low };
            *high = if *value > *high { *value } else { *high };
        }
    }
}

vectorised! {
    /// Counts where values are at a bound; more than two are two.
    fn count_equal(counts: &mut [u8], bounds: &[f32], values: &[f32]) {
        for ((count, bound), value) in counts.iter_mut().zip(bounds).zip(values) {
            *count = (*count + u8::from(value == bound)).min(2);
        }
    }
}

vectorised! {
    /// How many values are outside their ranges.
    fn outside(row: &[f32], low: &[f32], high: &[f32]) -> u32 {
        row.iter().zip(low).zip(high).map(|((value, low), high)| u32::from(!((*value >= *low) & (*value <= *high)))).sum()
    }
}
