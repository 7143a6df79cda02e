//! The guide's pieces of `cleanai.toml` and `Cargo.toml`, through the parsers that read them. The workspace's functional tests run its commands,
//! rustdoc its Rust.

use std::fs;
use std::path::Path;

use cleanai_harness::config::Config;

/// The TOML in a page, with its line and whether it is of `Cargo.toml`.
fn snippets(page: &str) -> Vec<(usize, bool, String)> {
    let (mut found, mut inside, mut cargo) = (Vec::new(), None, false);
    for (number, line) in page.lines().enumerate() {
        match (&mut inside, line) {
            (None, "```toml") => inside = Some((number + 1, String::new())),
            (None, "<!-- cargo -->") => cargo = true,
            (Some(_), "```") => {
                let (number, text) = inside.take().expect("a snippet was opened");
                found.push((number, std::mem::take(&mut cargo), text));
            }
            (Some((_, text)), line) => text.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    assert!(inside.is_none(), "a snippet is not closed");
    found
}

#[test]
fn every_piece_of_toml_is_understood() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/src");
    let mut seen = 0;
    for entry in fs::read_dir(&pages).expect("the guide can be listed") {
        let page = entry.expect("the guide can be listed").path();
        if page.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        for (line, cargo, text) in snippets(&fs::read_to_string(&page).expect("a page can be read")) {
            seen += 1;
            let place = format!("{}:{line}", page.display());
            if cargo {
                let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{place}: {error}"));
                assert!(table.contains_key("dev-dependencies"), "{place}: no dev-dependency");
                continue;
            }
            let file = folder.path().join("cleanai.toml");
            fs::write(&file, text).expect("a file can be written");
            if let Err(error) = Config::load(&file) {
                panic!("{place}: {error}");
            }
        }
    }
    assert!(seen >= 5, "only {seen} pieces of TOML were found: are fences written ```toml?");
}
