//! Several inputs, and integers: every array of an `.npz` a field, its numbers as they are.

use std::fs;
use std::path::Path;

use zip::CompressionMethod::Deflated;

use super::{batches, npy, open, refusal, zipped};
use crate::ErrorKind;
use crate::data::{FieldInfo, Values, npz};

fn save(root: &Path, arrays: &[(&str, Vec<u8>)]) {
    let files: Vec<(String, Vec<u8>)> =
        arrays.iter().map(|(name, array)| (format!("{name}.npy"), array.clone())).collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, array)| (name.as_str(), array.clone())).collect();
    fs::write(root.join("d.npz"), zipped(&files, Deflated)).unwrap();
}

fn bytes<T: Copy, const N: usize>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

/// `count` float rows of two: 0, 0.5, 1, ...
fn floats(count: usize) -> Vec<u8> {
    let values: Vec<f32> = (0..2 * count).map(|value| value as f32 / 2.0).collect();
    npy("<f4", false, &format!("({count}, 2)"), &bytes(&values, f32::to_le_bytes))
}

/// `count` int64 rows of three: 0, 10, 20, ...
fn tokens(count: usize) -> Vec<u8> {
    let values: Vec<i64> = (0..3 * count as i64).map(|value| 10 * value).collect();
    npy("<i8", false, &format!("({count}, 3)"), &bytes(&values, i64::to_le_bytes))
}

fn info(name: &str, shape: &[usize], integer: bool) -> FieldInfo {
    FieldInfo { name: name.to_owned(), shape: shape.to_vec(), integer }
}

#[test]
fn every_array_but_the_labels_is_a_field_in_the_order_of_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let labels = npy("|u1", false, "(5,)", &[4, 3, 2, 1, 0]);
    let lengths = npy("<i2", false, "(5,)", &bytes(&[3i16, 1, -2, 3, 2], i16::to_le_bytes));
    let arrays =
        [("pair.1", tokens(5)), ("y", labels), ("batch.image", floats(5)), ("lengths", lengths), ("a b", floats(5))];
    save(folder.path(), &arrays);
    let data = open(folder.path(), "d.npz", "[]").unwrap();
    let expected = [
        info("pair.1", &[3], true),
        info("batch.image", &[2], false),
        info("lengths", &[], true),
        info("a b", &[2], false),
    ];
    assert_eq!(data.fields(), expected);
    assert_eq!((data.len(), data.shape(), data.labels()), (5, &[3][..], Some(&[4, 3, 2, 1, 0][..])));
    assert_eq!(data.names(4), "d.npz[4]");

    // The last of two batches has two inputs and one row of padding, in every field.
    let batches = batches(&data, 3);
    assert_eq!(batches.len(), 2);
    let last = &batches[1];
    assert_eq!((last.first, last.inputs, last.size, last.labels.as_deref()), (3, 2, 3, Some(&[1, 0][..])));
    let described: Vec<FieldInfo> = last
        .fields
        .iter()
        .map(|field| info(&field.name, &field.shape, matches!(field.values, Values::Integer(_))))
        .collect();
    assert_eq!(described, expected);
    let values = |field: usize| &last.fields[field].values;
    assert_eq!(values(0), &Values::Integer(vec![90, 100, 110, 120, 130, 140, 120, 130, 140]));
    assert_eq!(values(1), &Values::Float(vec![3.0, 3.5, 4.0, 4.5, 4.0, 4.5]));
    assert_eq!(values(2), &Values::Integer(vec![3, 2, 2]));
    assert_eq!(values(3), values(1));
}

#[test]
fn a_range_takes_the_same_part_of_every_field() {
    let folder = tempfile::tempdir().unwrap();
    save(
        folder.path(),
        &[("image", floats(8)), ("tokens", tokens(8)), ("y", npy("|i1", false, "(8,)", &[0, 1, 2, 3, 4, 5, 6, 7]))],
    );
    for (range, expected) in [("#0..5", 0..5), ("#6..", 6..8), ("", 0..8)] {
        let data = open(folder.path(), &format!("d.npz{range}"), "[]").unwrap();
        assert_eq!(data.len(), expected.len(), "{range}");
        assert_eq!(data.names(0), format!("d.npz[{}]", expected.start));
        let [batch] = &batches(&data, expected.len())[..] else { panic!("one batch") };
        assert_eq!(batch.labels, Some(expected.clone().map(|label| label as i64).collect()));
        let floats = expected.clone().flat_map(|row| [row as f32, row as f32 + 0.5]).collect();
        assert_eq!(batch.fields[0].values, Values::Float(floats));
        let tokens = expected.clone().flat_map(|row| (0..3).map(move |at| 10 * (3 * row as i64 + at))).collect();
        assert_eq!(batch.fields[1].values, Values::Integer(tokens));
    }
    let error = refusal(folder.path(), "d.npz#5..9", "[]");
    assert!(error.what().contains("reaches past the end: there are 8 inputs"), "{error}");
}

#[test]
fn arrays_of_different_rows_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for range in ["", "#0..2"] {
        save(folder.path(), &[("image", floats(4)), ("tokens", tokens(3)), ("y", npy("|i1", false, "(4,)", &[0; 4]))]);
        let error = refusal(folder.path(), &format!("d.npz{range}"), "[]");
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.what().contains("d.npz: array `tokens`: it has 3 rows, but array `image` has 4"), "{error}");
        assert!(error.help().unwrap().contains("every array but `y`"), "{error}");
    }
    save(folder.path(), &[("image", floats(4)), ("names", npy("<U5", false, "(4,)", &[0; 80]))]);
    let error = refusal(folder.path(), "d.npz", "[]");
    assert!(error.what().contains("d.npz: array `names`: it holds elements of type `<U5`"), "{error}");
    save(folder.path(), &[("image", floats(2)), ("odd", npy("|u1", false, "(2, 3, 2, 3)", &[0; 36]))]);
    let error = refusal(folder.path(), "d.npz", "[]");
    assert!(error.what().contains("d.npz: array `odd`: uint8 array of shape"), "{error}");
}

#[test]
fn integers_are_exact_and_round_only_as_floats() {
    let folder = tempfile::tempdir().unwrap();
    let exact = [(1i64 << 24) + 1, i64::MAX, i64::MIN, -1];
    let wide: Vec<u8> = bytes(&exact, i64::to_be_bytes);
    fs::write(folder.path().join("x.npy"), npy(">i8", false, "(2, 2)", &wide)).unwrap();
    let data = open(folder.path(), "x.npy", "[]").unwrap();
    assert_eq!(data.fields(), [info("x", &[2], true)]);
    let values = &batches(&data, 2)[0].fields[0].values;
    assert_eq!(values, &Values::Integer(exact.to_vec()));
    assert_eq!(
        &values.to_floats()[..],
        [16_777_216.0, 9_223_372_036_854_775_807.0, -9_223_372_036_854_775_808.0, -1.0]
    );

    for (descr, data, expected) in [
        ("|b1", vec![0, 1, 2, 0], Some([0, 1, 1, 0])),
        ("|i1", vec![0, 255, 128, 127], Some([0, -1, -128, 127])),
        ("<u2", vec![0, 0, 255, 255, 1, 0, 2, 0], Some([0, 65_535, 1, 2])),
        (">u4", [[255; 4], [0; 4], [0, 0, 0, 9], [1, 0, 0, 0]].concat(), Some([4_294_967_295, 0, 9, 1 << 24])),
        ("<u8", bytes(&[0, 1, i64::MAX as u64, 5], u64::to_le_bytes), Some([0, 1, i64::MAX, 5])),
        // What i64 cannot hold is rounded, as all of the array then is.
        ("<u8", bytes(&[0, 1, u64::MAX, 5], u64::to_le_bytes), None),
    ] {
        fs::write(folder.path().join("x.npy"), npy(descr, false, "(2, 2)", &data)).unwrap();
        let data = open(folder.path(), "x.npy", "[]").unwrap();
        assert_eq!(data.fields(), [info("x", &[2], expected.is_some())], "{descr}");
        let values = match expected {
            Some(expected) => Values::Integer(expected.to_vec()),
            None => Values::Float(vec![0.0, 1.0, 18_446_744_073_709_551_615.0, 5.0]),
        };
        assert_eq!(batches(&data, 2)[0].fields[0].values, values, "{descr}");
    }

    // uint8 stands for 0..1, and a transform makes floats of a single array.
    fs::write(folder.path().join("x.npy"), npy("|u1", false, "(1, 2)", &[0, 51])).unwrap();
    let data = open(folder.path(), "x.npy", "[]").unwrap();
    assert_eq!(batches(&data, 1)[0].fields[0].values, Values::Float(vec![0.0, 0.2]));
    fs::write(folder.path().join("x.npy"), npy("<i2", false, "(1, 2)", &[4, 0, 6, 0])).unwrap();
    let data = open(folder.path(), "x.npy", "[{ normalize = { mean = 2, std = 4 } }]").unwrap();
    assert_eq!(batches(&data, 1)[0].fields[0].values, Values::Float(vec![0.5, 1.0]));
}

#[test]
fn the_transform_is_for_the_images_among_several_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let images = npy("|u1", false, "(2, 2, 2, 3)", &[51; 24]);
    save(folder.path(), &[("tokens", tokens(2)), ("image", images.clone()), ("more", floats(2))]);
    let steps = r#"["grayscale", { normalize = { mean = 0.2, std = 2 } }]"#;
    let data = open(folder.path(), "d.npz", steps).unwrap();
    assert_eq!(
        data.fields(),
        [info("tokens", &[3], true), info("image", &[1, 2, 2], false), info("more", &[2], false)]
    );
    let batch = &batches(&data, 2)[0];
    assert_eq!(batch.fields[0].values, Values::Integer((0..6).map(|value| 10 * value).collect()));
    assert_eq!(batch.fields[1].values, Values::Float(vec![0.0; 8]));
    assert_eq!(batch.fields[2].values, Values::Float(vec![0.0, 0.5, 1.0, 1.5]));

    let error = refusal(folder.path(), "d.npz", r#"["scale", "scale"]"#);
    assert!(error.what().contains("input d.npz[0]: array `image`: transform step \"scale\""), "{error}");
    save(folder.path(), &[("tokens", tokens(2)), ("more", floats(2))]);
    let error = refusal(folder.path(), "d.npz", steps);
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(
        error.what().contains("finds no images among several arrays: `tokens` int64 (2, 3), `more` float32 (2, 2)"),
        "{error}"
    );
    assert!(error.help().unwrap().contains("remove the transform"), "{error}");
    assert!(open(folder.path(), "d.npz", "[]").is_ok());
}

#[test]
fn the_content_of_every_field_counts_and_the_name_of_an_only_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let hash = |arrays: &[(&str, Vec<u8>)]| {
        save(folder.path(), arrays);
        open(folder.path(), "d.npz", "[]").unwrap().content_hash().unwrap()
    };
    let whole = hash(&[("image", floats(2)), ("tokens", tokens(2))]);
    assert_eq!(whole, hash(&[("image", floats(2)), ("tokens", tokens(2))]));
    assert_ne!(whole, hash(&[("image", floats(2)), ("words", tokens(2))]));
    assert_ne!(whole, hash(&[("tokens", tokens(2)), ("image", floats(2))]));
    let mut other = tokens(2);
    *other.last_mut().unwrap() = 1;
    assert_ne!(whole, hash(&[("image", floats(2)), ("tokens", other)]));
    assert_eq!(hash(&[("image", floats(2))]), hash(&[("x", floats(2))]));
    fs::write(folder.path().join("x.npy"), floats(2)).unwrap();
    let alone = open(folder.path(), "x.npy", "[]").unwrap().content_hash().unwrap();
    assert_eq!(hash(&[("image", floats(2))]), alone);
}

#[test]
fn all_arrays_of_an_archive_share_one_bound() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &[("image", floats(2)), ("tokens", tokens(2)), ("y", npy("|u1", false, "(2,)", &[0; 2]))]);
    let read = |most: u64, rows: usize| npz::read_within(&folder.path().join("d.npz"), most, |_| Ok(0..rows));
    // Labels take 2 bytes, a row of the image 8, of the tokens 24.
    assert_eq!(read(2 + 16 + 48, 2).unwrap().inputs.len(), 2);
    assert_eq!(read(2 + 8 + 24, 1).unwrap().inputs.len(), 2);
    let error = read(2 + 16 + 47, 2).err().unwrap();
    let says = "array `tokens`: it inflates to 48 bytes, more than the 47 that the arrays before it leave of the";
    assert!(error.what().contains(says), "{error}");
}
