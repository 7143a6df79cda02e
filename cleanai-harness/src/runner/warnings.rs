//! What a run says before it starts: variables that nothing reads, and tables that match no test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Test;
use crate::config::{Config, header};

/// The warnings, each once however many packages they come from.
pub(super) fn of(tests: &[Test], configs: &BTreeMap<PathBuf, Config>, nextest: bool) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for (folder, config) in configs {
        let names: Vec<&str> =
            tests.iter().filter(|test| test.package_dir == *folder).map(|test| test.identity.name.as_str()).collect();
        // nextest starts a process for each test, and each would say so.
        let unused = if nextest { None } else { unused(config, &names) };
        for warning in config.environment.unknown.iter().cloned().chain(unused) {
            if !all.contains(&warning) {
                all.push(warning);
            }
        }
    }
    all
}

/// The `[tests.NAME]` tables that match none of these names: slips, unless another test binary has the test.
fn unused(config: &Config, names: &[&str]) -> Option<String> {
    let tables = config.unused_tests(names).into_iter().map(|(name, near)| match near {
        Some(near) => format!("{} (did you mean `{near}`?)", header("tests", name)),
        None => header("tests", name),
    });
    let tables: Vec<String> = tables.collect();
    let (file, such) = (config.path.as_ref()?, if tables.len() == 1 { "that name" } else { "one of these names" });
    let has = format!("{} has {}", file.display(), tables.join(", "));
    (!tables.is_empty()).then(|| format!("{has}, but no test of this binary has {such}"))
}
