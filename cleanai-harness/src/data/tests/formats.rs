//! Array files: every element type and order, layouts, labels, and what is refused.

use std::fs;
use std::path::Path;

use zip::CompressionMethod::{Deflated, Stored};

use super::{gzip, idx, npy, open, refusal, values, zipped};

fn write(root: &Path, name: &str, bytes: &[u8]) {
    fs::write(root.join(name), bytes).unwrap();
}

#[test]
fn every_element_type_arrives_as_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let numbers =
        |values: &[f64], bytes: fn(f64) -> Vec<u8>| values.iter().flat_map(|&value| bytes(value)).collect::<Vec<u8>>();
    let signed = [-2.0, 0.0, 1.0, 100.0];
    let unsigned = [0.0, 1.0, 3.0, 200.0];
    let cases: Vec<(&str, Vec<u8>, [f64; 4])> = vec![
        ("|i1", numbers(&signed, |v| (v as i8).to_le_bytes().to_vec()), signed),
        ("<i2", numbers(&signed, |v| (v as i16).to_le_bytes().to_vec()), signed),
        (">i2", numbers(&signed, |v| (v as i16).to_be_bytes().to_vec()), signed),
        ("<i4", numbers(&signed, |v| (v as i32).to_le_bytes().to_vec()), signed),
        (">i4", numbers(&signed, |v| (v as i32).to_be_bytes().to_vec()), signed),
        ("<i8", numbers(&signed, |v| (v as i64).to_le_bytes().to_vec()), signed),
        (">i8", numbers(&signed, |v| (v as i64).to_be_bytes().to_vec()), signed),
        ("<u2", numbers(&unsigned, |v| (v as u16).to_le_bytes().to_vec()), unsigned),
        (">u4", numbers(&unsigned, |v| (v as u32).to_be_bytes().to_vec()), unsigned),
        ("<u8", numbers(&unsigned, |v| (v as u64).to_le_bytes().to_vec()), unsigned),
        ("<f4", numbers(&signed, |v| (v as f32).to_le_bytes().to_vec()), signed),
        (">f4", numbers(&signed, |v| (v as f32).to_be_bytes().to_vec()), signed),
        ("<f8", numbers(&signed, |v| v.to_le_bytes().to_vec()), signed),
        (">f8", numbers(&signed, |v| v.to_be_bytes().to_vec()), signed),
        ("|b1", vec![0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0]),
        // 0xc000 = -2, 0x0001 = 2^-24 (the smallest), 0x3555 = 0.333251953125, 0x7bff = 65504 (the largest).
        ("<f2", vec![0, 0xc0, 1, 0, 0x55, 0x35, 0xff, 0x7b], [-2.0, 2f64.powi(-24), 0.333251953125, 65504.0]),
        (">f2", vec![0x7c, 0, 0xfc, 0, 0x80, 0, 0x04, 0], [f64::INFINITY, f64::NEG_INFINITY, -0.0, 2f64.powi(-14)]),
    ];
    for (descr, bytes, expected) in cases {
        write(folder.path(), "x.npy", &npy(descr, false, "(2, 2)", &bytes));
        let data = open(folder.path(), "x.npy", "[]").unwrap();
        assert_eq!((data.len(), data.shape()), (2, &[2][..]));
        let found: Vec<f64> = values(&data, 1).into_iter().map(f64::from).collect();
        assert_eq!(found, expected, "{descr}");
    }
}

#[test]
fn column_major_arrays_are_turned_and_cut() {
    let folder = tempfile::tempdir().unwrap();
    // Element (n, c, w) is 100 n + 10 c + w; the first axis runs fastest.
    let column_major =
        (0..2).flat_map(|w| (0..3).flat_map(move |c| (0..4).map(move |n| (100 * n + 10 * c + w) as f32)));
    let bytes: Vec<u8> = column_major.flat_map(f32::to_le_bytes).collect();
    write(folder.path(), "x.npy", &npy("<f4", true, "(4, 3, 2)", &bytes));
    let row = |n: usize| (0..3).flat_map(move |c| (0..2).map(move |w| (100 * n + 10 * c + w) as f32));
    let whole = open(folder.path(), "x.npy", "[]").unwrap();
    assert_eq!(values(&whole, 3), (0..4).flat_map(row).collect::<Vec<_>>());
    let part = open(folder.path(), "x.npy#1..3", "[]").unwrap();
    assert_eq!(values(&part, 3), (1..3).flat_map(row).collect::<Vec<_>>());
}

#[test]
fn uint8_arrays_are_images_by_their_shape() {
    let folder = tempfile::tempdir().unwrap();
    let shape_of = |shape: &str, steps: &str| -> crate::Result<(Vec<usize>, Vec<u8>)> {
        let size: usize =
            shape.trim_matches(['(', ')']).split(", ").map(|size| size.parse::<usize>().unwrap()).product();
        let bytes: Vec<u8> = (0..size).map(|value| value as u8).collect();
        write(folder.path(), "x.npy", &npy("|u1", false, shape, &bytes));
        let data = open(folder.path(), "x.npy", steps)?;
        let pixels = values(&data, 1).iter().map(|value| (value * 255.0).round() as u8).collect::<Vec<_>>();
        Ok((data.shape().to_vec(), pixels))
    };
    assert_eq!(shape_of("(1, 2, 2)", "[]").unwrap(), (vec![1, 2, 2], vec![0, 1, 2, 3]));
    assert_eq!(shape_of("(1, 2, 2, 3)", "[]").unwrap(), (vec![3, 2, 2], vec![0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]));
    assert_eq!(shape_of("(1, 3, 2, 2)", "[]").unwrap(), (vec![3, 2, 2], (0..12).collect()));
    assert_eq!(shape_of("(1, 1, 2, 4)", "[]").unwrap_err().what().matches("both ends look like channels").count(), 1);
    assert_eq!(shape_of("(1, 2, 2, 4)", "[]").unwrap().1, [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14]);
    assert_eq!(shape_of("(1, 4, 2, 2)", r#"["rgb"]"#).unwrap().1, (0..12).collect::<Vec<u8>>());
    assert_eq!(shape_of("(1, 2, 2, 1)", r#"["rgb"]"#).unwrap().0, [3, 2, 2]);
    assert_eq!(shape_of("(2, 5)", "[]").unwrap(), (vec![5], (0..10).collect()));
    assert_eq!(shape_of("(3, 1, 1, 1)", "[]").unwrap().0, [1, 1, 1]);
    assert_eq!(shape_of("(1, 5, 2, 2)", "[]").unwrap(), (vec![5, 2, 2], (0..20).collect()));
    assert!(shape_of("(1, 3, 2, 3)", "[]").unwrap_err().what().contains("both ends look like channels"));
    let error = shape_of("(2, 5)", "[{ resize = 3 }]").unwrap_err();
    assert!(error.what().contains("x.npy[0]") && error.what().contains("needs images"), "{error}");
}

#[test]
fn npz_takes_x_and_y() {
    let folder = tempfile::tempdir().unwrap();
    let x = npy("<f4", false, "(3, 2)", &[0u8; 24]);
    let y = npy(">i2", false, "(3,)", &[0, 5, 0xff, 0xff, 0, 2]);
    for method in [Stored, Deflated] {
        write(folder.path(), "d.npz", &zipped(&[("y.npy", y.clone()), ("x.npy", x.clone())], method));
        let data = open(folder.path(), "d.npz#1..", "[]").unwrap();
        assert_eq!((data.len(), data.labels()), (2, Some(&[-1, 2][..])));
        assert_eq!(data.names(1), "d.npz:x[2]");
        write(folder.path(), "d.npz", &zipped(&[("images.npy", x.clone())], method));
        assert_eq!(open(folder.path(), "d.npz", "[]").unwrap().labels(), None);
        write(folder.path(), "d.npz", &zipped(&[("images.npy", x.clone()), ("y.npy", y.clone())], method));
        assert_eq!(open(folder.path(), "d.npz", "[]").unwrap().labels(), Some(&[5, -1, 2][..]));
    }
    write(folder.path(), "d.npz", &zipped(&[("x_train.npy", x.clone()), ("x_test.npy", x.clone())], Stored));
    assert_eq!(open(folder.path(), "d.npz", "[]").unwrap().fields().len(), 2);
    write(folder.path(), "d.npz", &zipped(&[("readme.txt", x)], Stored));
    assert!(refusal(folder.path(), "d.npz", "[]").what().contains("holds no .npy array"));
    write(folder.path(), "d.npz", &zipped(&[("y.npy", y)], Stored));
    assert!(refusal(folder.path(), "d.npz", "[]").what().contains("holds only labels, the array `y`"));
}

#[test]
fn labels_must_be_integers_one_per_input() {
    let folder = tempfile::tempdir().unwrap();
    let x = npy("<f4", false, "(2, 1)", &[0u8; 8]);
    let with = |descr: &str, shape: &str, bytes: &[u8]| {
        write(
            folder.path(),
            "d.npz",
            &zipped(&[("x.npy", x.clone()), ("y.npy", npy(descr, false, shape, bytes))], Stored),
        );
        open(folder.path(), "d.npz", "[]").map(|data| data.labels().unwrap().to_vec())
    };
    assert_eq!(with("|b1", "(2,)", &[0, 1]).unwrap(), [0, 1]);
    assert_eq!(with("|u1", "(2, 1)", &[200, 1]).unwrap(), [200, 1]);
    assert_eq!(with("|i1", "(2,)", &[200, 1]).unwrap(), [-56, 1]);
    assert_eq!(with("<i8", "(2,)", &[[255u8; 8], [0; 8]].concat()).unwrap(), [-1, 0]);
    for (descr, shape, bytes, says) in [
        ("<u8", "(2,)", &[255u8; 16][..], "label 18446744073709551615 of input 0 is too large"),
        ("<f4", "(2,)", &[0; 8], "labels are float32"),
        ("|u1", "(2, 3)", &[0; 6], "shape (2, 3), expected one label per input"),
        ("|u1", "(3,)", &[0; 3], "holds 3 labels, but there are 2 inputs"),
        ("|u1", "(1,)", &[0; 1], "holds 1 label, but there are 2 inputs"),
    ] {
        let error = with(descr, shape, bytes).unwrap_err();
        assert!(error.what().contains(says) && error.what().contains("d.npz"), "{error}");
    }
}

#[test]
fn idx_finds_its_labels_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (images, labels) = (idx(&[2, 1, 2], &[0, 51, 102, 255]), idx(&[2], &[7, 9]));
    for (name, beside, bytes) in [
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", images.clone()),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte", images.clone()),
        ("a-images-idx3-ubyte.gz", "a-labels-idx1-ubyte.gz", gzip(&images)),
        ("b-images-idx3-ubyte.gz", "b-labels-idx1-ubyte", gzip(&images)),
    ] {
        write(folder.path(), name, &bytes);
        assert_eq!(open(folder.path(), name, "[]").unwrap().labels(), None);
        write(folder.path(), beside, &if beside.ends_with(".gz") { gzip(&labels) } else { labels.clone() });
        let data = open(folder.path(), &format!("{name}#1.."), "[]").unwrap();
        assert_eq!((data.labels(), data.shape()), (Some(&[9][..]), &[1, 1, 2][..]));
        assert_eq!(values(&data, 4), [102.0 / 255.0, 1.0]);
    }
    write(folder.path(), "digits.bin", &images);
    write(folder.path(), "classes.npy", &npy("<i4", false, "(2,)", &[3, 0, 0, 0, 4, 0, 0, 0]));
    let data = open(folder.path(), "digits.bin,classes.npy#..1", "[]").unwrap();
    assert_eq!(data.labels(), Some(&[3][..]));
    let wide = [&[0, 0, 0x0d, 2, 0, 0, 0, 1, 0, 0, 0, 1][..], &1.5f32.to_be_bytes()].concat();
    write(folder.path(), "floats.idx", &wide);
    assert_eq!(values(&open(folder.path(), "floats.idx", "[]").unwrap(), 1), [1.5]);
}

#[test]
fn what_cannot_be_data_is_refused_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "labels.npy", &npy("<i8", false, "(2,)", &[0; 16]));
    write(root, "scalar.npy", &npy("<f4", false, "()", &[0; 4]));
    write(root, "none.npy", &npy("<f4", false, "(0, 3)", &[]));
    write(root, "flat.npy", &npy("<f4", false, "(3, 0)", &[]));
    write(root, "objects.npy", &npy("|O", false, "(3,)", b"pickle"));
    write(root, "words.npy", &npy("<U5", false, "(1,)", &[0; 20]));
    write(root, "complex.npy", &npy("<c8", false, "(1,)", &[0; 8]));
    write(root, "empty.npy", b"");
    write(root, "notes.txt", b"hello, this is text");
    write(root, "one.png", b"\x89PNG\r\n\x1a\n........");
    write(root, "npy.gz", &gzip(&npy("<f4", false, "(1,)", &[0; 4])));
    write(root, "text.gz", &gzip(b"hello, this is text"));
    write(root, "idx.gz", &gzip(&idx(&[2, 2], &[1, 2, 3, 4])));
    fs::create_dir(root.join("folder")).unwrap();
    for (path, what, help) in [
        ("labels.npy", "inputs have no axis of their own", "are these the labels?"),
        ("scalar.npy", "a single number", "first axis counts the inputs"),
        ("none.npy", "its first axis is 0", ""),
        ("flat.npy", "inputs hold no value", ""),
        ("objects.npy", "pickled Python objects", "astype"),
        ("words.npy", "type `<U5`", "astype"),
        ("complex.npy", "type `<c8`", "are supported"),
        ("empty.npy", "is empty", "again"),
        ("notes.txt", "no data file that is known", ".npz"),
        ("one.png", "a single image", "folder it lies in"),
        ("npy.gz", "gzipped .npy", "gunzip"),
        ("text.gz", "gzip file that holds no idx array", ""),
        ("idx.gz#0..5", "range `#0..5` reaches past the end: there are 2 inputs", "#0..2"),
        ("idx.gz#0-5", "range `#0-5` has no `..`", "#START..END"),
        ("idx.gz,labels.npz", "labels.npz does not exist", "did you mean"),
        ("idx.gz,folder", "labels are read from .npy and idx files", ""),
        ("folder,labels.npy", "takes no file of labels", ".npz"),
        ("lables.npy", "does not exist", "labels.npy"),
        ("foldr/more/x.npy", "does not exist", "folder?"),
        ("notes.txt/x.npy", "does not exist", "is a file, not a folder"),
        ("folder/x.npy", "does not exist", "is empty"),
    ] {
        let error = refusal(root, path, "[]");
        assert!(error.what().contains(what), "{path}: {error}");
        assert!(error.help().unwrap_or_default().contains(help), "{path}: {error}");
    }
}

#[test]
fn a_path_that_exists_means_itself() {
    let folder = tempfile::tempdir().unwrap();
    let array = npy("<f4", false, "(2, 1)", &[0; 8]);
    write(folder.path(), "a#0..1", &array);
    write(folder.path(), "a,b.npy", &array);
    assert_eq!(open(folder.path(), "a#0..1", "[]").unwrap().len(), 2);
    assert_eq!(open(folder.path(), "a#0..1#0..1", "[]").unwrap().len(), 1);
    assert_eq!(open(folder.path(), "a,b.npy#1..", "[]").unwrap().len(), 1);
}
