//! A hash over the sources of the crate that is being compiled.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

/// The hash as hexadecimal digits.
pub fn of_sources() -> String {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("src");
    of_folder(&root, &root.join("bin"))
}

fn of_folder(root: &Path, left_out: &Path) -> String {
    let mut files = Vec::new();
    list(root, left_out, &mut files);
    files.sort();
    // Its keys are fixed; another compiler may hash differently, and builds differently anyway.
    let mut hasher = DefaultHasher::new();
    for path in files {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        // A file that cannot be read the compiler complains of.
        let contents = fs::read(&path).unwrap_or_default();
        for part in [name.as_bytes(), &contents] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
    }
    format!("{:016x}", hasher.finish())
}

fn list(folder: &Path, left_out: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_source = path.extension().is_some_and(|ending| ["rs", "cpp", "hpp"].iter().any(|own| ending == *own));
        if path.is_dir() && path != left_out {
            list(&path, left_out, files);
        } else if is_source {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_counts_and_programs_do_not() {
        let root = env::temp_dir().join(format!("cleanai-digest-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let hash = || of_folder(&root, &root.join("bin"));
        write("lib.rs", "one");
        write("engine/engine.cpp", "two");
        let first = hash();
        assert_eq!(hash(), first);
        write("bin/tool/main.rs", "a program");
        write("notes.md", "no source");
        assert_eq!(hash(), first);
        write("engine/engine.cpp", "twp");
        let second = hash();
        assert_ne!(second, first);
        write("engine/engine.cpp", "two");
        assert_eq!(hash(), first);
        // The same bytes elsewhere are another source.
        fs::rename(root.join("engine/engine.cpp"), root.join("engine.cpp")).unwrap();
        assert_ne!(hash(), first);
        fs::remove_dir_all(&root).unwrap();
    }
}
