//! The `CLEANAI_*` variables.

use super::FIRST;
use crate::Result;
use crate::config::environment::{self, Environment};

/// What all variables begin with.
pub(crate) const PREFIX: &str = "CLEANAI_";

/// A variable.
#[derive(Debug)]
pub(crate) struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it may be, in words.
    pub kind: &'static str,
    /// What holds where it is not set.
    pub default: &'static str,
    /// A value.
    pub example: &'static str,
    /// One or two sentences.
    pub says: &'static str,
    /// The first version that has it.
    pub since: &'static str,
    /// Whether it may change figures or verdicts, so that a run with it says so.
    pub decides: bool,
    /// What reads it.
    pub read: Read,
}

/// What reads a variable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read {
    /// This, with its text, which is not empty.
    By(fn(&mut Environment, &str) -> Result<()>),
    /// Another part of the program.
    Elsewhere,
}

/// Those that users set.
pub(crate) static VARIABLES: &[Variable] = &[
    Variable {
        name: "CLEANAI_CONFIG",
        kind: "a path",
        default: "`cleanai.toml`",
        example: "ci/cleanai.toml",
        says: "The configuration in place of `cleanai.toml`. Like that, a relative path is looked for in the package's folder and the folders above it.",
        since: FIRST,
        decides: true,
        read: Read::By(environment::config),
    },
    Variable {
        name: "CLEANAI_DEVICE",
        kind: "a device: `auto`, `cpu`, `cuda`, `cuda:1`",
        default: "the device of the test",
        example: "cpu",
        says: "Where the models of all tests run.",
        since: FIRST,
        decides: true,
        read: Read::By(environment::device),
    },
    Variable {
        name: "CLEANAI_BATCH",
        kind: "a whole number from 1 to 65536",
        default: "the batch of the test",
        example: "16",
        says: "Inputs per forward pass in all tests.",
        since: FIRST,
        decides: true,
        read: Read::By(environment::batch),
    },
    Variable {
        name: "CLEANAI_BASELINE_TOLERANCE",
        kind: "a number, 0 or more",
        default: "`tolerance` of `[baseline]`",
        example: "0.01",
        says: "How much any figure may fall below its baseline; tolerances of single criteria do not count then.",
        since: FIRST,
        decides: true,
        read: Read::By(environment::tolerance),
    },
    Variable {
        name: "CLEANAI_BASELINE_ON_IMPROVEMENT",
        kind: "`ignore`, `pending` or `fail`",
        default: "`on_improvement` of `[baseline]`",
        example: "pending",
        says: "What a figure above its baseline does.",
        since: FIRST,
        decides: true,
        read: Read::By(environment::on_improvement),
    },
    Variable {
        name: "CLEANAI_REPORT_PDF",
        kind: "`on`, `off` or a path",
        default: "`pdf` of `[report]`",
        example: "off",
        says: "The PDF. A relative path starts where those of `cleanai.toml` do: at its folder, or at the package's if there is no such file.",
        since: FIRST,
        decides: false,
        read: Read::By(|to, text| environment::report(to, "pdf", text)),
    },
    Variable {
        name: "CLEANAI_REPORT_JUNIT",
        kind: "`on`, `off` or a path",
        default: "`junit` of `[report]`",
        example: "reports/junit.xml",
        says: "The JUnit XML, likewise.",
        since: FIRST,
        decides: false,
        read: Read::By(|to, text| environment::report(to, "junit", text)),
    },
    Variable {
        name: "CLEANAI_REPORT_JSON",
        kind: "`on`, `off` or a path",
        default: "`json` of `[report]`",
        example: "on",
        says: "The JSON, likewise.",
        since: FIRST,
        decides: false,
        read: Read::By(|to, text| environment::report(to, "json", text)),
    },
    Variable {
        name: "CLEANAI_REPORT_HTML",
        kind: "`on`, `off` or a path",
        default: "`html` of `[report]`",
        example: "public/coverage.html",
        says: "The page for a browser, likewise.",
        since: FIRST,
        decides: false,
        read: Read::By(|to, text| environment::report(to, "html", text)),
    },
    Variable {
        name: "CLEANAI_REPORT_MARKDOWN",
        kind: "`on`, `off` or a path",
        default: "`markdown` of `[report]`",
        example: "off",
        says: "The summary in Markdown, likewise.",
        since: FIRST,
        decides: false,
        read: Read::By(|to, text| environment::report(to, "markdown", text)),
    },
    Variable {
        name: "CLEANAI_CACHE",
        kind: "a folder, or `off`",
        default: "`cleanai` in the user's cache folder",
        example: "off",
        says: "Where results are kept from one run to the next.",
        since: FIRST,
        decides: false,
        read: Read::Elsewhere,
    },
    Variable {
        name: "CLEANAI_CACHE_SIZE",
        kind: "a size: `500MB`, `4GiB`",
        default: "4 GiB",
        example: "10GiB",
        says: "How large the cache may grow before the least recently used entries go.",
        since: FIRST,
        decides: false,
        read: Read::Elsewhere,
    },
    Variable {
        name: "CLEANAI_PROGRESS",
        kind: "`off`",
        default: "on where the standard error is a terminal that people watch",
        example: "off",
        says: "Whether long passes show how far they are.",
        since: FIRST,
        decides: false,
        read: Read::Elsewhere,
    },
];

/// Those that this project's own commands and tests set.
const OWN: [&str; 11] = [
    "CLEANAI_SHOW",
    "CLEANAI_RATCHET",
    "CLEANAI_RATCHET_MARGIN",
    "CLEANAI_HARNESS",
    "CLEANAI_DATA",
    "CLEANAI_KEEP_PDF",
    "CLEANAI_KEEP_JUNIT",
    "CLEANAI_SHOW_REPORT",
    "CLEANAI_WRITE_SCHEMA",
    "CLEANAI_FUZZ_ROUNDS",
    "CLEANAI_FUZZ_SHOWS",
];

/// The names of all variables that there are, those of users first.
pub(crate) fn names_of_variables() -> impl Iterator<Item = &'static str> + Clone {
    VARIABLES.iter().map(|variable| variable.name).chain(OWN)
}
