//! What a bench sees of a pass: where every batch starts and ends, so that it can time it against the model's own run of the same inputs.

use std::cell::RefCell;

use crate::data::Batch;

/// A point of a pass, over the profile set or the test set.
#[derive(Debug)]
pub enum Moment<'a> {
    /// A batch is decoded and goes to the model next.
    Before(&'a Batch),
    /// The criteria have seen all of it.
    After,
}

type Hook = Box<dyn FnMut(Moment<'_>)>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// Tells `hook` of every batch that passes on this thread run while `work` does.
pub fn watched<T>(hook: impl FnMut(Moment<'_>) + 'static, work: impl FnOnce() -> T) -> T {
    HOOK.set(Some(Box::new(hook)));
    let done = work();
    HOOK.take();
    done
}

/// Tells the hook, if there is one.
pub(super) fn tell(moment: Moment<'_>) {
    HOOK.with_borrow_mut(|hook| {
        if let Some(hook) = hook {
            hook(moment);
        }
    });
}
