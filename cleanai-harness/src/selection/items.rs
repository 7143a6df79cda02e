//! What each input covers.

use std::collections::HashMap;

use crate::{Error, ErrorKind, Result};

/// Most items of all inputs together: 4 bytes each.
const MOST_ENTRIES: usize = 1 << 29;

/// The items that each input covers by itself: sections, neurons, patterns, of which a criterion counts those that any input covers.
///
/// ```
/// use cleanai_harness::selection::CoveredItems;
///
/// let mut items = CoveredItems::default();
/// items.push(vec![7, 1_000_000_000_000])?; // what the first input covers, in numbers of the caller's
/// items.push(vec![7, 7])?;
/// assert_eq!((items.inputs(), items.covered()), (2, 2));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CoveredItems {
    /// The numbers that items have here, by those of the caller.
    numbers: HashMap<u64, u32>,
    /// Where the items of each input end.
    ends: Vec<usize>,
    /// Input after input.
    entries: Vec<u32>,
}

impl CoveredItems {
    /// Adds an input and what it covers, in any order; what is named twice counts once.
    ///
    /// # Errors
    /// If all inputs together cover more items than 2 GiB hold (2^29, those that several cover counted for each).
    pub fn push(&mut self, mut items: Vec<u64>) -> Result<()> {
        items.sort_unstable();
        items.dedup();
        let full = |items: &Self| {
            Error::new(
                ErrorKind::Criterion,
                format!(
                    "the first {} inputs cover more than {MOST_ENTRIES} items, too many to choose among",
                    items.inputs()
                ),
            )
            .with_help("count channels (`neurons = \"channel\"`), take fewer layers, coarser sections or fewer inputs")
        };
        if self.entries.len() + items.len() > MOST_ENTRIES || self.entries.try_reserve(items.len()).is_err() {
            return Err(full(self));
        }
        for item in items {
            // Below 2^29 there are numbers enough.
            let next = self.numbers.len() as u32;
            self.entries.push(*self.numbers.entry(item).or_insert(next));
        }
        self.ends.push(self.entries.len());
        Ok(())
    }

    /// How many inputs there are.
    pub fn inputs(&self) -> usize {
        self.ends.len()
    }

    /// How many items any of them covers.
    pub fn covered(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// The items of an input.
    pub(super) fn of(&self, input: usize) -> &[u32] {
        let start = input.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.entries[start..self.ends[input]]
    }

    /// The most that an input covers.
    pub(super) fn largest(&self) -> usize {
        (0..self.inputs()).map(|input| self.of(input).len()).max().unwrap_or(0)
    }

    /// How many inputs cover each item.
    pub(super) fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.numbers.len()];
        self.entries.iter().for_each(|item| counts[*item as usize] += 1);
        counts
    }
}
