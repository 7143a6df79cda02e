//! Annotations of GitHub Actions: a line for each test that did not pass and for each warning, shown beside the test's attribute.
//!
//! GitHub shows ten errors and ten warnings of a step.

use std::path::{Component, Path};

use super::{Outcome, Status, message, text};

/// The lines, each `::error file=FILE,line=LINE,title=TITLE::MESSAGE` with a line break at its end. Files are told relative to the repository:
/// those of tests are relative to the workspace, whose folder below the repository's is `workspace`.
///
/// ```
/// use std::path::Path;
/// assert_eq!(cleanai_harness::report::annotations::lines(&[], Path::new("")), "");
/// ```
pub fn lines(outcomes: &[Outcome], workspace: &Path) -> String {
    let mut lines = String::new();
    let mut add = |kind: &str, outcome: &Outcome, said: &str| {
        let file = slashes(&workspace.join(&outcome.test.file));
        let title = format!("{} {}", message::status_word(outcome.status), text::line(&outcome.test.name));
        let (file, title, said) = (property(&file), property(&title), data(said));
        lines += &format!("::{kind} file={file},line={},title={title}::{said}\n", outcome.test.line);
    };
    for outcome in outcomes {
        if outcome.status != Status::Passed {
            add("error", outcome, &failure(outcome));
        }
        for warning in outcome.measurement.iter().flat_map(message::warnings) {
            add("warning", outcome, &text::line(&warning));
        }
    }
    lines
}

/// The folder of a workspace below that of its repository: the nearest above it that holds `.git`, or what GitHub says. Empty where it is that
/// folder itself, or none is found.
pub fn below_repository(workspace: &Path, github_workspace: Option<&Path>) -> std::path::PathBuf {
    let found = workspace.ancestors().find(|folder| folder.join(".git").exists());
    let repository = found.or(github_workspace);
    repository.and_then(|repository| workspace.strip_prefix(repository).ok()).unwrap_or(Path::new("")).to_path_buf()
}

/// The reasons, what to do next, and how to run the test alone.
fn failure(outcome: &Outcome) -> String {
    let mut said: Vec<String> = message::reasons(outcome).into_iter().map(|reason| reason.message).collect();
    let help = outcome.error.as_ref().and_then(|error| error.help());
    said.extend(help.map(|help| format!("help: {}", text::line(help))));
    said.extend(message::next_step(&outcome.baseline).map(|next| format!("next: {}", text::line(&next))));
    said.extend(outcome.commands.as_ref().map(|commands| format!("rerun: {}", text::line(&commands.rerun))));
    said.join("\n")
}

/// A path as GitHub knows it, on every system.
fn slashes(path: &Path) -> String {
    let parts = path.components().filter(|part| !matches!(part, Component::CurDir));
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    // The root is a component of its own.
    text::line(&parts.join("/").replace("//", "/").replace('\\', "/")).into_owned()
}

/// A message, as GitHub wants it escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property: what ends one is escaped, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn samples() {
        insta::assert_snapshot!("all", lines(&sample::all(), Path::new("")));
    }

    #[test]
    fn a_line_is_a_line() {
        let mut outcome = sample::everything_fails();
        outcome.test.name = "a,b::c\n::error::d%".into();
        outcome.test.file = "tests/odd, name: 100%.rs".into();
        outcome.body = Some("::warning::first\nsecond".into());
        let text = lines(&[outcome], Path::new("./code"));
        let first = text.lines().next().unwrap();
        assert!(
            first.starts_with("::error file=code/tests/odd%2C name%3A 100%25.rs,line=51,title=FAIL a%2Cb%3A%3Ac %3A%3Aerror%3A%3Ad%25::"),
            "{first}"
        );
        assert!(text.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")), "{text}");
        assert_eq!(text.lines().count(), 3, "one error, two warnings: {text}");
    }

    #[test]
    fn files_are_told_from_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("code/rust");
        std::fs::create_dir_all(&workspace).unwrap();
        assert_eq!(below_repository(&workspace, Some(&folder.path().join("code"))), Path::new("rust"));
        assert_eq!(below_repository(&workspace, Some(Path::new("/elsewhere"))), Path::new(""));
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        assert_eq!(below_repository(&workspace, Some(&folder.path().join("code"))), Path::new("code/rust"));
        assert_eq!(slashes(Path::new("/a/./b.rs")), "/a/b.rs");
    }
}
