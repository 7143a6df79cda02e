//! How soon coverage saturates.

use super::CriterionResult;
use crate::criteria::Contribution;

impl CriterionResult {
    /// How many inputs, from the first of the data set on, cover this share of all that is covered in the end; `None` where contributions
    /// are not known, or nothing is covered.
    ///
    /// ```
    /// # use cleanai_harness::{criteria::Contribution, measure::CriterionResult};
    /// # fn of(result: &CriterionResult) -> Option<u64> {
    /// let inputs = result.inputs_to_cover(0.9);   // 90 % of the coverage is there after so many
    /// # inputs }
    /// ```
    pub fn inputs_to_cover(&self, share: f64) -> Option<u64> {
        // Sums of what a file holds, which may be anything.
        let all = self.contributions.iter().fold(0u64, |sum, own| sum.saturating_add(own.covered));
        let mut covered = 0u64;
        let reached = |own: &&Contribution| {
            covered = covered.saturating_add(own.covered);
            covered as f64 >= share * all as f64
        };
        self.contributions.iter().find(reached).map(|own| own.input.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn result(contributions: &[(u64, u64)]) -> CriterionResult {
        CriterionResult {
            value: None,
            covered: None,
            total: None,
            layers: Vec::new(),
            classes: BTreeMap::new(),
            contributions: contributions.iter().map(|&(input, covered)| Contribution { input, covered }).collect(),
            leading: Vec::new(),
            neurons: Vec::new(),
            ranked: None,
            per_input: Default::default(),
            pictures: Vec::new(),
            details: BTreeMap::new(),
            direction: Default::default(),
        }
    }

    #[test]
    fn coverage_saturates() {
        let result = result(&[(0, 5), (3, 4), (9, 1)]);
        assert_eq!([0.0, 0.5, 0.51, 0.9, 1.0].map(|share| result.inputs_to_cover(share).unwrap()), [1, 1, 4, 4, 10]);
        assert_eq!(super::tests::result(&[]).inputs_to_cover(0.5), None);
    }
}
