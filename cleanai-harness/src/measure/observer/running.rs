//! What runs tell the observer.

use std::sync::{Arc, PoisonError};

use super::{OBSERVER, Observer, Stage};

/// Something that goes on until it is dropped.
pub(crate) struct Running(Option<Arc<dyn Observer>>);

impl Running {
    pub(crate) fn advance(&self, inputs: usize) {
        if let Some(observer) = &self.0 {
            observer.advance(inputs);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(observer) = &self.0 {
            observer.end();
        }
    }
}

/// Says that a run begins.
pub(crate) fn begin(stage: Stage<'_>) -> Running {
    told(|observer| observer.begin(stage))
}

/// Says that another process is waited for.
pub(crate) fn waiting() -> Running {
    told(|observer| observer.wait())
}

fn told(tell: impl FnOnce(&dyn Observer)) -> Running {
    let observer = OBSERVER.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(observer) = &observer {
        tell(observer.as_ref());
    }
    Running(observer)
}
