//! Lines being put together, and the inks they are written in.

use anstyle::{AnsiColor, Color, Effects, Style as Ink};

use super::grid::Grid;
use crate::report::text;

/// No line of ours is wider, unless a word of the user's is.
pub(super) const WIDTH: usize = 100;

pub(super) const PLAIN: Ink = Ink::new();
pub(super) const DIM: Ink = Ink::new().effects(Effects::DIMMED);
pub(super) const BOLD: Ink = Ink::new().effects(Effects::BOLD);
pub(super) const GREEN: Ink = Ink::new().fg_color(Some(Color::Ansi(AnsiColor::Green)));
pub(super) const RED: Ink = Ink::new().fg_color(Some(Color::Ansi(AnsiColor::Red)));
pub(super) const YELLOW: Ink = Ink::new().fg_color(Some(Color::Ansi(AnsiColor::Yellow)));
pub(super) const CYAN: Ink = Ink::new().fg_color(Some(Color::Ansi(AnsiColor::Cyan)));

/// Lines being put together.
#[derive(Default)]
pub(super) struct Block {
    pub(super) text: String,
}

impl Block {
    pub(super) fn line(&mut self, pieces: &[(Ink, String)]) {
        let mut line = String::new();
        for (ink, piece) in pieces {
            push(&mut line, *ink, piece);
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A text of the user's, its lines kept and broken at spaces.
    pub(super) fn wrapped(&mut self, indent: usize, ink: Ink, body: &str) {
        for line in text::lines(body).flat_map(|line| text::wrap(&line, WIDTH - indent)) {
            self.line(&[(ink, format!("{:indent$}{line}", ""))]);
        }
    }

    /// `  label  text`, later lines below the text.
    pub(super) fn labelled(&mut self, label: &str, ink: Ink, body: &str) {
        let indent = text::width(label) + 4;
        let mut first = true;
        for line in text::lines(body).flat_map(|line| text::wrap(&line, WIDTH - indent)) {
            let label = if std::mem::take(&mut first) { format!("  {label}  ") } else { " ".repeat(indent) };
            self.line(&[(ink, label), (PLAIN, line)]);
        }
    }

    pub(super) fn grid(&mut self, grid: &Grid, indent: usize) {
        for line in grid.render(indent, WIDTH) {
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }
}

/// Adds styled text; unstyled where there is nothing to style, so that lines can be trimmed.
pub(super) fn push(line: &mut String, ink: Ink, piece: &str) {
    if ink.is_plain() || piece.trim().is_empty() {
        line.push_str(piece);
    } else {
        use std::fmt::Write;
        let _ = write!(line, "{ink}{piece}{ink:#}");
    }
}
