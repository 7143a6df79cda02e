//! Weights that are damaged or hostile.

use std::io::{Cursor, Write};

use crate::archive::{bytes_of, refused, rewritten};

#[test]
fn damaged_and_hostile_state_dicts_are_one_clear_error() {
    // Changes a member of an archive within the archive of torch 2.6 or 2.8.
    let inner = |what: &str, program: &str, archive: &str, member: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = 0;
        let bytes = rewritten(&bytes_of(program), &mut |name, bytes| {
            if name.ends_with(archive) {
                *bytes = rewritten(bytes, &mut |name, bytes| {
                    if name.ends_with(member) {
                        change(bytes);
                        changed += 1;
                    }
                });
            }
        });
        assert_eq!(changed, 1, "{what}");
        refused(what, &bytes)
    };
    let replace = |bytes: &mut Vec<u8>, old: &[u8], new: &[u8]| {
        let at = bytes.windows(old.len()).position(|window| window == old).expect("the text to replace");
        bytes.splice(at..at + old.len(), new.iter().copied());
    };
    let (old, state) = ("torch-2.6.pt2", "serialized_state_dict.pt");
    let cases = [
        (
            "a function",
            inner("a function", old, state, "data.pkl", &|bytes| {
                replace(bytes, b"ctorch._utils\n_rebuild_parameter\n", b"cos\nsystem\n");
            }),
            "model.pt2: serialized_state_dict.pt: data.pkl names os.system, which no plain tensor needs",
        ),
        (
            "another tensor",
            inner("another tensor", old, state, "data.pkl", &|bytes| {
                replace(bytes, b"_rebuild_tensor_v2\n", b"_rebuild_sparse_tensor\n");
            }),
            "model.pt2: serialized_state_dict.pt: data.pkl is damaged or not supported: it holds a tensor made by _rebuild_sparse_tensor, which is not supported",
        ),
        (
            "an unknown storage",
            inner("an unknown storage", old, state, "data.pkl", &|bytes| {
                replace(bytes, b"FloatStorage", b"QInt8Storage");
            }),
            "model.pt2: weight conv.weight has the unknown type QInt8Storage",
        ),
        (
            "the pickle cut off",
            inner("the pickle cut off", old, state, "data.pkl", &|bytes| bytes.truncate(40)),
            "model.pt2: serialized_state_dict.pt: data.pkl is damaged or not supported: it ends too early",
        ),
        (
            "a short storage",
            inner("a short storage", "torch-2.8.pt2", "weights/model.pt", "data/0", &|bytes| bytes.truncate(80)),
            "model.pt2: weight conv.weight has the shape [3, 2, 3, 3], but only 20 values are stored in the archive",
        ),
        (
            "a missing storage",
            inner("a missing storage", "torch-2.8.pt2", "weights/model.pt", "data/0", &Vec::clear),
            "model.pt2: weight conv.weight has its values in data/0, which is missing in the archive",
        ),
        (
            "no pickle",
            inner("no pickle", old, state, "data.pkl", &Vec::clear),
            "model.pt2: serialized_state_dict.pt: data.pkl is missing in the archive",
        ),
        (
            "the other end first",
            inner("the other end first", old, state, "byteorder", &|bytes| *bytes = b"big".to_vec()),
            "model.pt2: serialized_state_dict.pt: its weights are big-endian",
        ),
        (
            "no state dict",
            refused(
                "no state dict",
                &rewritten(&bytes_of(old), &mut |name, bytes| {
                    if name == state {
                        bytes.clear();
                    }
                }),
            ),
            "model.pt2: conv.weight has no values in the archive",
        ),
        (
            "half a state dict",
            refused(
                "half a state dict",
                &rewritten(&bytes_of(old), &mut |name, bytes| {
                    if name == state {
                        bytes.truncate(bytes.len() / 2);
                    }
                }),
            ),
            "model.pt2: serialized_state_dict.pt is a damaged or truncated archive: the list of its members, at its end, is missing",
        ),
        (
            "a path within",
            refused(
                "a path within",
                &rewritten(&bytes_of(old), &mut |name, bytes| {
                    if name == state {
                        let mut added = zip::ZipWriter::new_append(Cursor::new(std::mem::take(bytes))).unwrap();
                        added.start_file("archive/../../escaped", zip::write::SimpleFileOptions::default()).unwrap();
                        added.write_all(b"outside").unwrap();
                        *bytes = added.finish().unwrap().into_inner();
                    }
                }),
            ),
            "model.pt2: serialized_state_dict.pt is refused: its member archive/../../escaped has a path that leads outside the archive",
        ),
        (
            "a wrong checksum",
            {
                // The inner archive is stored as it is: one bit of a weight, and its checksum is another.
                let mut bytes = bytes_of("torch-2.8.pt2");
                let gain = 1.5f32.to_le_bytes();
                let at = bytes.windows(4).position(|window| window == gain).expect("the gain of the network");
                bytes[at] ^= 1;
                refused("a wrong checksum", &bytes)
            },
            "model.pt2: data/constants/model.pt is damaged: invalid checksum",
        ),
        (
            "another framework",
            {
                let mut keras = zip::ZipWriter::new(Cursor::new(Vec::new()));
                for member in ["metadata.json", "config.json", "model.weights.h5"] {
                    keras.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
                    keras.write_all(b"{}").unwrap();
                }
                refused("another framework", &keras.finish().unwrap().into_inner())
            },
            "model.pt2 is a zip archive, but neither TorchScript nor torch.export",
        ),
    ];
    let mut wrong = String::new();
    for (what, found, expected) in cases {
        if found != expected {
            wrong += &format!("{what}\n  found    {found:?}\n  expected {expected:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
