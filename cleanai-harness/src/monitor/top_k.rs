//! The neurons that are usually the most active of their layer: `topk`.

use serde::{Deserialize, Serialize};

use super::signature::Members;
use crate::criteria::top_k::top_k;

/// The usual most active neurons of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Usual {
    /// By layer: the neurons that are most often among the most active, sorted by index.
    layers: Vec<Vec<u32>>,
}

impl Usual {
    /// The usual neurons, and for each member its eta, the member left out of the counts.
    pub fn build(class: Members<'_>, places: usize) -> (Self, Vec<f64>) {
        let mut misses = vec![0usize; class.members.len()];
        let mut all = 0;
        let layers = class.traces.iter().map(|layer| {
            let own_places = places.min(layer.width());
            all += own_places;
            let tops: Vec<Vec<u32>> =
                class.members.iter().map(|member| top_k(layer.row(*member), own_places)).collect();
            let mut counts = vec![0u32; layer.width()];
            tops.iter().flatten().for_each(|neuron| counts[*neuron as usize] += 1);
            let order = most_frequent(&counts, 2 * own_places);
            for (misses, top) in misses.iter_mut().zip(&tops) {
                *misses += if class.members.len() > 1 {
                    own_places - hits(top, &without(&order, &counts, top, own_places))
                } else {
                    own_places
                };
            }
            let mut usual = order[..own_places].to_vec();
            usual.sort_unstable();
            usual
        });
        let layers = layers.collect();
        let eta = misses.into_iter().map(|misses| share(misses, all)).collect();
        (Self { layers }, eta)
    }

    pub fn eta(&self, offsets: &[usize], row: &[f32], costs: &mut [f64]) -> f64 {
        let (mut misses, mut places) = (0, 0);
        for ((cost, ends), usual) in costs.iter_mut().zip(offsets.windows(2)).zip(&self.layers) {
            let own = usual.len() - hits(&top_k(&row[ends[0]..ends[1]], usual.len()), usual);
            *cost = own as f64;
            misses += own;
            places += usual.len();
        }
        share(misses, places)
    }

    pub fn is_sound(&self, widths: &[usize], places: usize) -> bool {
        self.layers.len() == widths.len()
            && self.layers.iter().zip(widths).all(|(usual, width)| {
                usual.len() == places.min(*width)
                    && usual.iter().all(|neuron| (*neuron as usize) < *width)
                    && usual.is_sorted_by(|one, next| one < next)
            })
    }
}

fn share(misses: usize, places: usize) -> f64 {
    if places == 0 { 0.0 } else { misses as f64 / places as f64 }
}

/// How many of an input's own are among the sorted usual ones.
fn hits(top: &[u32], usual: &[u32]) -> usize {
    top.iter().filter(|neuron| usual.binary_search(neuron).is_ok()).count()
}

/// Neurons by how often they are counted, the lower index first of equals.
fn most_frequent(counts: &[u32], most: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..counts.len() as u32).collect();
    let key = |neuron: &u32| (std::cmp::Reverse(counts[*neuron as usize]), *neuron);
    if order.len() > most && most > 0 {
        order.select_nth_unstable_by_key(most - 1, key);
        order.truncate(most);
    }
    order.sort_unstable_by_key(key);
    order
}

/// The most frequent ones once an input's own are counted once less, sorted by index. Only its own fall, and they are no more than `places`, so the new ones
/// are among twice as many of the old.
fn without(order: &[u32], counts: &[u32], top: &[u32], places: usize) -> Vec<u32> {
    let mut left: Vec<(std::cmp::Reverse<u32>, u32)> = order
        .iter()
        .map(|neuron| {
            let own = u32::from(top.contains(neuron));
            (std::cmp::Reverse(counts[*neuron as usize] - own), *neuron)
        })
        .collect();
    left.sort_unstable();
    left.truncate(places);
    let mut usual: Vec<u32> = left.into_iter().map(|(_, neuron)| neuron).collect();
    usual.sort_unstable();
    usual
}
