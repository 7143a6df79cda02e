//! Looks below a package for files that may be models and folders and files that may be data. Names decide; the engine opens them later.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::role::{Role, labels_of, role, stem};

/// Deepest folder looked into.
const DEEPEST: usize = 8;
/// Most entries looked at in all, and in a single folder: a data set may have millions of files.
const MOST_ENTRIES: usize = 200_000;
const MOST_IN_FOLDER: usize = 20_000;
/// Folders that hold neither models nor data of the project.
const LEFT_OUT: [&str; 8] =
    ["target", "node_modules", "site-packages", "__pycache__", "venv", "snapshots", "dist-packages", "env"];

/// What lies below a folder, each by its path from there with `/` between folders, best guess first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Files that may be models.
    pub models: Vec<String>,
    /// Data that may be judged, with what may go with it.
    pub data: Vec<Data>,
    /// Whether there was too much to look at all of it.
    pub cut_short: bool,
}

/// A data set, and the one that gives ranges where there are two of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Data {
    /// What is judged, as a data location.
    pub test: String,
    /// What gives ranges.
    pub profile: Option<String>,
}

/// Looks around below a folder.
pub fn look(root: &Path) -> Found {
    let mut search =
        Search { root: root.into(), entries: 0, visited: BTreeSet::new(), models: Vec::new(), places: Vec::new() };
    search.folder("", 0);
    let Search { mut models, mut places, entries, .. } = search;
    // Pictures at the top of a package are its logo; a data set is a folder.
    places.retain(|place| !place.is_empty());
    models.sort_by_key(|path| (rank_of_model(path), path.matches('/').count(), path.clone()));
    Found { models, data: pairs(places), cut_short: entries >= MOST_ENTRIES }
}

/// The data sets of a folder that the user names: itself, or those below it.
pub fn look_at_data(root: &Path, named: &str) -> Vec<Data> {
    let folder = root.join(named);
    if !folder.is_dir() {
        return vec![Data { test: named.into(), profile: None }];
    }
    let joined = |path: String| format!("{}/{path}", named.trim_end_matches('/'));
    let found = look(&folder).data;
    let is_file = |data: &Data| Path::new(&data.test).extension().is_some();
    if found.iter().all(|data| data.profile.is_none() && role(&data.test).is_none() && !is_file(data)) {
        return vec![Data { test: named.into(), profile: None }];
    }
    found.into_iter().map(|data| Data { test: joined(data.test), profile: data.profile.map(joined) }).collect()
}

/// What a folder of images is.
#[derive(PartialEq, Eq)]
enum Kind {
    /// It has images of its own.
    Images,
    /// It is something else, or nothing.
    Other,
}

struct Search {
    root: PathBuf,
    entries: usize,
    /// Real places of links followed, which may lead in a circle.
    visited: BTreeSet<PathBuf>,
    models: Vec<String>,
    places: Vec<String>,
}

impl Search {
    /// Looks into a folder, notes what it finds, and says what the folder itself is.
    fn folder(&mut self, path: &str, depth: usize) -> Kind {
        let (folders, files) = self.entries(path);
        let images = files.iter().any(|name| has_ending(name, &["png", "jpg", "jpeg"]));
        for name in &files {
            self.file(&joined(path, name), &files);
        }
        let mut classes = Vec::new();
        if depth < DEEPEST {
            for name in &folders {
                let below = joined(path, name);
                if self.folder(&below, depth + 1) == Kind::Images {
                    classes.push((below, role(name).is_some()));
                }
            }
        }
        // Folders of images side by side are the classes of one data set, unless they are its parts: train and test.
        let parts = classes.iter().any(|(_, part)| *part);
        if classes.len() >= 2 && !parts && !images {
            self.places.push(path.to_string());
        } else {
            self.places.extend(classes.into_iter().map(|(below, _)| below));
        }
        if images { Kind::Images } else { Kind::Other }
    }

    /// The names in a folder that count, sorted.
    fn entries(&mut self, path: &str) -> (Vec<String>, Vec<String>) {
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        // What cannot be read is not this project's data.
        let Ok(listing) = fs::read_dir(self.root.join(path)) else { return (folders, files) };
        for entry in listing.take(MOST_IN_FOLDER).flatten() {
            self.entries += 1;
            if self.entries >= MOST_ENTRIES {
                break;
            }
            let (Ok(name), Ok(mut kind)) = (entry.file_name().into_string(), entry.file_type()) else { continue };
            if name.starts_with('.') || name.chars().any(char::is_control) {
                continue;
            }
            if kind.is_symlink() {
                let Ok(metadata) = fs::metadata(entry.path()) else { continue };
                kind = metadata.file_type();
                let real = entry.path().canonicalize();
                if kind.is_dir() && !real.is_ok_and(|real| self.visited.insert(real)) {
                    continue;
                }
            }
            if kind.is_dir() && !LEFT_OUT.contains(&&*name) {
                folders.push(name);
            } else if kind.is_file() {
                files.push(name);
            }
        }
        folders.sort_unstable();
        files.sort_unstable();
        (folders, files)
    }

    fn file(&mut self, path: &str, beside: &[String]) {
        let name = path.rsplit('/').next().unwrap_or(path);
        if has_ending(name, &["pt", "pt2", "ptl"]) {
            self.models.push(path.to_string());
        } else if has_ending(name, &["npz"]) || is_images_of_idx(name) {
            self.places.push(path.to_string());
        } else if has_ending(name, &["npy"]) && !is_labels(name) {
            let labels = labels_of(name).into_iter().find(|labels| beside.contains(labels));
            let folder = &path[..path.len() - name.len()];
            self.places.push(labels.map_or_else(|| path.to_string(), |labels| format!("{path},{folder}{labels}")));
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}/{name}") }
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Images by MNIST's names: `t10k-images-idx3-ubyte.gz`.
fn is_images_of_idx(name: &str) -> bool {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    !plain.contains("labels") && (plain.contains("idx3") || plain.ends_with(".idx"))
}

fn is_labels(name: &str) -> bool {
    let words = stem(name);
    words.iter().any(|word| matches!(&**word, "y" | "label" | "labels" | "target" | "targets"))
}

/// The finished model rather than one on the way to it.
fn rank_of_model(path: &str) -> u8 {
    let words = stem(path);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&&**word));
    if has(&["checkpoint", "checkpoints", "ckpt", "epoch", "optimizer", "optimiser", "state", "dict", "weights"]) {
        return 3;
    }
    match () {
        () if has(&["model", "models", "release", "final", "best"]) => 0,
        () if has(&["fixture", "fixtures", "test", "tests", "examples"]) => 2,
        () => 1,
    }
}

/// Puts data for training and for testing together where their names differ in that only.
fn pairs(mut places: Vec<String>) -> Vec<Data> {
    places.sort();
    places.dedup();
    let of = |wanted: Role| places.iter().filter(move |path| role(path).is_some_and(|(own, _)| own == wanted));
    let key = |path: &String| role(path).map(|(_, key)| key);
    let training = |path: &String| of(Role::Training).find(|train| key(train) == key(path)).cloned();
    let mut data: Vec<Data> = Vec::new();
    for path in of(Role::Test) {
        data.push(Data { test: path.clone(), profile: training(path) });
    }
    for path in of(Role::Validation) {
        let data_of_test = of(Role::Test).any(|test| key(test) == key(path));
        if !data_of_test {
            data.push(Data { test: path.clone(), profile: training(path) });
        }
    }
    let used: BTreeSet<String> = data.iter().filter_map(|data| data.profile.clone()).collect();
    // Pairs come first, then what is for testing, then what says nothing of itself; training data alone is a last resort.
    data.sort_by_key(|data| (data.profile.is_none(), data.test.clone()));
    data.extend(
        places.iter().filter(|path| role(path).is_none()).map(|path| Data { test: path.clone(), profile: None }),
    );
    let alone = of(Role::Training).filter(|path| !used.contains(*path));
    data.extend(alone.map(|path| Data { test: path.clone(), profile: Some(path.clone()) }).collect::<Vec<_>>());
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn data(files: &[&str]) -> Vec<(String, Option<String>)> {
        look(tree(files).path()).data.into_iter().map(|data| (data.test, data.profile)).collect()
    }

    fn pair(test: &str, profile: Option<&str>) -> (String, Option<String>) {
        (test.into(), profile.map(str::to_string))
    }

    #[test]
    fn finished_models_come_first() {
        let folder = tree(&[
            "runs/epoch_3.pt",
            "fixtures/tiny.pt",
            "models/b.pt2",
            "models/a.ptl",
            "net.pt",
            "target/debug/x.pt",
            ".hidden/x.pt",
            "venv/x.pt",
            "a.txt",
        ]);
        assert_eq!(
            look(folder.path()).models,
            ["models/a.ptl", "models/b.pt2", "net.pt", "fixtures/tiny.pt", "runs/epoch_3.pt"]
        );
    }

    #[test]
    fn folders_of_classes_are_one_data_set() {
        let files = ["d/train/cat/1.png", "d/train/dog/1.PNG", "d/test/cat/2.jpg", "d/test/dog/2.jpeg"];
        assert_eq!(data(&files), [pair("d/test", Some("d/train"))]);
        assert_eq!(data(&files[..2]), [pair("d/train", Some("d/train"))]);
        assert_eq!(data(&files[2..]), [pair("d/test", None)]);
        assert_eq!(data(&["cat/1.png", "dog/1.png"]), []);
    }

    #[test]
    fn images_without_classes_are_data_too() {
        assert_eq!(data(&["pictures/1.png"]), [pair("pictures", None)]);
        assert_eq!(data(&["p/test/1.png", "p/train/1.png"]), [pair("p/test", Some("p/train"))]);
        assert_eq!(data(&["1.png"]), []);
    }

    #[test]
    fn arrays_go_with_their_labels() {
        let files = ["a/x_test.npy", "a/x_train.npy", "a/y_test.npy", "a/y_train.npy"];
        assert_eq!(data(&files), [pair("a/x_test.npy,a/y_test.npy", Some("a/x_train.npy,a/y_train.npy"))]);
        let files = [
            "m/t10k-images-idx3-ubyte.gz",
            "m/t10k-labels-idx1-ubyte.gz",
            "m/train-images-idx3-ubyte.gz",
            "m/train-labels-idx1-ubyte.gz",
        ];
        assert_eq!(data(&files), [pair("m/t10k-images-idx3-ubyte.gz", Some("m/train-images-idx3-ubyte.gz"))]);
        assert_eq!(
            data(&["other.npz", "val.npz", "train.npz"]),
            [pair("val.npz", Some("train.npz")), pair("other.npz", None)]
        );
    }

    #[test]
    fn tests_win_over_validation() {
        let files = [
            "d/val/c/1.png",
            "d/val/d/1.png",
            "d/test/c/1.png",
            "d/test/d/1.png",
            "d/train/c/1.png",
            "d/train/d/1.png",
        ];
        assert_eq!(data(&files), [pair("d/test", Some("d/train"))]);
    }

    #[test]
    fn a_folder_that_is_named_may_hold_both_parts() {
        let folder = tree(&[
            "a/all.npz",
            "d/train/c/1.png",
            "d/train/e/1.png",
            "d/test/c/1.png",
            "d/test/e/1.png",
            "p/c/1.png",
            "p/e/1.png",
        ]);
        let named = |name: &str| look_at_data(folder.path(), name);
        assert_eq!(named("d"), [Data { test: "d/test".into(), profile: Some("d/train".into()) }]);
        assert_eq!(named("d/test"), [Data { test: "d/test".into(), profile: None }]);
        assert_eq!(named("p"), [Data { test: "p".into(), profile: None }]);
        assert_eq!(named("a"), [Data { test: "a/all.npz".into(), profile: None }]);
        assert_eq!(named("gone.npz#0..5"), [Data { test: "gone.npz#0..5".into(), profile: None }]);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_circle_end() {
        let folder = tree(&["d/a/1.png", "d/b/1.png"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("d/up")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("broken.pt")).unwrap();
        let found = look(folder.path());
        assert!(found.models.is_empty() && !found.data.is_empty(), "{found:?}");
    }
}
