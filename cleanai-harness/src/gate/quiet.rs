//! Catching panics without the default hook's print: libtest-mimic captures no output, so a message printed by one test
//! would end up in the middle of another's line.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// A panic that was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caught {
    /// What it said.
    pub message: String,
    /// `file:line:column`.
    pub place: Option<String>,
    /// The backtrace, where `RUST_BACKTRACE` asks for one.
    pub backtrace: Option<String>,
}

impl std::fmt::Display for Caught {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n  panicked at {place}")?;
        }
        if let Some(backtrace) = &self.backtrace {
            write!(f, "\n{backtrace}")?;
        }
        Ok(())
    }
}

thread_local! {
    /// How many `catch` are running on this thread, and what the innermost one's hook saw.
    static CATCHING: RefCell<(usize, Option<Caught>)> = const { RefCell::new((0, None)) };
}

/// Runs `work`; a panic of this thread in it is returned and nothing is printed. Panics of other threads print as ever.
pub(crate) fn catch<R>(work: impl FnOnce() -> R) -> Result<R, Caught> {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours = CATCHING.with_borrow_mut(|(depth, seen)| {
                if *depth > 0 {
                    *seen = Some(Caught {
                        message: message_of(info.payload()),
                        place: info.location().map(ToString::to_string),
                        backtrace: backtrace(),
                    });
                }
                *depth > 0
            });
            if !ours {
                previous(info);
            }
        }));
    });
    CATCHING.with_borrow_mut(|(depth, _)| *depth += 1);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    let seen = CATCHING.with_borrow_mut(|(depth, seen)| {
        *depth -= 1;
        seen.take()
    });
    result.map_err(|payload| {
        let message = message_of(payload.as_ref());
        // `resume_unwind` (a rayon worker's panic, handed on) passes no hook: then `seen` is of an earlier, caught panic.
        seen.filter(|it| it.message == message).unwrap_or(Caught { message, place: None, backtrace: None })
    })
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked without a message").to_owned()
}

fn backtrace() -> Option<String> {
    let backtrace = Backtrace::capture();
    (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_returned_with_its_message_and_place() {
        let caught = catch(|| -> u8 { panic!("the {} is wrong", "sum") }).unwrap_err();
        assert_eq!(caught.message, "the sum is wrong");
        assert!(caught.place.as_deref().is_some_and(|place| place.contains("quiet.rs:")), "{caught:?}");
        assert_eq!(catch(|| 7), Ok(7));
    }

    #[test]
    fn an_inner_panic_does_not_name_the_outer_one() {
        let caught = catch(|| {
            let inner = catch(|| -> u8 { panic!("inner") }).unwrap_err();
            assert_eq!(inner.message, "inner");
            panic::resume_unwind(Box::new("outer"));
        })
        .unwrap_err();
        assert_eq!(caught, Caught { message: "outer".into(), place: None, backtrace: None });
    }

    #[test]
    fn a_payload_that_is_no_text_is_caught_too() {
        let caught = catch(|| -> u8 { panic::panic_any(5_u8) }).unwrap_err();
        assert_eq!(caught.message, "panicked without a message");
    }
}
