//! The user guide: every command in it is run, in a project that each page has for itself, and must say what the page says it says.
//!
//! A console block holds lines `$ COMMAND` and what they print, where `…` stands for any text, and alone on a line for any lines. Comments tell what
//! a reader would do by hand: `<!-- run: COMMAND -->` runs one, `<!-- write: FILE -->` writes the next block to a file, `<!-- fails -->` says that the
//! last command of the next block fails, and `<!-- when: COMMAND -->` that the next block is for where this succeeds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use functional_tests::{Project, workspace};

fn guide() -> PathBuf {
    workspace().join("cleanai-harness/docs/guide/src")
}

fn read(name: &str) -> String {
    fs::read_to_string(guide().join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// A fenced block.
#[derive(Debug, Default, PartialEq)]
struct Block {
    /// The line of its fence, from 1.
    line: usize,
    language: String,
    text: String,
    write: Option<String>,
    when: Option<String>,
    fails: bool,
}

/// What a page asks for, in order.
#[derive(Debug, PartialEq)]
enum Step {
    Run(usize, String),
    Block(Block),
}

fn steps(page: &str) -> Vec<Step> {
    let (mut steps, mut next, mut inside) = (Vec::new(), Block::default(), None::<Block>);
    for (number, line) in page.lines().enumerate() {
        if let Some(block) = &mut inside {
            if line == "```" {
                steps.extend(inside.take().map(Step::Block));
            } else {
                block.text.push_str(line);
                block.text.push('\n');
            }
            continue;
        }
        let comment = line.trim().strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        if let Some(language) = line.strip_prefix("```") {
            let language = language.split(',').next().unwrap_or_default().to_owned();
            inside = Some(Block { line: number + 1, language, ..std::mem::take(&mut next) });
        } else if let Some(comment) = comment {
            match comment.split_once(": ").unwrap_or((comment, "")) {
                ("run", command) => steps.push(Step::Run(number + 1, command.to_owned())),
                ("write", file) => next.write = Some(file.to_owned()),
                ("when", command) => next.when = Some(command.to_owned()),
                ("fails", "") => next.fails = true,
                ("cargo", "") => {}
                _ => panic!("line {}: unknown comment {comment}", number + 1),
            }
        }
    }
    assert!(inside.is_none(), "a block is not closed");
    assert_eq!(next, Block::default(), "a comment has no block after it");
    steps
}

/// The commands of a console block, each with the lines it is to print.
fn commands(text: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command.to_owned(), Vec::new())),
            None => commands.last_mut().expect("output comes after a command").1.push(line.to_owned()),
        }
    }
    commands
}

/// Whether a line is as expected, `…` standing for any text.
fn line_matches(expected: &str, line: &str) -> bool {
    let parts: Vec<&str> = expected.trim_end().split('…').collect();
    let mut rest = line.trim_end();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if parts.len() == 1 {
        return rest == first;
    }
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    for part in &parts[1..parts.len() - 1] {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    // The space before `…` may be the end of the line.
    rest.ends_with(last)
}

/// Whether lines are as expected, a `…` alone standing for any lines.
fn matches(expected: &[String], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "…" => (0..=lines.len()).any(|skip| matches(rest, &lines[skip..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, others)| line_matches(first, line) && matches(rest, others))
        }
    }
}

/// Does all that a page says.
fn follow(page: &str) {
    let text = read(page);
    let name = page.trim_end_matches(".md").replace('_', "-");
    let project = Project::bare(&name);
    let mut run = 0;
    for step in steps(&text) {
        match step {
            Step::Run(line, command) => {
                let done = project.shell(&command);
                assert_eq!(done.code, 0, "{page}:{line}: {command}\n{}{}", done.out, done.err);
            }
            Step::Block(block) => {
                if let Some(file) = &block.write {
                    project.write(file, &block.text);
                }
                if let Some(command) = &block.when
                    && project.shell(command).code != 0
                {
                    eprintln!("SKIPPED: {page}:{}: `{command}` does not succeed here", block.line);
                    continue;
                }
                if block.language == "console" {
                    run += console(page, &block, &project);
                } else if block.language == "python" {
                    python(page, &block, &project);
                }
            }
        }
    }
    assert!(run > 0, "{page} has no command");
}

/// Runs the commands of a block and says how many there were.
fn console(page: &str, block: &Block, project: &Project) -> usize {
    let commands = commands(&block.text);
    for (number, (command, expected)) in commands.iter().enumerate() {
        let done = project.shell(&format!("{{ {command}\n}} 2>&1"));
        let fails = block.fails && number + 1 == commands.len();
        let place = format!("{page}:{}: $ {command}", block.line);
        assert_eq!(done.code != 0, fails, "{place}\nended with {}:\n{}", done.code, done.out);
        let lines: Vec<&str> = done.out.trim_end().lines().collect();
        assert!(matches(expected, &lines), "{place}\nis to say\n{}\nand said\n{}", expected.join("\n"), done.out);
    }
    commands.len()
}

/// Runs Python where it has torch, and opens the models that it saved.
fn python(page: &str, block: &Block, project: &Project) {
    let has_torch =
        Command::new("python3").args(["-c", "import torch"]).output().is_ok_and(|done| done.status.success());
    if !has_torch {
        eprintln!("SKIPPED: {page}:{}: python3 has no torch here", block.line);
        return;
    }
    project.write("export.py", &block.text);
    let done = project.shell("python3 export.py");
    assert_eq!(done.code, 0, "{page}:{}\n{}{}", block.line, done.out, done.err);
    let saved = block.text.split('"').filter(|text| text.starts_with("models/"));
    for model in saved {
        project.shell(&format!("cargo cleanai inspect {model}")).expect(0).says("layer");
    }
}

#[test]
fn quick_start() {
    follow("quick_start.md");
}

#[test]
fn declaring() {
    follow("declaring.md");
}

#[test]
fn criteria() {
    follow("criteria.md");
}

#[test]
fn baselines() {
    follow("baselines.md");
}

#[test]
fn reports() {
    follow("reports.md");
}

#[test]
fn continuous_integration() {
    follow("continuous_integration.md");
}

#[test]
fn exporting() {
    follow("exporting.md");
}

#[test]
fn troubleshooting() {
    follow("troubleshooting.md");
}

#[test]
fn every_page_is_listed_and_every_link_leads_somewhere() {
    let listed: BTreeSet<String> = links("SUMMARY.md").into_iter().collect();
    let pages = fs::read_dir(guide()).expect("the guide can be listed").map(|entry| entry.expect("an entry").path());
    let names = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let names: BTreeSet<String> =
        names.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    let expected: BTreeSet<String> = listed.iter().cloned().chain(["SUMMARY.md".to_owned()]).collect();
    assert_eq!(names, expected, "SUMMARY.md lists the pages");
    let library =
        fs::read_to_string(workspace().join("cleanai-harness/src/guide.rs")).expect("the module of the guide");
    let mut pictures = BTreeSet::new();
    for page in &names {
        for link in links(page) {
            if link.contains("://") {
                continue;
            }
            assert!(guide().join(&link).is_file(), "{page} links to {link}, which is not there");
            if link.ends_with(".svg") {
                pictures.insert(link);
            }
        }
        assert!(
            page == "SUMMARY.md" || library.contains(&format!("\"{page}\"")),
            "{page} is no module of the crate's guide"
        );
    }
    for entry in fs::read_dir(guide().join("pictures")).expect("the pictures can be listed") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a picture can be read");
        let name = format!("pictures/{}", path.file_name().expect("a name").to_string_lossy());
        assert!(pictures.contains(&name), "{name} is in no page");
        assert!(
            text.len() < 8192 && text.starts_with("<svg") && text.ends_with("</svg>\n"),
            "{name} is small and whole"
        );
        for part in ["<title", "<desc", "prefers-color-scheme:dark"] {
            assert!(text.contains(part), "{name} has no {part}");
        }
    }
}

/// What a page links to.
fn links(page: &str) -> Vec<String> {
    let text = read(page);
    let prose: String = steps_removed(&text);
    let inline = prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()));
    let definitions = prose.lines().filter_map(|line| Some(line.strip_prefix('[')?.split_once("]: ")?.1.to_owned()));
    inline.chain(definitions).collect()
}

/// A page without its blocks.
fn steps_removed(text: &str) -> String {
    let mut inside = false;
    let kept = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    kept.map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_is_expected_is_told_from_what_is_not() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (expected, output, same) in [
        ("a\n…\nz", "a\nb\nc\nz", true),
        ("a\n…\nz", "a\nz", true),
        ("…", "", true),
        ("a …", "a b", true),
        ("  kmnc …9…", "  kmnc 0.91", true),
        ("…x…", "y", false),
        ("a", "a\nb", false),
        ("a\n…\nb\nc", "a\nb\nb\nd", false),
        ("ab…b", "ab", false),
    ] {
        assert_eq!(matches(&lines(expected), &output.lines().collect::<Vec<_>>()), same, "{expected:?} {output:?}");
    }
    let page = "<!-- run: touch a -->\n<!-- write: b -->\n<!-- fails -->\n```console\n$ c\nd\n$ e\n```\n";
    let block = Block {
        line: 4,
        language: "console".into(),
        text: "$ c\nd\n$ e\n".into(),
        write: Some("b".into()),
        fails: true,
        when: None,
    };
    assert_eq!(steps(page), [Step::Run(1, "touch a".into()), Step::Block(block)]);
    assert_eq!(commands("$ c\nd\n$ e\n"), [("c".to_owned(), vec!["d".to_owned()]), ("e".to_owned(), Vec::new())]);
    assert!(Path::new(&guide()).is_dir());
}
