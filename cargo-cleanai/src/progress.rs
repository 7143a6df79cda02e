//! What is said while something takes its time: a bar on a terminal, a plain line now and then elsewhere.

use std::fmt::Display;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain line is written.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Says what is being done, in the manner of cargo: a verb, then the rest.
pub fn say(verb: &str, text: impl Display) {
    let style = Style::new().bold().fg_color(Some(AnsiColor::Green.into()));
    anstream::eprintln!("{style}{verb:>12}{style:#} {text}");
}

/// Says what could be better without stopping for it.
pub fn warn(text: impl Display) {
    let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    anstream::eprintln!("{style}warning{style:#}: {text}");
}

/// The progress of one download.
pub struct Progress {
    what: String,
    bar: Option<ProgressBar>,
    spoken: Instant,
}

impl Progress {
    /// Starts to show the progress of fetching `what`.
    pub fn new(what: &str) -> Progress {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_message(what.to_string());
            style(&bar, "{spinner} {msg}: {bytes}");
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Progress { what: what.to_string(), bar, spoken: Instant::now() }
    }

    /// Shows that `done` of `total` bytes are here.
    pub fn update(&mut self, done: u64, total: Option<u64>) {
        let done = total.map_or(done, |total| done.min(total));
        match &self.bar {
            Some(bar) => {
                if let Some(total) = total.filter(|_| bar.length().is_none()) {
                    bar.set_length(total);
                    style(bar, "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}");
                }
                bar.set_position(done);
            }
            None if self.spoken.elapsed() >= BETWEEN_LINES => {
                self.spoken = Instant::now();
                eprintln!("{}", plain(&self.what, done, total));
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(bar: &ProgressBar, template: &str) {
    // The templates are constants; one that is wrong leaves the default style.
    if let Ok(style) = ProgressStyle::with_template(&format!("{:>12} {template}", "")) {
        bar.set_style(style.progress_chars("=> "));
    }
}

fn plain(what: &str, done: u64, total: Option<u64>) -> String {
    let megabytes = done / 1_000_000;
    match total {
        Some(total) => format!("{:>12} {what}: {megabytes} of {} MB", "", total / 1_000_000),
        None => format!("{:>12} {what}: {megabytes} MB so far", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines() {
        assert_eq!(plain("torch", 12_300_000, Some(526_600_000)).trim(), "torch: 12 of 526 MB");
        assert_eq!(plain("torch", 12_300_000, None).trim(), "torch: 12 MB so far");
    }
}
