//! The most active neurons of every input, found once for all criteria that ask.

use std::cmp::Ordering;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::coverage::PARALLEL_FROM;
use super::number::Number;
use super::{LayerValues, Numbers, PEAK_COLUMNS};
use crate::vectorise::vectorised;

/// Up to this many places a sorted list beats partial selection, and the list of one criterion serves the others.
const FEW: usize = 32;

/// Stands for a neuron where fewer have a value than there are places.
const NONE: u32 = u32::MAX;

/// The most active neurons of one layer's inputs, once they were asked for.
#[derive(Debug, Default)]
pub(crate) struct MostActive(Mutex<Lists>);

/// Lists of `places` neurons, an input each: largest first, equal ones in the order of their index.
#[derive(Debug, Default)]
struct Lists {
    places: usize,
    neurons: Vec<u32>,
}

impl MostActive {
    /// Forgets them, as another layer comes.
    pub(crate) fn forget(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).places = 0;
    }
}

impl Clone for MostActive {
    /// One that has not been asked yet.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl LayerValues<'_> {
    /// Hands over the `places` most active neurons of every input, in no particular order: ties go to the lowest index, NaN never counts.
    pub(crate) fn each_most_active(&self, places: usize, mut take: impl FnMut(usize, &[u32])) {
        if places > FEW {
            many_of(self, places).iter().enumerate().for_each(|(input, neurons)| take(input, neurons));
            return;
        }
        let mut lists = self.most_active.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What a device tells has no order, so it serves those alone who ask for as many.
        let serves =
            if matches!(self.values, Numbers::Device(_)) { lists.places == places } else { lists.places >= places };
        if !serves {
            *lists = Lists { places, neurons: std::mem::take(&mut lists.neurons) };
            lists.fill(self);
        }
        for (input, list) in lists.neurons.chunks_exact(lists.places.max(1)).enumerate() {
            let list = &list[..places];
            let end = list.iter().position(|neuron| *neuron == NONE).unwrap_or(places);
            take(input, &list[..end]);
        }
    }
}

impl Lists {
    fn fill(&mut self, values: &LayerValues<'_>) {
        let Self { places, neurons } = self;
        neurons.clear();
        neurons.resize(values.inputs * *places, NONE);
        match values.values {
            Numbers::Double(rows) => lists_of(rows, values, *places, neurons),
            Numbers::Single(rows) => lists_of(rows, values, *places, neurons),
            Numbers::Device(units) => {
                for (list, own) in neurons.chunks_exact_mut(*places).zip(units.largest(*places)) {
                    list[..own.len()].copy_from_slice(&own);
                }
            }
        }
    }
}

fn lists_of<T: Number>(rows: &[T], values: &LayerValues<'_>, places: usize, neurons: &mut [u32]) {
    let fill = |(input, list): (usize, &mut [u32])| {
        let row = &rows[input * values.neurons..(input + 1) * values.neurons];
        few(row, |block| values.peak(block, input).map(T::from_f32), list);
    };
    if rows.len() < PARALLEL_FROM {
        neurons.chunks_exact_mut(places).enumerate().for_each(fill);
    } else {
        neurons.par_chunks_exact_mut(places).enumerate().for_each(fill);
    }
}

fn many_of(values: &LayerValues<'_>, places: usize) -> Vec<Vec<u32>> {
    match values.values {
        Numbers::Double(rows) => many_of_rows(rows, values, places),
        Numbers::Single(rows) => many_of_rows(rows, values, places),
        Numbers::Device(units) => units.largest(places),
    }
}

fn many_of_rows<T: Number>(rows: &[T], values: &LayerValues<'_>, places: usize) -> Vec<Vec<u32>> {
    let row = |input: usize| many(&rows[input * values.neurons..(input + 1) * values.neurons], places);
    if rows.len() < PARALLEL_FROM {
        (0..values.inputs).map(row).collect()
    } else {
        (0..values.inputs).into_par_iter().map(row).collect()
    }
}

/// Values looked at together before any is looked at alone.
const STRIDE: usize = 64;

/// Fills a list with the most active neurons of one input, whose blocks of [`PEAK_COLUMNS`] have no value above their peak.
fn few<T: Number>(row: &[T], peak: impl Fn(usize) -> Option<T>, list: &mut [u32]) {
    let places = list.len();
    let mut best = [(T::NAN, NONE); FEW];
    let mut count = 0;
    for (block, values) in row.chunks(PEAK_COLUMNS).enumerate() {
        if count == places && peak(block).is_some_and(|peak| peak <= best[places - 1].0) {
            continue;
        }
        let mut at = 0;
        while at < values.len() {
            if count == places && values.len() - at > STRIDE {
                let Some(next) = next_above(&values[at..], best[places - 1].0) else { break };
                at += next;
            }
            let end = values.len().min(at + STRIDE);
            for (offset, &value) in values[at..end].iter().enumerate() {
                let enters = if count < places { !value.is_nan() } else { value > best[places - 1].0 };
                if !enters {
                    continue;
                }
                count = places.min(count + 1);
                let mut place = count - 1;
                while place > 0 && best[place - 1].0 < value {
                    best[place] = best[place - 1];
                    place -= 1;
                }
                best[place] = (value, (block * PEAK_COLUMNS + at + offset) as u32);
            }
            at = end;
        }
    }
    for (own, (_, neuron)) in list.iter_mut().zip(best) {
        *own = neuron;
    }
}

vectorised! {
    /// Where the first stride begins that has a value above the bar.
    fn next_above<T: Number>(row: &[T], bar: T) -> Option<usize> {
        let (strides, rest) = row.as_chunks::<STRIDE>();
        for (index, stride) in strides.iter().enumerate() {
            if stride.iter().fold(false, |any, value| any | (*value > bar)) {
                return Some(index * STRIDE);
            }
        }
        rest.iter().fold(false, |any, value| any | (*value > bar)).then(|| strides.len() * STRIDE)
    }
}

fn many<T: Number>(row: &[T], places: usize) -> Vec<u32> {
    let mut indices: Vec<u32> = (0..row.len() as u32).filter(|index| !row[*index as usize].is_nan()).collect();
    if indices.len() > places {
        indices.select_nth_unstable_by(places - 1, |left, right| {
            let (left_value, right_value) = (row[*left as usize], row[*right as usize]);
            right_value.partial_cmp(&left_value).unwrap_or(Ordering::Equal).then(left.cmp(right))
        });
        indices.truncate(places);
    }
    indices
}

/// The `places` most active neurons of one row.
pub(crate) fn top_k<T: Number>(row: &[T], places: usize) -> Vec<u32> {
    if places > FEW {
        return many(row, places);
    }
    let mut list = vec![NONE; places];
    few(row, |_| None, &mut list);
    list.retain(|neuron| *neuron != NONE);
    list
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::LayerBatch;
    use super::*;

    /// By a sort of all.
    fn plain<T: Number>(row: &[T], places: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..row.len() as u32).filter(|at| !row[*at as usize].is_nan()).collect();
        let value = |at: &u32| row[*at as usize].to_f64();
        all.sort_by(|one, other| value(other).partial_cmp(&value(one)).expect("no NaN"));
        all.truncate(places);
        all.sort_unstable();
        all
    }

    fn found(values: &LayerValues<'_>, places: usize) -> Vec<Vec<u32>> {
        let mut lists = Vec::new();
        values.each_most_active(places, |input, neurons| {
            assert_eq!(input, lists.len());
            lists.push(neurons.to_vec());
            lists[input].sort_unstable();
        });
        lists
    }

    proptest! {
        #[test]
        fn whoever_asks_gets_those_that_a_sort_gives(
            // More neurons than one block has; many ties.
            (inputs, values) in (1usize..4, prop_oneof![4 => 1usize..40, 1 => 900usize..3500]).prop_flat_map(|(inputs, width)| {
                let value = prop_oneof![20 => (-9i8..9).prop_map(f32::from), 1 => Just(f32::NAN), 1 => Just(-0.0f32), 1 => -1f32..12.0];
                (Just(inputs), proptest::collection::vec(value, inputs * width))
            }),
            asked in proptest::collection::vec(prop_oneof![1usize..6, 30usize..50], 1..4),
        ) {
            let width = values.len() / inputs;
            let double: Vec<f64> = values.iter().copied().map(f64::from).collect();
            let expected = |places: usize| values.chunks_exact(width).map(|row| plain(row, places)).collect::<Vec<_>>();
            for batch in [LayerBatch::units(inputs, values.clone()), LayerBatch::channels(inputs, double)] {
                for places in &asked {
                    prop_assert_eq!(found(&batch.values(0, 0), *places), expected(*places), "{} places", places);
                }
            }
        }
    }

    #[test]
    fn another_layer_has_others() {
        let (one, other) = (LayerBatch::channels(1, vec![1.0, 2.0]), LayerBatch::channels(1, vec![2.0, 1.0]));
        let mut shared = MostActive::default();
        assert_eq!(found(&LayerValues { most_active: &shared, ..one.values(0, 0) }, 1), [[1]]);
        shared.forget();
        assert_eq!(found(&LayerValues { most_active: &shared, ..other.values(1, 0) }, 1), [[0]]);
    }
}
