//! Thresholds for a test that has none yet.

use super::block::{Block, DIM, PLAIN};
use crate::gate::proposal;
use crate::report::{Outcome, message, text};

/// Thresholds that a test without a baseline could have, ready to be copied.
pub(super) fn show(block: &mut Block, outcome: &Outcome) {
    let proposed = outcome.measurement.as_ref().map(|it| proposal::proposals(it, &outcome.requirements));
    let proposed = proposed.filter(|proposed| !proposed.is_empty()).unwrap_or_default();
    if proposed.is_empty() {
        return;
    }
    let title =
        format!("    thresholds these figures meet with {} % to spare, to paste into", proposal::PERCENT_TO_SPARE);
    block.line(&[(DIM, title), (PLAIN, format!(" {}", message::test_table(outcome)))]);
    block.line(&[(PLAIN, "    require = [".into())]);
    for requirement in &proposed {
        // As TOML has it: with quotes in it as a literal string, where that can be.
        let quoted = match (requirement.contains(['"', '\\']), requirement.contains('\'')) {
            (false, _) => format!("\"{requirement}\""),
            (true, false) => format!("'{requirement}'"),
            (true, true) => format!("{requirement:?}"),
        };
        block.line(&[(PLAIN, format!("      {},", text::line(&quoted)))]);
    }
    block.line(&[(PLAIN, "    ]".into())]);
}
