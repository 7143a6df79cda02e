//! What kind of file a model is, found out before libtorch sees it, so that the wrong kind gets a clear answer.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::container::Container;
use crate::declare::nearest::nearest_file;
use crate::{Error, ErrorKind, Result};

/// The two formats that hold a whole model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A `.pt` archive with code.
    TorchScript,
    /// A `.pt2` archive of torch.export.
    Exported,
    /// No file: a function of the program.
    Function,
}

impl Format {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::TorchScript => "torchscript",
            Self::Exported => "torch.export",
            Self::Function => "function",
        }
    }
}

const EXPORT: &str = "export the whole model: torch.jit.trace(model.eval(), example).save(\"model.pt\"), or \
                      torch.export.save(torch.export.export(model.eval(), (example,)), \"model.pt2\")";

/// Looks at the file's members, not at its name.
pub fn format(path: &Path) -> Result<Format> {
    let fail = |why: &str| Error::new(ErrorKind::Model, format!("{} {why}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|why| missing(path, &why))?;
    if metadata.is_dir() {
        return Err(fail("is a folder, not a model file"));
    }
    if metadata.len() == 0 {
        return Err(fail("is empty").with_help(EXPORT));
    }
    let mut start = [0; 4];
    let mut file = File::open(path).map_err(|why| Error::io("open", path, why))?;
    let read = file.read(&mut start).map_err(|why| Error::io("read", path, why))?;
    if !start[..read].starts_with(b"PK") {
        return Err(match &start[..read] {
            [0x80, protocol, ..] if *protocol >= 2 => {
                fail("was written by torch.save in its legacy format, which holds no program").with_help(EXPORT)
            }
            _ => fail("is no model: neither TorchScript nor torch.export, both of which are zip archives")
                .with_help(EXPORT),
        });
    }
    let mut container = Container::open(path)?;
    let names = container.names();
    let ends = |suffix: &str| names.iter().any(|name| name == suffix || name.ends_with(&format!("/{suffix}")));
    if ends("models/model.json") || ends("serialized_exported_program.json") {
        return Ok(Format::Exported);
    }
    if ends("constants.pkl") {
        return Ok(Format::TorchScript);
    }
    if ends("archive_format") || ends("data/weights/model_weights_config.json") {
        return Err(
            fail("has no graph: models/model.json is missing in the archive").with_help("copy or export it again")
        );
    }
    if let Some(name) = names.iter().find(|name| name.ends_with("data.pkl")).cloned() {
        return Err(match pickled_class(&mut container, &name) {
            Some(class) => {
                fail(&format!("is a pickled Python object ({class}), which only Python can open")).with_help(EXPORT)
            }
            None => fail("is a state dict: weights without a program").with_help(EXPORT),
        });
    }
    Err(fail("is a zip archive, but neither TorchScript nor torch.export").with_help(EXPORT))
}

fn missing(path: &Path, why: &std::io::Error) -> Error {
    if why.kind() != std::io::ErrorKind::NotFound {
        return Error::io("read", path, why);
    }
    let error = Error::new(ErrorKind::Model, format!("{} does not exist", path.display()));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match nearest_file(path) {
        Some(near) => error.with_help(format!("did you mean {}?", near.display())),
        None if !parent.exists() => error.with_help(format!("its folder {} does not exist either", parent.display())),
        None => error,
    }
}

/// The class of the pickled object; `None` for a plain dictionary of tensors.
fn pickled_class(container: &mut Container, name: &str) -> Option<String> {
    let bytes = container.read(name, name, 16 << 20).ok()?;
    // GLOBAL is `c`, module, newline, name, newline; the first one is the class of the outermost object, where that has one.
    let at = bytes.iter().position(|byte| *byte == b'c')?;
    let mut lines = bytes[at + 1..].split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    let (module, class) = (lines.next()?, lines.next()?);
    let plain = matches!((&*module, &*class), ("collections", "OrderedDict") | ("torch._utils", _) | ("torch", _));
    let printable = [&module, &class]
        .iter()
        .all(|text| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "._".contains(c)));
    (!plain && printable).then(|| format!("{module}.{class}"))
}
