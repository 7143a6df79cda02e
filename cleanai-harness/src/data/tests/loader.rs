//! Batches: padding, order, skipping, stopping, errors.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use proptest::prelude::*;

use super::{batches, npy, open, open_with, values};
use crate::ErrorKind;
use crate::data::Values;
use crate::declare::OnBadInput;

/// A folder of `count` grey images `000.png`, `001.png`, ..., image i filled with i; those in `bad` are cut off.
fn images(root: &Path, count: usize, bad: &[usize]) {
    for index in 0..count {
        let path = root.join(format!("{index:03}.png"));
        GrayImage::from_pixel(3, 2, Luma([index as u8])).save(&path).unwrap();
        if bad.contains(&index) {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
}

fn expected(indices: impl Iterator<Item = usize>) -> Vec<f32> {
    indices.flat_map(|index| [index as f32 / 255.0; 6]).collect()
}

#[test]
fn every_size_gives_the_same_inputs_and_pads_with_the_last() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path(), 70, &[]);
    let data = open(folder.path(), ".", "[]").unwrap();
    for size in [1, 2, 7, 33, 64, 70, 71, 200] {
        let batches = batches(&data, size);
        assert_eq!(batches.len(), 70usize.div_ceil(size));
        let mut next = 0;
        for batch in &batches {
            let [field] = &batch.fields[..] else { panic!("images are one field") };
            assert_eq!((field.name.as_str(), &field.shape[..]), ("x", &[1, 2, 3][..]));
            assert_eq!((batch.first, batch.size), (next, size));
            assert_eq!(batch.inputs, size.min(70 - next));
            assert_eq!(batch.labels, None);
            let rows = (next..next + size).map(|index| index.min(69));
            assert_eq!(field.values, Values::Float(expected(rows)));
            next += batch.inputs;
        }
        assert_eq!(next, 70);
    }
    assert_eq!(data.names(12), "012.png");
}

#[test]
fn a_bad_input_ends_the_iteration_after_the_batches_before_it() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path(), 40, &[21, 30]);
    let data = open(folder.path(), ".", "[]").unwrap();
    for size in [1, 5, 64] {
        let mut iterator = data.batches(size);
        for batch in 0..21 / size {
            assert_eq!(iterator.next().unwrap().unwrap().first, batch * size);
        }
        let error = iterator.next().unwrap().unwrap_err();
        assert!(error.what().contains("021.png") && error.what().contains("cannot decode"), "{error}");
        assert!(error.help().unwrap().contains("on_bad_input = \"skip\""));
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(iterator.next().is_none() && iterator.next().is_none());
    }
    assert!(data.skipped().is_empty());
}

#[test]
fn skipped_inputs_are_left_out_counted_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let bad = [0, 1, 7, 20, 39];
    images(folder.path(), 40, &bad);
    let good: Vec<usize> = (0..40).filter(|index| !bad.contains(index)).collect();
    for size in [1, 6, 64] {
        let data = open_with(folder.path(), ".", "[]", OnBadInput::Skip).unwrap();
        assert_eq!(data.len(), 40);
        for _ in 0..2 {
            assert_eq!(values(&data, size), expected(good.iter().copied()));
        }
        let names: Vec<String> = data.skipped().into_iter().map(|skipped| skipped.name).collect();
        assert_eq!(names, ["000.png", "001.png", "007.png", "020.png", "039.png"]);
        assert!(data.skipped()[0].why.what().contains("000.png"));
        for (position, candidate) in good.iter().enumerate() {
            assert_eq!(data.names(position), format!("{candidate:03}.png"));
        }
    }
}

#[test]
fn names_are_right_as_batches_arrive_while_others_are_decoded_ahead() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path(), 100, &[3, 50, 90]);
    let data = open_with(folder.path(), ".", "[]", OnBadInput::Skip).unwrap();
    for batch in data.batches(4) {
        let batch = batch.unwrap();
        for row in 0..batch.inputs {
            let candidate = (batch.fields[0].values.to_floats()[row * 6] * 255.0).round();
            assert_eq!(data.names(batch.first + row), format!("{candidate:03}.png"));
        }
    }
}

#[test]
fn labels_follow_the_inputs_that_are_left() {
    let folder = tempfile::tempdir().unwrap();
    for (class, count) in [("0", 3), ("1", 3)] {
        let path = folder.path().join(class);
        fs::create_dir(&path).unwrap();
        images(&path, count, &[1]);
    }
    let data = open_with(folder.path(), "", "[]", OnBadInput::Skip);
    assert!(data.unwrap_err().what().contains("path of the data is empty"));
    let data = open_with(folder.path(), ".", "[]", OnBadInput::Skip).unwrap();
    assert_eq!(data.labels(), Some(&[0, 0, 0, 1, 1, 1][..]));
    let labels: Vec<i64> = batches(&data, 3).into_iter().flat_map(|batch| batch.labels.unwrap()).collect();
    assert_eq!(labels, [0, 0, 1, 1]);
}

#[test]
fn nothing_but_bad_inputs_is_an_error_even_when_skipping() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path(), 2, &[0, 1]);
    let error = open_with(folder.path(), ".", "[]", OnBadInput::Skip).unwrap_err();
    assert!(error.what().starts_with("none of 2 images in ") && error.what().contains("000.png"), "{error}");
    assert!(open(folder.path(), ".", "[]").unwrap_err().what().contains("000.png"));
}

#[test]
fn different_shapes_name_the_first_two_and_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path(), 3, &[]);
    GrayImage::from_pixel(9, 9, Luma([0])).save(folder.path().join("002.png")).unwrap();
    GrayImage::from_pixel(8, 8, Luma([0])).save(folder.path().join("003.png")).unwrap();
    for policy in [OnBadInput::Fail, OnBadInput::Skip] {
        let data = open_with(folder.path(), ".", "[]", policy).unwrap();
        let error = data.batches(1).find_map(Result::err).unwrap();
        assert_eq!(error.what(), "inputs have different shapes: 000.png has (1, 2, 3), 002.png has (1, 9, 9)");
        assert_eq!(error.help(), Some("add `{ resize = [HEIGHT, WIDTH] }` to the transform"));
    }
    image::RgbImage::new(3, 2).save(folder.path().join("001.png")).unwrap();
    let error = open(folder.path(), ".#..2", "[]").unwrap().batches(2).find_map(Result::err).unwrap();
    assert_eq!(error.help(), Some("add `\"grayscale\"` or `\"rgb\"` to the transform"));
    assert_eq!(values(&open(folder.path(), ".", r#"[{ resize = 4 }, "rgb"]"#).unwrap(), 2).len(), 4 * 48);
}

#[test]
fn dropping_early_ends_the_thread() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.npy"), npy("|u1", false, "(5000, 8, 8)", &vec![7; 5000 * 64])).unwrap();
    let data = open(folder.path(), "x.npy", "[]").unwrap();
    for taken in [0, 1, 3] {
        let mut iterator = data.batches(2);
        for _ in 0..taken {
            iterator.next().unwrap().unwrap();
        }
        // Returns only when the thread is gone; it holds the data set, so the count shows it.
        drop(iterator);
        assert_eq!(std::sync::Arc::strong_count(&data.set), 1);
    }
}

#[test]
fn batches_can_be_awaited_inside_a_pool_of_one_thread() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path(), 50, &[]);
    let data = open(folder.path(), ".", "[]").unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| batches(&data, 8).len()), 7);
}

#[test]
fn impossible_batch_sizes_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path(), 2, &[]);
    let data = open(folder.path(), ".", "[]").unwrap();
    assert!(data.batches(0).next().unwrap().unwrap_err().what().contains("at least one input"));
    let mut huge = data.batches(usize::MAX / 2);
    assert!(huge.next().unwrap().unwrap_err().what().contains("does not fit into memory"));
    assert!(huge.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_range_and_size_select_what_they_say(rows in 1usize..90, cut in (0usize..90, 0usize..90), size in 1usize..40) {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..rows * 2).flat_map(|value| (value as f32).to_le_bytes()).collect();
        fs::write(folder.path().join("x.npy"), npy("<f4", false, &format!("({rows}, 2)"), &bytes)).unwrap();
        let start = cut.0 % rows;
        let end = start + 1 + cut.1 % (rows - start);
        let data = open(folder.path(), &format!("x.npy#{start}..{end}"), "[]").unwrap();
        let expected: Vec<f32> = (start * 2..end * 2).map(|value| value as f32).collect();
        prop_assert_eq!(values(&data, size), expected);
        prop_assert_eq!(data.names(0), format!("x.npy[{start}]"));
    }
}
