//! Paths as the user writes them, from where she is, turned into paths from the package's folder.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// The path of a file from a folder, with `/` on every system.
pub fn of_file(folder: &Path, path: &Path) -> Result<String> {
    let missing = |source| Error::file("find", path)(source);
    let mut absolute = PathBuf::new();
    for part in std::path::absolute(path).map_err(missing)?.components() {
        match part {
            Component::ParentDir => _ = absolute.pop(),
            part => absolute.push(part),
        }
    }
    let real = path.canonicalize().map_err(missing)?;
    // As it is written, so that links within the project stay links, unless `..` leads elsewhere from one.
    let below = absolute.strip_prefix(folder).ok().filter(|_| absolute.canonicalize().is_ok_and(|own| own == real));
    let path = below.map_or_else(|| PathBuf::from(between(folder, &real)), Path::to_path_buf);
    let text = path.to_str().ok_or_else(|| Error::Init {
        problem: format!("the path {} is not UTF-8, which cleanai.toml is", path.display()),
        fix: "rename it".into(),
    })?;
    Ok(text.replace('\\', "/"))
}

/// A data location from a folder: of `inputs.npy,labels.npy` both parts.
pub fn of_data(folder: &Path, location: &str) -> Result<String> {
    let one = |text: &str| {
        let (path, range) = match text.rsplit_once('#') {
            Some((path, range)) if !Path::new(text).exists() => (path, format!("#{range}")),
            _ => (text, String::new()),
        };
        let exists = Path::new(path).exists();
        // What is not there is told by the engine, in the words of the user.
        Ok(if exists { format!("{}{range}", of_file(folder, Path::new(path))?) } else { text.to_string() })
    };
    match location.split_once(',') {
        Some((inputs, labels)) if !Path::new(location).exists() => Ok(format!("{},{}", one(inputs)?, one(labels)?)),
        _ => one(location),
    }
}

/// The path from one folder to another place, both absolute: relative where they share more than the root, with `/` on every system.
pub fn between(from: &Path, to: &Path) -> String {
    let from = from.canonicalize().unwrap_or_else(|_| from.to_path_buf());
    let (start, end): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (from.components().collect(), to.components().collect());
    let common = start.iter().zip(&end).take_while(|(a, b)| a == b).count();
    let path: PathBuf = if common > 1 {
        start[common..].iter().map(|_| Component::ParentDir).chain(end[common..].iter().copied()).collect()
    } else {
        to.to_path_buf()
    };
    path.to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_the_package() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("user/data")).unwrap();
        for name in ["user/data/a,b.npz", "x.npy", "y.npy"] {
            std::fs::write(root.join(name), "").unwrap();
        }
        let user = root.join("user");
        assert_eq!(of_file(&user, &user.join("data/a,b.npz")).unwrap(), "data/a,b.npz");
        assert_eq!(of_file(&user, &root.join("x.npy")).unwrap(), "../x.npy");
        let data = |name: &str| of_data(&user, &root.join(name).display().to_string()).unwrap();
        assert_eq!(data("user/data#..5"), "data#..5");
        assert_eq!(data("user/data/a,b.npz"), "data/a,b.npz");
        let both = format!("{},{}", root.join("x.npy").display(), root.join("y.npy").display());
        assert_eq!(of_data(&user, &both).unwrap(), "../x.npy,../y.npy");
        assert_eq!(of_data(&user, "no/such#place").unwrap(), "no/such#place");
    }
}
