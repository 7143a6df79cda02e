//! Reads from a shared library which others it needs and what processor it is for (ELF and Mach-O, 64 bits).
//!
//! The files come out of archives from elsewhere, so every offset is checked before it is followed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::platform::{Platform, Processor, System};

/// No header, table or string section of a real library comes near this many bytes.
const LONGEST: u64 = 256 << 20;

/// What a shared library says about itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Binary {
    /// The platform it is for; the processor is none when it is one that PyTorch does not know.
    pub system: System,
    /// The processor it is for.
    pub processor: Option<Processor>,
    /// File names of the libraries it loads: `libc10.so`, `libcudart.so.13`. System frameworks of macOS are left out.
    pub needed: Vec<String>,
}

impl Binary {
    /// Reads a library's headers.
    pub fn read(path: &Path) -> io::Result<Binary> {
        let mut file = File::open(path)?;
        let mut magic = [0; 4];
        file.read_exact(&mut magic).map_err(|_| damaged("it is too short to be a library"))?;
        match magic {
            [0x7f, b'E', b'L', b'F'] => elf(&mut file),
            [0xcf, 0xfa, 0xed, 0xfe] => mach(&mut file),
            _ => Err(damaged("it is neither an ELF nor a 64-bit Mach-O library")),
        }
    }

    /// Why the library does not run on a platform, if so.
    pub fn misfit(&self, platform: Platform) -> Option<String> {
        match self.processor {
            Some(processor) if processor == platform.processor && self.system == platform.system => None,
            Some(processor) => {
                Some(format!("it is for {}, not for {platform}", Platform { system: self.system, processor }))
            }
            None => Some(format!("it is for another processor, not for {platform}")),
        }
    }
}

fn damaged(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn bytes(file: &mut File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    if length > LONGEST {
        return Err(damaged("one of its tables is impossibly long"));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut buffer = Vec::new();
    file.take(length).read_to_end(&mut buffer)?;
    if buffer.len() as u64 == length { Ok(buffer) } else { Err(damaged("one of its tables lies past its end")) }
}

/// Little-endian numbers at checked offsets.
struct Table(Vec<u8>);

impl Table {
    fn number(&self, offset: usize, width: usize) -> io::Result<u64> {
        let end = offset.checked_add(width).ok_or_else(|| damaged("an offset overflows"))?;
        let slice = self.0.get(offset..end).ok_or_else(|| damaged("one of its tables is cut short"))?;
        Ok(slice.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn text(&self, offset: u64) -> io::Result<String> {
        let start = usize::try_from(offset).map_err(|_| damaged("a name lies past its end"))?;
        let rest = self.0.get(start..).ok_or_else(|| damaged("a name lies past its end"))?;
        let end = rest.iter().position(|byte| *byte == 0).ok_or_else(|| damaged("a name does not end"))?;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }
}

fn elf(file: &mut File) -> io::Result<Binary> {
    const LOAD: u64 = 1;
    const DYNAMIC: u64 = 2;
    const NEEDED: u64 = 1;
    const STRING_TABLE: u64 = 5;
    const STRING_SIZE: u64 = 10;

    let header = Table(bytes(file, 0, 64)?);
    if header.number(4, 1)? != 2 || header.number(5, 1)? != 1 {
        return Err(damaged("it is not a 64-bit little-endian ELF file"));
    }
    let processor = match header.number(18, 2)? {
        62 => Some(Processor::X86_64),
        183 => Some(Processor::Aarch64),
        _ => None,
    };
    let (start, size, count) = (header.number(32, 8)?, header.number(54, 2)?, header.number(56, 2)?);
    if size < 56 {
        return Err(damaged("its program headers are too small"));
    }
    let programs = Table(bytes(file, start, size * count)?);
    let mut segments = Vec::new();
    let mut dynamic = None;
    for index in 0..count as usize {
        let at = index * size as usize;
        let (offset, address, length) =
            (programs.number(at + 8, 8)?, programs.number(at + 16, 8)?, programs.number(at + 32, 8)?);
        match programs.number(at, 4)? {
            LOAD => segments.push((offset, address, length)),
            DYNAMIC => dynamic = Some((offset, length)),
            _ => {}
        }
    }
    let Some((offset, length)) = dynamic else {
        return Ok(Binary { system: System::Linux, processor, needed: Vec::new() });
    };
    let entries = Table(bytes(file, offset, length)?);
    let (mut names, mut table, mut table_size) = (Vec::new(), None, None);
    for index in 0..length as usize / 16 {
        let value = entries.number(index * 16 + 8, 8)?;
        match entries.number(index * 16, 8)? {
            0 => break,
            NEEDED => names.push(value),
            STRING_TABLE => table = Some(value),
            STRING_SIZE => table_size = Some(value),
            _ => {}
        }
    }
    if names.is_empty() {
        return Ok(Binary { system: System::Linux, processor, needed: Vec::new() });
    }
    let (Some(address), Some(table_size)) = (table, table_size) else {
        return Err(damaged("its dynamic section names no string table"));
    };
    let place = segments
        .iter()
        .find(|(_, start, length)| address >= *start && address - start < *length)
        .and_then(|(offset, start, _)| offset.checked_add(address - start))
        .ok_or_else(|| damaged("its string table lies in no segment"))?;
    let strings = Table(bytes(file, place, table_size)?);
    let needed = names.into_iter().map(|name| strings.text(name)).collect::<io::Result<_>>()?;
    Ok(Binary { system: System::Linux, processor, needed })
}

fn mach(file: &mut File) -> io::Result<Binary> {
    const LOAD: u64 = 0xc;
    const LOAD_WEAK: u64 = 0x8000_0018;

    let header = Table(bytes(file, 0, 32)?);
    let processor = match header.number(4, 4)? {
        0x0100_000c => Some(Processor::Aarch64),
        0x0100_0007 => Some(Processor::X86_64),
        _ => None,
    };
    let (count, size) = (header.number(16, 4)?, header.number(20, 4)?);
    let commands = bytes(file, 32, size)?;
    let mut needed = Vec::new();
    let mut at = 0;
    for _ in 0..count {
        let rest = commands.get(at..).ok_or_else(|| damaged("its load commands are cut short"))?;
        let command = Table(rest.to_vec());
        let (kind, length) = (command.number(0, 4)?, command.number(4, 4)? as usize);
        if length < 8 || length > rest.len() {
            return Err(damaged("a load command is too short or too long"));
        }
        if kind == LOAD || kind == LOAD_WEAK {
            let path = Table(rest[..length].to_vec()).text(command.number(8, 4)?)?;
            if path.starts_with('@') {
                needed.extend(path.rsplit('/').next().map(str::to_string));
            }
        }
        at += length;
    }
    Ok(Binary { system: System::Macos, processor, needed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::make::{AARCH64, X86_64, elf, mach};

    fn read(content: &[u8]) -> io::Result<Binary> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib");
        std::fs::write(&path, content).unwrap();
        Binary::read(&path)
    }

    #[test]
    fn elf_names_what_it_needs() {
        let binary = read(&elf(AARCH64, &["libc10.so", "libcudart.so.13"])).unwrap();
        assert_eq!(binary.needed, ["libc10.so", "libcudart.so.13"]);
        let host = Platform { system: System::Linux, processor: Processor::X86_64 };
        assert_eq!(binary.misfit(host).unwrap(), "it is for Linux arm64, not for Linux x86-64");
    }

    #[test]
    fn mach_names_only_what_comes_with_it() {
        let binary = read(&mach(&["@rpath/libc10.dylib", "/usr/lib/libSystem.B.dylib"])).unwrap();
        assert_eq!((binary.system, binary.needed), (System::Macos, vec!["libc10.dylib".to_string()]));
    }

    #[test]
    fn a_library_of_this_machine_reads() {
        let own = std::env::current_exe().unwrap();
        let binary = Binary::read(&own).unwrap();
        assert_eq!(binary.misfit(Platform::host().unwrap()), None);
        if cfg!(target_os = "linux") {
            assert!(binary.needed.iter().any(|name| name == "libc.so.6"), "{:?}", binary.needed);
        }
    }

    /// Cut or changed anywhere, a library gives an error or an answer, never a panic.
    #[test]
    fn damage_is_survived() {
        for whole in [elf(X86_64, &["libc10.so"]), mach(&["@rpath/libc10.dylib"])] {
            for end in 0..whole.len() {
                let _ = read(&whole[..end]);
            }
            for at in 0..whole.len() {
                for value in [0, 1, 0x7f, 0xff] {
                    let mut changed = whole.clone();
                    changed[at] = value;
                    let _ = read(&changed);
                }
            }
        }
        assert!(read(b"").is_err() && read(b"<html>").is_err());
    }
}
