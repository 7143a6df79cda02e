//! Variables: what they may be, what is said of wrong ones, and which file they choose.

use std::fs;

use crate::config::{Config, Environment, ReportFile};
use crate::declare::{DeviceChoice, OnImprovement};

fn read(variables: &[(&str, &str)]) -> crate::Result<Environment> {
    Environment::read(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

#[test]
fn what_they_say_is_read() {
    let read = read(&[
        ("CLEANAI_CONFIG", "ci.toml"),
        ("CLEANAI_DEVICE", "cuda:1"),
        ("CLEANAI_BATCH", "16"),
        ("CLEANAI_BASELINE_TOLERANCE", "-0"),
        ("CLEANAI_BASELINE_ON_IMPROVEMENT", "pending"),
        ("CLEANAI_REPORT_PDF", "off"),
        ("CLEANAI_REPORT_JUNIT", "on"),
        ("CLEANAI_REPORT_JSON", "out/all.json"),
        ("CLEANAI_CACHE", "off"),
        ("OTHER", "x"),
    ])
    .expect("good variables");
    assert_eq!(read.config.as_deref(), Some("ci.toml".as_ref()));
    assert_eq!((read.device, read.batch), (Some(DeviceChoice::Cuda(1)), Some(16)));
    assert_eq!(read.tolerance.map(f64::to_bits), Some(0), "-0.0 is no different from 0");
    assert_eq!(read.on_improvement, Some(OnImprovement::Pending));
    let reports =
        [("json", ReportFile::At("out/all.json".into())), ("junit", ReportFile::Default), ("pdf", ReportFile::No)];
    assert_eq!(read.reports, reports.into());
    assert_eq!((read.set.len(), read.unknown.len()), (9, 0));
}

#[test]
fn empty_ones_are_as_good_as_none() {
    let read = read(&[("CLEANAI_BATCH", ""), ("CLEANAI_NONSENSE", ""), ("CLEANAI_DEVICE", "")]).expect("nothing");
    assert_eq!(read, Environment::default());
}

#[test]
fn a_wrong_value_is_one_error_with_the_name() {
    for (name, value, what, help) in [
        (
            "CLEANAI_BATCH",
            "0",
            "is `0`: it must be a whole number from 1 to 65536",
            "set it to a whole number from 1 to 65536, or unset it",
        ),
        (
            "CLEANAI_BATCH",
            "65537",
            "is `65537`: it must be a whole number from 1 to 65536",
            "set it to a whole number from 1 to 65536, or unset it",
        ),
        ("CLEANAI_DEVICE", "gpu", "is `gpu`: unknown device `gpu`", "a GPU is `cuda`, or `cuda:1` for the second"),
        (
            "CLEANAI_BASELINE_TOLERANCE",
            "nan",
            "is `nan`: it must be a finite number, 0 or more",
            "set it to a number, 0 or more, or unset it",
        ),
        (
            "CLEANAI_BASELINE_TOLERANCE",
            "-1",
            "is `-1`: it must be a finite number, 0 or more",
            "set it to a number, 0 or more, or unset it",
        ),
        (
            "CLEANAI_BASELINE_ON_IMPROVEMENT",
            "fial",
            "is `fial`: it must be `ignore`, `pending` or `fail`",
            "did you mean `fail`?",
        ),
        (
            "CLEANAI_REPORT_PDF",
            " ",
            "is ` `: it must be `on`, `off` or a path",
            "set it to on, off or a path, or unset it",
        ),
    ] {
        let error = read(&[(name, value)]).expect_err(value);
        assert_eq!((error.what(), error.help()), (format!("{name} {what}").as_str(), Some(help)));
    }
    // The first by name, whatever their order; control characters and length do not reach the terminal.
    let hostile = "\u{1b}[2J".repeat(1000);
    let error = read(&[("CLEANAI_DEVICE", "x"), ("CLEANAI_BATCH", &hostile)]).expect_err("two wrong ones");
    let said = error.to_string();
    assert!(said.starts_with("CLEANAI_BATCH is `") && said.len() < 300 && !said.contains('\u{1b}'), "{said}");
}

#[cfg(unix)]
#[test]
fn what_is_no_text_is_an_error() {
    use std::os::unix::ffi::OsStringExt;
    let value = std::ffi::OsString::from_vec(vec![b'1', 0xff]);
    let error = Environment::read([("CLEANAI_BATCH".into(), value)]).expect_err("no text");
    assert_eq!(error.what(), "CLEANAI_BATCH is not UTF-8");
}

#[test]
fn unknown_ones_are_told_with_the_nearest() {
    let read = read(&[
        ("CLEANAI_DEVCE", "cpu"),
        ("CLEANAI_ZZZZZZZZZZZZZZ", "1"),
        ("CLEANAI_DATA", "d"),
        ("CLEANAI_SHOW", "x"),
    ])
    .expect("no wrong value");
    assert_eq!(
        read.unknown,
        [
            "the variable CLEANAI_DEVCE is not known; did you mean CLEANAI_DEVICE?",
            "the variable CLEANAI_ZZZZZZZZZZZZZZ is not known; `cargo cleanai config reference` lists those that are",
        ]
    );
}

#[test]
fn the_file_is_chosen() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = folder.path().join("a/b");
    fs::create_dir_all(package.join("ci")).expect("folders");
    fs::write(folder.path().join("cleanai.toml"), "[report]\npdf = false\n").expect("a file");
    fs::write(folder.path().join("a/other.toml"), "[report]\njunit = false\njson = 'x.json'\n").expect("a file");
    let find = |variables: &[(&str, &str)]| Config::find_with(&package, read(variables)?);
    assert_eq!(find(&[]).expect("the usual").path, Some(folder.path().join("cleanai.toml")));
    let chosen = find(&[("CLEANAI_CONFIG", "other.toml"), ("CLEANAI_REPORT_PDF", "p.pdf")]).expect("the other");
    assert_eq!(chosen.path, Some(folder.path().join("a/other.toml")));
    assert_eq!(chosen.report.pdf, ReportFile::At(folder.path().join("a/p.pdf")), "paths start at the file's folder");
    assert_eq!(
        (&chosen.report.junit, &chosen.report.json),
        (&ReportFile::No, &ReportFile::At(folder.path().join("a/x.json")))
    );
    let absolute = folder.path().join("a/other.toml").display().to_string();
    assert_eq!(find(&[("CLEANAI_CONFIG", &absolute)]).expect("a path").path, chosen.path);
    let error = find(&[("CLEANAI_CONFIG", "gone.toml")]).expect_err("no such file");
    assert_eq!(error.what(), "CLEANAI_CONFIG names gone.toml, which is no file");
    fs::remove_file(folder.path().join("cleanai.toml")).expect("a file");
    let without = find(&[("CLEANAI_REPORT_PDF", "p.pdf")]).expect("no file");
    assert_eq!((without.path, without.report.pdf), (None, ReportFile::At(package.join("p.pdf"))));
}
