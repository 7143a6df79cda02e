//! Writing a manifest, so that it can be read from the folder it is written to.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::{CLASS, INPUT, LABEL};
use crate::data::DataSet;
use crate::{Error, ErrorKind, Result};

/// The text of a manifest at `file`: these inputs of a set as batches count them, with their labels, and columns of the caller's.
pub(in crate::data) fn text(
    set: &DataSet,
    inputs: &[usize],
    columns: &[(&str, Vec<String>)],
    file: &Path,
) -> Result<Vec<u8>> {
    let mut paths = Paths::new(file)?;
    let (labels, classes) = (set.labels(), set.classes());
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let failed = |why: &dyn std::fmt::Display| Error::io("write", file, why);
    let mut header = vec![INPUT];
    header.extend(labels.map(|_| LABEL));
    header.extend(classes.map(|_| CLASS));
    header.extend(columns.iter().map(|(name, _)| *name));
    writer.write_record(header).map_err(|why| failed(&why))?;
    for (row, input) in inputs.iter().enumerate() {
        let candidate = set.candidate(*input);
        let (source, suffix) = set.place(candidate);
        let mut fields = vec![match paths.to(&source)? {
            "" => suffix.trim_start_matches('/').to_owned(),
            path => format!("{path}{suffix}"),
        }];
        if let Some(label) = labels.map(|labels| labels[candidate]) {
            fields.push(label.to_string());
            fields.extend(classes.map(|_| set.class(label).unwrap_or_default().to_owned()));
        }
        fields.extend(columns.iter().map(|(_, texts)| texts[row].clone()));
        writer.write_record(&fields).map_err(|why| failed(&why))?;
    }
    writer.into_inner().map_err(|why| failed(&why))
}

/// Paths from the folder of a manifest to the files and folders of its inputs.
struct Paths {
    folder: PathBuf,
    known: HashMap<PathBuf, String>,
}

impl Paths {
    fn new(file: &Path) -> Result<Self> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self { folder: plain(folder)?, known: HashMap::new() })
    }

    /// The path to one of them; empty for the folder itself.
    fn to(&mut self, source: &Path) -> Result<&str> {
        if !self.known.contains_key(source) {
            let found = self.find(source)?;
            self.known.insert(source.to_owned(), found);
        }
        Ok(&self.known[source])
    }

    /// As paths are written, links in them kept; where `..` then leads elsewhere, between the places the links lead to.
    fn find(&self, source: &Path) -> Result<String> {
        let real = |path: &Path| path.canonicalize().map_err(|why| Error::io("read", path, why));
        let target = real(source)?;
        let written = relative(&self.folder, &plain(source)?);
        let found = match self.folder.join(&written).canonicalize() {
            Ok(reached) if reached == target => written,
            // A folder that is not there yet is made below one that is.
            _ => relative(&existing(&self.folder)?, &target),
        };
        let text = found.to_str().ok_or_else(|| {
            Error::new(ErrorKind::Data, format!("the path {} is not UTF-8, which a manifest is", found.display()))
                .with_help("rename it")
        })?;
        Ok(text.to_owned())
    }
}

/// The real path of a folder, what does not exist yet at its end included.
fn existing(folder: &Path) -> Result<PathBuf> {
    match folder.canonicalize() {
        Ok(real) => Ok(real),
        Err(why) => match (folder.parent(), folder.file_name()) {
            (Some(parent), Some(name)) => Ok(existing(parent)?.join(name)),
            _ => Err(Error::io("read", folder, why)),
        },
    }
}

/// The absolute path, without `.` and with `..` taken back.
fn plain(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|why| Error::io("read", path, why))?;
    let mut plain = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    Ok(plain)
}

/// The path that leads from one folder to another place, both absolute.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
    let up = from[common..].iter().map(|_| Component::ParentDir);
    up.chain(to[common..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_from_one_folder_to_another() {
        for (from, to, expected) in [
            ("/a/b", "/a/b/c/d", "c/d"),
            ("/a/b", "/a/c", "../c"),
            ("/a/b", "/a/b", ""),
            ("/a/b", "/", "../.."),
            ("/", "/x", "x"),
        ] {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(expected), "{from} {to}");
        }
        assert_eq!(plain(Path::new("/a/./b/../c")).unwrap(), Path::new("/a/c"));
    }
}
