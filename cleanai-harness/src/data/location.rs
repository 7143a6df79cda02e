//! Where a data location leads: range suffix, explicit labels file, format by what lies at the path.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::data::array::unreadable;
use crate::data::range::InputRange;
use crate::data::{idx, npy};
use crate::declare::DataLocation;
use crate::declare::nearest::nearest;
use crate::{Error, ErrorKind, Result};

/// A location taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file or folder of inputs.
    pub inputs: PathBuf,
    /// The file of labels, where one is written.
    pub labels: Option<PathBuf>,
    /// Which inputs are meant.
    pub range: InputRange,
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Folder,
    Npy,
    Npz,
    Idx { gzipped: bool },
    Manifest,
}

/// What may be named, for errors.
const ACCEPTED: &str = "data is a folder of PNG or JPEG images, an .npz or .npy file, an MNIST idx file (plain or .gz), or a manifest (.csv)";

/// Most names of a folder compared with a mistyped one.
const MOST_COMPARED: usize = 10_000;

impl Place {
    /// Takes a location apart. A path that exists as it is written means itself, whatever signs it contains.
    pub(crate) fn of(location: &DataLocation) -> Result<Self> {
        if location.path.is_empty() {
            return Err(Error::new(ErrorKind::Configuration, "the path of the data is empty").with_help(ACCEPTED));
        }
        let at = |path: &str| location.root.join(path);
        let whole = |path: &str, range| Self { inputs: at(path), labels: None, range };
        if at(&location.path).exists() {
            return Ok(whole(&location.path, InputRange::default()));
        }
        let (path, range) = match location.path.rsplit_once('#') {
            Some((path, range)) => {
                let range = InputRange::parse(range);
                (path, range.map_err(|error| error.context(format!("data location `{}`", location.path)))?)
            }
            None => (location.path.as_str(), InputRange::default()),
        };
        if at(path).exists() {
            return Ok(whole(path, range));
        }
        match path.split_once(',') {
            Some((inputs, labels)) => {
                let (inputs, labels) = (at(inputs.trim()), at(labels.trim()));
                exists(&inputs)?;
                exists(&labels).map_err(|error| match inputs.parent().zip(labels.file_name()) {
                    Some((folder, name)) if folder.join(name).exists() => error.with_help(format!(
                        "both paths start from the same folder; {} exists",
                        folder.join(name).display()
                    )),
                    _ => error,
                })?;
                Ok(Self { inputs, labels: Some(labels), range })
            }
            None => Err(missing(&at(path))),
        }
    }
}

impl Format {
    /// Looks at what lies at `path`; names and endings do not matter, but for text, which is a manifest if its name ends in `.csv`.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|why| Error::io("read", path, why))?;
        if metadata.is_dir() {
            return Ok(Self::Folder);
        }
        let unusable = |what: &str| Error::new(ErrorKind::Data, format!("{} {what}", path.display()));
        if !metadata.is_file() {
            return Err(unusable("is neither a file nor a folder").with_help(ACCEPTED));
        }
        let mut start = Vec::new();
        let read = File::open(path).and_then(|file| file.take(8).read_to_end(&mut start));
        read.map_err(|why| unreadable(why).context(path.display()))?;
        match start[..] {
            [] => {
                Err(unusable("is empty").with_help("the file is damaged or not fully copied; make or fetch it again"))
            }
            _ if start.starts_with(npy::MAGIC) => Ok(Self::Npy),
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Ok(Self::Npz),
            _ if idx::recognises(&start) => Ok(Self::Idx { gzipped: false }),
            [0x1f, 0x8b, ..] => {
                let inside = idx::inflated_start(path).map_err(|error| error.context(path.display()))?;
                if idx::recognises(&inside) {
                    Ok(Self::Idx { gzipped: true })
                } else if inside.starts_with(npy::MAGIC) {
                    Err(unusable("is a gzipped .npy file")
                        .with_help("unzip it with gunzip, or save it with `np.savez_compressed`"))
                } else {
                    Err(unusable("is a gzip file that holds no idx array").with_help(ACCEPTED))
                }
            }
            [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => {
                Err(unusable("is a single image").with_help("name the folder it lies in"))
            }
            _ if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) => Ok(Self::Manifest),
            _ => Err(unusable("is no data file that is known").with_help(ACCEPTED)),
        }
    }
}

fn exists(path: &Path) -> Result<()> {
    if path.exists() { Ok(()) } else { Err(missing(path)) }
}

/// The error for a path that leads nowhere: names the first part that is missing and what lies there instead.
pub(crate) fn missing(path: &Path) -> Error {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Error::new(ErrorKind::Data, format!("{} is a link to something that does not exist", path.display()));
    }
    let error = Error::new(ErrorKind::Data, format!("{} does not exist", path.display()));
    let mut broken = path;
    while let Some(parent) = broken.parent() {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        if parent.is_dir() {
            let written = broken.file_name().unwrap_or_default().to_string_lossy();
            let names: Vec<String> = fs::read_dir(parent)
                .into_iter()
                .flatten()
                .take(MOST_COMPARED)
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect();
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            names.sort_unstable();
            if let Some(name) = nearest(&written, names.iter().copied()) {
                return error.with_help(format!("did you mean {}?", parent.join(name).display()));
            }
            names.retain(|name| !name.starts_with('.'));
            let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            return error.with_help(match names.len() {
                0 => format!("{} is empty", parent.display()),
                1..=5 => format!("{} holds {shown}", parent.display()),
                _ => format!("{} holds {shown}, ...", parent.display()),
            });
        }
        if parent.exists() {
            return error.with_help(format!("{} is a file, not a folder", parent.display()));
        }
        broken = parent;
    }
    error.with_help(ACCEPTED)
}
