//! The fewest inputs that cover what all do.

use super::bound::Residual;
use super::greedy::choose;
use super::{CoveredItems, Step};

/// Inputs that cover what all do, none of which can be left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Cover {
    /// In the order in which they add most.
    pub steps: Vec<Step>,
    /// No subset of fewer inputs covers all.
    pub at_least: usize,
    /// There are at most so many times as many as in a smallest subset: H(d), the sum 1 + 1/2 + … + 1/d for inputs that cover d items at most.
    pub factor: f64,
}

/// A small subset of the inputs that covers what all of them do.
///
/// To find a smallest one is NP-hard. Inputs that alone cover some item are in any; the others are chosen greedily, those that turn out not to be
/// needed are removed, and the rest is put in order. Chvátal (A Greedy Heuristic for the Set-Covering Problem, Mathematics of Operations
/// Research 1979) gives [`Cover::factor`]. [`Cover::at_least`] is usually much nearer: the bound of a Lagrangian relaxation that starts from the prices the
/// greedy choice pays for items, and is improved by subgradient steps (Held, Wolfe, Crowder 1974).
///
/// ```
/// use cleanai_harness::selection::{CoveredItems, smallest_cover};
///
/// let mut items = CoveredItems::default();
/// for covered in [vec![1, 2], vec![3, 4], vec![1, 3, 5], vec![2, 4, 5]] {
///     items.push(covered)?;
/// }
/// let cover = smallest_cover(&items);
/// assert_eq!((cover.steps.len(), cover.at_least), (2, 2)); // the third and the fourth
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub fn smallest_cover(items: &CoveredItems) -> Cover {
    let counts = items.counts();
    let only = |input: &usize| items.of(*input).iter().any(|item| counts[*item as usize] == 1);
    let needed: Vec<usize> = (0..items.inputs()).filter(only).collect();
    let mut covered = vec![false; counts.len()];
    for item in needed.iter().flat_map(|input| items.of(*input)) {
        covered[*item as usize] = true;
    }
    let open = covered.clone();
    let greedy = choose(items, 0..items.inputs(), usize::MAX, &mut covered);
    let mut chosen: Vec<usize> = needed.iter().copied().chain(greedy.iter().map(|step| step.input)).collect();
    remove_redundant(items, &mut chosen);
    // Of those that are needed each adds something, so all are chosen again.
    chosen.sort_unstable();
    let steps = choose(items, chosen.iter().copied(), usize::MAX, &mut vec![false; counts.len()]);
    debug_assert_eq!(steps.len(), chosen.len());
    let residual = Residual::new(items, &open, &greedy);
    let at_least = needed.len() + residual.at_least(steps.len() - needed.len());
    let factor = (1..=items.largest()).map(|size| 1.0 / size as f64).sum::<f64>().max(1.0);
    Cover { steps, at_least, factor }
}

/// Removes what the others cover, in the order given.
fn remove_redundant(items: &CoveredItems, chosen: &mut Vec<usize>) {
    let mut times = vec![0u32; items.covered() as usize];
    for item in chosen.iter().flat_map(|input| items.of(*input)) {
        times[*item as usize] += 1;
    }
    chosen.retain(|input| {
        let own = items.of(*input);
        let redundant = own.iter().all(|item| times[*item as usize] > 1);
        if redundant {
            own.iter().for_each(|item| times[*item as usize] -= 1);
        }
        !redundant
    });
}
