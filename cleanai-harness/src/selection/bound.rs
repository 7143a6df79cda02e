//! How few inputs could cover all: a bound from below.

use rayon::prelude::*;

use super::{CoveredItems, Step};

/// Steps at most.
const MOST_STEPS: usize = 400;

/// Entries looked at in all steps together, about.
const MOST_WORK: usize = 2_000_000_000;

/// Steps without a better bound after which they become half as long.
const PATIENCE: usize = 15;

/// Once they are so short, no better bound is to be expected.
const SHORTEST: f64 = 0.005;

/// What is left to be covered beside the inputs that are in any cover.
pub(super) struct Residual {
    /// The items of each input that has any, renumbered from 0 on.
    sets: Vec<Vec<u32>>,
    /// What the greedy choice paid for each item: an input costs 1, shared by what it adds.
    prices: Vec<f64>,
}

impl Residual {
    /// Of the items that are not `covered`; `greedy` is how they came to be.
    pub fn new(items: &CoveredItems, covered: &[bool], greedy: &[Step]) -> Self {
        let mut number = vec![u32::MAX; covered.len()];
        let mut prices = Vec::new();
        for step in greedy {
            for item in items.of(step.input) {
                let number = &mut number[*item as usize];
                if !covered[*item as usize] && *number == u32::MAX {
                    *number = prices.len() as u32;
                    prices.push(1.0 / step.adds as f64);
                }
            }
        }
        let own = |input: usize| -> Vec<u32> {
            items.of(input).iter().map(|item| number[*item as usize]).filter(|number| *number != u32::MAX).collect()
        };
        let sets = (0..items.inputs()).map(own).filter(|own| !own.is_empty()).collect();
        Self { sets, prices }
    }

    /// No fewer inputs cover all items; `known` do.
    ///
    /// For any prices of 0 and more, a cover costs at least their sum, less what inputs cover beyond their own cost of 1: the value
    /// of the Lagrangian relaxation. Prices of items that are covered often fall, of those that are not rise.
    pub fn at_least(&self, known: usize) -> usize {
        if self.prices.is_empty() {
            return 0;
        }
        let mut prices = self.prices.clone();
        let dearest = self.costs(&prices).into_iter().fold(1.0, f64::max);
        prices.iter_mut().for_each(|price| *price /= dearest);
        let entries: usize = self.sets.iter().map(Vec::len).sum();
        let steps = MOST_STEPS.min(MOST_WORK / entries.max(1)).max(1);
        // At the least, each input covers as much as the largest does.
        let mut best = self.prices.len().div_ceil(self.longest());
        let (mut length, mut since) = (1.0, 0);
        let mut best_value = f64::NEG_INFINITY;
        for _ in 0..steps {
            let costs = self.costs(&prices);
            let (value, error) = self.value(&prices, &costs);
            best = best.max((value - error).ceil().max(0.0) as usize);
            if best >= known || length < SHORTEST {
                break;
            }
            if value > best_value + 1e-4 {
                (best_value, since) = (value, 0);
            } else {
                since += 1;
                if since == PATIENCE {
                    (length, since) = (length / 2.0, 0);
                }
            }
            let mut slopes = vec![1.0; prices.len()];
            for set in self.sets.iter().zip(&costs).filter(|(_, cost)| **cost > 1.0).map(|(set, _)| set) {
                set.iter().for_each(|item| slopes[*item as usize] -= 1.0);
            }
            let square: f64 = slopes.iter().map(|slope| slope * slope).sum();
            if square == 0.0 {
                break;
            }
            let step = length * (known as f64 - value).max(0.5) / square;
            prices.iter_mut().zip(&slopes).for_each(|(price, slope)| *price = (*price + step * slope).max(0.0));
        }
        // The bound is never above what is known, but for a fault of ours.
        debug_assert!(best <= known);
        best.min(known)
    }

    fn longest(&self) -> usize {
        self.sets.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// What each input's items cost together.
    fn costs(&self, prices: &[f64]) -> Vec<f64> {
        self.sets.par_iter().map(|set| set.iter().map(|item| prices[*item as usize]).sum()).collect()
    }

    /// The value of the relaxation, and how far rounding may have moved it.
    fn value(&self, prices: &[f64], costs: &[f64]) -> (f64, f64) {
        let all: f64 = prices.iter().sum();
        let beyond: f64 = costs.iter().map(|cost| (cost - 1.0).max(0.0)).sum();
        let magnitude: f64 = all + costs.iter().map(|cost| cost + 1.0).sum::<f64>();
        let additions = prices.len() + costs.len() + self.longest();
        (all - beyond, additions as f64 * f64::EPSILON * magnitude)
    }
}
