//! Where the cache lies and how large it may grow: two variables of the environment.

use std::env;
use std::path::PathBuf;

use crate::{Error, ErrorKind, Result};

/// The space all entries may take together unless the user says otherwise.
pub(super) const DEFAULT_SIZE: u64 = 4 << 30;

/// Where the cache lies and how large it may grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its folder; `None` where it is turned off or there is no place for it.
    pub folder: Option<PathBuf>,
    /// Bytes that all entries may take together.
    pub size: u64,
}

impl Default for Settings {
    /// The folder that the environment names, and 4 GiB.
    fn default() -> Self {
        let folder = match env::var_os("CLEANAI_CACHE").filter(|value| !value.is_empty()) {
            Some(value) if value == "off" => None,
            Some(folder) => Some(PathBuf::from(folder)),
            None => user_cache().map(|folder| folder.join("cleanai")),
        };
        // Whoever names a folder relative to this one must find the same from another.
        let folder = folder.map(|folder| std::path::absolute(&folder).unwrap_or(folder));
        Self { folder, size: DEFAULT_SIZE }
    }
}

impl Settings {
    /// As `CLEANAI_CACHE` and `CLEANAI_CACHE_SIZE` say.
    ///
    /// # Errors
    /// If the second is no size.
    pub fn of_environment() -> Result<Self> {
        let default = Self::default();
        let Some(text) = env::var_os("CLEANAI_CACHE_SIZE").filter(|value| !value.is_empty()) else {
            return Ok(default);
        };
        Ok(Self { size: size(&text.to_string_lossy())?, ..default })
    }
}

/// Reads `500MB`, `1.5 GiB` or a number of bytes.
fn size(text: &str) -> Result<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("", 1),
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    let wrong = || {
        Error::new(
            ErrorKind::Configuration,
            format!("CLEANAI_CACHE_SIZE is `{}`, which is no size", text.escape_debug()),
        )
        .with_help("write a number and a unit, as in 500MB or 4GiB; CLEANAI_CACHE=off turns the cache off")
    };
    let trimmed = text.trim();
    let end = trimmed.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(trimmed.len());
    let (digits, unit) = trimmed.split_at(end);
    let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()));
    let (number, (_, factor)) = (digits.parse::<f64>().map_err(|_| wrong())?, known.ok_or_else(wrong)?);
    let bytes = number * *factor as f64;
    // More than any disk holds is as good as no bound; less than an entry takes would keep nothing and say nothing.
    if (1e6..=1e18).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(Error::new(ErrorKind::Configuration, format!("CLEANAI_CACHE_SIZE is `{}`", text.escape_debug()))
            .with_help("it is 1MB at least and 1000000TB at most; CLEANAI_CACHE=off turns the cache off"))
    }
}

/// The user's folder for what can be made again.
fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("500MB", 500_000_000),
            ("4GiB", 4 << 30),
            (" 1.5 gib ", 3 << 29),
            ("2000000", 2_000_000),
            ("2000000 B", 2_000_000),
            ("1024KiB", 1 << 20),
            ("2tb", 2_000_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_told_with_the_fix() {
        for text in ["", "much", "4 potatoes", "-1GB", "1e9", "0x10", "NaN", "inf", "1.2.3MB", "GiB", "4GiB4"] {
            let error = size(text).unwrap_err();
            assert!(error.what().contains("which is no size"), "{text}: {error}");
            assert!(error.help().unwrap().contains("500MB or 4GiB"));
        }
        for text in ["0", "10", "999kB", "9999999999999999999TB"] {
            assert!(size(text).unwrap_err().help().unwrap().contains("1MB at least"), "{text}");
        }
    }
}
