//! Makes small libraries and wheels for tests, of the binary and through it.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

/// The ELF number of x86-64.
pub const X86_64: u16 = 62;
/// The ELF number of 64-bit ARM.
pub const AARCH64: u16 = 183;

/// An ELF library for a processor that needs these others.
pub fn elf(machine: u16, needed: &[&str]) -> Vec<u8> {
    let start = 64 + 2 * 56;
    let (mut strings, mut entries) = (vec![0], Vec::new());
    let mut entry = |tag: u64, value: u64| entries.extend([tag.to_le_bytes(), value.to_le_bytes()].concat());
    for name in needed {
        entry(1, strings.len() as u64);
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    entry(5, 0x1000 + start);
    entry(10, strings.len() as u64);
    entry(0, 0);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0];
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    for value in [0u64, 64, 0] {
        file.extend(value.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for value in [64u16, 56, 2, 0, 0, 0] {
        file.extend(value.to_le_bytes());
    }
    let dynamic = start + strings.len() as u64;
    let total = dynamic + entries.len() as u64;
    for (kind, offset, address, length) in
        [(1u32, 0, 0x1000, total), (2, dynamic, 0x1000 + dynamic, entries.len() as u64)]
    {
        file.extend(kind.to_le_bytes());
        file.extend(4u32.to_le_bytes());
        for value in [offset, address, address, length, length, 8] {
            file.extend(value.to_le_bytes());
        }
    }
    file.extend(strings);
    file.extend(entries);
    file
}

/// A Mach-O library for 64-bit ARM that needs these others.
pub fn mach(needed: &[&str]) -> Vec<u8> {
    let mut commands = Vec::new();
    for name in needed {
        let length = (24 + name.len() + 1).next_multiple_of(8);
        let mut command = [0xcu32, length as u32, 24, 0, 0, 0].map(u32::to_le_bytes).concat();
        command.extend(name.as_bytes());
        command.resize(length, 0);
        commands.extend(command);
    }
    let header = [0xfeed_facfu32, 0x0100_000c, 0, 6, needed.len() as u32, commands.len() as u32, 0, 0];
    [header.map(u32::to_le_bytes).concat(), commands].concat()
}

/// A wheel of these files, with a RECORD that fits them.
pub fn wheel(path: &Path, package: &str, files: &[(&str, Vec<u8>)]) {
    let mut record = format!("{package}.dist-info/RECORD,,\n");
    for (name, content) in files {
        record += &format!("{name},sha256={},{}\n", base64(&Sha256::digest(content)), content.len());
    }
    wheel_with_record(path, package, files, &record);
}

/// A wheel of these files with the RECORD given.
pub fn wheel_with_record(path: &Path, package: &str, files: &[(&str, Vec<u8>)], record: &str) {
    let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, content) in files {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.start_file(format!("{package}.dist-info/RECORD"), SimpleFileOptions::default()).unwrap();
    archive.write_all(record.as_bytes()).unwrap();
    archive.finish().unwrap();
}

/// Bit by bit, so that it cannot be wrong in the way the code it tests may be.
fn base64(bytes: &[u8]) -> String {
    let letters: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).collect();
    let bits: Vec<usize> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| usize::from(byte >> at & 1))).collect();
    bits.chunks(6).map(|group| letters[(0..6).fold(0, |value, at| value << 1 | group.get(at).unwrap_or(&0))]).collect()
}
