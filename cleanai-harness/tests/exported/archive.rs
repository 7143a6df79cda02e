//! Archives of programs with something in them changed, and what is said of them.

use std::io::{Cursor, Read, Write};

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::model::Model;

use crate::common::fixture;

/// A copy of an archive with its members changed; a member that is emptied is left out.
pub fn rewritten(whole: &[u8], change: &mut dyn FnMut(&str, &mut Vec<u8>)) -> Vec<u8> {
    let mut source = zip::ZipArchive::new(Cursor::new(whole)).unwrap();
    let mut target = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for index in 0..source.len() {
        let mut entry = source.by_index(index).unwrap();
        let (name, mut bytes) = (entry.name().unwrap().to_string(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        change(&name, &mut bytes);
        if !bytes.is_empty() {
            target.start_file(name, options).unwrap();
            target.write_all(&bytes).unwrap();
        }
    }
    target.finish().unwrap().into_inner()
}

pub fn bytes_of(program: &str) -> Vec<u8> {
    std::fs::read(fixture(&format!("exported/{program}"))).unwrap()
}

/// The first line of the error an archive gives; there is always help.
pub fn refused(what: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt2");
    std::fs::write(&path, bytes).unwrap();
    let error = Model::open(&path, DeviceChoice::Cpu).expect_err(what).to_string();
    let text = error.replace(&format!("{}/", folder.path().display()), "");
    assert!(text.contains("\n  help: "), "{what}: {text}");
    assert!(!text.contains("Exception") && !text.contains(".cpp"), "{what}: {text}");
    text.lines().next().unwrap_or_default().to_owned()
}
