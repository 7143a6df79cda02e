//! How `insta` compares: figures with tolerance, not texts letter by letter.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::declare::OnImprovement;
use crate::gate::baseline::{self, BaselineText, Rules};
use crate::gate::{BaselineStatus, FigureChange};

/// What the comparator saw.
#[derive(Debug)]
pub(super) struct Seen {
    pub status: BaselineStatus,
    pub changes: Vec<FigureChange>,
    pub unreadable: Option<String>,
    pub accepted: bool,
}

/// The comparator: decides for `insta` and remembers the figures.
#[derive(Clone)]
pub(super) struct Tap {
    pub observed: Arc<BaselineText>,
    pub rules: Arc<Rules>,
    pub seen: Arc<Mutex<Option<Seen>>>,
}

impl Tap {
    fn look(&self, reference: &insta::Snapshot) -> Seen {
        let text = reference.as_text().map(ToString::to_string).unwrap_or_default();
        let baseline: BaselineText = match text.parse::<BaselineText>() {
            Ok(baseline) => baseline,
            Err(error) => {
                let unreadable = Some(error.what().to_owned());
                return Seen { status: BaselineStatus::Unreadable, changes: Vec::new(), unreadable, accepted: false };
            }
        };
        let changes = self.rules.compare(&baseline, &self.observed);
        let status = baseline::status(&changes);
        let accepted = match status {
            BaselineStatus::Unchanged => true,
            BaselineStatus::Improved => self.rules.policy().on_improvement == OnImprovement::Ignore,
            _ => false,
        };
        Seen { status, changes, unreadable: None, accepted }
    }

    fn remember(&self, seen: Seen) -> bool {
        let accepted = seen.accepted;
        *lock(&self.seen) = Some(seen);
        accepted
    }
}

impl insta::Comparator for Tap {
    fn matches(&self, reference: &insta::Snapshot, _test: &insta::Snapshot) -> bool {
        self.remember(self.look(reference))
    }

    fn matches_fully(&self, reference: &insta::Snapshot, test: &insta::Snapshot) -> bool {
        let mut seen = self.look(reference);
        seen.accepted &= insta::DefaultComparator.matches_fully(reference, test);
        self.remember(seen)
    }

    fn dyn_clone(&self) -> Box<dyn insta::Comparator> {
        Box::new(self.clone())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every value put in is whole, so a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
