//! Ctrl-C and SIGTERM: the first asks the run to stop after the batch under way, so that reports and caches are left whole; the second ends the
//! process at once, which harms neither, because every file is written beside its place and renamed.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::{Error, ErrorKind, Result};

/// The signal that was received, and 0 before.
static RECEIVED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Receives the two signals from now on. Without this they end the process as usual.
pub fn listen() {
    let received = RECEIVED.get_or_init(Arc::default);
    // Where the system refuses, signals end the process as before.
    _ = register(received);
}

fn register(received: &Arc<AtomicUsize>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use std::sync::atomic::AtomicBool;
    let again = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down, and raises it.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
        signal_hook::flag::register(signal, Arc::clone(&again))?;
        signal_hook::flag::register_usize(signal, Arc::clone(received), signal as usize)?;
    }
    Ok(())
}

/// The exit code of a run that was asked to stop, 128 and the signal: 130 after Ctrl-C, 143 after SIGTERM; nothing where it was not.
pub fn exit_code() -> Option<u8> {
    let signal = RECEIVED.get()?.load(Ordering::Relaxed);
    if signal == 0 { None } else { u8::try_from(128 + signal).ok() }
}

/// Whether to go on.
///
/// # Errors
/// If the run was asked to stop.
pub(crate) fn check() -> Result<()> {
    match exit_code() {
        None => Ok(()),
        Some(_) => Err(Error::new(ErrorKind::Interrupted, "interrupted")),
    }
}
