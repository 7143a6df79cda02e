//! Image folders: order, labels, what is left out, what is refused.

use std::fs;
use std::path::Path;

use image::{DynamicImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba};

use super::{batches, open, refusal, sha256, values};

fn place(root: &Path, names: &[&str]) {
    for (index, name) in names.iter().enumerate() {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let image = GrayImage::from_pixel(1, 1, Luma([index as u8]));
        image.save_with_format(path, image::ImageFormat::Png).unwrap();
    }
}

fn names(root: &Path, path: &str) -> Vec<String> {
    let data = open(root, path, "[]").unwrap();
    (0..data.len()).map(|index| data.names(index)).collect()
}

#[test]
fn images_are_found_at_any_depth_and_sorted_bytewise() {
    let folder = tempfile::tempdir().unwrap();
    place(folder.path(), &["b/2.png", "b/10.PNG", "a/z/1.jpg", "a-b/1.jpeg", "B/1.png", "a/.hidden.png", ".git/1.png"]);
    fs::write(folder.path().join("a/notes.txt"), "x").unwrap();
    assert_eq!(names(folder.path(), "."), ["B/1.png", "a-b/1.jpeg", "a/z/1.jpg", "b/10.PNG", "b/2.png"]);
    assert_eq!(names(folder.path(), ".#1..3"), ["a-b/1.jpeg", "a/z/1.jpg"]);
    let data = open(folder.path(), ".#3..", "[]").unwrap();
    assert_eq!(data.classes().unwrap(), ["B", "a", "a-b", "b"]);
    assert_eq!(data.labels(), Some(&[3, 3][..]));
}

#[test]
fn whole_numbers_are_labels_themselves() {
    let folder = tempfile::tempdir().unwrap();
    place(folder.path(), &["10/a.png", "2/a.png", "07/a.png"]);
    fs::create_dir(folder.path().join("notes")).unwrap();
    let data = open(folder.path(), ".", "[]").unwrap();
    assert_eq!(data.labels(), Some(&[7, 10, 2][..]));
    assert_eq!(data.classes().unwrap(), ["2", "07", "10"]);
    // 7 and 07 would be one class: positions instead, folders without images counted.
    place(folder.path(), &["7/a.png"]);
    let data = open(folder.path(), ".", "[]").unwrap();
    assert_eq!(data.labels(), Some(&[0, 1, 2, 3][..]));
    assert_eq!(data.classes().unwrap(), ["07", "10", "2", "7", "notes"]);
}

#[test]
fn an_empty_class_folder_keeps_the_labels_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    place(folder.path(), &["dog/1.png"]);
    fs::create_dir(folder.path().join("cat")).unwrap();
    assert_eq!(open(folder.path(), ".", "[]").unwrap().labels(), Some(&[1][..]));
}

#[test]
fn images_beside_class_folders_mean_no_labels() {
    let folder = tempfile::tempdir().unwrap();
    place(folder.path(), &["0/1.png", "1.png"]);
    let data = open(folder.path(), ".", "[]").unwrap();
    assert_eq!((data.labels(), data.classes(), data.len()), (None, None, 2));
    assert_eq!(batches(&data, 2)[0].labels, None);
}

#[test]
fn every_kind_of_png_arrives_as_grey_or_rgb() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.png");
    let of = |image: DynamicImage| {
        image.save(&path).unwrap();
        let data = open(folder.path(), ".", "[]").unwrap();
        (data.shape()[0], values(&data, 1).iter().map(|value| (value * 255.0).round() as u8).collect::<Vec<_>>())
    };
    assert_eq!(of(GrayImage::from_pixel(1, 1, Luma([9])).into()), (1, vec![9]));
    assert_eq!(of(ImageBuffer::from_pixel(1, 1, LumaA([9u8, 4])).into()), (1, vec![9]));
    assert_eq!(of(RgbImage::from_pixel(1, 1, Rgb([1, 2, 3])).into()), (3, vec![1, 2, 3]));
    assert_eq!(of(ImageBuffer::from_pixel(1, 1, Rgba([1u8, 2, 3, 0])).into()), (3, vec![1, 2, 3]));
    assert_eq!(of(ImageBuffer::from_pixel(1, 1, Luma([0x0909u16])).into()), (1, vec![9]));
    assert_eq!(of(ImageBuffer::from_pixel(1, 1, Rgba([0x0101u16, 0x0202, 0x0303, 7])).into()), (3, vec![1, 2, 3]));
}

#[test]
fn the_content_decides_between_png_and_jpeg() {
    let folder = tempfile::tempdir().unwrap();
    let image = RgbImage::from_pixel(8, 8, Rgb([200, 100, 50]));
    image.save_with_format(folder.path().join("1.png"), image::ImageFormat::Jpeg).unwrap();
    let data = open(folder.path(), ".", "[]").unwrap();
    let pixels = values(&data, 1);
    for (channel, level) in [200.0, 100.0, 50.0].into_iter().enumerate() {
        // JPEG is lossy; a flat square is off by a few levels at most.
        assert!((pixels[channel * 64] * 255.0 - level).abs() <= 3.0);
    }
}

#[test]
fn folders_without_images_say_what_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let what = |path: &str| {
        let error = refusal(folder.path(), path, "[]");
        (
            error.what().replace(&folder.path().display().to_string(), "ROOT"),
            error.help().unwrap_or_default().to_owned(),
        )
    };
    fs::create_dir_all(folder.path().join("empty")).unwrap();
    assert_eq!(what("empty").0, "folder ROOT/empty is empty");
    fs::create_dir_all(folder.path().join("nested/inside")).unwrap();
    assert_eq!(what("nested").0, "folder ROOT/nested holds only empty folders");
    fs::write(folder.path().join("nested/inside/read.me"), "").unwrap();
    fs::write(folder.path().join("nested/.hidden"), "").unwrap();
    assert_eq!(
        what("nested").0,
        "folder ROOT/nested holds no PNG or JPEG image, only 1 other file, for example `inside/read.me`"
    );
    fs::write(folder.path().join("nested/digits.npz"), "").unwrap();
    assert!(what("nested").1.contains("name the file itself") && what("nested").1.contains("digits.npz"));
}

#[test]
fn undecodable_images_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.png");
    let mut huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0".to_vec();
    let checksum = flate2_crc(&huge[12..]);
    huge.extend(checksum.to_be_bytes());
    for (bytes, says) in [
        (&b""[..], "the file is empty"),
        (b"GIF89a..", "neither a PNG nor a JPEG"),
        (b"hello", "neither a PNG nor a JPEG"),
        (b"\x89PNG\r\n\x1a\n", ""),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", ""),
        (&huge, ""),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = refusal(folder.path(), ".", "[]");
        assert!(error.what().contains("cannot decode image") && error.what().contains("1.png"), "{error}");
        assert!(error.what().contains(says), "{error}");
    }
}

fn flate2_crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    place(folder.path(), &["real/0/1.png"]);
    fs::create_dir(folder.path().join("linked")).unwrap();
    symlink(folder.path().join("real/0"), folder.path().join("linked/0")).unwrap();
    assert_eq!(names(folder.path(), "linked"), ["0/1.png"]);
    symlink("nowhere.png", folder.path().join("linked/0/2.png")).unwrap();
    let error = open(folder.path(), "linked", "[]").unwrap().batches(2).find_map(Result::err).unwrap();
    assert!(error.what().contains("2.png"), "{error}");
    fs::remove_file(folder.path().join("linked/0/2.png")).unwrap();
    symlink(folder.path().join("linked"), folder.path().join("linked/again")).unwrap();
    assert!(refusal(folder.path(), "linked", "[]").what().contains("is a link to a folder above it"));
}

#[test]
fn the_hash_follows_contents_labels_and_order_only() {
    let folder = tempfile::tempdir().unwrap();
    place(folder.path(), &["a/0/1.png", "a/1/2.png", "b/0/x.png", "b/1/y.png"]);
    for (from, to) in [("a/0/1.png", "b/0/x.png"), ("a/1/2.png", "b/1/y.png")] {
        fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    let hash = |path: &str, steps: &str| open(folder.path(), path, steps).unwrap().content_hash().unwrap();
    let first = hash("a", "[]");
    assert_eq!(first.len(), sha256(b"").len());
    assert_eq!(hash("b", r#"["rgb"]"#), first);
    assert_ne!(hash("a/0", "[]"), hash("a#..1", "[]"), "labels count");
    place(folder.path(), &["b/0/x.png"]);
    fs::write(folder.path().join("b/0/x.png"), fs::read(folder.path().join("b/1/y.png")).unwrap()).unwrap();
    assert_ne!(hash("b", "[]"), first);
}
