//! Folders of PNG and JPEG images, with labels from the names of their sub-folders.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, ImageReader, Limits};

use crate::data::range::counted;
use crate::data::sample::Image;
use crate::{Error, ErrorKind, Result};

/// Deepest folder looked into.
const DEEPEST: usize = 32;

/// Largest image file read; a hostile one of any size would otherwise be read whole.
const LARGEST_FILE: u64 = 512 << 20;

/// Most pixels on a side.
const LONGEST_SIDE: u32 = 1 << 16;

/// Most bytes the decoder may allocate for one image.
const MOST_DECODED: u64 = 1 << 30;

/// The images of a folder, sorted.
#[derive(Debug)]
pub(crate) struct ImageFolder {
    root: PathBuf,
    /// Paths below `root`, with `/` between folders.
    names: Vec<String>,
    /// Labels of the images, where every image lies in a first-level folder.
    pub labels: Option<Vec<i64>>,
    /// Labels and names of the classes, in the order of their labels.
    pub classes: Option<Vec<(i64, String)>>,
}

impl ImageFolder {
    /// Lists the images below `root` and keeps those that `select` chooses.
    pub(crate) fn open(root: &Path, select: impl FnOnce(usize) -> Result<Range<usize>>) -> Result<Self> {
        let mut found = Found::default();
        list(root, "", &mut Vec::new(), &mut found)?;
        if found.images.is_empty() {
            return Err(found.nothing(root));
        }
        // Bytewise, so that the order is the same on every machine and in every locale.
        found.images.sort_unstable();
        let classes = class_labels(&found);
        let selected = select(found.images.len()).map_err(|error| error.context(root.display()))?;
        let names: Vec<String> = found.images.drain(selected).collect();
        let labels = classes.as_ref().map(|classes| names.iter().map(|name| classes[first_folder(name)]).collect());
        let classes = classes.map(|classes| {
            let mut by_label: Vec<(i64, String)> = classes.into_iter().map(|(name, label)| (label, name)).collect();
            by_label.sort_unstable();
            by_label
        });
        Ok(Self { root: root.to_owned(), names, labels, classes })
    }

    /// Images of these paths below `root`.
    pub(crate) fn listed(root: &Path, names: Vec<String>) -> Self {
        Self { root: root.to_owned(), names, labels: None, classes: None }
    }

    /// A folder that an image lies in, and its path below that, after a `/`.
    pub(crate) fn place(&self, index: usize) -> (Cow<'_, Path>, String) {
        let name = &self.names[index];
        match name.rsplit_once('/') {
            // A path that is listed may lead upwards first.
            Some((folder, file)) if name.split('/').any(|part| part == "..") => {
                (self.root.join(folder).into(), format!("/{file}"))
            }
            _ => (self.root.as_path().into(), format!("/{name}")),
        }
    }

    /// How many images.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Path of an image below the folder.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// The bytes of an image's file.
    pub(crate) fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        let path = self.root.join(&self.names[index]);
        let metadata = fs::metadata(&path).map_err(|why| Error::io("read", &path, why))?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Data, format!("image {} is no file", path.display())));
        }
        let size = metadata.len();
        if size > LARGEST_FILE {
            return Err(Error::new(
                ErrorKind::Data,
                format!("image {} has {size} bytes, more than the {LARGEST_FILE} allowed", path.display()),
            ));
        }
        fs::read(&path).map_err(|why| Error::io("read", &path, why))
    }

    /// Decodes an image.
    pub(crate) fn decode(&self, index: usize) -> Result<Image> {
        let bytes = self.bytes(index)?;
        // A decoder that panics on a damaged file must not take the test down with it.
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(&bytes)));
        decoded.unwrap_or_else(|_| Err("its decoder failed".to_owned())).map_err(|why| {
            let path = self.root.join(&self.names[index]);
            Error::new(ErrorKind::Data, format!("cannot decode image {}: {why}", path.display()))
                .with_help("replace or remove it, or leave such inputs out with `on_bad_input = \"skip\"`")
        })
    }
}

/// What lies below a folder.
#[derive(Default)]
struct Found {
    images: Vec<String>,
    /// First-level folders, with images or without.
    folders: BTreeSet<String>,
    others: usize,
    example: Option<String>,
    array: Option<String>,
}

impl Found {
    fn other(&mut self, name: String) {
        self.others += 1;
        let array = [".npz", ".npy"].iter().any(|ending| name.ends_with(ending)) || name.contains("-ubyte");
        if array && self.array.is_none() {
            self.array = Some(name.clone());
        }
        self.example.get_or_insert(name);
    }

    fn nothing(self, root: &Path) -> Error {
        let what = match (&self.example, self.folders.is_empty()) {
            (Some(example), _) => format!(
                "folder {} holds no PNG or JPEG image, only {}, for example `{example}`",
                root.display(),
                counted(self.others, "other file"),
            ),
            (None, true) => format!("folder {} is empty", root.display()),
            (None, false) => format!("folder {} holds only empty folders", root.display()),
        };
        Error::new(ErrorKind::Data, what).with_help(match self.array {
            Some(array) => format!("to use the array, name the file itself: `{}`", root.join(array).display()),
            None => "images end in .png, .jpg or .jpeg; hidden files are left out".to_owned(),
        })
    }
}

/// Adds what lies in `folder` (`prefix` below the root); `open` are the folders being listed, to notice links that lead back.
fn list(folder: &Path, prefix: &str, open: &mut Vec<PathBuf>, found: &mut Found) -> Result<()> {
    let identity = fs::canonicalize(folder).map_err(|why| Error::io("list", folder, why))?;
    if open.contains(&identity) || open.len() == DEEPEST {
        let why = if open.len() == DEEPEST { "lies too deep" } else { "is a link to a folder above it" };
        return Err(Error::new(ErrorKind::Data, format!("folder {} {why}", folder.display()))
            .with_help("remove it, or name the folder of images itself"));
    }
    open.push(identity);
    for entry in fs::read_dir(folder).map_err(|why| Error::io("list", folder, why))? {
        let entry = entry.map_err(|why| Error::io("list", folder, why))?;
        let name = entry.file_name();
        if name.as_encoded_bytes().first() == Some(&b'.') {
            continue;
        }
        let path = entry.path();
        let Some(name) = name.to_str().map(|name| format!("{prefix}{name}")) else {
            if is_image(&path) || path.is_dir() {
                return Err(Error::new(ErrorKind::Data, format!("the name of {} is not UTF-8", path.display()))
                    .with_help("rename it"));
            }
            found.other(name.to_string_lossy().into_owned());
            continue;
        };
        // Follows links: data sets are often assembled from them. A link to nowhere is an input that cannot be read.
        let kind = fs::metadata(&path);
        if kind.as_ref().is_ok_and(fs::Metadata::is_dir) {
            if prefix.is_empty() {
                found.folders.insert(name.clone());
            }
            list(&path, &format!("{name}/"), open, found)?;
        } else if is_image(&path) && kind.map_or(true, |kind| kind.is_file()) {
            found.images.push(name);
        } else {
            found.other(name);
        }
    }
    open.pop();
    Ok(())
}

pub(crate) fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn first_folder(name: &str) -> &str {
    name.split_once('/').map_or("", |(folder, _)| folder)
}

/// The label of every class, or none where an image lies directly in the folder.
fn class_labels(found: &Found) -> Option<BTreeMap<String, i64>> {
    let used: BTreeSet<&str> = found.images.iter().map(|name| first_folder(name)).collect();
    if used.contains("") {
        return None;
    }
    let number = |name: &&str| Some(((*name).to_owned(), class_number(name)?));
    let numbers: BTreeMap<String, i64> = used.iter().filter_map(number).collect();
    let distinct = numbers.values().collect::<BTreeSet<_>>().len();
    if distinct == used.len() {
        return Some(numbers);
    }
    // Folders without images count too: a class that this set lacks must not move the labels of the others.
    Some(found.folders.iter().cloned().zip(0..).collect())
}

fn class_number(name: &str) -> Option<i64> {
    name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok()).flatten()
}

/// Decodes a PNG or JPEG to 8 bits per channel; grey stays grey, alpha is dropped.
fn decode(bytes: &[u8]) -> Result<Image, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|why| why.to_string())?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err("it is neither a PNG nor a JPEG".to_owned());
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_DECODED);
    reader.limits(limits);
    let decoded = reader.decode().map_err(|why| why.to_string())?;
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let (channels, pixels) = match decoded {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageLuma16(_)
        | DynamicImage::ImageLumaA16(_) => (1, decoded.into_luma8().into_raw()),
        _ => (3, decoded.into_rgb8().into_raw()),
    };
    Ok(Image { height, width, channels, pixels })
}
