//! `cargo cleanai ratchet`: runs the tests, then raises thresholds and baselines to today's figures.

mod edit;
mod place;
mod record;

use anstyle::Style;

use crate::arguments::Ratchet;
use crate::error::{Error, Result};
use crate::process;
use crate::progress::{say, warn};
use crate::run::{plain_cargo, shown};
use crate::setup::ensure;
use crate::workspace::Workspace;
use edit::Edits;

/// Runs the tests and raises what they reach.
pub fn ratchet(arguments: &Ratchet) -> Result<u8> {
    let Some(workspace) = Workspace::find()? else {
        return Err(Error::Metadata { said: "there is no Cargo.toml in this folder or above it".into() });
    };
    ensure(Some(&workspace))?;
    let folder = tempfile::tempdir().map_err(Error::file("make", &std::env::temp_dir()))?;
    let mut command = plain_cargo(&workspace);
    command.arg("test").args(arguments.forward());
    // Nothing is proposed beside what is written here.
    command.env("CLEANAI_RATCHET", folder.path()).env("INSTA_UPDATE", "no");
    if let Some(margin) = arguments.margin {
        command.env("CLEANAI_RATCHET_MARGIN", margin.to_string());
    }
    let code = process::run(&mut command)?;
    let tests = record::read(folder.path())?;
    if tests.is_empty() {
        if code == 0 {
            warn("no coverage test ran, so there is nothing to raise");
        }
        return Ok(code);
    }
    let edits = edit::plan(&tests)?;
    show(&edits);
    if !arguments.dry_run {
        edits.edits.iter().try_for_each(edit::Edit::apply)?;
    }
    closing(&edits, arguments.dry_run);
    // What failed fails still; an improvement that failed its test is in the baseline now.
    let failed = tests.iter().any(|test| test.refused.is_some());
    Ok(match (failed, edits.refused.is_empty()) {
        (true, _) => code.max(1),
        (false, false) => 1,
        (false, true) => 0,
    })
}

fn show(edits: &Edits) {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    anstream::println!();
    for edit in &edits.edits {
        for line in &edit.lines {
            let place = shown(&edit.path);
            let place = line.line.map_or_else(|| place.clone(), |line| format!("{place}:{line}"));
            anstream::println!("{bold}{}{bold:#} {dim}({place}){dim:#}", line.text);
        }
    }
    for left in &edits.left {
        anstream::println!("{left}");
    }
    for refused in &edits.refused {
        warn(refused);
    }
}

fn closing(edits: &Edits, dry_run: bool) {
    let (raised, files) = (edits.edits.iter().map(|edit| edit.lines.len()).sum::<usize>(), edits.edits.len());
    let counted = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let what = format!("{} in {}", counted(raised, "number", "numbers"), counted(files, "file", "files"));
    match (raised, dry_run) {
        (0, _) if !edits.left.is_empty() || !edits.refused.is_empty() => say("Ratchet", "nothing was raised"),
        (0, _) => say("Ratchet", "nothing to raise: thresholds and baselines stand where today's figures are"),
        (_, true) => say("Ratchet", format!("{what} would be raised; nothing was written (--dry-run)")),
        (_, false) => say("Raised", format!("{what}; run the tests again and commit the change")),
    }
}
