//! `cargo cleanai config`: what holds for a test and where it comes from, what is wrong with a file, and the reference.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};

use crate::arguments::{Check, Config, ConfigCommand, Show, Targets};
use crate::error::{Error, Result};
use crate::progress::warn;
use crate::run;
use crate::setup::ensure;
use crate::targets::{self, Answer, Test, nearest};
use crate::workspace::Workspace;

/// The page and the schema that cleanai-harness writes from the descriptions its readers go by; its tests compare them.
const REFERENCE: &str = include_str!("../docs/configuration.md");
const SCHEMA: &str = include_str!("../docs/cleanai.schema.json");

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));

/// `cargo cleanai config`.
pub fn config(arguments: &Config) -> Result<u8> {
    match &arguments.command {
        ConfigCommand::Show(wanted) => show(wanted),
        ConfigCommand::Check(wanted) => check(wanted),
        ConfigCommand::Reference => print(REFERENCE).map(|()| 0),
        ConfigCommand::Schema => print(SCHEMA).map(|()| 0),
    }
}

fn show(wanted: &Show) -> Result<u8> {
    let answers = match ask(&wanted.targets)? {
        Ok(answers) => answers,
        Err(code) => return Ok(code),
    };
    let tests: Vec<&Test> = answers.iter().flat_map(|answer| &answer.tests).collect();
    let shown = match &wanted.test {
        Some(name) => named(name, &tests)?,
        None => tests,
    };
    let text = match (wanted.json, &wanted.test) {
        (true, _) => {
            let all = serde_json::json!({ "schema": 1, "tests": shown });
            format!("{all:#}\n")
        }
        (false, None) => names(&shown),
        (false, Some(_)) => shown.into_iter().map(block).collect::<Vec<_>>().join("\n"),
    };
    print(&text)?;
    Ok(0)
}

/// Builds and asks the test targets; says what they warn about, once.
fn ask(wanted: &Targets) -> Result<std::result::Result<Vec<Answer>, u8>> {
    let Some(workspace) = Workspace::find()? else {
        return Err(Error::Metadata { said: "there is no Cargo.toml in this folder or above it".into() });
    };
    // Before libtorch, which may have to be fetched first.
    let meant = targets::find(wanted)?;
    ensure(Some(&workspace))?;
    let answers = targets::ask(&workspace, meant, &wanted.arguments)?;
    let warnings: BTreeSet<&String> = answers.iter().flatten().flat_map(|answer| &answer.warnings).collect();
    warnings.into_iter().for_each(|warning| warn(printable(warning)));
    Ok(answers)
}

/// The tests of this name, or of this function.
fn named<'t>(name: &str, tests: &[&'t Test]) -> Result<Vec<&'t Test>> {
    let of =
        |matches: fn(&Test) -> &str| tests.iter().copied().filter(|test| matches(test) == name).collect::<Vec<_>>();
    let exact = of(|test| &test.name);
    let found = if exact.is_empty() { of(|test| test.name.rsplit("::").next().unwrap_or_default()) } else { exact };
    if found.is_empty() {
        let near = nearest(name, tests.iter().map(|test| test.name.as_str()));
        let known = tests.iter().map(|test| printable(&test.name)).collect();
        return Err(Error::NoTest { name: printable(name), near, known });
    }
    Ok(found)
}

/// A line for each test: its name, its package and target, and where it stands.
fn names(tests: &[&Test]) -> String {
    let rows = tests.iter().map(|test| {
        let target = format!("{} {}", test.package, test.target);
        let ignored = if test.ignored { " (ignored)" } else { "" };
        [printable(&test.name), printable(&target), format!("{}:{}{ignored}", printable(&test.file), test.line)]
    });
    table(&rows.map(|row| (row, Style::new())).collect::<Vec<_>>(), "")
}

/// Everything about one test.
fn block(test: &Test) -> String {
    let mut text = String::new();
    let mut line = |style: Style, words: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{style}{words}{style:#}");
    };
    let place = format!("{} {}, {}:{}", test.package, test.target, test.file, test.line);
    line(BOLD, format!("{} ({})", printable(&test.name), printable(&place)));
    match &test.configuration {
        Some(path) => line(DIM, format!("  configuration: {}", printable(&path.display().to_string()))),
        None => line(DIM, "  configuration: no cleanai.toml".to_string()),
    }
    if !test.overridden.is_empty() {
        let all = test.overridden.iter().map(|it| printable(it)).collect::<Vec<_>>().join(", ");
        line(BOLD, format!("  set by the environment, over attribute and file: {all}"));
    }
    let settings = test.settings.iter().map(|setting| {
        // A report need not be there yet.
        let is_gone = setting.exists == Some(false) && !setting.key.starts_with("report.");
        let gone = if is_gone { " (not there)" } else { "" };
        let row = [printable(&setting.key), format!("{}{gone}", printable(&setting.value)), printable(&setting.from)];
        (row, if is_gone { RED } else { Style::new() })
    });
    text.push('\n');
    text.push_str(&table(&settings.collect::<Vec<_>>(), "setting value from"));
    if !test.requirements.is_empty() {
        let requirements = test.requirements.iter().map(|requirement| {
            ([printable(&requirement.text), String::new(), printable(&requirement.from)], Style::new())
        });
        text.push('\n');
        text.push_str(&table(&requirements.collect::<Vec<_>>(), "requirement  from"));
    }
    if let Some(error) = &test.error {
        let _ = writeln!(text, "\n  {RED}this test cannot run{RED:#}:");
        for line in error.lines() {
            let _ = writeln!(text, "  {}", printable(line));
        }
    }
    text
}

/// The widest a column grows for one long cell.
const WIDEST: usize = 48;

/// Rows of three cells below a heading of three words, if there is one; a column without text takes no room.
fn table(rows: &[([String; 3], Style)], heading: &str) -> String {
    let indent = if heading.is_empty() { "" } else { "  " };
    let heading: Vec<&str> = heading.split(' ').collect();
    let title = |column: usize| heading.get(column).copied().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().map(|(row, _)| row[column].chars().count()).filter(|width| *width <= WIDEST);
        cells.max().unwrap_or(0).max(title(column).chars().count())
    };
    let widths = [width(0), width(1)];
    let mut text = String::new();
    let mut write = |cells: [&str; 3], style: Style| {
        let mut line = indent.to_string();
        for (cell, width) in cells.iter().zip(widths).filter(|(_, width)| *width > 0) {
            line.push_str(&format!("{cell:width$}  "));
        }
        line.push_str(cells[2]);
        let _ = writeln!(text, "{style}{}{style:#}", line.trim_end());
    };
    if heading.len() > 1 {
        write([title(0), title(1), title(2)], DIM);
    }
    for (row, style) in rows {
        write([&row[0], &row[1], &row[2]], *style);
    }
    text
}

fn check(wanted: &Check) -> Result<u8> {
    let mut words = vec!["config".into(), "check".into()];
    words.extend(wanted.path.as_ref().map(|path| path.clone().into_os_string()));
    let code = run::engine(None, &words)?;
    if code != 0 || !wanted.unused {
        return Ok(code);
    }
    let answers = match ask(&wanted.targets)? {
        Ok(answers) => answers,
        Err(code) => return Ok(code),
    };
    let start = wanted.path.clone().unwrap_or_else(|| PathBuf::from("."));
    let start = start.canonicalize().map_err(Error::file("find", &start))?;
    let file = if start.is_dir() { above(&start) } else { Some(start) };
    // The engine has found the file by now.
    let file = file.ok_or(Error::NoTargets)?;
    match unused(&answers, &file) {
        None => warn("no test that was built reads this file"),
        Some(unused) if unused.is_empty() => print("ok: every table is used by a test\n")?,
        Some(unused) => warn(format!("no test that was built uses {}", unused.join(", "))),
    }
    Ok(0)
}

/// The configuration of a folder, found as the harness finds it.
fn above(folder: &Path) -> Option<PathBuf> {
    let named = std::env::var_os("CLEANAI_CONFIG").filter(|name| !name.is_empty());
    let name = named.map_or_else(|| PathBuf::from("cleanai.toml"), PathBuf::from);
    let file = folder.ancestors().map(|folder| folder.join(&name)).find(|file| file.is_file())?;
    file.canonicalize().ok()
}

/// The tables of a file that no test uses; none if no test reads the file.
fn unused(answers: &[Answer], file: &Path) -> Option<Vec<String>> {
    let same = |path: &Path| path.canonicalize().is_ok_and(|path| path == file);
    let all = answers.iter().flat_map(|answer| &answer.files).find(|read| same(&read.path))?;
    let readers = answers.iter().flat_map(|answer| &answer.tests);
    let readers = readers.filter(|test| test.configuration.as_deref().is_some_and(same));
    let used: BTreeSet<&String> = readers.flat_map(|test| &test.tables).collect();
    Some(all.tables.iter().filter(|table| !used.contains(table)).map(|table| printable(table)).collect())
}

/// A text from outside, harmless to a terminal and in one line.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read the output has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::file("write to", Path::new("the standard output"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Vec<Answer> {
        let test = |name: &str, table: &str| {
            serde_json::json!({
                "name": name, "package": "digits", "target": "coverage", "file": "tests/coverage.rs", "line": 6, "ignored": name == "slow",
                "configuration": "/p/cleanai.toml", "overridden": ["CLEANAI_BATCH=16"],
                "settings": [
                    { "key": "batch", "value": "16", "origin": { "kind": "environment", "variable": "CLEANAI_BATCH" }, "from": "environment CLEANAI_BATCH" },
                    { "key": "model.path", "value": "m\u{1b}[2J.pt", "origin": { "kind": "default" }, "from": "default", "path": "m.pt", "exists": false },
                    { "key": "report.pdf", "value": "/p/c.pdf", "origin": { "kind": "default" }, "from": "default", "path": "/p/c.pdf", "exists": false },
                ],
                "requirements": [{ "text": "nc >= 0.4", "origin": { "kind": "default" }, "from": "attribute tests/coverage.rs:6" }],
                "tables": [table], "error": (name == "slow").then_some("there is no model `x`\n  help: did you mean `y`?"),
            })
        };
        let answer = serde_json::json!({
            "cleanai": "settings", "schema": 1, "warnings": [],
            "files": [{ "path": "/p/cleanai.toml", "tables": ["[models.m]", "[tests.a]", "[tests.b]"] }],
            "tests": [test("lenet5", "[models.m]"), test("deep::slow", "[tests.a]"), test("slow", "[tests.a]")],
        });
        vec![serde_json::from_value(answer).unwrap()]
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_test_is_shown_whole() {
        let answers = answers();
        let text = plain(&block(&answers[0].tests[2]));
        assert_eq!(
            text,
            "slow (digits coverage, tests/coverage.rs:6)
  configuration: /p/cleanai.toml
  set by the environment, over attribute and file: CLEANAI_BATCH=16

  setting     value                 from
  batch       16                    environment CLEANAI_BATCH
  model.path  m\u{fffd}[2J.pt (not there)  default
  report.pdf  /p/c.pdf              default

  requirement  from
  nc >= 0.4    attribute tests/coverage.rs:6

  this test cannot run:
  there is no model `x`
    help: did you mean `y`?
"
        );
    }

    #[test]
    fn names_are_exact_or_of_functions_or_near() {
        let answers = answers();
        let tests: Vec<&Test> = answers[0].tests.iter().collect();
        let found =
            |name| named(name, &tests).map(|tests| tests.iter().map(|test| test.name.clone()).collect::<Vec<_>>());
        assert_eq!(found("slow").unwrap(), ["slow"]);
        assert_eq!(found("deep::slow").unwrap(), ["deep::slow"]);
        let error = found("lenet").unwrap_err();
        assert_eq!((error.to_string().as_str(), error.exit_code()), ("there is no coverage test `lenet`", 2));
        assert_eq!(error.fix().as_deref(), Some("did you mean `lenet5`?"));
        assert_eq!(found("zzzzzz").unwrap_err().fix().as_deref(), Some("known: lenet5, deep::slow, slow"));
        assert_eq!(
            plain(&names(&tests)),
            "lenet5      digits coverage  tests/coverage.rs:6\ndeep::slow  digits coverage  tests/coverage.rs:6\n\
             slow        digits coverage  tests/coverage.rs:6 (ignored)\n"
        );
    }

    #[test]
    fn unused_tables_are_those_of_no_test() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().canonicalize().unwrap().join("cleanai.toml");
        std::fs::write(&file, "").unwrap();
        let mut answers = answers();
        assert_eq!(unused(&answers, &file), None, "no test reads it");
        answers[0].files[0].path = file.clone();
        assert_eq!(unused(&answers, &file).unwrap(), ["[models.m]", "[tests.a]", "[tests.b]"]);
        for test in &mut answers[0].tests {
            test.configuration = Some(file.clone());
        }
        assert_eq!(unused(&answers, &file).unwrap(), ["[tests.b]"]);
    }
}
