//! What a pass tells whoever shows how far it is. It knows nothing of how that is shown.

#[cfg(feature = "torch")]
mod running;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

#[cfg(feature = "torch")]
pub(crate) use running::{begin, waiting};

/// What the inputs are that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The profile set.
    Profile,
    /// The test set, or what is made of it.
    Test,
    /// An untrusted set.
    Untrusted,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Profile => "profile set",
            Self::Test => "test set",
            Self::Untrusted => "untrusted set",
        })
    }
}

/// A run of a model over a set of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage<'a> {
    /// The model's file.
    pub model: &'a str,
    /// What it runs on.
    pub role: Role,
    /// How many inputs there are; those that cannot be decoded count.
    pub inputs: usize,
}

/// Whoever wants to know. Called from the thread that runs the model, a few times for each batch at most.
pub trait Observer: Send + Sync {
    /// A run begins.
    fn begin(&self, stage: Stage<'_>);
    /// Further inputs are through.
    fn advance(&self, inputs: usize);
    /// Another process makes what is needed; this one waits for it.
    fn wait(&self);
    /// What began, or was waited for, is over, well or not.
    fn end(&self);
}

static OBSERVER: RwLock<Option<Arc<dyn Observer>>> = RwLock::new(None);

/// Tells this observer of all runs of this process from now on; nobody if there is none.
pub fn install(observer: Option<Arc<dyn Observer>>) {
    *OBSERVER.write().unwrap_or_else(PoisonError::into_inner) = observer;
}
