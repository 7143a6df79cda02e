//! The files that decide what a data set holds, told without decoding an input.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::data::image_folder::ImageFolder;
use crate::data::location::{Format, Place};
use crate::data::{idx, manifest};
use crate::declare::DataLocation;

/// What the contents, labels and names of a data set depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFiles {
    /// The file or folder that was named.
    pub root: PathBuf,
    /// The files whose bytes are read, in order.
    pub files: Vec<PathBuf>,
    /// What counts beside their bytes, as text: the range, names of inputs and classes, labels that folders give.
    pub beside: String,
}

impl SourceFiles {
    /// Of what lies at a location.
    ///
    /// # Errors
    /// As [`DataSet::open`](crate::data::DataSet::open), as far as inputs need not be decoded.
    pub fn of(location: &DataLocation) -> Result<Self> {
        let place = Place::of(location)?;
        let root = place.inputs.clone();
        let format = Format::at(&root)?;
        let name = root.file_name().unwrap_or_default();
        let (files, beside) = match format {
            Format::Folder => {
                let folder = ImageFolder::open(&root, |images| place.range.of(images))?;
                let names: Vec<&str> = (0..folder.len()).map(|image| folder.name(image)).collect();
                let files = names.iter().map(|name| root.join(name)).collect();
                (files, format!("{names:?} {:?} {:?}", folder.labels, folder.classes))
            }
            Format::Manifest => (manifest::files(&place)?, format!("{name:?} {:?}", place.range)),
            _ => (array_files(&root, format, place.labels.as_deref()), format!("{name:?} {:?}", place.range)),
        };
        Ok(Self { root, files, beside })
    }
}

/// A file of arrays and the one of its labels, where there is one.
fn array_files(path: &Path, format: Format, labels: Option<&Path>) -> Vec<PathBuf> {
    let beside = || match format {
        Format::Idx { .. } => idx::labels_beside(path),
        _ => None,
    };
    let labels = labels.map(Path::to_owned).or_else(beside);
    std::iter::once(path.to_owned()).chain(labels).collect()
}

/// The same of a file that a manifest names.
pub(super) fn array_files_at(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(array_files(path, Format::at(path)?, None))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(root: &Path, name: &str, bytes: &[u8]) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn of(root: &Path, path: &str) -> SourceFiles {
        SourceFiles::of(&DataLocation { path: path.into(), root: root.into() }).unwrap()
    }

    fn names(root: &Path, path: &str) -> Vec<String> {
        let found = of(root, path).files;
        found.iter().map(|file| file.strip_prefix(root).unwrap().display().to_string()).collect()
    }

    #[test]
    fn folders_are_listed_in_order_and_not_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["d/cat/2.png", "d/cat/1.png", "d/dog/1.jpg", "d/dog/note.txt"] {
            write(root, name, b"no picture at all");
        }
        assert_eq!(names(root, "d"), ["d/cat/1.png", "d/cat/2.png", "d/dog/1.jpg"]);
        assert_eq!(names(root, "d#1.."), ["d/cat/2.png", "d/dog/1.jpg"]);
        let before = of(root, "d");
        // A class without images moves the labels of those after it.
        fs::create_dir(root.join("d/bird")).unwrap();
        let after = of(root, "d");
        assert_eq!(before.files, after.files);
        assert_ne!(before.beside, after.beside);
    }

    #[test]
    fn arrays_come_with_their_labels() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let idx = [0, 0, 8, 1, 0, 0, 0, 1, 7];
        write(root, "t10k-images-idx3-ubyte", &idx);
        assert_eq!(names(root, "t10k-images-idx3-ubyte#..1"), ["t10k-images-idx3-ubyte"]);
        write(root, "t10k-labels-idx1-ubyte", &idx);
        assert_eq!(names(root, "t10k-images-idx3-ubyte"), ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]);
        write(root, "x.npy", b"\x93NUMPY");
        assert_eq!(names(root, "x.npy,t10k-labels-idx1-ubyte"), ["x.npy", "t10k-labels-idx1-ubyte"]);
        assert_ne!(of(root, "x.npy#..1").beside, of(root, "x.npy").beside);
    }

    #[test]
    fn a_manifest_leads_to_the_files_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let idx = [0, 0, 8, 1, 0, 0, 0, 1, 7];
        write(root, "a/images-idx1", &idx);
        write(root, "a/labels-idx1", &idx);
        write(root, "b/1.png", b"not decoded");
        write(root, "m/all.csv", b"input\n../a/images-idx1[0]\n../b/1.png\n../a/images-idx1[3]\n");
        let expected = ["m/all.csv", "m/../b/1.png", "m/../a/images-idx1", "m/../a/labels-idx1"];
        assert_eq!(names(root, "m/all.csv"), expected);
        assert_eq!(names(root, "m/all.csv#1..2"), ["m/all.csv", "m/../b/1.png"]);
        let missing = SourceFiles::of(&DataLocation { path: "nowhere".into(), root: root.into() });
        assert!(missing.unwrap_err().what().contains("does not exist"));
    }
}
