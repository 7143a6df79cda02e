//! What was computed before and need not be computed again, on disk: a second run with nothing changed runs no model.
//!
//! | kind | holds | under the hash of |
//! |---|---|---|
//! | [`Kind::Measurements`] | the result of a whole pass | everything its figures depend on, see below |
//! | [`Kind::Profiles`] | what criteria want to know of a profile set | model, profile set, transform, layers, neurons and settings |
//! | [`Kind::Traces`] | activation traces of one layer for a profile set or an untrusted set | the same |
//! | [`Kind::Digests`] | SHA-256 of files that were read, told by length, times and inode | the path they lie at |
//!
//! # Settings
//!
//! - `CLEANAI_CACHE`: the folder; `off` turns the cache off. Unless it is set, `cleanai` in the user's cache folder (`XDG_CACHE_HOME`, else
//!   `~/.cache`).
//! - `CLEANAI_CACHE_SIZE`: what all entries may take together, `500MB` or `4GiB`; 4 GiB unless it is set. Least recently used entries go first. One
//!   that takes more than half of it is not kept.
//!
//! `cargo cleanai cache status` shows what is there, `cargo cleanai cache clean` removes it.
//!
//! # When a measurement is read from the cache
//!
//! Its key holds the bytes of the model and of every profile, test and untrusted input (not their decoded pixels), names of inputs, transform,
//! augmentations, `on_bad_input`, batch, `non_finite`, each criterion's canonical text with layers, neurons and untrusted set, the options of
//! the model, the device, libtorch's version and threads, the processor's instruction set, and a digest of this crate's own sources with the
//! dependencies and the compiler it was built with. A measurement that was read says so ([`Measurement::cached`](crate::measure::Measurement::cached)).
//!
//! Never cached, because files do not tell all that figures depend on:
//! - models with `libraries` (their operators are code of their own), with `state = "keep"` (what earlier inputs left) and with `allow_files` (what
//!   those files hold);
//! - models written in Rust (`#[cleanai::model]`): the function may read what it likes, weights above all;
//! - inputs drawn for one occasion, such as those of `cargo cleanai report --style cleanai`, and whatever tells of single inputs (`--per-input`, `select`), whose
//!   values are not kept.
//!
//! Criteria that other crates register (`acme::spread`) are functions of the activations alone; with one of them the digest of the running
//! executable is part of the key, so that building it anew measures anew.
//!
//! # Several processes, and trouble
//!
//! Files are written beside their place and renamed, so that nobody sees half of one. Two processes that need the same entry lock it: the second
//! waits, then reads. Files that are mapped are locked as well, and what is locked is not removed. A checksum over every entry finds damage;
//! a damaged entry is reported, removed and made again. A process that was killed leaves temporary files, which the next removes. Where
//! the folder cannot be written, or the disk is full, one warning says so and the run goes on.

mod bound;
pub(crate) mod digests;
mod entry;
mod lock;
mod measurements;
pub(crate) mod profiles;
mod settings;
mod status;
#[cfg(test)]
mod tests;
pub(crate) mod traces;

use std::collections::BTreeSet;
use std::fmt;
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use serde::Serialize;
use sha2::{Digest, Sha256};

pub(crate) use lock::Held;
pub use settings::Settings;
pub use status::{Cleaned, Status, StatusOfKind, clean, status};

use crate::Error;

/// What kinds of entries there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What criteria want to know of a profile set.
    Profiles,
    /// Activation traces.
    Traces,
    /// Results of whole passes.
    Measurements,
    /// SHA-256 of files.
    Digests,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Profiles, Self::Traces, Self::Measurements, Self::Digests];

    /// The folder of its entries, and what it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Profiles => "profiles",
            Self::Traces => "traces",
            Self::Measurements => "measurements",
            Self::Digests => "digests",
        }
    }

    /// What the names of its files end with.
    fn ending(self) -> &'static str {
        match self {
            Self::Profiles => "profile",
            Self::Traces => "traces",
            Self::Measurements => "measurement",
            Self::Digests => "digests",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The cache of this user.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// Bytes all entries may take together.
    size: u64,
}

impl Cache {
    /// None if it is turned off or there is no place for it. What killed processes left in it is removed the first time.
    pub fn find() -> Option<Self> {
        static SWEPT: Once = Once::new();
        let settings = Settings::of_environment().unwrap_or_else(|error| {
            warn(&error);
            Settings::default()
        });
        let cache = Self { folder: settings.folder?, size: settings.size };
        SWEPT.call_once(|| {
            cache.sweep();
        });
        Some(cache)
    }

    /// The cache in a folder.
    #[cfg(test)]
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), size: settings::DEFAULT_SIZE }
    }

    /// Where an entry of this key lies; the file need not be there.
    pub fn path(&self, kind: Kind, key: &impl Serialize) -> Option<PathBuf> {
        let digest = Sha256::digest(serde_json::to_vec(key).ok()?);
        Some(self.folder.join(kind.name()).join(format!("{}.{}", hex(&digest), kind.ending())))
    }

    /// Whether an entry of this length is kept.
    pub fn takes(&self, length: u64) -> bool {
        length <= self.size / 2
    }

    /// Says that entries cannot be written, once for a process.
    pub fn unwritable(&self, why: &dyn fmt::Display) {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            let error = Error::io("keep results in the cache", &self.folder, why).with_help(
                "make the folder writable and its disk large enough, name another folder in CLEANAI_CACHE, or set CLEANAI_CACHE=off",
            );
            warn(&error);
        });
    }
}

/// What this program is built of: the crate's sources, and the versions of its dependencies and of the compiler, which the identity of a type
/// depends on.
pub(crate) fn build() -> &'static str {
    static BUILD: OnceLock<String> = OnceLock::new();
    BUILD.get_or_init(|| {
        let mut hash = Sha256::new();
        hash.update(cleanai_macros::source_digest!());
        hash.update(format!("{:?}", std::any::TypeId::of::<Cache>()));
        hex(&hash.finalize())
    })
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says what is wrong without stopping for it, the same only once for a process.
fn warn(error: &Error) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let text = error.to_string();
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone()) {
        crate::progress::hidden(|| {
            let style = anstyle::AnsiColor::Yellow.on_default().bold();
            anstream::eprintln!("{style}warning{style:#}: {text}");
        });
    }
}
