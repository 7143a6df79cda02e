//! Programs that are run: cargo with a clean environment, quick questions with a time limit, exit codes.

use std::env;
use std::ffi::OsString;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How often a running program is looked at.
pub const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A cargo command that runs as if the user had typed it.
///
/// `cargo run`, which the workspace's alias is, hands down variables that describe this package; a cargo below us must
/// not take them for its own, and must build with the same variables as a plain `cargo test` or it builds all again.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    const OURS: [&str; 5] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if OURS.iter().any(|prefix| text.starts_with(prefix)) || text == "OUT_DIR" {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a program that shares our terminal and says how it ended. Ctrl-C reaches it too, so it is waited for: it stops in order and says so. A
/// second one ends us at once.
pub fn run(command: &mut Command) -> Result<u8> {
    let waiting = patient();
    let status = command.status().map_err(|source| Error::Start { program: name(command), source });
    waiting.into_iter().for_each(|id| _ = signal_hook::low_level::unregister(id));
    Ok(exit_code(status?))
}

/// Takes the first Ctrl-C for the program's alone, until the ids are unregistered. Where the system refuses, it ends us as before.
fn patient() -> Vec<signal_hook::SigId> {
    use signal_hook::consts::SIGINT;
    let again = Arc::new(AtomicBool::new(false));
    let shutdown = signal_hook::flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&again));
    shutdown.into_iter().chain(signal_hook::flag::register(SIGINT, again)).collect()
}

/// The exit code to pass on; that of a program killed by a signal is 128 and the signal, as shells have it.
pub fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().map_or(u8::MAX, |code| u8::try_from(code).unwrap_or(u8::MAX))
}

/// The name of the program a command starts.
pub fn name(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What a program answered.
pub struct Answer {
    /// Whether it ended well, in time.
    pub success: bool,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub errors: String,
}

impl Answer {
    /// The last line with something on it of what it said, its errors first.
    pub fn last_line(&self) -> String {
        let mut lines = self.errors.lines().rev().chain(self.output.lines().rev());
        lines.find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_string()
    }
}

/// Asks a program something and waits no longer than `limit`; none if it cannot be started.
///
/// It writes to files, not pipes: a program it leaves behind could hold a pipe open for ever.
pub fn ask(command: &mut Command, limit: Duration) -> Option<Answer> {
    let (mut output, mut errors) = (tempfile::tempfile().ok()?, tempfile::tempfile().ok()?);
    command.stdin(Stdio::null()).stdout(output.try_clone().ok()?).stderr(errors.try_clone().ok()?);
    let mut child = command.spawn().ok()?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(None) if start.elapsed() < limit => sleep(BETWEEN_LOOKS.min(Duration::from_millis(10))),
            Ok(Some(status)) => break Some(status),
            Ok(None) | Err(_) => {
                // It may have ended just now; there is nothing more to do about it either way.
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let text = |file: &mut std::fs::File| {
        let mut bytes = Vec::new();
        file.rewind().ok()?;
        file.take(1 << 20).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (output, mut errors) = (text(&mut output)?, text(&mut errors)?);
    if status.is_none() {
        errors.push_str(&format!("\nno answer within {} s", limit.as_secs()));
    }
    Some(Answer { success: status.is_some_and(|status| status.success()), output, errors })
}

/// Where a program lies on PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| is_executable(path))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// A search path with a folder put first.
pub fn with_first(folder: &Path, variable: &str) -> OsString {
    let mut all = folder.as_os_str().to_os_string();
    if let Some(rest) = env::var_os(variable).filter(|rest| !rest.is_empty()) {
        all.push(":");
        all.push(rest);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_bounded_in_time() {
        let start = Instant::now();
        let answer = ask(Command::new("sh").args(["-c", "echo before; sleep 30"]), Duration::from_millis(300)).unwrap();
        assert!(!answer.success && answer.output == "before\n" && answer.last_line().starts_with("no answer"));
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(ask(&mut Command::new("/no/such/program"), Duration::from_secs(1)).is_none());
    }

    #[test]
    fn the_first_interruption_is_the_programs_own() {
        // Sent to us while the program runs, as a terminal would; it ends as it likes.
        let us = std::process::id();
        assert_eq!(run(Command::new("sh").args(["-c", &format!("kill -INT {us}; sleep 0.1; exit 7")])).unwrap(), 7);
    }

    #[test]
    fn exit_codes_are_passed_on() {
        assert_eq!(run(Command::new("sh").args(["-c", "exit 101"])).unwrap(), 101);
        assert_eq!(run(Command::new("sh").args(["-c", "kill -9 $$"])).unwrap(), 137);
        assert!(matches!(run(&mut Command::new("/no/such/program")), Err(Error::Start { .. })));
    }
}
