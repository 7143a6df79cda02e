//! Files made to harm: every one is an error that names it, none a panic or an allocation of what it claims.

use std::fs;

use proptest::prelude::*;
use zip::CompressionMethod::Deflated;

use super::{gzip, idx, npy, open, refusal, zipped};

fn error_of(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    let error = refusal(folder.path(), name, "[]");
    assert!(error.what().contains(name), "{error}");
    error.to_string()
}

#[test]
fn sizes_are_checked_against_the_file() {
    let array = npy("<f4", false, "(2, 3)", &[0; 24]);
    for (bytes, says) in [
        (array[..array.len() - 1].to_vec(), "promises 24 bytes of data, 23 are there"),
        ([&array[..], &[0]].concat(), "1 bytes more than its header says"),
        (npy("<f4", false, "(99999999999, 99999999999)", &[]), "impossible shape"),
        (npy("<f8", false, "(1, 9223372036854775807)", &[]), "impossible shape"),
        (npy("|u1", false, "(1, 4611686018427387904)", &[]), "promises 4611686018427387904 bytes"),
        (npy("|u1", false, "(1, 99999999999999999999999)", &[]), "shape that is not a tuple of sizes"),
        (npy("|u1", false, "(1, -1)", &[]), "shape that is not a tuple of sizes"),
        (array[..9].to_vec(), "cut off"),
        (array[..40].to_vec(), "cut off"),
    ] {
        let error = error_of("x.npy", &bytes);
        assert!(error.contains(says), "{error}");
    }
    let digits = idx(&[2, 2, 2], &[0; 8]);
    for (bytes, says) in [
        (digits[..digits.len() - 3].to_vec(), "promises 8 bytes of data, 5 are there"),
        ([&digits[..], &[0; 4]].concat(), "4 bytes more"),
        (idx(&[u32::MAX, u32::MAX, 9], &[]), "impossible shape"),
        (digits[..7].to_vec(), "cut off"),
        (idx(&[1; 9], &[0]), "claims 9 axes"),
    ] {
        let error = error_of("x.idx", &bytes);
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn compressed_files_cannot_promise_what_they_do_not_hold() {
    let digits = idx(&[2, 2, 2], &[0; 8]);
    let packed = gzip(&digits);
    let mut corrupt = packed.clone();
    let checksum = corrupt.len() - 8;
    corrupt[checksum] ^= 1;
    for (bytes, says) in [
        (gzip(&idx(&[1 << 20, 1 << 10, 1], &[0; 8])), "more than"),
        (gzip(&idx(&[9, 2, 2], &[0; 8])), "28 bytes are missing"),
        (gzip(&[&digits[..], &[0; 1 << 20]].concat()), "more data than its header says"),
        (packed[..packed.len() - 9].to_vec(), "cut off"),
        (corrupt, "cannot be decompressed"),
        ([&packed[..], b"no gzip header here"].concat(), "cannot be decompressed"),
    ] {
        let error = error_of("x.gz", &bytes);
        assert!(error.contains(says), "{says}: {error}");
    }
    let zip_of = |array: Vec<u8>| zipped(&[("x.npy", array)], Deflated);
    let whole = zip_of(npy("<f4", false, "(2, 3)", &[0; 24]));
    let mut corrupt = whole.clone();
    corrupt[60] ^= 0x55;
    for (bytes, says) in [
        (zip_of(npy("<f4", false, "(1000000000, 1000)", &[0; 24])), "more than"),
        (zip_of(npy("<f4", false, "(2, 4)", &[0; 24])), "8 bytes are missing"),
        (zip_of(npy("<f4", false, "(2, 3)", &[0; 1 << 20])), "more data than its header says"),
        (whole[..whole.len() / 2].to_vec(), "cannot be unzipped"),
        (b"PK\x03\x04".to_vec(), "cannot be unzipped"),
        (corrupt, "x.npz: "),
    ] {
        let error = error_of("x.npz", &bytes);
        assert!(error.contains(says), "{says}: {error}");
    }
}

#[test]
fn headers_are_read_strictly() {
    let raw = |header: &str| {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\0", &length[..], header.as_bytes()].concat()
    };
    let nested = format!("{{'shape': {}", "(".repeat(60_000));
    for (header, says) in [
        ("", "no `{`"),
        ("{}", "missing key"),
        ("{'descr': '<f4'}", "missing key"),
        ("{'descr': '<f4', 'descr': '<f4'}", "repeated key"),
        ("{'other': 1}", "unknown key"),
        ("{'fortran_order': 1}", "neither True nor False"),
        ("{'descr': '<f4", "string without end"),
        ("{'descr': [('a', '<f4')]}", "structured array"),
        ("{'descr' '<f4'}", "no `:`"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", "text after the dictionary"),
        (&nested, "tuple of sizes"),
        (&format!("{{'shape': ({})}}", "1,".repeat(40)), "more axes"),
    ] {
        let error = error_of("x.npy", &raw(header));
        assert!(error.contains(says), "{error}");
    }
    assert!(error_of("x.npy", b"\x93NUMPY\x02\0\xff\xff\xff\xff").contains("4294967295 bytes"));
    assert!(error_of("x.npy", b"\x93NUMPY\x09\0\x00\x00").contains("version 9"));
    assert!(error_of("x.npy", b"\x93NUMPY").contains("cut off"));
}

#[test]
fn versions_two_and_three_and_python_2_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let header = "{\"shape\": (2L, 1L), 'descr': '<f4', 'fortran_order': False}";
    for version in [2, 3] {
        let length = u32::try_from(header.len()).unwrap().to_le_bytes();
        let file = [b"\x93NUMPY", &[version, 0][..], &length, header.as_bytes(), &[0; 8]].concat();
        fs::write(folder.path().join("x.npy"), file).unwrap();
        assert_eq!(open(folder.path(), "x.npy", "[]").unwrap().len(), 2);
    }
}

/// Opening and reading everything; only a panic or a hang fails.
fn try_all(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), bytes).unwrap();
    for range in ["", "#1..2"] {
        if let Ok(data) = open(folder.path(), &format!("x{range}"), "[]") {
            let lengths: Vec<usize> =
                data.fields().iter().map(|field| 3 * field.shape.iter().product::<usize>()).collect();
            for batch in data.batches(3) {
                assert_eq!(batch.unwrap().fields.iter().map(|field| field.values.len()).collect::<Vec<_>>(), lengths);
            }
        }
    }
    fs::create_dir(folder.path().join("images")).unwrap();
    fs::write(folder.path().join("images/1.png"), bytes).unwrap();
    let _ = open(folder.path(), "images", "[]");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_never_panic(kind in 0usize..6, edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), cut in any::<prop::sample::Index>(), whole in any::<bool>()) {
        let array = npy("<f4", false, "(4, 2, 3)", &[7; 96]);
        let tokens = npy("<i4", false, "(4, 2)", &[7; 32]);
        let mut bytes = match kind {
            0 => array,
            1 => idx(&[4, 2, 3], &[7; 24]),
            2 => gzip(&idx(&[4, 2, 3], &[7; 24])),
            3 => zipped(&[("x.npy", array), ("tokens.npy", tokens), ("y.npy", npy("<i8", false, "(4,)", &[1; 32]))], Deflated),
            4 => encoded(image::ImageFormat::Png),
            _ => encoded(image::ImageFormat::Jpeg),
        };
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        try_all(&bytes);
    }

    #[test]
    fn any_header_text_is_an_error_or_an_array(text in "[{}()\\[\\]'\",:<>|=fiub0-9L TrueFalsdcpoh_]{0,80}") {
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        try_all(&[b"\x93NUMPY\x01\0", &length[..], text.as_bytes(), &[0; 64]].concat());
    }

    #[test]
    fn any_idx_sizes_are_an_error_or_an_array(kind in 7u8..16, sizes in prop::collection::vec(prop_oneof![0u32..6, any::<u32>()], 0..9), data in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut file = vec![0, 0, kind, sizes.len() as u8];
        sizes.iter().for_each(|size| file.extend(size.to_be_bytes()));
        file.extend(data);
        try_all(&file);
        try_all(&gzip(&file));
    }
}

fn encoded(format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 9]))
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}
