//! Who covered most first.

use super::LeadingInput;
use crate::criteria::Contribution;

/// How many leading inputs are named.
const NAMED: usize = 10;

/// The inputs that covered most of what none before them had, the earlier of equals first.
pub(super) fn by_covered(contributions: &[Contribution]) -> Vec<Contribution> {
    let mut sorted = contributions.to_vec();
    sorted.sort_by_key(|own| (std::cmp::Reverse(own.covered), own.input));
    sorted
}

/// The first of these, which are named.
pub(super) fn first_named(contributions: &[Contribution]) -> impl Iterator<Item = Contribution> {
    by_covered(contributions).into_iter().take(NAMED)
}

/// They by name.
pub(super) fn leading(contributions: &[Contribution], name: impl Fn(usize) -> String) -> Vec<LeadingInput> {
    let named =
        |own: Contribution| LeadingInput { name: name(own.input as usize), covered: own.covered, picture: None };
    first_named(contributions).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_of_equals_leads() {
        let contribution = |input| Contribution { input, covered: if input == 7 { 3 } else { 2 } };
        let contributions: Vec<Contribution> = (0..20).map(contribution).collect();
        let named = leading(&contributions, |input| format!("{input}.png"));
        assert_eq!(named.len(), 10);
        assert_eq!((named[0].name.as_str(), named[0].covered), ("7.png", 3));
        assert_eq!((named[1].name.as_str(), named[1].covered), ("0.png", 2));
    }
}
