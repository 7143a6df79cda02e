//! Real data outside the project: the values that models and golden figures were made with, to the last bit.

use std::path::PathBuf;

use super::{batches, open, sha256_of_f32, values};

/// The folder of real data: `CLEANAI_DATA`, else `../shared/data` beside the workspace. Says so where there is none.
fn real_data(test: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let folder = std::env::var_os("CLEANAI_DATA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED {test}: no real data at {}; CLEANAI_DATA names its folder", folder.display());
    None
}

// The digests are those of the float32 arrays (C order) that the reference implementation was run on, from its golden files.

#[test]
fn mnist_is_pixel_over_255() {
    let Some(root) = real_data("mnist_is_pixel_over_255") else { return };
    let test = open(&root, "mnist/t10k-images-idx3-ubyte.gz#0..500", "[]").unwrap();
    assert_eq!((test.len(), test.shape()), (500, &[1, 28, 28][..]));
    let digest = "629404f9147217ae0f27b0cbed803740b25b8fbf8fc9727d2ceab067fc7bec49";
    assert_eq!(sha256_of_f32(&values(&test, 64)), digest);
    assert_eq!(test.labels().unwrap()[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    let scaled = open(&root, "mnist/t10k-images-idx3-ubyte.gz#..500", r#"["scale"]"#).unwrap();
    assert_eq!(sha256_of_f32(&values(&scaled, 7)), digest);
    assert_eq!(scaled.content_hash().unwrap(), test.content_hash().unwrap());

    let profile = open(&root, "mnist/train-images-idx3-ubyte.gz#0..2000", "[]").unwrap();
    let digest = "48bfc17f2576c9420871d8d6f7f93ab1c45cd90d161e4e8a96d9401eb8597bb0";
    assert_eq!(sha256_of_f32(&values(&profile, 64)), digest);
    assert_ne!(profile.content_hash().unwrap(), test.content_hash().unwrap());
}

#[test]
fn cifar_is_normalized_per_channel() {
    let Some(root) = real_data("cifar_is_normalized_per_channel") else { return };
    let path = |range| {
        format!("cifar10/convnetjs_train4000_u8_nhwc.npy,cifar10/convnetjs_train4000_labels_matched_u8.npy{range}")
    };
    let steps = "[{ normalize = { mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] } }]";
    for (range, digest) in [
        ("#400..600", "a63bcdf0f8cd64dabd80178b83e3d6cc0a732fabc1566a8feb82686fa76aaa2b"),
        ("#0..400", "46fe9d1785e8774015d2ec52648eb8428aa753687e6ed1f783602bfa857a64da"),
    ] {
        let data = open(&root, &path(range), steps).unwrap();
        assert_eq!(data.shape(), [3, 32, 32]);
        assert_eq!(sha256_of_f32(&values(&data, 64)), digest, "{range}");
    }
    let whole = open(&root, &path(""), steps).unwrap();
    let part = open(&root, &path("#400..600"), steps).unwrap();
    assert_eq!(whole.len(), 4000);
    assert_eq!(whole.labels().unwrap()[400..600], *part.labels().unwrap());
    assert_eq!(part.names(3), "convnetjs_train4000_u8_nhwc.npy[403]");
}

#[test]
fn a_flat_folder_of_digits_has_no_labels() {
    let Some(root) = real_data("a_flat_folder_of_digits_has_no_labels") else { return };
    let data = open(&root, "mnist_png", r#"["grayscale"]"#).unwrap();
    assert_eq!(data.shape(), [1, 28, 28]);
    assert_eq!((data.labels(), data.classes()), (None, None));
    assert_eq!(data.names(0), "already_differ_0_0_6.png");
    assert_eq!(batches(&data, 10).iter().map(|batch| batch.inputs).sum::<usize>(), data.len());
}
