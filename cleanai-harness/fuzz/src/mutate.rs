//! Mutations of what lies inside an archive. A flipped byte in a zip file only ever fails its checksum; here one member is
//! changed and the archive is put together again, checksums and all.

use std::io::{Cursor, Read, Write};

use libfuzzer_sys::fuzzer_mutate;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Members larger than this are left as they are.
const LARGEST: u64 = 1 << 20;

/// Numbers that sizes, offsets and positions go wrong at.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "2",
    "7",
    "63",
    "64",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4611686018427387904",
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "nan",
    "true",
    "null",
    "\"\"",
    "[]",
    "{}",
];

struct Member {
    name: String,
    bytes: Vec<u8>,
}

/// Changes `bytes[..size]`, an archive, in place and gives its new size, at most `most`.
pub fn mutate(bytes: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed));
    // The archive itself has a reader to be tested, too.
    if dice.below(20) == 0 {
        return fuzzer_mutate(bytes, size, most);
    }
    let Some(mut members) = unpack(&bytes[..size]).filter(|members| !members.is_empty()) else {
        return fuzzer_mutate(bytes, size, most);
    };
    for _ in 0..=dice.below(3) {
        change(&mut members, &mut dice);
    }
    match pack(&members) {
        Some(packed) if packed.len() <= most => {
            bytes[..packed.len()].copy_from_slice(&packed);
            packed.len()
        }
        _ => fuzzer_mutate(bytes, size, most),
    }
}

fn unpack(bytes: &[u8]) -> Option<Vec<Member>> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Vec::new();
    for index in 0..zip.len() {
        let member = zip.by_index(index).ok()?;
        let name = member.name().ok()?.into_owned();
        let mut bytes = Vec::new();
        member.take(LARGEST).read_to_end(&mut bytes).ok()?;
        members.push(Member { name, bytes });
    }
    Some(members)
}

fn pack(members: &[Member]) -> Option<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for member in members {
        zip.start_file(&*member.name, options).ok()?;
        zip.write_all(&member.bytes).ok()?;
    }
    Some(zip.finish().ok()?.into_inner())
}

fn change(members: &mut Vec<Member>, dice: &mut Dice) {
    let programs: Vec<usize> = (0..members.len()).filter(|index| is_program(&members[*index].name)).collect();
    let any = dice.below(members.len());
    // Weights are numbers and nothing more; what says how to read them is in the others.
    let chosen = if programs.is_empty() || dice.below(12) == 0 { any } else { programs[dice.below(programs.len())] };
    match dice.below(40) {
        0 if members.len() > 1 => drop(members.remove(chosen)),
        1 => members.swap(chosen, any),
        2 => {
            let name = members[any].name.clone();
            members[chosen].name = name;
        }
        _ => {
            let text = [".json", ".py"].iter().any(|ending| members[chosen].name.ends_with(ending));
            let member = &mut members[chosen].bytes;
            if member.is_empty() {
                return;
            }
            match dice.below(if text { 6 } else { 4 }) {
                0 => mutate_bytes(member),
                1 => copy_within(member, dice),
                2 => {
                    let (start, end) = dice.range(member.len());
                    member.drain(start..end.min(start + 64));
                }
                3 if !text => {
                    let at = dice.below(member.len());
                    member[at] = PICKLE[dice.below(PICKLE.len())];
                }
                4 => copy_line(member, dice),
                _ => replace_word(member, dice),
            }
        }
    }
}

/// Opcodes of pickle protocol 2, and bytes that lengths go wrong at.
const PICKLE: &[u8] = b"(.0123KMJ\x8a\x8bGXTU)]}t\x85\x86\x87ldaseuqrhjcR\x81bQN\x88\x89\x00\x01\x7f\x80\xff";

fn is_program(name: &str) -> bool {
    [".pkl", ".py", ".json"].iter().any(|ending| name.ends_with(ending))
}

/// libFuzzer's own mutations, which know what earlier comparisons looked for.
fn mutate_bytes(bytes: &mut Vec<u8>) {
    let size = bytes.len();
    bytes.resize(size + 256, 0);
    let most = bytes.len();
    let size = fuzzer_mutate(bytes, size, most);
    bytes.truncate(size);
}

fn copy_within(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let (start, end) = dice.range(bytes.len());
    let piece = bytes[start..end.min(start + 256)].to_vec();
    let at = dice.below(bytes.len());
    bytes.splice(at..at, piece);
}

fn copy_line(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let line = lines[dice.below(lines.len())];
    lines.insert(dice.below(lines.len()), line);
    *bytes = lines.concat();
}

/// Puts a number or another word of the same text in place of a word.
fn replace_word(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    let word = |from: usize| -> Option<(usize, usize)> {
        let start = from + bytes[from..].iter().position(is_word)?;
        let length = bytes[start..].iter().position(|byte| !is_word(byte)).unwrap_or(bytes.len() - start);
        Some((start, start + length))
    };
    let (Some((start, end)), Some(other)) = (word(dice.below(bytes.len())), word(dice.below(bytes.len()))) else {
        return;
    };
    let replacement = if dice.below(2) == 0 {
        NUMBERS[dice.below(NUMBERS.len())].as_bytes().to_vec()
    } else {
        bytes[other.0..other.1].to_vec()
    };
    bytes.splice(start..end, replacement);
}

/// SplitMix64, so that a seed gives the same mutation again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`, which is not 0.
    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// A part of something of this length, not 0; at least one long.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length);
        (start, start + 1 + self.below(length - start))
    }
}
