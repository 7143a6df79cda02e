//! Which inputs of a test set say most: those that cover most together, the fewest that cover all, those with the largest scores.
//!
//! These are algorithms on sets and numbers; [`measure::select`](crate::measure::select) fills them from a model and data.

mod bound;
mod cover;
mod greedy;
mod items;
mod scores;
#[cfg(test)]
mod tests;

pub use cover::{Cover, smallest_cover};
pub use greedy::{Covering, Step, most_covering};
pub use items::CoveredItems;
pub use scores::highest;
