//! The command line: libtest-mimic's, plus what libtest takes and libtest-mimic refuses where that does no harm.

use std::env;
use std::ffi::OsString;

use libtest_mimic::{Arguments, FormatSetting};

use crate::{Error, ErrorKind, Result};

/// What was asked for.
#[derive(Debug)]
pub(super) struct Invocation {
    /// The arguments, with the number of threads settled.
    pub arguments: Arguments,
    /// Whether standard output carries JSON and nothing else.
    pub json: bool,
}

/// Reads the arguments, the program's name first. A wrong one, and `--help`, end the process as clap does: 2 and 0.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation> {
    let mut arguments = Arguments::from_iter(tolerated(arguments));
    let from_environment = env::var("RUST_TEST_THREADS").ok().filter(|text| !text.is_empty());
    arguments.test_threads = Some(threads(arguments.test_threads, from_environment.as_deref())?);
    let json = arguments.format == Some(FormatSetting::Json);
    Ok(Invocation { arguments, json })
}

/// One test at a time unless the user says otherwise: a pass keeps all cores busy by itself.
fn threads(argument: Option<usize>, environment: Option<&str>) -> Result<usize> {
    let wrong = |what: String| Err(Error::new(ErrorKind::Configuration, what));
    match (argument, environment) {
        // libtest-mimic would wait for ever.
        (Some(0), _) => wrong("--test-threads must be at least 1".to_owned()),
        (Some(threads), _) => Ok(threads),
        (None, Some(text)) => match text.parse() {
            Ok(threads) if threads > 0 => Ok(threads),
            _ => wrong(format!("RUST_TEST_THREADS is `{text}`, which is no number of threads")),
        },
        (None, None) => Ok(1),
    }
}

/// Rewrites what libtest takes and libtest-mimic does not know; drops what asks for nothing that would change a result.
fn tolerated(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words_follow = false;
    arguments
        .into_iter()
        .filter_map(|argument| {
            let text = argument.to_str().filter(|_| !words_follow).unwrap_or_default();
            words_follow |= text == "--";
            match text {
                "--no-capture" => Some("--nocapture".into()),
                "--report-time" | "--shuffle" | "--force-run-in-process" => None,
                _ => Some(argument),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: &[&str]) -> Vec<OsString> {
        tolerated(arguments.iter().map(OsString::from))
    }

    #[test]
    fn harmless_flags_of_libtest_are_taken() {
        let invocation =
            parse(["test", "--no-capture", "--report-time", "lenet", "--exact"].map(OsString::from)).unwrap();
        assert!(invocation.arguments.nocapture && invocation.arguments.exact);
        assert_eq!(invocation.arguments.filter.as_deref(), Some("lenet"));
        assert!(!invocation.json);
    }

    #[test]
    fn what_follows_two_dashes_is_a_filter() {
        assert_eq!(words(&["test", "--", "--report-time"]), ["test", "--", "--report-time"]);
        assert_eq!(words(&["test", "--report-time", "--"]), ["test", "--"]);
    }

    #[test]
    fn one_thread_unless_asked() {
        assert_eq!(threads(None, None), Ok(1));
        assert_eq!(threads(None, Some("3")), Ok(3));
        assert_eq!(threads(Some(2), Some("3")), Ok(2));
        assert_eq!(threads(Some(2), Some("nonsense")), Ok(2));
    }

    #[test]
    fn no_threads_at_all_is_an_error() {
        assert_eq!(threads(Some(0), None).unwrap_err().kind(), ErrorKind::Configuration);
        for text in ["0", "-1", "many"] {
            assert!(threads(None, Some(text)).unwrap_err().what().contains(text));
        }
    }
}
