//! The inputs that add most, one after another.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::CoveredItems;

/// An input that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// Its index.
    pub input: usize,
    /// Items it covers that none chosen before it does; at least one.
    pub adds: u64,
}

/// Inputs that cover much together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covering {
    /// In the order in which they were chosen.
    pub steps: Vec<Step>,
    /// What they cover.
    pub covered: u64,
    /// No other choice of as many inputs as were asked for covers more than this.
    pub at_most: u64,
}

/// Chooses `count` inputs: always the one that covers most of what none chosen before it does, the earlier of equals. Fewer where these cover
/// all there is.
///
/// They cover at least 1 - 1/e, 63 %, of what any as many inputs can (Nemhauser, Wolsey, Fisher, Mathematical Programming 1978), and
/// [`Covering::at_most`] bounds that from what was found. A gain never grows, so that one computed earlier is a bound, and most need not be
/// computed again (Minoux 1978).
///
/// ```
/// use cleanai_harness::selection::{CoveredItems, Step, most_covering};
///
/// let mut items = CoveredItems::default();
/// for covered in [vec![1], vec![1, 2, 3], vec![3, 4], vec![4]] {
///     items.push(covered)?;
/// }
/// let covering = most_covering(&items, 3);
/// assert_eq!(covering.steps, [Step { input: 1, adds: 3 }, Step { input: 2, adds: 1 }]); // and all is covered
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub fn most_covering(items: &CoveredItems, count: usize) -> Covering {
    let mut covered = vec![false; items.covered() as usize];
    let steps = choose(items, 0..items.inputs(), count, &mut covered);
    let sum: u64 = steps.iter().map(|step| step.adds).sum();
    let most = |gain: &dyn Fn(usize) -> u64| {
        let mut gains: Vec<u64> = (0..items.inputs()).map(gain).collect();
        gains.sort_unstable_by_key(|gain| Reverse(*gain));
        gains.into_iter().take(count).sum::<u64>()
    };
    // Alone each covers so much at most, and beside what is covered already so much.
    let alone = most(&|input| items.of(input).len() as u64);
    let beside = sum + most(&|input| gain(items.of(input), &covered));
    Covering { covered: sum, at_most: items.covered().min(alone).min(beside), steps }
}

/// Chooses among `inputs`, which are in order, until `count` are chosen or none adds anything to `covered`.
pub(super) fn choose(
    items: &CoveredItems,
    inputs: impl IntoIterator<Item = usize>,
    count: usize,
    covered: &mut [bool],
) -> Vec<Step> {
    let bound = |input: usize| (items.of(input).len() as u64, Reverse(input));
    let mut bounds: BinaryHeap<(u64, Reverse<usize>)> = inputs.into_iter().map(bound).collect();
    let mut steps = Vec::new();
    while steps.len() < count {
        let Some((bound, Reverse(input))) = bounds.pop() else { break };
        let adds = gain(items.of(input), covered);
        if adds < bound {
            if adds > 0 {
                bounds.push((adds, Reverse(input)));
            }
            continue;
        }
        if adds == 0 {
            break;
        }
        items.of(input).iter().for_each(|item| covered[*item as usize] = true);
        steps.push(Step { input, adds });
    }
    steps
}

/// How many of these are not covered.
pub(super) fn gain(items: &[u32], covered: &[bool]) -> u64 {
    items.iter().filter(|item| !covered[**item as usize]).count() as u64
}
