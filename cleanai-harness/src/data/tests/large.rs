//! Arrays that stay in their file.

use std::fs::{self, OpenOptions};
use std::path::Path;

use super::{gzip, idx, npy, open, values};

/// Bytes of a row; 300 rows are more than is held in memory.
const ROW: usize = 32 << 10;

fn bytes() -> Vec<u8> {
    (0..300 * ROW as u32).map(|at| (at % 251) as u8 ^ (at >> 15) as u8).collect()
}

/// The same rows in a file that is small enough to be held.
fn small(folder: &Path, rows: std::ops::Range<usize>) -> Vec<f32> {
    let part = &bytes()[rows.start * ROW..rows.end * ROW];
    let shape = format!("({}, {})", rows.len(), ROW / 2);
    fs::write(folder.join("small.npy"), npy("<i2", false, &shape, part)).unwrap();
    values(&open(folder, "small.npy", "[]").unwrap(), 7)
}

#[test]
fn rows_are_those_of_the_file_whatever_part_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("large.npy"), npy("<i2", false, &format!("(300, {})", ROW / 2), &bytes())).unwrap();
    let large = open(root, "large.npy", "[]").unwrap();
    assert_eq!(values(&large, 64)[..10 * ROW / 2], small(root, 0..10));
    let part = open(root, "large.npy#20..290", "[]").unwrap();
    assert_eq!((part.len(), part.names(269)), (270, "large.npy[289]".to_owned()));
    let all = values(&part, 100);
    assert_eq!(all[..5 * ROW / 2], small(root, 20..25));
    assert_eq!(all[265 * ROW / 2..], small(root, 285..290));
    // The hash is that of the contents, wherever they lie: what was compressed is held in memory.
    let plain = idx(&[300, ROW as u32], &bytes());
    fs::write(root.join("packed.gz"), gzip(&plain)).unwrap();
    fs::write(root.join("plain"), plain).unwrap();
    let of = |path: &str| open(root, path, "[]").unwrap().content_hash().unwrap();
    assert_eq!(of("plain"), of("packed.gz"));
    assert_ne!(of("plain"), of("plain#..299"));
}

#[test]
fn numbers_too_large_are_found_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = vec![0u8; 10 << 20];
    let header = format!("({}, 4)", numbers.len() / 32);
    let path = folder.path().join("large.npy");
    fs::write(&path, npy("<u8", false, &header, &numbers)).unwrap();
    assert!(open(folder.path(), "large.npy", "[]").unwrap().fields()[0].integer);
    *numbers.last_mut().unwrap() = 0x80;
    fs::write(&path, npy("<u8", false, &header, &numbers)).unwrap();
    assert!(!open(folder.path(), "large.npy", "[]").unwrap().fields()[0].integer);
}

#[test]
fn labels_of_any_number_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = 9 << 20;
    fs::write(folder.path().join("x.npy"), npy("|b1", false, &format!("({inputs}, 1)"), &vec![1; inputs])).unwrap();
    let labels: Vec<u8> = (0..inputs).map(|at| (at % 10) as u8).collect();
    fs::write(folder.path().join("y.idx"), idx(&[inputs as u32], &labels)).unwrap();
    let data = open(folder.path(), "x.npy,y.idx", "[]").unwrap();
    assert_eq!(data.labels().map(|labels| (labels.len(), labels[13], labels[inputs - 1])), Some((inputs, 3, 3)));
}

#[test]
fn a_file_that_is_cut_off_after_it_was_opened_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.npy");
    fs::write(&path, npy("|u1", false, &format!("(300, {ROW})"), &bytes())).unwrap();
    let data = open(folder.path(), "large.npy", "[]").unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(100 * ROW as u64).unwrap();
    let error = data.batches(50).find_map(Result::err).expect("rows are missing");
    assert!(error.to_string().contains("large.npy[") && error.to_string().contains("cut off"), "{error}");
    assert!(data.content_hash().is_err());
}
