//! `Cargo.toml`: the dependency, the test target and the profile, added with everything else left as it is.

use std::path::{Path, PathBuf};

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use super::source::{HARNESS, Source};
use crate::error::{Error, Result};

/// What is optimised and how much: what counts, decodes and hashes. Everything else would take longer to compile than it ever runs. At 1 the harness's
/// loops get neither vectors nor inlined iterators.
const OPTIMISED: [(&str, i64); 10] = [
    (HARNESS, 2),
    ("crc32fast", 1),
    ("fdeflate", 1),
    ("image", 1),
    ("png", 1),
    ("sha2", 1),
    ("simd-adler32", 1),
    ("torch-sys", 1),
    ("zlib-rs", 1),
    ("zune-jpeg", 1),
];
/// Why.
const PROFILE_COMMENT: &str = "# what counts and decodes: unoptimised, it takes three to seven times as long";
/// Why cargo's own test harness stays out.
const HARNESS_COMMENT: &str = "# cleanai_harness::main!() runs the tests";

/// A manifest that is being edited.
pub struct Manifest {
    path: PathBuf,
    text: String,
    document: DocumentMut,
}

/// The test target that a manifest has or is given.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// Its file, from the package's folder.
    pub file: PathBuf,
    /// Whether the manifest had it.
    pub was_there: bool,
}

impl Manifest {
    /// Reads a manifest.
    pub fn open(path: &Path) -> Result<Manifest> {
        let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        Manifest::parse(path, text)
    }

    fn parse(path: &Path, text: String) -> Result<Manifest> {
        let document = text.parse::<DocumentMut>().map_err(|error| Error::Init {
            problem: format!("{} is no TOML: {}", path.display(), error.to_string().trim().replace('\n', "\n  ")),
            fix: "correct it; `cargo check` says the same".into(),
        })?;
        Ok(Manifest { path: path.into(), text, document })
    }

    /// The package's name; an error for a workspace without a package.
    pub fn package(&self) -> Result<&str> {
        let name = self.document.get("package").and_then(|package| package.get("name")).and_then(Item::as_str);
        name.ok_or_else(|| Error::Init {
            problem: format!(
                "{} is the manifest of a workspace, and a coverage test belongs to a package",
                self.path.display()
            ),
            fix: "run the command in the folder of the member that the test is for".into(),
        })
    }

    /// Whether the package has the harness already, as any kind of dependency.
    pub fn has_harness(&self) -> bool {
        let depends = |table: &dyn TableLike| {
            ["dev-dependencies", "dev_dependencies", "dependencies"]
                .iter()
                .any(|kind| table.get(kind).and_then(Item::as_table_like).is_some_and(names))
        };
        let names_of_targets = self.document.get("target").and_then(Item::as_table_like).into_iter();
        depends(self.document.as_table())
            || names_of_targets
                .flat_map(|table| table.iter())
                .any(|(_, item)| item.as_table_like().is_some_and(depends))
    }

    /// Whether a workspace's manifest offers the harness to its members.
    pub fn offers_harness(&self) -> bool {
        let workspace = self.document.get("workspace").and_then(|workspace| workspace.get("dependencies"));
        workspace.and_then(Item::as_table_like).is_some_and(names)
    }

    /// Adds the harness to the dev-dependencies; from the workspace if that offers it.
    pub fn add_harness(&mut self, source: &Source, from_workspace: bool) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new(".")).to_path_buf();
        let dependency = match from_workspace {
            true => Value::InlineTable(InlineTable::from_iter([("workspace", true)])),
            false => source.dependency(&folder),
        };
        let path = self.path.clone();
        let table = table(&mut self.document, "dev-dependencies").ok_or_else(|| odd(&path, "dev-dependencies"))?;
        table.insert(HARNESS, value(dependency));
        Ok(())
    }

    /// The test target of this name: as it is, or added.
    pub fn target(&mut self, name: &str) -> Result<Target> {
        let path = self.path.clone();
        let default = || PathBuf::from(format!("tests/{name}.rs"));
        let tests = self.document.entry("test").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let tests = tests.as_array_of_tables_mut().ok_or_else(|| odd(&path, "test"))?;
        if let Some(test) = tests.iter_mut().find(|test| test.get("name").and_then(Item::as_str) == Some(name)) {
            let file = test.get("path").and_then(Item::as_str).map_or_else(default, PathBuf::from);
            match test.get("harness").and_then(Item::as_bool) {
                Some(false) => return Ok(Target { file, was_there: true }),
                None => {
                    test.insert("harness", commented(false, HARNESS_COMMENT));
                    return Ok(Target { file, was_there: false });
                }
                Some(true) => {
                    return Err(Error::Init {
                        problem: format!("{} has a test target `{name}` with `harness = true`", path.display()),
                        fix: "give the coverage tests another target: cargo cleanai init --test release-gate".into(),
                    });
                }
            }
        }
        let mut test = Table::new();
        test.insert("name", value(name));
        test.insert("harness", commented(false, HARNESS_COMMENT));
        tests.push(test);
        Ok(Target { file: default(), was_there: false })
    }

    /// Optimises what counts and decodes in tests; false if the manifest already says how dependencies are optimised.
    pub fn add_profile(&mut self) -> Result<bool> {
        let path = self.path.clone();
        let hidden = |parent: &mut dyn TableLike, key: &str| {
            let mut table = Table::new();
            table.set_implicit(true);
            parent.entry(key).or_insert(Item::Table(table));
        };
        let mut at: &mut dyn TableLike = self.document.as_table_mut();
        let mut inline = false;
        for key in ["profile", "dev", "package"] {
            hidden(at, key);
            inline |= at.get(key).is_some_and(Item::is_inline_table);
            at = at.get_mut(key).and_then(Item::as_table_like_mut).ok_or_else(|| odd(&path, "profile"))?;
            // What the whole profile says holds for dependencies too.
            if key == "dev" && is_optimised(at) {
                return Ok(false);
            }
        }
        if at.get("*").and_then(Item::as_table_like).is_some_and(|all| all.contains_key("opt-level")) {
            return Ok(false);
        }
        let mut added = false;
        for (name, level) in OPTIMISED {
            if at.contains_key(name) {
                continue;
            }
            let settings = [("opt-level", Value::from(level)), ("debug", Value::from(false))];
            let settings = Value::InlineTable(InlineTable::from_iter(settings));
            // A comment would end an inline table's line.
            at.insert(name, if inline || added { value(settings) } else { commented(settings, PROFILE_COMMENT) });
            added = true;
        }
        Ok(added)
    }

    /// The profiles, as they will be.
    pub fn profile(&self) -> Option<&Item> {
        self.document.get("profile")
    }

    /// The version of the resolver by which features are chosen, as cargo finds it.
    pub fn resolver(&self) -> &str {
        let said =
            |table: &str, key: &str| self.document.get(table).and_then(|table| table.get(key)).and_then(Item::as_str);
        said("workspace", "resolver").or_else(|| said("package", "resolver")).unwrap_or_else(|| {
            let package = self.document.get("package");
            let edition = package.and_then(|package| package.get("edition"));
            // A member's edition says nothing of the workspace's; one that is the workspace's own is `edition.workspace = true`.
            let of_workspace = || said_of(self.document.get("workspace")?.get("package")?.get("edition"));
            match package.and_then(|_| said_of(edition).or_else(of_workspace)) {
                Some("2024") => "3",
                Some("2021") => "2",
                _ => "1",
            }
        })
    }

    /// The text, if it is no longer that of the file.
    pub fn changed(&self) -> Result<Option<String>> {
        let text = self.document.to_string();
        // An edit that cargo could not read would leave the user without a project.
        let reread = text.parse::<toml::Table>();
        reread.map_err(|error| Error::Init {
            problem: format!("{} cannot be added to: {error}", self.path.display()),
            fix: "write its tables as [headers], or add the lines by hand: the guide shows them".into(),
        })?;
        Ok((text != self.text).then_some(text))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether a table of dependencies has the harness, under its own name or another.
fn names(table: &dyn TableLike) -> bool {
    table.iter().any(|(key, item)| key == HARNESS || item.get("package").and_then(Item::as_str) == Some(HARNESS))
}

/// Whether a profile optimises; 0 is what a dev profile does when it says nothing.
fn is_optimised(profile: &dyn TableLike) -> bool {
    profile.get("opt-level").is_some_and(|level| level.as_integer() != Some(0))
}

fn said_of(item: Option<&Item>) -> Option<&str> {
    item.and_then(Item::as_str)
}

fn table<'d>(document: &'d mut DocumentMut, key: &str) -> Option<&'d mut dyn TableLike> {
    document.entry(key).or_insert(Item::Table(Table::new())).as_table_like_mut()
}

fn commented(content: impl Into<Value>, comment: &str) -> Item {
    let mut content: Value = content.into();
    content.decor_mut().set_suffix(format!("   {comment}"));
    value(content)
}

fn odd(path: &Path, key: &str) -> Error {
    Error::Init {
        problem: format!("`{key}` in {} is written in a way that cannot be added to", path.display()),
        fix: "write it as a [header]; `cargo check` says whether cargo reads it".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n";

    fn edited(text: &str) -> String {
        let mut manifest = Manifest::parse(Path::new("Cargo.toml"), text.into()).unwrap();
        if !manifest.has_harness() {
            manifest.add_harness(&Source::Version("0.1.0".into()), false).unwrap();
        }
        manifest.target("coverage").unwrap();
        manifest.add_profile().unwrap();
        manifest.changed().unwrap().unwrap_or_else(|| text.to_string())
    }

    #[test]
    fn a_new_package_is_given_what_it_takes() {
        let new = edited(NEW);
        assert_eq!(
            new,
            format!(
                "{NEW}\n[dev-dependencies]\ncleanai-harness = \"0.1.0\"\n\n[[test]]\nname = \"coverage\"\n\
                 harness = false   {HARNESS_COMMENT}\n\n[profile.dev.package]\n\
                 cleanai-harness = {{ opt-level = 2, debug = false }}   {PROFILE_COMMENT}\n\
                 crc32fast = {{ opt-level = 1, debug = false }}\n\
                 fdeflate = {{ opt-level = 1, debug = false }}\n\
                 image = {{ opt-level = 1, debug = false }}\n\
                 png = {{ opt-level = 1, debug = false }}\n\
                 sha2 = {{ opt-level = 1, debug = false }}\n\
                 simd-adler32 = {{ opt-level = 1, debug = false }}\n\
                 torch-sys = {{ opt-level = 1, debug = false }}\n\
                 zlib-rs = {{ opt-level = 1, debug = false }}\n\
                 zune-jpeg = {{ opt-level = 1, debug = false }}\n"
            )
        );
        assert_eq!(edited(&new), new);
    }

    /// Who adds the lines by hand should have the same.
    #[test]
    fn the_readme_and_the_guide_show_the_same_profile() {
        let new = edited(NEW);
        let profile = &new[new.find("[profile.dev.package]").unwrap()..];
        for page in ["README.md", "cleanai-harness/docs/guide/src/declaring.md"] {
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page)).unwrap();
            let shown: String = text.lines().flat_map(|line| [line.trim_start(), "\n"]).collect();
            assert!(shown.contains(profile), "{page} does not show what `init` writes:\n{profile}");
        }
    }

    /// cargo warns of a profile for a package that is not there.
    #[test]
    fn what_is_optimised_is_what_the_harness_is_built_from() {
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
        let lock: toml::Table = std::fs::read_to_string(lock).unwrap().parse().unwrap();
        let packages = lock["package"].as_array().unwrap();
        let dependencies = |name: &str| -> Vec<String> {
            let named = packages.iter().filter(|package| package["name"].as_str() == Some(name));
            let listed = named.filter_map(|package| package.get("dependencies")?.as_array()).flatten();
            listed.filter_map(|entry| Some(entry.as_str()?.split(' ').next()?.to_string())).collect()
        };
        let mut all = vec![HARNESS.to_string()];
        let mut at = 0;
        while let Some(name) = all.get(at).cloned() {
            for dependency in dependencies(&name) {
                if !all.contains(&dependency) {
                    all.push(dependency);
                }
            }
            at += 1;
        }
        for (name, _) in OPTIMISED {
            assert!(all.iter().any(|dependency| dependency == name), "{name} is no longer a dependency of the harness");
        }
    }

    #[test]
    fn comments_and_layout_stay() {
        let text = "# ours\n[package] # p\nname='user'\n\n\n[dev-dependencies]   # d\nserde = \"1\" # s\n\n[[test]]\nname = \"other\"\n\
                    \n[profile.dev]\ndebug = false\n# end\n";
        let new = edited(text);
        for line in text.lines() {
            assert!(new.lines().any(|own| own == line), "{line:?} is gone from\n{new}");
        }
        assert!(new.contains("serde = \"1\" # s\ncleanai-harness = \"0.1.0\"\n"), "{new}");
        assert_eq!(edited(&new), new);
    }

    #[test]
    fn other_ways_to_write_it_are_understood() {
        for text in [
            "dev-dependencies = { serde = \"1\" }\nprofile = { dev = { package = { \"*\" = { debug = 0 } } } }\npackage = { name = \"u\" }\n",
            "package.name = \"u\"\ndev-dependencies.serde = \"1\"\nprofile.dev.debug = false\n",
            "[package]\nname = \"u\"\n[profile.dev.package]\nserde.opt-level = 2\n",
            "[package]\nname = \"u\"\n[profile.dev]\nopt-level = 0\n[profile.dev.package.\"*\"]\ndebug = false\n",
            "[package]\r\nname = \"u\"\r\n",
        ] {
            let new = edited(text);
            let table: toml::Table = new.parse().unwrap();
            assert_eq!(table["dev-dependencies"][HARNESS].as_str(), Some("0.1.0"), "{new}");
            for (name, level) in OPTIMISED {
                let settings = &table["profile"]["dev"]["package"][name];
                assert_eq!(settings["opt-level"].as_integer(), Some(level), "{new}");
            }
            assert_eq!(table["test"][0]["harness"].as_bool(), Some(false), "{new}");
            assert_eq!(edited(&new), new);
        }
    }

    #[test]
    fn what_is_there_stays() {
        let text = "[package]\nname = \"u\"\n[dev-dependencies]\ngate = { package = \"cleanai-harness\", version = \"9\" }\n\
                    [[test]]\nname = \"coverage\"\npath = \"gate/main.rs\"\nharness = false\n\
                    [profile.dev.package.\"*\"]\nopt-level = 2\n";
        assert_eq!(edited(text), text);
        let all = text.replace("[profile.dev.package.\"*\"]", "[profile.dev]");
        assert_eq!(edited(&all), all);
        let image = edited("[package]\nname = \"u\"\n[profile.dev.package]\nimage.opt-level = 3\n");
        assert!(image.contains("image.opt-level = 3\n") && !image.contains("image = {"), "{image}");
        let mut manifest = Manifest::parse(Path::new("Cargo.toml"), text.into()).unwrap();
        let target = Target { file: "gate/main.rs".into(), was_there: true };
        assert_eq!(manifest.target("coverage").unwrap(), target);
        for other in [
            "[target.'cfg(unix)'.dev-dependencies]\ncleanai-harness = \"0.1\"\n",
            "[dependencies.cleanai-harness]\nversion = \"0.1\"\n",
        ] {
            assert!(Manifest::parse(Path::new("Cargo.toml"), other.into()).unwrap().has_harness(), "{other}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_fix() {
        let open = |text: &str| Manifest::parse(Path::new("Cargo.toml"), text.into());
        assert!(open("[package\n").is_err());
        assert!(open("[workspace]\nmembers = []\n").unwrap().package().is_err());
        assert!(open("[[test]]\nname = \"coverage\"\nharness = true\n").unwrap().target("coverage").is_err());
        assert!(open("test = 1\n").unwrap().target("coverage").is_err());
        assert!(open("profile = 1\n").unwrap().add_profile().is_err());
        assert!(open("dev-dependencies = 1\n").unwrap().add_harness(&Source::Version("1".into()), false).is_err());
    }
}
